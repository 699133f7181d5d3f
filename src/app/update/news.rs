//! What the worker says and what is answered: how each changes the model.

use super::{Updater, name_of};
use crate::app::action::Action;
use crate::app::state::{Found, JobKind, JobRun, Model, PreviewState, QueuedJob, Seen, Tone};
use crate::jobs::{Answer, Finding, JobError, JobId, Message, Question};
use crate::spec::{Ended, Event, RunId};

/// Runs whose curves are kept at hand beside the shown ones.
const SHOWN_AT_START: usize = 8;

impl Updater {
    pub(super) fn hear(&mut self, model: &mut Model, message: Message) {
        match message {
            Message::Begun { job } => {
                if let Some(queued) = queued(model, job) {
                    queued.is_begun = true;
                }
            }
            Message::Opened { job, run, name } => {
                if let Some(queued) = queued(model, job) {
                    if queued.kind == JobKind::Train {
                        queued.what = format!("{} ({run})", queued.what);
                    }
                    queued.runs.push(JobRun { run, name, ended: None });
                    queued.progress = None;
                }
                model.runs.shown.insert(run);
                model.runs.begin(run);
                if self.ask(model, Question::Run(run)) {
                    model.runs.begin_open(run);
                }
                self.ask(model, Question::Runs);
            }
            Message::Event(envelope) => {
                if let Event::Ended { ended } = &envelope.event {
                    model.runs.end(envelope.run);
                    let mut runs = model.queue.iter_mut().flat_map(|queued| &mut queued.runs);
                    if let Some(own) = runs.find(|own| own.run == envelope.run) {
                        own.ended = Some(ended.clone());
                    }
                }
                model.runs.apply(envelope);
            }
            Message::Progress { job, what, done, total } => {
                if let Some(queued) = queued(model, job) {
                    queued.progress = Some((what, done, total));
                }
            }
            Message::Found { job, finding } => {
                if let Finding::Sensitivity { run, sensitivity } = *finding {
                    model.know_layers(run, sensitivity);
                    return;
                }
                if let Some(config) = queued(model, job).and_then(|queued| queued.probed.take()) {
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
        self.read_anew(model, &queued);
        match outcome {
            Ok(_) => {}
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
        let (tone, words) = verdict(model, &queued);
        model.notices.say(tone, words);
    }

    /// Asks for the runs of a job that has ended with another network than the one that they were entered with.
    fn read_anew(&mut self, model: &mut Model, queued: &QueuedJob) {
        for own in &queued.runs {
            let keeps_network = model.runs.open(own.run).is_some_and(|open| {
                let record = &open.record;
                record.origin.is_none() && record.plan.config.train.prune.is_none()
            });
            if !keeps_network {
                self.ask(model, Question::Run(own.run));
            }
        }
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
            Answer::Run(run, mut outcome) => {
                for found in outcome.iter_mut().flat_map(|opened| opened.layers.drain(..)) {
                    model.know_layers(run, found);
                }
                model.runs.finish_open(run, outcome.map_err(|error| error.to_string()));
            }
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

/// What is said of a job that was done to its end, by how its runs ended.
fn verdict(model: &Model, queued: &QueuedJob) -> (Tone, String) {
    for own in &queued.runs {
        let why = match &own.ended {
            Some(Ended::Failed { failure }) => failure.to_string(),
            Some(Ended::Crashed { message }) => message.clone(),
            Some(Ended::Finished { .. } | Ended::Stopped { .. }) | None => continue,
        };
        // It may have another name by now, and may not be in the list yet.
        let name = model.runs.row(own.run).map_or(&own.name, |row| &row.run.name);
        let status = own.ended.as_ref().map_or("", |ended| ended.status().name());
        return (Tone::Bad, format!("{name} ({}) {status}: {why}", own.run));
    }
    let is_stopped = |own: &JobRun| matches!(own.ended, Some(Ended::Stopped { .. }));
    if queued.runs.iter().any(is_stopped) {
        (Tone::Info, format!("Stopped: {}", queued.what))
    } else {
        (Tone::Good, format!("Done: {}", queued.what))
    }
}

fn queued(model: &mut Model, job: JobId) -> Option<&mut QueuedJob> {
    model.queue.iter_mut().find(|queued| queued.id == job)
}
