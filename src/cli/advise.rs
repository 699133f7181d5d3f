//! Advice on the command line: which architecture for a data set.

use std::fmt::Write as _;

use super::{CommandError, report, to_json};
use crate::advice;
use crate::jobs;
use crate::spec::{DataConfig, KEYS, RunConfig, apply_overrides, units};

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
    let (summary, findings) = jobs::examine(&data)?;
    report::tell_data(&summary, &findings);
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
        let target = data
            .target
            .as_ref()
            .map_or_else(String::new, |target| format!(" --target {}", report::word(target)));
        let rest: Vec<String> = set
            .iter()
            .filter(|set| !is_target(set))
            .map(|set| format!(" --set {}", report::word(set)))
            .collect();
        let rest = if rest.is_empty() {
            String::new()
        } else {
            format!("; train it with{}", rest.concat())
        };
        let _ = writeln!(
            text,
            "`trimtab init --dataset {}{target} --architecture {name}` prints a configuration of the first{rest}",
            report::word(&data.source)
        );
    }
    Ok(text)
}

/// What `--set` says of the target is said by `--target` too.
fn is_target(set: &str) -> bool {
    set.split_once('=').is_some_and(|(key, _)| key.trim() == "data.target")
}

/// The note on a key of the configuration.
pub fn explain(key: Option<&str>) -> Result<String, CommandError> {
    let Some(key) = key else {
        return Ok(notes());
    };
    let key = key.trim();
    let notes = |is_meant: &dyn Fn(&str) -> bool| -> Vec<String> {
        let meant = KEYS.iter().filter(|known| is_meant(known.path));
        meant
            .filter_map(|known| {
                let note = advice::note(known.path)?;
                Some(format!(
                    "{}: {}\n\n  does   {}\n  costs  {}\n  try    {}\n",
                    known.path, known.doc, note.does, note.costs, note.attempt
                ))
            })
            .collect()
    };
    let mut found = notes(&|path| path == key);
    if found.is_empty() {
        // A section of the file.
        found = notes(&|path| path.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')));
    }
    if found.is_empty() {
        return Err(format!("`{key}` is no key of the configuration; `trimtab explain` tells of them all").into());
    }
    Ok(found.join("\n"))
}

/// The notes on all keys as a page of Markdown.
fn notes() -> String {
    let mut text = String::from("# The knobs: what each does, what it costs, and what to try\n");
    let mut section = "";
    for key in KEYS {
        let head = key.path.split('.').next().unwrap_or_default();
        if head != section {
            section = head;
            let _ = writeln!(text, "\n## {section}");
        }
        if let Some(note) = advice::note(key.path) {
            let _ = writeln!(
                text,
                "\n**`{}`**: {}. *Costs*: {}. *Try*: {}.",
                key.path, note.does, note.costs, note.attempt
            );
        }
    }
    text
}
