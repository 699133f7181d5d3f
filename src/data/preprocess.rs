//! Raw columns to network inputs: fitted on the training rows alone, applied by one encoder in training and in prediction.

use std::collections::HashMap;

use super::DataError;
use super::samples::Samples;
use super::table::{Column, MISSING, Table, Values};
use super::target::Target;
use crate::spec::{ColumnKind, InputColumn, InputForm, Preprocessing, Shape};

/// Most network inputs, one-hot columns spread out.
pub const MAX_INPUTS: usize = 20_000;
/// Most input values of all rows together.
pub(super) const MAX_VALUES: usize = 200_000_000;

/// Columns whose filling is noted one by one.
const NOTED: usize = 10;

/// One raw value of a cell.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Missing,
    Number(f64),
    Text(&'a str),
}

/// A [`ColumnKind`] made ready to encode many rows.
pub(super) enum Encoder<'a> {
    Numeric {
        mean: f64,
        deviation: f64,
        fill: f64,
    },
    Category {
        places: HashMap<&'a str, usize>,
        width: usize,
    },
}

impl<'a> Encoder<'a> {
    pub(super) fn new(kind: &'a ColumnKind) -> Self {
        match kind {
            &ColumnKind::Numeric { mean, deviation, fill } => Self::Numeric { mean, deviation, fill },
            ColumnKind::Category { categories } => Self::Category {
                places: categories
                    .iter()
                    .enumerate()
                    .map(|(place, text)| (text.as_str(), place))
                    .collect(),
                width: categories.len(),
            },
        }
    }

    /// Appends the network inputs of one value: one standardised number, or a one-hot row.
    pub(super) fn encode(&self, value: Value<'_>, inputs: &mut Vec<f32>) {
        match self {
            Self::Numeric { mean, deviation, fill } => {
                let number = if let Value::Number(number) = value {
                    number
                } else {
                    *fill
                };
                inputs.push(standardise(number, *mean, *deviation));
            }
            Self::Category { places, width } => {
                let place = match value {
                    Value::Missing => places.get(""),
                    Value::Text(text) => places.get(text),
                    Value::Number(_) => None,
                };
                let start = inputs.len();
                inputs.resize(start + width, 0.0);
                if let Some(place) = place {
                    inputs[start + place] = 1.0;
                }
            }
        }
    }
}

/// `(value - mean) / deviation`, held within the finite range of f32.
pub(super) fn standardise(value: f64, mean: f64, deviation: f64) -> f32 {
    (((value - mean) / deviation).clamp(f64::from(f32::MIN), f64::from(f32::MAX))) as f32
}

/// Fits the preprocessing on the training rows; the notes say what was filled. An image has one mean and deviation for all pixels.
pub(super) fn fit(
    table: &Table,
    target: &Target,
    train: &[usize],
    image: Option<Shape>,
) -> Result<(Preprocessing, Vec<String>), DataError> {
    let mut notes = Vec::new();
    let mut unnoted = 0;
    let mut columns = Vec::with_capacity(table.columns.len());
    for column in &table.columns {
        let (kind, filling) = fit_column(column, train);
        let missing = column.values.missing();
        if missing > 0 && notes.len() < NOTED {
            notes.push(format!("\"{}\": {missing} missing values {filling}", column.name));
        } else if missing > 0 {
            unnoted += 1;
        }
        columns.push(InputColumn {
            name: column.name.clone(),
            kind,
        });
    }
    if unnoted > 0 {
        notes.push(format!("Missing values of {unnoted} more columns are filled likewise"));
    }
    if image.is_some() {
        share_statistics(table, train, &mut columns);
    }
    let inputs: usize = columns.iter().map(|column| column.kind.width()).sum();
    if (inputs > MAX_INPUTS || inputs.saturating_mul(table.rows) > MAX_VALUES)
        && let Some(widest) = columns.iter().max_by_key(|column| column.kind.width())
    {
        return Err(DataError::TooManyInputs {
            file: table.file.clone(),
            column: widest.name.clone(),
            categories: widest.kind.width(),
            inputs,
            limit: MAX_INPUTS.min(MAX_VALUES / table.rows.max(1)),
        });
    }
    let preprocessing = Preprocessing {
        form: InputForm::Row,
        columns,
        shape: image.unwrap_or(Shape::Features { features: inputs }),
        target_column: target.names.join(","),
        target: target.transform(train),
    };
    Ok((preprocessing, notes))
}

