//! What the window knows: the truth that pages draw ([`Model`]) and how they like to draw it ([`Views`]). Pages read the
//! model and change only their views; `update` changes the model.

mod form;
mod runs;

use std::path::PathBuf;
use std::sync::Arc;

pub use form::{Form, PreviewState};
pub use runs::{OpenRun, RowExt, Runs, Seen};

use super::action::{Action, Dialog, Page, Panel};
use super::pages::{
    compare::CompareView, compress::CompressView, drawer::DrawerView, export::ExportView, train::TrainView,
    try_it::TryView,
};
use super::shell::ShellView;
use crate::jobs::{Augmented, Fetchable, Finding, JobId, Probe, RunRow, Tried, WrittenFile};
use crate::spec::{
    Command, DataConfig, Ended, Ladder, LayerChange, RunConfig, RunControl, RunId, RunStatus, SampleView, Sensitivity,
    units,
};

/// The truth as far as the window knows it.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Model {
    pub page: Page,
    pub dialog: Option<Dialog>,
    /// What stands in the place of the Train page's charts.
    pub panel: Option<Panel>,
    pub drawer_open: bool,
    pub hints: bool,
    pub visited_compare: bool,
    pub visited_try: bool,
    /// The store's directory.
    pub home: PathBuf,
    /// The folder in which exports are offered a place.
    pub exports: PathBuf,
    pub theme: egui::ThemePreference,
    /// Names and descriptions of the sets that need no file.
    pub datasets: Vec<(&'static str, &'static str)>,
    /// Sets that can be got from the network.
    pub fetchable: Vec<Fetchable>,
    pub form: Form,
    pub runs: Runs,
    /// The job at work, if any, and those that wait, in order.
    pub queue: Vec<QueuedJob>,
    /// What was put on the queue to be trained, without its seed, and that seed.
    pub given_seeds: Vec<(RunConfig, u64)>,
    pub notices: Notices,
    /// Samples that were asked for.
    pub samples: Option<Samples>,
    /// A compressed run that is to be compressed further, while it or what came of it is in focus.
    pub further: Option<RunId>,
    /// The run that the Compress page has compressed since one went there: runs that begin and end don't take its place.
    pub held_parent: Option<RunId>,
    /// The ladder that was opened last, and how many were opened: the page takes each once.
    pub opened_ladder: (usize, Option<Ladder>),
    pub trial: Trials,
    pub export: Exported,
    pub augmented: AugmentedSamples,
    /// What was found out before training, the latest of each kind.
    pub found: Vec<Found>,
    /// What one layer's compression costs, the latest of each run and change.
    pub sensitivities: Vec<(RunId, Sensitivity)>,
}

/// A job that has not ended.
#[derive(Debug)]
pub struct QueuedJob {
    pub id: JobId,
    /// In words: `digits-cnn`, and `digits-cnn (r3)` as soon as it has a run, `compress digits-cnn (r3) by fp16`.
    pub what: String,
    pub kind: JobKind,
    pub control: Arc<RunControl>,
    /// The worker has taken it up.
    pub is_begun: bool,
    /// Its runs, the one that it works on now at the end.
    pub runs: Vec<JobRun>,
    /// The configuration that a probe is of.
    pub probed: Option<Box<RunConfig>>,
    /// What it does, `done` of `total`, while it does not train.
    pub progress: Option<(String, usize, usize)>,
}

