//! What a run's scores are taken on: only scores by one yardstick say something about each other.

use serde::{Deserialize, Serialize};

use super::{RunPlan, SplitRows, Task};

/// The rows that scores are taken on, and what is asked of them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Yardstick {
    /// Name or path of the data, as configured.
    pub source: String,
    /// Name of the target column, or of several.
    pub target: String,
    pub is_regression: bool,
    /// Fractions of training, validation and test rows.
    pub split: [f64; 3],
    pub split_seed: u64,
    pub rows: Option<SplitRows>,
    /// Digest of what is scored; none in older descriptions.
    pub scored: Option<String>,
}

impl Yardstick {
    pub fn of(plan: &RunPlan) -> Self {
        let (data, dataset) = (&plan.config.data, &plan.dataset);
        Self {
            source: data.source.trim().to_owned(),
            target: dataset.target.clone(),
            is_regression: matches!(dataset.task, Task::Regression { .. }),
            split: data.split,
            split_seed: data.split_seed,
            rows: Some(dataset.split),
            scored: dataset.content.as_ref().map(|content| content.scored.clone()),
        }
    }

    /// Whether scores by both can be held against each other. A digest that is not known decides nothing.
    pub fn is_same(&self, other: &Self) -> bool {
        let agrees = match (&self.scored, &other.scored) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        agrees
            && self.source == other.source
            && self.target == other.target
            && self.is_regression == other.is_regression
            && self.split == other.split
            && self.split_seed == other.split_seed
            && self.rows == other.rows
    }
}

/// What is scored by one yardstick.
#[derive(Debug, Clone, PartialEq)]
pub struct Group<T> {
    /// Name of the data set, and where several bear it, what tells this one from the others.
    pub title: String,
    pub members: Vec<T>,
}

/// Puts together what can be compared, in the order in which it comes; `of` gives the data set's name and the yardstick.
pub fn groups<T>(items: impl IntoIterator<Item = T>, of: impl Fn(&T) -> (&str, &Yardstick)) -> Vec<Group<T>> {
    // With the places of members whose yardsticks differ: one, but for digests that are not known.
    let mut found: Vec<(Vec<T>, Vec<usize>)> = Vec::new();
    for item in items {
        let (name, yardstick) = of(&item);
        let place = found.iter().position(|(members, different)| {
            different.iter().all(|&place| {
                let (known, other) = of(&members[place]);
                known == name && other.is_same(yardstick)
            })
        });
        match place {
            Some(place) => {
                let (members, different) = &mut found[place];
                if different.iter().all(|&place| of(&members[place]).1 != yardstick) {
                    different.push(members.len());
                }
                members.push(item);
            }
            None => found.push((vec![item], vec![0])),
        }
    }
    let described: Vec<(&str, Vec<&Yardstick>)> = found
        .iter()
        .map(|(members, different)| {
            let yardsticks = different.iter().map(|&place| of(&members[place]).1);
            (of(&members[0]).0, yardsticks.collect())
        })
        .collect();
    let titles = titles(&described);
    let members = found.into_iter().map(|(members, _)| members);
    titles
        .into_iter()
        .zip(members)
        .map(|(title, members)| Group { title, members })
        .collect()
}

/// What a yardstick says of itself, from the most telling on.
const FACETS: [fn(&Yardstick) -> String; 6] = [
    |yardstick| yardstick.source.clone(),
    |yardstick| format!("target {}", yardstick.target),
    |yardstick| {
        let task = if yardstick.is_regression {
            "regression"
        } else {
            "classification"
        };
        task.to_owned()
    },
    |yardstick| {
        let parts = yardstick
            .split
            .map(|part| format!("{}", (part * 1000.0).round() / 10.0));
        format!("split {} %", parts.join("/"))
    },
    |yardstick| format!("split seed {}", yardstick.split_seed),
    |yardstick| {
        let test = yardstick.rows.map_or(0, |rows| rows.test);
        format!("{test} test rows")
    },
];

