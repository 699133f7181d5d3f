//! Steps that prune: what is removed or zeroed, by what it is judged, and when.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::knob::Choice;
use super::{RecipeError, RecipeStep};

/// Prunings along a curve, and where it ends, unless said.
pub const CUBIC_STEPS: usize = 16;
pub const CUBIC_END: f64 = 0.75;

/// Whole units are removed.
#[derive(Debug, Clone, PartialEq)]
pub struct PruneUnits {
    pub target: UnitTarget,
    pub criterion: UnitCriterion,
    /// Widths that remain are brought to a multiple of this.
    pub multiple: usize,
    /// Layers whose units stay.
    pub protect: Vec<usize>,
    pub when: When,
    pub finetune: usize,
}

/// How far units are removed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum UnitTarget {
    /// This share of the units of every group is removed.
    Fraction(f64),
    /// This share of the multiply-adds is left.
    MultiplyAdds(f64),
    /// This share of the bytes in 32 bits is left.
    Size(f64),
    /// This share of the time for a large batch is left, by measurement of the network in 32 bits.
    Latency(f64),
}

/// By what a unit is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitCriterion {
    /// Sum of the absolute weights that make it (Li et al. 2017), times the scale of a batch norm behind it.
    L1,
    /// The same with the root of the sum of squares.
    L2,
    /// The scale of the batch norm behind it (Liu et al. 2017); L1 where there is none.
    BatchNorm,
    /// What the loss would change by without it, to first order, squared (Molchanov et al. 2019).
    Taylor,
    /// Mean of its absolute value behind the activation.
    Activation,
}

/// Single weights are zeroed.
#[derive(Debug, Clone, PartialEq)]
pub struct PruneWeights {
    pub pattern: WeightPattern,
    pub criterion: WeightCriterion,
    /// Layers whose weights stay.
    pub protect: Vec<usize>,
    pub when: When,
    /// Epochs of the parent's training to whose weights what is left returns.
    pub rewind: Option<usize>,
    pub finetune: usize,
}

/// Which weights are zeroed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WeightPattern {
    /// This share of all weights.
    Global(f64),
    /// This share of the weights of every tensor.
    Layer(f64),
    /// All but `keep` of every `of` weights that stand side by side along a row (Mishra et al. 2021).
    Groups { keep: usize, of: usize },
}

/// By what a weight is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightCriterion {
    /// Its absolute value (Han et al. 2015).
    Magnitude,
    /// Gradient times weight, squared (Molchanov et al. 2019).
    Taylor,
    /// How far training has moved it away from zero since it began: `w^2 - w0^2`. For small steps of gradient descent that is
    /// twice the sum of minus rate times gradient times weight, by which Sanh et al. (2020) judge.
    Movement,
}

/// When it is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum When {
    /// At once, then fine-tuning.
    Once,
    /// In so many parts, with fine-tuning after each.
    Iterative { steps: usize },
    /// While training goes on, from `begin` to `end` of it, in `steps` parts: `s (1 - (1 - t)^3)` at the share `t` between the
    /// two (Zhu and Gupta 2017).
    Cubic { begin: f64, end: f64, steps: usize },
}

/// Residual blocks are removed whole.
#[derive(Debug, Clone, PartialEq)]
pub struct PruneBlocks {
    pub fraction: f64,
    /// Layers whose blocks stay.
    pub protect: Vec<usize>,
    pub finetune: usize,
}

/// What can be pruned in training, as it stands in a configuration: a step in words.
#[derive(Debug, Clone, PartialEq)]
pub enum Pruning {
    Units(PruneUnits),
    Weights(PruneWeights),
}

impl Pruning {
    pub fn when(&self) -> When {
        match self {
            Self::Units(units) => units.when,
            Self::Weights(weights) => weights.when,
        }
    }

    /// The same along the cubic curve, where it does not say when.
    #[must_use]
    pub fn curved(&self) -> Self {
        let mut pruning = self.clone();
        let (Self::Units(PruneUnits { when, .. }) | Self::Weights(PruneWeights { when, .. })) = &mut pruning;
        if *when == When::Once {
            *when = When::Cubic {
                begin: 0.0,
                end: CUBIC_END,
                steps: CUBIC_STEPS,
            };
        }
        pruning
    }

    /// What has no meaning while a network is trained from the beginning.
    pub fn problem(&self) -> Option<&'static str> {
        let (finetune, rewind) = match self {
            Self::Units(units) => (units.finetune, None),
            Self::Weights(weights) => (weights.finetune, weights.rewind),
        };
        if finetune > 0 || rewind.is_some() {
            return Some("there is nothing to fine-tune or to rewind to while a network is trained");
        }
        if let Self::Units(PruneUnits {
            target: UnitTarget::Latency(_),
            ..
        }) = self
        {
            return Some("a time can be measured of a finished run only; use macs");
        }
        matches!(self.when(), When::Iterative { .. }).then_some("parts with fine-tuning between are for a finished run")
    }
}

