//! Dense layers with weights in four bits, which the standard operators of this version cannot hold.

use crate::deploy::DeployError;
use crate::runtime::onnx::{AttributeProto, TensorProto};
use crate::spec::{GROUP, NibbleGroup, Placed};

use super::graph::Writer;

impl Writer<'_> {
    /// A dense layer as `MatMulNBits`: of each output the inputs in groups of [`GROUP`], the last filled up with zeros, each with a
    /// scale. It reads and computes in floating point.
    pub(super) fn nibble_product(&mut self, placed: &Placed) -> Result<(), DeployError> {
        let &[weight, bias] = &self.tensors(placed)?[..] else {
            return Ok(());
        };
        let &[outputs, inputs] = &weight.shape[..] else {
            return Ok(());
        };
        let [w, s] = ["w", "ws"].map(|part| format!("{part}{}", placed.index));
        let groups = inputs.div_ceil(GROUP);
        let mut codes = Vec::with_capacity(outputs * groups * GROUP / 2);
        let mut scales = Vec::with_capacity(outputs * groups);
        for row in weight.data.chunks_exact(inputs) {
            for group in row.chunks(GROUP).map(NibbleGroup::nearest) {
                codes.extend(group.packed());
                scales.push(group.scale);
            }
        }
        self.add_constant(TensorProto::from_u8(&w, &[outputs, groups, GROUP / 2], &codes));
        self.add_constant(TensorProto::from_f32(&s, &[outputs * groups], &scales));
        let bias = self.floats("b", placed, &bias.shape, &bias.data)?;
        let attributes = [("K", inputs), ("N", outputs), ("bits", 4), ("block_size", GROUP)];
        let attributes = attributes.map(|(name, value)| AttributeProto::int(name, value as i64));
        self.apply_foreign("MatMulNBits", &[&w, &s, "", "", &bias], attributes.into());
        Ok(())
    }
}
