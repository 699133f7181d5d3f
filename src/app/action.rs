//! Everything that a person can cause. Pages push actions; `update` applies them, in one place, after drawing.

use std::path::PathBuf;

use egui::{Key, KeyboardShortcut, Modifiers, Rect};
use egui_material_icons::{MaterialIcon, icons};

use super::state::{Model, QueuedJob, RowExt as _};
use crate::jobs::{JobId, Part, Probe, TryInput};
use crate::spec::{DataConfig, LayerChange, Recipe, RunConfig, RunId, Wanted};

/// Where one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Page {
    #[default]
    Train,
    Compress,
    Compare,
    TryIt,
}

impl Page {
    pub const ALL: [Self; 4] = [Self::Train, Self::Compress, Self::Compare, Self::TryIt];

    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "Train",
            Self::Compress => "Compress",
            Self::Compare => "Compare",
            Self::TryIt => "Try it",
        }
    }

    pub fn icon(self) -> MaterialIcon {
        match self {
            Self::Train => icons::ICON_MODEL_TRAINING,
            Self::Compress => icons::ICON_COMPRESS,
            Self::Compare => icons::ICON_SCATTER_PLOT,
            Self::TryIt => icons::ICON_DRAW,
        }
    }
}

/// What helps to set up a run, in the place of the charts, one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Panel {
    /// Ranked architectures with reasons.
    Choose,
    /// The layers themselves.
    Layers,
    Augmentation,
    /// The learning-rate finder.
    Rate,
    /// The largest batch that fits, and throughput against batch.
    Batch,
    /// Speed-up of data-parallel workers.
    Workers,
    /// Score against the number of rows.
    LearningCurve,
}

impl Panel {
    pub const ALL: [Self; 7] = [
        Self::Choose,
        Self::Layers,
        Self::Augmentation,
        Self::Rate,
        Self::Batch,
        Self::Workers,
        Self::LearningCurve,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Choose => "Choose",
            Self::Layers => "Layers",
            Self::Augmentation => "Augmentation",
            Self::Rate => "Learning rate",
            Self::Batch => "Batch",
            Self::Workers => "Workers",
            Self::LearningCurve => "Learning curve",
        }
    }
}

/// What lies over the page, one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialog {
    Palette,
    Shortcuts,
    Notices,
    Settings,
    Queue,
    Export(RunId),
    PasteConfig,
}

#[derive(Debug, Clone)]
pub enum Action {
    Go(Page),
    Open(Dialog),
    /// Closes what is on top.
    Close,
    /// Closes the window; a run at work stops where it stands and can be resumed.
    Quit,
    /// Shows what helps to set up a run on the Train page, or the charts again.
    ShowPanel(Option<Panel>),
    /// Makes a compressed run the one that the Compress page starts from.
    CompressFurther(RunId),
    ToggleDrawer,
    ShowHints(bool),
    /// Takes the notice at this place of the history off the screen.
    Dismiss(usize),
    SetTheme(egui::ThemePreference),

    /// The form's configuration becomes this one; what happens while the pointer is held down is one step of undo.
    Edit(Box<RunConfig>),
    Undo,
    Redo,
    /// The form as at the first start.
    ResetForm,
    /// Takes a configuration text into the form.
    PasteConfig(Box<RunConfig>),
    /// A native dialog for a data file.
    ChooseDataFile,
    /// A native dialog for a folder of data.
    ChooseDataFolder,
    /// A data file or folder that was chosen or dropped.
    UseDataFile(PathBuf),

    /// Trains the form's configuration.
    Train,
    /// Trains the form's configuration with the next seed.
    TrainOtherSeed,
    /// Trains all of these, one after another.
    TrainAll(Vec<RunConfig>),
    /// Finds something out about the form's configuration.
    Probe(Probe),
    /// Gets a data set from the network.
    Get(String),
    /// Takes a run's configuration into the form, to change it.
    CloneToForm(RunId),
    CopyConfig(RunId),
    Resume(RunId),
    Pause,
    Continue,
    Stop,
    CancelJob(JobId),
    /// Moves a waiting job to this place among the waiting ones.
    MoveJob(JobId, usize),
    Compress {
        run: RunId,
        recipes: Vec<Recipe>,
    },
    /// A native dialog for a file of recipes, which come onto the Compress page's list.
    OpenLadder,
    /// Measures finished runs side by side.
    Measure(Vec<RunId>),
    /// Changes one layer of a run at a time, and finds the mix that loses at most `tolerated` points.
    MeasureLayers {
        run: RunId,
        change: LayerChange,
        tolerated: Option<f64>,
    },

    Select(RunId),
    /// The run under the pointer, highlighted everywhere in the next frame.
    Hover(RunId),
    Show(RunId, bool),
    /// Shows this run alone, or all as before.
    Solo(Option<RunId>),
    Pin(Option<RunId>),
    Recolour(RunId, usize),
    Rename(RunId, String),
    Delete(Vec<RunId>),
    Restore(Vec<RunId>),

