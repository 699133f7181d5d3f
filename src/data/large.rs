//! Tables that are larger than `data.memory_mb`: read as a stream, their cells kept in a file, and encoded when a batch needs them.
//!
//! Three passes: the first tells what each column is, the second keeps its cells as numbers (of a text its place among the column's texts),
//! the third, over the kept cells, fits the preprocessing. Bookkeeping of some 30 bytes a row is held in memory beside the budget.

mod fitting;
mod stream;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use csv::StringRecord;

use super::inputs::{Encoded, Encoding, Inputs};
use super::number::{Cell, read_cell};
use super::pictures::malformed;
use super::preprocess::MAX_INPUTS;
use super::profile::Profile;
use super::raw::Part;
use super::records::whole_records;
use super::samples::{Dataset, Samples};
use super::sheet::{Decoded, Sheet};
use super::source::{About, Division, Source, assemble};
use super::stored::{RowBytes, RowWriter};
use super::table::{Column, MAX_CATEGORIES, MISSING, Values, is_index};
use super::target::{Target, is_regression, places_of_targets};
use super::text::MAX_FILE_BYTES;
use super::{DataError, sequences};
use crate::spec::{DataConfig, DataKind, InputColumn, InputForm, Preprocessing, Shape, TaskKind};
use fitting::Kept;
use stream::Stream;

/// Bytes from which separator, header and kind of file are told.
const SAMPLE: usize = 4 << 20;
/// Different texts of a target that are counted before there are too many.
const MAX_TARGET_TEXTS: usize = 100_000;

/// A table whose cells are kept in a file.
struct Large {
    file: String,
    /// The inputs that are used, with their places among the kept cells.
    columns: Vec<(usize, Kept)>,
    cells: Arc<RowBytes>,
    targets: Vec<Column>,
    notes: Vec<String>,
}

/// Opens a table that is too large to be held; what it is not, another reader may be able to hold.
pub(super) fn open(config: &DataConfig) -> Result<Option<Box<dyn Source>>, DataError> {
    let source = config.source.trim();
    let path = Path::new(source);
    let is_table = config.task != Some(TaskKind::Forecast) && config.vocabulary.is_none() && config.steps.is_none();
    let limit = (config.memory_bytes() as u64).min(MAX_FILE_BYTES);
    let found = path.metadata();
    if !is_table || !found.is_ok_and(|found| found.is_file() && found.len() > limit) {
        return Ok(None);
    }
    let bytes = stream::beginning(path, SAMPLE)?;
    let mut sample = Decoded::of(source, &bytes)?;
    if sequences::is_ts(source, &sample.text) {
        return Ok(None);
    }
    sample.text = whole_records(&sample.text).to_owned().into();
    let sheet = Sheet::open(source, &sample)?;
    let targets = places_of_targets(source, &sheet.names, config.target.as_deref())?;
    if matches!(sequences::of_csv(&sheet, &targets, config), Ok(Some(_))) {
        return Ok(None);
    }
    read(source, &sheet, &targets, config).map(Some)
}

fn read(source: &str, sheet: &Sheet<'_>, targets: &[usize], config: &DataConfig) -> Result<Box<dyn Source>, DataError> {
    let stream = Stream::of(sheet);
    let mut profiles: Vec<Profile> = (0..sheet.records.width).map(|_| Profile::default()).collect();
    stream.for_each(|row, cells| {
        for (profile, cell) in profiles.iter_mut().zip(cells) {
            profile.add(row, cell);
        }
        Ok(())
    })?;
    for (profile, name) in profiles.iter().zip(&sheet.names) {
        profile.check(&sheet.records, name)?;
    }
    let inputs: Vec<usize> = (0..sheet.records.width)
        .filter(|place| !targets.contains(place))
        .collect();
    if inputs.is_empty() {
        return Err(DataError::NoInputs {
            file: source.to_owned(),
            target: sheet.names.join(", "),
            notes: String::new(),
        });
    }
    let column = |&place: &usize| Growing::new(&sheet.names[place], &profiles[place]);
    let mut growing: Vec<Growing> = inputs.iter().map(column).collect();
    let mut labels: Vec<Growing> = targets.iter().map(column).collect();
    let mut rows = RowWriter::new(8 * inputs.len(), config.memory_bytes() / 2);
    let (mut bytes, mut count, mut unlabelled) = (Vec::new(), 0_usize, 0_usize);
    stream.for_each(|_, cells| {
        let cell = |&place: &usize| cells.get(place).unwrap_or_default();
        if targets.iter().any(|target| read_cell(cell(target)) == Cell::Missing) {
            unlabelled += 1;
            return Ok(());
        }
        count += 1;
        for (label, target) in labels.iter_mut().zip(targets) {
            let value = label.number(cell(target), MAX_TARGET_TEXTS);
            if value.is_nan() || count > MISSING as usize {
                return Err(DataError::TooManyClasses {
                    file: source.to_owned(),
                    target: label.name.clone(),
                    classes: MAX_TARGET_TEXTS,
                    rows: count,
                    is_text: true,
                });
            }
            label.values.push(value);
        }
        bytes.clear();
        for (column, place) in growing.iter_mut().zip(&inputs) {
            let value = column.number(cell(place), MAX_CATEGORIES + 1);
            bytes.extend(value.to_le_bytes());
        }
        rows.push(&bytes)
    })?;
    if count == 0 {
        return Err(DataError::NoRows {
            file: source.to_owned(),
        });
    }
    let cells = Arc::new(rows.finish()?);
    let labels: Vec<Column> = labels.into_iter().map(Growing::column).collect();
    let is_regression = is_regression(&labels, config.task);
    let counts_rows =
        |place: usize, name: &str| profiles[place].is_running_number() && (!is_regression || is_index(place, name));
    let kept: Vec<(Kept, bool)> = growing
        .into_iter()
        .zip(&inputs)
        .map(|(column, &place)| (column.kept(), counts_rows(place, &sheet.names[place])))
        .collect();
    let names: Vec<&str> = labels.iter().map(|label| label.name.as_str()).collect();
    let useful = fitting::useful((source, names.join(", ")), kept, &cells)?;
    let mut notes = sheet.notes.clone();
    if unlabelled > 0 {
        notes.push(format!("{unlabelled} rows without a target are left out"));
    }
    notes.extend(useful.notes);
    notes.push(if cells.is_in_file() {
        format!(
            "The file is larger than data.memory_mb ({}): its cells are read in blocks from a file of prepared samples",
            config.memory_mb
        )
    } else {
        "The file is read as a stream, its cells are held in memory".to_owned()
    });
    Ok(Box::new(Large {
        file: source.to_owned(),
        columns: useful.columns,
        cells,
        targets: labels,
        notes,
    }))
}

