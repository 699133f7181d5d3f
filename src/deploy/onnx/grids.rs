//! The integer grids of a layer: weights s8 symmetric for each output channel, biases int32 on the product of the scales.

use crate::spec::{symmetric_scale, weight_scale, weight_steps};

/// Weights and biases of one layer on their integer grids: `weight = scales[o] * weights` and
/// `bias = input_scale * scales[o] * biases` for output channel `o` (Jacob et al. 2018, section 2.4).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Quantized {
    /// In [-127, 127], row-major as given.
    pub weights: Vec<i8>,
    /// One for each output channel.
    pub scales: Vec<f32>,
    pub biases: Vec<i32>,
    /// `input_scale * scales`, the grid of the biases.
    pub bias_scales: Vec<f32>,
}

/// Quantizes `weights` (output channels outermost) and `biases`, one for each output channel. `None` where a scale would
/// leave the range of a float.
pub(super) fn quantize(weights: &[f32], biases: &[f32], input_scale: f32) -> Option<Quantized> {
    let size = weights.len() / biases.len();
    let mut quantized = Quantized {
        weights: Vec::with_capacity(weights.len()),
        scales: Vec::with_capacity(biases.len()),
        biases: Vec::with_capacity(biases.len()),
        bias_scales: Vec::with_capacity(biases.len()),
    };
    for (channel, &bias) in weights.chunks_exact(size).zip(biases) {
        let scale = weight_scale(largest(channel), bias, input_scale)?;
        let bias_scale = input_scale * scale;
        quantized
            .weights
            .extend(channel.iter().map(|&weight| weight_steps(weight, scale) as i8));
        quantized
            .biases
            .push((f64::from(bias) / f64::from(bias_scale)).round_ties_even() as i32);
        quantized.scales.push(scale);
        quantized.bias_scales.push(bias_scale);
    }
    Some(quantized)
}

/// The weights alone (`channels` output channels, outermost) and the scale of each channel.
pub(super) fn quantize_weights(weights: &[f32], channels: usize) -> (Vec<i8>, Vec<f32>) {
    let size = weights.len() / channels.max(1);
    let mut quantized = Vec::with_capacity(weights.len());
    let mut scales = Vec::with_capacity(channels);
    for channel in weights.chunks_exact(size.max(1)) {
        let scale = symmetric_scale(largest(channel));
        quantized.extend(channel.iter().map(|&weight| weight_steps(weight, scale) as i8));
        scales.push(scale);
    }
    (quantized, scales)
}

fn largest(channel: &[f32]) -> f32 {
    channel.iter().fold(0.0, |largest, weight| largest.max(weight.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_and_biases_are_within_half_a_step() {
        let weights = [0.3, -1.0, 0.5, 0.01, 0.02, -0.005];
        let biases = [0.7, -0.2];
        let quantized = quantize(&weights, &biases, 0.02).unwrap();
        for (index, weight) in weights.iter().enumerate() {
            let scale = quantized.scales[index / 3];
            assert!((f32::from(quantized.weights[index]) * scale - weight).abs() <= 0.5001 * scale);
        }
        for (index, bias) in biases.iter().enumerate() {
            let scale = quantized.bias_scales[index];
            assert!((quantized.biases[index] as f32 * scale - bias).abs() <= 0.5001 * scale);
        }
    }

    #[test]
    fn a_large_bias_beside_tiny_weights_keeps_its_value() {
        let quantized = quantize(&[1e-12, -1e-12], &[5.0], 0.01).unwrap();
        let back = quantized.biases[0] as f32 * quantized.bias_scales[0];
        assert!((back - 5.0).abs() < 1e-4, "{back}");
    }

    #[test]
    fn a_channel_of_zeros_keeps_its_bias() {
        let quantized = quantize(&[0.0, 0.0], &[0.25], 0.5).unwrap();
        assert_eq!(quantized.weights, [0, 0]);
        assert!((quantized.biases[0] as f32 * quantized.bias_scales[0] - 0.25).abs() < 1e-6);
    }
}
