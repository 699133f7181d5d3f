//! Which architecture, and how large: the list of all that there are, those that don't fit the data with the reason.

use egui::text::{LayoutJob, TextFormat};
use egui::{Button, ComboBox, FontId, Response, Ui};
use egui_material_icons::icons;

use super::fields::Fields;
use super::kinds::Tool;
use crate::app::action::{Action, Actions, Panel};
use crate::app::theme::{self, Tokens};
use crate::app::widgets::field;
use crate::spec::{Architecture, ModelConfig, ModelSpec, PresetSize, Shape, Task};

/// Opens the panel of advice.
const CHOOSE: Tool = Tool {
    icon: icons::ICON_LIGHTBULB,
    name: "Which one? Opens a ranked list with reasons",
};
/// Opens the layer editor.
const EDIT_LAYERS: Tool = Tool {
    icon: icons::ICON_EDIT,
    name: "Edit layers…",
};

/// What each is, in a line.
fn about(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::Majority => "always the commonest class, or the mean: what a model must beat",
        Architecture::Logistic => "one weighted sum a class; needs little data",
        Architecture::Ridge => "one weighted sum, with small weights preferred",
        Architecture::Knn => "asks the most similar training rows",
        Architecture::Forest => "votes of many decision trees; strong on tables",
        Architecture::Linear => "a single layer: fast, and easy to read",
        Architecture::Mlp => "dense layers: the all-rounder for tables",
        Architecture::Cnn => "convolutions share their weights over an image",
        Architecture::Resnet => "convolutions with short cuts: trains when deep",
        Architecture::Mobilenet => "cheap convolutions: small and fast",
        Architecture::Cnn1d => "convolutions along the steps of a sequence",
        Architecture::Rnn => "reads step by step, with a short memory",
        Architecture::Gru => "reads step by step, with gates that remember",
        Architecture::Lstm => "as GRU, with one memory more",
        Architecture::Transformer => "every step looks at every other",
    }
}

/// Why this architecture can't be used on such data, whatever its knobs.
pub fn misfit(architecture: Architecture, input: Shape, task: &Task) -> Option<String> {
    let model = ModelConfig::preset(architecture, PresetSize::Small, input);
    let why = |problem: &str, remedy: &str| Some(format!("{problem}; {remedy}"));
    match (architecture, task.is_regression()) {
        (Architecture::Logistic, true) => return why("it chooses a class", "ridge regression predicts numbers"),
        (Architecture::Ridge, false) => return why("it predicts numbers", "logistic regression chooses a class"),
        _ => {}
    }
    let issues = ModelSpec::from_config(&model, input, task.outputs()).err()?;
    let issue = issues.into_iter().next()?;
    why(&issue.problem, &issue.remedy)
}

/// The list, with a way to advice beside it.
pub fn architecture_ui(
    ui: &mut Ui,
    fields: &mut Fields,
    model: &mut ModelConfig,
    defaults: &ModelConfig,
    actions: &mut Actions,
) {
    let data = fields
        .form
        .last_preview()
        .map(|preview| (preview.summary.input, preview.summary.task.clone()));
    let mut chosen = model.architecture;
    let default = defaults.architecture;
    fields.show(ui, "model.architecture", &mut chosen, &default, |ui, chosen, _| {
        let mut is_asked = false;
        let response = super::kinds::beside_ui(
            ui,
            1,
            |ui| list_ui(ui, chosen, data.as_ref().map(|(input, task)| (*input, task))),
            |ui| is_asked = CHOOSE.ui(ui),
        );
        if is_asked {
            actions.push(Action::ShowPanel(Some(Panel::Choose)));
        }
        response
    });
    if chosen != model.architecture {
        take(model, chosen, data.as_ref().map(|(input, _)| *input));
    }
    if fields.is_wrong("model.architecture") {
        ui.horizontal(|ui| {
            ui.add_space(field::GUTTER);
            if ui.button("Use an MLP").clicked() {
                take(model, Architecture::Mlp, data.as_ref().map(|(input, _)| *input));
            }
        });
    }
}

