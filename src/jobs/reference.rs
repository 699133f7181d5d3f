//! How fast the embedded runtime is: reference networks with random weights, exported as any network is, and the same files
//! timed in turns in our runtime and in the referee's engine. Another program can take part over standard input.

use std::collections::HashSet;
use std::hint::black_box;
use std::time::Instant;

use rand::RngExt;
use serde::Serialize;

use crate::compress;
use crate::data::{Samples, Targets};
use crate::deploy::{Form, Referee, to_onnx};
use crate::meter::timing::{Contender, Protocol, compare};
use crate::nn::{self, Network};
use crate::runtime::onnx::{ModelProto, NodeProto};
use crate::runtime::{Model, Session};
use crate::spec::{
    ActivationKind, Architecture, CellKind, Device, Failure, LayerSpec, ModelConfig, ModelSpec, PaddingKind,
    PresetSize, Quantization, Shape, Task, stream,
};

const CLASSES: usize = 10;
/// Samples that quantization is calibrated with, and whose outputs can be compared.
const SAMPLES: usize = 256;
/// The two batches that are timed.
pub const BATCHES: [usize; 2] = [1, 64];

/// Ends the name of a file that is compared in steps, and not timed.
pub const TRUNK: &str = "-trunk";

/// A reference network in one form, as a file.
pub struct ReferenceFile {
    /// Network and form, such as `cnn28-int8`.
    pub name: String,
    pub bytes: Vec<u8>,
    /// Of a sample.
    pub shape: Shape,
    /// Samples, one after another.
    pub inputs: Vec<f32>,
}

/// What was measured on one file with one batch: medians of interleaved rounds on one thread, in microseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuntimeRow {
    pub file: String,
    pub batch: usize,
    pub runtime_us: f64,
    pub rten_us: f64,
    /// The median of rten's time over ours in each round: above 1, ours is faster.
    pub ratio: f64,
    /// Layers on integer kernels.
    pub int8_layers: usize,
    /// Packed weights, and the memory of a session.
    pub weight_bytes: usize,
    pub arena_bytes: usize,
    pub engine: String,
}

/// The reference networks, fp32, and int8 where it is more than a smaller file; those whose name contains `only`.
pub fn reference_files(only: Option<&str>) -> Result<Vec<ReferenceFile>, Failure> {
    let mut files = Vec::new();
    for (name, model, quantizes) in networks()? {
        let forms: &[&str] = if quantizes { &["fp32", "int8"] } else { &["fp32"] };
        let names = forms.iter().map(|form| (format!("{name}-{form}"), *form));
        let wanted: Vec<(String, &str)> = names
            .filter(|(name, _)| only.is_none_or(|only| name.contains(only)))
            .collect();
        if wanted.is_empty() {
            continue;
        }
        let device = nn::device(Device::Flex).map_err(|error| broken(&error))?;
        let network = Network::new(&model, 0, &device).map_err(|error| broken(&error))?;
        let weights = network.to_weights();
        let mut random = stream(0, "reference inputs", 0);
        let inputs: Vec<f32> = (0..SAMPLES * model.input.len())
            .map(|_| random.random_range(-1.0..1.0))
            .collect();
        for (name, form) in wanted {
            let form = if form == "int8" {
                let samples = Samples {
                    shape: model.input,
                    inputs: inputs.clone().into(),
                    targets: Targets::Classes(vec![0; SAMPLES]),
                };
                Form::Int8(compress::ranges(
                    &model,
                    &weights,
                    &samples,
                    &Quantization::default(),
                    0,
                )?)
            } else {
                Form::Fp32
            };
            let task = Task::Classification {
                classes: (0..CLASSES).map(|class| class.to_string()).collect(),
            };
            let bytes = to_onnx(&model, &weights, &task, &form).map_err(|error| broken(&error))?;
            let file = |name: String, bytes: Vec<u8>| ReferenceFile {
                name,
                bytes,
                shape: model.input,
                inputs: inputs.clone(),
            };
            let trunk = if matches!(form, Form::Int8(_)) {
                trunk(&bytes)?
            } else {
                None
            };
            files.extend(trunk.map(|trunk| file(format!("{name}{TRUNK}"), trunk)));
            files.push(file(name, bytes));
        }
    }
    Ok(files)
}

