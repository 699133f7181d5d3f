//! From an unchecked configuration to a checked plan: all problems at once, each with the name of its field.

use serde::{Deserialize, Serialize};

use super::{
    Architecture, DatasetSummary, ModelSpec, MonitoredMetric, OptimizerKind, RunConfig, ScheduleKind, Task, TrainConfig,
};

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}; {remedy}")]
pub struct ConfigIssue {
    /// Dotted key, as in the file and after `--set`.
    pub field: String,
    pub problem: String,
    pub remedy: String,
}

impl ConfigIssue {
    pub fn new(field: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }
}

/// A configuration that fits its data: what the engine takes, and what is stored with the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunPlan {
    pub config: RunConfig,
    pub dataset: DatasetSummary,
    pub model: ModelSpec,
    pub steps_per_epoch: usize,
}

/// The learning rate over the steps of a run: one of [`ScheduleKind`], after a linear warm-up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SchedulePlan {
    pub kind: ScheduleKind,
    pub peak: f64,
    pub warmup_steps: f64,
    pub total_steps: usize,
    pub drop_steps: usize,
    pub drop_factor: f64,
}

impl SchedulePlan {
    /// Learning rate of step `step`, counted from 0.
    pub fn learning_rate(&self, step: usize) -> f64 {
        let step = step as f64;
        if step < self.warmup_steps {
            return self.peak * (step + 1.0) / (self.warmup_steps + 1.0);
        }
        match self.kind {
            ScheduleKind::Constant => self.peak,
            // Loshchilov and Hutter 2017, without restarts.
            ScheduleKind::Cosine => {
                let span = (self.total_steps as f64 - self.warmup_steps).max(1.0);
                let progress = ((step - self.warmup_steps) / span).min(1.0);
                self.peak * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
            }
            ScheduleKind::Step => self.peak * self.drop_factor.powf((step / self.drop_steps as f64).floor()),
        }
    }
}

impl RunPlan {
    pub fn total_steps(&self) -> usize {
        self.steps_per_epoch * self.config.train.epochs
    }

    pub fn schedule(&self) -> SchedulePlan {
        let train = &self.config.train;
        SchedulePlan {
            kind: train.schedule,
            peak: train.learning_rate,
            warmup_steps: train.warmup_epochs * self.steps_per_epoch as f64,
            total_steps: self.total_steps(),
            drop_steps: (train.step_epochs * self.steps_per_epoch).max(1),
            drop_factor: train.step_factor,
        }
    }
}

impl RunConfig {
    /// Checks every field against the others and against the data, and builds the network's description.
    pub fn check(&self, dataset: &DatasetSummary) -> Result<RunPlan, Vec<ConfigIssue>> {
        let mut issues = self.data.issues();
        issues.extend(self.train.issues(&dataset.task));
        if !(0.0..1.0).contains(&self.model.dropout) {
            issues.push(ConfigIssue::new(
                "model.dropout",
                format!("{} is not a probability below 1", self.model.dropout),
                "use 0 to 0.9",
            ));
        }
        issues.extend(self.model.issues());
        if dataset.split.train == 0 || dataset.split.validation == 0 || dataset.split.test == 0 {
            issues.push(ConfigIssue::new(
                "data.split",
                format!(
                    "leaves {} training, {} validation and {} test rows",
                    dataset.split.train, dataset.split.validation, dataset.split.test
                ),
                "change the fractions or bring more rows",
            ));
        }
        match ModelSpec::from_config(&self.model, dataset.input, dataset.task.outputs()) {
            Err(more) => issues.extend(more),
            Ok(model) if issues.is_empty() => {
                return Ok(RunPlan {
                    config: self.clone(),
                    dataset: dataset.clone(),
                    model,
                    steps_per_epoch: dataset.split.train.div_ceil(self.train.batch_size),
                });
            }
            Ok(_) => {}
        }
        Err(issues)
    }
}

impl super::DataConfig {
    /// What is wrong without looking at the data.
    pub fn issues(&self) -> Vec<ConfigIssue> {
        let mut issues = Vec::new();
        let [train, validation, test] = self.split;
        let sum = train + validation + test;
        if self.split.iter().any(|part| !part.is_finite() || *part <= 0.0) || (sum - 1.0).abs() > 1e-6 {
            issues.push(ConfigIssue::new(
                "data.split",
                format!("{train}, {validation}, {test} are not three positive fractions that sum to 1"),
                "use for example [0.7, 0.15, 0.15]",
            ));
        }
        if !(20..=10_000_000).contains(&self.samples) {
            issues.push(ConfigIssue::new(
                "data.samples",
                format!("{} points", self.samples),
                "use 20 to 10000000",
            ));
        }
        if !self.noise.is_finite() || self.noise < 0.0 {
            issues.push(ConfigIssue::new(
                "data.noise",
                format!("{} is not a deviation", self.noise),
                "use 0 or more",
            ));
        }
        issues
    }
}

