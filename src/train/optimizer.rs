//! The optimizers, over plain slices: one pass over parameter, gradient and state, and a state that a checkpoint can hold
//! exactly. The formulas are `PyTorch`'s.

use crate::spec::{OptimizerKind, TrainConfig};

/// Decay of Adam's first and second moment (Kingma and Ba 2015).
const BETAS: [f64; 2] = [0.9, 0.999];
const EPSILON: f32 = 1e-8;
/// More values than this are divided between threads.
const CHUNK: usize = 1 << 14;

/// SGD with momentum, Adam, or Adam with decoupled weight decay (`AdamW`: Loshchilov and Hutter 2019).
#[derive(Debug, Clone, PartialEq)]
pub struct Optimizer {
    kind: OptimizerKind,
    momentum: f64,
    weight_decay: f64,
    /// For each value kept per weight (the momentum, or the two moments), one list a parameter.
    pub slots: Vec<Vec<Vec<f32>>>,
}

/// One step's numbers, the same for every parameter.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    kind: OptimizerKind,
    /// Of the gradient, from clipping.
    scale: f32,
    rate: f32,
    momentum: f32,
    /// Added to the gradient for each weight.
    penalty: f32,
    /// Factor of each weight.
    shrink: f32,
    /// Square root of the bias correction of the second moment.
    root: f32,
}

impl Optimizer {
    /// For parameters of these lengths, in the order of the network.
    pub fn new(config: &TrainConfig, lengths: &[usize]) -> Self {
        let slot = || lengths.iter().map(|&length| vec![0.0; length]).collect();
        Self {
            kind: config.optimizer,
            momentum: config.momentum,
            weight_decay: config.weight_decay,
            slots: (0..config.optimizer_slots()).map(|_| slot()).collect(),
        }
    }

    /// The rule of step `step`, counted from 0, with the gradients multiplied by `scale`.
    pub fn rule(&self, step: usize, learning_rate: f64, scale: f64) -> Rule {
        let [correct1, correct2] = BETAS.map(|beta| 1.0 - beta.powf(step as f64 + 1.0));
        let decoupled = self.kind == OptimizerKind::AdamW;
        let rate = if self.kind == OptimizerKind::Sgd {
            learning_rate
        } else {
            learning_rate / correct1
        };
        Rule {
            kind: self.kind,
            scale: scale as f32,
            rate: rate as f32,
            momentum: self.momentum as f32,
            penalty: if decoupled { 0.0 } else { self.weight_decay as f32 },
            shrink: if decoupled {
                (1.0 - learning_rate * self.weight_decay) as f32
            } else {
                1.0
            },
            root: correct2.sqrt() as f32,
        }
    }

    /// Moves the parameter at `index` by `rule` against its gradient.
    pub fn update(&mut self, rule: &Rule, index: usize, parameter: &mut [f32], gradient: &[f32]) {
        let [first, second] = match &mut self.slots[..] {
            [first, second] => [&mut first[index][..], &mut second[index][..]],
            [velocity] => [&mut velocity[index][..], &mut []],
            _ => [&mut [][..], &mut []],
        };
        rule.apply(parameter, gradient, first, second);
    }
}

impl Rule {
    /// `first` and `second` are empty where the optimizer keeps no such value.
    fn apply(&self, parameter: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]) {
        if parameter.len() > CHUNK {
            let middle = parameter.len() / 2;
            let (parameter, parameters) = parameter.split_at_mut(middle);
            let (gradient, gradients) = gradient.split_at(middle);
            let (first, firsts) = first.split_at_mut(middle.min(first.len()));
            let (second, seconds) = second.split_at_mut(middle.min(second.len()));
            rayon::join(
                || self.apply(parameter, gradient, first, second),
                || self.apply(parameters, gradients, firsts, seconds),
            );
            return;
        }
        let values = parameter.iter_mut().zip(gradient);
        match self.kind {
            OptimizerKind::Adam | OptimizerKind::AdamW => {
                let [keep1, keep2] = BETAS.map(|beta| beta as f32);
                let [take1, take2] = BETAS.map(|beta| (1.0 - beta) as f32);
                for ((p, g), (m, v)) in values.zip(first.iter_mut().zip(second)) {
                    let g = g * self.scale + self.penalty * *p;
                    *m = keep1 * *m + take1 * g;
                    *v = keep2 * *v + take2 * g * g;
                    *p = *p * self.shrink - self.rate * *m / (v.sqrt() / self.root + EPSILON);
                }
            }
            OptimizerKind::RmsProp | OptimizerKind::AdaGrad | OptimizerKind::Lion | OptimizerKind::Lamb => {}
            OptimizerKind::Sgd if first.is_empty() => {
                for (p, g) in values {
                    *p -= self.rate * (g * self.scale + self.penalty * *p);
                }
            }
            OptimizerKind::Sgd => {
                for ((p, g), v) in values.zip(first) {
                    *v = self.momentum * *v + (g * self.scale + self.penalty * *p);
                    *p -= self.rate * *v;
                }
            }
        }
    }
}

