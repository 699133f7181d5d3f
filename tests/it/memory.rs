//! The memory ledger against the counted heap, on random networks and those that the workbench begins with: the total within
//! 15 % of a whole run's peak, and each term beside what was measured where it begins or ends.

use std::sync::Mutex;
use std::time::Instant;

use rand_chacha::rand_core::Rng;
use trimtab::compress;
use trimtab::data::{Dataset, Samples, Targets};
use trimtab::meter::alloc;
use trimtab::nn::{self, DropoutKey, Network};
use trimtab::spec::{
    Architecture, ArtifactKind, DataKind, DatasetSummary, Device, Event, EventSink, Failure, InputForm, MemoryLedger,
    ModelConfig, OptimizerKind, Precision, Preprocessing, PresetSize, RunConfig, RunControl, RunPlan, Shape, SplitRows,
    TargetTransform, Task, stream,
};
use trimtab::train::{self, Optimizer, Start, TrainJob};

use super::alone::alone;
use super::command_line::Desk;

const NETWORKS: u64 = 20;
const TOLERANCE: f64 = 0.15;

/// Keeps nothing, so that nothing but the run is on the heap.
struct Nowhere;

impl EventSink for Nowhere {
    fn emit(&self, _: Event) -> Result<(), Failure> {
        Ok(())
    }

    fn save(&self, _: ArtifactKind, _: &[u8]) -> Result<(), Failure> {
        Ok(())
    }
}

#[test]
fn the_ledger_is_within_15_percent_of_the_counted_peak_on_20_random_networks_and_the_shipped_ones() {
    alone("memory::measure");
}

#[test]
fn the_ledger_is_within_10_percent_on_every_architecture_at_three_batch_sizes_with_and_without_recomputation() {
    alone("memory::measure_architectures");
}

#[test]
fn activations_in_16_bits_take_less_memory_and_the_network_learns_as_well() {
    let desk = Desk::new();
    let text = desk.text(&["init", "--dataset", "digits", "--architecture", "cnn"]);
    std::fs::write(desk.folder.path().join("cnn.toml"), text).unwrap();
    let figures = |precision: &str| {
        let precision = format!("train.precision={precision}");
        let run = desk.json(&[
            "train",
            "cnn.toml",
            "--set",
            &precision,
            "--set",
            "train.epochs=8",
            "--set",
            "train.batch_size=128",
            "--json",
        ]);
        let of = |key: &str| run[key].as_f64().unwrap();
        let accuracy = run["test"]["accuracy"].as_f64().unwrap();
        (of("predicted_memory_bytes"), of("peak_memory_bytes"), accuracy)
    };
    let (_, whole, accuracy) = figures("f32");
    for precision in ["bf16", "f16"] {
        let (predicted, peak, as_well) = figures(precision);
        assert!(peak < 0.88 * whole, "{precision}: {peak} of {whole}");
        assert!((predicted / peak - 1.0).abs() < 0.1, "{precision}: {predicted} {peak}");
        assert!(as_well > accuracy - 0.012, "{precision}: {as_well} {accuracy}");
    }
    let on_ndarray = ["--set", "train.precision=bf16", "--set", "run.device=ndarray"];
    let refused = desk.failure(1, &[&["train", "cnn.toml"], &on_ndarray[..]].concat());
    assert!(refused.contains("ndarray keeps everything in 32 bits"), "{refused}");
}

#[test]
#[ignore = "alone in its process, started by the test above"]
fn measure_architectures() {
    hold(architectures().chain(many_rows()), 0.1);
    hold(held_beside(), 0.15);
    // How much workers do at the same moment is for the machine to say: the ledger has all of it.
    hold(together(), 0.4);
}

/// The small preset of every neural architecture on the digits; those that read texts on texts, recurrent ones in both directions
/// too.
fn architectures() -> impl Iterator<Item = (RunPlan, Dataset)> {
    let neural = Architecture::ALL
        .into_iter()
        .filter(|architecture| !architecture.is_classical());
    let on_digits = neural.map(|architecture| ("digits", architecture, false));
    let on_texts = [
        Architecture::Linear,
        Architecture::Mlp,
        Architecture::Cnn1d,
        Architecture::Rnn,
        Architecture::Gru,
        Architecture::Lstm,
        Architecture::Transformer,
    ]
    .map(|architecture| ("languages", architecture, false));
    let both_ways = [Architecture::Rnn, Architecture::Gru, Architecture::Lstm]
        .map(|architecture| ("languages", architecture, true));
    let cases = on_digits.chain(on_texts).chain(both_ways).flat_map(|case| {
        [16, 64, 256]
            .into_iter()
            .flat_map(move |batch| [false, true].map(|recompute| (case, batch, recompute)))
            .flat_map(|(case, batch, recompute)| {
                [Precision::F32, Precision::Bf16].map(|precision| (case, batch, recompute, precision))
            })
    });
    cases.map(|((source, architecture, bidirectional), batch, recompute, precision)| {
        preset(source, architecture, |config| {
            config.model.bidirectional = bidirectional;
            config.train.batch_size = batch;
            config.train.recompute = recompute;
            config.train.precision = precision;
        })
    })
}

