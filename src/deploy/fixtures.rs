//! What the tests of deployment and compression start from: random networks, and a forward pass so plain that it can be
//! checked by eye. It is the twin against which every faster or rewritten form of the same function is held.

use rand::RngExt;

use crate::spec::{ActivationKind, BATCH_NORM_EPSILON, LayerSpec, ModelSpec, PaddingKind, Shape, Weights, stream};

const RELU: LayerSpec = LayerSpec::Activation {
    function: ActivationKind::Relu,
};

/// A small random MLP (even seeds) or CNN (odd seeds) with `outputs` outputs: batch norm, pools, dropout, strides and both
/// paddings occur.
pub(crate) fn random_model(seed: u64, outputs: usize) -> (ModelSpec, Weights) {
    let mut random = stream(seed, "fixture model", 0);
    let mut layers = Vec::new();
    let input = if seed.is_multiple_of(2) {
        Shape::Features {
            features: random.random_range(1..20),
        }
    } else {
        let image = Shape::Image {
            channels: random.random_range(1..4),
            height: random.random_range(6..11),
            width: random.random_range(6..11),
        };
        let mut shape = image;
        for _ in 0..random.random_range(1..4) {
            let convolution = LayerSpec::Conv2d {
                filters: random.random_range(2..7),
                kernel: [1, 3, 5][random.random_range(0..3)],
                stride: random.random_range(1..3),
                padding: [PaddingKind::Same, PaddingKind::Valid][random.random_range(0..2)],
            };
            let mut block = vec![convolution];
            if random.random_bool(0.6) {
                block.push(LayerSpec::BatchNorm);
            }
            block.push(RELU);
            if random.random_bool(0.5) {
                block.push(LayerSpec::MaxPool {
                    size: random.random_range(2..4),
                });
            }
            let after = block.iter().try_fold(shape, |shape, layer| layer.output(shape));
            if let Ok(after) = after {
                shape = after;
                layers.extend(block);
            }
        }
        layers.push(LayerSpec::Flatten);
        image
    };
    for _ in 0..random.random_range(0..3) {
        layers.push(LayerSpec::Dense {
            units: random.random_range(2..20),
        });
        if random.random_bool(0.4) {
            layers.push(LayerSpec::BatchNorm);
        }
        layers.push(RELU);
        if random.random_bool(0.5) {
            layers.push(LayerSpec::Dropout { probability: 0.25 });
        }
    }
    layers.push(LayerSpec::Dense { units: outputs });
    let model = ModelSpec { input, layers };
    let weights = random_weights(&model, seed);
    (model, weights)
}

/// Weights of the usual size, and running statistics as after training.
pub(crate) fn random_weights(model: &ModelSpec, seed: u64) -> Weights {
    let mut random = stream(seed, "fixture weights", 0);
    let mut weights = Weights::default();
    for (layer, (&spec, &input)) in model.layers.iter().zip(&model.inputs().unwrap()).enumerate() {
        let shape = super::fold::weight_shape(spec, input);
        if spec == LayerSpec::BatchNorm {
            let channels = input.dimensions()[0];
            for (part, low, high) in [
                ("weight", -1.5, 1.5),
                ("bias", -0.5, 0.5),
                ("running_mean", -0.5, 0.5),
                ("running_var", 0.1, 2.0),
            ] {
                let data = (0..channels).map(|_| random.random_range(low..high)).collect();
                weights.push(layer, part, vec![channels], data);
            }
        } else if let Some((&units, rest)) = shape.split_first() {
            let limit = (6.0 / rest.iter().product::<usize>() as f32).sqrt();
            let mut draw = |count: usize, limit: f32| (0..count).map(|_| random.random_range(-limit..limit)).collect();
            let data = draw(shape.iter().product(), limit);
            weights.push(layer, "weight", shape.clone(), data);
            weights.push(layer, "bias", vec![units], draw(units, 0.5));
        }
    }
    weights
}

/// `rows` random samples, row-major.
pub(crate) fn random_inputs(model: &ModelSpec, rows: usize, seed: u64) -> Vec<f32> {
    let mut random = stream(seed, "fixture inputs", 0);
    (0..rows * model.input.len())
        .map(|_| random.random_range(-2.0..2.0))
        .collect()
}

