//! Shortcuts, the palette, undo.

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;

use super::{Action, Stage};
use crate::app::action::{Dialog, Page};
use crate::spec::Architecture;

#[test]
fn the_palette_finds_an_action_by_its_words_and_does_it() {
    let mut stage = Stage::new();
    stage.harness.key_press_modifiers(Modifiers::COMMAND, Key::K);
    stage.harness.run_steps(4);
    assert_eq!(stage.model().dialog, Some(Dialog::Palette));
    stage.harness.get_by_label("Search actions").type_text("go comp");
    stage.harness.run_steps(3);
    stage.harness.key_press(Key::ArrowDown);
    stage.harness.run_steps(2);
    stage.harness.key_press(Key::Enter);
    stage.harness.run_steps(3);
    assert_eq!((stage.model().dialog, stage.model().page), (None, Page::Compare));
    stage.harness.key_press(Key::F1);
    stage.harness.run_steps(3);
    assert_eq!(stage.model().dialog, Some(Dialog::Shortcuts));
    stage.harness.key_press(Key::Escape);
    stage.harness.run_steps(3);
    assert_eq!(stage.model().dialog, None);
}

#[test]
fn undo_and_redo_go_over_the_form() {
    let mut stage = Stage::new();
    stage.configure(|config| config.train.epochs = 7);
    stage.configure(|config| config.model.architecture = Architecture::Mlp);
    stage.harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    stage.harness.run_steps(3);
    assert_eq!(stage.model().form.config.model.architecture, Architecture::Cnn);
    stage.harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    stage.harness.run_steps(3);
    assert_eq!(stage.model().form.config.train.epochs, 30);
    stage
        .harness
        .key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    stage.harness.run_steps(3);
    assert_eq!(stage.model().form.config.train.epochs, 7);
}

#[test]
fn what_is_typed_in_one_visit_of_a_field_is_one_step_of_undo() {
    let mut stage = Stage::new();
    stage.harness.get_by_label("Epochs").focus();
    stage.harness.run_steps(3);
    for digit in ["1", "2", "5"] {
        stage.harness.get_by_label("Epochs").type_text(digit);
        stage.harness.run_steps(3);
    }
    assert_eq!(stage.model().form.config.train.epochs, 125);
    stage.act(Action::Undo);
    assert_eq!(stage.model().form.config.train.epochs, 30);
    assert!(!stage.model().form.can_undo());
}

#[test]
fn control_enter_runs_and_space_pauses_and_goes_on() {
    let mut stage = Stage::new();
    stage.configure(|config| config.train.epochs = 2000);
    stage.harness.key_press_modifiers(Modifiers::COMMAND, Key::Enter);
    stage.until("it is at work", |model| model.live_run().is_some());
    stage.harness.key_press(Key::Space);
    stage.harness.run_steps(3);
    assert!(stage.model().is_paused());
    stage.harness.key_press(Key::Space);
    stage.harness.run_steps(3);
    assert!(stage.model().is_running() && !stage.model().is_paused());
    stage.act(Action::Stop);
    stage.until("it has stopped", |model| model.queue.is_empty());
}

#[test]
fn a_pasted_configuration_is_taken_or_refused_with_its_key() {
    let mut stage = Stage::new();
    let paste = |stage: &mut Stage, text: &str| {
        let field = stage.harness.get_by_label("Configuration text");
        assert!(field.is_focused());
        field.type_text(text);
        stage.harness.run_steps(3);
        stage.harness.get_by_label("Take it into the form").click();
        stage.harness.run_steps(3);
    };
    let open = |stage: &mut Stage| {
        stage.act(Action::Open(Dialog::PasteConfig));
        stage.harness.run_steps(3);
    };
    open(&mut stage);
    paste(&mut stage, "[train]\nepochz = 3\n");
    assert!(stage.harness.query_by_label_contains("train.epochs").is_some());
    assert_eq!(stage.model().dialog, Some(Dialog::PasteConfig));
    stage.act(Action::Close);
    stage.harness.run_steps(3);
    // What was typed is gone, in the middle of which the next text would land.
    for epochs in [3, 4] {
        open(&mut stage);
        assert!(stage.harness.query_by_label_contains("train.epochs").is_none());
        paste(&mut stage, &format!("[train]\nepochs = {epochs}\n"));
        assert_eq!(
            (stage.model().dialog, stage.model().form.config.train.epochs),
            (None, epochs)
        );
    }
}

#[test]
fn what_was_set_is_remembered() {
    struct Stored(std::collections::HashMap<String, String>);
    impl eframe::Storage for Stored {
        fn get_string(&self, key: &str) -> Option<String> {
            self.0.get(key).cloned()
        }
        fn set_string(&mut self, key: &str, value: String) {
            self.0.insert(key.to_owned(), value);
        }
        fn remove_string(&mut self, key: &str) {
            self.0.remove(key);
        }
        fn flush(&mut self) {}
    }
    let mut stage = Stage::new();
    stage.configure(|config| config.train.epochs = 11);
    stage.act(Action::Go(Page::Compare));
    stage.act(Action::ShowHints(false));
    stage.act(Action::SetTheme(egui::ThemePreference::Light));
    let mut stored = Stored(std::collections::HashMap::new());
    eframe::App::save(stage.harness.state_mut(), &mut stored);
    let (model, _) = crate::app::memory::recall(Some(&stored));
    assert_eq!(
        (model.form.config.train.epochs, model.page, model.hints, model.theme),
        (11, Page::Compare, false, egui::ThemePreference::Light)
    );
    stored.0.insert("trimtab".to_owned(), "not what was written".to_owned());
    assert_eq!(crate::app::memory::recall(Some(&stored)).0.form.config.train.epochs, 30);
}

#[test]
fn keys_act_on_the_run_in_view_or_say_why_they_do_not() {
    let mut stage = Stage::new();
    let press = |stage: &mut Stage| {
        stage.harness.key_press_modifiers(Modifiers::COMMAND, Key::E);
        stage.harness.run_steps(4);
    };
    press(&mut stage);
    assert_eq!(stage.model().dialog, None);
    assert!(stage.says("There is no run to export yet"));
    stage.configure(|config| {
        "iris".clone_into(&mut config.data.source);
        config.model.architecture = Architecture::Mlp;
        config.train.epochs = 2;
    });
    let run = stage.train();
    assert!(stage.model().runs.selected().is_none());
    press(&mut stage);
    assert_eq!(stage.model().dialog, Some(Dialog::Export(run)));
}
