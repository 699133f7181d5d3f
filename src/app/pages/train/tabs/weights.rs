//! How the values of each weight tensor are spread: small multiples, one a tensor.

use std::fmt::Write as _;

use egui::{Align2, Color32, FontId, Rect, ScrollArea, Sense, Stroke, Ui, pos2, vec2};
use egui_material_icons::icons;

use crate::app::theme::{self, Tokens};
use crate::spec::{Histogram, units};

/// Width of one picture, least and most height of its bars, and the height of its words, in points.
const WIDTH: f32 = 210.0;
const BARS: [f32; 2] = [64.0, 130.0];
const WORDS: f32 = 62.0;

/// One picture.
pub struct Multiple<'a> {
    pub histogram: &'a Histogram,
    /// Words below it, left and right; the number of values and of zeros where there are none.
    pub foot: Option<[String; 2]>,
    /// What is wrong with it: word, explanation and colour.
    pub flag: Option<(&'static str, &'static str, Color32)>,
}

pub fn weights_ui(ui: &mut Ui, histograms: &[Histogram]) {
    let multiple = |histogram| Multiple {
        histogram,
        foot: None,
        flag: None,
    };
    let multiples: Vec<Multiple<'_>> = histograms.iter().map(multiple).collect();
    multiples_ui(ui, "weights", &multiples);
}

/// All of them, scrolling in the space that there is.
pub fn multiples_ui(ui: &mut Ui, salt: &str, multiples: &[Multiple<'_>]) {
    if multiples.is_empty() {
        ui.label(theme::label(ui, "This network has no weight tensor"));
        return;
    }
    let gap = theme::SPACE[4];
    let in_a_row = (((ui.available_width() + gap) / (WIDTH + gap)) as usize).max(1);
    let lines = multiples.len().div_ceil(in_a_row);
    let bars = (ui.available_height() / lines as f32 - WORDS).clamp(BARS[0], BARS[1]);
    let height = bars + WORDS;
    let area = ScrollArea::vertical().id_salt(salt).auto_shrink(false);
    area.show_rows(ui, height, lines, |ui, shown| {
        ui.spacing_mut().item_spacing.x = gap;
        for line in multiples.chunks(in_a_row).skip(shown.start).take(shown.len()) {
            ui.horizontal_top(|ui| {
                for multiple in line {
                    let down = egui::Layout::top_down(egui::Align::Min);
                    ui.allocate_ui_with_layout(vec2(WIDTH, height), down, |ui| {
                        ui.set_min_size(vec2(WIDTH, height));
                        ui.set_max_width(WIDTH);
                        multiple_ui(ui, multiple, bars);
                    });
                }
            });
        }
    });
}

fn multiple_ui(ui: &mut Ui, multiple: &Multiple<'_>, bars: f32) {
    let tokens = Tokens::of(ui);
    let histogram = multiple.histogram;
    ui.spacing_mut().item_spacing.y = 4.0;
    title_ui(ui, multiple);
    let (rect, response) = ui.allocate_exact_size(vec2(WIDTH, bars), Sense::hover());
    let zeros = zeros_text(histogram);
    let mut name = format!(
        "{}: {} values from {} to {}, {zeros}",
        histogram.name,
        histogram.values,
        small(f64::from(histogram.low)),
        small(f64::from(histogram.high)),
    );
    if let Some([left, right]) = &multiple.foot {
        let _ = write!(name, "\n{left}, {right}");
    }
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Figure, true, &name));
    response.on_hover_text(&name);
    bars_ui(ui, rect, histogram, tokens);
    let end = |value: f32| small(f64::from(value));
    ends_ui(ui, end(histogram.low), end(histogram.high), tokens.text_faint);
    if let Some([left, right]) = &multiple.foot {
        return ends_ui(ui, left.clone(), right.clone(), tokens.text_soft);
    }
    let values = format!("{} values", units::count(histogram.values as f64));
    let colour = if histogram.zeros > 0.0 {
        tokens.text
    } else {
        tokens.text_faint
    };
    ends_ui(ui, values, zeros, colour);
}

/// A number that may be very small: below 0.0001 with an exponent.
pub fn small(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-4 {
        format!("{value:.1e}")
    } else {
        units::significant(value)
    }
}

