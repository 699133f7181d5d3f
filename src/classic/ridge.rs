//! Ridge regression in closed form, of all targets at once; of classes it makes a straight line for each one's share.

use rayon::prelude::*;

use super::linear::Linear;
use super::{Lesson, Proceed, dot};
use crate::spec::Failure;

/// Rows of the matrix of products between two looks at whether to go on.
const ROWS_AT_A_TIME: usize = 32;

/// `w = (X'X + penalty I)^-1 X'y` over centred columns (Hoerl and Kennard 1970), or, with fewer rows than inputs, the same by
/// `w = X'(XX' + penalty I)^-1 y`. The bias is not penalised.
pub fn fit(lesson: &Lesson<'_>, penalty: f64, proceed: &mut Proceed<'_>) -> Result<Option<Linear>, Failure> {
    let (rows, inputs, outputs) = (lesson.rows(), lesson.inputs, lesson.outputs);
    let all = &lesson.samples;
    let means: Vec<f64> = (0..inputs)
        .map(|input| mean(all.iter().skip(input).step_by(inputs).copied(), rows))
        .collect();
    let target_means: Vec<f64> = (0..outputs)
        .map(|output| mean((0..rows).map(|row| lesson.target(row, output)), rows))
        .collect();
    let by_rows = rows < inputs;
    // The vectors of which all products are taken: columns of the data, or rows of it.
    let (count, length) = if by_rows { (rows, inputs) } else { (inputs, rows) };
    let mut vectors = vec![0.0_f32; count * length];
    for (row, sample) in all.chunks_exact(inputs.max(1)).enumerate() {
        for (input, &value) in sample.iter().enumerate() {
            let place = if by_rows {
                row * inputs + input
            } else {
                input * rows + row
            };
            vectors[place] = (f64::from(value) - means[input]) as f32;
        }
    }
    let Some(mut products) = gram(&vectors, count, length, proceed)? else {
        return Ok(None);
    };
    for place in 0..count {
        products[place * count + place] += penalty;
    }
    if !factor(&mut products, count) {
        return Err(Failure::new(
            "model.penalty",
            "some inputs are sums of others, so that the weights are not determined",
            "use a penalty above 0, such as 1",
        ));
    }
    let mut weights = Vec::with_capacity(outputs * inputs);
    let mut biases = Vec::with_capacity(outputs);
    for (output, target_mean) in target_means.iter().enumerate() {
        let target = |row| f64::from(lesson.target(row, output)) - target_mean;
        let own: Vec<f64> = if by_rows {
            let mut shares: Vec<f64> = (0..rows).map(target).collect();
            solve(&products, count, &mut shares);
            let column = |input: usize| vectors.iter().skip(input).step_by(inputs);
            let sum = |input| {
                column(input)
                    .zip(&shares)
                    .map(|(&value, share)| f64::from(value) * share)
                    .sum()
            };
            (0..inputs).map(sum).collect()
        } else {
            let sum = |vector: &[f32]| {
                vector
                    .iter()
                    .enumerate()
                    .map(|(row, &value)| f64::from(value) * target(row))
                    .sum()
            };
            let mut own: Vec<f64> = vectors.chunks_exact(length.max(1)).map(sum).collect();
            solve(&products, count, &mut own);
            own
        };
        let at_mean: f64 = own.iter().zip(&means).map(|(weight, mean)| weight * mean).sum();
        biases.push((target_mean - at_mean) as f32);
        weights.extend(own.iter().map(|&weight| weight as f32));
    }
    Ok(Some(Linear {
        weights,
        biases,
        is_shares: lesson.classes().is_some(),
    }))
}

fn mean(values: impl Iterator<Item = f32>, rows: usize) -> f64 {
    values.map(f64::from).sum::<f64>() / rows.max(1) as f64
}

/// The products of all pairs of vectors, `count x count`; the upper triangle is left at 0.
fn gram(vectors: &[f32], count: usize, length: usize, proceed: &mut Proceed<'_>) -> Result<Option<Vec<f64>>, Failure> {
    // Sums of so many products are exact enough in 32 bits; these are summed in 64.
    const BLOCK: usize = 512;
    let vector = |place: usize| &vectors[place * length..(place + 1) * length];
    let product = |a: usize, b: usize| -> f64 {
        let blocks = vector(a).chunks(BLOCK).zip(vector(b).chunks(BLOCK));
        blocks.map(|(a, b)| f64::from(dot(a, b))).sum()
    };
    let mut products = vec![0.0; count * count];
    for (part, rows) in products.chunks_mut(ROWS_AT_A_TIME * count.max(1)).enumerate() {
        if !proceed((part * ROWS_AT_A_TIME).min(count), count)? {
            return Ok(None);
        }
        rows.par_chunks_mut(count.max(1)).enumerate().for_each(|(place, row)| {
            let a = part * ROWS_AT_A_TIME + place;
            for (b, entry) in row.iter_mut().take(a + 1).enumerate() {
                *entry = product(a, b);
            }
        });
    }
    Ok(Some(products))
}

/// Cholesky: the lower triangle of a symmetric matrix becomes that of its factor. False where the matrix is not positive definite.
fn factor(matrix: &mut [f64], size: usize) -> bool {
    let largest = (0..size).map(|place| matrix[place * size + place]).fold(0.0, f64::max);
    for row in 0..size {
        let (above, own) = matrix.split_at_mut(row * size);
        for column in 0..row {
            let other = &above[column * size..=column * size + column];
            let sum: f64 = own[..column].iter().zip(other).map(|(a, b)| a * b).sum();
            own[column] = (own[column] - sum) / other[column];
        }
        let rest = own[row] - own[..row].iter().map(|value| value * value).sum::<f64>();
        if rest <= largest * 1e-6 {
            return false;
        }
        own[row] = rest.sqrt();
    }
    true
}

/// Solves `L L' x = b` in place of `b`.
fn solve(factor: &[f64], size: usize, values: &mut [f64]) {
    for row in 0..size {
        let own = &factor[row * size..=row * size + row];
        let sum: f64 = own[..row].iter().zip(&*values).map(|(a, b)| a * b).sum();
        values[row] = (values[row] - sum) / own[row];
    }
    for row in (0..size).rev() {
        values[row] /= factor[row * size + row];
        let value = values[row];
        for column in 0..row {
            values[column] -= factor[row * size + column] * value;
        }
    }
}
