//! Where the memory of training goes, as bands in colours that mean the same wherever the ledger is drawn.

use egui::{Response, Ui};

use super::bands::{Band, Motion, bands_ui};
use crate::spec::{MemoryLedger, units};

/// The kinds, in the order in which they are drawn.
pub fn bands(ledger: &MemoryLedger) -> [Band; 6] {
    let band = |name, doc, size| Band { name, doc, size };
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

/// The bands as one bar, as wide as there is room; its legend comes on hover.
pub fn ledger_ui(ui: &mut Ui, ledger: &MemoryLedger, height: f32) -> Response {
    bands_ui(ui, &bands(ledger), TITLE, height, Motion::Glides, units::bytes)
}

const TITLE: &str = "Memory in training";

#[cfg(test)]
mod tests {
    use super::super::bands::{band_colour, in_words};
    use super::*;
    use crate::app::theme::Tokens;

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
        assert_eq!(bands.iter().map(|band| band.size).sum::<u64>(), ledger.total());
        assert!(in_words(&bands, TITLE, units::bytes).starts_with("Memory in training 63 B: weights 1 B"));
        for theme in [egui::Theme::Dark, egui::Theme::Light] {
            let tokens = Tokens::of_theme(theme);
            let colours: std::collections::BTreeSet<[u8; 4]> = (0..bands.len())
                .map(|place| band_colour(&tokens, place).to_array())
                .collect();
            assert_eq!(colours.len(), bands.len());
        }
    }
}
