//! A number for each output, and a weighted sum of the inputs for each: what majority, logistic and ridge regression answer by.

use super::file::{Reader, State, Tensor};
use super::{Baseline, FileError, Lesson, dot, log_shares};

/// The same answer to all: frequencies of the classes, or means.
pub struct Constant {
    outputs: Vec<f32>,
}

/// `outputs x inputs` weights and a bias for each output.
pub struct Linear {
    pub weights: Vec<f32>,
    pub biases: Vec<f32>,
    /// The sums are estimated shares of the classes, which a straight line may take below 0; else logits or values.
    pub is_shares: bool,
}

/// The least that a class's share counts.
const LEAST_SHARE: f32 = 1e-3;

impl Constant {
    pub fn fit(lesson: &Lesson<'_>) -> Self {
        let rows = lesson.rows();
        let sum = |output| (0..rows).map(|row| f64::from(lesson.target(row, output))).sum::<f64>() as f32;
        let sums: Vec<f32> = (0..lesson.outputs).map(sum).collect();
        let mut outputs = Vec::new();
        if lesson.classes().is_some() {
            log_shares(&sums, &mut outputs);
        } else {
            outputs.extend(sums.iter().map(|sum| sum / rows.max(1) as f32));
        }
        Self { outputs }
    }

    pub fn read(reader: &Reader<'_>) -> Result<Self, FileError> {
        let outputs = reader.floats("outputs", &[reader.state.outputs])?;
        Ok(Self { outputs })
    }
}

impl Baseline for Constant {
    fn answer(&self, _: &[f32], outputs: &mut Vec<f32>) {
        outputs.extend_from_slice(&self.outputs);
    }

    fn tensors(&self) -> Vec<Tensor<'_>> {
        vec![Tensor::floats("outputs", vec![self.outputs.len()], &self.outputs)]
    }

    fn multiply_adds(&self) -> u64 {
        0
    }
}

impl Linear {
    pub fn read(reader: &Reader<'_>) -> Result<Self, FileError> {
        let State {
            inputs,
            outputs,
            is_shares,
            ..
        } = reader.state;
        Ok(Self {
            weights: reader.floats("weights", &[outputs, inputs])?,
            biases: reader.floats("biases", &[outputs])?,
            is_shares,
        })
    }
}

impl Baseline for Linear {
    fn answer(&self, sample: &[f32], outputs: &mut Vec<f32>) {
        let start = outputs.len();
        let rows = self.weights.chunks_exact(sample.len());
        outputs.extend(
            rows.zip(&self.biases)
                .map(|(weights, bias)| dot(weights, sample) + bias),
        );
        if self.is_shares {
            let shares = &mut outputs[start..];
            let all: f32 = shares.iter().map(|share| share.max(LEAST_SHARE)).sum();
            for share in shares {
                *share = (share.max(LEAST_SHARE) / all).ln();
            }
        }
    }

    fn tensors(&self) -> Vec<Tensor<'_>> {
        let outputs = self.biases.len();
        vec![
            Tensor::floats(
                "weights",
                vec![outputs, self.weights.len() / outputs.max(1)],
                &self.weights,
            ),
            Tensor::floats("biases", vec![outputs], &self.biases),
        ]
    }

    fn multiply_adds(&self) -> u64 {
        self.weights.len() as u64
    }

    fn describe(&self, state: &mut State) {
        state.is_shares = self.is_shares;
    }
}
