//! New steps for a finished model: what follows them, and a score on the windows whose truth they hold.

use super::read::{fill, is_time, steps};
use super::windows;
use crate::data::DataError;
use crate::data::header::nearest;
use crate::data::predict::NewRows;
use crate::data::sequences::{check_size, encode};
use crate::data::sheet::{Decoded, Sheet};
use crate::data::target::places_of_targets;
use crate::spec::{InputForm, Preprocessing};

/// Every window that has its horizon behind it, with its truth, and the last window, whose future the file does not know. Columns go by
/// name, or by position in a file of exactly the model's columns without a header.
pub fn read_new(file: &str, bytes: &[u8], preprocessing: &Preprocessing) -> Result<NewRows, DataError> {
    let InputForm::Window { features, targets, .. } = &preprocessing.form else {
        return Err(DataError::Preprocessing {
            file: file.to_owned(),
            problem: "it describes no series".to_owned(),
        });
    };
    let text = Decoded::of(file, bytes)?;
    let sheet = Sheet::open(file, &text)?;
    let place = |name: &String| sheet.names.iter().position(|present| present == name);
    let by_position = !sheet.with_header && sheet.names.len() == features.len();
    let used = features.iter().enumerate().map(|(at, feature)| {
        place(&feature.name)
            .or(by_position.then_some(at))
            .ok_or_else(|| DataError::MissingColumn {
                file: file.to_owned(),
                column: feature.name.clone(),
                remedy: nearest(&sheet.names, &feature.name),
            })
    });
    let used = used.collect::<Result<Vec<usize>, _>>()?;
    for &place in &used {
        sheet.profiles[place].check_numbers(&sheet.records, &sheet.names[place])?;
    }
    let time = (0..sheet.names.len()).find(|place| !used.contains(place) && is_time(&sheet.names[*place]));
    let mut notes = sheet.notes.clone();
    let mut values = steps(&sheet, &used, time, &mut notes)?;
    let names: Vec<String> = features.iter().map(|feature| feature.name.clone()).collect();
    let wanted = targets
        .iter()
        .map(|target| places_of_targets(file, &names, Some(target)));
    let wanted = wanted.collect::<Result<Vec<_>, _>>()?.concat();
    let width = features.len();
    let (skipped, filled) = fill(&mut values, width, &wanted);
    if skipped > 0 {
        notes.push(format!(
            "{skipped} rows before the first value of the target or behind its last are left out"
        ));
    }
    if filled > 0 {
        notes.push(format!("{filled} missing values take the one before"));
    }
    let window = preprocessing.shape.positions();
    let present = values.len() / width.max(1);
    if present < window {
        return Err(DataError::Malformed {
            file: file.to_owned(),
            problem: format!("holds {present} of the {window} rows that the model reads to say what follows"),
            remedy: format!("bring at least {window} rows"),
        });
    }
    check_size(file, [present, window, width])?;
    let (mut inputs, truth) = windows(&values, preprocessing);
    let count = truth.len();
    encode(&values, features, window, &mut inputs);
    notes.push(format!(
        "The last row is what follows the file; the {count} before it are windows whose truth the file holds"
    ));
    Ok(NewRows {
        shape: preprocessing.shape,
        rows: count + 1,
        inputs,
        names: Vec::new(),
        targets: (count > 0).then_some(truth),
        notes,
    })
}
