//! How much each unit of a group matters, by the criterion that was asked for.

use crate::spec::{
    Axis, AxisRole, BATCH_NORM_EPSILON, Coupling, Failure, LayerSpec, ModelSpec, Shape, UnitCriterion, UnitKind,
    Weights,
};
use crate::train::Evidence;

/// Scores units; what has to be seen on samples is seen once, for all groups.
pub struct Judge<'a> {
    model: &'a ModelSpec,
    weights: &'a Weights,
    coupling: &'a Coupling,
    criterion: UnitCriterion,
    /// Of each group and unit, where samples decide.
    seen: Vec<Vec<f64>>,
}

impl<'a> Judge<'a> {
    pub fn new(
        model: &'a ModelSpec,
        weights: &'a Weights,
        coupling: &'a Coupling,
        criterion: UnitCriterion,
        evidence: &Evidence<'_>,
    ) -> Result<Self, Failure> {
        let seen = match criterion {
            UnitCriterion::Taylor => taylor(model, weights, coupling, evidence)?,
            UnitCriterion::Activation => activation(model, weights, coupling, evidence)?,
            UnitCriterion::L1 | UnitCriterion::L2 | UnitCriterion::BatchNorm => Vec::new(),
        };
        Ok(Self {
            model,
            weights,
            coupling,
            criterion,
            seen,
        })
    }

    /// Of each unit of a group; what other groups have lost by `kept` no longer counts in a norm.
    pub fn scores(&self, group: usize, kept: &[Vec<usize>]) -> Vec<f64> {
        match self.criterion {
            UnitCriterion::Taylor | UnitCriterion::Activation => self.seen[group].clone(),
            UnitCriterion::BatchNorm => self.scales(group).unwrap_or_else(|| self.norms(group, kept)),
            UnitCriterion::L1 | UnitCriterion::L2 => self.norms(group, kept),
        }
    }

    /// The sum of the absolute scales of the batch norms that a unit passes; none where it passes none.
    fn scales(&self, group: usize) -> Option<Vec<f64>> {
        let mut scores = vec![0.0; self.coupling.groups[group].units];
        let mut found = false;
        for axis in self.axes(AxisRole::Makes) {
            if self.model.layers[axis.layer] == LayerSpec::BatchNorm
                && axis.part == "weight"
                && let Some(tensor) = self.weights.part(axis.layer, axis.part)
            {
                for (owner, value) in axis.owners.iter().zip(&tensor.data) {
                    if let Some(unit) = owner.filter(|unit| unit.group == group) {
                        scores[unit.index] += f64::from(value.abs());
                        found = true;
                    }
                }
            }
        }
        found.then_some(scores)
    }

    /// The norm of the weights that make each unit, times the gain of the batch norm behind them; of a head also of those that
    /// read it, since its own can be large where it is hardly heard.
    fn norms(&self, group: usize, kept: &[Vec<usize>]) -> Vec<f64> {
        let units = self.coupling.groups[group].units;
        let is_l2 = self.criterion == UnitCriterion::L2;
        let is_heads = self.coupling.groups[group].kind == UnitKind::Heads;
        let mut scores = vec![0.0; units];
        let axes = self.coupling.axes.iter().filter(|axis| match axis.role {
            AxisRole::Makes => is_weight(self.model.layers[axis.layer], axis.part),
            AxisRole::Reads => is_heads,
            AxisRole::Knows => false,
        });
        for axis in axes {
            if !axis.owners.iter().flatten().any(|unit| unit.group == group) {
                continue;
            }
            let Some(tensor) = self.weights.part(axis.layer, axis.part) else {
                continue;
            };
            let gains = self.gains(axis);
            let other = self.coupling.owners(axis.layer, axis.part, 1 - axis.axis);
            let width = tensor.shape[1];
            let size = tensor.data.len() / (tensor.shape[0] * width).max(1);
            let mut sums = vec![0.0; units];
            for (place, values) in tensor.data.chunks_exact(size.max(1)).enumerate() {
                let at = [place / width, place % width];
                let Some(unit) = axis.owners[at[axis.axis]].filter(|unit| unit.group == group) else {
                    continue;
                };
                let partner = other.and_then(|owners| owners[at[1 - axis.axis]]);
                if partner.is_some_and(|unit| kept[unit.group].binary_search(&unit.index).is_err()) {
                    continue;
                }
                let gain = gains.get(at[axis.axis]).copied().unwrap_or(1.0);
                sums[unit.index] += values
                    .iter()
                    .map(|&value| gain * f64::from(value.abs()))
                    .map(|value| if is_l2 { value * value } else { value })
                    .sum::<f64>();
            }
            for (score, sum) in scores.iter_mut().zip(sums) {
                *score += if is_l2 { sum.sqrt() } else { sum };
            }
        }
        scores
    }

