//! A compression recipe: steps in words, `units:0.5:finetune=3+int8-static`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Steps applied in order to a finished run's network.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    pub steps: Vec<RecipeStep>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RecipeStep {
    /// Zeroes this fraction of all dense and convolution weights, the smallest in magnitude first, then trains on for
    /// `finetune` epochs with the zeros held.
    Weights { fraction: f64, finetune: usize },
    /// Removes this fraction of the neurons and filters of every hidden layer, the smallest in L1 norm first.
    Units { fraction: f64, finetune: usize },
    /// Stores weights in half precision.
    Fp16,
    /// Quantizes weights and activations to 8 bits with ranges seen on `calibration` training samples.
    Int8Static { calibration: usize },
}

/// Calibration samples when a recipe does not say.
pub const DEFAULT_CALIBRATION: usize = 512;

/// A recipe that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("recipe `{recipe}`: {problem}")]
pub struct RecipeError {
    pub recipe: String,
    pub problem: String,
}

impl Recipe {
    /// The four of `trimtab demo`.
    pub fn demo() -> [Self; 4] {
        [
            RecipeStep::Units {
                fraction: 0.5,
                finetune: 3,
            },
            RecipeStep::Int8Static {
                calibration: DEFAULT_CALIBRATION,
            },
            RecipeStep::Fp16,
            RecipeStep::Weights {
                fraction: 0.8,
                finetune: 3,
            },
        ]
        .map(|step| Self { steps: vec![step] })
    }
}

impl Recipe {
    /// Epochs of fine-tuning over all steps.
    pub fn finetune_epochs(&self) -> usize {
        self.steps.iter().map(RecipeStep::finetune_epochs).sum()
    }
}

impl RecipeStep {
    pub fn finetune_epochs(&self) -> usize {
        match *self {
            Self::Weights { finetune, .. } | Self::Units { finetune, .. } => finetune,
            Self::Fp16 | Self::Int8Static { .. } => 0,
        }
    }

    /// Whether the step changes only how numbers are stored, so that nothing may follow it.
    pub fn is_storage(&self) -> bool {
        matches!(self, Self::Fp16 | Self::Int8Static { .. })
    }
}

impl FromStr for Recipe {
    type Err = RecipeError;

    fn from_str(text: &str) -> Result<Self, RecipeError> {
        let wrong = |problem: String| RecipeError {
            recipe: text.to_owned(),
            problem,
        };
        let steps = text
            .split('+')
            .map(|step| parse_step(step.trim()).map_err(wrong))
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(early) = steps[..steps.len() - 1].iter().find(|step| step.is_storage()) {
            return Err(wrong(format!(
                "`{early}` must be the last step, since it fixes how the weights are stored"
            )));
        }
        Ok(Self { steps })
    }
}

fn parse_step(text: &str) -> Result<RecipeStep, String> {
    const WORDS: [&str; 4] = ["weights", "units", "fp16", "int8-static"];
    let mut parts = text.split(':');
    let word = parts.next().unwrap_or_default();
    if !WORDS.contains(&word) {
        return Err(format!(
            "`{word}` is not a step; the steps are weights:0.8, units:0.5, fp16 and int8-static"
        ));
    }
    let mut fraction = None;
    let mut finetune = 0;
    let mut calibration = DEFAULT_CALIBRATION;
    for part in parts {
        let whole = |value: &str| {
            value
                .parse::<usize>()
                .map_err(|_| format!("`{part}` needs a whole number"))
        };
        match part.split_once('=') {
            Some(("finetune", value)) if word == "weights" || word == "units" => finetune = whole(value)?,
            Some(("calibration", value)) if word == "int8-static" => {
                calibration = whole(value)?;
                if calibration == 0 {
                    return Err("calibration needs at least one sample".to_owned());
                }
            }
            Some((option, _)) => {
                return Err(format!(
                    "`{option}` is not an option of {word}; weights and units know finetune, int8-static knows calibration"
                ));
            }
            None if fraction.is_none() && (word == "weights" || word == "units") => {
                let value: f64 = part
                    .parse()
                    .map_err(|_| format!("`{part}` is not a fraction such as 0.5"))?;
                if !(value > 0.0 && value < 1.0) {
                    return Err(format!("fraction {part} is not between 0 and 1"));
                }
                fraction = Some(value);
            }
            None => return Err(format!("`{part}` is not expected after {word}")),
        }
    }
    let fraction = || fraction.ok_or_else(|| format!("{word} needs a fraction, as in {word}:0.5"));
    Ok(match word {
        "weights" => RecipeStep::Weights {
            fraction: fraction()?,
            finetune,
        },
        "units" => RecipeStep::Units {
            fraction: fraction()?,
            finetune,
        },
        "fp16" => RecipeStep::Fp16,
        _ => RecipeStep::Int8Static { calibration },
    })
}

impl fmt::Display for RecipeStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let finetuned = |f: &mut fmt::Formatter<'_>, word, fraction, finetune| {
            write!(f, "{word}:{fraction}")?;
            if finetune > 0 {
                write!(f, ":finetune={finetune}")
            } else {
                Ok(())
            }
        };
        match *self {
            Self::Weights { fraction, finetune } => finetuned(f, "weights", fraction, finetune),
            Self::Units { fraction, finetune } => finetuned(f, "units", fraction, finetune),
            Self::Fp16 => f.write_str("fp16"),
            Self::Int8Static {
                calibration: DEFAULT_CALIBRATION,
            } => f.write_str("int8-static"),
            Self::Int8Static { calibration } => write!(f, "int8-static:calibration={calibration}"),
        }
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps.iter().enumerate() {
            if index > 0 {
                f.write_str("+")?;
            }
            write!(f, "{step}")?;
        }
        Ok(())
    }
}

impl Serialize for Recipe {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Recipe {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_read_back_as_written() {
        for text in [
            "fp16",
            "int8-static",
            "int8-static:calibration=64",
            "weights:0.8",
            "units:0.5:finetune=3",
            "units:0.5:finetune=3+int8-static",
            "units:0.25+weights:0.5:finetune=1+fp16",
        ] {
            assert_eq!(text.parse::<Recipe>().unwrap().to_string(), text);
        }
        let demo = Recipe::demo().map(|recipe| recipe.to_string());
        assert_eq!(
            demo,
            ["units:0.5:finetune=3", "int8-static", "fp16", "weights:0.8:finetune=3"]
        );
    }

    #[test]
    fn wrong_recipes_say_what_is_wrong() {
        for (text, word) in [
            ("", "not a step"),
            ("int4", "not a step"),
            ("units", "needs a fraction"),
            ("units:1.5", "between 0 and 1"),
            ("units:nan", "between 0 and 1"),
            ("units:x", "not a fraction"),
            ("units:0.5:finetune=x", "whole number"),
            ("units:0.5:calibration=3", "not an option"),
            ("fp16:0.5", "not expected"),
            ("fp16+units:0.5", "must be the last"),
            ("int8-static:calibration=0", "at least one"),
        ] {
            let message = text.parse::<Recipe>().unwrap_err().to_string();
            assert!(message.contains(word), "{text}: {message}");
        }
    }
}
