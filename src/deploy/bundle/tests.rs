//! Export folders written, read back, and refused.

use std::fs;
use std::path::Path;

use super::*;
use crate::data::{Samples, Targets};
use crate::deploy::fixtures::{random_inputs, random_weights};
use crate::deploy::{BundleError, Candidate, Exported, Form, measure, score, to_onnx};
use crate::spec::{
    ColumnKind, DataKind, DatasetSummary, Deployed, InputColumn, InputForm, LayerSpec, Metrics, ModelSpec,
    Preprocessing, Recipe, Run, RunConfig, RunId, RunStatus, Shape, Speed, SplitRows, TargetScale, TargetTransform,
    Task,
};

/// A small trained network with all that an export needs.
struct Trained {
    model: ModelSpec,
    onnx: Vec<u8>,
    config: RunConfig,
    preprocessing: Preprocessing,
    run: Run,
    compressions: Vec<Compression>,
    deployed: Deployed,
    dataset: DatasetSummary,
    test: Samples,
    score: Metrics,
}

#[expect(clippy::too_many_lines, reason = "a list of fields")]
fn trained(task: Task) -> Trained {
    let model = ModelSpec {
        input: Shape::Features { features: 3 },
        layers: vec![LayerSpec::Dense { units: task.outputs() }],
    };
    let onnx = to_onnx(&model, &random_weights(&model, 1), &task, &Form::Fp32).unwrap();
    let target = match &task {
        Task::Classification { classes } => TargetTransform::Classes {
            classes: classes.clone(),
        },
        Task::Regression { .. } => TargetTransform::Values {
            targets: vec![TargetScale {
                name: "weight".to_owned(),
                mean: 10.0,
                deviation: 2.0,
            }],
        },
    };
    let test = Samples {
        shape: model.input,
        inputs: random_inputs(&model, 20, 1).into(),
        targets: match task {
            Task::Classification { .. } => Targets::Classes((0..20).map(|row| row % 2).collect()),
            Task::Regression { .. } => Targets::Values {
                values: (0..20_u8).map(f32::from).collect(),
                width: 1,
            },
        },
    };
    let score = score(&onnx, &test, &target).unwrap().metrics;
    let recipe: Recipe = "units:0.5:finetune=3".parse().unwrap();
    let exported = Exported::load(&onnx).unwrap();
    let candidate = Candidate {
        bytes: &onnx,
        exported: &exported,
    };
    let measured = measure(&[candidate], &|| true).unwrap().unwrap().remove(0);
    let deployed = measured.deployed(Some(recipe.clone()), Some(RunId(3)), &score, Speed::Measured);
    Trained {
        config: RunConfig::default(),
        preprocessing: Preprocessing {
            form: InputForm::Row,
            columns: vec![
                InputColumn {
                    name: "width".to_owned(),
                    kind: ColumnKind::Numeric {
                        mean: 0.5,
                        deviation: 2.0,
                        fill: 0.4,
                    },
                },
                InputColumn {
                    name: "colour".to_owned(),
                    kind: ColumnKind::Category {
                        categories: vec!["red".to_owned(), "blue".to_owned()],
                    },
                },
            ],
            shape: model.input,
            target_column: "kind".to_owned(),
            target,
        },
        run: Run {
            run: RunId(4),
            name: "small one".to_owned(),
            status: RunStatus::Finished,
            epochs: 3,
            best_epoch: Some(3),
            train: None,
            validation: None,
            test: Some(score),
            parameters: 8,
            multiply_adds: 6,
            elapsed_secs: 1.0,
            samples_per_second: 1.0,
            predicted_memory_bytes: 1,
            peak_memory_bytes: 1,
            failure: None,
            folds: None,
            deployed: None,
        },
        dataset: DatasetSummary {
            name: "things".to_owned(),
            kind: DataKind::Table,
            rows: 100,
            input: model.input,
            task,
            class_rows: Vec::new(),
            split: SplitRows {
                train: 70,
                validation: 10,
                test: 20,
            },
            columns: vec!["width".to_owned(), "colour".to_owned()],
            target: "kind".to_owned(),
            notes: Vec::new(),
            content: None,
        },
        model,
        onnx,
        compressions: vec![Compression {
            of: RunId(3),
            name: Some("large one".to_owned()),
            recipe,
        }],
        deployed,
        test,
        score,
    }
}

impl Trained {
    fn contents(&self) -> Contents<'_> {
        Contents {
            model: Model::Network {
                onnx: &self.onnx,
                safetensors: b"weights",
            },
            config: &self.config,
            preprocessing: &self.preprocessing,
            lineage: Lineage {
                run: &self.run,
                compressions: &self.compressions,
                deployed: &self.deployed,
                beside: None,
                dataset: &self.dataset,
                model: &self.model,
            },
            test: Some(&self.test),
            score: self.score,
        }
    }
}

fn classes() -> Task {
    Task::Classification {
        classes: vec!["a thing".to_owned(), "two\nlines".to_owned()],
    }
}

