//! Depth-wise convolutions for AVX-512 with VNNI: sixteen channels a register, eight output pixels at once.
#![expect(
    clippy::needless_range_loop,
    reason = "loops over constant ranges are unrolled, which keeps the sums in registers"
)]
#![expect(unsafe_code, reason = "vector loads and stores through raw pointers")]

use std::arch::x86_64::{
    __m512i, _mm_loadu_si128, _mm_mask_storeu_epi8, _mm_maskz_loadu_epi8, _mm512_add_ps, _mm512_cvtepi8_epi32,
    _mm512_cvtepi32_ps, _mm512_cvtepu8_epi32, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_max_ps, _mm512_mul_ps, _mm512_set1_epi32,
    _mm512_set1_ps,
};
use std::ops::Range;

use super::avx512::{lanes, to_bytes};
use super::depthwise::DepthwiseCall;
use super::panels::PANEL;
use super::product::IntegerStore;

struct FloatTiles<'a> {
    call: &'a DepthwiseCall<f32, f32>,
    bias: *const f32,
    out: *mut f32,
    add: *const f32,
    low: f32,
}

struct IntegerTiles<'a> {
    call: &'a DepthwiseCall<u8, i8>,
    zero_point: u8,
    start: *const i32,
    scale: *const f32,
    store: IntegerStore,
}

/// Some output pixels side by side, and the taps that lie inside the image for all of them.
struct Tile<X> {
    /// Where the first tap of the first pixel would lie.
    from: *const X,
    /// The first pixel.
    place: usize,
    down: Range<usize>,
    across: Range<usize>,
}

/// Cuts the output into tiles of eight, four and one pixels: those whose windows lie inside from side to side, and single ones at the
/// sides.
macro_rules! for_each_tile {
    ($tiles:expr, $tile:ident) => {{
        let tiles = $tiles;
        let plane = tiles.call.plane;
        let whole = plane.whole(1);
        for y in 0..plane.out[0] {
            let down = plane.inside(0, y);
            let mut x = 0;
            while x < plane.out[1] {
                let across = plane.inside(1, x);
                let row = (y * plane.stride[0])
                    .wrapping_sub(plane.pad[0])
                    .wrapping_mul(plane.input[1]);
                let pixel = row.wrapping_add(x * plane.stride[1]).wrapping_sub(plane.pad[1]);
                let tile = Tile {
                    from: tiles.call.base.wrapping_add(pixel.wrapping_mul(tiles.call.channels)),
                    place: y * plane.out[1] + x,
                    down: down.clone(),
                    across,
                };
                let room = if whole.contains(&x) { whole.end - x } else { 1 };
                if room >= 8 {
                    $tile::<8>(tiles, &tile);
                    x += 8;
                } else if room >= 4 {
                    $tile::<4>(tiles, &tile);
                    x += 4;
                } else {
                    $tile::<1>(tiles, &tile);
                    x += 1;
                }
            }
        }
    }};
}

/// # Safety
/// All pointers must be valid for the call's plane of its channels, the columns' for whole sixteens of them, and the processor must
/// have AVX-512F.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn floats(
    call: &DepthwiseCall<f32, f32>,
    bias: *const f32,
    out: *mut f32,
    add: *const f32,
    low: f32,
) {
    let tiles = &FloatTiles {
        call,
        bias,
        out,
        add,
        low,
    };
    // SAFETY: the caller's promise.
    unsafe { for_each_tile!(tiles, float_tile) }
}

/// # Safety
/// As for [`floats`], with the features named.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn integers(
    call: &DepthwiseCall<u8, i8>,
    zero_point: u8,
    start: *const i32,
    scale: *const f32,
    store: IntegerStore,
) {
    let tiles = &IntegerTiles {
        call,
        zero_point,
        start,
        scale,
        store,
    };
    // SAFETY: the caller's promise.
    unsafe { for_each_tile!(tiles, integer_tile) }
}

