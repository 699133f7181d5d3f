//! Points of the plane: their decision boundary can be seen.

use std::f64::consts::{PI, TAU};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Generated, drawn, normal_pair};
use crate::data::DataError;
use crate::data::source::Source;
use crate::data::table::{Column, Table, Values};
use crate::data::tabular::Tabular;
use crate::spec::{DataConfig, stream};

pub(super) const SETS: [Generated; 6] = [
    set(
        "spirals",
        "two interleaved spirals in the plane, generated; you set points and noise",
    ),
    set(
        "moons",
        "two interleaved half circles in the plane, generated; you set points and noise",
    ),
    set(
        "circles",
        "a small circle within a large one, generated; you set points and noise",
    ),
    set(
        "checkerboard",
        "the fields of a board of 4 x 4, generated; you set points and noise",
    ),
    set("blobs", "three clouds of points, generated; you set points and noise"),
    set(
        "xor",
        "opposite quadrants of a square, generated; you set points and noise",
    ),
];

const fn set(name: &'static str, about: &'static str) -> Generated {
    Generated {
        name,
        about,
        target: "class",
        has_noise: true,
        draw,
    }
}

/// The classes of a set, and a point of one of them.
type Figure = (&'static [&'static str], fn(usize, &mut ChaCha8Rng) -> [f64; 2]);

fn figure(name: &str) -> Figure {
    match name {
        "spirals" => (&["spiral_0", "spiral_1"], spiral),
        "moons" => (&["moon_0", "moon_1"], moon),
        "circles" => (&["outer", "inner"], circle),
        "checkerboard" => (&["black", "white"], board),
        "blobs" => (&["blob_0", "blob_1", "blob_2"], blob),
        _ => (&["equal", "different"], exclusive_or),
    }
}

/// `config.samples` points, equally many of each class, with normal noise of deviation `config.noise`.
#[expect(clippy::unnecessary_wraps, reason = "other generators refuse settings")]
fn draw(set: &Generated, config: &DataConfig) -> Result<Box<dyn Source>, DataError> {
    let (classes, point) = figure(set.name);
    let mut generator = stream(config.split_seed, set.name, 0);
    let (mut xs, mut ys) = (Vec::new(), Vec::new());
    let cells: Vec<u32> = (0..config.samples).map(|row| (row % classes.len()) as u32).collect();
    for &class in &cells {
        let [x, y] = point(class as usize, &mut generator);
        let [x_noise, y_noise] = normal_pair(&mut generator);
        xs.push(x + config.noise * x_noise);
        ys.push(y + config.noise * y_noise);
    }
    let column = |name: &str, values| Column {
        name: name.to_owned(),
        values,
        first_text: None,
    };
    let texts = classes.iter().map(|&class| class.to_owned()).collect();
    let table = Table {
        file: set.name.to_owned(),
        columns: vec![column("x", Values::Numbers(xs)), column("y", Values::Numbers(ys))],
        targets: vec![column(set.target, Values::Texts { cells, texts })],
        rows: config.samples,
        notes: vec![drawn(&format!("points with noise {}", config.noise), config)],
    };
    Ok(Box::new(Tabular { table, image: None }))
}

/// Archimedean spirals of one and a half turns within the unit circle; the second is the first turned by half a circle. The square
/// root spreads the points evenly along the curve.
fn spiral(class: usize, generator: &mut ChaCha8Rng) -> [f64; 2] {
    let radius = generator.random::<f64>().sqrt();
    let angle = 1.5 * TAU * radius + class as f64 * PI;
    [radius * angle.cos(), radius * angle.sin()]
}

/// The half circles of scikit-learn's `make_moons`.
fn moon(class: usize, generator: &mut ChaCha8Rng) -> [f64; 2] {
    let angle = PI * generator.random::<f64>();
    match class {
        0 => [angle.cos(), angle.sin()],
        _ => [1.0 - angle.cos(), 0.5 - angle.sin()],
    }
}

/// Circles around the origin with radius 1 and 1/2.
fn circle(class: usize, generator: &mut ChaCha8Rng) -> [f64; 2] {
    let radius = [1.0, 0.5][class];
    let angle = TAU * generator.random::<f64>();
    [radius * angle.cos(), radius * angle.sin()]
}

/// Fields of edge 1/2 within -1 to 1, even in one of the eight of the class's colour.
fn board(class: usize, generator: &mut ChaCha8Rng) -> [f64; 2] {
    let row = generator.random_range(0..4_usize);
    let column = 2 * generator.random_range(0..2_usize) + (row + class) % 2;
    let place = |field: usize, inside: f64| (field as f64).midpoint(inside) - 1.0;
    [place(column, generator.random()), place(row, generator.random())]
}

/// Normal clouds of deviation 0.3 around three points of the unit circle.
fn blob(class: usize, generator: &mut ChaCha8Rng) -> [f64; 2] {
    let angle = TAU * class as f64 / 3.0;
    let [x, y] = normal_pair(generator);
    [angle.cos() + 0.3 * x, angle.sin() + 0.3 * y]
}

/// Even within -1 to 1; the class tells whether the signs differ.
fn exclusive_or(class: usize, generator: &mut ChaCha8Rng) -> [f64; 2] {
    let [x, y]: [f64; 2] = [generator.random(), generator.random()];
    let side = [1.0, -1.0][generator.random_range(0..2)];
    [side * x, [side, -side][class] * y]
}
