//! What stands beside a picture: one big number with what it is, and hints; and the choice of a target.

use egui::{ComboBox, Layout, ScrollArea, Ui, Vec2, vec2};

use crate::app::theme;
use crate::spec::TargetAnswers;

/// Width of the words.
pub const WORDS: f32 = 176.0;
/// Where two pictures have less room than this, each has half of it, and not less than this.
const NARROW: f32 = 560.0;
const LEAST: f32 = 180.0;

/// The words on the left, and what they speak of on the right.
pub fn beside_ui(ui: &mut Ui, words_ui: impl FnOnce(&mut Ui), content_ui: impl FnOnce(&mut Ui)) {
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = theme::SPACE[3];
        let height = ui.available_height();
        let down = Layout::top_down(egui::Align::Min);
        ui.allocate_ui_with_layout(vec2(WORDS, height), down, |ui| {
            ui.set_width(WORDS);
            ui.spacing_mut().item_spacing.y = 4.0;
            let words = ScrollArea::vertical().id_salt("words").auto_shrink(false);
            words.show(ui, words_ui);
        });
        let size = vec2(ui.available_width(), height);
        ui.allocate_ui_with_layout(size, down, |ui| {
            ui.set_min_size(size);
            content_ui(ui);
        });
    });
}

/// The widths of two pictures side by side, the first with `share` of `room` where there is plenty.
pub fn side_by_side(room: f32, share: f32) -> [f32; 2] {
    let room = room - theme::SPACE[3];
    let share = if room < NARROW { 0.5 } else { share };
    [share, 1.0 - share].map(|share| (room * share).max(LEAST))
}

/// Pictures side by side, in the room that there is; what has none is scrolled to.
pub fn pictures_ui(ui: &mut Ui, content_ui: impl FnOnce(&mut Ui, Vec2)) {
    let room = ui.available_size();
    let scroll = ScrollArea::horizontal().id_salt("pictures").auto_shrink(false);
    scroll.show(ui, |ui| {
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = theme::SPACE[3];
            content_ui(ui, room);
        });
    });
}

/// A choice among names, where there are several.
pub fn choice_ui(ui: &mut Ui, what: &str, names: &[&str], chosen: &mut usize) {
    if names.len() < 2 {
        *chosen = 0;
        return;
    }
    *chosen = (*chosen).min(names.len() - 1);
    let response = ComboBox::from_id_salt(what)
        .width(WORDS - 8.0)
        .truncate()
        .selected_text(names[*chosen])
        .show_ui(ui, |ui| {
            for (place, name) in names.iter().enumerate() {
                ui.selectable_value(chosen, place, *name);
            }
        })
        .response;
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, what));
}

/// The target that is looked at; none where there is none.
pub fn target_ui<'a>(ui: &mut Ui, targets: &'a [TargetAnswers], chosen: &mut usize) -> Option<&'a TargetAnswers> {
    let names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
    choice_ui(ui, "Target", &names, chosen);
    targets.get(*chosen)
}
