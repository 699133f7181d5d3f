//! What training minimises, with its gradient in closed form, and the running score of an epoch.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::teacher::Teacher;
use crate::data::{Batch, Dataset, Mixed, Targets};
use crate::spec::{ClassWeights, LossKind, Metrics, TrainConfig, class_of};

/// The loss of a batch: for classes `-sum_k w_k t_k (1 - p_k)^g log p_k`, where `t` is the target, `w` the weight of the class and
/// `g` 0 but for the focal loss; for numbers the squared or the Huber error. The mean is that over the samples, each counting as
/// its class weighs, as in `PyTorch`.
#[derive(Debug, Clone)]
pub struct Objective {
    loss: LossKind,
    /// Exponent of the focal loss (Lin et al. 2017).
    gamma: f64,
    /// Error above which the Huber loss is linear (Huber 1964).
    delta: f64,
    /// Share of the target probability spread over all classes (Szegedy et al. 2016): the target is
    /// `(1 - s) [k = y] + s / K`.
    label_smoothing: f64,
    /// Of each class; empty where all weigh 1.
    class_weights: Vec<f64>,
    /// Standard deviations of a regression's targets in their own units.
    deviations: Vec<f64>,
    /// Whose answers count beside the truth.
    pub teacher: Option<Arc<Teacher>>,
}

/// Sums over the batches of an epoch, from which its metrics are made.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    rows: usize,
    loss: f64,
    /// What `loss` is a sum over: rows, each as its class weighs.
    mass: f64,
    correct: usize,
    /// Of each target of a regression: sum of the values, of their squares, and of the squared errors.
    targets: Vec<[f64; 3]>,
}

impl Tally {
    /// Takes in what was counted elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.loss += other.loss;
        self.mass += other.mass;
        self.correct += other.correct;
        if self.targets.len() < other.targets.len() {
            self.targets.resize(other.targets.len(), [0.0; 3]);
        }
        for (sums, more) in self.targets.iter_mut().zip(&other.targets) {
            for (sum, more) in sums.iter_mut().zip(more) {
                *sum += more;
            }
        }
    }
}

impl Tally {
    /// Gives `share` of the loss to `sum`, a sum over the same rows.
    pub fn blend(&mut self, share: f64, sum: f64) {
        self.loss += share * (sum - self.loss);
    }
}

impl Objective {
    /// As configured, with the weights of the classes by their rows in the training split.
    pub fn new(config: &TrainConfig, dataset: &Dataset) -> Self {
        Self {
            class_weights: match (config.class_weights, &dataset.train.targets) {
                (ClassWeights::Balanced, Targets::Classes(classes)) => {
                    balanced(classes, dataset.summary.task.outputs())
                }
                _ => Vec::new(),
            },
            deviations: dataset.preprocessing.target.deviations(),
            ..Self::plain(config)
        }
    }

    /// As configured, for classes that weigh the same.
    pub fn plain(config: &TrainConfig) -> Self {
        Self {
            loss: config.loss,
            gamma: if config.loss == LossKind::Focal {
                config.focal_gamma
            } else {
                0.0
            },
            delta: config.huber_delta,
            label_smoothing: config.label_smoothing,
            class_weights: Vec::new(),
            deviations: vec![1.0],
            teacher: None,
        }
    }

    fn weight(&self, class: u32) -> f64 {
        self.class_weights.get(class as usize).copied().unwrap_or(1.0)
    }

    /// What the batch's loss is a mean over: its rows, each as its class weighs.
    pub fn mass(&self, batch: &Batch) -> f64 {
        let Targets::Classes(classes) = &batch.targets else {
            return batch.len() as f64;
        };
        if self.class_weights.is_empty() {
            return batch.len() as f64;
        }
        let weight = |(row, &class): (usize, &u32)| {
            let (second, share) = second(batch.mixed.as_ref(), row, class);
            share * self.weight(class) + (1.0 - share) * self.weight(second)
        };
        classes.iter().enumerate().map(weight).sum()
    }

