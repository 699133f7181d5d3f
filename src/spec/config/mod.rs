//! The one configuration struct that the form, the TOML file and the command line all edit: one source of defaults.

mod augment;
mod data;
mod model;
mod train;

use serde::{Deserialize, Serialize};

use super::LONGEST_NAME;

pub use augment::Augmentation;
pub use data::{DataConfig, TaskKind};
pub use model::{Architecture, Initialiser, ModelConfig, PaddingKind, SummaryKind};
pub use train::{
    ClassWeights, EarlyStopping, LossKind, MonitoredMetric, OptimizerKind, Precision, ScheduleKind, StopTarget,
    TrainConfig,
};

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

/// What concerns this one execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunSection {
    /// Seed of initial weights, shuffling, augmentation and dropout.
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
    /// The name that it gives its run: its own, else data and architecture, and the seed where it is not 0.
    pub fn run_name(&self, dataset: &str) -> String {
        // A file may be called anything.
        let tidy = |c: char| if c.is_control() { ' ' } else { c };
        let dataset: String = dataset.chars().map(tidy).take(LONGEST_NAME / 2).collect();
        match (&self.run.name, self.run.seed) {
            (Some(name), _) => name.clone(),
            (None, 0) => format!("{dataset}-{}", self.model.architecture),
            (None, seed) => format!("{dataset}-{}-seed{seed}", self.model.architecture),
        }
    }

    /// What it trains, whatever its name and its seed: of two runs that share it, chance alone makes the difference.
    #[must_use]
    pub fn without_seed(&self) -> Self {
        let mut config = self.clone();
        (config.run.seed, config.run.name) = (0, None);
        config
    }

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

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Flex => "flex",
            Self::Ndarray => "ndarray",
        })
    }
}
