//! A health check before training: what in the data will make a score bad, or better than it deserves.

mod columns;
mod duplicates;
mod leak;

use std::borrow::Cow;

use super::DataError;
use super::samples::{Dataset, Samples, Targets};
use super::table::columns_left_out_as_constant;
use crate::spec::{Finding, FindingKind, Task, units};

/// Values of a part that are looked at; what a larger one has beyond them is not.
const MOST_VALUES: usize = 20_000_000;

/// The largest class has so many times the rows of the smallest before that is worth a word.
const UNEVEN: usize = 4;
/// Training rows of a class below which no network learns it well.
const FEW_ROWS: usize = 10;
/// Classes or columns of one kind that are listed one by one.
const LISTED: usize = 10;

/// A part of the split, as far as it is looked at.
struct Part<'a> {
    name: &'static str,
    rows: usize,
    /// Inputs of a row.
    width: usize,
    inputs: Cow<'a, [f32]>,
    targets: &'a Targets,
}

impl<'a> Part<'a> {
    fn of(name: &'static str, samples: &'a Samples) -> Result<Self, DataError> {
        let width = samples.shape.len().max(1);
        let rows = samples.len().min(MOST_VALUES / width);
        Ok(Self {
            name,
            rows,
            width,
            inputs: samples.inputs.slice(0..rows * width)?,
            targets: &samples.targets,
        })
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.inputs[row * self.width..(row + 1) * self.width]
    }
}

/// Everything that is found, the worst first: rows that parts share, leaks, contradictions, classes, then what is merely untidy. Of
/// a very large set the first values (`MOST_VALUES`) of each part are looked at.
pub fn health(dataset: &Dataset) -> Result<Vec<Finding>, DataError> {
    let train = Part::of("training", &dataset.train)?;
    let others = [
        Part::of("validation", &dataset.validation)?,
        Part::of("test", &dataset.test)?,
    ];
    let mut findings = duplicates::shared(&train, &others);
    findings.extend(leak::leaks(dataset, &train, &others));
    findings.extend(duplicates::within(&train));
    findings.extend(classes(dataset));
    findings.extend(columns_left_out_as_constant(&dataset.summary.notes).map(columns::constant));
    findings.extend(columns::constants(dataset, &train));
    findings.extend(columns::outliers(dataset, &train));
    Ok(findings)
}

/// Classes of very different sizes, and classes of very few training rows.
fn classes(dataset: &Dataset) -> Vec<Finding> {
    let (Task::Classification { classes }, Targets::Classes(training)) =
        (&dataset.summary.task, &dataset.train.targets)
    else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let sizes = || classes.iter().zip(&dataset.summary.class_rows);
    let total: usize = dataset.summary.class_rows.iter().sum();
    if let (Some((largest, &most)), Some((smallest, &least))) = (
        sizes().max_by_key(|(_, rows)| **rows),
        sizes().min_by_key(|(_, rows)| **rows),
    ) && most >= UNEVEN * least
    {
        let share = |rows: usize| units::percent(rows as f64 / total.max(1) as f64);
        findings.push(Finding {
            kind: FindingKind::ClassBalance,
            place: smallest.clone(),
            count: least,
            what: format!(
                "\"{largest}\" has {most} rows ({}), \"{smallest}\" {least} ({}): always answering the first would look good",
                share(most),
                share(least)
            ),
            remedy: "Set train.class_weights to balanced, and judge by F1 rather than by accuracy".to_owned(),
        });
    }
    let mut rows = vec![0; classes.len()];
    for &class in training {
        if let Some(rows) = rows.get_mut(class as usize) {
            *rows += 1;
        }
    }
    let few = classes.iter().zip(&rows).filter(|(_, rows)| **rows < FEW_ROWS);
    findings.extend(few.take(LISTED).map(|(class, &rows)| Finding {
        kind: FindingKind::ClassBalance,
        place: class.clone(),
        count: rows,
        what: format!("Training rows of \"{class}\": only {rows}"),
        remedy: "Bring more rows of it, or merge it with a class that is like it".to_owned(),
    }));
    findings
}

#[cfg(test)]
mod tests;
