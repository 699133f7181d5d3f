//! How ranges are chosen, and which layers are left out: the options of the quantizing steps of a recipe.

use crate::spec::DEFAULT_CALIBRATION;

/// Share of the values, in percent, that the percentile method keeps at each end when a recipe does not say.
pub const DEFAULT_PERCENTILE: f64 = 99.99;

/// How the range of an activation is chosen from the values that calibration saw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RangeMethod {
    /// From the smallest to the largest value.
    MinMax,
    /// Cuts off at each end what lies beyond this percentile.
    Percentile(f64),
    /// The range with the least mean squared error between the values and their places on the grid.
    MeanSquaredError,
}

impl RangeMethod {
    /// The word of a recipe.
    pub fn name(self) -> &'static str {
        match self {
            Self::MinMax => "minmax",
            Self::Percentile(_) => "percentile",
            Self::MeanSquaredError => "mse",
        }
    }
}

/// Which layers stay in floating point.
#[derive(Debug, Clone, PartialEq)]
pub enum Protect {
    /// These, by their index in the network's layers.
    Layers(Vec<usize>),
    /// As few of the most sensitive as keep the drop of the validation score within so many points.
    Auto { points: f64 },
}

/// How a network is put on grids after training.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantization {
    /// Training samples that are looked at.
    pub samples: usize,
    pub method: RangeMethod,
    /// Moves each bias by the mean error that the rounding of the weights leaves (Nagel et al. 2019).
    pub bias_correction: bool,
    /// Evens out the channels of neighbouring layers first (Nagel et al. 2019).
    pub equalize: bool,
    pub protect: Protect,
}

impl Default for Quantization {
    fn default() -> Self {
        Self {
            samples: DEFAULT_CALIBRATION,
            method: RangeMethod::MinMax,
            bias_correction: false,
            equalize: false,
            protect: Protect::Layers(Vec::new()),
        }
    }
}

impl Default for Protect {
    fn default() -> Self {
        Self::Layers(Vec::new())
    }
}
