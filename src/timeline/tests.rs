//! A run told by events: started, interrupted, resumed, ended.

use proptest::prelude::*;

use super::{Curve, RunView, Trace, XAxis};
use crate::spec::{
    Ended, Envelope, Event, Failure, MemoryLedger, MemoryReading, Metrics, Run, RunId, RunStatus, StepRecord, StepTimes,
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
        times: StepTimes::default(),
    }
}

fn accuracy(accuracy: f64) -> Metrics {
    Metrics {
        accuracy: Some(accuracy),
        ..Metrics::default()
    }
}

/// A step whose loss is given.
fn step(step: usize, loss: f32) -> Event {
    let Event::Steps {
        mut steps,
        samples_per_second,
        memory,
        cpu_cores,
        times,
    } = steps(step..step + 1, loss, 100.0, 1)
    else {
        unreachable!("steps are steps")
    };
    steps[0].gradient_norm = loss / 2.0;
    Event::Steps {
        steps,
        samples_per_second,
        memory,
        cpu_cores,
        times,
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
        "epoch 1/4 · loss 0.5000 · validation accuracy 0.800 · 6 s left · 300 samples/s · step 10/40"
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
fn a_step_s_time_is_the_mean_of_those_that_tell_it() {
    let with = |range: std::ops::Range<usize>, parts: [f64; 5]| {
        let mut event = steps(range, 0.5, 100.0, 1);
        let Event::Steps { times, .. } = &mut event else {
            unreachable!("steps are steps")
        };
        *times = StepTimes::from_parts(parts);
        event
    };
    // As stores of before have it.
    let mut old = serde_json::to_value(steps(0..5, 0.5, 100.0, 1)).unwrap();
    old.as_object_mut().unwrap().remove("times").unwrap();
    let old: Event = serde_json::from_value(old).unwrap();
    assert_eq!(RunView::of(&told([(1.0, old.clone())])).step_times(), None);
    let view = RunView::of(&told([
        (1.0, old),
        (2.0, with(5..6, [1.0, 2.0, 4.0, 8.0, 0.0])),
        (3.0, with(6..9, [3.0, 2.0, 4.0, 8.0, 4.0])),
    ]));
    let times = view.step_times().unwrap();
    assert_eq!(times.parts(), [1.0, 1.0, 2.0, 4.0, 1.0]);
    assert_eq!(times.total_secs(), 9.0);
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
    assert_eq!((view.rewrites, view.readings.len(), view.readings[1].step), (1, 2, 20));
    let places = |axis| [10, 15, 20].map(|step| view.place(axis, step));
    assert_eq!(places(XAxis::Time), [10.0, 14.5, 15.0]);
    assert_eq!(places(XAxis::Epoch), [1.0, 1.5, 2.0]);
    assert_eq!(view.extent(XAxis::Step), Some([1.0, 20.0]));
}

#[test]
fn what_is_lost_with_a_crash_is_forgotten_and_the_peak_is_not() {
    let view = RunView::of(&told([
        (0.0, started(0)),
        (1.0, steps(0..10, 1.0, 1.0, 70)),
        (1.0, epoch(1, 0.5, true)),
        (2.0, steps(10..20, 1.0, 1.0, 90)),
        (2.0, epoch(2, 0.9, true)),
        (2.0, started(10)),
    ]));
    assert_eq!((view.step, view.steps.len(), view.readings.len()), (10, 10, 1));
    assert_eq!(view.best().map(|point| point.epoch), Some(1));
    assert_eq!((view.peak_bytes(), view.rewrites), (90, 1));
}

#[test]
fn an_average_without_a_pull_towards_its_start() {
    let view = RunView::of(&told((0..4).map(|at| (1.0, step(at, [2.0, 4.0, f32::NAN, 0.0][at])))));
    let mut curve = Curve::new(Trace::TrainLoss, XAxis::Step, 0.5);
    curve.take(&view);
    assert_eq!(curve.raw().points(), &[[1.0, 2.0], [2.0, 4.0], [4.0, 0.0]]);
    let smooth: Vec<f64> = curve.shown().points().iter().map(|point| point[1]).collect();
    assert_eq!(
        smooth,
        [2.0, (0.5 * 2.0 + 1.0 * 4.0) / 1.5, (0.25 * 2.0 + 0.5 * 4.0) / 1.75]
    );
    curve.smooth_by(0.0);
    assert_eq!(curve.shown().points(), curve.raw().points());
}

proptest! {
    #[test]
    fn a_curve_that_grows_with_its_run_is_that_of_the_whole(
        losses in prop::collection::vec(prop_oneof![9 => -10.0..10.0_f32, 1 => Just(f32::NAN)], 1..120),
        resumed_at in 0.0..1.0_f64,
        back in 0_usize..30,
        smoothing in prop_oneof![Just(0.0), 0.0..0.99_f64],
    ) {
        let break_at = (resumed_at * losses.len() as f64) as usize;
        let first_step = break_at.saturating_sub(back);
        let mut events = vec![(0.0, started(0))];
        events.extend(losses[..break_at].iter().enumerate().map(|(at, &loss)| (at as f64, step(at, loss))));
        events.push((break_at as f64, started(first_step)));
        for (at, &loss) in losses.iter().enumerate().skip(first_step) {
            events.push((2.0 * at as f64, step(at, loss)));
            if (at + 1) % 10 == 0 {
                events.push((2.0 * at as f64, epoch((at + 1) / 10, f64::from(loss), false)));
            }
        }
        let traces = [Trace::TrainLoss, Trace::GradientNorm, Trace::ValidationScore, Trace::SamplesPerSecond];
        for axis in [XAxis::Step, XAxis::Epoch, XAxis::Time] {
            let mut view = RunView::new();
            let mut growing = traces.map(|trace| Curve::new(trace, axis, smoothing));
            for envelope in told(events.clone()) {
                view.apply(&envelope);
                for curve in &mut growing {
                    curve.take(&view);
                }
            }
            for (curve, trace) in growing.iter().zip(traces) {
                let mut whole = Curve::new(trace, axis, 0.0);
                whole.take(&view);
                whole.smooth_by(smoothing);
                prop_assert_eq!(curve.raw().points(), whole.raw().points());
                prop_assert_eq!(curve.shown().points(), whole.shown().points());
                prop_assert_eq!(curve.version(), whole.version());
                prop_assert_eq!(trace.points(&view).filter(|point| point.value.is_finite()).count(), curve.raw().points().len());
            }
        }
    }
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
