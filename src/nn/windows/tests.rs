//! Windows and norms of our own against their plain twins, which run on the other device.
#![cfg(feature = "ndarray")]

use crate::deploy::fixtures::{Family, largest_difference, random_inputs, random_of};
use crate::nn::{DropoutKey, Network, device};
use crate::spec::{self, ActivationKind, LayerSpec, ModelSpec, Weights};

/// Outputs, the gradients of all parameters, and the weights and statistics after a step.
fn step(
    on: spec::Device,
    (model, weights): (&ModelSpec, &Weights),
    inputs: &[f32],
    rows: usize,
) -> (Vec<f32>, Vec<Vec<f32>>, Weights) {
    let device = device(on).unwrap().autodiff();
    let network = Network::from_weights(model, weights, &device).unwrap();
    let key = DropoutKey {
        seed: 1,
        step: 2,
        first_row: 0,
    };
    let mut outputs = Vec::new();
    let gradients = network.gradients(inputs.to_vec(), rows, key, |found| {
        outputs = found.to_vec();
        let gradient = (0..found.len()).map(|place| ((place * 7 % 11) as f32 - 5.0) / 5.0);
        Ok::<_, ()>(gradient.collect())
    });
    (outputs, gradients.unwrap(), network.to_weights())
}

fn network_of((model, weights): &(&ModelSpec, &Weights)) -> Network {
    Network::from_weights(model, weights, &device(spec::Device::Flex).unwrap().autodiff()).unwrap()
}

/// Whether the parameter is the bias of a layer with a batch norm behind it.
fn is_taken_away(model: &ModelSpec, parameter: &str) -> bool {
    let layer = parameter
        .strip_prefix("layers.")
        .and_then(|name| name.strip_suffix(".bias"));
    let layer: Option<usize> = layer.and_then(|layer| layer.parse().ok());
    layer.is_some_and(|layer| {
        model.layers[layer].is_product() && model.layers.get(layer + 1) == Some(&LayerSpec::BatchNorm)
    })
}

#[test]
fn steps_of_training_are_those_of_the_plain_twins() {
    let families = [Family::Convolution, Family::Residual, Family::Separable, Family::Series];
    for family in families {
        for seed in 0..12 {
            let (mut model, weights) = random_of(family, seed, 3);
            // The twin's slope of GELU is that of an approximation.
            for layer in &mut model.layers {
                if let LayerSpec::Activation { function } = layer
                    && *function == ActivationKind::Gelu
                {
                    *function = ActivationKind::Silu;
                }
            }
            // One row has no variance to be normalised by.
            for rows in [2, 17] {
                let inputs = random_inputs(&model, rows, seed);
                let network = (&model, &weights);
                let ours = step(spec::Device::Flex, network, &inputs, rows);
                let twin = step(spec::Device::Ndarray, network, &inputs, rows);
                let close = |what: &str, ours: &[f32], twin: &[f32]| {
                    let size = twin.iter().fold(1.0_f32, |largest, value| largest.max(value.abs()));
                    let error = largest_difference(ours, twin);
                    // A network of many layers adds up what each differs by.
                    assert!(
                        error < 1e-4 * size,
                        "{family:?} {seed} {rows} {what}: {error} of {size} in {model:?}"
                    );
                };
                close("outputs", &ours.0, &twin.0);
                let parameters = network_of(&network).describe_parameters();
                for (parameter, (ours, twin)) in parameters.iter().zip(ours.1.iter().zip(&twin.1)) {
                    // A batch norm takes a bias in front of it away again: its gradient is 0, and what is found is rounding.
                    if !is_taken_away(&model, &parameter.name) {
                        close(&parameter.name, ours, twin);
                    }
                }
                for (ours, twin) in ours.2.tensors.iter().zip(&twin.2.tensors) {
                    close(&ours.name, &ours.data, &twin.data);
                }
                let again = step(spec::Device::Flex, network, &inputs, rows);
                assert!(ours == again, "{family:?} {seed}: the same step gives other numbers");
            }
        }
    }
}
