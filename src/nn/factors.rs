//! Matrices taken apart.

use burn::tensor::{Device, Tensor, TensorData};

use super::network::numbers;

/// `A = U S V^T` of an `[m, n]` matrix, with `k = min(m, n)`.
#[derive(Debug, Clone, PartialEq)]
pub struct SingularValues {
    /// `U`: `[m, k]`, row by row.
    pub left: Vec<f32>,
    /// The diagonal of `S`, the largest first.
    pub values: Vec<f32>,
    /// `V^T`: `[k, n]`, row by row.
    pub right: Vec<f32>,
}

/// The matrix holds something that is not a finite number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the weights hold a value that is not a finite number")]
pub struct NotFinite;

/// Sweeps of the iteration, which takes two or three a value.
const SWEEPS: usize = 500;

/// The singular values of `values`, `[rows, columns]` row by row.
pub fn singular_values(values: &[f32], rows: usize, columns: usize) -> Result<SingularValues, NotFinite> {
    if !values.iter().all(|value| value.is_finite()) {
        return Err(NotFinite);
    }
    let matrix = TensorData::new(values.to_vec(), [rows, columns]);
    let matrix: Tensor<2> = Tensor::from_data(matrix, &Device::flex());
    let (left, diagonal, right) = burn::linalg::svd::<2, 1>(matrix, SWEEPS);
    Ok(SingularValues {
        left: numbers(left),
        values: numbers(diagonal),
        right: numbers(right),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_make_the_matrix() {
        for (rows, columns) in [(5, 3), (3, 5), (1, 4), (4, 4)] {
            let matrix: Vec<f32> = (0..rows * columns).map(|place| (place as f32 * 1.7).sin()).collect();
            let found = singular_values(&matrix, rows, columns).unwrap();
            let full = rows.min(columns);
            assert!(found.values.windows(2).all(|pair| pair[0] >= pair[1]));
            for row in 0..rows {
                for column in 0..columns {
                    let terms = (0..full)
                        .map(|k| found.left[row * full + k] * found.values[k] * found.right[k * columns + column]);
                    let sum: f32 = terms.sum();
                    assert!((sum - matrix[row * columns + column]).abs() < 1e-5);
                }
            }
        }
        assert_eq!(singular_values(&[1.0, f32::NAN], 1, 2), Err(NotFinite));
    }
}
