//! New texts for a finished model: a CSV, or a folder of text files.

use std::path::Path;

use super::{Tokenizer, folder};
use crate::data::DataError;
use crate::data::header::{check_names, names_from, nearest};
use crate::data::predict::{NewRows, TargetReader, name_in, target_names};
use crate::data::raw::cell;
use crate::data::records::Records;
use crate::data::sequences::check_size;
use crate::data::sheet::Decoded;
use crate::data::text::read_file;
use crate::spec::{Preprocessing, Vocabulary};

/// Reads the column of texts by its name, or where nothing is named a file of nothing but texts, or of texts and targets.
pub fn read_new(
    path: &Path,
    preprocessing: &Preprocessing,
    column: &str,
    vocabulary: &Vocabulary,
) -> Result<NewRows, DataError> {
    let file = path.display().to_string();
    let mut targets = TargetReader::new(&preprocessing.target);
    let mut texts = Vec::new();
    let mut notes = Vec::new();
    let mut names = Vec::new();
    if path.is_dir() {
        let mut files = folder::list(path)?;
        if files.is_empty() {
            files = folder::texts_in(path)?.map(|file| (String::new(), file)).collect();
            targets.give_up(None);
        }
        let (read, kept) = folder::read(path, &files)?;
        names.extend(kept.iter().map(|&file| name_in(path, file)));
        for (row, text) in read.texts.iter().enumerate() {
            texts.push(text.clone());
            targets.read(row + 1, read.labels.iter().map(|label| cell(label, row)));
        }
        notes.extend(read.notes);
        if texts.is_empty() {
            let problem = notes.pop().unwrap_or_else(|| "no text is in it".to_owned());
            return Err(DataError::Malformed {
                file,
                problem,
                remedy: "bring .txt files, alone or in a folder for each class".to_owned(),
            });
        }
    } else {
        let bytes = read_file(path)?;
        let decoded = Decoded::of(&file, &bytes)?;
        notes.extend(decoded.note.clone());
        let records = Records::open(&file, &decoded.text)?;
        let sample = records.sample()?;
        let first = names_from(sample.first().map(|first| &first.cells), records.width);
        let wanted = target_names(preprocessing);
        let with_header = first.iter().any(|name| name == column || wanted.contains(name));
        let (text_at, targets_at) = if with_header {
            check_names(&file, &first)?;
            let place = |name: &str| first.iter().position(|present| present == name);
            let text_at = place(column).ok_or_else(|| DataError::MissingColumn {
                file: file.clone(),
                column: column.to_owned(),
                remedy: nearest(&first, column),
            })?;
            (text_at, wanted.iter().map(|name| place(name)).collect())
        } else {
            // A model trained without a header has the columns' places as names.
            let places = names_from(None, records.width);
            let place = |name: &str| places.iter().position(|present| present == name);
            let targets: Option<Vec<usize>> = wanted.iter().map(|name| place(name)).collect();
            match (records.width, place(column), targets) {
                (_, Some(text), Some(targets)) => (text, Some(targets)),
                (1, ..) => (0, None),
                (2, ..) if wanted.len() == 1 => (0, Some(vec![1])),
                (_, Some(text), None) => (text, None),
                (found, None, _) => {
                    return Err(DataError::ColumnCount {
                        file,
                        found,
                        expected: 1,
                    });
                }
            }
        };
        let targets_at: Option<Vec<usize>> = targets_at;
        for record in records.iter().skip(usize::from(with_header)) {
            let record = record?;
            let cell = |place: usize| record.cells.get(place).unwrap_or_default().trim();
            texts.push(cell(text_at).to_owned());
            match &targets_at {
                Some(places) => targets.read(record.row, places.iter().map(|&place| cell(place))),
                None => targets.give_up(None),
            }
        }
    }
    if texts.is_empty() {
        return Err(DataError::NoRows { file });
    }
    let steps = preprocessing.shape.positions();
    check_size(&file, [texts.len(), steps, 1])?;
    let tokenizer = Tokenizer::new(vocabulary);
    let mut inputs = Vec::with_capacity(texts.len() * steps);
    for text in &texts {
        tokenizer.encode(text, steps, &mut inputs);
    }
    let (targets, note) = targets.finish();
    notes.extend(note);
    Ok(NewRows {
        shape: preprocessing.shape,
        rows: texts.len(),
        inputs,
        names,
        targets,
        notes,
    })
}
