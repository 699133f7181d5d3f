//! Export folders that were damaged on their way: each is refused with the file's name and what to do, and none panics.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use trimtab::data::{Samples, Targets};
use trimtab::deploy::bundle::{self, Contents, Lineage};
use trimtab::deploy::{Candidate, Exported, Form, measure, score, to_onnx};
use trimtab::spec::{
    ColumnKind, DataKind, DatasetSummary, InputColumn, InputForm, LayerSpec, ModelSpec, Preprocessing, Run, RunConfig,
    RunId, RunStatus, Shape, Speed, SplitRows, TargetTransform, Task, Weights,
};

/// An export folder of a two-class network over two columns, and a file of rows for it.
struct Export {
    home: TempDir,
    dir: PathBuf,
    rows: PathBuf,
}

impl Export {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("export");
        write(&dir);
        let rows = home.path().join("rows.csv");
        fs::write(&rows, "length,width\n1.0,2.0\n-1.0,0.5\n").unwrap();
        Self { home, dir, rows }
    }

    /// What `predict` says after `name` was replaced by `bytes`.
    fn with(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.dir.join(name), bytes).unwrap();
        self.refusal()
    }

    fn refusal(&self) -> String {
        match bundle::predict(&self.dir, &self.rows, bundle::no_baseline) {
            Ok(answers) => panic!("answered {:?}", answers.predictions),
            Err(error) => error.to_string(),
        }
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.dir.join(name)).unwrap()
    }
}

fn write(dir: &Path) {
    let names = ["no".to_owned(), "yes".to_owned()];
    let task = Task::Classification {
        classes: names.to_vec(),
    };
    let model = ModelSpec {
        input: Shape::Features { features: 2 },
        layers: vec![LayerSpec::Dense { units: 2 }],
    };
    let mut weights = Weights::default();
    weights.push(0, "weight", vec![2, 2], vec![1.0, -1.0, -1.0, 1.0]);
    weights.push(0, "bias", vec![2], vec![0.0, 0.1]);
    let onnx = to_onnx(&model, &weights, &task, &Form::Fp32).unwrap();
    let column = |name: &str| InputColumn {
        name: name.to_owned(),
        kind: ColumnKind::Numeric {
            mean: 0.0,
            deviation: 1.0,
            fill: 0.0,
        },
    };
    let preprocessing = Preprocessing {
        form: InputForm::Row,
        columns: vec![column("length"), column("width")],
        shape: model.input,
        target_column: "answer".to_owned(),
        target: TargetTransform::Classes {
            classes: names.to_vec(),
        },
    };
    let test = Samples {
        shape: model.input,
        inputs: vec![1.0, 0.0, 0.0, 1.0].into(),
        targets: Targets::Classes(vec![0, 1]),
    };
    let score = score(&onnx, &test, &preprocessing.target).unwrap().metrics;
    let exported = Exported::load(&onnx).unwrap();
    let candidate = Candidate {
        bytes: &onnx,
        exported: &exported,
    };
    let measured = measure(&[candidate], &|| true).unwrap().unwrap().remove(0);
    let deployed = measured.deployed(None, None, &score, Speed::Measured);
    let run = Run {
        run: RunId(1),
        name: "small".to_owned(),
        status: RunStatus::Finished,
        epochs: 1,
        best_epoch: Some(1),
        train: None,
        validation: None,
        test: Some(score),
        parameters: 6,
        multiply_adds: 4,
        elapsed_secs: 1.0,
        samples_per_second: 1.0,
        predicted_memory_bytes: 1,
        peak_memory_bytes: 1,
        failure: None,
        folds: None,
        deployed: None,
    };
    let dataset = DatasetSummary {
        name: "things".to_owned(),
        kind: DataKind::Table,
        rows: 6,
        input: model.input,
        task,
        class_rows: vec![3, 3],
        split: SplitRows {
            train: 2,
            validation: 2,
            test: 2,
        },
        columns: vec!["length".to_owned(), "width".to_owned()],
        target: "answer".to_owned(),
        notes: Vec::new(),
        content: None,
    };
    let contents = Contents {
        model: bundle::Model::Network {
            onnx: &onnx,
            safetensors: b"weights",
        },
        config: &RunConfig::default(),
        preprocessing: &preprocessing,
        lineage: Lineage {
            run: &run,
            compressions: &[],
            deployed: &deployed,
            beside: None,
            dataset: &dataset,
            model: &model,
        },
        test: Some(&test),
        score,
    };
    bundle::write(dir, &contents).unwrap();
}

#[test]
fn a_whole_folder_answers_from_a_copy() {
    let export = Export::new();
    let copy = export.home.path().join("copy");
    fs::create_dir(&copy).unwrap();
    for name in ["model.onnx", "preprocessing.json", "labels.txt"] {
        fs::copy(export.dir.join(name), copy.join(name)).unwrap();
    }
    let answers = bundle::predict(&copy, &export.rows, bundle::no_baseline).unwrap();
    assert_eq!(
        answers,
        bundle::predict(&export.dir, &export.rows, bundle::no_baseline).unwrap()
    );
    assert_eq!(answers.predictions.len(), 2);
    assert_eq!(answers.metrics, None);
}

