//! Recurrent cells over all steps, forward and backward through time.
//!
//! The rows of a batch are cut into parts whose number depends on the rows alone. Each part runs through all its steps without
//! waiting for the others, and the weights' gradients are added in the order of the parts: how many threads there are changes no bit.

use rayon::prelude::*;

use super::product::{Matrix, Product, Start, new_product};
use super::steps;
use super::sums::column_sums;
use crate::kernels::{FloatOutput, FloatPanels, InstructionSet, Walk, float_product};

/// Fewest and most rows of a part, and the most parts where parts are large.
const ROWS: [usize; 2] = [4, 16];
const PARTS: usize = 8;

/// A kind of recurrent cell; its gates lie side by side in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// `h' = tanh(a + b)`, where `a` comes from the input and `b` from the state, each with its bias (Elman 1990).
    Rnn,
    /// `r = s(a_r + b_r)`, `z = s(a_z + b_z)`, `n = tanh(a_n + r b_n)`, `h' = n + z (h - n)` (Cho et al. 2014).
    Gru,
    /// `i, f, o = s(..)`, `g = tanh(..)`, `c' = f c + i g`, `h' = o tanh(c')`, gates `i, f, g, o` (Hochreiter and Schmidhuber 1997).
    Lstm,
}

/// One direction of a recurrent layer over a batch, beginning with zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recurrence {
    pub cell: Cell,
    pub rows: usize,
    pub steps: usize,
    pub features: usize,
    pub units: usize,
    /// From the last step to the first.
    pub reversed: bool,
    /// The output is all states `[rows, steps * units]`; else the last, `[rows, units]`.
    pub sequence: bool,
}

/// What a cell learns.
#[derive(Debug, Clone, Copy)]
pub struct CellWeights<'a> {
    /// `[features, gates * units]`
    pub input: &'a [f32],
    /// `[units, gates * units]`
    pub state: &'a [f32],
    /// `[gates * units]`
    pub input_bias: &'a [f32],
    /// `[gates * units]`
    pub state_bias: &'a [f32],
}

/// What the way back needs of the way there: for each part and step its rows, one after the other, in the order of the run.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// GRU: `n, r, z, b_n`; LSTM: its gates; RNN: nothing.
    gates: Vec<f32>,
    states: Vec<f32>,
    /// The `c` of an LSTM.
    memory: Vec<f32>,
}

/// Gradients of what entered; the input's only where it was asked for.
#[derive(Debug, Clone, Default)]
pub struct CellGradients {
    /// `[rows, steps * features]`
    pub x: Option<Vec<f32>>,
    pub input: Vec<f32>,
    pub state: Vec<f32>,
    pub input_bias: Vec<f32>,
    pub state_bias: Vec<f32>,
}

impl Cell {
    pub fn gates(self) -> usize {
        match self {
            Self::Rnn => 1,
            Self::Gru => 3,
            Self::Lstm => 4,
        }
    }

    /// Places, each of so many units, that a row of a step takes while it is computed.
    fn places(self) -> usize {
        match self {
            Self::Rnn => 1,
            Self::Gru | Self::Lstm => 4,
        }
    }

    /// The place where the gradients of what the state makes of the gates begin; those of the input's begin at the first.
    fn state_place(self) -> usize {
        usize::from(self == Self::Gru)
    }

    /// The gate, in the order of the weights, whose input lies at a place.
    fn gate(self, place: usize) -> usize {
        match self {
            Self::Gru => [2, 0, 1][place],
            Self::Rnn | Self::Lstm => place,
        }
    }
}

/// The weights as the products read them, and the biases of input and state.
struct Packed {
    input: FloatPanels,
    state: FloatPanels,
    input_bias: Vec<f32>,
    state_bias: Vec<f32>,
}

/// What one part leaves of its weights' gradients, the gates by place.
struct Partial {
    input: Vec<f32>,
    state: Vec<f32>,
    biases: Vec<f32>,
}

