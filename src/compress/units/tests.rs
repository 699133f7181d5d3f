//! Smaller networks against their wholes with silent units: every family of networks, every criterion, every form of the step.

use super::*;
use crate::compress::fixtures::Seen;
use crate::deploy::fixtures::{
    Family, forward_all, largest_difference, random_inputs, random_model, random_of, random_weights,
};
use crate::deploy::{Exported, Form, to_onnx};
use crate::spec::{
    Architecture, AxisRole, CellKind, LayerSpec, ModelConfig, PaddingKind, PresetSize, RecipeStep, Shape, UnitTarget,
};

fn step(text: &str) -> PruneUnits {
    match text.parse().unwrap() {
        RecipeStep::Units(units) => units,
        other => panic!("{other}"),
    }
}

/// The whole with the removed units silenced: all that makes them is zero.
fn silenced(weights: &Weights, cut: &Cut) -> Weights {
    let mut silenced = weights.clone();
    for axis in cut.coupling.axes.iter().filter(|axis| axis.role == AxisRole::Makes) {
        let tensor = silenced.get_mut(&Weights::name(axis.layer, axis.part)).unwrap();
        let width = tensor.shape.get(1).copied().unwrap_or(1);
        let size = tensor.shape.iter().skip(2).product::<usize>();
        for (place, value) in tensor.data.iter_mut().enumerate() {
            let at = [place / size / width, place / size % width][axis.axis];
            if axis.owners[at].is_some_and(|unit| !cut.kept[unit.group].contains(&unit.index)) {
                *value = 0.0;
            }
        }
    }
    silenced
}

fn agrees(model: &ModelSpec, weights: &Weights, cut: &Cut, seed: u64) {
    let inputs = random_inputs(model, 3, seed);
    let expected = forward_all(model, &silenced(weights, cut), &inputs);
    let outputs = forward_all(&cut.model, &cut.weights, &inputs);
    let size = expected.iter().fold(1.0_f32, |size, value| size.max(value.abs()));
    let difference = largest_difference(&expected, &outputs);
    assert!(
        difference < 1e-5 * size,
        "{difference}\n{:?}\n{:?}",
        model.layers,
        cut.model.layers
    );
}

const RECIPES: [&str; 10] = [
    "units:0.5",
    "units:0.3:criterion=l2",
    "units:0.6:criterion=bn",
    "units:0.5:criterion=taylor",
    "units:0.5:criterion=activation",
    "units:0.9",
    "units:0.4:multiple=2",
    "units:macs=0.6",
    "units:size=0.7",
    "units:0.5:protect=0,2,5",
];

/// The file of the smaller network gives what the smaller network gives.
fn exports(seen: &Seen, cut: &Cut, seed: u64) -> usize {
    let bytes = to_onnx(&cut.model, &cut.weights, &seen.plan.dataset.task, &Form::Fp32).unwrap();
    let inputs = random_inputs(&cut.model, 3, seed);
    let expected = forward_all(&cut.model, &cut.weights, &inputs);
    let size = expected.iter().fold(1.0_f32, |size, value| size.max(value.abs()));
    let outputs = Exported::load(&bytes).unwrap().outputs(&inputs).unwrap();
    assert!(
        largest_difference(&expected, &outputs) < 1e-4 * size,
        "{:?}",
        cut.model.layers
    );
    bytes.len()
}

#[test]
fn a_smaller_network_is_its_whole_with_silent_units_and_exports() {
    let mut cuts = 0;
    for (place, family) in Family::ALL.into_iter().enumerate() {
        for seed in 0..20 {
            let (model, weights) = random_of(family, seed, 3);
            let seen = Seen::of(&model, seed);
            let text = RECIPES[(seed as usize + place) % RECIPES.len()];
            let Ok(plan) = cost::plan_units(&model, &step(text)) else {
                continue;
            };
            let cut = prune(&model, &weights, &step(text), &seen.evidence()).unwrap();
            assert_eq!(cut.model, plan.model, "{text}: as arithmetic has it");
            assert!(check_weights(&cut.model, &cut.weights).is_ok());
            agrees(&model, &weights, &cut, seed);
            exports(&seen, &cut, seed);
            cuts += usize::from(!cut.report().is_empty());
        }
    }
    assert!(cuts > 110, "{cuts}");
}

