//! The queue: the job at work and those that wait.

use egui::{Align, Button, Layout, ScrollArea, Ui};
use egui_material_icons::{MaterialIcon, icons};

use crate::app::action::{Action, Actions};
use crate::app::state::{Model, QueuedJob};
use crate::app::theme::{self, Tokens};
use crate::app::widgets::progress;
use crate::spec::Command;

const BAR_HEIGHT: f32 = 8.0;

/// The contents of the queue dialog.
pub fn queue_ui(ui: &mut Ui, model: &Model, actions: &mut Actions) {
    let begun = usize::from(model.current_job().is_some());
    if let Some(job) = model.current_job() {
        ui.label(theme::label(ui, "At work"));
        current_ui(ui, model, job, actions);
        ui.add_space(theme::SPACE[2]);
    }
    let waiting = &model.queue[begun..];
    if waiting.is_empty() {
        ui.label(theme::label(ui, "Nothing is waiting"));
        return;
    }
    ui.label(theme::label(ui, "Waiting, the next one first"));
    ScrollArea::vertical().max_height(360.0).show(ui, |ui| {
        for (place, job) in waiting.iter().enumerate() {
            waiting_ui(ui, job, place, waiting.len(), actions);
        }
    });
}

/// What the job at work does, and the buttons to hold or end it.
fn current_ui(ui: &mut Ui, model: &Model, job: &QueuedJob, actions: &mut Actions) {
    let (words, share) = model.progress_of(job);
    theme::card(ui).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal(|ui| {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if button_ui(ui, icons::ICON_STOP, &format!("Stop {}", job.what), true) {
                    actions.push(Action::CancelJob(job.id));
                }
                let (icon, word, action) = match job.control.requested() {
                    Command::Pause => (icons::ICON_PLAY_ARROW, "Go on with", Action::Continue),
                    Command::Run | Command::Stop => (icons::ICON_PAUSE, "Pause", Action::Pause),
                };
                let is_offered = job.can_pause() || job.control.requested() == Command::Pause;
                if button_ui(ui, icon, &format!("{word} {}", job.what), is_offered) {
                    actions.push(action);
                }
                what_ui(ui, job);
            });
        });
        match share {
            Some(share) => {
                let (width, accent) = (ui.available_width(), Tokens::of(ui).accent);
                progress::bar_ui(ui, share, [width, BAR_HEIGHT], accent, "Progress of the job");
            }
            // Its room is kept.
            None => {
                ui.allocate_space(egui::vec2(1.0, BAR_HEIGHT));
            }
        }
        let words = words.unwrap_or_else(|| "at work".to_owned());
        ui.add(egui::Label::new(theme::number(words).size(12.0)).truncate());
    });
}

fn waiting_ui(ui: &mut Ui, job: &QueuedJob, place: usize, count: usize, actions: &mut Actions) {
    ui.horizontal(|ui| {
        ui.set_min_height(theme::CONTROL_HEIGHT);
        ui.label(theme::number(format!("{:>2}", place + 1)).color(Tokens::of(ui).text_faint));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if button_ui(ui, icons::ICON_CLOSE, &format!("Cancel {}", job.what), true) {
                actions.push(Action::CancelJob(job.id));
            }
            let name = format!("Move {} down", job.what);
            if button_ui(ui, icons::ICON_ARROW_DOWNWARD, &name, place + 1 < count) {
                actions.push(Action::MoveJob(job.id, place + 1));
            }
            let name = format!("Move {} up", job.what);
            if button_ui(ui, icons::ICON_ARROW_UPWARD, &name, place > 0) {
                actions.push(Action::MoveJob(job.id, place - 1));
            }
            what_ui(ui, job);
        });
    });
}

/// The job in words, in the room that the buttons leave.
fn what_ui(ui: &mut Ui, job: &QueuedJob) {
    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
        ui.add(egui::Label::new(&job.what).truncate()).on_hover_text(&job.what);
    });
}

