//! The one place where the model changes: by actions after drawing, by the worker's messages and by answers before it.

mod news;

use std::path::PathBuf;

use egui::{Context, Ui};

use super::action::{Action, Actions, Dialog, Page, Panel};
use super::dialogs::{Chosen, Dialogs};
use super::pages::train::setup::issue_words;
use super::state::{Exported, JobKind, Model, PreviewState, QueuedJob, Samples, Seen, Tone};
use crate::jobs::{Desk, Job, JobId, Probe, Question};
use crate::spec::{Command, DataConfig, RunConfig, RunId, Wanted, parse_config};

/// Applies everything.
pub struct Updater {
    desk: Desk,
    dialogs: Dialogs,
    /// The data that a preview was last asked for.
    previewed: Option<DataConfig>,
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
            Action::PasteConfig(text) => match parse_config(&text, &[]) {
                Ok(config) => {
                    self.fill_form(model, config);
                    model.dialog = None;
                    model.notices.say(Tone::Good, "The configuration is in the form");
                }
                Err(error) => model.notices.say(Tone::Bad, format!("Not taken: {error}")),
            },
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
                let count = configs.len();
                show_what_begins(model);
                for config in configs {
                    self.enqueue(model, config);
                }
                model.notices.say(Tone::Info, format!("{count} runs are on the queue"));
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
                let waiting = model.queue.len();
                let job = Job::Probe { config, probe };
                self.submit(model, what.to_owned(), JobKind::Probe(probe), job);
                if let Some(queued) = model.queue.get_mut(waiting) {
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
            Action::CloneToForm(run) => {
                if let Some(open) = model.runs.open(run) {
                    let config = open.record.plan.config.clone();
                    self.fill_form(model, config);
                    model.page = Page::Train;
                } else {
                    self.open_run(model, run);
                    model
                        .notices
                        .say(Tone::Info, format!("Run {run} is still being read: press again"));
                }
            }
            Action::CopyConfig(run) => {
                if let Some(open) = model.runs.open(run) {
                    copy_config(ui, model, &open.record.plan.config.clone());
                } else {
                    self.open_run(model, run);
                    model
                        .notices
                        .say(Tone::Info, format!("Run {run} is still being read: press again"));
                }
            }
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
            Action::Rename(run, name) => self.ask(model, Question::Rename { run, name }),
            Action::Delete(runs) => self.ask(model, Question::Delete(runs)),
            Action::Restore(runs) => self.ask(model, Question::Restore(runs)),
            Action::Inspect(run, wanted) => {
                model.runs.set_seen(run, Seen::Loading);
                self.ask(model, Question::Inspect(run, wanted));
            }
            Action::Samples {
                title,
                data,
                part,
                rows,
            } => {
                model.samples = Some(Samples { title, samples: None });
                self.ask(model, Question::Samples { data, part, rows });
            }
            Action::CloseSamples => model.samples = None,
            Action::Try { runs, input } => {
                model.trial.is_waiting = true;
                self.ask(model, Question::Try { runs, input });
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
            Chosen::Ladder(path) => self.ask(model, Question::Ladder(path)),
            Chosen::Save { path, bytes } => self.ask(model, Question::Write { path, bytes }),
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

    /// Checks the form against its data, and asks for the data's preview where it is missing.
    fn check_form(&mut self, model: &mut Model) {
        let data = model.form.config.data.unaugmented();
        if self.previewed.as_ref() != Some(&data) {
            let before = self.previewed.replace(data.clone());
            model
                .form
                .wait(before.is_some_and(|before| before.source == data.source));
            self.ask(model, Question::Preview(data));
        }
        let form = &mut model.form;
        form.checked = match &form.preview {
            PreviewState::Ready(preview) => crate::jobs::check(&form.config, &preview.summary).map(Box::new),
            PreviewState::Waiting | PreviewState::Failed(_) => Err(form.config.data.issues()),
        };
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

    fn enqueue(&mut self, model: &mut Model, config: RunConfig) {
        model.given_seeds.push((config.without_seed(), config.run.seed));
        let what = config.run_name(&short(&config.data.source));
        self.submit(model, what, JobKind::Train, Job::Train { config });
    }

    fn submit(&mut self, model: &mut Model, what: String, kind: JobKind, job: Job) {
        match self.desk.submit(job) {
            Ok(ticket) => model.queue.push(QueuedJob {
                id: ticket.job,
                what,
                kind,
                control: ticket.control,
                is_begun: false,
                run: None,
                probed: None,
                progress: None,
            }),
            Err(error) => model.notices.say(Tone::Bad, format!("Not taken: {error}")),
        }
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
        let first_waiting = usize::from(model.queue.first().is_some_and(|queued| queued.is_begun));
        if let Some(from) = model.queue.iter().position(|queued| queued.id == job) {
            let queued = model.queue.remove(from);
            let to = (first_waiting + place).min(model.queue.len());
            model.queue.insert(to, queued);
        }
    }

    /// Reads the events of every run that is drawn, and forgets those of runs that are not.
    fn open_what_is_shown(&mut self, model: &mut Model) {
        let mut wanted: Vec<RunId> = model.runs.visible().map(|row| row.run.run).collect();
        let focus = model.focus();
        wanted.extend(focus);
        wanted.extend(focus.and_then(|run| model.runs.baseline_of(run)).map(|row| row.run.run));
        wanted.extend(model.live_run());
        wanted.extend(model.held_parent);
        if let Some(Dialog::Export(run)) = model.dialog {
            wanted.push(run);
        }
        for &run in &wanted {
            self.open_run(model, run);
        }
        model.runs.retain_open(|run| wanted.contains(&run));
    }

    /// Asks for samples before and after augmentation while they are looked at.
    fn augment_what_is_shown(&mut self, model: &mut Model) {
        let config = &model.form.config;
        let wanted = (config.data.clone(), config.run.seed);
        let is_right = config.data.issues().is_empty() && model.form.preview().is_some();
        let is_shown = model.panel == Some(Panel::Augmentation) && model.page == Page::Train;
        if !is_shown || !is_right || model.augmented.asked.as_ref() == Some(&wanted) {
            return;
        }
        let (data, seed) = wanted.clone();
        // What was seen of the same source stays until the new samples come.
        let before = model.augmented.asked.replace(wanted);
        if before.is_none_or(|(before, _)| before.source != data.source) {
            model.augmented.samples = None;
        }
        self.ask(model, Question::Augment { data, seed });
    }

    fn open_run(&mut self, model: &mut Model, run: RunId) {
        if model.runs.begin_open(run) {
            self.ask(model, Question::Run(run));
        }
    }

    fn ask(&mut self, model: &mut Model, question: Question) {
        if !self.desk.ask(question) {
            model
                .notices
                .say(Tone::Warn, "Too much was asked at once; try again in a moment");
        }
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

fn copy_config(ui: &Ui, model: &mut Model, config: &RunConfig) {
    match crate::spec::annotated_toml(config) {
        Ok(text) => {
            ui.ctx().copy_text(text);
            model.notices.say(Tone::Good, "The configuration is on the clipboard");
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
