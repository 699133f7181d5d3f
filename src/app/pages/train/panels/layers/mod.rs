//! The layer editor: the network as a list, with shapes and cost beside each layer. The first change makes the knobs' network
//! an explicit list; the way back to the knobs stays.

mod add;
mod row;

use std::fmt::Write as _;

use std::collections::BTreeMap;

use egui::{Align, Button, Label, Layout, Rect, ScrollArea, Sense, Ui, pos2, vec2};
use egui_material_icons::icons;

use super::empty_ui;
use super::list::{self, Change, Drag, HANDLE_WIDTH, TOOLS_WIDTH};
use crate::app::action::{Action, Actions};
use crate::app::state::{Form, Model};
use crate::app::theme::{self, Tokens};
use crate::app::widgets::field::{self, Typed};
use crate::app::widgets::network::{layer_about, layer_colour};
use crate::cost;
use crate::spec::{LayerSpec, ModelSpec, Placed, Shape, ShapeError, units};

/// Below this width a line's figures stand below its fields.
const NARROW: f32 = 920.0;
const NUMBER_WIDTH: f32 = 26.0;
const NAME_WIDTH: f32 = 132.0;
/// Handle, number, colour and name.
const BEFORE_FIELDS: f32 = HANDLE_WIDTH + NUMBER_WIDTH + NAME_WIDTH + 20.0;
const OUTPUT_WIDTH: f32 = 118.0;
const COUNT_WIDTH: f32 = 84.0;
const LINE: f32 = 34.0;
/// Of a line whose figures stand below its fields.
const TALL_LINE: f32 = 50.0;
/// Shift of what stands within a residual block.
const INDENT: f32 = 10.0;

/// What is kept between frames.
#[derive(Debug, Default)]
pub struct LayersView {
    drag: Drag,
    /// New layers come after this one.
    selected: Option<usize>,
    /// By place and field.
    typing: BTreeMap<(usize, &'static str), Typed>,
}

/// The network as it stands.
struct Chain {
    /// Without the output layer.
    layers: Vec<LayerSpec>,
    input: Shape,
    outputs: usize,
    /// The layers at their places, as far as they fit, the output layer last.
    placed: Vec<Placed>,
    error: Option<ShapeError>,
}

impl Chain {
    /// None where the knobs make no network.
    fn of(form: &Form) -> Option<Self> {
        let summary = &form.last_preview()?.summary;
        let (input, outputs) = (summary.input, summary.task.outputs());
        let layers = match &form.config.model.layers {
            Some(layers) => layers.clone(),
            None => {
                let mut layers = ModelSpec::from_config(&form.config.model, input, outputs).ok()?.layers;
                layers.pop();
                layers
            }
        };
        let mut all = layers.clone();
        all.push(LayerSpec::Dense { units: outputs });
        let (placed, mut error) = ModelSpec { input, layers: all }.trace();
        if let (None, Some(last)) = (&error, placed.last())
            && !matches!(last.output, Shape::Features { .. })
        {
            error = Some(ShapeError {
                layer: layers.len(),
                name: "output",
                problem: format!(
                    "needs features, and {} come; end with flatten, a global average pool, the first step, or a recurrent layer \
                     that answers at its end",
                    last.input
                ),
            });
        }
        Some(Self {
            layers,
            input,
            outputs,
            placed,
            error,
        })
    }

    /// The layer at this place with what it costs, where it fits.
    fn placed(&self, place: usize) -> Option<&Placed> {
        self.placed.get(place)
    }

    /// What is wrong with the layer at this place.
    fn problem(&self, place: usize) -> Option<&str> {
        let error = self.error.as_ref().filter(|error| error.layer == place)?;
        Some(&error.problem)
    }

    /// Shape of what comes to the layer at this place; none behind one that does not fit.
    fn input_of(&self, place: usize) -> Option<Shape> {
        match place {
            0 => Some(self.input),
            _ => self.placed(place - 1).map(|placed| placed.output),
        }
    }

