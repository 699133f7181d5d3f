//! Network inputs back to the cells that they were made from, for a person to look at.

use super::preprocess::standardise;
use super::texts::restore_text;
use crate::spec::{ColumnKind, FeatureScale, InputForm, Preprocessing};

/// The raw cells of one preprocessed sample, in the order of [`cell_names`](super::cell_names). What was missing reads as what it was
/// filled with; a text that is no category is empty, as are steps of padding; a text of words is in lower case.
pub fn restore_cells(preprocessing: &Preprocessing, inputs: &[f32]) -> Vec<String> {
    match &preprocessing.form {
        InputForm::Row => restore_row(preprocessing, inputs),
        InputForm::Pixels { .. } => Vec::new(),
        InputForm::Steps { features } | InputForm::Window { features, .. } => restore_steps(features, inputs),
        InputForm::Text { vocabulary, .. } => vec![restore_text(vocabulary, inputs)],
    }
}

fn restore_steps(features: &[FeatureScale], inputs: &[f32]) -> Vec<String> {
    let width = features.len().max(1);
    let has_value = |step: &[f32]| step.iter().any(|&input| input != 0.0);
    let first = inputs.chunks_exact(width).position(has_value).unwrap_or(0);
    let mut cells = Vec::with_capacity(inputs.len());
    for (place, feature) in features.iter().enumerate() {
        let own = inputs.iter().skip(place).step_by(width);
        cells.extend(own.enumerate().map(|(step, &input)| {
            if step < first {
                String::new()
            } else {
                restore_number(input, feature.mean, feature.deviation)
            }
        }));
    }
    cells
}

fn restore_row(preprocessing: &Preprocessing, inputs: &[f32]) -> Vec<String> {
    let mut rest = inputs;
    let columns = preprocessing.columns.iter();
    columns
        .map(|column| {
            let (own, others) = rest.split_at(column.kind.width().min(rest.len()));
            rest = others;
            match &column.kind {
                ColumnKind::Numeric { mean, deviation, .. } => own
                    .first()
                    .map_or_else(String::new, |&input| restore_number(input, *mean, *deviation)),
                ColumnKind::Category { categories } => {
                    let place = own.iter().position(|&input| input > 0.5);
                    place
                        .and_then(|place| categories.get(place))
                        .cloned()
                        .unwrap_or_default()
                }
            }
        })
        .collect()
}

/// The text of [`restore_value`].
pub fn restore_number(input: f32, mean: f64, deviation: f64) -> String {
    restore_value(input, mean, deviation).to_string()
}

/// The shortest decimal number that is standardised to `input`: nearly always the very one that stood in the file.
pub fn restore_value(input: f32, mean: f64, deviation: f64) -> f64 {
    const DECIMALS: usize = 12;
    let value = mean + deviation * f64::from(input);
    let fixed = (0..=DECIMALS).map(|decimals| format!("{value:.decimals$}"));
    let scientific = (DECIMALS..17).map(|digits| format!("{value:.digits$e}"));
    let shortest = fixed
        .chain(scientific)
        .filter_map(|text| text.parse::<f64>().ok())
        .find(|&number| standardise(number, mean, deviation) == input)
        .unwrap_or(value);
    // Adding zero takes the sign from a negative zero.
    shortest + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Part, load, rows_as_csv};
    use crate::spec::{DataConfig, InputColumn, Shape, TargetTransform};

    #[test]
    fn cells_are_those_of_the_file() {
        for source in ["iris", "wine", "breast_cancer", "digits"] {
            let config = DataConfig {
                source: source.to_owned(),
                ..DataConfig::default()
            };
            let dataset = load(&config).unwrap();
            let csv = rows_as_csv(&config, Part::Test).unwrap();
            for (row, line) in csv.lines().skip(1).enumerate() {
                let cells = restore_cells(&dataset.preprocessing, &dataset.test.row(row));
                let line: Vec<&str> = line.split(',').collect();
                assert_eq!(cells, line[..line.len() - 1], "{source}, row {row}");
            }
        }
    }

    #[test]
    fn categories_and_numbers_of_all_sizes() {
        let preprocessing = Preprocessing {
            form: InputForm::Row,
            columns: vec![
                InputColumn {
                    name: "colour".to_owned(),
                    kind: ColumnKind::Category {
                        categories: vec!["blue".to_owned(), "red".to_owned()],
                    },
                },
                InputColumn {
                    name: "size".to_owned(),
                    kind: ColumnKind::Numeric {
                        mean: 2.0,
                        deviation: 4.0,
                        fill: 0.0,
                    },
                },
            ],
            shape: Shape::Features { features: 3 },
            target_column: "y".to_owned(),
            target: TargetTransform::Values { targets: Vec::new() },
        };
        assert_eq!(restore_cells(&preprocessing, &[0.0, 1.0, -0.5]), ["red", "0"]);
        assert_eq!(restore_cells(&preprocessing, &[0.0, 0.0, 0.25]), ["", "3"]);
        for value in [0.1, -1234.5, 1e-20, 6.02e23, 1e7 + 0.5] {
            let input = standardise(value, 0.0, value.abs());
            assert_eq!(restore_number(input, 0.0, value.abs()).parse::<f64>().unwrap(), value);
        }
    }
}
