//! The graph as it grows: nodes and constants with their names, and how the current value lies in memory.

use half::f16;

use crate::deploy::DeployError;
use crate::deploy::fold::tensors_of;
use crate::runtime::onnx::{AttributeProto, MICROSOFT, NodeProto, TensorProto, data_type};
use crate::spec::{NamedTensor, Placed, Shape, Weights};

use super::INPUT_NAME;

/// Of the floats in the file.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Width {
    Single,
    Half,
}

/// How the current value lies in memory. A layer that needs another layout changes it, so that layers of a kind follow each
/// other without a detour.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Layout {
    /// As `Shape::dimensions` says, behind the batch.
    Natural,
    /// The steps of all samples one below the other: `[N * steps, features]`.
    Rows,
    /// `[N, features, steps]`
    Channels,
    /// `[steps, N, features]`
    Time,
}

/// A value of the graph.
#[derive(Clone)]
pub(super) struct Value {
    pub name: String,
    pub layout: Layout,
}

pub(super) struct Writer<'a> {
    pub weights: &'a Weights,
    width: Width,
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    /// What the next node reads.
    pub value: Value,
    /// What the open branches remember, the innermost last.
    pub remembered: Vec<Value>,
    /// Class tokens in front of the current steps.
    pub class_tokens: usize,
    /// Where the weights of recurrent layers are stored in 8 bits, the layers that are left in floating point.
    pub in_bytes_but: Option<Vec<usize>>,
    /// What is still to be added to the current value, step by step, and the layer that it comes from.
    pub pending: Option<(Placed, Vec<f32>)>,
    layer: usize,
    /// Nodes of the current layer so far.
    parts: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(weights: &'a Weights, width: Width) -> Self {
        Self {
            weights,
            width,
            nodes: Vec::new(),
            constants: Vec::new(),
            value: Value {
                name: INPUT_NAME.to_owned(),
                layout: Layout::Natural,
            },
            remembered: Vec::new(),
            class_tokens: 0,
            in_bytes_but: None,
            pending: None,
            layer: 0,
            parts: 0,
        }
    }

    /// The nodes and constants of a network whose output is the current value, of shape `shape`.
    pub(super) fn finish(mut self, shape: Shape, output: &str) -> (Vec<NodeProto>, Vec<TensorProto>) {
        self.make_natural(shape);
        let current = self.value.name;
        let maker = self.nodes.iter_mut().find(|node| node.output.contains(&current));
        for name in maker.into_iter().flat_map(|node| &mut node.output) {
            if *name == current {
                output.clone_into(name);
            }
        }
        (self.nodes, self.constants)
    }

    /// From here on nodes and constants are named after this layer.
    pub(super) fn begin(&mut self, placed: &Placed) {
        self.layer = placed.index;
        self.parts = 0;
    }

    /// Appends a node that reads the current value and then `others`, and makes its output the current value.
    pub(super) fn apply(&mut self, operator: &str, others: &[&str], attributes: Vec<AttributeProto>) {
        let current = self.value.name.clone();
        let inputs: Vec<&str> = std::iter::once(current.as_str())
            .chain(others.iter().copied())
            .collect();
        self.value.name = self.push(operator, &inputs, attributes);
    }

    /// Appends a node; returns the name of its output.
    pub(super) fn push(&mut self, operator: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> String {
        let label = self.label();
        let output = format!("y{label}");
        self.push_named(operator, &format!("{operator}{label}"), inputs, &[&output], attributes);
        output
    }

    /// Appends a node whose names are given.
    pub(super) fn push_named(
        &mut self,
        operator: &str,
        name: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) {
        let mut node = NodeProto::new(operator, name, inputs, outputs);
        node.attribute = attributes;
        self.nodes.push(node);
    }

    /// Appends a node of ONNX Runtime's own operator set that reads the current value, and makes its output the current value.
    pub(super) fn apply_foreign(&mut self, operator: &str, others: &[&str], attributes: Vec<AttributeProto>) {
        self.apply(operator, others, attributes);
        if let Some(node) = self.nodes.last_mut() {
            node.domain = Some(MICROSOFT.to_owned());
        }
    }

    /// The layer's number, and letters from its second node on.
    pub(super) fn label(&mut self) -> String {
        let mut label = self.layer.to_string();
        let mut part = self.parts;
        while part > 0 {
            label.push(char::from(b'a' + ((part - 1) % 26) as u8));
            part = (part - 1) / 26;
        }
        self.parts += 1;
        label
    }

    pub(super) fn tensors(&self, placed: &Placed) -> Result<Vec<&'a NamedTensor>, DeployError> {
        tensors_of(self.weights, placed)
    }

    pub(super) fn add_constant(&mut self, constant: TensorProto) {
        self.constants.push(constant);
    }

    /// A constant named `letter` and the layer's number, or one in half precision and its widening to that name.
    pub(super) fn floats(
        &mut self,
        letter: &str,
        placed: &Placed,
        shape: &[usize],
        values: &[f32],
    ) -> Result<String, DeployError> {
        let name = format!("{letter}{}", placed.index);
        if self.width == Width::Single {
            self.constants.push(TensorProto::from_f32(&name, shape, values));
            return Ok(name);
        }
        let halves: Vec<f16> = values.iter().map(|&value| f16::from_f32(value)).collect();
        if halves.iter().any(|half| !half.is_finite()) {
            return Err(DeployError::Layer {
                layer: placed.index,
                name: placed.layer.name(),
                problem: "a weight or bias is beyond 65504, the largest number in half precision".to_owned(),
                remedy: "train with weight decay, or export without fp16",
            });
        }
        let stored = format!("{name}h");
        self.constants.push(TensorProto::from_f16(&stored, shape, &halves));
        let to = AttributeProto::int("to", i64::from(data_type::FLOAT));
        self.push_named("Cast", &name, &[&stored], &[&name], vec![to]);
        Ok(name)
    }

    /// The layer's tensors as constants, one for each of `letters`; their names.
    pub(super) fn parameters<const N: usize>(
        &mut self,
        letters: [&str; N],
        placed: &Placed,
    ) -> Result<[String; N], DeployError> {
        let mut names = [const { String::new() }; N];
        let tensors = self.tensors(placed)?;
        for ((name, letter), tensor) in names.iter_mut().zip(letters).zip(tensors) {
            *name = self.floats(letter, placed, &tensor.shape, &tensor.data)?;
        }
        Ok(names)
    }

    /// The constant `name`, written once, of one number.
    pub(super) fn scalar(&mut self, name: &'static str, value: f32) -> &'static str {
        if !self.has(name) {
            self.constants.push(TensorProto::from_f32(name, &[], &[value]));
        }
        name
    }

    /// A list of whole numbers as a constant; equal lists are written once.
    pub(super) fn whole_numbers(&mut self, numbers: &[i64]) -> String {
        let words: Vec<String> = numbers
            .iter()
            .map(|number| {
                if *number < 0 {
                    "n".to_owned()
                } else {
                    number.to_string()
                }
            })
            .collect();
        let name = words.join("_");
        if !self.has(&name) {
            self.constants
                .push(TensorProto::from_i64(&name, &[numbers.len()], numbers));
        }
        name
    }

    /// Whether a constant or a value of this name has been written.
    pub(super) fn has(&self, name: &str) -> bool {
        self.constants.iter().any(|constant| constant.name() == name)
            || self
                .nodes
                .iter()
                .any(|node| node.output.iter().any(|output| output == name))
    }

    pub(super) fn reshape(&mut self, dimensions: &[i64]) {
        let shape = self.whole_numbers(dimensions);
        self.apply("Reshape", &[&shape], Vec::new());
    }

    pub(super) fn transpose(&mut self, order: &[i64]) {
        self.apply("Transpose", &[], vec![AttributeProto::ints("perm", order)]);
    }

    /// Brings the current value, a sequence of `shape`, into `layout`. Whatever is no sequence lies as its shape says.
    pub(super) fn arrange(&mut self, layout: Layout, shape: Shape) {
        let Shape::Sequence { steps, features } = shape else {
            return;
        };
        if self.value.layout == layout {
            return;
        }
        let [steps, features] = [steps as i64, features as i64];
        match self.value.layout {
            Layout::Natural => {}
            Layout::Rows => self.reshape(&[-1, steps, features]),
            Layout::Channels => self.transpose(&[0, 2, 1]),
            Layout::Time => self.transpose(&[1, 0, 2]),
        }
        match layout {
            Layout::Natural => {}
            Layout::Rows => self.reshape(&[-1, features]),
            Layout::Channels => self.transpose(&[0, 2, 1]),
            Layout::Time => self.transpose(&[1, 0, 2]),
        }
        self.value.layout = layout;
    }

    pub(super) fn make_natural(&mut self, shape: Shape) {
        self.arrange(Layout::Natural, shape);
    }
}
