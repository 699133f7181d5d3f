//! Sums of outer products: the gradient of a weight from the rows that entered and the gradients of those that left. Neither side is
//! packed: a row of each lies as the product wants it.
#![expect(unsafe_code, reason = "vector loads and stores through raw pointers")]

use crate::kernels::InstructionSet;

/// Rows of both sides that are worked on together, so that they stay in the cache.
const DEPTH: usize = 256;

/// A piece of a sum of outer products.
#[derive(Clone, Copy)]
struct Call {
    a: *const f32,
    b: *const f32,
    pitches: [usize; 2],
    depth: usize,
    out: *mut f32,
    /// Values from an output row to the next.
    pitch: usize,
    /// Columns of the output, at most [`WIDE`].
    columns: usize,
}

/// Adds one tile of so many output rows.
type Tile = unsafe fn(&Call);

/// The tiles of an instruction set: rows, tallest first, and columns.
struct Tiles {
    wide: usize,
    tiles: [(usize, Tile); 4],
}

/// Adds `a^T b` to `out`, `[rows, columns]`; the sum is over `depth` rows of `a` and of `b`, which lie `pitches` apart. Sizes that do not fit
/// together panic.
pub fn add_outer(
    set: InstructionSet,
    [a, b]: [&[f32]; 2],
    pitches: [usize; 2],
    [rows, columns]: [usize; 2],
    depth: usize,
    out: &mut [f32],
) {
    if rows == 0 || columns == 0 || depth == 0 {
        return;
    }
    assert!(a.len() >= (depth - 1) * pitches[0] + rows && b.len() >= (depth - 1) * pitches[1] + columns);
    assert!(out.len() >= rows * columns);
    let tiles = tiles(set);
    let mut first = 0;
    while first < depth {
        let piece = DEPTH.min(depth - first);
        for column in (0..columns).step_by(tiles.wide) {
            let mut row = 0;
            for (height, tile) in tiles.tiles {
                while rows - row >= height {
                    // SAFETY: the assertions above keep every row of both sides and of the output inside; `tiles` saw that the
                    // processor has the instructions.
                    unsafe {
                        tile(&Call {
                            a: a.as_ptr().add(first * pitches[0] + row),
                            b: b.as_ptr().add(first * pitches[1] + column),
                            pitches,
                            depth: piece,
                            out: out.as_mut_ptr().add(row * columns + column),
                            pitch: columns,
                            columns: tiles.wide.min(columns - column),
                        });
                    }
                    row += height;
                }
            }
        }
        first += piece;
    }
}

fn tiles(set: InstructionSet) -> Tiles {
    #[cfg(target_arch = "x86_64")]
    match set {
        InstructionSet::Avx512Vnni if set.is_available() => {
            return Tiles {
                wide: 32,
                tiles: [
                    (8, x86::wide::<8>),
                    (4, x86::wide::<4>),
                    (2, x86::wide::<2>),
                    (1, x86::wide::<1>),
                ],
            };
        }
        InstructionSet::Avx2 | InstructionSet::AvxVnni if set.is_available() => {
            return Tiles {
                wide: 16,
                tiles: [
                    (6, x86::narrow::<6>),
                    (4, x86::narrow::<4>),
                    (2, x86::narrow::<2>),
                    (1, x86::narrow::<1>),
                ],
            };
        }
        _ => {}
    }
    let _ = set;
    Tiles {
        wide: 16,
        tiles: [(4, plain::<4>), (3, plain::<3>), (2, plain::<2>), (1, plain::<1>)],
    }
}

