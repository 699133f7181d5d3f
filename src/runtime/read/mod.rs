//! Reads the nodes of a file into operations on values with known shapes, and refuses by name what the runtime does not run.
//!
//! A value of the file may be held in several forms: as floats or as bytes on a grid, with its channels where the file has them or
//! last in memory. An operation asks for the form that it works on, and the way there is an operation of its own, done once.

mod attention;
mod dynamic;
mod follow;
mod nibbles;
mod pairs;
mod views;
mod weighted;

use std::collections::HashMap;

use super::LoadError;
use super::constants::{Constants, grid};
use super::file::{File, refuse};
use super::kernel::Kernel;
use super::layers::Staged;
use super::node::{EXPORT_AGAIN, Node, USE_SUPPORTED};
use super::onnx::{NodeProto, ValueInfoProto};
use super::products::{MAX_VALUES, SMALLER};
use super::shape::{Dims, Shape};
use crate::kernels::{Function, Grid, InstructionSet, Pair};
use dynamic::Part;
use nibbles::is_nibbles;

/// A file as operations in the order in which they are done.
pub struct Graph {
    pub values: Vec<Value>,
    pub operations: Vec<Operation>,
    /// Place of the output among the values; the input is the first.
    pub output: usize,
    /// Below what the numbers of the input must be, where they are tokens.
    pub vocabulary: Option<usize>,
}

#[derive(Clone, Copy)]
pub struct Value {
    pub shape: Shape,
    /// The value whose memory it is: itself, or what it is another view of.
    pub root: usize,
    /// Whether it holds whole numbers.
    pub is_tokens: bool,
    /// The grid that it is on, where it is held as bytes.
    pub grid: Option<Grid>,
    /// How many channels lie last in memory, where the file has them right behind the batch.
    pub channels: Option<usize>,
}

pub struct Operation {
    pub kernel: Kernel,
    /// Values that are read.
    pub sources: Vec<usize>,
    pub out: usize,
    /// What it takes beside its values.
    pub staged: Staged,
    /// The name, where it runs on integer kernels.
    pub integer: Option<String>,
}

/// What a name stands for, besides constants.
#[derive(Clone, Copy)]
enum Known<'g> {
    Value(usize),
    /// Bytes, on which only the way back is known.
    Quantized(usize),
    /// Something between the nodes of a dense layer that quantizes its input as it comes.
    Part(Part<'g>),
}

/// Another form of a value.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Form {
    Floats,
    /// The bits of the scale, and the zero point.
    Bytes(u32, u8),
    FileOrder,
    ChannelsLast(usize),
}

struct Reader<'g> {
    set: InstructionSet,
    graph: Graph,
    constants: &'g Constants<'g>,
    nodes: &'g [NodeProto],
    names: HashMap<&'g str, Known<'g>>,
    /// The nodes that read each name; the output is read by one behind all nodes.
    readers: HashMap<&'g str, Vec<usize>>,
    /// Nodes whose work an operation before them does.
    absorbed: Vec<bool>,
    forms: HashMap<(usize, Form), usize>,
    /// What was transposed, and the order of its axes.
    transposed: HashMap<usize, (usize, Dims)>,
}

type NodeOf<'g> = Node<'g, 'g>;

