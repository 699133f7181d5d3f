//! Reads the graph of a file into a chain of layers, and refuses by name what the runtime does not run.

use std::collections::HashSet;

use super::LoadError;
use super::chain::{Activation, ConvWindow, Kind, Layer, Pooling};
use super::constants::Constants;
use super::file::{File, refuse};
use super::node::{EXPORT_AGAIN, Node, USE_SUPPORTED};
use super::onnx::TensorProto;

/// Whether every node of the file reads the one before it, and is of a kind that chains are made of. What else is wrong with
/// it, [`read`] says.
pub(super) fn is_chain(file: &File) -> bool {
    let constants: HashSet<&str> = file.graph.initializer.iter().map(TensorProto::name).collect();
    let mut current = file.input_name.as_str();
    let mut layers = file.graph.node.iter().filter(|node| {
        let first = node.input.first().map_or("", String::as_str);
        !(matches!(node.op_type(), "Cast" | "DequantizeLinear") && constants.contains(first))
    });
    let first = file
        .graph
        .node
        .iter()
        .find(|node| node.input.first() == Some(&file.input_name));
    // A batch of steps is only read to be flattened.
    let is_readable = match file.input_shape.len() {
        2 => first.is_some_and(|node| node.op_type() == "Flatten"),
        _ => !file.is_tokens,
    };
    is_readable
        && layers.all(|node| {
            let follows = node.input.first().map(String::as_str) == Some(current);
            current = node.output.first().map_or("", String::as_str);
            let groups = node.attribute.iter().find(|attribute| attribute.name() == "group");
            let kernel = node
                .attribute
                .iter()
                .find(|attribute| attribute.name() == "kernel_shape");
            follows
                && groups.is_none_or(|groups| groups.i() == 1)
                && kernel.is_none_or(|kernel| kernel.ints.len() == 2)
                && OPERATORS.contains(&node.op_type())
        })
}

/// What chains are made of.
const OPERATORS: [&str; 13] = [
    "AveragePool",
    "BatchNormalization",
    "Conv",
    "DequantizeLinear",
    "Flatten",
    "Gemm",
    "GlobalAveragePool",
    "LeakyRelu",
    "MaxPool",
    "QuantizeLinear",
    "Relu",
    "Sigmoid",
    "Tanh",
];

/// The layers of a file, in their order.
pub(super) fn read(file: &File) -> Result<Vec<Layer>, LoadError> {
    let mut constants = Constants::of(&file.graph)?;
    let mut layers = Vec::with_capacity(file.graph.node.len());
    let mut current = file.input_name.as_str();
    for node in &file.graph.node {
        let node = Node {
            proto: node,
            constants: &constants,
        };
        if let Some(constant) = node.constant()? {
            let name = node.output()?;
            constants.insert(name, constant);
            continue;
        }
        if node.proto.input.first().map(String::as_str) != Some(current) {
            return Err(node.refuse(
                "it does not follow the node before it: the network branches",
                USE_SUPPORTED,
            ));
        }
        let kind = node.kind()?;
        current = node.output()?;
        layers.push(Layer {
            name: node.name().to_owned(),
            operator: node.proto.op_type().to_owned(),
            kind,
        });
    }
    if current != file.output_name {
        return Err(refuse(format!(
            "its output `{}` is not made by its last node",
            file.output_name
        )));
    }
    Ok(layers)
}

