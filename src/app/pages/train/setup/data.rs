//! Where the samples come from and how they are divided.

use egui::{Align, Button, Label, Layout, Role, Ui, vec2};

use super::fields::Fields;
use super::preview::preview_ui;
use super::source::{self, short};
use crate::app::action::{Action, Actions, Panel};
use crate::app::state::{Form, Model, PreviewState};
use crate::app::theme::{self, CONTROL_HEIGHT};
use crate::app::widgets::field::{self, Number, Typed};
use crate::jobs::{has_noise, is_generated};
use crate::spec::{DataConfig, DataKind, DatasetSummary, RunConfig, Shape, Task, TaskKind};

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
        if let Some(preview) = form.preview() {
            let summary = &preview.summary;
            let targets = summary.target.split(',').map(|name| name.trim().to_owned());
            for name in summary.columns.iter().cloned().chain(targets) {
                if !self.names.contains(&name) {
                    self.names.push(name);
                }
            }
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
        // A column of texts is an input for each of them.
        Shape::Features { features } if ![0, features].contains(&summary.columns.len()) => {
            format!("{features} inputs from {} columns", summary.columns.len())
        }
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

/// What the section keeps open.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct DataView {
    /// Findings and notes.
    told_open: [bool; 2],
    pub(super) more_open: bool,
    #[serde(skip)]
    columns: Columns,
}

impl DataView {
    pub fn keep(&mut self, model: &Model) {
        let is_file = source::is_file(model, &model.form.config.data.source);
        self.columns.keep(&model.form, is_file);
    }
}

/// Fields that are folded away.
const RARE: [&str; 2] = ["data.augment", "data.memory_mb"];

pub fn data_ui(
    ui: &mut Ui,
    fields: &mut Fields,
    config: &mut RunConfig,
    defaults: &RunConfig,
    model: &Model,
    view: &mut DataView,
    actions: &mut Actions,
) {
    let (data, defaults) = (&mut config.data, &defaults.data);
    source::source_ui(ui, fields, data, defaults, model, actions);
    preview_ui(ui, fields.form, &mut view.told_open, actions);
    generated_ui(ui, fields, data, defaults);
    kind_ui(ui, fields, data, defaults, model);
    table_ui(ui, fields, data, defaults, &view.columns);
    split_ui(ui, fields, &mut data.split, &defaults.split);
    let is_lost = matches!(fields.form.preview, PreviewState::Failed(_));
    if !is_lost {
        // Room is kept while they are read.
        let rows = fields.form.last_preview().map_or_else(String::new, |preview| {
            let split = preview.summary.split;
            format!(
                "{} training, {} validation, {} test rows",
                split.train, split.validation, split.test
            )
        });
        field::note_ui(ui, rows);
    }
    let (key, seed) = ("data.split_seed", &mut data.split_seed);
    fields.show(ui, key, seed, &defaults.split_seed, field::seed_ui);
    fields.more_ui(ui, &mut view.more_open, &RARE, |ui, fields| {
        augment_ui(ui, fields, data, defaults, actions);
        let (key, look) = ("data.memory_mb", Number::by(4.0).unit("MB"));
        fields.number(ui, key, &mut data.memory_mb, &defaults.memory_mb, look);
    });
}

fn generated_ui(ui: &mut Ui, fields: &mut Fields, data: &mut DataConfig, defaults: &DataConfig) {
    if fields.sees("data.samples", is_generated(&data.source)) {
        let look = Number::by(5.0);
        fields.number(ui, "data.samples", &mut data.samples, &defaults.samples, look);
    }
    if fields.sees("data.noise", has_noise(&data.source)) {
        let look = Number::by(0.005);
        fields.slider(ui, "data.noise", &mut data.noise, &defaults.noise, look, (0.0, 1.0));
    }
}