impl Recurrence {
    /// The output, and the trace where it is to be kept. Sizes that do not fit together panic.
    pub fn forward(
        &self,
        set: InstructionSet,
        x: &[f32],
        weights: CellWeights<'_>,
        keep: bool,
    ) -> (Vec<f32>, Option<Trace>) {
        assert_eq!(x.len(), self.rows * self.steps * self.features);
        let packed = self.pack(set, weights);
        let slots = if keep { self.steps } else { self.steps.min(2) };
        let cells = self.rows * slots * self.units;
        let (places, memory) = match self.cell {
            Cell::Rnn => (0, 0),
            Cell::Gru => (4, 0),
            Cell::Lstm => (4, 1),
        };
        let mut trace = Trace {
            gates: vec![0.0; places * cells],
            states: vec![0.0; cells],
            memory: vec![0.0; memory * cells],
        };
        let mut output = vec![0.0; self.rows * self.output_width()];
        let rows = self.part_rows();
        let slot = rows * slots * self.units;
        let mut gates = parts(&mut trace.gates, places * slot);
        let mut memories = parts(&mut trace.memory, memory * slot);
        let parts = x
            .chunks(Self::chunk(rows, self.steps * self.features))
            .zip(output.chunks_mut(Self::chunk(rows, self.output_width())))
            .zip(trace.states.chunks_mut(slot.max(1)));
        let tasks: Vec<_> = parts
            .map(|((x, output), states)| {
                (
                    x,
                    output,
                    states,
                    gates.next().unwrap_or_default(),
                    memories.next().unwrap_or_default(),
                )
            })
            .collect();
        each(tasks, |(x, output, states, gates, memory)| {
            self.run(set, &packed, slots, x, output, [gates, states, memory]);
        });
        (output, keep.then_some(trace))
    }

    /// The gradients, given those of the output and the trace that the way there left, which is used up.
    pub fn backward(
        &self,
        set: InstructionSet,
        x: &[f32],
        weights: CellWeights<'_>,
        trace: Trace,
        gradient: &[f32],
        wants_x: bool,
    ) -> CellGradients {
        assert_eq!(x.len(), self.rows * self.steps * self.features);
        assert_eq!(gradient.len(), self.rows * self.output_width());
        let Trace {
            mut gates,
            states,
            memory,
        } = trace;
        let places = self.cell.places();
        let cells = self.rows * self.steps * self.units;
        assert_eq!(states.len(), cells);
        gates.resize(places * cells, 0.0);
        let back = self.pack_back(set, weights, wants_x);
        let mut input_gradient = vec![0.0; if wants_x { x.len() } else { 0 }];
        let rows = self.part_rows();
        let slot = rows * self.steps * self.units;
        let mut memories = memory.chunks(slot.max(1));
        let mut input_gradients = parts(&mut input_gradient, rows * self.steps * self.features);
        let parts = x
            .chunks(Self::chunk(rows, self.steps * self.features))
            .zip(gradient.chunks(Self::chunk(rows, self.output_width())))
            .zip(gates.chunks_mut((places * slot).max(1)))
            .zip(states.chunks(slot.max(1)));
        let tasks: Vec<_> = parts
            .map(|(((x, gradient), gates), states)| {
                let kept = [states, memories.next().unwrap_or_default()];
                (x, gradient, gates, kept, input_gradients.next().unwrap_or_default())
            })
            .collect();
        let partials = each(tasks, |(x, gradient, gates, kept, to_x)| {
            self.run_back(set, &back, gradient, gates, kept, to_x);
            self.weight_gradients(set, x, gates, kept[0])
        });
        let mut sums = self.sum(&partials);
        sums.x = wants_x.then_some(input_gradient);
        sums
    }

    /// Values of an output row.
    pub fn output_width(&self) -> usize {
        if self.sequence {
            self.steps * self.units
        } else {
            self.units
        }
    }

    /// Rows of a part, the last one's perhaps fewer.
    fn part_rows(&self) -> usize {
        let [fewest, most] = ROWS;
        // Two parts where there is enough for two, more where their rows are many.
        let part = self.rows.div_ceil(2).clamp(fewest, most);
        part.max(self.rows.div_ceil(PARTS)).max(1)
    }

