//! What a person does with the charts, by accessible name, over runs that are told by hand.

use egui::accesskit::Role;
use egui::{
    Event as Input, Modifiers, MouseWheelSource, MouseWheelUnit, PointerButton, Pos2, TouchPhase, Vec2, pos2, vec2,
};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use super::*;
use crate::app::pages::train::live::charts_ui;
use crate::jobs::{OpenedRun, RunRecord, RunRow};
use crate::spec::{
    DataKind, DatasetSummary, Envelope, Event, MemoryLedger, MemoryReading, Metrics, Run, RunConfig, Shape, SplitRows,
    StepRecord, StepTimes, Task, units,
};

const STEPS_AN_EPOCH: usize = 20;

/// A model with this many runs of so many steps; the last is still at work.
fn model(runs: usize, steps: usize) -> Model {
    let mut model = Model::default();
    let rows = (1..=runs).map(|number| row(number, number < runs)).collect();
    model.runs.set_rows(rows);
    for number in 1..=runs {
        let run = RunId(number as i64);
        model.runs.shown.insert(run);
        let opened = OpenedRun {
            record: record(model.runs.row(run).unwrap()),
            trained: None,
            view: RunView::of(&told(number, steps, number < runs)),
            next_seq: 0,
            layers: Vec::new(),
        };
        model.runs.begin_open(run);
        model.runs.finish_open(run, Ok(Box::new(opened)));
    }
    model.runs.select(Some(RunId(runs as i64)));
    model
}

fn row(number: usize, has_ended: bool) -> RunRow {
    let run: Run = serde_json::from_value(serde_json::json!({
        "run": format!("r{number}"), "name": format!("digits-{number}"),
        "status": if has_ended { "finished" } else { "running" }, "epochs": 0, "best_epoch": null, "train": null,
        "validation": null, "test": null, "parameters": 7, "multiply_adds": 0, "elapsed_secs": 0.0,
        "samples_per_second": 0.0, "predicted_memory_bytes": 0, "peak_memory_bytes": 0,
    }))
    .unwrap();
    RunRow {
        run,
        dataset: "digits".to_owned(),
        yardstick: crate::spec::Yardstick::default(),
        architecture: "cnn".to_owned(),
        created_unix_secs: 0,
        origin: None,
        folds: None,
    }
}

fn record(row: &RunRow) -> RunRecord {
    let summary = DatasetSummary {
        name: "digits".to_owned(),
        kind: DataKind::Table,
        rows: 1000,
        input: Shape::Image {
            channels: 1,
            height: 8,
            width: 8,
        },
        task: Task::Classification {
            classes: ["0", "1", "2"].map(str::to_owned).to_vec(),
        },
        class_rows: vec![300, 300, 400],
        split: SplitRows {
            train: 700,
            validation: 150,
            test: 150,
        },
        columns: Vec::new(),
        target: String::new(),
        notes: Vec::new(),
        content: None,
    };
    RunRecord {
        run: row.run.clone(),
        plan: RunConfig::digits_cnn().check(&summary).unwrap(),
        origin: None,
        folds: None,
        created_unix_secs: 0,
    }
}

