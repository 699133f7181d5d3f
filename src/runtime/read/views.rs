//! Reads the operators that look at values in another shape or order, or at a part of them.

use super::{Known, NodeOf, Reader, Value, shaped};
use crate::runtime::LoadError;
use crate::runtime::constants::whole_numbers;
use crate::runtime::kernel::Kernel;
use crate::runtime::node::{EXPORT_AGAIN, USE_SUPPORTED};
use crate::runtime::onnx::data_type;
use crate::runtime::shape::{MAX_RANK, Shape};

impl<'g> Reader<'g> {
    /// The node's output is its input seen as another shape, or with its channels elsewhere.
    fn view(
        &mut self,
        node: &NodeOf<'g>,
        value: usize,
        shape: Shape,
        channels: Option<usize>,
    ) -> Result<(), LoadError> {
        let name = node.output()?;
        let Value { root, grid, .. } = self.graph.values[value];
        self.graph.values.push(Value {
            shape,
            root,
            is_tokens: false,
            grid,
            channels,
        });
        self.names.insert(name, Known::Value(self.graph.values.len() - 1));
        Ok(())
    }

    pub(super) fn cast(&mut self, node: &NodeOf<'g>) -> Result<(), LoadError> {
        if node.int("to", 0) != i64::from(data_type::FLOAT) {
            return Err(node.refuse("only casts to float32 are supported", USE_SUPPORTED));
        }
        let value = self.any_value(node, 0)?;
        let Value { shape, channels, .. } = self.graph.values[value];
        self.view(node, value, shape, channels)
    }

    pub(super) fn reduce_mean(&mut self, node: &NodeOf<'g>) -> Result<(), LoadError> {
        let value = self.value(node, 0)?;
        let mut value = self.floats(value);
        let shape = self.shape(value);
        let axes = node.attribute("axes").map_or(&[][..], |attribute| &attribute.ints);
        let axis = match axes {
            &[axis] => shape.axis(axis).filter(|&axis| axis != shape.batch),
            _ => None,
        };
        let Some(axis) = axis else {
            return Err(node.refuse("only means over one axis of a sample are supported", USE_SUPPORTED));
        };
        let mut dims = shape.dims().to_vec();
        let mut batch = shape.batch;
        if node.int("keepdims", 1) == 0 {
            dims.remove(axis);
            batch -= usize::from(axis < batch);
        } else {
            dims[axis] = 1;
        }
        let out = shaped(node, &dims, batch)?;
        let Value { channels, .. } = self.graph.values[value];
        // Steps whose features lie last are summed as they lie.
        let kernel = if shape.rank == 3 && axis == 2 && channels == Some(shape.dims[1]) {
            let steps = shaped(node, &[1, shape.dims[2], shape.dims[1]], 0)?;
            Kernel::Mean { shape: steps, axis: 1 }
        } else {
            value = self.in_file_order(value);
            Kernel::Mean { shape, axis }
        };
        self.push(node, kernel, &[value], out)
    }

    pub(super) fn reshape(&mut self, node: &NodeOf<'g>) -> Result<(), LoadError> {
        let value = self.any_value(node, 0)?;
        let value = self.in_file_order(value);
        let shape = self.shape(value);
        let target = whole_numbers(node.stored(1)?)?;
        let misfit = || node.refuse(format!("{:?} cannot become {target:?}", shape.dims()), EXPORT_AGAIN);
        let mut dims = Vec::with_capacity(target.len());
        let (mut batch, mut open) = (None, None);
        for (axis, &size) in target.iter().enumerate() {
            dims.push(match size {
                -1 if open.is_none() => {
                    open = Some(axis);
                    1
                }
                0 if node.int("allowzero", 0) == 0 && axis < shape.rank => {
                    if axis == shape.batch {
                        batch = Some(axis);
                    }
                    shape.dims[axis]
                }
                size => usize::try_from(size).map_err(|_| misfit())?,
            });
        }
        let rest = dims
            .iter()
            .try_fold(1_usize, |len, &dim| len.checked_mul(dim))
            .filter(|&rest| rest > 0);
        let rest = rest.ok_or_else(misfit)?;
        if let Some(axis) = open {
            dims[axis] = shape.len() / rest;
        }
        // What is left open grows with the batch, unless a copied dimension does.
        let batch = batch.or(open).ok_or_else(misfit)?;
        let out = Shape::new(&dims, batch).filter(|out| out.len() == shape.len());
        self.view(node, value, out.ok_or_else(misfit)?, None)
    }

    /// Channels that lie last stay there: whoever reads the row finds its weights in that order.
    pub(super) fn flatten(&mut self, node: &NodeOf<'g>) -> Result<(), LoadError> {
        let value = self.value(node, 0)?;
        let shape = self.shape(value);
        if node.int("axis", 1) != 1 || shape.batch != 0 {
            return Err(node.refuse("only axis 1 of a batch of samples is supported", EXPORT_AGAIN));
        }
        let dims = [shape.dims[0], shape.dims()[1..].iter().product()];
        let out = shaped(node, &dims, 0)?;
        let channels = self.graph.values[value].channels;
        self.view(node, value, out, channels)
    }

