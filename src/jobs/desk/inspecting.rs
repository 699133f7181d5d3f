//! What can be seen: data before training, samples, and the networks of runs.

use std::convert::Infallible;
use std::sync::Arc;

use super::clerk::Clerk;
use super::{Augmented, Preview};
use crate::data::{DataError, Dataset, Part, Samples, augment, health};
use crate::deploy::Exported;
use crate::inspect::{Subject, Viewer};
use crate::jobs::training::require_same_data;
use crate::jobs::{JobError, classical};
use crate::nn::{self, Network};
use crate::spec::{ArtifactKind, Changes, DataConfig, Failure, RunId, SampleView, Snapshot, Wanted, Weights};
use crate::store::RunRecord;
use crate::train;

/// Samples that are shown before and after augmentation, and epochs after it.
const AUGMENTED: usize = 5;
const EPOCHS: usize = 5;

/// Rows that a network answers at a time.
const BATCH: usize = 256;

impl Clerk {
    pub fn preview(&mut self, config: &DataConfig) -> Result<Preview, DataError> {
        let dataset = self.dataset(config)?;
        let viewer = Viewer::new(&dataset);
        Ok(Preview {
            summary: dataset.summary.clone(),
            samples: viewer.examples(),
            points: viewer.points().to_vec(),
            findings: health(&dataset)?,
        })
    }

    /// Some of the samples that a preview shows, before and after.
    pub fn augmented(&mut self, config: &DataConfig, seed: u64) -> Result<Vec<Augmented>, JobError> {
        if let Some(problem) = config.augment.iter().find_map(|change| change.problem()) {
            return Err(Failure::new("augmentation", problem, "change the number").into());
        }
        let dataset = self.dataset(config)?;
        let viewer = Viewer::new(&dataset);
        // Some of every class where there are few: those of one class stand together.
        let examples = viewer.examples();
        let step = (examples.len() / AUGMENTED).max(1);
        let shown = examples.into_iter().step_by(step).take(AUGMENTED);
        shown
            .map(|before| {
                let preview = augment::preview(&dataset, seed, &config.augment, before.row, EPOCHS)?;
                let after = preview.after.iter().map(|inputs| viewer.unlabelled(inputs)).collect();
                Ok(Augmented { before, after })
            })
            .collect()
    }

    /// The rows of a part that there are, in the asked order.
    pub fn samples(&mut self, config: &DataConfig, part: Part, rows: &[usize]) -> Result<Vec<SampleView>, JobError> {
        let dataset = self.dataset(config)?;
        let viewer = Viewer::new(&dataset);
        let samples = match part {
            Part::Train => &dataset.train,
            Part::Validation => &dataset.validation,
            Part::Test => &dataset.test,
        };
        let present = rows.iter().filter(|&&row| row < samples.len());
        Ok(present.map(|&row| viewer.sample(samples, row, String::new())).collect())
    }

    /// A finished run by its exported bytes on the test split; one that has not come so far by its weights on the
    /// validation split. What is wanted beyond that is of the kept weights.
    pub fn inspect(&mut self, run: RunId, wanted: Wanted) -> Result<Arc<Snapshot>, JobError> {
        let record = self.store.run(run)?;
        let kept = self.store.artifacts(run)?;
        let sum_of = |kind| {
            kept.iter()
                .find(|artifact| artifact.kind == kind)
                .map(|artifact| artifact.sha256.clone())
        };
        let classic = sum_of(ArtifactKind::Classic);
        let is_classic = classic.is_some();
        let exported = sum_of(ArtifactKind::Onnx).or_else(|| classic.clone());
        let (exported, Some(weights_sum)) = (exported, sum_of(ArtifactKind::Weights).or(classic)) else {
            return Err(nothing_to_see(&record).into());
        };
        let key = (run, weights_sum, exported);
        let dataset = self.dataset_of(&record)?;
        let known = self.snapshots.find(&key);
        if let (Some(known), true) = (&known, wanted.is_nothing()) {
            return Ok(Arc::clone(known));
        }
        let weights = if is_classic {
            Weights::default()
        } else {
            self.weights(run)?
        };
        let viewer = Viewer::new(&dataset);
        let snapshot = match known {
            Some(known) => known,
            None => {
                let made = Arc::new(self.answered(&record, &dataset, &viewer, &weights, key.2.is_some())?);
                self.snapshots.put(key, Arc::clone(&made));
                made
            }
        };
        // A baseline has neither attention nor gradients.
        if wanted.is_nothing() || is_classic {
            return Ok(snapshot);
        }
        let samples = if snapshot.part == "test" {
            &dataset.test
        } else {
            &dataset.validation
        };
        let mut snapshot = Snapshot {
            wanted,
            ..Snapshot::clone(&snapshot)
        };
        if let Some(row) = wanted.attention {
            snapshot.attention = train::attention(&viewer, &network(&record, &weights)?, samples, row);
        }
        if wanted.gradients {
            snapshot.gradients = Some(train::batch_gradients(&record.plan, &weights, &dataset)?);
        }
        Ok(Arc::new(snapshot))
    }

