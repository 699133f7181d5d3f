//! The kernels in plain Rust, for processors without the instructions of the others.
#![expect(unsafe_code, reason = "the tiles of all instruction sets take the same raw pointers")]

use half::f16;

use super::elementwise::Grid;
use super::panels::{GROUP, INTEGER_STEP, PANEL, ZERO_CODE, form, nibble};
use super::product::{
    FloatCall, FloatKernel, FloatKernels, IntegerCall, IntegerKernel, IntegerStore, Kernels, for_each_tile,
};

pub(super) static INTEGER: Kernels<IntegerKernel> = Kernels {
    single: &[(1, integer)],
    many: &[(1, integer)],
};
pub(super) static FLOAT: FloatKernels = [
    kernels::<{ form::SINGLE }>(),
    kernels::<{ form::HALF }>(),
    kernels::<{ form::NIBBLES }>(),
];

const fn kernels<const FORM: u8>() -> Kernels<FloatKernel> {
    Kernels {
        single: &[(1, float::<FORM>)],
        many: &[(1, float::<FORM>)],
    }
}

/// # Safety
/// All of the call's pointers must be valid for its rows of one panel.
unsafe fn integer(call: &IntegerCall<'_>) {
    // SAFETY: the caller's promise.
    unsafe { for_each_tile!(call, i16, integer_tile, [4, 1], []) }
}

/// # Safety
/// All of the call's pointers must be valid for its rows of one panel, whose weights are in the form `FORM`.
unsafe fn float<const FORM: u8>(call: &FloatCall<'_>) {
    // SAFETY: the caller's promise.
    unsafe { for_each_tile!(call, f32, float_tile, [4, 1], [FORM]) }
}

/// # Safety
/// All of the call's pointers must be valid for `ROWS` rows of one panel.
unsafe fn integer_tile<const ROWS: usize>(call: &IntegerCall<'_>, first: usize, rows: [*const i16; ROWS]) {
    // SAFETY: the caller's promise; weights of a run follow each other, and those of the next run follow them.
    unsafe {
        let mut sums = [call.start.cast::<[i32; PANEL]>().read_unaligned(); ROWS];
        let mut weights = call.panel;
        for &run in &call.walk.runs {
            for pair in 0..call.lines_per_run * INTEGER_STEP / 2 {
                let pairs = weights.cast::<[[i8; 2]; PANEL]>().read();
                weights = weights.add(2 * PANEL);
                for (sums, row) in sums.iter_mut().zip(&rows) {
                    let [first, second] = row.add(run + 2 * pair).cast::<[i16; 2]>().read_unaligned();
                    for (sum, weight) in sums.iter_mut().zip(&pairs) {
                        let products =
                            i32::from(first) * i32::from(weight[0]) + i32::from(second) * i32::from(weight[1]);
                        *sum = sum.wrapping_add(products);
                    }
                }
            }
        }
        let columns = call.columns.min(PANEL);
        for (row, sums) in sums.iter().enumerate() {
            for (column, &sum) in sums.iter().enumerate().take(columns) {
                let value = sum as f32 * *call.scale.add(column);
                let place = (first + row) * call.pitch + column;
                match call.store {
                    IntegerStore::Bytes { out, zero_point, low } => {
                        *out.add(place) = Grid { scale: 1.0, zero_point }.round(value).max(low);
                    }
                    IntegerStore::Floats { out, add, low } => {
                        let value = if add.is_null() { value } else { value + *add.add(place) };
                        *out.add(place) = value.max(low);
                    }
                }
            }
        }
    }
}

/// # Safety
/// All of the call's pointers must be valid for `ROWS` rows of one panel, whose weights are in the form `FORM`.
unsafe fn float_tile<const ROWS: usize, const FORM: u8>(call: &FloatCall<'_>, first: usize, rows: [*const f32; ROWS]) {
    // SAFETY: the caller's promise; weights of a run follow each other, and those of the next run follow them.
    unsafe {
        let mut sums = [call.bias.cast::<[f32; PANEL]>().read_unaligned(); ROWS];
        let mut scales = [0.0; PANEL];
        let mut weights = call.panel;
        for &run in &call.walk.runs {
            for depth in 0..call.walk.run_len {
                if FORM == form::NIBBLES && depth % GROUP == 0 {
                    scales = weights.cast::<[f32; PANEL]>().read();
                    weights = weights.byte_add(4 * PANEL);
                }
                let line = match FORM {
                    form::NIBBLES => {
                        let codes = weights.cast::<[u8; PANEL / 2]>().read();
                        std::array::from_fn(|column| {
                            let (byte, shift) = nibble(column);
                            let code = codes[byte] >> shift & 15;
                            (f32::from(code) - f32::from(ZERO_CODE)) * scales[column]
                        })
                    }
                    form::HALF => weights.cast::<[f16; PANEL]>().read().map(f16::to_f32),
                    _ => weights.cast::<[f32; PANEL]>().read(),
                };
                weights = weights.byte_add(form::line_bytes(FORM));
                for (sums, row) in sums.iter_mut().zip(&rows) {
                    let value = *row.add(run + depth);
                    for (sum, weight) in sums.iter_mut().zip(&line) {
                        *sum += value * weight;
                    }
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (column, &sum) in sums.iter().enumerate().take(call.columns) {
                let place = (first + row) * call.pitch + column;
                let sum = if call.add.is_null() {
                    sum
                } else {
                    sum + *call.add.add(place)
                };
                *call.out.add(place) = if sum < call.low { call.low } else { sum };
            }
        }
    }
}
