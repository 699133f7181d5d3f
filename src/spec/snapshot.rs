//! What can be seen in a network at a moment: bulk data for pictures. It does not travel in the event stream; the latest
//! one overwrites the one before.

use super::Shape;

/// A network seen from outside (its answers) and from inside (its weights).
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Epochs trained when it was taken.
    pub epoch: usize,
    /// The rows that `answers` are of, in words: "validation" or "test".
    pub part: &'static str,
    pub answers: AnswersSeen,
    /// Only for data of exactly two numeric inputs.
    pub surface: Option<Surface>,
    /// One for each weight tensor with at least two dimensions, in the network's order.
    pub histograms: Vec<Histogram>,
}

/// What the network says of one part of the data.
#[derive(Debug, Clone, PartialEq)]
pub enum AnswersSeen {
    Classes {
        classes: Vec<String>,
        /// One a row: index of the true class and of the answer, and the probability given to the true class.
        rows: Vec<ClassAnswer>,
        /// Rows with the largest cross entropy, the worst first; at most 24.
        worst: Vec<SampleView>,
    },
    Values {
        /// True and predicted value of each row, in the target's own unit.
        rows: Vec<[f64; 2]>,
        /// Rows with the largest error, the worst first; at most 24.
        worst: Vec<SampleView>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassAnswer {
    pub truth: u32,
    pub answer: u32,
    /// Probability given to the true class.
    pub probability: f32,
}

/// One sample as a person can look at it.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleView {
    /// Index within its part of the split.
    pub row: usize,
    pub truth: String,
    /// What the network answered, with its probability or the value; empty where nobody was asked.
    pub answer: String,
    /// Names of the raw columns, in the file's order; none for images.
    pub columns: Vec<String>,
    /// Cells as in the file, one a column; none for images.
    pub cells: Vec<String>,
    /// For images: pixels between 0 (paper) and 1 (ink), row by row, `shape` gives the size.
    pub pixels: Option<(Shape, Vec<f32>)>,
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
