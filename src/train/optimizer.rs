//! The optimizers, over plain slices: one pass over parameter, gradient and state, and a state that a checkpoint can hold
//! exactly. The formulas are `PyTorch`'s; Lion and LAMB, which it lacks, follow their papers.

use crate::kernels::InstructionSet;
use crate::kernels::training::{Adam, adam};
use crate::nn::Parameter;
use crate::spec::{OptimizerKind, TrainConfig};

/// Decay of Adam's first and second moment (Kingma and Ba 2015).
const BETAS: [f64; 2] = [0.9, 0.999];
/// Of Lion: what of the momentum is in a step, and what of it is kept (Chen et al. 2023).
const LION_BETAS: [f32; 2] = [0.9, 0.99];
/// Decay of `RMSprop`'s mean square.
const ALPHA: f32 = 0.99;
const EPSILON: f32 = 1e-8;
const ADAGRAD_EPSILON: f32 = 1e-10;
const LAMB_EPSILON: f32 = 1e-6;
/// More values than this are divided between threads.
const CHUNK: usize = 1 << 14;

/// All of [`OptimizerKind`], with two groups of parameters: those that decay, and those that do not.
///
/// An L2 penalty is added to the gradient; decoupled decay shrinks the weight (Loshchilov and Hutter 2019). The L1 penalty is a
/// step of its own that moves a weight by at most `rate * l1` towards zero, and no further (Duchi and Singer 2009), so that
/// small weights become exactly zero under every optimizer. The first group gets all three, and LAMB's trust ratio.
#[derive(Debug, Clone, PartialEq)]
pub struct Optimizer {
    kind: OptimizerKind,
    momentum: f64,
    nesterov: bool,
    weight_decay: f64,
    l1: f64,
    /// Whether each parameter is of the group that decays.
    decays: Vec<bool>,
    /// For each value kept per weight (the momentum, or the two moments), one list a parameter.
    pub slots: Vec<Vec<Vec<f32>>>,
}

/// One step's numbers, the same for every parameter of a group.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    kind: OptimizerKind,
    nesterov: bool,
    /// Of the gradient, from clipping.
    scale: f32,
    /// Learning rate, over the bias correction of the first moment where there is one.
    rate: f32,
    momentum: f32,
    /// Added to the gradient for each weight.
    penalty: f32,
    /// Added to LAMB's direction for each weight.
    decay: f32,
    /// Factor of each weight.
    shrink: f32,
    /// Farthest that the L1 penalty moves a weight.
    threshold: f32,
    /// Whether LAMB sets the length of the step by that of the parameter.
    adapts: bool,
    /// Bias correction of the first moment, and the square root of that of the second.
    correct: f32,
    root: f32,
}

impl Optimizer {
    /// For these parameters, in the order of the network.
    pub fn new(config: &TrainConfig, parameters: &[Parameter]) -> Self {
        let slot = || parameters.iter().map(|parameter| vec![0.0; parameter.length]).collect();
        Self {
            kind: config.optimizer,
            momentum: config.momentum,
            nesterov: config.nesterov,
            weight_decay: config.weight_decay,
            l1: config.l1,
            decays: parameters
                .iter()
                .map(|parameter| parameter.decays || config.decay_all)
                .collect(),
            slots: (0..config.optimizer_slots()).map(|_| slot()).collect(),
        }
    }