/// Small networks on many rows, whose scores take more than their steps.
fn many_rows() -> impl Iterator<Item = (RunPlan, Dataset)> {
    let cases = [
        ("glyphs", Architecture::Cnn, 8000),
        ("moons", Architecture::Mlp, 40_000),
        ("adding", Architecture::Linear, 20_000),
    ];
    cases.into_iter().map(|(source, architecture, samples)| {
        let mut config = RunConfig::digits_cnn();
        source.clone_into(&mut config.data.source);
        config.data.samples = samples;
        let dataset = trimtab::data::load(&config.data).unwrap();
        config.model = ModelConfig::preset(architecture, PresetSize::Tiny, dataset.summary.input);
        (config.model.filters, config.model.hidden) = (vec![4], Vec::new());
        (config.train.epochs, config.train.batch_size) = (1, 8);
        (config.check(&dataset.summary).unwrap(), dataset)
    })
}

/// What is held beside the weights: their average, and the mask of those that are pruned.
fn held_beside() -> impl Iterator<Item = (RunPlan, Dataset)> {
    let architectures = [Architecture::Mlp, Architecture::Cnn, Architecture::Transformer];
    architectures.into_iter().flat_map(|architecture| {
        let average = preset("digits", architecture, |config| config.train.average = Some(0.99));
        let pruned = preset("digits", architecture, |config| {
            config.train.prune = Some("weights:0.8".parse().unwrap());
        });
        [average, pruned]
    })
}

/// Two workers on the digits.
fn together() -> impl Iterator<Item = (RunPlan, Dataset)> {
    let architectures = [
        Architecture::Mlp,
        Architecture::Cnn,
        Architecture::Gru,
        Architecture::Transformer,
    ];
    architectures.into_iter().map(|architecture| {
        preset("digits", architecture, |config| {
            config.train.batch_size = 256;
            config.train.workers = 2;
        })
    })
}

/// One epoch of the small preset.
fn preset(source: &str, architecture: Architecture, change: impl FnOnce(&mut RunConfig)) -> (RunPlan, Dataset) {
    let mut config = RunConfig::digits_cnn();
    source.clone_into(&mut config.data.source);
    config.train.epochs = 1;
    let dataset = trimtab::data::load(&config.data).unwrap();
    config.model = ModelConfig::preset(architecture, PresetSize::Small, dataset.summary.input);
    change(&mut config);
    (config.check(&dataset.summary).unwrap(), dataset)
}

#[test]
#[ignore = "alone in its process, started by the test above"]
fn measure() {
    hold((0..NETWORKS).map(case).chain(shipped()), TOLERANCE);
}

/// Trains each and holds what was predicted against what was counted.
fn hold(cases: impl Iterator<Item = (RunPlan, Dataset)>, tolerance: f64) {
    println!("KiB, predicted / measured; the measured workspace is what the peak holds beside the other five");
    println!(
        "network | batch size | weights | gradients | optimizer | activations | batch | workspace | peak | ratio | seconds of the run"
    );
    let mut outside = Vec::new();
    for (plan, dataset) in cases {
        let predicted = trimtab::cost::memory(&plan);
        train::take_part();
        let measured = phases(&plan, &dataset);
        let before = alloc::live_bytes();
        let began = Instant::now();
        let idle = RunControl::default();
        let outcome = compress::train_and_prune(&plan, &dataset, Start::Fresh, &idle, &Nowhere).unwrap();
        let peak = alloc::peak_bytes() - before;
        drop(outcome);
        let seconds = began.elapsed().as_secs_f64();
        let ratio = predicted.total() as f64 / peak as f64;
        let kib = |bytes: u64| bytes.div_ceil(1024);
        let workspace = (peak as u64).saturating_sub(measured.total());
        let terms = [
            (predicted.weights, measured.weights),
            (predicted.gradients, measured.gradients),
            (predicted.optimizer, measured.optimizer),
            (predicted.activations, measured.activations),
            (predicted.batch, measured.batch),
            (predicted.workspace, workspace),
            (predicted.total(), peak as u64),
        ]
        .map(|(predicted, measured)| format!("{}/{}", kib(predicted), kib(measured)));
        let name = format!("{} {}", dataset.summary.name, describe(&plan.config));
        println!(
            "{name} | {} | {} | {ratio:.3} | {seconds:.2}",
            plan.config.train.batch_size,
            terms.join(" | ")
        );
        if (ratio - 1.0).abs() > tolerance {
            outside.push((name, ratio));
        }
    }
    assert!(outside.is_empty(), "outside {tolerance}: {outside:?}");
}

