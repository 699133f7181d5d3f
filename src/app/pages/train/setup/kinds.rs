//! The usual kinds of fields by their keys: a number, a slider, a switch, a choice, a list, and what may be absent.

use egui::emath::Numeric;
use egui::{Button, Response, Ui, vec2};
use egui_material_icons::{MaterialIcon, icons};

use super::fields::{Fields, label_of};
use crate::app::theme::{self, CONTROL_HEIGHT, Tokens};
use crate::app::widgets::field::{self, Number, Typed};

/// Width of a layer that is added to none.
const FIRST_WIDTH: usize = 32;
/// Size of a small button beside a field.
const TOOL: egui::Vec2 = vec2(22.0, CONTROL_HEIGHT);

impl Fields<'_> {
    pub fn number<N: Numeric + PartialEq + Clone>(
        &mut self,
        ui: &mut Ui,
        key: &'static str,
        value: &mut N,
        default: &N,
        look: Number,
    ) {
        self.show(ui, key, value, default, |ui, value, typed| {
            field::number_ui(ui, value, typed, look)
        });
    }

    /// A number with a button that opens something which helps to find it; true when that was pressed.
    pub fn found_number<N: Numeric + PartialEq + Clone>(
        &mut self,
        ui: &mut Ui,
        key: &'static str,
        value: &mut N,
        default: &N,
        look: Number,
        tool: &Tool,
    ) -> bool {
        let mut is_pressed = false;
        self.show(ui, key, value, default, |ui, value, typed| {
            beside_ui(
                ui,
                1,
                |ui| field::number_ui(ui, value, typed, look),
                |ui| {
                    is_pressed = tool.ui(ui);
                },
            )
        });
        is_pressed
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as all kinds of field")]
    pub fn slider(
        &mut self,
        ui: &mut Ui,
        key: &'static str,
        value: &mut f64,
        default: &f64,
        look: Number,
        range: (f64, f64),
    ) {
        self.show(ui, key, value, default, |ui, value, typed| {
            field::slider_ui(ui, value, typed, look, range, label_of(key))
        });
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as all kinds of field")]
    pub fn switch(&mut self, ui: &mut Ui, key: &'static str, value: &mut bool, default: &bool) {
        self.show(ui, key, value, default, |ui, value, _| field::switch_ui(ui, value));
    }

    pub fn choice<T: PartialEq + Copy>(
        &mut self,
        ui: &mut Ui,
        key: &'static str,
        value: &mut T,
        default: &T,
        options: &[(T, &str)],
    ) {
        self.show(ui, key, value, default, |ui, value, _| {
            field::choice_ui(ui, value, options)
        });
    }

    pub fn list(&mut self, ui: &mut Ui, key: &'static str, value: &mut Vec<usize>, default: &Vec<usize>) {
        self.show(ui, key, value, default, field::list_ui);
    }

    /// The widths of layers as text, and buttons for one layer more or less.
    pub fn widths(&mut self, ui: &mut Ui, key: &'static str, value: &mut Vec<usize>, default: &Vec<usize>) {
        let name = label_of(key);
        let less = Tool {
            icon: icons::ICON_REMOVE,
            name: &format!("{name}: one layer less"),
        };
        let more = Tool {
            icon: icons::ICON_ADD,
            name: &format!("{name}: one layer more"),
        };
        self.show(ui, key, value, default, |ui, widths, typed| {
            let [mut is_less, mut is_more] = [false; 2];
            let can_less = !widths.is_empty();
            let response = beside_ui(
                ui,
                2,
                |ui| field::list_ui(ui, widths, typed),
                |ui| {
                    is_less = ui.add_enabled_ui(can_less, |ui| less.ui(ui)).inner;
                    is_more = more.ui(ui);
                },
            );
            if is_less {
                widths.pop();
            }
            if is_more {
                widths.push(widths.last().copied().unwrap_or(FIRST_WIDTH));
            }
            response
        });
    }

    /// A switch, and a number while it is on: at first `first`; `off` says what holds else.
    #[expect(clippy::too_many_arguments, clippy::ref_option, reason = "a field's own parts")]
    pub fn optional<N: Numeric + PartialEq + Clone>(
        &mut self,
        ui: &mut Ui,
        key: &'static str,
        value: &mut Option<N>,
        default: &Option<N>,
        look: Number,
        first: N,
        off: &str,
    ) {
        let name = label_of(key);
        self.show(ui, key, value, default, |ui, value, typed: &mut Option<Typed>| {
            let mut is_on = value.is_some();
            let switch = field::switch_ui(ui, &mut is_on);
            if switch.changed() {
                *value = is_on.then_some(first);
                *typed = None;
            }
            if let Some(number) = value {
                field::number_ui(ui, number, typed, look).accessible_name(format!("{name}, value"));
            } else {
                ui.label(theme::hint(ui, off));
            }
            switch
        });
    }
}

/// A small button beside a field.
pub struct Tool<'a> {
    pub icon: MaterialIcon,
    /// Tooltip and accessible name.
    pub name: &'a str,
}

impl Tool<'_> {
    pub fn ui(&self, ui: &mut Ui) -> bool {
        let icon = theme::icon(self.icon).size(15.0).color(Tokens::of(ui).text_soft);
        ui.scope(|ui| {
            ui.spacing_mut().button_padding = vec2(2.0, 2.0);
            ui.add(Button::new(icon).min_size(TOOL))
        })
        .inner
        .accessible_name(self.name)
        .on_hover_text(self.name)
        .clicked()
    }
}

/// A control, with room for so many small buttons after it.
pub fn beside_ui(
    ui: &mut Ui,
    tools: usize,
    control: impl FnOnce(&mut Ui) -> Response,
    buttons: impl FnOnce(&mut Ui),
) -> Response {
    let room = ui.available_width() - tools as f32 * (TOOL.x + ui.spacing().item_spacing.x);
    let layout = egui::Layout::left_to_right(egui::Align::Center);
    let response = ui
        .allocate_ui_with_layout(vec2(room, CONTROL_HEIGHT), layout, |ui| {
            ui.set_min_width(room);
            control(ui)
        })
        .inner;
    buttons(ui);
    response
}
