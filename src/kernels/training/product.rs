//! `C = A B` of 32-bit floats for training, where both factors are new at each step: blocked, packed where that pays, on several
//! threads above a size.
//!
//! Either factor may be transposed or have rows that lie further apart than they are long, so that a layer's three products are
//! `x w`, `x^T g` and `g w^T` without a copy of its own. Every sum runs along the depth from front to back, whatever the blocks and
//! threads: the result depends on neither.
#![expect(
    unsafe_code,
    reason = "threads write disjoint tiles of one matrix, and tiles take raw pointers"
)]

use std::cell::RefCell;
use std::ops::Range;
use std::ptr;

use super::super::InstructionSet;
use super::tiles::{self, Tile};

/// Longest part of the depth that is taken at once; the packed block of the right factor stays in the second cache.
const DEPTH: usize = 512;
/// Columns of a block.
const COLUMNS: usize = 256;
/// Multiply-adds above which a second thread is worth waking.
const WORTH_A_THREAD: usize = 400_000;
/// With so few rows a copy of the right factor costs more than it gives.
const FEW_ROWS: usize = 28;
/// A matrix as it lies in memory: along its rows or along its columns, neighbours lie together.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_step: usize,
    column_step: usize,
}

/// Where the sums of a product start.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    /// At zero.
    Zero,
    /// At the column's number.
    Bias(&'a [f32]),
    /// At what is there already: the product is added.
    Present,
}

/// What is computed of two factors.
#[derive(Debug, Clone, Copy)]
pub struct Product<'a> {
    /// `[rows, depth]`
    pub a: Matrix<'a>,
    /// `[depth, columns]`
    pub b: Matrix<'a>,
    pub start: Start<'a>,
    /// Whether a result below zero becomes zero.
    pub relu: bool,
}

impl<'a> Matrix<'a> {
    /// Rows one behind the other.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::with_pitch(values, rows, columns, columns)
    }

    /// Rows that begin `pitch` values apart.
    pub fn with_pitch(values: &'a [f32], rows: usize, columns: usize, pitch: usize) -> Self {
        assert!(
            pitch >= columns && (rows == 0 || values.len() >= (rows - 1) * pitch + columns),
            "{rows} rows of {columns} every {pitch} are not in {}",
            values.len()
        );
        Self {
            values,
            rows,
            columns,
            row_step: pitch,
            column_step: 1,
        }
    }

    /// Rows for columns; nothing moves.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_step: self.column_step,
            column_step: self.row_step,
            ..self
        }
    }

    fn at(&self, row: usize, column: usize) -> *const f32 {
        self.values
            .as_ptr()
            .wrapping_add(row * self.row_step + column * self.column_step)
    }
}

/// Takes all the room that products ever keep for this thread.
pub fn reserve() {
    PACKED.with_borrow_mut(|packed| packed.resize(DEPTH * COLUMNS / 16, Line([0.0; 16])));
}

/// A new matrix that holds `product`, its rows one behind the other.
pub fn new_product(set: InstructionSet, whole: &Product<'_>) -> Vec<f32> {
    let length = whole.a.rows * whole.b.columns;
    let mut out = Vec::with_capacity(length);
    let start = match whole.start {
        Start::Present => Start::Zero,
        other => other,
    };
    compute(
        set,
        &Product { start, ..*whole },
        Out(out.as_mut_ptr()),
        whole.b.columns,
    );
    // SAFETY: every element has been written.
    unsafe { out.set_len(length) };
    out
}

/// Computes `product` into `out`, whose rows begin `pitch` values apart. Divided between the threads of rayon's current pool where that
/// pays.
pub fn product(set: InstructionSet, whole: &Product<'_>, out: &mut [f32], pitch: usize) {
    let (rows, columns) = (whole.a.rows, whole.b.columns);
    assert!(pitch >= columns && (rows == 0 || out.len() >= (rows - 1) * pitch + columns));
    compute(set, whole, Out(out.as_mut_ptr()), pitch);
}

/// Writes every element of the result, for which `out` has room.
fn compute(set: InstructionSet, whole: &Product<'_>, out: Out, pitch: usize) {
    let Product { a, b, start, relu } = *whole;
    let (rows, columns) = (a.rows, b.columns);
    assert!(a.columns == b.rows, "depths {} and {} differ", a.columns, b.rows);
    if let Start::Bias(bias) = start {
        assert!(bias.len() >= columns);
    }
    if rows == 0 || columns == 0 {
        return;
    }
    let call = Call {
        set: if set.is_available() {
            set
        } else {
            InstructionSet::Scalar
        },
        a,
        b,
        start,
        low: if relu { 0.0 } else { f32::NEG_INFINITY },
        out,
        pitch,
    };
    let threads = if rows * columns * a.columns < WORTH_A_THREAD {
        1
    } else {
        rayon::current_num_threads()
    };
    if threads == 1 {
        call.part(0..rows, 0..columns);
        return;
    }
    let [tall, wide] = tiles::largest(call.set);
    // A cut through the rows packs the right factor on each thread.
    let along_rows = rows >= 4 * columns || columns < threads * wide;
    let (length, unit) = if along_rows { (rows, tall) } else { (columns, wide) };
    let share = length.div_ceil(unit).div_ceil(threads) * unit;
    let call = &call;
    rayon::scope(|scope| {
        for first in (share..length).step_by(share) {
            scope.spawn(move |_| call.share(first..length.min(first + share), along_rows));
        }
        call.share(0..share.min(length), along_rows);
    });
}

