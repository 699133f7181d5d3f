//! The baselines against their definitions, against their own bytes, and against bytes that are none.

use proptest::prelude::*;

use super::*;
use crate::data;
use crate::spec::{DataConfig, Metrics, RunConfig, class_of};

const CLASSICAL: [Architecture; 5] = [
    Architecture::Majority,
    Architecture::Logistic,
    Architecture::Ridge,
    Architecture::Knn,
    Architecture::Forest,
];

fn dataset(source: &str) -> Dataset {
    let config = DataConfig {
        source: source.to_owned(),
        ..DataConfig::default()
    };
    data::load(&config).unwrap()
}

fn plan(dataset: &Dataset, source: &str, architecture: Architecture, change: impl FnOnce(&mut RunConfig)) -> RunPlan {
    let mut config = RunConfig::default();
    config.data.source = source.to_owned();
    config.model.architecture = architecture;
    change(&mut config);
    config.check(&dataset.summary).unwrap()
}

fn fitted(dataset: &Dataset, source: &str, architecture: Architecture) -> Fitted {
    let plan = plan(dataset, source, architecture, |config| config.model.trees = 10);
    fit(&plan, dataset, &mut |_, _| Ok(true)).unwrap().unwrap()
}

fn fits(architecture: Architecture, source: &str) -> bool {
    architecture != Architecture::Logistic || source != "diabetes"
}

fn classes(samples: &Samples) -> Vec<u32> {
    let Targets::Classes(classes) = &samples.targets else {
        panic!("no classes")
    };
    classes.clone()
}

fn values(samples: &Samples) -> Vec<f64> {
    let Targets::Values { values, .. } = &samples.targets else {
        panic!("no values")
    };
    values.iter().map(|&value| f64::from(value)).collect()
}

/// Weights and biases of a fitted line, by its answers to the corners of the space.
fn line(fitted: &Fitted) -> (Vec<Vec<f64>>, Vec<f64>) {
    let answer =
        |inputs: &[f32]| -> Vec<f64> { fitted.outputs(inputs).iter().map(|&value| f64::from(value)).collect() };
    let inputs = fitted.inputs();
    let biases = answer(&vec![0.0; inputs]);
    let weights = (0..inputs).map(|input| {
        let mut unit = vec![0.0; inputs];
        unit[input] = 1.0;
        answer(&unit).iter().zip(&biases).map(|(at, bias)| at - bias).collect()
    });
    (weights.collect(), biases)
}

#[test]
fn logistic_regression_is_where_its_objective_has_no_slope() {
    for (source, penalty) in [("iris", 1.0), ("wine", 10.0)] {
        let dataset = dataset(source);
        let plan = plan(&dataset, source, Architecture::Logistic, |config| {
            config.model.penalty = penalty;
        });
        let own = fit(&plan, &dataset, &mut |_, _| Ok(true)).unwrap().unwrap();
        let (weights, _) = line(&own);
        let (outputs, classes) = (
            own.outputs(&dataset.train.inputs.all().unwrap()),
            classes(&dataset.train),
        );
        let error = |row: usize, class: usize| {
            let logits = &outputs[3 * row..3 * row + 3];
            let sum: f64 = logits.iter().map(|&logit| f64::from(logit).exp()).sum();
            f64::from(logits[class]).exp() / sum - f64::from(u8::from(classes[row] as usize == class))
        };
        for class in 0..3 {
            for (input, weights) in weights.iter().enumerate() {
                let slope: f64 = (0..classes.len())
                    .map(|row| error(row, class) * f64::from(dataset.train.row(row)[input]))
                    .sum();
                let slope = slope + penalty * weights[class];
                assert!(slope.abs() < 0.05, "{source} class {class} input {input}: {slope}");
            }
            let slope: f64 = (0..classes.len()).map(|row| error(row, class)).sum();
            assert!(slope.abs() < 0.05, "{source} class {class}: {slope}");
        }
    }
}

