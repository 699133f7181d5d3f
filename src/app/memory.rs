//! What the window remembers from one start to the next.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::action::Page;
use super::state::{Form, Model, Views};
use crate::spec::{RunConfig, RunId, parse_config};

/// The key in eframe's storage.
const KEY: &str = "trimtab";

#[derive(Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
struct Memory {
    page: Page,
    /// The form, as the configuration file has it.
    form: Option<String>,
    drawer_open: bool,
    hints: bool,
    visited_compare: bool,
    visited_try: bool,
    theme: egui::ThemePreference,
    pinned: Option<i64>,
    shown: BTreeSet<i64>,
    colours: BTreeMap<i64, usize>,
    views: Views,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            page: Page::Train,
            form: None,
            drawer_open: true,
            hints: true,
            visited_compare: false,
            visited_try: false,
            theme: egui::ThemePreference::System,
            pinned: None,
            shown: BTreeSet::new(),
            colours: BTreeMap::new(),
            views: Views::default(),
        }
    }
}

/// The model and the views as they were left; as at the first start where nothing (or nothing readable) is stored.
pub fn recall(storage: Option<&dyn eframe::Storage>) -> (Model, Views) {
    let memory: Memory = storage
        .and_then(|storage| eframe::get_value(storage, KEY))
        .unwrap_or_default();
    let config = memory.form.and_then(|text| parse_config(&text, &[]).ok());
    let mut model = Model {
        page: memory.page,
        drawer_open: memory.drawer_open,
        hints: memory.hints,
        visited_compare: memory.visited_compare,
        visited_try: memory.visited_try,
        theme: memory.theme,
        form: Form::new(config.unwrap_or_else(RunConfig::digits_cnn)),
        ..Model::default()
    };
    model.runs.pinned = memory.pinned.map(RunId);
    model.runs.shown = memory.shown.into_iter().map(RunId).collect();
    model.runs.colours = memory
        .colours
        .into_iter()
        .map(|(run, colour)| (RunId(run), colour))
        .collect();
    (model, memory.views)
}

/// Writes what [`recall`] reads.
pub fn remember(storage: &mut dyn eframe::Storage, model: &Model, views: &mut Views) {
    let memory = Memory {
        page: model.page,
        form: Some(model.form.toml()),
        drawer_open: model.drawer_open,
        hints: model.hints,
        visited_compare: model.visited_compare,
        visited_try: model.visited_try,
        theme: model.theme,
        pinned: model.runs.pinned.map(|run| run.0),
        shown: model.runs.shown.iter().map(|run| run.0).collect(),
        colours: model
            .runs
            .colours
            .iter()
            .map(|(run, &colour)| (run.0, colour))
            .collect(),
        views: std::mem::take(views),
    };
    eframe::set_value(storage, KEY, &memory);
    *views = memory.views;
}
