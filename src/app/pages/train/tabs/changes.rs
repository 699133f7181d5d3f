//! What broke: the rows that a compressed network answers otherwise than the network it was made of.

use egui::{Align, Layout, ScrollArea, Ui, vec2};

use super::words::beside_ui;
use crate::app::theme::{self, Tokens};
use crate::app::widgets::samples::samples_ui;
use crate::spec::{Changes, ClassChange, units};

/// Width of the table of classes.
const TABLE: f32 = 300.0;
const FIGURE: f32 = 62.0;
const LINE: f32 = 20.0;

pub fn changes_ui(ui: &mut Ui, changes: &Changes, shows_mended: &mut bool) {
    beside_ui(
        ui,
        |ui| words_ui(ui, changes),
        |ui| {
            let height = ui.available_height();
            ui.horizontal_top(|ui| {
                let size = vec2(TABLE, height);
                ui.allocate_ui_with_layout(size, Layout::top_down(Align::Min), |ui| {
                    ui.set_min_size(size);
                    classes_ui(ui, changes);
                });
                let size = vec2(ui.available_width(), height);
                ui.allocate_ui_with_layout(size, Layout::top_down(Align::Min), |ui| {
                    ui.set_min_size(size);
                    rows_ui(ui, changes, shows_mended);
                });
            });
        },
    );
}

fn sum(changes: &Changes, of: fn(&ClassChange) -> usize) -> usize {
    changes.counts.iter().map(of).sum()
}

fn words_ui(ui: &mut Ui, changes: &Changes) {
    let (broken, mended) = (sum(changes, |count| count.broken), sum(changes, |count| count.mended));
    ui.label(theme::big_number(broken.to_string()));
    let rows = if broken == 1 { "row" } else { "rows" };
    ui.label(theme::label(ui, format!("test {rows} broke: right before, wrong now")));
    ui.label(theme::label(ui, format!("mended: {mended}")));
    ui.label(theme::hint(
        ui,
        format!("of {}, against {}", sum(changes, |count| count.rows), changes.parent),
    ));
    match changes.signal_to_noise {
        Some(decibels) => {
            let label = ui.label(theme::hint(ui, format!("outputs {decibels:.1} dB above the error")));
            label.on_hover_text(
                "Squares of the outputs before, over squares of the differences, in decibels: 20 is a tenth off",
            );
        }
        None => {
            ui.label(theme::hint(ui, "every output is the same"));
        }
    }
}

/// Each class before and after, the one that lost most first.
fn classes_ui(ui: &mut Ui, changes: &Changes) {
    let tokens = Tokens::of(ui);
    let mut order: Vec<usize> = (0..changes.counts.len()).collect();
    let won = |place: usize| changes.counts[place].mended as i64 - changes.counts[place].broken as i64;
    order.sort_by_key(|&place| won(place));
    let cell = |ui: &mut Ui, text: egui::RichText| {
        ui.allocate_ui_with_layout(vec2(FIGURE, LINE), Layout::right_to_left(Align::Center), |ui| {
            ui.set_min_width(FIGURE);
            ui.label(text);
        });
    };
    let line = |ui: &mut Ui, name: egui::RichText, cells: [egui::RichText; 3]| {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = theme::SPACE[0];
            ui.allocate_ui_with_layout(vec2(84.0, LINE), Layout::left_to_right(Align::Center), |ui| {
                ui.set_min_width(84.0);
                ui.add(egui::Label::new(name).truncate());
            });
            for text in cells {
                cell(ui, text);
            }
        });
    };
    ui.spacing_mut().item_spacing.y = 0.0;
    let heads = ["before", "after", "change"].map(|head| theme::hint(ui, head));
    line(ui, theme::hint(ui, "Class"), heads);
    ScrollArea::vertical().id_salt("changed classes").show(ui, |ui| {
        for place in order {
            let count = changes.counts[place];
            let share = |right: usize| units::percent(right as f64 / count.rows.max(1) as f64);
            let change = won(place);
            let sign = if change == 0 { None } else { Some(change > 0) };
            let cells = [
                theme::number(share(count.right_before)),
                theme::number(share(count.right_after)),
                theme::number(format!("{change:+}")).color(tokens.signed(sign)),
            ];
            line(ui, theme::label(ui, &changes.classes[place]), cells);
        }
    });
}

fn rows_ui(ui: &mut Ui, changes: &Changes, shows_mended: &mut bool) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = theme::SPACE[1];
        for (name, of) in [("Broke", false), ("Mended", true)] {
            let response = ui.selectable_label(*shows_mended == of, name);
            if response.clicked() {
                *shows_mended = of;
            }
        }
        ui.label(theme::hint(ui, "the truth, and what is answered now"));
    });
    let rows = if *shows_mended {
        &changes.mended
    } else {
        &changes.broken
    };
    if rows.is_empty() {
        ui.add_space(theme::SPACE[1]);
        let words = if *shows_mended {
            "No row was mended"
        } else {
            "No row broke"
        };
        ui.label(theme::label(ui, words));
        return;
    }
    samples_ui(ui, rows, "changed samples");
}
