//! The command line as a newcomer types it: the whole path on a small table, exit codes, and errors in one line.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use trimtab::jobs::{Answer, Question};
use trimtab::spec::{ArtifactKind, DataConfig, LayerChange, RunId, class_of};
use trimtab::store::Store;
use trimtab::{data, deploy};

/// The real binary over a store of its own.
pub struct Desk {
    pub folder: TempDir,
}

impl Desk {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trimtab"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("TRIMTAB_HOME", self.folder.path().join("store"));
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Standard output of a command that must succeed.
    pub fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.text(arguments)).unwrap()
    }

    /// The one line on standard error of a command that must fail with this exit code; what it told of the data is left out.
    pub fn failure(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(!message.contains("panicked"), "{message}");
        let is_told = |line: &&str| line.starts_with("data: ") || line.starts_with("note: ");
        let message: String = message.split_inclusive('\n').filter(|line| !is_told(line)).collect();
        if code == 1 {
            // What belongs to it is indented.
            let (first, rest) = message.split_once('\n').unwrap();
            assert!(first.starts_with("trimtab: "), "{message}");
            assert!(rest.lines().all(|line| line.starts_with("  ")), "{message}");
        }
        message
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
}

const QUICK: [&str; 4] = ["--set", "train.epochs=6", "--set", "train.learning_rate=0.01"];

fn trained(desk: &Desk, dataset: &str, name: &str) -> Value {
    desk.write("config.toml", &desk.text(&["init", "--dataset", dataset]));
    let mut arguments = vec!["train", "config.toml", "--name", name, "--json"];
    arguments.extend(QUICK);
    desk.json(&arguments)
}

/// The figures of a compressed run are there, and in their order.
fn assert_is_measured(row: &Value, recipe: &str, parent: &Value) {
    assert_eq!(row["recipe"], recipe);
    assert_eq!(row["parent"], *parent);
    for key in [
        "accuracy",
        "size_bytes",
        "zstd_bytes",
        "memory_bytes",
        "int8_layers",
        "sha256",
        "verdict",
    ] {
        assert!(!row[key].is_null(), "{key} is missing from {row}");
    }
    for batch in ["batch1", "batch64"] {
        let latency = &row["latency_us"][batch];
        let [p10, median, p90] = ["p10", "median", "p90"].map(|key| latency[key].as_f64().unwrap());
        assert!(0.0 < p10 && p10 <= median && median <= p90, "{latency}");
    }
    let simulated = recipe.starts_with("weights");
    assert_eq!(row["speed"], if simulated { "simulated" } else { "measured" });
    assert!(["faster", "slower", "cannot tell"].contains(&row["verdict"].as_str().unwrap()));
}

