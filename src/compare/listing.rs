//! The list of runs as a person wants it: those that match a search, in the order of a column. Ten thousand runs take a
//! few milliseconds.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::Axis;
use crate::spec::{Recipe, Run, Speed, Verdict};

/// A run with what the list shows beside its own fields.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    pub run: &'a Run,
    pub dataset: &'a str,
    pub architecture: &'a str,
    pub recipe: Option<&'a Recipe>,
    pub score: Option<f64>,
}

/// A column that a list can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum Field {
    /// The run's number, which is the order of creation.
    #[default]
    Number,
    Name,
    Status,
    Dataset,
    /// Architecture, then recipe.
    Model,
    Score,
    Figure(Axis),
    /// What the figures are worth: measured, cannot tell, simulated.
    Badge,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sort {
    pub field: Field,
    pub descending: bool,
}

impl Default for Sort {
    /// The newest first.
    fn default() -> Self {
        Self {
            field: Field::Number,
            descending: true,
        }
    }
}

impl Sort {
    /// After a press on the title of `field`: the other direction, or that column with the best first.
    #[must_use]
    pub fn pressed(self, field: Field) -> Self {
        let descending = if self.field == field {
            !self.descending
        } else {
            matches!(field, Field::Number | Field::Score)
        };
        Self { field, descending }
    }
}

/// Places of the lines that match every word of `search`, in the order of `sort`. Lines without the figure come last in
/// either direction, and equals with the newest first.
pub fn order(lines: &[Line<'_>], search: &str, sort: Sort) -> Vec<usize> {
    let words: Vec<String> = search.split_whitespace().map(str::to_lowercase).collect();
    let mut text = String::new();
    let places = (0..lines.len()).filter(|&place| matches(&lines[place], &words, &mut text));
    let mut keyed: Vec<(Key, usize)> = places.map(|place| (lines[place].key(sort.field), place)).collect();
    keyed.sort_by(|(a, at), (b, bt)| {
        let by_key = match (a.is_missing(), b.is_missing()) {
            (false, false) if sort.descending => b.cmp(a),
            (false, false) => a.cmp(b),
            (a, b) => a.cmp(&b),
        };
        by_key.then_with(|| lines[*bt].run.run.cmp(&lines[*at].run.run))
    });
    keyed.into_iter().map(|(_, place)| place).collect()
}

impl Line<'_> {
    fn key(&self, field: Field) -> Key {
        let run = self.run;
        match field {
            Field::Number => Key::Rank(run.run.0),
            Field::Name => Key::Text(run.name.to_lowercase()),
            Field::Status => Key::Rank(run.status as i64),
            Field::Dataset => Key::Text(self.dataset.to_lowercase()),
            Field::Model => Key::Text(match self.recipe {
                Some(recipe) => format!("{} {recipe}", self.architecture),
                None => self.architecture.to_owned(),
            }),
            Field::Score => Key::figure(self.score),
            Field::Figure(axis) => Key::figure(axis.of(run)),
            Field::Badge => match &run.deployed {
                Some(deployed) if deployed.speed == Speed::Simulated => Key::Rank(2),
                Some(deployed) if deployed.recipe.is_some() && deployed.verdict == Verdict::CannotTell => {
                    Key::Rank(run.timed_beside().map_or(0, |_| 1))
                }
                Some(_) => Key::Rank(0),
                None => Key::Missing,
            },
        }
    }
}

#[derive(Debug)]
enum Key {
    Text(String),
    Rank(i64),
    Figure(f64),
    Missing,
}

impl Key {
    fn figure(figure: Option<f64>) -> Self {
        figure
            .filter(|figure| !figure.is_nan())
            .map_or(Self::Missing, Self::Figure)
    }

    fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }

    /// Keys of one column are of one kind.
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Rank(a), Self::Rank(b)) => a.cmp(b),
            (Self::Figure(a), Self::Figure(b)) => a.total_cmp(b),
            _ => Ordering::Equal,
        }
    }
}

