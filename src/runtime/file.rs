//! A file as a whole: its operator set, its one input, its one output.

use super::LoadError;
use super::onnx::{
    DimensionValue, GraphProto, ModelProto, OPSET_VERSION, OperatorSetIdProto, ValueInfoProto, data_type,
};

/// What a file describes.
pub(super) struct File {
    pub graph: GraphProto,
    pub input_name: String,
    /// Shape of one sample.
    pub input_shape: Vec<usize>,
    /// Whether the input is of whole numbers.
    pub is_tokens: bool,
    pub output_name: String,
}

impl File {
    /// Reads the bytes of a file.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, LoadError> {
        let model = ModelProto::from_bytes(bytes).map_err(|error| refuse(error.to_string()))?;
        let standard = model.opset_import.iter().find(|set| set.domain().is_empty());
        match standard.map(OperatorSetIdProto::version) {
            Some(OPSET_VERSION) => {}
            Some(other) => {
                return Err(refuse(format!(
                    "it is of operator set {other}, only {OPSET_VERSION} is read"
                )));
            }
            None => return Err(refuse("it names no operator set")),
        }
        let graph = model.graph.ok_or_else(|| refuse("it holds no graph"))?;
        let (input_name, input_shape, is_tokens) = input(&graph)?;
        let input_name = input_name.to_owned();
        let [output] = graph.output.as_slice() else {
            return Err(refuse(format!("it has {} outputs, one is read", graph.output.len())));
        };
        let output_name = output.name().to_owned();
        Ok(Self {
            graph,
            input_name,
            input_shape,
            is_tokens,
            output_name,
        })
    }
}

/// The error about the file as a whole.
pub(super) fn refuse(problem: impl Into<String>) -> LoadError {
    LoadError::File {
        problem: problem.into(),
    }
}

/// Name, sample shape and kind of the only input that is no constant.
fn input(graph: &GraphProto) -> Result<(&str, Vec<usize>, bool), LoadError> {
    let is_constant = |value: &ValueInfoProto| graph.initializer.iter().any(|tensor| tensor.name() == value.name());
    let inputs: Vec<_> = graph.input.iter().filter(|value| !is_constant(value)).collect();
    let [input] = inputs.as_slice() else {
        return Err(refuse(format!("it has {} inputs, one is read", inputs.len())));
    };
    let tensor = input.r#type.as_ref().and_then(|r#type| r#type.tensor_type.as_ref());
    let tensor = tensor.filter(|tensor| matches!(tensor.elem_type(), data_type::FLOAT | data_type::INT64));
    let dims = tensor
        .and_then(|tensor| tensor.shape.as_ref())
        .map(|shape| shape.dim.as_slice());
    let (Some([_, sample @ ..]), Some(tensor)) = (dims, tensor) else {
        return Err(refuse(format!(
            "its input `{}` is no tensor of float32, or of int64, with a shape",
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
        Some(sample) if matches!(sample.len(), 1..=3) => {
            Ok((input.name(), sample, tensor.elem_type() == data_type::INT64))
        }
        _ => Err(refuse(format!(
            "its input `{}` must be a batch of samples of one to three dimensions, all but the batch fixed",
            input.name()
        ))),
    }
}
