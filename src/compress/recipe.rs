//! A recipe applied to a finished run: its steps in order, each with its fine-tuning.

use std::sync::Arc;

use crate::data::{DataError, Dataset};
use crate::deploy::Form;
use crate::nn::{self, Grids, Network};
use crate::spec::{
    ArtifactKind, Command, Event, EventSink, Failure, Lesson, Metrics, ModelSpec, Protect, Quantization, Recipe,
    RecipeStep, RunControl, RunPlan, Snapshot, Speed, Wanted, WeightGrid, Weights,
};
use crate::train::{Outcome, Pruner, Start, Teacher, TrainJob, evaluate, first_weights, train};

use super::{distil, quantize, weights};

/// A network as the recipe leaves it, ready for `deploy`.
#[derive(Debug, Clone, PartialEq)]
pub struct Compressed {
    /// The parent's plan with the network that is left.
    pub plan: RunPlan,
    pub weights: Weights,
    /// How it is to be exported.
    pub form: Form,
    /// Whether anything in the recipe buys speed.
    pub speed: Speed,
    /// Epochs of fine-tuning, over all steps.
    pub epochs: usize,
    /// Scores of the network in floating point; the exported file is scored by `deploy`.
    pub train: Metrics,
    pub validation: Metrics,
    pub test: Metrics,
}

/// How applying a recipe came to its end.
#[derive(Debug, Clone, PartialEq)]
pub enum Applied {
    Finished(Box<Compressed>),
    /// Asked to stop before this step of fine-tuning. Applying the recipe again does the same from its start.
    Stopped {
        step: usize,
    },
}

/// Applies `recipe` to the network of `plan` with `weights`. Calibration sees training samples only. Where the network `is_pruned`
/// already, its zeros are held.
///
/// Fine-tuning emits its events with steps and epochs counted over the whole recipe. Nothing is saved on the way: what is
/// to be kept is the result. Same arguments, same result.
pub fn apply(
    recipe: &Recipe,
    plan: &RunPlan,
    weights: &Weights,
    is_pruned: bool,
    dataset: &Dataset,
    control: &RunControl,
    sink: &dyn EventSink,
) -> Result<Applied, Failure> {
    let mut work = Work {
        parent: plan,
        plan: plan.clone(),
        weights: weights.clone(),
        mask: is_pruned.then(|| weights::mask_of_zeros(&plan.model, weights)),
        began: None,
        is_fresh: false,
        teacher: None,
        grids: None,
        form: Form::Fp32,
        epochs: 0,
        total_epochs: recipe.finetune_epochs(),
        dataset,
        control,
        sink,
    };
    for (done, step) in recipe.steps.iter().enumerate() {
        sink.emit(Event::Progress {
            what: step.to_string(),
            done,
            total: recipe.steps.len(),
        })?;
        if let Some(step) = work.apply(step)? {
            return Ok(Applied::Stopped { step });
        }
    }
    work.finish(speed(recipe))
        .map(|compressed| Applied::Finished(Box::new(compressed)))
}

/// Whether anything in the recipe buys speed. Zeroed weights buy none, half-precision ones none that can be promised; smaller networks and 8-bit kernels are
/// measured for what they are.
pub fn speed(recipe: &Recipe) -> Speed {
    let masks = |step: &RecipeStep| matches!(step, RecipeStep::Weights(_));
    let speeds = |step: &RecipeStep| {
        matches!(
            step,
            RecipeStep::Units(_)
                | RecipeStep::Blocks(_)
                | RecipeStep::LowRank(_)
                | RecipeStep::Int8Static(_)
                | RecipeStep::Int8Qat { .. }
                | RecipeStep::Int8Dynamic { .. }
                | RecipeStep::Distil(_)
        )
    };
    if recipe.steps.iter().any(masks) && !recipe.steps.iter().any(speeds) {
        Speed::Simulated
    } else {
        Speed::Measured
    }
}

