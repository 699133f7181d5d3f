//! Unstructured pruning: single weights are zeroed. The network keeps its shape, so no dense kernel gets faster by it; what
//! shrinks is the compressed file.

use crate::deploy::{DeployError, check_weights};
use crate::spec::{Failure, LayerSpec, ModelSpec, NamedTensor, PruneWeights, WeightCriterion, WeightPattern, Weights};
use crate::train::Evidence;

/// The mask of `step` for these weights: 0 for the weights of the lowest scores by its criterion, of equal ones the earlier
/// first, and before all for those that are zero already.
///
/// A global share is exactly `round(fraction * n)` of the `n` weights of all layers together; every tensor keeps at least half of
/// what it would keep if all were cut evenly: else a layer of small weights is cut away whole, and with it the network's
/// function (layer collapse: Tanaka et al. 2020). A share of each layer is exact in every tensor. In groups, as many weights stay
/// of each as asked for; they lie along the inputs of a unit, at one place of its kernel, and a rest that fills no group stays.
///
/// `began` are the weights with which the training began: how far they moved since is a criterion.
///
/// The mask holds 0 or 1 for every such weight, under the name of its tensor; biases, norms and positions are not in it.
pub fn mask(
    model: &ModelSpec,
    weights: &Weights,
    step: &PruneWeights,
    evidence: &Evidence<'_>,
    began: &Weights,
) -> Result<Weights, Failure> {
    check_weights(model, weights).map_err(DeployError::into_failure)?;
    let mut scores = prunable(model, weights, &step.protect);
    if scores.tensors.is_empty() {
        return Err(Failure::new(
            "weights",
            "no layer has weights that can be zeroed",
            "protect fewer layers",
        ));
    }
    match step.criterion {
        WeightCriterion::Magnitude => {
            let values = scores.tensors.iter_mut().flat_map(|tensor| &mut tensor.data);
            values.for_each(|value| *value = value.abs());
        }
        WeightCriterion::Movement => movement(began, &mut scores)?,
        WeightCriterion::Taylor => taylor(model, weights, evidence, &mut scores)?,
    }
    for (score, weight) in scores
        .tensors
        .iter_mut()
        .zip(prunable(model, weights, &step.protect).tensors)
    {
        for (score, weight) in score.data.iter_mut().zip(weight.data) {
            if weight == 0.0 {
                *score = f32::NEG_INFINITY;
            }
        }
    }
    Ok(match step.pattern {
        WeightPattern::Global(fraction) => lowest(&scores, fraction),
        WeightPattern::Layer(fraction) => Weights {
            tensors: scores
                .tensors
                .into_iter()
                .flat_map(|tensor| lowest(&Weights { tensors: vec![tensor] }, fraction).tensors)
                .collect(),
        },
        WeightPattern::Groups { keep, of } => Weights {
            tensors: scores
                .tensors
                .iter()
                .map(|tensor| in_groups(tensor, keep, of))
                .collect(),
        },
    })
}

/// Puts in the place of each weight how far it has moved away from zero.
fn movement(began: &Weights, scores: &mut Weights) -> Result<(), Failure> {
    let mut moved = false;
    for tensor in &mut scores.tensors {
        let before = began.get(&tensor.name).filter(|before| before.shape == tensor.shape);
        let before = before.map_or(&[][..], |before| &before.data);
        for (value, before) in tensor.data.iter_mut().zip(before) {
            moved |= *value != *before;
            *value = *value * *value - before * before;
        }
    }
    if moved {
        return Ok(());
    }
    Err(Failure::new(
        "weights",
        "no weight has moved since the network was changed",
        "judge by magnitude, or fine-tune first",
    ))
}

/// Puts the squared product of weight and gradient in the place of each weight, summed over batches.
fn taylor(model: &ModelSpec, weights: &Weights, evidence: &Evidence<'_>, scores: &mut Weights) -> Result<(), Failure> {
    for value in scores.tensors.iter_mut().flat_map(|tensor| &mut tensor.data) {
        *value = 0.0;
    }
    evidence.gradients(model, weights, |gradients| {
        for tensor in &mut scores.tensors {
            let pair = weights.get(&tensor.name).zip(gradients.get(&tensor.name));
            let Some((weight, gradient)) = pair else {
                continue;
            };
            let products = weight.data.iter().zip(&gradient.data).map(|(w, g)| w * g);
            for (score, product) in tensor.data.iter_mut().zip(products) {
                *score += product * product;
            }
        }
    })
}

