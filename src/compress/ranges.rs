//! Calibration: which values the activations of a network take, seen on training samples, and the ranges that are made of
//! them.

use burn::tensor::{Device, Tensor, TensorData};
use rand::seq::SliceRandom;

use crate::data::{DataError, Samples};
use crate::deploy::{DeployError, fold_batch_norm};
use crate::nn::{self, Network};
use crate::spec::{
    self, ActivationQuantization, Activations, Failure, LayerSpec, ModelSpec, Quantization, QuantizationRanges, Range,
    RangeMethod, Weights, stream,
};

/// What was seen at one place of the batch-norm-folded network, and the range that was chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    pub seen: Range,
    pub chosen: Range,
    /// How many values lie in each of equal parts of `seen`; empty where the method needs none.
    pub counts: Vec<u64>,
}

/// Samples that go through the network together.
const BATCH: usize = 64;

/// Parts of a histogram.
const PARTS: usize = 2048;
/// Of the values, those within the range that is shown as the percentile's.
const PERCENT: f64 = 99.99;

/// All that was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Observations {
    /// Of the network's input, then of the output of each layer.
    pub places: Vec<Observed>,
    /// Of each attention layer what its heads gather; none for other layers.
    pub gathered: Vec<Option<Observed>>,
}

/// Ranges of the input and of every layer's output of the batch-norm-folded network, over some of `samples` (all of them when
/// there are fewer), drawn without replacement by `seed`.
pub fn ranges(
    model: &ModelSpec,
    weights: &Weights,
    samples: &Samples,
    calibration: &Quantization,
    seed: u64,
) -> Result<QuantizationRanges, Failure> {
    let Observations { places, gathered } = observe(model, weights, samples, calibration, seed)?;
    let mut chosen = places.iter().map(|observed| observed.chosen);
    let Some(input) = chosen.next() else {
        return Err(nothing_seen());
    };
    Ok(QuantizationRanges {
        input,
        layers: chosen.collect(),
        gathered: gathered
            .iter()
            .map(|observed| observed.as_ref().map(|observed| observed.chosen))
            .collect(),
        protected: Vec::new(),
    })
}

/// Of every layer of the batch-norm-folded network what enters it, on some of `samples`, in `bars` parts.
pub(super) fn entering(
    model: &ModelSpec,
    weights: &Weights,
    samples: &Samples,
    bars: usize,
    seed: u64,
) -> Result<Vec<Activations>, Failure> {
    let calibration = Quantization {
        method: RangeMethod::MeanSquaredError,
        ..Quantization::default()
    };
    let Observations { mut places, .. } = observe(model, weights, samples, &calibration, seed)?;
    // What leaves the last layer enters none.
    places.pop();
    let views = places.iter().map(|observed| Activations {
        samples: calibration.samples.min(samples.len()),
        seen: observed.seen,
        counts: observed
            .counts
            .chunks(PARTS.div_ceil(bars))
            .map(|parts| parts.iter().sum())
            .collect(),
        percentile: observed.percentile(PERCENT),
        least_error: observed.chosen,
    });
    Ok(views.collect())
}

