//! The row of tabs, with what is seen and the fold on its right; tabs that have no room are in a menu.

use egui::{Align, Button, Layout, Popup, RichText, Ui};
use egui_material_icons::icons;

use super::{STRIP, Subject, Tab, TabsView};
use crate::app::theme::{self, Tokens};

/// Between two tabs.
const GAP: f32 = theme::SPACE[3];
/// Room on the right for what is seen and the fold; where it is tight, for the fold alone.
const RIGHT: [f32; 2] = [140.0, 28.0];
/// Room for the word that opens the menu.
const MORE: f32 = 56.0;

pub fn strip_ui(ui: &mut Ui, subject: &Subject<'_>, tabs: &[Tab], shown: Tab, is_open: bool, view: &mut TabsView) {
    ui.horizontal(|ui| {
        ui.set_height(STRIP);
        ui.spacing_mut().item_spacing.x = GAP;
        ui.spacing_mut().button_padding.x = 0.0;
        let widths: Vec<f32> = tabs.iter().map(|tab| width(ui, tab.name(subject)) + GAP).collect();
        let place = tabs.iter().position(|&tab| tab == shown).unwrap_or(0);
        let room = ui.available_width();
        let fitting = fitting(&widths, place, room - RIGHT[0]);
        let fitting = if fitting.len() < tabs.len() {
            self::fitting(&widths, place, room - RIGHT[1])
        } else {
            fitting
        };
        for &place in &fitting {
            tab_ui(ui, tabs[place], subject, is_open && tabs[place] == shown, view);
        }
        let hidden: Vec<Tab> = (0..tabs.len())
            .filter(|place| !fitting.contains(place))
            .map(|place| tabs[place])
            .collect();
        if !hidden.is_empty() {
            more_ui(ui, &hidden, subject, view);
        }
        right_ui(ui, subject, is_open, view);
    });
}

fn width(ui: &Ui, name: &str) -> f32 {
    let text: egui::WidgetText = theme::strong(name).into();
    let galley = text.into_galley(
        ui,
        Some(egui::TextWrapMode::Extend),
        f32::INFINITY,
        egui::TextStyle::Button,
    );
    galley.size().x
}

/// Places of the tabs that are in the row, the shown one always among them.
fn fitting(widths: &[f32], shown: usize, room: f32) -> Vec<usize> {
    if widths.iter().sum::<f32>() <= room {
        return (0..widths.len()).collect();
    }
    let mut room = room - MORE - widths.get(shown).copied().unwrap_or(0.0);
    let mut is_full = false;
    let fits = |&place: &usize| {
        if place == shown {
            return true;
        }
        is_full |= widths[place] > room;
        if !is_full {
            room -= widths[place];
        }
        !is_full
    };
    (0..widths.len()).filter(fits).collect()
}

fn tab_ui(ui: &mut Ui, tab: Tab, subject: &Subject<'_>, is_shown: bool, view: &mut TabsView) {
    let tokens = Tokens::of(ui);
    let name = tab.name(subject);
    let text = theme::strong(name).color(if is_shown { tokens.text } else { tokens.text_soft });
    let response = ui.add(Button::new(text).frame(false));
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Tab, true, is_shown, name));
    if is_shown || response.hovered() {
        let colour = if is_shown { tokens.accent } else { tokens.line };
        let line = response.rect.with_min_y(response.rect.bottom() - 2.0);
        ui.painter().rect_filled(line, 1, colour);
    }
    if response.on_hover_text(tab.purpose(subject)).clicked() {
        choose(view, tab, !is_shown);
    }
}

fn choose(view: &mut TabsView, tab: Tab, is_open: bool) {
    view.is_open = Some(is_open);
    view.tab = Some(tab);
    view.log_of = None;
}

/// The tabs that have no room in the row.
fn more_ui(ui: &mut Ui, hidden: &[Tab], subject: &Subject<'_>, view: &mut TabsView) {
    let tokens = Tokens::of(ui);
    let words = (
        theme::strong("More").color(tokens.text_soft),
        theme::icon(icons::ICON_ARROW_DROP_DOWN)
            .size(16.0)
            .color(tokens.text_soft),
    );
    ui.spacing_mut().item_spacing.x = 0.0;
    let button = ui.add(Button::new(words).frame(false));
    button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "More tabs"));
    Popup::menu(&button).show(|ui| {
        ui.spacing_mut().button_padding.x = theme::SPACE[1];
        for &tab in hidden {
            let name = tab.name(subject);
            let response = ui.add(
                Button::new(RichText::new(name))
                    .frame(true)
                    .min_size(egui::vec2(150.0, 0.0)),
            );
            if response.on_hover_text(tab.purpose(subject)).clicked() {
                choose(view, tab, true);
                ui.close();
            }
        }
    });
}

fn right_ui(ui: &mut Ui, subject: &Subject<'_>, is_open: bool, view: &mut TabsView) {
    let tokens = Tokens::of(ui);
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        ui.spacing_mut().item_spacing.x = theme::SPACE[1];
        let (icon, name) = if is_open {
            (icons::ICON_EXPAND_MORE, "Fold the tabs")
        } else {
            (icons::ICON_EXPAND_LESS, "Show the tabs")
        };
        let fold = ui.add(Button::new(theme::icon(icon).color(tokens.text_soft)).frame(false));
        fold.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, name));
        if fold.on_hover_text(name).clicked() {
            view.is_open = Some(!is_open);
        }
        if ui.available_width() > 40.0 {
            ui.add(egui::Label::new(theme::hint(ui, subject.name)).truncate())
                .on_hover_text(subject.name);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shown_tab_is_always_in_the_row_and_the_order_stays() {
        let widths = [50.0; 6];
        assert_eq!(fitting(&widths, 5, 300.0), [0, 1, 2, 3, 4, 5]);
        assert_eq!(fitting(&widths, 0, 299.0), [0, 1, 2, 3]);
        assert_eq!(fitting(&widths, 5, 260.0), [0, 1, 2, 5]);
        assert_eq!(fitting(&widths, 3, 90.0), [3]);
        assert_eq!(fitting(&[], 0, 90.0), Vec::<usize>::new());
    }
}
