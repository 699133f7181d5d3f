//! Commands that make something: training, compressing, measuring, exporting, predicting.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::arguments::TrainArguments;
use super::progress::Progress;
use super::{CommandError, Incomplete, report, to_json};
use crate::compare;
use crate::cost;
use crate::jobs::{self, Answers, Engine, Finding, Job, JobError, Message, Prediction};
use crate::spec::{
    ConfigError, DataConfig, DataKind, MemoryLedger, ModelConfig, PresetSize, Recipe, Run, RunConfig, RunId, RunPlan,
    RunStatus, TrainConfig, annotated_toml, apply_overrides, parse_config, units,
};
use crate::store::Store;

pub fn demo(store: Store, seed: u64, json: bool) -> Result<String, CommandError> {
    let mut config = RunConfig::digits_cnn();
    config.run.seed = seed;
    config.data.split_seed = seed;
    config.run.name = Some("demo".to_owned());
    let desk = Desk::open(store)?;
    let baseline = desk.perform(Job::Train { config })?;
    desk.require_success(&baseline)?;
    let Some(&run) = baseline.first() else {
        return Err("the demo made no run".into());
    };
    let variants = desk.perform(Job::Compress {
        run,
        recipes: Recipe::demo().into(),
    })?;
    let rows = desk.runs(&[baseline, variants.clone()].concat())?;
    let output = if json {
        to_json(&desk.objects(&rows)?)?
    } else {
        comparison(&rows)
    };
    desk.complete(&variants, output)
}

pub fn init(
    dataset: Option<String>,
    target: Option<String>,
    architecture: Option<String>,
) -> Result<String, CommandError> {
    let mut data = DataConfig::default();
    if let Some(source) = dataset {
        data.source = source;
    }
    data.target = target;
    let (summary, findings) = jobs::examine(&data)?;
    report::tell_data(&summary, &findings);
    let usual = match summary.kind {
        DataKind::Images => "cnn",
        DataKind::Table => "mlp",
        DataKind::Sequences | DataKind::Series | DataKind::Text => "gru",
    };
    let architecture = architecture.unwrap_or_else(|| usual.to_owned());
    let config = apply_overrides(
        &RunConfig {
            data,
            ..RunConfig::default()
        },
        &[format!("model.architecture={architecture}")],
    )?;
    let architecture = config.model.architecture;
    let config = RunConfig {
        model: ModelConfig::preset(architecture, PresetSize::Small, summary.input),
        train: TrainConfig::preset(architecture),
        ..config
    };
    config.check(&summary).map_err(JobError::Config)?;
    Ok(annotated_toml(&config)?)
}

pub fn cost(config: &Path, set: &[String], json: bool) -> Result<String, CommandError> {
    let (plan, findings) = jobs::plan(&read_config(config, set)?)?;
    report::tell_plan(&plan, &findings);
    let ledger = cost::memory(&plan);
    let shapes = plan.model.shapes()?;
    let cost::Cost {
        parameters,
        multiply_adds,
        model_bytes,
        is_estimate,
    } = cost::cost(&plan);
    let is_classical = plan.config.model.architecture.is_classical();
    if json {
        return to_json(&serde_json::json!({
            "parameters": parameters,
            "multiply_adds": multiply_adds,
            "model_bytes": model_bytes,
            "is_estimate": is_estimate,
            "predicted_memory_bytes": ledger.total(),
            "memory": ledger,
        }));
    }
    if is_classical {
        return Ok(baseline_cost(&plan, &ledger));
    }
    let mut text = String::new();
    let rows: Vec<Vec<String>> = std::iter::once(vec!["input".to_owned(), plan.model.input.to_string()])
        .chain(
            plan.model
                .layers
                .iter()
                .zip(&shapes)
                .map(|(layer, shape)| vec![layer.name().to_owned(), shape.to_string()]),
        )
        .collect();
    text += &report::table(&["layer", "output"], &rows);
    let _ = writeln!(text, "\nparameters      {}", units::count(parameters as f64));
    let _ = writeln!(text, "multiply-adds   {} a sample", units::count(multiply_adds as f64));
    let _ = writeln!(text, "size            {} in fp32", units::bytes(model_bytes));
    let _ = writeln!(
        text,
        "training memory at batch {}, predicted:",
        plan.config.train.batch_size
    );
    text += &report::ledger(&ledger);
    Ok(text)
}

