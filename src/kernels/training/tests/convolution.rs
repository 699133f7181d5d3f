//! Convolutions against plain loops.

use super::super::{ConvolutionShape, Known, Tail, convolve, convolve_backward, depthwise, depthwise_backward};
use super::{close, numbers, sets};
use crate::kernels::InstructionSet;

/// Output and gradients by plain loops.
struct Plain {
    out: Vec<f32>,
    input: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

fn plain(shape: &ConvolutionShape, tail: Tail, [x, weight, bias]: [&[f32]; 3], gradient: &[f32]) -> Plain {
    let [height, width] = shape.input;
    let [down, across] = shape.out();
    let samples = x.len() / shape.input_len();
    let at = |sample: usize, channel: usize, y: usize, x: usize, [channels, height, width]: [usize; 3]| {
        if shape.channels_last {
            ((sample * height + y) * width + x) * channels + channel
        } else {
            ((sample * channels + channel) * height + y) * width + x
        }
    };
    let sizes = [shape.channels, height, width];
    let whole = [shape.filters, down, across];
    let [pooled_down, pooled_across] = shape.pooled(tail);
    let pooled = [shape.filters, pooled_down, pooled_across];
    // Every product of the convolution: output, input, weight.
    let mut products = Vec::new();
    for sample in 0..samples {
        for filter in 0..shape.filters {
            for y in 0..down {
                for x in 0..across {
                    let out = at(sample, filter, y, x, whole);
                    for channel in 0..shape.channels {
                        for ky in 0..shape.kernel[0] {
                            for kx in 0..shape.kernel[1] {
                                let (iy, ix) = (y * shape.stride[0] + ky, x * shape.stride[1] + kx);
                                let inside = |place: usize, padding: usize, size: usize| {
                                    place.checked_sub(padding).filter(|place| *place < size)
                                };
                                let iy = inside(iy, shape.padding[0], height);
                                let ix = inside(ix, shape.padding[1], width);
                                let (Some(iy), Some(ix)) = (iy, ix) else { continue };
                                let tap = (channel * shape.kernel[0] + ky) * shape.kernel[1] + kx;
                                let input = at(sample, channel, iy, ix, sizes);
                                products.push((out, input, filter * shape.depth() + tap));
                            }
                        }
                    }
                }
            }
        }
    }
    let mut sums = vec![0.0_f64; samples * shape.filters * down * across];
    for &(out, input, place) in &products {
        sums[out] += f64::from(x[input]) * f64::from(weight[place]);
    }
    let mut before = vec![0.0_f64; sums.len()];
    let mut out = vec![0.0; gradient.len()];
    let mut bias_gradient = vec![0.0_f64; shape.filters];
    for sample in 0..samples {
        for filter in 0..shape.filters {
            for y in 0..pooled_down {
                for x in 0..pooled_across {
                    let mut best = (f64::NEG_INFINITY, 0);
                    for tap in 0..tail.pool * tail.pool {
                        let place = at(
                            sample,
                            filter,
                            y * tail.pool + tap / tail.pool,
                            x * tail.pool + tap % tail.pool,
                            whole,
                        );
                        let value = sums[place] + f64::from(bias[filter]);
                        if value > best.0 {
                            best = (value, place);
                        }
                    }
                    let to = at(sample, filter, y, x, pooled);
                    out[to] = if tail.relu { best.0.max(0.0) } else { best.0 } as f32;
                    if !tail.relu || best.0 > 0.0 {
                        before[best.1] += f64::from(gradient[to]);
                        bias_gradient[filter] += f64::from(gradient[to]);
                    }
                }
            }
        }
    }
    let mut inputs = vec![0.0_f64; x.len()];
    let mut weights = vec![0.0_f64; weight.len()];
    for &(out, input, place) in &products {
        inputs[input] += before[out] * f64::from(weight[place]);
        weights[place] += before[out] * f64::from(x[input]);
    }
    let single = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
    Plain {
        out,
        input: single(inputs),
        weight: single(weights),
        bias: single(bias_gradient),
    }
}

fn shapes() -> Vec<(ConvolutionShape, usize)> {
    let mut shapes = Vec::new();
    for (samples, channels, filters, input, kernel, stride, padding) in [
        (1, 1, 1, [1, 1], 1, 1, 0),
        (3, 1, 8, [8, 8], 3, 1, 1),
        (2, 3, 20, [9, 7], 5, 1, 2),
        (9, 5, 17, [6, 11], 3, 2, 1),
        (2, 4, 16, [7, 7], 3, 2, 0),
        (2, 16, 33, [5, 5], 1, 1, 0),
        (2, 18, 16, [5, 6], 1, 2, 0),
        (1, 2, 3, [12, 13], 7, 3, 3),
        (17, 3, 4, [4, 4], 3, 1, 0),
        (2, 3, 5, [4, 9], 3, 1, 2),
    ] {
        for channels_last in [false, true] {
            shapes.push((
                ConvolutionShape {
                    channels,
                    filters,
                    input,
                    kernel: [kernel; 2],
                    stride: [stride; 2],
                    padding: [padding; 2],
                    channels_last,
                },
                samples,
            ));
        }
    }
    for (channels, filters, steps, kernel, stride, padding) in
        [(1, 4, 9, 3, 1, 1), (12, 24, 30, 5, 2, 2), (6, 16, 10, 3, 1, 0)]
    {
        shapes.push((
            ConvolutionShape {
                channels,
                filters,
                input: [1, steps],
                kernel: [1, kernel],
                stride: [1, stride],
                padding: [0, padding],
                channels_last: true,
            },
            3,
        ));
    }
    shapes
}

#[test]
fn output_and_gradients_are_those_of_plain_loops() {
    let sets = sets();
    for (index, (shape, samples)) in shapes().into_iter().enumerate() {
        for (relu, pool) in [(false, 1), (true, 1), (true, 2), (false, 3)] {
            let tail = Tail { relu, pool };
            if shape.output_len(tail) == 0 {
                continue;
            }
            let seed = index as u32;
            let x = numbers(samples * shape.input_len(), seed);
            let weight = numbers(shape.filters * shape.depth(), seed + 100);
            let bias = numbers(shape.filters, seed + 200);
            let gradient = numbers(samples * shape.output_len(tail), seed + 300);
            let plain = plain(&shape, tail, [&x, &weight, &bias], &gradient);
            for &set in &sets {
                let name = format!("{shape:?} {tail:?} {samples} {set:?}");
                let ours = convolve(set, &shape, tail, [&x, &weight, &bias]);
                close(&name, &ours.out, &plain.out);
                let known = Known {
                    x: &x,
                    weight: &weight,
                    out: &ours.out,
                    places: &ours.places,
                };
                let all = convolve_backward(set, &shape, tail, known, &gradient, [true; 3]);
                close(&format!("{name} input"), all.input.as_ref().unwrap(), &plain.input);
                close(&format!("{name} weight"), all.weight.as_ref().unwrap(), &plain.weight);
                close(&format!("{name} bias"), all.bias.as_ref().unwrap(), &plain.bias);
                let some = convolve_backward(set, &shape, tail, known, &gradient, [false, true, true]);
                assert!(some.input.is_none() && some.weight == all.weight && some.bias == all.bias);
                let some = convolve_backward(set, &shape, tail, known, &gradient, [true, false, false]);
                assert!(some.weight.is_none() && some.bias.is_none() && some.input == all.input);
            }
        }
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let shape = ConvolutionShape {
        channels: 8,
        filters: 16,
        input: [14, 14],
        kernel: [3, 3],
        stride: [1, 1],
        padding: [1, 1],
        channels_last: false,
    };
    let samples = 13;
    let x = numbers(samples * shape.input_len(), 1);
    let weight = numbers(shape.filters * shape.depth(), 2);
    let bias = numbers(shape.filters, 3);
    let gradient = numbers(samples * shape.output_len(Tail::NONE), 4);
    let result = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let set = InstructionSet::best();
            let forward = convolve(set, &shape, Tail::NONE, [&x, &weight, &bias]);
            let known = Known {
                x: &x,
                weight: &weight,
                out: &[],
                places: &[],
            };
            let backward = convolve_backward(set, &shape, Tail::NONE, known, &gradient, [true; 3]);
            (forward, backward)
        })
    };
    let one = result(1);
    assert!(one == result(2) && one == result(5));
}

