//! Tests of what a run can do beside plain steps: every optimizer, loss and schedule across a stop, averages, accumulation,
//! ends before the last epoch, and workers.

use super::tests::{Prepared, Recorder, config, finished, prepare, stopped_at};
use super::*;
use crate::spec::{
    Augmentation, ClassWeights, EarlyStopping, Event, LossKind, MonitoredMetric, OptimizerKind, RunConfig,
    ScheduleKind, StepRecord, StopTarget,
};

/// Stopped before `step` and resumed it must be the uninterrupted run, weights and losses bit for bit.
fn assert_resumes(config: &RunConfig, step: usize) {
    let prepared = prepare(config);
    let whole = prepared.trained();
    assert_eq!(whole, prepared.trained());
    let (bytes, mut steps) = stopped_at(&prepared, step);
    let recorder = Recorder::default();
    let trained = finished(prepared.run(Start::Resume(&bytes), &recorder).unwrap());
    steps.extend(recorder.steps());
    assert_eq!((trained, steps), whole, "{:?}", config.train);
}

fn losses(prepared: &Prepared) -> Vec<f32> {
    prepared.trained().1.iter().map(|step| step.loss).collect()
}

#[test]
fn every_optimizer_learns_and_resumes() {
    for optimizer in OptimizerKind::ALL {
        let mut config = config();
        config.train.optimizer = optimizer;
        config.train.l1 = 1e-4;
        config.train.nesterov = true;
        config.train.epochs = 4;
        config.train.learning_rate = match optimizer {
            OptimizerKind::Sgd => 0.1,
            OptimizerKind::RmsProp => 1e-3,
            _ => 0.01,
        };
        assert_resumes(&config, 10);
        let losses = losses(&prepare(&config));
        let last = losses[losses.len() - 5..].iter().sum::<f32>() / 5.0;
        assert!(last < 0.85 * losses[0], "{optimizer:?} {losses:?}");
    }
}

#[test]
fn every_schedule_resumes() {
    for schedule in ScheduleKind::ALL {
        let mut config = config();
        config.train.schedule = schedule;
        config.train.step_epochs = 1;
        assert_resumes(&config, 31);
    }
}

#[test]
fn a_plateau_drops_the_rate_and_remembers_it() {
    let mut config = config();
    config.train.schedule = ScheduleKind::Plateau;
    config.train.warmup_epochs = 0.0;
    config.train.epochs = 12;
    config.train.step_epochs = 2;
    config.train.step_factor = 0.5;
    config.train.learning_rate = 0.3;
    let prepared = prepare(&config);
    let per_epoch = prepared.plan.steps_per_epoch;
    let recorder = Recorder::default();
    finished(prepared.run(Start::Fresh, &recorder).unwrap());
    let rates: Vec<f64> = recorder.steps().iter().map(|step| step.learning_rate).collect();
    let mut expected = vec![0.3; per_epoch];
    let (mut stale, mut rate) = (0, 0.3);
    for event in recorder.events() {
        let Event::Epoch { is_best, .. } = event else { continue };
        stale = if is_best { 0 } else { stale + 1 };
        if stale == 2 {
            (stale, rate) = (0, 0.5 * rate);
        }
        expected.extend(vec![rate; per_epoch]);
    }
    expected.truncate(rates.len());
    assert_eq!(rates, expected);
    assert!(rates[rates.len() - 1] < 0.3, "the rate never dropped");
    assert_resumes(&config, 12 * per_epoch - 2);
}

#[test]
fn losses_of_every_kind_resume_mid_epoch() {
    let mut focal = config();
    focal.train.loss = LossKind::Focal;
    focal.train.class_weights = ClassWeights::Balanced;
    focal.data.augment = vec![
        Augmentation::Noise { deviation: 0.1 },
        Augmentation::Mixup { alpha: 0.4 },
    ];
    let mut huber = config();
    huber.data.source = "diabetes".to_owned();
    huber.train.loss = LossKind::Huber;
    huber.train.label_smoothing = 0.0;
    huber.data.augment = vec![Augmentation::Mixup { alpha: 0.4 }];
    for config in [focal, huber] {
        assert_resumes(&config, 17);
    }
}

