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

#[test]
fn what_was_left_out_of_the_data_is_told_wherever_they_are_read() {
    let desk = Desk::new();
    let mut rows = "id,month,promo,sales\n".to_owned();
    for row in 0..120 {
        rows += &format!(
            "{},{},{},{}\n",
            row + 1,
            row + 1,
            row % 2,
            100 + 3 * row + 20 * (row % 2)
        );
    }
    desk.write("sales.csv", &rows);
    let left_out = "Left out \"id\": a running number";
    let told = |arguments: &[&str]| {
        let output = desk.run(arguments);
        assert!(output.status.success(), "{arguments:?}");
        let (text, told) = (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        );
        assert!(told.contains(left_out), "{arguments:?}: {told}");
        (text, told)
    };
    let (config, _) = told(&["init", "--dataset", "sales.csv"]);
    desk.write("config.toml", &config);
    told(&["choose", "sales.csv"]);
    let (_, idle) = told(&["cost", "config.toml", "--set", "model.units=[9]"]);
    assert!(idle.contains("without effect on this network: model.units"), "{idle}");
    let quick = ["--set", "train.epochs=20", "--set", "train.learning_rate=0.02"];
    let (text, _) = told(&[&["train", "config.toml", "--name", "sales"][..], &quick].concat());
    // The trend is in the months.
    let r2: f64 = text
        .split("R2 ")
        .last()
        .unwrap()
        .split(',')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(r2 > 0.8, "{text}");
    assert!(desk.text(&["show", "sales"]).contains(left_out));
    desk.text(&["export", "sales", "--to", "out"]);
    assert!(
        fs::read_to_string(desk.path("out").join("card.md"))
            .unwrap()
            .contains(left_out)
    );
}
