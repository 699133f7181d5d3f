//! The real data sets in the binary. Origin and licence of each stand in `datasets/README.md`.

use super::DataError;
use super::sheet::{Decoded, Sheet};
use super::source::Source;
use super::table::{Table, read_table};
use super::tabular::Tabular;
use super::target::places_of_targets;
use super::texts;
use crate::spec::{DataConfig, Shape};

/// A compressed CSV, read through the same importer as any other.
pub(super) struct Shipped {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) image: Option<Shape>,
    /// Steps when none are configured, of a set of texts.
    pub(super) text_steps: Option<usize>,
    compressed: &'static [u8],
}

pub(super) const SHIPPED: [Shipped; 6] = [
    Shipped {
        name: "digits",
        about: "1797 grey images of handwritten digits, 8 x 8 pixels, 10 classes",
        image: Some(Shape::Image {
            channels: 1,
            height: 8,
            width: 8,
        }),
        text_steps: None,
        compressed: include_bytes!("../../datasets/digits.csv.zst"),
    },
    Shipped {
        name: "iris",
        about: "150 flowers, 4 measurements, 3 classes",
        image: None,
        text_steps: None,
        compressed: include_bytes!("../../datasets/iris.csv.zst"),
    },
    Shipped {
        name: "wine",
        about: "178 wines, 13 chemical measurements, 3 classes",
        image: None,
        text_steps: None,
        compressed: include_bytes!("../../datasets/wine.csv.zst"),
    },
    Shipped {
        name: "breast_cancer",
        about: "569 tumours, 30 features of cell nuclei, 2 classes",
        image: None,
        text_steps: None,
        compressed: include_bytes!("../../datasets/breast_cancer.csv.zst"),
    },
    Shipped {
        name: "diabetes",
        about: "442 patients, 10 features, regression of the disease's progression after a year",
        image: None,
        text_steps: None,
        compressed: include_bytes!("../../datasets/diabetes.csv.zst"),
    },
    Shipped {
        name: "languages",
        about: "everyday sentences in six languages, by language",
        image: None,
        text_steps: Some(48),
        compressed: include_bytes!("../../datasets/languages.csv.zst"),
    },
];

/// The set of this name, if it ships.
pub(super) fn open(config: &DataConfig) -> Result<Option<Box<dyn Source>>, DataError> {
    let source = config.source.trim();
    let Some(set) = SHIPPED.iter().find(|set| set.name == source) else {
        return Ok(None);
    };
    if let Some(steps) = set.text_steps {
        let csv = set.csv()?;
        let text = Decoded::of(source, &csv)?;
        let sheet = Sheet::open(source, &text)?;
        let targets = places_of_targets(source, &sheet.names, config.target.as_deref())?;
        if let Some(column) = texts::text_column(&sheet, &targets)? {
            let mut texts = texts::of_csv(&sheet, column, &targets)?;
            texts.steps = Some(steps);
            return Ok(Some(Box::new(texts)));
        }
    }
    let (table, image) = set.table(config.target.as_deref())?;
    Ok(Some(Box::new(Tabular { table, image })))
}

impl Shipped {
    /// The raw table. With another target than the set's own, an image is a table like any other.
    pub(super) fn table(&self, target: Option<&str>) -> Result<(Table, Option<Shape>), DataError> {
        let image = self
            .image
            .filter(|_| target.is_none_or(|target| target.trim() == "target"));
        Ok((read_table(self.name, &self.csv()?, target, image.is_some())?, image))
    }

    /// The set as the CSV that it was made from.
    pub(super) fn csv(&self) -> Result<Vec<u8>, DataError> {
        zstd::decode_all(self.compressed).map_err(|source| DataError::Shipped {
            file: self.name.to_owned(),
            source,
        })
    }
}
