//! Files of text: which of the formats it is, and what a CSV holds.

use std::path::Path;

use super::DataError;
use super::sequences;
use super::series;
use super::sheet::{Decoded, Sheet};
use super::source::Source;
use super::table::table_of;
use super::tabular::Tabular;
use super::target::places_of_targets;
use super::text::read_file;
use super::texts;
use crate::spec::{DataConfig, TaskKind};

/// Reads the file at the source's path. A bare word that is no file is left to be told from the known names.
pub(super) fn open(config: &DataConfig) -> Result<Option<Box<dyn Source>>, DataError> {
    let source = config.source.trim();
    let path = Path::new(source);
    if !path.exists() && path.extension().is_none() && path.components().count() < 2 {
        return Ok(None);
    }
    let bytes = read_file(path)?;
    of_bytes(source, &bytes, config).map(Some)
}

fn of_bytes(file: &str, bytes: &[u8], config: &DataConfig) -> Result<Box<dyn Source>, DataError> {
    let text = Decoded::of(file, bytes)?;
    if sequences::is_ts(file, &text.text) {
        let sequences = sequences::read_ts(file, &text.text)?;
        if sequences.labels.is_empty() {
            return Err(DataError::Format {
                file: file.to_owned(),
                row: 1,
                problem: "the samples have neither classes nor values".to_owned(),
                remedy: "say @classLabel true or @targetLabel true, and put them behind the samples",
            });
        }
        return Ok(Box::new(sequences));
    }
    let sheet = Sheet::open(file, &text)?;
    let target = config.target.as_deref();
    if config.task == Some(TaskKind::Forecast) {
        return Ok(Box::new(series::of_sheet(&sheet, target)?));
    }
    let targets = places_of_targets(file, &sheet.names, target)?;
    if let Some(sequences) = sequences::of_csv(&sheet, &targets, config)? {
        return Ok(Box::new(sequences));
    }
    // A table holds no tokens or steps: settings of these say that there is a text.
    let is_said = config.vocabulary.is_some() || config.steps.is_some();
    if is_said && let Some(column) = texts::text_column(&sheet, &targets)? {
        return Ok(Box::new(texts::of_csv(&sheet, column, &targets)?));
    }
    match table_of(&sheet, target, config.task, false) {
        Err(DataError::NoInputs { file, target, notes }) => match texts::text_column(&sheet, &targets)? {
            Some(column) => Ok(Box::new(texts::of_csv(&sheet, column, &targets)?)),
            None => Err(DataError::NoInputs { file, target, notes }),
        },
        table => Ok(Box::new(Tabular {
            table: table?,
            image: None,
        })),
    }
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