impl Node<'_, '_> {
    /// What the node does to the network's values.
    pub(super) fn kind(&self) -> Result<Kind, LoadError> {
        if !self.proto.domain().is_empty() {
            return Err(self.refuse("it is of another operator set than the standard one", USE_SUPPORTED));
        }
        match self.proto.op_type() {
            "Gemm" => self.dense(),
            "Conv" => self.convolution(),
            "BatchNormalization" => self.batch_norm_kind(),
            "QuantizeLinear" => Ok(Kind::Quantize(self.grid()?)),
            "DequantizeLinear" => Ok(Kind::Dequantize(self.grid()?)),
            "Relu" => Ok(Kind::Activation(Activation::Relu)),
            "LeakyRelu" => Ok(Kind::Activation(Activation::LeakyRelu {
                slope: self.float("alpha", 0.01),
            })),
            "Tanh" => Ok(Kind::Activation(Activation::Tanh)),
            "Sigmoid" => Ok(Kind::Activation(Activation::Sigmoid)),
            "MaxPool" => {
                let ConvWindow {
                    kernel,
                    stride,
                    pads,
                    dilation,
                } = self.window()?;
                if dilation != [1, 1] {
                    return Err(self.refuse("dilated pooling is not supported", USE_SUPPORTED));
                }
                Ok(Kind::Pool(Pooling::Max { kernel, stride, pads }))
            }
            "AveragePool" => {
                let ConvWindow {
                    kernel, stride, pads, ..
                } = self.window()?;
                let counts_padding = self.int("count_include_pad", 0) != 0;
                Ok(Kind::Pool(Pooling::Average {
                    kernel,
                    stride,
                    pads,
                    counts_padding,
                }))
            }
            "GlobalAveragePool" => Ok(Kind::Pool(Pooling::GlobalAverage)),
            "Flatten" if self.int("axis", 1) == 1 => Ok(Kind::Flatten),
            "Flatten" => Err(self.refuse("only axis 1 is supported", EXPORT_AGAIN)),
            _ => Err(self.refuse("the operator is not supported", USE_SUPPORTED)),
        }
    }

    pub(super) fn dense(&self) -> Result<Kind, LoadError> {
        let plain = self.float("alpha", 1.0) == 1.0 && self.float("beta", 1.0) == 1.0;
        if !plain || self.int("transA", 0) != 0 || self.int("transB", 0) != 1 {
            return Err(self.refuse(
                "only transB = 1, transA = 0 and alpha = beta = 1 are supported",
                EXPORT_AGAIN,
            ));
        }
        let weights = self.require(1)?;
        let &[outputs, inputs] = weights.dims()?.as_slice() else {
            return Err(self.refuse("its weights must have two dimensions", EXPORT_AGAIN));
        };
        self.product(weights, outputs, inputs, None).map(Kind::Product)
    }

    fn convolution(&self) -> Result<Kind, LoadError> {
        if self.int("group", 1) != 1 {
            return Err(self.refuse("grouped convolutions are not supported", "use group = 1"));
        }
        let weights = self.require(1)?;
        let &[outputs, inputs, height, width] = weights.dims()?.as_slice() else {
            return Err(self.refuse(
                "its weights must have four dimensions: only images are convolved",
                USE_SUPPORTED,
            ));
        };
        let window = self.window_over(2, Some([height, width]))?;
        if window.kernel != [height, width] {
            return Err(self.refuse("its kernel_shape is not that of its weights", EXPORT_AGAIN));
        }
        self.product(weights, outputs, inputs, Some(window)).map(Kind::Product)
    }

    pub(super) fn batch_norm_kind(&self) -> Result<Kind, LoadError> {
        if self.int("training_mode", 0) != 0 {
            return Err(self.refuse("it is in training mode", EXPORT_AGAIN));
        }
        let epsilon = self.float("epsilon", 1e-5);
        let vector = |index: usize| self.require(index)?.floats();
        let (gamma, beta, mean, variance) = (vector(1)?, vector(2)?, vector(3)?, vector(4)?);
        if gamma.is_empty()
            || [&beta, &mean, &variance]
                .iter()
                .any(|values| values.len() != gamma.len())
        {
            return Err(self.refuse("its four vectors differ in length", EXPORT_AGAIN));
        }
        let scale: Vec<f32> = gamma
            .iter()
            .zip(&variance)
            .map(|(gamma, var)| gamma / (var + epsilon).sqrt())
            .collect();
        let shift = beta
            .iter()
            .zip(mean.iter().zip(&scale))
            .map(|(beta, (mean, scale))| beta - mean * scale)
            .collect();
        Ok(Kind::ScaleShift { scale, shift })
    }
}
