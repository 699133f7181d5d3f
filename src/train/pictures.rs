//! Pictures of the network in training, for whoever looks: few enough that the training hardly notices.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use super::evaluation::outputs;
use crate::data::Dataset;
use crate::inspect::{Subject, Viewer};
use crate::meter::alloc;
use crate::nn::Network;
use crate::spec::EventSink;

/// Between two pictures.
const INTERVAL: Duration = Duration::from_millis(250);
/// Times that a picture took that pass before the next one, so that they take a twentieth of all.
const PATIENCE: u32 = 19;
/// Rows of a decision surface that are computed at a time.
const BATCH: usize = 256;

pub struct Pictures<'a> {
    dataset: &'a Dataset,
    sink: &'a dyn EventSink,
    /// Made for the first picture.
    viewer: Option<Viewer<'a>>,
    /// When the last one was done, and what it took.
    last: Option<(Instant, Duration)>,
}

impl<'a> Pictures<'a> {
    pub fn new(dataset: &'a Dataset, sink: &'a dyn EventSink) -> Self {
        Self {
            dataset,
            sink,
            viewer: None,
            last: None,
        }
    }

    /// Shows the network after `epoch` epochs with its outputs for the validation split, if it is time for a picture.
    pub fn show(&mut self, epoch: usize, network: &Network, validation: &[f32]) {
        // A picture is no memory of the training, and whoever looks at it frees it.
        alloc::uncounted(|| self.make(epoch, network, validation));
    }

    fn make(&mut self, epoch: usize, network: &Network, validation: &[f32]) {
        let is_early = |(at, took): (Instant, Duration)| at.elapsed() < INTERVAL.max(took * PATIENCE);
        if self.last.is_some_and(is_early) || !self.sink.wants_snapshot() {
            return;
        }
        let began = Instant::now();
        let viewer = self.viewer.get_or_insert_with(|| Viewer::new(self.dataset));
        let subject = Subject {
            epoch,
            part: "validation",
            samples: &self.dataset.validation,
            outputs: validation,
            weights: &network.to_weights(),
        };
        let Ok(snapshot) = viewer.snapshot(subject, |inputs| Ok::<_, Infallible>(outputs(network, inputs, BATCH)));
        self.sink.show(snapshot);
        self.last = Some((Instant::now(), began.elapsed()));
    }
}
