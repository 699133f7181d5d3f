//! The classical baselines behind one small trait: the most frequent class or the mean, logistic and ridge regression, nearest
//! neighbours, random forest. What a network has to beat, fitted in seconds.
//!
//! A fitted baseline answers as a network does: logits (here logarithms of probabilities, up to a constant), or standardised
//! values. Its file is safetensors: plain arrays that Python reads too, and of which every index is checked when it is opened.
//!
//! They are written here because the crate for it, smartcore 0.7, takes 7 s for the logistic regression of the digits, can't be
//! stopped, refuses tables wider than long, gives no probabilities of a forest, and panics or loops on a damaged file.

mod file;
mod forest;
mod linear;
mod logistic;
mod neighbours;
mod ridge;
#[cfg(test)]
mod tests;

pub use file::FileError;

use std::borrow::Cow;

use crate::data::{DataError, Dataset, Samples, Targets};
use crate::spec::{Architecture, Failure, RunPlan, units};
use file::{State, Tensor};

/// Told how far a fit is, `done` of `total` parts, and asked whether it goes on.
pub type Proceed<'a> = dyn FnMut(usize, usize) -> Result<bool, Failure> + 'a;

/// A baseline that has been fitted, or read from its bytes.
pub struct Fitted {
    architecture: Architecture,
    inputs: usize,
    outputs: usize,
    model: Box<dyn Baseline>,
}

/// What every kind of baseline does.
trait Baseline: Send + Sync {
    /// Appends the outputs of one sample.
    fn answer(&self, sample: &[f32], outputs: &mut Vec<f32>);

    /// All of it, as arrays.
    fn tensors(&self) -> Vec<Tensor<'_>>;

    /// Comparisons count as multiply-adds.
    fn multiply_adds(&self) -> u64;

    /// Enters what no array says.
    fn describe(&self, _: &mut State) {}

    /// Bytes held while a sample is answered, outputs left out.
    fn scratch_bytes(&self) -> u64 {
        0
    }
}

/// What is fitted to: samples, and what is known of the task.
struct Lesson<'a> {
    /// `rows x inputs` values, row by row.
    samples: Cow<'a, [f32]>,
    targets: &'a Targets,
    /// Values in a sample.
    inputs: usize,
    /// Classes, or targets of a regression.
    outputs: usize,
    seed: u64,
}

/// Fits the plan's baseline to the training rows. None where `proceed` said to stop. Same plan and data, same bytes.
pub fn fit(plan: &RunPlan, dataset: &Dataset, proceed: &mut Proceed<'_>) -> Result<Option<Fitted>, Failure> {
    let lesson = Lesson {
        samples: all_inputs(plan, &dataset.train)?,
        targets: &dataset.train.targets,
        inputs: dataset.train.shape.len(),
        outputs: plan.dataset.task.outputs(),
        seed: plan.config.run.seed,
    };
    let knobs = &plan.config.model;
    let model: Option<Box<dyn Baseline>> = match knobs.architecture {
        Architecture::Majority => Some(Box::new(linear::Constant::fit(&lesson))),
        Architecture::Logistic => logistic::fit(&lesson, knobs.penalty, proceed)?.map(boxed),
        Architecture::Ridge => ridge::fit(&lesson, knobs.penalty, proceed)?.map(boxed),
        Architecture::Knn => Some(Box::new(neighbours::Neighbours::fit(&lesson, knobs.neighbours))),
        Architecture::Forest => forest::fit(&lesson, knobs.trees, proceed)?.map(boxed),
        other => {
            return Err(Failure::new(
                "model.architecture",
                format!("{other} is no classical baseline"),
                "choose majority, logistic, ridge, knn or forest",
            ));
        }
    };
    Ok(model.map(|model| Fitted {
        architecture: knobs.architecture,
        inputs: lesson.inputs,
        outputs: lesson.outputs,
        model,
    }))
}

