//! Products of activations with packed weights: checks the sizes once, then hands tiles to the kernels of an instruction set.
//!
//! A tile is a few output rows by one or more panels. Every sum runs along the depth in the same order whatever the tile, so a
//! sample's result does not depend on the batch it came in. Bias, scale, activation and requantization are fused into the store.
#![expect(
    unsafe_code,
    reason = "the kernels take raw pointers, and their instructions must be known to exist"
)]

use std::ffi::c_void;

use super::panels::{
    FloatLine, FloatLines, FloatPanels, GROUP, HalfLine, INTEGER_STEP, IntegerLine, IntegerOrder, IntegerPanels,
    NibbleGroup, PANEL, form,
};
use super::{InstructionSet, Walk, scalar};
#[cfg(target_arch = "x86_64")]
use super::{avx_vnni, avx2, avx512};

/// The largest magnitude of a scaled sum that is stored as a byte: beyond it, the instruction sets would differ.
pub const MAX_STEPS: f32 = 1_073_741_824.0;

/// Activations of an integer product, as the instruction set wants them.
#[derive(Clone, Copy)]
pub enum IntegerActivations<'a> {
    /// Bytes widened to 16 bits, for [`InstructionSet::Scalar`] and [`InstructionSet::Avx2`].
    Wide(&'a [i16]),
    /// Bytes, for the sets with VNNI.
    Bytes(&'a [u8]),
}

/// What becomes of the 32-bit sums of an integer product.
pub enum IntegerOutput<'a> {
    /// `clamp(round_half_even(sum * scale) + zero_point, low, 255)`, rows of `columns` bytes.
    Bytes {
        /// Rows by columns.
        out: &'a mut [u8],
        /// Zero point of the output.
        zero_point: u8,
        /// The smallest result: 0, or the zero point where a ReLU is fused.
        low: u8,
    },
    /// `sum * scale`, rows of `columns` floats.
    Floats(FloatOutput<'a>),
}

/// Where floating-point results go, and what is still done to them: `max(result + add, low)`.
pub struct FloatOutput<'a> {
    /// Rows by columns.
    pub out: &'a mut [f32],
    /// Values from a row to the next: at least the number of columns.
    pub pitch: usize,
    /// Values that are added, where there are any, as far apart as those of `out`.
    pub add: Option<&'a [f32]>,
    /// The smallest result: 0 where a ReLU is fused, else minus infinity.
    pub low: f32,
}

/// Vectors that an integer product applies to its columns, padded to whole panels.
#[derive(Clone, Copy)]
pub struct IntegerColumns<'a> {
    /// Where the sums start: the bias less the input's zero point times the column's sum of weights.
    pub start: &'a [i32],
    /// What the sums are multiplied with.
    pub scale: &'a [f32],
}

/// One call of an integer kernel: all rows of one or more panels.
pub(super) struct IntegerCall<'a> {
    /// The activations, which are 16-bit integers or bytes.
    pub base: *const c_void,
    pub walk: &'a Walk,
    pub rows: usize,
    pub lines_per_run: usize,
    pub panel: *const i8,
    /// Bytes from a panel to the next.
    pub panel_pitch: usize,
    pub start: *const i32,
    pub scale: *const f32,
    pub store: IntegerStore,
    /// Elements from an output row to the next.
    pub pitch: usize,
    /// Columns from the first panel on that exist.
    pub columns: usize,
}

#[derive(Clone, Copy)]
pub(super) enum IntegerStore {
    Bytes { out: *mut u8, zero_point: u8, low: u8 },
    Floats { out: *mut f32, add: *const f32, low: f32 },
}

/// One call of a floating-point kernel: all rows of one or more panels.
pub(super) struct FloatCall<'a> {
    pub base: *const f32,
    pub walk: &'a Walk,
    pub rows: usize,
    pub panel: *const c_void,
    /// Bytes from a panel to the next.
    pub panel_pitch: usize,
    pub bias: *const f32,
    pub out: *mut f32,
    /// Null where nothing is added.
    pub add: *const f32,
    pub low: f32,
    /// Elements from an output row to the next.
    pub pitch: usize,
    /// Columns from the first panel on that exist.
    pub columns: usize,
}

/// The kernels of an instruction set: panels that are worked on together, and the kernel for so many, widest first.
pub(super) struct Kernels<F: 'static> {
    /// For products of one row.
    pub single: &'static [(usize, F)],
    /// For other products.
    pub many: &'static [(usize, F)],
}

