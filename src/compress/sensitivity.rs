//! Which layers suffer from compression: one layer is changed at a time, and the exported bytes are scored on the validation
//! split.

use super::quantize::OnGrids;
use super::ranges;
use crate::data::Dataset;
use crate::deploy::{DeployError, Exported, Form, fold_batch_norm, folded_layers, to_onnx};
use crate::spec::{
    Command, Failure, LayerChange, LayerSensitivity, Metrics, Mix, ModelSpec, NamedTensor, Quantization, RunControl,
    RunPlan, Sensitivity, WeightGrid, Weights, signal_to_noise,
};

/// Bars of the picture of what enters a layer.
const BARS: usize = 64;

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

/// Changes each dense layer and convolution of the network of `plan` with `weights` in turn; finds the mix that loses at most
/// `tolerated` points, where there are any. `tell` hears how many of how many trials are done.
pub fn sensitivity(
    plan: &RunPlan,
    weights: &Weights,
    dataset: &Dataset,
    (change, tolerated): (LayerChange, Option<f64>),
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
    let seed = plan.config.run.seed;
    let entering = ranges::entering(&model, &weights, &dataset.train, BARS, seed)?;
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
            parameters: tensors(&weights, layer).map(|tensor| tensor.data.len() as u64).sum(),
            inputs: entering.get(layer).cloned(),
            score: answer.score,
            points_lost: 100.0 * (baseline.score - answer.score),
            signal_to_noise_db: signal_to_noise(&baseline.outputs, &answer.outputs),
        });
    }
    let mut found = Sensitivity {
        change,
        baseline: baseline.score,
        all,
        layers,
        mix: None,
    };
    if let Some(tolerated) = tolerated {
        let ranked: Vec<usize> = found.ranked().iter().map(|row| row.layer).collect();
        let place = |layer: usize| products.iter().copied().find(|&product| folded[product] == layer);
        let ranked: Vec<usize> = ranked.into_iter().filter_map(place).collect();
        let (protect, score) = fewest(&products, &ranked, (baseline.score - tolerated / 100.0, all), |kept| {
            Ok(changed(kept)?.score)
        })?;
        found.mix = Some(Mix {
            tolerated,
            protect: protect.into_iter().map(|layer| folded[layer]).collect(),
            score,
        });
    }
    tell(trials, trials);
    Ok(found)
}

/// The fewest of `ranked`, taken from the front, without which the other `products` score at least `floor`, and what those score;
/// with none left out they score `all`.
fn fewest(
    products: &[usize],
    ranked: &[usize],
    (floor, all): (f64, f64),
    mut score: impl FnMut(&[usize]) -> Result<f64, Failure>,
) -> Result<(Vec<usize>, f64), Failure> {
    let mut protected: Vec<usize> = Vec::new();
    let mut reached = all;
    for &layer in ranked {
        if reached >= floor {
            break;
        }
        protected.push(layer);
        let kept: Vec<usize> = products
            .iter()
            .copied()
            .filter(|layer| !protected.contains(layer))
            .collect();
        reached = score(&kept)?;
    }
    protected.sort_unstable();
    Ok((protected, reached))
}

