//! The export: where to, what was written, with sizes and sums.

use std::path::{Path, PathBuf};

use egui::{Align, Button, Grid, Label, Layout, ProgressBar, RichText, ScrollArea, TextEdit, Ui, vec2};
use egui_material_icons::icons;

use crate::app::action::{Action, Actions};
use crate::app::state::{JobKind, Model, QueuedJob};
use crate::app::theme::{self, Tokens};
use crate::jobs::{RunRow, WrittenFile};
use crate::spec::{RunId, units};

/// Characters of a sum that are shown.
const SUM_SHOWN: usize = 12;

#[derive(Debug, Default)]
pub struct ExportView {
    /// The run that `folder` is for.
    run: Option<RunId>,
    folder: String,
    /// The choice of the native dialog that `folder` has taken in.
    taken: Option<PathBuf>,
}

/// The contents of the export dialog of `run`.
pub fn export_ui(ui: &mut Ui, model: &Model, view: &mut ExportView, run: RunId, actions: &mut Actions) {
    let Some(row) = model.runs.row(run) else {
        ui.label(theme::label(ui, "This run is no longer in the list"));
        return;
    };
    view.follow(model, row);
    what_ui(ui, row);
    ui.add_space(theme::SPACE[1]);
    let under_way = model.queue.iter().find(|job| is_export_of(job, run));
    folder_ui(ui, view, under_way.is_none(), actions);
    ui.add_space(theme::SPACE[1]);
    ui.horizontal(|ui| {
        let folder = view.folder.trim();
        let is_ready = under_way.is_none() && !folder.is_empty();
        let text = theme::strong("Export").color(Tokens::of(ui).on_accent);
        let button = theme::primary_button(ui, text).min_size(vec2(92.0, theme::CONTROL_HEIGHT));
        if ui.add_enabled(is_ready, button).clicked() {
            actions.push(Action::Export {
                run,
                to: PathBuf::from(folder),
            });
        }
        let hover = "Puts the TOML that trains this network on the clipboard";
        if ui.button("Copy config").on_hover_text(hover).clicked() {
            actions.push(Action::CopyConfig(run));
        }
    });
    ui.add_space(theme::SPACE[1]);
    match (under_way, &model.export.files) {
        (Some(job), _) => progress_ui(ui, model, job),
        (None, Some(Err(reason))) => {
            ui.horizontal_top(|ui| {
                let bad = Tokens::of(ui).bad;
                ui.label(theme::icon(icons::ICON_ERROR).color(bad));
                ui.add(Label::new(RichText::new(reason).color(bad)).wrap().selectable(true));
            });
        }
        (None, Some(Ok(files))) => {
            let folder = model.export.to.as_deref().unwrap_or(Path::new(""));
            written_ui(ui, folder, files, actions);
        }
        (None, None) => {
            let words = "The folder gets the network as ONNX, its weights, the configuration, how rows are prepared, the \
                         labels and a card with the measured figures. It is read back and scored before it is called done.";
            ui.add(Label::new(theme::label(ui, words)).wrap());
        }
    }
}

impl ExportView {
    /// Takes in another run, and the folder that was chosen.
    fn follow(&mut self, model: &Model, row: &RunRow) {
        if self.run != Some(row.run.run) {
            self.run = Some(row.run.run);
            self.folder = model.exports.join(folder_name(model, row)).display().to_string();
            self.taken.clone_from(&model.export.chosen);
        }
        if self.taken != model.export.chosen {
            self.taken.clone_from(&model.export.chosen);
            if let Some(chosen) = &self.taken {
                self.folder = chosen.join(folder_name(model, row)).display().to_string();
            }
        }
    }
}

/// The run's name as a folder can have it, with its number where another run has the same name.
fn folder_name(model: &Model, row: &RunRow) -> String {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '=');
    let name: String = row.run.name.chars().map(|c| if fits(c) { c } else { '-' }).collect();
    let is_shared = model
        .runs
        .rows()
        .iter()
        .filter(|other| other.run.name == row.run.name)
        .nth(1)
        .is_some();
    if is_shared || name.chars().all(|c| c == '.' || c == '-') {
        format!("{name}-{}", row.run.run)
    } else {
        name
    }
}

fn is_export_of(job: &QueuedJob, run: RunId) -> bool {
    matches!(&job.kind, JobKind::Export { run: exported, .. } if *exported == run)
}

