//! The network's settings, with its picture.

use egui::{Layout, Ui, vec2};

use super::architecture;
use super::fields::Fields;
use super::figures::{Figures, are_current, what_is_missing};
use crate::app::action::{Action, Actions, Panel};
use crate::app::theme;
use crate::app::widgets::field::{self, Number};
use crate::app::widgets::network::network_ui;
use crate::spec::{
    ActivationKind, Architecture, Initialiser, ModelConfig, PaddingKind, PositionKind, RunConfig, Shape, SummaryKind,
};

const PICTURE_HEIGHT: f32 = 84.0;
/// Fields that are folded away.
const RARE: [&str; 6] = [
    "model.activation",
    "model.initialiser",
    "model.positions",
    "model.summary",
    "model.pre_norm",
    "model.dimensions",
];

/// In a few words: `CNN 16, 32, dense 64`.
pub fn summary(config: &RunConfig) -> String {
    let model = &config.model;
    let title = model.architecture.title();
    let widths = field::list_text;
    if let Some(layers) = model.layers.as_ref().filter(|_| !model.architecture.is_classical()) {
        return format!("{} layers of its own", layers.len());
    }
    let behind = match widths(&model.hidden).as_str() {
        "" => String::new(),
        hidden => format!(", dense {hidden}"),
    };
    match model.architecture {
        Architecture::Linear => "linear".to_owned(),
        Architecture::Mlp => format!("MLP {}", widths(&model.hidden)),
        Architecture::Cnn | Architecture::Cnn1d => format!("{title} {}{behind}", widths(&model.filters)),
        Architecture::Resnet | Architecture::Mobilenet => format!("{title} {}", widths(&model.filters)),
        Architecture::Rnn | Architecture::Gru | Architecture::Lstm => {
            format!("{title} {}{behind}", widths(&model.units))
        }
        Architecture::Transformer => format!("{title} {} blocks of {}", model.blocks, model.dimensions),
        Architecture::Knn => format!("{} nearest neighbours", model.neighbours),
        Architecture::Forest => format!("random forest of {} trees", model.trees),
        Architecture::Majority | Architecture::Logistic | Architecture::Ridge => title.to_lowercase(),
    }
}

pub fn model_ui(
    ui: &mut Ui,
    fields: &mut Fields,
    config: &mut RunConfig,
    defaults: &RunConfig,
    figures: Option<&Figures>,
    more: &mut bool,
    actions: &mut Actions,
) {
    picture_ui(ui, fields, figures);
    fields.problems_ui(ui, "model");
    let (model, defaults) = (&mut config.model, &defaults.model);
    architecture::architecture_ui(ui, fields, model, defaults, actions);
    architecture::presets_ui(ui, fields, model, actions);
    layers_ui(ui, fields, model, actions);
    convolution_ui(ui, fields, model, defaults);
    steps_ui(ui, fields, model, defaults);
    classical_ui(ui, fields, model, defaults);
    if fields.sees("model.hidden", model.uses("hidden")) {
        fields.widths(ui, "model.hidden", &mut model.hidden, &defaults.hidden);
    }
    if fields.sees("model.dropout", model.uses("dropout")) {
        let look = Number::by(0.005);
        let (key, dropout) = ("model.dropout", &mut model.dropout);
        fields.slider(ui, key, dropout, &defaults.dropout, look, (0.0, 0.9));
    }
    if !model.architecture.is_classical() {
        fields.more_ui(ui, more, &RARE, |ui, fields| rare_ui(ui, fields, model, defaults));
    }
}

/// The network's own layers, where it has any; the reset goes back to the knobs.
fn layers_ui(ui: &mut Ui, fields: &mut Fields, model: &mut ModelConfig, actions: &mut Actions) {
    if model.layers.is_none() || !model.uses("layers") {
        return;
    }
    fields.show(ui, "model.layers", &mut model.layers, &None, |ui, layers, _| {
        let button = egui::Button::new("Edit layers…").min_size(vec2(0.0, theme::CONTROL_HEIGHT));
        let response = ui.add(button);
        if response.clicked() {
            actions.push(Action::ShowPanel(Some(Panel::Layers)));
        }
        if let Some(layers) = layers {
            ui.add(egui::Label::new(theme::hint(ui, format!("{} of its own", layers.len()))).truncate());
        }
        response
    });
}

fn convolution_ui(ui: &mut Ui, fields: &mut Fields, model: &mut ModelConfig, defaults: &ModelConfig) {
    let is_1d = model.architecture == Architecture::Cnn1d;
    let has_stride = matches!(model.architecture, Architecture::Resnet | Architecture::Mobilenet);
    if fields.sees("model.filters", model.uses("filters")) {
        fields.widths(ui, "model.filters", &mut model.filters, &defaults.filters);
    }
    if fields.sees("model.kernel", model.uses("kernel")) {
        if is_1d {
            fields.called("Kernel, steps");
        }
        fields.list(ui, "model.kernel", &mut model.kernel, &defaults.kernel);
    }
    if fields.sees("model.pool", model.uses("pool")) {
        if has_stride {
            fields.called("Stride, pixels");
        } else if is_1d {
            fields.called("Pooling, steps");
        }
        fields.list(ui, "model.pool", &mut model.pool, &defaults.pool);
    }
    if model.uses("padding") {
        let options = [(PaddingKind::Same, "same"), (PaddingKind::Valid, "valid")];
        fields.choice(ui, "model.padding", &mut model.padding, &defaults.padding, &options);
    }
    if model.uses("batch_norm") {
        let key = "model.batch_norm";
        fields.switch(ui, key, &mut model.batch_norm, &defaults.batch_norm);
    }
}

