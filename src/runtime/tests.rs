//! Loaded networks against plain loops, against the second engine, and against damaged files.

use std::collections::HashMap;

use super::fixtures::{CNN, Form, HIDDEN_GRID, Layer, MLP, network, samples};
use super::onnx::{AttributeProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};
use super::{LoadError, Model, RunError};
use crate::kernels::InstructionSet;

fn run(model: &Model, input: &[f32], batch: usize) -> Vec<f32> {
    model.session(batch).unwrap().run(input, batch).unwrap().to_vec()
}

/// Runs a file node by node with plain loops over floats, and products of quantized values over integers.
#[expect(clippy::too_many_lines, reason = "one arm for each operator")]
fn interpret(file: &ModelProto, shape: &[usize], input: &[f32]) -> Vec<f32> {
    let graph = file.graph.as_ref().unwrap();
    let stored: HashMap<&str, &TensorProto> = graph.initializer.iter().map(|t| (t.name(), t)).collect();
    let by_output: HashMap<&str, &NodeProto> = graph.node.iter().map(|node| (node.output[0].as_str(), node)).collect();
    let floats = |name: &str| -> Vec<f32> {
        let tensor = stored[name];
        match tensor.data_type() {
            1 => tensor
                .raw_data()
                .as_chunks()
                .0
                .iter()
                .map(|&bytes| f32::from_le_bytes(bytes))
                .collect(),
            2 => tensor.raw_data().iter().map(|&byte| byte.into()).collect(),
            3 => tensor
                .raw_data()
                .iter()
                .map(|&byte| byte.cast_signed().into())
                .collect(),
            6 => tensor
                .raw_data()
                .as_chunks()
                .0
                .iter()
                .map(|&bytes| i32::from_le_bytes(bytes) as f32)
                .collect(),
            _ => tensor
                .raw_data()
                .as_chunks()
                .0
                .iter()
                .map(|&b| half::f16::from_le_bytes(b).to_f32())
                .collect(),
        }
    };
    // The values of a constant as stored, and its scales.
    let constant = |name: &str| match by_output.get(name) {
        Some(node) if node.op_type() == "DequantizeLinear" => (floats(&node.input[0]), floats(&node.input[1])),
        Some(node) => (floats(&node.input[0]), Vec::new()),
        None => (floats(name), Vec::new()),
    };
    let (mut shape, mut values) = (shape.to_vec(), input.to_vec());
    let (mut scale, mut zero) = (1.0_f32, 0.0_f32);
    for node in graph
        .node
        .iter()
        .filter(|node| !stored.contains_key(node.input[0].as_str()))
    {
        match node.op_type() {
            "QuantizeLinear" => {
                // After an integer product, `values` are 32-bit sums and `scale` is what they are multiplied with.
                (scale, zero) = (floats(&node.input[1])[0], floats(&node.input[2])[0]);
                for value in &mut values {
                    *value = ((*value / scale).round_ties_even() + zero).clamp(0.0, 255.0);
                }
            }
            "DequantizeLinear" => values.iter_mut().for_each(|value| *value = (*value - zero) * scale),
            "Relu" => values.iter_mut().for_each(|value| *value = value.max(0.0)),
            "Flatten" => shape = vec![values.len()],
            "MaxPool" => {
                let (c, h, w) = (shape[0], shape[1], shape[2]);
                let at = |i: usize, y: usize, x: usize| values[(i / (h / 2 * (w / 2)) * h + y) * w + x];
                values = (0..c * (h / 2) * (w / 2))
                    .map(|i| {
                        let (y, x) = (i / (w / 2) % (h / 2) * 2, i % (w / 2) * 2);
                        at(i, y, x)
                            .max(at(i, y, x + 1))
                            .max(at(i, y + 1, x))
                            .max(at(i, y + 1, x + 1))
                    })
                    .collect();
                shape = vec![c, h / 2, w / 2];
            }
            "BatchNormalization" => {
                let [gamma, beta, mean, variance] = [1, 2, 3, 4].map(|i| floats(&node.input[i]));
                let inner = values.len() / gamma.len();
                for (i, value) in values.iter_mut().enumerate() {
                    let c = i / inner;
                    *value = (*value - mean[c]) / (variance[c] + 1e-5).sqrt() * gamma[c] + beta[c];
                }
            }
            "Gemm" | "Conv" => {
                let ((weights, weight_scales), (bias, _)) = (constant(&node.input[1]), constant(&node.input[2]));
                let outputs = bias.len();
                let inner = weights.len() / outputs;
                // Integer products are exact in doubles: the real input is brought back to steps from the zero point.
                let is_integer = !weight_scales.is_empty();
                let steps: Vec<f64> = values
                    .iter()
                    .map(|&value| {
                        if is_integer {
                            f64::from((value / scale).round())
                        } else {
                            f64::from(value)
                        }
                    })
                    .collect();
                let next = graph.node.iter().find(|other| other.input[0] == node.output[0]);
                let mut result = Vec::new();
                let image = (node.op_type() == "Conv").then(|| (shape[1], shape[2]));
                let pixels = image.map_or(1, |(h, w)| h * w);
                for output in 0..outputs {
                    for pixel in 0..pixels {
                        let mut sum = f64::from(bias[output]);
                        for i in 0..inner {
                            let weight = f64::from(weights[output * inner + i]);
                            let Some((h, w)) = image else {
                                sum += steps[i] * weight;
                                continue;
                            };
                            let (y, x) = (pixel / w + i / 3 % 3, pixel % w + i % 3);
                            if (1..=h).contains(&y) && (1..=w).contains(&x) {
                                sum += steps[(i / 9 * h + y - 1) * w + x - 1] * weight;
                            }
                        }
                        if is_integer {
                            // The real value whose quantization is that of the scaled sum, in floats as the kernels do it.
                            let quantize = next.filter(|next| next.op_type() == "QuantizeLinear");
                            let relu = next.filter(|next| next.op_type() == "Relu");
                            let quantize = quantize.or_else(|| {
                                relu.and_then(|relu| graph.node.iter().find(|other| other.input[0] == relu.output[0]))
                            });
                            let out = floats(&quantize.unwrap().input[1])[0];
                            let multiplier = scale * weight_scales[output] / out;
                            result.push((sum as f32 * multiplier).round_ties_even() * out);
                        } else {
                            result.push(sum as f32);
                        }
                    }
                }
                values = result;
                shape = image.map_or(vec![outputs], |(h, w)| vec![outputs, h, w]);
            }
            other => panic!("{other}"),
        }
    }
    values
}

