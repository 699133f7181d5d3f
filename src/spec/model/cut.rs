//! Units taken out of tensors: what a smaller network keeps of anything that has the shapes of its weights.

use super::{Coupling, ModelSpec, Owners};
use crate::spec::{NamedTensor, Weights};

/// A smaller network, and how anything with the shapes of the old weights is brought to those of the new.
#[derive(Debug, Clone, PartialEq)]
pub struct Cut {
    /// Of the network that was cut.
    pub coupling: Coupling,
    /// Units that stay of each group, in ascending order.
    pub kept: Vec<Vec<usize>>,
    pub model: ModelSpec,
    pub weights: Weights,
}

/// What was kept of one group of coupled units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptUnits {
    /// Layers that make the units.
    pub layers: Vec<usize>,
    /// Units before.
    pub before: usize,
    /// Those that were kept, in ascending order.
    pub kept: Vec<usize>,
}

impl Cut {
    /// The groups that lost units.
    pub fn report(&self) -> Vec<KeptUnits> {
        let groups = self.coupling.groups.iter().zip(&self.kept);
        groups
            .filter(|(group, kept)| kept.len() < group.units)
            .map(|(group, kept)| KeptUnits {
                layers: group.layers.clone(),
                before: group.units,
                kept: kept.clone(),
            })
            .collect()
    }

    /// `weights`, which have the shapes of those of `before`, the network that was cut, in the shapes of what is left.
    pub fn apply(&self, before: &ModelSpec, weights: &Weights) -> Weights {
        self.coupling.cut(before, &self.kept, weights)
    }
}

impl Coupling {
    /// The entries of `weights` that belong to units in `kept` (of each group, in ascending order) or to none. Tensors that are
    /// missing are left out; the others have the shapes of `model`, whose coupling this is.
    pub fn cut(&self, model: &ModelSpec, kept: &[Vec<usize>], weights: &Weights) -> Weights {
        let mut smaller = Weights::default();
        let stays: Vec<Vec<bool>> = self
            .groups
            .iter()
            .zip(kept)
            .map(|(group, kept)| {
                let mut stays = vec![false; group.units];
                for &unit in kept {
                    stays[unit] = true;
                }
                stays
            })
            .collect();
        for placed in model.walk().unwrap_or_default() {
            for (part, shape) in placed.tensors() {
                let Some(tensor) = weights.part(placed.index, part) else {
                    continue;
                };
                let places = |axis: usize| -> Vec<usize> {
                    let all = 0..shape.get(axis).copied().unwrap_or(1);
                    match self.owners(placed.index, part, axis) {
                        Some(owners) => all
                            .filter(|&place| owners[place].is_none_or(|unit| stays[unit.group][unit.index]))
                            .collect(),
                        None => all.collect(),
                    }
                };
                smaller.tensors.push(select(tensor, &places(0), &places(1)));
            }
        }
        smaller
    }

    /// Whose the entries along a dimension of a tensor are; none where no unit owns them.
    pub fn owners(&self, layer: usize, part: &str, axis: usize) -> Option<&Owners> {
        let mut axes = self.axes.iter();
        let found = axes.find(|known| known.layer == layer && known.part == part && known.axis == axis)?;
        Some(&found.owners)
    }
}

/// These rows and columns of a tensor.
fn select(tensor: &NamedTensor, rows: &[usize], columns: &[usize]) -> NamedTensor {
    let mut shape = tensor.shape.clone();
    let width = shape.get(1).copied().unwrap_or(1);
    let size = shape.get(2..).map_or(1, |rest| rest.iter().product());
    shape[0] = rows.len();
    if shape.len() > 1 {
        shape[1] = columns.len();
    }
    let mut data = Vec::with_capacity(rows.len() * columns.len() * size);
    for row in rows {
        for column in columns {
            data.extend_from_slice(&tensor.data[(row * width + column) * size..][..size]);
        }
    }
    NamedTensor {
        name: tensor.name.clone(),
        shape,
        data,
    }
}