    /// What every snapshot has.
    fn answered(
        &mut self,
        record: &RunRecord,
        dataset: &Dataset,
        viewer: &Viewer<'_>,
        weights: &Weights,
        is_exported: bool,
    ) -> Result<Snapshot, JobError> {
        let subject = |part, samples, outputs| Subject {
            epoch: record.run.best_epoch.unwrap_or(record.run.epochs),
            part,
            samples,
            outputs,
            model: &record.plan.model,
            weights,
        };
        if is_exported {
            let exported = self.exported(record.run.run)?;
            let outputs = exported.sample_outputs(&dataset.test)?;
            let mut snapshot = viewer.snapshot(subject("test", &dataset.test, &outputs), |inputs| {
                exported.outputs(inputs)
            })?;
            snapshot.changes = self.changes(record, dataset, viewer, &outputs);
            return Ok(snapshot);
        }
        let network = network(record, weights)?;
        let answer = |inputs: &[f32]| train::outputs(&network, inputs, BATCH);
        let samples: &Samples = &dataset.validation;
        let outputs = train::sample_outputs(&network, samples, BATCH)?;
        let Ok(snapshot) = viewer.snapshot(subject("validation", samples, &outputs), |inputs| {
            Ok::<_, Infallible>(answer(inputs))
        });
        Ok(snapshot)
    }

    /// What a compressed run answers otherwise than its parent; none where that has been deleted.
    fn changes(
        &mut self,
        record: &RunRecord,
        dataset: &Dataset,
        viewer: &Viewer<'_>,
        after: &[f32],
    ) -> Option<Changes> {
        let (parent, _) = record.origin.as_ref()?;
        let name = self.store.run(*parent).ok()?.run.name;
        let before = self.exported(*parent).ok()?.sample_outputs(&dataset.test).ok()?;
        viewer.changes(&name, &dataset.test, &before, after)
    }

    /// The data that a run was trained on, if they are still the same.
    pub fn dataset_of(&mut self, record: &RunRecord) -> Result<Arc<Dataset>, JobError> {
        let dataset = self.dataset(&record.plan.config.data)?;
        require_same_data(record.run.run, &record.plan, &dataset)?;
        Ok(dataset)
    }

    /// A run's exported file, from memory where it is one of the last.
    pub fn exported(&mut self, run: RunId) -> Result<Arc<Exported>, JobError> {
        let kind = classical::answering_file(&self.store, run)?;
        let kept = self.store.artifacts(run)?;
        let file = kept.into_iter().find(|artifact| artifact.kind == kind);
        let sha256 = file.map(|file| file.sha256).unwrap_or_default();
        let store = &self.store;
        self.models.get(sha256, || {
            let bytes = store.read_artifact(run, kind)?;
            Ok(Arc::new(classical::load(kind, &bytes)?))
        })
    }

    fn weights(&self, run: RunId) -> Result<Weights, JobError> {
        let bytes = self.store.read_artifact(run, ArtifactKind::Weights)?;
        let weights = train::weights_from_bytes(&bytes);
        Ok(weights.map_err(|error| broken(run, error.to_string()))?)
    }
}

fn network(record: &RunRecord, weights: &Weights) -> Result<Network, Failure> {
    let broken = |what: String| broken(record.run.run, what);
    let device = nn::device(record.plan.config.run.device).map_err(|error| broken(error.to_string()))?;
    Network::from_weights(&record.plan.model, weights, &device).map_err(|error| broken(error.to_string()))
}

fn broken(run: RunId, what: String) -> Failure {
    Failure::new(format!("run {run}"), what, "train the run again")
}

fn nothing_to_see(record: &RunRecord) -> Failure {
    let place = format!("run {}", record.run.run);
    if record.folds.is_some() {
        return Failure::new(
            place,
            "is a cross-validation, which keeps no network",
            "train its configuration without folds",
        );
    }
    let remedy = if record.run.status.is_open() {
        "wait for the end of its first epoch"
    } else {
        "train it to its end"
    };
    Failure::new(place, "keeps no network yet", remedy)
}
