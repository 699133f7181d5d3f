//! Dense layers that put their input on a grid of its own range as it comes: the five nodes in which files spell it become one
//! operation.

use super::kernel::Kernel;
use super::plan::Staged;
use super::products::Scratch;
use super::read::{Operation, Reader, shaped};
use crate::kernels::{
    Grid, INTEGER_STEP, IntegerActivations, IntegerColumns, IntegerOutput, IntegerPanels, MatrixShape, Walk,
    channels_last, integer_product, place_rows,
};
use crate::runtime::LoadError;
use crate::runtime::constants::{Constant, bytes};
use crate::runtime::node::{EXPORT_AGAIN, Node, USE_SUPPORTED};
use crate::runtime::onnx::{TensorProto, data_type};
use crate::runtime::products::{MAX_VALUES, SMALLER};
use crate::runtime::steps::STAGED_ROWS;

/// What a name stands for between the first and the last of the nodes; `usize` is the value that is quantized.
#[derive(Clone, Copy)]
pub enum Part<'g> {
    Bytes(usize),
    Scale(usize),
    ZeroPoint(usize),
    /// The sums of products with these weights.
    Sums(usize, &'g TensorProto),
    /// The steps of the sums.
    Steps(usize, &'g TensorProto),
}

/// A dense layer without its bias.
pub struct DynamicProduct {
    panels: IntegerPanels,
    walk: Walk,
    /// Of each output the sum of its weights, padded to whole panels.
    sums: Vec<i32>,
    /// Of each output the step of its weights, padded to whole panels.
    scales: Vec<f32>,
    inputs: usize,
    outputs: usize,
}

impl<'g> Reader<'g> {
    /// Takes in the node if it is one of these; whether it is.
    pub fn dynamic(&mut self, node: &Node<'g, '_>) -> Result<bool, LoadError> {
        let part = |place: usize| node.input(place).and_then(|name| self.part(name));
        match (node.proto.op_type(), part(0), part(1)) {
            ("DynamicQuantizeLinear", ..) => {
                let value = self.value(node, 0)?;
                let parts = [Part::Bytes(value), Part::Scale(value), Part::ZeroPoint(value)];
                for (name, part) in node.proto.output.iter().zip(parts) {
                    self.name_part(name, part);
                }
            }
            ("MatMulInteger", Some(Part::Bytes(value)), _) => {
                let zero_point = node.input(2).and_then(|name| self.part(name));
                if !matches!(zero_point, Some(Part::ZeroPoint(of)) if of == value) || node.input(3).is_some() {
                    return Err(node.refuse("its zero points are not those that are supported", USE_SUPPORTED));
                }
                let weights = node.stored(1)?;
                self.name_part(node.output()?, Part::Sums(value, weights));
            }
            ("Cast", Some(part @ Part::Sums(..)), _) if node.int("to", 0) == i64::from(data_type::FLOAT) => {
                self.name_part(node.output()?, part);
            }
            ("Mul", Some(Part::Scale(value)), None) => {
                let scales = node.stored(1)?;
                self.name_part(node.output()?, Part::Steps(value, scales));
            }
            ("Mul", Some(Part::Sums(value, weights)), Some(Part::Steps(of, scales))) if of == value => {
                self.dynamic_product(node, value, weights, scales)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn dynamic_product(
        &mut self,
        node: &Node<'g, '_>,
        value: usize,
        weights: &TensorProto,
        scales: &TensorProto,
    ) -> Result<(), LoadError> {
        let shape = self.over_last_axis(node, value, -1)?;
        let dims = Constant::Stored(weights).dims()?;
        let &[inputs, outputs] = &dims[..] else {
            return Err(node.refuse("its weights must have two dimensions", EXPORT_AGAIN));
        };
        let mut scales = Constant::Stored(scales).floats()?;
        let fits = weights.data_type() == data_type::INT8
            && inputs > 0
            && inputs == shape.dims[shape.rank - 1]
            && scales.len() == outputs
            && scales.iter().all(|scale| scale.is_finite() && *scale > 0.0);
        if !fits {
            return Err(node.refuse(
                "its weights and scales do not fit its input or each other",
                EXPORT_AGAIN,
            ));
        }
        let values: Vec<i8> = bytes(weights)?.into_iter().map(u8::cast_signed).collect();
        // No sum of so few products leaves 32 bits.
        if inputs > MAX_VALUES.min(i32::MAX as usize / (255 * 128)) {
            return Err(node.refuse(format!("it has {inputs} inputs, which are too many"), SMALLER));
        }
        let pitch = inputs.next_multiple_of(INTEGER_STEP);
        let matrix = MatrixShape {
            columns: outputs,
            runs: 1,
            run_len: inputs,
        };
        let mut sums: Vec<i32> = (0..outputs)
            .map(|output| {
                (0..inputs)
                    .map(|input| i32::from(values[input * outputs + output]))
                    .sum()
            })
            .collect();
        sums.resize(matrix.padded_columns(), 0);
        scales.resize(matrix.padded_columns(), 0.0);
        let product = DynamicProduct {
            panels: IntegerPanels::pack(self.set, matrix, |column, _, depth| values[depth * outputs + column]),
            walk: Walk::rows(inputs, pitch),
            sums,
            scales,
            inputs,
            outputs,
        };
        let mut dims = shape.dims().to_vec();
        dims[shape.rank - 1] = outputs;
        let out = shaped(node, &dims, shape.batch)?;
        let out = self.new_value(node, out)?;
        self.name(node, 0, out);
        self.graph.operations.push(Operation {
            kernel: Kernel::Dynamic(Box::new(product)),
            sources: vec![value],
            out,
            staged: Staged {
                integers: pitch * STAGED_ROWS,
                bytes: STAGED_ROWS * inputs,
                columns: matrix.padded_columns(),
                ..Staged::default()
            },
            integer: Some(node.name().to_owned()),
        });
        Ok(())
    }
}

impl DynamicProduct {
    /// All rows share one grid, as in `DynamicQuantizeLinear`.
    pub fn run(&self, input: &[f32], out: &mut [f32], scratch: &mut Scratch) {
        let grid = covering(input);
        let Scratch {
            staging,
            bytes,
            columns: (starts, steps),
            ..
        } = scratch;
        let (starts, steps) = (&mut starts[..self.sums.len()], &mut steps[..self.sums.len()]);
        for (start, sum) in starts.iter_mut().zip(&self.sums) {
            *start = -(i32::from(grid.zero_point) * sum);
        }
        for (step, scale) in steps.iter_mut().zip(&self.scales) {
            *step = grid.scale * scale;
        }
        let blocks = input
            .chunks(STAGED_ROWS * self.inputs)
            .zip(out.chunks_mut(STAGED_ROWS * self.outputs));
        let pitch = self.inputs.next_multiple_of(INTEGER_STEP);
        for (input, out) in blocks {
            let bytes = &mut bytes[..input.len()];
            channels_last(input, 1, bytes, |value| grid.quantize(value));
            let activations = if staging.bytes.is_empty() {
                let staged = &mut staging.wide[..pitch * STAGED_ROWS];
                place_rows(bytes, self.inputs, pitch, staged);
                IntegerActivations::Wide(staged)
            } else {
                let staged = &mut staging.bytes[..pitch * STAGED_ROWS];
                place_rows(bytes, self.inputs, pitch, staged);
                IntegerActivations::Bytes(staged)
            };
            let columns = IntegerColumns {
                start: starts,
                scale: steps,
            };
            let output = IntegerOutput::Floats {
                out,
                low: f32::NEG_INFINITY,
            };
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