/// Zero for `fraction` of all scores, the lowest first.
fn lowest(scores: &Weights, fraction: f64) -> Weights {
    let mut mask = scores.clone();
    // Where each tensor ends, all of them counted as one list.
    let ends: Vec<usize> = scores
        .tensors
        .iter()
        .scan(0, |end, tensor| {
            *end += tensor.data.len();
            Some(*end)
        })
        .collect();
    let all = scores.tensors.iter().flat_map(|tensor| &tensor.data);
    let mut order: Vec<(f32, u32)> = all.copied().zip(0..).collect();
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut left = ((order.len() as f64 * fraction).round() as usize).min(order.len());
    let is_one = scores.tensors.len() == 1;
    let removable = |values: &NamedTensor| {
        let length = values.data.len();
        if is_one {
            return length;
        }
        length - (length as f64 * (1.0 - fraction) / 2.0) as usize
    };
    let mut removable: Vec<usize> = mask.tensors.iter().map(removable).collect();
    for tensor in &mut mask.tensors {
        tensor.data.fill(1.0);
    }
    for place in order.into_iter().map(|(_, place)| place as usize) {
        let tensor = ends.partition_point(|&end| end <= place);
        if left > 0 && removable[tensor] > 0 {
            let data = &mut mask.tensors[tensor].data;
            let start = ends[tensor] - data.len();
            data[place - start] = 0.0;
            removable[tensor] -= 1;
            left -= 1;
        }
    }
    mask
}

/// Zero for all but the `keep` highest scores of every `of` along the second dimension.
fn in_groups(scores: &NamedTensor, keep: usize, of: usize) -> NamedTensor {
    let [rows, columns] = [scores.shape[0], scores.shape[1]];
    let size = scores.shape[2..].iter().product::<usize>();
    let mut mask = NamedTensor {
        data: vec![1.0; scores.data.len()],
        ..scores.clone()
    };
    for row in 0..rows {
        for place in 0..size {
            for group in 0..columns / of {
                let at = |column: usize| (row * columns + group * of + column) * size + place;
                let mut order: Vec<usize> = (0..of).collect();
                order.sort_by(|&a, &b| scores.data[at(b)].total_cmp(&scores.data[at(a)]));
                for &column in &order[keep..] {
                    mask.data[at(column)] = 0.0;
                }
            }
        }
    }
    mask
}

