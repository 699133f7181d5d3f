//! The Pareto picture: a score or a cost upwards, a cost to the right, every compared run a point.

use egui::{Align, ComboBox, Id, Layout, Pos2, Rect, RichText, Ui, Vec2, vec2};
use egui_plot::{GridInput, GridMark, Line, LineStyle, MarkerShape, Plot, PlotPoint, PlotUi, Points};

use super::CompareView;
use super::contents::Contents;
use crate::app::action::{Action, Actions};
use crate::app::state::{Model, RowExt as _};
use crate::app::theme::{self, Tokens};
use crate::app::widgets::figures::{self, Figure};
use crate::app::widgets::mark::{self, Badge, badge_ui};
use crate::compare::{Axis, Budget, Excess, Point, front, staircase};
use crate::jobs::RunRow;
use crate::spec::{RunId, units};

/// The pointer finds a point within this distance.
const REACH: f32 = 16.0;
const RADIUS: f32 = 5.5;

/// A run's place, in the plot's own (perhaps logarithmic) units.
pub(super) struct Placed<'a> {
    row: &'a RunRow,
    pub at: [f64; 2],
    spread: Option<[f64; 2]>,
    pub is_front: bool,
    /// The limits that it breaks, in words.
    pub excess: Option<String>,
}

/// What is drawn against what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Axes {
    /// None for the score.
    pub up: Option<Axis>,
    pub right: Axis,
    pub is_log: bool,
}

pub fn scatter_ui(
    ui: &mut Ui,
    model: &Model,
    view: &mut CompareView,
    contents: &Contents<'_>,
    size: Vec2,
    actions: &mut Actions,
) {
    ui.allocate_ui_with_layout(size, Layout::top_down(Align::Min), |ui| {
        theme::card(ui).show(ui, |ui| {
            ui.set_min_size(size - vec2(26.0, 26.0));
            ui.set_max_width(size.x - 26.0);
            let score = contents.baseline.score_name();
            head_ui(ui, view, score);
            let axes = Axes {
                up: view.up,
                right: view.axis,
                is_log: view.is_log,
            };
            let (placed, corners) = place(contents, axes, &view.budget);
            let height = (size.y - 26.0 - theme::CONTROL_HEIGHT - 28.0).max(160.0);
            plot_ui(ui, model, contents, &placed, &corners, axes, height, actions);
            ui.label(theme::hint(
                ui,
                "Filled: nothing else is better in both · hollow: something is · ringed: over the Compress page's limits · \
                 cross: the baseline",
            ));
        });
    });
}

/// What is drawn against what.
fn head_ui(ui: &mut Ui, view: &mut CompareView, score: &str) {
    ui.horizontal(|ui| {
        let score = if score == "R2" { "R2" } else { "Accuracy" };
        let response = ComboBox::from_id_salt("upwards")
            .width(120.0)
            .selected_text(view.up.map_or(score, Axis::name))
            .show_ui(ui, |ui| {
                if ui.selectable_label(view.up.is_none(), score).clicked() {
                    view.up = None;
                }
                for axis in Axis::ALL {
                    let response = ui.selectable_label(view.up == Some(axis), axis.name());
                    if response.on_hover_text(axis.doc()).clicked() {
                        view.up = Some(axis);
                    }
                }
            })
            .response;
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Upwards"));
        response.on_hover_text(view.up.map_or("What is drawn upwards", Axis::doc));
        ui.label(theme::label(ui, "against"));
        let response = ComboBox::from_id_salt("cost")
            .width(152.0)
            .selected_text(view.axis.name())
            .show_ui(ui, |ui| {
                for axis in Axis::ALL {
                    let response = ui.selectable_label(view.axis == axis, axis.name());
                    if response.on_hover_text(axis.doc()).clicked() {
                        view.axis = axis;
                    }
                }
            })
            .response;
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Cost"));
        response.on_hover_text(view.axis.doc());
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.checkbox(&mut view.is_log, "Logarithmic")
                .on_hover_text("Equal steps to the right are equal factors of cost");
        });
    });
}

