//! Element-wise work compiled once for each instruction set: plain loops that the compiler turns into the widest vector code that
//! the set has. The loop compiled for [`InstructionSet::Scalar`] is the twin of the others; nothing is reordered, and only where
//! work asks for it are a product and a sum rounded once instead of twice.
#![expect(
    clippy::inline_always,
    reason = "what is not inlined is compiled for the plainest processor"
)]
#![expect(
    unsafe_code,
    reason = "code compiled for instructions must know that the processor has them"
)]

use super::InstructionSet;

/// Work on slices that is worth compiling for each instruction set.
pub(super) trait Work {
    /// Does it; with `FUSED`, the processor has products that are added at once. Must be `#[inline(always)]`, or it is compiled for
    /// the plainest processor.
    fn run<const FUSED: bool>(self);
}

/// Does `work` with the instructions of `set`; those of a plainer one where the processor lacks it.
pub(super) fn run(set: InstructionSet, work: impl Work) {
    #[cfg(target_arch = "x86_64")]
    match set {
        // SAFETY: the processor has the instructions.
        InstructionSet::Avx512Vnni if set.is_available() => return unsafe { on_avx512(work) },
        // SAFETY: as above.
        InstructionSet::Avx2 | InstructionSet::AvxVnni if set.is_available() => return unsafe { on_avx2(work) },
        _ => {}
    }
    let _ = set;
    work.run::<false>();
}

/// `a * b + c`, rounded once where the processor does it at once.
#[inline(always)]
pub(super) fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,fma")]
fn on_avx512(work: impl Work) {
    work.run::<true>();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn on_avx2(work: impl Work) {
    work.run::<true>();
}
