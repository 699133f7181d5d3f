//! What the loss asks of every tensor: how its gradient is spread, and which tensors do not learn or learn too wildly.

use egui::{RichText, Ui};
use egui_material_icons::icons;

use super::weights::{Multiple, multiples_ui, small};
use super::words::beside_ui;
use crate::app::theme::{self, Tokens};
use crate::spec::{EXPLODING, GradientHealth, Gradients, VANISHING, units};

pub fn gradients_ui(ui: &mut Ui, gradients: &Gradients) {
    let health = gradients.health();
    let largest = gradients.tensors.iter().map(|seen| seen.size).fold(0.0, f64::max);
    let multiples: Vec<Multiple<'_>> = gradients
        .tensors
        .iter()
        .zip(&health)
        .map(|(seen, &health)| Multiple {
            histogram: &seen.histogram,
            foot: Some(foot(seen.size, largest)),
            flag: flag(ui, health),
        })
        .collect();
    beside_ui(
        ui,
        |ui| words_ui(ui, gradients, &health),
        |ui| multiples_ui(ui, "gradients", &multiples),
    );
}

/// The root of the mean square, and how it stands to the largest one.
fn foot(size: f64, largest: f64) -> [String; 2] {
    let share = if largest > 0.0 && largest.is_finite() && size.is_finite() {
        format!("{} of the largest", share_text(size / largest))
    } else {
        String::new()
    };
    [format!("size {}", small(size)), share]
}

fn share_text(share: f64) -> String {
    if share > 0.0 && share < 1e-3 {
        format!("{share:.1e}")
    } else {
        units::percent(share)
    }
}

fn flag(ui: &Ui, health: GradientHealth) -> Option<(&'static str, &'static str, egui::Color32)> {
    let tokens = Tokens::of(ui);
    Some(match health {
        GradientHealth::Fine => return None,
        GradientHealth::Zero => (
            "zero",
            "Every value is exactly zero: this tensor does not learn. Dead units, a mask, or a loss that does not depend on it",
            tokens.bad,
        ),
        GradientHealth::Vanishing => (
            "vanishing",
            "Far smaller than the largest tensor's: this layer hardly learns. Residual blocks, norms or another activation help",
            tokens.warn,
        ),
        GradientHealth::Exploding => (
            "exploding",
            "Not a number, or far above the others: clip the gradients, or lower the learning rate",
            tokens.bad,
        ),
    })
}

fn words_ui(ui: &mut Ui, gradients: &Gradients, health: &[GradientHealth]) {
    let tokens = Tokens::of(ui);
    let fine = health.iter().filter(|health| **health == GradientHealth::Fine).count();
    ui.label(theme::big_number(format!("{fine} of {}", health.len())));
    ui.label(theme::label(ui, "tensors with a healthy gradient"));
    for (kind, word) in [
        (GradientHealth::Zero, "zero"),
        (GradientHealth::Vanishing, "vanishing"),
        (GradientHealth::Exploding, "exploding"),
    ] {
        let count = health.iter().filter(|health| **health == kind).count();
        if count > 0 {
            let colour = if kind == GradientHealth::Vanishing {
                tokens.warn
            } else {
                tokens.bad
            };
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = 4.0;
                ui.label(theme::icon(icons::ICON_WARNING).size(14.0).color(colour));
                ui.label(RichText::new(format!("{count} {word}")).size(12.0).color(colour));
            });
        }
    }
    let of_what = match gradients.step {
        Some(step) => format!("training step {}, before clipping", step + 1),
        None => "one training batch with the kept weights".to_owned(),
    };
    ui.label(theme::hint(ui, of_what));
    let hint = format!(
        "Size is the root of the mean square. Vanishing: below {} of the largest. Exploding: above 1 and {EXPLODING} times the middle one. \
         A small bias is no fault: in front of a batch norm it has no gradient",
        share_text(VANISHING)
    );
    ui.label(theme::hint(ui, hint));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_apart_over_many_powers_of_ten() {
        assert_eq!(
            foot(0.5, 1.0),
            ["size 0.500".to_owned(), "50.0 % of the largest".to_owned()]
        );
        assert_eq!(foot(2e-7, 1.0)[0], "size 2.0e-7");
        assert_eq!(foot(f64::NAN, 1.0), ["size NaN".to_owned(), String::new()]);
        assert_eq!(foot(0.0, 0.0), ["size 0".to_owned(), String::new()]);
    }
}
