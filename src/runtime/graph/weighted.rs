//! Reads the operators with weights, and the pools: products, normalisations, recurrent layers.

use half::f16;

use super::kernel::Kernel;
use super::plan::Staged;
use super::products::{Depthwise, Product};
use super::read::{Operation, Reader, shaped};
use super::recurrent::{Cell, Direction, Recurrent};
use super::shape::Shape;
use crate::kernels::{FloatPanels, ImageShape, MatrixShape, Pool};
use crate::runtime::LoadError;
use crate::runtime::chain::{self, ConvWindow, Kind, Layer, Weights};
use crate::runtime::constants::{Constant, Numbers};
use crate::runtime::node::{EXPORT_AGAIN, Node, USE_SUPPORTED};
use crate::runtime::products::{self, PackedKernel, lowest, pack, window_out, within_bounds};
use crate::runtime::steps::STAGED_ROWS;

impl<'g> Reader<'g> {
    /// A dense layer, convolution or product of two values; whether it did the ReLU behind it.
    pub fn product(&mut self, node: &Node<'g, '_>, relu: bool) -> Result<bool, LoadError> {
        let is_constant = |place| node.input(place).is_some_and(|name| node.constants.get(name).is_some());
        match node.proto.op_type() {
            "MatMul" if !is_constant(1) => {
                self.matmul(node)?;
                return Ok(false);
            }
            "MatMul" => {
                let weights = node.require(1)?;
                let &[inputs, outputs] = &weights.dims()?[..] else {
                    return Err(node.refuse("its weights must have two dimensions", EXPORT_AGAIN));
                };
                let mut product = node.product(weights, outputs, inputs, None)?;
                let values = weights.floats()?;
                let transposed = (0..outputs).flat_map(|o| (0..inputs).map(move |i| (i, o)));
                product.weights = Weights::Single(transposed.map(|(i, o)| values[i * outputs + o]).collect());
                self.dense(node, product, relu)?;
            }
            "Gemm" => {
                let Kind::Product(product) = node.dense()? else {
                    return Ok(false);
                };
                if self.shape(self.value(node, 0)?).rank != 2 {
                    return Err(node.refuse("its input must have two dimensions", EXPORT_AGAIN));
                }
                self.dense(node, product, relu)?;
            }
            _ => self.convolution(node, relu)?,
        }
        Ok(relu)
    }

    /// The value that is really read, and the grid on which the product's integers are.
    fn source(&self, product: &mut chain::Product, value: usize) -> usize {
        if let Some(&(grid, before)) = self.on_grid.get(&value)
            && product.fits(grid)
        {
            product.input_grid = Some(grid);
            return before;
        }
        product.leave_integers();
        value
    }

    /// Over the last axis, as rows.
    pub fn dense(&mut self, node: &Node<'g, '_>, mut product: chain::Product, relu: bool) -> Result<(), LoadError> {
        let value = self.value(node, 0)?;
        let shape = self.over_last_axis(node, value, -1)?;
        let inputs = shape.dims[shape.rank - 1];
        product.relu = relu;
        let source = self.source(&mut product, value);
        let flat = products::Shape {
            image: ImageShape {
                height: 1,
                width: 1,
                channels: inputs,
            },
            is_flat: true,
        };
        let mut dims = shape.dims().to_vec();
        dims[shape.rank - 1] = product.outputs;
        let out = shaped(node, &dims, shape.batch)?;
        self.pack(node, &product, flat, None, source, out)
    }

