//! The store as its users see it: what it keeps, who owns a run, and every way in which its files can be unusable.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use trimtab::spec::{
    ArtifactKind, DataKind, DatasetSummary, Ended, Envelope, Event, MemoryReading, Metrics, Recipe, RunConfig, RunPlan,
    RunStatus, Shape, SplitRows, StepRecord, StepTimes, Task,
};
use trimtab::store::{NewRun, RunLock, Store, StoreError};

fn plan() -> RunPlan {
    let dataset = DatasetSummary {
        name: "iris".to_owned(),
        kind: DataKind::Table,
        rows: 150,
        input: Shape::Features { features: 4 },
        task: Task::Classification {
            classes: ["a", "b", "c"].map(str::to_owned).to_vec(),
        },
        class_rows: vec![50; 3],
        split: SplitRows {
            train: 105,
            validation: 23,
            test: 22,
        },
        columns: ["p", "q", "r", "s"].map(str::to_owned).to_vec(),
        target: "species".to_owned(),
        notes: Vec::new(),
        content: None,
    };
    RunConfig::default().check(&dataset).unwrap()
}

fn create(store: &Store, name: &str) -> RunLock {
    let plan = plan();
    let new = NewRun {
        name,
        plan: &plan,
        origin: None,
        folds: None,
    };
    store.create_run(&new).unwrap()
}

fn steps(range: std::ops::Range<usize>, loss: impl Fn(usize) -> f32) -> Event {
    Event::Steps {
        steps: range
            .map(|step| StepRecord {
                step,
                loss: loss(step),
                learning_rate: 0.1,
                gradient_norm: 1.5,
            })
            .collect(),
        samples_per_second: 100.0,
        memory: MemoryReading::default(),
        cpu_cores: 0.75,
        times: StepTimes::from_parts([0.01, 0.02, 0.04, 0.005, 0.001]),
    }
}

fn record(store: &Store, lock: &RunLock, event: Event) -> Envelope {
    let (seq, elapsed_secs) = store.position(lock.run()).unwrap();
    let envelope = Envelope {
        run: lock.run(),
        seq,
        elapsed_secs: elapsed_secs + 0.25,
        event,
    };
    store.record(lock, &envelope, None).unwrap();
    envelope
}

#[test]
fn events_and_runs_read_back_as_written() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let parent = create(&store, "base");
    let (plan, recipe) = (plan(), "units:0.5:finetune=3+int8-static".parse::<Recipe>().unwrap());
    let lock = store
        .create_run(&NewRun {
            name: "small",
            plan: &plan,
            origin: Some((parent.run(), &recipe)),
            folds: Some(5),
        })
        .unwrap();
    let metrics = Metrics {
        loss: 0.1 + 0.2,
        accuracy: Some(0.95),
        ..Metrics::default()
    };
    let written = [
        Event::Note {
            text: "begins".to_owned(),
        },
        steps(0..3, |step| step as f32 / 3.0),
        Event::Epoch {
            epoch: 1,
            step: 3,
            train: metrics,
            validation: metrics,
            is_best: true,
        },
        steps(3..5, |_| f32::INFINITY),
        Event::Ended {
            ended: Ended::Stopped { step: 5 },
        },
    ]
    .map(|event| record(&store, &lock, event));
    let mut record = store.run(lock.run()).unwrap();
    assert_eq!(
        (record.run.status, record.run.name.as_str()),
        (RunStatus::Queued, "small")
    );
    record.run.status = RunStatus::Stopped;
    record.run.validation = Some(metrics);
    store.update_run(&lock, &record.run).unwrap();

    let other = Store::open(directory.path()).unwrap();
    assert_eq!(other.events(lock.run()).unwrap(), written);
    assert_eq!(other.curve(lock.run()).unwrap().len(), 5);
    assert_eq!(other.position(lock.run()).unwrap(), (5, 1.25));
    let read = other.run(lock.run()).unwrap();
    assert_eq!(read, record);
    assert_eq!(read.plan, plan);
    assert_eq!(read.folds, Some(5));
    assert_eq!(read.origin, Some((parent.run(), recipe)));
    assert_eq!(other.children(parent.run()).unwrap(), [lock.run()]);
    assert_eq!(other.runs().unwrap()[1], record.run);
}

