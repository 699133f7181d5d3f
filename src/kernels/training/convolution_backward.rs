//! The backward pass of a convolution: to its input as products of the output's gradient with the filters turned round, one for each
//! phase of the stride, and to the filters as products of the input's channels with that gradient along the positions.

use super::frame::Frame;
use super::output::{is_shared, produce};
use super::shape::{ConvolutionShape, Tail};
use super::tails::{Masked, Unpool};
use super::transpose::{Matrix, transpose};
use crate::kernels::lanes::run;
use crate::kernels::panels::{FloatPanels, MatrixShape, PANEL};
use crate::kernels::product::{FloatOutput, add_float_product, float_product};
use crate::kernels::{InstructionSet, Walk};

/// Parts in which gradients are summed over the samples, whatever the number of threads; fewer where the filters are large.
pub(super) const PARTS: usize = 8;
const FEWEST_PARTS: usize = 4;

/// Positions along which the products for the filters are at least summed, of several samples where each has few.
const LONG: usize = 128;

/// What the forward pass knew.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The input, asked only for the gradient of the weight.
    pub x: &'a [f32],
    /// The filters, asked only for the gradient of the input.
    pub weight: &'a [f32],
    /// The output, asked only of a tail with a ReLU and no pool.
    pub out: &'a [f32],
    /// The places of a pool, asked only of a tail with one.
    pub places: &'a [u8],
}

/// Those that were wanted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConvolutionGradients {
    /// In the order of the input.
    pub input: Option<Vec<f32>>,
    /// In the order of the weight.
    pub weight: Option<Vec<f32>>,
    /// One a filter.
    pub bias: Option<Vec<f32>>,
}

/// A thread's room.
struct Scratch {
    turned: Vec<f32>,
    masked: Vec<f32>,
    /// The output's gradient, channels last.
    frame: Vec<f32>,
    /// The same as panels, of several samples.
    panels: FloatPanels,
    /// The input, channels first and zeros around it, of several samples.
    planes: Vec<f32>,
    phase: Vec<f32>,
}

struct Plan<'a> {
    set: InstructionSet,
    shape: &'a ConvolutionShape,
    tail: Tail,
    known: Known<'a>,
    gradient: &'a [f32],
    frame: Frame,
    /// Of the gradient of the input; none where it is not wanted.
    phases: Vec<Phase>,
    planes: Planes,
    zeros: Vec<f32>,
    /// Samples whose filters' gradient is computed at once.
    group: usize,
    wanted: [bool; 3],
}

/// The input's positions that are as far behind a multiple of the stride: they meet the same part of the filters.
struct Phase {
    /// The first position, and how many there are, along each axis.
    first: [usize; 2],
    count: [usize; 2],
    /// Where in the frame the first position's values begin.
    base: usize,
    walk: Walk,
    panels: FloatPanels,
}

/// The input as the products for the filters read it: channels first, padded, its columns dealt out by the stride.
struct Planes {
    /// Whether the input lies so already.
    as_given: bool,
    /// Height, and width of one hand of columns.
    size: [usize; 2],
    /// Hands that a window meets.
    hands: usize,
    /// Values of a sample.
    len: usize,
    starts: Vec<usize>,
}

