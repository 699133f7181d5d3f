//! What a run has to say: how it stands, why it failed and what to do about it, its notes and its epochs.

use egui::{Align, Button, Color32, Label, Layout, RichText, ScrollArea, Ui};
use egui_material_icons::{MaterialIcon, icons};

use super::empty_ui;
use crate::app::action::{Action, Actions};
use crate::app::state::{Model, RowExt as _};
use crate::app::theme::{self, Tokens};
use crate::app::widgets::mark;
use crate::jobs::RunRow;
use crate::spec::{Ended, Metrics, RunId, RunStatus, units};
use crate::timeline::{Alarm, EpochPoint, RunView, Watch};

/// The alarms of the run that is shown.
#[derive(Debug, Default)]
pub struct LogView {
    run: Option<RunId>,
    watch: Watch,
}

impl LogView {
    fn alarms(&mut self, run: RunId, view: Option<&RunView>) -> &[Alarm] {
        if self.run != Some(run) {
            *self = Self {
                run: Some(run),
                watch: Watch::default(),
            };
        }
        if let Some(view) = view {
            self.watch.take(view);
        }
        self.watch.alarms()
    }
}

pub fn log_ui(ui: &mut Ui, model: &Model, log: &mut LogView, actions: &mut Actions) {
    let Some(row) = model.focus().and_then(|run| model.runs.row(run)) else {
        let purpose = "What a run has to say: its epochs, notes and failures";
        return empty_ui(ui, purpose, "Press Run: it speaks from its first step on");
    };
    let run = row.run.run;
    let view = model.runs.open(run).map(|open| &open.view);
    let alarms = log.alarms(run, view);
    let trouble = Trouble::of(row, view.and_then(|view| view.ended.as_ref()));
    ui.horizontal(|ui| {
        ui.label(mark::status_icon(ui, row.run.status));
        ui.add(Label::new(standing(row, view)).selectable(true).truncate());
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let hover = "Puts the whole log on the clipboard";
            if button_ui(ui, icons::ICON_CONTENT_COPY, "Copy log", hover) {
                actions.push(Action::CopyText(text(row, view, trouble.as_ref(), alarms)));
            }
            let hover = row.on_resume();
            if row.can_resume() && !is_busy(model, row) && button_ui(ui, icons::ICON_PLAY_ARROW, "Resume", hover) {
                actions.push(Action::Resume(run));
            }
        });
    });
    ScrollArea::vertical()
        .id_salt(("log", run.0))
        .auto_shrink(false)
        .stick_to_bottom(row.run.status.is_open())
        .show_viewport(ui, |ui, viewport| {
            if let Some(trouble) = &trouble {
                trouble_ui(ui, trouble);
            }
            if let Some(reason) = model.runs.failure(run) {
                ui.label(RichText::new(reason).color(Tokens::of(ui).bad));
            }
            let Some(view) = view else { return };
            let tokens = Tokens::of(ui);
            for note in &view.notes {
                line_ui(ui, icons::ICON_INFO, tokens.text_soft, note);
            }
            for alarm in alarms {
                line_ui(ui, icons::ICON_WARNING, tokens.warn, &alarm_line(alarm));
            }
            epochs_ui(ui, view, viewport);
        });
}

fn button_ui(ui: &mut Ui, icon: MaterialIcon, word: &str, hover: &str) -> bool {
    let response = ui.add(Button::new((theme::icon(icon), word)));
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, word));
    response.on_hover_text(hover).clicked()
}

/// Whether a job for this run is waiting or at work.
fn is_busy(model: &Model, row: &RunRow) -> bool {
    let resumes = crate::app::state::JobKind::Resume(row.run.run);
    model
        .queue
        .iter()
        .any(|job| job.run() == Some(row.run.run) || job.kind == resumes)
}

/// Why a run did not come to its end.
struct Trouble {
    what: String,
    remedy: String,
}

impl Trouble {
    fn of(row: &RunRow, ended: Option<&Ended>) -> Option<Self> {
        let (what, remedy) = match (row.run.status, ended) {
            (RunStatus::Failed, Some(Ended::Failed { failure })) => {
                (format!("{}: {}", failure.place, failure.what), failure.remedy.clone())
            }
            (RunStatus::Failed, _) => (row.run.failure.clone()?, String::new()),
            (RunStatus::Crashed, _) => (
                row.run.failure.clone().unwrap_or_default(),
                "this is a fault of the program; what was recorded is kept, and the run can be resumed".to_owned(),
            ),
            (RunStatus::Interrupted, _) => (
                "The program ended while this run was at work".to_owned(),
                "resume it, and it goes on where its last checkpoint stands".to_owned(),
            ),
            _ => return None,
        };
        Some(Self { what, remedy })
    }
}