/// Where every run stands, and the corners of the front's line.
pub(super) fn place<'a>(contents: &Contents<'a>, axes: Axes, budget: &Budget) -> (Vec<Placed<'a>>, Vec<[f64; 2]>) {
    let axis = axes.right;
    let scale = |value: f64| if axes.is_log { value.log10() } else { value };
    // Of a cost, less is better.
    let sign = if axes.up.is_some() { -1.0 } else { 1.0 };
    let mut points = Vec::with_capacity(contents.rows.len());
    let mut placed = Vec::with_capacity(contents.rows.len());
    for &row in &contents.rows {
        let up = axes.up.map_or_else(|| row.score(), |axis| axis.of(&row.run));
        if let (Some(cost), Some(up)) = (axis.of(&row.run), up) {
            points.push(Point { cost, score: sign * up });
            let excess = budget.excess(&row.run, &contents.baseline.run);
            let texts: Vec<String> = excess.iter().map(Excess::text).collect();
            placed.push(Placed {
                row,
                at: [scale(cost), up],
                excess: (!texts.is_empty()).then(|| texts.join(", ")),
                spread: axis
                    .spread(&row.run)
                    .map(|spread| spread.map(|end| scale(end.max(1e-9)))),
                is_front: false,
            });
        }
    }
    let is_front = front(&points);
    for (placed, is_front) in placed.iter_mut().zip(&is_front) {
        placed.is_front = *is_front;
    }
    let corners = staircase(&points, &is_front).into_iter();
    (
        placed,
        corners.map(|[cost, score]| [scale(cost), sign * score]).collect(),
    )
}

#[expect(clippy::too_many_arguments, reason = "one call, of what the card has computed")]
fn plot_ui(
    ui: &mut Ui,
    model: &Model,
    contents: &Contents<'_>,
    placed: &[Placed<'_>],
    corners: &[[f64; 2]],
    axes: Axes,
    height: f32,
    actions: &mut Actions,
) {
    let tokens = Tokens::of(ui);
    let Axes {
        up,
        right: axis,
        is_log,
    } = axes;
    let is_r2 = contents.baseline.score_name() == "R2";
    let [x, y] = bounds(placed);
    let mut plot = Plot::new(("pareto", axes, &contents.baseline.dataset))
        .height(height)
        .show_background(false)
        .show_x(false)
        .show_y(false)
        .allow_scroll(false)
        .set_margin_fraction(Vec2::ZERO)
        .grid_color(tokens.grid())
        .label_formatter(|_| None)
        .include_x(x[0])
        .include_x(x[1])
        .include_y(y[0])
        .include_y(y[1])
        .y_axis_min_width(52.0)
        .x_axis_formatter(move |mark, range| {
            // A text at the very edge would be cut.
            let edge = 0.03 * (range.end() - range.start());
            if (range.start() + edge..range.end() - edge).contains(&mark.value) {
                cost_tick(axis, if is_log { 10_f64.powf(mark.value) } else { mark.value })
            } else {
                String::new()
            }
        })
        .y_axis_formatter(move |mark, _| match up {
            Some(_) if mark.value < 0.0 => String::new(),
            Some(axis) => cost_tick(axis, mark.value),
            None => score_tick(mark, is_r2),
        });
    if is_log {
        plot = plot.x_grid_spacer(decades);
    }
    let hovered = model.runs.hovered();
    let colours: Vec<egui::Color32> = placed
        .iter()
        .map(|placed| mark::run_colour(ui, model, placed.row.run.run))
        .collect();
    let line = corners.to_vec();
    let response = plot.show(ui, |plot| {
        if line.len() > 1 {
            plot.line(
                Line::new("front", line)
                    .color(tokens.text_faint)
                    .width(1.25)
                    .style(LineStyle::dashed_dense())
                    .allow_hover(false),
            );
        }
        for (placed, colour) in placed.iter().zip(colours) {
            let run = placed.row.run.run;
            let is_baseline = run == contents.baseline.run.run;
            point_ui(plot, placed, colour, &tokens, is_baseline, hovered == Some(run));
        }
    });
    let transform = response.transform;
    let screen = |placed: &Placed<'_>| transform.position_from_point(&PlotPoint::new(placed.at[0], placed.at[1]));
    let response = response.response;
    let runs = match placed.len() {
        1 => "1 run".to_owned(),
        many => format!("{many} runs"),
    };
    let up_name = up.map_or(contents.baseline.score_name(), Axis::name);
    let name = format!("{runs}, {up_name} against {}", axis.name());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &name));
    let places: Vec<Pos2> = placed.iter().map(screen).collect();
    let near = response.hover_pos().and_then(|pointer| nearest(&places, pointer));
    if let Some(placed) = near.and_then(|place| placed.get(place)) {
        let run = placed.row.run.run;
        actions.push(Action::Hover(run));
        if response.clicked() {
            actions.push(Action::Select(run));
        }
        let id = Id::unique("point of the pareto picture");
        egui::Tooltip::always_open(ui.ctx().clone(), ui.layer_id(), id, egui::PopupAnchor::Pointer)
            .gap(14.0)
            .show(|ui| point_hover_ui(ui, placed, contents, axes));
    }
    let mut taken: Vec<Rect> = places
        .iter()
        .map(|&place| Rect::from_center_size(place, Vec2::splat(2.0 * RADIUS)))
        .collect();
    let corner = |at: &[f64; 2]| transform.position_from_point(&PlotPoint::new(at[0], at[1]));
    taken.extend(
        corners
            .windows(2)
            .map(|pair| Rect::from_two_pos(corner(&pair[0]), corner(&pair[1])).expand(1.0)),
    );
    let whiskers = placed.iter().filter_map(|placed| Some((placed.spread?, placed.at[1])));
    taken
        .extend(whiskers.map(|([low, high], y)| Rect::from_two_pos(corner(&[low, y]), corner(&[high, y])).expand(1.0)));
    labels_ui(ui, contents, placed, &places, taken, response.rect, hovered);
}