#[test]
fn the_weakest_go_and_the_output_stays() {
    let model = ModelSpec {
        input: Shape::Features { features: 1 },
        layers: vec![LayerSpec::Dense { units: 4 }, LayerSpec::Dense { units: 3 }],
    };
    let mut weights = Weights::default();
    weights.push(0, "weight", vec![4, 1], vec![0.1, -3.0, 0.2, 1.0]);
    weights.push(0, "bias", vec![4], vec![1.0, 2.0, 3.0, 4.0]);
    weights.push(1, "weight", vec![3, 4], (1..=12_u8).map(f32::from).collect());
    weights.push(1, "bias", vec![3], vec![0.0; 3]);
    let seen = Seen::of(&model, 0);
    let cut = prune(&model, &weights, &step("units:0.5"), &seen.evidence()).unwrap();
    assert_eq!(
        cut.model.layers,
        [LayerSpec::Dense { units: 2 }, LayerSpec::Dense { units: 3 }]
    );
    assert_eq!(cut.report()[0].kept, [1, 3]);
    assert_eq!(cut.weights.part(0, "bias").unwrap().data, [2.0, 4.0]);
    assert_eq!(
        cut.weights.part(1, "weight").unwrap().data,
        [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]
    );
}

#[test]
fn a_batch_norm_counts_as_part_of_its_layer() {
    let model = ModelSpec {
        input: Shape::Features { features: 1 },
        layers: vec![
            LayerSpec::Dense { units: 2 },
            LayerSpec::BatchNorm,
            LayerSpec::Dense { units: 3 },
        ],
    };
    let mut weights = Weights::default();
    weights.push(0, "weight", vec![2, 1], vec![5.0, 1.0]);
    weights.push(0, "bias", vec![2], vec![0.0, 0.0]);
    weights.push(1, "weight", vec![2], vec![0.1, -2.0]);
    weights.push(1, "bias", vec![2], vec![0.0, 0.0]);
    weights.push(1, "running_mean", vec![2], vec![0.0, 0.0]);
    weights.push(1, "running_var", vec![2], vec![1.0, 1.0]);
    weights.push(2, "weight", vec![3, 2], vec![1.0; 6]);
    weights.push(2, "bias", vec![3], vec![0.0; 3]);
    let seen = Seen::of(&model, 0);
    for text in ["units:0.5", "units:0.5:criterion=l2", "units:0.5:criterion=bn"] {
        let cut = prune(&model, &weights, &step(text), &seen.evidence()).unwrap();
        assert_eq!(cut.report()[0].kept, [1], "{text}");
    }
}

/// A unit that is large but unheard, and one that is small but decides.
#[test]
fn criteria_that_look_at_samples_see_what_norms_do_not() {
    let relu = LayerSpec::Activation {
        function: crate::spec::ActivationKind::Relu,
    };
    let model = ModelSpec {
        input: Shape::Features { features: 1 },
        layers: vec![LayerSpec::Dense { units: 2 }, relu, LayerSpec::Dense { units: 3 }],
    };
    let mut weights = Weights::default();
    weights.push(0, "weight", vec![2, 1], vec![5.0, 0.5]);
    // The first unit never fires.
    weights.push(0, "bias", vec![2], vec![-100.0, 1.0]);
    weights.push(1 + 1, "weight", vec![3, 2], vec![1.0, 2.0, 1.0, -2.0, 1.0, 0.5]);
    weights.push(1 + 1, "bias", vec![3], vec![0.0; 3]);
    let seen = Seen::of(&model, 0);
    let kept = |text: &str| {
        prune(&model, &weights, &step(text), &seen.evidence()).unwrap().report()[0]
            .kept
            .clone()
    };
    assert_eq!(kept("units:0.5"), [0]);
    assert_eq!(kept("units:0.5:criterion=taylor"), [1]);
    assert_eq!(kept("units:0.5:criterion=activation"), [1]);
}

