//! Weights in the order in which the kernels read them.
//!
//! A weight matrix of `columns` outputs is cut into panels of [`PANEL`] columns, and each panel is stored along the depth, so
//! that a kernel reads it once from front to back in whole cache lines. The depth is made of runs: stretches of activations
//! that lie next to each other in memory, one for a dense layer, one for each kernel row of a convolution.
#![expect(unsafe_code, reason = "lines are seen as the arrays that they are")]

use half::f16;

use super::InstructionSet;

/// Columns of a panel. Two AVX2 registers or one AVX-512 register of 32-bit results; sixteen filters waste nothing.
pub const PANEL: usize = 16;
/// Activations that one line of integer weights meets; runs are padded to a multiple of it with weights of zero.
pub const INTEGER_STEP: usize = 4;

/// Sixteen columns at one depth.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct FloatLine(pub [f32; PANEL]);

/// Sixteen columns at one depth, as 16-bit floats.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
pub(super) struct HalfLine(pub [f16; PANEL]);

/// Weights that share a scale, along the depth, where they have 4 bits.
pub const GROUP: usize = 32;
/// Of the 16 codes of 4 bits, that which stands for zero.
pub const ZERO_CODE: u8 = 8;

/// In which form a panel's weights are stored, as a parameter of the kernels.
pub(super) mod form {
    /// 32-bit floats.
    pub const SINGLE: u8 = 0;
    /// 16-bit floats.
    pub const HALF: u8 = 1;
    /// Codes of 4 bits with a scale for each group.
    pub const NIBBLES: u8 = 2;

    /// Bytes of sixteen columns at one depth.
    pub const fn line_bytes(form: u8) -> usize {
        match form {
            HALF => 2 * super::PANEL,
            NIBBLES => super::PANEL / 2,
            _ => 4 * super::PANEL,
        }
    }
}

/// Sixteen columns at [`GROUP`] depths in 4 bits: the scales, then the codes. Of a depth's eight bytes the even columns are the first
/// four, the odd ones the others, the lowest bits first.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct NibbleGroup {
    pub scales: [f32; PANEL],
    pub codes: [[u8; PANEL / 2]; GROUP],
}

/// Sixteen columns at four depths, in the order of an [`IntegerOrder`].
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct IntegerLine(pub [i8; PANEL * INTEGER_STEP]);

/// How the four depths of a line of integer weights are interleaved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IntegerOrder {
    /// Two depths of sixteen columns, then the next two: for products of pairs of 16-bit integers.
    Pairs,
    /// Four depths of each column: for VNNI's products of four bytes.
    Quads,
}

/// The size of a weight matrix, and how its depth is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatrixShape {
    /// Outputs.
    pub columns: usize,
    /// Stretches of neighbouring activations.
    pub runs: usize,
    /// Activations of a stretch.
    pub run_len: usize,
}

/// A packed matrix of signed 8-bit weights.
pub struct IntegerPanels {
    pub(super) set: InstructionSet,
    pub(super) shape: MatrixShape,
    pub(super) lines: Vec<IntegerLine>,
}

/// A packed matrix of 32-bit or 16-bit floating-point weights.
pub struct FloatPanels {
    pub(super) set: InstructionSet,
    pub(super) shape: MatrixShape,
    pub(super) lines: FloatLines,
}

pub(super) enum FloatLines {
    Single(Vec<FloatLine>),
    Half(Vec<HalfLine>),
    Nibbles(Vec<NibbleGroup>),
}

impl MatrixShape {
    /// Panels, the last one perhaps in part.
    pub fn panels(&self) -> usize {
        self.columns.div_ceil(PANEL)
    }

    /// Columns of all panels: what per-column vectors must be padded to.
    pub fn padded_columns(&self) -> usize {
        self.panels() * PANEL
    }

    /// Lines of integer weights in a run.
    pub(super) fn integer_lines(&self) -> usize {
        self.run_len.div_ceil(INTEGER_STEP)
    }
}

impl IntegerPanels {
    /// Packs the matrix whose element at a column, a run and a place in that run is `weight(column, run, place)`.
    pub fn pack(set: InstructionSet, shape: MatrixShape, weight: impl Fn(usize, usize, usize) -> i8) -> Self {
        let order = IntegerOrder::of(set);
        let mut lines = Vec::with_capacity(shape.panels() * shape.runs * shape.integer_lines());
        for panel in 0..shape.panels() {
            for run in 0..shape.runs {
                for line in 0..shape.integer_lines() {
                    lines.push(IntegerLine(std::array::from_fn(|slot| {
                        let (column, depth) = order.place(slot);
                        let (column, depth) = (panel * PANEL + column, line * INTEGER_STEP + depth);
                        if column < shape.columns && depth < shape.run_len {
                            weight(column, run, depth)
                        } else {
                            0
                        }
                    })));
                }
            }
        }
        Self { set, shape, lines }
    }

