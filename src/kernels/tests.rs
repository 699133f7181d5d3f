//! Every kernel that this processor has against plain loops.

use half::f16;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

fn available() -> impl Iterator<Item = InstructionSet> {
    InstructionSet::ALL.into_iter().filter(|set| set.is_available())
}

/// A product of so many rows.
struct Case {
    rows: usize,
    shape: MatrixShape,
    walk: Walk,
    /// Activations that the walk reaches over.
    len: usize,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rows, columns) in [
        (1, 1),
        (1, 10),
        (1, 70),
        (2, 16),
        (3, 17),
        (7, 33),
        (13, 64),
        (25, 100),
        (12, 32),
    ] {
        for depth in [1, 3, 4, 9, 50] {
            let walk = Walk::rows(depth, depth + 3);
            let shape = MatrixShape {
                columns,
                runs: 1,
                run_len: depth,
            };
            cases.push(Case {
                rows,
                shape,
                len: walk.span(rows, INTEGER_STEP),
                walk,
            });
        }
        for (channels, dilation) in [(1, 1), (3, 1), (3, 2)] {
            let out_width = 8 - 2 * dilation;
            let window = Window {
                channels,
                padded_width: 8,
                out_width,
                kernel: [3, 3],
                stride: [1, 1],
                dilation: [dilation, dilation],
            };
            let walk = Walk::window(&window);
            let shape = MatrixShape {
                columns,
                runs: walk.runs(),
                run_len: walk.run_len(),
            };
            cases.push(Case {
                rows,
                shape,
                len: walk.span(rows, INTEGER_STEP),
                walk,
            });
        }
    }
    cases
}

/// Place of the activation that output row `row` meets at a depth of a run.
fn place(walk: &Walk, row: usize, run: usize, depth: usize) -> usize {
    row / walk.width * walk.line_pitch + row % walk.width * walk.pixel_pitch + walk.runs[run] + depth
}

#[test]
fn integer_products_equal_plain_loops_bit_for_bit() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for Case { rows, shape, walk, len } in cases() {
        let bytes: Vec<u8> = (0..len).map(|_| rng.random()).collect();
        let wide: Vec<i16> = bytes.iter().map(|&byte| byte.into()).collect();
        let weights: Vec<i8> = (0..shape.columns * shape.runs * shape.run_len)
            .map(|_| rng.random_range(-127..=127))
            .collect();
        let weight =
            |column: usize, run: usize, depth: usize| weights[(column * shape.runs + run) * shape.run_len + depth];
        let start: Vec<i32> = (0..shape.padded_columns())
            .map(|_| rng.random_range(-9000..9000))
            .collect();
        let scale: Vec<f32> = (0..shape.padded_columns())
            .map(|_| rng.random_range(0.0001..0.01))
            .collect();
        let (zero_point, low) = (37_u8, 30_u8);
        let (mut expected_bytes, mut expected_floats, mut expected_plain) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..rows {
            for column in 0..shape.columns {
                let mut sum = start[column];
                for run in 0..shape.runs {
                    for depth in 0..shape.run_len {
                        sum += i32::from(bytes[place(&walk, row, run, depth)]) * i32::from(weight(column, run, depth));
                    }
                }
                let steps = (sum as f32 * scale[column]).round_ties_even();
                expected_bytes.push((steps + f32::from(zero_point)).clamp(f32::from(low), 255.0) as u8);
                expected_floats.push((sum as f32 * scale[column]).max(-5.0));
                expected_plain.push(sum as f32 * scale[column]);
            }
        }
        for set in available() {
            let panels = IntegerPanels::pack(set, shape, weight);
            let columns = IntegerColumns {
                start: &start,
                scale: &scale,
            };
            let activations = match set {
                InstructionSet::Scalar | InstructionSet::Avx2 => IntegerActivations::Wide(&wide),
                _ => IntegerActivations::Bytes(&bytes),
            };
            // The element behind the last shows that nothing is written past the end.
            let mut out = vec![211_u8; rows * shape.columns + 1];
            let output = IntegerOutput::Bytes {
                out: &mut out,
                zero_point,
                low,
            };
            integer_product(activations, &walk, rows, &panels, columns, output);
            assert_eq!(out.pop(), Some(211));
            assert_eq!(out, expected_bytes, "{set}, {rows} rows of {shape:?}");
            let mut out = vec![0.5_f32; rows * shape.columns + 1];
            let output = IntegerOutput::Floats(FloatOutput::plain(&mut out, shape.columns, -5.0));
            integer_product(activations, &walk, rows, &panels, columns, output);
            assert_eq!(out.pop(), Some(0.5));
            assert_eq!(out, expected_floats, "{set}, {rows} rows of {shape:?}");
            // Rows further apart, and a sum with other values.
            let pitch = shape.columns + 3;
            let add: Vec<f32> = (0..rows * pitch).map(|place| place as f32).collect();
            let mut out = vec![0.5_f32; rows * pitch];
            let output = FloatOutput {
                out: &mut out,
                pitch,
                add: Some(&add),
                low: f32::NEG_INFINITY,
            };
            integer_product(
                activations,
                &walk,
                rows,
                &panels,
                columns,
                IntegerOutput::Floats(output),
            );
            for (place, &found) in out.iter().enumerate() {
                let (row, column) = (place / pitch, place % pitch);
                let expected = if column < shape.columns {
                    expected_plain[row * shape.columns + column] + place as f32
                } else {
                    0.5
                };
                assert_eq!(found, expected, "{set}, {rows} rows of {shape:?}");
            }
        }
    }
}

