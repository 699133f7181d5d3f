//! Where the samples come from.

use serde::{Deserialize, Serialize};

use super::Augmentation;

/// Where the samples come from and how they are divided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// A shipped or generated set's name, or a path to a file or a folder.
    pub source: String,
    /// Target column by name, several separated by commas; the last column when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Forces a kind of task; decided by the target column when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskKind>,
    /// Fractions of training, validation and test rows; they sum to 1.
    pub split: [f64; 3],
    /// Seed of the split, apart from the seed of the run.
    pub split_seed: u64,
    /// Number of samples of a generated set.
    pub samples: usize,
    /// Standard deviation of the noise of a generated set.
    pub noise: f64,
    /// Steps of a generated sequence, or to which texts and sequences of unequal length are cut or padded; as long as the longest
    /// when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Forecasting: past values that the network sees.
    pub window: usize,
    /// Forecasting: values ahead that it predicts.
    pub horizon: usize,
    /// Most different words of a text; 256 bytes are the vocabulary when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vocabulary: Option<usize>,
    /// Edge in pixels to which the images of a folder are resized; as the first one is when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_size: Option<usize>,
    /// Whether images are read in grey.
    pub grey: bool,
    /// Most bytes of samples held in memory, in MB; larger sets are read in blocks.
    pub memory_mb: usize,
    /// Applied to every training sample, in this order, anew in every epoch.
    pub augment: Vec<Augmentation>,
}

/// What is to be predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskKind {
    Classification,
    Regression,
    /// The next values of the target column, from those before.
    Forecast,
}

impl DataConfig {
    /// The same data as they are: what is done to training samples changes nothing of what is loaded.
    #[must_use]
    pub fn unaugmented(&self) -> Self {
        Self {
            augment: Vec::new(),
            ..self.clone()
        }
    }

    /// Most bytes of samples held in memory.
    pub fn memory_bytes(&self) -> usize {
        self.memory_mb.saturating_mul(1_000_000)
    }
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
            steps: None,
            window: 24,
            horizon: 1,
            vocabulary: None,
            image_size: None,
            grey: false,
            memory_mb: 1024,
            augment: Vec::new(),
        }
    }
}