    /// The loss of `outputs` (rows x outputs, row-major) as a part of a mean over `mass`, and its gradient with respect to them.
    /// Of a whole batch, `mass` is [`mass`](Self::mass). Adds to `tally`.
    pub fn differentiate(
        &self,
        outputs: &[f32],
        targets: &Targets,
        mixed: Option<&Mixed>,
        mass: f64,
        tally: &mut Tally,
    ) -> (f64, Vec<f32>) {
        let rows = targets.len();
        let mass = if mass > 0.0 { mass } else { 1.0 };
        let mut gradient = Vec::with_capacity(outputs.len());
        let sum = match targets {
            Targets::Classes(classes) => {
                let width = (outputs.len() / rows.max(1)).max(1);
                let mut terms = Terms::new(width);
                let mut sum = 0.0;
                for (row, (logits, &class)) in outputs.chunks_exact(width).zip(classes).enumerate() {
                    let (second, share) = second(mixed, row, class);
                    let foremost = if share < 0.5 { second } else { class };
                    tally.correct += usize::from(class_of(logits) == foremost as usize);
                    tally.mass += share * self.weight(class) + (1.0 - share) * self.weight(second);
                    terms.target(self.label_smoothing, [(class, share), (second, 1.0 - share)]);
                    sum += self.cross_entropy(logits, &mut terms, mass, &mut gradient);
                }
                sum
            }
            Targets::Values { values, width } => {
                tally.mass += rows as f64;
                self.errors(outputs, values, (*width).max(1), mixed, mass, tally, &mut gradient)
            }
        };
        tally.rows += rows;
        tally.loss += sum;
        (sum / mass, gradient)
    }

    /// One row's loss; its gradient over `mass` goes to the end of `gradient`. With `a_k = dL / dlog p_k` the gradient with respect
    /// to the logit `j` is `a_j - p_j sum_k a_k`.
    fn cross_entropy(&self, logits: &[f32], terms: &mut Terms, mass: f64, gradient: &mut Vec<f32>) -> f64 {
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let normaliser: f64 = logits.iter().map(|&logit| f64::from(logit - largest).exp()).sum();
        let normaliser = normaliser.ln();
        let (mut sum, mut slope) = (0.0, 0.0);
        for (k, &logit) in logits.iter().enumerate() {
            let logarithm = f64::from(logit - largest) - normaliser;
            terms.probabilities[k] = logarithm.exp();
            let target = terms.targets[k] * self.weight(k as u32);
            terms.slopes[k] = if target > 0.0 {
                let (factor, bend) = self.focus(logarithm);
                sum -= target * factor * logarithm;
                -target * (factor - bend * logarithm)
            } else {
                0.0
            };
            slope += terms.slopes[k];
        }
        let slopes = terms.slopes.iter().zip(&terms.probabilities);
        gradient.extend(slopes.map(|(own, probability)| ((own - probability * slope) / mass) as f32));
        sum
    }

    /// `(1 - p)^g` and `g p (1 - p)^(g - 1)`.
    fn focus(&self, logarithm: f64) -> (f64, f64) {
        if self.gamma == 0.0 {
            return (1.0, 0.0);
        }
        // A probability of exactly 1 has no finite slope below an exponent of 1, and nothing to learn from.
        let rest = (-logarithm.exp_m1()).max(1e-12);
        let bend = self.gamma * logarithm.exp() * rest.powf(self.gamma - 1.0);
        (rest.powf(self.gamma), bend)
    }

