//! The one place where the model changes: by actions after drawing, by the worker's messages and by answers before it.

mod asking;
mod news;

use std::path::PathBuf;

use egui::{Context, Ui};

use super::action::{Action, Actions, Dialog, Page};
use super::dialogs::{Chosen, Dialogs};
use super::pages::train::setup::issue_words;
use super::state::{Exported, JobKind, Model, PreviewState, QueuedJob, Samples, Seen, Tone};
use crate::jobs::{Desk, Job, JobId, Probe, Question};
use crate::spec::{Command, DataConfig, RunConfig, RunId, Wanted};

/// Applies everything.
pub struct Updater {
    desk: Desk,
    dialogs: Dialogs,
    /// The data that a preview was last asked for.
    previewed: Option<DataConfig>,
    /// What is to be done as soon as this run is at hand.
    when_read: Option<(RunId, Action)>,
    /// The widget that had the focus in the last frame.
    focused: Option<egui::Id>,
    /// What of the run in training was looked at in the last frame.
    wanted: Wanted,
}

impl Updater {
    /// Asks for the list of runs and the form's data.
    pub fn start(desk: Desk, ctx: &Context, model: &mut Model) -> Self {
        model.datasets = crate::jobs::datasets();
        let mut updater = Self {
            desk,
            dialogs: Dialogs::new(ctx),
            previewed: None,
            when_read: None,
            focused: None,
            wanted: Wanted::default(),
        };
        updater.ask(model, Question::Runs);
        updater.check_form(model);
        updater.ask(model, Question::Fetchable);
        updater
    }

    /// Takes in one message, answer, picture or chosen file; false if nothing is there.
    pub fn drain_one(&mut self, model: &mut Model) -> bool {
        if let Some(message) = self.desk.message() {
            self.hear(model, message);
        } else if let Some(answer) = self.desk.answer() {
            self.learn(model, answer);
        } else if let Some((run, snapshot)) = self.desk.latest() {
            model.runs.set_live(run, snapshot);
        } else if let Some(chosen) = self.dialogs.chosen() {
            self.take_chosen(model, chosen);
        } else {
            return false;
        }
        true
    }

    /// Applies what was asked for in this frame, and sees to what the next one needs.
    pub fn apply_all(&mut self, ui: &Ui, model: &mut Model, actions: &mut Actions) {
        let mut hovered = None;
        let mut wanted = Wanted::default();
        // All that is done to a field while the pointer is held down, or while it has the focus, is one step of undo.
        let focused = ui.memory(egui::Memory::focused);
        let in_gesture = focused.is_some() || ui.input(|input| input.pointer.any_down());
        if focused != self.focused {
            self.focused = focused;
            model.form.end_gesture();
        }
        for action in actions.0.drain(..) {
            match action {
                Action::Hover(run) => hovered = Some(run),
                Action::Look(looked) => wanted = looked,
                Action::Edit(config) => {
                    model.form.edit(*config, in_gesture);
                    self.check_form(model);
                    ui.request_repaint();
                }
                other => {
                    self.apply(ui, model, other);
                    ui.request_repaint();
                }
            }
        }
        if let Some((_, action)) = self.when_read.take_if(|(run, _)| model.runs.is_read(*run)) {
            self.apply(ui, model, action);
            ui.request_repaint();
        }
        if !in_gesture {
            model.form.end_gesture();
        }
        if self.wanted != wanted {
            self.wanted = wanted;
            self.desk.look(wanted);
        }
        if model.runs.hovered() != hovered {
            model.runs.set_hovered(hovered);
            ui.request_repaint();
        }
        model.held_parent = match model.page {
            Page::Compress => model.parent().map(|row| row.run.run),
            _ => None,
        };
        if self.previewed.is_none() {
            // There was no room for the question.
            self.check_form(model);
        }
        self.open_what_is_shown(model);
        self.augment_what_is_shown(model);
    }

