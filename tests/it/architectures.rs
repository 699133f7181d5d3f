//! Every neural architecture on every kind of data that it accepts: trained, stopped and taken up again to the same losses,
//! exported, judged by a second engine, and scored again from the exported bytes.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use trimtab::data::{self, Dataset};
use trimtab::deploy::{self, Agreement};
use trimtab::jobs::{Engine, Job, Message};
use trimtab::spec::{
    Architecture, ArtifactKind, Command, DatasetSummary, Event, ModelConfig, ModelSpec, PresetSize, RunConfig, RunId,
    RunStatus, SummaryKind, parse_config,
};
use trimtab::store::Store;

/// Few rows to train on, many to be judged by.
const SPLIT: &str = "split = [0.2, 0.1, 0.7]";

const IMAGES: &str = "source = \"digits\"";
const TABLES: [&str; 3] = [
    "source = \"iris\"",
    "source = \"diabetes\"",
    "source = \"diabetes\"\ntarget = \"bmi,target\"",
];
const SEQUENCES: [&str; 2] = [
    "source = \"adding\"\nsamples = 300\nsteps = 12",
    // Several targets: the next values.
    "source = \"sines\"\nsamples = 400\nwindow = 12\nhorizon = 3",
];
const TEXTS: [&str; 2] = [
    "source = \"brackets\"\nsamples = 300\nsteps = 10",
    // With padding in front.
    "source = \"languages\"\nvocabulary = 60",
];

#[test]
fn images_are_read_by_every_architecture() {
    let seen = every_fitting_architecture(&[IMAGES]);
    let neural = Architecture::ALL
        .into_iter()
        .filter(|architecture| !architecture.is_classical());
    assert_eq!(seen, neural.collect::<Vec<_>>());
}

#[test]
fn a_transformer_reads_patches_and_a_first_token() {
    let bench = Bench::new();
    let dataset = bench.load(&plain(IMAGES));
    let mut config = configured(IMAGES, Architecture::Transformer, &dataset.summary);
    (config.model.patch, config.model.summary, config.model.pre_norm) = (Some(2), SummaryKind::First, false);
    bench.holds(&config, &dataset);
}

#[test]
fn a_bidirectional_layer_under_another_is_read() {
    let bench = Bench::new();
    let dataset = bench.load(&plain(TEXTS[1]));
    for architecture in [Architecture::Rnn, Architecture::Gru, Architecture::Lstm] {
        let mut config = configured(TEXTS[1], architecture, &dataset.summary);
        (config.model.units, config.model.bidirectional) = (vec![6, 5], true);
        bench.holds(&config, &dataset);
    }
}

#[test]
fn sequences_are_read_by_all_that_know_steps() {
    assert_eq!(every_fitting_architecture(&SEQUENCES).len(), 2 * STEPWISE);
}

#[test]
fn texts_are_read_by_all_that_know_steps() {
    assert_eq!(every_fitting_architecture(&TEXTS).len(), 2 * STEPWISE);
}

#[test]
fn tables_are_read_by_dense_layers() {
    assert_eq!(every_fitting_architecture(&TABLES).len(), 3 * 2);
}

/// Linear and MLP, which take all steps at once, 1-D CNN, RNN, GRU, LSTM, Transformer.
const STEPWISE: usize = 7;

/// Puts every architecture that accepts each data set to the proof; returns those that did.
fn every_fitting_architecture(sets: &[&str]) -> Vec<Architecture> {
    let bench = Bench::new();
    let mut seen = Vec::new();
    for set in sets {
        let dataset = bench.load(&plain(set));
        for architecture in Architecture::ALL
            .into_iter()
            .filter(|architecture| !architecture.is_classical())
        {
            let config = configured(set, architecture, &dataset.summary);
            let outputs = dataset.summary.task.outputs();
            if ModelSpec::from_config(&config.model, dataset.summary.input, outputs).is_ok() {
                bench.holds(&config, &dataset);
                seen.push(architecture);
            }
        }
    }
    seen
}

