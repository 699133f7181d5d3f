//! What can go wrong on the way, turned into the failure of a run or a probe once.

use super::checkpoint::CheckpointError;
use super::stepper::Stumble;
use crate::data::DataError;
use crate::nn::{DeviceError, WeightError};
use crate::spec::Failure;

pub fn device(error: DeviceError) -> Failure {
    Failure::new("run.device", error.to_string(), "choose another device")
}

pub fn unfit(error: &WeightError) -> Failure {
    Failure::new("weights", error.to_string(), "start the run anew")
}

pub fn damaged(error: &CheckpointError) -> Failure {
    Failure::new("checkpoint", error.to_string(), "start the run anew")
}

/// The step `step`, at a learning rate that began with `learning_rate`, could not be taken.
pub fn stumble(stumble: Stumble, step: usize, learning_rate: f64) -> Failure {
    match stumble {
        Stumble::Data(error) => DataError::into_failure(error),
        Stumble::Diverged { what, value } => Failure::new(
            format!("step {step}"),
            format!("{what} is {value}: {}", Failure::DIVERGED),
            format!("lower train.learning_rate (now {learning_rate}) or set train.gradient_clip (for example 1.0)"),
        ),
    }
}
