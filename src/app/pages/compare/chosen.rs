//! The selected run against the baseline, in big figures.

use egui::{Align, Color32, Layout, Ui, Vec2, vec2};

use super::contents::Contents;
use crate::app::action::{Action, Actions, Dialog, Page};
use crate::app::state::{Model, RowExt as _};
use crate::app::theme::{self, Tokens};
use crate::app::widgets::figures;
use crate::app::widgets::mark::{self, Badge, badge_ui};
use crate::compare::{Axis, Delta, score_difference, verdicts};
use crate::jobs::RunRow;
use crate::spec::{Deployed, Verdict, units};

pub fn chosen_ui(ui: &mut Ui, model: &Model, contents: &Contents<'_>, size: Vec2, actions: &mut Actions) {
    ui.allocate_ui_with_layout(size, Layout::top_down(Align::Min), |ui| {
        theme::card(ui).show(ui, |ui| {
            let inner = (size - vec2(26.0, 26.0)).max(Vec2::ZERO);
            ui.set_min_size(inner);
            ui.set_max_width(inner.x);
            ui.with_layout(Layout::top_down(Align::Min), |ui| {
                ui.spacing_mut().item_spacing.y = 4.0;
                let selected = model.runs.selected();
                let row =
                    selected.and_then(|selected| contents.rows.iter().find(|row| row.run.run == selected.run.run));
                match row {
                    Some(row) => run_ui(ui, model, row, contents, actions),
                    None => invitation_ui(ui, contents),
                }
            });
        });
    });
}

fn invitation_ui(ui: &mut Ui, contents: &Contents<'_>) {
    ui.label(theme::strong("Against the baseline"));
    let words = if contents.rows.len() > 1 {
        "Click a point or a row: what it costs and buys stands here".to_owned()
    } else {
        format!(
            "{} is the only measured run in sight. Compress it, or open the eye of another run",
            contents.baseline.run.name
        )
    };
    ui.label(theme::label(ui, words));
}

fn run_ui(ui: &mut Ui, model: &Model, row: &RunRow, contents: &Contents<'_>, actions: &mut Actions) {
    let run = row.run.run;
    ui.horizontal(|ui| {
        mark::dot(ui, mark::run_colour(ui, model, run));
        ui.add(egui::Label::new(theme::strong(&row.run.name)).truncate());
    });
    if let Some((_, recipe)) = &row.origin {
        ui.add(egui::Label::new(theme::hint(ui, recipe.to_string())).truncate());
    }
    let Some(deployed) = &row.run.deployed else { return };
    let baseline = contents.baseline_of(row);
    if let Some((baseline, reference)) = baseline.and_then(|row| Some((row, row.run.deployed.as_ref()?))) {
        ui.label(theme::hint(ui, format!("against {}", baseline.run.name)));
        ui.add_space(theme::SPACE[0]);
        deltas_ui(ui, row, deployed, baseline, reference);
    } else {
        ui.label(theme::hint(ui, "the baseline"));
        ui.add_space(theme::SPACE[0]);
        own_ui(ui, row, deployed);
    }
    ui.add_space(theme::SPACE[0]);
    if let Some(badge) = Badge::of(&row.run) {
        badge_ui(ui, badge);
    }
    ui.add_space(theme::SPACE[0]);
    ui.horizontal(|ui| {
        if ui
            .button("Try it")
            .on_hover_text("Ask it and the baseline side by side")
            .clicked()
        {
            actions.push(Action::Go(Page::TryIt));
        }
        if ui.button("Export…").on_hover_text("Take the file away").clicked() {
            actions.push(Action::Open(Dialog::Export(run)));
        }
        if row.origin.is_none() {
            if ui.button("Compress").clicked() {
                actions.push(Action::Go(Page::Compress));
            }
        } else if ui.button("Compress further").clicked() {
            actions.push(Action::CompressFurther(run));
        }
    });
}

