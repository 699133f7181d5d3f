//! What the data look like: images as pictures, points of the plane as a scatter, other tables as rows.

use egui::{Align, Button, Label, Layout, Pos2, Rect, ScrollArea, Sense, Ui, vec2};
use egui_extras::{Column, TableBuilder};
use egui_material_icons::icons;
use egui_plot::{HoverPosition, Plot, Points};

use super::data::facts;
use crate::app::action::{Action, Actions};
use crate::app::state::{Form, PreviewState};
use crate::app::theme::{self, Tokens};
use crate::app::widgets::{field, lines, mark, picture};
use crate::jobs::Preview;
use crate::spec::{DataKind, Finding, SampleView, Task, units};

/// Height of the box, whatever is in it.
const HEIGHT: f32 = 120.0;
/// More columns than these are not read, only waded through.
const MOST_COLUMNS: usize = 24;
const ROW_HEIGHT: f32 = 19.0;
/// Most texts or sequences that are shown.
const MOST_LINES: usize = 30;
/// Most classes that stand side by side as columns of pictures.
const MOST_CLASSES_ABREAST: usize = 12;
const PICTURE_GAP: f32 = 4.0;
/// Height of a picture's label.
const PICTURE_LABEL: f32 = 14.0;

/// What the data look like, and what is to be known of them; `open` tells whether findings and notes are unfolded.
pub fn preview_ui(ui: &mut Ui, form: &Form, open: &mut [bool; 2], actions: &mut Actions) {
    let frame = theme::card(ui).inner_margin(egui::Margin::same(8));
    frame.show(ui, |ui| {
        let size = vec2(ui.available_width(), HEIGHT);
        let rect = Rect::from_min_size(ui.cursor().min, size);
        ui.allocate_ui_with_layout(size, Layout::top_down(Align::Min), |ui| {
            ui.set_min_size(size);
            ui.set_max_size(size);
            match &form.preview {
                PreviewState::Failed(_) if !form.config.data.issues().is_empty() => {
                    centred_ui(ui, "The data appear when their settings are right");
                }
                PreviewState::Failed(reason) => failure_ui(ui, reason, actions),
                PreviewState::Ready(_) | PreviewState::Waiting => match form.last_preview() {
                    Some(preview) => samples_ui(ui, preview),
                    None => centred_ui(ui, "Reading the data"),
                },
            }
        });
        if matches!(form.preview, PreviewState::Waiting) {
            waiting_ui(ui, rect.right_top() + vec2(-18.0, 6.0));
        }
    });
    if matches!(form.preview, PreviewState::Failed(_)) {
        return;
    }
    let summary = form.last_preview().map(|preview| &preview.summary);
    // Room is kept while it is read.
    let facts = summary.map_or_else(String::new, |summary| facts(summary).join(" · "));
    field::note_ui(ui, facts);
    let [findings_open, notes_open] = open;
    findings_ui(
        ui,
        form.last_preview().map_or(&[], |preview| &preview.findings),
        findings_open,
    );
    notes_ui(ui, summary.map_or(&[], |summary| &summary.notes), notes_open);
}

/// What a person should know of the data before training on them, each with what to do.
fn findings_ui(ui: &mut Ui, findings: &[Finding], is_open: &mut bool) {
    let warn = Tokens::of(ui).warn;
    let text = match findings.len() {
        0 => return,
        1 => "1 finding in the data".to_owned(),
        count => format!("{count} findings in the data"),
    };
    ui.horizontal(|ui| {
        ui.add_space(field::GUTTER - 4.0);
        ui.spacing_mut().button_padding = vec2(4.0, 2.0);
        let words = (
            theme::icon(icons::ICON_WARNING).size(14.0).color(warn),
            theme::label(ui, &text),
        );
        let button = Button::new(words).frame_when_inactive(false);
        let response = ui.add(button).accessible_name(&text);
        let is_shown = *is_open;
        ui.ctx()
            .accesskit_node_builder(response.id, |node| node.set_expanded(is_shown));
        if response
            .on_hover_text("What to know before training, and what to do")
            .clicked()
        {
            *is_open = !*is_open;
        }
    });
    if *is_open {
        for finding in findings {
            ui.horizontal_top(|ui| {
                ui.add_space(2.0 * field::GUTTER);
                ui.vertical(|ui| {
                    ui.spacing_mut().item_spacing.y = 1.0;
                    let what = egui::RichText::new(field::sentence(&finding.what)).size(11.5);
                    ui.add(Label::new(what).wrap());
                    ui.add(Label::new(theme::hint(ui, field::sentence(&finding.remedy))).wrap());
                });
            });
        }
    }
}

