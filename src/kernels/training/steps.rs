//! One step of recurrent cells for some rows, there and back, in vector code.
#![expect(
    clippy::inline_always,
    reason = "what is not inlined is compiled for the plainest processor"
)]

use crate::kernels::InstructionSet;
use crate::kernels::functions::{precise_tanh, sigmoid};
use crate::kernels::lanes::{Work, multiply_add, run};

/// `h = tanh(h)`
pub(super) fn rnn(set: InstructionSet, states: &mut [f32]) {
    run(set, Rnn { states });
}

/// Gates `[rows, 4 * units]` hold `.., r, z, b_n` before activations and get `n, r, z, b_n` after them; `from_input` holds `a_n` first in its
/// rows, which are as wide.
pub(super) fn gru(
    set: InstructionSet,
    units: usize,
    from_input: &[f32],
    gates: &mut [f32],
    before: &[f32],
    states: &mut [f32],
) {
    run(
        set,
        Gru {
            units,
            from_input,
            gates,
            before,
            states,
        },
    );
}

/// Gates `[rows, 4 * units]` are activated in place; `before` is the memory of the step before.
pub(super) fn lstm(
    set: InstructionSet,
    units: usize,
    gates: &mut [f32],
    before: &[f32],
    memory: &mut [f32],
    states: &mut [f32],
) {
    run(
        set,
        Lstm {
            units,
            gates,
            before,
            memory,
            states,
        },
    );
}

/// Gradients of the sum before the activation, from states and their gradients.
pub(super) fn rnn_back(set: InstructionSet, states: &[f32], gradient: &[f32], out: &mut [f32]) {
    run(set, RnnBack { states, gradient, out });
}

/// Gates `n, r, z, b_n` become the gradients of `a_n, a_r, a_z, b_n`; `beside` that of the state before, past the gates.
pub(super) fn gru_back(
    set: InstructionSet,
    units: usize,
    gates: &mut [f32],
    before: &[f32],
    gradient: &[f32],
    beside: &mut [f32],
) {
    run(
        set,
        GruBack {
            units,
            gates,
            before,
            gradient,
            beside,
        },
    );
}

/// Gates become the gradients of the sums before their activations; `kept` is the memory, that of the step before, and the gradient
/// of the state; `beside` the gradient of the memory, which becomes that of the step before.
pub(super) fn lstm_back(set: InstructionSet, units: usize, gates: &mut [f32], kept: [&[f32]; 3], beside: &mut [f32]) {
    run(
        set,
        LstmBack {
            units,
            gates,
            kept,
            beside,
        },
    );
}

struct Rnn<'a> {
    states: &'a mut [f32],
}

struct Gru<'a> {
    units: usize,
    from_input: &'a [f32],
    gates: &'a mut [f32],
    before: &'a [f32],
    states: &'a mut [f32],
}

struct Lstm<'a> {
    units: usize,
    gates: &'a mut [f32],
    before: &'a [f32],
    memory: &'a mut [f32],
    states: &'a mut [f32],
}

struct RnnBack<'a> {
    states: &'a [f32],
    gradient: &'a [f32],
    out: &'a mut [f32],
}

struct GruBack<'a> {
    units: usize,
    gates: &'a mut [f32],
    before: &'a [f32],
    gradient: &'a [f32],
    beside: &'a mut [f32],
}

struct LstmBack<'a> {
    units: usize,
    gates: &'a mut [f32],
    kept: [&'a [f32]; 3],
    beside: &'a mut [f32],
}

impl Work for Rnn<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for state in self.states {
            *state = precise_tanh::<FUSED>(*state);
        }
    }
}

impl Work for Gru<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let units = self.units;
        let rows = self
            .gates
            .chunks_exact_mut(4 * units)
            .zip(self.from_input.chunks_exact(4 * units));
        let states = self.before.chunks_exact(units).zip(self.states.chunks_exact_mut(units));
        for ((gates, from_input), (before, state)) in rows.zip(states) {
            let [new, reset, update, product] = quarters(gates, units);
            each(
                [&from_input[..units], product, before],
                [new, reset, update, state],
                #[inline(always)]
                |[from_input, product, before], [_, reset, update, _]| {
                    let (reset, update) = (sigmoid::<FUSED>(reset), sigmoid::<FUSED>(update));
                    let new = precise_tanh::<FUSED>(multiply_add::<FUSED>(reset, product, from_input));
                    [new, reset, update, multiply_add::<FUSED>(update, before - new, new)]
                },
            );
        }
    }
}

