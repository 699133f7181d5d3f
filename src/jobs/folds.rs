//! Cross-validation: one run that trains once for each fold.

use super::admission::admit;
use super::relay::Relay;
use super::training::require_same_data;
use super::worker::{Worker, sit};
use super::{JobError, StoreSink, classical};
use crate::compress;
use crate::data;
use crate::spec::{Ended, Event, EventSink, Failure, FoldScores, Metrics, RunConfig, RunId, RunPlan};
use crate::store::NewRun;
use crate::train::{Outcome, Start, Trained};

impl Worker<'_> {
    pub fn folds(&self, config: &RunConfig, folds: usize) -> Result<Vec<RunId>, JobError> {
        let first = data::load_fold(&config.data, 0, folds)?;
        let plan = admit(config, &first.summary).map_err(JobError::Config)?;
        drop(first);
        let sink = self.create(&NewRun {
            name: &config.run_name(&plan.dataset.name),
            plan: &plan,
            origin: None,
            folds: Some(folds),
        })?;
        sit(&sink, || self.all_folds(&plan, folds, &sink))?;
        Ok(vec![sink.run()])
    }

    /// All folds from the first, the steps and epochs of each numbered on from those of the fold before it. The run's metrics
    /// are means over the folds, its best epoch that of the fold with the lowest validation loss.
    pub fn all_folds(&self, plan: &RunPlan, folds: usize, sink: &StoreSink<'_>) -> Result<Ended, Failure> {
        let config = &plan.config;
        let is_classical = config.model.architecture.is_classical();
        let steps = if is_classical { 1 } else { plan.total_steps() };
        let relay = Relay::new(sink, folds * steps);
        let mut scores: Vec<Scored> = Vec::with_capacity(folds);
        let mut best = (f64::INFINITY, 0);
        for fold in 0..folds {
            let failed = |error: data::DataError| Failure::new("data", error.to_string(), "see `trimtab datasets`");
            let dataset = data::load_fold(&config.data, fold, folds).map_err(failed)?;
            if fold == 0 {
                require_same_data(sink.run(), plan, &dataset)?;
            }
            let plan = config.check(&dataset.summary).map_err(|issues| {
                let what: Vec<String> = issues.iter().map(ToString::to_string).collect();
                Failure::new(format!("fold {}", fold + 1), what.join(", "), "use fewer folds")
            })?;
            let epochs_before = relay.epochs();
            let trained = if is_classical {
                self.fit(&plan, &dataset, &relay)?.map(Scored::from)
            } else {
                match compress::train_and_prune(&plan, &dataset, Start::Fresh, self.control, &relay)? {
                    Outcome::Stopped { .. } => None,
                    Outcome::Finished(trained) => Some(Scored::from(trained)),
                }
            };
            let Some(trained) = trained else {
                return Ok(Ended::Stopped { step: relay.steps() });
            };
            if trained.validation.loss < best.0 {
                best = (trained.validation.loss, epochs_before + trained.best_epoch);
            }
            sink.emit(Event::Note {
                text: format!("fold {} of {folds}: {}", fold + 1, words(&trained.test)),
            })?;
            scores.push(trained);
        }
        let tests: Vec<Metrics> = scores.iter().map(|fold| fold.test).collect();
        let mean = |part: fn(&Scored) -> Metrics| mean(&scores.iter().map(part).collect::<Vec<_>>());
        sink.describe(|run| {
            run.folds = Some(FoldScores {
                mean: self::mean(&tests),
                sd: deviation(&tests),
            });
        })?;
        Ok(Ended::Finished {
            best_epoch: best.1,
            epochs: relay.epochs(),
            train: mean(|fold| fold.train),
            validation: mean(|fold| fold.validation),
            test: mean(|fold| fold.test),
        })
    }
}

/// What a fold came to, whatever was trained.
struct Scored {
    best_epoch: usize,
    train: Metrics,
    validation: Metrics,
    test: Metrics,
}

impl From<Trained> for Scored {
    fn from(trained: Trained) -> Self {
        Self {
            best_epoch: trained.best_epoch,
            train: trained.train,
            validation: trained.validation,
            test: trained.test,
        }
    }
}

impl From<classical::Scores> for Scored {
    fn from(scores: classical::Scores) -> Self {
        Self {
            best_epoch: 1,
            train: scores.train,
            validation: scores.validation,
            test: scores.test,
        }
    }
}

/// Mean of each metric.
fn mean(scores: &[Metrics]) -> Metrics {
    of_each(scores, |values| values.iter().sum::<f64>() / values.len() as f64)
}

/// Sample standard deviation of each metric.
fn deviation(scores: &[Metrics]) -> Metrics {
    of_each(scores, |values| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (squares / (values.len() as f64 - 1.0).max(1.0)).sqrt()
    })
}

/// `figure` of each metric that all scores have.
fn of_each(scores: &[Metrics], figure: impl Fn(&[f64]) -> f64) -> Metrics {
    let optional = |metric: fn(&Metrics) -> Option<f64>| {
        let values: Option<Vec<f64>> = scores.iter().map(metric).collect();
        values.filter(|values| !values.is_empty()).map(|values| figure(&values))
    };
    Metrics {
        loss: optional(|score| Some(score.loss)).unwrap_or(f64::NAN),
        accuracy: optional(|score| score.accuracy),
        f1: optional(|score| score.f1),
        r2: optional(|score| score.r2),
        rmse: optional(|score| score.rmse),
    }
}

fn words(metrics: &Metrics) -> String {
    match (metrics.accuracy, metrics.r2) {
        (Some(accuracy), _) => format!("test accuracy {accuracy:.4}"),
        (None, Some(r2)) => format!("test R2 {r2:.4}"),
        (None, None) => format!("test loss {:.4}", metrics.loss),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_are_summed_up_by_mean_and_sample_deviation() {
        let score = |loss, accuracy| Metrics {
            loss,
            accuracy: Some(accuracy),
            ..Metrics::default()
        };
        let scores = [score(1.0, 0.5), score(2.0, 0.5), score(3.0, 0.8)];
        assert_eq!(mean(&scores), score(2.0, 0.6));
        let deviation = deviation(&scores);
        assert_eq!((deviation.loss, deviation.r2), (1.0, None));
        assert!((deviation.accuracy.unwrap() - 0.03_f64.sqrt()).abs() < 1e-12);
    }
}