/// As [`ranges`], with all that was seen.
pub fn observe(
    model: &ModelSpec,
    weights: &Weights,
    samples: &Samples,
    calibration: &Quantization,
    seed: u64,
) -> Result<Observations, Failure> {
    let (model, weights) = fold_batch_norm(model, weights).map_err(DeployError::into_failure)?;
    let view = View::new(samples, calibration.samples, seed)?;
    let network = view.network(&model, &weights)?;
    let layers = model.layers.len();
    // The places, and behind them what attention layers gather.
    let mut observed: Vec<Option<Observed>> = vec![None; 2 * layers + 1];
    view.each(&network, |place, values| Observed::widen(&mut observed[place], values))?;
    view.each_gathered(&network, |layer, values| {
        Observed::widen(&mut observed[layers + 1 + layer], values);
    })?;
    if calibration.method != RangeMethod::MinMax {
        for observed in observed.iter_mut().flatten() {
            observed.counts = vec![0; PARTS];
        }
        let count = |observed: &mut Option<Observed>, values: &[f32]| {
            if let Some(observed) = observed {
                observed.count(values);
            }
        };
        view.each(&network, |place, values| count(&mut observed[place], values))?;
        view.each_gathered(&network, |layer, values| {
            count(&mut observed[layers + 1 + layer], values);
        })?;
    }
    for observed in observed.iter_mut().flatten() {
        observed.chosen = match calibration.method {
            RangeMethod::MinMax => observed.seen,
            RangeMethod::Percentile(percent) => observed.percentile(percent),
            RangeMethod::MeanSquaredError => observed.least_error(),
        };
    }
    let gathered = observed.split_off(layers + 1);
    let places = observed.into_iter().flatten().collect();
    Ok(Observations { places, gathered })
}

fn nothing_seen() -> Failure {
    Failure::new(
        "calibration",
        "there is no training sample",
        "use a larger training split or a larger calibration",
    )
}

impl Observed {
    /// Takes in values.
    fn widen(observed: &mut Option<Self>, values: &[f32]) {
        let range = Range::of(values);
        let seen = observed.as_ref().map_or(range, |observed| observed.seen.union(range));
        *observed = Some(Self {
            seen,
            chosen: seen,
            counts: Vec::new(),
        });
    }

    fn part_width(&self) -> f64 {
        f64::from(self.seen.max - self.seen.min) / PARTS as f64
    }

    fn count(&mut self, values: &[f32]) {
        let width = self.part_width();
        let is_usable = width > 0.0 && width.is_finite();
        for &value in values {
            let part = f64::from(value - self.seen.min) / width;
            let part = if is_usable { part as usize } else { 0 };
            self.counts[part.min(PARTS - 1)] += 1;
        }
    }

    /// Without what lies beyond the percentile at each end.
    fn percentile(&self, percent: f64) -> Range {
        let total: u64 = self.counts.iter().sum();
        let beyond = total as f64 * (1.0 - percent / 100.0);
        let cut = |counts: &mut dyn Iterator<Item = &u64>| {
            let mut passed = 0;
            counts
                .take_while(|&&count| {
                    passed += count;
                    passed as f64 <= beyond
                })
                .count()
        };
        let (low, high) = (cut(&mut self.counts.iter()), cut(&mut self.counts.iter().rev()));
        if low + high >= PARTS {
            return self.seen;
        }
        Range {
            min: (f64::from(self.seen.min) + low as f64 * self.part_width()) as f32,
            max: (f64::from(self.seen.max) - high as f64 * self.part_width()) as f32,
        }
    }

    /// The range with the least mean squared error of the values on its grid, one end after the other.
    fn least_error(&self) -> Range {
        const FRACTIONS: usize = 80;
        let mut best = self.seen;
        let mut error = self.error(best);
        for end in [1, 0, 1] {
            let whole = if end == 1 { self.seen.max } else { self.seen.min };
            for step in 1..=FRACTIONS {
                let end_value = whole * step as f32 / FRACTIONS as f32;
                let range = if end == 1 {
                    Range { max: end_value, ..best }
                } else {
                    Range { min: end_value, ..best }
                };
                if range.min > range.max {
                    continue;
                }
                let candidate = self.error(range);
                if candidate < error {
                    (best, error) = (range, candidate);
                }
            }
        }
        best
    }

    fn error(&self, range: Range) -> f64 {
        let grid = ActivationQuantization::covering(range);
        let width = self.part_width();
        let parts = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let errors = parts.map(|(part, &count)| {
            let value = (f64::from(self.seen.min) + (part as f64 + 0.5) * width) as f32;
            count as f64 * f64::from(grid.nearest(value) - value).powi(2)
        });
        errors.sum()
    }
}

