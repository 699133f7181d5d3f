//! A series of sines on a rising line: what is to be forecast is known, up to its noise.

use std::f64::consts::TAU;

use super::{Generated, drawn, normal_pair};
use crate::data::DataError;
use crate::data::series::Series;
use crate::data::source::Source;
use crate::spec::{DataConfig, stream};

/// Length in steps and height of each sine.
const WAVES: [(f64, f64); 3] = [(24.0, 1.0), (11.0, 0.4), (97.0, 0.5)];
/// What the line rises over the whole series.
const RISE: f64 = 1.0;

pub(super) const SET: Generated = Generated {
    name: "sines",
    about: "a series of sines with a trend, to be forecast, generated; you set steps, noise, window and horizon",
    target: "value",
    has_noise: true,
    draw,
};

/// `config.samples` steps of the sum of three sines and a line, with normal noise of deviation `config.noise`.
#[expect(clippy::unnecessary_wraps, reason = "other generators refuse settings")]
fn draw(set: &Generated, config: &DataConfig) -> Result<Box<dyn Source>, DataError> {
    let mut generator = stream(config.split_seed, set.name, 0);
    let value = |step: usize| {
        let place = step as f64;
        let waves: f64 = WAVES
            .iter()
            .map(|(length, height)| height * (TAU * place / length).sin())
            .sum();
        waves + RISE * place / config.samples as f64
    };
    let values = (0..config.samples).map(|step| value(step) + config.noise * normal_pair(&mut generator)[0]);
    Ok(Box::new(Series {
        file: set.name.to_owned(),
        features: vec![set.target.to_owned()],
        values: values.collect(),
        targets: vec![0],
        notes: vec![drawn(&format!("steps with noise {}", config.noise), config)],
    }))
}