    /// How many residual blocks the layer at this place stands within.
    fn depth(&self, place: usize) -> usize {
        let before = &self.layers[..place.min(self.layers.len())];
        let depth = before.iter().fold(0_usize, |depth, layer| match layer {
            LayerSpec::Branch => depth + 1,
            LayerSpec::Sum => depth.saturating_sub(1),
            _ => depth,
        });
        let closes = self.layers.get(place) == Some(&LayerSpec::Sum);
        depth - usize::from(closes && depth > 0)
    }

    /// The other end of the residual block that begins or ends at this place.
    fn partner(&self, place: usize) -> Option<usize> {
        let mut open = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            match layer {
                LayerSpec::Branch => open.push(index),
                LayerSpec::Sum => {
                    let branch = open.pop()?;
                    if branch == place {
                        return Some(index);
                    }
                    if index == place {
                        return Some(branch);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

pub fn layers_ui(ui: &mut Ui, model: &Model, view: &mut LayersView, actions: &mut Actions) {
    let form = &model.form;
    let architecture = form.config.model.architecture;
    if architecture.is_classical() {
        let what = format!("{} has no layers", architecture.title());
        return empty_ui(
            ui,
            &what,
            "Choose a network under Model on the left to see and edit its layers",
        );
    }
    let Some(chain) = Chain::of(form) else {
        let why = match (
            form.last_preview(),
            form.checked.as_ref().err().and_then(|issues| issues.first()),
        ) {
            (Some(_), Some(issue)) => format!("{}; {}", field::sentence(&issue.problem), issue.remedy),
            _ => "The data are being read".to_owned(),
        };
        return empty_ui(ui, "The settings on the left make no network yet", &why);
    };
    view.selected = view.selected.filter(|place| *place < chain.layers.len());
    let mut layers = chain.layers.clone();
    head_ui(ui, form, &chain, view, &mut layers, actions);
    ui.add_space(theme::SPACE[0]);
    let is_narrow = ui.available_width() < NARROW;
    if !is_narrow {
        columns_ui(ui);
    }
    let mut change = None;
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        end_ui(ui, "Input", "one sample", chain.input, None, is_narrow);
        let mut lines = Vec::with_capacity(layers.len());
        for (place, layer) in layers.iter_mut().enumerate() {
            let mut line = Line {
                chain: &chain,
                place,
                is_narrow,
                view: &mut *view,
            };
            let (rect, asked) = line.ui(ui, layer);
            lines.push(rect);
            change = change.or(asked);
        }
        change = change.or(view.drag.settle(ui, &lines));
        let output = chain.placed(chain.layers.len());
        let about = format!("dense, {} units", chain.outputs);
        let shape = Shape::Features {
            features: chain.outputs,
        };
        end_ui(ui, "Output", &about, shape, output, is_narrow);
        if let Some(problem) = chain.problem(chain.layers.len()) {
            field::problem_ui(ui, problem);
        }
        ui.add_space(theme::SPACE[1]);
        let hint = "A layer's name takes the keys: Alt with an arrow moves it, Delete removes it. Drag a handle to move a layer";
        ui.label(theme::hint(ui, hint));
    });
    if let Some(change) = change {
        follow(change, &chain, &mut layers, view);
    }
    if layers != chain.layers {
        let mut config = form.config.clone();
        config.model.layers = Some(layers);
        actions.push(Action::Edit(Box::new(config)));
    }
}

/// Does what was asked for; with one end of a residual block its other end goes.
fn follow(change: Change, chain: &Chain, layers: &mut Vec<LayerSpec>, view: &mut LayersView) {
    view.typing.clear();
    match change {
        Change::Remove(place) => {
            let partner = chain.partner(place);
            change.apply(layers);
            if let Some(other) = partner {
                layers.remove(if other > place { other - 1 } else { other });
            }
            view.selected = None;
        }
        Change::Move { to, .. } => {
            change.apply(layers);
            view.selected = Some(to);
        }
    }
}

/// Whose layers these are, what they cost, and the ways to more and back.
fn head_ui(
    ui: &mut Ui,
    form: &Form,
    chain: &Chain,
    view: &mut LayersView,
    layers: &mut Vec<LayerSpec>,
    actions: &mut Actions,
) {
    let is_own = form.config.model.layers.is_some();
    ui.horizontal(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if let Some(place) = add::add_ui(ui, chain, view.selected, layers) {
                view.selected = Some(place);
                view.typing.clear();
            }
            if is_own {
                let back = Button::new("Back to the knobs");
                let hover =
                    "Forgets these layers: the settings on the left make the network again (Ctrl+Z brings them back)";
                if ui.add(back).on_hover_text(hover).clicked() {
                    let mut config = form.config.clone();
                    config.model.layers = None;
                    layers.clone_from(&chain.layers);
                    actions.push(Action::Edit(Box::new(config)));
                }
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.spacing_mut().item_spacing.x = theme::SPACE[1];
                let title = if is_own {
                    "Layers of its own"
                } else {
                    "Made by the knobs"
                };
                ui.label(theme::strong(title));
                let words = match &chain.error {
                    Some(error) => format!("{} does not fit", field::sentence(error.name)),
                    None if is_own => total_words(chain),
                    None => format!("{}; the first change makes them its own", total_words(chain)),
                };
                ui.add(Label::new(theme::hint(ui, words)).truncate());
            });
        });
    });
}

