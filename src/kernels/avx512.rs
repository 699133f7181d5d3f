//! The kernels for AVX-512 with VNNI: a panel is one register, and twelve rows of two panels fill the thirty-two.
#![expect(
    clippy::needless_range_loop,
    reason = "loops over constant ranges are unrolled, which keeps the sums in registers"
)]
#![expect(unsafe_code, reason = "vector loads and stores through raw pointers")]

use std::arch::x86_64::{
    __m128i, __m512, __m512i, __mmask16, _MM_HINT_T1, _mm_mask_storeu_epi8, _mm_prefetch, _mm256_load_si256,
    _mm512_add_epi32, _mm512_add_ps, _mm512_cvtepi32_ps, _mm512_cvtph_ps, _mm512_cvtps_epi32, _mm512_cvtusepi32_epi8,
    _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_load_ps, _mm512_load_si512, _mm512_loadu_ps, _mm512_loadu_si512,
    _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_max_epi32, _mm512_max_ps, _mm512_mul_ps,
    _mm512_permutexvar_ps, _mm512_set1_epi32, _mm512_set1_epi64, _mm512_set1_ps, _mm512_setr_epi32, _mm512_setr_ps,
    _mm512_setzero_ps, _mm512_setzero_si512, _mm512_srlv_epi32,
};
use std::ffi::c_void;

use super::panels::{GROUP, INTEGER_STEP, PANEL, form};
use super::product::{
    FloatCall, FloatKernel, FloatKernels, IntegerCall, IntegerKernel, IntegerStore, Kernels, for_each_tile,
};

pub(super) static INTEGER: Kernels<IntegerKernel> = Kernels {
    single: &[(4, integer_row::<4>), (1, integer_row::<1>)],
    many: &[(2, integer::<2>), (1, integer::<1>)],
};
pub(super) static FLOAT: FloatKernels = [
    kernels::<{ form::SINGLE }>(),
    kernels::<{ form::HALF }>(),
    kernels::<{ form::NIBBLES }>(),
];

const fn kernels<const FORM: u8>() -> Kernels<FloatKernel> {
    Kernels {
        single: &[(4, float_row::<4, FORM>), (1, float_row::<1, FORM>)],
        many: &[(2, float::<2, FORM>), (1, float::<1, FORM>)],
    }
}

/// Rows of the largest tile.
const TALL: usize = 12;

/// # Safety
/// All of the call's pointers must be valid for its rows of `PANELS` panels, and the processor must have the features named.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn integer<const PANELS: usize>(call: &IntegerCall<'_>) {
    // SAFETY: the caller's promise.
    unsafe { for_each_tile!(call, u8, integer_tile, [12, 4, 1], [PANELS]) }
}

/// # Safety
/// As for [`integer`], with one row.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn integer_row<const PANELS: usize>(call: &IntegerCall<'_>) {
    // SAFETY: the caller's promise.
    unsafe { integer_tile::<1, PANELS>(call, 0, [call.base.cast()]) }
}

/// # Safety
/// All of the call's pointers must be valid for its rows of `PANELS` panels, whose weights are in the form `FORM`, and
/// the processor must have AVX-512F.
#[target_feature(enable = "avx512f")]
unsafe fn float<const PANELS: usize, const FORM: u8>(call: &FloatCall<'_>) {
    // SAFETY: the caller's promise.
    unsafe { for_each_tile!(call, f32, float_tile, [12, 4, 1], [PANELS, FORM]) }
}

/// # Safety
/// As for [`float`], with one row.
#[target_feature(enable = "avx512f")]
unsafe fn float_row<const PANELS: usize, const FORM: u8>(call: &FloatCall<'_>) {
    // SAFETY: the caller's promise.
    unsafe { float_tile::<1, PANELS, FORM>(call, 0, [call.base]) }
}

/// A mask of the first `columns` of sixteen lanes.
pub(super) fn lanes(columns: usize) -> __mmask16 {
    if columns >= PANEL {
        __mmask16::MAX
    } else {
        (1 << columns) - 1
    }
}

/// # Safety
/// All of the call's pointers must be valid for `ROWS` rows of `PANELS` panels, and the processor must have the features named.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn integer_tile<const ROWS: usize, const PANELS: usize>(
    call: &IntegerCall<'_>,
    first: usize,
    rows: [*const u8; ROWS],
) {
    // SAFETY: the caller's promise; weights of a run follow each other, and those of the next run follow them. Stores are
    // masked to the columns that exist.
    unsafe {
        let mut sums = [[_mm512_setzero_si512(); PANELS]; ROWS];
        for panel in 0..PANELS {
            let start = _mm512_loadu_si512(call.start.add(panel * PANEL).cast());
            for sums in &mut sums {
                sums[panel] = start;
            }
        }
        let mut weights = call.panel;
        for &run in &call.walk.runs {
            for quad in 0..call.lines_per_run {
                let mut line = [_mm512_setzero_si512(); PANELS];
                for (panel, line) in line.iter_mut().enumerate() {
                    *line = _mm512_load_si512(weights.byte_add(panel * call.panel_pitch).cast());
                }
                if ROWS == TALL {
                    // The panels behind these come from a further cache: they are on their way while these are worked on.
                    for panel in 0..PANELS {
                        let next = weights.wrapping_byte_add((panel + PANELS) * call.panel_pitch);
                        _mm_prefetch::<_MM_HINT_T1>(next);
                    }
                }
                weights = weights.add(INTEGER_STEP * PANEL);
                for row in 0..ROWS {
                    let values = rows[row].add(run + INTEGER_STEP * quad).cast::<i32>().read_unaligned();
                    let values = _mm512_set1_epi32(values);
                    for panel in 0..PANELS {
                        sums[row][panel] = _mm512_dpbusd_epi32(sums[row][panel], values, line[panel]);
                    }
                }
            }
        }
        // The loops are short enough to be unrolled, without which the sums would not stay in registers.
        for panel in 0..PANELS {
            let mask = lanes(call.columns - panel * PANEL);
            let scale = _mm512_loadu_ps(call.scale.add(panel * PANEL));
            let first = first * call.pitch + panel * PANEL;
            match call.store {
                IntegerStore::Bytes { out, zero_point, low } => {
                    let ends = [_mm512_set1_epi32(zero_point.into()), _mm512_set1_epi32(low.into())];
                    for row in 0..ROWS {
                        let bytes = to_bytes(sums[row][panel], scale, ends);
                        _mm_mask_storeu_epi8(out.add(first + row * call.pitch).cast(), mask, bytes);
                    }
                }
                IntegerStore::Floats { out, add, low } if add.is_null() => {
                    let low = _mm512_set1_ps(low);
                    for row in 0..ROWS {
                        let values = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[row][panel]), scale);
                        _mm512_mask_storeu_ps(out.add(first + row * call.pitch), mask, _mm512_max_ps(values, low));
                    }
                }
                IntegerStore::Floats { out, add, low } => {
                    let low = _mm512_set1_ps(low);
                    for row in 0..ROWS {
                        let place = first + row * call.pitch;
                        let values = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[row][panel]), scale);
                        let values = _mm512_add_ps(values, _mm512_maskz_loadu_ps(mask, add.add(place)));
                        _mm512_mask_storeu_ps(out.add(place), mask, _mm512_max_ps(values, low));
                    }
                }
            }
        }
    }
}

