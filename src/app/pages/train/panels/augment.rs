//! What is done to training samples, as an ordered list, with the same samples before and after.

use std::collections::BTreeMap;

use egui::containers::menu::{MenuButton, MenuConfig};
use egui::{Align, Button, Label, Layout, PopupCloseBehavior, ScrollArea, Sense, Ui, vec2};
use egui_material_icons::icons;

use super::empty_ui;
use super::list::{self, Change, Drag, TOOLS_WIDTH};
use crate::app::action::{Action, Actions};
use crate::app::state::Model;
use crate::app::theme::{self, Tokens};
use crate::app::widgets::field::{self, Number, Typed};
use crate::app::widgets::{lines, picture};
use crate::jobs::Augmented;
use crate::spec::{Augmentation, Shape};

const LINE: f32 = 34.0;
const NAME_WIDTH: f32 = 150.0;
const NUMBER_WIDTH: f32 = 150.0;
const MENU_WIDTH: f32 = 300.0;
/// Room for the truth before a line of samples.
const LABEL_WIDTH: f32 = 72.0;
/// More columns of a table than these are left out.
const MOST_COLUMNS: usize = 8;

/// What is kept between frames.
#[derive(Debug, Default)]
pub struct AugmentView {
    drag: Drag,
    typing: BTreeMap<usize, Typed>,
}

/// Every change with numbers to begin with.
fn kinds() -> [Augmentation; 11] {
    [
        Augmentation::Flip,
        Augmentation::Rotate { degrees: 10.0 },
        Augmentation::Shift { pixels: 2.0 },
        Augmentation::Crop { smallest: 0.8 },
        Augmentation::Brightness { strength: 0.2 },
        Augmentation::Noise { deviation: 0.1 },
        Augmentation::Cutout { pixels: 4 },
        Augmentation::Mixup { alpha: 0.2 },
        Augmentation::Scale { strength: 0.1 },
        Augmentation::TimeWarp { strength: 0.2 },
        Augmentation::TimeCrop { smallest: 0.8 },
    ]
}

/// What it does, and where it helps.
fn about(change: Augmentation) -> &'static str {
    match change {
        Augmentation::Flip => "left and right exchanged in half of the samples; not for digits or letters",
        Augmentation::Rotate { .. } => "turned by a few degrees either way",
        Augmentation::Shift { .. } => "moved by a few pixels along each axis",
        Augmentation::Crop { .. } => "a part of the picture, as large as the whole",
        Augmentation::Brightness { .. } => "lighter or darker, with more or less contrast",
        Augmentation::Noise { .. } => "a little chance on every value: against learning by heart",
        Augmentation::Cutout { .. } => "a square is hidden, so that no single spot decides",
        Augmentation::Mixup { .. } => "two samples and their answers blended: softer decisions",
        Augmentation::Scale { .. } => "every feature a little larger or smaller",
        Augmentation::TimeWarp { .. } => "time runs a little faster here and slower there",
        Augmentation::TimeCrop { .. } => "a stretch of the sequence, as long as the whole",
    }
}

/// Why it can't be done to samples of this shape.
fn misfit(change: Augmentation, input: Shape) -> Option<&'static str> {
    if change.fits(input) {
        return None;
    }
    Some(match change {
        Augmentation::Noise { .. } | Augmentation::Mixup { .. } => "for numbers, not for text",
        Augmentation::Scale { .. } | Augmentation::TimeWarp { .. } | Augmentation::TimeCrop { .. } => "for sequences",
        _ => "for images",
    })
}

pub fn augment_ui(ui: &mut Ui, model: &Model, view: &mut AugmentView, actions: &mut Actions) {
    let form = &model.form;
    let Some(preview) = form.last_preview() else {
        return empty_ui(
            ui,
            "The data are being read",
            "Their samples are shown here before and after",
        );
    };
    let input = preview.summary.input;
    let mut changes = form.config.data.augment.clone();
    head_ui(ui, input, &mut changes, view);
    ui.add_space(theme::SPACE[0]);
    list_ui(ui, input, &mut changes, view);
    ui.add_space(theme::SPACE[1]);
    samples_ui(ui, model);
    if changes != form.config.data.augment {
        let mut config = form.config.clone();
        config.data.augment = changes;
        actions.push(Action::Edit(Box::new(config)));
    }
}

