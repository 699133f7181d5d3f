//! The word that writes a layer as a product of two thinner ones.

use super::RecipeStep;
use super::knob::Values;
use super::prune_words::{PROTECT, share};
use super::words::{FINETUNE, StepWord};

/// Layers as products of two.
#[derive(Debug, Clone, PartialEq)]
pub struct LowRank {
    pub keep: RankTarget,
    /// Layers that stay as they are.
    pub protect: Vec<usize>,
    pub finetune: usize,
}

/// How much of a layer's weights its two factors carry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RankTarget {
    /// This share of the sum of squares.
    Energy(f64),
    /// This share of the full rank.
    Rank(f64),
}

pub const LOWRANK: StepWord = StepWord {
    word: "lowrank",
    title: "Factorise layers",
    about: "Writes a dense layer or convolution as two thinner ones by its singular values, where that is measured to be faster",
    example: "lowrank:energy=0.9:finetune=3",
    places: &[],
    options: &[
        share(
            "energy",
            "Energy kept",
            "Share of the sum of squares of a layer's weights that its two factors keep",
        ),
        share("rank", "Rank kept", "Share of the full rank, in place of an energy"),
        PROTECT,
        FINETUNE,
    ],
    stores: false,
    read: |values| {
        let keep = match (values.number("energy"), values.number("rank")) {
            (Some(energy), None) => RankTarget::Energy(energy),
            (None, Some(rank)) => RankTarget::Rank(rank),
            _ => return Err("lowrank needs one of energy and rank, as in lowrank:energy=0.9".to_owned()),
        };
        Ok(RecipeStep::LowRank(LowRank {
            keep,
            protect: values.layers("protect"),
            finetune: values.count("finetune").unwrap_or(0),
        }))
    },
    write: |step| match step {
        RecipeStep::LowRank(step) => {
            let (name, share) = match step.keep {
                RankTarget::Energy(share) => ("energy", share),
                RankTarget::Rank(share) => ("rank", share),
            };
            Some(
                Values::default()
                    .with(name, Some(share))
                    .with_layers("protect", &step.protect)
                    .with("finetune", Some(step.finetune)),
            )
        }
        _ => None,
    },
};
