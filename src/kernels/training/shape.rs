//! The sizes of a convolution, and what follows it in one operation.

/// A convolution over images; over steps with a height of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvolutionShape {
    /// Values of a position of the input.
    pub channels: usize,
    /// Values of a position of the output.
    pub filters: usize,
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Height and width of the window.
    pub kernel: [usize; 2],
    /// Positions between windows.
    pub stride: [usize; 2],
    /// Positions of zeros at each edge.
    pub padding: [usize; 2],
    /// Whether the values of a position stand together, in input and output, and not the positions of a channel.
    pub channels_last: bool,
}

/// What is done to the output at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// Values below zero become zero.
    pub relu: bool,
    /// The largest of each square of so many positions is kept; 1 for all.
    pub pool: usize,
}

impl Tail {
    /// Nothing is done.
    pub const NONE: Self = Self { relu: false, pool: 1 };

    /// The smallest output.
    pub(super) fn low(self) -> f32 {
        if self.relu { 0.0 } else { f32::NEG_INFINITY }
    }
}

impl ConvolutionShape {
    /// Height and width of the output.
    pub fn out(&self) -> [usize; 2] {
        [0, 1].map(|axis| {
            let padded = self.input[axis] + 2 * self.padding[axis];
            padded
                .checked_sub(self.kernel[axis])
                .map_or(0, |room| room / self.stride[axis] + 1)
        })
    }

    /// Height and width of the output after its tail.
    pub fn pooled(&self, tail: Tail) -> [usize; 2] {
        self.out().map(|size| size / tail.pool)
    }

    /// Values of a sample.
    pub fn input_len(&self) -> usize {
        self.channels * self.input[0] * self.input[1]
    }

    /// Values of a sample's output.
    pub fn output_len(&self, tail: Tail) -> usize {
        let [height, width] = self.pooled(tail);
        self.filters * height * width
    }

    /// Products of a position's sum.
    pub fn depth(&self) -> usize {
        self.channels * self.kernel[0] * self.kernel[1]
    }

    /// Multiplications for a sample.
    pub(super) fn work(&self) -> usize {
        self.output_len(Tail::NONE) * self.depth()
    }
}
