//! Recurrent layers: one product of the input for all steps, then one product of the state for each.

use crate::kernels::{FloatOutput, FloatPanels, InstructionSet, Walk, float_product, gru_step, lstm_step, rnn_step};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// `h = tanh(a + b)`
    Rnn,
    /// Gates update, reset, new; the reset gate comes behind the product.
    Gru,
    /// Gates input, output, forget, cell.
    Lstm,
}

/// An RNN, GRU or LSTM over `[steps, N, features]`, beginning with zeros.
pub struct Recurrent {
    pub cell: Cell,
    pub units: usize,
    pub steps: usize,
    pub features: usize,
    pub directions: Vec<Direction>,
    /// All states `[steps, directions, N, units]`; else the last of each direction, `[directions, N, units]`.
    pub sequence: bool,
}

/// Weights with the gates side by side; biases are padded to whole panels.
pub struct Direction {
    pub input_weight: FloatPanels,
    pub input_bias: Vec<f32>,
    pub state_weight: FloatPanels,
    pub state_bias: Vec<f32>,
    /// From the last step to the first.
    pub backward: bool,
}

impl Cell {
    pub fn gates(self) -> usize {
        match self {
            Self::Rnn => 1,
            Self::Gru => 3,
            Self::Lstm => 4,
        }
    }
}

impl Recurrent {
    fn columns(&self) -> usize {
        self.cell.gates() * self.units
    }

    /// Floats for a batch of one: what the input makes of all steps, what the state makes of one, the state, and the memory.
    pub fn room(&self) -> usize {
        let memory = if self.cell == Cell::Lstm { self.units } else { 0 };
        (self.steps + 1) * self.columns() + self.units + memory
    }

    pub fn weight_bytes(&self) -> usize {
        let bytes = self.directions.iter().map(|direction| {
            direction.input_weight.bytes()
                + direction.state_weight.bytes()
                + size_of_val(direction.input_bias.as_slice())
                + size_of_val(direction.state_bias.as_slice())
        });
        bytes.sum()
    }

    pub fn run(&self, set: InstructionSet, batch: usize, input: &[f32], out: &mut [f32], room: &mut [f32]) {
        let columns = self.columns();
        let (from_input, room) = room.split_at_mut(self.steps * batch * columns);
        let (from_state, room) = room.split_at_mut(batch * columns);
        let (state, memory) = room.split_at_mut(batch * self.units);
        let count = self.directions.len();
        for (place, direction) in self.directions.iter().enumerate() {
            let walk = Walk::rows(self.features, self.features);
            float_product(
                input,
                &walk,
                self.steps * batch,
                &direction.input_weight,
                &direction.input_bias,
                FloatOutput::plain(from_input, columns, f32::NEG_INFINITY),
            );
            state.fill(0.0);
            memory.fill(0.0);
            let walk = Walk::rows(self.units, self.units);
            for step in 0..self.steps {
                let step = if direction.backward {
                    self.steps - 1 - step
                } else {
                    step
                };
                let gates = &from_input[step * batch * columns..][..batch * columns];
                float_product(
                    state,
                    &walk,
                    batch,
                    &direction.state_weight,
                    &direction.state_bias,
                    FloatOutput {
                        out: from_state,
                        pitch: columns,
                        // The reset gate of a GRU comes between the two.
                        add: (self.cell != Cell::Gru).then_some(gates),
                        low: f32::NEG_INFINITY,
                    },
                );
                self.advance(set, gates, from_state, state, memory);
                if self.sequence {
                    out[(step * count + place) * state.len()..][..state.len()].copy_from_slice(state);
                }
            }
            if !self.sequence {
                out[place * state.len()..][..state.len()].copy_from_slice(state);
            }
        }
    }

    /// One step of all samples: `from_input` is what the input makes of the gates; `from_state` what the state does, in all but a GRU
    /// with the former added.
    fn advance(
        &self,
        set: InstructionSet,
        from_input: &[f32],
        from_state: &[f32],
        state: &mut [f32],
        memory: &mut [f32],
    ) {
        let (units, columns) = (self.units, self.columns());
        let rows = from_input.chunks_exact(columns).zip(from_state.chunks_exact(columns));
        for (sample, ((input, gates), hidden)) in rows.zip(state.chunks_exact_mut(units)).enumerate() {
            match self.cell {
                Cell::Rnn => rnn_step(set, gates, hidden),
                Cell::Gru => gru_step(set, input, gates, hidden),
                Cell::Lstm => lstm_step(set, gates, hidden, &mut memory[sample * units..][..units]),
            }
        }
    }
}