    fn chunk(rows: usize, width: usize) -> usize {
        (rows * width).max(1)
    }

    fn pack(&self, set: InstructionSet, weights: CellWeights<'_>) -> Packed {
        let (units, columns) = (self.units, self.cell.gates() * self.units);
        assert_eq!(weights.input.len(), self.features * columns);
        assert_eq!(weights.state.len(), units * columns);
        assert!(weights.input_bias.len() == columns && weights.state_bias.len() == columns);
        let padded = columns.next_multiple_of(crate::kernels::PANEL);
        let (mut input_bias, mut state_bias) = (vec![0.0; padded], vec![0.0; padded]);
        for place in 0..self.cell.gates() {
            let gate = self.cell.gate(place);
            for unit in 0..units {
                let (from, to) = (gate * units + unit, place * units + unit);
                // The reset gate of a GRU comes between the biases of its new state.
                if self.cell == Cell::Gru && place == 0 {
                    input_bias[to] = weights.input_bias[from];
                    state_bias[from] = weights.state_bias[from];
                } else {
                    input_bias[to] = weights.input_bias[from] + weights.state_bias[from];
                }
            }
        }
        let mut turned = Vec::new();
        let input = match self.cell {
            Cell::Rnn | Cell::Lstm => weights.input,
            Cell::Gru => {
                turned.reserve_exact(weights.input.len());
                for row in weights.input.chunks_exact(columns.max(1)) {
                    turned.extend_from_slice(&row[2 * units..]);
                    turned.extend_from_slice(&row[..2 * units]);
                }
                &turned
            }
        };
        Packed {
            input: panels(set, [columns, self.features], input, [1, columns]),
            state: panels(set, [columns, units], weights.state, [1, columns]),
            input_bias,
            state_bias,
        }
    }

    /// The weights turned round, for products of the gates' gradients.
    fn pack_back(&self, set: InstructionSet, weights: CellWeights<'_>, wants_x: bool) -> Packed {
        let (units, columns) = (self.units, self.cell.gates() * self.units);
        let by_place: Vec<f32> = match self.cell {
            Cell::Gru if wants_x => {
                let rows = weights.input.chunks_exact(columns.max(1));
                rows.flat_map(|row| row[2 * units..].iter().chain(&row[..2 * units]))
                    .copied()
                    .collect()
            }
            _ => Vec::new(),
        };
        let input = if by_place.is_empty() { weights.input } else { &by_place };
        let features = if wants_x { self.features } else { 0 };
        let zeros = |columns: usize| vec![0.0; columns.next_multiple_of(crate::kernels::PANEL)];
        Packed {
            input: panels(set, [features, columns], input, [columns, 1]),
            state: panels(set, [units, columns], weights.state, [columns, 1]),
            input_bias: zeros(features),
            state_bias: zeros(units),
        }
    }

    /// The step of the input that is `place`th in the order of the run.
    fn step(&self, place: usize) -> usize {
        if self.reversed { self.steps - 1 - place } else { place }
    }

