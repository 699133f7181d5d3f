//! The shipped and generated sets as a whole.

use super::*;
use crate::spec::{ColumnKind, DataKind, InputForm, Shape, TargetTransform, Task, TaskKind};

fn config(source: &str) -> DataConfig {
    DataConfig {
        source: source.to_owned(),
        ..DataConfig::default()
    }
}

#[test]
fn digits_are_images_with_one_mean_and_deviation() {
    let set = load(&config("digits")).unwrap();
    assert_eq!(
        set.summary.input,
        Shape::Image {
            channels: 1,
            height: 8,
            width: 8
        }
    );
    assert_eq!(set.summary.rows, 1797);
    assert_eq!(
        (set.train.len(), set.validation.len(), set.test.len()),
        (1257, 270, 270)
    );
    assert_eq!(set.train.inputs.len(), 1257 * 64);
    let Task::Classification { classes } = &set.summary.task else {
        panic!("{:?}", set.summary.task)
    };
    assert_eq!(classes.len(), 10);
    assert_eq!(set.summary.class_rows.iter().sum::<usize>(), 1797);
    let inputs = set.train.inputs.all().unwrap();
    let mean = inputs.iter().map(|&value| f64::from(value)).sum::<f64>() / inputs.len() as f64;
    assert!(mean.abs() < 1e-6, "{mean}");
    assert!(set.preprocessing.columns.windows(2).all(|pair| {
        matches!((&pair[0].kind, &pair[1].kind), (
                ColumnKind::Numeric { mean: a, deviation: b, .. },
                ColumnKind::Numeric { mean: c, deviation: d, .. },
            ) if a == c && b == d)
    }));
    assert!(set.summary.notes.is_empty(), "{:?}", set.summary.notes);
}

#[test]
fn shipped_sets_have_their_known_sizes() {
    for (name, rows, features, outputs) in [
        ("iris", 150, 4, 3),
        ("wine", 178, 13, 3),
        ("breast_cancer", 569, 30, 2),
        ("diabetes", 442, 10, 1),
    ] {
        let set = load(&config(name)).unwrap();
        assert_eq!(set.summary.name, name);
        assert_eq!(set.summary.rows, rows);
        assert_eq!(set.summary.input, Shape::Features { features });
        assert_eq!(set.summary.task.outputs(), outputs);
        assert!(set.train.inputs.all().unwrap().iter().all(|value| value.is_finite()));
        assert!(set.summary.notes.is_empty(), "{:?}", set.summary.notes);
    }
}

#[test]
fn generated_sets_follow_size_noise_and_seed() {
    for name in ["spirals", "moons"] {
        let base = DataConfig {
            samples: 400,
            noise: 0.0,
            ..config(name)
        };
        let set = load(&base).unwrap();
        assert_eq!(set.summary.rows, 400);
        assert_eq!(set.summary.class_rows, [200, 200]);
        assert_eq!(set, load(&base).unwrap());
        let noisy = DataConfig {
            noise: 0.2,
            ..base.clone()
        };
        assert_ne!(set.train, load(&noisy).unwrap().train);
        let seeded = DataConfig { split_seed: 1, ..base };
        assert_ne!(set.train, load(&seeded).unwrap().train);
    }
}

#[test]
fn the_split_seed_decides_the_split() {
    let first = load(&config("iris")).unwrap();
    assert_eq!(first, load(&config("iris")).unwrap());
    let other = DataConfig {
        split_seed: 1,
        ..config("iris")
    };
    assert_ne!(first.test, load(&other).unwrap().test);
}

#[test]
fn folds_test_every_row_once() {
    let sets: Vec<Dataset> = (0..5)
        .map(|fold| load_fold(&config("iris"), fold, 5).unwrap())
        .collect();
    assert_eq!(sets.iter().map(|set| set.test.len()).sum::<usize>(), 150);
    for set in &sets {
        assert_eq!(set.train.len() + set.validation.len() + set.test.len(), 150);
        assert!(set.validation.len().abs_diff(21) <= 1, "{}", set.validation.len());
    }
    assert!(matches!(
        load_fold(&config("iris"), 5, 5),
        Err(DataError::NotAFold { .. })
    ));
}

#[test]
fn the_task_can_be_overruled() {
    let forced = DataConfig {
        task: Some(TaskKind::Regression),
        ..config("digits")
    };
    assert!(load(&forced).unwrap().summary.task.is_regression());
}

