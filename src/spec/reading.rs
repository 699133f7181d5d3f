//! Reading configurations: unknown keys, wrong values and `--set` overrides are reported by dotted key, in the words of a person.

use toml::{Table, Value};

use super::schema::{OPTIONAL_TABLES, flatten};
use super::{KEYS, Key, RunConfig};

/// How like two names must be for one to be meant by the other.
const ALIKE: f64 = 0.85;
/// Short forms that are no beginning of what they mean.
const SHORT_FORMS: [(&str, &str); 3] = [
    ("lr", "train.learning_rate"),
    ("bs", "train.batch_size"),
    ("wd", "train.weight_decay"),
];

/// A configuration text or override that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{0}")]
    Syntax(String),
    #[error("unknown key `{key}`{}; {}", in_set(*.in_override), remedy(.nearest.as_deref()))]
    UnknownKey {
        key: String,
        nearest: Option<String>,
        /// It stood behind `--set`.
        in_override: bool,
    },
    #[error("`{key}` = {value}{}: {problem}", in_set(*.in_override))]
    WrongValue {
        key: String,
        value: String,
        /// What to write.
        problem: String,
        /// It stood behind `--set`.
        in_override: bool,
    },
    #[error("`{0}` is not an override; write key=value, as in train.epochs=5")]
    NotAnOverride(String),
}

fn in_set(in_override: bool) -> &'static str {
    if in_override { " in --set" } else { "" }
}

fn remedy(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => "`trimtab explain` tells of all keys".to_owned(),
    }
}

impl ConfigError {
    /// Whether an override is wrong, and not the text.
    pub fn is_of_override(&self) -> bool {
        match self {
            Self::Syntax(_) => false,
            Self::UnknownKey { in_override, .. } | Self::WrongValue { in_override, .. } => *in_override,
            Self::NotAnOverride(_) => true,
        }
    }
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
    let mut overridden = Vec::new();
    for text in overrides {
        let (path, value) = text
            .split_once('=')
            .ok_or_else(|| ConfigError::NotAnOverride(text.clone()))?;
        let path = path.trim();
        if !is_known(path) {
            return Err(unknown(path, true));
        }
        set(&mut table, path, override_value(value.trim())).ok_or_else(|| unknown(path, true))?;
        overridden.push(path);
    }
    let of_override = |path: &str| {
        overridden
            .iter()
            .any(|&own| path == own || path.starts_with(&format!("{own}.")))
    };
    let mut leaves = Vec::new();
    flatten("", &table, &mut leaves);
    if let Some((path, _)) = leaves.iter().find(|(path, _)| !is_known(path)) {
        return Err(unknown(path, of_override(path)));
    }
    table.try_into::<RunConfig>().map_err(|error| {
        // The key to blame is the one that fails on its own.
        let wrong = leaves.iter().find_map(|(path, value)| {
            let problem = refusal(path, value.clone())?;
            Some(ConfigError::WrongValue {
                key: path.clone(),
                value: value.to_string(),
                problem: in_words(path, value, &problem),
                in_override: of_override(path),
            })
        });
        wrong.unwrap_or_else(|| ConfigError::Syntax(error.to_string().trim_end().to_owned()))
    })
}

fn unknown(path: &str, in_override: bool) -> ConfigError {
    ConfigError::UnknownKey {
        key: path.to_owned(),
        nearest: nearest(path),
        in_override,
    }
}

/// What the reader says of this value alone, if it refuses it.
fn refusal(path: &str, value: Value) -> Option<String> {
    let mut alone = Table::new();
    set(&mut alone, path, value)?;
    let error = alone.try_into::<RunConfig>().err()?;
    Some(error.message().to_owned())
}

/// What to write in place of a value: the reader's `problem` names types of the program.
fn in_words(path: &str, value: &Value, problem: &str) -> String {
    if let Some(choices) = choices(problem) {
        return format!("use one of {choices}");
    }
    let is_of_types = ["invalid", "wanted"].iter().any(|start| problem.starts_with(start));
    if !is_of_types {
        return problem.to_owned();
    }
    match example(path) {
        Some(Value::Integer(example)) => {
            let digits = value
                .as_str()
                .is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            if digits && value.as_str().is_some_and(|text| !text.is_empty()) {
                format!("use a whole number up to {}", i64::MAX)
            } else {
                format!("use a whole number of 0 or more, such as {example}")
            }
        }
        Some(Value::Float(example)) => format!("use a number such as {example}"),
        Some(Value::Boolean(_)) => "use true or false".to_owned(),
        Some(Value::Array(example)) => format!("use a list such as {}", Value::Array(example)),
        Some(Value::String(example)) => {
            let asked = refusal(path, Value::String(String::new()));
            match asked.as_deref().and_then(choices) {
                Some(choices) => format!("use one of {choices}"),
                None => format!("use a text such as \"{example}\""),
            }
        }
        _ => {
            let key = KEYS.iter().find(|key| key.path.starts_with(&format!("{path}.")));
            let key = key.map_or(path, |key| key.path);
            format!("this is a section; set its keys one by one, such as {key}")
        }
    }
}

/// The names that the reader knows, where it refused one that it does not.
fn choices(problem: &str) -> Option<String> {
    let known = problem.strip_prefix("unknown variant ")?.split_once("expected ")?.1;
    let names: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    Some(names.join(", "))
}

