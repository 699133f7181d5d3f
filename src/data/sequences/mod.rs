//! Many short series, each with its label: held in order, padded in front to one length.

mod encode;
mod long;
mod new;
mod ts;
mod wide;

pub(super) use encode::{encode, scales};
pub(super) use new::read_new;
pub(super) use ts::{is_ts, read as read_ts};

use super::DataError;
use super::preprocess::MAX_VALUES;
use super::raw::{Part, cell};
use super::samples::{Dataset, Samples};
use super::sheet::Sheet;
use super::source::{About, Division, Source, assemble};
use super::table::Column;
use super::target::Target;
use crate::spec::{DataConfig, DataKind, InputForm, Preprocessing, Shape, push_csv_line};

/// Most steps of a sample.
pub(super) const MAX_STEPS: usize = 10_000;

/// Sequences as read.
pub(super) struct Sequences {
    /// Path or name.
    pub(super) file: String,
    pub(super) features: Vec<String>,
    /// Sequence after sequence, step after step, one value a feature; NaN where no value came before.
    values: Vec<f64>,
    /// Where in `values` each sequence ends.
    ends: Vec<usize>,
    /// Target columns, one cell a sequence.
    pub(super) labels: Vec<Column>,
    pub(super) notes: Vec<String>,
    /// Values that were missing and took the one before.
    filled: usize,
}

impl Sequences {
    pub(super) fn new(file: &str, features: Vec<String>) -> Self {
        Self {
            file: file.to_owned(),
            features,
            values: Vec::new(),
            ends: Vec::new(),
            labels: Vec::new(),
            notes: Vec::new(),
            filled: 0,
        }
    }

    /// Number of sequences.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Number of values of all sequences.
    pub(super) fn values(&self) -> usize {
        self.values.len()
    }

    /// Appends a sequence, step after step; a missing value (NaN) takes the one before of its feature.
    pub(super) fn push(&mut self, steps: impl IntoIterator<Item = f64>) {
        let width = self.features.len();
        let start = self.values.len();
        for value in steps {
            let before = self.values.len().checked_sub(width).filter(|&before| before >= start);
            self.values.push(if value.is_nan() {
                self.filled += 1;
                before.map_or(f64::NAN, |before| self.values[before])
            } else {
                value
            });
        }
        self.ends.push(self.values.len());
    }

    /// The values of a sequence, step after step.
    pub(super) fn sequence(&self, row: usize) -> &[f64] {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.values[start..self.ends[row]]
    }

    /// Notes on what was not read.
    fn left_out(&mut self, unlabelled: usize, empty: usize) {
        if unlabelled > 0 {
            self.notes
                .push(format!("{unlabelled} sequences without a target are left out"));
        }
        if empty > 0 {
            self.notes
                .push(format!("{empty} sequences without values are left out"));
        }
    }