#[test]
fn a_newcomer_trains_compresses_compares_exports_and_predicts() {
    let desk = Desk::new();
    let run = trained(&desk, "wine", "wine");
    for key in [
        "run",
        "name",
        "status",
        "epochs",
        "best_epoch",
        "train",
        "validation",
        "test",
        "parameters",
        "multiply_adds",
        "elapsed_secs",
        "samples_per_second",
        "predicted_memory_bytes",
        "peak_memory_bytes",
    ] {
        assert!(!run[key].is_null(), "{key} is missing from {run}");
    }
    assert_eq!(
        (run["status"].as_str(), run["epochs"].as_u64()),
        (Some("finished"), Some(6))
    );
    assert!(run["test"]["accuracy"].as_f64().unwrap() > 0.8, "{run}");

    let layers = desk.json(&["sensitivity", "wine", "--change", "int4", "--json"]);
    assert_eq!(layers["layers"].as_array().unwrap().len(), 2);
    assert_eq!(layers["layers"][0]["name"], "dense");
    assert!(
        layers["layers"][0]["signal_to_noise_db"].as_f64().unwrap() > 5.0,
        "{layers}"
    );
    assert!(desk.text(&["sensitivity", "wine"]).contains("signal to noise"));
    layers_are_kept(&desk, &layers);

    let recipes = [
        "fp16",
        "int8-static",
        "weights:0.8:finetune=1",
        "units:0.5:finetune=1+int8-static",
        "int8-static:method=percentile:tolerate=50",
        "int8-qat:epochs=1",
        "int4",
    ];
    let mut arguments = vec!["compress", "wine", "--json"];
    arguments.extend(recipes);
    let rows = desk.json(&arguments);
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), recipes.len());
    for (row, recipe) in rows.iter().zip(recipes) {
        assert_is_measured(row, recipe, &run["run"]);
    }
    assert_eq!(rows[1]["int8_layers"], 2);
    assert!(rows[3]["parameters"].as_u64().unwrap() < run["parameters"].as_u64().unwrap());

    let compared = desk.json(&["compare", "--json"]);
    assert_eq!(compared.as_array().unwrap().len(), recipes.len() + 1);
    assert_eq!(compared[0]["recipe"], "baseline");
    desk.text(&["compare", "--csv", "rows.csv"]);
    assert_eq!(
        std::fs::read_to_string(desk.path("rows.csv")).unwrap().lines().count(),
        recipes.len() + 2
    );
    assert!(desk.text(&["compare"]).contains("int8-static"));

    desk.write("rows.csv", &desk.text(&["datasets", "wine", "--rows", "test"]));
    for row in rows {
        let folder = format!("export-{}", row["run"].as_str().unwrap());
        desk.text(&["export", row["run"].as_str().unwrap(), "--to", &folder]);
        let found = sha256_of(&desk.path(&folder).join("model.onnx"));
        assert_eq!(row["sha256"].as_str().unwrap(), found);
        let predictions = desk.json(&["predict", &folder, "rows.csv", "--json"]);
        let truth: Vec<String> = desk
            .text(&["datasets", "wine", "--rows", "test"])
            .lines()
            .skip(1)
            .map(|line| line.rsplit(',').next().unwrap().to_owned())
            .collect();
        let predictions = predictions.as_array().unwrap();
        let right = predictions
            .iter()
            .zip(&truth)
            .filter(|(row, truth)| row["label"] == truth.as_str())
            .count();
        assert_eq!(row["accuracy"].as_f64().unwrap(), right as f64 / truth.len() as f64);
    }

    assert_eq!(
        desk.json(&["runs", "--json"]).as_array().unwrap().len(),
        recipes.len() + 1
    );
    assert_eq!(desk.json(&["show", "wine", "--json"])["run"], run["run"]);
    let steps = desk.text(&["curves", "wine", "--csv"]).lines().count() - 1;
    assert_eq!(steps, 6 * 124_usize.div_ceil(32));
    desk.text(&["delete", rows[0]["run"].as_str().unwrap()]);
    assert_eq!(desk.json(&["runs", "--json"]).as_array().unwrap().len(), recipes.len());
}

/// What was found is kept with the run, once for each change, for the window too.
fn layers_are_kept(desk: &Desk, layers: &Value) {
    let again = desk.json(&["sensitivity", "wine", "--change", "int4", "--json"]);
    assert_eq!(again, *layers);
    let window = trimtab::jobs::Desk::open(Some(&desk.folder.path().join("store")), || ()).unwrap();
    assert!(window.ask(Question::Run(RunId(1))));
    let opened = loop {
        match window.answer() {
            Some(Answer::Run(_, opened)) => break opened.unwrap(),
            _ => std::thread::sleep(std::time::Duration::from_millis(5)),
        }
    };
    let changes: Vec<LayerChange> = opened.layers.iter().map(|found| found.change).collect();
    assert_eq!(changes, [LayerChange::Int8, LayerChange::Int4]);
    let kept = serde_json::to_string(&opened.layers[1].layers).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&kept).unwrap(), layers["layers"]);
}

#[test]
fn the_same_seed_gives_the_same_curve_and_the_exported_config_too() {
    let desk = Desk::new();
    trained(&desk, "moons", "first");
    trained(&desk, "moons", "second");
    let curve = desk.text(&["curves", "first", "--csv"]);
    assert_eq!(curve, desk.text(&["curves", "second", "--csv"]));
    desk.text(&["export", "first", "--to", "out"]);
    desk.text(&["train", "out/config.toml", "--name", "third"]);
    assert_eq!(curve, desk.text(&["curves", "third", "--csv"]));
}

