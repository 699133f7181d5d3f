//! Where a product finds its activations: the address arithmetic of dense layers and of sliding windows, in one form.

/// The places of the activations that each output row of a product meets.
///
/// Output row `r` starts at `r / width * line_pitch + r % width * pixel_pitch`, or where a list says, and reads `run_len` neighbouring elements at
/// each of the offsets `runs` from there. A dense layer has one run. A convolution over a padded image whose channels lie next
/// to each other has one for each row of its kernel, so no patch is ever copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    pub(super) width: usize,
    pub(super) line_pitch: usize,
    pub(super) pixel_pitch: usize,
    /// Where the output rows start, if not as above.
    listed: Vec<usize>,
    pub(super) runs: Vec<usize>,
    pub(super) run_len: usize,
}

/// A sliding window over a padded image, height before width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Channels.
    pub channels: usize,
    /// Width of the image, padding included.
    pub padded_width: usize,
    /// Width of the result.
    pub out_width: usize,
    /// Size of the window.
    pub kernel: [usize; 2],
    /// Steps between windows.
    pub stride: [usize; 2],
    /// Steps between the elements of a window.
    pub dilation: [usize; 2],
}

impl Walk {
    /// Rows of `len` elements that start every `pitch` elements.
    pub fn rows(len: usize, pitch: usize) -> Self {
        Self {
            width: 1,
            line_pitch: pitch,
            pixel_pitch: 0,
            listed: Vec::new(),
            runs: vec![0],
            run_len: len,
        }
    }

    /// Rows that start at the places listed.
    pub fn listed(starts: Vec<usize>, runs: Vec<usize>, run_len: usize) -> Self {
        Self {
            width: 1,
            line_pitch: 0,
            pixel_pitch: 0,
            listed: starts,
            runs,
            run_len,
        }
    }

    /// Lines of `width` rows, which start `pixel_pitch` apart, and lines `line_pitch`.
    pub fn lines(width: usize, [line_pitch, pixel_pitch]: [usize; 2], runs: Vec<usize>, run_len: usize) -> Self {
        Self {
            width,
            line_pitch,
            pixel_pitch,
            listed: Vec::new(),
            runs,
            run_len,
        }
    }

    /// The windows of an image with channels last, in the order of the result's pixels.
    pub fn window(window: &Window) -> Self {
        let Window {
            channels,
            padded_width,
            out_width,
            kernel,
            stride,
            dilation,
        } = *window;
        let line = padded_width * channels;
        // Neighbouring pixels of an undilated window lie next to each other: they are one run.
        let (taps, run_len) = if dilation[1] == 1 {
            (1, kernel[1] * channels)
        } else {
            (kernel[1], channels)
        };
        let runs = (0..kernel[0])
            .flat_map(|y| (0..taps).map(move |x| y * dilation[0] * line + x * dilation[1] * channels))
            .collect();
        Self {
            width: out_width,
            line_pitch: stride[0] * line,
            pixel_pitch: stride[1] * channels,
            listed: Vec::new(),
            runs,
            run_len,
        }
    }

    /// Number of runs.
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    /// Elements of a run.
    pub fn run_len(&self) -> usize {
        self.run_len
    }

    /// Elements that a product of so many output rows reaches over, where runs are read in steps of `step` elements.
    pub fn span(&self, rows: usize, step: usize) -> usize {
        let Some(last) = rows.checked_sub(1) else { return 0 };
        let line = (last / self.width).saturating_mul(self.line_pitch);
        let pixel = last.min(self.width - 1).saturating_mul(self.pixel_pitch);
        let (line, pixel) = if self.listed.is_empty() {
            (line, pixel)
        } else {
            // More rows than are listed are nowhere.
            let rows = self.listed.get(..rows).unwrap_or(&[usize::MAX]);
            (rows.iter().max().copied().unwrap_or(0), 0)
        };
        let run = self.runs.iter().max().copied().unwrap_or(0);
        line.saturating_add(pixel)
            .saturating_add(run)
            .saturating_add(self.run_len.next_multiple_of(step))
    }

    /// The starts of the output rows, in order.
    pub(super) fn starts(&self) -> Starts<'_> {
        Starts {
            walk: self,
            row: 0,
            pixel: 0,
            line_start: 0,
        }
    }
}

pub(super) struct Starts<'a> {
    walk: &'a Walk,
    row: usize,
    pixel: usize,
    line_start: usize,
}

impl Starts<'_> {
    #[inline]
    pub(super) fn next(&mut self) -> usize {
        if let Some(&start) = self.walk.listed.get(self.row) {
            self.row += 1;
            return start;
        }
        let start = self.line_start + self.pixel * self.walk.pixel_pitch;
        self.pixel += 1;
        if self.pixel == self.walk.width {
            self.pixel = 0;
            self.line_start += self.walk.line_pitch;
        }
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window {
        channels: 2,
        padded_width: 6,
        out_width: 2,
        kernel: [3, 3],
        stride: [2, 2],
        dilation: [1, 1],
    };

    #[test]
    fn windows_start_at_their_upper_left_pixel() {
        let walk = Walk::window(&WINDOW);
        let mut starts = walk.starts();
        assert_eq!(
            [starts.next(), starts.next(), starts.next(), starts.next()],
            [0, 4, 24, 28]
        );
        assert_eq!((walk.runs.as_slice(), walk.run_len), ([0, 12, 24].as_slice(), 6));
    }

    #[test]
    fn a_dilated_window_has_a_run_for_each_tap() {
        let walk = Walk::window(&Window {
            dilation: [2, 2],
            ..WINDOW
        });
        assert_eq!(walk.runs, [0, 4, 8, 24, 28, 32, 48, 52, 56]);
        assert_eq!(walk.run_len, 2);
    }

    #[test]
    fn the_span_covers_the_last_element_of_the_last_row() {
        assert_eq!(Walk::window(&WINDOW).span(4, 1), 28 + 24 + 6);
        assert_eq!(Walk::window(&WINDOW).span(4, 4), 28 + 24 + 8);
        assert_eq!(Walk::rows(5, 8).span(3, 4), 16 + 8);
        assert_eq!(Walk::rows(5, 8).span(0, 4), 0);
    }
}