/// A run that a job has opened.
#[derive(Debug)]
pub struct JobRun {
    pub run: RunId,
    pub name: String,
    /// How it ended, if it has: the list of runs says so only later.
    pub ended: Option<Ended>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum JobKind {
    Train,
    Resume(RunId),
    Compress {
        parent: RunId,
        recipes: Vec<String>,
    },
    Measure(Vec<RunId>),
    Export {
        run: RunId,
        to: PathBuf,
    },
    Probe(Probe),
    /// Changes one layer of this run at a time.
    Sensitivity(RunId),
    /// Gets this data set from the network.
    Get(String),
}

#[derive(Debug)]
pub struct Samples {
    pub title: String,
    /// None until they come.
    pub samples: Option<Result<Vec<SampleView>, String>>,
}

/// The last question to exported networks, and what they said.
#[derive(Debug, Default)]
pub struct Trials {
    pub is_waiting: bool,
    pub result: Option<Result<Tried, String>>,
}

/// What a probe found, and for which configuration.
#[derive(Debug)]
pub struct Found {
    pub config: RunConfig,
    pub finding: Box<Finding>,
}

/// Training samples before and after augmentation.
#[derive(Debug, Default)]
pub struct AugmentedSamples {
    /// The data and the seed that they were last asked for.
    pub asked: Option<(DataConfig, u64)>,
    pub samples: Option<Result<Vec<Augmented>, String>>,
}

/// The last export.
#[derive(Debug, Default)]
pub struct Exported {
    /// The folder chosen in the native dialog, until the page has taken it.
    pub chosen: Option<PathBuf>,
    pub to: Option<PathBuf>,
    pub files: Option<Result<Vec<WrittenFile>, String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Good,
    Info,
    Warn,
    Bad,
}

/// Something said to the person: shown for a while, and kept in the history.
#[derive(Debug, Clone)]
pub struct Notice {
    pub tone: Tone,
    pub text: String,
    /// A button on it.
    pub offer: Option<(&'static str, Box<Action>)>,
    /// Seconds since the window's start.
    pub said_at: f64,
    /// It was taken off the screen by hand.
    pub is_dismissed: bool,
}

/// Notices that the history keeps, and how many more it may have before the oldest go.
const NOTICES: (usize, usize) = (1000, 100);

#[derive(Debug, Default)]
pub struct Notices {
    /// The newest last.
    pub all: Vec<Notice>,
    pub now: f64,
}

/// How the pages like to draw; each page changes its own.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Views {
    pub train: TrainView,
    pub drawer: DrawerView,
    pub compress: CompressView,
    pub compare: CompareView,
    pub try_it: TryView,
    #[serde(skip)]
    pub export: ExportView,
    #[serde(skip)]
    pub shell: ShellView,
}

impl JobKind {
    /// Whether a pause holds it up: what measures steps or changes layers has nothing to go on from.
    pub fn can_pause(&self) -> bool {
        !matches!(self, Self::Probe(_) | Self::Sensitivity(_))
    }
}

impl QueuedJob {
    /// Whether it can be asked to pause now.
    pub fn can_pause(&self) -> bool {
        self.kind.can_pause() && self.control.requested() == Command::Run
    }

    /// The run that it works on now.
    pub fn run(&self) -> Option<RunId> {
        self.runs.last().map(|own| own.run)
    }
}

impl Notices {
    /// Takes the notice at this place off the screen; it stays in the history.
    pub fn dismiss(&mut self, place: usize) {
        if let Some(notice) = self.all.get_mut(place) {
            notice.is_dismissed = true;
        }
    }

    pub fn say(&mut self, tone: Tone, text: impl Into<String>) {
        self.push(tone, text.into(), None);
    }

    /// With a button that causes `action`.
    pub fn offer(&mut self, tone: Tone, text: impl Into<String>, button: &'static str, action: Action) {
        self.push(tone, text.into(), Some((button, Box::new(action))));
    }

    fn push(&mut self, tone: Tone, text: String, offer: Option<(&'static str, Box<Action>)>) {
        let said_at = self.now;
        self.all.push(Notice {
            tone,
            text,
            offer,
            said_at,
            is_dismissed: false,
        });
        if self.all.len() > NOTICES.0 + NOTICES.1 {
            self.all.drain(..NOTICES.1);
        }
    }
}

impl Model {
    /// The job at work.
    pub fn current_job(&self) -> Option<&QueuedJob> {
        self.queue.first().filter(|job| job.is_begun)
    }

    /// The run that is being trained or compressed now.
    pub fn live_run(&self) -> Option<RunId> {
        self.current_job().and_then(QueuedJob::run)
    }

    /// A run that another process works on.
    pub fn run_elsewhere(&self) -> Option<RunId> {
        let own = self.live_run();
        let rows = self.runs.rows().iter().rev().map(|row| &row.run);
        rows.filter(|run| matches!(run.status, RunStatus::Running | RunStatus::Paused))
            .map(|run| run.run)
            .find(|run| Some(*run) != own)
    }

    pub fn is_running(&self) -> bool {
        !self.queue.is_empty()
    }

    pub fn is_paused(&self) -> bool {
        self.queue
            .first()
            .is_some_and(|job| job.control.requested() == Command::Pause)
    }

