//! Training runs through the queue, the worker and the store: to the end, stopped and resumed, paused, in folds.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use trimtab::jobs::{Engine, Job, JobError, Message, Ticket};
use trimtab::spec::{ArtifactKind, Command, Event, Recipe, RunConfig, RunId, RunStatus, Speed, Verdict, parse_config};
use trimtab::store::Store;
use trimtab::timeline::RunView;

fn config(epochs: usize) -> RunConfig {
    let text = "[data]\nsource = \"iris\"\n[model]\nhidden = [8]\n[train]\nbatch_size = 8\n";
    parse_config(text, &[format!("train.epochs={epochs}")]).unwrap()
}

fn open(directory: &Path) -> (Arc<Store>, Engine) {
    let store = Arc::new(Store::open(directory).unwrap());
    let engine = Engine::start(Arc::clone(&store), || ()).unwrap();
    (store, engine)
}

/// Reads messages until the job is over, handing each event to `seen`.
fn wait(engine: &Engine, ticket: &Ticket, mut seen: impl FnMut(&Event)) -> Result<Vec<RunId>, JobError> {
    loop {
        match engine.next_within(Duration::from_mins(1)).unwrap() {
            Message::Closed { job, outcome } if job == ticket.job => return outcome,
            Message::Event(envelope) => seen(&envelope.event),
            _ => {}
        }
    }
}

fn run(engine: &Engine, job: Job) -> Result<Vec<RunId>, JobError> {
    let ticket = engine.submit(job).unwrap();
    wait(engine, &ticket, |_| ())
}

#[test]
fn a_run_is_recorded_from_the_first_step_to_the_last() {
    let directory = tempfile::tempdir().unwrap();
    let (store, engine) = open(directory.path());
    let mut live = Vec::new();
    let ticket = engine.submit(Job::Train { config: config(3) }).unwrap();
    let runs = wait(&engine, &ticket, |event| live.push(event.clone())).unwrap();
    let [id] = runs[..] else { panic!("{runs:?}") };
    let record = store.run(id).unwrap();
    assert_eq!(
        (record.run.name.as_str(), record.run.status),
        ("iris-mlp", RunStatus::Finished)
    );
    assert_eq!((record.run.epochs, record.run.parameters), (3, 4 * 8 + 8 + 8 * 3 + 3));
    assert!(record.run.test.is_some() && record.run.samples_per_second > 0.0);
    assert_eq!(store.curve(id).unwrap().len(), record.plan.total_steps());
    let events = store.events(id).unwrap();
    assert_eq!(
        events.iter().map(|envelope| envelope.event.clone()).collect::<Vec<_>>(),
        live
    );
    assert!(matches!(live[0], Event::Started { first_step: 0, .. }));
    let view = RunView::of(&events);
    assert_eq!(
        (view.status, view.step),
        (RunStatus::Finished, record.plan.total_steps())
    );
    assert!(!store.read_artifact(id, ArtifactKind::Weights).unwrap().is_empty());
    let again = run(&engine, Job::Resume { run: id }).unwrap_err();
    assert!(again.to_string().contains("has finished"), "{again}");
}

#[test]
fn stopped_and_resumed_or_paused_the_losses_are_those_of_an_undisturbed_run() {
    let directory = tempfile::tempdir().unwrap();
    let (store, engine) = open(directory.path());
    let whole = run(&engine, Job::Train { config: config(1500) }).unwrap()[0];

    let ticket = engine.submit(Job::Train { config: config(1500) }).unwrap();
    let stopped = wait(&engine, &ticket, |event| {
        if matches!(event, Event::Epoch { epoch: 2, .. }) {
            ticket.control.request(Command::Stop);
        }
    })
    .unwrap()[0];
    assert_eq!(store.run(stopped).unwrap().run.status, RunStatus::Stopped);
    let taken = store.curve(stopped).unwrap().len();
    assert!(taken < store.curve(whole).unwrap().len());
    drop(engine);

    // Another engine, as of another program.
    let (store, engine) = open(directory.path());
    run(&engine, Job::Resume { run: stopped }).unwrap();
    assert_eq!(store.run(stopped).unwrap().run.status, RunStatus::Finished);
    assert_eq!(store.curve(stopped).unwrap(), store.curve(whole).unwrap());
    let starts = |event: &Event| matches!(event, Event::Started { first_step, .. } if *first_step == taken);
    assert!(
        store
            .events(stopped)
            .unwrap()
            .iter()
            .any(|envelope| starts(&envelope.event))
    );

    let ticket = engine.submit(Job::Train { config: config(1500) }).unwrap();
    let mut pauses = 0;
    let paused = wait(&engine, &ticket, |event| match event {
        Event::Epoch { epoch: 2, .. } => ticket.control.request(Command::Pause),
        Event::Paused { .. } => {
            pauses += 1;
            assert_eq!(store.runs().unwrap()[2].status, RunStatus::Paused);
            ticket.control.request(Command::Run);
        }
        _ => {}
    })
    .unwrap()[0];
    assert_eq!(pauses, 1);
    assert_eq!(store.curve(paused).unwrap(), store.curve(whole).unwrap());
    let of = |id| store.run(id).unwrap().run;
    assert_eq!(of(paused).test, of(whole).test);
    assert_eq!(of(stopped).test, of(whole).test);
}

