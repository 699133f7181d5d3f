//! Weights between the module and plain numbers in PyTorch's layout and names.

use super::network::Network;
use crate::spec::{ModelSpec, ShapeError, Weights};

/// Weights that do not fit a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeightError {
    #[error(transparent)]
    Shape(#[from] ShapeError),
    #[error("the tensor `{name}` ({kind}) is missing; take weights that were saved with this model")]
    Missing { name: String, kind: &'static str },
    #[error(
        "the tensor `{name}` ({kind}) has {values} values of shape {found:?} where the model has {expected:?}; take weights that were saved with this model"
    )]
    Mismatch {
        name: String,
        kind: &'static str,
        values: usize,
        found: Vec<usize>,
        expected: Vec<usize>,
    },
}

/// Whether every tensor of `model` is there with its shape.
pub fn check(model: &ModelSpec, weights: &Weights) -> Result<(), WeightError> {
    for placed in model.walk()? {
        for (part, expected) in placed.tensors() {
            let kind = placed.layer.name();
            let name = Weights::name(placed.index, part);
            let Some(tensor) = weights.get(&name) else {
                return Err(WeightError::Missing { name, kind });
            };
            if tensor.shape != expected || tensor.data.len() != expected.iter().product::<usize>() {
                return Err(WeightError::Mismatch {
                    name,
                    kind,
                    values: tensor.data.len(),
                    found: tensor.shape.clone(),
                    expected,
                });
            }
        }
    }
    Ok(())
}

/// All tensors of the network as plain numbers.
pub fn extract(network: &Network) -> Weights {
    let mut weights = Weights::default();
    for (placed, layer) in network.placed.iter().zip(&network.layers) {
        let mut parts = layer.parts();
        for (part, shape) in placed.tensors() {
            if let Some(place) = parts.iter().position(|(name, _)| *name == part) {
                weights.push(placed.index, part, shape, parts.swap_remove(place).1);
            }
        }
    }
    weights
}
