//! Every key of the configuration with a sentence on it, and configurations as text with these sentences.

use std::fmt::Write as _;

use toml::{Table, Value};

use super::{ConfigError, RunConfig};

/// One key of the TOML file.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Dotted, as after `--set`.
    pub path: &'static str,
    /// A learner's sentence.
    pub doc: &'static str,
    /// For a key that may be absent: what a value looks like, in TOML.
    pub optional: Option<&'static str>,
}

const fn key(path: &'static str, doc: &'static str) -> Key {
    Key {
        path,
        doc,
        optional: None,
    }
}

const fn optional(path: &'static str, doc: &'static str, example: &'static str) -> Key {
    Key {
        path,
        doc,
        optional: Some(example),
    }
}

/// All keys, in the order of the file.
pub const KEYS: [Key; 77] = [
    key(
        "data.source",
        "A set that ships with the program or is generated (trimtab datasets lists them), or a path to a table, a folder of images or texts, or another known format",
    ),
    optional(
        "data.target",
        "The column to predict, or several separated by commas; the last one when left out",
        "\"target\"",
    ),
    optional(
        "data.task",
        "classification, regression or forecast; decided by the target column when left out",
        "\"classification\"",
    ),
    key(
        "data.split",
        "Fractions of the rows for training, validation (early stopping, choosing) and the final test",
    ),
    key(
        "data.split_seed",
        "Seed of the split: keep it to compare runs on the same rows",
    ),
    key("data.samples", "Samples of a generated set"),
    key("data.noise", "Standard deviation of the noise of a generated set"),
    optional(
        "data.steps",
        "Steps of a generated sequence, or to which texts and sequences are cut or padded; as long as the longest when left out (texts: 256 at most)",
        "50",
    ),
    key("data.window", "Forecasting: past values that the network sees"),
    key("data.horizon", "Forecasting: values ahead that it predicts"),
    optional(
        "data.vocabulary",
        "Text: most different words that are told apart; single bytes are read when left out",
        "2000",
    ),
    optional(
        "data.image_size",
        "Edge in pixels to which images of a folder are resized; as the first one is when left out",
        "28",
    ),
    key("data.grey", "Reads images of a folder in grey"),
    key(
        "data.memory_mb",
        "Most megabytes of samples held in memory; larger sets are read in blocks",
    ),
    key(
        "data.augment",
        "Changes to every training sample, in this order, such as [{ kind = \"rotate\", degrees = 10.0 }]: more variety, less over-fitting",
    ),
    key(
        "model.architecture",
        "majority, logistic, ridge, knn, forest (baselines), linear, mlp, cnn, resnet, mobilenet, cnn1d, rnn, gru, lstm or transformer",
    ),
    key(
        "model.hidden",
        "Units of each hidden dense layer: of an mlp, and behind the layers of cnn, cnn1d, rnn, gru and lstm",
    ),
    key("model.filters", "Filters of each convolution block"),
    key(
        "model.kernel",
        "Edge of each block's kernel in pixels, or steps; one value serves all blocks",
    ),
    key(
        "model.pool",
        "Max-pooling window after each block in pixels, or steps (resnet, mobilenet: the block's stride), 1 for none; one value serves all blocks",
    ),
    key(
        "model.padding",
        "same keeps the image's size in a convolution, valid shrinks it; of cnn and cnn1d",
    ),
    key(
        "model.batch_norm",
        "Batch normalisation after each convolution: steadier and faster training",
    ),
    key(
        "model.activation",
        "What bends the straight line between layers: relu, leaky-relu, gelu, silu or tanh",
    ),
    key(
        "model.dropout",
        "Probability of dropping a unit while training: less over-fitting",
    ),
    key(
        "model.initialiser",
        "From which numbers the weights start: kaiming, xavier or orthogonal",
    ),
    key("model.units", "Units of each recurrent layer"),
    key(
        "model.bidirectional",
        "Recurrent layers read from both ends: twice the work, and the end is known at the start",
    ),
    key(
        "model.dimensions",
        "Width of a transformer, and of the vectors that stand for tokens",
    ),
    key("model.heads", "Attention heads; they share the dimensions"),
    key("model.blocks", "Encoder blocks of a transformer"),
    key("model.feed_forward", "Width of the dense part of an encoder block"),
    key(
        "model.positions",
        "How a transformer knows the order of steps: learned or sinusoidal",
    ),
    key(
        "model.summary",
        "What a transformer answers by: the mean of all steps, or a learned first one",
    ),
    key(
        "model.pre_norm",
        "Normalises before attention rather than after it: deep transformers train more easily",
    ),
    optional(
        "model.patch",
        "Transformer on images: edge of its patches in pixels; rows are its steps when left out",
        "4",
    ),
    key("model.trees", "Random forest: trees that vote"),
    key("model.neighbours", "knn: neighbours that vote"),
    key("model.penalty", "logistic, ridge: the L2 penalty on the weights"),
    optional(
        "model.layers",
        "The hidden layers themselves, in place of those that the knobs above make",
        "[{ kind = \"flatten\" }, { kind = \"dense\", units = 32 }, { kind = \"activation\", function = \"relu\" }]",
    ),
    key("train.epochs", "Passes over the training rows"),
    key(
        "train.batch_size",
        "Samples a step: larger is steadier, and takes more memory",
    ),
    key(
        "train.accumulate",
        "Batches whose gradients are averaged before a step: a larger batch in the memory of a small one",
    ),
    key(
        "train.learning_rate",
        "Size of a step: too high diverges, too low crawls",
    ),
    key("train.optimizer", "sgd, adam, adamw, rmsprop, adagrad, lion or lamb"),
    key("train.momentum", "Momentum of sgd and rmsprop"),
    key("train.nesterov", "sgd looks ahead along its momentum"),
    key(
        "train.weight_decay",
        "L2 penalty on the weights (adamw, lion, lamb: decoupled decay)",
    ),
    key(
        "train.decay_all",
        "Lets biases and normalisation decay too; usually better left off",
    ),
    key("train.l1", "L1 penalty: pulls small weights to exactly zero"),
    key(
        "train.schedule",
        "Learning rate over time: constant, cosine (to zero), step, one-cycle, exponential, plateau, cosine-restarts or noam",
    ),
    key(
        "train.step_epochs",
        "Epochs between two drops, without improvement before a drop (plateau), or of the first cycle",
    ),
    key("train.step_factor", "Factor of each drop (step, exponential, plateau)"),
    key(
        "train.warmup_epochs",
        "Epochs over which the learning rate rises from zero; one-cycle has a rise of its own",
    ),
    optional(
        "train.gradient_clip",
        "Largest global norm of the gradients; no clipping when left out",
        "1.0",
    ),
    key(
        "train.loss",
        "standard (cross entropy, squared error), focal (hard samples count more) or huber (outliers count less)",
    ),
    key("train.focal_gamma", "Focal loss: how much more hard samples count"),
    key(
        "train.huber_delta",
        "Huber loss: error in deviations from which it grows in a straight line",
    ),
    key(
        "train.label_smoothing",
        "Share of the target probability spread over all classes",
    ),
    key(
        "train.class_weights",
        "none, or balanced: rare classes count as much as frequent ones",
    ),
    optional(
        "train.average",
        "Decay of a moving average of the weights, which is evaluated and kept; no average when left out",
        "0.99",
    ),
    optional(
        "train.prune",
        "What is pruned while training goes on, from begin to end of it along a cubic curve, such as weights:0.9 or units:0.5; nothing when left out",
        "\"weights:0.9:begin=0.2:end=0.8\"",
    ),
    key(
        "train.precision",
        "f32, or bf16 or f16: activations wait for the backward pass in half the memory; weights and gradients stay in 32 bits",
    ),
    key(
        "train.recompute",
        "Computes activations again in the backward pass: less memory, more time",
    ),
    key(
        "train.workers",
        "Replicas that share every batch: faster where a step is large enough to divide; in a batch norm each normalises its own share",
    ),
    optional(
        "train.time_limit",
        "Seconds of training after which the run ends with its epoch",
        "600.0",
    ),
    optional(
        "train.early_stopping.metric",
        "What must improve on the validation rows: loss, accuracy, f1, r2 or rmse",
        "\"loss\"",
    ),
    optional(
        "train.early_stopping.patience",
        "Epochs without improvement before training ends; the best weights are kept",
        "5",
    ),
    optional(
        "train.early_stopping.minimum_improvement",
        "Smallest change that counts as an improvement",
        "0.0",
    ),
    optional(
        "train.target.metric",
        "Training ends when this validation metric is good enough: loss, accuracy, f1, r2 or rmse",
        "\"accuracy\"",
    ),
    optional("train.target.value", "What is good enough", "0.99"),
    key(
        "run.seed",
        "Seed of initial weights, shuffling, augmentation and dropout: same seed, same losses",
    ),
    key("run.device", "flex or ndarray: the two CPU back ends"),
    optional("run.name", "A name for the list of runs", "\"my first run\""),
    // Sections, so that a table may be set as a whole.
    key("data", "Where the samples come from and how they are divided"),
    key("model", "The network"),
    key("train", "How it is trained"),
    key("run", "This one execution"),
];

