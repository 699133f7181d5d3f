//! What a person does under the charts, by accessible name.

mod findings;
mod inside;

use std::sync::Arc;

use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use super::{Tab, TabsView, tabs_ui};
use crate::app::action::Action;
use crate::app::state::{JobKind, Model, Samples, Seen};
use crate::app::tests::models::{Scene, begin, child, enqueue, open, row, scene, with_runs};
use crate::app::widgets::samples::asked_samples_ui;
use crate::jobs::Part;
use crate::spec::{
    AnswersSeen, Changes, ClassAnswer, ClassChange, Ended, Envelope, Event, Failure, Histogram, RunConfig, RunId,
    RunStatus, SampleView, Snapshot, Surface, TargetAnswers, Wanted,
};

type Stage = Harness<'static, Scene<TabsView>>;

const RUN: RunId = RunId(3);

fn stage(model: Model) -> Stage {
    sized(model, 900.0)
}

fn sized(model: Model, height: f32) -> Stage {
    of_size(model, [1040.0, height])
}

fn of_size(model: Model, size: [f32; 2]) -> Stage {
    let builder = Harness::builder().with_size(size).with_max_steps(64);
    let mut stage = scene(builder, model, TabsView::default(), |ui, model, view, actions| {
        tabs_ui(ui, model, view, actions);
        asked_samples_ui(ui, model, actions);
    });
    stage.run_steps(3);
    stage
}

fn press(stage: &mut Stage, name: &str) {
    stage.get_by_label(name).click();
    stage.run();
}

fn says(stage: &Stage, text: &str) -> bool {
    stage.query_all_by_label_contains(text).next().is_some()
}

fn sample(row: usize, truth: &str, answer: &str) -> SampleView {
    SampleView {
        row,
        truth: truth.to_owned(),
        answer: answer.to_owned(),
        columns: vec!["width".to_owned(), "height".to_owned()],
        cells: vec!["1.5".to_owned(), "20".to_owned()],
        pixels: None,
        series: None,
    }
}

/// 60 rows of class 3 that are taken for 5, and some that are right.
fn snapshot() -> Snapshot {
    let answer = |truth, answer| ClassAnswer {
        truth,
        answer,
        probability: 0.5,
        confidence: 0.5,
    };
    let mut rows = vec![answer(0, 0); 100];
    rows[20] = answer(9, 4);
    rows.extend(vec![answer(3, 5); 60]);
    Snapshot {
        epoch: 7,
        part: "validation",
        wanted: Wanted::default(),
        answers: AnswersSeen::Classes {
            classes: (0..10).map(|class| class.to_string()).collect(),
            rows,
            curves: Vec::new(),
            worst: vec![sample(120, "3", "5 (97.0 %)"), sample(20, "9", "4 (61.0 %)")],
        },
        surface: None,
        histograms: vec![Histogram {
            name: "layers.0.weight".to_owned(),
            low: -1.0,
            high: 1.0,
            counts: vec![1, 6, 2, 1],
            zeros: 0.5,
            values: 10,
        }],
        filters: None,
        gradients: None,
        attention: None,
        changes: None,
    }
}

/// A finished run with its pictures.
fn seen(snapshot: Snapshot) -> Model {
    let mut model = with_runs(vec![row(RUN.0, "digits-cnn")]);
    open(&mut model, RUN);
    model.runs.set_seen(RUN, Seen::Ready(Arc::new(snapshot)));
    model
}

#[test]
fn a_cell_opens_its_samples_and_no_more_than_can_be_looked_at() {
    let mut stage = stage(seen(snapshot()));
    assert!(says(&stage, "61.9 %") && says(&stage, "validation rows, epoch 7"));
    press(&mut stage, "truth 9, answered 4: 1 sample");
    press(&mut stage, "truth 3, answered 5: 60 samples");
    let [first, second] = &stage.state().asked[..] else {
        panic!("{:?}", stage.state().asked);
    };
    let config = RunConfig::digits_cnn();
    let Action::Samples {
        title,
        data,
        part,
        rows,
    } = first
    else {
        panic!("{first:?}");
    };
    assert_eq!(
        (title.as_str(), *part, &rows[..]),
        ("Truth 9, answered 4: 1 sample", Part::Validation, &[20][..])
    );
    assert_eq!(*data, config.data);
    let Action::Samples { title, rows, .. } = second else {
        panic!("{second:?}");
    };
    assert_eq!(title, "Truth 3, answered 5: 48 of 60 samples");
    assert_eq!(*rows, (100..148).collect::<Vec<_>>());
    press(&mut stage, "3 taken for 5: 60");
    assert!(matches!(&stage.state().asked[2], Action::Samples { rows, .. } if rows.len() == 48));
}

