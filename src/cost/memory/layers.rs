//! What each kind of layer takes from the heap beside its output.

use super::convolutions;
use crate::cost::{Together, weights};
use crate::spec::{ActivationKind, CellKind, LayerSpec, Placed};

/// A layer with the sizes of its tensors.
#[derive(Debug, Clone, Copy)]
pub struct Traced {
    pub placed: Placed,
    pub rows: u64,
    pub threads: u64,
    /// Whether the gradient of the input is computed.
    pub tracked: bool,
    /// Whether what is kept for the backward pass is held in 16 bits.
    pub packs: bool,
    /// What is done at once with it: its output is that of the last.
    pub together: Together,
}

/// Bytes of one layer.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of one layer")]
pub struct Terms {
    /// The output is the input, differently seen.
    pub aliases: bool,
    /// The output takes the input's place where nobody else holds it.
    pub in_place: bool,
    /// The backward pass needs the input.
    pub saves_input: bool,
    /// It needs the output instead.
    pub saves_output: bool,
    /// Kept for the backward pass beside it.
    pub kept: u64,
    /// For a moment beside output and kept.
    pub forward: u64,
    /// For a moment beside the gradient of the output, that of the input included.
    pub backward: u64,
}

impl Traced {
    /// Bytes of the input for the whole batch.
    pub fn x(&self) -> u64 {
        4 * self.rows * self.placed.input.len() as u64
    }

    /// Bytes of the output for the whole batch.
    pub fn y(&self) -> u64 {
        4 * self.rows * self.placed.output.len() as u64
    }

    pub fn weights(&self) -> u64 {
        4 * weights(&self.placed)
    }

    /// Bytes of what a residual sum adds; 0 of another layer.
    pub fn shortcut(&self) -> u64 {
        self.placed
            .shortcut
            .map_or(0, |shape| 4 * self.rows * shape.len() as u64)
    }

    /// The widest moment of the layer where nothing is kept, its input and output included.
    pub fn scoring(&self) -> u64 {
        let (x, y) = (self.x(), self.y());
        match self.placed.layer {
            LayerSpec::Recurrent {
                cell, bidirectional, ..
            } => {
                // Two steps of what training keeps of all, one direction after the other.
                let room = 2 * self.states() * per_state(cell) / self.placed.input.positions().max(1) as u64;
                x + if bidirectional { 2 * y } else { y } + room + self.weights()
            }
            LayerSpec::SelfAttention { .. } => (x + 3 * self.mixed()).max(4 * self.mixed()),
            LayerSpec::Dense { .. } | LayerSpec::LayerNorm => x + y,
            // Tokens in 64 bits, and the mask.
            LayerSpec::Embedding { .. } => 4 * x + y,
            // In place, or seen differently.
            LayerSpec::BatchNorm
            | LayerSpec::Activation { .. }
            | LayerSpec::Flatten
            | LayerSpec::Branch
            | LayerSpec::FirstStep => x,
            LayerSpec::Conv2d { .. } | LayerSpec::Conv1d { .. } | LayerSpec::DepthwiseConv2d { .. } => {
                x + y + convolutions::terms(self).forward
            }
            _ => x + 2 * y + self.shortcut(),
        }
    }

