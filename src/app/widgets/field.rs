//! Fields of a form: a label, a control, a dot and a reset where the value is not the default, and what is wrong below.
//! What is typed is never lost: text that is no value stays in its field, with the reason, and the value stays as it was.

use std::cell::RefCell;
use std::num::IntErrorKind;

use egui::emath::Numeric;
use egui::{
    Align, Button, ComboBox, DragValue, Key, Label, Layout, Modifiers, Response, Role, Sense, Slider, SliderClamping,
    TextEdit, TextStyle, Ui, vec2,
};
use egui_material_icons::icons;

use crate::app::theme::{self, CONTROL_HEIGHT, Tokens};

/// Room for the dot of a changed field.
pub const GUTTER: f32 = 10.0;
const LABEL_WIDTH: f32 = 96.0;
const RESET_WIDTH: f32 = 18.0;
const GAP: f32 = 4.0;
/// Width of the number beside a slider.
const BESIDE_SLIDER: f32 = 56.0;

/// What surrounds a control.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    pub label: &'a str,
    /// A learner's sentence, shown on hover.
    pub doc: &'a str,
    pub is_changed: bool,
    /// The control has a line of its own below the label.
    pub is_wide: bool,
}

impl Field<'_> {
    /// Draws the field around what `control` draws, which is named by the label; true when the reset was pressed.
    pub fn show(self, ui: &mut Ui, control: impl FnOnce(&mut Ui) -> Response) -> bool {
        ui.push_id(self.label, |ui| {
            ui.spacing_mut().item_spacing = vec2(GAP, 2.0);
            if self.is_wide {
                let (label, is_reset) = ui
                    .horizontal(|ui| {
                        let room = ui.available_width() - GUTTER - RESET_WIDTH - 2.0 * GAP;
                        (self.label_ui(ui, room), self.reset_ui(ui))
                    })
                    .inner;
                let response = ui
                    .horizontal(|ui| {
                        ui.add_space(GUTTER);
                        let size = vec2(ui.available_width(), CONTROL_HEIGHT);
                        ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), control)
                            .inner
                    })
                    .inner;
                response.on_hover_text(self.doc).labelled_by(label.id);
                is_reset
            } else {
                ui.horizontal(|ui| {
                    let label = self.label_ui(ui, LABEL_WIDTH);
                    let size = vec2(ui.available_width() - RESET_WIDTH - GAP, CONTROL_HEIGHT);
                    let response = ui
                        .allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
                            ui.set_min_width(size.x);
                            control(ui)
                        })
                        .inner;
                    response.on_hover_text(self.doc).labelled_by(label.id);
                    self.reset_ui(ui)
                })
                .inner
            }
        })
        .inner
    }

    /// The dot of a changed field and the label, `width` wide.
    fn label_ui(self, ui: &mut Ui, width: f32) -> Response {
        let (dot, _) = ui.allocate_exact_size(vec2(GUTTER - GAP, CONTROL_HEIGHT), Sense::hover());
        if self.is_changed {
            ui.painter().circle_filled(dot.center(), 2.5, Tokens::of(ui).accent);
        }
        let layout = Layout::left_to_right(Align::Center);
        ui.allocate_ui_with_layout(vec2(width, CONTROL_HEIGHT), layout, |ui| {
            ui.set_min_width(width);
            let text = theme::label(ui, self.label);
            ui.add(Label::new(text).truncate())
        })
        .inner
        .on_hover_text(self.doc)
    }

    /// The way back to the default, in room that is kept.
    fn reset_ui(self, ui: &mut Ui) -> bool {
        let size = vec2(RESET_WIDTH, CONTROL_HEIGHT);
        if !self.is_changed {
            ui.allocate_exact_size(size, Sense::hover());
            return false;
        }
        let icon = theme::icon(icons::ICON_UNDO).size(15.0).color(Tokens::of(ui).text_soft);
        ui.scope(|ui| {
            ui.spacing_mut().button_padding = vec2(1.0, 2.0);
            ui.add(Button::new(icon).frame_when_inactive(false).min_size(size))
        })
        .inner
        .accessible_name(format!("Reset {}", self.label))
        .on_hover_text("Back to the default")
        .clicked()
    }
}

/// A line of small text below a field, which keeps its height while there is nothing to say.
pub fn note_ui(ui: &mut Ui, text: impl Into<String>) -> Response {
    ui.scope(|ui| {
        ui.spacing_mut().interact_size.y = 16.0;
        ui.horizontal(|ui| {
            ui.add_space(GUTTER);
            ui.add(Label::new(theme::hint(ui, text)).truncate())
        })
        .inner
    })
    .inner
}

