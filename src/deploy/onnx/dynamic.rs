//! Weights in 8 bits without calibration: dense layers put their input on a grid of its own range as it comes, everything else
//! widens its weights and computes in floating point.

use crate::deploy::DeployError;
use crate::runtime::onnx::{AttributeProto, TensorProto, data_type};
use crate::spec::{LayerSpec, Placed};

use super::graph::Writer;
use super::grids;
use super::layers::Parameters;

impl Writer<'_> {
    /// All layers; those `protected` are left in floating point.
    pub(super) fn dynamic_layers(&mut self, walk: &[Placed], protected: &[usize]) -> Result<(), DeployError> {
        for placed in walk {
            self.start(placed)?;
            if !placed.layer.is_product() {
                self.layer(placed)?;
                continue;
            }
            self.arrange_for(placed);
            match placed.layer {
                _ if protected.contains(&placed.index) => {
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

    /// The form that ONNX Runtime fuses: quantize, multiply in integers, scale, add the bias.
    fn dynamic_product(&mut self, placed: &Placed) -> Result<(), DeployError> {
        let &[weight, bias] = &self.tensors(placed)?[..] else {
            return Ok(());
        };
        let &[outputs, inputs] = &weight.shape[..] else {
            return Ok(());
        };
        let (quantized, scales) = grids::quantize_weights(&weight.data, outputs);
        let transposed: Vec<i8> = (0..inputs * outputs)
            .map(|place| quantized[place % outputs * inputs + place / outputs])
            .collect();
        let [w, s] = ["wq", "ws"].map(|part| format!("{part}{}", placed.index));
        self.add_constant(TensorProto::from_i8(&w, &[inputs, outputs], &transposed));
        self.add_constant(TensorProto::from_f32(&s, &[outputs], &scales));
        let bias = self.floats("b", placed, &bias.shape, &bias.data)?;
        let x = self.value.name.clone();
        let label = self.label();
        let [bytes, step, zero] = ["q", "s", "z"].map(|part| format!("{part}{label}"));
        let name = format!("DynamicQuantizeLinear{label}");
        self.push_named(
            "DynamicQuantizeLinear",
            &name,
            &[&x],
            &[&bytes, &step, &zero],
            Vec::new(),
        );
        let sum = self.push("MatMulInteger", &[&bytes, &w, &zero], Vec::new());
        let to = AttributeProto::int("to", i64::from(data_type::FLOAT));
        let sum = self.push("Cast", &[&sum], vec![to]);
        let scale = self.push("Mul", &[&step, &s], Vec::new());
        let product = self.push("Mul", &[&sum, &scale], Vec::new());
        self.value.name = self.push("Add", &[&product, &bias], Vec::new());
        Ok(())
    }

    /// Weights in 8 bits and what makes them real; the bias as it is.
    fn widened_parameters(&mut self, placed: &Placed) -> Result<Parameters, DeployError> {
        let w = format!("w{}", placed.index);
        let &[weight, bias] = &self.tensors(placed)?[..] else {
            return Ok([w.clone(), w]);
        };
        let channels = bias.data.len();
        let (quantized, scales) = grids::quantize_weights(&weight.data, channels);
        let [q, s] = ["q", "s"].map(|part| format!("{w}{part}"));
        self.add_constant(TensorProto::from_i8(&q, &weight.shape, &quantized));
        self.add_constant(TensorProto::from_f32(&s, &[channels], &scales));
        let axis = vec![AttributeProto::int("axis", 0)];
        self.push_named("DequantizeLinear", &w, &[&q, &s], &[&w], axis);
        let bias = self.floats("b", placed, &bias.shape, &bias.data)?;
        Ok([w, bias])
    }
}
