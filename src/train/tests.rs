//! Tests of whole runs.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use super::checkpoint::Checkpoint;
use super::*;
use crate::data;
use crate::spec::{
    AnswersSeen, Architecture, ArtifactKind, Command, Device, EarlyStopping, Event, ModelConfig, MonitoredMetric,
    OptimizerKind, PresetSize, RunConfig, ScheduleKind, Snapshot, StepRecord, Wanted,
};

/// Keeps all events and the last bytes of each artifact, and is asked what to do by its control.
#[derive(Default)]
pub(super) struct Recorder {
    control: RunControl,
    events: Mutex<Vec<Event>>,
    weights: Mutex<Vec<u8>>,
    checkpoint: Mutex<Vec<u8>>,
    looks: bool,
    wanted: Wanted,
    pictures: Mutex<Vec<Snapshot>>,
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

    fn wants_snapshot(&self) -> Option<Wanted> {
        self.looks.then_some(self.wanted)
    }

    fn show(&self, snapshot: Snapshot) {
        self.pictures.lock().unwrap().push(snapshot);
    }
}

impl Recorder {
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    pub fn last_checkpoint(&self) -> Vec<u8> {
        self.checkpoint.lock().unwrap().clone()
    }

    pub fn steps(&self) -> Vec<StepRecord> {
        let events = self.events.lock().unwrap();
        let steps = events.iter().filter_map(|event| match event {
            Event::Steps { steps, .. } => Some(steps.clone()),
            _ => None,
        });
        steps.flatten().collect()
    }
}

pub(super) fn finished(outcome: Outcome) -> Trained {
    match outcome {
        Outcome::Finished(trained) => trained,
        Outcome::Stopped { step } => panic!("stopped at {step}"),
    }
}

/// A short run that uses everything a checkpoint must hold: dropout, momentum, clipping, batches that do not divide the rows.
pub(super) fn config() -> RunConfig {
    let mut config = RunConfig::default();
    config.data.source = "iris".to_owned();
    config.model.hidden = vec![12];
    config.model.dropout = 0.2;
    config.train.epochs = 6;
    config.train.batch_size = 16;
    config.train.learning_rate = 1e-2;
    config.train.gradient_clip = Some(1.0);
    config.train.label_smoothing = 0.05;
    config.train.weight_decay = 1e-3;
    config.train.warmup_epochs = 1.0;
    config
}

pub(super) struct Prepared {
    pub plan: RunPlan,
    pub dataset: Dataset,
}

pub(super) fn prepare(config: &RunConfig) -> Prepared {
    let dataset = data::load(&config.data).unwrap();
    let plan = config.check(&dataset.summary).unwrap();
    Prepared { plan, dataset }
}

impl Prepared {
    pub fn run(&self, start: Start<'_>, recorder: &Recorder) -> Result<Outcome, Failure> {
        let job = TrainJob::new(&self.plan, &self.dataset, start);
        train(job, &recorder.control, recorder)
    }

    pub fn trained(&self) -> (Trained, Vec<StepRecord>) {
        let recorder = Recorder::default();
        let outcome = self.run(Start::Fresh, &recorder).unwrap();
        (finished(outcome), recorder.steps())
    }
}

/// Does the steps up to `step` one by one, so that a stop falls exactly there.
pub(super) fn stopped_at(prepared: &Prepared, step: usize) -> (Vec<u8>, Vec<StepRecord>) {
    let recorder = Recorder::default();
    let job = TrainJob::new(&prepared.plan, &prepared.dataset, Start::Fresh);
    let mut session = session::Session::open(&job, &recorder.control, &recorder).unwrap();
    session.stop_before = Some(step);
    assert_eq!(session.run().unwrap(), Outcome::Stopped { step });
    let bytes = recorder.checkpoint.lock().unwrap().clone();
    (bytes, recorder.steps())
}

