//! What training minimises, with its gradient in closed form, and the running score of an epoch.

use serde::{Deserialize, Serialize};

use crate::data::Targets;
use crate::spec::{Metrics, class_of};

/// Mean cross entropy over softmax, or mean squared error.
#[derive(Debug, Clone)]
pub struct Objective {
    /// Share of the target probability spread over all classes (Szegedy et al. 2016): the target is
    /// `(1 - s) [k = y] + s / K`.
    pub label_smoothing: f64,
    /// Standard deviations of a regression's targets in their own units.
    pub deviations: Vec<f64>,
}

/// Sums over the batches of an epoch, from which its metrics are made.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Tally {
    rows: usize,
    loss: f64,
    correct: usize,
    /// Of each target of a regression: sum of the values, of their squares, and of the squared errors.
    targets: Vec<[f64; 3]>,
}

impl Objective {
    /// The mean loss of `outputs` (rows x outputs, row-major), and its gradient with respect to them. Adds to `tally`.
    pub fn differentiate(&self, outputs: &[f32], targets: &Targets, tally: &mut Tally) -> (f64, Vec<f32>) {
        let rows = targets.len().max(1);
        let width = outputs.len() / rows;
        let mut gradient = Vec::with_capacity(outputs.len());
        let mut sum = 0.0;
        match targets {
            Targets::Classes(classes) => {
                let spread = self.label_smoothing / width.max(1) as f64;
                for (row, &class) in outputs.chunks_exact(width.max(1)).zip(classes) {
                    let class = class as usize;
                    tally.correct += usize::from(class_of(row) == class);
                    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    let normaliser: f64 = row.iter().map(|&logit| f64::from(logit - largest).exp()).sum();
                    let normaliser = normaliser.ln();
                    for (k, &logit) in row.iter().enumerate() {
                        let logarithm = f64::from(logit - largest) - normaliser;
                        let target = spread + if k == class { 1.0 - self.label_smoothing } else { 0.0 };
                        if target > 0.0 {
                            sum -= target * logarithm;
                        }
                        gradient.push(((logarithm.exp() - target) / rows as f64) as f32);
                    }
                }
            }
            Targets::Values { values, width } => {
                let width = (*width).max(1);
                tally.targets.resize(width, [0.0; 3]);
                for (place, (&output, &value)) in outputs.iter().zip(values).enumerate() {
                    let (output, value) = (f64::from(output), f64::from(value));
                    let square = (output - value).powi(2);
                    sum += square / width as f64;
                    gradient.push((2.0 * (output - value) / (rows * width) as f64) as f32);
                    for (sum, term) in tally.targets[place % width]
                        .iter_mut()
                        .zip([value, value * value, square])
                    {
                        *sum += term;
                    }
                }
            }
        }
        tally.rows += rows;
        tally.loss += sum;
        (sum / rows as f64, gradient)
    }

    /// The epoch's metrics so far; the loss is the training loss, label smoothing included.
    pub fn metrics(&self, tally: &Tally, classification: bool) -> Metrics {
        let rows = tally.rows.max(1) as f64;
        let loss = tally.loss / rows;
        if classification {
            return Metrics {
                loss,
                accuracy: Some(tally.correct as f64 / rows),
                ..Metrics::default()
            };
        }
        let (mut r2, mut square) = (0.0, 0.0);
        for (&[value, squared, residual], deviation) in tally.targets.iter().zip(&self.deviations) {
            let total = squared - value * value / rows;
            r2 += if total > 0.0 { 1.0 - residual / total } else { 0.0 };
            square += residual / rows * deviation * deviation;
        }
        let targets = tally.targets.len().max(1) as f64;
        Metrics {
            loss,
            r2: Some(r2 / targets),
            rmse: Some((square / targets).sqrt()),
            ..Metrics::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Objective {
        Objective {
            label_smoothing: 0.0,
            deviations: vec![2.0, 3.0],
        }
    }

    #[test]
    fn cross_entropy_and_smoothing_by_their_formulas() {
        let logits = [1.0, 2.0, 0.5, 0.1, -1.0, 3.0];
        let targets = Targets::Classes(vec![1, 0]);
        let log_softmax = |row: &[f64]| {
            let normaliser = row.iter().map(|z| z.exp()).sum::<f64>().ln();
            row.iter().map(|z| z - normaliser).collect::<Vec<_>>()
        };
        let (a, b) = (log_softmax(&[1.0, 2.0, 0.5]), log_softmax(&[0.1, -1.0, 3.0]));
        for smoothing in [0.0, 0.1] {
            let objective = Objective {
                label_smoothing: smoothing,
                ..plain()
            };
            let (loss, _) = objective.differentiate(&logits, &targets, &mut Tally::default());
            let mean = (a.iter().sum::<f64>() + b.iter().sum::<f64>()) / 3.0;
            let expected = -((1.0 - smoothing) * (a[1] + b[0]) + smoothing * mean) / 2.0;
            assert!((loss - expected).abs() < 1e-6, "{loss} {expected}");
        }
    }

    #[test]
    fn gradients_are_central_differences() {
        let objective = Objective {
            label_smoothing: 0.2,
            ..plain()
        };
        for (outputs, targets) in [
            (vec![1.0, 2.0, 0.5, 0.1, -1.0, 3.0], Targets::Classes(vec![1, 0])),
            (
                vec![0.5, -1.0, 2.0, 0.1],
                Targets::Values {
                    values: vec![1.0, 0.0, 0.25, -1.0],
                    width: 2,
                },
            ),
        ] {
            let loss = |outputs: &[f32]| objective.differentiate(outputs, &targets, &mut Tally::default());
            let (_, gradient) = loss(&outputs);
            for index in 0..outputs.len() {
                let mut moved = outputs.clone();
                moved[index] += 1e-2;
                let above = loss(&moved).0;
                moved[index] -= 2e-2;
                let slope = (above - loss(&moved).0) / 2e-2;
                assert!((slope - f64::from(gradient[index])).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn an_epoch_in_batches_scores_as_the_whole() {
        let (outputs, values) = ([0.5, -1.0, 2.0, 0.0, 1.0, 0.5], vec![1.0, 0.0, 0.25, -3.0, 2.0, 1.0]);
        let whole = Metrics::regression(&outputs, &values, &[2.0, 3.0]);
        let mut tally = Tally::default();
        for (outputs, values) in outputs.chunks(4).zip(values.chunks(4)) {
            plain().differentiate(
                outputs,
                &Targets::Values {
                    values: values.to_vec(),
                    width: 2,
                },
                &mut tally,
            );
        }
        let metrics = plain().metrics(&tally, false);
        assert!((metrics.loss - whole.loss).abs() < 1e-12);
        assert!((metrics.r2.unwrap() - whole.r2.unwrap()).abs() < 1e-12);
        assert!((metrics.rmse.unwrap() - whole.rmse.unwrap()).abs() < 1e-12);
    }
}
