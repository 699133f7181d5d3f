//! The layers of sequences in floating point: how steps are made, told apart, read in order, and attended to.

use crate::deploy::DeployError;
use crate::runtime::onnx::{AttributeProto, TensorProto, data_type};
use crate::spec::{CellKind, LayerSpec, MASKED_SCORE, NamedTensor, Placed, PositionKind, Shape, sinusoidal};

use super::INPUT_NAME;
use super::graph::{Layout, Writer};
use super::int8::Projections;

impl Writer<'_> {
    /// Begins a layer; what the layer before left to be added is added first, unless the new one adds too.
    pub(super) fn start(&mut self, placed: &Placed) -> Result<(), DeployError> {
        if !matches!(placed.layer, LayerSpec::Positions { .. }) {
            self.add_pending()?;
        }
        self.begin(placed);
        Ok(())
    }

    /// Adds what is still to be added to each step.
    pub(super) fn add_pending(&mut self) -> Result<(), DeployError> {
        let Some((placed, table)) = self.pending.take() else {
            return Ok(());
        };
        let table = self.floats("p", &placed, &placed.output.dimensions(), &table)?;
        self.make_natural(placed.output);
        self.apply("Add", &[&table], Vec::new());
        Ok(())
    }

    /// A layer that makes steps or works on them.
    pub(super) fn step_layer(&mut self, placed: &Placed) -> Result<(), DeployError> {
        match placed.layer {
            LayerSpec::Rows | LayerSpec::Patches { .. } => self.image_to_steps(placed),
            LayerSpec::Embedding { dimensions } => {
                let [weight] = self.tensors(placed)?[..] else {
                    return Ok(());
                };
                let mut table = weight.data.clone();
                // Padding is the zero vector, whatever training has left there.
                table.iter_mut().take(dimensions).for_each(|value| *value = 0.0);
                let table = self.floats("w", placed, &weight.shape, &table)?;
                let tokens = self.value.name.clone();
                self.value.name = self.push("Gather", &[&table, &tokens], Vec::new());
            }
            LayerSpec::ClassToken => {
                self.make_natural(placed.input);
                let in_front = self.whole_numbers(&[0, 1, 0, 0, 0, 0]);
                self.apply("Pad", &[&in_front], Vec::new());
                self.class_tokens += 1;
                let mut table = vec![0.0; placed.output.len()];
                if let [token] = self.tensors(placed)?[..] {
                    table[..token.data.len()].copy_from_slice(&token.data);
                }
                self.pending = Some((*placed, table));
            }
            LayerSpec::Positions { encoding } => {
                let mut table = match (encoding, &self.tensors(placed)?[..]) {
                    (PositionKind::Learned, [weight]) => weight.data.clone(),
                    _ => sinusoidal(placed.input.positions(), placed.input.channels()),
                };
                if let Some((_, other)) = self.pending.take() {
                    table.iter_mut().zip(other).for_each(|(value, other)| *value += other);
                }
                self.pending = Some((*placed, table));
                self.add_pending()?;
            }
            LayerSpec::FirstStep => {
                self.make_natural(placed.input);
                let first = "first";
                if !self.has(first) {
                    self.add_constant(TensorProto::from_i64(first, &[], &[0]));
                }
                self.apply("Gather", &[first], vec![AttributeProto::int("axis", 1)]);
            }
            LayerSpec::Recurrent {
                cell,
                units,
                bidirectional,
                sequence,
            } => self.recurrent(placed, cell, [units, 1 + usize::from(bidirectional)], sequence)?,
            LayerSpec::SelfAttention { .. } => self.attention(placed, Projections::Floats)?,
            // Folding has removed dropout; the others are written elsewhere.
            _ => {}
        }
        Ok(())
    }

    fn image_to_steps(&mut self, placed: &Placed) {
        let (
            Shape::Image {
                channels,
                height,
                width,
            },
            Shape::Sequence { steps, features },
        ) = (placed.input, placed.output)
        else {
            return;
        };
        let [c, h, w] = [channels, height, width].map(|size| size as i64);
        if let LayerSpec::Patches { size } = placed.layer {
            let size = size as i64;
            self.reshape(&[-1, c, h / size, size, w / size, size]);
            self.transpose(&[0, 2, 4, 1, 3, 5]);
        } else if channels != 1 {
            self.transpose(&[0, 2, 1, 3]);
        }
        self.reshape(&[-1, steps as i64, features as i64]);
    }

    /// `[N, steps]`, written once: 1 for text and class tokens, 0 for padding.
    pub(super) fn text(&mut self) -> String {
        const TEXT: &str = "text";
        let one = self.scalar("one", 1.0);
        if !self.has(TEXT) {
            let to = AttributeProto::int("to", i64::from(data_type::FLOAT));
            self.push_named("Cast", "ids", &[INPUT_NAME], &["ids"], vec![to]);
            self.push_named("Min", TEXT, &["ids", one], &[TEXT], Vec::new());
        }
        if self.class_tokens == 0 {
            return TEXT.to_owned();
        }
        let with_class = format!("{TEXT}{}", self.class_tokens);
        if !self.has(&with_class) {
            let in_front = self.whole_numbers(&[0, self.class_tokens as i64, 0, 0]);
            self.push_named("Pad", &with_class, &[TEXT, &in_front, one], &[&with_class], Vec::new());
        }
        with_class
    }

    /// `[N, 1, 1, steps]`, written once: the largest score that each key may have.
    fn score_limit(&mut self, steps: i64) -> String {
        let text = self.text();
        let limit = format!("limit{}", self.class_tokens);
        if !self.has(&limit) {
            let as_keys = self.whole_numbers(&[-1, 1, 1, steps]);
            let [huge, masked] = [self.scalar("huge", 1e30), self.scalar("masked", -MASKED_SCORE as f32)];
            let keys = self.push("Reshape", &[&text, &as_keys], Vec::new());
            let keys = self.push("Mul", &[&keys, huge], Vec::new());
            self.push_named("Sub", &limit, &[&keys, masked], &[&limit], Vec::new());
        }
        limit
    }

    fn recurrent(
        &mut self,
        placed: &Placed,
        cell: CellKind,
        [units, directions]: [usize; 2],
        sequence: bool,
    ) -> Result<(), DeployError> {
        let steps = placed.input.positions() as i64;
        // Weights of the input, weights of the state, and the biases of both side by side.
        let mut stacked = [const { Vec::new() }; 3];
        for tensors in self.tensors(placed)?.chunks_exact(4) {
            for (tensor, into) in tensors.iter().zip([0, 1, 2, 2]) {
                stacked[into].extend(gates_in_order(tensor, cell));
            }
        }
        let rows = cell.gates() * units;
        let shapes = [
            vec![directions, rows, placed.input.channels()],
            vec![directions, rows, units],
            vec![directions, 2 * rows],
        ];
        let mut names = [const { String::new() }; 3];
        for (index, name) in names.iter_mut().enumerate() {
            let in_bytes = index < 2
                && self
                    .in_bytes_but
                    .as_ref()
                    .is_some_and(|but| !but.contains(&placed.index));
            *name = if in_bytes {
                self.stored_in_bytes(["w", "r"][index], placed, &shapes[index], &stacked[index])
            } else {
                self.floats(["w", "r", "b"][index], placed, &shapes[index], &stacked[index])?
            };
        }
        self.arrange(Layout::Time, placed.input);
        let mut attributes = vec![AttributeProto::int("hidden_size", units as i64)];
        if directions == 2 {
            attributes.push(AttributeProto::string("direction", "bidirectional"));
        }
        let operator = match cell {
            CellKind::Rnn => "RNN",
            CellKind::Gru => {
                attributes.push(AttributeProto::int("linear_before_reset", 1));
                "GRU"
            }
            CellKind::Lstm => "LSTM",
        };
        let label = self.label();
        let states = format!("y{label}");
        let x = self.value.name.clone();
        let [w, r, b] = names.each_ref().map(String::as_str);
        let outputs: &[&str] = if sequence { &[&states] } else { &["", &states] };
        self.push_named(
            operator,
            &format!("{operator}{label}"),
            &[&x, w, r, b],
            outputs,
            attributes,
        );
        self.value.name = states;
        let features = (directions * units) as i64;
        if sequence {
            // `[steps, directions, N, units]`
            if directions == 2 {
                self.transpose(&[0, 2, 1, 3]);
            }
            self.reshape(&[steps, -1, features]);
            self.value.layout = Layout::Time;
        } else {
            // `[directions, N, units]`
            if directions == 2 {
                self.transpose(&[1, 0, 2]);
            }
            self.reshape(&[-1, features]);
            self.value.layout = Layout::Natural;
        }
        Ok(())
    }

    /// Attention whose projections read what they do as `projections` says.
    pub(super) fn attention(&mut self, placed: &Placed, projections: Projections) -> Result<(), DeployError> {
        let (steps, features) = (placed.input.positions(), placed.input.channels());
        let Some([heads, width]) = placed.heads() else {
            return Ok(());
        };
        let attended = heads * width;
        let [steps_, heads_, width_] = [steps, heads, width].map(|size| size as i64);
        let &[weight, bias, out_weight, out_bias] = &self.tensors(placed)?[..] else {
            return Ok(());
        };
        self.arrange(Layout::Rows, placed.input);
        let entry = self.enter(placed, projections, false);
        let apart = self.whole_numbers(&[-1, steps_, heads_, width_]);
        let mut parts = [const { String::new() }; 3];
        let pieces = weight
            .data
            .chunks_exact(attended * features)
            .zip(bias.data.chunks_exact(attended));
        for (index, (weight, bias)) in pieces.enumerate() {
            // The scale of the scores is part of the query's projection.
            let scale = if index == 0 { 1.0 / (width as f32).sqrt() } else { 1.0 };
            let scaled = |values: &[f32]| -> Vec<f32> { values.iter().map(|value| value * scale).collect() };
            let letter = ["q", "k", "v"][index];
            let parameters = [&scaled(weight)[..], &scaled(bias)];
            let projected = self.project(letter, placed, [attended, features], parameters, &entry)?;
            let projected = self.push("Reshape", &[&projected, &apart], Vec::new());
            // The keys are transposed for the product.
            let order = if index == 1 { [0, 2, 3, 1] } else { [0, 2, 1, 3] };
            parts[index] = self.push("Transpose", &[&projected], vec![AttributeProto::ints("perm", &order)]);
        }
        let [query, key, value] = parts;
        let mut scores = self.push("MatMul", &[&query, &key], Vec::new());
        if placed.padded {
            let limit = self.score_limit(steps_);
            scores = self.push("Min", &[&scores, &limit], Vec::new());
        }
        let shares = self.push("Softmax", &[&scores], Vec::new());
        self.value.name = self.push("MatMul", &[&shares, &value], Vec::new());
        self.transpose(&[0, 2, 1, 3]);
        self.reshape(&[-1, attended as i64]);
        let entry = self.enter(placed, projections, true);
        let parameters = [&out_weight.data[..], &out_bias.data];
        self.value.name = self.project("o", placed, [features, attended], parameters, &entry)?;
        Ok(())
    }
}

/// The rows of a tensor with its gates in ONNX's order: PyTorch's reset, update, new are update, reset, new there, and input,
/// forget, cell, output are input, output, forget, cell.
fn gates_in_order(tensor: &NamedTensor, cell: CellKind) -> Vec<f32> {
    let order: &[usize] = match cell {
        CellKind::Rnn => &[0],
        CellKind::Gru => &[1, 0, 2],
        CellKind::Lstm => &[0, 3, 1, 2],
    };
    let size = tensor.data.len() / order.len();
    order
        .iter()
        .flat_map(|gate| &tensor.data[gate * size..][..size])
        .copied()
        .collect()
}
