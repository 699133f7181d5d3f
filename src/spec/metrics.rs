//! Scores from a network's outputs, so that training, deployment and the command line mean the same by every figure.

use serde::{Deserialize, Serialize};

use super::{ClassScore, MonitoredMetric};

/// Scores on one part of the data. Classification has `accuracy`; regression has `r2` and `rmse`, in the target's own unit.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Metrics {
    /// Mean cross entropy in nats, or mean squared error of the standardised target.
    #[serde(deserialize_with = "super::run::null_as_nan")]
    pub loss: f64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub accuracy: Option<f64>,
    /// Mean over the classes of the harmonic mean of precision and recall; classes that neither occur nor are answered do not count.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub f1: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub r2: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rmse: Option<f64>,
}

impl Metrics {
    /// The figure that is watched; none where the task does not have it.
    pub fn monitored(&self, metric: MonitoredMetric) -> Option<f64> {
        match metric {
            MonitoredMetric::Loss => Some(self.loss),
            MonitoredMetric::Accuracy => self.accuracy,
            MonitoredMetric::F1 => self.f1,
            MonitoredMetric::R2 => self.r2,
            MonitoredMetric::Rmse => self.rmse,
        }
    }

    /// Of `logits` (rows x classes, row-major) against the true `classes`, one for each row. Of equal logits the first counts.
    pub fn classification(logits: &[f32], classes: &[u32]) -> Self {
        let rows = classes.len().max(1) as f64;
        let width = logits.len() / classes.len().max(1);
        let (mut loss, mut correct) = (0.0, 0_usize);
        // Counted on the way: there may be very many rows.
        let answers = logits.chunks_exact(width.max(1)).zip(classes).map(|(row, &class)| {
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f64 = row.iter().map(|&logit| f64::from(logit - largest).exp()).sum();
            let truth = row.get(class as usize).copied().unwrap_or(f32::NEG_INFINITY);
            loss += sum.ln() - f64::from(truth - largest);
            let (truth, answer) = (class as usize, class_of(row));
            correct += usize::from(truth == answer);
            (truth, answer)
        });
        let scores = ClassScore::all(answers, width);
        Self {
            loss: loss / rows,
            accuracy: Some(correct as f64 / rows),
            f1: ClassScore::macro_f1(&scores),
            ..Self::default()
        }
    }

    /// Of standardised `predictions` against standardised `values`, `rows x targets`, row-major; `deviations` are the targets' own. R2 is
    /// the mean over the targets, and the root mean square error that over all of them in their own units.
    pub fn regression(predictions: &[f32], values: &[f32], deviations: &[f64]) -> Self {
        let targets = deviations.len().max(1);
        let rows = (values.len() / targets).max(1) as f64;
        let (mut loss, mut r2, mut square) = (0.0, 0.0, 0.0);
        for target in 0..targets {
            let column = |all| own(all, target, targets);
            let mean = column(values).sum::<f64>() / rows;
            let pairs = column(predictions).zip(column(values));
            let residual: f64 = pairs.map(|(p, v)| (p - v).powi(2)).sum();
            let total: f64 = column(values).map(|value| (value - mean).powi(2)).sum();
            let deviation = deviations.get(target).copied().unwrap_or(1.0);
            loss += residual / rows;
            r2 += if total > 0.0 { 1.0 - residual / total } else { 0.0 };
            square += residual / rows * deviation * deviation;
        }
        let targets = targets as f64;
        Self {
            loss: loss / targets,
            r2: Some(r2 / targets),
            rmse: Some((square / targets).sqrt()),
            ..Self::default()
        }
    }
}

/// Every `targets`-th value from `target` on.
fn own(all: &[f32], target: usize, targets: usize) -> impl Iterator<Item = f64> {
    all.iter().skip(target).step_by(targets).map(|&value| f64::from(value))
}

/// Index of the largest logit; of equal ones the first.
pub fn class_of(logits: &[f32]) -> usize {
    let mut best = 0;
    for (index, &logit) in logits.iter().enumerate() {
        if logit > logits[best] {
            best = index;
        }
    }
    best
}

/// The probability of each class by a row of logits: `exp(logit) / sum of exp(logits)`.
pub fn softmax(logits: &[f32]) -> impl Iterator<Item = f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let power = move |logit: &f32| f64::from(logit - largest).exp();
    let sum: f64 = logits.iter().map(power).sum();
    logits.iter().map(move |logit| (power(logit) / sum) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classification_by_hand() {
        let metrics = Metrics::classification(&[0.0, 0.0, 1.0, 1.0, 0.0, 0.0], &[2, 1]);
        let e = std::f64::consts::E;
        let expected = ((2.0 + e) / e).ln().midpoint((2.0 + e).ln());
        assert!((metrics.loss - expected).abs() < 1e-12, "{metrics:?}");
        assert_eq!(metrics.accuracy, Some(0.5));
    }

    #[test]
    fn huge_logits_do_not_overflow() {
        let metrics = Metrics::classification(&[3e38, 0.0], &[0]);
        assert_eq!((metrics.loss, metrics.accuracy), (0.0, Some(1.0)));
    }

    #[test]
    fn probabilities_are_those_of_the_logits() {
        let found: Vec<f32> = softmax(&[2.0_f32.ln(), 0.0, 5.0_f32.ln()]).collect();
        for (found, expected) in found.iter().zip([0.25, 0.125, 0.625]) {
            assert!((found - expected).abs() < 1e-6, "{found}");
        }
        assert_eq!(softmax(&[3e38, -3e38]).collect::<Vec<_>>(), [1.0, 0.0]);
    }

    #[test]
    fn regression_by_hand() {
        let metrics = Metrics::regression(&[1.0, 1.0], &[0.0, 2.0], &[3.0]);
        assert_eq!((metrics.loss, metrics.r2, metrics.rmse), (1.0, Some(0.0), Some(3.0)));
        assert_eq!(Metrics::regression(&[1.0], &[1.0], &[1.0]).r2, Some(0.0));
    }

    #[test]
    fn several_targets_are_scored_one_by_one() {
        let metrics = Metrics::regression(&[1.0, 5.0, 1.0, 7.0], &[0.0, 5.0, 2.0, 7.0], &[3.0, 1.0]);
        assert_eq!((metrics.loss, metrics.r2), (0.5, Some(0.5)));
        assert!((metrics.rmse.unwrap() - 4.5_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn f1_by_hand() {
        // Truths 0, 0, 1; answers 0, 1, 1: both classes have 2 * 1 / 3.
        let metrics = Metrics::classification(&[1.0, 0.0, 0.0, 1.0, 0.0, 1.0], &[0, 0, 1]);
        assert!((metrics.f1.unwrap() - 2.0 / 3.0).abs() < 1e-12);
    }
}