/// Reads a file.
pub fn read(file: &File, set: InstructionSet) -> Result<Graph, LoadError> {
    let mut constants = Constants::of(&file.graph)?;
    let nodes = &file.graph.node;
    let mut absorbed = vec![false; nodes.len()];
    for (proto, absorbed) in nodes.iter().zip(&mut absorbed) {
        let node = Node {
            proto,
            constants: &constants,
        };
        if matches!(proto.op_type(), "Cast" | "DequantizeLinear")
            && let Some(constant) = node.constant()?
        {
            let name = node.output()?;
            constants.insert(name, constant);
            *absorbed = true;
        }
    }
    let dims: Vec<usize> = std::iter::once(1).chain(file.input_shape.iter().copied()).collect();
    let shape = Shape::new(&dims, 0).filter(|shape| shape.len() <= MAX_VALUES);
    let shape = shape.ok_or_else(|| refuse(format!("its input of shape {:?} is too large", file.input_shape)))?;
    let mut reader = Reader {
        set,
        graph: Graph {
            values: vec![Value {
                shape,
                root: 0,
                is_tokens: file.is_tokens,
                grid: None,
                channels: None,
            }],
            operations: Vec::new(),
            output: 0,
            vocabulary: file.is_tokens.then_some(1 << 24),
        },
        constants: &constants,
        nodes,
        names: HashMap::from([(file.input_name.as_str(), Known::Value(0))]),
        readers: HashMap::new(),
        absorbed,
        forms: HashMap::new(),
        transposed: HashMap::new(),
    };
    let outputs = file.graph.output.iter().map(ValueInfoProto::name);
    let inputs = nodes
        .iter()
        .enumerate()
        .flat_map(|(index, node)| node.input.iter().map(move |name| (name.as_str(), index)));
    for (name, reads) in inputs.chain(outputs.map(|name| (name, nodes.len()))) {
        reader.readers.entry(name).or_default().push(reads);
    }
    for (index, proto) in nodes.iter().enumerate() {
        if reader.absorbed[index] {
            continue;
        }
        let node = reader.node(proto);
        if !proto.domain().is_empty() && !is_nibbles(&node) {
            return Err(node.refuse("it is of another operator set than the standard one", USE_SUPPORTED));
        }
        reader.add(&node)?;
    }
    reader.finish(file)
}

