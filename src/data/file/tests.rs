//! Sequences, series and texts in every form that is read.

use std::fmt::Write;

use super::*;
use crate::data::predict::NewRows;
use crate::data::samples::{Dataset, Targets};
use crate::data::source::Division;
use crate::data::{Part, read_rows, rows_as_csv};
use crate::spec::{DataKind, InputForm, Preprocessing, Shape, TargetTransform, Task, Vocabulary};

pub(super) fn load(bytes: &[u8], config: &DataConfig) -> Result<Dataset, DataError> {
    of_bytes("data.csv", bytes, config)?.dataset(config, Division::Split)
}

pub(super) fn plain() -> DataConfig {
    DataConfig::default()
}

pub(super) fn forecast() -> DataConfig {
    DataConfig {
        task: Some(TaskKind::Forecast),
        window: 5,
        horizon: 2,
        ..plain()
    }
}

/// Reads new rows from a file of these bytes.
pub(super) fn predict(bytes: &[u8], preprocessing: &Preprocessing) -> Result<NewRows, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.csv");
    std::fs::write(&path, bytes).unwrap();
    read_rows(&path, preprocessing)
}

fn value(row: usize, step: usize, feature: usize) -> f64 {
    ((row * 31 + step * 7 + feature * 3) % 17) as f64 / 2.0
}

/// Sequences of 3 to 10 steps with two features; the class is that of the row.
pub(super) fn long() -> String {
    let mut csv = "case_id,time,heart,breath,kind\n".to_owned();
    for row in 0..30 {
        // Backwards, so that the order of time has to be restored.
        for step in (0..3 + row % 8).rev() {
            let [a, b] = [value(row, step, 0), value(row, step, 1)];
            writeln!(csv, "c{row},{step},{a},{b},{}", ["up", "down"][row % 2]).unwrap();
        }
    }
    csv
}

pub(super) fn wide() -> String {
    let names = |feature: &str| {
        (0..10)
            .map(|step| format!("{feature}_{step}"))
            .collect::<Vec<_>>()
            .join(",")
    };
    let mut csv = format!("{},{},kind\n", names("heart"), names("breath"));
    for row in 0..30 {
        for feature in 0..2 {
            for step in 0..10 {
                if step < 3 + row % 8 {
                    write!(csv, "{}", value(row, step, feature)).unwrap();
                }
                csv.push(',');
            }
        }
        writeln!(csv, "{}", ["up", "down"][row % 2]).unwrap();
    }
    csv
}

pub(super) fn ts() -> String {
    let mut text =
        "# made\n@problemName made\n@timeStamps false\n@univariate false\n@dimensions 2\n@equalLength false\n\
        @classLabel true up down\n\n@data\n"
            .to_owned();
    for row in 0..30 {
        for feature in 0..2 {
            let steps: Vec<String> = (0..3 + row % 8)
                .map(|step| value(row, step, feature).to_string())
                .collect();
            write!(text, "{}:", steps.join(",")).unwrap();
        }
        writeln!(text, "{}", ["up", "down"][row % 2]).unwrap();
    }
    text
}

#[test]
fn long_wide_and_ts_are_the_same_sequences() {
    let sets = [long(), wide(), ts()].map(|text| load(text.as_bytes(), &plain()).unwrap());
    for set in &sets {
        assert_eq!(set.summary.kind, DataKind::Sequences);
        assert_eq!(set.summary.input, Shape::Sequence { steps: 10, features: 2 });
        assert_eq!(set.summary.class_rows, [15, 15]);
        assert_eq!(set.train, sets[0].train);
        assert_eq!(set.test, sets[0].test);
        assert!(
            set.summary.notes.iter().any(|note| note.contains("padded in front")),
            "{:?}",
            set.summary.notes
        );
    }
    // The shortest has seven steps of padding, and its first value is the first in time.
    let InputForm::Steps { features } = &sets[0].preprocessing.form else {
        panic!("{:?}", sets[0].preprocessing.form)
    };
    let scaled = |value: f64, feature: usize| ((value - features[feature].mean) / features[feature].deviation) as f32;
    let first = [scaled(value(0, 0, 0), 0), scaled(value(0, 0, 1), 1)];
    let all = sets[0].train.inputs.all().unwrap().to_vec();
    let parts = [
        all,
        sets[0].validation.inputs.all().unwrap().to_vec(),
        sets[0].test.inputs.all().unwrap().to_vec(),
    ];
    let is_first = |sample: &[f32]| sample[..14].iter().all(|&input| input == 0.0) && sample[14..16] == first;
    assert!(parts.concat().chunks(20).any(is_first));
}

