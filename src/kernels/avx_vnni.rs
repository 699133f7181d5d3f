//! The integer kernel for AVX-VNNI: four u8 x s8 products a lane, eight lanes at once. Floating-point work is AVX2's.
#![expect(unsafe_code, reason = "vector loads and stores through raw pointers")]
#![expect(
    clippy::cast_ptr_alignment,
    reason = "lines of weights are aligned, and what is not is read unaligned"
)]

use std::arch::x86_64::{
    __m256i, _mm256_dpbusd_avx_epi32, _mm256_load_si256, _mm256_loadu_si256, _mm256_set1_epi32, _mm256_setzero_si256,
};

use super::avx2::store_integers;
use super::panels::{INTEGER_STEP, PANEL};
use super::product::{IntegerCall, IntegerKernel, Kernels, for_each_tile};

pub(super) static INTEGER: Kernels<IntegerKernel> = Kernels {
    single: &[(4, integer_row::<4>), (1, integer_row::<1>)],
    many: &[(1, integer)],
};

/// # Safety
/// All of the call's pointers must be valid for its rows of one panel, and the processor must have AVX2 and AVX-VNNI.
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn integer(call: &IntegerCall<'_>) {
    const ONE: usize = 1;
    // SAFETY: the caller's promise.
    unsafe { for_each_tile!(call, u8, integer_tile, [6, 4, 2, 1], [ONE]) }
}

/// # Safety
/// As for [`integer`], with one row of `PANELS` panels.
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn integer_row<const PANELS: usize>(call: &IntegerCall<'_>) {
    // SAFETY: the caller's promise.
    unsafe { integer_tile::<1, PANELS>(call, 0, [call.base.cast()]) }
}

/// # Safety
/// All of the call's pointers must be valid for `ROWS` rows of `PANELS` panels, and the processor must have AVX2 and AVX-VNNI.
#[inline]
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn integer_tile<const ROWS: usize, const PANELS: usize>(
    call: &IntegerCall<'_>,
    first: usize,
    rows: [*const u8; ROWS],
) {
    // SAFETY: the caller's promise; weights of a run follow each other, and those of the next run follow them.
    unsafe {
        let mut sums = [[[_mm256_setzero_si256(); 2]; PANELS]; ROWS];
        for panel in 0..PANELS {
            let start = call.start.add(panel * PANEL).cast::<__m256i>();
            let start = [_mm256_loadu_si256(start), _mm256_loadu_si256(start.add(1))];
            for sums in &mut sums {
                sums[panel] = start;
            }
        }
        let mut weights = call.panel;
        for &run in &call.walk.runs {
            for quad in 0..call.lines_per_run {
                let mut line = [[_mm256_setzero_si256(); 2]; PANELS];
                for (panel, line) in line.iter_mut().enumerate() {
                    let source = weights.add(panel * call.panel_pitch).cast::<__m256i>();
                    *line = [_mm256_load_si256(source), _mm256_load_si256(source.add(1))];
                }
                weights = weights.add(INTEGER_STEP * PANEL);
                for row in 0..ROWS {
                    let values = rows[row].add(run + INTEGER_STEP * quad).cast::<i32>().read_unaligned();
                    let values = _mm256_set1_epi32(values);
                    for panel in 0..PANELS {
                        for half in 0..2 {
                            sums[row][panel][half] =
                                _mm256_dpbusd_avx_epi32(sums[row][panel][half], values, line[panel][half]);
                        }
                    }
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (panel, &sums) in sums.iter().enumerate() {
                store_integers(call, first + row, panel, sums);
            }
        }
    }
}
