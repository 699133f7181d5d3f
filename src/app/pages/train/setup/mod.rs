//! The set-up form: data, model, training, run, and what it would cost.

mod architecture;
mod data;
mod fields;
mod figures;
mod kinds;
mod model;
mod preview;
mod schedule;
mod source;
#[cfg(test)]
pub(super) mod tests;
mod training;

use std::collections::BTreeSet;

use egui::{
    Align, Button, Frame, Label, Layout, Margin, Panel, Role, ScrollArea, Sense, Ui, UiBuilder, WidgetInfo, vec2,
};
use egui_material_icons::{MaterialIcon, icons};

use crate::app::action::{Action, Actions, Dialog};
use crate::app::state::{Model, PreviewState};
use crate::app::theme::{self, Tokens};
use crate::spec::{RunConfig, dotted};
pub use architecture::misfit;
pub use data::facts as data_facts;
pub use fields::issue_words;

use data::DataView;
use fields::{Fields, Typing, problem_count};
use figures::Figures;

const WIDTH: f32 = 320.0;
const NARROW_WIDTH: f32 = 280.0;
const WIDEST: f32 = 460.0;
/// Below this width of the window the panel begins narrow.
const NARROW_WINDOW: f32 = 1200.0;

#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct SetupView {
    /// Which sections are open: data, model, training, run.
    open: [bool; 4],
    /// Whether the seldom needed fields are shown: of the model, of the training.
    more: [bool; 2],
    data: DataView,
    #[serde(skip)]
    typing: Typing,
    /// Of the last settings that were right.
    #[serde(skip)]
    figures: Option<Figures>,
    /// The configuration that `changed` is of.
    #[serde(skip)]
    compared: Option<RunConfig>,
    /// Keys whose value is not the default.
    #[serde(skip)]
    changed: BTreeSet<&'static str>,
}

impl Default for SetupView {
    fn default() -> Self {
        Self {
            open: [true, true, true, false],
            more: [false; 2],
            data: DataView::default(),
            typing: Typing::default(),
            figures: None,
            compared: None,
            changed: BTreeSet::new(),
        }
    }
}

impl SetupView {
    /// Takes from the form what stays on the screen while it is wrong.
    fn keep(&mut self, model: &Model) {
        let form = &model.form;
        if let Some(plan) = form.plan()
            && self.figures.as_ref().is_none_or(|figures| figures.plan != *plan)
        {
            self.figures = Some(Figures::of(plan));
        }
        if self.compared.as_ref() != Some(&form.config) {
            let defaults = dotted(&RunConfig::digits_cnn());
            let now = dotted(&form.config).into_iter().zip(defaults);
            let changed = now.filter(|(now, default)| now != default);
            self.changed = changed.map(|((key, _), _)| key).collect();
            self.compared = Some(form.config.clone());
        }
        self.data.keep(model);
    }
}

/// The panel on the left.
pub fn setup_ui(ui: &mut Ui, model: &Model, view: &mut SetupView, actions: &mut Actions) {
    let is_narrow = ui.ctx().content_rect().width() < NARROW_WINDOW;
    let tokens = Tokens::of(ui);
    let frame = theme::card(ui)
        .fill(tokens.panel)
        .inner_margin(Margin::symmetric(0, 8))
        .outer_margin(Margin {
            right: 10,
            ..Margin::ZERO
        });
    view.keep(model);
    Panel::left("setup")
        .default_size(if is_narrow { NARROW_WIDTH } else { WIDTH })
        .size_range(NARROW_WIDTH..=WIDEST)
        .show_separator_line(false)
        .frame(frame)
        .show(ui, |ui| {
            let sides = Frame::NONE.inner_margin(Margin::symmetric(12, 0));
            sides.show(ui, |ui| head_ui(ui, model, view, actions));
            let foot = Frame::NONE.inner_margin(Margin {
                left: 12,
                right: 12,
                top: 8,
                bottom: 0,
            });
            Panel::bottom("cost")
                .exact_size(figures::HEIGHT)
                .frame(foot)
                .show(ui, |ui| figures::cost_ui(ui, &model.form, view.figures.as_ref()));
            // A field that is too wide is cut off: the panel is as wide as the person has made it.
            let rect = ui.available_rect_before_wrap();
            let mut inner = ui.new_child(UiBuilder::new().max_rect(rect));
            inner.shrink_clip_rect(rect);
            ScrollArea::vertical()
                .id_salt("fields")
                .auto_shrink(false)
                .show(&mut inner, |ui| {
                    sides.show(ui, |ui| sections_ui(ui, model, view, actions));
                });
            ui.advance_cursor_after_rect(rect);
        });
}

/// The panel's name and what concerns the form as a whole.
fn head_ui(ui: &mut Ui, model: &Model, view: &mut SetupView, actions: &mut Actions) {
    ui.horizontal(|ui| {
        ui.set_min_height(theme::CONTROL_HEIGHT);
        ui.label(theme::strong("Set-up"));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 2.0;
            if tool_ui(ui, icons::ICON_RESTART_ALT, "Reset the set-up", "As at the first start") {
                view.typing.clear();
                actions.push(Action::ResetForm);
            }
            if tool_ui(
                ui,
                icons::ICON_CONTENT_PASTE,
                "Paste config",
                "Takes a configuration file's text",
            ) {
                actions.push(Action::Open(Dialog::PasteConfig));
            }
            if tool_ui(
                ui,
                icons::ICON_CONTENT_COPY,
                "Copy config",
                "The set-up as a configuration file",
            ) {
                actions.push(Action::CopyText(model.form.toml()));
            }
        });
    });
}