#[test]
fn a_copied_folder_predicts_every_test_row_as_the_workbench_does() {
    let desk = Desk::new();
    trained(&desk, "digits", "digits");
    let recipes = ["int8-static", "fp16", "units:0.5", "int8-dynamic", "int4:epochs=1"];
    desk.text(&[&["compress", "digits"][..], &recipes].concat());
    desk.write("rows.csv", &desk.text(&["datasets", "digits", "--rows", "test"]));
    let store = Store::open(&desk.path("store")).unwrap();
    let dataset = data::load(&DataConfig::default()).unwrap();
    for run in store.runs().unwrap() {
        let bytes = store.read_artifact(run.run, ArtifactKind::Onnx).unwrap();
        let own = deploy::score(&bytes, &dataset.test, &dataset.preprocessing.target)
            .unwrap()
            .outputs;
        let name = run.run.to_string();
        desk.text(&["export", &name, "--to", &name]);
        let elsewhere = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(desk.path(&name)).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), elsewhere.path().join(file.file_name())).unwrap();
        }
        let answers = desk.json(&["predict", elsewhere.path().to_str().unwrap(), "rows.csv", "--json"]);
        let answers = answers.as_array().unwrap();
        assert_eq!(answers.len(), dataset.test.len());
        for (answer, outputs) in answers.iter().zip(own.chunks_exact(10)) {
            assert_eq!(answer["class"].as_u64(), Some(class_of(outputs) as u64), "{name}");
        }
    }
}

#[test]
fn a_run_on_a_file_can_be_compressed_from_another_folder() {
    let desk = Desk::new();
    desk.write("rows.csv", &desk.text(&["datasets", "iris", "--rows", "train"]));
    desk.write("config.toml", &desk.text(&["init", "--dataset", "rows.csv"]));
    desk.text(&["train", "config.toml", "--name", "mine", "--set", "train.epochs=3"]);
    let elsewhere = tempfile::tempdir().unwrap();
    let compressed = desk
        .command(&["compress", "mine", "fp16", "--json"])
        .current_dir(elsewhere.path())
        .output()
        .unwrap();
    assert!(
        compressed.status.success(),
        "{}",
        String::from_utf8_lossy(&compressed.stderr)
    );
}

#[test]
fn folds_give_mean_and_deviation() {
    let desk = Desk::new();
    desk.write("config.toml", &desk.text(&["init", "--dataset", "diabetes"]));
    let run = desk.json(&[
        "train",
        "config.toml",
        "--folds",
        "3",
        "--set",
        "train.epochs=3",
        "--json",
    ]);
    assert!(
        run["folds"]["mean"]["r2"].is_f64() && run["folds"]["sd"]["rmse"].as_f64().unwrap() > 0.0,
        "{run}"
    );
}

#[test]
fn init_prints_every_key_and_its_output_is_a_configuration() {
    let desk = Desk::new();
    let text = desk.text(&["init"]);
    assert!(text.contains("architecture = \"cnn\"") && text.contains("# Passes over the training rows"));
    desk.write("config.toml", &text);
    let cost = desk.json(&["cost", "config.toml", "--json"]);
    assert_eq!(cost["parameters"], 13_706 + 2 * (16 + 32));
    let terms = cost["memory"]
        .as_object()
        .unwrap()
        .values()
        .map(|bytes| bytes.as_u64().unwrap())
        .sum::<u64>();
    assert_eq!(cost["predicted_memory_bytes"], terms);
    assert!(
        desk.text(&["init", "--dataset", "iris", "--architecture", "linear"])
            .contains("\"linear\"")
    );
    assert!(desk.text(&["cost", "config.toml"]).contains("multiply-adds"));
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let desk = Desk::new();
    for arguments in [
        &["train"][..],
        &["frobnicate"],
        &["compress", "r1"],
        &["train", "x.toml", "--folds", "1"],
        &["bench", "--batch", "0"],
        &["bench", "--workload", "resnet"],
        &["export", "r1"],
    ] {
        desk.failure(2, arguments);
    }
}

