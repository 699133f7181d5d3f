//! Letters and digits drawn from the shipped fonts, each turned, moved, fatter or thinner, and noisy: a job of the size of MNIST without a
//! download.
//!
//! The outlines in `assets/fonts/outlines.txt` are those of the fonts beside it, in thousandths of the height of a capital H around
//! the middle of each glyph. They become signed distances once; a picture then looks these up.

use std::sync::{Arc, OnceLock};

use rand::{Rng, RngExt};
use rayon::prelude::*;

use super::{Frame, Pictures, class_column, writer};
use crate::data::DataError;
use crate::data::header::position_of;
use crate::data::source::Source;
use crate::spec::{DataConfig, stream};

/// A set of glyphs.
pub(in crate::data) struct Glyphs {
    pub(in crate::data) name: &'static str,
    pub(in crate::data) about: &'static str,
    classes: &'static str,
}

pub(in crate::data) const SETS: [Glyphs; 2] = [
    Glyphs {
        name: "glyphs",
        about: "grey images of printed letters and digits, 28 x 28 pixels, 36 classes, generated; you set samples and noise",
        classes: "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    },
    Glyphs {
        name: "glyph_digits",
        about: "grey images of printed digits, 28 x 28 pixels, 10 classes, generated; you set samples and noise",
        classes: "0123456789",
    },
];

/// Edge of a picture in pixels.
const EDGE: usize = 28;
/// Height of a capital in pixels.
const CAPITAL: f32 = 18.0;
/// Cells of the field of distances along an edge, and its half extent in heights of a capital.
const CELLS: usize = 64;
const EXTENT: f32 = 0.85;

/// Draws the set of the configured name, if it is one of these.
pub(super) fn open(config: &DataConfig) -> Result<Option<Box<dyn Source>>, DataError> {
    /// Pictures that are drawn together.
    const TOGETHER: usize = 4096;
    let source = config.source.trim();
    let Some(set) = SETS.iter().find(|set| set.name == source) else {
        return Ok(None);
    };
    if let Some(target) = &config.target {
        position_of(source, &["class".to_owned()], target)?;
    }
    let fields: Vec<&[Field]> = set.classes.chars().filter_map(fields_of).collect();
    let frame = Frame::grey(EDGE, EDGE);
    let mut rows = writer(config, frame);
    let class_of = |row: usize| row % fields.len().max(1);
    let mut pixels = vec![0; TOGETHER * EDGE * EDGE];
    for start in (0..config.samples).step_by(TOGETHER) {
        let count = TOGETHER.min(config.samples - start);
        let pixels = &mut pixels[..count * EDGE * EDGE];
        pixels
            .par_chunks_mut(EDGE * EDGE)
            .enumerate()
            .for_each(|(place, picture)| {
                let row = start + place;
                let mut generator = stream(config.split_seed, set.name, row as u64);
                draw(fields[class_of(row)], config.noise as f32, &mut generator, picture);
            });
        rows.push(pixels)?;
    }
    let cells = (0..config.samples).map(|row| class_of(row) as u32).collect();
    Ok(Some(Box::new(Pictures {
        file: source.to_owned(),
        frame,
        bytes: Arc::new(rows.finish()?),
        labels: vec![class_column(
            cells,
            set.classes.chars().map(|class| class.to_string()).collect(),
        )],
        classifies: true,
        tested: None,
        notes: vec![format!(
            "{} glyphs drawn with noise {} from the seed of the split, {}",
            config.samples, config.noise, config.split_seed
        )],
    })))
}

/// One picture of a glyph: bytes from 0 (paper) to 255 (ink).
fn draw(fonts: &[Field], noise: f32, generator: &mut impl Rng, picture: &mut [u8]) {
    let mut within = |low: f32, high: f32| low + (high - low) * generator.random::<f32>();
    let font = within(0.0, fonts.len() as f32) as usize;
    let Some(field) = fonts.get(font.min(fonts.len().saturating_sub(1))) else {
        return;
    };
    let (sin, cos) = within(-0.3, 0.3).sin_cos();
    let slant = within(-0.2, 0.2);
    let [stretch_x, stretch_y] = [within(0.85, 1.15), within(0.85, 1.15)];
    let [move_x, move_y] = [within(-2.0, 2.0), within(-2.0, 2.0)];
    // In heights of a capital: strokes are about an eighth wide.
    let fatter = within(-0.025, 0.05);
    let middle = 0.5 * (EDGE - 1) as f32;
    for (place, pixel) in picture.iter_mut().enumerate() {
        let x = (place % EDGE) as f32 - middle - move_x;
        let y = (place / EDGE) as f32 - middle - move_y;
        let [x, y] = [cos * x + sin * y, cos * y - sin * x];
        let distance = field.at((x + slant * y) / (CAPITAL * stretch_x), y / (CAPITAL * stretch_y));
        // A pixel is inked as far as the edge of the glyph lies beyond its middle.
        let ink = 0.5 - (distance - fatter) * CAPITAL;
        *pixel = (255.0 * ink.clamp(0.0, 1.0)) as u8;
    }
    if noise > 0.0 {
        for pair in picture.chunks_mut(2) {
            // Box and Muller 1958.
            let radius = 255.0 * noise * (-2.0 * (1.0 - generator.random::<f32>()).ln()).sqrt();
            let (sin, cos) = (std::f32::consts::TAU * generator.random::<f32>()).sin_cos();
            for (pixel, part) in pair.iter_mut().zip([cos, sin]) {
                *pixel = (f32::from(*pixel) + radius * part).round().clamp(0.0, 255.0) as u8;
            }
        }
    }
}

/// Distances to the outline of one glyph over a square, negative within it, in heights of a capital.
struct Field(Vec<f32>);

impl Field {
    /// Of straight pieces, each from a point to a point.
    fn of(pieces: &[[[f32; 2]; 2]]) -> Self {
        let place = |cell: usize| ((cell as f32 + 0.5) / CELLS as f32 * 2.0 - 1.0) * EXTENT;
        let cell = |cell: usize| {
            let (x, y) = (place(cell % CELLS), place(cell / CELLS));
            let (mut nearest, mut winding) = (f32::INFINITY, 0);
            for &[[ax, ay], [bx, by]] in pieces {
                let (dx, dy) = (bx - ax, by - ay);
                let along = ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy).max(f32::MIN_POSITIVE);
                let along = along.clamp(0.0, 1.0);
                let (away_x, away_y) = (ax + along * dx - x, ay + along * dy - y);
                nearest = nearest.min(away_x * away_x + away_y * away_y);
                // The outline crosses the ray to the right of the point.
                if (ay > y) != (by > y) && ax + (y - ay) / dy * dx > x {
                    winding += if dy > 0.0 { 1 } else { -1 };
                }
            }
            let distance = nearest.sqrt();
            if winding == 0 { distance } else { -distance }
        };
        Self((0..CELLS * CELLS).map(cell).collect())
    }

    /// Between the four nearest cells; beyond the square far outside.
    fn at(&self, x: f32, y: f32) -> f32 {
        let place = |value: f32| (value / EXTENT + 1.0) * 0.5 * CELLS as f32 - 0.5;
        let (x, y) = (place(x), place(y));
        let last = (CELLS - 1) as f32;
        if !(0.0..last).contains(&x) || !(0.0..last).contains(&y) {
            return 1.0;
        }
        let (left, top) = (x as usize, y as usize);
        let (share_x, share_y) = (x - left as f32, y - top as f32);
        let between = |row: usize| {
            let [a, b] = [self.0[row * CELLS + left], self.0[row * CELLS + left + 1]];
            a + share_x * (b - a)
        };
        let [above, below] = [between(top), between(top + 1)];
        above + share_y * (below - above)
    }
}

