//! The kernels for AVX2, FMA and F16C: six rows of one panel fill the sixteen registers.
//!
//! The integer kernel is exact: bytes are widened to 16 bits, and `madd` adds two products of those into 32 bits. The shorter
//! way over `maddubs` saturates its 16-bit sums, and would give other results than the other instruction sets.
#![expect(unsafe_code, reason = "vector loads and stores through raw pointers")]
#![expect(
    clippy::cast_ptr_alignment,
    reason = "lines of weights are aligned, and what is not is read unaligned"
)]

use std::arch::x86_64::{
    __m128i, __m256, __m256i, _mm_load_si128, _mm_max_epu8, _mm_packus_epi16, _mm_set1_epi8, _mm_storeu_si128,
    _mm256_add_epi32, _mm256_add_ps, _mm256_adds_epi16, _mm256_and_si256, _mm256_broadcast_ss, _mm256_castsi256_si128,
    _mm256_cmpgt_epi32, _mm256_cvtepi8_epi16, _mm256_cvtepi32_ps, _mm256_cvtph_ps, _mm256_cvtps_epi32,
    _mm256_extracti128_si256, _mm256_fmadd_ps, _mm256_load_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16,
    _mm256_maskstore_ps, _mm256_max_ps, _mm256_mul_ps, _mm256_packs_epi32, _mm256_permute4x64_epi64, _mm256_set1_epi16,
    _mm256_set1_epi32, _mm256_set1_epi64x, _mm256_set1_ps, _mm256_setr_epi32, _mm256_setzero_ps, _mm256_setzero_si256,
    _mm256_srlv_epi32, _mm256_storeu_ps, _mm256_sub_epi32,
};
use std::ffi::c_void;

use super::panels::{GROUP, INTEGER_STEP, PANEL, ZERO_CODE, form};
use super::product::{
    FloatCall, FloatKernel, FloatKernels, IntegerCall, IntegerKernel, IntegerStore, Kernels, for_each_tile,
};

pub(super) static INTEGER: Kernels<IntegerKernel> = Kernels {
    single: &[(2, integer_row::<2>), (1, integer_row::<1>)],
    many: &[(1, integer)],
};
pub(super) static FLOAT: FloatKernels = [
    kernels::<{ form::SINGLE }>(),
    kernels::<{ form::HALF }>(),
    kernels::<{ form::NIBBLES }>(),
];

const fn kernels<const FORM: u8>() -> Kernels<FloatKernel> {
    Kernels {
        single: &[
            (4, float_row::<4, FORM>),
            (2, float_row::<2, FORM>),
            (1, float_row::<1, FORM>),
        ],
        many: &[(1, float::<FORM>)],
    }
}

/// # Safety
/// All of the call's pointers must be valid for its rows of one panel, and the processor must have AVX2.
#[target_feature(enable = "avx2")]
unsafe fn integer(call: &IntegerCall<'_>) {
    const ONE: usize = 1;
    // SAFETY: the caller's promise.
    unsafe { for_each_tile!(call, i16, integer_tile, [6, 4, 2, 1], [ONE]) }
}

/// # Safety
/// All of the call's pointers must be valid for one row of `PANELS` panels, and the processor must have AVX2.
#[target_feature(enable = "avx2")]
unsafe fn integer_row<const PANELS: usize>(call: &IntegerCall<'_>) {
    // SAFETY: the caller's promise.
    unsafe { integer_tile::<1, PANELS>(call, 0, [call.base.cast()]) }
}

/// # Safety
/// All of the call's pointers must be valid for its rows of one panel, whose weights are in the form `FORM`, and the
/// processor must have AVX2, FMA and F16C.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn float<const FORM: u8>(call: &FloatCall<'_>) {
    const ONE: usize = 1;
    // SAFETY: the caller's promise.
    unsafe { for_each_tile!(call, f32, float_tile, [6, 4, 2, 1], [ONE, FORM]) }
}

/// # Safety
/// As for [`float`], with one row of `PANELS` panels.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn float_row<const PANELS: usize, const FORM: u8>(call: &FloatCall<'_>) {
    // SAFETY: the caller's promise.
    unsafe { float_tile::<1, PANELS, FORM>(call, 0, [call.base]) }
}

