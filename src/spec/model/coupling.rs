//! Which dimensions of a network belong together: a unit that is removed takes its row in the layer that makes it, its place in
//! every norm behind it, and its column in all that reads it. Found by one walk over the list of layers; the idea is that of
//! `DepGraph` (Fang et al. 2023), over a description in place of a traced graph.

use super::{LayerSpec, ModelSpec, Placed, PositionKind, Shape, ShapeError};

/// Units that are removed from all these layers or from none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitGroup {
    pub kind: UnitKind,
    /// Layers that make the units' values, in ascending order; several where residual sums join them, and a depth-wise convolution
    /// with what it reads.
    pub layers: Vec<usize>,
    pub units: usize,
    /// Why the number of units is given.
    pub fixed: Option<&'static str>,
}

/// What the units of a group are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitKind {
    Neurons,
    Filters,
    Heads,
    /// Of a recurrent layer, in both its directions.
    Cells,
    /// Of the vectors that stand for tokens.
    Dimensions,
}

/// A unit of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// Index into [`Coupling::groups`].
    pub group: usize,
    pub index: usize,
}

/// Whose each channel of a value is; none for those of the network's input.
pub type Owners = Vec<Option<Unit>>;

/// One dimension of a tensor, and whose its entries are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axis {
    pub layer: usize,
    pub part: &'static str,
    /// 0 for rows, 1 for columns.
    pub axis: usize,
    pub role: AxisRole,
    pub owners: Owners,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AxisRole {
    /// The entries make the unit's value: where they are zero, the unit is silent.
    Makes,
    /// The entries are what is known of the unit: running statistics.
    Knows,
    /// The entries multiply the unit's value.
    Reads,
}

/// All groups of a network, and where their units stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coupling {
    pub groups: Vec<UnitGroup>,
    pub axes: Vec<Axis>,
    /// Of the output of each layer, channel by channel.
    pub outputs: Vec<Owners>,
    /// The group that is a layer's own number of units, filters, heads or dimensions.
    pub own: Vec<Option<usize>>,
}

const OUTPUT: &str = "its values are the network's answer";
const NORMALISED: &str = "a layer norm takes the mean over it";
const PLACED: &str = "sinusoidal positions are made for its width";
const MIXED: &str = "a residual sum joins it with other units";

impl ModelSpec {
    /// The groups of coupled units.
    pub fn coupling(&self) -> Result<Coupling, ShapeError> {
        let mut graph = Graph::default();
        let mut value: Owners = vec![None; self.input.channels()];
        let mut remembered = Vec::new();
        let mut outputs = Vec::with_capacity(self.layers.len());
        for placed in self.walk()? {
            value = graph.pass(&placed, value, &mut remembered);
            outputs.push(value.clone());
        }
        graph.fix_all(&value, OUTPUT);
        Ok(graph.finish(outputs))
    }

    /// The network with this many units in each group of its `coupling`.
    #[must_use]
    pub fn with_widths(&self, coupling: &Coupling, widths: &[usize]) -> Self {
        let mut model = self.clone();
        let own = |index: usize| coupling.own[index].map(|group| widths[group]);
        for (index, layer) in model.layers.iter_mut().enumerate() {
            let Some(width) = own(index) else {
                continue;
            };
            match layer {
                LayerSpec::Dense { units: count }
                | LayerSpec::Conv2d { filters: count, .. }
                | LayerSpec::Conv1d { filters: count, .. }
                | LayerSpec::Recurrent { units: count, .. }
                | LayerSpec::Embedding { dimensions: count } => *count = width,
                LayerSpec::SelfAttention { heads, head_width } => {
                    let features = coupling.outputs[index].len();
                    let each = head_width.unwrap_or(features / (*heads).max(1));
                    *heads = width;
                    *head_width = Some(each);
                }
                _ => {}
            }
        }
        // A head says how wide it is only where that is not its share.
        if let Ok(walk) = model.walk() {
            for placed in walk {
                if let (LayerSpec::SelfAttention { heads, head_width }, Some([_, width])) =
                    (&mut model.layers[placed.index], placed.heads())
                    && *heads * width == placed.input.channels()
                    && matches!(
                        self.layers[placed.index],
                        LayerSpec::SelfAttention { head_width: None, .. }
                    )
                {
                    *head_width = None;
                }
            }
        }
        model
    }
}

impl Coupling {
    /// Units in each group.
    pub fn widths(&self) -> Vec<usize> {
        self.groups.iter().map(|group| group.units).collect()
    }

    /// The group that makes the values of this layer.
    pub fn group_of(&self, layer: usize) -> Option<usize> {
        self.groups.iter().position(|group| group.layers.contains(&layer))
    }
}

