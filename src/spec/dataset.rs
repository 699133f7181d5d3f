//! What is known of a data set without holding its samples, and how raw columns become inputs.

use serde::{Deserialize, Serialize};

use super::Shape;

/// What is to be predicted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Task {
    /// One of these classes; targets and logits are indices into the list.
    Classification { classes: Vec<String> },
    /// One number.
    Regression,
}

impl Task {
    /// Width of the network's output: the number of classes, or 1.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Classification { classes } => classes.len(),
            Self::Regression => 1,
        }
    }

    /// Name of the exported network's output tensor.
    pub fn output_name(&self) -> &'static str {
        match self {
            Self::Classification { .. } => "logits",
            Self::Regression => "prediction",
        }
    }
}

/// Rows in each part of the split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitRows {
    pub train: usize,
    pub validation: usize,
    pub test: usize,
}

/// A data set in words and counts: what `trimtab datasets` prints and what a configuration is checked against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatasetSummary {
    pub name: String,
    pub rows: usize,
    /// Shape of one preprocessed sample.
    pub input: Shape,
    pub task: Task,
    /// Rows of each class, in the order of the task's classes; empty for regression.
    pub class_rows: Vec<usize>,
    pub split: SplitRows,
    /// Names of the raw input columns that are used.
    pub columns: Vec<String>,
    pub target: String,
    /// What was filled, left out or assumed, one sentence each.
    pub notes: Vec<String>,
}

/// How raw columns become the network's input, and its output an answer. Fitted on the training split only; written as
/// `preprocessing.json` into every export.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// In the order of the network's input.
    pub columns: Vec<InputColumn>,
    /// Shape of one preprocessed sample.
    pub shape: Shape,
    pub target_column: String,
    pub target: TargetTransform,
}

/// One raw column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputColumn {
    pub name: String,
    #[serde(flatten)]
    pub kind: ColumnKind,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ColumnKind {
    /// `(value - mean) / deviation`; a missing value is first replaced by `fill`, the training median.
    Numeric { mean: f64, deviation: f64, fill: f64 },
    /// One-hot over `categories`. A missing value is the category of the empty text if there is one; an unknown value is all zeros.
    Category { categories: Vec<String> },
}

impl ColumnKind {
    /// Number of network inputs that this column takes.
    pub fn width(&self) -> usize {
        match self {
            Self::Numeric { .. } => 1,
            Self::Category { categories } => categories.len(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum TargetTransform {
    Classes {
        classes: Vec<String>,
    },
    /// The network predicts `(value - mean) / deviation`.
    Values {
        mean: f64,
        deviation: f64,
    },
}
