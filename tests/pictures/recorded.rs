//! The recorded store: a digits network and its four compressions, one in training, one that diverged, one on moons.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use trimtab::jobs::{Engine, Job, Message};
use trimtab::spec::{Architecture, Command, Recipe, RunConfig, RunId, RunStatus};
use trimtab::store::{RunLock, Store};

pub const BASELINE: RunId = RunId(1);
/// The baseline with half of its units.
pub const HALVED: RunId = RunId(2);
pub const MOONS: RunId = RunId(6);
pub const FAILED: RunId = RunId(7);
pub const RUNNING: RunId = RunId(8);
/// Runs in the store.
pub const RUNS: usize = 8;

/// The second store: a network with attention, one for a series, one for a regression.
pub const TRANSFORMER: RunId = RunId(1);
pub const SERIES: RunId = RunId(2);
pub const REGRESSION: RunId = RunId(3);
/// Runs in it.
pub const NETWORKS: usize = 3;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures/store")
}

fn networks_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures/networks")
}

/// Copies the second store to `to`.
pub fn unpack_networks(to: &Path) {
    copy(&networks_folder(), to);
}

/// Trains the networks of the second store anew.
pub fn record_networks() {
    let folder = networks_folder();
    let _ = fs::remove_dir_all(&folder);
    let store = Store::open(&folder).unwrap();
    let engine = Engine::start(std::sync::Arc::new(store), || ()).unwrap();
    for (source, architecture, epochs) in [
        ("digits", Architecture::Transformer, 20),
        ("sines", Architecture::Gru, 30),
        ("diabetes", Architecture::Mlp, 30),
    ] {
        let mut config = RunConfig::default();
        source.clone_into(&mut config.data.source);
        config.model.architecture = architecture;
        config.train.epochs = epochs;
        finish(&engine, Job::Train { config }, None);
    }
    drop(engine);
    leave_checkpoints_out(&folder, NETWORKS);
    println!("recorded in {}", folder.display());
}

/// Copies the recorded store to `to` and holds the run that is in training.
pub fn unpack(to: &Path) -> RunLock {
    copy(&folder(), to);
    let store = Store::open(to).unwrap();
    let lock = store.lock_run(RUNNING).unwrap();
    let mut run = store.run(RUNNING).unwrap().run;
    run.status = RunStatus::Running;
    store.update_run(&lock, &run).unwrap();
    lock
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Trains, compresses and measures anew.
pub fn record() {
    let folder = folder();
    let _ = fs::remove_dir_all(&folder);
    {
        let store = Store::open(&folder).unwrap();
        let engine = Engine::start(std::sync::Arc::new(store), || ()).unwrap();
        let digits = RunConfig::digits_cnn();
        finish(&engine, Job::Train { config: digits.clone() }, None);
        let recipes = Recipe::demo().to_vec();
        finish(&engine, Job::Compress { run: BASELINE, recipes }, None);

        let mut moons = RunConfig::default();
        "moons".clone_into(&mut moons.data.source);
        moons.model.architecture = Architecture::Mlp;
        finish(&engine, Job::Train { config: moons }, None);

        let mut diverging = digits.clone();
        diverging.run.name = Some("too-fast".to_owned());
        diverging.train.optimizer = trimtab::spec::OptimizerKind::Sgd;
        diverging.model.architecture = Architecture::Mlp;
        diverging.train.learning_rate = 1e6;
        diverging.train.momentum = 0.99;
        finish(&engine, Job::Train { config: diverging }, None);

        let mut running = digits;
        running.run.name = Some("digits-wider".to_owned());
        running.model.filters = vec![24, 48];
        finish(&engine, Job::Train { config: running }, Some(12));
    }
    // The last run is still in training: its end has not been told.
    let database = rusqlite::Connection::open(folder.join("trimtab.sqlite")).unwrap();
    let last = "DELETE FROM events WHERE run = ?1 AND seq = (SELECT max(seq) FROM events WHERE run = ?1)";
    assert_eq!(database.execute(last, [RUNNING.0]).unwrap(), 1);
    drop(database);
    // The database is one file.
    leave_checkpoints_out(&folder, RUNS);
    println!("recorded in {}", folder.display());
}

/// What only a resumption needs is not needed here.
fn leave_checkpoints_out(folder: &Path, runs: usize) {
    for run in 1..=runs as i64 {
        let directory = folder.join("runs").join(RunId(run).to_string());
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("checkpoint"))
            {
                fs::remove_file(path).unwrap();
            }
        }
    }
}

/// Waits for the job; stops it after `stop_after` epochs.
fn finish(engine: &Engine, job: Job, stop_after: Option<usize>) {
    let ticket = engine.submit(job).unwrap();
    let began = Instant::now();
    loop {
        match engine.next_within(Duration::from_mins(2)) {
            Some(Message::Closed { job, outcome }) if job == ticket.job => {
                println!("{outcome:?} after {:?}", began.elapsed());
                return;
            }
            Some(Message::Event(envelope)) => {
                if let trimtab::spec::Event::Epoch { epoch, .. } = envelope.event
                    && Some(epoch) == stop_after
                {
                    ticket.control.request(Command::Stop);
                }
            }
            Some(_) => {}
            None => panic!("the job is stuck"),
        }
    }
}