/// Groups while they are found: one is joined to another by pointing to it.
#[derive(Default)]
struct Graph {
    groups: Vec<UnitGroup>,
    joined: Vec<usize>,
    axes: Vec<Axis>,
    own: Vec<Option<usize>>,
}

impl Graph {
    /// The owners behind a layer.
    fn pass(&mut self, placed: &Placed, value: Owners, remembered: &mut Vec<Owners>) -> Owners {
        self.own.push(None);
        match placed.layer {
            LayerSpec::Dense { units } => self.full(placed, UnitKind::Neurons, units, &value),
            LayerSpec::Conv2d { filters, .. } | LayerSpec::Conv1d { filters, .. } => {
                self.full(placed, UnitKind::Filters, filters, &value)
            }
            LayerSpec::DepthwiseConv2d { .. } | LayerSpec::LayerNorm => {
                self.axis(placed, "weight", 0, AxisRole::Makes, &value);
                self.axis(placed, "bias", 0, AxisRole::Makes, &value);
                if placed.layer == LayerSpec::LayerNorm {
                    self.fix_all(&value, NORMALISED);
                }
                value
            }
            LayerSpec::BatchNorm => {
                for (part, role) in [
                    ("weight", AxisRole::Makes),
                    ("bias", AxisRole::Makes),
                    ("running_mean", AxisRole::Knows),
                    ("running_var", AxisRole::Knows),
                ] {
                    self.axis(placed, part, 0, role, &value);
                }
                value
            }
            LayerSpec::Activation { .. }
            | LayerSpec::MaxPool { .. }
            | LayerSpec::GlobalAveragePool
            | LayerSpec::Dropout { .. }
            | LayerSpec::FirstStep => value,
            LayerSpec::Flatten => match placed.input {
                Shape::Image { .. } => repeated(&value, placed.input.positions()),
                _ => value.repeat(placed.input.positions()),
            },
            LayerSpec::Rows => match placed.input {
                Shape::Image { width, .. } => repeated(&value, width),
                _ => value,
            },
            LayerSpec::Patches { size } => repeated(&value, size * size),
            LayerSpec::Embedding { dimensions } => {
                let units = self.group(placed, UnitKind::Dimensions, dimensions);
                self.axis(placed, "weight", 1, AxisRole::Makes, &units);
                units
            }
            LayerSpec::Positions { encoding } => {
                match encoding {
                    PositionKind::Learned => self.axis(placed, "weight", 1, AxisRole::Makes, &value),
                    PositionKind::Sinusoidal => self.fix_all(&value, PLACED),
                }
                value
            }
            LayerSpec::ClassToken => {
                self.axis(placed, "weight", 0, AxisRole::Makes, &value);
                value
            }
            LayerSpec::Recurrent {
                units, bidirectional, ..
            } => self.recurrent(placed, units, bidirectional, &value),
            LayerSpec::SelfAttention { .. } => {
                self.attention(placed, &value);
                value
            }
            LayerSpec::Branch => {
                remembered.push(value.clone());
                value
            }
            LayerSpec::Sum => {
                self.sum(placed, &value, &remembered.pop().unwrap_or_default());
                value
            }
        }
    }

    /// A layer that reads all of its input for each of its units.
    fn full(&mut self, placed: &Placed, kind: UnitKind, count: usize, value: &Owners) -> Owners {
        let units = self.group(placed, kind, count);
        self.axis(placed, "weight", 0, AxisRole::Makes, &units);
        self.axis(placed, "bias", 0, AxisRole::Makes, &units);
        self.axis(placed, "weight", 1, AxisRole::Reads, value);
        units
    }

    fn recurrent(&mut self, placed: &Placed, units: usize, bidirectional: bool, value: &Owners) -> Owners {
        let cells = self.group(placed, UnitKind::Cells, units);
        for (part, shape) in placed.tensors() {
            self.axis(placed, part, 0, AxisRole::Makes, &cells.repeat(shape[0] / units.max(1)));
            if part.starts_with("weight_ih") {
                self.axis(placed, part, 1, AxisRole::Reads, value);
            } else if part.starts_with("weight_hh") {
                self.axis(placed, part, 1, AxisRole::Reads, &cells);
            }
        }
        cells.repeat(1 + usize::from(bidirectional))
    }

