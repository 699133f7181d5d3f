//! Bias correction (Nagel et al. 2019, section 4.2): rounding the weights moves the mean of a layer's output, and the bias can
//! move it back.

use std::sync::Arc;

use super::ranges::View;
use crate::data::Samples;
use crate::nn::Grids;
use crate::spec::{Failure, GridPlan, ModelSpec, Placed, Quantization, QuantizationRanges, Shape, WeightGrid, Weights};

/// The weights with biases such that every layer on grids makes the mean, channel by channel, that it makes in floating point,
/// layer by layer in their order. The network must be batch-norm-folded and `ranges` its own.
pub(super) fn correct_biases(
    model: &ModelSpec,
    weights: &Weights,
    ranges: &QuantizationRanges,
    plan: &GridPlan,
    samples: &Samples,
    calibration: &Quantization,
    seed: u64,
) -> Result<Weights, Failure> {
    let view = View::new(samples, calibration.samples, seed)?;
    let walk = model
        .walk()
        .map_err(|error| Failure::new("calibration", error.to_string(), "train the run again"))?;
    let mut means = Means::of(&walk);
    view.each(&view.network(model, weights)?, |place, values| means.add(place, values))?;
    let float = means.finish();
    let mut corrected = weights.clone();
    let grids = Arc::new(Grids::new(plan.clone(), ranges.clone(), 0));
    for layer in (0..walk.len()).filter(|&layer| plan.weights[layer] != WeightGrid::Float) {
        let network = view.network(model, &corrected)?.on_grids(Arc::clone(&grids));
        let mut means = Means::of(&walk[layer..=layer]);
        view.each(&network, |place, values| {
            if place == layer + 1 {
                means.add(1, values);
            }
        })?;
        let found = &means.finish()[0];
        if let Some(bias) = corrected.get_mut(&Weights::name(layer, "bias")) {
            for ((bias, wanted), found) in bias.data.iter_mut().zip(&float[layer]).zip(found) {
                let moved = f64::from(*bias) + wanted - found;
                if (moved as f32).is_finite() {
                    *bias = moved as f32;
                }
            }
        }
    }
    Ok(corrected)
}

/// Running means of the channels of some layers' outputs.
struct Means<'a> {
    layers: &'a [Placed],
    sums: Vec<Vec<f64>>,
    counts: Vec<u64>,
}

impl<'a> Means<'a> {
    fn of(layers: &'a [Placed]) -> Self {
        Self {
            sums: layers
                .iter()
                .map(|placed| vec![0.0; placed.output.channels()])
                .collect(),
            counts: vec![0; layers.len()],
            layers,
        }
    }

    /// Values behind the layer `place - 1` of those asked for.
    fn add(&mut self, place: usize, values: &[f32]) {
        let Some(layer) = place.checked_sub(1) else {
            return;
        };
        let shape = self.layers[layer].output;
        let (channels, positions) = (shape.channels(), shape.positions());
        for (at, value) in values.iter().enumerate() {
            let channel = match shape {
                Shape::Image { .. } => at / positions % channels,
                _ => at % channels,
            };
            self.sums[layer][channel] += f64::from(*value);
        }
        self.counts[layer] += (values.len() / channels.max(1)) as u64;
    }

    fn finish(self) -> Vec<Vec<f64>> {
        let counts = self.counts;
        let mut means = self.sums;
        for (sums, count) in means.iter_mut().zip(counts) {
            for sum in sums.iter_mut() {
                *sum /= count.max(1) as f64;
            }
        }
        means
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compress::ranges::ranges;
    use crate::data::Targets;
    use crate::deploy::fixtures::{random_inputs, random_model};
    use crate::deploy::fold_batch_norm;

    #[test]
    fn the_mean_of_the_output_comes_back() {
        for seed in 0..6 {
            let (model, weights) = random_model(seed, 3);
            let (model, weights) = fold_batch_norm(&model, &weights).unwrap();
            let samples = Samples {
                shape: model.input,
                inputs: random_inputs(&model, 100, seed).into(),
                targets: Targets::Classes(vec![0; 100]),
            };
            let calibration = Quantization::default();
            let ranges = ranges(&model, &weights, &samples, &calibration, seed).unwrap();
            // Four bits, so that there is something to correct.
            let plan = GridPlan::of(&model, WeightGrid::Nibbles, &[]).unwrap();
            let corrected = correct_biases(&model, &weights, &ranges, &plan, &samples, &calibration, seed).unwrap();
            let view = View::new(&samples, 100, seed).unwrap();
            let walk = model.walk().unwrap();
            let grids = Arc::new(Grids::new(plan, ranges, 0));
            let mean = |weights: &Weights, grids: Option<&Arc<Grids>>| {
                let mut network = view.network(&model, weights).unwrap();
                if let Some(grids) = grids {
                    network = network.on_grids(Arc::clone(grids));
                }
                let mut means = Means::of(&walk);
                view.each(&network, |place, values| means.add(place, values)).unwrap();
                means.finish().pop().unwrap()
            };
            let distance = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f64>();
            let wanted = mean(&weights, None);
            let before = distance(&mean(&weights, Some(&grids)), &wanted);
            let after = distance(&mean(&corrected, Some(&grids)), &wanted);
            assert!(after < 1e-4 && after <= before, "seed {seed}: {before} {after}");
        }
    }
}
