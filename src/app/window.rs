//! The frame's life: drain what the worker says, draw, apply what was asked for; and the opening of the window.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use egui::{Context, Ui};

use super::action::{Action, Actions, Dialog, Page, Panel};
use super::state::{Model, Seen, Views};
use super::update::Updater;
use super::{memory, pages, shell, theme};
use crate::jobs::{Desk, JobError};
use crate::spec::{RunConfig, RunId};

/// Longest that draining may take of a frame.
const DRAIN_BUDGET: Duration = Duration::from_millis(3);
/// Shortest time between two repaints that the worker causes.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(50);
/// A frame may take this share of the time between two such repaints.
const FRAME_SHARE: f32 = 0.04;

/// The window's application.
pub struct App {
    pub(super) model: Model,
    views: Views,
    updater: Updater,
    pub(super) actions: Actions,
    /// Microseconds that the worker leaves between two repaints.
    interval: Arc<AtomicU64>,
    /// Longest draining of the last frame.
    drained: Duration,
}

impl App {
    /// Over the store in `directory` (none: the default place). Fonts and styles are installed into `ctx`.
    pub fn new(
        ctx: &Context,
        storage: Option<&dyn eframe::Storage>,
        directory: Option<&Path>,
    ) -> Result<Self, JobError> {
        theme::install(ctx);
        let interval = Arc::new(AtomicU64::new(SHORTEST_INTERVAL.as_micros() as u64));
        let waker = {
            let (ctx, interval) = (ctx.clone(), Arc::clone(&interval));
            move || ctx.request_repaint_after(Duration::from_micros(interval.load(Ordering::Relaxed)))
        };
        let desk = Desk::open(directory, waker)?;
        let (mut model, views) = memory::recall(storage);
        model.home = crate::jobs::home(directory).unwrap_or_default();
        model.exports = crate::jobs::exports();
        ctx.set_theme(model.theme);
        let updater = Updater::start(desk, ctx, &mut model);
        Ok(Self {
            model,
            views,
            updater,
            actions: Actions::default(),
            interval,
            drained: Duration::ZERO,
        })
    }

    /// Runs in the list.
    pub fn listed(&self) -> usize {
        self.model.runs.rows().len()
    }

    /// Runs whose plan and curves are at hand.
    pub fn opened(&self) -> usize {
        let rows = self.model.runs.rows();
        rows.iter()
            .filter(|row| self.model.runs.open(row.run.run).is_some())
            .count()
    }

    /// Opens the eyes of the latest `count` runs.
    pub fn show_latest(&mut self, count: usize) {
        let latest: Vec<RunId> = self
            .model
            .runs
            .rows()
            .iter()
            .rev()
            .take(count)
            .map(|row| row.run.run)
            .collect();
        self.model.runs.shown.extend(latest);
    }

    /// Puts a configuration into the form.
    pub fn configure(&mut self, config: RunConfig) {
        self.actions.push(Action::Edit(Box::new(config)));
    }

    /// Whether the form's configuration fits its data.
    pub fn can_run(&self) -> bool {
        self.model.form.plan().is_some()
    }

    /// Opens a run on the present page.
    pub fn select(&mut self, run: RunId) {
        self.actions.push(Action::Select(run));
    }

    pub fn go(&mut self, page: Page) {
        self.actions.push(Action::Go(page));
    }

    /// Shows what helps to set up a run.
    pub fn show_panel(&mut self, panel: Panel) {
        self.actions.push(Action::ShowPanel(Some(panel)));
    }

    /// Measurements whose answer is there.
    pub fn found(&self) -> usize {
        self.model.found.len() + self.model.sensitivities.len()
    }

    /// Whether a job is at work or waits.
    pub fn is_busy(&self) -> bool {
        self.model.is_running()
    }

    /// Whether training samples before and after augmentation are there.
    pub fn has_augmented(&self) -> bool {
        self.model.augmented.samples.is_some()
    }

    /// Opens the export of a run.
    pub fn ask_export(&mut self, run: RunId) {
        self.actions.push(Action::Open(Dialog::Export(run)));
    }

    pub fn set_theme(&mut self, ctx: &Context, theme: egui::ThemePreference) {
        self.model.theme = theme;
        ctx.set_theme(theme);
    }

