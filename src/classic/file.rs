//! A fitted baseline as a safetensors file, and the reading of it: whatever the bytes, an error or a model that answers.

use std::borrow::Cow;
use std::collections::HashMap;

use safetensors::Dtype;
use safetensors::tensor::{SafeTensors, View, serialize};
use serde::{Deserialize, Serialize};

use super::forest::Forest;
use super::linear::{Constant, Linear};
use super::neighbours::Neighbours;
use super::{Baseline, Fitted};
use crate::spec::Architecture;

/// Key of the state's JSON in the file's metadata.
const STATE: &str = "trimtab-classic";
/// Far more classes or targets than any data set may have.
const MOST_OUTPUTS: usize = 1_000_000;

/// Bytes that are no fitted baseline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    #[error("not a file of a classical baseline ({0}); it is damaged or of another kind")]
    Format(String),
    #[error("a damaged baseline: `{tensor}` {problem}; bring back the file as it was written")]
    Tensor { tensor: String, problem: String },
}

/// What no array says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    architecture: Architecture,
    pub inputs: usize,
    pub outputs: usize,
    /// Answers with one of the outputs as its class, not with a value for each.
    #[serde(default)]
    pub is_classifier: bool,
    /// See [`Linear::is_shares`].
    #[serde(default)]
    pub is_shares: bool,
    /// Nearest neighbours: how many are asked.
    #[serde(default)]
    pub neighbours: usize,
}

/// An array with its name.
pub struct Tensor<'a> {
    name: &'static str,
    shape: Vec<usize>,
    values: Values<'a>,
}

enum Values<'a> {
    Floats(Cow<'a, [f32]>),
    Integers(Cow<'a, [u32]>),
}

/// A file of which the state has been read.
pub struct Reader<'a> {
    file: SafeTensors<'a>,
    pub state: State,
}

pub fn write(fitted: &Fitted) -> Result<Vec<u8>, FileError> {
    let mut state = State {
        architecture: fitted.architecture,
        inputs: fitted.inputs,
        outputs: fitted.outputs,
        is_classifier: false,
        is_shares: false,
        neighbours: 0,
    };
    fitted.model.describe(&mut state);
    let state = serde_json::to_string(&state).map_err(|error| FileError::Format(error.to_string()))?;
    let tensors = fitted.model.tensors();
    let named = tensors.iter().map(|tensor| (tensor.name, tensor));
    serialize(named, Some(HashMap::from([(STATE.to_owned(), state)])))
        .map_err(|error| FileError::Format(error.to_string()))
}

pub fn read(bytes: &[u8]) -> Result<Fitted, FileError> {
    let format = |problem: String| FileError::Format(problem);
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| format(error.to_string()))?;
    let state = metadata.metadata().as_ref().and_then(|metadata| metadata.get(STATE));
    let state = state.ok_or_else(|| format(format!("it has no `{STATE}`")))?;
    let state: State = serde_json::from_str(state).map_err(|error| format(error.to_string()))?;
    if state.inputs == 0 || !(1..=MOST_OUTPUTS).contains(&state.outputs) {
        return Err(format(format!("{} inputs and {} outputs", state.inputs, state.outputs)));
    }
    let file = SafeTensors::deserialize(bytes).map_err(|error| format(error.to_string()))?;
    let reader = Reader { file, state };
    let model: Box<dyn Baseline> = match state.architecture {
        Architecture::Majority => Box::new(Constant::read(&reader)?),
        Architecture::Logistic | Architecture::Ridge => Box::new(Linear::read(&reader)?),
        Architecture::Knn => Box::new(Neighbours::read(&reader)?),
        Architecture::Forest => Box::new(Forest::read(&reader)?),
        other => return Err(format(format!("{other} is no baseline"))),
    };
    Ok(Fitted {
        architecture: state.architecture,
        inputs: state.inputs,
        outputs: state.outputs,
        model,
    })
}

impl Reader<'_> {
    /// Finite numbers of this shape.
    pub fn floats(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, FileError> {
        let values = self.of(name, shape, Dtype::F32, f32::from_le_bytes)?;
        match values.iter().position(|value| !value.is_finite()) {
            Some(place) => Err(broken(name, format!("is not finite at {place}"))),
            None => Ok(values),
        }
    }

    /// Whole numbers of this shape, each below `limit`.
    pub fn integers(&self, name: &str, shape: &[usize], limit: usize) -> Result<Vec<u32>, FileError> {
        let values = self.of(name, shape, Dtype::U32, u32::from_le_bytes)?;
        match values.iter().find(|&&value| value as usize >= limit) {
            Some(value) => Err(broken(name, format!("holds {value}, which has to be below {limit}"))),
            None => Ok(values),
        }
    }

    /// First dimension of an array.
    pub fn rows(&self, name: &str) -> Result<usize, FileError> {
        let tensor = self
            .file
            .tensor(name)
            .map_err(|error| broken(name, error.to_string()))?;
        match tensor.shape().first() {
            Some(&rows) if rows > 0 => Ok(rows),
            _ => Err(broken(name, "is empty".to_owned())),
        }
    }

    fn of<T>(&self, name: &str, shape: &[usize], kind: Dtype, read: fn([u8; 4]) -> T) -> Result<Vec<T>, FileError> {
        let tensor = self
            .file
            .tensor(name)
            .map_err(|error| broken(name, error.to_string()))?;
        if tensor.dtype() != kind || tensor.shape() != shape {
            let problem = format!(
                "is {:?} {:?} and has to be {kind:?} {shape:?}",
                tensor.dtype(),
                tensor.shape()
            );
            return Err(broken(name, problem));
        }
        let (words, _) = tensor.data().as_chunks::<4>();
        Ok(words.iter().map(|&word| read(word)).collect())
    }
}

pub fn broken(tensor: &str, problem: String) -> FileError {
    FileError::Tensor {
        tensor: tensor.to_owned(),
        problem,
    }
}

impl<'a> Tensor<'a> {
    pub fn floats(name: &'static str, shape: Vec<usize>, values: impl Into<Cow<'a, [f32]>>) -> Self {
        let values = Values::Floats(values.into());
        Self { name, shape, values }
    }

    pub fn integers(name: &'static str, values: impl Into<Cow<'a, [u32]>>) -> Self {
        let values = values.into();
        Self {
            name,
            shape: vec![values.len()],
            values: Values::Integers(values),
        }
    }

    pub fn len(&self) -> usize {
        match &self.values {
            Values::Floats(values) => values.len(),
            Values::Integers(values) => values.len(),
        }
    }
}

impl View for &Tensor<'_> {
    fn dtype(&self) -> Dtype {
        match self.values {
            Values::Floats(_) => Dtype::F32,
            Values::Integers(_) => Dtype::U32,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match &self.values {
            Values::Floats(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Values::Integers(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        }
    }

    fn data_len(&self) -> usize {
        4 * self.len()
    }
}
