//! What the command line refuses to hold against each other, and what it says of runs: data that have changed, scores that are
//! taken on something else, names, deleting.

use std::fmt::Write as _;

use trimtab::spec::RunId;
use trimtab::store::{NewRun, Store};

use super::command_line::Desk;

/// A table whose price follows the size, and a `shift` of each price.
fn prices(shift: f64) -> String {
    let mut text = String::from("size,rooms,price\n");
    for row in 0..120 {
        let (size, rooms) = (f64::from(row * 37 % 120), row % 5);
        let price = 3.0 * size + 10.0 * f64::from(rooms) + shift * f64::from(row % 7);
        let _ = writeln!(text, "{size}.5,{rooms},{price}");
    }
    text
}

fn train(desk: &Desk, dataset: &str, name: &str, more: &[&str]) {
    desk.write("config.toml", &desk.text(&["init", "--dataset", dataset]));
    let few = ["--set", "train.epochs=2"];
    desk.text(&[&["train", "config.toml", "--name", name], &few[..], more].concat());
}

#[test]
fn data_that_have_changed_are_refused_and_a_measured_run_is_exported_without_them() {
    let desk = Desk::new();
    desk.write("prices.csv", &prices(0.0));
    train(&desk, "prices.csv", "first", &[]);
    desk.text(&["compare", "first"]);
    let before = desk.json(&["show", "first", "--json"]);
    // As many rows, the same columns, other prices.
    desk.write("prices.csv", &prices(9.0));
    for arguments in [&["compare", "first"][..], &["compress", "first", "fp16"]] {
        let error = desk.failure(1, arguments);
        for word in [
            "prices.csv",
            "is not the data that run r1 began with",
            "bring back the file",
        ] {
            assert!(error.contains(word), "{error}");
        }
    }
    assert_eq!(desk.json(&["show", "first", "--json"]), before);
    assert_eq!(
        (&before["metric"], &before["accuracy"]),
        (&"R2".into(), &serde_json::Value::Null)
    );

    // Another run on the file as it is now is no match for the first.
    train(&desk, "prices.csv", "second", &[]);
    let error = desk.failure(1, &["compare"]);
    assert!(error.contains("run r1"), "{error}");
    desk.text(&["compare", "second"]);

    std::fs::remove_file(desk.path("prices.csv")).unwrap();
    desk.text(&["export", "first", "--to", "out"]);
    let card = std::fs::read_to_string(desk.path("out/card.md")).unwrap();
    assert!(card.contains("R2 on the test split"), "{card}");
    assert!(!card.contains("timed in turn"), "{card}");
    desk.write("new.csv", "size,rooms\n10.5,2\n");
    let answers = desk.text(&["predict", "out", "new.csv"]);
    assert_eq!(answers.lines().count(), 2);
    assert_eq!(answers.split_whitespace().take(2).collect::<Vec<_>>(), ["row", "price"]);
}

#[test]
fn scores_on_another_target_or_split_stand_in_tables_of_their_own() {
    let desk = Desk::new();
    train(&desk, "iris", "cls", &[]);
    train(&desk, "iris", "again", &[]);
    train(&desk, "iris", "reg", &["--set", "data.target=sepal_width_cm"]);
    train(&desk, "iris", "seed", &["--set", "data.split_seed=5"]);
    let text = desk.text(&["compare"]);
    let tables: Vec<&str> = text.split("\n\n").collect();
    assert_eq!(tables.len(), 3, "{text}");
    for (table, title, score, names) in [
        (
            tables[0],
            "iris (target target, classification",
            "accuracy",
            &["cls", "again"][..],
        ),
        (tables[1], "iris (target sepal_width_cm, regression", "R2", &["reg"]),
        (tables[2], "split seed 5", "accuracy", &["seed"]),
    ] {
        let mut lines = table.lines();
        assert!(lines.next().unwrap().contains(title), "{table}");
        let titles = lines.next().unwrap();
        assert!(titles.contains(score) && titles.contains("name"), "{table}");
        let rows: Vec<&str> = lines.map(|line| line.split_whitespace().nth(1).unwrap()).collect();
        assert_eq!(rows, names, "{table}");
        assert_eq!(table.matches("baseline").count(), 1, "{table}");
    }
    let error = desk.failure(1, &["compare", "--csv", "rows.csv"]);
    assert!(
        error.contains("sepal_width_cm") && error.contains("name the runs"),
        "{error}"
    );
    desk.text(&["compare", "reg", "--csv", "rows.csv"]);
    let csv = std::fs::read_to_string(desk.path("rows.csv")).unwrap();
    assert!(csv.contains("score,metric") && csv.contains(",R2,"), "{csv}");
}

#[test]
fn a_compression_that_fails_says_why_and_a_cross_validation_has_nothing_to_give() {
    let desk = Desk::new();
    train(&desk, "iris", "mlp", &[]);
    let error = desk.failure(1, &["compress", "mlp", "blocks:0.5"]);
    assert!(
        error.contains("run r2 failed") && error.contains("no residual block"),
        "{error}"
    );
    train(&desk, "iris", "folds", &["--folds", "2"]);
    let shown = desk.text(&["show", "folds"]);
    assert!(
        shown.contains("4 epochs") && !shown.contains("weights of epoch"),
        "{shown}"
    );
    for arguments in [
        &["export", "folds", "--to", "out"][..],
        &["compare", "folds"],
        &["compress", "folds", "fp16"],
    ] {
        let error = desk.failure(1, arguments);
        assert!(error.contains("keeps no network; train its configuration"), "{error}");
    }
}

