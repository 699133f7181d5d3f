//! Training samples changed in ways that leave their meaning alone, drawn anew for every row and epoch.

use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use super::{DataError, Dataset, Loader};
use crate::spec::{Augmentation, Shape};

/// Memory that the changes of one sample after another share.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    before: Vec<f32>,
    places: Vec<f32>,
}

/// Training row `row` as it is, and as it comes in `times` epochs with these augmentations: what a person looks at before a run.
/// Mixup takes its second sample from rows spread over the data.
pub fn preview(
    dataset: &Dataset,
    seed: u64,
    augment: &[Augmentation],
    row: usize,
    times: usize,
) -> Result<Preview, DataError> {
    const OTHERS: usize = 15;
    let rows = dataset.train.len();
    let others = (1..=OTHERS.min(rows.saturating_sub(1))).map(|other| (row + other * (rows / OTHERS).max(1)) % rows);
    let rows: Vec<usize> = [row].into_iter().chain(others).filter(|&row| row < rows).collect();
    let loader = Loader::new(dataset, seed, rows.len(), augment);
    let width = dataset.train.shape.len();
    let first = |mut inputs: Vec<f32>| {
        inputs.truncate(width);
        inputs
    };
    Ok(Preview {
        before: dataset.train.row(row).into_owned(),
        after: (0..times)
            .map(|epoch| Ok(first(loader.batch(epoch, &rows)?.inputs)))
            .collect::<Result<_, DataError>>()?,
    })
}

/// A sample before and after augmentation, each `shape.len()` preprocessed inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    pub before: Vec<f32>,
    pub after: Vec<Vec<f32>>,
}

/// Applies the steps in their order to the preprocessed inputs of one sample, each of a strength drawn from `generator`. Mixup, which takes
/// two samples, is not done here; nor is what does not fit the shape, which the check of a configuration refuses.
pub(super) fn change(
    sample: &mut [f32],
    shape: Shape,
    steps: &[Augmentation],
    generator: &mut impl Rng,
    workspace: &mut Workspace,
) {
    for &step in steps {
        match shape {
            Shape::Image { height, width, .. } if height * width > 0 => {
                change_image(sample, Frame { height, width }, step, generator, workspace);
            }
            Shape::Sequence { steps, features } if steps * features > 0 => {
                change_sequence(sample, (steps, features), step, generator, workspace);
            }
            _ => {}
        }
        if let (Augmentation::Noise { deviation }, false) = (step, matches!(shape, Shape::Tokens { .. })) {
            noise(sample, deviation as f32, generator);
        }
    }
}

/// The edges of an image's channels in pixels.
#[derive(Debug, Clone, Copy)]
struct Frame {
    height: usize,
    width: usize,
}

fn change_image(
    image: &mut [f32],
    frame: Frame,
    step: Augmentation,
    generator: &mut impl Rng,
    workspace: &mut Workspace,
) {
    let Frame { height, width } = frame;
    match step {
        Augmentation::Flip if generator.random() => image.chunks_exact_mut(width).for_each(<[f32]>::reverse),
        Augmentation::Rotate { degrees } => {
            let (sin, cos) = (either_way(degrees, generator)).to_radians().sin_cos();
            let (middle_y, middle_x) = (0.5 * (height - 1) as f32, 0.5 * (width - 1) as f32);
            let map = [
                [cos, -sin, middle_x - cos * middle_x + sin * middle_y],
                [sin, cos, middle_y - sin * middle_x - cos * middle_y],
            ];
            resample(image, frame, map, workspace);
        }
        Augmentation::Shift { pixels } => {
            let [x, y] = [(); 2].map(|()| either_way(pixels, generator).round());
            shift(image, frame, x as isize, y as isize, workspace);
        }
        Augmentation::Crop { smallest } => {
            let part = smallest as f32 + (1.0 - smallest as f32) * generator.random::<f32>();
            let [x, y] = [width, height].map(|edge| (1.0 - part) * edge as f32 * generator.random::<f32>());
            // The centre of a pixel lies half a pixel from its edge.
            let start = |place: f32| place + 0.5 * part - 0.5;
            resample(image, frame, [[part, 0.0, start(x)], [0.0, part, start(y)]], workspace);
        }
        Augmentation::Brightness { strength } => {
            let contrast = 1.0 + either_way(strength, generator);
            let brightness = either_way(strength, generator);
            for value in image {
                *value = contrast * *value + brightness;
            }
        }
        Augmentation::Cutout { pixels } => {
            let [x, y] = [width, height].map(|edge| {
                let start = generator.random_range(0..edge) as isize - (pixels / 2) as isize;
                let end = (start + pixels as isize).min(edge as isize);
                start.max(0) as usize..end.max(0) as usize
            });
            for channel in image.chunks_exact_mut(height * width) {
                for row in y.clone() {
                    channel[row * width..][x.clone()].fill(0.0);
                }
            }
        }
        _ => {}
    }
}

