//! Equal samples: within the training part, with other targets, and in two parts at once.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::Part;
use crate::data::samples::Targets;
use crate::spec::{Finding, FindingKind, units};

/// Which rows of a part are equal: by a hash of their inputs, of which two in 2^32 rows would be equal by chance.
struct Rows {
    state: RandomState,
    /// The first row with this hash.
    first: HashMap<u64, usize>,
}

impl Rows {
    fn hash(state: &RandomState, row: &[f32]) -> u64 {
        // A zero of either sign is the same value.
        let bits: Vec<u32> = row.iter().map(|&value| (value + 0.0).to_bits()).collect();
        state.hash_one(bits)
    }

    fn of(part: &Part<'_>) -> Self {
        let state = RandomState::new();
        let mut first = HashMap::with_capacity(part.rows);
        for row in 0..part.rows {
            first.entry(Self::hash(&state, part.row(row))).or_insert(row);
        }
        Self { state, first }
    }

    fn first_like(&self, row: &[f32]) -> Option<usize> {
        self.first.get(&Self::hash(&self.state, row)).copied()
    }
}

fn same_target(a: (&Targets, usize), b: (&Targets, usize)) -> bool {
    match (a, b) {
        ((Targets::Classes(a), row), (Targets::Classes(b), other)) => a.get(row) == b.get(other),
        ((Targets::Values { values: a, width }, row), (Targets::Values { values: b, .. }, other)) => {
            (0..*width).all(|place| a.get(row * width + place) == b.get(other * width + place))
        }
        _ => false,
    }
}

/// Rows of the other parts that are also in the training part.
pub fn shared(train: &Part<'_>, others: &[Part<'_>]) -> Vec<Finding> {
    let known = Rows::of(train);
    let finding = |part: &Part<'_>| {
        let count = (0..part.rows)
            .filter(|&row| known.first_like(part.row(row)).is_some())
            .count();
        (count > 0).then(|| Finding {
            kind: FindingKind::SharedRows,
            place: part.name.to_owned(),
            count,
            what: format!(
                "{count} of {} {} rows ({}) have the inputs of a training row, so that their score is for memory",
                part.rows,
                part.name,
                units::percent(count as f64 / part.rows.max(1) as f64)
            ),
            remedy: "Remove the copies from the data; where few inputs are possible at all, bring more columns"
                .to_owned(),
        })
    };
    others.iter().filter_map(finding).collect()
}

/// Copies within the training part, and those among them whose targets differ.
pub fn within(train: &Part<'_>) -> Vec<Finding> {
    let known = Rows::of(train);
    let (mut copies, mut contradictions) = (0, 0);
    for row in 0..train.rows {
        match known.first_like(train.row(row)) {
            Some(first) if first != row => {
                copies += 1;
                contradictions += usize::from(!same_target((train.targets, first), (train.targets, row)));
            }
            _ => {}
        }
    }
    let share = |count: usize| units::percent(count as f64 / train.rows.max(1) as f64);
    let mut findings = Vec::new();
    if contradictions > 0 {
        findings.push(Finding {
            kind: FindingKind::Contradictions,
            place: train.name.to_owned(),
            count: contradictions,
            what: format!(
                "Training rows with the inputs of another one but a different target: {contradictions} ({})",
                share(contradictions)
            ),
            remedy: "Correct the targets, or bring a column that tells these rows apart: no model can".to_owned(),
        });
    }
    if copies > 0 {
        findings.push(Finding {
            kind: FindingKind::Duplicates,
            place: train.name.to_owned(),
            count: copies,
            what: format!(
                "Training rows with the inputs of an earlier one: {copies} ({})",
                share(copies)
            ),
            remedy: "Remove the copies unless they really occur so often: they count double in training".to_owned(),
        });
    }
    findings
}
