//! What the worker says and what is answered: how each changes the model.

use super::{Updater, name_of};
use crate::app::action::Action;
use crate::app::state::{Found, JobKind, Model, PreviewState, QueuedJob, Seen, Tone};
use crate::jobs::{Answer, Finding, JobError, JobId, Message, Question};
use crate::spec::{Event, RunId, RunStatus};

/// Runs whose curves are kept at hand beside the shown ones.
const SHOWN_AT_START: usize = 8;

impl Updater {
    pub(super) fn hear(&mut self, model: &mut Model, message: Message) {
        match message {
            Message::Opened { job, run } => {
                if let Some(queued) = begun(model, job) {
                    if queued.kind == JobKind::Train && queued.run.is_none() {
                        queued.what = format!("{} ({run})", queued.what);
                    }
                    queued.run = Some(run);
                    queued.progress = None;
                }
                model.runs.shown.insert(run);
                model.runs.begin(run);
                model.runs.reopen(run);
                self.ask(model, Question::Run(run));
                self.ask(model, Question::Runs);
            }
            Message::Event(envelope) => {
                if let Event::Ended { .. } = envelope.event {
                    model.runs.end(envelope.run);
                }
                model.runs.apply(envelope);
            }
            Message::Progress { job, what, done, total } => {
                if let Some(queued) = begun(model, job) {
                    queued.progress = Some((what, done, total));
                }
            }
            Message::Found { job, finding } => {
                if let Finding::Sensitivity { run, sensitivity } = *finding {
                    let known = &mut model.sensitivities;
                    known.retain(|(other, found)| *other != run || found.change != sensitivity.change);
                    known.push((run, sensitivity));
                    return;
                }
                let queued = model.queue.iter_mut().find(|queued| queued.id == job);
                if let Some(config) = queued.and_then(|queued| queued.probed.take()) {
                    let kind = std::mem::discriminant(&*finding);
                    model
                        .found
                        .retain(|found| std::mem::discriminant(&*found.finding) != kind);
                    model.found.push(Found {
                        config: *config,
                        finding,
                    });
                }
            }
            Message::Closed { job, outcome } => self.close_job(model, job, outcome),
        }
    }

    fn close_job(&mut self, model: &mut Model, job: JobId, outcome: Result<Vec<RunId>, JobError>) {
        let Some(place) = model.queue.iter().position(|queued| queued.id == job) else {
            return;
        };
        let queued = model.queue.remove(place);
        self.ask(model, Question::Runs);
        let runs = match outcome {
            Ok(runs) => runs,
            Err(JobError::Stopped) => {
                model.notices.say(Tone::Info, format!("Stopped: {}", queued.what));
                return;
            }
            Err(error) => {
                model.notices.say(Tone::Bad, format!("{}: {error}", queued.what));
                if let JobKind::Export { to, .. } = &queued.kind
                    && model.export.to.as_ref() == Some(to)
                {
                    model.export.files = Some(Err(error.to_string()));
                }
                return;
            }
        };
        // Another network than the one that it was entered with is read anew.
        for &run in &runs {
            let open = model.runs.open(run);
            let is_pruned = open.is_some_and(|open| open.record.plan.config.train.prune.is_some());
            if open.is_some() && (is_pruned || matches!(queued.kind, JobKind::Compress { .. })) {
                self.ask(model, Question::Run(run));
            }
        }
        if let JobKind::Get(name) = &queued.kind {
            if let Some(set) = model.fetchable.iter_mut().find(|set| set.name == *name) {
                set.is_there = true;
                let action = Action::UseDataFile(set.folder.clone());
                model
                    .notices
                    .offer(Tone::Good, format!("{name} is here"), "Use it", action);
            }
            self.ask(model, Question::Fetchable);
            return;
        }
        if let JobKind::Export { to, .. } = queued.kind {
            self.ask(model, Question::Folder(to));
            return;
        }
        let failed = runs.iter().copied().find_map(|run| {
            let row = model.runs.row(run)?;
            let failed = matches!(row.run.status, RunStatus::Failed | RunStatus::Crashed);
            failed.then(|| (name_of(model, run), row.run.status, row.run.failure.clone()))
        });
        if let Some((name, status, failure)) = failed {
            let why = failure.unwrap_or_default();
            model.notices.say(Tone::Bad, format!("{name} {status}: {why}"));
            return;
        }
        let has_stopped = |run: &RunId| {
            let row = model.runs.row(*run);
            row.is_some_and(|row| row.run.status == RunStatus::Stopped)
        };
        let (tone, word) = if runs.iter().any(has_stopped) {
            (Tone::Info, "Stopped")
        } else {
            (Tone::Good, "Done")
        };
        model.notices.say(tone, format!("{word}: {}", queued.what));
    }

