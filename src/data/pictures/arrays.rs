//! Arrays of NumPy: inputs `x` and targets `y`, as two NPY files or in one NPZ.
//!
//! `x` is a table (rows x columns), sequences (rows x steps x features, floating numbers), or pictures (rows x height x width of whole
//! numbers, rows x channels x height x width, or rows x height x width x channels).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::npy::Npy;
use super::zip::{Archive, Entry};
use super::{Frame, MAX_PICTURES, Pictures, class_column, decode, folder, idx, malformed, writer};
use crate::data::sequences::{Sequences, check_size};
use crate::data::source::Source;
use crate::data::stored::RowWriter;
use crate::data::table::{Column, MAX_CELLS, Table, Values};
use crate::data::tabular::Tabular;
use crate::data::{DataError, MAX_COLUMNS};
use crate::spec::DataConfig;

/// Names under which inputs and targets go.
const PAIRS: [(&str, &str); 9] = [
    ("x", "y"),
    ("data", "target"),
    ("data", "labels"),
    ("images", "labels"),
    ("features", "labels"),
    ("features", "targets"),
    ("inputs", "targets"),
    ("x", "labels"),
    ("arr_0", "arr_1"),
];
/// The same for a set that brings its test part.
const DIVIDED: [[&str; 4]; 3] = [
    ["x_train", "y_train", "x_test", "y_test"],
    ["train_x", "train_y", "test_x", "test_y"],
    ["train_images", "train_labels", "test_images", "test_labels"],
];

/// Arrays by their names, in lower case.
pub(super) enum Shelf {
    Archive(Archive),
    Files(Vec<PathBuf>),
}

/// Opens an `.npz`, an `.npy` of inputs whose targets lie beside it, or a folder with both.
pub(super) fn open(config: &DataConfig) -> Result<Option<Box<dyn Source>>, DataError> {
    let source = config.source.trim();
    let path = Path::new(source);
    let Some(shelf) = Shelf::open(path)? else {
        return Ok(None);
    };
    let names = shelf.names();
    let has = |name: &str| names.iter().any(|other| other == name);
    if let Some([x, y, x_test, y_test]) = DIVIDED.into_iter().find(|four| four.iter().all(|name| has(name))) {
        return read(source, &shelf, &[(x, y), (x_test, y_test)], config).map(Some);
    }
    let own = path
        .file_stem()
        .filter(|_| path.extension().is_some_and(|ending| ending == "npy"));
    let own = own.map(|stem| stem.to_string_lossy().to_lowercase());
    let is_asked = |x: &str| own.as_deref().is_none_or(|own| own == x);
    if let Some(&(x, y)) = PAIRS.iter().find(|(x, y)| is_asked(x) && has(x) && has(y)) {
        return read(source, &shelf, &[(x, y)], config).map(Some);
    }
    if path.is_dir() {
        return Ok(None);
    }
    Err(malformed(
        source,
        format!(
            "no inputs with their targets are among its arrays ({})",
            names.join(", ")
        ),
        "call them x and y, as two .npy files in one folder or in one .npz",
    ))
}

