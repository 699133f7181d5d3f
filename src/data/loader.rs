//! Batches of an epoch, prepared ahead of the training step by threads of their own, in an order that the seed alone decides.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use rand::RngExt;

use super::augment::{self, Workspace};
use super::inputs::{Blocks, Encoded};
use super::samples::block_groups;
use super::{DataError, Dataset, Samples, Targets};
use crate::meter::alloc;
use crate::spec::{Augmentation, stream};

/// Batches that each thread keeps ready.
const AHEAD: usize = 2;
const MOST_THREADS: usize = 4;

/// Some training rows, ready for a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// `rows x shape.len()` values, row by row.
    pub inputs: Vec<f32>,
    pub targets: Targets,
    /// What was mixed in.
    pub mixed: Option<Mixed>,
}

/// The second samples of a mixup.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixed {
    pub targets: Targets,
    /// For each row, the share (0 to 1) of its own target; the rest is that of the second.
    pub shares: Vec<f32>,
}

/// Makes the batches of every epoch of a run.
///
/// What an epoch brings depends on data, seed, batch size, augmentation and epoch alone, not on threads or on where an epoch is
/// entered.
#[derive(Debug, Clone)]
pub struct Loader(Arc<Work>);

#[derive(Debug)]
struct Work {
    train: Samples,
    seed: u64,
    batch_size: usize,
    augment: Vec<Augmentation>,
}

/// The batches of one epoch. After an error there are no more.
pub struct Batches {
    work: Arc<Work>,
    epoch: usize,
    order: Arc<Vec<usize>>,
    /// Next row of the order.
    next: usize,
    /// None when batches are made where they are asked for.
    threads: Vec<Receiver<Result<Batch, DataError>>>,
    given: usize,
}

impl Batch {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Loader {
    /// For the training rows of `dataset`.
    pub fn new(dataset: &Dataset, seed: u64, batch_size: usize, augment: &[Augmentation]) -> Self {
        Self(Arc::new(Work {
            train: dataset.train.clone(),
            seed,
            batch_size: batch_size.max(1),
            augment: augment.to_vec(),
        }))
    }

    /// The batches of epoch `epoch` (from 0) in the order of [`Samples::epoch_order`], without its first `skipped_rows` rows.
    pub fn epoch(&self, epoch: usize, skipped_rows: usize) -> Batches {
        let work = &self.0;
        let order = Arc::new(work.train.epoch_order(work.seed, epoch));
        let mut batches = Batches {
            work: work.clone(),
            epoch,
            order,
            next: skipped_rows,
            threads: Vec::new(),
            given: 0,
        };
        let threads = work.threads();
        for thread in 0..threads {
            let (sender, receiver) = sync_channel(AHEAD);
            let (work, order) = (work.clone(), batches.order.clone());
            let first = skipped_rows + thread * work.batch_size;
            let spawned = thread::Builder::new().name(format!("loader {thread}")).spawn(move || {
                alloc::count_this_thread();
                work.serve(epoch, &order, first, threads, &sender);
            });
            if spawned.is_err() {
                // As good without threads, only slower.
                batches.threads.clear();
                break;
            }
            batches.threads.push(receiver);
        }
        batches
    }

    /// The named training rows as they come in epoch `epoch`.
    pub(super) fn batch(&self, epoch: usize, rows: &[usize]) -> Result<Batch, DataError> {
        Maker::new(&self.0, epoch).batch(rows)
    }
}

impl Work {
    /// Threads that are worth their while: numbers in memory are copied faster than they are handed over, and a file has one head.
    fn threads(&self) -> usize {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        match (self.train.inputs.file(), &self.augment[..]) {
            (Some(_), _) => 1,
            (None, []) => 0,
            (None, _) => (cores / 2).clamp(1, MOST_THREADS),
        }
    }

    /// Makes every `threads`th batch, from row `first` of the order on.
    fn serve(
        &self,
        epoch: usize,
        order: &[usize],
        first: usize,
        threads: usize,
        sender: &SyncSender<Result<Batch, DataError>>,
    ) {
        let mut maker = Maker::new(self, epoch);
        for start in (first..order.len()).step_by(threads * self.batch_size) {
            let rows = &order[start..order.len().min(start + self.batch_size)];
            let batch = maker.batch(rows);
            let failed = batch.is_err();
            if sender.send(batch).is_err() || failed {
                return;
            }
        }
    }
}

impl ExactSizeIterator for Batches {}

impl Iterator for Batches {
    type Item = Result<Batch, DataError>;

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self
            .order
            .len()
            .saturating_sub(self.next)
            .div_ceil(self.work.batch_size);
        (left, Some(left))
    }