/// The fewest layers, taken from the most sensitive on, with which `on_grids` loses at most `points` of the validation score.
pub(super) fn least_protected(subject: &Subject<'_>, on_grids: &OnGrids, points: f64) -> Result<Vec<usize>, Failure> {
    let least = subject.answer(&Form::Fp32, subject.weights)?;
    let floor = least.score - points / 100.0;
    let mut rows = Vec::new();
    let products = products(subject.model);
    let changed = |layers: &[usize]| subject.answer(&only(on_grids, layers), subject.weights);
    let all = changed(&products)?.score;
    if all >= floor {
        return Ok(Vec::new());
    }
    for &layer in &products {
        let answer = changed(&[layer])?;
        let signal = signal_to_noise(&least.outputs, &answer.outputs).unwrap_or(f64::INFINITY);
        rows.push((answer.score, signal, layer));
    }
    rows.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let ranked: Vec<usize> = rows.into_iter().map(|(_, _, layer)| layer).collect();
    let (protected, _) = fewest(&products, &ranked, (floor, all), |kept| Ok(changed(kept)?.score))?;
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

/// The dense layers, convolutions and attention layers.
fn products(model: &ModelSpec) -> Vec<usize> {
    let layers = model.layers.iter().enumerate();
    layers
        .filter(|(_, layer)| layer.multiplies())
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
        for tensor in tensors_mut(&mut zeroed, layer).filter(|tensor| tensor.shape.len() > 1) {
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

fn tensors(weights: &Weights, layer: usize) -> impl Iterator<Item = &NamedTensor> {
    let prefix = Weights::name(layer, "");
    weights
        .tensors
        .iter()
        .filter(move |tensor| tensor.name.starts_with(&prefix))
}

fn tensors_mut(weights: &mut Weights, layer: usize) -> impl Iterator<Item = &mut NamedTensor> {
    let prefix = Weights::name(layer, "");
    weights
        .tensors
        .iter_mut()
        .filter(move |tensor| tensor.name.starts_with(&prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{self, Targets};
    use crate::deploy::fixtures::random_weights;
    use crate::spec::{Activations, DataConfig, RunConfig, class_of};

    /// Digits and a random network that knows them all, whose second layer has one weight that spoils its grid.
    fn spoiled() -> (RunPlan, Weights, Dataset) {
        let mut config = RunConfig {
            data: DataConfig {
                source: "digits".to_owned(),
                ..DataConfig::default()
            },
            ..RunConfig::default()
        };
        config.model.hidden = vec![16, 16];
        let mut dataset = data::load(&config.data).unwrap();
        let plan = config.check(&dataset.summary).unwrap();
        let mut weights = random_weights(&plan.model, 5);
        let layer = plan.model.layers.iter().rposition(|layer| layer.is_product()).unwrap() - 2;
        let spoiled = &mut weights.get_mut(&Weights::name(layer, "weight")).unwrap().data;
        for row in spoiled.chunks_mut(16) {
            row[3] *= 400.0;
        }
        // What it answers is the truth, so that whatever moves it costs.
        let control = RunControl::default();
        let subject = Subject {
            model: &plan.model,
            weights: &weights,
            dataset: &dataset,
            control: &control,
        };
        let answers = subject.answer(&Form::Fp32, &weights).unwrap().outputs;
        let classes = answers.chunks(10).map(|logits| class_of(logits) as u32).collect();
        dataset.validation.targets = Targets::Classes(classes);
        (plan, weights, dataset)
    }

    fn of(change: LayerChange) -> Sensitivity {
        tolerating(change, None)
    }

    fn tolerating(change: LayerChange, tolerated: Option<f64>) -> Sensitivity {
        let (plan, weights, dataset) = spoiled();
        let told = std::cell::RefCell::new(Vec::new());
        let tell = |done, total| told.borrow_mut().push((done, total));
        let found = sensitivity(
            &plan,
            &weights,
            &dataset,
            (change, tolerated),
            &RunControl::default(),
            &tell,
        )
        .unwrap();
        assert_eq!(told.borrow().last(), Some(&(5, 5)));
        found
    }

    #[test]
    fn the_layer_with_the_worst_grid_is_the_noisiest() {
        let found = of(LayerChange::Int8);
        let layers: Vec<usize> = found.layers.iter().map(|row| row.layer).collect();
        assert_eq!(layers, [1, 3, 5]);
        let signals: Vec<f64> = found.layers.iter().map(|row| row.signal_to_noise_db.unwrap()).collect();
        assert!(signals[1] < signals[0] && signals[1] < signals[2], "{signals:?}");
        assert!(found.baseline == 1.0 && found.all < 1.0);
        let inputs: Vec<&Activations> = found.layers.iter().filter_map(|row| row.inputs.as_ref()).collect();
        assert_eq!(inputs.len(), 3);
        // 512 samples of 64 pixels, then of 16 units behind a ReLU.
        for (inputs, values) in inputs.iter().zip([64, 16, 16]) {
            assert_eq!(
                (inputs.counts.len(), inputs.counts.iter().sum::<u64>()),
                (64, 512 * values)
            );
            for range in [inputs.percentile, inputs.least_error] {
                assert!(range.min >= inputs.seen.min && range.max <= inputs.seen.max);
            }
        }
        assert_eq!(inputs[1].seen.min, 0.0);
        for row in &found.layers {
            assert!((row.points_lost - 100.0 * (found.baseline - row.score)).abs() < 1e-9);
        }
    }

    #[test]
    fn four_bits_and_zeros_are_noisier_than_eight_bits() {
        let signal = |change| of(change).layers[0].signal_to_noise_db.unwrap();
        let bytes = signal(LayerChange::Int8);
        assert!(signal(LayerChange::Int4) < bytes && signal(LayerChange::Weights(0.5)) < bytes);
    }

    #[test]
    fn a_mix_protects_from_the_worst_layer_on_until_the_loss_is_tolerated() {
        let free = tolerating(LayerChange::Int4, Some(100.0)).mix.unwrap();
        assert!(free.protect.is_empty() && free.score >= 0.0);
        let found = tolerating(LayerChange::Int4, Some(0.0));
        let mix = found.mix.as_ref().unwrap();
        assert!(mix.score >= found.baseline && found.all < found.baseline);
        let mut worst: Vec<usize> = found.ranked()[..mix.protect.len()]
            .iter()
            .map(|row| row.layer)
            .collect();
        worst.sort_unstable();
        assert!(!worst.is_empty() && worst == mix.protect);
    }

    #[test]
    fn as_few_layers_are_protected_as_are_needed() {
        let (plan, weights, dataset) = spoiled();
        let control = RunControl::default();
        let subject = Subject {
            model: &plan.model,
            weights: &weights,
            dataset: &dataset,
            control: &control,
        };
        let on_grids = OnGrids {
            ranges: ranges::ranges(&plan.model, &weights, &dataset.train, &Quantization::default(), 0).unwrap(),
            model: plan.model.clone(),
            weights: weights.clone(),
            dense: WeightGrid::Nibbles,
        };
        assert!(least_protected(&subject, &on_grids, 100.0).unwrap().is_empty());
        let strict = least_protected(&subject, &on_grids, 0.0).unwrap();
        let floor = subject.answer(&Form::Fp32, &weights).unwrap().score;
        let mut form = on_grids.clone();
        form.ranges.protected.clone_from(&strict);
        assert!(subject.answer(&form.form(), &weights).unwrap().score >= floor);
        assert!(!strict.is_empty(), "four bits lost nothing");
    }

    #[test]
    fn decibels_are_ten_for_each_power_of_ten() {
        assert!((signal_to_noise(&[1.0, 1.0], &[0.9, 1.1]).unwrap() - 20.0).abs() < 1e-3);
        assert_eq!(signal_to_noise(&[1.0], &[1.0]), None);
    }
}
