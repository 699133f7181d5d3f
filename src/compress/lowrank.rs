//! Dense layers and convolutions as products of two thinner ones.
//!
//! The weights of a layer as a matrix, a row for each output, are `U S V^T`. Of the largest `r` singular values two layers are
//! made: the first, with `r` outputs and the layer's own window, has `sqrt(S) V^T`, the second, dense or a convolution by one
//! pixel, has `U sqrt(S)` and the bias. By the theorem of Eckart and Young (1936) no other pair of this rank is nearer in the sum
//! of squares. As a way to faster networks: Denton et al. (2014), for convolutions Zhang et al. (2016).

use super::recipe::Work;
use super::timing::Timed;
use crate::deploy::check_weights;
use crate::nn::singular_values;
use crate::spec::{Event, Failure, LayerSpec, LowRank, ModelSpec, PaddingKind, Placed, RankTarget, RunPlan, Weights};

/// A layer becomes two only where the network then takes at most this share of its time: what is nearer is within the noise.
const WORTH_WHILE: f64 = 0.98;

/// A layer as two.
#[derive(Debug, Clone, PartialEq)]
struct Factors {
    rank: usize,
    /// `[rank, inputs]`, row by row.
    first: Vec<f32>,
    /// `[outputs, rank]`
    second: Vec<f32>,
}

impl Work<'_> {
    /// Factorises layers; the step before which the person asked to stop, if so.
    pub fn low_rank(&mut self, step: &LowRank) -> Result<Option<usize>, Failure> {
        let found = factorised(&self.plan, &self.weights, step)?;
        for text in found.notes {
            self.sink.emit(Event::Note { text })?;
        }
        self.replace(found.model, found.weights);
        self.fine_tune(step.finetune, None)
    }
}

/// What became of a network.
struct Factorised {
    model: ModelSpec,
    weights: Weights,
    /// What was found of each layer.
    notes: Vec<String>,
}

/// The network of `plan` with every layer factorised that is faster so. Fails where none is.
fn factorised(plan: &RunPlan, weights: &Weights, step: &LowRank) -> Result<Factorised, Failure> {
    check_weights(&plan.model, weights).map_err(crate::deploy::DeployError::into_failure)?;
    let task = &plan.dataset.task;
    let (mut model, mut weights) = (plan.model.clone(), weights.clone());
    let mut timed = Timed::new(&model, &weights, task)?;
    let mut notes = Vec::new();
    // How many layers stand in front that the network did not have.
    let mut added = 0;
    for layer in 0..plan.model.layers.len() {
        let walk = shapes(&model)?;
        let placed = &walk[layer + added];
        let Some((outputs, inputs)) = matrix(placed).filter(|_| !step.protect.contains(&layer)) else {
            continue;
        };
        let name = format!("layer {layer} ({})", placed.layer.name());
        let Some(weight) = weights.part(placed.index, "weight") else {
            continue;
        };
        let factors = factors(&weight.data, outputs, inputs, step.keep)?;
        let full = outputs.min(inputs);
        if factors.rank * (outputs + inputs) >= outputs * inputs {
            notes.push(format!(
                "{name} stays: two layers of rank {} of {full} multiply no less",
                factors.rank
            ));
            continue;
        }
        let rank = factors.rank;
        let (smaller, left) = split(&model, &weights, &walk, placed.index, &factors);
        let trial = Timed::new(&smaller, &left, task)?;
        let share = trial.share_of(&timed)?;
        if share > WORTH_WHILE {
            notes.push(format!(
                "{name} stays: with rank {rank} of {full} the network takes {share:.2} of its time at batch 64"
            ));
            continue;
        }
        notes.push(format!(
            "{name} becomes two of rank {rank} of {full}: the network takes {share:.2} of its time at batch 64"
        ));
        (model, weights, timed) = (smaller, left, trial);
        added += 1;
    }
    if added == 0 {
        let reasons = if notes.is_empty() {
            "there is no dense layer or convolution to factorise".to_owned()
        } else {
            notes.join("; ")
        };
        return Err(Failure::new(
            "lowrank",
            format!("no layer is faster as two: {reasons}"),
            "keep less energy, or use units",
        ));
    }
    Ok(Factorised { model, weights, notes })
}

