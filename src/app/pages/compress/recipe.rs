//! Where a recipe is put together: the run, the chain of chips, what to expect of it, its text, and what to do with it.

use egui::{Button, ComboBox, DragValue, Grid, Layout, Popup, PopupCloseBehavior, Slider, TextEdit, Ui, vec2};
use egui_material_icons::icons;

use super::chain::{Chain, Edit};
use super::{CompressView, outlook};
use crate::app::action::{Action, Actions};
use crate::app::state::{Model, RowExt};
use crate::app::theme::{self, Tokens};
use crate::app::widgets::figures::score_text;
use crate::cost;
use crate::jobs::RunRow;
use crate::spec::{FLAG, Knob, KnobKind, Ladder, Recipe, RecipeStep, RunId, units};

/// Runs that the choice offers; the list of runs below every page has them all.
const CHOICES: usize = 200;
const POPUP_WIDTH: f32 = 290.0;
const SLIDER_WIDTH: f32 = 200.0;
const MENU_WIDTH: f32 = 380.0;

pub fn recipe_ui(ui: &mut Ui, model: &Model, parent: &RunRow, view: &mut CompressView, actions: &mut Actions) {
    theme::card(ui).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.label(theme::strong("Recipe"));
        parent_ui(ui, model, parent, actions);
        ui.add_space(theme::SPACE[0]);
        if let Some(edit) = chain_ui(ui, &view.chain) {
            view.chain.apply(edit);
            view.typed = None;
        }
        ui.add_space(theme::SPACE[0]);
        let wrong = text_ui(ui, view, actions);
        ui.add_space(theme::SPACE[0]);
        expected_ui(ui, model, parent, &view.chain);
        ui.add_space(theme::SPACE[0]);
        buttons_ui(ui, model, parent, view, wrong, actions);
        list_ui(ui, parent, view, actions);
    });
}

/// Which run is compressed. To choose one is to select it, on this page as in the list of runs.
pub(super) fn parent_ui(ui: &mut Ui, model: &Model, parent: &RunRow, actions: &mut Actions) {
    let line = |row: &RunRow| {
        let score = row.score().map(|score| score_text(row, score));
        let score = score.map_or_else(String::new, |score| format!(" · {score}"));
        format!("{} · {}{score}", row.run.name, row.run.run)
    };
    ui.horizontal(|ui| {
        let label = ui.label(theme::label(ui, "Run"));
        let width = ui.available_width();
        let response = ComboBox::from_id_salt("run to compress")
            .selected_text(line(parent))
            .width(width)
            .height(320.0)
            .truncate()
            .show_ui(ui, |ui| {
                let usable = model.runs.rows().iter().rev();
                let mut usable =
                    usable.filter(|row| row.is_usable() && row.origin.is_none() && row.classical().is_none());
                for row in usable.by_ref().take(CHOICES) {
                    let is_chosen = row.run.run == parent.run.run;
                    if ui.selectable_label(is_chosen, line(row)).clicked() {
                        actions.push(Action::Select(row.run.run));
                    }
                }
                if usable.next().is_some() {
                    ui.label(theme::hint(ui, "Select an older run in the list of runs"));
                }
            })
            .response;
        let hover = "The finished run that is compressed; it stays as it is, each recipe makes a run of its own";
        response.labelled_by(label.id).on_hover_text(hover);
    });
    if let Some(lineage) = lineage(model, parent) {
        let label = ui.add(egui::Label::new(theme::hint(ui, &lineage)).truncate());
        label.on_hover_text(lineage);
    }
}

/// From which run a compressed one stems, and by what: `digits-cnn › units 50 % › int8 static`.
fn lineage(model: &Model, row: &RunRow) -> Option<String> {
    let mut line = Vec::new();
    let mut origin = row.origin.as_ref();
    while let Some((parent, recipe)) = origin {
        line.push(outlook::in_words(recipe));
        let parent = model.runs.row(*parent);
        origin = parent.and_then(|row| row.origin.as_ref());
        if origin.is_none() {
            line.push(parent.map_or_else(|| "a deleted run".to_owned(), |row| row.run.name.clone()));
        }
    }
    line.reverse();
    (!line.is_empty()).then(|| line.join(" › "))
}

