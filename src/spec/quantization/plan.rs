//! Where a network is on grids: which layers have their weights on one, and which values are put on one. The writer of files,
//! the fake-quantized forward pass and the search for layers to protect all read this table.

use crate::spec::{ActivationKind, LayerSpec, ModelSpec, Placed, Shape, ShapeError};

/// How the weights of a layer are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightGrid {
    /// In floating point.
    Float,
    /// Signed 8 bits, symmetric, a scale for each output channel.
    Bytes,
    /// 4 bits, a scale for each group of [`GROUP`](super::GROUP) inputs.
    Nibbles,
}

/// The grids of a batch-norm-folded network. A *place* is a value of the network: 0 is its input, `layer + 1` the output of a
/// layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GridPlan {
    /// Of each layer.
    pub weights: Vec<WeightGrid>,
    /// Whether the network is a chain of dense layers, convolutions, `ReLU` layers, max pools and flattens. In a chain a value stays
    /// on its grid from the layer that made it to the one that multiplies it; in any other network only that one sees it so.
    pub is_chain: bool,
    /// Whether the value at each place is put on a grid that covers its range.
    pub places: Vec<bool>,
    /// Of each layer whose input is on a grid, the place that has it.
    pub inputs: Vec<Option<usize>>,
}

impl GridPlan {
    /// The plan for `model` with its dense layers stored as `dense`, its convolutions and the projections of attention in 8 bits, and the layers `protected` (places
    /// in `model`) in floating point.
    pub fn of(model: &ModelSpec, dense: WeightGrid, protected: &[usize]) -> Result<Self, ShapeError> {
        let walk = model.walk()?;
        let weights: Vec<WeightGrid> = walk
            .iter()
            .map(|placed| match placed.layer {
                _ if protected.contains(&placed.index) => WeightGrid::Float,
                LayerSpec::Dense { .. } => dense,
                layer if layer.multiplies() => WeightGrid::Bytes,
                _ => WeightGrid::Float,
            })
            .collect();
        let mut plan = Self {
            is_chain: walk.iter().all(stays_on_grid),
            places: vec![false; walk.len() + 1],
            inputs: vec![None; walk.len()],
            weights,
        };
        if plan.is_chain {
            plan.follow(&walk);
        } else {
            for layer in 0..walk.len() {
                if plan.weights[layer] == WeightGrid::Bytes {
                    plan.places[layer] = true;
                    plan.inputs[layer] = Some(layer);
                }
            }
        }
        Ok(plan)
    }

    /// In a chain a value is put on its grid where it is made: behind the ReLU, if there is one. The output is on none: 256 steps are
    /// too few to tell many classes apart.
    fn follow(&mut self, walk: &[Placed]) {
        let mut origin = 0;
        for placed in walk.iter().filter(|placed| placed.layer.is_product()) {
            let layer = placed.index;
            if self.weights[layer] == WeightGrid::Bytes {
                self.places[origin] = true;
                self.inputs[layer] = Some(origin);
            }
            let has_relu = walk.get(layer + 1).is_some_and(|next| next.layer == LayerSpec::RELU);
            origin = layer + 1 + usize::from(has_relu);
        }
    }
}

/// Whether the layer is a product, a ReLU, or one that only chooses or keeps values: its output is on a grid where its input is.
fn stays_on_grid(placed: &Placed) -> bool {
    match placed.layer {
        LayerSpec::Dense { .. } | LayerSpec::Flatten => matches!(placed.output, Shape::Features { .. }),
        LayerSpec::MaxPool { .. } => matches!(placed.input, Shape::Image { .. }),
        layer => layer == LayerSpec::RELU || matches!(layer, LayerSpec::Conv2d { .. }),
    }
}

impl LayerSpec {
    pub const RELU: Self = Self::Activation {
        function: ActivationKind::Relu,
    };

    /// Whether the layer reads its input in products with constant weights alone: one of them, or the projections of attention.
    pub fn multiplies(self) -> bool {
        self.is_product() || matches!(self, Self::SelfAttention { .. })
    }

    /// Whether the layer is one product with constant weights.
    pub fn is_product(self) -> bool {
        matches!(
            self,
            Self::Dense { .. } | Self::Conv2d { .. } | Self::DepthwiseConv2d { .. } | Self::Conv1d { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::PaddingKind;

    fn cnn() -> ModelSpec {
        let convolution = LayerSpec::Conv2d {
            filters: 4,
            kernel: 3,
            stride: 1,
            padding: PaddingKind::Same,
        };
        ModelSpec {
            input: Shape::Image {
                channels: 1,
                height: 4,
                width: 4,
            },
            layers: vec![
                convolution,
                LayerSpec::RELU,
                LayerSpec::MaxPool { size: 2 },
                LayerSpec::Flatten,
                LayerSpec::Dense { units: 8 },
                LayerSpec::RELU,
                LayerSpec::Dense { units: 2 },
            ],
        }
    }

    fn placed(plan: &GridPlan) -> Vec<usize> {
        (0..plan.places.len()).filter(|&place| plan.places[place]).collect()
    }

    #[test]
    fn a_chain_is_on_grids_from_end_to_end() {
        let plan = GridPlan::of(&cnn(), WeightGrid::Bytes, &[]).unwrap();
        assert!(plan.is_chain);
        assert_eq!(placed(&plan), [0, 2, 6]);
        assert_eq!(
            (plan.inputs[0], plan.inputs[4], plan.inputs[6]),
            (Some(0), Some(2), Some(6))
        );
    }

    #[test]
    fn a_protected_layer_neither_reads_nor_makes_grids() {
        let plan = GridPlan::of(&cnn(), WeightGrid::Bytes, &[4]).unwrap();
        assert_eq!(placed(&plan), [0, 6]);
        assert_eq!(plan.weights[4], WeightGrid::Float);
        let plan = GridPlan::of(&cnn(), WeightGrid::Bytes, &[0, 4, 6]).unwrap();
        assert!(placed(&plan).is_empty() && !plan.weights.contains(&WeightGrid::Bytes));
    }

    #[test]
    fn nibbles_read_floats() {
        let plan = GridPlan::of(&cnn(), WeightGrid::Nibbles, &[]).unwrap();
        assert_eq!(placed(&plan), [0]);
        assert_eq!(
            [plan.weights[0], plan.weights[4]],
            [WeightGrid::Bytes, WeightGrid::Nibbles]
        );
    }

    #[test]
    fn elsewhere_only_products_see_grids() {
        let mut model = cnn();
        model.layers[1] = LayerSpec::Activation {
            function: ActivationKind::Tanh,
        };
        let plan = GridPlan::of(&model, WeightGrid::Bytes, &[]).unwrap();
        assert!(!plan.is_chain);
        assert_eq!(placed(&plan), [0, 4, 6]);
    }
}