/// Least `|y - Xw - b|^2 + penalty |w|^2`: where `penalty x weights` are the products of the centred columns and the residuals.
#[test]
fn ridge_regression_is_where_its_objective_has_no_slope_in_both_of_its_forms() {
    let mut diabetes = dataset("diabetes");
    let few = diabetes.train.gather(&[0, 1, 2, 3, 4, 5, 6]).unwrap();
    for is_short in [false, true] {
        if is_short {
            // With 10 inputs and 7 rows it is solved by rows.
            diabetes.train = few.clone();
        }
        let own = fitted(&diabetes, "diabetes", Architecture::Ridge);
        let (weights, _) = line(&own);
        let outputs = own.outputs(&diabetes.train.inputs.all().unwrap());
        let residuals: Vec<f64> = values(&diabetes.train)
            .iter()
            .zip(outputs)
            .map(|(value, output)| value - f64::from(output))
            .collect();
        assert!(residuals.iter().sum::<f64>().abs() < 1e-3);
        for (input, weight) in weights.iter().enumerate() {
            let product: f64 = (0..residuals.len())
                .map(|row| f64::from(diabetes.train.row(row)[input]) * residuals[row])
                .sum();
            assert!((product - weight[0]).abs() < 1e-3, "{product} {weight:?}");
        }
    }
}

#[test]
fn ridge_without_penalty_on_dependent_inputs_is_an_error() {
    let mut iris = dataset("iris");
    let mut inputs = iris.train.inputs.all().unwrap().into_owned();
    for row in inputs.chunks_exact_mut(4) {
        row[3] = row[0] + row[1];
    }
    iris.train.inputs = inputs.into();
    let plan = plan(&iris, "iris", Architecture::Ridge, |config| config.model.penalty = 0.0);
    let failure = fit(&plan, &iris, &mut |_, _| Ok(true)).unwrap_err();
    assert!(failure.to_string().contains("penalty above 0"), "{failure}");
}

#[test]
fn neighbours_are_those_of_sorting_all_distances() {
    let wine = dataset("wine");
    let outputs = fitted(&wine, "wine", Architecture::Knn).outputs(&wine.test.inputs.all().unwrap());
    let classes = classes(&wine.train);
    for (row, answer) in outputs.chunks(3).enumerate() {
        let test = wine.test.row(row);
        let distance = |known: &usize| -> f64 {
            let known = wine.train.row(*known);
            let pairs = known.iter().zip(&*test);
            pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum()
        };
        let mut rows: Vec<usize> = (0..wine.train.len()).collect();
        rows.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
        for (class, logarithm) in answer.iter().enumerate() {
            let votes = rows[..5].iter().filter(|&&row| classes[row] as usize == class).count();
            // One further vote of the five is spread evenly.
            let expected = (votes as f32 + 1.0 / 3.0) / 6.0;
            assert!((logarithm.exp() - expected).abs() < 1e-3, "row {row}: {answer:?}");
        }
    }
}

#[test]
fn a_tie_goes_to_the_nearer_class() {
    let mut moons = dataset("moons");
    moons.train.inputs = vec![0.0, 0.0, 1.0, 0.0].into();
    moons.train.targets = Targets::Classes(vec![1, 0]);
    let plan = plan(&moons, "moons", Architecture::Knn, |config| config.model.neighbours = 2);
    let own = fit(&plan, &moons, &mut |_, _| Ok(true)).unwrap().unwrap();
    assert_eq!(class_of(&own.outputs(&[0.4, 0.0])), 1);
    assert_eq!(class_of(&own.outputs(&[0.6, 0.0])), 0);
}

#[test]
fn probabilities_sum_to_one_and_beat_the_majority() {
    let wine = dataset("wine");
    let mut losses = Vec::new();
    for architecture in CLASSICAL {
        let outputs = fitted(&wine, "wine", architecture).outputs(&wine.test.inputs.all().unwrap());
        if architecture != Architecture::Logistic {
            for row in outputs.chunks(3) {
                let sum: f32 = row.iter().map(|logarithm| logarithm.exp()).sum();
                assert!((sum - 1.0).abs() < 1e-4, "{architecture} {sum}");
            }
        }
        losses.push(Metrics::classification(&outputs, &classes(&wine.test)));
    }
    for (metrics, architecture) in losses[1..].iter().zip(&CLASSICAL[1..]) {
        assert!(metrics.loss < 0.6 * losses[0].loss, "{architecture}: {metrics:?}");
        assert!(metrics.accuracy > Some(0.9), "{architecture}: {metrics:?}");
    }
}