/// A baseline has no layers, and is fitted to all rows at once.
fn baseline_cost(plan: &RunPlan, ledger: &MemoryLedger) -> String {
    let cost = cost::cost(plan);
    let about = if cost.is_estimate {
        ", about: the data decide"
    } else {
        ""
    };
    let mut text = format!("{} of {}\n\n", plan.config.model.architecture.title(), plan.model.input);
    let _ = writeln!(text, "numbers kept    {}{about}", units::count(cost.parameters as f64));
    let _ = writeln!(
        text,
        "multiply-adds   {} a sample",
        units::count(cost.multiply_adds as f64)
    );
    let _ = writeln!(text, "size            {}{about}", units::bytes(cost.model_bytes));
    let _ = writeln!(text, "memory of the fit, predicted{about}:");
    text + &report::ledger(ledger)
}

pub fn train(store: Store, options: TrainArguments) -> Result<String, CommandError> {
    let job = match (options.resume, options.config) {
        (Some(run), _) => Job::Resume { run: store.find(&run)? },
        (None, Some(path)) => {
            let mut config = read_config(&path, &options.set)?;
            config.data.source = settled(&config.data.source)?;
            config.run.name = options.name.or(config.run.name);
            match options.folds {
                Some(folds) => Job::Folds {
                    config,
                    folds: folds as usize,
                },
                None => Job::Train { config },
            }
        }
        (None, None) => return Err("give a configuration, or --resume RUN".into()),
    };
    let desk = Desk::open(store)?;
    // The data were read for the run, and are not read again for this.
    let tell = |run| {
        if let Ok(record) = desk.store.run(run) {
            report::tell_plan(&record.plan, &[]);
        }
    };
    let made = desk.follow(job, tell, |_| {})?;
    let runs = desk.runs(&made)?;
    let Some(run) = runs.first() else {
        return Err("the job made no run".into());
    };
    let output = if options.json {
        to_json(&desk.objects(&runs)?.first())?
    } else {
        let record = desk.store.run(run.run)?;
        let is_classical = record.plan.config.model.architecture.is_classical();
        report::run(run, record.origin.as_ref(), is_classical)
    };
    desk.complete(&made, output)
}

pub fn compress(store: Store, run: &str, recipes: &[String], json: bool) -> Result<String, CommandError> {
    let recipes = recipes
        .iter()
        .map(|recipe| recipe.parse::<Recipe>())
        .collect::<Result<Vec<_>, _>>()?;
    let run = store.find(run)?;
    for row in store.rows()? {
        let is_cut_short = matches!(row.run.status, RunStatus::Interrupted | RunStatus::Stopped);
        if is_cut_short && recipes.iter().any(|recipe| row.came_of(run, recipe)) {
            let Run { run, name, status, .. } = row.run;
            report::tell(&format!(
                "note: {run} ({name}) is {status}; `trimtab train --resume {run}` goes on with it"
            ));
        }
    }
    let desk = Desk::open(store)?;
    let made = desk.perform(Job::Compress { run, recipes })?;
    let children = desk.runs(&made)?;
    let output = if json {
        to_json(&desk.objects(&children)?)?
    } else {
        // It may have been deleted meanwhile.
        let parent = desk.store.run(run).ok().map(|record| record.run);
        comparison(&parent.into_iter().chain(children).collect::<Vec<_>>())
    };
    desk.complete(&made, output)
}

