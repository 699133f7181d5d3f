//! What a person takes away and asks: how it was made, and what it answers.

use std::fs;

use super::command_line::Desk;

fn config(desk: &Desk, source: &str, arguments: &[&str]) {
    let text = desk.text(&[&["init", "--dataset", source], arguments].concat());
    desk.write("config.toml", &text);
}

#[test]
fn the_card_of_a_run_compressed_twice_leads_back_to_its_training() {
    let desk = Desk::new();
    config(&desk, "digits", &["--architecture", "mlp"]);
    let words = "train config.toml --name first --set train.epochs=2 --set train.warmup_epochs=2";
    desk.text(&words.split(' ').collect::<Vec<_>>());
    // The warm-up of two epochs is cut to the one that there is.
    desk.text(&["compress", "r1", "distil:preset=tiny:epochs=1"]);
    desk.text(&["compress", "r2", "int8-static"]);
    desk.text(&["export", "r3", "--to", "out"]);
    let read = |name: &str| fs::read_to_string(desk.path("out").join(name)).unwrap();
    let hidden = |text: &str| text.lines().find(|line| line.starts_with("hidden")).map(str::to_owned);
    let trained = hidden(&fs::read_to_string(desk.path("config.toml")).unwrap());
    assert_eq!(hidden(&read("config.toml")), trained, "the teacher's configuration");
    let card = read("card.md");
    let place = |words: &str| card.find(words).unwrap_or_else(|| panic!("{words} is not in:\n{card}"));
    assert!(place("trains run r1 (first) again") < place("compress RUN distil:preset=tiny:epochs=1`"));
    assert!(place("compress RUN distil:preset=tiny:epochs=1`") < place("compress RUN int8-static`"));
    assert!(!card.contains("Fine-tuned"), "{card}");

    desk.text(&["delete", "r1"]);
    desk.text(&["export", "r3", "--to", "orphan"]);
    let card = fs::read_to_string(desk.path("orphan").join("card.md")).unwrap();
    assert!(card.contains("run r1, which has been deleted"), "{card}");
}
