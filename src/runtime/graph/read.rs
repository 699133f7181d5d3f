//! Reads the nodes of a file into operations on values with known shapes, and refuses by name what the runtime does not run.

use std::collections::HashMap;

use super::dynamic::Part;
use super::kernel::{Binary, Function, Kernel, Unary};
use super::nibbles::is_nibbles;
use super::plan::Staged;
use super::shape::{Dims, MAX_RANK, Shape};
use crate::kernels::{Grid, InstructionSet};
use crate::runtime::LoadError;
use crate::runtime::chain::Activation;
use crate::runtime::constants::{Constants, grid, whole_numbers};
use crate::runtime::file::{File, refuse};
use crate::runtime::node::{EXPORT_AGAIN, Node, USE_SUPPORTED};
use crate::runtime::onnx::{NodeProto, ValueInfoProto, data_type};
use crate::runtime::products::{MAX_VALUES, SMALLER};

/// A file as operations in the order in which they are done.
pub struct Graph {
    pub values: Vec<Value>,
    pub operations: Vec<Operation>,
    /// Place of the output among the values; the input is the first.
    pub output: usize,
    /// Below what the numbers of the input must be, where they are tokens.
    pub vocabulary: Option<usize>,
}

pub struct Value {
    pub shape: Shape,
    /// The value whose memory it is: itself, or what it is another view of.
    pub root: usize,
    /// Whether it holds whole numbers.
    pub is_tokens: bool,
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
    /// A value on a grid, of which only the way back is known.
    Quantized(usize, Grid),
    /// Something between the nodes of a dense layer that quantizes its input as it comes.
    Part(Part<'g>),
}

pub struct Reader<'g> {
    pub set: InstructionSet,
    pub graph: Graph,
    names: HashMap<&'g str, Known<'g>>,
    /// How often each name is read.
    pub uses: HashMap<&'g str, usize>,
    /// Values that have been on a grid, with the grid and what they were before.
    pub on_grid: HashMap<usize, (Grid, usize)>,
}

type NodeOf<'g, 'c> = Node<'g, 'c>;

/// Reads a file.
pub fn read(file: &File, set: InstructionSet) -> Result<Graph, LoadError> {
    let mut constants = Constants::of(&file.graph)?;
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
            }],
            operations: Vec::new(),
            output: 0,
            vocabulary: file.is_tokens.then_some(1 << 24),
        },
        names: HashMap::from([(file.input_name.as_str(), Known::Value(0))]),
        uses: HashMap::new(),
        on_grid: HashMap::new(),
    };
    let outputs = file.graph.output.iter().map(ValueInfoProto::name);
    for name in file
        .graph
        .node
        .iter()
        .flat_map(|node| &node.input)
        .map(String::as_str)
        .chain(outputs)
    {
        *reader.uses.entry(name).or_default() += 1;
    }
    let mut nodes = file.graph.node.iter().peekable();
    while let Some(proto) = nodes.next() {
        let node = Node {
            proto,
            constants: &constants,
        };
        if matches!(node.proto.op_type(), "Cast" | "DequantizeLinear")
            && let Some(constant) = node.constant()?
        {
            let name = node.output()?;
            constants.insert(name, constant);
            continue;
        }
        if !node.proto.domain().is_empty() && !is_nibbles(&node) {
            return Err(node.refuse("it is of another operator set than the standard one", USE_SUPPORTED));
        }
        // A ReLU that alone reads a product is the lower end of its result.
        let relu = nodes.peek().copied().filter(|next| reader.is_relu_of(proto, next));
        if reader.add(&node, relu.is_some())?
            && let Some(relu) = relu
        {
            if let (Some(made), Some(name)) = (proto.output.first(), relu.output.first())
                && let Some(&value) = reader.names.get(made.as_str())
            {
                reader.names.insert(name, value);
            }
            nodes.next();
        }
    }
    match reader.names.get(file.output_name.as_str()) {
        Some(&Known::Value(value)) if !reader.graph.values[value].is_tokens => reader.graph.output = value,
        Some(_) => return Err(refuse("its output is quantized, or of whole numbers".to_owned())),
        None => {
            let problem = format!("its output `{}` is not made by its last node", file.output_name);
            return Err(refuse(problem));
        }
    }
    let shape = reader.graph.values[reader.graph.output].shape;
    if shape.batch != 0 || shape.dims[0] != 1 {
        return Err(refuse("its output is no batch of samples".to_owned()));
    }
    Ok(reader.graph)
}