/// L2 norm over all gradients together.
pub fn global_norm(gradients: &[Vec<f32>]) -> f64 {
    gradients.iter().map(|gradient| squares(gradient)).sum::<f64>().sqrt()
}

/// Factor that brings a norm down to `limit`, as `torch.nn.utils.clip_grad_norm_` has it; 1 without a limit.
pub fn clip_factor(norm: f64, limit: Option<f64>) -> f64 {
    limit.map_or(1.0, |limit| (limit / (norm + 1e-6)).min(1.0))
}

/// Eight sums side by side, which the compiler turns into vector instructions.
fn squares(values: &[f32]) -> f64 {
    let mut sums = [0.0_f64; 8];
    let eights = values.chunks_exact(8);
    let rest: f64 = eights.remainder().iter().map(|&value| f64::from(value).powi(2)).sum();
    for eight in eights {
        for (sum, &value) in sums.iter_mut().zip(eight) {
            *sum += f64::from(value) * f64::from(value);
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The update of one weight as the documentation of `torch.optim` writes it, in double precision.
    fn reference(config: &TrainConfig, gradients: &[f64], rate: f64, mut weight: f64) -> f64 {
        let (mut m, mut v) = (0.0, 0.0);
        for (t, &g) in (1..).zip(gradients) {
            let decay = config.weight_decay;
            match config.optimizer {
                OptimizerKind::Sgd => {
                    m = config.momentum * m + g + decay * weight;
                    weight -= rate * m;
                }
                kind => {
                    let mut g = g;
                    if kind == OptimizerKind::AdamW {
                        weight -= rate * decay * weight;
                    } else {
                        g += decay * weight;
                    }
                    m = 0.9 * m + 0.1 * g;
                    v = 0.999 * v + 0.001 * g * g;
                    let corrected = (m / (1.0 - 0.9_f64.powi(t)), v / (1.0 - 0.999_f64.powi(t)));
                    weight -= rate * corrected.0 / (corrected.1.sqrt() + 1e-8);
                }
            }
        }
        weight
    }

    #[test]
    fn every_optimizer_follows_its_formula() {
        for (optimizer, momentum, weight_decay) in [
            (OptimizerKind::Sgd, 0.0, 0.0),
            (OptimizerKind::Sgd, 0.9, 0.01),
            (OptimizerKind::Adam, 0.9, 0.0),
            (OptimizerKind::Adam, 0.9, 0.1),
            (OptimizerKind::AdamW, 0.9, 0.1),
        ] {
            let config = TrainConfig {
                optimizer,
                momentum,
                weight_decay,
                ..TrainConfig::default()
            };
            let gradients = [0.5, -0.25, 0.125, 1.0, -2.0, 0.001];
            let expected = reference(&config, &gradients, 0.1, 0.7);
            // More than one chunk, so that the division between threads is covered.
            let length = CHUNK + 3;
            let mut rule_of = Optimizer::new(&config, &[1, length]);
            let (mut one, mut many) = (vec![0.7], vec![0.7; length]);
            for (step, &gradient) in gradients.iter().enumerate() {
                let rule = rule_of.rule(step, 0.1, 0.5);
                rule_of.update(&rule, 0, &mut one, &[2.0 * gradient as f32]);
                rule_of.update(&rule, 1, &mut many, &vec![2.0 * gradient as f32; length]);
            }
            assert!(
                (f64::from(one[0]) - expected).abs() < 2e-6,
                "{optimizer:?} {} {expected}",
                one[0]
            );
            assert!(many.iter().all(|&value| value == one[0]));
        }
    }

    #[test]
    fn the_first_step_of_adam_is_the_learning_rate() {
        let mut adam = Optimizer::new(&TrainConfig::default(), &[2]);
        let mut weights = vec![1.0, 1.0];
        let rule = adam.rule(0, 0.01, 1.0);
        adam.update(&rule, 0, &mut weights, &[3.0, -1e-3]);
        assert!((weights[0] - 0.99).abs() < 1e-6 && (weights[1] - 1.01).abs() < 1e-6);
    }

    #[test]
    fn clipping_brings_the_global_norm_to_its_limit() {
        let gradients = vec![vec![3.0; 9], vec![4.0; 9], vec![0.0]];
        let norm = global_norm(&gradients);
        assert!((norm - 15.0).abs() < 1e-12);
        assert!((clip_factor(norm, Some(5.0)) * norm - 5.0).abs() < 1e-5);
        assert_eq!((clip_factor(norm, Some(20.0)), clip_factor(norm, None)), (1.0, 1.0));
    }
}