/// Uniform between `-most` and `most`.
fn either_way(most: f64, generator: &mut impl Rng) -> f32 {
    (most * (2.0 * generator.random::<f64>() - 1.0)) as f32
}

/// Moves the image by whole pixels to the right and down; the edge is repeated behind it.
fn shift(image: &mut [f32], frame: Frame, x: isize, y: isize, workspace: &mut Workspace) {
    let Frame { height, width } = frame;
    if x == 0 && y == 0 {
        return;
    }
    let source = |place: usize, by: isize, edge: usize| (place as isize - by).clamp(0, edge as isize - 1) as usize;
    for channel in image.chunks_exact_mut(height * width) {
        workspace.before.clear();
        workspace.before.extend_from_slice(channel);
        for (row, target) in channel.chunks_exact_mut(width).enumerate() {
            let from = &workspace.before[source(row, y, height) * width..][..width];
            for (column, value) in target.iter_mut().enumerate() {
                *value = from[source(column, x, width)];
            }
        }
    }
}

/// Each pixel `(x, y)` becomes what lies at `map` times `(x, y, 1)`, between four pixels by their distances; beyond the edge the edge is
/// repeated.
fn resample(image: &mut [f32], frame: Frame, map: [[f32; 3]; 2], workspace: &mut Workspace) {
    let Frame { height, width } = frame;
    let (last_x, last_y) = ((width - 1) as f32, (height - 1) as f32);
    for channel in image.chunks_exact_mut(height * width) {
        workspace.before.clear();
        workspace.before.extend_from_slice(channel);
        let before = &workspace.before;
        for (row, target) in channel.chunks_exact_mut(width).enumerate() {
            let y = row as f32;
            for (column, value) in target.iter_mut().enumerate() {
                let x = column as f32;
                let from_x = (map[0][0] * x + map[0][1] * y + map[0][2]).clamp(0.0, last_x);
                let from_y = (map[1][0] * x + map[1][1] * y + map[1][2]).clamp(0.0, last_y);
                let (left, top) = (from_x as usize, from_y as usize);
                let (right, bottom) = ((left + 1).min(width - 1), (top + 1).min(height - 1));
                let (share_x, share_y) = (from_x - left as f32, from_y - top as f32);
                let between = |row: usize| {
                    let [a, b] = [before[row * width + left], before[row * width + right]];
                    a + share_x * (b - a)
                };
                let [above, below] = [between(top), between(bottom)];
                *value = above + share_y * (below - above);
            }
        }
    }
}

