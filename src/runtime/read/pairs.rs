//! Reads the functions of two values.

use super::follow::Allowed;
use super::{Known, NodeOf, Reader};
use crate::kernels::{ByteSum, Pair};
use crate::runtime::LoadError;
use crate::runtime::kernel::{Binary, Kernel};
use crate::runtime::node::{EXPORT_AGAIN, USE_SUPPORTED};
use crate::runtime::shape::{Dims, MAX_RANK, Shape};

impl<'g> Reader<'g> {
    /// A sum; of two values on grids whose sum is quantized, in bytes.
    pub(super) fn add_values(&mut self, node: &NodeOf<'g>) -> Result<(), LoadError> {
        let known = |place: usize| match self.names.get(node.input(place)?)? {
            &Known::Value(value) => Some(value),
            Known::Quantized(_) | Known::Part(_) => None,
        };
        let (Some(a), Some(b)) = (known(0), known(1)) else {
            return self.pair(node, Pair::Add);
        };
        let values = [a, b].map(|value| self.graph.values[value]);
        let [Some(grid_a), Some(grid_b)] = values.map(|value| value.grid) else {
            return self.pair(node, Pair::Add);
        };
        let shape = values[0].shape;
        let is_quantized = shape == values[1].shape && node.proto.input.len() == 2 && self.ends_on_grid(node.output()?);
        if !is_quantized {
            return self.pair(node, Pair::Add);
        }
        let allowed = Allowed { add: false, grid: true };
        let fused = self.follow(node.output()?, shape, allowed)?;
        let Some(grid) = fused.grid else {
            return self.pair(node, Pair::Add);
        };
        let [a, b] = self.in_one_order(a, b);
        let out = self.new_value(node, shape)?;
        self.graph.values[out].grid = Some(grid);
        self.graph.values[out].channels = self.graph.values[a].channels;
        let sum = ByteSum::new([grid_a, grid_b], grid, fused.relu);
        self.operation(Kernel::AddBytes(sum), &[a, b], out);
        self.names.insert(fused.name, Known::Quantized(out));
        Ok(())
    }

    /// Two values of one shape in the same order: that of the one whose channels are last, if there is such a one.
    fn in_one_order(&mut self, a: usize, b: usize) -> [usize; 2] {
        let [left, right] = [a, b].map(|value| self.graph.values[value].channels);
        if left == right {
            return [a, b];
        }
        let second_axis = Some(self.shape(a).dims[1]);
        if [left, right]
            .iter()
            .all(|&channels| channels.is_none() || channels == second_axis)
        {
            return [self.channels_last(a), self.channels_last(b)];
        }
        [self.in_file_order(a), self.in_file_order(b)]
    }

    /// A function of two values, or of a value and a constant; dimensions of one are repeated.
    pub(super) fn pair(&mut self, node: &NodeOf<'g>, pair: Pair) -> Result<(), LoadError> {
        if node.proto.input.len() != 2 {
            return Err(node.refuse("only two operands are supported", USE_SUPPORTED));
        }
        let mut sources = Vec::new();
        let mut constant = None;
        let mut operands: Vec<(Vec<usize>, Option<usize>)> = Vec::new();
        for place in 0..2 {
            let stored = node.input(place).and_then(|name| node.constants.get(name));
            if let (Some(stored), None) = (stored, &constant) {
                operands.push((stored.dims()?, None));
                constant = Some((place, stored.floats()?));
            } else {
                let value = self.value(node, place)?;
                let value = self.floats(value);
                let shape = self.shape(value);
                operands.push((shape.dims().to_vec(), Some(shape.batch)));
                sources.push(value);
            }
        }
        let channels = self.common_order(&mut sources, constant.as_ref().map(|(_, values)| values.len()));
        let misfit = || {
            let dims = [&operands[0].0, &operands[1].0];
            node.refuse(format!("its operands of {dims:?} do not fit each other"), EXPORT_AGAIN)
        };
        let rank = operands.iter().map(|(dims, _)| dims.len()).max().unwrap_or_default();
        let mut aligned = [[1; MAX_RANK]; 2];
        let mut batch = [None; 2];
        for (place, (dims, axis)) in operands.iter().enumerate() {
            let before = rank - dims.len();
            let places = aligned[place].get_mut(before..rank).ok_or_else(misfit)?;
            places.copy_from_slice(dims);
            batch[place] = axis.map(|axis| axis + before);
        }
        let output_batch = match batch {
            [Some(a), Some(b)] if a != b => return Err(misfit()),
            [a, b] => a.or(b).ok_or_else(misfit)?,
        };
        let mut dims: Dims = [1; MAX_RANK];
        for axis in 0..rank {
            let [a, b] = [aligned[0][axis], aligned[1][axis]];
            // The batch is repeated for an operand that has none of it.
            let repeats = axis != output_batch || batch[0] != batch[1];
            dims[axis] = match [a, b] {
                _ if a == b => a,
                [1, b] if repeats && (axis != output_batch || batch[1].is_some()) => b,
                [a, 1] if repeats && (axis != output_batch || batch[0].is_some()) => a,
                _ => return Err(misfit()),
            };
            let alone = axis == output_batch && batch[0] != batch[1];
            if alone && (0..2).any(|place| batch[place].is_none() && aligned[place][axis] != 1) {
                return Err(misfit());
            }
        }
        let output = Shape::new(&dims[..rank], output_batch).ok_or_else(misfit)?;
        let kernel = Kernel::Binary(Box::new(Binary {
            pair,
            output,
            operands: aligned,
            batch,
            constant,
        }));
        self.push(node, kernel, &sources, output)?;
        if let Some(&Known::Value(out)) = node.proto.output.first().and_then(|name| self.names.get(name.as_str())) {
            self.graph.values[out].channels = channels;
        }
        Ok(())
    }

    /// Brings the operands into one order, which the result has too: any that they share where nothing but a number is repeated,
    /// else that of the file.
    fn common_order(&mut self, sources: &mut [usize], constant: Option<usize>) -> Option<usize> {
        match sources {
            [a, b] if self.shape(*a) == self.shape(*b) => [*a, *b] = self.in_one_order(*a, *b),
            [_] if constant == Some(1) => {}
            _ => {
                for value in sources.iter_mut() {
                    *value = self.in_file_order(*value);
                }
            }
        }
        sources.first().and_then(|&value| self.graph.values[value].channels)
    }

    /// Whether what is called `name` is quantized, after a ReLU or at once.
    fn ends_on_grid(&self, name: &str) -> bool {
        let next = |name: &str| {
            let &[index] = self.readers.get(name)?.as_slice() else {
                return None;
            };
            self.nodes.get(index)
        };
        let Some(node) = next(name) else { return false };
        match node.op_type() {
            "QuantizeLinear" => true,
            "Relu" => node
                .output
                .first()
                .and_then(|name| next(name))
                .is_some_and(|node| node.op_type() == "QuantizeLinear"),
            _ => false,
        }
    }
}
