//! Progress on standard error, where that is a terminal: one bar for the run that is at work.

use indicatif::{ProgressBar, ProgressStyle};

use super::report;
use crate::spec::{Envelope, Event, RunId};
use crate::timeline::RunView;

/// Folds the stream of events into a bar and a line.
pub struct Progress {
    bar: ProgressBar,
    run: Option<RunId>,
    view: RunView,
}

impl Progress {
    pub fn new() -> Self {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{prefix} {bar:12} {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self {
            bar,
            run: None,
            view: RunView::new(),
        }
    }

    pub fn show(&mut self, envelope: &Envelope) {
        if self.run != Some(envelope.run) {
            self.run = Some(envelope.run);
            self.view = RunView::new();
            self.bar.set_prefix(envelope.run.to_string());
        }
        self.view.apply(envelope);
        match &envelope.event {
            Event::Progress { done, total, .. } => {
                self.bar.set_length(*total as u64);
                self.bar.set_position(*done as u64);
            }
            Event::Started { .. } | Event::Steps { .. } => {
                self.bar.set_length(self.view.total_steps as u64);
                self.bar.set_position(self.view.step as u64);
            }
            Event::Note { text } => self.bar.suspend(|| report::tell(&format!("{}: {text}", envelope.run))),
            Event::Memory { .. }
            | Event::Epoch { .. }
            | Event::Paused { .. }
            | Event::Resumed { .. }
            | Event::Ended { .. } => {}
        }
        self.bar.set_message(self.view.progress_line());
    }

    /// How far a job is that is no run's.
    pub fn part(&mut self, what: &str, done: usize, total: usize) {
        self.run = None;
        self.bar.set_prefix("");
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
        self.bar.set_message(what.to_owned());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
