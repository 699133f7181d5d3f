//! What one layer's compression costs the whole network.

use serde::{Deserialize, Serialize};

use super::Range;

/// What is done to one layer at a time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerChange {
    /// Weights and inputs in 8 bits.
    Int8,
    /// Weights in 4 bits, of convolutions in 8.
    Int4,
    /// This share of its weights zeroed, the smallest first.
    Weights(f64),
}

/// One layer changed, all others as they were trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerSensitivity {
    /// Index into the layers of the run's network.
    pub layer: usize,
    pub name: String,
    pub parameters: u64,
    /// Accuracy, or R² of a regression, on the validation split.
    pub score: f64,
    /// What it lost, in points; below zero where it gained.
    pub points_lost: f64,
    /// What enters the layer, and the ranges that calibration would choose for it.
    pub inputs: Option<Activations>,
    /// Of the network's outputs, `10 log10(sum y^2 / sum (y - y')^2)` in decibels; none where nothing changed.
    pub signal_to_noise_db: Option<f64>,
}

/// How large the values at one place of a network become on training samples, and the ranges that the methods of calibration choose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Activations {
    /// Samples that were looked at.
    pub samples: usize,
    /// Smallest and largest value: the range of `minmax`.
    pub seen: Range,
    /// How many values lie in each of equal parts of `seen`.
    pub counts: Vec<u64>,
    /// The range of `percentile`, without the hundredth of a percent at each end.
    pub percentile: Range,
    /// The range of `mse`, with the least mean squared error of the values on its grid.
    pub least_error: Range,
}

/// All layers in turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sensitivity {
    pub change: LayerChange,
    /// Score of the network as trained.
    pub baseline: f64,
    /// Score with all layers changed.
    pub all: f64,
    /// In the order of the network.
    pub layers: Vec<LayerSensitivity>,
    /// Which layers to leave out, where that was asked.
    pub mix: Option<Mix>,
}

/// The fewest layers, taken from the most sensitive on, without which the change of all others costs no more than is tolerated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mix {
    /// Points of the score that may be lost.
    pub tolerated: f64,
    /// Indices into the layers of the run's network, in order.
    pub protect: Vec<usize>,
    /// Score with all other layers changed.
    pub score: f64,
}

impl Sensitivity {
    /// Whether the mix leaves every layer as it was trained: then it is no recipe.
    pub fn changes_none(&self, mix: &Mix) -> bool {
        !self.layers.is_empty() && mix.protect.len() == self.layers.len()
    }

    /// The layers, the most sensitive first: by the score, then by the noise.
    pub fn ranked(&self) -> Vec<&LayerSensitivity> {
        let signal = |row: &LayerSensitivity| row.signal_to_noise_db.unwrap_or(f64::INFINITY);
        let mut rows: Vec<&LayerSensitivity> = self.layers.iter().collect();
        rows.sort_by(|a, b| a.score.total_cmp(&b.score).then(signal(a).total_cmp(&signal(b))));
        rows
    }
}

impl std::str::FromStr for LayerChange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "int8" => Ok(Self::Int8),
            None if text == "int4" => Ok(Self::Int4),
            Some(("weights", fraction)) => match fraction.parse::<f64>() {
                Ok(fraction) if fraction > 0.0 && fraction < 1.0 => Ok(Self::Weights(fraction)),
                _ => Err(format!("`{fraction}` is not a fraction between 0 and 1")),
            },
            _ => Err(format!("`{text}` is no change; use int8, int4 or weights:0.8")),
        }
    }
}

impl std::fmt::Display for LayerChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int8 => f.write_str("int8"),
            Self::Int4 => f.write_str("int4"),
            Self::Weights(fraction) => write!(f, "weights:{fraction}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_read_back() {
        for text in ["int8", "int4", "weights:0.8"] {
            assert_eq!(text.parse::<LayerChange>().unwrap().to_string(), text);
        }
        for text in ["int2", "weights", "weights:2", "int8:1", ""] {
            assert!(text.parse::<LayerChange>().is_err(), "{text}");
        }
    }
}
