//! Advice on the command line: which architecture for a data set.

use std::fmt::Write as _;

use super::{CommandError, report, to_json};
use crate::advice;
use crate::jobs;
use crate::spec::{DataConfig, RunConfig, apply_overrides, units};

/// Ranks the architectures that fit a data set, with reasons and predicted cost.
pub fn choose(source: String, target: Option<String>, set: &[String], json: bool) -> Result<String, CommandError> {
    let config = RunConfig {
        data: DataConfig {
            source,
            target,
            ..DataConfig::default()
        },
        ..RunConfig::default()
    };
    let data = apply_overrides(&config, set)?.data;
    let summary = jobs::describe(&data)?;
    let choices = advice::choose(&data, &summary);
    if json {
        return to_json(&choices);
    }
    let rows: Vec<Vec<String>> = choices
        .iter()
        .enumerate()
        .map(|(place, choice)| {
            vec![
                (place + 1).to_string(),
                choice.architecture.name().to_owned(),
                choice.points.to_string(),
                units::count(choice.parameters as f64),
                units::count(choice.multiply_adds as f64),
                units::bytes(choice.memory_bytes),
            ]
        })
        .collect();
    let mut text = format!(
        "{}: {} training rows of {}, {}\n\n",
        summary.name,
        units::count(summary.split.train as f64),
        summary.input,
        report::task(&summary.task)
    );
    text += &report::table(
        &[
            "place",
            "architecture",
            "points",
            "parameters",
            "multiply-adds",
            "training memory",
        ],
        &rows,
    );
    text.push('\n');
    for choice in &choices {
        let _ = writeln!(text, "{}", choice.architecture.name());
        for reason in &choice.reasons {
            let _ = writeln!(text, "  {:+}  {}", reason.points, reason.text);
        }
    }
    let first: Vec<&str> = advice::baselines(&data, &summary)
        .iter()
        .map(|config| config.model.architecture.name())
        .collect();
    let _ = writeln!(text, "\nbaselines first: {}", first.join(", "));
    if let Some(best) = choices.first() {
        let name = best.architecture.name();
        let _ = writeln!(
            text,
            "`trimtab init --dataset {} --architecture {name}` prints a configuration of the first",
            data.source
        );
    }
    Ok(text)
}