/// The chips, and the menu of steps to add.
fn chain_ui(ui: &mut Ui, chain: &Chain) -> Option<Edit> {
    let mut edit = None;
    let faint = Tokens::of(ui).text_faint;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 2.0;
        for (place, step) in chain.steps().iter().enumerate() {
            if place > 0 {
                ui.label(theme::icon(icons::ICON_CHEVRON_RIGHT).color(faint));
            }
            let response = chip_ui(ui, &outlook::chip(step), step.word().about);
            edit = knobs_ui(&response, place, chain).or(edit.take());
            if let Some(text) = outlook::finetune_chip(step) {
                ui.label(theme::icon(icons::ICON_CHEVRON_RIGHT).color(faint));
                let hover = "Trains on after the step, so that the network makes up for what it lost";
                let response = chip_ui(ui, &text, hover);
                edit = finetune_knobs_ui(&response, place, step).or(edit.take());
            }
        }
        if chain.steps().is_empty() {
            ui.label(theme::label(ui, "No step yet"));
        }
        ui.add_space(theme::SPACE[0]);
        let button = Button::new((theme::icon(icons::ICON_ADD).size(16.0), "Add step"));
        let (response, _) = egui::containers::menu::MenuButton::from_button(button).ui(ui, |ui| {
            edit = add_ui(ui, chain).or(edit.take());
        });
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Add step"));
    });
    edit
}

fn chip_ui(ui: &mut Ui, text: &str, hover: &str) -> egui::Response {
    let chip = Button::new(text).corner_radius(theme::CONTROL_HEIGHT / 2.0);
    ui.add(chip).on_hover_text(format!("{hover}. Click to change it"))
}

/// What can be added, and beside each what to expect.
fn add_ui(ui: &mut Ui, chain: &Chain) -> Option<Edit> {
    let mut edit = None;
    ui.set_width(MENU_WIDTH);
    for step in RecipeStep::offered() {
        let (title, about) = (step.word().title, step.word().about);
        let why = chain.why_not_add(&step);
        let is_enabled = why.is_none();
        let words = why.unwrap_or_else(|| about.to_owned());
        let mut text = egui::text::LayoutJob::default();
        let style = std::sync::Arc::clone(ui.style());
        let (base, top) = (egui::FontSelection::Default, egui::Align::Min);
        theme::strong(format!("{title}\n")).append_to(&mut text, &style, base.clone(), top);
        theme::label(ui, &words).append_to(&mut text, &style, base, top);
        let button = Button::new(text).wrap().min_size(vec2(MENU_WIDTH, 0.0));
        let response = ui.add_enabled(is_enabled, button);
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, is_enabled, title));
        ui.accesskit_node_builder(response.id, |node| node.set_description(words));
        if response.clicked() {
            edit = Some(Edit::Add(step));
            ui.close();
        }
    }
    ui.add_space(theme::SPACE[0]);
    let words = "Steps are done in order; how the weights are stored comes last";
    ui.label(theme::hint(ui, words));
    edit
}

/// The popup of a step's chip.
fn knobs_ui(chip: &egui::Response, place: usize, chain: &Chain) -> Option<Edit> {
    let step = chain.steps().get(place)?;
    let popup = popup(chip, ("step", place)).show(|ui| {
        ui.set_width(POPUP_WIDTH);
        ui.label(theme::strong(step.word().title));
        let mut edit = None;
        for knob in step.word().knobs() {
            edit = edit.or(knob_ui(ui, step, knob).map(|changed| Edit::Change(place, changed)));
        }
        if step.word().knobs().next().is_none() {
            ui.label(theme::label(ui, "There is nothing to set"));
        }
        edit.or(order_ui(ui, place, chain))
    });
    popup.and_then(|shown| shown.inner)
}

/// The popup of a fine-tuning's chip.
fn finetune_knobs_ui(chip: &egui::Response, place: usize, step: &RecipeStep) -> Option<Edit> {
    let popup = popup(chip, ("fine-tuning", place)).show(|ui| {
        ui.set_width(POPUP_WIDTH);
        ui.label(theme::strong("Fine-tune"));
        let knob = step.word().knobs().find(|knob| knob.name == "finetune")?;
        let mut changed = knob_ui(ui, step, knob);
        if ui.button("Remove fine-tuning").clicked() {
            changed = step.with(knob.name, "0".to_owned());
        }
        if changed.as_ref().is_some_and(|changed| changed.finetune_epochs() == 0) {
            ui.close();
        }
        changed.map(|changed| Edit::Change(place, changed))
    });
    popup.and_then(|shown| shown.inner)
}

fn popup<'a>(chip: &egui::Response, id: (&str, usize)) -> Popup<'a> {
    Popup::from_toggle_button_response(chip)
        .id(egui::Id::unique(id))
        .gap(theme::SPACE[0])
        .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
}

