//! Arrays of NumPy as new rows of a table, or as new sequences, for a model that was trained on such.

use std::path::Path;

use super::arrays::Shelf;
use super::malformed;
use super::new::read_truth;
use crate::data::DataError;
use crate::data::predict::{NewRows, TargetReader};
use crate::data::preprocess::{Encoder, MAX_VALUES, Value};
use crate::data::sequences::{Sequences, check_size};
use crate::spec::{InputForm, Preprocessing};

/// The rows of the inputs in an NPZ, an NPY or a folder of these; none where `path` leads to no arrays.
pub(in crate::data) fn read_new_arrays(
    path: &Path,
    preprocessing: &Preprocessing,
) -> Result<Option<NewRows>, DataError> {
    let Some(shelf) = Shelf::open(path)? else {
        return Ok(None);
    };
    let (mut x, y) = shelf.for_prediction(path)?;
    let rows = x.shape.first().copied().unwrap_or(0);
    if rows == 0 {
        return Err(DataError::NoRows { file: x.file });
    }
    let shape = preprocessing.shape;
    let features = match &preprocessing.form {
        InputForm::Steps { features } => features.len(),
        _ => preprocessing.columns.len(),
    };
    let (steps, fits) = match (&preprocessing.form, &x.shape[..]) {
        (InputForm::Steps { .. }, &[_, steps, own]) => (steps, own == features && steps > 0),
        (InputForm::Row, &[_]) => (1, features == 1),
        (InputForm::Row, &[_, own]) => (1, own == features),
        _ => (1, false),
    };
    if !fits || x.is_text() {
        let wanted = match preprocessing.form {
            InputForm::Steps { .. } => format!("bring [rows, steps, {features}]"),
            _ => format!("bring numbers in {features} columns"),
        };
        let problem = format!("has the shape {:?}, which the model does not read", x.shape);
        return Err(malformed(&x.file, problem, wanted));
    }
    check_size(&x.file, [rows, steps, features])?;
    if rows.saturating_mul(shape.len()) > MAX_VALUES {
        return Err(DataError::TooManyCells {
            file: x.file,
            rows,
            columns: shape.len(),
            limit: MAX_VALUES,
        });
    }
    let mut inputs = Vec::new();
    let mut numbers = Vec::new();
    if let InputForm::Steps { features } = &preprocessing.form {
        let names = features.iter().map(|feature| feature.name.clone()).collect();
        let mut sequences = Sequences::new(&x.file, names);
        for _ in 0..rows {
            numbers.clear();
            x.numbers(steps * features.len(), &mut numbers)?;
            sequences.push(numbers.iter().copied());
        }
        inputs = sequences.encode(preprocessing, &(0..rows).collect::<Vec<_>>());
    } else {
        let encoders: Vec<Encoder<'_>> = preprocessing
            .columns
            .iter()
            .map(|column| Encoder::new(&column.kind))
            .collect();
        for _ in 0..rows {
            numbers.clear();
            x.numbers(encoders.len(), &mut numbers)?;
            for (encoder, &number) in encoders.iter().zip(&numbers) {
                let is_missing = number.is_nan();
                encoder.encode(
                    if is_missing {
                        Value::Missing
                    } else {
                        Value::Number(number)
                    },
                    &mut inputs,
                );
            }
        }
    }
    if inputs.iter().any(|value| !value.is_finite()) {
        let remedy = "replace it, or write NaN for what is missing";
        return Err(malformed(&x.file, "holds an infinite number", remedy));
    }
    let mut targets = TargetReader::new(&preprocessing.target);
    read_truth(&mut targets, y, rows)?;
    let (targets, note) = targets.finish();
    Ok(Some(NewRows {
        shape,
        rows,
        inputs,
        names: Vec::new(),
        targets,
        notes: note.into_iter().collect(),
    }))
}
