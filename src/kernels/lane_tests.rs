//! Depth-wise convolutions, functions and element-wise work of every instruction set against plain loops.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

fn available() -> impl Iterator<Item = InstructionSet> {
    InstructionSet::ALL.into_iter().filter(|set| set.is_available())
}

/// Windows over images, and numbers of channels.
fn planes() -> Vec<(Plane, usize)> {
    let mut planes = Vec::new();
    for channels in [1, 5, 16, 24, 40] {
        for (kernel, stride, dilation, pads) in [
            ([3, 3], [1, 1], 1, [1, 1]),
            ([3, 3], [2, 2], 1, [1, 1]),
            ([2, 5], [1, 2], 1, [0, 2]),
            ([3, 3], [1, 1], 2, [3, 2]),
            ([5, 5], [1, 1], 1, [0, 7]),
        ] {
            let input = [9, 23];
            let out = [0, 1]
                .map(|axis| (input[axis] + 2 * pads[axis] - (kernel[axis] - 1) * dilation - 1) / stride[axis] + 1);
            let plane = Plane {
                input,
                out,
                kernel,
                stride,
                dilation: [dilation, dilation],
                pad: pads,
            };
            planes.push((plane, channels));
        }
    }
    planes
}

/// The value under a tap of an output pixel; `around` outside the image.
fn under<T: Copy>(plane: &Plane, values: &[T], around: T, [pixel, tap, channel, channels]: [usize; 4]) -> T {
    let out = [pixel / plane.out[1], pixel % plane.out[1]];
    let tap = [tap / plane.kernel[1], tap % plane.kernel[1]];
    let at = [0, 1]
        .map(|axis| (out[axis] * plane.stride[axis] + tap[axis] * plane.dilation[axis]).wrapping_sub(plane.pad[axis]));
    if at[0] < plane.input[0] && at[1] < plane.input[1] {
        values[(at[0] * plane.input[1] + at[1]) * channels + channel]
    } else {
        around
    }
}

/// The plain twin of a function, and of a pair.
type OfOne = fn(f64) -> f64;
type OfTwo = fn(f32, f32) -> f32;

#[test]
fn depthwise_floats_are_near_plain_loops() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for (plane, channels) in planes() {
        let (count, pixels) = (plane.kernel[0] * plane.kernel[1], plane.out[0] * plane.out[1]);
        let mut random = |len: usize| -> Vec<f32> { (0..len).map(|_| rng.random_range(-1.0..1.0)).collect() };
        let (values, add) = (random(9 * 23 * channels), random(pixels * channels));
        let (weights, bias) = (random(channels * count), random(channels.next_multiple_of(PANEL)));
        for set in available() {
            let taps = Taps::pack(set, plane, channels, |channel, tap| weights[channel * count + tap]);
            let mut out = vec![0.5; pixels * channels + 1];
            let output = FloatOutput {
                out: &mut out,
                pitch: channels,
                add: Some(&add),
                low: -0.5,
            };
            depthwise_floats(&values, &taps, &bias, output);
            assert_eq!(out.pop(), Some(0.5));
            for (index, &found) in out.iter().enumerate() {
                let (pixel, channel) = (index / channels, index % channels);
                let products = (0..count).map(|tap| {
                    let value = under(&plane, &values, 0.0, [pixel, tap, channel, channels]);
                    f64::from(value) * f64::from(weights[channel * count + tap])
                });
                let expected = products.sum::<f64>() + f64::from(bias[channel]) + f64::from(add[index]);
                assert!(
                    (f64::from(found) - expected.max(-0.5)).abs() < 1e-5,
                    "{set}: {found} {expected}"
                );
            }
        }
    }
}

