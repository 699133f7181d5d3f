//! Structured pruning: whole neurons and filters are taken out of the description and the weights, so that what is left is
//! an ordinary smaller network, faster wherever it runs.

use crate::cost;
use crate::deploy::{DeployError, check_weights};
use crate::spec::{BATCH_NORM_EPSILON, LayerSpec, ModelSpec, NamedTensor, Weights};

/// What was kept of one hidden layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptUnits {
    /// Index into the layers of the `ModelSpec`.
    pub layer: usize,
    /// Units or filters before.
    pub before: usize,
    /// Those that were kept, in ascending order.
    pub kept: Vec<usize>,
}

/// The network without `fraction` (0 to 1) of the units of each hidden dense layer and of the filters of each convolution:
/// those with the smallest L1 norm of their weights (Li et al. 2017), where inputs that are gone no longer count and a batch
/// norm behind the layer counts as part of it, since it decides how much of a filter is heard. The output layer keeps its
/// units, and every layer keeps at least one.
///
/// With a unit go its bias, its batch norm, and all that the next layer with weights reads from it; behind a flatten, a
/// filter is the `height x width` inputs that were its image.
pub fn prune(
    model: &ModelSpec,
    weights: &Weights,
    fraction: f64,
) -> Result<(ModelSpec, Weights, Vec<KeptUnits>), DeployError> {
    check_weights(model, weights)?;
    let output_layer = model.layers.iter().rposition(has_units);
    let mut pruned = model.clone();
    let mut smaller = Weights::default();
    let mut report = Vec::new();
    // The channels, or features, of the value between two layers that are still there.
    let mut kept: Vec<usize> = (0..model.input.channels()).collect();
    for (layer, input) in model.inputs()?.into_iter().enumerate() {
        let tensor = |part: &str| weights.part(layer, part);
        match &mut pruned.layers[layer] {
            LayerSpec::Dense { units: count } | LayerSpec::Conv2d { filters: count, .. } => {
                let (Some(weight), Some(bias)) = (tensor("weight"), tensor("bias")) else {
                    continue;
                };
                let weight = select_inputs(weight, &kept);
                kept = if Some(layer) == output_layer {
                    (0..*count).collect()
                } else {
                    strongest(&weight, &gains(model, weights, layer), fraction)
                };
                if Some(layer) != output_layer {
                    report.push(KeptUnits {
                        layer,
                        before: *count,
                        kept: kept.clone(),
                    });
                }
                *count = kept.len();
                smaller.tensors.extend([select(&weight, &kept), select(bias, &kept)]);
            }
            LayerSpec::BatchNorm => {
                let parts = ["weight", "bias", "running_mean", "running_var"];
                smaller
                    .tensors
                    .extend(parts.iter().filter_map(|part| Some(select(tensor(part)?, &kept))));
            }
            LayerSpec::Flatten => {
                let area = input.positions();
                kept = kept
                    .iter()
                    .flat_map(|channel| channel * area..(channel + 1) * area)
                    .collect();
            }
            LayerSpec::Activation { .. } | LayerSpec::MaxPool { .. } | LayerSpec::Dropout { .. } => {}
            other => {
                return Err(DeployError::Layer {
                    layer,
                    name: other.name(),
                    problem: "units around this kind of layer can't be removed yet".to_owned(),
                    remedy: "use weights, fp16 or int8-static",
                });
            }
        }
    }
    Ok((pruned, smaller, report))
}

fn has_units(layer: &LayerSpec) -> bool {
    matches!(layer, LayerSpec::Dense { .. } | LayerSpec::Conv2d { .. })
}

/// By how much the batch norm behind `layer` multiplies each unit; 1 for units that it does not reach.
fn gains(model: &ModelSpec, weights: &Weights, layer: usize) -> Vec<f64> {
    let following = model.layers[layer + 1..]
        .iter()
        .take_while(|layer| matches!(layer, LayerSpec::BatchNorm | LayerSpec::Dropout { .. }));
    let Some(norm) = following.clone().position(|layer| *layer == LayerSpec::BatchNorm) else {
        return Vec::new();
    };
    let tensor = |part| weights.part(layer + 1 + norm, part).map(|tensor| &tensor.data[..]);
    let scale = tensor("weight").unwrap_or_default();
    let variance = tensor("running_var").unwrap_or_default();
    scale
        .iter()
        .zip(variance)
        .map(|(&scale, &variance)| f64::from(scale.abs()) / (f64::from(variance) + BATCH_NORM_EPSILON).sqrt())
        .collect()
}

/// The units to keep, in ascending order, by the norms of their weights times their gains (1 where there is none); of equal
/// ones the earlier unit is kept.
fn strongest(weight: &NamedTensor, gains: &[f64], fraction: f64) -> Vec<usize> {
    let units = weight.shape[0];
    let size = weight.data.len() / units;
    let norms: Vec<f64> = weight
        .data
        .chunks_exact(size)
        .zip(gains.iter().copied().chain(std::iter::repeat(1.0)))
        .map(|(unit, gain)| gain * unit.iter().map(|value| f64::from(value.abs())).sum::<f64>())
        .collect();
    let mut order: Vec<usize> = (0..units).collect();
    order.sort_by(|&a, &b| norms[b].total_cmp(&norms[a]));
    order.truncate(cost::kept_units(units, fraction));
    order.sort_unstable();
    order
}

