//! What can go wrong between a trained network and a file that proves itself, as values that name the place and the remedy.

use std::path::PathBuf;

use crate::data::DataError;
use crate::runtime::{LoadError, RunError};
use crate::spec::{Failure, ShapeError};

/// Why a network could not be written, scored or judged.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The description of the network does not fit together.
    #[error("{0}")]
    Shape(#[from] ShapeError),
    /// A layer's numbers, or its place, do not allow what was asked.
    #[error("layer {layer} ({name}): {problem}; {remedy}")]
    Layer {
        /// Index into the layers of the `ModelSpec`.
        layer: usize,
        /// The field's word for the layer.
        name: &'static str,
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The network and what it is to be used with do not fit each other.
    #[error("{problem}; {remedy}")]
    Mismatch {
        /// What does not fit.
        problem: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Samples can't be read any more.
    #[error("{0}")]
    Rows(#[from] DataError),
    /// The runtime refuses the file.
    #[error("{0}")]
    Load(#[from] LoadError),
    /// The runtime could not run a batch.
    #[error("{0}")]
    Run(#[from] RunError),
    /// The second engine could not run the file at all.
    #[error(
        "the referee (rten) could not run the exported network: {problem}; report this with the run's configuration"
    )]
    Referee {
        /// What it said.
        problem: String,
    },
    /// Two computations of the same network disagree.
    #[error(
        "the exported network does not prove itself: {between} agree on the class of {agreement:.4} of {rows} rows (needed \
         {needed_agreement}), mean difference {mean:e}, largest {largest:e} (allowed for the {figure}: {allowed:e}); \
         nothing was exported"
    )]
    Disagreement {
        /// Who was compared.
        between: &'static str,
        /// Test rows compared.
        rows: usize,
        /// Share of them with the same class; 1 for a regression.
        agreement: f64,
        /// Share that is needed.
        needed_agreement: f64,
        /// Mean absolute difference of the outputs.
        mean: f64,
        /// Largest absolute difference of the outputs.
        largest: f64,
        /// Allowed difference.
        allowed: f64,
        /// Which of the two is held against it: "mean" or "largest".
        figure: &'static str,
    },
}

/// Why an export folder could not be written or used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The network itself.
    #[error("{0}")]
    Deploy(#[from] DeployError),
    /// The rows that were to be answered.
    #[error("{0}")]
    Rows(#[from] DataError),
    /// A file of the folder is missing, damaged or does not fit the others.
    #[error("{}: {problem}; {remedy}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        remedy: &'static str,
    },
}

impl DeployError {
    /// For a run's card: the place, what is wrong there and what to do.
    pub fn into_failure(self) -> Failure {
        match self {
            Self::Layer {
                layer,
                name,
                problem,
                remedy,
            } => Failure::new(format!("layer {layer} ({name})"), problem, remedy),
            Self::Mismatch { problem, remedy } => Failure::new("export", problem, remedy),
            other => Failure::new(
                "export",
                other.to_string(),
                "choose another recipe or train the run again",
            ),
        }
    }
}
