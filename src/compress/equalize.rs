//! Cross-layer equalisation (Nagel et al. 2019, section 4.1): the channels between two layers are scaled so that both use
//! their grids alike. The function stays the same.

use crate::deploy::{DeployError, fold_batch_norm};
use crate::spec::{ActivationKind, LayerSpec, ModelSpec, Placed, Weights};

/// The batch-norm-folded network with the channels of neighbouring layers evened out: with `r1` and `r2` the largest weights
/// that make and read a channel, its maker is divided by `s = sqrt(r1 / r2)` and its reader multiplied. Layers are neighbours
/// where nothing but ReLU, leaky ReLU, pools and flattens stands between them.
pub fn equalize(model: &ModelSpec, weights: &Weights) -> Result<(ModelSpec, Weights), DeployError> {
    // Each round moves what the last has left between the pairs of a chain.
    const ROUNDS: usize = 8;
    let (model, mut weights) = fold_batch_norm(model, weights)?;
    let pairs = pairs(&model.walk()?);
    for _ in 0..ROUNDS {
        for pair in &pairs {
            even_out(&mut weights, pair);
        }
    }
    Ok((model, weights))
}

/// Two neighbouring layers.
struct Pair {
    maker: usize,
    reader: usize,
    channels: usize,
    /// How the weights of the reader are found by channel.
    reads: Reads,
}

#[derive(Clone, Copy)]
enum Reads {
    /// Each filter by itself: its channel.
    OneEach,
    /// All outputs: a block of so many weights for each channel.
    Blocks(usize),
}

fn pairs(walk: &[Placed]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let mut maker: Option<&Placed> = None;
    for placed in walk {
        if placed.layer.is_product() {
            if let Some(maker) = maker {
                let channels = maker.output.channels();
                let reads = match placed.layer {
                    LayerSpec::DepthwiseConv2d { .. } => Reads::OneEach,
                    LayerSpec::Conv2d { kernel, .. } => Reads::Blocks(kernel * kernel),
                    LayerSpec::Conv1d { kernel, .. } => Reads::Blocks(kernel),
                    _ => Reads::Blocks(placed.input.channels() / channels),
                };
                pairs.push(Pair {
                    maker: maker.index,
                    reader: placed.index,
                    channels,
                    reads,
                });
            }
            maker = Some(placed);
        } else if !keeps_scale(placed) {
            maker = None;
        }
    }
    pairs
}

/// Whether a positive factor before the layer is one behind it, channel by channel.
fn keeps_scale(placed: &Placed) -> bool {
    match placed.layer {
        LayerSpec::Activation { function } => matches!(function, ActivationKind::Relu | ActivationKind::LeakyRelu),
        LayerSpec::MaxPool { .. } | LayerSpec::GlobalAveragePool => true,
        // Of a sequence the channels lie within each step.
        LayerSpec::Flatten => !matches!(placed.input, crate::spec::Shape::Sequence { .. }),
        _ => false,
    }
}

fn even_out(weights: &mut Weights, pair: &Pair) {
    let [made, read, bias] = [(pair.maker, "weight"), (pair.reader, "weight"), (pair.maker, "bias")]
        .map(|(layer, part)| Weights::name(layer, part));
    let (Some(first), Some(second)) = (weights.get(&made), weights.get(&read)) else {
        return;
    };
    let size = first.data.len() / pair.channels;
    let mut makes = vec![0.0_f32; pair.channels];
    for (place, weight) in first.data.iter().enumerate() {
        let largest = &mut makes[place / size];
        *largest = largest.max(weight.abs());
    }
    let of = |place: usize| match pair.reads {
        Reads::OneEach => place * pair.channels / second.data.len(),
        Reads::Blocks(block) => place / block % pair.channels,
    };
    let mut reads = vec![0.0_f32; pair.channels];
    for (place, weight) in second.data.iter().enumerate() {
        let largest = &mut reads[of(place)];
        *largest = largest.max(weight.abs());
    }
    let factors: Vec<f32> = makes
        .iter()
        .zip(&reads)
        .map(|(makes, reads)| (makes / reads).sqrt())
        // A silent channel has no scale; extreme ones would leave the range of the grids.
        .map(|factor| {
            if factor.is_normal() {
                factor.clamp(1e-3, 1e3)
            } else {
                1.0
            }
        })
        .collect();
    let scaled: Vec<f32> = second
        .data
        .iter()
        .enumerate()
        .map(|(place, weight)| weight * factors[of(place)])
        .collect();
    for (name, size) in [(made, size), (bias, 1)] {
        if let Some(tensor) = weights.get_mut(&name) {
            for (values, factor) in tensor.data.chunks_mut(size).zip(&factors) {
                for value in values.iter_mut() {
                    *value /= factor;
                }
            }
        }
    }
    if let Some(tensor) = weights.get_mut(&read) {
        tensor.data = scaled;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::fixtures::{Family, forward_all, largest_difference, random_inputs, random_model, random_of};
    use crate::spec::Shape;

    #[test]
    fn the_function_stays() {
        let families = [Family::Separable, Family::Residual, Family::Series, Family::Attention];
        let networks = (0..20).map(|seed| random_model(seed, 3));
        let networks = networks.chain(
            families
                .into_iter()
                .flat_map(|family| (0..8).map(move |seed| random_of(family, seed, 3))),
        );
        let mut changed = 0;
        for (seed, (model, weights)) in networks.enumerate() {
            let inputs = random_inputs(&model, 4, seed as u64);
            let expected = forward_all(&model, &weights, &inputs);
            let (equal, equal_weights) = equalize(&model, &weights).unwrap();
            let outputs = forward_all(&equal, &equal_weights, &inputs);
            let size = expected.iter().fold(1.0_f32, |size, value| size.max(value.abs()));
            assert!(
                largest_difference(&expected, &outputs) < 2e-4 * size,
                "network {seed}: {:?}",
                model.layers
            );
            changed += usize::from(equal_weights != fold_batch_norm(&model, &weights).unwrap().1);
        }
        assert!(changed > 30, "{changed}");
    }

    #[test]
    fn both_sides_of_a_channel_become_alike() {
        let model = ModelSpec {
            input: Shape::Features { features: 1 },
            layers: vec![
                LayerSpec::Dense { units: 2 },
                LayerSpec::RELU,
                LayerSpec::Dense { units: 1 },
            ],
        };
        let mut weights = Weights::default();
        weights.push(0, "weight", vec![2, 1], vec![100.0, 0.01]);
        weights.push(0, "bias", vec![2], vec![1.0, 0.1]);
        weights.push(2, "weight", vec![1, 2], vec![0.01, 4.0]);
        weights.push(2, "bias", vec![1], vec![0.0]);
        let (_, equal) = equalize(&model, &weights).unwrap();
        for (made, read) in equal
            .part(0, "weight")
            .unwrap()
            .data
            .iter()
            .zip(&equal.part(2, "weight").unwrap().data)
        {
            assert!((made - read).abs() < 1e-4, "{made} {read}");
        }
    }
}
