//! Pruning while a network is trained, along the curve that a step names.

use super::{units, weights};
use crate::cost;
use crate::data::Dataset;
use crate::spec::{EventSink, Failure, ModelSpec, Pruning, RunControl, RunPlan, WeightCriterion, Weights, When};
use crate::train::{Evidence, Outcome, Pruned, Pruner, Start, TrainJob, first_weights, train};

/// Training samples that those criteria see which look at samples.
pub const SAMPLES: usize = 1024;

/// Prunes the network of a plan along the cubic curve of `pruning`.
#[derive(Debug)]
pub struct Curve<'a> {
    pruning: Pruning,
    plan: &'a RunPlan,
    dataset: &'a Dataset,
    /// The weights with which the training begins; none for those of the plan's seed.
    began: Option<Weights>,
}

/// Trains from `start` as the plan says, with the pruning on the way that its configuration asks for.
pub fn train_and_prune(
    plan: &RunPlan,
    dataset: &Dataset,
    start: Start<'_>,
    control: &RunControl,
    sink: &dyn EventSink,
) -> Result<Outcome, Failure> {
    let curve = in_training(plan, dataset);
    let pruner = curve.as_ref().map(|curve| curve as &dyn Pruner);
    train(TrainJob::new(plan, dataset, start).pruned_by(pruner), control, sink)
}

/// What prunes the network of `plan` while it is trained; nothing where its configuration asks for none.
fn in_training<'a>(plan: &'a RunPlan, dataset: &'a Dataset) -> Option<Curve<'a>> {
    let pruning = plan.config.train.prune.as_ref()?.curved();
    Some(Curve::new(pruning, plan, dataset, None))
}

impl<'a> Curve<'a> {
    /// For the network of `plan`, of which `pruning` says what is to be left in the end; its training begins with the weights
    /// `began`, or with those of the plan's seed.
    pub fn new(pruning: Pruning, plan: &'a RunPlan, dataset: &'a Dataset, began: Option<Weights>) -> Self {
        Self {
            pruning,
            plan,
            dataset,
            began,
        }
    }

    /// The steps before which it prunes, and the share of the target that is reached by each.
    fn moments(&self, total: usize) -> Vec<(usize, f64)> {
        let when = self.pruning.when();
        let When::Cubic { begin, end, steps } = when else {
            return vec![(0, 1.0)];
        };
        let at = |part: usize| begin + (end - begin) * part as f64 / steps as f64;
        let moments = (1..=steps).map(|part| {
            let step = (at(part) * total as f64) as usize;
            (step.min(total.saturating_sub(1)), when.reached(at(part)))
        });
        let mut moments: Vec<(usize, f64)> = moments.collect();
        // Of several that fall on one step, the last.
        moments.reverse();
        moments.dedup_by_key(|(step, _)| *step);
        moments.reverse();
        moments
    }
}

