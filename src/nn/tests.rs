//! The network against central differences, `PyTorch`'s formulas, and itself on the other device.

use super::*;
use crate::deploy::fixtures::{Family, forward_all, largest_difference, random_inputs, random_of};
use crate::spec::{ActivationKind, LayerSpec, ModelSpec, PaddingKind, Precision, Shape, Weights};

const RELU: LayerSpec = LayerSpec::Activation {
    function: ActivationKind::Relu,
};

fn mlp() -> ModelSpec {
    ModelSpec {
        input: Shape::Features { features: 4 },
        layers: vec![
            LayerSpec::Dense { units: 6 },
            RELU,
            LayerSpec::Dropout { probability: 0.3 },
            LayerSpec::Dense { units: 3 },
        ],
    }
}

fn cnn() -> ModelSpec {
    ModelSpec {
        input: Shape::Image {
            channels: 2,
            height: 6,
            width: 6,
        },
        layers: vec![
            LayerSpec::Conv2d {
                filters: 5,
                kernel: 3,
                stride: 1,
                padding: PaddingKind::Same,
            },
            LayerSpec::BatchNorm,
            RELU,
            LayerSpec::MaxPool { size: 2 },
            LayerSpec::Conv2d {
                filters: 4,
                kernel: 3,
                stride: 2,
                padding: PaddingKind::Valid,
            },
            RELU,
            LayerSpec::Flatten,
            LayerSpec::Dense { units: 3 },
        ],
    }
}

fn training_device() -> Device {
    device(spec::Device::Flex).unwrap().autodiff()
}

fn numbers(length: usize) -> Vec<f32> {
    (0..length)
        .map(|index| ((index * 7919 % 101) as f32 - 50.0) / 40.0)
        .collect()
}

/// Sum of outputs times fixed factors, and its gradients.
fn loss(network: &Network, inputs: &[f32], rows: usize) -> (f64, Vec<Vec<f32>>) {
    let mut sum = 0.0;
    let key = DropoutKey {
        seed: 1,
        step: 2,
        first_row: 0,
    };
    let gradients = network.gradients(inputs.to_vec(), rows, key, |outputs| {
        let factors = numbers(outputs.len());
        sum = outputs
            .iter()
            .zip(&factors)
            .map(|(&o, &f)| f64::from(o) * f64::from(f))
            .sum();
        Ok::<_, ()>(factors)
    });
    (sum, gradients.unwrap())
}

/// Parameters whose gradient is not their central difference, and those that were tried.
fn wrong_gradients(network: &mut Network, inputs: &[f32], rows: usize) -> (usize, usize) {
    let (_, gradients) = loss(network, inputs, rows);
    let (mut checked, mut wrong) = (0, 0);
    for (place, gradient) in gradients.iter().enumerate() {
        for index in (0..gradient.len()).step_by(1 + gradient.len() / 20) {
            let mut at = |change: f32| {
                network.update(|parameter, values| {
                    if parameter == place {
                        values[index] += change;
                    }
                });
                loss(network, inputs, rows).0
            };
            let mut slope = |step: f32| {
                let above = at(step);
                let below = at(-2.0 * step);
                at(step);
                (above - below) / f64::from(2.0 * step)
            };
            let (wide, narrow) = (slope(1e-2), slope(5e-3));
            // A step across the corner of a ReLU or to another maximum has no derivative to agree with.
            if (wide - narrow).abs() > 0.005 * narrow.abs().max(0.3) {
                continue;
            }
            let error = ((4.0 * narrow - wide) / 3.0 - f64::from(gradient[index])).abs();
            checked += 1;
            wrong += usize::from(error > 0.02 * narrow.abs().max(0.3));
        }
    }
    (wrong, checked)
}

#[test]
fn gradients_are_central_differences() {
    for model in [mlp(), cnn()] {
        let rows = 3;
        let inputs = numbers(rows * model.input.len());
        let mut network = Network::new(&model, 5, &training_device()).unwrap();
        let (wrong, checked) = wrong_gradients(&mut network, &inputs, rows);
        assert!(wrong * 100 <= checked && checked > 30, "{wrong} of {checked}");
    }
}

