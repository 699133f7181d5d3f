//! What a convolution takes from the heap beside its output: as the kernels for training hold it.

use super::layers::{Terms, Traced};
use crate::spec::{LayerSpec, Shape};

/// Filters that are packed together.
const PANEL: u64 = 16;
/// Parts in which gradients of filters are summed, fewer where the filters are large.
const PARTS: u64 = 8;
const FEWEST_PARTS: u64 = 4;
/// Positions that the gradient of the filters takes at once at least.
const LONG: u64 = 128;
/// Multiplications below which one thread does all.
const WORTH_THREADS: u64 = 300_000;

/// The sizes of a convolution.
struct Sizes {
    kernel: [u64; 2],
    stride: [u64; 2],
    padding: [u64; 2],
    input: [u64; 2],
    /// Height and width of its own output, before a pool.
    out: [u64; 2],
    channels: u64,
    filters: u64,
    channels_last: bool,
}

impl Sizes {
    fn of(traced: &Traced) -> Option<Self> {
        let (channels, filters) = (
            traced.placed.input.channels() as u64,
            traced.placed.output.channels() as u64,
        );
        let sizes = |kernel: usize, stride: usize, padding: usize, height: u64, width: u64, steps: bool| {
            let (kernel, stride, padding) = (kernel as u64, stride as u64, padding as u64);
            let axis = |value: u64, neutral: u64| if steps { [neutral, value] } else { [value; 2] };
            let (kernel, stride, padding) = (axis(kernel, 1), axis(stride, 1), axis(padding, 0));
            let input = [height, width];
            Self {
                out: [0, 1].map(|axis| {
                    let room = (input[axis] + 2 * padding[axis]).saturating_sub(kernel[axis]);
                    room / stride[axis].max(1) + 1
                }),
                kernel,
                stride,
                padding,
                input,
                channels,
                filters,
                channels_last: steps,
            }
        };
        match traced.placed.layer {
            LayerSpec::Conv2d {
                kernel,
                stride,
                padding,
                ..
            }
            | LayerSpec::DepthwiseConv2d {
                kernel,
                stride,
                padding,
            } => {
                let Shape::Image { height, width, .. } = traced.placed.input else {
                    return None;
                };
                let padding = LayerSpec::padding_pixels(kernel, padding);
                Some(sizes(kernel, stride, padding, height as u64, width as u64, false))
            }
            LayerSpec::Conv1d {
                kernel,
                stride,
                padding,
                ..
            } => {
                let padding = LayerSpec::padding_pixels(kernel, padding);
                let steps = traced.placed.input.positions() as u64;
                Some(sizes(kernel, stride, padding, 1, steps, true))
            }
            _ => None,
        }
    }

    fn positions(&self) -> u64 {
        self.out[0] * self.out[1]
    }

    fn depth(&self) -> u64 {
        self.channels * self.kernel[0] * self.kernel[1]
    }

    fn padded(&self, axis: usize) -> u64 {
        self.input[axis] + 2 * self.padding[axis]
    }

    fn is_padded(&self) -> bool {
        self.padding != [0, 0]
    }

    /// Whether the input is read where it lies.
    fn is_as_given(&self) -> bool {
        !self.is_padded() && (self.channels_last || self.channels == 1)
    }
}

/// What a convolution keeps and needs for a moment; with channels of their own windows, little of either.
pub fn terms(traced: &Traced) -> Terms {
    let Some(sizes) = Sizes::of(traced) else {
        return Terms::default();
    };
    let gradient = traced.x();
    let weights = traced.weights();
    if matches!(traced.placed.layer, LayerSpec::DepthwiseConv2d { .. }) {
        return Terms {
            saves_input: true,
            backward: gradient + (parts(traced, &sizes) + 1) * weights,
            ..Terms::default()
        };
    }
    // A byte for each place of a pool, put together from the threads' own.
    let places = if traced.together.pool > 1 { traced.y() / 4 } else { 0 };
    Terms {
        saves_input: true,
        kept: places,
        forward: places + forward(traced, &sizes),
        backward: if traced.tracked { gradient } else { 0 } + backward(traced, &sizes),
        ..Terms::default()
    }
}

/// Threads that are at work at once.
fn busy(traced: &Traced, work: u64, tasks: u64) -> u64 {
    if traced.rows * work < WORTH_THREADS {
        return 1;
    }
    traced.threads.min(tasks).max(1)
}

