//! Columns that say nothing, and values far from all others.

use super::{LISTED, Part};
use crate::data::restore::restore_number;
use crate::data::samples::{Dataset, Targets};
use crate::spec::{ColumnKind, Finding, FindingKind, InputForm, Shape, TargetTransform};

/// Distance from the median, in deviations of the middle half, from which a value is an outlier. Of a normal distribution none is.
const FAR: f64 = 10.0;
/// Where more of the values are far, the distribution is a wide one and they are part of it.
const RARE: f64 = 0.01;

/// A column of inputs as a person knows it.
struct Scale<'a> {
    name: &'a str,
    mean: f64,
    deviation: f64,
    /// Its inputs within a row: from the first, every so many.
    first: usize,
    step: usize,
}

/// The numeric columns of a table, or the features of steps. An image's pixels and a text's tokens are none.
fn numeric_columns(dataset: &Dataset) -> Vec<Scale<'_>> {
    let preprocessing = &dataset.preprocessing;
    let width = preprocessing.shape.len();
    match (&preprocessing.form, preprocessing.shape) {
        (InputForm::Row, Shape::Features { .. }) => {
            let mut first = 0;
            let mut scales = Vec::new();
            for column in &preprocessing.columns {
                if let ColumnKind::Numeric { mean, deviation, .. } = column.kind {
                    scales.push(Scale {
                        name: &column.name,
                        mean,
                        deviation,
                        first,
                        step: width,
                    });
                }
                first += column.kind.width();
            }
            scales
        }
        (InputForm::Steps { features } | InputForm::Window { features, .. }, _) => features
            .iter()
            .enumerate()
            .map(|(first, feature)| Scale {
                name: &feature.name,
                mean: feature.mean,
                deviation: feature.deviation,
                first,
                step: features.len(),
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn values<'a>(part: &'a Part<'_>, scale: &Scale<'_>) -> impl Iterator<Item = f32> + 'a {
    part.inputs.iter().skip(scale.first).step_by(scale.step.max(1)).copied()
}

/// A column that the importer left out.
pub fn constant(name: &str) -> Finding {
    Finding {
        kind: FindingKind::Constant,
        place: name.to_owned(),
        count: 1,
        what: format!("\"{name}\" is the same in every row and was left out"),
        remedy: "Remove it from the data, or find out why it never changes".to_owned(),
    }
}

/// Columns that change, but not within the training part.
pub fn constants(dataset: &Dataset, train: &Part<'_>) -> Vec<Finding> {
    let is_constant = |scale: &Scale<'_>| {
        let mut own = values(train, scale);
        own.next().is_some_and(|first| own.all(|value| value == first))
    };
    let scales = numeric_columns(dataset).into_iter().filter(is_constant);
    scales
        .map(|scale| Finding {
            kind: FindingKind::Constant,
            place: scale.name.to_owned(),
            count: 1,
            what: format!("\"{}\" is the same in every training row", scale.name),
            remedy: "Leave it out, or bring rows in which it differs".to_owned(),
        })
        .collect()
}

/// A few values far from the others, of inputs and of targets.
pub fn outliers(dataset: &Dataset, train: &Part<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = numeric_columns(dataset)
        .iter()
        .filter_map(|scale| {
            let remedy = "Correct them if they are mistakes; if they are real, a logarithm of the column tames them";
            outlier(
                scale.name,
                (scale.mean, scale.deviation),
                values(train, scale).collect(),
                remedy,
            )
        })
        .collect();
    if let (Targets::Values { values, width }, TargetTransform::Values { targets }) =
        (train.targets, &dataset.preprocessing.target)
    {
        findings.extend(targets.iter().enumerate().filter_map(|(place, target)| {
            let own = values.iter().skip(place).step_by((*width).max(1)).copied();
            let remedy = "Correct them if they are mistakes; if they are real, set train.loss to huber";
            outlier(&target.name, (target.mean, target.deviation), own.collect(), remedy)
        }));
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.count));
    findings.truncate(LISTED);
    findings
}

fn outlier(name: &str, (mean, deviation): (f64, f64), mut values: Vec<f32>, remedy: &str) -> Option<Finding> {
    values.sort_by(f32::total_cmp);
    let at = |share: f64| values.get(((values.len() as f64 - 1.0) * share) as usize).copied();
    let (low, median, high) = (f64::from(at(0.25)?), f64::from(at(0.5)?), f64::from(at(0.75)?));
    // Half of a normal distribution is within 0.6745 deviations of its middle.
    let spread = (high - low) / (2.0 * 0.6745);
    if spread <= 0.0 {
        return None;
    }
    let is_far = |value: f32| (f64::from(value) - median).abs() > FAR * spread;
    let count = values.iter().filter(|&&value| is_far(value)).count();
    if count == 0 || count as f64 > RARE * values.len() as f64 {
        return None;
    }
    let ends = [*values.first()?, *values.last()?];
    let [first, last] = ends.map(|value| f64::from(value) - median);
    let furthest = restore_number(ends[usize::from(first.abs() < last.abs())], mean, deviation);
    Some(Finding {
        kind: FindingKind::Outliers,
        place: name.to_owned(),
        count,
        what: format!(
            "{} of \"{name}\" far from all others, such as {furthest} where half are from {} to {}",
            if count == 1 {
                "1 value".to_owned()
            } else {
                format!("{count} values")
            },
            restore_number(low as f32, mean, deviation),
            restore_number(high as f32, mean, deviation)
        ),
        remedy: remedy.to_owned(),
    })
}
