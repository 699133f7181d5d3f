//! Recipes from their first step to their last, on a small network.

use std::sync::Mutex;

use super::super::weights;
use super::*;
use crate::data;
use crate::spec::{DataConfig, LayerSpec, RunConfig};

#[derive(Default)]
struct Recorder {
    events: Mutex<Vec<Event>>,
    kept: Mutex<Option<Vec<u8>>>,
    control: RunControl,
    /// Asks to stop when this epoch is told.
    stops_after: Option<usize>,
}

impl EventSink for Recorder {
    fn emit(&self, event: Event) -> Result<(), Failure> {
        if matches!(&event, Event::Epoch { epoch, .. } if Some(*epoch) == self.stops_after) {
            self.control.request(Command::Stop);
        }
        self.events.lock().unwrap().push(event);
        Ok(())
    }

    fn save(&self, kind: ArtifactKind, bytes: &[u8]) -> Result<(), Failure> {
        if kind == ArtifactKind::Checkpoint {
            *self.kept.lock().unwrap() = Some(bytes.to_vec());
        }
        Ok(())
    }
}

impl Recorder {
    fn kept(&self) -> Kept {
        let kept = self.kept.lock().unwrap();
        kept.as_ref()
            .map_or_else(Kept::default, |bytes| Kept::from_bytes(bytes).unwrap())
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

/// Of a network whose single weights were not pruned.
fn origin((plan, weights, dataset): &(RunPlan, Weights, Dataset)) -> Origin<'_> {
    Origin {
        plan,
        weights,
        is_pruned: false,
        is_repeatable: true,
        dataset,
    }
}

fn finished(applied: Applied) -> Compressed {
    match applied {
        Applied::Finished(compressed) => *compressed,
        Applied::Stopped { step } => panic!("stopped before step {step}"),
    }
}

fn run(recipe: &str, sink: &Recorder) -> Compressed {
    let recipe = recipe.parse().unwrap();
    finished(apply(&recipe, origin(&parent()), Kept::default(), &sink.control, sink).unwrap())
}

fn steps(sink: &Recorder) -> Vec<usize> {
    let events = sink.events.lock().unwrap();
    let steps = events.iter().filter_map(|event| match event {
        Event::Steps { steps, .. } => Some(steps.iter().map(|record| record.step)),
        _ => None,
    });
    steps.flatten().collect()
}

#[test]
fn an_interrupted_recipe_goes_on_where_it_stood_and_comes_to_the_same_end() {
    let parent = parent();
    for (recipe, stops_after) in [
        ("finetune:3", 1),
        ("units:0.5:finetune=2+weights:0.5:finetune=2+int8-static", 1),
        ("units:0.5:finetune=2+weights:0.5:finetune=2+int8-static", 3),
        ("weights:0.6:schedule=iterative:steps=3:finetune=2", 5),
        ("weights:0.8:schedule=cubic:finetune=4", 1),
        ("distil:preset=tiny:epochs=3+finetune:2", 4),
        ("finetune:2+int8-qat:epochs=2", 1),
        ("finetune:2+int8-qat:epochs=2", 3),
    ] {
        let parsed: Recipe = recipe.parse().unwrap();
        let whole = run(recipe, &Recorder::default());
        let first = Recorder {
            stops_after: Some(stops_after),
            ..Recorder::default()
        };
        let stopped = apply(&parsed, origin(&parent), Kept::default(), &first.control, &first).unwrap();
        let Applied::Stopped { step } = stopped else {
            panic!("{recipe} did not stop")
        };
        assert_eq!(step, stops_after * whole.plan.steps_per_epoch, "{recipe}");
        let kept = first.kept();
        // Training on grids begins anew.
        let from = if recipe.contains("qat") {
            step.min(2 * whole.plan.steps_per_epoch)
        } else {
            step
        };
        assert_eq!(kept.step(), from, "{recipe}");
        let second = Recorder::default();
        let resumed = finished(apply(&parsed, origin(&parent), kept, &second.control, &second).unwrap());
        assert_eq!(resumed, whole, "{recipe}");
        let total = parsed.finetune_epochs() * whole.plan.steps_per_epoch;
        assert_eq!(steps(&second), (from..total).collect::<Vec<_>>(), "{recipe}");
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
    assert_eq!(
        steps(&sink),
        (0..3 * compressed.plan.steps_per_epoch).collect::<Vec<_>>()
    );
    let events = sink.events.into_inner().unwrap();
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
        let from = Origin {
            plan: &first.plan,
            weights: &first.weights,
            is_pruned,
            is_repeatable: false,
            dataset: &dataset,
        };
        let sink = Recorder::default();
        finished(apply(&recipe, from, Kept::default(), &sink.control, &sink).unwrap())
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
    let recipe = "distil:preset=medium".parse().unwrap();
    let sink = Recorder::default();
    let failure = apply(&recipe, origin(&parent()), Kept::default(), &sink.control, &sink).unwrap_err();
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
    assert_eq!(protected("int8-dynamic:protect=0"), [0]);
    // Anything may be lost, so nothing is protected.
    assert!(protected("int4:tolerate=100").is_empty());
}

#[test]
fn what_is_to_be_protected_is_there_and_something_is_left_to_do() {
    for (recipe, word) in [
        ("weights:0.8:protect=77", "no layer 77; the network has 3"),
        ("units:0.4:protect=0,999", "no layer 999"),
        ("lowrank:rank=0.2:protect=3", "no layer 3"),
        ("blocks:0.5:protect=3", "no layer 3"),
        ("int8-static:protect=3", "no layer 3"),
        ("int8-static:protect=0,2", "nothing is quantized"),
        ("int8-dynamic:protect=2,0", "nothing is quantized"),
        ("int8-qat:epochs=1:protect=0,2", "nothing is quantized"),
        ("int4:protect=0,2", "nothing is quantized"),
    ] {
        let sink = Recorder::default();
        let applied = apply(
            &recipe.parse().unwrap(),
            origin(&parent()),
            Kept::default(),
            &sink.control,
            &sink,
        );
        let failure = applied.unwrap_err().to_string();
        assert!(failure.contains(word), "{recipe}: {failure}");
    }
}

#[test]
fn a_stop_is_obeyed() {
    let sink = Recorder::default();
    sink.control.request(Command::Stop);
    for recipe in ["units:0.5:finetune=2", "units:0.5"] {
        let applied = apply(
            &recipe.parse().unwrap(),
            origin(&parent()),
            Kept::default(),
            &sink.control,
            &sink,
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
    let parent = parent();
    let (plan, _, _) = &parent;
    let sink = Recorder::default();
    let recipe = |rewind: usize| Recipe {
        steps: vec![RecipeStep::Weights(crate::spec::PruneWeights {
            rewind: Some(rewind),
            ..crate::spec::PruneWeights::of(0.5, 0)
        })],
    };
    let rewound = |epochs: usize| {
        let applied = apply(&recipe(epochs), origin(&parent), Kept::default(), &sink.control, &sink).unwrap();
        finished(applied).weights
    };
    let mask = weights::mask_of_zeros(&plan.model, &rewound(0));
    let first = crate::train::first_weights(plan).unwrap();
    assert_eq!(rewound(0), weights::apply(&first, &mask));
    assert_ne!(rewound(1), rewound(2));
}

#[test]
fn what_cannot_change_anything_is_refused_or_said() {
    let sink = Recorder::default();
    // The parent was trained for four epochs.
    let late = "weights:0.5:rewind=4".parse().unwrap();
    let failure = apply(&late, origin(&parent()), Kept::default(), &sink.control, &sink).unwrap_err();
    assert!(failure.to_string().contains("nothing to go back to"), "{failure}");
    let parent = parent();
    let compressed = Origin {
        is_repeatable: false,
        ..origin(&parent)
    };
    let early = "weights:0.5:rewind=1".parse().unwrap();
    let failure = apply(&early, compressed, Kept::default(), &sink.control, &sink).unwrap_err();
    assert!(failure.to_string().contains("no early weights"), "{failure}");
    run("units:0.5:multiple=1000", &sink);
    let noted = |event: &Event| matches!(event, Event::Note { text } if text.contains("multiple=1000 has no effect"));
    assert!(sink.events.lock().unwrap().iter().any(noted));
}
