//! What can only be seen from inside: a database that may not grow, and what an opening sweeps. The rest is in `tests/it/store.rs`.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;
use crate::spec::{
    ArtifactKind, DataKind, DatasetSummary, Envelope, Event, RunConfig, RunPlan, Shape, SplitRows, Task,
};

pub(super) fn plan() -> RunPlan {
    let dataset = DatasetSummary {
        name: "iris".to_owned(),
        kind: DataKind::Table,
        rows: 100,
        input: Shape::Features { features: 4 },
        task: Task::regression("y"),
        class_rows: Vec::new(),
        split: SplitRows {
            train: 70,
            validation: 15,
            test: 15,
        },
        columns: Vec::new(),
        target: "y".to_owned(),
        notes: Vec::new(),
        content: None,
    };
    RunConfig::default().check(&dataset).unwrap()
}

fn create(store: &Store) -> RunLock {
    let plan = plan();
    let new = NewRun {
        name: "first",
        plan: &plan,
        origin: None,
        folds: None,
    };
    store.create_run(&new).unwrap()
}

#[test]
fn a_database_that_cannot_grow_is_a_full_disk_and_keeps_what_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let lock = create(&store);
    let pages: i64 = store
        .query(|connection| connection.pragma_query_value(None, "page_count", |row| row.get(0)))
        .unwrap();
    store
        .query(|connection| connection.pragma_update_and_check(None, "max_page_count", pages + 2, |_| Ok(())))
        .unwrap();
    let note = |seq| Envelope {
        run: lock.run(),
        seq,
        elapsed_secs: 0.0,
        event: Event::Note { text: "x".repeat(1000) },
    };
    let (written, error) = (0..100)
        .find_map(|seq| store.record(&lock, &note(seq), None).err().map(|error| (seq, error)))
        .unwrap();
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    assert!(error.to_string().contains("trimtab.sqlite"), "{error}");
    assert_eq!(store.events(lock.run()).unwrap().len() as u64, written);
    assert_eq!(store.runs().unwrap().len(), 1);
}

#[test]
fn opening_sweeps_half_made_files_of_dead_runs_only() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let (dead, alive) = (create(&store), create(&store));
    for lock in [&dead, &alive] {
        store.save_artifact(lock, ArtifactKind::Weights, b"whole").unwrap();
        fs::write(store.run_dir(lock.run()).join("onnx-0123.onnx.part"), b"half").unwrap();
    }
    let orphan = directory.path().join("runs/r99");
    fs::create_dir(&orphan).unwrap();
    fs::write(orphan.join("weights-0.safetensors"), b"of a deleted run").unwrap();
    let dead_run = dead.run();
    drop(dead);
    Store::open(directory.path()).unwrap();
    let files = |run| entries(&store.run_dir(run)).count();
    assert_eq!((files(dead_run), files(alive.run())), (2, 3));
    assert!(!orphan.exists());
    assert_eq!(store.read_artifact(dead_run, ArtifactKind::Weights).unwrap(), b"whole");
}

#[test]
fn system_errors_become_what_a_person_can_act_on() {
    let of = |kind: std::io::ErrorKind| StoreError::file(Path::new("/s/runs/r1/w"), kind.into()).to_string();
    assert!(of(std::io::ErrorKind::StorageFull).contains("disk is full"));
    assert!(of(std::io::ErrorKind::ReadOnlyFilesystem).contains("cannot be written"));
    assert!(of(std::io::ErrorKind::NotFound).contains("/s/runs/r1/w"));
    let failure = crate::spec::Failure::from(StoreError::Full { path: "/s/db".into() });
    assert_eq!(
        (failure.place.as_str(), failure.what.as_str()),
        ("/s/db", "the disk is full")
    );
    assert!(failure.remedy.starts_with("make room"));
}

#[test]
fn seeds_of_a_configuration_are_those_of_all_its_runs() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let enter = |change: fn(&mut RunConfig)| {
        let mut plan = plan();
        change(&mut plan.config);
        let new = NewRun {
            name: "any",
            plan: &plan,
            origin: None,
            folds: None,
        };
        store.create_run(&new).unwrap()
    };
    enter(|config| config.train.learning_rate = 0.1 + 0.2);
    let deleted = enter(|config| {
        (config.train.learning_rate, config.run.seed) = (0.1 + 0.2, u64::MAX);
        config.run.name = Some("of its own".to_owned());
    });
    enter(|config| config.run.seed = 7);
    let run = deleted.run();
    drop(deleted);
    store.set_deleted(&[run], true).unwrap();
    let mut config = plan().config;
    assert_eq!(store.seeds(&config).unwrap(), [7]);
    (config.train.learning_rate, config.run.seed) = (0.1 + 0.2, 3);
    assert_eq!(store.seeds(&config).unwrap(), [0, u64::MAX]);
}

#[test]
fn on_a_full_disk_a_run_is_deleted_by_its_files_first() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let lock = create(&store);
    let run = lock.run();
    store.save_artifact(&lock, ArtifactKind::Weights, &[7; 1000]).unwrap();
    drop(lock);
    let change = |text: &str| store.query(|connection| connection.execute_batch(text)).unwrap();
    // Whatever deletes needs more pages than there may be.
    change(
        "CREATE TABLE ballast (bytes BLOB);
         CREATE TRIGGER full BEFORE DELETE ON runs BEGIN INSERT INTO ballast VALUES (zeroblob(1000000)); END;",
    );
    let pages: i64 = store
        .query(|connection| connection.pragma_query_value(None, "page_count", |row| row.get(0)))
        .unwrap();
    store
        .query(|connection| connection.pragma_update_and_check(None, "max_page_count", pages + 1, |_| Ok(())))
        .unwrap();
    let error = store.delete_run(run).unwrap_err();
    assert!(matches!(error, StoreError::NoRoomToDelete { .. }), "{error}");
    assert!(!store.run_dir(run).exists(), "the files make room");
    change("DROP TRIGGER full");
    assert_eq!(store.find_exactly("first").unwrap(), run, "it can be deleted again");
    store.delete_run(run).unwrap();
    assert!(store.runs().unwrap().is_empty() && !store.run_dir(run).exists());
}

#[test]
fn a_run_is_never_deleted_while_it_is_worked_on() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let run = create(&store).run();
    let (held, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
    let hidden = std::thread::scope(|scope| {
        scope.spawn(|| {
            let store = store.again().unwrap();
            while !is_over.load(Ordering::SeqCst) {
                if let Ok(lock) = store.lock_listed(run) {
                    held.store(true, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_micros(200));
                    held.store(false, Ordering::SeqCst);
                    drop(lock);
                }
            }
        });
        let mut hidden = 0;
        for _ in 0..300 {
            if store.set_deleted(&[run], true).is_ok() {
                std::thread::sleep(Duration::from_micros(100));
                hidden += 1;
                let is_held = held.load(Ordering::SeqCst);
                if is_held {
                    is_over.store(true, Ordering::SeqCst);
                }
                assert!(!is_held, "after {hidden}");
                store.set_deleted(&[run], false).unwrap();
            }
        }
        is_over.store(true, Ordering::SeqCst);
        hidden
    });
    assert!(hidden > 0);
    store.set_deleted(&[run], true).unwrap();
    assert!(matches!(store.lock_listed(run), Err(StoreError::NoRun { .. })));
}