    /// What attention gives is added up in the features that it reads.
    fn attention(&mut self, placed: &Placed, value: &Owners) {
        let [count, width] = placed.heads().unwrap_or_default();
        let heads = self.group(placed, UnitKind::Heads, count);
        let heads = repeated(&heads, width);
        self.axis(placed, "in_proj_weight", 0, AxisRole::Makes, &heads.repeat(3));
        self.axis(placed, "in_proj_bias", 0, AxisRole::Makes, &heads.repeat(3));
        self.axis(placed, "in_proj_weight", 1, AxisRole::Reads, value);
        self.axis(placed, "out_proj.weight", 1, AxisRole::Reads, &heads);
        self.axis(placed, "out_proj.weight", 0, AxisRole::Makes, value);
        self.axis(placed, "out_proj.bias", 0, AxisRole::Makes, value);
    }

    fn sum(&mut self, placed: &Placed, value: &Owners, shortcut: &Owners) {
        if placed.projection().is_some() {
            self.axis(placed, "weight", 0, AxisRole::Makes, value);
            self.axis(placed, "bias", 0, AxisRole::Makes, value);
            self.axis(placed, "weight", 1, AxisRole::Reads, shortcut);
            return;
        }
        let pairs = || value.iter().zip(shortcut);
        let fits = |graph: &Self| {
            pairs().all(|pair| match pair {
                (Some(a), Some(b)) => {
                    let [first, second] = [graph.root(a.group), graph.root(b.group)];
                    a.index == b.index && graph.groups[first].units == graph.groups[second].units
                }
                (None, None) => true,
                _ => false,
            })
        };
        if !fits(self) {
            self.fix_all(value, MIXED);
            self.fix_all(shortcut, MIXED);
            return;
        }
        for (a, b) in pairs() {
            if let (Some(a), Some(b)) = (a, b) {
                self.join(a.group, b.group);
            }
        }
    }

    fn group(&mut self, placed: &Placed, kind: UnitKind, units: usize) -> Owners {
        let group = self.groups.len();
        self.groups.push(UnitGroup {
            kind,
            layers: Vec::new(),
            units,
            fixed: None,
        });
        self.joined.push(group);
        self.own[placed.index] = Some(group);
        (0..units).map(|index| Some(Unit { group, index })).collect()
    }

    fn axis(&mut self, placed: &Placed, part: &'static str, axis: usize, role: AxisRole, owners: &Owners) {
        self.axes.push(Axis {
            layer: placed.index,
            part,
            axis,
            role,
            owners: owners.clone(),
        });
    }

    fn root(&self, mut group: usize) -> usize {
        while self.joined[group] != group {
            group = self.joined[group];
        }
        group
    }

    fn join(&mut self, a: usize, b: usize) {
        let [a, b] = [self.root(a), self.root(b)];
        let (first, second) = (a.min(b), a.max(b));
        self.joined[second] = first;
        self.groups[first].fixed = self.groups[first].fixed.or(self.groups[second].fixed);
    }

    fn fix_all(&mut self, owners: &Owners, reason: &'static str) {
        for unit in owners.iter().flatten() {
            let root = self.root(unit.group);
            self.groups[root].fixed.get_or_insert(reason);
        }
    }

    /// Numbers the groups anew, without those that were joined to others.
    fn finish(mut self, mut outputs: Vec<Owners>) -> Coupling {
        let roots: Vec<usize> = (0..self.groups.len()).map(|group| self.root(group)).collect();
        let mut places = vec![0; roots.len()];
        let mut groups = Vec::new();
        for (group, &root) in roots.iter().enumerate() {
            if root == group {
                places[group] = groups.len();
                groups.push(self.groups[group].clone());
            }
        }
        let place = |group: usize| places[roots[group]];
        let owners = self.axes.iter_mut().map(|axis| &mut axis.owners).chain(&mut outputs);
        for unit in owners.flatten().flatten() {
            unit.group = place(unit.group);
        }
        for axis in self.axes.iter().filter(|axis| axis.role == AxisRole::Makes) {
            for unit in axis.owners.iter().flatten() {
                let layers = &mut groups[unit.group].layers;
                if layers.last() != Some(&axis.layer) {
                    layers.push(axis.layer);
                }
            }
        }
        for group in &mut groups {
            group.layers.sort_unstable();
            group.layers.dedup();
        }
        Coupling {
            groups,
            axes: self.axes,
            outputs,
            own: self.own.iter().map(|own| own.map(place)).collect(),
        }
    }
}