/// The sums of a part of the samples: `[depth, filters]` and `[filters]`.
struct Sums {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

/// The gradients of input, weight and bias that are `wanted`, of the gradient of the output.
pub fn convolve_backward(
    set: InstructionSet,
    shape: &ConvolutionShape,
    tail: Tail,
    known: Known<'_>,
    gradient: &[f32],
    wanted: [bool; 3],
) -> ConvolutionGradients {
    let (inputs, outputs) = (shape.input_len(), shape.output_len(tail));
    let samples = gradient.len() / outputs.max(1);
    let weights = shape.filters * shape.depth();
    assert!(gradient.len() == samples * outputs);
    assert!(!wanted[0] || known.weight.len() == weights);
    assert!(!wanted[1] || known.x.len() == samples * inputs);
    assert!(tail.pool == 1 || known.places.len() == gradient.len());
    assert!(tail.pool > 1 || !tail.relu || known.out.len() == gradient.len());
    let plan = Plan::new(set, shape, tail, known, gradient, wanted);
    let parts = samples * (inputs + outputs) / weights.max(1);
    let part = samples.div_ceil(parts.clamp(FEWEST_PARTS, PARTS)).max(1);
    let shared = is_shared(2 * samples * shape.work());
    let len = if wanted[0] { samples * inputs } else { samples };
    let (input, sums) = produce([len, len / samples.max(1) * part], shared, |index, out| {
        let first = index * part;
        let out = if wanted[0] { Some(out) } else { None };
        plan.part(first..(first + part).min(samples), out)
    });
    let mut sums = sums.into_iter();
    let mut total = sums.next().unwrap_or(Sums {
        weight: vec![0.0; shape.depth() * shape.filters],
        bias: vec![0.0; shape.filters],
    });
    for sums in sums {
        add(&mut total.weight, &sums.weight);
        add(&mut total.bias, &sums.bias);
    }
    let weight = wanted[1].then(|| {
        let matrix = Matrix {
            rows: shape.depth(),
            columns: shape.filters,
            pitch: shape.filters,
        };
        let mut weight = vec![0.0; total.weight.len()];
        transpose(set, matrix, &total.weight, &mut weight, shape.depth());
        weight
    });
    ConvolutionGradients {
        input: wanted[0].then_some(input),
        weight,
        bias: wanted[2].then_some(total.bias),
    }
}

fn add(sum: &mut [f32], values: &[f32]) {
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += value;
    }
}

impl<'a> Plan<'a> {
    fn new(
        set: InstructionSet,
        shape: &'a ConvolutionShape,
        tail: Tail,
        known: Known<'a>,
        gradient: &'a [f32],
        wanted: [bool; 3],
    ) -> Self {
        let image = shape.out();
        let axes = [0, 1].map(|axis| Axis::all(shape, axis));
        let margin = |of: fn(&Axis) -> usize| {
            axes.each_ref().map(|phases| {
                if wanted[0] {
                    phases.iter().map(of).max().unwrap_or(0)
                } else {
                    0
                }
            })
        };
        let (before, after) = (margin(|axis| axis.before), margin(|axis| axis.after));
        let frame = Frame {
            channels: shape.filters,
            image,
            before,
            size: [0, 1].map(|axis| before[axis] + image[axis] + after[axis]),
        };
        let mut phases = Vec::new();
        if wanted[0] {
            for down in &axes[0] {
                for across in &axes[1] {
                    phases.extend(Phase::new(set, shape, known.weight, &frame, [down, across]));
                }
            }
        }
        let positions = image[0] * image[1];
        Self {
            set,
            shape,
            tail,
            known,
            gradient,
            frame,
            phases,
            planes: Planes::new(shape),
            zeros: vec![0.0; shape.filters.next_multiple_of(PANEL)],
            group: (LONG / positions.max(1)).max(1),
            wanted,
        }
    }

    /// The gradients of some samples.
    fn part(&self, samples: std::ops::Range<usize>, mut out: Option<&mut [f32]>) -> Sums {
        let shape = self.shape;
        let mut sums = Sums {
            weight: vec![0.0; shape.depth() * shape.filters],
            bias: vec![0.0; shape.filters],
        };
        let matrix = MatrixShape {
            columns: 0,
            runs: 1,
            run_len: 1,
        };
        let mut scratch = Scratch {
            turned: Vec::new(),
            masked: Vec::new(),
            frame: vec![0.0; self.frame.len()],
            panels: FloatPanels::pack(self.set, matrix, |_, _, _| 0.0),
            planes: Vec::new(),
            phase: Vec::new(),
        };
        let inputs = shape.input_len();
        let first = samples.start;
        let mut at = samples.start;
        while at < samples.end {
            let count = self.group.min(samples.end - at);
            for place in 0..count {
                let sample = at + place;
                self.frame_gradient(sample, &mut scratch);
                if let Some(out) = &mut out {
                    let from = (sample - first) * inputs;
                    self.to_input(&mut scratch, &mut out[from..from + inputs]);
                }
                if self.wanted[1] || self.wanted[2] {
                    self.to_panels(&mut scratch, [place, count], &mut sums.bias);
                }
            }
            if self.wanted[1] {
                self.to_filters(&mut scratch, at, count, &mut sums.weight);
            }
            at += count;
        }
        sums
    }

