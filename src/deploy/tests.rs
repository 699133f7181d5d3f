//! Properties of the exported file over random networks, and what it refuses to write.

use burn::tensor::{Tensor, TensorData};

use super::fixtures::{
    Family, forward, forward_all, forward_layers, largest_difference, random_inputs, random_model, random_of,
    random_weights,
};
use super::{DeployError, Exported, Form, fold_batch_norm, referee, to_onnx};
use crate::nn::{self, Network};
use crate::runtime::Model;
use crate::runtime::onnx::ModelProto;
use crate::spec::{
    ActivationKind, ActivationQuantization, CellKind, Device, LayerSpec, ModelSpec, PaddingKind, QuantizationRanges,
    Range, Shape, Task, Weights,
};

pub fn classes(count: usize) -> Task {
    Task::Classification {
        classes: (0..count).map(|class| class.to_string()).collect(),
    }
}

pub fn run(bytes: &[u8], inputs: &[f32]) -> Vec<f32> {
    Exported::load(bytes).unwrap().outputs(inputs).unwrap()
}

/// Ranges of the folded network over `inputs`.
pub fn ranges(model: &ModelSpec, weights: &Weights, inputs: &[f32]) -> QuantizationRanges {
    let (model, weights) = fold_batch_norm(model, weights).unwrap();
    let mut layers: Vec<Option<Range>> = vec![None; model.layers.len()];
    for sample in inputs.chunks_exact(model.input.len()) {
        for (range, values) in layers.iter_mut().zip(forward_layers(&model, &weights, sample)) {
            let seen = Range::of(&values);
            *range = Some(range.map_or(seen, |range| range.union(seen)));
        }
    }
    let device = nn::device(Device::Flex).unwrap();
    let network = Network::from_weights(&model, &weights, &device).unwrap();
    let shape = [inputs.len() / model.input.len(), model.input.len()];
    let entering = network.entering(Tensor::from_data(TensorData::new(inputs.to_vec(), shape), &device));
    let gathered = entering
        .iter()
        .map(|[_, values]| (!values.is_empty()).then(|| Range::of(values)));
    QuantizationRanges {
        input: Range::of(inputs),
        layers: layers.into_iter().map(Option::unwrap).collect(),
        gathered: gathered.collect(),
        protected: Vec::new(),
    }
}

/// Networks of every family, and the simple ones.
pub fn networks(seeds: u64, outputs: usize) -> Vec<(ModelSpec, Weights)> {
    let simple = (0..seeds).map(|seed| random_model(seed, outputs));
    let families = Family::ALL.into_iter();
    simple
        .chain(families.flat_map(|family| (0..seeds).map(move |seed| random_of(family, seed, outputs))))
        .collect()
}

/// Outputs of the network for `inputs`, and how large they are: at least 1.
fn expected(model: &ModelSpec, weights: &Weights, inputs: &[f32]) -> (Vec<f32>, f32) {
    let outputs = forward_all(model, weights, inputs);
    let size = outputs.iter().fold(1.0_f32, |size, value| size.max(value.abs()));
    (outputs, size)
}

#[test]
fn folding_keeps_the_function() {
    for (seed, (model, weights)) in networks(20, 4).into_iter().enumerate() {
        let seed = seed as u64;
        let (folded, folded_weights) = fold_batch_norm(&model, &weights).unwrap();
        assert!(
            !folded
                .layers
                .iter()
                .any(|layer| matches!(layer, LayerSpec::Dropout { .. }))
        );
        let foldable = folded.layers.windows(2).any(|pair| {
            let is_product = matches!(
                pair[0],
                LayerSpec::Dense { .. }
                    | LayerSpec::Conv2d { .. }
                    | LayerSpec::DepthwiseConv2d { .. }
                    | LayerSpec::Conv1d { .. }
            );
            is_product && pair[1] == LayerSpec::BatchNorm
        });
        assert!(!foldable, "{:?}", folded.layers);
        for sample in random_inputs(&model, 4, seed).chunks_exact(model.input.len()) {
            let before = forward(&model, &weights, sample);
            let after = forward(&folded, &folded_weights, sample);
            let size = before.iter().fold(1.0_f32, |size, value| size.max(value.abs()));
            assert!(largest_difference(&before, &after) < 1e-5 * size, "seed {seed}");
        }
        assert_eq!(
            fold_batch_norm(&folded, &folded_weights).unwrap(),
            (folded, folded_weights)
        );
    }
}

