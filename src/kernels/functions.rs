//! The functions of activations, cells and norms, in a form that compilers can vectorise: no branches, no calls.

use super::InstructionSet;
use super::lanes::{Work, run};

/// A function of one number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Function {
    /// `max(x, 0)`
    Relu,
    /// `x` above 0, `slope * x` below.
    LeakyRelu(f32),
    /// The hyperbolic tangent.
    Tanh,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// The error function.
    Erf,
    /// `x * sigmoid(x)`
    Silu,
    /// `x * (1 + erf(x / sqrt(2))) / 2`
    Gelu,
}

/// Applies a function to all values.
pub fn apply(set: InstructionSet, function: Function, values: &mut [f32]) {
    match function {
        Function::Relu => run(set, Map(values, |x| if x < 0.0 { 0.0 } else { x })),
        Function::LeakyRelu(slope) => run(set, Map(values, |x| if x < 0.0 { x * slope } else { x })),
        Function::Tanh => run(set, Map(values, tanh)),
        Function::Sigmoid => run(set, Map(values, sigmoid)),
        Function::Erf => run(set, Map(values, erf)),
        Function::Silu => run(set, Map(values, |x| x * sigmoid(x))),
        Function::Gelu => run(
            set,
            Map(values, |x| x * (erf(x / std::f32::consts::SQRT_2) + 1.0) * 0.5),
        ),
    }
}

/// `exp(x)` to within two units in the last place, for any number: reduced by powers of two, then the polynomial of Cephes
/// (Moshier 1992).
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const TERMS: [f32; 6] = [
        1.987_569_1e-4,
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        5e-1,
    ];
    // Beyond these the result is infinity, or so small that it is zero for every purpose here.
    let clamped = if x < 88.0 { x } else { 88.0 };
    let clamped = if clamped > -87.0 { clamped } else { -87.0 };
    // Adding 1.5 * 2^23 leaves no bits for a fraction: the addition itself rounds.
    const MAGIC: f32 = 12_582_912.0;
    let shifted = clamped * std::f32::consts::LOG2_E + MAGIC;
    let power = shifted - MAGIC;
    // ln 2 in two parts, so that nothing is lost.
    let rest = clamped - power * 0.693_359_375 + power * 2.121_944_4e-4;
    let mut sum = TERMS[0];
    sum = sum * rest + TERMS[1];
    sum = sum * rest + TERMS[2];
    sum = sum * rest + TERMS[3];
    sum = sum * rest + TERMS[4];
    sum = sum * rest + TERMS[5];
    let mantissa = sum * (rest * rest) + rest + 1.0;
    let exponent = shifted.to_bits().wrapping_sub(MAGIC.to_bits()).wrapping_add(127) << 23;
    let result = mantissa * f32::from_bits(exponent);
    let result = if x > 88.7 { f32::INFINITY } else { result };
    // What is not a number stays so.
    if x.is_nan() { x } else { result }
}

#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// To within 2e-7.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(x + x) + 1.0)
}

/// The error function to within 5e-7 (Abramowitz and Stegun 1964, 7.1.26, in single precision).
#[inline(always)]
pub(super) fn erf(x: f32) -> f32 {
    const TERMS: [f32; 5] = [1.061_405_4, -1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6];
    let size = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * size);
    let mut sum = TERMS[0] * t;
    sum = (sum + TERMS[1]) * t;
    sum = (sum + TERMS[2]) * t;
    sum = (sum + TERMS[3]) * t;
    sum = (sum + TERMS[4]) * t;
    (1.0 - sum * exp(-size * size)).copysign(x)
}

struct Map<'a, F>(&'a mut [f32], F);

impl<F: Fn(f32) -> f32> Work for Map<'_, F> {
    #[inline(always)]
    fn run(self) {
        for value in self.0 {
            *value = (self.1)(*value);
        }
    }
}

/// The soft-max of each row of so many scores: `exp(x - max) / sum`.
pub fn softmax(set: InstructionSet, len: usize, values: &mut [f32]) {
    run(set, Softmax { len, values });
}

struct Softmax<'a> {
    len: usize,
    values: &'a mut [f32],
}

impl Work for Softmax<'_> {
    #[inline(always)]
    fn run(self) {
        for row in self.values.chunks_exact_mut(self.len) {
            let largest = fold(row, f32::NEG_INFINITY, |a, b| if b > a { b } else { a });
            for value in row.iter_mut() {
                *value = exp(*value - largest);
            }
            let factor = 1.0 / fold(row, 0.0, |a, b| a + b);
            for value in row {
                *value *= factor;
            }
        }
    }
}