/// A run that learns, with a jump of its loss at three quarters.
fn told(number: usize, steps: usize, has_ended: bool) -> Vec<Envelope> {
    let mut events = vec![(
        0.0,
        Event::Started {
            first_step: 0,
            total_steps: 2 * steps,
            steps_per_epoch: STEPS_AN_EPOCH,
            predicted: MemoryLedger {
                weights: 4_000_000,
                gradients: 4_000_000,
                optimizer: 8_000_000,
                activations: 21_000_000,
                workspace: 6_000_000,
                batch: 1_000_000,
            },
        },
    )];
    let noise = |step: usize| ((step * 7919 + 104_729 * number) % 1009) as f64 / 504.5 - 1.0;
    let rate = (1.0 + 0.2 * number as f64) / steps as f64;
    let trend = |step: usize| 0.05 + 2.2 * (-5.0 * rate * step as f64).exp();
    let begin = steps * 3 / 4;
    for first in (0..steps).step_by(5) {
        let records = first..steps.min(first + 5);
        let elapsed_secs = 0.02 * records.end as f64;
        let jump = if (begin..begin + STEPS_AN_EPOCH).contains(&first) {
            4.0
        } else {
            1.0
        };
        let record = |step: usize| StepRecord {
            step,
            loss: (trend(step) * jump * (1.0 + 0.4 * noise(step))) as f32,
            learning_rate: 1e-3 * (1.0 - step as f64 / (2 * steps) as f64),
            gradient_norm: (2.0 + noise(step)) as f32,
        };
        events.push((
            elapsed_secs,
            Event::Steps {
                steps: records.clone().map(record).collect(),
                samples_per_second: 3000.0 + 400.0 * noise(first),
                memory: MemoryReading {
                    live_bytes: 30_000_000 + (6e6 * noise(first)) as u64,
                    peak_bytes: 41_000_000,
                    resident_bytes: 310_000_000,
                },
                cpu_cores: 1.8 + 0.1 * noise(first),
                times: StepTimes::from_parts(
                    [1.0, 2.0, 4.0, 0.5, 0.5].map(|millis| millis * 1e-3 * records.len() as f64),
                ),
            },
        ));
        if records.end % STEPS_AN_EPOCH == 0 {
            let loss = trend(records.end);
            let metrics = |loss: f64| Metrics {
                loss,
                accuracy: Some(1.0 - loss / 2.6),
                ..Metrics::default()
            };
            events.push((
                elapsed_secs,
                Event::Epoch {
                    epoch: records.end / STEPS_AN_EPOCH,
                    step: records.end,
                    train: metrics(loss),
                    validation: metrics(loss * 1.2 + 0.05),
                    is_best: true,
                },
            ));
        }
    }
    if has_ended {
        let ended = crate::spec::Ended::Stopped { step: steps };
        events.push((0.02 * steps as f64, Event::Ended { ended }));
    }
    let envelope = |(seq, (elapsed_secs, event)): (usize, (f64, Event))| Envelope {
        run: RunId(number as i64),
        seq: seq as u64,
        elapsed_secs,
        event,
    };
    events.into_iter().enumerate().map(envelope).collect()
}

#[derive(Default)]
struct Stage {
    model: Model,
    view: ChartView,
    actions: Actions,
}

fn stage(model: Model, size: Vec2) -> Harness<'static, Stage> {
    let stage = Stage {
        model,
        ..Stage::default()
    };
    let mut harness = Harness::builder()
        .with_size(size)
        .with_step_dt(1.0 / 60.0)
        .with_max_steps(64)
        .with_context_setup(theme::install)
        .build_ui_state(
            |ui, stage: &mut Stage| charts_ui(ui, &stage.model, &mut stage.view, &mut stage.actions),
            stage,
        );
    harness.run();
    harness
}

type Window = Harness<'static, Stage>;

fn plot_of(harness: &Window, name: &str) -> egui::Rect {
    harness.get_by_label(name).rect()
}

fn press(harness: &mut Window, role: Role, name: &str) {
    harness.get_by_role_and_label(role, name).click();
    harness.run();
}

fn drag(harness: &mut Window, from: Pos2, to: Pos2, modifiers: Modifiers) {
    let button = |pos, pressed| Input::PointerButton {
        pos,
        button: PointerButton::Primary,
        pressed,
        modifiers,
    };
    let moves = [
        Input::PointerMoved(from),
        button(from, true),
        Input::PointerMoved(from.lerp(to, 0.5)),
        Input::PointerMoved(to),
    ];
    harness.event(Input::ModifiersChanged(modifiers));
    for event in moves {
        harness.event(event);
        harness.step();
    }
    harness.event(button(to, false));
    harness.event(Input::ModifiersChanged(Modifiers::NONE));
    harness.run();
}

/// The one thing that was asked for, apart from what the pointer was at.
fn asked(harness: &mut Window) -> Action {
    let mut actions = std::mem::take(&mut harness.state_mut().actions.0);
    actions.retain(|action| !matches!(action, Action::Hover(_)));
    assert_eq!(actions.len(), 1, "{actions:?}");
    actions.remove(0)
}

