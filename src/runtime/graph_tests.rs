//! Networks that branch, on grids: sums of quantized values and depth-wise convolutions against the second engine, and the same bits on
//! every instruction set.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Model;
use super::fixtures::samples;
use super::kernel::Kernel;
use super::onnx::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};
use crate::kernels::InstructionSet;

const CHANNELS: usize = 20;

/// Writes nodes that follow each other.
struct Writer {
    rng: ChaCha8Rng,
    graph: GraphProto,
    count: usize,
}

impl Writer {
    fn node(&mut self, operator: &str, inputs: &[&str], attributes: &[AttributeProto]) -> String {
        self.count += 1;
        let output = format!("v{}", self.count);
        let mut node = NodeProto::new(operator, &output, inputs, &[&output]);
        node.attribute = attributes.to_vec();
        self.graph.node.push(node);
        output
    }

    fn constant(&mut self, make: impl FnOnce(&str) -> TensorProto) -> String {
        self.count += 1;
        let name = format!("c{}", self.count);
        self.graph.initializer.push(make(&name));
        name
    }

    /// Puts a value on a grid and takes it back.
    fn on_grid(&mut self, value: &str, scale: f32, zero_point: u8) -> String {
        let scale = self.constant(|name| TensorProto::from_f32(name, &[], &[scale]));
        let zero = self.constant(|name| TensorProto::from_u8(name, &[], &[zero_point]));
        let bytes = self.node("QuantizeLinear", &[value, &scale, &zero], &[]);
        self.node("DequantizeLinear", &[&bytes, &scale, &zero], &[])
    }

    /// Weights `dims` and a bias on their grids, for an input whose steps are `input`.
    fn weights(&mut self, dims: &[usize], input: f32) -> [String; 2] {
        let (outputs, len) = (dims[0], dims.iter().product::<usize>());
        let values: Vec<i8> = (0..len).map(|_| self.rng.random_range(-127..=127)).collect();
        let biases: Vec<i32> = (0..outputs).map(|_| self.rng.random_range(-900..900)).collect();
        // The sums of more products are larger.
        let size = 0.02 / ((len / outputs) as f32).sqrt();
        let scales: Vec<f32> = (0..outputs).map(|_| size * self.rng.random_range(0.5..1.0)).collect();
        let bias_scales: Vec<f32> = scales.iter().map(|scale| scale * input).collect();
        let along = [AttributeProto::int("axis", 0)];
        let values = self.constant(|name| TensorProto::from_i8(name, dims, &values));
        let scales = self.constant(|name| TensorProto::from_f32(name, &[outputs], &scales));
        let weight = self.node("DequantizeLinear", &[&values, &scales], &along);
        let biases = self.constant(|name| TensorProto::from_i32(name, &[outputs], &biases));
        let bias_scales = self.constant(|name| TensorProto::from_f32(name, &[outputs], &bias_scales));
        [weight, self.node("DequantizeLinear", &[&biases, &bias_scales], &along)]
    }

    fn convolution(
        &mut self,
        value: &str,
        input: f32,
        [filters, channels, kernel, stride]: [usize; 4],
        groups: usize,
    ) -> String {
        let [weight, bias] = self.weights(&[filters, channels, kernel, kernel], input);
        let pad = kernel as i64 / 2;
        let attributes = [
            AttributeProto::ints("kernel_shape", &[kernel as i64; 2]),
            AttributeProto::ints("pads", &[pad; 4]),
            AttributeProto::ints("strides", &[stride as i64; 2]),
            AttributeProto::int("group", groups as i64),
        ];
        self.node("Conv", &[value, &weight, &bias], &attributes)
    }
}