#[test]
fn gradients_of_every_kind_of_layer_are_central_differences() {
    for family in Family::ALL {
        let (mut wrong, mut checked) = (0, 0);
        for seed in 0..4 {
            let (model, weights) = random_of(family, seed, 3);
            let rows = 3;
            let inputs = random_inputs(&model, rows, seed);
            let mut network = Network::from_weights(&model, &weights, &training_device()).unwrap();
            let found = wrong_gradients(&mut network, &inputs, rows);
            wrong += found.0;
            checked += found.1;
        }
        assert!(
            wrong * 33 <= checked && checked > 150,
            "{family:?}: {wrong} of {checked}"
        );
    }
}

#[test]
fn what_is_computed_again_gives_the_same_gradients_and_statistics() {
    for family in Family::ALL {
        for seed in 0..6 {
            let (model, weights) = random_of(family, seed, 3);
            let inputs = random_inputs(&model, 4, seed);
            let kept = Network::from_weights(&model, &weights, &training_device()).unwrap();
            let again = Network::from_weights(&model, &weights, &training_device())
                .unwrap()
                .recomputing(true);
            let (expected, found) = (loss(&kept, &inputs, 4), loss(&again, &inputs, 4));
            assert!((expected.0 - found.0).abs() < 1e-5 * expected.0.abs().max(1.0));
            for (expected, found) in expected.1.iter().zip(&found.1) {
                let size = expected.iter().fold(1.0_f32, |largest, value| largest.max(value.abs()));
                let error = largest_difference(expected, found);
                assert!(error < 1e-4 * size, "{family:?} {seed}: {error} of {size}, {model:?}");
            }
            let (kept, again) = (kept.to_weights(), again.to_weights());
            for (kept, again) in kept.tensors.iter().zip(&again.tensors) {
                assert!(
                    largest_difference(&kept.data, &again.data) < 1e-5,
                    "{family:?} {seed}: {}",
                    kept.name
                );
            }
            assert_ne!(kept == weights, model.layers.contains(&LayerSpec::BatchNorm));
        }
    }
}

#[test]
fn what_is_kept_in_16_bits_gives_gradients_to_their_precision() {
    for (precision, most) in [(Precision::F16, 4e-3), (Precision::Bf16, 3.2e-2)] {
        let mut differs = 0;
        for family in Family::ALL {
            for seed in 0..6 {
                let (model, weights) = random_of(family, seed, 3);
                let inputs = random_inputs(&model, 4, seed);
                let network = || Network::from_weights(&model, &weights, &training_device()).unwrap();
                let (whole, packed) = (network(), network().keeping(precision));
                let (expected, found) = (loss(&whole, &inputs, 4), loss(&packed, &inputs, 4));
                // Nothing is rounded on the way there.
                assert_eq!(expected.0, found.0);
                let all = expected.1.iter().flatten();
                let size = all.fold(0.0_f32, |largest, value| largest.max(value.abs()));
                for (expected, found) in expected.1.iter().zip(&found.1) {
                    let error = largest_difference(expected, found);
                    assert!(error < most * size, "{family:?} {seed}: {error} of {size}, {model:?}");
                    differs += usize::from(error > 0.0);
                }
                assert_eq!(whole.to_weights(), packed.to_weights());
            }
        }
        assert!(differs > 100, "{differs}");
    }
}

#[test]
fn every_kind_of_layer_is_its_plain_form() {
    for family in Family::ALL {
        for seed in 0..25 {
            let (model, weights) = random_of(family, seed, 3);
            let rows = 5;
            let inputs = random_inputs(&model, rows, seed);
            for training in [false, true] {
                let device = device(spec::Device::Flex).unwrap();
                let device = if training { device.autodiff() } else { device };
                let network = Network::from_weights(&model, &weights, &device).unwrap();
                let expected = forward_all(&model, &weights, &inputs);
                let found = network.predict(inputs.clone(), rows);
                let size = expected.iter().fold(1.0_f32, |largest, value| largest.max(value.abs()));
                let error = largest_difference(&found, &expected);
                assert!(error < 2e-5 * size, "{family:?} {seed}: {error} of {size} in {model:?}");
                assert_eq!(network.to_weights(), weights);
            }
        }
    }
}

