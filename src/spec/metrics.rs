//! Scores from a network's outputs, so that training, deployment and the command line mean the same by every figure.

use serde::{Deserialize, Serialize};

/// Scores on one part of the data. Classification has `accuracy`; regression has `r2` and `rmse`, in the target's own unit.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Metrics {
    /// Mean cross entropy in nats, or mean squared error of the standardised target.
    #[serde(deserialize_with = "super::run::null_as_nan")]
    pub loss: f64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub accuracy: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub r2: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rmse: Option<f64>,
}

impl Metrics {
    /// Of `logits` (rows x classes, row-major) against the true `classes`, one for each row. Of equal logits the first counts.
    pub fn classification(logits: &[f32], classes: &[u32]) -> Self {
        let rows = classes.len().max(1) as f64;
        let width = logits.len() / classes.len().max(1);
        let mut loss = 0.0;
        let mut correct = 0_usize;
        for (row, &class) in logits.chunks_exact(width.max(1)).zip(classes) {
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f64 = row.iter().map(|&logit| f64::from(logit - largest).exp()).sum();
            let truth = row.get(class as usize).copied().unwrap_or(f32::NEG_INFINITY);
            loss += sum.ln() - f64::from(truth - largest);
            correct += usize::from(class_of(row) == class as usize);
        }
        Self {
            loss: loss / rows,
            accuracy: Some(correct as f64 / rows),
            ..Self::default()
        }
    }

    /// Of standardised `predictions` against standardised `values`; `deviation` is the target's, in its own unit.
    pub fn regression(predictions: &[f32], values: &[f32], deviation: f64) -> Self {
        let rows = values.len().max(1) as f64;
        let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / rows;
        let residual: f64 = predictions
            .iter()
            .zip(values)
            .map(|(&predicted, &value)| (f64::from(predicted) - f64::from(value)).powi(2))
            .sum();
        let total: f64 = values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum();
        Self {
            loss: residual / rows,
            r2: Some(if total > 0.0 { 1.0 - residual / total } else { 0.0 }),
            rmse: Some((residual / rows).sqrt() * deviation),
            ..Self::default()
        }
    }
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
    fn regression_by_hand() {
        let metrics = Metrics::regression(&[1.0, 1.0], &[0.0, 2.0], 3.0);
        assert_eq!((metrics.loss, metrics.r2, metrics.rmse), (1.0, Some(0.0), Some(3.0)));
        assert_eq!(Metrics::regression(&[1.0], &[1.0], 1.0).r2, Some(0.0));
    }
}