impl<'g> Reader<'g> {
    /// Whether `next` is a ReLU that alone reads what `node` makes.
    fn is_relu_of(&self, node: &NodeProto, next: &NodeProto) -> bool {
        let Some(output) = node.output.first() else {
            return false;
        };
        next.op_type() == "Relu"
            && next.domain().is_empty()
            && next.input.first() == Some(output)
            && self.uses.get(output.as_str()) == Some(&1)
    }

    /// Adds what a node does; whether it also did the ReLU behind it.
    fn add(&mut self, node: &NodeOf<'g, '_>, relu: bool) -> Result<bool, LoadError> {
        let activation = |activation| Unary::Activation(activation);
        if self.dynamic(node)? {
            return Ok(false);
        }
        match node.proto.op_type() {
            "MatMulNBits" => return self.nibbles(node, relu),
            "Gemm" | "MatMul" | "Conv" => return self.product(node, relu),
            "BatchNormalization" => self.batch_norm(node)?,
            "LayerNormalization" => self.layer_norm(node)?,
            "RNN" | "GRU" | "LSTM" => self.recurrent(node)?,
            "QuantizeLinear" => self.quantize(node)?,
            "DequantizeLinear" => self.dequantize(node)?,
            "Relu" => self.unary(node, activation(Activation::Relu))?,
            "LeakyRelu" => {
                let slope = node.float("alpha", 0.01);
                self.unary(node, activation(Activation::LeakyRelu { slope }))?;
            }
            "Tanh" => self.unary(node, activation(Activation::Tanh))?,
            "Sigmoid" => self.unary(node, activation(Activation::Sigmoid))?,
            "Erf" => self.unary(node, Unary::Erf)?,
            "Add" => self.binary(node, Function::Add)?,
            "Sub" => self.binary(node, Function::Subtract)?,
            "Mul" => self.binary(node, Function::Multiply)?,
            "Div" => self.binary(node, Function::Divide)?,
            "Min" => self.binary(node, Function::Smaller)?,
            "Max" => self.binary(node, Function::Larger)?,
            "MaxPool" | "AveragePool" | "GlobalAveragePool" => self.pool(node)?,
            "Softmax" => {
                let value = self.value(node, 0)?;
                let shape = self.over_last_axis(node, value, node.int("axis", -1))?;
                self.push(node, Kernel::Softmax(shape.dims[shape.rank - 1]), &[value], shape)?;
            }
            "ReduceMean" => self.reduce_mean(node)?,
            "Cast" => {
                if node.int("to", 0) != i64::from(data_type::FLOAT) {
                    return Err(node.refuse("only casts to float32 are supported", USE_SUPPORTED));
                }
                let value = self.any_value(node, 0)?;
                let shape = self.shape(value);
                self.view(node, value, shape)?;
            }
            "Reshape" => self.reshape(node)?,
            "Flatten" => self.flatten(node)?,
            "Transpose" => self.transpose(node)?,
            "Pad" => self.pad(node)?,
            "Gather" => self.gather(node)?,
            _ => return Err(node.refuse("the operator is not supported", USE_SUPPORTED)),
        }
        Ok(false)
    }

    pub fn shape(&self, value: usize) -> Shape {
        self.graph.values[value].shape
    }

    /// The value of floats that is the node's input at a place.
    pub fn value(&self, node: &NodeOf<'g, '_>, place: usize) -> Result<usize, LoadError> {
        let value = self.any_value(node, place)?;
        if self.graph.values[value].is_tokens {
            return Err(node.refuse("it works on whole numbers", "cast them to float32"));
        }
        Ok(value)
    }

    fn any_value(&self, node: &NodeOf<'g, '_>, place: usize) -> Result<usize, LoadError> {
        let name = node.input(place).unwrap_or_default();
        match self.names.get(name) {
            Some(&Known::Value(value)) => Ok(value),
            Some(Known::Quantized(..) | Known::Part(_)) => {
                Err(node.refuse(format!("its input `{name}` is quantized"), EXPORT_AGAIN))
            }
            None => {
                let problem = format!("its input `{name}` is not made by a node before it");
                Err(node.refuse(problem, EXPORT_AGAIN))
            }
        }
    }

    /// The node's first operand that is a value and its shape, and checks that `axis` is the last.
    pub fn over_last_axis(&self, node: &NodeOf<'g, '_>, value: usize, axis: i64) -> Result<Shape, LoadError> {
        let shape = self.shape(value);
        if shape.axis(axis) != Some(shape.rank - 1) || shape.batch == shape.rank - 1 {
            return Err(node.refuse(format!("axis {axis} is not the last of each sample"), USE_SUPPORTED));
        }
        Ok(shape)
    }