/// A value of the key: its default, or what is shown where it has none.
fn example(path: &str) -> Option<Value> {
    let mut leaves = Vec::new();
    flatten("", &Table::try_from(RunConfig::default()).ok()?, &mut leaves);
    let default = leaves.into_iter().find(|(own, _)| own == path).map(|(_, value)| value);
    let shown = || match path {
        "data.augment" => Some(override_value("[{ kind = \"flip\" }]")),
        _ => {
            let key = KEYS.iter().find(|key| key.path == path)?;
            key.optional.map(override_value)
        }
    };
    let is_empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    default.filter(|value| !is_empty(value)).or_else(shown)
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

/// None where something else than a section stands on the way.
fn set(table: &mut Table, path: &str, value: Value) -> Option<()> {
    let (parents, last) = path
        .rsplit_once('.')
        .map_or((None, path), |(parents, last)| (Some(parents), last));
    let mut place = table;
    for part in parents.into_iter().flat_map(|parents| parents.split('.')) {
        place = place
            .entry(part)
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut()?;
    }
    place.insert(last.to_owned(), value);
    Some(())
}

/// A key, or a section within a section.
fn is_known(path: &str) -> bool {
    KEYS.iter().any(|key| key.path == path) || OPTIONAL_TABLES.contains(&path)
}

/// The known key most like `path`, if one is like it; a right last word in the wrong section counts as near.
fn nearest(path: &str) -> Option<String> {
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    if let Some((_, meant)) = SHORT_FORMS.iter().find(|(short, _)| *short == last(path)) {
        return Some((*meant).to_owned());
    }
    let likeness = |key: &Key| {
        let word = strsim::jaro_winkler(&last(path), &last(key.path));
        // Of equal words, the one in the like section.
        (word, strsim::jaro_winkler(path, key.path))
    };
    let best = KEYS
        .iter()
        .map(|key| (likeness(key), key))
        .max_by(|((a, a_whole), _), ((b, b_whole), _)| a.total_cmp(b).then(a_whole.total_cmp(b_whole)))?;
    let ((word, _), key) = best;
    (word >= ALIKE).then(|| key.path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::OptimizerKind;

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
    fn an_unknown_key_names_the_nearest_known_one_if_any_is_near() {
        for (text, nearest) in [
            ("[train]\nlearning_rte = 1.0", Some("train.learning_rate")),
            ("[train]\nbatchsize = 1", Some("train.batch_size")),
            ("[train]\nlr = 1", Some("train.learning_rate")),
            ("[model]\nlearning_rate = 1.0", Some("train.learning_rate")),
            (
                "[train.early_stopping]\npatiens = 1",
                Some("train.early_stopping.patience"),
            ),
            ("[train.target]\nmetrik = 1", Some("train.target.metric")),
            ("epochs = 3", Some("train.epochs")),
            ("[foo]\nbar = 3", None),
        ] {
            match parse_config(text, &[]) {
                Err(ConfigError::UnknownKey { nearest: found, .. }) => assert_eq!(found.as_deref(), nearest, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        let message = parse_config("", &["foo.bar=3".to_owned()]).unwrap_err().to_string();
        assert_eq!(
            message,
            "unknown key `foo.bar` in --set; `trimtab explain` tells of all keys"
        );
    }

    #[test]
    fn a_wrong_value_is_told_in_words_with_its_place() {
        for (set, words) in [
            ("data.horizon=x", "a whole number of 0 or more, such as 1"),
            ("train.epochs=-1", "a whole number of 0 or more"),
            ("run.seed=18446744073709551615", "up to 9223372036854775807"),
            ("train.learning_rate=fast", "a number such as 0.0"),
            ("model.batch_norm=2", "true or false"),
            ("data.split=[0.5, 0.5]", "a list such as [0.7, "),
            ("model.hidden=3", "a list such as [32]"),
            ("data.augment=[0]", "a list such as [{ kind = \"flip\" }]"),
            ("train.optimizer=adagard", "adamw"),
            ("train.optimizer=3", "adamw"),
            ("data.task=1", "use one of classification, "),
            ("data.task={}", "use one of classification, "),
            ("data.source=3", "a text such as \"digits\""),
            ("run.name=3", "a text such as \""),
            ("train=1", "set its keys one by one, such as train."),
            (
                "train.early_stopping=3",
                "set its keys one by one, such as train.early_stopping.",
            ),
        ] {
            let key = set.split('=').next().unwrap();
            let message = parse_config("", &[set.to_owned()]).unwrap_err().to_string();
            assert!(
                message.contains(words) && message.contains("in --set"),
                "{set}: {message}"
            );
            assert!(message.contains(key), "{set}: {message}");
            for of_program in ["usize", "enum", "struct", "invalid", "variant", "f64"] {
                assert!(!message.contains(of_program), "{set}: {message}");
            }
        }
        let in_text = parse_config("[train]\nepochs = \"many\"", &[]).unwrap_err();
        assert!(
            !in_text.is_of_override() && !in_text.to_string().contains("--set"),
            "{in_text}"
        );
        assert!(parse_config("[train", &[]).unwrap_err().to_string().contains("line 1"));
        assert!(matches!(
            parse_config("", &["train.epochs".to_owned()]),
            Err(ConfigError::NotAnOverride(_))
        ));
    }
}
