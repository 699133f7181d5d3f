//! The drawer of runs and the Compare page over the real engine: what is pressed there is stored, measured and undone.

use egui::Key;
use egui::accesskit::Role;
use egui_kittest::kittest::Queryable as _;

use super::{Action, Stage};
use crate::app::action::Page;
use crate::spec::{Architecture, RunId};

/// Three finished runs: alpha (r1), beta (r2), gamma (r3).
fn three() -> (Stage, [RunId; 3]) {
    let mut stage = Stage::new();
    let runs = ["alpha", "beta", "gamma"].map(|name| {
        stage.configure(|config| {
            "iris".clone_into(&mut config.data.source);
            config.model.architecture = Architecture::Mlp;
            config.train.epochs = 3;
            config.run.name = Some(name.to_owned());
        });
        stage.train()
    });
    // The notices of the ends go, so that nothing lies over the drawer.
    for place in 0..stage.model().notices.all.len() {
        stage.act(Action::Dismiss(place));
    }
    stage.act(Action::ShowHints(false));
    (stage, runs)
}

#[test]
fn runs_are_pinned_hidden_renamed_and_deleted_in_the_drawer() {
    let (mut stage, [alpha, beta, gamma]) = three();
    stage.press("Pin alpha as baseline");
    assert_eq!(stage.model().runs.pinned, Some(alpha));
    assert!(stage.says(" pt"), "scores stand against the baseline");
    stage.press("Hide beta");
    assert!(!stage.model().runs.is_shown(beta));
    stage.press("Show gamma alone");
    assert_eq!(stage.model().runs.visible().count(), 1);
    stage.press("Show all again");
    assert_eq!(stage.model().runs.visible().count(), 2);

    stage.press(&format!("gamma, {gamma}"));
    assert_eq!(stage.model().runs.selected().map(|row| row.run.run), Some(gamma));
    stage.harness.key_press(Key::F2);
    stage.harness.run_steps(4);
    stage.harness.get_by_label("New name of gamma").type_text("the best");
    stage.harness.run_steps(2);
    stage.harness.key_press(Key::Enter);
    stage.until("the name is stored", |model| {
        model.runs.row(gamma).is_some_and(|row| row.run.name == "the best")
    });

    stage.press("Actions of beta");
    stage.press("Delete");
    stage.until("it is gone", |model| model.runs.row(beta).is_none());
    stage.harness.run_steps(12);
    stage.press("Undo");
    stage.until("it is back", |model| model.runs.row(beta).is_some());

    stage.press("Hide runs");
    assert!(!stage.model().drawer_open);
    assert!(!stage.says("Actions of"));
    stage.press("Show runs");
    assert!(stage.says("Actions of the best"));
}

#[test]
fn finished_runs_are_measured_in_turn_and_compared() {
    let (mut stage, [alpha, beta, _]) = three();
    stage.act(Action::Go(Page::Compare));
    stage.press("Only measure gamma");
    stage.until("it is measured", |model| {
        model.queue.is_empty() && model.runs.rows().iter().any(|row| row.run.deployed.is_some())
    });
    assert!(stage.says("2 finished runs are not measured yet"));
    stage.press("Measure");
    stage.until("all are measured", |model| {
        model.queue.is_empty() && model.runs.rows().iter().all(|row| row.run.deployed.is_some())
    });
    assert!(stage.says("3 runs, accuracy against size"));
    let against = |stage: &Stage, run: RunId| {
        let row = stage.model().runs.row(run).unwrap();
        row.run.deployed.as_ref().unwrap().against
    };
    let gamma = stage.model().runs.rows()[2].run.run;
    assert_eq!(against(&stage, alpha), Some(gamma));
    assert_eq!(against(&stage, gamma), None);

    stage.act(Action::Pin(Some(alpha)));
    assert!(stage.says("not in turn"), "they were timed beside another run");
    stage.press("Measure again");
    stage.until("the verdicts are against the pinned run", |model| {
        let row = model.runs.row(beta).and_then(|row| row.run.deployed.as_ref());
        model.queue.is_empty() && row.is_some_and(|deployed| deployed.against == Some(alpha))
    });
    assert!(!stage.says("not in turn"));
    stage
        .harness
        .get_by_role_and_label(Role::CheckBox, &format!("Compare beta, {beta}"))
        .click();
    stage.harness.run_steps(4);
    assert!(stage.says("2 runs, accuracy against size"));
    stage.press("Copy as CSV");
    assert!(stage.says("Copied to the clipboard"));
}
