//! Networks with random weights, as ONNX, for the tests of this room.

use half::f16;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::onnx::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};

/// A layer of a test network.
#[derive(Clone, Copy, PartialEq)]
pub enum Layer {
    /// A 3x3 convolution with the same padding, then ReLU.
    Conv(usize),
    BatchNorm,
    MaxPool,
    Flatten,
    /// A dense layer, then ReLU.
    Hidden(usize),
    Output(usize),
}

/// How the weights are stored.
#[derive(Clone, Copy, PartialEq)]
pub enum Form {
    Single,
    Half,
    Int8,
    /// As `Int8`, with each ReLU written out.
    Int8WithRelu,
}

pub const MLP: &[Layer] = &[Layer::Hidden(256), Layer::Hidden(128), Layer::Output(10)];
pub const CNN: &[Layer] = &[
    Layer::Conv(16),
    Layer::MaxPool,
    Layer::Conv(32),
    Layer::MaxPool,
    Layer::Flatten,
    Layer::Hidden(64),
    Layer::Output(10),
];

/// Scale and zero point of an activation.
pub const INPUT_GRID: (f32, u8) = (0.011, 93);
pub const HIDDEN_GRID: (f32, u8) = (0.0173, 0);
pub const OUTPUT_GRID: (f32, u8) = (0.031, 120);
/// The grid after a ReLU that is written out; its zero point is not 0.
pub const RELU_GRID: (f32, u8) = (0.0173, 11);

/// Writes networks.
pub struct Writer {
    rng: ChaCha8Rng,
    form: Form,
    graph: GraphProto,
    current: String,
    count: usize,
}

/// The file of a network with random weights.
pub fn network(input: &[usize], layers: &[Layer], form: Form) -> ModelProto {
    let mut writer = Writer::new(input, form);
    let mut shape = input.to_vec();
    if writer.quantizes() {
        writer.quantize(INPUT_GRID);
    }
    for layer in layers {
        writer.layer(&mut shape, *layer);
    }
    writer.graph.output = vec![ValueInfoProto::batch_of("logits", &shape)];
    if let Some(node) = writer.graph.node.last_mut() {
        node.output = vec!["logits".to_owned()];
    }
    ModelProto::new(writer.graph)
}

/// Samples between -1 and 2.
pub fn samples(len: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(99);
    (0..len).map(|_| rng.random_range(-1.0..2.0)).collect()
}

impl Writer {
    fn new(input: &[usize], form: Form) -> Self {
        let graph = GraphProto {
            name: Some("test".to_owned()),
            input: vec![ValueInfoProto::batch_of("input", input)],
            ..GraphProto::default()
        };
        Self {
            rng: ChaCha8Rng::seed_from_u64(7),
            form,
            graph,
            current: "input".to_owned(),
            count: 0,
        }
    }

    fn quantizes(&self) -> bool {
        matches!(self.form, Form::Int8 | Form::Int8WithRelu)
    }

    fn layer(&mut self, shape: &mut Vec<usize>, layer: Layer) {
        match layer {
            Layer::Conv(filters) => {
                let weights = self.weights(&[filters, shape[0], 3, 3]);
                let node = NodeProto::new("Conv", "", &[], &[])
                    .with(AttributeProto::ints("kernel_shape", &[3, 3]))
                    .with(AttributeProto::ints("pads", &[1, 1, 1, 1]));
                self.product(node, &weights, true);
                shape[0] = filters;
            }
            Layer::Hidden(units) | Layer::Output(units) => {
                let weights = self.weights(&[units, shape.iter().product()]);
                let node = NodeProto::new("Gemm", "", &[], &[]).with(AttributeProto::int("transB", 1));
                self.product(node, &weights, matches!(layer, Layer::Hidden(_)));
                *shape = vec![units];
            }
            Layer::MaxPool => {
                let node = NodeProto::new("MaxPool", "", &[], &[])
                    .with(AttributeProto::ints("kernel_shape", &[2, 2]))
                    .with(AttributeProto::ints("strides", &[2, 2]));
                self.keep(node);
                (shape[1], shape[2]) = (shape[1] / 2, shape[2] / 2);
            }
            Layer::Flatten => {
                self.keep(NodeProto::new("Flatten", "", &[], &[]));
                *shape = vec![shape.iter().product()];
            }
            Layer::BatchNorm => {
                let channels = shape[0];
                let vectors: Vec<String> = ["gamma", "beta", "mean", "variance"]
                    .map(|name| {
                        let values: Vec<f32> = (0..channels).map(|_| self.rng.random_range(0.5..1.5)).collect();
                        self.constant(|unique| TensorProto::from_f32(&format!("{name}_{unique}"), &[channels], &values))
                    })
                    .to_vec();
                self.append(NodeProto::new("BatchNormalization", "", &[], &[]), &vectors);
            }
        }
    }