#[test]
fn the_vector_of_padding_stays_zero() {
    let input = Shape::Tokens {
        steps: 4,
        vocabulary: 6,
    };
    let model = ModelSpec {
        input,
        layers: vec![
            LayerSpec::Embedding { dimensions: 3 },
            LayerSpec::Flatten,
            LayerSpec::Dense { units: 2 },
        ],
    };
    let network = Network::new(&model, 0, &training_device()).unwrap();
    let table = network.to_weights().part(0, "weight").unwrap().data.clone();
    assert!(table[..3].iter().all(|&value| value == 0.0) && table[3..].iter().all(|&value| value != 0.0));
    let (_, gradients) = loss(&network, &[0.0, 0.0, 2.0, 5.0], 1);
    let used: Vec<bool> = gradients[0]
        .chunks(3)
        .map(|row| row.iter().any(|&value| value != 0.0))
        .collect();
    assert_eq!(used, [false, false, true, false, false, true]);
    // What is no token is read as the nearest, and does not panic.
    let odd = network.predict(vec![-3.0, f32::NAN, 2.2, 9.0], 1);
    assert_eq!(odd, network.predict(vec![0.0, 0.0, 2.0, 5.0], 1));
}

#[test]
fn weights_survive_the_way_out_and_in_on_any_device() {
    for model in [mlp(), cnn()] {
        let network = Network::new(&model, 3, &training_device()).unwrap();
        let weights = network.to_weights();
        let again = Network::from_weights(&model, &weights, &device(spec::Device::Flex).unwrap()).unwrap();
        assert_eq!(again.to_weights(), weights);
        assert_eq!(
            weights,
            Network::new(&model, 3, &training_device()).unwrap().to_weights()
        );
        assert_ne!(
            weights,
            Network::new(&model, 4, &training_device()).unwrap().to_weights()
        );
        let inputs = numbers(2 * model.input.len());
        assert_eq!(again.predict(inputs.clone(), 2), again.predict(inputs, 2));
    }
}

