//! Reads dense layers that quantize their input as it comes: the five nodes in which files spell one become one operation.

use super::{NodeOf, Reader, shaped};
use crate::kernels::{INTEGER_STEP, IntegerPanels, MatrixShape, Walk};
use crate::runtime::LoadError;
use crate::runtime::constants::{Constant, bytes};
use crate::runtime::dynamic::DynamicProduct;
use crate::runtime::kernel::Kernel;
use crate::runtime::node::{EXPORT_AGAIN, USE_SUPPORTED};
use crate::runtime::onnx::{TensorProto, data_type};
use crate::runtime::products::{MAX_VALUES, SMALLER};

/// What a name stands for between the first and the last of the nodes; `usize` is the value that is quantized.
#[derive(Clone, Copy)]
pub enum Part<'g> {
    Bytes(usize),
    Scale(usize),
    ZeroPoint(usize),
    /// The sums of products with these weights.
    Sums(usize, &'g TensorProto),
    /// The steps of the sums.
    Steps(usize, &'g TensorProto),
}

impl<'g> Reader<'g> {
    /// Takes in the node if it is one of these; whether it is.
    pub(super) fn dynamic(&mut self, node: &NodeOf<'g>) -> Result<bool, LoadError> {
        let part = |place: usize| node.input(place).and_then(|name| self.part(name));
        match (node.proto.op_type(), part(0), part(1)) {
            ("DynamicQuantizeLinear", ..) => {
                let value = self.plain(node, 0)?;
                let parts = [Part::Bytes(value), Part::Scale(value), Part::ZeroPoint(value)];
                for (name, part) in node.proto.output.iter().zip(parts) {
                    self.name_part(name, part);
                }
            }
            ("MatMulInteger", Some(Part::Bytes(value)), _) => {
                let zero_point = node.input(2).and_then(|name| self.part(name));
                if !matches!(zero_point, Some(Part::ZeroPoint(of)) if of == value) || node.input(3).is_some() {
                    return Err(node.refuse("its zero points are not those that are supported", USE_SUPPORTED));
                }
                let weights = node.stored(1)?;
                self.name_part(node.output()?, Part::Sums(value, weights));
            }
            ("Cast", Some(part @ Part::Sums(..)), _) if node.int("to", 0) == i64::from(data_type::FLOAT) => {
                self.name_part(node.output()?, part);
            }
            ("Mul", Some(Part::Scale(value)), None) => {
                let scales = node.stored(1)?;
                self.name_part(node.output()?, Part::Steps(value, scales));
            }
            ("Mul", Some(Part::Sums(value, weights)), Some(Part::Steps(of, scales))) if of == value => {
                self.dynamic_product(node, value, weights, scales)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn dynamic_product(
        &mut self,
        node: &NodeOf<'g>,
        value: usize,
        weights: &TensorProto,
        scales: &TensorProto,
    ) -> Result<(), LoadError> {
        let shape = self.over_last_axis(node, value, -1)?;
        let dims = Constant::Stored(weights).dims()?;
        let &[inputs, outputs] = &dims[..] else {
            return Err(node.refuse("its weights must have two dimensions", EXPORT_AGAIN));
        };
        let mut scales = Constant::Stored(scales).floats()?;
        let fits = weights.data_type() == data_type::INT8
            && inputs > 0
            && inputs == shape.dims[shape.rank - 1]
            && scales.len() == outputs
            && scales.iter().all(|scale| scale.is_finite() && *scale > 0.0);
        if !fits {
            return Err(node.refuse(
                "its weights and scales do not fit its input or each other",
                EXPORT_AGAIN,
            ));
        }
        let values: Vec<i8> = bytes(weights)?.into_iter().map(u8::cast_signed).collect();
        // No sum of so few products leaves 32 bits.
        if inputs > MAX_VALUES.min(i32::MAX as usize / (255 * 128)) {
            return Err(node.refuse(format!("it has {inputs} inputs, which are too many"), SMALLER));
        }
        let pitch = inputs.next_multiple_of(INTEGER_STEP);
        let matrix = MatrixShape {
            columns: outputs,
            runs: 1,
            run_len: inputs,
        };
        let mut sums: Vec<i32> = (0..outputs)
            .map(|output| {
                (0..inputs)
                    .map(|input| i32::from(values[input * outputs + output]))
                    .sum()
            })
            .collect();
        sums.resize(matrix.padded_columns(), 0);
        scales.resize(matrix.padded_columns(), 0.0);
        let product = DynamicProduct {
            panels: IntegerPanels::pack(self.set, matrix, |column, _, depth| values[depth * outputs + column]),
            walk: Walk::rows(inputs, pitch),
            sums,
            scales,
            inputs,
            outputs,
        };
        let mut dims = shape.dims().to_vec();
        dims[shape.rank - 1] = outputs;
        let out = shaped(node, &dims, shape.batch)?;
        let out = self.new_value(node, out)?;
        self.name(node, 0, out);
        self.operation(Kernel::Dynamic(Box::new(product)), &[value], out);
        if let Some(operation) = self.graph.operations.last_mut() {
            operation.integer = Some(node.name().to_owned());
        }
        Ok(())
    }
}
