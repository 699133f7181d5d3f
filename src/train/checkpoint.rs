//! Weights, and all else that a run needs to go on where it stood, as safetensors bytes.

use std::borrow::Cow;
use std::collections::HashMap;

use safetensors::tensor::{SafeTensors, View, serialize};
use safetensors::{Dtype, SafeTensorError};
use serde::{Deserialize, Serialize};

use super::objective::Tally;
use crate::spec::{ModelSpec, NamedTensor, PART_NAMES, Weights};

/// Key of the state's JSON in the file's metadata.
const STATE: &str = "trimtab";

/// Bytes that are no weights or no checkpoint of this plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    #[error("not a safetensors file ({0}); the file is damaged or of another kind")]
    Format(String),
    #[error("the tensor `{name}` holds {found}, not 32-bit numbers; convert it first")]
    Type { name: String, found: String },
    #[error("a checkpoint of another plan: {0}; resume with the plan that the run began with")]
    Plan(String),
    #[error("the training state cannot be read ({0}); the file holds weights only, or is of another version")]
    State(String),
}

/// Where a run stands, apart from its tensors.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct State {
    /// Steps done over the whole run.
    pub step: usize,
    /// Of the epoch that is not yet complete.
    pub tally: Tally,
    /// Of all epochs so far.
    pub best: Option<Best>,
    /// Epochs since the best.
    pub stale: usize,
    /// The epochs of a fine-tuning.
    pub fine_tune: Option<usize>,
    #[serde(default)]
    pub plateau: Plateau,
    /// Seconds of training over all sittings, pauses left out.
    #[serde(default)]
    pub busy_secs: f64,
    /// Whether the run is over before its last epoch.
    #[serde(default)]
    pub is_over: bool,
    /// What pruning has left of the network, once units were removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelSpec>,
}

/// Where the plateau schedule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Plateau {
    /// Epochs without improvement since the last drop.
    pub stale: usize,
    pub drops: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Counted from 1.
    pub epoch: usize,
    /// Of the monitored metric.
    pub value: f64,
}

/// A run at rest between two steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    pub state: State,
    pub weights: Weights,
    /// One list for each value that the optimizer keeps per weight, each with one entry a parameter.
    pub slots: Vec<Vec<Vec<f32>>>,
    /// Of the best epoch, where early stopping will restore them.
    pub best: Option<Weights>,
    pub mask: Option<Vec<Vec<f32>>>,
    /// Averaged parameters and running statistics.
    pub average: Option<[Vec<Vec<f32>>; 2]>,
}

/// What [`to_bytes`] takes of a run.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    pub state: &'a State,
    pub weights: &'a Weights,
    pub slots: &'a [Vec<Vec<f32>>],
    pub best: Option<&'a Weights>,
    pub mask: Option<&'a [Vec<f32>]>,
    pub average: Option<[&'a [Vec<f32>]; 2]>,
}

/// Names of the two lists of an average.
const AVERAGE: [&str; 2] = ["average", "average_statistics"];

/// The weights as a safetensors file in `PyTorch`'s layout and names.
pub fn weights_to_bytes(weights: &Weights) -> Result<Vec<u8>, CheckpointError> {
    let tensors = weights
        .tensors
        .iter()
        .map(|tensor| (tensor.name.clone(), piece(tensor)));
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    serialize(tensors, Some(metadata)).map_err(format_error)
}

/// The tensors of a safetensors file, in the order of their layers.
pub fn weights_from_bytes(bytes: &[u8]) -> Result<Weights, CheckpointError> {
    let file = SafeTensors::deserialize(bytes).map_err(format_error)?;
    tensors(&file, "")
}

