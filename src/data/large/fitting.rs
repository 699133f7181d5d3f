//! Which kept columns are of use, and the preprocessing of their training rows, in passes over the file of cells.

use rand::RngExt;

use crate::data::DataError;
use crate::data::header::quoted;
use crate::data::inputs::{Code, CodeKind};
use crate::data::stored::RowBytes;
use crate::data::table::{MAX_CATEGORIES, is_named_identifier};
use crate::spec::{ColumnKind, InputColumn, stream};

/// Rows that are read at once.
const ROWS: usize = 4096;
/// Numbers from which the median of a column with missing values is taken.
const DRAWN: usize = 10_000;

/// A column whose cells are kept as numbers.
pub(super) struct Kept {
    pub(super) name: String,
    /// The different texts, for whose places the numbers stand; a column of numbers has none.
    pub(super) texts: Option<Vec<String>>,
}

/// Gives every cell of the rows as `(row's place, column, value)`.
fn each_cell(cells: &RowBytes, rows: &[u32], mut each: impl FnMut(usize, f64)) -> Result<(), DataError> {
    let mut bytes = Vec::new();
    for rows in rows.chunks(ROWS) {
        bytes.clear();
        cells.read(rows, &mut bytes)?;
        for row in bytes.chunks_exact(cells.row_bytes()) {
            for (column, &value) in row.as_chunks::<8>().0.iter().enumerate() {
                each(column, f64::from_le_bytes(value));
            }
        }
    }
    Ok(())
}

/// The columns from which something can be learned, with their places, and notes on the others.
pub(super) struct Useful {
    pub(super) columns: Vec<(usize, Kept)>,
    pub(super) notes: Vec<String>,
}

/// What is told of a column by all its rows.
#[derive(Clone)]
struct Seen {
    missing: usize,
    low: f64,
    high: f64,
    is_whole: bool,
}

