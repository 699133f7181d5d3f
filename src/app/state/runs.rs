//! The runs: the list, those whose events are at hand, and which are shown, selected, pinned.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::app::theme::RUN_COLOUR_COUNT;
use crate::jobs::{OpenedRun, RunRecord, RunRow};
use crate::spec::{Architecture, Envelope, Event, RecipeStep, RunConfig, RunId, RunStatus, Snapshot, groups};
use crate::timeline::RunView;

/// Runs whose pictures are kept.
const SEEN_KEPT: usize = 8;

/// A run with its plan and its events folded.
#[derive(Debug)]
pub struct OpenRun {
    pub record: RunRecord,
    /// The run that was trained, and its configuration, where this one came of it by compression.
    pub trained: Option<(RunId, RunConfig)>,
    pub view: RunView,
}

/// What is known of a run beyond its line.
#[derive(Debug)]
enum Opened {
    /// Asked for; the events that came meanwhile wait.
    Loading(Vec<Envelope>),
    Ready(Box<OpenRun>),
    Failed(String),
}

/// Pictures of a run.
#[derive(Debug, Clone)]
pub enum Seen {
    Loading,
    Ready(Arc<Snapshot>),
    Failed(String),
}

#[derive(Debug, Default)]
pub struct Runs {
    /// The oldest first.
    rows: Vec<RunRow>,
    /// Titles of what can be compared with each other, and of each row the place of its own.
    groups: (Vec<String>, Vec<usize>),
    /// None until the first list has come.
    revision: u64,
    opened: HashMap<RunId, Opened>,
    /// The latest last.
    seen: Vec<(RunId, Seen)>,
    /// Runs that have ended while the window was open: pictures of them in training come late.
    over: BTreeSet<RunId>,
    selected: Option<RunId>,
    hovered: Option<RunId>,
    pub pinned: Option<RunId>,
    pub solo: Option<RunId>,
    /// Eyes that are open.
    pub shown: BTreeSet<RunId>,
    /// Colours chosen by hand.
    pub colours: BTreeMap<RunId, usize>,
}

impl Runs {
    /// Every run, the oldest first.
    pub fn rows(&self) -> &[RunRow] {
        &self.rows
    }

    /// Counts up whenever the list changes.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether the list has been read.
    pub fn is_loaded(&self) -> bool {
        self.revision > 0
    }

    pub fn row(&self, run: RunId) -> Option<&RunRow> {
        let place = self.rows.binary_search_by_key(&run, |row| row.run.run).ok()?;
        self.rows.get(place)
    }

    pub fn set_rows(&mut self, mut rows: Vec<RunRow>) {
        rows.sort_by_key(|row| row.run.run);
        self.rows = rows;
        self.group_rows();
        self.revision += 1;
        if self.selected.is_some_and(|run| self.row(run).is_none()) {
            self.selected = None;
        }
        if self.pinned.is_some_and(|run| self.row(run).is_none()) {
            self.pinned = None;
        }
    }

    fn group_rows(&mut self) {
        let numbered = self.rows.iter().enumerate();
        let found = groups(numbered, |(_, row)| (&row.dataset, &row.yardstick));
        let mut places = vec![0; self.rows.len()];
        for (place, group) in found.iter().enumerate() {
            for &(row, _) in &group.members {
                places[row] = place;
            }
        }
        self.groups = (found.into_iter().map(|group| group.title).collect(), places);
    }

    /// What a run can be compared on: the name of its data set, with what tells it from others of that name.
    pub fn group(&self, run: RunId) -> Option<&str> {
        let place = self.rows.binary_search_by_key(&run, |row| row.run.run).ok()?;
        let (titles, places) = &self.groups;
        titles.get(*places.get(place)?).map(String::as_str)
    }

    /// Changes a run's line.
    #[cfg(test)]
    pub fn change(&mut self, run: RunId, change: impl FnOnce(&mut RunRow)) {
        if let Ok(place) = self.rows.binary_search_by_key(&run, |row| row.run.run) {
            change(&mut self.rows[place]);
            self.group_rows();
            self.revision += 1;
        }
    }

    /// The run's plan and events, where they are at hand.
    pub fn open(&self, run: RunId) -> Option<&OpenRun> {
        match self.opened.get(&run)? {
            Opened::Ready(open) => Some(open),
            Opened::Loading(_) | Opened::Failed(_) => None,
        }
    }

    /// Why a run could not be opened.
    pub fn failure(&self, run: RunId) -> Option<&str> {
        match self.opened.get(&run)? {
            Opened::Failed(reason) => Some(reason),
            Opened::Ready(_) | Opened::Loading(_) => None,
        }
    }

    /// Whether a run was neither read nor asked for.
    pub fn is_unread(&self, run: RunId) -> bool {
        !self.opened.contains_key(&run)
    }

    /// Whether a run was read, or can't be.
    pub fn is_read(&self, run: RunId) -> bool {
        matches!(self.opened.get(&run), Some(Opened::Ready(_) | Opened::Failed(_)))
    }

