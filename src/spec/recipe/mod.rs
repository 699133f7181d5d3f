//! A compression recipe: steps in words, `units:0.5:finetune=3+int8-static`. What words there are stands in `words`.

mod distil;
mod knob;
mod lowrank;
mod prune;
mod prune_words;
mod quantize;
mod words;

use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Protect, Quantization};

pub use distil::Lesson;
pub use knob::{Choice, FLAG, Knob, KnobKind, Values};
pub use lowrank::{LowRank, RankTarget};
pub use prune::{
    PruneBlocks, PruneUnits, PruneWeights, Pruning, UnitCriterion, UnitTarget, WeightCriterion, WeightPattern, When,
};
pub use words::{StepWord, WORDS};

/// Steps applied in order to a finished run's network.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    pub steps: Vec<RecipeStep>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum RecipeStep {
    /// Zeroes single weights, and holds the zeros from then on.
    Weights(PruneWeights),
    /// Removes whole units.
    Units(PruneUnits),
    /// Removes whole residual blocks.
    Blocks(PruneBlocks),
    /// Trains on for `epochs` epochs.
    Finetune { epochs: usize },
    /// Stores weights in half precision.
    Fp16,
    /// Stores weights in 8 bits; dense layers quantize their inputs as they come. `protect` are layers that stay as they are.
    Int8Dynamic { protect: Vec<usize> },
    /// Quantizes weights and activations to 8 bits with ranges seen on training samples.
    Int8Static(Quantization),
    /// As [`Int8Static`](Self::Int8Static), then trains on for `epochs` epochs as if on the grids, which follow the activations.
    Int8Qat {
        epochs: usize,
        /// From fresh weights of the run's seed, and not from the trained ones.
        from_scratch: bool,
        options: Quantization,
    },
    /// Stores the weights of dense layers in 4 bits and the convolutions as [`Int8Static`](Self::Int8Static), after `epochs` epochs
    /// of training as if on the grids.
    Int4 { epochs: usize, options: Quantization },
    /// Writes layers as products of two thinner ones.
    LowRank(LowRank),
    /// Trains a smaller network that learns from this one, in its place.
    Distil(Lesson),
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
            RecipeStep::Units(PruneUnits::of(0.5, 3)),
            RecipeStep::Int8Static(Quantization::default()),
            RecipeStep::Fp16,
            RecipeStep::Weights(PruneWeights::of(0.8, 3)),
        ]
        .map(|step| Self { steps: vec![step] })
    }

    /// Epochs of fine-tuning over all steps.
    pub fn finetune_epochs(&self) -> usize {
        self.steps.iter().map(RecipeStep::finetune_epochs).sum()
    }

    /// All words with their values, a paragraph each.
    pub fn help() -> String {
        let mut text = "Recipes are steps with + between, such as units:0.5:finetune=3+int8-static.\n".to_owned();
        for word in &WORDS {
            let places = word.places.iter().map(|knob| format!(":{}", knob.name.to_uppercase()));
            let _ = write!(
                text,
                "\n  {}{}\n      {}\n",
                word.word,
                places.collect::<String>(),
                word.about
            );
            for knob in word.knobs() {
                let default = knob.default.map_or_else(String::new, |default| format!(" [{default}]"));
                let choice = match knob.kind {
                    KnobKind::Choice(names) => format!(" ({})", names.join(", ")),
                    _ => String::new(),
                };
                let _ = writeln!(text, "      {:<12} {}{choice}{default}", knob.name, knob.doc);
            }
        }
        text
    }
}

impl RecipeStep {
    /// Every step as a menu offers it, in the menu's order.
    pub fn offered() -> Vec<Self> {
        WORDS.iter().filter_map(|word| parse_step(word.example).ok()).collect()
    }

    pub fn finetune_epochs(&self) -> usize {
        match self {
            Self::Weights(weights) => weights.finetune * weights.when.rounds(),
            Self::Units(units) => units.finetune * units.when.rounds(),
            Self::Blocks(blocks) => blocks.finetune,
            Self::LowRank(step) => step.finetune,
            Self::Finetune { epochs } | Self::Int8Qat { epochs, .. } | Self::Int4 { epochs, .. } => *epochs,
            Self::Distil(lesson) => lesson.epochs,
            Self::Fp16 | Self::Int8Static(_) | Self::Int8Dynamic { .. } => 0,
        }
    }

    /// The layers that it is told to leave as they are.
    pub fn protected(&self) -> &[usize] {
        match self {
            Self::Weights(weights) => &weights.protect,
            Self::Units(units) => &units.protect,
            Self::Blocks(blocks) => &blocks.protect,
            Self::LowRank(step) => &step.protect,
            Self::Int8Dynamic { protect } => protect,
            Self::Int8Static(options) | Self::Int8Qat { options, .. } | Self::Int4 { options, .. } => {
                match &options.protect {
                    Protect::Layers(layers) => layers,
                    Protect::Auto { .. } => &[],
                }
            }
            Self::Fp16 | Self::Finetune { .. } | Self::Distil(_) => &[],
        }
    }

