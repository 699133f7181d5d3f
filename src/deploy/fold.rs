//! From the network as trained to the network as deployed: batch norm becomes part of the layer before it and dropout
//! is gone. The weights are checked here, once, so that the writer can rely on them.

use crate::spec::{BATCH_NORM_EPSILON, LayerSpec, ModelSpec, NamedTensor, Shape, Weights};

use super::DeployError;

/// The same function with batch norm folded into the convolution or dense layer before it, and without dropout
/// (Jacob et al. 2018, section 3.2): with `f = weight / sqrt(running_var + epsilon)` for each channel,
/// `W' = f W` and `b' = f (b - running_mean) + bias`. Tensors are numbered by the new, shorter list of layers.
///
/// Fails where a tensor is missing, has another shape than its layer or holds something that is not a finite number, and
/// where a batch norm follows neither a convolution nor a dense layer.
pub fn fold_batch_norm(model: &ModelSpec, weights: &Weights) -> Result<(ModelSpec, Weights), DeployError> {
    let inputs = model.inputs()?;
    let mut folded = ModelSpec {
        input: model.input,
        layers: Vec::new(),
    };
    let mut tensors: Vec<Option<Affine>> = Vec::new();
    for (layer, (&spec, &input)) in model.layers.iter().zip(&inputs).enumerate() {
        let read = |part: &str, shape: &[usize]| part_of(weights, layer, spec, part, shape);
        match spec {
            LayerSpec::Dropout { .. } => continue,
            LayerSpec::BatchNorm => {
                let Some(Some(affine)) = tensors.last_mut() else {
                    return Err(DeployError::Layer {
                        layer,
                        name: spec.name(),
                        problem: "does not follow a convolution or dense layer, so it cannot be folded".to_owned(),
                        remedy: "move it directly behind one",
                    });
                };
                let channels = channels(input);
                let scale = &read("weight", &[channels])?.data;
                let shift = &read("bias", &[channels])?.data;
                let mean = &read("running_mean", &[channels])?.data;
                let variance = &read("running_var", &[channels])?.data;
                if let Some(channel) = variance.iter().position(|&value| value < 0.0) {
                    return Err(DeployError::Layer {
                        layer,
                        name: spec.name(),
                        problem: format!("the running variance of channel {channel} is below zero"),
                        remedy: RETRAIN,
                    });
                }
                for channel in 0..channels {
                    let factor = f64::from(scale[channel]) / (f64::from(variance[channel]) + BATCH_NORM_EPSILON).sqrt();
                    affine.rescale(channel, factor, f64::from(mean[channel]), f64::from(shift[channel]));
                }
                affine.check(layer, spec)?;
                continue;
            }
            LayerSpec::Dense { .. } | LayerSpec::Conv2d { .. } => {
                let shape = weight_shape(spec, input);
                tensors.push(Some(Affine {
                    weight: read("weight", &shape)?.data.clone(),
                    bias: read("bias", &shape[..1])?.data.clone(),
                    shape,
                }));
            }
            LayerSpec::Activation { .. } | LayerSpec::MaxPool { .. } | LayerSpec::Flatten => tensors.push(None),
            other => {
                return Err(DeployError::Layer {
                    layer,
                    name: other.name(),
                    problem: "can't be exported yet".to_owned(),
                    remedy: "use dense layers, convolutions and max pools",
                });
            }
        }
        folded.layers.push(spec);
    }
    let mut folded_weights = Weights::default();
    for (layer, affine) in tensors.into_iter().enumerate() {
        if let Some(affine) = affine {
            let units = affine.shape[0];
            folded_weights.push(layer, "weight", affine.shape, affine.weight);
            folded_weights.push(layer, "bias", vec![units], affine.bias);
        }
    }
    Ok((folded, folded_weights))
}

/// Fails where a tensor of `model` is missing in `weights`, has another shape than its layer or holds something that is not a
/// finite number.
pub fn check_weights(model: &ModelSpec, weights: &Weights) -> Result<(), DeployError> {
    for (layer, (&spec, input)) in model.layers.iter().zip(model.inputs()?).enumerate() {
        let shape = weight_shape(spec, input);
        if let Some(&units) = shape.first() {
            part_of(weights, layer, spec, "weight", &shape)?;
            part_of(weights, layer, spec, "bias", &[units])?;
        } else if spec == LayerSpec::BatchNorm {
            for part in ["weight", "bias", "running_mean", "running_var"] {
                part_of(weights, layer, spec, part, &[channels(input)])?;
            }
        }
    }
    Ok(())
}

/// Tensor `part` of `layer`, of shape `shape` and all finite.
pub(super) fn part_of<'a>(
    weights: &'a Weights,
    layer: usize,
    spec: LayerSpec,
    part: &str,
    shape: &[usize],
) -> Result<&'a NamedTensor, DeployError> {
    let wrong = |problem| DeployError::Layer {
        layer,
        name: spec.name(),
        problem,
        remedy: RETRAIN,
    };
    let name = Weights::name(layer, part);
    let tensor = weights
        .part(layer, part)
        .ok_or_else(|| wrong(format!("tensor `{name}` is missing")))?;
    if tensor.shape != shape || tensor.data.len() != shape.iter().product::<usize>() {
        return Err(wrong(format!(
            "tensor `{name}` has shape {:?} and {} values instead of {shape:?}",
            tensor.shape,
            tensor.data.len()
        )));
    }
    check_finite(&name, &tensor.data).map_err(wrong)?;
    Ok(tensor)
}

/// Shape of the weight of a dense layer or convolution on `input`; of the bias, its first dimension.
pub(super) fn weight_shape(spec: LayerSpec, input: Shape) -> Vec<usize> {
    match spec {
        LayerSpec::Dense { units } => vec![units, input.len()],
        LayerSpec::Conv2d { filters, kernel, .. } => vec![filters, channels(input), kernel, kernel],
        _ => Vec::new(),
    }
}

const RETRAIN: &str = "the weights do not belong to this network or are damaged; train the run again";

/// Weight and bias of one layer; the first dimension of `shape` counts its channels.
struct Affine {
    shape: Vec<usize>,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Affine {
    fn rescale(&mut self, channel: usize, factor: f64, mean: f64, shift: f64) {
        let size = self.weight.len() / self.shape[0];
        for weight in &mut self.weight[channel * size..][..size] {
            *weight = (f64::from(*weight) * factor) as f32;
        }
        self.bias[channel] = (factor * (f64::from(self.bias[channel]) - mean) + shift) as f32;
    }

    fn check(&self, layer: usize, spec: LayerSpec) -> Result<(), DeployError> {
        check_finite("folded weight", &self.weight)
            .and_then(|()| check_finite("folded bias", &self.bias))
            .map_err(|problem| DeployError::Layer {
                layer,
                name: spec.name(),
                problem,
                remedy: RETRAIN,
            })
    }
}

fn check_finite(name: &str, values: &[f32]) -> Result<(), String> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(format!("tensor `{name}` holds {} at index {index}", values[index])),
        None => Ok(()),
    }
}

fn channels(shape: Shape) -> usize {
    shape.channels()
}
