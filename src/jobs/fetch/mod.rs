//! Data sets from the network: files of a known size and checksum, from whichever mirror brings them, into the program's home.
//!
//! What has arrived is kept: a transfer that breaks off goes on from there, with the next mirror or the next time. Plain HTTP and HTTPS
//! come from a small client (`minreq`), because these few files need no more than `GET` with a range.

mod mirrors;
mod transfer;
mod unpack;

use std::path::{Path, PathBuf};

pub use mirrors::{Fetchable, fetchable};

use super::JobError;
use super::engine::Message;
use super::worker::Worker;
use crate::spec::{Failure, RunId};
use mirrors::{Mirrors, Set};
use transfer::Transfer;

/// Folder of the home in which data sets lie, each in its own.
const FOLDER: &str = "data";

/// Where the files of the set of this name lie.
fn folder_of(home: &Path, set: &str) -> PathBuf {
    home.join(FOLDER).join(set)
}

impl Worker<'_> {
    /// Gets a data set; the last message of progress names its folder.
    pub fn get(&self, name: &str) -> Result<Vec<RunId>, JobError> {
        let tell = |what: String, done: usize, total: usize| {
            self.outbox.send(Message::Progress {
                job: self.job,
                what,
                done,
                total,
            });
        };
        let home = self.store.directory();
        let mirrors = Mirrors::open(home)?;
        let set = mirrors.find(name)?;
        let folder = folder_of(home, &set.name);
        std::fs::create_dir_all(&folder).map_err(|error| cannot_write(&folder, &error))?;
        let transfer = Transfer {
            timeout_secs: mirrors.timeout_secs.clamp(1, 3600),
            control: self.control,
            tell: &tell,
            set: &set.name,
            total: set.files.iter().map(|file| file.bytes).sum(),
        };
        let mut done = 0;
        for file in &set.files {
            transfer.file(&folder, file, &set.mirrors, done).map_err(|failure| {
                if failure.remedy.is_empty() {
                    by_hand(set, &folder, failure)
                } else {
                    failure
                }
            })?;
            done += file.bytes;
        }
        if let Some(archive) = set.files.iter().find(|file| file.name.ends_with(".tar.gz")) {
            unpack::unpack(&folder.join(&archive.name), &folder)?;
        }
        if !set.classes.is_empty() {
            let path = folder.join("classes.txt");
            std::fs::write(&path, set.classes.join("\n") + "\n").map_err(|error| cannot_write(&path, &error))?;
        }
        tell(format!("{} is in {}", set.name, folder.display()), 1, 1);
        Ok(Vec::new())
    }
}

/// What a person can do where no mirror answers.
fn by_hand(set: &Set, folder: &Path, failure: Failure) -> Failure {
    let names: Vec<&str> = set.files.iter().map(|file| file.name.as_str()).collect();
    Failure {
        remedy: format!(
            "check the network or the mirrors, or fetch {} by hand, put them into {} and get the set again",
            names.join(", "),
            folder.display()
        ),
        ..failure
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        path.display().to_string(),
        format!("cannot be written ({error})"),
        "make room, or allow writing there",
    )
}
