//! What a person does on the page, by accessible name.

use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use super::compare_ui;
use super::contents::Contents;
use crate::app::action::{Action, Actions};
use crate::app::pages::fixture;
use crate::app::state::{Model, Views};
use crate::app::theme;
use crate::compare::{Axis, Budget, Field};
use crate::spec::RunId;

#[derive(Default)]
struct State {
    model: Model,
    views: Views,
    actions: Actions,
}

fn page(model: Model, size: [f32; 2]) -> Harness<'static, State> {
    let mut harness = Harness::builder()
        .with_size(size)
        .with_context_setup(theme::install)
        .build_ui_state(
            |ui, state: &mut State| compare_ui(ui, &state.model, &mut state.views, &mut state.actions),
            State {
                model,
                ..State::default()
            },
        );
    harness.run();
    harness
}

fn asked(harness: &mut Harness<'_, State>) -> Vec<String> {
    let actions = std::mem::take(&mut harness.state_mut().actions.0).into_iter();
    actions
        .filter(|action| !matches!(action, Action::Hover(_)))
        .map(|action| format!("{action:?}"))
        .collect()
}

fn press(harness: &mut Harness<'_, State>, name: &str) {
    harness.get_by_role_and_label(Role::Button, name).click();
    harness.run();
}

/// The fixture's runs on digits with the failed one measured too, so that three are compared.
fn three() -> Model {
    let mut model = fixture::model();
    model.runs.change(RunId(4), |row| {
        row.run = crate::compare::tests::run(4, None, 0.99, 8000, 80.0);
        "wide".clone_into(&mut row.run.name);
    });
    model
}

#[test]
fn without_runs_the_next_step_is_to_train_and_then_to_compress() {
    let mut model = Model::default();
    model.runs.set_rows(Vec::new());
    let mut harness = page(model, [1200.0, 800.0]);
    press(&mut harness, "Train a network");
    assert_eq!(asked(&mut harness), ["Go(Train)"]);

    let mut model = fixture::model();
    for run in 1..=3 {
        model.runs.change(RunId(run), |row| row.run.deployed = None);
    }
    let mut harness = page(model, [1200.0, 800.0]);
    press(&mut harness, "Compress half");
    assert_eq!(asked(&mut harness), ["Select(RunId(3))", "Go(Compress)"]);
    press(&mut harness, "Only measure half");
    assert_eq!(asked(&mut harness), ["Measure([RunId(3)])"]);
}

#[test]
fn the_baseline_is_the_pinned_run_or_the_first_uncompressed_one_in_sight() {
    let mut model = three();
    let contents = |model: &Model, dataset: &str| -> Option<Vec<i64>> {
        let contents = Contents::of(model, dataset)?;
        Some(contents.rows.iter().map(|row| row.run.run.0).collect())
    };
    assert_eq!(contents(&model, "digits").unwrap(), [1, 3, 4]);
    assert_eq!(contents(&model, "wine").unwrap(), [2]);
    model.runs.pinned = Some(RunId(4));
    assert_eq!(contents(&model, "digits").unwrap(), [4, 1, 3]);
    assert_eq!(
        contents(&model, "wine").unwrap(),
        [2],
        "a pin on other data does not count"
    );
    model.runs.pinned = None;
    model.runs.shown = [RunId(3)].into();
    assert_eq!(
        contents(&model, "digits").unwrap(),
        [1, 3],
        "the parent, though its eye is closed"
    );
    model.runs.shown.clear();
    assert_eq!(contents(&model, "digits"), None);
}

#[test]
fn the_table_has_the_baseline_on_top_and_its_columns_can_be_hidden() {
    let mut harness = page(three(), [1400.0, 1200.0]);
    let top = |harness: &Harness<'_, State>, name: &str| harness.get_by_role_and_label(Role::Button, name).rect().top();
    assert!(top(&harness, "Select plain, r1") < top(&harness, "Select half, r3"));
    press(&mut harness, "Order by size");
    press(&mut harness, "Order by size");
    assert!(top(&harness, "Select plain, r1") < top(&harness, "Select wide, r4"));
    assert!(top(&harness, "Select wide, r4") < top(&harness, "Select half, r3"));
    assert!(harness.query_by_label("faster, 1.03×").is_some());
    assert!(harness.query_by_label("0.50×, not in turn").is_some());

    press(&mut harness, "Columns");
    harness.get_by_role_and_label(Role::CheckBox, "zstd").click();
    harness.run();
    let zstd = Field::Figure(Axis::Zstd);
    assert!(harness.state().views.compare.hidden.contains(&zstd));
    harness.key_press(egui::Key::Escape);
    harness.run();
    assert!(harness.query_by_label("Order by zstd").is_none());

    press(&mut harness, "Select half, r3");
    assert_eq!(asked(&mut harness), ["Select(RunId(3))"]);
    press(&mut harness, "Measure again");
    assert_eq!(asked(&mut harness), ["Measure([RunId(1), RunId(3), RunId(4)])"]);
}