/// What the importer filled in, left out or assumed.
fn notes_ui(ui: &mut Ui, notes: &[String], is_open: &mut bool) {
    if notes.is_empty() {
        return;
    }
    let icon = if *is_open {
        icons::ICON_EXPAND_MORE
    } else {
        icons::ICON_CHEVRON_RIGHT
    };
    let text = match notes.len() {
        1 => "1 note on the import".to_owned(),
        count => format!("{count} notes on the import"),
    };
    ui.horizontal(|ui| {
        ui.add_space(field::GUTTER - 4.0);
        ui.spacing_mut().button_padding = vec2(4.0, 2.0);
        let button = Button::new((theme::icon(icon).size(14.0), theme::label(ui, &text))).frame_when_inactive(false);
        if ui.add(button).accessible_name(&text).clicked() {
            *is_open = !*is_open;
        }
    });
    if *is_open {
        for note in notes {
            ui.horizontal_top(|ui| {
                ui.add_space(2.0 * field::GUTTER);
                ui.add(Label::new(theme::hint(ui, format!("· {note}"))).wrap());
            });
        }
    }
}

fn centred_ui(ui: &mut Ui, text: &str) {
    ui.centered_and_justified(|ui| {
        ui.label(theme::hint(ui, text));
    });
}

/// Three dots, one of them lit in turn.
fn waiting_ui(ui: &Ui, place: Pos2) {
    const TURN: f64 = 0.25;
    let tokens = Tokens::of(ui);
    let is_moving = ui.style().animation_time > 0.0;
    let lit = if is_moving {
        ui.ctx().request_repaint_after_secs(TURN as f32);
        (ui.input(|input| input.time) / TURN) as usize % 3
    } else {
        1
    };
    for dot in 0..3 {
        let colour = if dot == lit { tokens.accent } else { tokens.edge };
        ui.painter()
            .circle_filled(place + vec2(dot as f32 * 7.0, 0.0), 2.0, colour);
    }
}

/// Why there are no data, and the ways on.
fn failure_ui(ui: &mut Ui, reason: &str, actions: &mut Actions) {
    let tokens = Tokens::of(ui);
    ui.horizontal(|ui| {
        ui.label(theme::icon(icons::ICON_ERROR).size(16.0).color(tokens.bad));
        ui.label(theme::strong("The data cannot be used").color(tokens.bad));
    });
    let room = ui.available_height() - 36.0;
    ScrollArea::vertical()
        .max_height(room)
        .auto_shrink(false)
        .show(ui, |ui| {
            ui.add(Label::new(egui::RichText::new(field::sentence(reason)).size(12.0)).wrap());
        });
    if ui.button("Open another file…").clicked() {
        actions.push(Action::ChooseDataFile);
    }
}

fn samples_ui(ui: &mut Ui, preview: &Preview) {
    let has_pictures = preview.samples.iter().any(|sample| sample.pixels.is_some());
    let has_series = preview.samples.iter().any(|sample| sample.series.is_some());
    if has_pictures {
        pictures_ui(ui, preview);
    } else if has_series {
        series_ui(ui, preview);
    } else if preview.summary.kind == DataKind::Text {
        texts_ui(ui, preview);
    } else if preview.points.is_empty() {
        rows_ui(ui, preview);
    } else {
        scatter_ui(ui, preview);
    }
}

/// A column of pictures for each class, where there are few.
fn pictures_ui(ui: &mut Ui, preview: &Preview) {
    let classes = match &preview.summary.task {
        Task::Classification { classes } if classes.len() <= MOST_CLASSES_ABREAST => classes.as_slice(),
        _ => &[],
    };
    let width = ui.available_width();
    let abreast = if classes.is_empty() { 10 } else { classes.len().max(5) };
    let side = ((width + PICTURE_GAP) / abreast as f32 - PICTURE_GAP).min(44.0);
    let rows = ((ui.available_height() + PICTURE_GAP) / (side + PICTURE_LABEL + PICTURE_GAP)) as usize;
    let shown: Vec<&SampleView> = if classes.is_empty() {
        preview.samples.iter().collect()
    } else {
        let of_class = |class: &str, nth: usize| {
            let mut samples = preview.samples.iter().filter(move |sample| sample.truth == class);
            samples.nth(nth)
        };
        (0..rows)
            .flat_map(|nth| classes.iter().filter_map(move |class| of_class(class, nth)))
            .collect()
    };
    let columns = if classes.is_empty() { abreast } else { classes.len() };
    let taken = shown.len().div_ceil(columns.max(1)).min(rows) as f32 * (side + PICTURE_LABEL + PICTURE_GAP);
    ui.spacing_mut().item_spacing = vec2(PICTURE_GAP, PICTURE_GAP);
    ui.add_space(((ui.available_height() + PICTURE_GAP - taken) / 2.0).max(0.0));
    for row in shown.chunks(columns.max(1)).take(rows) {
        ui.horizontal_top(|ui| {
            for sample in row {
                picture::thumbnail_ui(ui, sample, side);
            }
        });
    }
}

