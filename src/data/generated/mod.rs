//! Sets that are drawn, not measured: as many samples and as much noise as configured, from the seed of the split.

mod adding;
mod brackets;
mod plane;
mod sines;

use rand::{Rng, RngExt};

use super::DataError;
use super::header::position_of;
use super::source::Source;
use crate::spec::DataConfig;

/// A generator of a data set.
#[derive(Clone, Copy)]
pub(super) struct Generated {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// Name of its target.
    target: &'static str,
    /// Whether `data.noise` plays a part.
    pub(super) has_noise: bool,
    draw: Draw,
}

/// Makes a set's samples, or says what is wrong with the settings.
type Draw = fn(&Generated, &DataConfig) -> Result<Box<dyn Source>, DataError>;

pub(super) const GENERATED: [Generated; 9] = [
    plane::SETS[0],
    plane::SETS[1],
    plane::SETS[2],
    plane::SETS[3],
    plane::SETS[4],
    plane::SETS[5],
    brackets::SET,
    adding::SET,
    sines::SET,
];

/// The set of this name, if there is one.
pub(super) fn open(config: &DataConfig) -> Result<Option<Box<dyn Source>>, DataError> {
    let source = config.source.trim();
    let Some(set) = GENERATED.iter().find(|set| set.name == source) else {
        return Ok(None);
    };
    if let Some(target) = &config.target {
        position_of(source, &[set.target.to_owned()], target)?;
    }
    (set.draw)(set, config).map(Some)
}

/// How a set came about, as a note; `what` counts its samples.
fn drawn(what: &str, config: &DataConfig) -> String {
    format!(
        "{} {what} drawn from the seed of the split, {}",
        config.samples, config.split_seed
    )
}

/// Two independent standard normal numbers (Box and Muller 1958).
fn normal_pair(generator: &mut impl Rng) -> [f64; 2] {
    let radius = (-2.0 * (1.0 - generator.random::<f64>()).ln()).sqrt();
    let angle = std::f64::consts::TAU * generator.random::<f64>();
    [radius * angle.cos(), radius * angle.sin()]
}
