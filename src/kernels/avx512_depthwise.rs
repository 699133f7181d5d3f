//! Depth-wise convolutions for AVX-512 with VNNI: sixteen channels a register, eight output pixels at once.
#![expect(unsafe_code, reason = "vector loads and stores through raw pointers")]

use std::arch::x86_64::{
    _mm_loadu_si128, _mm_maskz_loadu_epi8, _mm512_add_ps, _mm512_cvtepi8_epi32, _mm512_cvtepu8_epi32,
    _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mask_storeu_ps,
    _mm512_maskz_loadu_ps, _mm512_max_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512,
};

use super::avx512::{lanes, store_integers};
use super::depthwise::DepthwiseCall;
use super::panels::PANEL;
use super::product::{IntegerStore, for_each_tile};

/// A call and what its results become.
struct FloatTiles<'a> {
    call: &'a DepthwiseCall<'a, f32, f32>,
    walk: &'a super::Walk,
    rows: usize,
    base: *const f32,
    bias: *const f32,
    out: *mut f32,
    add: *const f32,
    low: f32,
}

struct IntegerTiles<'a> {
    call: &'a DepthwiseCall<'a, u8, i8>,
    walk: &'a super::Walk,
    rows: usize,
    base: *const u8,
    start: *const i32,
    scale: *const f32,
    store: IntegerStore,
}

/// # Safety
/// All pointers must be valid for the call's rows of its channels, the columns' for whole sixteens of them, and the processor must
/// have AVX-512F.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn floats(
    call: &DepthwiseCall<'_, f32, f32>,
    bias: *const f32,
    out: *mut f32,
    add: *const f32,
    low: f32,
) {
    let tiles = &FloatTiles {
        call,
        walk: call.walk,
        rows: call.rows,
        base: call.base,
        bias,
        out,
        add,
        low,
    };
    // SAFETY: the caller's promise.
    unsafe { for_each_tile!(tiles, f32, float_tile, [8, 1], []) }
}

/// # Safety
/// As for [`floats`], with the features named.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn integers(
    call: &DepthwiseCall<'_, u8, i8>,
    start: *const i32,
    scale: *const f32,
    store: IntegerStore,
) {
    let tiles = &IntegerTiles {
        call,
        walk: call.walk,
        rows: call.rows,
        base: call.base,
        start,
        scale,
        store,
    };
    // SAFETY: the caller's promise.
    unsafe { for_each_tile!(tiles, u8, integer_tile, [8, 1], []) }
}

/// # Safety
/// All pointers must be valid for `ROWS` rows, and the processor must have AVX-512F.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn float_tile<const ROWS: usize>(tiles: &FloatTiles<'_>, first: usize, rows: [*const f32; ROWS]) {
    // SAFETY: the caller's promise; loads and stores are masked to the channels that exist.
    unsafe {
        let call = tiles.call;
        let low = _mm512_set1_ps(tiles.low);
        let mut weights = call.lines;
        for channel in (0..call.channels).step_by(PANEL) {
            let mask = lanes(call.channels - channel);
            let mut sums = [_mm512_setzero_ps(); ROWS];
            let bias = _mm512_loadu_ps(tiles.bias.add(channel));
            for sum in &mut sums {
                *sum = bias;
            }
            for &run in &call.walk.runs {
                let line = _mm512_loadu_ps(weights);
                weights = weights.add(PANEL);
                for row in 0..ROWS {
                    let values = _mm512_maskz_loadu_ps(mask, rows[row].add(run + channel));
                    sums[row] = _mm512_fmadd_ps(values, line, sums[row]);
                }
            }
            for (row, &sum) in sums.iter().enumerate() {
                let place = (first + row) * call.channels + channel;
                let mut sum = sum;
                if !tiles.add.is_null() {
                    sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, tiles.add.add(place)));
                }
                _mm512_mask_storeu_ps(tiles.out.add(place), mask, _mm512_max_ps(low, sum));
            }
        }
    }
}

/// # Safety
/// All pointers must be valid for `ROWS` rows, and the processor must have the features named.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn integer_tile<const ROWS: usize>(tiles: &IntegerTiles<'_>, first: usize, rows: [*const u8; ROWS]) {
    // SAFETY: the caller's promise; loads and stores are masked to the channels that exist.
    unsafe {
        let call = tiles.call;
        let mut weights = call.lines;
        for channel in (0..call.channels).step_by(PANEL) {
            let mask = lanes(call.channels - channel);
            let mut sums = [_mm512_setzero_si512(); ROWS];
            let start = _mm512_loadu_si512(tiles.start.add(channel).cast());
            for sum in &mut sums {
                *sum = start;
            }
            for &run in &call.walk.runs {
                let line = _mm512_cvtepi8_epi32(_mm_loadu_si128(weights.cast()));
                weights = weights.add(PANEL);
                for row in 0..ROWS {
                    // Each byte fills a lane, whose three other bytes are zero: of the four products one is left.
                    let values = _mm_maskz_loadu_epi8(mask, rows[row].add(run + channel).cast());
                    sums[row] = _mm512_dpbusd_epi32(sums[row], _mm512_cvtepu8_epi32(values), line);
                }
            }
            let scale = _mm512_loadu_ps(tiles.scale.add(channel));
            for (row, &sum) in sums.iter().enumerate() {
                let place = (first + row) * call.channels + channel;
                store_integers(tiles.store, place, mask, sum, scale);
            }
        }
    }
}
