//! Data parallelism: every worker computes the gradient of its share of a batch on a replica of the network, on threads of its
//! own. (Two threads must not run backward over the same parameters: burn's graph locks each other out.)
//!
//! The shares are contiguous rows of the batch, and every part of a gradient is that of the whole batch's mean loss, so that their
//! sum, taken in the order of the workers, is the gradient of the batch. Dropout masks are drawn by row. With N workers a run
//! therefore differs from one worker's by rounding alone, and two runs with N workers not at all. The exception is batch norm:
//! each replica normalises its own share by that share's mean and variance, as replicas do elsewhere (`DistributedDataParallel`),
//! and the running statistics are the mean of the replicas', by their rows.

use std::time::Instant;

use burn::tensor::Device;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::objective::{Objective, Tally};
use crate::data::{Batch, Mixed, Targets};
use crate::nn::{DropoutKey, Network, WeightError};
use crate::spec::{Failure, TrainConfig};

/// Mean loss and gradients of a batch.
pub struct Descent {
    pub loss: f64,
    pub gradients: Vec<Vec<f32>>,
    pub tally: Tally,
    /// From the inputs to the loss, and from there to the gradients; of several workers the mean.
    pub forward_secs: f64,
    pub backward_secs: f64,
}

/// The workers beside the network itself, which is the first.
pub struct Replicas {
    /// One for every worker.
    pools: Vec<ThreadPool>,
    others: Vec<Replica>,
    /// Parameters and running statistics that the replicas have yet to take over.
    parameters: Vec<Vec<f32>>,
    statistics: Vec<Vec<f32>>,
    /// Rows that each worker had in this step.
    rows: Vec<usize>,
}

struct Replica {
    network: Network,
    is_stale: bool,
}

impl Replicas {
    /// For the workers of `train`, at least two, which share the threads of the current pool.
    pub fn new(network: &Network, train: &TrainConfig, device: &Device) -> Result<Self, Failure> {
        let workers = train.workers;
        let threads = (rayon::current_num_threads() / workers).max(1);
        let pool = |worker: usize| {
            let name = move |thread| format!("trimtab-replica-{worker}.{thread}");
            let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(name).build();
            pool.map_err(|error| Failure::new("train.workers", error.to_string(), "use fewer workers"))
        };
        let pools = (0..workers).map(pool).collect::<Result<Vec<_>, _>>()?;
        for pool in &pools {
            pool.install(super::take_part);
        }
        let weights = network.to_weights();
        let replica = |_| {
            let network = Network::from_weights(network.model(), &weights, device)?;
            Ok(Replica {
                network: network.recomputing(train.recompute).keeping(train.precision),
                is_stale: false,
            })
        };
        let others = (1..workers)
            .map(replica)
            .collect::<Result<Vec<_>, WeightError>>()
            .map_err(|error| Failure::new("weights", error.to_string(), "start the run anew"))?;
        Ok(Self {
            parameters: network.parameters(),
            statistics: network.statistics(),
            rows: vec![0; workers],
            pools,
            others,
        })
    }

    /// Loss and gradients of `batch`, whose mean is over `mass`; the first worker uses `network`. The error is a loss that is no
    /// number.
    pub fn descent(
        &mut self,
        network: &Network,
        batch: &Batch,
        key: DropoutKey,
        objective: &Objective,
        mass: f64,
    ) -> Result<Descent, f64> {
        let shares = shares(batch.len(), self.pools.len());
        for (rows, share) in self.rows.iter_mut().zip(&shares) {
            *rows += share.len();
        }
        let mut results: Vec<Option<Result<Descent, f64>>> = shares.iter().map(|_| None).collect();
        let (parameters, statistics) = (&self.parameters, &self.statistics);
        let workers = std::iter::once(None).chain(self.others.iter_mut().map(Some));
        let tasks = workers
            .zip(&shares)
            .zip(&mut results)
            .map(|((replica, share), result)| {
                let task = move || {
                    let network = match replica {
                        None => network,
                        Some(replica) => replica.refreshed(parameters, statistics),
                    };
                    let key = DropoutKey {
                        first_row: key.first_row + share.start,
                        ..key
                    };
                    *result = Some(descent(network, part(batch, share.clone()), key, objective, mass));
                };
                Box::new(task) as Task
            });
        together(&self.pools, tasks.collect());
        let mut whole: Option<Descent> = None;
        for result in results.into_iter().flatten() {
            let share = result?;
            match &mut whole {
                None => whole = Some(share),
                Some(whole) => {
                    whole.loss += share.loss;
                    whole.tally.add(&share.tally);
                    whole.forward_secs += share.forward_secs;
                    whole.backward_secs += share.backward_secs;
                    add(&mut whole.gradients, &share.gradients);
                }
            }
        }
        let workers = shares.len() as f64;
        if let Some(whole) = &mut whole {
            whole.forward_secs /= workers;
            whole.backward_secs /= workers;
        }
        whole.ok_or(f64::NAN)
    }

    /// Takes note of the new values of the parameter at `index`.
    pub fn note(&mut self, index: usize, values: &[f32]) {
        self.parameters[index].copy_from_slice(values);
    }