/// # Safety
/// All taps of the tile must lie inside the image for `PIXELS` output pixels, and the processor must have AVX-512F.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn float_tile<const PIXELS: usize>(tiles: &FloatTiles<'_>, tile: &Tile<f32>) {
    // SAFETY: the caller's promise; loads and stores are masked to the channels that exist.
    unsafe {
        let &DepthwiseCall {
            plane, channels, lines, ..
        } = tiles.call;
        let low = _mm512_set1_ps(tiles.low);
        let step = plane.stride[1] * channels;
        let taps = plane.kernel[0] * plane.kernel[1];
        for channel in (0..channels).step_by(PANEL) {
            let mask = lanes(channels - channel);
            let weights = lines.add(channel * taps);
            let mut sums = [_mm512_loadu_ps(tiles.bias.add(channel)); PIXELS];
            for y in tile.down.clone() {
                for x in tile.across.clone() {
                    let line = _mm512_loadu_ps(weights.add((y * plane.kernel[1] + x) * PANEL));
                    let pixel = y * plane.dilation[0] * plane.input[1] + x * plane.dilation[1];
                    let from = tile.from.wrapping_add(pixel * channels + channel);
                    for (place, sum) in sums.iter_mut().enumerate() {
                        let values = _mm512_maskz_loadu_ps(mask, from.wrapping_add(place * step));
                        *sum = _mm512_fmadd_ps(values, line, *sum);
                    }
                }
            }
            // The loops are short enough to be unrolled, without which the sums would not stay in registers.
            let first = tile.place * channels + channel;
            if tiles.add.is_null() {
                for pixel in 0..PIXELS {
                    let place = first + pixel * channels;
                    _mm512_mask_storeu_ps(tiles.out.add(place), mask, _mm512_max_ps(low, sums[pixel]));
                }
            } else {
                for pixel in 0..PIXELS {
                    let place = first + pixel * channels;
                    let added = _mm512_maskz_loadu_ps(mask, tiles.add.add(place));
                    let values = _mm512_max_ps(low, _mm512_add_ps(sums[pixel], added));
                    _mm512_mask_storeu_ps(tiles.out.add(place), mask, values);
                }
            }
        }
    }
}

/// # Safety
/// All taps of the tile must lie inside the image for `PIXELS` output pixels, and the processor must have the features named.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn integer_tile<const PIXELS: usize>(tiles: &IntegerTiles<'_>, tile: &Tile<u8>) {
    // SAFETY: the caller's promise; loads and stores are masked to the channels that exist.
    unsafe {
        let &DepthwiseCall {
            plane, channels, lines, ..
        } = tiles.call;
        let step = plane.stride[1] * channels;
        let taps = plane.kernel[0] * plane.kernel[1];
        let around = _mm512_set1_epi32(tiles.zero_point.into());
        let is_whole = tile.down.len() * tile.across.len() == taps;
        for channel in (0..channels).step_by(PANEL) {
            let mask = lanes(channels - channel);
            let weights = lines.add(channel * taps);
            let mut start = _mm512_loadu_si512(tiles.start.add(channel).cast());
            if !is_whole {
                // Outside lies the zero point.
                for tap in 0..taps {
                    let (y, x) = (tap / plane.kernel[1], tap % plane.kernel[1]);
                    if !(tile.down.contains(&y) && tile.across.contains(&x)) {
                        start = _mm512_dpbusd_epi32(start, around, line(weights.add(tap * PANEL)));
                    }
                }
            }
            let mut sums = [start; PIXELS];
            for y in tile.down.clone() {
                for x in tile.across.clone() {
                    let line = line(weights.add((y * plane.kernel[1] + x) * PANEL));
                    let pixel = y * plane.dilation[0] * plane.input[1] + x * plane.dilation[1];
                    let from = tile.from.wrapping_add(pixel * channels + channel);
                    for (place, sum) in sums.iter_mut().enumerate() {
                        // Each byte fills a lane, whose three other bytes are zero: of the four products one is left.
                        let values = _mm_maskz_loadu_epi8(mask, from.wrapping_add(place * step).cast());
                        *sum = _mm512_dpbusd_epi32(*sum, _mm512_cvtepu8_epi32(values), line);
                    }
                }
            }
            let scale = _mm512_loadu_ps(tiles.scale.add(channel));
            let first = tile.place * channels + channel;
            match tiles.store {
                IntegerStore::Bytes { out, zero_point, low } => {
                    let ends = [_mm512_set1_epi32(zero_point.into()), _mm512_set1_epi32(low.into())];
                    for pixel in 0..PIXELS {
                        let bytes = to_bytes(sums[pixel], scale, ends);
                        _mm_mask_storeu_epi8(out.add(first + pixel * channels).cast(), mask, bytes);
                    }
                }
                IntegerStore::Floats { out, add, low } => {
                    let low = _mm512_set1_ps(low);
                    for pixel in 0..PIXELS {
                        let place = first + pixel * channels;
                        let mut values = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[pixel]), scale);
                        if !add.is_null() {
                            values = _mm512_add_ps(values, _mm512_maskz_loadu_ps(mask, add.add(place)));
                        }
                        _mm512_mask_storeu_ps(out.add(place), mask, _mm512_max_ps(values, low));
                    }
                }
            }
        }
    }
}

/// Sixteen weights, each widened to fill a lane.
///
/// # Safety
/// The pointer must be valid for sixteen bytes, and the processor must have AVX-512F.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn line(weights: *const i8) -> __m512i {
    // SAFETY: the caller's promise.
    unsafe { _mm512_cvtepi8_epi32(_mm_loadu_si128(weights.cast())) }
}
