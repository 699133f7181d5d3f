//! Recipes from their first step to their last, on a small network.

use std::sync::Mutex;

use super::super::weights;
use super::*;
use crate::data;
use crate::spec::{DataConfig, LayerSpec, RunConfig};

#[derive(Default)]
struct Recorder {
    events: Mutex<Vec<Event>>,
    saves: Mutex<usize>,
}

impl EventSink for Recorder {
    fn emit(&self, event: Event) -> Result<(), Failure> {
        self.events.lock().unwrap().push(event);
        Ok(())
    }

    fn save(&self, _: ArtifactKind, _: &[u8]) -> Result<(), Failure> {
        *self.saves.lock().unwrap() += 1;
        Ok(())
    }
}

/// Iris and a network after a few epochs.
fn parent() -> (RunPlan, Weights, Dataset) {
    let mut config = RunConfig {
        data: DataConfig {
            source: "iris".to_owned(),
            ..DataConfig::default()
        },
        ..RunConfig::default()
    };
    config.train.epochs = 4;
    config.train.learning_rate = 0.01;
    let dataset = data::load(&config.data).unwrap();
    let plan = config.check(&dataset.summary).unwrap();
    let job = TrainJob::new(&plan, &dataset, Start::Fresh);
    let Outcome::Finished(trained) = train(job, &RunControl::default(), &Recorder::default()).unwrap() else {
        panic!("nobody asked to stop");
    };
    (plan, trained.weights, dataset)
}

fn run(recipe: &str, sink: &Recorder) -> Compressed {
    let (plan, weights, dataset) = parent();
    let recipe = recipe.parse().unwrap();
    match apply(&recipe, &plan, &weights, false, &dataset, &RunControl::default(), sink).unwrap() {
        Applied::Finished(compressed) => *compressed,
        Applied::Stopped { step } => panic!("stopped before step {step}"),
    }
}

fn zero_share(compressed: &Compressed) -> f64 {
    let mask = weights::mask_of_zeros(&compressed.plan.model, &compressed.weights);
    let values: Vec<f32> = mask.tensors.into_iter().flat_map(|tensor| tensor.data).collect();
    values.iter().filter(|&&value| value == 0.0).count() as f64 / values.len() as f64
}

