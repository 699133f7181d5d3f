//! Bytes to samples to batches: shipped sets, generators, the CSV importer, splits, and the preprocessing that goes out with a model.
//!
//! # What the importer decides, and how
//!
//! * **Text**: UTF-8 with or without a byte-order mark; what is not valid UTF-8 is read as Windows-1252, with a note. Control
//!   characters make a file binary, which is refused, as is UTF-16.
//! * **Separator**: of comma, semicolon and tab, the one that gives every one of the first 100 rows equally many cells. Where comma and
//!   semicolon both do and all commas lie between digits, these are decimal commas.
//! * **Header**: the first row, if it has a text above a column of numbers; without any column of numbers, if its cells are different
//!   texts. Columns without a name are called `column_1` and so on.
//! * **Missing values**: the empty cell, `NA`, `N/A`, `NaN`, `null` (letters of either case) and `?`. Rows without a target are left out.
//! * **Numbers**: a column is numeric when all its present cells are numbers. A decimal comma is read, a column that mixes comma and point
//!   is refused, as are separators of thousands, because `1,234` says two things. A column of more than 20 different cells, at
//!   least 95 % of them numbers, is refused with the first cell that is not one; other mixed columns are text.
//! * **Left out**, with a note: constant columns, columns without values, running numbers (unless nothing else is left), columns
//!   called `id` or `..._id` with different integers, texts that are all different, more than 50 texts in which more than half of
//!   the rows differ, more than [`MAX_CATEGORIES`] texts.
//! * **Task**: a text target is classification; so are integers with at most 20 different values and three rows for each on average;
//!   other numbers are regression. `data.task` overrules.
//! * **Split**: stratified by class, or by ten quantile bins of a regression target.
//! * **Limits**: [`MAX_FILE_BYTES`], [`MAX_COLUMNS`], [`MAX_RECORD_BYTES`], [`MAX_CELLS`], [`MAX_CLASSES`], [`MAX_INPUTS`].

pub mod augment;
mod error;
mod generated;
mod header;
mod inputs;
mod loader;
mod number;
mod predict;
mod preprocess;
mod profile;
mod raw;
mod records;
mod restore;
mod samples;
mod shipped;
mod split;
mod table;
mod target;
mod text;

use std::path::Path;

pub use error::DataError;
pub use inputs::Inputs;
pub use loader::{Batch, Batches, Loader, Mixed};
pub use predict::{NewRows, encode_cells, read_rows};
pub use preprocess::MAX_INPUTS;
pub use raw::Part;
pub use records::{MAX_COLUMNS, MAX_RECORD_BYTES};
pub use restore::{restore_cells, restore_number};
pub use samples::{Dataset, Samples, Targets, epoch_order};
pub use table::{MAX_CATEGORIES, MAX_CELLS};
pub use target::MAX_CLASSES;
pub use text::MAX_FILE_BYTES;

use crate::spec::{DataConfig, DataKind, DatasetSummary, Shape, SplitRows};
use generated::GENERATED;
use header::{nearest, position_of};
use shipped::SHIPPED;
use table::{Table, read_table};
use target::Target;

/// Name and one-line description of every set that needs no file.
pub fn names() -> Vec<(&'static str, &'static str)> {
    let shipped = SHIPPED.iter().map(|set| (set.name, set.about));
    shipped
        .chain(GENERATED.iter().map(|set| (set.name, set.about)))
        .collect()
}

/// Whether this names a set that is generated, with as many points and as much noise as configured.
pub fn is_generated(source: &str) -> bool {
    GENERATED.iter().any(|set| set.name == source.trim())
}

/// Loads the configured set, splits it and preprocesses it with the statistics of its training part.
pub fn load(config: &DataConfig) -> Result<Dataset, DataError> {
    check(config)?;
    let (table, image) = table(config)?;
    let target = Target::of(&table, config.task, None)?;
    let parts = split::divide(&target.strata, target.strata_count, config.split, config.split_seed);
    dataset(config, table, &target, image, &parts)
}

/// The raw rows of one part of the configured split as CSV, in the order in which they are evaluated.
pub fn rows_as_csv(config: &DataConfig, part: Part) -> Result<String, DataError> {
    check(config)?;
    let (table, _) = table(config)?;
    let target = Target::of(&table, config.task, None)?;
    let parts = split::divide(&target.strata, target.strata_count, config.split, config.split_seed);
    Ok(raw::csv(&table, &parts, part))
}

/// As [`load`], but fold `fold` (from 0) of `folds` is the test part, and validation is carved out of the rest by the ratio of the
/// split's first two fractions. The folds of one `split_seed` cover every row once.
pub fn load_fold(config: &DataConfig, fold: usize, folds: usize) -> Result<Dataset, DataError> {
    check(config)?;
    if folds < 2 || fold >= folds {
        return Err(DataError::NotAFold { fold, folds });
    }
    let (table, image) = table(config)?;
    let target = Target::of(&table, config.task, Some(folds))?;
    let parts = split::fold(
        &target.strata,
        target.strata_count,
        config.split,
        config.split_seed,
        (fold, folds),
    );
    dataset(config, table, &target, image, &parts)
}

fn check(config: &DataConfig) -> Result<(), DataError> {
    let issues = config.issues();
    if issues.is_empty() {
        Ok(())
    } else {
        Err(DataError::Config { issues })
    }
}

/// The raw table and the image shape, if its columns are pixels. A set's name goes before a file of that name.
fn table(config: &DataConfig) -> Result<(Table, Option<Shape>), DataError> {
    let source = config.source.trim();
    let target = config.target.as_deref();
    if let Some(set) = SHIPPED.iter().find(|set| set.name == source) {
        return set.table(target);
    }
    if let Some(set) = GENERATED.iter().find(|set| set.name == source) {
        let table = set.table(config);
        if let Some(target) = target {
            position_of(source, std::slice::from_ref(&table.target.name), target)?;
        }
        return Ok((table, None));
    }
    let path = Path::new(source);
    if !path.exists() && path.extension().is_none() && path.components().count() < 2 {
        let known: Vec<&str> = names().iter().map(|(name, _)| *name).collect();
        return Err(DataError::UnknownSource {
            name: source.to_owned(),
            remedy: nearest(&known, source),
        });
    }
    let bytes = text::read_file(path)?;
    Ok((read_table(source, &bytes, target, false)?, None))
}

fn dataset(
    config: &DataConfig,
    table: Table,
    target: &Target,
    image: Option<Shape>,
    parts: &split::Parts,
) -> Result<Dataset, DataError> {
    let (preprocessing, filled) = preprocess::fit(&table, target, &parts.train, image)?;
    let [train, validation, test] = [&parts.train, &parts.validation, &parts.test]
        .map(|rows| preprocess::apply(&table, target, &preprocessing, rows));
    let name = match Path::new(config.source.trim()).file_stem() {
        Some(stem) => stem.to_string_lossy().into_owned(),
        None => table.file.clone(),
    };
    let summary = DatasetSummary {
        name,
        kind: match preprocessing.shape {
            Shape::Image { .. } => DataKind::Images,
            _ => DataKind::Table,
        },
        rows: table.rows,
        input: preprocessing.shape,
        task: target.task.clone(),
        class_rows: target.class_rows.clone(),
        split: SplitRows {
            train: train.len(),
            validation: validation.len(),
            test: test.len(),
        },
        columns: table.columns.iter().map(|column| column.name.clone()).collect(),
        target: table.target.name,
        notes: [table.notes, filled].concat(),
    };
    Ok(Dataset {
        summary,
        preprocessing,
        train,
        validation,
        test,
    })
}

#[cfg(test)]
mod tests;
