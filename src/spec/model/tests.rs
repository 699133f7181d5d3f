//! The digits preset, and what is wrong with a chain.

use super::*;
use crate::spec::{Architecture, ModelConfig, PaddingKind, RunConfig, SummaryKind};

const DIGITS: Shape = Shape::Image {
    channels: 1,
    height: 8,
    width: 8,
};

#[test]
fn the_digits_preset_has_the_shapes_it_is_named_for() {
    let model = ModelSpec::from_config(&RunConfig::digits_cnn().model, DIGITS, 10).unwrap();
    let dense: Vec<usize> = model
        .layers
        .iter()
        .zip(model.shapes().unwrap())
        .filter(|(layer, _)| matches!(layer, LayerSpec::Flatten | LayerSpec::Dense { .. }))
        .map(|(_, shape)| shape.len())
        .collect();
    assert_eq!(dense, [32 * 2 * 2, 64, 10]);
}

#[test]
fn a_kernel_larger_than_the_image_names_its_layer() {
    let config = ModelConfig {
        kernel: vec![9],
        padding: PaddingKind::Valid,
        ..RunConfig::digits_cnn().model
    };
    let issues = ModelSpec::from_config(&config, DIGITS, 10).unwrap_err();
    assert!(issues[0].to_string().contains("kernel of 9"), "{}", issues[0]);
}

#[test]
fn all_wrong_lists_are_found_at_once() {
    let config = ModelConfig {
        kernel: vec![3, 3, 3],
        pool: vec![],
        ..RunConfig::digits_cnn().model
    };
    let issues = ModelSpec::from_config(&config, Shape::Features { features: 4 }, 3).unwrap_err();
    assert_eq!(issues.len(), 3);
}

const SENTENCES: Shape = Shape::Tokens {
    steps: 24,
    vocabulary: 256,
};
const SIGNALS: Shape = Shape::Sequence { steps: 50, features: 2 };
const TABLE: Shape = Shape::Features { features: 13 };

#[test]
fn every_preset_fits_the_data_it_is_for() {
    for architecture in Architecture::ALL {
        let mut fitting = 0;
        for input in [DIGITS, SENTENCES, SIGNALS, TABLE] {
            for size in PresetSize::ALL {
                let config = ModelConfig::preset(architecture, size, input);
                if let Ok(model) = ModelSpec::from_config(&config, input, 10) {
                    assert_eq!(
                        model.outputs().unwrap(),
                        if architecture.is_classical() { input.len() } else { 10 }
                    );
                    fitting += 1;
                }
            }
        }
        let expected = match architecture {
            Architecture::Cnn | Architecture::Resnet | Architecture::Mobilenet => 3,
            Architecture::Majority | Architecture::Linear | Architecture::Mlp => 12,
            _ => 9,
        };
        assert_eq!(fitting, expected, "{architecture}");
    }
}

#[test]
fn residual_sums_project_where_the_shapes_differ() {
    let config = ModelConfig {
        architecture: Architecture::Resnet,
        filters: vec![8, 16],
        ..ModelConfig::default()
    };
    let model = ModelSpec::from_config(&config, DIGITS, 10).unwrap();
    let projections: Vec<Option<Projection>> = model
        .walk()
        .unwrap()
        .iter()
        .filter(|placed| placed.layer == LayerSpec::Sum)
        .map(Placed::projection)
        .collect();
    let halving = Projection {
        inputs: 8,
        outputs: 16,
        stride: 2,
    };
    assert_eq!(projections, [None, Some(halving)]);
}

#[test]
fn branches_and_sums_must_pair() {
    let of = |layers: &[LayerSpec]| {
        let model = ModelSpec {
            input: TABLE,
            layers: layers.to_vec(),
        };
        model.walk().unwrap_err()
    };
    assert!(of(&[LayerSpec::Sum]).problem.contains("no branch"));
    assert!(of(&[LayerSpec::Branch]).problem.contains("never closed"));
    let pooled = ModelSpec {
        input: SIGNALS,
        layers: vec![LayerSpec::Branch, LayerSpec::MaxPool { size: 2 }, LayerSpec::Sum],
    };
    assert_eq!(pooled.walk().unwrap_err().layer, 2);
}

#[test]
fn own_layers_take_the_place_of_the_knobs() {
    let config = ModelConfig {
        layers: Some(vec![
            LayerSpec::Rows,
            LayerSpec::Recurrent {
                cell: CellKind::Gru,
                units: 8,
                bidirectional: true,
                sequence: false,
            },
        ]),
        ..ModelConfig::default()
    };
    let model = ModelSpec::from_config(&config, DIGITS, 3).unwrap();
    assert_eq!(model.inputs().unwrap()[2], Shape::Features { features: 16 });
    let open = ModelConfig {
        layers: Some(vec![LayerSpec::Rows]),
        ..ModelConfig::default()
    };
    let issues = ModelSpec::from_config(&open, DIGITS, 3).unwrap_err();
    assert_eq!(issues[0].field, "model.layers");
    assert!(issues[0].problem.contains("8 steps of 8"), "{}", issues[0]);
}

#[test]
fn a_transformer_reads_rows_patches_or_tokens() {
    let with = |patch, summary| ModelConfig {
        architecture: Architecture::Transformer,
        patch,
        summary,
        ..ModelConfig::default()
    };
    let steps = |config: &ModelConfig, input| {
        let model = ModelSpec::from_config(config, input, 10).unwrap();
        let walk = model.walk().unwrap();
        let attention = walk
            .iter()
            .find(|placed| matches!(placed.layer, LayerSpec::SelfAttention { .. }));
        attention.unwrap().input.positions()
    };
    assert_eq!(steps(&with(None, SummaryKind::Mean), DIGITS), 8);
    assert_eq!(steps(&with(Some(2), SummaryKind::Mean), DIGITS), 16);
    assert_eq!(steps(&with(Some(2), SummaryKind::First), DIGITS), 17);
    assert_eq!(steps(&with(None, SummaryKind::First), SENTENCES), 25);
}
