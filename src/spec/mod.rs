//! Plain data that every room shares. No tensor, no window, no thread and no file is known here, so that form, file,
//! command line, engine and store can all speak of the same run in the same words.

mod check;
mod config;
mod control;
mod dataset;
mod event;
mod failure;
mod finding;
mod idle;
mod ladder;
mod ledger;
mod median;
mod metrics;
mod model;
mod quantization;
mod reading;
mod recipe;
mod run;
mod schedule;
mod schema;
mod scores;
mod sensitivity;
mod snapshot;
mod stream;
pub mod units;
mod weights;
mod writing;
mod yardstick;

pub use check::{ConfigIssue, RunPlan};
pub use config::{
    Architecture, Augmentation, ClassWeights, DataConfig, Device, EarlyStopping, Initialiser, LossKind, ModelConfig,
    MonitoredMetric, OptimizerKind, PaddingKind, Precision, RunConfig, RunSection, ScheduleKind, StopTarget,
    SummaryKind, TaskKind, TrainConfig,
};
pub use control::{Command, RunControl};
pub use dataset::{
    ColumnKind, Content, DataKind, DatasetSummary, FeatureScale, InputColumn, InputForm, Preprocessing, SplitRows,
    TargetScale, TargetTransform, Task, Vocabulary,
};
pub use event::{ArtifactKind, Ended, Envelope, Event, EventSink, MemoryReading, StepRecord, StepTimes};
pub use failure::Failure;
pub use finding::{Finding, FindingKind};
pub use ladder::Ladder;
pub use ledger::MemoryLedger;
pub use median::median;
pub use metrics::{Metrics, class_of, softmax};
pub use model::{
    ActivationKind, Axis, AxisRole, BATCH_NORM_EPSILON, CellKind, Coupling, Cut, KeptUnits, LAYER_NORM_EPSILON,
    LEAKY_SLOPE, LayerSpec, MASKED_SCORE, ModelSpec, Owners, PART_NAMES, Placed, PositionKind, PresetSize, Projection,
    Shape, ShapeError, Unit, UnitGroup, UnitKind, sinusoidal,
};
pub use quantization::{
    ActivationQuantization, DEFAULT_PERCENTILE, GROUP, GridPlan, NibbleGroup, Protect, Quantization,
    QuantizationRanges, Range, RangeMethod, WeightGrid, symmetric_scale, weight_scale, weight_steps,
};
pub use reading::{ConfigError, apply_overrides, parse_config};
pub use recipe::{
    Choice, DEFAULT_CALIBRATION, FLAG, Knob, KnobKind, Lesson, LowRank, PruneBlocks, PruneUnits, PruneWeights, Pruning,
    RankTarget, Recipe, RecipeError, RecipeStep, StepWord, UnitCriterion, UnitTarget, Values, WORDS, WeightCriterion,
    WeightPattern, When,
};
pub use run::{
    Artifact, Deployed, FoldScores, LONGEST_NAME, Latency, LatencySummary, Run, RunId, RunStatus, Speed, Verdict,
    name_problem,
};
pub use schedule::SchedulePlan;
pub use schema::{KEYS, Key, annotated_toml, dotted};
pub use scores::{Calibration, CalibrationBin, ClassScore, signal_to_noise};
pub use sensitivity::{Activations, LayerChange, LayerSensitivity, Mix, Sensitivity};
pub use snapshot::{
    AnswersSeen, Attention, AttentionLayer, Changes, ClassAnswer, ClassChange, EXPLODING, FilterPicture, Filters,
    Forecast, ForecastWindow, GradientHealth, GradientSeen, Gradients, Histogram, RocCurve, SampleView, Snapshot,
    Surface, TargetAnswers, VANISHING, Wanted,
};
pub use stream::stream;
pub use weights::{NamedTensor, Weights};
pub use writing::{hexadecimal, push_csv_line};
pub use yardstick::{Group, Yardstick, groups};
