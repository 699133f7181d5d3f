//! Probes as they are typed: what they find is measured, and a run agrees with it.

use serde_json::Value;

use crate::command_line::Desk;

const MLP: &str = "[data]\nsource = \"digits\"\n[model]\nhidden = [64]\n[train]\nepochs = 3\nbatch_size = 64\n";

fn desk() -> Desk {
    let desk = Desk::new();
    desk.write("mlp.toml", MLP);
    desk
}

fn numbers<'a>(list: &'a Value, key: &'a str) -> Vec<f64> {
    let list = list.as_array().unwrap();
    list.iter().map(|entry| entry[key].as_f64().unwrap()).collect()
}

#[test]
fn the_suggested_rate_trains_well() {
    let desk = desk();
    let found = desk.json(&["find-rate", "mlp.toml", "--json"]);
    let rates = numbers(&found["points"], "learning_rate");
    assert!(rates.len() > 50 && rates.is_sorted());
    let suggested = found["suggested"].as_f64().unwrap();
    assert!(
        suggested > 1e-5 && suggested < found["lowest"].as_f64().unwrap(),
        "{suggested}"
    );
    assert_eq!(found, desk.json(&["find-rate", "mlp.toml", "--json"]));
    assert!(desk.text(&["find-rate", "mlp.toml"]).contains("train.learning_rate="));
    let rate = format!("train.learning_rate={suggested}");
    let run = desk.json(&[
        "train",
        "mlp.toml",
        "--json",
        "--set",
        &rate,
        "--set",
        "train.epochs=15",
    ]);
    assert!(run["test"]["accuracy"].as_f64().unwrap() > 0.9, "{run}");
    // A probe makes no run.
    assert_eq!(desk.json(&["runs", "--json"]).as_array().unwrap().len(), 1);
}

#[test]
fn the_largest_batch_stays_within_its_budget() {
    let desk = desk();
    let found = desk.json(&["find-batch", "mlp.toml", "--budget", "1MB", "--json"]);
    let peak = found["found"]["peak_bytes"].as_u64().unwrap();
    let batch = found["found"]["batch_size"].as_u64().unwrap();
    assert!(peak <= 1_000_000 && batch > 1 && batch < 1257, "{found}");
    let sizes = numbers(&found["measured"], "batch_size");
    let peaks = numbers(&found["measured"], "peak_bytes");
    let next = sizes.iter().position(|&size| size > batch as f64).unwrap();
    assert!(peaks[next] > 1e6 && sizes[next] <= batch as f64 * 1.1 + 1.0, "{found}");
    let all = desk.json(&["find-batch", "mlp.toml", "--budget", "1GB", "--json"]);
    assert_eq!(
        (&all["is_all_rows"], &all["found"]["batch_size"]),
        (&Value::Bool(true), &Value::from(1257))
    );
    let none = desk.json(&["find-batch", "mlp.toml", "--budget", "1kB", "--json"]);
    assert!(none["found"].is_null());
    assert!(
        desk.failure(2, &["find-batch", "mlp.toml", "--budget", "much"])
            .contains("512MB")
    );
}

#[test]
fn larger_batches_take_more_memory() {
    let found = desk().json(&["throughput", "mlp.toml", "--json"]);
    let sizes = numbers(&found["measured"], "batch_size");
    assert_eq!(sizes, [8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0]);
    let peaks = numbers(&found["measured"], "peak_bytes");
    assert!(
        peaks[7] > 2.0 * peaks[0] && peaks[7] > peaks[5] && peaks[5] > peaks[3],
        "{peaks:?}"
    );
    assert!(
        numbers(&found["measured"], "samples_per_second")
            .iter()
            .all(|&speed| speed > 0.0)
    );
}

#[test]
fn a_profile_shows_where_the_time_of_a_step_goes() {
    let desk = desk();
    let found = desk.json(&["profile", "mlp.toml", "--steps", "30", "--json"]);
    let part = |name: &str| found["times"][name].as_f64().unwrap();
    let parts = [
        "data_secs",
        "forward_secs",
        "backward_secs",
        "optimizer_secs",
        "other_secs",
    ]
    .map(part);
    assert!(parts.iter().all(|&secs| secs >= 0.0));
    assert!((parts.iter().sum::<f64>() / found["step_secs"].as_f64().unwrap() - 1.0).abs() < 1e-6);
    assert_eq!(numbers(&found["layers"], "forward_secs").len(), 4);
    let text = desk.text(&["profile", "mlp.toml", "--steps", "5"]);
    assert!(text.contains("backward") && text.contains("dense"), "{text}");
}

#[test]
fn workers_are_timed_and_a_run_with_workers_says_what_they_buy() {
    let desk = desk();
    let found = desk.json(&["workers", "mlp.toml", "--json"]);
    let counts = numbers(&found["speeds"], "workers");
    assert_eq!(counts[..2], [1.0, 2.0]);
    assert_eq!(numbers(&found["speeds"], "speed_up")[0], 1.0);
    let run = desk.json(&["train", "mlp.toml", "--json", "--set", "train.workers=2"]);
    let store = trimtab::store::Store::open(&desk.path("store")).unwrap();
    let events = store.events(run["run"].as_str().unwrap().parse().unwrap()).unwrap();
    assert!(events.iter().any(|envelope| {
        matches!(&envelope.event, trimtab::spec::Event::Note { text } if text.starts_with("2 workers: "))
    }));
}

#[test]
fn a_learning_curve_rises_with_the_rows() {
    let desk = desk();
    for architecture in ["mlp", "logistic"] {
        let set = format!("model.architecture={architecture}");
        let arguments = [
            "learning-curve",
            "mlp.toml",
            "--points",
            "3",
            "--folds",
            "2",
            "--set",
            &set,
            "--json",
        ];
        let found = desk.json(&arguments);
        assert_eq!(found["score"], "accuracy");
        let points = found["points"].as_array().unwrap();
        assert_eq!(points.len(), 3);
        let test = |place: usize| points[place]["test"]["mean"].as_f64().unwrap();
        assert!(test(2) > test(0), "{architecture}: {found}");
        assert!(points[0]["rows"].as_u64() < points[2]["rows"].as_u64());
    }
    let curve = |prune: &[&str]| {
        let arguments = ["learning-curve", "mlp.toml", "--points", "2", "--folds", "2", "--json"];
        desk.json(&[&arguments[..], prune].concat())["points"].clone()
    };
    // It is the curve of the training that is configured, with its pruning.
    let pruned = curve(&["--set", "train.prune=weights:0.95:begin=0.1:end=0.5"]);
    assert_ne!(curve(&[]), pruned);
    let failure = desk.failure(1, &["find-rate", "mlp.toml", "--set", "model.architecture=forest"]);
    assert!(failure.contains("without gradient steps"), "{failure}");
}