impl Pruner for Curve<'_> {
    fn is_due(&self, step: usize, total: usize) -> bool {
        self.moments(total).iter().any(|(due, _)| *due == step)
    }

    fn last(&self, total: usize) -> usize {
        self.moments(total).last().map_or(0, |(step, _)| *step)
    }

    fn prune(
        &self,
        step: usize,
        total: usize,
        model: &ModelSpec,
        weights: &Weights,
    ) -> Result<Option<Pruned>, Failure> {
        let moments = self.moments(total);
        let Some((_, reached)) = moments.iter().find(|(due, _)| *due == step) else {
            return Ok(None);
        };
        let evidence = Evidence {
            plan: self.plan,
            dataset: self.dataset,
            rows: SAMPLES,
            seed: self.plan.config.run.seed,
        };
        match &self.pruning {
            // Before the first step nothing has moved yet.
            Pruning::Weights(pruning)
                if pruning.criterion == WeightCriterion::Movement && step == 0 && moments.len() > 1 =>
            {
                Ok(None)
            }
            Pruning::Weights(step) => {
                let step = step.at(*reached);
                let first = match &self.began {
                    None if step.criterion == WeightCriterion::Movement => Some(first_weights(self.plan)?),
                    _ => None,
                };
                // Only movement looks at where the weights began.
                let began = self.began.as_ref().or(first.as_ref()).unwrap_or(weights);
                let mask = weights::mask(model, weights, &step, &evidence, began)?;
                Ok(Some(Pruned::Masked(mask)))
            }
            Pruning::Units(step) => {
                let refused = |error: cost::UnitError| Failure::new("units", error.to_string(), "ask for less");
                let whole = cost::plan_units(&self.plan.model, step).map_err(refused)?;
                let part = cost::plan_units(&self.plan.model, &step.at(*reached)).map_err(refused)?;
                let Some(widths) = part.on_the_way(model, &whole) else {
                    return Ok(None);
                };
                Ok(Some(Pruned::Smaller(units::cut(
                    model, weights, &widths, step, &evidence,
                )?)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::data;
    use crate::spec::{ArtifactKind, Command, DataConfig, Event, LayerSpec, OptimizerKind, RunConfig};
    use crate::train::Trained;

    /// Keeps the last checkpoint and the notes, and stops before a step.
    #[derive(Default)]
    struct Recorder {
        checkpoint: Mutex<Vec<u8>>,
        notes: Mutex<Vec<String>>,
        steps: Mutex<Vec<f32>>,
        stop: Option<(usize, RunControl)>,
    }

    impl EventSink for Recorder {
        fn emit(&self, event: Event) -> Result<(), Failure> {
            match event {
                Event::Note { text } => self.notes.lock().unwrap().push(text),
                Event::Steps { steps, .. } => self.steps.lock().unwrap().extend(steps.iter().map(|step| step.loss)),
                Event::Epoch { epoch, .. } => {
                    if let Some((at, control)) = &self.stop
                        && epoch >= *at
                    {
                        control.request(Command::Stop);
                    }
                }
                _ => {}
            }
            Ok(())
        }

        fn save(&self, kind: ArtifactKind, bytes: &[u8]) -> Result<(), Failure> {
            if kind == ArtifactKind::Checkpoint {
                *self.checkpoint.lock().unwrap() = bytes.to_vec();
            }
            Ok(())
        }
    }

    fn config(prune: &str) -> RunConfig {
        let mut config = RunConfig {
            data: DataConfig {
                source: "iris".to_owned(),
                ..DataConfig::default()
            },
            ..RunConfig::default()
        };
        config.train.epochs = 10;
        config.train.batch_size = 10;
        config.train.learning_rate = 0.01;
        config.train.prune = Some(prune.parse().unwrap());
        config
    }

    fn run(config: &RunConfig, start: Option<&[u8]>, recorder: &Recorder) -> (RunPlan, Outcome) {
        let dataset = data::load(&config.data).unwrap();
        let plan = config.check(&dataset.summary).unwrap();
        let curve = in_training(&plan, &dataset).unwrap();
        let start = start.map_or(Start::Fresh, Start::Resume);
        let job = TrainJob::new(&plan, &dataset, start).pruned_by(Some(&curve));
        let idle = RunControl::default();
        let control = recorder.stop.as_ref().map_or(&idle, |(_, control)| control);
        let outcome = train(job, control, recorder).unwrap();
        (plan, outcome)
    }

    fn finished(config: &RunConfig, recorder: &Recorder) -> (RunPlan, Trained) {
        match run(config, None, recorder) {
            (plan, Outcome::Finished(trained)) => (plan, trained),
            (_, Outcome::Stopped { step }) => panic!("stopped before step {step}"),
        }
    }

    fn zero_share(trained: &Trained) -> f64 {
        let mask = weights::mask_of_zeros(&trained.model, &trained.weights);
        let values: Vec<f32> = mask.tensors.into_iter().flat_map(|tensor| tensor.data).collect();
        values.iter().filter(|&&value| value == 0.0).count() as f64 / values.len() as f64
    }

    #[test]
    fn no_optimizer_undoes_a_mask_that_grows() {
        for optimizer in OptimizerKind::ALL {
            let mut config = config("weights:0.8:begin=0.2:end=0.7");
            config.train.optimizer = optimizer;
            config.train.learning_rate = 0.003;
            config.train.weight_decay = 0.01;
            let (_, trained) = finished(&config, &Recorder::default());
            assert!(
                (zero_share(&trained) - 0.8).abs() < 0.01,
                "{optimizer:?}: {}",
                zero_share(&trained)
            );
            let negative = |value: &f32| *value == 0.0 && value.is_sign_negative();
            let tensors = &trained.weights.tensors;
            let weights = tensors.iter().filter(|tensor| tensor.name.ends_with("weight"));
            assert!(!weights.flat_map(|tensor| &tensor.data).any(negative));
        }
    }

    #[test]
    fn averages_workers_and_early_stopping_end_with_the_whole_mask() {
        let mut config = config("weights:0.7:criterion=taylor");
        config.train.average = Some(0.9);
        config.train.workers = 2;
        config.train.early_stopping = Some(crate::spec::EarlyStopping {
            patience: 1,
            ..Default::default()
        });
        let (_, trained) = finished(&config, &Recorder::default());
        assert!((zero_share(&trained) - 0.7).abs() < 0.01, "{}", zero_share(&trained));
        config.train.prune = Some("units:0.5:criterion=activation".parse().unwrap());
        let (plan, trained) = finished(&config, &Recorder::default());
        let units = "units:0.5".parse().unwrap();
        assert_eq!(
            cost::parameters(&trained.model),
            cost::expected(&plan.model, &units).parameters
        );
        config.train.time_limit = Some(1e-9);
        let (plan, trained) = finished(&config, &Recorder::default());
        assert_eq!(trained.epochs, 1);
        assert_eq!(
            cost::parameters(&trained.model),
            cost::expected(&plan.model, &units).parameters
        );
    }

    #[test]
    fn units_go_for_good_and_the_steps_are_told_apart() {
        let recorder = Recorder::default();
        let (plan, trained) = finished(&config("units:0.75:begin=0.1:end=0.5:steps=4"), &recorder);
        let before = plan.config.model.hidden[0];
        assert_eq!(trained.model.layers[0], LayerSpec::Dense { units: before / 4 });
        assert!(trained.test.accuracy.unwrap() > 0.8, "{:?}", trained.test);
        let notes = recorder.notes.into_inner().unwrap();
        let removals = notes
            .iter()
            .filter(|note| note.contains("units were removed, "))
            .count();
        assert_eq!(removals, 4, "{notes:?}");
        assert!(
            notes.last().unwrap().contains("ms before units were removed"),
            "{notes:?}"
        );
    }

    #[test]
    fn a_run_that_is_pruned_resumes_to_the_same_end() {
        for prune in [
            "weights:0.8:begin=0.1:end=0.9:criterion=movement",
            "units:0.5:begin=0.1:end=0.9:criterion=taylor",
        ] {
            let mut config = config(prune);
            config.train.average = Some(0.9);
            config.train.optimizer = OptimizerKind::AdamW;
            let whole = Recorder::default();
            let (_, expected) = finished(&config, &whole);
            let half = Recorder {
                stop: Some((5, RunControl::default())),
                ..Recorder::default()
            };
            let (_, Outcome::Stopped { step }) = run(&config, None, &half) else {
                panic!("{prune}: was to stop");
            };
            let bytes = half.checkpoint.into_inner().unwrap();
            let rest = Recorder::default();
            let (_, Outcome::Finished(resumed)) = run(&config, Some(&bytes), &rest) else {
                panic!("{prune}: was to finish");
            };
            assert_eq!(resumed, expected, "{prune}");
            let losses = whole.steps.into_inner().unwrap();
            assert_eq!(rest.steps.into_inner().unwrap(), losses[step..], "{prune}");
        }
    }

    #[test]
    fn the_curve_is_that_of_zhu_and_gupta() {
        let config = config("weights:0.9:begin=0.2:end=0.8:steps=6");
        let dataset = data::load(&config.data).unwrap();
        let plan = config.check(&dataset.summary).unwrap();
        let curve = in_training(&plan, &dataset).unwrap();
        let moments = curve.moments(100);
        assert_eq!(
            moments.iter().map(|(step, _)| *step).collect::<Vec<_>>(),
            [30, 40, 50, 60, 70, 80]
        );
        for (step, reached) in moments {
            let t = (step as f64 - 20.0) / 60.0;
            assert!((reached - (1.0 - (1.0 - t).powi(3))).abs() < 1e-9, "{step}");
        }
        assert_eq!(curve.moments(1), [(0, 1.0)]);
    }

    #[test]
    fn what_has_no_place_in_training_is_refused() {
        for (text, word) in [
            ("weights:0.5:finetune=2", "fine-tune"),
            ("units:0.5:schedule=iterative", "finished run"),
        ] {
            let config = config(text);
            let dataset = data::load(&config.data).unwrap();
            let issues = config.check(&dataset.summary).unwrap_err();
            assert!(
                issues[0].field == "train.prune" && issues[0].problem.contains(word),
                "{issues:?}"
            );
        }
        assert!(
            "fp16"
                .parse::<Pruning>()
                .unwrap_err()
                .to_string()
                .contains("in training")
        );
    }
}
