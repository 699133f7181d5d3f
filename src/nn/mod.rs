//! A model description to a burn module, and its weights in and out. All that touches a tensor during training is here,
//! so that the other rooms speak of networks in plain numbers.

mod attention;
mod backward;
mod convolution;
mod dense;
mod factors;
mod fused;
mod grids;
mod initial;
mod kept;
mod layers;
mod network;
mod norm;
mod parameters;
mod pointwise;
mod recurrent;
mod steps;
mod weights;
mod windows;

pub use factors::{NotFinite, SingularValues, singular_values};
pub use grids::Grids;
pub use network::{DropoutKey, Network};
pub use parameters::Parameter;
pub use weights::WeightError;

use burn::tensor::{Device, Tensor};

use crate::kernels::training;
use crate::spec;

/// A device that this build does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("run.device: `{0}` is not in this build; use `flex`, or build with the feature `{0}`")]
pub struct DeviceError(pub spec::Device);

/// Burn's device for a run, without autodiff.
pub fn device(device: spec::Device) -> Result<Device, DeviceError> {
    match device {
        spec::Device::Flex => Ok(Device::flex()),
        spec::Device::Ndarray => ndarray(),
    }
}

#[cfg(feature = "ndarray")]
#[expect(
    clippy::unnecessary_wraps,
    deprecated,
    reason = "the older back end is the cross-check of flex; a build without it has the error"
)]
fn ndarray() -> Result<Device, DeviceError> {
    Ok(Device::ndarray())
}

#[cfg(not(feature = "ndarray"))]
fn ndarray() -> Result<Device, DeviceError> {
    Err(DeviceError(spec::Device::Ndarray))
}

/// Lets this thread and those of the pool allocate what the matrix products keep for each thread as long as the program lives, so
/// that it is not taken for the memory of the run that comes first.
pub fn warm_up() {
    // High and narrow: wide enough to need the slab, too little work to be divided between threads.
    let product = || {
        let ones = |shape: [usize; 2]| Tensor::<2>::ones(shape, &Device::flex());
        ones([1024, 4]).matmul(ones([4, 1024]));
        training::reserve();
    };
    product();
    rayon::broadcast(|_| product());
}

#[cfg(test)]
mod tests;
