//! The rail on the left: one button a page.

use egui::{Panel, Sense, Stroke, Ui, vec2};
use egui_material_icons::icons;

use crate::app::action::{Action, Actions, Dialog, Page};
use crate::app::state::Model;
use crate::app::theme::Tokens;

const WIDTH: f32 = 72.0;

pub fn rail_ui(ui: &mut Ui, model: &Model, actions: &mut Actions) {
    let frame = egui::Frame::NONE.fill(Tokens::of(ui).panel);
    Panel::left("rail")
        .exact_size(WIDTH)
        .resizable(false)
        .frame(frame)
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 4.0;
            ui.add_space(8.0);
            for page in Page::ALL {
                if entry_ui(ui, page.icon(), page.name(), model.page == page) {
                    actions.push(Action::Go(page));
                }
            }
            ui.with_layout(egui::Layout::bottom_up(egui::Align::Min), |ui| {
                ui.add_space(8.0);
                if entry_ui(
                    ui,
                    icons::ICON_SETTINGS,
                    "Settings",
                    model.dialog == Some(Dialog::Settings),
                ) {
                    actions.push(Action::Open(Dialog::Settings));
                }
            });
        });
}

/// An icon above a word; true when pressed.
fn entry_ui(ui: &mut Ui, icon: egui_material_icons::MaterialIcon, name: &str, is_current: bool) -> bool {
    let tokens = Tokens::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(WIDTH, 54.0), Sense::click());
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_current, name));
    let colour = if is_current {
        tokens.accent
    } else if response.hovered() || response.has_focus() {
        tokens.text
    } else {
        tokens.text_soft
    };
    if response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect.shrink2(vec2(6.0, 2.0)), 6.0, tokens.card);
    }
    if response.has_focus() {
        let stroke = Stroke::new(1.5, tokens.accent);
        ui.painter()
            .rect_stroke(rect.shrink2(vec2(6.0, 2.0)), 6.0, stroke, egui::StrokeKind::Inside);
    }
    if is_current {
        let bar = egui::Rect::from_min_size(rect.left_top() + vec2(0.0, 8.0), vec2(3.0, rect.height() - 16.0));
        ui.painter().rect_filled(bar, 2.0, tokens.accent);
    }
    let icon_place = rect.center_top() + vec2(0.0, 18.0);
    let font = egui::FontId::new(22.0, icon.font_family());
    ui.painter()
        .text(icon_place, egui::Align2::CENTER_CENTER, icon.codepoint, font, colour);
    let word_place = rect.center_top() + vec2(0.0, 41.0);
    let font = egui::FontId::proportional(11.0);
    ui.painter()
        .text(word_place, egui::Align2::CENTER_CENTER, name, font, colour);
    response.clicked()
}