#[test]
fn the_figures_leave_as_csv() {
    let mut harness = page(three(), [1400.0, 1200.0]);
    press(&mut harness, "Copy as CSV");
    press(&mut harness, "Save as CSV…");
    let actions = std::mem::take(&mut harness.state_mut().actions.0);
    let mut texts = actions.iter().filter_map(|action| match action {
        Action::CopyText(text) => Some(text),
        Action::SaveText { name, text } => {
            assert_eq!(name, "trimtab-digits.csv");
            Some(text)
        }
        _ => None,
    });
    let (copied, saved) = (texts.next().unwrap(), texts.next().unwrap());
    assert_eq!(copied, saved);
    assert_eq!(copied.lines().count(), 4);
    assert!(copied.lines().nth(1).unwrap().starts_with("r1,plain,baseline"));
}

#[test]
fn chips_choose_the_compared_runs() {
    let mut harness = page(three(), [1400.0, 900.0]);
    harness
        .get_by_role_and_label(Role::CheckBox, "Compare half, r3")
        .click();
    harness.run();
    assert_eq!(asked(&mut harness), ["Show(RunId(3), false)"]);
    harness.state_mut().model.runs.shown.clear();
    harness.run();
    press(&mut harness, "Show them");
    assert_eq!(
        asked(&mut harness),
        ["Show(RunId(4), true)", "Show(RunId(3), true)", "Show(RunId(1), true)"]
    );
}

#[test]
fn finished_runs_without_figures_are_measured_beside_the_baseline() {
    let mut model = three();
    model.runs.change(RunId(4), |row| row.run.deployed = None);
    let mut harness = page(model, [1400.0, 900.0]);
    assert!(harness.query_by_label("1 finished run is not measured yet").is_some());
    press(&mut harness, "Measure");
    assert_eq!(asked(&mut harness), ["Measure([RunId(1), RunId(4)])"]);
}

#[test]
fn the_selected_run_stands_against_the_baseline() {
    let mut model = three();
    model.runs.select(Some(RunId(3)));
    for size in [[1400.0, 900.0], [760.0, 1100.0]] {
        let mut model = three();
        model.runs.select(Some(RunId(3)));
        let mut harness = page(model, size);
        assert!(harness.query_by_label("against plain").is_some());
        assert!(harness.query_by_label("97.0 % from 98.0 %").is_some());
        press(&mut harness, "Export…");
        assert_eq!(asked(&mut harness), ["Open(Export(RunId(3)))"]);
    }
    let harness = page(model, [1400.0, 900.0]);
    assert!(harness.query_by_label("3 runs, accuracy against size").is_some());
}

#[test]
fn runs_on_another_target_stand_apart() {
    let mut model = three();
    model
        .runs
        .change(RunId(4), |row| row.yardstick.target = "parity".to_owned());
    model.runs.pinned = Some(RunId(1));
    let runs = |dataset: &str| {
        let contents = Contents::of(&model, dataset).unwrap();
        contents.rows.iter().map(|row| row.run.run.0).collect::<Vec<_>>()
    };
    assert_eq!(runs("digits (target )"), [1, 3]);
    assert_eq!(runs("digits (target parity)"), [4]);
    assert!(model.runs.baseline_of(RunId(3)).is_some());
    assert!(
        model.runs.baseline_of(RunId(4)).is_none(),
        "the pinned run has another target"
    );
}

#[test]
fn another_data_set_can_be_chosen() {
    let mut harness = page(three(), [1400.0, 900.0]);
    assert!(harness.query_by_label("3 runs, accuracy against size").is_some());
    harness.get_by_label("Data set").click();
    harness.run();
    press(&mut harness, "wine");
    assert!(harness.query_by_label("1 run, accuracy against size").is_some());
}

#[test]
fn any_figure_is_drawn_upwards_and_the_limits_are_those_of_the_compress_page() {
    let mut harness = page(three(), [1376.0, 900.0]);
    let score = harness.get_by_role_and_label(Role::ComboBox, "Upwards");
    assert_eq!(score.value().as_deref(), Some("Accuracy"));
    score.click();
    harness.run();
    press(&mut harness, "latency, batch 64");
    assert!(
        harness
            .query_by_label("3 runs, latency, batch 64 against size")
            .is_some()
    );
    let limits = harness.state().views.compress.budget();
    assert!(limits.loss.is_some() && harness.state().views.compare.budget == limits);
}

#[test]
fn of_two_costs_the_front_is_cheaper_in_one_of_them_and_limits_are_named() {
    let model = three();
    let dataset = model.runs.rows()[0].dataset.clone();
    let contents = Contents::of(&model, &dataset).unwrap();
    let axes = super::scatter::Axes {
        up: Some(Axis::Batch64),
        right: Axis::Size,
        is_log: false,
    };
    let budget = Budget {
        size: Some(1.0),
        ..Budget::default()
    };
    let (placed, corners) = super::scatter::place(&contents, axes, &budget);
    assert_eq!(placed.len(), 3);
    for one in &placed {
        let beaten = placed
            .iter()
            .any(|other| other.at[0] <= one.at[0] && other.at[1] <= one.at[1] && other.at != one.at);
        assert_eq!(one.is_front, !beaten, "{:?}", one.at);
        assert!(
            one.excess.as_ref().is_some_and(|text| text.contains("1 B")),
            "{:?}",
            one.excess
        );
    }
    assert!(corners.iter().all(|corner| corner[1] > 0.0), "{corners:?}");
}
