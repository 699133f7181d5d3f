//! A CSV whose rows follow each other in time.

use super::Series;
use crate::data::DataError;
use crate::data::header::quoted;
use crate::data::number::{Cell, read_cell};
use crate::data::sheet::Sheet;
use crate::data::table::MAX_CELLS;
use crate::data::target::places_of_targets;

/// Reads the targets and all other columns of numbers as features of every step. A column of times is not one of them; where it
/// runs backwards or jumps, the rows are put in its order.
pub fn of_sheet(sheet: &Sheet<'_>, target: Option<&str>) -> Result<Series, DataError> {
    let file = sheet.file();
    let targets = places_of_targets(file, &sheet.names, target)?;
    for &place in &targets {
        sheet.profiles[place].check_numbers(&sheet.records, &sheet.names[place])?;
    }
    sheet.check()?;
    let mut notes = sheet.notes.clone();
    let time = (0..sheet.names.len()).find(|place| !targets.contains(place) && is_time(&sheet.names[*place]));
    let (mut used, mut texts) = (Vec::new(), Vec::new());
    for (place, profile) in sheet.profiles.iter().enumerate() {
        let wanted = targets.contains(&place);
        if !wanted && (Some(place) == time || profile.is_running_number() || profile.missing == profile.rows) {
            continue;
        }
        if profile.is_numeric() {
            used.push(place);
        } else {
            texts.push(sheet.names[place].clone());
        }
    }
    if !texts.is_empty() {
        notes.push(format!(
            "Left out {}: texts, and a series is of numbers",
            quoted(&texts)
        ));
    }
    let mut rows = steps(sheet, &used, time, &mut notes)?;
    let width = used.len();
    let places: Vec<usize> = targets
        .iter()
        .filter_map(|target| used.iter().position(|place| place == target))
        .collect();
    let (skipped, filled) = fill(&mut rows, width, &places);
    if skipped > 0 {
        notes.push(format!(
            "{skipped} rows before the first value of the target or behind its last are left out"
        ));
    }
    if filled > 0 {
        notes.push(format!("{filled} missing values take the one before"));
    }
    if rows.is_empty() {
        return Err(if sheet.rows() == 0 {
            DataError::NoRows { file: file.to_owned() }
        } else {
            let names: Vec<&str> = targets.iter().map(|&place| sheet.names[place].as_str()).collect();
            DataError::EmptyTarget {
                file: file.to_owned(),
                target: names.join(", "),
            }
        });
    }
    Ok(Series {
        file: file.to_owned(),
        features: used.iter().map(|&place| sheet.names[place].clone()).collect(),
        values: rows,
        targets: places,
        notes,
    })
}

/// The values of columns `used`, row by row, in the order of the column `time`.
pub fn steps(
    sheet: &Sheet<'_>,
    used: &[usize],
    time: Option<usize>,
    notes: &mut Vec<String>,
) -> Result<Vec<f64>, DataError> {
    let width = used.len();
    let mut times: Vec<String> = Vec::new();
    let mut rows: Vec<f64> = Vec::new();
    for record in sheet.body() {
        let record = record?;
        if let Some(time) = time {
            times.push(record.cells.get(time).unwrap_or_default().trim().to_owned());
        }
        rows.extend(
            used.iter()
                .map(|&place| match read_cell(record.cells.get(place).unwrap_or_default()) {
                    Cell::Number { value, .. } => value,
                    _ => f64::NAN,
                }),
        );
        if rows.len() > MAX_CELLS {
            return Err(DataError::TooManyCells {
                file: sheet.file().to_owned(),
                rows: sheet.rows(),
                columns: used.len(),
                limit: MAX_CELLS,
            });
        }
    }
    if let Some(time) = time {
        let name = &sheet.names[time];
        notes.push(match in_order(&times) {
            Order::Ascending => format!("\"{name}\" is the time of each row, and no input"),
            Order::Sorted(order) => {
                rows = order
                    .iter()
                    .flat_map(|&row| &rows[row * width..(row + 1) * width])
                    .copied()
                    .collect();
                format!("The rows are put in the order of \"{name}\", which is no input")
            }
            Order::Unclear => format!("\"{name}\" is no input, and the rows stay in the order of the file"),
        });
    }
    Ok(rows)
}

/// Every missing value takes the one before; rows before the first value of each of `targets` and behind the last are dropped. How
/// many rows, and how many values.
pub fn fill(values: &mut Vec<f64>, width: usize, targets: &[usize]) -> (usize, usize) {
    let known = |step: &[f64]| targets.iter().any(|&target| !step[target].is_nan());
    let end = values
        .chunks_exact(width.max(1))
        .rposition(known)
        .map_or(0, |last| last + 1);
    let behind = values.len() / width.max(1) - end;
    values.truncate(end * width);
    let mut filled = 0;
    for place in width..values.len() {
        if values[place].is_nan() && !values[place - width].is_nan() {
            values[place] = values[place - width];
            filled += 1;
        }
    }
    let mut steps = values.chunks_exact(width.max(1));
    let complete = |step: &[f64]| targets.iter().all(|&target| !step[target].is_nan());
    let skipped = steps.position(complete).unwrap_or(values.len() / width.max(1));
    values.drain(..skipped * width);
    (skipped + behind, filled)
}

/// Names that a column of times or dates goes by.
pub fn is_time(name: &str) -> bool {
    const WORDS: [&str; 13] = [
        "time",
        "t",
        "step",
        "timestep",
        "time_step",
        "date",
        "datetime",
        "timestamp",
        "day",
        "month",
        "year",
        "hour",
        "quarter",
    ];
    let name = name.trim().to_lowercase();
    WORDS.contains(&name.as_str())
        || ["_time", "_date", "_step", " time", " date"]
            .iter()
            .any(|end| name.ends_with(end))
}

enum Order {
    Ascending,
    /// Row numbers in the order of time.
    Sorted(Vec<usize>),
    /// Neither numbers nor dates that sort as texts do.
    Unclear,
}

fn in_order(times: &[String]) -> Order {
    let numbers: Option<Vec<f64>> = times
        .iter()
        .map(|time| match read_cell(time) {
            Cell::Number { value, .. } => Some(value),
            _ => None,
        })
        .collect();
    let sorted = |order: &dyn Fn(&usize, &usize) -> std::cmp::Ordering| {
        let mut rows: Vec<usize> = (0..times.len()).collect();
        if rows.is_sorted_by(|a, b| order(a, b).is_le()) {
            return Order::Ascending;
        }
        rows.sort_by(order);
        Order::Sorted(rows)
    };
    if let Some(numbers) = numbers {
        return sorted(&|&a, &b| numbers[a].total_cmp(&numbers[b]));
    }
    // Dates that begin with the year, all written alike.
    let begins_with_year = |time: &String| {
        let bytes = time.as_bytes();
        bytes.len() >= 7 && bytes[..4].iter().all(u8::is_ascii_digit) && matches!(bytes[4], b'-' | b'/' | b'.')
    };
    let length = times.first().map_or(0, String::len);
    if times.iter().all(|time| begins_with_year(time) && time.len() == length) {
        return sorted(&|&a, &b| times[a].cmp(&times[b]));
    }
    Order::Unclear
}