    /// The size of the matrix.
    pub fn shape(&self) -> MatrixShape {
        self.shape
    }

    /// Whether its activations are bytes rather than 16-bit integers.
    pub fn reads_bytes(&self) -> bool {
        IntegerOrder::of(self.set) == IntegerOrder::Quads
    }

    /// Bytes that the packed weights take.
    pub fn bytes(&self) -> usize {
        size_of_val(self.lines.as_slice())
    }
}

impl FloatPanels {
    /// Packs a matrix of 32-bit floats; see [`IntegerPanels::pack`].
    pub fn pack(set: InstructionSet, shape: MatrixShape, weight: impl Fn(usize, usize, usize) -> f32) -> Self {
        let lines = pack_lines(shape, FloatLine, 0.0, weight);
        Self {
            set,
            shape,
            lines: FloatLines::Single(lines),
        }
    }

    /// Room for matrices of up to so many lines, each sixteen columns at one depth.
    pub fn room(set: InstructionSet, lines: usize) -> Option<Self> {
        let mut room = Vec::new();
        room.try_reserve_exact(lines).ok()?;
        let shape = MatrixShape {
            columns: 0,
            runs: 1,
            run_len: 0,
        };
        let lines = FloatLines::Single(room);
        Some(Self { set, shape, lines })
    }

    /// Packs another matrix in the same room: `columns` and `depth` of `values`, whose neighbours along both are so far apart.
    pub fn repack(&mut self, [columns, depth]: [usize; 2], values: &[f32], [along_columns, along_depth]: [usize; 2]) {
        self.shape = MatrixShape {
            columns,
            runs: 1,
            run_len: depth,
        };
        let FloatLines::Single(lines) = &mut self.lines else {
            return;
        };
        lines.clear();
        lines.resize(self.shape.panels() * depth, FloatLine([0.0; PANEL]));
        for (panel, lines) in lines.chunks_exact_mut(depth.max(1)).enumerate() {
            let first = panel * PANEL;
            let count = (columns - first).min(PANEL);
            if along_columns == 1 {
                for (place, line) in lines.iter_mut().enumerate() {
                    line.0[..count].copy_from_slice(&values[place * along_depth + first..][..count]);
                }
            } else {
                for column in 0..count {
                    let values = values[(first + column) * along_columns..].iter().step_by(along_depth);
                    for (line, &value) in lines.iter_mut().zip(values) {
                        line.0[column] = value;
                    }
                }
            }
        }
    }

    /// The room as a matrix of another shape, to be written: panel by panel, and in each sixteen columns at each depth. What it
    /// held before may still stand there.
    pub(super) fn reshaped(&mut self, shape: MatrixShape) -> &mut [[f32; PANEL]] {
        self.shape = shape;
        let FloatLines::Single(lines) = &mut self.lines else {
            return &mut [];
        };
        lines.resize(shape.panels() * shape.runs * shape.run_len, FloatLine([0.0; PANEL]));
        let (first, count) = (lines.as_mut_ptr().cast(), lines.len());
        // SAFETY: a line is nothing but its sixteen values.
        unsafe { std::slice::from_raw_parts_mut(first, count) }
    }

    /// Packs a matrix of 16-bit floats, which stay so in memory and are widened in the kernel.
    pub fn pack_half(set: InstructionSet, shape: MatrixShape, weight: impl Fn(usize, usize, usize) -> f16) -> Self {
        let lines = pack_lines(shape, HalfLine, f16::ZERO, weight);
        Self {
            set,
            shape,
            lines: FloatLines::Half(lines),
        }
    }

