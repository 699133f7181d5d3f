//! A node of a file with what is needed to understand it: its settings, and the constants that it reads.

use super::LoadError;
use super::constants::{Constant, Constants, Numbers, grid};
use super::onnx::{AttributeProto, NodeProto, TensorProto, data_type};
use super::products::{Bias, ConvWindow, Product, Weights};
use crate::kernels::Grid;

pub const EXPORT_AGAIN: &str = "export the model again";
pub const USE_SUPPORTED: &str = "use the layers that this program exports, or run the file in another engine";

pub struct Node<'g, 'c> {
    pub proto: &'g NodeProto,
    pub constants: &'c Constants<'g>,
}

impl<'g> Node<'g, '_> {
    pub fn name(&self) -> &'g str {
        match self.proto.name() {
            "" => self.proto.output.first().map_or("", String::as_str),
            name => name,
        }
    }

    pub fn refuse(&self, problem: impl Into<String>, remedy: &'static str) -> LoadError {
        let (node, operator) = (self.name().to_owned(), self.proto.op_type().to_owned());
        LoadError::Node {
            node,
            operator,
            problem: problem.into(),
            remedy,
        }
    }

    /// The name of its only output.
    pub fn output(&self) -> Result<&'g str, LoadError> {
        match self.proto.output.as_slice() {
            [output, rest @ ..] if !output.is_empty() && rest.iter().all(String::is_empty) => Ok(output),
            _ => Err(self.refuse("it must have exactly one output", EXPORT_AGAIN)),
        }
    }

    /// What the node makes of constants alone, if that is what it does.
    pub fn constant(&self) -> Result<Option<Constant<'g>>, LoadError> {
        let Some(values) = self.input(0).and_then(|name| self.constants.stored(name)) else {
            return Ok(None);
        };
        match self.proto.op_type() {
            "Cast" if values.data_type() == data_type::FLOAT16 && self.int("to", 0) == i64::from(data_type::FLOAT) => {
                Ok(Some(Constant::Widened(values)))
            }
            "DequantizeLinear" => {
                let axis = match self.int("axis", 1) {
                    _ if self.stored(1)?.dims.iter().all(|&dim| dim == 1) => 0,
                    0 => 0,
                    // Of recurrent weights the first dimension is the direction.
                    1 if values.dims.len() == 3 => 1,
                    _ => {
                        let problem = "constants must be quantized along their first dimension";
                        return Err(self.refuse(problem, EXPORT_AGAIN));
                    }
                };
                let zero_points = self.input(2).map(|_| self.stored(2)).transpose()?;
                Ok(Some(Constant::Dequantized {
                    values,
                    axis,
                    scales: self.stored(1)?,
                    zero_points,
                }))
            }
            _ => Err(self.refuse("it works on a constant in a way that is not supported", USE_SUPPORTED)),
        }
    }

    /// A dense layer or convolution whose bias, if it has one, is input 2.
    pub fn product(
        &self,
        weights: Constant<'g>,
        outputs: usize,
        inputs: usize,
        window: Option<ConvWindow>,
    ) -> Result<Product, LoadError> {
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
        Ok(Product {
            window,
            outputs,
            inputs,
            weights,
            bias,
            relu: false,
            input_grid: None,
            output_grid: None,
        })
    }

    /// A dense layer whose weights are `[outputs, inputs]`.
    pub fn dense(&self) -> Result<Product, LoadError> {
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

    /// What a batch norm multiplies each channel with, and then adds.
    pub fn scale_and_shift(&self) -> Result<(Vec<f32>, Vec<f32>), LoadError> {
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
        Ok((scale, shift))
    }

    pub fn grid(&self) -> Result<Grid, LoadError> {
        grid(self.stored(1)?, self.input(2).map(|_| self.stored(2)).transpose()?)
    }

    /// The window over images (two `axes`) or steps (one); its kernel is that of the weights where it is not written out.
    pub fn window_over(&self, axes: usize, weights: Option<[usize; 2]>) -> Result<ConvWindow, LoadError> {
        let padding = self
            .attribute("auto_pad")
            .map_or(&b"NOTSET"[..], |attribute| attribute.s());
        if !matches!(padding, b"NOTSET" | b"") || self.int("ceil_mode", 0) != 0 {
            return Err(self.refuse(
                "automatic padding and ceil_mode are not supported",
                "write explicit pads",
            ));
        }
        // Steps are an image of one row.
        let sizes = |name: &str, default: [usize; 2]| {
            if axes == 2 {
                return self.sizes(name, default);
            }
            self.sizes(name, [default[1]]).map(|[size]| [1, size])
        };
        let kernel = sizes("kernel_shape", weights.unwrap_or_default())?;
        let (stride, dilation) = (sizes("strides", [1, 1])?, sizes("dilations", [1, 1])?);
        let pads = if axes == 2 {
            self.sizes("pads", [0, 0, 0, 0])?
        } else {
            self.sizes("pads", [0, 0])
                .map(|[before, behind]| [0, before, 0, behind])?
        };
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

    pub fn input(&self, index: usize) -> Option<&'g str> {
        self.proto
            .input
            .get(index)
            .map(String::as_str)
            .filter(|name| !name.is_empty())
    }

    pub fn require(&self, index: usize) -> Result<Constant<'g>, LoadError> {
        let constant = self.input(index).and_then(|name| self.constants.get(name));
        constant.ok_or_else(|| self.refuse(format!("its input {index} must be a constant"), EXPORT_AGAIN))
    }

    pub fn stored(&self, index: usize) -> Result<&'g TensorProto, LoadError> {
        let tensor = self.input(index).and_then(|name| self.constants.stored(name));
        tensor.ok_or_else(|| self.refuse(format!("its input {index} must be a stored constant"), EXPORT_AGAIN))
    }

    pub fn attribute(&self, name: &str) -> Option<&'g AttributeProto> {
        self.proto.attribute.iter().find(|attribute| attribute.name() == name)
    }

    pub fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name)
            .and_then(|attribute| attribute.i)
            .unwrap_or(default)
    }

    pub fn float(&self, name: &str, default: f32) -> f32 {
        self.attribute(name)
            .and_then(|attribute| attribute.f)
            .unwrap_or(default)
    }

    /// A list of sizes, each small enough to be multiplied without care.
    pub fn sizes<const N: usize>(&self, name: &str, default: [usize; N]) -> Result<[usize; N], LoadError> {
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