fn plain(set: &str) -> RunConfig {
    let text = format!("[data]\n{set}\n{SPLIT}\n[train]\nepochs = 3\nbatch_size = 16\n");
    parse_config(&text, &[]).unwrap()
}

/// The smallest preset.
fn configured(set: &str, architecture: Architecture, summary: &DatasetSummary) -> RunConfig {
    RunConfig {
        model: ModelConfig::preset(architecture, PresetSize::Tiny, summary.input),
        ..plain(set)
    }
}

struct Bench {
    directory: tempfile::TempDir,
    store: Arc<Store>,
    engine: Engine,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(&directory.path().join("store")).unwrap());
        let engine = Engine::start(Arc::clone(&store), || ()).unwrap();
        Self {
            directory,
            store,
            engine,
        }
    }

    fn load(&self, config: &RunConfig) -> Dataset {
        let _ = self;
        data::load(&config.data).unwrap()
    }

    /// Does a job to its end; `stop_at` asks it to stop once it is in that epoch.
    fn run(&self, job: Job, stop_at: Option<usize>, what: &str) -> Vec<RunId> {
        let ticket = self.engine.submit(job).unwrap();
        loop {
            match self.engine.next_within(Duration::from_mins(2)).unwrap() {
                Message::Closed { job, outcome } if job == ticket.job => {
                    return outcome.unwrap_or_else(|error| panic!("{what}: {error}"));
                }
                Message::Event(envelope) => {
                    if let Event::Epoch { epoch, .. } = envelope.event
                        && stop_at.is_some_and(|last| epoch >= last)
                    {
                        ticket.control.request(Command::Stop);
                    }
                }
                _ => {}
            }
        }
    }

    /// A run that was stopped on its way: that is a race with the worker, so it has a few tries.
    fn stopped(&self, config: &RunConfig, what: &str) -> RunId {
        for _ in 0..5 {
            let job = Job::Train { config: config.clone() };
            let run = self.run(job, Some(1), what)[0];
            if self.store.run(run).unwrap().run.status == RunStatus::Stopped {
                return run;
            }
        }
        panic!("{what}: finished before it could be stopped, five times");
    }

    fn holds(&self, config: &RunConfig, dataset: &Dataset) {
        let what = format!("{} on {}", config.model.architecture, config.data.source);
        let whole = self.run(Job::Train { config: config.clone() }, None, &what)[0];
        let record = self.store.run(whole).unwrap();
        assert_eq!(record.run.status, RunStatus::Finished, "{what}");
        let curve = self.store.curve(whole).unwrap();
        assert!(curve.iter().all(|step| step.loss.is_finite()), "{what}");

        let stopped = self.stopped(config, &what);
        let taken = self.store.curve(stopped).unwrap().len();
        assert!(taken < curve.len(), "{what}");
        self.run(Job::Resume { run: stopped }, None, &what);
        assert_eq!(
            self.store.curve(stopped).unwrap(),
            curve,
            "{what}: resumed at step {taken}"
        );

        let bytes = self.store.read_artifact(whole, ArtifactKind::Onnx).unwrap();
        let resumed = self.store.read_artifact(stopped, ArtifactKind::Onnx).unwrap();
        assert!(bytes == resumed, "{what}: the exported files differ");
        let test = &dataset.test;
        let scores = deploy::score(&bytes, test, &dataset.preprocessing.target).unwrap();
        assert_eq!(record.run.test.as_ref(), Some(&scores.metrics), "{what}");
        assert!(
            scores.metrics.accuracy.is_some() || scores.metrics.r2.is_some(),
            "{what}"
        );
        let second = deploy::second_opinion(&bytes, test.shape, &test.inputs).unwrap();
        Agreement::between(&scores.outputs, &second, dataset.summary.task.outputs())
            .require_float(&second, "our runtime and rten")
            .unwrap_or_else(|error| panic!("{what}: {error}"));

        let folder = self.directory.path().join(format!("export-{whole}"));
        let to = folder.clone();
        self.run(Job::Export { run: whole, to }, None, &what);
        assert!(
            fs::read(Path::new(&folder).join("model.onnx")).unwrap() == bytes,
            "{what}"
        );
    }
}
