//! Commands that find something out about a configuration by short trainings, before the long one.

use std::fmt::Write as _;
use std::path::Path;

use super::arguments::ProbeArguments;
use super::work::{Desk, read_config, settled};
use super::{CommandError, report, to_json};
use crate::jobs::{
    BatchMeasure, Finding, Job, LargestBatch, LearningCurve, Probe, Profile, RateRange, Spread, WorkerSpeed,
};
use crate::spec::{RunConfig, units};
use crate::store::Store;

/// Points of a rate curve that are printed.
const PRINTED_RATES: usize = 24;
/// Widest bar beside a figure, in characters.
const BAR: usize = 32;

pub fn run(store: Store, options: &ProbeArguments, probe: Probe) -> Result<String, CommandError> {
    let config = configuration(&options.config, &options.set)?;
    let finding = Desk::open(store)?.find(Job::Probe { config, probe })?;
    if options.json {
        return to_json(&finding);
    }
    Ok(match finding {
        Finding::LearningRate(range) => rates(&range),
        Finding::LargestBatch(largest) => largest_batch(&largest),
        Finding::Throughput { measured } => batches(&measured),
        Finding::Workers { batch_size, speeds } => workers(batch_size, &speeds),
        Finding::Profile(profile) => time_of_a_step(&profile),
        Finding::LearningCurve(curve) => learning_curve(&curve),
        Finding::Sensitivity { .. } => return Err("the answer was to another question".into()),
    })
}

/// A memory budget as typed.
pub fn budget(text: &str) -> Result<u64, String> {
    units::parse_bytes(text).ok_or_else(|| "write a number of bytes such as 512MB or 2GB".to_owned())
}

fn configuration(path: &Path, set: &[String]) -> Result<RunConfig, CommandError> {
    let mut config = read_config(path, set)?;
    config.data.source = settled(&config.data.source)?;
    Ok(config)
}

/// A bar for `part` of the whole.
fn bar(part: f64) -> String {
    "#".repeat((part.clamp(0.0, 1.0) * BAR as f64).round() as usize)
}

fn rates(range: &RateRange) -> String {
    let mut text = String::new();
    let highest = range
        .points
        .iter()
        .map(|point| point.smoothed)
        .take(range.points.len() * 9 / 10);
    let highest = highest.fold(0.0, f64::max);
    let step = range.points.len().div_ceil(PRINTED_RATES).max(1);
    let rows: Vec<Vec<String>> = range
        .points
        .iter()
        .step_by(step)
        .map(|point| {
            vec![
                format!("{:.1e}", point.learning_rate),
                units::significant(point.smoothed),
                bar(point.smoothed / highest),
            ]
        })
        .collect();
    text += &report::table(&["learning rate", "smoothed loss", ""], &rows);
    if range.blew_up
        && let Some(last) = range.points.last()
    {
        let _ = writeln!(text, "\nthe loss blew up at {:.1e}", last.learning_rate);
    }
    match (range.suggested, range.lowest) {
        (Some(suggested), Some(lowest)) => {
            let why = if range.steepest.is_some() {
                "the loss falls fastest there"
            } else {
                "a tenth of the lowest"
            };
            let _ = writeln!(
                text,
                "suggested: train.learning_rate={suggested:.1e} ({why}; it is lowest at {lowest:.1e})"
            );
        }
        _ => text += "no suggestion: the loss never fell; look at the data and the network first\n",
    }
    text
}

fn batches(measured: &[BatchMeasure]) -> String {
    let fastest = measured
        .iter()
        .map(|measure| measure.samples_per_second)
        .fold(0.0, f64::max);
    let rows: Vec<Vec<String>> = measured
        .iter()
        .map(|measure| {
            vec![
                measure.batch_size.to_string(),
                units::count(measure.samples_per_second),
                units::bytes(measure.peak_bytes),
                bar(measure.samples_per_second / fastest),
            ]
        })
        .collect();
    report::table(&["batch", "samples/s", "peak memory", ""], &rows)
}