fn parts(traced: &Traced, sizes: &Sizes) -> u64 {
    let parts = if matches!(traced.placed.layer, LayerSpec::DepthwiseConv2d { .. }) {
        PARTS
    } else {
        let weights = (sizes.filters * sizes.depth()).max(1);
        let values = traced.rows * (traced.placed.input.len() + traced.placed.output.len()) as u64;
        (values / weights).clamp(FEWEST_PARTS, PARTS)
    };
    let part = traced.rows.div_ceil(parts).max(1);
    traced.rows.div_ceil(part)
}

/// The packed filters, and for each thread a sample in its frame, turned, and its output before it is turned back and pooled.
fn forward(traced: &Traced, sizes: &Sizes) -> u64 {
    let Sizes { channels, filters, .. } = *sizes;
    let pool = traced.together.pool > 1;
    let frame = if sizes.is_as_given() {
        0
    } else {
        channels * sizes.padded(0) * sizes.padded(1)
    };
    let turned = if sizes.is_padded() && !sizes.channels_last && channels > 1 {
        channels * sizes.input[0] * sizes.input[1]
    } else {
        0
    };
    let out = if sizes.channels_last && !pool {
        0
    } else {
        filters * sizes.positions()
    };
    let pooled = if pool { traced.placed.output.len() as u64 } else { 0 };
    let packed = sizes.depth() * filters.next_multiple_of(PANEL);
    let busy = busy(traced, sizes.positions() * filters * sizes.depth(), traced.rows);
    4 * (packed + busy * (frame + turned + out + pooled))
}

/// The turned filters, the sums of all parts, their total and its turned form, and for each thread the gradient of a sample's output
/// in its frame and as panels, and the input as the products read it.
fn backward(traced: &Traced, sizes: &Sizes) -> u64 {
    let Sizes { channels, filters, .. } = *sizes;
    let parts = parts(traced, sizes);
    let positions = sizes.positions();
    let pool = traced.together.pool > 1;
    let margin = |axis: usize| {
        let reach = (sizes.kernel[axis] - 1).saturating_sub(sizes.padding[axis]);
        if traced.tracked {
            2 * reach.div_ceil(sizes.stride[axis])
        } else {
            0
        }
    };
    let (down, across) = (margin(0), margin(1));
    let frame = filters * (sizes.out[0] + down) * (sizes.out[1] + across);
    let first = sizes.channels_last || filters == 1;
    let turned = match (first, pool, down + across > 0) {
        (false, true, _) => traced.placed.output.len() as u64,
        (false, false, true) => filters * positions,
        _ => 0,
    };
    let given = sizes.stride[1] == 1 && sizes.is_as_given_by_channel();
    let turned = if sizes.channels_last && channels > 1 {
        turned.max(channels * sizes.input[1])
    } else {
        turned
    };
    let masked = if traced.together.relu && !pool {
        filters * positions
    } else {
        0
    };
    let group = (LONG / positions.max(1)).max(1).min(traced.rows.div_ceil(parts));
    let panels = group * positions * filters.next_multiple_of(PANEL);
    let hands = sizes.stride[1].min(sizes.kernel[1]);
    let planes = if given {
        0
    } else {
        group * channels * sizes.padded(0) * hands * sizes.padded(1).div_ceil(sizes.stride[1])
    };
    let (phase, packed) = if traced.tracked {
        let count = |axis: usize| sizes.input[axis].div_ceil(sizes.stride[axis]);
        let is_direct = sizes.stride == [1, 1] && (sizes.channels_last || channels == 1);
        let phase = if is_direct { 0 } else { channels * count(0) * count(1) };
        let packed = sizes.kernel[0] * sizes.kernel[1] * filters * channels.next_multiple_of(PANEL);
        (phase, packed)
    } else {
        (0, 0)
    };
    let busy = busy(traced, 2 * positions * filters * sizes.depth(), parts);
    let threads = 4 * busy * (frame + turned + masked + panels + planes + phase);
    // The threads' room is given back before the sums are turned.
    4 * packed + parts * traced.weights() + threads.max(traced.weights())
}

impl Sizes {
    /// Whether the input's channels are read where they lie.
    fn is_as_given_by_channel(&self) -> bool {
        !self.is_padded() && (!self.channels_last || self.channels == 1)
    }
}
