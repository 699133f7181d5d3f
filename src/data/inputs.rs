//! The inputs of many rows, wherever they are held: as numbers, as bytes, or in a file that is read in blocks.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::DataError;
use super::digest::Digest;
use super::preprocess::standardise;
use super::stored::RowBytes;
use crate::spec::{FeatureScale, Range as Span};

/// Inputs of rows of one width, one row after another. A copy shares them.
#[derive(Clone)]
pub struct Inputs(Arc<Held>);

enum Held {
    Values(Vec<f32>),
    Rows(Encoded),
}

/// Some rows of what a source was read into, as they were there.
pub(super) struct Encoded {
    bytes: Arc<RowBytes>,
    /// Which of the rows.
    rows: Vec<u32>,
    encoding: Encoding,
    /// Where the rows are in a file.
    blocks: Option<Blocks>,
}

/// What the bytes of a row stand for.
#[derive(Debug, Clone)]
pub(super) enum Encoding {
    /// Each byte is a value of a channel, whose `plane` values stand together; a table for each channel.
    Levels { tables: Vec<[f32; 256]>, plane: usize },
    /// Each four bytes are a little-endian f32 of a channel, to be standardised.
    Scaled { scales: Vec<FeatureScale>, plane: usize },
    /// Each eight bytes are a little-endian f64: a cell of a table, of which some columns are inputs.
    Cells { columns: Arc<[Code]> },
}

/// How the cells of one kept column become inputs.
#[derive(Debug, Clone)]
pub(super) struct Code {
    /// Place of the column among the kept ones.
    pub(super) place: usize,
    pub(super) kind: CodeKind,
}

#[derive(Debug, Clone)]
pub(super) enum CodeKind {
    /// NaN is missing.
    Number { mean: f64, deviation: f64, fill: f64 },
    /// One-hot. The cell is the place of a text; NaN is missing.
    Category {
        /// Of each text, its place among the categories.
        places: Vec<Option<usize>>,
        missing: Option<usize>,
        /// Number of categories.
        width: usize,
    },
}

impl Code {
    fn width(&self) -> usize {
        match &self.kind {
            CodeKind::Number { .. } => 1,
            CodeKind::Category { width, .. } => *width,
        }
    }

    fn decode(&self, cell: f64, inputs: &mut Vec<f32>) {
        match &self.kind {
            &CodeKind::Number { mean, deviation, fill } => {
                inputs.push(standardise(if cell.is_nan() { fill } else { cell }, mean, deviation));
            }
            CodeKind::Category { places, missing, width } => {
                let start = inputs.len();
                inputs.resize(start + width, 0.0);
                let place = if cell.is_nan() {
                    *missing
                } else {
                    places.get(cell as usize).copied().flatten()
                };
                if let Some(place) = place {
                    inputs[start + place] = 1.0;
                }
            }
        }
    }
}

/// How rows in a file are shuffled: whole blocks are drawn until a group is full, and the rows of a group are mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blocks {
    /// Rows of a block.
    pub(super) rows: usize,
    /// Blocks of a group, which is held in memory as a whole.
    pub(super) group: usize,
}

impl Blocks {
    /// Blocks of rows of `row_bytes`, and groups of at most `budget` bytes.
    pub(super) fn within(budget: usize, row_bytes: usize) -> Self {
        /// Bytes that are read at once.
        const BYTES: usize = 1 << 18;
        // A group of many blocks, else rows that stand together in the file stay together.
        let rows = (BYTES.min(budget / 16) / row_bytes.max(1)).max(1);
        Self {
            rows,
            group: (budget / (rows * row_bytes).max(1)).max(1),
        }
    }
}

impl Encoding {
    /// Of bytes, or of f32, in channels of `plane` values each.
    pub(super) fn of_channels(scales: &[FeatureScale], plane: usize, is_bytes: bool) -> Self {
        let plane = plane.max(1);
        if !is_bytes {
            return Self::Scaled {
                scales: scales.to_vec(),
                plane,
            };
        }
        let table =
            |scale: &FeatureScale| std::array::from_fn(|byte| standardise(byte as f64, scale.mean, scale.deviation));
        Self::Levels {
            tables: scales.iter().map(table).collect(),
            plane,
        }
    }