    /// Ends a step: the running statistics become the mean of the workers', by the rows that each had.
    pub fn end_step(&mut self, network: &mut Network) {
        if !self.statistics.is_empty() {
            let total = self.rows.iter().sum::<usize>().max(1) as f64;
            let others = self.others.iter().map(|replica| replica.network.statistics());
            let all: Vec<Vec<Vec<f32>>> = std::iter::once(network.statistics()).chain(others).collect();
            for (place, mean) in self.statistics.iter_mut().enumerate() {
                for (index, mean) in mean.iter_mut().enumerate() {
                    let worker = all.iter().zip(&self.rows);
                    let sum: f64 = worker
                        .map(|(own, &rows)| f64::from(own[place][index]) * rows as f64)
                        .sum();
                    *mean = (sum / total) as f32;
                }
            }
            network.set_statistics(&self.statistics);
        }
        self.rows.fill(0);
        for replica in &mut self.others {
            replica.is_stale = true;
        }
    }
}

impl Replica {
    fn refreshed(&mut self, parameters: &[Vec<f32>], statistics: &[Vec<f32>]) -> &Network {
        if std::mem::take(&mut self.is_stale) {
            self.network
                .update(|index, values| values.copy_from_slice(&parameters[index]));
            self.network.set_statistics(statistics);
        }
        &self.network
    }
}

type Task<'a> = Box<dyn FnOnce() + Send + 'a>;

/// Does all tasks at once, each in a pool of its own, and waits for them.
fn together(pools: &[ThreadPool], mut tasks: Vec<Task<'_>>) {
    let Some(task) = tasks.pop() else {
        return;
    };
    match pools.split_first() {
        Some((pool, pools)) => pool.in_place_scope(|scope| {
            scope.spawn(|_| task());
            together(pools, tasks);
        }),
        None => task(),
    }
}

/// Loss and gradients of `batch` as a part of a mean over `mass`.
pub fn descent(
    network: &Network,
    batch: Batch,
    key: DropoutKey,
    objective: &Objective,
    mass: f64,
) -> Result<Descent, f64> {
    let began = Instant::now();
    let mut answered = began;
    let mut tally = Tally::default();
    let mut loss = 0.0;
    let rows = batch.len();
    let Batch { inputs, targets, mixed } = batch;
    let teacher = objective.teacher.as_ref();
    let taught = teacher.map(|teacher| (teacher, teacher.outputs(&inputs, rows)));
    let gradients = network.gradients(inputs, rows, key, |outputs| {
        let (mut part, mut gradient) = objective.differentiate(outputs, &targets, mixed.as_ref(), mass, &mut tally);
        if let Some((teacher, taught)) = &taught {
            part = teacher.blend((outputs, taught), &targets, mass, part, &mut gradient, &mut tally);
        }
        loss = part;
        answered = Instant::now();
        if (part as f32).is_finite() {
            Ok(gradient)
        } else {
            Err(part)
        }
    })?;
    Ok(Descent {
        loss,
        gradients,
        tally,
        forward_secs: (answered - began).as_secs_f64(),
        backward_secs: answered.elapsed().as_secs_f64(),
    })
}

/// Adds `more` to `sums`, value by value.
fn add(sums: &mut [Vec<f32>], more: &[Vec<f32>]) {
    for (sums, more) in sums.iter_mut().zip(more) {
        for (sum, more) in sums.iter_mut().zip(more) {
            *sum += more;
        }
    }
}

/// Contiguous parts of `rows` rows, as equal as can be, the larger ones first; fewer than `workers` where there are fewer rows.
fn shares(rows: usize, workers: usize) -> Vec<std::ops::Range<usize>> {
    let workers = workers.min(rows).max(1);
    let start = |worker: usize| worker * (rows / workers) + worker.min(rows % workers);
    (0..workers).map(|worker| start(worker)..start(worker + 1)).collect()
}

/// Some rows of a batch.
fn part(batch: &Batch, rows: std::ops::Range<usize>) -> Batch {
    let width = batch.inputs.len() / batch.len().max(1);
    let targets = |targets: &Targets| match targets {
        Targets::Classes(classes) => Targets::Classes(classes[rows.clone()].to_vec()),
        Targets::Values { values, width } => Targets::Values {
            values: values[rows.start * width..rows.end * width].to_vec(),
            width: *width,
        },
    };
    Batch {
        inputs: batch.inputs[rows.start * width..rows.end * width].to_vec(),
        targets: targets(&batch.targets),
        mixed: batch.mixed.as_ref().map(|mixed| Mixed {
            targets: targets(&mixed.targets),
            shares: mixed.shares[rows.clone()].to_vec(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_the_rows_in_order() {
        assert_eq!(shares(7, 3), [0..3, 3..5, 5..7]);
        assert_eq!(shares(2, 4), [0..1, 1..2]);
        assert_eq!(shares(4, 2), [0..2, 2..4]);
    }

    #[test]
    fn a_part_has_the_targets_and_mixtures_of_its_rows() {
        let values = |from: u16| Targets::Values {
            values: (from..from + 6).map(f32::from).collect(),
            width: 2,
        };
        let batch = Batch {
            inputs: (0..9_u16).map(f32::from).collect(),
            targets: values(0),
            mixed: Some(Mixed {
                targets: values(10),
                shares: vec![0.1, 0.2, 0.3],
            }),
        };
        let part = part(&batch, 1..3);
        assert_eq!(part.inputs, [3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        let two = |values: [f32; 4]| Targets::Values {
            values: values.to_vec(),
            width: 2,
        };
        assert_eq!(part.targets, two([2.0, 3.0, 4.0, 5.0]));
        let mixed = part.mixed.unwrap();
        assert_eq!(
            (mixed.targets, mixed.shares),
            (two([12.0, 13.0, 14.0, 15.0]), vec![0.2, 0.3])
        );
    }
}