#[test]
fn samples_that_were_asked_for_lie_over_the_page_until_they_are_closed() {
    let mut model = seen(snapshot());
    model.samples = Some(Samples {
        title: "Truth 9, answered 4: 1 sample".to_owned(),
        samples: None,
    });
    let mut stage = stage(model);
    assert!(says(&stage, "Reading the samples"));
    stage.state_mut().model.samples.as_mut().unwrap().samples = Some(Ok(vec![sample(20, "9", "")]));
    stage.run();
    assert!(says(&stage, "height") && says(&stage, "20"));
    press(&mut stage, "Close samples");
    assert!(matches!(stage.state().asked[..], [Action::CloseSamples]));
    stage.key_press(egui::Key::Escape);
    stage.run();
    assert!(matches!(
        stage.state().asked[..],
        [Action::CloseSamples, Action::CloseSamples]
    ));
}

#[test]
fn tabs_are_switched_folded_and_opened() {
    let mut stage = stage(seen(snapshot()));
    assert!(
        stage.query_by_label("Decision surface").is_none(),
        "digits have no plane"
    );
    press(&mut stage, "Worst samples");
    assert!(says(&stage, "5 (97.0 %)") && says(&stage, "width"));
    press(&mut stage, "Weights");
    assert!(says(
        &stage,
        "layers.0.weight: 10 values from -1.00 to 1.00, 50.0 % zeros"
    ));
    press(&mut stage, "Log");
    assert!(says(&stage, "digits-cnn · finished · 30 epochs · weights of epoch 27"));
    press(&mut stage, "Log");
    assert!(!says(&stage, "weights of epoch 27"), "the chosen tab folds the panel");
    press(&mut stage, "Show the tabs");
    assert!(says(&stage, "weights of epoch 27"));
}

#[test]
fn a_low_window_starts_with_folded_tabs() {
    let mut stage = sized(seen(snapshot()), 700.0);
    assert!(!says(&stage, "61.9 %"));
    press(&mut stage, "Confusion matrix");
    assert!(says(&stage, "61.9 %"));
}

#[test]
fn pictures_are_asked_for_once_and_only_of_runs_that_are_not_at_work() {
    let mut model = with_runs(vec![row(RUN.0, "digits-cnn")]);
    open(&mut model, RUN);
    let mut stage = stage(model);
    assert!(matches!(stage.state().asked[0], Action::Inspect(RUN, _)));
    stage.state_mut().model.runs.set_seen(RUN, Seen::Loading);
    stage.state_mut().asked.clear();
    stage.run();
    assert!(says(&stage, "Looking into digits-cnn") && stage.state().asked.is_empty());
    let reason = "run r3: keeps no network yet; train it to its end";
    stage
        .state_mut()
        .model
        .runs
        .set_seen(RUN, Seen::Failed(reason.to_owned()));
    stage.run();
    assert!(says(&stage, reason) && stage.state().asked.is_empty());

    let model = &mut stage.state_mut().model;
    model.runs.end(RUN);
    model.runs.change(RUN, |row| row.run.status = RunStatus::Running);
    enqueue(model, 1, "digits-cnn", JobKind::Train);
    begin(model, RUN);
    stage.run();
    assert!(says(&stage, "It comes when an epoch of this run ends") && stage.state().asked.is_empty());
}

#[test]
fn the_last_picture_stays_until_a_newer_one_of_the_run_has_come() {
    let mut stage = stage(seen(snapshot()));
    stage.state_mut().model.runs.end(RUN);
    stage.run_steps(1);
    assert!(matches!(stage.state().asked[..], [Action::Inspect(RUN, _)]));
    stage.state_mut().model.runs.set_seen(RUN, Seen::Loading);
    stage.run();
    assert!(says(&stage, "61.9 %"));
    let mut newer = snapshot();
    newer.part = "test";
    stage.state_mut().model.runs.set_seen(RUN, Seen::Ready(Arc::new(newer)));
    stage.run();
    assert!(says(&stage, "61.9 %") && says(&stage, "test rows, answered by the exported file"));
}

#[test]
fn without_a_run_every_tab_says_what_will_be_there() {
    let mut stage = stage(with_runs(Vec::new()));
    for (tab, words) in [
        ("Confusion matrix", "Which classes the network takes for which"),
        ("Findings", "what would mend it"),
        ("Worst samples", "gets most wrong"),
        ("Weights", "exactly zero"),
        ("Log", "What a run has to say"),
    ] {
        if tab != "Confusion matrix" {
            press(&mut stage, tab);
        }
        assert!(says(&stage, words) && says(&stage, "Press Run"), "{tab}");
    }
}

