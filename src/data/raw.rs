//! The raw rows of one part of the split as CSV text: what a person feeds to an exported model to check it.

use super::split::Parts;
use super::table::{Column, MISSING, Table, Values};
use crate::spec::push_csv_line;

/// A part of the split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Train,
    Validation,
    Test,
}

impl std::str::FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "train" => Ok(Self::Train),
            "validation" => Ok(Self::Validation),
            "test" => Ok(Self::Test),
            _ => Err(format!(
                "`{text}` is not a part of the split; the parts are train, validation and test"
            )),
        }
    }
}

/// A header and the part's rows in the order in which they are evaluated; the target is the last column.
pub(super) fn csv(table: &Table, parts: &Parts, part: Part) -> String {
    let rows = parts.rows(part);
    let columns: Vec<&Column> = table.columns.iter().chain(&table.targets).collect();
    let mut text = String::new();
    push_csv_line(&mut text, columns.iter().map(|column| &column.name));
    for &row in rows {
        push_csv_line(&mut text, columns.iter().map(|column| cell(column, row)));
    }
    text
}

/// A cell as it is written.
pub(super) fn cell(column: &Column, row: usize) -> String {
    match &column.values {
        Values::Numbers(numbers) if numbers[row].is_nan() => String::new(),
        Values::Numbers(numbers) => numbers[row].to_string(),
        Values::Texts { cells, .. } if cells[row] == MISSING => String::new(),
        Values::Texts { cells, texts } => texts[cells[row] as usize].clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{load, read_rows, rows_as_csv};
    use crate::spec::DataConfig;

    #[test]
    fn the_printed_rows_are_the_test_part_bit_for_bit() {
        for source in ["digits", "iris", "diabetes", "moons"] {
            let config = DataConfig {
                source: source.to_owned(),
                ..DataConfig::default()
            };
            let dataset = load(&config).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("rows.csv");
            std::fs::write(&path, rows_as_csv(&config, Part::Test).unwrap()).unwrap();
            let read = read_rows(&path, &dataset.preprocessing).unwrap();
            assert_eq!(read.inputs, *dataset.test.inputs.all().unwrap(), "{source}");
            assert_eq!(read.targets.as_ref(), Some(&dataset.test.targets), "{source}");
        }
    }
}
