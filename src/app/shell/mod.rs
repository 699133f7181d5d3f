//! What surrounds the pages: rail, top bar, keys, and all that lies over a page.

mod hints;
mod keys;
mod over;
mod queue;
mod rail;
mod top_bar;

use egui::Ui;

use super::action::{Actions, Dialog};
use super::state::Model;

pub use keys::keys;
pub use over::over_ui;

/// What dialogs keep while they are open.
#[derive(Debug, Default)]
pub struct ShellView {
    /// The dialog that this belongs to: with another one it all begins anew.
    dialog: Option<Dialog>,
    /// The dialog's field waits for the focus.
    wants_focus: bool,
    /// What is typed in the palette.
    pub search: String,
    /// The chosen line of the palette.
    pub line: usize,
    /// What is typed or pasted as a configuration.
    pub pasted: String,
    /// Why the configuration is not taken.
    refusal: String,
}

/// Rail, top bar, and the first steps.
pub fn frame_ui(ui: &mut Ui, model: &Model, actions: &mut Actions) {
    rail::rail_ui(ui, model, actions);
    top_bar::top_bar_ui(ui, model, actions);
    if model.hints {
        hints::hints_ui(ui, model, actions);
    }
}
