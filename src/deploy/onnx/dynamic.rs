//! Weights in 8 bits without calibration: dense layers put their input on a grid of its own range as it comes, everything else
//! widens its weights and computes in floating point.

use crate::deploy::DeployError;
use crate::runtime::onnx::{AttributeProto, TensorProto, data_type};
use crate::spec::{LayerSpec, Placed, symmetric_scale, weight_steps};

use super::graph::Writer;
use super::grids;
use super::int8::Projections;
use super::layers::Parameters;

impl Writer<'_> {
    /// All layers; those `protected` are left in floating point.
    pub(super) fn dynamic_layers(&mut self, walk: &[Placed], protected: &[usize]) -> Result<(), DeployError> {
        for placed in walk {
            self.start(placed)?;
            let is_protected = protected.contains(&placed.index);
            match placed.layer {
                LayerSpec::SelfAttention { .. } if !is_protected => {
                    self.attention(placed, Projections::Dynamic)?;
                    continue;
                }
                layer if !layer.is_product() => {
                    self.layer(placed)?;
                    continue;
                }
                _ => {}
            }
            self.arrange_for(placed);
            match placed.layer {
                _ if is_protected => {
                    let parameters = self.parameters(["w", "b"], placed)?;
                    self.product(placed, &parameters);
                }
                LayerSpec::Dense { .. } => self.dynamic_product(placed)?,
                _ => {
                    let parameters = self.widened_parameters(placed)?;
                    self.product(placed, &parameters);
                }
            }
        }
        Ok(())
    }

    fn dynamic_product(&mut self, placed: &Placed) -> Result<(), DeployError> {
        let &[weight, bias] = &self.tensors(placed)?[..] else {
            return Ok(());
        };
        let &[outputs, inputs] = &weight.shape[..] else {
            return Ok(());
        };
        let entry = self.dynamic_entry();
        let parameters = [&weight.data[..], &bias.data];
        self.value.name = self.dynamic_projection("", placed, [outputs, inputs], parameters, &entry)?;
        Ok(())
    }

    /// Puts the current value on a grid of its own range: names of its bytes, scale and zero point.
    pub(super) fn dynamic_entry(&mut self) -> [String; 3] {
        let x = self.value.name.clone();
        let label = self.label();
        let parts = ["q", "s", "z"].map(|part| format!("{part}{label}"));
        let name = format!("DynamicQuantizeLinear{label}");
        let [bytes, step, zero] = parts.each_ref().map(String::as_str);
        self.push_named("DynamicQuantizeLinear", &name, &[&x], &[bytes, step, zero], Vec::new());
        parts
    }

    /// The form that ONNX Runtime fuses: multiply in integers, scale, add the bias; the name of the result.
    pub(super) fn dynamic_projection(
        &mut self,
        letter: &str,
        placed: &Placed,
        [outputs, inputs]: [usize; 2],
        [weight, bias]: [&[f32]; 2],
        [bytes, step, zero]: &[String; 3],
    ) -> Result<String, DeployError> {
        let (quantized, scales) = grids::quantize_weights(weight, outputs);
        let transposed: Vec<i8> = (0..inputs * outputs)
            .map(|place| quantized[place % outputs * inputs + place / outputs])
            .collect();
        let [w, s] = ["wq", "ws"].map(|part| format!("{letter}{part}{}", placed.index));
        self.add_constant(TensorProto::from_i8(&w, &[inputs, outputs], &transposed));
        self.add_constant(TensorProto::from_f32(&s, &[outputs], &scales));
        let bias = self.floats(&format!("{letter}b"), placed, &[outputs], bias)?;
        let sum = self.push("MatMulInteger", &[bytes, &w, zero], Vec::new());
        let to = AttributeProto::int("to", i64::from(data_type::FLOAT));
        let sum = self.push("Cast", &[&sum], vec![to]);
        let scale = self.push("Mul", &[step, &s], Vec::new());
        let product = self.push("Mul", &[&sum, &scale], Vec::new());
        Ok(self.push("Add", &[&product, &bias], Vec::new()))
    }

    /// Stored integers and what makes them real under the name `name`, with a scale for each index of an axis.
    fn widened(&mut self, name: &str, shape: &[usize], axis: i64, values: &[i8], scales: &[f32]) {
        let [q, s, z] = ["q", "s", "z"].map(|part| format!("{name}{part}"));
        self.add_constant(TensorProto::from_i8(&q, shape, values));
        self.add_constant(TensorProto::from_f32(&s, &[scales.len()], scales));
        // ONNX Runtime fails on the zero point that it makes itself where there is none.
        self.add_constant(TensorProto::from_i8(&z, &[scales.len()], &vec![0; scales.len()]));
        let axis = vec![AttributeProto::int("axis", axis)];
        self.push_named("DequantizeLinear", name, &[&q, &s, &z], &[name], axis);
    }

    /// Weights `[directions, rows, depth]` of a recurrent layer in 8 bits and what makes them real, with a scale for each row that the
    /// directions share: the name of the real ones.
    pub(super) fn stored_in_bytes(&mut self, letter: &str, placed: &Placed, shape: &[usize], values: &[f32]) -> String {
        let name = format!("{letter}{}", placed.index);
        let (rows, depth) = (shape[1].max(1), shape[2].max(1));
        let mut largest = vec![0.0_f32; rows];
        for (row, weights) in values.chunks(depth).enumerate() {
            let largest = &mut largest[row % rows];
            *largest = weights
                .iter()
                .fold(*largest, |largest, weight| largest.max(weight.abs()));
        }
        let scales: Vec<f32> = largest.into_iter().map(symmetric_scale).collect();
        let steps = values.chunks(depth).enumerate().flat_map(|(row, weights)| {
            let scale = scales[row % rows];
            weights.iter().map(move |&weight| weight_steps(weight, scale) as i8)
        });
        self.widened(&name, shape, 1, &steps.collect::<Vec<_>>(), &scales);
        name
    }

    /// Weights in 8 bits and what makes them real; the bias as it is.
    fn widened_parameters(&mut self, placed: &Placed) -> Result<Parameters, DeployError> {
        let w = format!("w{}", placed.index);
        let &[weight, bias] = &self.tensors(placed)?[..] else {
            return Ok([w.clone(), w]);
        };
        let channels = bias.data.len();
        let (quantized, scales) = grids::quantize_weights(&weight.data, channels);
        self.widened(&w, &weight.shape, 0, &quantized, &scales);
        let bias = self.floats("b", placed, &bias.shape, &bias.data)?;
        Ok([w, bias])
    }
}
