//! What a step of a graph does with a batch. Values lie as in the file; where a fast primitive wants the channels last, each
//! sample is brought there and back.

use super::dynamic::DynamicProduct;
use super::products::{Depthwise, Product, Scratch};
use super::recurrent::Recurrent;
use super::shape::{Dims, MAX_RANK, Shape, each_row, strides};
use crate::kernels::{Grid, Pool, average_pool, max_pool};
use crate::runtime::chain::Activation;

/// One step, with its constants.
pub enum Kernel {
    Copy,
    Unary(Unary),
    Binary(Box<Binary>),
    Product(Box<Product>),
    Dynamic(Box<DynamicProduct>),
    Depthwise(Box<Depthwise>),
    Recurrent(Box<Recurrent>),
    /// Products of matrices that are both values.
    MatMul {
        rows: usize,
        inner: usize,
        columns: usize,
    },
    /// `x * scale + shift` for each channel; a channel has `inner` values.
    ScaleShift {
        scale: Vec<f32>,
        shift: Vec<f32>,
        inner: usize,
    },
    /// Over the last axis.
    LayerNorm {
        scale: Vec<f32>,
        shift: Vec<f32>,
        epsilon: f32,
    },
    /// Over the last axis, of this length.
    Softmax(usize),
    /// The mean over one axis.
    Mean {
        shape: Shape,
        axis: usize,
    },
    /// Each plane is an image of one channel.
    MaxPool(Pool),
    AveragePool {
        pool: Pool,
        counts_padding: bool,
    },
    Transpose {
        /// The result.
        shape: Shape,
        order: Dims,
        input: Shape,
    },
    Pad {
        input: Shape,
        output: Shape,
        in_front: Dims,
        value: f32,
    },
    /// Rows of a table, by their numbers.
    Lookup {
        table: Vec<f32>,
        width: usize,
    },
    /// One place of an axis.
    Select {
        shape: Shape,
        axis: usize,
        place: usize,
    },
}

#[derive(Clone, Copy)]
pub enum Unary {
    Activation(Activation),
    Erf,
    /// To a grid and back.
    OnGrid(Grid),
}

#[derive(Clone, Copy, PartialEq)]
pub enum Function {
    Add,
    Subtract,
    Multiply,
    Divide,
    Smaller,
    Larger,
}

/// A function of two values, of which one may be a constant; dimensions of one are repeated.
pub struct Binary {
    pub function: Function,
    pub output: Shape,
    /// Of the operands, with ones in front up to the rank of the output.
    pub operands: [Dims; 2],
    /// The axis that the batch multiplies, where the operand has it.
    pub batch: [Option<usize>; 2],
    pub constant: Option<(usize, Vec<f32>)>,
}

