//! A folder with a sub-folder for each class, which holds the class's texts as `.txt` files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Texts;
use crate::data::DataError;
use crate::data::header::quoted;
use crate::data::pictures::unread;
use crate::data::source::Source;
use crate::data::table::Column;
use crate::data::text::{MAX_FILE_BYTES, decode, read_file};
use crate::spec::DataConfig;

/// Most files that are read.
const MAX_FILES: usize = 1_000_000;

/// Reads the folder at the source's path if a sub-folder of it holds a text file. A file that cannot be read as text is left out, with
/// a note.
pub fn open(config: &DataConfig) -> Result<Option<Box<dyn Source>>, DataError> {
    let path = Path::new(config.source.trim());
    if !path.is_dir() {
        return Ok(None);
    }
    let files = list(path)?;
    if files.is_empty() {
        return Ok(None);
    }
    let (mut texts, _) = read(path, &files)?;
    texts.notes.extend(unread(path, &is_text, "text")?);
    Ok(Some(Box::new(texts)))
}

/// The class and the path of every text file, in the order of their names.
pub(super) fn list(folder: &Path) -> Result<Vec<(String, PathBuf)>, DataError> {
    let mut files = Vec::new();
    for class in entries(folder)? {
        if !class.is_dir() {
            continue;
        }
        let name = class.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.extend(texts_in(&class)?.map(|file| (name.clone(), file)));
        if files.len() > MAX_FILES {
            return Err(DataError::TooManyFiles {
                file: folder.display().to_string(),
                limit: MAX_FILES,
            });
        }
    }
    Ok(files)
}

/// The texts that lie in the folder itself, in the order of their names.
pub(super) fn texts_in(folder: &Path) -> Result<impl Iterator<Item = PathBuf>, DataError> {
    Ok(entries(folder)?.into_iter().filter(|file| is_text(file)))
}

fn is_text(file: &Path) -> bool {
    file.extension().is_some_and(|end| end.eq_ignore_ascii_case("txt")) && file.is_file()
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let failed = |source: io::Error| DataError::Io {
        file: folder.display().to_string(),
        source,
    };
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        entries.push(entry.map_err(failed)?.path());
        if entries.len() > MAX_FILES {
            return Err(DataError::TooManyFiles {
                file: folder.display().to_string(),
                limit: MAX_FILES,
            });
        }
    }
    entries.sort();
    Ok(entries)
}

/// The texts of these files, and the files of which they are: those that can be read.
pub(super) fn read<'a>(folder: &Path, files: &'a [(String, PathBuf)]) -> Result<(Texts, Vec<&'a Path>), DataError> {
    let (mut texts, mut classes, mut kept, mut broken) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut bytes_read = 0;
    for (class, path) in files {
        let name = path.display().to_string();
        let bytes = match read_file(path) {
            Ok(bytes) => bytes,
            Err(DataError::TooLarge { .. } | DataError::Io { .. } | DataError::NotAFile { .. }) => {
                broken.push(name);
                continue;
            }
            Err(error) => return Err(error),
        };
        bytes_read += bytes.len() as u64;
        if bytes_read > MAX_FILE_BYTES {
            return Err(DataError::TooLarge {
                file: folder.display().to_string(),
                limit_bytes: MAX_FILE_BYTES,
            });
        }
        match decode(&name, &bytes) {
            Ok((text, _)) => {
                texts.push(text.trim().to_owned());
                classes.push((0, class.as_str()));
                kept.push(path.as_path());
            }
            Err(_) => broken.push(name),
        }
    }
    let mut notes = Vec::new();
    if !broken.is_empty() {
        notes.push(format!(
            "{} files are left out, because they are empty, too large or no text: {}",
            broken.len(),
            quoted(&broken)
        ));
    }
    let texts = Texts {
        file: folder.display().to_string(),
        column: "text".to_owned(),
        texts,
        labels: vec![Column::of_cells("class", classes.iter().copied())],
        vocabulary: None,
        steps: None,
        notes,
    };
    Ok((texts, kept))
}