/// The file up to the last value that is on a grid, where that is not its output: what two engines make of it is told apart in
/// steps of that grid.
fn trunk(bytes: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    let mut file = ModelProto::from_bytes(bytes).map_err(|error| broken(&error))?;
    let Some(graph) = &mut file.graph else { return Ok(None) };
    let made_of = |node: &NodeProto, operator: &str| {
        let makers = graph.node.iter().filter(|maker| maker.op_type() == operator);
        makers
            .flat_map(|maker| &maker.output)
            .any(|made| node.input.first() == Some(made))
    };
    let on_a_grid = |node: &NodeProto| node.op_type() == "DequantizeLinear" && made_of(node, "QuantizeLinear");
    let Some(last) = graph.node.iter().rposition(on_a_grid) else {
        return Ok(None);
    };
    if last + 1 == graph.node.len() {
        return Ok(None);
    }
    graph.node.truncate(last + 1);
    for output in &mut graph.output {
        output.name = graph.node[last].output.first().cloned();
        if let Some(tensor) = output.r#type.as_mut().and_then(|of| of.tensor_type.as_mut()) {
            tensor.shape = None;
        }
    }
    let read: HashSet<String> = graph.node.iter().flat_map(|node| node.input.iter().cloned()).collect();
    graph.initializer.retain(|tensor| read.contains(tensor.name()));
    Ok(Some(file.to_bytes()))
}

