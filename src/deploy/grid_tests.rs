//! The quantized forms beside plain 8 bits: four bits, grids made on the way, and layers left in floating point.

use super::fixtures::{
    Family, forward_all, largest_difference, random_inputs, random_model, random_of, random_weights,
};
use super::tests::{classes, networks, ranges, run};
use super::{Form, fold_batch_norm, referee, to_onnx};
use crate::runtime::Model;
use crate::runtime::onnx::{ModelProto, data_type};
use crate::spec::{CellKind, GROUP, LayerSpec, ModelSpec, NibbleGroup, Shape, Weights};

fn operators(bytes: &[u8]) -> Vec<String> {
    let graph = ModelProto::from_bytes(bytes).unwrap().graph.unwrap();
    graph.node.iter().map(|node| node.op_type().to_owned()).collect()
}

/// The folded weights with those of dense layers as four bits make them.
fn rounded(model: &ModelSpec, weights: &Weights) -> (ModelSpec, Weights) {
    let (model, mut weights) = fold_batch_norm(model, weights).unwrap();
    for (layer, kind) in model.layers.iter().enumerate() {
        if let LayerSpec::Dense { .. } = kind {
            let tensor = weights.get_mut(&Weights::name(layer, "weight")).unwrap();
            let inputs = tensor.shape[1];
            for row in tensor.data.chunks_mut(inputs) {
                for group in row.chunks_mut(GROUP) {
                    let nearest = NibbleGroup::nearest(group);
                    for (place, value) in group.iter_mut().enumerate() {
                        *value = nearest.weight(place);
                    }
                }
            }
        }
    }
    (model, weights)
}

#[test]
fn dense_layers_in_four_bits_compute_what_their_codes_say() {
    for seed in 0..10 {
        let (model, weights) = random_of(Family::Dense, seed, 3);
        let inputs = random_inputs(&model, 12, seed);
        let form = Form::Int4(ranges(&model, &weights, &inputs));
        let bytes = to_onnx(&model, &weights, &classes(3), &form).unwrap();
        let (rounded, rounded_weights) = rounded(&model, &weights);
        let expected = forward_all(&rounded, &rounded_weights, &inputs);
        let outputs = run(&bytes, &inputs);
        let size = expected.iter().fold(1.0_f32, |size, value| size.max(value.abs()));
        assert!(largest_difference(&outputs, &expected) < 1e-5 * size, "seed {seed}");
        referee(&bytes, &form, model.input, &inputs.clone().into(), &outputs).unwrap();
        assert!(operators(&bytes).contains(&"MatMulNBits".to_owned()));
        let file = ModelProto::from_bytes(&bytes).unwrap();
        assert_eq!(file.opset_import[1].domain(), "com.microsoft");
    }
}

#[test]
fn every_network_has_every_quantized_form() {
    for (seed, (model, weights)) in networks(6, 3).into_iter().enumerate() {
        let inputs = random_inputs(&model, 24, seed as u64);
        let expected = forward_all(&model, &weights, &inputs);
        let span = expected.iter().fold(0.0_f32, |span, value| span.max(value.abs()));
        let forms = [
            (Form::Int4(ranges(&model, &weights, &inputs)), 0.3),
            (Form::Int8Dynamic { protected: Vec::new() }, 0.08),
        ];
        for (form, tolerance) in forms {
            let bytes = to_onnx(&model, &weights, &classes(3), &form).unwrap();
            let outputs = run(&bytes, &inputs);
            let place = format!("network {seed}, {form:?}: {:?}", model.layers);
            referee(&bytes, &form, model.input, &inputs.clone().into(), &outputs)
                .unwrap_or_else(|error| panic!("{place}: {error}"));
            let mean = outputs.iter().zip(&expected).map(|(a, b)| (a - b).abs()).sum::<f32>() / outputs.len() as f32;
            assert!(mean < tolerance * span, "{mean} of {span} in {place}");
            let integers = Model::from_onnx(&bytes).unwrap().int8_layers().len();
            let dense = model.layers.iter().map(|layer| match layer {
                LayerSpec::Dense { .. } => 1,
                // Query, key, value and output.
                LayerSpec::SelfAttention { .. } => 4,
                _ => 0,
            });
            if let Form::Int8Dynamic { .. } = form {
                assert_eq!(integers, dense.sum::<usize>(), "{place}");
                assert!(!operators(&bytes).contains(&"ConvInteger".to_owned()));
            }
        }
    }
}

#[test]
fn protected_layers_stay_in_floating_point() {
    for (seed, (model, weights)) in networks(8, 3).into_iter().enumerate() {
        let inputs = random_inputs(&model, 24, seed as u64);
        let (folded, _) = fold_batch_norm(&model, &weights).unwrap();
        let products: Vec<usize> = (0..folded.layers.len())
            .filter(|&layer| {
                let kind = folded.layers[layer];
                kind.multiplies() || matches!(kind, LayerSpec::Recurrent { .. })
            })
            .collect();
        let expected = forward_all(&model, &weights, &inputs);
        let size = expected.iter().fold(1.0_f32, |size, value| size.max(value.abs()));
        let mut ranges = ranges(&model, &weights, &inputs);
        // All of them: the network in floating point.
        ranges.protected.clone_from(&products);
        let all = to_onnx(&model, &weights, &classes(3), &Form::Int8(ranges.clone())).unwrap();
        assert!(
            largest_difference(&run(&all, &inputs), &expected) < 1e-4 * size,
            "network {seed}"
        );
        assert!(!operators(&all).contains(&"QuantizeLinear".to_owned()));
        for &layer in &products {
            ranges.protected = vec![layer];
            let form = Form::Int8(ranges.clone());
            let bytes = to_onnx(&model, &weights, &classes(3), &form).unwrap();
            let outputs = run(&bytes, &inputs);
            let place = format!("network {seed}, layer {layer} of {:?}", folded.layers);
            referee(&bytes, &form, model.input, &inputs.clone().into(), &outputs)
                .unwrap_or_else(|error| panic!("{place}: {error}"));
            let integers = Model::from_onnx(&bytes).unwrap().int8_layers().len();
            let others = products
                .iter()
                .filter(|&&other| other != layer && folded.layers[other].multiplies());
            let others = others.count();
            assert!(integers >= others, "{integers} in {place}");
        }
        ranges.protected = vec![99];
        assert!(to_onnx(&model, &weights, &classes(3), &Form::Int8(ranges)).is_err());
    }
}

