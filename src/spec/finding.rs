//! What a person should know of a data set before training on it.

use serde::{Deserialize, Serialize};

/// One thing that was found, and what to do about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub kind: FindingKind,
    /// The column, the class or the part of the split.
    pub place: String,
    /// Rows, values or columns that are concerned.
    pub count: usize,
    /// What was found, with its figures: a sentence without its full stop.
    pub what: String,
    /// What to do: likewise.
    pub remedy: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// Classes of very different sizes, or of very few rows.
    ClassBalance,
    /// Equal samples within the training part.
    Duplicates,
    /// Samples of another part that are also in the training part.
    SharedRows,
    /// Equal samples with different targets.
    Contradictions,
    /// A column that says nothing.
    Constant,
    /// A column that alone tells the target.
    Leak,
    /// A few values far from all others.
    Outliers,
}

impl FindingKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::ClassBalance => "class balance",
            Self::Duplicates => "duplicates",
            Self::SharedRows => "shared rows",
            Self::Contradictions => "contradictions",
            Self::Constant => "constant column",
            Self::Leak => "leaking column",
            Self::Outliers => "outliers",
        }
    }
}