/// Of the learning rate, what training on grids takes.
const GRID_RATE: f64 = 0.1;

/// The network between two steps.
pub(super) struct Work<'a> {
    pub(super) parent: &'a RunPlan,
    pub(super) plan: RunPlan,
    pub(super) weights: Weights,
    /// What stays zero from the first weight pruning on.
    pub(super) mask: Option<Weights>,
    /// With which weights the training of the network as it is began; none for those of the plan's seed.
    pub(super) began: Option<Weights>,
    /// The weights are those that a training begins with.
    is_fresh: bool,
    /// What every training learns from, from the first distillation on.
    teacher: Option<Arc<Teacher>>,
    /// What the next training computes on.
    grids: Option<Arc<Grids>>,
    form: Form,
    epochs: usize,
    total_epochs: usize,
    pub(super) dataset: &'a Dataset,
    pub(super) control: &'a RunControl,
    pub(super) sink: &'a dyn EventSink,
}

impl Work<'_> {
    /// The step before which the person asked to stop, if so.
    fn apply(&mut self, step: &RecipeStep) -> Result<Option<usize>, Failure> {
        match step {
            RecipeStep::Units(step) => self.units(step),
            RecipeStep::Weights(step) => self.weights(step),
            RecipeStep::Blocks(step) => self.blocks(step),
            RecipeStep::LowRank(step) => self.low_rank(step),
            RecipeStep::Finetune { epochs } => self.fine_tune(*epochs, None),
            RecipeStep::Fp16 => {
                self.form = Form::Fp16;
                Ok(None)
            }
            RecipeStep::Int8Dynamic { protect } => {
                let protect = Protect::Layers(protect.clone());
                let protected = quantize::protected(&self.plan.model, &protect)?.unwrap_or_default();
                self.form = Form::Int8Dynamic { protected };
                Ok(None)
            }
            RecipeStep::Int8Static(options) => self.put_on_grids(options, WeightGrid::Bytes, 0),
            RecipeStep::Int8Qat {
                epochs,
                from_scratch,
                options,
            } => {
                if *from_scratch {
                    self.begin_anew()?;
                }
                self.put_on_grids(options, WeightGrid::Bytes, *epochs)
            }
            RecipeStep::Int4 { epochs, options } => self.put_on_grids(options, WeightGrid::Nibbles, *epochs),
            RecipeStep::Distil(lesson) => self.distil(lesson),
        }
    }

    /// Calibrates, then trains for `epochs` epochs on the grids, whose ranges follow the activations for the first two thirds.
    fn put_on_grids(
        &mut self,
        options: &Quantization,
        dense: WeightGrid,
        epochs: usize,
    ) -> Result<Option<usize>, Failure> {
        let on_grids = quantize::quantize(&self.plan, &self.weights, self.dataset, options, dense, self.control)?;
        let plan = on_grids.plan()?;
        self.form = on_grids.form();
        self.replace(on_grids.model, on_grids.weights);
        if epochs == 0 {
            return Ok(None);
        }
        let still_from = epochs * self.plan.steps_per_epoch * 2 / 3;
        let grids = Arc::new(Grids::new(plan, on_grids.ranges, still_from));
        let config = self.plan.config.clone();
        let train = &mut self.plan.config.train;
        // What is left is fine work, on one set of ranges.
        if !self.is_fresh {
            train.learning_rate *= GRID_RATE;
        }
        train.workers = 1;
        train.average = None;
        train.recompute = false;
        self.grids = Some(Arc::clone(&grids));
        let stopped = self.fine_tune(epochs, None);
        self.grids = None;
        self.plan.config = config;
        let stopped = stopped?;
        self.form = match dense {
            WeightGrid::Nibbles => Form::Int4(grids.ranges()),
            WeightGrid::Bytes | WeightGrid::Float => Form::Int8(grids.ranges()),
        };
        Ok(stopped)
    }

    /// Goes back to fresh weights of the run's seed; zeros that were held are held in them too.
    fn begin_anew(&mut self) -> Result<(), Failure> {
        let fresh = first_weights(&self.plan)?;
        self.weights = match &self.mask {
            Some(mask) => weights::apply(&fresh, mask),
            None => fresh,
        };
        self.is_fresh = true;
        Ok(())
    }

    /// Trains a student in place of the network, which later steps go on to learn from.
    fn distil(&mut self, lesson: &Lesson) -> Result<Option<usize>, Failure> {
        let student = distil::student(&self.plan, self.dataset, lesson)?;
        let teacher = distil::teacher(&self.plan, &self.weights, lesson)?;
        let parent = std::mem::replace(&mut self.plan, student);
        self.mask = None;
        self.teacher = Some(teacher);
        let stopped = self.train(Start::Fresh, lesson.epochs, None)?;
        self.plan.config.train = parent.config.train;
        Ok(stopped)
    }

    /// Another network; zeros that were held are held in it too.
    pub(super) fn replace(&mut self, model: ModelSpec, weights: Weights) {
        if self.mask.is_some() {
            self.mask = Some(weights::mask_of_zeros(&model, &weights));
        }
        self.plan.model = model;
        self.began = Some(weights.clone());
        self.weights = weights;
    }

    /// Trains on for so many epochs, and prunes on the way where there is a pruner; the step before which the person asked to
    /// stop, if so.
    pub(super) fn fine_tune(&mut self, epochs: usize, pruner: Option<&dyn Pruner>) -> Result<Option<usize>, Failure> {
        let (weights, mask) = (self.weights.clone(), self.mask.clone());
        let start = Start::FineTune {
            weights: &weights,
            mask: mask.as_ref(),
            epochs,
        };
        self.train(start, epochs, pruner)
    }

    fn train(
        &mut self,
        start: Start<'_>,
        epochs: usize,
        pruner: Option<&dyn Pruner>,
    ) -> Result<Option<usize>, Failure> {
        if epochs == 0 {
            return Ok((self.control.requested() == Command::Stop).then_some(self.first_step()));
        }
        let sink = RecipeSink {
            inner: self.sink,
            first_step: self.first_step(),
            first_epoch: self.epochs,
            total_steps: self.total_epochs * self.plan.steps_per_epoch,
        };
        let job = TrainJob::new(&self.plan, self.dataset, start)
            .pruned_by(pruner)
            .on_grids(self.grids.as_ref())
            .taught_by(self.teacher.as_ref());
        match train(job, self.control, &sink)? {
            Outcome::Finished(trained) => {
                self.plan.model = trained.model;
                self.weights = trained.weights;
                self.epochs += epochs;
                Ok(None)
            }
            Outcome::Stopped { step } => Ok(Some(self.first_step() + step)),
        }
    }

    /// Of the next fine-tuning, counted over the recipe.
    pub(super) fn first_step(&self) -> usize {
        self.epochs * self.plan.steps_per_epoch
    }

    fn finish(self, speed: Speed) -> Result<Compressed, Failure> {
        let failed = |what: String| Failure::new("the compressed network", what, "train the parent run again");
        let device = nn::device(self.plan.config.run.device).map_err(|error| failed(error.to_string()))?;
        let network = Network::from_weights(&self.plan.model, &self.weights, &device)
            .map_err(|error| failed(error.to_string()))?;
        let batch = self.plan.config.train.batch_size;
        let score = |samples| {
            evaluate(&network, samples, &self.dataset.preprocessing.target, batch).map_err(DataError::into_failure)
        };
        Ok(Compressed {
            train: score(&self.dataset.train)?,
            validation: score(&self.dataset.validation)?,
            test: score(&self.dataset.test)?,
            plan: self.plan,
            weights: self.weights,
            form: self.form,
            speed,
            epochs: self.epochs,
        })
    }
}