pub fn compare(store: Store, runs: &[String], json: bool, csv: Option<PathBuf>) -> Result<String, CommandError> {
    let chosen: Vec<RunId> = if runs.is_empty() {
        store
            .runs()?
            .iter()
            .filter(|run| run.status == RunStatus::Finished && run.folds.is_none())
            .map(|run| run.run)
            .collect()
    } else {
        runs.iter().map(|run| store.find(run)).collect::<Result<_, _>>()?
    };
    if chosen.is_empty() {
        return Err("no run has finished yet; `trimtab train` and `trimtab compress` make them".into());
    }
    let desk = Desk::open(store)?;
    let made = desk.perform(Job::Measure { runs: chosen })?;
    let rows = desk.runs(&made)?;
    if json {
        return to_json(&desk.objects(&rows)?);
    }
    let mut described: Vec<(Run, RunPlan)> = Vec::with_capacity(rows.len());
    for row in rows {
        let plan = desk.store.run(row.run)?.plan;
        described.push((row, plan));
    }
    let groups = compare::groups(described);
    if let Some(path) = csv {
        let [group] = groups.as_slice() else {
            let names: Vec<&str> = groups.iter().map(|group| group.title.as_str()).collect();
            return Err(format!(
                "a CSV holds runs whose scores can be compared, these are on {}; name the runs",
                names.join(", ")
            )
            .into());
        };
        let comparison = compare::compare(&group.members).ok_or("none of these runs has been measured")?;
        std::fs::write(&path, compare::csv(&comparison))
            .map_err(|error| format!("{}: {error}; choose another file", path.display()))?;
        return Ok(format!("wrote {} rows to {}\n", group.members.len(), path.display()));
    }
    let tables = groups.iter().map(|group| {
        let title = if groups.len() > 1 {
            format!("{}\n", group.title)
        } else {
            String::new()
        };
        title + &comparison(&group.members)
    });
    Ok(tables.collect::<Vec<String>>().join("\n"))
}

pub fn export(store: Store, run: &str, to: &Path) -> Result<String, CommandError> {
    let run = store.find(run)?;
    let desk = Desk::open(store)?;
    desk.perform(Job::Export { run, to: to.to_owned() })?;
    let mut text = format!("{run} is in {}\n", to.display());
    let mut files: Vec<_> = std::fs::read_dir(to)?.collect::<Result<_, _>>()?;
    files.sort_by_key(std::fs::DirEntry::file_name);
    for file in files {
        let _ = writeln!(
            text,
            "  {:<20} {:>9}",
            file.file_name().to_string_lossy(),
            units::bytes(file.metadata()?.len())
        );
    }
    Ok(text)
}

pub fn get(store: Store, name: Option<&str>) -> Result<String, CommandError> {
    let home = store.directory().to_owned();
    if let Some(name) = name {
        let name = name.to_owned();
        Desk::open(store)?.perform(Job::Get { name })?;
    }
    let mut text = String::new();
    for set in jobs::fetchable(&home)? {
        if let Some(name) = name {
            // What was got has its plain name.
            if set.is_there && name.trim().to_lowercase().replace('-', "_") == set.name {
                let _ = writeln!(text, "{} is in {}", set.name, set.folder.display());
            }
            continue;
        }
        let place = if set.is_there {
            set.folder.display().to_string()
        } else {
            format!("{} to get", units::bytes(set.bytes))
        };
        let _ = writeln!(text, "{:<14} {:<80} {place}", set.name, set.about);
    }
    Ok(text)
}

pub fn predict(folder: &Path, csv: &Path, json: bool) -> Result<String, CommandError> {
    let answers = jobs::predict(folder, csv)?;
    for note in &answers.notes {
        report::tell(note);
    }
    if let Some(metrics) = &answers.metrics {
        report::tell(&format!("{}: {}", csv.display(), report::scores(metrics)));
    }
    if json {
        return to_json(&answers_as_json(&answers)?);
    }
    let name = |row: usize| answers.names.get(row).cloned().unwrap_or_else(|| (row + 1).to_string());
    let rows: Vec<Vec<String>> = answers
        .predictions
        .iter()
        .enumerate()
        .map(|(row, prediction)| {
            let cells = match prediction {
                Prediction::Class {
                    label,
                    class,
                    probabilities,
                } => vec![label.clone(), units::percent(f64::from(probabilities[*class]))],
                Prediction::Value { value } => vec![digits(*value)],
                Prediction::Values { values } => values.iter().copied().map(digits).collect(),
            };
            [vec![name(row)], cells].concat()
        })
        .collect();
    let mut titles = vec![if answers.names.is_empty() { "row" } else { "file" }];
    match answers.predictions.first() {
        Some(Prediction::Value { .. } | Prediction::Values { .. }) => {
            titles.extend(answers.targets.iter().map(String::as_str));
        }
        _ => titles.extend(["label", "probability"]),
    }
    Ok(report::table(&titles, &rows))
}

