//! What a person does in the drawer, by accessible name.

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use super::table::found;
use super::{DrawerView, drawer_ui};
use crate::app::action::{Action, Actions};
use crate::app::pages::fixture;
use crate::app::state::Model;
use crate::app::theme;
use crate::compare::{Axis, Field, Sort};
use crate::spec::{RunId, RunStatus};

struct State {
    model: Model,
    view: DrawerView,
    actions: Actions,
}

/// The drawer alone in a window, over `model`.
fn drawer(model: Model, height: f32) -> Harness<'static, State> {
    Harness::builder()
        .with_size([1440.0, height])
        .with_context_setup(theme::install)
        .build_ui_state(
            |ui, state| drawer_ui(ui, &state.model, &mut state.view, &mut state.actions),
            State {
                model,
                view: DrawerView::default(),
                actions: Actions::default(),
            },
        )
}

fn open(model: Model) -> Harness<'static, State> {
    drawer(
        Model {
            drawer_open: true,
            ..model
        },
        900.0,
    )
}

/// What was asked for since the last call, but for hovering.
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

/// The names in sight, from top to bottom.
fn names(harness: &Harness<'_, State>) -> Vec<String> {
    let mut rows: Vec<(f32, String)> = harness
        .query_all_by_label_contains("Actions of ")
        .map(|node| {
            let label = node.accesskit_node().label().unwrap_or_default();
            (node.rect().top(), label.replace("Actions of ", ""))
        })
        .collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    rows.into_iter().map(|(_, name)| name).collect()
}

#[test]
fn an_empty_list_says_what_will_be_in_it() {
    let mut model = Model::default();
    model.runs.set_rows(Vec::new());
    let harness = open(model);
    assert!(harness.query_by_label_contains("Every run is listed here").is_some());
}

#[test]
fn it_is_folded_in_a_low_window_and_opens_at_a_press() {
    let model = Model {
        drawer_open: true,
        ..fixture::model()
    };
    let mut harness = drawer(model, 700.0);
    assert_eq!(asked(&mut harness), ["ToggleDrawer"]);
    harness.state_mut().model.drawer_open = false;
    harness.run();
    assert!(names(&harness).is_empty());
    press(&mut harness, "Show runs");
    assert_eq!(asked(&mut harness), ["ToggleDrawer"]);
    harness.state_mut().model.drawer_open = true;
    harness.run();
    assert!(!names(&harness).is_empty());
    press(&mut harness, "Hide runs");
    assert_eq!(asked(&mut harness), ["ToggleDrawer"]);
}

#[test]
fn the_newest_run_comes_first_and_titles_sort() {
    let mut harness = open(fixture::model());
    assert_eq!(names(&harness), ["broken", "half", "other", "plain"]);
    press(&mut harness, "Sort by name");
    assert_eq!(names(&harness), ["broken", "half", "other", "plain"]);
    press(&mut harness, "Sort by name");
    assert_eq!(names(&harness), ["plain", "other", "half", "broken"]);
    press(&mut harness, "Sort by size");
    assert_eq!(
        names(&harness),
        ["half", "plain", "other", "broken"],
        "the unmeasured last"
    );
}

#[test]
fn a_search_leaves_the_rows_that_match_every_word() {
    let mut harness = open(fixture::model());
    harness.get_by_label("Search runs").focus();
    harness.run();
    harness.get_by_label("Search runs").type_text("digits cnn");
    harness.run();
    assert_eq!(names(&harness), ["half", "plain"]);
    assert!(harness.query_by_label("2 of 4").is_some());
    harness.get_by_label("Search runs").type_text(" nowhere");
    harness.run();
    assert!(harness.query_by_label_contains("No run matches").is_some());
    press(&mut harness, "Clear the search");
    assert_eq!(names(&harness).len(), 4);
}

#[test]
fn marks_of_a_row_hide_solo_pin_and_recolour() {
    let mut harness = open(fixture::model());
    press(&mut harness, "Hide half");
    assert_eq!(asked(&mut harness), ["Show(RunId(3), false)"]);
    press(&mut harness, "Show half alone");
    assert_eq!(asked(&mut harness), ["Solo(Some(RunId(3)))"]);
    press(&mut harness, "Pin plain as baseline");
    assert_eq!(asked(&mut harness), ["Pin(Some(RunId(1)))"]);
    harness.state_mut().model.runs.pinned = Some(RunId(1));
    harness.run();
    press(&mut harness, "Unpin plain");
    assert_eq!(asked(&mut harness), ["Pin(None)"]);
    press(&mut harness, "Colour of other");
    press(&mut harness, "Purple");
    assert_eq!(asked(&mut harness), ["Recolour(RunId(2), 3)"]);
}

#[test]
fn differences_are_to_the_baseline_of_the_same_data_set() {
    let harness = open(fixture::model());
    // "half" has half the size of its parent and one point less; "other" is of another data set.
    assert_eq!(harness.query_all_by_label("-50 %").count(), 2, "size and memory");
    assert!(harness.query_by_label("-1.0 pt").is_some());
    let mut model = fixture::model();
    model.runs.pinned = Some(RunId(2));
    let harness = open(model);
    assert!(harness.query_by_label_contains(" pt").is_none());
}

