//! The compared runs as a table with the baseline on top: each figure with its difference below it.

use egui::containers::menu::MenuButton;
use egui::{Align, Button, Layout, RichText, ScrollArea, Sense, Ui};
use egui_extras::{Column, TableBuilder, TableRow};
use egui_material_icons::icons;

use super::CompareView;
use super::contents::Contents;
use crate::app::action::{Action, Actions};
use crate::app::state::{JobKind, Model, RowExt as _};
use crate::app::theme::{self, Tokens};
use crate::app::widgets::figures::{self, figure_ui, two_lines_ui};
use crate::app::widgets::mark::{self, Badge, badge_ui};
use crate::compare::{Axis, Comparison, Field, Line, Sort, csv, order, verdicts};
use crate::jobs::RunRow;
use crate::spec::Verdict;

const HEADER_HEIGHT: f32 = 24.0;
const ROW_HEIGHT: f32 = 36.0;
const GAP: f32 = 8.0;
const NAME_WIDTH: f32 = 172.0;
const VERDICT_WIDTH: f32 = 168.0;
/// Rows in sight at once; the others are scrolled to.
const ROWS: f32 = 10.0;

/// Columns between the name and the verdict, with their widths. All but the badge can be hidden.
const COLUMNS: [(Field, &str, f32); 10] = [
    (Field::Model, "Recipe", 178.0),
    (Field::Score, "Score", 76.0),
    (Field::Figure(Axis::Size), "Size", 76.0),
    (Field::Figure(Axis::Zstd), "zstd", 76.0),
    (Field::Figure(Axis::Batch1), "Batch 1", 76.0),
    (Field::Figure(Axis::Batch64), "Batch 64", 76.0),
    (Field::Figure(Axis::Memory), "Memory", 76.0),
    (Field::Figure(Axis::MultiplyAdds), "Multiply-adds", 92.0),
    (Field::Figure(Axis::Parameters), "Parameters", 84.0),
    (Field::Badge, "Badge", 92.0),
];

pub fn table_ui(ui: &mut Ui, model: &Model, view: &mut CompareView, contents: &Contents<'_>, actions: &mut Actions) {
    theme::card(ui).show(ui, |ui| {
        head_ui(ui, model, view, contents, actions);
        let columns: Vec<(Field, &str, f32)> = COLUMNS
            .into_iter()
            .filter(|(field, _, _)| !view.hidden.contains(field))
            .collect();
        let rows = sorted(contents, view.sort);
        let fixed: f32 = columns.iter().map(|(_, _, width)| width + GAP).sum();
        ScrollArea::horizontal().id_salt("comparison").show(ui, |ui| {
            ui.set_min_width(NAME_WIDTH + GAP + fixed + VERDICT_WIDTH);
            ui.spacing_mut().item_spacing = egui::vec2(GAP, 0.0);
            let height = ROW_HEIGHT * (rows.len() as f32).min(ROWS) + 1.0;
            let mut table = TableBuilder::new(ui)
                .id_salt(("comparison", columns.len()))
                .sense(Sense::CLICK)
                .vscroll(rows.len() as f32 > ROWS)
                .min_scrolled_height(height)
                .max_scroll_height(height)
                .auto_shrink([false, true])
                .cell_layout(Layout::left_to_right(Align::Center))
                .column(Column::remainder().at_least(NAME_WIDTH).clip(true));
            for (_, _, width) in &columns {
                table = table.column(Column::exact(*width).clip(true));
            }
            table
                .column(Column::exact(VERDICT_WIDTH).clip(true))
                .header(HEADER_HEIGHT, |mut header| {
                    header.col(|ui| title_ui(ui, Field::Name, "Run", "Sort by name", &mut view.sort));
                    for (field, title, _) in &columns {
                        let name = format!("Order by {}", title.to_lowercase());
                        header.col(|ui| title_ui(ui, *field, title, &name, &mut view.sort));
                    }
                    header.col(|ui| {
                        let text = RichText::new("Verdict, batch 64").size(11.5);
                        ui.label(text.color(Tokens::of(ui).text_soft)).on_hover_text(
                            "Whether the speed differs at all: by the 95 % interval of the paired ratio",
                        );
                    });
                })
                .body(|body| {
                    body.rows(ROW_HEIGHT, rows.len(), |mut table| {
                        if let Some(&row) = rows.get(table.index()) {
                            row_ui(&mut table, model, row, contents, &columns, actions);
                        }
                    });
                });
        });
    });
}

