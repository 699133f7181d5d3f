//! The card of an export: what it is, how it was trained, what was measured on its bytes, and how to use it.

use std::fmt::Write;

use crate::spec::{
    Architecture, DatasetSummary, Deployed, EarlyStopping, InputForm, LatencySummary, ModelConfig, ModelSpec, Recipe,
    RecipeStep, Run, RunId, Shape, Speed, Task, Verdict, units,
};

use crate::deploy::score::BATCH;

use super::encoding::encoding;
use super::write::Contents;
use super::{CLASSIC_FILE, CONFIG_FILE, LABELS_FILE, MODEL_FILE, PREPROCESSING_FILE, WEIGHTS_FILE};

/// Where the network comes from.
#[derive(Debug, Clone, Copy)]
pub struct Lineage<'a> {
    pub run: &'a Run,
    /// How it was made from the run that was trained, the first first; empty for that run itself.
    pub compressions: &'a [Compression],
    pub deployed: &'a Deployed,
    /// What the verdicts on its times are against.
    pub beside: Option<&'a Beside>,
    pub dataset: &'a DatasetSummary,
    /// The network as exported.
    pub model: &'a ModelSpec,
}

/// A run that another was timed in turn with.
#[derive(Debug, Clone, PartialEq)]
pub struct Beside {
    pub run: RunId,
    /// None where it has been deleted.
    pub name: Option<String>,
}

/// One step on the way from a trained run to a compressed one.
#[derive(Debug, Clone, PartialEq)]
pub struct Compression {
    /// The run that it was applied to.
    pub of: RunId,
    /// The name of that run; none where it has been deleted, and what was before it is not known.
    pub name: Option<String>,
    pub recipe: Recipe,
}

impl Compression {
    fn run(&self) -> String {
        named(self.of, self.name.as_deref())
    }
}

fn named(run: RunId, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("run {run} ({name})"),
        None => format!("run {run}, which has been deleted"),
    }
}

/// The text of the card; `sha256` is of the ONNX bytes.
pub(super) fn card(contents: &Contents<'_>, sha256: &str) -> String {
    let Lineage {
        run, dataset, model, ..
    } = contents.lineage;
    let mut text = format!("# {}\n\n", run.name);
    // Writing to a string cannot fail.
    let mut line = |words: String| {
        let _ = writeln!(text, "{words}");
    };
    line(match &dataset.task {
        Task::Classification { classes } => format!(
            "A classifier of \"{}\" into {} classes, trained on {} ({} rows) with Trimtab {}.",
            dataset.target,
            classes.len(),
            dataset.name,
            dataset.rows,
            env!("CARGO_PKG_VERSION")
        ),
        Task::Regression { .. } => format!(
            "A regression of \"{}\", trained on {} ({} rows) with Trimtab {}.",
            dataset.target,
            dataset.name,
            dataset.rows,
            env!("CARGO_PKG_VERSION")
        ),
    });
    line(String::new());
    let architecture = contents.config.model.architecture;
    line(if architecture.is_classical() {
        format!("* {}, reading {}", baseline(&contents.config.model), model.input)
    } else {
        format!("* Network: {}, reading {}", layers(model), model.input)
    });
    line(format!(
        "* {} parameters, {} multiply-adds a sample",
        run.parameters, run.multiply_adds
    ));
    line(format!("* Origin: {}", origin(&contents.lineage)));
    line("\n## How it was trained\n".to_owned());
    for item in training(contents) {
        line(format!("* {item}"));
    }
    line(format!("\n## Measured on `{}`\n", contents.model.file()));
    for item in figures(contents) {
        line(format!("* {item}"));
    }
    line(format!("* SHA-256 of `{}`: `{sha256}`", contents.model.file()));
    line("\n## How to use it\n".to_owned());
    for item in usage(contents) {
        line(format!("* {item}"));
    }
    text
}

/// A classical baseline in words.
fn baseline(config: &ModelConfig) -> String {
    let title = config.architecture.title();
    match config.architecture {
        Architecture::Forest => format!("{title} of {} trees", config.trees),
        Architecture::Knn => format!(
            "{title}: {} of all training rows, which are in the file",
            config.neighbours
        ),
        Architecture::Logistic | Architecture::Ridge => format!("{title}, penalty {}", config.penalty),
        _ => title.to_owned(),
    }
}

