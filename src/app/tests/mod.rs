//! The real window over a real store, driven by accessible names, without a graphics adapter.

mod flows;
mod keys;
pub mod models;
mod runs;

use std::path::Path;
use std::time::{Duration, Instant};

use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use super::App;
use super::action::Action;
use super::state::{Model, RowExt as _};
use crate::spec::{RunConfig, RunId, RunStatus};

/// Longest that anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// The window at 1440 x 900 over a store in a folder of its own.
pub struct Stage {
    pub harness: Harness<'static, App>,
    pub folder: tempfile::TempDir,
}

impl Stage {
    pub fn new() -> Self {
        Self::sized(1440.0, 900.0)
    }

    pub fn sized(width: f32, height: f32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let harness = open(&folder.path().join("store"), width, height);
        let mut stage = Self { harness, folder };
        stage.until("the data and the list of runs are read", |model| {
            model.form.preview().is_some() && model.runs.is_loaded()
        });
        stage
    }

    pub fn model(&self) -> &Model {
        &self.harness.state().model
    }

    /// Frames until `reached`; fails with `what` when that takes too long.
    pub fn until(&mut self, what: &str, reached: impl Fn(&Model) -> bool) {
        let began = Instant::now();
        loop {
            self.harness.step();
            if reached(self.model()) {
                // What follows from it is drawn too.
                self.harness.run_steps(3);
                return;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "not reached: {what}; notices: {:?}",
                self.model().notices.all
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Presses the button of this name.
    pub fn press(&mut self, name: &str) {
        self.harness.get_by_role_and_label(Role::Button, name).click();
        // The pointer comes, presses, and lets go, each in a frame of its own.
        self.harness.run_steps(8);
    }

    /// Whether any widget says this.
    pub fn says(&self, text: &str) -> bool {
        self.harness.query_all_by_label_contains(text).next().is_some()
    }

    /// Does what a page would ask for.
    pub fn act(&mut self, action: Action) {
        self.harness.state_mut().actions.push(action);
        self.harness.run_steps(3);
    }

    /// Puts a configuration into the form.
    pub fn configure(&mut self, change: impl FnOnce(&mut RunConfig)) {
        let mut config = self.model().form.config.clone();
        change(&mut config);
        self.act(Action::Edit(Box::new(config)));
        self.until("the form is checked", |model| model.form.plan().is_some());
    }

    /// Trains the form's configuration to its end.
    pub fn train(&mut self) -> RunId {
        let before = self.model().runs.rows().len();
        self.act(Action::Train);
        self.until("the run has ended", |model| {
            model.queue.is_empty() && model.runs.rows().len() == before + 1
        });
        let row = self.model().runs.rows().last().unwrap();
        assert!(row.is_usable(), "{row:?}");
        row.run.run
    }

    pub fn status(&self, run: RunId) -> Option<RunStatus> {
        self.model().runs.row(run).map(|row| row.run.status)
    }
}

/// The window over the store in this directory.
pub fn open(store: &Path, width: f32, height: f32) -> Harness<'static, App> {
    Harness::builder()
        .with_size([width, height])
        .with_max_steps(64)
        .build_eframe(|creation| App::new(&creation.egui_ctx, None, Some(store)).unwrap())
}
