//! Sums over the rows of a matrix: what a bias learns from.
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

/// The sum of each column of a matrix whose rows lie one behind the other, from the first row to the last.
pub fn column_sums(set: InstructionSet, values: &[f32], columns: usize) -> Vec<f32> {
    let mut sums = vec![0.0; columns];
    if columns == 0 {
        return sums;
    }
    let block = |(place, sums): (usize, &mut [f32])| {
        run(
            set,
            Part {
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
struct Part<'a> {
    values: &'a [f32],
    columns: usize,
    first: usize,
    sums: &'a mut [f32],
}

impl Work for Part<'_> {
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
