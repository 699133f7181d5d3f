//! The way back through what follows a convolution: a ReLU, and a pool.
#![expect(
    clippy::inline_always,
    reason = "what is not inlined is compiled for the plainest processor"
)]

use super::frame::Frame;
use super::pool::NOWHERE;
use crate::kernels::lanes::Work;

/// The gradient where the output is above zero.
pub(super) struct Masked<'a>(pub &'a [f32], pub &'a [f32], pub &'a mut [f32]);

impl Work for Masked<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for ((to, &gradient), &out) in self.2.iter_mut().zip(self.0).zip(self.1) {
            *to = if out > 0.0 { gradient } else { 0.0 };
        }
    }
}

/// The gradient of a pool brought to the places of the largest values, and zero elsewhere; channels last.
pub(super) struct Unpool<'a> {
    pub pool: usize,
    pub frame: &'a Frame,
    /// Height and width of the pool's output.
    pub size: [usize; 2],
    pub gradient: &'a [f32],
    pub places: &'a [u8],
    pub out: &'a mut [f32],
}

impl Work for Unpool<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let (pool, filters) = (self.pool, self.frame.channels);
        debug_assert!(pool * pool <= usize::from(NOWHERE));
        let known = self
            .gradient
            .chunks_exact(filters)
            .zip(self.places.chunks_exact(filters));
        for (position, (gradient, places)) in known.enumerate() {
            let (y, x) = (position / self.size[1], position % self.size[1]);
            for tap in 0..pool * pool {
                let start = self.frame.start(y * pool + tap / pool) + (x * pool + tap % pool) * filters;
                let out = &mut self.out[start..start + filters];
                for ((out, &gradient), &place) in out.iter_mut().zip(gradient).zip(places) {
                    *out = if place == tap as u8 { gradient } else { 0.0 };
                }
            }
        }
    }
}