    /// The gradient of the convolution itself, from behind its tail into its frame.
    fn frame_gradient(&self, sample: usize, scratch: &mut Scratch) {
        let Self { set, shape, tail, .. } = *self;
        let len = shape.output_len(tail);
        let gradient = &self.gradient[sample * len..][..len];
        let last = shape.channels_last;
        if tail.pool > 1 {
            let gradient = if last {
                gradient
            } else {
                let area = len / shape.filters.max(1);
                scratch.turned.resize(len, 0.0);
                let planes = Matrix {
                    rows: shape.filters,
                    columns: area,
                    pitch: area,
                };
                transpose(set, planes, gradient, &mut scratch.turned, shape.filters);
                &scratch.turned
            };
            let work = Unpool {
                pool: tail.pool,
                frame: &self.frame,
                size: shape.pooled(tail),
                gradient,
                places: &self.known.places[sample * len..][..len],
                out: &mut scratch.frame,
            };
            run(set, work);
            return;
        }
        let gradient = if tail.relu {
            scratch.masked.resize(len, 0.0);
            let out = &self.known.out[sample * len..][..len];
            run(set, Masked(gradient, out, &mut scratch.masked));
            &scratch.masked
        } else {
            gradient
        };
        self.frame
            .put(set, gradient, last, &mut scratch.turned, &mut scratch.frame);
    }

    fn to_input(&self, scratch: &mut Scratch, out: &mut [f32]) {
        let shape = self.shape;
        let channels = shape.channels;
        let [height, width] = shape.input;
        let zeros = vec![0.0; channels.next_multiple_of(PANEL)];
        for phase in &self.phases {
            let rows = phase.count[0] * phase.count[1];
            let is_whole = phase.count == shape.input;
            let from = &scratch.frame[phase.base..];
            let product = |out: &mut [f32]| {
                let output = FloatOutput::plain(out, channels, f32::NEG_INFINITY);
                float_product(from, &phase.walk, rows, &phase.panels, &zeros, output);
            };
            if is_whole && (shape.channels_last || channels == 1) {
                product(out);
                continue;
            }
            scratch.phase.resize(rows * channels, 0.0);
            product(&mut scratch.phase[..rows * channels]);
            let values = &scratch.phase[..rows * channels];
            if is_whole {
                let matrix = Matrix {
                    rows,
                    columns: channels,
                    pitch: channels,
                };
                transpose(self.set, matrix, values, out, rows);
                continue;
            }
            let (along, apart) = if shape.channels_last {
                (channels, 1)
            } else {
                (1, height * width)
            };
            for (row, values) in values.chunks_exact(channels).enumerate() {
                let y = phase.first[0] + row / phase.count[1] * shape.stride[0];
                let x = phase.first[1] + row % phase.count[1] * shape.stride[1];
                let places = out[(y * width + x) * along..].iter_mut().step_by(apart);
                for (place, &value) in places.zip(values) {
                    *place = value;
                }
            }
        }
    }

