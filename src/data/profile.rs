//! What the cells of a column are, gathered in one pass over a file, and what in them is refused.

use super::DataError;
use super::number::{Cell, Decimals, read_cell};
use super::records::{Record, Records};
use super::table::MAX_CELLS;

/// Different values up to which a column that mixes numbers and texts is taken for categories.
const FEW: usize = 20;

/// What the cells of a column are.
#[derive(Default)]
pub(super) struct Profile {
    pub(super) rows: usize,
    pub(super) missing: usize,
    numbers: usize,
    texts: usize,
    /// Row and content.
    pub(super) first_text: Option<(usize, String)>,
    infinite: Option<(usize, String)>,
    grouped: Option<(usize, String)>,
    pub(super) comma_row: Option<usize>,
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

/// The profile of every column.
pub(super) fn profile(
    records: &Records<'_>,
    body: impl Iterator<Item = Result<Record, DataError>>,
) -> Result<Vec<Profile>, DataError> {
    let mut profiles: Vec<Profile> = (0..records.width).map(|_| Profile::default()).collect();
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
    Ok(profiles)
}

impl Profile {
    /// Takes in the cell of one more row.
    pub(super) fn add(&mut self, row: usize, cell: &str) {
        let place = || Some((row, cell.trim().to_owned()));
        self.rows += 1;
        match read_cell(cell) {
            Cell::Missing => {
                self.missing += 1;
                return;
            }
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

    /// True when every present cell is a number, also when none is present.
    pub(super) fn is_numeric(&self) -> bool {
        self.texts == 0
    }

    /// Texts, more than two different ones.
    pub(super) fn is_varied_text(&self) -> bool {
        !self.is_numeric() && self.few.len() > 2
    }

    /// Whole numbers, each one more than the one before.
    pub(super) fn is_running_number(&self) -> bool {
        self.is_numeric() && self.rows >= 3 && self.numbers == self.rows && self.steps_of_one == self.rows - 1
    }

    /// Refuses what would otherwise be read as something else than was meant.
    pub(super) fn check(&self, records: &Records<'_>, name: &str) -> Result<(), DataError> {
        let present = self.numbers + self.texts;
        let mostly_numbers = self.texts * 20 <= present && self.few.len() > FEW;
        if self.is_numeric() || mostly_numbers {
            self.check_numbers(records, name)
        } else {
            Ok(())
        }
    }

    /// As [`check`](Self::check), for a column that must be numeric.
    pub(super) fn check_numbers(&self, records: &Records<'_>, name: &str) -> Result<(), DataError> {
        let file = records.file.to_owned();
        let column = name.to_owned();
        if let Some((row, text)) = self.first_text.clone() {
            return Err(DataError::NotANumber {
                file,
                row,
                column,
                text,
            });
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