#[test]
fn a_run_learns_and_tells_every_step_in_order() {
    let mut config = RunConfig::default();
    config.train.epochs = 5;
    config.train.learning_rate = 1e-2;
    let prepared = prepare(&config);
    let recorder = Recorder::default();
    let trained = finished(prepared.run(Start::Fresh, &recorder).unwrap());
    assert!(trained.test.accuracy.unwrap() > 0.9, "{trained:?}");
    assert!(
        recorder
            .steps()
            .iter()
            .map(|step| step.step)
            .eq(0..prepared.plan.total_steps())
    );
    assert_eq!(
        weights_from_bytes(&recorder.weights.lock().unwrap()).unwrap(),
        trained.weights
    );
    // Every epoch comes after the steps it is made of.
    let mut steps = 0;
    let mut epochs = 0;
    for event in recorder.events.lock().unwrap().iter() {
        match event {
            Event::Steps {
                steps: more,
                memory,
                times,
                ..
            } => {
                steps += more.len();
                assert!(times.parts().iter().all(|&secs| secs >= 0.0));
                assert!(times.forward_secs > 0.0 && times.backward_secs > 0.0 && times.optimizer_secs > 0.0);
                assert!(memory.peak_bytes >= memory.live_bytes);
            }
            Event::Epoch { epoch, step, .. } => {
                epochs += 1;
                assert_eq!((*epoch, *step), (epochs, epochs * prepared.plan.steps_per_epoch));
                assert!(steps >= *step);
            }
            _ => {}
        }
    }
    assert_eq!(epochs, 5);
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let prepared = prepare(&config());
    let first = prepared.trained();
    assert_eq!(first, prepared.trained());
    let mut other = config();
    other.run.seed = 1;
    assert_ne!(first.1, prepare(&other).trained().1);
}

#[test]
fn the_same_seed_gives_the_same_bits_in_every_architecture_and_with_workers() {
    let mut config = RunConfig::digits_cnn();
    config.train.epochs = 1;
    config.train.batch_size = 251;
    let input = prepare(&config).dataset.summary.input;
    let neural = Architecture::ALL
        .into_iter()
        .filter(|architecture| !architecture.is_classical());
    for architecture in neural {
        for workers in [1, 2] {
            config.model = ModelConfig::preset(architecture, PresetSize::Tiny, input);
            config.train.workers = workers;
            let prepared = prepare(&config);
            assert!(
                prepared.trained() == prepared.trained(),
                "{architecture} with {workers} workers"
            );
        }
    }
}

#[test]
fn a_watched_run_is_the_unwatched_one_with_a_few_pictures() {
    let mut config = config();
    config.data.source = "moons".to_owned();
    config.train.epochs = 60;
    let prepared = prepare(&config);
    let recorder = Recorder {
        looks: true,
        ..Recorder::default()
    };
    let began = Instant::now();
    let trained = finished(prepared.run(Start::Fresh, &recorder).unwrap());
    let elapsed = began.elapsed();
    assert_eq!((trained, recorder.steps()), prepared.trained());
    let pictures = recorder.pictures.lock().unwrap();
    assert!(!pictures.is_empty() && pictures.len() <= 1 + elapsed.as_millis() as usize / 250);
    assert!(pictures.is_sorted_by(|a, b| a.epoch < b.epoch));
    let events = recorder.events.lock().unwrap();
    for picture in pictures.iter() {
        let accuracy = events.iter().find_map(|event| match event {
            Event::Epoch { epoch, validation, .. } if *epoch == picture.epoch => validation.accuracy,
            _ => None,
        });
        let AnswersSeen::Classes { rows, .. } = &picture.answers else {
            panic!("moons are classes");
        };
        let right = rows.iter().filter(|row| row.truth == row.answer).count();
        assert_eq!(Some(right as f64 / rows.len() as f64), accuracy);
        assert_eq!(picture.part, "validation");
        assert!(picture.surface.is_some() && picture.histograms.len() == 2);
    }
}

#[test]
fn stop_and_resume_is_the_uninterrupted_run() {
    for optimizer in [OptimizerKind::Sgd, OptimizerKind::AdamW] {
        let mut config = config();
        config.train.optimizer = optimizer;
        config.train.early_stopping = Some(EarlyStopping {
            patience: 100,
            ..EarlyStopping::default()
        });
        let prepared = prepare(&config);
        let whole = prepared.trained();
        let per_epoch = prepared.plan.steps_per_epoch;
        for step in [0, 1, per_epoch, per_epoch + 3, 4 * per_epoch - 1] {
            let (bytes, mut steps) = stopped_at(&prepared, step);
            let recorder = Recorder::default();
            let trained = finished(prepared.run(Start::Resume(&bytes), &recorder).unwrap());
            steps.extend(recorder.steps());
            assert_eq!((trained, steps), whole, "stopped at {step}");
        }
    }
}

#[test]
fn a_cnn_resumes_with_its_running_statistics() {
    let mut config = RunConfig::digits_cnn();
    config.model.filters = vec![4];
    config.model.hidden = vec![8];
    config.train.epochs = 2;
    config.train.batch_size = 256;
    let prepared = prepare(&config);
    let whole = prepared.trained();
    let (bytes, mut steps) = stopped_at(&prepared, 7);
    let recorder = Recorder::default();
    let trained = finished(prepared.run(Start::Resume(&bytes), &recorder).unwrap());
    steps.extend(recorder.steps());
    assert_eq!((trained, steps), whole);
}

