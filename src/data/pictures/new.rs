//! New pictures for a finished model: a file, a folder, IDX or NPY, brought to the size and channels that it was trained on.

use std::path::Path;

use super::arrays::{Layout, Shelf};
use super::npy::Npy;
use super::{Frame, decode, folder, idx, malformed};
use crate::data::DataError;
use crate::data::inputs::Encoding;
use crate::data::predict::{NewRows, TargetReader, name_in};
use crate::data::preprocess::MAX_VALUES;
use crate::spec::{FeatureScale, Preprocessing, Shape};

/// Pictures that are noted by name when they can't be read.
const NOTED: usize = 10;

/// The pictures at `path`: a picture, a folder of pictures or of one folder a class, an IDX file or a folder with one, an NPY or NPZ.
/// Truth is known from the names of folders, or the labels beside the file.
pub(in crate::data) fn read_new(
    path: &Path,
    preprocessing: &Preprocessing,
    channels: &[FeatureScale],
) -> Result<NewRows, DataError> {
    let Shape::Image { height, width, .. } = preprocessing.shape else {
        return Err(DataError::Preprocessing {
            file: path.display().to_string(),
            problem: "it does not describe pictures".to_owned(),
        });
    };
    let frame = Frame {
        channels: channels.len(),
        height,
        width,
        is_bytes: true,
    };
    let file = path.display().to_string();
    let mut new = Gatherer {
        file: file.clone(),
        frame: frame.check(&file)?,
        channels,
        inputs: Vec::new(),
        rows: 0,
        names: Vec::new(),
        targets: TargetReader::new(&preprocessing.target),
        notes: Vec::new(),
    };
    if path.is_dir() {
        new.folder(path)?;
    } else if idx::is_images(path) {
        new.idx(path)?;
    } else if let Some(shelf) = Shelf::open(path)? {
        new.arrays(path, &shelf)?;
    } else {
        let picture = decode::read(path).map_err(|problem| {
            malformed(
                &file,
                format!("can't be read as a picture ({problem})"),
                "bring a PNG, JPEG or BMP, a folder of these, an IDX or an NPY file",
            )
        })?;
        new.push(&decode::bytes(&picture, frame), true)?;
        new.names.push(name_in(path.parent().unwrap_or(path), path));
        new.targets.give_up(None);
    }
    new.finish(preprocessing)
}

/// The targets of `count` rows from their array, where there is one of as many.
pub(super) fn read_truth(targets: &mut TargetReader<'_>, y: Option<Npy>, count: usize) -> Result<(), DataError> {
    match y {
        Some(mut y) if y.len() == count && y.is_text() => {
            for (row, text) in y.texts()?.into_iter().enumerate() {
                targets.read(row + 1, [text].iter());
            }
        }
        Some(mut y) if count > 0 && y.shape.first() == Some(&count) => {
            let width = y.len() / count;
            let mut numbers = Vec::new();
            y.numbers(y.len(), &mut numbers)?;
            for (row, numbers) in numbers.chunks(width.max(1)).enumerate() {
                targets.read(row + 1, numbers.iter().map(ToString::to_string));
            }
        }
        _ => targets.give_up(None),
    }
    Ok(())
}

struct Gatherer<'a> {
    file: String,
    frame: Frame,
    channels: &'a [FeatureScale],
    inputs: Vec<f32>,
    rows: usize,
    /// Names of the files, where each picture has its own.
    names: Vec<String>,
    targets: TargetReader<'a>,
    notes: Vec<String>,
}