#[test]
fn a_truncated_onnx_file_is_named_at_every_length() {
    let export = Export::new();
    let whole = export.read("model.onnx");
    for length in 0..whole.len() {
        let text = export.with("model.onnx", &whole[..length]);
        assert!(
            text.contains("model.onnx") && text.matches("export the").count() <= 1 && text.contains("export"),
            "{length}: {text}"
        );
    }
}

#[test]
fn an_onnx_file_with_a_flipped_byte_never_panics() {
    let export = Export::new();
    let whole = export.read("model.onnx");
    for position in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[position] ^= 0x5a;
        fs::write(export.dir.join("model.onnx"), damaged).unwrap();
        // A flipped weight is still a network; whatever is refused must say where.
        if let Err(error) = bundle::predict(&export.dir, &export.rows, bundle::no_baseline) {
            assert!(error.to_string().contains("model.onnx"), "{position}: {error}");
        }
    }
}

#[test]
fn a_missing_file_is_named() {
    for name in ["model.onnx", "preprocessing.json", "labels.txt"] {
        let export = Export::new();
        fs::remove_file(export.dir.join(name)).unwrap();
        let text = export.refusal();
        assert!(text.contains(name) && text.contains("is missing"), "{text}");
    }
}

#[test]
fn a_folder_that_is_none_is_named() {
    let export = Export::new();
    let text = bundle::predict(&export.rows, &export.rows, bundle::no_baseline)
        .unwrap_err()
        .to_string();
    assert!(text.contains("rows.csv: is not a folder"), "{text}");
}

#[test]
fn preprocessing_that_is_no_json_is_refused() {
    let export = Export::new();
    let whole = export.read("preprocessing.json");
    for bytes in [&b""[..], b"\0\x01binary", b"[]", b"{}", &whole[..whole.len() / 2]] {
        let text = export.with("preprocessing.json", bytes);
        assert!(text.contains("preprocessing.json: is damaged"), "{text}");
    }
}

#[test]
fn preprocessing_that_does_not_fit_the_network_is_refused() {
    let export = Export::new();
    let text = String::from_utf8(export.read("preprocessing.json")).unwrap();
    let mut preprocessing: Preprocessing = serde_json::from_str(&text).unwrap();
    preprocessing.columns.pop();
    let text = export.with("preprocessing.json", &serde_json::to_vec(&preprocessing).unwrap());
    assert!(
        text.contains("columns make 1 inputs, but the network takes 2 features"),
        "{text}"
    );
    preprocessing.shape = Shape::Features { features: 1 };
    let text = export.with("preprocessing.json", &serde_json::to_vec(&preprocessing).unwrap());
    assert!(
        text.contains("makes samples of [1] where the network in model.onnx reads [2]"),
        "{text}"
    );
    preprocessing.shape = Shape::Image {
        channels: usize::MAX,
        height: usize::MAX,
        width: 2,
    };
    let text = export.with("preprocessing.json", &serde_json::to_vec(&preprocessing).unwrap());
    assert!(text.contains("preprocessing.json"), "{text}");
}

#[test]
fn numbers_that_are_none_in_preprocessing_are_refused() {
    let export = Export::new();
    let text = String::from_utf8(export.read("preprocessing.json")).unwrap();
    let zero = text.replace("\"deviation\": 1.0", "\"deviation\": 0.0");
    assert_ne!(zero, text);
    let text = export.with("preprocessing.json", zero.as_bytes());
    assert!(text.contains("deviation 0"), "{text}");
}

#[test]
fn labels_that_do_not_fit_are_refused() {
    let export = Export::new();
    for (labels, expected) in [
        (&b""[..], "has 0 labels where preprocessing.json has 2 classes"),
        (b"no\nyes\nmaybe\n", "has 3 labels"),
        (b"yes\nno\n", "line 1 is \"yes\""),
        (b"no\n\xff\n", "is not UTF-8 text"),
    ] {
        let text = export.with("labels.txt", labels);
        assert!(text.contains("labels.txt") && text.contains(expected), "{text}");
    }
}

#[test]
fn a_network_with_other_outputs_is_refused() {
    let export = Export::new();
    let task = Task::regression("y");
    let model = ModelSpec {
        input: Shape::Features { features: 2 },
        layers: vec![LayerSpec::Dense { units: 1 }],
    };
    let mut weights = Weights::default();
    weights.push(0, "weight", vec![1, 2], vec![1.0, 1.0]);
    weights.push(0, "bias", vec![1], vec![0.0]);
    let onnx = to_onnx(&model, &weights, &task, &Form::Fp32).unwrap();
    let text = export.with("model.onnx", &onnx);
    assert!(text.contains("model.onnx: the network has 1 outputs"), "{text}");
}

#[test]
fn rows_without_a_column_of_the_network_are_refused() {
    let export = Export::new();
    fs::write(&export.rows, "length,height\n1.0,2.0\n").unwrap();
    let text = export.refusal();
    assert!(text.contains("rows.csv") && text.contains("width"), "{text}");
}
