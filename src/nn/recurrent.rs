//! Recurrent layers: RNN, GRU and LSTM. On the CPU all steps of a direction are one operation of our own; elsewhere they are composed of
//! tensor operations, one product of the input for all steps and one of the state for each.

use burn::module::{Module, Param};
use burn::tensor::module::linear;
use burn::tensor::{Tensor, activation};

use super::fused::{self, Keeps, Operand, Output, Step};
use super::layers::{Source, transposed};
use super::network::numbers;
use crate::kernels::InstructionSet;
use crate::kernels::training::{Cell, CellGradients, CellWeights, Recurrence, Trace};
use crate::spec::{CellKind, Shape};

/// PyTorch's `RNN`, `GRU` or `LSTM` of one layer, beginning with zeros.
#[derive(Module, Debug)]
pub struct Recurrent {
    forward: Direction,
    backward: Option<Direction>,
    #[module(skip)]
    cell: CellKind,
    /// All states, or the last.
    #[module(skip)]
    sequence: bool,
    #[module(skip)]
    steps: usize,
}

/// The weights of one direction, the gates side by side in PyTorch's order.
#[derive(Module, Debug)]
struct Direction {
    /// `[features, gates * units]`
    input_weight: Param<Tensor<2>>,
    /// `[units, gates * units]`
    state_weight: Param<Tensor<2>>,
    input_bias: Param<Tensor<1>>,
    state_bias: Param<Tensor<1>>,
}

/// The tensors of the direction from the first step to the last, and of the other one.
const NAMES: [[&str; 4]; 2] = [
    ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"],
    [
        "weight_ih_l0_reverse",
        "weight_hh_l0_reverse",
        "bias_ih_l0_reverse",
        "bias_hh_l0_reverse",
    ],
];

impl Recurrent {
    pub fn new(cell: CellKind, bidirectional: bool, sequence: bool, input: Shape, source: &Source) -> Self {
        Self {
            forward: Direction::new(NAMES[0], source),
            backward: bidirectional.then(|| Direction::new(NAMES[1], source)),
            cell,
            sequence,
            steps: input.positions(),
        }
    }

    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        if fused::serves(&x) {
            return self.forward_fused(x);
        }
        let [samples, values] = x.dims();
        // Step by step, so that what belongs to a step lies together.
        let x = x
            .reshape([samples, self.steps, values / self.steps])
            .swap_dims(0, 1)
            .reshape([self.steps * samples, values / self.steps]);
        let forward = self.forward.states(self.cell, x.clone(), self.steps, false);
        let backward = self
            .backward
            .as_ref()
            .map(|direction| direction.states(self.cell, x, self.steps, true));
        let join = |forward: Tensor<2>, backward: Option<Tensor<2>>| match backward {
            Some(backward) => Tensor::cat(vec![forward, backward], 1),
            None => forward,
        };
        if !self.sequence {
            // The state of the backward direction that comes last is that after the first step.
            let backward = backward.and_then(|states| states.into_iter().next());
            return match forward.into_iter().next_back() {
                Some(forward) => join(forward, backward),
                None => Tensor::zeros([samples, 0], &self.forward.input_bias.val().device()),
            };
        }
        let mut backward = backward.map(Vec::into_iter);
        let states = forward
            .into_iter()
            .map(|forward| join(forward, backward.as_mut().and_then(Iterator::next)));
        Tensor::cat(states.collect(), 1)
    }

    fn forward_fused(&self, x: Tensor<2>) -> Tensor<2> {
        let run = |direction: &Direction, reversed: bool, x: Tensor<2>| -> Tensor<2> {
            let operation = Fused {
                cell: match self.cell {
                    CellKind::Rnn => Cell::Rnn,
                    CellKind::Gru => Cell::Gru,
                    CellKind::Lstm => Cell::Lstm,
                },
                steps: self.steps,
                reversed,
                sequence: self.sequence,
            };
            let inputs = [
                x.into(),
                direction.input_weight.val().into(),
                direction.state_weight.val().into(),
                direction.input_bias.val().into(),
                direction.state_bias.val().into(),
            ];
            fused::run(operation, inputs)
        };
        let Some(backward) = &self.backward else {
            return run(&self.forward, false, x);
        };
        let [samples, _] = x.dims();
        let both = [run(&self.forward, false, x.clone()), run(backward, true, x)];
        if !self.sequence {
            return Tensor::cat(both.to_vec(), 1);
        }
        let by_step = both.map(|states| {
            let units = states.dims()[1] / self.steps.max(1);
            states.reshape([samples, self.steps, units])
        });
        Tensor::cat(by_step.to_vec(), 2).flatten(1, 2)
    }

    pub fn parts(&self) -> Vec<(&'static str, Vec<f32>)> {
        let directions = std::iter::once(&self.forward).chain(&self.backward);
        let parts = directions.zip(NAMES).flat_map(|(direction, names)| {
            names.into_iter().zip([
                transposed(&direction.input_weight),
                transposed(&direction.state_weight),
                numbers(direction.input_bias.val()),
                numbers(direction.state_bias.val()),
            ])
        });
        parts.collect()
    }
}

impl Direction {
    fn new([input_weight, state_weight, input_bias, state_bias]: [&str; 4], source: &Source) -> Self {
        Self {
            input_weight: source.transposed(input_weight),
            state_weight: source.transposed(state_weight),
            input_bias: source.tensor(input_bias),
            state_bias: source.tensor(state_bias),
        }
    }

