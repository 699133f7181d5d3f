//! What the networks are tried with: a drawing, a typed row, or a sample of the test split.

use std::sync::Arc;

use crate::jobs::{Tried, TryInput};
use crate::spec::{DatasetSummary, SampleView, Shape};

use super::drawing::Drawing;

/// What the data look like.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Picture(Shape),
    /// Names of the columns.
    Table(Vec<String>),
}

impl Kind {
    pub fn of_dataset(dataset: &DatasetSummary) -> Self {
        match dataset.input {
            Shape::Image { .. } => Self::Picture(dataset.input),
            Shape::Features { .. } | Shape::Sequence { .. } | Shape::Tokens { .. } => {
                Self::Table(dataset.columns.clone())
            }
        }
    }

    fn of_sample(sample: &SampleView) -> Self {
        match &sample.pixels {
            Some((shape, _)) => Self::Picture(*shape),
            None => Self::Table(sample.columns.clone()),
        }
    }
}

/// Where the input comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Source {
    #[default]
    TestRow,
    Drawing,
    Cells,
}

/// What is drawn, typed or chosen.
#[derive(Debug, Default)]
pub struct Input {
    pub source: Source,
    /// Number of the test row.
    pub row: usize,
    pub kind: Option<Kind>,
    pub drawing: Option<Drawing>,
    /// Names of the columns and what is typed for each.
    pub cells: Vec<(String, String)>,
    /// The test row as it came.
    pub sample: Option<Arc<SampleView>>,
    pub truth: Option<String>,
}

impl Input {
    /// The question to ask; none while nothing is drawn.
    pub fn wanted(&self) -> Option<TryInput> {
        match self.source {
            Source::TestRow => Some(TryInput::TestRow(self.row)),
            Source::Drawing => {
                let drawing = self.drawing.as_ref().filter(|drawing| !drawing.is_empty())?;
                Some(TryInput::Pixels(drawing.pixels().to_vec()))
            }
            Source::Cells => Some(TryInput::Cells(self.cells.clone())),
        }
    }

    pub fn is(&self, asked: &TryInput) -> bool {
        match (self.source, asked) {
            (Source::TestRow, TryInput::TestRow(row)) => self.row == *row,
            (Source::Drawing, TryInput::Pixels(pixels)) => {
                self.drawing.as_ref().is_some_and(|drawing| drawing.pixels() == pixels)
            }
            (Source::Cells, TryInput::Cells(cells)) => self.cells == *cells,
            _ => false,
        }
    }

    /// Sees that there is something to draw on where the data are pictures.
    pub fn set_kind(&mut self, kind: Kind) {
        if let Kind::Picture(shape) = kind
            && self.drawing.as_ref().is_none_or(|drawing| drawing.shape() != shape)
        {
            self.drawing = Some(Drawing::new(shape));
        }
        self.kind = Some(kind);
    }

    /// Takes in the answer about the test row: its cells are what the fields start from.
    pub fn take(&mut self, tried: &Tried) {
        if self.source != Source::TestRow || self.sample.as_deref() == Some(&tried.sample) {
            return;
        }
        if self.kind.is_none() {
            self.set_kind(Kind::of_sample(&tried.sample));
        }
        let sample = &tried.sample;
        self.cells = sample
            .columns
            .iter()
            .cloned()
            .zip(sample.cells.iter().cloned())
            .collect();
        self.truth.clone_from(&tried.truth);
        self.sample = Some(Arc::new(sample.clone()));
    }

    pub fn choose_row(&mut self, row: usize) {
        self.source = Source::TestRow;
        self.row = row;
    }
}