#[test]
fn depthwise_integers_equal_plain_loops_bit_for_bit() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    for (plane, channels) in planes() {
        let (count, pixels) = (plane.kernel[0] * plane.kernel[1], plane.out[0] * plane.out[1]);
        let padded = channels.next_multiple_of(PANEL);
        let values: Vec<u8> = (0..9 * 23 * channels).map(|_| rng.random()).collect();
        let weights: Vec<i8> = (0..channels * count).map(|_| rng.random_range(-127..=127)).collect();
        let start: Vec<i32> = (0..padded).map(|_| rng.random_range(-9000..9000)).collect();
        let scale: Vec<f32> = (0..padded).map(|_| rng.random_range(0.0001..0.01)).collect();
        let columns = IntegerColumns {
            start: &start,
            scale: &scale,
        };
        let around = 119;
        let sum = |index: usize| {
            let (pixel, channel) = (index / channels, index % channels);
            let products = (0..count).map(|tap| {
                let value = under(&plane, &values, around, [pixel, tap, channel, channels]);
                i32::from(value) * i32::from(weights[channel * count + tap])
            });
            (products.sum::<i32>() + start[channel]) as f32 * scale[channel]
        };
        for set in available() {
            let taps = Taps::pack(set, plane, channels, |channel, tap| weights[channel * count + tap]);
            let mut out = vec![211; pixels * channels + 1];
            let output = IntegerOutput::Bytes {
                out: &mut out,
                zero_point: 37,
                low: 30,
            };
            depthwise_integers(&values, around, &taps, columns, output);
            assert_eq!(out.pop(), Some(211));
            let mut floats = vec![0.5; pixels * channels + 1];
            let output = IntegerOutput::Floats(FloatOutput::plain(&mut floats, channels, -5.0));
            depthwise_integers(&values, around, &taps, columns, output);
            assert_eq!(floats.pop(), Some(0.5));
            for (index, (&byte, &float)) in out.iter().zip(&floats).enumerate() {
                let expected = (sum(index).round_ties_even() + 37.0).clamp(30.0, 255.0) as u8;
                assert_eq!((byte, float), (expected, sum(index).max(-5.0)), "{set}");
            }
        }
    }
}

#[test]
fn functions_are_those_of_the_mathematical_library() {
    let inputs: Vec<f32> = (-4000..4000)
        .map(|i| i as f32 * 0.005)
        .chain([90.0, -90.0, 1e4, -1e4])
        .collect();
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let cases: [(Function, OfOne); 6] = [
        (Function::Relu, |x| x.max(0.0)),
        (Function::LeakyRelu(0.1), |x| if x < 0.0 { 0.1 * x } else { x }),
        (Function::Tanh, f64::tanh),
        (Function::Sigmoid, |x| 1.0 / (1.0 + (-x).exp())),
        (Function::Silu, |x| x / (1.0 + (-x).exp())),
        (Function::Gelu, |x| 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2))),
    ];
    for (function, twin) in cases {
        let mut plain = inputs.clone();
        apply(InstructionSet::Scalar, function, &mut plain);
        for (&x, &found) in inputs.iter().zip(&plain) {
            let expected = twin(f64::from(x));
            let allowed = 2e-6 * expected.abs().max(1.0);
            assert!(
                (f64::from(found) - expected).abs() < allowed,
                "{function:?} of {x}: {found} {expected}"
            );
        }
        for set in available() {
            let mut values = inputs.clone();
            apply(set, function, &mut values);
            for (found, expected) in values.iter().zip(&plain) {
                assert!(
                    (found - expected).abs() <= 1e-6 * expected.abs().max(1.0),
                    "{set}: {function:?}"
                );
            }
            let mut nothing = [f32::NAN; 3];
            apply(set, function, &mut nothing);
            assert!(nothing.iter().all(|value| value.is_nan()), "{set}: {function:?}");
        }
    }
    assert!((sigmoid(0.0) - 0.5).abs() < 1e-12);
    let mut values = [0.5, -1.0, 2.0, 9.0, 0.0];
    apply(InstructionSet::best(), Function::Erf, &mut values);
    for (found, expected) in values.iter().zip([0.520_499_9, -0.842_700_8, 0.995_322_3, 1.0, 0.0]) {
        assert!((found - expected).abs() < 5e-7, "{found} {expected}");
    }
}

