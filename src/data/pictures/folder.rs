//! A folder of pictures, one folder a class.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::{Frame, MAX_PICTURES, Pictures, class_column, decode, malformed, writer};
use crate::data::DataError;
use crate::data::header::quoted;
use crate::data::source::Source;
use crate::spec::{DataConfig, stream};

/// Pictures that are decoded together.
const TOGETHER: usize = 64;
/// Broken pictures that are noted by name.
const NOTED: usize = 10;

/// Opens a folder if any of its folders holds a picture. Folders `train` and `test` in it, with the classes in them, are its own
/// division.
pub(super) fn open(config: &DataConfig) -> Result<Option<Box<dyn Source>>, DataError> {
    let source = config.source.trim();
    let path = Path::new(source);
    if !path.is_dir() {
        return Ok(None);
    }
    let (train, test) = (path.join("train"), path.join("test"));
    let is_divided = train.is_dir() && test.is_dir();
    let roots = if is_divided {
        vec![train, test]
    } else {
        vec![path.to_owned()]
    };
    let mut listed = Vec::new();
    for root in &roots {
        listed.push(pictures_of(root)?);
    }
    let pictures: usize = listed.iter().map(Vec::len).sum();
    let mut texts = 0;
    for root in &roots {
        texts += texts_of(root)?;
    }
    // A picture that strayed into a folder of texts does not make it one of pictures.
    if pictures <= texts {
        return Ok(None);
    }
    let mut notes = Vec::new();
    for root in &roots {
        notes.extend(unread(root, &|path| decode::is_picture(path), "picture")?);
    }
    let mut classes: Vec<String> = listed.iter().flatten().map(|(_, class)| class.clone()).collect();
    classes.sort_unstable();
    classes.dedup();
    // In drawn order, so that what stands together in a file of prepared samples is mixed.
    for part in &mut listed {
        part.shuffle(&mut stream(0, "order of files", 0));
    }
    let mut reader = Reader {
        config,
        frame: None,
        rows: None,
        cells: Vec::new(),
        broken: Vec::new(),
        broken_count: 0,
        coloured: 0,
    };
    let mut tested = None;
    for (place, part) in listed.iter().enumerate() {
        if place == 1 {
            tested = Some(reader.cells.len());
        }
        reader.read(source, part, &classes)?;
    }
    reader.finish(source, classes, tested, notes).map(Some)
}

/// The pictures in the folders of `root`, each with the name of its folder, in the order of their paths.
pub(super) fn pictures_of(root: &Path) -> Result<Vec<(PathBuf, String)>, DataError> {
    let mut found = Vec::new();
    for folder in entries(root)? {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
        let Some(class) = name.filter(|name| !name.starts_with('.') && folder.is_dir()) else {
            continue;
        };
        let pictures = entries(&folder)?.into_iter().filter(|path| decode::is_picture(path));
        found.extend(pictures.map(|path| (path, class.clone())));
        if found.len() > MAX_PICTURES {
            return Err(malformed(
                &root.display().to_string(),
                "holds too many pictures",
                format!("bring at most {MAX_PICTURES}"),
            ));
        }
    }
    Ok(found)
}

/// What of a folder with a folder for each class is not read: folders without a sample, and samples beside the folders.
pub(in crate::data) fn unread(
    root: &Path,
    is_sample: &dyn Fn(&Path) -> bool,
    what: &str,
) -> Result<Vec<String>, DataError> {
    let (mut empty, mut stray) = (Vec::new(), Vec::new());
    for path in entries(root)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        if !path.is_dir() {
            stray.extend(is_sample(&path).then_some(name));
        } else if !entries(&path)?.iter().any(|path| is_sample(path)) {
            empty.push(name);
        }
    }
    let empty = (!empty.is_empty()).then(|| format!("Left out the folders {}: no {what} is in them", quoted(&empty)));
    let stray = (!stray.is_empty()).then(|| {
        let names = quoted(&stray);
        format!("Left out {names}: a {what} belongs into the folder of its class")
    });
    Ok(empty.into_iter().chain(stray).collect())
}

