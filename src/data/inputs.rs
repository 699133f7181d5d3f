//! The inputs of many rows, wherever they are held: as numbers, as bytes, or in a file that is read in blocks.

use std::borrow::Cow;
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use super::DataError;
use crate::spec::Range as Span;

/// Inputs of rows of one width, one row after another. A copy shares them.
#[derive(Clone)]
pub struct Inputs(Arc<Held>);

enum Held {
    Values(Vec<f32>),
    Bytes { bytes: Vec<u8>, levels: Levels },
    File(Stored),
}

/// What each byte of an image stands for as a network's input: one table for each channel.
#[derive(Debug, Clone)]
pub(super) struct Levels {
    tables: Vec<[f32; 256]>,
    /// Values of a channel, which stand together.
    plane: usize,
}

/// Inputs in a file of the program's own, read in blocks.
pub(super) struct Stored {
    pub(super) file: File,
    /// For messages.
    pub(super) name: String,
    /// Place of the first value.
    pub(super) start: u64,
    /// Number of values.
    pub(super) values: usize,
    /// Bytes with these levels; little-endian f32 when absent.
    pub(super) levels: Option<Levels>,
    pub(super) blocks: Blocks,
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
    /// Bytes that are read at once.
    const BYTES: usize = 1 << 18;

    /// Blocks of rows of `row_bytes`, and groups of at most `budget` bytes.
    pub(super) fn within(budget: usize, row_bytes: usize) -> Self {
        // A group of a few blocks at least, else rows that stand together in the file stay together.
        let rows = (Self::BYTES.min(budget / 16) / row_bytes.max(1)).max(1);
        Self {
            rows,
            group: (budget / (rows * row_bytes).max(1)).max(1),
        }
    }
}

impl Levels {
    /// `table` gives the input for each byte of a channel, of which there are `channels` of `plane` values each.
    pub(super) fn new(channels: usize, plane: usize, table: impl Fn(usize, u8) -> f32) -> Self {
        let tables = (0..channels.max(1)).map(|channel| std::array::from_fn(|byte| table(channel, byte as u8)));
        Self {
            tables: tables.collect(),
            plane: plane.max(1),
        }
    }

    /// Appends what `bytes` stand for, the first of which has place `first` among all values.
    fn decode(&self, bytes: &[u8], first: usize, values: &mut Vec<f32>) {
        if let [table] = &self.tables[..] {
            values.extend(bytes.iter().map(|&byte| table[usize::from(byte)]));
            return;
        }
        let mut place = first;
        let mut rest = bytes;
        while !rest.is_empty() {
            let table = &self.tables[place / self.plane % self.tables.len()];
            let (now, later) = rest.split_at(rest.len().min(self.plane - place % self.plane));
            values.extend(now.iter().map(|&byte| table[usize::from(byte)]));
            place += now.len();
            rest = later;
        }
    }
}

impl Stored {
    fn value_bytes(&self) -> usize {
        if self.levels.is_some() { 1 } else { 4 }
    }

    /// The bytes of these values.
    pub(super) fn read(&self, values: Range<usize>) -> Result<Vec<u8>, DataError> {
        let size = self.value_bytes();
        let mut bytes = vec![0; values.len() * size];
        let place = self.start + (values.start * size) as u64;
        read_at(&self.file, &mut bytes, place).map_err(|source| DataError::Io {
            file: self.name.clone(),
            source,
        })?;
        Ok(bytes)
    }

    /// Appends the values of `bytes`, which begin at value `first`.
    pub(super) fn decode(&self, bytes: &[u8], first: usize, values: &mut Vec<f32>) {
        match &self.levels {
            Some(levels) => levels.decode(bytes, first, values),
            None => values.extend(bytes.as_chunks::<4>().0.iter().map(|&value| f32::from_le_bytes(value))),
        }
    }
}

impl Inputs {
    /// Bytes in memory.
    pub(super) fn of_bytes(bytes: Vec<u8>, levels: Levels) -> Self {
        Self(Arc::new(Held::Bytes { bytes, levels }))
    }

    /// Values in a file.
    pub(super) fn stored(stored: Stored) -> Self {
        Self(Arc::new(Held::File(stored)))
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        match &*self.0 {
            Held::Values(values) => values.len(),
            Held::Bytes { bytes, .. } => bytes.len(),
            Held::File(stored) => stored.values,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that are held in memory.
    pub fn held_bytes(&self) -> usize {
        match &*self.0 {
            Held::Values(values) => 4 * values.len(),
            Held::Bytes { bytes, .. } => bytes.len(),
            Held::File(_) => 0,
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
            Held::Bytes { bytes, levels } => levels.decode(&bytes[values.clone()], values.start, to),
            Held::File(stored) => stored.decode(&stored.read(values.clone())?, values.start, to),
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
            .map(move |start| self.slice(start..start + size))
    }

    /// Smallest and largest value; of bytes, those that the smallest and the largest byte stand for.
    pub fn range(&self) -> Span {
        let of_levels = |levels: &Levels| Span::of(levels.tables.as_flattened());
        match &*self.0 {
            Held::Values(values) => Span::of(values),
            Held::Bytes { levels, .. } => of_levels(levels),
            Held::File(Stored {
                levels: Some(levels), ..
            }) => of_levels(levels),
            Held::File(_) => {
                let chunks = self.chunks(1 << 16).map_while(Result::ok);
                chunks.fold(Span::of(&[]), |span, chunk| span.union(Span::of(&chunk)))
            }
        }
    }

    /// The file, where they are in one.
    pub(super) fn file(&self) -> Option<&Stored> {
        match &*self.0 {
            Held::File(stored) => Some(stored),
            _ => None,
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
            Held::Bytes { bytes, .. } => write!(f, "{} bytes", bytes.len()),
            Held::File(stored) => write!(f, "{} values in {}", stored.values, stored.name),
        }
    }
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], place: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, place)
}

#[cfg(windows)]
fn read_at(file: &File, mut bytes: &mut [u8], mut place: u64) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, bytes, place)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes = &mut bytes[read..];
        place += read as u64;
    }
    Ok(())
}
