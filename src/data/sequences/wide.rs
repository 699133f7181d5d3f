//! Sequences in wide form: one row each, with a numbered column for every step of every feature.

use super::Sequences;
use crate::data::DataError;
use crate::data::header::quoted;
use crate::data::number::{Cell, read_cell};
use crate::data::sheet::Sheet;
use crate::data::table::{Column, is_named_identifier};

/// Steps from which numbered columns are taken for steps without being told.
const LEAST_STEPS: usize = 8;

/// What numbered columns are called in tables, where their order says nothing.
const TABLE_WORDS: [&str; 9] = [
    "column",
    "col",
    "feature",
    "feat",
    "var",
    "attr",
    "attribute",
    "pixel",
    "factor",
];

/// Where the steps of each feature are.
pub struct Wide {
    pub features: Vec<String>,
    /// `places[step][feature]`: the column.
    pub places: Vec<Vec<usize>>,
    /// Columns that are no steps, other than the targets.
    pub others: Vec<usize>,
}

impl Wide {
    /// The layout of columns called `a_0, a_1, ..., b_0, b_1, ...` (or `a1, a2, ...`), equally many of each feature.
    pub fn of_names(names: &[String], targets: &[usize]) -> Option<Self> {
        let mut features: Vec<(String, Vec<(usize, usize)>)> = Vec::new();
        let mut others = Vec::new();
        for (place, name) in names.iter().enumerate().filter(|(place, _)| !targets.contains(place)) {
            let Some((stem, number)) = numbered(name) else {
                others.push(place);
                continue;
            };
            // The columns of a feature mostly stand together.
            let known = features.iter_mut().rev().find(|(known, _)| known == stem);
            match known {
                Some((_, columns)) => columns.push((number, place)),
                None => features.push((stem.to_owned(), vec![(number, place)])),
            }
        }
        let steps = features.first().map_or(0, |(_, columns)| columns.len());
        for (_, columns) in &mut features {
            columns.sort_unstable();
            let first = columns.first().map_or(2, |(number, _)| *number);
            let in_a_row = columns
                .iter()
                .enumerate()
                .all(|(step, (number, _))| *number == first + step);
            if first > 1 || columns.len() != steps || !in_a_row {
                return None;
            }
        }
        let places = (0..steps).map(|step| features.iter().map(|(_, columns)| columns[step].1).collect());
        Some(Self {
            places: places.collect(),
            features: features.into_iter().map(|(stem, _)| stem).collect(),
            others,
        })
    }

    /// Whether these are sequences without anybody saying so: long ones, whose names are not those of a table's columns, and no
    /// other column but identifiers.
    pub fn is_evident(&self, sheet: &Sheet<'_>) -> bool {
        let of_table = |stem: &String| {
            let word = stem.to_lowercase();
            let word = word
                .split(|letter: char| !letter.is_alphabetic())
                .next()
                .unwrap_or_default();
            TABLE_WORDS.contains(&word) || (word.len() == 1 && word != "t")
        };
        let carries_nothing =
            |&place: &usize| is_named_identifier(&sheet.names[place]) || sheet.profiles[place].is_running_number();
        self.places.len() >= LEAST_STEPS
            && !self.features.iter().any(of_table)
            && self.others.iter().all(carries_nothing)
    }

    /// The steps of one row, without the empty ones at its ends.
    pub fn steps<'a>(&self, cell: impl Fn(usize) -> &'a str) -> Vec<f64> {
        let number = |place: usize| match read_cell(cell(place)) {
            Cell::Number { value, .. } => value,
            _ => f64::NAN,
        };
        let steps: Vec<Vec<f64>> = self
            .places
            .iter()
            .map(|places| places.iter().map(|&place| number(place)).collect())
            .collect();
        let has_value = |step: &Vec<f64>| step.iter().any(|value| !value.is_nan());
        let first = steps.iter().position(has_value).unwrap_or(steps.len());
        let end = steps.iter().rposition(has_value).map_or(first, |last| last + 1);
        steps[first..end].concat()
    }
}

/// The name without its number, and the number: `("heart", 12)` of `heart_12`.
fn numbered(name: &str) -> Option<(&str, usize)> {
    let name = name.trim();
    let stem = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let number = &name[stem.len()..];
    if number.is_empty() || number.len() > 6 {
        return None;
    }
    let stem = stem.trim_end_matches(['_', '-', '.', ' ']);
    Some((if stem.is_empty() { "value" } else { stem }, number.parse().ok()?))
}

/// Reads every row as a sequence, or with `labelled` every one that has its targets.
pub fn read(sheet: &Sheet<'_>, wide: &Wide, targets: &[usize], labelled: bool) -> Result<Sequences, DataError> {
    for &place in wide.places.iter().flatten() {
        sheet.profiles[place].check_numbers(&sheet.records, &sheet.names[place])?;
    }
    let mut sequences = Sequences::new(sheet.file(), wide.features.clone());
    sequences.notes.clone_from(&sheet.notes);
    sequences.notes.push(format!(
        "The numbered columns are read as {} steps of {}",
        wide.places.len(),
        quoted(&wide.features)
    ));
    let others: Vec<&str> = wide.others.iter().map(|&place| sheet.names[place].as_str()).collect();
    if !others.is_empty() {
        sequences.notes.push(format!("Left out {}: no step", quoted(&others)));
    }
    let mut cells: Vec<Vec<(usize, String)>> = vec![Vec::new(); targets.len()];
    let (mut unlabelled, mut empty) = (0, 0);
    for record in sheet.body() {
        let record = record?;
        let cell = |place: usize| record.cells.get(place).unwrap_or_default().trim();
        if labelled && targets.iter().any(|&target| read_cell(cell(target)) == Cell::Missing) {
            unlabelled += 1;
            continue;
        }
        let steps = wide.steps(cell);
        if labelled && steps.is_empty() {
            empty += 1;
            continue;
        }
        sequences.push(steps);
        for (own, &target) in cells.iter_mut().zip(targets) {
            own.push((record.row, cell(target).to_owned()));
        }
    }
    sequences.left_out(unlabelled, empty);
    for (&target, cells) in targets.iter().zip(&cells) {
        let cells = cells.iter().map(|(row, cell)| (*row, cell.as_str()));
        sequences.labels.push(Column::of_cells(&sheet.names[target], cells));
    }
    sequences.check_labels(unlabelled)?;
    Ok(sequences)
}
