//! The set-up form: a configuration, its way back and forth, and what is known of its data.

use crate::jobs::Preview;
use crate::spec::{ConfigIssue, RunConfig, RunPlan, annotated_toml};

/// Steps of undo that are kept.
const DEPTH: usize = 200;

#[derive(Debug)]
pub struct Form {
    pub config: RunConfig,
    pub preview: PreviewState,
    /// What was seen of the same source under its settings before.
    before: Option<Box<Preview>>,
    /// The configuration against its data; empty issues while the data is still being read.
    pub checked: Result<Box<RunPlan>, Vec<ConfigIssue>>,
    undo: Vec<RunConfig>,
    redo: Vec<RunConfig>,
    /// The gesture under way has its step of undo already.
    is_dragging: bool,
}

/// What is known of the form's data.
#[derive(Debug, Default)]
pub enum PreviewState {
    #[default]
    Waiting,
    Ready(Box<Preview>),
    /// Why the data can't be read.
    Failed(String),
}

impl Default for Form {
    /// The first start: handwritten digits and the preset convolutional network.
    fn default() -> Self {
        Self::new(RunConfig::digits_cnn())
    }
}

impl Form {
    pub fn new(config: RunConfig) -> Self {
        Self {
            config,
            preview: PreviewState::Waiting,
            before: None,
            checked: Err(Vec::new()),
            undo: Vec::new(),
            redo: Vec::new(),
            is_dragging: false,
        }
    }

    /// Takes a changed configuration; all changes within one gesture are one step.
    pub fn edit(&mut self, config: RunConfig, in_gesture: bool) {
        if config == self.config {
            return;
        }
        let before = std::mem::replace(&mut self.config, config);
        if !(in_gesture && self.is_dragging) {
            self.undo.push(before);
            if self.undo.len() > DEPTH {
                self.undo.remove(0);
            }
        }
        self.is_dragging = in_gesture;
        self.redo.clear();
    }

    /// The next change is a step of its own.
    pub fn end_gesture(&mut self) {
        self.is_dragging = false;
    }

    /// The data are being read; what was seen of the same source stays to be shown meanwhile.
    pub fn wait(&mut self, is_same_source: bool) {
        let seen = std::mem::take(&mut self.preview);
        if !is_same_source {
            self.before = None;
        } else if let PreviewState::Ready(preview) = seen {
            self.before = Some(preview);
        }
    }

    pub fn undo(&mut self) {
        self.is_dragging = false;
        if let Some(config) = self.undo.pop() {
            self.redo.push(std::mem::replace(&mut self.config, config));
        }
    }

    pub fn redo(&mut self) {
        self.is_dragging = false;
        if let Some(config) = self.redo.pop() {
            self.undo.push(std::mem::replace(&mut self.config, config));
        }
    }

    pub fn can_undo(&self) -> bool {
        !self.undo.is_empty()
    }

    pub fn can_redo(&self) -> bool {
        !self.redo.is_empty()
    }

    /// The preview, once it is that of the configured data.
    pub fn preview(&self) -> Option<&Preview> {
        match &self.preview {
            PreviewState::Ready(preview) => Some(preview),
            PreviewState::Waiting | PreviewState::Failed(_) => None,
        }
    }

    /// The preview, or the one before it while the data are being read again.
    pub fn last_preview(&self) -> Option<&Preview> {
        self.preview().or(self.before.as_deref())
    }

    /// Why the field with this dotted key is wrong.
    pub fn issues_of<'a>(&'a self, field: &'a str) -> impl Iterator<Item = &'a ConfigIssue> {
        self.checked
            .as_ref()
            .err()
            .into_iter()
            .flatten()
            .filter(move |issue| issue.field == field)
    }

    pub fn plan(&self) -> Option<&RunPlan> {
        self.checked.as_deref().ok()
    }

    /// The configuration as the file has it.
    pub fn toml(&self) -> String {
        annotated_toml(&self.config).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_epochs(epochs: usize) -> RunConfig {
        let mut config = RunConfig::default();
        config.train.epochs = epochs;
        config
    }

    #[test]
    fn one_drag_is_one_step_of_undo() {
        let mut form = Form::new(with_epochs(1));
        for epochs in 2..10 {
            form.edit(with_epochs(epochs), true);
        }
        form.end_gesture();
        form.edit(with_epochs(20), false);
        form.undo();
        assert_eq!(form.config.train.epochs, 9);
        form.undo();
        assert_eq!(form.config.train.epochs, 1);
        assert!(!form.can_undo());
        form.redo();
        form.redo();
        assert_eq!(form.config.train.epochs, 20);
        form.undo();
        form.edit(with_epochs(5), false);
        assert!(!form.can_redo());
    }

    #[test]
    fn what_was_seen_stays_while_the_same_source_is_read_again() {
        let mut form = Form::default();
        let preview = |form: &Form| Preview {
            summary: crate::data::load(&form.config.data).unwrap().summary,
            samples: Vec::new(),
            points: Vec::new(),
            findings: Vec::new(),
        };
        form.preview = PreviewState::Ready(Box::new(preview(&form)));
        form.wait(true);
        assert!(form.preview().is_none() && form.last_preview().is_some());
        form.wait(true);
        assert!(form.last_preview().is_some());
        form.wait(false);
        assert!(form.last_preview().is_none());
    }

    #[test]
    fn two_drags_are_two_steps() {
        let mut form = Form::new(with_epochs(1));
        form.edit(with_epochs(2), true);
        form.end_gesture();
        form.edit(with_epochs(3), true);
        form.undo();
        assert_eq!(form.config.train.epochs, 2);
    }
}