/// The derivative by a factor of a unit's value, by central differences of the loss.
#[test]
fn taylor_scores_are_squared_derivatives() {
    let (model, weights) = random_of(Family::Recurrent(CellKind::Gru), 4, 3);
    let mut seen = Seen::of(&model, 1);
    seen.plan.config.train.batch_size = 1000;
    let evidence = seen.evidence();
    let coupling = model.coupling().unwrap();
    let judge = Judge::new(
        &model,
        &weights,
        &coupling,
        crate::spec::UnitCriterion::Taylor,
        &evidence,
    )
    .unwrap();
    let kept: Vec<Vec<usize>> = coupling.groups.iter().map(|group| (0..group.units).collect()).collect();
    let mut checked = 0;
    for (group, about) in coupling.groups.iter().enumerate() {
        if about.fixed.is_some() {
            continue;
        }
        for (unit, score) in judge.scores(group, &kept).into_iter().enumerate() {
            let loss = |factor: f32| {
                let mut scaled = weights.clone();
                for axis in coupling.axes.iter().filter(|axis| axis.role == AxisRole::Reads) {
                    let tensor = scaled.get_mut(&Weights::name(axis.layer, axis.part)).unwrap();
                    let width = tensor.shape[1];
                    for (place, value) in tensor.data.iter_mut().enumerate() {
                        if axis.owners[place % width] == Some(crate::spec::Unit { group, index: unit }) {
                            *value *= factor;
                        }
                    }
                }
                evidence.loss(&model, &scaled).unwrap()
            };
            let slope = (loss(1.02) - loss(0.98)) / 0.04;
            assert!(
                (score.sqrt() - slope.abs()).abs() < 2e-3 + 0.02 * slope.abs(),
                "{score} {slope}"
            );
            checked += 1;
        }
    }
    assert!(checked > 1);
}

fn preset(architecture: Architecture, input: Shape) -> (ModelSpec, Weights) {
    let mut config = ModelConfig::preset(architecture, PresetSize::Small, input);
    config.bidirectional = architecture == Architecture::Lstm;
    let model = ModelSpec::from_config(&config, input, 3).unwrap();
    let weights = random_weights(&model, 5);
    (model, weights)
}