/// The named rows of the table, preprocessed.
pub(super) fn apply(table: &Table, target: &Target, preprocessing: &Preprocessing, rows: &[usize]) -> Samples {
    let encoders: Vec<Encoder<'_>> = preprocessing
        .columns
        .iter()
        .map(|column| Encoder::new(&column.kind))
        .collect();
    let mut inputs = Vec::with_capacity(rows.len() * preprocessing.shape.len());
    for &row in rows {
        for (column, encoder) in table.columns.iter().zip(&encoders) {
            encoder.encode(column.value(row), &mut inputs);
        }
    }
    Samples {
        shape: preprocessing.shape,
        inputs: inputs.into(),
        targets: target.of_rows(&preprocessing.target, rows),
    }
}

impl Column {
    fn value(&self, row: usize) -> Value<'_> {
        match &self.values {
            Values::Numbers(numbers) if numbers[row].is_nan() => Value::Missing,
            Values::Numbers(numbers) => Value::Number(numbers[row]),
            Values::Texts { cells, .. } if cells[row] == MISSING => Value::Missing,
            Values::Texts { cells, texts } => Value::Text(&texts[cells[row] as usize]),
        }
    }
}

/// The column's kind, and how its missing values are filled.
fn fit_column(column: &Column, train: &[usize]) -> (ColumnKind, String) {
    match &column.values {
        Values::Numbers(numbers) => {
            let present = || train.iter().map(|&row| numbers[row]).filter(|number| !number.is_nan());
            let (mean, deviation) = mean_and_deviation(present);
            let fill = median(present().collect()).unwrap_or(mean);
            let filling = format!("filled with the training median {fill}");
            (ColumnKind::Numeric { mean, deviation, fill }, filling)
        }
        Values::Texts { cells, texts } => {
            let mut seen = vec![false; texts.len()];
            let mut misses = false;
            for &row in train {
                match seen.get_mut(cells[row] as usize) {
                    Some(seen) => *seen = true,
                    None => misses = true,
                }
            }
            let mut categories: Vec<String> = texts
                .iter()
                .zip(seen)
                .filter(|(_, seen)| *seen)
                .map(|(text, _)| text.clone())
                .collect();
            if misses {
                categories.push(String::new());
            }
            categories.sort_unstable();
            let filling = if misses {
                "are a category of their own"
            } else {
                "do not occur in training and are no category"
            };
            (ColumnKind::Category { categories }, filling.to_owned())
        }
    }
}

fn share_statistics(table: &Table, train: &[usize], columns: &mut [InputColumn]) {
    let pixels = || {
        table.columns.iter().flat_map(|column| {
            train.iter().filter_map(|&row| match &column.values {
                Values::Numbers(numbers) if !numbers[row].is_nan() => Some(numbers[row]),
                _ => None,
            })
        })
    };
    let (shared_mean, shared_deviation) = mean_and_deviation(pixels);
    for column in columns {
        if let ColumnKind::Numeric { mean, deviation, .. } = &mut column.kind {
            (*mean, *deviation) = (shared_mean, shared_deviation);
        }
    }
}

/// Mean and population deviation in two passes; 0 and 1 of nothing, and a deviation of 1 where all values agree to rounding.
pub(super) fn mean_and_deviation<I: Iterator<Item = f64>>(values: impl Fn() -> I) -> (f64, f64) {
    let count = values().count();
    if count == 0 {
        return (0.0, 1.0);
    }
    let mean = values().sum::<f64>() / count as f64;
    let deviation = (values().map(|value| (value - mean).powi(2)).sum::<f64>() / count as f64).sqrt();
    let rounding = mean.abs() * 1e-12;
    (
        mean,
        if deviation > rounding && deviation > f64::MIN_POSITIVE {
            deviation
        } else {
            1.0
        },
    )
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len().is_multiple_of(2) {
        f64::midpoint(values[middle - 1], upper)
    } else {
        upper
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics() {
        assert_eq!(mean_and_deviation(|| [1.0, 3.0].into_iter()), (2.0, 1.0));
        assert_eq!(mean_and_deviation(|| [0.1; 7].into_iter()).1, 1.0);
        assert_eq!(mean_and_deviation(|| [0.0; 0].into_iter()), (0.0, 1.0));
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(vec![]), None);
    }

    #[test]
    fn encodes_numbers_categories_and_what_is_missing() {
        let numeric = ColumnKind::Numeric {
            mean: 1.0,
            deviation: 2.0,
            fill: 5.0,
        };
        let category = ColumnKind::Category {
            categories: vec![String::new(), "a".to_owned()],
        };
        let mut inputs = Vec::new();
        let (numeric, category) = (Encoder::new(&numeric), Encoder::new(&category));
        numeric.encode(Value::Number(2.0), &mut inputs);
        numeric.encode(Value::Missing, &mut inputs);
        category.encode(Value::Text("a"), &mut inputs);
        category.encode(Value::Missing, &mut inputs);
        category.encode(Value::Text("new"), &mut inputs);
        assert_eq!(inputs, [0.5, 2.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
    }
}