/// A product whose sizes have been checked.
struct Call<'a> {
    set: InstructionSet,
    a: Matrix<'a>,
    b: Matrix<'a>,
    start: Start<'a>,
    low: f32,
    out: Out,
    pitch: usize,
}

struct Out(*mut f32);

// SAFETY: every thread writes rows and columns of its own.
unsafe impl Sync for Out {}

/// Sixteen numbers in one line of the cache.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

thread_local! {
    /// A packed block of the right factor: room that each thread keeps.
    static PACKED: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

impl Call<'_> {
    fn share(&self, range: Range<usize>, along_rows: bool) {
        if along_rows {
            self.part(range, 0..self.b.columns);
        } else {
            self.part(0..self.a.rows, range);
        }
    }

    fn part(&self, rows: Range<usize>, columns: Range<usize>) {
        let depth = self.a.columns;
        let parts = depth.div_ceil(DEPTH).max(1);
        let length = depth.div_ceil(parts);
        let packs = self.b.column_step != 1 || rows.len() > FEW_ROWS;
        PACKED.with_borrow_mut(|packed| {
            for part in 0..parts {
                let depths = (part * length).min(depth)..((part + 1) * length).min(depth);
                for first in columns.clone().step_by(COLUMNS) {
                    let columns = first..columns.end.min(first + COLUMNS);
                    if packs {
                        self.pack(packed, depths.clone(), columns.clone());
                    }
                    let block = Block {
                        rows: rows.clone(),
                        depths: depths.clone(),
                        columns,
                        is_last: part + 1 == parts,
                    };
                    self.block(&block, packs.then_some(packed.as_slice()));
                }
            }
        });
    }

    /// Copies a block of the right factor, a panel of columns behind the other.
    fn pack(&self, packed: &mut Vec<Line>, depths: Range<usize>, columns: Range<usize>) {
        let [_, wide] = tiles::largest(self.set);
        let lines = columns.len().div_ceil(wide) * depths.len() * (wide / 16);
        if packed.len() < lines {
            packed.resize(lines, Line([0.0; 16]));
        }
        let to = packed.as_mut_ptr().cast::<f32>();
        let Matrix {
            row_step, column_step, ..
        } = self.b;
        for (panel, first) in columns.clone().step_by(wide).enumerate() {
            let count = wide.min(columns.end - first);
            let to = to.wrapping_add(panel * depths.len() * wide);
            let from = self.b.at(depths.start, first);
            // SAFETY: the block lies in the factor, its panels in the lines.
            unsafe {
                if column_step == 1 {
                    for depth in 0..depths.len() {
                        ptr::copy_nonoverlapping(from.add(depth * row_step), to.add(depth * wide), count);
                    }
                } else {
                    tiles::transpose(self.set, [count, depths.len()], (from, column_step), (to, wide));
                }
            }
        }
    }

    fn block(&self, block: &Block, packed: Option<&[Line]>) {
        let Block {
            rows,
            depths,
            columns,
            is_last,
        } = block;
        let [tall, wide] = tiles::largest(self.set);
        // Tiles of equal height rather than a small one at the end.
        let tall = rows.len().div_ceil(rows.len().div_ceil(tall));
        let is_first = depths.start == 0;
        for row in rows.clone().step_by(tall) {
            for (panel, column) in columns.clone().step_by(wide).enumerate() {
                let (b, b_step) = match packed {
                    Some(packed) => {
                        let from = packed.as_ptr().cast::<f32>();
                        (from.wrapping_add(panel * depths.len() * wide), wide)
                    }
                    None => (self.b.at(depths.start, column), self.b.row_step),
                };
                let tile = Tile {
                    a: self.a.at(row, depths.start),
                    a_steps: [self.a.row_step, self.a.column_step],
                    b,
                    b_step,
                    depth: depths.len(),
                    out: self.out.0.wrapping_add(row * self.pitch + column),
                    pitch: self.pitch,
                    rows: tall.min(rows.end - row),
                    columns: wide.min(columns.end - column),
                    bias: match self.start {
                        Start::Bias(bias) if is_first => bias[column..].as_ptr(),
                        _ => ptr::null(),
                    },
                    adds: !is_first || matches!(self.start, Start::Present),
                    low: if *is_last { self.low } else { f32::NEG_INFINITY },
                };
                // SAFETY: rows, columns and depth lie within the factors and the result, as `product` has checked, and the
                // processor has the instructions.
                unsafe { tiles::run(self.set, &tile) };
            }
        }
    }
}

