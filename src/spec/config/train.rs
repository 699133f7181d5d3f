//! How a network is trained.

use serde::{Deserialize, Serialize};

use crate::spec::Pruning;

/// The training knobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    pub epochs: usize,
    /// Samples a step.
    pub batch_size: usize,
    /// Batches whose gradients are averaged before a step.
    pub accumulate: usize,
    pub learning_rate: f64,
    pub optimizer: OptimizerKind,
    /// Momentum of SGD and `RMSprop`.
    pub momentum: f64,
    /// SGD looks ahead along its momentum (Nesterov 1983).
    pub nesterov: bool,
    /// L2 penalty (SGD, Adam, `RMSprop`, `AdaGrad`) or decoupled decay (`AdamW`, Lion, LAMB).
    pub weight_decay: f64,
    /// Whether biases and the scales of normalisation decay too.
    pub decay_all: bool,
    /// L1 penalty on the weights, as a step of its own that makes small ones exactly zero (Duchi and Singer 2009).
    pub l1: f64,
    pub schedule: ScheduleKind,
    /// Epochs between two drops (step), for a drop (exponential), without improvement before a drop (plateau), or of the first
    /// cycle (cosine with restarts).
    pub step_epochs: usize,
    /// Factor of each drop (step, exponential, plateau).
    pub step_factor: f64,
    /// Epochs over which the learning rate rises linearly from zero at the start.
    pub warmup_epochs: f64,
    /// Largest global L2 norm of the gradients; no clipping when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_clip: Option<f64>,
    pub loss: LossKind,
    /// Exponent of the focal loss.
    pub focal_gamma: f64,
    /// Error in deviations above which the Huber loss is linear.
    pub huber_delta: f64,
    /// Share of the target probability spread over all classes (Szegedy et al. 2016).
    pub label_smoothing: f64,
    pub class_weights: ClassWeights,
    /// Decay of the exponential moving average of the weights that is evaluated and kept; none when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average: Option<f64>,
    /// Prunes while training goes on; absent: nothing is pruned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prune: Option<Pruning>,
    /// Of the activations that are kept for the backward pass.
    pub precision: Precision,
    /// Computes activations again in the backward pass (Chen et al. 2016): less memory, more time.
    pub recompute: bool,
    /// Replicas that share every batch; in a batch norm each normalises its own share.
    pub workers: usize,
    /// Absent: trains for all epochs and keeps the last weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
    /// Ends training as soon as it is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<StopTarget>,
    /// Seconds of training after which the run ends with its epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_limit: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    Sgd,
    /// Kingma and Ba 2015.
    Adam,
    /// Loshchilov and Hutter 2019.
    AdamW,
    /// Tieleman and Hinton 2012.
    RmsProp,
    /// Duchi et al. 2011.
    AdaGrad,
    /// Chen et al. 2023.
    Lion,
    /// You et al. 2020.
    Lamb,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    Constant,
    /// To zero (Loshchilov and Hutter 2017).
    Cosine,
    Step,
    /// Up from a 25th over three tenths of the run, then down to a ten-thousandth (Smith and Topin 2018).
    OneCycle,
    Exponential,
    /// Drops when the monitored metric no longer improves.
    Plateau,
    /// Cycles of the cosine, each twice as long as the last (Loshchilov and Hutter 2017).
    CosineRestarts,
    /// Rises over the warm-up, then falls with the root of the step (Vaswani et al. 2017).
    Noam,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// Cross entropy, or mean squared error.
    Standard,
    /// Cross entropy that looks at hard samples (Lin et al. 2017).
    Focal,
    /// Squared near zero, linear beyond (Huber 1964).
    Huber,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassWeights {
    /// Every sample counts the same.
    None,
    /// Every class counts the same.
    Balanced,
}

/// In what a training step keeps its activations for the backward pass (as Micikevicius et al. 2018 store them); weights, gradients
/// and the optimizer stay in 32 bits, so that no loss need be scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    F32,
    F16,
    Bf16,
}

/// Ends training when the monitored metric no longer improves, and restores the best weights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EarlyStopping {
    pub metric: MonitoredMetric,
    /// Epochs without improvement before the run ends.
    pub patience: usize,
    /// Smallest change that counts as an improvement.
    pub minimum_improvement: f64,
}

impl EarlyStopping {
    /// Whether `value` of the watched metric is better than the best so far, by enough.
    pub fn improves(&self, best: Option<f64>, value: f64) -> bool {
        let gain = best.map_or(f64::INFINITY, |best| {
            if self.metric.falls() {
                best - value
            } else {
                value - best
            }
        });
        value.is_finite() && gain > 0.0 && gain >= self.minimum_improvement
    }
}

/// A value of a validation metric that is enough.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StopTarget {
    pub metric: MonitoredMetric,
    pub value: f64,
}

/// A metric of the validation split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MonitoredMetric {
    Loss,
    Accuracy,
    /// Mean over the classes of the harmonic mean of precision and recall.
    F1,
    R2,
    Rmse,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 30,
            batch_size: 32,
            accumulate: 1,
            learning_rate: 0.015,
            optimizer: OptimizerKind::Adam,
            momentum: 0.9,
            nesterov: false,
            weight_decay: 0.0,
            decay_all: false,
            l1: 0.0,
            schedule: ScheduleKind::Cosine,
            step_epochs: 10,
            step_factor: 0.1,
            warmup_epochs: 0.0,
            gradient_clip: None,
            loss: LossKind::Standard,
            focal_gamma: 2.0,
            huber_delta: 1.0,
            label_smoothing: 0.0,
            class_weights: ClassWeights::None,
            average: None,
            prune: None,
            precision: Precision::F32,
            recompute: false,
            workers: 1,
            early_stopping: None,
            target: None,
            time_limit: None,
        }
    }
}

impl Default for EarlyStopping {
    fn default() -> Self {
        Self {
            metric: MonitoredMetric::Loss,
            patience: 5,
            minimum_improvement: 0.0,
        }
    }
}

impl Default for StopTarget {
    fn default() -> Self {
        Self {
            metric: MonitoredMetric::Accuracy,
            value: 0.99,
        }
    }
}

impl OptimizerKind {
    pub const ALL: [Self; 7] = [
        Self::Adam,
        Self::AdamW,
        Self::Sgd,
        Self::RmsProp,
        Self::AdaGrad,
        Self::Lion,
        Self::Lamb,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Self::Sgd => "SGD",
            Self::Adam => "Adam",
            Self::AdamW => "AdamW",
            Self::RmsProp => "RMSprop",
            Self::AdaGrad => "AdaGrad",
            Self::Lion => "Lion",
            Self::Lamb => "LAMB",
        }
    }
}

impl ScheduleKind {
    pub const ALL: [Self; 8] = [
        Self::Cosine,
        Self::Constant,
        Self::Step,
        Self::OneCycle,
        Self::Exponential,
        Self::Plateau,
        Self::CosineRestarts,
        Self::Noam,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Cosine => "cosine",
            Self::Step => "step",
            Self::OneCycle => "one cycle",
            Self::Exponential => "exponential",
            Self::Plateau => "plateau",
            Self::CosineRestarts => "cosine with restarts",
            Self::Noam => "Noam",
        }
    }
}

impl MonitoredMetric {
    /// As it is written beside its value.
    pub fn title(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Accuracy => "accuracy",
            Self::F1 => "F1",
            Self::R2 => "R2",
            Self::Rmse => "RMSE",
        }
    }

    /// Whether a smaller value is better.
    pub fn falls(self) -> bool {
        matches!(self, Self::Loss | Self::Rmse)
    }
}
