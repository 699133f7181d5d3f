//! Registers of numbers, one trait for every instruction set: loops written with it need no luck with the compiler. A single number
//! is the register of the plainest set, and so the twin of the others.
#![expect(unsafe_code, reason = "instructions that must be known to exist, and raw pointers")]
#![expect(
    clippy::inline_always,
    reason = "what is not inlined is compiled for the plainest processor"
)]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64 as arch;

use super::super::InstructionSet;

/// Lanes of the longest register.
pub const LONGEST: usize = 16;

/// A register of numbers.
///
/// # Safety
/// Of every function: the processor must have the instructions, and pointers must be valid for the lanes that are read or written.
pub trait Vector: Copy {
    const LANES: usize;
    type Mask: Copy;

    unsafe fn each(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// `self * b + c`
    unsafe fn times_plus(self, b: Self, c: Self) -> Self;
    unsafe fn plus(self, other: Self) -> Self;
    unsafe fn minus(self, other: Self) -> Self;
    unsafe fn times(self, other: Self) -> Self;
    /// `self / other`
    unsafe fn over(self, other: Self) -> Self;
    /// The square root.
    unsafe fn root(self) -> Self;
    /// The larger; `self` where one is not a number.
    unsafe fn or_larger(self, other: Self) -> Self;
    /// The smaller; `self` where one is not a number.
    unsafe fn or_smaller(self, other: Self) -> Self;
    /// Two to the power that stands in the last bits of the mantissa.
    unsafe fn power(self) -> Self;
    /// The first lanes, not more than there are.
    unsafe fn first(count: usize) -> Self::Mask;
    /// Where `self` is zero.
    unsafe fn is_zero(self) -> Self::Mask;
    /// Where `self` is below `other`.
    unsafe fn is_below(self, other: Self) -> Self::Mask;
    /// `self` in the mask's lanes, `other` elsewhere.
    unsafe fn choose(self, mask: Self::Mask, other: Self) -> Self;
    /// Zeros beyond the mask.
    unsafe fn load_first(mask: Self::Mask, from: *const f32) -> Self;
    unsafe fn store_first(self, mask: Self::Mask, to: *mut f32);
    /// All lanes.
    unsafe fn sum(self) -> f32;
    unsafe fn largest(self) -> f32;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the trait's.
        unsafe { Self::each(0.0) }
    }

    /// As the function of the same name over slices: to within two units in the last place, from -87 to 88.
    #[inline(always)]
    unsafe fn exp(self) -> Self {
        // Adding 1.5 * 2^23 leaves no bits for a fraction: the addition itself rounds.
        const MAGIC: f32 = 12_582_912.0;
        // SAFETY: the trait's.
        unsafe {
            let x = self.or_smaller(Self::each(88.0)).or_larger(Self::each(-87.0));
            let shifted = x.times_plus(Self::each(std::f32::consts::LOG2_E), Self::each(MAGIC));
            let power = shifted.minus(Self::each(MAGIC));
            let rest = power.times_plus(Self::each(-0.693_359_4), x);
            let rest = power.times_plus(Self::each(2.121_944_4e-4), rest);
            let sum = Self::each(1.987_569_1e-4).times_plus(rest, Self::each(1.398_199_9e-3));
            let sum = sum.times_plus(rest, Self::each(8.333_452e-3));
            let sum = sum.times_plus(rest, Self::each(4.166_579_6e-2));
            let sum = sum.times_plus(rest, Self::each(1.666_666_5e-1));
            let sum = sum.times_plus(rest, Self::each(0.5));
            let mantissa = sum.times_plus(rest.times(rest), rest).plus(Self::each(1.0));
            mantissa.times(shifted.power())
        }
    }
}

/// Bits of 1.5 * 2^23 less the exponent of 1.
const EXPONENT: i32 = 0x4b40_0000 - 127;

/// Work that is worth compiling for each instruction set.
pub trait Work {
    /// Does it with registers of `V`. Must be `#[inline(always)]`, or it is compiled for the plainest processor.
    ///
    /// # Safety
    /// The processor must have the instructions of `V`.
    unsafe fn run<V: Vector>(self);
}