/// Part of a result, and the part of the depth that is added to it.
struct Block {
    rows: Range<usize>,
    depths: Range<usize>,
    columns: Range<usize>,
    /// Whether the sums are complete with it.
    is_last: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(length: usize, seed: usize) -> Vec<f32> {
        (0..length)
            .map(|index| (((index + seed) * 7919) % 1009) as f32 / 504.5 - 1.0)
            .collect()
    }

    /// A matrix of these sizes among other numbers, transposed in memory or not.
    fn matrix(values: &[f32], [rows, columns]: [usize; 2], transposed: bool, gap: usize) -> Matrix<'_> {
        if transposed {
            Matrix::with_pitch(values, columns, rows, rows + gap).transposed()
        } else {
            Matrix::with_pitch(values, rows, columns, columns + gap)
        }
    }

    fn value(matrix: &Matrix<'_>, row: usize, column: usize) -> f32 {
        matrix.values[row * matrix.row_step + column * matrix.column_step]
    }

    const SIZES: [[usize; 3]; 14] = [
        [1, 1, 1],
        [1, 40, 9],
        [5, 3, 0],
        [14, 32, 16],
        [15, 33, 17],
        [29, 16, 1],
        [31, 10, 700],
        [64, 100, 64],
        [3, 300, 20],
        [30, 257, 19],
        [100, 7, 1030],
        [200, 64, 40],
        [40, 190, 60],
        [12, 31, 48],
    ];

    #[test]
    fn it_is_the_sum_of_products_on_every_instruction_set() {
        for (seed, [rows, columns, depth]) in SIZES.into_iter().enumerate() {
            let gap = seed % 3;
            let values = [
                numbers((rows + gap) * (depth + gap) + rows * depth, seed),
                numbers((columns + gap) * (depth + gap) + columns * depth, seed + 5),
            ];
            let bias = numbers(columns, seed + 9);
            for which in 0..12 {
                let a = matrix(&values[0], [rows, depth], which & 1 != 0, gap);
                let b = matrix(&values[1], [depth, columns], which & 2 != 0, gap);
                let start = [Start::Zero, Start::Bias(&bias), Start::Present][which / 4];
                let relu = seed % 2 == 1;
                let pitch = columns + gap;
                let before = numbers(rows * pitch, seed + 3);
                for set in InstructionSet::ALL.into_iter().filter(|set| set.is_available()) {
                    let mut out = before.clone();
                    product(set, &Product { a, b, start, relu }, &mut out, pitch);
                    for (place, &found) in out.iter().enumerate() {
                        let (row, column) = (place / pitch, place % pitch);
                        if column >= columns {
                            assert_eq!(found, before[place], "beside the result");
                            continue;
                        }
                        let first = match start {
                            Start::Zero => 0.0,
                            Start::Bias(bias) => f64::from(bias[column]),
                            Start::Present => f64::from(before[place]),
                        };
                        let (sum, size) = (0..depth).fold((first, first.abs()), |(sum, size), depth| {
                            let term = f64::from(value(&a, row, depth)) * f64::from(value(&b, depth, column));
                            (sum + term, size + term.abs())
                        });
                        let expected = if relu { sum.max(0.0) } else { sum };
                        assert!(
                            (f64::from(found) - expected).abs() < 4e-6 * size + 1e-7,
                            "{set} {rows} {columns} {depth} {which} at {row} {column}: {found} {expected}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn threads_change_no_bit() {
        for [rows, columns, depth] in [[300, 40, 100], [40, 300, 100], [70, 75, 300], [5, 2000, 90]] {
            let values = [numbers(rows * depth, 1), numbers(columns * depth, 2)];
            let a = Matrix::new(&values[0], rows, depth);
            let b = Matrix::new(&values[1], columns, depth).transposed();
            let on = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let mut out = vec![0.0; rows * columns];
                let start = Start::Zero;
                pool.install(|| {
                    let whole = Product {
                        a,
                        b,
                        start,
                        relu: false,
                    };
                    product(InstructionSet::best(), &whole, &mut out, columns);
                });
                out
            };
            let alone = on(1);
            assert!(
                on(2) == alone && on(3) == alone && on(7) == alone,
                "{rows} {columns} {depth}"
            );
        }
    }

    #[test]
    fn what_is_not_a_number_stays_visible() {
        let a = [1.0, f32::NAN, 0.0, 1.0];
        let b = [1.0; 32];
        for set in InstructionSet::ALL.into_iter().filter(|set| set.is_available()) {
            let mut out = [0.0; 32];
            let whole = Product {
                a: Matrix::new(&a, 2, 2),
                b: Matrix::new(&b, 2, 16),
                start: Start::Zero,
                relu: true,
            };
            product(set, &whole, &mut out, 16);
            assert!(
                out[..16].iter().all(|value| value.is_nan()) && out[16..] == [1.0; 16],
                "{set}"
            );
        }
    }
}
