//! Layers that are computed as one: a convolution and what follows it.

use crate::spec::{ActivationKind, LayerSpec, Placed};

/// The largest pool that a convolution takes in.
pub const LARGEST_POOL: usize = 15;

/// What follows a convolution and is done at once with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Together {
    pub relu: bool,
    /// The size of the pool; 1 for none.
    pub pool: usize,
    /// Layers in all.
    pub layers: usize,
}

impl Together {
    /// One layer by itself.
    pub const ALONE: Self = Self {
        relu: false,
        pool: 1,
        layers: 1,
    };

    /// What is done at once with the first of `layers`.
    pub fn of(layers: &[Placed]) -> Self {
        let mut found = Self::ALONE;
        let kind = |at: usize| layers.get(at).map(|placed| placed.layer);
        if !matches!(kind(0), Some(LayerSpec::Conv2d { .. })) {
            return found;
        }
        let relu = LayerSpec::Activation {
            function: ActivationKind::Relu,
        };
        if kind(found.layers) == Some(relu) {
            found.relu = true;
            found.layers += 1;
        }
        if let Some(LayerSpec::MaxPool { size }) = kind(found.layers)
            && size <= LARGEST_POOL
        {
            found.pool = size;
            found.layers += 1;
        }
        found
    }
}
