//! What is drawn by hand, and how it becomes a picture like those of the data.

use crate::app::widgets::picture::size_of;
use crate::spec::Shape;

/// Cells of the canvas along a side, about; and how many there are at least for each pixel of the data.
const CANVAS: usize = 96;
const LEAST_FINE: usize = 4;
/// Width of the brush and of the eraser, in pixels of the data.
const BRUSH: f32 = 1.2;
const ERASER: f32 = 2.0;
/// What of the brush's radius its soft edge takes.
const SOFT: f32 = 0.35;
/// Ink from which on a cell counts as drawn.
const DRAWN: f32 = 0.5;
/// Bits of the bitmap along each side of a pixel.
const BLOCK: usize = 4;

/// A canvas that is finer than the data's pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    /// Of the data.
    shape: Shape,
    /// Cells for each pixel of the data, along a side.
    fine: usize,
    /// Ink of each cell between 0 and 1, row by row.
    ink: Vec<f32>,
    /// What the network sees of it.
    pixels: Vec<f32>,
    /// Counts up with every change.
    revision: u64,
}

impl Drawing {
    /// An empty canvas for data of this shape.
    pub fn new(shape: Shape) -> Self {
        let [_, height, width] = size_of(shape);
        let fine = (CANVAS / height.max(width).max(1)).max(LEAST_FINE);
        Self {
            shape,
            fine,
            ink: vec![0.0; height * width * fine * fine],
            pixels: vec![0.0; shape.len()],
            revision: 0,
        }
    }

    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Cells across and down.
    pub fn cells(&self) -> [usize; 2] {
        let [_, height, width] = size_of(self.shape);
        [width * self.fine, height * self.fine]
    }

    pub fn ink(&self) -> &[f32] {
        &self.ink
    }

    pub fn revision(&self) -> u64 {
        self.revision
    }

    pub fn is_empty(&self) -> bool {
        self.ink.iter().all(|&ink| ink < DRAWN)
    }

    pub fn clear(&mut self) {
        self.ink.fill(0.0);
        self.pixels.fill(0.0);
        self.revision += 1;
    }

    /// Draws or erases along a line between two places, which are shares of the canvas's width and height.
    pub fn stroke(&mut self, from: [f32; 2], to: [f32; 2], erases: bool) {
        let [across, down] = self.cells();
        let scale = |at: [f32; 2]| [at[0] * across as f32, at[1] * down as f32];
        let (from, to) = (scale(from), scale(to));
        let radius = 0.5 * self.fine as f32 * if erases { ERASER } else { BRUSH };
        let soft = (SOFT * radius).max(1.0);
        let reach = radius + soft;
        let range = |a: f32, b: f32, cells: usize| {
            let low = (a.min(b) - reach).floor().max(0.0) as usize;
            low..((a.max(b) + reach).ceil().max(0.0) as usize).min(cells)
        };
        for y in range(from[1], to[1], down) {
            for x in range(from[0], to[0], across) {
                let distance = distance([x as f32 + 0.5, y as f32 + 0.5], from, to);
                let covered = ((radius - distance) / soft + 0.5).clamp(0.0, 1.0);
                let ink = &mut self.ink[y * across + x];
                *ink = if erases {
                    ink.min(1.0 - covered)
                } else {
                    ink.max(covered)
                };
            }
        }
        let [channels, height, width] = size_of(self.shape);
        self.pixels = normalised(&self.ink, [across, down], [width, height]).repeat(channels);
        self.revision += 1;
    }

    /// Between 0 (paper) and 1 (ink), row by row, of the data's shape.
    pub fn pixels(&self) -> &[f32] {
        &self.pixels
    }
}

/// From a point to a line between two points.
fn distance(at: [f32; 2], from: [f32; 2], to: [f32; 2]) -> f32 {
    let along = [to[0] - from[0], to[1] - from[1]];
    let offset = [at[0] - from[0], at[1] - from[1]];
    let length = along[0] * along[0] + along[1] * along[1];
    let share = if length > 0.0 {
        ((offset[0] * along[0] + offset[1] * along[1]) / length).clamp(0.0, 1.0)
    } else {
        0.0
    };
    (offset[0] - share * along[0]).hypot(offset[1] - share * along[1])
}

/// The part of a picture that the glyphs of a data set fill.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Frame {
    /// Shares of the picture's width and height.
    width: f32,
    height: f32,
    /// How many times as much as the width the height may be scaled, so that a wide glyph becomes narrow; never less.
    squeeze: f32,
}

