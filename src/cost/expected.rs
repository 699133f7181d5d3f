//! What a recipe leaves of a network, by arithmetic alone: before anything is compressed, and without a word on accuracy
//! or time, which only the measurement knows.

use super::units::{plan_units, removable_blocks, removed_blocks, without_layers};
use super::{model_bytes, multiply_adds, parameters, sum, weights};
use crate::spec::{GROUP, LayerSpec, ModelSpec, PruneBlocks, Recipe, RecipeStep};

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

/// Of the network that `recipe` leaves. Which residual blocks go is decided on samples: here it is the smallest, so that no more
/// is promised than will come.
pub fn expected(model: &ModelSpec, recipe: &Recipe) -> Expected {
    let mut left = model.clone();
    for step in &recipe.steps {
        match step {
            RecipeStep::Units(units) => {
                if let Ok(plan) = plan_units(&left, units) {
                    left = plan.model;
                }
            }
            RecipeStep::Blocks(blocks) => left = without_smallest_blocks(&left, blocks),
            _ => {}
        }
    }
    let weight_bytes = match recipe.steps.last() {
        Some(RecipeStep::Fp16) => model_bytes(&left) / 2,
        Some(RecipeStep::Int8Static(_) | RecipeStep::Int8Qat { .. } | RecipeStep::Int8Dynamic { .. }) => {
            quantized_bytes(&left, false)
        }
        Some(RecipeStep::Int4 { .. }) => quantized_bytes(&left, true),
        _ => model_bytes(&left),
    };
    Expected {
        weight_bytes,
        ..as_trained(&left)
    }
}

fn without_smallest_blocks(model: &ModelSpec, step: &PruneBlocks) -> ModelSpec {
    let mut blocks = removable_blocks(model);
    blocks.retain(|block| !step.protect.iter().any(|layer| block.contains(layer)));
    let count = removed_blocks(blocks.len(), step.fraction);
    blocks.sort_by_key(|block| {
        let walk = model.walk().unwrap_or_default();
        walk[block.clone()].iter().map(weights).sum::<u64>()
    });
    without_layers(model, &blocks[..count])
}

/// A byte for each weight of a dense layer or convolution, and for each unit a bias and two scales of 4 bytes, and a zero point;
/// of a dense layer in four bits half a byte for each weight, a scale for each group and a bias. Other layers keep 32 bits.
fn quantized_bytes(model: &ModelSpec, in_four_bits: bool) -> u64 {
    const FOR_A_UNIT: u64 = 13;
    sum(model, |placed| {
        let units = placed.output.channels() as u64;
        match placed.layer {
            LayerSpec::Dense { .. } if in_four_bits => {
                let groups = placed.input.channels().div_ceil(GROUP) as u64;
                units * (groups * (GROUP as u64 / 2 + 4) + 4)
            }
            layer if layer.multiplies() => (weights(placed) + FOR_A_UNIT * units).saturating_sub(units),
            _ => 4 * weights(placed),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::kept_units;
    use super::*;
    use crate::spec::{PruneUnits, Shape};

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
        assert_eq!(of("int4").weight_bytes, (8 + 2) * (16 + 4 + 4));
        let halved = of("units:0.5+fp16");
        assert_eq!(
            (halved.multiply_adds, halved.weight_bytes),
            (4 * 4 + 4 * 2, 2 * (5 * 4 + 5 * 2))
        );
    }

    #[test]
    fn the_output_keeps_its_units_and_every_layer_one() {
        let left = |model: &ModelSpec, fraction: f64| plan_units(model, &PruneUnits::of(fraction, 0)).unwrap().model;
        assert_eq!(left(&dense(&[8, 3, 2]), 0.99), dense(&[1, 1, 2]));
        assert!(plan_units(&dense(&[]), &PruneUnits::of(0.5, 0)).is_err());
        assert_eq!(kept_units(16, 0.5), 8);
        assert_eq!(kept_units(0, 0.5), 0);
    }
}