/// One reason why a field is wrong.
pub fn problem_ui(ui: &mut Ui, problem: &str) {
    let tokens = Tokens::of(ui);
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = GAP;
        ui.add_space(GUTTER);
        ui.label(theme::icon(icons::ICON_ERROR).size(12.0).color(tokens.bad));
        let text = egui::RichText::new(sentence(problem)).size(11.5).color(tokens.bad);
        ui.add(Label::new(text).wrap());
    });
}

/// With a capital letter.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What stands in a text field while it is typed, or because it is no value.
#[derive(Debug, Clone, PartialEq)]
pub struct Typed {
    text: String,
    /// The value when the field was entered, which holds while the text is none.
    before: String,
    /// The value beside which it was typed; where the value has changed since, the text is out of date.
    beside: String,
    /// Why it is no value.
    problem: Option<String>,
}

impl Typed {
    /// The text of a value.
    fn standing(text: String) -> Self {
        Self {
            before: text.clone(),
            beside: text.clone(),
            text,
            problem: None,
        }
    }

    /// Why it is no value, and what holds meanwhile.
    pub fn problem(&self) -> Option<String> {
        let problem = self.problem.as_ref()?;
        Some(match self.beside.as_str() {
            "" => problem.clone(),
            beside => format!("{problem}; still in use: {beside}"),
        })
    }
}

/// A field of text that stands for a value; `hint` is seen while it is empty.
pub fn text_ui<T>(
    ui: &mut Ui,
    value: &mut T,
    typed: &mut Option<Typed>,
    hint: &str,
    show: impl Fn(&T) -> String,
    read: impl Fn(&str) -> Result<T, String>,
) -> Response {
    let shown = show(value);
    typed.take_if(|typed| typed.beside != shown);
    let before = typed
        .as_ref()
        .map_or_else(|| shown.clone(), |typed| typed.before.clone());
    let mut text = typed.as_ref().map_or(shown, |typed| typed.text.clone());
    let is_wrong = typed.as_ref().is_some_and(|typed| typed.problem.is_some());
    let id = ui.next_auto_id();
    let size = vec2(ui.available_width(), CONTROL_HEIGHT);
    let response = ui
        .scope(|ui| {
            if is_wrong {
                let stroke = egui::Stroke::new(1.0, Tokens::of(ui).bad);
                ui.visuals_mut().widgets.inactive.bg_stroke = stroke;
                ui.visuals_mut().widgets.hovered.bg_stroke = stroke;
            }
            ui.add(
                TextEdit::singleline(&mut text)
                    .id(id)
                    .hint_text(hint.to_owned())
                    .desired_width(size.x)
                    .min_size(size)
                    .font(TextStyle::Monospace)
                    .align(egui::Align2::LEFT_CENTER),
            )
        })
        .inner;
    if response.changed() {
        let problem = match read(&text) {
            Ok(read) => {
                *value = read;
                None
            }
            Err(problem) => {
                // What was typed up to here is no value that anybody wanted.
                if let Ok(read) = read(&before) {
                    *value = read;
                }
                Some(problem)
            }
        };
        *typed = Some(Typed {
            before,
            beside: show(value),
            text,
            problem,
        });
    }
    if !response.has_focus() {
        let is_given_up = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Escape));
        typed.take_if(|typed| is_given_up || typed.problem.is_none());
    }
    response
}

/// How a number is shown and dragged.
#[derive(Debug, Clone, Copy)]
pub struct Number {
    before: &'static str,
    /// After one, and after any other number.
    after: [&'static str; 2],
    /// Change for each point of dragging.
    speed: f64,
}

impl Number {
    pub const fn by(speed: f64) -> Self {
        Self {
            before: "",
            after: [""; 2],
            speed,
        }
    }

    pub const fn unit(self, unit: &'static str) -> Self {
        self.counting(unit, unit)
    }

    /// What there is one of, or several.
    pub const fn counting(self, one: &'static str, several: &'static str) -> Self {
        Self {
            after: [one, several],
            ..self
        }
    }

    pub const fn called(self, name: &'static str) -> Self {
        Self { before: name, ..self }
    }

