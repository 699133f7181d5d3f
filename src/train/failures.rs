//! What can go wrong on the way, turned into the failure of a run or a probe once.

use super::checkpoint::CheckpointError;
use super::stepper::Stumble;
use crate::data::DataError;
use crate::nn::{DeviceError, WeightError};
use crate::spec::{Failure, TrainConfig};

pub fn device(error: DeviceError) -> Failure {
    Failure::new("run.device", error.to_string(), "choose another device")
}

pub fn unfit(error: &WeightError) -> Failure {
    Failure::new("weights", error.to_string(), "start the run anew")
}

pub fn damaged(error: &CheckpointError) -> Failure {
    Failure::new("checkpoint", error.to_string(), "start the run anew")
}

/// The step `step` of a training so configured could not be taken.
pub fn stumble(stumble: Stumble, step: usize, train: &TrainConfig) -> Failure {
    let now = |value: f64| match value {
        1e-6..1e6 => value.to_string(),
        _ => format!("{value:e}"),
    };
    match stumble {
        Stumble::Data(error) => DataError::into_failure(error),
        Stumble::Diverged { what, value } => Failure::new(
            format!("step {step}"),
            format!("{what} is {value}: {}", Failure::DIVERGED),
            if train.weight_decay >= 1.0 {
                format!("lower train.weight_decay (now {})", now(train.weight_decay))
            } else {
                format!(
                    "lower train.learning_rate (now {}) or set train.gradient_clip (for example 1.0)",
                    now(train.learning_rate)
                )
            },
        ),
    }
}