/// Names of groups, no two alike: of those on sets of one name, all in which they differ; the content where nothing else
/// tells them apart.
fn titles(groups: &[(&str, Vec<&Yardstick>)]) -> Vec<String> {
    let title = |(name, own): &(&str, Vec<&Yardstick>)| {
        let namesakes: Vec<&Vec<&Yardstick>> = groups
            .iter()
            .filter(|(other, _)| other == name)
            .map(|(_, of)| of)
            .collect();
        let differ = |facet: &fn(&Yardstick) -> String, other: &[&Yardstick]| facet(own[0]) != facet(other[0]);
        let telling = FACETS
            .iter()
            .filter(|facet| namesakes.iter().any(|other| differ(facet, other)));
        let mut parts: Vec<String> = telling.map(|facet| facet(own[0])).collect();
        let is_told =
            |other: &&Vec<&Yardstick>| std::ptr::eq(*other, own) || FACETS.iter().any(|facet| differ(facet, other));
        if !namesakes.iter().all(is_told) {
            let digest = own.iter().find_map(|yardstick| yardstick.scored.as_deref());
            let digest = digest.unwrap_or("unknown");
            parts.push(format!("content {}", digest.get(..8).unwrap_or(digest)));
        }
        if parts.is_empty() {
            (*name).to_owned()
        } else {
            format!("{name} ({})", parts.join(", "))
        }
    };
    groups.iter().map(title).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yardstick(source: &str, scored: Option<&str>) -> Yardstick {
        Yardstick {
            source: source.to_owned(),
            target: "price".to_owned(),
            is_regression: true,
            split: [0.7, 0.15, 0.15],
            scored: scored.map(str::to_owned),
            ..Yardstick::default()
        }
    }

    fn grouped(yardsticks: Vec<Yardstick>) -> Vec<(String, Vec<usize>)> {
        let items = yardsticks.into_iter().enumerate();
        let groups = groups(items, |(_, yardstick)| ("data", yardstick));
        let numbers = |group: Group<(usize, Yardstick)>| group.members.into_iter().map(|(number, _)| number).collect();
        groups
            .into_iter()
            .map(|group| (group.title.clone(), numbers(group)))
            .collect()
    }

    #[test]
    fn groups_of_one_name_are_told_apart_by_what_differs() {
        let plain = yardstick("a/data.csv", Some("0123456789"));
        let changed = |change: fn(&mut Yardstick)| {
            let mut other = plain.clone();
            change(&mut other);
            other
        };
        let alone = grouped(vec![plain.clone(), plain.clone()]);
        assert_eq!(alone, [("data".to_owned(), vec![0, 1])]);
        for (other, own, its) in [
            (
                changed(|other| other.target = "sold".to_owned()),
                "target price",
                "target sold",
            ),
            (
                changed(|other| other.is_regression = false),
                "regression",
                "classification",
            ),
            (changed(|other| other.split_seed = 3), "split seed 0", "split seed 3"),
            (
                changed(|other| other.split = [0.8, 0.1, 0.1]),
                "split 70/15/15 %",
                "split 80/10/10 %",
            ),
            (
                changed(|other| other.source = "b/data.csv".to_owned()),
                "a/data.csv",
                "b/data.csv",
            ),
            (
                changed(|other| other.scored = Some("9876543210".to_owned())),
                "content 01234567",
                "content 98765432",
            ),
        ] {
            let found = grouped(vec![plain.clone(), other, plain.clone()]);
            let expected = [
                (format!("data ({own})"), vec![0, 2]),
                (format!("data ({its})"), vec![1]),
            ];
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_digest_that_is_not_known_joins_nothing_that_differs() {
        let of = |scored| yardstick("data.csv", scored);
        let found = grouped(vec![of(None), of(Some("aaaaaaaaaa")), of(Some("bbbbbbbbbb")), of(None)]);
        let expected = [
            ("data (content aaaaaaaa)".to_owned(), vec![0, 1, 3]),
            ("data (content bbbbbbbb)".to_owned(), vec![2]),
        ];
        assert_eq!(found, expected);
    }
}
