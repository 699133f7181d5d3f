//! What is known of a data set without holding its samples, and how raw columns become inputs.

use serde::{Deserialize, Serialize};

use super::Shape;

/// What is to be predicted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Task {
    /// One of these classes; targets and logits are indices into the list.
    Classification { classes: Vec<String> },
    /// One number for each of these targets, such as the next values of a series.
    Regression {
        #[serde(default = "one_target")]
        targets: Vec<String>,
    },
}

/// The one target of descriptions that do not name it.
fn one_target() -> Vec<String> {
    vec!["target".to_owned()]
}

impl Task {
    /// Width of the network's output: the number of classes, or of targets.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Classification { classes } => classes.len(),
            Self::Regression { targets } => targets.len(),
        }
    }

    /// The regression of one target.
    pub fn regression(target: &str) -> Self {
        Self::Regression {
            targets: vec![target.to_owned()],
        }
    }

    pub fn is_regression(&self) -> bool {
        matches!(self, Self::Regression { .. })
    }

    /// Name of the exported network's output tensor.
    pub fn output_name(&self) -> &'static str {
        match self {
            Self::Classification { .. } => "logits",
            Self::Regression { .. } => "prediction",
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

/// What the samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataKind {
    /// Rows whose columns have no order.
    #[default]
    Table,
    Images,
    /// Many short series, each with its label.
    Sequences,
    /// One long series whose next values are asked for.
    Series,
    Text,
}

/// A data set in words and counts: what `trimtab datasets` prints and what a configuration is checked against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatasetSummary {
    pub name: String,
    #[serde(default)]
    pub kind: DataKind,
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
    /// The network predicts `(value - mean) / deviation` of each target.
    Values {
        targets: Vec<TargetScale>,
    },
}

impl TargetTransform {
    /// Standard deviations of a regression's targets in their own units; 1 for classes.
    pub fn deviations(&self) -> Vec<f64> {
        match self {
            Self::Classes { .. } => vec![1.0],
            Self::Values { targets } => targets.iter().map(|target| target.deviation).collect(),
        }
    }
}

/// One target of a regression, in its own unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetScale {
    pub name: String,
    pub mean: f64,
    pub deviation: f64,
}