fn largest_batch(largest: &LargestBatch) -> String {
    let mut text = batches(&largest.measured);
    let budget = units::bytes(largest.budget_bytes);
    let _ = match largest.found {
        Some(found) if largest.is_all_rows => writeln!(
            text,
            "\nall {} training rows fit into one batch: {} of {budget}",
            found.batch_size,
            units::bytes(found.peak_bytes)
        ),
        Some(found) => writeln!(
            text,
            "\nlargest: train.batch_size={} takes {} of {budget}",
            found.batch_size,
            units::bytes(found.peak_bytes)
        ),
        None => writeln!(text, "\nnot even one sample fits into {budget}; use a smaller network"),
    };
    text
}

fn workers(batch_size: usize, speeds: &[WorkerSpeed]) -> String {
    let rows: Vec<Vec<String>> = speeds
        .iter()
        .map(|speed| {
            vec![
                speed.workers.to_string(),
                units::count(speed.samples_per_second),
                format!("{:.2}", speed.speed_up),
            ]
        })
        .collect();
    format!("batches of {batch_size}\n") + &report::table(&["workers", "samples/s", "times as fast"], &rows)
}

fn time_of_a_step(profile: &Profile) -> String {
    let row = |name: String, secs: f64, share: f64| {
        vec![name, units::microseconds(secs * 1e6), units::percent(share), bar(share)]
    };
    let whole = profile.step_secs.max(1e-12);
    let parts = ["data", "forward", "backward", "optimizer", "other"];
    let parts = parts.into_iter().zip(profile.times.parts());
    let parts: Vec<Vec<String>> = parts
        .map(|(name, secs)| row(name.to_owned(), secs, secs / whole))
        .collect();
    let all: f64 = profile.layers.iter().map(|layer| layer.forward_secs).sum();
    let layers = profile.layers.iter().map(|layer| {
        let mut row = row(
            layer.name.to_owned(),
            layer.forward_secs,
            layer.forward_secs / all.max(1e-12),
        );
        row.insert(0, layer.layer.to_string());
        row
    });
    let layers: Vec<Vec<String>> = layers.collect();
    format!(
        "batches of {}, workers: {}; a step takes {} on average over {}, {} in the middle, {} samples/s\n",
        profile.batch_size,
        profile.workers,
        units::microseconds(profile.step_secs * 1e6),
        profile.steps,
        units::microseconds(profile.median_step_secs * 1e6),
        units::count(profile.samples_per_second),
    ) + &report::table(&["part of a step", "time", "share", ""], &parts)
        + &format!(
            "\nforward pass of a batch by layer, without what training keeps: {}\n",
            units::microseconds(all * 1e6)
        )
        + &report::table(&["layer", "kind", "time", "share", ""], &layers)
}

fn learning_curve(curve: &LearningCurve) -> String {
    let score = |spread: Spread| format!("{:.4}", spread.mean);
    let deviation = |spread: Spread| format!("{:.4}", spread.sd);
    let rows: Vec<Vec<String>> = curve
        .points
        .iter()
        .map(|point| {
            vec![
                point.rows.to_string(),
                score(point.train),
                score(point.test),
                deviation(point.test),
                bar(point.test.mean),
            ]
        })
        .collect();
    let titles = ["training rows", "train", "test", "deviation", ""];
    format!("{} over {} folds\n", curve.score, curve.folds)
        + &report::table(&titles, &rows)
        + &format!("\n{}\n", curve.advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_bytes_with_a_unit() {
        assert_eq!(budget("512MB"), Ok(512_000_000));
        assert!(budget("much").is_err());
    }

    #[test]
    fn a_search_without_a_find_says_what_to_do() {
        let text = largest_batch(&LargestBatch {
            budget_bytes: 1000,
            found: None,
            is_all_rows: false,
            measured: Vec::new(),
        });
        assert!(text.contains("smaller network"), "{text}");
    }
}