/// The baseline, then the others in the order of `sort`.
fn sorted<'a>(contents: &Contents<'a>, sort: Sort) -> Vec<&'a RunRow> {
    let others = contents.rows.get(1..).unwrap_or_default();
    let lines: Vec<Line<'_>> = others
        .iter()
        .map(|row| Line {
            run: &row.run,
            dataset: &row.dataset,
            architecture: &row.architecture,
            recipe: row.origin.as_ref().map(|(_, recipe)| recipe),
            score: row.score(),
        })
        .collect();
    let places = order(&lines, "", sort).into_iter().map(|place| others[place]);
    std::iter::once(contents.baseline).chain(places).collect()
}

/// Title, and to the right: columns, CSV, measuring again.
fn head_ui(ui: &mut Ui, model: &Model, view: &mut CompareView, contents: &Contents<'_>, actions: &mut Actions) {
    ui.horizontal(|ui| {
        ui.label(theme::strong("Figures of the exported files"));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            columns_ui(ui, view);
            let runs = contents.rows.iter().map(|row| &row.run);
            let text = || Comparison::against(&contents.baseline.run, runs.clone()).map(|comparison| csv(&comparison));
            if ui
                .button("Save as CSV…")
                .on_hover_text("Exact values, one line a run")
                .clicked()
                && let Some(text) = text()
            {
                let name = format!("trimtab-{}.csv", contents.baseline.dataset);
                actions.push(Action::SaveText { name, text });
            }
            if ui
                .button("Copy as CSV")
                .on_hover_text("Exact values, one line a run")
                .clicked()
                && let Some(text) = text()
            {
                actions.push(Action::CopyText(text));
            }
            let is_measuring = model.queue.iter().any(|job| matches!(job.kind, JobKind::Measure(_)));
            let again = ui.add_enabled(!is_measuring && contents.rows.len() > 1, Button::new("Measure again"));
            let hover = "Times all of them in turn with the baseline, so that every verdict is against it";
            if again.on_hover_text(hover).clicked() {
                actions.push(Action::Measure(contents.rows.iter().map(|row| row.run.run).collect()));
            }
        });
    });
}

fn columns_ui(ui: &mut Ui, view: &mut CompareView) {
    let button = Button::new((theme::icon(icons::ICON_VIEW_COLUMN).size(16.0), "Columns"));
    let config =
        egui::containers::menu::MenuConfig::new().close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside);
    let menu = MenuButton::from_button(button).config(config);
    let (response, _) = menu.ui(ui, |ui| {
        for (field, title, _) in COLUMNS {
            if field == Field::Badge {
                continue;
            }
            let mut is_shown = !view.hidden.contains(&field);
            if ui.checkbox(&mut is_shown, title).changed() {
                if is_shown {
                    view.hidden.remove(&field);
                } else {
                    view.hidden.insert(field);
                }
            }
        }
    });
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Columns"));
    response.on_hover_text("Which columns are shown");
}

/// A column's title, which sorts the rows below the baseline.
fn title_ui(ui: &mut Ui, field: Field, title: &str, name: &str, sort: &mut Sort) {
    let tokens = Tokens::of(ui);
    let is_sorted = sort.field == field;
    let colour = if is_sorted { tokens.text } else { tokens.text_soft };
    let text = RichText::new(title).size(11.5).color(colour);
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
    let layout = match field {
        Field::Score | Field::Figure(_) => Layout::right_to_left(Align::Center),
        _ => Layout::left_to_right(Align::Center),
    };
    ui.with_layout(layout, |ui| {
        if field == Field::Badge {
            ui.add_space(theme::SPACE[1]);
        }
        ui.spacing_mut().button_padding = egui::Vec2::ZERO;
        ui.spacing_mut().interact_size.y = 0.0;
        let response = ui.add(button.frame(false).gap(2.0));
        response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_sorted, name));
        let hover = match field {
            Field::Figure(axis) => axis.doc(),
            _ => name,
        };
        if response.on_hover_text(hover).clicked() {
            *sort = sort.pressed(field);
        }
    });
}

