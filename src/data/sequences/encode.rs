//! Steps to network inputs, and the statistics that this takes.

use crate::data::preprocess::{mean_and_deviation, standardise};
use crate::spec::FeatureScale;

/// Mean and deviation of every feature over `sequences`, each step after step.
pub fn scales<'a, I: Iterator<Item = &'a [f64]>>(features: &[String], sequences: impl Fn() -> I) -> Vec<FeatureScale> {
    let width = features.len().max(1);
    let of_feature = |feature: usize| {
        let own = || sequences().flat_map(move |values| values.iter().skip(feature).step_by(width));
        mean_and_deviation(|| own().copied().filter(|value| !value.is_nan()))
    };
    features
        .iter()
        .enumerate()
        .map(|(place, name)| {
            let (mean, deviation) = of_feature(place);
            let name = name.clone();
            FeatureScale { name, mean, deviation }
        })
        .collect()
}

/// Appends `steps x features` inputs: the last steps of the sequence, standardised; zeros in front of a shorter one, and for
/// what is missing.
pub fn encode(sequence: &[f64], features: &[FeatureScale], steps: usize, inputs: &mut Vec<f32>) {
    let width = features.len().max(1);
    let present = sequence.len() / width;
    let kept = present.min(steps);
    inputs.resize(inputs.len() + (steps - kept) * width, 0.0);
    for step in sequence[(present - kept) * width..].chunks_exact(width) {
        inputs.extend(step.iter().zip(features).map(|(&value, feature)| {
            if value.is_nan() {
                0.0
            } else {
                standardise(value, feature.mean, feature.deviation)
            }
        }));
    }
}
