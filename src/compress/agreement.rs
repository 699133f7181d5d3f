//! The fake-quantized network and the integer runtime are held against each other, layer by layer.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};

use super::ranges::ranges;
use crate::data::{Samples, Targets};
use crate::deploy::fixtures::{Family, random_inputs, random_model, random_of};
use crate::deploy::{Exported, Form, fold_batch_norm, to_onnx};
use crate::nn::{Grids, Network, device};
use crate::spec::{
    ActivationQuantization, Device, GridPlan, LayerSpec, ModelSpec, Quantization, QuantizationRanges, Range,
    RangeMethod, Task, WeightGrid, Weights,
};

const ROWS: usize = 40;

fn runtime_outputs(
    model: &ModelSpec,
    weights: &Weights,
    ranges: QuantizationRanges,
    dense: WeightGrid,
    inputs: &[f32],
) -> Vec<f32> {
    let form = match dense {
        WeightGrid::Nibbles => Form::Int4(ranges),
        WeightGrid::Bytes => Form::Int8(ranges),
        WeightGrid::Float => Form::Fp32,
    };
    let task = Task::Classification {
        classes: (0..model.outputs().unwrap()).map(|class| class.to_string()).collect(),
    };
    let bytes = to_onnx(model, weights, &task, &form).unwrap();
    Exported::load(&bytes).unwrap().outputs(inputs).unwrap()
}

/// Layers whose outputs were compared, and the largest difference of each in steps of its grid.
fn compare(
    model: &ModelSpec,
    weights: &Weights,
    dense: WeightGrid,
    method: RangeMethod,
    seed: u64,
) -> Vec<(usize, f32)> {
    let (model, weights) = fold_batch_norm(model, weights).unwrap();
    let inputs = random_inputs(&model, ROWS, seed);
    let samples = Samples {
        shape: model.input,
        inputs: inputs.clone().into(),
        targets: Targets::Classes(vec![0; ROWS]),
    };
    let calibration = Quantization {
        method,
        ..Quantization::default()
    };
    let ranges = ranges(&model, &weights, &samples, &calibration, 0).unwrap();
    let plan = GridPlan::of(&model, dense, &[]).unwrap();
    let grids = Arc::new(Grids::new(plan.clone(), ranges.clone(), 0));
    let device = device(Device::Flex).unwrap();
    let network = Network::from_weights(&model, &weights, &device)
        .unwrap()
        .on_grids(grids);
    let x = Tensor::from_data(TensorData::new(inputs.clone(), [ROWS, model.input.len()]), &device);
    let values = network
        .forward_layers(x)
        .into_iter()
        .map(|value| value.into_data().try_into_vec().unwrap());
    let values: Vec<Vec<f32>> = std::iter::once(inputs.clone()).chain(values).collect();
    let mut differences = Vec::new();
    for placed in model.walk().unwrap() {
        let layer = placed.index;
        let outputs = if plan.is_chain {
            // The network up to here, from its own input.
            let part = ModelSpec {
                input: model.input,
                layers: model.layers[..=layer].to_vec(),
            };
            let part_ranges = QuantizationRanges {
                layers: ranges.layers[..=layer].to_vec(),
                ..ranges.clone()
            };
            runtime_outputs(&part, &weights, part_ranges, dense, &inputs)
        } else if placed.layer.multiplies() && !placed.padded {
            // The layer alone, from what the network in training gives it: rounding errors of functions between grids must not
            // add up.
            let alone = ModelSpec {
                input: placed.input,
                layers: vec![placed.layer],
            };
            let mut own = Weights::default();
            for (part, shape) in placed.tensors() {
                own.push(0, part, shape, weights.part(layer, part).unwrap().data.clone());
            }
            let own_ranges = QuantizationRanges {
                input: ranges.at(layer),
                // Alone it may be a chain, whose output is on a grid: one that cuts nothing off.
                layers: vec![Range::of(&values[layer + 1])],
                gathered: vec![ranges.gathered[layer]],
                protected: Vec::new(),
            };
            runtime_outputs(&alone, &own, own_ranges, dense, &values[layer])
        } else {
            continue;
        };
        // A chain's value stays on the grid of the place that it comes from. As the output it is on none yet.
        let made = model.layers[..=layer].iter().rposition(|layer| layer.is_product());
        let place = (made.map_or(0, |made| made + 1)..=layer + 1)
            .rev()
            .find(|&place| plan.is_chain && plan.places[place]);
        let grid = ActivationQuantization::covering(ranges.at(place.unwrap_or(layer + 1)));
        let outputs: Vec<f32> = match place {
            Some(_) => outputs.into_iter().map(|output| grid.nearest(output)).collect(),
            None => outputs,
        };
        let pairs = values[layer + 1].iter().zip(&outputs);
        let largest = pairs.fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
        differences.push((layer, largest / grid.scale));
    }
    differences
}

#[test]
fn every_layer_agrees_within_one_step() {
    let chains = (0..30).map(|seed| random_model(seed, 3));
    let families = [
        Family::Dense,
        Family::Convolution,
        Family::Residual,
        Family::Separable,
        Family::Series,
        Family::Attention,
    ];
    let others = families
        .into_iter()
        .flat_map(|family| (0..6).map(move |seed| random_of(family, seed, 3)));
    let mut compared = 0;
    for (seed, (model, weights)) in chains.chain(others).enumerate() {
        for (dense, method) in [
            (WeightGrid::Bytes, RangeMethod::MinMax),
            (WeightGrid::Bytes, RangeMethod::MeanSquaredError),
            (WeightGrid::Nibbles, RangeMethod::MinMax),
        ] {
            for (layer, steps) in compare(&model, &weights, dense, method, seed as u64) {
                assert!(
                    steps <= 1.001,
                    "network {seed}, {dense:?}, layer {layer}: {steps} steps in {:?}",
                    model.layers
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 400, "{compared}");
}

#[test]
fn the_output_is_that_of_the_grids_and_not_of_floats() {
    // Were nothing put on grids, the two would agree in floating point: they must not.
    let (model, weights) = random_model(4, 3);
    let (folded, folded_weights) = fold_batch_norm(&model, &weights).unwrap();
    let inputs = random_inputs(&folded, ROWS, 4);
    let samples = Samples {
        shape: folded.input,
        inputs: inputs.clone().into(),
        targets: Targets::Classes(vec![0; ROWS]),
    };
    let ranges = ranges(&folded, &folded_weights, &samples, &Quantization::default(), 0).unwrap();
    let float = runtime_outputs(&folded, &folded_weights, ranges.clone(), WeightGrid::Float, &inputs);
    let step = ActivationQuantization::covering(ranges.at(folded.layers.len())).scale;
    let integer = runtime_outputs(&folded, &folded_weights, ranges, WeightGrid::Bytes, &inputs);
    let mean = float.iter().zip(&integer).map(|(a, b)| (a - b).abs()).sum::<f32>() / float.len() as f32;
    assert!(mean > 0.1 * step, "{mean} {step}");
    assert!(
        folded
            .layers
            .iter()
            .any(|layer| matches!(layer, LayerSpec::Dense { .. }))
    );
}
