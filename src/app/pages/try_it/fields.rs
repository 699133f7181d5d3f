//! The test sample's number, and the cells of a table row.

use egui::{Align, Button, DragValue, Layout, Ui};
use egui_material_icons::{MaterialIcon, icons};

use super::input::{Input, Source};
use crate::app::theme;

/// Width of a cell's field, in points.
const FIELD: f32 = 168.0;
/// Lines of a text's field; a longer text makes it taller.
const LINES: usize = 4;

/// Chooses a row of the test split; `rows` is how many there are, where that is known.
pub fn row_ui(ui: &mut Ui, input: &mut Input, rows: Option<usize>) {
    let last = rows.map_or(usize::MAX, |rows| rows.saturating_sub(1));
    let is_chosen = input.source == Source::TestRow;
    let mut chosen = None;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = theme::SPACE[0];
        let label = ui.label(theme::label(ui, "Test sample"));
        ui.add_space(theme::SPACE[0]);
        if step(ui, icons::ICON_CHEVRON_LEFT, "Previous test sample", input.row > 0) {
            chosen = Some(input.row - 1);
        }
        let mut row = input.row;
        let field = DragValue::new(&mut row).range(0..=last).speed(0.2);
        if ui.add(field).labelled_by(label.id).changed() {
            chosen = Some(row);
        }
        if step(ui, icons::ICON_CHEVRON_RIGHT, "Next test sample", input.row < last) {
            chosen = Some(input.row + 1);
        }
        if step(
            ui,
            icons::ICON_SHUFFLE,
            "Random test sample",
            rows.is_some_and(|rows| rows > 1),
        ) {
            chosen = rows.map(|rows| rand::random_range(0..rows));
        }
        if !is_chosen && ui.button("Use it").on_hover_text("Tries this test sample").clicked() {
            chosen = Some(input.row);
        }
    });
    if let Some(row) = chosen {
        input.choose_row(row.min(last));
    }
    let words = match (&input.truth, rows) {
        (Some(truth), _) if is_chosen => format!("Its truth is {truth}"),
        (_, Some(rows)) => format!("One of {rows} that no network was trained on"),
        _ => "Taken from rows that no network was trained on".to_owned(),
    };
    ui.label(theme::hint(ui, words));
}

fn step(ui: &mut Ui, icon: MaterialIcon, name: &str, is_enabled: bool) -> bool {
    let response = ui.add_enabled(is_enabled, Button::new(theme::icon(icon)));
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, is_enabled, name));
    response.on_hover_text(name).clicked()
}

/// A field for each column, as large as a text is where it holds one; a changed one makes the row the person's own.
pub fn cells_ui(ui: &mut Ui, input: &mut Input, columns: &[String], is_text: bool) {
    if input.cells.is_empty() {
        let words = match columns.len() {
            1 => "Its text or value is filled in from the test sample".to_owned(),
            several => format!("The {several} columns are filled from the test sample"),
        };
        ui.label(theme::hint(ui, words));
        return;
    }
    ui.add_space(theme::SPACE[0]);
    let mut is_changed = false;
    for (name, value) in &mut input.cells {
        if is_text {
            is_changed |= writing_ui(ui, name, value);
            continue;
        }
        ui.horizontal(|ui| {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                is_changed |= cell_ui(ui, name, value);
            });
        });
    }
    if is_changed {
        input.source = Source::Cells;
    }
}

/// A field at the right and its name at the left; true if it was changed.
fn cell_ui(ui: &mut Ui, name: &str, value: &mut String) -> bool {
    let edit = egui::TextEdit::singleline(value)
        .desired_width(FIELD)
        .font(egui::TextStyle::Monospace)
        .align(egui::Align2::RIGHT_CENTER);
    let field = ui.add(edit);
    let is_changed = field.changed();
    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
        let label = ui.add(egui::Label::new(theme::label(ui, name)).truncate());
        field.labelled_by(label.id);
        label.on_hover_text(name);
    });
    is_changed
}

/// A field for a text, below its name; true if it was changed.
fn writing_ui(ui: &mut Ui, name: &str, value: &mut String) -> bool {
    let label = ui.add(egui::Label::new(theme::label(ui, name)).truncate());
    let edit = egui::TextEdit::multiline(value)
        .desired_width(f32::INFINITY)
        .desired_rows(LINES);
    ui.add(edit).labelled_by(label.id).changed()
}
