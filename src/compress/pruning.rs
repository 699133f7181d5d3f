//! The pruning steps of a recipe: at once, in parts with fine-tuning between, or while fine-tuning goes on.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::during::{Curve, SAMPLES};
use super::recipe::Work;
use super::{units, weights};
use crate::cost;
use crate::deploy::check_weights;
use crate::spec::{
    ArtifactKind, Command, Cut, Event, EventSink, Failure, ModelSpec, PruneBlocks, PruneUnits, PruneWeights, Pruning,
    RunControl, UnitKind, Weights, When,
};
use crate::train::{Evidence, Outcome, Pruned, Pruner, Start, TrainJob, first_weights, train};

/// Time between two looks at the control during a pause.
const NAP: Duration = Duration::from_millis(20);

impl Work<'_> {
    /// Removes units; the step before which the person asked to stop, if so.
    pub fn units(&mut self, step: &PruneUnits) -> Result<Option<usize>, Failure> {
        let (step, found) = units::settled(step, &self.plan, &self.weights)?;
        if let Some(text) = found {
            self.sink.emit(Event::Note { text })?;
        }
        let step = &step;
        if step.multiple > 1 && self.widest().is_some_and(|widest| widest <= step.multiple) {
            let text = format!("multiple={} has no effect: no layer is wider", step.multiple);
            self.sink.emit(Event::Note { text })?;
        }
        match step.when {
            When::Once => {
                let cut = units::prune(&self.plan.model, &self.weights, step, &self.evidence())?;
                self.shrink(&cut)?;
                self.fine_tune(step.finetune, None)
            }
            When::Iterative { steps } => {
                let original = self.plan.model.clone();
                let refused = |error: cost::UnitError| Failure::new("units", error.to_string(), "ask for less");
                let whole = cost::plan_units(&original, step).map_err(refused)?;
                for part in 1..=steps {
                    let share = step.when.reached(part as f64 / steps as f64);
                    let plan = cost::plan_units(&original, &step.at(share)).map_err(refused)?;
                    if let Some(widths) = plan.on_the_way(&self.plan.model, &whole) {
                        let cut = units::cut(&self.plan.model, &self.weights, &widths, step, &self.evidence())?;
                        self.shrink(&cut)?;
                    }
                    if let Some(step) = self.fine_tune(step.finetune, None)? {
                        return Ok(Some(step));
                    }
                }
                Ok(None)
            }
            When::Cubic { .. } => self.along(Pruning::Units(step.clone()), step.finetune),
        }
    }

    /// Units of the widest layer whose width may be any.
    fn widest(&self) -> Option<usize> {
        let coupling = self.plan.model.coupling().ok()?;
        let free = coupling.groups.iter().filter(|group| group.fixed.is_none());
        free.filter(|group| group.kind != UnitKind::Heads)
            .map(|group| group.units)
            .max()
    }

    /// Zeroes weights, and holds the zeros from now on.
    pub fn weights(&mut self, step: &PruneWeights) -> Result<Option<usize>, Failure> {
        let early = match step.rewind {
            Some(epochs) => match self.early_weights(epochs)? {
                Some(early) => Some(early),
                None => return Ok(Some(self.first_step())),
            },
            None => None,
        };
        let rounds = match step.when {
            When::Once => 1,
            When::Iterative { steps } => steps,
            When::Cubic { .. } => return self.along(Pruning::Weights(step.clone()), step.finetune),
        };
        for part in 1..=rounds {
            let share = step.when.reached(part as f64 / rounds as f64);
            let began = self.began()?;
            let mask = weights::mask(
                &self.plan.model,
                &self.weights,
                &step.at(share),
                &self.evidence(),
                &began,
            )?;
            if let Some(early) = &early {
                self.weights = early.clone();
            }
            self.hold(&mask);
            if let Some(step) = self.fine_tune(step.finetune, None)? {
                return Ok(Some(step));
            }
        }
        Ok(None)
    }

    /// Removes whole residual blocks.
    pub fn blocks(&mut self, step: &PruneBlocks) -> Result<Option<usize>, Failure> {
        let (model, weights) = units::remove_blocks(&self.plan.model, &self.weights, step, &self.evidence())?;
        self.replace(model, weights);
        self.fine_tune(step.finetune, None)
    }

    /// Fine-tunes, and prunes on the way.
    fn along(&mut self, pruning: Pruning, epochs: usize) -> Result<Option<usize>, Failure> {
        let plan = self.plan.clone();
        let zeroes = matches!(pruning, Pruning::Weights(_));
        let curve = Curve::new(pruning, &plan, self.dataset, Some(self.began()?));
        if let Some(step) = self.fine_tune(epochs, Some(&curve as &dyn Pruner))? {
            return Ok(Some(step));
        }
        if zeroes || self.mask.is_some() {
            self.mask = Some(weights::mask_of_zeros(&self.plan.model, &self.weights));
        }
        if !zeroes {
            self.began = Some(self.weights.clone());
        }
        Ok(None)
    }

    /// Another network; zeros that were held are held in it too.
    fn shrink(&mut self, cut: &Cut) -> Result<(), Failure> {
        self.began = Some(cut.apply(&self.plan.model, &self.began()?));
        self.mask = self.mask.as_ref().map(|mask| cut.apply(&self.plan.model, mask));
        self.plan.model = cut.model.clone();
        self.weights = cut.weights.clone();
        Ok(())
    }

    /// The weights with which the training of the network as it is now began.
    fn began(&self) -> Result<Weights, Failure> {
        let known = self.began.as_ref();
        match known.filter(|began| check_weights(&self.plan.model, began).is_ok()) {
            Some(began) => Ok(began.clone()),
            None => first_weights(&self.plan),
        }
    }

    /// Zeroes what `mask` has as 0, beside what is held already.
    fn hold(&mut self, mask: &Weights) {
        let both = match &self.mask {
            Some(before) => weights::both(before, mask),
            None => mask.clone(),
        };
        self.weights = weights::apply(&self.weights, &both);
        self.mask = Some(both);
    }

    fn evidence(&self) -> Evidence<'_> {
        Evidence {
            plan: &self.plan,
            dataset: self.dataset,
            rows: SAMPLES,
            seed: self.plan.config.run.seed,
        }
    }

    /// The weights that the parent's training had after so many epochs, by training it again from its seed; none where the
    /// person asked to stop.
    fn early_weights(&self, epochs: usize) -> Result<Option<Weights>, Failure> {
        if !self.is_repeatable {
            return Err(Failure::new(
                "weights",
                "there are no early weights of a run that was compressed, or pruned while it was trained",
                "rewind a run that was only trained, or leave rewind out",
            ));
        }
        if self.plan.model != self.parent.model {
            return Err(Failure::new(
                "weights",
                "there are no early weights of a network whose units were removed",
                "put the step with rewind first",
            ));
        }
        let too_late = |trained: usize| {
            Failure::new(
                "weights",
                format!(
                    "rewind={epochs}, and the run was trained for {trained} epochs: there is nothing to go back to"
                ),
                "rewind to an earlier epoch, or leave rewind out",
            )
        };
        let planned = self.parent.config.train.epochs;
        if epochs >= planned {
            return Err(too_late(planned));
        }
        let sink = Quiet {
            outer: self.control,
            control: RunControl::default(),
        };
        let early = Early {
            step: epochs * self.parent.steps_per_epoch,
            control: &sink.control,
            weights: Mutex::new(None),
        };
        let job = TrainJob::new(self.parent, self.dataset, Start::Fresh).pruned_by(Some(&early));
        let outcome = train(job, &sink.control, &sink)?;
        if self.control.requested() == Command::Stop {
            return Ok(None);
        }
        let seen = early.weights.into_inner().unwrap_or_default();
        Ok(match outcome {
            Outcome::Finished(trained) => Some(seen.ok_or_else(|| too_late(trained.epochs))?),
            Outcome::Stopped { .. } => seen,
        })
    }
}