/// Whether a button, which is an icon, was pressed; `name` is its tooltip and its accessible name.
fn button_ui(ui: &mut Ui, icon: MaterialIcon, name: &str, is_enabled: bool) -> bool {
    let response = ui.add_enabled(is_enabled, Button::new(theme::icon(icon)));
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, is_enabled, name));
    response.on_hover_text(name).clicked()
}

#[cfg(test)]
mod tests {
    use egui::accesskit::Role;
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::app::state::JobKind;
    use crate::app::tests::models::{Scene, enqueue, scene};
    use crate::jobs::JobId;

    type Stage = Harness<'static, Scene<()>>;

    fn draw(ui: &mut Ui, model: &Model, _: &mut (), actions: &mut Actions) {
        queue_ui(ui, model, actions);
    }

    fn stage(model: Model) -> Stage {
        let builder = Harness::builder().with_size([584.0, 400.0]).with_max_steps(64);
        let mut stage = scene(builder, model, (), draw);
        stage.run();
        stage
    }

    /// One job at work, three waiting.
    fn four() -> Model {
        let mut model = Model::default();
        for (number, what) in ["digits-cnn", "compress r3", "export r3", "iris-mlp"]
            .into_iter()
            .enumerate()
        {
            enqueue(&mut model, number as u64, what, JobKind::Train);
        }
        model.queue[0].is_begun = true;
        model.queue[0].progress = Some(("measuring 2 files in turn".to_owned(), 1, 2));
        model
    }

    fn press(stage: &mut Stage, name: &str) -> Option<Action> {
        stage.get_by_role_and_label(Role::Button, name).click();
        stage.run();
        stage.state_mut().asked.pop()
    }

    #[test]
    fn waiting_jobs_are_moved_and_cancelled_by_name() {
        let mut stage = stage(four());
        let id = JobId::of;
        let up = press(&mut stage, "Move export r3 up");
        assert!(matches!(up, Some(Action::MoveJob(job, 0)) if job == id(2)));
        let down = press(&mut stage, "Move export r3 down");
        assert!(matches!(down, Some(Action::MoveJob(job, 2)) if job == id(2)));
        let cancel = press(&mut stage, "Cancel compress r3");
        assert!(matches!(cancel, Some(Action::CancelJob(job)) if job == id(1)));
        assert!(
            press(&mut stage, "Move compress r3 up").is_none(),
            "it is the next one already"
        );
        assert!(
            press(&mut stage, "Move iris-mlp down").is_none(),
            "it is the last one already"
        );
    }

    #[test]
    fn the_job_at_work_is_paused_continued_and_stopped() {
        let mut stage = stage(four());
        assert!(stage.query_by_label("measuring 2 files in turn").is_some());
        let pause = press(&mut stage, "Pause digits-cnn");
        assert!(matches!(pause, Some(Action::Pause)));
        stage.state_mut().model.queue[0].control.request(Command::Pause);
        stage.run();
        let go_on = press(&mut stage, "Go on with digits-cnn");
        assert!(matches!(go_on, Some(Action::Continue)));
        let stop = press(&mut stage, "Stop digits-cnn");
        assert!(matches!(stop, Some(Action::CancelJob(job)) if job == JobId::of(0)));
    }

    #[test]
    fn what_a_pause_would_not_hold_up_is_only_stopped() {
        let mut model = four();
        model.queue[0].kind = JobKind::Probe(crate::jobs::Probe::Workers);
        assert!(crate::app::action::Command::Pause.action(&model).is_none());
        let mut stage = stage(model);
        assert!(press(&mut stage, "Pause digits-cnn").is_none());
        assert!(press(&mut stage, "Stop digits-cnn").is_some());
        // A stop is not taken back by a pause.
        let model = &mut stage.state_mut().model;
        model.queue[0].kind = JobKind::Train;
        assert!(crate::app::action::Command::Pause.action(model).is_some());
        model.queue[0].control.request(Command::Stop);
        assert!(crate::app::action::Command::Pause.action(model).is_none());
    }

    #[test]
    fn an_empty_queue_says_so() {
        assert!(stage(Model::default()).query_by_label("Nothing is waiting").is_some());
    }
}
