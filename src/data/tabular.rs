//! A table as a source: each row is a sample.

use super::DataError;
use super::preprocess;
use super::raw::{self, Part};
use super::samples::Dataset;
use super::source::{About, Division, Source, assemble};
use super::table::Table;
use super::target::Target;
use crate::spec::{DataConfig, DataKind, Shape};

pub(super) struct Tabular {
    pub(super) table: Table,
    /// Where the columns are pixels.
    pub(super) image: Option<Shape>,
}

impl Tabular {
    fn target(&self, config: &DataConfig, division: Division) -> Result<Target, DataError> {
        Target::of(&self.table.file, &self.table.targets, config.task, division.folds())
    }
}

impl Source for Tabular {
    fn dataset(&self, config: &DataConfig, division: Division) -> Result<Dataset, DataError> {
        let table = &self.table;
        let target = self.target(config, division)?;
        let parts = division.parts(&target, config);
        let (preprocessing, filled) = preprocess::fit(table, &target, &parts.train, self.image)?;
        let samples = [&parts.train, &parts.validation, &parts.test]
            .map(|rows| preprocess::apply(table, &target, &preprocessing, rows));
        let about = About {
            file: table.file.clone(),
            kind: match self.image {
                Some(_) => DataKind::Images,
                None => DataKind::Table,
            },
            columns: table.columns.iter().map(|column| column.name.clone()).collect(),
            notes: [&table.notes[..], &filled].concat(),
        };
        Ok(assemble(about, &target, preprocessing, samples))
    }

    fn csv(&self, config: &DataConfig, part: Part) -> Result<String, DataError> {
        let parts = Division::Split.parts(&self.target(config, Division::Split)?, config);
        Ok(raw::csv(&self.table, &parts, part))
    }
}