#[test]
fn a_dense_layer_is_pytorch_s() {
    let model = ModelSpec {
        input: Shape::Features { features: 2 },
        layers: vec![LayerSpec::Dense { units: 3 }],
    };
    let mut weights = Weights::default();
    weights.push(0, "weight", vec![3, 2], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    weights.push(0, "bias", vec![3], vec![0.5, 0.0, -0.5]);
    let network = Network::from_weights(&model, &weights, &training_device()).unwrap();
    // y = x W^T + b
    assert_eq!(network.predict(vec![1.0, 10.0], 1), [21.5, 43.0, 64.5]);
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let weights = Network::new(&mlp(), 0, &training_device()).unwrap().to_weights();
    let mut missing = weights.clone();
    missing.tensors.remove(1);
    let mut reshaped = weights.clone();
    reshaped.tensors[0].shape = vec![4, 6];
    for (weights, word) in [(missing, "layers.0.bias"), (reshaped, "[6, 4]")] {
        let error = Network::from_weights(&mlp(), &weights, &training_device()).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn running_statistics_follow_pytorch() {
    let model = ModelSpec {
        input: Shape::Features { features: 1 },
        layers: vec![LayerSpec::BatchNorm],
    };
    let network = Network::new(&model, 0, &training_device()).unwrap();
    // Mean 3, unbiased variance 4 for the first batch; 10 and 50 for the second: running = 0.9 old + 0.1 new.
    for (inputs, rows) in [(vec![1.0, 3.0, 5.0], 3), (vec![5.0, 15.0], 2)] {
        network
            .gradients(
                inputs,
                rows,
                DropoutKey {
                    seed: 0,
                    step: 0,
                    first_row: 0,
                },
                |o| Ok::<_, ()>(vec![1.0; o.len()]),
            )
            .unwrap();
    }
    let weights = network.to_weights();
    let running = |part| weights.part(0, part).unwrap().data[0];
    assert!((running("running_mean") - (0.9 * 0.3 + 1.0)).abs() < 1e-5);
    assert!((running("running_var") - (0.9 * (0.9 + 0.4) + 5.0)).abs() < 1e-5);
    let expected = (2.0 - running("running_mean")) / (running("running_var") + 1e-5).sqrt();
    assert!((network.predict(vec![2.0], 1)[0] - expected).abs() < 1e-5);
}

#[test]
fn dropout_is_drawn_from_the_run_s_own_stream() {
    let network = Network::new(&mlp(), 0, &training_device()).unwrap();
    let inputs = numbers(4 * 4);
    let at = |seed, step| {
        let key = DropoutKey {
            seed,
            step,
            first_row: 0,
        };
        let mut outputs = Vec::new();
        network
            .gradients(inputs.clone(), 4, key, |o| {
                outputs = o.to_vec();
                Ok::<_, ()>(vec![1.0; o.len()])
            })
            .unwrap();
        outputs
    };
    let first = at(0, 0);
    Device::flex().seed(99);
    assert_eq!(first, at(0, 0));
    assert_ne!(first, at(0, 1));
    assert_ne!(first, at(1, 0));
}

#[test]
fn the_outputs_of_all_layers_end_in_the_network_s_own() {
    let network = Network::new(&cnn(), 0, &device(spec::Device::Flex).unwrap()).unwrap();
    let inputs = numbers(2 * 72);
    let x = Tensor::from_data(
        burn::tensor::TensorData::new(inputs.clone(), [2, 72]),
        &device(spec::Device::Flex).unwrap(),
    );
    let layers = network.forward_layers(x);
    let lengths: Vec<usize> = layers.iter().map(|layer| layer.dims()[1]).collect();
    let shapes: Vec<usize> = cnn().shapes().unwrap().iter().map(Shape::len).collect();
    assert_eq!(lengths, shapes);
    let last = layers.into_iter().next_back().unwrap();
    assert_eq!(super::network::numbers(last), network.predict(inputs, 2));
}

#[test]
fn attention_is_the_softmax_of_scaled_products_without_the_padding() {
    let model = ModelSpec {
        input: Shape::Tokens {
            steps: 3,
            vocabulary: 5,
        },
        layers: vec![
            LayerSpec::Embedding { dimensions: 4 },
            LayerSpec::SelfAttention {
                heads: 2,
                head_width: None,
            },
            LayerSpec::GlobalAveragePool,
            LayerSpec::Dense { units: 2 },
        ],
    };
    let network = Network::new(&model, 7, &device(spec::Device::Flex).unwrap()).unwrap();
    let tokens = [0.0, 3.0, 1.0];
    let [seen] = &network.attention(&tokens)[..] else {
        panic!("one layer attends");
    };
    assert_eq!((seen.layer, seen.heads, seen.steps), (1, 2, 3));
    let weights = network.to_weights();
    let tensor = |layer: usize, part: &str| &weights.part(layer, part).unwrap().data;
    let embedded: Vec<Vec<f64>> = tokens
        .iter()
        .map(|&token| {
            let row = tensor(0, "weight").chunks(4).nth(token as usize).unwrap();
            // Padding is the zero vector.
            row.iter()
                .map(|&value| if token == 0.0 { 0.0 } else { f64::from(value) })
                .collect()
        })
        .collect();
    let projected = |step: usize, row: usize| -> f64 {
        let weight = &tensor(1, "in_proj_weight")[row * 4..][..4];
        let product: f64 = weight.iter().zip(&embedded[step]).map(|(&w, x)| f64::from(w) * x).sum();
        product + f64::from(tensor(1, "in_proj_bias")[row])
    };
    for head in 0..2 {
        for from in 0..3 {
            let score = |to: usize| -> f64 {
                let product: f64 = (0..2)
                    .map(|at| projected(from, head * 2 + at) * projected(to, 4 + head * 2 + at))
                    .sum();
                product / 2.0_f64.sqrt()
            };
            let weights: Vec<f64> = (0..3)
                .map(|to| if tokens[to] == 0.0 { 0.0 } else { score(to).exp() })
                .collect();
            let sum: f64 = weights.iter().sum();
            for (to, weight) in weights.iter().enumerate() {
                let share = f64::from(seen.shares[(head * 3 + from) * 3 + to]);
                assert!((share - weight / sum).abs() < 1e-5, "{head} {from} {to}: {share}");
            }
        }
    }
}
