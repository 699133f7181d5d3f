//! Convolution as products of a window's values with packed filters, without a copy of the windows: each sample is brought into
//! the cache with its channels last, and its output from there to where it belongs.

use super::frame::Frame;
use super::output::{is_shared, produce, share};
use super::pool::{NOWHERE, Pool, PoolShape};
use super::shape::{ConvolutionShape, Tail};
use super::transpose::{Matrix, transpose};
use crate::kernels::lanes::run;
use crate::kernels::panels::{FloatPanels, MatrixShape, PANEL};
use crate::kernels::product::{FloatOutput, float_product};
use crate::kernels::{InstructionSet, Walk, Window};

/// The largest pool whose places are bytes.
pub const LARGEST_POOL: usize = 15;

/// The output of a convolution.
#[derive(Debug, Clone, PartialEq)]
pub struct Convolved {
    /// Sample by sample, in the order of the shape.
    pub out: Vec<f32>,
    /// Of a pool the place of each largest value in its square, with channels last; else nothing.
    pub places: Vec<u8>,
}

/// A thread's room.
#[derive(Default)]
struct Scratch {
    turned: Vec<f32>,
    frame: Vec<f32>,
    out: Vec<f32>,
    pooled: Vec<f32>,
}

/// What all samples share.
struct Plan<'a> {
    set: InstructionSet,
    shape: &'a ConvolutionShape,
    tail: Tail,
    frame: Frame,
    walk: Walk,
    panels: FloatPanels,
    bias: Vec<f32>,
}

/// `x` is `[samples, channels, height, width]` (`[samples, height, width, channels]` with channels last), `weight` is
/// `[filters, channels, height, width]` of the window, and `bias` one a filter. Sizes that do not fit panic, and so does a pool larger
/// than [`LARGEST_POOL`].
pub fn convolve(
    set: InstructionSet,
    shape: &ConvolutionShape,
    tail: Tail,
    [x, weight, bias]: [&[f32]; 3],
) -> Convolved {
    assert!((1..=LARGEST_POOL).contains(&tail.pool));
    assert!(weight.len() == shape.filters * shape.depth() && bias.len() == shape.filters);
    let (inputs, outputs) = (shape.input_len(), shape.output_len(tail));
    let samples = x.len() / inputs.max(1);
    assert_eq!(x.len(), samples * inputs);
    let plan = Plan::new(set, shape, tail, weight, bias);
    let work = samples * shape.work();
    let share = share(samples, work);
    let (out, places) = produce([samples * outputs, share * outputs], is_shared(work), |part, out| {
        let mut scratch = Scratch::default();
        let mut places = Vec::new();
        let x = x[part * share * inputs..].chunks_exact(inputs.max(1));
        for (x, out) in x.zip(out.chunks_exact_mut(outputs.max(1))) {
            plan.sample(x, &mut scratch, &mut places, out);
        }
        places
    });
    Convolved {
        out,
        places: places.concat(),
    }
}

impl<'a> Plan<'a> {
    fn new(set: InstructionSet, shape: &'a ConvolutionShape, tail: Tail, weight: &[f32], bias: &[f32]) -> Self {
        let size = [0, 1].map(|axis| shape.input[axis] + 2 * shape.padding[axis]);
        let [_, out_width] = shape.out();
        let mut padded = vec![0.0; shape.filters.next_multiple_of(PANEL)];
        padded[..bias.len()].copy_from_slice(bias);
        Self {
            set,
            shape,
            tail,
            frame: Frame {
                channels: shape.channels,
                image: shape.input,
                before: shape.padding,
                size,
            },
            walk: Walk::window(&Window {
                channels: shape.channels,
                padded_width: size[1],
                out_width,
                kernel: shape.kernel,
                stride: shape.stride,
                dilation: [1, 1],
            }),
            panels: packed_filters(set, shape, weight),
            bias: padded,
        }
    }

    fn sample(&self, x: &[f32], scratch: &mut Scratch, places: &mut Vec<u8>, out: &mut [f32]) {
        let Self { set, shape, tail, .. } = *self;
        let [height, width] = shape.out();
        let (filters, positions) = (shape.filters, height * width);
        let x = if self.frame.is_as_given(shape.channels_last) {
            x
        } else {
            scratch.frame.resize(self.frame.len(), 0.0);
            self.frame
                .put(set, x, shape.channels_last, &mut scratch.turned, &mut scratch.frame);
            &scratch.frame
        };
        let product = |out: &mut [f32]| {
            let output = FloatOutput::plain(out, filters, tail.low());
            float_product(x, &self.walk, positions, &self.panels, &self.bias, output);
        };
        if shape.channels_last && tail.pool == 1 {
            product(out);
            return;
        }
        scratch.out.resize(positions * filters, 0.0);
        product(&mut scratch.out);
        let mut last = &mut scratch.out;
        let mut area = positions;
        if tail.pool > 1 {
            let [height, width] = shape.pooled(tail);
            area = height * width;
            let first = places.len();
            places.resize(first + area * filters, 0);
            scratch.pooled.resize(area * filters, 0.0);
            let pool = PoolShape {
                input: shape.out(),
                window: [tail.pool; 2],
                values: filters,
            };
            let places = &mut places[first..];
            let work = Pool {
                shape: &pool,
                from: last,
                out: &mut scratch.pooled,
                places,
            };
            run(set, work);
            if tail.relu {
                for (place, &largest) in places.iter_mut().zip(&scratch.pooled) {
                    *place = if largest == 0.0 { NOWHERE } else { *place };
                }
            }
            last = &mut scratch.pooled;
        }
        if shape.channels_last {
            out.copy_from_slice(last);
            return;
        }
        let matrix = Matrix {
            rows: area,
            columns: filters,
            pitch: filters,
        };
        transpose(set, matrix, last, out, area);
    }
}

/// The filters along the depth of a window: line by line, in each its positions, in each the channels.
fn packed_filters(set: InstructionSet, shape: &ConvolutionShape, weight: &[f32]) -> FloatPanels {
    let [height, width] = shape.kernel;
    let (channels, taps) = (shape.channels, height * width);
    let matrix = MatrixShape {
        columns: shape.filters,
        runs: height,
        run_len: width * channels,
    };
    let mut panels = FloatPanels::pack(set, MatrixShape { columns: 0, ..matrix }, |_, _, _| 0.0);
    let lines = panels.reshaped(matrix);
    let depth = shape.depth();
    let mut turned = vec![0.0; depth * PANEL];
    for (panel, lines) in lines.chunks_exact_mut(depth.max(1)).enumerate() {
        let first = panel * PANEL;
        let filters = Matrix {
            rows: (shape.filters - first).min(PANEL),
            columns: depth,
            pitch: depth,
        };
        turned.fill(0.0);
        transpose(set, filters, &weight[first * depth..], &mut turned, PANEL);
        let (turned, _) = turned.as_chunks::<PANEL>();
        for (tap, lines) in lines.chunks_exact_mut(channels.max(1)).enumerate() {
            for (line, turned) in lines.iter_mut().zip(turned[tap..].iter().step_by(taps)) {
                *line = *turned;
            }
        }
    }
    panels
}
