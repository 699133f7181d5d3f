//! The innermost part of a product: a few rows by one or two vectors of columns, whose sums stay in registers.
#![expect(unsafe_code, reason = "raw pointers, and instructions that must be known to exist")]
#![expect(
    clippy::inline_always,
    reason = "what is not inlined is compiled for the plainest processor"
)]

use super::super::InstructionSet;

/// One tile of a product. Pointers are to its first element.
#[derive(Clone, Copy)]
pub struct Tile {
    pub a: *const f32,
    /// From a row of `a` to the next, and from a place along the depth to the next.
    pub a_steps: [usize; 2],
    pub b: *const f32,
    /// From a place along the depth to the next; columns lie together.
    pub b_step: usize,
    pub depth: usize,
    pub out: *mut f32,
    pub pitch: usize,
    pub rows: usize,
    pub columns: usize,
    /// One a column, where the sums start; null where they start elsewhere.
    pub bias: *const f32,
    /// Whether the sums start with what is in `out`.
    pub adds: bool,
    /// The smallest result: 0 behind a ReLU, else minus infinity.
    pub low: f32,
}

/// Rows and columns of the largest tile of an instruction set.
pub fn largest(set: InstructionSet) -> [usize; 2] {
    match set {
        InstructionSet::Scalar => [4, 16],
        InstructionSet::Avx2 | InstructionSet::AvxVnni => [6, 16],
        InstructionSet::Avx512Vnni => [14, 32],
    }
}

/// Computes one tile, not larger than [`largest`].
///
/// # Safety
/// The pointers must be valid for the tile's rows, columns and depth, and the processor must have the instructions.
pub unsafe fn run(set: InstructionSet, tile: &Tile) {
    // SAFETY: the caller's promises.
    unsafe {
        match set {
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512Vnni => on_avx512(tile),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 | InstructionSet::AvxVnni => on_avx2(tile),
            _ => plain(tile),
        }
    }
}

/// Copies `[rows, columns]` to `[columns, rows]`; each side comes with the step from a row of its own to the next.
///
/// # Safety
/// The pointers must be valid for so many rows and columns, and the processor must have the instructions.
pub unsafe fn transpose(
    set: InstructionSet,
    [rows, columns]: [usize; 2],
    (from, from_step): (*const f32, usize),
    (to, to_step): (*mut f32, usize),
) {
    let mut done = 0;
    // SAFETY: within the rows and columns, which the caller vouches for.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        if set == InstructionSet::Avx512Vnni {
            while rows - done >= 16 {
                let whole = columns / 16 * 16;
                for column in (0..whole).step_by(16) {
                    vectors::transpose_16(
                        (from.add(done * from_step + column), from_step),
                        (to.add(column * to_step + done), to_step),
                    );
                }
                let (from, to) = (from.add(done * from_step), to.add(done));
                transpose_plainly([16, columns], whole, (from, from_step), (to, to_step));
                done += 16;
            }
        }
        let _ = set;
        let (from, to) = (from.add(done * from_step), to.add(done));
        transpose_plainly([rows - done, columns], 0, (from, from_step), (to, to_step));
    }
}

/// # Safety
/// As [`transpose`], of the columns from `first` on.
unsafe fn transpose_plainly(
    [rows, columns]: [usize; 2],
    first: usize,
    (from, from_step): (*const f32, usize),
    (to, to_step): (*mut f32, usize),
) {
    for row in 0..rows {
        for column in first..columns {
            // SAFETY: within the rows and columns.
            unsafe { *to.add(column * to_step + row) = *from.add(row * from_step + column) };
        }
    }
}

