//! Precision, recall, F1 and support of every class, the worst first.

use std::sync::Arc;

use egui::{Align, Button, Layout, Rect, RichText, Ui, pos2, vec2};
use egui_extras::{Column, TableBuilder, TableRow};
use egui_material_icons::icons;

use super::confusion::{self, Subject};
use super::moment;
use super::words::beside_ui;
use crate::app::action::Actions;
use crate::app::state::Model;
use crate::app::theme::{self, Tokens};
use crate::spec::{AnswersSeen, ClassScore, RocCurve, Snapshot, units};

const LINE: f32 = 24.0;
/// Width of a figure's column, and least width of the name's.
const FIGURE: f32 = 84.0;
const NAME: f32 = 90.0;

/// The scores, what they were counted from, and their order.
#[derive(Debug)]
pub struct ClassesView {
    counted: Option<(Arc<Snapshot>, Vec<ClassScore>)>,
    sort: Figure,
    is_rising: bool,
}

impl Default for ClassesView {
    /// The worst first.
    fn default() -> Self {
        Self {
            counted: None,
            sort: Figure::F1,
            is_rising: true,
        }
    }
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Figure {
    Class,
    Precision,
    Recall,
    F1,
    Area,
    Support,
}

impl Figure {
    const ALL: [Self; 6] = [
        Self::Class,
        Self::Precision,
        Self::Recall,
        Self::F1,
        Self::Area,
        Self::Support,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Class => "Class",
            Self::Precision => "Precision",
            Self::Recall => "Recall",
            Self::F1 => "F1",
            Self::Area => "ROC area",
            Self::Support => "Rows",
        }
    }

    fn doc(self) -> &'static str {
        match self {
            Self::Class => "In the order of the data; press a class to see its rows that were missed",
            Self::Precision => "Of the answers that name the class, the share that is right",
            Self::Recall => "Of the rows that are of the class, the share that was found",
            Self::F1 => "Harmonic mean of precision and recall: high only where both are",
            Self::Area => "How well the class's probability tells its rows from all others; 0.5 is chance",
            Self::Support => "Rows that are of the class: figures of few rows say little",
        }
    }

    /// What is drawn and sorted by.
    fn of(self, class: usize, score: &ClassScore, curve: Option<&RocCurve>) -> Option<f64> {
        match self {
            Self::Class => Some(class as f64),
            Self::Precision => score.precision(),
            Self::Recall => score.recall(),
            Self::F1 => score.f1(),
            Self::Area => curve?.area,
            Self::Support => Some(score.support as f64),
        }
    }
}

pub fn classes_ui(ui: &mut Ui, subject: &Subject<'_>, model: &Model, view: &mut ClassesView, actions: &mut Actions) {
    let is_same = |(of, _): &(Arc<Snapshot>, Vec<ClassScore>)| Arc::ptr_eq(of, subject.snapshot);
    if !view.counted.as_ref().is_some_and(is_same) {
        let pairs = subject.rows.iter().map(|row| (row.truth as usize, row.answer as usize));
        let scores = ClassScore::all(pairs, subject.classes.len());
        view.counted = Some((Arc::clone(subject.snapshot), scores));
    }
    let Some((_, scores)) = view.counted.take() else { return };
    let mut missed = None;
    beside_ui(
        ui,
        |ui| words_ui(ui, subject, &scores),
        |ui| missed = table_ui(ui, subject, &scores, view),
    );
    view.counted = Some((Arc::clone(subject.snapshot), scores));
    if let Some(class) = missed {
        let name = &subject.classes[class];
        let is_asked = |truth: usize, answer: usize| truth == class && answer != class;
        let asked = confusion::samples_of(subject, model, &format!("{name}, missed"), is_asked);
        actions.0.extend(asked);
    }
}

fn words_ui(ui: &mut Ui, subject: &Subject<'_>, scores: &[ClassScore]) {
    let f1 = ClassScore::macro_f1(scores);
    ui.label(theme::big_number(f1.map_or_else(|| "–".to_owned(), units::significant)));
    ui.label(theme::label(ui, "F1, mean of the classes"))
        .on_hover_text("Every class counts the same, however few rows it has; accuracy counts every row the same");
    let right: usize = scores.iter().map(|score| score.right).sum();
    let accuracy = right as f64 / subject.rows.len().max(1) as f64;
    ui.label(theme::label(ui, format!("Accuracy {}", units::percent(accuracy))));
    ui.label(theme::hint(ui, moment(subject.snapshot)));
    ui.label(theme::hint(ui, "Press a title to sort, a class to see what was missed"));
}

/// Places of the classes in the view's order; those without the figure come last.
fn order(scores: &[ClassScore], curves: &[RocCurve], view: &ClassesView) -> Vec<usize> {
    let key = |class: usize| view.sort.of(class, &scores[class], curve_of(curves, class));
    let mut places: Vec<usize> = (0..scores.len()).collect();
    places.sort_by(|&a, &b| match (key(a), key(b)) {
        (Some(a), Some(b)) if view.is_rising => a.total_cmp(&b),
        (Some(a), Some(b)) => b.total_cmp(&a),
        (a, b) => b.is_some().cmp(&a.is_some()),
    });
    places
}

/// Of two classes both have the area of the one curve.
fn curve_of(curves: &[RocCurve], class: usize) -> Option<&RocCurve> {
    match curves {
        [only] => Some(only),
        _ => curves.get(class),
    }
}

