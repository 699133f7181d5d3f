//! What is to be predicted: classification or regression, decided by the target column, and the targets of all rows.

use super::DataError;
use super::split::quantile_bins;
use super::table::{Table, Values};
use crate::spec::{Task, TaskKind};

/// Most classes of a classification.
pub const MAX_CLASSES: usize = 1_000;

/// Different integers up to which a numeric target is taken for classes, and rows that each of them needs on average.
const FEW_CLASSES: usize = 20;
const ROWS_PER_CLASS: usize = 3;
/// Rows that a class needs, so that training, validation and test have one each.
const PARTS: usize = 3;

/// The targets of all rows.
pub(super) struct Target {
    pub(super) task: Task,
    pub(super) values: TargetValues,
    /// By which the split is stratified: the classes, or quantile bins.
    pub(super) strata: Vec<u32>,
    pub(super) strata_count: usize,
    /// Rows of each class; empty for regression.
    pub(super) class_rows: Vec<usize>,
}

pub(super) enum TargetValues {
    Classes(Vec<u32>),
    Values(Vec<f64>),
}

impl Target {
    /// Texts are classes. Integers are classes when there are at most 20 different ones and three rows for each on average.
    /// Other numbers are quantities. `forced` overrules.
    pub(super) fn of(table: &Table, forced: Option<TaskKind>, folds: Option<usize>) -> Result<Self, DataError> {
        let needed = folds.unwrap_or(PARTS).max(PARTS);
        if table.rows < needed {
            return Err(DataError::TooFewRows {
                file: table.file.clone(),
                rows: table.rows,
                needed,
            });
        }
        match (&table.target.values, forced) {
            (Values::Texts { .. }, Some(TaskKind::Regression)) => {
                let (row, text) = table.target.first_text.clone().unwrap_or_default();
                Err(DataError::NotANumber {
                    file: table.file.clone(),
                    row,
                    column: table.target.name.clone(),
                    text,
                })
            }
            (Values::Texts { cells, texts }, _) => {
                let mut order: Vec<usize> = (0..texts.len()).collect();
                order.sort_by(|&a, &b| texts[a].cmp(&texts[b]));
                let mut rank = vec![0; texts.len()];
                for (place, &text) in order.iter().enumerate() {
                    rank[text] = place as u32;
                }
                let classes = order.iter().map(|&text| texts[text].clone()).collect();
                let rows = cells.iter().map(|&cell| rank[cell as usize]).collect();
                classification(table, classes, rows, needed)
            }
            (Values::Numbers(numbers), forced) => {
                let mut different = numbers.clone();
                different.sort_by(f64::total_cmp);
                different.dedup();
                let few_integers = different.len() <= FEW_CLASSES
                    && different.len() * ROWS_PER_CLASS <= table.rows
                    && different.iter().all(|number| number.fract() == 0.0);
                let classifies = forced.map_or(few_integers, |kind| kind == TaskKind::Classification);
                if !classifies {
                    return regression(table, numbers);
                }
                let rows = numbers
                    .iter()
                    .map(|number| different.partition_point(|other| other < number) as u32)
                    .collect();
                classification(table, different.iter().map(ToString::to_string).collect(), rows, needed)
            }
        }
    }
}

fn classification(table: &Table, classes: Vec<String>, rows: Vec<u32>, needed: usize) -> Result<Target, DataError> {
    let file = table.file.clone();
    let target = table.target.name.clone();
    let count = classes.len();
    if let [class] = &classes[..] {
        return Err(DataError::OneClass {
            file,
            target,
            class: class.clone(),
        });
    }
    if count * 2 > rows.len() || count > MAX_CLASSES {
        return Err(DataError::TooManyClasses {
            file,
            target,
            classes: count,
            rows: rows.len(),
        });
    }
    let mut class_rows = vec![0; count];
    for &class in &rows {
        class_rows[class as usize] += 1;
    }
    if let Some(rare) = class_rows.iter().position(|&rows| rows < needed) {
        return Err(DataError::RareClass {
            file,
            target,
            class: classes[rare].clone(),
            rows: class_rows[rare],
            needed,
        });
    }
    Ok(Target {
        task: Task::Classification { classes },
        values: TargetValues::Classes(rows.clone()),
        strata: rows,
        strata_count: count,
        class_rows,
    })
}

fn regression(table: &Table, numbers: &[f64]) -> Result<Target, DataError> {
    if let Some(&value) = numbers.first()
        && numbers.iter().all(|&number| number == value)
    {
        return Err(DataError::OneValue {
            file: table.file.clone(),
            target: table.target.name.clone(),
            value,
        });
    }
    let (strata, strata_count) = quantile_bins(numbers);
    Ok(Target {
        task: Task::Regression {
            targets: vec![table.target.name.clone()],
        },
        values: TargetValues::Values(numbers.to_vec()),
        strata,
        strata_count,
        class_rows: Vec::new(),
    })
}
