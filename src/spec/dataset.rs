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

/// Digests of what a data set holds, by which data that have changed are known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Of the samples and targets of all three parts.
    pub samples: String,
    /// Of what scores are taken on: the targets of all three parts; of a generated set, whose samples come with them, both.
    pub scored: String,
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
    /// None in an older description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
}

impl DatasetSummary {
    /// Whether these are the same data as `other`, by all that tells data apart: notes do not, nor does what an older
    /// description leaves out (the kind, the names of a regression's targets, the digests).
    pub fn is_same_data(&self, other: &Self) -> bool {
        let has_same_task = match (&self.task, &other.task) {
            (Task::Regression { targets }, Task::Regression { targets: others }) => {
                targets == others || *targets == one_target() && others.len() == 1
            }
            (task, other) => task == other,
        };
        let has_same_kind = self.kind == other.kind || self.kind == DataKind::default();
        let adapted = Self {
            kind: other.kind,
            task: other.task.clone(),
            notes: other.notes.clone(),
            content: self.content.clone().or_else(|| other.content.clone()),
            ..self.clone()
        };
        has_same_task && has_same_kind && adapted == *other
    }
}

/// How raw columns become the network's input, and its output an answer. Fitted on the training split only; written as
/// `preprocessing.json` into every export.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// What a sample is made from.
    #[serde(default)]
    pub form: InputForm,
    /// In the order of the network's input; only of [`InputForm::Row`].
    pub columns: Vec<InputColumn>,
    /// Shape of one preprocessed sample.
    pub shape: Shape,
    pub target_column: String,
    pub target: TargetTransform,
}

/// What a sample is made from, with all that makes the network's input of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum InputForm {
    /// A row of a table: [`Preprocessing::columns`].
    #[default]
    Row,
    /// A picture, resized to the height and width of [`Preprocessing::shape`]; values from 0 to 255, or of the file's own range.
    Pixels {
        /// `red`, `green` and `blue`, or `grey`.
        channels: Vec<FeatureScale>,
        /// Whether colours are read as their brightness.
        grey: bool,
    },
    /// A short series of as many steps as [`Preprocessing::shape`] has; a shorter one is padded with zeros in front, of a
    /// longer one the last steps are read.
    Steps { features: Vec<FeatureScale> },
    /// The last steps of one long series, as many as [`Preprocessing::shape`] has; the targets are the `horizon` values of
    /// each of `targets` that follow, target by target.
    Window {
        features: Vec<FeatureScale>,
        /// Names of the columns that are forecast.
        targets: Vec<String>,
        horizon: usize,
    },
    /// A text in tokens, cut behind or padded with token 0 in front to the steps of [`Preprocessing::shape`].
    Text {
        /// Name of its column.
        column: String,
        vocabulary: Vocabulary,
    },
}

impl InputForm {
    /// The features of every step, or the channels of every pixel; none of a row and of a text.
    pub fn features(&self) -> &[FeatureScale] {
        match self {
            Self::Pixels { channels, .. } => channels,
            Self::Steps { features } | Self::Window { features, .. } => features,
            Self::Row | Self::Text { .. } => &[],
        }
    }
}

/// One feature of every step, or one channel of every pixel: the network reads `(value - mean) / deviation`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureScale {
    pub name: String,
    pub mean: f64,
    pub deviation: f64,
}

/// The tokens of a text. Token 0 is padding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Vocabulary {
    /// The bytes of UTF-8: a byte's token is one more than the byte.
    Bytes,
    /// Runs of letters and digits in lower case, and every other character that is no blank: token 1 is any word that is not
    /// in the list, the word at place `p` is token `p + 2`.
    Words { words: Vec<String> },
}

impl Vocabulary {
    /// Number of tokens, padding among them.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes => 257,
            Self::Words { words } => words.len() + 2,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Preprocessing {
    /// What contradicts itself, in words, as in a file that was damaged; `None` where all fits.
    pub fn problem(&self) -> Option<String> {
        let dimensions = self.shape.dimensions();
        let len = dimensions.iter().try_fold(1_usize, |len, &edge| len.checked_mul(edge));
        let scaled = |features: &[FeatureScale]| {
            let broken = features.iter().find(|feature| {
                !(feature.mean.is_finite() && feature.deviation.is_finite() && feature.deviation > 0.0)
            })?;
            let FeatureScale { name, mean, deviation } = broken;
            Some(format!("\"{name}\" has mean {mean} and deviation {deviation}"))
        };
        let misfit = |what: String| Some(format!("{what}, but the network takes {}", self.shape));
        match (&self.form, self.shape) {
            _ if len.is_none_or(|len| len == 0) => misfit("its shape has no size".to_owned()),
            (InputForm::Row, _) => {
                let widths = self.columns.iter().map(|column| column.kind.width());
                let width = widths.fold(0_usize, usize::saturating_add);
                if Some(width) != len {
                    return misfit(format!("its columns make {width} inputs"));
                }
                self.columns.iter().find_map(|column| match column.kind {
                    ColumnKind::Numeric { mean, deviation, fill }
                        if !(mean.is_finite() && fill.is_finite() && deviation.is_finite() && deviation > 0.0) =>
                    {
                        let name = &column.name;
                        Some(format!(
                            "column \"{name}\" has mean {mean}, deviation {deviation} and filling {fill}"
                        ))
                    }
                    _ => None,
                })
            }
            (InputForm::Pixels { channels, .. }, Shape::Image { channels: count, .. }) if channels.len() == count => {
                scaled(channels)
            }
            (InputForm::Steps { features }, Shape::Sequence { features: count, .. }) if features.len() == count => {
                scaled(features)
            }
            (
                InputForm::Window {
                    features,
                    targets,
                    horizon,
                },
                Shape::Sequence { features: count, .. },
            ) if features.len() == count => {
                let known = |target: &String| features.iter().any(|feature| feature.name == *target);
                let answers = match &self.target {
                    TargetTransform::Classes { .. } => 0,
                    TargetTransform::Values { targets } => targets.len(),
                };
                if answers == 0 || targets.len().checked_mul(*horizon) != Some(answers) {
                    return Some(format!(
                        "it forecasts {} columns {horizon} steps ahead, but has {answers} targets",
                        targets.len()
                    ));
                }
                if let Some(target) = targets.iter().find(|target| !known(target)) {
                    return Some(format!("it forecasts \"{target}\", which it does not read"));
                }
                scaled(features)
            }
            (InputForm::Text { vocabulary, .. }, Shape::Tokens { vocabulary: count, .. })
                if vocabulary.len() == count =>
            {
                None
            }
            (InputForm::Pixels { .. }, _) => misfit("it describes pictures of other channels".to_owned()),
            (InputForm::Steps { .. } | InputForm::Window { .. }, _) => {
                misfit("it describes steps of other features".to_owned())
            }
            (InputForm::Text { .. }, _) => misfit("it describes texts of another vocabulary".to_owned()),
        }
    }
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