    /// All steps of one part; of `slots` steps the traces have room.
    fn run(
        &self,
        set: InstructionSet,
        packed: &Packed,
        slots: usize,
        x: &[f32],
        output: &mut [f32],
        [gates, states, memory]: [&mut [f32]; 3],
    ) {
        let (units, features, pitch) = (self.units, self.features, self.steps * self.features);
        let rows = x.len() / pitch.max(1);
        let (state, places) = (rows * units, self.cell.places() * units);
        let of_input = Walk::rows(features, pitch);
        let of_state = Walk::rows(units, units);
        let low = f32::NEG_INFINITY;
        let mut from_input = vec![0.0; rows * places];
        let start = vec![0.0; state];
        for place in 0..self.steps {
            let step = self.step(place);
            let slot = place % slots;
            float_product(
                &x[step * features..],
                &of_input,
                rows,
                &packed.input,
                &packed.input_bias,
                FloatOutput {
                    out: &mut from_input,
                    pitch: places,
                    add: None,
                    low,
                },
            );
            let (before, states) = turn(states, state, place, slots, &start);
            let product = |out: &mut [f32], add: &[f32]| {
                let add = Some(add);
                let output = FloatOutput {
                    out,
                    pitch: places,
                    add,
                    low,
                };
                float_product(before, &of_state, rows, &packed.state, &packed.state_bias, output);
            };
            match self.cell {
                Cell::Rnn => {
                    product(states, &from_input);
                    steps::rnn(set, states);
                }
                Cell::Gru => {
                    let gates = &mut gates[slot * 4 * state..][..4 * state];
                    product(&mut gates[units..], &from_input[units..]);
                    steps::gru(set, units, &from_input, gates, before, states);
                }
                Cell::Lstm => {
                    let gates = &mut gates[slot * 4 * state..][..4 * state];
                    product(gates, &from_input);
                    let (before, memory) = turn(memory, state, place, slots, &start);
                    steps::lstm(set, units, gates, before, memory, states);
                }
            }
            if self.sequence {
                for (output, state) in output
                    .chunks_exact_mut(self.steps * units)
                    .zip(states.chunks_exact(units))
                {
                    output[step * units..][..units].copy_from_slice(state);
                }
            } else if place + 1 == self.steps {
                output.copy_from_slice(states);
            }
        }
    }

    /// Backward through all steps of one part: what was kept of the gates becomes their gradients.
    fn run_back(
        &self,
        set: InstructionSet,
        back: &Packed,
        gradient: &[f32],
        gates: &mut [f32],
        [states, memory]: [&[f32]; 2],
        to_x: &mut [f32],
    ) {
        let (units, features) = (self.units, self.features);
        let rows = gradient.len() / self.output_width().max(1);
        let (state, places) = (rows * units, self.cell.places() * units);
        let columns = self.cell.gates() * units;
        let walk = Walk::rows(columns, places);
        let zeros = vec![0.0; state];
        let mut running = vec![0.0; state];
        // Of a GRU, what goes past the gates; of an LSTM, the gradient of its memory.
        let mut beside = vec![0.0; state];
        for place in (0..self.steps).rev() {
            let step = self.step(place);
            if self.sequence {
                let rows = gradient.chunks_exact(self.steps * units);
                for (running, row) in running.chunks_exact_mut(units).zip(rows) {
                    for (running, value) in running.iter_mut().zip(&row[step * units..][..units]) {
                        *running += value;
                    }
                }
            } else if place + 1 == self.steps {
                running.copy_from_slice(gradient);
            }
            let gates = &mut gates[place * rows * places..][..rows * places];
            let now = &states[place * state..][..state];
            let before = place.checked_sub(1);
            match self.cell {
                Cell::Rnn => steps::rnn_back(set, now, &running, gates),
                Cell::Gru => {
                    let before = before.map_or(zeros.as_slice(), |place| &states[place * state..][..state]);
                    steps::gru_back(set, units, gates, before, &running, &mut beside);
                }
                Cell::Lstm => {
                    let now = &memory[place * state..][..state];
                    let before = before.map_or(zeros.as_slice(), |place| &memory[place * state..][..state]);
                    steps::lstm_back(set, units, gates, [now, before, &running], &mut beside);
                }
            }
            let low = f32::NEG_INFINITY;
            if place > 0 {
                let output = FloatOutput {
                    out: &mut running,
                    pitch: units,
                    add: (self.cell == Cell::Gru).then_some(beside.as_slice()),
                    low,
                };
                let from = &gates[self.cell.state_place() * units..];
                float_product(from, &walk, rows, &back.state, &back.state_bias, output);
            }
            if !to_x.is_empty() {
                let output = FloatOutput {
                    out: &mut to_x[step * features..],
                    pitch: self.steps * features,
                    add: None,
                    low,
                };
                float_product(gates, &walk, rows, &back.input, &back.input_bias, output);
            }
        }
    }