/// Some of every class in turn.
fn of_every_class(preview: &Preview) -> Vec<&SampleView> {
    let Task::Classification { classes } = &preview.summary.task else {
        return preview.samples.iter().collect();
    };
    let of_class = |class: &String| preview.samples.iter().filter(|sample| sample.truth == *class).collect();
    let by_class: Vec<Vec<&SampleView>> = classes.iter().map(of_class).collect();
    let most = by_class.iter().map(Vec::len).max().unwrap_or(0);
    (0..most)
        .flat_map(|nth| by_class.iter().filter_map(move |samples| samples.get(nth).copied()))
        .collect()
}

/// Small charts of sequences, each with its truth.
fn series_ui(ui: &mut Ui, preview: &Preview) {
    let size = vec2((ui.available_width() - 2.0 * theme::SPACE[1]) / 3.0, 40.0);
    ui.spacing_mut().item_spacing = vec2(theme::SPACE[1], 2.0);
    ScrollArea::vertical()
        .id_salt("series")
        .auto_shrink(false)
        .show(ui, |ui| {
            for row in of_every_class(preview).chunks(3).take(MOST_LINES / 3) {
                ui.horizontal_top(|ui| {
                    for sample in row {
                        let Some((shape, values)) = &sample.series else {
                            continue;
                        };
                        ui.vertical(|ui| {
                            ui.set_width(size.x);
                            let words = lines::in_words(*shape, values);
                            let name = format!("row {}: {}, {words}", sample.row, sample.truth);
                            lines::lines_ui(ui, *shape, values, size, None, &name).on_hover_text(name);
                            ui.add(Label::new(theme::hint(ui, &sample.truth)).truncate());
                        });
                    }
                });
            }
        });
}

/// Texts line by line, the class first.
fn texts_ui(ui: &mut Ui, preview: &Preview) {
    const CLASS_WIDTH: f32 = 64.0;
    let tokens = Tokens::of(ui);
    ui.spacing_mut().interact_size.y = ROW_HEIGHT;
    ScrollArea::vertical()
        .id_salt("texts")
        .auto_shrink(false)
        .show(ui, |ui| {
            for sample in of_every_class(preview).into_iter().take(MOST_LINES) {
                let text = sample.cells.join(" ");
                ui.horizontal(|ui| {
                    let size = vec2(CLASS_WIDTH, ROW_HEIGHT);
                    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
                        ui.set_min_width(CLASS_WIDTH);
                        let class = egui::RichText::new(&sample.truth).size(11.0).color(tokens.accent);
                        ui.add(Label::new(class).truncate());
                    });
                    let line = egui::RichText::new(&text).size(11.5);
                    ui.add(Label::new(line).truncate()).on_hover_text(&text);
                });
            }
        });
}

/// Sizes of the words in a table of rows.
const HEAD: f32 = 11.0;
const CELL: f32 = 11.5;
/// Least and most width of its columns.
const COLUMN: [f32; 2] = [24.0, 140.0];

/// A column of the table of rows: as wide as what is in it, its title over its cells.
struct RowsColumn<'a> {
    name: &'a str,
    width: f32,
    /// Numbers stand at the right, under each other.
    is_number: bool,
}

impl<'a> RowsColumn<'a> {
    /// At place 0 the target, then the columns.
    fn of(ui: &Ui, preview: &'a Preview, columns: &'a [String], place: usize) -> Self {
        let name = match place {
            0 => &preview.summary.target,
            place => &columns[place - 1],
        };
        let width = |text: String, font| {
            let galley = ui.painter().layout_no_wrap(text, font, egui::Color32::PLACEHOLDER);
            galley.size().x.ceil()
        };
        let cells = || preview.samples.iter().map(|sample| cell_of(sample, place));
        let longest = cells().map(|cell| cell.chars().count()).max().unwrap_or(0);
        let longest = width("0".repeat(longest), egui::FontId::monospace(CELL));
        let head = width(name.clone(), egui::FontId::proportional(HEAD));
        let mut filled = cells().filter(|cell| !cell.is_empty()).peekable();
        Self {
            name,
            width: longest.max(head).clamp(COLUMN[0], COLUMN[1]),
            is_number: filled.peek().is_some() && filled.all(|cell| cell.parse::<f64>().is_ok()),
        }
    }