    fn convolution(&mut self, node: &Node<'g, '_>, relu: bool) -> Result<(), LoadError> {
        let value = self.value(node, 0)?;
        let shape = self.shape(value);
        let weights = node.require(1)?;
        let dims = weights.dims()?;
        let axes = dims.len().saturating_sub(2);
        if !matches!(axes, 1 | 2) || shape.rank != dims.len() || shape.batch != 0 {
            return Err(node.refuse("only images and sequences are convolved", USE_SUPPORTED));
        }
        let spatial = |sizes: &[usize]| if axes == 1 { [1, sizes[0]] } else { [sizes[0], sizes[1]] };
        let [height, width] = spatial(&shape.dims[2..]);
        let kernel = spatial(&dims[2..]);
        let window = node.window_over(axes, Some(kernel))?;
        if window.kernel != kernel {
            return Err(node.refuse("its kernel_shape is not that of its weights", EXPORT_AGAIN));
        }
        let channels = shape.dims[1];
        let image = ImageShape {
            height,
            width,
            channels,
        };
        let layer = label(node);
        let out = window_out(&layer, &window, image)?;
        let of = |channels: usize| {
            if axes == 1 {
                vec![1, channels, out[1]]
            } else {
                vec![1, channels, out[0], out[1]]
            }
        };
        let groups = node.int("group", 1);
        if groups == 1 {
            let mut product = node.product(weights, dims[0], dims[1], Some(window))?;
            product.relu = relu;
            let source = self.source(&mut product, value);
            let result = shaped(node, &of(product.outputs), 0)?;
            let image = products::Shape { image, is_flat: false };
            return self.pack(node, &product, image, Some(channels), source, result);
        }
        if groups != channels as i64 || dims[0] != channels || dims[1] != 1 {
            return Err(node.refuse(
                "grouped convolutions are supported with one group for each channel only",
                USE_SUPPORTED,
            ));
        }
        let product = node.product(weights, channels, 1, Some(window))?;
        let depthwise = Depthwise {
            weights: weights.floats()?,
            bias: product.bias.to_floats(),
            kernel,
            stride: window.stride,
            dilation: window.dilation,
            pad: [window.pads[0], window.pads[1]],
            input: [height, width],
            out,
            relu,
        };
        let result = shaped(node, &of(channels), 0)?;
        self.push(node, Kernel::Depthwise(Box::new(depthwise)), &[value], result)
    }

    /// Packs the weights of a product and adds it.
    fn pack(
        &mut self,
        node: &Node<'g, '_>,
        product: &chain::Product,
        shape: products::Shape,
        channels: Option<usize>,
        source: usize,
        out: Shape,
    ) -> Result<(), LoadError> {
        let mut layer = label(node);
        let packed = pack(&layer, product, shape, self.set)?;
        let (input_len, output_len) = (shape.len(), packed.out.len());
        let is_integer = matches!(packed.kernel, PackedKernel::Integer(_));
        let rows = if channels.is_some() { 1 } else { STAGED_ROWS };
        let staged = Staged {
            floats: packed.staged_floats,
            integers: packed.staged_integers,
            image: if is_integer || channels.is_none() { 0 } else { input_len },
            bytes: if is_integer { rows * input_len } else { 0 },
            result: if channels.is_some() { output_len } else { 0 },
            columns: 0,
        };
        let kernel = Kernel::Product(Box::new(Product {
            kernel: packed.kernel,
            grid: product.input_grid,
            low: lowest(product),
            channels: channels.map(|channels| [channels, product.outputs]),
            input_len,
            output_len,
        }));
        node.output()?;
        let value = self.new_value(node, out)?;
        self.name(node, 0, value);
        self.graph.operations.push(Operation {
            kernel,
            sources: vec![source],
            out: value,
            staged,
            integer: is_integer.then(|| std::mem::take(&mut layer.name)),
        });
        Ok(())
    }

    fn matmul(&mut self, node: &Node<'g, '_>) -> Result<(), LoadError> {
        let values = [self.value(node, 0)?, self.value(node, 1)?];
        let [a, b] = values.map(|value| self.shape(value));
        let lead = a.rank.saturating_sub(2);
        let fits = a.rank == b.rank
            && a.rank > 2
            && a.batch == b.batch
            && a.batch < lead
            && a.dims[..lead] == b.dims[..lead]
            && a.dims[lead + 1] == b.dims[lead];
        if !fits {
            let problem = format!("matrices of {:?} and {:?} cannot be multiplied", a.dims(), b.dims());
            return Err(node.refuse(problem, EXPORT_AGAIN));
        }
        let [rows, inner, columns] = [a.dims[lead], b.dims[lead], b.dims[lead + 1]];
        let mut dims = a.dims().to_vec();
        dims[lead + 1] = columns;
        let out = shaped(node, &dims, a.batch)?;
        self.push(node, Kernel::MatMul { rows, inner, columns }, &values, out)
    }

    pub fn batch_norm(&mut self, node: &Node<'g, '_>) -> Result<(), LoadError> {
        let value = self.value(node, 0)?;
        let shape = self.shape(value);
        let Kind::ScaleShift { scale, shift } = node.batch_norm_kind()? else {
            return Ok(());
        };
        if shape.rank < 2 || shape.batch != 0 || shape.dims[1] != scale.len() {
            let problem = format!("it has {} channels, its input {:?}", scale.len(), shape.dims());
            return Err(node.refuse(problem, EXPORT_AGAIN));
        }
        let inner = shape.dims()[2..].iter().product();
        self.push(node, Kernel::ScaleShift { scale, shift, inner }, &[value], shape)
    }