    /// How many runs were asked for and are not at hand yet.
    pub fn loading(&self) -> usize {
        let is_loading = |opened: &&Opened| matches!(opened, Opened::Loading(_));
        self.opened.values().filter(is_loading).count()
    }

    /// Marks a run as asked for, for the first time or again because more was recorded than was told.
    pub fn begin_open(&mut self, run: RunId) {
        self.opened.insert(run, Opened::Loading(Vec::new()));
    }

    pub fn finish_open(&mut self, run: RunId, outcome: Result<Box<OpenedRun>, String>) {
        let early = match self.opened.remove(&run) {
            Some(Opened::Loading(early)) => early,
            _ => Vec::new(),
        };
        let opened = match outcome {
            Ok(opened) => {
                let OpenedRun {
                    record,
                    trained,
                    mut view,
                    next_seq,
                    layers: _,
                } = *opened;
                for envelope in early.iter().filter(|envelope| envelope.seq >= next_seq) {
                    view.apply(envelope);
                }
                Opened::Ready(Box::new(OpenRun { record, trained, view }))
            }
            Err(reason) => Opened::Failed(reason),
        };
        self.opened.insert(run, opened);
    }

    /// Forgets the events of runs that are neither shown nor in focus, so that memory does not grow with the store.
    pub fn retain_open(&mut self, keep: impl Fn(RunId) -> bool) {
        self.opened
            .retain(|&run, opened| keep(run) || matches!(opened, Opened::Loading(_)));
    }

    /// Takes in an event of a run that is at hand.
    pub fn apply(&mut self, envelope: Envelope) {
        let run = envelope.run;
        let tells_the_row = matches!(
            envelope.event,
            Event::Started { .. }
                | Event::Epoch { .. }
                | Event::Paused { .. }
                | Event::Resumed { .. }
                | Event::Ended { .. }
        );
        match self.opened.get_mut(&run) {
            Some(Opened::Loading(early)) => early.push(envelope),
            Some(Opened::Ready(open)) => {
                open.view.apply(&envelope);
                if tells_the_row && let Ok(place) = self.rows.binary_search_by_key(&run, |row| row.run.run) {
                    open.view.summarise(&mut self.rows[place].run);
                    self.revision += 1;
                }
            }
            Some(Opened::Failed(_)) | None => {}
        }
    }

    pub fn seen(&self, run: RunId) -> Option<&Seen> {
        let seen = self.seen.iter().find(|(of, _)| *of == run);
        seen.map(|(_, seen)| seen)
    }

    /// Keeps it beside what was seen last of a few other runs. A question makes those before it void, which still wait.
    pub fn set_seen(&mut self, run: RunId, seen: Seen) {
        let is_question = matches!(seen, Seen::Loading);
        self.seen
            .retain(|(of, seen)| *of != run && !(is_question && matches!(seen, Seen::Loading)));
        self.seen.push((run, seen));
        if self.seen.len() > SEEN_KEPT {
            self.seen.remove(0);
        }
    }

    /// A picture of a run in training. It may have been taken before the run's end and come after it: then it is left out.
    pub fn set_live(&mut self, run: RunId, snapshot: Arc<Snapshot>) {
        if !self.over.contains(&run) {
            self.set_seen(run, Seen::Ready(snapshot));
        }
    }

    /// A run begins, or is taken up again: what was seen of it is out of date.
    pub fn begin(&mut self, run: RunId) {
        self.seen.retain(|(of, _)| *of != run);
        self.over.remove(&run);
    }

    /// A run has ended: what was seen of it is out of date, and so is what still comes.
    pub fn end(&mut self, run: RunId) {
        self.seen.retain(|(of, _)| *of != run);
        self.over.insert(run);
    }

    pub fn selected(&self) -> Option<&RunRow> {
        self.selected.and_then(|run| self.row(run))
    }

    pub fn select(&mut self, run: Option<RunId>) {
        self.selected = run;
    }

    pub fn hovered(&self) -> Option<RunId> {
        self.hovered
    }

    pub fn set_hovered(&mut self, run: Option<RunId>) {
        self.hovered = run;
    }

    /// The run that the others are compared with: the pinned one, else the uncompressed run that `run` stems from; none
    /// whose scores are taken on something else.
    pub fn baseline_of(&self, run: RunId) -> Option<&RunRow> {
        let own = self.row(run)?;
        let baseline = match (self.pinned, &own.origin) {
            (Some(pinned), _) => pinned,
            (None, Some((parent, _))) => *parent,
            (None, None) => return None,
        };
        self.row(baseline)
            .filter(|row| row.run.run != run && row.is_comparable(own))
    }

    pub fn is_shown(&self, run: RunId) -> bool {
        self.solo.map_or_else(|| self.shown.contains(&run), |solo| solo == run)
    }