/// The fields of a character, one for each font.
fn fields_of(character: char) -> Option<&'static [Field]> {
    static FIELDS: OnceLock<Vec<(char, Vec<Field>)>> = OnceLock::new();
    let fields = FIELDS.get_or_init(|| {
        let classes: Vec<char> = SETS[0].classes.chars().collect();
        let lines = include_str!("../../../assets/fonts/outlines.txt").lines();
        let outlines: Vec<(char, &str)> = lines
            .filter_map(|line| {
                let (_, line) = line.split_once(' ')?;
                let (character, outline) = line.split_once(' ')?;
                Some((character.chars().next()?, outline))
            })
            .collect();
        classes
            .into_par_iter()
            .map(|class| {
                let own = outlines.iter().filter(|(character, _)| *character == class);
                (class, own.map(|(_, outline)| Field::of(&pieces(outline))).collect())
            })
            .collect()
    });
    let (_, fields) = fields.iter().find(|(class, _)| *class == character)?;
    Some(fields)
}

/// Straight pieces of an outline of `M x y`, `L x y`, `Q x y x y` and `C x y x y x y` (Bezier curves of two and three degrees) and `Z`.
fn pieces(outline: &str) -> Vec<[[f32; 2]; 2]> {
    const STEPS: usize = 6;
    let mut words = outline.split_whitespace();
    let mut pieces = Vec::new();
    let (mut start, mut here) = ([0.0; 2], [0.0; 2]);
    while let Some(word) = words.next() {
        let points = match word {
            "M" | "L" => 1,
            "Q" => 2,
            "C" => 3,
            _ => 0,
        };
        let mut control = vec![here];
        for _ in 0..points {
            let point =
                [(); 2].map(|()| words.next().and_then(|word| word.parse::<f32>().ok()).unwrap_or(0.0) / 1000.0);
            control.push(point);
        }
        let end = if points == 0 { start } else { control[points] };
        if word == "M" {
            start = end;
        } else {
            control.resize(control.len().max(2), end);
            let steps = if points > 1 { STEPS } else { 1 };
            for step in 1..=steps {
                let to = bezier(&control, step as f32 / steps as f32);
                pieces.push([here, to]);
                here = to;
            }
        }
        here = end;
    }
    pieces
}

