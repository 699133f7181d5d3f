//! Recurrent cells of every instruction set against plain loops in double precision, and their gradients against central
//! differences of these.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Cell, CellGradients, CellWeights, Recurrence};
use crate::kernels::InstructionSet;

/// `x` and the four weights.
type Numbers = [Vec<f64>; 5];

fn available() -> impl Iterator<Item = InstructionSet> {
    InstructionSet::ALL.into_iter().filter(|set| set.is_available())
}

/// Cells of every kind, both directions, with both outputs; one row, one step, and units beside a vector's length among them.
fn recurrences() -> Vec<Recurrence> {
    let mut all = Vec::new();
    for cell in [Cell::Rnn, Cell::Gru, Cell::Lstm] {
        for [rows, steps, features, units] in [[1, 1, 1, 1], [2, 5, 3, 4], [9, 3, 2, 17], [3, 4, 5, 16]] {
            for (reversed, sequence) in [(false, false), (true, false), (false, true), (true, true)] {
                all.push(Recurrence {
                    cell,
                    rows,
                    steps,
                    features,
                    units,
                    reversed,
                    sequence,
                });
            }
        }
    }
    all
}

fn draw(of: &Recurrence, seed: u64) -> Numbers {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let columns = of.cell.gates() * of.units;
    [
        of.rows * of.steps * of.features,
        of.features * columns,
        of.units * columns,
        columns,
        columns,
    ]
    .map(|len| (0..len).map(|_| f64::from(rng.random_range(-0.8_f32..0.8))).collect())
}

fn single(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}

/// The plain twin of the forward pass.
fn plain(of: &Recurrence, [x, input, state, input_bias, state_bias]: &Numbers) -> Vec<f64> {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let (units, columns) = (of.units, of.cell.gates() * of.units);
    let mut output = Vec::new();
    for row in x.chunks(of.steps * of.features) {
        let (mut h, mut c) = (vec![0.0; units], vec![0.0; units]);
        let mut states = vec![0.0; of.steps * units];
        for place in 0..of.steps {
            let step = if of.reversed { of.steps - 1 - place } else { place };
            let (mut a, mut b) = (input_bias.clone(), state_bias.clone());
            for column in 0..columns {
                for feature in 0..of.features {
                    a[column] += row[step * of.features + feature] * input[feature * columns + column];
                }
                for unit in 0..units {
                    b[column] += h[unit] * state[unit * columns + column];
                }
            }
            for unit in 0..units {
                let gate = |gate: usize| gate * units + unit;
                let both = |of: usize| a[gate(of)] + b[gate(of)];
                h[unit] = match of.cell {
                    Cell::Rnn => both(0).tanh(),
                    Cell::Gru => {
                        let (reset, update) = (sigmoid(both(0)), sigmoid(both(1)));
                        let new = (a[gate(2)] + reset * b[gate(2)]).tanh();
                        (1.0 - update) * new + update * h[unit]
                    }
                    Cell::Lstm => {
                        c[unit] = sigmoid(both(1)) * c[unit] + sigmoid(both(0)) * both(2).tanh();
                        sigmoid(both(3)) * c[unit].tanh()
                    }
                };
            }
            states[step * units..][..units].copy_from_slice(&h);
        }
        output.extend_from_slice(if of.sequence { &states } else { &h });
    }
    output
}

/// Forward and backward with the gradient of the output given.
fn whole(of: &Recurrence, set: InstructionSet, numbers: &Numbers, gradient: &[f32]) -> (Vec<f32>, [Vec<f32>; 5]) {
    let [x, input, state, input_bias, state_bias] = numbers.each_ref().map(|values| single(values));
    let weights = CellWeights {
        input: &input,
        state: &state,
        input_bias: &input_bias,
        state_bias: &state_bias,
    };
    let (output, trace) = of.forward(set, &x, weights, true);
    let alone = of.forward(set, &x, weights, false);
    assert!(alone.0 == output && alone.1.is_none());
    let trace = trace.unwrap();
    let blind = of.backward(set, &x, weights, trace.clone(), gradient, false);
    let all = of.backward(set, &x, weights, trace, gradient, true);
    assert!(blind.x.is_none() && blind.input == all.input && blind.state == all.state);
    let CellGradients {
        x,
        input,
        state,
        input_bias,
        state_bias,
    } = all;
    (output, [x.unwrap(), input, state, input_bias, state_bias])
}

fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.map(f64::abs).fold(0.0, f64::max)
}

#[test]
fn states_are_those_of_plain_loops_and_gradients_are_central_differences() {
    const STEP: f64 = 1e-4;
    for of in recurrences() {
        let mut numbers = draw(&of, 3);
        let expected = plain(&of, &numbers);
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let gradient: Vec<f32> = expected.iter().map(|_| rng.random_range(-1.0..1.0)).collect();
        let results: Vec<_> = available()
            .map(|set| (set, whole(&of, set, &numbers, &gradient)))
            .collect();
        for (set, (output, _)) in &results {
            let error = largest(output.iter().zip(&expected).map(|(&a, b)| f64::from(a) - b));
            assert!(error < 1e-6, "{of:?} {set}: {error}");
        }
        for place in 0..5 {
            let mut slopes = Vec::new();
            let every = 1 + numbers[place].len() / 40;
            for index in (0..numbers[place].len()).step_by(every) {
                let mut at = |value: f64| -> f64 {
                    numbers[place][index] = value;
                    plain(&of, &numbers)
                        .iter()
                        .zip(&gradient)
                        .map(|(o, &g)| o * f64::from(g))
                        .sum()
                };
                let value = f64::from(single(&draw(&of, 3)[place])[index]);
                slopes.push((at(value + STEP) - at(value - STEP)) / (2.0 * STEP));
                at(value);
            }
            let size = largest(slopes.iter().copied());
            for (set, (_, gradients)) in &results {
                let found = gradients[place].iter().step_by(every);
                let error = largest(found.zip(&slopes).map(|(&a, b)| f64::from(a) - b));
                assert!(
                    error < 1e-5 * size.max(0.1),
                    "{of:?} {set}, gradient {place}: {error} of {size}"
                );
            }
        }
    }
}

#[test]
fn threads_change_no_bit() {
    for rows in [1, 3, 8, 37, 64, 130] {
        for cell in [Cell::Rnn, Cell::Gru, Cell::Lstm] {
            let of = Recurrence {
                cell,
                rows,
                steps: 6,
                features: 7,
                units: 12,
                reversed: false,
                sequence: true,
            };
            let numbers = draw(&of, 5);
            let gradient: Vec<f32> = (0..rows * 6 * 12).map(|index| (index % 13) as f32 - 6.0).collect();
            let on = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| whole(&of, InstructionSet::best(), &numbers, &gradient))
            };
            let one = on(1);
            assert_eq!(one, on(2));
            assert_eq!(one, on(5));
        }
    }
}

#[test]
fn the_hyperbolic_tangent_is_precise_near_zero_and_far_from_it() {
    for set in available() {
        let mut values: Vec<f32> = (-4000..4000).map(|place| place as f32 * 0.003).collect();
        values.extend((1..60).map(|power| 0.5_f32.powi(power)));
        let mut found = values.clone();
        super::steps::rnn(set, &mut found);
        for (x, found) in values.iter().zip(found) {
            let expected = f64::from(*x).tanh();
            assert!(
                (f64::from(found) - expected).abs() <= 5e-7 * expected.abs(),
                "{set}: tanh({x}) = {found}"
            );
        }
        let mut ends = [200.0, -200.0, f32::NAN];
        super::steps::rnn(set, &mut ends);
        assert!(ends[0] == 1.0 && ends[1] == -1.0 && ends[2].is_nan());
    }
}
