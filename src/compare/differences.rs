//! Configurations side by side, key by key.

use crate::spec::{Recipe, RunConfig, dotted};

/// One key with its value in every column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub key: &'static str,
    /// None where the key is absent.
    pub values: Vec<Option<String>>,
    /// All columns have the same value.
    pub is_same: bool,
}

/// Every key of the configurations, one column each, with the recipe of compressed runs above them. Names are left out:
/// they stand over the columns.
pub fn differences(columns: &[(&RunConfig, Option<&Recipe>)]) -> Vec<Difference> {
    let recipes = columns.iter().map(|(_, recipe)| recipe.map(ToString::to_string));
    let mut rows = vec![("recipe", recipes.collect::<Vec<_>>())];
    for (column, (config, _)) in columns.iter().enumerate() {
        let cells = dotted(config).into_iter().filter(|(key, _)| *key != "run.name");
        for (row, (key, value)) in cells.enumerate() {
            if column == 0 {
                rows.push((key, Vec::with_capacity(columns.len())));
            }
            rows[row + 1].1.push(value);
        }
    }
    rows.into_iter()
        .map(|(key, values)| Difference {
            key,
            is_same: values.windows(2).all(|pair| pair[0] == pair[1]),
            values,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_marked() {
        let first = RunConfig::digits_cnn();
        let mut second = first.clone();
        second.train.learning_rate = 0.001;
        second.train.gradient_clip = Some(1.0);
        second.run.name = Some("another".to_owned());
        let recipe: Recipe = "fp16".parse().unwrap();
        let rows = differences(&[(&first, None), (&second, Some(&recipe))]);
        let differing: Vec<(&str, [Option<&str>; 2])> = rows
            .iter()
            .filter(|row| !row.is_same)
            .map(|row| (row.key, [row.values[0].as_deref(), row.values[1].as_deref()]))
            .collect();
        assert_eq!(
            differing,
            [
                ("recipe", [None, Some("fp16")]),
                ("train.learning_rate", [Some("0.01"), Some("0.001")]),
                ("train.gradient_clip", [None, Some("1.0")]),
            ]
        );
        let source = rows.iter().find(|row| row.key == "data.source").unwrap();
        assert_eq!(source.values, [Some("digits".to_owned()), Some("digits".to_owned())]);
        assert!(rows.iter().all(|row| row.key != "run.name"));
    }

    #[test]
    fn one_column_differs_from_nothing_and_none_has_no_values() {
        assert!(
            differences(&[(&RunConfig::default(), None)])
                .iter()
                .all(|row| row.is_same)
        );
        assert!(differences(&[]).iter().all(|row| row.values.is_empty()));
    }
}
