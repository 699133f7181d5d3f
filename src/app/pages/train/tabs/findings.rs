//! What the curves of a run say once it has ended: what was seen, why it matters, and the configuration that would mend it.

use egui::{Align, Button, Label, Layout, Margin, RichText, ScrollArea, Ui, vec2};
use egui_material_icons::icons;

use super::{Subject, Tab, empty_ui};
use crate::advice::{self, CurveFinding, FEWEST_EPOCHS};
use crate::app::action::{Action, Actions};
use crate::app::state::{Model, OpenRun};
use crate::app::theme::{self, Tokens};
use crate::spec::{RunId, RunStatus};
use crate::timeline::{self, Concern};

/// The findings of the run that is shown.
#[derive(Debug, Default)]
pub struct FindingsView {
    of: Option<Told>,
    findings: Vec<CurveFinding>,
    /// What alarms were about that stand.
    alarmed: Vec<Concern>,
}

/// Which run, and what it had told when its curves were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    run: RunId,
    status: RunStatus,
    records: usize,
    rewrites: u64,
}

impl FindingsView {
    /// Worked out anew only where more was told.
    fn findings(&mut self, run: RunId, open: &OpenRun) -> &[CurveFinding] {
        let told = Told {
            run,
            status: open.view.status,
            records: open.view.records(),
            rewrites: open.view.rewrites,
        };
        if self.of.replace(told) != Some(told) {
            self.findings = advice::run_findings(&open.record.plan, &open.view);
            let alarms = timeline::alarms(&open.view).into_iter();
            self.alarmed = alarms.map(|alarm| alarm.about).collect();
        }
        &self.findings
    }
}

pub fn findings_ui(ui: &mut Ui, subject: &Subject<'_>, model: &Model, view: &mut FindingsView, actions: &mut Actions) {
    let purpose = Tab::Findings.purpose(subject);
    let Some(run) = subject.run else {
        return empty_ui(ui, purpose, "Press Run: it comes when the run has ended");
    };
    if model.runs.row(run).is_some_and(|row| row.run.status.is_open()) {
        return empty_ui(ui, purpose, "It comes when this run has ended");
    }
    let Some(open) = model.runs.open(run) else {
        let reading = format!("Reading {}", subject.name);
        return empty_ui(ui, purpose, model.runs.failure(run).unwrap_or(&reading));
    };
    let findings = view.findings(run, open);
    if findings.is_empty() {
        let epochs = open.view.epochs.len();
        if epochs < FEWEST_EPOCHS {
            let why = format!("Curves of fewer than {FEWEST_EPOCHS} epochs have no shape: train for longer");
            return empty_ui(ui, "Too short to be judged", &why);
        }
        let what = format!("Nothing to mend in the curves of these {epochs} epochs");
        // What the Log warns of is not denied here.
        let is_of_rate = |about: &Concern| {
            matches!(
                about,
                Concern::LossSpike | Concern::Divergence | Concern::GradientExplosion
            )
        };
        let jumped = view.alarmed.iter().any(is_of_rate);
        let rose = view.alarmed.contains(&Concern::OverFitting);
        let hint = match (jumped, rose) {
            (false, false) => "No sign of a wrong learning rate, over-fitting or under-fitting",
            (false, true) => {
                "No sign of a wrong learning rate or under-fitting; the validation loss rose for a while (see Log), and came back"
            }
            (true, false) => {
                "No sign of over-fitting or under-fitting; the training jumped (see Log), and went on well"
            }
            (true, true) => {
                "No sign of under-fitting; the training jumped and the validation loss rose for a while (see Log), and went on well"
            }
        };
        return empty_ui(ui, &what, hint);
    }
    ScrollArea::vertical()
        .id_salt(("findings", run.0))
        .auto_shrink(false)
        .show(ui, |ui| {
            for finding in findings {
                if card_ui(ui, finding, model.form.config == finding.config) {
                    actions.push(Action::Edit(Box::new(finding.config.clone())));
                }
            }
        });
}

/// One finding; true when its configuration is wanted.
fn card_ui(ui: &mut Ui, finding: &CurveFinding, is_taken: bool) -> bool {
    let tokens = Tokens::of(ui);
    let frame = theme::card(ui)
        .fill(tokens.panel)
        .inner_margin(Margin::symmetric(10, 8));
    let is_wanted = frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.spacing_mut().item_spacing.y = 3.0;
        let is_wanted = ui
            .horizontal(|ui| {
                ui.set_min_height(theme::CONTROL_HEIGHT);
                ui.label(theme::icon(icons::ICON_WARNING).size(14.0).color(tokens.warn));
                ui.label(theme::strong(finding.kind.title()));
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    take_ui(ui, finding, is_taken)
                })
                .inner
            })
            .inner;
        for (text, colour) in [
            (finding.seen.clone(), tokens.text),
            (finding.why.clone(), tokens.text_soft),
            (format!("What to do: {}", finding.remedy), tokens.text),
        ] {
            let text = RichText::new(text).size(12.0).color(colour);
            ui.add(Label::new(text).selectable(true).wrap());
        }
        is_wanted
    });
    ui.add_space(2.0);
    is_wanted.inner
}

fn take_ui(ui: &mut Ui, finding: &CurveFinding, is_taken: bool) -> bool {
    if is_taken {
        ui.label(theme::hint(ui, "in the set-up"));
        ui.label(theme::icon(icons::ICON_CHECK).size(14.0).color(Tokens::of(ui).good));
        return false;
    }
    let button = Button::new("Change the set-up").min_size(vec2(0.0, 24.0));
    let response = ui
        .add(button)
        .accessible_name(format!("Change the set-up: {}", finding.kind.title()));
    let hover = format!(
        "Puts this run's configuration into the set-up, with this change: {} (Ctrl+Z undoes it)",
        finding.remedy
    );
    response.on_hover_text(hover).clicked()
}
