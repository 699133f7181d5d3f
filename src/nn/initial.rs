//! The first weights of a run.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use crate::spec::{ActivationKind, Initialiser, LayerSpec, ModelSpec, Placed, ShapeError, Weights, stream};

/// Deviation of learned positions and of the class token (Dosovitskiy et al. 2021).
const PLACE_DEVIATION: f64 = 0.02;

/// All tensors of `model` before the first step; each layer draws from a stream of its own.
pub fn initial(model: &ModelSpec, initialiser: Initialiser, seed: u64) -> Result<Weights, ShapeError> {
    let mut weights = Weights::default();
    for placed in model.walk()? {
        let mut generator = stream(seed, "weights", placed.index as u64);
        let gain = gain(&model.layers[placed.index + 1..]);
        for (part, shape) in placed.tensors() {
            let data = tensor(&placed, part, &shape, (initialiser, gain), &mut generator);
            weights.push(placed.index, part, shape, data);
        }
    }
    Ok(weights)
}

fn tensor(
    placed: &Placed,
    part: &str,
    shape: &[usize],
    (initialiser, gain): (Initialiser, f64),
    generator: &mut ChaCha8Rng,
) -> Vec<f32> {
    let length = shape.iter().product();
    match placed.layer {
        LayerSpec::Dense { .. }
        | LayerSpec::Conv2d { .. }
        | LayerSpec::DepthwiseConv2d { .. }
        | LayerSpec::Conv1d { .. }
        | LayerSpec::Sum
            if part == "weight" =>
        {
            let receptive: usize = shape[2..].iter().product();
            let [rows, inputs] = [shape[0], length / shape[0]];
            match initialiser {
                Initialiser::Kaiming => uniform(length, (3.0 * gain / inputs as f64).sqrt(), generator),
                Initialiser::Xavier => {
                    // Each channel of a depth-wise convolution is a layer of one filter.
                    let is_depthwise = matches!(placed.layer, LayerSpec::DepthwiseConv2d { .. });
                    let outputs = if is_depthwise { receptive } else { rows * receptive };
                    uniform(length, glorot(inputs, outputs), generator)
                }
                Initialiser::Orthogonal => {
                    let scale = gain.sqrt() as f32;
                    let mut matrix = orthogonal(rows, inputs, generator);
                    for value in &mut matrix {
                        *value *= scale;
                    }
                    matrix
                }
            }
        }
        LayerSpec::Recurrent { cell, units, .. } => match initialiser {
            Initialiser::Kaiming => uniform(length, 1.0 / (units as f64).sqrt(), generator),
            _ if part.starts_with("bias") => vec![0.0; length],
            _ => blocks(cell.gates(), units, shape[1], initialiser, generator),
        },
        LayerSpec::SelfAttention { .. } if part.ends_with("weight") => match initialiser {
            Initialiser::Orthogonal => {
                let count = if part.starts_with("in_proj") { 3 } else { 1 };
                blocks(count, shape[0] / count, shape[1], initialiser, generator)
            }
            // PyTorch takes query, key and value for one matrix.
            _ => uniform(length, glorot(shape[1], shape[0]), generator),
        },
        LayerSpec::Embedding { dimensions } => {
            // Vectors of about length 1; the first stands for padding.
            let mut rows = normal(length, 1.0 / (dimensions as f64).sqrt(), generator);
            rows[..dimensions.min(length)].fill(0.0);
            rows
        }
        LayerSpec::Positions { .. } | LayerSpec::ClassToken => normal(length, PLACE_DEVIATION, generator),
        LayerSpec::BatchNorm if matches!(part, "weight" | "running_var") => vec![1.0; length],
        LayerSpec::LayerNorm if part == "weight" => vec![1.0; length],
        _ => vec![0.0; length],
    }
}

/// 2 when an activation that cuts comes before the next layer with weights, else 1.
fn gain(following: &[LayerSpec]) -> f64 {
    let next = following.iter().find(|layer| {
        matches!(
            layer,
            LayerSpec::Activation { .. }
                | LayerSpec::Dense { .. }
                | LayerSpec::Conv2d { .. }
                | LayerSpec::DepthwiseConv2d { .. }
                | LayerSpec::Conv1d { .. }
                | LayerSpec::Recurrent { .. }
                | LayerSpec::SelfAttention { .. }
        )
    });
    match next {
        Some(LayerSpec::Activation { function }) if *function != ActivationKind::Tanh => 2.0,
        _ => 1.0,
    }
}

/// Bound of a uniform draw with variance `2 / (inputs + outputs)` (Glorot and Bengio 2010).
fn glorot(inputs: usize, outputs: usize) -> f64 {
    (6.0 / (inputs + outputs) as f64).sqrt()
}

/// Matrices `rows x columns` below each other, each drawn by itself.
fn blocks(count: usize, rows: usize, columns: usize, initialiser: Initialiser, generator: &mut ChaCha8Rng) -> Vec<f32> {
    let block = |generator: &mut ChaCha8Rng| match initialiser {
        Initialiser::Orthogonal => orthogonal(rows, columns, generator),
        _ => uniform(rows * columns, glorot(columns, rows), generator),
    };
    (0..count).flat_map(|_| block(generator)).collect()
}

fn uniform(length: usize, bound: f64, generator: &mut impl Rng) -> Vec<f32> {
    (0..length)
        .map(|_| ((f64::from(generator.next_u32()) / f64::from(u32::MAX) * 2.0 - 1.0) * bound) as f32)
        .collect()
}

/// By the method of Box and Muller (1958).
fn normal(length: usize, deviation: f64, generator: &mut impl Rng) -> Vec<f32> {
    let mut unit = || (f64::from(generator.next_u32()) + 1.0) / (f64::from(u32::MAX) + 1.0);
    (0..length)
        .map(|_| {
            let (radius, angle) = (unit(), unit());
            ((-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos() * deviation) as f32
        })
        .collect()
}

/// Rows of length 1 at right angles to each other, or columns where there are fewer of them (Saxe et al. 2014), by the method of
/// Gram and Schmidt.
fn orthogonal(rows: usize, columns: usize, generator: &mut impl Rng) -> Vec<f32> {
    let (count, length) = (rows.min(columns), rows.max(columns));
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(count);
    while basis.len() < count {
        let mut vector: Vec<f64> = normal(length, 1.0, generator).into_iter().map(f64::from).collect();
        // Twice, as once leaves rounding errors.
        for _ in 0..2 {
            for other in &basis {
                let along: f64 = vector.iter().zip(other).map(|(a, b)| a * b).sum();
                vector.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
            }
        }
        let norm = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
        if norm > 1e-6 {
            for value in &mut vector {
                *value /= norm;
            }
            basis.push(vector);
        }
    }
    let at = |row: usize, column: usize| {
        if rows <= columns {
            basis[row][column]
        } else {
            basis[column][row]
        }
    };
    (0..rows)
        .flat_map(|row| (0..columns).map(move |column| (row, column)))
        .map(|(row, column)| at(row, column) as f32)
        .collect()
}