    /// By how much the batch norm right behind the layer of `axis` multiplies each of its rows; nothing where there is none.
    fn gains(&self, axis: &Axis) -> Vec<f64> {
        if axis.role != AxisRole::Makes || axis.owners != self.coupling.outputs[axis.layer] {
            return Vec::new();
        }
        let behind = &self.model.layers[axis.layer + 1..];
        let mut behind = behind.iter().enumerate();
        let norm = behind.find(|(_, layer)| !matches!(layer, LayerSpec::Dropout { .. }));
        let Some((place, LayerSpec::BatchNorm)) = norm else {
            return Vec::new();
        };
        let tensor = |part| {
            self.weights
                .part(axis.layer + 1 + place, part)
                .map(|tensor| &tensor.data[..])
        };
        let scale = tensor("weight").unwrap_or_default();
        let variance = tensor("running_var").unwrap_or_default();
        scale
            .iter()
            .zip(variance)
            .map(|(&scale, &variance)| f64::from(scale.abs()) / (f64::from(variance) + BATCH_NORM_EPSILON).sqrt())
            .collect()
    }

    fn axes(&self, role: AxisRole) -> impl Iterator<Item = &Axis> {
        self.coupling.axes.iter().filter(move |axis| axis.role == role)
    }
}

/// Whether the part is what a layer multiplies by, or looks up.
fn is_weight(layer: LayerSpec, part: &str) -> bool {
    let is_other = matches!(
        layer,
        LayerSpec::BatchNorm | LayerSpec::LayerNorm | LayerSpec::Positions { .. } | LayerSpec::ClassToken
    );
    part.contains("weight") && !is_other
}

/// The mean over batches of `(dL / da)^2`, where `a` multiplies all that a unit gives (Molchanov et al. 2019): the derivative is
/// the sum of gradient times weight over all weights that read the unit, whatever norm or activation lies before them.
fn taylor(
    model: &ModelSpec,
    weights: &Weights,
    coupling: &Coupling,
    evidence: &Evidence<'_>,
) -> Result<Vec<Vec<f64>>, Failure> {
    let empty = || -> Vec<Vec<f64>> { coupling.groups.iter().map(|group| vec![0.0; group.units]).collect() };
    let mut scores = empty();
    evidence.gradients(model, weights, |gradients| {
        let mut derivatives = empty();
        for axis in coupling.axes.iter().filter(|axis| axis.role == AxisRole::Reads) {
            let pair = weights
                .part(axis.layer, axis.part)
                .zip(gradients.part(axis.layer, axis.part));
            let Some((weight, gradient)) = pair else {
                continue;
            };
            let width = weight.shape[1];
            let size = (weight.data.len() / (weight.shape[0] * width).max(1)).max(1);
            let products = weight.data.chunks_exact(size).zip(gradient.data.chunks_exact(size));
            for (place, (weight, gradient)) in products.enumerate() {
                if let Some(unit) = axis.owners[place % width] {
                    let product = weight.iter().zip(gradient).map(|(w, g)| f64::from(*w) * f64::from(*g));
                    derivatives[unit.group][unit.index] += product.sum::<f64>();
                }
            }
        }
        for (score, derivative) in scores.iter_mut().flatten().zip(derivatives.into_iter().flatten()) {
            *score += derivative * derivative;
        }
    })?;
    Ok(scores)
}

/// The mean absolute value of each unit where it is read, over all places and readers.
fn activation(
    model: &ModelSpec,
    weights: &Weights,
    coupling: &Coupling,
    evidence: &Evidence<'_>,
) -> Result<Vec<Vec<f64>>, Failure> {
    let entering = evidence.activations(model, weights)?;
    let mut sums: Vec<Vec<[f64; 2]>> = coupling
        .groups
        .iter()
        .map(|group| vec![[0.0; 2]; group.units])
        .collect();
    let placed = model
        .walk()
        .map_err(|error| Failure::new("units", error.to_string(), "change the layers"))?;
    for axis in coupling.axes.iter().filter(|axis| axis.role == AxisRole::Reads) {
        let input = placed[axis.layer].input;
        let (values, images) = match (placed[axis.layer].layer, axis.part) {
            // What a cell or a shortcut hands on is seen where the layers behind read it.
            (LayerSpec::Sum, _) => continue,
            (_, part) if part.starts_with("weight_hh") => continue,
            (_, "out_proj.weight") => (&entering[axis.layer][1], false),
            _ => (&entering[axis.layer][0], matches!(input, Shape::Image { .. })),
        };
        let positions = input.positions();
        for (place, value) in values.iter().enumerate() {
            let channel = if images {
                place / positions
            } else {
                place % axis.owners.len().max(1)
            };
            if let Some(unit) = axis.owners[channel] {
                let sum = &mut sums[unit.group][unit.index];
                *sum = [sum[0] + value, sum[1] + 1.0];
            }
        }
    }
    let means = sums.into_iter().map(|group| {
        let units = group.into_iter();
        units.map(|[sum, count]| sum / f64::max(count, 1.0)).collect()
    });
    Ok(means.collect())
}