/// Each owner `times` times in a row.
fn repeated(owners: &Owners, times: usize) -> Owners {
    owners
        .iter()
        .flat_map(|owner| std::iter::repeat_n(*owner, times))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Architecture, ModelConfig, PresetSize};

    const IMAGE: Shape = Shape::Image {
        channels: 1,
        height: 28,
        width: 28,
    };

    fn preset(architecture: Architecture) -> (ModelSpec, Coupling) {
        let mut config = ModelConfig::preset(architecture, PresetSize::Small, IMAGE);
        config.bidirectional = architecture == Architecture::Lstm;
        let model = ModelSpec::from_config(&config, IMAGE, 10).unwrap();
        let coupling = model.coupling().unwrap();
        (model, coupling)
    }

    fn free(coupling: &Coupling) -> Vec<&UnitGroup> {
        coupling.groups.iter().filter(|group| group.fixed.is_none()).collect()
    }

    #[test]
    fn members_of_a_sum_share_a_group_with_the_shortcut() {
        let (model, coupling) = preset(Architecture::Resnet);
        let sums: Vec<usize> = (0..model.layers.len())
            .filter(|&layer| model.layers[layer] == LayerSpec::Sum)
            .collect();
        for &sum in &sums {
            let placed = model.walk().unwrap()[sum];
            let group = coupling.outputs[sum][0].unwrap().group;
            // The second convolution of the block, and the projection of one that has it.
            let second = (0..sum).rfind(|&layer| matches!(model.layers[layer], LayerSpec::Conv2d { .. }));
            assert!(coupling.groups[group].layers.contains(&second.unwrap()));
            assert_eq!(
                coupling.groups[group].layers.contains(&sum),
                placed.projection().is_some()
            );
        }
        // The first block adds the stem as it is.
        assert!(coupling.groups[0].layers.len() >= 2 && coupling.groups[0].layers[0] == 0);
        // Stem, a convolution within each block, a sum for each block that projects, and the output.
        assert_eq!(coupling.groups.len(), 2 * sums.len() + 1);
        assert_eq!(free(&coupling).len(), 2 * sums.len());
    }

    #[test]
    fn a_depthwise_convolution_follows_what_it_reads() {
        let (model, coupling) = preset(Architecture::Mobilenet);
        for (layer, spec) in model.layers.iter().enumerate() {
            if let LayerSpec::DepthwiseConv2d { .. } = spec {
                let group = coupling.group_of(layer).unwrap();
                assert!(coupling.groups[group].layers[0] < layer);
                assert_eq!(coupling.own[layer], None);
            }
        }
    }

    #[test]
    fn a_cell_is_one_unit_in_both_directions() {
        let (model, coupling) = preset(Architecture::Lstm);
        let layer = model
            .layers
            .iter()
            .position(|layer| matches!(layer, LayerSpec::Recurrent { .. }));
        let layer = layer.unwrap();
        let group = coupling.own[layer].unwrap();
        let units = coupling.groups[group].units;
        let backward = coupling
            .axes
            .iter()
            .find(|axis| axis.part == "weight_hh_l0_reverse" && axis.axis == 0);
        let owners = &backward.unwrap().owners;
        assert_eq!(owners.len(), 4 * units);
        assert_eq!(owners[3 * units + 2], Some(Unit { group, index: 2 }));
        assert_eq!(coupling.outputs[layer][units + 2], Some(Unit { group, index: 2 }));
    }

    #[test]
    fn a_transformer_has_heads_and_feed_forward_units_to_lose() {
        let (model, coupling) = preset(Architecture::Transformer);
        let count = |kind| free(&coupling).iter().filter(|group| group.kind == kind).count();
        let blocks = model
            .layers
            .iter()
            .filter(|layer| matches!(layer, LayerSpec::SelfAttention { .. }))
            .count();
        assert_eq!((count(UnitKind::Heads), count(UnitKind::Neurons)), (blocks, blocks));
        assert!(coupling.groups.iter().any(|group| group.fixed == Some(NORMALISED)));
        let widths: Vec<usize> = coupling
            .groups
            .iter()
            .map(|group| {
                if group.fixed.is_none() {
                    group.units / 2
                } else {
                    group.units
                }
            })
            .collect();
        let smaller = model.with_widths(&coupling, &widths);
        let heads = smaller
            .layers
            .iter()
            .find(|layer| matches!(layer, LayerSpec::SelfAttention { .. }));
        assert!(
            matches!(
                heads,
                Some(LayerSpec::SelfAttention {
                    head_width: Some(_),
                    ..
                })
            ),
            "{heads:?}"
        );
        assert_eq!(model.with_widths(&coupling, &coupling.widths()), model);
    }

    #[test]
    fn behind_a_flatten_a_filter_is_its_image() {
        let (model, coupling) = preset(Architecture::Cnn);
        let flatten = model
            .layers
            .iter()
            .position(|layer| *layer == LayerSpec::Flatten)
            .unwrap();
        let positions = model.walk().unwrap()[flatten].input.positions();
        let owners = &coupling.outputs[flatten];
        assert_eq!(owners[0], owners[positions - 1]);
        assert_eq!(owners[positions].unwrap().index, 1);
    }
}