    pub fn layer_norm(&mut self, node: &Node<'g, '_>) -> Result<(), LoadError> {
        let value = self.value(node, 0)?;
        let shape = self.over_last_axis(node, value, node.int("axis", -1))?;
        let scale = node.require(1)?.floats()?;
        let shift = match node.input(2) {
            Some(_) => node.require(2)?.floats()?,
            None => vec![0.0; scale.len()],
        };
        let features = shape.dims[shape.rank - 1];
        if scale.len() != features || shift.len() != features {
            return Err(node.refuse(format!("its scale and bias must have {features} values"), EXPORT_AGAIN));
        }
        let epsilon = node.float("epsilon", 1e-5);
        let kernel = Kernel::LayerNorm { scale, shift, epsilon };
        self.push(node, kernel, &[value], shape)
    }

    pub fn pool(&mut self, node: &Node<'g, '_>) -> Result<(), LoadError> {
        let value = self.value(node, 0)?;
        let shape = self.shape(value);
        let axes = shape.rank.saturating_sub(2);
        if !matches!(axes, 1 | 2) || shape.batch != 0 {
            return Err(node.refuse("only images and sequences are pooled", USE_SUPPORTED));
        }
        let [height, width] = if axes == 1 {
            [1, shape.dims[2]]
        } else {
            [shape.dims[2], shape.dims[3]]
        };
        if node.proto.op_type() == "GlobalAveragePool" {
            let planes = shaped(node, &[1, shape.dims[1], height * width], 0)?;
            let dims = if axes == 1 {
                vec![1, shape.dims[1], 1]
            } else {
                vec![1, shape.dims[1], 1, 1]
            };
            let out = shaped(node, &dims, 0)?;
            return self.push(node, Kernel::Mean { shape: planes, axis: 2 }, &[value], out);
        }
        let window = node.window_over(axes, None)?;
        let ConvWindow {
            kernel,
            stride,
            dilation,
            pads,
        } = window;
        if dilation != [1, 1] {
            return Err(node.refuse("dilated pooling is not supported", USE_SUPPORTED));
        }
        if (0..4).any(|side| pads[side] >= kernel[side % 2]) {
            return Err(node.refuse("its padding is not smaller than its window", EXPORT_AGAIN));
        }
        let input = ImageShape {
            height,
            width,
            channels: 1,
        };
        let out = window_out(&label(node), &window, input)?;
        let pool = Pool {
            input,
            out,
            kernel,
            stride,
            pad: [pads[0], pads[1]],
        };
        let dims = if axes == 1 {
            vec![1, shape.dims[1], out[1]]
        } else {
            vec![1, shape.dims[1], out[0], out[1]]
        };
        let result = shaped(node, &dims, 0)?;
        let kernel = if node.proto.op_type() == "MaxPool" {
            Kernel::MaxPool(pool)
        } else {
            Kernel::AveragePool {
                pool,
                counts_padding: node.int("count_include_pad", 0) != 0,
            }
        };
        self.push(node, kernel, &[value], result)
    }

