//! The adding problem (Hochreiter and Schmidhuber 1997): what must be remembered lies far back.

use rand::RngExt;

use super::{Generated, drawn};
use crate::data::DataError;
use crate::data::sequences::{Sequences, check_size};
use crate::data::source::Source;
use crate::data::table::{Column, Values};
use crate::spec::{DataConfig, stream};

/// Steps when none are configured.
const STEPS: usize = 50;

pub(super) const SET: Generated = Generated {
    name: "adding",
    about: "sequences whose two marked numbers are to be added, generated; you set samples and steps",
    target: "sum",
    has_noise: false,
    draw,
};

/// Two features a step: a number even in 0 to 1, and a mark that is 1 at one step of each half and 0 elsewhere. The target is the
/// sum of the two marked numbers. Its variance is 1/6: always answering the mean has that squared error. `config.noise` plays no
/// part.
fn draw(set: &Generated, config: &DataConfig) -> Result<Box<dyn Source>, DataError> {
    let mut generator = stream(config.split_seed, set.name, 0);
    let steps = config.steps.unwrap_or(STEPS).max(2);
    check_size(set.name, [config.samples, steps, 2])?;
    let mut sequences = Sequences::new(set.name, ["number", "mark"].map(str::to_owned).to_vec());
    let mut sums = Vec::with_capacity(config.samples);
    for _ in 0..config.samples {
        let marked = [
            generator.random_range(0..steps / 2),
            generator.random_range(steps / 2..steps),
        ];
        let numbers: Vec<f64> = (0..steps).map(|_| generator.random()).collect();
        sums.push(numbers[marked[0]] + numbers[marked[1]]);
        let mark = |step: usize| f64::from(u8::from(marked.contains(&step)));
        sequences.push(
            numbers
                .iter()
                .enumerate()
                .flat_map(|(step, &number)| [number, mark(step)]),
        );
    }
    sequences.labels.push(Column {
        name: set.target.to_owned(),
        values: Values::Numbers(sums),
        first_text: None,
    });
    sequences.notes.push(drawn("sequences", config));
    Ok(Box::new(sequences))
}
