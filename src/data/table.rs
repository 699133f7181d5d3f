//! Records to typed columns: header or none, numbers or texts, and which columns carry nothing to learn from.

use std::collections::HashMap;

use super::DataError;
use super::header::quoted;
use super::number::{Cell, read_cell};
use super::profile::Profile;
use super::records::Record;
use super::sheet::{Decoded, Sheet};
use super::target::{is_regression, places_of_targets};
use crate::spec::TaskKind;

/// Largest number of cells of a file.
pub const MAX_CELLS: usize = 100_000_000;
/// A text column of more different texts is left out.
pub const MAX_CATEGORIES: usize = 1_000;

/// Stands for a missing text.
pub(super) const MISSING: u32 = u32::MAX;

/// A whole data set, raw.
pub(super) struct Table {
    /// Path or name, for messages.
    pub(super) file: String,
    /// The inputs that are used.
    pub(super) columns: Vec<Column>,
    /// One or more, without missing values: rows without a target are not in the table.
    pub(super) targets: Vec<Column>,
    pub(super) rows: usize,
    pub(super) notes: Vec<String>,
}

pub(super) struct Column {
    pub(super) name: String,
    pub(super) values: Values,
    /// Row and content of the first cell that is not a number.
    pub(super) first_text: Option<(usize, String)>,
}

pub(super) enum Values {
    /// NaN is missing.
    Numbers(Vec<f64>),
    Texts {
        /// Index into `texts`, or [`MISSING`].
        cells: Vec<u32>,
        texts: Vec<String>,
    },
}

/// Reads a CSV. `target` names the target columns, the last one when absent. With `keeps_every_column`, columns that carry nothing
/// are used all the same, because an image needs all its pixels.
pub(super) fn read_table(
    file: &str,
    bytes: &[u8],
    target: Option<&str>,
    keeps_every_column: bool,
) -> Result<Table, DataError> {
    let text = Decoded::of(file, bytes)?;
    table_of(&Sheet::open(file, &text)?, target, None, keeps_every_column)
}

/// As [`read_table`], of a file that is open; `task` is the configured one.
pub(super) fn table_of(
    sheet: &Sheet<'_>,
    target: Option<&str>,
    task: Option<TaskKind>,
    keeps_every_column: bool,
) -> Result<Table, DataError> {
    let places = places_of_targets(sheet.file(), &sheet.names, target)?;
    sheet.check()?;
    let mut notes = sheet.notes.clone();
    let (columns, unlabelled) = build(sheet.body(), &sheet.names, &sheet.profiles, &places)?;
    if unlabelled > 0 {
        notes.push(format!("{unlabelled} rows without a target are left out"));
    }
    let mut columns: Vec<Option<Column>> = columns.into_iter().map(Some).collect();
    let targets: Vec<Column> = places
        .iter()
        .filter_map(|&place| columns.get_mut(place)?.take())
        .collect();
    let columns: Vec<Column> = columns.into_iter().flatten().collect();
    let rows = targets.first().map_or(0, |target| target.values.len());
    let mut table = Table {
        file: sheet.file().to_owned(),
        columns: Vec::new(),
        targets,
        rows,
        notes,
    };
    if rows == 0 {
        return Err(if unlabelled == 0 {
            DataError::NoRows { file: table.file }
        } else {
            DataError::EmptyTarget {
                target: table.target_names(),
                file: table.file,
            }
        });
    }
    if keeps_every_column {
        table.columns = columns;
        return Ok(table);
    }
    let is_regression = is_regression(&table.targets, task);
    let running: Vec<(&str, bool)> = sheet
        .names
        .iter()
        .zip(&sheet.profiles)
        .enumerate()
        .filter(|(_, (_, profile))| profile.is_running_number())
        .map(|(place, (name, _))| (name.as_str(), is_regression && !is_index(place, name)))
        .collect();
    table.keep_useful(columns, &running)?;
    Ok(table)
}