    /// The weights' gradients from those of the gates of all steps of one part.
    fn weight_gradients(&self, set: InstructionSet, x: &[f32], gates: &[f32], states: &[f32]) -> Partial {
        let (units, features, pitch) = (self.units, self.features, self.steps * self.features);
        let rows = x.len() / pitch.max(1);
        let (places, columns) = (self.cell.places() * units, self.cell.gates() * units);
        // In the order of the gates: step by step.
        let mut by_step = Vec::with_capacity(x.len());
        for place in 0..self.steps {
            for row in x.chunks_exact(pitch) {
                by_step.extend_from_slice(&row[self.step(place) * features..][..features]);
            }
        }
        // Of columns that begin so many values into a row of the gates, over so many of its rows.
        let outer = |left: &[f32], width: usize, right: &[f32], depth: usize| {
            let product = Product {
                a: Matrix::new(&left[..depth * width], depth, width).transposed(),
                b: Matrix::with_pitch(right, depth, columns, places),
                start: Start::Zero,
                relu: false,
            };
            new_product(set, &product)
        };
        let input = outer(&by_step, features, gates, rows * self.steps);
        // The first step had no state before it.
        let later = gates
            .get(rows * places + self.cell.state_place() * units..)
            .unwrap_or_default();
        let state = outer(states, units, later, rows * self.steps.saturating_sub(1));
        let biases = column_sums(set, gates, places);
        Partial { input, state, biases }
    }

    /// The sums over the parts, in their order, with the gates in the order of the weights.
    fn sum(&self, partials: &[Partial]) -> CellGradients {
        let (units, columns) = (self.units, self.cell.gates() * self.units);
        let mut input = vec![0.0; self.features * columns];
        let mut state = vec![0.0; units * columns];
        let mut biases = vec![0.0; self.cell.places() * units];
        for partial in partials {
            add(&mut input, &partial.input);
            add(&mut state, &partial.state);
            add(&mut biases, &partial.biases);
        }
        let first = self.cell.state_place() * units;
        let state_bias = biases[first..][..columns].to_vec();
        let mut input_bias = biases;
        input_bias.truncate(columns);
        if self.cell == Cell::Gru {
            input_bias.rotate_left(units);
            for row in input.chunks_exact_mut(columns.max(1)) {
                row.rotate_left(units);
            }
        }
        CellGradients {
            x: None,
            input,
            state,
            input_bias,
            state_bias,
        }
    }
}

/// Does the work of every part, at once where there are threads for it; the results are in the order of the parts.
fn each<T: Send, R: Send>(tasks: Vec<T>, work: impl Fn(T) -> R + Send + Sync) -> Vec<R> {
    if tasks.len() <= 1 || rayon::current_num_threads() <= 1 {
        return tasks.into_iter().map(work).collect();
    }
    tasks.into_par_iter().with_max_len(1).map(work).collect()
}

fn panels(set: InstructionSet, size: [usize; 2], values: &[f32], pitches: [usize; 2]) -> FloatPanels {
    let shape = crate::kernels::MatrixShape {
        columns: 0,
        runs: 1,
        run_len: 0,
    };
    let mut panels = FloatPanels::pack(set, shape, |_, _, _| 0.0);
    panels.repack(size, values, pitches);
    panels
}

/// Pieces of `len` values; none of nothing.
fn parts(values: &mut [f32], len: usize) -> std::slice::ChunksMut<'_, f32> {
    values.chunks_mut(len.max(1))
}

/// The values that the step before left, `start` before the first, and the room of this one.
fn turn<'a>(
    values: &'a mut [f32],
    len: usize,
    place: usize,
    slots: usize,
    start: &'a [f32],
) -> (&'a [f32], &'a mut [f32]) {
    let slot = place % slots;
    if place == 0 {
        return (start, &mut values[..len]);
    }
    let before = (place - 1) % slots;
    let (low, high) = values.split_at_mut(slot.max(before) * len);
    if slot > before {
        (&low[before * len..][..len], &mut high[..len])
    } else {
        (&high[..len], &mut low[slot * len..][..len])
    }
}

fn add(sums: &mut [f32], more: &[f32]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
}