/// Takes note of the weights before a step, and stops there.
#[derive(Debug)]
struct Early<'a> {
    step: usize,
    control: &'a RunControl,
    weights: Mutex<Option<Weights>>,
}

impl Pruner for Early<'_> {
    fn is_due(&self, step: usize, _: usize) -> bool {
        step == self.step
    }

    fn last(&self, _: usize) -> usize {
        self.step
    }

    fn prune(&self, _: usize, _: usize, _: &ModelSpec, weights: &Weights) -> Result<Option<Pruned>, Failure> {
        if let Ok(mut seen) = self.weights.lock() {
            *seen = Some(weights.clone());
        }
        self.control.request(Command::Stop);
        Ok(None)
    }
}

/// Keeps nothing; waits out a pause, and hands on the wish to stop.
struct Quiet<'a> {
    outer: &'a RunControl,
    control: RunControl,
}

impl EventSink for Quiet<'_> {
    fn emit(&self, _: Event) -> Result<(), Failure> {
        while self.outer.requested() == Command::Pause {
            thread::sleep(NAP);
        }
        if self.outer.requested() == Command::Stop {
            self.control.request(Command::Stop);
        }
        Ok(())
    }

    fn save(&self, _: ArtifactKind, _: &[u8]) -> Result<(), Failure> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_weights_wait_out_a_pause_and_stop_with_the_job() {
        let outer = RunControl::default();
        let sink = Quiet {
            outer: &outer,
            control: RunControl::default(),
        };
        let emit = || sink.emit(Event::Paused { step: 0 }).unwrap();
        emit();
        assert_eq!(sink.control.requested(), Command::Run);
        outer.request(Command::Pause);
        thread::scope(|scope| {
            let waiting = scope.spawn(emit);
            thread::sleep(5 * NAP);
            assert!(!waiting.is_finished());
            outer.request(Command::Run);
        });
        assert_eq!(sink.control.requested(), Command::Run);
        outer.request(Command::Stop);
        emit();
        assert_eq!(sink.control.requested(), Command::Stop);
    }
}
