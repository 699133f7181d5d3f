//! Models built by hand, for tests of single pages: runs with figures that no machine measured, jobs that never run.

use egui::Ui;
use egui_kittest::{Harness, HarnessBuilder};

use crate::app::action::{Action, Actions};
use crate::app::state::{JobKind, JobRun, Model, QueuedJob};
use crate::app::theme;
use crate::jobs::{JobId, OpenedRun, RunRecord, RunRow};
use crate::spec::{
    DataKind, DatasetSummary, Deployed, Latency, LatencySummary, Metrics, Run, RunConfig, RunId, RunPlan, RunStatus,
    Shape, Speed, SplitRows, Task, Verdict,
};
use crate::timeline::RunView;

/// A page with what it was given and what it asked for.
pub struct Scene<V> {
    pub model: Model,
    pub view: V,
    pub asked: Vec<Action>,
}

/// A page alone in a window.
pub fn scene<V: 'static>(
    builder: HarnessBuilder<Scene<V>>,
    model: Model,
    view: V,
    draw: fn(&mut Ui, &Model, &mut V, &mut Actions),
) -> Harness<'static, Scene<V>> {
    let asked = Vec::new();
    builder.with_context_setup(theme::install).build_ui_state(
        move |ui, scene| {
            let mut actions = Actions::default();
            let frame = egui::Frame::NONE.fill(theme::Tokens::of(ui).base).inner_margin(12.0);
            egui::CentralPanel::default()
                .frame(frame)
                .show(ui, |ui| draw(ui, &scene.model, &mut scene.view, &mut actions));
            // What is said in every frame is left out, save that somebody looks at something.
            let is_said_always = |action: &Action| match action {
                Action::Hover(_) => true,
                Action::Look(wanted) => wanted.is_nothing(),
                _ => false,
            };
            let news = actions.0.into_iter().filter(|action| !is_said_always(action));
            scene.asked.extend(news);
        },
        Scene { model, view, asked },
    )
}

/// A finished run of the digits network that scores 0.972.
pub fn row(number: i64, name: &str) -> RunRow {
    let metrics = Metrics {
        loss: 0.1,
        accuracy: Some(0.972),
        ..Metrics::default()
    };
    RunRow {
        run: Run {
            run: RunId(number),
            name: name.to_owned(),
            status: RunStatus::Finished,
            epochs: 30,
            best_epoch: Some(27),
            train: Some(metrics),
            validation: Some(metrics),
            test: Some(metrics),
            parameters: 36_100,
            multiply_adds: 822_000,
            elapsed_secs: 12.0,
            samples_per_second: 3000.0,
            predicted_memory_bytes: 5_000_000,
            peak_memory_bytes: 5_100_000,
            failure: None,
            folds: None,
            deployed: None,
        },
        dataset: "digits".to_owned(),
        yardstick: crate::spec::Yardstick::default(),
        architecture: "cnn".to_owned(),
        created_unix_secs: 1_790_000_000,
        origin: None,
        folds: None,
    }
}

/// What came of a recipe applied to `parent`, without figures.
pub fn child(number: i64, parent: &RunRow, recipe: &str) -> RunRow {
    let mut row = row(number, &format!("{}-{recipe}", parent.run.name));
    row.origin = Some((parent.run.run, recipe.parse().unwrap()));
    row
}

/// The row with figures: accuracy, kilobytes, and milliseconds at 64 rows.
pub fn measured(mut row: RunRow, accuracy: f64, kilobytes: f64, milliseconds: f64, verdict: Verdict) -> RunRow {
    let summary = |median: f64| LatencySummary {
        p10: median * 0.97,
        median,
        p90: median * 1.05,
        n: 60,
    };
    let (parent, recipe) = row.origin.clone().unzip();
    let zeroed = |recipe: &crate::spec::Recipe| recipe.to_string().starts_with("weights");
    let simulated = recipe.as_ref().is_some_and(zeroed);
    row.run.deployed = Some(Deployed {
        recipe,
        parent,
        accuracy,
        size_bytes: (kilobytes * 1000.0) as u64,
        zstd_bytes: (kilobytes * 1000.0 * if simulated { 0.31 } else { 0.92 }) as u64,
        latency_us: Latency {
            batch1: summary(milliseconds * 1000.0 / 52.0),
            batch64: summary(milliseconds * 1000.0),
        },
        memory_bytes: (kilobytes * 4200.0) as u64,
        speed: if simulated { Speed::Simulated } else { Speed::Measured },
        int8_layers: 0,
        sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
        against: parent,
        verdict,
        verdict_batch1: verdict,
        engine: "avx512-vnni".to_owned(),
    });
    row
}

/// A model with these runs.
pub fn with_runs(rows: Vec<RunRow>) -> Model {
    let mut model = Model::default();
    model.runs.set_rows(rows);
    model
}

/// Puts the plan of the digits network at hand for a run.
pub fn open(model: &mut Model, run: RunId) {
    open_as(model, run, |_| ());
}

/// The same with a change to the plan.
pub fn open_as(model: &mut Model, run: RunId, change: impl FnOnce(&mut RunPlan)) {
    let summary = DatasetSummary {
        name: "digits".to_owned(),
        kind: DataKind::Table,
        rows: 1797,
        input: Shape::Image {
            channels: 1,
            height: 8,
            width: 8,
        },
        task: Task::Classification {
            classes: (0..10).map(|class| class.to_string()).collect(),
        },
        class_rows: vec![180; 10],
        split: SplitRows {
            train: 1257,
            validation: 270,
            test: 270,
        },
        columns: Vec::new(),
        target: "digit".to_owned(),
        notes: Vec::new(),
        content: None,
    };
    let row = model.runs.row(run).unwrap().clone();
    let mut plan = RunConfig::digits_cnn().check(&summary).unwrap();
    change(&mut plan);
    let opened = OpenedRun {
        record: RunRecord {
            plan,
            run: row.run,
            origin: row.origin,
            folds: row.folds,
            created_unix_secs: row.created_unix_secs,
        },
        trained: None,
        view: RunView::new(),
        next_seq: 0,
        layers: Vec::new(),
    };
    model.runs.begin_open(run);
    model.runs.finish_open(run, Ok(Box::new(opened)));
}

/// Puts a job at the end of the queue.
pub fn enqueue(model: &mut Model, number: u64, what: &str, kind: JobKind) -> JobId {
    let id = JobId::of(number);
    model.queue.push(QueuedJob {
        id,
        what: what.to_owned(),
        kind,
        control: std::sync::Arc::default(),
        is_begun: false,
        runs: Vec::new(),
        probed: None,
        progress: None,
    });
    id
}

/// The first job is at work on this run.
pub fn begin(model: &mut Model, run: RunId) {
    let name = model.runs.row(run).map_or_else(String::new, |row| row.run.name.clone());
    let job = &mut model.queue[0];
    job.is_begun = true;
    job.runs.push(JobRun { run, name, ended: None });
}