    /// Of the cells of a table.
    pub(super) fn of_cells(columns: Vec<Code>) -> Self {
        Self::Cells {
            columns: columns.into(),
        }
    }

    /// Inputs of a row of so many bytes.
    fn width(&self, row_bytes: usize) -> usize {
        match self {
            Self::Levels { .. } => row_bytes,
            Self::Scaled { .. } => row_bytes / 4,
            Self::Cells { columns } => columns.iter().map(Code::width).sum(),
        }
    }

    /// Appends the inputs of whole rows.
    pub(super) fn decode(&self, bytes: &[u8], row_bytes: usize, inputs: &mut Vec<f32>) {
        match self {
            Self::Levels { tables, plane } => {
                for (place, bytes) in bytes.chunks(*plane).enumerate() {
                    let table = &tables[place % tables.len()];
                    inputs.extend(bytes.iter().map(|&byte| table[usize::from(byte)]));
                }
            }
            Self::Scaled { scales, plane } => {
                for (place, values) in bytes.as_chunks::<4>().0.chunks(*plane).enumerate() {
                    let FeatureScale { mean, deviation, .. } = scales[place % scales.len()];
                    let raw = values.iter().map(|&value| f64::from(f32::from_le_bytes(value)));
                    inputs.extend(raw.map(|value| standardise(value, mean, deviation)));
                }
            }
            Self::Cells { columns } => {
                for row in bytes.chunks_exact(row_bytes.max(1)) {
                    let cells = row.as_chunks::<8>().0;
                    for code in columns.iter() {
                        code.decode(f64::from_le_bytes(cells[code.place]), inputs);
                    }
                }
            }
        }
    }
}

impl Encoded {
    /// The rows of `bytes` with these numbers. `budget` bytes of a file may be held at once.
    pub(super) fn new(bytes: &Arc<RowBytes>, rows: &[usize], encoding: Encoding, budget: usize) -> Self {
        let blocks = bytes.is_in_file().then(|| Blocks::within(budget, bytes.row_bytes()));
        Self {
            bytes: bytes.clone(),
            rows: rows.iter().map(|&row| row as u32).collect(),
            encoding,
            blocks,
        }
    }

    fn width(&self) -> usize {
        self.encoding.width(self.bytes.row_bytes())
    }

    /// The bytes of these of its rows.
    pub(super) fn read(&self, rows: Range<usize>) -> Result<Vec<u8>, DataError> {
        let mut bytes = Vec::with_capacity(rows.len() * self.bytes.row_bytes());
        self.bytes.read(&self.rows[rows], &mut bytes)?;
        Ok(bytes)
    }

    /// Appends the inputs that the bytes of whole rows stand for.
    pub(super) fn decode(&self, bytes: &[u8], inputs: &mut Vec<f32>) {
        self.encoding.decode(bytes, self.bytes.row_bytes(), inputs);
    }

    /// Appends these values, all of which there are.
    fn append(&self, values: Range<usize>, to: &mut Vec<f32>) -> Result<(), DataError> {
        if values.is_empty() {
            return Ok(());
        }
        let width = self.width();
        let rows = values.start / width..values.end.div_ceil(width);
        let before = to.len();
        let start = rows.start * width;
        self.decode(&self.read(rows)?, to);
        to.truncate(before + values.end - start);
        to.drain(before..before + values.start - start);
        Ok(())
    }
}