    /// What a job does now, in words (none before it says anything), and how much of it is done.
    pub fn progress_of(&self, job: &QueuedJob) -> (Option<String>, Option<f32>) {
        let share = |done: usize, total: usize| Some(done as f32 / total.max(1) as f32);
        let word = match job.control.requested() {
            Command::Run => None,
            Command::Pause => Some("paused"),
            Command::Stop => Some("stopping"),
        };
        let said = |words: String| Some(word.map_or_else(|| words.clone(), |word| format!("{word} · {words}")));
        if let Some((what, done, total)) = &job.progress {
            return (said(what.clone()), share(*done, *total));
        }
        match job.run().and_then(|run| self.progress_of_run(run)) {
            Some((words, share)) => (said(words), Some(share)),
            None => (word.map(str::to_owned), None),
        }
    }

    /// What a run at work does, and how much of it is done.
    pub fn progress_of_run(&self, run: RunId) -> Option<(String, f32)> {
        let share = |done: usize, total: usize| done as f32 / total.max(1) as f32;
        let view = &self.runs.open(run)?.view;
        if let Some(progress) = &view.progress {
            return Some((progress.what.clone(), share(progress.done, progress.total)));
        }
        if view.total_steps == 0 {
            return None;
        }
        let epoch = view.step.div_ceil(view.steps_per_epoch.max(1)).max(1);
        let eta = view
            .remaining_secs()
            .map_or_else(String::new, |secs| format!(" · ETA {}", units::clock(secs)));
        let line = format!("epoch {epoch}/{}{eta}", view.total_epochs());
        Some((line, share(view.step, view.total_steps)))
    }

    /// The run that the Compress page compresses: the selected one or the one that it stems from, else the one that it
    /// compressed before, the one in focus or the one that it stems from, or the latest that can be. A classical baseline,
    /// which cannot be, only where it is the selected one.
    pub fn parent(&self) -> Option<&RunRow> {
        let selected = self.runs.selected().map(|row| row.run.run);
        self.near(|row| row.classical().is_none() || selected == Some(row.run.run))
    }

    /// The run that Try it begins with: as [`parent`](Self::parent), and any classical baseline too.
    pub fn tried(&self) -> Option<&RunRow> {
        self.near(|_| true)
    }

    fn near(&self, can_be: impl Fn(&RunRow) -> bool) -> Option<&RunRow> {
        let can_be = |row: &&RunRow| row.is_usable() && can_be(row);
        let held = self.held_parent.and_then(|run| self.runs.row(run)).filter(can_be);
        if let Some(held) = held.filter(|_| self.runs.selected().is_none()) {
            return Some(held);
        }
        let focus = self.focus().and_then(|run| self.runs.row(run));
        let origin = focus.and_then(|row| row.origin.as_ref()).map(|(parent, _)| *parent);
        let is_near = |run: &RunId| focus.is_some_and(|row| row.run.run == *run) || origin == Some(*run);
        let further = self.further.filter(is_near).and_then(|run| self.runs.row(run));
        let near = further.or_else(|| origin.map_or(focus, |parent| self.runs.row(parent)));
        let is_whole = |row: &&RunRow| can_be(row) && row.origin.is_none();
        near.filter(can_be)
            .or(held)
            .or_else(|| self.runs.rows().iter().rev().find(is_whole))
    }

    /// Takes in what came of changing one layer at a time, in place of what the same change came to before.
    pub fn know_layers(&mut self, run: RunId, found: Sensitivity) {
        let known = &mut self.sensitivities;
        known.retain(|(other, before)| *other != run || before.change != found.change);
        known.push((run, found));
    }

    /// What the layers of this run suffer from this change, where it was measured.
    pub fn sensitivity(&self, run: RunId, change: LayerChange) -> Option<&Sensitivity> {
        let known = |(known, found): &&(RunId, Sensitivity)| *known == run && found.change == change;
        self.sensitivities.iter().find(known).map(|(_, found)| found)
    }

    /// The run whose charts and pictures are shown: the selected one, else the live one, else the latest.
    pub fn focus(&self) -> Option<RunId> {
        let selected = self.runs.selected().map(|row| row.run.run);
        selected
            .or_else(|| self.live_run())
            .or_else(|| self.runs.rows().last().map(|row| row.run.run))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_keeps_the_latest_notices() {
        let mut notices = Notices::default();
        for number in 0..5000 {
            notices.say(Tone::Info, number.to_string());
        }
        assert!((NOTICES.0..=NOTICES.0 + NOTICES.1).contains(&notices.all.len()));
        assert_eq!(notices.all.last().unwrap().text, "4999");
        notices.dismiss(3);
        assert!(notices.all[3].is_dismissed && !notices.all[4].is_dismissed);
    }
}
