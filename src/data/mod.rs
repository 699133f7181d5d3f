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
//! * **Left out**, with a note: constant columns, columns without values, running numbers (unless nothing else is left; of a
//!   regression, which may have a trend, only a first column that is called like an index, `id`, `row`, `no` or nothing), columns
//!   called `id` or `..._id` with different integers, texts that are all different, free text (four words a cell) or more than 50 texts
//!   in which more than half of the rows differ, more than [`MAX_CATEGORIES`] texts.
//! * **Task**: a text target is classification; so are integers with at most 20 different values and three rows for each on average;
//!   other numbers are regression. `data.task` overrules.
//! * **Several targets**: `data.target = "a,b"` is a regression of both; a column whose name has the comma goes before.
//! * **Split**: stratified by class, or by ten quantile bins of a regression's first target.
//!
//! # What is no table of rows
//!
//! * **Series**: with `data.task = "forecast"` the rows follow each other in time. All columns of numbers are read in windows, the
//!   target's next values are predicted; training comes first, then validation, then test, and no window crosses a border. A column
//!   called `time`, `date` and the like puts the rows in order.
//! * **Sequences in long form**: a column called `id`, `..._id`, `sequence`, `series`, `case` and the like, one called as times are, and
//!   targets that never change within a sequence. Where most ids have a single row, the rows are samples of their own.
//! * **Sequences in wide form**: equally many columns of each feature, numbered in a row from 0 or 1 (`heart_0 ... heart_49`, `t1 ...
//!   t50`), and besides them nothing but the targets and identifiers. Without being told, 8 steps at least, and none of the names that
//!   columns of tables have (`column`, `feature`, `var`, `pixel`, single letters but `t`); with `data.steps` any.
//! * **`.ts`**: a text whose first line begins with `@`.
//! * **Text**: a column of texts with more than two different ones, the one with the longest if there are several, where no other column
//!   can be learned from (identifiers and free text cannot), or where `data.vocabulary` or `data.steps` is set, which a table has no
//!   use for. A folder with a sub-folder of `.txt` files for each class is a set of texts too.
//! * **Missing steps** take the value before; unequal lengths are padded with zeros in front, which are the training mean.
//!
//! * **Limits**: [`MAX_FILE_BYTES`], [`MAX_COLUMNS`], [`MAX_RECORD_BYTES`], [`MAX_CELLS`], [`MAX_CLASSES`], [`MAX_INPUTS`].

pub mod augment;
mod digest;
mod error;
mod file;
mod generated;
mod header;
mod health;
mod inputs;
mod large;
mod loader;
mod number;
mod pictures;
mod predict;
mod preprocess;
mod profile;
mod raw;
mod records;
mod restore;
mod samples;
mod sequences;
mod series;
mod sheet;
mod shipped;
mod source;
mod split;
mod stored;
mod table;
mod tabular;
mod target;
mod text;
mod texts;

pub use error::DataError;
pub use health::health;
pub use inputs::Inputs;
pub use loader::{Batch, Batches, Loader, Mixed};
pub use predict::{NewRows, cell_names, encode_cells, read_rows};
pub use preprocess::MAX_INPUTS;
pub use raw::Part;
pub use records::{MAX_COLUMNS, MAX_RECORD_BYTES};
pub use restore::{restore_cells, restore_number, restore_value};
pub use samples::{Dataset, Samples, Targets, epoch_order};
pub use table::{MAX_CATEGORIES, MAX_CELLS};
pub use target::MAX_CLASSES;
pub use text::MAX_FILE_BYTES;

use crate::spec::DataConfig;
use generated::GENERATED;
use header::nearest;
use shipped::SHIPPED;
use source::{Division, Source};

/// Name and one-line description of every set that needs no file.
pub fn names() -> Vec<(&'static str, &'static str)> {
    let shipped = SHIPPED.iter().map(|set| (set.name, set.about));
    shipped
        .chain(GENERATED.iter().map(|set| (set.name, set.about)))
        .chain(pictures::GLYPHS.iter().map(|set| (set.name, set.about)))
        .collect()
}

/// Whether this names a set that is generated, with as many samples as configured.
pub fn is_generated(source: &str) -> bool {
    let source = source.trim();
    GENERATED.iter().any(|set| set.name == source) || pictures::GLYPHS.iter().any(|set| set.name == source)
}

/// Whether this names a set that is generated with as much noise as configured.
pub fn has_noise(source: &str) -> bool {
    GENERATED.iter().any(|set| set.has_noise && set.name == source.trim())
}

/// Loads the configured set, splits it and preprocesses it with the statistics of its training part.
pub fn load(config: &DataConfig) -> Result<Dataset, DataError> {
    open(config)?.dataset(config, Division::Split)
}

/// The raw rows of one part of the configured split as CSV, in the order in which they are evaluated.
pub fn rows_as_csv(config: &DataConfig, part: Part) -> Result<String, DataError> {
    open(config)?.csv(config, part)
}

/// As [`load`], but fold `fold` (from 0) of `folds` is the test part, and validation is carved out of the rest by the ratio of the
/// split's first two fractions. The folds of one `split_seed` cover every row once; those of a series follow each other in
/// time, each trained on what came before.
pub fn load_fold(config: &DataConfig, fold: usize, folds: usize) -> Result<Dataset, DataError> {
    if folds < 2 || fold >= folds {
        return Err(DataError::NotAFold { fold, folds });
    }
    open(config)?.dataset(config, Division::Fold { fold, folds })
}

/// Opens the source if it is of its kind.
type Recogniser = fn(&DataConfig) -> Result<Option<Box<dyn Source>>, DataError>;

/// Asked in this order; the first that knows the source reads it. A set's name goes before a file of that name.
const RECOGNISERS: [Recogniser; 6] = [
    shipped::open,
    generated::open,
    pictures::open,
    texts::open_folder,
    large::open,
    file::open,
];

fn open(config: &DataConfig) -> Result<Box<dyn Source>, DataError> {
    let issues = config.issues();
    if !issues.is_empty() {
        return Err(DataError::Config { issues });
    }
    for recognise in RECOGNISERS {
        if let Some(source) = recognise(config)? {
            return Ok(source);
        }
    }
    let name = config.source.trim().to_owned();
    let known: Vec<&str> = names().iter().map(|(name, _)| *name).collect();
    Err(DataError::UnknownSource {
        remedy: nearest(&known, &name),
        name,
    })
}

#[cfg(test)]
mod tests;
