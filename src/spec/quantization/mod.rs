//! Ranges and scales of quantization: what calibration finds, what a fake-quantized network computes with, and what an
//! exported file holds, in one place so that all three agree.

mod nibbles;
mod options;
mod plan;

use serde::{Deserialize, Serialize};

pub use nibbles::{GROUP, NibbleGroup};
pub use options::{DEFAULT_PERCENTILE, Protect, Quantization, RangeMethod};
pub use plan::{GridPlan, WeightGrid};

/// Smallest and largest value seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Range {
    pub min: f32,
    pub max: f32,
}

impl Range {
    pub fn of(values: &[f32]) -> Self {
        values.iter().fold(
            Self {
                min: f32::INFINITY,
                max: f32::NEG_INFINITY,
            },
            |range, &value| Self {
                min: range.min.min(value),
                max: range.max.max(value),
            },
        )
    }

    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }
}

/// Asymmetric unsigned 8-bit grid: `real = scale * (quantized - zero_point)` (Jacob et al. 2018).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ActivationQuantization {
    pub scale: f32,
    pub zero_point: u8,
}

impl ActivationQuantization {
    /// The grid that covers `range` and holds zero exactly.
    pub fn covering(range: Range) -> Self {
        let min = range.min.min(0.0);
        let max = range.max.max(0.0);
        let scale = ((max - min) / 255.0).max(f32::MIN_POSITIVE);
        let scale = if max > min { scale } else { 1.0 };
        let zero_point = (-min / scale).round_ties_even().clamp(0.0, 255.0) as u8;
        Self { scale, zero_point }
    }

    /// Smallest and largest number on the grid.
    pub fn limits(self) -> Range {
        let zero = f32::from(self.zero_point);
        Range {
            min: -zero * self.scale,
            max: (255.0 - zero) * self.scale,
        }
    }

    /// The number on the grid that is nearest to `real`, ties to even.
    pub fn nearest(self, real: f32) -> f32 {
        let zero = f32::from(self.zero_point);
        let steps = (real / self.scale).round_ties_even().min(255.0 - zero).max(-zero);
        steps * self.scale
    }
}

/// Scale of the weights of one output channel, the largest of which is `largest` in magnitude, on [-127, 127], such that its
/// `bias` fits the 32-bit grid of step `input_scale * scale`. None where a scale would leave the range of a float.
pub fn weight_scale(largest: f32, bias: f32, input_scale: f32) -> Option<f32> {
    // A bias may take half of an int32; the other half is the sum's.
    const LARGEST_BIAS: f32 = (1_u32 << 30) as f32;
    // Below this the product of the scales would run out of the floats' normal range.
    const SMALLEST_PRODUCT: f32 = 1e-30;
    let least = (bias.abs() / LARGEST_BIAS).max(SMALLEST_PRODUCT) / input_scale;
    // A channel of zeros has only its bias to represent.
    let scale = if largest > 0.0 {
        symmetric_scale(largest).max(least)
    } else {
        least
    };
    (input_scale * scale).is_normal().then_some(scale)
}

/// The number on a grid of step `scale` over [-127, 127] that is nearest to `weight`, in steps.
pub fn weight_steps(weight: f32, scale: f32) -> f32 {
    (weight / scale).round_ties_even().clamp(-127.0, 127.0)
}

/// Scale of a symmetric signed 8-bit grid over [-127, 127] for values up to `largest` in magnitude.
pub fn symmetric_scale(largest: f32) -> f32 {
    if largest > 0.0 {
        (largest / 127.0).max(f32::MIN_POSITIVE)
    } else {
        1.0
    }
}

/// Calibrated ranges of a network's activations: its input and the output of each of its layers, by index in the
/// batch-norm-folded `ModelSpec`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuantizationRanges {
    pub input: Range,
    pub layers: Vec<Range>,
    /// Of each attention layer what its heads gather, in front of the output projection; none for other layers.
    #[serde(default)]
    pub gathered: Vec<Option<Range>>,
    /// Layers of the folded network that stay in floating point.
    #[serde(default)]
    pub protected: Vec<usize>,
}

impl QuantizationRanges {
    /// The range of what the heads of an attention layer gather; of others an empty one at zero.
    pub fn gathered_at(&self, layer: usize) -> Range {
        let none = Range { min: 0.0, max: 0.0 };
        self.gathered.get(layer).copied().flatten().unwrap_or(none)
    }

    /// The range of a place of a [`GridPlan`]: 0 is the network's input, and `layer + 1` the output of a layer.
    pub fn at(&self, place: usize) -> Range {
        let layer = place.checked_sub(1).and_then(|layer| self.layers.get(layer));
        *layer.unwrap_or(&self.input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_always_on_the_grid() {
        for (min, max) in [(0.0, 6.0), (-1.0, 1.0), (-3.0, -1.0), (2.0, 5.0), (0.0, 0.0)] {
            let grid = ActivationQuantization::covering(Range { min, max });
            assert!(grid.scale > 0.0);
            assert_eq!(grid.nearest(0.0), 0.0);
            let limits = grid.limits();
            assert_eq!([limits.min, limits.max], [grid.nearest(-1e9), grid.nearest(1e9)]);
            let low = grid.scale * (0.0 - f32::from(grid.zero_point));
            let high = grid.scale * (255.0 - f32::from(grid.zero_point));
            assert!(
                low <= min + grid.scale && high >= max - grid.scale,
                "{min}..{max}: {low}..{high}"
            );
        }
    }

    #[test]
    fn numbers_go_to_the_nearest_step_with_ties_to_even() {
        let grid = ActivationQuantization {
            scale: 0.5,
            zero_point: 10,
        };
        for (real, expected) in [
            (0.24, 0.0),
            (0.25, 0.0),
            (0.75, 1.0),
            (-0.26, -0.5),
            (-9.0, -5.0),
            (1e9, 122.5),
        ] {
            assert_eq!(grid.nearest(real), expected, "{real}");
        }
    }

    #[test]
    fn a_weight_scale_makes_room_for_the_bias() {
        assert_eq!(weight_scale(2.54, 0.1, 0.5), Some(0.02));
        let scale = weight_scale(1e-12, 5.0, 0.01).unwrap();
        assert!(5.0 / (0.01 * scale) <= (1_u32 << 30) as f32 * 1.001);
        assert_eq!(weight_scale(f32::MAX, 0.0, f32::MAX), None);
    }
}