impl Frame {
    /// The 8 x 8 digits were 32 x 32 bitmaps in which every glyph had been scaled to the full height and, where it was wide,
    /// to 20 columns (Garris et al. 1994, NIST form-based handprint recognition system; Alpaydin and Kaynak 1998). Larger
    /// pictures are taken to be like MNIST (`LeCun` et al. 1998): 20 of 28 pixels, without a change of proportions.
    fn of(size: [usize; 2]) -> Self {
        if size[0].max(size[1]) <= 8 {
            Self {
                width: 20.0 / 32.0,
                height: 1.0,
                squeeze: 3.0,
            }
        } else {
            Self {
                width: 20.0 / 28.0,
                height: 20.0 / 28.0,
                squeeze: 1.0,
            }
        }
    }
}

/// `ink` on a canvas of `cells` (across, down) as a picture of `size` (across, down) like those of the data.
///
/// The original pictures were made so: the glyph is cut out along its bounding box and scaled to the set's size in a
/// bitmap of 4 x 4 bits a pixel, in whose middle its box then lies; the ink of a pixel is the share of bits that are set
/// in its block. Without these steps a drawing looks to the network like nothing that it has seen.
fn normalised(ink: &[f32], cells: [usize; 2], size: [usize; 2]) -> Vec<f32> {
    let mut picture = vec![0.0; size[0] * size[1]];
    let Some([left, top, right, bottom]) = bounds(ink, cells) else {
        return picture;
    };
    let box_size = [(right - left) as f32, (bottom - top) as f32];
    let bits = [size[0] * BLOCK, size[1] * BLOCK];
    let scale = scale(box_size, bits, Frame::of(size));
    // Whole bits, so that a glyph that fits already stays as it is.
    let margin = |axis: usize| ((bits[axis] as f32 - box_size[axis] * scale[axis]) / 2.0).round();
    let origin = [margin(0), margin(1)];
    let start = [left as f32, top as f32];
    let source = |bit: usize, axis: usize| start[axis] + (bit as f32 - origin[axis]) / scale[axis];
    for y in 0..bits[1] {
        for x in 0..bits[0] {
            let from = [source(x, 0), source(y, 1)];
            let to = [source(x + 1, 0), source(y + 1, 1)];
            if mean(ink, cells, from, to) >= DRAWN {
                picture[y / BLOCK * size[0] + x / BLOCK] += 1.0 / (BLOCK * BLOCK) as f32;
            }
        }
    }
    picture
}

/// Bits for each cell of the canvas, across and down.
fn scale(box_size: [f32; 2], bits: [usize; 2], frame: Frame) -> [f32; 2] {
    let across = frame.width * bits[0] as f32 / box_size[0];
    let down = frame.height * bits[1] as f32 / box_size[1];
    let down = down.min(frame.squeeze * across);
    [across.min(down), down]
}

/// Left, top, right and bottom of what is drawn, the latter two exclusive.
fn bounds(ink: &[f32], [across, _]: [usize; 2]) -> Option<[usize; 4]> {
    let drawn = ink.iter().enumerate().filter(|&(_, &ink)| ink >= DRAWN);
    drawn.fold(None, |bounds, (cell, _)| {
        let (x, y) = (cell % across, cell / across);
        let [left, top, right, bottom] = bounds.unwrap_or([x, y, x, y]);
        Some([left.min(x), top.min(y), right.max(x + 1), bottom.max(y + 1)])
    })
}

