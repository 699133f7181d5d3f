//! Measured figures for finished runs, and the folder that a person takes away.

use std::path::Path;

use super::engine::Message;
use super::training::require_same_data;
use super::worker::{Worker, require_network};
use super::{JobError, classical};
use crate::compare;
use crate::compress;
use crate::data::{self, Dataset};
use crate::deploy::{self, Candidate, Exported, bundle};
use crate::spec::{ArtifactKind, Failure, Metrics, Preprocessing, Run, RunConfig, RunId, RunPlan, Speed};
use crate::store::{RunRecord, Store};

/// A finished run with its exported bytes and what they score on the test split.
struct Contender {
    record: RunRecord,
    bytes: Vec<u8>,
    exported: Exported,
    test: Metrics,
}

/// How a run came from the one that was trained.
pub(super) struct Ancestry {
    /// The first step first.
    pub compressions: Vec<bundle::Compression>,
    /// The oldest ancestor that is still there, or the run itself.
    pub trained: RunId,
    /// Of `trained`.
    pub config: RunConfig,
}

impl Worker<'_> {
    /// Measures the exported bytes of all `runs` that can be compared in the same interleaved rounds and enters the figures in
    /// their rows; one group after another, since scores on different data or targets say nothing about each other. The
    /// baseline of a group is its first uncompressed run, or the first of all; it comes first among them in the answer. Stopped,
    /// the group at work keeps the figures that it had.
    pub fn measure(&self, runs: &[RunId]) -> Result<Vec<RunId>, JobError> {
        let mut described: Vec<(Run, RunPlan)> = Vec::with_capacity(runs.len());
        for &run in runs {
            if described.iter().all(|(known, _)| known.run != run) {
                let record = self.store.run(run)?;
                described.push((record.run, record.plan));
            }
        }
        let groups = compare::groups(described);
        let measured = groups.iter().map(|group| {
            let runs: Vec<RunId> = group.members.iter().map(|run| run.run).collect();
            self.measure_together(&runs)
        });
        Ok(measured.collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// On one data set, each run once.
    fn measure_together(&self, runs: &[RunId]) -> Result<Vec<RunId>, JobError> {
        let mut contenders = runs
            .iter()
            .map(|&run| {
                self.go_on()?;
                self.contender(run)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let is_baseline = |contender: &Contender| contender.record.origin.is_none();
        if let Some(place) = contenders.iter().position(is_baseline) {
            contenders[..=place].rotate_right(1);
        }
        let Some(baseline) = contenders.first() else {
            return Ok(Vec::new());
        };
        let tell = |done| {
            self.outbox.send(Message::Progress {
                job: self.job,
                what: format!("measuring {} files in turn", runs.len()),
                done,
                total: 1,
            });
        };
        tell(0);
        let files: Vec<Candidate<'_>> = contenders
            .iter()
            .map(|contender| Candidate {
                bytes: &contender.bytes,
                exported: &contender.exported,
            })
            .collect();
        let figures = deploy::measure(&files, &|| self.go_on().is_ok())?.ok_or(JobError::Stopped)?;
        for (contender, figures) in contenders.iter().zip(figures) {
            let origin = contender.record.origin.clone();
            let speed = origin
                .as_ref()
                .map_or(Speed::Measured, |(_, recipe)| compress::speed(recipe));
            let (parent, recipe) = origin.unzip();
            let mut deployed = figures.deployed(recipe, parent, &contender.test, speed);
            let lock = self.store.lock_run(contender.record.run.run)?;
            let mut run = self.store.run(lock.run())?.run;
            if run.run == baseline.record.run.run {
                deployed.keep_verdicts(run.run, run.deployed.as_ref());
            } else {
                deployed.against = Some(baseline.record.run.run);
            }
            run.deployed = Some(deployed);
            self.store.update_run(&lock, &run)?;
        }
        tell(1);
        Ok(contenders.iter().map(|contender| contender.record.run.run).collect())
    }

    /// Writes the run's export folder; a run that has not been measured is measured first, beside its parent.
    pub fn export(&self, run: RunId, to: &Path) -> Result<Vec<RunId>, JobError> {
        let record = self.store.run(run)?;
        let Ancestry {
            compressions, config, ..
        } = ancestry(self.store, &record);
        if record.run.deployed.is_none() {
            let beside = compressions
                .last()
                .filter(|last| last.name.is_some())
                .map(|last| last.of);
            self.measure(&beside.into_iter().chain([run]).collect::<Vec<_>>())?;
        }
        self.go_on()?;
        let record = self.store.run(run)?;
        require_network(&record)?;
        let Some(deployed) = &record.run.deployed else {
            return Ok(Vec::new());
        };
        let beside = record.run.timed_beside().map(|beside| bundle::Beside {
            run: beside,
            name: self.store.run(beside).ok().map(|record| record.run.name),
        });
        let kind = classical::answering_file(self.store, run)?;
        let bytes = self.store.read_artifact(run, kind)?;
        let weights = match kind {
            ArtifactKind::Classic => Vec::new(),
            _ => self.store.read_artifact(run, ArtifactKind::Weights)?,
        };
        // All that goes out is in the store; on its data, if they are there as they were, the folder is scored once more.
        let (preprocessing, test, score) = match (data_of(run, &record.plan), self.kept_preprocessing(run)?) {
            (Ok(dataset), _) => {
                let exported = classical::load(kind, &bytes)?;
                let score = exported.score(&dataset.test, &dataset.preprocessing.target)?.metrics;
                (dataset.preprocessing, Some(dataset.test), score)
            }
            (Err(_), Some(kept)) => (kept, None, record.run.test.unwrap_or_default()),
            (Err(error), None) => return Err(error),
        };
        bundle::write(
            to,
            &bundle::Contents {
                model: match kind {
                    ArtifactKind::Classic => bundle::Model::Baseline {
                        bytes: &bytes,
                        loader: classical::baseline,
                    },
                    _ => bundle::Model::Network {
                        onnx: &bytes,
                        safetensors: &weights,
                    },
                },
                config: &config,
                preprocessing: &preprocessing,
                lineage: bundle::Lineage {
                    run: &record.run,
                    compressions: &compressions,
                    deployed,
                    beside: beside.as_ref(),
                    dataset: &record.plan.dataset,
                    model: &record.plan.model,
                },
                test: test.as_ref(),
                score,
            },
        )?;
        Ok(vec![run])
    }

    fn contender(&self, run: RunId) -> Result<Contender, JobError> {
        let record = self.store.run(run)?;
        require_network(&record)?;
        let kind = classical::answering_file(self.store, run)?;
        let bytes = self.store.read_artifact(run, kind)?;
        let exported = classical::load(kind, &bytes)?;
        let dataset = data_of(run, &record.plan)?;
        let test = exported.score(&dataset.test, &dataset.preprocessing.target)?.metrics;
        Ok(Contender {
            record,
            bytes,
            exported,
            test,
        })
    }

    /// What was kept beside a run's file; none of a run of an older program.
    fn kept_preprocessing(&self, run: RunId) -> Result<Option<Preprocessing>, JobError> {
        let Some(bytes) = self.store.find_artifact(run, ArtifactKind::Preprocessing)? else {
            return Ok(None);
        };
        let kept = serde_json::from_slice(&bytes)
            .map_err(|error| Failure::new(format!("run {run}"), error.to_string(), "train the run again"))?;
        Ok(Some(kept))
    }
}

/// Follows a run to the one that was trained.
pub(super) fn ancestry(store: &Store, record: &RunRecord) -> Ancestry {
    let mut ancestry = Ancestry {
        compressions: Vec::new(),
        trained: record.run.run,
        config: record.plan.config.clone(),
    };
    let mut origin = record.origin.clone();
    while let Some((of, recipe)) = origin {
        let parent = store.run(of).ok();
        ancestry.compressions.push(bundle::Compression {
            of,
            name: parent.as_ref().map(|parent| parent.run.name.clone()),
            recipe,
        });
        origin = parent.and_then(|parent| {
            (ancestry.trained, ancestry.config) = (of, parent.plan.config);
            parent.origin
        });
    }
    ancestry.compressions.reverse();
    ancestry
}

/// The data that a run was trained on, if they are still the same.
fn data_of(run: RunId, plan: &RunPlan) -> Result<Dataset, JobError> {
    let dataset = data::load(&plan.config.data)?;
    require_same_data(run, plan, &dataset)?;
    Ok(dataset)
}