    /// The rule of step `step`, counted from 0, with the gradients multiplied by `scale`.
    pub fn rule(&self, step: usize, learning_rate: f64, scale: f64) -> Rule {
        let [correct1, correct2] = BETAS.map(|beta| 1.0 - beta.powf(step as f64 + 1.0));
        let is_adam = matches!(
            self.kind,
            OptimizerKind::Adam | OptimizerKind::AdamW | OptimizerKind::Lamb
        );
        let shrinks = matches!(self.kind, OptimizerKind::AdamW | OptimizerKind::Lion);
        let is_lamb = self.kind == OptimizerKind::Lamb;
        Rule {
            kind: self.kind,
            nesterov: self.nesterov,
            scale: scale as f32,
            rate: match self.kind {
                OptimizerKind::Adam | OptimizerKind::AdamW => learning_rate / correct1,
                _ => learning_rate,
            } as f32,
            momentum: self.momentum as f32,
            penalty: if shrinks || is_lamb {
                0.0
            } else {
                self.weight_decay as f32
            },
            decay: if is_lamb { self.weight_decay as f32 } else { 0.0 },
            shrink: if shrinks {
                (1.0 - learning_rate * self.weight_decay) as f32
            } else {
                1.0
            },
            threshold: (learning_rate * self.l1) as f32,
            adapts: is_lamb,
            correct: if is_adam { correct1 as f32 } else { 1.0 },
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
        let rule = if self.decays[index] {
            *rule
        } else {
            rule.without_decay()
        };
        if rule.kind == OptimizerKind::Lamb {
            rule.lamb(parameter, gradient, first, second);
        } else {
            divided(parameter, gradient, first, second, &|p, g, m, v| rule.apply(p, g, m, v));
        }
        if rule.threshold > 0.0 {
            for weight in parameter {
                let left = weight.abs() - rule.threshold;
                // Without a sign where nothing is left: a file compresses better with one kind of zero.
                *weight = if left <= 0.0 { 0.0 } else { left.copysign(*weight) };
            }
        }
    }
}

/// Sums that a pass over a parameter gives.
type Sums = [f64; 2];

/// `pass` over pieces of the slices on several threads; its sums are added in an order that the length alone decides. `first` and
/// `second` are empty where the optimizer keeps no such value.
fn divided(
    parameter: &mut [f32],
    gradient: &[f32],
    first: &mut [f32],
    second: &mut [f32],
    pass: &(impl Fn(&mut [f32], &[f32], &mut [f32], &mut [f32]) -> Sums + Sync),
) -> Sums {
    if parameter.len() <= CHUNK {
        return pass(parameter, gradient, first, second);
    }
    let middle = parameter.len() / 2;
    let (parameter, parameters) = parameter.split_at_mut(middle);
    let (gradient, gradients) = gradient.split_at(middle);
    let (first, firsts) = first.split_at_mut(middle.min(first.len()));
    let (second, seconds) = second.split_at_mut(middle.min(second.len()));
    let (left, right) = rayon::join(
        || divided(parameter, gradient, first, second, pass),
        || divided(parameters, gradients, firsts, seconds, pass),
    );
    [left[0] + right[0], left[1] + right[1]]
}

impl Rule {
    fn without_decay(&self) -> Self {
        Self {
            penalty: 0.0,
            decay: 0.0,
            shrink: 1.0,
            threshold: 0.0,
            adapts: false,
            ..*self
        }
    }

    fn apply(&self, parameter: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]) -> Sums {
        let values = parameter.iter_mut().zip(gradient);
        match self.kind {
            OptimizerKind::Adam | OptimizerKind::AdamW => {
                let step = Adam {
                    scale: self.scale,
                    penalty: self.penalty,
                    shrink: self.shrink,
                    rate: self.rate,
                    keep: BETAS.map(|beta| beta as f32),
                    take: BETAS.map(|beta| (1.0 - beta) as f32),
                    root: self.root,
                    epsilon: EPSILON,
                };
                adam(InstructionSet::best(), &step, parameter, gradient, [first, second]);
            }
            OptimizerKind::RmsProp if second.is_empty() => {
                for ((p, g), v) in values.zip(first) {
                    let g = g * self.scale + self.penalty * *p;
                    *v = ALPHA * *v + (1.0 - ALPHA) * g * g;
                    *p -= self.rate * g / (v.sqrt() + EPSILON);
                }
            }
            OptimizerKind::RmsProp => {
                for ((p, g), (v, b)) in values.zip(first.iter_mut().zip(second)) {
                    let g = g * self.scale + self.penalty * *p;
                    *v = ALPHA * *v + (1.0 - ALPHA) * g * g;
                    *b = self.momentum * *b + g / (v.sqrt() + EPSILON);
                    *p -= self.rate * *b;
                }
            }
            OptimizerKind::AdaGrad => {
                for ((p, g), s) in values.zip(first) {
                    let g = g * self.scale + self.penalty * *p;
                    *s += g * g;
                    *p -= self.rate * g / (s.sqrt() + ADAGRAD_EPSILON);
                }
            }
            OptimizerKind::Lion => {
                let [look, keep] = LION_BETAS;
                for ((p, g), m) in values.zip(first) {
                    let g = g * self.scale;
                    let ahead = look * *m + (1.0 - look) * g;
                    // The sign of zero is zero.
                    let sign = if ahead == 0.0 { 0.0 } else { ahead.signum() };
                    *p = *p * self.shrink - self.rate * sign;
                    *m = keep * *m + (1.0 - keep) * g;
                }
            }
            OptimizerKind::Sgd if first.is_empty() => {
                for (p, g) in values {
                    *p -= self.rate * (g * self.scale + self.penalty * *p);
                }
            }
            OptimizerKind::Sgd => {
                for ((p, g), v) in values.zip(first) {
                    let g = g * self.scale + self.penalty * *p;
                    *v = self.momentum * *v + g;
                    *p -= self.rate * if self.nesterov { g + self.momentum * *v } else { *v };
                }
            }
            // In two passes, by `lamb`.
            OptimizerKind::Lamb => {}
        }
        [0.0; 2]
    }

