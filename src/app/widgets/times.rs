//! Where the time of a training step goes, as bands of one bar.

use egui::{Response, Ui};

use super::bands::{Band, Motion, bands_ui};
use crate::spec::{StepTimes, units};

/// The parts of a step, in nanoseconds, in the order in which they are drawn.
pub fn bands(times: &StepTimes) -> [Band; 5] {
    let words = [
        ("data", "Gathering the samples of the batch, augmentation included"),
        ("forward", "From the inputs to the loss"),
        ("backward", "From the loss to the gradients of all weights"),
        ("optimizer", "Changing the weights"),
        ("other", "Records, pictures of the network, and waiting for workers"),
    ];
    let parts = times.parts();
    std::array::from_fn(|place| {
        let (name, doc) = words[place];
        Band {
            name,
            doc,
            size: (parts[place] * 1e9).round() as u64,
        }
    })
}

/// The bands as one bar, as wide as there is room; its legend comes on hover.
pub fn times_ui(ui: &mut Ui, times: &StepTimes, height: f32) -> Response {
    let text = |nanos| units::microseconds(nanos as f64 / 1e3);
    bands_ui(ui, &bands(times), "A training step", height, Motion::Jumps, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bands_are_the_whole_step() {
        let times = StepTimes::from_parts([0.001, 0.002, 0.004, 0.0005, 0.000_25]);
        assert_eq!(bands(&times).map(|band| band.size).iter().sum::<u64>(), 7_750_000);
        assert_eq!(bands(&times)[2].size, 4_000_000);
    }
}