    /// The framed gradient as panels, at its place among `count` samples, and its sums onto those of the bias.
    fn to_panels(&self, scratch: &mut Scratch, [place, count]: [usize; 2], bias: &mut [f32]) {
        let filters = self.shape.filters;
        let [height, width] = self.frame.image;
        let matrix = MatrixShape {
            columns: filters,
            runs: count * height,
            run_len: width,
        };
        let depth = count * height * width;
        let panels = scratch.panels.reshaped(matrix).chunks_exact_mut(depth.max(1));
        for (panel, lines) in panels.enumerate() {
            let first = panel * PANEL;
            let columns = (filters - first).min(PANEL);
            let mut sums = [0.0; PANEL];
            let lines = lines[place * height * width..].chunks_exact_mut(width).take(height);
            for (y, lines) in lines.enumerate() {
                let from = &scratch.frame[self.frame.start(y) + first..];
                if columns == PANEL {
                    for (x, line) in lines.iter_mut().enumerate() {
                        line.copy_from_slice(&from[x * filters..][..PANEL]);
                        add(&mut sums, line);
                    }
                } else {
                    for (x, line) in lines.iter_mut().enumerate() {
                        line[..columns].copy_from_slice(&from[x * filters..][..columns]);
                        line[columns..].fill(0.0);
                        add(&mut sums, line);
                    }
                }
            }
            add(&mut bias[first..first + columns], &sums);
        }
    }

    fn to_filters(&self, scratch: &mut Scratch, first: usize, count: usize, sums: &mut [f32]) {
        let (shape, planes) = (self.shape, &self.planes);
        let inputs = shape.input_len();
        let x = &self.known.x[first * inputs..][..count * inputs];
        let x = if planes.as_given {
            x
        } else {
            scratch.planes.resize(count * planes.len, 0.0);
            let samples = scratch.planes.chunks_exact_mut(planes.len.max(1));
            for (x, out) in x.chunks_exact(inputs.max(1)).zip(samples) {
                planes.put(self.set, shape, x, &mut scratch.turned, out);
            }
            &scratch.planes
        };
        let [height, width] = self.frame.image;
        let runs = (0..count)
            .flat_map(|sample| (0..height).map(move |y| sample * planes.len + y * shape.stride[0] * planes.size[1]));
        let walk = Walk::listed(planes.starts.clone(), runs.collect(), width);
        let out = (sums, shape.filters);
        add_float_product(x, &walk, shape.depth(), &scratch.panels, &self.zeros, out);
    }
}

/// The positions of the input along one axis that are `first` behind a multiple of the stride.
struct Axis {
    first: usize,
    count: usize,
    /// Places of the window that they meet, the nearest last.
    taps: Vec<usize>,
    /// The output that the first of them meets first, counted from before the image.
    start: isize,
    /// Outputs that they meet before the image and behind it.
    before: usize,
    after: usize,
}

impl Axis {
    fn all(shape: &ConvolutionShape, axis: usize) -> Vec<Self> {
        let (stride, kernel) = (shape.stride[axis], shape.kernel[axis]);
        let out = shape.out()[axis].cast_signed();
        let phase = |first: usize| {
            let reach = first + shape.padding[axis];
            let taps: Vec<usize> = (reach % stride..kernel).step_by(stride).rev().collect();
            let count = shape.input[axis].saturating_sub(first).div_ceil(stride);
            let last = (reach / stride).cast_signed();
            let start = last + 1 - taps.len().cast_signed();
            let end = last + count.cast_signed();
            Self {
                first,
                count,
                start,
                before: (-start).max(0).cast_unsigned(),
                after: (end - out).max(0).cast_unsigned(),
                taps,
            }
        };
        (0..stride).map(phase).collect()
    }
}

