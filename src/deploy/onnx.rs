//! A network to ONNX bytes: the only form in which it is measured and the form in which it is given away. Names are short
//! and nothing is written that a reader can infer, because on small networks the wrapping is a good part of the file.

use half::f16;

use crate::runtime::onnx::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, data_type};
use crate::spec::{
    ActivationKind, ActivationQuantization, LayerSpec, ModelSpec, NamedTensor, PaddingKind, QuantizationRanges, Range,
    Task, Weights,
};

use super::fold::{part_of, weight_shape};
use super::{DeployError, fold_batch_norm, int8};

/// How numbers are stored in the file, and computed with where it runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    Fp32,
    /// Weights in half precision, widened where the network runs.
    Fp16,
    /// Weights and activations in 8 bits, quantized with these ranges of the batch-norm-folded network.
    Int8(QuantizationRanges),
}

/// Name of the exported network's one input.
pub const INPUT_NAME: &str = "input";

/// The network as an ONNX file: operator set 17, one input `input` (`[N, features]` or `[N, channels, height, width]`, f32,
/// already preprocessed), one output `logits` or `prediction` (`[N, outputs]`, f32). Batch norm is folded and dropout left
/// out on the way; the same arguments give the same bytes.
///
/// With [`Form::Int8`] the file is in quantize/dequantize form: activations u8 asymmetric, weights s8 symmetric for each output
/// channel, biases int32. A ReLU is the lower end of the u8 grid after its layer; pools and flattens keep the grid before
/// them.
///
/// Fails where weights are missing, misshapen, not finite or out of the form's range (naming the layer), and where the
/// network's output does not fit the task.
pub fn to_onnx(model: &ModelSpec, weights: &Weights, task: &Task, form: &Form) -> Result<Vec<u8>, DeployError> {
    let (model, weights) = fold_batch_norm(model, weights)?;
    let outputs = model.outputs()?;
    if model.layers.is_empty() || outputs != task.outputs() {
        return Err(DeployError::Mismatch {
            problem: format!(
                "the network has {} layers and {outputs} outputs where the task needs {} outputs",
                model.layers.len(),
                task.outputs()
            ),
            remedy: "train a network on this data",
        });
    }
    let mut writer = Writer::new();
    match form {
        Form::Fp32 => writer.float_layers(&model, &weights, Width::Single)?,
        Form::Fp16 => writer.float_layers(&model, &weights, Width::Half)?,
        Form::Int8(ranges) => writer.int8_layers(&model, &weights, ranges)?,
    }
    let shape = model.shapes()?.last().copied().unwrap_or(model.input);
    Ok(writer.finish(&model, task, &shape.dimensions()))
}

/// The graph as it grows, and the name of the value that the next node reads.
struct Writer {
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    value: String,
}

/// Of the floats in the file.
#[derive(Clone, Copy, PartialEq)]
enum Width {
    Single,
    Half,
}

/// Names of a grid's scale and zero point among the constants.
#[derive(Clone)]
struct Grid {
    scale: String,
    zero_point: String,
    quantization: ActivationQuantization,
}

impl Writer {
    fn new() -> Self {
        Self {
            nodes: Vec::new(),
            constants: Vec::new(),
            value: INPUT_NAME.to_owned(),
        }
    }

    fn finish(mut self, model: &ModelSpec, task: &Task, output: &[usize]) -> Vec<u8> {
        if let Some(last) = self.nodes.last_mut() {
            last.output = vec![task.output_name().to_owned()];
        }
        ModelProto::new(GraphProto {
            node: self.nodes,
            name: Some("trimtab".to_owned()),
            initializer: self.constants,
            input: vec![ValueInfoProto::batch_of(INPUT_NAME, &model.input.dimensions())],
            output: vec![ValueInfoProto::batch_of(task.output_name(), output)],
        })
        .to_bytes()
    }

    /// All layers, with weights stored in `width`.
    fn float_layers(&mut self, model: &ModelSpec, weights: &Weights, width: Width) -> Result<(), DeployError> {
        let inputs = model.inputs()?;
        for (layer, (&spec, &input)) in model.layers.iter().zip(&inputs).enumerate() {
            let shape = weight_shape(spec, input);
            if shape.is_empty() {
                self.push_layer(layer, spec, &[]);
                continue;
            }
            let weight = part_of(weights, layer, spec, "weight", &shape)?;
            let bias = part_of(weights, layer, spec, "bias", &shape[..1])?;
            let names = [format!("w{layer}"), format!("b{layer}")];
            self.float_constant(&names[0], weight, width)
                .and_then(|()| self.float_constant(&names[1], bias, width))
                .ok_or_else(|| DeployError::Layer {
                    layer,
                    name: spec.name(),
                    problem: "a weight or bias is beyond 65504, the largest number in half precision".to_owned(),
                    remedy: "train with weight decay, or export without fp16",
                })?;
            self.push_layer(layer, spec, &[&names[0], &names[1]]);
        }
        Ok(())
    }

