//! The truth beside new rows, where the file has it.

use crate::data::number::{Cell, read_cell};
use crate::data::preprocess::standardise;
use crate::data::samples::Targets;
use crate::spec::{Preprocessing, TargetTransform};

/// Names of the target columns.
pub fn target_names(preprocessing: &Preprocessing) -> Vec<String> {
    match &preprocessing.target {
        TargetTransform::Values { targets } if targets.len() > 1 => {
            targets.iter().map(|target| target.name.clone()).collect()
        }
        _ => vec![preprocessing.target_column.clone()],
    }
}

/// Gathers the targets of new rows, until one cannot be read.
pub struct TargetReader<'a> {
    transform: &'a TargetTransform,
    targets: Option<Targets>,
    /// Why there are no targets.
    note: Option<String>,
}

impl<'a> TargetReader<'a> {
    pub fn new(transform: &'a TargetTransform) -> Self {
        Self {
            transform,
            targets: Some(match transform {
                TargetTransform::Classes { .. } => Targets::Classes(Vec::new()),
                TargetTransform::Values { targets } => Targets::Values {
                    values: Vec::new(),
                    width: targets.len(),
                },
            }),
            note: None,
        }
    }

    /// The rows have no targets that can be read.
    pub fn give_up(&mut self, note: Option<String>) {
        self.targets = None;
        self.note = note;
    }

    /// Appends the targets of row `row` of the file.
    pub fn read<T: AsRef<str>>(&mut self, row: usize, cells: impl Iterator<Item = T>) {
        let Some(known) = &mut self.targets else { return };
        let mut unscored = None;
        let mut refuse = |text: &str, what: &str| {
            unscored = Some(format!("Not scored: row {row}, the target \"{text}\" is {what}"));
        };
        let number = |text: &str| match read_cell(text) {
            Cell::Number { value, .. } => Some(value),
            _ => None,
        };
        let mut count = 0;
        for (target, cell) in cells.enumerate() {
            let text = cell.as_ref().trim();
            count += 1;
            match (self.transform, &mut *known) {
                (TargetTransform::Classes { classes }, Targets::Classes(own)) => {
                    let place = |name: &str| classes.iter().position(|class| class == name);
                    match place(text).or_else(|| place(&number(text)?.to_string())) {
                        Some(class) => own.push(class as u32),
                        None => refuse(text, "none of the model's classes"),
                    }
                }
                (TargetTransform::Values { targets }, Targets::Values { values, .. }) => {
                    match number(text).zip(targets.get(target)) {
                        Some((number, scale)) => values.push(standardise(number, scale.mean, scale.deviation)),
                        None => refuse(text, "not a number"),
                    }
                }
                _ => {}
            }
        }
        let expected = match self.transform {
            TargetTransform::Classes { .. } => 1,
            TargetTransform::Values { targets } => targets.len(),
        };
        if unscored.is_some() || count != expected {
            self.give_up(unscored);
        }
    }

    /// The targets of all rows, or a note on why there are none.
    pub fn finish(self) -> (Option<Targets>, Option<String>) {
        (self.targets, self.note)
    }
}
