//! What a person draws, types and chooses, by accessible name.

use egui::accesskit::Role;
use egui::{Event, PointerButton, Pos2, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use super::{TryView, try_ui};
use crate::app::action::{Action, Page};
use crate::app::state::Model;
use crate::app::tests::models::{Scene, child, measured, open, row, scene, with_runs};
use crate::jobs::{RunRow, Trial, Tried, TryInput};
use crate::spec::{RunId, SampleView, Shape, Verdict};

type Stage = Harness<'static, Scene<TryView>>;

const BASELINE: RunId = RunId(3);
const SMALLER: RunId = RunId(4);
const NOT_MEASURED: RunId = RunId(5);

fn stage(model: Model) -> Stage {
    let builder = Harness::builder().with_size([1376.0, 800.0]).with_max_steps(64);
    let mut stage = scene(builder, model, TryView::default(), try_ui);
    stage.run_steps(3);
    stage
}

fn baseline() -> RunRow {
    measured(row(BASELINE.0, "digits-cnn"), 0.972, 148.0, 1.92, Verdict::CannotTell)
}

fn digits() -> Model {
    let baseline = baseline();
    let smaller = child(SMALLER.0, &baseline, "units:0.5:finetune=3");
    let rows = vec![
        measured(smaller, 0.966, 37.0, 0.71, Verdict::Faster),
        child(NOT_MEASURED.0, &baseline, "fp16"),
        baseline,
    ];
    let mut model = with_runs(rows);
    open(&mut model, BASELINE);
    model
}

fn press(stage: &mut Stage, name: &str) {
    stage.get_by_role_and_label(Role::Button, name).click();
    stage.run();
}

fn says(stage: &Stage, text: &str) -> bool {
    stage.query_all_by_label_contains(text).next().is_some()
}

/// What was asked since the last time.
fn asked(stage: &mut Stage) -> Vec<(Vec<RunId>, TryInput)> {
    // Questions keep a distance of a fifth of a second.
    stage.run_steps(30);
    let actions = std::mem::take(&mut stage.state_mut().asked);
    let questions = actions.into_iter().filter_map(|action| match action {
        Action::Try { runs, input } => Some((runs, input)),
        _ => None,
    });
    questions.collect()
}

fn on_pad(stage: &Stage, x: f32, y: f32) -> Pos2 {
    stage.get_by_label("Drawing pad").rect().lerp_inside(vec2(x, y))
}

fn drag(stage: &mut Stage, button: PointerButton, places: &[(f32, f32)]) {
    let mut at = Pos2::ZERO;
    for (number, &(x, y)) in places.iter().enumerate() {
        at = on_pad(stage, x, y);
        stage.event(Event::PointerMoved(at));
        if number == 0 {
            stage.event(Event::PointerButton {
                pos: at,
                button,
                pressed: true,
                modifiers: egui::Modifiers::NONE,
            });
        }
        stage.run_steps(1);
    }
    stage.event(Event::PointerButton {
        pos: at,
        button,
        pressed: false,
        modifiers: egui::Modifiers::NONE,
    });
    stage.run();
}

fn sample(truth: &str, cells: &[(&str, &str)], pixels: Option<(Shape, Vec<f32>)>) -> SampleView {
    SampleView {
        row: 0,
        truth: truth.to_owned(),
        answer: String::new(),
        columns: cells.iter().map(|(name, _)| (*name).to_owned()).collect(),
        cells: cells.iter().map(|(_, cell)| (*cell).to_owned()).collect(),
        pixels,
        series: None,
    }
}

fn trial(answer: &str, microseconds: f64) -> Trial {
    let of = |class: usize| if class.to_string() == answer { 0.91 } else { 0.01 };
    Trial {
        answer: answer.to_owned(),
        values: Vec::new(),
        probabilities: (0..10).map(|class| (class.to_string(), of(class))).collect(),
        microseconds,
    }
}

fn digit() -> (Shape, Vec<f32>) {
    let shape = Shape::Image {
        channels: 1,
        height: 8,
        width: 8,
    };
    (shape, vec![0.5; 64])
}

#[test]
fn a_drawing_is_asked_as_pixels_while_it_grows_and_clear_empties_it() {
    let mut stage = stage(digits());
    assert_eq!(asked(&mut stage), [(vec![BASELINE, SMALLER], TryInput::TestRow(0))]);
    let stroke = [(0.5, 0.1), (0.5, 0.4), (0.5, 0.9)];
    drag(&mut stage, PointerButton::Primary, &stroke);
    let questions = asked(&mut stage);
    let Some((runs, TryInput::Pixels(pixels))) = questions.last() else {
        panic!("{questions:?}");
    };
    assert_eq!((&runs[..], pixels.len()), (&[BASELINE, SMALLER][..], 64));
    let column = |x: usize| (0..8).map(|y| pixels[y * 8 + x]).sum::<f32>();
    assert!(
        column(3) + column(4) > 5.0 && column(0) + column(7) == 0.0,
        "{pixels:?}"
    );
    assert!(asked(&mut stage).is_empty(), "an unchanged drawing is not asked again");

    drag(&mut stage, PointerButton::Primary, &[(0.2, 0.5), (0.8, 0.5)]);
    let questions = asked(&mut stage);
    let Some((_, TryInput::Pixels(more))) = questions.last() else {
        panic!("{questions:?}");
    };
    assert_ne!(more, pixels);

    press(&mut stage, "Clear");
    assert!(stage.state().view.input.drawing.as_ref().unwrap().is_empty());
    assert!(asked(&mut stage).is_empty() && says(&stage, "Answers as you draw"));
}

#[test]
fn the_right_button_and_the_eraser_take_ink_away() {
    let ink = |stage: &Stage| -> f32 {
        let drawing = stage.state().view.input.drawing.as_ref().unwrap();
        drawing.ink().iter().sum()
    };
    let mut stage = stage(digits());
    drag(&mut stage, PointerButton::Primary, &[(0.5, 0.1), (0.5, 0.9)]);
    let all = ink(&stage);
    drag(&mut stage, PointerButton::Secondary, &[(0.5, 0.1), (0.5, 0.4)]);
    let less = ink(&stage);
    assert!(less < 0.8 * all, "{less} of {all}");
    press(&mut stage, "Erase");
    drag(&mut stage, PointerButton::Primary, &[(0.5, 0.4), (0.5, 0.9)]);
    assert!(ink(&stage) < 0.3 * less);
    press(&mut stage, "Draw");
    drag(&mut stage, PointerButton::Primary, &[(0.2, 0.2), (0.8, 0.2)]);
    assert!(ink(&stage) > 0.3 * less);
}

#[test]
fn no_question_is_asked_while_an_answer_is_awaited() {
    let mut stage = stage(digits());
    asked(&mut stage);
    stage.state_mut().model.trial.is_waiting = true;
    press(&mut stage, "Next test sample");
    assert!(asked(&mut stage).is_empty());
    stage.state_mut().model.trial.is_waiting = false;
    assert_eq!(asked(&mut stage), [(vec![BASELINE, SMALLER], TryInput::TestRow(1))]);
}

#[test]
fn answers_stand_side_by_side_with_truth_agreement_and_cost() {
    let mut stage = stage(digits());
    asked(&mut stage);
    stage.state_mut().model.trial.result = Some(Ok(Tried {
        truth: Some("3".to_owned()),
        true_values: Vec::new(),
        sample: sample("3", &[], Some(digit())),
        trials: vec![(BASELINE, Ok(trial("3", 40.0))), (SMALLER, Ok(trial("5", 10.0)))],
    }));
    stage.run();
    for words in [
        "Its truth is 3",
        "right",
        "wrong, it is 3",
        "the baseline says 3",
        "3: 91.0 %",
        "10 µs",
        "0.250 ×",
        "37.0 kB",
        "148 kB",
    ] {
        assert!(says(&stage, words), "{words}");
    }
    let fp16 = format!("digits-cnn-fp16 · {NOT_MEASURED}");
    stage.get_by_role_and_label(Role::CheckBox, &fp16).click();
    stage.run();
    let questions = asked(&mut stage);
    assert_eq!(questions.last().unwrap().0, [BASELINE, SMALLER, NOT_MEASURED]);
    stage.state_mut().model.trial.result = Some(Ok(Tried {
        truth: Some("3".to_owned()),
        true_values: Vec::new(),
        sample: sample("3", &[], Some(digit())),
        trials: vec![
            (BASELINE, Ok(trial("3", 40.0))),
            (SMALLER, Ok(trial("3", 10.0))),
            (NOT_MEASURED, Err("run r5: its file is gone; compress again".to_owned())),
        ],
    }));
    stage.run();
    assert!(says(&stage, "agrees with baseline") && says(&stage, "its file is gone"));
}

#[test]
fn a_table_s_fields_start_from_a_test_row_and_a_changed_one_is_asked() {
    let mut table = row(7, "iris-mlp");
    table.dataset = "iris".to_owned();
    let mut stage = stage(with_runs(vec![table]));
    assert_eq!(asked(&mut stage), [(vec![RunId(7)], TryInput::TestRow(0))]);
    let cells = [("petal length", "4.9"), ("petal width", "1.5")];
    stage.state_mut().model.trial.result = Some(Ok(Tried {
        truth: Some("versicolor".to_owned()),
        true_values: Vec::new(),
        sample: sample("versicolor", &cells, None),
        trials: vec![(RunId(7), Ok(trial("versicolor", 2.0)))],
    }));
    stage.run();
    assert!(asked(&mut stage).is_empty());
    let field = stage.get_by_role_and_label(Role::TextInput, "petal width");
    assert_eq!(field.value().as_deref(), Some("1.5"));
    field.set_text_value_accesskit("2.5");
    stage.run();
    let typed = [("petal length", "4.9"), ("petal width", "2.5")];
    let typed = typed.map(|(name, cell)| (name.to_owned(), cell.to_owned())).to_vec();
    assert_eq!(asked(&mut stage), [(vec![RunId(7)], TryInput::Cells(typed))]);

    stage.state_mut().model.trial.result = Some(Err("petal width: `2,5` is no number; type one".to_owned()));
    stage.run();
    assert!(says(&stage, "is no number; type one"));
    press(&mut stage, "Use it");
    assert_eq!(asked(&mut stage), [(vec![RunId(7)], TryInput::TestRow(0))]);
}

fn of_values(values: &[(&str, f64)]) -> Trial {
    let texts = values.iter().map(|(_, value)| crate::spec::units::significant(*value));
    Trial {
        answer: texts.collect::<Vec<_>>().join(", "),
        values: named(values),
        probabilities: Vec::new(),
        microseconds: 2.0,
    }
}

fn named(values: &[(&str, f64)]) -> Vec<(String, f64)> {
    values
        .iter()
        .map(|(name, value)| ((*name).to_owned(), *value))
        .collect()
}

#[test]
fn differences_of_values_are_those_of_the_numbers_and_not_of_the_rounded_texts() {
    let mut stage = stage(digits());
    asked(&mut stage);
    let tried = |baseline: f64, smaller: f64| Tried {
        truth: Some("114397".to_owned()),
        true_values: named(&[("price", 114_397.0)]),
        sample: sample("114397", &[("area", "36.8")], None),
        trials: vec![
            (BASELINE, Ok(of_values(&[("price", baseline)]))),
            (SMALLER, Ok(of_values(&[("price", smaller)]))),
        ],
    };
    stage.state_mut().model.trial.result = Some(Ok(tried(104_351.05, 113_974.46)));
    stage.run();
    for words in ["off by 10000", "off by 423", "9620 above the baseline"] {
        assert!(says(&stage, words), "{words}");
    }
    // Both are 104000 in three digits.
    stage.state_mut().model.trial.result = Some(Ok(tried(104_351.0, 104_229.0)));
    stage.run();
    assert!(says(&stage, "122 below the baseline") && !says(&stage, "agrees with baseline"));
    stage.state_mut().model.trial.result = Some(Ok(tried(104_351.0, 104_351.0)));
    stage.run();
    assert!(says(&stage, "agrees with baseline"));
}

#[test]
fn several_values_stand_in_lines_of_their_own() {
    let mut stage = stage(digits());
    asked(&mut stage);
    stage.state_mut().model.trial.result = Some(Ok(Tried {
        truth: Some("1.51, 1.09".to_owned()),
        true_values: named(&[("value +1", 1.51), ("value +2", 1.09)]),
        sample: sample("1.51, 1.09", &[("value_0", "1.35")], None),
        trials: vec![
            (BASELINE, Ok(of_values(&[("value +1", 1.33), ("value +2", 0.82)]))),
            (SMALLER, Ok(of_values(&[("value +1", 1.325), ("value +2", 1.0977)]))),
        ],
    }));
    stage.run();
    // A small error has many digits, and still stands apart from the answer.
    let rect = |label: &str| stage.get_by_label(label).rect();
    let gap = rect("0.00770").left() - rect("1.10").right();
    assert!(gap >= 5.0, "{gap}");
    for words in [
        "value +2",
        "0.820",
        "1.10",
        "0.180",
        "0.250",
        "within 0.278 of the baseline",
    ] {
        assert!(says(&stage, words), "{words}");
    }
    assert!(!says(&stage, "the baseline says"));
}

#[test]
fn without_a_finished_run_the_page_leads_to_train() {
    let mut stage = stage(with_runs(Vec::new()));
    assert!(says(&stage, "It takes a finished run to begin with"));
    press(&mut stage, "Train a network");
    assert!(matches!(stage.state().asked[..], [Action::Go(Page::Train)]));
}

#[test]
fn a_run_without_compressed_ones_leads_to_compress_and_the_pinned_one_is_the_baseline() {
    let mut model = with_runs(vec![baseline()]);
    open(&mut model, BASELINE);
    let mut alone = stage(model);
    press(&mut alone, "Compress it");
    assert!(
        alone
            .state()
            .asked
            .iter()
            .any(|action| matches!(action, Action::Go(Page::Compress)))
    );

    let mut model = digits();
    model.runs.pinned = Some(SMALLER);
    let mut stage = stage(model);
    assert_eq!(asked(&mut stage), [(vec![SMALLER, BASELINE], TryInput::TestRow(0))]);
}
