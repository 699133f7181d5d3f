//! The confusion matrix: truth in rows, answer in columns. A cell opens its samples.

use std::sync::Arc;

use egui::{Align2, FontId, Rect, ScrollArea, Sense, Stroke, StrokeKind, Ui, pos2, vec2};

use super::moment;
use crate::app::action::{Action, Actions};
use crate::app::state::Model;
use crate::app::theme::{self, Tokens};
use crate::jobs::Part;
use crate::spec::{ClassAnswer, RunId, Snapshot, units};

/// Samples of a cell that are shown.
const SHOWN: usize = 48;
/// Pairs of classes in the list of mistakes.
const MISTAKES: usize = 6;
/// Height of a line, least and most, and least and most width of a cell, in points.
const LINE: [f32; 2] = [17.0, 30.0];
const WIDTH: [f32; 2] = [30.0, 76.0];
/// A column gets as much as its name, up to this, before the matrix scrolls.
const LEGIBLE: f32 = 56.0;
/// Least and most room for a class's name, and the room for its accuracy.
const NAME: [f32; 2] = [24.0, 110.0];
const ACCURACY: f32 = 66.0;
/// Width of the words on the left and of the mistakes on the right.
const WORDS: f32 = 176.0;
const LIST: f32 = 220.0;
const FONT: FontId = FontId::proportional(11.0);

/// What is drawn.
pub struct Subject<'a> {
    pub run: Option<RunId>,
    pub snapshot: &'a Arc<Snapshot>,
    pub classes: &'a [String],
    pub rows: &'a [ClassAnswer],
}

/// The counts, and what they were counted from.
#[derive(Debug, Default)]
pub struct ConfusionView {
    counted: Option<(Arc<Snapshot>, Matrix)>,
}

/// Rows of each true class (rows) by their answer (columns).
#[derive(Debug, Clone, PartialEq)]
struct Matrix {
    classes: usize,
    counts: Vec<u32>,
    right: u32,
    total: u32,
}

impl Matrix {
    fn of(rows: &[ClassAnswer], classes: usize) -> Self {
        let mut counts = vec![0; classes * classes];
        let (mut right, mut total) = (0, 0);
        for row in rows {
            let (truth, answer) = (row.truth as usize, row.answer as usize);
            if truth < classes && answer < classes {
                counts[truth * classes + answer] += 1;
                right += u32::from(truth == answer);
                total += 1;
            }
        }
        Self {
            classes,
            counts,
            right,
            total,
        }
    }

    fn count(&self, truth: usize, answer: usize) -> u32 {
        self.counts.get(truth * self.classes + answer).copied().unwrap_or(0)
    }

    fn of_truth(&self, truth: usize) -> u32 {
        self.counts.iter().skip(truth * self.classes).take(self.classes).sum()
    }

    /// Truth, answer and count of the most frequent mistakes.
    fn mistakes(&self) -> Vec<(usize, usize, u32)> {
        let all = (0..self.counts.len()).map(|cell| (cell / self.classes, cell % self.classes, self.counts[cell]));
        let mut mistakes: Vec<_> = all
            .filter(|&(truth, answer, count)| truth != answer && count > 0)
            .collect();
        mistakes.sort_by_key(|&(truth, answer, count)| (std::cmp::Reverse(count), truth, answer));
        mistakes.truncate(MISTAKES);
        mistakes
    }
}

pub fn confusion_ui(
    ui: &mut Ui,
    subject: &Subject<'_>,
    model: &Model,
    view: &mut ConfusionView,
    actions: &mut Actions,
) {
    let is_same = |(of, _): &(Arc<Snapshot>, Matrix)| Arc::ptr_eq(of, subject.snapshot);
    if !view.counted.as_ref().is_some_and(is_same) {
        let matrix = Matrix::of(subject.rows, subject.classes.len());
        view.counted = Some((Arc::clone(subject.snapshot), matrix));
    }
    let Some((_, matrix)) = &view.counted else { return };
    let mut pressed = None;
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = theme::SPACE[3];
        let available = ui.available_size();
        let down = egui::Layout::top_down(egui::Align::Min);
        ui.allocate_ui_with_layout(vec2(WORDS, available.y), down, |ui| {
            ui.set_width(WORDS);
            words_ui(ui, subject, matrix);
        });
        let needed = name_width(ui, subject.classes) + ACCURACY + WIDTH[0] * subject.classes.len() as f32;
        let room = available.x - WORDS - theme::SPACE[3];
        let with_list = room - LIST - theme::SPACE[3] >= needed.min(420.0);
        let width = if with_list { room - LIST - theme::SPACE[3] } else { room };
        ui.allocate_ui_with_layout(vec2(width, available.y), down, |ui| {
            ScrollArea::both().id_salt("confusion").show(ui, |ui| {
                pressed = matrix_ui(ui, width, available.y, subject, matrix);
            });
        });
        if with_list {
            ui.vertical(|ui| {
                let chosen = mistakes_ui(ui, subject, matrix);
                pressed = pressed.or(chosen);
            });
        }
    });
    if let Some((truth, answer)) = pressed {
        let of = |class: usize| subject.classes.get(class).map_or("", String::as_str);
        let what = format!("Truth {}, answered {}", of(truth), of(answer));
        let asked = samples_of(subject, model, &what, |a, b| (a, b) == (truth, answer));
        actions.0.extend(asked);
    }
}