fn total_words(chain: &Chain) -> String {
    let parameters: u64 = chain.placed.iter().map(cost::layer_parameters).sum();
    let multiply_adds: u64 = chain.placed.iter().map(cost::layer_multiply_adds).sum();
    format!(
        "{} parameters, {} multiply-adds for one sample",
        units::count(parameters as f64),
        units::count(multiply_adds as f64)
    )
}

/// The names of the columns of figures.
fn columns_ui(ui: &mut Ui) {
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 16.0), Sense::hover());
    let faint = Tokens::of(ui).text_faint;
    let mut right = rect.right() - TOOLS_WIDTH - theme::SPACE[1] - 4.0;
    for (name, width) in [
        ("multiply-adds", COUNT_WIDTH),
        ("parameters", COUNT_WIDTH),
        ("output", OUTPUT_WIDTH),
    ] {
        let place = pos2(right, rect.center().y);
        let font = egui::FontId::proportional(11.0);
        ui.painter().text(place, egui::Align2::RIGHT_CENTER, name, font, faint);
        right -= width;
    }
}

/// The figures of a layer, right-aligned, or in a line of words.
fn figures_ui(ui: &mut Ui, rect: Rect, output: Option<Shape>, placed: Option<&Placed>, is_narrow: bool) {
    let tokens = Tokens::of(ui);
    let count = |cost: fn(&Placed) -> u64| {
        placed.map_or_else(
            || "–".to_owned(),
            |placed| match cost(placed) {
                0 => "–".to_owned(),
                count => units::count(count as f64),
            },
        )
    };
    let output = output.map_or_else(|| "–".to_owned(), |shape| shape.to_string());
    let [parameters, multiply_adds] = [count(cost::layer_parameters), count(cost::layer_multiply_adds)];
    if is_narrow {
        let mut words = format!("output {output}");
        for (count, name) in [(&parameters, "parameters"), (&multiply_adds, "multiply-adds")] {
            if count != "–" {
                let _ = write!(words, " · {count} {name}");
            }
        }
        let font = egui::FontId::proportional(11.0);
        let place = rect.left_center();
        ui.painter()
            .text(place, egui::Align2::LEFT_CENTER, words, font, tokens.text_faint);
        return;
    }
    let mut right = rect.right();
    for (text, width) in [
        (multiply_adds, COUNT_WIDTH),
        (parameters, COUNT_WIDTH),
        (output, OUTPUT_WIDTH),
    ] {
        let place = pos2(right, rect.center().y);
        let font = egui::FontId::monospace(12.0);
        let colour = if text == "–" { tokens.text_faint } else { tokens.text };
        ui.painter().text(place, egui::Align2::RIGHT_CENTER, text, font, colour);
        right -= width;
    }
}

