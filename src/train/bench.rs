//! The reference workloads: time of a training step and of a forward pass, to be held against a peer's figures for the same.

use std::time::Instant;

use burn::module::Module;
use serde::Serialize;

use super::failures;
use super::objective::Objective;
use super::optimizer::Optimizer;
use super::replicas::{self, Replicas};
use crate::cost;
use crate::data::{Batch, Targets};
use crate::kernels::training::awake;
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

/// What to measure, and on what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bench {
    pub workload: Workload,
    /// Samples a step.
    pub batch: usize,
    /// In all; replicas share them.
    pub threads: usize,
    pub device: Device,
    /// Data-parallel replicas of the network.
    pub workers: usize,
    /// Timed steps, and timed forward passes.
    pub steps: usize,
}

/// What was measured; times in milliseconds. The peer's figures have the same names.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BenchRow {
    pub workload: &'static str,
    pub batch: usize,
    pub threads: usize,
    pub device: Device,
    pub workers: usize,
    /// Median of one step: forward, cross entropy, its value read, backward, Adam.
    pub train_ms: f64,
    pub train_ms_min: f64,
    pub samples_per_s: f64,
    /// Median of one forward pass.
    pub infer_ms: f64,
    pub infer_ms_min: f64,
    pub params: u64,
    /// Growth of the largest resident size over the training steps.
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

/// Measures steps and forward passes.
pub fn run(bench: Bench) -> Result<BenchRow, Failure> {
    let bench = Bench {
        batch: bench.batch.max(1),
        threads: bench.threads.max(1),
        workers: bench.workers.max(1),
        steps: bench.steps.max(1),
        ..bench
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(bench.threads).build();
    let pool = pool.map_err(|error| Failure::new("--threads", error.to_string(), "use fewer threads"))?;
    pool.install(|| measure(bench))
}

fn measure(bench: Bench) -> Result<BenchRow, Failure> {
    let Bench {
        workload,
        batch,
        threads,
        device,
        workers,
        steps,
    } = bench;
    let model = workload.model();
    let place = nn::device(device).map_err(failures::device)?.autodiff();
    let network = Network::new(&model, 0, &place);
    let mut network = network.map_err(|error| Failure::new("model", error.to_string(), "report this"))?;
    let mut optimizer = Optimizer::new(&TrainConfig::default(), &network.describe_parameters());
    let objective = Objective::plain(&TrainConfig::default());
    let mut replicas = match workers {
        1 => None,
        workers => {
            let train = TrainConfig {
                workers,
                ..TrainConfig::default()
            };
            Some(Replicas::new(&network, &train, &place)?)
        }
    };
    let samples = Batch {
        inputs: (0..batch * model.input.len())
            .map(|index| (index * 7919 % 997) as f32 / 997.0)
            .collect(),
        targets: Targets::Classes((0..batch).map(|row| (row % CLASSES) as u32).collect()),
        mixed: None,
    };
    let before = process::peak_resident_bytes().unwrap_or(0);
    let mut train = Vec::with_capacity(steps);
    for step in 0..steps + WARM_UP {
        let batch_of_step = samples.clone();
        let began = Instant::now();
        let key = DropoutKey {
            seed: 0,
            step,
            first_row: 0,
        };
        let mass = batch as f64;
        let descent = match &mut replicas {
            None => awake(|| replicas::descent(&network, batch_of_step, key, &objective, mass)),
            Some(replicas) => replicas.descent(&network, &samples, key, &objective, mass),
        };
        let diverged = |loss: f64| Failure::new("loss", format!("{loss} after {step} steps"), "report this");
        let gradients = descent.map_err(diverged)?.gradients;
        let rule = optimizer.rule(step, LEARNING_RATE, 1.0);
        awake(|| {
            network.update(|index, parameter| {
                optimizer.update(&rule, index, parameter, &gradients[index]);
                if let Some(replicas) = &mut replicas {
                    replicas.note(index, parameter);
                }
            });
        });
        if let Some(replicas) = &mut replicas {
            replicas.end_step(&mut network);
        }
        train.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let growth = process::peak_resident_bytes().unwrap_or(0).saturating_sub(before);
    let network = network.valid();
    let mut infer = Vec::with_capacity(steps);
    for _ in 0..steps + WARM_UP {
        let inputs = samples.inputs.clone();
        let began = Instant::now();
        awake(|| network.predict(inputs, batch));
        infer.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let (train_ms, train_ms_min) = summary(&mut train);
    let (infer_ms, infer_ms_min) = summary(&mut infer);
    Ok(BenchRow {
        workload: workload.name(),
        batch,
        threads,
        device,
        workers,
        train_ms,
        train_ms_min,
        samples_per_s: batch as f64 / train_ms * 1e3,
        infer_ms,
        infer_ms_min,
        params: cost::parameters(&model),
        rss_growth_bytes: growth,
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
            for (threads, workers) in [(1, 1), (2, 2)] {
                let row = run(Bench {
                    workload,
                    batch: 4,
                    threads,
                    device: Device::Flex,
                    workers,
                    steps: 2,
                })
                .unwrap();
                assert!(row.train_ms >= row.train_ms_min && row.train_ms_min > 0.0);
                assert!(row.infer_ms_min > 0.0 && row.threads == threads && row.workers == workers);
            }
        }
    }
}
