//! A network's numbers without a tensor library: what `nn` gives out, `compress` edits and `deploy` writes.

use serde::{Deserialize, Serialize};

/// Named tensors in PyTorch's layout and names: `layers.0.weight` is `[units, inputs]` for a dense layer and
/// `[filters, channels, height, width]` for a convolution; batch norm has `weight`, `bias`, `running_mean` and `running_var`.
/// The number is the layer's index in its `ModelSpec`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Weights {
    pub tensors: Vec<NamedTensor>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NamedTensor {
    pub name: String,
    pub shape: Vec<usize>,
    /// Row-major.
    pub data: Vec<f32>,
}

impl Weights {
    pub fn get(&self, name: &str) -> Option<&NamedTensor> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    pub fn get_mut(&mut self, name: &str) -> Option<&mut NamedTensor> {
        self.tensors.iter_mut().find(|tensor| tensor.name == name)
    }

    /// The tensor `layers.{layer}.{part}`.
    pub fn part(&self, layer: usize, part: &str) -> Option<&NamedTensor> {
        self.get(&Self::name(layer, part))
    }

    pub fn push(&mut self, layer: usize, part: &str, shape: Vec<usize>, data: Vec<f32>) {
        debug_assert_eq!(shape.iter().product::<usize>(), data.len());
        self.tensors.push(NamedTensor {
            name: Self::name(layer, part),
            shape,
            data,
        });
    }

    pub fn name(layer: usize, part: &str) -> String {
        format!("layers.{layer}.{part}")
    }
}
