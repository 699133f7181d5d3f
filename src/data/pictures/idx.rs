//! IDX, the format of MNIST (`LeCun` et al. 1998): pairs of images and labels, plain or gz.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;

use super::{Frame, MAX_PICTURES, Pictures, class_column, malformed, writer};
use crate::data::DataError;
use crate::data::source::Source;
use crate::data::stored::RowWriter;
use crate::spec::DataConfig;

/// Most bytes that come out of a compressed file: forty times MNIST.
pub(super) const MAX_UNPACKED: u64 = 2 << 30;

/// Opens an IDX file of images, whose labels lie beside it, or a folder with such pairs: one whose name begins with `t10k` or
/// `test` is the test part.
pub(super) fn open(config: &DataConfig) -> Result<Option<Box<dyn Source>>, DataError> {
    let source = config.source.trim();
    let path = Path::new(source);
    let images = if path.is_dir() {
        let files = super::folder::entries(path)?;
        files.into_iter().filter(|file| is_images(file)).collect()
    } else if is_images(path) && path.is_file() {
        vec![path.to_owned()]
    } else {
        return Ok(None);
    };
    let (tests, trains): (Vec<_>, Vec<_>) = images.into_iter().partition(|file| is_test(file));
    if trains.is_empty() && tests.is_empty() {
        return Ok(None);
    }
    let mut set = Reader::default();
    let mut tested = None;
    let has_trains = !trains.is_empty();
    for file in trains {
        set.pair(&file, config)?;
    }
    for file in tests {
        tested = tested.or(has_trains.then_some(set.labels.len()));
        set.pair(&file, config)?;
    }
    set.finish(source, path, tested)
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    name.strip_suffix(".gz").map_or(name.clone(), ToOwned::to_owned)
}

/// By name: `train-images-idx3-ubyte`, `t10k-images.idx3-ubyte.gz`.
pub(super) fn is_images(path: &Path) -> bool {
    let name = name_of(path);
    name.contains("images") && (name.contains("idx3") || name.ends_with("ubyte"))
}

fn is_test(path: &Path) -> bool {
    let name = name_of(path);
    name.starts_with("t10k") || name.starts_with("test")
}

/// The labels that belong to a file of images, plain or gz.
pub(super) fn labels_of(images: &Path) -> Option<PathBuf> {
    let name = images.file_name()?.to_string_lossy();
    let labels = name.replace("images", "labels").replace("idx3", "idx1");
    let plain = labels.strip_suffix(".gz").unwrap_or(&labels);
    [plain.to_owned(), format!("{plain}.gz")]
        .into_iter()
        .map(|name| images.with_file_name(name))
        .find(|path| path.is_file())
}

/// A file's bytes, unpacked if they are gz, and no more than [`MAX_UNPACKED`] of these.
pub(super) fn unpacked(path: &Path) -> Result<Box<dyn Read>, DataError> {
    let failed = |source| DataError::Io {
        file: path.display().to_string(),
        source,
    };
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(DataError::NotAFile {
            file: path.display().to_string(),
        });
    }
    let mut start = [0; 2];
    let mut file = File::open(path).map_err(failed)?;
    let is_packed = file.read(&mut start).map_err(failed)? == 2 && start == [0x1f, 0x8b];
    let file = BufReader::with_capacity(1 << 16, File::open(path).map_err(failed)?);
    Ok(if is_packed {
        Box::new(MultiGzDecoder::new(file).take(MAX_UNPACKED))
    } else {
        Box::new(file)
    })
}

/// An IDX file behind its header.
pub(super) struct Idx {
    file: String,
    reader: Box<dyn Read>,
    pub(super) dimensions: Vec<usize>,
}

impl Idx {
    pub(super) fn open(path: &Path, rank: usize) -> Result<Self, DataError> {
        let mut idx = Self {
            file: path.display().to_string(),
            reader: unpacked(path)?,
            dimensions: Vec::new(),
        };
        let [zero, more, kind, dimensions] = idx.array("its header")?;
        if (zero, more) != (0, 0) {
            return Err(malformed(
                &idx.file,
                "does not begin as an IDX file",
                "bring the file as it was published",
            ));
        }
        if kind != 8 || usize::from(dimensions) != rank {
            return Err(malformed(
                &idx.file,
                format!("holds values of type {kind} in {dimensions} dimensions"),
                format!("bring unsigned bytes (type 8) in {rank} dimensions"),
            ));
        }
        for _ in 0..rank {
            let size = u32::from_be_bytes(idx.array("its header")?);
            idx.dimensions.push(size as usize);
        }
        if idx.dimensions[0] > MAX_PICTURES {
            return Err(malformed(
                &idx.file,
                format!("announces {} entries", idx.dimensions[0]),
                format!("bring at most {MAX_PICTURES}"),
            ));
        }
        Ok(idx)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], DataError> {
        let mut bytes = [0; N];
        self.read(&mut bytes, what)?;
        Ok(bytes)
    }