/// The inputs of all rows, which only the majority does without.
fn all_inputs<'a>(plan: &RunPlan, samples: &'a Samples) -> Result<Cow<'a, [f32]>, Failure> {
    let config = &plan.config;
    if config.model.architecture == Architecture::Majority {
        return Ok(Cow::default());
    }
    let (needed, budget) = (samples.inputs.decoded_bytes(), config.data.memory_bytes());
    if needed > budget {
        return Err(Failure::new(
            "data.memory_mb",
            format!(
                "this baseline looks at all rows at once, {}, and the budget is {}",
                units::bytes(needed as u64),
                units::bytes(budget as u64)
            ),
            "allow more memory, or train a network, which reads its rows batch by batch",
        ));
    }
    samples.inputs.all().map_err(DataError::into_failure)
}

fn boxed<B: Baseline + 'static>(model: B) -> Box<dyn Baseline> {
    Box::new(model)
}

impl Fitted {
    pub fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// Values that one sample has.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Values of one answer.
    pub fn outputs_len(&self) -> usize {
        self.outputs
    }

    /// Logits, or standardised predictions, `rows x outputs`, for samples that stand row by row in `inputs`; a part of a sample
    /// at the end is left out.
    pub fn outputs(&self, inputs: &[f32]) -> Vec<f32> {
        let mut outputs = Vec::new();
        self.answer(inputs, &mut outputs);
        outputs
    }

    /// As [`outputs`](Self::outputs), in place of what `outputs` holds.
    pub fn answer(&self, inputs: &[f32], outputs: &mut Vec<f32>) {
        outputs.clear();
        for sample in inputs.chunks_exact(self.inputs.max(1)) {
            self.model.answer(sample, outputs);
        }
    }

    /// Numbers that were learned or kept.
    pub fn parameters(&self) -> u64 {
        self.model.tensors().iter().map(|tensor| tensor.len() as u64).sum()
    }

    /// For one sample; comparisons and distances count as one each.
    pub fn multiply_adds(&self) -> u64 {
        self.model.multiply_adds()
    }

    /// Bytes of the loaded model and of the buffers that a batch of `rows` takes, exactly.
    pub fn memory_bytes(&self, rows: usize) -> u64 {
        4 * self.parameters() + self.model.scratch_bytes() + 4 * (rows * self.outputs) as u64
    }

    /// The file: safetensors.
    pub fn to_bytes(&self) -> Result<Vec<u8>, FileError> {
        file::write(self)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. Whatever the bytes are, what comes of them answers without a panic.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FileError> {
        file::read(bytes)
    }
}

impl std::fmt::Debug for Fitted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} of {} inputs and {} outputs",
            self.architecture, self.inputs, self.outputs
        )
    }
}

impl Lesson<'_> {
    fn rows(&self) -> usize {
        self.targets.len()
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.samples[row * self.inputs..(row + 1) * self.inputs]
    }

    /// What is asked of row `row`, as `outputs` numbers: the standardised targets, or 1 for its class and 0 for the others.
    fn target(&self, row: usize, output: usize) -> f32 {
        match self.targets {
            Targets::Classes(classes) => f32::from(classes[row] as usize == output),
            Targets::Values { values, width } => values[row * width + output],
        }
    }

    fn classes(&self) -> Option<&[u32]> {
        match self.targets {
            Targets::Classes(classes) => Some(classes),
            Targets::Values { .. } => None,
        }
    }
}

/// Sum of the products of two lists, in eight partial sums so that the processor can take eight at a time.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let (blocks_a, blocks_b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = blocks_a
        .remainder()
        .iter()
        .zip(blocks_b.remainder())
        .map(|(a, b)| a * b)
        .sum();
    for (a, b) in blocks_a.zip(blocks_b) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// Logarithms of shares of votes, one vote of all being spread evenly, so that no class is impossible.
fn log_shares(votes: &[f32], outputs: &mut Vec<f32>) {
    let even = 1.0 / votes.len().max(1) as f32;
    let all: f32 = votes.iter().sum::<f32>() + 1.0;
    outputs.extend(votes.iter().map(|votes| ((votes + even) / all).ln()));
}