impl Work for Lstm<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let units = self.units;
        let rows = self
            .gates
            .chunks_exact_mut(4 * units)
            .zip(self.before.chunks_exact(units));
        let states = self
            .memory
            .chunks_exact_mut(units)
            .zip(self.states.chunks_exact_mut(units));
        for ((gates, before), (memory, state)) in rows.zip(states) {
            let [input, forget, cell, output] = quarters(gates, units);
            each(
                [before],
                [input, forget, cell, output, memory, state],
                #[inline(always)]
                |[before], [input, forget, cell, output, _, _]| {
                    let (input, forget) = (sigmoid::<FUSED>(input), sigmoid::<FUSED>(forget));
                    let (cell, output) = (precise_tanh::<FUSED>(cell), sigmoid::<FUSED>(output));
                    let memory = multiply_add::<FUSED>(forget, before, input * cell);
                    [
                        input,
                        forget,
                        cell,
                        output,
                        memory,
                        output * precise_tanh::<FUSED>(memory),
                    ]
                },
            );
        }
    }
}

impl Work for RnnBack<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for ((out, state), gradient) in self.out.iter_mut().zip(self.states).zip(self.gradient) {
            *out = gradient * (1.0 - state * state);
        }
    }
}

impl Work for GruBack<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let units = self.units;
        let rows = self
            .gates
            .chunks_exact_mut(4 * units)
            .zip(self.before.chunks_exact(units));
        let gradients = self
            .gradient
            .chunks_exact(units)
            .zip(self.beside.chunks_exact_mut(units));
        for ((gates, before), (gradient, beside)) in rows.zip(gradients) {
            let [new, reset, update, product] = quarters(gates, units);
            each(
                [before, gradient],
                [new, reset, update, product, beside],
                #[inline(always)]
                |[before, gradient], [new, reset, update, product, _]| {
                    let to_update = gradient * (before - new) * (update * (1.0 - update));
                    let to_new = gradient * (1.0 - update) * (1.0 - new * new);
                    let to_reset = to_new * product * (reset * (1.0 - reset));
                    [to_new, to_reset, to_update, to_new * reset, gradient * update]
                },
            );
        }
    }
}

impl Work for LstmBack<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let units = self.units;
        let [memory, before, gradient] = self.kept.map(|kept| kept.chunks_exact(units));
        let rows = self
            .gates
            .chunks_exact_mut(4 * units)
            .zip(self.beside.chunks_exact_mut(units));
        for ((gates, beside), ((memory, before), gradient)) in rows.zip(memory.zip(before).zip(gradient)) {
            let [input, forget, cell, output] = quarters(gates, units);
            each(
                [memory, before, gradient],
                [input, forget, cell, output, beside],
                #[inline(always)]
                |[memory, before, gradient], [input, forget, cell, output, beside]| {
                    let memory = precise_tanh::<FUSED>(memory);
                    let to_memory = multiply_add::<FUSED>(gradient * output, 1.0 - memory * memory, beside);
                    [
                        to_memory * cell * (input * (1.0 - input)),
                        to_memory * before * (forget * (1.0 - forget)),
                        to_memory * input * (1.0 - cell * cell),
                        gradient * memory * (output * (1.0 - output)),
                        to_memory * forget,
                    ]
                },
            );
        }
    }
}

/// The four gates of a row.
#[inline(always)]
fn quarters(row: &mut [f32], units: usize) -> [&mut [f32]; 4] {
    let (first, rest) = row.split_at_mut(units);
    let (second, rest) = rest.split_at_mut(units);
    let (third, fourth) = rest.split_at_mut(units);
    [first, second, third, fourth]
}

/// Replaces `values` by what `step`, which must be `#[inline(always)]`, makes of the numbers at the same place of `inputs` and of
/// themselves: sixteen at a time, copied to where nothing else is, so that compilers need not fear that slices overlap.
#[inline(always)]
fn each<const K: usize, const O: usize>(
    inputs: [&[f32]; K],
    mut values: [&mut [f32]; O],
    step: impl Fn([f32; K], [f32; O]) -> [f32; O],
) {
    const LANES: usize = 16;
    let len = values[0].len();
    let mut first = 0;
    while first < len {
        let count = LANES.min(len - first);
        let (mut from, mut to) = ([[0.0_f32; LANES]; K], [[0.0_f32; LANES]; O]);
        if count == LANES {
            for (from, input) in from.iter_mut().zip(&inputs) {
                from.copy_from_slice(&input[first..][..LANES]);
            }
            for (to, value) in to.iter_mut().zip(&values) {
                to.copy_from_slice(&value[first..][..LANES]);
            }
        } else {
            for (from, input) in from.iter_mut().zip(&inputs) {
                from[..count].copy_from_slice(&input[first..][..count]);
            }
            for (to, value) in to.iter_mut().zip(&values) {
                to[..count].copy_from_slice(&value[first..][..count]);
            }
        }
        for lane in 0..LANES {
            let (mut own, mut before) = ([0.0; K], [0.0; O]);
            for (own, from) in own.iter_mut().zip(&from) {
                *own = from[lane];
            }
            for (before, to) in before.iter_mut().zip(&to) {
                *before = to[lane];
            }
            let after = step(own, before);
            for (to, after) in to.iter_mut().zip(after) {
                to[lane] = after;
            }
        }
        for (value, to) in values.iter_mut().zip(&to) {
            value[first..][..count].copy_from_slice(&to[..count]);
        }
        first += count;
    }
}