#[test]
fn a_window_for_each_channel_gives_what_plain_loops_give() {
    for (samples, channels, input, kernel, stride, padding) in [
        (3, 4, [8, 8], 3, 1, 1),
        (9, 3, [7, 5], 3, 2, 1),
        (1, 2, [1, 1], 3, 1, 1),
        (2, 5, [9, 12], 5, 2, 2),
        (2, 1, [6, 6], 3, 1, 0),
        (2, 2, [4, 4], 1, 2, 0),
        (1, 3, [28, 28], 7, 1, 3),
    ] {
        let shape = |channels| ConvolutionShape {
            channels,
            filters: channels,
            input,
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: [padding; 2],
            channels_last: false,
        };
        let (one, all) = (shape(1), shape(channels));
        let (inputs, outputs) = (one.input_len(), one.output_len(Tail::NONE));
        let x = numbers(samples * channels * inputs, 1);
        let weight = numbers(channels * one.depth(), 2);
        let bias = numbers(channels, 3);
        let gradient = numbers(samples * channels * outputs, 4);
        for set in sets() {
            let out = depthwise(set, &all, [&x, &weight, &bias]);
            let found = depthwise_backward(set, &all, [&x, &weight], &gradient, [true; 3]);
            let name = format!("{all:?} {set:?}");
            for channel in 0..channels {
                let of = |values: &[f32], len: usize| -> Vec<f32> {
                    let channels = values.chunks_exact(len).skip(channel).step_by(channels);
                    channels.flatten().copied().collect()
                };
                let weight = &weight[channel * one.depth()..][..one.depth()];
                let plain = plain(
                    &one,
                    Tail::NONE,
                    [&of(&x, inputs), weight, &bias[channel..=channel]],
                    &of(&gradient, outputs),
                );
                close(&name, &of(&out, outputs), &plain.out);
                close(&name, &of(found.input.as_ref().unwrap(), inputs), &plain.input);
                let weights = found.weight.as_ref().unwrap();
                close(&name, &weights[channel * one.depth()..][..one.depth()], &plain.weight);
                close(&name, &found.bias.as_ref().unwrap()[channel..=channel], &plain.bias);
            }
        }
    }
}
