//! New rows for a finished model: a file or a folder, and nothing but the preprocessing that went out with it.

mod cells;
mod targets;

use std::path::Path;

pub use cells::{cell_names, encode_cells};
pub(super) use targets::{TargetReader, target_names};

use super::DataError;
use super::header::{check_names, has_header, names_from, nearest};
use super::number::{Cell, read_cell};
use super::preprocess::{Encoder, MAX_VALUES, Value};
use super::profile::profile;
use super::records::{Record, Records};
use super::samples::Targets;
use super::text::{decode, read_file};
use super::{pictures, sequences, series, texts};
use crate::spec::{ColumnKind, InputForm, Preprocessing, Shape};

/// Rows of a CSV as a model's inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRows {
    /// Shape of one row.
    pub shape: Shape,
    /// Number of rows.
    pub rows: usize,
    /// `rows x shape.len()` values, row by row.
    pub inputs: Vec<f32>,
    /// Names of the files that the rows are, within the given folder; empty where they are rows of one file.
    pub names: Vec<String>,
    /// Present when the file has the target columns and every cell of them can be read, so that the predictions can be scored. Of a
    /// series the last row has no truth: it is what follows the file.
    pub targets: Option<Targets>,
    /// What was filled or assumed, one sentence each.
    pub notes: Vec<String>,
}

/// Reads the columns that the model was trained on, by name and in any order; further columns do not matter. A file without a header is
/// read by position: exactly the model's columns, or these and the target behind them. Missing values are filled as in training.
///
/// What is no row of a table is read as it was for training: sequences in long or wide form or as `.ts`, a series, texts from a CSV or
/// a folder of files; pictures from their files, a folder, or IDX. Rows, sequences and pictures are read from NPZ and NPY too.
pub fn read_rows(path: &Path, preprocessing: &Preprocessing) -> Result<NewRows, DataError> {
    let file = path.display().to_string();
    check(&file, preprocessing)?;
    match &preprocessing.form {
        InputForm::Row | InputForm::Steps { .. }
            if let Some(rows) = pictures::read_new_arrays(path, preprocessing)? =>
        {
            Ok(rows)
        }
        InputForm::Row => rows_of(&file, &read_file(path)?, preprocessing),
        InputForm::Pixels { channels, .. } => pictures::read_new(path, preprocessing, channels),
        InputForm::Steps { features } => sequences::read_new(&file, &read_file(path)?, preprocessing, features),
        InputForm::Window { .. } => series::read_new(&file, &read_file(path)?, preprocessing),
        InputForm::Text { column, vocabulary } => texts::read_new(path, preprocessing, column, vocabulary),
    }
}

fn rows_of(file: &str, bytes: &[u8], preprocessing: &Preprocessing) -> Result<NewRows, DataError> {
    let (text, encoding_note) = decode(file, bytes)?;
    let records = Records::open(file, &text)?;
    let layout = Layout::find(&records, &records.sample()?, preprocessing)?;
    let body = || records.iter().skip(usize::from(layout.with_header));
    let profiles = profile(&records, body())?;
    let mut notes: Vec<String> = encoding_note.into_iter().collect();
    for (column, &place) in preprocessing.columns.iter().zip(&layout.inputs) {
        if matches!(column.kind, ColumnKind::Numeric { .. }) {
            profiles[place].check_numbers(&records, &column.name)?;
        }
        let missing = profiles[place].missing;
        if missing > 0 {
            notes.push(format!(
                "\"{}\": {missing} missing values filled as in training",
                column.name
            ));
        }
    }
    let rows = profiles.first().map_or(0, |profile| profile.rows);
    if rows == 0 {
        return Err(DataError::NoRows { file: file.to_owned() });
    }
    let width = preprocessing.shape.len();
    if rows.saturating_mul(width) > MAX_VALUES {
        return Err(DataError::TooManyCells {
            file: file.to_owned(),
            rows,
            columns: width,
            limit: MAX_VALUES,
        });
    }
    let encoders: Vec<Encoder<'_>> = preprocessing
        .columns
        .iter()
        .map(|column| Encoder::new(&column.kind))
        .collect();
    let mut inputs = Vec::with_capacity(rows * width);
    let mut targets = TargetReader::new(&preprocessing.target);
    for record in body() {
        let record = record?;
        for (encoder, &place) in encoders.iter().zip(&layout.inputs) {
            encoder.encode(encoder.read(record.cells.get(place).unwrap_or_default()), &mut inputs);
        }
        match &layout.targets {
            Some(places) => {
                let cells = places.iter().map(|&place| record.cells.get(place).unwrap_or_default());
                targets.read(record.row, cells);
            }
            None => targets.give_up(None),
        }
    }
    let (targets, note) = targets.finish();
    notes.extend(note);
    Ok(NewRows {
        shape: preprocessing.shape,
        rows,
        inputs,
        names: Vec::new(),
        targets,
        notes,
    })
}