#[test]
fn an_image_with_another_target_is_a_table() {
    let other = DataConfig {
        target: Some("pixel_3_3".to_owned()),
        ..config("digits")
    };
    let set = load(&other).unwrap();
    assert!(matches!(set.summary.input, Shape::Features { .. }));
    assert_eq!(set.summary.target, "pixel_3_3");
}

/// The names of all sets that need no file.
fn all_names() -> impl Iterator<Item = &'static str> {
    names().into_iter().map(|(name, _)| name)
}

#[test]
fn every_set_loads_divides_and_comes_back_from_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    for name in all_names() {
        let config = DataConfig {
            samples: 400,
            ..config(name)
        };
        let set = load(&config).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(set.preprocessing.problem(), None, "{name}");
        let parts = [&set.train, &set.validation, &set.test];
        assert!(parts.iter().all(|part| !part.is_empty()), "{name}");
        assert_eq!(
            parts.map(Samples::len).iter().sum::<usize>(),
            set.summary.rows,
            "{name}"
        );
        assert!(load_fold(&config, 1, 3).is_ok(), "{name}");
        if matches!(set.preprocessing.form, InputForm::Pixels { .. }) {
            continue;
        }
        for (part, samples) in [(Part::Train, &set.train), (Part::Test, &set.test)] {
            std::fs::write(&path, rows_as_csv(&config, part).unwrap()).unwrap();
            let new = read_rows(&path, &set.preprocessing).unwrap_or_else(|error| panic!("{name}: {error}"));
            let inputs = samples.inputs.all().unwrap();
            assert_eq!(new.inputs[..inputs.len()], inputs[..], "{name}");
            assert_eq!(new.targets.as_ref(), Some(&samples.targets), "{name}: {:?}", new.notes);
            let extra = usize::from(matches!(set.preprocessing.form, InputForm::Window { .. }));
            assert_eq!(new.rows, samples.len() + extra, "{name}");
        }
        let row = set.test.row(0);
        let cells = cell_names(&set.preprocessing).into_iter();
        let cells: Vec<(String, String)> = cells.zip(restore_cells(&set.preprocessing, &row)).collect();
        assert_eq!(encode_cells(&cells, &set.preprocessing).unwrap(), row[..], "{name}");
    }
}

#[test]
fn generated_sequences_series_and_texts_are_what_they_say() {
    let adding = load(&config("adding")).unwrap();
    assert_eq!(adding.summary.kind, DataKind::Sequences);
    assert_eq!(adding.summary.input, Shape::Sequence { steps: 50, features: 2 });
    let TargetTransform::Values { targets } = &adding.preprocessing.target else {
        panic!("{:?}", adding.preprocessing.target)
    };
    // The variance of the sum of two numbers even in 0 to 1 is 1/6.
    assert!((targets[0].deviation.powi(2) - 1.0 / 6.0).abs() < 0.02, "{targets:?}");

    let brackets = load(&config("brackets")).unwrap();
    assert_eq!(brackets.summary.kind, DataKind::Text);
    assert_eq!(
        brackets.summary.input,
        Shape::Tokens {
            steps: 24,
            vocabulary: 4
        }
    );
    assert_eq!(brackets.summary.class_rows, [500, 500]);
    assert!(
        brackets
            .train
            .inputs
            .all()
            .unwrap()
            .iter()
            .all(|&token| token == 2.0 || token == 3.0)
    );
    let odd = DataConfig {
        steps: Some(7),
        ..config("brackets")
    };
    assert!(load(&odd).unwrap_err().to_string().contains("even"));

    let sines = load(&DataConfig {
        horizon: 3,
        ..config("sines")
    })
    .unwrap();
    assert_eq!(sines.summary.kind, DataKind::Series);
    assert_eq!(sines.summary.input, Shape::Sequence { steps: 24, features: 1 });
    assert_eq!(sines.summary.task.outputs(), 3);
    // 700, 150 and 150 steps, less what the windows take within each.
    assert_eq!(
        (sines.train.len(), sines.validation.len(), sines.test.len()),
        (674, 124, 124)
    );

    let languages = load(&config("languages")).unwrap();
    assert_eq!(
        languages.summary.input,
        Shape::Tokens {
            steps: 48,
            vocabulary: 257
        }
    );
    assert_eq!(languages.summary.class_rows, [124; 6]);
    let words = load(&DataConfig {
        vocabulary: Some(100),
        steps: None,
        ..config("languages")
    })
    .unwrap();
    assert_eq!(
        words.summary.input,
        Shape::Tokens {
            steps: 48,
            vocabulary: 102
        }
    );
}
