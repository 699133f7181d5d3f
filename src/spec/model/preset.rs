//! Sizes to start from, for every architecture.

use serde::{Deserialize, Serialize};

use crate::spec::{Architecture, ModelConfig, OptimizerKind, Shape, TrainConfig};

/// A size to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PresetSize {
    Tiny,
    Small,
    Medium,
}

impl PresetSize {
    pub const ALL: [Self; 3] = [Self::Tiny, Self::Small, Self::Medium];

    pub fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Small => "small",
            Self::Medium => "medium",
        }
    }
}

impl ModelConfig {
    /// The knobs of `architecture` at this size for samples of shape `input`; what it does not use stays as it is by default.
    pub fn preset(architecture: Architecture, size: PresetSize, input: Shape) -> Self {
        let of = |values: [usize; 3]| values[size as usize];
        let list = |values: [&[usize]; 3]| values[size as usize].to_vec();
        let mut config = Self {
            architecture,
            ..Self::default()
        };
        match architecture {
            Architecture::Majority | Architecture::Logistic | Architecture::Ridge | Architecture::Linear => {}
            Architecture::Knn => config.neighbours = of([1, 5, 15]),
            Architecture::Forest => config.trees = of([20, 100, 300]),
            Architecture::Mlp => config.hidden = list([&[16], &[32], &[128, 64]]),
            Architecture::Cnn => {
                config.filters = list([&[8, 16], &[16, 32], &[32, 64, 64]]);
                config.hidden = list([&[32], &[64], &[128]]);
            }
            Architecture::Resnet => config.filters = list([&[8, 16], &[16, 32], &[32, 64, 128]]),
            Architecture::Mobilenet => config.filters = list([&[8, 16], &[16, 32, 32], &[32, 64, 128]]),
            Architecture::Cnn1d => {
                config.filters = list([&[16], &[32, 64], &[64, 128, 128]]);
                config.hidden = list([&[16], &[32], &[64]]);
                config.pool = vec![1];
            }
            Architecture::Rnn | Architecture::Gru | Architecture::Lstm => {
                config.units = list([&[16], &[64], &[128, 128]]);
                config.hidden = Vec::new();
            }
            Architecture::Transformer => {
                config.dimensions = of([16, 32, 64]);
                config.heads = of([2, 4, 4]);
                config.blocks = of([1, 2, 4]);
                config.feed_forward = of([32, 64, 128]);
                config.hidden = Vec::new();
            }
        }
        // A window that leaves no pixel, or no step, is no window.
        let blocks = config.filters.len() as u32;
        let edge = match input {
            Shape::Image { height, width, .. } => height.min(width),
            _ => usize::MAX,
        };
        if edge < 2_usize.pow(blocks) {
            let pooled = edge.max(1).ilog2();
            config.pool = (0..blocks).map(|block| if block < pooled { 2 } else { 1 }).collect();
        }
        config
    }
}

impl TrainConfig {
    /// How to begin training `architecture`: rates and epochs with which its small preset learns the shipped sets. A classical
    /// baseline has no use for them.
    pub fn preset(architecture: Architecture) -> Self {
        let of = |learning_rate, epochs| Self {
            epochs,
            learning_rate,
            ..Self::default()
        };
        // Through many steps, one large gradient undoes what was learned (Pascanu et al. 2013).
        let clipped = |config: Self| Self {
            gradient_clip: Some(1.0),
            ..config
        };
        match architecture {
            Architecture::Majority
            | Architecture::Logistic
            | Architecture::Ridge
            | Architecture::Knn
            | Architecture::Forest => Self::default(),
            Architecture::Linear => of(0.02, 60),
            Architecture::Mlp => of(0.01, 60),
            Architecture::Cnn => of(0.003, 30),
            Architecture::Resnet => of(0.005, 30),
            Architecture::Mobilenet => of(0.01, 40),
            Architecture::Cnn1d => of(0.005, 40),
            Architecture::Rnn => clipped(of(0.002, 40)),
            Architecture::Gru | Architecture::Lstm => clipped(of(0.005, 40)),
            // Attention needs a gentle start (Xiong et al. 2020).
            Architecture::Transformer => clipped(Self {
                optimizer: OptimizerKind::AdamW,
                weight_decay: 0.01,
                warmup_epochs: 3.0,
                ..of(0.002, 50)
            }),
        }
    }
}
