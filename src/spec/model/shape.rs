//! The shape of one sample between two layers.

use serde::{Deserialize, Serialize};

/// Shape of one sample, without the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Shape {
    Features {
        features: usize,
    },
    Image {
        channels: usize,
        height: usize,
        width: usize,
    },
    /// Vectors of `features` values in an order that matters; in memory one step after another.
    Sequence {
        steps: usize,
        features: usize,
    },
    /// Places in a vocabulary, as whole numbers from 0 to below `vocabulary`; 0 is padding, which stands in front of the text.
    Tokens {
        steps: usize,
        vocabulary: usize,
    },
}

impl Shape {
    /// Number of values.
    pub fn len(&self) -> usize {
        match *self {
            Self::Features { features } => features,
            Self::Image {
                channels,
                height,
                width,
            } => channels * height * width,
            Self::Sequence { steps, features } => steps * features,
            Self::Tokens { steps, .. } => steps,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `[features]`, `[channels, height, width]`, `[steps, features]` or `[steps]`.
    pub fn dimensions(&self) -> Vec<usize> {
        match *self {
            Self::Features { features } => vec![features],
            Self::Image {
                channels,
                height,
                width,
            } => vec![channels, height, width],
            Self::Sequence { steps, features } => vec![steps, features],
            Self::Tokens { steps, .. } => vec![steps],
        }
    }

    /// What a layer with one weight a channel counts: features, or the channels of an image. Tokens have none.
    pub fn channels(&self) -> usize {
        match *self {
            Self::Features { features } | Self::Sequence { features, .. } => features,
            Self::Image { channels, .. } => channels,
            Self::Tokens { .. } => 0,
        }
    }

    /// Places that have all channels: pixels of an image, steps of a sequence, one for features.
    pub fn positions(&self) -> usize {
        match *self {
            Self::Features { .. } => 1,
            Self::Image { height, width, .. } => height * width,
            Self::Sequence { steps, .. } | Self::Tokens { steps, .. } => steps,
        }
    }

    /// The same places with other channels.
    #[must_use]
    pub fn with_channels(self, channels: usize) -> Self {
        match self {
            Self::Features { .. } => Self::Features { features: channels },
            Self::Image { height, width, .. } => Self::Image {
                channels,
                height,
                width,
            },
            Self::Sequence { steps, .. } => Self::Sequence {
                steps,
                features: channels,
            },
            Self::Tokens { .. } => self,
        }
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Features { features } => write!(f, "{features} features"),
            Self::Image {
                channels,
                height,
                width,
            } => write!(f, "{channels} x {height} x {width}"),
            Self::Sequence { steps, features } => write!(f, "{steps} steps of {features}"),
            Self::Tokens { steps, vocabulary } => write!(f, "{steps} tokens of {vocabulary}"),
        }
    }
}
