//! Reading an export folder back and answering with it. Every file is checked alone and against the others before the first
//! row is computed.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::data::read_rows;
use crate::spec::{Metrics, Preprocessing, TargetTransform, class_of, softmax};

use super::{CLASSIC_FILE, LABELS_FILE, MODEL_FILE, PREPROCESSING_FILE, label_line};
use crate::deploy::{BundleError, DeployError, Exported, score};

const AGAIN: &str = "export the run again";

/// An export folder, read and checked.
pub struct Bundle {
    pub(super) exported: Exported,
    /// Name of the file that answers.
    pub model_file: &'static str,
    /// Its bytes.
    pub model_bytes: Vec<u8>,
    pub preprocessing: Preprocessing,
    /// The classes in the order of the logits; empty for a regression.
    pub labels: Vec<String>,
}

/// Reads what is no network: a classical baseline. The error says what is wrong with the bytes.
pub type Loader = fn(&[u8]) -> Result<Exported, String>;

/// The loader of a reader of networks alone.
pub fn no_baseline(_: &[u8]) -> Result<Exported, String> {
    Err("is no network".to_owned())
}

/// The answer for one row.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Prediction {
    Class {
        label: String,
        /// Index into the labels.
        class: usize,
        /// Softmax of the logits, in the order of the labels.
        probabilities: Vec<f32>,
    },
    Value {
        /// In the target's own unit.
        value: f64,
    },
    /// Of several targets, in their order.
    Values {
        /// Each in its target's own unit.
        values: Vec<f64>,
    },
}

/// Answers for a file of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// One for each row, in their order.
    pub predictions: Vec<Prediction>,
    /// Names of the files that the rows are; empty where they are rows of one file.
    pub names: Vec<String>,
    /// Names of the values of a regression, in their order: of a forecast with the steps ahead, as in `price +2`.
    pub targets: Vec<String>,
    /// Against the file's own target column, where it has one that can be read.
    pub metrics: Option<Metrics>,
    /// What was filled or assumed in the rows, one sentence each.
    pub notes: Vec<String>,
}

/// Answers for every sample of the file or folder `rows` by the folder `dir` and nothing else.
pub fn predict(dir: &Path, rows: &Path, baseline: Loader) -> Result<Answers, BundleError> {
    let bundle = open(dir, baseline)?;
    let rows = read_rows(rows, &bundle.preprocessing)?;
    let outputs = bundle.outputs(&rows.inputs)?;
    let target = &bundle.preprocessing.target;
    Ok(Answers {
        predictions: bundle.answers(&outputs),
        names: rows.names,
        targets: match target {
            TargetTransform::Classes { .. } => Vec::new(),
            TargetTransform::Values { targets } => targets.iter().map(|target| target.name.clone()).collect(),
        },
        // Of a series, what follows the file has no truth.
        metrics: rows.targets.map(|targets| {
            let scored = targets.len() * self::outputs(target);
            score::metrics(&outputs[..scored.min(outputs.len())], &targets, target)
        }),
        notes: rows.notes,
    })
}

/// Reads the folder `dir`. The error names the file that is missing, damaged or does not fit the others.
pub fn open(dir: &Path, baseline: Loader) -> Result<Bundle, BundleError> {
    if !dir.is_dir() {
        return Err(BundleError::File {
            path: dir.to_owned(),
            problem: "is not a folder".to_owned(),
            remedy: "name a folder that `trimtab export` wrote",
        });
    }
    let is_network = dir.join(MODEL_FILE).exists() || !dir.join(CLASSIC_FILE).exists();
    let model_file = if is_network { MODEL_FILE } else { CLASSIC_FILE };
    let model_path = dir.join(model_file);
    let model_bytes = read(&model_path)?;
    let exported = if is_network {
        Exported::load(&model_bytes).map_err(|error| {
            let text = error.to_string();
            // What the runtime proposes of any model, the folder says in its own words.
            text.strip_suffix("; export the model again")
                .unwrap_or(&text)
                .to_owned()
        })
    } else {
        baseline(&model_bytes)
    };
    let exported = exported.map_err(|problem| BundleError::File {
        path: model_path.clone(),
        problem,
        remedy: AGAIN,
    })?;
    let model = exported.model();
    let path = dir.join(PREPROCESSING_FILE);
    let preprocessing = read_preprocessing(&path)?;
    if !model.accepts(&preprocessing.shape.dimensions()) {
        return Err(BundleError::File {
            path,
            problem: format!(
                "makes samples of {:?} where the network in {model_file} reads {:?}",
                preprocessing.shape.dimensions(),
                model.dimensions()
            ),
            remedy: AGAIN,
        });
    }
    let labels = match &preprocessing.target {
        TargetTransform::Classes { classes } => read_labels(&dir.join(LABELS_FILE), classes)?,
        TargetTransform::Values { .. } => Vec::new(),
    };
    let outputs = outputs(&preprocessing.target);
    if model.outputs() != outputs {
        return Err(BundleError::File {
            path: model_path,
            problem: format!(
                "the network has {} outputs where {PREPROCESSING_FILE} and {LABELS_FILE} need {outputs}",
                model.outputs()
            ),
            remedy: AGAIN,
        });
    }
    Ok(Bundle {
        exported,
        model_file,
        model_bytes,
        preprocessing,
        labels,
    })
}

