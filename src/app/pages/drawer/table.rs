//! The table: its columns, the order of its rows, and what a press on a row does. Only the rows in sight are drawn.

use std::collections::BTreeSet;

use egui::{Align, Button, Layout, Popup, ScrollArea, Sense, Ui};
use egui_extras::{Column, TableBuilder, TableRow};
use egui_material_icons::icons;

use super::{DrawerView, cells, menu};
use crate::app::action::{Action, Actions};
use crate::app::state::{Model, RowExt as _};
use crate::app::theme::{self, Tokens};
use crate::compare::{Axis, Field, Line, Sort, order};
use crate::jobs::RunRow;
use crate::spec::RunId;

const HEADER_HEIGHT: f32 = 24.0;
const ROW_HEIGHT: f32 = 36.0;
const GAP: f32 = 8.0;
/// The name takes what the other columns leave, but at least this.
const NAME_WIDTH: f32 = 168.0;
/// Swatch, eye, solo and pin.
const MARKS_WIDTH: f32 = 98.0;

/// Columns after the marks and the name, with their widths.
const COLUMNS: [(Field, &str, f32); 10] = [
    (Field::Number, "Run", 46.0),
    (Field::Status, "Status", 122.0),
    (Field::Dataset, "Data", 92.0),
    (Field::Model, "Model", 132.0),
    (Field::Score, "Score", 72.0),
    (Field::Figure(Axis::Size), "Size", 72.0),
    (Field::Figure(Axis::Batch1), "Batch 1", 72.0),
    (Field::Figure(Axis::Batch64), "Batch 64", 76.0),
    (Field::Figure(Axis::Memory), "Memory", 72.0),
    (Field::Badge, "Badge", 96.0),
];

/// The runs that are found, in order; made anew only when what it depends on has changed.
#[derive(Debug, Default)]
pub struct Listed {
    of: Option<(u64, String, Sort)>,
    runs: Vec<RunId>,
}

impl Listed {
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    fn refresh(&mut self, model: &Model, search: &str, sort: Sort) {
        let revision = model.runs.revision();
        let is_current = |of: &(u64, String, Sort)| of.0 == revision && of.1 == search && of.2 == sort;
        if self.of.as_ref().is_some_and(is_current) {
            return;
        }
        self.runs = found(model.runs.rows(), search, sort);
        self.of = Some((revision, search.to_owned(), sort));
    }

    /// The runs from `from` to `to`, both included, in the order of the rows.
    fn between(&self, from: RunId, to: RunId) -> BTreeSet<RunId> {
        let place = |run| self.runs.iter().position(|&listed| listed == run);
        match (place(from), place(to)) {
            (Some(from), Some(to)) => self.runs[from.min(to)..=from.max(to)].iter().copied().collect(),
            _ => BTreeSet::from([to]),
        }
    }
}

/// The runs that match `search`, in the order of `sort`.
pub fn found(rows: &[RunRow], search: &str, sort: Sort) -> Vec<RunId> {
    let lines: Vec<Line<'_>> = rows
        .iter()
        .map(|row| Line {
            run: &row.run,
            dataset: &row.dataset,
            architecture: &row.architecture,
            recipe: row.origin.as_ref().map(|(_, recipe)| recipe),
            score: row.score(),
        })
        .collect();
    let places = order(&lines, search, sort).into_iter();
    places.map(|place| rows[place].run.run).collect()
}

pub fn table_ui(ui: &mut Ui, model: &Model, view: &mut DrawerView, actions: &mut Actions) {
    // Under an open menu the rows stay where they are.
    if !Popup::is_any_open(ui.ctx()) {
        view.listed.refresh(model, &view.search, view.sort);
    }
    if view.listed.len() == 0 {
        ui.centered_and_justified(|ui| ui.label(theme::label(ui, "No run matches every word of the search")));
        return;
    }
    let fixed: f32 = COLUMNS.iter().map(|(_, _, width)| width + GAP).sum();
    ScrollArea::horizontal()
        .id_salt("runs")
        .auto_shrink(false)
        .show(ui, |ui| {
            ui.set_min_width(MARKS_WIDTH + GAP + NAME_WIDTH + fixed + GAP);
            ui.spacing_mut().item_spacing = egui::vec2(GAP, 0.0);
            let mut table = TableBuilder::new(ui)
                .id_salt("table of runs")
                .sense(Sense::CLICK)
                .auto_shrink(false)
                .min_scrolled_height(0.0)
                .cell_layout(Layout::left_to_right(Align::Center))
                .column(Column::exact(MARKS_WIDTH))
                .column(Column::remainder().at_least(NAME_WIDTH).clip(true));
            for (_, _, width) in COLUMNS {
                table = table.column(Column::exact(width).clip(true));
            }
            table
                .header(HEADER_HEIGHT, |mut header| {
                    header.col(|_| {});
                    header.col(|ui| title_ui(ui, Field::Name, "Name", &mut view.sort));
                    for (field, title, _) in COLUMNS {
                        header.col(|ui| title_ui(ui, field, title, &mut view.sort));
                    }
                })
                .body(|body| {
                    body.rows(ROW_HEIGHT, view.listed.len(), |mut row| {
                        let run = view.listed.runs.get(row.index());
                        if let Some(run) = run.and_then(|&run| model.runs.row(run)) {
                            row_ui(&mut row, model, run, view, actions);
                        } else {
                            row.col(|_| {});
                        }
                    });
                });
        });
}

