//! `trimtab ladder`: many recipes on one run, and which result to take.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::arguments::BudgetArguments;
use super::work::Desk;
use super::{CommandError, report, to_json};
use crate::compare::{self, Budget, Recommendation};
use crate::jobs::{self, Job};
use crate::spec::{Ladder, Recipe, Run, RunId, RunStatus};
use crate::store::Store;

/// What the ladder came to.
#[derive(Debug, Serialize)]
struct Climbed {
    runs: Vec<Value>,
    /// None where nothing fits the budget.
    recommended: Option<Recommendation>,
}

/// The standard ladder as a file to edit.
pub fn print() -> Result<String, CommandError> {
    Ok(Ladder::standard()?.to_toml())
}

/// Tries the rungs that are not there yet, and compares all of them.
pub fn climb(
    store: Store,
    run: &str,
    file: Option<&Path>,
    options: &BudgetArguments,
    json: bool,
) -> Result<String, CommandError> {
    let ladder = match file {
        None => Ladder::standard()?,
        Some(path) => jobs::read_ladder(path)?,
    };
    let run = store.find(run)?;
    let rows = store.rows()?;
    let known = |recipe: &Recipe| {
        let rungs = || rows.iter().rev().filter(|row| row.came_of(run, recipe));
        let finished = rungs().find(|row| row.run.status == RunStatus::Finished);
        finished.or_else(|| rungs().next()).map(|row| &row.run)
    };
    let mut there = Vec::new();
    let mut begun = Vec::new();
    let mut missing = Vec::new();
    for recipe in ladder.rungs {
        match known(&recipe) {
            Some(rung) if rung.status == RunStatus::Finished => there.push(rung.run),
            Some(rung) => begun.push(rung.run),
            None => missing.push(recipe),
        }
    }
    let desk = Desk::open(store)?;
    let mut made = Vec::new();
    // What was cut short or failed is the same run again.
    for rung in begun {
        made.extend(desk.perform(Job::Resume { run: rung })?);
    }
    if !missing.is_empty() {
        made.extend(desk.perform(Job::Compress { run, recipes: missing })?);
    }
    let finished = desk.runs(&made)?;
    let finished = finished.iter().filter(|run| run.status == RunStatus::Finished);
    let all: Vec<RunId> = [run]
        .into_iter()
        .chain(there)
        .chain(finished.map(|run| run.run))
        .collect();
    let measured = desk.perform(Job::Measure { runs: all })?;
    let rows = desk.runs(&measured)?;
    let baseline = rows.first().ok_or("the ladder has no rung")?;
    let budget = options.budget();
    let recommended = compare::recommend(baseline, &rows, &budget, options.save);
    let output = if json {
        to_json(&Climbed {
            runs: desk.objects(&rows)?,
            recommended,
        })?
    } else {
        text(baseline, &rows, &budget, recommended.as_ref())
    };
    desk.complete(&made, output)
}

fn text(baseline: &Run, rows: &[Run], budget: &Budget, recommended: Option<&Recommendation>) -> String {
    let Some(comparison) = compare::compare(rows) else {
        return String::new();
    };
    let (mut titles, mut cells) = compare::table(&comparison);
    titles.push("budget");
    for (row, cells) in comparison.rows.iter().zip(&mut cells) {
        let excess = budget.excess(row.run, baseline);
        cells.push(excess.first().map_or_else(|| "fits".to_owned(), compare::Excess::text));
    }
    let words = match recommended {
        Some(Recommendation { run, reason }) => {
            let name = rows
                .iter()
                .find(|row| row.run == *run)
                .map_or("", |row| row.name.as_str());
            format!("take {run} ({name}): {reason}\n")
        }
        None => "nothing fits the budget, not even the baseline\n".to_owned(),
    };
    report::table(&titles, &cells) + "\n" + &words
}

impl BudgetArguments {
    fn budget(&self) -> Budget {
        Budget {
            loss: Some(self.max_loss / 100.0),
            size: self.max_size.map(|bytes| bytes as f64),
            latency_batch1: self.max_latency,
            latency_batch64: self.max_latency64,
            memory: self.max_memory.map(|bytes| bytes as f64),
        }
    }
}
