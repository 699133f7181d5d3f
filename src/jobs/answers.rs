//! Questions that the doors ask and that are answered at once, without a run: what a data set is, what a configuration
//! plans, what an exported folder predicts, how fast a reference network trains.

use std::path::{Path, PathBuf};

use super::JobError;
use super::admission::admit;
pub use super::classical::predict;
use crate::data::{self, DataError, Part};
pub use crate::deploy::bundle::{Answers, Prediction};
use crate::spec::{ConfigIssue, DataConfig, DatasetSummary, Failure, Finding, RunConfig, RunPlan};
use crate::store::Store;
use crate::train::bench;
pub use crate::train::bench::{Bench, BenchRow, Workload};

/// Name and one-line description of every set that needs no file.
pub fn datasets() -> Vec<(&'static str, &'static str)> {
    data::names()
}

/// Whether this names a set that is generated, with as many samples as configured.
pub fn is_generated(source: &str) -> bool {
    data::is_generated(source)
}

/// Whether this names a set that is generated with as much noise as configured.
pub fn has_noise(source: &str) -> bool {
    data::has_noise(source)
}

/// What a data set is.
pub fn describe(config: &DataConfig) -> Result<DatasetSummary, DataError> {
    Ok(data::load(config)?.summary)
}

/// What a data set is, and what its health check finds.
pub fn examine(config: &DataConfig) -> Result<(DatasetSummary, Vec<Finding>), DataError> {
    let dataset = data::load(config)?;
    let findings = data::health(&dataset)?;
    Ok((dataset.summary, findings))
}

/// The raw rows of one part of the split (`train`, `validation`, `test`) as CSV.
pub fn rows(config: &DataConfig, part: Part) -> Result<String, DataError> {
    data::rows_as_csv(config, part)
}

/// Checks a configuration against its data, and the data's health. What the machine cannot hold is planned all the same: its
/// cost is the answer.
pub fn plan(config: &RunConfig) -> Result<(RunPlan, Vec<Finding>), JobError> {
    let (summary, findings) = examine(&config.data)?;
    let plan = config.check(&summary).map_err(JobError::Config)?;
    Ok((plan, findings))
}

/// Checks a configuration against data that is known already, and against this machine's memory; reads no file.
pub fn check(config: &RunConfig, dataset: &DatasetSummary) -> Result<RunPlan, Vec<ConfigIssue>> {
    admit(config, dataset)
}

/// The store's directory: the given one, else the default place.
pub fn home(directory: Option<&Path>) -> Option<PathBuf> {
    directory.map(Path::to_owned).or_else(|| Store::default_dir().ok())
}

/// The folder in which exports are offered a place: among the person's documents, or else where the program stands.
pub fn exports() -> PathBuf {
    let dirs = directories::UserDirs::new();
    let home = dirs
        .as_ref()
        .map(|dirs| dirs.document_dir().unwrap_or_else(|| dirs.home_dir()));
    home.unwrap_or(Path::new("")).join("trimtab-exports")
}

/// Times training and inference of a reference network.
pub fn bench(what: Bench) -> Result<BenchRow, Failure> {
    bench::run(what)
}
