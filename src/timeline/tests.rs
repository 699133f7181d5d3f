//! A run told by events: started, interrupted, resumed, ended.

use super::RunView;
use crate::spec::{
    Ended, Envelope, Event, Failure, MemoryLedger, MemoryReading, Metrics, Run, RunId, RunStatus, StepRecord,
};

fn told(events: impl IntoIterator<Item = (f64, Event)>) -> Vec<Envelope> {
    let number = |(seq, (elapsed_secs, event)): (usize, (f64, Event))| Envelope {
        run: RunId(1),
        seq: seq as u64,
        elapsed_secs,
        event,
    };
    events.into_iter().enumerate().map(number).collect()
}

fn started(first_step: usize) -> Event {
    Event::Started {
        first_step,
        total_steps: 40,
        steps_per_epoch: 10,
        predicted: MemoryLedger {
            weights: 100,
            ..MemoryLedger::default()
        },
    }
}

fn steps(range: std::ops::Range<usize>, loss: f32, samples_per_second: f64, peak_bytes: u64) -> Event {
    Event::Steps {
        steps: range
            .map(|step| StepRecord {
                step,
                loss,
                learning_rate: 0.1,
                gradient_norm: 1.0,
            })
            .collect(),
        samples_per_second,
        memory: MemoryReading {
            peak_bytes,
            ..MemoryReading::default()
        },
        cpu_cores: 1.5,
    }
}

fn accuracy(accuracy: f64) -> Metrics {
    Metrics {
        accuracy: Some(accuracy),
        ..Metrics::default()
    }
}

fn epoch(epoch: usize, score: f64, is_best: bool) -> Event {
    Event::Epoch {
        epoch,
        step: epoch * 10,
        train: accuracy(score),
        validation: accuracy(score),
        is_best,
    }
}

fn blank() -> Run {
    serde_json::from_value(serde_json::json!({
        "run": "r1", "name": "a", "status": "queued", "epochs": 0, "best_epoch": null, "train": null, "validation": null,
        "test": null, "parameters": 7, "multiply_adds": 0, "elapsed_secs": 0.0, "samples_per_second": 0.0,
        "predicted_memory_bytes": 0, "peak_memory_bytes": 0,
    }))
    .unwrap()
}

#[test]
fn a_run_that_goes_on_is_timed_and_told_in_a_line() {
    let view = RunView::of(&told([
        (0.0, started(0)),
        (1.0, steps(0..5, 0.9, 100.0, 500)),
        (2.0, steps(5..10, 0.5, 300.0, 400)),
        (2.0, epoch(1, 0.8, true)),
    ]));
    assert_eq!(
        (view.status, view.step, view.total_epochs()),
        (RunStatus::Running, 10, 4)
    );
    assert_eq!(view.samples_per_second(), 150.0);
    assert_eq!(view.peak_bytes(), 500);
    assert!(view.readings.iter().all(|reading| reading.cpu_cores == 1.5));
    assert_eq!(view.remaining_secs(), Some(6.0));
    assert_eq!(
        view.progress_line(),
        "epoch 1/4 · step 10/40 · loss 0.5000 · validation accuracy 0.800 · 300 samples/s · 6 s left"
    );
}

#[test]
fn an_event_recorded_without_cpu_use_can_be_read() {
    let mut value = serde_json::to_value(steps(0..1, 0.5, 1.0, 1)).unwrap();
    value.as_object_mut().unwrap().remove("cpu_cores").unwrap();
    let event: Event = serde_json::from_value(value).unwrap();
    assert_eq!(RunView::of(&told([(1.0, event)])).readings[0].cpu_cores, 0.0);
}

#[test]
fn a_resumed_run_is_one_curve_and_its_pace_is_that_of_the_sitting() {
    let view = RunView::of(&told([
        (0.0, started(0)),
        (10.0, steps(0..10, 1.0, 1.0, 1)),
        (10.0, epoch(1, 0.5, true)),
        (14.0, steps(10..14, 1.0, 1.0, 1)),
        (14.0, started(10)),
        (15.0, steps(10..20, 2.0, 1.0, 1)),
        (15.0, epoch(2, 0.4, false)),
    ]));
    assert_eq!(view.steps.len(), 20);
    assert!(view.steps.iter().enumerate().all(|(index, step)| step.step == index));
    assert_eq!((view.steps[9].loss, view.steps[10].loss), (1.0, 2.0));
    assert_eq!(view.remaining_secs(), Some(2.0));
    assert_eq!(view.best().map(|point| point.epoch), Some(1));
}

#[test]
fn pauses_progress_and_ends_change_the_status() {
    let mut view = RunView::new();
    assert_eq!(view.progress_line(), "queued");
    for (event, status) in [
        (started(0), RunStatus::Running),
        (Event::Paused { step: 0 }, RunStatus::Paused),
        (Event::Resumed { step: 0 }, RunStatus::Running),
        (
            Event::Progress {
                what: "measuring".to_owned(),
                done: 3,
                total: 30,
            },
            RunStatus::Running,
        ),
    ] {
        view.apply(&told([(0.0, event)])[0]);
        assert_eq!(view.status, status);
    }
    assert_eq!(view.progress_line(), "measuring · 3 of 30");
    let ended = Ended::Stopped { step: 0 };
    view.apply(&told([(0.0, Event::Ended { ended })])[0]);
    assert_eq!((view.status, view.remaining_secs()), (RunStatus::Stopped, None));
}

#[test]
fn the_row_says_what_the_events_say() {
    let mut events = vec![
        (0.0, started(0)),
        (1.0, steps(0..10, 1.0, 50.0, 9)),
        (1.0, epoch(1, 0.9, true)),
        (2.0, epoch(2, 0.7, false)),
    ];
    let row = |events: &[(f64, Event)]| {
        let mut run = blank();
        RunView::of(&told(events.to_vec())).summarise(&mut run);
        run
    };
    let run = row(&events);
    assert_eq!(
        (run.status, run.epochs, run.best_epoch),
        (RunStatus::Running, 2, Some(1))
    );
    assert_eq!((run.train, run.test), (Some(accuracy(0.9)), None));
    assert_eq!(
        (run.predicted_memory_bytes, run.peak_memory_bytes, run.parameters),
        (100, 9, 7)
    );

    let failure = Failure::new("step 3", "the loss is infinite", "lower the learning rate");
    events.push((
        3.0,
        Event::Ended {
            ended: Ended::Failed { failure },
        },
    ));
    let run = row(&events);
    assert_eq!(run.status, RunStatus::Failed);
    assert_eq!(
        run.failure.as_deref(),
        Some("step 3: the loss is infinite; lower the learning rate")
    );

    events.push((3.0, started(10)));
    let ended = Ended::Finished {
        best_epoch: 1,
        epochs: 4,
        train: accuracy(0.91),
        validation: accuracy(0.92),
        test: accuracy(0.93),
    };
    events.push((4.0, Event::Ended { ended }));
    let run = row(&events);
    assert_eq!((run.status, run.epochs, run.failure), (RunStatus::Finished, 4, None));
    assert_eq!(run.test, Some(accuracy(0.93)));
}
