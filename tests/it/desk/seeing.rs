//! What the window shows of data and networks: previews, samples, networks seen from outside and inside, and tried.

use std::collections::BTreeMap;
use std::fs;

use trimtab::jobs::{self, Answer, DataError, Desk, Job, Part, Prediction, Question, Tried, TryInput};
use trimtab::spec::{AnswersSeen, DataConfig, RunId, Snapshot, Task};
use trimtab::store::{NewRun, RunRow, Store};

use super::{ask, compress, config, inspect, open, perform, poll, rows, train};

/// Share of the rows whose answer is the truth.
fn accuracy(snapshot: &Snapshot) -> f64 {
    let AnswersSeen::Classes { rows, .. } = &snapshot.answers else {
        panic!("a regression");
    };
    rows.iter().filter(|row| row.answer == row.truth).count() as f64 / rows.len() as f64
}

#[test]
fn every_set_that_needs_no_file_has_a_preview() {
    let directory = tempfile::tempdir().unwrap();
    let desk = open(directory.path());
    for (name, _) in jobs::datasets() {
        let asked = config(name, 1).data;
        let Answer::Preview(of, preview) = ask(&desk, Question::Preview(asked.clone())) else {
            panic!()
        };
        let preview = preview.unwrap();
        assert_eq!((of, preview.summary.name.as_str()), (asked, name));
        assert_eq!(
            preview.points.is_empty(),
            !["spirals", "moons", "circles", "checkerboard", "blobs", "xor"].contains(&name),
            "{name}"
        );
        assert!(
            preview
                .samples
                .iter()
                .all(|sample| !sample.truth.is_empty() && sample.answer.is_empty())
        );
        for sample in &preview.samples {
            match &sample.pixels {
                Some((shape, pixels)) => assert_eq!(pixels.len(), shape.len()),
                None => assert_eq!(sample.cells.len(), sample.columns.len(), "{name}"),
            }
        }
        if name == "digits" {
            let Task::Classification { classes } = &preview.summary.task else {
                panic!()
            };
            assert!(
                classes
                    .iter()
                    .all(|class| preview.samples.iter().any(|sample| sample.truth == *class))
            );
        }
    }
}

#[test]
fn a_broken_file_is_an_error_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let desk = open(directory.path());
    let path = directory.path().join("broken.csv");
    fs::write(&path, "a,b,kind\n1,2,x\n3,y\n").unwrap();
    let of = |source: &str| DataConfig {
        source: source.to_owned(),
        ..DataConfig::default()
    };
    let preview = |config: DataConfig| match ask(&desk, Question::Preview(config)) {
        Answer::Preview(_, preview) => preview,
        other => panic!("{other:?}"),
    };
    let source = path.to_str().unwrap();
    let error = preview(of(source)).unwrap_err();
    assert!(matches!(error, DataError::Ragged { row: 3, .. }), "{error}");
    assert!(matches!(
        preview(of("irsi")).unwrap_err(),
        DataError::UnknownSource { .. }
    ));
    // Mended, it is read again, and so is every later change.
    for rows in [40, 50] {
        let csv = (0..rows).fold("a,b,kind\n".to_owned(), |csv, row| {
            csv + &format!("{},{},{}\n", row * 7 % 11, row % 5, ["x", "y"][row % 2])
        });
        fs::write(&path, csv).unwrap();
        assert_eq!(preview(of(source)).unwrap().summary.rows, rows);
    }
    assert!(matches!(
        preview(of(directory.path().to_str().unwrap())),
        Err(DataError::NotAFile { .. })
    ));
}

#[test]
fn a_newer_preview_makes_those_that_wait_void() {
    let directory = tempfile::tempdir().unwrap();
    let desk = open(directory.path());
    let with = |samples| DataConfig {
        samples,
        ..config("moons", 1).data
    };
    for samples in 100..150 {
        assert!(desk.ask(Question::Preview(with(samples))));
    }
    assert!(desk.ask(Question::Runs));
    let mut previews = Vec::new();
    poll(|| match desk.answer()? {
        Answer::Preview(config, _) => {
            previews.push(config.samples);
            None
        }
        other => Some(rows(other)),
    });
    assert!(previews.len() < 50, "{}", previews.len());
    assert!(previews.is_sorted());
    assert_eq!(previews.last(), Some(&149));
}