#[test]
fn a_run_whose_program_died_goes_on_in_another() {
    let directory = tempfile::tempdir().unwrap();
    let (store, engine) = open(directory.path());
    let whole = run(&engine, Job::Train { config: config(6) }).unwrap()[0];
    // What a killed program leaves: a row that says running, some steps, no checkpoint, no lock.
    let plan = store.run(whole).unwrap().plan;
    let lock = store
        .create_run(&trimtab::store::NewRun {
            name: "killed",
            plan: &plan,
            origin: None,
            folds: None,
        })
        .unwrap();
    for envelope in &store.events(whole).unwrap()[..2] {
        store.record(&lock, envelope, None).unwrap();
    }
    let killed = lock.run();
    drop(lock);
    assert_eq!(store.run(killed).unwrap().run.status, RunStatus::Interrupted);
    run(&engine, Job::Resume { run: killed }).unwrap();
    assert_eq!(store.run(killed).unwrap().run.status, RunStatus::Finished);
    assert_eq!(store.curve(killed).unwrap(), store.curve(whole).unwrap());
}

#[test]
fn folds_are_one_run_with_every_step_and_a_deviation() {
    let directory = tempfile::tempdir().unwrap();
    let (store, engine) = open(directory.path());
    let job = || Job::Folds {
        config: config(4),
        folds: 3,
    };
    let whole = run(&engine, job()).unwrap()[0];
    let record = store.run(whole).unwrap();
    let folds = record.run.folds.unwrap();
    assert_eq!(Some(folds.mean), record.run.test);
    assert!(folds.sd.accuracy.is_some());
    assert_eq!((record.run.status, record.run.epochs), (RunStatus::Finished, 12));
    let curve = store.curve(whole).unwrap();
    assert_eq!(curve.len(), 3 * record.plan.total_steps());
    assert!(curve.iter().enumerate().all(|(index, step)| step.step == index));

    let ticket = engine.submit(job()).unwrap();
    let stopped = wait(&engine, &ticket, |event| {
        if matches!(event, Event::Epoch { epoch: 5, .. }) {
            ticket.control.request(Command::Stop);
        }
    })
    .unwrap()[0];
    run(&engine, Job::Resume { run: stopped }).unwrap();
    assert_eq!(store.curve(stopped).unwrap(), curve);
    assert_eq!(store.run(stopped).unwrap().run.folds, Some(folds));
}

#[test]
fn what_cannot_begin_says_why_and_leaves_no_run() {
    let directory = tempfile::tempdir().unwrap();
    let (store, engine) = open(directory.path());
    let with = |change: fn(&mut RunConfig)| {
        let mut config = config(1);
        change(&mut config);
        Job::Train { config }
    };
    let error = run(&engine, with(|config| config.data.source = "irsi".to_owned())).unwrap_err();
    assert!(matches!(error, JobError::Data(_)), "{error}");
    let error = run(
        &engine,
        with(|config| (config.train.batch_size, config.train.learning_rate) = (0, -1.0)),
    )
    .unwrap_err();
    assert!(
        matches!(&error, JobError::Config(issues) if issues.len() == 2),
        "{error}"
    );
    let error = run(&engine, Job::Resume { run: RunId(7) }).unwrap_err();
    assert!(error.to_string().contains("no run `r7`"), "{error}");
    assert!(store.runs().unwrap().is_empty());
}