#[test]
fn the_menu_saves_and_copies_every_point_of_the_shown_runs() {
    let mut harness = stage(model(2, 40), vec2(1000.0, 600.0));
    press(&mut harness, Role::Button, "Loss chart menu");
    press(&mut harness, Role::Button, "Save data as CSV…");
    let Action::SaveText { name, text } = asked(&mut harness) else {
        panic!("no text");
    };
    assert_eq!(name, "loss.csv");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "run,step,epoch,seconds,value,series");
    assert_eq!(lines.len(), 1 + 2 * (40 + 2));
    assert!(lines[1].starts_with("r2,1,0.0500,0.020,") && lines[1].ends_with(",training loss"));
    assert!(lines[42].starts_with("r2,40,2.0000,0.800,") && lines[42].ends_with(",validation loss"));

    press(&mut harness, Role::Button, "Memory chart menu");
    press(&mut harness, Role::Button, "Copy data");
    let copied = asked(&mut harness);
    assert!(
        matches!(&copied, Action::CopyText(text) if text.contains("resident size")),
        "{copied:?}"
    );

    press(&mut harness, Role::Button, "Accuracy chart menu");
    press(&mut harness, Role::Button, "Save picture…");
    let Action::SavePicture { rect, name } = asked(&mut harness) else {
        panic!("no picture");
    };
    assert_eq!(name, "accuracy.png");
    assert!(rect.contains_rect(plot_of(&harness, "Accuracy chart")));
}

#[test]
fn charts_on_demand_come_and_go() {
    let mut harness = stage(model(1, 40), vec2(1000.0, 600.0));
    for name in ["Learning rate", "Gradient norm", "CPU use"] {
        let chart = format!("{name} chart");
        assert!(harness.query_by_label(&chart).is_none());
        press(&mut harness, Role::Button, name);
        assert!(harness.query_by_label(&chart).is_some(), "{chart}");
    }
    press(&mut harness, Role::Button, "CPU use");
    assert!(harness.query_by_label("CPU use chart").is_none());
}

#[test]
fn axes_and_smoothing_change_what_is_drawn_and_nothing_breaks() {
    let mut harness = stage(model(2, 200), vec2(1000.0, 600.0));
    let line = |harness: &Window| {
        let view = &harness.state().view;
        let line = view.cache.line(RunId(2), Trace::TrainLoss).unwrap();
        *line.shown.points.last().unwrap()
    };
    let smoothed = line(&harness);
    assert_eq!(smoothed.x, 200.0);
    harness.state_mut().view.smoothing = 0.0;
    harness.run();
    let raw = harness
        .state()
        .model
        .runs
        .open(RunId(2))
        .unwrap()
        .view
        .steps
        .last()
        .unwrap()
        .loss;
    assert_eq!(line(&harness).y, f64::from(raw));
    for (name, x) in [
        ("Epoch", 10.0),
        ("Time", 4.0),
        ("Log x", 4_f64.log10()),
        ("Step", 200_f64.log10()),
    ] {
        press(&mut harness, Role::Button, name);
        assert!((line(&harness).x - x).abs() < 1e-9, "{name}: {:?}", line(&harness));
    }
    press(&mut harness, Role::Button, "Log y");
    assert_eq!(line(&harness).y, f64::from(raw).log10());
}

#[test]
fn a_box_zooms_all_charts_and_a_double_click_resets() {
    let mut harness = stage(model(1, 200), vec2(1000.0, 600.0));
    let shown = |harness: &Window| harness.state().view.zoom.x();
    let plot = plot_of(&harness, "Loss chart");
    let at = |share: f32, height: f32| pos2(plot.left() + share * plot.width(), plot.top() + height * plot.height());
    assert!(harness.get_by_label("Reset zoom").accesskit_node().is_disabled());

    drag(&mut harness, at(0.25, 0.2), at(0.75, 0.8), Modifiers::NONE);
    let [from, to] = shown(&harness).unwrap();
    assert!((from - 51.0).abs() < 3.0 && (to - 153.0).abs() < 3.0, "{from} to {to}");
    assert!(harness.state().view.zoom.y(Quantity::Loss).is_some());
    assert!(harness.state().view.zoom.y(Quantity::Speed).is_none());

    drag(&mut harness, at(0.5, 0.5), at(0.6, 0.5), Modifiers::SHIFT);
    let [moved, _] = shown(&harness).unwrap();
    assert!(moved < from - 5.0, "{moved}");

    harness.hover_at(at(0.5, 0.5));
    harness.step();
    for _ in 0..2 {
        for pressed in [true, false] {
            harness.event(Input::PointerButton {
                pos: at(0.5, 0.5),
                button: PointerButton::Primary,
                pressed,
                modifiers: Modifiers::NONE,
            });
        }
        harness.step();
    }
    harness.run();
    assert!(!harness.state().view.zoom.is_zoomed());

    harness.hover_at(at(0.5, 0.5));
    harness.event(Input::MouseWheel {
        unit: MouseWheelUnit::Point,
        delta: vec2(0.0, 120.0),
        phase: TouchPhase::Move,
        source: MouseWheelSource::Unknown,
        modifiers: Modifiers::NONE,
    });
    harness.run();
    let [from, to] = shown(&harness).unwrap();
    assert!(from > 10.0 && to < 190.0, "{from} to {to}");
    press(&mut harness, Role::Button, "Reset zoom");
    assert_eq!(shown(&harness), None);
}

