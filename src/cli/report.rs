//! Results as text for people.

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::Value;

use crate::spec::{DatasetSummary, Finding, MemoryLedger, Metrics, Recipe, Run, RunId, RunPlan, Task, units};

/// Rows under titles, columns two spaces apart; columns that hold figures are right-aligned.
pub fn table(titles: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .chain([titles[column].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let is_figure = |column: usize| {
        rows.iter().any(|row| !row[column].is_empty())
            && rows.iter().all(|row| {
                row[column].is_empty()
                    || row[column] == "-"
                    || row[column].starts_with(|c: char| c.is_ascii_digit() || c == '-')
            })
    };
    let columns: Vec<(usize, bool)> = (0..titles.len())
        .map(|column| (width(column), is_figure(column)))
        .collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (cell, &(width, figure)) in cells.zip(&columns) {
            let _ = if figure {
                write!(line, "{cell:>width$}  ")
            } else {
                write!(line, "{cell:<width$}  ")
            };
        }
        line.trim_end().to_owned() + "\n"
    };
    let mut text = line(&mut titles.iter().copied());
    for row in rows {
        text += &line(&mut row.iter().map(String::as_str));
    }
    text
}

/// Tells on standard error what was left out of the data or filled in, and what their health check found.
pub fn tell_data(data: &DatasetSummary, findings: &[Finding]) {
    for note in &data.notes {
        tell(&format!("data: {note}"));
    }
    for finding in findings {
        tell(&format!("data: {}: {}", finding.kind.name(), finding.what));
    }
}

/// As [`tell_data`], and which settings have no effect.
pub fn tell_plan(plan: &RunPlan, findings: &[Finding]) {
    tell_data(&plan.dataset, findings);
    let idle = plan.idle_settings();
    if !idle.is_empty() {
        tell(&format!("note: without effect on this network: {}", idle.join(", ")));
    }
}

/// A line on standard error.
pub fn tell(line: &str) {
    // Nothing is left to be done where standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// As it is typed: in quotation marks where a shell would take it for several words or read other things into it.
pub fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_-+./\\:,=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// A run as an object: `score` and `metric` of the exported file, which is called `accuracy` too where it is one; of a
/// compression `recipe` and `parent`, whether it came to be measured or not.
pub fn object(run: &Run, origin: Option<&(RunId, Recipe)>) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::to_value(run)?;
    if let (Some(fields), Some((parent, recipe))) = (value.as_object_mut(), origin) {
        fields.insert("recipe".to_owned(), recipe.to_string().into());
        fields.insert("parent".to_owned(), serde_json::to_value(parent)?);
    }
    if let (Some(fields), Some(deployed)) = (value.as_object_mut(), &run.deployed) {
        fields.insert("score".to_owned(), deployed.accuracy.into());
        fields.insert("metric".to_owned(), run.metric().into());
        if run.metric() != "accuracy" {
            fields.remove("accuracy");
        }
        // The run that the others are held against is against nothing.
        if run.timed_beside().is_none() {
            fields.insert("verdict".to_owned(), Value::Null);
            fields.insert("verdict_batch1".to_owned(), Value::Null);
        }
    }
    Ok(value)
}

/// A run's outcome in a few lines.
pub fn run(run: &Run, origin: Option<&(RunId, Recipe)>, is_classical: bool) -> String {
    let mut lines = vec![format!("{} {}: {}", run.run, run.name, run.status)];
    if let Some((parent, recipe)) = origin {
        lines.push(format!("  {parent} compressed by {recipe}"));
    }
    if let Some(failure) = &run.failure {
        lines.push(format!("  {failure}"));
    }
    for (part, metrics) in [("train", run.train), ("validation", run.validation), ("test", run.test)] {
        if let Some(metrics) = metrics {
            lines.push(format!("  {part:<11} {}", scores(&metrics)));
        }
    }
    if let Some(folds) = &run.folds {
        lines.push(format!("  folds       {} (mean)", scores(&folds.mean)));
        lines.push(format!("              {} (deviation)", scores(&folds.sd)));
    }
    if let Some(line) = trained(run, is_classical) {
        lines.push(line);
    }
    lines.push(format!(
        "  {} parameters, {} multiply-adds a sample",
        units::count(run.parameters as f64),
        units::count(run.multiply_adds as f64)
    ));
    let measured = units::bytes(run.peak_memory_bytes);
    match (run.predicted_memory_bytes, run.peak_memory_bytes) {
        (0, 0) => {}
        (0, _) => lines.push(format!("  training memory: measured peak {measured}")),
        (predicted, _) => lines.push(format!(
            "  training memory: predicted {}, measured peak {measured}",
            units::bytes(predicted)
        )),
    }
    if let Some(deployed) = &run.deployed {
        lines.push(format!(
            "  exported: {}, {} a sample at batch 64, {} in memory, sha256 {}",
            units::bytes(deployed.size_bytes),
            units::microseconds(deployed.latency_us.batch64.median / 64.0),
            units::bytes(deployed.memory_bytes),
            &deployed.sha256[..deployed.sha256.len().min(12)]
        ));
    }
    lines.join("\n") + "\n"
}

/// How long it was trained; nothing of a run that was not. A baseline is fitted at once, and a cross-validation keeps no
/// weights.
fn trained(run: &Run, is_classical: bool) -> Option<String> {
    let clock = units::clock(run.elapsed_secs);
    if is_classical {
        return (run.epochs > 0).then(|| format!("  fitted in {clock}"));
    }
    if run.epochs == 0 {
        return None;
    }
    let epochs = match run.epochs {
        1 => "1 epoch".to_owned(),
        epochs => format!("{epochs} epochs"),
    };
    let best = run.best_epoch.filter(|_| run.folds.is_none());
    let best = best.map_or_else(String::new, |epoch| format!(", weights of epoch {epoch}"));
    let speed = units::count(run.samples_per_second);
    Some(format!("  {epochs}{best}, {clock} at {speed} samples/s"))
}

/// `accuracy 97.4 %, F1 0.9731, loss 0.0912`.
pub fn scores(metrics: &Metrics) -> String {
    let mut parts = Vec::new();
    if let Some(accuracy) = metrics.accuracy {
        parts.push(format!("accuracy {}", units::percent(accuracy)));
    }
    if let Some(f1) = metrics.f1 {
        parts.push(format!("F1 {f1:.4}"));
    }
    if let Some(r2) = metrics.r2 {
        parts.push(format!("R2 {r2:.4}"));
    }
    if let Some(rmse) = metrics.rmse {
        parts.push(format!("RMSE {}", units::significant(rmse)));
    }
    parts.push(format!("loss {}", units::significant(metrics.loss)));
    parts.join(", ")
}

/// The memory ledger, a term a line.
pub fn ledger(ledger: &MemoryLedger) -> String {
    let terms = [
        ("weights", ledger.weights),
        ("gradients", ledger.gradients),
        ("optimizer state", ledger.optimizer),
        ("activations", ledger.activations),
        ("workspace", ledger.workspace),
        ("batch", ledger.batch),
        ("in all", ledger.total()),
    ];
    let mut text = String::new();
    for (term, bytes) in terms {
        let _ = writeln!(text, "  {term:<16} {:>8}", units::bytes(bytes));
    }
    text
}

/// What a data set's target is.
pub fn task(task: &Task) -> String {
    match task {
        Task::Classification { classes } => format!("classification, {} classes", classes.len()),
        Task::Regression { targets } if targets.len() > 1 => format!("regression of {} targets", targets.len()),
        Task::Regression { .. } => "regression".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_what_is_quoted_for_one_word() {
        for (text, typed) in [
            ("wine.csv", "wine.csv"),
            ("my data.csv", "'my data.csv'"),
            ("it's $HOME.csv", r"'it'\''s $HOME.csv'"),
            ("", "''"),
        ] {
            assert_eq!(word(text), typed);
        }
    }

    #[test]
    fn figures_stand_right_and_words_left() {
        let rows = [
            vec!["a".to_owned(), "9".to_owned()],
            vec!["long".to_owned(), "10".to_owned()],
        ];
        assert_eq!(table(&["name", "n"], &rows), "name   n\na      9\nlong  10\n");
    }
}
