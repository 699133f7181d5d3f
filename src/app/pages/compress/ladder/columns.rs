//! The columns of the results: where they stand, what they are called, and how far their bars reach.

use egui::{Align, Layout, Rangef, Rect, Ui, UiBuilder, vec2};

use super::part;
use crate::app::theme;
use crate::compare::Axis;
use crate::jobs::RunRow;

/// Places of the columns; the costs stand between score and speed.
pub const WHAT: usize = 0;
pub const SCORE: usize = 1;
pub const SPEED: usize = 7;
pub const MENU: usize = 8;
const COUNT: usize = 9;

/// The costs: column, what it is, title.
pub const AXES: [(usize, Axis, &str); 5] = [
    (2, Axis::Size, "Size"),
    (3, Axis::Zstd, "Packed"),
    (4, Axis::Batch64, "Latency 64"),
    (5, Axis::Batch1, "Latency 1"),
    (6, Axis::Memory, "Memory"),
];

const GAP: f32 = 12.0;
/// Before the first column.
const INSET: f32 = 6.0;
const SPEED_WIDTH: f32 = 98.0;
const MENU_WIDTH: f32 = 38.0;
/// Narrower than this the table scrolls sideways.
const LEAST_WIDTH: f32 = 800.0;
const HEAD_HEIGHT: f32 = 24.0;

/// Where each column stands, from the left edge of a rung.
#[derive(Debug)]
pub struct Columns([Rangef; COUNT]);

impl Columns {
    pub fn within(width: f32) -> Self {
        let free = width.max(LEAST_WIDTH) - INSET - SPEED_WIDTH - MENU_WIDTH - GAP * (COUNT - 1) as f32;
        let figure = (free * 0.11).clamp(74.0, 104.0).round();
        let mut widths = [figure; COUNT];
        widths[WHAT] = free - 6.0 * figure;
        widths[SPEED] = SPEED_WIDTH;
        widths[MENU] = MENU_WIDTH;
        let mut left = INSET;
        Self(widths.map(|width| {
            let range = Rangef::new(left, left + width);
            left += width + GAP;
            range
        }))
    }

    pub fn width(&self) -> f32 {
        self.0[MENU].max
    }

    /// The rectangle of a column within a rung.
    pub fn of(&self, rung: Rect, column: usize) -> Rect {
        part(rung, self.0[column])
    }

    /// From the first figure to the menu.
    pub fn figures(&self, rung: Rect) -> Rect {
        part(rung, Rangef::new(self.0[SCORE].min, self.0[SPEED].max)).shrink2(vec2(4.0, 4.0))
    }

    /// Draws into a column, in the middle of the rung's height.
    pub fn place(&self, ui: &mut Ui, rung: Rect, column: usize, align: Align, draw: impl FnOnce(&mut Ui)) {
        let rect = self.of(rung, column).shrink2(vec2(0.0, 5.0));
        let mut cell = ui.new_child(UiBuilder::new().max_rect(rect).layout(Layout::top_down(align)));
        cell.spacing_mut().item_spacing.y = 1.0;
        cell.spacing_mut().interact_size.y = 18.0;
        draw(&mut cell);
    }

    /// The titles.
    pub fn head_ui(&self, ui: &mut Ui, score: &str) {
        let (rect, _) = ui.allocate_exact_size(vec2(self.width(), HEAD_HEIGHT), egui::Sense::hover());
        let score = if score == "R2" { "R2" } else { "Accuracy" };
        let about_score = "On the test split, by the exported file; the difference to the baseline below it";
        let about_speed = "What the times are worth, and the verdict at 64 rows against the baseline";
        let costs = AXES.map(|(column, axis, title)| (column, title, axis.doc()));
        let titles = [
            (WHAT, "Recipe", "What was done, and the run that came of it"),
            (SCORE, score, about_score),
            (SPEED, "Speed", about_speed),
        ];
        for (column, title, hover) in titles.into_iter().chain(costs) {
            let layout = if (SCORE..SPEED).contains(&column) {
                Layout::right_to_left(Align::Center)
            } else {
                Layout::left_to_right(Align::Center)
            };
            let cell = UiBuilder::new().max_rect(self.of(rect, column)).layout(layout);
            let mut cell = ui.new_child(cell);
            cell.label(theme::label(&cell, title)).on_hover_text(hover);
        }
    }
}

/// The largest cost of each kind, by which the bars are scaled: the baseline's, or one that is larger still.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Widest([f64; AXES.len()]);

impl Widest {
    pub fn among(parent: &RunRow, children: &[&RunRow]) -> Self {
        let most = |axis: Axis| {
            let rows = children.iter().copied().chain([parent]);
            rows.filter_map(|row| axis.of(&row.run)).fold(0.0, f64::max)
        };
        Self(AXES.map(|(_, axis, _)| most(axis)))
    }

    /// Of the cost at this place of [`AXES`].
    pub fn of(&self, place: usize) -> f64 {
        self.0[place]
    }
}
