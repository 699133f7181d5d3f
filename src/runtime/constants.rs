//! Constants of a file, checked against their declared shapes and types before a single value is read.

use std::collections::HashMap;

use half::f16;

use super::LoadError;
use super::onnx::{GraphProto, TensorProto, data_type};
use crate::kernels::Grid;

/// A constant as the operations see it.
#[derive(Clone, Copy)]
pub(super) enum Constant<'a> {
    /// As stored.
    Stored(&'a TensorProto),
    /// 16-bit floats that a Cast widens.
    Widened(&'a TensorProto),
    /// Integers that a `DequantizeLinear` makes real, with the scales along an axis and the zero points.
    Dequantized {
        values: &'a TensorProto,
        axis: usize,
        scales: &'a TensorProto,
        zero_points: Option<&'a TensorProto>,
    },
}

/// The constants of a graph by name.
pub(super) struct Constants<'a> {
    by_name: HashMap<&'a str, Constant<'a>>,
}

/// Real numbers in the form in which they are stored.
pub(super) enum Numbers {
    Single(Vec<f32>),
    Half(Vec<f16>),
    /// Signed bytes, and a scale for each equal part of them.
    Integer {
        values: Vec<i8>,
        scales: Vec<f32>,
    },
    /// Signed 32-bit integers, and a scale for each equal part of them.
    WideInteger {
        values: Vec<i32>,
        scales: Vec<f32>,
    },
}

impl<'a> Constants<'a> {
    pub(super) fn of(graph: &'a GraphProto) -> Result<Self, LoadError> {
        let mut by_name = HashMap::with_capacity(graph.initializer.len());
        for tensor in &graph.initializer {
            let name = tensor.name();
            if by_name.insert(name, Constant::Stored(tensor)).is_some() {
                return Err(refuse(tensor, "the name is given twice"));
            }
        }
        Ok(Self { by_name })
    }

    pub(super) fn get(&self, name: &str) -> Option<Constant<'a>> {
        self.by_name.get(name).copied()
    }

    pub(super) fn insert(&mut self, name: &'a str, constant: Constant<'a>) {
        self.by_name.insert(name, constant);
    }

    /// The stored tensor of a name.
    pub(super) fn stored(&self, name: &str) -> Option<&'a TensorProto> {
        match self.get(name) {
            Some(Constant::Stored(tensor)) => Some(tensor),
            _ => None,
        }
    }
}

impl Constant<'_> {
    /// Shape, outermost dimension first.
    pub(super) fn dims(&self) -> Result<Vec<usize>, LoadError> {
        let (Self::Stored(tensor) | Self::Widened(tensor) | Self::Dequantized { values: tensor, .. }) = self;
        dims(tensor)
    }

    /// All values as stored.
    pub(super) fn numbers(&self) -> Result<Numbers, LoadError> {
        match *self {
            Self::Stored(tensor) => Ok(Numbers::Single(singles(tensor)?)),
            Self::Widened(tensor) => Ok(Numbers::Half(halves(tensor)?)),
            Self::Dequantized {
                values,
                axis,
                scales,
                zero_points,
            } => {
                let dims = dims(values)?;
                // Of a later axis the scales are repeated for each index of those before it, of which there are no more than values.
                let scales = |count: usize| {
                    if count == 0 {
                        return Err(refuse(values, "it is empty"));
                    }
                    let scales = positive_scales(scales, dims.get(axis).copied().unwrap_or(1))?;
                    Ok(scales.repeat(dims.iter().take(axis).product()))
                };
                if let Some(zero_points) = zero_points {
                    let zeros = raw(zero_points)?;
                    if zeros.iter().any(|&byte| byte != 0) {
                        return Err(refuse(zero_points, "weights and biases must have a zero point of 0"));
                    }
                }
                match values.data_type() {
                    data_type::INT8 => {
                        let values: Vec<i8> = raw(values)?.into_iter().map(u8::cast_signed).collect();
                        let scales = scales(values.len())?;
                        Ok(Numbers::Integer { values, scales })
                    }
                    data_type::INT32 => {
                        let values = integers(values)?;
                        let scales = scales(values.len())?;
                        Ok(Numbers::WideInteger { values, scales })
                    }
                    _ => Err(refuse(values, "dequantized constants must be int8 or int32")),
                }
            }
        }
    }

    /// All values as 32-bit floats.
    pub(super) fn floats(&self) -> Result<Vec<f32>, LoadError> {
        self.numbers().map(Numbers::into_floats)
    }
}

impl Numbers {
    /// The real values.
    pub(super) fn into_floats(self) -> Vec<f32> {
        match self {
            Self::Single(values) => values,
            Self::Half(values) => values.into_iter().map(f16::to_f32).collect(),
            Self::Integer { values, scales } => scaled(&values, &scales, f32::from),
            Self::WideInteger { values, scales } => scaled(&values, &scales, |value| value as f32),
        }
    }
}

/// The grid that a scale and a zero point make; both must be single values.
pub(super) fn grid(scale: &TensorProto, zero_point: Option<&TensorProto>) -> Result<Grid, LoadError> {
    let scale = positive_scales(scale, 1)?[0];
    let Some(tensor) = zero_point else {
        return Ok(Grid { scale, zero_point: 0 });
    };
    if tensor.data_type() != data_type::UINT8 {
        return Err(refuse(tensor, "activations must be quantized to uint8"));
    }
    match raw(tensor)?.as_slice() {
        &[zero_point] => Ok(Grid { scale, zero_point }),
        _ => Err(refuse(tensor, "activations must have a single zero point")),
    }
}

