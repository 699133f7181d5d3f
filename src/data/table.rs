//! Records to typed columns: header or none, numbers or texts, and which columns carry nothing to learn from.

use std::collections::HashMap;

use csv::StringRecord;

use super::DataError;
use super::number::{Cell, Decimals, read_cell};
use super::records::{Record, Records};
use super::text::decode;

/// Largest number of cells of a file.
pub const MAX_CELLS: usize = 100_000_000;
/// A text column of more different texts is left out.
pub const MAX_CATEGORIES: usize = 1_000;

/// Stands for a missing text.
pub(super) const MISSING: u32 = u32::MAX;
/// Different values up to which a column that mixes numbers and texts is taken for categories.
const FEW: usize = 20;
/// Column names that a note lists.
const LISTED: usize = 10;

/// A whole data set, raw.
pub(super) struct Table {
    /// Path or name, for messages.
    pub(super) file: String,
    /// The inputs that are used.
    pub(super) columns: Vec<Column>,
    /// Without missing values: rows without a target are not in the table.
    pub(super) target: Column,
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

/// Reads a CSV. `target` names the target column, the last one when absent. With `keeps_every_column`, columns that carry nothing
/// are used all the same, because an image needs all its pixels.
pub(super) fn read_table(
    file: &str,
    bytes: &[u8],
    target: Option<&str>,
    keeps_every_column: bool,
) -> Result<Table, DataError> {
    let (text, encoding_note) = decode(file, bytes)?;
    let records = Records::open(file, &text)?;
    let sample = records.sample()?;
    let with_header = has_header(&sample);
    let names = column_names(
        &records,
        sample.first().filter(|_| with_header).map(|first| &first.cells),
    )?;
    let target = match target {
        None => names.len().saturating_sub(1),
        Some(target) => position_of(file, &names, target)?,
    };
    let mut notes: Vec<String> = encoding_note.into_iter().collect();
    if !with_header {
        notes.push(format!(
            "No header was found; the columns are called column_1 to column_{}",
            names.len()
        ));
    }
    let body = || records.iter().skip(usize::from(with_header));
    let profiles = profile(&records, body(), &names, target)?;
    if profiles.iter().any(|profile| profile.comma_row.is_some()) {
        notes.push("Decimal commas are read as decimal points".to_owned());
    }
    let (mut columns, unlabelled) = build(body(), &names, &profiles, target)?;
    let target = columns.remove(target);
    if unlabelled > 0 {
        notes.push(format!("{unlabelled} rows without a target are left out"));
    }
    let rows = target.values.len();
    let mut table = Table {
        file: file.to_owned(),
        columns: Vec::new(),
        target,
        rows,
        notes,
    };
    if rows == 0 {
        return Err(if unlabelled == 0 {
            DataError::NoRows { file: table.file }
        } else {
            DataError::EmptyTarget {
                file: table.file,
                target: table.target.name,
            }
        });
    }
    if keeps_every_column {
        table.columns = columns;
        return Ok(table);
    }
    let running: Vec<&str> = names
        .iter()
        .zip(&profiles)
        .filter(|(_, profile)| profile.is_running_number())
        .map(|(name, _)| name.as_str())
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

    /// Missing values.
    pub(super) fn missing(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.iter().filter(|number| number.is_nan()).count(),
            Self::Texts { cells, .. } => cells.iter().filter(|&&cell| cell == MISSING).count(),
        }
    }
}

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
        Some(best) if closeness(best) > 0.7 => format!("did you mean \"{best}\"?"),
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
pub(super) fn column_names(records: &Records<'_>, header: Option<&StringRecord>) -> Result<Vec<String>, DataError> {
    let names: Vec<String> = (0..records.width)
        .map(
            |column| match header.and_then(|cells| cells.get(column)).map(str::trim) {
                Some(name) if !name.is_empty() => name.to_owned(),
                _ => format!("column_{}", column + 1),
            },
        )
        .collect();
    let mut seen = HashMap::new();
    for (place, name) in names.iter().enumerate() {
        if let Some(first) = seen.insert(name, place + 1) {
            return Err(DataError::DuplicateColumn {
                file: records.file.to_owned(),
                column: name.clone(),
                first,
                second: place + 1,
            });
        }
    }
    Ok(names)
}

/// What the cells of a column are.
#[derive(Default)]
struct Profile {
    rows: usize,
    numbers: usize,
    texts: usize,
    first_text: Option<(usize, String)>,
    infinite: Option<(usize, String)>,
    grouped: Option<(usize, String)>,
    comma_row: Option<usize>,
    point_row: Option<usize>,
    /// First cell such as `1,234`.
    thousands: Option<(usize, String)>,
    /// A decimal comma that cannot separate thousands.
    has_clear_comma: bool,
    /// Up to one more than [`FEW`] different cells.
    few: Vec<String>,
    last: f64,
    /// Rows in which the number is one more than in the row before.
    steps_of_one: usize,
}

fn profile(
    records: &Records<'_>,
    body: impl Iterator<Item = Result<Record, DataError>>,
    names: &[String],
    target: usize,
) -> Result<Vec<Profile>, DataError> {
    let mut profiles: Vec<Profile> = names.iter().map(|_| Profile::default()).collect();
    let mut rows = 0;
    for record in body {
        let record = record?;
        rows += 1;
        if rows * records.width > MAX_CELLS {
            return Err(DataError::TooManyCells {
                file: records.file.to_owned(),
                rows,
                columns: records.width,
                limit: MAX_CELLS,
            });
        }
        for (profile, cell) in profiles.iter_mut().zip(&record.cells) {
            profile.add(record.row, cell);
        }
    }
    for (place, (profile, name)) in profiles.iter().zip(names).enumerate() {
        profile.check(records, name)?;
        if place == target && profile.is_numeric() && profile.numbers == 0 && rows > 0 {
            return Err(DataError::EmptyTarget {
                file: records.file.to_owned(),
                target: name.clone(),
            });
        }
    }
    Ok(profiles)
}