impl Large {
    fn target(&self, config: &DataConfig, division: Division) -> Result<Target, DataError> {
        Target::of(&self.file, &self.targets, config.task, division.folds())
    }
}

impl Source for Large {
    fn dataset(&self, config: &DataConfig, division: Division) -> Result<Dataset, DataError> {
        let target = self.target(config, division)?;
        let parts = division.parts(&target, config);
        let (columns, filled) = fitting::fit(&self.columns, &self.cells, &parts.train)?;
        let inputs: usize = columns.iter().map(|column| column.kind.width()).sum();
        if inputs > MAX_INPUTS
            && let Some(widest) = columns.iter().max_by_key(|column| column.kind.width())
        {
            return Err(DataError::TooManyInputs {
                file: self.file.clone(),
                column: widest.name.clone(),
                categories: widest.kind.width(),
                inputs,
                limit: MAX_INPUTS,
            });
        }
        let encoding = Encoding::of_cells(
            self.columns
                .iter()
                .zip(&columns)
                .map(|((place, kept), column)| fitting::code(*place, kept, &column.kind))
                .collect(),
        );
        let preprocessing = Preprocessing {
            form: InputForm::Row,
            columns,
            shape: Shape::Features { features: inputs },
            target_column: target.names.join(","),
            target: target.transform(&parts.train),
        };
        let samples = [&parts.train, &parts.validation, &parts.test].map(|rows| Samples {
            shape: preprocessing.shape,
            inputs: Inputs::encoded(Encoded::new(
                &self.cells,
                rows,
                encoding.clone(),
                config.memory_bytes() / 2,
            )),
            targets: target.of_rows(&preprocessing.target, rows),
        });
        let about = About {
            file: self.file.clone(),
            kind: DataKind::Table,
            columns: preprocessing
                .columns
                .iter()
                .map(|column: &InputColumn| column.name.clone())
                .collect(),
            notes: [&self.notes[..], &filled].concat(),
        };
        Ok(assemble(about, &target, preprocessing, samples))
    }

    fn csv(&self, _: &DataConfig, _: Part) -> Result<String, DataError> {
        Err(malformed(
            &self.file,
            "the table is too large to be printed",
            "raise data.memory_mb, or predict from a part of the file",
        ))
    }
}

/// A column while its cells come in.
struct Growing {
    name: String,
    is_numeric: bool,
    first_text: Option<(usize, String)>,
    /// Of a target.
    values: Vec<f64>,
    texts: Vec<String>,
    places: HashMap<String, usize>,
}

impl Growing {
    fn new(name: &str, profile: &Profile) -> Self {
        Self {
            name: name.to_owned(),
            is_numeric: profile.is_numeric(),
            first_text: profile.first_text.clone(),
            values: Vec::new(),
            texts: Vec::new(),
            places: HashMap::new(),
        }
    }

    /// A cell as a number: its own, or its place among the different texts; NaN when it is missing, or a text beyond the first `most`.
    fn number(&mut self, cell: &str, most: usize) -> f64 {
        if self.is_numeric {
            return match read_cell(cell) {
                Cell::Number { value, .. } => value,
                _ => f64::NAN,
            };
        }
        let cell = cell.trim();
        if let Some(&place) = self.places.get(cell) {
            return place as f64;
        }
        if read_cell(cell) == Cell::Missing || self.texts.len() >= most {
            return f64::NAN;
        }
        let place = self.texts.len();
        self.texts.push(cell.to_owned());
        self.places.insert(cell.to_owned(), place);
        place as f64
    }

    fn kept(self) -> Kept {
        Kept {
            name: self.name,
            texts: (!self.is_numeric).then_some(self.texts),
        }
    }

    fn column(self) -> Column {
        Column {
            values: if self.is_numeric {
                Values::Numbers(self.values)
            } else {
                Values::Texts {
                    cells: self.values.iter().map(|&place| place as u32).collect(),
                    texts: self.texts,
                }
            },
            name: self.name,
            first_text: self.first_text,
        }
    }
}

/// A record's cells, one after another.
type Cells = StringRecord;

#[cfg(test)]
mod tests;
