//! What is under the charts: what the run in focus answers, how sure it is, what it looks at, its weights and its log.

mod attention;
mod calibration;
mod changes;
mod classes;
mod confusion;
mod filters;
mod findings;
mod forecast;
mod gradients;
mod log;
mod painted;
mod plane;
mod residuals;
mod roc;
mod scatter;
mod strip;
mod surface;
#[cfg(test)]
mod tests;
mod weights;
mod words;
mod worst;

use std::collections::BTreeSet;
use std::sync::Arc;

use egui::{Align, Frame, Layout, Margin, Panel, Stroke, Ui, vec2};

use crate::app::action::{Action, Actions};
use crate::app::state::{Model, Seen};
use crate::app::theme::{self, Tokens};
use crate::spec::{AnswersSeen, DataKind, DatasetSummary, LayerSpec, RunId, RunPlan, RunStatus, Snapshot, Wanted};

/// Below this height of the window the panel starts folded.
const LOW: f32 = 760.0;
/// Height of the row of tabs, and of the whole panel where nobody has dragged it.
const STRIP: f32 = 32.0;
const HEIGHT: f32 = 260.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
enum Tab {
    Surface,
    Forecast,
    /// The confusion matrix; of a regression, the true against the predicted values.
    Answers,
    /// What compression changed.
    Changes,
    Findings,
    Classes,
    Roc,
    Calibration,
    Residuals,
    Worst,
    Weights,
    Gradients,
    Filters,
    Attention,
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
    classes: classes::ClassesView,
    #[serde(skip)]
    roc: roc::RocView,
    #[serde(skip)]
    calibration: calibration::CalibrationView,
    #[serde(skip)]
    forecast: forecast::ForecastView,
    #[serde(skip)]
    residuals: residuals::ResidualsView,
    #[serde(skip)]
    filters: filters::FiltersView,
    #[serde(skip)]
    attention: attention::AttentionView,
    #[serde(skip)]
    log: log::LogView,
    #[serde(skip)]
    findings: findings::FindingsView,
    #[serde(skip)]
    shows_mended: bool,
}

/// The run in focus, and what is known of it.
struct Subject<'a> {
    run: Option<RunId>,
    name: &'a str,
    /// Its data; those of the form where there is no run.
    dataset: Option<&'a DatasetSummary>,
    /// Its plan; that of the form where there is no run.
    plan: Option<&'a RunPlan>,
    seen: Option<&'a Seen>,
    /// It is being trained now.
    is_live: bool,
    /// It is one training, not those of folds or of a recipe one after another.
    is_single: bool,
    /// It was compressed, and its answers are classes.
    is_compressed: bool,
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
            plan: match run {
                Some(_) => opened.map(|open| &open.record.plan),
                None => model.form.plan(),
            },
            seen,
            is_compressed: row.is_some_and(|row| row.origin.is_some() && row.run.status == RunStatus::Finished),
            is_single: row.is_none_or(|row| row.origin.is_none() && row.folds.is_none()),
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

    /// The answers come from a network, not from a classical baseline.
    fn is_network(&self) -> bool {
        self.plan
            .is_none_or(|plan| !plan.config.model.architecture.is_classical())
    }

    fn has_attention(&self) -> bool {
        let is_one = |layer: &LayerSpec| matches!(layer, LayerSpec::SelfAttention { .. });
        self.plan.is_some_and(|plan| plan.model.layers.iter().any(is_one))
    }

    fn is_series(&self) -> bool {
        match self.snapshot().map(|snapshot| &snapshot.answers) {
            Some(AnswersSeen::Values { forecast, .. }) => forecast.is_some(),
            Some(AnswersSeen::Classes { .. }) => false,
            None => self.dataset.is_some_and(|dataset| dataset.kind == DataKind::Series),
        }
    }

    /// Those that apply.
    fn tabs(&self) -> Vec<Tab> {
        let is_offered = |tab: &Tab| match tab {
            Tab::Surface => self.has_plane(),
            Tab::Forecast => self.is_series(),
            Tab::Classes | Tab::Roc | Tab::Calibration => !self.is_regression(),
            Tab::Residuals => self.is_regression(),
            Tab::Weights | Tab::Gradients | Tab::Filters => self.is_network(),
            Tab::Changes => self.is_compressed && !self.is_regression(),
            Tab::Findings => self.is_network() && self.is_single,
            Tab::Attention => self.is_network() && self.has_attention(),
            Tab::Answers | Tab::Worst | Tab::Log => true,
        };
        Tab::ALL.into_iter().filter(is_offered).collect()
    }
}