    /// A new value of its own memory.
    pub fn new_value(&mut self, node: &NodeOf<'g, '_>, shape: Shape) -> Result<usize, LoadError> {
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
        });
        Ok(root)
    }

    /// What a name stands for within a dense layer that quantizes its input as it comes.
    pub fn part(&self, name: &str) -> Option<Part<'g>> {
        match self.names.get(name) {
            Some(&Known::Part(part)) => Some(part),
            _ => None,
        }
    }

    pub fn name_part(&mut self, name: &'g str, part: Part<'g>) {
        self.names.insert(name, Known::Part(part));
    }

    /// Makes `value` what the node's output at a place is called.
    pub fn name(&mut self, node: &NodeOf<'g, '_>, place: usize, value: usize) {
        if let Some(name) = node.proto.output.get(place) {
            self.names.insert(name, Known::Value(value));
        }
    }

    /// Adds an operation whose result is the node's only output.
    pub fn push(
        &mut self,
        node: &NodeOf<'g, '_>,
        kernel: Kernel,
        sources: &[usize],
        shape: Shape,
    ) -> Result<(), LoadError> {
        node.output()?;
        let out = self.new_value(node, shape)?;
        self.name(node, 0, out);
        self.graph.operations.push(Operation {
            kernel,
            sources: sources.to_vec(),
            out,
            staged: Staged::default(),
            integer: None,
        });
        Ok(())
    }

    /// The node's output is its input seen as another shape.
    fn view(&mut self, node: &NodeOf<'g, '_>, value: usize, shape: Shape) -> Result<(), LoadError> {
        node.output()?;
        let root = self.graph.values[value].root;
        self.graph.values.push(Value {
            shape,
            root,
            is_tokens: false,
        });
        self.name(node, 0, self.graph.values.len() - 1);
        Ok(())
    }

    fn unary(&mut self, node: &NodeOf<'g, '_>, unary: Unary) -> Result<(), LoadError> {
        let value = self.value(node, 0)?;
        self.push(node, Kernel::Unary(unary), &[value], self.shape(value))
    }

    fn quantize(&mut self, node: &NodeOf<'g, '_>) -> Result<(), LoadError> {
        let value = self.value(node, 0)?;
        let grid = node.grid()?;
        let name = node.output()?;
        self.names.insert(name, Known::Quantized(value, grid));
        Ok(())
    }

    fn dequantize(&mut self, node: &NodeOf<'g, '_>) -> Result<(), LoadError> {
        let to = grid(node.stored(1)?, node.input(2).map(|_| node.stored(2)).transpose()?)?;
        let name = node.input(0).unwrap_or_default();
        let Some(&Known::Quantized(value, from)) = self.names.get(name) else {
            return Err(node.refuse(format!("its input `{name}` is not quantized"), EXPORT_AGAIN));
        };
        if to != from {
            return Err(node.refuse(
                "its scale or zero point is not that of the QuantizeLinear",
                EXPORT_AGAIN,
            ));
        }
        self.push(node, Kernel::Unary(Unary::OnGrid(to)), &[value], self.shape(value))?;
        self.on_grid.insert(self.graph.values.len() - 1, (to, value));
        Ok(())
    }

    fn binary(&mut self, node: &NodeOf<'g, '_>, function: Function) -> Result<(), LoadError> {
        if node.proto.input.len() != 2 {
            return Err(node.refuse("only two operands are supported", USE_SUPPORTED));
        }
        let mut sources = Vec::new();
        let mut constant = None;
        let mut operands: Vec<(Vec<usize>, Option<usize>)> = Vec::new();
        for place in 0..2 {
            let stored = node.input(place).and_then(|name| node.constants.get(name));
            if let (Some(stored), None) = (stored, &constant) {
                operands.push((stored.dims()?, None));
                constant = Some((place, stored.floats()?));
            } else {
                let value = self.value(node, place)?;
                let shape = self.shape(value);
                operands.push((shape.dims().to_vec(), Some(shape.batch)));
                sources.push(value);
            }
        }
        let misfit = || {
            let dims = [&operands[0].0, &operands[1].0];
            node.refuse(format!("its operands of {dims:?} do not fit each other"), EXPORT_AGAIN)
        };
        let rank = operands.iter().map(|(dims, _)| dims.len()).max().unwrap_or_default();
        let mut aligned = [[1; MAX_RANK]; 2];
        let mut batch = [None; 2];
        for (place, (dims, axis)) in operands.iter().enumerate() {
            let before = rank - dims.len();
            let places = aligned[place].get_mut(before..rank).ok_or_else(misfit)?;
            places.copy_from_slice(dims);
            batch[place] = axis.map(|axis| axis + before);
        }
        let output_batch = match batch {
            [Some(a), Some(b)] if a != b => return Err(misfit()),
            [a, b] => a.or(b).ok_or_else(misfit)?,
        };
        let mut dims: Dims = [1; MAX_RANK];
        for axis in 0..rank {
            let [a, b] = [aligned[0][axis], aligned[1][axis]];
            // The batch is repeated for an operand that has none of it.
            let repeats = axis != output_batch || batch[0] != batch[1];
            dims[axis] = match [a, b] {
                _ if a == b => a,
                [1, b] if repeats && (axis != output_batch || batch[1].is_some()) => b,
                [a, 1] if repeats && (axis != output_batch || batch[0].is_some()) => a,
                _ => return Err(misfit()),
            };
            let alone = axis == output_batch && batch[0] != batch[1];
            if alone && (0..2).any(|place| batch[place].is_none() && aligned[place][axis] != 1) {
                return Err(misfit());
            }
        }
        let output = Shape::new(&dims[..rank], output_batch).ok_or_else(misfit)?;
        let kernel = Kernel::Binary(Box::new(Binary {
            function,
            output,
            operands: aligned,
            batch,
            constant,
        }));
        self.push(node, kernel, &sources, output)
    }

    fn reduce_mean(&mut self, node: &NodeOf<'g, '_>) -> Result<(), LoadError> {
        let value = self.value(node, 0)?;
        let shape = self.shape(value);
        let axes = node.attribute("axes").map_or(&[][..], |attribute| &attribute.ints);
        let axis = match axes {
            &[axis] => shape.axis(axis).filter(|&axis| axis != shape.batch),
            _ => None,
        };
        let Some(axis) = axis else {
            return Err(node.refuse("only means over one axis of a sample are supported", USE_SUPPORTED));
        };
        let mut dims = shape.dims().to_vec();
        let mut batch = shape.batch;
        if node.int("keepdims", 1) == 0 {
            dims.remove(axis);
            batch -= usize::from(axis < batch);
        } else {
            dims[axis] = 1;
        }
        let out = shaped(node, &dims, batch)?;
        self.push(node, Kernel::Mean { shape, axis }, &[value], out)
    }

    fn reshape(&mut self, node: &NodeOf<'g, '_>) -> Result<(), LoadError> {
        let value = self.any_value(node, 0)?;
        let shape = self.shape(value);
        let target = whole_numbers(node.stored(1)?)?;
        let misfit = || node.refuse(format!("{:?} cannot become {target:?}", shape.dims()), EXPORT_AGAIN);
        let mut dims = Vec::with_capacity(target.len());
        let (mut batch, mut open) = (None, None);
        for (axis, &size) in target.iter().enumerate() {
            dims.push(match size {
                -1 if open.is_none() => {
                    open = Some(axis);
                    1
                }
                0 if node.int("allowzero", 0) == 0 && axis < shape.rank => {
                    if axis == shape.batch {
                        batch = Some(axis);
                    }
                    shape.dims[axis]
                }
                size => usize::try_from(size).map_err(|_| misfit())?,
            });
        }
        let rest = dims
            .iter()
            .try_fold(1_usize, |len, &dim| len.checked_mul(dim))
            .filter(|&rest| rest > 0);
        let rest = rest.ok_or_else(misfit)?;
        if let Some(axis) = open {
            dims[axis] = shape.len() / rest;
        }
        // What is left open grows with the batch, unless a copied dimension does.
        let batch = batch.or(open).ok_or_else(misfit)?;
        let out = Shape::new(&dims, batch).filter(|out| out.len() == shape.len());
        self.view(node, value, out.ok_or_else(misfit)?)
    }

    fn flatten(&mut self, node: &NodeOf<'g, '_>) -> Result<(), LoadError> {
        let value = self.value(node, 0)?;
        let shape = self.shape(value);
        if node.int("axis", 1) != 1 || shape.batch != 0 {
            return Err(node.refuse("only axis 1 of a batch of samples is supported", EXPORT_AGAIN));
        }
        let dims = [shape.dims[0], shape.dims()[1..].iter().product()];
        let out = shaped(node, &dims, 0)?;
        self.view(node, value, out)
    }

    fn transpose(&mut self, node: &NodeOf<'g, '_>) -> Result<(), LoadError> {
        let value = self.value(node, 0)?;
        let input = self.shape(value);
        let order = node.attribute("perm").map_or(&[][..], |attribute| &attribute.ints);
        let axes: Option<Vec<usize>> = order.iter().map(|&axis| input.axis(axis)).collect();
        let axes = axes.filter(|axes| axes.len() == input.rank && (0..input.rank).all(|axis| axes.contains(&axis)));
        let Some(axes) = axes else {
            return Err(node.refuse(
                format!("{order:?} is no order of its {} axes", input.rank),
                EXPORT_AGAIN,
            ));
        };
        let dims: Vec<usize> = axes.iter().map(|&axis| input.dims[axis]).collect();
        let batch = axes.iter().position(|&axis| axis == input.batch).unwrap_or_default();
        let shape = shaped(node, &dims, batch)?;
        let mut order = [0; MAX_RANK];
        order[..axes.len()].copy_from_slice(&axes);
        self.push(node, Kernel::Transpose { shape, order, input }, &[value], shape)
    }

    fn pad(&mut self, node: &NodeOf<'g, '_>) -> Result<(), LoadError> {
        let value = self.value(node, 0)?;
        let input = self.shape(value);
        let mode = node
            .attribute("mode")
            .map_or(&b"constant"[..], |attribute| attribute.s());
        let pads = whole_numbers(node.stored(1)?)?;
        let small: Option<Vec<usize>> = pads
            .iter()
            .map(|&pad| u16::try_from(pad).ok().map(usize::from))
            .collect();
        let small = small.filter(|pads| {
            let batch = [input.batch, input.batch + input.rank];
            pads.len() == 2 * input.rank && batch.iter().all(|&axis| pads.get(axis) == Some(&0))
        });
        let (b"constant", Some(pads), None) = (mode, small, node.input(3)) else {
            return Err(node.refuse(
                "only constants around the axes of a sample are supported",
                USE_SUPPORTED,
            ));
        };
        let filling = match node.input(2) {
            Some(_) => node.require(2)?.floats()?.first().copied().unwrap_or_default(),
            None => 0.0,
        };
        let (front, back) = pads.split_at(input.rank);
        let dims: Vec<usize> = (0..input.rank)
            .map(|axis| input.dims[axis].saturating_add(front[axis] + back[axis]))
            .collect();
        let output = shaped(node, &dims, input.batch)?;
        let mut in_front = [0; MAX_RANK];
        in_front[..input.rank].copy_from_slice(front);
        let kernel = Kernel::Pad {
            input,
            output,
            in_front,
            value: filling,
        };
        self.push(node, kernel, &[value], output)
    }

    fn gather(&mut self, node: &NodeOf<'g, '_>) -> Result<(), LoadError> {
        if let Some(table) = node.input(0).and_then(|name| node.constants.get(name)) {
            let tokens = self.any_value(node, 1)?;
            let dims = table.dims()?;
            let (&[rows, width], true, 0) = (&dims[..], self.graph.values[tokens].is_tokens, node.int("axis", 0))
            else {
                return Err(node.refuse(
                    "only rows of a constant table by the input's numbers are supported",
                    USE_SUPPORTED,
                ));
            };
            if rows == 0 || width == 0 {
                return Err(node.refuse("its table is empty", EXPORT_AGAIN));
            }
            self.graph.vocabulary = self.graph.vocabulary.map(|smallest| smallest.min(rows));
            let shape = self.shape(tokens);
            let dims: Vec<usize> = shape.dims().iter().copied().chain([width]).collect();
            let shape = shaped(node, &dims, shape.batch)?;
            let table = table.floats()?;
            return self.push(node, Kernel::Lookup { table, width }, &[tokens], shape);
        }
        let value = self.value(node, 0)?;
        let shape = self.shape(value);
        let index = node.stored(1)?;
        let place = whole_numbers(index)?;
        let axis = shape.axis(node.int("axis", 0)).filter(|&axis| axis != shape.batch);
        let (Some(axis), &[place], []) = (axis, &place[..], &index.dims[..]) else {
            return Err(node.refuse("only one place of an axis of a sample is supported", USE_SUPPORTED));
        };
        let size = shape.dims[axis] as i64;
        let place = if place < 0 { place + size } else { place };
        let Some(place) = usize::try_from(place).ok().filter(|&place| place < shape.dims[axis]) else {
            return Err(node.refuse(format!("place {place} is not one of {size}"), EXPORT_AGAIN));
        };
        let mut dims = shape.dims().to_vec();
        dims.remove(axis);
        let out = shaped(node, &dims, shape.batch - usize::from(axis < shape.batch))?;
        self.push(node, Kernel::Select { shape, axis, place }, &[value], out)
    }
}

/// The shape of a value that a node makes.
pub fn shaped(node: &Node<'_, '_>, dims: &[usize], batch: usize) -> Result<Shape, LoadError> {
    Shape::new(dims, batch).ok_or_else(|| node.refuse(format!("a value of {dims:?} is too large"), SMALLER))
}
