//! One sample as cells that a person types: how they are called, and the network's input that they make.

use crate::data::DataError;
use crate::data::number::{Cell, read_cell};
use crate::data::preprocess::Encoder;
use crate::data::sequences::{encode, wide_names};
use crate::data::texts::Tokenizer;
use crate::spec::{ColumnKind, FeatureScale, InputForm, Preprocessing};

/// Names of the cells of one sample: the raw columns; of a sequence and of a window every step of every feature, as in the wide form;
/// the column of the text. None for pictures.
pub fn cell_names(preprocessing: &Preprocessing) -> Vec<String> {
    match &preprocessing.form {
        InputForm::Row => preprocessing.columns.iter().map(|column| column.name.clone()).collect(),
        InputForm::Pixels { .. } => Vec::new(),
        InputForm::Steps { features } | InputForm::Window { features, .. } => {
            let names: Vec<String> = features.iter().map(|feature| feature.name.clone()).collect();
            wide_names(&names, preprocessing.shape.positions()).collect()
        }
        InputForm::Text { column, .. } => vec![column.clone()],
    }
}

/// The network's input for one sample of typed cells, by the names of [`cell_names`]; one that is not named counts as missing.
pub fn encode_cells(cells: &[(String, String)], preprocessing: &Preprocessing) -> Result<Vec<f32>, DataError> {
    let steps = preprocessing.shape.positions();
    match &preprocessing.form {
        InputForm::Row => encode_row(cells, preprocessing),
        InputForm::Pixels { .. } => Err(DataError::NotAFile {
            file: "input".to_owned(),
        }),
        InputForm::Steps { features } | InputForm::Window { features, .. } => encode_steps(cells, features, steps),
        InputForm::Text { column, vocabulary } => {
            let mut inputs = Vec::with_capacity(steps);
            Tokenizer::new(vocabulary).encode(typed(cells, column), steps, &mut inputs);
            Ok(inputs)
        }
    }
}

fn typed<'a>(cells: &'a [(String, String)], name: &str) -> &'a str {
    let given = cells.iter().find(|(known, _)| known == name);
    given.map_or("", |(_, text)| text.as_str())
}

/// Empty steps in front are padding; a missing value takes the one before.
fn encode_steps(cells: &[(String, String)], features: &[FeatureScale], steps: usize) -> Result<Vec<f32>, DataError> {
    let width = features.len();
    let mut values = vec![f64::NAN; steps * width];
    for step in 0..steps {
        for (place, feature) in features.iter().enumerate() {
            let name = format!("{}_{step}", feature.name);
            let at = step * width + place;
            values[at] = match number(&name, typed(cells, &name))? {
                Some(value) => value,
                None if step > 0 => values[at - width],
                None => f64::NAN,
            };
        }
    }
    let mut inputs = Vec::with_capacity(values.len());
    encode(&values, features, steps, &mut inputs);
    Ok(inputs)
}

/// The number that a cell of `column` says, if any; an error where it says something else.
fn number(column: &str, text: &str) -> Result<Option<f64>, DataError> {
    let (file, row, column, text) = ("input".to_owned(), 1, column.to_owned(), text.trim().to_owned());
    match read_cell(&text) {
        Cell::Missing => Ok(None),
        Cell::Number { value, .. } => Ok(Some(value)),
        Cell::Text => Err(DataError::NotANumber {
            file,
            row,
            column,
            text,
        }),
        Cell::Infinite => Err(DataError::Infinite {
            file,
            row,
            column,
            text,
        }),
        Cell::Grouped => Err(DataError::Thousands {
            file,
            row,
            column,
            text,
        }),
    }
}

fn encode_row(cells: &[(String, String)], preprocessing: &Preprocessing) -> Result<Vec<f32>, DataError> {
    let mut inputs = Vec::with_capacity(preprocessing.shape.len());
    for column in &preprocessing.columns {
        let text = typed(cells, &column.name);
        if let ColumnKind::Numeric { .. } = column.kind {
            number(&column.name, text)?;
        }
        let encoder = Encoder::new(&column.kind);
        encoder.encode(encoder.read(text), &mut inputs);
    }
    Ok(inputs)
}