    /// Fills `bytes`; `what` names them in the error of a file that is cut short.
    pub(super) fn read(&mut self, bytes: &mut [u8], what: &str) -> Result<(), DataError> {
        self.reader.read_exact(bytes).map_err(|error| {
            if error.kind() == std::io::ErrorKind::UnexpectedEof {
                malformed(
                    &self.file,
                    format!("ends within {what}"),
                    "fetch it again, it is cut short",
                )
            } else {
                malformed(
                    &self.file,
                    format!("is damaged within {what} ({error})"),
                    "fetch it again",
                )
            }
        })
    }

    /// Refuses what stands behind the announced entries.
    pub(super) fn end(&mut self) -> Result<(), DataError> {
        let mut byte = [0];
        match self.reader.read(&mut byte) {
            Ok(0) => Ok(()),
            _ => Err(malformed(
                &self.file,
                format!("goes on behind the {} entries that it announces", self.dimensions[0]),
                "bring the file as it was published",
            )),
        }
    }

    /// Size of one image.
    pub(super) fn frame(&self) -> Result<Frame, DataError> {
        Frame::grey(self.dimensions[1], self.dimensions[2]).check(&self.file)
    }
}

/// All labels of a file.
pub(super) fn read_labels(path: &Path) -> Result<Vec<u8>, DataError> {
    const AT_ONCE: usize = 1 << 16;
    let mut idx = Idx::open(path, 1)?;
    let mut labels = Vec::new();
    while labels.len() < idx.dimensions[0] {
        let start = labels.len();
        labels.resize(idx.dimensions[0].min(start + AT_ONCE), 0);
        let what = format!("label {}", start + 1);
        idx.read(&mut labels[start..], &what)?;
    }
    idx.end()?;
    Ok(labels)
}

#[derive(Default)]
struct Reader {
    frame: Option<Frame>,
    rows: Option<RowWriter>,
    labels: Vec<u8>,
}

impl Reader {
    fn pair(&mut self, path: &Path, config: &DataConfig) -> Result<(), DataError> {
        let file = path.display().to_string();
        let labels = labels_of(path).ok_or_else(|| {
            malformed(
                &file,
                "its labels are not beside it",
                "put the file of the same name with `labels` in place of `images` there",
            )
        })?;
        let mut images = Idx::open(path, 3)?;
        let frame = images.frame()?;
        let known = *self.frame.get_or_insert(frame);
        if frame != known {
            return Err(malformed(
                &file,
                format!("its images are {} x {} pixels", frame.height, frame.width),
                format!(
                    "bring images of {} x {} pixels, as the first file's",
                    known.height, known.width
                ),
            ));
        }
        let labels_file = labels.display().to_string();
        let labels = read_labels(&labels)?;
        if labels.len() != images.dimensions[0] {
            return Err(malformed(
                &labels_file,
                format!("{} labels for {} images", labels.len(), images.dimensions[0]),
                "bring the two files that belong together",
            ));
        }
        let rows = self.rows.get_or_insert_with(|| writer(config, frame));
        let mut row = vec![0; frame.row_bytes()];
        for image in 1..=labels.len() {
            images.read(&mut row, &format!("image {image}"))?;
            rows.push(&row)?;
        }
        images.end()?;
        self.labels.extend(labels);
        Ok(())
    }

    fn finish(self, source: &str, path: &Path, tested: Option<usize>) -> Result<Option<Box<dyn Source>>, DataError> {
        let (Some(frame), Some(rows)) = (self.frame, self.rows) else {
            return Ok(None);
        };
        let folder = if path.is_dir() {
            path
        } else {
            path.parent().unwrap_or(path)
        };
        let (cells, names) = cells_of(&self.labels, &class_names(folder, &self.labels));
        let mut notes = Vec::new();
        if let Some(tested) = tested {
            notes.push(format!(
                "The {} images of the test files are the test part",
                cells.len() - tested
            ));
        }
        Ok(Some(Box::new(Pictures {
            file: source.to_owned(),
            frame,
            bytes: Arc::new(rows.finish()?),
            labels: vec![class_column(cells, names)],
            classifies: true,
            tested,
            notes,
        })))
    }
}

/// The name of each class up to the largest label: those of a file `classes.txt` in the folder, one a line, if it names all; else the
/// numbers, as wide as each other so that they sort as numbers do.
pub(super) fn class_names(folder: &Path, labels: &[u8]) -> Vec<String> {
    const LONGEST: u64 = 1 << 16;
    let most = usize::from(labels.iter().copied().max().unwrap_or(0));
    let mut text = String::new();
    let listed = File::open(folder.join("classes.txt"));
    let read = listed.and_then(|file| file.take(LONGEST).read_to_string(&mut text));
    let names: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
    let mut different = names.clone();
    different.sort_unstable();
    different.dedup();
    if read.is_ok() && names.len() > most && different.len() == names.len() && !names.contains(&String::new()) {
        return names;
    }
    let width = most.to_string().len();
    (0..=most).map(|class| format!("{class:0width$}")).collect()
}

/// The labels as cells of the classes that there are.
fn cells_of(labels: &[u8], names: &[String]) -> (Vec<u32>, Vec<String>) {
    let mut places = vec![None; names.len()];
    let mut kept = Vec::new();
    let cells = labels.iter().map(|&label| {
        let label = usize::from(label);
        *places[label].get_or_insert_with(|| {
            kept.push(names[label].clone());
            kept.len() as u32 - 1
        })
    });
    (cells.collect(), kept)
}