    /// The state `[samples, units]` after each step, in the order of the steps; `x` is `[steps * samples, features]`.
    fn states(&self, cell: CellKind, x: Tensor<2>, steps: usize, backward: bool) -> Vec<Tensor<2>> {
        let samples = x.dims()[0] / steps;
        let state_weight = self.state_weight.val();
        let [units, _] = state_weight.dims();
        let device = x.device().without_autodiff();
        // Only the GRU needs the two biases apart: its reset gate is between them.
        let (input_bias, state_bias) = match cell {
            CellKind::Gru => (self.input_bias.val(), Some(self.state_bias.val())),
            CellKind::Rnn | CellKind::Lstm => (self.input_bias.val() + self.state_bias.val(), None),
        };
        let gates = linear(x, self.input_weight.val(), Some(input_bias));
        let mut gates = apart(gates, steps);
        if backward {
            gates.reverse();
        }
        let mut state = Tensor::zeros([samples, units], &device);
        let mut memory = Tensor::zeros([samples, units], &device);
        let mut states = Vec::with_capacity(steps);
        for input in gates {
            let recurrent = linear(state.clone(), state_weight.clone(), state_bias.clone());
            state = match cell {
                CellKind::Rnn => activation::tanh(input + recurrent),
                CellKind::Gru => gru(input, recurrent, state, units),
                CellKind::Lstm => {
                    let state;
                    (state, memory) = lstm(input + recurrent, memory, units);
                    state
                }
            };
            states.push(state.clone());
        }
        if backward {
            states.reverse();
        }
        states
    }
}

/// All steps of one direction, of the input and the direction's four tensors.
#[derive(Debug)]
struct Fused {
    cell: Cell,
    steps: usize,
    reversed: bool,
    sequence: bool,
}

impl Fused {
    fn recurrence(&self, x: &Operand, state: &Operand) -> Recurrence {
        let (rows, values) = (x.shape()[0], x.shape()[1]);
        Recurrence {
            cell: self.cell,
            rows,
            steps: self.steps,
            features: values / self.steps.max(1),
            units: state.shape()[0],
            reversed: self.reversed,
            sequence: self.sequence,
        }
    }
}

impl fused::Operation<5> for Fused {
    type Saved = Trace;

    const PACKS: bool = false;

    fn forward(&self, inputs: [Operand; 5], wanted: [bool; 5]) -> Output<Trace> {
        let recurrence = self.recurrence(&inputs[0], &inputs[2]);
        let (values, trace) = recurrence.forward(
            InstructionSet::best(),
            inputs[0].values(),
            weights(&inputs),
            wanted.contains(&true),
        );
        Output {
            values,
            shape: vec![recurrence.rows, recurrence.output_width()],
            saved: trace.unwrap_or_default(),
        }
    }

    fn keeps(&self, wanted: [bool; 5]) -> Keeps<5> {
        Keeps {
            inputs: [true, wanted[0], true, false, false],
            output: false,
        }
    }

    fn backward(&self, step: Step<Trace, 5>) -> [Option<Vec<f32>>; 5] {
        let Step {
            inputs,
            saved,
            gradient,
            wanted,
            ..
        } = step;
        let CellGradients {
            x,
            input,
            state,
            input_bias,
            state_bias,
        } = self.recurrence(&inputs[0], &inputs[2]).backward(
            InstructionSet::best(),
            inputs[0].values(),
            weights(&inputs),
            saved,
            &gradient,
            wanted[0],
        );
        let mut gradients = [x, Some(input), Some(state), Some(input_bias), Some(state_bias)];
        for (gradient, wanted) in gradients.iter_mut().zip(wanted) {
            gradient.take_if(|_| !wanted);
        }
        gradients
    }
}

fn weights([_, input, state, input_bias, state_bias]: &[Operand; 5]) -> CellWeights<'_> {
    CellWeights {
        input: input.values(),
        state: state.values(),
        input_bias: input_bias.values(),
        state_bias: state_bias.values(),
    }
}

/// `r = s(a_r + b_r)`, `z = s(a_z + b_z)`, `n = tanh(a_n + r b_n)`, `h' = n + z (h - n)`, where `a` comes from the input and `b` from the state.
fn gru(input: Tensor<2>, recurrent: Tensor<2>, state: Tensor<2>, units: usize) -> Tensor<2> {
    let both = 2 * units;
    let gates = activation::sigmoid(input.clone().narrow(1, 0, both) + recurrent.clone().narrow(1, 0, both));
    let reset = gates.clone().narrow(1, 0, units);
    let update = gates.narrow(1, units, units);
    let new = activation::tanh(input.narrow(1, both, units) + reset * recurrent.narrow(1, both, units));
    new.clone() + update * (state - new)
}

/// `c' = f c + i g`, `h' = o tanh(c')` with `i, f, o = s(..)` and `g = tanh(..)`; the state and the memory.
fn lstm(gates: Tensor<2>, memory: Tensor<2>, units: usize) -> (Tensor<2>, Tensor<2>) {
    let first = activation::sigmoid(gates.clone().narrow(1, 0, 2 * units));
    let candidate = activation::tanh(gates.clone().narrow(1, 2 * units, units));
    let output = activation::sigmoid(gates.narrow(1, 3 * units, units));
    let input = first.clone().narrow(1, 0, units);
    let forget = first.narrow(1, units, units);
    let memory = forget * memory + input * candidate;
    (output * activation::tanh(memory.clone()), memory)
}

/// The rows of each step. The gradient of a part is as large as the whole, so the whole is halved again and again: the sum of all
/// parts is then the whole times the logarithm of the steps, and not times the steps.
fn apart(x: Tensor<2>, steps: usize) -> Vec<Tensor<2>> {
    if steps <= 1 {
        return vec![x];
    }
    let rows = x.dims()[0];
    let half = steps / 2;
    let cut = rows / steps * half;
    let mut parts = apart(x.clone().narrow(0, 0, cut), half);
    parts.extend(apart(x.narrow(0, cut, rows - cut), steps - half));
    parts
}

#[cfg(test)]
mod tests;
