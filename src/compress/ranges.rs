//! Calibration: which values the activations of a network take, seen on training samples.

use burn::tensor::{Tensor, TensorData};
use rand::seq::SliceRandom;

use crate::data::{DataError, Samples};
use crate::deploy::{DeployError, fold_batch_norm};
use crate::nn::{self, Network};
use crate::spec::{Device, Failure, ModelSpec, QuantizationRanges, Range, Weights, stream};

/// Smallest and largest value of the input and of every layer's output of the batch-norm-folded network, over `count` of
/// `samples` (all of them when there are fewer), drawn without replacement by `seed`.
pub fn ranges(
    model: &ModelSpec,
    weights: &Weights,
    samples: &Samples,
    count: usize,
    seed: u64,
) -> Result<QuantizationRanges, Failure> {
    const BATCH: usize = 64;
    let (model, weights) = fold_batch_norm(model, weights).map_err(DeployError::into_failure)?;
    let failed = |what: String| Failure::new("calibration", what, "train the run again");
    // The reference device, whatever the run trained on: the same weights must give the same file.
    let device = nn::device(Device::Flex).map_err(|error| failed(error.to_string()))?;
    let network = Network::from_weights(&model, &weights, &device).map_err(|error| failed(error.to_string()))?;
    let mut rows: Vec<usize> = (0..samples.len()).collect();
    rows.shuffle(&mut stream(seed, "calibration", 0));
    rows.truncate(count);
    let mut seen: Option<Vec<Range>> = None;
    for rows in rows.chunks(BATCH) {
        let batch = samples.gather(rows).map_err(DataError::into_failure)?;
        let inputs = batch.inputs.all().map_err(DataError::into_failure)?.into_owned();
        let mut batch = vec![Range::of(&inputs)];
        let shape = [rows.len(), samples.shape.len()];
        let outputs = network.forward_layers(Tensor::from_data(TensorData::new(inputs, shape), &device));
        for output in outputs {
            let values: Vec<f32> = output
                .into_data()
                .try_into_vec()
                .map_err(|error| failed(format!("{error:?}")))?;
            batch.push(Range::of(&values));
        }
        seen = Some(match seen {
            None => batch,
            Some(seen) => seen.into_iter().zip(batch).map(|(a, b)| a.union(b)).collect(),
        });
    }
    let Some((&input, layers)) = seen.as_deref().and_then(<[Range]>::split_first) else {
        return Err(Failure::new(
            "calibration",
            "there is no training sample",
            "use a larger training split or a larger calibration",
        ));
    };
    Ok(QuantizationRanges {
        input,
        layers: layers.to_vec(),
    })
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
            let ranges = ranges(&model, &weights, &samples, 512, seed).unwrap();
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
        let draw = |seed| ranges(&model, &weights, &samples, 5, seed).unwrap();
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
        assert!(ranges(&model, &weights, &samples, 5, 0).is_err());
    }
}