    /// `p -= rate |p| / |r| r` with Adam's direction and the decay in `r = m / (sqrt(v) + e) + d p` (You et al. 2020). Where one
    /// of the lengths is zero, and for parameters that do not decay, the ratio is 1.
    fn lamb(&self, parameter: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]) {
        let direction =
            |p: f32, m: f32, v: f32| m / self.correct / (v.sqrt() / self.root + LAMB_EPSILON) + self.decay * p;
        let [keep1, keep2] = BETAS.map(|beta| beta as f32);
        let [take1, take2] = BETAS.map(|beta| (1.0 - beta) as f32);
        let squares = divided(parameter, gradient, first, second, &|p, g, m, v| {
            let mut squares = [0.0; 2];
            for ((p, g), (m, v)) in p.iter().zip(g).zip(m.iter_mut().zip(v)) {
                let g = g * self.scale;
                *m = keep1 * *m + take1 * g;
                *v = keep2 * *v + take2 * g * g;
                squares[0] += f64::from(*p).powi(2);
                squares[1] += f64::from(direction(*p, *m, *v)).powi(2);
            }
            squares
        });
        let [length, step] = squares.map(f64::sqrt);
        let trust = if self.adapts && length > 0.0 && step > 0.0 {
            length / step
        } else {
            1.0
        };
        let rate = (f64::from(self.rate) * trust) as f32;
        divided(parameter, gradient, first, second, &|p, _, m, v| {
            for (p, (m, v)) in p.iter_mut().zip(m.iter().zip(v.iter())) {
                *p -= rate * direction(*p, *m, *v);
            }
            [0.0; 2]
        });
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

    fn parameters(lengths: &[usize], decays: bool) -> Vec<Parameter> {
        let parameter = |&length| Parameter {
            name: String::new(),
            length,
            decays,
        };
        lengths.iter().map(parameter).collect()
    }

    /// The update of one weight as the documentation of `torch.optim` and the papers write it, in double precision. The norm of a
    /// parameter of equal weights with equal gradients has the same ratio as one weight.
    fn reference(config: &TrainConfig, gradients: &[f64], rate: f64, mut weight: f64) -> f64 {
        let (mut m, mut v) = (0.0_f64, 0.0_f64);
        let decay = config.weight_decay;
        for (t, &gradient) in (1..).zip(gradients) {
            let with_penalty = gradient + decay * weight;
            let corrected = |m: f64, v: f64| (m / (1.0 - 0.9_f64.powi(t)), v / (1.0 - 0.999_f64.powi(t)));
            match config.optimizer {
                OptimizerKind::Sgd => {
                    m = config.momentum * m + with_penalty;
                    weight -= rate
                        * if config.nesterov {
                            with_penalty + config.momentum * m
                        } else {
                            m
                        };
                }
                OptimizerKind::Adam => {
                    m = 0.9 * m + 0.1 * with_penalty;
                    v = 0.999 * v + 0.001 * with_penalty.powi(2);
                    let (m, v) = corrected(m, v);
                    weight -= rate * m / (v.sqrt() + 1e-8);
                }
                OptimizerKind::AdamW => {
                    weight -= rate * decay * weight;
                    m = 0.9 * m + 0.1 * gradient;
                    v = 0.999 * v + 0.001 * gradient.powi(2);
                    let (m, v) = corrected(m, v);
                    weight -= rate * m / (v.sqrt() + 1e-8);
                }
                OptimizerKind::RmsProp => {
                    v = 0.99 * v + 0.01 * with_penalty.powi(2);
                    m = config.momentum * m + with_penalty / (v.sqrt() + 1e-8);
                    weight -= rate * m;
                }
                OptimizerKind::AdaGrad => {
                    v += with_penalty.powi(2);
                    weight -= rate * with_penalty / (v.sqrt() + 1e-10);
                }
                OptimizerKind::Lion => {
                    weight -= rate * decay * weight;
                    weight -= rate * (0.9 * m + 0.1 * gradient).signum();
                    m = 0.99 * m + 0.01 * gradient;
                }
                OptimizerKind::Lamb => {
                    m = 0.9 * m + 0.1 * gradient;
                    v = 0.999 * v + 0.001 * gradient.powi(2);
                    let (m, v) = corrected(m, v);
                    let direction = m / (v.sqrt() + 1e-6) + decay * weight;
                    weight -= rate * weight.abs() / direction.abs() * direction;
                }
            }
        }
        weight
    }

    #[test]
    fn every_optimizer_follows_its_formula() {
        let mut cases = vec![
            (OptimizerKind::Sgd, 0.0, 0.0, false),
            (OptimizerKind::Sgd, 0.9, 0.01, true),
            (OptimizerKind::RmsProp, 0.0, 0.1, false),
        ];
        for optimizer in OptimizerKind::ALL {
            cases.extend([(optimizer, 0.9, 0.0, false), (optimizer, 0.9, 0.1, false)]);
        }
        for (optimizer, momentum, weight_decay, nesterov) in cases {
            let config = TrainConfig {
                optimizer,
                momentum,
                nesterov,
                weight_decay,
                ..TrainConfig::default()
            };
            let gradients = [0.5, -0.25, 0.125, 1.0, -2.0, 0.001];
            let expected = reference(&config, &gradients, 0.05, 0.7);
            // More than one chunk, so that the division between threads is covered.
            let length = CHUNK + 3;
            let mut rule_of = Optimizer::new(&config, &parameters(&[1, length], true));
            let (mut one, mut many) = (vec![0.7], vec![0.7; length]);
            for (step, &gradient) in gradients.iter().enumerate() {
                let rule = rule_of.rule(step, 0.05, 0.5);
                rule_of.update(&rule, 0, &mut one, &[2.0 * gradient as f32]);
                rule_of.update(&rule, 1, &mut many, &vec![2.0 * gradient as f32; length]);
            }
            for weight in one.iter().chain(&many) {
                assert!(
                    (f64::from(*weight) - expected).abs() < 3e-6,
                    "{optimizer:?} {momentum} {weight_decay}: {weight} {expected}"
                );
            }
        }
    }

    #[test]
    fn lamb_scales_the_whole_parameter_by_one_ratio() {
        let config = TrainConfig {
            optimizer: OptimizerKind::Lamb,
            weight_decay: 0.1,
            ..TrainConfig::default()
        };
        let (weights, gradients) = ([3.0_f64, -4.0], [0.5_f64, 0.25]);
        let mut lamb = Optimizer::new(&config, &parameters(&[2], true));
        let rule = lamb.rule(0, 0.01, 1.0);
        let mut moved = weights.map(|weight| weight as f32);
        lamb.update(&rule, 0, &mut moved, &gradients.map(|gradient| gradient as f32));
        // The first step of Adam is the sign of the gradient.
        let direction = [1.0 + 0.1 * 3.0, 1.0 - 0.1 * 4.0];
        let length = f64::hypot(direction[0], direction[1]);
        for (place, weight) in moved.iter().enumerate() {
            let expected = weights[place] - 0.01 * 5.0 / length * direction[place];
            assert!((f64::from(*weight) - expected).abs() < 1e-5, "{weight} {expected}");
        }
    }

    #[test]
    fn what_does_not_decay_moves_by_its_gradient_alone() {
        for optimizer in OptimizerKind::ALL {
            let config = TrainConfig {
                optimizer,
                weight_decay: 0.5,
                l1: 0.5,
                ..TrainConfig::default()
            };
            let moved = |config: &TrainConfig, decays| {
                let mut optimizer = Optimizer::new(config, &parameters(&[1], decays));
                let mut weight = vec![0.7];
                for step in 0..3 {
                    let rule = optimizer.rule(step, 0.1, 1.0);
                    optimizer.update(&rule, 0, &mut weight, &[0.0]);
                }
                weight[0]
            };
            assert_eq!(moved(&config, false), 0.7, "{optimizer:?}");
            assert!(moved(&config, true) < 0.7, "{optimizer:?}");
            let all = TrainConfig {
                decay_all: true,
                ..config.clone()
            };
            assert_eq!(moved(&all, false), moved(&config, true), "{optimizer:?}");
        }
    }

    #[test]
    fn the_l1_penalty_makes_small_weights_exactly_zero() {
        for optimizer in OptimizerKind::ALL {
            let config = TrainConfig {
                optimizer,
                l1: 0.3,
                ..TrainConfig::default()
            };
            let mut optimizer = Optimizer::new(&config, &parameters(&[4], true));
            let mut weights = vec![0.01, -0.02, 1.0, -1.0];
            let rule = optimizer.rule(0, 0.1, 1.0);
            optimizer.update(&rule, 0, &mut weights, &[0.0; 4]);
            assert_eq!([weights[0].to_bits(), weights[1].to_bits()], [0, 0], "without a sign");
            assert!((weights[2] - 0.97).abs() < 1e-6 && (weights[3] + 0.97).abs() < 1e-6);
        }
    }

    #[test]
    fn the_first_step_of_adam_is_the_learning_rate() {
        let mut adam = Optimizer::new(&TrainConfig::default(), &parameters(&[2], true));
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
