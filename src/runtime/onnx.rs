//! The part of the ONNX file format that Trimtab writes and reads, declared by hand so that no protocol compiler is needed.
//!
//! Field numbers are those of `onnx.proto` (ONNX 1.14, IR version 8). `dims` and `ints` are written unpacked, because readers
//! that follow the original schema literally reject packed ones; scalars are `optional`, so that a value of zero is written.
//! Unknown fields are skipped by the decoder, so sub-graphs and external data never reach the program.

use half::f16;
use prost::Message;

/// The version of the intermediate representation that [`ModelProto::new`] declares.
pub const IR_VERSION: i64 = 8;
/// The version of the default operator set that [`ModelProto::new`] declares, and the only one that is read.
pub const OPSET_VERSION: i64 = 17;
/// ONNX Runtime's own operators, where a network needs one.
pub const MICROSOFT: &str = "com.microsoft";
/// The symbolic name of the batch dimension.
pub const BATCH: &str = "N";

/// Element types of tensors (`TensorProto.DataType`).
pub mod data_type {
    /// 32-bit float.
    pub const FLOAT: i32 = 1;
    /// Unsigned 8-bit integer.
    pub const UINT8: i32 = 2;
    /// Signed 8-bit integer.
    pub const INT8: i32 = 3;
    /// Signed 32-bit integer.
    pub const INT32: i32 = 6;
    /// Signed 64-bit integer.
    pub const INT64: i32 = 7;
    /// 16-bit float.
    pub const FLOAT16: i32 = 10;
}

/// Kinds of attributes (`AttributeProto.AttributeType`).
pub mod attribute_type {
    /// One 32-bit float.
    pub const FLOAT: i32 = 1;
    /// One integer.
    pub const INT: i32 = 2;
    /// One byte string.
    pub const STRING: i32 = 3;
    /// A list of integers.
    pub const INTS: i32 = 7;
}

/// A whole file.
#[derive(Clone, PartialEq, Message)]
pub struct ModelProto {
    /// Version of the file format.
    #[prost(int64, optional, tag = "1")]
    pub ir_version: Option<i64>,
    /// The program that wrote the file.
    #[prost(string, optional, tag = "2")]
    pub producer_name: Option<String>,
    /// The version of that program.
    #[prost(string, optional, tag = "3")]
    pub producer_version: Option<String>,
    /// The network.
    #[prost(message, optional, tag = "7")]
    pub graph: Option<GraphProto>,
    /// Operator sets that the network needs.
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSetIdProto>,
    /// Free pairs of names and texts.
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<StringStringEntryProto>,
}

/// One operator set; an empty domain is the standard one.
#[derive(Clone, PartialEq, Message)]
pub struct OperatorSetIdProto {
    /// Name of the set.
    #[prost(string, optional, tag = "1")]
    pub domain: Option<String>,
    /// Version of the set.
    #[prost(int64, optional, tag = "2")]
    pub version: Option<i64>,
}

/// A network: nodes in topological order, constants, inputs and outputs.
#[derive(Clone, PartialEq, Message)]
pub struct GraphProto {
    /// Nodes, each after those it reads from.
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<NodeProto>,
    /// Name of the network.
    #[prost(string, optional, tag = "2")]
    pub name: Option<String>,
    /// Constants.
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<TensorProto>,
    /// Inputs.
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfoProto>,
    /// Outputs.
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfoProto>,
}

/// One operation.
#[derive(Clone, PartialEq, Message)]
pub struct NodeProto {
    /// Names of the values read; an empty name is an input left out.
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    /// Names of the values made.
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    /// Name of the node.
    #[prost(string, optional, tag = "3")]
    pub name: Option<String>,
    /// The operator, such as `Conv`.
    #[prost(string, optional, tag = "4")]
    pub op_type: Option<String>,
    /// Settings of the operator.
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<AttributeProto>,
    /// Operator set of the operator.
    #[prost(string, optional, tag = "7")]
    pub domain: Option<String>,
}

/// One setting of an operator.
#[derive(Clone, PartialEq, Message)]
pub struct AttributeProto {
    /// Name of the setting.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// The value, where it is one float.
    #[prost(float, optional, tag = "2")]
    pub f: Option<f32>,
    /// The value, where it is one integer.
    #[prost(int64, optional, tag = "3")]
    pub i: Option<i64>,
    /// The value, where it is a byte string.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub s: Option<Vec<u8>>,
    /// The value, where it is a list of integers.
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub ints: Vec<i64>,
    /// The value, where it is a list of byte strings.
    #[prost(bytes = "vec", repeated, tag = "9")]
    pub strings: Vec<Vec<u8>>,
    /// Which of the fields holds the value, one of [`attribute_type`].
    #[prost(int32, optional, tag = "20")]
    pub r#type: Option<i32>,
}

