//! The window's handle as the window uses it: it polls and never waits.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use trimtab::jobs::{
    self, Answer, DataError, Desk, Job, JobError, Message, Part, Prediction, Question, Ticket, TryInput,
};
use trimtab::spec::{
    AnswersSeen, Command, DataConfig, Event, RunConfig, RunId, RunStatus, Snapshot, Task, parse_config,
};
use trimtab::store::{NewRun, RunRow, Store};

const PATIENCE: Duration = Duration::from_mins(1);

fn open(directory: &Path) -> Desk {
    Desk::open(Some(directory), || ()).unwrap()
}

fn poll<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "nothing came");
        sleep(Duration::from_millis(1));
    }
}

fn ask(desk: &Desk, question: Question) -> Answer {
    assert!(desk.ask(question));
    poll(|| desk.answer())
}

fn finish(desk: &Desk, ticket: &Ticket, mut seen: impl FnMut(&Event)) -> Result<Vec<RunId>, JobError> {
    poll(|| {
        while let Some(message) = desk.message() {
            match message {
                Message::Closed { job, outcome } if job == ticket.job => return Some(outcome),
                Message::Event(envelope) => seen(&envelope.event),
                _ => {}
            }
        }
        None
    })
}

fn perform(desk: &Desk, job: Job) -> Vec<RunId> {
    let ticket = desk.submit(job).unwrap();
    finish(desk, &ticket, |_| ()).unwrap()
}

fn config(source: &str, epochs: usize) -> RunConfig {
    let text =
        format!("[data]\nsource = \"{source}\"\n[model]\nhidden = [8]\n[train]\nbatch_size = 16\nepochs = {epochs}\n");
    parse_config(&text, &[]).unwrap()
}

fn train(desk: &Desk, config: RunConfig) -> RunId {
    perform(desk, Job::Train { config })[0]
}

fn compress(desk: &Desk, run: RunId, recipes: &[&str]) -> Vec<RunId> {
    let recipes = recipes.iter().map(|recipe| recipe.parse().unwrap()).collect();
    perform(desk, Job::Compress { run, recipes })
}

fn rows(answer: Answer) -> Vec<RunRow> {
    match answer {
        Answer::Runs(rows) => rows.unwrap(),
        other => panic!("{other:?}"),
    }
}

fn inspect(desk: &Desk, run: RunId) -> Result<std::sync::Arc<Snapshot>, JobError> {
    match ask(desk, Question::Inspect(run)) {
        Answer::Snapshot(of, snapshot) => {
            assert_eq!(of, run);
            snapshot
        }
        other => panic!("{other:?}"),
    }
}

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
            !["spirals", "moons"].contains(&name),
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
                None => assert_eq!(sample.cells.len(), preview.summary.columns.len()),
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
fn runs_are_listed_opened_renamed_hidden_and_brought_back() {
    let directory = tempfile::tempdir().unwrap();
    let desk = open(directory.path());
    let run = train(&desk, config("iris", 3));
    let child = compress(&desk, run, &["fp16"])[0];
    let listed = rows(ask(&desk, Question::Runs));
    assert_eq!(listed.iter().map(|row| row.run.run).collect::<Vec<_>>(), [run, child]);
    assert_eq!(
        (listed[0].dataset.as_str(), listed[0].architecture.as_str()),
        ("iris", "mlp")
    );
    assert_eq!(listed[1].origin, Some((run, "fp16".parse().unwrap())));
    assert!(listed[0].created_unix_secs > 1_700_000_000);

    let Answer::Run(_, opened) = ask(&desk, Question::Run(run)) else {
        panic!()
    };
    let opened = opened.unwrap();
    assert_eq!(opened.record.run, listed[0].run);
    assert_eq!((opened.view.status, opened.view.epochs.len()), (RunStatus::Finished, 3));
    let store = Store::open(directory.path()).unwrap();
    assert_eq!(opened.next_seq, store.position(run).unwrap().0);

    let change = |question: Question| match ask(&desk, question) {
        Answer::Changed(_, outcome) => (outcome, rows(poll(|| desk.answer()))),
        other => panic!("{other:?}"),
    };
    let rename = |run, name: &str| Question::Rename {
        run,
        name: name.to_owned(),
    };
    let (outcome, listed) = change(rename(run, " first "));
    outcome.unwrap();
    assert_eq!(listed[0].run.name, "first");
    assert_eq!(store.find("first").unwrap(), run);
    for (run, name) in [(run, "  "), (run, "x".repeat(201).as_str()), (RunId(99), "y")] {
        let (outcome, listed) = change(rename(run, name));
        assert!(outcome.is_err(), "{name}");
        assert_eq!(listed[0].run.name, "first");
    }

    let (outcome, listed) = change(Question::Delete(vec![run, child]));
    outcome.unwrap();
    assert!(listed.is_empty() && store.runs().unwrap().is_empty());
    assert!(store.find("r1").is_err() && store.find("first").is_err());
    let (outcome, listed) = change(Question::Restore(vec![run, child]));
    outcome.unwrap();
    assert_eq!(listed.len(), 2);
    // All or none.
    let (outcome, listed) = change(Question::Delete(vec![run, RunId(99)]));
    assert!(outcome.unwrap_err().to_string().contains("no run `r99`"));
    assert_eq!(listed.len(), 2);
}