/// A value with as many digits as the 32-bit output that it was made from holds.
fn digits(value: f64) -> String {
    let rounded: f64 = format!("{value:.6e}").parse().unwrap_or(value);
    rounded.to_string()
}

/// The predictions, each with the name of its file where it has one, and of several values with their names.
fn answers_as_json(answers: &Answers) -> Result<Vec<serde_json::Value>, CommandError> {
    let mut written = Vec::with_capacity(answers.predictions.len());
    for (row, prediction) in answers.predictions.iter().enumerate() {
        let mut object = serde_json::to_value(prediction)?;
        if let Some(object) = object.as_object_mut() {
            if let Some(name) = answers.names.get(row) {
                object.insert("file".to_owned(), name.as_str().into());
            }
            if matches!(prediction, Prediction::Values { .. }) {
                object.insert("targets".to_owned(), answers.targets.clone().into());
            }
        }
        written.push(object);
    }
    Ok(written)
}

pub fn datasets(
    dataset: Option<String>,
    rows: Option<String>,
    set: &[String],
    json: bool,
) -> Result<String, CommandError> {
    let Some(source) = dataset else {
        let sets = jobs::datasets();
        if json {
            let sets: Vec<_> = sets
                .iter()
                .map(|(name, about)| serde_json::json!({"name": name, "about": about}))
                .collect();
            return to_json(&sets);
        }
        let rows: Vec<Vec<String>> = sets
            .iter()
            .map(|(name, about)| vec![(*name).to_owned(), (*about).to_owned()])
            .collect();
        return Ok(report::table(&["name", "what"], &rows));
    };
    let config = RunConfig {
        data: DataConfig {
            source,
            ..DataConfig::default()
        },
        ..RunConfig::default()
    };
    let data = apply_overrides(&config, set)?.data;
    if let Some(part) = rows {
        return Ok(jobs::rows(&data, part.parse()?)?);
    }
    let (summary, findings) = jobs::examine(&data)?;
    if json {
        let mut described = serde_json::to_value(&summary)?;
        if let Some(described) = described.as_object_mut() {
            described.insert("findings".to_owned(), serde_json::to_value(&findings)?);
        }
        return to_json(&described);
    }
    let mut text = format!("{}\n", summary.name);
    let _ = writeln!(
        text,
        "  rows        {} ({} training, {} validation, {} test)",
        summary.rows, summary.split.train, summary.split.validation, summary.split.test
    );
    let _ = writeln!(
        text,
        "  input       {} from {} columns",
        summary.input,
        summary.columns.len()
    );
    let _ = writeln!(
        text,
        "  target      {}: {}",
        summary.target,
        report::task(&summary.task)
    );
    if let crate::spec::Task::Classification { classes } = &summary.task {
        for (class, rows) in classes.iter().zip(&summary.class_rows) {
            let _ = writeln!(
                text,
                "    {class:<20} {rows:>7}  {}",
                units::percent(*rows as f64 / summary.rows as f64)
            );
        }
    }
    for note in &summary.notes {
        let _ = writeln!(text, "  note: {note}");
    }
    for finding in &findings {
        let _ = writeln!(text, "  {}: {}. {}.", finding.kind.name(), finding.what, finding.remedy);
    }
    if findings.is_empty() {
        text += "  health: nothing to object to\n";
    }
    Ok(text)
}

pub(super) fn read_config(path: &Path, set: &[String]) -> Result<RunConfig, CommandError> {
    let is_data = || -> CommandError {
        let shown = path.display().to_string();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let (data, config) = (report::word(&shown), report::word(&format!("{name}.toml")));
        format!("{shown}: is data, not a configuration; `trimtab init --dataset {data} > {config}` writes one").into()
    };
    let is_toml = path.extension().is_some_and(|ending| ending == "toml");
    if path.is_dir() {
        return Err(is_data());
    }
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData && !is_toml => return Err(is_data()),
        Err(error) => {
            return Err(format!("{}: {error}; `trimtab init` prints a configuration", path.display()).into());
        }
    };
    let config = parse_config(&text, set).map_err(|error| -> CommandError {
        match error {
            ConfigError::Syntax(_) if !is_toml => is_data(),
            error if error.is_of_override() => error.into(),
            error => format!("{}: {error}", path.display()).into(),
        }
    })?;
    let names_data = |line: &str| !line.trim_start().starts_with('#') && line.contains("source");
    if !text.lines().any(names_data) && !set.iter().any(|set| set.starts_with("data.source")) {
        let source = &config.data.source;
        report::tell(&format!(
            "note: {} names no data.source, so it is {source}",
            path.display()
        ));
    }
    Ok(config)
}

