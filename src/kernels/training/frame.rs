//! Images with their channels last and room for zeros around them, in a thread's cache.

use super::transpose::{Matrix, transpose};
use crate::kernels::InstructionSet;

/// Where an image lies in a larger one of zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub channels: usize,
    /// Height and width of the image.
    pub image: [usize; 2],
    /// Lines above and positions to the left.
    pub before: [usize; 2],
    /// Height and width of all.
    pub size: [usize; 2],
}

impl Frame {
    pub fn is_tight(&self) -> bool {
        self.size == self.image
    }

    pub fn len(&self) -> usize {
        self.channels * self.size[0] * self.size[1]
    }

    /// Values of a line.
    pub fn line(&self) -> usize {
        self.channels * self.size[1]
    }

    /// Where a line of the image starts.
    pub fn start(&self, line: usize) -> usize {
        (line + self.before[0]) * self.line() + self.before[1] * self.channels
    }

    /// Whether an image lies as it would in the frame.
    pub fn is_as_given(&self, channels_last: bool) -> bool {
        self.is_tight() && (channels_last || self.channels == 1)
    }

    /// Puts an image into its frame; what lies around it stays. `turned` is room.
    pub fn put(&self, set: InstructionSet, image: &[f32], last: bool, turned: &mut Vec<f32>, frame: &mut [f32]) {
        let [height, width] = self.image;
        let area = height * width;
        let columns = Matrix {
            rows: self.channels,
            columns: area,
            pitch: area,
        };
        let is_last = last || self.channels == 1;
        if !is_last && self.is_tight() {
            transpose(set, columns, image, frame, self.channels);
            return;
        }
        let image = if is_last {
            image
        } else {
            turned.resize(image.len(), 0.0);
            transpose(set, columns, image, turned, self.channels);
            turned
        };
        for (line, values) in image.chunks_exact((width * self.channels).max(1)).enumerate() {
            frame[self.start(line)..][..values.len()].copy_from_slice(values);
        }
    }
}
