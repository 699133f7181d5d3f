//! What the window asks for of itself: the form's data, the runs that are drawn, samples while they are looked at. What there
//! was no room to ask for is asked for again in a later frame.

use std::collections::BTreeSet;

use super::Updater;
use crate::app::action::{Dialog, Page, Panel};
use crate::app::state::{Model, PreviewState, Tone};
use crate::jobs::Question;
use crate::spec::RunId;

/// Runs that are read at the same time; other questions wait for these at most.
const READ_AT_ONCE: usize = 32;

impl Updater {
    /// Checks the form against its data, and asks for the data's preview where it is missing.
    pub(super) fn check_form(&mut self, model: &mut Model) {
        let data = model.form.config.data.unaugmented();
        if self.previewed.as_ref() != Some(&data) {
            let before = self.previewed.take();
            model
                .form
                .wait(before.is_some_and(|before| before.source == data.source));
            if self.desk.ask(Question::Preview(data.clone())) {
                self.previewed = Some(data);
            }
        }
        let form = &mut model.form;
        form.checked = match &form.preview {
            PreviewState::Ready(preview) => crate::jobs::check(&form.config, &preview.summary).map(Box::new),
            PreviewState::Waiting | PreviewState::Failed(_) => Err(form.config.data.issues()),
        };
    }

    /// Reads the events of every run that is drawn, what is looked at first, and forgets those of runs that are not.
    pub(super) fn open_what_is_shown(&mut self, model: &mut Model) {
        let focus = model.focus();
        let mut wanted: Vec<RunId> = self.when_read.iter().map(|(run, _)| *run).chain(focus).collect();
        wanted.extend(focus.and_then(|run| model.runs.baseline_of(run)).map(|row| row.run.run));
        wanted.extend(model.live_run());
        wanted.extend(model.held_parent);
        if let Some(Dialog::Export(run)) = model.dialog {
            wanted.push(run);
        }
        wanted.extend(model.runs.visible().map(|row| row.run.run));
        // Each that is read makes room for another: the answer wakes the window.
        let room = READ_AT_ONCE.saturating_sub(model.runs.loading());
        let unread: Vec<RunId> = wanted
            .iter()
            .copied()
            .filter(|&run| model.runs.is_unread(run))
            .take(room)
            .collect();
        for run in unread {
            self.open_run(model, run);
        }
        let wanted: BTreeSet<RunId> = wanted.into_iter().collect();
        model.runs.retain_open(|run| wanted.contains(&run));
    }

    /// Asks for samples before and after augmentation while they are looked at.
    pub(super) fn augment_what_is_shown(&mut self, model: &mut Model) {
        let config = &model.form.config;
        let wanted = (config.data.clone(), config.run.seed);
        let is_right = config.data.issues().is_empty() && model.form.preview().is_some();
        let is_shown = model.panel == Some(Panel::Augmentation) && model.page == Page::Train;
        if !is_shown || !is_right || model.augmented.asked.as_ref() == Some(&wanted) {
            return;
        }
        let (data, seed) = wanted.clone();
        if !self.desk.ask(Question::Augment { data, seed }) {
            return;
        }
        // What was seen of the same source stays until the new samples come.
        let before = model.augmented.asked.replace(wanted);
        if before.is_none_or(|(before, _)| before.source != model.form.config.data.source) {
            model.augmented.samples = None;
        }
    }

    pub(super) fn open_run(&mut self, model: &mut Model, run: RunId) {
        if model.runs.is_unread(run) && self.ask(model, Question::Run(run)) {
            model.runs.begin_open(run);
        }
    }

    /// Whether it was taken; where not, the person is told.
    pub(super) fn ask(&mut self, model: &mut Model, question: Question) -> bool {
        let is_taken = self.desk.ask(question);
        if !is_taken {
            model
                .notices
                .say(Tone::Warn, "Too much was asked at once; try again in a moment");
        }
        is_taken
    }
}
