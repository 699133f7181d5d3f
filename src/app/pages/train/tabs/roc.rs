//! Receiver operating characteristic: what finding more of a class costs in false alarms.

use egui::{Align, Button, Color32, Layout, Pos2, RichText, ScrollArea, Shape, Stroke, Ui, vec2};

use super::plane::{Axis, Plane};
use super::words::beside_ui;
use crate::app::theme::{self, Tokens};
use crate::app::widgets::mark;
use crate::spec::{RocCurve, units};

/// Room for the list of classes.
const LIST: f32 = 210.0;
const LINE: f32 = 20.0;
const AREA: f32 = 66.0;

/// The class whose curve alone is drawn strongly.
#[derive(Debug, Default)]
pub struct RocView {
    chosen: Option<u32>,
}

pub fn roc_ui(ui: &mut Ui, classes: &[String], curves: &[RocCurve], moment: &str, view: &mut RocView) {
    let areas: Vec<f64> = curves.iter().filter_map(|curve| curve.area).collect();
    let mean = areas.iter().sum::<f64>() / areas.len().max(1) as f64;
    let is_binary = curves.len() == 1;
    let mut sorted: Vec<&RocCurve> = curves.iter().collect();
    sorted.sort_by(|a, b| match (a.area, b.area) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    });
    let words_ui = |ui: &mut Ui| {
        let text = if areas.is_empty() {
            "–".to_owned()
        } else {
            format!("{mean:.4}")
        };
        ui.label(theme::big_number(text));
        let what = if is_binary {
            "area under the curve"
        } else {
            "area under the curve, mean of the classes"
        };
        ui.label(theme::label(ui, what));
        ui.label(theme::hint(ui, moment));
        let hint = if is_binary {
            "1 tells the two classes apart at some threshold, 0.5 (the dashed line) is chance"
        } else {
            "Each class against all others. 1 is perfect, 0.5 (the dashed line) is chance"
        };
        ui.label(theme::hint(ui, hint));
    };
    beside_ui(ui, words_ui, |ui| {
        ui.horizontal_top(|ui| {
            let available = ui.available_size();
            let size = vec2((available.x - LIST).clamp(140.0, available.y * 1.7), available.y);
            let mut hovered = None;
            let at = ui.cursor().min + vec2(size.x + theme::SPACE[3], 0.0);
            let rest = egui::Rect::from_min_size(at, vec2(LIST - theme::SPACE[3], available.y));
            let mut list = ui.new_child(
                egui::UiBuilder::new()
                    .id_salt("list")
                    .max_rect(rest)
                    .layout(Layout::top_down(Align::Min)),
            );
            list_ui(&mut list, classes, &sorted, view, &mut hovered);
            let strong = hovered.or(view.chosen);
            plane_ui(ui, size, &sorted, strong);
        });
    });
}

fn plane_ui(ui: &mut Ui, size: egui::Vec2, curves: &[&RocCurve], strong: Option<u32>) {
    let tokens = Tokens::of(ui);
    let axis = |name| Axis {
        name,
        range: [0.0, 1.0],
    };
    let (plane, response) = Plane::show(ui, size, &axis("false alarms"), &axis("found"), "ROC curves");
    let painter = ui.painter_at(plane.rect.expand(1.0));
    let chance = [plane.at(0.0, 0.0), plane.at(1.0, 1.0)];
    painter.extend(Shape::dashed_line(
        &chance,
        Stroke::new(1.0, tokens.text_faint),
        4.0,
        4.0,
    ));
    // The chosen one last, so that it lies on top.
    let (above, below): (Vec<&RocCurve>, Vec<&RocCurve>) =
        curves.iter().copied().partition(|curve| strong == Some(curve.class));
    for curve in below.into_iter().chain(above) {
        if curve.area.is_none() {
            continue;
        }
        let points: Vec<Pos2> = curve
            .points
            .iter()
            .map(|&[x, y]| plane.at(x.into(), y.into()))
            .collect();
        let stroke = stroke(tokens, curve, strong);
        if has_colour_again(curve) {
            painter.extend(Shape::dashed_line(&points, stroke, 5.0, 3.0));
        } else {
            painter.add(Shape::line(points, stroke));
        }
    }
    if let Some([x, y]) = response.hover_pos().and_then(|at| plane.value(at)) {
        let text = format!(
            "{} of the class found at {} false alarms",
            units::percent(y),
            units::percent(x)
        );
        response.on_hover_text_at_pointer(text);
    }
}

/// A class whose colour another one has already is dashed, and a ring in the list.
fn has_colour_again(curve: &RocCurve) -> bool {
    (curve.class as usize / theme::RUN_COLOUR_COUNT) % 2 == 1
}

fn stroke(tokens: Tokens, curve: &RocCurve, strong: Option<u32>) -> Stroke {
    let colour: Color32 = tokens.run(curve.class as usize);
    match strong {
        None => Stroke::new(1.5, colour),
        Some(class) if class == curve.class => Stroke::new(2.5, colour),
        Some(_) => Stroke::new(1.0, colour.gamma_multiply(0.25)),
    }
}

/// Classes with their areas, the worst first.
fn list_ui(ui: &mut Ui, classes: &[String], curves: &[&RocCurve], view: &mut RocView, hovered: &mut Option<u32>) {
    ScrollArea::vertical()
        .id_salt("areas")
        .auto_shrink(false)
        .show(ui, |ui| {
            ui.spacing_mut().interact_size.y = 18.0;
            ui.spacing_mut().item_spacing.y = 1.0;
            ui.spacing_mut().button_padding = vec2(4.0, 1.0);
            for curve in curves {
                let name = classes.get(curve.class as usize).map_or("", String::as_str);
                let area = curve
                    .area
                    .map_or_else(|| "no rows".to_owned(), |area| format!("{area:.4}"));
                let is_chosen = view.chosen == Some(curve.class);
                let size = vec2(ui.available_width(), LINE);
                let right = Layout::right_to_left(Align::Center);
                let row = ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
                    ui.set_min_size(size);
                    let colour = Tokens::of(ui).run(curve.class as usize);
                    if has_colour_again(curve) {
                        mark::ring(ui, colour);
                    } else {
                        mark::dot(ui, colour);
                    }
                    let rest = vec2(ui.available_width() - AREA - ui.spacing().item_spacing.x, LINE);
                    let left = Layout::left_to_right(Align::Center);
                    let button = ui.allocate_ui_with_layout(rest, left, |ui| {
                        ui.set_min_size(rest);
                        ui.add(Button::selectable(is_chosen, RichText::new(name).size(12.0)).truncate())
                    });
                    ui.allocate_ui_with_layout(vec2(AREA, LINE), right, |ui| {
                        ui.label(theme::number(&area));
                    });
                    button.inner
                });
                let response = row.inner;
                let [own, others] = curve.rows;
                let label = format!("{name} against the rest: area {area}");
                response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_chosen, &label));
                if response.hovered() {
                    *hovered = Some(curve.class);
                }
                let hover = format!("{label}\n{own} rows of the class, {others} others. Press to keep it in front");
                if response.on_hover_text(hover).clicked() {
                    view.chosen = (!is_chosen).then_some(curve.class);
                }
            }
        });
}