impl Shelf {
    /// What a path leads to, if that is arrays.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, DataError> {
        let ends = |path: &Path, ending: &str| {
            path.extension()
                .is_some_and(|own| own.to_string_lossy().to_lowercase() == ending)
        };
        if path.is_dir() {
            let files = folder::entries(path)?;
            let files: Vec<_> = files.into_iter().filter(|file| ends(file, "npy")).collect();
            return Ok((!files.is_empty()).then_some(Self::Files(files)));
        }
        if ends(path, "npz") {
            return Ok(Some(Self::Archive(Archive::open(path)?)));
        }
        if !ends(path, "npy") {
            return Ok(None);
        }
        if let Err(source) = std::fs::metadata(path) {
            let file = path.display().to_string();
            return Err(DataError::Io { file, source });
        }
        let beside = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let files = folder::entries(beside.unwrap_or(Path::new(".")))?;
        Ok(Some(Self::Files(
            files.into_iter().filter(|file| ends(file, "npy")).collect(),
        )))
    }

    fn names(&self) -> Vec<String> {
        match self {
            Self::Archive(archive) => archive
                .entries
                .iter()
                .map(|entry| stem(Path::new(&entry.name)))
                .collect(),
            Self::Files(files) => files.iter().map(|file| stem(file)).collect(),
        }
    }

    fn array(&self, name: &str) -> Result<Option<Npy>, DataError> {
        match self {
            Self::Archive(archive) => {
                let found = archive
                    .entries
                    .iter()
                    .find(|entry| stem(Path::new(&entry.name)) == name);
                let name = |entry: &Entry| format!("{}/{}", archive.path.display(), entry.name);
                found
                    .map(|entry| Npy::open(&name(entry), archive.read(entry)?))
                    .transpose()
            }
            Self::Files(files) => {
                let found = files.iter().find(|file| stem(file) == name);
                found
                    .map(|file| Npy::open(&file.display().to_string(), idx::unpacked(file)?))
                    .transpose()
            }
        }
    }

    /// The inputs for prediction, and the targets if they are there: those of the test part before all others.
    pub(super) fn for_prediction(&self, path: &Path) -> Result<(Npy, Option<Npy>), DataError> {
        let own = path
            .extension()
            .is_some_and(|ending| ending == "npy")
            .then(|| stem(path));
        let tests = DIVIDED.iter().map(|[_, _, x, y]| (*x, *y));
        let mut names: Vec<(&str, &str)> = tests.chain(PAIRS).collect();
        if let Some(own) = &own {
            names.retain(|(x, _)| x == own);
            names.push((own, ""));
        }
        for (x, y) in names {
            if let Some(inputs) = self.array(x)? {
                return Ok((inputs, self.array(y)?));
            }
        }
        Err(malformed(
            &path.display().to_string(),
            format!("no inputs are among its arrays ({})", self.names().join(", ")),
            "call the array of inputs x",
        ))
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// Reads the pairs, the second of which is the test part.
fn read(
    source: &str,
    shelf: &Shelf,
    pairs: &[(&str, &str)],
    config: &DataConfig,
) -> Result<Box<dyn Source>, DataError> {
    let mut inputs = Vec::new();
    let mut labels = Labels::default();
    let mut rows = Vec::new();
    for (x, y) in pairs {
        let (Some(x), Some(mut y)) = (shelf.array(x)?, shelf.array(y)?) else {
            continue;
        };
        let count = x.shape.first().copied().unwrap_or(0);
        if y.shape.first() != Some(&count) || count > MAX_PICTURES {
            return Err(malformed(
                &y.file,
                format!("has the shape {:?}, {} the shape {:?}", y.shape, x.file, x.shape),
                format!("bring as many targets as inputs, at most {MAX_PICTURES}"),
            ));
        }
        if count == 0 {
            return Err(DataError::NoRows { file: x.file });
        }
        labels.read(&mut y)?;
        rows.push(count);
        inputs.push(x);
    }
    let tested = (rows.len() > 1).then(|| rows[0]);
    let classifies = labels.are_classes();
    let labels = labels.columns();
    let rank = inputs.first().map_or(0, |first| first.shape.len());
    let is_float = inputs.first().is_some_and(Npy::is_float);
    match (rank, is_float) {
        (4, _) | (3, false) => pictures(source, inputs, labels, (classifies, tested), config),
        (3, true) => sequences(source, inputs, labels),
        (1 | 2, _) => table(source, inputs, labels),
        _ => Err(malformed(
            source,
            format!("its inputs have {rank} dimensions"),
            "bring a table (2), sequences or grey pictures (3), or pictures with channels (4)",
        )),
    }
}

fn pictures(
    source: &str,
    inputs: Vec<Npy>,
    labels: Vec<Column>,
    (classifies, tested): (bool, Option<usize>),
    config: &DataConfig,
) -> Result<Box<dyn Source>, DataError> {
    let mut notes = Vec::new();
    let mut kept: Option<(Frame, RowWriter)> = None;
    for mut x in inputs {
        let layout = Layout::of(&x)?;
        if kept.as_ref().is_some_and(|(frame, _)| *frame != layout.frame) {
            return Err(malformed(
                &x.file,
                format!("has the shape {:?}", x.shape),
                "bring training and test pictures of one size",
            ));
        }
        let (_, rows) = kept.get_or_insert_with(|| (layout.frame, writer(config, layout.frame)));
        notes.push(layout.note());
        let mut bytes = Vec::new();
        for _ in 0..x.shape[0] {
            bytes.clear();
            layout.read(&mut x, &mut bytes)?;
            rows.push(&bytes)?;
        }
    }
    notes.dedup();
    let Some((frame, rows)) = kept else {
        return Err(DataError::NoRows {
            file: source.to_owned(),
        });
    };
    Ok(Box::new(Pictures {
        file: source.to_owned(),
        frame,
        bytes: Arc::new(rows.finish()?),
        labels,
        classifies,
        tested,
        notes,
    }))
}

/// How pictures stand in an array.
pub(super) struct Layout {
    pub(super) frame: Frame,
    /// Pixel after pixel, not channel after channel.
    is_interleaved: bool,
}

impl Layout {
    pub(super) fn of(x: &Npy) -> Result<Self, DataError> {
        let refused = || {
            malformed(
                &x.file,
                format!("has the shape {:?}, which is not that of pictures", x.shape),
                "bring [n, h, w], or 1 or 3 channels as [n, c, h, w] or [n, h, w, c]",
            )
        };
        let (channels, height, width, is_interleaved) = match x.shape[..] {
            [_, height, width] => (1, height, width, false),
            [_, channels @ (1 | 3), height, width] if !matches!(width, 1 | 3) => (channels, height, width, false),
            [_, height, width, channels @ (1 | 3)] => (channels, height, width, true),
            [_, channels @ (1 | 3), height, width] => (channels, height, width, false),
            _ => return Err(refused()),
        };
        if x.is_text() {
            return Err(refused());
        }
        let frame = Frame {
            channels,
            height,
            width,
            is_bytes: x.is_u8(),
        };
        Ok(Self {
            frame: frame.check(&x.file)?,
            is_interleaved,
        })
    }

    /// Appends the next picture as it is held.
    pub(super) fn read(&self, x: &mut Npy, to: &mut Vec<u8>) -> Result<(), DataError> {
        let Frame { channels, is_bytes, .. } = self.frame;
        let values = channels * self.frame.plane();
        if is_bytes {
            let start = to.len();
            x.bytes(values, to)?;
            if self.is_interleaved && channels > 1 {
                let planes = decode::planes(&to[start..], channels);
                to[start..].copy_from_slice(&planes);
            }
            return Ok(());
        }
        let mut numbers = Vec::with_capacity(values);
        x.numbers(values, &mut numbers)?;
        if numbers.iter().any(|number| !number.is_finite()) {
            return Err(malformed(
                &x.file,
                "holds a pixel that is no finite number",
                "replace what is missing or infinite",
            ));
        }
        if self.is_interleaved {
            numbers = decode::planes(&numbers, channels);
        }
        to.extend(numbers.into_iter().flat_map(|number| (number as f32).to_le_bytes()));
        Ok(())
    }

    fn note(&self) -> String {
        let Frame {
            channels,
            height,
            width,
            is_bytes,
        } = self.frame;
        format!(
            "The array is read as pictures of {channels} x {height} x {width} {}",
            if is_bytes { "bytes" } else { "numbers" }
        )
    }
}

fn sequences(source: &str, inputs: Vec<Npy>, labels: Vec<Column>) -> Result<Box<dyn Source>, DataError> {
    let features = inputs.first().map_or(0, |x| x.shape[2]);
    let names = (1..=features.min(1 << 16))
        .map(|feature| format!("feature_{feature}"))
        .collect();
    let rows = inputs.iter().map(|x| x.shape[0]).sum();
    let steps = inputs.iter().map(|x| x.shape[1]).max().unwrap_or(0);
    check_size(source, [rows, steps, features])?;
    let mut sequences = Sequences::new(source, names);
    let mut has_number = false;
    for mut x in inputs {
        let [rows, steps, own] = x.shape[..] else { continue };
        if own != features || steps * own == 0 {
            return Err(malformed(
                &x.file,
                format!("has the shape {:?}", x.shape),
                format!("bring sequences of {features} features and at least one step"),
            ));
        }
        for _ in 0..rows {
            let mut values = Vec::with_capacity(steps * features);
            x.numbers(steps * features, &mut values)?;
            refuse_infinite(&x.file, &values)?;
            has_number |= values.iter().any(|value| !value.is_nan());
            sequences.push(values);
        }
    }
    if !has_number {
        return Err(no_number(source));
    }
    sequences.labels = labels;
    sequences
        .notes
        .push("The array is read as sequences: rows, steps, features".to_owned());
    Ok(Box::new(sequences))
}

fn table(source: &str, inputs: Vec<Npy>, labels: Vec<Column>) -> Result<Box<dyn Source>, DataError> {
    let width = inputs.first().map_or(0, |x| x.shape.get(1).copied().unwrap_or(1));
    let rows: usize = inputs.iter().map(|x| x.shape[0]).sum();
    if !(1..=MAX_COLUMNS).contains(&width) || rows.saturating_mul(width) > MAX_CELLS {
        return Err(DataError::TooManyCells {
            file: source.to_owned(),
            rows,
            columns: width,
            limit: MAX_CELLS,
        });
    }
    let mut columns = vec![Vec::new(); width];
    let mut row = Vec::new();
    for mut x in inputs {
        if x.shape.get(1).copied().unwrap_or(1) != width || x.is_text() {
            return Err(malformed(
                &x.file,
                format!("has the shape {:?}, or holds texts", x.shape),
                format!("bring numbers in {width} columns"),
            ));
        }
        for _ in 0..x.shape[0] {
            row.clear();
            x.numbers(width, &mut row)?;
            refuse_infinite(&x.file, &row)?;
            for (column, &value) in columns.iter_mut().zip(&row) {
                column.push(value);
            }
        }
    }
    if !columns.iter().flatten().any(|value| !value.is_nan()) {
        return Err(no_number(source));
    }
    let says_something = |column: &Vec<f64>| {
        let first = column.iter().find(|value| !value.is_nan());
        column.iter().any(|value| !value.is_nan() && Some(value) != first)
    };
    if !columns.iter().any(says_something) {
        return Err(malformed(
            source,
            "every column of its inputs is constant",
            "bring inputs that differ from row to row",
        ));
    }
    let column = |(place, values)| Column {
        name: format!("column_{}", place + 1),
        values: Values::Numbers(values),
        first_text: None,
    };
    Ok(Box::new(Tabular {
        table: Table {
            file: source.to_owned(),
            columns: columns.into_iter().enumerate().map(column).collect(),
            targets: labels,
            rows,
            notes: vec!["The array is read as a table; its columns are called column_1 and so on".to_owned()],
        },
        image: None,
    }))
}

fn no_number(file: &str) -> DataError {
    malformed(
        file,
        "its inputs hold no number, only NaN",
        "save the array with its values",
    )
}

fn refuse_infinite(file: &str, values: &[f64]) -> Result<(), DataError> {
    if values.iter().any(|value| value.is_infinite()) {
        return Err(malformed(
            file,
            "holds an infinite number",
            "replace it, or write NaN for what is missing",
        ));
    }
    Ok(())
}

/// Targets of one or more arrays.
#[derive(Default)]
struct Labels {
    texts: Vec<String>,
    /// Row after row.
    numbers: Vec<f64>,
    width: usize,
    is_float: bool,
}

impl Labels {
    fn read(&mut self, y: &mut Npy) -> Result<(), DataError> {
        const MOST: usize = 1_000;
        let width = y.shape.get(1).copied().unwrap_or(1);
        let is_first = self.width == 0;
        let mixes = !is_first && (self.width != width || y.is_text() == self.texts.is_empty());
        if y.shape.len() > 2 || !(1..=MOST).contains(&width) || (y.is_text() && width > 1) || mixes {
            return Err(malformed(
                &y.file,
                format!("its targets have the shape {:?}", y.shape),
                "bring one class or one number for each row, or a few columns of numbers",
            ));
        }
        self.width = width;
        if y.is_text() {
            self.texts.extend(y.texts()?);
            return Ok(());
        }
        self.is_float |= y.is_float();
        let start = self.numbers.len();
        y.numbers(y.len(), &mut self.numbers)?;
        if self.numbers[start..].iter().any(|number| !number.is_finite()) {
            return Err(malformed(
                &y.file,
                "holds a target that is no finite number",
                "leave out rows without a target",
            ));
        }
        Ok(())
    }

    /// Whole numbers and texts are classes.
    fn are_classes(&self) -> bool {
        self.is_one_hot() || (self.width == 1 && !self.is_float)
    }

    fn is_one_hot(&self) -> bool {
        self.width > 1
            && self
                .numbers
                .chunks_exact(self.width)
                .all(|row| row.iter().all(|value| matches!(value, 0.0 | 1.0)) && row.iter().sum::<f64>() == 1.0)
    }

    fn columns(self) -> Vec<Column> {
        if !self.texts.is_empty() {
            let mut texts = self.texts.clone();
            texts.sort_unstable();
            texts.dedup();
            let place = |text: &String| texts.partition_point(|other| other < text) as u32;
            let cells = self.texts.iter().map(place).collect();
            return vec![class_column(cells, texts)];
        }
        let column = |name: String, numbers: Vec<f64>| Column {
            name,
            values: Values::Numbers(numbers),
            first_text: None,
        };
        if self.is_one_hot() {
            let class = |row: &[f64]| row.iter().position(|&value| value == 1.0).unwrap_or(0) as f64;
            let classes = self.numbers.chunks_exact(self.width).map(class).collect();
            return vec![column("class".to_owned(), classes)];
        }
        if self.width == 1 {
            return vec![column("target".to_owned(), self.numbers)];
        }
        let of = |place: usize| self.numbers.iter().skip(place).step_by(self.width).copied().collect();
        (0..self.width)
            .map(|place| column(format!("target_{}", place + 1), of(place)))
            .collect()
    }
}
