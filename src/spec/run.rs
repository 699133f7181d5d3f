//! A run as it is listed: what was asked, what came of it, and what was measured on its exported bytes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{ArtifactKind, Metrics, Recipe};

/// A run's number in its store, written `r12`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub i64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

impl FromStr for RunId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        text.strip_prefix('r')
            .and_then(|number| number.parse().ok())
            .map(Self)
            .ok_or(())
    }
}

impl Serialize for RunId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map_err(|()| serde::de::Error::custom(format!("`{text}` is not a run number such as r12")))
    }
}

/// Longest name of a run, in characters.
pub const LONGEST_NAME: usize = 80;

/// What is wrong with a name for a run, and what to do: it is to be a line of a table, and no run's number.
pub fn name_problem(name: &str) -> Option<(String, String)> {
    let length = name.chars().count();
    let lengths = format!("use 1 to {LONGEST_NAME} characters");
    if name.trim().is_empty() {
        Some(("is empty".to_owned(), lengths))
    } else if length > LONGEST_NAME {
        Some((format!("has {length} characters"), lengths))
    } else if name.chars().any(char::is_control) {
        let what = "has a line break, a tab or another control character in it";
        Some((what.to_owned(), "use letters, digits and signs on one line".to_owned()))
    } else if name.trim().parse::<RunId>().is_ok() {
        let what = format!("reads as the number of a run (`{}`)", name.trim());
        Some((what, "add a word to it".to_owned()))
    } else {
        None
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    Queued,
    Running,
    Paused,
    Finished,
    Stopped,
    Failed,
    Crashed,
    /// Its process is gone without having ended it.
    Interrupted,
}

impl RunStatus {
    /// Whether a process is or should be at work on the run.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Running | Self::Paused)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Crashed => "crashed",
            Self::Interrupted => "interrupted",
        }
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for RunStatus {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [
            Self::Queued,
            Self::Running,
            Self::Paused,
            Self::Finished,
            Self::Stopped,
            Self::Failed,
            Self::Crashed,
            Self::Interrupted,
        ]
        .into_iter()
        .find(|status| status.name() == text)
        .ok_or(())
    }
}

/// Mean and standard deviation over the folds of a cross-validation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FoldScores {
    pub mean: Metrics,
    pub sd: Metrics,
}

/// One row of the runs table, and the object of `--json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub run: RunId,
    pub name: String,
    pub status: RunStatus,
    /// Epochs trained.
    pub epochs: usize,
    /// Epoch (from 1) whose weights are kept; none before the first ended.
    pub best_epoch: Option<usize>,
    pub train: Option<Metrics>,
    pub validation: Option<Metrics>,
    pub test: Option<Metrics>,
    pub parameters: u64,
    /// For one sample.
    pub multiply_adds: u64,
    pub elapsed_secs: f64,
    /// Mean over the steps, time between steps left out.
    #[serde(deserialize_with = "null_as_nan")]
    pub samples_per_second: f64,
    pub predicted_memory_bytes: u64,
    /// Peak of the tracked heap above what was live before the first step.
    pub peak_memory_bytes: u64,
    /// Why it failed or crashed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failure: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub folds: Option<FoldScores>,
    /// What was measured on the exported bytes; the fields stand beside the others in JSON.
    #[serde(flatten, skip_serializing_if = "Option::is_none", default)]
    pub deployed: Option<Deployed>,
}

impl Run {
    /// What the score is: "accuracy", or of a regression "R2".
    pub fn metric(&self) -> &'static str {
        let metrics = self.test.or(self.validation);
        if metrics.is_some_and(|metrics| metrics.r2.is_some()) {
            "R2"
        } else {
            "accuracy"
        }
    }

    /// The run that its verdicts are against; none where it has been timed beside no other, but as the one that those are held
    /// against.
    pub fn timed_beside(&self) -> Option<RunId> {
        let deployed = self.deployed.as_ref()?;
        let beside = deployed.against.or(deployed.parent);
        beside.filter(|&beside| beside != self.run)
    }
}

