//! From an unchecked configuration to a checked plan: all problems at once, each with the name of its field.

use serde::{Deserialize, Serialize};

use super::{
    Architecture, Augmentation, ClassWeights, DatasetSummary, Device, LayerSpec, LossKind, ModelSpec, MonitoredMetric,
    OptimizerKind, Precision, Pruning, RunConfig, SchedulePlan, Task, TrainConfig, name_problem,
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
        issues.extend(self.data.augment_issues(dataset));
        issues.extend(self.train.issues(&dataset.task));
        if let Some((what, remedy)) = self.run.name.as_deref().and_then(name_problem) {
            issues.push(ConfigIssue::new("run.name", what, remedy));
        }
        let in_model = self.model.issues();
        let is_buildable = in_model.is_empty();
        issues.extend(in_model);
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
        if self.model.architecture == Architecture::Logistic && dataset.task.is_regression() {
            issues.push(ConfigIssue::new(
                "model.architecture",
                "logistic regression answers with classes, and this task asks for numbers",
                "use ridge, which is its like for numbers",
            ));
        }
        if self.train.precision != Precision::F32 && self.run.device == Device::Ndarray {
            issues.push(ConfigIssue::new(
                "train.precision",
                "ndarray keeps everything in 32 bits",
                "use f32, or run.device flex",
            ));
        }
        if !is_buildable {
            // What is out of range is not built: it may be too large to be.
            return Err(issues);
        }
        match ModelSpec::from_config(&self.model, dataset.input, dataset.task.outputs()) {
            Err(more) => issues.extend(more),
            Ok(model) => {
                issues.extend(self.train.worker_issue(&model));
                issues.extend(self.train.protect_issue(&model));
                if issues.is_empty() {
                    return Ok(RunPlan {
                        config: self.clone(),
                        dataset: dataset.clone(),
                        model,
                        steps_per_epoch: dataset.split.train.div_ceil(self.train.samples_per_step()),
                    });
                }
            }
        }
        Err(issues)
    }
}

impl super::DataConfig {
    /// Augmentations that have no meaning for these samples.
    fn augment_issues(&self, dataset: &DatasetSummary) -> Vec<ConfigIssue> {
        let mut issues = Vec::new();
        let is_mixup = |augmentation: &Augmentation| matches!(augmentation, Augmentation::Mixup { .. });
        for (place, augmentation) in self.augment.iter().enumerate() {
            let entry = format!("entry {}: {}", place + 1, augmentation.name());
            if !augmentation.fits(dataset.input) {
                let problem = format!("{entry} does not fit samples of {}", dataset.input);
                issues.push(ConfigIssue::new("data.augment", problem, "leave it out"));
            } else if is_mixup(augmentation) && self.augment[..place].iter().any(is_mixup) {
                let problem = format!("{entry} stands there twice");
                issues.push(ConfigIssue::new("data.augment", problem, "leave one out"));
            }
        }
        issues
    }

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
        let counts = [
            ("steps", self.steps, 10_000),
            ("window", Some(self.window), 10_000),
            ("horizon", Some(self.horizon), 1_000),
            ("vocabulary", self.vocabulary, 1_000_000),
            ("image_size", self.image_size, 1_024),
            ("memory_mb", Some(self.memory_mb), 1_000_000),
        ];
        for (field, value, most) in counts {
            if let Some(value) = value
                && !(1..=most).contains(&value)
            {
                let problem = format!("{value} is out of range");
                issues.push(ConfigIssue::new(format!("data.{field}"), problem, bound(value, most)));
            }
        }
        for (place, augmentation) in self.augment.iter().enumerate() {
            if let Some(problem) = augmentation.problem() {
                let problem = format!("entry {}: {problem}", place + 1);
                issues.push(ConfigIssue::new("data.augment", problem, "change the number"));
            }
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
        let widths: [(&str, &[usize]); 12] = [
            ("hidden", &self.hidden),
            ("filters", &self.filters),
            ("kernel", &self.kernel),
            ("pool", &self.pool),
            ("units", &self.units),
            ("dimensions", &[self.dimensions]),
            ("heads", &[self.heads]),
            ("blocks", &[self.blocks]),
            ("feed_forward", &[self.feed_forward]),
            ("patch", self.patch.as_slice()),
            ("trees", &[self.trees]),
            ("neighbours", &[self.neighbours]),
        ];
        let mut issues = Vec::new();
        for (field, values) in widths.into_iter().filter(|(field, _)| self.uses(field)) {
            if let Some(value) = values.iter().find(|value| !(1..=LARGEST_WIDTH).contains(value)) {
                let problem = format!("{value} is out of range");
                let remedy = bound(*value, LARGEST_WIDTH);
                issues.push(ConfigIssue::new(format!("model.{field}"), problem, remedy));
            }
            if values.len() > MOST_LAYERS || (field == "blocks" && self.blocks > MOST_LAYERS) {
                let problem = format!("{} layers", values.len().max(self.blocks));
                issues.push(ConfigIssue::new(format!("model.{field}"), problem, "use at most 1000"));
            }
        }
        if let Some(layers) = &self.layers
            && layers.len() > MOST_LAYERS
        {
            let problem = format!("{} layers", layers.len());
            issues.push(ConfigIssue::new("model.layers", problem, "use at most 1000"));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            let problem = format!("{} is not a probability below 1", self.dropout);
            issues.push(ConfigIssue::new("model.dropout", problem, "use 0 to 0.9"));
        }
        if !(self.penalty.is_finite() && self.penalty >= 0.0) {
            let problem = format!("{} is out of range", self.penalty);
            issues.push(ConfigIssue::new("model.penalty", problem, "use 0 or more"));
        }
        issues
    }