#[test]
fn a_chain_counts_its_steps_and_epochs_in_one_row() {
    let sink = Recorder::default();
    let compressed = run("units:0.5:finetune=2+weights:0.5:finetune=1+int8-static", &sink);
    let half = compressed.plan.config.model.hidden[0] / 2;
    assert_eq!(compressed.plan.model.layers[0], LayerSpec::Dense { units: half });
    assert!(matches!(&compressed.form, Form::Int8(ranges) if ranges.layers.len() == 3));
    assert_eq!(compressed.epochs, 3);
    assert_eq!(*sink.saves.lock().unwrap(), 0);
    let events = sink.events.into_inner().unwrap();
    let steps: Vec<usize> = events
        .iter()
        .filter_map(|event| match event {
            Event::Steps { steps, .. } => Some(steps.iter().map(|record| record.step)),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(steps, (0..3 * compressed.plan.steps_per_epoch).collect::<Vec<_>>());
    let epochs: Vec<usize> = events
        .iter()
        .filter_map(|event| match event {
            Event::Epoch { epoch, .. } => Some(*epoch),
            _ => None,
        })
        .collect();
    assert_eq!(epochs, [1, 2, 3]);
}

#[test]
fn zeros_hold_through_later_steps() {
    let compressed = run("weights:0.8:finetune=1+units:0.25:finetune=1", &Recorder::default());
    assert!(zero_share(&compressed) > 0.6, "{}", zero_share(&compressed));
    assert_eq!(compressed.speed, Speed::Measured);
    let masked = run("weights:0.8:finetune=1", &Recorder::default());
    assert!((zero_share(&masked) - 0.8).abs() < 0.01, "{}", zero_share(&masked));
    assert_eq!(masked.speed, Speed::Simulated);
}

#[test]
fn a_pruned_network_trained_on_keeps_its_zeros() {
    let first = run("weights:0.8", &Recorder::default());
    let (_, _, dataset) = parent();
    let go_on = |is_pruned| {
        let recipe = "finetune:2".parse().unwrap();
        let (plan, weights) = (&first.plan, &first.weights);
        let control = RunControl::default();
        match apply(
            &recipe,
            plan,
            weights,
            is_pruned,
            &dataset,
            &control,
            &Recorder::default(),
        )
        .unwrap()
        {
            Applied::Finished(compressed) => *compressed,
            Applied::Stopped { step } => panic!("stopped before step {step}"),
        }
    };
    let held = go_on(true);
    assert_eq!(zero_share(&held), zero_share(&first));
    assert_ne!(held.weights, first.weights);
    assert_eq!(held.epochs, 2);
    assert!(zero_share(&go_on(false)) < 0.2);
}

#[test]
fn the_same_recipe_gives_the_same_network() {
    let recipe = "units:0.5:finetune=1+int8-static:calibration=16";
    assert_eq!(run(recipe, &Recorder::default()), run(recipe, &Recorder::default()));
}

#[test]
fn training_on_grids_moves_weights_and_ranges() {
    let of = |recipe| run(recipe, &Recorder::default());
    let (plain, trained) = (of("int8-static"), of("int8-qat:epochs=2"));
    assert_eq!(trained.epochs, 2);
    let (Form::Int8(before), Form::Int8(after)) = (&plain.form, &trained.form) else {
        panic!("{:?} {:?}", plain.form, trained.form);
    };
    assert!(plain.weights != trained.weights && before != after);
    // The rate of the parent comes back for the steps that may follow.
    assert_eq!(plain.plan.config, trained.plan.config);
    // From fresh weights the loss begins where that of a training begins, and the network learns all the same.
    let sink = Recorder::default();
    let scratch = run("int8-qat:epochs=8:from-scratch", &sink);
    let events = sink.events.into_inner().unwrap();
    let first = events.iter().find_map(|event| match event {
        Event::Steps { steps, .. } => steps.first().map(|step| step.loss),
        _ => None,
    });
    assert!(first.unwrap() > 0.7, "{first:?}");
    assert!(scratch.test.accuracy.unwrap() > 0.8, "{:?}", scratch.test);
    let nibbles = of("int4:epochs=1");
    assert!(matches!(nibbles.form, Form::Int4(_)) && nibbles.epochs == 1);
    assert_eq!(of("int8-qat:epochs=2"), trained);
}

#[test]
fn the_student_is_smaller_and_goes_on_learning_from_its_teacher() {
    let sink = Recorder::default();
    let student = run("distil:preset=tiny:epochs=3+int8-qat:epochs=1", &sink);
    assert_eq!(student.plan.model.layers[0], LayerSpec::Dense { units: 16 });
    assert_eq!(student.plan.config.model.hidden, [16]);
    assert_eq!((student.epochs, student.plan.config.train.epochs), (4, 4));
    assert!(student.test.accuracy.unwrap() > 0.5, "{:?}", student.test);
    let alone = run("distil:preset=tiny:epochs=3:weight=0", &Recorder::default());
    let taught = run("distil:preset=tiny:epochs=3", &Recorder::default());
    assert_ne!(alone.weights, taught.weights);
    let (plan, weights, dataset) = parent();
    let recipe = "distil:preset=medium".parse().unwrap();
    let control = RunControl::default();
    let failure = apply(
        &recipe,
        &plan,
        &weights,
        false,
        &dataset,
        &control,
        &Recorder::default(),
    )
    .unwrap_err();
    assert!(failure.to_string().contains("smaller preset"), "{failure}");
}

#[test]
fn layers_are_protected_by_hand_and_by_themselves() {
    let protected = |recipe: &str| match run(recipe, &Recorder::default()).form {
        Form::Int8(ranges) | Form::Int4(ranges) => ranges.protected,
        Form::Int8Dynamic { protected } => protected,
        other => panic!("{other:?}"),
    };
    assert_eq!(protected("int8-static:protect=2"), [2]);
    assert_eq!(protected("int8-dynamic:protect=0,2"), [0, 2]);
    // Anything may be lost, so nothing is protected.
    assert!(protected("int4:tolerate=100").is_empty());
}

#[test]
fn a_stop_is_obeyed() {
    let (plan, weights, dataset) = parent();
    let control = RunControl::default();
    control.request(Command::Stop);
    for recipe in ["units:0.5:finetune=2", "units:0.5"] {
        let applied = apply(
            &recipe.parse().unwrap(),
            &plan,
            &weights,
            false,
            &dataset,
            &control,
            &Recorder::default(),
        );
        assert_eq!(applied.unwrap(), Applied::Stopped { step: 0 });
    }
}

#[test]
fn zeros_alone_are_simulated() {
    for (recipe, expected) in [
        ("weights:0.8", Speed::Simulated),
        ("weights:0.8:finetune=3+fp16", Speed::Simulated),
        ("weights:0.8+int8-static", Speed::Measured),
        ("units:0.5+weights:0.5", Speed::Measured),
        ("fp16", Speed::Measured),
    ] {
        assert_eq!(speed(&recipe.parse().unwrap()), expected, "{recipe}");
    }
}

#[test]
fn rewound_weights_are_those_of_the_parents_first_epochs() {
    let (plan, weights, dataset) = parent();
    let sink = Recorder::default();
    let recipe = |rewind: usize| Recipe {
        steps: vec![RecipeStep::Weights(crate::spec::PruneWeights {
            rewind: Some(rewind),
            ..crate::spec::PruneWeights::of(0.5, 0)
        })],
    };
    let control = RunControl::default();
    let rewound = |plan: &RunPlan, epochs: usize| {
        let applied = apply(&recipe(epochs), plan, &weights, false, &dataset, &control, &sink).unwrap();
        let Applied::Finished(compressed) = applied else {
            panic!("nobody asked to stop");
        };
        compressed.weights
    };
    let mask = weights::mask_of_zeros(&plan.model, &rewound(&plan, 0));
    let first = crate::train::first_weights(&plan).unwrap();
    assert_eq!(rewound(&plan, 0), weights::apply(&first, &mask));
    assert_eq!(rewound(&plan, 4), weights::apply(&weights, &mask));
    assert_ne!(rewound(&plan, 1), rewound(&plan, 2));
}
