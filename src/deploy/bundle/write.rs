//! Writing an export folder: under a temporary name beside its place, read back and scored, and only then renamed.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::data::Samples;
use crate::spec::{Metrics, Preprocessing, RunConfig, TargetTransform, annotated_toml};

use super::card::{Lineage, card};
use super::encoding::encoding;
use super::{
    CARD_FILE, CLASSIC_FILE, CONFIG_FILE, LABELS_FILE, Loader, MODEL_FILE, PREPROCESSING_FILE, WEIGHTS_FILE,
    label_line, no_baseline, open,
};
use crate::deploy::BundleError;
use crate::deploy::measure::sha256;

/// What goes into the folder.
#[derive(Debug, Clone, Copy)]
pub struct Contents<'a> {
    pub model: Model<'a>,
    pub config: &'a RunConfig,
    pub preprocessing: &'a Preprocessing,
    /// What the card tells.
    pub lineage: Lineage<'a>,
    /// The test split, on which the folder is scored once more; none where the data have gone.
    pub test: Option<&'a Samples>,
    /// What the bytes scored on it when they were measured.
    pub score: Metrics,
}

/// The bytes that were measured, and what goes with them.
#[derive(Debug, Clone, Copy)]
pub enum Model<'a> {
    Network {
        onnx: &'a [u8],
        /// The weights in floating point: a safetensors file in PyTorch's layout and names.
        safetensors: &'a [u8],
    },
    /// A classical baseline, and who reads it.
    Baseline { bytes: &'a [u8], loader: Loader },
}

impl<'a> Model<'a> {
    pub(super) fn bytes(self) -> &'a [u8] {
        match self {
            Self::Network { onnx, .. } => onnx,
            Self::Baseline { bytes, .. } => bytes,
        }
    }

    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Network { .. } => MODEL_FILE,
            Self::Baseline { .. } => CLASSIC_FILE,
        }
    }

    fn loader(self) -> Loader {
        match self {
            Self::Network { .. } => no_baseline,
            Self::Baseline { loader, .. } => loader,
        }
    }
}

/// Writes the folder `dir`, which must not exist or be empty. It appears complete or not at all: everything is written
/// beside it, read back with [`open()`], scored on the test split, compared with what was measured, and then renamed.
pub fn write(dir: &Path, contents: &Contents<'_>) -> Result<(), BundleError> {
    let occupied = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    if occupied || dir.is_file() {
        return Err(BundleError::File {
            path: dir.to_owned(),
            problem: "exists already".to_owned(),
            remedy: "name a new folder, or remove this one",
        });
    }
    let temporary = temporary_beside(dir)?;
    let result = fill(&temporary, contents)
        .and_then(|()| prove(&temporary, contents))
        .and_then(|()| put_in_place(&temporary, dir));
    if result.is_err() {
        // The first failure is the one to report.
        let _ = fs::remove_dir_all(&temporary);
    }
    result
}

fn temporary_beside(dir: &Path) -> Result<PathBuf, BundleError> {
    if dir.file_name().is_none() {
        return Err(BundleError::File {
            path: dir.to_owned(),
            problem: "is not a name for a new folder".to_owned(),
            remedy: "name a new folder",
        });
    }
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    // Without the folder's name, which may be as long as names can be.
    let temporary = parent.join(format!(".{}.partial", std::process::id()));
    fs::create_dir_all(&temporary).map_err(cannot(&temporary))?;
    Ok(temporary)
}

fn fill(dir: &Path, contents: &Contents<'_>) -> Result<(), BundleError> {
    let save = |name: &str, bytes: &[u8]| {
        let path = dir.join(name);
        let mut file = File::create(&path).map_err(cannot(&path))?;
        file.write_all(bytes).map_err(cannot(&path))?;
        file.sync_all().map_err(cannot(&path))
    };
    let failed = |name: &str, problem: String| BundleError::File {
        path: dir.join(name),
        problem,
        remedy: "report this with the run's configuration",
    };
    save(contents.model.file(), contents.model.bytes())?;
    if let Model::Network { safetensors, .. } = contents.model {
        save(WEIGHTS_FILE, safetensors)?;
    }
    let config = annotated_toml(contents.config).map_err(|error| failed(CONFIG_FILE, error.to_string()))?;
    save(CONFIG_FILE, config.as_bytes())?;
    let preprocessing =
        preprocessing_text(contents.preprocessing).map_err(|error| failed(PREPROCESSING_FILE, error.to_string()))?;
    save(PREPROCESSING_FILE, preprocessing.as_bytes())?;
    if let TargetTransform::Classes { classes } = &contents.preprocessing.target {
        let lines: String = classes.iter().map(|class| label_line(class) + "\n").collect();
        save(LABELS_FILE, lines.as_bytes())?;
    }
    save(CARD_FILE, card(contents, &sha256(contents.model.bytes())).as_bytes())
}

/// The preprocessing as JSON, with its meaning in words, which only people read.
fn preprocessing_text(preprocessing: &Preprocessing) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Written<'a> {
        #[serde(flatten)]
        preprocessing: &'a Preprocessing,
        encoding: String,
    }
    let encoding = encoding(preprocessing);
    Ok(serde_json::to_string_pretty(&Written {
        preprocessing,
        encoding,
    })? + "\n")
}

/// Reads the folder back and scores it: what is given away must be what was measured.
fn prove(dir: &Path, contents: &Contents<'_>) -> Result<(), BundleError> {
    let bundle = open(dir, contents.model.loader())?;
    let differs = |name: &str, problem: String| BundleError::File {
        path: dir.join(name),
        problem,
        remedy: "export again; if it happens again, the disk may be failing",
    };
    if bundle.model_bytes != contents.model.bytes() {
        return Err(differs(
            bundle.model_file,
            "reads back other bytes than were written".to_owned(),
        ));
    }
    if bundle.preprocessing != *contents.preprocessing {
        return Err(differs(
            PREPROCESSING_FILE,
            "reads back other than it was written".to_owned(),
        ));
    }
    let Some(test) = contents.test else {
        return Ok(());
    };
    let found = bundle.exported.score(test, &bundle.preprocessing.target)?.metrics;
    if found != contents.score {
        return Err(differs(
            bundle.model_file,
            format!(
                "scores {found:?} on the test split where {:?} was measured",
                contents.score
            ),
        ));
    }
    Ok(())
}

fn put_in_place(temporary: &Path, dir: &Path) -> Result<(), BundleError> {
    if dir.is_dir() {
        // Empty, as was checked; not every system renames over it.
        fs::remove_dir(dir).map_err(cannot(dir))?;
    }
    fs::rename(temporary, dir).map_err(cannot(dir))
}

fn cannot(path: &Path) -> impl FnOnce(std::io::Error) -> BundleError {
    let path = path.to_owned();
    move |error| BundleError::File {
        path,
        problem: format!("cannot be written ({error})"),
        remedy: "name a folder on a disk with room, where you may write",
    }
}