/// A run's mark: filled on the front, hollow where it is dominated, ringed where it is over the limits, a cross for the baseline; whiskers from the 10th to
/// the 90th percentile of a time.
fn point_ui(
    plot: &mut PlotUi<'_>,
    placed: &Placed<'_>,
    colour: egui::Color32,
    tokens: &Tokens,
    is_baseline: bool,
    is_hovered: bool,
) {
    let name = placed.row.run.run.to_string();
    let [x, y] = placed.at;
    if let Some([low, high]) = placed.spread {
        let whisker = Line::new(format!("{name} whisker"), vec![[low, y], [high, y]])
            .color(colour.gamma_multiply(0.7))
            .width(if is_hovered { 2.5 } else { 1.5 })
            .allow_hover(false);
        plot.line(whisker);
    }
    let radius = if is_hovered { RADIUS + 2.5 } else { RADIUS };
    let point = |name: String| Points::new(name, vec![[x, y]]).allow_hover(false);
    if is_baseline {
        plot.points(
            point(name)
                .shape(MarkerShape::Cross)
                .radius(radius + 2.5)
                .color(tokens.text),
        );
        return;
    }
    if placed.excess.is_some() {
        plot.points(point(format!("{name} ring")).radius(radius + 4.0).color(tokens.warn));
        plot.points(point(format!("{name} gap")).radius(radius + 2.5).color(tokens.card));
    }
    plot.points(point(name.clone()).radius(radius).color(colour));
    if !placed.is_front {
        plot.points(point(format!("{name} hollow")).radius(radius - 1.75).color(tokens.card));
    }
}

