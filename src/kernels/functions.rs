//! The functions of activations, cells and norms, in a form that compilers can vectorise: no branches, no calls.
#![expect(
    clippy::inline_always,
    reason = "what is not inlined is compiled for the plainest processor"
)]

use super::InstructionSet;
use super::lanes::{Work, multiply_add, run};

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
        Function::Relu => run(set, Relu(values)),
        Function::LeakyRelu(slope) => run(set, LeakyRelu(values, slope)),
        Function::Tanh => run(set, Tanh(values)),
        Function::Sigmoid => run(set, Sigmoid(values)),
        Function::Erf => run(set, Erf(values)),
        Function::Silu => run(set, Silu(values)),
        Function::Gelu => run(set, Gelu(values)),
    }
}

/// Work on each value by itself.
macro_rules! on_each {
    ($name:ident($($field:ident: $type:ty)?), $x:ident => $result:expr) => {
        struct $name<'a>(&'a mut [f32] $(, $type)?);

        impl Work for $name<'_> {
            #[inline(always)]
            fn run<const FUSED: bool>(self) {
                let Self(values $(, $field)?) = self;
                for value in values {
                    let $x = *value;
                    *value = $result;
                }
            }
        }
    };
}

on_each!(Relu(), x => if x < 0.0 { 0.0 } else { x });
on_each!(LeakyRelu(slope: f32), x => if x < 0.0 { x * slope } else { x });
on_each!(Tanh(), x => tanh::<FUSED>(x));
on_each!(Sigmoid(), x => sigmoid::<FUSED>(x));
on_each!(Erf(), x => erf::<FUSED>(x));
on_each!(Silu(), x => x * sigmoid::<FUSED>(x));
on_each!(Gelu(), x => x * (erf::<FUSED>(x * std::f32::consts::FRAC_1_SQRT_2) + 1.0) * 0.5);

/// `exp(x)` to within two units in the last place, for numbers from -87 to 88; beyond these, as at the end. What is not a number stays
/// so. Reduced by powers of two, then the polynomial of Cephes (Moshier 1992).
#[inline(always)]
pub(super) fn exp<const FUSED: bool>(x: f32) -> f32 {
    let (rest, scale) = exp_parts::<FUSED>(x);
    (rest + 1.0) * scale
}

/// `exp(x)` as `(rest + 1) * scale`, where the scale is a power of two.
#[inline(always)]
fn exp_parts<const FUSED: bool>(x: f32) -> (f32, f32) {
    // Adding 1.5 * 2^23 leaves no bits for a fraction: the addition itself rounds.
    const MAGIC: f32 = 12_582_912.0;
    let x = if x > 88.0 { 88.0 } else { x };
    let x = if x < -87.0 { -87.0 } else { x };
    let shifted = multiply_add::<FUSED>(x, std::f32::consts::LOG2_E, MAGIC);
    let power = shifted - MAGIC;
    // ln 2 in two parts, so that nothing is lost.
    let rest = multiply_add::<FUSED>(power, -0.693_359_4, x);
    let rest = multiply_add::<FUSED>(power, 2.121_944_4e-4, rest);
    let sum = multiply_add::<FUSED>(1.987_569_1e-4, rest, 1.398_199_9e-3);
    let sum = multiply_add::<FUSED>(sum, rest, 8.333_452e-3);
    let sum = multiply_add::<FUSED>(sum, rest, 4.166_579_6e-2);
    let sum = multiply_add::<FUSED>(sum, rest, 1.666_666_5e-1);
    let sum = multiply_add::<FUSED>(sum, rest, 0.5);
    let exponent = shifted.to_bits().wrapping_sub(MAGIC.to_bits()).wrapping_add(127) << 23;
    (multiply_add::<FUSED>(sum, rest * rest, rest), f32::from_bits(exponent))
}

#[inline(always)]
pub(super) fn sigmoid<const FUSED: bool>(x: f32) -> f32 {
    1.0 / (1.0 + exp::<FUSED>(-x))
}

/// To within 2e-7.
#[inline(always)]
pub(super) fn tanh<const FUSED: bool>(x: f32) -> f32 {
    1.0 - 2.0 / (exp::<FUSED>(x + x) + 1.0)
}

/// To within four units in the last place, near zero too: `e / (e + 2)`, where `e = exp(2 x) - 1` without the loss of the difference.
#[inline(always)]
pub(super) fn precise_tanh<const FUSED: bool>(x: f32) -> f32 {
    let (rest, scale) = exp_parts::<FUSED>(x + x);
    let less_one = multiply_add::<FUSED>(rest, scale, scale - 1.0);
    less_one / (less_one + 2.0)
}

/// `sigmoid(gate) * tanh(x)` with one division.
#[inline(always)]
fn gated<const FUSED: bool>(gate: f32, x: f32) -> f32 {
    let power = exp::<FUSED>(x + x);
    (power - 1.0) / ((1.0 + exp::<FUSED>(-gate)) * (power + 1.0))
}