fn trouble_ui(ui: &mut Ui, trouble: &Trouble) {
    let tokens = Tokens::of(ui);
    ui.add(
        Label::new(RichText::new(&trouble.what).color(tokens.bad))
            .selectable(true)
            .wrap(),
    );
    if !trouble.remedy.is_empty() {
        let text = format!("What to do: {}", trouble.remedy);
        ui.add(
            Label::new(RichText::new(text).color(tokens.text))
                .selectable(true)
                .wrap(),
        );
    }
    ui.add_space(theme::SPACE[0]);
}

fn line_ui(ui: &mut Ui, icon: MaterialIcon, colour: Color32, text: &str) {
    ui.horizontal_top(|ui| {
        ui.label(theme::icon(icon).size(14.0).color(colour));
        ui.add(Label::new(text).selectable(true).wrap());
    });
}

fn alarm_line(alarm: &Alarm) -> String {
    format!("Step {}: {}", alarm.step, alarm.text)
}

/// Only the lines in the viewport, because a run may have thousands of epochs.
fn epochs_ui(ui: &mut Ui, view: &RunView, viewport: egui::Rect) {
    let height = ui.text_style_height(&egui::TextStyle::Monospace);
    let top = ui.cursor().top() - ui.max_rect().top();
    let epochs = &view.epochs;
    let line = |y: f32| (((y - top) / height).max(0.0) as usize).min(epochs.len());
    let (first, end) = (line(viewport.top()), line(viewport.bottom() + height));
    ui.spacing_mut().item_spacing.y = 0.0;
    ui.add_space(first as f32 * height);
    for point in &epochs[first..end] {
        let tokens = Tokens::of(ui);
        let colour = if point.is_best { tokens.text } else { tokens.text_soft };
        ui.add(
            Label::new(theme::number(epoch_line(point)).color(colour))
                .selectable(true)
                .truncate(),
        );
    }
    ui.add_space((epochs.len() - end) as f32 * height);
}

/// How a run stands, in a line.
fn standing(row: &RunRow, view: Option<&RunView>) -> String {
    let run = &row.run;
    let mut parts = vec![run.name.clone(), run.status.to_string()];
    if let Some(view) = view.filter(|_| run.status.is_open()) {
        parts.push(view.progress_line());
        return parts.join(" · ");
    }
    match run.epochs {
        0 => {}
        1 => parts.push("1 epoch".to_owned()),
        epochs => parts.push(format!("{epochs} epochs")),
    }
    // A cross-validation has a best epoch in each fold, and keeps none. A baseline is fitted in one.
    let kept = run.best_epoch.filter(|_| row.folds.is_none() && run.epochs > 1);
    let best = view.and_then(RunView::best).map(|point| point.epoch);
    parts.extend(kept.map(|kept| match best.filter(|&best| best != kept) {
        _ if run.status != RunStatus::Finished => format!("best epoch {kept}"),
        Some(best) => format!("weights of epoch {kept}, the best was {best}"),
        None => format!("weights of epoch {kept}"),
    }));
    if run.elapsed_secs > 0.0 {
        parts.push(units::clock(run.elapsed_secs));
    }
    parts.join(" · ")
}

/// Loss and score of an epoch, of the training and the validation rows.
fn epoch_line(point: &EpochPoint) -> String {
    let part = |metrics: &Metrics| {
        let score = match (metrics.accuracy, metrics.r2) {
            (Some(accuracy), _) => units::percent(accuracy),
            (None, Some(r2)) => format!("R2 {}", units::significant(r2)),
            (None, None) => String::new(),
        };
        format!("{:<8} {score:<8}", loss(metrics.loss))
    };
    let best = if point.is_best { " best so far" } else { "" };
    let (train, validation) = (part(&point.train), part(&point.validation));
    let line = format!(
        "epoch {:>4}  training {train} validation {validation}{best}",
        point.epoch
    );
    line.trim_end().to_owned()
}

/// A loss; with an exponent where it is far from one.
fn loss(loss: f64) -> String {
    if loss != 0.0 && loss.is_finite() && !(1e-4..1e5).contains(&loss.abs()) {
        format!("{loss:.2e}")
    } else {
        units::significant(loss)
    }
}

/// The log as text.
fn text(row: &RunRow, view: Option<&RunView>, trouble: Option<&Trouble>, alarms: &[Alarm]) -> String {
    let mut lines = vec![standing(row, view)];
    if let Some(trouble) = trouble {
        lines.push(trouble.what.clone());
        if !trouble.remedy.is_empty() {
            lines.push(format!("What to do: {}", trouble.remedy));
        }
    }
    if let Some(view) = view {
        lines.extend(view.notes.iter().cloned());
        lines.extend(alarms.iter().map(alarm_line));
        lines.extend(view.epochs.iter().map(epoch_line));
    }
    lines.join("\n")
}