    fn cell_ui(&self, ui: &mut Ui, text: egui::RichText) {
        let layout = if self.is_number {
            Layout::right_to_left(Align::Center)
        } else {
            Layout::left_to_right(Align::Center)
        };
        ui.with_layout(layout, |ui| ui.add(Label::new(text).truncate()));
    }
}

/// Of the target, at place 0, or of a column.
fn cell_of(sample: &SampleView, place: usize) -> &str {
    match place {
        0 => &sample.truth,
        place => sample.cells.get(place - 1).map_or("", String::as_str),
    }
}

/// The first rows as in the file, the target first.
fn rows_ui(ui: &mut Ui, preview: &Preview) {
    let summary = &preview.summary;
    let tokens = Tokens::of(ui);
    // Of a sequence every step is a cell.
    let columns = preview
        .samples
        .first()
        .map_or(&summary.columns, |sample| &sample.columns);
    let shown = columns.len().min(MOST_COLUMNS);
    let more = columns.len() - shown;
    let places: Vec<RowsColumn> = (0..=shown)
        .map(|place| RowsColumn::of(ui, preview, columns, place))
        .collect();
    ScrollArea::horizontal()
        .id_salt("rows")
        .auto_shrink(false)
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.x = 10.0;
            let mut table = TableBuilder::new(ui)
                .id_salt(&summary.name)
                .vscroll(true)
                .auto_shrink(false)
                .cell_layout(Layout::left_to_right(Align::Center));
            for column in &places {
                table = table.column(Column::exact(column.width).clip(true));
            }
            if more > 0 {
                table = table.column(Column::auto());
            }
            table
                .header(ROW_HEIGHT, |mut row| {
                    for (place, column) in places.iter().enumerate() {
                        let colour = if place == 0 { tokens.accent } else { tokens.text_soft };
                        row.col(|ui| column.cell_ui(ui, egui::RichText::new(column.name).size(HEAD).color(colour)));
                    }
                    if more > 0 {
                        row.col(|ui| {
                            let words = theme::hint(ui, format!("and {more} columns more"));
                            ui.add(Label::new(words).extend());
                        });
                    }
                })
                .body(|body| {
                    body.rows(ROW_HEIGHT, preview.samples.len(), |mut row| {
                        let Some(sample) = preview.samples.get(row.index()) else {
                            return;
                        };
                        for (place, column) in places.iter().enumerate() {
                            let text = theme::number(cell_of(sample, place)).size(CELL);
                            row.col(|ui| column.cell_ui(ui, text));
                        }
                        if more > 0 {
                            row.col(|_| {});
                        }
                    });
                });
        });
}

/// Two inputs as a plane, the classes by their colours.
fn scatter_ui(ui: &mut Ui, preview: &Preview) {
    let tokens = Tokens::of(ui);
    let summary = &preview.summary;
    let classes: &[String] = match &summary.task {
        Task::Classification { classes } => classes,
        Task::Regression { targets } => targets.as_slice(),
    };
    let [x, y] = [0, 1].map(|axis| summary.columns.get(axis).cloned().unwrap_or_default());
    let legend = 16.0;
    let height = ui.available_height() - legend - ui.spacing().item_spacing.y;
    let response = Plot::new("scatter")
        .height(height)
        .show_axes(false)
        .show_grid(false)
        .show_background(false)
        .allow_zoom(false)
        .allow_drag(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .allow_double_click_reset(false)
        .show_crosshair(false)
        .sense(Sense::hover())
        .label_formatter(move |position| match position {
            HoverPosition::NearDataPoint {
                plot_name, position, ..
            } => Some(format!(
                "{plot_name}\n{x} {}\n{y} {}",
                units::significant(position.x),
                units::significant(position.y)
            )),
            HoverPosition::Elsewhere { .. } => None,
        })
        .show(ui, |plot| {
            for (place, class) in classes.iter().enumerate() {
                let points: Vec<[f64; 2]> = preview
                    .points
                    .iter()
                    .filter(|(_, class)| *class as usize == place)
                    .map(|(point, _)| *point)
                    .collect();
                let points = Points::new(class.clone(), points).radius(1.6).color(tokens.run(place));
                plot.points(points);
            }
        })
        .response;
    let name = format!(
        "Scatter of {} points in {} colours",
        preview.points.len(),
        classes.len()
    );
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &name));
    ui.horizontal(|ui| {
        ui.set_height(legend);
        ui.spacing_mut().item_spacing.x = 4.0;
        for (place, class) in classes.iter().enumerate().take(8) {
            mark::dot(ui, tokens.run(place));
            ui.label(theme::hint(ui, class));
        }
    });
}