fn head_ui(ui: &mut Ui, input: Shape, changes: &mut Vec<Augmentation>, view: &mut AugmentView) {
    ui.horizontal(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let button = Button::new((theme::icon(icons::ICON_ADD).size(16.0), "Add change"));
            let config = MenuConfig::new().close_behavior(PopupCloseBehavior::CloseOnClick);
            let (response, _) = MenuButton::from_button(button).config(config).ui(ui, |ui| {
                ui.set_width(MENU_WIDTH);
                let height = (ui.ctx().content_rect().height() - 220.0).max(160.0);
                ScrollArea::vertical().max_height(height).show(ui, |ui| {
                    ui.spacing_mut().item_spacing.y = 1.0;
                    for change in kinds() {
                        if entry_ui(ui, change, misfit(change, input)) {
                            changes.push(change);
                            view.typing.clear();
                        }
                    }
                });
            });
            response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Add change"));
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.spacing_mut().item_spacing.x = theme::SPACE[1];
                ui.label(theme::strong("Changes to training samples"));
                let words = "drawn anew in every epoch, in this order; validation and test rows stay as they are";
                ui.add(Label::new(theme::hint(ui, words)).truncate());
            });
        });
    });
}

/// A change with what it does, or whom it is for; true when it was chosen.
fn entry_ui(ui: &mut Ui, change: Augmentation, misfit: Option<&str>) -> bool {
    let mut text = egui::text::LayoutJob::default();
    let style = std::sync::Arc::clone(ui.style());
    let (base, top) = (egui::FontSelection::Default, egui::Align::Min);
    let title = egui::RichText::new(format!("{}\n", field::sentence(change.name()))).size(13.0);
    title.append_to(&mut text, &style, base.clone(), top);
    theme::hint(ui, misfit.unwrap_or(about(change))).append_to(&mut text, &style, base, top);
    let button = Button::new(text)
        .frame_when_inactive(false)
        .wrap()
        .min_size(vec2(MENU_WIDTH - 12.0, 0.0));
    let response = ui.add_enabled(misfit.is_none(), button);
    response.accessible_name(format!("Add {}", change.name())).clicked()
}

fn list_ui(ui: &mut Ui, input: Shape, changes: &mut Vec<Augmentation>, view: &mut AugmentView) {
    if changes.is_empty() {
        let words = "Nothing is changed yet. Changes that leave the meaning alone make few samples go further: add one";
        ui.label(theme::label(ui, words));
        return;
    }
    let tokens = Tokens::of(ui);
    let count = changes.len();
    let mut asked = None;
    let mut lines = Vec::with_capacity(count);
    ui.spacing_mut().item_spacing.y = 2.0;
    for (place, change) in changes.iter_mut().enumerate() {
        let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), LINE), Sense::hover());
        let problem = change
            .problem()
            .or_else(|| misfit(*change, input).map(|only| format!("{} is {only}; remove it", change.name())));
        let fill = if problem.is_some() {
            tokens.bad.gamma_multiply(0.12)
        } else {
            tokens.panel
        };
        ui.painter().rect_filled(rect, 4, fill);
        let name = change.name();
        let inner = rect.shrink2(vec2(4.0, 0.0));
        let tools = inner.with_min_x(inner.right() - TOOLS_WIDTH);
        list::part_ui(ui, tools, ("tools", place), |ui| {
            asked = asked.or(list::tools_ui(ui, place, count, name, "Remove"));
        });
        list::part_ui(ui, inner.with_max_x(tools.left()), ("fields", place), |ui| {
            ui.spacing_mut().item_spacing.x = 6.0;
            view.drag.handle_ui(ui, place, name);
            asked = asked.or(name_ui(ui, place, count, name));
            number_ui(ui, place, change, &mut view.typing);
            ui.add(Label::new(theme::hint(ui, about(*change))).truncate());
        });
        if let Some(problem) = problem {
            field::problem_ui(ui, &problem);
        }
        lines.push(rect);
    }
    asked = asked.or(view.drag.settle(ui, &lines));
    if let Some(asked) = asked {
        asked.apply(changes);
        view.typing.clear();
    }
}