impl Inputs {
    pub(super) fn encoded(rows: Encoded) -> Self {
        Self(Arc::new(Held::Rows(rows)))
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        match &*self.0 {
            Held::Values(values) => values.len(),
            Held::Rows(rows) => rows.rows.len() * rows.width(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that are held in memory.
    pub fn held_bytes(&self) -> usize {
        match &*self.0 {
            Held::Values(values) => 4 * values.len(),
            Held::Rows(rows) if rows.bytes.is_in_file() => 4 * rows.rows.len(),
            Held::Rows(rows) => rows.rows.len() * (4 + rows.bytes.row_bytes()),
        }
    }

    /// Bytes that [`all`](Self::all) values take beside what is held; none where they are held as numbers.
    pub fn decoded_bytes(&self) -> usize {
        match &*self.0 {
            Held::Values(_) => 0,
            Held::Rows(_) => 4 * self.len(),
        }
    }

    /// These values, as far as there are such; numbers in memory are lent. Fails when their file can't be read any more.
    pub fn slice(&self, values: Range<usize>) -> Result<Cow<'_, [f32]>, DataError> {
        let end = values.end.min(self.len());
        let values = values.start.min(end)..end;
        if let Held::Values(all) = &*self.0 {
            return Ok(Cow::Borrowed(&all[values]));
        }
        let mut decoded = Vec::with_capacity(values.len());
        self.append(values, &mut decoded)?;
        Ok(Cow::Owned(decoded))
    }

    /// Appends these values, all of which there are.
    pub(super) fn append(&self, values: Range<usize>, to: &mut Vec<f32>) -> Result<(), DataError> {
        match &*self.0 {
            Held::Values(all) => to.extend_from_slice(&all[values]),
            Held::Rows(rows) => rows.append(values, to)?,
        }
        Ok(())
    }

    /// All values at once: for a set of which it is known that it is small.
    pub fn all(&self) -> Result<Cow<'_, [f32]>, DataError> {
        self.slice(0..self.len())
    }

    /// All values, `size` at a time.
    pub fn chunks(&self, size: usize) -> impl Iterator<Item = Result<Cow<'_, [f32]>, DataError>> {
        let size = size.max(1);
        (0..self.len())
            .step_by(size)
            .map(move |start| self.slice(start..start.saturating_add(size)))
    }

    /// Smallest and largest value; of bytes, those that the smallest and the largest byte stand for.
    pub fn range(&self) -> Span {
        match &*self.0 {
            Held::Values(values) => Span::of(values),
            Held::Rows(Encoded {
                encoding: Encoding::Levels { tables, .. },
                ..
            }) => Span::of(tables.as_flattened()),
            Held::Rows(_) => {
                let chunks = self.chunks(1 << 16).map_while(Result::ok);
                chunks.fold(Span::of(&[]), |span, chunk| span.union(Span::of(&chunk)))
            }
        }
    }

    /// What tells these inputs from others.
    pub(super) fn digest(&self, digest: &mut Digest) {
        match &*self.0 {
            Held::Values(values) => digest.values(values),
            Held::Rows(rows) => {
                digest.text(rows.bytes.digest());
                digest.text(&format!("{:?}", rows.encoding));
                digest.numbers(&rows.rows);
            }
        }
    }

    /// The rows, where they are in a file, and how that is read.
    pub(super) fn file(&self) -> Option<(&Encoded, Blocks)> {
        match &*self.0 {
            Held::Rows(rows) => Some((rows, rows.blocks?)),
            Held::Values(_) => None,
        }
    }
}

impl From<Vec<f32>> for Inputs {
    fn from(values: Vec<f32>) -> Self {
        Self(Arc::new(Held::Values(values)))
    }
}

impl FromIterator<f32> for Inputs {
    fn from_iter<I: IntoIterator<Item = f32>>(values: I) -> Self {
        Self::from(values.into_iter().collect::<Vec<_>>())
    }
}

/// Equal values, however they are held.
impl PartialEq for Inputs {
    fn eq(&self, other: &Self) -> bool {
        const SIZE: usize = 1 << 16;
        let mut pairs = self.chunks(SIZE).zip(other.chunks(SIZE));
        self.len() == other.len() && pairs.all(|(a, b)| matches!((a, b), (Ok(a), Ok(b)) if a == b))
    }
}

impl std::fmt::Debug for Inputs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &*self.0 {
            Held::Values(values) => values.fmt(f),
            Held::Rows(rows) => write!(f, "{} rows of {} values", rows.rows.len(), rows.width()),
        }
    }
}
