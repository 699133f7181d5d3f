//! Samples side by side: pictures in a grid, or rows in a table; and the list over the page when samples were asked for.

use egui::{Align, Id, Layout, Modal, RichText, ScrollArea, Ui, vec2};
use egui_extras::{Column, TableBuilder};
use egui_material_icons::icons;

use super::picture::{self, is_right};
use crate::app::action::{Action, Actions};
use crate::app::state::{Model, Samples};
use crate::app::theme::{self, Tokens};
use crate::spec::SampleView;

/// Side of a picture, and what is needed for it with truth and answer below, in points.
const SIDE: f32 = 64.0;
const CELL: egui::Vec2 = vec2(84.0, 100.0);
/// Height of a table's line, and of the title of what lies over the page.
const LINE: f32 = 22.0;
const HEAD: f32 = 40.0;

/// All of `samples`, scrolling in the space that there is.
pub fn samples_ui(ui: &mut Ui, samples: &[SampleView], salt: &str) {
    if samples.iter().any(|sample| sample.pixels.is_some()) {
        pictures_ui(ui, samples, salt);
    } else {
        table_ui(ui, samples, salt);
    }
}

fn pictures_ui(ui: &mut Ui, samples: &[SampleView], salt: &str) {
    let gap = ui.spacing().item_spacing.x;
    let in_a_row = (((ui.available_width() + gap) / (CELL.x + gap)) as usize).max(1);
    let rows = samples.len().div_ceil(in_a_row);
    let area = ScrollArea::vertical().id_salt(salt).auto_shrink(false);
    area.show_rows(ui, CELL.y, rows, |ui, shown| {
        for row in samples.chunks(in_a_row).skip(shown.start).take(shown.len()) {
            ui.horizontal(|ui| {
                for sample in row {
                    ui.allocate_ui_with_layout(CELL, Layout::top_down(Align::Min), |ui| {
                        ui.set_min_size(CELL);
                        picture::sample_ui(ui, sample, SIDE);
                    });
                }
            });
        }
    });
}

fn table_ui(ui: &mut Ui, samples: &[SampleView], salt: &str) {
    let Some(first) = samples.first() else { return };
    let tokens = Tokens::of(ui);
    let has_answers = samples.iter().any(|sample| !sample.answer.is_empty());
    let heads = ["row", "truth"].into_iter().chain(has_answers.then_some("answer"));
    let heads: Vec<&str> = heads.chain(first.columns.iter().map(String::as_str)).collect();
    let right = Layout::right_to_left(Align::Center);
    ScrollArea::horizontal()
        .id_salt(salt)
        .auto_shrink(false)
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.x = theme::SPACE[3];
            TableBuilder::new(ui)
                .id_salt(salt)
                .auto_shrink(false)
                .cell_layout(right)
                .columns(Column::auto().at_least(56.0), heads.len())
                .header(LINE, |mut header| {
                    for head in &heads {
                        header.col(|ui| {
                            ui.label(theme::label(ui, *head));
                        });
                    }
                })
                .body(|body| {
                    body.rows(LINE, samples.len(), |mut line| {
                        let sample = &samples[line.index()];
                        let mut cell = |text: RichText| {
                            line.col(|ui| {
                                ui.add(egui::Label::new(text).selectable(true).extend());
                            });
                        };
                        cell(theme::number(sample.row.to_string()).color(tokens.text_soft));
                        cell(theme::number(&sample.truth));
                        if has_answers {
                            let colour = tokens.signed(is_right(sample).filter(|right| !right));
                            cell(theme::number(&sample.answer).color(colour));
                        }
                        for value in &sample.cells {
                            cell(theme::number(value));
                        }
                    });
                });
        });
}

/// The samples that were asked for, over the page, until they are closed.
pub fn asked_samples_ui(ui: &mut Ui, model: &Model, actions: &mut Actions) {
    let Some(asked) = &model.samples else { return };
    let frame = egui::Frame::popup(ui.style()).inner_margin(theme::SPACE[3]);
    let modal = Modal::new(Id::unique("asked samples")).frame(frame).show(ui, |ui| {
        let available = ui.ctx().content_rect().size();
        let width = (available.x - 64.0).min(760.0);
        let height = HEAD + needed_height(asked, width).clamp(CELL.y, (available.y - 200.0).min(460.0));
        ui.set_min_size(vec2(width, height));
        ui.set_max_size(vec2(width, height));
        ui.horizontal(|ui| {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let button = ui.add(egui::Button::new(theme::icon(icons::ICON_CLOSE)).frame(false));
                button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Close samples"));
                if button.on_hover_text("Close (Esc)").clicked() {
                    actions.push(Action::CloseSamples);
                }
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    ui.add(egui::Label::new(theme::title(&asked.title)).truncate());
                });
            });
        });
        ui.add_space(theme::SPACE[1]);
        contents_ui(ui, asked);
    });
    if modal.should_close() {
        actions.push(Action::CloseSamples);
    }
}

/// What all samples take.
fn needed_height(asked: &Samples, width: f32) -> f32 {
    let Some(Ok(samples)) = &asked.samples else { return 0.0 };
    if samples.iter().any(|sample| sample.pixels.is_some()) {
        let in_a_row = ((width / (CELL.x + theme::SPACE[1])) as usize).max(1);
        samples.len().div_ceil(in_a_row) as f32 * (CELL.y + theme::SPACE[1])
    } else {
        (samples.len() as f32 + 1.0) * (LINE + theme::SPACE[1]) + theme::SPACE[3]
    }
}

fn contents_ui(ui: &mut Ui, asked: &Samples) {
    match &asked.samples {
        None => {
            ui.horizontal(|ui| {
                ui.spinner();
                ui.label(theme::label(ui, "Reading the samples"));
            });
        }
        Some(Err(reason)) => {
            ui.label(RichText::new(reason).color(Tokens::of(ui).bad));
        }
        Some(Ok(samples)) if samples.is_empty() => {
            ui.label(theme::label(ui, "The data have no such rows any more"));
        }
        Some(Ok(samples)) => samples_ui(ui, samples, "asked samples"),
    }
}
