//! The one configuration struct that the form, the TOML file and the command line all edit: one source of defaults.

use serde::{Deserialize, Serialize};

/// Everything that defines an experiment. [`RunConfig::check`](RunConfig::check) turns it into a
/// [`RunPlan`](super::RunPlan), which is all that the engine takes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunConfig {
    pub data: DataConfig,
    pub model: ModelConfig,
    pub train: TrainConfig,
    pub run: RunSection,
}

/// Where the samples come from and how they are divided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// A shipped or generated set's name, or a path to a CSV file.
    pub source: String,
    /// Target column by name; the last column when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Forces classification or regression; decided by the target column when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskKind>,
    /// Fractions of training, validation and test rows; they sum to 1.
    pub split: [f64; 3],
    /// Seed of the split, apart from the seed of the run.
    pub split_seed: u64,
    /// Number of points of a generated set.
    pub samples: usize,
    /// Standard deviation of the noise of a generated set.
    pub noise: f64,
}

/// What a CSV's target column is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskKind {
    Classification,
    Regression,
}

/// The knobs from which a [`ModelSpec`](super::ModelSpec) is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    pub architecture: Architecture,
    /// Widths of the hidden dense layers (MLP, and the CNN's dense part).
    pub hidden: Vec<usize>,
    /// Filters of each convolution block (CNN).
    pub filters: Vec<usize>,
    /// Kernel edge of each block in pixels; one value serves all blocks.
    pub kernel: Vec<usize>,
    /// Max-pooling window after each block in pixels, 1 for none; one value serves all blocks.
    pub pool: Vec<usize>,
    pub padding: PaddingKind,
    /// Batch normalisation after each convolution.
    pub batch_norm: bool,
    /// Probability of dropping a unit after each hidden dense layer.
    pub dropout: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    Linear,
    Mlp,
    Cnn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PaddingKind {
    /// Zeros around the image, so that a stride of 1 keeps its size.
    Same,
    /// No padding.
    Valid,
}

/// The training knobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    pub epochs: usize,
    /// Samples a step.
    pub batch_size: usize,
    pub learning_rate: f64,
    pub optimizer: OptimizerKind,
    /// Momentum of SGD.
    pub momentum: f64,
    /// L2 penalty (SGD, Adam) or decoupled decay (AdamW).
    pub weight_decay: f64,
    pub schedule: ScheduleKind,
    /// Epochs between two drops of the step schedule.
    pub step_epochs: usize,
    /// Factor of each drop of the step schedule.
    pub step_factor: f64,
    /// Epochs over which the learning rate rises linearly from zero at the start.
    pub warmup_epochs: f64,
    /// Largest global L2 norm of the gradients; no clipping when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_clip: Option<f64>,
    /// Share of the target probability spread over all classes (Szegedy et al. 2016).
    pub label_smoothing: f64,
    /// Absent: trains for all epochs and keeps the last weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    Sgd,
    Adam,
    #[serde(rename = "adamw")]
    AdamW,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    Constant,
    Cosine,
    Step,
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

/// A metric of the validation split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MonitoredMetric {
    Loss,
    Accuracy,
    R2,
}

/// What concerns this one execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunSection {
    /// Seed of initial weights, shuffling and dropout.
    pub seed: u64,
    pub device: Device,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Device {
    /// Burn's current CPU back end.
    Flex,
    /// Burn's older CPU back end, a cross-check of `flex`.
    Ndarray,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            source: "digits".to_owned(),
            target: None,
            task: None,
            split: [0.7, 0.15, 0.15],
            split_seed: 0,
            samples: 1000,
            noise: 0.1,
        }
    }
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            architecture: Architecture::Mlp,
            hidden: vec![32],
            filters: vec![16, 32],
            kernel: vec![3],
            pool: vec![2],
            padding: PaddingKind::Same,
            batch_norm: true,
            dropout: 0.0,
        }
    }
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 30,
            batch_size: 32,
            learning_rate: 0.015,
            optimizer: OptimizerKind::Adam,
            momentum: 0.9,
            weight_decay: 0.0,
            schedule: ScheduleKind::Cosine,
            step_epochs: 10,
            step_factor: 0.1,
            warmup_epochs: 0.0,
            gradient_clip: None,
            label_smoothing: 0.0,
            early_stopping: None,
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

impl Default for RunSection {
    fn default() -> Self {
        Self {
            seed: 0,
            device: Device::Flex,
            name: None,
        }
    }
}

impl RunConfig {
    /// The preset CNN on handwritten digits: conv16-pool-conv32-pool-dense64, 3x3, same padding, batch norm. Its learning rate is
    /// high enough to recover from pruning in three epochs of fine-tuning.
    pub fn digits_cnn() -> Self {
        Self {
            model: ModelConfig {
                architecture: Architecture::Cnn,
                hidden: vec![64],
                ..ModelConfig::default()
            },
            train: TrainConfig {
                learning_rate: 1e-2,
                ..TrainConfig::default()
            },
            ..Self::default()
        }
    }
}

impl std::fmt::Display for Architecture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Linear => "linear",
            Self::Mlp => "mlp",
            Self::Cnn => "cnn",
        })
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Flex => "flex",
            Self::Ndarray => "ndarray",
        })
    }
}
