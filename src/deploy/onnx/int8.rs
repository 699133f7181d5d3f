//! The layers on integer grids, in quantize/dequantize form: chains from end to end, other networks where they multiply.

use crate::deploy::DeployError;
use crate::runtime::onnx::{AttributeProto, TensorProto};
use crate::spec::{
    ActivationQuantization, GridPlan, LayerSpec, ModelSpec, Placed, QuantizationRanges, Range, WeightGrid,
};

use super::graph::Writer;
use super::grids;
use super::layers::{Parameters, transposed};

/// How the inputs of attention's projections are read.
#[derive(Clone, Copy)]
pub(super) enum Projections {
    Floats,
    /// On grids that cover these ranges: of the layer's input, and of what its heads gather.
    OnGrids {
        input: Range,
        gathered: Range,
    },
    /// On grids that are made on the way.
    Dynamic,
}

/// A value as products read it.
pub(super) enum Entry {
    Floats(String),
    OnGrid(String, Grid),
    /// Bytes, scale and zero point.
    Dynamic([String; 3]),
}

/// Names of a grid's scale and zero point among the constants.
#[derive(Clone)]
pub(super) struct Grid {
    scale: String,
    zero_point: String,
    quantization: ActivationQuantization,
}

impl Writer<'_> {
    /// All layers, with the products on grids that cover `ranges`, dense layers as `dense`.
    pub(super) fn layers_on_grids(
        &mut self,
        model: &ModelSpec,
        walk: &[Placed],
        ranges: &QuantizationRanges,
        dense: WeightGrid,
    ) -> Result<(), DeployError> {
        check_ranges(model, ranges)?;
        let plan = GridPlan::of(model, dense, &ranges.protected)?;
        if plan.is_chain {
            self.chain_on_grids(walk, ranges, &plan)
        } else {
            self.products_on_grids(walk, ranges, &plan)
        }
    }

    /// Every value between two products in 8 bits on a grid.
    fn chain_on_grids(
        &mut self,
        walk: &[Placed],
        ranges: &QuantizationRanges,
        plan: &GridPlan,
    ) -> Result<(), DeployError> {
        let mut grid = plan.places[0].then(|| self.quantize(ranges.input, "i"));
        let mut layers = walk.iter().peekable();
        while let Some(placed) = layers.next() {
            self.begin(placed);
            if !placed.layer.is_product() {
                self.layer(placed)?;
                if let Some(grid) = &grid {
                    self.push_pair(grid, &placed.index.to_string());
                }
                continue;
            }
            self.product_on_grid(placed, plan.weights[placed.index], grid.as_ref())?;
            let relu = layers.next_if(|next| next.layer == LayerSpec::RELU);
            let last = relu.unwrap_or(placed);
            grid = if plan.places[last.index + 1] {
                Some(self.quantize(ranges.at(last.index + 1), &last.index.to_string()))
            } else {
                if let Some(relu) = relu {
                    self.begin(relu);
                    self.layer(relu)?;
                }
                None
            };
        }
        Ok(())
    }

    /// The inputs of products with constant weights on grids, everything else in floating point.
    fn products_on_grids(
        &mut self,
        walk: &[Placed],
        ranges: &QuantizationRanges,
        plan: &GridPlan,
    ) -> Result<(), DeployError> {
        for placed in walk {
            self.start(placed)?;
            if let (LayerSpec::SelfAttention { .. }, Some(place)) = (placed.layer, plan.inputs[placed.index]) {
                let projections = Projections::OnGrids {
                    input: ranges.at(place),
                    gathered: ranges.gathered_at(placed.index),
                };
                self.attention(placed, projections)?;
                continue;
            }
            if !placed.layer.is_product() {
                self.layer(placed)?;
                continue;
            }
            self.arrange_for(placed);
            let place = plan.inputs[placed.index];
            let grid = place.map(|place| self.quantize(ranges.at(place), &placed.index.to_string()));
            self.product_on_grid(placed, plan.weights[placed.index], grid.as_ref())?;
        }
        Ok(())
    }

    /// A dense layer or convolution whose weights are stored as `weights`; those in 8 bits read `input`.
    fn product_on_grid(
        &mut self,
        placed: &Placed,
        weights: WeightGrid,
        input: Option<&Grid>,
    ) -> Result<(), DeployError> {
        let parameters = match (weights, input) {
            (WeightGrid::Bytes, Some(input)) => self.int8_parameters(placed, input)?,
            (WeightGrid::Nibbles, _) => return self.nibble_product(placed),
            _ => self.parameters(["w", "b"], placed)?,
        };
        self.product(placed, &parameters);
        Ok(())
    }

    /// Weight and bias on their grids and their dequantization; returns the names of the dequantized values.
    fn int8_parameters(&mut self, placed: &Placed, input: &Grid) -> Result<Parameters, DeployError> {
        let &[weight, bias] = &self.tensors(placed)?[..] else {
            return Ok([const { String::new() }; 2]);
        };
        self.int8_pair("", placed, &weight.shape, [&weight.data, &bias.data], input)
    }

    /// As [`int8_parameters`](Self::int8_parameters) of a weight of `shape` and a bias, which are named with `letter` in front.
    fn int8_pair(
        &mut self,
        letter: &str,
        placed: &Placed,
        shape: &[usize],
        [weight, bias]: [&[f32]; 2],
        input: &Grid,
    ) -> Result<Parameters, DeployError> {
        let [w, b] = ["w", "b"].map(|part| format!("{letter}{part}{}", placed.index));
        let quantized = grids::quantize(weight, bias, input.quantization.scale).ok_or_else(|| DeployError::Layer {
            layer: placed.index,
            name: placed.layer.name(),
            problem: "the weights or activations are too large for an 8-bit grid".to_owned(),
            remedy: "train with weight decay, or export without int8",
        })?;
        let channels = &[bias.len()];
        let constants = [
            TensorProto::from_i8(&format!("{w}q"), shape, &quantized.weights),
            TensorProto::from_f32(&format!("{w}s"), channels, &quantized.scales),
            TensorProto::from_i8(&format!("{w}z"), channels, &vec![0; bias.len()]),
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

    /// The current value as projections read it: the layer's input, or what the heads have `gathered`.
    pub(super) fn enter(&mut self, placed: &Placed, projections: Projections, has_gathered: bool) -> Entry {
        match projections {
            Projections::Floats => Entry::Floats(self.value.name.clone()),
            Projections::Dynamic => Entry::Dynamic(self.dynamic_entry()),
            Projections::OnGrids { input, gathered } => {
                let (range, letter) = if has_gathered { (gathered, "g") } else { (input, "") };
                let grid = self.quantize(range, &format!("{letter}{}", placed.index));
                Entry::OnGrid(self.value.name.clone(), grid)
            }
        }
    }

    /// A projection of what has been entered by a weight `[outputs, inputs]` and a bias, which are named with `letter` in front; its
    /// name.
    pub(super) fn project(
        &mut self,
        letter: &str,
        placed: &Placed,
        shape: [usize; 2],
        parameters: [&[f32]; 2],
        entry: &Entry,
    ) -> Result<String, DeployError> {
        let (x, [w, b]) = match entry {
            Entry::Dynamic(parts) => return self.dynamic_projection(letter, placed, shape, parameters, parts),
            Entry::OnGrid(x, grid) => (x, self.int8_pair(letter, placed, &shape, parameters, grid)?),
            Entry::Floats(x) => {
                let [weight, bias] = parameters;
                let weight = self.floats(&format!("{letter}w"), placed, &shape, weight)?;
                let bias = self.floats(&format!("{letter}b"), placed, &shape[..1], bias)?;
                (x, [weight, bias])
            }
        };
        Ok(self.push("Gemm", &[x, &w, &b], transposed()))
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
    if let Some(&layer) = ranges.protected.iter().find(|&&layer| layer >= model.layers.len()) {
        return Err(DeployError::Mismatch {
            problem: format!("layer {layer} is protected, and the network has {}", model.layers.len()),
            remedy: "protect layers that there are",
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
