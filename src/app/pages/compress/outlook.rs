//! Recipes in a learner's words: what a step is called, what it does, and what to expect of a whole chain.

use std::fmt::Write as _;

use crate::spec::{KnobKind, Recipe, RecipeStep};

/// A step's name on its chip: its word, and what stands at its places.
pub fn chip(step: &RecipeStep) -> String {
    let (word, values) = (step.word(), step.values());
    let mut text = word.word.replace('-', " ");
    for knob in word.places {
        text.push(' ');
        match (knob.kind, values.number(knob.name)) {
            (KnobKind::Fraction, Some(fraction)) => text.push_str(&share(fraction)),
            _ => text.push_str(values.text(knob.name).unwrap_or_default()),
        }
    }
    // What stands in for a place is said by its name.
    for knob in word.options.iter().filter(|knob| knob.kind == KnobKind::Fraction) {
        if let Some(fraction) = values.number(knob.name) {
            let _ = write!(text, " {} {}", knob.name, share(fraction));
        }
    }
    text.trim_end().to_owned()
}

/// The chip of a step's fine-tuning, where it has one.
pub fn finetune_chip(step: &RecipeStep) -> Option<String> {
    match epochs_after(step) {
        0 => None,
        1 => Some("fine-tune 1 epoch".to_owned()),
        epochs => Some(format!("fine-tune {epochs} epochs")),
    }
}

/// Epochs that follow the step itself.
fn epochs_after(step: &RecipeStep) -> usize {
    match step {
        RecipeStep::Finetune { .. } => 0,
        step => step.finetune_epochs(),
    }
}

/// A recipe in one line, shorter than its chips.
pub fn in_words(recipe: &Recipe) -> String {
    let words = recipe.steps.iter().map(|step| match epochs_after(step) {
        0 => chip(step),
        epochs => format!("{} · fine-tune {epochs}", chip(step)),
    });
    words.collect::<Vec<_>>().join(" · ")
}

/// A fraction in percent, without decimals where there are none.
fn share(fraction: f64) -> String {
    let percent = fraction * 100.0;
    let decimals = usize::from((percent - percent.round()).abs() > 0.05);
    format!("{percent:.decimals$} %")
}

/// What to expect of the recipe beyond its arithmetic.
pub fn remarks(recipe: &Recipe) -> String {
    let has = |kind: fn(&RecipeStep) -> bool| recipe.steps.iter().any(kind);
    let cuts = |step: &RecipeStep| {
        matches!(
            step,
            RecipeStep::Units(_) | RecipeStep::Blocks(_) | RecipeStep::LowRank(_)
        )
    };
    let zeroes = |step: &RecipeStep| matches!(step, RecipeStep::Weights(_));
    let mut remarks = Vec::new();
    if has(cuts) {
        remarks.push("Less arithmetic takes less time, though seldom in proportion.");
    }
    if has(zeroes) {
        remarks.push("Zeroed weights pack smaller, but dense kernels multiply zeros too: no time is gained by them.");
    }
    if recipe.steps.iter().any(|step| cuts(step) || zeroes(step)) && recipe.finetune_epochs() == 0 {
        remarks.push("Without fine-tuning, expect to lose accuracy.");
    }
    match recipe.steps.last() {
        Some(RecipeStep::Fp16) => remarks.push("Half precision hardly changes answers or time."),
        Some(RecipeStep::Int8Static(_) | RecipeStep::Int8Qat { .. } | RecipeStep::Int8Dynamic { .. }) => {
            remarks.push("Integer kernels may be faster; a small network gains little.");
        }
        Some(RecipeStep::Int4 { .. }) => {
            remarks.push("Four bits make the smallest file; dense layers compute in floating point all the same.");
        }
        _ => {}
    }
    remarks.push("Accuracy and time are not guessed: they are measured on the exported file.");
    remarks.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_reads_as_its_chips() {
        let recipe: Recipe = "units:0.5:finetune=3+weights:0.333+int8-static".parse().unwrap();
        assert_eq!(
            in_words(&recipe),
            "units 50 % · fine-tune 3 · weights 33.3 % · int8 static"
        );
    }

    #[test]
    fn zeroed_weights_are_never_promised_to_be_faster() {
        let remarks_on = |recipe: &str| remarks(&recipe.parse().unwrap());
        assert!(remarks_on("weights:0.8").contains("no time is gained"));
        assert!(remarks_on("weights:0.8").contains("Without fine-tuning"));
        assert!(!remarks_on("weights:0.8:finetune=1").contains("Without fine-tuning"));
        assert!(!remarks_on("weights:0.8").contains("takes less time"));
    }
}