impl FromStr for Pruning {
    type Err = RecipeError;

    fn from_str(text: &str) -> Result<Self, RecipeError> {
        match text.parse()? {
            RecipeStep::Units(units) => Ok(Self::Units(units)),
            RecipeStep::Weights(weights) => Ok(Self::Weights(weights)),
            _ => Err(RecipeError {
                recipe: text.to_owned(),
                problem: "units, weights and nm can be pruned in training".to_owned(),
            }),
        }
    }
}

impl fmt::Display for Pruning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.clone() {
            Self::Units(units) => RecipeStep::Units(units).fmt(f),
            Self::Weights(weights) => RecipeStep::Weights(weights).fmt(f),
        }
    }
}

impl Serialize for Pruning {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pruning {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl PruneUnits {
    /// This share of every layer at once, by the L1 norm.
    pub fn of(fraction: f64, finetune: usize) -> Self {
        Self {
            target: UnitTarget::Fraction(fraction),
            criterion: UnitCriterion::L1,
            multiple: 1,
            protect: Vec::new(),
            when: When::Once,
            finetune,
        }
    }

    /// The way to the target as far as `reached`, from 0 to 1.
    #[must_use]
    pub fn at(&self, reached: f64) -> Self {
        let left = |share: f64| 1.0 - (1.0 - share) * reached;
        Self {
            target: match self.target {
                UnitTarget::Fraction(fraction) => UnitTarget::Fraction(fraction * reached),
                UnitTarget::MultiplyAdds(share) => UnitTarget::MultiplyAdds(left(share)),
                UnitTarget::Size(share) => UnitTarget::Size(left(share)),
                UnitTarget::Latency(share) => UnitTarget::Latency(left(share)),
            },
            ..self.clone()
        }
    }
}

impl PruneWeights {
    /// This share of all weights at once, the smallest first.
    pub fn of(fraction: f64, finetune: usize) -> Self {
        Self {
            pattern: WeightPattern::Global(fraction),
            criterion: WeightCriterion::Magnitude,
            protect: Vec::new(),
            when: When::Once,
            rewind: None,
            finetune,
        }
    }

    /// The way to the target as far as `reached`, from 0 to 1; groups are whole from the beginning.
    #[must_use]
    pub fn at(&self, reached: f64) -> Self {
        Self {
            pattern: match self.pattern {
                WeightPattern::Global(fraction) => WeightPattern::Global(fraction * reached),
                WeightPattern::Layer(fraction) => WeightPattern::Layer(fraction * reached),
                groups @ WeightPattern::Groups { .. } => groups,
            },
            ..self.clone()
        }
    }
}

impl UnitTarget {
    pub fn share(self) -> f64 {
        match self {
            Self::Fraction(share) | Self::MultiplyAdds(share) | Self::Size(share) | Self::Latency(share) => share,
        }
    }
}

impl WeightPattern {
    /// The share of the weights that it zeroes.
    pub fn fraction(self) -> f64 {
        match self {
            Self::Global(fraction) | Self::Layer(fraction) => fraction,
            Self::Groups { keep, of } => 1.0 - keep as f64 / of as f64,
        }
    }
}

impl UnitCriterion {
    /// Whether it looks at training samples.
    pub fn needs_samples(self) -> bool {
        matches!(self, Self::Taylor | Self::Activation)
    }
}

impl When {
    /// How many times `finetune` epochs follow.
    pub fn rounds(self) -> usize {
        match self {
            Self::Iterative { steps } => steps,
            Self::Once | Self::Cubic { .. } => 1,
        }
    }

    /// The share of the target that has been reached at the share `done` of the training.
    pub fn reached(self, done: f64) -> f64 {
        match self {
            Self::Once => 1.0,
            Self::Iterative { .. } => done,
            Self::Cubic { begin, end, .. } => {
                let t = ((done - begin) / (end - begin).max(f64::EPSILON)).clamp(0.0, 1.0);
                1.0 - (1.0 - t).powi(3)
            }
        }
    }
}

impl Choice for UnitCriterion {
    const ALL: &'static [Self] = &[Self::L1, Self::L2, Self::BatchNorm, Self::Taylor, Self::Activation];
    const NAMES: &'static [&'static str] = &["l1", "l2", "bn", "taylor", "activation"];
}

impl Choice for WeightCriterion {
    const ALL: &'static [Self] = &[Self::Magnitude, Self::Taylor, Self::Movement];
    const NAMES: &'static [&'static str] = &["magnitude", "taylor", "movement"];
}
