//! What is to be predicted: classification or regression, decided by the target column, and the targets of all rows.

use super::DataError;
use super::header::position_of;
use super::preprocess::{mean_and_deviation, standardise};
use super::samples::Targets;
use super::split::quantile_bins;
use super::table::{Column, Values};
use crate::spec::{ConfigIssue, TargetScale, TargetTransform, Task, TaskKind};

/// Most classes of a classification.
pub const MAX_CLASSES: usize = 1_000;

/// Different integers up to which a numeric target is taken for classes, and rows that each of them needs on average.
const FEW_CLASSES: usize = 20;
const ROWS_PER_CLASS: usize = 3;
/// Rows that a class needs, so that training, validation and test have one each.
const PARTS: usize = 3;

/// The targets of all rows.
pub(super) struct Target {
    /// Names of the target columns.
    pub(super) names: Vec<String>,
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
    /// `rows x width`, row by row, for the targets of the task.
    Values {
        values: Vec<f64>,
        width: usize,
    },
}

/// Places of the wanted targets, one name or several separated by commas; the last column when nothing is wanted.
pub(super) fn places_of_targets(file: &str, names: &[String], wanted: Option<&str>) -> Result<Vec<usize>, DataError> {
    let Some(wanted) = wanted else {
        return Ok(vec![names.len().saturating_sub(1)]);
    };
    if let Ok(place) = position_of(file, names, wanted) {
        return Ok(vec![place]);
    }
    let mut places = Vec::new();
    for name in wanted.split(',') {
        let place = position_of(file, names, name)?;
        if !places.contains(&place) {
            places.push(place);
        }
    }
    Ok(places)
}

impl Target {
    /// Texts are classes. Integers are classes when there are at most 20 different ones and three rows for each on average.
    /// Other numbers are quantities, as are several targets. `forced` overrules. The columns have no missing values.
    pub(super) fn of(
        file: &str,
        columns: &[Column],
        forced: Option<TaskKind>,
        folds: Option<usize>,
    ) -> Result<Self, DataError> {
        let needed = folds.unwrap_or(PARTS).max(PARTS);
        let rows = columns.first().map_or(0, |column| column.values.len());
        if rows < needed {
            return Err(DataError::TooFewRows {
                file: file.to_owned(),
                rows,
                needed,
            });
        }
        match (columns, forced) {
            (_, Some(TaskKind::Forecast)) => Err(one_issue(
                "data.task",
                "forecast, but these samples have no order in time",
                "leave it out, or bring a table whose rows follow each other in time",
            )),
            ([], _) => Err(DataError::NoRows { file: file.to_owned() }),
            ([column], _) => Self::of_one(&Labels { file, column }, forced, needed),
            (_, Some(TaskKind::Classification)) => Err(one_issue(
                "data.task",
                "classification, but there are several targets",
                "name one column with data.target",
            )),
            _ => {
                let columns: Vec<(&str, &[f64])> = columns
                    .iter()
                    .map(|column| Ok((column.name.as_str(), numbers_of(&Labels { file, column })?)))
                    .collect::<Result<_, DataError>>()?;
                regression(file, &columns)
            }
        }
    }

    fn of_one(labels: &Labels<'_>, forced: Option<TaskKind>, needed: usize) -> Result<Self, DataError> {
        match (&labels.column.values, forced) {
            (Values::Texts { cells, texts }, None | Some(TaskKind::Classification)) => {
                let mut order: Vec<usize> = (0..texts.len()).collect();
                order.sort_by(|&a, &b| texts[a].cmp(&texts[b]));
                let mut rank = vec![0; texts.len()];
                for (place, &text) in order.iter().enumerate() {
                    rank[text] = place as u32;
                }
                let classes = order.iter().map(|&text| texts[text].clone()).collect();
                let rows = cells.iter().map(|&cell| rank[cell as usize]).collect();
                classification(labels, classes, rows, needed)
            }
            _ => {
                let numbers = numbers_of(labels)?;
                let different = different(numbers);
                let few_integers = are_classes(&different, numbers.len());
                let classifies = forced.map_or(few_integers, |kind| kind == TaskKind::Classification);
                if !classifies {
                    return regression(labels.file, &[(labels.column.name.as_str(), numbers)]);
                }
                let rows = numbers
                    .iter()
                    .map(|number| different.partition_point(|other| other < number) as u32)
                    .collect();
                classification(
                    labels,
                    different.iter().map(ToString::to_string).collect(),
                    rows,
                    needed,
                )
            }
        }
    }

