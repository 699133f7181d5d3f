//! New vectors that all threads fill at once.
#![expect(unsafe_code, reason = "a vector's length is set when all of it has been written")]

use std::mem::MaybeUninit;

use rayon::prelude::*;

/// Multiplications and additions below which threads are not worth waking.
const WORTH_THREADS: usize = 300_000;

/// Whether work of so many multiplications is shared among threads.
pub(super) fn is_shared(work: usize) -> bool {
    work >= WORTH_THREADS && rayon::current_num_threads() > 1
}

/// Samples that are worked on together where nothing is summed over them: several parts for each thread.
pub(super) fn share(samples: usize, work: usize) -> usize {
    if !is_shared(work) {
        return samples.max(1);
    }
    samples.div_ceil(4 * rayon::current_num_threads()).max(1)
}

/// A vector of `len` values, filled in parts of `part` values (the last perhaps fewer) by `fill(index, part)`, which finds zeros.
/// What it gives back comes in the order of the parts.
pub(super) fn produce<R: Send>(
    [len, part]: [usize; 2],
    shared: bool,
    fill: impl Fn(usize, &mut [f32]) -> R + Sync,
) -> (Vec<f32>, Vec<R>) {
    let mut values = Vec::with_capacity(len);
    let spare = &mut values.spare_capacity_mut()[..len];
    let cleared = |(index, part): (usize, &mut [MaybeUninit<f32>])| fill(index, clear(part));
    let results = if shared {
        spare.par_chunks_mut(part.max(1)).enumerate().map(cleared).collect()
    } else {
        spare.chunks_mut(part.max(1)).enumerate().map(cleared).collect()
    };
    // SAFETY: the parts are all of the vector, and each has been written.
    unsafe { values.set_len(len) };
    (values, results)
}

/// Writes zeros; each thread does so to what it fills next.
fn clear(part: &mut [MaybeUninit<f32>]) -> &mut [f32] {
    part.fill(MaybeUninit::new(0.0));
    // SAFETY: all of it has just been written.
    unsafe { &mut *(std::ptr::from_mut(part) as *mut [f32]) }
}
