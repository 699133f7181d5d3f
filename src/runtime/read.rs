//! Reads the graph of a file into a chain of layers, and refuses by name what the runtime does not run.

use super::LoadError;
use super::chain::{Activation, Bias, ConvWindow, Kind, Layer, Pooling, Product, Weights};
use super::constants::{Constant, Constants, Numbers, grid};
use super::onnx::{
    AttributeProto, DimensionValue, GraphProto, ModelProto, NodeProto, OPSET_VERSION, ValueInfoProto, data_type,
};

/// What a file describes.
pub(super) struct Network {
    /// Shape of one sample: `[features]` or `[channels, height, width]`.
    pub input_shape: Vec<usize>,
    pub output_name: String,
    pub layers: Vec<Layer>,
}

const EXPORT_AGAIN: &str = "export the model again";
const USE_SUPPORTED: &str = "use the layers that this program exports, or run the file in another engine";

/// Reads the bytes of a file.
pub(super) fn read(bytes: &[u8]) -> Result<Network, LoadError> {
    let model = ModelProto::from_bytes(bytes).map_err(|error| file(error.to_string()))?;
    let standard = model.opset_import.iter().find(|set| set.domain().is_empty());
    match standard.map(super::onnx::OperatorSetIdProto::version) {
        Some(OPSET_VERSION) => {}
        Some(other) => {
            return Err(file(format!(
                "it is of operator set {other}, only {OPSET_VERSION} is read"
            )));
        }
        None => return Err(file("it names no operator set")),
    }
    let graph = model.graph.as_ref().ok_or_else(|| file("it holds no graph"))?;
    let (input_name, input_shape) = input(graph)?;
    let [output] = graph.output.as_slice() else {
        return Err(file(format!("it has {} outputs, one is read", graph.output.len())));
    };
    let mut constants = Constants::of(graph)?;
    let mut layers = Vec::with_capacity(graph.node.len());
    let mut current = input_name;
    for node in &graph.node {
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
    if current != output.name() {
        return Err(file(format!(
            "its output `{}` is not made by its last node",
            output.name()
        )));
    }
    Ok(Network {
        input_shape,
        output_name: output.name().to_owned(),
        layers,
    })
}

fn file(problem: impl Into<String>) -> LoadError {
    LoadError::File {
        problem: problem.into(),
    }
}

/// Name and sample shape of the only input that is no constant.
fn input(graph: &GraphProto) -> Result<(&str, Vec<usize>), LoadError> {
    let is_constant = |value: &ValueInfoProto| graph.initializer.iter().any(|tensor| tensor.name() == value.name());
    let inputs: Vec<_> = graph.input.iter().filter(|value| !is_constant(value)).collect();
    let [input] = inputs.as_slice() else {
        return Err(file(format!("it has {} inputs, one is read", inputs.len())));
    };
    let tensor = input.r#type.as_ref().and_then(|r#type| r#type.tensor_type.as_ref());
    let tensor = tensor.filter(|tensor| tensor.elem_type() == data_type::FLOAT);
    let dims = tensor
        .and_then(|tensor| tensor.shape.as_ref())
        .map(|shape| shape.dim.as_slice());
    let Some([_, sample @ ..]) = dims else {
        return Err(file(format!(
            "its input `{}` is no tensor of float32 with a shape",
            input.name()
        )));
    };
    let sample: Option<Vec<usize>> = sample
        .iter()
        .map(|dim| match dim.value {
            Some(DimensionValue::Fixed(size)) => usize::try_from(size).ok().filter(|&size| size > 0),
            _ => None,
        })
        .collect();
    match sample {
        Some(sample) if matches!(sample.len(), 1 | 3) => Ok((input.name(), sample)),
        _ => Err(file(format!(
            "its input `{}` must be a batch of features or of channels, height and width, all but the batch fixed",
            input.name()
        ))),
    }
}

/// A node with what is needed to understand it.
struct Node<'g, 'c> {
    proto: &'g NodeProto,
    constants: &'c Constants<'g>,
}

impl<'g> Node<'g, '_> {
    fn name(&self) -> &'g str {
        match self.proto.name() {
            "" => self.proto.output.first().map_or("", String::as_str),
            name => name,
        }
    }

    fn refuse(&self, problem: impl Into<String>, remedy: &'static str) -> LoadError {
        let (node, operator) = (self.name().to_owned(), self.proto.op_type().to_owned());
        LoadError::Node {
            node,
            operator,
            problem: problem.into(),
            remedy,
        }
    }

    /// The name of its only output.
    fn output(&self) -> Result<&'g str, LoadError> {
        match self.proto.output.as_slice() {
            [output, rest @ ..] if !output.is_empty() && rest.iter().all(String::is_empty) => Ok(output),
            _ => Err(self.refuse("it must have exactly one output", EXPORT_AGAIN)),
        }
    }

    /// What the node makes of constants alone, if that is what it does.
    fn constant(&self) -> Result<Option<Constant<'g>>, LoadError> {
        let Some(values) = self.input(0).and_then(|name| self.constants.stored(name)) else {
            return Ok(None);
        };
        match self.proto.op_type() {
            "Cast" if values.data_type() == data_type::FLOAT16 && self.int("to", 0) == i64::from(data_type::FLOAT) => {
                Ok(Some(Constant::Widened(values)))
            }
            "DequantizeLinear" => {
                if self.int("axis", 1) != 0 && self.stored(1)?.dims.iter().any(|&dim| dim != 1) {
                    return Err(self.refuse("constants must be quantized along their first dimension", EXPORT_AGAIN));
                }
                let zero_points = self.input(2).map(|_| self.stored(2)).transpose()?;
                Ok(Some(Constant::Dequantized {
                    values,
                    scales: self.stored(1)?,
                    zero_points,
                }))
            }
            _ => Err(self.refuse("it works on a constant in a way that is not supported", USE_SUPPORTED)),
        }
    }

    /// What the node does to the network's values.
    fn kind(&self) -> Result<Kind, LoadError> {
        if !self.proto.domain().is_empty() {
            return Err(self.refuse("it is of another operator set than the standard one", USE_SUPPORTED));
        }
        match self.proto.op_type() {
            "Gemm" => self.dense(),
            "Conv" => self.convolution(),
            "BatchNormalization" => self.batch_norm(),
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

    fn dense(&self) -> Result<Kind, LoadError> {
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
        self.product(weights, outputs, inputs, None)
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
        let kernel = self.sizes("kernel_shape", [height, width])?;
        if kernel != [height, width] {
            return Err(self.refuse("its kernel_shape is not that of its weights", EXPORT_AGAIN));
        }
        let window = ConvWindow {
            kernel,
            ..self.window_of(kernel)?
        };
        self.product(weights, outputs, inputs, Some(window))
    }

    fn product(
        &self,
        weights: Constant<'g>,
        outputs: usize,
        inputs: usize,
        window: Option<ConvWindow>,
    ) -> Result<Kind, LoadError> {
        if outputs == 0 || inputs == 0 {
            return Err(self.refuse("its weights are empty", EXPORT_AGAIN));
        }
        let weights = match weights.numbers()? {
            Numbers::Single(values) => Weights::Single(values),
            Numbers::Half(values) => Weights::Half(values),
            Numbers::Integer { values, scales } => Weights::Integer { values, scales },
            Numbers::WideInteger { .. } => return Err(self.refuse("its weights must be int8 or float", EXPORT_AGAIN)),
        };
        let bias = match self.input(2) {
            None => Bias::Float(vec![0.0; outputs]),
            Some(_) => match self.require(2)?.numbers()? {
                Numbers::WideInteger { values, scales } => Bias::Integer { values, scales },
                numbers => Bias::Float(numbers.into_floats()),
            },
        };
        let (Bias::Float(_) | Bias::Integer { .. }) = &bias;
        let found = match &bias {
            Bias::Float(values) => values.len(),
            Bias::Integer { values, .. } => values.len(),
        };
        if found != outputs {
            return Err(self.refuse(
                format!("its bias has {found} values for {outputs} outputs"),
                EXPORT_AGAIN,
            ));
        }
        let product = Product {
            window,
            outputs,
            inputs,
            weights,
            bias,
            relu: false,
            input_grid: None,
            output_grid: None,
        };
        Ok(Kind::Product(product))
    }

    fn batch_norm(&self) -> Result<Kind, LoadError> {
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

    fn grid(&self) -> Result<crate::kernels::Grid, LoadError> {
        grid(self.stored(1)?, self.input(2).map(|_| self.stored(2)).transpose()?)
    }

    fn window(&self) -> Result<ConvWindow, LoadError> {
        let kernel = self.sizes("kernel_shape", [0, 0])?;
        self.window_of(kernel)
    }

    fn window_of(&self, kernel: [usize; 2]) -> Result<ConvWindow, LoadError> {
        let padding = self
            .attribute("auto_pad")
            .map_or(&b"NOTSET"[..], |attribute| attribute.s());
        if !matches!(padding, b"NOTSET" | b"") || self.int("ceil_mode", 0) != 0 {
            return Err(self.refuse(
                "automatic padding and ceil_mode are not supported",
                "write explicit pads",
            ));
        }
        let (stride, dilation) = (self.sizes("strides", [1, 1])?, self.sizes("dilations", [1, 1])?);
        let pads = self.sizes("pads", [0, 0, 0, 0])?;
        if kernel.contains(&0) || stride.contains(&0) || dilation.contains(&0) {
            return Err(self.refuse("kernel, strides and dilations must be positive", EXPORT_AGAIN));
        }
        Ok(ConvWindow {
            kernel,
            stride,
            dilation,
            pads,
        })
    }

    fn input(&self, index: usize) -> Option<&'g str> {
        self.proto
            .input
            .get(index)
            .map(String::as_str)
            .filter(|name| !name.is_empty())
    }

    fn require(&self, index: usize) -> Result<Constant<'g>, LoadError> {
        let constant = self.input(index).and_then(|name| self.constants.get(name));
        constant.ok_or_else(|| self.refuse(format!("its input {index} must be a constant"), EXPORT_AGAIN))
    }

    fn stored(&self, index: usize) -> Result<&'g super::onnx::TensorProto, LoadError> {
        let tensor = self.input(index).and_then(|name| self.constants.stored(name));
        tensor.ok_or_else(|| self.refuse(format!("its input {index} must be a stored constant"), EXPORT_AGAIN))
    }

    fn attribute(&self, name: &str) -> Option<&'g AttributeProto> {
        self.proto.attribute.iter().find(|attribute| attribute.name() == name)
    }

    fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name)
            .and_then(|attribute| attribute.i)
            .unwrap_or(default)
    }

    fn float(&self, name: &str, default: f32) -> f32 {
        self.attribute(name)
            .and_then(|attribute| attribute.f)
            .unwrap_or(default)
    }

    /// A list of sizes, each small enough to be multiplied without care.
    fn sizes<const N: usize>(&self, name: &str, default: [usize; N]) -> Result<[usize; N], LoadError> {
        let Some(attribute) = self.attribute(name) else {
            return Ok(default);
        };
        let sizes: Option<Vec<usize>> = attribute
            .ints
            .iter()
            .map(|&size| u16::try_from(size).ok().map(usize::from))
            .collect();
        let sizes = sizes.and_then(|sizes| <[usize; N]>::try_from(sizes).ok());
        sizes.ok_or_else(|| self.refuse(format!("{name} must be {N} numbers from 0 to 65535"), EXPORT_AGAIN))
    }
}