    #[expect(
        clippy::too_many_lines,
        reason = "one arm an action, and the compiler sees that none is forgotten"
    )]
    fn apply(&mut self, ui: &Ui, model: &mut Model, action: Action) {
        match action {
            Action::Go(page) => {
                model.page = page;
                model.visited_compare |= page == Page::Compare;
                model.visited_try |= page == Page::TryIt;
                model.runs.set_hovered(None);
            }
            Action::Open(dialog) => {
                model.dialog = Some(dialog);
                if let Dialog::Export(run) = dialog {
                    let under_way = model.queue.iter().find_map(|job| match &job.kind {
                        JobKind::Export { run: exported, to } if *exported == run => Some(to.clone()),
                        _ => None,
                    });
                    model.export = Exported {
                        to: under_way,
                        ..Exported::default()
                    };
                }
            }
            Action::Close => model.dialog = None,
            Action::Quit => ui.ctx().send_viewport_cmd(egui::ViewportCommand::Close),
            Action::ToggleDrawer => model.drawer_open = !model.drawer_open,
            Action::ShowHints(show) => model.hints = show,
            Action::Dismiss(place) => model.notices.dismiss(place),
            Action::SetTheme(theme) => {
                model.theme = theme;
                ui.ctx().set_theme(theme);
            }
            Action::Hover(_) | Action::Look(_) | Action::Edit(_) => {}
            Action::Undo => {
                model.form.undo();
                self.check_form(model);
            }
            Action::Redo => {
                model.form.redo();
                self.check_form(model);
            }
            Action::ResetForm => self.fill_form(model, RunConfig::digits_cnn()),
            Action::PasteConfig(config) => {
                self.fill_form(model, *config);
                model.dialog = None;
                model.notices.say(Tone::Good, "The configuration is in the form");
            }
            Action::ChooseDataFile => self.dialogs.choose_data_file(),
            Action::ChooseDataFolder => self.dialogs.choose_data_folder(),
            Action::UseDataFile(path) => self.use_data_file(model, &path),
            Action::ShowPanel(panel) => {
                model.page = Page::Train;
                model.panel = panel;
            }
            Action::Train => {
                model.panel = None;
                self.train(model, model.form.config.clone());
            }
            Action::TrainOtherSeed => {
                model.panel = None;
                if let Some(reason) = why_not(model) {
                    model.notices.say(Tone::Warn, reason);
                    return;
                }
                show_what_begins(model);
                // Most of the runs that may have a seed already are not at hand.
                self.ask(model, Question::Seeds(Box::new(model.form.config.clone())));
            }
            Action::TrainAll(configs) => {
                let (count, before) = (configs.len(), model.queue.len());
                show_what_begins(model);
                for config in configs {
                    // One that is refused says why, and so would all after it.
                    if !self.enqueue(model, config) {
                        break;
                    }
                }
                let taken = model.queue.len() - before;
                let words = if taken == count {
                    format!("{count} runs are on the queue")
                } else {
                    format!("{taken} of {count} runs are on the queue")
                };
                model.notices.say(Tone::Info, words);
            }
            Action::Probe(probe) => {
                let config = model.form.config.clone();
                let what = match probe {
                    Probe::LearningRate => "find a learning rate",
                    Probe::LargestBatch { .. } => "find the largest batch",
                    Probe::Throughput => "time the batches",
                    Probe::Workers => "measure the workers",
                    Probe::Profile { .. } => "time the steps",
                    Probe::LearningCurve { .. } => "draw the learning curve",
                };
                let probed = Box::new(config.clone());
                let job = Job::Probe { config, probe };
                if self.submit(model, what.to_owned(), JobKind::Probe(probe), job)
                    && let Some(queued) = model.queue.last_mut()
                {
                    queued.probed = Some(probed);
                }
            }
            Action::MeasureLayers { run, change, tolerated } => {
                let what = format!("change the layers of {} one at a time", name_of(model, run));
                let job = Job::Sensitivity { run, change, tolerated };
                self.submit(model, what, JobKind::Sensitivity(run), job);
            }
            Action::Get(name) => {
                let what = format!("get {name}");
                self.submit(model, what, JobKind::Get(name.clone()), Job::Get { name });
            }
            Action::CloneToForm(run) | Action::CopyConfig(run) if !model.runs.is_read(run) => {
                self.when_read = Some((run, action));
            }
            Action::CloneToForm(run) => {
                if let Some(open) = model.runs.open(run) {
                    let config = open.record.plan.config.clone();
                    self.fill_form(model, config);
                    model.page = Page::Train;
                } else if let Some(reason) = model.runs.failure(run) {
                    model.notices.say(Tone::Bad, reason.to_owned());
                }
            }
            Action::CopyConfig(run) => copy_config(ui, model, run),
            Action::Resume(run) => {
                let what = format!("resume {}", name_of(model, run));
                show_what_begins(model);
                self.submit(model, what, JobKind::Resume(run), Job::Resume { run });
            }
            Action::Pause => command(model, Command::Pause),
            Action::Continue => command(model, Command::Run),
            Action::Stop => command(model, Command::Stop),
            Action::CancelJob(job) => self.cancel(model, job),
            Action::MoveJob(job, place) => self.move_job(model, job, place),
            Action::Compress { run, recipes } => {
                let names: Vec<String> = recipes.iter().map(ToString::to_string).collect();
                let what = format!("compress {} by {}", name_of(model, run), names.join(", "));
                let kind = JobKind::Compress {
                    parent: run,
                    recipes: names,
                };
                self.submit(model, what, kind, Job::Compress { run, recipes });
            }
            Action::Measure(runs) => {
                let what = format!("measure {} runs side by side", runs.len());
                self.submit(model, what, JobKind::Measure(runs.clone()), Job::Measure { runs });
            }
            Action::Select(run) => {
                model.panel = None;
                model.runs.select(Some(run));
                model.runs.shown.insert(run);
                self.open_run(model, run);
            }
            Action::CompressFurther(run) => {
                model.further = Some(run);
                model.page = Page::Compress;
                self.apply(ui, model, Action::Select(run));
            }
            Action::Show(run, true) => {
                model.runs.shown.insert(run);
            }
            Action::Show(run, false) => {
                model.runs.shown.remove(&run);
            }
            Action::Solo(run) => model.runs.solo = run,
            Action::Pin(run) => model.runs.pinned = run,
            Action::Recolour(run, colour) => {
                model.runs.colours.insert(run, colour);
            }
            Action::Rename(run, name) => {
                self.ask(model, Question::Rename { run, name });
            }
            Action::Delete(runs) => {
                self.ask(model, Question::Delete(runs));
            }
            Action::Restore(runs) => {
                self.ask(model, Question::Restore(runs));
            }
            Action::Inspect(run, wanted) => {
                if self.ask(model, Question::Inspect(run, wanted)) {
                    model.runs.set_seen(run, Seen::Loading);
                }
            }
            Action::Samples {
                title,
                data,
                part,
                rows,
            } => {
                if self.ask(model, Question::Samples { data, part, rows }) {
                    model.samples = Some(Samples { title, samples: None });
                }
            }
            Action::CloseSamples => model.samples = None,
            Action::Try { runs, input } => {
                model.trial.is_waiting = self.ask(model, Question::Try { runs, input });
            }
            Action::ChooseExportFolder => {
                model.export.chosen = None;
                self.dialogs.choose_export_folder();
            }
            Action::Export { run, to } => {
                model.export.to = Some(to.clone());
                model.export.files = None;
                let what = format!("export {}", name_of(model, run));
                let kind = JobKind::Export { run, to: to.clone() };
                self.submit(model, what, kind, Job::Export { run, to });
            }
            Action::SavePicture { rect, name } => self.dialogs.save_picture(rect, name),
            Action::OpenLadder => self.dialogs.open_ladder(),
            Action::SaveText { name, text } => self.dialogs.save(name, text.into_bytes()),
            Action::Refuse(reason) => model.notices.say(Tone::Warn, reason),
            Action::CopyText(text) => {
                ui.ctx().copy_text(text);
                model.notices.say(Tone::Good, "Copied to the clipboard");
            }
        }
    }

    fn take_chosen(&mut self, model: &mut Model, chosen: Chosen) {
        match chosen {
            Chosen::DataFile(path) => self.use_data_file(model, &path),
            Chosen::ExportFolder(path) => model.export.chosen = Some(path),
            Chosen::Ladder(path) => {
                self.ask(model, Question::Ladder(path));
            }
            Chosen::Save { path, bytes } => {
                self.ask(model, Question::Write { path, bytes });
            }
            Chosen::Picture { name, bytes } => self.dialogs.save(name, bytes),
            Chosen::Failed(why) => model.notices.say(Tone::Bad, why),
        }
    }

    fn use_data_file(&mut self, model: &mut Model, path: &std::path::Path) {
        let mut config = model.form.config.clone();
        config.data = DataConfig {
            source: path.to_string_lossy().into_owned(),
            ..DataConfig::default()
        };
        self.fill_form(model, config);
        model.page = Page::Train;
    }

    fn fill_form(&mut self, model: &mut Model, config: RunConfig) {
        model.form.edit(config, false);
        self.check_form(model);
    }

    fn train(&mut self, model: &mut Model, config: RunConfig) {
        if let Some(reason) = why_not(model) {
            model.notices.say(Tone::Warn, reason);
            return;
        }
        show_what_begins(model);
        self.enqueue(model, config);
    }

    /// Trains it with a seed that no run of it has had (`used` are those of the store), and none that waits.
    fn train_other_seed(&mut self, model: &mut Model, mut config: RunConfig, used: &[u64]) {
        let alike = config.without_seed();
        let is_given = |seed| model.given_seeds.contains(&(alike.clone(), seed));
        loop {
            config.run.seed = config.run.seed.wrapping_add(1);
            if !used.contains(&config.run.seed) && !is_given(config.run.seed) {
                break;
            }
        }
        self.enqueue(model, config);
    }

    /// Whether it was taken.
    fn enqueue(&mut self, model: &mut Model, config: RunConfig) -> bool {
        let given = (config.without_seed(), config.run.seed);
        let what = config.run_name(&short(&config.data.source));
        let is_taken = self.submit(model, what, JobKind::Train, Job::Train { config });
        if is_taken {
            model.given_seeds.push(given);
        }
        is_taken
    }

    /// Whether it was taken; where not, the person is told why.
    fn submit(&mut self, model: &mut Model, what: String, kind: JobKind, job: Job) -> bool {
        let submitted = self.desk.submit(job);
        match &submitted {
            Ok(ticket) => model.queue.push(QueuedJob {
                id: ticket.job,
                what,
                kind,
                control: std::sync::Arc::clone(&ticket.control),
                is_begun: false,
                runs: Vec::new(),
                probed: None,
                progress: None,
            }),
            Err(error) => model.notices.say(Tone::Bad, format!("Not taken: {error}")),
        }
        submitted.is_ok()
    }

    #[cfg(test)]
    pub fn plant(&mut self, model: &mut Model, job: Job) {
        self.submit(model, "planted".to_owned(), JobKind::Train, job);
    }

    fn cancel(&mut self, model: &mut Model, job: JobId) {
        if self.desk.cancel(job) {
            model.queue.retain(|queued| queued.id != job);
        } else if let Some(queued) = model.queue.iter().find(|queued| queued.id == job) {
            queued.control.request(Command::Stop);
        }
    }

    fn move_job(&mut self, model: &mut Model, job: JobId, place: usize) {
        if !self.desk.reorder(job, place) {
            return;
        }
        // What no longer waits comes first, whether the worker has said so by now or not.
        let waiting = self.desk.waiting();
        model
            .queue
            .sort_by_key(|queued| waiting.iter().position(|&job| job == queued.id));
    }
}