/// The name, which takes the keys.
fn name_ui(ui: &mut Ui, place: usize, count: usize, name: &str) -> Option<Change> {
    let text = theme::strong(field::sentence(name));
    let button = Button::new((text, egui::Atom::grow()))
        .frame_when_inactive(false)
        .truncate()
        .min_size(vec2(NAME_WIDTH, 24.0));
    let size = vec2(NAME_WIDTH, LINE);
    let response = ui
        .allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
            ui.set_min_width(NAME_WIDTH);
            ui.spacing_mut().button_padding.x = 4.0;
            ui.add(button)
        })
        .inner
        .accessible_name(format!("Change {}, {name}", place + 1));
    let change = list::keys(ui, &response, place, count);
    response.on_hover_text("Alt with an arrow moves it, Delete removes it");
    change
}

/// The change's one number, where it has one.
fn number_ui(ui: &mut Ui, place: usize, change: &mut Augmentation, typing: &mut BTreeMap<usize, Typed>) {
    let mut typed = typing.remove(&place);
    let name = format!("{}, strength", field::sentence(change.name()));
    let layout = Layout::left_to_right(Align::Center);
    ui.allocate_ui_with_layout(vec2(NUMBER_WIDTH, LINE), layout, |ui| {
        ui.set_min_width(NUMBER_WIDTH);
        ui.set_max_width(NUMBER_WIDTH);
        let mut real = |value: &mut f64, look: Number| {
            field::number_ui(ui, value, &mut typed, look).accessible_name(&name);
        };
        match change {
            Augmentation::Flip => {}
            Augmentation::Rotate { degrees } => real(degrees, Number::by(0.2).called("up to").unit("°")),
            Augmentation::Shift { pixels } => real(pixels, Number::by(0.05).called("up to").unit("pixels")),
            Augmentation::Crop { smallest } => real(smallest, Number::by(0.005).called("from").unit("of each edge")),
            Augmentation::TimeCrop { smallest } => real(smallest, Number::by(0.005).called("from").unit("of it")),
            Augmentation::Brightness { strength }
            | Augmentation::Scale { strength }
            | Augmentation::TimeWarp { strength } => real(strength, Number::by(0.005).called("up to")),
            Augmentation::Noise { deviation } => real(deviation, Number::by(0.005).called("deviation")),
            Augmentation::Mixup { alpha } => real(alpha, Number::by(0.005).called("alpha")),
            Augmentation::Cutout { pixels } => {
                let look = Number::by(0.05).unit("pixels");
                field::number_ui(ui, pixels, &mut typed, look).accessible_name(&name);
            }
        }
    });
    if let Some(typed) = typed {
        typing.insert(place, typed);
    }
}

/// The same samples before and after, as they would come in the first epochs.
fn samples_ui(ui: &mut Ui, model: &Model) {
    let augmented = &model.augmented;
    let samples = match &augmented.samples {
        _ if augmented.asked.is_none() => {
            return empty_ui(ui, "No preview yet", "It comes when the numbers above are right");
        }
        None => return empty_ui(ui, "Changing some samples", "They appear here before and after"),
        Some(Err(reason)) => return empty_ui(ui, "These samples could not be changed", reason),
        Some(Ok(samples)) => samples,
    };
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        if samples
            .iter()
            .any(|sample| sample.before.pixels.is_some() || sample.before.series.is_some())
        {
            pictures_ui(ui, samples);
        } else {
            cells_ui(ui, samples);
        }
    });
}