#[test]
fn pause_and_go_on_is_the_uninterrupted_run() {
    let prepared = prepare(&config());
    let whole = prepared.trained();
    let recorder = Recorder::default();
    recorder.control.request(Command::Pause);
    let outcome = thread::scope(|scope| {
        scope.spawn(|| {
            while !recorder.events.lock().unwrap().contains(&Event::Paused { step: 0 }) {
                thread::sleep(Duration::from_millis(1));
            }
            recorder.control.request(Command::Run);
        });
        prepared.run(Start::Fresh, &recorder).unwrap()
    });
    assert_eq!((finished(outcome), recorder.steps()), whole);
    let events = recorder.events.lock().unwrap();
    assert!(events.contains(&Event::Resumed { step: 0 }));
}

#[test]
fn a_pause_can_end_in_a_stop() {
    let prepared = prepare(&config());
    let recorder = Recorder::default();
    recorder.control.request(Command::Pause);
    let outcome = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(50));
            recorder.control.request(Command::Stop);
        });
        prepared.run(Start::Fresh, &recorder).unwrap()
    });
    assert_eq!(outcome, Outcome::Stopped { step: 0 });
    assert!(!recorder.checkpoint.lock().unwrap().is_empty());
}

#[cfg(feature = "ndarray")]
#[test]
fn flex_and_ndarray_agree_on_the_first_ten_steps() {
    let mut mlp = config();
    mlp.train.epochs = 2;
    let mut cnn = RunConfig::digits_cnn();
    cnn.model.filters = vec![6, 8];
    cnn.train.epochs = 1;
    cnn.train.batch_size = 128;
    for mut config in [mlp, cnn] {
        let flex = prepare(&config).trained().1;
        config.run.device = Device::Ndarray;
        let ndarray = prepare(&config).trained().1;
        for (flex, ndarray) in flex.iter().zip(&ndarray).take(10) {
            assert!((flex.loss - ndarray.loss).abs() < 1e-4, "{flex:?} {ndarray:?}");
        }
    }
}

#[test]
fn early_stopping_restores_the_best_epoch_and_reports_it() {
    let mut config = config();
    config.data.source = "wine".to_owned();
    config.train.epochs = 200;
    config.train.learning_rate = 0.05;
    config.train.schedule = ScheduleKind::Constant;
    config.train.early_stopping = Some(EarlyStopping {
        metric: MonitoredMetric::Loss,
        patience: 4,
        minimum_improvement: 0.0,
    });
    let prepared = prepare(&config);
    let recorder = Recorder::default();
    let trained = finished(prepared.run(Start::Fresh, &recorder).unwrap());
    assert!(
        trained.epochs < 200 && trained.epochs == trained.best_epoch + 4,
        "{trained:?}"
    );
    let events = recorder.events.lock().unwrap();
    let losses: Vec<f64> = events
        .iter()
        .filter_map(|event| match event {
            Event::Epoch { validation, .. } => Some(validation.loss),
            _ => None,
        })
        .collect();
    let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(trained.validation.loss, least);
    assert_eq!(losses[trained.best_epoch - 1], least);
    assert_eq!(
        weights_from_bytes(&recorder.weights.lock().unwrap()).unwrap(),
        trained.weights
    );
}

#[test]
fn without_early_stopping_the_last_weights_are_kept() {
    let (trained, _) = prepare(&config()).trained();
    assert_eq!((trained.best_epoch, trained.epochs), (6, 6));
}

#[test]
fn a_diverging_run_names_its_step_and_what_to_do() {
    let mut config = config();
    config.data.source = "diabetes".to_owned();
    config.train.label_smoothing = 0.0;
    config.train.optimizer = OptimizerKind::Sgd;
    config.train.gradient_clip = None;
    config.train.learning_rate = 1e6;
    config.train.schedule = ScheduleKind::Constant;
    let prepared = prepare(&config);
    let recorder = Recorder::default();
    let failure = prepared.run(Start::Fresh, &recorder).unwrap_err();
    let steps = recorder.steps();
    assert_eq!(failure.place, format!("step {}", steps.len()));
    assert!(failure.remedy.contains("learning_rate"), "{failure}");
    assert!(steps.iter().all(|step| step.loss.is_finite()));
}