#[test]
fn a_model_of_sequences_reads_all_three_forms() {
    let set = load(wide().as_bytes(), &plain()).unwrap();
    let [from_wide, from_long, from_ts] =
        [wide(), long(), ts()].map(|text| predict(text.as_bytes(), &set.preprocessing).unwrap());
    assert_eq!(from_wide.rows, 30);
    assert!(matches!(&from_wide.targets, Some(Targets::Classes(classes)) if classes.len() == 30));
    for new in [from_long, from_ts] {
        assert_eq!(new.inputs, from_wide.inputs);
        assert_eq!(new.targets, from_wide.targets);
    }
    // One sequence by itself, without a target or a name.
    let alone = predict(b"breath,heart\n1,2\n3,4\n", &set.preprocessing).unwrap();
    assert_eq!((alone.rows, alone.targets), (1, None));
    assert!(alone.inputs[..16].iter().all(|&input| input == 0.0));
    let missing = predict(b"breath,other\n1,2\n3,4\n", &set.preprocessing)
        .unwrap_err()
        .to_string();
    assert!(missing.contains("heart"), "{missing}");
}

#[test]
fn steps_cut_to_the_last_and_missing_ones_take_the_value_before() {
    let config = DataConfig {
        steps: Some(2),
        ..plain()
    };
    let set = load(long().as_bytes(), &config).unwrap();
    assert_eq!(set.summary.input, Shape::Sequence { steps: 2, features: 2 });
    let holes = predict(b"heart,breath\n1,5\n2,\n,6\n", &set.preprocessing).unwrap();
    let whole = predict(b"heart,breath\n2,5\n2,6\n", &set.preprocessing).unwrap();
    assert_eq!(holes.inputs, whole.inputs);
    assert!(
        holes.notes.iter().any(|note| note.contains("2 missing")),
        "{:?}",
        holes.notes
    );
}

#[test]
fn numbered_columns_of_tables_stay_tables_unless_told() {
    let names: Vec<String> = (1..=9).map(|column| format!("feature_{column}")).collect();
    let mut csv = names.join(",") + ",kind\n";
    for row in 0..30 {
        let cells: Vec<String> = (0..9).map(|step| value(row, step, 0).to_string()).collect();
        writeln!(csv, "{},{}", cells.join(","), ["a", "b"][row % 2]).unwrap();
    }
    assert_eq!(load(csv.as_bytes(), &plain()).unwrap().summary.kind, DataKind::Table);
    let told = DataConfig {
        steps: Some(9),
        ..plain()
    };
    let set = load(csv.as_bytes(), &told).unwrap();
    assert_eq!(set.summary.input, Shape::Sequence { steps: 9, features: 1 });
    // A target that changes within a case makes rows of a table of it.
    let rows = long().replace("c3,0,", "c3,9,").replacen("down", "up", 1);
    assert_eq!(load(rows.as_bytes(), &plain()).unwrap().summary.kind, DataKind::Table);
}

#[test]
fn ts_with_missing_values_time_stamps_and_values_to_predict() {
    let mut text = "@problemName x\n@timeStamps true\n@univariate true\n@targetLabel true\n@data\n".to_owned();
    for row in 0..20 {
        writeln!(text, "(0,{row}),(1,?),(2,{}.5):{}.25", row * 3 % 7, row * 5 % 11).unwrap();
    }
    let set = load(text.as_bytes(), &plain()).unwrap();
    assert_eq!(set.summary.input, Shape::Sequence { steps: 3, features: 1 });
    assert!(set.summary.task.is_regression());
    assert!(
        set.summary.notes.iter().any(|note| note.contains("20 missing")),
        "{:?}",
        set.summary.notes
    );
}

/// Steps 1 to 100 whose value is their number, with another feature.
pub(super) fn series() -> String {
    (1..=100).fold("date,other,level\n".to_owned(), |mut csv, step| {
        writeln!(
            csv,
            "2020-{:02}-{:02},{},{step}",
            step / 28 + 1,
            step % 28 + 1,
            step % 4
        )
        .unwrap();
        csv
    })
}

