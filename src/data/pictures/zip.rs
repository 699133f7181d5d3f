//! The part of the ZIP format that `numpy.savez` writes: entries that are stored or deflated.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::read::DeflateDecoder;

use super::idx::MAX_UNPACKED;
use super::malformed;
use crate::data::DataError;

/// Most files in an archive.
const MAX_ENTRIES: usize = 10_000;
/// Bytes of the record at the end without its comment, and of the longest comment.
const END: u64 = 22;
const COMMENT: u64 = 0xffff;

/// An archive whose directory is read.
pub(super) struct Archive {
    pub(super) path: PathBuf,
    pub(super) entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) name: String,
    is_deflated: bool,
    packed: u64,
    unpacked: u64,
    place: u64,
}

impl Archive {
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        let file_name = path.display().to_string();
        let failed = |source| DataError::Io {
            file: path.display().to_string(),
            source,
        };
        let broken = |problem: &str| malformed(&file_name, problem.to_owned(), "save it again with numpy.savez");
        if !std::fs::metadata(path).map_err(failed)?.is_file() {
            return Err(DataError::NotAFile { file: file_name });
        }
        let mut file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let tail = length.min(END + COMMENT);
        file.seek(SeekFrom::Start(length - tail)).map_err(failed)?;
        let mut bytes = Vec::new();
        file.by_ref().take(tail).read_to_end(&mut bytes).map_err(failed)?;
        let end = (0..bytes.len().saturating_sub(END as usize - 1))
            .rev()
            .find(|&place| bytes[place..].starts_with(b"PK\x05\x06"))
            .ok_or_else(|| broken("is no ZIP archive, or is cut short"))?;
        let end = &bytes[end..];
        let count = usize::from(u16_at(end, 10));
        let (size, start) = (u64::from(u32_at(end, 12)), u64::from(u32_at(end, 16)));
        if count > MAX_ENTRIES || start + size > length {
            return Err(broken("has a directory that does not fit it"));
        }
        file.seek(SeekFrom::Start(start)).map_err(failed)?;
        let mut directory = Vec::new();
        file.take(size).read_to_end(&mut directory).map_err(failed)?;
        let mut rest = &directory[..];
        let mut entries = Vec::new();
        for _ in 0..count {
            const FIXED: usize = 46;
            if rest.len() < FIXED || !rest.starts_with(b"PK\x01\x02") {
                return Err(broken("has a damaged directory"));
            }
            let lengths = [28, 30, 32].map(|place| usize::from(u16_at(rest, place)));
            let behind = FIXED + lengths.iter().sum::<usize>();
            if rest.len() < behind {
                return Err(broken("has a damaged directory"));
            }
            let method = u16_at(rest, 10);
            let entry = Entry {
                name: String::from_utf8_lossy(&rest[FIXED..FIXED + lengths[0]]).into_owned(),
                is_deflated: method == 8,
                packed: u64::from(u32_at(rest, 20)),
                unpacked: u64::from(u32_at(rest, 24)),
                place: u64::from(u32_at(rest, 42)),
            };
            if !matches!(method, 0 | 8) || u16_at(rest, 8) & 1 == 1 {
                return Err(broken(&format!("packs \"{}\" in a way that is not read", entry.name)));
            }
            if entry.place.saturating_add(entry.packed) > length || entry.packed == u64::from(u32::MAX) {
                return Err(broken(&format!(
                    "\"{}\" does not fit in it, or is larger than 4 GB",
                    entry.name
                )));
            }
            if entry.is_deflated && entry.unpacked > MAX_UNPACKED {
                return Err(malformed(
                    &file_name,
                    format!("\"{}\" unpacks to {} bytes", entry.name, entry.unpacked),
                    "save it with numpy.savez, which does not compress",
                ));
            }
            entries.push(entry);
            rest = &rest[behind..];
        }
        Ok(Self {
            path: path.to_owned(),
            entries,
        })
    }

    /// The bytes of an entry, no more than its directory announces.
    pub(super) fn read(&self, entry: &Entry) -> Result<Box<dyn Read>, DataError> {
        const FIXED: usize = 30;
        let failed = |source| DataError::Io {
            file: self.path.display().to_string(),
            source,
        };
        let mut file = File::open(&self.path).map_err(failed)?;
        file.seek(SeekFrom::Start(entry.place)).map_err(failed)?;
        let mut header = [0; FIXED];
        file.read_exact(&mut header).map_err(failed)?;
        if !header.starts_with(b"PK\x03\x04") {
            return Err(malformed(
                &self.path.display().to_string(),
                format!("\"{}\" is not where the directory says", entry.name),
                "save it again with numpy.savez",
            ));
        }
        let behind = i64::from(u16_at(&header, 26)) + i64::from(u16_at(&header, 28));
        file.seek(SeekFrom::Current(behind)).map_err(failed)?;
        let packed = BufReader::with_capacity(1 << 16, file).take(entry.packed);
        Ok(if entry.is_deflated {
            Box::new(DeflateDecoder::new(packed).take(entry.unpacked))
        } else {
            Box::new(packed)
        })
    }
}

fn u16_at(bytes: &[u8], place: usize) -> u16 {
    u16::from_le_bytes([bytes[place], bytes[place + 1]])
}

fn u32_at(bytes: &[u8], place: usize) -> u32 {
    u32::from_le_bytes([bytes[place], bytes[place + 1], bytes[place + 2], bytes[place + 3]])
}
