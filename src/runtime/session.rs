//! The memory that a model runs in, allocated once, and the loop over its steps.

use std::ops::Range;

use super::plan::{Action, Plan, Slot, Step};
use super::steps::Staging;
use super::{Engine, Model, RunError, graph};
use crate::kernels::InstructionSet;

/// Room to run a model on batches up to a size. Running allocates nothing.
pub struct Session<'m> {
    model: &'m Model,
    max_batch: usize,
    memory: Memory,
}

enum Memory {
    Chain(ChainMemory),
    Graph(graph::Memory),
}

struct ChainMemory {
    floats: Vec<f32>,
    bytes: Vec<u8>,
    staging: Staging,
}

/// Whether inputs are staged as bytes rather than as 16-bit integers.
pub(super) fn stages_bytes(set: InstructionSet) -> bool {
    matches!(set, InstructionSet::AvxVnni | InstructionSet::Avx512Vnni)
}

impl<'m> Session<'m> {
    pub(super) fn new(model: &'m Model, max_batch: usize) -> Result<Self, RunError> {
        let memory = match &model.engine {
            Engine::Chain(plan) => ChainMemory::new(plan, max_batch, stages_bytes(model.set)).map(Memory::Chain),
            Engine::Graph(plan) => plan.memory(max_batch).map(Memory::Graph),
        };
        let memory = memory.ok_or_else(|| RunError::Memory {
            max_batch,
            bytes: model.arena_bytes(max_batch),
        })?;
        Ok(Self {
            model,
            max_batch,
            memory,
        })
    }

    /// Runs `batch` samples, given one after another in the shape of [`Model::input_shape`]; returns
    /// [`Model::output_len`] values for each.
    pub fn run(&mut self, input: &[f32], batch: usize) -> Result<&[f32], RunError> {
        let max_batch = self.max_batch;
        if batch == 0 || batch > max_batch {
            return Err(RunError::Batch { batch, max_batch });
        }
        let expected = self.model.input_shape.iter().product::<usize>() * batch;
        if input.len() != expected {
            let shape = self.model.input_shape.clone();
            return Err(RunError::Input {
                found: input.len(),
                expected,
                batch,
                shape,
            });
        }
        match (&self.model.engine, &mut self.memory) {
            (Engine::Chain(plan), Memory::Chain(memory)) => Ok(memory.run(plan, input, batch)),
            (Engine::Graph(plan), Memory::Graph(memory)) => plan.run(memory, input, batch),
            // A session is made for its model.
            _ => Ok(&[]),
        }
    }
}

impl ChainMemory {
    fn new(plan: &Plan, max_batch: usize, as_bytes: bool) -> Option<Self> {
        let integers = plan.staged_integers;
        Some(Self {
            floats: zeros(plan.arena_floats.checked_mul(max_batch))?,
            bytes: zeros(plan.arena_bytes.checked_mul(max_batch))?,
            staging: Staging {
                floats: zeros(Some(plan.staged_floats))?,
                wide: zeros(Some(if as_bytes { 0 } else { integers }))?,
                bytes: zeros(Some(if as_bytes { integers } else { 0 }))?,
            },
        })
    }

    fn run(&mut self, plan: &Plan, input: &[f32], batch: usize) -> &[f32] {
        let Plan {
            steps,
            arena_floats,
            arena_bytes,
            ..
        } = plan;
        let Self { floats, bytes, staging } = self;
        // The arenas of a smaller batch lie at the beginning of the larger ones.
        let floats = &mut floats[..arena_floats * batch];
        let bytes = &mut bytes[..arena_bytes * batch];
        let mut from = None;
        for Step { action, to } in steps {
            match action {
                Action::Float(step) => {
                    let (source, out) = source_and_target(floats, input, from, *to, batch);
                    step.run(batch, source, staging, out);
                }
                Action::Quantize(step) => {
                    let source = from.map_or(input, |slot: Slot| &floats[slot.range(floats.len(), batch)]);
                    let out = to.range(bytes.len(), batch);
                    step.run(batch, source, &mut bytes[out]);
                }
                Action::Byte(step) => {
                    let (source, out) = source_and_target(bytes, &[], from, *to, batch);
                    step.run(batch, source, staging, out);
                }
                Action::Widen(step) => {
                    let source = from.map_or(&[][..], |slot: Slot| &bytes[slot.range(bytes.len(), batch)]);
                    let out = to.range(floats.len(), batch);
                    step.run(batch, source, staging, &mut floats[out]);
                }
            }
            from = Some(*to);
        }
        from.map_or(&[], |slot| &floats[slot.range(floats.len(), batch)])
    }
}

impl Slot {
    /// The values of a batch in an arena.
    fn range(self, arena: usize, batch: usize) -> Range<usize> {
        let len = self.len * batch;
        if self.at_end { arena - len..arena } else { 0..len }
    }
}

/// The values that a step reads and those that it writes; without a slot to read from, it reads the session's input.
fn source_and_target<'a, T>(
    arena: &'a mut [T],
    input: &'a [T],
    from: Option<Slot>,
    to: Slot,
    batch: usize,
) -> (&'a [T], &'a mut [T]) {
    let target = to.range(arena.len(), batch);
    let Some(from) = from else {
        return (input, &mut arena[target]);
    };
    let source = from.range(arena.len(), batch);
    if to.at_end {
        let (head, tail) = arena.split_at_mut(target.start);
        (&head[source], tail)
    } else {
        let (head, tail) = arena.split_at_mut(target.end);
        let start = source.start - target.end;
        (&tail[start..], head)
    }
}

/// So many zeros, if there is memory for them.
pub(super) fn zeros<T: Clone + Default>(len: Option<usize>) -> Option<Vec<T>> {
    let len = len?;
    let mut values = Vec::new();
    values.try_reserve_exact(len).ok()?;
    values.resize(len, T::default());
    Some(values)
}