#[test]
fn a_forest_finds_what_no_line_does() {
    let spirals = dataset("spirals");
    let accuracy = |architecture| {
        let outputs = fitted(&spirals, "spirals", architecture).outputs(&spirals.test.inputs.all().unwrap());
        Metrics::classification(&outputs, &classes(&spirals.test))
            .accuracy
            .unwrap()
    };
    assert!(accuracy(Architecture::Logistic) < 0.8);
    assert!(accuracy(Architecture::Forest) > 0.85);
    assert!(accuracy(Architecture::Knn) > 0.85);
}

#[test]
fn several_targets_are_answered_at_once() {
    let mut diabetes = dataset("diabetes");
    let alone = fitted(&diabetes, "diabetes", Architecture::Ridge).outputs(&diabetes.test.inputs.all().unwrap());
    for samples in [&mut diabetes.train, &mut diabetes.validation, &mut diabetes.test] {
        let doubled = values(samples)
            .iter()
            .flat_map(|&value| [value as f32, -value as f32])
            .collect();
        samples.targets = Targets::Values {
            values: doubled,
            width: 2,
        };
    }
    diabetes.summary.task = crate::spec::Task::Regression {
        targets: vec!["a".to_owned(), "b".to_owned()],
    };
    for architecture in CLASSICAL
        .into_iter()
        .filter(|&architecture| fits(architecture, "diabetes"))
    {
        let both = fitted(&diabetes, "diabetes", architecture);
        let outputs = both.outputs(&diabetes.test.inputs.all().unwrap());
        assert_eq!(outputs.len(), 2 * diabetes.test.len());
        for (row, pair) in outputs.chunks(2).enumerate() {
            assert!((pair[0] + pair[1]).abs() < 1e-4, "{architecture} {pair:?}");
            if architecture == Architecture::Ridge {
                assert!((pair[0] - alone[row]).abs() < 1e-4);
            }
        }
        let again = Fitted::from_bytes(&both.to_bytes().unwrap()).unwrap();
        assert_eq!(again.outputs(&diabetes.test.inputs.all().unwrap()), outputs);
    }
}

#[test]
fn bytes_answer_as_what_was_fitted_and_a_seed_decides_them() {
    for source in ["iris", "diabetes"] {
        let dataset = dataset(source);
        for architecture in CLASSICAL.into_iter().filter(|&architecture| fits(architecture, source)) {
            let own = fitted(&dataset, source, architecture);
            let bytes = own.to_bytes().unwrap();
            let read = Fitted::from_bytes(&bytes).unwrap();
            assert_eq!(
                read.outputs(&dataset.test.inputs.all().unwrap()),
                own.outputs(&dataset.test.inputs.all().unwrap())
            );
            assert_eq!(bytes, fitted(&dataset, source, architecture).to_bytes().unwrap());
            assert_eq!(bytes, read.to_bytes().unwrap());
            assert_eq!(
                (read.parameters(), read.multiply_adds(), read.memory_bytes(64)),
                (own.parameters(), own.multiply_adds(), own.memory_bytes(64))
            );
            // A sample is answered the same alone as among others.
            let alone: Vec<f32> = (0..dataset.test.len())
                .flat_map(|row| own.outputs(&dataset.test.row(row)))
                .collect();
            assert_eq!(alone, own.outputs(&dataset.test.inputs.all().unwrap()));
        }
        let other = plan(&dataset, source, Architecture::Forest, |config| {
            config.model.trees = 10;
            config.run.seed = 1;
        });
        let other = fit(&other, &dataset, &mut |_, _| Ok(true)).unwrap().unwrap();
        let first = fitted(&dataset, source, Architecture::Forest);
        assert_ne!(other.to_bytes().unwrap(), first.to_bytes().unwrap());
    }
}

#[test]
fn a_fit_can_be_stopped_and_tells_how_far_it_is() {
    let digits = dataset("digits");
    for architecture in [Architecture::Logistic, Architecture::Ridge, Architecture::Forest] {
        let plan = plan(&digits, "digits", architecture, |_| ());
        let mut told = Vec::new();
        let stopped = fit(&plan, &digits, &mut |done, total| {
            told.push((done, total));
            Ok(told.len() < 2)
        });
        assert!(stopped.unwrap().is_none());
        assert!(
            told.len() == 2 && told[0].0 == 0 && told[1].0 > 0 && told[1].0 < told[1].1,
            "{told:?}"
        );
    }
}