/// Asks for the samples whose truth and answer are asked for; nothing while the run's plan is not at hand.
pub fn samples_of(
    subject: &Subject<'_>,
    model: &Model,
    what: &str,
    is_asked: impl Fn(usize, usize) -> bool,
) -> Option<Action> {
    let open = model.runs.open(subject.run?)?;
    let part: Part = subject.snapshot.part.parse().ok()?;
    let all = subject.rows.iter().enumerate();
    let all = all.filter(|(_, row)| is_asked(row.truth as usize, row.answer as usize));
    let all: Vec<usize> = all.map(|(place, _)| place).collect();
    let shown = &all[..all.len().min(SHOWN)];
    let count = if shown.len() < all.len() {
        format!("{} of {} samples", shown.len(), all.len())
    } else {
        samples(all.len())
    };
    Some(Action::Samples {
        title: format!("{what}: {count}"),
        data: open.record.plan.config.data.clone(),
        part,
        rows: shown.to_vec(),
    })
}

/// Room for the longest name of a class.
fn name_width(ui: &Ui, classes: &[String]) -> f32 {
    let width = |name: &String| {
        let galley = ui
            .painter()
            .layout_no_wrap(name.clone(), FONT, egui::Color32::PLACEHOLDER);
        galley.size().x
    };
    let widest = classes.iter().map(width).fold(0.0, f32::max);
    (widest + 10.0).clamp(NAME[0], NAME[1])
}

fn samples(count: usize) -> String {
    if count == 1 {
        "1 sample".to_owned()
    } else {
        format!("{count} samples")
    }
}

fn words_ui(ui: &mut Ui, subject: &Subject<'_>, matrix: &Matrix) {
    let share = f64::from(matrix.right) / f64::from(matrix.total.max(1));
    ui.label(theme::big_number(units::percent(share)));
    ui.label(theme::label(ui, format!("{} of {} right", matrix.right, matrix.total)));
    ui.label(theme::hint(ui, moment(subject.snapshot)));
    ui.add_space(theme::SPACE[1]);
    ui.label(theme::hint(
        ui,
        "Rows are the truth, columns the answer. Press a cell to see its samples",
    ));
}

/// The cell that was pressed.
fn matrix_ui(ui: &mut Ui, width: f32, height: f32, subject: &Subject<'_>, matrix: &Matrix) -> Option<(usize, usize)> {
    let tokens = Tokens::of(ui);
    let classes = matrix.classes;
    let room = name_width(ui, subject.classes);
    let line = ((height - 4.0) / (classes as f32 + 1.0))
        .clamp(LINE[0], LINE[1])
        .floor();
    let cell = ((width - room - ACCURACY) / classes.max(1) as f32)
        .clamp(room.clamp(WIDTH[0], LEGIBLE), WIDTH[1])
        .floor();
    let size = vec2(room + cell * classes as f32 + ACCURACY, line * (classes as f32 + 1.0));
    let (whole, response) = ui.allocate_exact_size(size, Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Table, true, "Confusion matrix"));
    let painter = ui.painter().clone();
    let fit = |text: &str, room: f32, colour| {
        let mut job = egui::text::LayoutJob::simple_singleline(text.to_owned(), FONT, colour);
        job.wrap = egui::text::TextWrapping::truncate_at_width(room);
        painter.layout_job(job)
    };
    let cells = whole.left() + room;
    for (answer, name) in subject.classes.iter().enumerate() {
        let galley = fit(name, cell - 4.0, tokens.text_soft);
        let centre = pos2(cells + (answer as f32 + 0.5) * cell, whole.top() + line / 2.0);
        painter.galley(centre - galley.size() / 2.0, galley, tokens.text_soft);
    }
    painter.text(
        pos2(cells + cell * classes as f32 + ACCURACY, whole.top() + line / 2.0),
        Align2::RIGHT_CENTER,
        "right",
        FONT,
        tokens.text_faint,
    );
    let mut pressed = None;
    for (truth, name) in subject.classes.iter().enumerate() {
        let top = whole.top() + line * (truth as f32 + 1.0);
        let middle = top + line / 2.0;
        if !ui.is_rect_visible(Rect::from_min_size(pos2(whole.left(), top), vec2(size.x, line))) {
            continue;
        }
        let galley = fit(name, room - 10.0, tokens.text_soft);
        let at = pos2(cells - 8.0 - galley.size().x, middle - galley.size().y / 2.0);
        painter.galley(at, galley, tokens.text_soft);
        let total = matrix.of_truth(truth);
        for answer in 0..classes {
            let corner = pos2(cells + cell * answer as f32, top);
            let rect = Rect::from_min_size(corner, vec2(cell, line)).shrink(0.5);
            if ui.is_rect_visible(rect) && cell_ui(ui, rect, subject, matrix, (truth, answer), total) {
                pressed = Some((truth, answer));
            }
        }
        let accuracy = match total {
            0 => "no rows".to_owned(),
            _ => units::percent(f64::from(matrix.count(truth, truth)) / f64::from(total)),
        };
        let at = pos2(cells + cell * classes as f32 + ACCURACY, middle);
        painter.text(at, Align2::RIGHT_CENTER, accuracy, FontId::monospace(11.0), tokens.text);
    }
    pressed
}