/// The line of what is given: the input, or the output layer.
fn end_ui(ui: &mut Ui, name: &str, about: &str, shape: Shape, placed: Option<&Placed>, is_narrow: bool) {
    let tokens = Tokens::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), LINE - 4.0), Sense::hover());
    let left = rect.left() + 8.0 + HANDLE_WIDTH + NUMBER_WIDTH;
    let painter = ui.painter();
    let colour = layer_colour(placed.map(|placed| placed.layer), &tokens);
    painter.circle_filled(pos2(left + 4.0, rect.center().y), 4.0, colour);
    let body = egui::FontId::proportional(13.0);
    let align = egui::Align2::LEFT_CENTER;
    let place = pos2(left + 16.0, rect.center().y);
    let end = painter.text(place, align, name, body, tokens.text_soft).right();
    let small = egui::FontId::proportional(11.0);
    let about = if is_narrow {
        format!("{about}, {shape}")
    } else {
        about.to_owned()
    };
    painter.text(
        pos2(end + 8.0, rect.center().y),
        align,
        &about,
        small,
        tokens.text_faint,
    );
    if !is_narrow {
        let figures = rect.with_max_x(rect.right() - TOOLS_WIDTH - theme::SPACE[1] - 4.0);
        figures_ui(ui, figures, Some(shape), placed, false);
    }
    let words = format!("{name}: {about}, {shape}");
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, &words));
}

/// One layer's line.
struct Line<'a> {
    chain: &'a Chain,
    place: usize,
    is_narrow: bool,
    view: &'a mut LayersView,
}

