//! The text format of the UEA and UCR archives of time series (Bagnall et al. 2018): a header of `@` lines, then a line a sample
//! with its dimensions separated by colons, and its class or value behind the last.

use std::path::Path;

use super::Sequences;
use crate::data::DataError;
use crate::data::number::{Cell, read_cell};
use crate::data::table::{Column, MAX_CELLS};
use crate::data::target::MAX_CLASSES;

/// Most dimensions.
const MAX_DIMENSIONS: usize = 10_000;

/// Whether the text begins as this format does, or its file is called so.
pub fn is_ts(file: &str, text: &str) -> bool {
    if Path::new(file)
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("ts"))
    {
        return true;
    }
    let mut lines = text.lines().map(str::trim_start);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    first.is_some_and(|line| line.starts_with('@'))
}

/// What the header says.
#[derive(Default)]
struct Header {
    time_stamps: bool,
    /// Present where samples have a class; empty where the classes are not listed.
    classes: Option<Vec<String>>,
    /// Samples have a value to predict.
    has_value: bool,
    dimensions: Option<usize>,
}

/// Reads a file; without classes and values the sequences have no labels.
pub fn read(file: &str, text: &str) -> Result<Sequences, DataError> {
    let refuse = |row: usize, problem: String, remedy: &'static str| DataError::Format {
        file: file.to_owned(),
        row,
        problem,
        remedy,
    };
    let mut lines = text.lines().enumerate().map(|(place, line)| (place + 1, line.trim()));
    let header = read_header(&mut lines, &refuse)?;
    let mut sequences: Option<Sequences> = None;
    let mut labels: Vec<(usize, String)> = Vec::new();
    let (mut unlabelled, mut empty) = (0, 0);
    for (row, line) in lines {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let labelled = header.classes.is_some() || header.has_value;
        let (series, label) = match line.rsplit_once(':') {
            Some((series, label)) if labelled => (series, Some(label.trim())),
            None if labelled => {
                let remedy = "put a colon and the class or value at its end";
                return Err(refuse(row, "has no class or value".to_owned(), remedy));
            }
            _ => (line, None),
        };
        // A colon may also stand in a time.
        let dimensions: Vec<&str> = if header.time_stamps {
            series.split("):").collect()
        } else {
            series.split(':').collect()
        };
        let width = dimensions.len();
        if width > MAX_DIMENSIONS {
            let problem = format!("has more than {MAX_DIMENSIONS} dimensions");
            return Err(refuse(row, problem, "keep the dimensions that matter"));
        }
        let expected = sequences
            .as_ref()
            .map(|known| known.features.len())
            .or(header.dimensions);
        if let Some(expected) = expected
            && expected != width
        {
            let problem = format!("has {width} dimensions where {expected} are expected");
            return Err(refuse(row, problem, "give every sample the same dimensions"));
        }
        let known = sequences.get_or_insert_with(|| Sequences::new(file, names(width)));
        if let Some(label) = label {
            if read_cell(label) == Cell::Missing {
                unlabelled += 1;
                continue;
            }
            if let Some(classes) = &header.classes
                && !classes.is_empty()
                && !classes.iter().any(|class| class == label)
            {
                let problem = format!("the class \"{label}\" is not in the header's list");
                return Err(refuse(row, problem, "add it behind @classLabel, or correct it"));
            }
        }
        let columns = dimensions
            .iter()
            .map(|dimension| values(dimension, header.time_stamps))
            .collect::<Result<Vec<Vec<f64>>, String>>()
            .map_err(|text| {
                refuse(
                    row,
                    format!("\"{text}\" is not a number"),
                    "correct it, or write ? for a missing one",
                )
            })?;
        let steps = columns.iter().map(Vec::len).max().unwrap_or(0);
        if known.values() + steps.saturating_mul(width) > MAX_CELLS {
            let problem = format!("with it there are more than {MAX_CELLS} values");
            return Err(refuse(row, problem, "bring fewer samples, or shorter ones"));
        }
        if columns.iter().flatten().all(|value| value.is_nan()) {
            empty += 1;
            continue;
        }
        known.push((0..steps).flat_map(|step| {
            columns
                .iter()
                .map(move |column| column.get(step).copied().unwrap_or(f64::NAN))
        }));
        if let Some(label) = label {
            labels.push((row, label.to_owned()));
        }
    }
    let Some(mut sequences) = sequences else {
        return Err(DataError::NoRows { file: file.to_owned() });
    };
    sequences.left_out(unlabelled, empty);
    if header.classes.is_some() || header.has_value {
        let name = if header.has_value { "value" } else { "class" };
        let cells = labels.iter().map(|(row, label)| (*row, label.as_str()));
        sequences.labels.push(Column::of_cells(name, cells));
        sequences.check_labels(unlabelled)?;
    }
    Ok(sequences)
}

