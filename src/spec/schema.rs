//! Every key of the configuration with a sentence on it, and the reading of configurations: unknown keys, wrong types
//! and `--set` overrides are all reported by dotted key.

use std::fmt::Write as _;

use toml::{Table, Value};

use super::RunConfig;

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
pub const KEYS: [Key; 37] = [
    key(
        "data.source",
        "A set that ships with the program (digits, iris, wine, breast_cancer, diabetes), a generated one (spirals, moons), or a path to a CSV file",
    ),
    optional(
        "data.target",
        "The column to predict; the last one when left out",
        "\"target\"",
    ),
    optional(
        "data.task",
        "classification or regression; decided by the target column when left out",
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
    key("data.samples", "Points of a generated set"),
    key("data.noise", "Standard deviation of the noise of a generated set"),
    key(
        "model.architecture",
        "linear, mlp (dense layers) or cnn (convolution blocks, then dense layers; images only)",
    ),
    key("model.hidden", "Units of each hidden dense layer"),
    key("model.filters", "Filters of each convolution block"),
    key(
        "model.kernel",
        "Edge of each block's kernel in pixels; one value serves all blocks",
    ),
    key(
        "model.pool",
        "Max-pooling window after each block in pixels, 1 for none; one value serves all blocks",
    ),
    key(
        "model.padding",
        "same keeps the image's size in a convolution, valid shrinks it",
    ),
    key(
        "model.batch_norm",
        "Batch normalisation after each convolution: steadier and faster training",
    ),
    key(
        "model.dropout",
        "Probability of dropping a unit after each hidden dense layer while training: less over-fitting",
    ),
    key("train.epochs", "Passes over the training rows"),
    key(
        "train.batch_size",
        "Samples a step: larger is steadier, and takes more memory",
    ),
    key(
        "train.learning_rate",
        "Size of a step: too high diverges, too low crawls",
    ),
    key("train.optimizer", "sgd, adam or adamw"),
    key("train.momentum", "Momentum of sgd"),
    key(
        "train.weight_decay",
        "L2 penalty on the weights (adamw: decoupled decay)",
    ),
    key(
        "train.schedule",
        "Learning rate over time: constant, cosine (to zero) or step",
    ),
    key("train.step_epochs", "Epochs between two drops of the step schedule"),
    key("train.step_factor", "Factor of each drop of the step schedule"),
    key(
        "train.warmup_epochs",
        "Epochs over which the learning rate rises from zero",
    ),
    optional(
        "train.gradient_clip",
        "Largest global norm of the gradients; no clipping when left out",
        "1.0",
    ),
    key(
        "train.label_smoothing",
        "Share of the target probability spread over all classes",
    ),
    optional(
        "train.early_stopping.metric",
        "What must improve on the validation rows: loss, accuracy or r2",
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
    key(
        "run.seed",
        "Seed of initial weights, shuffling and dropout: same seed, same losses",
    ),
    key("run.device", "flex or ndarray: the two CPU back ends"),
    optional("run.name", "A name for the list of runs", "\"my first run\""),
    // Sections, so that a table may be set as a whole.
    key("data", "Where the samples come from and how they are divided"),
    key("model", "The network"),
    key("train", "How it is trained"),
    key("run", "This one execution"),
];

/// A configuration text or override that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{0}")]
    Syntax(String),
    #[error("unknown key `{key}`; did you mean `{nearest}`?")]
    UnknownKey { key: String, nearest: String },
    #[error("`{key}` = {value}: {problem}")]
    WrongValue {
        key: String,
        value: String,
        problem: String,
    },
    #[error("`{0}` is not an override; write key=value, as in train.epochs=5")]
    NotAnOverride(String),
}

/// Reads TOML text; `overrides` are `--set` arguments of the form `a.b=v` that win over the text.
pub fn parse_config(text: &str, overrides: &[String]) -> Result<RunConfig, ConfigError> {
    let table = text
        .parse::<Table>()
        .map_err(|error| ConfigError::Syntax(error.to_string().trim_end().to_owned()))?;
    read(table, overrides)
}

/// Applies `--set` arguments to a configuration.
pub fn apply_overrides(config: &RunConfig, overrides: &[String]) -> Result<RunConfig, ConfigError> {
    let table = Table::try_from(config).map_err(|error| ConfigError::Syntax(error.to_string()))?;
    read(table, overrides)
}

fn read(mut table: Table, overrides: &[String]) -> Result<RunConfig, ConfigError> {
    for text in overrides {
        let (path, value) = text
            .split_once('=')
            .ok_or_else(|| ConfigError::NotAnOverride(text.clone()))?;
        set(&mut table, path.trim(), override_value(value.trim()))?;
    }
    let mut leaves = Vec::new();
    flatten("", &table, &mut leaves);
    if let Some((path, _)) = leaves.iter().find(|(path, _)| !is_known(path)) {
        return Err(ConfigError::UnknownKey {
            key: path.clone(),
            nearest: nearest(path),
        });
    }
    table.clone().try_into::<RunConfig>().map_err(|error| {
        // The key to blame is the one that fails on its own.
        for (path, value) in &leaves {
            let mut alone = Table::new();
            if set(&mut alone, path, value.clone()).is_ok()
                && let Err(error) = alone.try_into::<RunConfig>()
            {
                return ConfigError::WrongValue {
                    key: path.clone(),
                    value: value.to_string(),
                    problem: error.message().to_owned(),
                };
            }
        }
        ConfigError::Syntax(error.to_string().trim_end().to_owned())
    })
}

/// An override's value: TOML where it is TOML, else the bare text, so that `run.name=first` needs no quotes.
fn override_value(text: &str) -> Value {
    format!("v = {text}")
        .parse::<Table>()
        .ok()
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("v"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

fn set(table: &mut Table, path: &str, value: Value) -> Result<(), ConfigError> {
    let unknown = || ConfigError::UnknownKey {
        key: path.to_owned(),
        nearest: nearest(path),
    };
    if !is_known(path) && path != "train.early_stopping" {
        return Err(unknown());
    }
    let (parents, last) = path
        .rsplit_once('.')
        .map_or((None, path), |(parents, last)| (Some(parents), last));
    let mut place = table;
    for part in parents.into_iter().flat_map(|parents| parents.split('.')) {
        place = place
            .entry(part)
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut()
            .ok_or_else(unknown)?;
    }
    place.insert(last.to_owned(), value);
    Ok(())
}

fn flatten(prefix: &str, table: &Table, leaves: &mut Vec<(String, Value)>) {
    for (name, value) in table {
        let path = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        match value {
            Value::Table(inner) if !inner.is_empty() => flatten(&path, inner, leaves),
            Value::Table(_) if path == "train.early_stopping" => {}
            _ => leaves.push((path, value.clone())),
        }
    }
}

fn is_known(path: &str) -> bool {
    KEYS.iter().any(|key| key.path == path)
}

/// The known key most like `path`; a right last word in the wrong section counts as near.
fn nearest(path: &str) -> String {
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    KEYS.iter()
        .max_by(|a, b| {
            let likeness = |key: &Key| {
                strsim::jaro_winkler(path, key.path).max(strsim::jaro_winkler(&last(path), &last(key.path)))
            };
            likeness(a).total_cmp(&likeness(b))
        })
        .map(|key| key.path.to_owned())
        .unwrap_or_default()
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
    use crate::spec::{EarlyStopping, OptimizerKind, TaskKind};

    fn full() -> RunConfig {
        let mut config = RunConfig::digits_cnn();
        config.data.target = Some("target".to_owned());
        config.data.task = Some(TaskKind::Regression);
        config.train.gradient_clip = Some(1.0);
        config.train.early_stopping = Some(EarlyStopping::default());
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

    #[test]
    fn overrides_win_and_need_no_quotes() {
        let sets = [
            "train.epochs=3",
            "run.name=first try",
            "model.hidden=[8, 4]",
            "train.early_stopping.patience=2",
        ];
        let config = parse_config("[train]\nepochs = 9\n", &sets.map(str::to_owned)).unwrap();
        assert_eq!(config.train.epochs, 3);
        assert_eq!(config.run.name.as_deref(), Some("first try"));
        assert_eq!(config.model.hidden, [8, 4]);
        assert_eq!(config.train.early_stopping.unwrap().patience, 2);
        let config = apply_overrides(&config, &["train.optimizer=adamw".to_owned()]).unwrap();
        assert_eq!(config.train.optimizer, OptimizerKind::AdamW);
    }

    #[test]
    fn an_unknown_key_names_the_nearest_known_one() {
        for (text, nearest) in [
            ("[train]\nlearning_rte = 1.0", "train.learning_rate"),
            ("[train]\nbatchsize = 1", "train.batch_size"),
            ("[model]\nlearning_rate = 1.0", "train.learning_rate"),
            ("[train.early_stopping]\npatiens = 1", "train.early_stopping.patience"),
            ("epochs = 3", "train.epochs"),
        ] {
            match parse_config(text, &[]) {
                Err(ConfigError::UnknownKey { nearest: found, .. }) => assert_eq!(found, nearest),
                other => panic!("{text}: {other:?}"),
            }
        }
        assert!(matches!(
            parse_config("", &["train.epoch=3".to_owned()]),
            Err(ConfigError::UnknownKey { .. })
        ));
    }

    #[test]
    fn a_wrong_type_names_its_key_and_value() {
        for (text, key) in [
            ("[train]\nepochs = \"many\"", "train.epochs"),
            ("[train]\nepochs = -1", "train.epochs"),
            ("[data]\nsplit = [0.5, 0.5]", "data.split"),
            ("[train]\noptimizer = \"adagrad\"", "train.optimizer"),
            ("[model]\nhidden = 3", "model.hidden"),
            ("data = 3", "data"),
            ("[train]\nearly_stopping = 3", "train.early_stopping"),
        ] {
            let message = parse_config(text, &[]).unwrap_err().to_string();
            assert!(message.contains(key), "{text}: {message}");
        }
        assert!(parse_config("[train", &[]).unwrap_err().to_string().contains("line 1"));
        assert!(matches!(
            parse_config("", &["train.epochs".to_owned()]),
            Err(ConfigError::NotAnOverride(_))
        ));
    }
}