#[test]
fn windows_of_a_series_stay_within_their_part() {
    let set = load(series().as_bytes(), &forecast()).unwrap();
    assert_eq!(set.summary.kind, DataKind::Series);
    assert_eq!(set.summary.input, Shape::Sequence { steps: 5, features: 2 });
    assert_eq!(
        set.summary.task,
        Task::Regression {
            targets: vec!["level +1".to_owned(), "level +2".to_owned()]
        }
    );
    // 70, 15 and 15 steps; a window and its horizon take 7.
    assert_eq!(
        [&set.train, &set.validation, &set.test].map(crate::data::Samples::len),
        [64, 9, 9]
    );
    let InputForm::Window { features, .. } = &set.preprocessing.form else {
        panic!("{:?}", set.preprocessing.form)
    };
    // By the first 70 steps alone.
    assert_eq!(features[1].mean, 35.5);
    let TargetTransform::Values { targets } = &set.preprocessing.target else {
        panic!("{:?}", set.preprocessing.target)
    };
    for (part, first, last) in [(&set.train, 1, 70), (&set.validation, 71, 85), (&set.test, 86, 100)] {
        let level = |input: f32| (f64::from(input) * features[1].deviation + features[1].mean).round() as usize;
        let Targets::Values { values, width: 2 } = &part.targets else {
            panic!("{:?}", part.targets)
        };
        for row in 0..part.len() {
            let inputs = part.row(row);
            let seen: Vec<usize> = inputs.iter().skip(1).step_by(2).map(|&input| level(input)).collect();
            assert_eq!(seen, (first + row..first + row + 5).collect::<Vec<_>>());
            let ahead = &values[2 * row..2 * row + 2];
            let ahead: Vec<usize> = ahead
                .iter()
                .map(|&value| (f64::from(value) * targets[0].deviation + targets[0].mean).round() as usize)
                .collect();
            assert_eq!(ahead, [first + row + 5, first + row + 6]);
        }
        assert_eq!(first + part.len() - 1 + 6, last);
    }
}

#[test]
fn folds_of_a_series_learn_from_what_came_before() {
    let text = series();
    let config = DataConfig {
        split: [0.5, 0.25, 0.25],
        ..forecast()
    };
    let source = of_bytes("data.csv", text.as_bytes(), &config).unwrap();
    let mut before = 0;
    for fold in 0..3 {
        let set = source.dataset(&config, Division::Fold { fold, folds: 3 }).unwrap();
        assert_eq!(set.test.len(), 25 - 6, "{fold}");
        assert!(set.train.len() > before);
        before = set.train.len();
        let InputForm::Window { features, .. } = &set.preprocessing.form else {
            panic!("{:?}", set.preprocessing.form)
        };
        // The training part of fold f are the first two thirds of 25 (f + 1) steps.
        let known = (25.0 * (fold + 1) as f64 / 1.5).round();
        assert!((features[1].mean - f64::midpoint(1.0, known)).abs() < 1e-9, "{fold}");
    }
}

#[test]
fn rows_are_put_in_the_order_of_time_and_what_follows_is_forecast() {
    let text = series();
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1..].reverse();
    let set = load(text.as_bytes(), &forecast()).unwrap();
    let reversed = load(lines.join("\n").as_bytes(), &forecast()).unwrap();
    assert_eq!(set.test, reversed.test);
    let new = predict(text.as_bytes(), &set.preprocessing).unwrap();
    assert_eq!(new.rows, 95);
    assert!(matches!(&new.targets, Some(Targets::Values { values, width: 2 }) if values.len() == 2 * 94));
    // Rows that wait for their values change nothing.
    let future = text.clone() + "2021-01-01,1,\n2021-01-02,2,\n";
    assert_eq!(
        predict(future.as_bytes(), &set.preprocessing).unwrap().inputs,
        new.inputs
    );
    let short = predict(b"other,level\n1,2\n", &set.preprocessing)
        .unwrap_err()
        .to_string();
    assert!(
        short.contains("1 of the 5 rows") && !short.contains("data.window"),
        "{short}"
    );
}

#[test]
fn a_series_too_short_for_its_windows() {
    let config = DataConfig {
        window: 20,
        ..forecast()
    };
    let message = load(series().as_bytes(), &config).unwrap_err().to_string();
    assert!(
        message.contains("validation") && message.contains("data.window"),
        "{message}"
    );
}

#[test]
fn several_targets_are_a_regression_of_all() {
    let csv = (0..60).fold("a,b,c\n".to_owned(), |mut csv, row| {
        writeln!(
            csv,
            "{}.5,{},{}",
            row * 7 % 31,
            row * 3 % 29,
            if row == 9 { String::new() } else { row.to_string() }
        )
        .unwrap();
        csv
    });
    let config = DataConfig {
        target: Some("c, a".to_owned()),
        ..plain()
    };
    let set = load(csv.as_bytes(), &config).unwrap();
    assert_eq!(
        set.summary.task,
        Task::Regression {
            targets: vec!["c".to_owned(), "a".to_owned()]
        }
    );
    assert_eq!(
        (set.summary.rows, set.summary.columns.clone()),
        (59, vec!["b".to_owned()])
    );
    let new = predict(csv.as_bytes(), &set.preprocessing).unwrap();
    // A row without one of the targets is predicted, and so nothing is scored.
    assert_eq!((new.rows, new.targets), (60, None));
    let whole = csv.replace(",\n", ",1\n");
    let Some(Targets::Values { values, width: 2 }) = predict(whole.as_bytes(), &set.preprocessing).unwrap().targets
    else {
        panic!("no targets")
    };
    let TargetTransform::Values { targets } = &set.preprocessing.target else {
        panic!("{:?}", set.preprocessing.target)
    };
    let second = f64::from(values[3]) * targets[1].deviation + targets[1].mean;
    assert!((second - 7.5).abs() < 1e-5, "{second}");
    let forced = DataConfig {
        task: Some(TaskKind::Classification),
        ..config
    };
    assert!(
        load(csv.as_bytes(), &forced)
            .unwrap_err()
            .to_string()
            .contains("several targets")
    );
}

