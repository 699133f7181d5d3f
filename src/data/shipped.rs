//! The real data sets in the binary. Origin and licence of each stand in `datasets/README.md`.

use super::DataError;
use super::table::{Table, read_table};
use crate::spec::Shape;

/// A compressed CSV, read through the same importer as any other.
pub(super) struct Shipped {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) image: Option<Shape>,
    compressed: &'static [u8],
}

pub(super) const SHIPPED: [Shipped; 5] = [
    Shipped {
        name: "digits",
        about: "1797 grey images of handwritten digits, 8 x 8 pixels, 10 classes",
        image: Some(Shape::Image {
            channels: 1,
            height: 8,
            width: 8,
        }),
        compressed: include_bytes!("../../datasets/digits.csv.zst"),
    },
    Shipped {
        name: "iris",
        about: "150 flowers, 4 measurements, 3 classes",
        image: None,
        compressed: include_bytes!("../../datasets/iris.csv.zst"),
    },
    Shipped {
        name: "wine",
        about: "178 wines, 13 chemical measurements, 3 classes",
        image: None,
        compressed: include_bytes!("../../datasets/wine.csv.zst"),
    },
    Shipped {
        name: "breast_cancer",
        about: "569 tumours, 30 features of cell nuclei, 2 classes",
        image: None,
        compressed: include_bytes!("../../datasets/breast_cancer.csv.zst"),
    },
    Shipped {
        name: "diabetes",
        about: "442 patients, 10 features, regression of the disease's progression after a year",
        image: None,
        compressed: include_bytes!("../../datasets/diabetes.csv.zst"),
    },
];

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
