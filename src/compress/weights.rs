//! Unstructured pruning: single weights are zeroed. The network keeps its shape, so no dense kernel gets faster by it; what
//! shrinks is the compressed file.

use crate::deploy::{DeployError, check_weights};
use crate::spec::{LayerSpec, ModelSpec, Weights};

/// The mask that zeroes exactly `round(fraction * n)` of the `n` weights of all dense layers and convolutions together,
/// the smallest in magnitude first (Han et al. 2015); of equal ones the earlier goes first. It holds 0 or 1 for every
/// such weight, under the name of its tensor; biases and batch norms are not in it.
pub fn mask(model: &ModelSpec, weights: &Weights, fraction: f64) -> Result<Weights, DeployError> {
    check_weights(model, weights)?;
    let mut mask = prunable(model, weights);
    let mut order: Vec<(f32, usize, usize)> = mask
        .tensors
        .iter()
        .enumerate()
        .flat_map(|(tensor, values)| {
            let magnitudes = values.data.iter().enumerate();
            magnitudes.map(move |(index, value)| (value.abs(), tensor, index))
        })
        .collect();
    let zeroed = ((order.len() as f64 * fraction).round() as usize).min(order.len());
    if zeroed > 0 {
        order.select_nth_unstable_by(zeroed - 1, |a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    }
    for tensor in &mut mask.tensors {
        tensor.data.fill(1.0);
    }
    for &(_, tensor, index) in &order[..zeroed] {
        mask.tensors[tensor].data[index] = 0.0;
    }
    Ok(mask)
}

/// The mask that holds the zeros that are there.
pub fn mask_of_zeros(model: &ModelSpec, weights: &Weights) -> Weights {
    let mut mask = prunable(model, weights);
    for value in mask.tensors.iter_mut().flat_map(|tensor| &mut tensor.data) {
        *value = if *value == 0.0 { 0.0 } else { 1.0 };
    }
    mask
}

/// The weights with zeros where `mask` has them.
#[must_use]
pub fn apply(weights: &Weights, mask: &Weights) -> Weights {
    let mut masked = weights.clone();
    for tensor in &mask.tensors {
        if let Some(target) = masked.get_mut(&tensor.name) {
            for (value, &keep) in target.data.iter_mut().zip(&tensor.data) {
                // Not a product: that would leave negative zeros, which compress worse.
                if keep == 0.0 {
                    *value = 0.0;
                }
            }
        }
    }
    masked
}

/// The weights of the dense layers and convolutions, without biases.
fn prunable(model: &ModelSpec, weights: &Weights) -> Weights {
    let tensors = model
        .layers
        .iter()
        .enumerate()
        .filter(|(_, layer)| matches!(layer, LayerSpec::Dense { .. } | LayerSpec::Conv2d { .. }))
        .filter_map(|(layer, _)| weights.part(layer, "weight").cloned())
        .collect();
    Weights { tensors }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::fixtures::random_model;

    fn zeros(weights: &Weights) -> usize {
        weights
            .tensors
            .iter()
            .flat_map(|tensor| &tensor.data)
            .filter(|&&value| value == 0.0)
            .count()
    }

    #[test]
    fn the_fraction_is_exact_and_the_smallest_go() {
        for seed in 0..30 {
            let (model, weights) = random_model(seed, 4);
            let all = prunable(&model, &weights);
            let total: usize = all.tensors.iter().map(|tensor| tensor.data.len()).sum();
            for fraction in [0.01, 0.3, 0.5, 0.8, 0.99] {
                let mask = mask(&model, &weights, fraction).unwrap();
                assert_eq!(zeros(&mask), (total as f64 * fraction).round() as usize);
                let magnitudes = |keep: f32| {
                    let pairs = all.tensors.iter().zip(&mask.tensors);
                    let pairs = pairs.flat_map(|(values, mask)| values.data.iter().zip(&mask.data));
                    pairs
                        .filter(move |&(_, &kept)| kept == keep)
                        .map(|(value, _)| value.abs())
                        .collect::<Vec<_>>()
                };
                let largest_zeroed = magnitudes(0.0).into_iter().fold(0.0, f32::max);
                let smallest_kept = magnitudes(1.0).into_iter().fold(f32::INFINITY, f32::min);
                assert!(largest_zeroed <= smallest_kept);
                let masked = apply(&weights, &mask);
                assert_eq!(mask_of_zeros(&model, &masked), mask);
            }
        }
    }

    #[test]
    fn equal_weights_still_give_an_exact_fraction() {
        let (model, mut weights) = random_model(0, 4);
        for tensor in &mut weights.tensors {
            tensor.data.fill(0.5);
        }
        let total: usize = prunable(&model, &weights)
            .tensors
            .iter()
            .map(|tensor| tensor.data.len())
            .sum();
        assert_eq!(
            zeros(&mask(&model, &weights, 0.5).unwrap()),
            (total as f64 * 0.5).round() as usize
        );
    }

    #[test]
    fn biases_and_batch_norms_are_left_alone() {
        let (model, weights) = random_model(3, 4);
        let mask = mask(&model, &weights, 0.9).unwrap();
        let masked = apply(&weights, &mask);
        for (before, after) in weights.tensors.iter().zip(&masked.tensors) {
            if mask.get(&before.name).is_none() {
                assert_eq!(before, after);
            }
        }
    }
}