#[test]
fn a_diverging_run_fails_with_the_step_and_a_hint() {
    let directory = tempfile::tempdir().unwrap();
    let (store, engine) = open(directory.path());
    let mut config = config(50);
    config.train.learning_rate = 1e30;
    config.train.optimizer = trimtab::spec::OptimizerKind::Sgd;
    let id = run(&engine, Job::Train { config }).unwrap()[0];
    let failed = store.run(id).unwrap().run;
    assert_eq!(failed.status, RunStatus::Failed);
    let failure = failed.failure.unwrap();
    assert!(
        failure.contains("step") && failure.contains("learning_rate"),
        "{failure}"
    );
}

fn recipes(texts: &[&str]) -> Vec<Recipe> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn recipes_make_measured_children_and_the_parent_is_their_baseline() {
    let directory = tempfile::tempdir().unwrap();
    let (store, engine) = open(directory.path());
    let parent = run(&engine, Job::Train { config: config(20) }).unwrap()[0];
    assert!(store.run(parent).unwrap().run.deployed.is_none(), "not measured yet");
    let texts = ["units:0.5:finetune=2", "int8-static", "fp16", "weights:0.8:finetune=2"];
    let children = run(
        &engine,
        Job::Compress {
            run: parent,
            recipes: recipes(&texts),
        },
    )
    .unwrap();
    let [baseline, rows @ ..] = &[vec![parent], children.clone()]
        .concat()
        .into_iter()
        .map(|run| store.run(run).unwrap())
        .collect::<Vec<_>>()[..]
    else {
        panic!()
    };
    let reference = baseline.run.deployed.as_ref().unwrap();
    assert_eq!((&reference.recipe, reference.verdict), (&None, Verdict::CannotTell));
    assert_eq!(Some(reference.accuracy), baseline.run.test.unwrap().accuracy);
    for (row, text) in rows.iter().zip(texts) {
        let deployed = row.run.deployed.as_ref().unwrap();
        assert_eq!(
            (row.run.status, deployed.parent),
            (RunStatus::Finished, Some(parent)),
            "{text}"
        );
        assert_eq!(deployed.recipe.as_ref().unwrap().to_string(), text);
        assert_eq!(
            deployed.speed == Speed::Simulated,
            text.starts_with("weights"),
            "{text}"
        );
        let onnx = store.read_artifact(row.run.run, ArtifactKind::Onnx).unwrap();
        assert_eq!(deployed.size_bytes, onnx.len() as u64);
        let kept = store.artifacts(row.run.run).unwrap();
        assert!(kept.iter().any(|artifact| artifact.sha256 == deployed.sha256), "{text}");
        assert_eq!(row.run.test.unwrap().accuracy, Some(deployed.accuracy));
        assert!(deployed.latency_us.batch64.n >= 30);
        let steps_per_epoch = baseline.plan.steps_per_epoch;
        let trains = text.contains("finetune");
        assert_eq!(
            store.curve(row.run.run).unwrap().len(),
            if trains { 2 * steps_per_epoch } else { 0 }
        );
        assert_eq!(row.run.epochs, if trains { 2 } else { 0 });
    }
    assert!(rows[0].run.parameters < baseline.run.parameters);
    assert_eq!(rows[0].plan.model.layers.len(), baseline.plan.model.layers.len());

    // Any of them again, in any order: the baseline comes first.
    let measured = run(
        &engine,
        Job::Measure {
            runs: vec![children[2], children[2], parent],
        },
    )
    .unwrap();
    assert_eq!(measured, [parent, children[2]]);

    let to = directory.path().join("folder");
    run(
        &engine,
        Job::Export {
            run: children[1],
            to: to.clone(),
        },
    )
    .unwrap();
    assert_eq!(
        std::fs::read(to.join("model.onnx")).unwrap(),
        store.read_artifact(children[1], ArtifactKind::Onnx).unwrap()
    );
}

#[test]
fn a_stopped_compression_comes_to_the_same_file() {
    let directory = tempfile::tempdir().unwrap();
    let (store, engine) = open(directory.path());
    let parent = run(&engine, Job::Train { config: config(5) }).unwrap()[0];
    let job = || Job::Compress {
        run: parent,
        recipes: recipes(&["units:0.25:finetune=800+weights:0.5:finetune=800", "fp16"]),
    };
    let whole = run(&engine, job()).unwrap()[0];
    let ticket = engine.submit(job()).unwrap();
    let made = wait(&engine, &ticket, |event| {
        if matches!(event, Event::Epoch { epoch: 802, .. }) {
            ticket.control.request(Command::Stop);
        }
    })
    .unwrap();
    let [stopped] = made[..] else { panic!("{made:?}") };
    assert_eq!(store.run(stopped).unwrap().run.status, RunStatus::Stopped);
    let error = run(&engine, Job::Measure { runs: vec![stopped] }).unwrap_err();
    assert!(error.to_string().contains("is stopped, not finished"), "{error}");
    run(&engine, Job::Resume { run: stopped }).unwrap();
    let of = |run| store.run(run).unwrap();
    let sha = |run| of(run).run.deployed.unwrap().sha256;
    assert_eq!(
        (of(stopped).run.status, sha(stopped)),
        (RunStatus::Finished, sha(whole))
    );
    assert_eq!(store.curve(stopped).unwrap(), store.curve(whole).unwrap());
    assert_eq!(of(stopped).plan, of(whole).plan);
}

