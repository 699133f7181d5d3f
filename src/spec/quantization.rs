//! Ranges and scales of int8 quantization.

use serde::{Deserialize, Serialize};

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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_always_on_the_grid() {
        for (min, max) in [(0.0, 6.0), (-1.0, 1.0), (-3.0, -1.0), (2.0, 5.0), (0.0, 0.0)] {
            let grid = ActivationQuantization::covering(Range { min, max });
            assert!(grid.scale > 0.0);
            let low = grid.scale * (0.0 - f32::from(grid.zero_point));
            let high = grid.scale * (255.0 - f32::from(grid.zero_point));
            assert!(
                low <= min + grid.scale && high >= max - grid.scale,
                "{min}..{max}: {low}..{high}"
            );
        }
    }
}