    /// Packs a matrix of one run in 4 bits, which stay so in memory and are widened in the kernel: at a column and a depth the weight is
    /// `(code - 8) * scale`, with the scale of the column and of the depth's group of [`GROUP`].
    pub fn pack_nibbles(
        set: InstructionSet,
        [columns, depth]: [usize; 2],
        code: impl Fn(usize, usize) -> u8,
        scale: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let shape = MatrixShape {
            columns,
            runs: 1,
            run_len: depth,
        };
        let mut groups = Vec::with_capacity(shape.panels() * depth.div_ceil(GROUP));
        for panel in 0..shape.panels() {
            for group in 0..depth.div_ceil(GROUP) {
                let mut packed = NibbleGroup {
                    scales: [0.0; PANEL],
                    codes: [[ZERO_CODE << 4 | ZERO_CODE; PANEL / 2]; GROUP],
                };
                for (slot, own) in packed.scales.iter_mut().enumerate().take(columns - panel * PANEL) {
                    *own = scale(panel * PANEL + slot, group);
                }
                for (place, codes) in packed.codes.iter_mut().enumerate().take(depth - group * GROUP) {
                    for slot in 0..PANEL.min(columns - panel * PANEL) {
                        let (byte, shift) = nibble(slot);
                        let code = code(panel * PANEL + slot, group * GROUP + place) & 15;
                        codes[byte] = codes[byte] & !(15 << shift) | code << shift;
                    }
                }
                groups.push(packed);
            }
        }
        Self {
            set,
            shape,
            lines: FloatLines::Nibbles(groups),
        }
    }

    /// The size of the matrix.
    pub fn shape(&self) -> MatrixShape {
        self.shape
    }

    /// Bytes that the packed weights take.
    pub fn bytes(&self) -> usize {
        match &self.lines {
            FloatLines::Single(lines) => size_of_val(lines.as_slice()),
            FloatLines::Half(lines) => size_of_val(lines.as_slice()),
            FloatLines::Nibbles(groups) => size_of_val(groups.as_slice()),
        }
    }
}

impl IntegerOrder {
    pub(super) fn of(set: InstructionSet) -> Self {
        match set {
            InstructionSet::Scalar | InstructionSet::Avx2 => Self::Pairs,
            InstructionSet::AvxVnni | InstructionSet::Avx512Vnni => Self::Quads,
        }
    }

    /// Column and depth of a slot of a line.
    fn place(self, slot: usize) -> (usize, usize) {
        match self {
            Self::Pairs => (slot / 2 % PANEL, slot / (2 * PANEL) * 2 + slot % 2),
            Self::Quads => (slot / INTEGER_STEP, slot % INTEGER_STEP),
        }
    }
}

/// Where the code of a column is in the eight bytes of a depth: the byte, and the bits below it.
pub(super) fn nibble(column: usize) -> (usize, usize) {
    let place = column / 2;
    (column % 2 * (PANEL / 4) + place / 2, place % 2 * 4)
}

fn pack_lines<T: Copy, L>(
    shape: MatrixShape,
    line: impl Fn([T; PANEL]) -> L,
    zero: T,
    weight: impl Fn(usize, usize, usize) -> T,
) -> Vec<L> {
    let mut lines = Vec::with_capacity(shape.panels() * shape.runs * shape.run_len);
    for panel in 0..shape.panels() {
        for run in 0..shape.runs {
            for depth in 0..shape.run_len {
                lines.push(line(std::array::from_fn(|slot| {
                    let column = panel * PANEL + slot;
                    if column < shape.columns {
                        weight(column, run, depth)
                    } else {
                        zero
                    }
                })));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_hold_pairs_or_quads_of_each_column() {
        let shape = MatrixShape {
            columns: 20,
            runs: 2,
            run_len: 5,
        };
        let weight = |column: usize, run: usize, depth: usize| (column * 5 + run * 2 + depth) as i8;
        let pairs = IntegerPanels::pack(InstructionSet::Avx2, shape, weight);
        let quads = IntegerPanels::pack(InstructionSet::Avx512Vnni, shape, weight);
        // Two panels of two runs of two lines.
        assert_eq!((pairs.lines.len(), quads.bytes()), (8, 8 * 64));
        // The second panel's second run, its first line: depths 0 to 3 of column 18.
        let expected = [0, 1, 2, 3].map(|depth| weight(18, 1, depth));
        let (pairs, quads) = (&pairs.lines[6].0, &quads.lines[6].0);
        assert_eq!([pairs[4], pairs[5], pairs[32 + 4], pairs[32 + 5]], expected);
        assert_eq!(quads[8..12], expected);
        // Column 20 does not exist.
        assert_eq!(quads[16..20], [0; 4]);
    }

    #[test]
    fn the_end_of_a_run_is_padded_with_zeros() {
        let shape = MatrixShape {
            columns: 1,
            runs: 1,
            run_len: 5,
        };
        let quads = IntegerPanels::pack(InstructionSet::AvxVnni, shape, |_, _, _| 7);
        assert_eq!(quads.lines[1].0[..4], [7, 0, 0, 0]);
    }
}