/// A figure's name, the figure in big, its colour, and what is said below it.
type Big = (&'static str, String, Color32, String);

/// Big figures in as many columns as there is room for.
fn grid_ui(ui: &mut Ui, figures: &[Big]) {
    let columns = if ui.available_width() > 720.0 { 6 } else { 2 };
    let width = (ui.available_width() - 8.0 * (columns as f32 - 1.0)) / columns as f32;
    for line in figures.chunks(columns) {
        ui.horizontal_top(|ui| {
            for (name, text, colour, below) in line {
                ui.allocate_ui_with_layout(vec2(width, 62.0), Layout::top_down(Align::Min), |ui| {
                    ui.set_min_width(width);
                    ui.spacing_mut().item_spacing.y = 0.0;
                    ui.label(theme::label(ui, *name));
                    ui.label(theme::big_number(text).size(20.0).color(*colour));
                    ui.add(egui::Label::new(theme::hint(ui, below)).truncate())
                        .on_hover_text(below);
                    ui.add_space(theme::SPACE[0]);
                });
            }
        });
    }
}

fn deltas_ui(ui: &mut Ui, row: &RunRow, deployed: &Deployed, baseline: &RunRow, reference: &Deployed) {
    let tokens = Tokens::of(ui);
    let delta = Delta::between(reference, deployed);
    let difference = score_difference(&row.run, &baseline.run).unwrap_or_default();
    let score = figures::difference_text(ui, row, difference);
    let is_visible = !score.text().starts_with('±');
    let colour = tokens.signed(is_visible.then_some(difference > 0.0));
    let is_r2 = row.score_name() == "R2";
    let points = score.text().trim_end_matches(" pt").to_owned();
    let score = (
        if is_r2 { "R2" } else { "Accuracy, points" },
        points,
        colour,
        format!(
            "{} from {}",
            figures::score_text(row, deployed.accuracy),
            figures::score_text(baseline, reference.accuracy)
        ),
    );
    let cost = |name: &'static str, axis: Axis, ratio: f64| {
        let text = |row: &RunRow| axis.of(&row.run).map_or_else(String::new, |value| axis.text(value));
        (
            name,
            change_text(ratio),
            tokens.signed(((ratio - 1.0).abs() >= 0.005).then_some(ratio < 1.0)),
            format!("{} from {}", text(row), text(baseline)),
        )
    };
    let verdicts = verdicts(deployed, baseline.run.run);
    let speed = |name: &'static str, place: usize, factor: f64, time: f64| {
        let (word, colour) = match verdicts.map(|verdicts| verdicts[place]) {
            Some(Verdict::Faster) => ("faster", tokens.good),
            Some(Verdict::Slower) => ("slower", tokens.bad),
            Some(Verdict::CannotTell) => ("cannot tell", tokens.text_soft),
            None => ("not in turn", tokens.text_soft),
        };
        let below = format!("{word}, {}", units::microseconds(time));
        (name, format!("{factor:.2}×"), colour, below)
    };
    let times = deployed.latency_us;
    let figures = [
        score,
        cost("Size", Axis::Size, delta.size),
        speed("Speed, batch 1", 0, delta.speedup_batch1, times.batch1.median),
        speed("Speed, batch 64", 1, delta.speedup_batch64, times.batch64.median),
        cost("Memory", Axis::Memory, delta.memory),
        cost("Size after zstd", Axis::Zstd, delta.zstd),
    ];
    grid_ui(ui, &figures);
}

/// The baseline's own figures.
fn own_ui(ui: &mut Ui, row: &RunRow, deployed: &Deployed) {
    let text = Tokens::of(ui).text;
    let is_r2 = row.score_name() == "R2";
    let times = deployed.latency_us;
    let own = |name, value: String, below: &str| (name, value, text, below.to_owned());
    let figures = [
        own(
            if is_r2 { "R2" } else { "Accuracy" },
            figures::score_text(row, deployed.accuracy),
            "on the test rows",
        ),
        own("Size", units::bytes(deployed.size_bytes), "of the exported file"),
        own(
            "Latency, batch 1",
            units::microseconds(times.batch1.median),
            "median of a call",
        ),
        own(
            "Latency, batch 64",
            units::microseconds(times.batch64.median),
            "median of a call",
        ),
        own("Memory", units::bytes(deployed.memory_bytes), "at batch 64"),
        own(
            "Size after zstd",
            units::bytes(deployed.zstd_bytes),
            "as it would be sent",
        ),
    ];
    grid_ui(ui, &figures);
}

/// A ratio of costs as a change in percent.
fn change_text(ratio: f64) -> String {
    let percent = (ratio - 1.0) * 100.0;
    if percent.abs() < 0.5 {
        "±0 %".to_owned()
    } else {
        format!("{percent:+.0} %")
    }
}
