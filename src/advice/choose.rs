//! Which architecture for these data: points from the rules of `assets/advice.toml`, each with its reason.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::cost;
use crate::spec::{
    Architecture, DataConfig, DataKind, DatasetSummary, ModelConfig, PresetSize, RunConfig, Shape, TaskKind,
    TrainConfig, units,
};

/// The rules, as they stand in the program.
const RULES: &str = include_str!("../../assets/advice.toml");

/// An architecture that fits the data, ready to be trained.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    pub architecture: Architecture,
    /// Sum over the reasons; the more the better.
    pub points: i32,
    /// What speaks for it first, and most of all.
    pub reasons: Vec<Reason>,
    /// Numbers that are learned, or kept.
    pub parameters: u64,
    /// For one sample.
    pub multiply_adds: u64,
    /// Predicted peak of the training.
    pub memory_bytes: u64,
    /// The data decide, and these are what it takes at most.
    pub is_estimate: bool,
    /// The small preset on these data.
    pub config: RunConfig,
}

/// Why an architecture stands where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// Below 0 where it speaks against it.
    pub points: i32,
    pub text: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    rule: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    #[serde(default)]
    when: When,
    points: BTreeMap<Architecture, i32>,
    reason: String,
}

/// All that is named has to hold.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct When {
    kind: Option<Vec<DataKind>>,
    task: Option<TaskKind>,
    /// Training rows.
    rows: Bounds,
    /// Values of a sample.
    inputs: Bounds,
    /// Steps of a sequence or text, rows of an image.
    steps: Bounds,
    /// Different tokens of a text.
    vocabulary: Bounds,
    classes: Bounds,
    /// Share of the most frequent class.
    largest_class: Bounds,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Bounds {
    least: Option<f64>,
    most: Option<f64>,
}

/// What the rules may ask about.
struct Facts {
    kind: DataKind,
    is_regression: bool,
    rows: f64,
    inputs: f64,
    steps: f64,
    vocabulary: f64,
    classes: f64,
    largest_class: f64,
}

/// Every architecture that fits the data, the best to begin with first; of equal points the cheaper.
pub fn choose(data: &DataConfig, dataset: &DatasetSummary) -> Vec<Choice> {
    let facts = Facts::of(dataset);
    let mut choices: Vec<Choice> = Architecture::ALL
        .into_iter()
        .filter_map(|architecture| choice(architecture, data, dataset, &facts))
        .collect();
    choices.sort_by_key(|choice| std::cmp::Reverse(choice.points));
    choices
}

/// What to train before anything large: the classical baselines that fit, and a small MLP.
pub fn baselines(data: &DataConfig, dataset: &DatasetSummary) -> Vec<RunConfig> {
    Architecture::ALL
        .into_iter()
        .filter(|&architecture| architecture.is_classical() || architecture == Architecture::Mlp)
        .map(|architecture| preset(architecture, data, dataset))
        .filter(|config| config.check(dataset).is_ok())
        .collect()
}

/// The small preset of `architecture` on these data.
fn preset(architecture: Architecture, data: &DataConfig, dataset: &DatasetSummary) -> RunConfig {
    RunConfig {
        data: data.clone(),
        model: ModelConfig::preset(architecture, PresetSize::Small, dataset.input),
        train: TrainConfig::preset(architecture),
        ..RunConfig::default()
    }
}

fn choice(architecture: Architecture, data: &DataConfig, dataset: &DatasetSummary, facts: &Facts) -> Option<Choice> {
    let config = preset(architecture, data, dataset);
    let plan = config.check(dataset).ok()?;
    let mut reasons: Vec<Reason> = rules()
        .iter()
        .filter(|rule| rule.when.holds(facts))
        .filter_map(|rule| {
            Some(Reason {
                points: *rule.points.get(&architecture)?,
                text: facts.fill(&rule.reason),
            })
        })
        .collect();
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.points));
    let cost = cost::cost(&plan);
    Some(Choice {
        architecture,
        points: reasons.iter().map(|reason| reason.points).sum(),
        reasons,
        parameters: cost.parameters,
        multiply_adds: cost.multiply_adds,
        memory_bytes: cost::memory(&plan).total(),
        is_estimate: cost.is_estimate,
        config,
    })
}

/// A test reads them too, so that they can be read.
fn rules() -> &'static [Rule] {
    static PARSED: OnceLock<Rules> = OnceLock::new();
    &PARSED.get_or_init(|| toml::from_str(RULES).unwrap_or_default()).rule
}

impl Facts {
    fn of(dataset: &DatasetSummary) -> Self {
        let steps = match dataset.input {
            Shape::Features { .. } => 1,
            Shape::Image { height, .. } => height,
            Shape::Sequence { steps, .. } | Shape::Tokens { steps, .. } => steps,
        };
        let vocabulary = match dataset.input {
            Shape::Tokens { vocabulary, .. } => vocabulary,
            Shape::Features { .. } | Shape::Image { .. } | Shape::Sequence { .. } => 0,
        };
        let all: usize = dataset.class_rows.iter().sum();
        let largest = dataset.class_rows.iter().max().copied().unwrap_or(0);
        Self {
            kind: dataset.kind,
            is_regression: dataset.task.is_regression(),
            rows: dataset.split.train as f64,
            inputs: dataset.input.len() as f64,
            steps: steps as f64,
            vocabulary: vocabulary as f64,
            classes: dataset.class_rows.len() as f64,
            largest_class: largest as f64 / all.max(1) as f64,
        }
    }