/// The entries `kept` of the first dimension.
fn select(tensor: &NamedTensor, kept: &[usize]) -> NamedTensor {
    let size = tensor.data.len() / tensor.shape[0];
    let mut shape = tensor.shape.clone();
    shape[0] = kept.len();
    NamedTensor {
        name: tensor.name.clone(),
        shape,
        data: kept
            .iter()
            .flat_map(|&unit| &tensor.data[unit * size..][..size])
            .copied()
            .collect(),
    }
}

/// The entries `kept` of the second dimension.
fn select_inputs(tensor: &NamedTensor, kept: &[usize]) -> NamedTensor {
    let [units, inputs] = [tensor.shape[0], tensor.shape[1]];
    let size = tensor.data.len() / (units * inputs);
    let mut shape = tensor.shape.clone();
    shape[1] = kept.len();
    NamedTensor {
        name: tensor.name.clone(),
        shape,
        data: (0..units)
            .flat_map(|unit| kept.iter().map(move |input| (unit * inputs + input) * size))
            .flat_map(|start| &tensor.data[start..][..size])
            .copied()
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::fixtures::{forward_all, largest_difference, random_inputs, random_model};
    use crate::spec::Shape;

    /// The original with the removed units silenced: their weights, biases and batch norms are zero.
    fn silence(model: &ModelSpec, weights: &Weights, report: &[KeptUnits]) -> Weights {
        let mut silenced = weights.clone();
        for units in report {
            let mut layers = vec![units.layer];
            if model.layers.get(units.layer + 1) == Some(&LayerSpec::BatchNorm) {
                layers.push(units.layer + 1);
            }
            for unit in (0..units.before).filter(|unit| !units.kept.contains(unit)) {
                for part in layers
                    .iter()
                    .flat_map(|&layer| ["weight", "bias"].map(|part| Weights::name(layer, part)))
                {
                    let tensor = silenced.get_mut(&part).unwrap();
                    let size = tensor.data.len() / units.before;
                    tensor.data[unit * size..][..size].fill(0.0);
                }
            }
        }
        silenced
    }

    #[test]
    fn removing_units_equals_silencing_them() {
        for seed in 0..60 {
            let (model, weights) = random_model(seed, 3);
            let fraction = [0.25, 0.5, 0.75][seed as usize % 3];
            let (smaller, smaller_weights, report) = prune(&model, &weights, fraction).unwrap();
            let inputs = random_inputs(&model, 3, seed);
            let expected = forward_all(&model, &silence(&model, &weights, &report), &inputs);
            let outputs = forward_all(&smaller, &smaller_weights, &inputs);
            let size = expected.iter().fold(1.0_f32, |size, value| size.max(value.abs()));
            assert!(largest_difference(&expected, &outputs) < 1e-5 * size, "seed {seed}");
            assert_eq!(smaller, cost::without_units(&model, fraction), "seed {seed}");
            assert!(check_weights(&smaller, &smaller_weights).is_ok());
        }
    }

    #[test]
    fn the_weakest_go_and_the_output_stays() {
        let model = ModelSpec {
            input: Shape::Features { features: 1 },
            layers: vec![LayerSpec::Dense { units: 4 }, LayerSpec::Dense { units: 2 }],
        };
        let mut weights = Weights::default();
        weights.push(0, "weight", vec![4, 1], vec![0.1, -3.0, 0.2, 1.0]);
        weights.push(0, "bias", vec![4], vec![1.0, 2.0, 3.0, 4.0]);
        weights.push(1, "weight", vec![2, 4], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        weights.push(1, "bias", vec![2], vec![0.0, 0.0]);
        let (smaller, weights, report) = prune(&model, &weights, 0.5).unwrap();
        assert_eq!(
            smaller.layers,
            [LayerSpec::Dense { units: 2 }, LayerSpec::Dense { units: 2 }]
        );
        assert_eq!(report[0].kept, [1, 3]);
        assert_eq!(weights.part(0, "bias").unwrap().data, [2.0, 4.0]);
        assert_eq!(weights.part(1, "weight").unwrap().data, [2.0, 4.0, 6.0, 8.0]);
    }

    #[test]
    fn a_batch_norm_counts_as_part_of_its_layer() {
        let model = ModelSpec {
            input: Shape::Features { features: 1 },
            layers: vec![
                LayerSpec::Dense { units: 2 },
                LayerSpec::BatchNorm,
                LayerSpec::Dense { units: 1 },
            ],
        };
        let mut weights = Weights::default();
        weights.push(0, "weight", vec![2, 1], vec![5.0, 1.0]);
        weights.push(0, "bias", vec![2], vec![0.0, 0.0]);
        weights.push(1, "weight", vec![2], vec![0.1, -2.0]);
        weights.push(1, "bias", vec![2], vec![0.0, 0.0]);
        weights.push(1, "running_mean", vec![2], vec![0.0, 0.0]);
        weights.push(1, "running_var", vec![2], vec![1.0, 1.0]);
        weights.push(2, "weight", vec![1, 2], vec![1.0, 1.0]);
        weights.push(2, "bias", vec![1], vec![0.0]);
        let (_, _, report) = prune(&model, &weights, 0.5).unwrap();
        assert_eq!(report[0].kept, [1]);
    }

    #[test]
    fn one_unit_stays_whatever_the_fraction() {
        for seed in 0..10 {
            let (model, weights) = random_model(seed, 3);
            let (smaller, _, report) = prune(&model, &weights, 0.999).unwrap();
            assert!(report.iter().all(|units| units.kept.len() == 1));
            assert_eq!(smaller.outputs().unwrap(), 3);
        }
    }
}