#[test]
fn a_resumed_run_has_one_value_a_step_and_a_nan_stays_a_nan() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let lock = create(&store, "a");
    record(&store, &lock, steps(0..10, |_| 1.0));
    record(&store, &lock, steps(8..12, |_| 2.0));
    let nan = Metrics {
        loss: f64::NAN,
        ..Metrics::default()
    };
    record(&store, &lock, steps(12..13, |_| f32::NAN));
    record(
        &store,
        &lock,
        Event::Epoch {
            epoch: 1,
            step: 13,
            train: nan,
            validation: nan,
            is_best: false,
        },
    );
    let curve = store.curve(lock.run()).unwrap();
    assert_eq!(
        curve.iter().map(|step| step.step).collect::<Vec<_>>(),
        (0..13).collect::<Vec<_>>()
    );
    assert_eq!((curve[7].loss, curve[8].loss), (1.0, 2.0));
    assert!(curve[12].loss.is_nan());
    let events = store.events(lock.run()).unwrap();
    assert!(matches!(&events[3].event, Event::Epoch { train, .. } if train.loss.is_nan()));
}

#[test]
fn a_run_belongs_to_one_handle_and_is_interrupted_when_that_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let (mine, theirs) = (
        Store::open(directory.path()).unwrap(),
        Store::open(directory.path()).unwrap(),
    );
    let (a, b) = (create(&mine, "a"), create(&theirs, "b"));
    assert_ne!(a.run(), b.run());
    assert!(matches!(theirs.lock_run(a.run()), Err(StoreError::Locked { .. })));
    assert!(matches!(theirs.delete_run(a.run()), Err(StoreError::Locked { .. })));
    assert_eq!(theirs.run(a.run()).unwrap().run.status, RunStatus::Queued);
    let run = a.run();
    drop(a);
    assert_eq!(theirs.run(run).unwrap().run.status, RunStatus::Interrupted);
    let taken = theirs.lock_run(run).unwrap();
    assert_eq!(mine.runs().unwrap()[0].status, RunStatus::Queued);
    drop(taken);
    // What is being made of a run is measured beside it, and takes it up again after an interruption.
    let recipe = "fp16".parse().unwrap();
    let child = mine
        .create_run(&NewRun {
            name: "child",
            plan: &plan(),
            origin: Some((run, &recipe)),
            folds: None,
        })
        .unwrap();
    let error = theirs.delete_run(run).unwrap_err();
    assert!(matches!(error, StoreError::IsCompressed { .. }), "{error}");
    drop(child);
    mine.delete_run(run).unwrap();
    assert!(matches!(theirs.run(run), Err(StoreError::NoRun { .. })));
    assert!(!directory.path().join("runs").join(run.to_string()).exists());
    assert!(create(&theirs, "c").run() > b.run());
}

#[test]
fn two_processes_write_to_one_store_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = in_a_child("write", directory.path(), "").spawn().unwrap();
    let store = Store::open(directory.path()).unwrap();
    write_runs(&store);
    assert!(child.wait().unwrap().success());
    let runs = store.runs().unwrap();
    assert_eq!(runs.len(), 10);
    for run in runs {
        assert_eq!(store.curve(run.run).unwrap().len(), 40);
        assert_eq!(run.status, RunStatus::Interrupted);
    }
}

fn write_runs(store: &Store) {
    for _ in 0..5 {
        let lock = create(store, "shared");
        for start in 0..20 {
            record(store, &lock, steps(2 * start..2 * start + 2, |_| 0.5));
        }
        store.save_artifact(&lock, ArtifactKind::Weights, b"bytes").unwrap();
    }
}