impl Tab {
    const ALL: [Self; 15] = [
        Self::Surface,
        Self::Forecast,
        Self::Answers,
        Self::Changes,
        Self::Findings,
        Self::Classes,
        Self::Roc,
        Self::Calibration,
        Self::Residuals,
        Self::Worst,
        Self::Weights,
        Self::Gradients,
        Self::Filters,
        Self::Attention,
        Self::Log,
    ];

    fn name(self, subject: &Subject<'_>) -> &'static str {
        match self {
            Self::Surface => "Decision surface",
            Self::Forecast => "Forecast",
            Self::Answers if subject.is_regression() => "True and predicted",
            Self::Answers => "Confusion matrix",
            Self::Changes => "What broke",
            Self::Findings => "Findings",
            Self::Classes => "Classes",
            Self::Roc => "ROC",
            Self::Calibration => "Calibration",
            Self::Residuals => "Residuals",
            Self::Worst => "Worst samples",
            Self::Weights => "Weights",
            Self::Gradients => "Gradients",
            Self::Filters => "First layer",
            Self::Attention => "Attention",
            Self::Log => "Log",
        }
    }

    /// What is to be seen in it.
    fn purpose(self, subject: &Subject<'_>) -> &'static str {
        match self {
            Self::Surface => "What the network answers at each point of the plane of its two inputs, as it learns",
            Self::Forecast => "What the network says of the next values of the series, beside the truth",
            Self::Answers if subject.is_regression() => "The predicted value of each row against the true one",
            Self::Answers => "Which classes the network takes for which; a cell opens its samples",
            Self::Changes => "Which rows the compressed network answers otherwise than the one it was made of",
            Self::Findings => {
                "What the curves say of the learning rate, the model and the batch, and what would mend it"
            }
            Self::Classes => "Precision, recall and F1 of every class, the worst first",
            Self::Roc => "What finding more of a class costs in false alarms, at every threshold",
            Self::Calibration => "Whether answers given with 80 % probability are right four times of five",
            Self::Residuals => "What is left of the true value without the predicted one, and how it is spread",
            Self::Worst => "The samples that the network gets most wrong, the worst first",
            Self::Weights => "How the values of each weight tensor are spread, and how many are exactly zero",
            Self::Gradients => "How the gradient of each tensor is spread, and which tensors do not learn",
            Self::Filters => "What the first layer looks for: its weights as pictures",
            Self::Attention => "What each step of a sample attends to, head by head",
            Self::Log => "What the run has to say: its epochs, notes and failures",
        }
    }

    /// Its picture is one of the answers, which there are when the first epoch has ended.
    fn needs_answers(self) -> bool {
        !matches!(self, Self::Findings | Self::Gradients | Self::Attention | Self::Log)
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
        strip::strip_ui(ui, &subject, &tabs, shown, is_open, view);
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

/// What of the network must be asked for to draw a tab.
fn wanted(tab: Tab, view: &TabsView) -> Wanted {
    Wanted {
        gradients: tab == Tab::Gradients,
        attention: (tab == Tab::Attention).then_some(view.attention.row),
    }
}

/// Asks for what the tab needs: of the run in training with the next pictures, of another one once.
fn ask(tab: Tab, subject: &Subject<'_>, view: &TabsView, actions: &mut Actions) {
    let Some(run) = subject.run else {
        return;
    };
    let wanted = wanted(tab, view);
    if subject.is_live {
        actions.push(Action::Look(wanted));
        return;
    }
    let is_missing = match subject.seen {
        None => true,
        Some(Seen::Ready(snapshot)) => !wanted.is_nothing() && snapshot.wanted != wanted,
        Some(Seen::Loading | Seen::Failed(_)) => false,
    };
    if is_missing {
        actions.push(Action::Inspect(run, wanted));
    }
}

fn tab_ui(ui: &mut Ui, tab: Tab, subject: &Subject<'_>, model: &Model, view: &mut TabsView, actions: &mut Actions) {
    if tab == Tab::Log {
        return log::log_ui(ui, model, &mut view.log, actions);
    }
    if tab == Tab::Findings {
        return findings::findings_ui(ui, subject, model, &mut view.findings, actions);
    }
    ask(tab, subject, view, actions);
    let snapshot = subject.snapshot();
    let Some(snapshot) = snapshot.filter(|snapshot| !tab.needs_answers() || !snapshot.answers.is_empty()) else {
        return nothing_ui(ui, tab, subject);
    };
    let when = moment(snapshot);
    match &snapshot.answers {
        AnswersSeen::Classes {
            classes, rows, curves, ..
        } => {
            let seen = confusion::Subject {
                run: subject.run,
                snapshot,
                classes,
                rows,
            };
            match tab {
                Tab::Answers => return confusion::confusion_ui(ui, &seen, model, &mut view.confusion, actions),
                Tab::Classes => return classes::classes_ui(ui, &seen, model, &mut view.classes, actions),
                Tab::Roc => return roc::roc_ui(ui, classes, curves, &when, &mut view.roc),
                Tab::Calibration => return calibration::calibration_ui(ui, &seen, &mut view.calibration),
                _ => {}
            }
        }
        AnswersSeen::Values { targets, forecast, .. } => match (tab, forecast) {
            (Tab::Answers, _) => return scatter::scatter_ui(ui, targets, &when, &mut view.residuals),
            (Tab::Residuals, _) => return residuals::residuals_ui(ui, targets, &when, &mut view.residuals),
            (Tab::Forecast, Some(forecast)) => {
                return forecast::forecast_ui(ui, forecast, targets, &when, &mut view.forecast);
            }
            _ => {}
        },
    }
    match (tab, &snapshot.filters, &snapshot.gradients, &snapshot.attention) {
        (Tab::Surface, ..) => surface::surface_ui(ui, snapshot, &mut view.surface),
        (Tab::Changes, ..) => match &snapshot.changes {
            Some(changes) => changes::changes_ui(ui, changes, &mut view.shows_mended),
            None => nothing_ui(ui, tab, subject),
        },
        (Tab::Worst, ..) => worst::worst_ui(ui, &snapshot.answers),
        (Tab::Weights, ..) => weights::weights_ui(ui, &snapshot.histograms),
        (Tab::Filters, Some(filters), ..) => filters::filters_ui(ui, snapshot, filters, &mut view.filters),
        (Tab::Gradients, _, Some(gradients), _) => gradients::gradients_ui(ui, gradients),
        (Tab::Attention, .., Some(attention)) => {
            attention::attention_ui(ui, snapshot, attention, &mut view.attention);
        }
        _ => nothing_ui(ui, tab, subject),
    }
}

/// What will be here, and when.
fn nothing_ui(ui: &mut Ui, tab: Tab, subject: &Subject<'_>) {
    let purpose = tab.purpose(subject);
    match (subject.run, subject.seen) {
        (None, _) => empty_ui(ui, purpose, "Press Run: it comes at the end of the first epoch"),
        (Some(_), Some(Seen::Failed(reason))) => empty_ui(ui, purpose, reason),
        (Some(_), _) if subject.is_live && tab.needs_answers() => {
            empty_ui(ui, purpose, "It comes when an epoch of this run ends");
        }
        (Some(_), _) if subject.is_live => empty_ui(ui, purpose, "It comes with one of the next training steps"),
        (Some(_), Some(Seen::Ready(_))) if tab == Tab::Filters => {
            empty_ui(ui, purpose, "No layer of this network has weights that can be drawn");
        }
        (Some(_), Some(Seen::Ready(_))) if tab == Tab::Changes => {
            empty_ui(ui, purpose, "The run that it was made of has been deleted");
        }
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