#[test]
fn masked_weights_stay_exactly_zero_while_fine_tuning() {
    let mut config = config();
    config.train.optimizer = OptimizerKind::AdamW;
    let prepared = prepare(&config);
    let (trained, _) = prepared.trained();
    let mut mask = Weights::default();
    let weight = trained.weights.part(0, "weight").unwrap();
    let zeros = (0..weight.data.len())
        .map(|index| f32::from(u8::from(index % 3 == 0)))
        .collect();
    mask.push(0, "weight", weight.shape.clone(), zeros);
    let start = Start::FineTune {
        weights: &trained.weights,
        mask: Some(&mask),
        epochs: 2,
    };
    let recorder = Recorder::default();
    let tuned = finished(prepared.run(start, &recorder).unwrap());
    assert_eq!(tuned.epochs, 2);
    let steps = recorder.steps();
    assert_eq!(steps.len(), 2 * prepared.plan.steps_per_epoch);
    assert_eq!(steps[0].learning_rate, prepared.plan.config.train.learning_rate);
    let weight = tuned.weights.part(0, "weight").unwrap();
    for (index, (value, mask)) in weight.data.iter().zip(&mask.tensors[0].data).enumerate() {
        assert_eq!(*value == 0.0, *mask == 0.0, "{index}");
    }
    assert_ne!(tuned.weights.part(0, "bias"), trained.weights.part(0, "bias"));
}

#[test]
fn a_checkpoint_of_another_plan_or_a_damaged_one_is_refused() {
    let prepared = prepare(&config());
    let (bytes, _) = stopped_at(&prepared, 3);
    assert_eq!(Checkpoint::from_bytes(&bytes).unwrap().state.step, 3);
    let mut other = config();
    other.model.hidden = vec![13];
    let mut sgd = config();
    sgd.train.optimizer = OptimizerKind::Sgd;
    let weights = weights_to_bytes(&prepared.trained().0.weights).unwrap();
    for (config, bytes, word) in [
        (other, &bytes[..], "layers.0.weight"),
        (sgd, &bytes[..], "optimizer"),
        (self::config(), &bytes[..bytes.len() / 2], "safetensors"),
        (self::config(), &[][..], "safetensors"),
        (self::config(), &weights[..], "training state"),
    ] {
        let failure = prepare(&config)
            .run(Start::Resume(bytes), &Recorder::default())
            .unwrap_err();
        assert!(failure.to_string().contains(word), "{failure}");
    }
}

#[test]
fn weights_round_trip_through_safetensors_bit_for_bit() {
    let mut weights = Weights::default();
    for layer in [0, 2, 10] {
        weights.push(layer, "weight", vec![2, 1], vec![0.1, -3.4e38]);
        weights.push(layer, "bias", vec![2], vec![f32::MIN_POSITIVE, -0.0]);
    }
    let bytes = weights_to_bytes(&weights).unwrap();
    let again = weights_from_bytes(&bytes).unwrap();
    let bits = |weights: &Weights| -> Vec<(String, Vec<u32>)> {
        let tensors = weights.tensors.iter();
        tensors
            .map(|tensor| {
                (
                    tensor.name.clone(),
                    tensor.data.iter().map(|value| value.to_bits()).collect(),
                )
            })
            .collect()
    };
    assert_eq!(bits(&again), bits(&weights));
    assert_eq!(bytes, weights_to_bytes(&again).unwrap());
}

#[test]
fn the_schedules_by_hand() {
    let mut config = config();
    config.train.epochs = 4;
    config.train.learning_rate = 1.0;
    config.train.warmup_epochs = 1.0;
    let mut prepared = prepare(&config);
    let per_epoch = prepared.plan.steps_per_epoch;
    assert_eq!(per_epoch, 7);
    let rate = |plan: &RunPlan, step| plan.schedule().learning_rate(step);
    assert!((rate(&prepared.plan, 0) - 1.0 / 8.0).abs() < 1e-12);
    assert!((rate(&prepared.plan, 6) - 7.0 / 8.0).abs() < 1e-12);
    assert!((rate(&prepared.plan, 7) - 1.0).abs() < 1e-12);
    let half = std::f64::consts::PI * 10.0 / 21.0;
    assert!((rate(&prepared.plan, 17) - 0.5 * (1.0 + half.cos())).abs() < 1e-12);
    prepared.plan.config.train.schedule = ScheduleKind::Step;
    prepared.plan.config.train.step_epochs = 2;
    // Two epochs after the warm-up.
    assert!((rate(&prepared.plan, 20) - 1.0).abs() < 1e-12);
    assert!((rate(&prepared.plan, 21) - 0.1).abs() < 1e-12);
    prepared.plan.config.train.schedule = ScheduleKind::Exponential;
    assert!((rate(&prepared.plan, 7) - 1.0).abs() < 1e-12);
    assert!((rate(&prepared.plan, 14) - 0.1_f64.sqrt()).abs() < 1e-12);
    prepared.plan.config.train.schedule = ScheduleKind::Constant;
    assert!((rate(&prepared.plan, 27) - 1.0).abs() < 1e-12);
}
