//! What a network says of each row, and the rows that it gets most wrong.

use super::Viewer;
use super::roc::curves;
use crate::data::{Samples, Targets};
use crate::spec::{
    AnswersSeen, ClassAnswer, SampleView, TargetAnswers, TargetScale, TargetTransform, class_of, softmax, units,
};

/// Rows that are shown as the worst.
const WORST: usize = 24;

impl Viewer<'_> {
    /// The answers to all rows of `samples` by the network's `outputs` for them; to none where there are no outputs.
    pub fn answers(&self, samples: &Samples, outputs: &[f32]) -> AnswersSeen {
        match (&samples.targets, &self.dataset.preprocessing.target) {
            (Targets::Classes(truths), _) => self.class_answers(samples, truths, outputs),
            (Targets::Values { values, .. }, TargetTransform::Values { targets }) => {
                self.value_answers(samples, values, targets, outputs)
            }
            // A target of values is never transformed into classes.
            (Targets::Values { .. }, TargetTransform::Classes { .. }) => AnswersSeen::Values {
                targets: Vec::new(),
                worst: Vec::new(),
                forecast: None,
            },
        }
    }

    fn class_answers(&self, samples: &Samples, truths: &[u32], outputs: &[f32]) -> AnswersSeen {
        let classes = self.classes();
        let width = (outputs.len() / truths.len().max(1)).max(1);
        let mut probabilities = Vec::with_capacity(outputs.len());
        let mut losses = Vec::with_capacity(truths.len());
        let mut rows = Vec::with_capacity(truths.len());
        for (&truth, logits) in truths.iter().zip(outputs.chunks_exact(width)) {
            let start = probabilities.len();
            probabilities.extend(softmax(logits));
            let own = &probabilities[start..];
            let answer = class_of(logits);
            losses.push(cross_entropy(logits, truth as usize));
            rows.push(ClassAnswer {
                truth,
                answer: answer as u32,
                probability: own.get(truth as usize).copied().unwrap_or(0.0),
                confidence: own[answer],
            });
        }
        let view = |row: usize| self.sample(samples, row, self.answer(&outputs[row * width..][..width]));
        AnswersSeen::Classes {
            classes: classes.to_vec(),
            curves: curves(&probabilities, truths, width),
            worst: worst(losses.into_iter()).into_iter().map(view).collect(),
            rows,
        }
    }

    fn value_answers(
        &self,
        samples: &Samples,
        values: &[f32],
        targets: &[TargetScale],
        outputs: &[f32],
    ) -> AnswersSeen {
        let width = targets.len().max(1);
        let answers = targets.iter().enumerate().map(|(place, target)| {
            let raw = |value: f32| target.mean + target.deviation * f64::from(value);
            let column = |all: &[f32]| -> Vec<f64> { all.iter().skip(place).step_by(width).map(|&v| raw(v)).collect() };
            TargetAnswers {
                name: target.name.clone(),
                rows: column(values)
                    .into_iter()
                    .zip(column(outputs))
                    .map(|(truth, answer)| [truth, answer])
                    .collect(),
            }
        });
        let errors = values.chunks_exact(width).zip(outputs.chunks_exact(width));
        let errors = errors.map(|(truth, output)| {
            let squares = truth
                .iter()
                .zip(output)
                .map(|(truth, output)| f64::from(truth - output).powi(2));
            squares.sum::<f64>()
        });
        let view = |row: usize| self.sample(samples, row, self.answer(&outputs[row * width..][..width]));
        AnswersSeen::Values {
            targets: answers.collect(),
            worst: worst(errors).into_iter().map(view).collect(),
            forecast: self.forecast(samples, outputs.len() / width),
        }
    }

    /// One row's outputs in words: the class with its probability, or the values in their units.
    pub fn answer(&self, outputs: &[f32]) -> String {
        match &self.dataset.preprocessing.target {
            TargetTransform::Classes { .. } => {
                let class = class_of(outputs);
                let probability = probability(outputs, class);
                format!(
                    "{} ({})",
                    self.class(class as u32),
                    units::percent(f64::from(probability))
                )
            }
            TargetTransform::Values { targets } => {
                let raw = targets.iter().zip(outputs);
                let raw = raw.map(|(target, &value)| target.mean + target.deviation * f64::from(value));
                raw.map(units::significant).collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// A row with the network's answer to it.
    pub fn answered(&self, samples: &Samples, row: usize, outputs: &[f32]) -> SampleView {
        self.sample(samples, row, self.answer(outputs))
    }
}

/// The softmax's value for `class`.
pub(super) fn probability(logits: &[f32], class: usize) -> f32 {
    (-cross_entropy(logits, class)).exp() as f32
}

fn cross_entropy(logits: &[f32], class: usize) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&logit| f64::from(logit - largest).exp()).sum();
    let truth = logits.get(class).copied().unwrap_or(f32::NEG_INFINITY);
    sum.ln() - f64::from(truth - largest)
}

/// Places of the largest errors, the largest first.
fn worst(errors: impl Iterator<Item = f64>) -> Vec<usize> {
    let mut places: Vec<(f64, usize)> = errors.zip(0..).collect();
    let order = |a: &(f64, usize), b: &(f64, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    if places.len() > WORST {
        places.select_nth_unstable_by(WORST, order);
        places.truncate(WORST);
    }
    places.sort_unstable_by(order);
    places.into_iter().map(|(_, place)| place).collect()
}
