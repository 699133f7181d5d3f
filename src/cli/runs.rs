//! Looking at what is in the store, and deleting it.

use std::fmt::Write as _;
use std::path::Path;

use super::{CommandError, report, to_json};
use crate::advice;
use crate::spec::{Run, RunId, RunStatus, annotated_toml, units};
use crate::store::{RunRow, Store, StoreError};
use crate::timeline::RunView;

pub fn list(store: &Store, json: bool) -> Result<String, CommandError> {
    let runs = store.rows()?;
    if json {
        let objects = runs.iter().map(|row| report::object(&row.run, row.origin.as_ref()));
        return to_json(&objects.collect::<Result<Vec<_>, _>>()?);
    }
    if runs.is_empty() {
        return Ok(format!(
            "no runs in {}; `trimtab demo` makes some\n",
            store.directory().display()
        ));
    }
    let rows: Vec<Vec<String>> = runs.iter().map(row).collect();
    Ok(report::table(
        &[
            "run", "name", "status", "recipe", "epochs", "test", "size", "batch 64", "time",
        ],
        &rows,
    ))
}

fn row(row: &RunRow) -> Vec<String> {
    let run = &row.run;
    let deployed = run.deployed.as_ref();
    let dash = || "-".to_owned();
    vec![
        run.run.to_string(),
        run.name.clone(),
        run.status.to_string(),
        row.origin.as_ref().map_or_else(dash, |(_, recipe)| recipe.to_string()),
        run.epochs.to_string(),
        deployed
            .map(|deployed| deployed.accuracy)
            .or(run.test.and_then(|test| test.accuracy.or(test.r2)))
            .map_or_else(dash, |score| {
                if run.metric() == "R2" {
                    format!("{score:.4}")
                } else {
                    units::percent(score)
                }
            }),
        deployed.map_or_else(dash, |deployed| units::bytes(deployed.size_bytes)),
        deployed.map_or_else(dash, |deployed| units::microseconds(deployed.latency_us.batch64.median)),
        units::clock(run.elapsed_secs),
    ]
}

pub fn show(store: &Store, run: &str, json: bool) -> Result<String, CommandError> {
    let record = store.run(store.find(run)?)?;
    if json {
        return to_json(&report::object(&record.run, record.origin.as_ref())?);
    }
    let is_classical = record.plan.config.model.architecture.is_classical();
    let mut text = report::run(&record.run, record.origin.as_ref(), is_classical);
    for note in &record.plan.dataset.notes {
        let _ = writeln!(text, "  data: {note}");
    }
    for artifact in store.artifacts(record.run.run)? {
        let _ = writeln!(
            text,
            "  {:<13} {:>9}  {}",
            artifact.kind.name(),
            units::bytes(artifact.bytes),
            store.artifact_path(record.run.run, artifact.kind)?.display()
        );
    }
    // Folds and fine-tunings are several trainings in one curve.
    if record.folds.is_none() && record.origin.is_none() {
        for finding in advice::run_findings(&record.plan, &RunView::of(&store.events(record.run.run)?)) {
            let _ = writeln!(text, "\n  {}: {}", finding.kind.title(), finding.seen);
            let _ = writeln!(text, "    {}", finding.why);
            let _ = writeln!(text, "    {}", finding.remedy);
        }
    }
    let _ = write!(text, "\n{}", annotated_toml(&record.plan.config)?);
    Ok(text)
}

pub fn curves(store: &Store, run: &str, csv: bool) -> Result<String, CommandError> {
    let steps = store.curve(store.find(run)?)?;
    let cells = steps.iter().map(|step| {
        [
            step.step.to_string(),
            step.loss.to_string(),
            step.learning_rate.to_string(),
            step.gradient_norm.to_string(),
        ]
    });
    let titles = ["step", "loss", "learning_rate", "gradient_norm"];
    if csv {
        let mut text = titles.join(",") + "\n";
        for row in cells {
            text += &row.join(",");
            text.push('\n');
        }
        return Ok(text);
    }
    Ok(report::table(&titles, &cells.map(Vec::from).collect::<Vec<_>>()))
}

pub fn delete(directory: &Path, runs: &[String]) -> Result<String, CommandError> {
    let (store, found) = match Store::open(directory) {
        Ok(store) => {
            let found = to_delete(&store, runs)?;
            (store, found)
        }
        Err(full @ StoreError::Full { .. }) => {
            let Ok(store) = Store::open_to_read(directory) else {
                return Err(full.into());
            };
            let found = to_delete(&store, runs)?;
            for (run, _) in &found {
                store.make_room(*run)?;
            }
            drop(store);
            let store = Store::open(directory).map_err(|error| match error {
                StoreError::Full { path } => StoreError::NoRoomToDelete { path },
                other => other,
            })?;
            (store, found)
        }
        Err(error) => return Err(error.into()),
    };
    let mut text = String::new();
    for (run, name) in found {
        store.delete_run(run)?;
        let _ = writeln!(text, "deleted {run} ({name})");
    }
    Ok(text)
}

/// The runs that are meant, with their names, and a word on what is lost with them. All are looked up before the first one goes, so that a
/// slip of the pen deletes nothing.
fn to_delete(store: &Store, runs: &[String]) -> Result<Vec<(RunId, String)>, CommandError> {
    let mut found: Vec<(RunId, String)> = Vec::with_capacity(runs.len());
    for run in runs {
        let run = store.find_exactly(run)?;
        if found.iter().all(|(known, _)| *known != run) {
            found.push((run, store.run(run)?.run.name));
        }
    }
    let is_found = |run: RunId| found.iter().any(|(known, _)| *known == run);
    for row in store.rows()? {
        let Run { run, name, status, .. } = &row.run;
        let is_cut_short = matches!(status, RunStatus::Interrupted | RunStatus::Stopped);
        if let Some((of, _)) = row.origin
            && is_cut_short
            && is_found(of)
            && !is_found(*run)
        {
            report::tell(&format!(
                "note: {run} ({name}), which is {status}, can't be taken to its end without {of}"
            ));
        }
    }
    Ok(found)
}
