//! Tests of whole runs.

use std::sync::Mutex;

use super::*;
use crate::data;
use crate::spec::{ArtifactKind, Event, RunConfig, StepRecord};

/// Keeps all events and the last bytes of each artifact.
#[derive(Default)]
struct Recorder {
    events: Mutex<Vec<Event>>,
    weights: Mutex<Vec<u8>>,
    checkpoint: Mutex<Vec<u8>>,
}

impl EventSink for Recorder {
    fn emit(&self, event: Event) -> Result<(), Failure> {
        self.events.lock().unwrap().push(event);
        Ok(())
    }

    fn save(&self, kind: ArtifactKind, bytes: &[u8]) -> Result<(), Failure> {
        let place = match kind {
            ArtifactKind::Checkpoint => &self.checkpoint,
            _ => &self.weights,
        };
        *place.lock().unwrap() = bytes.to_vec();
        Ok(())
    }
}

impl Recorder {
    fn steps(&self) -> Vec<StepRecord> {
        let events = self.events.lock().unwrap();
        let steps = events.iter().filter_map(|event| match event {
            Event::Steps { steps, .. } => Some(steps.clone()),
            _ => None,
        });
        steps.flatten().collect()
    }
}

fn finished(outcome: Outcome) -> Trained {
    match outcome {
        Outcome::Finished(trained) => trained,
        Outcome::Stopped { step } => panic!("stopped at {step}"),
    }
}

#[test]
fn a_run_learns_and_tells_every_step() {
    let mut config = RunConfig::default();
    config.train.epochs = 5;
    config.train.learning_rate = 1e-2;
    let dataset = data::load(&config.data).unwrap();
    let plan = config.check(&dataset.summary).unwrap();
    let recorder = Recorder::default();
    let job = TrainJob {
        plan: &plan,
        dataset: &dataset,
        start: Start::Fresh,
    };
    let trained = finished(train(job, &RunControl::default(), &recorder).unwrap());
    assert!(trained.test.accuracy.unwrap() > 0.9, "{trained:?}");
    let steps = recorder.steps();
    assert!(steps.iter().map(|step| step.step).eq(0..plan.total_steps()));
    assert_eq!(
        weights_from_bytes(&recorder.weights.lock().unwrap())
            .unwrap()
            .tensors
            .len(),
        4
    );
}