/// Names beside the points, where there are few and `taken` leaves them room.
fn labels_ui(
    ui: &Ui,
    contents: &Contents<'_>,
    placed: &[Placed<'_>],
    places: &[Pos2],
    mut taken: Vec<Rect>,
    frame: Rect,
    hovered: Option<RunId>,
) {
    const FEW: usize = 10;
    let tokens = Tokens::of(ui);
    let painter = ui.painter().with_clip_rect(frame);
    // The hovered run's name is written in any case, before the others take its room.
    let mut order: Vec<usize> = (0..placed.len()).collect();
    order.sort_by_key(|&place| hovered != Some(placed[place].row.run.run));
    for place in order {
        let row = placed[place].row;
        let is_hovered = hovered == Some(row.run.run);
        if placed.len() > FEW && !is_hovered {
            continue;
        }
        let text = contents.short_name(row);
        let colour = if is_hovered { tokens.text } else { tokens.text_soft };
        let galley = painter.layout_no_wrap(text, egui::FontId::proportional(11.0), colour);
        let size = galley.size();
        let gap = RADIUS + 4.0;
        let offsets = [
            vec2(gap, -size.y / 2.0),
            vec2(-gap - size.x, -size.y / 2.0),
            vec2(-size.x / 2.0, -gap - size.y),
            vec2(-size.x / 2.0, gap),
            vec2(-RADIUS, -gap - size.y),
            vec2(-RADIUS, gap),
            vec2(RADIUS - size.x, -gap - size.y),
            vec2(RADIUS - size.x, gap),
        ];
        let rects = offsets.map(|offset| Rect::from_min_size(places[place] + offset, size));
        let is_free = |rect: &&Rect| frame.contains_rect(**rect) && !taken.iter().any(|other| other.intersects(**rect));
        if let Some(&rect) = rects.iter().find(is_free) {
            painter.galley(rect.min, galley, colour);
            taken.push(rect);
        }
    }
}

/// Name, recipe, figures and badge.
fn point_hover_ui(ui: &mut Ui, placed: &Placed<'_>, contents: &Contents<'_>, axes: Axes) {
    let (row, axis) = (placed.row, axes.right);
    ui.spacing_mut().interact_size.y = 0.0;
    ui.spacing_mut().item_spacing.y = 4.0;
    ui.label(theme::strong(format!("{}, {}", row.run.name, row.run.run)));
    if let Some((parent, recipe)) = &row.origin {
        ui.label(theme::label(ui, format!("{recipe} of {parent}")));
    }
    let baseline = contents.baseline_of(row);
    let line = |ui: &mut Ui, name: &str, figure: Option<Figure>| {
        let Some(figure) = figure else { return };
        ui.horizontal(|ui| {
            ui.label(theme::label(ui, name));
            ui.label(theme::number(figure.text));
            if let Some(change) = figure.change {
                ui.label(change);
            }
        });
    };
    let score = figures::score(ui, row, baseline);
    line(ui, row.score_name(), score);
    for axis in axes.up.into_iter().chain([axis]) {
        let cost = figures::cost(ui, axis, row, baseline);
        line(ui, axis.name(), cost);
    }
    if let Some([low, high]) = axis.spread(&row.run) {
        let text = format!(
            "80 % within {} to {}",
            units::microseconds(low),
            units::microseconds(high)
        );
        ui.label(theme::hint(ui, text));
    }
    if let Some(badge) = Badge::of(&row.run) {
        badge_ui(ui, badge);
    }
    if let Some(excess) = &placed.excess {
        let text = format!("Over the limits: {excess}");
        ui.label(RichText::new(text).size(12.0).color(Tokens::of(ui).warn));
    }
    ui.label(
        RichText::new("Click selects")
            .size(11.0)
            .color(Tokens::of(ui).text_faint),
    );
}

/// The place nearest to the pointer, within reach.
fn nearest(places: &[Pos2], pointer: Pos2) -> Option<usize> {
    let distances = places.iter().map(|place| place.distance(pointer)).enumerate();
    distances
        .filter(|(_, distance)| *distance <= REACH)
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(place, _)| place)
}