/// The bytes of a checkpoint of these parts.
pub fn to_bytes(parts: Parts<'_>) -> Result<Vec<u8>, CheckpointError> {
    let mut pieces: Vec<(String, Piece<'_>)> = Vec::new();
    for (prefix, weights) in [("weights.", Some(parts.weights)), ("best.", parts.best)] {
        let tensors = weights.iter().flat_map(|weights| &weights.tensors);
        pieces.extend(tensors.map(|tensor| (format!("{prefix}{}", tensor.name), piece(tensor))));
    }
    let slots = parts.slots.iter().enumerate();
    let mut lists: Vec<(String, &[Vec<f32>])> =
        slots.map(|(slot, lists)| (format!("slot{slot}"), &lists[..])).collect();
    lists.extend(parts.mask.map(|mask| ("mask".to_owned(), mask)));
    let average = parts.average.into_iter().flatten();
    lists.extend(AVERAGE.iter().map(|&name| name.to_owned()).zip(average));
    for (prefix, lists) in lists {
        pieces.extend(lists.iter().enumerate().map(|(index, values)| {
            let piece = Piece {
                shape: vec![values.len()],
                values,
            };
            (format!("{prefix}.{index}"), piece)
        }));
    }
    let state = serde_json::to_string(parts.state).map_err(|error| CheckpointError::State(error.to_string()))?;
    serialize(pieces, Some(HashMap::from([(STATE.to_owned(), state)]))).map_err(format_error)
}

impl Checkpoint {
    /// Reads what [`to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(format_error)?;
        let state = metadata.metadata().as_ref().and_then(|metadata| metadata.get(STATE));
        let state = state.ok_or_else(|| CheckpointError::State("there is none".to_owned()))?;
        let state = serde_json::from_str(state).map_err(|error| CheckpointError::State(error.to_string()))?;
        let file = SafeTensors::deserialize(bytes).map_err(format_error)?;
        let list = |prefix: &str| {
            (0..)
                .map(|index| format!("{prefix}.{index}"))
                .map_while(|name| {
                    file.tensor(&name)
                        .ok()
                        .map(|view| numbers(&name, view.dtype(), view.data()))
                })
                .collect::<Result<Vec<_>, _>>()
        };
        let best = tensors(&file, "best.")?;
        let mask = list("mask")?;
        let average = AVERAGE.map(list);
        let [parameters, statistics] = average;
        let average = [parameters?, statistics?];
        Ok(Self {
            state,
            weights: tensors(&file, "weights.")?,
            slots: (0..2)
                .map(|slot| list(&format!("slot{slot}")))
                .collect::<Result<_, _>>()?,
            best: (!best.tensors.is_empty()).then_some(best),
            mask: (!mask.is_empty()).then_some(mask),
            average: (!average[0].is_empty()).then_some(average),
        })
    }

    /// Whether the lists are those of `slots` values for each weight of parameters of these lengths, and of running statistics of
    /// those.
    pub fn check(&mut self, lengths: &[usize], statistics: &[usize], slots: usize) -> Result<(), CheckpointError> {
        self.slots.retain(|list| !list.is_empty());
        let fits = |list: &Vec<Vec<f32>>, lengths: &[usize]| list.iter().map(Vec::len).eq(lengths.iter().copied());
        if self.slots.len() != slots {
            return Err(CheckpointError::Plan(format!(
                "it holds {} values of the optimizer for each weight, and the plan needs {slots}",
                self.slots.len()
            )));
        }
        let averages = self
            .average
            .as_ref()
            .is_none_or(|[parameters, averaged]| fits(parameters, lengths) && fits(averaged, statistics));
        if !averages || !self.slots.iter().chain(&self.mask).all(|list| fits(list, lengths)) {
            return Err(CheckpointError::Plan(
                "its optimizer state has other lengths".to_owned(),
            ));
        }
        Ok(())
    }
}

struct Piece<'a> {
    shape: Vec<usize>,
    values: &'a [f32],
}

impl View for Piece<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    fn data_len(&self) -> usize {
        size_of_val(self.values)
    }
}

fn piece(tensor: &NamedTensor) -> Piece<'_> {
    Piece {
        shape: tensor.shape.clone(),
        values: &tensor.data,
    }
}

/// The tensors whose names begin with `prefix`, without it.
fn tensors(file: &SafeTensors<'_>, prefix: &str) -> Result<Weights, CheckpointError> {
    let mut weights = Weights::default();
    for (name, view) in file.iter() {
        if let Some(rest) = name.strip_prefix(prefix) {
            weights.tensors.push(NamedTensor {
                name: rest.to_owned(),
                shape: view.shape().to_vec(),
                data: numbers(name, view.dtype(), view.data())?,
            });
        }
    }
    weights.tensors.sort_by_cached_key(|tensor| place(&tensor.name));
    Ok(weights)
}

/// The layer's number and the part's place in it, since the file has its tensors by the alphabet.
fn place(name: &str) -> (Option<usize>, Option<usize>) {
    let layer = name.split('.').find_map(|part| part.parse().ok());
    let part = name.splitn(3, '.').last().unwrap_or_default();
    (layer, PART_NAMES.iter().position(|known| *known == part))
}

fn numbers(name: &str, dtype: Dtype, bytes: &[u8]) -> Result<Vec<f32>, CheckpointError> {
    if dtype != Dtype::F32 {
        return Err(CheckpointError::Type {
            name: name.to_owned(),
            found: format!("{dtype:?}"),
        });
    }
    let (fours, _) = bytes.as_chunks();
    Ok(fours.iter().map(|&four| f32::from_le_bytes(four)).collect())
}

#[expect(clippy::needless_pass_by_value, reason = "handed to map_err")]
fn format_error(error: SafeTensorError) -> CheckpointError {
    CheckpointError::Format(error.to_string())
}