/// The tensor's name, and what is wrong with it.
fn title_ui(ui: &mut Ui, multiple: &Multiple<'_>) {
    let name = &multiple.histogram.name;
    let name_ui = |ui: &mut Ui| {
        ui.add(egui::Label::new(theme::label(ui, name)).truncate())
            .on_hover_text(name);
    };
    let Some((word, why, colour)) = multiple.flag else {
        return name_ui(ui);
    };
    let height = ui.text_style_height(&egui::TextStyle::Body);
    let right = egui::Layout::right_to_left(egui::Align::Center);
    ui.allocate_ui_with_layout(vec2(WIDTH, height), right, |ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        ui.label(egui::RichText::new(word).size(12.0).color(colour))
            .on_hover_text(why);
        ui.label(theme::icon(icons::ICON_WARNING).size(14.0).color(colour));
        ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), name_ui);
    });
}

/// A line with words at both ends, the right ones in `colour`.
fn ends_ui(ui: &mut Ui, left: String, right: String, colour: Color32) {
    let faint = Tokens::of(ui).text_faint;
    let (rect, _) = ui.allocate_exact_size(vec2(WIDTH, 15.0), Sense::hover());
    let font = FontId::proportional(11.0);
    let painter = ui.painter();
    painter.text(rect.left_center(), Align2::LEFT_CENTER, left, font.clone(), faint);
    painter.text(rect.right_center(), Align2::RIGHT_CENTER, right, font, colour);
}

fn zeros_text(histogram: &Histogram) -> String {
    if histogram.zeros > 0.0 {
        format!("{} zeros", units::percent(f64::from(histogram.zeros)))
    } else {
        "no zeros".to_owned()
    }
}

/// The counts without the exact zeros, which would dwarf the others after pruning.
fn nonzero_counts(histogram: &Histogram) -> Vec<f32> {
    let zeros = (histogram.zeros * histogram.values as f32).round();
    let span = histogram.high - histogram.low;
    let bins = histogram.counts.len();
    let place = ((0.0 - histogram.low) / span * bins as f32) as usize;
    let zero_bin = (histogram.low <= 0.0 && histogram.high >= 0.0).then_some(place.min(bins.saturating_sub(1)));
    let counts = histogram.counts.iter().enumerate();
    counts
        .map(|(bin, &count)| {
            if zero_bin == Some(bin) {
                (count as f32 - zeros).max(0.0)
            } else {
                count as f32
            }
        })
        .collect()
}

fn bars_ui(ui: &Ui, rect: Rect, histogram: &Histogram, tokens: Tokens) {
    if !ui.is_rect_visible(rect) {
        return;
    }
    let painter = ui.painter();
    let counts = nonzero_counts(histogram);
    let most = counts.iter().copied().fold(1.0, f32::max);
    let width = rect.width() / counts.len().max(1) as f32;
    for (bin, count) in counts.iter().enumerate() {
        if *count <= 0.0 {
            continue;
        }
        let left = rect.left() + width * bin as f32;
        let height = (rect.height() * count / most).max(1.0);
        let bar = Rect::from_min_max(
            pos2(left, rect.bottom() - height),
            pos2(left + width - 0.5, rect.bottom()),
        );
        painter.rect_filled(bar, 0, tokens.accent);
    }
    painter.hline(rect.x_range(), rect.bottom(), Stroke::new(1.0, tokens.line));
    if histogram.low < 0.0 && histogram.high > 0.0 {
        let zero = egui::remap(0.0, histogram.low..=histogram.high, rect.left()..=rect.right());
        let line = [pos2(zero, rect.top()), pos2(zero, rect.bottom())];
        painter.extend(egui::Shape::dashed_line(
            &line,
            Stroke::new(1.0, tokens.text_faint),
            2.0,
            3.0,
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_zeros_are_not_in_the_bars() {
        let histogram = Histogram {
            name: "layers.0.weight".to_owned(),
            low: -1.0,
            high: 1.0,
            counts: vec![2, 1, 6, 1],
            zeros: 0.5,
            values: 10,
        };
        assert_eq!(nonzero_counts(&histogram), [2.0, 1.0, 1.0, 1.0]);
        assert_eq!(zeros_text(&histogram), "50.0 % zeros");
    }
}