/// Largest number of units or filters in a layer, and largest edge of a kernel or pool: far above any small model, and far
/// below what would overflow a count.
const LARGEST_WIDTH: usize = 1_000_000;
const MOST_LAYERS: usize = 1_000;

impl super::ModelConfig {
    fn issues(&self) -> Vec<ConfigIssue> {
        let used: &[(&str, &[usize])] = match self.architecture {
            Architecture::Linear => &[],
            Architecture::Mlp => &[("hidden", &self.hidden)],
            Architecture::Cnn => &[
                ("hidden", &self.hidden),
                ("filters", &self.filters),
                ("kernel", &self.kernel),
                ("pool", &self.pool),
            ],
        };
        let mut issues = Vec::new();
        for (field, values) in used {
            if let Some(value) = values.iter().find(|value| !(1..=LARGEST_WIDTH).contains(value)) {
                let problem = format!("{value} is out of range");
                issues.push(ConfigIssue::new(format!("model.{field}"), problem, "use 1 to 1000000"));
            }
            if values.len() > MOST_LAYERS {
                let problem = format!("{} layers", values.len());
                issues.push(ConfigIssue::new(format!("model.{field}"), problem, "use at most 1000"));
            }
        }
        issues
    }
}

impl TrainConfig {
    fn issues(&self, task: &Task) -> Vec<ConfigIssue> {
        let at_least_0 = |value: f64| value.is_finite() && value >= 0.0;
        let above_0 = |value: f64| value.is_finite() && value > 0.0;
        let mut issues = Vec::new();
        let mut require = |holds: bool, field: &str, value: &dyn ToString, remedy: &str| {
            if !holds {
                let problem = format!("{} is out of range", value.to_string());
                issues.push(ConfigIssue::new(format!("train.{field}"), problem, remedy));
            }
        };
        require(
            (1..=1_000_000).contains(&self.epochs),
            "epochs",
            &self.epochs,
            "use 1 to 1000000",
        );
        require(
            (1..=1_000_000).contains(&self.batch_size),
            "batch_size",
            &self.batch_size,
            "use 1 to 1000000 samples",
        );
        require(
            above_0(self.learning_rate),
            "learning_rate",
            &self.learning_rate,
            "use a positive number such as 0.001",
        );
        require(
            (0.0..1.0).contains(&self.momentum),
            "momentum",
            &self.momentum,
            "use 0 to below 1",
        );
        require(
            at_least_0(self.weight_decay),
            "weight_decay",
            &self.weight_decay,
            "use 0 or more",
        );
        require(self.step_epochs >= 1, "step_epochs", &self.step_epochs, "use 1 or more");
        let is_drop = above_0(self.step_factor) && self.step_factor <= 1.0;
        require(is_drop, "step_factor", &self.step_factor, "use more than 0, at most 1");
        let fits_run = at_least_0(self.warmup_epochs) && self.warmup_epochs <= self.epochs as f64;
        require(
            fits_run,
            "warmup_epochs",
            &self.warmup_epochs,
            "use 0 to the number of epochs",
        );
        if let Some(limit) = self.gradient_clip {
            require(
                above_0(limit),
                "gradient_clip",
                &limit,
                "use a positive norm, or leave it out",
            );
        }
        require(
            (0.0..1.0).contains(&self.label_smoothing),
            "label_smoothing",
            &self.label_smoothing,
            "use 0 to below 1",
        );
        if let Some(early) = self.early_stopping {
            require(
                early.patience >= 1,
                "early_stopping.patience",
                &early.patience,
                "use 1 or more epochs",
            );
            require(
                at_least_0(early.minimum_improvement),
                "early_stopping.minimum_improvement",
                &early.minimum_improvement,
                "use 0 or more",
            );
        }
        issues.extend(self.task_issues(task));
        issues
    }

    /// What does not go with this kind of task.
    fn task_issues(&self, task: &Task) -> Vec<ConfigIssue> {
        let mut issues = Vec::new();
        let regression = matches!(task, Task::Regression);
        let fits = match self.early_stopping.map(|early| early.metric) {
            None | Some(MonitoredMetric::Loss) => true,
            Some(MonitoredMetric::Accuracy) => !regression,
            Some(MonitoredMetric::R2) => regression,
        };
        if !fits {
            issues.push(ConfigIssue::new(
                "train.early_stopping.metric",
                "this task does not have that metric",
                "use loss, accuracy (classification) or r2 (regression)",
            ));
        }
        if self.label_smoothing > 0.0 && regression {
            issues.push(ConfigIssue::new(
                "train.label_smoothing",
                "a regression has no labels",
                "use 0",
            ));
        }
        issues
    }

    /// Values that the optimizer keeps for each weight.
    pub fn optimizer_slots(&self) -> usize {
        match self.optimizer {
            OptimizerKind::Sgd => usize::from(self.momentum > 0.0),
            OptimizerKind::Adam | OptimizerKind::AdamW => 2,
        }
    }
}
