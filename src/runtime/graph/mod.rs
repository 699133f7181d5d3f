//! Networks that are no chains: steps in a graph, residual sums, recurrent cells, attention.
//!
//! Every value has a shape in which one dimension grows with the batch (`shape`), nodes become operations on values (`read`,
//! `weighted`), values get their places in one arena (`plan`), and operations run one after another (`kernel`). Values lie as
//! in the file. What is absent: operators beyond those that Trimtab exports, and shapes that depend on numbers.

mod dynamic;
mod kernel;
mod nibbles;
mod plan;
mod products;
mod read;
mod recurrent;
mod shape;
mod weighted;

use plan::{Source, Step};
use products::Scratch;

use super::file::File;
use super::session::{stages_bytes, zeros};
use super::{LoadError, RunError};
use crate::kernels::InstructionSet;

/// A graph that is ready to run.
pub(super) struct Plan {
    steps: plan::Plan,
    as_bytes: bool,
    pub output_len: usize,
}

/// The memory that a graph runs in.
pub(super) struct Memory {
    floats: Vec<f32>,
    scratch: Scratch,
}

impl Plan {
    /// Reads and plans a file for an instruction set.
    pub(super) fn read(file: &File, set: InstructionSet) -> Result<Self, LoadError> {
        let graph = read::read(file, set)?;
        let output_len = graph.values[graph.output].shape.len();
        Ok(Self {
            steps: plan::plan(graph),
            as_bytes: stages_bytes(set),
            output_len,
        })
    }

    pub(super) fn weight_bytes(&self) -> usize {
        self.steps.weight_bytes
    }

    pub(super) fn integer_layers(&self) -> &[String] {
        &self.steps.integer_layers
    }

    pub(super) fn vocabulary(&self) -> Option<usize> {
        self.steps.vocabulary
    }

    /// Bytes of the memory that batches of `batch` samples run in.
    pub(super) fn arena_bytes(&self, batch: usize) -> usize {
        let staged = self.steps.staged;
        let floats = self.steps.arena.saturating_mul(batch);
        let floats = floats.saturating_add(staged.floats + staged.image + staged.result);
        // Of each column a start and a scale.
        let floats = floats.saturating_add(2 * staged.columns);
        let integers = staged.integers * if self.as_bytes { 1 } else { size_of::<i16>() };
        floats
            .saturating_mul(size_of::<f32>())
            .saturating_add(integers + staged.bytes)
    }

    /// Memory for batches of up to `max_batch` samples; none where there is not enough.
    pub(super) fn memory(&self, max_batch: usize) -> Option<Memory> {
        let staged = self.steps.staged;
        let mut scratch = Scratch {
            image: zeros(Some(staged.image))?,
            bytes: zeros(Some(staged.bytes))?,
            result: zeros(Some(staged.result))?,
            columns: (zeros(Some(staged.columns))?, zeros(Some(staged.columns))?),
            ..Scratch::default()
        };
        scratch.staging.floats = zeros(Some(staged.floats))?;
        if self.as_bytes {
            scratch.staging.bytes = zeros(Some(staged.integers))?;
        } else {
            scratch.staging.wide = zeros(Some(staged.integers))?;
        }
        Some(Memory {
            floats: zeros(self.steps.arena.checked_mul(max_batch))?,
            scratch,
        })
    }

    /// Runs `batch` samples whose number has been checked.
    pub(super) fn run<'m>(&self, memory: &'m mut Memory, input: &[f32], batch: usize) -> Result<&'m [f32], RunError> {
        if let Some(vocabulary) = self.steps.vocabulary {
            let is_token = |&token: &f32| token >= 0.0 && token < vocabulary as f32 && token.fract() == 0.0;
            if let Some(index) = input.iter().position(|token| !is_token(token)) {
                return Err(RunError::Token {
                    found: input[index].to_string(),
                    index,
                    vocabulary,
                });
            }
        }
        let Memory { floats, scratch } = memory;
        for step in &self.steps.steps {
            step.run(batch, input, floats, scratch);
        }
        Ok(match self.steps.output {
            Source::Input => &[],
            Source::Arena { start, len } => &floats[start * batch..][..len * batch],
        })
    }
}

impl Step {
    fn run(&self, batch: usize, input: &[f32], floats: &mut [f32], scratch: &mut Scratch) {
        // The most values that an operation reads.
        const MOST: usize = 2;
        let start = self.start * batch;
        let (before, rest) = floats.split_at_mut(start);
        let (own, behind) = rest.split_at_mut((self.len + self.room) * batch);
        let end = start + own.len();
        let (out, room) = own.split_at_mut(self.len * batch);
        let mut sources = [&[][..]; MOST];
        for (place, (source, values)) in self.sources.iter().zip(&mut sources).enumerate() {
            *values = match *source {
                _ if self.in_place && place == 0 => &[],
                Source::Input => input,
                Source::Arena { start: from, len } if from < self.start => &before[from * batch..][..len * batch],
                Source::Arena { start: from, len } => &behind[from * batch - end..][..len * batch],
            };
        }
        let sources = &sources[..self.sources.len().min(MOST)];
        self.kernel.run(batch, sources, self.in_place, out, room, scratch);
    }
}