#[test]
fn a_run_that_is_being_worked_on_can_be_renamed_but_not_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let desk = open(directory.path());
    let ticket = desk
        .submit(Job::Train {
            config: config("digits", 100_000),
        })
        .unwrap();
    let run = poll(|| match desk.message()? {
        Message::Opened { run, .. } => Some(run),
        _ => None,
    });
    let Answer::Changed(_, outcome) = ask(&desk, Question::Delete(vec![run])) else {
        panic!()
    };
    let error = outcome.unwrap_err().to_string();
    assert!(error.contains("is being worked on"), "{error}");
    assert_eq!(rows(poll(|| desk.answer())).len(), 1);
    let name = "busy".to_owned();
    let Answer::Changed(_, outcome) = ask(&desk, Question::Rename { run, name }) else {
        panic!()
    };
    outcome.unwrap();
    assert_eq!(rows(poll(|| desk.answer()))[0].run.name, "busy");
    // A picture of the network in training comes without being asked for, and each is taken once.
    let (of, snapshot) = poll(|| desk.latest());
    assert_eq!((of, snapshot.part), (run, "validation"));
    assert!(snapshot.epoch >= 1 && !snapshot.histograms.is_empty());
    let later = poll(|| desk.latest()).1.epoch;
    assert!(later > snapshot.epoch);
    // Before it has finished, its weights so far are looked at on the validation split.
    let seen = inspect(&desk, run).unwrap();
    assert_eq!(
        (seen.part, seen.histograms.len()),
        ("validation", snapshot.histograms.len())
    );
    ticket.control.request(Command::Stop);
    finish(&desk, &ticket, |_| ()).unwrap();
    assert_eq!(rows(ask(&desk, Question::Runs))[0].run.status, RunStatus::Stopped);
    assert_eq!(inspect(&desk, run).unwrap().part, "validation");
    let Answer::Changed(_, outcome) = ask(&desk, Question::Delete(vec![run])) else {
        panic!()
    };
    outcome.unwrap();
}