#[test]
fn failures_are_one_line_that_names_the_place_and_the_remedy() {
    let desk = Desk::new();
    desk.write("good.toml", &desk.text(&["init", "--dataset", "iris"]));
    desk.write("typo.toml", "[train]\nlearning_rte = 0.1\n");
    desk.write("type.toml", "[train]\nepochs = \"many\"\n");
    desk.write("broken.toml", "[train\n");
    desk.write("rows.csv", "a,b\n1,2\n");
    std::fs::create_dir(desk.path("folder")).unwrap();
    desk.write(
        "large_kernel.toml",
        "[model]\narchitecture = \"cnn\"\nkernel = [11]\npadding = \"valid\"\n",
    );
    desk.write(
        "table_cnn.toml",
        "[data]\nsource = \"iris\"\n[model]\narchitecture = \"cnn\"\n",
    );
    desk.write("no_file.toml", "[data]\nsource = \"nowhere.csv\"\n");
    for (arguments, words) in [
        (&["train", "missing.toml"][..], &["missing.toml", "trimtab init"][..]),
        (&["train", "typo.toml"], &["typo.toml", "train.learning_rate"]),
        (&["train", "type.toml"], &["train.epochs", "many"]),
        (&["train", "broken.toml"], &["broken.toml", "line 1"]),
        (
            &["train", "rows.csv"],
            &["is data", "trimtab init --dataset rows.csv > rows.toml"],
        ),
        (
            &["cost", "folder"],
            &["is data", "trimtab init --dataset folder > folder.toml"],
        ),
        (
            &["cost", "good.toml", "--set", "data.horizon=x"],
            &["in --set", "whole number"],
        ),
        (&["train", "large_kernel.toml"], &["kernel of 11", "8 x 8"]),
        (&["train", "table_cnn.toml"], &["model.architecture", "mlp"]),
        (&["train", "no_file.toml"], &["nowhere.csv"]),
        (&["train", "good.toml", "--set", "train.epochs=0"], &["train.epochs"]),
        (&["train", "good.toml", "--set", "train.epoch=3"], &["train.epochs"]),
        (&["train", "good.toml", "--set", "epochs"], &["key=value"]),
        (&["train", "--resume", "r7"], &["r7"]),
        (
            &["train", "good.toml", "--set", "train.prune=weights:0.8:protect=77"],
            &["train.prune", "no layer 77"],
        ),
        (&["compress", "r1", "int3"], &["int3", "int8-static"]),
        (&["compress", "r1", "int4:epochs=x"], &["epochs", "whole number"]),
        (&["sensitivity", "r1"], &["r1"]),
        (&["compress", "r1", "fp16"], &["r1"]),
        (&["show", "nothing"], &["nothing"]),
        (&["delete", "r9"], &["r9"]),
        (&["export", "r9", "--to", "x"], &["r9"]),
        (&["predict", "nowhere", "rows.csv"], &["nowhere", "trimtab export"]),
        (&["datasets", "nowhere.csv"], &["nowhere.csv"]),
        (&["init", "--dataset", "iris", "--target", "petal"], &["petal"]),
        (&["explain", "trainer"], &["trimtab explain"]),
        (
            &["init", "--architecture", "alexnet"],
            &["model.architecture", "alexnet"],
        ),
        (&["compare"], &["trimtab train"]),
        (&["runs", "--store", "good.toml"], &["good.toml"]),
    ] {
        let message = desk.failure(1, arguments);
        for word in words {
            assert!(message.contains(word), "{arguments:?}: `{word}` is not in: {message}");
        }
    }
}

#[test]
fn several_problems_stand_on_a_line_each() {
    let desk = Desk::new();
    desk.write("config.toml", "");
    let message = desk.failure(
        1,
        &[
            "cost",
            "config.toml",
            "--set",
            "train.epochs=0",
            "--set",
            "train.batch_size=0",
        ],
    );
    assert_eq!(message.lines().count(), 2, "{message}");
    let told = String::from_utf8(desk.run(&["cost", "config.toml"]).stderr).unwrap();
    assert!(
        told.contains("config.toml names no data.source, so it is digits"),
        "{told}"
    );
}

#[test]
fn a_diverging_run_fails_with_its_step_and_a_hint_and_is_kept() {
    let desk = Desk::new();
    desk.write("config.toml", &desk.text(&["init", "--dataset", "diabetes"]));
    let arguments = [
        "train",
        "config.toml",
        "--name",
        "wild",
        "--set",
        "train.optimizer=sgd",
        "--set",
        "train.learning_rate=1e6",
    ];
    let message = desk.failure(1, &arguments);
    assert!(message.contains("step") && message.contains("learning"), "{message}");
    let run = desk.json(&["show", "wild", "--json"]);
    assert_eq!(run["status"], "failed");
    assert!(run["failure"].as_str().unwrap().contains("step"));
}

