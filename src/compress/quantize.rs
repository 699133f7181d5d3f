//! A trained network put on grids: equalised, calibrated, corrected, and some layers left out.

use super::correct::correct_biases;
use super::equalize::equalize;
use super::ranges::ranges;
use super::sensitivity::{Subject, least_protected};
use crate::data::Dataset;
use crate::deploy::{DeployError, Form, fold_batch_norm, folded_layers};
use crate::spec::{
    Failure, GridPlan, LayerSpec, ModelSpec, Protect, Quantization, QuantizationRanges, RunControl, RunPlan,
    WeightGrid, Weights,
};

/// A batch-norm-folded network with the ranges of its grids.
#[derive(Debug, Clone, PartialEq)]
pub struct OnGrids {
    pub model: ModelSpec,
    pub weights: Weights,
    pub ranges: QuantizationRanges,
    /// How dense layers are stored.
    pub dense: WeightGrid,
}

impl OnGrids {
    pub fn form(&self) -> Form {
        match self.dense {
            WeightGrid::Nibbles => Form::Int4(self.ranges.clone()),
            WeightGrid::Bytes | WeightGrid::Float => Form::Int8(self.ranges.clone()),
        }
    }

    pub fn plan(&self) -> Result<GridPlan, Failure> {
        GridPlan::of(&self.model, self.dense, &self.ranges.protected)
            .map_err(|error| Failure::new("quantization", error.to_string(), "train the run again"))
    }
}

/// Puts the network of `plan` with `weights` on grids, dense layers as `dense`. Calibration sees training samples only, and the
/// choice of layers to protect validation samples only.
pub fn quantize(
    plan: &RunPlan,
    weights: &Weights,
    dataset: &Dataset,
    calibration: &Quantization,
    dense: WeightGrid,
    control: &RunControl,
) -> Result<OnGrids, Failure> {
    let seed = plan.config.run.seed;
    let protect = protected(&plan.model, &calibration.protect)?;
    let (model, weights) = if calibration.equalize {
        equalize(&plan.model, weights)
    } else {
        fold_batch_norm(&plan.model, weights)
    }
    .map_err(DeployError::into_failure)?;
    let mut on_grids = OnGrids {
        ranges: ranges(&model, &weights, &dataset.train, calibration, seed)?,
        model,
        weights,
        dense,
    };
    match protect {
        Some(layers) => on_grids.ranges.protected = layers,
        None => {
            let Protect::Auto { points } = calibration.protect else {
                return Ok(on_grids);
            };
            let subject = Subject {
                model: &on_grids.model,
                weights: &on_grids.weights,
                dataset,
                control,
            };
            on_grids.ranges.protected = least_protected(&subject, &on_grids, points)?;
        }
    }
    if calibration.bias_correction {
        on_grids.weights = correct_biases(
            &on_grids.model,
            &on_grids.weights,
            &on_grids.ranges,
            &on_grids.plan()?,
            &dataset.train,
            calibration,
            seed,
        )?;
    }
    Ok(on_grids)
}

impl OnGrids {
    /// Whether no layer's weights are put on a grid.
    pub fn is_empty(&self) -> bool {
        with_grid(&self.model).all(|layer| self.ranges.protected.contains(&layer))
    }
}

/// The layers whose weights are put on a grid.
fn with_grid(model: &ModelSpec) -> impl Iterator<Item = usize> {
    let layers = model.layers.iter().enumerate().filter(|(_, kind)| has_grid(kind));
    layers.map(|(layer, _)| layer)
}

/// Layers with weights to protect, in words.
fn protectable(model: &ModelSpec) -> String {
    let known: Vec<String> = with_grid(model).map(|layer| layer.to_string()).collect();
    format!("protect any of {}", known.join(", "))
}

/// All `layers` are layers of the network.
pub fn require_layers(model: &ModelSpec, layers: &[usize]) -> Result<(), Failure> {
    match layers.iter().find(|&&layer| layer >= model.layers.len()) {
        None => Ok(()),
        Some(layer) => {
            let what = format!("there is no layer {layer}; the network has {}", model.layers.len());
            Err(Failure::new("protect", what, protectable(model)))
        }
    }
}

/// Whether the layer's weights are put on a grid.
fn has_grid(layer: &LayerSpec) -> bool {
    layer.multiplies() || matches!(layer, LayerSpec::Recurrent { .. })
}

/// The places in the batch-norm-folded network of the layers that are named; none where they are to be found.
pub fn protected(model: &ModelSpec, protect: &Protect) -> Result<Option<Vec<usize>>, Failure> {
    let Protect::Layers(layers) = protect else {
        return Ok(None);
    };
    require_layers(model, layers)?;
    let folded = folded_layers(model);
    let place = |&layer: &usize| {
        let place = folded.iter().position(|&kept| kept == layer);
        place.filter(|_| has_grid(&model.layers[layer])).ok_or_else(|| {
            let what = format!("layer {layer} ({}) is not quantized", model.layers[layer].name());
            Failure::new("protect", what, protectable(model))
        })
    };
    let places = layers.iter().map(place).collect::<Result<_, _>>()?;
    if with_grid(model).all(|layer| layers.contains(&layer)) {
        return Err(Failure::new(
            "protect",
            "every layer is protected, nothing is quantized",
            "protect fewer layers",
        ));
    }
    Ok(Some(places))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Shape;

    #[test]
    fn protected_layers_are_found_behind_folded_ones() {
        let model = ModelSpec {
            input: Shape::Features { features: 3 },
            layers: vec![
                LayerSpec::Dense { units: 4 },
                LayerSpec::BatchNorm,
                LayerSpec::RELU,
                LayerSpec::Dropout { probability: 0.5 },
                LayerSpec::Dense { units: 2 },
            ],
        };
        let of = |layers: &[usize]| protected(&model, &Protect::Layers(layers.to_vec()));
        assert_eq!(of(&[4]).unwrap(), Some(vec![2]));
        assert_eq!(of(&[]).unwrap(), Some(Vec::new()));
        for (layer, word) in [(1, "batch norm"), (9, "no layer 9")] {
            let failure = of(&[layer]).unwrap_err();
            assert!(failure.to_string().contains(word), "{failure}");
            assert!(failure.to_string().contains("0, 4"), "{failure}");
        }
        let failure = of(&[4, 0]).unwrap_err().to_string();
        assert!(failure.contains("nothing is quantized"), "{failure}");
    }
}
