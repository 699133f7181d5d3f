//! Questions that the doors ask and that are answered at once, without a run: what a data set is, what a configuration
//! plans, what an exported folder predicts.

use std::path::Path;

use crate::data::{self, DataError, Part};
use crate::deploy::{BundleError, DeployError, Prediction, bundle};
use crate::spec::{ConfigIssue, DataConfig, DatasetSummary, Metrics, RunConfig, RunPlan, TargetTransform};

/// Why a configuration cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error(transparent)]
    Data(#[from] DataError),
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; and "))]
    Config(Vec<ConfigIssue>),
}

/// Why an exported folder gives no prediction.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Deploy(#[from] DeployError),
}

/// What an exported folder says of the rows of a file.
#[derive(Debug, Clone)]
pub struct Predictions {
    /// One for each row.
    pub rows: Vec<Prediction>,
    /// The classes in the order of the probabilities; empty for a regression.
    pub labels: Vec<String>,
    /// Present when the file has the target column.
    pub metrics: Option<Metrics>,
    /// What was filled or assumed, one sentence each.
    pub notes: Vec<String>,
}

/// Name and one-line description of every set that needs no file.
pub fn datasets() -> Vec<(&'static str, &'static str)> {
    data::names()
}

/// What a data set is.
pub fn describe(config: &DataConfig) -> Result<DatasetSummary, DataError> {
    Ok(data::load(config)?.summary)
}

/// The raw rows of one part of the split as CSV.
pub fn rows(config: &DataConfig, part: Part) -> Result<String, DataError> {
    data::rows_as_csv(config, part)
}

/// Checks a configuration against its data.
pub fn plan(config: &RunConfig) -> Result<RunPlan, PlanError> {
    let dataset = data::load(&config.data)?;
    config.check(&dataset.summary).map_err(PlanError::Config)
}

/// Predicts the rows of `csv` with nothing but the exported `folder`.
pub fn predict(folder: &Path, csv: &Path) -> Result<Predictions, PredictError> {
    let bundle = bundle::open(folder)?;
    let new = data::read_rows(csv, &bundle.preprocessing)?;
    let rows = bundle.predict(&new.inputs)?;
    let metrics = match (&new.targets, &bundle.preprocessing.target) {
        (None, _) => None,
        (Some(data::Targets::Classes(classes)), _) => {
            Some(Metrics::classification(&bundle.outputs(&new.inputs)?, classes))
        }
        (Some(data::Targets::Values(values)), TargetTransform::Values { deviation, .. }) => {
            Some(Metrics::regression(&bundle.outputs(&new.inputs)?, values, *deviation))
        }
        (Some(data::Targets::Values(_)), TargetTransform::Classes { .. }) => None,
    };
    Ok(Predictions { rows, labels: bundle.labels.clone(), metrics, notes: new.notes })
}