fn row_ui(
    table: &mut TableRow<'_, '_>,
    model: &Model,
    row: &RunRow,
    contents: &Contents<'_>,
    columns: &[(Field, &str, f32)],
    actions: &mut Actions,
) {
    let run = row.run.run;
    let baseline = contents.baseline_of(row);
    let is_selected = model.runs.selected().is_some_and(|selected| selected.run.run == run);
    table.set_hovered(model.runs.hovered() == Some(run));
    table.set_selected(is_selected);
    let cell = |table: &mut TableRow<'_, '_>, add: &mut dyn FnMut(&mut Ui)| {
        table.col(|ui| {
            ui.visuals_mut().override_text_color = None;
            add(ui);
        });
    };
    let mut name = None;
    cell(table, &mut |ui| {
        if baseline.is_none() {
            ui.label(theme::icon(icons::ICON_PUSH_PIN).size(13.0).color(Tokens::of(ui).text));
        } else {
            mark::dot(ui, mark::run_colour(ui, model, run));
        }
        let text = if baseline.is_none() {
            theme::strong(&row.run.name)
        } else {
            RichText::new(&row.run.name)
        };
        ui.spacing_mut().button_padding.x = 0.0;
        let response = ui.add(Button::new(text).frame(false).truncate());
        let label = format!("Select {}, {run}", row.run.name);
        response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_selected, &label));
        name = Some(response.on_hover_text(format!("{}, {run}", row.run.name)));
    });
    for (field, _, _) in columns {
        cell(table, &mut |ui| cell_ui(ui, *field, row, baseline));
    }
    cell(table, &mut |ui| verdict_ui(ui, row, baseline));
    let mut response = table.response();
    if let Some(name) = name {
        response = response.union(name);
    }
    if response.contains_pointer() {
        actions.push(Action::Hover(run));
    }
    if response.clicked() {
        actions.push(Action::Select(run));
    }
}

fn cell_ui(ui: &mut Ui, field: Field, row: &RunRow, baseline: Option<&RunRow>) {
    match field {
        Field::Model => {
            let (first, hover) = match &row.origin {
                Some((parent, recipe)) => (recipe.to_string(), format!("{recipe} of {parent}")),
                None => ("uncompressed".to_owned(), String::new()),
            };
            let below = theme::hint(ui, &row.architecture);
            two_lines_ui(ui, Align::Min, RichText::new(first).size(12.0), Some(below), &hover);
        }
        Field::Score => {
            let figure = figures::score(ui, row, baseline);
            figure_ui(ui, figure);
        }
        Field::Figure(axis) => {
            let figure = figures::cost(ui, axis, row, baseline);
            figure_ui(ui, figure);
        }
        Field::Badge => {
            if let Some(badge) = Badge::of(&row.run) {
                ui.add_space(theme::SPACE[1]);
                badge_ui(ui, badge);
            }
        }
        Field::Number | Field::Name | Field::Status | Field::Dataset => {}
    }
}

/// The verdict with the factor at batch 64, and at batch 1 below it.
fn verdict_ui(ui: &mut Ui, row: &RunRow, baseline: Option<&RunRow>) {
    let Some(baseline) = baseline else {
        ui.label(theme::hint(ui, "baseline"));
        return;
    };
    let (Some(deployed), Some(reference)) = (&row.run.deployed, &baseline.run.deployed) else {
        return;
    };
    let delta = crate::compare::Delta::between(reference, deployed);
    let tokens = Tokens::of(ui);
    let text = |verdict: Option<Verdict>, factor: f64| match verdict {
        Some(Verdict::Faster) => (format!("faster, {factor:.2}×"), tokens.good),
        Some(Verdict::Slower) => (format!("slower, {factor:.2}×"), tokens.bad),
        Some(Verdict::CannotTell) => (format!("cannot tell, {factor:.2}×"), tokens.text_soft),
        None => (format!("{factor:.2}×, not in turn"), tokens.text_soft),
    };
    let verdicts = verdicts(deployed, baseline.run.run);
    let (first, colour) = text(verdicts.map(|[_, batch64]| batch64), delta.speedup_batch64);
    let (second, _) = text(verdicts.map(|[batch1, _]| batch1), delta.speedup_batch1);
    let hover = if verdicts.is_some() {
        "By the 95 % bootstrap interval of the paired ratio of times"
    } else {
        "It was timed beside another run: Measure again times both in turn"
    };
    two_lines_ui(
        ui,
        Align::Min,
        RichText::new(first).size(12.0).color(colour),
        Some(theme::hint(ui, format!("batch 1: {second}"))),
        hover,
    );
}
