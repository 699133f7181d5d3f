//! A recipe applied to a finished run: its steps in order, each with its fine-tuning.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use crate::data::{DataError, Dataset};
use crate::deploy::Form;
use crate::nn::{self, Grids, Network};
use crate::spec::{
    ArtifactKind, Command, Event, EventSink, Failure, Lesson, Metrics, ModelSpec, Protect, Quantization, Recipe,
    RecipeStep, RunControl, RunPlan, Snapshot, Speed, Wanted, WeightGrid, Weights,
};
use crate::train::{Outcome, Pruner, Start, Teacher, TrainJob, evaluate, first_weights, train};

use super::{Kept, distil, quantize, weights};

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
    /// Asked to stop before this step of fine-tuning. Applying the recipe again with what was kept goes on there.
    Stopped {
        step: usize,
    },
}

/// What a recipe is applied to.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    pub plan: &'a RunPlan,
    pub weights: &'a Weights,
    /// Zeros of the weights are held.
    pub is_pruned: bool,
    /// The weights are what the plan's training makes from its seed, with nothing removed or zeroed on the way: those of a run
    /// that was compressed, or pruned while it trained, are not.
    pub is_repeatable: bool,
    pub dataset: &'a Dataset,
}

/// Applies `recipe` to a network. Calibration sees training samples only.
///
/// Fine-tuning emits its events with steps and epochs counted over the whole recipe, and keeps a
/// [`Checkpoint`](ArtifactKind::Checkpoint) of all trainings together: given back as `kept`, these go on where they stood, but for one
/// on grids, which begins anew. Same arguments, same result, but for steps whose target is a latency or a speed: these decide by
/// a clock.
pub fn apply(
    recipe: &Recipe,
    origin: Origin<'_>,
    kept: Kept,
    control: &RunControl,
    sink: &dyn EventSink,
) -> Result<Applied, Failure> {
    let Origin {
        plan,
        weights,
        is_pruned,
        is_repeatable,
        dataset,
    } = origin;
    let mut work = Work {
        kept: RefCell::new(kept),
        parent: plan,
        is_repeatable,
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
    kept: RefCell<Kept>,
    pub(super) parent: &'a RunPlan,
    /// The parent's training can be repeated.
    pub(super) is_repeatable: bool,
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
        quantize::require_layers(&self.plan.model, step.protected())?;
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
        if on_grids.is_empty() {
            let text = "Every layer stays in floating point: no fewer would keep the score; tolerate more points, or train on \
                        the grids with int8-qat";
            self.sink.emit(Event::Note { text: text.to_owned() })?;
        }
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
        // The ranges of grids follow the values of training, and are not kept.
        let can_resume = self.grids.is_none();
        let checkpoint = if can_resume {
            self.kept.borrow_mut().of(self.epochs, &self.plan.model)
        } else {
            None
        };
        let start = checkpoint.as_deref().map_or(start, Start::Resume);
        let sink = RecipeSink {
            inner: self.sink,
            first_step: self.first_step(),
            first_epoch: self.epochs,
            total_steps: self.total_epochs * self.plan.steps_per_epoch,
            model: &self.plan.model,
            kept: can_resume.then_some(&self.kept),
            done: Cell::new(self.first_step()),
            is_told: checkpoint.is_some() && self.kept.borrow().goes_beyond(self.epochs),
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

/// Counts the steps and epochs of one training over the whole recipe, and keeps its checkpoint beside those of the others.
struct RecipeSink<'a> {
    inner: &'a dyn EventSink,
    first_step: usize,
    first_epoch: usize,
    total_steps: usize,
    /// With which the training begins.
    model: &'a ModelSpec,
    /// None where it can't be taken up again.
    kept: Option<&'a RefCell<Kept>>,
    /// Steps of the recipe that are done.
    done: Cell<usize>,
    /// All of it was told in an earlier sitting.
    is_told: bool,
}

impl EventSink for RecipeSink<'_> {
    fn emit(&self, mut event: Event) -> Result<(), Failure> {
        if self.is_told {
            return Ok(());
        }
        match &mut event {
            Event::Started {
                first_step,
                total_steps,
                ..
            } => {
                *first_step += self.first_step;
                *total_steps = self.total_steps;
                self.done.set(*first_step);
            }
            Event::Steps { steps, .. } => {
                for record in steps {
                    record.step += self.first_step;
                    self.done.set(record.step + 1);
                }
            }
            Event::Epoch { epoch, step, .. } => {
                *epoch += self.first_epoch;
                *step += self.first_step;
            }
            Event::Paused { step } | Event::Resumed { step } => *step += self.first_step,
            Event::Memory { .. } | Event::Progress { .. } | Event::Note { .. } | Event::Ended { .. } => {}
        }
        self.inner.emit(event)
    }

    fn save(&self, kind: ArtifactKind, bytes: &[u8]) -> Result<(), Failure> {
        let Some(kept) = self.kept.filter(|_| kind == ArtifactKind::Checkpoint && !self.is_told) else {
            return Ok(());
        };
        let mut kept = kept.borrow_mut();
        kept.take(self.first_epoch, self.done.get(), self.model, bytes);
        self.inner.save(kind, &kept.to_bytes())
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
mod tests;