impl<'g> Reader<'g> {
    fn node(&self, proto: &'g NodeProto) -> NodeOf<'g> {
        Node {
            proto,
            constants: self.constants,
        }
    }

    fn finish(mut self, file: &File) -> Result<Graph, LoadError> {
        let output = match self.names.get(file.output_name.as_str()) {
            Some(&Known::Value(value)) if !self.graph.values[value].is_tokens => value,
            Some(_) => return Err(refuse("its output is quantized, or of whole numbers".to_owned())),
            None => {
                let problem = format!("its output `{}` is not made by its last node", file.output_name);
                return Err(refuse(problem));
            }
        };
        let output = self.floats(output);
        self.graph.output = self.in_file_order(output);
        let shape = self.shape(self.graph.output);
        if shape.batch != 0 || shape.dims[0] != 1 {
            return Err(refuse("its output is no batch of samples".to_owned()));
        }
        Ok(self.graph)
    }

    /// Adds what a node does.
    fn add(&mut self, node: &NodeOf<'g>) -> Result<(), LoadError> {
        if self.dynamic(node)? {
            return Ok(());
        }
        match node.proto.op_type() {
            "MatMulNBits" => self.nibbles(node),
            "Gemm" | "MatMul" | "Conv" => self.product(node),
            "BatchNormalization" => self.batch_norm(node),
            "LayerNormalization" => self.layer_norm(node),
            "RNN" | "GRU" | "LSTM" => self.recurrent(node),
            "QuantizeLinear" => self.quantize(node),
            "DequantizeLinear" => self.dequantize(node),
            "Relu" => self.function(node, Function::Relu),
            "LeakyRelu" => self.function(node, Function::LeakyRelu(node.float("alpha", 0.01))),
            "Tanh" => self.function(node, Function::Tanh),
            "Sigmoid" => self.sigmoid(node),
            "Erf" => self.function(node, Function::Erf),
            "Add" => self.add_values(node),
            "Sub" => self.pair(node, Pair::Subtract),
            "Mul" => self.pair(node, Pair::Multiply),
            "Div" => self.divide(node),
            "Min" => self.pair(node, Pair::Smaller),
            "Max" => self.pair(node, Pair::Larger),
            "MaxPool" | "AveragePool" | "GlobalAveragePool" => self.pool(node),
            "Softmax" => {
                let value = self.plain(node, 0)?;
                let shape = self.over_last_axis(node, value, node.int("axis", -1))?;
                self.push(node, Kernel::Softmax(shape.dims[shape.rank - 1]), &[value], shape)
            }
            "ReduceMean" => self.reduce_mean(node),
            "Cast" => self.cast(node),
            "Reshape" => self.reshape(node),
            "Flatten" => self.flatten(node),
            "Transpose" => self.transpose(node),
            "Pad" => self.pad(node),
            "Gather" => self.gather(node),
            _ => Err(node.refuse("the operator is not supported", USE_SUPPORTED)),
        }
    }

    fn shape(&self, value: usize) -> Shape {
        self.graph.values[value].shape
    }

    /// The value of numbers that is the node's input at a place, in whatever form.
    fn value(&self, node: &NodeOf<'g>, place: usize) -> Result<usize, LoadError> {
        let value = self.any_value(node, place)?;
        if self.graph.values[value].is_tokens {
            return Err(node.refuse("it works on whole numbers", "cast them to float32"));
        }
        Ok(value)
    }

    /// The value of floats in the file's order that is the node's input at a place.
    fn plain(&mut self, node: &NodeOf<'g>, place: usize) -> Result<usize, LoadError> {
        let value = self.value(node, place)?;
        let value = self.floats(value);
        Ok(self.in_file_order(value))
    }

    fn any_value(&self, node: &NodeOf<'g>, place: usize) -> Result<usize, LoadError> {
        let name = node.input(place).unwrap_or_default();
        match self.names.get(name) {
            Some(&Known::Value(value)) => Ok(value),
            Some(Known::Quantized(_) | Known::Part(_)) => {
                Err(node.refuse(format!("its input `{name}` is quantized"), EXPORT_AGAIN))
            }
            None => {
                let problem = format!("its input `{name}` is not made by a node before it");
                Err(node.refuse(problem, EXPORT_AGAIN))
            }
        }
    }

    /// The value as floats, in the order in which it lies.
    fn floats(&mut self, value: usize) -> usize {
        match self.graph.values[value].grid {
            None => value,
            Some(grid) => self.form(value, Form::Floats, |value| {
                value.grid = None;
                Kernel::Dequantize(grid)
            }),
        }
    }

    /// The value as bytes on a grid, in the order in which it lies.
    fn on_grid(&mut self, value: usize, grid: Grid) -> usize {
        if self.graph.values[value].grid == Some(grid) {
            return value;
        }
        let value = self.floats(value);
        self.form(value, Form::Bytes(grid.scale.to_bits(), grid.zero_point), |value| {
            value.grid = Some(grid);
            Kernel::Quantize(grid)
        })
    }

    /// The value in the file's order.
    fn in_file_order(&mut self, value: usize) -> usize {
        let Value { channels, shape, .. } = self.graph.values[value];
        let Some(channels) = channels else { return value };
        self.form(value, Form::FileOrder, |value| {
            value.channels = None;
            Kernel::ChannelsFirst {
                channels,
                len: shape.len(),
            }
        })
    }

    /// The value with the channels of its second axis last.
    fn channels_last(&mut self, value: usize) -> usize {
        let Value { channels, shape, .. } = self.graph.values[value];
        let wanted = shape.dims[1];
        if channels == Some(wanted) || wanted == 1 || wanted == shape.len() {
            return value;
        }
        let value = self.in_file_order(value);
        self.form(value, Form::ChannelsLast(wanted), |value| {
            value.channels = Some(wanted);
            Kernel::ChannelsLast {
                channels: wanted,
                len: shape.len(),
            }
        })
    }

    /// Another form of a value, made once.
    fn form(&mut self, value: usize, form: Form, change: impl FnOnce(&mut Value) -> Kernel) -> usize {
        if let Some(&made) = self.forms.get(&(value, form)) {
            return made;
        }
        let mut changed = self.graph.values[value];
        let kernel = change(&mut changed);
        let out = self.graph.values.len();
        changed.root = out;
        self.graph.values.push(changed);
        self.operation(kernel, &[value], out);
        self.forms.insert((value, form), out);
        out
    }

    /// The shape of a value, of which `axis` must be the last.
    fn over_last_axis(&self, node: &NodeOf<'g>, value: usize, axis: i64) -> Result<Shape, LoadError> {
        let shape = self.shape(value);
        if shape.axis(axis) != Some(shape.rank - 1) || shape.batch == shape.rank - 1 {
            return Err(node.refuse(format!("axis {axis} is not the last of each sample"), USE_SUPPORTED));
        }
        Ok(shape)
    }

    /// A new value of floats in the file's order, with its own memory.
    fn new_value(&mut self, node: &NodeOf<'g>, shape: Shape) -> Result<usize, LoadError> {
        if shape.len() > MAX_VALUES {
            return Err(node.refuse(format!("{:?} values are too many", shape.dims()), SMALLER));
        }
        if shape.len() == 0 {
            return Err(node.refuse("it makes no value", EXPORT_AGAIN));
        }
        let root = self.graph.values.len();
        self.graph.values.push(Value {
            shape,
            root,
            is_tokens: false,
            grid: None,
            channels: None,
        });
        Ok(root)
    }

    /// A new value of floats whose second axis lies last in memory, where that makes a difference.
    fn new_image(&mut self, node: &NodeOf<'g>, shape: Shape) -> Result<usize, LoadError> {
        let value = self.new_value(node, shape)?;
        let channels = shape.dims[1];
        self.graph.values[value].channels = Some(channels).filter(|&c| c != 1 && c != shape.len());
        Ok(value)
    }

    /// What a name stands for within a dense layer that quantizes its input as it comes.
    fn part(&self, name: &str) -> Option<Part<'g>> {
        match self.names.get(name) {
            Some(&Known::Part(part)) => Some(part),
            _ => None,
        }
    }