impl Gatherer<'_> {
    fn push(&mut self, bytes: &[u8], is_bytes: bool) -> Result<(), DataError> {
        if self.inputs.len() > MAX_VALUES {
            return Err(DataError::TooManyCells {
                file: self.file.clone(),
                rows: self.rows,
                columns: self.frame.row_bytes(),
                limit: MAX_VALUES,
            });
        }
        Encoding::of_channels(self.channels, self.frame.plane(), is_bytes).decode(bytes, bytes.len(), &mut self.inputs);
        self.rows += 1;
        Ok(())
    }

    fn folder(&mut self, path: &Path) -> Result<(), DataError> {
        let entries = folder::entries(path)?;
        if let Some(images) = entries.iter().find(|file| idx::is_images(file)) {
            return self.idx(images);
        }
        let mut pictures = folder::pictures_of(path)?;
        if pictures.is_empty() {
            let flat = entries.into_iter().filter(|file| decode::is_picture(file));
            pictures = flat.map(|file| (file, String::new())).collect();
            self.targets.give_up(None);
        }
        let mut broken = Vec::new();
        for (file, class) in pictures {
            match decode::read(&file) {
                Ok(picture) => {
                    self.push(&decode::bytes(&picture, self.frame), true)?;
                    self.names.push(name_in(path, &file));
                    self.targets.read(self.rows, [class].iter());
                }
                Err(problem) => broken.push(format!("{} ({problem})", name_in(path, &file))),
            }
        }
        if !broken.is_empty() {
            let named = broken.iter().take(NOTED).cloned().collect::<Vec<_>>().join(", ");
            let more = match broken.len() - broken.len().min(NOTED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            self.notes
                .push(format!("{} broken pictures are left out: {named}{more}", broken.len()));
        }
        Ok(())
    }

    fn idx(&mut self, path: &Path) -> Result<(), DataError> {
        let mut images = idx::Idx::open(path, 3)?;
        self.require(images.frame()?)?;
        let labels = match idx::labels_of(path) {
            Some(labels) => idx::read_labels(&labels)?,
            None => Vec::new(),
        };
        let count = images.dimensions[0];
        if labels.len() != count {
            self.targets.give_up(None);
        }
        let names = idx::class_names(path.parent().unwrap_or(path), &labels);
        let mut row = vec![0; self.frame.row_bytes()];
        for image in 0..count {
            images.read(&mut row, &format!("image {}", image + 1))?;
            self.push(&row, true)?;
            if let Some(&label) = labels.get(image) {
                self.targets.read(self.rows, [&names[usize::from(label)]].into_iter());
            }
        }
        images.end()
    }

    fn arrays(&mut self, path: &Path, shelf: &Shelf) -> Result<(), DataError> {
        let (mut x, y) = shelf.for_prediction(path)?;
        let layout = Layout::of(&x)?;
        self.require(Frame {
            is_bytes: true,
            ..layout.frame
        })?;
        let count = x.shape[0];
        let mut bytes = Vec::new();
        for _ in 0..count {
            bytes.clear();
            layout.read(&mut x, &mut bytes)?;
            self.push(&bytes, layout.frame.is_bytes)?;
        }
        read_truth(&mut self.targets, y, count)
    }

    fn require(&self, found: Frame) -> Result<(), DataError> {
        if found == self.frame {
            return Ok(());
        }
        let Frame {
            channels,
            height,
            width,
            ..
        } = self.frame;
        Err(malformed(
            &self.file,
            format!(
                "its pictures are {} x {} x {}",
                found.channels, found.height, found.width
            ),
            format!("bring {channels} x {height} x {width}, which the model was trained on"),
        ))
    }

    fn finish(self, preprocessing: &Preprocessing) -> Result<NewRows, DataError> {
        if self.rows == 0 {
            let what = match self.notes.first() {
                Some(note) => note.clone(),
                None => "no picture is in it".to_owned(),
            };
            return Err(malformed(&self.file, what, "bring PNG, JPEG or BMP files"));
        }
        let (targets, note) = self.targets.finish();
        Ok(NewRows {
            shape: preprocessing.shape,
            rows: self.rows,
            inputs: self.inputs,
            names: self.names,
            targets,
            notes: self.notes.into_iter().chain(note).collect(),
        })
    }
}
