//! What can be seen in a network at a moment: bulk data for pictures. It does not travel in the event stream; the latest
//! one overwrites the one before.

use super::Shape;

/// A network seen from outside (its answers) and from inside (its weights).
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Epochs trained when its answers were taken.
    pub epoch: usize,
    /// The rows that `answers` are of, in words: "validation" or "test".
    pub part: &'static str,
    /// What was looked at beyond the rest when it was taken.
    pub wanted: Wanted,
    pub answers: AnswersSeen,
    /// Only for data of exactly two numeric inputs.
    pub surface: Option<Surface>,
    /// One for each weight tensor with at least two dimensions, in the network's order.
    pub histograms: Vec<Histogram>,
    /// None where no layer has weights that can be drawn.
    pub filters: Option<Filters>,
    /// Only where they were wanted.
    pub gradients: Option<Gradients>,
    /// Only where it was wanted, and the network has such a layer.
    pub attention: Option<Attention>,
    /// Only of a compressed network whose answers are classes.
    pub changes: Option<Changes>,
}

/// What compression changed in the answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Changes {
    /// Name of the run that was compressed.
    pub parent: String,
    pub classes: Vec<String>,
    /// One for each class.
    pub counts: Vec<ClassChange>,
    /// Rows that were answered right before and are not now, with what is answered now, in the order of the data; at most 24.
    pub broken: Vec<SampleView>,
    /// The other way round; at most 24.
    pub mended: Vec<SampleView>,
    /// Of all outputs, in decibels: the larger the less has changed; none where nothing has.
    pub signal_to_noise: Option<f64>,
}

/// The rows of one true class before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClassChange {
    pub rows: usize,
    pub right_before: usize,
    pub right_after: usize,
    pub broken: usize,
    pub mended: usize,
}

/// The parts of a snapshot that cost so much that they are made only while somebody looks at them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    pub gradients: bool,
    /// For this row of the answered part.
    pub attention: Option<usize>,
}

impl Wanted {
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// What the network says of one part of the data. No rows before the first of it has been answered.
#[derive(Debug, Clone, PartialEq)]
pub enum AnswersSeen {
    Classes {
        classes: Vec<String>,
        rows: Vec<ClassAnswer>,
        /// One a class; of two classes only the second one's, for the first one's is its mirror image.
        curves: Vec<RocCurve>,
        /// Rows with the largest cross entropy, the worst first; at most 24.
        worst: Vec<SampleView>,
    },
    Values {
        /// In the order of the task's targets.
        targets: Vec<TargetAnswers>,
        /// Rows with the largest squared error over all targets (each in its standard deviations), the worst first; at most 24.
        worst: Vec<SampleView>,
        /// Only for a series.
        forecast: Option<Forecast>,
    },
}

impl AnswersSeen {
    /// Answered rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Classes { rows, .. } => rows.len(),
            Self::Values { targets, .. } => targets.first().map_or(0, |target| target.rows.len()),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassAnswer {
    /// Index of the true class.
    pub truth: u32,
    pub answer: u32,
    /// Probability given to the true class.
    pub probability: f32,
    /// Probability given to the answer.
    pub confidence: f32,
}

/// How well the probability of one class tells its rows from all others (Fawcett 2006).
#[derive(Debug, Clone, PartialEq)]
pub struct RocCurve {
    pub class: u32,
    /// Rows of the class, and the others.
    pub rows: [usize; 2],
    /// Area under the whole curve; none where one of the two kinds has no rows.
    pub area: Option<f64>,
    /// Share of the other rows and of the class's that lie at or above a threshold, which falls: from (0, 0) to (1, 1), thinned
    /// to what a picture shows.
    pub points: Vec<[f32; 2]>,
}

/// One target of a regression.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetAnswers {
    pub name: String,
    /// True and predicted value of each row, in the target's own unit.
    pub rows: Vec<[f64; 2]>,
}

/// What belongs to the answers where they are the next values of a series: the target of column `c`, `h` steps ahead (from 0),
/// is number `c * horizon + h`, and the rows are in the order of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// Names of the columns that are forecast.
    pub columns: Vec<String>,
    /// Steps ahead.
    pub horizon: usize,
    /// Some of the rows, evenly chosen, with what the network saw.
    pub windows: Vec<ForecastWindow>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ForecastWindow {
    /// Index into the targets' rows.
    pub row: usize,
    /// Of each forecast column its past values, the oldest first, in its own unit.
    pub past: Vec<Vec<f64>>,
}

/// One sample as a person can look at it.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleView {
    /// Index within its part of the split.
    pub row: usize,
    pub truth: String,
    /// What the network answered, with its probability or the value; empty where nobody was asked.
    pub answer: String,
    /// Names of the raw columns, in the file's order; none for images and sequences.
    pub columns: Vec<String>,
    /// Cells as in the file, one a column; none for images and sequences.
    pub cells: Vec<String>,
    /// For images: pixels between 0 (paper) and 1 (ink), row by row, `shape` gives the size. For sequences: the steps of one
    /// feature after another, between 0 (lowest) and 1 (highest).
    pub pixels: Option<(Shape, Vec<f32>)>,
    /// For sequences and series: the features' values in their own units, step by step.
    pub series: Option<(Shape, Vec<f32>)>,
}

