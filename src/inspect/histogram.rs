//! How the values of each weight tensor, and of each gradient, are distributed.

use crate::spec::{GradientSeen, Gradients, Histogram, Range, Weights};

const BINS: usize = 48;

/// One for each tensor with at least two dimensions, in the order of the layers. Values that are not finite are in no bin.
pub fn histograms(weights: &Weights) -> Vec<Histogram> {
    let tensors = weights.tensors.iter().filter(|tensor| tensor.shape.len() > 1);
    tensors.map(|tensor| histogram(&tensor.name, &tensor.data)).collect()
}

/// The gradients of a training step, or of a batch with the kept weights: `values` has one tensor for each of `names`.
pub fn gradients(step: Option<usize>, names: &[String], values: &[Vec<f32>]) -> Gradients {
    let tensors = names.iter().zip(values).map(|(name, values)| {
        let square: f64 = values.iter().map(|&value| f64::from(value).powi(2)).sum();
        GradientSeen {
            histogram: histogram(name, values),
            size: (square / values.len().max(1) as f64).sqrt(),
        }
    });
    Gradients {
        step,
        tensors: tensors.collect(),
    }
}

fn histogram(name: &str, values: &[f32]) -> Histogram {
    let Range { min, max } = Range::of(values);
    let (low, high) = if !(min.is_finite() && max.is_finite()) {
        (-0.5, 0.5)
    } else if min < max {
        (min, max)
    } else {
        (min - 0.5, min + 0.5)
    };
    let scale = BINS as f32 / (high - low);
    let mut counts = vec![0; BINS];
    let mut zeros = 0_usize;
    for &value in values {
        zeros += usize::from(value == 0.0);
        if value.is_finite() {
            let bin = ((value - low) * scale) as usize;
            counts[bin.min(BINS - 1)] += 1;
        }
    }
    Histogram {
        name: name.to_owned(),
        low,
        high,
        counts,
        zeros: zeros as f32 / values.len().max(1) as f32,
        values: values.len(),
    }
}
