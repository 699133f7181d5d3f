//! Weights between the module and plain numbers in PyTorch's layout and names, and the first weights of a run.

use burn::module::RunningState;
use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::rand_core::Rng;

use super::layers::{BatchNorm, Convolution, Dense, Dropout, Flatten, Layer, MaxPool, Relu, image, parameter};
use super::network::{Network, numbers};
use crate::spec::{LayerSpec, ModelSpec, ShapeError, Weights, stream};

/// Weights that do not fit a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeightError {
    #[error(transparent)]
    Shape(#[from] ShapeError),
    #[error("the tensor `{name}` ({kind}) is missing; take weights that were saved with this model")]
    Missing { name: String, kind: &'static str },
    #[error(
        "the tensor `{name}` ({kind}) has {values} values of shape {found:?} where the model has {expected:?}; take weights that were saved with this model"
    )]
    Mismatch {
        name: String,
        kind: &'static str,
        values: usize,
        found: Vec<usize>,
        expected: Vec<usize>,
    },
}

/// Whether every tensor of `model` is there with its shape.
pub fn check(model: &ModelSpec, weights: &Weights) -> Result<(), WeightError> {
    for placed in model.walk()? {
        for (part, expected) in placed.tensors() {
            let kind = placed.layer.name();
            let name = Weights::name(placed.index, part);
            let Some(tensor) = weights.get(&name) else {
                return Err(WeightError::Missing { name, kind });
            };
            if tensor.shape != expected || tensor.data.len() != expected.iter().product::<usize>() {
                return Err(WeightError::Mismatch {
                    name,
                    kind,
                    values: tensor.data.len(),
                    found: tensor.shape.clone(),
                    expected,
                });
            }
        }
    }
    Ok(())
}

/// The first weights of a run.
pub fn initial(model: &ModelSpec, seed: u64) -> Result<Weights, ShapeError> {
    let mut weights = Weights::default();
    for placed in model.walk()? {
        let (index, layer) = (placed.index, &placed.layer);
        for (part, shape) in placed.tensors() {
            let length = shape.iter().product();
            let data = match (layer, part) {
                (LayerSpec::Dense { .. } | LayerSpec::Conv2d { .. }, "weight") => {
                    let variance = gain(&model.layers[index + 1..]) / (length / shape[0]) as f64;
                    uniform(
                        length,
                        (3.0 * variance).sqrt(),
                        &mut stream(seed, "weights", index as u64),
                    )
                }
                (LayerSpec::BatchNorm, "weight" | "running_var") => vec![1.0; length],
                _ => vec![0.0; length],
            };
            weights.push(index, part, shape, data);
        }
    }
    Ok(weights)
}

/// 2 when a `ReLU` comes before the next layer with weights, else 1.
fn gain(following: &[LayerSpec]) -> f64 {
    let next = following.iter().find(|layer| {
        matches!(
            layer,
            LayerSpec::Activation { .. } | LayerSpec::Dense { .. } | LayerSpec::Conv2d { .. }
        )
    });
    if matches!(next, Some(LayerSpec::Activation { .. })) {
        2.0
    } else {
        1.0
    }
}

fn uniform(length: usize, bound: f64, generator: &mut impl Rng) -> Vec<f32> {
    (0..length)
        .map(|_| ((f64::from(generator.next_u32()) / f64::from(u32::MAX) * 2.0 - 1.0) * bound) as f32)
        .collect()
}

/// The layers of `model`, with `weights` that have been checked against it.
pub fn build(model: &ModelSpec, weights: &Weights, device: &Device) -> Result<Vec<Layer>, ShapeError> {
    let layers = model.layers.iter().enumerate().zip(model.inputs()?);
    layers
        .map(|((index, layer), input)| {
            let data = |part| {
                weights
                    .part(index, part)
                    .map(|tensor| tensor.data.clone())
                    .unwrap_or_default()
            };
            let [channels, height, width] = image(input);
            Ok(match *layer {
                LayerSpec::Dense { units } => Layer::Dense(Dense {
                    weight: parameter(
                        transpose(&data("weight"), units, input.len()),
                        [input.len(), units],
                        device,
                    ),
                    bias: parameter(data("bias"), [units], device),
                }),
                LayerSpec::Conv2d {
                    filters,
                    kernel,
                    stride,
                    padding,
                } => Layer::Convolution(Convolution {
                    weight: parameter(data("weight"), [filters, channels, kernel, kernel], device),
                    bias: parameter(data("bias"), [filters], device),
                    input: [channels, height, width],
                    stride,
                    padding: LayerSpec::padding_pixels(kernel, padding),
                }),
                LayerSpec::BatchNorm => {
                    let running =
                        |part| RunningState::new(Tensor::from_data(TensorData::new(data(part), [channels]), device));
                    Layer::BatchNorm(BatchNorm {
                        weight: parameter(data("weight"), [channels], device),
                        bias: parameter(data("bias"), [channels], device),
                        running_mean: running("running_mean"),
                        running_variance: running("running_var"),
                        area: height * width,
                    })
                }
                LayerSpec::Activation { .. } => Layer::Relu(Relu {}),
                LayerSpec::MaxPool { size } => Layer::MaxPool(MaxPool {
                    input: [channels, height, width],
                    size,
                }),
                LayerSpec::Dropout { probability } => Layer::Dropout(Dropout {
                    probability,
                    layer: index,
                }),
                LayerSpec::Flatten => Layer::Flatten(Flatten {}),
                other => {
                    return Err(ShapeError {
                        layer: index,
                        name: other.name(),
                        problem: "can't be trained yet".to_owned(),
                    });
                }
            })
        })
        .collect()
}

/// All tensors of the network as plain numbers.
pub fn extract(network: &Network) -> Weights {
    let mut weights = Weights::default();
    for (index, layer) in network.layers.iter().enumerate() {
        match layer {
            Layer::Dense(dense) => {
                let [inputs, units] = dense.weight.dims();
                let weight = transpose(&numbers(dense.weight.val()), inputs, units);
                weights.push(index, "weight", vec![units, inputs], weight);
                weights.push(index, "bias", vec![units], numbers(dense.bias.val()));
            }
            Layer::Convolution(convolution) => {
                let shape = convolution.weight.dims().to_vec();
                let filters = shape[0];
                weights.push(index, "weight", shape, numbers(convolution.weight.val()));
                weights.push(index, "bias", vec![filters], numbers(convolution.bias.val()));
            }
            Layer::BatchNorm(norm) => {
                let [channels] = norm.weight.dims();
                for (part, tensor) in [
                    ("weight", norm.weight.val()),
                    ("bias", norm.bias.val()),
                    ("running_mean", norm.running_mean.value_sync()),
                    ("running_var", norm.running_variance.value_sync()),
                ] {
                    weights.push(index, part, vec![channels], numbers(tensor));
                }
            }
            Layer::Relu(_) | Layer::MaxPool(_) | Layer::Dropout(_) | Layer::Flatten(_) => {}
        }
    }
    weights
}

/// `[rows, columns]` to `[columns, rows]`, row-major.
fn transpose(matrix: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut transposed = vec![0.0; matrix.len()];
    for (row, values) in matrix.chunks_exact(columns.max(1)).enumerate() {
        for (column, &value) in values.iter().enumerate() {
            transposed[column * rows + row] = value;
        }
    }
    transposed
}
