//! Whole residual blocks taken out: what is left of one is its shortcut.

use std::ops::RangeInclusive;

use crate::cost;
use crate::spec::{Failure, ModelSpec, NamedTensor, PruneBlocks, Weights};
use crate::train::Evidence;

/// The network without as many residual blocks as `step` asks for: one after another the one without which the loss on
/// training samples is the least.
pub fn remove_blocks(
    model: &ModelSpec,
    weights: &Weights,
    step: &PruneBlocks,
    evidence: &Evidence<'_>,
) -> Result<(ModelSpec, Weights), Failure> {
    let candidates = |model: &ModelSpec, protect: &[usize]| -> Vec<RangeInclusive<usize>> {
        let mut blocks = cost::removable_blocks(model);
        blocks.retain(|block| !protect.iter().any(|layer| block.contains(layer)));
        blocks
    };
    let mut protect = step.protect.clone();
    let all = candidates(model, &protect).len();
    if all == 0 {
        return Err(Failure::new(
            "blocks",
            "no residual block adds its branch unchanged",
            "use units, or protect fewer layers",
        ));
    }
    let (mut model, mut weights) = (model.clone(), weights.clone());
    for _ in 0..cost::removed_blocks(all, step.fraction) {
        let mut best: Option<(f64, RangeInclusive<usize>, ModelSpec, Weights)> = None;
        for block in candidates(&model, &protect) {
            let smaller = cost::without_layers(&model, std::slice::from_ref(&block));
            let left = without(&weights, &block);
            let loss = evidence.loss(&smaller, &left)?;
            if best.as_ref().is_none_or(|(least, ..)| loss < *least) {
                best = Some((loss, block, smaller, left));
            }
        }
        let Some((_, block, smaller, left)) = best else {
            break;
        };
        (model, weights) = (smaller, left);
        let length = block.end() - block.start() + 1;
        for layer in protect.iter_mut().filter(|layer| **layer > *block.end()) {
            *layer -= length;
        }
    }
    Ok((model, weights))
}

/// The tensors of the layers outside `block`, with the numbers that those have without it.
fn without(weights: &Weights, block: &RangeInclusive<usize>) -> Weights {
    let length = block.end() - block.start() + 1;
    let tensors = weights.tensors.iter().filter_map(|tensor| {
        let (layer, part) = tensor.name.strip_prefix("layers.")?.split_once('.')?;
        let layer: usize = layer.parse().ok()?;
        if block.contains(&layer) {
            return None;
        }
        let layer = if layer > *block.end() { layer - length } else { layer };
        Some(NamedTensor {
            name: Weights::name(layer, part),
            ..tensor.clone()
        })
    });
    Weights {
        tensors: tensors.collect(),
    }
}
