//! Where the memory of training goes, as bands in colours that mean the same wherever the ledger is drawn.

use egui::{Color32, CornerRadius, Rect, Response, Role, Sense, Ui, WidgetInfo, vec2};

use super::mark;
use crate::app::theme::{self, Tokens};
use crate::spec::{MemoryLedger, units};

/// One kind of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Band {
    pub name: &'static str,
    /// A learner's sentence.
    pub doc: &'static str,
    pub bytes: u64,
}

/// The kinds, in the order in which they are drawn.
pub fn bands(ledger: &MemoryLedger) -> [Band; 6] {
    let band = |name, doc, bytes| Band { name, doc, bytes };
    [
        band(
            "weights",
            "The network itself, and its best epoch where training may end early",
            ledger.weights,
        ),
        band("gradients", "One for each weight", ledger.gradients),
        band(
            "optimizer",
            "What the optimizer remembers of each weight",
            ledger.optimizer,
        ),
        band(
            "activations",
            "What each layer keeps of its output until the gradients are computed",
            ledger.activations,
        ),
        band("batch", "Inputs and targets of one step", ledger.batch),
        band(
            "workspace",
            "Room for intermediate results at the widest moment",
            ledger.workspace,
        ),
    ]
}

/// The colour of the band at this place of [`bands`].
pub fn band_colour(tokens: &Tokens, place: usize) -> Color32 {
    // Grey for the workspace, which belongs to no layer.
    tokens.run(if place == 5 { 7 } else { place })
}

/// The bands as one bar, as wide as there is room; its legend comes on hover.
pub fn ledger_ui(ui: &mut Ui, ledger: &MemoryLedger, height: f32) -> Response {
    let tokens = Tokens::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    let secs = ui.style().animation_time.min(0.15);
    let bands = bands(ledger);
    let shown: Vec<f32> = bands
        .iter()
        .map(|band| {
            let id = response.id.with(band.name);
            ui.ctx().animate_value_with_time(id, band.bytes as f32, secs)
        })
        .collect();
    let total: f32 = shown.iter().sum();
    let corner = CornerRadius::same(3);
    ui.painter().rect_filled(rect, corner, tokens.line);
    let pointer = response.hover_pos();
    let mut under_pointer = None;
    let mut left = rect.left();
    for (place, &bytes) in shown.iter().enumerate() {
        let right = left + rect.width() * bytes / total.max(1.0);
        let part = Rect::from_x_y_ranges(left..=right, rect.y_range());
        // A sliver of ground keeps neighbours apart.
        let seen = part.with_max_x((right - 1.0).max(left));
        ui.painter().rect_filled(seen, 1.0, band_colour(&tokens, place));
        if pointer.is_some_and(|pointer| part.contains(pointer)) {
            under_pointer = Some(place);
        }
        left = right;
    }
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, in_words(&bands, ledger.total())));
    response.on_hover_ui(|ui| legend_ui(ui, &bands, ledger.total(), under_pointer))
}

fn in_words(bands: &[Band], total: u64) -> String {
    let parts: Vec<String> = bands
        .iter()
        .map(|band| format!("{} {}", band.name, units::bytes(band.bytes)))
        .collect();
    format!("Memory in training {}: {}", units::bytes(total), parts.join(", "))
}

/// Colour, name, bytes and share of every band; that under the pointer with what it is.
pub fn legend_ui(ui: &mut Ui, bands: &[Band], total: u64, under_pointer: Option<usize>) {
    let tokens = Tokens::of(ui);
    ui.spacing_mut().interact_size.y = 16.0;
    ui.spacing_mut().item_spacing.y = 2.0;
    egui::Grid::new("legend")
        .num_columns(4)
        .min_col_width(0.0)
        .spacing(vec2(10.0, 2.0))
        .show(ui, |ui| {
            for (place, band) in bands.iter().enumerate() {
                mark::dot(ui, band_colour(&tokens, place));
                ui.label(if under_pointer == Some(place) {
                    theme::strong(band.name)
                } else {
                    theme::label(ui, band.name)
                });
                let share = band.bytes as f64 / total.max(1) as f64;
                // Digits are equally wide, so spaces align them.
                ui.label(theme::number(format!("{:>8}", units::bytes(band.bytes))));
                ui.label(theme::number(format!("{:>7}", units::percent(share))));
                ui.end_row();
            }
        });
    if let Some(band) = under_pointer.and_then(|place| bands.get(place)) {
        ui.label(theme::hint(ui, band.doc));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bands_are_the_whole_ledger_in_different_colours() {
        let ledger = MemoryLedger {
            weights: 1,
            gradients: 2,
            optimizer: 4,
            activations: 8,
            workspace: 16,
            batch: 32,
        };
        let bands = bands(&ledger);
        assert_eq!(bands.iter().map(|band| band.bytes).sum::<u64>(), ledger.total());
        assert!(in_words(&bands, ledger.total()).starts_with("Memory in training 63 B: weights 1 B"));
        for theme in [egui::Theme::Dark, egui::Theme::Light] {
            let tokens = Tokens::of_theme(theme);
            let colours: std::collections::BTreeSet<[u8; 4]> = (0..bands.len())
                .map(|place| band_colour(&tokens, place).to_array())
                .collect();
            assert_eq!(colours.len(), bands.len());
        }
    }
}