    fn step(self, is_whole: bool) -> f64 {
        if is_whole { 1.0 } else { self.speed }
    }
}

/// A number of at least 0, to be dragged, typed, or moved with the arrow keys.
pub fn number_ui<N: Numeric>(ui: &mut Ui, value: &mut N, typed: &mut Option<Typed>, look: Number) -> Response {
    let show = |value: &N| plain(value.to_f64());
    let read = |text: &str| read_number(text, N::INTEGRAL);
    typed.take_if(|typed| typed.beside != show(value));
    if typed.is_some() {
        let id = ui.next_auto_id();
        let steps = if ui.memory(|memory| memory.has_focus(id)) {
            ui.input_mut(|input| {
                input.count_and_consume_key(Modifiers::NONE, Key::ArrowUp) as f64
                    - input.count_and_consume_key(Modifiers::NONE, Key::ArrowDown) as f64
            })
        } else {
            0.0
        };
        if steps != 0.0 {
            let moved = (value.to_f64() + steps * look.step(N::INTEGRAL)).max(0.0);
            *value = N::from_f64(if N::INTEGRAL { moved } else { three_digits(moved) });
            *typed = Some(Typed::standing(show(value)));
        }
        let response = text_ui(ui, value, typed, "", show, |text| read(text).map(N::from_f64));
        ui.ctx()
            .accesskit_node_builder(response.id, |node| node.set_role(Role::SpinButton));
        return response;
    }
    let refused = RefCell::new(None);
    let size = vec2(ui.available_width(), CONTROL_HEIGHT);
    let spaced = |text: &str, space: [&str; 2]| match text {
        "" => String::new(),
        text => format!("{}{text}{}", space[0], space[1]),
    };
    let after = look.after[usize::from(value.to_f64() != 1.0)];
    let drag = DragValue::new(value)
        .range(N::from_f64(0.0)..=N::MAX)
        .clamp_existing_to_range(false)
        .speed(look.speed)
        .prefix(spaced(look.before, ["", " "]))
        .suffix(spaced(after, [" ", ""]))
        .min_size(size)
        .clip_text(true)
        .custom_formatter(|value, _| plain(value))
        .custom_parser(|text| match read(text) {
            Ok(number) => Some(number),
            Err(problem) => {
                *refused.borrow_mut() = Some((text.to_owned(), problem));
                None
            }
        });
    let response = ui.add(drag);
    // From the next frame on it is a text field with the same id, which keeps what is no number.
    if response.has_focus() {
        let mut standing = Typed::standing(show(value));
        if let Some((text, problem)) = refused.into_inner() {
            standing.text = text;
            standing.problem = Some(problem);
        }
        *typed = Some(standing);
    }
    response
}

/// A number with a slider before it, which goes from `low` to `high`; the number itself may lie outside.
pub fn slider_ui(
    ui: &mut Ui,
    value: &mut f64,
    typed: &mut Option<Typed>,
    look: Number,
    (low, high): (f64, f64),
    name: &str,
) -> Response {
    let is_logarithmic = low > 0.0;
    let mut slid = *value;
    ui.spacing_mut().slider_width = (ui.available_width() - BESIDE_SLIDER - GAP).max(16.0);
    let slider = Slider::new(&mut slid, low..=high)
        .logarithmic(is_logarithmic)
        .clamping(SliderClamping::Never)
        .show_value(false);
    let response = ui.add(slider).accessible_name(format!("{name}, slider"));
    if response.changed() {
        // As many digits as a person would write.
        *value = if is_logarithmic {
            format!("{slid:.1e}").parse().unwrap_or(slid)
        } else {
            (slid * 100.0).round() / 100.0
        };
    }
    number_ui(ui, value, typed, look)
}

/// A box to be checked, with an edge that can be seen.
pub fn switch_ui(ui: &mut Ui, is_on: &mut bool) -> Response {
    ui.scope(|ui| {
        let edge = Tokens::of(ui).edge;
        ui.visuals_mut().widgets.inactive.bg_stroke.color = edge;
        ui.checkbox(is_on, "")
    })
    .inner
}

/// One of a few, from a list that opens.
pub fn choice_ui<T: PartialEq + Copy>(ui: &mut Ui, value: &mut T, options: &[(T, &str)]) -> Response {
    let chosen = options.iter().find(|(option, _)| option == value);
    ComboBox::from_id_salt("choice")
        .width(ui.available_width())
        .truncate()
        .selected_text(chosen.map_or("", |(_, name)| name))
        .show_ui(ui, |ui| {
            for (option, name) in options {
                ui.selectable_value(value, *option, *name);
            }
        })
        .response
}

/// One of a few, side by side.
pub fn segments_ui<T: PartialEq + Copy>(ui: &mut Ui, value: &mut T, options: &[(T, &str)]) -> Response {
    let group = ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = GAP;
        let count = options.len() as f32;
        let width = (ui.available_width() - GAP * (count - 1.0)) / count;
        for (option, name) in options {
            let button = Button::selectable(option == value, *name)
                .frame_when_inactive(true)
                .min_size(vec2(width, CONTROL_HEIGHT));
            if ui.add(button).clicked() {
                *value = *option;
            }
        }
    });
    let response = group.response;
    ui.ctx()
        .accesskit_node_builder(response.id, |node| node.set_role(Role::RadioGroup));
    response
}

