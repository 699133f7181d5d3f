//! What is typed stays until it is a value, and what was in use stays in use.

use egui::Key;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use super::{config, press, says, stage, write};
use crate::spec::RunConfig;

#[test]
fn text_that_is_no_list_stays_in_its_field_and_changes_nothing() {
    let mut harness = stage(RunConfig::digits_cnn());
    write(&mut harness, "Filters", "8, 16, many");
    let before = RunConfig::digits_cnn();
    assert_eq!(config(&harness).model.filters, before.model.filters);
    assert!(says(&harness, "\"many\" is not a whole number"));
    // Also without the focus.
    harness.get_by_label("Hidden units").focus();
    harness.run();
    let node = harness.get_by_label("Filters");
    assert_eq!(node.accesskit_node().value().as_deref(), Some("8, 16, many"));
    write(&mut harness, "Filters", "8, 16, 24");
    assert_eq!(config(&harness).model.filters, [8, 16, 24]);
    assert!(!says(&harness, "is not a whole number"));
    press(&mut harness, "Filters: one layer less");
    assert_eq!(config(&harness).model.filters, [8, 16]);
}

#[test]
fn what_was_in_use_stays_in_use_however_a_wrong_text_begins() {
    let mut harness = stage(RunConfig::digits_cnn());
    for (field, letters, problem) in [
        (
            "Filters",
            "8, 16, x",
            "\"x\" is not a whole number; still in use: 16, 32",
        ),
        (
            "Filters",
            "16,-3",
            "\"-3\" is too small: use 1 or more; still in use: 16, 32",
        ),
        (
            "Split seed",
            "99999999999999999999999",
            "use 18446744073709551615 at most; still in use: 0",
        ),
        ("Epochs", "12.5", "\"12.5\" is not a whole number; still in use: 30"),
    ] {
        write(&mut harness, field, "");
        for letter in letters.chars() {
            harness.get_by_label(field).type_text(&letter.to_string());
            harness.run();
        }
        assert!(says(&harness, problem), "{field}: {letters}");
        assert_eq!(config(&harness), &RunConfig::digits_cnn(), "{field}: {letters}");
        harness.key_press(Key::Escape);
        harness.run();
    }
    // What was right when the field was left is what stays in use the next time.
    write(&mut harness, "Filters", "8, 24");
    harness.get_by_label("Epochs").focus();
    harness.run();
    write(&mut harness, "Filters", "8, x");
    assert_eq!(config(&harness).model.filters, [8, 24]);
}

#[test]
fn text_that_is_no_number_stays_until_it_is_one() {
    let mut harness = stage(RunConfig::digits_cnn());
    write(&mut harness, "Learning rate", "fast");
    harness.get_by_label("Epochs").focus();
    harness.run();
    assert_eq!(config(&harness).train.learning_rate, 0.01);
    assert!(says(&harness, "\"fast\" is not a number of at least 0"));
    let node = harness.get_by_label("Learning rate");
    assert_eq!(node.accesskit_node().value().as_deref(), Some("fast"));
    write(&mut harness, "Learning rate", "3e-4");
    assert_eq!(config(&harness).train.learning_rate, 3e-4);
    assert!(!says(&harness, "is not a number"));
    write(&mut harness, "Epochs", "2.5");
    press(&mut harness, "Reset Epochs");
    assert_eq!(config(&harness).train.epochs, 30);
    assert!(!says(&harness, "is not a whole number"));
}

#[test]
fn typed_text_goes_when_the_value_is_changed_elsewhere() {
    let mut harness = stage(RunConfig::digits_cnn());
    write(&mut harness, "Hidden units", "64, ?");
    assert!(says(&harness, "is not a whole number"));
    harness.state_mut().edit(RunConfig::default());
    harness.run();
    assert!(!says(&harness, "is not a whole number"));
    let node = harness.get_by_label("Hidden units");
    assert_eq!(node.accesskit_node().value().as_deref(), Some("32"));
}
