//! Training runs: new ones, and those that go on.

use super::admission::admit;
use super::probing::note_speed_up;
use super::proof::Subject;
use super::worker::{Worker, describe_model, sit};
use super::{JobError, StoreSink};
use crate::compress;
use crate::data::{self, Dataset};
use crate::deploy::Form;
use crate::spec::{ArtifactKind, Ended, Event, EventSink as _, Failure, RunConfig, RunId, RunPlan};
use crate::store::NewRun;
use crate::train::{Outcome, Start};

impl Worker<'_> {
    pub fn train(&self, config: &RunConfig) -> Result<Vec<RunId>, JobError> {
        let dataset = data::load(&config.data)?;
        let plan = admit(config, &dataset.summary).map_err(JobError::Config)?;
        let sink = self.create(&NewRun {
            name: &config.run_name(&plan.dataset.name),
            plan: &plan,
            origin: None,
            folds: None,
        })?;
        sit(&sink, || {
            note_speed_up(self, &plan, &dataset, &sink)?;
            self.train_from(Start::Fresh, &plan, &dataset, &sink)
        })?;
        Ok(vec![sink.run()])
    }

    pub fn resume(&self, run: RunId) -> Result<Vec<RunId>, JobError> {
        let (sink, record) = self.reopen(run)?;
        let plan = &record.plan;
        if let Some(folds) = record.folds {
            sit(&sink, || {
                let text = "A cross-validation keeps no checkpoints: it begins again with its first fold".to_owned();
                sink.emit(Event::Note { text })?;
                self.all_folds(plan, folds, &sink)
            })?;
            return Ok(vec![run]);
        }
        if let Some((parent, recipe)) = &record.origin {
            return self.compress_again((*parent, recipe), sink);
        }
        let dataset = data::load(&plan.config.data)?;
        require_same_data(run, plan, &dataset)?;
        // None where it did not come as far as its first checkpoint.
        let checkpoint = self.store.find_artifact(run, ArtifactKind::Checkpoint)?;
        let start = checkpoint.as_deref().map_or(Start::Fresh, Start::Resume);
        sit(&sink, || self.train_from(start, plan, &dataset, &sink))?;
        Ok(vec![run])
    }

    fn train_from(
        &self,
        start: Start<'_>,
        plan: &RunPlan,
        dataset: &Dataset,
        sink: &StoreSink<'_>,
    ) -> Result<Ended, Failure> {
        if plan.config.model.architecture.is_classical() {
            return self.fit_from_nothing(plan, dataset, sink);
        }
        Ok(
            match compress::train_and_prune(plan, dataset, start, self.control, sink)? {
                Outcome::Stopped { step } => Ended::Stopped { step },
                Outcome::Finished(trained) => {
                    let pruned = RunPlan {
                        model: trained.model,
                        ..plan.clone()
                    };
                    if pruned.model != plan.model {
                        self.store.update_plan(sink.lock(), &pruned)?;
                        describe_model(sink, &pruned)?;
                    }
                    let scores = Subject {
                        plan: &pruned,
                        weights: &trained.weights,
                        form: &Form::Fp32,
                        dataset,
                    }
                    .prove(sink)?;
                    Ended::Finished {
                        best_epoch: trained.best_epoch,
                        epochs: trained.epochs,
                        train: scores.train,
                        validation: scores.validation,
                        test: scores.test,
                    }
                }
            },
        )
    }
}

impl Worker<'_> {
    /// A baseline has no place to go on from: a resumed one is fitted anew, to the same end.
    fn fit_from_nothing(&self, plan: &RunPlan, dataset: &Dataset, sink: &StoreSink<'_>) -> Result<Ended, Failure> {
        let Some(scores) = self.fit(plan, dataset, sink)? else {
            return Ok(Ended::Stopped { step: 0 });
        };
        sink.describe(|run| {
            run.parameters = scores.parameters;
            run.multiply_adds = scores.multiply_adds;
        })?;
        Ok(Ended::Finished {
            best_epoch: 1,
            epochs: 1,
            train: scores.train,
            validation: scores.validation,
            test: scores.test,
        })
    }
}

/// A run goes on only with the data that it began with.
pub(super) fn require_same_data(run: RunId, plan: &RunPlan, dataset: &Dataset) -> Result<(), Failure> {
    if plan.dataset.is_same_data(&dataset.summary) {
        return Ok(());
    }
    Err(Failure::new(
        &plan.config.data.source,
        format!("is not the data that run {run} began with"),
        "bring back the file as it was, or train a new run",
    ))
}
