//! One input, answered by the exported bytes of several runs.

use super::clerk::Clerk;
use super::{Trial, Tried, TryInput};
use crate::data::encode_cells;
use crate::deploy::bundle::Prediction;
use crate::inspect::Viewer;
use crate::jobs::JobError;
use crate::spec::{Failure, RunId, SampleView, TargetTransform, units};

/// What was asked, and of a test row of a regression the true values.
type Asked = (SampleView, Vec<(String, f64)>);

impl Clerk {
    /// The answers of all runs; an error where the input fits none of them.
    pub fn attempt(&mut self, runs: &[RunId], input: &TryInput) -> Result<Tried, JobError> {
        let mut shown = None;
        let mut first_error = None;
        let mut trials = Vec::with_capacity(runs.len());
        for &run in runs {
            let trial = match self.trial(run, input) {
                Ok((asked, trial)) => {
                    shown.get_or_insert(asked);
                    Ok(trial)
                }
                Err(error) => {
                    let message = error.to_string();
                    first_error.get_or_insert(error);
                    Err(message)
                }
            };
            trials.push((run, trial));
        }
        match (shown, first_error) {
            (Some((sample, true_values)), _) => Ok(Tried {
                truth: matches!(input, TryInput::TestRow(_)).then(|| sample.truth.clone()),
                true_values,
                sample,
                trials,
            }),
            (None, Some(error)) => Err(error),
            (None, None) => Err(Failure::new("try it", "no run is chosen", "choose a finished run").into()),
        }
    }

    fn trial(&mut self, run: RunId, input: &TryInput) -> Result<(Asked, Trial), JobError> {
        let record = self.store.run(run)?;
        let exported = self.exported(run)?;
        let dataset = self.dataset_of(&record)?;
        let viewer = Viewer::new(&dataset);
        let preprocessing = &dataset.preprocessing;
        let mut true_values = Vec::new();
        let (inputs, sample) = match input {
            TryInput::Pixels(pixels) => {
                let inputs = viewer.inputs_of_pixels(pixels).ok_or_else(|| {
                    Failure::new(
                        "the drawing",
                        format!(
                            "has {} pixels where run {run} reads {}",
                            pixels.len(),
                            preprocessing.shape
                        ),
                        "draw for a run that was trained on images of this size",
                    )
                })?;
                let sample = viewer.unlabelled(&inputs);
                (inputs, sample)
            }
            TryInput::Cells(cells) => {
                let inputs = encode_cells(cells, preprocessing)?;
                let mut sample = viewer.unlabelled(&inputs);
                let typed = |name: &String| cells.iter().find(|(known, _)| known == name);
                sample.cells = sample
                    .columns
                    .iter()
                    .map(|name| typed(name).map_or_else(String::new, |(_, text)| text.clone()))
                    .collect();
                (inputs, sample)
            }
            &TryInput::TestRow(row) => {
                let rows = dataset.test.len();
                if row >= rows {
                    let what = format!("the test split has {rows} rows");
                    return Err(Failure::new(format!("test row {row}"), what, "choose one of them").into());
                }
                let sample = viewer.sample(&dataset.test, row, String::new());
                true_values = viewer.values(&dataset.test.targets, row);
                (dataset.test.row(row).to_vec(), sample)
            }
        };
        let prediction = Prediction::of(&exported.outputs(&inputs)?, &preprocessing.target);
        let microseconds = exported.time(&inputs)?;
        let trial = match prediction {
            Prediction::Class {
                label, probabilities, ..
            } => {
                let classes = match &preprocessing.target {
                    TargetTransform::Classes { classes } => &classes[..],
                    TargetTransform::Values { .. } => &[],
                };
                Trial {
                    answer: label,
                    values: Vec::new(),
                    probabilities: classes.iter().cloned().zip(probabilities).collect(),
                    microseconds,
                }
            }
            Prediction::Value { value } => of_values(&[value], &preprocessing.target, microseconds),
            Prediction::Values { values } => of_values(&values, &preprocessing.target, microseconds),
        };
        Ok(((sample, true_values), trial))
    }
}

fn of_values(values: &[f64], target: &TargetTransform, microseconds: f64) -> Trial {
    let names = match target {
        TargetTransform::Classes { .. } => &[],
        TargetTransform::Values { targets } => &targets[..],
    };
    let answer: Vec<String> = values.iter().map(|&value| units::significant(value)).collect();
    Trial {
        answer: answer.join(", "),
        values: names
            .iter()
            .map(|target| target.name.clone())
            .zip(values.iter().copied())
            .collect(),
        probabilities: Vec::new(),
        microseconds,
    }
}