fn interpret_batch(file: &ModelProto, shape: &[usize], input: &[f32]) -> Vec<f32> {
    let len = shape.iter().product();
    input
        .chunks(len)
        .flat_map(|sample| interpret(file, shape, sample))
        .collect()
}

#[test]
fn float_networks_are_near_plain_loops() {
    let with_norm = [
        Layer::Conv(5),
        Layer::BatchNorm,
        Layer::MaxPool,
        Layer::Conv(20),
        Layer::Flatten,
        Layer::BatchNorm,
        Layer::Output(7),
    ];
    let cases: [(&[usize], &[Layer]); 5] = [
        (&[40], MLP),
        (&[1, 8, 8], CNN),
        (&[3, 9, 7], &CNN[..5]),
        (&[2, 6, 6], &with_norm),
        (&[3, 4, 4], &with_norm[..3]),
    ];
    for (shape, layers) in cases {
        for form in [Form::Single, Form::Half] {
            let file = network(shape, layers, form);
            let input = samples(3 * shape.iter().product::<usize>());
            let expected = interpret_batch(&file, shape, &input);
            for set in InstructionSet::ALL.into_iter().filter(|set| set.is_available()) {
                let model = Model::from_onnx_for(&file.to_bytes(), set).unwrap();
                let found = run(&model, &input, 3);
                assert_eq!((found.len(), model.output_len() * 3), (expected.len(), expected.len()));
                for (found, expected) in found.iter().zip(&expected) {
                    assert!(
                        (found - expected).abs() < 1e-5 * expected.abs().max(1.0),
                        "{set}: {found} {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn integer_networks_equal_plain_loops_bit_for_bit() {
    let cases: [(&[usize], &[Layer]); 4] = [
        (&[40], MLP),
        (&[1, 8, 8], CNN),
        (&[3, 9, 7], &CNN[..5]),
        (&[2, 5, 4], &[Layer::Flatten, Layer::Output(3)]),
    ];
    for (shape, layers) in cases {
        for form in [Form::Int8, Form::Int8WithRelu] {
            let file = network(shape, layers, form);
            let input = samples(30 * shape.iter().product::<usize>());
            let expected = interpret_batch(&file, shape, &input);
            let distinct: std::collections::HashSet<u32> = expected.iter().map(|value| value.to_bits()).collect();
            assert!(distinct.len() > 20, "the test network must not be saturated");
            for set in InstructionSet::ALL.into_iter().filter(|set| set.is_available()) {
                let model = Model::from_onnx_for(&file.to_bytes(), set).unwrap();
                let products = layers
                    .iter()
                    .filter(|l| matches!(l, Layer::Conv(_) | Layer::Hidden(_) | Layer::Output(_)));
                assert_eq!(model.int8_layers().len(), products.count());
                assert_eq!(run(&model, &input, 30), expected, "{set}");
            }
        }
    }
}

#[test]
fn integer_weights_whose_input_is_real_compute_in_floats() {
    let mut file = network(&[6], &[Layer::Output(4)], Form::Int8);
    let graph = file.graph.as_mut().unwrap();
    // Without the pair before and behind the product, only its weights are quantized.
    graph
        .node
        .retain(|node| !node.name().starts_with("Quantize") && !node.name().starts_with("DequantizeLinear_"));
    let product = graph.node.iter_mut().find(|node| node.op_type() == "Gemm").unwrap();
    product.input[0] = "input".to_owned();
    product.output[0] = "logits".to_owned();
    let model = Model::from_onnx(&file.to_bytes()).unwrap();
    assert!(model.int8_layers().is_empty());
    assert!(run(&model, &samples(6), 1).iter().all(|value| value.is_finite()));
}

#[test]
fn an_integer_product_without_a_grid_behind_it_gives_floats() {
    let mut file = network(&[6], &[Layer::Hidden(4)], Form::Int8);
    let graph = file.graph.as_mut().unwrap();
    let product = graph.node.iter().position(|node| node.op_type() == "Gemm").unwrap();
    graph.node.truncate(product + 1);
    graph.node[product].output[0] = "logits".to_owned();
    let model = Model::from_onnx(&file.to_bytes()).unwrap();
    assert_eq!(model.int8_layers().len(), 1);
    let values = run(&model, &samples(12), 2);
    // The same product, quantized: the nearest step, at least 0.
    let quantized = Model::from_onnx(&network(&[6], &[Layer::Hidden(4)], Form::Int8).to_bytes()).unwrap();
    for (real, quantized) in values.iter().zip(run(&quantized, &samples(12), 2)) {
        assert!(
            (real.max(0.0) - quantized).abs() <= HIDDEN_GRID.0 * 0.5001,
            "{real} {quantized}"
        );
    }
}

#[test]
fn the_second_engine_agrees() {
    let layers = [
        Layer::Conv(16),
        Layer::BatchNorm,
        Layer::MaxPool,
        Layer::Conv(32),
        Layer::MaxPool,
        Layer::Flatten,
        Layer::Hidden(64),
        Layer::Output(10),
    ];
    for form in [Form::Single, Form::Half] {
        let bytes = network(&[1, 8, 8], &layers, form).to_bytes();
        let input = samples(5 * 64);
        let referee = rten::Model::load(bytes.clone()).unwrap();
        let value = rten::Value::from_shape(&[5, 1, 8, 8], input.clone()).unwrap();
        let output = referee.run_one(value.into(), None).unwrap();
        let (_, expected) = output.into_shape_vec::<f32, 2>().unwrap();
        let found = run(&Model::from_onnx(&bytes).unwrap(), &input, 5);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        }
    }
}

#[test]
fn weights_and_memory_shrink_with_the_form() {
    let [single, half, int8] = [Form::Single, Form::Half, Form::Int8]
        .map(|form| Model::from_onnx(&network(&[784], MLP, form).to_bytes()).unwrap());
    let weights = 784 * 256 + 256 * 128 + 128 * 16;
    let biases = 256 + 128 + 16;
    assert_eq!(single.weight_bytes(), 4 * (weights + biases));
    assert_eq!(half.weight_bytes(), 2 * weights + 4 * biases);
    assert_eq!(int8.weight_bytes(), weights + 8 * biases);
    // Two neighbours at most, 256 and 128 floats of hidden values; and the result.
    assert_eq!(single.arena_bytes(64), 4 * 64 * (256 + 128 + 10));
    assert_eq!(single.memory_bytes(1), single.weight_bytes() + single.arena_bytes(1));
    assert!(int8.memory_bytes(64) < single.memory_bytes(64) / 3);
}

#[test]
fn smaller_batches_fit_into_a_session() {
    for form in [Form::Single, Form::Int8] {
        let model = Model::from_onnx(&network(&[1, 8, 8], CNN, form).to_bytes()).unwrap();
        let input = samples(9 * 64);
        let mut session = model.session(9).unwrap();
        let all = session.run(&input, 9).unwrap().to_vec();
        for batch in [4, 1, 9] {
            let found = session.run(&input[..batch * 64], batch).unwrap();
            assert_eq!(found, &all[..batch * 10]);
        }
    }
}

#[test]
fn an_empty_network_gives_its_input_back() {
    let mut file = network(&[2, 3, 3], &[Layer::Flatten], Form::Single);
    let model = Model::from_onnx(&file.to_bytes()).unwrap();
    assert_eq!(run(&model, &samples(36), 2), samples(36));
    file.graph.as_mut().unwrap().node = vec![NodeProto::new("Relu", "r", &["input"], &["logits"])];
    let relu = Model::from_onnx(&file.to_bytes()).unwrap();
    let expected: Vec<f32> = samples(36).iter().map(|value| value.max(0.0)).collect();
    assert_eq!(run(&relu, &samples(36), 2), expected);
    assert_eq!(
        (relu.input_shape(), relu.output_name(), relu.output_len()),
        ([2, 3, 3].as_slice(), "logits", 18)
    );
}

#[test]
fn wrong_batches_and_inputs_are_refused() {
    let model = Model::from_onnx(&network(&[6], &[Layer::Output(2)], Form::Single).to_bytes()).unwrap();
    let mut session = model.session(2).unwrap();
    assert_eq!(session.run(&[], 0), Err(RunError::Batch { batch: 0, max_batch: 2 }));
    assert_eq!(
        session.run(&[0.0; 18], 3),
        Err(RunError::Batch { batch: 3, max_batch: 2 })
    );
    let found = session.run(&[0.0; 7], 1);
    assert_eq!(
        found,
        Err(RunError::Input {
            found: 7,
            expected: 6,
            batch: 1,
            shape: vec![6]
        })
    );
    assert!(matches!(model.session(usize::MAX / 2), Err(RunError::Memory { .. })));
}

#[test]
fn an_instruction_set_that_is_missing_is_refused() {
    let bytes = network(&[6], &[Layer::Output(2)], Form::Single).to_bytes();
    for wanted in InstructionSet::ALL.into_iter().filter(|set| !set.is_available()) {
        let error = Model::from_onnx_for(&bytes, wanted).err();
        assert_eq!(
            error,
            Some(LoadError::InstructionSet {
                wanted,
                best: InstructionSet::best()
            })
        );
    }
}

/// The message with which a file is refused after `change`.
fn refusal(layers: &[Layer], form: Form, change: impl FnOnce(&mut ModelProto)) -> String {
    let mut file = network(&[1, 8, 8], layers, form);
    change(&mut file);
    match Model::from_onnx(&file.to_bytes()) {
        Ok(_) => "no refusal".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// The first node of an operator.
fn node<'a>(file: &'a mut ModelProto, operator: &str) -> &'a mut NodeProto {
    file.graph
        .as_mut()
        .unwrap()
        .node
        .iter_mut()
        .find(|node| node.op_type() == operator)
        .unwrap()
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    type Change = fn(&mut ModelProto);
    let cases: &[(&str, &str, Change)] = &[
        ("Conv_3", "grouped convolutions", |file| {
            node(file, "Conv").attribute.push(AttributeProto::int("group", 2));
        }),
        ("Conv_3", "its window of", |file| {
            node(file, "Conv").attribute[1] = AttributeProto::ints("dilations", &[9, 9]);
        }),
        ("Conv_3", "pads must be 4 numbers", |file| {
            node(file, "Conv").attribute[1] = AttributeProto::ints("pads", &[1, -1, 1, 1]);
        }),
        ("Conv_3", "must be positive", |file| {
            node(file, "Conv")
                .attribute
                .push(AttributeProto::ints("strides", &[0, 1]));
        }),
        ("Conv_3", "the operator is not supported", |file| {
            node(file, "Conv").op_type = Some("Loop".to_owned());
        }),
        ("Conv_3", "another operator set", |file| {
            node(file, "Conv").domain = Some("com.microsoft".to_owned());
        }),
        ("Conv_3", "must be a constant", |file| {
            node(file, "Conv").input[1] = "nowhere".to_owned();
        }),
        ("Conv_3", "`logits` is not made by a node before it", |file| {
            node(file, "Conv").input[0] = "logits".to_owned();
        }),
        ("Conv_3", "exactly one output", |file| node(file, "Conv").output.clear()),
        ("Conv_3", "values are too many", |file| {
            node(file, "Conv").attribute[1] = AttributeProto::ints("pads", &[60000, 60000, 60000, 60000]);
        }),
        ("Gemm_", "its input is an image", |file| {
            node(file, "Flatten").op_type = Some("Relu".to_owned());
        }),
        ("Gemm_", "only transB = 1", |file| node(file, "Gemm").attribute.clear()),
        ("MaxPool_", "not smaller than its window", |file| {
            node(file, "MaxPool")
                .attribute
                .push(AttributeProto::ints("pads", &[2, 0, 0, 0]));
        }),
        ("", "operator set 12", |file| file.opset_import[0].version = Some(12)),
        ("", "no operator set", |file| file.opset_import.clear()),
        ("", "no graph", |file| file.graph = None),
        ("input", "all but the batch fixed", |file| {
            file.graph.as_mut().unwrap().input[0] = ValueInfoProto::batch_of("input", &[1, 0, 8]);
        }),
        ("", "too large", |file| {
            file.graph.as_mut().unwrap().input[0] = ValueInfoProto::batch_of("input", &[1, 1 << 40, 1 << 40]);
        }),
        ("input", "no tensor of float32", |file| {
            file.graph.as_mut().unwrap().input[0].r#type = None;
        }),
        ("", "2 inputs", |file| {
            file.graph
                .as_mut()
                .unwrap()
                .input
                .push(ValueInfoProto::batch_of("other", &[1]));
        }),
        ("", "0 outputs", |file| file.graph.as_mut().unwrap().output.clear()),
        ("weights_2", "shape [-16, 1, 3, 3]", |file| {
            file.graph.as_mut().unwrap().initializer[1].dims[0] = -16;
        }),
        ("weights_2", "is too large", |file| {
            file.graph.as_mut().unwrap().initializer[1].dims = vec![1 << 40, 1 << 40, 3, 3];
        }),
        ("weights_2", "holds 576 bytes", |file| {
            file.graph.as_mut().unwrap().initializer[1].dims[0] = 17;
        }),
        ("weights_2", "element type must be float32", |file| {
            file.graph.as_mut().unwrap().initializer[1].data_type = Some(11);
        }),
        ("weights_2", "in another file", |file| {
            file.graph.as_mut().unwrap().initializer[1].data_location = Some(1);
        }),
        ("weights_2", "given twice", |file| {
            let initializers = &mut file.graph.as_mut().unwrap().initializer;
            initializers.push(initializers[1].clone());
        }),
    ];
    for (place, problem, change) in cases {
        let message = refusal(CNN, Form::Single, change);
        assert!(
            message.contains(problem) && message.contains(place),
            "{problem}: {message}"
        );
        assert!(message.contains(';'), "a remedy: {message}");
    }
}

#[test]
fn grids_that_do_not_fit_are_refused() {
    let hidden = [Layer::Flatten, Layer::Hidden(3)];
    let scale = |value: f32| {
        move |file: &mut ModelProto| {
            for tensor in &mut file.graph.as_mut().unwrap().initializer {
                if tensor.name().starts_with("scale_") {
                    tensor.raw_data = Some(value.to_le_bytes().to_vec());
                }
            }
        }
    };
    for bad in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert!(refusal(&hidden, Form::Int8, scale(bad)).contains("positive and finite"));
    }
    let output_is_bytes = refusal(&hidden, Form::Int8, |file| {
        let nodes = &mut file.graph.as_mut().unwrap().node;
        nodes.pop();
        nodes.last_mut().unwrap().output[0] = "logits".to_owned();
    });
    assert!(output_is_bytes.contains("its output is quantized"), "{output_is_bytes}");
    let tiny_output = refusal(&hidden, Form::Int8, |file| {
        let last = file
            .graph
            .as_mut()
            .unwrap()
            .initializer
            .iter_mut()
            .rfind(|t| t.name().starts_with("scale_"));
        last.unwrap().raw_data = Some(1e-20_f32.to_le_bytes().to_vec());
    });
    assert!(tiny_output.contains("steps of its grid"), "{tiny_output}");
    let zero_points = refusal(&hidden, Form::Int8, |file| {
        let last = file
            .graph
            .as_mut()
            .unwrap()
            .initializer
            .iter_mut()
            .rfind(|t| t.name().starts_with("zero_"));
        last.unwrap().data_type = Some(3);
    });
    assert!(zero_points.contains("uint8"), "{zero_points}");
}

#[test]
fn no_damaged_file_panics() {
    let small = [
        Layer::Conv(2),
        Layer::BatchNorm,
        Layer::MaxPool,
        Layer::Flatten,
        Layer::Output(2),
    ];
    for form in [Form::Single, Form::Half, Form::Int8] {
        let bytes = network(&[1, 4, 4], &small, form).to_bytes();
        for len in 0..bytes.len() {
            let _ = Model::from_onnx(&bytes[..len]);
        }
        // Every byte changed in a few ways; what still loads must run.
        for place in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[place] ^= flip;
                if let Ok(model) = Model::from_onnx(&damaged) {
                    let len = model.input_shape().iter().product();
                    let mut session = model.session(1).unwrap();
                    session.run(&vec![0.5; len], 1).unwrap();
                }
            }
        }
    }
}