/// What each term takes on the heap where it begins: weights when the network is built, the optimizer's state when it is
/// made, the batch when it is gathered, activations when the forward pass ends, gradients when the backward pass has.
fn phases(plan: &RunPlan, dataset: &Dataset) -> MemoryLedger {
    let device = nn::device(Device::Flex).unwrap().autodiff();
    let rows: Vec<usize> = (0..plan.config.train.batch_size).collect();
    let mut last = alloc::live_bytes();
    let mut grown = || {
        let now = alloc::live_bytes();
        (now - std::mem::replace(&mut last, now)) as u64
    };
    let network = Network::new(&plan.model, 0, &device).unwrap();
    let network = network
        .recomputing(plan.config.train.recompute)
        .keeping(plan.config.train.precision);
    let weights = grown();
    let parameters = network.describe_parameters();
    grown();
    let state = Optimizer::new(&plan.config.train, &parameters);
    let optimizer = grown();
    let inputs = dataset
        .train
        .inputs
        .slice(0..rows.len() * dataset.train.shape.len())
        .unwrap()
        .into_owned();
    let batch = grown();
    let mut activations = 0;
    let key = DropoutKey {
        seed: 0,
        step: 0,
        first_row: 0,
    };
    let gradients = network.gradients(inputs, rows.len(), key, |outputs| {
        activations = grown();
        Ok::<_, ()>(vec![0.01; outputs.len()])
    });
    let gradients = gradients
        .unwrap()
        .iter()
        .map(|gradient| 4 * gradient.capacity() as u64)
        .sum();
    drop(state);
    MemoryLedger {
        weights,
        gradients,
        optimizer,
        activations,
        workspace: 0,
        batch,
    }
}

fn describe(config: &RunConfig) -> String {
    let model = &config.model;
    let mut again = if config.train.recompute { ", recomputing" } else { "" }.to_owned();
    if config.train.precision != Precision::F32 {
        again += ", 16 bits";
    }
    match model.architecture {
        Architecture::Cnn => format!(
            "cnn {:?} k{} p{} norm {} dense {:?} {:?}{again}",
            model.filters, model.kernel[0], model.pool[0], model.batch_norm, model.hidden, config.train.optimizer
        ),
        Architecture::Mlp => format!(
            "mlp {:?} dropout {} {:?}{again}",
            model.hidden, model.dropout, config.train.optimizer
        ),
        architecture => format!(
            "{architecture}{}, {} workers{again}",
            if model.bidirectional { " both ways" } else { "" },
            config.train.workers
        ),
    }
}