/// The samples that calibration looks at.
pub(super) struct View<'a> {
    samples: &'a Samples,
    rows: Vec<usize>,
    device: Device,
}

impl<'a> View<'a> {
    /// At most `count` samples, drawn by `seed`.
    pub(super) fn new(samples: &'a Samples, count: usize, seed: u64) -> Result<Self, Failure> {
        let mut rows: Vec<usize> = (0..samples.len()).collect();
        rows.shuffle(&mut stream(seed, "calibration", 0));
        rows.truncate(count);
        if rows.is_empty() {
            return Err(nothing_seen());
        }
        // The reference device, whatever the run trained on: the same weights must give the same file.
        let device = nn::device(spec::Device::Flex).map_err(|error| failed(error.to_string()))?;
        Ok(Self { samples, rows, device })
    }

    pub(super) fn network(&self, model: &ModelSpec, weights: &Weights) -> Result<Network, Failure> {
        Network::from_weights(model, weights, &self.device).map_err(|error| failed(error.to_string()))
    }

    fn inputs(&self, rows: &[usize]) -> Result<Vec<f32>, Failure> {
        let batch = self.samples.gather(rows).map_err(DataError::into_failure)?;
        Ok(batch.inputs.all().map_err(DataError::into_failure)?.into_owned())
    }

    fn tensor(&self, inputs: Vec<f32>, rows: usize) -> Tensor<2> {
        Tensor::from_data(TensorData::new(inputs, [rows, self.samples.shape.len()]), &self.device)
    }

    /// Hands what the heads of each attention layer gather to `see`, with the layer's index, batch by batch.
    fn each_gathered(&self, network: &Network, mut see: impl FnMut(usize, &[f32])) -> Result<(), Failure> {
        let layers = &network.model().layers;
        if !layers
            .iter()
            .any(|layer| matches!(layer, LayerSpec::SelfAttention { .. }))
        {
            return Ok(());
        }
        for rows in self.rows.chunks(BATCH) {
            let entering = network.entering(self.tensor(self.inputs(rows)?, rows.len()));
            for (layer, [_, gathered]) in entering.iter().enumerate() {
                if !gathered.is_empty() {
                    see(layer, gathered);
                }
            }
        }
        Ok(())
    }

    /// Hands the values at each place to `see`, batch by batch: those of the network's input, then those behind each layer.
    pub(super) fn each(&self, network: &Network, mut see: impl FnMut(usize, &[f32])) -> Result<(), Failure> {
        for rows in self.rows.chunks(BATCH) {
            let inputs = self.inputs(rows)?;
            see(0, &inputs);
            let outputs = network.forward_layers(self.tensor(inputs, rows.len()));
            for (layer, output) in outputs.into_iter().enumerate() {
                let values: Vec<f32> = output
                    .into_data()
                    .try_into_vec()
                    .map_err(|error| failed(format!("{error:?}")))?;
                see(layer + 1, &values);
            }
        }
        Ok(())
    }
}