    /// Whether the step changes only how numbers are stored, so that nothing may follow it.
    pub fn is_storage(&self) -> bool {
        self.word().stores
    }

    /// Whether it is done along a training that it does not have.
    fn waits_for_training(&self) -> bool {
        let when = match self {
            Self::Weights(weights) => weights.when,
            Self::Units(units) => units.when,
            _ => return false,
        };
        when != When::Once && self.finetune_epochs() == 0
    }

    /// Its row in the table of words.
    pub fn word(&self) -> &'static StepWord {
        let row = WORDS.iter().find(|word| (word.write)(self).is_some());
        row.unwrap_or(&WORDS[0])
    }

    /// Its values as text, defaults included.
    pub fn values(&self) -> Values {
        (self.word().write)(self).unwrap_or_default()
    }

    /// The step with another value of the knob `name`; none where the text is no value of it.
    #[must_use]
    pub fn with(&self, name: &'static str, text: String) -> Option<Self> {
        let word = self.word();
        let knob = word.knobs().find(|knob| knob.name == name)?;
        if knob.kind.problem(name, &text).is_some() {
            return None;
        }
        let mut values = self.values();
        values.set(name, text);
        word.step(values).ok()
    }

    /// The step without a value of the knob `name`, or with its default.
    #[must_use]
    pub fn without(&self, name: &'static str) -> Option<Self> {
        let mut values = self.values();
        values.remove(name);
        self.word().step(values).ok()
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
        if let Some(idle) = steps.iter().find(|step| step.waits_for_training()) {
            return Err(wrong(format!(
                "`{idle}` prunes between or during epochs of fine-tuning; add finetune=3"
            )));
        }
        Ok(Self { steps })
    }
}

impl FromStr for RecipeStep {
    type Err = RecipeError;

    fn from_str(text: &str) -> Result<Self, RecipeError> {
        parse_step(text.trim()).map_err(|problem| RecipeError {
            recipe: text.to_owned(),
            problem,
        })
    }
}

fn parse_step(text: &str) -> Result<RecipeStep, String> {
    // The short form of a word of its own: an option has no room for a second colon.
    let text = text.replace(":protect=auto:", ":tolerate=");
    let mut parts = text.split(':');
    let name = parts.next().unwrap_or_default();
    let Some(word) = WORDS.iter().find(|word| word.word == name) else {
        return Err(format!("`{name}` is not a step; the steps are {}", all_words()));
    };
    let mut values = Values::default();
    let mut places = word.places.iter();
    for part in parts {
        let option = |name: &str| word.options.iter().find(|knob| knob.name == name);
        let (knob, value) = match part.split_once('=') {
            Some((name, value)) => match option(name) {
                Some(knob) => (knob, value),
                None => return Err(unknown(word, name)),
            },
            None => match option(part).filter(|knob| knob.kind == KnobKind::Flag) {
                Some(knob) => (knob, FLAG),
                None => match places.next() {
                    Some(knob) => (knob, part),
                    None => return Err(format!("`{part}` is not expected after {name}")),
                },
            },
        };
        if let Some(problem) = knob.kind.problem(knob.name, value) {
            return Err(problem);
        }
        if values.is_set(knob.name) {
            return Err(format!("{} stands there twice", knob.name));
        }
        values.set(knob.name, value.to_owned());
    }
    word.step(values)
}

