//! Why a job could not be done, where it is not the failure of a run that has begun.

use crate::data::DataError;
use crate::deploy::{BundleError, DeployError};
use crate::spec::{ConfigIssue, Failure};
use crate::store::StoreError;

/// What a job ends with instead of its runs.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error(transparent)]
    Data(#[from] DataError),
    /// Everything that is wrong with the configuration.
    #[error("{}", lines(.0))]
    Config(Vec<ConfigIssue>),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Deploy(#[from] DeployError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Failed(#[from] Failure),
    #[error("stopped before it was done")]
    Stopped,
    /// A panic outside of any run.
    #[error("the job crashed: {message}; this is a fault of the program, the runs in the store are untouched")]
    Crashed { message: String },
}

fn lines(issues: &[ConfigIssue]) -> String {
    let lines: Vec<String> = issues.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
