//! The form's fields by their dotted keys: what each is called, what is known of it, and what is wrong with it.

use std::collections::BTreeMap;

use egui::{Response, Ui};

use crate::app::state::Form;
use crate::app::widgets::field::{Field, Typed, problem_ui};
use crate::spec::KEYS;

/// Every key with its label, in the order of the file.
pub const LABELS: [(&str, &str); 72] = [
    ("data.source", "Data set"),
    ("data.target", "Target column"),
    ("data.task", "Task"),
    ("data.split", "Split"),
    ("data.split_seed", "Split seed"),
    ("data.samples", "Points"),
    ("data.noise", "Noise"),
    ("data.steps", "Steps"),
    ("data.window", "Window"),
    ("data.horizon", "Horizon"),
    ("data.vocabulary", "Vocabulary"),
    ("data.image_size", "Image size"),
    ("data.grey", "Grey"),
    ("data.memory_mb", "Memory"),
    ("data.augment", "Augmentation"),
    ("model.architecture", "Architecture"),
    ("model.hidden", "Hidden units"),
    ("model.filters", "Filters"),
    ("model.kernel", "Kernel, pixels"),
    ("model.pool", "Pooling, pixels"),
    ("model.padding", "Padding"),
    ("model.batch_norm", "Batch norm"),
    ("model.activation", "Activation"),
    ("model.dropout", "Dropout"),
    ("model.initialiser", "First weights"),
    ("model.units", "Recurrent units"),
    ("model.bidirectional", "Both directions"),
    ("model.dimensions", "Dimensions"),
    ("model.heads", "Heads"),
    ("model.blocks", "Blocks"),
    ("model.feed_forward", "Feed-forward"),
    ("model.positions", "Positions"),
    ("model.summary", "Answers by"),
    ("model.pre_norm", "Norm before"),
    ("model.patch", "Patch, pixels"),
    ("model.trees", "Trees"),
    ("model.neighbours", "Neighbours"),
    ("model.penalty", "L2 penalty"),
    ("model.layers", "Layers"),
    ("train.epochs", "Epochs"),
    ("train.batch_size", "Batch size"),
    ("train.accumulate", "Accumulate"),
    ("train.learning_rate", "Learning rate"),
    ("train.optimizer", "Optimizer"),
    ("train.momentum", "Momentum"),
    ("train.nesterov", "Nesterov"),
    ("train.weight_decay", "Weight decay"),
    ("train.decay_all", "Decay all"),
    ("train.l1", "L1 penalty"),
    ("train.schedule", "Schedule"),
    ("train.step_epochs", "Drop every"),
    ("train.step_factor", "Drop to"),
    ("train.warmup_epochs", "Warm-up"),
    ("train.gradient_clip", "Gradient clip"),
    ("train.loss", "Loss"),
    ("train.focal_gamma", "Focus"),
    ("train.huber_delta", "Huber delta"),
    ("train.label_smoothing", "Label smoothing"),
    ("train.class_weights", "Class weights"),
    ("train.average", "Weight average"),
    ("train.precision", "Precision"),
    ("train.recompute", "Recompute"),
    ("train.workers", "Workers"),
    ("train.time_limit", "Time limit"),
    ("train.early_stopping.metric", "Watched metric"),
    ("train.early_stopping.patience", "Patience"),
    ("train.early_stopping.minimum_improvement", "Smallest gain"),
    ("train.target.metric", "Enough: metric"),
    ("train.target.value", "Enough: value"),
    ("run.seed", "Seed"),
    ("run.device", "Device"),
    ("run.name", "Run name"),
];

/// What is being typed, by key.
pub type Typing = BTreeMap<&'static str, Typed>;

/// The fields of one frame.
pub struct Fields<'a> {
    pub form: &'a Form,
    pub typing: &'a mut Typing,
}

impl Fields<'_> {
    /// A field with its control beside the label.
    pub fn show<T: PartialEq + Clone>(
        &mut self,
        ui: &mut Ui,
        key: &'static str,
        value: &mut T,
        default: &T,
        control: impl FnOnce(&mut Ui, &mut T, &mut Option<Typed>) -> Response,
    ) {
        self.place(ui, key, false, value, default, control);
    }

    /// A field with its control on a line of its own.
    pub fn show_wide<T: PartialEq + Clone>(
        &mut self,
        ui: &mut Ui,
        key: &'static str,
        value: &mut T,
        default: &T,
        control: impl FnOnce(&mut Ui, &mut T, &mut Option<Typed>) -> Response,
    ) {
        self.place(ui, key, true, value, default, control);
    }

    fn place<T: PartialEq + Clone>(
        &mut self,
        ui: &mut Ui,
        key: &'static str,
        is_wide: bool,
        value: &mut T,
        default: &T,
        control: impl FnOnce(&mut Ui, &mut T, &mut Option<Typed>) -> Response,
    ) {
        let mut typed = self.typing.remove(key);
        let is_no_value = typed.as_ref().is_some_and(|typed| typed.problem().is_some());
        let field = Field {
            label: label_of(key),
            doc: doc_of(key),
            is_changed: is_no_value || value != default,
            is_wide,
        };
        if field.show(ui, |ui| control(ui, value, &mut typed)) {
            *value = default.clone();
            typed = None;
        }
        if let Some(problem) = typed.as_ref().and_then(Typed::problem) {
            problem_ui(ui, &problem);
        }
        self.problems_ui(ui, key);
        if let Some(typed) = typed {
            self.typing.insert(key, typed);
        }
    }

    /// Why the value of this key is wrong.
    pub fn problems_ui(&self, ui: &mut Ui, key: &str) {
        for issue in self.form.issues_of(key) {
            problem_ui(ui, &format!("{}; {}", issue.problem, issue.remedy));
        }
    }

    /// Whether a field must be seen although it does not apply.
    pub fn is_wrong(&self, key: &str) -> bool {
        self.form.issues_of(key).next().is_some()
    }
}

/// Things to mend in a section: `data`, `model`, `train` or `run`.
pub fn problem_count(form: &Form, typing: &Typing, section: &str) -> usize {
    let is_inside = |key: &str| key.split('.').next() == Some(section);
    let issues = form.checked.as_ref().err().into_iter().flatten();
    let typed = typing
        .iter()
        .filter(|(key, typed)| is_inside(key) && typed.problem().is_some());
    issues.filter(|issue| is_inside(&issue.field)).count() + typed.count()
}

pub fn label_of(key: &str) -> &'static str {
    LABELS
        .iter()
        .find(|(path, _)| *path == key)
        .map_or("", |(_, label)| label)
}

fn doc_of(key: &str) -> &'static str {
    KEYS.iter()
        .find(|known| known.path == key)
        .map_or("", |known| known.doc)
}
