//! The numbers and choices of one layer.

use std::collections::BTreeMap;

use egui::emath::Numeric;
use egui::{Align, ComboBox, Layout, Response, Ui, vec2};

use crate::app::theme::CONTROL_HEIGHT;
use crate::app::widgets::field::{self, Number, Typed};
use crate::spec::{ActivationKind, CellKind, LayerSpec, PaddingKind, PositionKind};

type Typing = BTreeMap<(usize, &'static str), Typed>;

/// The kind of layer, whatever its settings.
pub fn title(layer: &LayerSpec) -> &'static str {
    match layer {
        LayerSpec::Activation { .. } => "activation",
        LayerSpec::Recurrent { .. } => "recurrent",
        other => other.name(),
    }
}

/// Points that the fields of a layer take side by side.
pub fn width(layer: &LayerSpec) -> f32 {
    match layer {
        LayerSpec::Conv2d { .. } | LayerSpec::Conv1d { .. } => 320.0,
        LayerSpec::DepthwiseConv2d { .. } => 230.0,
        LayerSpec::Recurrent { .. } => 350.0,
        LayerSpec::BatchNorm
        | LayerSpec::LayerNorm
        | LayerSpec::GlobalAveragePool
        | LayerSpec::Flatten
        | LayerSpec::Rows
        | LayerSpec::ClassToken
        | LayerSpec::FirstStep
        | LayerSpec::Branch
        | LayerSpec::Sum => 0.0,
        _ => 120.0,
    }
}

/// The fields of one layer.
struct Row<'a> {
    place: usize,
    typing: &'a mut Typing,
}

/// What can be set of the layer, side by side.
pub fn fields_ui(ui: &mut Ui, place: usize, layer: &mut LayerSpec, typing: &mut Typing) {
    let mut row = Row { place, typing };
    match layer {
        LayerSpec::Dense { units } => row.number_ui(ui, "units", units, 92.0),
        LayerSpec::Conv2d {
            filters,
            kernel,
            stride,
            padding,
        }
        | LayerSpec::Conv1d {
            filters,
            kernel,
            stride,
            padding,
        } => {
            row.number_ui(ui, "filters", filters, 86.0);
            row.number_ui(ui, "kernel", kernel, 72.0);
            row.number_ui(ui, "stride", stride, 70.0);
            row.padding_ui(ui, padding);
        }
        LayerSpec::DepthwiseConv2d {
            kernel,
            stride,
            padding,
        } => {
            row.number_ui(ui, "kernel", kernel, 72.0);
            row.number_ui(ui, "stride", stride, 70.0);
            row.padding_ui(ui, padding);
        }
        LayerSpec::Activation { function } => {
            let options = ActivationKind::ALL.map(|kind| (kind, kind.name()));
            row.choice_ui(ui, "function", function, &options, 110.0);
        }
        LayerSpec::MaxPool { size } => row.number_ui(ui, "window", size, 86.0),
        LayerSpec::Dropout { probability } => row.real_ui(ui, "share", probability, 86.0),
        LayerSpec::Patches { size } => row.number_ui(ui, "pixels", size, 86.0),
        LayerSpec::Embedding { dimensions } => row.number_ui(ui, "dimensions", dimensions, 116.0),
        LayerSpec::Positions { encoding } => {
            let options = [
                (PositionKind::Learned, "learned"),
                (PositionKind::Sinusoidal, "sinusoidal"),
            ];
            row.choice_ui(ui, "encoding", encoding, &options, 110.0);
        }
        LayerSpec::Recurrent {
            cell,
            units,
            bidirectional,
            sequence,
        } => {
            let options = [CellKind::Rnn, CellKind::Gru, CellKind::Lstm].map(|kind| (kind, kind.name()));
            row.choice_ui(ui, "cell", cell, &options, 70.0);
            row.number_ui(ui, "units", units, 82.0);
            row.switch_ui(ui, "both ways", "Reads the sequence from both ends", bidirectional);
            row.switch_ui(
                ui,
                "all steps",
                "Passes on every step, not the last one alone",
                sequence,
            );
        }
        LayerSpec::SelfAttention { heads, .. } => row.number_ui(ui, "heads", heads, 86.0),
        LayerSpec::BatchNorm
        | LayerSpec::LayerNorm
        | LayerSpec::GlobalAveragePool
        | LayerSpec::Flatten
        | LayerSpec::Rows
        | LayerSpec::ClassToken
        | LayerSpec::FirstStep
        | LayerSpec::Branch
        | LayerSpec::Sum => {}
    }
}

impl Row<'_> {
    fn name(&self, what: &str) -> String {
        format!("Layer {} {what}", self.place)
    }

    fn number_ui(&mut self, ui: &mut Ui, what: &'static str, value: &mut usize, width: f32) {
        self.any_number_ui(ui, what, value, width, Number::by(0.1).called(what));
    }

    fn real_ui(&mut self, ui: &mut Ui, what: &'static str, value: &mut f64, width: f32) {
        self.any_number_ui(ui, what, value, width, Number::by(0.005).called(what));
    }

    fn any_number_ui<N: Numeric>(&mut self, ui: &mut Ui, what: &'static str, value: &mut N, width: f32, look: Number) {
        let mut typed = self.typing.remove(&(self.place, what));
        let name = self.name(what);
        sized(ui, width, |ui| {
            ui.push_id(what, |ui| {
                ui.spacing_mut().button_padding.x = 4.0;
                field::number_ui(ui, value, &mut typed, look).accessible_name(name)
            })
            .inner
        });
        if let Some(problem) = typed.as_ref().and_then(Typed::problem) {
            field::problem_ui(ui, &problem);
        }
        if let Some(typed) = typed {
            self.typing.insert((self.place, what), typed);
        }
    }

    fn padding_ui(&self, ui: &mut Ui, padding: &mut PaddingKind) {
        let options = [(PaddingKind::Same, "same"), (PaddingKind::Valid, "valid")];
        self.choice_ui(ui, "padding", padding, &options, 78.0);
    }

    fn choice_ui<T: PartialEq + Copy>(
        &self,
        ui: &mut Ui,
        what: &str,
        value: &mut T,
        options: &[(T, &str)],
        width: f32,
    ) {
        let shown = options.iter().find(|(option, _)| option == value);
        ComboBox::from_id_salt(what)
            .width(width)
            .truncate()
            .selected_text(shown.map_or("", |(_, name)| name))
            .show_ui(ui, |ui| {
                for (option, name) in options {
                    ui.selectable_value(value, *option, *name);
                }
            })
            .response
            .accessible_name(self.name(what));
    }

    fn switch_ui(&self, ui: &mut Ui, what: &str, about: &str, value: &mut bool) {
        ui.checkbox(value, what)
            .accessible_name(self.name(what))
            .on_hover_text(about);
    }
}

fn sized(ui: &mut Ui, width: f32, control: impl FnOnce(&mut Ui) -> Response) -> Response {
    let layout = Layout::left_to_right(Align::Center);
    ui.allocate_ui_with_layout(vec2(width, CONTROL_HEIGHT), layout, |ui| {
        ui.set_min_width(width);
        ui.set_max_width(width);
        control(ui)
    })
    .inner
}
