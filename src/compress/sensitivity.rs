//! Which layers suffer from compression: one layer is changed at a time, and the exported bytes are scored on the validation
//! split.

use super::quantize::OnGrids;
use super::ranges;
use crate::data::Dataset;
use crate::deploy::{DeployError, Exported, Form, fold_batch_norm, folded_layers, to_onnx};
use crate::spec::{
    Command, Failure, LayerChange, LayerSensitivity, Metrics, ModelSpec, Quantization, RunControl, RunPlan,
    Sensitivity, WeightGrid, Weights,
};

/// What is exported and scored again and again.
pub(super) struct Subject<'a> {
    pub model: &'a ModelSpec,
    pub weights: &'a Weights,
    pub dataset: &'a Dataset,
    pub control: &'a RunControl,
}

/// Score and outputs of an exported file on the validation split.
struct Answer {
    score: f64,
    outputs: Vec<f32>,
}

/// Changes each dense layer and convolution of the network of `plan` with `weights` in turn. `tell` hears how many of how many
/// trials are done.
pub fn sensitivity(
    plan: &RunPlan,
    weights: &Weights,
    dataset: &Dataset,
    change: LayerChange,
    control: &RunControl,
    tell: &dyn Fn(usize, usize),
) -> Result<Sensitivity, Failure> {
    let folded = folded_layers(&plan.model);
    let (model, weights) = fold_batch_norm(&plan.model, weights).map_err(DeployError::into_failure)?;
    let subject = Subject {
        model: &model,
        weights: &weights,
        dataset,
        control,
    };
    let dense = match change {
        LayerChange::Int4 => WeightGrid::Nibbles,
        LayerChange::Int8 | LayerChange::Weights(_) => WeightGrid::Bytes,
    };
    let on_grids = OnGrids {
        ranges: ranges::ranges(
            &model,
            &weights,
            &dataset.train,
            &Quantization::default(),
            plan.config.run.seed,
        )?,
        model: model.clone(),
        weights: weights.clone(),
        dense,
    };
    let products = products(&model);
    let trials = products.len() + 2;
    tell(0, trials);
    let baseline = subject.answer(&Form::Fp32, &weights)?;
    tell(1, trials);
    let changed = |layers: &[usize]| match change {
        LayerChange::Weights(fraction) => {
            let pruned = zeroed(&weights, layers, fraction);
            subject.answer(&Form::Fp32, &pruned)
        }
        LayerChange::Int8 | LayerChange::Int4 => subject.answer(&only(&on_grids, layers), &weights),
    };
    let all = changed(&products)?.score;
    let mut layers = Vec::with_capacity(products.len());
    for (done, &layer) in products.iter().enumerate() {
        tell(done + 2, trials);
        let answer = changed(&[layer])?;
        layers.push(LayerSensitivity {
            layer: folded[layer],
            name: model.layers[layer].name().to_owned(),
            parameters: ["weight", "bias"]
                .iter()
                .filter_map(|part| Some(weights.part(layer, part)?.data.len() as u64))
                .sum(),
            score: answer.score,
            points_lost: 100.0 * (baseline.score - answer.score),
            signal_to_noise_db: signal_to_noise(&baseline.outputs, &answer.outputs),
        });
    }
    tell(trials, trials);
    Ok(Sensitivity {
        change,
        baseline: baseline.score,
        all,
        layers,
    })
}

/// The fewest layers, taken from the most sensitive on, with which `on_grids` loses at most `points` of the validation score.
pub(super) fn least_protected(subject: &Subject<'_>, on_grids: &OnGrids, points: f64) -> Result<Vec<usize>, Failure> {
    let least = subject.answer(&Form::Fp32, subject.weights)?;
    let floor = least.score - points / 100.0;
    let mut rows = Vec::new();
    let products = products(subject.model);
    let protecting = |protected: &[usize]| {
        let kept = products.iter().copied().filter(|layer| !protected.contains(layer));
        subject.answer(&only(on_grids, &kept.collect::<Vec<_>>()), subject.weights)
    };
    if protecting(&[])?.score >= floor {
        return Ok(Vec::new());
    }
    for &layer in &products {
        let answer = subject.answer(&only(on_grids, &[layer]), subject.weights)?;
        let signal = signal_to_noise(&least.outputs, &answer.outputs).unwrap_or(f64::INFINITY);
        rows.push((answer.score, signal, layer));
    }
    rows.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut protected: Vec<usize> = Vec::new();
    for (_, _, layer) in rows {
        protected.push(layer);
        if protecting(&protected)?.score >= floor {
            break;
        }
    }
    protected.sort_unstable();
    Ok(protected)
}

impl Subject<'_> {
    fn answer(&self, form: &Form, weights: &Weights) -> Result<Answer, Failure> {
        if self.control.requested() == Command::Stop {
            return Err(Failure::new("sensitivity", "was asked to stop", "start it again"));
        }
        let Dataset {
            summary,
            validation,
            preprocessing,
            ..
        } = self.dataset;
        let scores = to_onnx(self.model, weights, &summary.task, form)
            .and_then(|bytes| Exported::load(&bytes)?.score(validation, &preprocessing.target))
            .map_err(DeployError::into_failure)?;
        Ok(Answer {
            score: score(&scores.metrics),
            outputs: scores.outputs,
        })
    }
}

/// Accuracy, or R² of a regression.
fn score(metrics: &Metrics) -> f64 {
    metrics.accuracy.or(metrics.r2).unwrap_or_default()
}

/// The dense layers and convolutions.
fn products(model: &ModelSpec) -> Vec<usize> {
    let layers = model.layers.iter().enumerate();
    layers
        .filter(|(_, layer)| layer.is_product())
        .map(|(index, _)| index)
        .collect()
}

/// These layers on grids, and no other.
fn only(on_grids: &OnGrids, layers: &[usize]) -> Form {
    let mut alone = on_grids.clone();
    alone.ranges.protected = products(&on_grids.model);
    alone.ranges.protected.retain(|layer| !layers.contains(layer));
    alone.form()
}

/// The weights with the smallest of these layers zeroed, each layer by itself.
fn zeroed(weights: &Weights, layers: &[usize], fraction: f64) -> Weights {
    let mut zeroed = weights.clone();
    for &layer in layers {
        if let Some(tensor) = zeroed.get_mut(&Weights::name(layer, "weight")) {
            let mut magnitudes: Vec<f32> = tensor.data.iter().map(|weight| weight.abs()).collect();
            magnitudes.sort_unstable_by(f32::total_cmp);
            let gone = (magnitudes.len() as f64 * fraction).round() as usize;
            if let Some(&least) = magnitudes.get(gone) {
                for weight in tensor.data.iter_mut().filter(|weight| weight.abs() < least) {
                    *weight = 0.0;
                }
            }
        }
    }
    zeroed
}

/// In decibels; none where both are equal.
pub fn signal_to_noise(reference: &[f32], changed: &[f32]) -> Option<f64> {
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let signal = square(&mut reference.iter().map(|&value| f64::from(value)));
    let noise = square(&mut reference.iter().zip(changed).map(|(a, b)| f64::from(a - b)));
    (noise > 0.0 && signal > 0.0).then(|| 10.0 * (signal / noise).log10())
}
