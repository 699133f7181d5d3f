//! Reads products of two values, and looks through transpositions before and behind them.

use super::{Known, NodeOf, Reader, shaped};
use crate::kernels::Walk;
use crate::runtime::LoadError;
use crate::runtime::kernel::Kernel;
use crate::runtime::matmul::MatMul;
use crate::runtime::node::EXPORT_AGAIN;
use crate::runtime::shape::{Dims, Shape, strides};

impl<'g> Reader<'g> {
    pub(super) fn matmul(&mut self, node: &NodeOf<'g>) -> Result<(), LoadError> {
        let values = [self.plain(node, 0)?, self.plain(node, 1)?];
        let [a, b] = values.map(|value| self.shape(value));
        let lead = a.rank.saturating_sub(2);
        let fits = a.rank == b.rank
            && matches!(lead, 1 | 2)
            && a.batch == b.batch
            && a.batch == 0
            && a.dims[..lead] == b.dims[..lead]
            && a.dims[lead + 1] == b.dims[lead];
        if !fits {
            let problem = format!("matrices of {:?} and {:?} cannot be multiplied", a.dims(), b.dims());
            return Err(node.refuse(problem, EXPORT_AGAIN));
        }
        let [rows, inner, columns] = [a.dims[lead], b.dims[lead], b.dims[lead + 1]];
        let mut dims = a.dims().to_vec();
        dims[lead + 1] = columns;
        let mut out = shaped(node, &dims, a.batch)?;
        // Rows of the left operand are read in one piece.
        let (left, left_strides) = self.as_it_lies(values[0], |strides| strides[lead + 1] == 1);
        let (right, right_strides) = self.as_it_lies(values[1], |_| true);
        let mut out_strides = strides(out.dims());
        let mut name = node.output()?;
        if let Some((index, next)) = self.next_transpose(name)
            && let Some((shape, order)) = transposed_shape(&out, &next)
        {
            let own = strides(shape.dims());
            let mut through = [0; 6];
            for (place, &axis) in order.iter().enumerate() {
                through[axis] = own[place];
            }
            if order[0] == 0 && through[lead + 1] == 1 {
                out_strides = through;
                out = shape;
                name = next.output()?;
                self.absorbed[index] = true;
            }
        }
        let four = |strides: Dims| {
            if lead == 1 {
                [strides[0], 0, strides[1], strides[2]]
            } else {
                [strides[0], strides[1], strides[2], strides[3]]
            }
        };
        let left_strides = four(left_strides);
        let product = MatMul {
            outer: [a.dims[0], if lead == 1 { 1 } else { a.dims[1] }],
            rows,
            inner,
            columns,
            walk: Walk::rows(inner, left_strides[2]),
            left: left_strides,
            right: four(right_strides),
            out: four(out_strides),
        };
        product.check(node)?;
        let value = self.new_value(node, out)?;
        self.names.insert(name, Known::Value(value));
        self.operation(Kernel::MatMul(Box::new(product)), &[left, right], value);
        Ok(())
    }

    /// The value that lies in memory and the steps along the axes of `value` in it, where only a transposition is between them and
    /// the steps suit.
    fn as_it_lies(&self, value: usize, suits: impl Fn(&Dims) -> bool) -> (usize, Dims) {
        let plain = (value, strides(self.shape(value).dims()));
        let Some(&(source, order)) = self.transposed.get(&value) else {
            return plain;
        };
        let shape = self.shape(source);
        let own = strides(shape.dims());
        let mut through = [0; 6];
        for (place, &axis) in order[..shape.rank].iter().enumerate() {
            through[place] = own[axis];
        }
        if shape.batch == 0 && order[0] == 0 && suits(&through) {
            (source, through)
        } else {
            plain
        }
    }

    /// The transposition that alone reads what is called `name`.
    fn next_transpose(&self, name: &str) -> Option<(usize, NodeOf<'g>)> {
        let &[index] = self.readers.get(name)?.as_slice() else {
            return None;
        };
        let proto = self.nodes.get(index)?;
        let is_open = proto.op_type() == "Transpose" && proto.domain().is_empty() && !self.absorbed[index];
        is_open.then(|| (index, self.node(proto)))
    }
}

/// What a transposition makes of a shape, and its order; none where it is no order.
fn transposed_shape(shape: &Shape, node: &NodeOf<'_>) -> Option<(Shape, Vec<usize>)> {
    let order = &node.attribute("perm")?.ints;
    let axes: Vec<usize> = order.iter().map(|&axis| shape.axis(axis)).collect::<Option<_>>()?;
    let is_order = axes.len() == shape.rank && (0..shape.rank).all(|axis| axes.contains(&axis));
    if !is_order || axes.first() != Some(&shape.batch) {
        return None;
    }
    let dims: Vec<usize> = axes.iter().map(|&axis| shape.dims[axis]).collect();
    Some((Shape::new(&dims, 0)?, axes))
}