/// The name of a file as it stands within the folder that was given.
pub(super) fn name_in(folder: &Path, file: &Path) -> String {
    file.strip_prefix(folder).unwrap_or(file).display().to_string()
}

/// Refuses a preprocessing that was damaged on its way here.
fn check(file: &str, preprocessing: &Preprocessing) -> Result<(), DataError> {
    match preprocessing.problem() {
        None => Ok(()),
        Some(problem) => Err(DataError::Preprocessing {
            file: file.to_owned(),
            problem,
        }),
    }
}

/// Where in a record the model's columns are.
struct Layout {
    with_header: bool,
    inputs: Vec<usize>,
    /// Of all targets, or none.
    targets: Option<Vec<usize>>,
}

impl Layout {
    fn find(records: &Records<'_>, sample: &[Record], preprocessing: &Preprocessing) -> Result<Self, DataError> {
        let header = names_from(sample.first().map(|first| &first.cells), records.width);
        let names_of_none = names_from(None, records.width);
        let wanted = || preprocessing.columns.iter().map(|column| column.name.as_str());
        // Only what stands in the file makes a header: an empty cell does not, though its column gets a name.
        let stands = |name: &str| {
            let mut cells = sample.iter().take(1).flat_map(|first| first.cells.iter());
            read_cell(name) == Cell::Text && cells.any(|cell| cell.trim() == name)
        };
        let targets = target_names(preprocessing);
        let any_named = wanted().chain(targets.iter().map(String::as_str)).any(stands);
        // A model trained without a header has the columns' places as names, and a file for it has no header either.
        let placed = wanted().all(|name| names_of_none.iter().any(|present| present == name));
        let with_header = any_named || (!placed && has_header(sample));
        if !with_header && !placed {
            return Self::by_position(records, preprocessing);
        }
        let names = if with_header { header } else { names_of_none };
        check_names(records.file, &names)?;
        let place = |name: &str| names.iter().position(|present| present == name);
        let missing = |name: &str| DataError::MissingColumn {
            file: records.file.to_owned(),
            column: name.to_owned(),
            remedy: nearest(&names, name),
        };
        Ok(Self {
            with_header,
            inputs: wanted()
                .map(|name| place(name).ok_or_else(|| missing(name)))
                .collect::<Result<_, _>>()?,
            targets: targets.iter().map(|name| place(name)).collect(),
        })
    }

    fn by_position(records: &Records<'_>, preprocessing: &Preprocessing) -> Result<Self, DataError> {
        let expected = preprocessing.columns.len();
        let count = target_names(preprocessing).len();
        let targets = match records.width.checked_sub(expected) {
            Some(0) => None,
            Some(behind) if behind == count => Some((expected..expected + count).collect()),
            _ => {
                return Err(DataError::ColumnCount {
                    file: records.file.to_owned(),
                    found: records.width,
                    expected,
                });
            }
        };
        Ok(Self {
            with_header: false,
            inputs: (0..expected).collect(),
            targets,
        })
    }
}

impl Encoder<'_> {
    /// What a cell says to this column. Cells of numeric columns were checked before.
    pub(super) fn read<'t>(&self, text: &'t str) -> Value<'t> {
        match (self, read_cell(text)) {
            (_, Cell::Missing) => Value::Missing,
            (Self::Numeric { .. }, Cell::Number { value, .. }) => Value::Number(value),
            _ => Value::Text(text.trim()),
        }
    }
}

#[cfg(test)]
mod tests;
