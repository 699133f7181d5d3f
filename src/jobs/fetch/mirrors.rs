//! The list of data sets and mirrors, a file that a person may edit.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{cannot_write, folder_of};
use crate::spec::Failure;

const NAME: &str = "mirrors.toml";
const SHIPPED: &str = include_str!("../../../assets/mirrors.toml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mirrors {
    pub timeout_secs: u64,
    #[serde(rename = "set")]
    sets: Vec<Set>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Set {
    pub name: String,
    about: String,
    /// What stands before a file's name, in the order in which they are asked.
    pub mirrors: Vec<String>,
    /// Names of the classes, where the files do not have them.
    #[serde(default)]
    pub classes: Vec<String>,
    pub files: Vec<Wanted>,
}

/// A file and what tells that it is the right one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    pub name: String,
    pub bytes: u64,
    pub sha256: String,
}

/// A data set that can be got, and whether it has been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetchable {
    pub name: String,
    pub about: String,
    /// Bytes of all its files.
    pub bytes: u64,
    /// What `data.source` is to be.
    pub folder: PathBuf,
    /// Whether every file is there.
    pub is_there: bool,
}

/// The sets of the list in `home`, or of the shipped one.
pub fn fetchable(home: &Path) -> Result<Vec<Fetchable>, Failure> {
    let mirrors = Mirrors::read(home)?;
    let sets = mirrors.sets.into_iter().map(|set| {
        let folder = folder_of(home, &set.name);
        let has = |file: &Wanted| {
            folder
                .join(&file.name)
                .metadata()
                .is_ok_and(|found| found.len() == file.bytes)
        };
        Fetchable {
            bytes: set.files.iter().map(|file| file.bytes).sum(),
            is_there: set.files.iter().all(has),
            name: set.name,
            about: set.about,
            folder,
        }
    });
    Ok(sets.collect())
}

impl Mirrors {
    /// The list in `home`, which is put there when it is not.
    pub fn open(home: &Path) -> Result<Self, Failure> {
        let path = home.join(NAME);
        if !path.exists() {
            std::fs::write(&path, SHIPPED).map_err(|error| cannot_write(&path, &error))?;
        }
        Self::read(home)
    }

    fn read(home: &Path) -> Result<Self, Failure> {
        let path = home.join(NAME);
        let place = path.display().to_string();
        let remedy = "correct it, or delete it to have the shipped list again";
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => SHIPPED.to_owned(),
            Err(error) => return Err(Failure::new(place, format!("cannot be read ({error})"), remedy)),
        };
        let mirrors: Self = toml::from_str(&text).map_err(|error| Failure::new(&*place, error.to_string(), remedy))?;
        for set in &mirrors.sets {
            let names = set.files.iter().map(|file| &file.name).chain([&set.name]);
            // Names become paths.
            if let Some(name) = names.into_iter().find(|name| !is_plain(name)) {
                return Err(Failure::new(
                    place,
                    format!("\"{name}\" is no plain name of a file"),
                    remedy,
                ));
            }
        }
        Ok(mirrors)
    }

    pub fn find(&self, name: &str) -> Result<&Set, Failure> {
        let wanted = name.trim().to_lowercase().replace('-', "_");
        self.sets.iter().find(|set| set.name == wanted).ok_or_else(|| {
            let known: Vec<&str> = self.sets.iter().map(|set| set.name.as_str()).collect();
            Failure::new(
                name,
                "is not in the list of data sets that can be got",
                format!(
                    "use one of {}, or add it to {NAME} in the folder of the store",
                    known.join(", ")
                ),
            )
        })
    }
}

fn is_plain(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && !name.starts_with('.') && name.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_list_can_be_read_and_names_three_sets() {
        let home = tempfile::tempdir().unwrap();
        let sets = fetchable(home.path()).unwrap();
        let names: Vec<&str> = sets.iter().map(|set| set.name.as_str()).collect();
        assert_eq!(names, ["mnist", "fashion_mnist", "cifar10"]);
        assert!(
            sets.iter()
                .all(|set| !set.is_there && set.folder.starts_with(home.path()))
        );
        let mirrors = Mirrors::open(home.path()).unwrap();
        for set in &mirrors.sets {
            assert!(set.files.iter().all(|file| file.sha256.len() == 64));
        }
        assert_eq!(mirrors.find("Fashion-MNIST").unwrap().classes.len(), 10);
        assert!(mirrors.find("imagenet").unwrap_err().remedy.contains("cifar10"));
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let home = tempfile::tempdir().unwrap();
        for name in ["../x", "/etc/x", "a/b", "", ".x", "a\\b"] {
            let text = SHIPPED.replace("train-labels-idx1-ubyte.gz", name);
            std::fs::write(home.path().join(NAME), text.replace('\\', "\\\\")).unwrap();
            assert!(fetchable(home.path()).is_err(), "{name}");
        }
    }
}
