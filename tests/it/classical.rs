//! Classical baselines as runs: trained, folded, compared with a network, exported, predicting, and refusing what they have not.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use trimtab::jobs::{Engine, Job, Message, Ticket};
use trimtab::spec::{Architecture, ArtifactKind, Command, Event, RunConfig, RunStatus, units};
use trimtab::store::Store;

use super::command_line::Desk;

fn config(desk: &Desk, source: &str) {
    let text = desk.text(&["init", "--dataset", source]);
    fs::write(desk.folder.path().join(format!("{source}.toml")), text).unwrap();
}

const NAMES: [&str; 5] = [
    "wine-majority",
    "wine-logistic",
    "wine-ridge",
    "wine-knn",
    "wine-forest",
];

#[test]
fn baselines_stand_in_the_comparison_and_go_out_with_their_bytes() {
    let desk = Desk::new();
    config(&desk, "wine");
    let csv = desk.text(&["datasets", "wine", "--rows", "test"]);
    fs::write(desk.folder.path().join("test.csv"), &csv).unwrap();
    let mut sizes = Vec::new();
    for name in NAMES.iter().chain(&["wine-mlp"]) {
        let set = format!("model.architecture={}", &name["wine-".len()..]);
        let run = desk.json(&[
            "train",
            "wine.toml",
            "--set",
            &set,
            "--set",
            "train.epochs=3",
            "--set",
            "model.trees=20",
            "--json",
        ]);
        assert_eq!((&run["status"], &run["name"]), (&"finished".into(), &(*name).into()));
        assert!(run["parameters"].as_u64().unwrap() > 0, "{run}");
        assert!(run["samples_per_second"].as_f64().unwrap() > 0.0, "{run}");
        let of = |key: &str| run[key].as_f64().unwrap();
        let (peak, predicted) = (of("peak_memory_bytes"), of("predicted_memory_bytes"));
        assert!(predicted > 0.0 && peak >= 4.0 * of("parameters"), "{run}");
        // How trees grow is for the data to say, and what is always the same is smaller than what is asked of the heap for it.
        if ["wine-logistic", "wine-ridge", "wine-knn"].contains(name) {
            assert!((predicted / peak - 1.0).abs() < 0.25, "{run}");
        }
    }
    let rows = desk.json(&[&["compare", "wine-mlp"], &NAMES[..], &["--json"]].concat());
    for row in rows.as_array().unwrap() {
        let of = |key: &str| row[key].as_f64().unwrap_or_else(|| panic!("{key}: {row}"));
        assert_eq!(of("accuracy"), row["test"]["accuracy"].as_f64().unwrap(), "{row}");
        assert!(of("size_bytes") > 0.0 && of("zstd_bytes") > 0.0 && of("memory_bytes") > 0.0);
        assert!(row["latency_us"]["batch1"]["median"].as_f64().unwrap() > 0.0);
        assert!(row["latency_us"]["batch64"]["n"].as_u64().unwrap() > 1);
        sizes.push((row["name"].as_str().unwrap().to_owned(), of("size_bytes")));
    }
    assert_eq!(sizes.len(), 6);
    let store = Store::open(&desk.folder.path().join("store")).unwrap();
    for name in NAMES {
        let run = store.find(name).unwrap();
        let bytes = store.read_artifact(run, ArtifactKind::Classic).unwrap();
        assert!(
            sizes.contains(&(name.to_owned(), bytes.len() as f64)),
            "{name}: {sizes:?}"
        );
        let listing = desk.text(&["export", name, "--to", name]);
        assert!(
            listing.contains("baseline.safetensors") && listing.contains("card.md"),
            "{listing}"
        );
        assert!(!listing.contains("onnx"), "{listing}");
        let folder = desk.folder.path().join(name);
        assert_eq!(fs::read(folder.join("baseline.safetensors")).unwrap(), bytes);
        let card = fs::read_to_string(folder.join("card.md")).unwrap();
        assert!(card.contains("no ONNX form") && !card.contains("model.onnx"), "{card}");
        let output = desk.run(&["predict", name, "test.csv"]);
        let scored = String::from_utf8(output.stderr).unwrap();
        let accuracy = store.run(run).unwrap().run.test.unwrap().accuracy.unwrap();
        assert!(
            output.status.success() && scored.contains(&units::percent(accuracy)),
            "{scored}"
        );
        let refused = desk.failure(1, &["compress", name, "fp16"]);
        assert!(refused.contains("no layers to compress"), "{refused}");
    }
    // Damaged on its way, a folder is refused by the name of its file.
    let file = desk.folder.path().join("wine-forest").join("baseline.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    bytes.truncate(bytes.len() / 2);
    fs::write(&file, bytes).unwrap();
    let refused = desk.failure(1, &["predict", "wine-forest", "test.csv"]);
    assert!(refused.contains("baseline.safetensors"), "{refused}");
}

#[test]
fn baselines_are_folded_and_priced() {
    let desk = Desk::new();
    config(&desk, "diabetes");
    let ridge = ["--set", "model.architecture=ridge"];
    let run = desk.json(&[&["train", "diabetes.toml", "--folds", "5", "--json"], &ridge[..]].concat());
    assert!(run["folds"]["mean"]["r2"].as_f64().unwrap() > 0.46, "{run}");
    assert!(run["folds"]["sd"]["r2"].as_f64().unwrap() > 0.0, "{run}");
    let cost = desk.json(&[&["cost", "diabetes.toml", "--json"], &ridge[..]].concat());
    assert_eq!(
        (cost["parameters"].as_u64(), cost["multiply_adds"].as_u64()),
        (Some(11), Some(10))
    );
    let text = desk.text(&["cost", "diabetes.toml", "--set", "model.architecture=forest"]);
    assert!(text.contains("Random forest") && text.contains("about"), "{text}");
    let refused = desk.failure(1, &["train", "diabetes.toml", "--set", "model.architecture=logistic"]);
    assert!(refused.contains("use ridge"), "{refused}");
}

#[test]
fn a_forest_is_stopped_between_trees_and_done_over_to_the_same_end() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(directory.path()).unwrap());
    let engine = Engine::start(Arc::clone(&store), || ()).unwrap();
    let mut config = RunConfig::default();
    config.model.architecture = Architecture::Forest;
    config.model.trees = 400;
    let ticket = engine.submit(Job::Train { config: config.clone() }).unwrap();
    let mut told = 0;
    let mut perform = |ticket: &Ticket, stop: bool| loop {
        match engine.next_within(Duration::from_mins(2)).unwrap() {
            Message::Closed { outcome, .. } => return outcome.unwrap()[0],
            Message::Event(envelope) => {
                if let Event::Progress { done, total, .. } = envelope.event {
                    told += 1;
                    assert!(done < total && total == 400);
                    if stop && done > 0 {
                        ticket.control.request(Command::Stop);
                    }
                }
            }
            _ => {}
        }
    };
    let run = perform(&ticket, true);
    assert_eq!(store.run(run).unwrap().run.status, RunStatus::Stopped);
    assert!(store.read_artifact(run, ArtifactKind::Classic).is_err());
    perform(&engine.submit(Job::Resume { run }).unwrap(), false);
    let whole = perform(&engine.submit(Job::Train { config }).unwrap(), false);
    let bytes = |run| store.read_artifact(run, ArtifactKind::Classic).unwrap();
    assert_eq!(bytes(run), bytes(whole));
    let row = store.run(run).unwrap().run;
    assert_eq!((row.status, row.epochs), (RunStatus::Finished, 1));
    assert!(row.predicted_memory_bytes > 0);
    assert!(told > 2);
}

#[test]
fn the_ranking_is_printed_with_its_reasons() {
    let desk = Desk::new();
    let text = desk.text(&["choose", "iris"]);
    assert!(
        text.contains("logistic") && text.contains("baselines first: majority, logistic"),
        "{text}"
    );
    let choices = desk.json(&["choose", "digits", "--json"]);
    assert_eq!(choices[0]["architecture"], "cnn");
    assert!(choices[0]["reasons"][0]["text"].as_str().unwrap().contains("space"));
}
