//! Dense layers whose weights are stored in four bits (`com.microsoft.MatMulNBits`). They stay so in memory and are widened in the
//! kernel, but behind a flattened image, whose order takes their groups apart: those are widened here.

use super::{NodeOf, Reader};
use crate::kernels::GROUP;
use crate::runtime::LoadError;
use crate::runtime::constants::bytes;
use crate::runtime::node::{EXPORT_AGAIN, Node, USE_SUPPORTED};
use crate::runtime::onnx::MICROSOFT;
use crate::runtime::products::{Bias, Product, Weights};

/// Whether the node is of this kind.
pub fn is_nibbles(node: &Node<'_, '_>) -> bool {
    node.proto.domain() == MICROSOFT && node.proto.op_type() == "MatMulNBits"
}

impl<'g> Reader<'g> {
    /// Adds the layer.
    pub(super) fn nibbles(&mut self, node: &NodeOf<'g>) -> Result<(), LoadError> {
        let size = |name: &str| usize::try_from(node.int(name, 0)).unwrap_or_default();
        let [inputs, outputs] = ["K", "N"].map(size);
        if node.int("bits", 4) != 4 || size("block_size") != GROUP || (3..5).any(|place| node.input(place).is_some()) {
            return Err(node.refuse(
                "only 4 bits in groups of 32 without zero points are supported",
                USE_SUPPORTED,
            ));
        }
        let codes = bytes(node.stored(1)?)?;
        let scales = node.require(2)?.floats()?;
        let groups = inputs.div_ceil(GROUP);
        let fits =
            |count: usize, each: usize| groups.checked_mul(outputs).and_then(|n| n.checked_mul(each)) == Some(count);
        if inputs == 0 || outputs == 0 || !fits(codes.len(), GROUP / 2) || !fits(scales.len(), 1) {
            return Err(node.refuse("its codes or scales do not fit its K and N", EXPORT_AGAIN));
        }
        let bias = match node.input(5) {
            Some(_) => node.require(5)?.floats()?,
            None => vec![0.0; outputs],
        };
        if bias.len() != outputs {
            let problem = format!("its bias has {} values for {outputs} outputs", bias.len());
            return Err(node.refuse(problem, EXPORT_AGAIN));
        }
        let product = Product {
            window: None,
            outputs,
            inputs,
            weights: Weights::Nibbles {
                codes: codes.clone(),
                scales,
            },
            bias: Bias::Float(bias),
            relu: false,
            input_grid: None,
            output_grid: None,
        };
        self.dense(node, product)
    }
}
