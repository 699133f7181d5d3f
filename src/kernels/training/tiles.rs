//! The innermost part of a product: a few rows by one or two vectors of columns, whose sums stay in registers.
#![expect(unsafe_code, reason = "raw pointers, and instructions that must be known to exist")]
#![expect(
    clippy::needless_range_loop,
    reason = "several arrays by one place; short loops that are unrolled"
)]
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
                    compiled::transpose_16(
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
mod compiled {
    use std::arch::x86_64::{
        _mm512_castpd_ps, _mm512_castps_pd, _mm512_loadu_ps, _mm512_setzero_ps, _mm512_shuffle_f32x4, _mm512_storeu_ps,
        _mm512_unpackhi_pd, _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
    };

    use super::super::vectors::Vector;
    use super::Tile;

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
                        sums[row][vector] = value.times_plus(line[vector], sums[row][vector]);
                    }
                }
                b = b.wrapping_add(tile.b_step);
                place += tile.a_steps[1];
            }
            let low = V::each(tile.low);
            for row in 0..ROWS {
                for vector in 0..VECTORS {
                    let out = tile.out.add(row * tile.pitch + vector * V::LANES);
                    let values = sums[row][vector].or_larger(low);
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
    unsafe fn chosen<const ROWS: usize, const VECTORS: usize, const WHOLE: bool>(tile: &Tile) {
        // SAFETY: the processor has the instructions; the pointers are the caller's.
        unsafe { compiled::sums::<std::arch::x86_64::__m512, ROWS, VECTORS, WHOLE>(tile) }
    }
    // SAFETY: as above.
    unsafe { chosen!(tile, chosen, 16, 1 2 3 4 5 6 7 8 9 10 11 12 13 14) }
}

/// # Safety
/// As [`run`].
#[cfg(target_arch = "x86_64")]
unsafe fn on_avx2(tile: &Tile) {
    #[target_feature(enable = "avx2,fma")]
    unsafe fn chosen<const ROWS: usize, const VECTORS: usize, const WHOLE: bool>(tile: &Tile) {
        // SAFETY: the processor has the instructions; the pointers are the caller's.
        unsafe { compiled::sums::<std::arch::x86_64::__m256, ROWS, VECTORS, WHOLE>(tile) }
    }
    // SAFETY: as above.
    unsafe { chosen!(tile, chosen, 8, 1 2 3 4 5 6) }
}