#[test]
fn a_name_is_typed_anew_in_its_row() {
    let mut harness = open(fixture::model());
    harness.get_by_role_and_label(Role::Button, "half, r3").focus();
    harness.run();
    for (key, expected) in [
        (Key::Enter, vec!["Rename(RunId(3), \"quarter\")".to_owned()]),
        (Key::Escape, Vec::new()),
    ] {
        press(&mut harness, "Actions of half");
        press(&mut harness, "Rename");
        asked(&mut harness);
        // The old name is selected, so that typing replaces it.
        harness.get_by_label("New name of half").type_text("quarter");
        harness.run();
        harness.key_press(key);
        harness.run();
        assert_eq!(asked(&mut harness), expected);
        assert!(harness.query_by_label("New name of half").is_none());
    }
    harness.state_mut().model.runs.select(Some(RunId(1)));
    harness.key_press(Key::F2);
    harness.run();
    assert!(harness.query_by_label("New name of plain").is_some());
}

#[test]
fn a_press_selects_and_the_menu_says_what_can_be_done() {
    let mut harness = open(fixture::model());
    press(&mut harness, "plain, r1");
    assert_eq!(asked(&mut harness), ["Select(RunId(1))"]);
    harness
        .get_by_role_and_label(Role::Button, "plain, r1")
        .click_secondary();
    harness.run();
    for (entry, expected) in [
        ("Open on the Train page", vec!["Select(RunId(1))", "Go(Train)"]),
        ("Show alone", vec!["Solo(Some(RunId(1)))"]),
        ("Clone to the form", vec!["CloneToForm(RunId(1))"]),
        ("Copy configuration", vec!["CopyConfig(RunId(1))"]),
        ("Measure", vec!["Measure([RunId(1)])"]),
        ("Export…", vec!["Open(Export(RunId(1)))"]),
        ("Delete", vec!["Delete([RunId(1)])"]),
    ] {
        if harness.query_by_label(entry).is_none() {
            press(&mut harness, "Actions of plain");
        }
        press(&mut harness, entry);
        assert_eq!(asked(&mut harness), expected, "{entry}");
    }
}

#[test]
fn what_cannot_be_done_is_not_offered() {
    let mut model = fixture::model();
    model.runs.change(RunId(2), |row| row.run.status = RunStatus::Running);
    let mut harness = open(model);
    press(&mut harness, "Resume broken");
    assert_eq!(asked(&mut harness), ["Resume(RunId(4))"]);
    assert!(harness.query_by_label("Resume plain").is_none());
    press(&mut harness, "Actions of other");
    for entry in ["Delete", "Measure", "Compress"] {
        assert!(harness.get_by_label(entry).accesskit_node().is_disabled(), "{entry}");
    }
}

#[test]
fn several_runs_are_chosen_with_ctrl_and_shift() {
    let mut harness = open(fixture::model());
    let pick = |harness: &mut Harness<'_, State>, name: &str, modifiers: Modifiers| {
        harness.get_by_label(name).click_modifiers(modifiers);
        harness.run();
    };
    pick(&mut harness, "plain, r1", Modifiers::NONE);
    asked(&mut harness);
    pick(&mut harness, "half, r3", Modifiers::COMMAND);
    assert!(harness.query_by_label("2 chosen").is_some());
    press(&mut harness, "Compare");
    assert_eq!(
        asked(&mut harness),
        [
            "Solo(None)",
            "Show(RunId(2), false)",
            "Show(RunId(4), false)",
            "Show(RunId(1), true)",
            "Show(RunId(3), true)",
            "Go(Compare)"
        ]
    );
    pick(&mut harness, "plain, r1", Modifiers::NONE);
    pick(&mut harness, "broken, r4", Modifiers::SHIFT);
    assert!(harness.query_by_label("4 chosen").is_some());
    asked(&mut harness);
    press(&mut harness, "Delete");
    assert_eq!(
        asked(&mut harness),
        ["Delete([RunId(1), RunId(2), RunId(3), RunId(4)])"]
    );
    press(&mut harness, "Clear");
    assert!(harness.query_by_label_contains(" chosen").is_none());
}

#[test]
fn the_run_under_the_pointer_is_told() {
    let mut harness = open(fixture::model());
    harness.get_by_role_and_label(Role::Button, "half, r3").hover();
    harness.run();
    let hovers = |action: &Action| matches!(action, Action::Hover(RunId(3)));
    assert!(harness.state().actions.0.iter().any(hovers));
}

#[test]
fn of_ten_thousand_runs_only_those_in_sight_are_drawn() {
    let mut model = Model::default();
    model.runs.set_rows(fixture::many(10_000));
    let mut harness = open(model);
    assert!((3..12).contains(&names(&harness).len()), "{:?}", names(&harness));
    press(&mut harness, "Sort by size");
    let rows = harness.state().model.runs.rows();
    let sort = Sort {
        field: Field::Figure(Axis::Size),
        descending: false,
    };
    let runs = found(rows, "sweep 12", sort);
    let size = |run: &RunId| rows[run.0 as usize - 1].run.deployed.as_ref().unwrap().size_bytes;
    assert!(runs.len() > 100 && runs.windows(2).all(|pair| size(&pair[0]) <= size(&pair[1])));
    assert!(runs.iter().all(|run| run.0.to_string().contains("12")));
    assert_eq!(
        names(&harness)[0],
        harness
            .state()
            .model
            .runs
            .row(found(rows, "", sort)[0])
            .unwrap()
            .run
            .name
    );
}