/// Changes the architecture: a network that is as a preset has it becomes the other's preset of that size; knobs that were set
/// by hand stay. Layers of its own were those of the other.
fn take(model: &mut ModelConfig, architecture: Architecture, input: Option<Shape>) {
    let size = input.and_then(|input| size_of(model, input));
    match (size, input) {
        (Some(size), Some(input)) => *model = sized(model, architecture, size, input),
        _ => {
            model.architecture = architecture;
            model.layers = None;
        }
    }
}

/// The preset's knobs; what no preset sets stays as it is.
fn sized(model: &ModelConfig, architecture: Architecture, size: PresetSize, input: Shape) -> ModelConfig {
    ModelConfig {
        padding: model.padding,
        batch_norm: model.batch_norm,
        activation: model.activation,
        dropout: model.dropout,
        initialiser: model.initialiser,
        bidirectional: model.bidirectional,
        positions: model.positions,
        summary: model.summary,
        pre_norm: model.pre_norm,
        penalty: model.penalty,
        ..ModelConfig::preset(architecture, size, input)
    }
}

/// The size whose preset this is.
fn size_of(model: &ModelConfig, input: Shape) -> Option<PresetSize> {
    let is = |size: &PresetSize| {
        let preset = sized(model, model.architecture, *size, input);
        let same = |field: &str, is_same: bool| is_same || !model.uses(field);
        model.layers.is_none()
            && same("hidden", preset.hidden == model.hidden)
            && same("filters", preset.filters == model.filters)
            && same("kernel", preset.kernel == model.kernel)
            && same("pool", preset.pool == model.pool)
            && same("units", preset.units == model.units)
            && same("heads", preset.heads == model.heads)
            && same("blocks", preset.blocks == model.blocks)
            && same("feed_forward", preset.feed_forward == model.feed_forward)
            && same("trees", preset.trees == model.trees)
            && same("neighbours", preset.neighbours == model.neighbours)
            && (preset.dimensions == model.dimensions || model.architecture != Architecture::Transformer)
    };
    PresetSize::ALL.into_iter().find(is)
}

/// Three sizes to start from, where the architecture has sizes, and the way to the layers themselves.
pub fn presets_ui(ui: &mut Ui, fields: &Fields, model: &mut ModelConfig, actions: &mut Actions) {
    if model.layers.is_some() {
        return;
    }
    let has_sizes = !matches!(
        model.architecture,
        Architecture::Majority | Architecture::Logistic | Architecture::Ridge | Architecture::Linear
    );
    let has_layers = model.uses("layers");
    if !has_sizes && !has_layers {
        return;
    }
    let input = fields.input().filter(|_| has_sizes);
    let now = input.and_then(|input| size_of(model, input));
    let (mut wanted, mut is_asked) = (now, false);
    let options = PresetSize::ALL.map(|size| (Some(size), size.name()));
    ui.horizontal(|ui| {
        ui.add_space(field::GUTTER);
        ui.spacing_mut().button_padding.x = 4.0;
        ui.spacing_mut().item_spacing.x = 4.0;
        super::kinds::beside_ui(
            ui,
            usize::from(has_layers),
            |ui| {
                if has_sizes {
                    let sizes = |ui: &mut Ui| field::segments_ui(ui, &mut wanted, &options);
                    ui.add_enabled_ui(input.is_some(), sizes)
                        .inner
                        .accessible_name("Size")
                        .on_hover_text("Sets the widths and the number of layers; change them below as you like")
                } else {
                    ui.label(theme::hint(ui, "its size follows from the data"))
                }
            },
            |ui| is_asked = has_layers && EDIT_LAYERS.ui(ui),
        )
    });
    if is_asked {
        actions.push(Action::ShowPanel(Some(Panel::Layers)));
    }
    if wanted != now
        && let (Some(size), Some(input)) = (wanted, input)
    {
        *model = sized(model, model.architecture, size, input);
    }
}

