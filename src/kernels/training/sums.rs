//! Sums: of what functions make of numbers, and over the rows of a matrix, from which a bias learns.
#![expect(
    clippy::inline_always,
    reason = "what is not inlined is compiled for the plainest processor"
)]

use super::super::InstructionSet;
use super::super::lanes::{Work, run};
use super::parts::each;

/// Columns that are summed at once, in registers.
const BLOCK: usize = 64;
/// Values above which another thread is worth waking.
const WORTH_A_THREAD: usize = 1 << 17;

/// The sum of what `map`, which must be `#[inline(always)]`, makes of the numbers at each place of slices as long as the first: in sixteen
/// lanes that are joined last, in the same order on every processor.
#[inline(always)]
pub(super) fn total<const K: usize>(slices: [&[f32]; K], map: impl Fn([f32; K]) -> f32) -> f32 {
    const LANES: usize = 16;
    let length = slices[0].len();
    let whole = length / LANES * LANES;
    let mut lanes = [0.0_f32; LANES];
    let slices = slices.map(|slice| &slice[..length]);
    for first in (0..whole).step_by(LANES) {
        for (lane, sum) in lanes.iter_mut().enumerate() {
            *sum += map(slices.map(|slice| slice[first + lane]));
        }
    }
    for (lane, place) in (whole..length).enumerate() {
        lanes[lane] += map(slices.map(|slice| slice[place]));
    }
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
    }
    lanes[0]
}

/// The sum of each column of a matrix whose rows lie one behind the other, from the first row to the last.
pub fn column_sums(set: InstructionSet, values: &[f32], columns: usize) -> Vec<f32> {
    let mut sums = vec![0.0; columns];
    if columns == 0 {
        return sums;
    }
    let block = |(place, sums): (usize, &mut [f32])| {
        run(
            set,
            Sums {
                values,
                columns,
                first: place * BLOCK,
                sums,
            },
        );
    };
    each(sums.chunks_mut(BLOCK).enumerate(), values.len() > WORTH_A_THREAD, block);
    sums
}

/// The sums of a few columns.
struct Sums<'a> {
    values: &'a [f32],
    columns: usize,
    first: usize,
    sums: &'a mut [f32],
}

impl Work for Sums<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let count = self.sums.len();
        let mut sums = [0.0_f32; BLOCK];
        for row in self.values.chunks_exact(self.columns) {
            match row[self.first..].first_chunk::<BLOCK>() {
                Some(row) => {
                    for (sum, value) in sums.iter_mut().zip(row) {
                        *sum += value;
                    }
                }
                None => {
                    for (sum, value) in sums.iter_mut().zip(&row[self.first..]) {
                        *sum += value;
                    }
                }
            }
        }
        self.sums.copy_from_slice(&sums[..count]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_the_sums_of_the_columns() {
        for [rows, columns] in [[0, 3], [1, 1], [7, 10], [100, 64], [33, 200], [1500, 130]] {
            let values: Vec<f32> = (0..rows * columns)
                .map(|place| (place * 7919 % 101) as f32 / 50.0 - 1.0)
                .collect();
            for set in InstructionSet::ALL.into_iter().filter(|set| set.is_available()) {
                for (column, found) in column_sums(set, &values, columns).into_iter().enumerate() {
                    let expected: f32 = (0..rows).map(|row| values[row * columns + column]).sum();
                    assert_eq!(found, expected, "{set} {rows} {columns} {column}");
                }
            }
        }
    }
}