#[test]
fn float_products_are_near_plain_loops() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for Case { rows, shape, walk, len } in cases() {
        let values: Vec<f32> = (0..len).map(|_| rng.random_range(-1.0..1.0)).collect();
        // Weights that 16 bits hold exactly, so that both forms give the same.
        let weights: Vec<f16> = (0..shape.columns * shape.runs * shape.run_len)
            .map(|_| f16::from_f32(rng.random_range(-1.0..1.0)))
            .collect();
        let weight =
            |column: usize, run: usize, depth: usize| weights[(column * shape.runs + run) * shape.run_len + depth];
        let bias: Vec<f32> = (0..shape.padded_columns())
            .map(|_| rng.random_range(-1.0..1.0))
            .collect();
        let mut expected = Vec::new();
        for row in 0..rows {
            for (column, &bias) in bias.iter().enumerate().take(shape.columns) {
                let mut sum = f64::from(bias);
                for run in 0..shape.runs {
                    for depth in 0..shape.run_len {
                        let value = f64::from(values[place(&walk, row, run, depth)]);
                        sum += value * f64::from(weight(column, run, depth));
                    }
                }
                expected.push(sum.max(-0.25) as f32);
            }
        }
        for set in available() {
            let single = FloatPanels::pack(set, shape, |c, r, d| weight(c, r, d).to_f32());
            let half = FloatPanels::pack_half(set, shape, weight);
            assert_eq!(single.bytes(), 2 * half.bytes());
            let [single, half] = [single, half].map(|panels| {
                let mut out = vec![0.5_f32; rows * shape.columns + 1];
                let output = FloatOutput::plain(&mut out, shape.columns, -0.25);
                float_product(&values, &walk, rows, &panels, &bias, output);
                assert_eq!(out.pop(), Some(0.5));
                let pitch = shape.columns + 2;
                let add = vec![2.0; rows * pitch];
                let mut apart = vec![0.5_f32; rows * pitch];
                let output = FloatOutput {
                    out: &mut apart,
                    pitch,
                    add: Some(&add),
                    low: 1.75,
                };
                float_product(&values, &walk, rows, &panels, &bias, output);
                for (row, apart) in out.chunks(shape.columns).zip(apart.chunks(pitch)) {
                    assert_eq!(apart[shape.columns..], [0.5; 2]);
                    for (found, apart) in row.iter().zip(apart) {
                        assert!((found + 2.0 - apart).abs() < 1e-6, "{set}: {found} {apart}");
                    }
                }
                out
            });
            assert_eq!(single, half);
            for (found, expected) in single.iter().zip(&expected) {
                assert!(
                    (found - expected).abs() < 1e-5,
                    "{set}, {rows} rows of {shape:?}: {found} {expected}"
                );
            }
        }
    }
}

#[test]
fn weights_in_four_bits_give_what_they_give_widened() {
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    for (rows, columns, depth) in [
        (1, 16, 32_usize),
        (1, 70, 100),
        (13, 33, 65),
        (30, 5, 31),
        (64, 130, 96),
        (3, 1, 1),
    ] {
        let values: Vec<f32> = (0..rows * depth).map(|_| rng.random_range(-1.0..1.0)).collect();
        let codes: Vec<u8> = (0..columns * depth).map(|_| rng.random_range(0..16)).collect();
        let groups = depth.div_ceil(GROUP);
        let scales: Vec<f32> = (0..columns * groups).map(|_| rng.random_range(0.01..0.1)).collect();
        let shape = MatrixShape {
            columns,
            runs: 1,
            run_len: depth,
        };
        let bias = vec![0.25; shape.padded_columns()];
        for set in available() {
            let code = |column: usize, depth_at: usize| codes[column * depth + depth_at];
            let scale = |column: usize, group: usize| scales[column * groups + group];
            let packed = FloatPanels::pack_nibbles(set, [columns, depth], code, scale);
            let widened = FloatPanels::pack(set, shape, |column, _, depth| {
                (f32::from(code(column, depth)) - 8.0) * scale(column, depth / GROUP)
            });
            assert_eq!(packed.bytes(), shape.panels() * groups * 320);
            let [packed, widened] = [packed, widened].map(|panels| {
                let mut out = vec![0.0; rows * columns];
                let output = FloatOutput::plain(&mut out, columns, f32::NEG_INFINITY);
                float_product(&values, &Walk::rows(depth, depth), rows, &panels, &bias, output);
                out
            });
            assert_eq!(packed, widened, "{set}, {rows} rows of {columns} x {depth}");
        }
    }
}