#[test]
fn samples_of_a_part_can_be_looked_at() {
    let directory = tempfile::tempdir().unwrap();
    let desk = open(directory.path());
    let data = config("iris", 1).data;
    let csv = jobs::rows(&data, Part::Validation).unwrap();
    let question = Question::Samples {
        data,
        part: Part::Validation,
        rows: vec![3, 0, 9999],
    };
    let Answer::Samples(samples) = ask(&desk, question) else {
        panic!()
    };
    let samples = samples.unwrap();
    assert_eq!(samples.iter().map(|sample| sample.row).collect::<Vec<_>>(), [3, 0]);
    for sample in samples {
        let line = csv.lines().nth(sample.row + 1).unwrap();
        assert_eq!([&sample.cells[..], &[sample.truth]].concat().join(","), line);
    }
}

#[test]
fn finished_runs_are_seen_by_their_exported_bytes_on_the_test_split() {
    let directory = tempfile::tempdir().unwrap();
    let desk = open(directory.path());
    let parent = train(&desk, config("iris", 20));
    let children = compress(&desk, parent, &["units:0.5:finetune=2", "int8-static", "fp16"]);
    let listed: BTreeMap<RunId, RunRow> = rows(ask(&desk, Question::Runs))
        .into_iter()
        .map(|row| (row.run.run, row))
        .collect();
    let mut weights = Vec::new();
    for run in [&[parent], &children[..]].concat() {
        let seen = inspect(&desk, run).unwrap();
        let row = &listed[&run].run;
        assert_eq!((seen.part, Some(seen.epoch)), ("test", row.best_epoch));
        assert_eq!(Some(accuracy(&seen)), row.test.unwrap().accuracy);
        assert!(seen.surface.is_none());
        let AnswersSeen::Classes { worst, rows, .. } = &seen.answers else {
            panic!()
        };
        assert_eq!(worst.len(), rows.len().min(24));
        assert!(
            worst
                .windows(2)
                .all(|pair| rows[pair[0].row].probability <= rows[pair[1].row].probability)
        );
        weights.push(
            seen.histograms
                .iter()
                .map(|histogram| histogram.values)
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(weights, [[32, 24], [16, 12], [32, 24], [32, 24]]);

    let moons = train(&desk, config("moons", 5));
    let surface = inspect(&desk, moons).unwrap().surface.clone().unwrap();
    assert_eq!(surface.cells.len(), surface.size * surface.size);
    assert!(surface.cells.iter().any(|cell| cell.0 == 0) && surface.cells.iter().any(|cell| cell.0 == 1));

    let diabetes = train(&desk, config("diabetes", 5));
    let seen = inspect(&desk, diabetes).unwrap();
    let AnswersSeen::Values { targets, worst, .. } = &seen.answers else {
        panic!()
    };
    let rows = &targets[0].rows;
    let rmse = (rows.iter().map(|[truth, value]| (truth - value).powi(2)).sum::<f64>() / rows.len() as f64).sqrt();
    let measured = rows_of(&desk, diabetes).run.test.unwrap().rmse.unwrap();
    assert!((rmse - measured).abs() < 1e-3 * measured, "{rmse} {measured}");
    assert_eq!(worst.len(), 24);
}

fn rows_of(desk: &Desk, run: RunId) -> RunRow {
    let mut listed = rows(ask(desk, Question::Runs));
    listed.retain(|row| row.run.run == run);
    listed.remove(0)
}

#[test]
fn where_there_is_nothing_to_see_the_reason_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let desk = open(directory.path());
    let folds = perform(
        &desk,
        Job::Folds {
            config: config("iris", 1),
            folds: 2,
        },
    )[0];
    let path = directory.path().join("data.csv");
    let csv = (0..60).fold("a,b,kind\n".to_owned(), |csv, row| {
        csv + &format!("{},{},{}\n", row * 7 % 11, row % 5, ["x", "y"][row % 2])
    });
    fs::write(&path, &csv).unwrap();
    let trained = train(&desk, config(path.to_str().unwrap(), 1));
    assert!(inspect(&desk, trained).is_ok());
    fs::write(&path, csv + "1,1,x\n").unwrap();
    let store = Store::open(directory.path()).unwrap();
    let plan = store.run(folds).unwrap().plan;
    let empty = store
        .create_run(&NewRun {
            name: "empty",
            plan: &plan,
            origin: None,
            folds: None,
        })
        .unwrap();
    for (run, word) in [
        (folds, "cross-validation"),
        (empty.run(), "wait for the end of its first epoch"),
        (trained, "is not the data that run r"),
        (RunId(99), "no run `r99`"),
    ] {
        let error = inspect(&desk, run).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

fn attempt(desk: &Desk, runs: &[RunId], input: TryInput) -> Result<Tried, jobs::JobError> {
    let runs = runs.to_vec();
    match ask(desk, Question::Try { runs, input }) {
        Answer::Tried(tried) => tried,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_digit_is_answered_as_predict_answers_it() {
    let directory = tempfile::tempdir().unwrap();
    let desk = open(directory.path());
    let parent = train(&desk, config("digits", 3));
    let int8 = compress(&desk, parent, &["int8-static"])[0];
    let data = config("digits", 3).data;
    let csv = directory.path().join("rows.csv");
    fs::write(&csv, jobs::rows(&data, Part::Test).unwrap()).unwrap();
    let rows = [0, 7, 100, 269];
    for run in [parent, int8] {
        let to = directory.path().join(run.to_string());
        perform(&desk, Job::Export { run, to: to.clone() });
        let predicted = jobs::predict(&to, &csv).unwrap().predictions;
        for row in rows {
            let Prediction::Class {
                label, probabilities, ..
            } = &predicted[row]
            else {
                panic!()
            };
            let tried = attempt(&desk, &[parent, int8], TryInput::TestRow(row)).unwrap();
            assert_eq!(tried.truth.as_ref(), Some(&tried.sample.truth));
            assert_eq!(tried.trials.len(), 2);
            let (_, trial) = tried.trials.iter().find(|(of, _)| *of == run).unwrap();
            let trial = trial.as_ref().unwrap();
            assert_eq!(&trial.answer, label);
            assert!(trial.probabilities.iter().map(|(_, p)| p).eq(probabilities));
            assert!(trial.microseconds > 0.0);
            // Drawn by hand, the same digit gets the same answer.
            let (_, pixels) = tried.sample.pixels.clone().unwrap();
            let drawn = attempt(&desk, &[run], TryInput::Pixels(pixels.clone())).unwrap();
            assert_eq!(
                (drawn.truth, &drawn.trials[0].1.as_ref().unwrap().answer),
                (None, label)
            );
            let (_, shown) = drawn.sample.pixels.unwrap();
            assert!(shown.iter().zip(&pixels).all(|(a, b)| (a - b).abs() < 1e-5));
        }
    }
    let error = attempt(&desk, &[parent], TryInput::TestRow(270))
        .unwrap_err()
        .to_string();
    assert!(error.contains("270 rows"), "{error}");
    let error = attempt(&desk, &[parent], TryInput::Pixels(vec![0.0; 9]))
        .unwrap_err()
        .to_string();
    assert!(error.contains("9 pixels") && error.contains("1 x 8 x 8"), "{error}");
    assert!(attempt(&desk, &[], TryInput::TestRow(0)).is_err());
}

#[test]
fn typed_cells_are_answered_and_what_is_no_number_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let desk = open(directory.path());
    let (iris, wine) = (train(&desk, config("iris", 20)), train(&desk, config("wine", 2)));
    let tried = attempt(&desk, &[iris, RunId(99)], TryInput::TestRow(4)).unwrap();
    let cells: Vec<(String, String)> = tried
        .sample
        .columns
        .iter()
        .cloned()
        .zip(tried.sample.cells.clone())
        .rev()
        .collect();
    let typed = attempt(&desk, &[iris], TryInput::Cells(cells.clone())).unwrap();
    assert_eq!(typed.sample.cells, tried.sample.cells);
    let answers = |tried: &Tried| {
        tried.trials[0]
            .1
            .clone()
            .map(|trial| (trial.answer, trial.probabilities))
    };
    assert_eq!(answers(&typed), answers(&tried));
    assert!(tried.trials[1].1.as_ref().unwrap_err().contains("no run `r99`"));
    // What is not typed counts as missing.
    let part = attempt(&desk, &[iris, wine], TryInput::Cells(cells[..2].to_vec())).unwrap();
    assert!(part.trials.iter().all(|(_, trial)| trial.is_ok()));
    assert_eq!(part.sample.cells.iter().filter(|cell| cell.is_empty()).count(), 2);
    let wrong = vec![(cells[0].0.clone(), "wide".to_owned())];
    let error = attempt(&desk, &[iris], TryInput::Cells(wrong)).unwrap_err().to_string();
    assert!(
        error.contains(&cells[0].0) && error.contains("\"wide\" is not a number"),
        "{error}"
    );

    let diabetes = train(&desk, config("diabetes", 3));
    let tried = attempt(&desk, &[diabetes], TryInput::TestRow(0)).unwrap();
    let trial = tried.trials[0].1.as_ref().unwrap();
    assert!(trial.answer.parse::<f64>().is_ok() && trial.probabilities.is_empty());
    let [(name, value)] = &trial.values[..] else { panic!() };
    assert!(*value != trial.answer.parse::<f64>().unwrap() && !name.is_empty());
    let truth: f64 = tried.truth.unwrap().parse().unwrap();
    assert_eq!(tried.true_values, [(name.clone(), truth)]);
}