/// The plain twin.
///
/// # Safety
/// All of the call's pointers must be valid for `ROWS` rows.
unsafe fn plain<const ROWS: usize>(call: &Call) {
    // SAFETY: the caller's promise.
    unsafe {
        for row in 0..ROWS {
            let mut sums = [0.0_f32; 16];
            for place in 0..call.depth {
                let value = *call.a.add(place * call.pitches[0] + row);
                for (column, sum) in sums.iter_mut().enumerate().take(call.columns) {
                    *sum += value * *call.b.add(place * call.pitches[1] + column);
                }
            }
            for (column, sum) in sums.iter().enumerate().take(call.columns) {
                *call.out.add(row * call.pitch + column) += sum;
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    #![expect(
        clippy::needless_range_loop,
        reason = "loops over constant ranges are unrolled, which keeps the sums in registers"
    )]
    use std::arch::x86_64::{
        __m256i, __mmask16, _mm256_add_ps, _mm256_cmpgt_epi32, _mm256_fmadd_ps, _mm256_maskload_ps,
        _mm256_maskstore_ps, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi32, _mm256_setzero_ps, _mm512_add_ps,
        _mm512_fmadd_ps, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps,
    };

    use super::Call;

    /// # Safety
    /// All of the call's pointers must be valid for `ROWS` rows, and the processor must have AVX-512F.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn wide<const ROWS: usize>(call: &Call) {
        // SAFETY: the caller's promise; loads and stores are masked to the columns that exist.
        unsafe {
            let lanes = |columns: usize| -> __mmask16 {
                if columns >= 16 {
                    __mmask16::MAX
                } else {
                    (1 << columns) - 1
                }
            };
            let masks = [lanes(call.columns), lanes(call.columns.saturating_sub(16))];
            let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
            let (mut a, mut b) = (call.a, call.b);
            for _ in 0..call.depth {
                let line = [
                    _mm512_maskz_loadu_ps(masks[0], b),
                    _mm512_maskz_loadu_ps(masks[1], b.wrapping_add(16)),
                ];
                for row in 0..ROWS {
                    let value = _mm512_set1_ps(*a.add(row));
                    for half in 0..2 {
                        sums[row][half] = _mm512_fmadd_ps(value, line[half], sums[row][half]);
                    }
                }
                (a, b) = (a.wrapping_add(call.pitches[0]), b.wrapping_add(call.pitches[1]));
            }
            for row in 0..ROWS {
                for half in 0..2 {
                    let out = call.out.wrapping_add(row * call.pitch + 16 * half);
                    let before = _mm512_maskz_loadu_ps(masks[half], out);
                    _mm512_mask_storeu_ps(out, masks[half], _mm512_add_ps(before, sums[row][half]));
                }
            }
        }
    }

    /// # Safety
    /// All of the call's pointers must be valid for `ROWS` rows, and the processor must have AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn narrow<const ROWS: usize>(call: &Call) {
        // SAFETY: as above.
        unsafe {
            let lanes = |columns: usize| -> __m256i {
                let columns = _mm256_set1_epi32(columns.min(8) as i32);
                _mm256_cmpgt_epi32(columns, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
            };
            let masks = [lanes(call.columns), lanes(call.columns.saturating_sub(8))];
            let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
            let (mut a, mut b) = (call.a, call.b);
            for _ in 0..call.depth {
                let line = [
                    _mm256_maskload_ps(b, masks[0]),
                    _mm256_maskload_ps(b.wrapping_add(8), masks[1]),
                ];
                for row in 0..ROWS {
                    let value = _mm256_set1_ps(*a.add(row));
                    for half in 0..2 {
                        sums[row][half] = _mm256_fmadd_ps(value, line[half], sums[row][half]);
                    }
                }
                (a, b) = (a.wrapping_add(call.pitches[0]), b.wrapping_add(call.pitches[1]));
            }
            for row in 0..ROWS {
                for half in 0..2 {
                    let out = call.out.wrapping_add(row * call.pitch + 8 * half);
                    let before = _mm256_maskload_ps(out, masks[half]);
                    _mm256_maskstore_ps(out, masks[half], _mm256_add_ps(before, sums[row][half]));
                }
            }
        }
    }
}
