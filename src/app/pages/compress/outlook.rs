//! Recipes in a learner's words: what a step is called, what it does, and what to expect of a whole chain.

use crate::spec::{Recipe, RecipeStep};

/// A step's name on its chip.
pub fn chip(step: RecipeStep) -> String {
    match step {
        RecipeStep::Weights { fraction, .. } => format!("weights {}", share(fraction)),
        RecipeStep::Units { fraction, .. } => format!("units {}", share(fraction)),
        RecipeStep::Fp16 => "fp16".to_owned(),
        RecipeStep::Int8Static { .. } => "int8 static".to_owned(),
    }
}

/// The chip of a step's fine-tuning, where it has one.
pub fn finetune_chip(step: RecipeStep) -> Option<String> {
    match step.finetune_epochs() {
        0 => None,
        1 => Some("fine-tune 1 epoch".to_owned()),
        epochs => Some(format!("fine-tune {epochs} epochs")),
    }
}

/// A recipe in one line, shorter than its chips.
pub fn in_words(recipe: &Recipe) -> String {
    let words = recipe.steps.iter().map(|&step| match step.finetune_epochs() {
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

/// What a step is called in the menu.
pub fn title(step: RecipeStep) -> &'static str {
    match step {
        RecipeStep::Weights { .. } => "Zero weights",
        RecipeStep::Units { .. } => "Remove units",
        RecipeStep::Fp16 => "Store in fp16",
        RecipeStep::Int8Static { .. } => "Quantize to int8",
    }
}

/// What a step does, and what not.
pub fn expectation(step: RecipeStep) -> &'static str {
    match step {
        RecipeStep::Weights { .. } => {
            "Zeroes the smallest weights: the file packs smaller, but dense kernels do not get faster"
        }
        RecipeStep::Units { .. } => {
            "Removes whole neurons and filters: smaller and really faster; costs accuracy, so fine-tune"
        }
        RecipeStep::Fp16 => "Weights in 16 bits: half the size, about the same speed and accuracy",
        RecipeStep::Int8Static { .. } => {
            "Weights and activations in 8 bits: about a quarter of the size, faster where integer kernels pay; small \
             networks gain little"
        }
    }
}

/// What to expect of the recipe beyond its arithmetic.
pub fn remarks(recipe: &Recipe) -> String {
    let has = |kind: fn(&RecipeStep) -> bool| recipe.steps.iter().any(kind);
    let cuts = |step: &RecipeStep| matches!(step, RecipeStep::Units { .. });
    let zeroes = |step: &RecipeStep| matches!(step, RecipeStep::Weights { .. });
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
        Some(RecipeStep::Int8Static { .. }) => {
            remarks.push("Integer kernels may be faster; a small network gains little.");
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