/// Integers made real: the values of each equal part times its scale.
pub(super) fn scaled<T: Copy>(values: &[T], scales: &[f32], real: impl Fn(T) -> f32) -> Vec<f32> {
    let inner = (values.len() / scales.len().max(1)).max(1);
    values
        .iter()
        .enumerate()
        .map(|(i, &value)| real(value) * scales[i / inner])
        .collect()
}

/// As many scales as there are channels; a single one is repeated.
fn positive_scales(tensor: &TensorProto, channels: usize) -> Result<Vec<f32>, LoadError> {
    let scales = singles(tensor)?;
    if !scales.iter().all(|scale| scale.is_finite() && *scale > 0.0) {
        return Err(refuse(tensor, "scales must be positive and finite"));
    }
    match scales.as_slice() {
        &[scale] => Ok(vec![scale; channels]),
        _ if scales.len() == channels => Ok(scales),
        _ => Err(refuse(
            tensor,
            format!("{} scales for {channels} channels", scales.len()),
        )),
    }
}

/// The values of a tensor of 64-bit integers.
pub(super) fn whole_numbers(tensor: &TensorProto) -> Result<Vec<i64>, LoadError> {
    expect_type(tensor, data_type::INT64, "int64")?;
    if tensor.raw_data.is_none() {
        return in_full(tensor, tensor.int64_data.clone());
    }
    Ok(raw(tensor)?
        .as_chunks()
        .0
        .iter()
        .map(|&bytes| i64::from_le_bytes(bytes))
        .collect())
}

fn singles(tensor: &TensorProto) -> Result<Vec<f32>, LoadError> {
    expect_type(tensor, data_type::FLOAT, "float32")?;
    if tensor.raw_data.is_none() {
        return in_full(tensor, tensor.float_data.clone());
    }
    Ok(raw(tensor)?
        .as_chunks()
        .0
        .iter()
        .map(|&bytes| f32::from_le_bytes(bytes))
        .collect())
}

fn halves(tensor: &TensorProto) -> Result<Vec<f16>, LoadError> {
    expect_type(tensor, data_type::FLOAT16, "float16")?;
    if tensor.raw_data.is_none() {
        return in_full(
            tensor,
            tensor
                .int32_data
                .iter()
                .map(|&bits| f16::from_bits(bits as u16))
                .collect(),
        );
    }
    Ok(raw(tensor)?
        .as_chunks()
        .0
        .iter()
        .map(|&bytes| f16::from_le_bytes(bytes))
        .collect())
}

fn integers(tensor: &TensorProto) -> Result<Vec<i32>, LoadError> {
    if tensor.raw_data.is_none() {
        return in_full(tensor, tensor.int32_data.clone());
    }
    Ok(raw(tensor)?
        .as_chunks()
        .0
        .iter()
        .map(|&bytes| i32::from_le_bytes(bytes))
        .collect())
}

/// The values of a tensor of bytes, signed or not.
pub(super) fn bytes(tensor: &TensorProto) -> Result<Vec<u8>, LoadError> {
    match tensor.data_type() {
        data_type::UINT8 | data_type::INT8 => raw(tensor),
        _ => Err(refuse(tensor, "its element type must be int8 or uint8")),
    }
}

/// The bytes of a tensor, as many as its shape and type say.
fn raw(tensor: &TensorProto) -> Result<Vec<u8>, LoadError> {
    let width = match tensor.data_type() {
        data_type::UINT8 | data_type::INT8 => 1,
        data_type::FLOAT16 => 2,
        data_type::FLOAT | data_type::INT32 => 4,
        data_type::INT64 => 8,
        other => return Err(refuse(tensor, format!("element type {other} is not supported"))),
    };
    if tensor.data_location() != 0 {
        return Err(refuse(tensor, "its values are in another file"));
    }
    let Some(bytes) = &tensor.raw_data else {
        if width != 1 {
            return Err(refuse(tensor, "it has no raw data"));
        }
        return in_full(tensor, tensor.int32_data.iter().map(|&value| value as u8).collect());
    };
    let expected = count(tensor)?.checked_mul(width);
    if expected != Some(bytes.len()) {
        let dims = &tensor.dims;
        return Err(refuse(
            tensor,
            format!("it holds {} bytes, which its shape {dims:?} does not fit", bytes.len()),
        ));
    }
    Ok(bytes.clone())
}

fn in_full<T>(tensor: &TensorProto, values: Vec<T>) -> Result<Vec<T>, LoadError> {
    if tensor.data_location() == 0 && count(tensor)? == values.len() {
        return Ok(values);
    }
    let dims = &tensor.dims;
    Err(refuse(
        tensor,
        format!(
            "it holds {} values, which its shape {dims:?} does not fit",
            values.len()
        ),
    ))
}

fn dims(tensor: &TensorProto) -> Result<Vec<usize>, LoadError> {
    let dims = tensor
        .dims
        .iter()
        .map(|&dim| usize::try_from(dim).ok())
        .collect::<Option<Vec<_>>>();
    dims.ok_or_else(|| refuse(tensor, format!("its shape {:?} is not one", tensor.dims)))
}

fn count(tensor: &TensorProto) -> Result<usize, LoadError> {
    let count = dims(tensor)?.into_iter().try_fold(1_usize, usize::checked_mul);
    count.ok_or_else(|| refuse(tensor, format!("its shape {:?} is too large", tensor.dims)))
}

fn expect_type(tensor: &TensorProto, wanted: i32, name: &str) -> Result<(), LoadError> {
    if tensor.data_type() == wanted {
        Ok(())
    } else {
        Err(refuse(tensor, format!("its element type must be {name}")))
    }
}

fn refuse(tensor: &TensorProto, problem: impl Into<String>) -> LoadError {
    LoadError::Tensor {
        tensor: tensor.name().to_owned(),
        problem: problem.into(),
    }
}
