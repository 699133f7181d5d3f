//! Rows of bytes: in memory as long as the budget allows, else in a file of the program's own that vanishes with it.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::DataError;
use super::digest::Digest;

/// Rows that are being gathered.
pub(super) struct RowWriter {
    /// Bytes of a row.
    width: usize,
    /// Most bytes that are held.
    budget: usize,
    rows: usize,
    held: Vec<u8>,
    file: Option<BufWriter<File>>,
    digest: Digest,
}

/// Rows of equally many bytes.
pub(super) struct RowBytes {
    /// Bytes of a row.
    width: usize,
    rows: usize,
    held: Held,
    digest: String,
}

enum Held {
    Memory(Vec<u8>),
    File(File),
}

impl RowWriter {
    pub(super) fn new(row_bytes: usize, budget: usize) -> Self {
        Self {
            width: row_bytes,
            budget,
            rows: 0,
            held: Vec::new(),
            file: None,
            digest: Digest::default(),
        }
    }

    /// Appends whole rows.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), DataError> {
        self.rows += bytes.len() / self.width.max(1);
        self.digest.bytes(bytes);
        if self.file.is_none() && self.held.len() + bytes.len() > self.budget {
            let mut file = BufWriter::with_capacity(1 << 18, scratch().map_err(full)?);
            file.write_all(&std::mem::take(&mut self.held)).map_err(full)?;
            self.file = Some(file);
        }
        match &mut self.file {
            Some(file) => file.write_all(bytes).map_err(full)?,
            None => self.held.extend_from_slice(bytes),
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<RowBytes, DataError> {
        self.held.shrink_to_fit();
        Ok(RowBytes {
            width: self.width,
            rows: self.rows,
            held: match self.file {
                Some(file) => Held::File(file.into_inner().map_err(|error| full(error.into_error()))?),
                None => Held::Memory(self.held),
            },
            digest: self.digest.finish(),
        })
    }
}

impl RowBytes {
    pub(super) fn row_bytes(&self) -> usize {
        self.width
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// Of the bytes of all rows.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    pub(super) fn is_in_file(&self) -> bool {
        matches!(self.held, Held::File(_))
    }

    /// Appends the bytes of these rows, all of which there are, in their order.
    pub(super) fn read(&self, rows: &[u32], to: &mut Vec<u8>) -> Result<(), DataError> {
        /// Most bytes that are read in passing, because that is faster than to begin anew.
        const GAP: usize = 1 << 14;
        const MOST: usize = 1 << 20;
        let size = self.width;
        let file = match &self.held {
            Held::Memory(bytes) => {
                for &row in rows {
                    to.extend_from_slice(&bytes[row as usize * size..][..size]);
                }
                return Ok(());
            }
            Held::File(file) => file,
        };
        let mut rest = rows;
        let mut passage = Vec::new();
        while let Some(&first) = rest.first() {
            let follows = |pair: &[u32]| {
                pair[1] > pair[0]
                    && (pair[1] - pair[0]) as usize * size <= GAP.max(size)
                    && (pair[1] - first) as usize * size <= MOST
            };
            let run = 1 + rest.windows(2).take_while(|pair| follows(pair)).count();
            let (now, later) = rest.split_at(run);
            let last = now[run - 1];
            passage.resize(((last - first) as usize + 1) * size, 0);
            read_at(file, &mut passage, u64::from(first) * size as u64).map_err(|source| DataError::Io {
                file: "the file of prepared samples".to_owned(),
                source,
            })?;
            for &row in now {
                to.extend_from_slice(&passage[(row - first) as usize * size..][..size]);
            }
            rest = later;
        }
        Ok(())
    }
}

fn full(source: std::io::Error) -> DataError {
    DataError::Io {
        file: format!("{} (samples beyond data.memory_mb are kept there)", folder().display()),
        source,
    }
}

/// On a disk, where the system says which folder is: the usual one for temporary files may be in memory.
fn folder() -> PathBuf {
    let lasting = PathBuf::from("/var/tmp");
    match std::env::var_os("TMPDIR") {
        None if lasting.is_dir() => lasting,
        _ => std::env::temp_dir(),
    }
}

/// A new file without a name, or one that goes when it is closed.
fn scratch() -> std::io::Result<File> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(windows)]
    {
        const DELETE_ON_CLOSE: u32 = 0x0400_0000;
        std::os::windows::fs::OpenOptionsExt::custom_flags(&mut options, DELETE_ON_CLOSE);
    }
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = folder().join(format!("trimtab-samples-{}-{count}", std::process::id()));
        match options.open(&path) {
            Ok(file) => {
                #[cfg(unix)]
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
            // Left behind by another program of this number.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_the_same_from_memory_and_from_a_file() {
        let rows: Vec<[u8; 3]> = (0..2000_u32).map(|row| [row as u8, (row >> 8) as u8, 7]).collect();
        let store = |budget| {
            let mut writer = RowWriter::new(3, budget);
            for row in &rows {
                writer.push(row).unwrap();
            }
            let store = writer.finish().unwrap();
            assert_eq!(store.len(), 2000);
            store
        };
        let (memory, file) = (store(6000), store(5999));
        assert!(!memory.is_in_file() && file.is_in_file());
        for wanted in [
            vec![],
            vec![5],
            vec![0, 1, 2, 1999],
            vec![9, 3, 3, 700, 699],
            (0..2000).collect(),
        ] {
            let expected: Vec<u8> = wanted.iter().flat_map(|&row: &u32| rows[row as usize]).collect();
            for store in [&memory, &file] {
                let mut found = Vec::new();
                store.read(&wanted, &mut found).unwrap();
                assert_eq!(found, expected);
            }
        }
    }
}