fn shapes(model: &ModelSpec) -> Result<Vec<Placed>, Failure> {
    model
        .walk()
        .map_err(|error| Failure::new("the network", error.to_string(), "train the parent run again"))
}

/// Outputs and inputs of a layer whose weights are one matrix.
fn matrix(placed: &Placed) -> Option<(usize, usize)> {
    match placed.layer {
        LayerSpec::Dense { .. } | LayerSpec::Conv2d { .. } | LayerSpec::Conv1d { .. } => {}
        _ => return None,
    }
    let (_, shape) = placed.tensors().into_iter().find(|(part, _)| *part == "weight")?;
    let (outputs, rest) = shape.split_first()?;
    Some((*outputs, rest.iter().product()))
}

fn factors(weight: &[f32], outputs: usize, inputs: usize, keep: RankTarget) -> Result<Factors, Failure> {
    let found = singular_values(weight, outputs, inputs)
        .map_err(|error| Failure::new("lowrank", error.to_string(), "train the parent run again"))?;
    let full = found.values.len();
    let rank = match keep {
        RankTarget::Rank(share) => (full as f64 * share).round() as usize,
        RankTarget::Energy(share) => {
            let squares = || found.values.iter().map(|&value| f64::from(value).powi(2));
            let wanted = share * squares().sum::<f64>();
            let mut sum = 0.0;
            let reached = squares().position(|square| {
                sum += square;
                sum >= wanted
            });
            reached.map_or(full, |place| place + 1)
        }
    };
    let rank = rank.clamp(1, full.max(1));
    let root = |place: usize| found.values[place].sqrt();
    let first = (0..rank).flat_map(|row| {
        found.right[row * inputs..][..inputs]
            .iter()
            .map(move |value| value * root(row))
    });
    let second = (0..outputs).flat_map(|row| (0..rank).map(move |column| (row, column)));
    let second = second.map(|(row, column)| found.left[row * full + column] * root(column));
    Ok(Factors {
        rank,
        first: first.collect(),
        second: second.collect(),
    })
}