    /// The errors of numbers, each row's the mean over its targets.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one call, taken apart by the kind of target"
    )]
    fn errors(
        &self,
        outputs: &[f32],
        values: &[f32],
        width: usize,
        mixed: Option<&Mixed>,
        mass: f64,
        tally: &mut Tally,
        gradient: &mut Vec<f32>,
    ) -> f64 {
        tally.targets.resize(width, [0.0; 3]);
        let mut sum = 0.0;
        for (place, (&output, &value)) in outputs.iter().zip(values).enumerate() {
            let value = match mixed {
                Some(Mixed {
                    targets: Targets::Values { values: seconds, .. },
                    shares,
                }) => {
                    let share = f64::from(shares[place / width]);
                    share * f64::from(value) + (1.0 - share) * f64::from(seconds[place])
                }
                _ => f64::from(value),
            };
            let error = f64::from(output) - value;
            let (loss, slope) = match self.loss {
                LossKind::Huber if error.abs() > self.delta => (
                    self.delta * (error.abs() - 0.5 * self.delta),
                    self.delta * error.signum(),
                ),
                LossKind::Huber => (0.5 * error * error, error),
                LossKind::Standard | LossKind::Focal => (error * error, 2.0 * error),
            };
            sum += loss / width as f64;
            gradient.push((slope / (mass * width as f64)) as f32);
            for (sum, term) in tally.targets[place % width]
                .iter_mut()
                .zip([value, value * value, error * error])
            {
                *sum += term;
            }
        }
        sum
    }

    /// The epoch's metrics so far; the loss is the training loss with all that belongs to it.
    pub fn metrics(&self, tally: &Tally, classification: bool) -> Metrics {
        let rows = tally.rows.max(1) as f64;
        let loss = tally.loss / if tally.mass > 0.0 { tally.mass } else { rows };
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

/// What is computed of one row, class by class.
struct Terms {
    targets: Vec<f64>,
    probabilities: Vec<f64>,
    slopes: Vec<f64>,
}

impl Terms {
    fn new(width: usize) -> Self {
        Self {
            targets: vec![0.0; width],
            probabilities: vec![0.0; width],
            slopes: vec![0.0; width],
        }
    }

    /// Smoothed shares of the classes.
    fn target(&mut self, smoothing: f64, shares: [(u32, f64); 2]) {
        let spread = smoothing / self.targets.len() as f64;
        self.targets.fill(spread);
        for (class, share) in shares {
            if let Some(target) = self.targets.get_mut(class as usize) {
                *target += (1.0 - smoothing) * share;
            }
        }
    }
}

/// The class that was mixed into a row, and the share of its own class; without mixing that is its own, of which it has all.
fn second(mixed: Option<&Mixed>, row: usize, class: u32) -> (u32, f64) {
    match mixed {
        Some(Mixed {
            targets: Targets::Classes(seconds),
            shares,
        }) => (seconds[row], f64::from(shares[row])),
        _ => (class, 1.0),
    }
}

/// `rows / (classes * rows of the class)`, so that every class counts as much in all; a class without rows never counts.
fn balanced(classes: &[u32], count: usize) -> Vec<f64> {
    let mut rows = vec![0_usize; count];
    for &class in classes {
        if let Some(rows) = rows.get_mut(class as usize) {
            *rows += 1;
        }
    }
    let present = rows.iter().filter(|&&rows| rows > 0).count() as f64;
    let weight = |&rows: &usize| {
        if rows > 0 {
            classes.len() as f64 / (present * rows as f64)
        } else {
            0.0
        }
    };
    rows.iter().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Objective {
        Objective {
            deviations: vec![2.0, 3.0],
            ..Objective::plain(&TrainConfig::default())
        }
    }

    fn batch(targets: Targets, mixed: Option<Mixed>) -> Batch {
        Batch {
            inputs: Vec::new(),
            targets,
            mixed,
        }
    }

    fn of(objective: &Objective, outputs: &[f32], batch: &Batch) -> (f64, Vec<f32>) {
        let mass = objective.mass(batch);
        objective.differentiate(
            outputs,
            &batch.targets,
            batch.mixed.as_ref(),
            mass,
            &mut Tally::default(),
        )
    }

    fn log_softmax(row: &[f64]) -> Vec<f64> {
        let normaliser = row.iter().map(|z| z.exp()).sum::<f64>().ln();
        row.iter().map(|z| z - normaliser).collect()
    }

    const LOGITS: [f32; 6] = [1.0, 2.0, 0.5, 0.1, -1.0, 3.0];

    fn rows() -> [Vec<f64>; 2] {
        [log_softmax(&[1.0, 2.0, 0.5]), log_softmax(&[0.1, -1.0, 3.0])]
    }

    #[test]
    fn cross_entropy_and_smoothing_by_their_formulas() {
        let [a, b] = rows();
        for label_smoothing in [0.0, 0.1] {
            let objective = Objective {
                label_smoothing,
                ..plain()
            };
            let (loss, _) = of(&objective, &LOGITS, &batch(Targets::Classes(vec![1, 0]), None));
            let mean = (a.iter().sum::<f64>() + b.iter().sum::<f64>()) / 3.0;
            let expected = -((1.0 - label_smoothing) * (a[1] + b[0]) + label_smoothing * mean) / 2.0;
            assert!((loss - expected).abs() < 1e-6, "{loss} {expected}");
        }
    }

    #[test]
    fn weights_focus_and_mixing_by_their_formulas() {
        let [a, b] = rows();
        let targets = Targets::Classes(vec![1, 0]);
        let weighted = Objective {
            class_weights: vec![3.0, 0.5, 1.0],
            ..plain()
        };
        let expected = -(0.5 * a[1] + 3.0 * b[0]) / 3.5;
        let (loss, _) = of(&weighted, &LOGITS, &batch(targets.clone(), None));
        assert!((loss - expected).abs() < 1e-6, "{loss} {expected}");
        let focal = Objective {
            loss: LossKind::Focal,
            gamma: 2.0,
            ..plain()
        };
        let term = |logarithm: f64| -(1.0 - logarithm.exp()).powi(2) * logarithm;
        let (loss, _) = of(&focal, &LOGITS, &batch(targets.clone(), None));
        assert!((loss - term(a[1]).midpoint(term(b[0]))).abs() < 1e-6);
        let mixed = Mixed {
            targets: Targets::Classes(vec![2, 0]),
            shares: vec![0.75, 0.25],
        };
        let (loss, _) = of(&plain(), &LOGITS, &batch(targets, Some(mixed)));
        let expected = -(0.75 * a[1] + 0.25 * a[2] + b[0]) / 2.0;
        assert!((loss - expected).abs() < 1e-6, "{loss} {expected}");
    }

    #[test]
    fn the_huber_loss_is_pytorch_s() {
        let objective = Objective {
            loss: LossKind::Huber,
            delta: 0.5,
            ..plain()
        };
        let targets = Targets::Values {
            values: vec![0.0; 3],
            width: 1,
        };
        // torch.nn.HuberLoss(delta=0.5)(tensor([0.2, -0.5, 3.0]), zeros(3)) = (0.02 + 0.125 + 0.5 * 2.75) / 3
        let (loss, gradient) = of(&objective, &[0.2, -0.5, 3.0], &batch(targets, None));
        assert!((loss - 1.52 / 3.0).abs() < 1e-6, "{loss}");
        for (gradient, expected) in gradient.iter().zip([0.2, -0.5, 0.5]) {
            assert!((gradient - expected / 3.0).abs() < 1e-6);
        }
    }

    #[test]
    fn gradients_are_central_differences() {
        let classes = || batch(Targets::Classes(vec![1, 0]), None);
        let values = |mixed| {
            let targets = Targets::Values {
                values: vec![1.0, 0.0, 0.25, -1.0],
                width: 2,
            };
            batch(targets, mixed)
        };
        let mixed = Mixed {
            targets: Targets::Classes(vec![2, 1]),
            shares: vec![0.7, 0.4],
        };
        let mixed_values = Mixed {
            targets: Targets::Values {
                values: vec![0.0, 2.0, -1.0, 0.5],
                width: 2,
            },
            shares: vec![0.7, 0.4],
        };
        let numbers = [0.5, -1.0, 2.0, 0.1];
        let smooth = Objective {
            label_smoothing: 0.2,
            ..plain()
        };
        let focal = |gamma| Objective {
            loss: LossKind::Focal,
            gamma,
            class_weights: vec![0.5, 2.0, 1.0],
            ..smooth.clone()
        };
        let huber = Objective {
            loss: LossKind::Huber,
            delta: 0.8,
            ..plain()
        };
        let cases: [(Objective, &[f32], Batch); 8] = [
            (smooth.clone(), &LOGITS, classes()),
            (focal(2.0), &LOGITS, classes()),
            (focal(0.5), &LOGITS, classes()),
            (focal(1.0), &LOGITS, batch(Targets::Classes(vec![1, 0]), Some(mixed))),
            (plain(), &numbers, values(None)),
            (huber.clone(), &numbers, values(None)),
            (plain(), &numbers, values(Some(mixed_values.clone()))),
            (huber, &numbers, values(Some(mixed_values))),
        ];
        for (case, (objective, outputs, batch)) in cases.into_iter().enumerate() {
            let (_, gradient) = of(&objective, outputs, &batch);
            for index in 0..outputs.len() {
                let mut moved = outputs.to_vec();
                moved[index] += 1e-2;
                let above = of(&objective, &moved, &batch).0;
                moved[index] -= 2e-2;
                let slope = (above - of(&objective, &moved, &batch).0) / 2e-2;
                assert!(
                    (slope - f64::from(gradient[index])).abs() < 1e-4,
                    "case {case}, {index}"
                );
            }
        }
    }

    #[test]
    fn a_sample_that_is_certain_has_a_finite_focal_gradient() {
        let focal = Objective {
            loss: LossKind::Focal,
            gamma: 0.5,
            ..plain()
        };
        let (loss, gradient) = of(&focal, &[1e4, 0.0], &batch(Targets::Classes(vec![0]), None));
        assert!(
            loss == 0.0 && gradient.iter().all(|value| value.is_finite()),
            "{loss} {gradient:?}"
        );
    }

    #[test]
    fn balanced_classes_count_the_same_in_all() {
        let classes = [0, 0, 0, 2];
        let weights = balanced(&classes, 3);
        assert_eq!(weights, [4.0 / 6.0, 0.0, 2.0]);
        let sum: f64 = classes.iter().map(|&class| weights[class as usize]).sum();
        assert_eq!(sum, 4.0);
    }

    #[test]
    fn the_shares_of_a_batch_sum_up_to_the_whole() {
        let objective = Objective {
            class_weights: vec![0.5, 2.0, 1.0],
            ..plain()
        };
        let whole = batch(Targets::Classes(vec![1, 0]), None);
        let (loss, gradient) = of(&objective, &LOGITS, &whole);
        let mass = objective.mass(&whole);
        let (mut tally, mut parts, mut sum) = (Tally::default(), Vec::new(), 0.0);
        for (row, class) in [1, 0].into_iter().enumerate() {
            let mut own = Tally::default();
            let targets = Targets::Classes(vec![class]);
            let outputs = &LOGITS[3 * row..3 * row + 3];
            let (loss, gradient) = objective.differentiate(outputs, &targets, None, mass, &mut own);
            tally.add(&own);
            sum += loss;
            parts.extend(gradient);
        }
        assert!((sum - loss).abs() < 1e-12);
        assert_eq!(parts, gradient);
        assert!((objective.metrics(&tally, true).loss - loss).abs() < 1e-12);
    }

    #[test]
    fn an_epoch_in_batches_scores_as_the_whole() {
        let (outputs, values) = ([0.5, -1.0, 2.0, 0.0, 1.0, 0.5], vec![1.0, 0.0, 0.25, -3.0, 2.0, 1.0]);
        let whole = Metrics::regression(&outputs, &values, &[2.0, 3.0]);
        let mut tally = Tally::default();
        for (outputs, values) in outputs.chunks(4).zip(values.chunks(4)) {
            let targets = Targets::Values {
                values: values.to_vec(),
                width: 2,
            };
            plain().differentiate(outputs, &targets, None, targets.len() as f64, &mut tally);
        }
        let metrics = plain().metrics(&tally, false);
        assert!((metrics.loss - whole.loss).abs() < 1e-12);
        assert!((metrics.r2.unwrap() - whole.r2.unwrap()).abs() < 1e-12);
        assert!((metrics.rmse.unwrap() - whole.rmse.unwrap()).abs() < 1e-12);
    }
}