/// Asks it of the job at work.
fn command(model: &Model, command: Command) {
    if let Some(job) = model.queue.first() {
        job.control.request(command);
    }
}

/// Why the form can't be run now.
pub fn why_not(model: &Model) -> Option<String> {
    match (&model.form.preview, &model.form.checked) {
        (_, Ok(_)) => None,
        (PreviewState::Failed(reason), _) => Some(reason.clone()),
        (_, Err(issues)) if !issues.is_empty() => Some(issue_words(&issues[0])),
        _ => Some("The data is still being read".to_owned()),
    }
}

/// A run that begins at once is looked at, unless another one is selected meanwhile; one that waits takes nothing away.
fn show_what_begins(model: &mut Model) {
    if model.queue.is_empty() {
        model.runs.select(None);
    }
}

/// Of a run that came of another by compression, the configuration of that other: there is none that trains the run itself.
fn copy_config(ui: &Ui, model: &mut Model, run: RunId) {
    let Some(open) = model.runs.open(run) else {
        if let Some(reason) = model.runs.failure(run) {
            model.notices.say(Tone::Bad, reason.to_owned());
        }
        return;
    };
    let (config, words) = match &open.trained {
        None => (
            &open.record.plan.config,
            "The configuration is on the clipboard".to_owned(),
        ),
        Some((trained, config)) => {
            let (trained, own) = (name_of(model, *trained), name_of(model, run));
            let words = format!("The configuration of {trained}, of which {own} came, is on the clipboard");
            (config, words)
        }
    };
    match crate::spec::annotated_toml(config) {
        Ok(text) => {
            ui.ctx().copy_text(text);
            model.notices.say(Tone::Good, words);
        }
        Err(error) => model.notices.say(Tone::Bad, error.to_string()),
    }
}

/// A run's name and its number: several may have the same name.
fn name_of(model: &Model, run: RunId) -> String {
    let row = model.runs.row(run);
    row.map_or_else(|| run.to_string(), |row| format!("{} ({run})", row.run.name))
}

/// A data source's last part, without its ending.
fn short(source: &str) -> String {
    PathBuf::from(source)
        .file_stem()
        .map_or_else(|| source.to_owned(), |stem| stem.to_string_lossy().into_owned())
}