#[test]
fn what_was_deleted_an_hour_ago_is_gone_for_good() {
    let directory = tempfile::tempdir().unwrap();
    let desk = open(directory.path());
    let (old, young) = (train(&desk, config("iris", 1)), train(&desk, config("iris", 1)));
    let Answer::Changed(_, outcome) = ask(&desk, Question::Delete(vec![old, young])) else {
        panic!()
    };
    outcome.unwrap();
    drop(desk);
    let connection = rusqlite::Connection::open(directory.path().join("trimtab.sqlite")).unwrap();
    connection
        .execute("UPDATE runs SET deleted = deleted - 3601 WHERE id = ?1", [old.0])
        .unwrap();
    drop(connection);
    let store = Store::open(directory.path()).unwrap();
    assert!(store.runs().unwrap().is_empty());
    assert!(store.set_deleted(&[old], false).is_err());
    assert!(!directory.path().join("runs").join(old.to_string()).exists());
    store.set_deleted(&[young], false).unwrap();
    assert_eq!(store.runs().unwrap().len(), 1);
    assert!(store.events(young).unwrap().len() > 2);
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
    let AnswersSeen::Values { rows, worst } = &seen.answers else {
        panic!()
    };
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
        (trained, "is not the data that the run began with"),
        (RunId(99), "no run `r99`"),
    ] {
        let error = inspect(&desk, run).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

fn attempt(desk: &Desk, runs: &[RunId], input: TryInput) -> Result<jobs::Tried, JobError> {
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
    let answers = |tried: &jobs::Tried| {
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
}

#[test]
fn folders_are_listed_and_files_written() {
    let directory = tempfile::tempdir().unwrap();
    let desk = open(directory.path());
    let path = directory.path().join("config.toml");
    let bytes = b"[train]\n".to_vec();
    let Answer::Written(at, written) = ask(
        &desk,
        Question::Write {
            path: path.clone(),
            bytes,
        },
    ) else {
        panic!()
    };
    written.unwrap();
    assert_eq!(at, path);
    let Answer::Folder(_, files) = ask(&desk, Question::Folder(directory.path().to_owned())) else {
        panic!()
    };
    let files = files.unwrap();
    assert!(
        files
            .iter()
            .any(|file| file.name == "config.toml" && file.bytes == 8 && file.sha256.len() == 64)
    );
    let Answer::Folder(_, files) = ask(&desk, Question::Folder("/nowhere".into())) else {
        panic!()
    };
    assert!(files.unwrap_err().to_string().contains("/nowhere"));
}

#[test]
fn jobs_wait_in_an_order_that_can_be_changed() {
    let directory = tempfile::tempdir().unwrap();
    let desk = open(directory.path());
    let blocker = desk
        .submit(Job::Train {
            config: config("digits", 100_000),
        })
        .unwrap();
    poll(|| matches!(desk.message()?, Message::Opened { .. }).then_some(()));
    let tickets: Vec<Ticket> = (1..=4)
        .map(|epochs| {
            desk.submit(Job::Train {
                config: config("iris", epochs),
            })
            .unwrap()
        })
        .collect();
    let [a, b, c, d] = [0, 1, 2, 3].map(|place| tickets[place].job);
    assert_eq!(desk.waiting(), [a, b, c, d]);
    assert!(desk.cancel(b) && !desk.cancel(b) && !desk.cancel(blocker.job));
    assert!(desk.reorder(d, 0) && desk.reorder(a, 99) && !desk.reorder(b, 0) && !desk.reorder(blocker.job, 0));
    assert_eq!(desk.waiting(), [d, c, a]);
    blocker.control.request(Command::Stop);
    let mut closed = Vec::new();
    poll(|| {
        if let Message::Closed { job, outcome } = desk.message()? {
            outcome.unwrap();
            closed.push(job);
        }
        (closed.len() == 4).then_some(())
    });
    assert_eq!(closed, [blocker.job, d, c, a]);
    let epochs: Vec<usize> = rows(ask(&desk, Question::Runs))
        .iter()
        .skip(1)
        .map(|row| row.run.epochs)
        .collect();
    assert_eq!(epochs, [4, 3, 1]);
    assert!(desk.waiting().is_empty());
}

#[test]
fn ten_thousand_runs_are_listed_in_a_moment() {
    let directory = tempfile::tempdir().unwrap();
    let desk = open(directory.path());
    let parent = train(&desk, config("digits", 1));
    let child = compress(&desk, parent, &["fp16"])[0];
    drop(desk);
    let connection = rusqlite::Connection::open(directory.path().join("trimtab.sqlite")).unwrap();
    connection
        .execute(
            "WITH RECURSIVE copies (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copies WHERE n < 9998)
             INSERT INTO runs (name, created, status, parent, recipe, folds, plan, summary, dataset, architecture)
             SELECT name || n, created, status, parent, recipe, folds, plan, summary, dataset, architecture
             FROM runs, copies WHERE id = ?1",
            [child.0],
        )
        .unwrap();
    let ids: Vec<i64> = connection
        .prepare("SELECT id FROM runs")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for id in ids {
        fs::create_dir_all(directory.path().join(format!("runs/r{id}"))).unwrap();
    }
    drop(connection);
    let began = Instant::now();
    let desk = open(directory.path());
    let opening = began.elapsed();
    let mut fastest = Duration::MAX;
    for _ in 0..3 {
        let began = Instant::now();
        assert_eq!(rows(ask(&desk, Question::Runs)).len(), 10_000);
        fastest = fastest.min(began.elapsed());
    }
    println!("10 000 runs: opened in {opening:?}, listed in {fastest:?}");
    assert!(fastest < Duration::from_millis(500), "{fastest:?}");
    assert!(opening < Duration::from_millis(1500), "{opening:?}");
}
