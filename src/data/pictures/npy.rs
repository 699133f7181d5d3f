//! NPY, the format of NumPy's arrays (versions 1 to 3): numbers, truth values or texts in C order.

use std::io::Read;

use half::f16;

use super::malformed;
use crate::data::DataError;

/// Longest header.
const MAX_HEADER: usize = 1 << 16;
/// Longest text of an array of texts.
const MAX_TEXT: usize = 1_000;
const MAX_RANK: usize = 8;
/// Values that are read at once.
const AT_ONCE: usize = 1 << 14;

/// An array behind its header.
pub(super) struct Npy {
    pub(super) file: String,
    reader: Box<dyn Read>,
    kind: Kind,
    /// Bytes of a value.
    size: usize,
    is_big_endian: bool,
    pub(super) shape: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unsigned,
    Signed,
    Float,
    /// UTF-32.
    Text,
    /// One byte a character.
    Bytes,
}

impl Npy {
    pub(super) fn open(file: &str, mut reader: Box<dyn Read>) -> Result<Self, DataError> {
        let mut fill = |bytes: &mut [u8]| {
            reader
                .read_exact(bytes)
                .map_err(|_| malformed(file, "ends within its header", "save the array again with numpy.save"))
        };
        let mut start = [0; 8];
        fill(&mut start)?;
        if start[..6] != *b"\x93NUMPY" {
            return Err(malformed(file, "is no NPY array", "save it with numpy.save"));
        }
        let length = if start[6] == 1 {
            let mut length = [0; 2];
            fill(&mut length)?;
            usize::from(u16::from_le_bytes(length))
        } else {
            let mut length = [0; 4];
            fill(&mut length)?;
            u32::from_le_bytes(length) as usize
        };
        if length > MAX_HEADER {
            return Err(malformed(
                file,
                format!("its header is {length} bytes long"),
                "save it with numpy.save",
            ));
        }
        let mut header = vec![0; length];
        fill(&mut header)?;
        let header = String::from_utf8_lossy(&header).into_owned();
        let (kind, size, is_big_endian) = kind_of(file, &header)?;
        if !is_c_order(&header) {
            return Err(malformed(
                file,
                "its values stand in Fortran order",
                "save numpy.ascontiguousarray of it",
            ));
        }
        Ok(Self {
            shape: shape_of(file, &header)?,
            file: file.to_owned(),
            reader,
            kind,
            size,
            is_big_endian,
        })
    }

    /// Number of values; `usize::MAX` when there are more than can be counted.
    pub(super) fn len(&self) -> usize {
        self.shape.iter().fold(1, |len, &edge| len.saturating_mul(edge))
    }

    pub(super) fn is_u8(&self) -> bool {
        (self.kind, self.size) == (Kind::Unsigned, 1)
    }

    pub(super) fn is_float(&self) -> bool {
        self.kind == Kind::Float
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self.kind, Kind::Text | Kind::Bytes)
    }

    /// Appends the next `count` values as numbers, or fewer at the end of the file, which is an error.
    pub(super) fn numbers(&mut self, count: usize, numbers: &mut Vec<f64>) -> Result<(), DataError> {
        let (kind, big) = (self.kind, self.is_big_endian);
        self.values(count, |bytes| {
            numbers.push(number(kind, big, bytes));
            Ok(())
        })
    }

    /// Appends the next `count` values as bytes.
    pub(super) fn bytes(&mut self, count: usize, to: &mut Vec<u8>) -> Result<(), DataError> {
        self.values(count, |bytes| {
            to.extend_from_slice(bytes);
            Ok(())
        })
    }

    /// All values as texts.
    pub(super) fn texts(&mut self) -> Result<Vec<String>, DataError> {
        let (kind, big) = (self.kind, self.is_big_endian);
        let mut texts = Vec::new();
        self.values(self.len(), |bytes| {
            let text: String = match kind {
                Kind::Text => bytes
                    .chunks_exact(4)
                    .map(|unit| {
                        let unit = [unit[0], unit[1], unit[2], unit[3]];
                        let code = if big {
                            u32::from_be_bytes(unit)
                        } else {
                            u32::from_le_bytes(unit)
                        };
                        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
                    })
                    .collect(),
                _ => String::from_utf8_lossy(bytes).into_owned(),
            };
            texts.push(text.trim_end_matches('\0').to_owned());
            Ok(())
        })?;
        Ok(texts)
    }

    /// Gives the bytes of each of the next `count` values.
    fn values(&mut self, count: usize, mut each: impl FnMut(&[u8]) -> Result<(), DataError>) -> Result<(), DataError> {
        let mut left = count;
        let mut bytes = vec![0; AT_ONCE.min(count.max(1)) * self.size];
        while left > 0 {
            let now = left.min(AT_ONCE);
            let bytes = &mut bytes[..now * self.size];
            self.reader.read_exact(bytes).map_err(|error| {
                malformed(
                    &self.file,
                    format!("ends before the {} values that it announces ({error})", self.len()),
                    "save the array again",
                )
            })?;
            bytes.chunks_exact(self.size).try_for_each(&mut each)?;
            left -= now;
        }
        Ok(())
    }
}

