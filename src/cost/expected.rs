//! What a recipe leaves of a network, by arithmetic alone: before anything is compressed, and without a word on accuracy
//! or time, which only the measurement knows.

use super::{model_bytes, multiply_adds, parameters, sum, weights};
use crate::spec::{LayerSpec, ModelSpec, Recipe, RecipeStep};

/// The size of a network in the three ways that a recipe changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    pub parameters: u64,
    /// For one sample.
    pub multiply_adds: u64,
    /// Of weights, biases and scales as stored, without the file around them.
    pub weight_bytes: u64,
}

/// Of the network as it stands, in 32 bits.
pub fn as_trained(model: &ModelSpec) -> Expected {
    Expected {
        parameters: parameters(model),
        multiply_adds: multiply_adds(model),
        weight_bytes: model_bytes(model),
    }
}

/// Of the network that `recipe` leaves.
pub fn expected(model: &ModelSpec, recipe: &Recipe) -> Expected {
    let mut left = model.clone();
    for step in &recipe.steps {
        if let RecipeStep::Units { fraction, .. } = *step {
            left = without_units(&left, fraction);
        }
    }
    let weight_bytes = match recipe.steps.last() {
        Some(RecipeStep::Fp16) => model_bytes(&left) / 2,
        Some(RecipeStep::Int8Static { .. }) => int8_bytes(&left),
        _ => model_bytes(&left),
    };
    Expected {
        weight_bytes,
        ..as_trained(&left)
    }
}

/// Units or filters that stay of `units` when `fraction` of them is removed: at least one.
pub fn kept_units(units: usize, fraction: f64) -> usize {
    let removed = (units as f64 * fraction).round() as usize;
    units - removed.min(units.saturating_sub(1))
}

/// The network without `fraction` of the units of each layer but the last.
pub fn without_units(model: &ModelSpec, fraction: f64) -> ModelSpec {
    let mut left = model.clone();
    let has_units = |layer: &LayerSpec| matches!(layer, LayerSpec::Dense { .. } | LayerSpec::Conv2d { .. });
    let output = left.layers.iter().rposition(has_units).unwrap_or_default();
    for layer in &mut left.layers[..output] {
        if let LayerSpec::Dense { units: count } | LayerSpec::Conv2d { filters: count, .. } = layer {
            *count = kept_units(*count, fraction);
        }
    }
    left
}

/// A byte for each weight; for each unit a bias and two scales of 4 bytes, and a zero point.
fn int8_bytes(model: &ModelSpec) -> u64 {
    const FOR_A_UNIT: u64 = 13;
    sum(model, |placed| {
        let units = match placed.layer {
            LayerSpec::Dense { .. } | LayerSpec::Conv2d { .. } => placed.output.channels() as u64,
            _ => 0,
        };
        (weights(placed) + FOR_A_UNIT * units).saturating_sub(units)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Shape;

    fn dense(units: &[usize]) -> ModelSpec {
        ModelSpec {
            input: Shape::Features { features: 4 },
            layers: units.iter().map(|&units| LayerSpec::Dense { units }).collect(),
        }
    }

    #[test]
    fn each_step_changes_what_it_should() {
        let model = dense(&[8, 2]);
        let of = |recipe: &str| expected(&model, &recipe.parse().unwrap());
        let whole = as_trained(&model);
        assert_eq!(
            (whole.multiply_adds, whole.weight_bytes),
            (4 * 8 + 8 * 2, 4 * (5 * 8 + 9 * 2))
        );
        assert_eq!(of("weights:0.8:finetune=3"), whole);
        assert_eq!(of("fp16").weight_bytes * 2, whole.weight_bytes);
        assert_eq!(of("int8-static").weight_bytes, 48 + 13 * 10);
        let halved = of("units:0.5+fp16");
        assert_eq!(
            (halved.multiply_adds, halved.weight_bytes),
            (4 * 4 + 4 * 2, 2 * (5 * 4 + 5 * 2))
        );
    }

    #[test]
    fn the_output_keeps_its_units_and_every_layer_one() {
        assert_eq!(without_units(&dense(&[8, 3, 2]), 0.99), dense(&[1, 1, 2]));
        assert_eq!(without_units(&dense(&[]), 0.5), dense(&[]));
        assert_eq!(kept_units(16, 0.5), 8);
        assert_eq!(kept_units(0, 0.5), 0);
    }
}