    /// Wants a run's pictures: confusion, surface, histograms.
    Inspect(RunId, Wanted),
    /// What the pictures of the run in training are to show beyond what all show, said in every frame.
    Look(Wanted),
    /// Wants samples to look at; `title` says which.
    Samples {
        title: String,
        data: DataConfig,
        part: Part,
        rows: Vec<usize>,
    },
    CloseSamples,
    Try {
        runs: Vec<RunId>,
        input: TryInput,
    },

    /// A native dialog for the folder of the export.
    ChooseExportFolder,
    Export {
        run: RunId,
        to: PathBuf,
    },
    /// The part of the window in this rectangle, in points, as a picture; a native dialog asks where to.
    SavePicture {
        rect: Rect,
        name: String,
    },
    /// A text file; a native dialog asks where to.
    SaveText {
        name: String,
        text: String,
    },
    CopyText(String),
    /// Says why nothing was done.
    Refuse(String),
}

/// Actions without an argument of their own: what the palette lists and what has a shortcut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Train,
    TrainOtherSeed,
    Pause,
    Continue,
    Stop,
    GoTrain,
    GoCompress,
    GoCompare,
    GoTryIt,
    ToggleDrawer,
    Undo,
    Redo,
    ResetForm,
    ChooseDataFile,
    ChooseDataFolder,
    Choose,
    EditLayers,
    Augment,
    FindRate,
    FindBatch,
    MeasureWorkers,
    LearningCurve,
    CopyConfig,
    PasteConfig,
    CloneRun,
    ResumeRun,
    ExportRun,
    PinRun,
    DeleteSelected,
    Queue,
    Notices,
    Hints,
    Light,
    Dark,
    SystemTheme,
    Settings,
    Palette,
    Shortcuts,
    Quit,
}