/// Outputs of all layers for one sample, in the mode of inference.
pub(crate) fn forward_layers(model: &ModelSpec, weights: &Weights, sample: &[f32]) -> Vec<Vec<f32>> {
    let mut value = sample.to_vec();
    let part = |layer, part| &weights.part(layer, part).unwrap().data;
    model
        .layers
        .iter()
        .zip(model.inputs().unwrap())
        .enumerate()
        .map(|(layer, (spec, shape))| {
            let output = spec.output(shape).unwrap();
            value = match (*spec, shape, output) {
                (LayerSpec::Dense { .. }, ..) => part(layer, "weight")
                    .chunks_exact(value.len())
                    .zip(part(layer, "bias"))
                    .map(|(row, bias)| dot(row, &value) + bias)
                    .collect(),
                (
                    LayerSpec::Conv2d {
                        kernel,
                        stride,
                        padding,
                        ..
                    },
                    Shape::Image {
                        channels,
                        height,
                        width,
                    },
                    Shape::Image {
                        channels: filters,
                        height: rows,
                        width: columns,
                    },
                ) => {
                    let pad = LayerSpec::padding_pixels(kernel, padding);
                    let mut result = Vec::new();
                    for f in 0..filters {
                        for y in 0..rows {
                            for x in 0..columns {
                                let mut sum = f64::from(part(layer, "bias")[f]);
                                for c in 0..channels {
                                    for ky in 0..kernel {
                                        for kx in 0..kernel {
                                            let (iy, ix) = (y * stride + ky, x * stride + kx);
                                            if iy >= pad && ix >= pad && iy < height + pad && ix < width + pad {
                                                let at = (c * height + iy - pad) * width + ix - pad;
                                                let k = ((f * channels + c) * kernel + ky) * kernel + kx;
                                                sum += f64::from(value[at]) * f64::from(part(layer, "weight")[k]);
                                            }
                                        }
                                    }
                                }
                                result.push(sum as f32);
                            }
                        }
                    }
                    result
                }
                (LayerSpec::BatchNorm, ..) => {
                    let per_channel = value.len() / shape.dimensions()[0];
                    let normalise = |(index, &value): (usize, &f32)| {
                        let at = |name| f64::from(part(layer, name)[index / per_channel]);
                        let deviation = (at("running_var") + BATCH_NORM_EPSILON).sqrt();
                        ((f64::from(value) - at("running_mean")) / deviation * at("weight") + at("bias")) as f32
                    };
                    value.iter().enumerate().map(normalise).collect()
                }
                (LayerSpec::Activation { .. }, ..) => value.iter().map(|value| value.max(0.0)).collect(),
                (
                    LayerSpec::MaxPool { size },
                    Shape::Image { height, width, .. },
                    Shape::Image {
                        channels,
                        height: rows,
                        width: columns,
                    },
                ) => {
                    let mut result = Vec::new();
                    for c in 0..channels {
                        for y in 0..rows {
                            for x in 0..columns {
                                let window = (0..size * size)
                                    .map(|k| value[(c * height + y * size + k / size) * width + x * size + k % size]);
                                result.push(window.fold(f32::NEG_INFINITY, f32::max));
                            }
                        }
                    }
                    result
                }
                _ => value.clone(),
            };
            value.clone()
        })
        .collect()
}

/// The network's output for one sample.
pub(crate) fn forward(model: &ModelSpec, weights: &Weights, sample: &[f32]) -> Vec<f32> {
    forward_layers(model, weights, sample).pop().unwrap()
}

/// The network's outputs for all samples of `inputs`, row-major.
pub(crate) fn forward_all(model: &ModelSpec, weights: &Weights, inputs: &[f32]) -> Vec<f32> {
    inputs
        .chunks_exact(model.input.len())
        .flat_map(|sample| forward(model, weights, sample))
        .collect()
}

/// Largest absolute difference.
pub(crate) fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold(0.0, |largest, (a, b)| largest.max((a - b).abs()))
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() as f32
}