/// What only some kinds of data have.
fn kind_ui(ui: &mut Ui, fields: &mut Fields, data: &mut DataConfig, defaults: &DataConfig, model: &Model) {
    let kind = fields.form.last_preview().map(|preview| preview.summary.kind);
    let is = |wanted: DataKind| kind == Some(wanted);
    let is_series = is(DataKind::Series) || data.task == Some(TaskKind::Forecast);
    if fields.sees("data.window", is_series) {
        let look = Number::by(0.1).counting("step", "steps");
        fields.number(ui, "data.window", &mut data.window, &defaults.window, look);
    }
    if fields.sees("data.horizon", is_series) {
        let look = Number::by(0.05).counting("step", "steps");
        fields.number(ui, "data.horizon", &mut data.horizon, &defaults.horizon, look);
    }
    if fields.sees("data.steps", is(DataKind::Sequences) || is(DataKind::Text)) {
        let (key, look) = ("data.steps", Number::by(0.2));
        fields.optional(ui, key, &mut data.steps, &defaults.steps, look, 50, "as the longest");
    }
    if fields.sees("data.vocabulary", is(DataKind::Text)) {
        let (key, look) = ("data.vocabulary", Number::by(10.0).counting("word", "words"));
        let vocabulary = &mut data.vocabulary;
        fields.optional(ui, key, vocabulary, &defaults.vocabulary, look, 2000, "256 bytes");
    }
    let has_files = is(DataKind::Images) && source::is_file(model, &data.source);
    if fields.sees("data.image_size", has_files || data.image_size.is_some()) {
        let (key, look) = ("data.image_size", Number::by(0.2).counting("pixel", "pixels"));
        let size = &mut data.image_size;
        fields.optional(ui, key, size, &defaults.image_size, look, 28, "as the first one");
    }
    if has_files || data.grey {
        fields.switch(ui, "data.grey", &mut data.grey, &defaults.grey);
    }
}

/// What a table's columns are taken for.
fn table_ui(ui: &mut Ui, fields: &mut Fields, data: &mut DataConfig, defaults: &DataConfig, columns: &Columns) {
    if columns.is_table || data.target.is_some() {
        let preview = fields.form.last_preview();
        let by_itself = preview.map_or_else(String::new, |preview| preview.summary.target.clone());
        let (key, target) = ("data.target", &mut data.target);
        fields.show(ui, key, target, &defaults.target, |ui, value, typed| {
            if columns.names.is_empty() {
                let show = |target: &Option<String>| target.clone().unwrap_or_default();
                field::text_ui(ui, value, typed, "last column", show, |text| {
                    Ok((!text.trim().is_empty()).then(|| text.to_owned()))
                })
            } else {
                source::target_ui(ui, value, &columns.names, &by_itself)
            }
        });
    }
    if columns.is_table || data.task.is_some() {
        let options = [
            (None, "automatic"),
            (Some(TaskKind::Classification), "classification"),
            (Some(TaskKind::Regression), "regression"),
            (Some(TaskKind::Forecast), "forecast"),
        ];
        fields.choice(ui, "data.task", &mut data.task, &defaults.task, &options);
    }
}

/// What is done to training samples, in words, and the way to it.
fn augment_ui(ui: &mut Ui, fields: &mut Fields, data: &mut DataConfig, defaults: &DataConfig, actions: &mut Actions) {
    let (key, augment) = ("data.augment", &mut data.augment);
    fields.show(ui, key, augment, &defaults.augment, |ui, augment, _| {
        let button = Button::new("Edit…").min_size(vec2(0.0, CONTROL_HEIGHT));
        let response = ui.add(button).accessible_name("Edit augmentation…");
        if response.clicked() {
            actions.push(Action::ShowPanel(Some(Panel::Augmentation)));
        }
        let names: Vec<&str> = augment.iter().map(|change| change.name()).collect();
        let words = if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        };
        ui.add(Label::new(theme::hint(ui, &words)).truncate())
            .on_hover_text(words);
        response
    });
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