/// The point at `share` of a Bezier curve (de Casteljau 1959).
fn bezier(control: &[[f32; 2]], share: f32) -> [f32; 2] {
    let mut points = control.to_vec();
    while points.len() > 1 {
        points = points
            .windows(2)
            .map(|pair| std::array::from_fn(|axis| pair[0][axis] + share * (pair[1][axis] - pair[0][axis])))
            .collect();
    }
    points[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_an_outline_in_every_font() {
        for class in SETS[0].classes.chars() {
            assert_eq!(fields_of(class).unwrap().len(), 3, "{class}");
        }
        assert!(fields_of('?').is_none());
    }

    #[test]
    fn a_square_has_its_distances() {
        // From -0.5 to 0.5, with a hole from -0.1 to 0.1 that runs the other way.
        let outline = "M -500 -500 L 500 -500 L 500 500 L -500 500 Z M -100 -100 L -100 100 L 100 100 L 100 -100 Z";
        let field = Field::of(&pieces(outline));
        for (x, y, distance) in [(0.3, 0.0, -0.2), (0.0, 0.0, 0.1), (0.7, 0.0, 0.2), (-0.45, 0.2, -0.05)] {
            assert!((field.at(x, y) - distance).abs() < 0.02, "{x} {y}: {}", field.at(x, y));
        }
    }

    #[test]
    fn curves_go_through_their_ends_and_middle() {
        assert_eq!(bezier(&[[0.0, 0.0], [1.0, 2.0], [2.0, 0.0]], 0.5), [1.0, 1.0]);
        assert_eq!(
            bezier(&[[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]], 0.5),
            [0.5, 0.75]
        );
        let all = pieces("M 0 0 Q 500 1000 1000 0 Z");
        assert_eq!(all.len(), 7);
        assert_eq!((all[0][0], all[5][1], all[6][1]), ([0.0, 0.0], [1.0, 0.0], [0.0, 0.0]));
    }

    #[test]
    fn pictures_show_their_class_and_differ() {
        let mean = |class: char| {
            let mut sums = vec![0.0_f32; EDGE * EDGE];
            for row in 0..50 {
                let mut picture = vec![0; EDGE * EDGE];
                draw(
                    fields_of(class).unwrap(),
                    0.0,
                    &mut stream(0, "test", row),
                    &mut picture,
                );
                assert!(picture.contains(&0) && picture.iter().any(|&pixel| pixel > 250));
                // The frame around the glyph stays paper.
                assert!(picture[..EDGE].iter().all(|&pixel| pixel < 128));
                sums.iter_mut()
                    .zip(&picture)
                    .for_each(|(sum, &pixel)| *sum += f32::from(pixel) / 50.0);
            }
            sums
        };
        let middle = EDGE / 2 * EDGE + EDGE / 2;
        let (one, zero, l) = (mean('I'), mean('O'), mean('L'));
        assert!(
            one[middle] > 150.0 && zero[middle] < 60.0,
            "{} {}",
            one[middle],
            zero[middle]
        );
        // The foot of an L is ink, above it to the right is paper.
        assert!(l[21 * EDGE + 15] > 100.0 && l[10 * EDGE + 17] < 60.0);
    }
}