#[test]
fn balanced_classes_are_learned_where_one_is_rare() {
    let mut config = config();
    config.data.source = "breast_cancer".to_owned();
    config.train.class_weights = ClassWeights::Balanced;
    let prepared = prepare(&config);
    let plain = {
        let mut config = config.clone();
        config.train.class_weights = ClassWeights::None;
        losses(&prepare(&config))
    };
    assert_ne!(losses(&prepared), plain);
}

#[test]
fn the_average_is_what_is_scored_and_kept() {
    let mut config = config();
    config.train.average = Some(0.95);
    assert_resumes(&config, 17);
    let mut cnn = small_cnn(true);
    cnn.train.average = Some(0.9);
    assert_resumes(&cnn, 7);

    // The steps are those of the plain run; only what is looked at differs.
    let (averaged, steps) = prepare(&config).trained();
    config.train.average = None;
    let (plain, plain_steps) = prepare(&config).trained();
    assert_eq!(steps, plain_steps);
    assert_ne!(averaged.weights, plain.weights);
}

#[test]
fn the_average_follows_its_formula() {
    let mut config = config();
    config.train.average = Some(0.5);
    config.train.epochs = 1;
    let prepared = prepare(&config);
    let device = crate::nn::device(crate::spec::Device::Flex).unwrap().autodiff();
    let mut stepper = stepper::Stepper::fresh(&prepared.plan, &prepared.dataset, &device).unwrap();
    let loader = crate::data::Loader::new(&prepared.dataset, 0, 16, &[]);
    let mut expected = stepper.network.parameters();
    for (step, batch) in loader.epoch(0, 0).enumerate() {
        stepper
            .step(std::iter::once(batch), step, 0.1, &mut objective::Tally::default())
            .unwrap();
        let keep = 0.5_f32.min((1.0 + step as f32) / (10.0 + step as f32));
        for (mean, values) in expected.iter_mut().zip(stepper.network.parameters()) {
            for (mean, value) in mean.iter_mut().zip(values) {
                *mean = keep * *mean + (1.0 - keep) * value;
            }
        }
    }
    let averaged = stepper.averaged().unwrap().unwrap();
    for (found, expected) in averaged.parameters().iter().flatten().zip(expected.iter().flatten()) {
        assert!((found - expected).abs() < 1e-6);
    }
}

#[test]
fn four_batches_of_eight_are_one_of_thirty_two() {
    let mut whole = config();
    whole.train.batch_size = 32;
    whole.train.class_weights = ClassWeights::Balanced;
    let mut parts = whole.clone();
    parts.train.batch_size = 8;
    parts.train.accumulate = 4;
    let (whole, parts) = (prepare(&whole), prepare(&parts));
    assert_eq!(whole.plan.steps_per_epoch, parts.plan.steps_per_epoch);
    let (whole, parts) = (losses(&whole), losses(&parts));
    assert_eq!(whole.len(), parts.len());
    for (whole, parts) in whole.iter().zip(&parts) {
        assert!((whole - parts).abs() < 1e-6, "{whole} {parts}");
    }
}

#[test]
fn accumulated_steps_resume() {
    let mut config = config();
    config.train.batch_size = 8;
    config.train.accumulate = 3;
    assert_resumes(&config, 8);
}

/// Epochs trained, and the notes.
fn ended(config: &RunConfig) -> (Trained, String) {
    let recorder = Recorder::default();
    let trained = finished(prepare(config).run(Start::Fresh, &recorder).unwrap());
    let notes = recorder.events().into_iter().filter_map(|event| match event {
        Event::Note { text } => Some(text),
        _ => None,
    });
    (trained, notes.collect())
}