/// Names of what lies in `dir`.
fn entries(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_folder_answers_as_its_network() {
    let home = tempfile::tempdir().unwrap();
    let trained = trained(classes());
    let dir = home.path().join("export");
    write(&dir, &trained.contents()).unwrap();
    assert_eq!(entries(home.path()), ["export"]);
    assert_eq!(
        entries(&dir),
        [
            "card.md",
            "config.toml",
            "labels.txt",
            "model.onnx",
            "model.safetensors",
            "preprocessing.json"
        ]
    );
    let bundle = open(&dir, no_baseline).unwrap();
    let outputs = score(&trained.onnx, &trained.test, &trained.preprocessing.target)
        .unwrap()
        .outputs;
    let predictions = bundle.answers(&bundle.outputs(&trained.test.inputs.all().unwrap()).unwrap());
    assert_eq!(predictions.len(), 20);
    for (prediction, logits) in predictions.iter().zip(outputs.chunks_exact(2)) {
        let Prediction::Class {
            label,
            class,
            probabilities,
        } = prediction
        else {
            panic!("{prediction:?}");
        };
        assert_eq!(*class, usize::from(logits[1] > logits[0]));
        assert_eq!(label, ["a thing", "two\nlines"][*class]);
        assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(probabilities[*class] >= 0.5);
    }
}

#[test]
fn a_regression_answers_in_the_unit_of_its_target() {
    let home = tempfile::tempdir().unwrap();
    let trained = trained(Task::regression("y"));
    let dir = home.path().join("export");
    write(&dir, &trained.contents()).unwrap();
    assert!(!dir.join(LABELS_FILE).exists());
    let outputs = score(&trained.onnx, &trained.test, &trained.preprocessing.target)
        .unwrap()
        .outputs;
    assert_eq!(
        open(&dir, no_baseline).unwrap().answers(&outputs)[0],
        Prediction::Value {
            value: 10.0 + 2.0 * f64::from(outputs[0])
        }
    );
}

#[test]
fn the_card_tells_what_how_and_how_well() {
    let trained = trained(classes());
    let text = card::card(&trained.contents(), "00ff");
    let rate = format!("Adam, learning rate {}", RunConfig::default().train.learning_rate);
    for word in [
        "# small one",
        "dense 2",
        "the recipe `units:0.5:finetune=3` applied to run r3 (large one)",
        &rate,
        "Accuracy on the test split",
        "Latency at batch 64",
        "`00ff`",
        "trimtab predict",
    ] {
        assert!(text.contains(word), "{word} is not in:\n{text}");
    }
    assert!(!text.contains("timed in turn"), "{text}");
    let beside = |name: Option<&str>| Beside {
        run: RunId(9),
        name: name.map(str::to_owned),
    };
    for (beside, words) in [
        (beside(Some("other")), "timed in turn with run r9 (other): "),
        (beside(None), "timed in turn with run r9, which has been deleted: "),
    ] {
        let mut contents = trained.contents();
        contents.lineage.beside = Some(&beside);
        let text = card::card(&contents, "00ff");
        assert_eq!(text.matches(words).count(), 2, "{text}");
    }
}

#[test]
fn the_card_names_every_step_to_the_model() {
    let mut trained = trained(classes());
    let step = |of, name: Option<&str>, recipe: &str| Compression {
        of: RunId(of),
        name: name.map(str::to_owned),
        recipe: recipe.parse().unwrap(),
    };
    let card = |trained: &Trained| card::card(&trained.contents(), "00ff");

    trained.compressions = vec![
        step(1, Some("first"), "distil:preset=tiny:epochs=3"),
        step(2, Some("second"), "int8-static"),
    ];
    trained.run.epochs = 0;
    let text = card(&trained);
    let train = text.find("trains run r1 (first) again").unwrap();
    let distil = text.find("compress RUN distil:preset=tiny:epochs=3`").unwrap();
    let quantize = text.find("compress RUN int8-static`").unwrap();
    assert!(train < distil && distil < quantize, "{text}");
    assert!(!text.contains("Fine-tuned"), "{text}");

    trained.compressions.truncate(1);
    trained.run.epochs = 3;
    let text = card(&trained);
    assert!(
        text.contains("3 epochs from fresh weights to answer like run r1 (first)"),
        "{text}"
    );

    trained.compressions = vec![step(1, None, "fp16")];
    let text = card(&trained);
    assert!(text.contains("run r1, which has been deleted"), "{text}");
    assert!(!text.contains("`config.toml` trains"), "{text}");
}

#[test]
fn the_configuration_reads_back_as_it_was() {
    let home = tempfile::tempdir().unwrap();
    let trained = trained(classes());
    let dir = home.path().join("export");
    write(&dir, &trained.contents()).unwrap();
    let text = fs::read_to_string(dir.join(CONFIG_FILE)).unwrap();
    assert_eq!(crate::spec::parse_config(&text, &[]).unwrap(), trained.config);
}

#[test]
fn an_empty_folder_is_filled_and_a_full_one_refused() {
    let home = tempfile::tempdir().unwrap();
    let trained = trained(classes());
    let dir = home.path().join("export");
    fs::create_dir(&dir).unwrap();
    write(&dir, &trained.contents()).unwrap();
    // No name is too long for the folder that it is made in.
    write(&home.path().join("n".repeat(255)), &trained.contents()).unwrap();
    fs::remove_dir_all(home.path().join("n".repeat(255))).unwrap();
    let before = entries(&dir);
    let error = write(&dir, &trained.contents()).unwrap_err().to_string();
    assert!(error.contains("exists already"), "{error}");
    assert_eq!((entries(&dir), entries(home.path()).len()), (before, 1));
}

#[test]
fn a_folder_that_does_not_prove_itself_does_not_appear() {
    let home = tempfile::tempdir().unwrap();
    let mut trained = trained(classes());
    trained.score.accuracy = Some(0.123);
    let error = write(&home.path().join("export"), &trained.contents()).unwrap_err();
    assert!(matches!(error, BundleError::File { .. }), "{error}");
    assert!(error.to_string().contains("0.123"), "{error}");
    assert!(entries(home.path()).is_empty());
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    let error = write(&file.join("export"), &trained(classes()).contents())
        .unwrap_err()
        .to_string();
    assert!(error.contains("cannot be written"), "{error}");
}