/// A file by its absolute path, so that its run can be resumed and compressed from any folder; a set that needs no file by
/// its name.
pub(super) fn settled(source: &str) -> Result<String, CommandError> {
    let needs_no_file = jobs::datasets().iter().any(|(name, _)| *name == source.trim());
    if needs_no_file || !Path::new(source).exists() {
        return Ok(source.to_owned());
    }
    let path = std::path::absolute(source)?;
    let text = path
        .to_str()
        .ok_or_else(|| format!("{}: rename the folder, it is not valid text", path.display()))?;
    Ok(text.to_owned())
}

/// The measured ones beside each other; nothing where none is.
fn comparison(rows: &[Run]) -> String {
    compare::compare(rows).map_or_else(String::new, |comparison| {
        let (titles, cells) = compare::table(&comparison);
        report::table(&titles, &cells)
    })
}

/// The store with its engine: hands in jobs and reads the stream.
pub(super) struct Desk {
    store: Arc<Store>,
    engine: Engine,
}

impl Desk {
    pub fn open(store: Store) -> Result<Self, CommandError> {
        let store = Arc::new(store);
        let engine = Engine::start(Arc::clone(&store), || {})?;
        Ok(Self { store, engine })
    }

    /// Does a job to its end, showing progress; its runs, however they ended.
    pub fn perform(&self, job: Job) -> Result<Vec<RunId>, CommandError> {
        self.follow(job, |_| {}, |_| {})
    }

    /// What a probe finds out.
    pub fn find(&self, probe: Job) -> Result<Finding, CommandError> {
        let mut found = None;
        self.follow(probe, |_| {}, |finding| found = Some(finding))?;
        found.ok_or_else(|| "the probe found nothing".into())
    }

    /// Tells which runs it opens and what it finds.
    fn follow(
        &self,
        job: Job,
        mut opened: impl FnMut(RunId),
        mut found: impl FnMut(Finding),
    ) -> Result<Vec<RunId>, CommandError> {
        self.engine.submit(job)?;
        let mut progress = Progress::new();
        loop {
            match self.engine.next_within(Duration::from_secs(1)) {
                Some(Message::Event(envelope)) => progress.show(&envelope),
                Some(Message::Progress { what, done, total, .. }) => progress.part(&what, done, total),
                Some(Message::Found { finding, .. }) => found(*finding),
                Some(Message::Closed { outcome, .. }) => return Ok(outcome?),
                Some(Message::Opened { run, .. }) => opened(run),
                Some(Message::Begun { .. }) | None => {}
            }
        }
    }

    pub fn runs(&self, runs: &[RunId]) -> Result<Vec<Run>, CommandError> {
        runs.iter().map(|&run| Ok(self.store.run(run)?.run)).collect()
    }

    /// Runs as [`report::object`]s.
    pub fn objects(&self, runs: &[Run]) -> Result<Vec<serde_json::Value>, CommandError> {
        let object = |run: &Run| Ok(report::object(run, self.store.run(run.run)?.origin.as_ref())?);
        runs.iter().map(object).collect()
    }

    fn require_success(&self, runs: &[RunId]) -> Result<(), CommandError> {
        let failures: Vec<String> = self
            .runs(runs)?
            .iter()
            .filter(|run| matches!(run.status, RunStatus::Failed | RunStatus::Crashed))
            .map(|run| {
                format!(
                    "run {} {}: {}",
                    run.run,
                    run.status,
                    run.failure.as_deref().unwrap_or("no reason was recorded")
                )
            })
            .collect();
        if failures.is_empty() {
            Ok(())
        } else {
            Err(failures.join("; and ").into())
        }
    }

    /// The output, which stands even if some of the runs failed.
    pub fn complete(&self, runs: &[RunId], output: String) -> Result<String, CommandError> {
        match self.require_success(runs) {
            Ok(()) => Ok(output),
            Err(error) => Err(Box::new(Incomplete {
                output,
                message: error.to_string(),
            })),
        }
    }
}