#[test]
fn both_engines_read_the_same_function_from_the_bytes() {
    for (seed, (model, weights)) in networks(20, 3).into_iter().enumerate() {
        let inputs = random_inputs(&model, 5, seed as u64);
        let (expected, size) = expected(&model, &weights, &inputs);
        for (form, tolerance) in [(Form::Fp32, 1e-4), (Form::Fp16, 0.1)] {
            let bytes = to_onnx(&model, &weights, &classes(3), &form).unwrap();
            let outputs = run(&bytes, &inputs);
            let difference = largest_difference(&outputs, &expected);
            let place = format!("network {seed}, {form:?}: {:?}", model.layers);
            assert!(difference < tolerance * size, "{difference} of {size} in {place}");
            referee(&bytes, &form, model.input, &inputs.clone().into(), &outputs)
                .unwrap_or_else(|error| panic!("{place}: {error}"));
        }
    }
}

#[test]
fn products_of_any_network_run_on_integers() {
    for family in Family::ALL {
        for seed in 0..12 {
            let (model, weights) = random_of(family, seed, 3);
            let inputs = random_inputs(&model, 24, seed);
            let (expected, _) = expected(&model, &weights, &inputs);
            let ranges = ranges(&model, &weights, &inputs);
            let output = *ranges.layers.last().unwrap();
            let span = output.max.max(0.0) - output.min.min(0.0);
            let form = Form::Int8(ranges);
            let bytes = to_onnx(&model, &weights, &classes(3), &form).unwrap();
            let outputs = run(&bytes, &inputs);
            let place = format!("{family:?} {seed}: {:?}", model.layers);
            referee(&bytes, &form, model.input, &inputs.clone().into(), &outputs)
                .unwrap_or_else(|error| panic!("{place}: {error}"));
            let products = model.layers.iter().map(|layer| match layer {
                LayerSpec::Dense { .. }
                | LayerSpec::Conv2d { .. }
                | LayerSpec::DepthwiseConv2d { .. }
                | LayerSpec::Conv1d { .. } => 1,
                // Query, key, value and output.
                LayerSpec::SelfAttention { .. } => 4,
                _ => 0,
            });
            let found = Model::from_onnx(&bytes).unwrap().int8_layers().len();
            assert_eq!(found, products.sum::<usize>(), "{place}");
            let mean = outputs.iter().zip(&expected).map(|(a, b)| (a - b).abs()).sum::<f32>() / outputs.len() as f32;
            assert!(mean < 0.05 * span, "{mean} of {span} in {place}");
        }
    }
}

#[test]
fn a_file_of_whole_layers_survives_every_batch() {
    for family in Family::ALL {
        let (model, weights) = random_of(family, 3, 3);
        let inputs = random_inputs(&model, 9, 3);
        let bytes = to_onnx(&model, &weights, &classes(3), &Form::Fp32).unwrap();
        let loaded = Model::from_onnx(&bytes).unwrap();
        let mut session = loaded.session(9).unwrap();
        let all = session.run(&inputs, 9).unwrap().to_vec();
        for batch in [1, 4, 9] {
            let found = session.run(&inputs[..batch * model.input.len()], batch).unwrap();
            assert_eq!(found, &all[..batch * 3], "{family:?}");
        }
        assert!(loaded.weight_bytes() > 0 && loaded.arena_bytes(64) > loaded.arena_bytes(1));
    }
}

#[test]
fn int8_stays_close_to_the_float_network() {
    for seed in 0..40 {
        let (model, weights) = random_model(seed, 3);
        let inputs = random_inputs(&model, 24, seed);
        let expected = forward_all(&model, &weights, &inputs);
        let ranges = ranges(&model, &weights, &inputs);
        let output = *ranges.layers.last().unwrap();
        let span = output.max.max(0.0) - output.min.min(0.0);
        let form = Form::Int8(ranges);
        let bytes = to_onnx(&model, &weights, &classes(3), &form).unwrap();
        let outputs = run(&bytes, &inputs);
        referee(&bytes, &form, model.input, &inputs.clone().into(), &outputs).unwrap();
        let products = model
            .layers
            .iter()
            .filter(|layer| matches!(layer, LayerSpec::Dense { .. } | LayerSpec::Conv2d { .. }));
        assert_eq!(Model::from_onnx(&bytes).unwrap().int8_layers().len(), products.count());
        let mean = outputs.iter().zip(&expected).map(|(a, b)| (a - b).abs()).sum::<f32>() / outputs.len() as f32;
        // The grid of the output alone makes 1/1020 of the span; a few layers of grids add up to a few of these.
        assert!(mean < 0.02 * span, "seed {seed}: {mean} of {span}");
    }
}

