//! New sequences for a finished model: in wide or long form, as one sequence alone, or in the `.ts` format.

use super::long::{self, Long, names_a_sequence};
use super::wide::Wide;
use super::{Sequences, check_size, ts};
use crate::data::DataError;
use crate::data::header::nearest;
use crate::data::predict::{NewRows, TargetReader, target_names};
use crate::data::raw::cell;
use crate::data::series::is_time;
use crate::data::sheet::{Decoded, Sheet};
use crate::spec::{FeatureScale, Preprocessing};

/// Reads the features by name (in a `.ts` file by position); the targets need not be there.
pub fn read_new(
    file: &str,
    bytes: &[u8],
    preprocessing: &Preprocessing,
    features: &[FeatureScale],
) -> Result<NewRows, DataError> {
    let text = Decoded::of(file, bytes)?;
    let sequences = if ts::is_ts(file, &text.text) {
        let sequences = ts::read(file, &text.text)?;
        if sequences.features.len() != features.len() {
            return Err(DataError::ColumnCount {
                file: file.to_owned(),
                found: sequences.features.len(),
                expected: features.len(),
            });
        }
        sequences
    } else {
        of_csv(&Sheet::open(file, &text)?, preprocessing, features)?
    };
    let steps = preprocessing.shape.positions();
    if sequences.len() == 0 {
        return Err(DataError::NoRows { file: file.to_owned() });
    }
    check_size(file, [sequences.len(), steps, features.len()])?;
    let rows: Vec<usize> = (0..sequences.len()).collect();
    let mut targets = TargetReader::new(&preprocessing.target);
    for &row in &rows {
        if sequences.labels.is_empty() {
            targets.give_up(None);
        } else {
            targets.read(row + 1, sequences.labels.iter().map(|label| cell(label, row)));
        }
    }
    let (targets, note) = targets.finish();
    Ok(NewRows {
        shape: preprocessing.shape,
        rows: rows.len(),
        inputs: sequences.encode(preprocessing, &rows),
        names: Vec::new(),
        targets,
        notes: [sequences.notes(steps), note.into_iter().collect()].concat(),
    })
}

fn of_csv(sheet: &Sheet<'_>, preprocessing: &Preprocessing, features: &[FeatureScale]) -> Result<Sequences, DataError> {
    let place = |name: &str| sheet.names.iter().position(|present| present == name);
    let targets: Option<Vec<usize>> = target_names(preprocessing).iter().map(|name| place(name)).collect();
    let targets = targets.unwrap_or_default();
    if let Some(mut wide) = Wide::of_names(&sheet.names, &targets)
        && let Some(order) = features
            .iter()
            .map(|feature| wide.features.iter().position(|stem| *stem == feature.name))
            .collect::<Option<Vec<usize>>>()
    {
        for places in &mut wide.places {
            *places = order.iter().map(|&feature| places[feature]).collect();
        }
        wide.features = features.iter().map(|feature| feature.name.clone()).collect();
        return super::wide::read(sheet, &wide, &targets, false);
    }
    let columns = features.iter().map(|feature| {
        place(&feature.name).ok_or_else(|| DataError::MissingColumn {
            file: sheet.file().to_owned(),
            column: format!("{0}_0\" or \"{0}", feature.name),
            remedy: nearest(&sheet.names, &feature.name),
        })
    });
    let columns = columns.collect::<Result<Vec<usize>, _>>()?;
    let others = || (0..sheet.names.len()).filter(|place| !columns.contains(place) && !targets.contains(place));
    let layout = Long {
        sequence: others().find(|&place| names_a_sequence(&sheet.names[place])),
        time: others().find(|&place| is_time(&sheet.names[place])),
        features: columns.clone(),
        texts: Vec::new(),
    };
    match long::read(sheet, &layout, &targets, false)? {
        Some(sequences) => Ok(sequences),
        // A target that changes within a sequence is not one of it.
        None => Ok(long::read(sheet, &layout, &[], false)?.unwrap_or_else(|| Sequences::new(sheet.file(), Vec::new()))),
    }
}