#[test]
fn artifacts_are_replaced_whole_and_a_damaged_one_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let lock = create(&store, "a");
    let run = lock.run();
    assert!(matches!(
        store.read_artifact(run, ArtifactKind::Onnx),
        Err(StoreError::NoArtifact { .. })
    ));
    store.save_artifact(&lock, ArtifactKind::Checkpoint, b"one").unwrap();
    let kept = store.save_artifact(&lock, ArtifactKind::Checkpoint, b"two").unwrap();
    assert_eq!(store.artifacts(run).unwrap(), [kept]);
    assert_eq!(store.read_artifact(run, ArtifactKind::Checkpoint).unwrap(), b"two");
    let path = store.artifact_path(run, ArtifactKind::Checkpoint).unwrap();
    assert_eq!(
        fs::read_dir(path.parent().unwrap()).unwrap().count(),
        2,
        "the lock and one file"
    );
    fs::write(&path, b"twa").unwrap();
    let error = store.read_artifact(run, ArtifactKind::Checkpoint).unwrap_err();
    assert!(matches!(error, StoreError::DamagedArtifact { .. }));
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    fs::remove_file(&path).unwrap();
    let error = store
        .read_artifact(run, ArtifactKind::Checkpoint)
        .unwrap_err()
        .to_string();
    assert!(error.contains(path.to_str().unwrap()), "{error}");
}

#[test]
fn a_run_is_found_by_number_name_and_beginning() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let [first, second, third] = ["digits-cnn", "digits-cnn", "digits-mlp"].map(|name| create(&store, name).run());
    assert_eq!(store.find("r1").unwrap(), first);
    assert_eq!(store.find("digits-cnn").unwrap(), second);
    assert_eq!(store.find("digits-m").unwrap(), third);
    // What cannot be undone is asked of one run alone.
    let error = store.find_exactly("digits-cnn").unwrap_err().to_string();
    assert!(error.contains("the name of r1 and r2; give the number"), "{error}");
    assert_eq!(store.find_exactly("r1").unwrap(), first);
    assert_eq!(store.find_exactly("digits-mlp").unwrap(), third);
    let ambiguous = store.find("digits").unwrap_err();
    assert!(matches!(ambiguous, StoreError::Ambiguous { .. }));
    assert!(ambiguous.to_string().contains("digits-mlp (r3)"), "{ambiguous}");
    let misspelt = store.find("digits-cmn").unwrap_err().to_string();
    assert!(misspelt.contains("did you mean digits-cnn (r2)"), "{misspelt}");
    for nothing in ["", "r77", "r99999999999999999999", "zzz"] {
        let error = store.find(nothing).unwrap_err();
        assert!(matches!(error, StoreError::NoRun { .. }), "{error}");
    }
}

#[test]
fn a_damaged_store_is_named_and_left_alone() {
    type Damage = fn(&mut Vec<u8>);
    let cases: [(&str, Damage); 4] = [
        ("garbage", |bytes| bytes.fill(0xa5)),
        ("emptied", Vec::clear),
        ("cut short", |bytes| bytes.truncate(bytes.len() / 2)),
        ("overwritten tables", |bytes| bytes[4096..].fill(0x5a)),
    ];
    for (case, damage) in cases {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        drop(create(&store, "a"));
        drop(store);
        let database = directory.path().join("trimtab.sqlite");
        let mut bytes = fs::read(&database).unwrap();
        damage(&mut bytes);
        fs::write(&database, &bytes).unwrap();
        let error = Store::open(directory.path())
            .and_then(|store| store.runs())
            .map(|runs| runs.len())
            .unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{case}: {error}");
        assert!(error.to_string().contains("trimtab.sqlite"), "{case}: {error}");
        assert_eq!(fs::read(&database).unwrap(), bytes, "{case}");
        assert!(directory.path().join("runs/r1/lock").exists(), "{case}");
    }
}

#[test]
fn a_missing_database_beside_runs_is_damage() {
    let directory = tempfile::tempdir().unwrap();
    drop(Store::open(directory.path()).unwrap());
    fs::remove_file(directory.path().join("trimtab.sqlite")).unwrap();
    assert!(matches!(Store::open(directory.path()), Err(StoreError::Damaged { .. })));
}

