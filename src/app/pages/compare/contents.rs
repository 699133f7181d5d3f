//! What is compared: the measured runs with an open eye whose scores are taken on the same, beside their baseline.

use std::collections::BTreeMap;

use crate::app::state::{Model, RowExt as _};
use crate::jobs::RunRow;
use crate::spec::RunId;

/// The measured runs of every data set, apart where target or split differ; made anew when the list of runs has changed.
#[derive(Debug, Default)]
pub struct Overview {
    revision: u64,
    measured: BTreeMap<String, Vec<RunId>>,
    /// The data set of the latest measured run.
    latest: Option<String>,
}

impl Overview {
    pub fn refresh(&mut self, model: &Model) {
        if self.revision == model.runs.revision() {
            return;
        }
        self.revision = model.runs.revision();
        self.measured.clear();
        self.latest = None;
        for row in model.runs.rows() {
            if row.is_usable() && row.run.deployed.is_some() {
                let group = model.runs.group(row.run.run).unwrap_or_default();
                match self.measured.get_mut(group) {
                    Some(runs) => runs.push(row.run.run),
                    None => {
                        self.measured.insert(group.to_owned(), vec![row.run.run]);
                    }
                }
                if self.latest.as_deref() != Some(group) {
                    self.latest = Some(group.to_owned());
                }
            }
        }
    }

    /// Data sets with a measured run, by name.
    pub fn datasets(&self) -> impl Iterator<Item = &str> {
        self.measured.keys().map(String::as_str)
    }

    /// The wanted data set, if it has measured runs, else that of the latest measured run.
    pub fn choice(&self, wanted: Option<&str>) -> Option<&str> {
        let wanted = wanted.and_then(|wanted| self.measured.get_key_value(wanted));
        wanted.map(|(name, _)| name.as_str()).or(self.latest.as_deref())
    }

    /// Measured runs on a data set, the oldest first.
    pub fn measured(&self, dataset: &str) -> &[RunId] {
        self.measured.get(dataset).map_or(&[], Vec::as_slice)
    }
}

/// The run that the others on the data set are compared with: the pinned one where it is measured, else the first
/// uncompressed one with an open eye, else the parent of the first one, else that itself.
pub fn baseline<'a>(model: &'a Model, dataset: &str) -> Option<&'a RunRow> {
    let is_there = |row: &RunRow| model.runs.group(row.run.run) == Some(dataset);
    let usable = |row: &&RunRow| is_there(row) && row.is_usable() && row.run.deployed.is_some();
    if let Some(pinned) = model.runs.pinned.and_then(|run| model.runs.row(run)).filter(usable) {
        return Some(pinned);
    }
    let shown: Vec<&RunRow> = model.runs.visible().filter(usable).collect();
    let first = *shown.first()?;
    let parent = first.origin.as_ref().and_then(|(parent, _)| model.runs.row(*parent));
    let uncompressed = shown.into_iter().find(|row| row.origin.is_none());
    Some(uncompressed.or(parent.filter(usable)).unwrap_or(first))
}

/// The compared runs.
#[derive(Debug)]
pub struct Contents<'a> {
    pub baseline: &'a RunRow,
    /// The baseline first, then the others with an open eye, the oldest first.
    pub rows: Vec<&'a RunRow>,
}

impl<'a> Contents<'a> {
    /// None where every eye on the data set is closed.
    pub fn of(model: &'a Model, dataset: &str) -> Option<Self> {
        let baseline = baseline(model, dataset)?;
        let others = model.runs.visible().filter(|row| {
            let is_measured = row.is_usable() && row.run.deployed.is_some();
            is_measured && model.runs.group(row.run.run) == Some(dataset) && row.run.run != baseline.run.run
        });
        Some(Self {
            baseline,
            rows: std::iter::once(baseline).chain(others).collect(),
        })
    }

    /// The recipe of a compressed run where all have one parent, else the name.
    pub fn short_name(&self, row: &RunRow) -> String {
        let parents = self.rows.iter().filter_map(|row| Some(row.origin.as_ref()?.0));
        let is_one_family = parents.clone().max() == parents.min();
        match &row.origin {
            Some((_, recipe)) if is_one_family => recipe.to_string(),
            _ => row.run.name.clone(),
        }
    }

    /// The baseline of a row: none for itself.
    pub fn baseline_of(&self, row: &RunRow) -> Option<&'a RunRow> {
        (row.run.run != self.baseline.run.run).then_some(self.baseline)
    }
}
