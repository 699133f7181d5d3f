//! Reads the operators with weights, and the pools: products, normalisations, recurrent layers.

use half::f16;

use super::follow::{Allowed, Fused};
use super::{Known, NodeOf, Operation, Reader, Value, shaped};
use crate::kernels::{FloatPanels, ImageShape, MatrixShape, Pool};
use crate::runtime::LoadError;
use crate::runtime::constants::{Constant, Numbers};
use crate::runtime::kernel::Kernel;
use crate::runtime::layers::Staged;
use crate::runtime::node::{EXPORT_AGAIN, Node, USE_SUPPORTED};
use crate::runtime::products::{ConvWindow, Packed, Product, Weights, within_bounds};
use crate::runtime::recurrent::{Cell, Direction, Recurrent};
use crate::runtime::shape::Shape;

impl<'g> Reader<'g> {
    /// A dense layer, convolution or product of two values.
    pub(super) fn product(&mut self, node: &NodeOf<'g>) -> Result<(), LoadError> {
        let is_constant = |place| node.input(place).is_some_and(|name| node.constants.get(name).is_some());
        match node.proto.op_type() {
            "MatMul" if !is_constant(1) => self.matmul(node),
            "MatMul" => {
                let weights = node.require(1)?;
                let &[inputs, outputs] = &weights.dims()?[..] else {
                    return Err(node.refuse("its weights must have two dimensions", EXPORT_AGAIN));
                };
                let mut product = node.product(weights, outputs, inputs, None)?;
                let values = weights.floats()?;
                let transposed = (0..outputs).flat_map(|o| (0..inputs).map(move |i| (i, o)));
                product.weights = Weights::Single(transposed.map(|(i, o)| values[i * outputs + o]).collect());
                self.dense(node, product)
            }
            "Gemm" => {
                let product = node.dense()?;
                if self.shape(self.value(node, 0)?).rank != 2 {
                    return Err(node.refuse(
                        "its input is an image or of steps",
                        "put a Flatten or Reshape before it",
                    ));
                }
                self.dense(node, product)
            }
            _ => self.convolution(node),
        }
    }

    /// The value in the form in which the product reads it: bytes where its weights are on the grid that fits, else floats.
    fn source(&mut self, product: &mut Product, value: usize) -> usize {
        match self.graph.values[value].grid {
            Some(grid) if product.fits(grid) => {
                product.input_grid = Some(grid);
                value
            }
            _ => {
                product.leave_integers();
                self.floats(value)
            }
        }
    }

    /// Over the last axis, as rows.
    pub(super) fn dense(&mut self, node: &NodeOf<'g>, mut product: Product) -> Result<(), LoadError> {
        let value = self.value(node, 0)?;
        let shape = self.over_last_axis(node, value, -1)?;
        let inputs = shape.dims[shape.rank - 1];
        if inputs != product.inputs {
            let problem = format!("its weights are for {} inputs, it has {inputs}", product.inputs);
            return Err(node.refuse(problem, EXPORT_AGAIN));
        }
        let mut source = self.source(&mut product, value);
        let mut image = ImageShape {
            height: 1,
            width: 1,
            channels: inputs,
        };
        match self.graph.values[source].channels {
            // A flattened image whose channels lie last.
            Some(channels) if shape.rank == 2 && inputs.is_multiple_of(channels) => {
                image = ImageShape {
                    height: 1,
                    width: inputs / channels,
                    channels,
                };
            }
            _ => source = self.in_file_order(source),
        }
        let mut dims = shape.dims().to_vec();
        dims[shape.rank - 1] = product.outputs;
        let out = shaped(node, &dims, shape.batch)?;
        self.pack(node, product, image, source, out, None)
    }

    fn convolution(&mut self, node: &NodeOf<'g>) -> Result<(), LoadError> {
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
        let groups = node.int("group", 1);
        if groups != 1 && (groups != channels as i64 || dims[0] != channels || dims[1] != 1) {
            return Err(node.refuse(
                "grouped convolutions are supported with one group for each channel only",
                USE_SUPPORTED,
            ));
        }
        let mut product = node.product(weights, dims[0], dims[1], Some(window))?;
        if groups == 1 && dims[1] != channels {
            let problem = format!("its weights are for {} channels, it has {channels}", dims[1]);
            return Err(node.refuse(problem, EXPORT_AGAIN));
        }
        let out = window.out(node, [height, width])?;
        let dims_out = [vec![1, dims[0]], out[2 - axes..].to_vec()].concat();
        within_bounds(node, &dims_out)?;
        let source = self.source(&mut product, value);
        let source = self.channels_last(source);
        let result = shaped(node, &dims_out, 0)?;
        self.pack(node, product, image, source, result, Some(()))
    }