impl Phase {
    /// None where no window reaches: the gradient is zero.
    fn new(
        set: InstructionSet,
        shape: &ConvolutionShape,
        weight: &[f32],
        frame: &Frame,
        axes: [&Axis; 2],
    ) -> Option<Self> {
        let [down, across] = axes;
        if axes.iter().any(|axis| axis.taps.is_empty() || axis.count == 0) {
            return None;
        }
        let filters = shape.filters;
        let matrix = MatrixShape {
            columns: shape.channels,
            runs: down.taps.len(),
            run_len: across.taps.len() * filters,
        };
        let (depth, window) = (shape.depth(), shape.kernel[0] * shape.kernel[1]);
        let mut panels = FloatPanels::pack(set, MatrixShape { columns: 0, ..matrix }, |_, _, _| 0.0);
        let lines = panels.reshaped(matrix);
        for (panel, lines) in lines.chunks_exact_mut(matrix.runs * matrix.run_len).enumerate() {
            let first = panel * PANEL;
            let columns = (shape.channels - first).min(PANEL);
            let taps = down
                .taps
                .iter()
                .flat_map(|y| across.taps.iter().map(move |x| y * shape.kernel[1] + x));
            for (tap, lines) in taps.zip(lines.chunks_exact_mut(filters)) {
                for (filter, line) in lines.iter_mut().enumerate() {
                    let weights = weight[filter * depth + first * window + tap..].iter().step_by(window);
                    *line = [0.0; PANEL];
                    for (place, &weight) in line[..columns].iter_mut().zip(weights) {
                        *place = weight;
                    }
                }
            }
        }
        let start = [0, 1].map(|axis| {
            let start = axes[axis].start + frame.before[axis].cast_signed();
            start.max(0).cast_unsigned()
        });
        let runs = (0..down.taps.len()).map(|tap| tap * frame.line()).collect();
        Some(Self {
            first: axes.map(|axis| axis.first),
            count: axes.map(|axis| axis.count),
            base: start[0] * frame.line() + start[1] * filters,
            walk: Walk::lines(across.count, [frame.line(), filters], runs, matrix.run_len),
            panels,
        })
    }
}

impl Planes {
    fn new(shape: &ConvolutionShape) -> Self {
        let [height, width] = [0, 1].map(|axis| shape.input[axis] + 2 * shape.padding[axis]);
        let stride = shape.stride[1];
        let size = [height, width.div_ceil(stride)];
        let plane = size[0] * size[1];
        let hand = shape.channels * plane;
        let hands = stride.min(shape.kernel[1]);
        let mut starts = Vec::with_capacity(shape.depth());
        for channel in 0..shape.channels {
            for y in 0..shape.kernel[0] {
                for x in 0..shape.kernel[1] {
                    starts.push(x % stride * hand + channel * plane + y * size[1] + x / stride);
                }
            }
        }
        Self {
            as_given: shape.padding == [0, 0] && stride == 1 && (!shape.channels_last || shape.channels == 1),
            size,
            hands,
            len: hands * hand,
            starts,
        }
    }

    /// Brings a sample into this order; the zeros around it stand there already. `turned` is room.
    fn put(&self, set: InstructionSet, shape: &ConvolutionShape, x: &[f32], turned: &mut Vec<f32>, out: &mut [f32]) {
        let [height, width] = shape.input;
        let area = height * width;
        let x = if shape.channels_last && shape.channels > 1 {
            let matrix = Matrix {
                rows: area,
                columns: shape.channels,
                pitch: shape.channels,
            };
            turned.resize(x.len(), 0.0);
            transpose(set, matrix, x, turned, area);
            turned
        } else {
            x
        };
        let stride = shape.stride[1];
        let plane = self.size[0] * self.size[1];
        for (channel, x) in x.chunks_exact(area.max(1)).enumerate() {
            for (y, line) in x.chunks_exact(width).enumerate() {
                let start = channel * plane + (y + shape.padding[0]) * self.size[1];
                if stride == 1 {
                    out[start + shape.padding[1]..][..width].copy_from_slice(line);
                    continue;
                }
                for hand in 0..self.hands {
                    // The first column of the image that falls into this hand, and its place there.
                    let skip = (hand + stride - shape.padding[1] % stride) % stride;
                    let place = (skip + shape.padding[1]) / stride;
                    let to = &mut out[hand * shape.channels * plane + start + place..];
                    let from = line.get(skip..).unwrap_or_default().iter().step_by(stride);
                    to.iter_mut().zip(from).for_each(|(to, &value)| *to = value);
                }
            }
        }
    }
}
