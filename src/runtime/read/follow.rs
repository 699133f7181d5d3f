//! Looks at what follows a node and alone reads what it makes, so that one operation does the work of several: products with their
//! norm, sum, ReLU and quantization, and functions that the file writes as sums and products.

use super::{Known, NodeOf, Reader};
use crate::kernels::{Function, Grid};
use crate::runtime::LoadError;
use crate::runtime::onnx::NodeProto;
use crate::runtime::products::Product;
use crate::runtime::shape::Shape;

/// What an operation does besides its own work, and what the result is called.
pub struct Fused<'g> {
    pub name: &'g str,
    /// A value of the same shape that is added.
    pub add: Option<usize>,
    pub relu: bool,
    /// The grid that the result is put on.
    pub grid: Option<Grid>,
}

/// What may be fused.
#[derive(Clone, Copy)]
pub struct Allowed {
    pub add: bool,
    pub grid: bool,
}

impl<'g> Reader<'g> {
    /// The only node that reads a name, as its first operand where order matters.
    fn next_of(&self, name: &str) -> Option<(usize, NodeOf<'g>)> {
        let &[index] = self.readers.get(name)?.as_slice() else {
            return None;
        };
        let proto = self.nodes.get(index)?;
        let is_open = proto.domain().is_empty() && !self.absorbed[index];
        is_open.then(|| (index, self.node(proto)))
    }

    /// Goes on from a value called `name` of this shape as far as one operation can do the work.
    pub(super) fn follow(&mut self, name: &'g str, shape: Shape, allowed: Allowed) -> Result<Fused<'g>, LoadError> {
        let mut fused = Fused {
            name,
            add: None,
            relu: false,
            grid: None,
        };
        while fused.grid.is_none() {
            let Some((index, next)) = self.next_of(fused.name) else {
                break;
            };
            let is_first = next.input(0) == Some(fused.name);
            match next.proto.op_type() {
                "Relu" if !fused.relu && is_first => fused.relu = true,
                "Add" if allowed.add && fused.add.is_none() && !fused.relu => {
                    match self.summand(&next, fused.name, shape) {
                        Some(value) => fused.add = Some(value),
                        None => break,
                    }
                }
                "QuantizeLinear" if allowed.grid && fused.add.is_none() && is_first => fused.grid = Some(next.grid()?),
                _ => break,
            }
            fused.name = next.output()?;
            self.absorbed[index] = true;
        }
        Ok(fused)
    }

    /// The value of this shape that a sum adds to what is called `name`, if it is known already.
    fn summand(&self, sum: &NodeOf<'g>, name: &str, shape: Shape) -> Option<usize> {
        let other = match sum.proto.input.as_slice() {
            [a, b] if a == name && b != name => b,
            [a, b] if b == name && a != name => a,
            _ => return None,
        };
        match self.names.get(other.as_str()) {
            Some(&Known::Value(value)) => {
                let known = self.graph.values[value];
                (known.shape == shape && !known.is_tokens).then_some(value)
            }
            _ => None,
        }
    }

    /// Folds batch norms that alone read a product into it; what the result is called.
    pub(super) fn fold_norms(&mut self, product: &mut Product, mut name: &'g str) -> Result<&'g str, LoadError> {
        while let Some((index, next)) = self.next_of(name) {
            if next.proto.op_type() != "BatchNormalization" || next.input(0) != Some(name) {
                break;
            }
            let (scale, shift) = next.scale_and_shift()?;
            if !product.takes(scale.len()) {
                break;
            }
            product.fold(&scale, &shift);
            name = next.output()?;
            self.absorbed[index] = true;
        }
        Ok(name)
    }

    /// Whether the node named is `operator` on `name` and a constant of one number, close to this one.
    fn is_with_constant(node: &NodeOf<'g>, operator: &str, name: &str, number: f32) -> bool {
        let constant = |place: usize| -> Option<f32> {
            let stored = node.constants.get(node.input(place)?)?;
            match stored.floats().ok()?.as_slice() {
                &[value] if stored.dims().is_ok_and(|dims| dims.is_empty()) => Some(value),
                _ => None,
            }
        };
        let is = |value: Option<f32>| value.is_some_and(|value| (value - number).abs() < 1e-6);
        node.proto.op_type() == operator
            && node.proto.input.len() == 2
            && (node.input(0) == Some(name) && is(constant(1))
                || operator != "Div" && node.input(1) == Some(name) && is(constant(0)))
    }

    /// A division, or the whole of `x / sqrt(2) -> erf -> + 1 -> * x -> / 2`, which is GELU (Hendrycks and Gimpel 2016).
    pub(super) fn divide(&mut self, node: &NodeOf<'g>) -> Result<(), LoadError> {
        match self.gelu(node) {
            Some((nodes, name)) => {
                let value = self.value(node, 0)?;
                for index in nodes {
                    self.absorbed[index] = true;
                }
                self.push_function(node, Function::Gelu, value, name)
            }
            None => self.pair(node, crate::kernels::Pair::Divide),
        }
    }

    /// The other nodes of a GELU that begins with this one, and what its result is called.
    fn gelu(&self, node: &NodeOf<'g>) -> Option<([usize; 4], &'g str)> {
        let x = node.input(0)?;
        if !Self::is_with_constant(node, "Div", x, std::f32::consts::SQRT_2) {
            return None;
        }
        let (erf, next) = self.next_of(node.output().ok()?)?;
        if next.proto.op_type() != "Erf" {
            return None;
        }
        let name = next.output().ok()?;
        let (plus, next) = self.next_of(name)?;
        if !Self::is_with_constant(&next, "Add", name, 1.0) {
            return None;
        }
        let name = next.output().ok()?;
        let (times, next) = self.next_of(name)?;
        if !is_product_of(next.proto, name, x) {
            return None;
        }
        let name = next.output().ok()?;
        let (half, next) = self.next_of(name)?;
        if !Self::is_with_constant(&next, "Mul", name, 0.5) {
            return None;
        }
        Some(([erf, plus, times, half], next.output().ok()?))
    }

    /// A sigmoid, or `x * sigmoid(x)`, which is `SiLU` (Elfwing et al. 2018).
    pub(super) fn sigmoid(&mut self, node: &NodeOf<'g>) -> Result<(), LoadError> {
        let (x, name) = (node.input(0).unwrap_or_default(), node.output()?);
        if let Some((index, next)) = self.next_of(name)
            && is_product_of(next.proto, name, x)
        {
            let value = self.value(node, 0)?;
            let name = next.output()?;
            self.absorbed[index] = true;
            return self.push_function(node, Function::Silu, value, name);
        }
        self.function(node, Function::Sigmoid)
    }
}

/// Whether the node multiplies these two, in either order.
fn is_product_of(node: &NodeProto, a: &str, b: &str) -> bool {
    let operands = node.input.as_slice();
    node.op_type() == "Mul" && (operands == [a, b] || operands == [b, a])
}
