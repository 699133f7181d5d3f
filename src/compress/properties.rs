//! Random recipes for random networks: what comes out runs, is as large as arithmetic said, holds its zeros and exports.

use proptest::prelude::*;

use super::fixtures::Seen;
use super::{Applied, Kept, Origin, apply, weights};
use crate::cost;
use crate::deploy::fixtures::{Family, forward_all, largest_difference, random_inputs, random_of};
use crate::deploy::{Exported, check_weights, to_onnx};
use crate::nn::{self, Network};
use crate::spec::{ArtifactKind, Device, Event, EventSink, Failure, Recipe, RecipeStep, RunControl};

struct Silent;

impl EventSink for Silent {
    fn emit(&self, _: Event) -> Result<(), Failure> {
        Ok(())
    }

    fn save(&self, _: ArtifactKind, _: &[u8]) -> Result<(), Failure> {
        Ok(())
    }
}

/// A step that prunes, in words.
fn pruning() -> impl Strategy<Value = String> {
    let fraction = (5..95_u32).prop_map(|percent| f64::from(percent) / 100.0);
    let unit_criterion = prop::sample::select(vec!["l1", "l2", "bn", "taylor", "activation"]);
    let weight_criterion = prop::sample::select(vec!["magnitude", "taylor", "movement"]);
    let target = prop::sample::select(vec!["", "", "macs=", "size="]);
    let when = prop::sample::select(vec![
        "",
        ":finetune=1",
        ":schedule=iterative:steps=2:finetune=1",
        ":schedule=cubic:steps=3:finetune=2",
    ]);
    let scope = prop::sample::select(vec!["global", "layer"]);
    prop_oneof![
        (fraction.clone(), target, unit_criterion, 1..4_usize, when.clone()).prop_map(
            |(fraction, target, criterion, multiple, when)| format!(
                "units:{target}{fraction}:criterion={criterion}:multiple={multiple}{when}"
            )
        ),
        (fraction.clone(), weight_criterion.clone(), scope, when).prop_map(
            |(fraction, criterion, scope, when)| format!(
                "weights:{fraction}:criterion={criterion}:scope={scope}{when}"
            )
        ),
        (weight_criterion, 1..4_usize).prop_map(|(criterion, keep)| format!("nm:{keep}:4:criterion={criterion}")),
        fraction.prop_map(|fraction| format!("blocks:{fraction}")),
    ]
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let storage = prop::sample::select(vec!["", "+fp16", "+int8-static"]);
    (prop::collection::vec(pruning(), 1..3), storage)
        .prop_map(|(steps, storage)| format!("{}{storage}", steps.join("+")).parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn what_a_recipe_leaves_runs_and_exports(place in 0..Family::ALL.len(), seed in 0..500_u64, recipe in recipe()) {
        let (model, whole) = random_of(Family::ALL[place], seed, 3);
        let seen = Seen::of(&model, seed);
        let origin = Origin {
            plan: &seen.plan,
            weights: &whole,
            is_pruned: false,
            is_repeatable: true,
            dataset: &seen.dataset,
        };
        let applied = apply(&recipe, origin, Kept::default(), &RunControl::default(), &Silent);
        let left = match applied {
            Ok(Applied::Finished(left)) => left,
            Ok(Applied::Stopped { step }) => panic!("stopped before step {step}"),
            Err(failure) => {
                // A network without units or blocks to remove, or a target out of reach.
                let says = failure.to_string();
                let is_known = ["no layer has units", "no residual block", "can't be brought to", "no weight has moved"];
                prop_assert!(is_known.iter().any(|known| says.contains(known)), "{says}");
                return Ok(());
            }
        };
        let (smaller, weights) = (&left.plan.model, &left.weights);
        prop_assert!(check_weights(smaller, weights).is_ok());
        let in_float = Recipe {
            steps: recipe.steps.iter().filter(|step| !step.is_storage()).cloned().collect(),
        };
        // As exported: on grids, batch norms are folded.
        let expected = cost::expected(&model, &in_float).weight_bytes;
        let has_blocks = recipe.steps.iter().any(|step| matches!(step, RecipeStep::Blocks(_)));
        let has_units = recipe.steps.iter().any(|step| matches!(step, RecipeStep::Units(_)));
        if !has_blocks {
            prop_assert_eq!(cost::model_bytes(smaller), expected);
        } else if !has_units {
            // Which blocks go is not known before, and what units are left of it depends on that.
            prop_assert!(cost::model_bytes(smaller) <= expected);
        }
        // Of several shares the last one holds, whatever followed it; a smaller network has other shares.
        if let Some(RecipeStep::Weights(step)) = recipe.steps.iter().rfind(|step| !step.is_storage()) {
            let mask = weights::mask_of_zeros(smaller, weights);
            let all: usize = mask.tensors.iter().map(|tensor| tensor.data.len()).sum();
            let zeros = mask.tensors.iter().flat_map(|tensor| &tensor.data).filter(|value| **value == 0.0).count();
            let in_groups = matches!(step.pattern, crate::spec::WeightPattern::Groups { .. });
            let due = (all as f64 * step.pattern.fraction()) as usize;
            prop_assert!(in_groups || zeros + mask.tensors.len() >= due, "{zeros} of {all}");
        }
        let inputs = random_inputs(smaller, 4, seed);
        let expected = forward_all(smaller, weights, &inputs);
        let size = expected.iter().fold(1.0_f32, |size, value| size.max(value.abs()));
        let device = nn::device(Device::Flex).unwrap();
        let answers = Network::from_weights(smaller, weights, &device).unwrap().predict(inputs.clone(), 4);
        prop_assert!(largest_difference(&expected, &answers) < 1e-4 * size);
        let bytes = to_onnx(smaller, weights, &seen.plan.dataset.task, &left.form).unwrap();
        let outputs = Exported::load(&bytes).unwrap().outputs(&inputs).unwrap();
        let tolerance = match left.form {
            crate::deploy::Form::Fp32 => 1e-4,
            crate::deploy::Form::Fp16 => 0.03,
            _ => f32::INFINITY,
        };
        prop_assert!(outputs.iter().all(|value| value.is_finite()));
        prop_assert!(largest_difference(&expected, &outputs) <= tolerance * size, "{:?}", left.form);
    }
}