    pub(super) fn transpose(&mut self, node: &NodeOf<'g>) -> Result<(), LoadError> {
        let value = self.value(node, 0)?;
        let value = self.floats(value);
        let Value {
            shape: input, channels, ..
        } = self.graph.values[value];
        let order = node.attribute("perm").map_or(&[][..], |attribute| &attribute.ints);
        let axes: Option<Vec<usize>> = order.iter().map(|&axis| input.axis(axis)).collect();
        let axes = axes.filter(|axes| axes.len() == input.rank && (0..input.rank).all(|axis| axes.contains(&axis)));
        let Some(axes) = axes else {
            return Err(node.refuse(
                format!("{order:?} is no order of its {} axes", input.rank),
                EXPORT_AGAIN,
            ));
        };
        let dims: Vec<usize> = axes.iter().map(|&axis| input.dims[axis]).collect();
        let batch = axes.iter().position(|&axis| axis == input.batch).unwrap_or_default();
        let shape = shaped(node, &dims, batch)?;
        if axes == [0, 2, 1] && input.batch == 0 {
            // Features and steps change places in the file's eyes only.
            if channels == Some(input.dims[1]) {
                return self.view(node, value, shape, None);
            }
            if channels.is_none() {
                let channels = Some(shape.dims[1]).filter(|&c| c != 1 && c != shape.len());
                return self.view(node, value, shape, channels);
            }
        }
        let value = self.in_file_order(value);
        let mut order = [0; MAX_RANK];
        order[..axes.len()].copy_from_slice(&axes);
        self.push(node, Kernel::Transpose { shape, order, input }, &[value], shape)?;
        if let Some(&Known::Value(out)) = node.proto.output.first().and_then(|name| self.names.get(name.as_str())) {
            self.transposed.insert(out, (value, order));
        }
        Ok(())
    }

    pub(super) fn pad(&mut self, node: &NodeOf<'g>) -> Result<(), LoadError> {
        let value = self.plain(node, 0)?;
        let input = self.shape(value);
        let mode = node
            .attribute("mode")
            .map_or(&b"constant"[..], |attribute| attribute.s());
        let pads = whole_numbers(node.stored(1)?)?;
        let small: Option<Vec<usize>> = pads
            .iter()
            .map(|&pad| u16::try_from(pad).ok().map(usize::from))
            .collect();
        let small = small.filter(|pads| {
            let batch = [input.batch, input.batch + input.rank];
            pads.len() == 2 * input.rank && batch.iter().all(|&axis| pads.get(axis) == Some(&0))
        });
        let (b"constant", Some(pads), None) = (mode, small, node.input(3)) else {
            return Err(node.refuse(
                "only constants around the axes of a sample are supported",
                USE_SUPPORTED,
            ));
        };
        let filling = match node.input(2) {
            Some(_) => node.require(2)?.floats()?.first().copied().unwrap_or_default(),
            None => 0.0,
        };
        let (front, back) = pads.split_at(input.rank);
        let dims: Vec<usize> = (0..input.rank)
            .map(|axis| input.dims[axis].saturating_add(front[axis] + back[axis]))
            .collect();
        let output = shaped(node, &dims, input.batch)?;
        let mut in_front = [0; MAX_RANK];
        in_front[..input.rank].copy_from_slice(front);
        let kernel = Kernel::Pad {
            input,
            output,
            in_front,
            value: filling,
        };
        self.push(node, kernel, &[value], output)
    }

    pub(super) fn gather(&mut self, node: &NodeOf<'g>) -> Result<(), LoadError> {
        if let Some(table) = node.input(0).and_then(|name| node.constants.get(name)) {
            let tokens = self.any_value(node, 1)?;
            let dims = table.dims()?;
            let (&[rows, width], true, 0) = (&dims[..], self.graph.values[tokens].is_tokens, node.int("axis", 0))
            else {
                return Err(node.refuse(
                    "only rows of a constant table by the input's numbers are supported",
                    USE_SUPPORTED,
                ));
            };
            if rows == 0 || width == 0 {
                return Err(node.refuse("its table is empty", EXPORT_AGAIN));
            }
            self.graph.vocabulary = self.graph.vocabulary.map(|smallest| smallest.min(rows));
            let shape = self.shape(tokens);
            let dims: Vec<usize> = shape.dims().iter().copied().chain([width]).collect();
            let shape = shaped(node, &dims, shape.batch)?;
            let table = table.floats()?;
            return self.push(node, Kernel::Lookup { table, width }, &[tokens], shape);
        }
        let value = self.plain(node, 0)?;
        let shape = self.shape(value);
        let index = node.stored(1)?;
        let place = whole_numbers(index)?;
        let axis = shape.axis(node.int("axis", 0)).filter(|&axis| axis != shape.batch);
        let (Some(axis), &[place], []) = (axis, &place[..], &index.dims[..]) else {
            return Err(node.refuse("only one place of an axis of a sample is supported", USE_SUPPORTED));
        };
        let size = shape.dims[axis] as i64;
        let place = if place < 0 { place + size } else { place };
        let Some(place) = usize::try_from(place).ok().filter(|&place| place < shape.dims[axis]) else {
            return Err(node.refuse(format!("place {place} is not one of {size}"), EXPORT_AGAIN));
        };
        let mut dims = shape.dims().to_vec();
        dims.remove(axis);
        let out = shaped(node, &dims, shape.batch - usize::from(axis < shape.batch))?;
        self.push(node, Kernel::Select { shape, axis, place }, &[value], out)
    }
}
