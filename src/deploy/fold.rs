//! From the network as trained to the network as deployed: batch norm becomes part of the layer before it and dropout
//! is gone. The weights are checked here, once, so that the writer can rely on them.

use crate::spec::{BATCH_NORM_EPSILON, LayerSpec, ModelSpec, NamedTensor, Placed, Weights};

use super::DeployError;

/// The same function with batch norm folded into the convolution or dense layer directly before it, and without dropout
/// (Jacob et al. 2018, section 3.2): with `f = weight / sqrt(running_var + epsilon)` for each channel,
/// `W' = f W` and `b' = f (b - running_mean) + bias`. A batch norm behind anything else stays. Tensors are numbered by the new,
/// shorter list of layers.
///
/// Fails where a tensor is missing, has another shape than its layer or holds something that is not a finite number.
pub fn fold_batch_norm(model: &ModelSpec, weights: &Weights) -> Result<(ModelSpec, Weights), DeployError> {
    let mut folded = ModelSpec {
        input: model.input,
        layers: Vec::new(),
    };
    let mut folded_weights = Weights::default();
    for placed in model.walk()? {
        let tensors = tensors_of(weights, &placed)?;
        match (placed.layer, folded.layers.last()) {
            (LayerSpec::Dropout { .. }, _) => continue,
            (LayerSpec::BatchNorm, Some(before)) if before.is_product() => {
                fold(&mut folded_weights, folded.layers.len() - 1, &placed, &tensors)?;
                continue;
            }
            _ => {}
        }
        for (tensor, (part, shape)) in tensors.into_iter().zip(placed.tensors()) {
            folded_weights.push(folded.layers.len(), part, shape, tensor.data.clone());
        }
        folded.layers.push(placed.layer);
    }
    Ok((folded, folded_weights))
}

/// Of each layer that [`fold_batch_norm`] leaves of `model`, its index there.
pub fn folded_layers(model: &ModelSpec) -> Vec<usize> {
    let mut kept: Vec<usize> = Vec::new();
    for (index, layer) in model.layers.iter().enumerate() {
        let before = kept.last().map(|&before| model.layers[before]);
        let is_folded = *layer == LayerSpec::BatchNorm && before.is_some_and(LayerSpec::is_product);
        if !is_folded && !matches!(layer, LayerSpec::Dropout { .. }) {
            kept.push(index);
        }
    }
    kept
}

/// Fails where a tensor of `model` is missing in `weights`, has another shape than its layer or holds something that is not a
/// finite number.
pub fn check_weights(model: &ModelSpec, weights: &Weights) -> Result<(), DeployError> {
    for placed in model.walk()? {
        tensors_of(weights, &placed)?;
    }
    Ok(())
}

/// The tensors of a layer in the order of [`Placed::tensors`], each of its shape and all finite.
pub(super) fn tensors_of<'a>(weights: &'a Weights, placed: &Placed) -> Result<Vec<&'a NamedTensor>, DeployError> {
    let parts = placed.tensors().into_iter();
    let tensors: Vec<&NamedTensor> = parts
        .map(|(part, shape)| tensor(weights, placed, part, &shape))
        .collect::<Result<_, _>>()?;
    if placed.layer == LayerSpec::BatchNorm
        && let [.., variance] = tensors[..]
        && let Some(channel) = variance.data.iter().position(|&value| value < 0.0)
    {
        let problem = format!("the running variance of channel {channel} is below zero");
        return Err(damaged(placed, problem));
    }
    Ok(tensors)
}

fn tensor<'a>(
    weights: &'a Weights,
    placed: &Placed,
    part: &str,
    shape: &[usize],
) -> Result<&'a NamedTensor, DeployError> {
    let name = Weights::name(placed.index, part);
    let tensor = weights
        .part(placed.index, part)
        .ok_or_else(|| damaged(placed, format!("tensor `{name}` is missing")))?;
    if tensor.shape != shape || tensor.data.len() != shape.iter().product::<usize>() {
        let problem = format!(
            "tensor `{name}` has shape {:?} and {} values instead of {shape:?}",
            tensor.shape,
            tensor.data.len()
        );
        return Err(damaged(placed, problem));
    }
    check_finite(&name, &tensor.data).map_err(|problem| damaged(placed, problem))?;
    Ok(tensor)
}

/// Rescales the weight and the bias of layer `into` by the batch norm `placed`.
fn fold(weights: &mut Weights, into: usize, placed: &Placed, tensors: &[&NamedTensor]) -> Result<(), DeployError> {
    let &[scale, shift, mean, variance] = tensors else {
        return Ok(());
    };
    let channels = scale.data.len();
    let at = |tensor: &NamedTensor, channel: usize| f64::from(tensor.data[channel]);
    let factor = |channel| at(scale, channel) / (at(variance, channel) + BATCH_NORM_EPSILON).sqrt();
    if let Some(weight) = weights.get_mut(&Weights::name(into, "weight")) {
        let size = weight.data.len() / channels;
        for (channel, filter) in weight.data.chunks_exact_mut(size.max(1)).enumerate() {
            for value in filter {
                *value = (f64::from(*value) * factor(channel)) as f32;
            }
        }
        check_finite("folded weight", &weight.data).map_err(|problem| damaged(placed, problem))?;
    }
    if let Some(bias) = weights.get_mut(&Weights::name(into, "bias")) {
        for (channel, value) in bias.data.iter_mut().enumerate() {
            let centred = f64::from(*value) - at(mean, channel);
            *value = (factor(channel) * centred + at(shift, channel)) as f32;
        }
        check_finite("folded bias", &bias.data).map_err(|problem| damaged(placed, problem))?;
    }
    Ok(())
}

fn damaged(placed: &Placed, problem: String) -> DeployError {
    DeployError::Layer {
        layer: placed.index,
        name: placed.layer.name(),
        problem,
        remedy: "the weights do not belong to this network or are damaged; train the run again",
    }
}

fn check_finite(name: &str, values: &[f32]) -> Result<(), String> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(format!("tensor `{name}` holds {} at index {index}", values[index])),
        None => Ok(()),
    }
}
