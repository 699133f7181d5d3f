//! Distillation: a student learns what a trained network answers beside what is true (Hinton et al. 2015).

use super::objective::Tally;
use crate::data::Targets;
use crate::nn::{Network, WeightError};
use crate::spec::{Device, ModelSpec, Weights};

/// A trained network and how much its word counts.
#[derive(Debug)]
pub struct Teacher {
    network: Network,
    /// By which both networks' logits are divided before their probabilities are compared.
    temperature: f64,
    /// Share of the loss that is the teacher's, 0 to 1.
    weight: f64,
}

impl Teacher {
    /// A network that is not trained any more, whose word counts `weight` of the loss.
    pub fn new(
        model: &ModelSpec,
        weights: &Weights,
        device: Device,
        temperature: f64,
        weight: f64,
    ) -> Result<Self, TeacherError> {
        let device = crate::nn::device(device)?;
        Ok(Self {
            network: Network::from_weights(model, weights, &device)?,
            temperature,
            weight,
        })
    }

    /// Its outputs for `rows` samples, row by row.
    pub fn outputs(&self, inputs: &[f32], rows: usize) -> Vec<f32> {
        self.network.predict(inputs.to_vec(), rows)
    }

    /// Blends the loss `part` and its `gradient` with respect to `outputs`, a part of a mean over `mass`, with the teacher's:
    /// of classes `T^2 KL(q || p)` with `q` and `p` the probabilities of both at the temperature `T`, whose gradient is
    /// `T (p - q)`; of numbers the squared error. Returns the blended loss.
    pub fn blend(
        &self,
        (outputs, taught): (&[f32], &[f32]),
        targets: &Targets,
        mass: f64,
        part: f64,
        gradient: &mut [f32],
        tally: &mut Tally,
    ) -> f64 {
        let mass = if mass > 0.0 { mass } else { 1.0 };
        let width = (outputs.len() / targets.len().max(1)).max(1);
        let own = 1.0 - self.weight;
        for value in gradient.iter_mut() {
            *value = (f64::from(*value) * own) as f32;
        }
        let rows = outputs.chunks_exact(width).zip(taught.chunks_exact(width));
        let mut sum = 0.0;
        for ((student, teacher), gradient) in rows.zip(gradient.chunks_exact_mut(width)) {
            if matches!(targets, Targets::Classes(_)) {
                let (p, q) = (softened(student, self.temperature), softened(teacher, self.temperature));
                for ((gradient, p), q) in gradient.iter_mut().zip(&p).zip(&q) {
                    let difference = q.exp() * (q - p);
                    sum += self.temperature * self.temperature * difference;
                    *gradient += (self.weight * self.temperature * (p.exp() - q.exp()) / mass) as f32;
                }
            } else {
                for ((gradient, student), teacher) in gradient.iter_mut().zip(student).zip(teacher) {
                    let error = f64::from(student - teacher);
                    sum += error * error / width as f64;
                    *gradient += (self.weight * 2.0 * error / (mass * width as f64)) as f32;
                }
            }
        }
        tally.blend(self.weight, sum);
        own * part + self.weight * sum / mass
    }
}

/// Logarithms of the probabilities at a temperature.
fn softened(logits: &[f32], temperature: f64) -> Vec<f64> {
    let scaled = logits.iter().map(|&logit| f64::from(logit) / temperature);
    let largest = scaled.clone().fold(f64::NEG_INFINITY, f64::max);
    let normaliser = scaled.clone().map(|logit| (logit - largest).exp()).sum::<f64>().ln();
    scaled.map(|logit| logit - largest - normaliser).collect()
}

/// A teacher that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum TeacherError {
    #[error(transparent)]
    Device(#[from] crate::nn::DeviceError),
    #[error(transparent)]
    Weights(#[from] WeightError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{LayerSpec, Shape};

    fn teacher(temperature: f64, weight: f64) -> Teacher {
        let model = ModelSpec {
            input: Shape::Features { features: 1 },
            layers: vec![LayerSpec::Dense { units: 3 }],
        };
        let mut weights = Weights::default();
        weights.push(0, "weight", vec![3, 1], vec![1.0, -2.0, 0.5]);
        weights.push(0, "bias", vec![3], vec![0.1, 0.0, -0.3]);
        Teacher::new(&model, &weights, Device::Flex, temperature, weight).unwrap()
    }

    fn blended(teacher: &Teacher, outputs: &[f32], targets: &Targets) -> (f64, Vec<f32>) {
        let taught = teacher.outputs(&[0.7, -1.2], 2);
        let mut gradient = vec![0.0; outputs.len()];
        let mut tally = Tally::default();
        let loss = teacher.blend((outputs, &taught), targets, 2.0, 0.0, &mut gradient, &mut tally);
        (loss, gradient)
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        const STEP: f32 = 1e-2;
        let classes = Targets::Classes(vec![0, 2]);
        let values = Targets::Values {
            values: vec![0.0; 6],
            width: 3,
        };
        for (targets, temperature) in [(&classes, 1.0), (&classes, 4.0), (&values, 4.0)] {
            let teacher = teacher(temperature, 0.7);
            let outputs = [0.3_f32, -0.2, 1.0, 0.4, 2.0, -1.0];
            let (_, gradient) = blended(&teacher, &outputs, targets);
            for place in 0..outputs.len() {
                let at = |step: f32| {
                    let mut moved = outputs;
                    moved[place] += step;
                    blended(&teacher, &moved, targets).0
                };
                let slope = (at(STEP) - at(-STEP)) / f64::from(2.0 * STEP);
                assert!(
                    (slope - f64::from(gradient[place])).abs() < 1e-4,
                    "{slope} {}",
                    gradient[place]
                );
            }
        }
    }

    #[test]
    fn an_equal_student_has_nothing_to_learn_and_the_truth_keeps_its_share() {
        let teacher = teacher(2.0, 0.75);
        let outputs = teacher.outputs(&[0.7, -1.2], 2);
        let mut gradient = vec![1.0; 6];
        let mut tally = Tally::default();
        let targets = Targets::Classes(vec![0, 1]);
        let loss = teacher.blend((&outputs, &outputs), &targets, 2.0, 8.0, &mut gradient, &mut tally);
        assert!((loss - 2.0).abs() < 1e-9);
        assert!(gradient.iter().all(|value| (value - 0.25).abs() < 1e-6), "{gradient:?}");
    }
}