    /// A constant called `name`, or one in half precision and its widening to `name`; `None` where a value does not fit.
    fn float_constant(&mut self, name: &str, tensor: &NamedTensor, width: Width) -> Option<()> {
        if width == Width::Single {
            self.constants
                .push(TensorProto::from_f32(name, &tensor.shape, &tensor.data));
            return Some(());
        }
        let halves: Vec<f16> = tensor.data.iter().map(|&value| f16::from_f32(value)).collect();
        if halves.iter().any(|half| !half.is_finite()) {
            return None;
        }
        let stored = format!("{name}h");
        self.constants
            .push(TensorProto::from_f16(&stored, &tensor.shape, &halves));
        self.nodes.push(
            NodeProto::new("Cast", name, &[&stored], &[name])
                .with(AttributeProto::int("to", i64::from(data_type::FLOAT))),
        );
        Some(())
    }

    /// All layers on integer grids.
    fn int8_layers(
        &mut self,
        model: &ModelSpec,
        weights: &Weights,
        ranges: &QuantizationRanges,
    ) -> Result<(), DeployError> {
        check_ranges(model, ranges)?;
        let inputs = model.inputs()?;
        let mut grid = self.quantize(ranges.input, "i");
        let mut layer = 0;
        while let Some(&spec) = model.layers.get(layer) {
            let shape = weight_shape(spec, inputs[layer]);
            if shape.is_empty() {
                self.push_layer(layer, spec, &[]);
                self.quantize_on(&grid, layer);
                layer += 1;
                continue;
            }
            let names = self.int8_constants(weights, layer, spec, &shape, &grid)?;
            self.push_layer(layer, spec, &[&names[0], &names[1]]);
            if is_relu(model.layers.get(layer + 1)) {
                layer += 1;
            }
            grid = self.quantize(ranges.layers[layer], &layer.to_string());
            layer += 1;
        }
        Ok(())
    }

    /// Weight and bias on their grids and their dequantization; returns the names of the dequantized values.
    fn int8_constants(
        &mut self,
        weights: &Weights,
        layer: usize,
        spec: LayerSpec,
        shape: &[usize],
        input: &Grid,
    ) -> Result<[String; 2], DeployError> {
        let weight = part_of(weights, layer, spec, "weight", shape)?;
        let bias = part_of(weights, layer, spec, "bias", &shape[..1])?;
        let quantized =
            int8::quantize(&weight.data, &bias.data, input.quantization.scale).ok_or_else(|| DeployError::Layer {
                layer,
                name: spec.name(),
                problem: "the weights or activations are too large for an 8-bit grid".to_owned(),
                remedy: "train with weight decay, or export without int8",
            })?;
        let channels = &shape[..1];
        let [w, b] = ["w", "b"].map(|part| format!("{part}{layer}"));
        let constants = [
            TensorProto::from_i8(&format!("{w}q"), shape, &quantized.weights),
            TensorProto::from_f32(&format!("{w}s"), channels, &quantized.scales),
            TensorProto::from_i8(&format!("{w}z"), channels, &vec![0; channels[0]]),
            TensorProto::from_i32(&format!("{b}q"), channels, &quantized.biases),
            TensorProto::from_f32(&format!("{b}s"), channels, &quantized.bias_scales),
        ];
        self.constants.extend(constants);
        let per_channel = AttributeProto::int("axis", 0);
        let dequantize = |name: &str, inputs: &[&str]| {
            NodeProto::new("DequantizeLinear", name, inputs, &[name]).with(per_channel.clone())
        };
        self.nodes
            .push(dequantize(&w, &[&format!("{w}q"), &format!("{w}s"), &format!("{w}z")]));
        self.nodes.push(dequantize(&b, &[&format!("{b}q"), &format!("{b}s")]));
        Ok([w, b])
    }

