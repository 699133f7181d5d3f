//! What the loss and the layers say of a network's weights on training samples, for those who judge weights and units by it.

use burn::tensor::{Tensor, TensorData};
use rand::seq::SliceRandom;

use super::failures::{self, unfit};
use super::objective::Objective;
use super::replicas::descent;
use crate::data::{Batch, DataError, Dataset};
use crate::nn::{self, DropoutKey, Network};
use crate::spec::{Failure, LayerSpec, ModelSpec, RunPlan, Weights, stream};

/// Some training samples, drawn by a seed, and the plan whose loss is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    pub plan: &'a RunPlan,
    pub dataset: &'a Dataset,
    /// At most so many, without replacement.
    pub rows: usize,
    pub seed: u64,
}

impl Evidence<'_> {
    /// Hands `visit` the gradients of the mean loss of one batch of samples after another, named and laid out as the weights;
    /// dropout is left out, and nothing is learned.
    pub fn gradients(
        &self,
        model: &ModelSpec,
        weights: &Weights,
        mut visit: impl FnMut(&Weights),
    ) -> Result<(), Failure> {
        let device = nn::device(self.plan.config.run.device).map_err(failures::device)?;
        let (device, model) = (device.autodiff(), without_dropout(model));
        let network = Network::from_weights(&model, weights, &device).map_err(|error| unfit(&error))?;
        let mut named = Network::from_weights(&model, weights, &device).map_err(|error| unfit(&error))?;
        let objective = Objective::new(&self.plan.config.train, self.dataset);
        for rows in self.batches() {
            let samples = self.dataset.train.gather(&rows).map_err(DataError::into_failure)?;
            let batch = Batch {
                inputs: samples.inputs.all().map_err(DataError::into_failure)?.into_owned(),
                targets: samples.targets,
                mixed: None,
            };
            let mass = objective.mass(&batch);
            let key = DropoutKey {
                seed: self.seed,
                step: 0,
                first_row: 0,
            };
            let descent = descent(&network, batch, key, &objective, mass).map_err(|loss| {
                Failure::new(
                    "pruning",
                    format!("the loss of the network is {loss}"),
                    "judge by magnitude, or train the run again with a lower learning rate",
                )
            })?;
            named.update(|index, values| values.copy_from_slice(&descent.gradients[index]));
            visit(&named.to_weights());
        }
        Ok(())
    }

    /// The mean over all samples of the absolute values that enter each layer, value by value; of attention what its heads
    /// gather comes second.
    pub fn activations(&self, model: &ModelSpec, weights: &Weights) -> Result<Vec<[Vec<f64>; 2]>, Failure> {
        let device = nn::device(self.plan.config.run.device).map_err(failures::device)?;
        let network = Network::from_weights(model, weights, &device).map_err(|error| unfit(&error))?;
        let mut sums: Vec<[Vec<f64>; 2]> = vec![[Vec::new(), Vec::new()]; model.layers.len()];
        let mut total = 0.0;
        for rows in self.batches() {
            let samples = self.dataset.train.gather(&rows).map_err(DataError::into_failure)?;
            let inputs = samples.inputs.all().map_err(DataError::into_failure)?.into_owned();
            let shape = [rows.len(), self.dataset.train.shape.len()];
            let x = Tensor::from_data(TensorData::new(inputs, shape), &device);
            for (sums, values) in sums.iter_mut().zip(network.entering(x)) {
                for (sums, values) in sums.iter_mut().zip(values) {
                    sums.resize(values.len() / rows.len(), 0.0);
                    let width = sums.len().max(1);
                    for row in values.chunks_exact(width) {
                        for (sum, value) in sums.iter_mut().zip(row) {
                            *sum += f64::from(value.abs());
                        }
                    }
                }
            }
            total += rows.len() as f64;
        }
        for sum in sums.iter_mut().flatten().flatten() {
            *sum /= f64::max(total, 1.0);
        }
        Ok(sums)
    }

    /// The mean loss of the samples.
    pub fn loss(&self, model: &ModelSpec, weights: &Weights) -> Result<f64, Failure> {
        let device = nn::device(self.plan.config.run.device).map_err(failures::device)?;
        let network = Network::from_weights(model, weights, &device).map_err(|error| unfit(&error))?;
        let rows: Vec<usize> = self.batches().into_iter().flatten().collect();
        let samples = self.dataset.train.gather(&rows).map_err(DataError::into_failure)?;
        let target = &self.dataset.preprocessing.target;
        let batch = self.plan.config.train.batch_size;
        let metrics = super::evaluate(&network, &samples, target, batch).map_err(DataError::into_failure)?;
        Ok(metrics.loss)
    }

    /// The drawn rows of the training split, batch by batch.
    fn batches(&self) -> Vec<Vec<usize>> {
        let mut rows: Vec<usize> = (0..self.dataset.train.len()).collect();
        rows.shuffle(&mut stream(self.seed, "evidence", 0));
        rows.truncate(self.rows);
        let batch = self.plan.config.train.batch_size.max(1);
        rows.chunks(batch).map(<[usize]>::to_vec).collect()
    }
}

/// The same layers in the same places, where dropout drops nothing.
fn without_dropout(model: &ModelSpec) -> ModelSpec {
    let mut model = model.clone();
    for layer in &mut model.layers {
        if let LayerSpec::Dropout { probability } = layer {
            *probability = 0.0;
        }
    }
    model
}