    /// Packs the weights of a product, adds it, and lets it do what follows.
    fn pack(
        &mut self,
        node: &NodeOf<'g>,
        mut product: Product,
        image: ImageShape,
        source: usize,
        out: Shape,
        is_image: Option<()>,
    ) -> Result<(), LoadError> {
        let name = self.fold_norms(&mut product, node.output()?)?;
        let allowed = Allowed {
            add: true,
            grid: product.input_grid.is_some(),
        };
        let Fused { name, add, relu, grid } = self.follow(name, out, allowed)?;
        product.relu = relu;
        product.output_grid = grid;
        let kernel = match product.pack(node, image, self.set)? {
            Packed::Float(layer) => Kernel::Float(Box::new(layer)),
            Packed::Integer(layer) => Kernel::Integer(Box::new(layer)),
        };
        let value = if is_image.is_some() {
            self.new_image(node, out)?
        } else {
            self.new_value(node, out)?
        };
        let mut sources = vec![source];
        if let Some(add) = add {
            let add = self.floats(add);
            sources.push(if is_image.is_some() {
                self.channels_last(add)
            } else {
                self.in_file_order(add)
            });
        }
        self.graph.values[value].grid = grid;
        let known = if grid.is_some() {
            Known::Quantized(value)
        } else {
            Known::Value(value)
        };
        self.names.insert(name, known);
        let is_integer = matches!(kernel, Kernel::Integer(_));
        self.operation(kernel, &sources, value);
        if let (true, Some(operation)) = (is_integer, self.graph.operations.last_mut()) {
            operation.integer = Some(node.name().to_owned());
        }
        Ok(())
    }

    pub(super) fn batch_norm(&mut self, node: &NodeOf<'g>) -> Result<(), LoadError> {
        let value = self.value(node, 0)?;
        let value = self.floats(value);
        let Value { shape, channels, .. } = self.graph.values[value];
        let (scale, shift) = node.scale_and_shift()?;
        if shape.rank < 2 || shape.batch != 0 || shape.dims[1] != scale.len() {
            let problem = format!("it has {} channels, its input {:?}", scale.len(), shape.dims());
            return Err(node.refuse(problem, EXPORT_AGAIN));
        }
        if channels == Some(scale.len()) {
            node.output()?;
            let out = self.new_image(node, shape)?;
            self.name(node, 0, out);
            let inner = 1;
            self.operation(Kernel::ScaleShift { scale, shift, inner }, &[value], out);
            return Ok(());
        }
        let value = self.in_file_order(value);
        let inner = shape.dims()[2..].iter().product();
        self.push(node, Kernel::ScaleShift { scale, shift, inner }, &[value], shape)
    }

    pub(super) fn layer_norm(&mut self, node: &NodeOf<'g>) -> Result<(), LoadError> {
        let value = self.plain(node, 0)?;
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

    pub(super) fn pool(&mut self, node: &NodeOf<'g>) -> Result<(), LoadError> {
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
        let is_max = node.proto.op_type() == "MaxPool";
        // The largest of values on a grid is on it too.
        let value = if is_max { value } else { self.floats(value) };
        let value = self.channels_last(value);
        let channels = shape.dims[1];
        if node.proto.op_type() == "GlobalAveragePool" {
            let pixels = shaped(node, &[1, height * width, channels], 0)?;
            let dims = [vec![1, channels], vec![1; axes]].concat();
            let out = shaped(node, &dims, 0)?;
            return self.push(node, Kernel::Mean { shape: pixels, axis: 1 }, &[value], out);
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
        let out = window.out(node, [height, width])?;
        let pool = Pool {
            input: ImageShape {
                height,
                width,
                channels,
            },
            out,
            kernel,
            stride,
            pad: [pads[0], pads[1]],
        };
        let dims = [vec![1, channels], out[2 - axes..].to_vec()].concat();
        let result = shaped(node, &dims, 0)?;
        let kernel = if is_max {
            Kernel::MaxPool(pool)
        } else {
            Kernel::AveragePool {
                pool,
                counts_padding: node.int("count_include_pad", 0) != 0,
            }
        };
        node.output()?;
        let result = self.new_image(node, result)?;
        self.graph.values[result].grid = self.graph.values[value].grid;
        self.name(node, 0, result);
        self.operation(kernel, &[value], result);
        Ok(())
    }

    pub(super) fn recurrent(&mut self, node: &NodeOf<'g>) -> Result<(), LoadError> {
        let value = self.plain(node, 0)?;
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
        within_bounds(node, &[steps + 1, rows + 2 * units])?;
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
            name.is_some_and(|name| self.readers.contains_key(name.as_str()))
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
    fn panels(&self, node: &NodeOf<'g>, weights: Constant<'g>, depth: usize) -> Result<Vec<FloatPanels>, LoadError> {
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
            // Stored in 8 bits, and widened here.
            numbers @ Numbers::Integer { .. } => Ok(numbers.into_floats().chunks_exact(size).map(single).collect()),
            Numbers::WideInteger { .. } => Err(node.refuse("its weights must be floats or int8", USE_SUPPORTED)),
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