    /// Shows another place as that of the store.
    pub fn name_home(&mut self, home: &str) {
        self.model.home = home.into();
    }

    /// Whether an answer is awaited: pictures of the focus run, samples, trials.
    pub fn is_waiting(&self) -> bool {
        let runs = &self.model.runs;
        let focus = self.model.focus().and_then(|run| runs.seen(run));
        matches!(focus, Some(Seen::Loading)) || self.model.trial.is_waiting
    }

    /// Whether a run is at work.
    pub fn is_live(&self) -> bool {
        self.model.live_run().is_some()
    }

    /// How long draining took in the last frame.
    pub fn drained(&self) -> Duration {
        self.drained
    }

    /// Submits a job that does what a test says.
    #[cfg(test)]
    pub(super) fn plant(&mut self, job: crate::jobs::Job) {
        self.updater.plant(&mut self.model, job);
    }

    /// Takes in what worker and answers have to say, within the budget.
    fn drain(&mut self, ctx: &Context) {
        let began = Instant::now();
        self.model.notices.now = ctx.input(|input| input.time);
        while self.updater.drain_one(&mut self.model) {
            if began.elapsed() >= DRAIN_BUDGET {
                ctx.request_repaint();
                break;
            }
        }
        self.drained = began.elapsed();
    }
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &Context, frame: &mut eframe::Frame) {
        if let Some(secs) = frame.info().cpu_usage {
            let interval = Duration::from_secs_f32((secs / FRAME_SHARE).clamp(0.0, 1.0)).max(SHORTEST_INTERVAL);
            self.interval.store(interval.as_micros() as u64, Ordering::Relaxed);
        }
        self.drain(ctx);
    }

    fn ui(&mut self, ui: &mut Ui, _: &mut eframe::Frame) {
        let Self {
            model,
            views,
            updater,
            actions,
            ..
        } = self;
        shell::keys(ui, model, &mut views.shell, actions);
        shell::frame_ui(ui, model, actions);
        pages::page_ui(ui, model, views, actions);
        shell::over_ui(ui, model, views, actions);
        updater.apply_all(ui, model, actions);
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        memory::remember(storage, &self.model, &mut self.views);
    }

    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        visuals.panel_fill.to_normalized_gamma_f32()
    }
}

/// Why there is no window.
#[derive(Debug, thiserror::Error)]
pub enum WindowError {
    #[error("there is no display to open a window on; `trimtab demo` shows the program in the terminal")]
    NoDisplay,
    #[error("the window could not be opened: {0}; `trimtab demo` shows the program in the terminal")]
    Failed(String),
    #[error(transparent)]
    Store(#[from] JobError),
}

/// Opens the window over the store in `directory` (none: the default place) and returns when it is closed.
pub fn open(directory: Option<&Path>) -> Result<(), WindowError> {
    if cfg!(target_os = "linux") && !has_display() {
        return Err(WindowError::NoDisplay);
    }
    let icon = eframe::icon_data::from_png_bytes(include_bytes!("../../assets/icon.png")).ok();
    let mut viewport = egui::ViewportBuilder::default()
        .with_title("Trimtab")
        .with_app_id("trimtab")
        .with_inner_size([1440.0, 900.0])
        .with_min_inner_size([800.0, 560.0])
        .with_drag_and_drop(true);
    if let Some(icon) = icon {
        viewport = viewport.with_icon(icon);
    }
    let options = eframe::NativeOptions {
        viewport,
        persistence_path: crate::jobs::home(directory).map(|home| home.join("window.ron")),
        ..eframe::NativeOptions::default()
    };
    let mut refused = None;
    let outcome = eframe::run_native(
        "trimtab",
        options,
        Box::new(
            |creation| match App::new(&creation.egui_ctx, creation.storage, directory) {
                Ok(app) => Ok(Box::new(app)),
                Err(error) => {
                    let message = error.to_string();
                    refused = Some(error);
                    Err(message.into())
                }
            },
        ),
    );
    match (outcome, refused) {
        (_, Some(error)) => Err(error.into()),
        (Err(error), None) => Err(WindowError::Failed(error.to_string())),
        (Ok(()), None) => Ok(()),
    }
}

fn has_display() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}