/// Sums scaled to steps, from the zero point, at least the lower end; `ends` are these two.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn to_bytes(sums: __m512i, scale: __m512, ends: [__m512i; 2]) -> __m128i {
    // Conversion rounds ties to even; the last step saturates at 255.
    let steps = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(sums), scale));
    _mm512_cvtusepi32_epi8(_mm512_max_epi32(_mm512_add_epi32(steps, ends[0]), ends[1]))
}

/// # Safety
/// All of the call's pointers must be valid for `ROWS` rows of `PANELS` panels, whose weights are in the form `FORM`, and
/// the processor must have AVX-512F.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn float_tile<const ROWS: usize, const PANELS: usize, const FORM: u8>(
    call: &FloatCall<'_>,
    first: usize,
    rows: [*const f32; ROWS],
) {
    // SAFETY: as in `integer`.
    unsafe {
        let mut sums = [[_mm512_setzero_ps(); PANELS]; ROWS];
        for panel in 0..PANELS {
            let bias = _mm512_loadu_ps(call.bias.add(panel * PANEL));
            for sums in &mut sums {
                sums[panel] = bias;
            }
        }
        let mut weights = call.panel;
        let mut scales = [_mm512_setzero_ps(); PANELS];
        for &run in &call.walk.runs {
            for depth in 0..call.walk.run_len {
                if FORM == form::NIBBLES && depth % GROUP == 0 {
                    for (panel, scales) in scales.iter_mut().enumerate() {
                        *scales = _mm512_load_ps(weights.byte_add(panel * call.panel_pitch).cast());
                    }
                    weights = weights.byte_add(4 * PANEL);
                }
                let mut line = [_mm512_setzero_ps(); PANELS];
                for (panel, line) in line.iter_mut().enumerate() {
                    let source = weights.byte_add(panel * call.panel_pitch);
                    *line = match FORM {
                        form::NIBBLES => widened(source, scales[panel]),
                        form::HALF => _mm512_cvtph_ps(_mm256_load_si256(source.cast())),
                        _ => _mm512_load_ps(source.cast()),
                    };
                }
                weights = weights.byte_add(form::line_bytes(FORM));
                for row in 0..ROWS {
                    let value = _mm512_set1_ps(*rows[row].add(run + depth));
                    for panel in 0..PANELS {
                        sums[row][panel] = _mm512_fmadd_ps(value, line[panel], sums[row][panel]);
                    }
                }
            }
        }
        let low = _mm512_set1_ps(call.low);
        for panel in 0..PANELS {
            let mask = lanes(call.columns - panel * PANEL);
            let first = first * call.pitch + panel * PANEL;
            // The second operand comes through where one is not a number: NaN stays visible.
            if call.add.is_null() {
                for row in 0..ROWS {
                    let place = first + row * call.pitch;
                    _mm512_mask_storeu_ps(call.out.add(place), mask, _mm512_max_ps(low, sums[row][panel]));
                }
            } else {
                for row in 0..ROWS {
                    let place = first + row * call.pitch;
                    let added = _mm512_maskz_loadu_ps(mask, call.add.add(place));
                    let values = _mm512_max_ps(low, _mm512_add_ps(sums[row][panel], added));
                    _mm512_mask_storeu_ps(call.out.add(place), mask, values);
                }
            }
        }
    }
}

/// Sixteen codes of 4 bits as floats: each lane brings its own code to its lowest bits, by which it picks the value from a table.
///
/// # Safety
/// `codes` must be valid for eight bytes, and the processor must have AVX-512F.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn widened(codes: *const c_void, scales: __m512) -> __m512 {
    let shifts = _mm512_setr_epi32(0, 0, 4, 4, 8, 8, 12, 12, 16, 16, 20, 20, 24, 24, 28, 28);
    let values = _mm512_setr_ps(
        -8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0,
    );
    // SAFETY: the caller's promise.
    let codes = unsafe { _mm512_set1_epi64(codes.cast::<i64>().read_unaligned()) };
    _mm512_mul_ps(_mm512_permutexvar_ps(_mm512_srlv_epi32(codes, shifts), values), scales)
}
