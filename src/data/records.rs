//! Text to records: the separator is found, quotes are checked, and every record has the same number of cells.

use csv::{ReaderBuilder, StringRecord};

use super::DataError;
use super::text::line_breaks;

/// Largest number of columns of a file.
pub const MAX_COLUMNS: usize = 10_000;
/// Longest record, so that a quote that never closes is found early.
pub const MAX_RECORD_BYTES: usize = 4 << 20;

/// Records that decide on separator and header.
const SNIFFED: usize = 100;

/// A CSV text whose separator is known and whose quotes are whole.
pub(super) struct Records<'a> {
    pub(super) file: &'a str,
    text: &'a str,
    separator: u8,
    /// Cells of every record.
    pub(super) width: usize,
}

/// One record with its place.
pub(super) struct Record {
    /// Line of the file, counted from 1.
    pub(super) row: usize,
    pub(super) cells: StringRecord,
}

impl<'a> Records<'a> {
    /// Finds the separator and checks what can be wrong with quotes and sizes, without holding a record in memory.
    pub(super) fn open(file: &'a str, text: &'a str) -> Result<Self, DataError> {
        let separator = find_separator(text.as_bytes());
        let mut scanner = Scanner::new(text.as_bytes(), separator);
        let mut width = 0;
        loop {
            let start = scanner.position;
            let row = || line_breaks(&text.as_bytes()[..start]) + 1;
            match scanner.next_record() {
                Scan::End => break,
                Scan::Record { cells, .. } if width == 0 => {
                    if cells > MAX_COLUMNS {
                        return Err(DataError::TooManyColumns {
                            file: file.to_owned(),
                            row: row(),
                            limit: MAX_COLUMNS,
                        });
                    }
                    width = cells;
                }
                Scan::Record { .. } => {}
                Scan::OpenQuote { opened } => {
                    return Err(DataError::OpenQuote {
                        file: file.to_owned(),
                        row: line_breaks(&text.as_bytes()[..opened]) + 1,
                    });
                }
                Scan::TooLong => {
                    return Err(DataError::RowTooLong {
                        file: file.to_owned(),
                        row: row(),
                        limit_bytes: MAX_RECORD_BYTES,
                    });
                }
            }
        }
        Ok(Self {
            file,
            text,
            separator,
            width,
        })
    }

    /// All records; a record of another width than the first is an error, a line of nothing but blanks is skipped.
    pub(super) fn iter(&self) -> impl Iterator<Item = Result<Record, DataError>> {
        let text = self.text.as_bytes();
        let mut reader = ReaderBuilder::new()
            .delimiter(self.separator)
            .has_headers(false)
            .flexible(true)
            .from_reader(text);
        let (mut row, mut counted, mut first_row) = (1, 0, None);
        std::iter::from_fn(move || {
            loop {
                let mut cells = StringRecord::new();
                match reader.read_record(&mut cells) {
                    Ok(true) => {}
                    Ok(false) => return None,
                    Err(error) => {
                        return Some(Err(DataError::Io {
                            file: self.file.to_owned(),
                            source: std::io::Error::other(error),
                        }));
                    }
                }
                // The reader's own position lies before the blank lines that it skips.
                let start = cells.position().map_or(counted, |position| position.byte() as usize);
                let blank = text[start..]
                    .iter()
                    .take_while(|byte| matches!(byte, b'\n' | b'\r'))
                    .count();
                row += line_breaks(&text[counted..start + blank]);
                counted = start + blank;
                if cells.len() == 1 && self.width > 1 && cells.iter().all(|cell| cell.trim().is_empty()) {
                    continue;
                }
                let first_row = *first_row.get_or_insert(row);
                return Some(if cells.len() == self.width {
                    Ok(Record { row, cells })
                } else {
                    Err(DataError::Ragged {
                        file: self.file.to_owned(),
                        row,
                        found: cells.len(),
                        first_row,
                        expected: self.width,
                    })
                });
            }
        })
    }

    /// The first records, from which the header is told.
    pub(super) fn sample(&self) -> Result<Vec<Record>, DataError> {
        self.iter().take(SNIFFED + 1).collect()
    }

