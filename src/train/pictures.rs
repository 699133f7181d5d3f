//! Pictures of the network in training, for whoever looks: few enough that the training hardly notices.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use super::evaluation::outputs;
use super::failures::{self, unfit};
use super::objective::Objective;
use super::replicas::descent;
use crate::data::{DataError, Dataset, Loader, Samples};
use crate::inspect::{Subject, Viewer, gradients};
use crate::meter::alloc;
use crate::nn::{self, DropoutKey, Network};
use crate::spec::{Attention, EventSink, Failure, Gradients, RunPlan, Snapshot, Wanted, Weights};

/// Between two pictures of one kind.
const INTERVAL: Duration = Duration::from_millis(250);
/// Times that a picture took that pass before the next one of its kind. There are two kinds, so both together take at most 3 %.
const PATIENCE: u32 = 66;
/// Rows of a decision surface that are computed at a time.
const BATCH: usize = 256;

pub struct Pictures<'a> {
    dataset: &'a Dataset,
    sink: &'a dyn EventSink,
    /// Made for the first picture.
    viewer: Option<Viewer<'a>>,
    /// The last picture: between two epochs only what changes from step to step is made anew.
    shown: Option<Snapshot>,
    epochs: Budget,
    steps: Budget,
}

/// When the last picture of a kind was done, and what it took.
#[derive(Default)]
struct Budget(Option<(Instant, Duration)>);

impl Budget {
    fn is_spent(&self) -> bool {
        self.0
            .is_some_and(|(at, took)| at.elapsed() < INTERVAL.max(took * PATIENCE))
    }

    fn book(&mut self, began: Instant) {
        self.0 = Some((Instant::now(), began.elapsed()));
    }
}

impl<'a> Pictures<'a> {
    pub fn new(dataset: &'a Dataset, sink: &'a dyn EventSink) -> Self {
        Self {
            dataset,
            sink,
            viewer: None,
            shown: None,
            epochs: Budget::default(),
            steps: Budget::default(),
        }
    }

    /// Shows the network after `epoch` epochs with its outputs for the validation split, if it is time for a picture.
    pub fn epoch(&mut self, epoch: usize, network: &Network, validation: &[f32]) {
        if self.epochs.is_spent() {
            return;
        }
        let Some(wanted) = self.sink.wants_snapshot() else {
            return;
        };
        let began = Instant::now();
        // A picture is no memory of the training, and whoever looks at it frees it.
        alloc::uncounted(|| {
            let subject = Subject {
                epoch,
                part: "validation",
                samples: &self.dataset.validation,
                outputs: validation,
                model: network.model(),
                weights: &network.to_weights(),
            };
            let viewer = self.viewer.get_or_insert_with(|| Viewer::new(self.dataset));
            let answer = |inputs: &[f32]| Ok::<_, Infallible>(outputs(network, inputs, BATCH));
            let Ok(mut snapshot) = viewer.snapshot(subject, answer);
            // They are of a step, and this is none.
            snapshot.gradients = self.shown.take().and_then(|shown| shown.gradients);
            self.finish(snapshot, wanted, network);
        });
        self.epochs.book(began);
    }

    /// Shows what changes from step to step, if somebody looks at it and it is time for a picture: the gradients of
    /// `step` (from 0), in the order of the network's parameters, and the network's attention.
    pub fn step(&mut self, step: usize, network: &Network, values: &[Vec<f32>]) {
        if self.steps.is_spent() {
            return;
        }
        let Some(wanted) = self.sink.wants_snapshot().filter(|wanted| !wanted.is_nothing()) else {
            return;
        };
        let began = Instant::now();
        alloc::uncounted(|| {
            let mut snapshot = self.shown.take().unwrap_or_else(|| self.unanswered());
            if wanted.gradients {
                snapshot.gradients = Some(gradients(Some(step), &parameter_names(network), values));
            }
            self.finish(snapshot, wanted, network);
        });
        self.steps.book(began);
    }

    /// Before the first epoch has ended.
    fn unanswered(&mut self) -> Snapshot {
        let viewer = self.viewer.get_or_insert_with(|| Viewer::new(self.dataset));
        Snapshot {
            epoch: 0,
            part: "validation",
            wanted: Wanted::default(),
            answers: viewer.answers(&self.dataset.validation, &[]),
            surface: None,
            histograms: Vec::new(),
            filters: None,
            gradients: None,
            attention: None,
        }
    }

    /// Adds what is wanted, and shows it.
    fn finish(&mut self, mut snapshot: Snapshot, wanted: Wanted, network: &Network) {
        let viewer = self.viewer.get_or_insert_with(|| Viewer::new(self.dataset));
        snapshot.wanted = wanted;
        snapshot.attention = wanted
            .attention
            .and_then(|row| attention(viewer, network, &self.dataset.validation, row));
        if !wanted.gradients {
            snapshot.gradients = None;
        }
        self.sink.show(snapshot.clone());
        self.shown = Some(snapshot);
    }
}

/// What `network` attends to in row `row` of `samples`; none where it has no such layer.
pub fn attention(viewer: &Viewer<'_>, network: &Network, samples: &Samples, row: usize) -> Option<Attention> {
    let inputs = samples.row(row);
    let layers = network.attention(&inputs);
    if layers.is_empty() {
        return None;
    }
    viewer.attention(network.model(), samples, row, &outputs(network, &inputs, 1), layers)
}

/// The gradients of one batch of training rows with the kept weights, as a training step has them, dropout included.
pub fn batch_gradients(plan: &RunPlan, weights: &Weights, dataset: &Dataset) -> Result<Gradients, Failure> {
    let train = &plan.config.train;
    let device = nn::device(plan.config.run.device).map_err(failures::device)?;
    let network = Network::from_weights(&plan.model, weights, &device.autodiff()).map_err(|error| unfit(&error))?;
    let loader = Loader::new(
        dataset,
        plan.config.run.seed,
        train.batch_size,
        &plan.config.data.augment,
    );
    let Some(batch) = loader.epoch(0, 0).next() else {
        return Ok(gradients(None, &[], &[]));
    };
    let batch = batch.map_err(DataError::into_failure)?;
    let objective = Objective::new(train, dataset);
    let mass = objective.mass(&batch);
    let key = DropoutKey {
        seed: plan.config.run.seed,
        step: 0,
        first_row: 0,
    };
    let descent = descent(&network, batch, key, &objective, mass).map_err(|loss| {
        Failure::new(
            "gradients",
            format!("the loss of the kept weights is {loss}"),
            "train the run again with a lower learning rate",
        )
    })?;
    Ok(gradients(None, &parameter_names(&network), &descent.gradients))
}

/// The trainable tensors, in the order of the network's parameters.
fn parameter_names(network: &Network) -> Vec<String> {
    let described = network.describe_parameters().into_iter();
    described.map(|parameter| parameter.name).collect()
}
