//! One long series whose next values are asked for: cut in time into training, validation and test, and each of these into
//! windows that stay within it.

mod new;
mod read;

pub(super) use new::read_new;
pub(super) use read::{is_time, of_sheet};

use std::ops::Range;

use super::DataError;
use super::preprocess::standardise;
use super::raw::Part;
use super::samples::{Dataset, Samples, Targets};
use super::sequences::{check_size, encode, scales};
use super::source::{About, Division, Source, assemble};
use super::target::{Target, TargetValues};
use crate::spec::{
    DataConfig, DataKind, InputForm, Preprocessing, Shape, TargetScale, TargetTransform, Task, push_csv_line,
};

/// A series as read.
pub(super) struct Series {
    /// Path or name.
    pub(super) file: String,
    pub(super) features: Vec<String>,
    /// `steps x features`, step after step; NaN where no value came before, which no target has.
    pub(super) values: Vec<f64>,
    /// Places of what is forecast among the features.
    pub(super) targets: Vec<usize>,
    pub(super) notes: Vec<String>,
}

impl Series {
    /// Number of steps.
    pub(super) fn len(&self) -> usize {
        self.values.len() / self.features.len().max(1)
    }

    fn steps(&self, range: Range<usize>) -> &[f64] {
        let width = self.features.len();
        &self.values[range.start * width..range.end * width]
    }

    /// Training, validation and test in the order of time. Folds have as many blocks and one more: fold `f` tests on block
    /// `f + 1` and learns from all that came before.
    fn parts(&self, config: &DataConfig, division: Division) -> [Range<usize>; 3] {
        let steps = self.len();
        let [training, validating, _] = config.split;
        match division {
            Division::Split => {
                let border = |fraction: f64| ((steps as f64 * fraction).round() as usize).min(steps);
                let (first, second) = (border(training), border(training + validating));
                [0..first, first..second, second..steps]
            }
            Division::Fold { fold, folds } => {
                let border = |block: usize| (block as u128 * steps as u128 / (folds as u128 + 1)) as usize;
                let (known, end) = (border(fold + 1), border(fold + 2));
                let first = (known as f64 * training / (training + validating)).round() as usize;
                [0..first.min(known), first.min(known)..known, known..end]
            }
        }
    }

    fn fit(&self, config: &DataConfig, train: Range<usize>) -> Preprocessing {
        let features = scales(&self.features, || std::iter::once(self.steps(train.clone())));
        let horizon = config.horizon;
        let targets = self.targets.iter().flat_map(|&target| {
            let feature = &features[target];
            (1..=horizon).map(|ahead| TargetScale {
                name: match horizon {
                    1 => feature.name.clone(),
                    _ => format!("{} +{ahead}", feature.name),
                },
                mean: feature.mean,
                deviation: feature.deviation,
            })
        });
        Preprocessing {
            target: TargetTransform::Values {
                targets: targets.collect(),
            },
            form: InputForm::Window {
                targets: self.target_names(),
                features,
                horizon,
            },
            columns: Vec::new(),
            shape: Shape::Sequence {
                steps: config.window,
                features: self.features.len(),
            },
            target_column: self.target_names().join(","),
        }
    }

    fn target_names(&self) -> Vec<String> {
        self.targets
            .iter()
            .map(|&target| self.features[target].clone())
            .collect()
    }

    fn task(preprocessing: &Preprocessing) -> Task {
        Task::Regression {
            targets: match &preprocessing.target {
                TargetTransform::Values { targets } => targets.iter().map(|target| target.name.clone()).collect(),
                TargetTransform::Classes { .. } => Vec::new(),
            },
        }
    }
}

/// Inputs and targets of all windows within these steps that have their horizon behind them.
pub(super) fn windows(values: &[f64], preprocessing: &Preprocessing) -> (Vec<f32>, Targets) {
    let window = preprocessing.shape.positions();
    let (
        InputForm::Window {
            features,
            targets,
            horizon,
        },
        TargetTransform::Values { targets: scales },
    ) = (&preprocessing.form, &preprocessing.target)
    else {
        return (Vec::new(), Targets::Classes(Vec::new()));
    };
    let width = features.len();
    let steps = values.len() / width.max(1);
    let count = (steps + 1).saturating_sub(window + horizon);
    let places: Vec<usize> = targets
        .iter()
        .filter_map(|target| features.iter().position(|feature| feature.name == *target))
        .collect();
    let mut inputs = Vec::with_capacity(count * window * width);
    let mut answers = Vec::with_capacity(count * scales.len());
    for start in 0..count {
        let end = start + window;
        encode(&values[start * width..end * width], features, window, &mut inputs);
        let ahead = places
            .iter()
            .flat_map(|&place| (0..*horizon).map(move |ahead| values[(end + ahead) * width + place]));
        answers.extend(
            ahead
                .zip(scales)
                .map(|(value, scale)| standardise(value, scale.mean, scale.deviation)),
        );
    }
    let targets = Targets::Values {
        values: answers,
        width: scales.len(),
    };
    (inputs, targets)
}

impl Source for Series {
    fn dataset(&self, config: &DataConfig, division: Division) -> Result<Dataset, DataError> {
        let parts = self.parts(config, division);
        let needed = config.window + config.horizon;
        for (name, part) in ["training", "validation", "test"].into_iter().zip(&parts) {
            if part.len() < needed {
                return Err(DataError::SeriesTooShort {
                    file: self.file.clone(),
                    part: name,
                    steps: part.len(),
                    needed,
                });
            }
        }
        check_size(&self.file, [self.len(), config.window, self.features.len()])?;
        let preprocessing = self.fit(config, parts[0].clone());
        let samples = parts.map(|part| {
            let (inputs, targets) = windows(self.steps(part), &preprocessing);
            Samples {
                shape: preprocessing.shape,
                inputs: inputs.into(),
                targets,
            }
        });
        let mut notes = self.notes.clone();
        notes.push(format!(
            "{} steps in the order of time: training first, then validation, then test, each cut into windows of {} steps and {} ahead",
            self.len(),
            config.window,
            config.horizon
        ));
        let target = Target {
            names: self.target_names(),
            task: Self::task(&preprocessing),
            values: TargetValues::Values {
                values: Vec::new(),
                width: 0,
            },
            strata: Vec::new(),
            strata_count: 0,
            class_rows: Vec::new(),
        };
        let about = About {
            file: self.file.clone(),
            kind: DataKind::Series,
            columns: self.features.clone(),
            notes,
        };
        Ok(assemble(about, &target, preprocessing, samples))
    }

    /// The steps of the part.
    fn csv(&self, config: &DataConfig, part: Part) -> Result<String, DataError> {
        let [train, validation, test] = self.parts(config, Division::Split);
        let range = match part {
            Part::Train => train,
            Part::Validation => validation,
            Part::Test => test,
        };
        let mut text = String::new();
        push_csv_line(&mut text, &self.features);
        for step in self.steps(range).chunks_exact(self.features.len().max(1)) {
            let cells = step.iter().map(|value| {
                if value.is_nan() {
                    String::new()
                } else {
                    value.to_string()
                }
            });
            push_csv_line(&mut text, cells);
        }
        Ok(text)
    }
}