    /// The node of a layer that is an operator of its own, reading `parameters` beside the current value.
    fn push_layer(&mut self, layer: usize, spec: LayerSpec, parameters: &[&str]) {
        let (operator, attributes) = match spec {
            LayerSpec::Dense { .. } => ("Gemm", vec![AttributeProto::int("transB", 1)]),
            LayerSpec::Conv2d {
                kernel,
                stride,
                padding,
                ..
            } => {
                let mut attributes = vec![square("kernel_shape", kernel, 2)];
                if stride != 1 {
                    attributes.push(square("strides", stride, 2));
                }
                if padding == PaddingKind::Same {
                    attributes.push(square("pads", LayerSpec::padding_pixels(kernel, padding), 4));
                }
                ("Conv", attributes)
            }
            LayerSpec::Activation {
                function: ActivationKind::Relu,
            } => ("Relu", Vec::new()),
            LayerSpec::MaxPool { size } => (
                "MaxPool",
                vec![square("kernel_shape", size, 2), square("strides", size, 2)],
            ),
            LayerSpec::Flatten => ("Flatten", Vec::new()),
            // Folding has removed both.
            _ => return,
        };
        let inputs: Vec<&str> = std::iter::once(self.value.as_str())
            .chain(parameters.iter().copied())
            .collect();
        let output = format!("y{layer}");
        let mut node = NodeProto::new(operator, &format!("{operator}{layer}"), &inputs, &[&output]);
        node.attribute = attributes;
        self.nodes.push(node);
        self.value = output;
    }

    /// Puts the current value on the grid that covers `range`, whose constants are named after `suffix`.
    fn quantize(&mut self, range: Range, suffix: &str) -> Grid {
        let quantization = ActivationQuantization::covering(range);
        let grid = Grid {
            scale: format!("s{suffix}"),
            zero_point: format!("z{suffix}"),
            quantization,
        };
        self.constants
            .push(TensorProto::from_f32(&grid.scale, &[], &[quantization.scale]));
        self.constants
            .push(TensorProto::from_u8(&grid.zero_point, &[], &[quantization.zero_point]));
        self.push_pair(&grid, suffix);
        grid
    }

    /// Puts the output of `layer` on a grid that exists.
    fn quantize_on(&mut self, grid: &Grid, layer: usize) {
        self.push_pair(grid, &layer.to_string());
    }

    fn push_pair(&mut self, grid: &Grid, suffix: &str) {
        let (quantized, dequantized) = (format!("q{suffix}"), format!("d{suffix}"));
        let mut push = |operator: &str, input: &str, output: &str| {
            let inputs = [input, &grid.scale, &grid.zero_point];
            self.nodes.push(NodeProto::new(operator, output, &inputs, &[output]));
        };
        push("QuantizeLinear", &self.value, &quantized);
        push("DequantizeLinear", &quantized, &dequantized);
        self.value = dequantized;
    }
}

/// A list of `count` equal numbers.
fn square(name: &str, value: usize, count: usize) -> AttributeProto {
    AttributeProto::ints(name, &vec![value as i64; count])
}

fn is_relu(layer: Option<&LayerSpec>) -> bool {
    matches!(
        layer,
        Some(LayerSpec::Activation {
            function: ActivationKind::Relu
        })
    )
}

fn check_ranges(model: &ModelSpec, ranges: &QuantizationRanges) -> Result<(), DeployError> {
    const CALIBRATE: &str = "calibrate this network again";
    if ranges.layers.len() != model.layers.len() {
        return Err(DeployError::Mismatch {
            problem: format!(
                "the calibration has ranges for {} layers and the folded network {}",
                ranges.layers.len(),
                model.layers.len()
            ),
            remedy: CALIBRATE,
        });
    }
    let usable = |range: &Range| range.min <= range.max && (range.max - range.min).is_finite();
    if !usable(&ranges.input) {
        return Err(DeployError::Mismatch {
            problem: format!(
                "the calibrated range of the input is {} to {}",
                ranges.input.min, ranges.input.max
            ),
            remedy: CALIBRATE,
        });
    }
    match ranges.layers.iter().position(|range| !usable(range)) {
        Some(layer) => Err(DeployError::Layer {
            layer,
            name: model.layers[layer].name(),
            problem: format!(
                "the calibrated range is {} to {}",
                ranges.layers[layer].min, ranges.layers[layer].max
            ),
            remedy: CALIBRATE,
        }),
        None => Ok(()),
    }
}
