//! Twenty times `kill -9` at random moments of training and of compressing: what was recorded is there, what was finished is
//! whole, and what was begun goes on to the very end that it would have had.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use trimtab::spec::{ArtifactKind, Event, RunId, RunStatus};
use trimtab::store::Store;
use trimtab::timeline::RunView;

const TRAINING: &str = "[data]\nsource = \"iris\"\n[model]\nhidden = [16]\n[train]\nepochs = 120\nbatch_size = 8\n";
const RECIPES: [&str; 3] = ["units:0.5:finetune=60", "weights:0.5:finetune=60", "int8-static"];
/// Of steps, before the kill.
const MAY_BE_MISSING: Duration = Duration::from_millis(200);

struct Bench {
    directory: tempfile::TempDir,
    store: Store,
    config: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("store")).unwrap();
        let config = directory.path().join("config.toml");
        fs::write(&config, TRAINING).unwrap();
        Self {
            directory,
            store,
            config,
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trimtab"));
        command
            .args(arguments)
            .args(["--store".as_ref(), self.store.directory()])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn train(&self) -> Command {
        self.command(&["train", self.config.to_str().unwrap()])
    }

    fn compress(&self, parent: RunId) -> Command {
        let parent = parent.to_string();
        self.command(&[&["compress", &parent][..], &RECIPES].concat())
    }

    fn resume(&self, run: RunId) {
        let status = self.command(&["train", "--resume", &run.to_string()]).status().unwrap();
        assert!(status.success(), "{run} does not resume");
    }

    fn latest(&self) -> i64 {
        self.store.runs().unwrap().last().map_or(0, |run| run.run.0)
    }

    /// Starts the command, kills it after `patience`, and returns the runs that it made and how long it had worked since
    /// its last commit.
    fn kill(&self, mut command: Command, patience: Duration) -> (Vec<RunId>, Duration) {
        let before = self.latest();
        let mut child = command.spawn().unwrap();
        let begun = Instant::now();
        let mut work = vec![(SystemTime::now(), Duration::ZERO)];
        while begun.elapsed() < patience {
            thread::sleep(Duration::from_millis(2));
            work.push((SystemTime::now(), processor_time(child.id())));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let log = self.store.directory().join("trimtab.sqlite-wal");
        let committed = fs::metadata(log).unwrap().modified().unwrap();
        let (moment, total) = work[work.len() - 1];
        let at_commit = work
            .iter()
            .rfind(|(time, _)| *time <= committed)
            .map_or(Duration::ZERO, |(_, done)| *done);
        // Neither the time for which others had the processor counts, nor that for which this program waited for the disk.
        let unrecorded = total
            .saturating_sub(at_commit)
            .min(moment.duration_since(committed).unwrap_or_default());
        ((before + 1..=self.latest()).map(RunId).collect(), unrecorded)
    }

    /// Whether a run was killed between its first step and its last.
    fn is_within_steps(&self, run: RunId) -> bool {
        let view = RunView::of(&self.store.events(run).unwrap());
        view.step > 0 && view.step < view.total_steps
    }

    /// Every file that a row names is whole, and a finished run has all of its own.
    fn check_artifacts(&self) {
        for run in self.store.runs().unwrap() {
            for artifact in self.store.artifacts(run.run).unwrap() {
                self.store.read_artifact(run.run, artifact.kind).unwrap();
            }
            if run.status == RunStatus::Finished {
                assert!(
                    self.store.read_artifact(run.run, ArtifactKind::Onnx).is_ok(),
                    "{}",
                    run.run
                );
            }
        }
    }

    /// Every step, and the sha256 of the exported file.
    fn end(&self, run: RunId) -> (Vec<trimtab::spec::StepRecord>, String) {
        assert_eq!(self.store.run(run).unwrap().run.status, RunStatus::Finished, "{run}");
        let artifacts = self.store.artifacts(run).unwrap();
        let onnx = artifacts
            .into_iter()
            .find(|artifact| artifact.kind == ArtifactKind::Onnx);
        (self.store.curve(run).unwrap(), onnx.unwrap().sha256)
    }

    /// Takes what was killed to its end, and holds it against the undisturbed one.
    fn check_killed(&self, run: RunId, unrecorded: Duration, undisturbed: RunId, worst: &mut Duration) {
        match self.store.run(run).unwrap().run.status {
            RunStatus::Interrupted => {
                if self.is_within_steps(run) {
                    assert!(
                        unrecorded <= MAY_BE_MISSING,
                        "{run}: {unrecorded:?} of steps are missing"
                    );
                    *worst = unrecorded.max(*worst);
                }
                self.resume(run);
            }
            RunStatus::Finished => {}
            other => panic!("{run} is {other}"),
        }
        assert_eq!(self.end(run), self.end(undisturbed), "{run}");
        let ends = |event: &Event| matches!(event, Event::Ended { .. });
        let events = self.store.events(run).unwrap();
        assert_eq!(events.iter().filter(|envelope| ends(&envelope.event)).count(), 1);
    }
}

/// Time that all threads of a process have had of the processors, in steps of 10 ms.
fn processor_time(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name, in brackets, may hold blanks; the fields after it are counted from 3 in the manual, user and system time are 14 and 15.
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok());
    Duration::from_millis(10 * ticks.sum::<u64>())
}