impl Profile {
    fn add(&mut self, row: usize, cell: &str) {
        let place = || Some((row, cell.trim().to_owned()));
        self.rows += 1;
        match read_cell(cell) {
            Cell::Missing => return,
            Cell::Text => {
                self.texts += 1;
                if self.first_text.is_none() {
                    self.first_text = place();
                }
            }
            Cell::Infinite => self.infinite = self.infinite.take().or_else(place),
            Cell::Grouped => self.grouped = self.grouped.take().or_else(place),
            Cell::Number { value, decimals } => {
                self.numbers += 1;
                match decimals {
                    Decimals::None => {}
                    Decimals::Point => self.point_row = self.point_row.or(Some(row)),
                    Decimals::Comma { like_thousands } => {
                        self.comma_row = self.comma_row.or(Some(row));
                        self.has_clear_comma |= !like_thousands;
                        if like_thousands {
                            self.thousands = self.thousands.take().or_else(place);
                        }
                    }
                }
                self.steps_of_one += usize::from(self.rows > 1 && value == self.last + 1.0 && value.fract() == 0.0);
                self.last = value;
            }
        }
        if self.few.len() <= FEW && !self.few.iter().any(|seen| seen == cell.trim()) {
            self.few.push(cell.trim().to_owned());
        }
    }

    fn is_numeric(&self) -> bool {
        self.texts == 0
    }

    /// Whole numbers, each one more than the one before.
    fn is_running_number(&self) -> bool {
        self.is_numeric() && self.rows >= 3 && self.numbers == self.rows && self.steps_of_one == self.rows - 1
    }

    /// Refuses what would otherwise be read as something else than was meant.
    fn check(&self, records: &Records<'_>, name: &str) -> Result<(), DataError> {
        let file = records.file.to_owned();
        let column = name.to_owned();
        let present = self.numbers + self.texts;
        let mostly_numbers = self.numbers >= 1 && self.texts * 20 <= present && self.few.len() > FEW;
        if let Some((row, text)) = self.first_text.clone().filter(|_| mostly_numbers) {
            return Err(DataError::NotANumber {
                file,
                row,
                column,
                text,
            });
        }
        if !self.is_numeric() {
            return Ok(());
        }
        if let Some((row, text)) = self.infinite.clone() {
            return Err(DataError::Infinite {
                file,
                row,
                column,
                text,
            });
        }
        let ambiguous = records.is_comma_separated() && !self.has_clear_comma;
        if let Some((row, text)) = self
            .grouped
            .clone()
            .or_else(|| self.thousands.clone().filter(|_| ambiguous))
        {
            return Err(DataError::Thousands {
                file,
                row,
                column,
                text,
            });
        }
        match (self.comma_row, self.point_row) {
            (Some(comma_row), Some(point_row)) => Err(DataError::MixedDecimals {
                file,
                column,
                comma_row,
                point_row,
            }),
            _ => Ok(()),
        }
    }
}

/// The columns with their values, and the number of rows that were skipped for want of a target.
fn build(
    body: impl Iterator<Item = Result<Record, DataError>>,
    names: &[String],
    profiles: &[Profile],
    target: usize,
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
        if record
            .cells
            .get(target)
            .is_none_or(|cell| read_cell(cell) == Cell::Missing)
        {
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
                    } else if read_cell(cell) == Cell::Missing || (place != target && texts.len() > MAX_CATEGORIES) {
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

impl Table {
    /// Leaves out the columns from which nothing can be learned, with a note on each reason.
    fn keep_useful(&mut self, columns: Vec<Column>, running: &[&str]) -> Result<(), DataError> {
        let reasons: Vec<Option<&str>> = columns
            .iter()
            .map(|column| useless(column, self.rows, running.contains(&column.name.as_str())))
            .collect();
        let all_useless = reasons.iter().all(Option::is_some);
        let mut left_out: Vec<(&str, Vec<String>)> = Vec::new();
        for (column, reason) in columns.into_iter().zip(reasons) {
            match reason {
                // A series over time may have its running number as the only input.
                Some(RUNNING) if all_useless => self.columns.push(column),
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
                target: self.target.name.clone(),
                notes: notes.iter().map(|note| format!(" ({note})")).collect(),
            });
        }
        self.notes.extend(notes);
        Ok(())
    }
}

const RUNNING: &str = "a running number";

fn useless(column: &Column, rows: usize, is_running_number: bool) -> Option<&'static str> {
    let missing = column.values.missing();
    match &column.values {
        Values::Numbers(_) if missing == rows => Some("no values"),
        Values::Numbers(numbers) => {
            let mut present = numbers.iter().copied().filter(|number| !number.is_nan());
            let first = present.next();
            if present.all(|number| Some(number) == first) {
                Some("constant")
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
            1 if missing == 0 => Some("constant"),
            different if different > 2 && different == rows - missing => Some("every text is different, an identifier"),
            different if different > 50 && different * 2 > rows => {
                Some("most texts are different, an identifier or free text")
            }
            _ => None,
        },
    }
}

fn is_named_identifier(name: &str) -> bool {
    let name = name.to_lowercase();
    name == "id" || name.ends_with("_id") || name.ends_with(" id")
}

fn are_different_integers(numbers: &[f64]) -> bool {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.iter().all(|number| number.fract() == 0.0) && sorted.windows(2).all(|pair| pair[0] < pair[1])
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
