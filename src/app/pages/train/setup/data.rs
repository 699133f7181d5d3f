//! Where the samples come from and how they are divided.

use std::path::Path;

use egui::text::{LayoutJob, TextFormat};
use egui::{Align, Button, ComboBox, FontId, Label, Layout, Response, Role, Ui, vec2};
use egui_material_icons::icons;

use super::fields::Fields;
use super::preview::preview_ui;
use crate::app::action::{Action, Actions};
use crate::app::state::{Form, Model, PreviewState};
use crate::app::theme::{self, CONTROL_HEIGHT, Tokens};
use crate::app::widgets::field::{self, Number, Typed};
use crate::jobs::is_generated;
use crate::spec::{DataConfig, DatasetSummary, RunConfig, Shape, Task, TaskKind};

const PARTS: [&str; 3] = ["train", "valid.", "test"];
const PART_KEYS: [&str; 3] = ["data.split.train", "data.split.validation", "data.split.test"];
const PART_NAMES: [&str; 3] = ["Training share", "Validation share", "Test share"];

/// The columns of the form's data, for as long as the source is the same.
#[derive(Debug, Default)]
pub struct Columns {
    source: String,
    names: Vec<String>,
    /// Whether there are columns to choose from; as it was while that is not known.
    is_table: bool,
}

impl Columns {
    /// `is_file` tells that the source is none of the sets by name.
    pub fn keep(&mut self, form: &Form, is_file: bool) {
        let source = &form.config.data.source;
        if self.source != *source {
            self.source.clone_from(source);
            self.names.clear();
        }
        match &form.preview {
            PreviewState::Ready(preview) => {
                let is_image = matches!(preview.summary.input, Shape::Image { .. });
                self.is_table = !is_image && !is_generated(source);
            }
            PreviewState::Failed(_) => self.is_table |= is_file,
            PreviewState::Waiting => {}
        }
        if let Some(preview) = form.preview()
            && !self.names.contains(&preview.summary.target)
        {
            self.names.clone_from(&preview.summary.columns);
            self.names.push(preview.summary.target.clone());
        }
    }
}

/// In a few words: `digits, 1797 rows, 10 classes`.
pub fn summary(form: &Form) -> String {
    let source = short(&form.config.data.source);
    match (&form.preview, form.preview()) {
        (_, Some(preview)) => format!("{source}, {}", facts(&preview.summary).join(", ")),
        (PreviewState::Failed(_), None) => format!("{source} cannot be read"),
        (_, None) => source,
    }
}

/// Rows, inputs and what is to be predicted, each in a few words.
pub fn facts(summary: &DatasetSummary) -> Vec<String> {
    let inputs = match summary.input {
        Shape::Features { features } => format!("{features} inputs"),
        Shape::Image {
            channels: 1,
            height,
            width,
        } => format!("{height} × {width} pixels"),
        Shape::Image { height, width, .. } => format!("{height} × {width} pixels in colour"),
        Shape::Sequence { steps, features: 1 } => format!("{steps} steps"),
        Shape::Sequence { steps, features } => format!("{steps} steps of {features} values"),
        Shape::Tokens { steps, vocabulary } => format!("{steps} of {vocabulary} tokens"),
    };
    let task = match &summary.task {
        Task::Classification { classes } => format!("{} classes", classes.len()),
        Task::Regression { targets } if targets.len() > 1 => format!("{} numbers to predict", targets.len()),
        Task::Regression { .. } => "a number to predict".to_owned(),
    };
    vec![format!("{} rows", summary.rows), inputs, task]
}

/// A path's last part.
fn short(source: &str) -> String {
    Path::new(source)
        .file_name()
        .map_or_else(|| source.to_owned(), |name| name.to_string_lossy().into_owned())
}