/// Two ways of an image, whose sum is on a grid, a depth-wise convolution, and a dense layer.
fn branching(relu: bool) -> Vec<u8> {
    let mut writer = Writer {
        rng: ChaCha8Rng::seed_from_u64(3),
        graph: GraphProto {
            name: Some("test".to_owned()),
            input: vec![ValueInfoProto::batch_of("input", &[3, 7, 6])],
            output: vec![ValueInfoProto::batch_of("logits", &[5])],
            ..GraphProto::default()
        },
        count: 0,
    };
    let image = writer.on_grid("input", 0.012, 90);
    let first = writer.convolution(&image, 0.012, [CHANNELS, 3, 3, 1], 1);
    let first = writer.node("Relu", &[&first], &[]);
    let first = writer.on_grid(&first, 0.01, 0);
    let second = writer.convolution(&first, 0.01, [CHANNELS, CHANNELS, 3, 1], 1);
    let second = writer.on_grid(&second, 0.013, 120);
    let mut sum = writer.node("Add", &[&second, &first], &[]);
    if relu {
        sum = writer.node("Relu", &[&sum], &[]);
    }
    let sum = writer.on_grid(&sum, 0.017, if relu { 3 } else { 101 });
    let third = writer.convolution(&sum, 0.017, [CHANNELS, 1, 3, 2], CHANNELS);
    let third = writer.on_grid(&third, 0.02, 80);
    let row = writer.node("Flatten", &[&third], &[]);
    let [weight, bias] = writer.weights(&[5, CHANNELS * 4 * 3], 0.02);
    let logits = writer.node("Gemm", &[&row, &weight, &bias], &[AttributeProto::int("transB", 1)]);
    let logits = writer.on_grid(&logits, 0.02, 128);
    if let Some(last) = writer.graph.node.last_mut() {
        assert_eq!(last.output, [logits]);
        last.output = vec!["logits".to_owned()];
    }
    ModelProto::new(writer.graph).to_bytes()
}

#[test]
fn branches_on_grids_stay_bytes_and_agree_with_the_second_engine() {
    for relu in [false, true] {
        let bytes = branching(relu);
        let input = samples(40 * 126);
        let referee = rten::Model::load(bytes.clone()).unwrap();
        let value = rten::Value::from_shape(&[40, 3, 7, 6], input.clone()).unwrap();
        let output = referee.run_one(value.into(), None).unwrap();
        let (_, expected) = output.into_shape_vec::<f32, 2>().unwrap();
        let mut bits: Option<Vec<f32>> = None;
        for set in InstructionSet::ALL.into_iter().filter(|set| set.is_available()) {
            let model = Model::from_onnx_for(&bytes, set).unwrap();
            assert_eq!(model.int8_layers().len(), 4);
            let steps: Vec<&Kernel> = model
                .plan
                .parts
                .iter()
                .flat_map(|part| &part.steps)
                .map(|step| &step.kernel)
                .collect();
            assert!(steps.iter().any(|kernel| matches!(kernel, Kernel::AddBytes(_))));
            // Only the input is quantized and only the output taken back.
            let ends = steps
                .iter()
                .filter(|kernel| matches!(kernel, Kernel::Quantize(_) | Kernel::Dequantize(_)));
            assert_eq!(ends.count(), 2, "{set}");
            let found = model.session(40).unwrap().run(&input, 40).unwrap().to_vec();
            let distinct: std::collections::HashSet<u32> = found.iter().map(|value| value.to_bits()).collect();
            assert!(distinct.len() > 20, "the test network must not be saturated");
            let differences: Vec<f32> = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).collect();
            let mean = differences.iter().sum::<f32>() / differences.len() as f32;
            assert!(mean < 0.2 * 0.02, "{set}: {mean}");
            assert!(differences.iter().all(|&difference| difference < 2.5 * 0.02), "{set}");
            assert_eq!(*bits.get_or_insert_with(|| found.clone()), found, "{set}");
        }
    }
}

#[test]
fn a_batch_in_blocks_is_the_same_as_samples_one_by_one() {
    let bytes = branching(true);
    let model = Model::from_onnx(&bytes).unwrap();
    let input = samples(70 * 126);
    let all = model.session(70).unwrap().run(&input, 70).unwrap().to_vec();
    let mut single = model.session(1).unwrap();
    for (input, expected) in input.chunks(126).zip(all.chunks(5)) {
        assert_eq!(single.run(input, 1).unwrap(), expected);
    }
    assert!(model.arena_bytes(70) < 70 * model.arena_bytes(1));
}
