//! The pages, and the drawer of runs that lies below each of them.

pub mod compare;
pub mod compress;
pub mod drawer;
pub mod export;
#[cfg(test)]
mod fixture;
pub mod train;
pub mod try_it;

use egui::{CentralPanel, Frame, Ui};

use super::action::{Actions, Page};
use super::state::{Model, Views};
use super::theme;

/// The drawer and the present page.
pub fn page_ui(ui: &mut Ui, model: &Model, views: &mut Views, actions: &mut Actions) {
    drawer::drawer_ui(ui, model, &mut views.drawer, actions);
    let frame = Frame::NONE
        .fill(theme::Tokens::of(ui).base)
        .inner_margin(egui::Margin::same(12));
    CentralPanel::default().frame(frame).show(ui, |ui| match model.page {
        Page::Train => train::train_ui(ui, model, &mut views.train, actions),
        Page::Compress => compress::compress_ui(ui, model, &mut views.compress, actions),
        Page::Compare => compare::compare_ui(ui, model, views, actions),
        Page::TryIt => try_it::try_ui(ui, model, &mut views.try_it, actions),
    });
}