/// What a network costs and achieves where it is used: measured on its exported bytes, and only there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deployed {
    /// `None` is the uncompressed baseline, written "baseline".
    #[serde(with = "baseline_or_recipe")]
    pub recipe: Option<Recipe>,
    /// The run that was compressed.
    pub parent: Option<RunId>,
    /// Accuracy on the test split; for a regression, R2.
    pub accuracy: f64,
    pub size_bytes: u64,
    /// After zstd at level 19.
    pub zstd_bytes: u64,
    pub latency_us: Latency,
    /// The loaded model and its buffers at batch 64, exactly: of a network packed weights and arena.
    pub memory_bytes: u64,
    pub speed: Speed,
    /// Layers that run on integer kernels.
    pub int8_layers: usize,
    /// Of the exported bytes.
    pub sha256: String,
    /// The run that it was timed in turn with, and that the verdicts are against: its own number where it has been the first
    /// of its measurements alone. None of a trained run that was that, and of a row of an older program, which is against its
    /// parent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub against: Option<RunId>,
    /// At batch 64.
    pub verdict: Verdict,
    /// At batch 1.
    pub verdict_batch1: Verdict,
    /// Instruction set the runtime chose.
    pub engine: String,
}

impl Deployed {
    /// The recipe in words, or "baseline".
    pub fn recipe_name(&self) -> String {
        self.recipe
            .as_ref()
            .map_or_else(|| "baseline".to_owned(), ToString::to_string)
    }

    /// Of the row of `run`, the first of a measurement, which is judged by none of the others: what its `former` row says of
    /// it still holds.
    pub fn keep_verdicts(&mut self, run: RunId, former: Option<&Self>) {
        let is_judged = |former: &&Self| {
            let verdicts = [former.verdict, former.verdict_batch1];
            former.against.is_some() || verdicts != [Verdict::CannotTell; 2]
        };
        match former.filter(is_judged) {
            Some(former) => {
                self.against = former.against;
                self.verdict = former.verdict;
                self.verdict_batch1 = former.verdict_batch1;
            }
            None => self.against = self.parent.map(|_| run),
        }
    }
}

/// Time of one call, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    pub batch1: LatencySummary,
    pub batch64: LatencySummary,
}

/// Order statistics over `n` rounds, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LatencySummary {
    pub p10: f64,
    pub median: f64,
    pub p90: f64,
    pub n: usize,
}

/// Whether what the recipe promises is really bought by the measured file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speed {
    Measured,
    /// Zeroed weights: dense kernels take the same time, so the sparsity buys no speed here.
    Simulated,
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Measured => "measured",
            Self::Simulated => "simulated",
        })
    }
}

/// By the 95 % bootstrap interval of the median paired ratio to the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    #[serde(rename = "faster")]
    Faster,
    #[serde(rename = "slower")]
    Slower,
    #[serde(rename = "cannot tell")]
    CannotTell,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Faster => "faster",
            Self::Slower => "slower",
            Self::CannotTell => "cannot tell",
        })
    }
}

/// A file of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    pub kind: ArtifactKind,
    pub bytes: u64,
    pub sha256: String,
}

/// JSON has neither NaN nor infinity: both are written as null, and null is read as NaN.
pub(super) fn null_as_nan<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// Serde's form of a recipe that may be absent.
mod baseline_or_recipe {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::Recipe;

    #[expect(clippy::ref_option, reason = "serde calls it with a reference to the field")]
    pub fn serialize<S: Serializer>(recipe: &Option<Recipe>, serializer: S) -> Result<S::Ok, S::Error> {
        match recipe {
            Some(recipe) => serializer.collect_str(recipe),
            None => serializer.serialize_str("baseline"),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Recipe>, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "baseline" => Ok(None),
            text => text.parse().map(Some).map_err(D::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_short_line_and_no_number_of_a_run() {
        for name in [
            "a",
            "first try",
            "r",
            "r12b",
            "run 12",
            "ümläut, \"quoted\"",
            &"x".repeat(80),
        ] {
            assert_eq!(name_problem(name), None, "{name}");
        }
        for (name, word) in [
            ("", "empty"),
            (" \t", "empty"),
            ("a\nb", "line break"),
            ("a\tb", "tab"),
            ("r1", "number of a run"),
            (" r12 ", "number of a run"),
            (&"x".repeat(81), "81 characters"),
        ] {
            let (what, _) = name_problem(name).unwrap();
            assert!(what.contains(word), "{name:?}: {what}");
        }
    }
}