/// # Safety
/// All of the call's pointers must be valid for `ROWS` rows of `PANELS` panels, and the processor must have AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn integer_tile<const ROWS: usize, const PANELS: usize>(
    call: &IntegerCall<'_>,
    first: usize,
    rows: [*const i16; ROWS],
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
            for pair in 0..call.lines_per_run * (INTEGER_STEP / 2) {
                let mut wide = [[_mm256_setzero_si256(); 2]; PANELS];
                for (panel, wide) in wide.iter_mut().enumerate() {
                    let line = weights.byte_add(panel * call.panel_pitch).cast::<__m128i>();
                    wide[0] = _mm256_cvtepi8_epi16(_mm_load_si128(line));
                    wide[1] = _mm256_cvtepi8_epi16(_mm_load_si128(line.add(1)));
                }
                weights = weights.add(2 * PANEL);
                for row in 0..ROWS {
                    let values = rows[row].add(run + 2 * pair).cast::<i32>().read_unaligned();
                    let values = _mm256_set1_epi32(values);
                    for panel in 0..PANELS {
                        for half in 0..2 {
                            let products = _mm256_madd_epi16(values, wide[panel][half]);
                            sums[row][panel][half] = _mm256_add_epi32(sums[row][panel][half], products);
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

/// Scales sixteen sums and stores them as bytes or floats.
///
/// # Safety
/// The call's pointers must be valid for this row and panel, and the processor must have AVX2.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn store_integers(call: &IntegerCall<'_>, row: usize, panel: usize, sums: [__m256i; 2]) {
    let column = panel * PANEL;
    let columns = (call.columns - column).min(PANEL);
    let place = row * call.pitch + column;
    // SAFETY: the caller's promise; only `columns` elements are stored.
    unsafe {
        let scale = call.scale.add(column);
        let values = [
            _mm256_mul_ps(_mm256_cvtepi32_ps(sums[0]), _mm256_loadu_ps(scale)),
            _mm256_mul_ps(_mm256_cvtepi32_ps(sums[1]), _mm256_loadu_ps(scale.add(8))),
        ];
        match call.store {
            IntegerStore::Bytes { out, zero_point, low } => {
                // Conversion rounds ties to even. Packing saturates, and works within halves of a register: the quarters
                // come out as 0, 2, 1, 3.
                let [lower, upper] = values.map(|values| _mm256_cvtps_epi32(values));
                let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(lower, upper));
                let words = _mm256_adds_epi16(words, _mm256_set1_epi16(zero_point.into()));
                let bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
                let bytes = _mm_max_epu8(bytes, _mm_set1_epi8(low.cast_signed()));
                if columns == PANEL {
                    _mm_storeu_si128(out.add(place).cast(), bytes);
                } else {
                    let mut whole = [0_u8; PANEL];
                    _mm_storeu_si128(whole.as_mut_ptr().cast(), bytes);
                    for (column, &byte) in whole.iter().enumerate().take(columns) {
                        *out.add(place + column) = byte;
                    }
                }
            }
            IntegerStore::Floats { out, add, low } => {
                let low = _mm256_set1_ps(low);
                let values = with_added(add, place, columns, values);
                let values = values.map(|values| _mm256_max_ps(values, low));
                store_floats(out.add(place), columns, values);
            }
        }
    }
}

/// Adds the first `columns` of sixteen floats at a place, where anything is to be added.
///
/// # Safety
/// `add` must be null, or valid for `columns` floats at the place, and the processor must have AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn with_added(add: *const f32, place: usize, columns: usize, values: [__m256; 2]) -> [__m256; 2] {
    if add.is_null() {
        return values;
    }
    let mut added = [0.0_f32; PANEL];
    // SAFETY: the caller's promise.
    unsafe {
        std::ptr::copy_nonoverlapping(add.add(place), added.as_mut_ptr(), columns.min(PANEL));
        [
            _mm256_add_ps(values[0], _mm256_loadu_ps(added.as_ptr())),
            _mm256_add_ps(values[1], _mm256_loadu_ps(added.as_ptr().add(8))),
        ]
    }
}

/// Stores the first `columns` of sixteen floats.
///
/// # Safety
/// `out` must be valid for `columns` floats, and the processor must have AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn store_floats(out: *mut f32, columns: usize, values: [__m256; 2]) {
    // SAFETY: the caller's promise.
    unsafe {
        if columns >= PANEL {
            _mm256_storeu_ps(out, values[0]);
            _mm256_storeu_ps(out.add(8), values[1]);
        } else {
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let lower = _mm256_cmpgt_epi32(_mm256_set1_epi32(columns as i32), lanes);
            let upper = _mm256_cmpgt_epi32(_mm256_set1_epi32(columns as i32 - 8), lanes);
            _mm256_maskstore_ps(out, lower, values[0]);
            // Past the end of the row for fewer than eight columns, where nothing is stored.
            _mm256_maskstore_ps(out.wrapping_add(8), upper, values[1]);
        }
    }
}