    fn name_part(&mut self, name: &'g str, part: Part<'g>) {
        self.names.insert(name, Known::Part(part));
    }

    /// Makes `value` what the node's output at a place is called.
    fn name(&mut self, node: &NodeOf<'g>, place: usize, value: usize) {
        if let Some(name) = node.proto.output.get(place) {
            self.names.insert(name, Known::Value(value));
        }
    }

    fn operation(&mut self, kernel: Kernel, sources: &[usize], out: usize) {
        let staged = match &kernel {
            Kernel::Float(layer) => layer.staged(),
            Kernel::Integer(layer) => layer.staged(self.set),
            Kernel::Dynamic(product) => product.staged(self.set),
            _ => Staged::default(),
        };
        self.graph.operations.push(Operation {
            kernel,
            sources: sources.to_vec(),
            out,
            staged,
            integer: None,
        });
    }

    /// Adds an operation whose result, in the file's order, is the node's only output.
    fn push(&mut self, node: &NodeOf<'g>, kernel: Kernel, sources: &[usize], shape: Shape) -> Result<(), LoadError> {
        node.output()?;
        let out = self.new_value(node, shape)?;
        self.name(node, 0, out);
        self.operation(kernel, sources, out);
        Ok(())
    }

    fn function(&mut self, node: &NodeOf<'g>, function: Function) -> Result<(), LoadError> {
        let name = node.output()?;
        let value = self.value(node, 0)?;
        self.push_function(node, function, value, name)
    }

    /// Adds a function of a value, in the order in which it lies, whose result has a name.
    fn push_function(
        &mut self,
        node: &NodeOf<'g>,
        function: Function,
        value: usize,
        name: &'g str,
    ) -> Result<(), LoadError> {
        let value = self.floats(value);
        let out = self.new_value(node, self.shape(value))?;
        self.graph.values[out].channels = self.graph.values[value].channels;
        self.operation(Kernel::Function(function), &[value], out);
        self.names.insert(name, Known::Value(out));
        Ok(())
    }

    fn quantize(&mut self, node: &NodeOf<'g>) -> Result<(), LoadError> {
        let value = self.value(node, 0)?;
        let grid = node.grid()?;
        let name = node.output()?;
        let bytes = self.on_grid(value, grid);
        self.names.insert(name, Known::Quantized(bytes));
        Ok(())
    }

    fn dequantize(&mut self, node: &NodeOf<'g>) -> Result<(), LoadError> {
        let to = grid(node.stored(1)?, node.input(2).map(|_| node.stored(2)).transpose()?)?;
        let name = node.input(0).unwrap_or_default();
        let Some(&Known::Quantized(value)) = self.names.get(name) else {
            return Err(node.refuse(format!("its input `{name}` is not quantized"), EXPORT_AGAIN));
        };
        if self.graph.values[value].grid != Some(to) {
            return Err(node.refuse(
                "its scale or zero point is not that of the QuantizeLinear",
                EXPORT_AGAIN,
            ));
        }
        let output = node.output()?;
        self.names.insert(output, Known::Value(value));
        Ok(())
    }
}

/// The shape of a value that a node makes.
fn shaped(node: &Node<'_, '_>, dims: &[usize], batch: usize) -> Result<Shape, LoadError> {
    Shape::new(dims, batch).ok_or_else(|| node.refuse(format!("a value of {dims:?} is too large"), SMALLER))
}