fn timed(mut command: Command) -> Duration {
    let begun = Instant::now();
    assert!(command.status().unwrap().success());
    begun.elapsed()
}

#[test]
fn twenty_kills_lose_nothing() {
    let bench = Bench::new();
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let training_time = timed(bench.train());
    let parent = RunId(1);
    let compressing_time = timed(bench.compress(parent));
    let children: BTreeMap<String, RunId> = bench
        .store
        .children(parent)
        .unwrap()
        .into_iter()
        .map(|run| (bench.store.run(run).unwrap().run.name, run))
        .collect();
    assert_eq!(children.len(), RECIPES.len());
    let mut worst = Duration::ZERO;
    for _ in 0..10 {
        let (made, unrecorded) = bench.kill(bench.train(), training_time.mul_f64(random.random()));
        bench.check_artifacts();
        for run in made {
            bench.check_killed(run, unrecorded, parent, &mut worst);
        }
    }
    for _ in 0..10 {
        let (made, unrecorded) = bench.kill(bench.compress(parent), compressing_time.mul_f64(random.random()));
        bench.check_artifacts();
        for run in made {
            let undisturbed = children[&bench.store.run(run).unwrap().run.name];
            bench.check_killed(run, unrecorded, undisturbed, &mut worst);
        }
    }
    check_no_leftovers(bench.directory.path());
    println!("at most {worst:?} of steps were missing");
}

#[test]
fn a_ladder_that_was_killed_keeps_its_finished_rungs_and_goes_on_with_the_others() {
    let bench = Bench::new();
    assert!(bench.train().status().unwrap().success());
    let file = bench.directory.path().join("ladder.toml");
    let rungs = [
        "fp16",
        "int8-static",
        "units:0.5:finetune=40",
        "weights:0.5:finetune=40",
        "int8-dynamic",
    ];
    fs::write(&file, format!("rungs = {rungs:?}\n")).unwrap();
    let climb = || bench.command(&["ladder", "r1", "--file", file.to_str().unwrap()]);
    let finished = || -> BTreeMap<String, (RunId, String)> {
        let runs = bench.store.runs().unwrap().into_iter();
        let rungs = runs.filter(|run| run.run != RunId(1) && run.status == RunStatus::Finished);
        rungs.map(|run| (run.name, (run.run, bench.end(run.run).1))).collect()
    };
    let mut child = climb().spawn().unwrap();
    let begun = Instant::now();
    // In the middle of a fine-tuning, with two rungs finished.
    let is_in_the_middle = || {
        let latest = RunId(bench.latest());
        latest > RunId(3) && bench.is_within_steps(latest)
    };
    while !is_in_the_middle() {
        assert!(begun.elapsed() < Duration::from_mins(1), "no rung was fine-tuned");
        thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let before = finished();
    assert!((2..rungs.len()).contains(&before.len()), "{before:?}");
    bench.check_artifacts();
    assert!(climb().status().unwrap().success());
    let after = finished();
    assert_eq!(after.len(), rungs.len(), "{after:?}");
    for (name, rung) in before {
        assert_eq!(after[&name], rung, "{name} was made again");
    }
    let runs = bench.store.runs().unwrap();
    assert_eq!(
        runs.len(),
        rungs.len() + 1,
        "the rung that was cut short goes on: {runs:?}"
    );
    // One that cannot be climbed is tried again as the run that it was.
    fs::write(&file, "rungs = [\"blocks:0.5\"]\n").unwrap();
    for _ in 0..2 {
        assert!(!climb().status().unwrap().success());
        assert_eq!(bench.store.runs().unwrap().len(), rungs.len() + 2);
    }
}

/// An opening has removed all that was half made.
fn check_no_leftovers(directory: &Path) {
    let store = Store::open(&directory.join("store")).unwrap();
    for run in store.runs().unwrap() {
        let files = fs::read_dir(store.directory().join("runs").join(run.run.to_string())).unwrap();
        assert_eq!(
            files.count(),
            1 + store.artifacts(run.run).unwrap().len(),
            "{}",
            run.run
        );
    }
}