/// The twin: every sum in the same order.
///
/// # Safety
/// As [`run`].
unsafe fn plain(tile: &Tile) {
    for row in 0..tile.rows {
        for column in 0..tile.columns {
            // SAFETY: within the tile.
            unsafe {
                let out = tile.out.add(row * tile.pitch + column);
                let mut sum = match tile.adds {
                    true => *out,
                    false if tile.bias.is_null() => 0.0,
                    false => *tile.bias.add(column),
                };
                for place in 0..tile.depth {
                    sum += *tile.a.add(row * tile.a_steps[0] + place * tile.a_steps[1])
                        * *tile.b.add(place * tile.b_step + column);
                }
                *out = if sum < tile.low { tile.low } else { sum };
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod vectors {
    use std::arch::x86_64::{
        __m256, __m256i, __m512, __mmask16, _mm256_cmpgt_epi32, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_maskload_ps,
        _mm256_maskstore_ps, _mm256_max_ps, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi32, _mm256_setzero_ps,
        _mm256_storeu_ps, _mm512_castpd_ps, _mm512_castps_pd, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_storeu_ps,
        _mm512_maskz_loadu_ps, _mm512_max_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_shuffle_f32x4,
        _mm512_storeu_ps, _mm512_unpackhi_pd, _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
    };

    use super::Tile;

    /// A register of numbers.
    ///
    /// # Safety
    /// The processor must have the instructions, and pointers must be valid for the lanes that are read or written.
    pub trait Vector: Copy {
        const LANES: usize;
        type Mask: Copy;

        unsafe fn zero() -> Self;
        unsafe fn each(value: f32) -> Self;
        unsafe fn load(from: *const f32) -> Self;
        unsafe fn store(self, to: *mut f32);
        /// `a * b + self`
        unsafe fn plus(self, a: Self, b: Self) -> Self;
        /// The larger; `self` where one is not a number.
        unsafe fn at_least(self, low: Self) -> Self;
        /// The first lanes, not more than there are.
        unsafe fn first(count: usize) -> Self::Mask;
        unsafe fn load_first(mask: Self::Mask, from: *const f32) -> Self;
        unsafe fn store_first(self, mask: Self::Mask, to: *mut f32);
    }

    impl Vector for __m512 {
        const LANES: usize = 16;
        type Mask = __mmask16;

        #[inline(always)]
        unsafe fn zero() -> Self {
            // SAFETY: the trait's.
            unsafe { _mm512_setzero_ps() }
        }

        #[inline(always)]
        unsafe fn each(value: f32) -> Self {
            // SAFETY: the trait's.
            unsafe { _mm512_set1_ps(value) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: the trait's.
            unsafe { _mm512_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: the trait's.
            unsafe { _mm512_storeu_ps(to, self) }
        }

        #[inline(always)]
        unsafe fn plus(self, a: Self, b: Self) -> Self {
            // SAFETY: the trait's.
            unsafe { _mm512_fmadd_ps(a, b, self) }
        }

        #[inline(always)]
        unsafe fn at_least(self, low: Self) -> Self {
            // SAFETY: the trait's.
            unsafe { _mm512_max_ps(low, self) }
        }

        #[inline(always)]
        unsafe fn first(count: usize) -> __mmask16 {
            ((1_u32 << count) - 1) as __mmask16
        }

        #[inline(always)]
        unsafe fn load_first(mask: __mmask16, from: *const f32) -> Self {
            // SAFETY: the trait's.
            unsafe { _mm512_maskz_loadu_ps(mask, from) }
        }

        #[inline(always)]
        unsafe fn store_first(self, mask: __mmask16, to: *mut f32) {
            // SAFETY: the trait's.
            unsafe { _mm512_mask_storeu_ps(to, mask, self) }
        }
    }

    impl Vector for __m256 {
        const LANES: usize = 8;
        type Mask = __m256i;

        #[inline(always)]
        unsafe fn zero() -> Self {
            // SAFETY: the trait's.
            unsafe { _mm256_setzero_ps() }
        }

        #[inline(always)]
        unsafe fn each(value: f32) -> Self {
            // SAFETY: the trait's.
            unsafe { _mm256_set1_ps(value) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: the trait's.
            unsafe { _mm256_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: the trait's.
            unsafe { _mm256_storeu_ps(to, self) }
        }

        #[inline(always)]
        unsafe fn plus(self, a: Self, b: Self) -> Self {
            // SAFETY: the trait's.
            unsafe { _mm256_fmadd_ps(a, b, self) }
        }

        #[inline(always)]
        unsafe fn at_least(self, low: Self) -> Self {
            // SAFETY: the trait's.
            unsafe { _mm256_max_ps(low, self) }
        }

        #[inline(always)]
        unsafe fn first(count: usize) -> __m256i {
            // SAFETY: the trait's.
            unsafe {
                _mm256_cmpgt_epi32(
                    _mm256_set1_epi32(count as i32),
                    _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
                )
            }
        }

        #[inline(always)]
        unsafe fn load_first(mask: __m256i, from: *const f32) -> Self {
            // SAFETY: the trait's.
            unsafe { _mm256_maskload_ps(from, mask) }
        }

        #[inline(always)]
        unsafe fn store_first(self, mask: __m256i, to: *mut f32) {
            // SAFETY: the trait's.
            unsafe { _mm256_maskstore_ps(to, mask, self) }
        }
    }

    /// A block of 16 by 16.
    ///
    /// # Safety
    /// The pointers must be valid for it, and the processor must have AVX-512F.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn transpose_16((from, from_step): (*const f32, usize), (to, to_step): (*mut f32, usize)) {
        // SAFETY: within the block.
        unsafe {
            let mut rows = [_mm512_setzero_ps(); 16];
            for row in 0..16 {
                rows[row] = _mm512_loadu_ps(from.add(row * from_step));
            }
            // Pairs of rows, then fours within each quarter, then the quarters.
            let mut pairs = rows;
            for pair in 0..8 {
                pairs[2 * pair] = _mm512_unpacklo_ps(rows[2 * pair], rows[2 * pair + 1]);
                pairs[2 * pair + 1] = _mm512_unpackhi_ps(rows[2 * pair], rows[2 * pair + 1]);
            }
            let mut fours = pairs;
            for four in 0..4 {
                let [a, b, c, d] = [0, 1, 2, 3].map(|row| _mm512_castps_pd(pairs[4 * four + row]));
                fours[4 * four] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
                fours[4 * four + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
                fours[4 * four + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
                fours[4 * four + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
            }
            for column in 0..4 {
                let [a, b, c, d] = [0, 4, 8, 12].map(|row| fours[row + column]);
                let low = [_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(c, d, 0x88)];
                let high = [_mm512_shuffle_f32x4(a, b, 0xdd), _mm512_shuffle_f32x4(c, d, 0xdd)];
                let quarters = [
                    _mm512_shuffle_f32x4(low[0], low[1], 0x88),
                    _mm512_shuffle_f32x4(high[0], high[1], 0x88),
                    _mm512_shuffle_f32x4(low[0], low[1], 0xdd),
                    _mm512_shuffle_f32x4(high[0], high[1], 0xdd),
                ];
                for (quarter, values) in quarters.into_iter().enumerate() {
                    _mm512_storeu_ps(to.add((4 * quarter + column) * to_step), values);
                }
            }
        }
    }

    /// # Safety
    /// The tile's pointers must be valid, it must have `ROWS` rows and a last vector that is not empty, and the processor must have
    /// the instructions of `V`. With `WHOLE`, the last vector is full.
    #[inline(always)]
    pub unsafe fn sums<V: Vector, const ROWS: usize, const VECTORS: usize, const WHOLE: bool>(tile: &Tile) {
        // SAFETY: the pointers stay within the tile; columns beyond it are masked.
        unsafe {
            let last = VECTORS - 1;
            let mask = V::first(tile.columns - last * V::LANES);
            let load = |from: *const f32, vector: usize| {
                let from = from.add(vector * V::LANES);
                if WHOLE || vector < last {
                    V::load(from)
                } else {
                    V::load_first(mask, from)
                }
            };
            let mut sums = [[V::zero(); VECTORS]; ROWS];
            if tile.adds {
                for row in 0..ROWS {
                    for vector in 0..VECTORS {
                        sums[row][vector] = load(tile.out.add(row * tile.pitch), vector);
                    }
                }
            } else if !tile.bias.is_null() {
                for vector in 0..VECTORS {
                    let bias = load(tile.bias, vector);
                    for row in 0..ROWS {
                        sums[row][vector] = bias;
                    }
                }
            }
            let mut rows = [tile.a; ROWS];
            for row in 0..ROWS {
                rows[row] = tile.a.add(row * tile.a_steps[0]);
            }
            let mut b = tile.b;
            let mut place = 0;
            for _ in 0..tile.depth {
                let mut line = [V::zero(); VECTORS];
                for vector in 0..VECTORS {
                    line[vector] = load(b, vector);
                }
                for row in 0..ROWS {
                    let value = V::each(*rows[row].add(place));
                    for vector in 0..VECTORS {
                        sums[row][vector] = sums[row][vector].plus(value, line[vector]);
                    }
                }
                b = b.wrapping_add(tile.b_step);
                place += tile.a_steps[1];
            }
            let low = V::each(tile.low);
            for row in 0..ROWS {
                for vector in 0..VECTORS {
                    let out = tile.out.add(row * tile.pitch + vector * V::LANES);
                    let values = sums[row][vector].at_least(low);
                    if WHOLE || vector < last {
                        values.store(out);
                    } else {
                        values.store_first(mask, out);
                    }
                }
            }
        }
    }
}

/// Calls the tile compiled for these rows and columns.
#[cfg(target_arch = "x86_64")]
macro_rules! chosen {
    ($tile:ident, $compiled:ident, $lanes:literal, $($rows:literal)*) => {
        match ($tile.rows, $tile.columns.div_ceil($lanes), $tile.columns % $lanes == 0) {
            $(
                ($rows, 1, true) => $compiled::<$rows, 1, true>($tile),
                ($rows, 1, false) => $compiled::<$rows, 1, false>($tile),
                ($rows, 2, true) => $compiled::<$rows, 2, true>($tile),
                ($rows, 2, false) => $compiled::<$rows, 2, false>($tile),
            )*
            _ => plain($tile),
        }
    };
}

/// # Safety
/// As [`run`].
#[cfg(target_arch = "x86_64")]
unsafe fn on_avx512(tile: &Tile) {
    #[target_feature(enable = "avx512f")]
    unsafe fn compiled<const ROWS: usize, const VECTORS: usize, const WHOLE: bool>(tile: &Tile) {
        // SAFETY: the processor has the instructions; the pointers are the caller's.
        unsafe { vectors::sums::<std::arch::x86_64::__m512, ROWS, VECTORS, WHOLE>(tile) }
    }
    // SAFETY: as above.
    unsafe { chosen!(tile, compiled, 16, 1 2 3 4 5 6 7 8 9 10 11 12 13 14) }
}

/// # Safety
/// As [`run`].
#[cfg(target_arch = "x86_64")]
unsafe fn on_avx2(tile: &Tile) {
    #[target_feature(enable = "avx2,fma")]
    unsafe fn compiled<const ROWS: usize, const VECTORS: usize, const WHOLE: bool>(tile: &Tile) {
        // SAFETY: the processor has the instructions; the pointers are the caller's.
        unsafe { vectors::sums::<std::arch::x86_64::__m256, ROWS, VECTORS, WHOLE>(tile) }
    }
    // SAFETY: as above.
    unsafe { chosen!(tile, compiled, 8, 1 2 3 4 5 6) }
}
