//! A CSV with a column of free text.

use super::Texts;
use crate::data::DataError;
use crate::data::number::{Cell, read_cell};
use crate::data::sheet::Sheet;
use crate::data::table::Column;

/// The column of texts with the longest cells, if any besides the targets has more than two different texts.
pub fn text_column(sheet: &Sheet<'_>, targets: &[usize]) -> Result<Option<usize>, DataError> {
    let sample = sheet.records.sample()?;
    let length = |place: usize| -> usize {
        let rows = sample.iter().skip(usize::from(sheet.with_header));
        rows.filter_map(|record| record.cells.get(place)).map(str::len).sum()
    };
    let texts =
        (0..sheet.names.len()).filter(|place| !targets.contains(place) && sheet.profiles[*place].is_varied_text());
    Ok(texts.max_by_key(|&place| length(place)))
}

/// The texts of column `column` with their targets. Rows without a text or a target are left out.
pub fn of_csv(sheet: &Sheet<'_>, column: usize, targets: &[usize]) -> Result<Texts, DataError> {
    let file = sheet.file();
    let mut texts = Vec::new();
    let mut cells: Vec<Vec<(usize, String)>> = vec![Vec::new(); targets.len()];
    let (mut unlabelled, mut without_text) = (0, 0);
    for record in sheet.body() {
        let record = record?;
        let cell = |place: usize| record.cells.get(place).unwrap_or_default().trim();
        if targets.iter().any(|&target| read_cell(cell(target)) == Cell::Missing) {
            unlabelled += 1;
        } else if cell(column).is_empty() {
            without_text += 1;
        } else {
            texts.push(cell(column).to_owned());
            for (own, &target) in cells.iter_mut().zip(targets) {
                own.push((record.row, cell(target).to_owned()));
            }
        }
    }
    let names: Vec<&str> = targets.iter().map(|&target| sheet.names[target].as_str()).collect();
    if texts.is_empty() {
        let file = file.to_owned();
        return Err(if unlabelled == 0 {
            DataError::NoRows { file }
        } else {
            DataError::EmptyTarget {
                file,
                target: names.join(", "),
            }
        });
    }
    let mut notes = sheet.notes.clone();
    let others: Vec<&str> = (0..sheet.names.len())
        .filter(|place| *place != column && !targets.contains(place))
        .map(|place| sheet.names[place].as_str())
        .collect();
    notes.push(format!("\"{}\" is read as text", sheet.names[column]));
    if !others.is_empty() {
        notes.push(format!(
            "Left out {}: not the text",
            crate::data::header::quoted(&others)
        ));
    }
    if unlabelled > 0 {
        notes.push(format!("{unlabelled} rows without a target are left out"));
    }
    if without_text > 0 {
        notes.push(format!("{without_text} rows without a text are left out"));
    }
    Ok(Texts {
        file: file.to_owned(),
        column: sheet.names[column].clone(),
        texts,
        labels: names
            .iter()
            .zip(&cells)
            .map(|(name, cells)| Column::of_cells(name, cells.iter().map(|(row, cell)| (*row, cell.as_str()))))
            .collect(),
        vocabulary: None,
        steps: None,
        notes,
    })
}