fn file_of(architecture: Architecture) -> Vec<u8> {
    let source = if architecture == Architecture::Ridge {
        "diabetes"
    } else {
        "iris"
    };
    let dataset = dataset(source);
    let plan = plan(&dataset, source, architecture, |config| config.model.trees = 3);
    fit(&plan, &dataset, &mut |_, _| Ok(true))
        .unwrap()
        .unwrap()
        .to_bytes()
        .unwrap()
}

fn endure(bytes: &[u8]) {
    if let Ok(fitted) = Fitted::from_bytes(bytes) {
        // A file may say that its samples are wider than this test has room for.
        if fitted.inputs() < 1 << 16 {
            let outputs = fitted.outputs(&vec![f32::NAN; 2 * fitted.inputs()]);
            assert_eq!(outputs.len(), 2 * fitted.outputs_len());
            let _ = fitted.outputs(&vec![1e38; fitted.inputs() + 1]);
        }
    }
}

#[test]
fn a_way_through_a_tree_that_does_not_end_is_an_error() {
    let bytes = file_of(Architecture::Forest);
    let (header, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    for name in ["next", "roots", "inputs"] {
        let start = metadata.info(name).unwrap().data_offsets.0 + header + 8;
        for word in [0_u32, 1, u32::MAX - 1] {
            let mut changed = bytes.clone();
            changed[start..start + 4].copy_from_slice(&word.to_le_bytes());
            endure(&changed);
            if name == "next" {
                assert!(Fitted::from_bytes(&changed).is_err() || word == 1, "{name} {word}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn damaged_bytes_are_an_error_or_a_model_that_answers(
        which in 0..5_usize,
        places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        thread_local! {
            static FILES: Vec<Vec<u8>> = CLASSICAL.map(file_of).to_vec();
        }
        let mut bytes = FILES.with(|files| files[which].clone());
        for (place, value) in places {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        endure(&bytes);
    }
}

/// Five-fold means of every baseline on every shipped set: `cargo test --release --lib classic::tests::scores -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn scores() {
    for source in [
        "digits",
        "iris",
        "wine",
        "breast_cancer",
        "diabetes",
        "spirals",
        "moons",
        "circles",
        "checkerboard",
        "blobs",
        "xor",
    ] {
        let config = DataConfig {
            source: source.to_owned(),
            ..DataConfig::default()
        };
        for architecture in CLASSICAL {
            let begun = std::time::Instant::now();
            let mut sum = 0.0;
            for fold in 0..5 {
                let Ok(dataset) = data::load_fold(&config, fold, 5) else {
                    break;
                };
                if dataset.summary.task.is_regression() && architecture == Architecture::Logistic {
                    break;
                }
                let plan = plan(&dataset, source, architecture, |_| ());
                let own = fit(&plan, &dataset, &mut |_, _| Ok(true)).unwrap().unwrap();
                let outputs = own.outputs(&dataset.test.inputs.all().unwrap());
                sum += match &dataset.test.targets {
                    Targets::Classes(classes) => Metrics::classification(&outputs, classes).accuracy,
                    Targets::Values { values, .. } => Metrics::regression(&outputs, values, &[1.0]).r2,
                }
                .unwrap();
            }
            println!(
                "{source:<14} {architecture:<9} {:.4} {:.2} s",
                sum / 5.0,
                begun.elapsed().as_secs_f64()
            );
        }
    }
}

#[test]
fn what_does_not_fit_into_the_budget_is_refused_before_it_is_read() {
    let source = DataConfig {
        source: "glyphs".to_owned(),
        samples: 2_000,
        memory_mb: 1,
        ..DataConfig::default()
    };
    let dataset = data::load(&source).unwrap();
    let fit_within = |architecture, memory_mb| {
        let plan = plan(&dataset, "glyphs", architecture, |config| {
            config.data = DataConfig {
                memory_mb,
                ..source.clone()
            };
        });
        fit(&plan, &dataset, &mut |_, _| Ok(true)).map(|fitted| fitted.is_some())
    };
    // 1400 rows of 28 x 28 numbers of four bytes.
    let failure = fit_within(Architecture::Knn, 4).unwrap_err().to_string();
    assert!(
        failure.contains("data.memory_mb") && failure.contains("4.39 MB"),
        "{failure}"
    );
    assert_eq!(fit_within(Architecture::Knn, 5), Ok(true));
    // It looks at no inputs.
    assert_eq!(fit_within(Architecture::Majority, 1), Ok(true));
}