#[test]
fn a_damaged_form_is_refused_and_never_panics() {
    let model = ModelSpec {
        input: Shape::Features { features: 40 },
        layers: vec![
            LayerSpec::Dense { units: 5 },
            LayerSpec::RELU,
            LayerSpec::Dense { units: 2 },
        ],
    };
    let weights = random_weights(&model, 0);
    let inputs = random_inputs(&model, 4, 0);
    for form in [
        Form::Int4(ranges(&model, &weights, &inputs)),
        Form::Int8Dynamic { protected: Vec::new() },
    ] {
        let file = ModelProto::from_bytes(&to_onnx(&model, &weights, &classes(2), &form).unwrap()).unwrap();
        let load = |file: &ModelProto| Model::from_onnx(&file.to_bytes());
        assert!(load(&file).is_ok());
        let graph = file.graph.as_ref().unwrap();
        for tensor in 0..graph.initializer.len() {
            let mut file = file.clone();
            let bytes = file.graph.as_mut().unwrap().initializer[tensor]
                .raw_data
                .as_mut()
                .unwrap();
            bytes.pop();
            assert!(load(&file).is_err());
            let mut file = file.clone();
            file.graph.as_mut().unwrap().initializer[tensor].dims = vec![3];
            assert!(load(&file).is_err());
        }
        for node in 0..graph.node.len() {
            let mut shorter = file.clone();
            shorter.graph.as_mut().unwrap().node.remove(node);
            // What is left may be a network of its own; it must only be read without a panic.
            drop(load(&shorter));
            for input in 0..graph.node[node].input.len() {
                let mut file = file.clone();
                "nothing".clone_into(&mut file.graph.as_mut().unwrap().node[node].input[input]);
                assert!(load(&file).is_err() || graph.node[node].input[input].is_empty());
            }
            for attribute in 0..graph.node[node].attribute.len() {
                let mut file = file.clone();
                file.graph.as_mut().unwrap().node[node].attribute[attribute].i = Some(-7);
                drop(load(&file));
            }
        }
    }
}

#[test]
fn a_simple_network_is_the_smallest_in_four_bits() {
    let model = ModelSpec {
        input: Shape::Features { features: 256 },
        layers: vec![
            LayerSpec::Dense { units: 128 },
            LayerSpec::RELU,
            LayerSpec::Dense { units: 3 },
        ],
    };
    let weights = random_weights(&model, 1);
    let inputs = random_inputs(&model, 8, 1);
    let ranges = ranges(&model, &weights, &inputs);
    let forms = [Form::Int4(ranges.clone()), Form::Int8(ranges), Form::Fp16, Form::Fp32];
    let sizes = forms.map(|form| to_onnx(&model, &weights, &classes(3), &form).unwrap().len());
    assert!(sizes.is_sorted() && sizes[0] * 6 < sizes[3], "{sizes:?}");
    let dynamic = Form::Int8Dynamic { protected: vec![0, 2] };
    let float = to_onnx(&model, &weights, &classes(3), &dynamic).unwrap();
    assert_eq!(float, to_onnx(&model, &weights, &classes(3), &Form::Fp32).unwrap());
    let (model, weights) = random_model(3, 3);
    let bytes = to_onnx(
        &model,
        &weights,
        &classes(3),
        &Form::Int8Dynamic { protected: Vec::new() },
    )
    .unwrap();
    assert!(operators(&bytes).contains(&"DynamicQuantizeLinear".to_owned()));
}

#[test]
fn recurrent_weights_are_stored_in_bytes() {
    for cell in [CellKind::Rnn, CellKind::Gru, CellKind::Lstm] {
        for seed in 0..6 {
            let (model, weights) = random_of(Family::Recurrent(cell), seed, 3);
            let inputs = random_inputs(&model, 16, seed);
            let expected = forward_all(&model, &weights, &inputs);
            let span = expected.iter().fold(0.0_f32, |span, value| span.max(value.abs()));
            let mut ranges = ranges(&model, &weights, &inputs);
            let products = (0..ranges.layers.len()).filter(|&layer| {
                let (folded, _) = fold_batch_norm(&model, &weights).unwrap();
                folded.layers[layer].is_product()
            });
            ranges.protected = products.collect();
            let form = Form::Int8(ranges);
            let bytes = to_onnx(&model, &weights, &classes(3), &form).unwrap();
            let outputs = run(&bytes, &inputs);
            referee(&bytes, &form, model.input, &inputs.clone().into(), &outputs).unwrap();
            let mean = outputs.iter().zip(&expected).map(|(a, b)| (a - b).abs()).sum::<f32>() / outputs.len() as f32;
            assert!(mean > 0.0 && mean < 0.02 * span, "{cell:?} {seed}: {mean} of {span}");
            let file = ModelProto::from_bytes(&bytes).unwrap().graph.unwrap();
            let stored = file
                .initializer
                .iter()
                .filter(|tensor| tensor.data_type() == data_type::INT8);
            assert!(stored.count() >= 2);
        }
    }
}
