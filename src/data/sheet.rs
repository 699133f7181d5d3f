//! A CSV file, opened once for whoever recognises what is in it: its columns' names and what their cells are.

use std::borrow::Cow;

use super::DataError;
use super::header::{check_names, has_header, names_from};
use super::profile::{Profile, profile};
use super::records::{Record, Records};
use super::text::decode;

/// A file's text, and what was assumed of its encoding.
pub(super) struct Decoded<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) note: Option<String>,
}

impl<'a> Decoded<'a> {
    pub(super) fn of(file: &str, bytes: &'a [u8]) -> Result<Self, DataError> {
        let (text, note) = decode(file, bytes)?;
        Ok(Self { text, note })
    }
}

/// A CSV whose header is told from its rows.
pub(super) struct Sheet<'a> {
    pub(super) records: Records<'a>,
    pub(super) with_header: bool,
    /// One a column, all different.
    pub(super) names: Vec<String>,
    /// One a column.
    pub(super) profiles: Vec<Profile>,
    pub(super) notes: Vec<String>,
}

impl<'a> Sheet<'a> {
    pub(super) fn open(file: &'a str, text: &'a Decoded<'_>) -> Result<Self, DataError> {
        let records = Records::open(file, &text.text)?;
        let sample = records.sample()?;
        let with_header = has_header(&sample);
        let header = sample.first().filter(|_| with_header).map(|first| &first.cells);
        let names = names_from(header, records.width);
        check_names(file, &names)?;
        let mut notes: Vec<String> = text.note.iter().cloned().collect();
        if !with_header {
            notes.push(format!(
                "No header was found; the columns are called column_1 to column_{}",
                names.len()
            ));
        }
        let profiles = profile(&records, records.iter().skip(usize::from(with_header)))?;
        if profiles.iter().any(|profile| profile.comma_row.is_some()) {
            notes.push("Decimal commas are read as decimal points".to_owned());
        }
        Ok(Self {
            records,
            with_header,
            names,
            profiles,
            notes,
        })
    }

    pub(super) fn file(&self) -> &'a str {
        self.records.file
    }

    /// The rows below the header.
    pub(super) fn body(&self) -> impl Iterator<Item = Result<Record, DataError>> {
        self.records.iter().skip(usize::from(self.with_header))
    }

    /// Number of rows below the header.
    pub(super) fn rows(&self) -> usize {
        self.profiles.first().map_or(0, |profile| profile.rows)
    }

    /// Refuses cells that would be read as something else than was meant.
    pub(super) fn check(&self) -> Result<(), DataError> {
        let mut columns = self.profiles.iter().zip(&self.names);
        columns.try_for_each(|(profile, name)| profile.check(&self.records, name))
    }
}