/// Counts the steps and epochs of one fine-tuning over the whole recipe, and keeps no file.
struct RecipeSink<'a> {
    inner: &'a dyn EventSink,
    first_step: usize,
    first_epoch: usize,
    total_steps: usize,
}

impl EventSink for RecipeSink<'_> {
    fn emit(&self, mut event: Event) -> Result<(), Failure> {
        match &mut event {
            Event::Started {
                first_step,
                total_steps,
                ..
            } => {
                *first_step += self.first_step;
                *total_steps = self.total_steps;
            }
            Event::Steps { steps, .. } => {
                for record in steps {
                    record.step += self.first_step;
                }
            }
            Event::Epoch { epoch, step, .. } => {
                *epoch += self.first_epoch;
                *step += self.first_step;
            }
            Event::Paused { step } | Event::Resumed { step } => *step += self.first_step,
            Event::Progress { .. } | Event::Note { .. } | Event::Ended { .. } => {}
        }
        self.inner.emit(event)
    }

    fn save(&self, _: ArtifactKind, _: &[u8]) -> Result<(), Failure> {
        Ok(())
    }

    fn wants_snapshot(&self) -> Option<Wanted> {
        self.inner.wants_snapshot()
    }

    fn show(&self, mut snapshot: Snapshot) {
        snapshot.epoch += self.first_epoch;
        self.inner.show(snapshot);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::weights;
    use super::*;
    use crate::data;
    use crate::spec::{DataConfig, LayerSpec, RunConfig};

    #[derive(Default)]
    struct Recorder {
        events: Mutex<Vec<Event>>,
        saves: Mutex<usize>,
    }

    impl EventSink for Recorder {
        fn emit(&self, event: Event) -> Result<(), Failure> {
            self.events.lock().unwrap().push(event);
            Ok(())
        }

        fn save(&self, _: ArtifactKind, _: &[u8]) -> Result<(), Failure> {
            *self.saves.lock().unwrap() += 1;
            Ok(())
        }
    }

    /// Iris and a network after a few epochs.
    fn parent() -> (RunPlan, Weights, Dataset) {
        let mut config = RunConfig {
            data: DataConfig {
                source: "iris".to_owned(),
                ..DataConfig::default()
            },
            ..RunConfig::default()
        };
        config.train.epochs = 4;
        config.train.learning_rate = 0.01;
        let dataset = data::load(&config.data).unwrap();
        let plan = config.check(&dataset.summary).unwrap();
        let job = TrainJob::new(&plan, &dataset, Start::Fresh);
        let Outcome::Finished(trained) = train(job, &RunControl::default(), &Recorder::default()).unwrap() else {
            panic!("nobody asked to stop");
        };
        (plan, trained.weights, dataset)
    }

    fn run(recipe: &str, sink: &Recorder) -> Compressed {
        let (plan, weights, dataset) = parent();
        let recipe = recipe.parse().unwrap();
        match apply(&recipe, &plan, &weights, false, &dataset, &RunControl::default(), sink).unwrap() {
            Applied::Finished(compressed) => *compressed,
            Applied::Stopped { step } => panic!("stopped before step {step}"),
        }
    }

    fn zero_share(compressed: &Compressed) -> f64 {
        let mask = weights::mask_of_zeros(&compressed.plan.model, &compressed.weights);
        let values: Vec<f32> = mask.tensors.into_iter().flat_map(|tensor| tensor.data).collect();
        values.iter().filter(|&&value| value == 0.0).count() as f64 / values.len() as f64
    }

    #[test]
    fn a_chain_counts_its_steps_and_epochs_in_one_row() {
        let sink = Recorder::default();
        let compressed = run("units:0.5:finetune=2+weights:0.5:finetune=1+int8-static", &sink);
        let half = compressed.plan.config.model.hidden[0] / 2;
        assert_eq!(compressed.plan.model.layers[0], LayerSpec::Dense { units: half });
        assert!(matches!(&compressed.form, Form::Int8(ranges) if ranges.layers.len() == 3));
        assert_eq!(compressed.epochs, 3);
        assert_eq!(*sink.saves.lock().unwrap(), 0);
        let events = sink.events.into_inner().unwrap();
        let steps: Vec<usize> = events
            .iter()
            .filter_map(|event| match event {
                Event::Steps { steps, .. } => Some(steps.iter().map(|record| record.step)),
                _ => None,
            })
            .flatten()
            .collect();
        assert_eq!(steps, (0..3 * compressed.plan.steps_per_epoch).collect::<Vec<_>>());
        let epochs: Vec<usize> = events
            .iter()
            .filter_map(|event| match event {
                Event::Epoch { epoch, .. } => Some(*epoch),
                _ => None,
            })
            .collect();
        assert_eq!(epochs, [1, 2, 3]);
    }

    #[test]
    fn zeros_hold_through_later_steps() {
        let compressed = run("weights:0.8:finetune=1+units:0.25:finetune=1", &Recorder::default());
        assert!(zero_share(&compressed) > 0.6, "{}", zero_share(&compressed));
        assert_eq!(compressed.speed, Speed::Measured);
        let masked = run("weights:0.8:finetune=1", &Recorder::default());
        assert!((zero_share(&masked) - 0.8).abs() < 0.01, "{}", zero_share(&masked));
        assert_eq!(masked.speed, Speed::Simulated);
    }

    #[test]
    fn a_pruned_network_trained_on_keeps_its_zeros() {
        let first = run("weights:0.8", &Recorder::default());
        let (_, _, dataset) = parent();
        let go_on = |is_pruned| {
            let recipe = "finetune:2".parse().unwrap();
            let (plan, weights) = (&first.plan, &first.weights);
            let control = RunControl::default();
            match apply(
                &recipe,
                plan,
                weights,
                is_pruned,
                &dataset,
                &control,
                &Recorder::default(),
            )
            .unwrap()
            {
                Applied::Finished(compressed) => *compressed,
                Applied::Stopped { step } => panic!("stopped before step {step}"),
            }
        };
        let held = go_on(true);
        assert_eq!(zero_share(&held), zero_share(&first));
        assert_ne!(held.weights, first.weights);
        assert_eq!(held.epochs, 2);
        assert!(zero_share(&go_on(false)) < 0.2);
    }

    #[test]
    fn the_same_recipe_gives_the_same_network() {
        let recipe = "units:0.5:finetune=1+int8-static:calibration=16";
        assert_eq!(run(recipe, &Recorder::default()), run(recipe, &Recorder::default()));
    }

    #[test]
    fn training_on_grids_moves_weights_and_ranges() {
        let of = |recipe| run(recipe, &Recorder::default());
        let (plain, trained) = (of("int8-static"), of("int8-qat:epochs=2"));
        assert_eq!(trained.epochs, 2);
        let (Form::Int8(before), Form::Int8(after)) = (&plain.form, &trained.form) else {
            panic!("{:?} {:?}", plain.form, trained.form);
        };
        assert!(plain.weights != trained.weights && before != after);
        // The rate of the parent comes back for the steps that may follow.
        assert_eq!(plain.plan.config, trained.plan.config);
        // From fresh weights the loss begins where that of a training begins, and the network learns all the same.
        let sink = Recorder::default();
        let scratch = run("int8-qat:epochs=8:from-scratch", &sink);
        let events = sink.events.into_inner().unwrap();
        let first = events.iter().find_map(|event| match event {
            Event::Steps { steps, .. } => steps.first().map(|step| step.loss),
            _ => None,
        });
        assert!(first.unwrap() > 0.7, "{first:?}");
        assert!(scratch.test.accuracy.unwrap() > 0.8, "{:?}", scratch.test);
        let nibbles = of("int4:epochs=1");
        assert!(matches!(nibbles.form, Form::Int4(_)) && nibbles.epochs == 1);
        assert_eq!(of("int8-qat:epochs=2"), trained);
    }

    #[test]
    fn the_student_is_smaller_and_goes_on_learning_from_its_teacher() {
        let sink = Recorder::default();
        let student = run("distil:preset=tiny:epochs=3+int8-qat:epochs=1", &sink);
        assert_eq!(student.plan.model.layers[0], LayerSpec::Dense { units: 16 });
        assert_eq!(student.plan.config.model.hidden, [16]);
        assert_eq!((student.epochs, student.plan.config.train.epochs), (4, 4));
        assert!(student.test.accuracy.unwrap() > 0.5, "{:?}", student.test);
        let alone = run("distil:preset=tiny:epochs=3:weight=0", &Recorder::default());
        let taught = run("distil:preset=tiny:epochs=3", &Recorder::default());
        assert_ne!(alone.weights, taught.weights);
        let (plan, weights, dataset) = parent();
        let recipe = "distil:preset=medium".parse().unwrap();
        let control = RunControl::default();
        let failure = apply(
            &recipe,
            &plan,
            &weights,
            false,
            &dataset,
            &control,
            &Recorder::default(),
        )
        .unwrap_err();
        assert!(failure.to_string().contains("smaller preset"), "{failure}");
    }

    #[test]
    fn layers_are_protected_by_hand_and_by_themselves() {
        let protected = |recipe: &str| match run(recipe, &Recorder::default()).form {
            Form::Int8(ranges) | Form::Int4(ranges) => ranges.protected,
            Form::Int8Dynamic { protected } => protected,
            other => panic!("{other:?}"),
        };
        assert_eq!(protected("int8-static:protect=2"), [2]);
        assert_eq!(protected("int8-dynamic:protect=0,2"), [0, 2]);
        // Anything may be lost, so nothing is protected.
        assert!(protected("int4:tolerate=100").is_empty());
    }

    #[test]
    fn a_stop_is_obeyed() {
        let (plan, weights, dataset) = parent();
        let control = RunControl::default();
        control.request(Command::Stop);
        for recipe in ["units:0.5:finetune=2", "units:0.5"] {
            let applied = apply(
                &recipe.parse().unwrap(),
                &plan,
                &weights,
                false,
                &dataset,
                &control,
                &Recorder::default(),
            );
            assert_eq!(applied.unwrap(), Applied::Stopped { step: 0 });
        }
    }

    #[test]
    fn zeros_alone_are_simulated() {
        for (recipe, expected) in [
            ("weights:0.8", Speed::Simulated),
            ("weights:0.8:finetune=3+fp16", Speed::Simulated),
            ("weights:0.8+int8-static", Speed::Measured),
            ("units:0.5+weights:0.5", Speed::Measured),
            ("fp16", Speed::Measured),
        ] {
            assert_eq!(speed(&recipe.parse().unwrap()), expected, "{recipe}");
        }
    }

    #[test]
    fn rewound_weights_are_those_of_the_parents_first_epochs() {
        let (plan, weights, dataset) = parent();
        let sink = Recorder::default();
        let recipe = |rewind: usize| Recipe {
            steps: vec![RecipeStep::Weights(crate::spec::PruneWeights {
                rewind: Some(rewind),
                ..crate::spec::PruneWeights::of(0.5, 0)
            })],
        };
        let control = RunControl::default();
        let rewound = |plan: &RunPlan, epochs: usize| {
            let applied = apply(&recipe(epochs), plan, &weights, false, &dataset, &control, &sink).unwrap();
            let Applied::Finished(compressed) = applied else {
                panic!("nobody asked to stop");
            };
            compressed.weights
        };
        let mask = weights::mask_of_zeros(&plan.model, &rewound(&plan, 0));
        let first = crate::train::first_weights(&plan).unwrap();
        assert_eq!(rewound(&plan, 0), weights::apply(&first, &mask));
        assert_eq!(rewound(&plan, 4), weights::apply(&weights, &mask));
        assert_ne!(rewound(&plan, 1), rewound(&plan, 2));
    }
}