/// The ranges of x and y with room around the points, also where they are all alike.
fn bounds(placed: &[Placed<'_>]) -> [[f64; 2]; 2] {
    let range = |values: &mut dyn Iterator<Item = f64>, least: f64| {
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        if low > high {
            return [0.0, 1.0];
        }
        let room = ((high - low) * 0.1).max(least * low.abs().max(high.abs()).max(0.01));
        [low - room, high + room]
    };
    let ends = |placed: &Placed<'_>| placed.spread.unwrap_or([placed.at[0]; 2]);
    let mut x = placed
        .iter()
        .flat_map(ends)
        .chain(placed.iter().map(|placed| placed.at[0]));
    let mut y = placed.iter().map(|placed| placed.at[1]);
    [range(&mut x, 0.02), range(&mut y, 0.005)]
}

/// Marks of a logarithmic axis: 1, 2 and 5 of every decade, or all whole multiples where less than a decade is in sight.
#[expect(clippy::needless_pass_by_value, reason = "the plot calls it so")]
fn decades(input: GridInput) -> Vec<GridMark> {
    let (low, high) = input.bounds;
    if !(low.is_finite() && high.is_finite()) || high - low > 40.0 {
        return Vec::new();
    }
    let multiples: &[f64] = if high - low < 1.0 {
        &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]
    } else if high - low < 3.0 {
        &[1.0, 2.0, 5.0]
    } else {
        &[1.0]
    };
    let mut marks = Vec::new();
    for decade in low.floor() as i32..=high.ceil() as i32 {
        for multiple in multiples {
            let value = f64::from(decade) + multiple.log10();
            if (low..=high).contains(&value) {
                let step_size = if *multiple == 1.0 { 1.0 } else { 0.3 };
                marks.push(GridMark { value, step_size });
            }
        }
    }
    marks
}

/// A cost at the axis, without the zeros behind a round number.
fn cost_tick(axis: Axis, value: f64) -> String {
    let text = axis.text(value);
    let (number, unit) = text.split_once(' ').unwrap_or((&text, ""));
    let number = if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    };
    format!("{number} {unit}").trim_end().to_owned()
}

/// A score at the axis, with as many decimals as its step needs.
fn score_tick(mark: GridMark, is_r2: bool) -> String {
    let step = if is_r2 { mark.step_size } else { mark.step_size * 100.0 };
    let decimals = (-step.log10().floor()).clamp(0.0, 6.0) as usize;
    if is_r2 {
        format!("{:.decimals$}", mark.value)
    } else if mark.value > 1.0 + 1e-9 {
        String::new()
    } else {
        format!("{:.decimals$} %", mark.value * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_a_logarithmic_axis_are_round_numbers_in_sight() {
        let marks = |low: f64, high: f64| -> Vec<i64> {
            let input = GridInput {
                bounds: (low.log10(), high.log10()),
                base_step_size: 0.1,
            };
            let marks = decades(input).into_iter();
            marks.map(|mark| 10_f64.powf(mark.value).round() as i64).collect()
        };
        assert_eq!(marks(18.0, 300.0), [20, 50, 100, 200]);
        assert_eq!(marks(30.0, 55.0), [30, 40, 50]);
        assert_eq!(marks(1.0, 1e5), [1, 10, 100, 1000, 10_000, 100_000]);
        let infinite = GridInput {
            bounds: (f64::NEG_INFINITY, 1.0),
            base_step_size: 0.1,
        };
        assert!(decades(infinite).is_empty());
    }

    #[test]
    fn costs_at_the_axis_are_short() {
        for (axis, value, text) in [
            (Axis::Size, 60_000.0, "60 kB"),
            (Axis::Size, 500.0, "500 B"),
            (Axis::Batch1, 1.5, "1.5 µs"),
            (Axis::Batch1, 10_f64.powf(5_f64.log10()), "5 µs"),
            (Axis::MultiplyAdds, 1_250_000.0, "1.25 M"),
            (Axis::Parameters, 100.0, "100"),
        ] {
            assert_eq!(cost_tick(axis, value), text);
        }
    }

    #[test]
    fn scores_at_the_axis_have_the_decimals_of_their_step() {
        let mark = |value, step_size| GridMark { value, step_size };
        assert_eq!(score_tick(mark(0.95, 0.01), false), "95 %");
        assert_eq!(score_tick(mark(0.952, 0.001), false), "95.2 %");
        assert_eq!(score_tick(mark(1.02, 0.01), false), "", "no accuracy is above 100 %");
        assert_eq!(score_tick(mark(0.5, 0.1), true), "0.5");
    }

    #[test]
    fn the_pointer_finds_the_nearest_point_in_reach() {
        let places = [Pos2::new(10.0, 10.0), Pos2::new(20.0, 10.0)];
        assert_eq!(nearest(&places, Pos2::new(16.0, 10.0)), Some(1));
        assert_eq!(nearest(&places, Pos2::new(0.0, 10.0)), Some(0));
        assert_eq!(nearest(&places, Pos2::new(100.0, 10.0)), None);
    }
}