    /// Names of the weights and the bias, made real by nodes where the form needs it.
    fn weights(&mut self, dims: &[usize]) -> [String; 2] {
        let (outputs, inner) = (dims[0], dims[1..].iter().product::<usize>());
        let deviation = (3.0 / inner as f32).sqrt();
        if self.quantizes() {
            let scales: Vec<f32> = (0..outputs)
                .map(|_| deviation * self.rng.random_range(0.5..1.0) / 127.0)
                .collect();
            let values: Vec<i8> = (0..outputs * inner)
                .map(|_| self.rng.random_range(-127..=127))
                .collect();
            let bias: Vec<i32> = (0..outputs).map(|_| self.rng.random_range(-900..=900)).collect();
            let input_scale = self.last_scale();
            let bias_scales: Vec<f32> = scales.iter().map(|scale| scale * input_scale).collect();
            let weights = self.dequantized(
                |name| TensorProto::from_i8(name, dims, &values),
                |name| TensorProto::from_i8(name, &[outputs], &vec![0; outputs]),
                &scales,
            );
            let bias = self.dequantized(
                |name| TensorProto::from_i32(name, &[outputs], &bias),
                |name| TensorProto::from_i32(name, &[outputs], &vec![0; outputs]),
                &bias_scales,
            );
            return [weights, bias];
        }
        let mut draw =
            |len: usize| -> Vec<f32> { (0..len).map(|_| self.rng.random_range(-deviation..deviation)).collect() };
        let (values, bias) = (draw(outputs * inner), draw(outputs));
        let bias = self.constant(|unique| TensorProto::from_f32(&format!("bias_{unique}"), &[outputs], &bias));
        let weights = if self.form == Form::Half {
            let values: Vec<f16> = values.iter().map(|&value| f16::from_f32(value)).collect();
            let stored = self.constant(|unique| TensorProto::from_f16(&format!("weights_{unique}"), dims, &values));
            let wide = format!("{stored}_wide");
            let cast = NodeProto::new("Cast", &wide, &[&stored], &[&wide]).with(AttributeProto::int("to", 1));
            self.graph.node.push(cast);
            wide
        } else {
            self.constant(|unique| TensorProto::from_f32(&format!("weights_{unique}"), dims, &values))
        };
        [weights, bias]
    }

    /// The scale of the grid that the current value was quantized with.
    fn last_scale(&self) -> f32 {
        let node = self
            .graph
            .node
            .iter()
            .rfind(|node| node.op_type() == "QuantizeLinear")
            .unwrap();
        let tensor = self
            .graph
            .initializer
            .iter()
            .find(|tensor| tensor.name() == node.input[1])
            .unwrap();
        f32::from_le_bytes(tensor.raw_data().try_into().unwrap())
    }

    fn product(&mut self, node: NodeProto, weights: &[String; 2], relu: bool) {
        self.append(node, weights);
        if relu && self.form != Form::Int8 {
            self.append(NodeProto::new("Relu", "", &[], &[]), &[]);
        }
        if self.quantizes() {
            self.quantize(match (relu, self.form) {
                (false, _) => OUTPUT_GRID,
                (true, Form::Int8WithRelu) => RELU_GRID,
                _ => HIDDEN_GRID,
            });
        }
    }

    /// A node that keeps its input's grid.
    fn keep(&mut self, node: NodeProto) {
        self.append(node, &[]);
        if self.quantizes() {
            let grid = self
                .graph
                .node
                .iter()
                .rfind(|node| node.op_type() == "QuantizeLinear")
                .unwrap();
            let parameters = grid.input[1..].to_vec();
            self.append(NodeProto::new("QuantizeLinear", "", &[], &[]), &parameters);
            self.append(NodeProto::new("DequantizeLinear", "", &[], &[]), &parameters);
        }
    }

    fn quantize(&mut self, (scale, zero_point): (f32, u8)) {
        let scale = self.constant(|unique| TensorProto::from_f32(&format!("scale_{unique}"), &[], &[scale]));
        let zero = self.constant(|unique| TensorProto::from_u8(&format!("zero_{unique}"), &[], &[zero_point]));
        let parameters = [scale, zero];
        self.append(NodeProto::new("QuantizeLinear", "", &[], &[]), &parameters);
        self.append(NodeProto::new("DequantizeLinear", "", &[], &[]), &parameters);
    }

    fn dequantized(
        &mut self,
        values: impl Fn(&str) -> TensorProto,
        zeros: impl Fn(&str) -> TensorProto,
        scales: &[f32],
    ) -> String {
        let stored = self.constant(|unique| values(&format!("stored_{unique}")));
        let scales =
            self.constant(|unique| TensorProto::from_f32(&format!("scales_{unique}"), &[scales.len()], scales));
        // ONNX Runtime needs them written out in its exact mode (`session.x64quantprecision`).
        let zeros = self.constant(|unique| zeros(&format!("zeros_{unique}")));
        let real = format!("{stored}_real");
        let node = NodeProto::new("DequantizeLinear", &real, &[&stored, &scales, &zeros], &[&real]);
        self.graph.node.push(node.with(AttributeProto::int("axis", 0)));
        real
    }

    fn constant(&mut self, tensor: impl FnOnce(usize) -> TensorProto) -> String {
        self.count += 1;
        let tensor = tensor(self.count);
        let name = tensor.name().to_owned();
        self.graph.initializer.push(tensor);
        name
    }

    /// Appends a node that reads the current value and some constants.
    fn append(&mut self, mut node: NodeProto, constants: &[String]) {
        self.count += 1;
        let name = format!("{}_{}", node.op_type(), self.count);
        node.input = std::iter::once(self.current.clone())
            .chain(constants.iter().cloned())
            .collect();
        node.name = Some(name.clone());
        node.output = vec![name.clone()];
        self.current = name;
        self.graph.node.push(node);
    }
}
