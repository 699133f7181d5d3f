//! A list whose lines are moved and removed: by buttons, by keys, and by dragging their handles.

use egui::{
    Align, Button, CursorIcon, Key, Layout, Modifiers, Rect, Response, Sense, Stroke, Ui, UiBuilder, WidgetInfo, vec2,
};
use egui_material_icons::{MaterialIcon, icons};

use crate::app::theme::{self, CONTROL_HEIGHT, Tokens};

pub const HANDLE_WIDTH: f32 = 18.0;
/// Width of the buttons of a line.
pub const TOOLS_WIDTH: f32 = 3.0 * 24.0;

/// What is to be done to a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Move { from: usize, to: usize },
    Remove(usize),
}

impl Change {
    pub fn apply<T>(self, list: &mut Vec<T>) {
        match self {
            Self::Move { from, to } if from < list.len() && to < list.len() => {
                let item = list.remove(from);
                list.insert(to, item);
            }
            Self::Remove(place) if place < list.len() => {
                list.remove(place);
            }
            Self::Move { .. } | Self::Remove(_) => {}
        }
    }
}

/// A line that is being dragged.
#[derive(Debug, Default)]
pub struct Drag {
    from: Option<usize>,
}

impl Drag {
    /// The handle of line `place`.
    pub fn handle_ui(&mut self, ui: &mut Ui, place: usize, name: &str) -> Response {
        let (rect, response) = ui.allocate_exact_size(vec2(HANDLE_WIDTH, CONTROL_HEIGHT), Sense::drag());
        let tokens = Tokens::of(ui);
        let is_hot = response.hovered() || self.from == Some(place);
        let colour = if is_hot { tokens.text } else { tokens.text_faint };
        let icon = icons::ICON_DRAG_INDICATOR;
        let font = egui::FontId::new(16.0, icon.font_family());
        let centre = egui::Align2::CENTER_CENTER;
        ui.painter().text(rect.center(), centre, icon.codepoint, font, colour);
        if response.drag_started() {
            self.from = Some(place);
        }
        response.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, format!("Drag {name}")));
        response.on_hover_and_drag_cursor(CursorIcon::Grab)
    }

    /// Shows where the dragged line would go, and says so once it is let go; `lines` are their rectangles from top to bottom.
    pub fn settle(&mut self, ui: &Ui, lines: &[Rect]) -> Option<Change> {
        let from = self.from?;
        let (pointer, is_down) = ui.input(|input| (input.pointer.latest_pos(), input.pointer.primary_down()));
        let pointer = pointer?;
        let slot = lines.iter().filter(|line| line.center().y < pointer.y).count();
        let to = if slot > from { slot - 1 } else { slot };
        if !is_down {
            self.from = None;
            return (to != from && from < lines.len()).then_some(Change::Move { from, to });
        }
        let first = lines.first()?;
        let y = match slot {
            0 => first.top(),
            _ => lines.get(slot - 1)?.bottom(),
        };
        let tokens = Tokens::of(ui);
        ui.painter().hline(first.x_range(), y, Stroke::new(2.0, tokens.accent));
        if let Some(line) = lines.get(from) {
            ui.painter().rect_filled(*line, 4, tokens.accent.gamma_multiply(0.12));
        }
        None
    }
}

/// Draws in a part of a line.
pub fn part_ui(ui: &mut Ui, rect: Rect, salt: (&str, usize), body: impl FnOnce(&mut Ui)) {
    let layout = Layout::left_to_right(Align::Center);
    let builder = UiBuilder::new().id_salt(salt).max_rect(rect).layout(layout);
    let mut part = ui.new_child(builder);
    part.shrink_clip_rect(rect.expand(2.0));
    body(&mut part);
}

/// The buttons that move and remove line `place` of `count`.
pub fn tools_ui(ui: &mut Ui, place: usize, count: usize, name: &str, removes: &str) -> Option<Change> {
    ui.spacing_mut().item_spacing.x = 0.0;
    let mut change = None;
    let up = Change::Move {
        from: place,
        to: place.saturating_sub(1),
    };
    let down = Change::Move {
        from: place,
        to: place + 1,
    };
    for (icon, is_enabled, name, what) in [
        (icons::ICON_ARROW_UPWARD, place > 0, format!("Move {name} up"), up),
        (
            icons::ICON_ARROW_DOWNWARD,
            place + 1 < count,
            format!("Move {name} down"),
            down,
        ),
        (
            icons::ICON_CLOSE,
            true,
            format!("{removes} {name}"),
            Change::Remove(place),
        ),
    ] {
        if tool_ui(ui, icon, is_enabled, &name) {
            change = Some(what);
        }
    }
    change
}

fn tool_ui(ui: &mut Ui, icon: MaterialIcon, is_enabled: bool, name: &str) -> bool {
    let icon = theme::icon(icon).size(15.0).color(Tokens::of(ui).text_soft);
    ui.spacing_mut().button_padding = vec2(2.0, 2.0);
    let button = Button::new(icon).frame_when_inactive(false).min_size(vec2(24.0, 24.0));
    let response = ui.add_enabled(is_enabled, button).accessible_name(name);
    response.on_hover_text(name).clicked()
}

/// What the keys ask for while a line's name has the focus: Alt with an arrow moves it, Delete removes it.
pub fn keys(ui: &Ui, response: &Response, place: usize, count: usize) -> Option<Change> {
    if !response.has_focus() {
        return None;
    }
    let pressed = |modifiers, key| ui.input_mut(|input| input.consume_key(modifiers, key));
    if pressed(Modifiers::ALT, Key::ArrowUp) && place > 0 {
        return Some(Change::Move {
            from: place,
            to: place - 1,
        });
    }
    if pressed(Modifiers::ALT, Key::ArrowDown) && place + 1 < count {
        return Some(Change::Move {
            from: place,
            to: place + 1,
        });
    }
    pressed(Modifiers::NONE, Key::Delete).then_some(Change::Remove(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_moved_and_removed() {
        let mut list = vec!['a', 'b', 'c'];
        Change::Move { from: 0, to: 2 }.apply(&mut list);
        assert_eq!(list, ['b', 'c', 'a']);
        Change::Move { from: 2, to: 1 }.apply(&mut list);
        assert_eq!(list, ['b', 'a', 'c']);
        Change::Remove(1).apply(&mut list);
        Change::Remove(7).apply(&mut list);
        Change::Move { from: 0, to: 5 }.apply(&mut list);
        assert_eq!(list, ['b', 'c']);
    }
}