#[test]
fn a_target_ends_the_run_with_a_note() {
    let mut config = config();
    config.train.epochs = 100;
    config.train.target = Some(StopTarget {
        metric: MonitoredMetric::F1,
        value: 0.9,
    });
    let (trained, notes) = ended(&config);
    assert!(
        trained.epochs < 100 && trained.validation.f1.unwrap() >= 0.9,
        "{trained:?}"
    );
    assert!(notes.contains("F1") && notes.contains("target"), "{notes}");
    let prepared = prepare(&config);
    let recorder = Recorder::default();
    finished(prepared.run(Start::Fresh, &recorder).unwrap());
    // A run that is over stays so when it is taken up again.
    let again = Recorder::default();
    let bytes = recorder.last_checkpoint();
    assert_eq!(finished(prepared.run(Start::Resume(&bytes), &again).unwrap()), trained);
    assert!(again.steps().is_empty());
}

#[test]
fn a_time_limit_ends_the_run_with_its_epoch() {
    let mut config = config();
    config.train.epochs = 1_000_000;
    config.train.schedule = ScheduleKind::Constant;
    config.train.time_limit = Some(0.3);
    let began = std::time::Instant::now();
    let (trained, notes) = ended(&config);
    assert!(trained.epochs < 1_000_000 && began.elapsed().as_secs_f64() < 60.0);
    assert!(notes.contains("time limit"), "{notes}");
}

#[test]
fn early_stopping_watches_any_metric_and_says_so() {
    for (source, metric) in [
        ("iris", MonitoredMetric::F1),
        ("iris", MonitoredMetric::Accuracy),
        ("diabetes", MonitoredMetric::Rmse),
        ("diabetes", MonitoredMetric::R2),
    ] {
        let mut config = config();
        config.data.source = source.to_owned();
        config.train.label_smoothing = 0.0;
        config.train.epochs = 300;
        config.train.early_stopping = Some(EarlyStopping {
            metric,
            patience: 3,
            minimum_improvement: 0.001,
        });
        let (trained, notes) = ended(&config);
        assert!(
            trained.epochs < 300 && trained.epochs == trained.best_epoch + 3,
            "{metric:?}"
        );
        assert!(notes.contains(metric.title()), "{notes}");
    }
}

fn small_cnn(batch_norm: bool) -> RunConfig {
    let mut config = RunConfig::digits_cnn();
    config.model.filters = vec![4];
    config.model.hidden = vec![8];
    config.model.batch_norm = batch_norm;
    config.model.dropout = 0.3;
    config.train.epochs = 2;
    config.train.batch_size = 50;
    config
}

fn with_workers(config: &RunConfig, workers: usize) -> Vec<StepRecord> {
    let mut config = config.clone();
    config.train.workers = workers;
    prepare(&config).trained().1
}

#[test]
fn workers_take_the_steps_of_one() {
    let mut mlp = config();
    mlp.data.source = "digits".to_owned();
    mlp.train.epochs = 2;
    mlp.train.batch_size = 50;
    mlp.train.average = Some(0.9);
    for config in [mlp, small_cnn(false)] {
        let one = with_workers(&config, 1);
        assert!(one.len() >= 50);
        for workers in [2, 3] {
            let many = with_workers(&config, workers);
            for (one, many) in one.iter().zip(&many).take(50) {
                assert!((one.loss - many.loss).abs() < 1e-5, "{one:?} {many:?}");
                assert!((one.gradient_norm - many.gradient_norm).abs() < 1e-3);
            }
        }
    }
}

#[test]
fn a_run_with_workers_is_reproducible_and_resumes() {
    for mut config in [small_cnn(true), small_cnn(false)] {
        config.train.workers = 2;
        config.train.accumulate = 2;
        config.train.batch_size = 25;
        config.train.average = Some(0.9);
        assert_resumes(&config, 30);
    }
}

#[test]
fn replicas_of_a_batch_norm_keep_one_set_of_running_statistics() {
    let config = small_cnn(true);
    let one = with_workers(&config, 1);
    let many = with_workers(&config, 2);
    // Other statistics, so other losses, but the same learning.
    assert_ne!(one[1].loss, many[1].loss);
    let last = |steps: &[StepRecord]| steps[steps.len() - 5..].iter().map(|step| step.loss).sum::<f32>() / 5.0;
    assert!((last(&one) - last(&many)).abs() < 0.3, "{} {}", last(&one), last(&many));
}