/// Sentences of two kinds, all different.
pub(super) fn sentences() -> String {
    (0..40).fold("id,sentence,mood\n".to_owned(), |mut csv, row| {
        let [word, mood] = [["glad", "good"], ["sad", "bad"]][row % 2];
        writeln!(csv, "{row},\"Today, number {row} is {word}\",{mood}").unwrap();
        csv
    })
}

#[test]
fn a_column_of_free_text_is_read_where_nothing_else_is() {
    let set = load(sentences().as_bytes(), &plain()).unwrap();
    assert_eq!(set.summary.kind, DataKind::Text);
    assert_eq!(set.summary.columns, ["sentence"]);
    assert!(
        matches!(
            set.summary.input,
            Shape::Tokens {
                steps: 24,
                vocabulary: 257
            }
        ),
        "{:?}",
        set.summary.input
    );
    let with_number = sentences().replace("id,", "size,").replace("\n3,", "\n9,");
    assert_eq!(
        load(with_number.as_bytes(), &plain()).unwrap().summary.kind,
        DataKind::Table
    );
    let told = DataConfig {
        vocabulary: Some(6),
        ..plain()
    };
    let words = load(with_number.as_bytes(), &told).unwrap();
    let InputForm::Text {
        vocabulary: Vocabulary::Words { words: list },
        ..
    } = &words.preprocessing.form
    else {
        panic!("{:?}", words.preprocessing.form)
    };
    // Every sentence has the first four.
    assert_eq!(list[..4], [",", "is", "number", "today"]);
    assert_eq!(
        words.summary.input,
        Shape::Tokens {
            steps: 6,
            vocabulary: 8
        }
    );
    for set in [&set, &words] {
        let new = predict(sentences().as_bytes(), &set.preprocessing).unwrap();
        assert_eq!(new.rows, 40);
        assert!(new.targets.is_some(), "{:?}", new.notes);
        let bare = predict(b"Today, number 3 is sad\n", &set.preprocessing);
        assert!(matches!(bare, Err(DataError::ColumnCount { .. })) || bare.unwrap().rows == 1);
        let alone = predict(b"\"Today, number 3 is sad\"\n", &set.preprocessing).unwrap();
        assert_eq!(
            alone.inputs,
            new.inputs[3 * set.summary.input.len()..][..set.summary.input.len()]
        );
    }
}

#[test]
fn a_folder_of_texts_has_a_class_a_sub_folder() {
    let folder = tempfile::tempdir().unwrap();
    for class in ["night", "day"] {
        std::fs::create_dir(folder.path().join(class)).unwrap();
        for text in 0..10 {
            let path = folder.path().join(class).join(format!("{text}.txt"));
            std::fs::write(path, format!("the {class} of {text}\n")).unwrap();
        }
    }
    std::fs::write(folder.path().join("day/broken.txt"), b"\0\x01").unwrap();
    std::fs::write(folder.path().join("day/picture.png"), b"no text").unwrap();
    let config = DataConfig {
        source: folder.path().display().to_string(),
        ..plain()
    };
    let set = crate::data::load(&config).unwrap();
    assert_eq!(
        set.summary.task,
        Task::Classification {
            classes: vec!["day".to_owned(), "night".to_owned()]
        }
    );
    assert_eq!(set.summary.class_rows, [10, 10]);
    assert!(set.summary.notes[0].contains("broken.txt"), "{:?}", set.summary.notes);
    let new = read_rows(folder.path(), &set.preprocessing).unwrap();
    assert_eq!(new.rows, 20);
    let csv = folder.path().join("rows.csv");
    std::fs::write(&csv, rows_as_csv(&config, Part::Test).unwrap()).unwrap();
    let test = read_rows(&csv, &set.preprocessing).unwrap();
    assert_eq!(test.inputs, *set.test.inputs.all().unwrap());
    assert_eq!(test.targets, Some(set.test.targets));
}