fn failed(what: String) -> Failure {
    Failure::new("calibration", what, "train the run again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Targets;
    use crate::deploy::fixtures::{forward_layers, random_inputs, random_model};

    #[test]
    fn ranges_are_those_of_the_folded_network() {
        for seed in 0..10 {
            let (model, weights) = random_model(seed, 3);
            let samples = Samples {
                shape: model.input,
                inputs: random_inputs(&model, 70, seed).into(),
                targets: Targets::Classes(vec![0; 70]),
            };
            let ranges = ranges(&model, &weights, &samples, &Quantization::default(), seed).unwrap();
            let (folded, folded_weights) = fold_batch_norm(&model, &weights).unwrap();
            assert_eq!(ranges.layers.len(), folded.layers.len());
            assert_eq!(ranges.input, Range::of(&samples.inputs.all().unwrap()));
            let mut expected = vec![Range::of(&[]); folded.layers.len()];
            for row in 0..70 {
                let outputs = forward_layers(&folded, &folded_weights, &samples.row(row));
                for (range, output) in expected.iter_mut().zip(outputs) {
                    *range = range.union(Range::of(&output));
                }
            }
            for (found, expected) in ranges.layers.iter().zip(expected) {
                let size = expected.max.abs().max(expected.min.abs()).max(1.0);
                assert!((found.min - expected.min).abs() < 1e-4 * size, "seed {seed}");
                assert!((found.max - expected.max).abs() < 1e-4 * size, "seed {seed}");
            }
        }
    }

    #[test]
    fn the_drawn_samples_depend_on_the_seed_alone() {
        let (model, weights) = random_model(2, 3);
        let samples = Samples {
            shape: model.input,
            inputs: random_inputs(&model, 100, 2).into(),
            targets: Targets::Classes(vec![0; 100]),
        };
        let calibration = Quantization {
            samples: 5,
            ..Quantization::default()
        };
        let draw = |seed| ranges(&model, &weights, &samples, &calibration, seed).unwrap();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn no_sample_is_an_error() {
        let (model, weights) = random_model(2, 3);
        let samples = Samples {
            shape: model.input,
            inputs: Vec::new().into(),
            targets: Targets::Classes(Vec::new()),
        };
        assert!(ranges(&model, &weights, &samples, &Quantization::default(), 0).is_err());
    }

    /// Many values about zero and one far away.
    fn with_outlier() -> Observed {
        let seen = Range { min: -2.0, max: 40.0 };
        let mut observed = Observed {
            seen,
            chosen: seen,
            counts: vec![0; PARTS],
        };
        let many: Vec<f32> = (-999..1000_i16).map(|value| f32::from(value) / 1000.0).collect();
        for _ in 0..5 {
            observed.count(&many);
        }
        observed.counts.iter_mut().for_each(|count| *count *= 100_000);
        observed.count(&[40.0]);
        observed
    }

    #[test]
    fn a_percentile_cuts_what_lies_beyond_it() {
        let observed = with_outlier();
        let range = observed.percentile(99.9);
        assert!(range.max < 1.1 && range.max > 0.9, "{range:?}");
        assert!(range.min < -0.9 && range.min > -1.1, "{range:?}");
        let whole = observed.percentile(100.0);
        assert!(whole.max == 40.0 && whole.min < -0.99, "{whole:?}");
        let half = observed.percentile(75.0);
        assert!(
            (half.max - 0.5).abs() < 0.05 && (half.min + 0.5).abs() < 0.05,
            "{half:?}"
        );
    }

    #[test]
    fn the_least_error_is_below_that_of_all_values() {
        let observed = with_outlier();
        let range = observed.least_error();
        assert!(observed.error(range) < 0.1 * observed.error(observed.seen), "{range:?}");
        assert!(range.max < 2.0 && range.max > 0.9, "{range:?}");
        let constant = Observed {
            seen: Range { min: 2.0, max: 2.0 },
            counts: vec![1; PARTS],
            ..observed
        };
        assert!(constant.least_error().max > 0.0);
    }

    #[test]
    fn every_method_gives_ranges_within_what_was_seen() {
        let (model, weights) = random_model(3, 3);
        let samples = Samples {
            shape: model.input,
            inputs: random_inputs(&model, 70, 3).into(),
            targets: Targets::Classes(vec![0; 70]),
        };
        for method in [RangeMethod::Percentile(99.0), RangeMethod::MeanSquaredError] {
            let calibration = Quantization {
                method,
                ..Quantization::default()
            };
            for observed in observe(&model, &weights, &samples, &calibration, 0).unwrap().places {
                let Observed { seen, chosen, counts } = observed;
                assert!(
                    chosen.min >= seen.min - 1e-5 && chosen.max <= seen.max + 1e-5,
                    "{seen:?} {chosen:?}"
                );
                assert!(chosen.min <= chosen.max && counts.iter().sum::<u64>() > 0);
            }
        }
    }
}