/// A constant.
#[derive(Clone, PartialEq, Message)]
pub struct TensorProto {
    /// Shape, outermost dimension first; empty for a scalar.
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub dims: Vec<i64>,
    /// Element type, one of [`data_type`].
    #[prost(int32, optional, tag = "2")]
    pub data_type: Option<i32>,
    /// Values of a float tensor without `raw_data`.
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    /// Values of an integer or 16-bit tensor without `raw_data`.
    #[prost(int32, repeated, tag = "5")]
    pub int32_data: Vec<i32>,
    /// Values of a 64-bit integer tensor without `raw_data`.
    #[prost(int64, repeated, tag = "7")]
    pub int64_data: Vec<i64>,
    /// Name of the constant.
    #[prost(string, optional, tag = "8")]
    pub name: Option<String>,
    /// Values in row-major order, little-endian.
    #[prost(bytes = "vec", optional, tag = "9")]
    pub raw_data: Option<Vec<u8>>,
    /// 1 where the values are in another file, which is not read.
    #[prost(int32, optional, tag = "14")]
    pub data_location: Option<i32>,
}

/// Name and type of an input or output.
#[derive(Clone, PartialEq, Message)]
pub struct ValueInfoProto {
    /// Name of the value.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// Type of the value.
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<TypeProto>,
}

/// A type; only tensors are known here.
#[derive(Clone, PartialEq, Message)]
pub struct TypeProto {
    /// The tensor's type.
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorTypeProto>,
}

/// Element type and shape of a tensor (`TypeProto.Tensor`).
#[derive(Clone, PartialEq, Message)]
pub struct TensorTypeProto {
    /// Element type, one of [`data_type`].
    #[prost(int32, optional, tag = "1")]
    pub elem_type: Option<i32>,
    /// Shape.
    #[prost(message, optional, tag = "2")]
    pub shape: Option<TensorShapeProto>,
}

/// A shape, outermost dimension first.
#[derive(Clone, PartialEq, Message)]
pub struct TensorShapeProto {
    /// Dimensions.
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<DimensionProto>,
}

/// One dimension (`TensorShapeProto.Dimension`).
#[derive(Clone, PartialEq, Message)]
pub struct DimensionProto {
    /// A number or a name.
    #[prost(oneof = "DimensionValue", tags = "1, 2")]
    pub value: Option<DimensionValue>,
}

/// The value of a dimension.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum DimensionValue {
    /// A fixed number of elements.
    #[prost(int64, tag = "1")]
    Fixed(i64),
    /// A number known only when the network runs.
    #[prost(string, tag = "2")]
    Symbolic(String),
}

/// A name and a text.
#[derive(Clone, PartialEq, Message)]
pub struct StringStringEntryProto {
    /// Name.
    #[prost(string, optional, tag = "1")]
    pub key: Option<String>,
    /// Text.
    #[prost(string, optional, tag = "2")]
    pub value: Option<String>,
}

impl ModelProto {
    /// A file of IR version 8 and operator set 17, made by this program, around `graph`.
    pub fn new(graph: GraphProto) -> Self {
        Self {
            ir_version: Some(IR_VERSION),
            producer_name: Some(env!("CARGO_PKG_NAME").to_owned()),
            producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            graph: Some(graph),
            opset_import: vec![OperatorSetIdProto {
                domain: Some(String::new()),
                version: Some(OPSET_VERSION),
            }],
            metadata_props: Vec::new(),
        }
    }

    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// Reads a file. The error names the field that could not be read.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, prost::DecodeError> {
        Self::decode(bytes)
    }
}

impl NodeProto {
    /// An operation of the standard operator set without settings.
    pub fn new(op_type: &str, name: &str, inputs: &[&str], outputs: &[&str]) -> Self {
        Self {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: outputs.iter().map(|&output| output.to_owned()).collect(),
            name: Some(name.to_owned()),
            op_type: Some(op_type.to_owned()),
            attribute: Vec::new(),
            domain: None,
        }
    }

    /// The same operation with one more setting.
    #[must_use]
    pub fn with(mut self, attribute: AttributeProto) -> Self {
        self.attribute.push(attribute);
        self
    }
}

impl AttributeProto {
    /// A setting that is one integer.
    pub fn int(name: &str, value: i64) -> Self {
        Self {
            i: Some(value),
            ..Self::empty(name, attribute_type::INT)
        }
    }

    /// A setting that is a list of integers.
    pub fn ints(name: &str, values: &[i64]) -> Self {
        Self {
            ints: values.to_vec(),
            ..Self::empty(name, attribute_type::INTS)
        }
    }

    /// A setting that is one float.
    pub fn float(name: &str, value: f32) -> Self {
        Self {
            f: Some(value),
            ..Self::empty(name, attribute_type::FLOAT)
        }
    }