#[test]
fn a_row_has_the_same_result_in_any_batch() {
    let shape = MatrixShape {
        columns: 90,
        runs: 1,
        run_len: 61,
    };
    let values: Vec<f32> = (0..19 * 61).map(|i| (i as f32 * 0.37).sin()).collect();
    for set in available() {
        let panels = FloatPanels::pack(set, shape, |column, _, depth| {
            ((column * 31 + depth * 7) as f32 * 0.11).cos()
        });
        let bias = vec![0.1; shape.padded_columns()];
        let mut all = vec![0.0; 19 * 90];
        float_product(
            &values,
            &Walk::rows(61, 61),
            19,
            &panels,
            &bias,
            FloatOutput::plain(&mut all, 90, f32::NEG_INFINITY),
        );
        for (row, expected) in values.chunks(61).zip(all.chunks(90)) {
            let mut alone = vec![0.0; 90];
            float_product(
                row,
                &Walk::rows(61, 61),
                1,
                &panels,
                &bias,
                FloatOutput::plain(&mut alone, 90, f32::NEG_INFINITY),
            );
            assert_eq!(alone, expected, "{set}");
        }
    }
}

#[test]
fn what_is_not_a_number_stays_visible_in_floats() {
    let shape = MatrixShape {
        columns: 3,
        runs: 1,
        run_len: 2,
    };
    for set in available() {
        let panels = FloatPanels::pack(set, shape, |_, _, _| 1.0);
        let mut out = [0.0; 6];
        float_product(
            &[f32::NAN, 1.0, -3.0, 1.0],
            &Walk::rows(2, 2),
            2,
            &panels,
            &[0.0; PANEL],
            FloatOutput::plain(&mut out, 3, 0.0),
        );
        assert!(out[..3].iter().all(|value| value.is_nan()), "{set}");
        assert_eq!(out[3..], [0.0; 3], "{set}");
    }
}

#[test]
fn quantizing_rounds_ties_to_even_and_clamps() {
    let grid = Grid {
        scale: 0.5,
        zero_point: 10,
    };
    let cases = [
        (0.25, 10),
        (0.75, 12),
        (1.25, 12),
        (-0.25, 10),
        (-0.75, 8),
        (1e30, 255),
        (-1e30, 0),
    ];
    for (real, byte) in cases {
        assert_eq!(grid.quantize(real), byte, "{real}");
    }
    assert_eq!(grid.quantize(f32::NAN), 0);
    assert_eq!(grid.quantize(f32::INFINITY), 255);
    assert_eq!(grid.dequantize(7), -1.5);
    for byte in 0..=255 {
        assert_eq!(grid.quantize(grid.dequantize(byte)), byte);
    }
}

#[test]
fn channels_go_last_and_back() {
    let image = [1, 2, 3, 10, 20, 30];
    let mut last = [0; 6];
    channels_last(&image, 2, &mut last);
    assert_eq!(last, [1, 10, 2, 20, 3, 30]);
    let mut first = [0; 6];
    channels_first(&last, 2, &mut first);
    assert_eq!(first, image);
}

#[test]
fn pooling_equals_plain_loops() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for channels in [1, 5, 16, 35] {
        for (kernel, stride, pad) in [
            ([2, 2], [2, 2], [0, 0]),
            ([3, 2], [2, 1], [1, 0]),
            ([3, 3], [1, 1], [1, 1]),
        ] {
            let input = ImageShape {
                height: 7,
                width: 5,
                channels,
            };
            let out = [0, 1].map(|axis| ([7, 5][axis] + 2 * pad[axis] - kernel[axis]) / stride[axis] + 1);
            let pool = Pool {
                input,
                out,
                kernel,
                stride,
                pad,
            };
            let values: Vec<f32> = (0..input.len()).map(|_| rng.random_range(-1.0..1.0)).collect();
            let mut largest = vec![0.0; out[0] * out[1] * channels];
            let (mut mean, mut padded_mean) = (largest.clone(), largest.clone());
            for set in available() {
                largest.fill(0.0);
                max_pool(set, &values, &pool, &mut largest);
            }
            average_pool(&values, &pool, false, &mut mean);
            average_pool(&values, &pool, true, &mut padded_mean);
            for (i, &found) in largest.iter().enumerate() {
                let (y, x, channel) = (i / channels / out[1], i / channels % out[1], i % channels);
                let taps: Vec<f32> = (0..kernel[0] * kernel[1])
                    .filter_map(|tap| {
                        let y = (y * stride[0] + tap / kernel[1])
                            .checked_sub(pad[0])
                            .filter(|&y| y < 7)?;
                        let x = (x * stride[1] + tap % kernel[1])
                            .checked_sub(pad[1])
                            .filter(|&x| x < 5)?;
                        Some(values[(y * 5 + x) * channels + channel])
                    })
                    .collect();
                let sum: f32 = taps.iter().sum();
                assert_eq!(found, taps.iter().copied().fold(f32::MIN, f32::max));
                assert!((mean[i] - sum / taps.len() as f32).abs() < 1e-6);
                assert!((padded_mean[i] - sum / (kernel[0] * kernel[1]) as f32).abs() < 1e-6);
            }
        }
    }
}