impl Bundle {
    /// The network's outputs for preprocessed `inputs`, sample by sample.
    pub fn outputs(&self, inputs: &[f32]) -> Result<Vec<f32>, DeployError> {
        self.exported.outputs(inputs)
    }

    /// One answer for each row of the network's `outputs`.
    pub fn answers(&self, outputs: &[f32]) -> Vec<Prediction> {
        let rows = outputs.chunks_exact(self::outputs(&self.preprocessing.target));
        rows.map(|row| Prediction::of(row, &self.preprocessing.target))
            .collect()
    }
}

impl Prediction {
    /// What one row of a network's outputs says.
    pub fn of(outputs: &[f32], target: &TargetTransform) -> Self {
        match target {
            TargetTransform::Classes { classes } => {
                let class = class_of(outputs);
                Self::Class {
                    label: classes.get(class).cloned().unwrap_or_default(),
                    class,
                    probabilities: softmax(outputs).collect(),
                }
            }
            TargetTransform::Values { targets } => {
                let values: Vec<f64> = targets
                    .iter()
                    .zip(outputs)
                    .map(|(target, &output)| target.mean + target.deviation * f64::from(output))
                    .collect();
                match values[..] {
                    [value] => Self::Value { value },
                    _ => Self::Values { values },
                }
            }
        }
    }
}

/// Width of the network's output.
fn outputs(target: &TargetTransform) -> usize {
    match target {
        TargetTransform::Classes { classes } => classes.len(),
        TargetTransform::Values { targets } => targets.len(),
    }
    .max(1)
}

fn read(path: &PathBuf) -> Result<Vec<u8>, BundleError> {
    fs::read(path).map_err(|error| BundleError::File {
        path: path.clone(),
        problem: if error.kind() == std::io::ErrorKind::NotFound {
            "is missing".to_owned()
        } else {
            format!("cannot be read ({error})")
        },
        remedy: "name a complete folder that `trimtab export` wrote",
    })
}

fn read_preprocessing(path: &PathBuf) -> Result<Preprocessing, BundleError> {
    let damaged = |problem: String| BundleError::File {
        path: path.clone(),
        problem,
        remedy: AGAIN,
    };
    let preprocessing: Preprocessing =
        serde_json::from_slice(&read(path)?).map_err(|error| damaged(format!("is damaged: {error}")))?;
    match preprocessing.problem() {
        Some(problem) => Err(damaged(problem)),
        None => Ok(preprocessing),
    }
}

fn read_labels(path: &PathBuf, classes: &[String]) -> Result<Vec<String>, BundleError> {
    let damaged = |problem: String| BundleError::File {
        path: path.clone(),
        problem,
        remedy: AGAIN,
    };
    let text = String::from_utf8(read(path)?).map_err(|_| damaged("is not UTF-8 text".to_owned()))?;
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() != classes.len() {
        return Err(damaged(format!(
            "has {} labels where {PREPROCESSING_FILE} has {} classes",
            lines.len(),
            classes.len()
        )));
    }
    if let Some(line) = lines
        .iter()
        .zip(classes)
        .position(|(line, class)| *line != label_line(class))
    {
        return Err(damaged(format!(
            "line {} is \"{}\" where {PREPROCESSING_FILE} has the class \"{}\"",
            line + 1,
            lines[line],
            classes[line]
        )));
    }
    Ok(classes.to_vec())
}
