//! Samples as a person can look at them: cells as in the file, or pixels between paper and ink.

use super::Viewer;
use crate::data::{Dataset, Samples, Targets, restore_cells, restore_value};
use crate::spec::{Range, SampleView, Shape, TargetScale, TargetTransform, Task};

/// Most example images.
const PICTURES: usize = 60;
/// Cells of example rows, in all.
const CELLS: usize = 5_000;

/// The preprocessed values of the lightest and the darkest pixel of the training rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ink {
    shape: Shape,
    range: Range,
}

impl Ink {
    /// Only for images.
    pub fn of(dataset: &Dataset) -> Option<Self> {
        let shape = dataset.preprocessing.shape;
        matches!(shape, Shape::Image { .. }).then(|| Self {
            shape,
            range: dataset.train.inputs.range(),
        })
    }

    fn width(self) -> f32 {
        (self.range.max - self.range.min).max(f32::MIN_POSITIVE)
    }

    fn of_input(self, input: f32) -> f32 {
        ((input - self.range.min) / self.width()).clamp(0.0, 1.0)
    }

    fn to_input(self, ink: f32) -> f32 {
        self.range.min + ink.clamp(0.0, 1.0) * self.width()
    }
}

impl Viewer<'_> {
    /// Row `row` of a part of the data; `answer` is what a network said of it.
    pub fn sample(&self, samples: &Samples, row: usize, answer: String) -> SampleView {
        let inputs = samples.row(row);
        let mut view = self.unlabelled(&inputs);
        view.row = row;
        view.truth = self.truth(&samples.targets, row);
        view.answer = answer;
        view
    }

    /// Preprocessed inputs of which no truth is known.
    pub fn unlabelled(&self, inputs: &[f32]) -> SampleView {
        let pixels = self.ink.map(|ink| {
            let pixels = inputs.iter().map(|&input| ink.of_input(input));
            (ink.shape, pixels.collect())
        });
        let cells = match pixels {
            Some(_) => Vec::new(),
            None => restore_cells(&self.dataset.preprocessing, inputs),
        };
        SampleView {
            row: 0,
            truth: String::new(),
            answer: String::new(),
            columns: self.columns.clone(),
            cells,
            pixels,
            series: self.series(inputs),
        }
    }

    /// Steps in the features' own units; none where the data are no sequences.
    fn series(&self, inputs: &[f32]) -> Option<(Shape, Vec<f32>)> {
        let preprocessing = &self.dataset.preprocessing;
        let features = preprocessing.form.features();
        if !matches!(preprocessing.shape, Shape::Sequence { .. }) || features.is_empty() {
            return None;
        }
        let scaled = inputs.iter().zip(features.iter().cycle());
        let own = scaled.map(|(&input, feature)| (f64::from(input) * feature.deviation + feature.mean) as f32);
        Some((preprocessing.shape, own.collect()))
    }

    /// The network's input for pixels between 0 (paper) and 1 (ink); `None` where the data are no images of so many pixels.
    pub fn inputs_of_pixels(&self, pixels: &[f32]) -> Option<Vec<f32>> {
        let ink = self.ink.filter(|ink| ink.shape.len() == pixels.len())?;
        Some(pixels.iter().map(|&pixel| ink.to_input(pixel)).collect())
    }

    fn truth(&self, targets: &Targets, row: usize) -> String {
        match (targets, &self.dataset.preprocessing.target) {
            (Targets::Classes(classes), _) => classes.get(row).map_or_else(String::new, |&class| self.class(class)),
            (Targets::Values { .. }, _) => {
                let values = self.values(targets, row);
                let numbers = values.iter().map(|(_, value)| value.to_string());
                numbers.collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// Of a regression, each target's name with the row's own value, in the target's unit; nothing for classes.
    pub fn values(&self, targets: &Targets, row: usize) -> Vec<(String, f64)> {
        match (targets, &self.dataset.preprocessing.target) {
            (Targets::Values { values, width }, TargetTransform::Values { targets }) => {
                let own = values.iter().skip(row * width).zip(targets);
                let value = |(&value, target): (&f32, &TargetScale)| {
                    let restored = restore_value(value, target.mean, target.deviation);
                    (target.name.clone(), restored)
                };
                own.map(value).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Name of a class.
    pub(super) fn class(&self, class: u32) -> String {
        self.classes().get(class as usize).cloned().unwrap_or_default()
    }

    pub(super) fn classes(&self) -> &[String] {
        match &self.dataset.summary.task {
            Task::Classification { classes } => classes,
            Task::Regression { .. } => &[],
        }
    }

    /// Training rows that show what the data are: of images some of every class, else the first.
    pub fn examples(&self) -> Vec<SampleView> {
        let train = &self.dataset.train;
        let sample = |row| self.sample(train, row, String::new());
        if let (Some(_), Targets::Classes(targets)) = (self.ink, &train.targets) {
            let each = (PICTURES / self.classes().len().max(1)).clamp(1, 6);
            let of_class = |class: usize| {
                let rows = targets.iter().enumerate();
                let rows = rows.filter(move |&(_, &truth)| truth as usize == class);
                rows.map(|(row, _)| row).take(each)
            };
            return (0..self.classes().len().min(PICTURES))
                .flat_map(of_class)
                .map(sample)
                .collect();
        }
        let rows = (CELLS / self.columns.len().max(1)).clamp(5, 100);
        (0..rows.min(train.len())).map(sample).collect()
    }
}
