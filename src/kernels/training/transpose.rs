//! Matrices turned on their side: how an image's channels come last, and first again.
#![expect(unsafe_code, reason = "vector loads and stores through raw pointers")]

use crate::kernels::InstructionSet;

/// Rows and columns of the block that is turned in registers.
const BLOCK: usize = 8;

/// A matrix in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix {
    pub rows: usize,
    pub columns: usize,
    /// Values from a row to the next.
    pub pitch: usize,
}

impl Matrix {
    /// Values from the first to the last.
    fn span(self) -> usize {
        if self.rows * self.columns == 0 {
            return 0;
        }
        (self.rows - 1) * self.pitch + self.columns
    }
}

/// Writes the columns of `from` as rows that are `pitch` apart. Sizes that do not fit panic.
pub(super) fn transpose(set: InstructionSet, matrix: Matrix, from: &[f32], to: &mut [f32], pitch: usize) {
    let Matrix { rows, columns, .. } = matrix;
    let turned = Matrix {
        rows: columns,
        columns: rows,
        pitch,
    };
    assert!(matrix.span() <= from.len() && turned.span() <= to.len());
    let mut done = [0, 0];
    #[cfg(target_arch = "x86_64")]
    if set != InstructionSet::Scalar && set.is_available() {
        done = [rows / BLOCK * BLOCK, columns / BLOCK * BLOCK];
        // SAFETY: the assertion above keeps the blocks inside, and the processor has the instructions.
        unsafe { blocks(done, matrix.pitch, from.as_ptr(), pitch, to.as_mut_ptr()) };
    }
    let _ = set;
    let mut edge = |rows: std::ops::Range<usize>, columns: std::ops::Range<usize>| {
        for row in rows {
            let line = &from[row * matrix.pitch..][columns.clone()];
            for (column, &value) in columns.clone().zip(line) {
                to[column * pitch + row] = value;
            }
        }
    };
    edge(0..done[0], done[1]..columns);
    edge(done[0]..rows, 0..columns);
}

/// # Safety
/// Both pointers must be valid for so many rows and columns, which are whole blocks, and the processor must have AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn blocks([rows, columns]: [usize; 2], from_pitch: usize, from: *const f32, to_pitch: usize, to: *mut f32) {
    use std::arch::x86_64::{
        _mm256_loadu_ps, _mm256_permute2f128_ps, _mm256_shuffle_ps, _mm256_storeu_ps, _mm256_unpackhi_ps,
        _mm256_unpacklo_ps,
    };
    for column in (0..columns).step_by(BLOCK) {
        for row in (0..rows).step_by(BLOCK) {
            // SAFETY: the caller's promise.
            unsafe {
                let from = from.add(row * from_pitch + column);
                let to = to.add(column * to_pitch + row);
                let line = |line: usize| _mm256_loadu_ps(from.add(line * from_pitch));
                let pairs = |a: usize| {
                    let (a, b) = (line(a), line(a + 1));
                    [_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b)]
                };
                let quads = |a: usize| {
                    let (a, b) = (pairs(a), pairs(a + 2));
                    [
                        _mm256_shuffle_ps::<0b01_00_01_00>(a[0], b[0]),
                        _mm256_shuffle_ps::<0b11_10_11_10>(a[0], b[0]),
                        _mm256_shuffle_ps::<0b01_00_01_00>(a[1], b[1]),
                        _mm256_shuffle_ps::<0b11_10_11_10>(a[1], b[1]),
                    ]
                };
                let (upper, lower) = (quads(0), quads(4));
                for (line, (&a, &b)) in upper.iter().zip(&lower).enumerate() {
                    _mm256_storeu_ps(to.add(line * to_pitch), _mm256_permute2f128_ps::<0x20>(a, b));
                    _mm256_storeu_ps(to.add((line + 4) * to_pitch), _mm256_permute2f128_ps::<0x31>(a, b));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_finds_its_place_on_every_instruction_set() {
        for set in InstructionSet::ALL.into_iter().filter(|set| set.is_available()) {
            for (rows, columns) in [(1, 1), (8, 8), (3, 17), (17, 3), (16, 24), (21, 43), (0, 5)] {
                let (pitch, turned) = (columns + 2, rows + 1);
                let from: Vec<f32> = (0..rows * pitch).map(|place| place as f32).collect();
                let mut to = vec![-1.0; columns * turned];
                transpose(set, Matrix { rows, columns, pitch }, &from, &mut to, turned);
                for column in 0..columns {
                    for row in 0..rows {
                        assert_eq!(to[column * turned + row], from[row * pitch + column]);
                    }
                    assert_eq!(to[column * turned + rows], -1.0, "written beside the matrix");
                }
            }
        }
    }
}