    /// A setting that is a text.
    pub fn string(name: &str, value: &str) -> Self {
        Self {
            s: Some(value.as_bytes().to_vec()),
            ..Self::empty(name, attribute_type::STRING)
        }
    }

    fn empty(name: &str, r#type: i32) -> Self {
        Self {
            name: Some(name.to_owned()),
            f: None,
            i: None,
            s: None,
            ints: Vec::new(),
            strings: Vec::new(),
            r#type: Some(r#type),
        }
    }
}

impl TensorProto {
    /// A constant of 32-bit floats; `values` are in row-major order and as many as `dims` say.
    pub fn from_f32(name: &str, dims: &[usize], values: &[f32]) -> Self {
        Self::raw(
            name,
            dims,
            data_type::FLOAT,
            values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        )
    }

    /// A constant of 16-bit floats.
    pub fn from_f16(name: &str, dims: &[usize], values: &[f16]) -> Self {
        Self::raw(
            name,
            dims,
            data_type::FLOAT16,
            values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        )
    }

    /// A constant of signed 8-bit integers.
    pub fn from_i8(name: &str, dims: &[usize], values: &[i8]) -> Self {
        Self::raw(
            name,
            dims,
            data_type::INT8,
            values.iter().map(|&value| value.cast_unsigned()).collect(),
        )
    }

    /// A constant of unsigned 8-bit integers.
    pub fn from_u8(name: &str, dims: &[usize], values: &[u8]) -> Self {
        Self::raw(name, dims, data_type::UINT8, values.to_vec())
    }

    /// A constant of signed 32-bit integers.
    pub fn from_i32(name: &str, dims: &[usize], values: &[i32]) -> Self {
        Self::raw(
            name,
            dims,
            data_type::INT32,
            values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        )
    }

    /// A constant of signed 64-bit integers.
    pub fn from_i64(name: &str, dims: &[usize], values: &[i64]) -> Self {
        Self::raw(
            name,
            dims,
            data_type::INT64,
            values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        )
    }

    fn raw(name: &str, dims: &[usize], data_type: i32, bytes: Vec<u8>) -> Self {
        Self {
            dims: dims.iter().map(|&dim| dim as i64).collect(),
            data_type: Some(data_type),
            name: Some(name.to_owned()),
            raw_data: Some(bytes),
            ..Self::default()
        }
    }
}

impl ValueInfoProto {
    /// A value of 32-bit floats: the symbolic batch dimension [`BATCH`], then the dimensions of one sample.
    pub fn batch_of(name: &str, sample: &[usize]) -> Self {
        Self::batch(name, sample, data_type::FLOAT)
    }

    /// The same of 64-bit integers.
    pub fn batch_of_tokens(name: &str, sample: &[usize]) -> Self {
        Self::batch(name, sample, data_type::INT64)
    }

    fn batch(name: &str, sample: &[usize], element: i32) -> Self {
        let batch = DimensionProto {
            value: Some(DimensionValue::Symbolic(BATCH.to_owned())),
        };
        let fixed = sample.iter().map(|&dim| DimensionProto {
            value: Some(DimensionValue::Fixed(dim as i64)),
        });
        Self {
            name: Some(name.to_owned()),
            r#type: Some(TypeProto {
                tensor_type: Some(TensorTypeProto {
                    elem_type: Some(element),
                    shape: Some(TensorShapeProto {
                        dim: std::iter::once(batch).chain(fixed).collect(),
                    }),
                }),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_attribute_is_written() {
        let bytes = NodeProto::new("Flatten", "flat", &["a"], &["b"])
            .with(AttributeProto::int("axis", 0))
            .encode_to_vec();
        let node = NodeProto::decode(bytes.as_slice()).unwrap();
        assert_eq!(node.attribute[0].i, Some(0));
    }

    #[test]
    fn dims_and_ints_are_unpacked() {
        let tensor = TensorProto {
            dims: vec![2, 3],
            ..TensorProto::default()
        };
        assert_eq!(tensor.encode_to_vec(), [0x08, 2, 0x08, 3]);
        let attribute = AttributeProto {
            ints: vec![1, 1],
            ..AttributeProto::default()
        };
        assert_eq!(attribute.encode_to_vec(), [0x40, 1, 0x40, 1]);
    }

    #[test]
    fn a_model_survives_the_round_trip() {
        let model = ModelProto::new(GraphProto {
            node: vec![NodeProto::new("Relu", "r", &["input"], &["logits"])],
            name: Some("net".to_owned()),
            initializer: vec![TensorProto::from_i8("w", &[2], &[-1, 1])],
            input: vec![ValueInfoProto::batch_of("input", &[2])],
            output: vec![ValueInfoProto::batch_of("logits", &[2])],
        });
        assert_eq!(ModelProto::from_bytes(&model.to_bytes()).unwrap(), model);
    }
}
