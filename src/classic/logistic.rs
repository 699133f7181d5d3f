//! Multinomial logistic regression by limited-memory BFGS.

use std::collections::VecDeque;

use rayon::prelude::*;

use super::linear::Linear;
use super::{Lesson, Proceed, dot};
use crate::spec::Failure;

const MOST_ITERATIONS: usize = 200;
/// Steps remembered for the curvature.
const MEMORY: usize = 10;
/// Rows whose sums are kept in 32 bits.
const ROWS_AT_A_TIME: usize = 256;

/// Minimises `sum of cross entropies + penalty / 2 |W|^2`, the bias left free, over softmax of `W x + b` (Liu and Nocedal 1989
/// for the method). Ends when no slope is above 1e-4 a row, when nothing is gained, or after 200 steps.
pub fn fit(lesson: &Lesson<'_>, penalty: f64, proceed: &mut Proceed<'_>) -> Result<Option<Linear>, Failure> {
    let Some(classes) = lesson.classes() else {
        return Err(Failure::new(
            "model.architecture",
            "logistic regression answers with classes, and this task asks for numbers",
            "use ridge",
        ));
    };
    let objective = Objective {
        inputs: lesson.inputs,
        outputs: lesson.outputs,
        samples: &lesson.samples,
        classes,
        penalty,
    };
    let tolerance = 1e-4 * lesson.rows() as f64;
    let mut point = vec![0.0; lesson.outputs * (lesson.inputs + 1)];
    let (mut value, mut gradient) = objective.at(&point);
    let mut past: VecDeque<(Vec<f64>, Vec<f64>)> = VecDeque::new();
    for iteration in 0..MOST_ITERATIONS {
        if !proceed(iteration, MOST_ITERATIONS)? {
            return Ok(None);
        }
        if gradient.iter().all(|slope| slope.abs() <= tolerance) {
            break;
        }
        let direction = direction(&gradient, &past);
        let slope = product(&gradient, &direction);
        // The first direction has no scale yet.
        let mut length = if past.is_empty() {
            1.0 / product(&gradient, &gradient).sqrt().max(1.0)
        } else {
            1.0
        };
        let mut found = None;
        for _ in 0..30 {
            let next: Vec<f64> = point
                .iter()
                .zip(&direction)
                .map(|(at, step)| at + length * step)
                .collect();
            let (next_value, next_gradient) = objective.at(&next);
            // Armijo's condition.
            if next_value <= value + 1e-4 * length * slope {
                found = Some((next, next_value, next_gradient));
                break;
            }
            length *= 0.5;
        }
        let Some((next, next_value, next_gradient)) = found else {
            break;
        };
        let step: Vec<f64> = next.iter().zip(&point).map(|(a, b)| a - b).collect();
        let change: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        if product(&step, &change) > 1e-12 * product(&change, &change) {
            past.push_back((step, change));
            if past.len() > MEMORY {
                past.pop_front();
            }
        }
        let gain = value - next_value;
        (point, value, gradient) = (next, next_value, next_gradient);
        if gain <= 1e-7 * value.abs() {
            break;
        }
    }
    let (weights, biases) = point.split_at(lesson.outputs * lesson.inputs);
    let narrow = |values: &[f64]| values.iter().map(|&value| value as f32).collect();
    Ok(Some(Linear {
        weights: narrow(weights),
        biases: narrow(biases),
        is_shares: false,
    }))
}

/// Downhill, by the curvature of the past steps: the two loops of Nocedal 1980.
fn direction(gradient: &[f64], past: &VecDeque<(Vec<f64>, Vec<f64>)>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|slope| -slope).collect();
    let mut shares = Vec::with_capacity(past.len());
    for (step, change) in past.iter().rev() {
        let share = product(step, &direction) / product(step, change);
        add(&mut direction, -share, change);
        shares.push(share);
    }
    if let Some((step, change)) = past.back() {
        let scale = product(step, change) / product(change, change);
        for value in &mut direction {
            *value *= scale;
        }
    }
    for ((step, change), share) in past.iter().zip(shares.iter().rev()) {
        let own = product(change, &direction) / product(step, change);
        add(&mut direction, share - own, step);
    }
    direction
}

fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(to: &mut [f64], factor: f64, values: &[f64]) {
    for (to, value) in to.iter_mut().zip(values) {
        *to += factor * value;
    }
}

struct Objective<'a> {
    inputs: usize,
    outputs: usize,
    samples: &'a [f32],
    classes: &'a [u32],
    penalty: f64,
}

impl Objective<'_> {
    /// Value and gradient at weights (`outputs x inputs`) and biases, one after the other. Threads take blocks of rows whose sums
    /// are added in the order of the rows, so that their number does not matter.
    fn at(&self, point: &[f64]) -> (f64, Vec<f64>) {
        let narrow: Vec<f32> = point.iter().map(|&value| value as f32).collect();
        let mut gradient = vec![0.0; point.len()];
        let mut value = 0.0;
        // So many blocks at once that their sums stay small beside the samples.
        let rows = ROWS_AT_A_TIME * 16;
        for (samples, classes) in self
            .samples
            .chunks(rows * self.inputs.max(1))
            .zip(self.classes.chunks(rows))
        {
            let parts: Vec<(f64, Vec<f32>)> = samples
                .par_chunks(ROWS_AT_A_TIME * self.inputs.max(1))
                .zip(classes.par_chunks(ROWS_AT_A_TIME))
                .map(|(samples, classes)| self.block(&narrow, samples, classes))
                .collect();
            for (loss, slopes) in parts {
                value += loss;
                for (sum, slope) in gradient.iter_mut().zip(slopes) {
                    *sum += f64::from(slope);
                }
            }
        }
        let weights = &point[..self.outputs * self.inputs];
        value += 0.5 * self.penalty * product(weights, weights);
        add(&mut gradient[..weights.len()], self.penalty, weights);
        (value, gradient)
    }

    fn block(&self, point: &[f32], samples: &[f32], classes: &[u32]) -> (f64, Vec<f32>) {
        let (weights, biases) = point.split_at(self.outputs * self.inputs);
        let mut slopes = vec![0.0_f32; point.len()];
        let mut loss = 0.0;
        let mut logits = vec![0.0_f32; self.outputs];
        for (sample, &class) in samples.chunks_exact(self.inputs.max(1)).zip(classes) {
            let rows = weights.chunks_exact(self.inputs.max(1));
            for ((logit, weights), bias) in logits.iter_mut().zip(rows).zip(biases) {
                *logit = dot(weights, sample) + bias;
            }
            let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f64 = logits.iter().map(|&logit| f64::from(logit - largest).exp()).sum();
            loss += sum.ln() - f64::from(logits[class as usize] - largest);
            let (weight_slopes, bias_slopes) = slopes.split_at_mut(weights.len());
            let rows = weight_slopes.chunks_exact_mut(self.inputs.max(1));
            for (output, (slopes, bias)) in rows.zip(bias_slopes).enumerate() {
                let probability = (f64::from(logits[output] - largest).exp() / sum) as f32;
                let error = probability - f32::from(output == class as usize);
                *bias += error;
                for (slope, input) in slopes.iter_mut().zip(sample) {
                    *slope += error * input;
                }
            }
        }
        (loss, slopes)
    }
}