fn change_sequence(
    sequence: &mut [f32],
    (steps, features): (usize, usize),
    step: Augmentation,
    generator: &mut impl Rng,
    workspace: &mut Workspace,
) {
    match step {
        Augmentation::Scale { strength } => {
            let factors = &mut workspace.places;
            factors.clear();
            factors.extend((0..features).map(|_| 1.0 + either_way(strength, generator)));
            for values in sequence.chunks_exact_mut(features) {
                values
                    .iter_mut()
                    .zip(&*factors)
                    .for_each(|(value, factor)| *value *= factor);
            }
        }
        Augmentation::TimeWarp { strength } => {
            const KNOTS: usize = 4;
            // The speed of time runs straight from knot to knot; the way covered, scaled to the whole, is the place looked up.
            let speeds: [f32; KNOTS] = std::array::from_fn(|_| 1.0 + either_way(strength, generator));
            let speed = |place: f32| {
                let place = place * (KNOTS - 1) as f32;
                let knot = (place as usize).min(KNOTS - 2);
                speeds[knot] + (place - knot as f32) * (speeds[knot + 1] - speeds[knot])
            };
            let last = (steps - 1).max(1) as f32;
            let mut way = 0.0;
            let places = &mut workspace.places;
            places.clear();
            for step in 0..steps {
                places.push(way);
                way += speed((step as f32 + 0.5) / last);
            }
            let whole = places.last().copied().unwrap_or(0.0).max(f32::MIN_POSITIVE);
            for place in places {
                *place *= (steps - 1) as f32 / whole;
            }
            resample_steps(sequence, features, workspace);
        }
        Augmentation::TimeCrop { smallest } => {
            let last = (steps - 1) as f32;
            let part = smallest as f32 + (1.0 - smallest as f32) * generator.random::<f32>();
            let start = (1.0 - part) * last * generator.random::<f32>();
            workspace.places.clear();
            workspace
                .places
                .extend((0..steps).map(|step| start + part * step as f32));
            resample_steps(sequence, features, workspace);
        }
        _ => {}
    }
}

/// Each step becomes what lies at its place of `workspace.places`, between two steps by their distances.
fn resample_steps(sequence: &mut [f32], features: usize, workspace: &mut Workspace) {
    let Workspace { before, places } = workspace;
    before.clear();
    before.extend_from_slice(sequence);
    let last = before.len() / features - 1;
    for (values, &place) in sequence.chunks_exact_mut(features).zip(&*places) {
        let place = place.clamp(0.0, last as f32);
        let first = place as usize;
        let share = place - first as f32;
        let [a, b] = [first, (first + 1).min(last)].map(|step| &before[step * features..][..features]);
        for ((value, a), b) in values.iter_mut().zip(a).zip(b) {
            *value = a + share * (b - a);
        }
    }
}

/// Adds normal noise.
fn noise(values: &mut [f32], deviation: f32, generator: &mut impl Rng) {
    for value in values {
        *value += deviation * generator.sample::<f32, _>(StandardNormal);
    }
}

/// A number of Beta(alpha, alpha): Jöhnk 1964 up to 1, else algorithm BB of Cheng 1978.
pub(super) fn beta(alpha: f64, generator: &mut impl Rng) -> f64 {
    let mut open = || generator.random::<f64>().clamp(f64::MIN_POSITIVE, 1.0 - f64::EPSILON);
    if alpha <= 1.0 {
        loop {
            // In logarithms, because a small alpha makes powers that vanish.
            let [x, y] = [open().ln() / alpha, open().ln() / alpha];
            let top = x.max(y);
            let sum = top + ((x - top).exp() + (y - top).exp()).ln();
            if sum <= 0.0 {
                return (x - sum).exp();
            }
        }
    }
    let both = 2.0 * alpha;
    let lambda = ((both - 2.0) / (2.0 * alpha * alpha - both)).sqrt();
    loop {
        let [first, second] = [open(), open()];
        let v = lambda * (first / (1.0 - first)).ln();
        let w = alpha * v.exp();
        let r = (alpha + 1.0 / lambda) * v - 4.0_f64.ln();
        if r + both * (both / (alpha + w)).ln() >= (first * first * second).ln() {
            return w / (alpha + w);
        }
    }
}

#[cfg(test)]
mod tests;