/// Of what reads steps in their order.
fn steps_ui(ui: &mut Ui, fields: &mut Fields, model: &mut ModelConfig, defaults: &ModelConfig) {
    let input = fields.input();
    if fields.sees("model.units", model.uses("units")) {
        fields.widths(ui, "model.units", &mut model.units, &defaults.units);
    }
    if model.uses("bidirectional") {
        let key = "model.bidirectional";
        fields.switch(ui, key, &mut model.bidirectional, &defaults.bidirectional);
    }
    let is_transformer = model.architecture == Architecture::Transformer && model.layers.is_none();
    if is_transformer {
        dimensions_ui(ui, fields, model, defaults);
    }
    if fields.sees("model.heads", model.uses("heads")) {
        let look = Number::by(0.05);
        fields.number(ui, "model.heads", &mut model.heads, &defaults.heads, look);
    }
    if fields.sees("model.blocks", model.uses("blocks")) {
        let look = Number::by(0.05);
        fields.number(ui, "model.blocks", &mut model.blocks, &defaults.blocks, look);
    }
    if fields.sees("model.feed_forward", model.uses("feed_forward")) {
        let look = Number::by(0.5).counting("unit", "units");
        let key = "model.feed_forward";
        fields.number(ui, key, &mut model.feed_forward, &defaults.feed_forward, look);
    }
    let has_pixels = input.is_none_or(|input| matches!(input, Shape::Image { .. }));
    if fields.sees(
        "model.patch",
        model.uses("patch") && (has_pixels || model.patch.is_some()),
    ) {
        let look = Number::by(0.05);
        let (key, patch) = ("model.patch", &mut model.patch);
        fields.optional(ui, key, patch, &defaults.patch, look, 4, "whole rows");
    }
}

fn dimensions_ui(ui: &mut Ui, fields: &mut Fields, model: &mut ModelConfig, defaults: &ModelConfig) {
    let key = "model.dimensions";
    fields.number(ui, key, &mut model.dimensions, &defaults.dimensions, Number::by(0.2));
}

fn classical_ui(ui: &mut Ui, fields: &mut Fields, model: &mut ModelConfig, defaults: &ModelConfig) {
    if fields.sees("model.trees", model.uses("trees")) {
        fields.number(ui, "model.trees", &mut model.trees, &defaults.trees, Number::by(0.5));
    }
    if fields.sees("model.neighbours", model.uses("neighbours")) {
        let (key, look) = ("model.neighbours", Number::by(0.05));
        fields.number(ui, key, &mut model.neighbours, &defaults.neighbours, look);
    }
    if fields.sees("model.penalty", model.uses("penalty")) {
        let look = Number::by((model.penalty * 0.01).max(1e-4));
        fields.number(ui, "model.penalty", &mut model.penalty, &defaults.penalty, look);
    }
}

fn rare_ui(ui: &mut Ui, fields: &mut Fields, model: &mut ModelConfig, defaults: &ModelConfig) {
    if model.uses("activation") {
        let options = ActivationKind::ALL.map(|kind| (kind, kind.name()));
        let key = "model.activation";
        fields.choice(ui, key, &mut model.activation, &defaults.activation, &options);
    }
    if model.uses("initialiser") {
        let options = [
            (Initialiser::Kaiming, "Kaiming"),
            (Initialiser::Xavier, "Xavier"),
            (Initialiser::Orthogonal, "orthogonal"),
        ];
        let key = "model.initialiser";
        fields.choice(ui, key, &mut model.initialiser, &defaults.initialiser, &options);
    }
    if model.uses("positions") {
        let options = [
            (PositionKind::Learned, "learned"),
            (PositionKind::Sinusoidal, "sinusoidal"),
        ];
        let key = "model.positions";
        fields.choice(ui, key, &mut model.positions, &defaults.positions, &options);
    }
    if model.uses("summary") {
        let options = [
            (SummaryKind::Mean, "the mean of all steps"),
            (SummaryKind::First, "a first step of its own"),
        ];
        fields.choice(ui, "model.summary", &mut model.summary, &defaults.summary, &options);
    }
    if model.uses("pre_norm") {
        fields.switch(ui, "model.pre_norm", &mut model.pre_norm, &defaults.pre_norm);
    }
    // The vectors that stand for tokens.
    let is_text = matches!(fields.input(), Some(Shape::Tokens { .. }));
    let is_shown_above = model.architecture == Architecture::Transformer;
    if fields.sees(
        "model.dimensions",
        is_text && !is_shown_above && model.uses("dimensions"),
    ) {
        dimensions_ui(ui, fields, model, defaults);
    }
}

/// The network of the present settings, or of the last that were right.
fn picture_ui(ui: &mut Ui, fields: &Fields, figures: Option<&Figures>) {
    let is_current = are_current(fields.form);
    if let Some(figures) = figures {
        network_ui(ui, &figures.blocks, PICTURE_HEIGHT, is_current);
    } else {
        let size = vec2(ui.available_width(), PICTURE_HEIGHT);
        let layout = Layout::centered_and_justified(egui::Direction::TopDown);
        ui.allocate_ui_with_layout(size, layout, |ui| {
            ui.label(theme::hint(
                ui,
                format!("The network appears when {}", what_is_missing(fields.form)),
            ));
        });
    }
}