fn tool_ui(ui: &mut Ui, icon: MaterialIcon, name: &str, doc: &str) -> bool {
    let icon = theme::icon(icon).size(16.0).color(Tokens::of(ui).text_soft);
    ui.scope(|ui| {
        ui.spacing_mut().button_padding = vec2(4.0, 4.0);
        ui.add(Button::new(icon).frame_when_inactive(false).min_size(vec2(28.0, 28.0)))
    })
    .inner
    .accessible_name(name)
    .on_hover_text(format!("{name}: {}", doc.to_lowercase()))
    .clicked()
}

fn sections_ui(ui: &mut Ui, model: &Model, view: &mut SetupView, actions: &mut Actions) {
    let form = &model.form;
    let mut config = form.config.clone();
    let defaults = RunConfig::digits_cnn();
    let has_failed = matches!(form.preview, PreviewState::Failed(_)) && form.config.data.issues().is_empty();
    let problems = ["data", "model", "train", "run"].map(|section| problem_count(form, &view.typing, section));
    let [data_problems, model_problems, training_problems, run_problems] = problems;
    let SetupView {
        open,
        more,
        data,
        typing,
        figures,
        changed,
        ..
    } = view;
    let [data_open, model_open, training_open, run_open] = open;
    let [more_of_model, more_of_training] = more;
    let figures = figures.as_ref();
    let mut fields = Fields {
        form,
        typing,
        changed,
        called: None,
    };
    let head = Head {
        name: "Data",
        summary: &data::summary(form),
        problems: data_problems + usize::from(has_failed),
    };
    head.show(ui, data_open, |ui| {
        data::data_ui(ui, &mut fields, &mut config, &defaults, model, data, actions);
    });
    let head = Head {
        name: "Model",
        summary: &model::summary(&form.config),
        problems: model_problems,
    };
    head.show(ui, model_open, |ui| {
        model::model_ui(ui, &mut fields, &mut config, &defaults, figures, more_of_model, actions);
    });
    let head = Head {
        name: "Training",
        summary: &training::summary(&form.config),
        problems: training_problems,
    };
    head.show(ui, training_open, |ui| {
        training::training_ui(
            ui,
            &mut fields,
            &mut config,
            &defaults,
            figures,
            more_of_training,
            actions,
        );
    });
    let head = Head {
        name: "Run",
        summary: &training::run_summary(&form.config),
        problems: run_problems,
    };
    head.show(ui, run_open, |ui| {
        training::run_ui(ui, &mut fields, &mut config, &defaults);
    });
    if config != form.config {
        actions.push(Action::Edit(Box::new(config)));
    }
}

/// The head of a section that folds.
struct Head<'a> {
    name: &'static str,
    /// What is said of it while it is folded.
    summary: &'a str,
    /// Things to mend inside.
    problems: usize,
}

impl Head<'_> {
    fn show(&self, ui: &mut Ui, is_open: &mut bool, body: impl FnOnce(&mut Ui)) {
        let tokens = Tokens::of(ui);
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 30.0), Sense::click());
        if response.clicked() {
            *is_open = !*is_open;
        }
        let (name, is_shown) = (format!("{} settings", self.name), *is_open);
        response.widget_info(|| WidgetInfo::labeled(Role::DisclosureTriangle, true, &name));
        ui.ctx()
            .accesskit_node_builder(response.id, |node| node.set_expanded(is_shown));
        if response.hovered() || response.has_focus() {
            let visuals = ui.style().interact(&response);
            ui.painter()
                .rect_filled(rect, visuals.corner_radius, visuals.weak_bg_fill);
            if response.has_focus() {
                let stroke = ui.visuals().selection.stroke;
                ui.painter()
                    .rect_stroke(rect, visuals.corner_radius, stroke, egui::StrokeKind::Inside);
            }
        }
        let mut line = ui.new_child(
            egui::UiBuilder::new()
                .max_rect(rect)
                .layout(Layout::left_to_right(Align::Center)),
        );
        line.spacing_mut().item_spacing.x = 4.0;
        let icon = if is_shown {
            icons::ICON_EXPAND_MORE
        } else {
            icons::ICON_CHEVRON_RIGHT
        };
        line.add_space(-4.0);
        line.label(theme::icon(icon).size(16.0).color(tokens.text_faint));
        // Painted: the head as a whole bears the name.
        let title = egui::WidgetText::from(theme::strong(self.name).color(tokens.text));
        let title = title.into_galley(
            &line,
            Some(egui::TextWrapMode::Extend),
            f32::INFINITY,
            egui::TextStyle::Body,
        );
        let (place, _) = line.allocate_exact_size(title.size(), Sense::hover());
        line.painter().galley(place.min, title, tokens.text);
        if self.problems > 0 {
            line.label(theme::icon(icons::ICON_ERROR).size(14.0).color(tokens.bad));
            let text = format!("{} to mend", self.problems);
            line.label(egui::RichText::new(text).size(11.0).color(tokens.bad));
        } else if !is_shown {
            line.add_space(4.0);
            let text = theme::hint(&line, self.summary);
            line.add(Label::new(text).truncate());
        }
        if is_shown {
            ui.scope(|ui| {
                ui.spacing_mut().item_spacing.y = 3.0;
                body(ui);
            });
            ui.add_space(8.0);
        }
        ui.add(egui::Separator::default().spacing(1.0));
    }
}