/// One cell; true if it was pressed.
fn cell_ui(
    ui: &Ui,
    rect: Rect,
    subject: &Subject<'_>,
    matrix: &Matrix,
    (truth, answer): (usize, usize),
    total: u32,
) -> bool {
    let tokens = Tokens::of(ui);
    let count = matrix.count(truth, answer);
    let sense = if count > 0 { Sense::click() } else { Sense::hover() };
    let response = ui.interact(rect, ui.scope_id().with(("cell", truth, answer)), sense);
    // The square root lets a single mistake be seen beside a hundred right answers.
    let share = f64::from(count) / f64::from(total.max(1));
    let ground = if count > 0 {
        tokens.heat(share.sqrt() as f32)
    } else {
        tokens.card
    };
    ui.painter().rect_filled(rect, 2, ground);
    if count > 0 {
        let colour = if ground == tokens.card {
            tokens.text
        } else {
            Tokens::text_on(ground)
        };
        let font = FontId::monospace(11.0);
        ui.painter()
            .text(rect.center(), Align2::CENTER_CENTER, count, font, colour);
    } else if truth == answer {
        ui.painter()
            .rect_stroke(rect, 2, Stroke::new(1.0, tokens.line), StrokeKind::Inside);
    }
    if count == 0 {
        return false;
    }
    let of = |class: usize| subject.classes.get(class).map_or("", String::as_str);
    let name = || {
        format!(
            "truth {}, answered {}: {}",
            of(truth),
            of(answer),
            samples(count as usize)
        )
    };
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, name()));
    if response.hovered() || response.has_focus() {
        let edge = Stroke::new(1.5, tokens.text);
        ui.painter().rect_stroke(rect, 2, edge, StrokeKind::Inside);
    }
    let response = response.on_hover_ui(|ui| {
        ui.label(name());
        ui.label(theme::hint(
            ui,
            format!("{} of the rows that are {}", units::percent(share), of(truth)),
        ));
    });
    response.clicked()
}

/// The most frequent mistakes in words; the pair that was pressed.
fn mistakes_ui(ui: &mut Ui, subject: &Subject<'_>, matrix: &Matrix) -> Option<(usize, usize)> {
    ui.spacing_mut().item_spacing.y = 2.0;
    ui.label(theme::label(ui, "Most frequent mistakes"));
    let mistakes = matrix.mistakes();
    if mistakes.is_empty() {
        ui.label(theme::hint(ui, "None in these rows"));
    }
    let mut pressed = None;
    ui.spacing_mut().interact_size.y = 18.0;
    ui.spacing_mut().button_padding = vec2(0.0, 1.0);
    for (truth, answer, count) in mistakes {
        let of = |class: usize| subject.classes.get(class).map_or("", String::as_str);
        let text = format!("{} taken for {}: {count}", of(truth), of(answer));
        let button = egui::Button::new(text).frame(false).truncate();
        if ui.add(button).on_hover_text("Shows these samples").clicked() {
            pressed = Some((truth, answer));
        }
    }
    pressed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_by_truth_and_answer_and_mistakes_by_frequency() {
        let row = |truth, answer| ClassAnswer {
            truth,
            answer,
            probability: 0.5,
            confidence: 0.5,
        };
        let rows = [
            row(0, 0),
            row(0, 0),
            row(1, 0),
            row(2, 1),
            row(2, 1),
            row(2, 2),
            row(9, 0),
        ];
        let matrix = Matrix::of(&rows, 3);
        assert_eq!(matrix.counts, [2, 0, 0, 1, 0, 0, 0, 2, 1]);
        assert_eq!((matrix.right, matrix.total), (3, 6));
        assert_eq!((matrix.of_truth(0), matrix.of_truth(2)), (2, 3));
        assert_eq!(matrix.mistakes(), [(2, 1, 2), (1, 0, 1)]);
    }
}