/// Classes (or values) over the plane of two inputs, in raw units.
#[derive(Debug, Clone, PartialEq)]
pub struct Surface {
    pub columns: [String; 2],
    pub x: [f64; 2],
    pub y: [f64; 2],
    /// Cells along each side; row 0 is the lowest `y`.
    pub size: usize,
    /// `size x size`: index of the class and its probability; for a regression 0 and the value scaled to 0..1.
    pub cells: Vec<(u32, f32)>,
    /// Up to 2000 training rows: x, y and class (0 for a regression).
    pub points: Vec<([f64; 2], u32)>,
}

/// Counts of a tensor's values in equal bins.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    pub name: String,
    pub low: f32,
    pub high: f32,
    pub counts: Vec<u32>,
    /// Values that are exactly zero, as a fraction.
    pub zeros: f32,
    pub values: usize,
}

/// What the loss asks of every parameter, before clipping.
#[derive(Debug, Clone, PartialEq)]
pub struct Gradients {
    /// The training step (from 0) that they are of; none where they were made anew for a batch with the kept weights.
    pub step: Option<usize>,
    /// One a trainable tensor, in the network's order.
    pub tensors: Vec<GradientSeen>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct GradientSeen {
    pub histogram: Histogram,
    /// Root of the mean square; not finite where a value is not.
    pub size: f64,
}

/// Whether a tensor learns, by the size of its gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GradientHealth {
    Fine,
    /// Every value is exactly zero: it does not learn at all.
    Zero,
    /// Below [`VANISHING`] of the largest tensor's, and no bias.
    Vanishing,
    /// Not a number any more, or above [`EXPLODING`] times the middle one's and 1.
    Exploding,
}

/// See [`GradientHealth`].
pub const VANISHING: f64 = 1e-4;
/// See [`GradientHealth`].
pub const EXPLODING: f64 = 100.0;

impl Gradients {
    /// One a tensor.
    pub fn health(&self) -> Vec<GradientHealth> {
        let finite = self
            .tensors
            .iter()
            .map(|seen| seen.size)
            .filter(|size| size.is_finite());
        let mut sizes: Vec<f64> = finite.filter(|&size| size > 0.0).collect();
        sizes.sort_unstable_by(f64::total_cmp);
        let largest = sizes.last().copied().unwrap_or(0.0);
        let middle = sizes.get(sizes.len().saturating_sub(1) / 2).copied().unwrap_or(0.0);
        let health = |seen: &GradientSeen| match seen.size {
            size if !size.is_finite() || size > 1.0 && size > EXPLODING * middle => GradientHealth::Exploding,
            0.0 => GradientHealth::Zero,
            // A bias may be in vain, as in front of a batch norm, in a layer that learns.
            size if size < VANISHING * largest && !seen.histogram.name.contains("bias") => GradientHealth::Vanishing,
            _ => GradientHealth::Fine,
        };
        self.tensors.iter().map(health).collect()
    }
}

/// The weights of the first layer that has any, as pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct Filters {
    /// The tensor's name.
    pub tensor: String,
    /// What kind of layer it belongs to, in the field's word.
    pub layer: &'static str,
    /// Largest magnitude of what is shown.
    pub largest: f32,
    pub picture: FilterPicture,
}

#[derive(Debug, Clone, PartialEq)]
pub enum FilterPicture {
    /// One a filter or unit: its weights over what it sees, `[channels, height, width]`.
    Images {
        shape: [usize; 3],
        /// Channel by channel, row by row; the first ones of `total`.
        images: Vec<Vec<f32>>,
        total: usize,
    },
    /// One row a unit and one column an input, of which the first ones are shown; where a unit weighs its inputs several
    /// times, the inputs of one gate after those of another.
    Matrix {
        /// Names of the gates of a recurrent layer, or of what attention asks by; empty where a unit weighs its inputs once.
        gates: Vec<&'static str>,
        /// Names of the shown inputs; empty where they have none.
        columns: Vec<String>,
        /// Shown rows and columns.
        size: [usize; 2],
        /// Row by row.
        values: Vec<f32>,
        /// Units and inputs of the whole tensor.
        total: [usize; 2],
    },
    /// Each shown token with those whose vectors have the most similar direction, and the cosine.
    Neighbours {
        tokens: Vec<(String, Vec<(String, f32)>)>,
        /// Tokens of the vocabulary that can be shown: padding and single bytes cannot.
        total: usize,
    },
}

/// How every step of a sample attends to every other, in the network's answer to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Attention {
    /// With the network's answer.
    pub sample: SampleView,
    /// Rows of the part that can be chosen from.
    pub rows: usize,
    /// In words: one a step of the first layer.
    pub labels: Vec<String>,
    /// Where the steps lie in the sample's picture: columns and rows of the grid that they divide it into. None where there is no
    /// picture. A step more than the grid has is the class token, in front.
    pub grid: Option<[usize; 2]>,
    /// In the network's order.
    pub layers: Vec<AttentionLayer>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AttentionLayer {
    /// Its place in the network.
    pub layer: usize,
    pub heads: usize,
    pub steps: usize,
    /// `heads x steps x steps`: the share of each step's attention (row) that every step (column) gets; a row sums to 1.
    pub shares: Vec<f32>,
}