impl Values {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Texts { cells, .. } => cells.len(),
        }
    }

    /// Texts of four words and more on average, more than two of them.
    fn is_free_text(&self) -> bool {
        const WORDS: usize = 4;
        match self {
            Self::Numbers(_) => false,
            Self::Texts { texts, .. } => {
                let words: usize = texts.iter().map(|text| text.split_whitespace().count()).sum();
                texts.len() > 2 && words >= WORDS * texts.len()
            }
        }
    }

    /// Missing values.
    pub(super) fn missing(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.iter().filter(|number| number.is_nan()).count(),
            Self::Texts { cells, .. } => cells.iter().filter(|&&cell| cell == MISSING).count(),
        }
    }
}

/// The columns with their values, and the number of rows that were skipped for want of a target.
fn build(
    body: impl Iterator<Item = Result<Record, DataError>>,
    names: &[String],
    profiles: &[Profile],
    targets: &[usize],
) -> Result<(Vec<Column>, usize), DataError> {
    let mut columns: Vec<Column> = names
        .iter()
        .zip(profiles)
        .map(|(name, profile)| Column {
            name: name.clone(),
            first_text: profile.first_text.clone(),
            values: if profile.is_numeric() {
                Values::Numbers(Vec::with_capacity(profile.rows))
            } else {
                Values::Texts {
                    cells: Vec::with_capacity(profile.rows),
                    texts: Vec::new(),
                }
            },
        })
        .collect();
    let mut places: Vec<HashMap<String, u32>> = names.iter().map(|_| HashMap::new()).collect();
    let mut unlabelled = 0;
    for record in body {
        let record = record?;
        let misses = |&target: &usize| {
            let cell = record.cells.get(target);
            cell.is_none_or(|cell| read_cell(cell) == Cell::Missing)
        };
        if targets.iter().any(misses) {
            unlabelled += 1;
            continue;
        }
        for (place, cell) in record.cells.iter().enumerate() {
            match &mut columns[place].values {
                Values::Numbers(numbers) => numbers.push(match read_cell(cell) {
                    Cell::Number { value, .. } => value,
                    _ => f64::NAN,
                }),
                Values::Texts { cells, texts } => {
                    let cell = cell.trim();
                    let known = places[place].get(cell).copied();
                    cells.push(if let Some(known) = known {
                        known
                    } else if read_cell(cell) == Cell::Missing
                        || (!targets.contains(&place) && texts.len() > MAX_CATEGORIES)
                    {
                        MISSING
                    } else {
                        let next = texts.len() as u32;
                        places[place].insert(cell.to_owned(), next);
                        texts.push(cell.to_owned());
                        next
                    });
                }
            }
        }
    }
    Ok((columns, unlabelled))
}

impl Column {
    /// A column of cells none of which is missing, each with its row: numbers where every one is a number, else texts.
    pub(super) fn of_cells<'a>(name: &str, cells: impl Iterator<Item = (usize, &'a str)> + Clone) -> Self {
        let number = |cell: &str| match read_cell(cell) {
            Cell::Number { value, .. } => Some(value),
            _ => None,
        };
        let first_text = cells.clone().find(|(_, cell)| number(cell).is_none());
        let values = if first_text.is_none() {
            Values::Numbers(cells.filter_map(|(_, cell)| number(cell)).collect())
        } else {
            let (mut places, mut texts) = (HashMap::new(), Vec::new());
            let cells = cells.map(|(_, cell)| {
                let cell = cell.trim();
                *places.entry(cell).or_insert_with(|| {
                    texts.push(cell.to_owned());
                    texts.len() as u32 - 1
                })
            });
            Values::Texts {
                cells: cells.collect(),
                texts,
            }
        };
        Self {
            name: name.to_owned(),
            values,
            first_text: first_text.map(|(row, cell)| (row, cell.trim().to_owned())),
        }
    }
}

impl Table {
    /// Names of the targets, separated by commas.
    pub(super) fn target_names(&self) -> String {
        let names: Vec<&str> = self.targets.iter().map(|target| target.name.as_str()).collect();
        names.join(", ")
    }

