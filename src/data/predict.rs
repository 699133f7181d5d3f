//! New rows for a finished model: a CSV and nothing but the preprocessing that went out with it.

use std::path::Path;

use super::DataError;
use super::header::{check_names, has_header, names_from, nearest};
use super::number::{Cell, read_cell};
use super::preprocess::{Encoder, MAX_VALUES, Value, standardise};
use super::profile::profile;
use super::records::{Record, Records};
use super::samples::Targets;
use super::text::{decode, read_file};
use crate::spec::{ColumnKind, Preprocessing, Shape, TargetTransform};

/// Rows of a CSV as a model's inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRows {
    /// Shape of one row.
    pub shape: Shape,
    /// Number of rows.
    pub rows: usize,
    /// `rows x shape.len()` values, row by row.
    pub inputs: Vec<f32>,
    /// Present when the file has the target column and every cell of it can be read, so that the predictions can be scored.
    pub targets: Option<Targets>,
    /// What was filled or assumed, one sentence each.
    pub notes: Vec<String>,
}

/// Reads the columns that the model was trained on, by name and in any order; further columns do not matter. A file without a header is
/// read by position: exactly the model's columns, or these and the target behind them. Missing values are filled as in training.
pub fn read_rows(path: &Path, preprocessing: &Preprocessing) -> Result<NewRows, DataError> {
    rows_of(&path.display().to_string(), &read_file(path)?, preprocessing)
}

/// The network's input for one row of typed cells, by column name; a column that is not named counts as missing.
pub fn encode_cells(cells: &[(String, String)], preprocessing: &Preprocessing) -> Result<Vec<f32>, DataError> {
    let mut inputs = Vec::with_capacity(preprocessing.shape.len());
    for column in &preprocessing.columns {
        let given = cells.iter().find(|(name, _)| *name == column.name);
        let text = given.map_or("", |(_, text)| text.as_str());
        if let ColumnKind::Numeric { .. } = column.kind {
            let (file, row, column, text) = ("input".to_owned(), 1, column.name.clone(), text.trim().to_owned());
            match read_cell(&text) {
                Cell::Missing | Cell::Number { .. } => {}
                Cell::Text => {
                    return Err(DataError::NotANumber {
                        file,
                        row,
                        column,
                        text,
                    });
                }
                Cell::Infinite => {
                    return Err(DataError::Infinite {
                        file,
                        row,
                        column,
                        text,
                    });
                }
                Cell::Grouped => {
                    return Err(DataError::Thousands {
                        file,
                        row,
                        column,
                        text,
                    });
                }
            }
        }
        let encoder = Encoder::new(&column.kind);
        encoder.encode(encoder.read(text), &mut inputs);
    }
    Ok(inputs)
}

fn rows_of(file: &str, bytes: &[u8], preprocessing: &Preprocessing) -> Result<NewRows, DataError> {
    check(file, preprocessing)?;
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
    let mut targets = layout
        .target
        .map(|place| TargetReader::new(place, &preprocessing.target));
    for record in body() {
        let record = record?;
        for (encoder, &place) in encoders.iter().zip(&layout.inputs) {
            encoder.encode(encoder.read(record.cells.get(place).unwrap_or_default()), &mut inputs);
        }
        if let Some(reader) = &mut targets
            && let Err(note) = reader.read(&record)
        {
            notes.push(note);
            targets = None;
        }
    }
    Ok(NewRows {
        shape: preprocessing.shape,
        rows,
        inputs,
        targets: targets.map(|reader| reader.targets),
        notes,
    })
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
    target: Option<usize>,
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
        let any_named = wanted().chain([preprocessing.target_column.as_str()]).any(stands);
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
            target: place(&preprocessing.target_column),
        })
    }

    fn by_position(records: &Records<'_>, preprocessing: &Preprocessing) -> Result<Self, DataError> {
        let expected = preprocessing.columns.len();
        let target = match records.width.checked_sub(expected) {
            Some(0) => None,
            Some(1) => Some(expected),
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
            target,
        })
    }
}

struct TargetReader<'a> {
    place: usize,
    transform: &'a TargetTransform,
    targets: Targets,
}

impl<'a> TargetReader<'a> {
    fn new(place: usize, transform: &'a TargetTransform) -> Self {
        Self {
            place,
            transform,
            targets: match transform {
                TargetTransform::Classes { .. } => Targets::Classes(Vec::new()),
                TargetTransform::Values { targets } => Targets::Values {
                    values: Vec::new(),
                    width: targets.len(),
                },
            },
        }
    }

    /// Appends one row's target; the error is a note on why there are no targets.
    fn read(&mut self, record: &Record) -> Result<(), String> {
        let text = record.cells.get(self.place).unwrap_or_default().trim();
        let number = match read_cell(text) {
            Cell::Number { value, .. } => Some(value),
            _ => None,
        };
        let unscored = |what: &str| {
            Err(format!(
                "Not scored: row {}, the target \"{text}\" is {what}",
                record.row
            ))
        };
        match (self.transform, &mut self.targets) {
            (TargetTransform::Classes { classes }, Targets::Classes(targets)) => {
                let place = |name: &str| classes.iter().position(|class| class == name);
                match place(text).or_else(|| place(&number?.to_string())) {
                    Some(class) => targets.push(class as u32),
                    None => return unscored("none of the model's classes"),
                }
            }
            (TargetTransform::Values { targets }, Targets::Values { values, .. }) => match number {
                Some(number) => values.extend(
                    targets
                        .iter()
                        .map(|target| standardise(number, target.mean, target.deviation)),
                ),
                None => return unscored("not a number"),
            },
            _ => {}
        }
        Ok(())
    }
}

impl Encoder<'_> {
    /// What a cell says to this column. Cells of numeric columns were checked before.
    fn read<'t>(&self, text: &'t str) -> Value<'t> {
        match (self, read_cell(text)) {
            (_, Cell::Missing) => Value::Missing,
            (Self::Numeric { .. }, Cell::Number { value, .. }) => Value::Number(value),
            _ => Value::Text(text.trim()),
        }
    }
}

#[cfg(test)]
mod tests;