/// The error function to within 5e-7 (Abramowitz and Stegun 1964, 7.1.26, in single precision).
#[inline(always)]
pub(super) fn erf<const FUSED: bool>(x: f32) -> f32 {
    let size = x.abs();
    let t = 1.0 / multiply_add::<FUSED>(0.327_591_1, size, 1.0);
    let sum = multiply_add::<FUSED>(1.061_405_4, t, -1.453_152);
    let sum = multiply_add::<FUSED>(sum, t, 1.421_413_7);
    let sum = multiply_add::<FUSED>(sum, t, -0.284_496_74);
    let sum = multiply_add::<FUSED>(sum, t, 0.254_829_6) * t;
    (1.0 - sum * exp::<FUSED>(-size * size)).copysign(x)
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
    fn run<const FUSED: bool>(self) {
        for row in self.values.chunks_exact_mut(self.len) {
            let largest = fold(row, f32::NEG_INFINITY, |a, b| if b > a { b } else { a });
            for value in row.iter_mut() {
                *value = exp::<FUSED>(*value - largest);
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
    fn run<const FUSED: bool>(self) {
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

/// One step of one sample of an Elman network (Elman 1990): `h = tanh(gate)`.
pub fn rnn_step(set: InstructionSet, gates: &[f32], hidden: &mut [f32]) {
    run(set, Rnn { gates, hidden });
}

/// One step of one sample of a GRU whose reset gate comes behind the product (Cho et al. 2014). `input` and `state` hold what the input
/// and the state make of the gates update, reset and new, one behind the other.
pub fn gru_step(set: InstructionSet, input: &[f32], state: &[f32], hidden: &mut [f32]) {
    run(set, Gru { input, state, hidden });
}

/// One step of one sample of an LSTM (Hochreiter and Schmidhuber 1997): gates input, output, forget and cell, one behind the other;
/// `memory` is the cell state.
pub fn lstm_step(set: InstructionSet, gates: &[f32], hidden: &mut [f32], memory: &mut [f32]) {
    run(set, Lstm { gates, hidden, memory });
}

struct Rnn<'a> {
    gates: &'a [f32],
    hidden: &'a mut [f32],
}

struct Gru<'a> {
    input: &'a [f32],
    state: &'a [f32],
    hidden: &'a mut [f32],
}

struct Lstm<'a> {
    gates: &'a [f32],
    hidden: &'a mut [f32],
    memory: &'a mut [f32],
}

impl Work for Rnn<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        in_lanes([self.gates], self.hidden, rnn_lane::<FUSED>);
    }
}

impl Work for Gru<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { input, state, hidden } = self;
        let units = hidden.len();
        let gates = [
            &input[..units],
            &input[units..][..units],
            &input[2 * units..][..units],
            &state[..units],
            &state[units..][..units],
            &state[2 * units..][..units],
        ];
        in_lanes(gates, hidden, gru_lane::<FUSED>);
    }
}

impl Work for Lstm<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { gates, hidden, memory } = self;
        let units = hidden.len();
        let gates = [0, 1, 2, 3].map(|gate| &gates[gate * units..][..units]);
        let [input, output, forget, cell] = gates;
        in_lanes([input, forget, cell], memory, memory_lane::<FUSED>);
        in_lanes([output, &memory[..units]], hidden, hidden_lane::<FUSED>);
    }
}

#[inline(always)]
fn rnn_lane<const FUSED: bool>([gate]: [f32; 1], _: f32) -> f32 {
    tanh::<FUSED>(gate)
}

#[inline(always)]
fn gru_lane<const FUSED: bool>([au, ar, an, bu, br, bn]: [f32; 6], hidden: f32) -> f32 {
    let (update, reset) = (sigmoid::<FUSED>(au + bu), sigmoid::<FUSED>(ar + br));
    let new = tanh::<FUSED>(multiply_add::<FUSED>(reset, bn, an));
    multiply_add::<FUSED>(update, hidden - new, new)
}

#[inline(always)]
fn memory_lane<const FUSED: bool>([input, forget, cell]: [f32; 3], memory: f32) -> f32 {
    multiply_add::<FUSED>(sigmoid::<FUSED>(forget), memory, gated::<FUSED>(input, cell))
}

#[inline(always)]
fn hidden_lane<const FUSED: bool>([output, memory]: [f32; 2], _: f32) -> f32 {
    gated::<FUSED>(output, memory)
}

/// Replaces `values` by what `step`, which must be `#[inline(always)]`, makes of the numbers at the same place of `inputs` and of
/// themselves: sixteen at a time, copied to where nothing else is, so that compilers need not fear that slices overlap.
#[inline(always)]
fn in_lanes<const K: usize>(inputs: [&[f32]; K], values: &mut [f32], step: impl Fn([f32; K], f32) -> f32) {
    const LANES: usize = 16;
    let len = values.len();
    let mut first = 0;
    while first < len {
        let count = LANES.min(len - first);
        let (mut from, mut before) = ([[0.0_f32; LANES]; K], [0.0_f32; LANES]);
        if count == LANES {
            for (from, input) in from.iter_mut().zip(&inputs) {
                from.copy_from_slice(&input[first..][..LANES]);
            }
            before.copy_from_slice(&values[first..][..LANES]);
        } else {
            for (from, input) in from.iter_mut().zip(&inputs) {
                from[..count].copy_from_slice(&input[first..][..count]);
            }
            before[..count].copy_from_slice(&values[first..][..count]);
        }
        let mut after = [0.0_f32; LANES];
        for lane in 0..LANES {
            let mut own = [0.0; K];
            for (own, from) in own.iter_mut().zip(&from) {
                *own = from[lane];
            }
            after[lane] = step(own, before[lane]);
        }
        values[first..][..count].copy_from_slice(&after[..count]);
        first += count;
    }
}
