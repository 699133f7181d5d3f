//! The reference workloads: time of a training step and of a forward pass, to be held against a peer's figures for the same.

use std::time::Instant;

use burn::module::Module;
use serde::Serialize;

use super::objective::{Objective, Tally};
use super::optimizer::Optimizer;
use crate::cost;
use crate::data::Targets;
use crate::meter::process;
use crate::nn::{self, DropoutKey, Network};
use crate::spec::{ActivationKind, CellKind, Device, Failure, LayerSpec, ModelSpec, PaddingKind, Shape, TrainConfig};

/// Steps before the clock counts.
const WARM_UP: usize = 5;
const CLASSES: usize = 10;
const LEARNING_RATE: f64 = 1e-3;
/// A 28 x 28 image row by row.
const ROWS: Shape = Shape::Sequence {
    steps: 28,
    features: 28,
};

/// A network with the shape of its input fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// 784-256-128-10 with `ReLU`.
    Mlp784,
    /// conv 3x3x32, `ReLU`, conv 3x3x64, `ReLU`, max pool 2, dense 128, `ReLU`, dense 10, no padding, 28 x 28.
    Cnn28,
    /// One GRU layer of 64 units over 28 steps of 28 features, the last state to dense 10.
    Gru28,
    /// 28 steps of 28 features, dense 64, 2 post-norm encoder blocks (4 heads, feed-forward 128 with `ReLU`, no dropout), mean, dense 10.
    Transformer28,
}

/// What was measured; times in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BenchRow {
    pub workload: &'static str,
    pub batch: usize,
    pub threads: usize,
    /// Median of one step: forward, cross entropy, its value read, backward, Adam.
    pub train_ms: f64,
    pub train_ms_min: f64,
    pub samples_per_s: f64,
    /// Median of one forward pass.
    pub infer_ms: f64,
    pub infer_ms_min: f64,
    pub params: u64,
    /// Growth of the resident size over the training steps.
    pub rss_growth_bytes: u64,
}

impl Workload {
    pub const ALL: [Self; 4] = [Self::Mlp784, Self::Cnn28, Self::Gru28, Self::Transformer28];

    pub fn name(self) -> &'static str {
        match self {
            Self::Mlp784 => "mlp784",
            Self::Cnn28 => "cnn28",
            Self::Gru28 => "gru28",
            Self::Transformer28 => "transformer28",
        }
    }

    fn model(self) -> ModelSpec {
        let dense = |units| LayerSpec::Dense { units };
        let conv = |filters| LayerSpec::Conv2d {
            filters,
            kernel: 3,
            stride: 1,
            padding: PaddingKind::Valid,
        };
        let relu = LayerSpec::Activation {
            function: ActivationKind::Relu,
        };
        match self {
            Self::Mlp784 => ModelSpec {
                input: Shape::Features { features: 784 },
                layers: vec![dense(256), relu, dense(128), relu, dense(CLASSES)],
            },
            Self::Cnn28 => ModelSpec {
                input: Shape::Image {
                    channels: 1,
                    height: 28,
                    width: 28,
                },
                layers: vec![
                    conv(32),
                    relu,
                    conv(64),
                    relu,
                    LayerSpec::MaxPool { size: 2 },
                    LayerSpec::Flatten,
                    dense(128),
                    relu,
                    dense(CLASSES),
                ],
            },
            Self::Gru28 => ModelSpec {
                input: ROWS,
                layers: vec![
                    LayerSpec::Recurrent {
                        cell: CellKind::Gru,
                        units: 64,
                        bidirectional: false,
                        sequence: false,
                    },
                    dense(CLASSES),
                ],
            },
            Self::Transformer28 => {
                let attention = [
                    LayerSpec::Branch,
                    LayerSpec::SelfAttention {
                        heads: 4,
                        head_width: None,
                    },
                ];
                let feed_forward = [LayerSpec::Branch, dense(128), relu, dense(64)];
                let end = [LayerSpec::Sum, LayerSpec::LayerNorm];
                let mut layers = vec![dense(64)];
                for _ in 0..2 {
                    layers.extend(attention.iter().chain(&end).chain(&feed_forward).chain(&end));
                }
                layers.extend([LayerSpec::GlobalAveragePool, dense(CLASSES)]);
                ModelSpec { input: ROWS, layers }
            }
        }
    }
}