#[test]
fn a_failed_run_shows_its_log_by_itself_once_and_offers_to_resume() {
    let mut failed = row(4, "too-fast");
    failed.run.status = RunStatus::Failed;
    failed.run.failure = Some("step 12: the loss is not a number; lower the learning rate".to_owned());
    let mut model = with_runs(vec![row(RUN.0, "digits-cnn"), failed]);
    open(&mut model, RunId(4));
    let ended = Ended::Failed {
        failure: Failure::new("step 12", "the loss is not a number", "lower the learning rate"),
    };
    model.runs.apply(Envelope {
        run: RunId(4),
        seq: 0,
        elapsed_secs: 1.0,
        event: Event::Ended { ended },
    });
    let mut stage = stage(model);
    assert!(says(&stage, "step 12: the loss is not a number"));
    assert!(says(&stage, "What to do: lower the learning rate"));
    stage.get_by_role_and_label(Role::Button, "Resume").click();
    stage.run();
    assert!(matches!(stage.state().asked[..], [Action::Resume(RunId(4))]));
    press(&mut stage, "Copy log");
    let Some(Action::CopyText(text)) = stage.state().asked.last() else {
        panic!("{:?}", stage.state().asked);
    };
    assert!(
        text.contains("too-fast · failed") && text.ends_with("What to do: lower the learning rate"),
        "{text}"
    );
    press(&mut stage, "Weights");
    assert!(!says(&stage, "What to do"), "the person's own choice stays");
    stage.state_mut().model.runs.select(Some(RUN));
    stage.run();
    stage.state_mut().model.runs.select(Some(RunId(4)));
    stage.run();
    assert!(!says(&stage, "What to do"), "it was shown once");
}

#[test]
fn data_of_two_inputs_have_a_decision_surface_first() {
    let mut with_plane = snapshot();
    with_plane.surface = Some(Surface {
        columns: ["length".to_owned(), "width".to_owned()],
        x: [0.0, 4.0],
        y: [-1.0, 1.0],
        size: 2,
        cells: vec![(0, 1.0), (1, 0.6), (1, 0.9), (0, 0.8)],
        points: vec![([1.0, 0.0], 0), ([3.0, 0.5], 1)],
    });
    let stage = stage(seen(with_plane));
    assert_eq!(stage.state().view.tab, None);
    assert!(
        stage
            .query_by_role_and_label(Role::Figure, "Decision surface")
            .is_some()
    );
    assert!(says(&stage, "Points: 2 training rows"));
}

#[test]
fn a_regression_shows_predicted_against_true_values() {
    let mut regression = snapshot();
    regression.answers = AnswersSeen::Values {
        targets: vec![TargetAnswers {
            name: "price".to_owned(),
            rows: vec![[1.0, 2.0], [3.0, 3.0], [5.0, 4.0]],
        }],
        worst: vec![sample(0, "1.00", "2.00")],
        forecast: None,
    };
    let mut stage = stage(seen(regression));
    assert!(stage.query_by_label("Confusion matrix").is_none());
    press(&mut stage, "Weights");
    stage.get_by_role_and_label(Role::Tab, "True and predicted").click();
    stage.run();
    assert_eq!(stage.state().view.tab, Some(Tab::Answers));
    assert!(says(&stage, "root mean squared error") && says(&stage, "0.816"));
}

#[test]
fn a_compressed_run_says_what_broke() {
    let count = |rows, right_before, right_after| ClassChange {
        rows,
        right_before,
        right_after,
        broken: right_before - right_after,
        mended: 0,
    };
    let changes = Changes {
        parent: "digits-cnn".to_owned(),
        classes: vec!["0".to_owned(), "1".to_owned()],
        counts: vec![count(10, 10, 10), count(10, 10, 9)],
        broken: vec![sample(3, "1", "0 (61.0 %)")],
        mended: Vec::new(),
        signal_to_noise: Some(24.0),
    };
    // A run that was not compressed has no such tab.
    assert!(
        stage(seen(snapshot()))
            .query_by_role_and_label(Role::Tab, "What broke")
            .is_none()
    );
    let whole = row(RUN.0 - 1, "digits-cnn");
    let compressed = child(RUN.0, &whole, "units:0.5");
    let mut model = with_runs(vec![whole, compressed]);
    open(&mut model, RUN);
    model.runs.select(Some(RUN));
    let snapshot = Snapshot {
        changes: Some(changes),
        ..snapshot()
    };
    model.runs.set_seen(RUN, Seen::Ready(Arc::new(snapshot)));
    let mut stage = stage(model);
    press(&mut stage, "What broke");
    assert!(says(&stage, "of 20, against digits-cnn") && says(&stage, "24.0 dB"));
    assert!(says(&stage, "90.0 %") && says(&stage, "-1"));
    press(&mut stage, "Mended");
    assert!(says(&stage, "No row was mended"));
}

#[test]
fn a_picture_taken_in_training_that_comes_after_the_end_is_left_out() {
    let mut model = with_runs(vec![row(RUN.0, "digits-cnn")]);
    let late = || Arc::new(snapshot());
    model.runs.begin(RUN);
    model.runs.set_live(RUN, late());
    assert!(matches!(model.runs.seen(RUN), Some(Seen::Ready(_))));
    model.runs.end(RUN);
    model.runs.set_live(RUN, late());
    assert!(model.runs.seen(RUN).is_none());
    // Of a run that is taken up again they are welcome.
    model.runs.begin(RUN);
    model.runs.set_live(RUN, late());
    assert!(matches!(model.runs.seen(RUN), Some(Seen::Ready(_))));
}
