//! Probes of a configuration: short trainings that find out how a long one would go.

use std::thread::available_parallelism;
use std::time::Duration;

use serde::Serialize;

use super::JobError;
use super::admission::admit;
use super::engine::Message;
use super::worker::Worker;
use crate::classic;
use crate::compress;
use crate::data::{self, DataError, Dataset, Samples};
use crate::deploy::{DeployError, Exported};
use crate::spec::{
    ArtifactKind, Command, ConfigIssue, Event, EventSink, Failure, RunConfig, RunId, RunPlan, Sensitivity, units,
};
use crate::train::probe::{
    self, BatchMeasure, Fitted, LargestBatch, LearningCurve, Profile, RATE_STEPS, RateRange, Watch, WorkerSpeed,
};
use crate::train::{Outcome, Start};

/// What is to be found out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Probe {
    /// A good learning rate, by a range test.
    LearningRate,
    /// The largest batch whose steps take at most this much memory.
    LargestBatch { budget_bytes: u64 },
    /// Samples a second and memory against the size of the batch.
    Throughput,
    /// What 2, 4 and so on workers buy, up to one a core.
    Workers,
    /// Where the time of so many steps goes.
    Profile { steps: usize },
    /// The score against the number of training rows, at `points` numbers and with each of `folds` folds left out.
    LearningCurve { points: usize, folds: usize },
}

/// What was found out.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "probe", rename_all = "kebab-case")]
pub enum Finding {
    LearningRate(RateRange),
    LargestBatch(LargestBatch),
    Throughput {
        measured: Vec<BatchMeasure>,
    },
    Workers {
        batch_size: usize,
        speeds: Vec<WorkerSpeed>,
    },
    Profile(Profile),
    LearningCurve(LearningCurve),
    Sensitivity {
        run: RunId,
        sensitivity: Sensitivity,
    },
}

/// How long the speed of workers is measured, alone and before a run.
const WORKERS_PATIENCE: Duration = Duration::from_secs(6);
const NOTE_PATIENCE: Duration = Duration::from_millis(600);

impl Probe {
    /// What is going on while it runs.
    fn title(self) -> &'static str {
        match self {
            Self::LearningRate => "raising the learning rate",
            Self::LargestBatch { .. } => "trying batch sizes",
            Self::Throughput => "timing batch sizes",
            Self::Workers => "timing workers",
            Self::Profile { .. } => "timing steps",
            Self::LearningCurve { .. } => "training on ever more rows",
        }
    }
}

impl Worker<'_> {
    pub fn probe(&self, config: &RunConfig, probe: Probe) -> Result<Vec<RunId>, JobError> {
        let progress = |done, total| {
            self.outbox.send(Message::Progress {
                job: self.job,
                what: probe.title().to_owned(),
                done,
                total,
            });
        };
        let watch = Watch {
            control: self.control,
            progress: &progress,
        };
        let found = if let Probe::LearningCurve { points, folds } = probe {
            self.learning_curve(config, points, folds, watch)?
        } else {
            require_steps(config)?;
            let dataset = data::load(&config.data)?;
            // A batch that is too large for the machine is what the search for the largest one is there for.
            let plan = match probe {
                Probe::LargestBatch { .. } | Probe::Throughput => config.check(&dataset.summary),
                _ => admit(config, &dataset.summary),
            };
            let plan = plan.map_err(JobError::Config)?;
            steps(probe, &plan, &dataset, watch)?
        };
        let finding = Box::new(found.ok_or(JobError::Stopped)?);
        self.outbox.send(Message::Found { job: self.job, finding });
        Ok(Vec::new())
    }

    fn learning_curve(
        &self,
        config: &RunConfig,
        points: usize,
        folds: usize,
        watch: Watch<'_>,
    ) -> Result<Option<Finding>, JobError> {
        let load = |fold| {
            data::load_fold(&config.data, fold, folds)
                .map_err(|error: DataError| Failure::new("data", error.to_string(), "see `trimtab datasets`"))
        };
        // What is wrong with the configuration is told as such, before the first fit.
        admit(config, &load(0)?.summary).map_err(JobError::Config)?;
        let fit = |dataset: &Dataset| {
            let plan = config
                .check(&dataset.summary)
                .map_err(|issues| issues.into_iter().next().map_or_else(no_reason, as_failure))?;
            if config.model.architecture.is_classical() {
                return self.fit_baseline(&plan, dataset);
            }
            let outcome = compress::train_and_prune(&plan, dataset, Start::Fresh, self.control, &Silent)?;
            Ok(match outcome {
                Outcome::Stopped { .. } => None,
                Outcome::Finished(trained) => Some(Fitted {
                    train: trained.train,
                    test: trained.test,
                }),
            })
        };
        let seed = config.data.split_seed;
        let curve = probe::learning_curve((points.max(1), folds, seed), load, fit, watch)?;
        Ok(curve.map(Finding::LearningCurve))
    }
}