#[test]
fn runs_are_deleted_by_number_or_whole_name_and_bear_names_that_fit_a_table() {
    let desk = Desk::new();
    train(&desk, "iris", "experiment-final", &[]);
    let error = desk.failure(1, &["delete", "e"]);
    assert!(error.contains("no run `e`"), "{error}");
    assert!(desk.text(&["show", "e"]).contains("experiment-final"));
    assert_eq!(
        desk.text(&["delete", "experiment-final", "r1"]),
        "deleted r1 (experiment-final)\n"
    );
    for (name, word) in [("r1", "number of a run"), ("a\nb", "line break"), ("", "is empty")] {
        let error = desk.failure(1, &["train", "config.toml", "--name", name]);
        assert!(error.contains("run.name") && error.contains(word), "{error}");
    }
}

#[test]
fn on_a_full_disk_runs_are_looked_at_and_make_room() {
    let desk = Desk::new();
    train(&desk, "iris", "first", &[]);
    // The largest file that may be written stands for the disk's end.
    let full = |arguments: &str| {
        let script = format!("trap '' XFSZ; ulimit -f 1; exec \"$0\" {arguments}");
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_trimtab")]);
        command.env("TRIMTAB_HOME", desk.path("store")).output().unwrap()
    };
    for arguments in ["runs", "show first", "curves first"] {
        let output = full(arguments);
        assert!(output.status.success(), "{output:?}");
    }
    assert!(String::from_utf8(full("runs").stdout).unwrap().contains("first"));
    let files = || std::fs::read_dir(desk.path("store/runs/r1")).map_or(0, Iterator::count);
    assert!(files() > 2);
    let error = String::from_utf8(full("delete first").stderr).unwrap();
    assert!(error.contains("too full to note that the run is deleted"), "{error}");
    assert_eq!(files(), 0);
    assert_eq!(desk.text(&["delete", "first"]), "deleted r1 (first)\n");
}

#[test]
fn a_run_that_is_compressed_can_be_told_from_a_trained_one_and_says_what_it_lacks() {
    let desk = Desk::new();
    train(&desk, "iris", "mlp", &[]);
    desk.failure(1, &["compress", "mlp", "blocks:0.5"]);
    for object in [
        &desk.json(&["runs", "--json"])[1],
        &desk.json(&["show", "r2", "--json"]),
    ] {
        assert_eq!(
            (&object["recipe"], &object["parent"]),
            (&"blocks:0.5".into(), &"r1".into())
        );
    }
    assert!(desk.text(&["show", "r2"]).contains("r1 compressed by blocks:0.5"));
    let list = desk.text(&["runs"]);
    let line = list.lines().find(|line| line.starts_with("r2")).unwrap();
    assert!(line.split_whitespace().any(|cell| cell == "blocks:0.5"), "{list}");
    desk.text(&["delete", "mlp"]);
    let error = desk.failure(1, &["train", "--resume", "r2"]);
    assert!(
        error.contains("run r2: the run that it compresses, r1, has been deleted; compress another"),
        "{error}"
    );
}

#[test]
fn what_was_cut_short_is_said_where_it_would_be_done_again_or_lost() {
    let desk = Desk::new();
    train(&desk, "iris", "mlp", &[]);
    let store = Store::open(&desk.path("store")).unwrap();
    let recipe = "fp16".parse().unwrap();
    let new = NewRun {
        name: "mlp-fp16",
        plan: &store.run(RunId(1)).unwrap().plan,
        origin: Some((RunId(1), &recipe)),
        folds: None,
    };
    // Its program has died.
    drop(store.create_run(&new).unwrap());
    let told = |arguments: &[&str]| String::from_utf8(desk.run(arguments).stderr).unwrap();
    let words = "note: r2 (mlp-fp16) is interrupted; `trimtab train --resume r2` goes on with it";
    assert!(told(&["compress", "mlp", "fp16"]).contains(words));
    assert!(!told(&["compress", "mlp", "int8-static"]).contains(words));
    let error = desk.failure(1, &["delete", "mlp-fp16"]);
    assert!(error.contains("the name of r2 and r3; give the number"), "{error}");
    assert!(
        told(&["delete", "mlp"]).contains("r2 (mlp-fp16), which is interrupted, can't be taken to its end without r1")
    );
}

#[test]
fn limits_are_numbers_from_0_on_and_choose_ends_with_what_was_asked() {
    let desk = Desk::new();
    for arguments in [
        &["sensitivity", "r1", "--tolerate", "nan"][..],
        &["sensitivity", "r1", "--tolerate=-1"],
        &["ladder", "r1", "--max-loss", "inf"],
        &["ladder", "r1", "--max-latency", "nan"],
        &["ladder", "r1", "--max-latency64=-3"],
    ] {
        let error = desk.failure(2, arguments);
        assert!(error.contains("from 0 on"), "{error}");
    }
    let text = desk.text(&[
        "choose",
        "iris",
        "--target",
        "sepal_width_cm",
        "--set",
        "data.split_seed=3",
    ]);
    let last = text.lines().last().unwrap();
    assert!(
        last.contains("--dataset iris --target sepal_width_cm --architecture"),
        "{last}"
    );
    assert!(last.contains("--set data.split_seed=3"), "{last}");
}
