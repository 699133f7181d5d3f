//! Names of columns: whether a file has a header, and which column is meant by a name.

use std::collections::HashMap;

use csv::StringRecord;

use super::DataError;
use super::number::{Cell, read_cell};
use super::records::Record;

/// How like two names must be for one to be meant by the other.
const ALIKE: f64 = 0.85;
/// Column names that a message lists.
const LISTED: usize = 10;

/// Position of the named column; the error names the nearest one.
pub(super) fn position_of(file: &str, names: &[String], wanted: &str) -> Result<usize, DataError> {
    names
        .iter()
        .position(|name| name == wanted.trim())
        .ok_or_else(|| DataError::MissingTarget {
            file: file.to_owned(),
            target: wanted.to_owned(),
            remedy: nearest(names, wanted),
        })
}

/// "did you mean ...": the name that is most like the wanted one, if any is.
pub(super) fn nearest<T: AsRef<str>>(names: &[T], wanted: &str) -> String {
    let closeness = |name: &str| strsim::jaro_winkler(&name.to_lowercase(), &wanted.to_lowercase());
    let best = names
        .iter()
        .map(AsRef::as_ref)
        .max_by(|a, b| closeness(a).total_cmp(&closeness(b)));
    match best {
        Some(best) if closeness(best) >= ALIKE => format!("did you mean \"{best}\"?"),
        _ => format!("there are {}", quoted(names)),
    }
}

/// The first record is a header when it has a text above numbers; where no column holds numbers, when its cells are different texts.
pub(super) fn has_header(sample: &[Record]) -> bool {
    let Some((first, rest)) = sample.split_first() else {
        return false;
    };
    let mut above_numbers = None;
    for (column, cell) in first.cells.iter().enumerate() {
        let mut below = rest
            .iter()
            .filter_map(|record| record.cells.get(column))
            .map(read_cell)
            .filter(|cell| *cell != Cell::Missing)
            .peekable();
        if below.peek().is_none() || below.any(|cell| cell == Cell::Text) {
            continue;
        }
        match read_cell(cell) {
            Cell::Text => return true,
            Cell::Missing => {}
            _ => above_numbers = Some(false),
        }
    }
    above_numbers.unwrap_or_else(|| {
        let mut names: Vec<&str> = first.cells.iter().map(str::trim).collect();
        let all_texts = names.iter().all(|name| read_cell(name) == Cell::Text);
        names.sort_unstable();
        all_texts && names.windows(2).all(|pair| pair[0] != pair[1])
    })
}

/// Names from the header, or `column_1` and so on; an empty name is replaced likewise.
pub(super) fn names_from(header: Option<&StringRecord>, width: usize) -> Vec<String> {
    let name = |column: usize| match header.and_then(|cells| cells.get(column)).map(str::trim) {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => format!("column_{}", column + 1),
    };
    (0..width).map(name).collect()
}

/// Refuses a name that two columns have.
pub(super) fn check_names(file: &str, names: &[String]) -> Result<(), DataError> {
    let mut seen = HashMap::new();
    for (place, name) in names.iter().enumerate() {
        if let Some(first) = seen.insert(name, place + 1) {
            return Err(DataError::DuplicateColumn {
                file: file.to_owned(),
                column: name.clone(),
                first,
                second: place + 1,
            });
        }
    }
    Ok(())
}

/// The names in quotes, the first ten of them.
pub(super) fn quoted<T: AsRef<str>>(names: &[T]) -> String {
    let listed: Vec<String> = names
        .iter()
        .take(LISTED)
        .map(|name| format!("\"{}\"", name.as_ref()))
        .collect();
    let listed = listed.join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}
