//! The command line: the first reader of the event stream. Results go to standard output, progress and errors to standard
//! error; a failure is one line (a line each, where several things are wrong) and exit code 1, wrong usage is exit code 2.

mod advise;
mod arguments;
mod bench;
mod ladder;
mod probe;
mod progress;
mod report;
mod runs;
mod sensitivity;
mod work;

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser as _;

use crate::jobs::Probe;
use crate::store::{Store, StoreError};
use arguments::{Arguments, Command};

/// What a command ends with, turned into one line.
pub type CommandError = Box<dyn std::error::Error>;

/// Some of what was asked failed; what was reached is printed all the same.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Incomplete {
    output: String,
    message: String,
}

/// Opens the window over the store in a directory (none: the default place), and returns when it is closed.
pub type OpenWindow = fn(Option<&Path>) -> Result<(), CommandError>;

/// Runs the command that the process was started with; without one, opens the window.
pub fn main(open_window: OpenWindow) -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments, open_window) {
        Ok(output) => print(&output),
        Err(error) => {
            if let Some(incomplete) = error.downcast_ref::<Incomplete>() {
                print(&incomplete.output);
            }
            fail(&error.to_string())
        }
    }
}

fn print(output: &str) -> ExitCode {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(output.as_bytes()).and_then(|()| stdout.flush()) {
        // The reader had enough (`trimtab runs | head`).
        Err(error) if error.kind() != ErrorKind::BrokenPipe => fail(&error.to_string()),
        _ => ExitCode::SUCCESS,
    }
}

fn fail(message: &str) -> ExitCode {
    let lines = message
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("\n  ");
    // Nothing is left to be done where standard error is closed too.
    let _ = writeln!(std::io::stderr(), "trimtab: {lines}");
    ExitCode::FAILURE
}

fn run(arguments: Arguments, open_window: OpenWindow) -> Result<String, CommandError> {
    let place = arguments.store;
    let Some(command) = arguments.command else {
        return open_window(place.as_deref()).map(|()| String::new());
    };
    match command {
        Command::Demo { seed, json } => work::demo(store(place)?, seed, json),
        Command::Init {
            dataset,
            target,
            architecture,
        } => work::init(dataset, target, architecture),
        Command::Choose {
            dataset,
            target,
            set,
            json,
        } => advise::choose(dataset, target, &set, json),
        Command::Explain { key } => advise::explain(key.as_deref()),
        Command::Cost { config, set, json } => work::cost(&config, &set, json),
        Command::Train(options) => work::train(store(place)?, options),
        Command::Compress { run, recipes, json } => work::compress(store(place)?, &run, &recipes, json),
        Command::Sensitivity {
            run,
            change,
            tolerate,
            json,
        } => sensitivity::run(reading(place)?, &run, (change, tolerate), json),
        Command::Ladder { run: None, .. } => ladder::print(),
        Command::Ladder {
            run: Some(run),
            file,
            budget,
            json,
        } => ladder::climb(store(place)?, &run, file.as_deref(), &budget, json),
        Command::Compare { runs, json, csv } => work::compare(store(place)?, &runs, json, csv),
        Command::Export { run, to } => work::export(reading(place)?, &run, &to),
        Command::Get { name } => work::get(store(place)?, name.as_deref()),
        Command::Predict { folder, csv, json } => work::predict(&folder, &csv, json),
        Command::Runs { json } => runs::list(&reading(place)?, json),
        Command::Show { run, json } => runs::show(&reading(place)?, &run, json),
        Command::Curves { run, csv } => runs::curves(&reading(place)?, &run, csv),
        Command::Delete { runs } => runs::delete(&directory(place)?, &runs),
        Command::Datasets {
            dataset,
            rows,
            set,
            json,
        } => work::datasets(dataset, rows, &set, json),
        Command::FindRate(options) => probe::run(reading(place)?, &options, Probe::LearningRate),
        Command::FindBatch { options, budget } => {
            let probe = Probe::LargestBatch { budget_bytes: budget };
            probe::run(reading(place)?, &options, probe)
        }
        Command::Throughput(options) => probe::run(reading(place)?, &options, Probe::Throughput),
        Command::Workers(options) => probe::run(reading(place)?, &options, Probe::Workers),
        Command::Profile { options, steps } => {
            let steps = steps as usize;
            probe::run(reading(place)?, &options, Probe::Profile { steps })
        }
        Command::LearningCurve { options, points, folds } => {
            let (points, folds) = (points as usize, folds as usize);
            probe::run(reading(place)?, &options, Probe::LearningCurve { points, folds })
        }
        Command::Bench { part: Some(part), .. } => bench::runtime(&part),
        Command::Bench {
            part: None,
            workload,
            batch,
            threads,
            device,
            workers,
            steps,
            json,
        } => bench::training(&workload, &device, [batch, workers, steps], threads, json),
    }
}

fn directory(place: Option<PathBuf>) -> Result<PathBuf, StoreError> {
    place.map_or_else(Store::default_dir, Ok)
}

fn store(place: Option<PathBuf>) -> Result<Store, CommandError> {
    Ok(Store::open(&directory(place)?)?)
}

/// The store of a command that changes nothing: one that cannot be written will do.
fn reading(place: Option<PathBuf>) -> Result<Store, CommandError> {
    let place = directory(place)?;
    match Store::open(&place) {
        Err(error @ (StoreError::ReadOnly { .. } | StoreError::Full { .. })) => {
            Ok(Store::open_to_read(&place).map_err(|_| error)?)
        }
        other => Ok(other?),
    }
}

/// A value as indented JSON with a closing newline.
fn to_json(value: &impl serde::Serialize) -> Result<String, CommandError> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}