pub(super) type IntegerKernel = unsafe fn(&IntegerCall<'_>);
pub(super) type FloatKernel = unsafe fn(&FloatCall<'_>);
/// By the form of the weights.
pub(super) type FloatKernels = [Kernels<FloatKernel>; 3];

/// Cuts the rows of a call into tiles of the given heights, largest first: `$tile::<HEIGHT, ..>(call, first_row, starts)`.
macro_rules! for_each_tile {
    ($call:expr, $element:ty, $tile:ident, [$($height:literal),+], $generics:tt) => {{
        let call = $call;
        let base = call.base.cast::<$element>();
        let mut starts = call.walk.starts();
        let mut row = 0;
        $(while call.rows - row >= $height {
            let mut rows = [base; $height];
            for row in &mut rows {
                *row = base.add(starts.next());
            }
            for_each_tile!(@tile $tile, $height, $generics, (call, row, rows));
            row += $height;
        })+
    }};
    (@tile $tile:ident, $height:literal, [$($generic:ident),*], $arguments:tt) => {
        $tile::<$height $(, $generic)*> $arguments
    };
}
pub(super) use for_each_tile;

/// Multiplies unsigned 8-bit activations with signed 8-bit weights: `rows` output rows of `panels.shape().columns` columns.
///
/// No sum may leave 32 bits, and none may leave [`MAX_STEPS`] when scaled to bytes: the weights and the bias decide that, so it
/// is for the caller to know. The sums wrap in between. Sizes that do not fit together are a fault of the
/// program, and panic.
pub fn integer_product(
    activations: IntegerActivations<'_>,
    walk: &Walk,
    rows: usize,
    panels: &IntegerPanels,
    columns: IntegerColumns<'_>,
    output: IntegerOutput<'_>,
) {
    let shape = panels.shape;
    let (base, len) = match (activations, IntegerOrder::of(panels.set)) {
        (IntegerActivations::Wide(wide), IntegerOrder::Pairs) => (wide.as_ptr().cast::<c_void>(), wide.len()),
        (IntegerActivations::Bytes(bytes), IntegerOrder::Quads) => (bytes.as_ptr().cast(), bytes.len()),
        _ => panic!("activations are staged for another instruction set than the weights"),
    };
    let lines_per_run = shape.integer_lines();
    let panel_pitch = shape.runs * lines_per_run * size_of::<IntegerLine>();
    assert!(walk.span(rows, INTEGER_STEP) <= len && walk.runs() == shape.runs && walk.run_len == shape.run_len);
    assert!(columns.start.len() >= shape.padded_columns() && columns.scale.len() >= shape.padded_columns());
    assert!(panels.bytes() == shape.panels() * panel_pitch && panels.set.is_available());
    let (store, pitch) = match output {
        IntegerOutput::Bytes { out, zero_point, low } => {
            assert!(out.len() >= rows * shape.columns);
            let out = out.as_mut_ptr();
            (IntegerStore::Bytes { out, zero_point, low }, shape.columns)
        }
        IntegerOutput::Floats(output) => {
            let (pitch, low) = (output.pitch, output.low);
            let (out, add) = output.pointers(rows, shape.columns);
            (IntegerStore::Floats { out, add, low }, pitch)
        }
    };
    let kernels = match panels.set {
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => &avx2::INTEGER,
        #[cfg(target_arch = "x86_64")]
        InstructionSet::AvxVnni => &avx_vnni::INTEGER,
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512Vnni => &avx512::INTEGER,
        _ => &scalar::INTEGER,
    };
    kernels.for_each_panel(rows, shape.panels(), |kernel, panel| {
        let column = panel * PANEL;
        // SAFETY: the assertions above keep every row's runs inside the activations, every panel inside the weights, every
        // column inside its vectors and every stored element inside the output; the instruction set is available.
        unsafe {
            kernel(&IntegerCall {
                base,
                walk,
                rows,
                lines_per_run,
                panel: panels.lines.as_ptr().cast::<i8>().add(panel * panel_pitch),
                panel_pitch,
                start: columns.start.as_ptr().add(column),
                scale: columns.scale.as_ptr().add(column),
                store: store.at(column),
                pitch,
                columns: shape.columns - column,
            });
        }
    });
}

/// Multiplies floating-point activations with floating-point weights and adds `bias` (padded to whole panels): `rows` output
/// rows of `panels.shape().columns` columns. Sizes that do not fit together panic.
pub fn float_product(
    activations: &[f32],
    walk: &Walk,
    rows: usize,
    panels: &FloatPanels,
    bias: &[f32],
    output: FloatOutput<'_>,
) {
    let (pitch, low) = (output.pitch, output.low);
    let (out, add) = output.pointers(rows, panels.shape.columns);
    let store = FloatStore { out, add, low, pitch };
    // SAFETY: output and what is added have been checked to be as large.
    unsafe { multiply(activations, walk, rows, panels, bias, store) }
}

/// As [`float_product`], added onto what stands in `out`, whose rows are `pitch` apart.
pub(super) fn add_float_product(
    activations: &[f32],
    walk: &Walk,
    rows: usize,
    panels: &FloatPanels,
    zeros: &[f32],
    (out, pitch): (&mut [f32], usize),
) {
    let output = FloatOutput {
        out,
        pitch,
        add: None,
        low: f32::NEG_INFINITY,
    };
    let (out, _) = output.pointers(rows, panels.shape.columns);
    let store = FloatStore {
        out,
        add: out,
        low: f32::NEG_INFINITY,
        pitch,
    };
    // SAFETY: as above; a value is read before its sum is stored in its place.
    unsafe { multiply(activations, walk, rows, panels, zeros, store) }
}

/// Where the results of a floating-point product go.
#[derive(Clone, Copy)]
struct FloatStore {
    out: *mut f32,
    add: *const f32,
    low: f32,
    pitch: usize,
}

/// # Safety
/// The store must be valid for so many rows of the panels' columns.
unsafe fn multiply(
    activations: &[f32],
    walk: &Walk,
    rows: usize,
    panels: &FloatPanels,
    bias: &[f32],
    store: FloatStore,
) {
    let shape = panels.shape;
    let depth = shape.runs * shape.run_len;
    assert!(walk.span(rows, 1) <= activations.len() && walk.runs() == shape.runs && walk.run_len == shape.run_len);
    assert!(bias.len() >= shape.padded_columns() && panels.set.is_available());
    let kernels = match panels.set {
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 | InstructionSet::AvxVnni => &avx2::FLOAT,
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512Vnni => &avx512::FLOAT,
        _ => &scalar::FLOAT,
    };
    let (lines, panel_pitch, kernels) = match &panels.lines {
        FloatLines::Single(lines) => {
            let pitch = depth * size_of::<FloatLine>();
            (
                lines.as_ptr().cast::<c_void>(),
                pitch,
                &kernels[usize::from(form::SINGLE)],
            )
        }
        FloatLines::Half(lines) => {
            let pitch = depth * size_of::<HalfLine>();
            (lines.as_ptr().cast(), pitch, &kernels[usize::from(form::HALF)])
        }
        FloatLines::Nibbles(groups) => {
            assert!(shape.runs == 1);
            let pitch = depth.div_ceil(GROUP) * size_of::<NibbleGroup>();
            (groups.as_ptr().cast(), pitch, &kernels[usize::from(form::NIBBLES)])
        }
    };
    assert!(panels.bytes() == shape.panels() * panel_pitch);
    let base = activations.as_ptr();
    let FloatStore { out, add, low, pitch } = store;
    kernels.for_each_panel(rows, shape.panels(), |kernel, panel| {
        let column = panel * PANEL;
        // SAFETY: as in `integer_product`.
        unsafe {
            kernel(&FloatCall {
                base,
                walk,
                rows,
                panel: lines.byte_add(panel * panel_pitch),
                panel_pitch,
                bias: bias.as_ptr().add(column),
                out: out.add(column),
                add: further(add, column),
                low,
                pitch,
                columns: shape.columns - column,
            });
        }
    });
}

impl<F: Copy> Kernels<F> {
    /// Goes panel by panel, so that a panel's weights stay in the cache while the rows pass.
    fn for_each_panel(&self, rows: usize, panels: usize, mut run: impl FnMut(F, usize)) {
        let kernels = if rows == 1 { self.single } else { self.many };
        let mut panel = 0;
        while let Some(&(width, kernel)) = kernels.iter().find(|(width, _)| *width <= panels - panel) {
            run(kernel, panel);
            panel += width;
        }
    }
}

impl FloatOutput<'_> {
    /// Rows one below the other, with nothing added.
    pub fn plain(out: &mut [f32], columns: usize, low: f32) -> FloatOutput<'_> {
        FloatOutput {
            out,
            pitch: columns,
            add: None,
            low,
        }
    }

    /// Where the results go and what is added to them, after checking that so many rows fit.
    fn pointers(self, rows: usize, columns: usize) -> (*mut f32, *const f32) {
        let needed = rows.saturating_sub(1) * self.pitch + columns;
        assert!(rows == 0 || (self.pitch >= columns && self.out.len() >= needed));
        assert!(rows == 0 || self.add.is_none_or(|add| add.len() >= needed));
        (
            self.out.as_mut_ptr(),
            self.add.map_or(std::ptr::null(), <[f32]>::as_ptr),
        )
    }
}

/// A pointer some elements further on; null stays null.
///
/// # Safety
/// What is pointed to must reach so far.
unsafe fn further(add: *const f32, elements: usize) -> *const f32 {
    if add.is_null() {
        return add;
    }
    // SAFETY: the caller's promise.
    unsafe { add.add(elements) }
}

impl IntegerStore {
    /// The same store, some elements further on.
    ///
    /// # Safety
    /// The output must reach so far.
    unsafe fn at(self, elements: usize) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Self::Bytes { out, zero_point, low } => Self::Bytes {
                    out: out.add(elements),
                    zero_point,
                    low,
                },
                Self::Floats { out, add, low } => Self::Floats {
                    out: out.add(elements),
                    add: further(add, elements),
                    low,
                },
            }
        }
    }
}