    /// Refuses a file of which nothing is left.
    fn check_labels(&self, unlabelled: usize) -> Result<(), DataError> {
        let file = self.file.clone();
        match self.len() {
            0 if unlabelled > 0 => Err(DataError::EmptyTarget {
                file,
                target: self
                    .labels
                    .iter()
                    .map(|label| label.name.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
            0 => Err(DataError::NoRows { file }),
            _ => Ok(()),
        }
    }

    /// Steps of the longest sequence.
    pub(super) fn longest(&self) -> usize {
        let lengths = (0..self.len()).map(|row| self.sequence(row).len());
        lengths.max().unwrap_or(0) / self.features.len().max(1)
    }

    /// The sequences from `rows`, encoded.
    pub(super) fn encode(&self, preprocessing: &Preprocessing, rows: &[usize]) -> Vec<f32> {
        let InputForm::Steps { features } = &preprocessing.form else {
            return Vec::new();
        };
        let mut inputs = Vec::with_capacity(rows.len() * preprocessing.shape.len());
        for &row in rows {
            encode(
                self.sequence(row),
                features,
                preprocessing.shape.positions(),
                &mut inputs,
            );
        }
        inputs
    }

    fn fit(&self, target: &Target, steps: usize, train: &[usize]) -> Preprocessing {
        let training = || train.iter().map(|&row| self.sequence(row));
        Preprocessing {
            form: InputForm::Steps {
                features: scales(&self.features, training),
            },
            columns: Vec::new(),
            shape: Shape::Sequence {
                steps,
                features: self.features.len(),
            },
            target_column: target.names.join(","),
            target: target.transform(train),
        }
    }

    fn target(&self, config: &DataConfig, division: Division) -> Result<Target, DataError> {
        Target::of(&self.file, &self.labels, config.task, division.folds())
    }

    fn notes(&self, steps: usize) -> Vec<String> {
        let mut notes = self.notes.clone();
        if self.filled > 0 {
            notes.push(format!(
                "{} missing values take the one before, or the training mean where there is none",
                self.filled
            ));
        }
        let width = self.features.len().max(1);
        let lengths = || (0..self.len()).map(|row| self.sequence(row).len() / width);
        let (shorter, longer) = (
            lengths().filter(|&length| length < steps).count(),
            lengths().filter(|&length| length > steps).count(),
        );
        if shorter > 0 {
            notes.push(format!(
                "{shorter} sequences of fewer than {steps} steps are padded in front"
            ));
        }
        if longer > 0 {
            notes.push(format!("Of {longer} longer sequences the last {steps} steps are read"));
        }
        notes
    }
}

impl Source for Sequences {
    fn dataset(&self, config: &DataConfig, division: Division) -> Result<Dataset, DataError> {
        let target = self.target(config, division)?;
        let steps = config.steps.unwrap_or_else(|| self.longest()).max(1);
        check_size(&self.file, [self.len(), steps, self.features.len()])?;
        let parts = division.parts(&target, config);
        let preprocessing = self.fit(&target, steps, &parts.train);
        let samples = [&parts.train, &parts.validation, &parts.test].map(|rows| Samples {
            shape: preprocessing.shape,
            inputs: self.encode(&preprocessing, rows).into(),
            targets: target.of_rows(&preprocessing.target, rows),
        });
        let about = About {
            file: self.file.clone(),
            kind: DataKind::Sequences,
            columns: self.features.clone(),
            notes: self.notes(steps),
        };
        Ok(assemble(about, &target, preprocessing, samples))
    }

    /// In wide form: one row a sequence, a column for each step of each feature. Shorter ones have empty cells in front.
    fn csv(&self, config: &DataConfig, part: Part) -> Result<String, DataError> {
        let parts = Division::Split.parts(&self.target(config, Division::Split)?, config);
        let (steps, width) = (self.longest(), self.features.len());
        let mut text = String::new();
        let titles = wide_names(&self.features, steps);
        push_csv_line(
            &mut text,
            titles.chain(self.labels.iter().map(|label| label.name.clone())),
        );
        for &row in parts.rows(part) {
            let values = self.sequence(row);
            let missing = steps - values.len() / width.max(1);
            let at = |feature: usize, step: usize| match step.checked_sub(missing) {
                Some(step) if !values[step * width + feature].is_nan() => values[step * width + feature].to_string(),
                _ => String::new(),
            };
            let cells = (0..width).flat_map(|feature| (0..steps).map(move |step| at(feature, step)));
            push_csv_line(&mut text, cells.chain(self.labels.iter().map(|label| cell(label, row))));
        }
        Ok(text)
    }
}

/// The sequences of a CSV, if that is what it holds: in long form by the names of its columns, in wide form by their numbers, where the
/// configured steps say so or nothing else is in it.
pub(super) fn of_csv(
    sheet: &Sheet<'_>,
    targets: &[usize],
    config: &DataConfig,
) -> Result<Option<Sequences>, DataError> {
    if let Some(long) = long::Long::of_sheet(sheet, targets)
        && let Some(sequences) = long::read(sheet, &long, targets, true)?
    {
        return Ok(Some(sequences));
    }
    match wide::Wide::of_names(&sheet.names, targets) {
        Some(wide) if wide.is_evident(sheet) || (config.steps.is_some() && wide.places.len() > 1) => {
            Ok(Some(wide::read(sheet, &wide, targets, true)?))
        }
        _ => Ok(None),
    }
}

/// Refuses what would not fit in memory once padded; how many samples, steps and features.
pub(super) fn check_size(file: &str, [samples, steps, features]: [usize; 3]) -> Result<(), DataError> {
    let limit = MAX_STEPS.min(MAX_VALUES / samples.saturating_mul(features).max(1));
    if steps > limit {
        return Err(DataError::TooManySteps {
            file: file.to_owned(),
            samples,
            steps,
            features,
            limit,
        });
    }
    Ok(())
}

/// Names of the columns of the wide form: every step of the first feature, then of the next.
pub(super) fn wide_names(features: &[String], steps: usize) -> impl Iterator<Item = String> {
    features
        .iter()
        .flat_map(move |feature| (0..steps).map(move |step| format!("{feature}_{step}")))
}
