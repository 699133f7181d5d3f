//! What is under the charts: decision surface, confusion matrix, worst samples, weights and log of the run in focus.

mod confusion;
mod log;
mod plane;
mod scatter;
mod surface;
#[cfg(test)]
mod tests;
mod weights;
mod worst;

use std::collections::BTreeSet;
use std::sync::Arc;

use egui::{Align, Button, Frame, Layout, Margin, Panel, Stroke, Ui, vec2};
use egui_material_icons::icons;

use crate::app::action::{Action, Actions};
use crate::app::state::{Model, Seen};
use crate::app::theme::{self, Tokens};
use crate::spec::{AnswersSeen, DatasetSummary, RunId, RunStatus, Snapshot};

/// Below this height of the window the panel starts folded.
const LOW: f32 = 760.0;
/// Height of the row of tabs, and of the whole panel where nobody has dragged it.
const STRIP: f32 = 32.0;
const HEIGHT: f32 = 260.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
enum Tab {
    Surface,
    /// The confusion matrix; of a regression, the true against the predicted values.
    Answers,
    Worst,
    Weights,
    Log,
}

/// How the panel likes to draw.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct TabsView {
    /// Chosen by hand.
    tab: Option<Tab>,
    /// Opened or folded by hand.
    is_open: Option<bool>,
    /// The failed run whose log is shown without having been asked for.
    #[serde(skip)]
    log_of: Option<RunId>,
    /// The last pictures, and whose they are.
    #[serde(skip)]
    last: Option<(RunId, Arc<Snapshot>)>,
    /// Failed runs whose log has been shown so.
    #[serde(skip)]
    told: BTreeSet<RunId>,
    #[serde(skip)]
    surface: surface::SurfaceView,
    #[serde(skip)]
    confusion: confusion::ConfusionView,
    #[serde(skip)]
    log: log::LogView,
}

/// The run in focus, and what is known of it.
struct Subject<'a> {
    run: Option<RunId>,
    name: &'a str,
    /// Its data; those of the form where there is no run.
    dataset: Option<&'a DatasetSummary>,
    seen: Option<&'a Seen>,
    /// It is being trained now.
    is_live: bool,
    /// What was seen of it last: shown while newer pictures of it are awaited.
    snapshot: Option<Arc<Snapshot>>,
}

impl<'a> Subject<'a> {
    fn of(model: &'a Model, last: Option<&(RunId, Arc<Snapshot>)>) -> Self {
        let run = model.focus();
        let row = run.and_then(|run| model.runs.row(run));
        let of_form = model.form.preview().filter(|_| run.is_none());
        let opened = run.and_then(|run| model.runs.open(run));
        let is_open = row.is_none_or(|row| row.run.status.is_open());
        let seen = run.and_then(|run| model.runs.seen(run));
        let last = last.filter(|(of, _)| Some(*of) == run);
        Self {
            run,
            name: row.map_or("", |row| row.run.name.as_str()),
            dataset: opened
                .map(|open| &open.record.plan.dataset)
                .or(of_form.map(|preview| &preview.summary)),
            seen,
            is_live: run.is_some() && model.live_run() == run && is_open,
            snapshot: match seen {
                Some(Seen::Ready(snapshot)) => Some(Arc::clone(snapshot)),
                Some(Seen::Failed(_)) => None,
                Some(Seen::Loading) | None => last.map(|(_, snapshot)| Arc::clone(snapshot)),
            },
        }
    }

    fn snapshot(&self) -> Option<&Arc<Snapshot>> {
        self.snapshot.as_ref()
    }

    fn has_plane(&self) -> bool {
        match self.snapshot() {
            Some(snapshot) => snapshot.surface.is_some(),
            None => self
                .dataset
                .is_some_and(|dataset| dataset.columns.len() == 2 && dataset.input.len() == 2),
        }
    }

    fn is_regression(&self) -> bool {
        match self.snapshot() {
            Some(snapshot) => matches!(snapshot.answers, AnswersSeen::Values { .. }),
            None => self.dataset.is_some_and(|dataset| dataset.task.is_regression()),
        }
    }