/// By its series, which converges everywhere (Abramowitz and Stegun 1964, 7.1.6).
fn erf(x: f64) -> f64 {
    if x.abs() > 5.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= 2.0 * x * x / f64::from(2 * n + 1);
        sum += term;
    }
    2.0 / std::f64::consts::PI.sqrt() * (-x * x).exp() * sum
}

#[test]
fn rows_are_normalised() {
    for set in available() {
        for len in [1, 7, 16, 50] {
            let scores: Vec<f32> = (0..3 * len).map(|i| (i as f32 * 1.7).sin() * 5.0).collect();
            let mut shares = scores.clone();
            softmax(set, len, &mut shares);
            for (scores, shares) in scores.chunks(len).zip(shares.chunks(len)) {
                let sum: f64 = scores.iter().map(|&x| f64::from(x).exp()).sum();
                for (&x, &share) in scores.iter().zip(shares) {
                    assert!((f64::from(x).exp() / sum - f64::from(share)).abs() < 1e-6, "{set}");
                }
            }
            let scale: Vec<f32> = (0..len).map(|i| 1.0 + i as f32 * 0.1).collect();
            let shift: Vec<f32> = (0..len).map(|i| i as f32 * 0.2 - 1.0).collect();
            let mut out = vec![0.0; 3 * len];
            layer_norm(set, &scores, &scale, &shift, 1e-5, &mut out);
            for (input, out) in scores.chunks(len).zip(out.chunks(len)) {
                let mean = input.iter().map(|&x| f64::from(x)).sum::<f64>() / len as f64;
                let variance = input.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / len as f64;
                for (index, &found) in out.iter().enumerate() {
                    let unit = (f64::from(input[index]) - mean) / (variance + 1e-5).sqrt();
                    let expected = unit * f64::from(scale[index]) + f64::from(shift[index]);
                    assert!((expected - f64::from(found)).abs() < 1e-4, "{set}: {found} {expected}");
                }
            }
        }
        let mut equal = [-1e4; 4];
        softmax(set, 4, &mut equal);
        assert_eq!(equal, [0.25; 4]);
    }
}

#[test]
fn cells_step_as_their_formulas_say() {
    let units = 19;
    let wave = |len: usize, pace: f32| -> Vec<f32> { (0..len).map(|i| (i as f32 * pace).sin() * 2.0).collect() };
    let (a, b) = (wave(4 * units, 0.7), wave(4 * units, 1.3));
    let (before, cell) = (wave(units, 0.3), wave(units, 0.9));
    let sum = |gate: usize, unit: usize| f64::from(a[gate * units + unit]) + f64::from(b[gate * units + unit]);
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    for set in available() {
        let (mut rnn, mut gru, mut lstm, mut memory) = (before.clone(), before.clone(), before.clone(), cell.clone());
        let sums: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
        rnn_step(set, &sums[..units], &mut rnn);
        gru_step(set, &a[..3 * units], &b[..3 * units], &mut gru);
        lstm_step(set, &sums, &mut lstm, &mut memory);
        for unit in 0..units {
            let near = |found: f32, expected: f64| {
                assert!((f64::from(found) - expected).abs() < 2e-6, "{set}: {found} {expected}");
            };
            near(rnn[unit], sum(0, unit).tanh());
            let (update, reset) = (sigmoid(sum(0, unit)), sigmoid(sum(1, unit)));
            let new = (f64::from(a[2 * units + unit]) + reset * f64::from(b[2 * units + unit])).tanh();
            near(gru[unit], (1.0 - update) * new + update * f64::from(before[unit]));
            let next = sigmoid(sum(2, unit)) * f64::from(cell[unit]) + sigmoid(sum(0, unit)) * sum(3, unit).tanh();
            near(memory[unit], next);
            near(lstm[unit], sigmoid(sum(1, unit)) * next.tanh());
        }
    }
}