/// The list that opens: baselines first, then networks.
fn list_ui(ui: &mut Ui, chosen: &mut Architecture, data: Option<(Shape, &Task)>) -> Response {
    ComboBox::from_id_salt("architectures")
        .width(ui.available_width())
        .height(560.0)
        .truncate()
        .selected_text(chosen.title())
        .show_ui(ui, |ui| {
            ui.set_min_width(300.0);
            ui.spacing_mut().item_spacing.y = 2.0;
            for (head, is_classical) in [
                ("Baselines, fitted in seconds", true),
                ("Networks, trained step by step", false),
            ] {
                ui.add_space(4.0);
                ui.label(theme::hint(ui, head));
                let all = Architecture::ALL.into_iter();
                for architecture in all.filter(|architecture| architecture.is_classical() == is_classical) {
                    let misfit = data.and_then(|(input, task)| misfit(architecture, input, task));
                    if entry_ui(ui, architecture, *chosen, misfit.as_deref()) {
                        *chosen = architecture;
                    }
                }
            }
        })
        .response
}

/// One of the list; true when it was chosen.
fn entry_ui(ui: &mut Ui, architecture: Architecture, chosen: Architecture, misfit: Option<&str>) -> bool {
    let tokens = Tokens::of(ui);
    let is_chosen = architecture == chosen;
    let text_colour = if misfit.is_some() {
        tokens.text_faint
    } else {
        tokens.text
    };
    let mut text = LayoutJob::default();
    let title = TextFormat::simple(FontId::proportional(13.0), text_colour);
    text.append(architecture.title(), 0.0, title);
    let small = TextFormat::simple(FontId::proportional(11.0), tokens.text_faint);
    let line = match misfit {
        Some(why) => why.split(';').next().unwrap_or_default().to_owned(),
        None => about(architecture).to_owned(),
    };
    text.append(&format!("\n{line}"), 0.0, small);
    let button = Button::selectable(is_chosen, text).min_size(egui::vec2(ui.available_width(), 0.0));
    let response = ui
        .add_enabled(misfit.is_none(), button)
        .accessible_name(architecture.title());
    match misfit {
        Some(why) => {
            response.on_disabled_hover_text(field::sentence(why));
            false
        }
        None => response.clicked(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGITS: Shape = Shape::Image {
        channels: 1,
        height: 8,
        width: 8,
    };

    fn classes() -> Task {
        Task::Classification {
            classes: vec!["a".to_owned(), "b".to_owned()],
        }
    }

    #[test]
    fn what_does_not_fit_the_data_says_why() {
        let table = Shape::Features { features: 4 };
        let why = misfit(Architecture::Cnn, table, &classes()).unwrap();
        assert!(why.contains("needs images"), "{why}");
        assert!(misfit(Architecture::Gru, table, &classes()).is_some());
        assert!(misfit(Architecture::Forest, table, &classes()).is_none());
        assert!(misfit(Architecture::Ridge, table, &classes()).is_some());
        assert!(misfit(Architecture::Logistic, table, &Task::regression("y")).is_some());
        for architecture in Architecture::ALL {
            let fits = misfit(architecture, DIGITS, &classes()).is_none();
            assert_eq!(fits, architecture != Architecture::Ridge, "{architecture}");
        }
    }

    #[test]
    fn another_architecture_keeps_the_size_and_hand_made_knobs_stay() {
        let mut model = ModelConfig::preset(Architecture::Cnn, PresetSize::Medium, DIGITS);
        model.dropout = 0.2;
        take(&mut model, Architecture::Gru, Some(DIGITS));
        assert_eq!(size_of(&model, DIGITS), Some(PresetSize::Medium));
        assert_eq!((model.units.as_slice(), model.dropout), ([128, 128].as_slice(), 0.2));
        model.units = vec![7];
        take(&mut model, Architecture::Lstm, Some(DIGITS));
        assert_eq!((model.architecture, model.units), (Architecture::Lstm, vec![7]));
    }
}
