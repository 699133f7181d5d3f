//! The files that the window asks for: what a folder holds, and one that is written all at once or not at all.

use std::fs;
use std::io;
use std::path::Path;

use super::WrittenFile;
use crate::deploy;
use crate::spec::{Failure, Ladder};
use crate::store;

/// The files of a folder, by name. What is no plain file is left out.
pub(super) fn list(folder: &Path) -> Result<Vec<WrittenFile>, Failure> {
    let failed = |path: &Path, error: &io::Error| {
        let what = format!("cannot be read ({error})");
        Failure::new(path.display().to_string(), what, "check that it is still there")
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| failed(folder, &error))? {
        let path = entry.map_err(|error| failed(folder, &error))?.path();
        if path.is_file() {
            let bytes = fs::read(&path).map_err(|error| failed(&path, &error))?;
            files.push(WrittenFile {
                name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                bytes: bytes.len() as u64,
                sha256: deploy::sha256(&bytes),
            });
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// Reads a file of recipes.
pub fn ladder(path: &Path) -> Result<Ladder, Failure> {
    let place = path.display().to_string();
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::new(&place, error.to_string(), "choose a file that can be read"))?;
    Ladder::parse(&text).map_err(|problem| Failure::new(&place, problem, "`trimtab ladder` prints one to edit"))
}

/// Writes the file, or leaves what is there as it is.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    store::write_whole(path, bytes).map_err(|error| {
        let what = format!("cannot be written ({error})");
        Failure::new(
            path.display().to_string(),
            what,
            "choose another place, where you may write",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_whole_and_listed_with_its_sum() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("b.txt"), b"abc").unwrap();
        write(&folder.path().join("a.txt"), b"first").unwrap();
        write(&folder.path().join("a.txt"), b"").unwrap();
        fs::create_dir(folder.path().join("folder")).unwrap();
        let files = list(folder.path()).unwrap();
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["a.txt", "b.txt"]);
        assert_eq!((files[0].bytes, files[1].bytes), (0, 3));
        assert_eq!(
            files[1].sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        for (error, path) in [
            (list(&folder.path().join("none")).unwrap_err(), "none"),
            (write(&folder.path().join("none/x"), b"").unwrap_err(), "none/x"),
            (write(&folder.path().join("folder"), b"").unwrap_err(), "folder"),
        ] {
            assert!(error.place.ends_with(path), "{error}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