impl Kernel {
    /// `sources` are the values read, in the order of the operands that are no constants. A step that works in place has the first
    /// of them in `out`.
    pub fn run(
        &self,
        batch: usize,
        sources: &[&[f32]],
        in_place: bool,
        out: &mut [f32],
        room: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let input = sources.first().copied().unwrap_or_default();
        match self {
            Self::Copy => out.copy_from_slice(input),
            Self::Unary(unary) => {
                if !in_place {
                    out.copy_from_slice(input);
                }
                unary.apply(out);
            }
            Self::Binary(binary) => binary.run(batch, sources, in_place, out),
            Self::Product(product) => product.run(input, out, scratch),
            Self::Dynamic(product) => product.run(input, out, scratch),
            Self::Depthwise(depthwise) => depthwise.run(input, out),
            Self::Recurrent(recurrent) => recurrent.run(batch, input, out, room),
            &Self::MatMul { rows, inner, columns } => {
                let right = sources.get(1).copied().unwrap_or_default();
                matmul(input, right, [rows, inner, columns], out);
            }
            Self::ScaleShift { scale, shift, inner } => {
                for (place, (input, out)) in input.chunks_exact(*inner).zip(out.chunks_exact_mut(*inner)).enumerate() {
                    let channel = place % scale.len();
                    let (scale, shift) = (scale[channel], shift[channel]);
                    out.iter_mut().zip(input).for_each(|(out, x)| *out = x * scale + shift);
                }
            }
            Self::LayerNorm { scale, shift, epsilon } => {
                for (input, out) in input.chunks_exact(scale.len()).zip(out.chunks_exact_mut(scale.len())) {
                    layer_norm(input, scale, shift, *epsilon, out);
                }
            }
            &Self::Softmax(len) => {
                for (input, out) in input.chunks_exact(len).zip(out.chunks_exact_mut(len)) {
                    softmax(input, out);
                }
            }
            Self::Mean { shape, axis } => mean(input, shape.dims[*axis], shape.around(*axis, batch)[1], out),
            Self::MaxPool(pool) => each_plane(input, pool, out, |input, out| max_pool(input, pool, out)),
            Self::AveragePool { pool, counts_padding } => {
                each_plane(input, pool, out, |input, out| {
                    average_pool(input, pool, *counts_padding, out);
                });
            }
            Self::Transpose {
                shape,
                order,
                input: from,
            } => transpose(input, from, shape, order, batch, out),
            Self::Pad {
                input: from,
                output,
                in_front,
                value,
            } => {
                out.fill(*value);
                let steps = strides(&output.of(batch)[..output.rank]);
                let first: usize = in_front.iter().zip(steps).map(|(place, stride)| place * stride).sum();
                let dims = from.of(batch);
                let width = dims[from.rank - 1];
                let mut rows = input.chunks_exact(width);
                each_row(&dims[..from.rank], [steps], |[place]| {
                    if let Some(row) = rows.next() {
                        out[first + place..][..width].copy_from_slice(row);
                    }
                });
            }
            Self::Lookup { table, width } => {
                for (&index, out) in input.iter().zip(out.chunks_exact_mut(*width)) {
                    // The session has checked that every number has its row.
                    if let Some(row) = table.get(index as usize * width..).and_then(|rows| rows.get(..*width)) {
                        out.copy_from_slice(row);
                    }
                }
            }
            Self::Select { shape, axis, place } => {
                let [_, inner] = shape.around(*axis, batch);
                let blocks = input.chunks_exact(inner * shape.dims[*axis]);
                for (block, out) in blocks.zip(out.chunks_exact_mut(inner)) {
                    out.copy_from_slice(&block[place * inner..][..inner]);
                }
            }
        }
    }

    /// Whether the first value read may be overwritten with the result.
    pub fn works_in_place(&self) -> bool {
        match self {
            Self::Unary(_) => true,
            Self::Binary(binary) => {
                // The first operand must be a value that is not repeated.
                binary.constant.as_ref().is_none_or(|(place, _)| *place == 1)
                    && binary.operands[0] == binary.output.dims
                    && binary.batch[0] == Some(binary.output.batch)
            }
            _ => false,
        }
    }

    /// Floats beside the result that the step needs for a batch of one.
    pub fn room(&self) -> usize {
        match self {
            Self::Recurrent(recurrent) => recurrent.room(),
            _ => 0,
        }
    }

    /// Bytes of packed weights and other constants.
    pub fn weight_bytes(&self) -> usize {
        let floats = match self {
            Self::Product(product) => return product.weight_bytes(),
            Self::Dynamic(product) => return product.weight_bytes(),
            Self::Depthwise(depthwise) => depthwise.weights.len() + depthwise.bias.len(),
            Self::Recurrent(recurrent) => return recurrent.weight_bytes(),
            Self::Binary(binary) => binary.constant.as_ref().map_or(0, |(_, values)| values.len()),
            Self::ScaleShift { scale, shift, .. } | Self::LayerNorm { scale, shift, .. } => scale.len() + shift.len(),
            Self::Lookup { table, .. } => table.len(),
            _ => 0,
        };
        floats * size_of::<f32>()
    }
}

