//! What a training step keeps of its activations for the way back: as they are, or in 16 bits.
//!
//! Only what is kept is rounded. The forward pass, the gradients, the weights and the optimizer's state stay in 32 bits, so there is
//! no gradient that could vanish in 16 bits and no loss to be scaled.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use rayon::prelude::*;

use crate::spec::Precision;

/// Values that one thread turns at a time.
const CHUNK: usize = 1 << 14;
/// Of so many packed lists it is known that they are there: one that leaves an operation may enter the next few.
const LATEST: usize = 8;

thread_local! {
    static HALF: Cell<Option<Half>> = const { Cell::new(None) };
    static PACKED: RefCell<VecDeque<Weak<Halves>>> = const { RefCell::new(VecDeque::new()) };
}

/// Does `work`, in which what operations of this thread keep for the way back is held in `precision`.
pub fn keeping<T>(precision: Precision, work: impl FnOnce() -> T) -> T {
    /// As it was before, even if the work panics.
    struct Restore(Option<Half>);
    impl Drop for Restore {
        fn drop(&mut self) {
            HALF.set(self.0);
        }
    }
    let half = match precision {
        Precision::F32 => None,
        Precision::F16 => Some(Half::F16),
        Precision::Bf16 => Some(Half::Bf16),
    };
    let _restore = Restore(HALF.replace(half));
    work()
}

/// A form of 16 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    F16,
    Bf16,
}

/// Numbers in 16 bits: `f16` with 11 significant bits up to 65504, where larger ones are cut (IEEE 754), or `bf16` with 8 over the
/// whole range of 32 bits.
#[derive(Debug, Clone)]
pub struct Halves {
    half: Half,
    bits: Vec<u16>,
}

/// A list that an operation keeps.
#[derive(Debug, Clone)]
pub enum Kept {
    Whole(Vec<f32>),
    Packed(Halves),
}

impl Kept {
    /// In the precision of this thread's [`keeping`].
    pub fn new(values: Vec<f32>) -> Self {
        match HALF.get() {
            None => Self::Whole(values),
            Some(half) => Self::Packed(Halves::of(&values, half)),
        }
    }

    pub fn into_values(self) -> Vec<f32> {
        match self {
            Self::Whole(values) => values,
            Self::Packed(halves) => halves.values(),
        }
    }
}

impl Halves {
    /// `values` in 16 bits, where this thread's [`keeping`] says so. Two operations that keep the same values share them.
    pub fn shared(values: &[f32]) -> Option<Arc<Self>> {
        let half = HALF.get()?;
        PACKED.with_borrow_mut(|packed| {
            packed.retain(|halves| halves.strong_count() > 0);
            let mut there = packed.iter().filter_map(Weak::upgrade);
            if let Some(same) = there.find(|halves| halves.are_of(values, half)) {
                return Some(same);
            }
            let halves = Arc::new(Self::of(values, half));
            packed.truncate(LATEST - 1);
            packed.push_front(Arc::downgrade(&halves));
            Some(halves)
        })
    }

    fn of(values: &[f32], half: Half) -> Self {
        let mut bits = vec![0; values.len()];
        let chunks = bits.par_chunks_mut(CHUNK).zip(values.par_chunks(CHUNK));
        chunks.for_each(|(bits, values)| pack(half, values, bits));
        Self { half, bits }
    }

    fn are_of(&self, values: &[f32], half: Half) -> bool {
        let is_same = |(bits, values): (&[u16], &[f32])| {
            let mut found = [0; 256];
            let parts = bits.chunks(found.len()).zip(values.chunks(found.len()));
            parts.into_iter().all(|(bits, values)| {
                let found = &mut found[..values.len()];
                pack(half, values, found);
                found == bits
            })
        };
        self.half == half
            && self.bits.len() == values.len()
            && self.bits.chunks(CHUNK).zip(values.chunks(CHUNK)).all(is_same)
    }

    /// The numbers, rounded as they are.
    pub fn values(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.bits.len()];
        let chunks = values.par_chunks_mut(CHUNK).zip(self.bits.par_chunks(CHUNK));
        chunks.for_each(|(values, bits)| match self.half {
            Half::F16 => bits.reinterpret_cast::<f16>().convert_to_f32_slice(values),
            Half::Bf16 => {
                for (value, &bits) in values.iter_mut().zip(bits) {
                    *value = f32::from_bits(u32::from(bits) << 16);
                }
            }
        });
        values
    }
}

fn pack(half: Half, values: &[f32], bits: &mut [u16]) {
    match half {
        Half::F16 => {
            bits.reinterpret_cast_mut::<f16>().convert_from_f32_slice(values);
            for (bits, value) in bits.iter_mut().zip(values) {
                // What became infinite only by being too large is the largest number.
                if *bits & 0x7fff == 0x7c00 && value.is_finite() {
                    *bits -= 1;
                }
            }
        }
        Half::Bf16 => {
            for (bits, value) in bits.iter_mut().zip(values) {
                *bits = bf16_of(*value);
            }
        }
    }
}

/// The nearest `bf16`, of two as near the even one; the loop over many becomes a few instructions for several at once, which that
/// of the crate `half` does not.
fn bf16_of(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    let is_nan = bits & 0x7fff_ffff > 0x7f80_0000;
    (if is_nan { bits >> 16 | 0x40 } else { rounded }) as u16
}

#[cfg(test)]
mod tests;
