//! The window's handle as the window uses it: it polls and never waits.

mod seeing;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use trimtab::jobs::{Answer, Desk, Job, JobError, Message, Question, Ticket};
use trimtab::spec::{Command, Event, RunConfig, RunId, RunStatus, Snapshot, Wanted, parse_config};
use trimtab::store::{RunRow, Store};

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

fn inspect(desk: &Desk, run: RunId) -> Result<Arc<Snapshot>, JobError> {
    match ask(desk, Question::Inspect(run, Wanted::default())) {
        Answer::Snapshot(of, snapshot) => {
            assert_eq!(of, run);
            snapshot
        }
        other => panic!("{other:?}"),
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
fn a_ladder_is_read_or_refused_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let desk = open(directory.path());
    let path = directory.path().join("ladder.toml");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let Answer::Ladder(at, ladder) = ask(&desk, Question::Ladder(path.clone())) else {
            panic!()
        };
        assert_eq!(at, path);
        ladder.map_err(|error| error.to_string())
    };
    assert_eq!(read("rungs = [\"fp16\", \"int8-static\"]").unwrap().rungs.len(), 2);
    let problem = read("rungs = [\"fp17\"]").unwrap_err();
    assert!(problem.contains("ladder.toml") && problem.contains("fp17"), "{problem}");
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
             INSERT INTO runs (name, created, status, parent, recipe, folds, plan, summary, dataset, architecture, yardstick)
             SELECT name || n, created, status, parent, recipe, folds, plan, summary, dataset, architecture, yardstick
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
    let (mut opening, mut fastest) = (Duration::MAX, Duration::MAX);
    for _ in 0..3 {
        let began = Instant::now();
        let desk = open(directory.path());
        opening = opening.min(began.elapsed());
        drop(desk);
    }
    let desk = open(directory.path());
    for _ in 0..3 {
        let began = Instant::now();
        assert_eq!(rows(ask(&desk, Question::Runs)).len(), 10_000);
        fastest = fastest.min(began.elapsed());
    }
    println!("10 000 runs: opened in {opening:?}, listed in {fastest:?}");
    assert!(fastest < Duration::from_millis(500), "{fastest:?}");
    assert!(opening < Duration::from_millis(1500), "{opening:?}");
}
