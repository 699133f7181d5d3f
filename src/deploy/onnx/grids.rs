//! The integer grids of a layer: weights s8 symmetric for each output channel, biases int32 on the product of the scales.

use crate::spec::symmetric_scale;

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
    // A bias may take half of an int32; the other half is the sum's.
    const LARGEST_BIAS: f32 = (1_u32 << 30) as f32;
    // Below this the product of the scales would run out of the floats' normal range.
    const SMALLEST_PRODUCT: f32 = 1e-30;
    let size = weights.len() / biases.len();
    let mut quantized = Quantized {
        weights: Vec::with_capacity(weights.len()),
        scales: Vec::with_capacity(biases.len()),
        biases: Vec::with_capacity(biases.len()),
        bias_scales: Vec::with_capacity(biases.len()),
    };
    for (channel, &bias) in weights.chunks_exact(size).zip(biases) {
        let largest = channel
            .iter()
            .fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
        let least = (bias.abs() / LARGEST_BIAS).max(SMALLEST_PRODUCT) / input_scale;
        // A channel of zeros has only its bias to represent.
        let scale = if largest > 0.0 {
            symmetric_scale(largest).max(least)
        } else {
            least
        };
        let bias_scale = input_scale * scale;
        if !bias_scale.is_normal() {
            return None;
        }
        quantized.weights.extend(
            channel
                .iter()
                .map(|weight| (weight / scale).round_ties_even().clamp(-127.0, 127.0) as i8),
        );
        quantized
            .biases
            .push((f64::from(bias) / f64::from(bias_scale)).round_ties_even() as i32);
        quantized.scales.push(scale);
        quantized.bias_scales.push(bias_scale);
    }
    Some(quantized)
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