impl Unary {
    fn apply(self, values: &mut [f32]) {
        match self {
            Self::Activation(activation) => values.iter_mut().for_each(|x| *x = activation.apply(*x)),
            Self::Erf => values.iter_mut().for_each(|x| *x = erf(*x)),
            Self::OnGrid(grid) => values.iter_mut().for_each(|x| *x = grid.dequantize(grid.quantize(*x))),
        }
    }
}

impl Binary {
    fn run(&self, batch: usize, sources: &[&[f32]], in_place: bool, out: &mut [f32]) {
        let f: fn(f32, f32) -> f32 = match self.function {
            Function::Add => |a, b| a + b,
            Function::Subtract => |a, b| a - b,
            Function::Multiply => |a, b| a * b,
            Function::Divide => |a, b| a / b,
            Function::Smaller => |a, b| if b < a { b } else { a },
            Function::Larger => |a, b| if b > a { b } else { a },
        };
        let mut values = sources.iter().copied();
        if in_place {
            values.next();
        }
        let constant = |operand| self.constant.as_ref().filter(|(place, _)| *place == operand);
        let mut next = |operand: usize| match constant(operand) {
            Some((_, constant)) => constant.as_slice(),
            None => values.next().unwrap_or_default(),
        };
        let left = if in_place { None } else { Some(next(0)) };
        let right = next(1);
        let rank = self.output.rank;
        let dims = self.output.of(batch);
        let steps = [0, 1].map(|operand| {
            let mut own = self.operands[operand];
            if let Some(axis) = self.batch[operand] {
                own[axis] *= batch;
            }
            let mut steps = strides(&own[..rank]);
            // A dimension of one is repeated.
            (0..rank)
                .filter(|&axis| own[axis] == 1)
                .for_each(|axis| steps[axis] = 0);
            steps
        });
        let width = dims[rank - 1];
        let step = steps.map(|steps| steps[rank - 1]);
        let mut rows = out.chunks_exact_mut(width);
        each_row(&dims[..rank], steps, |[a, b]| {
            let Some(out) = rows.next() else { return };
            match (left, step) {
                (None, [_, 0]) => out.iter_mut().for_each(|out| *out = f(*out, right[b])),
                (None, _) => out.iter_mut().zip(&right[b..]).for_each(|(out, b)| *out = f(*out, *b)),
                (Some(left), [step_a, step_b]) => {
                    for (place, out) in out.iter_mut().enumerate() {
                        *out = f(left[a + place * step_a], right[b + place * step_b]);
                    }
                }
            }
        });
    }
}

/// The error function to within 2e-7 (Abramowitz and Stegun 1964, 7.1.26).
fn erf(x: f32) -> f32 {
    const TERMS: [f64; 5] = [
        1.061_405_429,
        -1.453_152_027,
        1.421_413_741,
        -0.284_496_736,
        0.254_829_592,
    ];
    let x = f64::from(x);
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let sum = TERMS.iter().fold(0.0, |sum, term| (sum + term) * t);
    (1.0 - sum * (-x * x).exp()).copysign(x) as f32
}

fn matmul(left: &[f32], right: &[f32], [rows, inner, columns]: [usize; 3], out: &mut [f32]) {
    let matrices = left.chunks_exact(rows * inner).zip(right.chunks_exact(inner * columns));
    for ((left, right), out) in matrices.zip(out.chunks_exact_mut(rows * columns)) {
        for (row, out) in left.chunks_exact(inner).zip(out.chunks_exact_mut(columns)) {
            out.fill(0.0);
            for (&x, row) in row.iter().zip(right.chunks_exact(columns)) {
                out.iter_mut().zip(row).for_each(|(out, y)| *out += x * y);
            }
        }
    }
}