/// What is left of each tensor is the product of what is left of its dimensions.
#[test]
fn parameters_fall_as_the_graph_predicts_and_the_file_with_them() {
    let image = Shape::Image {
        channels: 1,
        height: 28,
        width: 28,
    };
    for architecture in [
        Architecture::Mlp,
        Architecture::Cnn,
        Architecture::Resnet,
        Architecture::Mobilenet,
        Architecture::Cnn1d,
        Architecture::Transformer,
        Architecture::Lstm,
        Architecture::Gru,
    ] {
        let (model, weights) = preset(architecture, image);
        let seen = Seen::of(&model, 1);
        let cut = prune(&model, &weights, &step("units:0.5"), &seen.evidence()).unwrap();
        let mut predicted = 0;
        for placed in model.walk().unwrap() {
            for (part, shape) in placed.tensors() {
                let left = |axis: usize| match cut.coupling.owners(placed.index, part, axis) {
                    Some(owners) => {
                        let halved = |group: usize| {
                            let group = &cut.coupling.groups[group];
                            if group.fixed.is_some() {
                                group.units
                            } else {
                                cost::kept_units(group.units, 0.5)
                            }
                        };
                        let mut groups: Vec<(usize, usize)> = Vec::new();
                        let mut left = owners.iter().filter(|owner| owner.is_none()).count();
                        for unit in owners.iter().flatten() {
                            match groups.iter_mut().find(|(group, _)| *group == unit.group) {
                                Some((_, count)) => *count += 1,
                                None => groups.push((unit.group, 1)),
                            }
                        }
                        for (group, count) in groups {
                            left += count / cut.coupling.groups[group].units * halved(group);
                        }
                        left
                    }
                    None => shape[axis],
                };
                predicted +=
                    (0..shape.len().min(2)).map(left).product::<usize>() * shape.iter().skip(2).product::<usize>();
            }
        }
        let values = |weights: &Weights| weights.tensors.iter().map(|tensor| tensor.data.len()).sum::<usize>();
        assert_eq!(values(&cut.weights), predicted, "{architecture}");
        let expected = cost::expected(&model, &"units:0.5".parse().unwrap());
        assert_eq!(expected.parameters, cost::parameters(&cut.model), "{architecture}");
        let whole = to_onnx(&model, &weights, &seen.plan.dataset.task, &Form::Fp32).unwrap();
        assert!(exports(&seen, &cut, 1) < whole.len(), "{architecture}");
        agrees(&model, &weights, &cut, 2);
        println!(
            "{architecture}: {} to {} parameters, {} to {} multiply-adds",
            cost::parameters(&model),
            cost::parameters(&cut.model),
            cost::multiply_adds(&model),
            cost::multiply_adds(&cut.model)
        );
    }
}

#[test]
fn targets_are_met_and_not_by_more_than_a_unit_of_each_layer() {
    let image = Shape::Image {
        channels: 1,
        height: 12,
        width: 12,
    };
    let (model, weights) = preset(Architecture::Resnet, image);
    let seen = Seen::of(&model, 1);
    let whole = cost::multiply_adds(&model) as f64;
    for share in [0.3, 0.5, 0.8] {
        let text = format!("units:macs={share}");
        let cut = prune(&model, &weights, &step(&text), &seen.evidence()).unwrap();
        let left = cost::multiply_adds(&cut.model) as f64 / whole;
        assert!(left <= share && left > share - 0.15, "{share}: {left}");
    }
    let error = prune(&model, &weights, &step("units:macs=0.0001"), &seen.evidence()).unwrap_err();
    let words = error.to_string();
    assert!(words.contains("can't be brought to 0.0001"), "{words}");
    let (before, _) = words.split_once(" is left").unwrap();
    let left: f64 = before.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((0.0001..0.3).contains(&left), "{words}");
}

#[test]
fn widths_come_to_multiples_and_protected_layers_stay() {
    let image = Shape::Image {
        channels: 1,
        height: 12,
        width: 12,
    };
    let (model, weights) = preset(Architecture::Cnn, image);
    let seen = Seen::of(&model, 1);
    let cut = prune(&model, &weights, &step("units:0.4:multiple=8"), &seen.evidence()).unwrap();
    for (before, after) in model.layers.iter().zip(&cut.model.layers) {
        if let (LayerSpec::Conv2d { filters: before, .. }, LayerSpec::Conv2d { filters, .. }) = (before, after) {
            assert!(filters % 8 == 0 || before <= &8, "{filters}");
        }
    }
    let cut = prune(&model, &weights, &step("units:0.5:protect=0"), &seen.evidence()).unwrap();
    assert_eq!(cut.model.layers[0], model.layers[0]);
    assert_ne!(cut.model, model);
}