    fn next(&mut self) -> Option<Self::Item> {
        let size = self.work.batch_size;
        let rows = self.order.get(self.next..self.order.len().min(self.next + size))?;
        if rows.is_empty() {
            return None;
        }
        self.next += size;
        let batch = if self.threads.is_empty() {
            Maker::new(&self.work, self.epoch).batch(rows)
        } else {
            let thread = self.given % self.threads.len();
            self.given += 1;
            self.threads[thread].recv().unwrap_or_else(|_| {
                Err(DataError::Crashed {
                    file: "the training rows".to_owned(),
                    message: "a thread that prepares batches ended early".to_owned(),
                })
            })
        };
        if batch.is_err() {
            self.next = self.order.len();
        }
        Some(batch)
    }
}

/// Makes batches one after another.
struct Maker<'a> {
    work: &'a Work,
    epoch: usize,
    blocks: Option<BlockReader<'a>>,
    workspace: Workspace,
}

impl<'a> Maker<'a> {
    fn new(work: &'a Work, epoch: usize) -> Self {
        let file = work.train.inputs.file();
        Self {
            work,
            epoch,
            blocks: file.map(|file| BlockReader::new(file, work.train.len(), work.seed, epoch)),
            workspace: Workspace::default(),
        }
    }

    fn batch(&mut self, rows: &[usize]) -> Result<Batch, DataError> {
        let Work { train, augment, .. } = self.work;
        let width = train.shape.len();
        let mut inputs = Vec::with_capacity(rows.len() * width);
        for &row in rows {
            match &mut self.blocks {
                Some(blocks) => blocks.read(row, &mut inputs)?,
                None => train.inputs.append(row * width..(row + 1) * width, &mut inputs)?,
            }
        }
        let mut batch = Batch {
            inputs,
            targets: train.targets.gather(rows),
            mixed: None,
        };
        if augment.is_empty() {
            return Ok(batch);
        }
        for (&row, sample) in rows.iter().zip(batch.inputs.chunks_exact_mut(width.max(1))) {
            let mut generator = self.generator("augment", row);
            augment::change(sample, train.shape, augment, &mut generator, &mut self.workspace);
        }
        for &step in augment {
            if let Augmentation::Mixup { alpha } = step {
                self.mix(&mut batch, rows, alpha);
            }
        }
        Ok(batch)
    }

    /// Each row draws from its own stream, so that neither batches nor threads matter.
    fn generator(&self, purpose: &str, row: usize) -> impl rand::Rng + use<> {
        let place = self.epoch as u64 * self.work.train.len() as u64 + row as u64;
        stream(self.work.seed, purpose, place)
    }

    /// Mixes every row with another of the batch (Zhang et al. 2018): `x = share * x_i + (1 - share) * x_j`.
    fn mix(&self, batch: &mut Batch, rows: &[usize], alpha: f64) {
        let width = self.work.train.shape.len();
        let unmixed = batch.inputs.clone();
        let mut shares = Vec::with_capacity(rows.len());
        let mut seconds = Vec::with_capacity(rows.len());
        for (place, &row) in rows.iter().enumerate() {
            let mut generator = self.generator("mixup", row);
            let share = augment::beta(alpha, &mut generator) as f32;
            let second = generator.random_range(0..rows.len());
            let first = &mut batch.inputs[place * width..(place + 1) * width];
            for (value, &other) in first.iter_mut().zip(&unmixed[second * width..]) {
                *value = share * *value + (1.0 - share) * other;
            }
            shares.push(share);
            seconds.push(rows[second]);
        }
        batch.mixed = Some(Mixed {
            targets: self.work.train.targets.gather(&seconds),
            shares,
        });
    }
}

/// Holds the blocks of one group of a file.
struct BlockReader<'a> {
    file: &'a Encoded,
    /// Rows of a block.
    size: usize,
    /// Rows of all blocks.
    rows: usize,
    groups: Vec<Vec<usize>>,
    /// Group of each block.
    group_of: Vec<usize>,
    held: HashMap<usize, Vec<u8>>,
}

impl<'a> BlockReader<'a> {
    fn new((file, blocks): (&'a Encoded, Blocks), rows: usize, seed: u64, epoch: usize) -> Self {
        let groups = block_groups(rows, blocks, seed, epoch);
        let mut group_of = vec![0; groups.iter().map(Vec::len).sum()];
        for (group, blocks) in groups.iter().enumerate() {
            for &block in blocks {
                group_of[block] = group;
            }
        }
        Self {
            file,
            size: blocks.rows,
            rows,
            groups,
            group_of,
            held: HashMap::new(),
        }
    }

    /// Appends the inputs of a row; the group of its block takes the place of another.
    fn read(&mut self, row: usize, inputs: &mut Vec<f32>) -> Result<(), DataError> {
        let rows_of = |block: usize| block * self.size..self.rows.min((block + 1) * self.size);
        let block = row / self.size;
        if !self.held.contains_key(&block) {
            self.held.clear();
            for &block in &self.groups[self.group_of[block]] {
                self.held.insert(block, self.file.read(rows_of(block))?);
            }
        }
        let bytes = &self.held[&block];
        let row_bytes = bytes.len() / rows_of(block).len();
        self.file
            .decode(&bytes[row % self.size * row_bytes..][..row_bytes], inputs);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