    pub fn terms(&self) -> Terms {
        let (x, y) = (self.x(), self.y());
        let saving = Terms {
            saves_input: true,
            ..Terms::default()
        };
        let gradient = if self.tracked { x } else { 0 };
        match self.placed.layer {
            LayerSpec::Dense { .. } => Terms {
                backward: gradient + self.weights(),
                ..saving
            },
            LayerSpec::Conv2d { .. } | LayerSpec::Conv1d { .. } | LayerSpec::DepthwiseConv2d { .. } => {
                convolutions::terms(self)
            }
            LayerSpec::BatchNorm => Terms { backward: x, ..saving },
            // Mean and factor of each row.
            LayerSpec::LayerNorm => Terms {
                kept: 8 * self.rows * self.placed.input.positions() as u64,
                backward: self.weights(),
                ..saving
            },
            // The slope follows from the output, or from the input; the gradient changes in place.
            LayerSpec::Activation { function } => match function {
                ActivationKind::Relu | ActivationKind::LeakyRelu | ActivationKind::Tanh => Terms {
                    in_place: true,
                    saves_output: true,
                    ..Terms::default()
                },
                // What is kept in 16 bits is not in the way.
                ActivationKind::Gelu | ActivationKind::Silu => Terms {
                    in_place: self.packs,
                    ..saving
                },
            },
            // A byte for the place of each maximum, put together from the threads' own.
            LayerSpec::MaxPool { .. } => Terms {
                kept: y / 4,
                forward: y / 4,
                backward: x,
                ..Terms::default()
            },
            LayerSpec::GlobalAveragePool => Terms {
                backward: x,
                ..Terms::default()
            },
            // The mask is kept.
            LayerSpec::Dropout { .. } => Terms {
                in_place: true,
                kept: y,
                ..Terms::default()
            },
            LayerSpec::Flatten | LayerSpec::Branch => Terms {
                aliases: true,
                ..Terms::default()
            },
            LayerSpec::FirstStep => Terms {
                aliases: true,
                backward: x,
                ..Terms::default()
            },
            LayerSpec::Rows if self.placed.input.channels() == 1 => Terms {
                aliases: true,
                ..Terms::default()
            },
            // Tokens in 64 bits, and the mask.
            LayerSpec::Embedding { .. } => Terms {
                kept: 3 * x,
                backward: self.weights(),
                ..Terms::default()
            },
            LayerSpec::Rows | LayerSpec::Patches { .. } | LayerSpec::Positions { .. } | LayerSpec::ClassToken => {
                Terms {
                    backward: x,
                    ..Terms::default()
                }
            }
            LayerSpec::Recurrent { cell, .. } => self.recurrent_terms(cell),
            // Query, key and value, what each step gives to every other, and what the heads gather.
            LayerSpec::SelfAttention { heads, .. } => {
                let (mixed, scores, weights) = (self.mixed(), self.scores(heads), self.weights() / 4);
                let kept = 4 * mixed + scores;
                if self.packs {
                    let widest = (3 * mixed / 2 + weights).max((5 * mixed + scores / 2 + weights).saturating_sub(y));
                    Terms {
                        kept: kept / 2,
                        // The input is unpacked last.
                        backward: widest.saturating_sub(x / 2),
                        ..saving
                    }
                } else {
                    Terms {
                        kept,
                        backward: (mixed + weights).max((3 * mixed + weights).saturating_sub(y)),
                        ..saving
                    }
                }
            }
            LayerSpec::Sum => Terms {
                in_place: true,
                forward: if self.placed.projection().is_some() { y } else { 0 },
                backward: self.shortcut() + self.weights(),
                ..Terms::default()
            },
        }
    }

    /// Bytes of all states of one direction of a recurrent layer.
    fn states(&self) -> u64 {
        let LayerSpec::Recurrent { units, .. } = self.placed.layer else {
            return 0;
        };
        4 * self.rows * (self.placed.input.positions() * units) as u64
    }

    /// Each direction keeps its states, activated gates and memory; the way back turns them into gradients in place. Of the weights' there is
    /// one for each part of the rows until they are added.
    fn recurrent_terms(&self, cell: CellKind) -> Terms {
        let LayerSpec::Recurrent { bidirectional, .. } = self.placed.layer else {
            return Terms::default();
        };
        let directions = 1 + u64::from(bidirectional);
        let (x, y) = (self.x(), self.y());
        let weights = self.weights() / directions;
        let part = self.rows.div_ceil(2).clamp(4, 16).max(self.rows.div_ceil(8)).max(1);
        let parts = self.rows.div_ceil(part);
        let steps = self.placed.input.positions().max(1) as u64;
        let running = self.threads.min(parts) * part * self.states() / self.rows.max(1) / steps;
        // The directions put side by side.
        let joined = if bidirectional { y } else { 0 };
        let gates = if cell == CellKind::Rnn { self.states() } else { 0 };
        let kept = per_state(cell) * self.states();
        // When the second direction gives its gradient, what the first kept is gone.
        let gradient = match (self.tracked, bidirectional) {
            (false, _) => 0,
            (true, false) => x,
            (true, true) => x.max((2 * x).saturating_sub(kept)),
        };
        Terms {
            saves_input: true,
            kept: directions * kept,
            forward: joined + weights + 5 * running,
            backward: joined
                + gradient
                + gates
                + (parts + 1) * weights
                + weights.max(self.threads.min(parts) * x / parts),
            ..Terms::default()
        }
    }

    /// Bytes of what the heads of an attention gather.
    fn mixed(&self) -> u64 {
        let [heads, width] = self.placed.heads().unwrap_or_default();
        4 * self.rows * (self.placed.input.positions() * heads * width) as u64
    }

    /// Bytes of the attention scores of all heads.
    fn scores(&self, heads: usize) -> u64 {
        let steps = self.placed.input.positions();
        4 * self.rows * (heads * steps * steps) as u64
    }
}

/// Numbers that a cell keeps for each of its states, itself included.
fn per_state(cell: CellKind) -> u64 {
    match cell {
        CellKind::Rnn => 1,
        CellKind::Gru => 5,
        CellKind::Lstm => 6,
    }
}
