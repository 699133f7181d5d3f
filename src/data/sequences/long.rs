//! Sequences in long form: one row a step, with columns for the sequence's name, the time, the features and the target.

use std::collections::HashMap;

use super::Sequences;
use crate::data::DataError;
use crate::data::header::quoted;
use crate::data::number::{Cell, read_cell};
use crate::data::series::is_time;
use crate::data::sheet::Sheet;
use crate::data::table::{Column, is_named_identifier};

/// Which column is what.
pub struct Long {
    /// One sequence in all when absent.
    pub sequence: Option<usize>,
    pub time: Option<usize>,
    pub features: Vec<usize>,
    /// Columns that are left out.
    pub texts: Vec<usize>,
}

impl Long {
    /// The layout, if a column is called as sequences are and one as times are.
    pub fn of_sheet(sheet: &Sheet<'_>, targets: &[usize]) -> Option<Self> {
        let free = |place: &usize| !targets.contains(place);
        let places = || (0..sheet.names.len()).filter(free);
        let sequence = places().find(|&place| names_a_sequence(&sheet.names[place]))?;
        let time = places().find(|&place| place != sequence && is_time(&sheet.names[place]))?;
        let (features, texts): (Vec<usize>, Vec<usize>) = places()
            .filter(|&place| place != sequence && place != time)
            .partition(|&place| sheet.profiles[place].is_numeric());
        (!features.is_empty()).then_some(Self {
            sequence: Some(sequence),
            time: Some(time),
            features,
            texts,
        })
    }
}

/// Names that a column of sequences' names goes by.
pub fn names_a_sequence(name: &str) -> bool {
    const WORDS: [&str; 8] = [
        "sequence",
        "series",
        "case",
        "sample",
        "trial",
        "session",
        "subject",
        "recording",
    ];
    let name = name.trim().to_lowercase();
    WORDS.contains(&name.as_str()) || is_named_identifier(&name)
}

/// The steps of a sequence while they are gathered.
struct Gathered {
    /// Row of the file in which it begins.
    row: usize,
    labels: Vec<String>,
    /// Time and place of each step among all.
    steps: Vec<(String, usize)>,
}

/// Reads every sequence, or with `labelled` every one that has its targets, with its steps in the order of time. `None` where a target
/// changes within a sequence, or with `labelled` where most have a single row, so that the rows are samples of their own.
pub fn read(sheet: &Sheet<'_>, long: &Long, targets: &[usize], labelled: bool) -> Result<Option<Sequences>, DataError> {
    let mut names: HashMap<String, usize> = HashMap::new();
    let mut gathered: Vec<Gathered> = Vec::new();
    let mut values: Vec<f64> = Vec::new();
    for (place, record) in sheet.body().enumerate() {
        let record = record?;
        let cell = |place: usize| record.cells.get(place).unwrap_or_default().trim();
        let next = gathered.len();
        let at = *names.entry(long.sequence.map_or("", cell).to_owned()).or_insert(next);
        let labels = targets.iter().map(|&target| cell(target));
        if at == next {
            gathered.push(Gathered {
                row: record.row,
                labels: labels.map(str::to_owned).collect(),
                steps: Vec::new(),
            });
        } else if !labels.eq(gathered[at].labels.iter().map(String::as_str)) {
            return Ok(None);
        }
        let time = long.time.map_or("", cell);
        gathered[at].steps.push((time.to_owned(), place));
        values.extend(long.features.iter().map(|&place| match read_cell(cell(place)) {
            Cell::Number { value, .. } => value,
            _ => f64::NAN,
        }));
    }
    if labelled && gathered.len() * 2 > sheet.rows() {
        return Ok(None);
    }
    for &place in &long.features {
        sheet.profiles[place].check_numbers(&sheet.records, &sheet.names[place])?;
    }
    let features: Vec<String> = long.features.iter().map(|&place| sheet.names[place].clone()).collect();
    let width = features.len();
    let mut sequences = Sequences::new(sheet.file(), features);
    sequences.notes.clone_from(&sheet.notes);
    sequences.notes.push(match long.sequence {
        Some(place) => format!(
            "The rows are the steps of {} sequences, told apart by \"{}\"",
            gathered.len(),
            sheet.names[place]
        ),
        None => "The rows are the steps of one sequence".to_owned(),
    });
    if !long.texts.is_empty() {
        let texts: Vec<&str> = long.texts.iter().map(|&place| sheet.names[place].as_str()).collect();
        let note = format!("Left out {}: texts, and steps are of numbers", quoted(&texts));
        sequences.notes.push(note);
    }
    let (mut unlabelled, mut same_time) = (0, 0);
    let mut kept: Vec<&Gathered> = Vec::new();
    for sequence in &mut gathered {
        same_time += sort(&mut sequence.steps);
    }
    for sequence in &gathered {
        if labelled && sequence.labels.iter().any(|label| read_cell(label) == Cell::Missing) {
            unlabelled += 1;
            continue;
        }
        let steps = sequence.steps.iter();
        sequences.push(steps.flat_map(|&(_, place)| values[place * width..(place + 1) * width].iter().copied()));
        kept.push(sequence);
    }
    if same_time > 0 && long.time.is_some() {
        sequences.notes.push(format!(
            "{same_time} steps have the time of another one of their sequence; these stay in the order of the file"
        ));
    }
    sequences.left_out(unlabelled, 0);
    for (place, &target) in targets.iter().enumerate() {
        let cells = kept
            .iter()
            .map(|sequence| (sequence.row, sequence.labels[place].as_str()));
        sequences.labels.push(Column::of_cells(&sheet.names[target], cells));
    }
    sequences.check_labels(unlabelled)?;
    Ok(Some(sequences))
}

/// Puts steps in the order of their times, as numbers where all are numbers; how many have the time of the one before.
fn sort(steps: &mut [(String, usize)]) -> usize {
    let number = |time: &str| match read_cell(time) {
        Cell::Number { value, .. } => Some(value),
        _ => None,
    };
    if steps.iter().all(|(time, _)| number(time).is_some()) {
        steps.sort_by(|(a, _), (b, _)| number(a).unwrap_or(0.0).total_cmp(&number(b).unwrap_or(0.0)));
    } else {
        steps.sort_by(|(a, _), (b, _)| a.cmp(b));
    }
    steps.windows(2).filter(|pair| pair[0].0 == pair[1].0).count()
}