/// The layers in words, as `convolution 16 (3x3), batch norm, ReLU, max pool 2, ...`.
fn layers(model: &ModelSpec) -> String {
    use crate::spec::LayerSpec;
    let words = model.layers.iter().map(|layer| match layer {
        LayerSpec::Dense { units } => format!("{} {units}", layer.name()),
        LayerSpec::Conv2d { filters, kernel, .. } => format!("{} {filters} ({kernel}x{kernel})", layer.name()),
        LayerSpec::MaxPool { size } | LayerSpec::Patches { size } => format!("{} {size}", layer.name()),
        LayerSpec::Dropout { probability } => format!("{} {probability}", layer.name()),
        LayerSpec::DepthwiseConv2d { kernel, .. } => format!("{} ({kernel}x{kernel})", layer.name()),
        LayerSpec::Conv1d { filters, kernel, .. } => format!("{} {filters} ({kernel})", layer.name()),
        LayerSpec::Embedding { dimensions } => format!("{} {dimensions}", layer.name()),
        LayerSpec::Recurrent {
            units, bidirectional, ..
        } => format!(
            "{}{} {units}",
            if *bidirectional { "bidirectional " } else { "" },
            layer.name()
        ),
        LayerSpec::SelfAttention { heads, .. } => format!("{} of {heads} heads", layer.name()),
        _ => layer.name().to_owned(),
    });
    words.collect::<Vec<_>>().join(", ")
}

fn origin(lineage: &Lineage<'_>) -> String {
    let run = lineage.run.run;
    match lineage.compressions.last() {
        Some(last) => format!("run {run}, the recipe `{}` applied to {}", last.recipe, last.run()),
        None => format!("run {run}, as trained"),
    }
}

fn training(contents: &Contents<'_>) -> Vec<String> {
    let Lineage {
        run,
        dataset,
        compressions,
        ..
    } = contents.lineage;
    let train = &contents.config.train;
    let rows = format!(
        "{} training, {} validation and {} test rows, split seed {}",
        dataset.split.train, dataset.split.validation, dataset.split.test, contents.config.data.split_seed
    );
    let mut items = vec![rows];
    items.extend((!dataset.notes.is_empty()).then(|| format!("Data: {}", dataset.notes.join("; "))));
    if contents.config.model.architecture.is_classical() {
        let seed = contents.config.run.seed;
        items.push(format!("Fitted at once to all training rows, seed {seed}"));
        items.extend(again(compressions));
        return items;
    }
    let (optimizer, schedule) = (train.optimizer.title(), train.schedule.title());
    items.push(format!(
        "{}{optimizer}, learning rate {} ({schedule}), batches of {}, at most {} epochs, seed {}",
        compressions
            .first()
            .map_or_else(String::new, |first| format!("Configuration of {}: ", first.run())),
        train.learning_rate,
        train.batch_size,
        train.epochs,
        contents.config.run.seed
    ));
    if let Some(EarlyStopping { patience, .. }) = train.early_stopping {
        items.push(format!("Early stopping after {patience} epochs without improvement"));
    }
    items.extend(trained(run, compressions.last()));
    items.extend(again(compressions));
    items
}

/// What this run itself trained, if it did.
fn trained(run: &Run, compression: Option<&Compression>) -> Option<String> {
    let distils = |step: &RecipeStep| matches!(step, RecipeStep::Distil(_));
    let best = run
        .best_epoch
        .map(|epoch| format!(", the weights are those of epoch {epoch}"))
        .unwrap_or_default();
    let epochs = format!("{} epoch{}", run.epochs, if run.epochs == 1 { "" } else { "s" });
    match compression {
        None => Some(format!("Trained for {epochs}{best}")),
        Some(_) if run.epochs == 0 => None,
        Some(last) if last.recipe.steps.iter().any(distils) => Some(format!(
            "Trained for {epochs} from fresh weights to answer like {}{best}",
            last.run()
        )),
        Some(_) => Some(format!("Fine-tuned for {epochs} after compression{best}")),
    }
}

/// How the same model is made again: the training, then every compression in its order.
fn again(compressions: &[Compression]) -> Vec<String> {
    let first = match compressions.first() {
        None => format!("`{CONFIG_FILE}` trains the same model again: `trimtab train {CONFIG_FILE}`"),
        Some(first) if first.name.is_some() => {
            format!(
                "`{CONFIG_FILE}` trains {} again: `trimtab train {CONFIG_FILE}`",
                first.run()
            )
        }
        Some(first) => format!(
            "It began with {}, and how that one was made is not known: `{CONFIG_FILE}` holds what was handed on from it",
            first.run()
        ),
    };
    let then = compressions.iter().map(|Compression { recipe, .. }| {
        format!("and then `trimtab compress RUN {recipe}`, where RUN is the run that the line before made")
    });
    std::iter::once(first).chain(then).collect()
}

