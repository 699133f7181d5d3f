//! A network to ONNX bytes: the only form in which it is measured and the form in which it is given away. Names are short
//! and nothing is written that a reader can infer, because on small networks the wrapping is a good part of the file.

mod dynamic;
mod graph;
mod grids;
mod int4;
mod int8;
mod layers;
mod steps;

use crate::runtime::onnx::{GraphProto, MICROSOFT, ModelProto, NodeProto, OperatorSetIdProto, ValueInfoProto};
use crate::spec::{ModelSpec, QuantizationRanges, Shape, Task, WeightGrid, Weights};

use super::{DeployError, fold_batch_norm};
use graph::{Width, Writer};

/// How numbers are stored in the file, and computed with where it runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    Fp32,
    /// Weights in half precision, widened where the network runs.
    Fp16,
    /// Weights and activations in 8 bits, quantized with these ranges of the batch-norm-folded network.
    Int8(QuantizationRanges),
    /// Weights in 8 bits; the inputs of dense layers are quantized as they come, batch by batch, and convolutions compute in
    /// floating point.
    Int8Dynamic {
        /// Layers of the batch-norm-folded network that stay in floating point.
        protected: Vec<usize>,
    },
    /// Weights of dense layers in 4 bits by groups, the convolutions as in [`Int8`](Self::Int8).
    Int4(QuantizationRanges),
}

/// Name of the exported network's one input.
pub const INPUT_NAME: &str = "input";

/// The network as an ONNX file: operator set 17, one input `input` (`[N, features]`, `[N, channels, height, width]` or
/// `[N, steps, features]`, f32, already preprocessed; `[N, steps]`, int64, for tokens), one output `logits` or `prediction`
/// (`[N, outputs]`, f32). Batch norm is folded where it can be and dropout left out on the way; the same arguments give the
/// same bytes.
///
/// With [`Form::Int8`] the file is in quantize/dequantize form: activations u8 asymmetric, weights s8 symmetric for each output
/// channel, biases int32. In a chain of dense layers, convolutions, `ReLU` layers, max pools and flattens every value but the output is on a grid: a
/// ReLU is the lower end of the u8 grid after its layer; pools and flattens keep the grid before them. In any other network
/// the inputs of the dense layers, convolutions and projections of attention are, and everything else stays in floating point. Protected layers stay in
/// floating point with what they read and make.
///
/// With [`Form::Int4`] dense layers are `com.microsoft.MatMulNBits` with 4 bits and groups of 32, which read floating point, and
/// convolutions are as with [`Form::Int8`]. With [`Form::Int8Dynamic`] dense layers are `DynamicQuantizeLinear` and
/// `MatMulInteger`, so that their answers depend a little on the batch; convolutions hold 8-bit weights and compute in floating
/// point. In all three recurrent layers hold 8-bit weights and compute in floating point.
///
/// Fails where weights are missing, misshapen, not finite or out of the form's range (naming the layer), and where the
/// network's output does not fit the task.
pub fn to_onnx(model: &ModelSpec, weights: &Weights, task: &Task, form: &Form) -> Result<Vec<u8>, DeployError> {
    let (model, weights) = fold_batch_norm(model, weights)?;
    let walk = model.walk()?;
    let output = walk.last().map_or(model.input, |last| last.output);
    if model.layers.is_empty() || output.len() != task.outputs() {
        return Err(DeployError::Mismatch {
            problem: format!(
                "the network has {} layers and {} outputs where the task needs {} outputs",
                model.layers.len(),
                output.len(),
                task.outputs()
            ),
            remedy: "train a network on this data",
        });
    }
    let width = if *form == Form::Fp16 {
        Width::Half
    } else {
        Width::Single
    };
    let mut writer = Writer::new(&weights, width);
    writer.in_bytes_but = match form {
        Form::Fp32 | Form::Fp16 => None,
        Form::Int8(ranges) | Form::Int4(ranges) => Some(ranges.protected.clone()),
        Form::Int8Dynamic { protected } => Some(protected.clone()),
    };
    match form {
        Form::Fp32 | Form::Fp16 => writer.float_layers(&walk)?,
        Form::Int8(ranges) => writer.layers_on_grids(&model, &walk, ranges, WeightGrid::Bytes)?,
        Form::Int4(ranges) => writer.layers_on_grids(&model, &walk, ranges, WeightGrid::Nibbles)?,
        Form::Int8Dynamic { protected } => writer.dynamic_layers(&walk, protected)?,
    }
    writer.add_pending()?;
    let (nodes, constants) = writer.finish(output, task.output_name());
    let is_foreign = |node: &NodeProto| node.domain() == MICROSOFT;
    let foreign = nodes.iter().any(is_foreign).then(|| OperatorSetIdProto {
        domain: Some(MICROSOFT.to_owned()),
        version: Some(1),
    });
    let mut file = ModelProto::new(GraphProto {
        node: nodes,
        name: Some("trimtab".to_owned()),
        initializer: constants,
        input: vec![match model.input {
            Shape::Tokens { .. } => ValueInfoProto::batch_of_tokens(INPUT_NAME, &model.input.dimensions()),
            _ => ValueInfoProto::batch_of(INPUT_NAME, &model.input.dimensions()),
        }],
        output: vec![ValueInfoProto::batch_of(task.output_name(), &output.dimensions())],
    });
    file.opset_import.extend(foreign);
    Ok(file.to_bytes())
}
