//! Two-dimensional sets that are drawn, not measured: their decision boundary can be seen, and their size and noise chosen.

use std::f64::consts::{PI, TAU};

use rand::{Rng, RngExt};

use super::table::{Column, Table, Values};
use crate::spec::{DataConfig, stream};

/// A generator of points in the plane with two classes.
pub(super) struct Generated {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    classes: [&'static str; 2],
    /// Point of class 0 or 1 at a place from 0 to 1 along its curve.
    curve: fn(usize, f64) -> [f64; 2],
}

pub(super) const GENERATED: [Generated; 2] = [
    Generated {
        name: "spirals",
        about: "two interleaved spirals in the plane, generated; you set points and noise",
        classes: ["spiral_0", "spiral_1"],
        curve: spiral,
    },
    Generated {
        name: "moons",
        about: "two interleaved half circles in the plane, generated; you set points and noise",
        classes: ["moon_0", "moon_1"],
        curve: moon,
    },
];

impl Generated {
    /// `config.samples` points, half of each class, with normal noise of deviation `config.noise`, drawn from the seed of the split.
    pub(super) fn table(&self, config: &DataConfig) -> Table {
        let mut generator = stream(config.split_seed, self.name, 0);
        let (mut xs, mut ys) = (Vec::new(), Vec::new());
        let classes: Vec<u32> = (0..config.samples).map(|row| (row % 2) as u32).collect();
        for &class in &classes {
            let [x, y] = (self.curve)(class as usize, generator.random());
            let [x_noise, y_noise] = normal_pair(&mut generator);
            xs.push(x + config.noise * x_noise);
            ys.push(y + config.noise * y_noise);
        }
        let column = |name: &str, values| Column {
            name: name.to_owned(),
            values,
            first_text: None,
        };
        Table {
            file: self.name.to_owned(),
            columns: vec![column("x", Values::Numbers(xs)), column("y", Values::Numbers(ys))],
            target: column(
                "class",
                Values::Texts {
                    cells: classes,
                    texts: self.classes.map(str::to_owned).to_vec(),
                },
            ),
            rows: config.samples,
            notes: vec![format!(
                "{} points drawn with noise {} from the seed of the split, {}",
                config.samples, config.noise, config.split_seed
            )],
        }
    }
}

/// Archimedean spirals of one and a half turns within the unit circle; the second is the first turned by half a circle. The square
/// root spreads the points evenly along the curve.
fn spiral(class: usize, place: f64) -> [f64; 2] {
    let radius = place.sqrt();
    let angle = 1.5 * TAU * radius + class as f64 * PI;
    [radius * angle.cos(), radius * angle.sin()]
}

/// The half circles of scikit-learn's `make_moons`.
fn moon(class: usize, place: f64) -> [f64; 2] {
    let angle = PI * place;
    match class {
        0 => [angle.cos(), angle.sin()],
        _ => [1.0 - angle.cos(), 0.5 - angle.sin()],
    }
}

/// Two independent standard normal numbers (Box and Muller 1958).
fn normal_pair(generator: &mut impl Rng) -> [f64; 2] {
    let radius = (-2.0 * (1.0 - generator.random::<f64>()).ln()).sqrt();
    let angle = TAU * generator.random::<f64>();
    [radius * angle.cos(), radius * angle.sin()]
}
