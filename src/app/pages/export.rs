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
const ROW_HEIGHT: f32 = 20.0;

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
        let is_written =
            matches!(model.export.files, Some(Ok(_))) && model.export.to.as_deref() == Some(Path::new(folder));
        let is_ready = under_way.is_none() && !folder.is_empty() && !is_written;
        let text = theme::strong("Export").color(Tokens::of(ui).on_accent);
        let button = theme::primary_button(ui, text).min_size(vec2(92.0, theme::CONTROL_HEIGHT));
        if ui.add_enabled(is_ready, button).clicked() {
            actions.push(Action::Export {
                run,
                to: PathBuf::from(folder),
            });
        }
        let hover = match row.origin {
            None => "Puts the TOML that trains this network on the clipboard",
            Some(_) => "Puts the TOML that trains the network of which this one came on the clipboard",
        };
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
                .align(egui::Align2::LEFT_CENTER)
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
    if let Some(share) = share {
        let bar = ProgressBar::new(share).desired_height(8.0).fill(Tokens::of(ui).accent);
        let response = ui.add(bar);
        response
            .widget_info(|| egui::WidgetInfo::labeled(egui::Role::ProgressIndicator, true, "Progress of the export"));
    }
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
        ui.spacing_mut().interact_size.y = ROW_HEIGHT;
        let grid = Grid::new("written files").num_columns(4).spacing([16.0, 2.0]);
        grid.min_row_height(ROW_HEIGHT).show(ui, |ui| {
            ui.label(theme::label(ui, "File"));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.label(theme::label(ui, "Size"))
            });
            ui.label(theme::label(ui, "SHA-256"));
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

#[cfg(test)]
mod tests {
    use egui::accesskit::Role;
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::app::tests::models::{Scene, child, enqueue, measured, row, scene, with_runs};
    use crate::spec::Verdict;

    type Stage = Harness<'static, Scene<ExportView>>;

    const RUN: RunId = RunId(4);

    fn draw(ui: &mut Ui, model: &Model, view: &mut ExportView, actions: &mut Actions) {
        export_ui(ui, model, view, RUN, actions);
    }

    fn stage() -> Stage {
        let parent = row(3, "digits-cnn");
        let exported = child(4, &parent, "units:0.5:finetune=3");
        let mut model = with_runs(vec![measured(exported, 0.966, 41.2, 0.71, Verdict::Faster), parent]);
        model.exports = PathBuf::from("/home/ada/Documents/trimtab-exports");
        let builder = Harness::builder().with_size([700.0, 520.0]).with_max_steps(64);
        let mut stage = scene(builder, model, ExportView::default(), draw);
        stage.run();
        stage
    }

    fn press(stage: &mut Stage, name: &str) {
        stage.get_by_role_and_label(Role::Button, name).click();
        stage.run();
    }

    fn says(stage: &Stage, text: &str) -> bool {
        stage.query_all_by_label_contains(text).next().is_some()
    }

    #[test]
    fn a_folder_of_the_runs_name_is_offered_and_another_can_be_typed() {
        let mut stage = stage();
        let offered = "/home/ada/Documents/trimtab-exports/digits-cnn-units-0.5-finetune=3";
        assert_eq!(stage.state().view.folder, offered);
        assert!(says(&stage, "units:0.5:finetune=3 · 41.2 kB"));
        press(&mut stage, "Export");
        let field = stage.get_by_role_and_label(Role::TextInput, "Folder");
        field.set_text_value_accesskit("/tmp/elsewhere");
        stage.run();
        press(&mut stage, "Export");
        let asked: Vec<PathBuf> = stage
            .state()
            .asked
            .iter()
            .filter_map(|action| match action {
                Action::Export { run: RUN, to } => Some(to.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(asked, [PathBuf::from(offered), PathBuf::from("/tmp/elsewhere")]);
        press(&mut stage, "Copy config");
        assert!(matches!(stage.state().asked.last(), Some(Action::CopyConfig(RUN))));
    }

    #[test]
    fn a_chosen_folder_gets_the_runs_own_below_it_each_time_it_is_chosen() {
        let mut stage = stage();
        for _ in 0..2 {
            press(&mut stage, "Choose…");
            assert!(matches!(stage.state().asked.last(), Some(Action::ChooseExportFolder)));
            stage.state_mut().model.export.chosen = None;
            stage.run();
            stage.state_mut().model.export.chosen = Some(PathBuf::from("/data"));
            stage.run();
            assert_eq!(stage.state().view.folder, "/data/digits-cnn-units-0.5-finetune=3");
            stage.state_mut().view.folder = "typed".to_owned();
            stage.run();
            assert_eq!(stage.state().view.folder, "typed");
        }
    }

    #[test]
    fn progress_then_failure_or_files_with_their_sums() {
        let mut stage = stage();
        let to = PathBuf::from("/tmp/my models/a");
        let kind = JobKind::Export {
            run: RUN,
            to: to.clone(),
        };
        enqueue(&mut stage.state_mut().model, 1, "export digits", kind);
        stage.run();
        assert!(says(&stage, "Writing the folder"));
        let model = &mut stage.state_mut().model;
        model.queue.clear();
        model.export.to = Some(to);
        model.export.files = Some(Err("/tmp/my models/a: exists already; name a new folder".to_owned()));
        stage.run();
        assert!(says(&stage, "exists already; name a new folder"));
        let file = WrittenFile {
            name: "model.onnx".to_owned(),
            bytes: 41_200,
            sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
        };
        stage.state_mut().model.export.files = Some(Ok(vec![file.clone()]));
        stage.run();
        assert!(says(&stage, "9f86d081884c…") && says(&stage, "41.2 kB"));
        press(&mut stage, "Copy the sum of model.onnx");
        assert!(matches!(stage.state().asked.last(), Some(Action::CopyText(text)) if *text == file.sha256));
        press(&mut stage, "Copy the command");
        let line = "trimtab predict \"/tmp/my models/a\" rows.csv";
        assert!(matches!(stage.state().asked.last(), Some(Action::CopyText(text)) if text == line));
    }

    #[test]
    fn runs_of_one_name_get_folders_of_their_own() {
        let model = with_runs(vec![row(1, "a"), row(2, "a"), row(3, "b/c"), row(4, "..")]);
        let names: Vec<String> = model.runs.rows().iter().map(|row| folder_name(&model, row)).collect();
        assert_eq!(names, ["a-r1", "a-r2", "b-c", "..-r4"]);
    }
}