#[test]
fn the_nearest_run_is_hovered_and_listed_first() {
    let mut harness = stage(model(3, 200), vec2(1000.0, 600.0));
    let plot = plot_of(&harness, "Loss chart");
    let view = &harness.state().view;
    let of = |run, trace| view.cache.line(RunId(run), trace).unwrap();
    let lines = (1..=3).flat_map(|run| [of(run, Trace::TrainLoss), of(run, Trace::ValidationLoss)]);
    let extremes = lines.flat_map(|line| [Some(line.shown), line.raw].into_iter().flatten());
    let [low, high] = extremes
        .filter_map(|drawn| drawn.extremes)
        .reduce(|[low, high], [least, most]| [low.min(least), high.max(most)])
        .unwrap();
    let value = of(1, Trace::ValidationLoss).shown.at(80.0).unwrap();
    let height = ((value - low) / (high - low) + 0.07) / 1.14;
    let x = plot.left() + plot.width() * 80.0 / 204.0;
    harness.hover_at(pos2(x, plot.bottom() - plot.height() * height as f32));
    harness.run();
    let hovered = harness.state().actions.0.last().cloned();
    assert!(matches!(hovered, Some(Action::Hover(RunId(1)))), "{hovered:?}");
    assert!(harness.query_by_label("r1 digits-1").is_some());
    assert!(harness.query_by_label("step 80").is_some());
}

#[test]
fn alarms_are_flags_and_a_growing_run_is_followed() {
    let mut harness = stage(model(1, 400), vec2(1000.0, 600.0));
    assert!(harness.query_by_label_contains("The training loss rose").is_some());
    let envelope = Envelope {
        run: RunId(1),
        seq: 1000,
        elapsed_secs: 10.0,
        event: Event::Steps {
            steps: vec![StepRecord {
                step: 400,
                loss: 0.25,
                learning_rate: 1e-3,
                gradient_norm: 1.0,
            }],
            samples_per_second: 1234.0,
            memory: MemoryReading::default(),
            cpu_cores: 1.0,
            times: StepTimes::default(),
        },
    };
    harness.state_mut().model.runs.apply(envelope);
    harness.run();
    let line = harness.state().view.cache.line(RunId(1), Trace::TrainLoss).unwrap();
    assert_eq!(line.curve.raw().last(), Some([401.0, 0.25]));
}

#[test]
fn before_the_first_run_there_is_one_thing_to_press() {
    let mut model = Model::default();
    model.runs.set_rows(Vec::new());
    let harness = stage(model, vec2(1000.0, 600.0));
    assert!(
        harness
            .query_by_role_and_label(Role::Button, "Run this set-up")
            .is_some()
    );
    assert!(harness.query_by_label("Loss chart").is_none());
}

#[test]
fn a_run_that_is_being_read_keeps_its_place() {
    let mut model = model(0, 0);
    model.runs.set_rows(vec![row(1, true)]);
    model.runs.shown.insert(RunId(1));
    let harness = stage(model, vec2(1000.0, 600.0));
    assert!(harness.query_by_label("Loss chart").is_some());
}

#[test]
fn where_a_step_s_time_goes_is_a_bar_that_is_told_in_words() {
    let harness = stage(model(1, 40), vec2(1000.0, 600.0));
    let bar =
        "A training step 8.00 ms: data 1.00 ms, forward 2.00 ms, backward 4.00 ms, optimizer 500 µs, other 500 µs";
    assert!(harness.get_by_label(bar).rect().width() > 500.0);
}

#[test]
fn the_speed_of_a_run_that_has_ended_is_that_of_the_whole() {
    let mut model = model(2, 200);
    model.runs.select(Some(RunId(1)));
    let view = &model.runs.open(RunId(1)).unwrap().view;
    let of = |speed: f64| format!("{} samples/s", units::count(speed));
    let (mean, last) = (
        of(view.samples_per_second()),
        of(view.readings.last().unwrap().samples_per_second),
    );
    assert_ne!(mean, last);
    let harness = stage(model, vec2(1000.0, 600.0));
    assert!(harness.query_by_label(&mean).is_some(), "{mean}");
}