#[expect(
    clippy::too_many_arguments,
    reason = "a section of the form, with what it reads and what it changes"
)]
pub fn data_ui(
    ui: &mut Ui,
    fields: &mut Fields,
    config: &mut RunConfig,
    defaults: &RunConfig,
    model: &Model,
    columns: &Columns,
    notes_open: &mut bool,
    actions: &mut Actions,
) {
    let (data, defaults) = (&mut config.data, &defaults.data);
    source_ui(ui, fields, data, defaults, model, actions);
    preview_ui(ui, fields.form, notes_open, actions);
    let generated = is_generated(&data.source);
    if generated || fields.is_wrong("data.samples") {
        fields.show(
            ui,
            "data.samples",
            &mut data.samples,
            &defaults.samples,
            |ui, value, typed| field::number_ui(ui, value, typed, Number::by(5.0)),
        );
    }
    if generated || fields.is_wrong("data.noise") {
        fields.show(
            ui,
            "data.noise",
            &mut data.noise,
            &defaults.noise,
            |ui, value, typed| {
                let look = Number::by(0.005);
                field::slider_ui(ui, value, typed, look, (0.0, 1.0), "Noise")
            },
        );
    }
    let preview = fields.form.last_preview();
    if columns.is_table || data.target.is_some() {
        let by_itself = preview.map_or("", |preview| preview.summary.target.as_str());
        fields.show(
            ui,
            "data.target",
            &mut data.target,
            &defaults.target,
            |ui, value, typed| {
                if columns.names.is_empty() {
                    let show = |target: &Option<String>| target.clone().unwrap_or_default();
                    field::text_ui(ui, value, typed, "last column", show, |text| {
                        Ok((!text.trim().is_empty()).then(|| text.to_owned()))
                    })
                } else {
                    target_ui(ui, value, &columns.names, by_itself)
                }
            },
        );
    }
    if columns.is_table || data.task.is_some() {
        fields.show(ui, "data.task", &mut data.task, &defaults.task, |ui, value, _| {
            let options = [
                (None, "automatic"),
                (Some(TaskKind::Classification), "classification"),
                (Some(TaskKind::Regression), "regression"),
            ];
            field::choice_ui(ui, value, &options)
        });
    }
    split_ui(ui, fields, &mut data.split, &defaults.split);
    let is_lost = matches!(fields.form.preview, PreviewState::Failed(_));
    if !is_lost {
        // Room is kept while they are read.
        let rows = preview.map_or_else(String::new, |preview| {
            let split = preview.summary.split;
            format!(
                "{} training, {} validation, {} test rows",
                split.train, split.validation, split.test
            )
        });
        field::note_ui(ui, rows);
    }
    fields.show(
        ui,
        "data.split_seed",
        &mut data.split_seed,
        &defaults.split_seed,
        field::seed_ui,
    );
}

/// The chooser, the way to a file, and what is chosen.
fn source_ui(
    ui: &mut Ui,
    fields: &mut Fields,
    data: &mut DataConfig,
    defaults: &DataConfig,
    model: &Model,
    actions: &mut Actions,
) {
    let before = data.source.clone();
    fields.show(ui, "data.source", &mut data.source, &defaults.source, |ui, value, _| {
        sets_ui(ui, value, &model.datasets)
    });
    if data.source != before {
        // Columns and task were those of the other set.
        data.target = None;
        data.task = None;
    }
    let is_file = model.datasets.iter().all(|(name, _)| *name != data.source);
    if is_file {
        field::note_ui(ui, data.source.as_str()).on_hover_text(data.source.as_str());
    }
    let is_over = ui.input(|input| !input.raw.hovered_files.is_empty());
    ui.horizontal(|ui| {
        ui.add_space(field::GUTTER);
        ui.spacing_mut().item_spacing.x = 6.0;
        let icon = theme::icon(icons::ICON_FOLDER_OPEN).size(15.0);
        let button = Button::new((icon, "Open a table…")).min_size(vec2(0.0, CONTROL_HEIGHT));
        let response = ui.add(button).accessible_name("Open a table…");
        if response
            .on_hover_text("A CSV file, one row a sample (Ctrl+O)")
            .clicked()
        {
            actions.push(Action::ChooseDataFile);
        }
        if is_over {
            let text = egui::RichText::new("drop it to open it").size(11.0);
            ui.label(text.color(Tokens::of(ui).accent));
        } else {
            ui.add(Label::new(theme::hint(ui, "or drop it here")).truncate());
        }
    });
    ui.add_space(4.0);
}