    fn tabs(&self) -> Vec<Tab> {
        let all = [Tab::Surface, Tab::Answers, Tab::Worst, Tab::Weights, Tab::Log];
        let is_offered = |tab: &Tab| *tab != Tab::Surface || self.has_plane();
        all.into_iter().filter(is_offered).collect()
    }
}

impl Tab {
    fn name(self, subject: &Subject<'_>) -> &'static str {
        match self {
            Self::Surface => "Decision surface",
            Self::Answers if subject.is_regression() => "True and predicted",
            Self::Answers => "Confusion matrix",
            Self::Worst => "Worst samples",
            Self::Weights => "Weights",
            Self::Log => "Log",
        }
    }

    /// What is to be seen in it.
    fn purpose(self, subject: &Subject<'_>) -> &'static str {
        match self {
            Self::Surface => "What the network answers at each point of the plane of its two inputs, as it learns",
            Self::Answers if subject.is_regression() => "The predicted value of each row against the true one",
            Self::Answers => "Which classes the network takes for which; a cell opens its samples",
            Self::Worst => "The samples that the network gets most wrong, the worst first",
            Self::Weights => "How the values of each weight tensor are spread, and how many are exactly zero",
            Self::Log => "What the run has to say: its epochs, notes and failures",
        }
    }
}

impl TabsView {
    /// A run that has failed shows its log by itself, once.
    fn call_log(&mut self, model: &Model, run: Option<RunId>) {
        let Some(row) = run.and_then(|run| model.runs.row(run)) else {
            return;
        };
        let has_failed = matches!(
            row.run.status,
            RunStatus::Failed | RunStatus::Crashed | RunStatus::Interrupted
        );
        if has_failed && self.told.insert(row.run.run) {
            self.log_of = run;
        } else if !has_failed {
            // It may fail again after it was resumed.
            self.told.remove(&row.run.run);
            self.log_of = self.log_of.filter(|&other| run != Some(other));
        }
    }

    fn shown(&self, subject: &Subject<'_>, tabs: &[Tab]) -> Tab {
        if subject.run.is_some() && subject.run == self.log_of {
            return Tab::Log;
        }
        let chosen = self.tab.filter(|tab| tabs.contains(tab));
        chosen.or(tabs.first().copied()).unwrap_or(Tab::Log)
    }
}

/// A panel at the foot of the page.
pub fn tabs_ui(ui: &mut Ui, model: &Model, view: &mut TabsView, actions: &mut Actions) {
    let tokens = Tokens::of(ui);
    let subject = Subject::of(model, view.last.as_ref());
    view.last = subject.run.zip(subject.snapshot().cloned());
    view.call_log(model, subject.run);
    let tabs = subject.tabs();
    let shown = view.shown(&subject, &tabs);
    let is_tall = ui.ctx().content_rect().height() >= LOW;
    let has_called = subject.run.is_some() && view.log_of == subject.run;
    let is_open = view.is_open.unwrap_or(is_tall || has_called);
    let frame = Frame::NONE
        .fill(tokens.card)
        .stroke(Stroke::new(1.0, tokens.line))
        .corner_radius(egui::CornerRadius::same(6))
        .outer_margin(Margin { top: 8, ..Margin::ZERO })
        .inner_margin(Margin::symmetric(12, 4));
    let panel = if is_open {
        let most = (ui.available_height() - 160.0).max(160.0);
        Panel::bottom("tabs")
            .resizable(true)
            .default_size(HEIGHT.min(most))
            .size_range(130.0..=most)
    } else {
        Panel::bottom("folded tabs").exact_size(STRIP + 18.0)
    };
    panel.frame(frame).show_separator_line(false).show(ui, |ui| {
        strip_ui(ui, &subject, &tabs, shown, is_open, view);
        if is_open {
            ui.add_space(theme::SPACE[0]);
            // A child of its own, so that nothing in it can push the panel open.
            let rect = ui.available_rect_before_wrap();
            ui.allocate_rect(rect, egui::Sense::hover());
            let mut content = ui.new_child(egui::UiBuilder::new().id_salt(shown).max_rect(rect));
            content.shrink_clip_rect(rect);
            tab_ui(&mut content, shown, &subject, model, view, actions);
        }
    });
}

/// The tabs, what is seen, and the fold.
fn strip_ui(ui: &mut Ui, subject: &Subject<'_>, tabs: &[Tab], shown: Tab, is_open: bool, view: &mut TabsView) {
    let tokens = Tokens::of(ui);
    ui.horizontal(|ui| {
        ui.set_height(STRIP);
        ui.spacing_mut().item_spacing.x = theme::SPACE[3];
        ui.spacing_mut().button_padding.x = 0.0;
        for &tab in tabs {
            let is_shown = is_open && tab == shown;
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
                view.is_open = Some(!is_shown);
                view.tab = Some(tab);
                view.log_of = None;
            }
        }
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
            let what = match subject.snapshot() {
                Some(snapshot) if shown != Tab::Log => format!("{} · {}", subject.name, moment(snapshot)),
                _ => subject.name.to_owned(),
            };
            ui.add(egui::Label::new(theme::hint(ui, &what)).truncate())
                .on_hover_text(what);
        });
    });
}

