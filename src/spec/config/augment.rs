//! Changes to training samples that leave their meaning alone.

use serde::{Deserialize, Serialize};

use crate::spec::Shape;

/// One change. Each draws its strength for each sample from the run's seed, epoch and row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Augmentation {
    /// Images: left and right exchanged in half of the samples.
    Flip,
    /// Images: turned by up to `degrees` either way.
    Rotate { degrees: f64 },
    /// Images: moved by up to `pixels` along each axis.
    Shift { pixels: f64 },
    /// Images: a part of at least `smallest` (0 to 1) of each edge, resized to the whole.
    Crop { smallest: f64 },
    /// Images: brightness and contrast changed by up to `strength` (of the values' deviation, and of 1).
    Brightness { strength: f64 },
    /// Images, sequences, tables: normal noise of this deviation, in deviations of the input.
    Noise { deviation: f64 },
    /// Images: a square of `pixels` at a random place set to the mean (`DeVries` and Taylor 2017).
    Cutout { pixels: usize },
    /// All: two samples and their targets mixed by a share drawn from Beta(alpha, alpha) (Zhang et al. 2018).
    Mixup { alpha: f64 },
    /// Sequences: every feature multiplied by a factor of up to `strength` more or less than 1.
    Scale { strength: f64 },
    /// Sequences: time runs unevenly, up to `strength` (below 1) faster or slower.
    TimeWarp { strength: f64 },
    /// Sequences: a stretch of at least `smallest` (0 to 1) of the steps, resampled to all.
    TimeCrop { smallest: f64 },
}

impl Augmentation {
    pub fn name(self) -> &'static str {
        match self {
            Self::Flip => "flip",
            Self::Rotate { .. } => "rotate",
            Self::Shift { .. } => "shift",
            Self::Crop { .. } => "crop and resize",
            Self::Brightness { .. } => "brightness and contrast",
            Self::Noise { .. } => "noise",
            Self::Cutout { .. } => "cut-out",
            Self::Mixup { .. } => "mixup",
            Self::Scale { .. } => "scaling",
            Self::TimeWarp { .. } => "time warp",
            Self::TimeCrop { .. } => "time crop",
        }
    }

    /// Whether it has a meaning for samples of this shape.
    pub fn fits(self, shape: Shape) -> bool {
        let is_image = matches!(shape, Shape::Image { .. });
        let is_sequence = matches!(shape, Shape::Sequence { .. });
        match self {
            Self::Flip
            | Self::Rotate { .. }
            | Self::Shift { .. }
            | Self::Crop { .. }
            | Self::Brightness { .. }
            | Self::Cutout { .. } => is_image,
            Self::Scale { .. } | Self::TimeWarp { .. } | Self::TimeCrop { .. } => is_sequence,
            // Between two words there is no third.
            Self::Noise { .. } | Self::Mixup { .. } => !matches!(shape, Shape::Tokens { .. }),
        }
    }

    /// What is wrong with its numbers, and what would do.
    pub fn problem(self) -> Option<String> {
        let within = |value: f64, low: f64, high: f64| (low..=high).contains(&value);
        let (fits, range) = match self {
            Self::Flip => (true, ""),
            Self::Rotate { degrees } => (within(degrees, 0.0, 180.0), "degrees from 0 to 180"),
            Self::Shift { pixels } => (within(pixels, 0.0, 1000.0), "0 to 1000 pixels"),
            Self::Crop { smallest } | Self::TimeCrop { smallest } => {
                (within(smallest, 0.05, 1.0), "a smallest part from 0.05 to 1")
            }
            Self::Brightness { strength } | Self::Scale { strength } => {
                (within(strength, 0.0, 1.0), "a strength from 0 to 1")
            }
            Self::TimeWarp { strength } => (within(strength, 0.0, 0.9), "a strength from 0 to 0.9"),
            Self::Noise { deviation } => (within(deviation, 0.0, 10.0), "a deviation from 0 to 10"),
            Self::Cutout { pixels } => ((1..=1000).contains(&pixels), "1 to 1000 pixels"),
            Self::Mixup { alpha } => (alpha > 0.0 && within(alpha, 0.0, 10.0), "an alpha above 0, up to 10"),
        };
        (!fits).then(|| format!("{} needs {range}", self.name()))
    }
}