    pub fn recurrent(&mut self, node: &Node<'g, '_>) -> Result<(), LoadError> {
        let value = self.value(node, 0)?;
        let shape = self.shape(value);
        let cell = usual_cell(node)?;
        let backward: &[bool] = match node.attribute("direction").map_or(&b"forward"[..], |a| a.s()) {
            b"forward" => &[false],
            b"reverse" => &[true],
            b"bidirectional" => &[false, true],
            _ => return Err(node.refuse("its direction is unknown", EXPORT_AGAIN)),
        };
        let (&[steps, 1, features], 1) = (shape.dims(), shape.batch) else {
            return Err(node.refuse("its input must be steps, samples and features", EXPORT_AGAIN));
        };
        let (input, state) = (node.require(1)?, node.require(2)?);
        let count = backward.len();
        let (&[directions, rows, width], state_dims) = (&input.dims()?[..], state.dims()?) else {
            return Err(node.refuse("its weights must have three dimensions", EXPORT_AGAIN));
        };
        let units = rows / cell.gates();
        let fits = units > 0 && rows == units * cell.gates() && directions == count && width == features;
        if !fits || state_dims != [count, rows, units] || node.int("hidden_size", units as i64) != units as i64 {
            return Err(node.refuse("its weights do not fit its input or each other", EXPORT_AGAIN));
        }
        let bias = match node.input(3) {
            Some(_) => node.require(3)?.floats()?,
            None => vec![0.0; count * 2 * rows],
        };
        if bias.len() != count * 2 * rows {
            return Err(node.refuse("its bias does not fit its weights", EXPORT_AGAIN));
        }
        let layer = label(node);
        within_bounds(&layer, &[steps + 1, rows + 2 * units])?;
        let (input, state) = (self.panels(node, input, features)?, self.panels(node, state, units)?);
        let padded = rows.next_multiple_of(crate::kernels::PANEL);
        let directions = input
            .into_iter()
            .zip(state)
            .zip(bias.chunks_exact(2 * rows))
            .zip(backward);
        let directions = directions
            .map(|(((input_weight, state_weight), bias), &backward)| {
                let (input, state) = bias.split_at(rows);
                let pad = |values: &[f32]| {
                    let mut values = values.to_vec();
                    values.resize(padded, 0.0);
                    values
                };
                Direction {
                    input_weight,
                    input_bias: pad(input),
                    state_weight,
                    state_bias: pad(state),
                    backward,
                }
            })
            .collect();
        let is_used = |place: usize| {
            let name = node.proto.output.get(place).filter(|name| !name.is_empty());
            name.is_some_and(|name| self.uses.contains_key(name.as_str()))
        };
        let sequence = match [is_used(0), is_used(1), is_used(2)] {
            [true, false, false] => true,
            [false, true, false] => false,
            _ => {
                let problem = "only all states or the last ones, and no cell states, can be read";
                return Err(node.refuse(problem, USE_SUPPORTED));
            }
        };
        let out = if sequence {
            shaped(node, &[steps, count, 1, units], 2)?
        } else {
            shaped(node, &[count, 1, units], 1)?
        };
        let out = self.new_value(node, out)?;
        self.name(node, usize::from(!sequence), out);
        let recurrent = Recurrent {
            cell,
            units,
            steps,
            features,
            directions,
            sequence,
        };
        self.graph.operations.push(Operation {
            kernel: Kernel::Recurrent(Box::new(recurrent)),
            sources: vec![value],
            out,
            staged: Staged::default(),
            integer: None,
        });
        Ok(())
    }

    /// The matrices `[rows, depth]` of each direction.
    fn panels(&self, node: &Node<'g, '_>, weights: Constant<'g>, depth: usize) -> Result<Vec<FloatPanels>, LoadError> {
        let dims = weights.dims()?;
        let shape = MatrixShape {
            columns: dims[1],
            runs: 1,
            run_len: depth,
        };
        let size = dims[1] * depth;
        let single = |values: &[f32]| FloatPanels::pack(self.set, shape, |c, _, d| values[c * depth + d]);
        let half = |values: &[f16]| FloatPanels::pack_half(self.set, shape, |c, _, d| values[c * depth + d]);
        match weights.numbers()? {
            Numbers::Single(values) => Ok(values.chunks_exact(size).map(single).collect()),
            Numbers::Half(values) => Ok(values.chunks_exact(size).map(half).collect()),
            _ => Err(node.refuse("its weights must be floats", USE_SUPPORTED)),
        }
    }
}

/// The cell of a node, whose settings must be those of networks in use.
fn usual_cell(node: &Node<'_, '_>) -> Result<Cell, LoadError> {
    let cell = match node.proto.op_type() {
        "RNN" => Cell::Rnn,
        "GRU" => Cell::Gru,
        _ => Cell::Lstm,
    };
    let set = |name: &str| {
        node.attribute(name)
            .is_some_and(|a| a.f() != 0.0 || !a.strings.is_empty())
    };
    let differs = (cell == Cell::Gru && node.int("linear_before_reset", 0) != 1)
        || node.int("layout", 0) != 0
        || node.int("input_forget", 0) != 0
        || set("activations")
        || set("clip");
    if differs || (4..8).any(|place| node.input(place).is_some()) {
        return Err(node.refuse(
            "only the usual cell that begins with zeros and reads all steps is supported",
            USE_SUPPORTED,
        ));
    }
    Ok(cell)
}

/// The node as the packing of chains knows layers; its kind is not looked at.
fn label(node: &Node<'_, '_>) -> Layer {
    Layer {
        name: node.name().to_owned(),
        operator: node.proto.op_type().to_owned(),
        kind: Kind::Flatten,
    }
}