/// The class whose missed rows were asked for.
fn table_ui(ui: &mut Ui, subject: &Subject<'_>, scores: &[ClassScore], view: &mut ClassesView) -> Option<usize> {
    let AnswersSeen::Classes { curves, .. } = &subject.snapshot.answers else {
        return None;
    };
    let places = order(scores, curves, view);
    let mut missed = None;
    let figures = Figure::ALL.len() - 1;
    let width = (ui.available_width() - figures as f32 * (FIGURE + theme::SPACE[1])).clamp(NAME, 160.0);
    egui::ScrollArea::horizontal().id_salt("classes").show(ui, |ui| {
        ui.spacing_mut().item_spacing = vec2(theme::SPACE[1], 0.0);
        TableBuilder::new(ui)
            .id_salt("classes")
            .auto_shrink([true, false])
            .column(Column::exact(width).clip(true))
            .columns(Column::exact(FIGURE), figures)
            .header(LINE, |mut header| {
                for figure in Figure::ALL {
                    header.col(|ui| head_ui(ui, figure, view));
                }
            })
            .body(|body| {
                body.rows(LINE, places.len(), |mut line| {
                    let class = places[line.index()];
                    let score = &scores[class];
                    line.col(|ui| {
                        if name_ui(ui, &subject.classes[class], score) {
                            missed = Some(class);
                        }
                    });
                    for figure in &Figure::ALL[1..] {
                        figure_ui(&mut line, *figure, figure.of(class, score, curve_of(curves, class)));
                    }
                });
            });
    });
    missed
}

fn head_ui(ui: &mut Ui, figure: Figure, view: &mut ClassesView) {
    let tokens = Tokens::of(ui);
    let is_sorted = view.sort == figure;
    let colour = if is_sorted { tokens.text } else { tokens.text_soft };
    let layout = if figure == Figure::Class {
        Layout::left_to_right(Align::Center)
    } else {
        Layout::right_to_left(Align::Center)
    };
    ui.with_layout(layout, |ui| {
        ui.spacing_mut().item_spacing.x = 2.0;
        ui.spacing_mut().button_padding.x = 0.0;
        let text = RichText::new(figure.name()).size(12.0).color(colour);
        let response = if is_sorted {
            let icon = if view.is_rising {
                icons::ICON_ARROW_UPWARD
            } else {
                icons::ICON_ARROW_DOWNWARD
            };
            ui.add(Button::new((text, theme::icon(icon).size(13.0).color(tokens.accent))).frame(false))
        } else {
            ui.add(Button::new(text).frame(false))
        };
        let name = format!("Sort by {}", figure.name().to_lowercase());
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
        if response.on_hover_text(figure.doc()).clicked() {
            // What is low is bad in every column: the worst come first.
            view.is_rising = !is_sorted || !view.is_rising;
            view.sort = figure;
        }
    });
}

/// True where it was pressed.
fn name_ui(ui: &mut Ui, name: &str, score: &ClassScore) -> bool {
    let missed = score.support - score.right;
    ui.spacing_mut().button_padding.x = 0.0;
    let response = ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
        if missed == 0 {
            ui.add(egui::Label::new(name).truncate())
        } else {
            ui.add(Button::new(name).frame(false).truncate())
        }
    });
    if missed == 0 {
        return false;
    }
    let response = response.inner;
    let hover = format!("Shows the {missed} of {} rows that were missed", score.support);
    let label = format!("{name}: {missed} missed");
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &label));
    response.on_hover_text(hover).clicked()
}

/// A figure with a bar below it as long as it is high.
fn figure_ui(line: &mut TableRow<'_, '_>, figure: Figure, value: Option<f64>) {
    line.col(|ui| {
        let tokens = Tokens::of(ui);
        let is_share = figure != Figure::Support;
        if let Some(value) = value.filter(|_| is_share) {
            let rect = ui.max_rect();
            let track = Rect::from_min_max(pos2(rect.left() + 14.0, rect.bottom() - 3.0), rect.max);
            let track = track.with_max_y(rect.bottom() - 1.0);
            ui.painter().rect_filled(track, 1, tokens.line);
            let bar = track.with_max_x(egui::lerp(track.x_range(), value.clamp(0.0, 1.0) as f32));
            ui.painter().rect_filled(bar, 1, tokens.accent);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| match value {
            Some(value) if is_share => {
                ui.label(theme::number(format!("{value:.3}")))
                    .on_hover_text(format!("{} {value}", figure.name()));
            }
            Some(value) => {
                ui.label(theme::number(format!("{value:.0}")));
            }
            None => {
                ui.label(theme::hint(ui, "–"))
                    .on_hover_text("There are no rows to take it from");
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_come_first_and_what_has_no_figure_last() {
        let scores = ClassScore::all([(0, 0), (1, 0), (1, 1), (2, 2), (2, 2)], 4);
        let mut view = ClassesView::default();
        assert_eq!(order(&scores, &[], &view), [0, 1, 2, 3]);
        view.is_rising = false;
        assert_eq!(order(&scores, &[], &view), [2, 0, 1, 3]);
        (view.sort, view.is_rising) = (Figure::Recall, true);
        assert_eq!(order(&scores, &[], &view), [1, 0, 2, 3]);
    }
}