    /// The reason with its figures.
    fn fill(&self, reason: &str) -> String {
        reason
            .replace("{rows}", &units::count(self.rows))
            .replace("{inputs}", &units::count(self.inputs))
            .replace("{steps}", &units::count(self.steps))
            .replace("{vocabulary}", &units::count(self.vocabulary))
            .replace("{pairs}", &units::count(self.steps * self.steps))
            .replace("{classes}", &units::count(self.classes))
            .replace("{largest_class}", &units::percent(self.largest_class))
    }
}

impl When {
    fn holds(&self, facts: &Facts) -> bool {
        let task = match self.task {
            None => true,
            Some(TaskKind::Classification) => !facts.is_regression,
            Some(TaskKind::Regression) => facts.is_regression,
            Some(TaskKind::Forecast) => facts.kind == DataKind::Series,
        };
        task && self.kind.as_ref().is_none_or(|kinds| kinds.contains(&facts.kind))
            && self.rows.hold(facts.rows)
            && self.inputs.hold(facts.inputs)
            && self.steps.hold(facts.steps)
            && self.vocabulary.hold(facts.vocabulary)
            && self.classes.hold(facts.classes)
            && self.largest_class.hold(facts.largest_class)
    }
}

impl Bounds {
    fn hold(&self, value: f64) -> bool {
        self.least.is_none_or(|least| value >= least) && self.most.is_none_or(|most| value <= most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{SplitRows, Task};

    fn summary(kind: DataKind, input: Shape, rows: usize, task: Task) -> DatasetSummary {
        let classes = if task.is_regression() { 0 } else { task.outputs() };
        DatasetSummary {
            name: "x".to_owned(),
            kind,
            rows,
            input,
            task,
            class_rows: vec![rows / classes.max(1); classes],
            split: SplitRows {
                train: rows * 7 / 10,
                validation: rows * 15 / 100,
                test: rows * 15 / 100,
            },
            columns: Vec::new(),
            target: "y".to_owned(),
            notes: Vec::new(),
            content: None,
        }
    }

    fn classes(count: usize) -> Task {
        Task::Classification {
            classes: (0..count).map(|class| class.to_string()).collect(),
        }
    }

    fn place(choices: &[Choice], architecture: Architecture) -> usize {
        let place = choices.iter().position(|choice| choice.architecture == architecture);
        place.unwrap_or_else(|| panic!("{architecture} is not among {choices:?}"))
    }

    #[test]
    fn the_rules_can_be_read_and_speak_of_every_architecture() {
        let rules: Rules = toml::from_str(RULES).unwrap();
        for architecture in Architecture::ALL {
            assert!(
                rules.rule.iter().any(|rule| rule.points.contains_key(&architecture)),
                "{architecture}"
            );
        }
        for rule in &rules.rule {
            assert!(rule.points.values().all(|points| *points != 0), "{}", rule.reason);
            assert!(rule.reason.len() > 40 && !rule.reason.ends_with('.'), "{}", rule.reason);
            let facts = Facts::of(&summary(
                DataKind::Table,
                Shape::Features { features: 4 },
                100,
                classes(2),
            ));
            assert!(!facts.fill(&rule.reason).contains('{'), "{}", rule.reason);
        }
    }

    #[test]
    fn what_fits_is_ranked_with_reasons_and_cost_and_the_rest_is_left_out() {
        let image = Shape::Image {
            channels: 1,
            height: 28,
            width: 28,
        };
        let choices = choose(
            &DataConfig::default(),
            &summary(DataKind::Images, image, 20_000, classes(10)),
        );
        assert!(choices[0].architecture == Architecture::Resnet, "{:?}", choices[0]);
        assert_eq!(choices[1].architecture, Architecture::Cnn);
        assert!(choices[0].reasons[0].text.contains("share"), "{:?}", choices[0].reasons);
        assert!(place(&choices, Architecture::Mlp) > place(&choices, Architecture::Cnn));
        let table = Shape::Features { features: 13 };
        let choices = choose(
            &DataConfig::default(),
            &summary(DataKind::Table, table, 178, classes(3)),
        );
        assert!(choices[0].architecture.is_classical());
        assert!(choices.iter().all(|choice| !matches!(
            choice.architecture,
            Architecture::Cnn | Architecture::Gru | Architecture::Transformer
        )));
        for choice in &choices {
            assert!(!choice.reasons.is_empty() && choice.parameters > 0, "{choice:?}");
            assert_eq!(
                choice.points,
                choice.reasons.iter().map(|reason| reason.points).sum::<i32>()
            );
        }
        let regression = choose(
            &DataConfig::default(),
            &summary(DataKind::Table, table, 400, Task::regression("y")),
        );
        assert_eq!(regression[0].architecture, Architecture::Ridge);
        assert!(
            regression
                .iter()
                .all(|choice| choice.architecture != Architecture::Logistic)
        );
    }

    #[test]
    fn attention_falls_behind_as_sequences_grow() {
        let points = |steps| {
            let input = Shape::Sequence { steps, features: 2 };
            let choices = choose(
                &DataConfig::default(),
                &summary(DataKind::Sequences, input, 1000, classes(2)),
            );
            let of = |architecture| choices[place(&choices, architecture)].points;
            of(Architecture::Transformer) - of(Architecture::Gru)
        };
        assert!(points(1000) < points(20));
    }

    #[test]
    fn baselines_are_the_classical_ones_that_fit_and_an_mlp() {
        let table = summary(
            DataKind::Table,
            Shape::Features { features: 4 },
            150,
            Task::regression("y"),
        );
        let names: Vec<&str> = baselines(&DataConfig::default(), &table)
            .iter()
            .map(|config| config.model.architecture.name())
            .collect();
        assert_eq!(names, ["majority", "ridge", "knn", "forest", "mlp"]);
    }
}