#[test]
fn element_wise_work_is_the_same_on_every_set() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let grid = Grid {
        scale: 0.031,
        zero_point: 77,
    };
    let other = Grid {
        scale: 0.02,
        zero_point: 0,
    };
    let values: Vec<f32> = (0..101).map(|_| rng.random_range(-6.0..9.0)).collect();
    let expected: Vec<u8> = values.iter().map(|&value| grid.quantize(value)).collect();
    let right: Vec<u8> = values.iter().map(|&value| other.quantize(value)).collect();
    for set in available() {
        let mut bytes = vec![0; values.len()];
        quantize(set, grid, &values, &mut bytes);
        assert_eq!(bytes, expected, "{set}");
        let mut back = vec![0.0; values.len()];
        dequantize(set, grid, &bytes, &mut back);
        assert!(
            back.iter()
                .zip(&bytes)
                .all(|(&value, &byte)| value == grid.dequantize(byte))
        );
        for relu in [false, true] {
            let out = Grid {
                scale: 0.05,
                zero_point: 9,
            };
            let mut sums = vec![0; values.len()];
            add_bytes(set, ByteSum::new([grid, other], out, relu), &bytes, &right, &mut sums);
            for ((&a, &b), &found) in bytes.iter().zip(&right).zip(&sums) {
                let sum = f64::from(grid.dequantize(a)) + f64::from(other.dequantize(b));
                let low = if relu { 9.0 } else { 0.0 };
                let expected = (sum / 0.05 + 9.0).clamp(low, 255.0);
                assert!(
                    (f64::from(found) - expected).abs() <= 0.5001,
                    "{set}: {found} {expected}"
                );
            }
        }
        let cases: [(Pair, OfTwo); 6] = [
            (Pair::Add, |a, b| a + b),
            (Pair::Subtract, |a, b| a - b),
            (Pair::Multiply, |a, b| a * b),
            (Pair::Divide, |a, b| a / b),
            (Pair::Smaller, f32::min),
            (Pair::Larger, f32::max),
        ];
        for (pair, twin) in cases {
            let (mut each, mut one) = (values.clone(), values.clone());
            combine(set, pair, &mut each, Right::Each(&back));
            combine(set, pair, &mut one, Right::One(1.7));
            for (index, &value) in values.iter().enumerate() {
                let found = [each[index], one[index]];
                let expected = [twin(value, back[index]), twin(value, 1.7)];
                assert!(
                    found == expected || found.iter().any(|value| !value.is_finite()),
                    "{set}: {pair:?}"
                );
            }
        }
    }
}

#[test]
fn a_matrix_that_is_a_value_is_packed_as_weights_are() {
    let (columns, depth) = (21, 5);
    let values: Vec<f32> = (0..columns * depth).map(|i| i as f32).collect();
    for set in available() {
        for steps in [[1, columns], [depth, 1]] {
            let shape = MatrixShape {
                columns,
                runs: 1,
                run_len: depth,
            };
            let expected = FloatPanels::pack(set, shape, |column, _, place| {
                values[column * steps[0] + place * steps[1]]
            });
            let mut room = FloatPanels::room(set, 3 * 7).unwrap();
            // What was there before does not matter.
            room.repack([16, 9], &[9.0; 16 * 9], [1, 16]);
            room.repack([columns, depth], &values, steps);
            let run = |panels: &FloatPanels| {
                let mut out = vec![0.0; 2 * columns];
                let output = FloatOutput::plain(&mut out, columns, f32::NEG_INFINITY);
                float_product(
                    &values[..2 * depth],
                    &Walk::rows(depth, depth),
                    2,
                    panels,
                    &[0.0; 32],
                    output,
                );
                out
            };
            assert_eq!(run(&room), run(&expected), "{set}");
        }
    }
}