/// Does `work` with the instructions of `set`; those of a plainer one where the processor lacks it.
pub fn run(set: InstructionSet, work: impl Work) {
    #[cfg(target_arch = "x86_64")]
    match set {
        // SAFETY: the processor has the instructions.
        InstructionSet::Avx512Vnni if set.is_available() => return unsafe { on_avx512(work) },
        // SAFETY: as above.
        InstructionSet::Avx2 | InstructionSet::AvxVnni if set.is_available() => return unsafe { on_avx2(work) },
        _ => {}
    }
    let _ = set;
    // SAFETY: a single number needs no instructions.
    unsafe { work.run::<f32>() };
}

/// The places of a row's registers, each with the lanes that are within the row. (A loop over them, since closures may not be inlined.)
///
/// # Safety
/// The processor must have the instructions of `V`.
#[inline(always)]
pub unsafe fn places<V: Vector>(width: usize) -> Places<V> {
    // SAFETY: the caller's.
    let (all, rest) = unsafe { (V::first(V::LANES), V::first(width % V::LANES)) };
    Places {
        place: 0,
        width,
        all,
        rest,
    }
}

/// See [`places`].
pub struct Places<V: Vector> {
    place: usize,
    width: usize,
    all: V::Mask,
    rest: V::Mask,
}