#[test]
fn bench_prints_the_fields_of_the_peer() {
    let desk = Desk::new();
    let text = desk.text(&[
        "bench",
        "--workload",
        "mlp784",
        "--batch",
        "8",
        "--threads",
        "1",
        "--steps",
        "3",
        "--json",
    ]);
    assert_eq!(text.lines().count(), 1);
    let row: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(row["params"], 784 * 256 + 256 + 256 * 128 + 128 + 1290);
    for key in [
        "train_ms",
        "train_ms_min",
        "samples_per_s",
        "infer_ms",
        "infer_ms_min",
        "rss_growth_bytes",
    ] {
        assert!(row[key].is_number(), "{key}");
    }
    assert_eq!(
        (&row["workload"], &row["batch"], &row["threads"]),
        (&"mlp784".into(), &8.into(), &1.into())
    );
}

fn sha256_of(path: &Path) -> String {
    use sha2::{Digest, Sha256};
    format!("{:x}", Sha256::digest(std::fs::read(path).unwrap()))
}

#[test]
fn without_a_display_the_window_says_so_in_one_line() {
    let desk = Desk::new();
    let mut command = desk.command(&[]);
    for name in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"] {
        command.env_remove(name);
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(
        message.contains("no display") && message.contains("trimtab demo"),
        "{message}"
    );
}

#[test]
fn every_key_is_explained_alone_and_on_one_page() {
    let desk = Desk::new();
    let one = desk.text(&["explain", "train.learning_rate"]);
    assert!(
        one.starts_with("train.learning_rate: ") && one.contains("\n  try    "),
        "{one}"
    );
    let section = desk.text(&["explain", "train.early_stopping"]);
    assert!(
        section.contains("train.early_stopping.metric: ") && section.contains("train.early_stopping.patience: "),
        "{section}"
    );
    let page = desk.text(&["explain"]);
    let keys = desk.text(&["init"]).lines().filter(|line| line.contains(" = ")).count();
    assert!(page.contains("**`train.learning_rate`**"), "{page}");
    assert!(page.matches("*Try*").count() >= keys / 2, "{keys}: {page}");
    assert!(desk.failure(1, &["explain", "train.speed"]).contains("is no key"));
}

#[test]
fn a_run_that_went_wrong_says_what_would_mend_it() {
    let desk = Desk::new();
    desk.write(
        "mlp.toml",
        "[data]\nsource = \"digits\"\n[train]\nepochs = 8\nlearning_rate = 1e-5\nschedule = \"constant\"\n",
    );
    desk.text(&["train", "mlp.toml", "--name", "slow"]);
    let shown = desk.text(&["show", "slow"]);
    assert!(
        shown.contains("Learning rate too low: The training loss fell from"),
        "{shown}"
    );
    assert!(shown.contains("Train with a learning rate of 3.00e-5"), "{shown}");
}

#[test]
fn runs_on_different_data_stand_in_different_tables() {
    let desk = Desk::new();
    desk.write("iris.toml", "[data]\nsource = \"iris\"\n[train]\nepochs = 2\n");
    desk.write("wine.toml", "[data]\nsource = \"wine\"\n[train]\nepochs = 2\n");
    for config in ["wine.toml", "wine.toml", "iris.toml"] {
        desk.text(&["train", config]);
    }
    let compared = desk.json(&["compare", "--json"]);
    assert!(
        compared[0]["against"].is_null() && compared[2]["against"].is_null(),
        "{compared}"
    );
    let text = desk.text(&["compare"]);
    let tables: Vec<&str> = text.split("\n\n").collect();
    assert!(
        tables.len() == 2 && tables[0].starts_with("wine\n") && tables[1].starts_with("iris\n"),
        "{text}"
    );
    assert!(tables[1].lines().count() == 3 && !tables[1].contains('('), "{text}");
    assert!(
        desk.failure(1, &["compare", "--csv", "rows.csv"])
            .contains("scores can be compared")
    );
}