    pub(super) fn learn(&mut self, model: &mut Model, answer: Answer) {
        match answer {
            Answer::Runs(Ok(rows)) => {
                let is_first = !model.runs.is_loaded();
                model.runs.set_rows(rows);
                if is_first && model.runs.shown.is_empty() {
                    let latest: Vec<RunId> = model
                        .runs
                        .rows()
                        .iter()
                        .rev()
                        .take(SHOWN_AT_START)
                        .map(|row| row.run.run)
                        .collect();
                    model.runs.shown.extend(latest);
                }
            }
            Answer::Run(run, outcome) => model.runs.finish_open(run, outcome.map_err(|error| error.to_string())),
            Answer::Seeds(config, Ok(used)) => self.train_other_seed(model, *config, &used),
            Answer::Preview(data, outcome) => {
                if data == model.form.config.data.unaugmented() {
                    model.form.preview = match outcome {
                        Ok(preview) => PreviewState::Ready(preview),
                        Err(error) => PreviewState::Failed(error.to_string()),
                    };
                    self.check_form(model);
                }
            }
            Answer::Augmented { data, seed, samples } => {
                let augmented = &mut model.augmented;
                if augmented.asked == Some((data, seed)) {
                    augmented.samples = Some(samples.map_err(|error| error.to_string()));
                }
            }
            Answer::Fetchable(Ok(sets)) => model.fetchable = sets,
            Answer::Fetchable(Err(error)) => model.notices.say(Tone::Warn, error.to_string()),
            Answer::Snapshot(run, outcome) => {
                let seen = match outcome {
                    Ok(snapshot) => Seen::Ready(snapshot),
                    Err(error) => Seen::Failed(error.to_string()),
                };
                model.runs.set_seen(run, seen);
            }
            Answer::Samples(outcome) => {
                if let Some(samples) = &mut model.samples {
                    samples.samples = Some(outcome.map_err(|error| error.to_string()));
                }
            }
            Answer::Tried(outcome) => {
                model.trial.is_waiting = false;
                model.trial.result = Some(outcome.map_err(|error| error.to_string()));
            }
            Answer::Changed(question, Ok(())) => {
                if let Question::Delete(runs) = question {
                    let what = match runs.as_slice() {
                        [run] => name_of(model, *run),
                        _ => format!("{} runs", runs.len()),
                    };
                    for &run in &runs {
                        model.runs.shown.remove(&run);
                    }
                    let action = Action::Restore(runs);
                    model
                        .notices
                        .offer(Tone::Info, format!("Deleted {what}"), "Undo", action);
                }
            }
            Answer::Runs(Err(error)) | Answer::Seeds(_, Err(error)) | Answer::Changed(_, Err(error)) => {
                model.notices.say(Tone::Bad, error.to_string());
            }
            Answer::Folder(folder, outcome) => {
                if outcome.is_ok() {
                    model
                        .notices
                        .say(Tone::Good, format!("Exported to {}", folder.display()));
                }
                if model.export.to.as_ref() == Some(&folder) {
                    model.export.files = Some(outcome.map_err(|error| error.to_string()));
                }
            }
            Answer::Ladder(_, Ok(ladder)) => model.opened_ladder = (model.opened_ladder.0 + 1, Some(ladder)),
            Answer::Ladder(_, Err(error)) => model.notices.say(Tone::Bad, error.to_string()),
            Answer::Written(path, Ok(())) => model.notices.say(Tone::Good, format!("Saved {}", path.display())),
            Answer::Written(path, Err(error)) => {
                model
                    .notices
                    .say(Tone::Bad, format!("{} was not saved: {error}", path.display()));
            }
        }
    }
}

/// Marks a job as begun.
fn begun(model: &mut Model, job: JobId) -> Option<&mut QueuedJob> {
    let queued = model.queue.iter_mut().find(|queued| queued.id == job)?;
    queued.is_begun = true;
    Some(queued)
}