impl Command {
    pub const ALL: [Self; 39] = [
        Self::Train,
        Self::TrainOtherSeed,
        Self::Pause,
        Self::Continue,
        Self::Stop,
        Self::GoTrain,
        Self::GoCompress,
        Self::GoCompare,
        Self::GoTryIt,
        Self::ToggleDrawer,
        Self::Undo,
        Self::Redo,
        Self::ResetForm,
        Self::ChooseDataFile,
        Self::ChooseDataFolder,
        Self::Choose,
        Self::EditLayers,
        Self::Augment,
        Self::FindRate,
        Self::FindBatch,
        Self::MeasureWorkers,
        Self::LearningCurve,
        Self::CopyConfig,
        Self::PasteConfig,
        Self::CloneRun,
        Self::ResumeRun,
        Self::ExportRun,
        Self::PinRun,
        Self::DeleteSelected,
        Self::Queue,
        Self::Notices,
        Self::Hints,
        Self::Light,
        Self::Dark,
        Self::SystemTheme,
        Self::Settings,
        Self::Palette,
        Self::Shortcuts,
        Self::Quit,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "Run the configuration",
            Self::TrainOtherSeed => "Run with another seed",
            Self::Pause => "Pause the run",
            Self::Continue => "Go on with the run",
            Self::Stop => "Stop the run",
            Self::GoTrain => "Go to Train",
            Self::GoCompress => "Go to Compress",
            Self::GoCompare => "Go to Compare",
            Self::GoTryIt => "Go to Try it",
            Self::ToggleDrawer => "Show or fold the runs",
            Self::Undo => "Undo",
            Self::Redo => "Redo",
            Self::ResetForm => "Reset the form",
            Self::ChooseDataFile => "Open a data file…",
            Self::ChooseDataFolder => "Open a data folder…",
            Self::Choose => "Which architecture? Ranked with reasons",
            Self::EditLayers => "Edit the layers",
            Self::Augment => "Edit the augmentation of training samples",
            Self::FindRate => "Find a learning rate",
            Self::FindBatch => "Find the largest batch, and the fastest",
            Self::MeasureWorkers => "Measure the speed-up of workers",
            Self::LearningCurve => "Would more data help? Learning curve",
            Self::CopyConfig => "Copy the configuration",
            Self::PasteConfig => "Paste a configuration…",
            Self::CloneRun => "Take the configuration of the run in view into the form",
            Self::ResumeRun => "Resume the run in view",
            Self::ExportRun => "Export the run in view…",
            Self::PinRun => "Pin the run in view as baseline",
            Self::DeleteSelected => "Delete the selected run",
            Self::Queue => "Show the queue",
            Self::Notices => "Show past notices",
            Self::Hints => "Show the first steps",
            Self::Light => "Light theme",
            Self::Dark => "Dark theme",
            Self::SystemTheme => "Theme of the system",
            Self::Settings => "Settings",
            Self::Palette => "All actions",
            Self::Shortcuts => "Keyboard shortcuts",
            Self::Quit => "Quit",
        }
    }

    /// Keys; Space and ? count only while no field has the focus.
    pub fn shortcut(self) -> Option<KeyboardShortcut> {
        let command = |key| KeyboardShortcut::new(Modifiers::COMMAND, key);
        Some(match self {
            Self::Train => command(Key::Enter),
            Self::TrainOtherSeed => KeyboardShortcut::new(Modifiers::COMMAND | Modifiers::SHIFT, Key::Enter),
            Self::Pause | Self::Continue => KeyboardShortcut::new(Modifiers::NONE, Key::Space),
            Self::GoTrain => command(Key::Num1),
            Self::GoCompress => command(Key::Num2),
            Self::GoCompare => command(Key::Num3),
            Self::GoTryIt => command(Key::Num4),
            Self::ToggleDrawer => command(Key::J),
            Self::Undo => command(Key::Z),
            Self::Redo => KeyboardShortcut::new(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z),
            Self::ChooseDataFile => command(Key::O),
            Self::ExportRun => command(Key::E),
            Self::Palette => command(Key::K),
            Self::Shortcuts => KeyboardShortcut::new(Modifiers::NONE, Key::F1),
            Self::Quit => command(Key::Q),
            _ => return None,
        })
    }

    /// What it does now; none where it makes no sense at the moment.
    pub fn action(self, model: &Model) -> Option<Action> {
        let in_view = model.focus().and_then(|run| model.runs.row(run));
        let with = |action: fn(RunId) -> Action| in_view.map(|row| action(row.run.run));
        Some(match self {
            Self::Train => Action::Train,
            Self::TrainOtherSeed => Action::TrainOtherSeed,
            Self::Pause => {
                let can_pause = model.queue.first().is_some_and(QueuedJob::can_pause);
                return can_pause.then_some(Action::Pause);
            }
            Self::Continue => return model.is_paused().then_some(Action::Continue),
            Self::Stop => return model.is_running().then_some(Action::Stop),
            Self::GoTrain => Action::Go(Page::Train),
            Self::GoCompress => Action::Go(Page::Compress),
            Self::GoCompare => Action::Go(Page::Compare),
            Self::GoTryIt => Action::Go(Page::TryIt),
            Self::ToggleDrawer => Action::ToggleDrawer,
            Self::Undo => return model.form.can_undo().then_some(Action::Undo),
            Self::Redo => return model.form.can_redo().then_some(Action::Redo),
            Self::ResetForm => Action::ResetForm,
            Self::ChooseDataFile => Action::ChooseDataFile,
            Self::ChooseDataFolder => Action::ChooseDataFolder,
            Self::Choose => Action::ShowPanel(Some(Panel::Choose)),
            Self::EditLayers => Action::ShowPanel(Some(Panel::Layers)),
            Self::Augment => Action::ShowPanel(Some(Panel::Augmentation)),
            Self::FindRate => Action::ShowPanel(Some(Panel::Rate)),
            Self::FindBatch => Action::ShowPanel(Some(Panel::Batch)),
            Self::MeasureWorkers => Action::ShowPanel(Some(Panel::Workers)),
            Self::LearningCurve => Action::ShowPanel(Some(Panel::LearningCurve)),
            Self::CopyConfig => Action::CopyText(model.form.toml()),
            Self::PasteConfig => Action::Open(Dialog::PasteConfig),
            Self::CloneRun => return with(Action::CloneToForm),
            Self::ResumeRun => {
                return in_view
                    .filter(|row| row.can_resume())
                    .map(|row| Action::Resume(row.run.run));
            }
            Self::ExportRun => {
                return in_view
                    .filter(|row| row.is_usable())
                    .map(|row| Action::Open(Dialog::Export(row.run.run)));
            }
            Self::PinRun => return with(|run| Action::Pin(Some(run))),
            // What is gone was pointed at.
            Self::DeleteSelected => {
                let selected = model.runs.selected();
                return selected.map(|row| Action::Delete(vec![row.run.run]));
            }
            Self::Queue => Action::Open(Dialog::Queue),
            Self::Notices => Action::Open(Dialog::Notices),
            Self::Hints => Action::ShowHints(true),
            Self::Light => Action::SetTheme(egui::ThemePreference::Light),
            Self::Dark => Action::SetTheme(egui::ThemePreference::Dark),
            Self::SystemTheme => Action::SetTheme(egui::ThemePreference::System),
            Self::Settings => Action::Open(Dialog::Settings),
            Self::Palette => Action::Open(Dialog::Palette),
            Self::Shortcuts => Action::Open(Dialog::Shortcuts),
            Self::Quit => Action::Quit,
        })
    }

    /// Why it does nothing now, where a person who presses its keys could not see that.
    pub fn refusal(self, model: &Model) -> Option<String> {
        if self != Self::ExportRun || self.action(model).is_some() {
            return None;
        }
        let Some(row) = model.focus().and_then(|run| model.runs.row(run)) else {
            return Some("There is no run to export yet: press Run".to_owned());
        };
        let name = format!("{} ({})", row.run.name, row.run.run);
        Some(if row.folds.is_some() {
            format!("{name} is a cross-validation: it has no network to export")
        } else {
            format!("{name} has not finished: nothing can be exported yet")
        })
    }
}

/// The list that pages push to.
#[derive(Debug, Default)]
pub struct Actions(pub Vec<Action>);

impl Actions {
    pub fn push(&mut self, action: Action) {
        self.0.push(action);
    }
}
