//! Unstructured pruning: single weights are zeroed. The network keeps its shape, so no dense kernel gets faster by it; what
//! shrinks is the compressed file.

use crate::deploy::{DeployError, check_weights};
use crate::spec::{LayerSpec, ModelSpec, NamedTensor, Weights};

/// The mask that zeroes exactly `round(fraction * n)` of the `n` weights of all dense layers and convolutions together,
/// the smallest in magnitude first (Han et al. 2015); of equal ones the earlier goes first. Every layer keeps at least half of
/// what it would keep if all were cut evenly: else a layer of small weights is cut away whole, and with it the network's
/// function (layer collapse: Tanaka et al. 2020).
///
/// The mask holds 0 or 1 for every such weight, under the name of its tensor; biases and batch norms are not in it.
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
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let mut left = ((order.len() as f64 * fraction).round() as usize).min(order.len());
    let removable = |values: &NamedTensor| {
        let length = values.data.len();
        length - (length as f64 * (1.0 - fraction) / 2.0) as usize
    };
    let mut removable: Vec<usize> = mask.tensors.iter().map(removable).collect();
    for tensor in &mut mask.tensors {
        tensor.data.fill(1.0);
    }
    for (_, tensor, index) in order {
        if left > 0 && removable[tensor] > 0 {
            mask.tensors[tensor].data[index] = 0.0;
            removable[tensor] -= 1;
            left -= 1;
        }
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
                let mut cut = Vec::new();
                let mut kept_of_cuttable = Vec::new();
                for (values, mask) in all.tensors.iter().zip(&mask.tensors) {
                    let magnitudes = |keep: f32| {
                        let pairs = values.data.iter().zip(&mask.data);
                        let pairs = pairs.filter(move |&(_, &kept)| kept == keep);
                        pairs.map(|(value, _)| value.abs()).collect::<Vec<_>>()
                    };
                    let least = (values.data.len() as f64 * (1.0 - fraction) / 2.0) as usize;
                    assert!(magnitudes(1.0).len() >= least);
                    cut.extend(magnitudes(0.0));
                    if magnitudes(1.0).len() > least {
                        kept_of_cuttable.extend(magnitudes(1.0));
                    }
                }
                let largest_cut = cut.into_iter().fold(0.0, f32::max);
                let smallest_kept = kept_of_cuttable.into_iter().fold(f32::INFINITY, f32::min);
                assert!(largest_cut <= smallest_kept);
                let masked = apply(&weights, &mask);
                assert_eq!(mask_of_zeros(&model, &masked), mask);
            }
        }
    }

    #[test]
    fn a_layer_of_small_weights_is_not_cut_away() {
        let (model, mut weights) = random_model(0, 4);
        let layer = model.layers.len() - 1;
        let output = weights.get_mut(&Weights::name(layer, "weight")).unwrap();
        for value in &mut output.data {
            *value *= 1e-3;
        }
        let mask = mask(&model, &weights, 0.8).unwrap();
        let kept: f32 = mask.part(layer, "weight").unwrap().data.iter().sum();
        assert!(kept >= 1.0, "{kept}");
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