/// Whether the column's figures stand to the right.
fn is_figure(field: Field) -> bool {
    matches!(field, Field::Score | Field::Figure(_))
}

/// A column's title, which sorts.
fn title_ui(ui: &mut Ui, field: Field, title: &str, sort: &mut Sort) {
    let tokens = Tokens::of(ui);
    let is_sorted = sort.field == field;
    let colour = if is_sorted { tokens.text } else { tokens.text_soft };
    let text = egui::RichText::new(title).size(11.5).color(colour);
    let button = if is_sorted {
        let icon = if sort.descending {
            icons::ICON_ARROW_DOWNWARD
        } else {
            icons::ICON_ARROW_UPWARD
        };
        Button::new((text, theme::icon(icon).size(13.0).color(tokens.accent)))
    } else {
        Button::new(text)
    };
    let layout = if is_figure(field) {
        Layout::right_to_left(Align::Center)
    } else {
        Layout::left_to_right(Align::Center)
    };
    ui.with_layout(layout, |ui| {
        if field == Field::Badge {
            ui.add_space(theme::SPACE[1]);
        }
        ui.spacing_mut().button_padding = egui::Vec2::ZERO;
        ui.spacing_mut().interact_size.y = 0.0;
        let response = ui.add(button.frame(false).gap(2.0));
        let name = format!("Sort by {}", title.to_lowercase());
        response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_sorted, &name));
        let hover = match field {
            Field::Figure(axis) => format!("{}. Press to sort", axis.doc()),
            _ => name.clone(),
        };
        if response.on_hover_text(hover).clicked() {
            *sort = sort.pressed(field);
        }
    });
}

fn row_ui(table: &mut TableRow<'_, '_>, model: &Model, row: &RunRow, view: &mut DrawerView, actions: &mut Actions) {
    let run = row.run.run;
    let is_selected = model.runs.selected().is_some_and(|selected| selected.run.run == run);
    table.set_hovered(model.runs.hovered() == Some(run));
    table.set_selected(is_selected || view.marked.len() > 1 && view.marked.contains(&run));
    let baseline = model.runs.baseline_of(run);
    let cell = |table: &mut TableRow<'_, '_>, add: &mut dyn FnMut(&mut Ui)| {
        table.col(|ui| {
            ui.visuals_mut().override_text_color = None;
            add(ui);
        });
    };
    let mut name = None;
    cell(table, &mut |ui| cells::marks_ui(ui, model, row, actions));
    cell(table, &mut |ui| name = cells::name_ui(ui, model, row, view, actions));
    for (field, _, _) in COLUMNS {
        cell(table, &mut |ui| {
            cells::cell_ui(ui, field, model, row, baseline, actions);
        });
    }

    let mut response = table.response();
    if let Some(name) = name {
        response = response.union(name);
    }
    if response.contains_pointer() {
        actions.push(Action::Hover(run));
    }
    if response.clicked() {
        let modifiers = response.ctx.input(|input| input.modifiers);
        if modifiers.shift {
            let anchor = view.anchor.unwrap_or(run);
            view.marked = view.listed.between(anchor, run);
        } else if modifiers.command {
            // The one that was selected before is the first of the choice.
            if view.marked.is_empty() {
                view.marked
                    .extend(model.runs.selected().map(|selected| selected.run.run));
            }
            if !view.marked.remove(&run) {
                view.marked.insert(run);
            }
            view.anchor = Some(run);
        } else {
            view.marked = BTreeSet::from([run]);
            view.anchor = Some(run);
            actions.push(Action::Select(run));
        }
    }
    response.context_menu(|ui| menu::run_menu_ui(ui, model, row, view, actions));
}