impl Line<'_> {
    /// Its rectangle, and what was asked for.
    fn ui(&mut self, ui: &mut Ui, layer: &mut LayerSpec) -> (Rect, Option<Change>) {
        let (chain, place) = (self.chain, self.place);
        let tokens = Tokens::of(ui);
        let problem = chain.problem(place);
        let count = chain.layers.len();
        let height = if self.is_narrow { TALL_LINE } else { LINE };
        // The fields have a line of their own where they have no room beside the name.
        let beside = ui.available_width() - 8.0 - TOOLS_WIDTH - BEFORE_FIELDS;
        let is_below = self.is_narrow && row::width(layer) > beside;
        let below = if is_below { LINE } else { 0.0 };
        let height = height + below;
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::click());
        if response.clicked() {
            self.view.selected = Some(place);
        }
        let is_selected = self.view.selected == Some(place);
        let fill = match (problem, is_selected) {
            (Some(_), _) => tokens.bad.gamma_multiply(0.12),
            (None, true) => tokens.selection(),
            (None, false) => tokens.panel,
        };
        ui.painter().rect_filled(rect, 4, fill);
        if problem.is_some() {
            let stroke = egui::Stroke::new(1.0, tokens.bad);
            ui.painter().rect_stroke(rect, 4, stroke, egui::StrokeKind::Inside);
        }
        let top = rect.with_max_y(rect.top() + LINE).shrink2(vec2(4.0, 0.0));
        let mut change = None;
        let tools = top.with_min_x(top.right() - TOOLS_WIDTH);
        let name = format!("layer {place}, {}", row::title(layer));
        list::part_ui(ui, tools, ("tools", place), |ui| {
            let removes = if chain.partner(place).is_some() {
                "Remove the block of"
            } else {
                "Remove"
            };
            change = list::tools_ui(ui, place, count, &name, removes);
        });
        let figures_width = OUTPUT_WIDTH + 2.0 * COUNT_WIDTH;
        let end = if self.is_narrow {
            tools.left()
        } else {
            tools.left() - theme::SPACE[1] - figures_width
        };
        let indent = chain.depth(place) as f32 * INDENT;
        list::part_ui(ui, top.with_max_x(end), ("fields", place), |ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            self.view.drag.handle_ui(ui, place, &name);
            change = change.or(self.name_ui(ui, layer, indent, &name));
            if !is_below {
                row::fields_ui(ui, place, layer, &mut self.view.typing);
            }
        });
        if is_below {
            let left = top.left() + HANDLE_WIDTH + 8.0;
            let line = top.translate(vec2(0.0, LINE - 4.0)).with_min_x(left);
            list::part_ui(ui, line, ("fields below", place), |ui| {
                ui.spacing_mut().item_spacing.x = 4.0;
                row::fields_ui(ui, place, layer, &mut self.view.typing);
            });
        }
        let placed = chain.placed(place);
        let output = placed.map(|placed| placed.output);
        let figures = if self.is_narrow {
            let left = top.left() + HANDLE_WIDTH + NUMBER_WIDTH + indent + 22.0;
            rect.with_min_y(top.bottom() + below - 6.0).with_min_x(left)
        } else {
            top.with_max_x(tools.left() - theme::SPACE[1]).with_min_x(end)
        };
        figures_ui(ui, figures, output, placed, self.is_narrow);
        if let Some(problem) = problem {
            field::problem_ui(ui, problem);
        }
        (rect, change)
    }

    /// Number, colour and name; the name takes the keys, and tells all of the line to those who do not see it.
    fn name_ui(&mut self, ui: &mut Ui, layer: &LayerSpec, indent: f32, name: &str) -> Option<Change> {
        let tokens = Tokens::of(ui);
        let (chain, place) = (self.chain, self.place);
        let (number, _) = ui.allocate_exact_size(vec2(NUMBER_WIDTH - 8.0, LINE), Sense::hover());
        let font = egui::FontId::monospace(11.0);
        let centre = egui::Align2::RIGHT_CENTER;
        let place_of = number.right_center();
        ui.painter()
            .text(place_of, centre, place.to_string(), font, tokens.text_faint);
        let (dot, _) = ui.allocate_exact_size(vec2(indent + 12.0, LINE), Sense::hover());
        for step in 0..(indent / INDENT) as usize {
            let x = dot.left() + 4.0 + step as f32 * INDENT;
            ui.painter()
                .vline(x, dot.y_range(), egui::Stroke::new(1.5, tokens.run(3)));
        }
        let centre = pos2(dot.right() - 6.0, dot.center().y);
        ui.painter()
            .circle_filled(centre, 4.0, layer_colour(Some(*layer), &tokens));
        let title = row::title(layer);
        let width = (NAME_WIDTH - indent).max(60.0);
        let words = theme::strong(title).color(tokens.text);
        let button = Button::new((words, egui::Atom::grow()))
            .frame_when_inactive(false)
            .truncate()
            .min_size(vec2(width, 24.0));
        let size = vec2(width, LINE);
        let response = ui
            .allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
                ui.set_min_width(width);
                ui.set_max_width(width);
                ui.spacing_mut().button_padding.x = 4.0;
                ui.add(button)
            })
            .inner;
        let response = response.accessible_name(field::sentence(name));
        let told = match (chain.problem(place), chain.placed(place)) {
            (Some(problem), _) => problem.to_owned(),
            (None, Some(placed)) => format!(
                "output {}, {} parameters, {} multiply-adds",
                placed.output,
                cost::layer_parameters(placed),
                cost::layer_multiply_adds(placed)
            ),
            (None, None) => "not reached".to_owned(),
        };
        ui.ctx()
            .accesskit_node_builder(response.id, |node| node.set_description(told.as_str()));
        if response.clicked() {
            self.view.selected = Some(place);
        }
        let change = list::keys(ui, &response, place, chain.layers.len());
        response.on_hover_ui(|ui| {
            ui.label(theme::strong(field::sentence(title)));
            ui.label(theme::label(ui, layer_about(Some(*layer))));
            if let Some(placed) = chain.placed(place) {
                ui.label(theme::label(ui, format!("{} to {}", placed.input, placed.output)));
                let exact = cost::layer_parameters(placed);
                ui.label(theme::label(ui, format!("{exact} parameters")));
                let exact = cost::layer_multiply_adds(placed);
                ui.label(theme::label(ui, format!("{exact} multiply-adds for one sample")));
            }
        });
        change
    }
}

/// The button to add something.
fn add_button() -> Button<'static> {
    Button::new((theme::icon(icons::ICON_ADD).size(16.0), "Add layer"))
}