impl Worker<'_> {
    /// A classical baseline, scored as a network is.
    fn fit_baseline(&self, plan: &RunPlan, dataset: &Dataset) -> Result<Option<Fitted>, Failure> {
        let mut goes_on = |_, _| Ok(self.control.requested() != Command::Stop);
        let Some(fitted) = classic::fit(plan, dataset, &mut goes_on)? else {
            return Ok(None);
        };
        let fitted = Exported::of(fitted);
        let score = |samples: &Samples| {
            let scores = fitted.score(samples, &dataset.preprocessing.target);
            scores.map(|scores| scores.metrics).map_err(DeployError::into_failure)
        };
        Ok(Some(Fitted {
            train: score(&dataset.train)?,
            test: score(&dataset.test)?,
        }))
    }
}

/// The probes that take steps of one plan.
fn steps(probe: Probe, plan: &RunPlan, dataset: &Dataset, watch: Watch<'_>) -> Result<Option<Finding>, Failure> {
    Ok(match probe {
        Probe::LearningRate => probe::find_rate(plan, dataset, RATE_STEPS, watch)?.map(Finding::LearningRate),
        Probe::LargestBatch { budget_bytes } => {
            probe::find_batch(plan, dataset, budget_bytes, watch)?.map(Finding::LargestBatch)
        }
        Probe::Throughput => probe::throughput(plan, dataset, watch)?.map(|measured| Finding::Throughput { measured }),
        Probe::Workers => {
            let counts = counts(plan.config.train.batch_size);
            let speeds = probe::workers(plan, dataset, &counts, WORKERS_PATIENCE, watch)?;
            let batch_size = plan.config.train.batch_size;
            speeds.map(|speeds| Finding::Workers { batch_size, speeds })
        }
        Probe::Profile { steps } => probe::profile(plan, dataset, steps, watch)?.map(Finding::Profile),
        // It is no matter of one plan.
        Probe::LearningCurve { .. } => None,
    })
}

/// One worker, and 2, 4 and so on up to one a core, so that each has two samples of a batch.
fn counts(batch_size: usize) -> Vec<usize> {
    let cores = available_parallelism().map_or(1, usize::from);
    let doubled = std::iter::successors(Some(1_usize), |count| Some(2 * count));
    doubled
        .take_while(|&count| count == 1 || (count <= cores.max(2) && 2 * count <= batch_size))
        .collect()
}

/// Says in the run's notes what its workers buy.
pub(super) fn note_speed_up(
    worker: &Worker<'_>,
    plan: &RunPlan,
    dataset: &Dataset,
    sink: &dyn EventSink,
) -> Result<(), Failure> {
    let workers = plan.config.train.workers;
    if workers < 2 {
        return Ok(());
    }
    let watch = Watch {
        control: worker.control,
        progress: &|_, _| {},
    };
    let speeds = probe::workers(plan, dataset, &[1, workers], NOTE_PATIENCE, watch)?;
    let Some([one, many]) = speeds.as_deref() else {
        return Ok(());
    };
    sink.emit(Event::Note {
        text: format!(
            "{workers} workers: {} samples/s, {:.2} times the {} of one",
            units::count(many.samples_per_second),
            many.speed_up,
            units::count(one.samples_per_second)
        ),
    })
}

/// Classical baselines are fitted without steps.
fn require_steps(config: &RunConfig) -> Result<(), JobError> {
    let architecture = config.model.architecture;
    if architecture.is_classical() {
        let what = format!("`{architecture}` is fitted without gradient steps");
        let issue = ConfigIssue::new("model.architecture", what, "choose a neural one, such as mlp");
        return Err(JobError::Config(vec![issue]));
    }
    Ok(())
}

fn as_failure(issue: ConfigIssue) -> Failure {
    Failure::new(issue.field, issue.problem, issue.remedy)
}

fn no_reason() -> Failure {
    Failure::new("configuration", "does not fit its data", "check it with `trimtab cost`")
}

/// Keeps nothing of a training.
struct Silent;

impl EventSink for Silent {
    fn emit(&self, _: Event) -> Result<(), Failure> {
        Ok(())
    }

    fn save(&self, _: ArtifactKind, _: &[u8]) -> Result<(), Failure> {
        Ok(())
    }
}