/// Whether every word is found in what the line says; `text` is room to write that in.
fn matches(line: &Line<'_>, words: &[String], text: &mut String) -> bool {
    use std::fmt::Write as _;

    if words.is_empty() {
        return true;
    }
    text.clear();
    let lower = line.run.name.chars().chain(" ".chars()).chain(line.dataset.chars());
    text.extend(lower.flat_map(char::to_lowercase));
    let _ = write!(text, " {} {} {}", line.run.run, line.architecture, line.run.status);
    if let Some(recipe) = line.recipe {
        let _ = write!(text, " {recipe}");
    }
    words.iter().all(|word| text.contains(word.as_str()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::compare::tests::run;
    use crate::spec::RunStatus;

    /// Runs 1 to 5: two plain ones, two compressed, one that failed before it was scored.
    fn runs() -> Vec<Run> {
        let mut runs = vec![
            run(1, None, 0.97, 4000, 40.0),
            run(2, None, 0.91, 9000, 90.0),
            run(3, Some("fp16"), 0.96, 2000, 40.0),
            run(4, Some("units:0.5"), 0.97, 1000, 20.0),
            run(5, None, 0.0, 1, 1.0),
        ];
        for (run, name) in runs.iter_mut().zip(["Digits CNN", "wide", "half", "Narrow", "broken"]) {
            name.clone_into(&mut run.name);
        }
        runs[4].status = RunStatus::Failed;
        runs[4].deployed = None;
        runs[4].test = None;
        runs
    }

    fn lines(runs: &[Run]) -> Vec<Line<'_>> {
        let line = |run: &'_ Run| -> Option<f64> { run.deployed.as_ref().map(|deployed| deployed.accuracy) };
        runs.iter()
            .map(|run| Line {
                run,
                dataset: if run.run.0 == 2 { "Wine" } else { "digits" },
                architecture: "cnn",
                recipe: run.deployed.as_ref().and_then(|deployed| deployed.recipe.as_ref()),
                score: line(run),
            })
            .collect()
    }

    fn found(search: &str, field: Field, descending: bool) -> Vec<i64> {
        let runs = runs();
        let lines = lines(&runs);
        order(&lines, search, Sort { field, descending })
            .into_iter()
            .map(|place| lines[place].run.run.0)
            .collect()
    }

    #[test]
    fn every_word_must_be_found_somewhere_in_the_line() {
        for (search, expected) in [
            ("", &[5, 4, 3, 2, 1][..]),
            ("  ", &[5, 4, 3, 2, 1]),
            ("DIGITS", &[5, 4, 3, 1]),
            ("digits cnn finished", &[4, 3, 1]),
            ("digits wine", &[]),
            ("wine", &[2]),
            ("r4", &[4]),
            ("units:0.5", &[4]),
            ("fp16", &[3]),
            ("failed", &[5]),
            ("nothing of the kind", &[]),
        ] {
            assert_eq!(found(search, Field::Number, true), expected, "{search:?}");
        }
    }

    #[test]
    fn any_column_sorts_and_what_has_no_figure_comes_last() {
        for (field, rising, falling) in [
            (Field::Number, [1, 2, 3, 4, 5], [5, 4, 3, 2, 1]),
            (Field::Name, [5, 1, 3, 4, 2], [2, 4, 3, 1, 5]),
            (Field::Status, [4, 3, 2, 1, 5], [5, 4, 3, 2, 1]),
            (Field::Dataset, [5, 4, 3, 1, 2], [2, 5, 4, 3, 1]),
            (Field::Model, [5, 2, 1, 3, 4], [4, 3, 5, 2, 1]),
            (Field::Score, [2, 3, 4, 1, 5], [4, 1, 3, 2, 5]),
            (Field::Figure(Axis::Size), [4, 3, 1, 2, 5], [2, 1, 3, 4, 5]),
            (Field::Figure(Axis::Batch1), [4, 3, 1, 2, 5], [2, 3, 1, 4, 5]),
            (Field::Badge, [4, 3, 2, 1, 5], [4, 3, 2, 1, 5]),
        ] {
            assert_eq!(found("", field, false), rising, "{field:?}");
            assert_eq!(found("", field, true), falling, "{field:?} descending");
        }
    }

    #[test]
    fn a_press_on_a_title_turns_its_column_round() {
        let size = Field::Figure(Axis::Size);
        let sort = Sort::default().pressed(size);
        assert_eq!((sort.field, sort.descending), (size, false));
        assert!(sort.pressed(size).descending);
        assert!(sort.pressed(Field::Score).descending, "the best first");
    }

    #[test]
    fn ten_thousand_runs_are_filtered_and_sorted() {
        let mut all = Vec::new();
        for number in 1..=10_000 {
            let mut run = run(
                number,
                None,
                (number % 997) as f64 / 997.0,
                (number * 7919 % 10_007) as u64 + 1,
                5.0,
            );
            run.name = format!("sweep {number}");
            all.push(run);
        }
        let lines = lines(&all);
        let sort = Sort::default().pressed(Field::Figure(Axis::Size));
        let places = order(&lines, "sweep 77 finished", sort);
        let expected = all
            .iter()
            .filter(|run| run.name.contains("77") || run.run.to_string().contains("77"));
        assert_eq!(places.len(), expected.count());
        let size = |&place: &usize| all[place].deployed.as_ref().unwrap().size_bytes;
        assert!(places.windows(2).all(|pair| size(&pair[0]) <= size(&pair[1])));
    }

    proptest! {
        #[test]
        fn sorting_loses_no_run_and_searching_adds_none(scores in prop::collection::vec(prop::option::of(0.0..1.0_f64), 0..40), descending: bool) {
            let runs: Vec<Run> = (0..scores.len()).map(|number| run(number as i64 + 1, None, 0.5, 10, 1.0)).collect();
            let lines: Vec<Line<'_>> = runs.iter().zip(&scores).map(|(run, &score)| Line { run, dataset: "d", architecture: "mlp", recipe: None, score }).collect();
            let sort = Sort { field: Field::Score, descending };
            let mut places = order(&lines, "", sort);
            let known = scores.iter().flatten().count();
            prop_assert!(places[..known].iter().all(|&place| scores[place].is_some()));
            for pair in places[..known].windows(2) {
                let (a, b) = (scores[pair[0]], scores[pair[1]]);
                let is_ordered = if descending { a >= b } else { a <= b };
                prop_assert!(is_ordered);
            }
            places.sort_unstable();
            prop_assert_eq!(places, (0..scores.len()).collect::<Vec<_>>());
            prop_assert!(order(&lines, "absent", sort).is_empty());
        }
    }
}
