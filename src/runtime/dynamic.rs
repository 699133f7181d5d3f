//! Dense layers that put their input on a grid of its own range as it comes.

use super::layers::{Staged, Staging, stages_bytes};
use crate::kernels::{
    FloatOutput, Grid, INTEGER_STEP, InstructionSet, IntegerActivations, IntegerColumns, IntegerOutput, IntegerPanels,
    Walk, integer_product, place_rows, quantize,
};

/// Rows that are quantized together.
const ROWS: usize = 24;

/// A dense layer without its bias.
pub struct DynamicProduct {
    pub panels: IntegerPanels,
    pub walk: Walk,
    /// Of each output the sum of its weights, padded to whole panels.
    pub sums: Vec<i32>,
    /// Of each output the step of its weights, padded to whole panels.
    pub scales: Vec<f32>,
    pub inputs: usize,
    pub outputs: usize,
}

impl DynamicProduct {
    /// Values that it stages.
    pub fn staged(&self, set: InstructionSet) -> Staged {
        let padded = self.inputs.next_multiple_of(INTEGER_STEP) * ROWS;
        let as_bytes = stages_bytes(set);
        Staged {
            floats: 0,
            bytes: if as_bytes { padded } else { 0 },
            wide: if as_bytes { 0 } else { padded },
            rows: self.inputs * ROWS,
            columns: self.sums.len(),
        }
    }

    /// All rows share one grid, as in `DynamicQuantizeLinear`.
    pub fn run(&self, set: InstructionSet, input: &[f32], out: &mut [f32], staging: &mut Staging) {
        let grid = covering(input);
        let columns = self.sums.len();
        let Staging {
            wide,
            bytes: padded,
            rows,
            starts,
            steps,
            ..
        } = staging;
        let (starts, steps) = (&mut starts[..columns], &mut steps[..columns]);
        for (start, sum) in starts.iter_mut().zip(&self.sums) {
            *start = -(i32::from(grid.zero_point) * sum);
        }
        for (step, scale) in steps.iter_mut().zip(&self.scales) {
            *step = grid.scale * scale;
        }
        let columns = IntegerColumns {
            start: starts,
            scale: steps,
        };
        let pitch = self.inputs.next_multiple_of(INTEGER_STEP);
        let blocks = input
            .chunks(ROWS * self.inputs)
            .zip(out.chunks_mut(ROWS * self.outputs));
        for (input, out) in blocks {
            let bytes = &mut rows[..input.len()];
            quantize(set, grid, input, bytes);
            let activations = if stages_bytes(set) {
                let padded = &mut padded[..pitch * ROWS];
                place_rows(bytes, self.inputs, pitch, padded);
                IntegerActivations::Bytes(padded)
            } else {
                let padded = &mut wide[..pitch * ROWS];
                place_rows(bytes, self.inputs, pitch, padded);
                IntegerActivations::Wide(padded)
            };
            let output = IntegerOutput::Floats(FloatOutput::plain(out, self.outputs, f32::NEG_INFINITY));
            let rows = input.len() / self.inputs;
            integer_product(activations, &self.walk, rows, &self.panels, columns, output);
        }
    }

    /// Bytes of the packed weights and of the vectors beside them.
    pub fn weight_bytes(&self) -> usize {
        self.panels.bytes() + size_of_val(self.sums.as_slice()) + size_of_val(self.scales.as_slice())
    }
}

/// The grid of `DynamicQuantizeLinear`: from the smallest to the largest value, with zero.
fn covering(values: &[f32]) -> Grid {
    let (min, max) = values.iter().fold((0.0_f32, 0.0_f32), |(min, max), &value| {
        (min.min(value), max.max(value))
    });
    let scale = (max - min) / 255.0;
    if !scale.is_normal() {
        return Grid {
            scale: 1.0,
            zero_point: 0,
        };
    }
    Grid {
        scale,
        zero_point: (-min / scale).round_ties_even().clamp(0.0, 255.0) as u8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_reaches_from_end_to_end_and_holds_zero() {
        let grid = covering(&[-1.0, 0.5, 3.0]);
        assert_eq!((grid.scale, grid.zero_point), (4.0 / 255.0, 64));
        let grid = covering(&[2.0, 5.1]);
        assert_eq!((grid.quantize(5.1), grid.zero_point), (255, 0));
        assert_eq!(covering(&[0.0, 0.0]).quantize(0.0), 0);
    }
}
