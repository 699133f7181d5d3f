//! What a step does with a batch: one arm for each operation, over slices of floats or of bytes.

use super::dynamic::DynamicProduct;
use super::layers::{FloatLayer, IntegerLayer};
use super::matmul::{MatMul, Scratch};
use super::recurrent::Recurrent;
use super::shape::{Dims, MAX_RANK, Shape, each_row, strides};
use crate::kernels::{
    ByteSum, Function, Grid, InstructionSet, Pair, Pool, Right, add_bytes, apply, average_pool, channels_first,
    channels_last, combine, dequantize, layer_norm, max_pool, quantize, softmax,
};

/// The most values that a step reads.
pub const MOST: usize = 2;

/// One step, with its constants.
pub enum Kernel {
    Copy,
    Function(Function),
    Binary(Box<Binary>),
    Quantize(Grid),
    Dequantize(Grid),
    /// The sum of two values on grids, on a grid.
    AddBytes(ByteSum),
    /// The second value, where there is one, is added to the result.
    Float(Box<FloatLayer>),
    Integer(Box<IntegerLayer>),
    /// In integers, on a grid that the whole value makes.
    Dynamic(Box<DynamicProduct>),
    Recurrent(Box<Recurrent>),
    MatMul(Box<MatMul>),
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
    MaxPool(Pool),
    AveragePool {
        pool: Pool,
        counts_padding: bool,
    },
    /// Brings so many channels to the end of each sample, which has `len` values.
    ChannelsLast {
        channels: usize,
        len: usize,
    },
    /// Brings them back to its beginning.
    ChannelsFirst {
        channels: usize,
        len: usize,
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

/// A function of two values, of which one may be a constant; dimensions of one are repeated.
pub struct Binary {
    pub pair: Pair,
    pub output: Shape,
    /// Of the operands, with ones in front up to the rank of the output.
    pub operands: [Dims; 2],
    /// The axis that the batch multiplies, where the operand has it.
    pub batch: [Option<usize>; 2],
    pub constant: Option<(usize, Vec<f32>)>,
}

/// The values that a step reads, in the order of the operands that are no constants. One that is of the other kind, or lies where
/// the result will be, is empty.
#[derive(Default)]
pub struct Inputs<'a> {
    pub floats: [&'a [f32]; MOST],
    pub bytes: [&'a [u8]; MOST],
    /// How many there are.
    pub count: usize,
    /// The first is where the result will be.
    pub in_place: bool,
}

/// Where the result goes.
pub enum Output<'a> {
    Floats {
        out: &'a mut [f32],
        /// Beside the result, what the step works in.
        room: &'a mut [f32],
    },
    Bytes(&'a mut [u8]),
}

impl Kernel {
    pub fn run(
        &self,
        set: InstructionSet,
        batch: usize,
        inputs: &Inputs<'_>,
        output: Output<'_>,
        scratch: &mut Scratch,
    ) {
        match output {
            Output::Floats { out, room } => self.to_floats(set, batch, inputs, out, room, scratch),
            Output::Bytes(out) => self.to_bytes(set, inputs, out, scratch),
        }
    }

    /// Steps whose result is on a grid.
    fn to_bytes(&self, set: InstructionSet, inputs: &Inputs<'_>, out: &mut [u8], scratch: &mut Scratch) {
        let [bytes, other] = inputs.bytes;
        match self {
            Self::Quantize(grid) => quantize(set, *grid, inputs.floats[0], out),
            Self::AddBytes(sum) => add_bytes(set, *sum, bytes, other, out),
            Self::Integer(layer) => layer.run_to_bytes(bytes, &mut scratch.staging, out),
            Self::MaxPool(pool) => each_image(bytes, pool, out, |input, out| max_pool(set, input, pool, out)),
            Self::ChannelsLast { channels, len } => each_sample(bytes, *len, out, |input, out| {
                channels_last(input, *channels, out);
            }),
            Self::ChannelsFirst { channels, len } => each_sample(bytes, *len, out, |input, out| {
                channels_first(input, *channels, out);
            }),
            // No other step makes bytes.
            _ => {}
        }
    }

    fn to_floats(
        &self,
        set: InstructionSet,
        batch: usize,
        inputs: &Inputs<'_>,
        out: &mut [f32],
        room: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let [input, other] = inputs.floats;
        if let Self::Function(_) | Self::Softmax(_) = self
            && !inputs.in_place
        {
            out.copy_from_slice(input);
        }
        let added = (inputs.count > 1).then_some(other);
        match self {
            Self::Copy => out.copy_from_slice(input),
            Self::Function(function) => apply(set, *function, out),
            Self::Binary(binary) => binary.run(set, batch, inputs, out),
            Self::Dequantize(grid) => dequantize(set, *grid, inputs.bytes[0], out),
            Self::Float(layer) => layer.run(input, added, &mut scratch.staging, out),
            Self::Integer(layer) => layer.run_to_floats(inputs.bytes[0], added, &mut scratch.staging, out),
            Self::Dynamic(product) => product.run(set, input, out, &mut scratch.staging),
            Self::Recurrent(recurrent) => recurrent.run(set, batch, input, out, room),
            Self::MatMul(product) => product.run(batch, input, other, &mut scratch.packing, out),
            Self::ScaleShift { scale, shift, inner } => scale_shift(input, scale, shift, *inner, out),
            Self::LayerNorm { scale, shift, epsilon } => layer_norm(set, input, scale, shift, *epsilon, out),
            Self::Softmax(len) => softmax(set, *len, out),
            Self::Mean { shape, axis } => mean(input, shape.dims[*axis], shape.around(*axis, batch)[1], out),
            Self::MaxPool(pool) => each_image(input, pool, out, |input, out| max_pool(set, input, pool, out)),
            Self::AveragePool { pool, counts_padding } => {
                each_image(input, pool, out, |input, out| {
                    average_pool(input, pool, *counts_padding, out);
                });
            }
            Self::ChannelsLast { channels, len } => each_sample(input, *len, out, |input, out| {
                channels_last(input, *channels, out);
            }),
            Self::ChannelsFirst { channels, len } => each_sample(input, *len, out, |input, out| {
                channels_first(input, *channels, out);
            }),
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
            // These make bytes.
            Self::Quantize(_) | Self::AddBytes(_) => {}
        }
    }

    /// Whether the first value read may be overwritten with the result.
    pub fn works_in_place(&self) -> bool {
        match self {
            Self::Function(_) | Self::Softmax(_) => true,
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
            Self::Float(layer) => return layer.weight_bytes(),
            Self::Integer(layer) => return layer.weight_bytes(),
            Self::Dynamic(product) => return product.weight_bytes(),
            Self::Recurrent(recurrent) => return recurrent.weight_bytes(),
            Self::Binary(binary) => binary.constant.as_ref().map_or(0, |(_, values)| values.len()),
            Self::ScaleShift { scale, shift, .. } | Self::LayerNorm { scale, shift, .. } => scale.len() + shift.len(),
            Self::Lookup { table, .. } => table.len(),
            _ => 0,
        };
        floats * size_of::<f32>()
    }
}

impl Binary {
    fn run(&self, set: InstructionSet, batch: usize, inputs: &Inputs<'_>, out: &mut [f32]) {
        let mut values = inputs.floats.into_iter();
        let mut next = |operand: usize| match &self.constant {
            Some((place, constant)) if *place == operand => constant.as_slice(),
            _ => values.next().unwrap_or_default(),
        };
        let (left, right) = (next(0), next(1));
        let (rank, dims, [left_steps, right_steps]) = self.joined(batch);
        let last = rank - 1;
        let width = dims[last];
        let mut rows = out.chunks_exact_mut(width);
        each_row(&dims[..rank], [left_steps, right_steps], |[a, b]| {
            let Some(out) = rows.next() else { return };
            if !inputs.in_place {
                if left_steps[last] == 0 {
                    out.fill(left[a]);
                } else {
                    out.copy_from_slice(&left[a..][..width]);
                }
            }
            let right = if right_steps[last] == 0 {
                Right::One(right[b])
            } else {
                Right::Each(&right[b..][..width])
            };
            combine(set, self.pair, out, right);
        });
    }

    /// The rank and dimensions of the result for a batch and the operands' steps along them, with neighbouring axes made one where
    /// they are so in memory.
    fn joined(&self, batch: usize) -> (usize, Dims, [Dims; 2]) {
        let rank = self.output.rank;
        let dims = self.output.of(batch);
        let steps = [0, 1].map(|operand| {
            let mut own = self.operands[operand];
            if let Some(axis) = self.batch[operand] {
                own[axis] *= batch;
            }
            let mut steps = strides(&own[..rank]);
            // A dimension of one is repeated.
            for axis in (0..rank).filter(|&axis| own[axis] == 1) {
                steps[axis] = 0;
            }
            steps
        });
        // Filled from the last axis to the first, so that axes are left out in front.
        let (mut first, mut sizes, mut along) = (MAX_RANK, [1; MAX_RANK], [[0; MAX_RANK]; 2]);
        for axis in (0..rank).rev().filter(|&axis| dims[axis] != 1) {
            let step = steps.map(|steps| steps[axis]);
            let continues = first < MAX_RANK && (0..2).all(|o| step[o] == along[o][first] * sizes[first]);
            if continues {
                sizes[first] *= dims[axis];
            } else {
                first -= 1;
                sizes[first] = dims[axis];
                (along[0][first], along[1][first]) = (step[0], step[1]);
            }
        }
        first = first.min(MAX_RANK - 1);
        sizes.rotate_left(first);
        for along in &mut along {
            along.rotate_left(first);
        }
        (MAX_RANK - first, sizes, along)
    }
}

fn scale_shift(input: &[f32], scale: &[f32], shift: &[f32], inner: usize, out: &mut [f32]) {
    if inner == 1 {
        for (input, out) in input.chunks_exact(scale.len()).zip(out.chunks_exact_mut(scale.len())) {
            for ((out, x), (scale, shift)) in out.iter_mut().zip(input).zip(scale.iter().zip(shift)) {
                *out = x * scale + shift;
            }
        }
        return;
    }
    for (place, (input, out)) in input.chunks_exact(inner).zip(out.chunks_exact_mut(inner)).enumerate() {
        let channel = place % scale.len();
        let (scale, shift) = (scale[channel], shift[channel]);
        out.iter_mut().zip(input).for_each(|(out, x)| *out = x * scale + shift);
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

fn each_image<T>(input: &[T], pool: &Pool, out: &mut [T], run: impl FnMut(&[T], &mut [T])) {
    let len = pool.out[0] * pool.out[1] * pool.input.channels;
    each_pair(input.chunks_exact(pool.input.len()), out.chunks_exact_mut(len), run);
}

fn each_sample<T>(input: &[T], len: usize, out: &mut [T], run: impl FnMut(&[T], &mut [T])) {
    each_pair(input.chunks_exact(len), out.chunks_exact_mut(len), run);
}

fn each_pair<'a, T: 'a>(
    inputs: impl Iterator<Item = &'a [T]>,
    outs: impl Iterator<Item = &'a mut [T]>,
    mut run: impl FnMut(&[T], &mut [T]),
) {
    inputs.zip(outs).for_each(|(input, out)| run(input, out));
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
    fn operands_are_repeated_along_dimensions_of_one() {
        // `[N, 2, 3] - [N, 2, 1]` for a batch of two.
        let output = Shape::new(&[1, 2, 3], 0).unwrap();
        let column = Shape::new(&[1, 2, 1], 0).unwrap();
        let binary = Binary {
            pair: Pair::Subtract,
            output,
            operands: [output.dims, column.dims],
            batch: [Some(0), Some(0)],
            constant: None,
        };
        let left: Vec<f32> = (0..12_u8).map(f32::from).collect();
        let right = [0.0, 1.0, 2.0, 3.0];
        let mut out = vec![0.0; 12];
        let mut inputs = Inputs {
            floats: [&left, &right],
            ..Inputs::default()
        };
        binary.run(InstructionSet::best(), 2, &inputs, &mut out);
        assert_eq!(out, [0.0, 1.0, 2.0, 2.0, 3.0, 4.0, 4.0, 5.0, 6.0, 6.0, 7.0, 8.0]);
        let mut in_place = left.clone();
        inputs.floats[0] = &[];
        inputs.in_place = true;
        binary.run(InstructionSet::best(), 2, &inputs, &mut in_place);
        assert_eq!(in_place, out);
    }

    #[test]
    fn axes_that_are_one_in_memory_become_one() {
        // `[N, 4, 5] + [4, 5]`: rows of twenty.
        let output = Shape::new(&[1, 4, 5], 0).unwrap();
        let binary = Binary {
            pair: Pair::Add,
            output,
            operands: [output.dims, output.dims],
            batch: [Some(0), None],
            constant: Some((1, vec![1.0; 20])),
        };
        let (rank, dims, [left, right]) = binary.joined(3);
        assert_eq!(dims[..rank], [3, 20]);
        assert_eq!((left[..2].to_vec(), right[..2].to_vec()), (vec![20, 1], vec![0, 1]));
    }
}
