//! The window at a size and in a theme, brought into a state and drawn.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use egui::accesskit::{Role, Toggled};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use egui_kittest::wgpu::WgpuTestRenderer;
use egui_kittest::{Harness, SnapshotOptions};
use trimtab::app::{App, Page, Panel};
use trimtab::spec::{RunConfig, RunId};
use trimtab::store::RunLock;

use super::recorded;

const PATIENCE: Duration = Duration::from_mins(2);

/// Theme and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    is_dark: bool,
    is_wide: bool,
}

pub struct Stage {
    harness: Harness<'static, App>,
    /// Places that are left out of the picture.
    fresh: Vec<egui::Rect>,
    /// Held by this process as if it were at work on the run.
    _lock: Option<RunLock>,
    _folder: tempfile::TempDir,
}

impl Look {
    /// The README's look first.
    pub const ALL: [Self; 4] = [
        Self {
            is_dark: true,
            is_wide: true,
        },
        Self {
            is_dark: false,
            is_wide: true,
        },
        Self {
            is_dark: true,
            is_wide: false,
        },
        Self {
            is_dark: false,
            is_wide: false,
        },
    ];
}

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let theme = if self.is_dark { "dark" } else { "light" };
        let size = if self.is_wide { "1440x900" } else { "1024x700" };
        write!(f, "{theme}_{size}")
    }
}

/// Whether pictures can be drawn here at all.
pub fn has_adapter() -> bool {
    let hook = std::panic::take_hook();
    // The renderer's constructor panics where there is no adapter.
    std::panic::set_hook(Box::new(|_| ()));
    let found = std::panic::catch_unwind(WgpuTestRenderer::new).is_ok();
    std::panic::set_hook(hook);
    found
}

impl Stage {
    /// Over an empty store.
    pub fn empty(look: Look) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::over(look, folder, None)
    }

    /// Over a copy of the recorded store.
    pub fn recorded(look: Look) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lock = recorded::unpack(folder.path());
        Self::with_runs(look, folder, Some(lock), recorded::RUNS)
    }

    /// Over a copy of the second recorded store.
    pub fn networks(look: Look) -> Self {
        let folder = tempfile::tempdir().unwrap();
        recorded::unpack_networks(folder.path());
        Self::with_runs(look, folder, None, recorded::NETWORKS)
    }

    fn with_runs(look: Look, folder: tempfile::TempDir, lock: Option<RunLock>, runs: usize) -> Self {
        let mut stage = Self::over(look, folder, lock);
        stage.until("the recorded runs are listed", |app| app.listed() == runs);
        stage.harness.state_mut().show_latest(runs);
        stage.until("their curves are at hand", |app| app.opened() == runs);
        stage
    }

    /// A tab under the charts for a run.
    pub fn with_tab(mut self, run: RunId, tab: &str) -> Self {
        self.select(run);
        self.tab(tab);
        self
    }

    fn over(look: Look, folder: tempfile::TempDir, lock: Option<RunLock>) -> Self {
        let size = if look.is_wide { [1440.0, 900.0] } else { [1024.0, 700.0] };
        let theme = if look.is_dark {
            egui::ThemePreference::Dark
        } else {
            egui::ThemePreference::Light
        };
        let store = folder.path().to_owned();
        let harness = Harness::builder()
            .with_size(size)
            .with_max_steps(64)
            .with_options(SnapshotOptions::new())
            .renderer(WgpuTestRenderer::new())
            .build_eframe(move |creation| {
                let mut app = App::new(&creation.egui_ctx, None, Some(Path::new(&store))).unwrap();
                // The place of the store differs from run to run.
                app.name_home("/home/you/.local/share/trimtab");
                app
            });
        let ctx = harness.ctx.clone();
        let mut stage = Self {
            harness,
            fresh: Vec::new(),
            _lock: lock,
            _folder: folder,
        };
        stage.harness.state_mut().set_theme(&ctx, theme);
        stage.until("the data is read", App::can_run);
        stage
    }

    /// Frames until `reached`, and a few more for what follows from it.
    fn until(&mut self, what: &str, reached: impl Fn(&App) -> bool) {
        let began = Instant::now();
        while !reached(self.harness.state()) {
            self.harness.step();
            assert!(began.elapsed() < PATIENCE, "not reached: {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
        self.harness.run_steps(4);
    }

    pub fn select(&mut self, run: RunId) {
        self.harness.state_mut().select(run);
        self.harness.run_steps(2);
        self.until("its pictures are at hand", |app| !app.is_waiting());
    }

    pub fn go(&mut self, page: Page) {
        self.harness.state_mut().go(page);
        self.harness.run_steps(2);
        self.until("the page is at rest", |app| !app.is_waiting());
    }

    /// Leaves out the times that were taken for this picture: they are other ones each time. Each stands at the right end of
    /// its line, after its ratio to the baseline's.
    pub fn leave_times_out(&mut self) {
        const LINE: f32 = 140.0;
        let times = self.harness.query_all_by_label_contains("µs");
        self.fresh = times
            .map(|time| time.rect())
            .map(|rect| {
                egui::Rect::from_min_max(
                    egui::pos2(rect.right() - LINE, rect.top() - 4.0),
                    rect.max + egui::vec2(2.0, 4.0),
                )
            })
            .collect();
    }

    /// Opens a tab under the charts, from the menu where the row has no room for it. Pressing an open one would fold it.
    pub fn tab(&mut self, name: &str) {
        if !self.is_open(name) {
            if self.harness.query_by_role_and_label(Role::Tab, name).is_none() {
                self.press("More tabs");
            }
            self.press(name);
            assert!(self.is_open(name), "{name} does not open");
        }
        self.until("its pictures are at hand", |app| !app.is_waiting());
        self.harness.remove_cursor();
        self.harness.run_steps(4);
    }

    fn is_open(&self, tab: &str) -> bool {
        let tab = self.harness.query_by_role_and_label(Role::Tab, tab);
        tab.is_some_and(|tab| tab.accesskit_node().toggled() == Some(Toggled::True))
    }

    pub fn export(&mut self, run: RunId) {
        self.harness.state_mut().ask_export(run);
        self.harness.run_steps(4);
    }

    /// Shows what helps to set up a run, with this configuration in the form.
    pub fn panel(&mut self, panel: Panel, change: impl FnOnce(&mut RunConfig)) {
        let mut config = RunConfig::digits_cnn();
        change(&mut config);
        self.harness.state_mut().configure(config);
        self.harness.run_steps(2);
        self.harness.state_mut().show_panel(panel);
        self.harness.run_steps(4);
    }

    pub fn press(&mut self, name: &str) {
        self.harness.get_by_label(name).click();
        self.harness.run_steps(8);
    }

    pub fn until_found(&mut self) {
        self.until("the measurement is done", |app| app.found() > 0 && !app.is_busy());
        // Its notice goes.
        self.harness.run_steps(8);
    }

    pub fn until_augmented(&mut self) {
        self.until("the samples are changed", App::has_augmented);
    }

    pub fn palette(&mut self) {
        self.harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::K);
        self.harness.run_steps(6);
    }

    pub fn render(&mut self) -> Result<image::RgbaImage, String> {
        // Notices of the opening go, spinners and carets are at rest.
        self.harness.run_steps(8);
        for place in std::mem::take(&mut self.fresh) {
            self.harness.mask(place);
        }
        self.harness.render()
    }
}