/// Times a file in our runtime and in the referee's engine, in turns, at batch 1 and 64.
pub fn race(file: &ReferenceFile) -> Result<Vec<RuntimeRow>, Failure> {
    let model = Model::from_onnx(&file.bytes).map_err(|error| broken(&error))?;
    let referee = Referee::load(&file.bytes, file.shape).map_err(|error| broken(&error))?;
    let mut rows = Vec::new();
    for batch in BATCHES {
        let inputs = &file.inputs[..batch * file.shape.len()];
        let mut session = model.session(batch).map_err(|error| broken(&error))?;
        let rival = referee.batch(inputs).map_err(|error| broken(&error))?;
        session.run(inputs, batch).map_err(|error| broken(&error))?;
        rival.run().map_err(|error| broken(&error))?;
        // The same calls have just succeeded.
        let mut own = || {
            black_box(session.run(black_box(inputs), batch).is_ok());
        };
        let mut other = || {
            black_box(rival.run().is_ok());
        };
        let contenders: &mut [Contender<'_>] = &mut [&mut own, &mut other];
        let Some(comparison) = compare(contenders, &Protocol::default(), &|| true) else {
            break;
        };
        let mut ratios = comparison.ratios[1].clone();
        ratios.sort_unstable_by(f64::total_cmp);
        rows.push(RuntimeRow {
            file: file.name.clone(),
            batch,
            runtime_us: comparison.latencies[0].median,
            rten_us: comparison.latencies[1].median,
            ratio: ratios[ratios.len() / 2],
            int8_layers: model.int8_layers().len(),
            weight_bytes: model.weight_bytes(),
            arena_bytes: model.arena_bytes(batch),
            engine: model.instruction_set().to_string(),
        });
    }
    Ok(rows)
}

/// What our runtime makes of a file's samples.
pub fn reference_outputs(file: &ReferenceFile) -> Result<Vec<f32>, Failure> {
    let model = Model::from_onnx(&file.bytes).map_err(|error| broken(&error))?;
    let rows = file.inputs.len() / file.shape.len();
    let mut session = model.session(rows).map_err(|error| broken(&error))?;
    let outputs = session.run(&file.inputs, rows).map_err(|error| broken(&error))?;
    Ok(outputs.to_vec())
}

/// Files that are timed a round at a time, as another program asks.
pub struct Turns<'m> {
    sessions: Vec<(&'m str, usize, Session<'m>, &'m [f32])>,
}

impl<'m> Turns<'m> {
    /// `loaded` are the models of `files`, in their order.
    pub fn new(files: &'m [ReferenceFile], loaded: &'m [Model]) -> Result<Self, Failure> {
        let mut sessions = Vec::new();
        for (file, model) in files.iter().zip(loaded) {
            for batch in BATCHES {
                let session = model.session(batch).map_err(|error| broken(&error))?;
                let inputs = &file.inputs[..batch * file.shape.len()];
                sessions.push((file.name.as_str(), batch, session, inputs));
            }
        }
        Ok(Self { sessions })
    }

    /// Loads the models of files.
    pub fn load(files: &[ReferenceFile]) -> Result<Vec<Model>, Failure> {
        let models = files.iter().map(|file| Model::from_onnx(&file.bytes));
        models.collect::<Result<_, _>>().map_err(|error| broken(&error))
    }

    /// One round of a file with a batch that lasts at least so long: the time of a call, in microseconds, and the number of calls; none
    /// where there is no such file.
    pub fn round(&mut self, name: &str, batch: usize, least_us: f64) -> Option<(f64, usize)> {
        let found = self
            .sessions
            .iter_mut()
            .find(|(own, size, ..)| (*own, *size) == (name, batch));
        let (_, _, session, inputs) = found?;
        let start = Instant::now();
        let mut calls = 0_usize;
        loop {
            // Few calls at a time, so that the clock costs little.
            for _ in 0..4 {
                black_box(session.run(black_box(inputs), batch).is_ok());
            }
            calls += 4;
            let elapsed_us = start.elapsed().as_secs_f64() * 1e6;
            if elapsed_us >= least_us {
                return Some((elapsed_us / calls as f64, calls));
            }
        }
    }
}

/// Name, network, and whether int8 is more than a smaller file.
fn networks() -> Result<Vec<(String, ModelSpec, bool)>, Failure> {
    const FEATURES: Shape = Shape::Features { features: 784 };
    const IMAGE: Shape = Shape::Image {
        channels: 1,
        height: 28,
        width: 28,
    };
    const ROWS: Shape = Shape::Sequence {
        steps: 28,
        features: 28,
    };
    const RELU: LayerSpec = LayerSpec::Activation {
        function: ActivationKind::Relu,
    };
    let dense = |units| LayerSpec::Dense { units };
    let convolution = |filters| LayerSpec::Conv2d {
        filters,
        kernel: 3,
        stride: 1,
        padding: PaddingKind::Valid,
    };
    let mlp = |hidden: [usize; 2]| vec![dense(hidden[0]), RELU, dense(hidden[1]), RELU, dense(CLASSES)];
    let cnn = |filters: [usize; 2]| {
        let [first, second] = filters.map(convolution);
        let pool = LayerSpec::MaxPool { size: 2 };
        let head = [LayerSpec::Flatten, dense(128), RELU, dense(CLASSES)];
        [first, RELU, second, RELU, pool].into_iter().chain(head).collect()
    };
    let recurrent = |cell| {
        let cell = LayerSpec::Recurrent {
            cell,
            units: 64,
            bidirectional: false,
            sequence: false,
        };
        vec![cell, dense(CLASSES)]
    };
    let mut networks = vec![
        ("mlp784", FEATURES, mlp([256, 128]), true),
        ("mlp1024", FEATURES, mlp([1024, 1024]), true),
        ("cnn28", IMAGE, cnn([32, 64]), true),
        ("cnn28half", IMAGE, cnn([16, 32]), true),
        ("gru28", ROWS, recurrent(CellKind::Gru), false),
        ("lstm28", ROWS, recurrent(CellKind::Lstm), false),
    ]
    .into_iter()
    .map(|(name, input, layers, quantizes)| (name.to_owned(), ModelSpec { input, layers }, quantizes))
    .collect::<Vec<_>>();
    let mut add = |name: String, config: &ModelConfig, input| {
        let model = ModelSpec::from_config(config, input, CLASSES).map_err(|issues| {
            let problem = issues.first().map(ToString::to_string).unwrap_or_default();
            Failure::new("reference network", problem, "report this")
        })?;
        networks.push((name, model, true));
        Ok::<_, Failure>(())
    };
    for (architecture, name) in [
        (Architecture::Resnet, "resnet28"),
        (Architecture::Mobilenet, "mobilenet28"),
    ] {
        for (size, suffix) in [(PresetSize::Small, ""), (PresetSize::Medium, "medium")] {
            let config = ModelConfig::preset(architecture, size, IMAGE);
            add(format!("{name}{suffix}"), &config, IMAGE)?;
        }
    }
    let config = ModelConfig {
        dimensions: 256,
        feed_forward: 512,
        ..ModelConfig::preset(Architecture::Transformer, PresetSize::Small, ROWS)
    };
    add("transformer256".to_owned(), &config, ROWS)?;
    Ok(networks)
}

fn broken(error: &dyn std::error::Error) -> Failure {
    Failure::new("reference network", error.to_string(), "report this")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::Agreement;

    #[test]
    fn every_reference_file_runs_as_the_referee_says() {
        let files = reference_files(None).unwrap();
        assert!(files.len() >= 20);
        for mut file in files {
            file.inputs.truncate(2 * file.shape.len());
            let own = reference_outputs(&file).unwrap();
            let referee = Referee::load(&file.bytes, file.shape).unwrap();
            let other = referee.batch(&file.inputs).unwrap().run().unwrap();
            let width = own.len() / 2;
            let agreement = Agreement::between(&own, &other, width);
            let allowed = if file.name.ends_with(TRUNK) {
                1.001 * f64::from(output_step(&file.bytes))
            } else if file.name.ends_with("fp32") {
                1e-3
            } else {
                0.1
            };
            assert!(agreement.largest <= allowed, "{}: {agreement:?}", file.name);
        }
    }

    /// The scale of the grid that a file's output is on.
    fn output_step(bytes: &[u8]) -> f32 {
        let graph = ModelProto::from_bytes(bytes).unwrap().graph.unwrap();
        let last = graph.node.last().unwrap();
        assert_eq!(last.op_type(), "DequantizeLinear");
        let scale = graph
            .initializer
            .iter()
            .find(|tensor| tensor.name() == last.input[1])
            .unwrap();
        f32::from_le_bytes(scale.raw_data()[..4].try_into().unwrap())
    }

    #[test]
    fn a_trunk_ends_on_a_grid() {
        let files = reference_files(Some("resnet28-int8")).unwrap();
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["resnet28-int8-trunk", "resnet28-int8"]);
        let step = output_step(&files[0].bytes);
        for value in reference_outputs(&files[0]).unwrap() {
            assert!(
                (value / step - (value / step).round()).abs() < 1e-3,
                "{value} of {step}"
            );
        }
    }

    #[test]
    fn a_round_is_timed_by_name_and_batch() {
        let files = reference_files(Some("mlp784-int8")).unwrap();
        let loaded = Turns::load(&files).unwrap();
        let mut turns = Turns::new(&files, &loaded).unwrap();
        let (time_us, calls) = turns.round("mlp784-int8", 64, 10.0).unwrap();
        assert!(time_us > 0.0 && calls > 0);
        assert!(turns.round("mlp784-int8", 2, 10.0).is_none());
        assert!(turns.round("none", 1, 10.0).is_none());
    }
}
