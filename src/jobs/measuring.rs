//! Measured figures for finished runs, and the folder that a person takes away.

use std::path::Path;

use super::engine::Message;
use super::worker::Worker;
use super::{JobError, classical};
use crate::compare;
use crate::compress;
use crate::data::{self, Dataset};
use crate::deploy::{self, Candidate, Exported, bundle};
use crate::spec::{ArtifactKind, Failure, Metrics, Run, RunConfig, RunId, RunPlan, RunStatus, Speed};
use crate::store::RunRecord;

/// A finished run with its exported bytes and what they score on the test split.
struct Contender {
    record: RunRecord,
    kind: ArtifactKind,
    bytes: Vec<u8>,
    exported: Exported,
    dataset: Dataset,
    test: Metrics,
}

impl Worker<'_> {
    /// Measures the exported bytes of all `runs` that can be compared in the same interleaved rounds and enters the figures in
    /// their rows; one group after another, since scores on different data or targets say nothing about each other. The
    /// baseline of a group is its first uncompressed run, or the first of all; it comes first among them in the answer.
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
            .map(|&run| self.contender(run))
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
        let figures = deploy::measure(&files)?;
        for (contender, figures) in contenders.iter().zip(figures) {
            let origin = contender.record.origin.clone();
            let speed = origin
                .as_ref()
                .map_or(Speed::Measured, |(_, recipe)| compress::speed(recipe));
            let (parent, recipe) = origin.unzip();
            let mut deployed = figures.deployed(recipe, parent, &contender.test, speed);
            deployed.against = Some(baseline.record.run.run).filter(|&run| run != contender.record.run.run);
            let lock = self.store.lock_run(contender.record.run.run)?;
            let mut run = self.store.run(lock.run())?.run;
            run.deployed = Some(deployed);
            self.store.update_run(&lock, &run)?;
        }
        tell(1);
        Ok(contenders.iter().map(|contender| contender.record.run.run).collect())
    }

    /// Writes the run's export folder; a run that has not been measured is measured first, beside its parent.
    pub fn export(&self, run: RunId, to: &Path) -> Result<Vec<RunId>, JobError> {
        let record = self.store.run(run)?;
        let (compressions, config) = self.ancestry(&record);
        if record.run.deployed.is_none() {
            let beside = compressions
                .last()
                .filter(|last| last.name.is_some())
                .map(|last| last.of);
            self.measure(&beside.into_iter().chain([run]).collect::<Vec<_>>())?;
        }
        let Contender {
            record,
            kind,
            bytes,
            exported: _,
            dataset,
            test,
        } = self.contender(run)?;
        let Some(deployed) = &record.run.deployed else {
            return Ok(Vec::new());
        };
        let weights = match kind {
            ArtifactKind::Classic => Vec::new(),
            _ => self.store.read_artifact(run, ArtifactKind::Weights)?,
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
                preprocessing: &dataset.preprocessing,
                lineage: bundle::Lineage {
                    run: &record.run,
                    compressions: &compressions,
                    deployed,
                    dataset: &record.plan.dataset,
                    model: &record.plan.model,
                },
                test: &dataset.test,
                score: test,
            },
        )?;
        Ok(vec![run])
    }

    /// How a run came from the one that was trained, the first step first, and the configuration of that training: of the oldest
    /// ancestor that is still there.
    fn ancestry(&self, record: &RunRecord) -> (Vec<bundle::Compression>, RunConfig) {
        let mut compressions = Vec::new();
        let mut config = record.plan.config.clone();
        let mut origin = record.origin.clone();
        while let Some((of, recipe)) = origin {
            let parent = self.store.run(of).ok();
            compressions.push(bundle::Compression {
                of,
                name: parent.as_ref().map(|parent| parent.run.name.clone()),
                recipe,
            });
            origin = parent.and_then(|parent| {
                config = parent.plan.config;
                parent.origin
            });
        }
        compressions.reverse();
        (compressions, config)
    }

    fn contender(&self, run: RunId) -> Result<Contender, JobError> {
        let record = self.store.run(run)?;
        if record.run.status != RunStatus::Finished {
            let what = format!("is {}, not finished", record.run.status);
            return Err(Failure::new(format!("run {run}"), what, "measure and export finished runs").into());
        }
        let kind = classical::answering_file(self.store, run)?;
        let bytes = self.store.read_artifact(run, kind)?;
        let exported = classical::load(kind, &bytes)?;
        let dataset = data::load(&record.plan.config.data)?;
        super::training::require_same_data(run, &record.plan, &dataset)?;
        let test = exported.score(&dataset.test, &dataset.preprocessing.target)?.metrics;
        Ok(Contender {
            record,
            kind,
            bytes,
            exported,
            dataset,
            test,
        })
    }
}