/// How many texts the classes of `root` have.
fn texts_of(root: &Path) -> Result<usize, DataError> {
    let mut texts = 0;
    for class in entries(root)?.iter().filter(|path| path.is_dir()) {
        let files = entries(class)?;
        let is_text = |path: &&PathBuf| {
            path.extension()
                .is_some_and(|extension| extension.eq_ignore_ascii_case("txt"))
        };
        texts += files.iter().filter(is_text).count();
    }
    Ok(texts)
}

/// What is in a folder, sorted.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let failed = |source| DataError::Io {
        file: folder.display().to_string(),
        source,
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort_unstable();
    Ok(paths)
}

struct Reader<'a> {
    config: &'a DataConfig,
    /// Known from the first picture that can be read.
    frame: Option<Frame>,
    rows: Option<crate::data::stored::RowWriter>,
    cells: Vec<u32>,
    broken: Vec<String>,
    broken_count: usize,
    /// Coloured pictures that are read in grey though that was not asked for.
    coloured: usize,
}

impl Reader<'_> {
    fn read(&mut self, source: &str, listed: &[(PathBuf, String)], classes: &[String]) -> Result<(), DataError> {
        for together in listed.chunks(TOGETHER) {
            let known = self.frame;
            let decoded: Vec<_> = together
                .par_iter()
                .map(|(path, _)| {
                    let picture = decode::read(path)?;
                    let frame =
                        known.unwrap_or_else(|| decode::frame_of(&picture, self.config.image_size, self.config.grey));
                    // Of the first ones, which may set the frame, the picture itself is kept.
                    let bytes = known.map(|frame| decode::bytes(&picture, frame));
                    let coloured = !decode::is_grey(&picture);
                    Ok::<_, String>((frame, coloured, bytes, known.is_none().then_some(picture)))
                })
                .collect();
            for ((path, class), decoded) in together.iter().zip(decoded) {
                let (frame, coloured, bytes, picture) = match decoded {
                    Ok(decoded) => decoded,
                    Err(problem) => {
                        self.skip(path, &problem);
                        continue;
                    }
                };
                let frame = match self.frame {
                    Some(frame) => frame,
                    None => *self.frame.insert(frame.check(source)?),
                };
                let rows = self.rows.get_or_insert_with(|| writer(self.config, frame));
                match (bytes, picture) {
                    (Some(bytes), _) => rows.push(&bytes)?,
                    (None, Some(picture)) => rows.push(&decode::bytes(&picture, frame))?,
                    (None, None) => continue,
                }
                self.coloured += usize::from(coloured && frame.channels == 1 && !self.config.grey);
                self.cells.push(classes.partition_point(|other| other < class) as u32);
            }
        }
        Ok(())
    }

    fn skip(&mut self, path: &Path, problem: &str) {
        self.broken_count += 1;
        if self.broken.len() < NOTED {
            let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
            let name = Path::new(folder).join(path.file_name().unwrap_or_default());
            self.broken.push(format!("{} ({problem})", name.display()));
        }
    }

    fn finish(
        self,
        source: &str,
        classes: Vec<String>,
        tested: Option<usize>,
        mut notes: Vec<String>,
    ) -> Result<Box<dyn Source>, DataError> {
        if self.broken_count > 0 {
            let more = self.broken_count - self.broken.len();
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            notes.push(format!(
                "{} broken pictures are left out: {}{more}",
                self.broken_count,
                self.broken.join(", ")
            ));
        }
        if self.coloured > 0 {
            notes.push(format!(
                "{} coloured pictures are read in grey, as the first one is",
                self.coloured
            ));
        }
        let (Some(frame), Some(rows)) = (self.frame, self.rows) else {
            return Err(malformed(
                source,
                format!("no picture in it can be read: {}", self.broken.join(", ")),
                "save them as PNG, JPEG or BMP",
            ));
        };
        notes.push(format!(
            "Pictures are {} x {} pixels, {}",
            frame.height,
            frame.width,
            if frame.channels == 1 { "grey" } else { "in colours" }
        ));
        Ok(Box::new(Pictures {
            file: source.to_owned(),
            frame,
            bytes: Arc::new(rows.finish()?),
            labels: vec![class_column(self.cells, classes)],
            classifies: true,
            tested,
            notes,
        }))
    }
}