#[test]
fn the_file_keeps_the_artifact_rules() {
    let (model, weights) = random_model(1, 3);
    let inputs = random_inputs(&model, 4, 0);
    let ranges = ranges(&model, &weights, &inputs);
    for form in [Form::Fp32, Form::Fp16, Form::Int8(ranges)] {
        let bytes = to_onnx(&model, &weights, &classes(3), &form).unwrap();
        assert_eq!(bytes, to_onnx(&model, &weights, &classes(3), &form).unwrap());
        let file = ModelProto::from_bytes(&bytes).unwrap();
        assert_eq!((file.ir_version, file.opset_import[0].version), (Some(8), Some(17)));
        let graph = file.graph.unwrap();
        assert_eq!(graph.input[0].name.as_deref(), Some("input"));
        assert_eq!(graph.output[0].name.as_deref(), Some("logits"));
        assert_eq!((graph.input.len(), graph.output.len()), (1, 1));
        let operators: Vec<&str> = graph.node.iter().filter_map(|node| node.op_type.as_deref()).collect();
        for node in &operators {
            assert!(
                !["MatMul", "Add", "ConvInteger", "BatchNormalization", "Dropout"].contains(node),
                "{node}"
            );
        }
        assert_eq!(operators.contains(&"Relu"), !matches!(form, Form::Int8(_)));
    }
}

#[test]
fn a_relu_without_a_layer_before_it_is_a_node_of_its_own() {
    let model = ModelSpec {
        input: Shape::Features { features: 3 },
        layers: vec![
            LayerSpec::Activation {
                function: ActivationKind::Relu,
            },
            LayerSpec::Dense { units: 2 },
        ],
    };
    let weights = random_weights(&model, 0);
    let inputs = random_inputs(&model, 10, 0);
    let form = Form::Int8(ranges(&model, &weights, &inputs));
    let bytes = to_onnx(&model, &weights, &classes(2), &form).unwrap();
    let outputs = run(&bytes, &inputs);
    assert!(largest_difference(&outputs, &forward_all(&model, &weights, &inputs)) < 0.1);
}

#[test]
fn a_constant_output_stays_constant_in_int8() {
    let model = ModelSpec {
        input: Shape::Features { features: 2 },
        layers: vec![LayerSpec::Dense { units: 1 }],
    };
    let mut weights = Weights::default();
    weights.push(0, "weight", vec![1, 2], vec![0.0, 0.0]);
    weights.push(0, "bias", vec![1], vec![0.75]);
    let form = Form::Int8(ranges(&model, &weights, &[1.0, 1.0, -1.0, 0.5]));
    let bytes = to_onnx(&model, &weights, &Task::regression("y"), &form).unwrap();
    let outputs = run(&bytes, &[1.0, 1.0, -1.0, 0.5]);
    let step = ActivationQuantization::covering(Range { min: 0.75, max: 0.75 }).scale;
    assert!(largest_difference(&outputs, &[0.75, 0.75]) <= step, "{outputs:?}");
}

#[test]
fn a_weight_that_is_no_number_is_refused_with_its_layer() {
    let (model, mut weights) = random_model(0, 3);
    let layer = model.layers.len() - 1;
    weights.get_mut(&Weights::name(layer, "weight")).unwrap().data[1] = f32::NAN;
    let error = to_onnx(&model, &weights, &classes(3), &Form::Fp32)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&format!("layer {layer} (dense)")) && error.contains("NaN at index 1"),
        "{error}"
    );
}

#[test]
fn a_weight_of_the_wrong_shape_or_none_is_refused_with_its_layer() {
    let (model, weights) = random_model(0, 3);
    let mut misshapen = weights.clone();
    misshapen.tensors[0].shape = vec![1, 1];
    let error = to_onnx(&model, &misshapen, &classes(3), &Form::Fp32)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("layer 0") && error.contains("has shape [1, 1]"),
        "{error}"
    );
    let error = to_onnx(&model, &Weights::default(), &classes(3), &Form::Fp32)
        .unwrap_err()
        .to_string();
    assert!(error.contains("`layers.0.weight` is missing"), "{error}");
}

#[test]
fn a_weight_beyond_half_precision_is_refused_in_fp16_only() {
    let model = ModelSpec {
        input: Shape::Features { features: 2 },
        layers: vec![LayerSpec::Dense { units: 1 }],
    };
    let mut weights = random_weights(&model, 0);
    weights.tensors[0].data[0] = 1e6;
    assert!(to_onnx(&model, &weights, &Task::regression("y"), &Form::Fp32).is_ok());
    let error = to_onnx(&model, &weights, &Task::regression("y"), &Form::Fp16).unwrap_err();
    assert!(matches!(error, DeployError::Layer { layer: 0, .. }), "{error}");
}

#[test]
fn ranges_of_another_network_are_refused() {
    let (model, weights) = random_model(0, 3);
    let nothing = Range { min: 0.0, max: 0.0 };
    let form = Form::Int8(QuantizationRanges {
        input: nothing,
        layers: vec![nothing; 99],
        gathered: Vec::new(),
        protected: Vec::new(),
    });
    let error = to_onnx(&model, &weights, &classes(3), &form).unwrap_err().to_string();
    assert!(error.contains("99 layers"), "{error}");
}