/// Mean ink of a rectangle; there is none outside of the canvas.
fn mean(ink: &[f32], [across, down]: [usize; 2], from: [f32; 2], to: [f32; 2]) -> f32 {
    let overlap = |cell: usize, low: f32, high: f32| (high.min(cell as f32 + 1.0) - low.max(cell as f32)).max(0.0);
    let range = |low: f32, high: f32, cells: usize| {
        (low.floor().max(0.0) as usize).min(cells)..(high.ceil().max(0.0) as usize).min(cells)
    };
    let mut sum = 0.0;
    for y in range(from[1], to[1], down) {
        let height = overlap(y, from[1], to[1]);
        for x in range(from[0], to[0], across) {
            sum += ink[y * across + x] * height * overlap(x, from[0], to[0]);
        }
    }
    sum / ((to[0] - from[0]) * (to[1] - from[1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGIT: Shape = Shape::Image {
        channels: 1,
        height: 8,
        width: 8,
    };

    /// A bitmap of `side` x `side` with ink where `is_drawn`.
    fn bitmap(side: usize, is_drawn: impl Fn(usize, usize) -> bool) -> Vec<f32> {
        (0..side * side)
            .map(|cell| f32::from(u8::from(is_drawn(cell % side, cell / side))))
            .collect()
    }

    /// A ring of 20 x 32 bits in the middle, as the set's own zeros are.
    fn ring(x: usize, y: usize) -> bool {
        (6..26).contains(&x) && !((11..21).contains(&x) && (5..27).contains(&y))
    }

    fn counted(bits: &[f32]) -> Vec<f32> {
        let mut picture = vec![0.0; 64];
        for (cell, bit) in bits.iter().enumerate() {
            picture[cell / 32 / 4 * 8 + cell % 32 / 4] += bit / 16.0;
        }
        picture
    }

    #[test]
    fn a_glyph_of_full_size_is_only_counted() {
        let bits = bitmap(32, ring);
        assert_eq!(normalised(&bits, [32, 32], [8, 8]), counted(&bits));
        // On a finer canvas too.
        let fine = bitmap(96, |x, y| ring(x / 3, y / 3));
        assert_eq!(normalised(&fine, [96, 96], [8, 8]), counted(&bits));
    }

    #[test]
    fn place_and_size_of_a_glyph_do_not_matter() {
        let full = normalised(&bitmap(96, |x, y| ring(x / 3, y / 3)), [96, 96], [8, 8]);
        for (left, top) in [(0, 0), (30, 12), (60, 32), (76, 64)] {
            let shifted = bitmap(96, |x, y| {
                x >= left && y >= top && x < left + 20 && y < top + 32 && ring(x - left + 6, y - top)
            });
            assert_eq!(normalised(&shifted, [96, 96], [8, 8]), full, "{left} {top}");
        }
    }

    #[test]
    fn a_wide_glyph_is_narrowed_and_an_upright_stroke_stays_narrow() {
        let columns =
            |picture: &[f32]| -> Vec<bool> { (0..8).map(|x| (0..8).any(|y| picture[y * 8 + x] > 0.0)).collect() };
        let wide = normalised(&bitmap(96, |_, y| y < 90), [96, 96], [8, 8]);
        assert_eq!(columns(&wide), [false, true, true, true, true, true, true, false]);
        // 8 cells wide and 80 high: 3.2 bits wide and 32 high.
        let stroke = normalised(&bitmap(96, |x, y| (40..48).contains(&x) && y < 80), [96, 96], [8, 8]);
        assert_eq!(columns(&stroke), [false, false, false, true, true, false, false, false]);
        assert!(stroke.chunks(8).all(|row| row[3] + row[4] >= 0.7));
    }

    #[test]
    fn a_larger_picture_keeps_proportions_and_margin() {
        let picture = normalised(&bitmap(112, |x, y| x < 20 && y < 80), [112, 112], [28, 28]);
        let drawn: Vec<usize> = (0..784).filter(|&pixel| picture[pixel] > 0.5).collect();
        let (rows, columns) = (
            drawn.iter().map(|pixel| pixel / 28),
            drawn.iter().map(|pixel| pixel % 28),
        );
        assert_eq!((rows.clone().min(), rows.max()), (Some(4), Some(23)));
        assert_eq!((columns.clone().min(), columns.max()), (Some(12), Some(15)));
        assert_eq!(picture[14 * 28 + 11], 0.5);
    }

    #[test]
    fn strokes_leave_ink_and_the_eraser_and_clear_take_it_away() {
        let mut drawing = Drawing::new(DIGIT);
        assert_eq!((drawing.cells(), drawing.pixels().len()), ([96, 96], 64));
        assert!(drawing.is_empty());
        drawing.stroke([0.5, 0.1], [0.5, 0.9], false);
        assert!(!drawing.is_empty());
        let sum: f32 = drawing.pixels().iter().sum();
        assert!((8.0..32.0).contains(&sum), "{sum}");
        let drawn = drawing.clone();
        drawing.stroke([0.5, 0.0], [0.5, 0.5], true);
        assert!(drawing.ink().iter().sum::<f32>() < 0.7 * drawn.ink().iter().sum::<f32>());
        drawing.stroke([0.5, 0.0], [0.5, 1.0], true);
        assert!(drawing.is_empty());
        assert!(drawing.pixels().iter().all(|&pixel| pixel == 0.0));
        let mut cleared = drawn;
        cleared.clear();
        assert!(cleared.is_empty() && cleared.pixels().iter().all(|&pixel| pixel == 0.0));
    }

    #[test]
    fn colour_pictures_get_the_ink_in_every_channel() {
        let mut drawing = Drawing::new(Shape::Image {
            channels: 3,
            height: 12,
            width: 10,
        });
        drawing.stroke([0.2, 0.2], [0.8, 0.8], false);
        let pixels = drawing.pixels();
        assert_eq!(pixels.len(), 360);
        assert_eq!(pixels[..120], pixels[240..]);
    }
}