impl<V: Vector> Iterator for Places<V> {
    type Item = (usize, V::Mask);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let place = self.place;
        if place >= self.width {
            return None;
        }
        self.place += V::LANES;
        Some((place, if self.place <= self.width { self.all } else { self.rest }))
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,fma")]
fn on_avx512(work: impl Work) {
    // SAFETY: this function's features.
    unsafe { work.run::<arch::__m512>() };
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn on_avx2(work: impl Work) {
    // SAFETY: this function's features.
    unsafe { work.run::<arch::__m256>() };
}

impl Vector for f32 {
    const LANES: usize = 1;
    type Mask = bool;

    #[inline(always)]
    unsafe fn each(value: f32) -> Self {
        value
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the trait's.
        unsafe { *from }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the trait's.
        unsafe {
            *to = self;
        }
    }

    #[inline(always)]
    unsafe fn times_plus(self, b: Self, c: Self) -> Self {
        self * b + c
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        self + other
    }

    #[inline(always)]
    unsafe fn minus(self, other: Self) -> Self {
        self - other
    }

    #[inline(always)]
    unsafe fn times(self, other: Self) -> Self {
        self * other
    }

    #[inline(always)]
    unsafe fn or_larger(self, other: Self) -> Self {
        if other > self { other } else { self }
    }

    #[inline(always)]
    unsafe fn or_smaller(self, other: Self) -> Self {
        if other < self { other } else { self }
    }

    #[inline(always)]
    unsafe fn power(self) -> Self {
        f32::from_bits((self.to_bits().cast_signed().wrapping_sub(EXPONENT) << 23).cast_unsigned())
    }

    #[inline(always)]
    unsafe fn first(count: usize) -> bool {
        count > 0
    }

    #[inline(always)]
    unsafe fn is_zero(self) -> bool {
        self == 0.0
    }

    #[inline(always)]
    unsafe fn is_below(self, other: Self) -> bool {
        self < other
    }

    #[inline(always)]
    unsafe fn over(self, other: Self) -> Self {
        self / other
    }

    #[inline(always)]
    unsafe fn root(self) -> Self {
        self.sqrt()
    }

    #[inline(always)]
    unsafe fn choose(self, mask: bool, other: Self) -> Self {
        if mask { self } else { other }
    }

    #[inline(always)]
    unsafe fn load_first(mask: bool, from: *const f32) -> Self {
        // SAFETY: the trait's.
        unsafe { if mask { *from } else { 0.0 } }
    }

    #[inline(always)]
    unsafe fn store_first(self, mask: bool, to: *mut f32) {
        // SAFETY: the trait's.
        unsafe {
            if mask {
                *to = self;
            }
        }
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        self
    }

    #[inline(always)]
    unsafe fn largest(self) -> f32 {
        self
    }
}

#[cfg(target_arch = "x86_64")]
impl Vector for arch::__m512 {
    const LANES: usize = 16;
    type Mask = arch::__mmask16;

    #[inline(always)]
    unsafe fn each(value: f32) -> Self {
        // SAFETY: the trait's.
        unsafe { arch::_mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the trait's.
        unsafe { arch::_mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the trait's.
        unsafe { arch::_mm512_storeu_ps(to, self) }
    }

    #[inline(always)]
    unsafe fn times_plus(self, b: Self, c: Self) -> Self {
        // SAFETY: the trait's.
        unsafe { arch::_mm512_fmadd_ps(self, b, c) }
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        // SAFETY: the trait's.
        unsafe { arch::_mm512_add_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn minus(self, other: Self) -> Self {
        // SAFETY: the trait's.
        unsafe { arch::_mm512_sub_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn times(self, other: Self) -> Self {
        // SAFETY: the trait's.
        unsafe { arch::_mm512_mul_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn or_larger(self, other: Self) -> Self {
        // SAFETY: the trait's.
        unsafe { arch::_mm512_max_ps(other, self) }
    }

    #[inline(always)]
    unsafe fn or_smaller(self, other: Self) -> Self {
        // SAFETY: the trait's.
        unsafe { arch::_mm512_min_ps(other, self) }
    }

    #[inline(always)]
    unsafe fn power(self) -> Self {
        // SAFETY: the trait's.
        unsafe {
            let power = arch::_mm512_sub_epi32(arch::_mm512_castps_si512(self), arch::_mm512_set1_epi32(EXPONENT));
            arch::_mm512_castsi512_ps(arch::_mm512_slli_epi32(power, 23))
        }
    }

    #[inline(always)]
    unsafe fn first(count: usize) -> arch::__mmask16 {
        ((1_u32 << count) - 1) as arch::__mmask16
    }

    #[inline(always)]
    unsafe fn is_zero(self) -> arch::__mmask16 {
        // SAFETY: the trait's.
        unsafe { arch::_mm512_cmp_ps_mask(self, arch::_mm512_setzero_ps(), arch::_CMP_EQ_OQ) }
    }

    #[inline(always)]
    unsafe fn is_below(self, other: Self) -> arch::__mmask16 {
        // SAFETY: the trait's.
        unsafe { arch::_mm512_cmp_ps_mask(self, other, arch::_CMP_LT_OQ) }
    }

    #[inline(always)]
    unsafe fn over(self, other: Self) -> Self {
        // SAFETY: the trait's.
        unsafe { arch::_mm512_div_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn root(self) -> Self {
        // SAFETY: the trait's.
        unsafe { arch::_mm512_sqrt_ps(self) }
    }

    #[inline(always)]
    unsafe fn choose(self, mask: arch::__mmask16, other: Self) -> Self {
        // SAFETY: the trait's.
        unsafe { arch::_mm512_mask_blend_ps(mask, other, self) }
    }

    #[inline(always)]
    unsafe fn load_first(mask: arch::__mmask16, from: *const f32) -> Self {
        // SAFETY: the trait's.
        unsafe { arch::_mm512_maskz_loadu_ps(mask, from) }
    }

    #[inline(always)]
    unsafe fn store_first(self, mask: arch::__mmask16, to: *mut f32) {
        // SAFETY: the trait's.
        unsafe { arch::_mm512_mask_storeu_ps(to, mask, self) }
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        // SAFETY: the trait's.
        unsafe { arch::_mm512_reduce_add_ps(self) }
    }

    #[inline(always)]
    unsafe fn largest(self) -> f32 {
        // SAFETY: the trait's.
        unsafe { arch::_mm512_reduce_max_ps(self) }
    }
}

#[cfg(target_arch = "x86_64")]
impl Vector for arch::__m256 {
    const LANES: usize = 8;
    type Mask = arch::__m256i;

    #[inline(always)]
    unsafe fn each(value: f32) -> Self {
        // SAFETY: the trait's.
        unsafe { arch::_mm256_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the trait's.
        unsafe { arch::_mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the trait's.
        unsafe { arch::_mm256_storeu_ps(to, self) }
    }

    #[inline(always)]
    unsafe fn times_plus(self, b: Self, c: Self) -> Self {
        // SAFETY: the trait's.
        unsafe { arch::_mm256_fmadd_ps(self, b, c) }
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        // SAFETY: the trait's.
        unsafe { arch::_mm256_add_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn minus(self, other: Self) -> Self {
        // SAFETY: the trait's.
        unsafe { arch::_mm256_sub_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn times(self, other: Self) -> Self {
        // SAFETY: the trait's.
        unsafe { arch::_mm256_mul_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn or_larger(self, other: Self) -> Self {
        // SAFETY: the trait's.
        unsafe { arch::_mm256_max_ps(other, self) }
    }

    #[inline(always)]
    unsafe fn or_smaller(self, other: Self) -> Self {
        // SAFETY: the trait's.
        unsafe { arch::_mm256_min_ps(other, self) }
    }

    #[inline(always)]
    unsafe fn power(self) -> Self {
        // SAFETY: the trait's.
        unsafe {
            let power = arch::_mm256_sub_epi32(arch::_mm256_castps_si256(self), arch::_mm256_set1_epi32(EXPONENT));
            arch::_mm256_castsi256_ps(arch::_mm256_slli_epi32(power, 23))
        }
    }

    #[inline(always)]
    unsafe fn first(count: usize) -> arch::__m256i {
        // SAFETY: the trait's.
        unsafe {
            let lanes = arch::_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            arch::_mm256_cmpgt_epi32(arch::_mm256_set1_epi32(count as i32), lanes)
        }
    }

    #[inline(always)]
    unsafe fn is_zero(self) -> arch::__m256i {
        // SAFETY: the trait's.
        unsafe { arch::_mm256_castps_si256(arch::_mm256_cmp_ps(self, arch::_mm256_setzero_ps(), arch::_CMP_EQ_OQ)) }
    }

    #[inline(always)]
    unsafe fn is_below(self, other: Self) -> arch::__m256i {
        // SAFETY: the trait's.
        unsafe { arch::_mm256_castps_si256(arch::_mm256_cmp_ps(self, other, arch::_CMP_LT_OQ)) }
    }

    #[inline(always)]
    unsafe fn over(self, other: Self) -> Self {
        // SAFETY: the trait's.
        unsafe { arch::_mm256_div_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn root(self) -> Self {
        // SAFETY: the trait's.
        unsafe { arch::_mm256_sqrt_ps(self) }
    }

    #[inline(always)]
    unsafe fn choose(self, mask: arch::__m256i, other: Self) -> Self {
        // SAFETY: the trait's.
        unsafe { arch::_mm256_blendv_ps(other, self, arch::_mm256_castsi256_ps(mask)) }
    }

    #[inline(always)]
    unsafe fn load_first(mask: arch::__m256i, from: *const f32) -> Self {
        // SAFETY: the trait's.
        unsafe { arch::_mm256_maskload_ps(from, mask) }
    }

    #[inline(always)]
    unsafe fn store_first(self, mask: arch::__m256i, to: *mut f32) {
        // SAFETY: the trait's.
        unsafe { arch::_mm256_maskstore_ps(to, mask, self) }
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        // SAFETY: the trait's.
        unsafe {
            let four = arch::_mm_add_ps(arch::_mm256_castps256_ps128(self), arch::_mm256_extractf128_ps(self, 1));
            let two = arch::_mm_add_ps(four, arch::_mm_movehl_ps(four, four));
            arch::_mm_cvtss_f32(arch::_mm_add_ss(two, arch::_mm_shuffle_ps(two, two, 1)))
        }
    }

    #[inline(always)]
    unsafe fn largest(self) -> f32 {
        // SAFETY: the trait's.
        unsafe {
            let four = arch::_mm_max_ps(arch::_mm256_castps256_ps128(self), arch::_mm256_extractf128_ps(self, 1));
            let two = arch::_mm_max_ps(four, arch::_mm_movehl_ps(four, four));
            arch::_mm_cvtss_f32(arch::_mm_max_ss(two, arch::_mm_shuffle_ps(two, two, 1)))
        }
    }
}