/// # Safety
/// All of the call's pointers must be valid for `ROWS` rows of `PANELS` panels, whose weights are in the form `FORM`, and
/// the processor must have AVX2, FMA and F16C.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn float_tile<const ROWS: usize, const PANELS: usize, const FORM: u8>(
    call: &FloatCall<'_>,
    first: usize,
    rows: [*const f32; ROWS],
) {
    // SAFETY: the caller's promise; weights of a run follow each other, and those of the next run follow them.
    unsafe {
        let mut sums = [[[_mm256_setzero_ps(); 2]; PANELS]; ROWS];
        for panel in 0..PANELS {
            let bias = call.bias.add(panel * PANEL);
            let bias = [_mm256_loadu_ps(bias), _mm256_loadu_ps(bias.add(8))];
            for sums in &mut sums {
                sums[panel] = bias;
            }
        }
        let mut scales = [[_mm256_setzero_ps(); 2]; PANELS];
        let mut weights = call.panel;
        for &run in &call.walk.runs {
            for depth in 0..call.walk.run_len {
                if FORM == form::NIBBLES && depth % GROUP == 0 {
                    for (panel, scales) in scales.iter_mut().enumerate() {
                        let source = weights.byte_add(panel * call.panel_pitch).cast::<f32>();
                        *scales = [_mm256_load_ps(source), _mm256_load_ps(source.add(8))];
                    }
                    weights = weights.byte_add(4 * PANEL);
                }
                let mut line = [[_mm256_setzero_ps(); 2]; PANELS];
                for (panel, line) in line.iter_mut().enumerate() {
                    let source = weights.byte_add(panel * call.panel_pitch);
                    *line = match FORM {
                        form::NIBBLES => widened(source, scales[panel]),
                        form::HALF => {
                            let source = source.cast::<__m128i>();
                            [source, source.add(1)].map(|source| _mm256_cvtph_ps(_mm_load_si128(source)))
                        }
                        _ => {
                            let source = source.cast::<f32>();
                            [_mm256_load_ps(source), _mm256_load_ps(source.add(8))]
                        }
                    };
                }
                weights = weights.byte_add(form::line_bytes(FORM));
                for row in 0..ROWS {
                    let value = _mm256_broadcast_ss(&*rows[row].add(run + depth));
                    for panel in 0..PANELS {
                        for half in 0..2 {
                            sums[row][panel][half] = _mm256_fmadd_ps(value, line[panel][half], sums[row][panel][half]);
                        }
                    }
                }
            }
        }
        let low = _mm256_set1_ps(call.low);
        for panel in 0..PANELS {
            let columns = call.columns - panel * PANEL;
            for (row, sums) in sums.iter().enumerate() {
                let place = (first + row) * call.pitch + panel * PANEL;
                let values = with_added(call.add, place, columns, sums[panel]);
                // The second operand comes through where one is not a number: NaN stays visible.
                store_floats(
                    call.out.add(place),
                    columns,
                    values.map(|values| _mm256_max_ps(low, values)),
                );
            }
        }
    }
}

/// Sixteen codes of 4 bits as floats, in two registers.
///
/// # Safety
/// `codes` must be valid for eight bytes, and the processor must have AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn widened(codes: *const c_void, scales: [__m256; 2]) -> [__m256; 2] {
    let shifts = [
        _mm256_setr_epi32(0, 0, 4, 4, 8, 8, 12, 12),
        _mm256_setr_epi32(16, 16, 20, 20, 24, 24, 28, 28),
    ];
    // SAFETY: the caller's promise.
    let codes = unsafe { _mm256_set1_epi64x(codes.cast::<i64>().read_unaligned()) };
    std::array::from_fn(|half| {
        let codes = _mm256_and_si256(_mm256_srlv_epi32(codes, shifts[half]), _mm256_set1_epi32(15));
        let steps = _mm256_sub_epi32(codes, _mm256_set1_epi32(ZERO_CODE.into()));
        _mm256_mul_ps(_mm256_cvtepi32_ps(steps), scales[half])
    })
}