fn tab_ui(ui: &mut Ui, tab: Tab, subject: &Subject<'_>, model: &Model, view: &mut TabsView, actions: &mut Actions) {
    if tab == Tab::Log {
        return log::log_ui(ui, model, &mut view.log, actions);
    }
    if let (Some(run), None) = (subject.run, subject.seen)
        && !subject.is_live
    {
        actions.push(Action::Inspect(run));
    }
    let Some(snapshot) = subject.snapshot() else {
        return nothing_ui(ui, tab, subject);
    };
    match (tab, &snapshot.answers) {
        (Tab::Surface, _) => surface::surface_ui(ui, snapshot, &mut view.surface),
        (Tab::Answers, AnswersSeen::Classes { classes, rows, .. }) => {
            let subject = confusion::Subject {
                run: subject.run,
                snapshot,
                classes,
                rows,
            };
            confusion::confusion_ui(ui, &subject, model, &mut view.confusion, actions);
        }
        (Tab::Answers, AnswersSeen::Values { rows, .. }) => scatter::scatter_ui(ui, rows, &moment(snapshot)),
        (Tab::Worst, AnswersSeen::Classes { worst, .. } | AnswersSeen::Values { worst, .. }) => {
            worst::worst_ui(ui, worst, &snapshot.answers);
        }
        (Tab::Weights, _) => weights::weights_ui(ui, &snapshot.histograms),
        (Tab::Log, _) => {}
    }
}

/// What will be here, and when.
fn nothing_ui(ui: &mut Ui, tab: Tab, subject: &Subject<'_>) {
    let purpose = tab.purpose(subject);
    match (subject.run, subject.seen) {
        (None, _) => empty_ui(ui, purpose, "Press Run: it comes at the end of the first epoch"),
        (Some(_), Some(Seen::Failed(reason))) => empty_ui(ui, purpose, reason),
        (Some(_), None) if subject.is_live => empty_ui(ui, purpose, "It comes when an epoch of this run ends"),
        (Some(_), _) => empty_ui(ui, purpose, &format!("Looking into {}", subject.name)),
    }
}

/// An empty place: what it is for, and what it waits for.
fn empty_ui(ui: &mut Ui, purpose: &str, when: &str) {
    let height = ui.available_height();
    ui.allocate_ui_with_layout(
        vec2(ui.available_width(), height),
        Layout::top_down(Align::Center),
        |ui| {
            ui.add_space((height / 2.0 - 26.0).max(0.0));
            ui.label(theme::label(ui, purpose));
            ui.label(theme::hint(ui, when));
        },
    );
}

/// Which rows at which epoch, in words.
fn moment(snapshot: &Snapshot) -> String {
    if snapshot.part == "test" {
        "test rows, answered by the exported file".to_owned()
    } else {
        format!("{} rows, epoch {}", snapshot.part, snapshot.epoch)
    }
}