/// The network with the layer at `index` as two.
fn split(
    model: &ModelSpec,
    weights: &Weights,
    walk: &[Placed],
    index: usize,
    factors: &Factors,
) -> (ModelSpec, Weights) {
    let mut layers = Vec::with_capacity(walk.len() + 1);
    let mut left = Weights::default();
    for placed in walk {
        if placed.index != index {
            for (part, shape) in placed.tensors() {
                if let Some(tensor) = weights.part(placed.index, part) {
                    left.push(layers.len(), part, shape, tensor.data.clone());
                }
            }
            layers.push(placed.layer);
            continue;
        }
        let rank = factors.rank;
        let (thin, second, window) = match placed.layer {
            LayerSpec::Conv2d {
                filters,
                kernel,
                stride,
                padding,
            } => {
                let thin = LayerSpec::Conv2d {
                    filters: rank,
                    kernel,
                    stride,
                    padding,
                };
                let second = LayerSpec::Conv2d {
                    filters,
                    kernel: 1,
                    stride: 1,
                    padding: PaddingKind::Valid,
                };
                (thin, second, 2)
            }
            LayerSpec::Conv1d {
                filters,
                kernel,
                stride,
                padding,
            } => {
                let thin = LayerSpec::Conv1d {
                    filters: rank,
                    kernel,
                    stride,
                    padding,
                };
                let second = LayerSpec::Conv1d {
                    filters,
                    kernel: 1,
                    stride: 1,
                    padding: PaddingKind::Valid,
                };
                (thin, second, 1)
            }
            other => (LayerSpec::Dense { units: rank }, other, 0),
        };
        let mut parts = placed.tensors().into_iter();
        let shape = parts.find(|(part, _)| *part == "weight").map(|(_, shape)| shape);
        let mut shape = shape.unwrap_or_default();
        let outputs = std::mem::replace(&mut shape[0], rank);
        left.push(layers.len(), "weight", shape, factors.first.clone());
        left.push(layers.len(), "bias", vec![rank], vec![0.0; rank]);
        layers.push(thin);
        let mut shape = vec![outputs, rank];
        shape.extend(std::iter::repeat_n(1, window));
        left.push(layers.len(), "weight", shape, factors.second.clone());
        if let Some(bias) = weights.part(placed.index, "bias") {
            left.push(layers.len(), "bias", vec![outputs], bias.data.clone());
        }
        layers.push(second);
    }
    let model = ModelSpec {
        input: model.input,
        layers,
    };
    (model, left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::fixtures::random_weights;
    use crate::deploy::{Exported, Form, to_onnx};
    use crate::spec::{ActivationKind, Shape, Task};

    const RELU: LayerSpec = LayerSpec::Activation {
        function: ActivationKind::Relu,
    };

    fn conv(filters: usize, stride: usize) -> LayerSpec {
        LayerSpec::Conv2d {
            filters,
            kernel: 3,
            stride,
            padding: PaddingKind::Same,
        }
    }

    /// A residual block between other layers.
    fn network() -> ModelSpec {
        ModelSpec {
            input: Shape::Image {
                channels: 2,
                height: 8,
                width: 8,
            },
            layers: vec![
                conv(6, 2),
                RELU,
                LayerSpec::Branch,
                conv(8, 1),
                LayerSpec::BatchNorm,
                LayerSpec::Sum,
                LayerSpec::Flatten,
                LayerSpec::Dense { units: 12 },
                RELU,
                LayerSpec::Dense { units: 3 },
            ],
        }
    }

    fn outputs(model: &ModelSpec, weights: &Weights) -> Vec<f32> {
        let task = Task::Classification {
            classes: (0..3).map(|class| class.to_string()).collect(),
        };
        let bytes = to_onnx(model, weights, &task, &Form::Fp32).unwrap();
        let inputs: Vec<f32> = (0..2 * 128).map(|place| (place as f32 * 0.37).sin()).collect();
        let exported = Exported::load(&bytes).unwrap();
        let mut session = exported.model().session(2).unwrap();
        session.run(&inputs, 2).unwrap().to_vec()
    }

    #[test]
    fn two_layers_of_full_rank_are_the_layer() {
        let model = network();
        let weights = random_weights(&model, 3);
        let before = outputs(&model, &weights);
        for index in [0, 3, 7, 9] {
            let walk = model.walk().unwrap();
            let (rows, columns) = matrix(&walk[index]).unwrap();
            let weight = &weights.part(index, "weight").unwrap().data;
            let factors = factors(weight, rows, columns, RankTarget::Rank(1.0)).unwrap();
            assert_eq!(factors.rank, rows.min(columns));
            let (left, moved) = split(&model, &weights, &walk, index, &factors);
            assert_eq!(left.layers.len(), model.layers.len() + 1);
            check_weights(&left, &moved).unwrap();
            for (a, b) in before.iter().zip(outputs(&left, &moved)) {
                assert!((a - b).abs() < 1e-4 * (1.0 + a.abs()), "layer {index}: {a} {b}");
            }
        }
    }

    #[test]
    fn the_rank_is_the_least_that_carries_the_energy() {
        // Rows 3, 4 and 0.1 times the axes: of 25.01, the squares of 4 and 3 carry all but 0.01.
        let weight = [3.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0, 0.1];
        let rank = |share| factors(&weight, 3, 3, RankTarget::Energy(share)).unwrap().rank;
        assert_eq!([rank(0.6), rank(0.7), rank(0.99), rank(0.9999)], [1, 2, 2, 3]);
        let two = factors(&weight, 3, 3, RankTarget::Energy(0.9)).unwrap();
        let product = |row: usize, column: usize| -> f32 {
            let terms = (0..2).map(|rank| two.second[row * 2 + rank] * two.first[rank * 3 + column]);
            terms.sum()
        };
        for row in 0..3 {
            for column in 0..3 {
                let expected = if row < 2 { weight[row * 3 + column] } else { 0.0 };
                assert!((product(row, column) - expected).abs() < 1e-5, "{row} {column}");
            }
        }
    }
}