/// Normalises each row to mean 0 and variance 1 (Ba et al. 2016), then scales and shifts it.
pub fn layer_norm(set: InstructionSet, input: &[f32], scale: &[f32], shift: &[f32], epsilon: f32, out: &mut [f32]) {
    run(
        set,
        LayerNorm {
            input,
            scale,
            shift,
            epsilon,
            out,
        },
    );
}

struct LayerNorm<'a> {
    input: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    epsilon: f32,
    out: &'a mut [f32],
}

impl Work for LayerNorm<'_> {
    #[inline(always)]
    fn run(self) {
        let len = self.scale.len();
        for (input, out) in self.input.chunks_exact(len).zip(self.out.chunks_exact_mut(len)) {
            let mean = fold(input, 0.0, |a, b| a + b) / len as f32;
            for (out, x) in out.iter_mut().zip(input) {
                *out = x - mean;
            }
            let variance = fold_with(out, 0.0, |x| x * x, |a, b| a + b) / len as f32;
            let factor = 1.0 / (variance + self.epsilon).sqrt();
            for ((out, scale), shift) in out.iter_mut().zip(self.scale).zip(self.shift) {
                *out = *out * factor * scale + shift;
            }
        }
    }
}

/// Folds in sixteen lanes, whose results are folded last: the same order on every processor.
#[inline(always)]
fn fold(values: &[f32], first: f32, join: impl Fn(f32, f32) -> f32) -> f32 {
    fold_with(values, first, |x| x, join)
}

#[inline(always)]
fn fold_with(values: &[f32], first: f32, map: impl Fn(f32) -> f32, join: impl Fn(f32, f32) -> f32) -> f32 {
    const LANES: usize = 16;
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [first; LANES];
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = join(*lane, map(value));
        }
    }
    let mut result = first;
    for lane in lanes {
        result = join(result, lane);
    }
    for &value in rest {
        result = join(result, map(value));
    }
    result
}

/// What a recurrent cell does with one step of one sample. `input` and `state` hold what the input and the state make of the gates,
/// one gate behind the other; all slices of one gate are as long as `hidden`.
pub struct CellStep<'a> {
    /// From the input.
    pub input: &'a [f32],
    /// From the state.
    pub state: &'a [f32],
    /// The state, which is moved on.
    pub hidden: &'a mut [f32],
}

/// `h = tanh(a + b)` (Elman 1990).
pub fn rnn_step(set: InstructionSet, step: CellStep<'_>) {
    run(set, Rnn(step));
}

/// Gates update, reset, new; the reset gate comes behind the product (Cho et al. 2014).
pub fn gru_step(set: InstructionSet, step: CellStep<'_>) {
    run(set, Gru(step));
}

/// Gates input, output, forget, cell (Hochreiter and Schmidhuber 1997); `memory` is the cell state.
pub fn lstm_step(set: InstructionSet, step: CellStep<'_>, memory: &mut [f32]) {
    run(set, Lstm(step, memory));
}

struct Rnn<'a>(CellStep<'a>);
struct Gru<'a>(CellStep<'a>);
struct Lstm<'a>(CellStep<'a>, &'a mut [f32]);

impl Work for Rnn<'_> {
    #[inline(always)]
    fn run(self) {
        let CellStep { input, state, hidden } = self.0;
        for ((hidden, a), b) in hidden.iter_mut().zip(input).zip(state) {
            *hidden = tanh(a + b);
        }
    }
}

impl Work for Gru<'_> {
    #[inline(always)]
    fn run(self) {
        let CellStep { input, state, hidden } = self.0;
        let units = hidden.len();
        let [a, b] = [input, state].map(|values| {
            let (update, rest) = values.split_at(units);
            let (reset, new) = rest.split_at(units);
            (update, reset, &new[..units])
        });
        for unit in 0..units {
            let update = sigmoid(a.0[unit] + b.0[unit]);
            let reset = sigmoid(a.1[unit] + b.1[unit]);
            let new = tanh(a.2[unit] + reset * b.2[unit]);
            hidden[unit] = (1.0 - update) * new + update * hidden[unit];
        }
    }
}

impl Work for Lstm<'_> {
    #[inline(always)]
    fn run(self) {
        let CellStep { input, state, hidden } = self.0;
        let units = hidden.len();
        let memory = &mut self.1[..units];
        let [a, b] = [input, state].map(|values| {
            let (input, rest) = values.split_at(units);
            let (output, rest) = rest.split_at(units);
            let (forget, cell) = rest.split_at(units);
            (input, output, forget, &cell[..units])
        });
        for unit in 0..units {
            let input = sigmoid(a.0[unit] + b.0[unit]);
            let output = sigmoid(a.1[unit] + b.1[unit]);
            let forget = sigmoid(a.2[unit] + b.2[unit]);
            memory[unit] = forget * memory[unit] + input * tanh(a.3[unit] + b.3[unit]);
            hidden[unit] = output * tanh(memory[unit]);
        }
    }
}