/// A random network and random data of its shape.
fn case(index: u64) -> (RunPlan, Dataset) {
    let mut generator = stream(7, "memory", index);
    let mut pick = |low: usize, high: usize| low + generator.next_u32() as usize % (high - low + 1);
    let batch = pick(16, 256);
    let mut config = RunConfig::default();
    config.train.epochs = 1;
    config.train.batch_size = batch;
    config.train.optimizer = [OptimizerKind::Sgd, OptimizerKind::Adam, OptimizerKind::AdamW][pick(0, 2)];
    let shape = if index.is_multiple_of(2) {
        config.model = ModelConfig {
            hidden: (0..pick(1, 3)).map(|_| pick(32, 400)).collect(),
            dropout: [0.0, 0.3][pick(0, 1)],
            ..ModelConfig::default()
        };
        Shape::Features { features: pick(8, 400) }
    } else {
        let edge = pick(8, 20);
        config.model = ModelConfig {
            architecture: Architecture::Cnn,
            filters: (0..pick(1, 2)).map(|_| pick(8, 32)).collect(),
            kernel: vec![[1, 3, 5][pick(0, 2)]],
            pool: vec![pick(1, 2)],
            batch_norm: pick(0, 1) == 1,
            hidden: vec![pick(16, 64)],
            ..ModelConfig::default()
        };
        Shape::Image {
            channels: pick(1, 3),
            height: edge,
            width: edge,
        }
    };
    let classes: Vec<String> = (0..pick(2, 10)).map(|class| class.to_string()).collect();
    let samples = |rows: usize| Samples {
        shape,
        inputs: (0..rows * shape.len())
            .map(|value| (value % 17) as f32 * 0.1 - 0.8)
            .collect(),
        targets: Targets::Classes((0..rows).map(|row| (row % classes.len()) as u32).collect()),
    };
    let dataset = Dataset {
        summary: DatasetSummary {
            name: "random".to_owned(),
            kind: DataKind::Table,
            rows: 4 * batch,
            input: shape,
            task: Task::Classification {
                classes: classes.clone(),
            },
            class_rows: Vec::new(),
            split: SplitRows {
                train: 2 * batch,
                validation: batch,
                test: batch,
            },
            columns: Vec::new(),
            target: String::new(),
            notes: Vec::new(),
            content: None,
        },
        preprocessing: Preprocessing {
            form: InputForm::Row,
            columns: Vec::new(),
            shape,
            target_column: String::new(),
            target: TargetTransform::Classes {
                classes: classes.clone(),
            },
        },
        train: samples(2 * batch),
        validation: samples(batch),
        test: samples(batch),
    };
    (config.check(&dataset.summary).unwrap(), dataset)
}

/// One epoch of what a newcomer trains first, on the data sets that come with the program.
fn shipped() -> impl Iterator<Item = (RunPlan, Dataset)> {
    let mut wide = RunConfig::digits_cnn();
    wide.model.filters = vec![24, 48];
    let on = |source: &str| {
        let mut config = RunConfig::default();
        source.clone_into(&mut config.data.source);
        config
    };
    let configs = [RunConfig::digits_cnn(), wide, on("digits"), on("iris"), on("moons")];
    configs.into_iter().map(|mut config| {
        config.train.epochs = 1;
        let dataset = trimtab::data::load(&config.data).unwrap();
        (config.check(&dataset.summary).unwrap(), dataset)
    })
}

#[test]
fn a_thousand_steps_keep_memory_flat() {
    alone("memory::measure_a_thousand_steps");
}

/// Heap in use after each event of steps.
#[derive(Default)]
struct Heights(Mutex<Vec<(usize, u64)>>);

impl EventSink for Heights {
    fn emit(&self, event: Event) -> Result<(), Failure> {
        if let Event::Steps { steps, memory, .. } = event {
            let last = steps.last().map_or(0, |step| step.step);
            self.0.lock().unwrap().push((last, memory.live_bytes));
        }
        Ok(())
    }

    fn save(&self, _: ArtifactKind, _: &[u8]) -> Result<(), Failure> {
        Ok(())
    }
}

#[test]
#[ignore = "alone in its process, started by the test above"]
fn measure_a_thousand_steps() {
    let mut config = RunConfig::digits_cnn();
    config.train.batch_size = 8;
    config.train.epochs = 7;
    let dataset = trimtab::data::load(&config.data).unwrap();
    for architecture in [
        Architecture::Mlp,
        Architecture::Cnn,
        Architecture::Gru,
        Architecture::Lstm,
        Architecture::Transformer,
    ] {
        config.model = ModelConfig::preset(architecture, PresetSize::Tiny, dataset.summary.input);
        let plan = config.check(&dataset.summary).unwrap();
        let heights = Heights(Mutex::new(Vec::with_capacity(4096)));
        train::train(
            TrainJob::new(&plan, &dataset, Start::Fresh),
            &RunControl::default(),
            &heights,
        )
        .unwrap();
        let heights = heights.0.into_inner().unwrap();
        let last = heights.last().unwrap().0;
        assert!(last >= 1000, "{last} steps");
        let late = heights
            .iter()
            .filter(|(step, _)| *step >= last - 500)
            .map(|(_, bytes)| *bytes);
        let (least, most) = late.fold((u64::MAX, 0), |(least, most), bytes| {
            (least.min(bytes), most.max(bytes))
        });
        println!(
            "{architecture}: {} to {} KiB in use over the last 500 of {last} steps",
            least >> 10,
            most >> 10
        );
        // A few records of steps wait to be told.
        assert!(most - least <= most / 100 + (64 << 10), "{architecture}: {heights:?}");
    }
}