    /// Whether the knob of this name, without its section, does something in this architecture.
    pub fn uses(&self, field: &str) -> bool {
        use Architecture as A;
        let architecture = self.architecture;
        let is_convolutional = matches!(architecture, A::Cnn | A::Resnet | A::Mobilenet | A::Cnn1d);
        let is_recurrent = matches!(architecture, A::Rnn | A::Gru | A::Lstm);
        if self.layers.is_some() && !architecture.is_classical() {
            return matches!(field, "architecture" | "layers" | "initialiser");
        }
        match field {
            "architecture" => true,
            // Dimensions: width of the vectors of tokens, whatever reads them.
            "layers" | "initialiser" | "dimensions" => !architecture.is_classical(),
            "hidden" => is_recurrent || matches!(architecture, A::Mlp | A::Cnn | A::Cnn1d),
            "filters" | "kernel" | "pool" | "batch_norm" => is_convolutional,
            "padding" => matches!(architecture, A::Cnn | A::Cnn1d),
            "activation" | "dropout" => !matches!(architecture, A::Linear) && !architecture.is_classical(),
            "units" | "bidirectional" => is_recurrent,
            "heads" | "blocks" | "feed_forward" | "positions" | "summary" | "pre_norm" | "patch" => {
                architecture == A::Transformer
            }
            "trees" => architecture == A::Forest,
            "neighbours" => architecture == A::Knn,
            "penalty" => matches!(architecture, A::Logistic | A::Ridge),
            _ => false,
        }
    }
}

/// What a count is to be that is 0, or above `most`.
fn bound(value: usize, most: usize) -> String {
    if value == 0 {
        "use 1 or more".to_owned()
    } else {
        format!("use at most {most}")
    }
}

/// A number of the training section that is out of range.
fn within(holds: bool, field: &str, value: &dyn ToString, remedy: &str) -> Option<ConfigIssue> {
    (!holds).then(|| {
        let problem = format!("{} is out of range", value.to_string());
        ConfigIssue::new(format!("train.{field}"), problem, remedy)
    })
}

