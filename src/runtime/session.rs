//! The memory that a model runs in, allocated once, and the loop over its steps.

use super::kernel::{Inputs, Output};
use super::layers::Staging;
use super::matmul::{Packing, Scratch};
use super::plan::{Part, Plan, Source, Step, Target};
use super::{Model, RunError};
use crate::kernels::InstructionSet;

/// Room to run a model on batches up to a size. Running allocates nothing.
pub struct Session<'m> {
    model: &'m Model,
    max_batch: usize,
    memory: Memory,
}

/// Values of both kinds.
#[derive(Default)]
struct Values {
    floats: Vec<f32>,
    bytes: Vec<u8>,
}

struct Memory {
    /// The arenas of each part of the plan, and its result for the whole batch.
    parts: Vec<(Values, Values)>,
    scratch: Scratch,
}

impl<'m> Session<'m> {
    pub(super) fn new(model: &'m Model, max_batch: usize) -> Result<Self, RunError> {
        let memory = Memory::new(&model.plan, model.set, max_batch).ok_or_else(|| RunError::Memory {
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
        if let Some(vocabulary) = self.model.plan.vocabulary {
            let is_token = |&token: &f32| token >= 0.0 && token < vocabulary as f32 && token.fract() == 0.0;
            if let Some(index) = input.iter().position(|token| !is_token(token)) {
                return Err(RunError::Token {
                    found: input[index].to_string(),
                    index,
                    vocabulary,
                });
            }
        }
        self.memory.run(&self.model.plan, self.model.set, input, batch);
        let results = self.memory.parts.last().map_or(&[][..], |(_, result)| &result.floats);
        Ok(&results[..self.model.output_len() * batch])
    }
}

/// Bytes of the memory of a session, as [`Memory::new`] takes them.
pub(super) fn arena_bytes(plan: &Plan, max_batch: usize) -> usize {
    let floats = |count: usize| count.saturating_mul(size_of::<f32>());
    let parts = plan.parts.iter().map(|part| {
        let most = part.most(max_batch);
        let arena = floats(part.floats).saturating_add(part.bytes).saturating_mul(most);
        let value = if part.to_bytes { 1 } else { size_of::<f32>() };
        arena.saturating_add(part.output_len.saturating_mul(value).saturating_mul(max_batch))
    });
    let staged = plan.staged;
    let [lines, columns] = plan.packing;
    // Of each column a start and a step.
    let scratch =
        floats(staged.floats + 2 * staged.columns) + staged.bytes + staged.rows + staged.wide * size_of::<i16>();
    let packing = floats(lines * crate::kernels::PANEL + columns);
    parts.fold(scratch + packing, usize::saturating_add)
}

impl Memory {
    fn new(plan: &Plan, set: InstructionSet, max_batch: usize) -> Option<Self> {
        let mut parts = Vec::with_capacity(plan.parts.len());
        for part in &plan.parts {
            let most = part.most(max_batch);
            let arenas = Values {
                floats: zeros(part.floats.checked_mul(most))?,
                bytes: zeros(part.bytes.checked_mul(most))?,
            };
            let result = part.output_len.checked_mul(max_batch);
            let result = if part.to_bytes {
                Values {
                    bytes: zeros(result)?,
                    ..Values::default()
                }
            } else {
                Values {
                    floats: zeros(result)?,
                    ..Values::default()
                }
            };
            parts.push((arenas, result));
        }
        let staged = plan.staged;
        let [lines, columns] = plan.packing;
        Some(Self {
            parts,
            scratch: Scratch {
                staging: Staging {
                    floats: zeros(Some(staged.floats))?,
                    wide: zeros(Some(staged.wide))?,
                    bytes: zeros(Some(staged.bytes))?,
                    rows: zeros(Some(staged.rows))?,
                    starts: zeros(Some(staged.columns))?,
                    steps: zeros(Some(staged.columns))?,
                },
                packing: Packing::new(set, lines, columns)?,
            },
        })
    }

    fn run(&mut self, plan: &Plan, set: InstructionSet, input: &[f32], batch: usize) {
        let scratch = &mut self.scratch;
        for (place, part) in plan.parts.iter().enumerate() {
            let (before, rest) = self.parts.split_at_mut(place);
            let Some((arenas, result)) = rest.first_mut() else {
                return;
            };
            let (floats, bytes) = match before.last() {
                None => (input, &[][..]),
                Some((_, before)) => (before.floats.as_slice(), before.bytes.as_slice()),
            };
            // Blocks of about the same size.
            let size = batch.div_ceil(batch.div_ceil(part.most(batch)));
            for first in (0..batch).step_by(size) {
                let count = size.min(batch - first);
                let samples = Samples {
                    floats: cut(floats, first, count, part.input_len),
                    bytes: cut(bytes, first, count, part.input_len),
                    count,
                };
                let target = part.output_len * first..part.output_len * (first + count);
                let result = if part.to_bytes {
                    Output::Bytes(&mut result.bytes[target])
                } else {
                    Output::Floats {
                        out: &mut result.floats[target],
                        room: &mut [],
                    }
                };
                part.run(set, &samples, arenas, result, scratch);
            }
        }
    }
}

/// The values of some samples; none where there are none of this kind.
fn cut<T>(values: &[T], first: usize, count: usize, len: usize) -> &[T] {
    values.get(first * len..(first + count) * len).unwrap_or_default()
}

/// What a part reads.
struct Samples<'a> {
    floats: &'a [f32],
    bytes: &'a [u8],
    count: usize,
}

impl Part {
    fn run(
        &self,
        set: InstructionSet,
        samples: &Samples<'_>,
        arenas: &mut Values,
        result: Output<'_>,
        scratch: &mut Scratch,
    ) {
        let mut result = Some(result);
        for step in &self.steps {
            let result = match step.target {
                Target::Arena(_) => None,
                Target::Result(_) => result.take(),
            };
            step.run(set, samples, arenas, result, scratch);
        }
    }
}

impl Step {
    /// Runs the step, whose result goes to its place in an arena, or else to `result`.
    fn run(
        &self,
        set: InstructionSet,
        samples: &Samples<'_>,
        arenas: &mut Values,
        result: Option<Output<'_>>,
        scratch: &mut Scratch,
    ) {
        let batch = samples.count;
        let (start, len) = match self.target {
            Target::Arena(start) => (start, self.len + self.room),
            Target::Result(start) => (start, self.room),
        };
        let own = start * batch..(start + len) * batch;
        let (float_range, byte_range) = if self.to_bytes { (0..0, own) } else { (own, 0..0) };
        let (floats, own_floats) = Around::of(&mut arenas.floats, float_range);
        let (bytes, own_bytes) = Around::of(&mut arenas.bytes, byte_range);
        let mut inputs = Inputs {
            count: self.sources.len(),
            in_place: self.in_place,
            ..Inputs::default()
        };
        let places = inputs.floats.iter_mut().zip(&mut inputs.bytes);
        for (place, (source, (float, byte))) in self.sources.iter().zip(places).enumerate() {
            match *source {
                _ if self.in_place && place == 0 => {}
                Source::Input => (*float, *byte) = (samples.floats, samples.bytes),
                Source::Floats { start, len } => *float = floats.get(start * batch, len * batch),
                Source::Bytes { start, len } => *byte = bytes.get(start * batch, len * batch),
            }
        }
        let output = match result {
            Some(Output::Floats { out, .. }) => Output::Floats { out, room: own_floats },
            Some(bytes) => bytes,
            None if self.to_bytes => Output::Bytes(own_bytes),
            None => {
                let (out, room) = own_floats.split_at_mut(self.len * batch);
                Output::Floats { out, room }
            }
        };
        self.kernel.run(set, batch, &inputs, output, scratch);
    }
}

/// What lies before and behind a piece of an arena that is written.
struct Around<'a, T> {
    before: &'a [T],
    behind: &'a [T],
    /// Where `behind` begins.
    end: usize,
}

impl<'a, T> Around<'a, T> {
    fn of(arena: &'a mut [T], piece: std::ops::Range<usize>) -> (Self, &'a mut [T]) {
        let end = piece.end;
        let (before, rest) = arena.split_at_mut(piece.start);
        let (own, behind) = rest.split_at_mut(piece.len());
        (Self { before, behind, end }, own)
    }

    fn get(&self, start: usize, len: usize) -> &'a [T] {
        if start < self.before.len() {
            &self.before[start..][..len]
        } else {
            &self.behind[start - self.end..][..len]
        }
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