/// Name, recipe, size.
fn what_ui(ui: &mut Ui, row: &RunRow) {
    ui.label(theme::strong(format!("{} · {}", row.run.name, row.run.run)));
    let recipe = row
        .origin
        .as_ref()
        .map_or_else(|| "as trained".to_owned(), |(_, recipe)| recipe.to_string());
    let size = row.run.deployed.as_ref().map_or_else(
        || "it is measured before it is written".to_owned(),
        |deployed| units::bytes(deployed.size_bytes),
    );
    ui.label(theme::number(format!("{recipe} · {size}")).color(Tokens::of(ui).text_soft));
}

fn folder_ui(ui: &mut Ui, view: &mut ExportView, is_enabled: bool, actions: &mut Actions) {
    ui.horizontal(|ui| {
        let label = ui.label(theme::label(ui, "Folder"));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let hover = "Chooses the folder in which the export's own folder is made";
            let choose = ui.add_enabled(is_enabled, Button::new("Choose…"));
            if choose.on_hover_text(hover).clicked() {
                view.taken = None;
                actions.push(Action::ChooseExportFolder);
            }
            let field = TextEdit::singleline(&mut view.folder)
                .font(egui::TextStyle::Monospace)
                .desired_width(f32::INFINITY);
            ui.add_enabled(is_enabled, field)
                .labelled_by(label.id)
                .on_hover_text("A new folder, or an empty one");
        });
    });
}

fn progress_ui(ui: &mut Ui, model: &Model, job: &QueuedJob) {
    let (words, share) = model.progress_of(job);
    let words = match words {
        Some(words) => words,
        None if job.is_begun || model.queue.first().is_some_and(|first| first.id == job.id) => {
            "Writing the folder and scoring it".to_owned()
        }
        None => "Waiting for the jobs before it".to_owned(),
    };
    ui.label(words);
    let bar = ProgressBar::new(share.unwrap_or_default())
        .desired_height(8.0)
        .fill(Tokens::of(ui).accent);
    let response = ui.add(bar);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ProgressIndicator, true, "Progress of the export"));
}

/// The files with their sums, and how to use them.
fn written_ui(ui: &mut Ui, folder: &Path, files: &[WrittenFile], actions: &mut Actions) {
    let folder = folder.display().to_string();
    ui.horizontal(|ui| {
        ui.label(theme::icon(icons::ICON_CHECK).color(Tokens::of(ui).good));
        ui.label("Written, read back and scored");
    });
    copied_ui(ui, &folder, "Copy the folder's path", actions);
    ui.add_space(theme::SPACE[1]);
    ScrollArea::vertical().max_height(220.0).show(ui, |ui| {
        Grid::new("written files")
            .num_columns(4)
            .spacing([16.0, 2.0])
            .striped(false)
            .show(ui, |ui| {
                for title in ["File", "Size", "SHA-256", ""] {
                    ui.label(theme::label(ui, title));
                }
                ui.end_row();
                for file in files {
                    ui.label(theme::number(&file.name));
                    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                        ui.label(theme::number(units::bytes(file.bytes)))
                            .on_hover_text(format!("{} bytes", file.bytes));
                    });
                    let short = file.sha256.get(..SUM_SHOWN).unwrap_or(&file.sha256);
                    ui.label(theme::number(format!("{short}…"))).on_hover_text(&file.sha256);
                    if copy_ui(ui, &format!("Copy the sum of {}", file.name)) {
                        actions.push(Action::CopyText(file.sha256.clone()));
                    }
                    ui.end_row();
                }
            });
    });
    ui.add_space(theme::SPACE[1]);
    ui.label(theme::label(ui, "To use it"));
    let quoted = if folder.contains(' ') {
        format!("\"{folder}\"")
    } else {
        folder
    };
    let line = format!("trimtab predict {quoted} rows.csv");
    copied_ui(ui, &line, "Copy the command", actions);
}

/// A line of text that can be copied.
fn copied_ui(ui: &mut Ui, text: &str, name: &str, actions: &mut Actions) {
    ui.horizontal(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if copy_ui(ui, name) {
                actions.push(Action::CopyText(text.to_owned()));
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add(Label::new(theme::number(text)).truncate().selectable(true))
                    .on_hover_text(text);
            });
        });
    });
}

/// Whether the button to copy something was pressed.
fn copy_ui(ui: &mut Ui, name: &str) -> bool {
    let response = ui.add(Button::new(theme::icon(icons::ICON_CONTENT_COPY).size(14.0)).frame(false));
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, name));
    response.on_hover_text(name).clicked()
}