/// The control of one value; the step with another value where it was changed. A value that may be missing, and is, is set in
/// the recipe's text.
fn knob_ui(ui: &mut Ui, step: &RecipeStep, knob: &'static Knob) -> Option<RecipeStep> {
    let values = step.values();
    let text = values.text(knob.name);
    let mut changed = None;
    match knob.kind {
        KnobKind::Fraction => {
            let mut percent = values.number(knob.name)? * 100.0;
            let label = ui.label(theme::label(ui, knob.label));
            ui.spacing_mut().slider_width = SLIDER_WIDTH;
            let slider = Slider::new(&mut percent, 5.0..=95.0)
                .step_by(1.0)
                .max_decimals(0)
                .suffix(" %")
                .clamping(egui::SliderClamping::Edits);
            let slider = ui.add(slider).labelled_by(label.id).on_hover_text(knob.doc);
            if slider.changed() {
                changed = Some((percent.round() / 100.0).to_string());
            }
        }
        KnobKind::Count { least } => {
            let mut count = values.count(knob.name)?;
            ui.horizontal(|ui| {
                let label = ui.label(theme::label(ui, knob.label));
                let drag = DragValue::new(&mut count).range(least..=100_000).speed(0.1);
                let drag = ui.add(drag.suffix(knob.unit)).labelled_by(label.id);
                if drag.on_hover_text(knob.doc).changed() {
                    changed = Some(count.to_string());
                }
            });
        }
        KnobKind::Number { least, most } => {
            let mut number = values.number(knob.name)?;
            ui.horizontal(|ui| {
                let label = ui.label(theme::label(ui, knob.label));
                let drag = DragValue::new(&mut number)
                    .range(least..=most)
                    .speed((most - least) / 200.0);
                let drag = ui.add(drag.suffix(knob.unit)).labelled_by(label.id);
                if drag.on_hover_text(knob.doc).changed() {
                    changed = Some(number.to_string());
                }
            });
        }
        KnobKind::Choice(names) => {
            ui.horizontal(|ui| {
                let label = ui.label(theme::label(ui, knob.label));
                let chosen = text.unwrap_or_default();
                let choice = ComboBox::from_id_salt(knob.name)
                    .selected_text(chosen)
                    .show_ui(ui, |ui| {
                        for name in names {
                            if ui.selectable_label(*name == chosen, *name).clicked() {
                                changed = Some((*name).to_owned());
                            }
                        }
                    });
                choice.response.labelled_by(label.id).on_hover_text(knob.doc);
            });
        }
        KnobKind::Layers => {
            ui.label(theme::label(ui, format!("{} {}", knob.label, text?)));
        }
        KnobKind::Flag => {
            let mut is_set = text.is_some();
            if ui.checkbox(&mut is_set, knob.label).on_hover_text(knob.doc).changed() {
                if !is_set {
                    return step.without(knob.name);
                }
                changed = Some(FLAG.to_owned());
            }
        }
    }
    step.with(knob.name, changed?)
}

/// Earlier, later, remove.
fn order_ui(ui: &mut Ui, place: usize, chain: &Chain) -> Option<Edit> {
    let mut edit = None;
    let mut offer = |ui: &mut Ui, name: &str, is_possible: bool, why: Option<&str>, wanted: Edit| {
        let response = ui.add_enabled(is_possible && why.is_none(), Button::new(name));
        if response.clicked() {
            edit = Some(wanted);
            ui.close();
        }
        if let Some(why) = why {
            response.on_disabled_hover_text(why);
        }
    };
    ui.add_space(theme::SPACE[0]);
    ui.horizontal(|ui| {
        let before = place.checked_sub(1);
        let why = before.and_then(|before| chain.why_not_swap(before));
        let swap = Edit::Swap(before.unwrap_or_default());
        offer(ui, "Move earlier", before.is_some(), why, swap);
        let has_next = place + 1 < chain.steps().len();
        offer(ui, "Move later", has_next, chain.why_not_swap(place), Edit::Swap(place));
        offer(ui, "Remove", true, None, Edit::Remove(place));
    });
    edit
}

