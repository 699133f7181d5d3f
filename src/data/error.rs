//! Everything that can be wrong with a data set, each with its place and what to do about it.

use crate::spec::{ConfigIssue, Failure};

/// Why a data set cannot be used. `file` is the path or the name of the set; `row` counts the lines of the file from 1, as an
/// editor shows them, so a header is row 1; columns go by name.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("{name}: neither a shipped data set nor a file; {remedy}")]
    UnknownSource { name: String, remedy: String },
    #[error("{file}: cannot be read ({source}); check the path and its permissions")]
    Io { file: String, source: std::io::Error },
    #[error("{file}: is a directory or a device; name a CSV file")]
    NotAFile { file: String },
    #[error("{file}: the file is empty; bring a CSV file with a header line and one row a sample")]
    Empty { file: String },
    #[error("{file}: more than {limit_bytes} bytes; bring fewer rows or columns")]
    TooLarge { file: String, limit_bytes: u64 },
    #[error(
        "{file}: byte {byte} (row {row}) is a control character, so this is a binary file; save the table as CSV text"
    )]
    Binary { file: String, row: usize, byte: usize },
    #[error("{file}: the text is UTF-16; save it as UTF-8")]
    Utf16 { file: String },
    #[error("{file}: row {row}: a quote opens here and never closes; close it, or write a quote inside a cell twice")]
    OpenQuote { file: String, row: usize },
    #[error(
        "{file}: row {row}: longer than {limit_bytes} bytes; look for a missing line break or a quote that is not closed"
    )]
    RowTooLong {
        file: String,
        row: usize,
        limit_bytes: usize,
    },
    #[error("{file}: row {row}: more than {limit} columns; keep the columns that matter")]
    TooManyColumns { file: String, row: usize, limit: usize },
    #[error("{file}: {rows} rows of {columns} columns are more than {limit} cells; bring fewer rows or columns")]
    TooManyCells {
        file: String,
        rows: usize,
        columns: usize,
        limit: usize,
    },
    #[error("{file}: row {row} has {found} cells, but row {first_row} has {expected}; give every row the same columns")]
    Ragged {
        file: String,
        row: usize,
        found: usize,
        first_row: usize,
        expected: usize,
    },
    #[error("{file}: columns {first} and {second} are both called \"{column}\"; rename one")]
    DuplicateColumn {
        file: String,
        column: String,
        first: usize,
        second: usize,
    },
    #[error("{file}: no rows below the header; bring one row a sample")]
    NoRows { file: String },
    #[error("{file}: no column is left to learn from besides the target \"{target}\"{notes}; add input columns")]
    NoInputs {
        file: String,
        target: String,
        notes: String,
    },
    #[error("{file}: no column is called \"{target}\"; {remedy}")]
    MissingTarget {
        file: String,
        target: String,
        remedy: String,
    },
    #[error("{file}: every cell of the target \"{target}\" is empty; name another column with data.target")]
    EmptyTarget { file: String, target: String },
    #[error(
        "{file}: row {row}, column \"{column}\": \"{text}\" is not a number; correct it, or clear the cell to count it as missing"
    )]
    NotANumber {
        file: String,
        row: usize,
        column: String,
        text: String,
    },
    #[error(
        "{file}: row {row}, column \"{column}\": \"{text}\" is infinite or too large; correct it, or clear the cell to count it as missing"
    )]
    Infinite {
        file: String,
        row: usize,
        column: String,
        text: String,
    },
    #[error(
        "{file}: row {row}, column \"{column}\": \"{text}\" seems to hold a separator of thousands; write digits without separators"
    )]
    Thousands {
        file: String,
        row: usize,
        column: String,
        text: String,
    },
    #[error(
        "{file}: column \"{column}\" has a decimal comma in row {comma_row} and a decimal point in row {point_row}; write all with one of them"
    )]
    MixedDecimals {
        file: String,
        column: String,
        comma_row: usize,
        point_row: usize,
    },
    #[error(
        "{file}: column \"{column}\" has {categories} different texts, which makes {inputs} inputs in all (limit {limit}); remove the column or group its texts"
    )]
    TooManyInputs {
        file: String,
        column: String,
        categories: usize,
        inputs: usize,
        limit: usize,
    },
    #[error(
        "{file}: every row of the target \"{target}\" is \"{class}\"; there is nothing to learn, bring rows of another class"
    )]
    OneClass {
        file: String,
        target: String,
        class: String,
    },
    #[error(
        "{file}: every row of the target \"{target}\" is {value}; there is nothing to learn, name another column with data.target"
    )]
    OneValue { file: String, target: String, value: f64 },
    #[error(
        "{file}: the target \"{target}\" has {classes} classes in {rows} rows; {}, or name another column with data.target",
        too_many(*.is_text)
    )]
    TooManyClasses {
        file: String,
        target: String,
        classes: usize,
        rows: usize,
        /// The classes are texts.
        is_text: bool,
    },
    #[error(
        "{file}: class \"{class}\" of the target \"{target}\" has {rows} rows, but every part of the split needs one and so it takes {needed}; bring more, or remove or merge the class"
    )]
    RareClass {
        file: String,
        target: String,
        class: String,
        rows: usize,
        needed: usize,
    },
    #[error("{file}: {rows} rows; this split takes at least {needed}")]
    TooFewRows { file: String, rows: usize, needed: usize },
    #[error(
        "{file}: {samples} samples of {steps} steps with {features} values are too many (limit {limit} steps); set data.steps, or data.window, to fewer"
    )]
    TooManySteps {
        file: String,
        samples: usize,
        steps: usize,
        features: usize,
        limit: usize,
    },
    #[error(
        "{file}: the {part} part of the series has {steps} steps, but a window and its horizon take {needed}; bring more steps, or set data.window to fewer"
    )]
    SeriesTooShort {
        file: String,
        part: &'static str,
        steps: usize,
        needed: usize,
    },
    #[error("{file}: row {row}: {problem}; {remedy}")]
    Format {
        file: String,
        row: usize,
        problem: String,
        remedy: &'static str,
    },
    #[error("{file}: more than {limit} files; bring fewer, or put their texts in a CSV file")]
    TooManyFiles { file: String, limit: usize },
    #[error("fold {fold} of {folds}: not a fold; use 2 or more folds and count them from 0")]
    NotAFold { fold: usize, folds: usize },
    #[error("{file}: {problem}; {remedy}")]
    Malformed {
        file: String,
        problem: String,
        remedy: String,
    },
    #[error("{}", list(.issues))]
    Config { issues: Vec<ConfigIssue> },
    #[error("{file}: no column is called \"{column}\", which the model reads; {remedy}")]
    MissingColumn {
        file: String,
        column: String,
        remedy: String,
    },
    #[error(
        "{file}: {found} columns without a header, but the model reads {expected}; add a header line with the names of the columns"
    )]
    ColumnCount {
        file: String,
        found: usize,
        expected: usize,
    },
    #[error(
        "{file}: cannot be prepared for the model: preprocessing.json is damaged ({problem}); export the run again"
    )]
    Preprocessing { file: String, problem: String },
    #[error("{file}: reading it crashed ({message}); this is a fault of the program, report it with the file")]
    Crashed { file: String, message: String },
    #[error("{file}: the shipped file is damaged ({source}); build the program again")]
    Shipped { file: String, source: std::io::Error },
}

impl DataError {
    /// As the end of a run whose data can't be read any more.
    pub fn into_failure(self) -> Failure {
        Failure::new("data", self.to_string(), "bring the file back, then resume the run")
    }
}

/// What to do about too many classes.
fn too_many(is_text: bool) -> &'static str {
    if is_text {
        "bring more rows of each"
    } else {
        "set data.task = \"regression\" if it is a quantity"
    }
}

fn list(issues: &[ConfigIssue]) -> String {
    issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