/// Measures `steps` steps and forward passes of `batch` samples on `threads` threads.
pub fn run(workload: Workload, batch: usize, threads: usize, steps: usize) -> Result<BenchRow, Failure> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| Failure::new("--threads", error.to_string(), "use fewer threads"))?;
    pool.install(|| measure(workload, batch.max(1), threads, steps.max(1)))
}

fn measure(workload: Workload, batch: usize, threads: usize, steps: usize) -> Result<BenchRow, Failure> {
    let model = workload.model();
    let device = nn::device(Device::Flex).map_err(|error| Failure::new("device", error.to_string(), "use flex"))?;
    let network = Network::new(&model, 0, &device.autodiff());
    let mut network = network.map_err(|error| Failure::new("model", error.to_string(), "report this"))?;
    let mut optimizer = Optimizer::new(&TrainConfig::default(), &network.describe_parameters());
    let objective = Objective::plain(&TrainConfig::default());
    let inputs: Vec<f32> = (0..batch * model.input.len())
        .map(|index| (index * 7919 % 997) as f32 / 997.0)
        .collect();
    let targets = Targets::Classes((0..batch).map(|row| (row % CLASSES) as u32).collect());
    let before = process::resident_bytes().unwrap_or(0);
    let mut resident = before;
    let mut train = Vec::with_capacity(steps);
    for step in 0..steps + WARM_UP {
        let began = Instant::now();
        let key = DropoutKey {
            seed: 0,
            step,
            first_row: 0,
        };
        let gradients = network.gradients(inputs.clone(), batch, key, |outputs| {
            let mass = batch as f64;
            Ok::<_, Failure>(
                objective
                    .differentiate(outputs, &targets, None, mass, &mut Tally::default())
                    .1,
            )
        })?;
        let rule = optimizer.rule(step, LEARNING_RATE, 1.0);
        network.update(|index, parameter| optimizer.update(&rule, index, parameter, &gradients[index]));
        train.push(began.elapsed().as_secs_f64() * 1e3);
        resident = resident.max(process::resident_bytes().unwrap_or(0));
    }
    let network = network.valid();
    let mut infer = Vec::with_capacity(steps);
    for _ in 0..steps + WARM_UP {
        let began = Instant::now();
        network.predict(inputs.clone(), batch);
        infer.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let (train_ms, train_ms_min) = summary(&mut train);
    let (infer_ms, infer_ms_min) = summary(&mut infer);
    Ok(BenchRow {
        workload: workload.name(),
        batch,
        threads,
        train_ms,
        train_ms_min,
        samples_per_s: batch as f64 / train_ms * 1e3,
        infer_ms,
        infer_ms_min,
        params: cost::parameters(&model),
        rss_growth_bytes: resident - before,
    })
}

/// Median and minimum of what follows the warm-up.
fn summary(times: &mut [f64]) -> (f64, f64) {
    let times = &mut times[WARM_UP..];
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workloads_are_the_peer_s() {
        // Parameters as torch_bench.py prints them for the same networks.
        assert_eq!(cost::parameters(&Workload::Mlp784.model()), 235_146);
        assert_eq!(cost::parameters(&Workload::Cnn28.model()), 1_199_882);
        assert_eq!(cost::parameters(&Workload::Gru28.model()), 18_698);
        assert_eq!(cost::parameters(&Workload::Transformer28.model()), 69_450);
        for workload in [Workload::Mlp784, Workload::Gru28, Workload::Transformer28] {
            let row = run(workload, 4, 1, 2).unwrap();
            assert!(row.train_ms >= row.train_ms_min && row.train_ms_min > 0.0);
            assert!(row.infer_ms_min > 0.0 && row.threads == 1);
        }
    }
}