fn figures(contents: &Contents<'_>) -> Vec<String> {
    let Lineage { deployed, beside, .. } = contents.lineage;
    let score = contents.score;
    let mut items = Vec::new();
    if let Some(accuracy) = score.accuracy {
        items.push(format!(
            "Accuracy on the test split: {accuracy:.4} (loss {:.4})",
            score.loss
        ));
    }
    if let (Some(r2), Some(rmse)) = (score.r2, score.rmse) {
        items.push(format!(
            "R2 on the test split: {r2:.4}, root mean squared error {rmse:.4}"
        ));
    }
    if dynamic(deployed) {
        items.push(format!(
            "These are of batches of {BATCH}: layers quantize what they read batch by batch, and an answer depends on the rows beside it"
        ));
    }
    items.push(format!(
        "Size: {} bytes, {} after zstd",
        deployed.size_bytes, deployed.zstd_bytes
    ));
    let latency = |batch: usize, time: LatencySummary, verdict: Verdict| {
        // The run that the others are held against is against nothing.
        let against = beside.map_or_else(String::new, |Beside { run, name }| {
            format!("; timed in turn with {}: {verdict}", named(*run, name.as_deref()))
        });
        let [median, p10, p90] = [time.median, time.p10, time.p90].map(units::significant);
        let rounds = time.n;
        format!("Latency at batch {batch}: median {median} µs (p10 {p10}, p90 {p90}, {rounds} rounds){against}")
    };
    items.push(latency(1, deployed.latency_us.batch1, deployed.verdict_batch1));
    items.push(latency(64, deployed.latency_us.batch64, deployed.verdict));
    items.push(format!(
        "Memory at batch 64: {} bytes of the loaded model and its buffers",
        deployed.memory_bytes
    ));
    items.push(if contents.config.model.architecture.is_classical() {
        format!("{}, one thread; there is no ONNX form", deployed.engine)
    } else {
        format!(
            "Trimtab's runtime on {}, one thread{}, {} layers in int8",
            deployed.engine,
            if in_nibbles(deployed) {
                ", weights of dense layers in 4 bits"
            } else {
                ""
            },
            deployed.int8_layers
        )
    });
    if deployed.speed == Speed::Simulated {
        items.push(
            "Simulated: the zeroed weights buy no speed in dense kernels, only a smaller compressed file".to_owned(),
        );
    }
    items
}

/// Whether dense layers are stored in 4 bits.
fn in_nibbles(deployed: &Deployed) -> bool {
    let steps = deployed.recipe.iter().flat_map(|recipe| &recipe.steps);
    steps.into_iter().any(|step| matches!(step, RecipeStep::Int4 { .. }))
}

/// Whether layers find the range of what they read in each batch.
fn dynamic(deployed: &Deployed) -> bool {
    let steps = deployed.recipe.iter().flat_map(|recipe| &recipe.steps);
    steps
        .into_iter()
        .any(|step| matches!(step, RecipeStep::Int8Dynamic { .. }))
}

fn usage(contents: &Contents<'_>) -> Vec<String> {
    let Lineage {
        dataset,
        model,
        deployed,
        ..
    } = contents.lineage;
    let output = match &dataset.task {
        Task::Classification { .. } => format!("output `logits`, one for each line of `{LABELS_FILE}`"),
        Task::Regression { .. } => format!("output `prediction`, standardised as in `{PREPROCESSING_FILE}`"),
    };
    let rows = match &contents.preprocessing.form {
        InputForm::Row => "a CSV file with the columns it was trained on, or an NPZ or NPY array",
        InputForm::Pixels { .. } => "a picture, a folder of pictures, an IDX file, or an NPZ or NPY array",
        InputForm::Steps { .. } => "a CSV or .ts file of sequences, or an NPZ or NPY array",
        InputForm::Window { .. } => "a CSV file of steps in their order, whose last ones say what follows",
        InputForm::Text { .. } => "a CSV file of texts, or a folder of .txt files",
    };
    let encoded = encoding(contents.preprocessing);
    let predict = format!("`trimtab predict THIS_FOLDER ROWS` needs this folder and nothing else; ROWS is {rows}");
    if contents.config.model.architecture.is_classical() {
        let arrays = format!("`{CLASSIC_FILE}`: the model as plain arrays, which Python's safetensors reads");
        return vec![predict, arrays, encoded];
    }
    let mut items = vec![
        predict,
        format!(
            "`{MODEL_FILE}` (ONNX operator set 17): input `input`, {}, [N, {}], preprocessed as in `{PREPROCESSING_FILE}`; {output}",
            if matches!(model.input, Shape::Tokens { .. }) {
                "int64"
            } else {
                "f32"
            },
            model
                .input
                .dimensions()
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        ),
        format!("`{WEIGHTS_FILE}`: the weights in floating point, in PyTorch's layout and names"),
        encoded,
    ];
    if deployed.int8_layers > 0 {
        items.push(
            "ONNX Runtime on x86 processors without VNNI saturates 8-bit sums: set its session option \
             `session.x64quantprecision` to 1 there to get these results"
                .to_owned(),
        );
    }
    items
}