/// Tables within a section that may be absent.
pub(super) const OPTIONAL_TABLES: [&str; 2] = ["train.early_stopping", "train.target"];

/// Dotted keys and their values; a section that may be absent and is empty has none.
pub(super) fn flatten(prefix: &str, table: &Table, leaves: &mut Vec<(String, Value)>) {
    for (name, value) in table {
        let path = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        match value {
            Value::Table(inner) if !inner.is_empty() => flatten(&path, inner, leaves),
            Value::Table(_) if OPTIONAL_TABLES.contains(&path.as_str()) => {}
            _ => leaves.push((path, value.clone())),
        }
    }
}

/// Every dotted key in the order of the file with its value as text; none where an optional key is absent.
pub fn dotted(config: &RunConfig) -> Vec<(&'static str, Option<String>)> {
    let mut leaves = Vec::new();
    if let Ok(table) = Table::try_from(config) {
        flatten("", &table, &mut leaves);
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let keys = KEYS.iter().filter(|key| key.path.contains('.'));
    keys.map(|key| {
        let leaf = leaves.iter().find(|(path, _)| path == key.path);
        (key.path, leaf.map(|(_, value)| text(value)))
    })
    .collect()
}

/// The configuration as TOML with every key and a comment on each; absent optional keys stand as comments.
pub fn annotated_toml(config: &RunConfig) -> Result<String, ConfigError> {
    let table = Table::try_from(config).map_err(|error| ConfigError::Syntax(error.to_string()))?;
    let mut leaves = Vec::new();
    flatten("", &table, &mut leaves);
    let mut text = String::new();
    let mut section = "";
    for key in KEYS.iter().filter(|key| key.path.contains('.')) {
        let (parent, name) = key.path.rsplit_once('.').unwrap_or_default();
        let value = leaves
            .iter()
            .find(|(path, _)| path == key.path)
            .map(|(_, value)| value.to_string());
        let has_values = leaves
            .iter()
            .any(|(path, _)| path.rsplit_once('.').is_some_and(|(owner, _)| owner == parent));
        let comment = if value.is_none() { "# " } else { "" };
        if parent != section {
            section = parent;
            let open = if has_values { "" } else { "# " };
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}{open}[{parent}]");
        }
        let value = value.or_else(|| key.optional.map(str::to_owned)).unwrap_or_default();
        let _ = writeln!(text, "# {}", key.doc);
        let _ = writeln!(text, "{comment}{name} = {value}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Augmentation, EarlyStopping, LayerSpec, StopTarget, TaskKind, parse_config};

    fn full() -> RunConfig {
        let mut config = RunConfig::digits_cnn();
        config.data.target = Some("target".to_owned());
        config.data.task = Some(TaskKind::Regression);
        config.train.gradient_clip = Some(1.0);
        config.train.early_stopping = Some(EarlyStopping::default());
        config.train.target = Some(StopTarget::default());
        config.train.time_limit = Some(60.0);
        config.train.average = Some(0.99);
        config.train.prune = Some("weights:0.9:begin=0.2:end=0.8".parse().unwrap());
        config.data.steps = Some(50);
        config.data.vocabulary = Some(2000);
        config.data.image_size = Some(28);
        config.data.augment = vec![Augmentation::Flip, Augmentation::Rotate { degrees: 10.0 }];
        config.model.patch = Some(4);
        config.model.layers = Some(vec![LayerSpec::Flatten, LayerSpec::Dense { units: 8 }]);
        config.run.name = Some("first".to_owned());
        config
    }

    #[test]
    fn the_key_table_is_the_struct() {
        let mut leaves = Vec::new();
        flatten("", &Table::try_from(full()).unwrap(), &mut leaves);
        let mut of_struct: Vec<&str> = leaves.iter().map(|(path, _)| path.as_str()).collect();
        let mut of_table: Vec<&str> = KEYS
            .iter()
            .map(|key| key.path)
            .filter(|path| path.contains('.'))
            .collect();
        of_struct.sort_unstable();
        of_table.sort_unstable();
        assert_eq!(of_struct, of_table);
    }

    #[test]
    fn the_annotated_text_reads_back_as_the_same_configuration() {
        for config in [RunConfig::default(), full()] {
            let text = annotated_toml(&config).unwrap();
            assert_eq!(parse_config(&text, &[]).unwrap(), config, "{text}");
            for key in KEYS.iter().filter(|key| key.path.contains('.')) {
                assert!(text.contains(key.doc), "{} is missing", key.path);
            }
        }
    }
}
