//! k nearest neighbours: the training rows themselves, of which those most like a sample are asked.

use super::file::{Reader, State, Tensor};
use super::{Baseline, FileError, Lesson, log_shares};
use crate::data::Targets;

/// All training rows. Each of the `asked` nearest by Euclidean distance has one vote (Fix and Hodges 1951), or its values
/// count for an equal share of the mean; of equal votes the class that is nearer wins.
pub struct Neighbours {
    /// `rows x inputs`.
    samples: Vec<f32>,
    known: Known,
    outputs: usize,
    asked: usize,
}

/// What is known of the rows.
enum Known {
    Classes(Vec<u32>),
    /// `rows x outputs`.
    Values(Vec<f32>),
}

/// What each further neighbour's vote counts less: only as much as decides between equal votes.
const LESS: f32 = 1e-4;

impl Neighbours {
    pub fn fit(lesson: &Lesson<'_>, neighbours: usize) -> Self {
        Self {
            samples: lesson.samples.to_vec(),
            known: match lesson.targets {
                Targets::Classes(classes) => Known::Classes(classes.clone()),
                Targets::Values { values, .. } => Known::Values(values.clone()),
            },
            outputs: lesson.outputs,
            asked: neighbours.min(lesson.rows()),
        }
    }

    pub fn read(reader: &Reader<'_>) -> Result<Self, FileError> {
        let State {
            inputs,
            outputs,
            neighbours,
            is_classifier,
            ..
        } = reader.state;
        let rows = reader.rows("samples")?;
        Ok(Self {
            samples: reader.floats("samples", &[rows, inputs])?,
            known: if is_classifier {
                Known::Classes(reader.integers("classes", &[rows], outputs)?)
            } else {
                Known::Values(reader.floats("values", &[rows, outputs])?)
            },
            outputs,
            asked: neighbours.clamp(1, rows),
        })
    }

    fn rows(&self) -> usize {
        match &self.known {
            Known::Classes(classes) => classes.len(),
            Known::Values(values) => values.len() / self.outputs.max(1),
        }
    }

    /// The nearest rows, the nearest first; of equally near ones the first.
    fn nearest(&self, sample: &[f32]) -> Vec<(f32, usize)> {
        let mut nearest: Vec<(f32, usize)> = Vec::with_capacity(self.asked + 1);
        for (row, known) in self.samples.chunks_exact(sample.len().max(1)).enumerate() {
            let distance = squared_distance(sample, known);
            let is_near = nearest.len() < self.asked || nearest.last().is_some_and(|last| distance < last.0);
            if is_near {
                let place = nearest.partition_point(|near| near.0 <= distance);
                nearest.insert(place, (distance, row));
                nearest.truncate(self.asked);
            }
        }
        nearest
    }
}

impl Baseline for Neighbours {
    fn answer(&self, sample: &[f32], outputs: &mut Vec<f32>) {
        let nearest = self.nearest(sample);
        match &self.known {
            Known::Classes(classes) => {
                let mut votes = vec![0.0; self.outputs];
                for (place, (_, row)) in nearest.iter().enumerate() {
                    votes[classes[*row] as usize] += (1.0 - LESS * place as f32).max(0.5);
                }
                log_shares(&votes, outputs);
            }
            Known::Values(values) => outputs.extend((0..self.outputs).map(|output| {
                let sum: f32 = nearest.iter().map(|(_, row)| values[row * self.outputs + output]).sum();
                sum / nearest.len().max(1) as f32
            })),
        }
    }

    fn tensors(&self) -> Vec<Tensor<'_>> {
        let rows = self.rows();
        let samples = Tensor::floats("samples", vec![rows, self.samples.len() / rows.max(1)], &self.samples);
        let known = match &self.known {
            Known::Classes(classes) => Tensor::integers("classes", &classes[..]),
            Known::Values(values) => Tensor::floats("values", vec![rows, self.outputs], values),
        };
        vec![samples, known]
    }

    fn multiply_adds(&self) -> u64 {
        self.samples.len() as u64
    }

    fn scratch_bytes(&self) -> u64 {
        let list = (self.asked + 1) * size_of::<(f32, usize)>();
        (list + 4 * self.outputs) as u64
    }

    fn describe(&self, state: &mut State) {
        state.is_classifier = matches!(self.known, Known::Classes(_));
        state.neighbours = self.asked;
    }
}

/// In eight partial sums, so that the processor can take eight at a time. A distance too large for 32 bits is infinite.
fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let (blocks_a, blocks_b) = (a.chunks_exact(8), b.chunks_exact(8));
    let last = blocks_a.remainder().iter().zip(blocks_b.remainder());
    let rest: f32 = last.map(|(a, b)| (a - b) * (a - b)).sum();
    for (a, b) in blocks_a.zip(blocks_b) {
        for lane in 0..8 {
            sums[lane] += (a[lane] - b[lane]) * (a[lane] - b[lane]);
        }
    }
    let sum = sums.iter().sum::<f32>() + rest;
    if sum.is_nan() { f32::INFINITY } else { sum }
}
