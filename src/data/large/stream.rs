//! The records of a file one after another, none of which may be longer than allowed.

use std::cell::Cell;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::rc::Rc;

use csv::{ByteRecord, ReaderBuilder};

use super::Cells;
use crate::data::DataError;
use crate::data::records::MAX_RECORD_BYTES;
use crate::data::sheet::Sheet;
use crate::data::text::{MARK, of_windows_1252};

/// Bytes that the reader may be ahead of a record.
const AHEAD: usize = 1 << 16;

/// What must be known to read a file as a stream.
pub(super) struct Stream<'a> {
    file: &'a str,
    separator: u8,
    width: usize,
    with_header: bool,
}

/// The first bytes of a file.
pub(super) fn beginning(path: &Path, most: usize) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most as u64).read_to_end(&mut bytes));
    read.map_err(|source| DataError::Io {
        file: path.display().to_string(),
        source,
    })?;
    // A character that is cut in two would make another encoding of the text.
    let cut = bytes.len().saturating_sub(4);
    if let Some(end) = bytes[cut..].iter().rposition(u8::is_ascii) {
        bytes.truncate(cut + end + 1);
    }
    Ok(bytes)
}

impl<'a> Stream<'a> {
    pub(super) fn of(sheet: &Sheet<'a>) -> Self {
        Self {
            file: sheet.records.file,
            separator: sheet.records.separator(),
            width: sheet.records.width,
            with_header: sheet.with_header,
        }
    }

    /// Gives every record below the header with its row, counted from 1; blank lines are skipped.
    pub(super) fn for_each(
        &self,
        mut each: impl FnMut(usize, &Cells) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let file = || self.file.to_owned();
        let failed = |source| DataError::Io { file: file(), source };
        let mut input = File::open(self.file).map_err(failed)?;
        let mut mark = [0; MARK.len()];
        let has_mark = input.read(&mut mark).map_err(failed)? == MARK.len() && mark == *MARK;
        let start = if has_mark { MARK.len() as u64 } else { 0 };
        input.seek(SeekFrom::Start(start)).map_err(failed)?;
        let left = Rc::new(Cell::new(0));
        let guarded = Guarded {
            file: input,
            left: Rc::clone(&left),
        };
        let mut reader = ReaderBuilder::new()
            .delimiter(self.separator)
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(AHEAD)
            .from_reader(guarded);
        let mut record = ByteRecord::new();
        let mut first_row = None;
        loop {
            left.set(MAX_RECORD_BYTES + AHEAD);
            let row = reader.position().line() as usize;
            match reader.read_byte_record(&mut record) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(_) if left.get() == 0 => {
                    return Err(DataError::RowTooLong {
                        file: file(),
                        row,
                        limit_bytes: MAX_RECORD_BYTES,
                    });
                }
                Err(error) => return Err(failed(std::io::Error::other(error))),
            }
            let row = record.position().map_or(row, |position| position.line() as usize);
            if record.len() == 1 && self.width > 1 && record.iter().all(<[u8]>::is_empty) {
                continue;
            }
            if let Some(byte) = record.as_slice().iter().position(|&byte| is_control(byte)) {
                return Err(DataError::Binary {
                    file: file(),
                    row,
                    byte,
                });
            }
            let is_header = first_row.is_none() && self.with_header;
            let first_row = *first_row.get_or_insert(row);
            if record.len() != self.width {
                return Err(DataError::Ragged {
                    file: file(),
                    row,
                    found: record.len(),
                    first_row,
                    expected: self.width,
                });
            }
            if is_header {
                continue;
            }
            match Cells::from_byte_record(std::mem::take(&mut record)) {
                Ok(cells) => {
                    each(row, &cells)?;
                    record = cells.into_byte_record();
                }
                Err(error) => {
                    let cells = error.into_byte_record();
                    each(row, &cells.iter().map(of_windows_1252).collect())?;
                }
            }
        }
    }
}

fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r')
}

/// Reads no more than is left for a record.
struct Guarded {
    file: File,
    left: Rc<Cell<usize>>,
}

impl Read for Guarded {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let left = self.left.get();
        if left == 0 {
            return Err(std::io::Error::other("the record is too long"));
        }
        let most = bytes.len().min(left);
        let read = self.file.read(&mut bytes[..most])?;
        self.left.set(left - read);
        Ok(read)
    }
}