/// The recipe as the command line takes it, to copy or to type; what is wrong with it, if anything is.
fn text_ui(ui: &mut Ui, view: &mut CompressView, actions: &mut Actions) -> Option<String> {
    let mut text = view.typed.clone().unwrap_or_else(|| view.chain.text());
    ui.horizontal(|ui| {
        let label = ui.label(theme::label(ui, "As text"));
        ui.with_layout(Layout::right_to_left(egui::Align::Center), |ui| {
            let copy = ui.add_enabled(
                !text.is_empty(),
                Button::new(theme::icon(icons::ICON_CONTENT_COPY)).frame(false),
            );
            copy.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Copy the recipe"));
            if copy
                .on_hover_text("Copy the recipe, as `trimtab compress` takes it")
                .clicked()
            {
                actions.push(Action::CopyText(text.clone()));
            }
            let field = TextEdit::singleline(&mut text)
                .font(egui::TextStyle::Monospace)
                .align(egui::Align2::LEFT_CENTER)
                .hint_text("units:0.5:finetune=3+int8-static")
                .desired_width(f32::INFINITY);
            let field = ui.add(field).labelled_by(label.id);
            if field.changed() {
                match text.parse::<Recipe>() {
                    Ok(recipe) => view.chain.set(recipe),
                    Err(_) if text.trim().is_empty() => view.chain.clear(),
                    Err(_) => {}
                }
                view.typed = Some(text.clone());
            } else if !field.has_focus() && text.parse::<Recipe>().is_ok() {
                view.typed = None;
            }
        });
    });
    let typed = view.typed.as_ref().filter(|typed| !typed.trim().is_empty())?;
    let wrong = typed.parse::<Recipe>().err()?.to_string();
    let bad = Tokens::of(ui).bad;
    ui.add(egui::Label::new(egui::RichText::new(&wrong).size(12.0).color(bad)).wrap());
    Some(wrong)
}

/// What arithmetic says of the chain, and what words say beyond it.
fn expected_ui(ui: &mut Ui, model: &Model, parent: &RunRow, chain: &Chain) {
    let Some(recipe) = chain.recipe() else {
        ui.label(theme::label(
            ui,
            "Add the first step: what to expect of it stands beside it in the menu",
        ));
        return;
    };
    // The student of a distillation is not known before its training, the ranks of factors not before they are measured.
    let settles_late = |step: &RecipeStep| matches!(step, RecipeStep::Distil(_) | RecipeStep::LowRank(_));
    let is_known = !recipe.steps.iter().any(settles_late);
    let network = model.runs.open(parent.run.run).map(|open| &open.record.plan.model);
    let figures = network
        .filter(|_| is_known)
        .map(|network| (cost::as_trained(network), cost::expected(network, &recipe)));
    let grid = Grid::new("expected").num_columns(3).spacing([12.0, 2.0]);
    grid.min_row_height(18.0).show(ui, |ui| {
        let mut line = |name: &str, hover: &str, of: fn(&cost::Expected) -> u64, unit: fn(u64) -> String| {
            ui.label(theme::label(ui, name)).on_hover_text(hover);
            let (text, share) = figures.as_ref().map_or_else(
                || ("…".to_owned(), String::new()),
                |(before, after)| {
                    let share = of(after) as f64 / of(before).max(1) as f64 * 100.0;
                    let text = format!("{} to {}", unit(of(before)), unit(of(after)));
                    (text, format!("{share:.0} %"))
                },
            );
            ui.label(theme::number(text));
            ui.label(theme::number(share).color(Tokens::of(ui).text_soft));
            ui.end_row();
        };
        line(
            "Weights",
            "Bytes of weights, biases and scales as stored, computed from the layers; the file adds a little around them",
            |expected| expected.weight_bytes,
            units::bytes,
        );
        line(
            "Multiply-adds",
            "Arithmetic for one sample, computed from the layers",
            |expected| expected.multiply_adds,
            |count| units::count(count as f64),
        );
    });
    ui.add(egui::Label::new(theme::label(ui, outlook::remarks(&recipe))).wrap());
}