#[test]
fn a_row_that_cannot_be_read_is_damage_and_names_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    drop(create(&store, "a"));
    let connection = rusqlite::Connection::open(directory.path().join("trimtab.sqlite")).unwrap();
    for (change, word) in [
        ("UPDATE runs SET recipe = 'int3', parent = 1", "int3"),
        ("UPDATE runs SET plan = '{', recipe = NULL", "plan of run r1"),
        ("UPDATE runs SET summary = '[]'", "row of run r1"),
        ("UPDATE runs SET status = 'odd'", "unknown status `odd`"),
    ] {
        connection.execute(change, []).unwrap();
        let error = store.run(store.find("r1").unwrap()).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn a_store_of_a_newer_program_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    drop(Store::open(directory.path()).unwrap());
    let database = directory.path().join("trimtab.sqlite");
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection.pragma_update(None, "user_version", 1000).unwrap();
    drop(connection);
    let error = Store::open(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 1000, .. }), "{error}");
    assert!(error.to_string().contains("trimtab.sqlite"), "{error}");
}

#[test]
fn a_file_where_the_store_should_be_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    fs::write(&path, "text").unwrap();
    let error = Store::open(&path).unwrap_err().to_string();
    assert!(error.contains(path.to_str().unwrap()), "{error}");
}

#[test]
fn a_read_only_store_is_named_with_a_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    drop(create(&store, "kept"));
    drop(store);
    let set = |mode, file_mode| {
        for entry in fs::read_dir(directory.path()).unwrap().flatten() {
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(file_mode)).unwrap();
        }
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(mode)).unwrap();
    };
    // Root may write anywhere, unless the child gives its capabilities up.
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let is_root = fs::write(directory.path().join("probe"), "").is_ok();
    let prefix = if is_root {
        "exec setpriv --bounding-set -all --inh-caps -all"
    } else {
        "exec"
    };
    for (mode, file_mode) in [(0o555, 0o444), (0o555, 0o644), (0o755, 0o444)] {
        set(mode, file_mode);
        let status = in_a_child("read-only", directory.path(), prefix).status().unwrap();
        assert!(status.success(), "{mode:o} {file_mode:o}");
    }
    set(0o755, 0o644);
}

#[test]
fn a_full_disk_is_named_and_nothing_whole_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    // The largest file that the child may write stands for the disk's end; 512-byte blocks.
    let prefix = "trap '' XFSZ; ulimit -f 200; exec";
    let status = in_a_child("full", directory.path(), prefix).status().unwrap();
    assert!(status.success());
    let store = Store::open(directory.path()).unwrap();
    let run = store.find("r1").unwrap();
    assert_eq!(store.read_artifact(run, ArtifactKind::Weights).unwrap(), vec![7; 1000]);
    assert_eq!(store.run(run).unwrap().run.status, RunStatus::Interrupted);
}

/// What the children of the tests above do; at once over when run as a test of its own.
#[test]
fn child() {
    let (Ok(task), Ok(directory)) = (std::env::var("STORE_CHILD"), std::env::var("STORE_DIRECTORY")) else {
        return;
    };
    let directory = Path::new(&directory);
    match task.as_str() {
        "write" => write_runs(&Store::open(directory).unwrap()),
        "read-only" => {
            let error = Store::open(directory).map(|_| ()).unwrap_err();
            assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
            let message = error.to_string();
            assert!(message.contains(directory.to_str().unwrap()), "{message}");
            assert!(message.contains("--store"), "{message}");
            // It can be looked at all the same.
            let store = Store::open_to_read(directory).unwrap();
            let run = store.find("kept").unwrap();
            assert_eq!(store.runs().unwrap().len(), 1);
            assert!(store.run(run).is_ok() && store.events(run).unwrap().is_empty());
            let error = store.rename_run(run, "other").unwrap_err();
            assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
        }
        "full" => {
            let store = Store::open(directory).unwrap();
            let lock = create(&store, "a");
            store.save_artifact(&lock, ArtifactKind::Weights, &[7; 1000]).unwrap();
            let error = store
                .save_artifact(&lock, ArtifactKind::Weights, &vec![8; 1 << 20])
                .unwrap_err();
            assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
            assert!(error.to_string().contains("weights-"), "{error}");
            assert_eq!(store.artifacts(lock.run()).unwrap()[0].bytes, 1000);
        }
        other => panic!("{other}"),
    }
}

/// This very test program, running [`child`] with `task`, behind a shell's `prefix`.
fn in_a_child(task: &str, directory: &Path, prefix: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{prefix} \"$0\" \"$@\"")])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "store::child", "--quiet"])
        .env("STORE_CHILD", task)
        .env("STORE_DIRECTORY", directory);
    command
}