/// The sets that need no file, each with what it is.
fn sets_ui(ui: &mut Ui, source: &mut String, sets: &[(&str, &str)]) -> Response {
    let tokens = Tokens::of(ui);
    ComboBox::from_id_salt("sets")
        .width(ui.available_width())
        .height(440.0)
        .truncate()
        .selected_text(short(source))
        .show_ui(ui, |ui| {
            for (name, about) in sets {
                let mut text = LayoutJob::default();
                text.append(name, 0.0, TextFormat::simple(FontId::proportional(13.0), tokens.text));
                let small = TextFormat::simple(FontId::proportional(11.0), tokens.text_faint);
                text.append(&format!("\n{about}"), 0.0, small);
                let button = Button::selectable(name == source, text);
                if ui.add(button).accessible_name(*name).clicked() {
                    (*name).clone_into(source);
                }
            }
        })
        .response
}

/// One of the columns, or the one that is taken by itself.
fn target_ui(ui: &mut Ui, target: &mut Option<String>, columns: &[String], by_itself: &str) -> Response {
    let shown = match target {
        Some(target) => target.clone(),
        None if by_itself.is_empty() => "default".to_owned(),
        None => format!("{by_itself} (default)"),
    };
    ComboBox::from_id_salt("columns")
        .width(ui.available_width())
        .truncate()
        .selected_text(shown)
        .show_ui(ui, |ui| {
            ui.selectable_value(target, None, "default");
            for column in columns {
                ui.selectable_value(target, Some(column.clone()), column);
            }
        })
        .response
}

/// Three shares in percent, which stay a whole.
fn split_ui(ui: &mut Ui, fields: &mut Fields, split: &mut [f64; 3], default: &[f64; 3]) {
    let mut typed = PART_KEYS.map(|key| fields.typing.remove(key));
    fields.show_wide(ui, "data.split", split, default, |ui, split, _| {
        let group = ui.horizontal(|ui| {
            ui.spacing_mut().button_padding.x = 4.0;
            let size = vec2((ui.available_width() - 8.0) / 3.0, CONTROL_HEIGHT);
            for (part, typed) in typed.iter_mut().enumerate() {
                let before = tidy(split[part] * 100.0);
                let mut percent = before;
                let look = Number::by(0.2).called(PARTS[part]).unit("%");
                let layout = Layout::left_to_right(Align::Center);
                ui.allocate_ui_with_layout(size, layout, |ui| {
                    field::number_ui(ui, &mut percent, typed, look).accessible_name(PART_NAMES[part])
                });
                if percent != before {
                    share(split, part, percent / 100.0);
                }
            }
        });
        let response = group.response;
        ui.ctx()
            .accesskit_node_builder(response.id, |node| node.set_role(Role::Group));
        response
    });
    for (key, typed) in PART_KEYS.into_iter().zip(typed) {
        if let Some(problem) = typed.as_ref().and_then(Typed::problem) {
            field::problem_ui(ui, &problem);
        }
        fields.typing.extend(typed.map(|typed| (key, typed)));
    }
}

/// Gives `part` this share: of the training rows at the others' expense in their proportion, else at that of the training rows.
fn share(split: &mut [f64; 3], part: usize, share: f64) {
    split[part] = tidy(share);
    if part == 0 {
        let others = split[1] + split[2];
        let first = if others > 0.0 { split[1] / others } else { 0.5 };
        split[1] = tidy((1.0 - split[0]) * first);
        split[2] = tidy(1.0 - split[0] - split[1]);
    } else {
        split[0] = tidy(1.0 - split[1] - split[2]);
    }
}

/// Without the dust of binary fractions.
fn tidy(share: f64) -> f64 {
    (share * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_stay_a_whole() {
        let mut split = [0.7, 0.15, 0.15];
        for (part, value, expected) in [
            (0, 0.8, [0.8, 0.1, 0.1]),
            (1, 0.2, [0.7, 0.2, 0.1]),
            (2, 0.3, [0.5, 0.2, 0.3]),
            (0, 0.0, [0.0, 0.4, 0.6]),
            (0, 1.0, [1.0, 0.0, 0.0]),
            (0, 0.6, [0.6, 0.2, 0.2]),
        ] {
            share(&mut split, part, value);
            assert_eq!(split, expected);
        }
    }
}
