//! What a network says of each row, and the rows that it gets most wrong.

use super::Viewer;
use crate::data::{Samples, Targets};
use crate::spec::{AnswersSeen, ClassAnswer, TargetTransform, class_of, units};

/// Rows that are shown as the worst.
const WORST: usize = 24;

impl Viewer<'_> {
    /// The answers to all rows of `samples` by the network's `outputs` for them.
    pub fn answers(&self, samples: &Samples, outputs: &[f32]) -> AnswersSeen {
        let width = (outputs.len() / samples.len().max(1)).max(1);
        match (&samples.targets, &self.dataset.preprocessing.target) {
            (Targets::Values { values, width }, TargetTransform::Values { targets }) if !targets.is_empty() => {
                // Of several targets the first is shown.
                let raw = |value: f32| targets[0].mean + targets[0].deviation * f64::from(value);
                let rows: Vec<[f64; 2]> = values
                    .chunks_exact(*width)
                    .zip(outputs.chunks_exact(*width))
                    .map(|(truth, output)| [raw(truth[0]), raw(output[0])])
                    .collect();
                let worst = worst(rows.iter().map(|[truth, predicted]| (truth - predicted).abs()));
                let view = |row: usize| self.sample(samples, row, units::significant(rows[row][1]));
                AnswersSeen::Values {
                    worst: worst.into_iter().map(view).collect(),
                    rows,
                }
            }
            (Targets::Classes(classes), _) => {
                let mut losses = Vec::with_capacity(classes.len());
                let rows: Vec<ClassAnswer> = classes
                    .iter()
                    .zip(outputs.chunks_exact(width))
                    .map(|(&truth, logits)| {
                        losses.push(cross_entropy(logits, truth as usize));
                        ClassAnswer {
                            truth,
                            answer: class_of(logits) as u32,
                            probability: probability(logits, truth as usize),
                        }
                    })
                    .collect();
                let view = |row: usize| {
                    let answer = rows[row].answer;
                    let probability = probability(&outputs[row * width..][..width], answer as usize);
                    let answer = format!("{} ({})", self.class(answer), units::percent(f64::from(probability)));
                    self.sample(samples, row, answer)
                };
                AnswersSeen::Classes {
                    classes: self.classes().to_vec(),
                    worst: worst(losses.into_iter()).into_iter().map(view).collect(),
                    rows,
                }
            }
            // A target of values is never transformed into classes.
            (Targets::Values { .. }, _) => AnswersSeen::Values {
                rows: Vec::new(),
                worst: Vec::new(),
            },
        }
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
