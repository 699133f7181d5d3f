//! What every job has at hand, and how a run's sitting is opened and closed.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use super::engine::{JobId, Message, Outbox};
use super::{Job, JobError, StoreSink};
use crate::cost;
use crate::spec::{Command, Ended, Event, EventSink, Failure, RunControl, RunId, RunPlan, RunStatus};
use crate::store::{NewRun, RunRecord, Store, StoreError};

/// Time between two looks at the control during a pause.
pub(super) const NAP: Duration = Duration::from_millis(20);

/// One job at work.
pub(super) struct Worker<'a> {
    pub store: &'a Store,
    pub outbox: &'a Outbox,
    pub job: JobId,
    pub control: &'a RunControl,
}

impl<'a> Worker<'a> {
    pub fn perform(&self, job: Job) -> Result<Vec<RunId>, JobError> {
        match job {
            Job::Train { config } => self.train(&config),
            Job::Resume { run } => self.resume(run),
            Job::Folds { config, folds } => self.folds(&config, folds),
            Job::Compress { run, recipes } => self.compress(run, &recipes),
            Job::Measure { runs } => self.measure(&runs),
            Job::Export { run, to } => self.export(run, &to),
            Job::Probe { config, probe } => self.probe(&config, probe),
            Job::Sensitivity { run, change, tolerated } => self.sensitivity(run, change, tolerated),
            Job::Get { name } => self.get(&name),
            #[cfg(test)]
            Job::Planted(plant) => self.planted(plant),
        }
    }

    /// Enters a new run.
    pub fn create(&self, new: &NewRun<'_>) -> Result<StoreSink<'a>, JobError> {
        let lock = self.store.create_run(new)?;
        let sink = self.open(StoreSink::open(self.store, lock, self.outbox)?, new.name);
        describe_model(&sink, new.plan)?;
        Ok(sink)
    }

    /// Takes up an old run, with its plan.
    pub fn reopen(&self, run: RunId) -> Result<(StoreSink<'a>, RunRecord), JobError> {
        let lock = self.store.lock_listed(run)?;
        let record = self.store.run(run)?;
        if record.run.status == RunStatus::Finished {
            let remedy = match &record.origin {
                None => "train its configuration anew".to_owned(),
                Some((parent, _)) => format!("`trimtab compare {parent} {run}` measures it"),
            };
            return Err(Failure::new(format!("run {run}"), "has finished", remedy).into());
        }
        let sink = self.open(StoreSink::open(self.store, lock, self.outbox)?, &record.run.name);
        Ok((sink, record))
    }

    /// Waits out a pause where no run is at work; [`JobError::Stopped`] where the job is to stop.
    pub fn go_on(&self) -> Result<(), JobError> {
        while self.control.requested() == Command::Pause {
            thread::sleep(NAP);
        }
        match self.control.requested() {
            Command::Stop => Err(JobError::Stopped),
            Command::Run | Command::Pause => Ok(()),
        }
    }

    fn open(&self, sink: StoreSink<'a>, name: &str) -> StoreSink<'a> {
        self.outbox.send(Message::Opened {
            job: self.job,
            run: sink.run(),
            name: name.to_owned(),
        });
        sink
    }
}

/// Does a sitting's work and records how it ended, exactly once, whatever happened.
pub(super) fn sit(sink: &StoreSink<'_>, work: impl FnOnce() -> Result<Ended, Failure>) -> Result<(), Failure> {
    let ended = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(ended)) => ended,
        Ok(Err(failure)) => Ended::Failed { failure },
        Err(panic) => Ended::Crashed {
            message: panic_message(panic.as_ref()),
        },
    };
    sink.emit(Event::Ended { ended })
}

/// A run has a network, or a baseline, to be compressed, measured and given away where it has come to its end.
pub(super) fn require_network(record: &RunRecord) -> Result<(), Failure> {
    let place = format!("run {}", record.run.run);
    if record.folds.is_some() {
        return Err(Failure::new(
            place,
            "is a cross-validation, which keeps no network",
            "train its configuration without folds",
        ));
    }
    if record.run.status != RunStatus::Finished {
        let what = format!("is {}, not finished", record.run.status);
        let remedy = if record.run.status.is_open() {
            "wait for its end".to_owned()
        } else {
            format!("`trimtab train --resume {}` takes it to its end", record.run.run)
        };
        return Err(Failure::new(place, what, remedy));
    }
    Ok(())
}

/// Enters what the plan's network costs.
pub(super) fn describe_model(sink: &StoreSink<'_>, plan: &RunPlan) -> Result<(), StoreError> {
    sink.describe(|run| {
        let cost = cost::cost(plan);
        run.parameters = cost.parameters;
        run.multiply_adds = cost.multiply_adds;
    })
}

/// What a panic said.
pub(super) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