    /// Leaves out the columns from which nothing can be learned, with a note on each reason. Of the running numbers it is
    /// said whether they may be a trend.
    fn keep_useful(&mut self, columns: Vec<Column>, running: &[(&str, bool)]) -> Result<(), DataError> {
        let running = |name: &str| {
            running
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, trend)| *trend)
        };
        let reasons: Vec<Option<&str>> = columns
            .iter()
            .map(|column| useless(column, self.rows, running(&column.name).is_some()))
            .collect();
        // A series over time may have its running number as the only input, but free text says more.
        let is_alone = reasons.iter().all(Option::is_some);
        let has_text = columns.iter().any(|column| column.values.is_free_text());
        let keeps_running = |name: &str| {
            if is_alone {
                !has_text
            } else {
                running(name) == Some(true)
            }
        };
        let mut left_out: Vec<(&str, Vec<String>)> = Vec::new();
        for (column, reason) in columns.into_iter().zip(reasons) {
            match reason {
                Some(RUNNING) if keeps_running(&column.name) => self.columns.push(column),
                None => self.columns.push(column),
                Some(reason) => match left_out.iter_mut().find(|(known, _)| *known == reason) {
                    Some((_, names)) => names.push(column.name),
                    None => left_out.push((reason, vec![column.name])),
                },
            }
        }
        let notes: Vec<String> = left_out
            .iter()
            .map(|(reason, names)| format!("Left out {}: {reason}", quoted(names)))
            .collect();
        if self.columns.is_empty() {
            return Err(DataError::NoInputs {
                file: self.file.clone(),
                target: self.target_names(),
                notes: if notes.is_empty() {
                    String::new()
                } else {
                    format!(" ({})", notes.join("; "))
                },
            });
        }
        self.notes.extend(notes);
        Ok(())
    }
}

const RUNNING: &str = "a running number";
const CONSTANT: &str = "constant";

/// The columns that these notes of an import say were left out because they are constant.
pub(super) fn columns_left_out_as_constant(notes: &[String]) -> impl Iterator<Item = &str> {
    let lists = notes
        .iter()
        .filter_map(|note| note.strip_prefix("Left out \"")?.strip_suffix(CONSTANT));
    lists.flat_map(|list| list.split("\", \"").filter_map(|name| name.split('"').next()))
}

fn useless(column: &Column, rows: usize, is_running_number: bool) -> Option<&'static str> {
    let missing = column.values.missing();
    match &column.values {
        Values::Numbers(_) if missing == rows => Some("no values"),
        Values::Numbers(numbers) => {
            let mut present = numbers.iter().copied().filter(|number| !number.is_nan());
            let first = present.next();
            if present.all(|number| Some(number) == first) {
                Some(CONSTANT)
            } else if is_running_number {
                Some(RUNNING)
            } else {
                (is_named_identifier(&column.name) && are_different_integers(numbers)).then_some("an identifier")
            }
        }
        Values::Texts { texts, .. } if texts.len() > MAX_CATEGORIES => {
            Some("more than 1000 different texts, an identifier or free text")
        }
        Values::Texts { texts, .. } => match texts.len() {
            0 => Some("no values"),
            1 if missing == 0 => Some(CONSTANT),
            different if different > 2 && different == rows - missing => Some("every text is different, an identifier"),
            different if different * 2 > rows && column.values.is_free_text() => Some("free text"),
            different if different > 50 && different * 2 > rows => {
                Some("most texts are different, an identifier or free text")
            }
            _ => None,
        },
    }
}

/// Whether a column is called as identifiers are.
pub(super) fn is_named_identifier(name: &str) -> bool {
    let name = name.to_lowercase();
    name == "id" || name.ends_with("_id") || name.ends_with(" id")
}

/// Whether the column at `place` of a file is called as those are that only count its rows. A column without a name is one.
pub(super) fn is_index(place: usize, name: &str) -> bool {
    const NAMES: [&str; 14] = [
        "id",
        "idx",
        "index",
        "no",
        "no.",
        "nr",
        "nr.",
        "num",
        "number",
        "row",
        "row_number",
        "rownames",
        "#",
        "column_1",
    ];
    let name = name.trim().to_lowercase();
    place == 0 && (NAMES.contains(&name.as_str()) || name.starts_with("unnamed") || is_named_identifier(&name))
}

fn are_different_integers(numbers: &[f64]) -> bool {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.iter().all(|number| number.fract() == 0.0) && sorted.windows(2).all(|pair| pair[0] < pair[1])
}

#[cfg(test)]
mod tests;