/// Hands each message to `seen` until the job is over.
fn follow(engine: &Engine, ticket: &Ticket, mut seen: impl FnMut(&Message)) -> Result<Vec<RunId>, JobError> {
    loop {
        match engine.next_within(Duration::from_mins(1)).unwrap() {
            Message::Closed { job, outcome } if job == ticket.job => return outcome,
            message => seen(&message),
        }
    }
}

#[test]
fn measuring_and_exporting_can_be_stopped_and_paused() {
    let directory = tempfile::tempdir().unwrap();
    let (store, engine) = open(directory.path());
    let parent = run(&engine, Job::Train { config: config(5) }).unwrap()[0];
    let is_measured = |run| store.run(run).unwrap().run.deployed.is_some();
    let stopped = |job: Job| {
        let ticket = engine.submit(job).unwrap();
        follow(&engine, &ticket, |message| {
            if matches!(message, Message::Progress { .. }) {
                ticket.control.request(Command::Stop);
            }
        })
    };
    let outcome = stopped(Job::Measure { runs: vec![parent] });
    assert!(matches!(outcome, Err(JobError::Stopped)), "{outcome:?}");
    let to = directory.path().join("out");
    let outcome = stopped(Job::Export {
        run: parent,
        to: to.clone(),
    });
    assert!(matches!(outcome, Err(JobError::Stopped)), "{outcome:?}");
    assert!(!is_measured(parent) && !to.exists());
    // Stopped while the first is measured, the second is not begun.
    let outcome = stopped(Job::Compress {
        run: parent,
        recipes: recipes(&["fp16", "int8-static"]),
    });
    assert!(matches!(outcome, Err(JobError::Stopped)), "{outcome:?}");
    let runs = store.runs().unwrap();
    assert_eq!((runs.len(), runs[1].status), (2, RunStatus::Finished));
    assert!(!is_measured(parent) && !is_measured(runs[1].run));

    let ticket = engine.submit(Job::Measure { runs: vec![parent] }).unwrap();
    let mut is_told = false;
    follow(&engine, &ticket, |message| {
        if matches!(message, Message::Progress { .. }) && !is_told {
            is_told = true;
            ticket.control.request(Command::Pause);
            std::thread::sleep(Duration::from_millis(500));
            assert!(!is_measured(parent));
            ticket.control.request(Command::Run);
        }
    })
    .unwrap();
    assert!(is_measured(parent));
}

#[test]
fn a_run_that_was_deleted_while_it_waited_is_not_taken_up() {
    let directory = tempfile::tempdir().unwrap();
    let (store, engine) = open(directory.path());
    let ticket = engine.submit(Job::Train { config: config(1500) }).unwrap();
    let stopped = wait(&engine, &ticket, |event| {
        if matches!(event, Event::Epoch { epoch: 2, .. }) {
            ticket.control.request(Command::Stop);
        }
    })
    .unwrap()[0];
    store.set_deleted(&[stopped], true).unwrap();
    let error = run(&engine, Job::Resume { run: stopped }).unwrap_err();
    assert!(error.to_string().contains("no run `r1`"), "{error}");
    store.set_deleted(&[stopped], false).unwrap();
    assert_eq!(store.run(stopped).unwrap().run.status, RunStatus::Stopped);
}