/// What stands behind a key of the header, which is a Python dictionary.
fn value_of<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let behind = header.split_once(&format!("'{key}'"))?.1;
    Some(behind.trim_start().strip_prefix(':')?.trim_start())
}

fn is_c_order(header: &str) -> bool {
    value_of(header, "fortran_order").is_some_and(|value| value.starts_with("False"))
}

fn kind_of(file: &str, header: &str) -> Result<(Kind, usize, bool), DataError> {
    let text = value_of(header, "descr").unwrap_or_default();
    let descr = text
        .strip_prefix('\'')
        .and_then(|text| text.split('\'').next())
        .unwrap_or_default();
    let refused = || {
        malformed(
            file,
            format!(
                "holds values of type \"{}\"",
                descr.chars().take(20).collect::<String>()
            ),
            "save whole or floating numbers of up to 8 bytes, truth values or texts",
        )
    };
    let mut letters = descr.chars();
    let order = letters.next().ok_or_else(refused)?;
    let letter = letters.next().ok_or_else(refused)?;
    let size: usize = letters.as_str().parse().map_err(|_| refused())?;
    let kind = match (letter, size) {
        ('b', 1) | ('u', 1 | 2 | 4 | 8) => Kind::Unsigned,
        ('i', 1 | 2 | 4 | 8) => Kind::Signed,
        ('f', 2 | 4 | 8) => Kind::Float,
        ('U', 1..=MAX_TEXT) => Kind::Text,
        ('S', 1..=MAX_TEXT) => Kind::Bytes,
        _ => return Err(refused()),
    };
    let size = if kind == Kind::Text { 4 * size } else { size };
    match order {
        '<' | '|' | '=' => Ok((kind, size, false)),
        '>' => Ok((kind, size, true)),
        _ => Err(refused()),
    }
}

fn shape_of(file: &str, header: &str) -> Result<Vec<usize>, DataError> {
    let text = value_of(header, "shape").and_then(|text| text.strip_prefix('(')?.split(')').next());
    let refused = || malformed(file, "its header names no shape", "save it with numpy.save");
    let edges = text
        .ok_or_else(refused)?
        .split(',')
        .map(str::trim)
        .filter(|edge| !edge.is_empty());
    let shape: Vec<usize> = edges
        .map(|edge| edge.trim_end_matches('L').parse().map_err(|_| refused()))
        .collect::<Result<_, _>>()?;
    if shape.len() > MAX_RANK {
        return Err(refused());
    }
    Ok(shape)
}

fn number(kind: Kind, big: bool, bytes: &[u8]) -> f64 {
    let mut little = [0; 8];
    for (place, &byte) in bytes.iter().take(8).enumerate() {
        little[if big { bytes.len().min(8) - 1 - place } else { place }] = byte;
    }
    let whole = u64::from_le_bytes(little);
    match (kind, bytes.len()) {
        (Kind::Float, 2) => f64::from(f16::from_bits(whole as u16)),
        (Kind::Float, 4) => f64::from(f32::from_bits(whole as u32)),
        (Kind::Float, _) => f64::from_bits(whole),
        (Kind::Signed, size) => {
            let unused = 64 - 8 * size.min(8) as u32;
            (((whole << unused) as i64) >> unused) as f64
        }
        _ => whole as f64,
    }
}
