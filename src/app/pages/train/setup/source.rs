//! Which data: the sets that need no file by their kind, a file or a folder of one's own, and the target among its columns.

use std::path::Path;

use egui::text::{LayoutJob, TextFormat};
use egui::{Button, ComboBox, FontId, Label, PopupCloseBehavior, Response, Ui, vec2};
use egui_material_icons::{MaterialIcon, icons};

use super::fields::Fields;
use crate::app::action::{Action, Actions};
use crate::app::state::{JobKind, Model, QueuedJob};
use crate::app::theme::{self, CONTROL_HEIGHT, Tokens};
use crate::app::widgets::field;
use crate::app::widgets::progress::bar_ui;
use crate::jobs::is_generated;
use crate::spec::{DataConfig, units};

/// Width of the words on dropping a file.
const DROP_WIDTH: f32 = 52.0;

/// A path's last part.
pub fn short(source: &str) -> String {
    Path::new(source)
        .file_name()
        .map_or_else(|| source.to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Whether the source is none of the sets by name.
pub fn is_file(model: &Model, source: &str) -> bool {
    model.datasets.iter().all(|(name, _)| *name != source)
}

/// The chooser, the ways to a file or a folder, and what is chosen.
pub fn source_ui(
    ui: &mut Ui,
    fields: &mut Fields,
    data: &mut DataConfig,
    defaults: &DataConfig,
    model: &Model,
    actions: &mut Actions,
) {
    let before = data.source.clone();
    let mut wanted = None;
    fields.show(ui, "data.source", &mut data.source, &defaults.source, |ui, value, _| {
        sets_ui(ui, value, model, &mut wanted)
    });
    if let Some(name) = wanted {
        actions.push(Action::Get(name));
    }
    getting_ui(ui, model, actions);
    if data.source != before {
        // Columns, task and changes to the samples were those of the other set.
        data.target = None;
        data.task = None;
        data.augment.clear();
    }
    if is_file(model, &data.source) {
        field::note_ui(ui, data.source.as_str()).on_hover_text(data.source.as_str());
    }
    let is_over = ui.input(|input| !input.raw.hovered_files.is_empty());
    ui.horizontal(|ui| {
        ui.add_space(field::GUTTER);
        ui.spacing_mut().item_spacing.x = 6.0;
        ui.spacing_mut().button_padding.x = 8.0;
        let mut open_ui = |icon: MaterialIcon, words: &str, name: &str, doc: &str, action: Action| {
            let button = Button::new((theme::icon(icon).size(15.0), words)).min_size(vec2(0.0, CONTROL_HEIGHT));
            let response = ui.add(button).accessible_name(name);
            if response.on_hover_text(doc).clicked() {
                actions.push(action);
            }
        };
        let file =
            "A table (CSV, TSV), arrays (NPY, NPZ), sequences (.ts), or one of the files of MNIST or CIFAR (Ctrl+O)";
        let folder = "Pictures or texts in one folder for each class, or the files of MNIST or CIFAR";
        let name = "Open a file…";
        open_ui(icons::ICON_FOLDER_OPEN, name, name, file, Action::ChooseDataFile);
        let (name, action) = ("Open a folder…", Action::ChooseDataFolder);
        open_ui(icons::ICON_PERM_MEDIA, "Folder…", name, folder, action);
        if is_over {
            let text = egui::RichText::new("drop it to open it").size(11.0);
            ui.label(text.color(Tokens::of(ui).accent));
        } else {
            // In full or not at all.
            let words = Label::new(theme::hint(ui, "or drop it"));
            if ui.available_width() >= DROP_WIDTH {
                let doc = "A file or a folder that is dropped on the window is opened";
                ui.add(words).on_hover_text(doc);
            }
        }
    });
    ui.add_space(4.0);
}

/// The sets that need no file, each with what it is.
fn sets_ui(ui: &mut Ui, source: &mut String, model: &Model, wanted: &mut Option<String>) -> Response {
    ComboBox::from_id_salt("sets")
        .width(ui.available_width())
        .height(560.0)
        .truncate()
        .selected_text(short(source))
        .show_ui(ui, |ui| {
            ui.set_min_width(300.0);
            ui.spacing_mut().item_spacing.y = 2.0;
            for (head, generated) in [("Shipped", false), ("Generated", true)] {
                ui.add_space(4.0);
                ui.label(theme::hint(ui, head));
                for (name, about) in model
                    .datasets
                    .iter()
                    .filter(|(name, _)| is_generated(name) == generated)
                {
                    if entry_ui(ui, name, name, about, name == source) {
                        (*name).clone_into(source);
                    }
                }
            }
            if !model.fetchable.is_empty() {
                ui.add_space(4.0);
                ui.label(theme::hint(ui, "From the network"));
            }
            for set in &model.fetchable {
                let folder = set.folder.to_string_lossy();
                let title = if set.is_there {
                    set.name.clone()
                } else {
                    format!("Get {} ({})", set.name, units::bytes(set.bytes))
                };
                if entry_ui(ui, &title, &format!("Get {}", set.name), &set.about, *source == folder) {
                    if set.is_there {
                        *source = folder.into_owned();
                    } else {
                        *wanted = Some(set.name.clone());
                    }
                }
            }
        })
        .response
}

/// How far a set from the network is.
fn getting_ui(ui: &mut Ui, model: &Model, actions: &mut Actions) {
    let is_getting = |job: &&QueuedJob| matches!(job.kind, JobKind::Get(_));
    let Some(job) = model.queue.iter().find(is_getting) else {
        return;
    };
    let (words, share) = model.progress_of(job);
    ui.horizontal(|ui| {
        ui.add_space(field::GUTTER);
        let fill = Tokens::of(ui).accent;
        bar_ui(ui, share.unwrap_or(0.0), [80.0, 8.0], fill, "Progress of the download");
        let stop = Button::new(theme::icon(icons::ICON_CLOSE).size(14.0)).frame_when_inactive(false);
        if ui.add(stop).accessible_name("Stop the download").clicked() {
            actions.push(Action::CancelJob(job.id));
        }
        let words = words.unwrap_or_else(|| format!("{}: waiting", job.what));
        ui.add(Label::new(theme::hint(ui, &words)).truncate())
            .on_hover_text(words);
    });
}

/// A set with what it is; true when it was chosen.
fn entry_ui(ui: &mut Ui, title: &str, name: &str, about: &str, is_chosen: bool) -> bool {
    let tokens = Tokens::of(ui);
    let mut text = LayoutJob::default();
    text.append(title, 0.0, TextFormat::simple(FontId::proportional(13.0), tokens.text));
    let small = TextFormat::simple(FontId::proportional(11.0), tokens.text_faint);
    text.append(&format!("\n{about}"), 0.0, small);
    let button = Button::selectable(is_chosen, text).min_size(vec2(ui.available_width(), 0.0));
    let is_pressed = ui.add(button).accessible_name(name).clicked();
    if is_pressed {
        // A press without a pointer does not close the list by itself.
        ui.close();
    }
    is_pressed
}

/// One of the columns, several of them, or the one that is taken by itself. A column's name takes it alone, its box takes it
/// beside the others.
pub fn target_ui(ui: &mut Ui, target: &mut Option<String>, columns: &[String], by_itself: &str) -> Response {
    let shown = match target {
        Some(target) => target.clone(),
        None if by_itself.is_empty() => "default".to_owned(),
        None => format!("{by_itself} (default)"),
    };
    let split = |target: &str| target.split(',').map(|name| name.trim().to_owned()).collect();
    let mut chosen: Vec<String> = target.as_deref().map_or_else(Vec::new, split);
    let before = chosen.clone();
    let response = ComboBox::from_id_salt("columns")
        .width(ui.available_width())
        .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
        .truncate()
        .selected_text(shown)
        .show_ui(ui, |ui| {
            if ui.selectable_label(chosen.is_empty(), "default").clicked() {
                chosen.clear();
                ui.close();
            }
            for column in columns {
                ui.horizontal(|ui| {
                    ui.spacing_mut().item_spacing.x = 2.0;
                    let mut is_in = chosen.contains(column);
                    let also = field::switch_ui(ui, &mut is_in).accessible_name(format!("Also predict {column}"));
                    if also.on_hover_text("Predicts this column beside the others").changed() {
                        if is_in {
                            chosen.push(column.clone());
                        } else {
                            chosen.retain(|name| name != column);
                        }
                    }
                    if ui.selectable_label(is_in, column).clicked() {
                        chosen = vec![column.clone()];
                        ui.close();
                    }
                });
            }
        })
        .response;
    if chosen != before {
        *target = (!chosen.is_empty()).then(|| chosen.join(", "));
    }
    response
}