fn buttons_ui(
    ui: &mut Ui,
    model: &Model,
    parent: &RunRow,
    view: &mut CompressView,
    wrong: Option<String>,
    actions: &mut Actions,
) {
    let run = parent.run.run;
    let recipe = view.chain.recipe().filter(|_| wrong.is_none());
    let is_ready = recipe.is_some();
    let why = wrong.unwrap_or_else(|| "Add a step first".to_owned());
    ui.horizontal_wrapped(|ui| {
        let text = theme::strong("Compress").color(Tokens::of(ui).on_accent);
        let button = theme::primary_button(ui, text).min_size(vec2(92.0, theme::CONTROL_HEIGHT));
        let response = ui.add_enabled(is_ready, button);
        let response = response.on_hover_text("Applies the recipe in the background and measures what comes of it");
        let is_pressed = response.clicked();
        response.on_disabled_hover_text(&why);
        let response = ui.add_enabled(is_ready, Button::new("Add to list"));
        let response = response.on_hover_text("Puts the recipe aside, to be measured with others in the same rounds");
        let is_listed = response.clicked();
        response.on_disabled_hover_text(&why);
        if let Some(recipe) = recipe {
            if is_pressed {
                actions.push(Action::Compress {
                    run,
                    recipes: vec![recipe],
                });
            } else if is_listed && !view.list.contains(&recipe) {
                view.list.push(recipe);
            }
        }
        let usual = Recipe::demo();
        let names = usual.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        if ui
            .button("Try the usual four")
            .on_hover_text(format!("Compresses by each of these, one after another:\n{names}"))
            .clicked()
        {
            actions.push(Action::Compress {
                run,
                recipes: usual.into(),
            });
        }
        build_ui(ui, model, run, actions);
        edit_ui(ui, view, actions);
    });
}

/// The standard ladder, as far as it is not there yet.
fn build_ui(ui: &mut Ui, model: &Model, run: RunId, actions: &mut Actions) {
    let Ok(Ladder { mut rungs }) = Ladder::standard() else {
        return;
    };
    rungs.retain(|recipe| !has_finished(model, run, recipe));
    let response = ui.add_enabled(!rungs.is_empty(), Button::new("Build the ladder"));
    let names = rungs.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let hover = format!("Tries all of these, one after another, and recommends one within your limits:\n{names}");
    let response = response.on_hover_text(hover);
    if response.clicked() {
        actions.push(Action::Compress { run, recipes: rungs });
    }
    response.on_disabled_hover_text("Every rung is there");
}

/// A ladder of one's own: the list is its rungs.
fn edit_ui(ui: &mut Ui, view: &mut CompressView, actions: &mut Actions) {
    let button = Button::new(theme::icon(icons::ICON_EDIT).size(16.0));
    let (response, _) = egui::containers::menu::MenuButton::from_button(button).ui(ui, |ui| {
        if ui.button("Put the standard ladder on the list").clicked() {
            if let Ok(Ladder { rungs }) = Ladder::standard() {
                view.list = rungs;
            }
            ui.close();
        }
        if ui.button("Open a ladder…").clicked() {
            actions.push(Action::OpenLadder);
            ui.close();
        }
        let save = ui.add_enabled(!view.list.is_empty(), Button::new("Save the list as a ladder…"));
        if save.clicked() {
            let rungs = view.list.clone();
            actions.push(Action::SaveText {
                name: "ladder.toml".to_owned(),
                text: Ladder { rungs }.to_toml(),
            });
            ui.close();
        }
        save.on_disabled_hover_text("Add recipes to the list first");
    });
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Edit the ladder"));
    response.on_hover_text("A ladder of your own: edit the list, save it as a file, open one");
}

/// Whether this recipe on this run is there already.
fn has_finished(model: &Model, run: RunId, recipe: &Recipe) -> bool {
    let mut rows = model.runs.rows().iter();
    rows.any(|row| row.came_of(run, recipe) && row.is_usable())
}

/// Recipes put aside.
fn list_ui(ui: &mut Ui, parent: &RunRow, view: &mut CompressView, actions: &mut Actions) {
    if view.list.is_empty() {
        return;
    }
    ui.add_space(theme::SPACE[1]);
    ui.label(theme::label(ui, "List"));
    let mut gone = None;
    for (place, recipe) in view.list.iter().enumerate() {
        ui.horizontal(|ui| {
            ui.with_layout(Layout::right_to_left(egui::Align::Center), |ui| {
                let remove = ui.add(Button::new(theme::icon(icons::ICON_CLOSE).size(14.0)).frame(false));
                let name = format!("Take {recipe} off the list");
                remove.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
                if remove.on_hover_text(name).clicked() {
                    gone = Some(place);
                }
                ui.with_layout(Layout::left_to_right(egui::Align::Center), |ui| {
                    let text = recipe.to_string();
                    ui.add(egui::Label::new(theme::number(&text)).truncate())
                        .on_hover_text(text);
                });
            });
        });
    }
    if let Some(place) = gone {
        view.list.remove(place);
    }
    let count = view.list.len();
    if count > 0 && ui.button(format!("Compress by the {count} of the list")).clicked() {
        actions.push(Action::Compress {
            run: parent.run.run,
            recipes: std::mem::take(&mut view.list),
        });
    }
}
