//! The network's settings, with its picture.

use egui::{Align, Button, Layout, Response, Ui, vec2};
use egui_material_icons::{MaterialIcon, icons};

use super::fields::Fields;
use super::figures::{Figures, are_current, what_is_missing};
use crate::app::theme::{self, CONTROL_HEIGHT};
use crate::app::widgets::field::{self, Number, Typed};
use crate::app::widgets::network::network_ui;
use crate::spec::{Architecture, PaddingKind, RunConfig};

const PICTURE_HEIGHT: f32 = 84.0;
/// Width of a layer that is added to none.
const FIRST_WIDTH: usize = 32;

/// In a few words: `CNN 16, 32, dense 64`.
pub fn summary(config: &RunConfig) -> String {
    let model = &config.model;
    let hidden = field::list_text(&model.hidden);
    match model.architecture {
        Architecture::Linear => "linear".to_owned(),
        Architecture::Mlp => format!("MLP {hidden}"),
        Architecture::Cnn => format!("CNN {}, dense {hidden}", field::list_text(&model.filters)),
        other => other.title().to_owned(),
    }
}

pub fn model_ui(
    ui: &mut Ui,
    fields: &mut Fields,
    config: &mut RunConfig,
    defaults: &RunConfig,
    figures: Option<&Figures>,
) {
    picture_ui(ui, fields, figures);
    fields.problems_ui(ui, "model");
    let (model, defaults) = (&mut config.model, &defaults.model);
    fields.show_wide(
        ui,
        "model.architecture",
        &mut model.architecture,
        &defaults.architecture,
        |ui, value, _| {
            let options = [
                (Architecture::Linear, "Linear"),
                (Architecture::Mlp, "MLP"),
                (Architecture::Cnn, "CNN"),
            ];
            field::segments_ui(ui, value, &options)
        },
    );
    if fields.is_wrong("model.architecture") {
        ui.horizontal(|ui| {
            ui.add_space(field::GUTTER);
            if ui.button("Use an MLP").clicked() {
                model.architecture = Architecture::Mlp;
            }
        });
    }
    let is_cnn = model.architecture == Architecture::Cnn;
    let is_linear = model.architecture == Architecture::Linear;
    if is_cnn || fields.is_wrong("model.filters") {
        let key = "model.filters";
        fields.show(ui, key, &mut model.filters, &defaults.filters, |ui, value, typed| {
            layers_ui(ui, value, typed, "Filters")
        });
    }
    if is_cnn || fields.is_wrong("model.kernel") {
        let key = "model.kernel";
        fields.show(ui, key, &mut model.kernel, &defaults.kernel, field::list_ui);
    }
    if is_cnn || fields.is_wrong("model.pool") {
        let key = "model.pool";
        fields.show(ui, key, &mut model.pool, &defaults.pool, field::list_ui);
    }
    if is_cnn {
        let key = "model.padding";
        fields.show(ui, key, &mut model.padding, &defaults.padding, |ui, value, _| {
            let options = [(PaddingKind::Same, "same"), (PaddingKind::Valid, "valid")];
            field::choice_ui(ui, value, &options)
        });
        let key = "model.batch_norm";
        fields.show(ui, key, &mut model.batch_norm, &defaults.batch_norm, |ui, value, _| {
            field::switch_ui(ui, value)
        });
    }
    if !is_linear || fields.is_wrong("model.hidden") {
        let key = "model.hidden";
        fields.show(ui, key, &mut model.hidden, &defaults.hidden, |ui, value, typed| {
            layers_ui(ui, value, typed, "Hidden units")
        });
    }
    if !is_linear || fields.is_wrong("model.dropout") {
        let key = "model.dropout";
        fields.show(ui, key, &mut model.dropout, &defaults.dropout, |ui, value, typed| {
            let look = Number::by(0.005);
            field::slider_ui(ui, value, typed, look, (0.0, 0.9), "Dropout")
        });
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

/// The widths of layers as text, and buttons for one layer more or less.
fn layers_ui(ui: &mut Ui, widths: &mut Vec<usize>, typed: &mut Option<Typed>, name: &str) -> Response {
    let tool = vec2(22.0, CONTROL_HEIGHT);
    let room = ui.available_width() - 2.0 * (tool.x + ui.spacing().item_spacing.x);
    let response = ui
        .allocate_ui_with_layout(vec2(room, CONTROL_HEIGHT), Layout::left_to_right(Align::Center), |ui| {
            field::list_ui(ui, widths, typed)
        })
        .inner;
    let mut tool_ui = |icon: MaterialIcon, is_enabled: bool, says: &str| {
        ui.scope(|ui| {
            ui.spacing_mut().button_padding = vec2(2.0, 2.0);
            ui.add_enabled(is_enabled, Button::new(theme::icon(icon).size(15.0)).min_size(tool))
        })
        .inner
        .accessible_name(format!("{name}: {says}"))
        .on_hover_text(says)
        .clicked()
    };
    if tool_ui(icons::ICON_REMOVE, !widths.is_empty(), "one layer less") {
        widths.pop();
    }
    if tool_ui(icons::ICON_ADD, true, "one layer more") {
        widths.push(widths.last().copied().unwrap_or(FIRST_WIDTH));
    }
    response
}
