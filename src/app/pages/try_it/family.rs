//! Who answers: the baseline, the uncompressed run, and what was compressed from it.

use std::collections::BTreeMap;

use crate::app::state::{Model, RowExt as _};
use crate::jobs::RunRow;
use crate::spec::{DatasetSummary, RunId};

/// Networks that answer where nobody has ticked any.
const AT_FIRST: usize = 6;

/// Networks that can be tried side by side.
pub struct Family<'a> {
    /// The uncompressed run.
    pub root: &'a RunRow,
    /// The baseline first, then the uncompressed run, then the compressed ones by their number.
    pub members: Vec<&'a RunRow>,
}

impl<'a> Family<'a> {
    /// Of the run in focus, else of the latest that can be tried.
    pub fn of(model: &'a Model) -> Option<Self> {
        let root = model.tried()?;
        let runs = &model.runs;
        let pinned = runs.pinned.and_then(|run| runs.row(run));
        let baseline = pinned
            .filter(|row| row.is_usable() && row.is_comparable(root))
            .unwrap_or(root);
        let mut members = vec![baseline];
        let is_new = |row: &RunRow| row.run.run != baseline.run.run;
        members.extend(Some(root).filter(|root| is_new(root)));
        let stems = |row: &&RunRow| {
            let parent = row.origin.as_ref().map(|(parent, _)| *parent);
            parent == Some(root.run.run) && row.is_usable() && is_new(row)
        };
        members.extend(runs.rows().iter().filter(stems));
        Some(Self { root, members })
    }

    pub fn baseline(&self) -> &'a RunRow {
        self.members.first().copied().unwrap_or(self.root)
    }

    /// The members that answer: those ticked by hand; without a word, the first of those that were measured.
    pub fn chosen(&self, ticks: &BTreeMap<RunId, bool>) -> Vec<&'a RunRow> {
        let baseline = self.baseline().run.run;
        let is_measured = |row: &RunRow| row.run.deployed.is_some() || row.run.run == baseline;
        let at_first = self.members.iter().filter(|row| is_measured(row)).take(AT_FIRST);
        let at_first: Vec<RunId> = at_first.map(|row| row.run.run).collect();
        let is_chosen = |row: &&RunRow| {
            let run = row.run.run;
            ticks.get(&run).copied().unwrap_or_else(|| at_first.contains(&run))
        };
        self.members.iter().copied().filter(is_chosen).collect()
    }

    /// The data that all of them were trained on, where a plan is at hand.
    pub fn dataset(&self, model: &'a Model) -> Option<&'a DatasetSummary> {
        let open = self.members.iter().find_map(|row| model.runs.open(row.run.run))?;
        Some(&open.record.plan.dataset)
    }
}

/// Every run that has a family, the latest first.
pub fn roots(model: &Model) -> impl Iterator<Item = &RunRow> {
    let can_be = |row: &&RunRow| row.is_usable() && row.origin.is_none();
    model.runs.rows().iter().rev().filter(can_be)
}