#[test]
fn a_finished_network_can_be_compressed_and_what_comes_of_it_further() {
    let directory = tempfile::tempdir().unwrap();
    let (store, engine) = open(directory.path());
    let parent = run(&engine, Job::Train { config: config(2) }).unwrap()[0];
    let by = |run, recipe| Job::Compress {
        run,
        recipes: recipes(&[recipe]),
    };
    let child = run(&engine, by(parent, "weights:0.8")).unwrap()[0];
    let further = run(&engine, by(child, "finetune:2+int8-static")).unwrap()[0];
    let of = |run| store.run(run).unwrap();
    // What it was found to be beside its parent still holds where others were held against it.
    assert_eq!(of(child).run.timed_beside(), Some(parent));
    assert_eq!(of(further).run.timed_beside(), Some(child));
    assert_eq!(
        of(further).origin,
        Some((child, "finetune:2+int8-static".parse().unwrap()))
    );
    assert_eq!(of(further).run.deployed.unwrap().parent, Some(child));
    let zeros = |run| {
        let bytes = store.read_artifact(run, ArtifactKind::Weights).unwrap();
        let weights = trimtab::train::weights_from_bytes(&bytes).unwrap();
        let values = weights
            .tensors
            .into_iter()
            .filter(|tensor| tensor.shape.len() > 1)
            .flat_map(|tensor| tensor.data);
        values.filter(|&value| value == 0.0).count()
    };
    assert!(
        zeros(child) > 20 && zeros(further) == zeros(child),
        "{} {}",
        zeros(child),
        zeros(further)
    );
    let compress = |run| by(run, "fp16");
    let folds = run(
        &engine,
        Job::Folds {
            config: config(1),
            folds: 2,
        },
    )
    .unwrap()[0];
    for (unfit, word) in [(folds, "cross-validation"), (RunId(99), "no run `r99`")] {
        let error = run(&engine, compress(unfit)).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn only_what_was_trained_and_nothing_else_can_be_rewound() {
    let directory = tempfile::tempdir().unwrap();
    let (store, engine) = open(directory.path());
    let trained = run(&engine, Job::Train { config: config(4) }).unwrap()[0];
    let compress = |run_: RunId, recipe: &str| {
        let recipes = recipes(&[recipe]);
        let child = run(&engine, Job::Compress { run: run_, recipes }).unwrap()[0];
        (child, store.run(child).unwrap().run.failure)
    };
    let (halved, _) = compress(trained, "units:0.5");
    assert_eq!(compress(trained, "weights:0.5:rewind=1").1, None);
    let mut pruned = config(4);
    pruned.train.prune = Some("weights:0.5:begin=0.1:end=0.6".parse().unwrap());
    let pruned = run(&engine, Job::Train { config: pruned }).unwrap()[0];
    for other in [halved, pruned] {
        let failure = compress(other, "weights:0.5:rewind=1").1.unwrap();
        assert!(failure.contains("no early weights"), "{failure}");
    }
}

#[test]
fn a_run_pruned_in_training_is_the_smaller_network_from_then_on() {
    let directory = tempfile::tempdir().unwrap();
    let (store, engine) = open(directory.path());
    let mut pruned = config(200);
    pruned.train.prune = Some("units:0.5:begin=0.1:end=0.6:criterion=taylor".parse().unwrap());
    let whole = run(&engine, Job::Train { config: pruned.clone() }).unwrap()[0];
    let record = store.run(whole).unwrap();
    assert_eq!(record.run.parameters, 4 * 4 + 4 + 4 * 3 + 3);
    let notes = store.events(whole).unwrap();
    let says = |word: &str| {
        let mut notes = notes.iter();
        notes.any(|envelope| matches!(&envelope.event, Event::Note { text } if text.contains(word)))
    };
    assert!(says("units were removed") && says("ms before units were removed"));

    // Stopped when half of it is removed, it comes to the same end.
    let ticket = engine.submit(Job::Train { config: pruned }).unwrap();
    let stopped = wait(&engine, &ticket, |event| {
        if matches!(event, Event::Epoch { epoch: 60, .. }) {
            ticket.control.request(Command::Stop);
        }
    })
    .unwrap()[0];
    if store.run(stopped).unwrap().run.status == RunStatus::Stopped {
        run(&engine, Job::Resume { run: stopped }).unwrap();
    }
    let resumed = store.run(stopped).unwrap();
    assert_eq!(resumed.run.test, record.run.test);
    assert_eq!(resumed.plan.model, record.plan.model);
    let weights = |run| store.read_artifact(run, ArtifactKind::Weights).unwrap();
    assert_eq!(weights(whole), weights(stopped));

    // What is left can be compressed as any run.
    let children = run(
        &engine,
        Job::Compress {
            run: whole,
            recipes: recipes(&["units:0.5:finetune=2"]),
        },
    )
    .unwrap();
    let child = store.run(children[0]).unwrap();
    assert_eq!(child.run.parameters, 4 * 2 + 2 + 2 * 3 + 3);
}