fn at_least_0(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

fn above_0(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

impl TrainConfig {
    fn issues(&self, task: &Task) -> Vec<ConfigIssue> {
        let mut issues = self.step_issues();
        issues.extend(self.course_issues());
        issues.extend(self.task_issues(task));
        issues
    }

    /// Numbers of a step that are out of range.
    fn step_issues(&self) -> Vec<ConfigIssue> {
        let mut issues = Vec::new();
        let mut require = |holds: bool, field: &str, value: &dyn ToString, remedy: &str| {
            issues.extend(within(holds, field, value, remedy));
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
        issues
    }

    /// Numbers of batches, losses and ends that are out of range.
    fn course_issues(&self) -> Vec<ConfigIssue> {
        let mut issues = Vec::new();
        let mut require = |holds: bool, field: &str, value: &dyn ToString, remedy: &str| {
            issues.extend(within(holds, field, value, remedy));
        };
        require(
            (1..=10_000).contains(&self.accumulate),
            "accumulate",
            &self.accumulate,
            "use 1 to 10000 batches",
        );
        require(
            (1..=64).contains(&self.workers),
            "workers",
            &self.workers,
            "use 1 to 64",
        );
        require(at_least_0(self.l1), "l1", &self.l1, "use 0 or more");
        require(
            at_least_0(self.focal_gamma),
            "focal_gamma",
            &self.focal_gamma,
            "use 0 or more",
        );
        require(
            above_0(self.huber_delta),
            "huber_delta",
            &self.huber_delta,
            "use a positive number",
        );
        if let Some(decay) = self.average {
            require(
                (0.0..1.0).contains(&decay),
                "average",
                &decay,
                "use 0 to below 1, such as 0.99",
            );
        }
        if let Some(problem) = self.prune.as_ref().and_then(Pruning::problem) {
            let remedy = "leave it to a recipe, or take the option out";
            issues.push(ConfigIssue::new("train.prune", problem, remedy));
        }
        let mut require = |holds: bool, field: &str, value: &dyn ToString, remedy: &str| {
            issues.extend(within(holds, field, value, remedy));
        };
        if let Some(limit) = self.time_limit {
            require(above_0(limit), "time_limit", &limit, "use a positive number of seconds");
        }
        if let Some(target) = self.target {
            require(target.value.is_finite(), "target.value", &target.value, "use a number");
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
        issues
    }

    /// A batch that can't be shared by so many workers. Each normalises its own share in a batch norm, so that a share of a
    /// single sample would lose what it says.
    fn worker_issue(&self, model: &ModelSpec) -> Option<ConfigIssue> {
        let has_batch_norm = model.layers.contains(&LayerSpec::BatchNorm);
        let (least, why) = if has_batch_norm {
            (
                2,
                "each worker normalises its own share of a batch, which takes two samples",
            )
        } else {
            (1, "each worker takes a share of every batch")
        };
        (self.workers > 1 && self.batch_size < least * self.workers).then(|| {
            let problem = format!("{} for batches of {}: {why}", self.workers, self.batch_size);
            ConfigIssue::new("train.workers", problem, "use fewer workers or larger batches")
        })
    }

    /// A layer that pruning is to leave alone, and that is none.
    fn protect_issue(&self, model: &ModelSpec) -> Option<ConfigIssue> {
        let protect = match self.prune.as_ref()? {
            Pruning::Units(units) => &units.protect,
            Pruning::Weights(weights) => &weights.protect,
        };
        let layers = model.layers.len();
        let layer = protect.iter().find(|&&layer| layer >= layers)?;
        let problem = format!("there is no layer {layer} to protect; the network has {layers}");
        Some(ConfigIssue::new("train.prune", problem, "number layers from 0"))
    }

    /// Samples whose gradients are averaged for one step.
    pub fn samples_per_step(&self) -> usize {
        self.batch_size.max(1) * self.accumulate.max(1)
    }

    /// What does not go with this kind of task.
    fn task_issues(&self, task: &Task) -> Vec<ConfigIssue> {
        let mut issues = Vec::new();
        let regression = task.is_regression();
        let has = |metric: MonitoredMetric| match metric {
            MonitoredMetric::Loss => true,
            MonitoredMetric::Accuracy | MonitoredMetric::F1 => !regression,
            MonitoredMetric::R2 | MonitoredMetric::Rmse => regression,
        };
        let watched = [
            (
                "train.early_stopping.metric",
                self.early_stopping.map(|early| early.metric),
            ),
            ("train.target.metric", self.target.map(|target| target.metric)),
        ];
        for (field, metric) in watched {
            if metric.is_some_and(|metric| !has(metric)) {
                issues.push(ConfigIssue::new(
                    field,
                    "this task does not have that metric",
                    "use loss, accuracy or f1 (classification), r2 or rmse (regression)",
                ));
            }
        }
        if self.label_smoothing > 0.0 && regression {
            issues.push(ConfigIssue::new(
                "train.label_smoothing",
                "a regression has no labels",
                "use 0",
            ));
        }
        match (self.loss, regression) {
            (LossKind::Focal, true) => issues.push(ConfigIssue::new(
                "train.loss",
                "the focal loss is for classes",
                "use standard or huber",
            )),
            (LossKind::Huber, false) => issues.push(ConfigIssue::new(
                "train.loss",
                "the Huber loss is for numbers",
                "use standard or focal",
            )),
            _ => {}
        }
        if self.class_weights == ClassWeights::Balanced && regression {
            issues.push(ConfigIssue::new(
                "train.class_weights",
                "a regression has no classes",
                "use none",
            ));
        }
        issues
    }

    /// Values that the optimizer keeps for each weight.
    pub fn optimizer_slots(&self) -> usize {
        match self.optimizer {
            OptimizerKind::Sgd => usize::from(self.momentum > 0.0),
            OptimizerKind::RmsProp => 1 + usize::from(self.momentum > 0.0),
            OptimizerKind::AdaGrad | OptimizerKind::Lion => 1,
            OptimizerKind::Adam | OptimizerKind::AdamW | OptimizerKind::Lamb => 2,
        }
    }
}
