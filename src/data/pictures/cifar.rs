//! CIFAR-10 in its binary form (Krizhevsky 2009): batches of a label and 3 x 32 x 32 bytes each.

use std::path::Path;
use std::sync::Arc;

use super::{Frame, Pictures, class_column, folder, idx, malformed, writer};
use crate::data::DataError;
use crate::data::source::Source;
use crate::spec::DataConfig;

const FRAME: Frame = Frame {
    channels: 3,
    height: 32,
    width: 32,
    is_bytes: true,
};
const CLASSES: [&str; 10] = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
];

/// Opens a folder with files `data_batch_1.bin` and so on; `test_batch.bin` is the test part.
pub(super) fn open(config: &DataConfig) -> Result<Option<Box<dyn Source>>, DataError> {
    let source = config.source.trim();
    let path = Path::new(source);
    if !path.is_dir() {
        return Ok(None);
    }
    let named = |file: &Path, start: &str| {
        let name = file.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        name.starts_with(start) && file.extension().is_some_and(|ending| ending == "bin")
    };
    let files = folder::entries(path)?;
    let trains: Vec<_> = files.iter().filter(|file| named(file, "data_batch")).collect();
    let tests: Vec<_> = files.iter().filter(|file| named(file, "test_batch")).collect();
    if trains.is_empty() {
        return Ok(None);
    }
    let mut rows = writer(config, FRAME);
    let mut cells = Vec::new();
    let mut tested = None;
    for (place, file) in trains.iter().chain(&tests).enumerate() {
        if place == trains.len() {
            tested = Some(cells.len());
        }
        batch(file, &mut rows, &mut cells)?;
    }
    let notes = tested.map(|tested| {
        format!(
            "The {} images of test_batch.bin are the test part",
            cells.len() - tested
        )
    });
    Ok(Some(Box::new(Pictures {
        file: source.to_owned(),
        frame: FRAME,
        bytes: Arc::new(rows.finish()?),
        labels: vec![class_column(cells, CLASSES.map(str::to_owned).to_vec())],
        classifies: true,
        tested,
        notes: notes.into_iter().collect(),
    })))
}

fn batch(path: &Path, rows: &mut crate::data::stored::RowWriter, cells: &mut Vec<u32>) -> Result<(), DataError> {
    let file = path.display().to_string();
    let mut reader = idx::unpacked(path)?;
    let mut record = [0; 1 + 3 * 32 * 32];
    for image in 1.. {
        let mut filled = 0;
        while filled < record.len() {
            match reader.read(&mut record[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => return Err(DataError::Io { file, source }),
            }
        }
        match filled {
            0 => break,
            _ if filled < record.len() => {
                return Err(malformed(
                    &file,
                    format!("ends within image {image}"),
                    "fetch it again, it is cut short",
                ));
            }
            _ if usize::from(record[0]) >= CLASSES.len() => {
                return Err(malformed(
                    &file,
                    format!("image {image} has the label {}", record[0]),
                    "bring the binary version of CIFAR-10, whose labels are 0 to 9",
                ));
            }
            _ => {}
        }
        cells.push(u32::from(record[0]));
        rows.push(&record[1..])?;
    }
    Ok(())
}