    /// Runs with an open eye, the oldest first; the pinned one is always among them.
    pub fn visible(&self) -> impl Iterator<Item = &RunRow> {
        let pinned = self.pinned.filter(|_| self.solo.is_none());
        let mut shown: Vec<RunId> = match self.solo {
            Some(solo) => vec![solo],
            None => self.shown.iter().copied().chain(pinned).collect(),
        };
        shown.sort_unstable();
        shown.dedup();
        shown.into_iter().filter_map(|run| self.row(run))
    }

    /// Index of a run's colour: chosen by hand, its parent's for a compressed run, else by its number. The pinned run is
    /// drawn in the text's colour: see [`Self::pinned`].
    pub fn colour(&self, run: RunId) -> usize {
        if let Some(&colour) = self.colours.get(&run) {
            return colour;
        }
        run.0.unsigned_abs() as usize % RUN_COLOUR_COUNT
    }
}

/// What a run's line says about what can be done with it.
pub trait RowExt {
    fn can_resume(&self) -> bool;
    /// What comes of resuming it, in words.
    fn on_resume(&self) -> &'static str;
    /// It can be compressed, measured, tried and exported: finished, with a network of its own.
    fn is_usable(&self) -> bool;
    /// What it is, where it is no network but a classical baseline, which cannot be compressed.
    fn classical(&self) -> Option<Architecture>;
    /// Accuracy or R2: of the exported file where it was measured, else of the test split, else of the best epoch.
    fn score(&self) -> Option<f64>;
    /// The score's name: "accuracy" or "R2".
    fn score_name(&self) -> &'static str;
}

impl RowExt for RunRow {
    fn can_resume(&self) -> bool {
        matches!(
            self.run.status,
            RunStatus::Interrupted | RunStatus::Stopped | RunStatus::Crashed | RunStatus::Failed
        )
    }

    fn on_resume(&self) -> &'static str {
        let is_on_grids = |step: &RecipeStep| {
            matches!(step, RecipeStep::Int8Qat { .. } | RecipeStep::Int4 { .. }) && step.finetune_epochs() > 0
        };
        match &self.origin {
            _ if self.folds.is_some() => "Begins again with its first fold: a cross-validation keeps no checkpoints",
            Some((_, recipe)) if recipe.steps.iter().any(is_on_grids) => {
                "Applies the recipe again; a training on grids begins anew, one before it goes on where it stood"
            }
            Some((_, recipe)) if recipe.finetune_epochs() > 0 => {
                "Applies the recipe again, and goes on where its training stood"
            }
            Some(_) => "Applies the recipe again, from the same run",
            None if self.classical().is_some() => "Fits the baseline again, to the same end",
            None => "Goes on where its last checkpoint stands",
        }
    }

    fn is_usable(&self) -> bool {
        self.run.status == RunStatus::Finished && self.folds.is_none()
    }

    fn classical(&self) -> Option<Architecture> {
        let mut classical = Architecture::ALL
            .into_iter()
            .filter(|architecture| architecture.is_classical());
        classical.find(|architecture| architecture.name() == self.architecture)
    }

    fn score(&self) -> Option<f64> {
        let run = &self.run;
        let of = |metrics: Option<crate::spec::Metrics>| metrics.and_then(|metrics| metrics.accuracy.or(metrics.r2));
        run.deployed
            .as_ref()
            .map(|deployed| deployed.accuracy)
            .or_else(|| of(run.test))
            .or_else(|| of(run.folds.map(|folds| folds.mean)))
            .or_else(|| of(run.validation))
    }

    fn score_name(&self) -> &'static str {
        self.run.metric()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::tests::models::{child, row};

    #[test]
    fn what_comes_of_resuming_is_said_for_each_kind_of_run() {
        let mut parent = row(1, "digits-cnn");
        assert!(parent.on_resume().contains("last checkpoint"));
        let of = |recipe: &str| child(2, &parent, recipe).on_resume();
        assert!(of("units:0.5:finetune=3+int8-static").contains("goes on where its training stood"));
        assert!(of("units:0.5+fp16").ends_with("from the same run"));
        assert!(of("units:0.5:finetune=3+int8-qat").contains("begins anew"));
        parent.folds = Some(5);
        assert!(parent.on_resume().contains("first fold"));
        (parent.folds, parent.architecture) = (None, "knn".to_owned());
        assert!(parent.on_resume().contains("again"));
    }

    #[test]
    fn pictures_of_the_last_few_runs_are_kept() {
        let mut runs = Runs::default();
        let failed = || Seen::Failed("no".to_owned());
        for number in 0..100 {
            runs.set_seen(RunId(number), failed());
            assert_eq!(runs.seen.len(), SEEN_KEPT.min(number as usize + 1));
        }
        assert!(runs.seen(RunId(99)).is_some() && runs.seen(RunId(91)).is_none());
        // The answer to the question before does not come: it is asked for again when it is looked at again.
        runs.set_seen(RunId(99), Seen::Loading);
        runs.set_seen(RunId(98), Seen::Loading);
        assert!(runs.seen(RunId(99)).is_none() && runs.seen(RunId(98)).is_some());
    }
}