#[test]
fn a_network_of_another_task_is_refused() {
    let (model, weights) = random_model(0, 3);
    let error = to_onnx(&model, &weights, &classes(5), &Form::Fp32)
        .unwrap_err()
        .to_string();
    assert!(error.contains("3 outputs where the task needs 5"), "{error}");
}

#[test]
fn a_batch_norm_that_cannot_be_folded_is_a_node_of_its_own() {
    let model = ModelSpec {
        input: Shape::Features { features: 3 },
        layers: vec![LayerSpec::BatchNorm, LayerSpec::Dense { units: 2 }],
    };
    let weights = random_weights(&model, 0);
    let inputs = random_inputs(&model, 5, 0);
    let bytes = to_onnx(&model, &weights, &classes(2), &Form::Fp32).unwrap();
    let (expected, size) = expected(&model, &weights, &inputs);
    assert!(largest_difference(&run(&bytes, &inputs), &expected) < 1e-5 * size);
}

#[test]
fn a_number_that_is_no_token_is_an_error() {
    let model = ModelSpec {
        input: Shape::Tokens {
            steps: 3,
            vocabulary: 5,
        },
        layers: vec![
            LayerSpec::Embedding { dimensions: 2 },
            LayerSpec::GlobalAveragePool,
            LayerSpec::Dense { units: 2 },
        ],
    };
    let bytes = to_onnx(&model, &random_weights(&model, 0), &classes(2), &Form::Fp32).unwrap();
    let model = Model::from_onnx(&bytes).unwrap();
    assert_eq!(model.vocabulary(), Some(5));
    let mut session = model.session(1).unwrap();
    assert!(session.run(&[0.0, 4.0, 1.0], 1).is_ok());
    for wrong in [5.0, -1.0, 0.5, f32::NAN] {
        let error = session.run(&[0.0, wrong, 1.0], 1).unwrap_err().to_string();
        assert!(error.contains("place 1") && error.contains("below 5"), "{error}");
    }
}

#[test]
fn no_damaged_graph_panics() {
    let attention = vec![
        LayerSpec::Embedding { dimensions: 2 },
        LayerSpec::ClassToken,
        LayerSpec::Branch,
        LayerSpec::SelfAttention {
            heads: 1,
            head_width: None,
        },
        LayerSpec::Sum,
        LayerSpec::LayerNorm,
        LayerSpec::Recurrent {
            cell: CellKind::Gru,
            units: 1,
            bidirectional: true,
            sequence: false,
        },
        LayerSpec::Dense { units: 2 },
    ];
    let convolutions = vec![
        LayerSpec::Branch,
        LayerSpec::DepthwiseConv2d {
            kernel: 3,
            stride: 1,
            padding: PaddingKind::Same,
        },
        LayerSpec::Sum,
        LayerSpec::GlobalAveragePool,
        LayerSpec::Dense { units: 2 },
    ];
    let text = Shape::Tokens {
        steps: 3,
        vocabulary: 4,
    };
    let image = Shape::Image {
        channels: 2,
        height: 4,
        width: 4,
    };
    for (input, layers) in [(text, attention), (image, convolutions)] {
        let model = ModelSpec { input, layers };
        let weights = random_weights(&model, 0);
        let inputs = random_inputs(&model, 4, 0);
        for form in [Form::Fp16, Form::Int8(ranges(&model, &weights, &inputs))] {
            let bytes = to_onnx(&model, &weights, &classes(2), &form).unwrap();
            for len in 0..bytes.len() {
                let _ = Model::from_onnx(&bytes[..len]);
            }
            for place in 0..bytes.len() {
                for flip in [0x01, 0xff] {
                    let mut damaged = bytes.clone();
                    damaged[place] ^= flip;
                    if let Ok(model) = Model::from_onnx(&damaged) {
                        let len = model.input_shape().iter().product();
                        let _ = model.session(1).unwrap().run(&vec![1.0; len], 1);
                    }
                }
            }
        }
    }
}

#[test]
fn an_unknown_operator_is_refused_by_name() {
    let (model, weights) = random_of(Family::Attention, 0, 2);
    let bytes = to_onnx(&model, &weights, &classes(2), &Form::Fp32).unwrap();
    let mut file = ModelProto::from_bytes(&bytes).unwrap();
    let nodes = &mut file.graph.as_mut().unwrap().node;
    let node = nodes.iter_mut().find(|node| node.op_type() == "Softmax").unwrap();
    node.op_type = Some("Hardmax".to_owned());
    let name = node.name().to_owned();
    let error = Model::from_onnx(&file.to_bytes()).err().unwrap().to_string();
    assert!(
        error.contains(&name) && error.contains("(Hardmax)") && error.contains("not supported"),
        "{error}"
    );
}