    pub(super) fn separator(&self) -> u8 {
        self.separator
    }

    /// True when cells are divided by commas, so that a decimal comma must be quoted.
    pub(super) fn is_comma_separated(&self) -> bool {
        self.separator == b','
    }
}

/// The text up to the end of its last whole record that a line break follows; for the beginning of a longer file.
pub(super) fn whole_records(text: &str) -> &str {
    let mut scanner = Scanner::new(text.as_bytes(), find_separator(text.as_bytes()));
    let mut end = 0;
    while let Scan::Record { .. } = scanner.next_record() {
        if scanner.position < text.len() {
            end = scanner.position;
        }
    }
    &text[..end]
}

/// The separator whose fields are equally many in every sniffed record. Where commas and semicolons (or tabs) both are, commas
/// between digits are taken for decimal commas.
fn find_separator(text: &[u8]) -> u8 {
    let counts = |separator| {
        let mut scanner = Scanner::new(text, separator);
        let (mut first, mut even, mut decimal) = (0, true, true);
        for _ in 0..SNIFFED {
            let Scan::Record {
                cells,
                decimal_separators,
            } = scanner.next_record()
            else {
                break;
            };
            if cells == 0 {
                continue;
            }
            if first == 0 {
                first = cells;
            }
            even &= cells == first;
            decimal &= decimal_separators;
        }
        (first, even && first > 1, decimal)
    };
    let [(commas, commas_even, commas_decimal), semicolons, tabs] = [b',', b';', b'\t'].map(counts);
    let (other, (others, others_even, _)) = if (tabs.1, tabs.0) > (semicolons.1, semicolons.0) {
        (b'\t', tabs)
    } else {
        (b';', semicolons)
    };
    let takes_other = match (commas_even, others_even) {
        (true, true) => commas_decimal || others > commas,
        (false, false) => others > commas,
        (_, even) => even,
    };
    if takes_other { other } else { b',' }
}

/// Finds the ends of records by the rules of the CSV reader: a quote counts only at the start of a cell, `""` inside quotes is a
/// quote, and `\n`, `\r\n` and `\r` end a record.
struct Scanner<'a> {
    text: &'a [u8],
    position: usize,
    separator: u8,
}

enum Scan {
    Record {
        /// 0 for a line of blanks.
        cells: usize,
        /// True when every separator lies between two digits.
        decimal_separators: bool,
    },
    /// Where the quote opened.
    OpenQuote {
        opened: usize,
    },
    TooLong,
    End,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a [u8], separator: u8) -> Self {
        Self {
            text,
            position: 0,
            separator,
        }
    }

    fn next_record(&mut self) -> Scan {
        let text = self.text;
        while matches!(text.get(self.position), Some(b'\n' | b'\r')) {
            self.position += 1;
        }
        let start = self.position;
        if start == text.len() {
            return Scan::End;
        }
        let is_digit = |place: usize| text.get(place).is_some_and(u8::is_ascii_digit);
        let (mut cells, mut decimal_separators) = (1, true);
        let (mut opened, mut at_cell_start) = (None, true);
        while let Some(&byte) = text.get(self.position) {
            let place = self.position;
            if place - start > MAX_RECORD_BYTES {
                return opened.map_or(Scan::TooLong, |opened| Scan::OpenQuote { opened });
            }
            self.position += 1;
            if opened.is_some() {
                if byte == b'"' {
                    if text.get(self.position) == Some(&b'"') {
                        self.position += 1;
                    } else {
                        opened = None;
                    }
                }
                continue;
            }
            match byte {
                b'"' if at_cell_start => opened = Some(place),
                b'\n' | b'\r' => break,
                _ if byte == self.separator => {
                    cells += 1;
                    decimal_separators &= place > start && is_digit(place - 1) && is_digit(place + 1);
                }
                _ => {}
            }
            at_cell_start = byte == self.separator;
        }
        if let Some(opened) = opened {
            return Scan::OpenQuote { opened };
        }
        if cells == 1 && text[start..self.position].iter().all(u8::is_ascii_whitespace) {
            cells = 0;
        }
        Scan::Record {
            cells,
            decimal_separators,
        }
    }
}
