//! The form's fields by their dotted keys: what each is called, what is known of it, and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use egui::{Button, Label, Response, Sense, Ui, vec2};
use egui_material_icons::icons;

use crate::advice::{self, Note};
use crate::app::state::Form;
use crate::app::theme::{self, CONTROL_HEIGHT, Tokens};
use crate::app::widgets::field::{Field, GUTTER, Typed, problem_ui};
use crate::spec::{ConfigIssue, KEYS, Shape};

/// Every key with its label, in the order of the file.
pub const LABELS: [(&str, &str); 73] = [
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
    ("train.prune", "Prune"),
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
    /// Keys whose value is not the default.
    pub changed: &'a BTreeSet<&'static str>,
    /// What the next field is called, where not as in [`LABELS`].
    pub called: Option<&'static str>,
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
            label: self.called.take().unwrap_or_else(|| label_of(key)),
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

    /// Shape of a sample, as far as it is known.
    pub fn input(&self) -> Option<Shape> {
        self.form.last_preview().map(|preview| preview.summary.input)
    }

    /// Whether numbers are predicted, as far as it is known.
    pub fn is_regression(&self) -> bool {
        let preview = self.form.last_preview();
        preview.is_some_and(|preview| preview.summary.task.is_regression())
    }

    /// The next field is called so.
    pub fn called(&mut self, label: &'static str) {
        self.called = Some(label);
    }

    /// Whether the field of this key is seen: it applies, or it is wrong and must be mended.
    pub fn sees(&self, key: &str, applies: bool) -> bool {
        applies || self.is_wrong(key)
    }

    /// Fields that are seldom needed, folded away until they are wanted, or one of them is wrong; tells how many are changed.
    pub fn more_ui(&mut self, ui: &mut Ui, is_open: &mut bool, keys: &[&str], body: impl FnOnce(&mut Ui, &mut Self)) {
        let is_wrong = keys
            .iter()
            .any(|key| self.is_wrong(key) || self.typing.get(key).is_some_and(|typed| typed.problem().is_some()));
        let changed = keys.iter().filter(|key| self.changed.contains(*key)).count();
        let is_shown = *is_open || is_wrong;
        let (icon, word) = if is_shown {
            (icons::ICON_EXPAND_LESS, "Less")
        } else {
            (icons::ICON_EXPAND_MORE, "More")
        };
        let section = keys.first().and_then(|key| key.split('.').next()).unwrap_or_default();
        let tokens = Tokens::of(ui);
        ui.horizontal(|ui| {
            ui.add_space(GUTTER - 4.0);
            ui.spacing_mut().button_padding = vec2(4.0, 2.0);
            let words = (
                theme::icon(icon).size(15.0).color(tokens.text_soft),
                theme::label(ui, word),
            );
            let response = ui
                .add(Button::new(words).frame_when_inactive(false))
                .accessible_name(format!("{word} {section} settings"));
            ui.ctx()
                .accesskit_node_builder(response.id, |node| node.set_expanded(is_shown));
            if response.on_hover_text("Settings that are seldom needed").clicked() {
                *is_open = !is_shown;
            }
            if changed > 0 && !is_shown {
                let (dot, _) = ui.allocate_exact_size(vec2(8.0, CONTROL_HEIGHT), Sense::hover());
                ui.painter().circle_filled(dot.center(), 2.5, tokens.accent);
                ui.label(theme::hint(ui, format!("{changed} changed")));
            }
        });
        if is_shown {
            body(ui, self);
        }
    }
}

/// A word over fields that belong together.
pub fn group_ui(ui: &mut Ui, name: &str) {
    ui.add_space(4.0);
    ui.horizontal(|ui| {
        ui.spacing_mut().interact_size.y = 16.0;
        ui.add_space(GUTTER);
        ui.label(theme::hint(ui, name));
    });
}

/// A word under a field on what its value brings.
pub fn note_ui(ui: &mut Ui, words: &str) {
    ui.horizontal(|ui| {
        ui.add_space(GUTTER);
        ui.add(Label::new(theme::hint(ui, words)).wrap());
    });
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

/// What is wrong and what to do, by the name of its field.
pub fn issue_words(issue: &ConfigIssue) -> String {
    match label_of(&issue.field) {
        "" => issue.to_string(),
        label => format!("{label}: {}; {}", issue.problem, issue.remedy),
    }
}

pub fn label_of(key: &str) -> &'static str {
    LABELS
        .iter()
        .find(|(path, _)| *path == key)
        .map_or("", |(_, label)| label)
}

/// What is said on hover: the note on a key, or its one sentence where there is none.
fn doc_of(key: &str) -> &'static str {
    static DOCS: OnceLock<BTreeMap<&'static str, String>> = OnceLock::new();
    let said = |path, doc: &str| advice::note(path).map_or_else(|| doc.to_owned(), words);
    let docs = DOCS.get_or_init(|| KEYS.iter().map(|key| (key.path, said(key.path, key.doc))).collect());
    docs.get(key).map_or("", String::as_str)
}

fn words(note: &Note) -> String {
    format!("{}\n\nCost: {}\n\nTry: {}", note.does, note.costs, note.attempt)
}