/// A list of whole numbers as text: `64, 32`.
pub fn list_ui(ui: &mut Ui, values: &mut Vec<usize>, typed: &mut Option<Typed>) -> Response {
    text_ui(ui, values, typed, "none", |values| list_text(values), read_list)
}

/// `64, 32`
pub fn list_text(values: &[usize]) -> String {
    values.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

fn read_list(text: &str) -> Result<Vec<usize>, String> {
    let words = text.split([',', ';', ' ']).map(str::trim);
    let numbers = words.filter(|word| !word.is_empty()).map(|word| {
        let number = read_whole(word, 1)?;
        usize::try_from(number).map_err(|_| too_large(word, usize::MAX))
    });
    numbers.collect()
}

/// A whole number of any size.
pub fn seed_ui(ui: &mut Ui, value: &mut u64, typed: &mut Option<Typed>) -> Response {
    text_ui(ui, value, typed, "", u64::to_string, |text| read_whole(text, 0))
}

/// A whole number; `least` is what is asked for where one below 0 is typed.
fn read_whole(text: &str, least: u64) -> Result<u64, String> {
    let text = text.trim();
    text.parse::<u64>().map_err(|error| {
        let is_below = text.strip_prefix('-').is_some_and(is_whole);
        match error.kind() {
            _ if is_below => format!("\"{text}\" is too small: use {least} or more"),
            IntErrorKind::PosOverflow => too_large(text, u64::MAX),
            _ => format!("\"{text}\" is not a whole number"),
        }
    })
}

fn is_whole(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|letter| letter.is_ascii_digit())
}

fn too_large(text: &str, most: impl std::fmt::Display) -> String {
    format!("\"{text}\" is too large: use {most} at most")
}

fn read_number(text: &str, is_whole: bool) -> Result<f64, String> {
    if is_whole {
        return read_whole(text, 0).map(|number| number as f64);
    }
    let text = text.trim();
    let number = text.parse::<f64>().ok();
    number
        .filter(|number| number.is_finite() && *number >= 0.0)
        .ok_or_else(|| format!("\"{text}\" is not a number of at least 0"))
}

/// Rounded to three significant digits.
pub fn three_digits(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}

/// All digits of a number; small ones with an exponent.
pub fn plain(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-3 {
        format!("{value:e}")
    } else {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_people_write_them() {
        for text in ["64, 32", "64,32", " 64 32 ", "64; 32,"] {
            assert_eq!(read_list(text).unwrap(), [64, 32], "{text}");
        }
        assert_eq!(read_list("").unwrap(), Vec::<usize>::new());
        assert_eq!(list_text(&[64, 32]), "64, 32");
        for (text, expected) in [
            ("64, x", "\"x\" is not a whole number"),
            ("64, -x", "\"-x\" is not a whole number"),
            ("1.5", "\"1.5\" is not a whole number"),
            ("16, -3", "\"-3\" is too small: use 1 or more"),
            (
                "99999999999999999999999",
                "\"99999999999999999999999\" is too large: use 18446744073709551615 at most",
            ),
        ] {
            assert_eq!(read_list(text).unwrap_err(), expected);
        }
    }

    #[test]
    fn numbers_are_read_and_written_alike() {
        for value in [0.0, 0.015, 1e-5, 3.0, 1e-3, 250_000.0] {
            assert_eq!(read_number(&plain(value), false).unwrap(), value);
        }
        assert_eq!(plain(2e-4), "2e-4");
        for (text, is_whole) in [
            ("", true),
            ("1.5", true),
            ("-1", true),
            ("-0.1", false),
            ("inf", false),
            ("x", false),
        ] {
            assert!(read_number(text, is_whole).is_err(), "{text}");
        }
    }
}
