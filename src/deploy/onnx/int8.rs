//! The layers on integer grids, in quantize/dequantize form: chains from end to end, other networks where they multiply.

use crate::deploy::DeployError;
use crate::runtime::onnx::{AttributeProto, TensorProto};
use crate::spec::{
    ActivationKind, ActivationQuantization, LayerSpec, ModelSpec, Placed, QuantizationRanges, Range, Shape,
};

use super::graph::Writer;
use super::grids;
use super::layers::{Parameters, is_product};

/// Names of a grid's scale and zero point among the constants.
#[derive(Clone)]
struct Grid {
    scale: String,
    zero_point: String,
    quantization: ActivationQuantization,
}

impl Writer<'_> {
    /// All layers, with the products on grids that cover `ranges`.
    pub(super) fn int8_layers(
        &mut self,
        model: &ModelSpec,
        walk: &[Placed],
        ranges: &QuantizationRanges,
    ) -> Result<(), DeployError> {
        check_ranges(model, ranges)?;
        if walk.iter().all(stays_on_grid) {
            self.chain_on_grids(walk, ranges)
        } else {
            self.products_on_grids(walk, ranges)
        }
    }

    /// Every value on a grid.
    fn chain_on_grids(&mut self, walk: &[Placed], ranges: &QuantizationRanges) -> Result<(), DeployError> {
        let mut grid = self.quantize(ranges.input, "i");
        let mut layers = walk.iter().peekable();
        while let Some(placed) = layers.next() {
            self.begin(placed);
            if !is_product(placed.layer) {
                self.layer(placed)?;
                self.push_pair(&grid, &placed.index.to_string());
                continue;
            }
            let parameters = self.int8_parameters(placed, &grid)?;
            self.product(placed, &parameters);
            let last = layers.next_if(|next| next.layer == RELU).unwrap_or(placed);
            grid = self.quantize(ranges.layers[last.index], &last.index.to_string());
        }
        Ok(())
    }

    /// The inputs of products with constant weights on grids, everything else in floating point.
    fn products_on_grids(&mut self, walk: &[Placed], ranges: &QuantizationRanges) -> Result<(), DeployError> {
        for placed in walk {
            self.start(placed)?;
            if !is_product(placed.layer) {
                self.layer(placed)?;
                continue;
            }
            let before = placed.index.checked_sub(1).and_then(|layer| ranges.layers.get(layer));
            self.arrange_for(placed);
            let grid = self.quantize(*before.unwrap_or(&ranges.input), &placed.index.to_string());
            let parameters = self.int8_parameters(placed, &grid)?;
            self.product(placed, &parameters);
        }
        Ok(())
    }

    /// Weight and bias on their grids and their dequantization; returns the names of the dequantized values.
    fn int8_parameters(&mut self, placed: &Placed, input: &Grid) -> Result<Parameters, DeployError> {
        let [w, b] = ["w", "b"].map(|part| format!("{part}{}", placed.index));
        let &[weight, bias] = &self.tensors(placed)?[..] else {
            return Ok([w, b]);
        };
        let quantized =
            grids::quantize(&weight.data, &bias.data, input.quantization.scale).ok_or_else(|| DeployError::Layer {
                layer: placed.index,
                name: placed.layer.name(),
                problem: "the weights or activations are too large for an 8-bit grid".to_owned(),
                remedy: "train with weight decay, or export without int8",
            })?;
        let channels = bias.shape.as_slice();
        let constants = [
            TensorProto::from_i8(&format!("{w}q"), &weight.shape, &quantized.weights),
            TensorProto::from_f32(&format!("{w}s"), channels, &quantized.scales),
            TensorProto::from_i8(&format!("{w}z"), channels, &vec![0; bias.data.len()]),
            TensorProto::from_i32(&format!("{b}q"), channels, &quantized.biases),
            TensorProto::from_f32(&format!("{b}s"), channels, &quantized.bias_scales),
        ];
        for constant in constants {
            self.add_constant(constant);
        }
        let mut dequantize = |name: &str, inputs: &[&str]| {
            let per_channel = vec![AttributeProto::int("axis", 0)];
            self.push_named("DequantizeLinear", name, inputs, &[name], per_channel);
        };
        dequantize(&w, &[&format!("{w}q"), &format!("{w}s"), &format!("{w}z")]);
        dequantize(&b, &[&format!("{b}q"), &format!("{b}s")]);
        Ok([w, b])
    }

    /// Puts the current value on the grid that covers `range`, whose constants are named after `suffix`.
    fn quantize(&mut self, range: Range, suffix: &str) -> Grid {
        let quantization = ActivationQuantization::covering(range);
        let grid = Grid {
            scale: format!("s{suffix}"),
            zero_point: format!("z{suffix}"),
            quantization,
        };
        self.add_constant(TensorProto::from_f32(&grid.scale, &[], &[quantization.scale]));
        self.add_constant(TensorProto::from_u8(&grid.zero_point, &[], &[quantization.zero_point]));
        self.push_pair(&grid, suffix);
        grid
    }

    /// Puts the current value on a grid that exists.
    fn push_pair(&mut self, grid: &Grid, suffix: &str) {
        let (quantized, dequantized) = (format!("q{suffix}"), format!("d{suffix}"));
        let current = std::mem::replace(&mut self.value.name, dequantized.clone());
        let mut push = |operator: &str, input: &str, output: &str| {
            let inputs = [input, &grid.scale, &grid.zero_point];
            self.push_named(operator, output, &inputs, &[output], Vec::new());
        };
        push("QuantizeLinear", &current, &quantized);
        push("DequantizeLinear", &quantized, &dequantized);
    }
}

const RELU: LayerSpec = LayerSpec::Activation {
    function: ActivationKind::Relu,
};

/// Whether the layer is a product, a ReLU, or one that only chooses or keeps values: its output is on a grid where its input is.
fn stays_on_grid(placed: &Placed) -> bool {
    match placed.layer {
        LayerSpec::Dense { .. } | LayerSpec::Flatten => matches!(placed.output, Shape::Features { .. }),
        LayerSpec::MaxPool { .. } => matches!(placed.input, Shape::Image { .. }),
        layer => layer == RELU || matches!(layer, LayerSpec::Conv2d { .. }),
    }
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