    /// The targets' scale by the training rows.
    pub(super) fn transform(&self, train: &[usize]) -> TargetTransform {
        match (&self.values, &self.task) {
            (TargetValues::Values { values, width }, Task::Regression { targets }) => TargetTransform::Values {
                targets: targets
                    .iter()
                    .enumerate()
                    .map(|(target, name)| {
                        let own = || train.iter().map(|&row| values[row * width + target]);
                        let (mean, deviation) = mean_and_deviation(own);
                        let name = name.clone();
                        TargetScale { name, mean, deviation }
                    })
                    .collect(),
            },
            (_, Task::Classification { classes }) => TargetTransform::Classes {
                classes: classes.clone(),
            },
            (TargetValues::Classes(_), Task::Regression { .. }) => TargetTransform::Classes { classes: Vec::new() },
        }
    }

    /// The targets of the named rows.
    pub(super) fn of_rows(&self, transform: &TargetTransform, rows: &[usize]) -> Targets {
        match (&self.values, transform) {
            (TargetValues::Classes(classes), _) => Targets::Classes(rows.iter().map(|&row| classes[row]).collect()),
            (TargetValues::Values { values, width }, TargetTransform::Values { targets }) => Targets::Values {
                values: rows
                    .iter()
                    .flat_map(|&row| values[row * width..(row + 1) * width].iter().zip(targets))
                    .map(|(&value, target)| standardise(value, target.mean, target.deviation))
                    .collect(),
                width: *width,
            },
            (TargetValues::Values { width, .. }, TargetTransform::Classes { .. }) => Targets::Values {
                values: Vec::new(),
                width: *width,
            },
        }
    }
}

/// Whether [`Target::of`] takes these columns for quantities.
pub(super) fn is_regression(columns: &[Column], forced: Option<TaskKind>) -> bool {
    match (columns, forced) {
        (_, Some(kind)) => kind == TaskKind::Regression,
        ([column], None) => match &column.values {
            Values::Texts { .. } => false,
            Values::Numbers(numbers) => !are_classes(&different(numbers), numbers.len()),
        },
        _ => true,
    }
}

/// The different ones of `numbers`, in their order.
fn different(numbers: &[f64]) -> Vec<f64> {
    let mut different = numbers.to_vec();
    different.sort_by(f64::total_cmp);
    different.dedup();
    different
}

/// Whether numbers of which these are the `different` ones are classes: few integers, and enough rows for each.
fn are_classes(different: &[f64], rows: usize) -> bool {
    different.len() <= FEW_CLASSES
        && different.len() * ROWS_PER_CLASS <= rows
        && different.iter().all(|number| number.fract() == 0.0)
}

/// A target column and the file that it is of.
struct Labels<'a> {
    file: &'a str,
    column: &'a Column,
}

fn one_issue(field: &str, problem: &str, remedy: &str) -> DataError {
    DataError::Config {
        issues: vec![ConfigIssue::new(field, problem, remedy)],
    }
}

/// The numbers of a target; an error where it has texts.
fn numbers_of<'a>(labels: &Labels<'a>) -> Result<&'a [f64], DataError> {
    match &labels.column.values {
        Values::Numbers(numbers) => Ok(numbers),
        Values::Texts { .. } => {
            let (row, text) = labels.column.first_text.clone().unwrap_or_default();
            Err(DataError::NotANumber {
                file: labels.file.to_owned(),
                row,
                column: labels.column.name.clone(),
                text,
            })
        }
    }
}

fn classification(
    labels: &Labels<'_>,
    classes: Vec<String>,
    rows: Vec<u32>,
    needed: usize,
) -> Result<Target, DataError> {
    let file = labels.file.to_owned();
    let target = labels.column.name.clone();
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
            is_text: matches!(labels.column.values, Values::Texts { .. }),
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
        names: vec![target],
        task: Task::Classification { classes },
        values: TargetValues::Classes(rows.clone()),
        strata: rows,
        strata_count: count,
        class_rows,
    })
}

/// Stratified by the first target.
fn regression(file: &str, columns: &[(&str, &[f64])]) -> Result<Target, DataError> {
    for (name, numbers) in columns {
        if let Some(&value) = numbers.first()
            && numbers.iter().all(|&number| number == value)
        {
            return Err(DataError::OneValue {
                file: file.to_owned(),
                target: (*name).to_owned(),
                value,
            });
        }
    }
    let names: Vec<String> = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
    let first = columns.first().map_or(&[][..], |(_, numbers)| numbers);
    let (strata, strata_count) = quantile_bins(first);
    let rows = 0..first.len();
    Ok(Target {
        names: names.clone(),
        task: Task::Regression { targets: names },
        values: TargetValues::Values {
            values: rows
                .flat_map(|row| columns.iter().map(move |(_, numbers)| numbers[row]))
                .collect(),
            width: columns.len(),
        },
        strata,
        strata_count,
        class_rows: Vec::new(),
    })
}