/// The mask that holds the zeros that are there.
pub fn mask_of_zeros(model: &ModelSpec, weights: &Weights) -> Weights {
    let mut mask = prunable(model, weights, &[]);
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

/// The mask that holds what either holds.
pub fn both(first: &Weights, second: &Weights) -> Weights {
    let mut both = first.clone();
    for tensor in &second.tensors {
        match both.get_mut(&tensor.name) {
            Some(held) => held.data.iter_mut().zip(&tensor.data).for_each(|(a, b)| *a *= b),
            None => both.tensors.push(tensor.clone()),
        }
    }
    both
}

/// What layers multiply by, and the vectors of tokens, without biases; not of the layers in `protect`.
fn prunable(model: &ModelSpec, weights: &Weights, protect: &[usize]) -> Weights {
    let mut tensors = Vec::new();
    for placed in model.walk().unwrap_or_default() {
        let is_other = matches!(
            placed.layer,
            LayerSpec::BatchNorm | LayerSpec::LayerNorm | LayerSpec::Positions { .. } | LayerSpec::ClassToken
        );
        if is_other || protect.contains(&placed.index) {
            continue;
        }
        let parts = placed.tensors().into_iter().filter(|(part, _)| part.contains("weight"));
        tensors.extend(parts.filter_map(|(part, _)| weights.part(placed.index, part).cloned()));
    }
    Weights { tensors }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compress::fixtures::Seen;
    use crate::deploy::fixtures::{Family, random_model, random_of, random_weights};
    use crate::spec::RecipeStep;

    fn step(text: &str) -> PruneWeights {
        match text.parse().unwrap() {
            RecipeStep::Weights(weights) => weights,
            other => panic!("{other}"),
        }
    }

    fn masked(model: &ModelSpec, weights: &Weights, text: &str) -> Weights {
        let seen = Seen::of(model, 1);
        let began = random_weights(model, 77);
        mask(model, weights, &step(text), &seen.evidence(), &began).unwrap()
    }

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
            let (model, weights) = random_model(seed, 3);
            let all = prunable(&model, &weights, &[]);
            let total: usize = all.tensors.iter().map(|tensor| tensor.data.len()).sum();
            for fraction in [0.01, 0.3, 0.5, 0.8, 0.99] {
                let mask = masked(&model, &weights, &format!("weights:{fraction}"));
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
        let (model, mut weights) = random_model(0, 3);
        let layer = model.layers.len() - 1;
        let output = weights.get_mut(&Weights::name(layer, "weight")).unwrap();
        for value in &mut output.data {
            *value *= 1e-3;
        }
        let mask = masked(&model, &weights, "weights:0.8");
        let kept: f32 = mask.part(layer, "weight").unwrap().data.iter().sum();
        assert!(kept >= 1.0, "{kept}");
    }

    #[test]
    fn equal_weights_still_give_an_exact_fraction() {
        let (model, mut weights) = random_model(0, 3);
        for tensor in &mut weights.tensors {
            tensor.data.fill(0.5);
        }
        let total: usize = prunable(&model, &weights, &[])
            .tensors
            .iter()
            .map(|tensor| tensor.data.len())
            .sum();
        assert_eq!(
            zeros(&masked(&model, &weights, "weights:0.5")),
            (total as f64 * 0.5).round() as usize
        );
    }

    #[test]
    fn biases_and_batch_norms_are_left_alone() {
        let (model, weights) = random_model(3, 3);
        let mask = masked(&model, &weights, "weights:0.9");
        let masked = apply(&weights, &mask);
        for (before, after) in weights.tensors.iter().zip(&masked.tensors) {
            if mask.get(&before.name).is_none() {
                assert_eq!(before, after);
            }
        }
    }

    #[test]
    fn every_layer_loses_its_share_or_every_group() {
        for family in Family::ALL {
            for seed in 0..8 {
                let (model, weights) = random_of(family, seed, 3);
                for tensor in masked(&model, &weights, "weights:0.5:scope=layer").tensors {
                    let zeros = tensor.data.iter().filter(|value| **value == 0.0).count();
                    assert_eq!(zeros, (tensor.data.len() as f64 * 0.5).round() as usize);
                }
                for tensor in masked(&model, &weights, "nm:2:4").tensors {
                    let [rows, columns] = [tensor.shape[0], tensor.shape[1]];
                    let size = tensor.shape[2..].iter().product::<usize>();
                    let kept = weights.get(&tensor.name).unwrap();
                    for (row, place, group) in (0..rows)
                        .flat_map(|row| (0..size).map(move |place| (row, place)))
                        .flat_map(|(row, place)| (0..columns / 4).map(move |group| (row, place, group)))
                    {
                        let at = |column: usize| (row * columns + group * 4 + column) * size + place;
                        let stay = (0..4).filter(|&column| tensor.data[at(column)] == 1.0);
                        assert_eq!(stay.clone().count(), 2);
                        let smallest = stay
                            .map(|column| kept.data[at(column)].abs())
                            .fold(f32::INFINITY, f32::min);
                        let gone = (0..4).filter(|&column| tensor.data[at(column)] == 0.0);
                        assert!(gone.map(|column| kept.data[at(column)].abs()).fold(0.0, f32::max) <= smallest);
                    }
                }
            }
        }
    }

    #[test]
    fn protected_layers_stay_and_old_zeros_go_first() {
        let (model, mut weights) = random_of(Family::Dense, 3, 3);
        let mask = masked(&model, &weights, "weights:0.5:protect=0");
        assert!(mask.part(0, "weight").is_none() && !mask.tensors.is_empty());
        for criterion in ["magnitude", "taylor", "movement"] {
            let first = masked(&model, &weights, &format!("weights:0.3:criterion={criterion}"));
            weights = apply(&weights, &first);
            let second = masked(&model, &weights, &format!("weights:0.6:criterion={criterion}"));
            for (first, second) in first.tensors.iter().zip(&second.tensors) {
                let is_back = |(first, second): (&f32, &f32)| *first == 0.0 && *second != 0.0;
                assert!(!first.data.iter().zip(&second.data).any(is_back), "{criterion}");
            }
        }
    }

    /// Of one layer the gradient is known: that of the cross entropy.
    #[test]
    fn taylor_goes_by_gradient_times_weight_and_movement_by_what_training_did() {
        let model = ModelSpec {
            input: crate::spec::Shape::Features { features: 5 },
            layers: vec![LayerSpec::Dense { units: 3 }],
        };
        let weights = random_weights(&model, 2);
        let mut seen = Seen::of(&model, 1);
        seen.plan.config.train.batch_size = 1000;
        seen.plan.config.train.label_smoothing = 0.0;
        let samples = &seen.dataset.train;
        let weight = &weights.part(0, "weight").unwrap().data;
        let mut gradient = [0.0_f64; 15];
        for row in 0..samples.len() {
            let x = samples.row(row);
            let logits = crate::deploy::fixtures::forward(&model, &weights, &x);
            let total: f64 = logits.iter().map(|&logit| f64::from(logit).exp()).sum();
            for class in 0..3 {
                let target = f64::from(u8::from(class == row % 3));
                let error = f64::from(logits[class]).exp() / total - target;
                for feature in 0..5 {
                    gradient[class * 5 + feature] += error * f64::from(x[feature]) / samples.len() as f64;
                }
            }
        }
        let began = random_weights(&model, 3);
        let before = &began.part(0, "weight").unwrap().data;
        for criterion in ["taylor", "movement"] {
            let mut order: Vec<usize> = (0..15).collect();
            let score = |place: usize| {
                if criterion == "taylor" {
                    (gradient[place] * f64::from(weight[place])).powi(2)
                } else {
                    f64::from(weight[place]).powi(2) - f64::from(before[place]).powi(2)
                }
            };
            order.sort_by(|&a, &b| score(a).total_cmp(&score(b)));
            let text = format!("weights:0.4:criterion={criterion}");
            let mask = mask(&model, &weights, &step(&text), &seen.evidence(), &began).unwrap();
            let mut gone: Vec<usize> = (0..15).filter(|&place| mask.tensors[0].data[place] == 0.0).collect();
            let mut expected = order[..6].to_vec();
            gone.sort_unstable();
            expected.sort_unstable();
            assert_eq!(gone, expected, "{criterion}");
        }
        let still = step("weights:0.4:criterion=movement");
        assert!(mask(&model, &weights, &still, &seen.evidence(), &weights).is_err());
    }
}