/// Leaves out what nothing can be learned from.
pub(super) fn useful(
    (file, target): (&str, String),
    columns: Vec<(Kept, bool)>,
    cells: &RowBytes,
) -> Result<Useful, DataError> {
    let mut seen = vec![
        Seen {
            missing: 0,
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
            is_whole: true,
        };
        columns.len()
    ];
    let rows: Vec<u32> = (0..cells.len() as u32).collect();
    each_cell(cells, &rows, |column, value| {
        let seen = &mut seen[column];
        if value.is_nan() {
            seen.missing += 1;
            return;
        }
        seen.low = seen.low.min(value);
        seen.high = seen.high.max(value);
        seen.is_whole &= value.fract() == 0.0;
    })?;
    let mut kept = Vec::new();
    let mut left_out: Vec<(&str, Vec<String>)> = Vec::new();
    for (place, ((column, is_running), seen)) in columns.into_iter().zip(seen).enumerate() {
        match reason(&column, is_running, &seen, cells.len()) {
            None => kept.push((place, column)),
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
    if kept.is_empty() {
        return Err(DataError::NoInputs {
            file: file.to_owned(),
            target,
            notes: format!(" ({})", notes.join("; ")),
        });
    }
    Ok(Useful { columns: kept, notes })
}

/// As for a table in memory, but for identifiers, which are told by their range.
fn reason(column: &Kept, is_running: bool, seen: &Seen, rows: usize) -> Option<&'static str> {
    let present = rows - seen.missing;
    let Some(texts) = &column.texts else {
        return if present == 0 {
            Some("no values")
        } else if seen.low == seen.high {
            Some("constant")
        } else if is_running {
            Some("a running number")
        } else {
            let is_identifier = is_named_identifier(&column.name)
                && seen.missing == 0
                && seen.is_whole
                && seen.high - seen.low >= (rows - 1) as f64;
            is_identifier.then_some("an identifier")
        };
    };
    match texts.len() {
        0 => Some("no values"),
        1 if seen.missing == 0 => Some("constant"),
        different if different > MAX_CATEGORIES => Some("more than 1000 different texts, an identifier or free text"),
        different if different > 2 && different == present => Some("every text is different, an identifier"),
        different if different > 50 && different * 2 > rows => {
            Some("most texts are different, an identifier or free text")
        }
        _ => None,
    }
}

/// Sums over the training rows of one column.
#[derive(Clone, Default)]
struct Tally {
    count: f64,
    mean: f64,
    squares: f64,
    missing: usize,
    /// Of numbers, some drawn evenly from all (Vitter 1985).
    drawn: Vec<f64>,
    /// Of texts, which occur.
    occurs: Vec<bool>,
}

/// The preprocessing of the columns by the training rows, and notes on what is filled.
pub(super) fn fit(
    columns: &[(usize, Kept)],
    cells: &RowBytes,
    train: &[usize],
) -> Result<(Vec<InputColumn>, Vec<String>), DataError> {
    let mut column_of = vec![None; cells.row_bytes() / 8];
    for (column, (place, _)) in columns.iter().enumerate() {
        column_of[*place] = Some(column);
    }
    let most = DRAWN.min(10_000_000 / columns.len().max(1)).max(1);
    let mut tallies: Vec<Tally> = columns
        .iter()
        .map(|(_, kept)| Tally {
            occurs: vec![false; kept.texts.as_ref().map_or(0, Vec::len)],
            ..Tally::default()
        })
        .collect();
    let rows: Vec<u32> = train.iter().map(|&row| row as u32).collect();
    let mut generator = stream(0, "medians", 0);
    each_cell(cells, &rows, |place, value| {
        let Some(column) = column_of[place] else { return };
        let tally = &mut tallies[column];
        if value.is_nan() {
            tally.missing += 1;
            return;
        }
        if let Some(occurs) = tally.occurs.get_mut(value as usize)
            && columns[column].1.texts.is_some()
        {
            *occurs = true;
            return;
        }
        // Welford 1962.
        tally.count += 1.0;
        let apart = value - tally.mean;
        tally.mean += apart / tally.count;
        tally.squares += apart * (value - tally.mean);
        if tally.drawn.len() < most {
            tally.drawn.push(value);
        } else {
            let place = generator.random_range(0..tally.count as usize);
            if let Some(drawn) = tally.drawn.get_mut(place) {
                *drawn = value;
            }
        }
    })?;
    let mut notes = Vec::new();
    let fitted = columns.iter().zip(tallies).map(|((_, kept), tally)| {
        let missing = tally.missing;
        let (kind, filling) = kind_of(kept, tally);
        if missing > 0 {
            notes.push(format!(
                "\"{}\": {missing} missing training values {filling}",
                kept.name
            ));
        }
        InputColumn {
            name: kept.name.clone(),
            kind,
        }
    });
    Ok((fitted.collect(), notes))
}

fn kind_of(kept: &Kept, tally: Tally) -> (ColumnKind, String) {
    if let Some(texts) = &kept.texts {
        let occurring = texts.iter().zip(&tally.occurs).filter(|(_, occurs)| **occurs);
        let mut categories: Vec<String> = occurring.map(|(text, _)| text.clone()).collect();
        if tally.missing > 0 {
            categories.push(String::new());
        }
        categories.sort_unstable();
        return (
            ColumnKind::Category { categories },
            "are a category of their own".to_owned(),
        );
    }
    let deviation = (tally.squares / tally.count.max(1.0)).sqrt();
    let varies = deviation > tally.mean.abs() * 1e-12 && deviation > f64::MIN_POSITIVE;
    let mut drawn = tally.drawn;
    drawn.sort_unstable_by(f64::total_cmp);
    let fill = drawn.get(drawn.len() / 2).copied().unwrap_or(tally.mean);
    let kind = ColumnKind::Numeric {
        mean: tally.mean,
        deviation: if varies { deviation } else { 1.0 },
        fill,
    };
    (kind, format!("filled with the training median {fill}"))
}

/// How the kept cells of a column become inputs.
pub(super) fn code(place: usize, kept: &Kept, kind: &ColumnKind) -> Code {
    let kind = match kind {
        &ColumnKind::Numeric { mean, deviation, fill } => CodeKind::Number { mean, deviation, fill },
        ColumnKind::Category { categories } => {
            let of = |text: &str| categories.iter().position(|category| category == text);
            let texts = kept.texts.as_deref().unwrap_or_default();
            CodeKind::Category {
                places: texts.iter().map(|text| of(text)).collect(),
                missing: of(""),
                width: categories.len(),
            }
        }
    };
    Code { place, kind }
}