fn layer_norm(input: &[f32], scale: &[f32], shift: &[f32], epsilon: f32, out: &mut [f32]) {
    let count = input.len() as f32;
    let mean = input.iter().sum::<f32>() / count;
    let variance = input.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / count;
    let factor = 1.0 / (variance + epsilon).sqrt();
    for ((out, x), (scale, shift)) in out.iter_mut().zip(input).zip(scale.iter().zip(shift)) {
        *out = (x - mean) * factor * scale + shift;
    }
}

fn softmax(input: &[f32], out: &mut [f32]) {
    let largest = input.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for (out, x) in out.iter_mut().zip(input) {
        *out = (x - largest).exp();
        sum += *out;
    }
    for out in out {
        *out /= sum;
    }
}

fn mean(input: &[f32], count: usize, inner: usize, out: &mut [f32]) {
    for (block, out) in input.chunks_exact(count * inner).zip(out.chunks_exact_mut(inner)) {
        out.fill(0.0);
        for row in block.chunks_exact(inner) {
            for (out, x) in out.iter_mut().zip(row) {
                *out += x;
            }
        }
        for out in out {
            *out /= count as f32;
        }
    }
}

fn each_plane(input: &[f32], pool: &Pool, out: &mut [f32], mut run: impl FnMut(&[f32], &mut [f32])) {
    let planes = input.chunks_exact(pool.input.len());
    for (input, out) in planes.zip(out.chunks_exact_mut(pool.out[0] * pool.out[1])) {
        run(input, out);
    }
}

fn transpose(input: &[f32], from: &Shape, to: &Shape, order: &Dims, batch: usize, out: &mut [f32]) {
    let rank = to.rank;
    let own = strides(&from.of(batch)[..rank]);
    let mut steps = [0; MAX_RANK];
    for (step, &axis) in steps.iter_mut().zip(&order[..rank]) {
        *step = own[axis];
    }
    let dims = to.of(batch);
    let width = dims[rank - 1];
    let step = steps[rank - 1];
    let mut rows = out.chunks_exact_mut(width);
    each_row(&dims[..rank], [steps], |[place]| {
        let Some(row) = rows.next() else { return };
        if step == 1 {
            row.copy_from_slice(&input[place..][..width]);
        } else {
            for (index, out) in row.iter_mut().enumerate() {
                *out = input[place + index * step];
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_function_meets_its_table() {
        for (x, expected) in [
            (0.0, 0.0),
            (0.5, 0.520_499_9),
            (-1.0, -0.842_700_8),
            (2.0, 0.995_322_3),
            (9.0, 1.0),
        ] {
            assert!((erf(x) - expected).abs() < 3e-7, "{x}: {}", erf(x));
        }
    }

    #[test]
    fn operands_are_repeated_along_dimensions_of_one() {
        // `[N, 2, 3] - [N, 2, 1]` for a batch of two.
        let output = Shape::new(&[1, 2, 3], 0).unwrap();
        let column = Shape::new(&[1, 2, 1], 0).unwrap();
        let binary = Binary {
            function: Function::Subtract,
            output,
            operands: [output.dims, column.dims],
            batch: [Some(0), Some(0)],
            constant: None,
        };
        let left: Vec<f32> = (0..12_u8).map(f32::from).collect();
        let mut out = vec![0.0; 12];
        binary.run(2, &[&left, &[0.0, 1.0, 2.0, 3.0]], false, &mut out);
        assert_eq!(out, [0.0, 1.0, 2.0, 2.0, 3.0, 4.0, 4.0, 5.0, 6.0, 6.0, 7.0, 8.0]);
        let mut in_place = left.clone();
        binary.run(2, &[&[], &[0.0, 1.0, 2.0, 3.0]], true, &mut in_place);
        assert_eq!(in_place, out);
    }

    #[test]
    fn a_softmax_sums_to_one_even_of_equal_large_scores() {
        let mut out = [0.0; 4];
        softmax(&[-1e4; 4], &mut out);
        assert_eq!(out, [0.25; 4]);
    }
}