/// The name of a column of samples.
fn moment(place: usize) -> String {
    match place {
        0 => "as it is".to_owned(),
        epoch => format!("epoch {epoch}"),
    }
}

/// A line for each sample: as it is, then as it comes.
fn pictures_ui(ui: &mut Ui, samples: &[Augmented]) {
    let columns = 1 + samples.iter().map(|sample| sample.after.len()).max().unwrap_or(0);
    let gap = theme::SPACE[1];
    let width = ((ui.available_width() - LABEL_WIDTH) / columns as f32 - gap).max(40.0);
    let is_picture = samples.iter().any(|sample| sample.before.pixels.is_some());
    let rows = samples.len().max(1) as f32;
    let room = ((ui.available_height() - 24.0) / rows - gap).clamp(44.0, 110.0);
    let size = if is_picture {
        egui::Vec2::splat(width.min(room))
    } else {
        vec2(width, room.min(80.0))
    };
    ui.spacing_mut().item_spacing = vec2(gap, gap);
    ui.horizontal(|ui| {
        ui.set_height(16.0);
        ui.allocate_exact_size(vec2(LABEL_WIDTH, 16.0), Sense::hover());
        for place in 0..columns {
            ui.allocate_ui_with_layout(vec2(size.x, 16.0), Layout::left_to_right(Align::Center), |ui| {
                ui.set_min_width(size.x);
                ui.label(theme::hint(ui, moment(place)));
            });
        }
    });
    for sample in samples {
        ui.horizontal(|ui| {
            ui.allocate_ui_with_layout(vec2(LABEL_WIDTH, size.y), Layout::left_to_right(Align::Center), |ui| {
                ui.set_min_width(LABEL_WIDTH);
                ui.set_max_width(LABEL_WIDTH);
                ui.add(Label::new(theme::label(ui, &sample.before.truth)).truncate());
            });
            let span = span_of_all(sample);
            for (place, view) in std::iter::once(&sample.before).chain(&sample.after).enumerate() {
                let name = format!("{}: {}", sample.before.truth, moment(place));
                if let Some((shape, pixels)) = &view.pixels {
                    picture::pixels_ui(ui, *shape, pixels, size.x, &name).on_hover_text(&name);
                } else if let Some((shape, values)) = &view.series {
                    lines::lines_ui(ui, *shape, values, size, span, &name).on_hover_text(&name);
                }
            }
        });
    }
}

/// The span of a sequence before and after, so that both are drawn alike.
fn span_of_all(sample: &Augmented) -> Option<[f32; 2]> {
    let all = std::iter::once(&sample.before).chain(&sample.after);
    let values = all
        .filter_map(|view| view.series.as_ref())
        .flat_map(|(_, values)| values);
    lines::span_of(&values.copied().collect::<Vec<_>>())
}

/// Rows of a table: as they are, then as they come.
fn cells_ui(ui: &mut Ui, samples: &[Augmented]) {
    let Some(first) = samples.first() else { return };
    let tokens = Tokens::of(ui);
    let shown = first.before.columns.len().min(MOST_COLUMNS);
    egui::Grid::new("changed rows").spacing([16.0, 4.0]).show(ui, |ui| {
        ui.label("");
        for column in &first.before.columns[..shown] {
            ui.add(Label::new(theme::hint(ui, column)).truncate());
        }
        ui.end_row();
        for sample in samples {
            for (place, view) in std::iter::once(&sample.before)
                .chain(sample.after.iter().take(2))
                .enumerate()
            {
                ui.label(theme::hint(ui, moment(place)));
                let colour = if place == 0 { tokens.text } else { tokens.text_soft };
                for cell in view.cells.iter().take(shown) {
                    ui.label(theme::number(cell).size(11.5).color(colour));
                }
                ui.end_row();
            }
        }
    });
}