/// Reads up to `@data`.
fn read_header<'a>(
    lines: &mut impl Iterator<Item = (usize, &'a str)>,
    refuse: &impl Fn(usize, String, &'static str) -> DataError,
) -> Result<Header, DataError> {
    let mut header = Header::default();
    let (mut last, mut has_begun) = (1, false);
    for (row, line) in lines {
        last = row;
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.split_whitespace();
        let key = words.next().unwrap_or_default().to_lowercase();
        let mut is_true = || words.next().is_some_and(|word| word.eq_ignore_ascii_case("true"));
        match key.as_str() {
            "@data" => return Ok(header),
            "@timestamps" => header.time_stamps = is_true(),
            "@targetlabel" => header.has_value = is_true(),
            "@classlabel" => {
                if is_true() {
                    let classes: Vec<String> = words.take(MAX_CLASSES + 1).map(str::to_owned).collect();
                    if classes.len() > MAX_CLASSES {
                        let problem = format!("declares more than {MAX_CLASSES} classes");
                        return Err(refuse(
                            row,
                            problem,
                            "merge classes, or use @targetLabel true for a quantity",
                        ));
                    }
                    header.classes = Some(classes);
                }
            }
            "@dimensions" | "@dimension" => {
                let count = words.next().and_then(|word| word.parse().ok());
                let count = count.filter(|count| (1..=MAX_DIMENSIONS).contains(count));
                let problem = || format!("declares no number of dimensions from 1 to {MAX_DIMENSIONS}");
                header.dimensions = Some(count.ok_or_else(|| refuse(row, problem(), "correct the header"))?);
            }
            // The samples themselves tell these.
            "@problemname" | "@missing" | "@univariate" | "@equallength" | "@serieslength" => {}
            _ if key.starts_with('@') => {}
            _ if !has_begun => {
                let problem = "the samples stand there without the header of a .ts file".to_owned();
                let remedy = "write @classLabel true with the classes, or @targetLabel true, and @data above them";
                return Err(refuse(row, problem, remedy));
            }
            _ => {
                let problem = "a line before @data does not begin with @".to_owned();
                return Err(refuse(row, problem, "put @data before the samples"));
            }
        }
        has_begun = true;
    }
    Err(refuse(
        last,
        "there is no line @data".to_owned(),
        "put @data before the samples",
    ))
}

/// The values of a dimension, `(time,value)` pairs where there are time stamps; NaN where they are missing. The error is the cell.
fn values(dimension: &str, time_stamps: bool) -> Result<Vec<f64>, String> {
    let dimension = dimension.trim();
    if dimension.is_empty() {
        return Ok(Vec::new());
    }
    let number = |text: &str| match read_cell(text) {
        Cell::Number { value, .. } => Ok(value),
        Cell::Missing => Ok(f64::NAN),
        _ => Err(text.trim().chars().take(40).collect::<String>()),
    };
    if time_stamps {
        let pairs = dimension.split("),").map(|pair| {
            let pair = pair.trim().trim_start_matches('(').trim_end_matches(')');
            number(pair.rsplit_once(',').map_or(pair, |(_, value)| value))
        });
        return pairs.collect();
    }
    dimension.split(',').map(number).collect()
}

fn names(width: usize) -> Vec<String> {
    match width {
        1 => vec!["value".to_owned()],
        _ => (1..=width).map(|dimension| format!("dimension_{dimension}")).collect(),
    }
}