/// Every word as it is written with its places filled.
fn all_words() -> String {
    let words: Vec<String> = WORDS
        .iter()
        .map(|word| {
            let parts = word.example.split(':').take(1 + word.places.len());
            parts.collect::<Vec<_>>().join(":")
        })
        .collect();
    match words.split_last() {
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

fn unknown(word: &StepWord, option: &str) -> String {
    let known: Vec<&str> = word.options.iter().map(|knob| knob.name).collect();
    let known = if known.is_empty() {
        "it has none".to_owned()
    } else {
        format!("it knows {}", known.join(", "))
    };
    format!("`{option}` is not an option of {}; {known}", word.word)
}

impl fmt::Display for RecipeStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, values) = (self.word(), self.values());
        f.write_str(word.word)?;
        for knob in word.places {
            if let Some(text) = values.text(knob.name) {
                write!(f, ":{text}")?;
            }
        }
        for knob in word.options {
            match values.text(knob.name).filter(|text| Some(*text) != knob.default) {
                Some(_) if knob.kind == KnobKind::Flag => write!(f, ":{}", knob.name)?,
                Some(text) => write!(f, ":{}={text}", knob.name)?,
                None => {}
            }
        }
        Ok(())
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
            "finetune:5",
            "finetune:2+int8-static",
            "int8-static",
            "int8-static:calibration=64",
            "weights:0.8",
            "units:0.5:finetune=3",
            "units:0.5:finetune=3+int8-static",
            "units:0.25+weights:0.5:finetune=1+fp16",
            "units:macs=0.5:criterion=taylor:multiple=8:protect=0,3:finetune=2",
            "units:latency=0.6:finetune=2",
            "units:size=0.5:schedule=iterative:steps=2:finetune=1",
            "weights:0.9:criterion=movement:scope=layer:schedule=cubic:begin=0.2:end=0.8:finetune=4",
            "weights:0.9:rewind=1:finetune=3",
            "nm:2:4:criterion=taylor:finetune=1",
            "blocks:0.5:protect=1:finetune=2",
            "lowrank:energy=0.9",
            "lowrank:rank=0.25:protect=0,4:finetune=2+int8-static",
            "int8-static:method=percentile:percentile=99.9:bias-correction:equalize",
            "int8-static:calibration=64:method=mse:protect=0,4",
            "int8-static:method=percentile:tolerate=0.5",
            "int8-dynamic:protect=2",
            "int8-qat",
            "int8-qat:epochs=5:equalize",
            "int8-qat:epochs=30:from-scratch",
            "int4",
            "int4:epochs=3:tolerate=1",
            "distil:preset=tiny+int8-qat",
            "distil:preset=small:epochs=3:temperature=2:weight=0.5",
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
    fn protecting_by_itself_has_a_short_form() {
        let short: Recipe = "int8-static:protect=auto:0.5".parse().unwrap();
        assert_eq!(short.to_string(), "int8-static:tolerate=0.5");
    }

    #[test]
    fn wrong_recipes_say_what_is_wrong() {
        for (text, word) in [
            ("", "not a step"),
            ("int3", "not a step"),
            ("units", "needs a fraction"),
            ("units:0.5:macs=0.5", "one of"),
            ("units:0.5:criterion=l3", "one of l1, l2, bn"),
            ("units:0.5:protect=a", "numbers of layers"),
            ("units:0.5:steps=3", "belongs to schedule"),
            ("units:0.5:begin=0.8:end=0.2", "not before"),
            ("units:0.5:schedule=iterative", "finetune"),
            ("weights:0.5:schedule=cubic:rewind=1:finetune=1", "rewind belongs"),
            ("lowrank", "one of energy and rank"),
            ("lowrank:energy=0.9:rank=0.5", "one of energy and rank"),
            ("nm:4:2", "smaller"),
            ("nm:2", "two numbers"),
            ("units:1.5", "between 0 and 1"),
            ("units:nan", "between 0 and 1"),
            ("units:x", "not a fraction"),
            ("units:0.5:finetune=x", "whole number"),
            ("units:0.5:calibration=3", "not an option"),
            ("units:0.5:finetune=1:finetune=2", "twice"),
            ("units:0.5:0.5", "not expected"),
            ("fp16:0.5", "not expected"),
            ("fp16+units:0.5", "must be the last"),
            ("int8-static:calibration=0", "at least one"),
            ("int8-static:method=best", "minmax, percentile, mse"),
            ("int8-static:percentile=99", "belongs to method=percentile"),
            ("int8-static:protect=1:tolerate=1", "not both"),
            ("int8-static:protect=x", "numbers of layers"),
            ("int4:epochs=x", "whole number"),
            ("int8-dynamic:calibration=3", "not an option"),
            ("distil", "preset=tiny"),
            ("distil:preset=huge", "tiny, small, medium"),
            ("int8-qat+fp16", "must be the last"),
        ] {
            let message = text.parse::<Recipe>().unwrap_err().to_string();
            assert!(message.contains(word), "{text}: {message}");
        }
    }

    #[test]
    fn every_word_is_whole() {
        let offered = RecipeStep::offered();
        assert_eq!(offered.len(), WORDS.len());
        for (step, word) in offered.iter().zip(&WORDS) {
            assert_eq!(step.to_string(), word.example);
            assert_eq!(step.word().word, word.word);
            let knobs = word.knobs();
            let mut names: Vec<&str> = word.knobs().map(|knob| knob.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), word.places.len() + word.options.len(), "{}", word.word);
            for knob in knobs {
                let fits = knob
                    .default
                    .is_none_or(|text| knob.kind.problem(knob.name, text).is_none());
                assert!(fits, "{}: {}", word.word, knob.name);
                assert!(Recipe::help().contains(knob.doc));
            }
        }
    }

    #[test]
    fn one_value_can_be_changed() {
        let step: RecipeStep = "units:0.5:finetune=3".parse().unwrap();
        assert_eq!(
            step.with("finetune", "5".to_owned()).unwrap().to_string(),
            "units:0.5:finetune=5"
        );
        assert_eq!(step.with("finetune", "x".to_owned()), None);
        assert_eq!(step.with("calibration", "5".to_owned()), None);
        assert_eq!(step.without("finetune").unwrap().to_string(), "units:0.5");
        assert_eq!(step.without("fraction"), None);
    }
}
