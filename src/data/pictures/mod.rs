//! Pictures of one size with their labels: from files, folders, arrays and generators to samples.
//!
//! Pixels are held as the bytes that they came as, in memory or, beyond `data.memory_mb`, in a file that is read in blocks.
//! Each channel is standardised by the mean and deviation of the training pictures.

mod array_rows;
mod arrays;
mod cifar;
mod decode;
mod folder;
mod glyphs;
mod idx;
mod new;
mod npy;
mod zip;

use std::sync::Arc;

pub(super) use array_rows::read_new_arrays;
pub(super) use folder::unread;
pub(super) use glyphs::SETS as GLYPHS;
pub(super) use new::read_new;

use super::DataError;
use super::header::position_of;
use super::inputs::{Encoded, Encoding, Inputs};
use super::raw::Part;
use super::samples::{Dataset, Samples};
use super::source::{About, Division, Source, assemble};
use super::split::{self, Parts};
use super::stored::{RowBytes, RowWriter};
use super::table::{Column, Values};
use super::target::Target;
use crate::spec::{DataConfig, DataKind, FeatureScale, InputForm, Preprocessing, Shape, TaskKind, units};

/// Longest edge of a picture in pixels.
pub(super) const MAX_EDGE: usize = 4_096;
/// Most values of a picture.
pub(super) const MAX_PIXELS: usize = 3 << 20;
/// Most pictures of a set.
pub(super) const MAX_PICTURES: usize = 20_000_000;

/// Pictures as read.
pub(super) struct Pictures {
    /// Path or name.
    pub(super) file: String,
    pub(super) frame: Frame,
    pub(super) bytes: Arc<RowBytes>,
    /// Target columns, one cell a picture.
    pub(super) labels: Vec<Column>,
    /// Whether the labels are classes, whatever they look like.
    pub(super) classifies: bool,
    /// Number of the first picture of the set's own test part, if it has one.
    pub(super) tested: Option<usize>,
    pub(super) notes: Vec<String>,
}

/// What one picture is: in memory channel after channel, row after row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// 1 for grey, 3 for red, green and blue.
    pub(super) channels: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    /// Bytes, or little-endian f32.
    pub(super) is_bytes: bool,
}

impl Frame {
    pub(super) fn grey(height: usize, width: usize) -> Self {
        Self {
            channels: 1,
            height,
            width,
            is_bytes: true,
        }
    }

    /// Refuses what can't be a picture, or is far too large for a small model.
    pub(super) fn check(self, file: &str) -> Result<Self, DataError> {
        let Self {
            channels,
            height,
            width,
            ..
        } = self;
        let values = channels.saturating_mul(height).saturating_mul(width);
        let edges = 1..=MAX_EDGE;
        if edges.contains(&height) && edges.contains(&width) && (1..=MAX_PIXELS).contains(&values) {
            return Ok(self);
        }
        Err(malformed(
            file,
            format!("its pictures have {channels} x {height} x {width} values"),
            format!("bring pictures with edges of 1 to {MAX_EDGE} pixels and at most {MAX_PIXELS} values"),
        ))
    }

    /// Values of a channel.
    pub(super) fn plane(self) -> usize {
        self.height * self.width
    }

    pub(super) fn row_bytes(self) -> usize {
        self.channels * self.plane() * if self.is_bytes { 1 } else { 4 }
    }

    pub(super) fn shape(self) -> Shape {
        Shape::Image {
            channels: self.channels,
            height: self.height,
            width: self.width,
        }
    }

    pub(super) fn channel_names(self) -> Vec<String> {
        let names: &[&str] = if self.channels == 1 {
            &["grey"]
        } else {
            &["red", "green", "blue"]
        };
        names.iter().map(|&name| name.to_owned()).collect()
    }
}

/// A file that is not what it should be.
pub(super) fn malformed(file: &str, problem: impl Into<String>, remedy: impl Into<String>) -> DataError {
    DataError::Malformed {
        file: file.to_owned(),
        problem: problem.into(),
        remedy: remedy.into(),
    }
}

/// Opens whatever holds pictures or arrays, if the source is that.
pub(super) fn open(config: &DataConfig) -> Result<Option<Box<dyn Source>>, DataError> {
    for recognise in [glyphs::open, idx::open, cifar::open, arrays::open, folder::open] {
        if let Some(source) = recognise(config)? {
            return Ok(Some(source));
        }
    }
    Ok(None)
}

/// Rows that are held in memory as far as the configuration allows.
pub(super) fn writer(config: &DataConfig, frame: Frame) -> RowWriter {
    RowWriter::new(frame.row_bytes(), config.memory_bytes())
}

/// The one target column of classes by their numbers.
pub(super) fn class_column(cells: Vec<u32>, texts: Vec<String>) -> Column {
    Column {
        name: "class".to_owned(),
        values: Values::Texts { cells, texts },
        first_text: None,
    }
}