#[test]
fn a_sum_that_projects_goes_on_to_do_so() {
    let convolution = |filters| LayerSpec::Conv2d {
        filters,
        kernel: 1,
        stride: 1,
        padding: PaddingKind::Same,
    };
    let model = ModelSpec {
        input: Shape::Image {
            channels: 2,
            height: 4,
            width: 4,
        },
        layers: vec![
            convolution(4),
            LayerSpec::Branch,
            convolution(5),
            LayerSpec::Sum,
            LayerSpec::GlobalAveragePool,
            LayerSpec::Dense { units: 3 },
        ],
    };
    let weights = random_weights(&model, 3);
    let seen = Seen::of(&model, 1);
    // Both sides would come to two channels.
    let cut = prune(&model, &weights, &step("units:0.5"), &seen.evidence()).unwrap();
    assert!(cut.weights.part(3, "weight").is_some());
    agrees(&model, &weights, &cut, 1);
}

#[test]
fn one_unit_stays_whatever_the_fraction() {
    for seed in 0..10 {
        let (model, weights) = random_model(seed, 3);
        let seen = Seen::of(&model, seed);
        let Ok(cut) = prune(&model, &weights, &step("units:0.999"), &seen.evidence()) else {
            continue;
        };
        assert!(cut.report().iter().all(|units| units.kept.len() == 1));
        assert_eq!(cut.model.outputs().unwrap(), 3);
        agrees(&model, &weights, &cut, seed);
    }
}

#[test]
fn blocks_go_whole_and_the_least_missed_first() {
    let mut found = 0;
    for family in [Family::Residual, Family::Attention] {
        for seed in 0..12 {
            let (model, weights) = random_of(family, seed, 3);
            let seen = Seen::of(&model, seed);
            let evidence = seen.evidence();
            let RecipeStep::Blocks(step) = "blocks:0.01".parse().unwrap() else {
                panic!("no blocks");
            };
            let blocks = cost::removable_blocks(&model);
            let Ok((smaller, left)) = remove_blocks(&model, &weights, &step, &evidence) else {
                assert!(blocks.is_empty());
                continue;
            };
            // Silence: what a block adds is zero.
            let losses = blocks.iter().map(|block| {
                let mut silent = weights.clone();
                for placed in &model.walk().unwrap()[block.clone()] {
                    let last = placed.index + 1 == *block.end() || model.layers[placed.index + 1] == LayerSpec::Sum;
                    for (part, _) in placed.tensors() {
                        if last && !part.starts_with("in_proj") && !part.starts_with("running") {
                            silent
                                .get_mut(&Weights::name(placed.index, part))
                                .unwrap()
                                .data
                                .fill(0.0);
                        }
                    }
                }
                evidence.loss(&model, &silent).unwrap()
            });
            let least = losses.fold(f64::INFINITY, f64::min);
            let loss = evidence.loss(&smaller, &left).unwrap();
            assert!(
                (loss - least).abs() < 1e-4 * least.max(1.0),
                "{loss} {least}\n{:?}",
                model.layers
            );
            assert!(smaller.layers.len() < model.layers.len() && check_weights(&smaller, &left).is_ok());
            found += 1;
        }
    }
    assert!(found > 12, "{found}");
}

#[test]
fn a_share_of_the_time_becomes_a_fraction() {
    let model = ModelSpec {
        input: Shape::Features { features: 64 },
        layers: vec![
            LayerSpec::Dense { units: 512 },
            LayerSpec::Dense { units: 512 },
            LayerSpec::Dense { units: 3 },
        ],
    };
    let weights = random_weights(&model, 1);
    let seen = Seen::of(&model, 1);
    let (settled, found) = settled(&step("units:latency=0.4"), &seen.plan, &weights).unwrap();
    let UnitTarget::Fraction(fraction) = settled.target else {
        panic!("{settled:?}");
    };
    // Half of the units are a quarter of the work.
    assert!((0.15..0.75).contains(&fraction), "{fraction}");
    assert!(found.unwrap().contains("of its time at batch 64"));
    let error = super::settled(&step("units:latency=0.0001"), &seen.plan, &weights).unwrap_err();
    assert!(error.to_string().contains("can't be brought to 0.0001"), "{error}");
    let plain = step("units:0.5");
    assert_eq!(super::settled(&plain, &seen.plan, &weights).unwrap(), (plain, None));
}
