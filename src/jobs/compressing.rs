//! Compression runs: one child run for each recipe, then one measurement of all beside their parent.

use super::proof::Subject;
use super::worker::{Worker, describe_model, require_network, sit};
use super::{JobError, StoreSink};
use crate::compress::{self, Applied, Kept, Origin};
use crate::data::{self, Dataset};
use crate::spec::{
    ArtifactKind, Ended, Event, EventSink, Failure, MemoryLedger, Recipe, RecipeStep, RunId, RunPlan, RunStatus,
    Weights,
};
use crate::store::{NewRun, StoreError};
use crate::train;

/// A finished run, ready to be compressed.
pub(super) struct Parent {
    name: String,
    pub plan: RunPlan,
    pub weights: Weights,
    /// Single weights were pruned on the way to it.
    is_pruned: bool,
    /// It is what its training made, with nothing removed or zeroed on the way.
    is_repeatable: bool,
    pub dataset: Dataset,
}

impl Worker<'_> {
    /// A recipe that fails is a failed run, and the others go on. Each is measured beside the parent as soon as it is there, and
    /// all together in the same rounds at the end. After a stop nothing more is done.
    pub fn compress(&self, run: RunId, recipes: &[Recipe]) -> Result<Vec<RunId>, JobError> {
        let parent = self.parent(run)?;
        let mut children = Vec::with_capacity(recipes.len());
        for recipe in recipes {
            self.go_on()?;
            let sink = self.create(&NewRun {
                name: &format!("{}-{recipe}", parent.name),
                plan: &parent.plan,
                origin: Some((run, recipe)),
                folds: None,
            })?;
            sit(&sink, || self.apply(&parent, recipe, Kept::default(), &sink))?;
            let child = sink.run();
            drop(sink);
            children.push(child);
            if self.store.run(child)?.run.status == RunStatus::Stopped {
                return Ok(children);
            }
            if recipes.len() > 1 {
                self.measure_finished(run, &[child])?;
            }
        }
        self.measure_finished(run, &children)?;
        Ok(children)
    }

    /// Takes an interrupted or stopped compression up: trainings go on where they stood, all else is done again, and from the same
    /// parent it comes to the same end.
    pub fn compress_again(&self, origin: (RunId, &Recipe), sink: StoreSink<'_>) -> Result<Vec<RunId>, JobError> {
        let (run, recipe) = origin;
        if !self.is_there(run)? {
            let what = format!("the run that it compresses, {run}, has been deleted");
            return Err(Failure::new(format!("run {}", sink.run()), what, "compress another").into());
        }
        let parent = self.parent(run)?;
        let kept = match self.store.find_artifact(sink.run(), ArtifactKind::Checkpoint)? {
            Some(bytes) => Kept::from_bytes(&bytes)?,
            // It did not come as far as its first checkpoint.
            None => Kept::default(),
        };
        sit(&sink, || self.apply(&parent, recipe, kept, &sink))?;
        let child = sink.run();
        drop(sink);
        self.measure_finished(run, &[child])?;
        Ok(vec![child])
    }

    pub(super) fn parent(&self, run: RunId) -> Result<Parent, JobError> {
        let record = self.store.run(run)?;
        let place = || format!("run {run}");
        require_network(&record)?;
        let architecture = record.plan.config.model.architecture;
        if architecture.is_classical() {
            return Err(Failure::new(
                place(),
                "a classical baseline has no layers to compress",
                architecture.instead_of_compressing(),
            )
            .into());
        }
        let bytes = self.store.read_artifact(run, ArtifactKind::Weights)?;
        let weights = train::weights_from_bytes(&bytes)
            .map_err(|error| Failure::new(place(), error.to_string(), "train the run again"))?;
        let dataset = data::load(&record.plan.config.data)?;
        super::training::require_same_data(run, &record.plan, &dataset)?;
        Ok(Parent {
            name: record.run.name,
            weights,
            is_repeatable: record.origin.is_none() && record.plan.config.train.prune.is_none(),
            plan: record.plan,
            is_pruned: self.is_pruned(record.origin),
            dataset,
        })
    }

    /// Whether the recipe of a run, or of one that it stems from, zeroes single weights.
    fn is_pruned(&self, mut origin: Option<(RunId, Recipe)>) -> bool {
        while let Some((parent, recipe)) = origin {
            if recipe.steps.iter().any(|step| matches!(step, RecipeStep::Weights(_))) {
                return true;
            }
            // Its parent may have been deleted since.
            origin = self.store.run(parent).ok().and_then(|record| record.origin);
        }
        false
    }

    fn apply(&self, parent: &Parent, recipe: &Recipe, kept: Kept, sink: &StoreSink<'_>) -> Result<Ended, Failure> {
        let Parent {
            plan,
            weights,
            dataset,
            is_pruned,
            is_repeatable,
            ..
        } = parent;
        let steps = recipe.finetune_epochs() * plan.steps_per_epoch;
        let trains = steps > 0;
        sink.emit(Event::Started {
            first_step: kept.step(),
            total_steps: steps,
            steps_per_epoch: plan.steps_per_epoch,
            // Each of its trainings says what it will take.
            predicted: MemoryLedger::default(),
        })?;
        let origin = Origin {
            plan,
            weights,
            is_pruned: *is_pruned,
            is_repeatable: *is_repeatable,
            dataset,
        };
        let compressed = match compress::apply(recipe, origin, kept, self.control, sink)? {
            Applied::Stopped { step } => return Ok(Ended::Stopped { step }),
            Applied::Finished(compressed) => compressed,
        };
        self.store.update_plan(sink.lock(), &compressed.plan)?;
        describe_model(sink, &compressed.plan)?;
        let proved = Subject {
            plan: &compressed.plan,
            weights: &compressed.weights,
            form: &compressed.form,
            dataset,
        }
        .prove(sink)?;
        if trains {
            // What it would go on from takes no room any more.
            sink.save(ArtifactKind::Checkpoint, &Kept::default().to_bytes())?;
        }
        Ok(Ended::Finished {
            best_epoch: compressed.epochs,
            epochs: compressed.epochs,
            train: proved.train,
            validation: proved.validation,
            test: proved.test,
        })
    }

    /// Measures those of `children` that finished beside their parent, if that is still there.
    fn measure_finished(&self, parent: RunId, children: &[RunId]) -> Result<(), JobError> {
        let mut finished = Vec::with_capacity(children.len());
        for &child in children {
            if self.store.run(child)?.run.status == RunStatus::Finished {
                finished.push(child);
            }
        }
        if finished.is_empty() {
            return Ok(());
        }
        if self.is_there(parent)? {
            finished.insert(0, parent);
        }
        self.measure(&finished)?;
        Ok(())
    }

    fn is_there(&self, run: RunId) -> Result<bool, JobError> {
        match self.store.run(run) {
            Ok(_) => Ok(true),
            Err(StoreError::NoRun { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