impl Pictures {
    fn target(&self, config: &DataConfig, division: Division) -> Result<Target, DataError> {
        if let Some(wanted) = &config.target {
            let names: Vec<String> = self.labels.iter().map(|label| label.name.clone()).collect();
            for name in wanted.split(',') {
                position_of(&self.file, &names, name)?;
            }
        }
        let own = self.classifies.then_some(TaskKind::Classification);
        Target::of(&self.file, &self.labels, config.task.or(own), division.folds())
    }

    /// The set's own test part is kept; what is left is divided by the ratio of the other two fractions.
    fn parts(&self, target: &Target, config: &DataConfig, division: Division) -> Parts {
        let (Some(tested), Division::Split) = (self.tested, division) else {
            return division.parts(target, config);
        };
        let [train, validation, _] = config.split;
        let fractions = [train / (train + validation), validation / (train + validation), 0.0];
        let strata = &target.strata[..tested];
        let mut parts = split::divide(strata, target.strata_count, fractions, config.split_seed);
        // Of every stratum a row was meant for a test.
        parts.train.append(&mut parts.test);
        parts.train.sort_unstable();
        parts.test = (tested..self.bytes.len()).collect();
        parts
    }

    /// Mean and deviation of each channel over these pictures (Chan et al. 1983, piece by piece).
    fn scales(&self, rows: &[usize]) -> Result<Vec<FeatureScale>, DataError> {
        const ROWS: usize = 256;
        let names = self.frame.channel_names();
        let unscaled: Vec<FeatureScale> = names
            .iter()
            .map(|name| FeatureScale {
                name: name.clone(),
                mean: 0.0,
                deviation: 1.0,
            })
            .collect();
        let raw = Encoding::of_channels(&unscaled, self.frame.plane(), self.frame.is_bytes);
        let mut tallies = vec![(0.0_f64, 0.0_f64, 0.0_f64); self.frame.channels];
        let (mut bytes, mut values) = (Vec::new(), Vec::new());
        for rows in rows.chunks(ROWS) {
            let rows: Vec<u32> = rows.iter().map(|&row| row as u32).collect();
            bytes.clear();
            values.clear();
            self.bytes.read(&rows, &mut bytes)?;
            raw.decode(&bytes, self.bytes.row_bytes(), &mut values);
            for (place, values) in values.chunks(self.frame.plane()).enumerate() {
                let (count, mean, squares) = &mut tallies[place % self.frame.channels];
                let n = values.len() as f64;
                let own = values.iter().map(|&value| f64::from(value)).sum::<f64>() / n;
                let spread: f64 = values.iter().map(|&value| (f64::from(value) - own).powi(2)).sum();
                let all = *count + n;
                let apart = own - *mean;
                *squares += spread + apart * apart * *count * n / all;
                *mean += apart * n / all;
                *count = all;
            }
        }
        Ok(tallies
            .iter()
            .zip(names)
            .map(|(&(count, mean, squares), name)| {
                let deviation = (squares / count.max(1.0)).sqrt();
                FeatureScale {
                    name,
                    mean,
                    // As for a constant column.
                    deviation: if deviation > 0.0 { deviation } else { 1.0 },
                }
            })
            .collect())
    }

    fn held_note(&self, config: &DataConfig) -> String {
        let held = units::bytes((self.bytes.len() * self.frame.row_bytes()) as u64);
        if self.bytes.is_in_file() {
            format!(
                "{held} of pixels are more than data.memory_mb ({}) allows: they are read in blocks from a file",
                config.memory_mb
            )
        } else {
            format!("{held} of pixels are held in memory")
        }
    }
}

impl Source for Pictures {
    fn dataset(&self, config: &DataConfig, division: Division) -> Result<Dataset, DataError> {
        let target = self.target(config, division)?;
        let parts = self.parts(&target, config, division);
        let channels = self.scales(&parts.train)?;
        let encoding = Encoding::of_channels(&channels, self.frame.plane(), self.frame.is_bytes);
        let preprocessing = Preprocessing {
            form: InputForm::Pixels {
                channels,
                grey: self.frame.channels == 1,
            },
            columns: Vec::new(),
            shape: self.frame.shape(),
            target_column: target.names.join(","),
            target: target.transform(&parts.train),
        };
        let samples = [&parts.train, &parts.validation, &parts.test].map(|rows| Samples {
            shape: preprocessing.shape,
            // Half of what is allowed, because one group is prepared while another may still be held.
            inputs: Inputs::encoded(Encoded::new(
                &self.bytes,
                rows,
                encoding.clone(),
                config.memory_bytes() / 2,
            )),
            targets: target.of_rows(&preprocessing.target, rows),
        });
        let about = About {
            file: self.file.clone(),
            kind: DataKind::Images,
            columns: self.frame.channel_names(),
            notes: [&self.notes[..], &[self.held_note(config)]].concat(),
        };
        Ok(assemble(about, &target, preprocessing, samples))
    }

    fn csv(&self, _: &DataConfig, _: Part) -> Result<String, DataError> {
        Err(malformed(
            &self.file,
            "pictures are not printed as a table",
            "predict from the files of the pictures themselves",
        ))
    }
}

#[cfg(test)]
mod tests;
