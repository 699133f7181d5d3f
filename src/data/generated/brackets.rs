//! Whether brackets are balanced: a question of order, with wrong answers that counting alone does not find.

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{Generated, drawn};
use crate::data::DataError;
use crate::data::sequences::check_size;
use crate::data::source::Source;
use crate::data::table::{Column, Values};
use crate::data::texts::Texts;
use crate::spec::{ConfigIssue, DataConfig, Vocabulary, stream};

/// Length when none is configured.
const LENGTH: usize = 24;

pub(super) const SET: Generated = Generated {
    name: "brackets",
    about: "texts of brackets, balanced or not, generated; you set samples and steps",
    target: "class",
    has_noise: false,
    draw,
};

/// Half of the texts are balanced, even among all that are. Of the others a third has as many opening as closing brackets but
/// closes too early at one place (a balanced text with two brackets exchanged), a third is a shuffled text of as many of both, and
/// a third a balanced one with a single bracket turned. `config.noise` plays no part.
fn draw(set: &Generated, config: &DataConfig) -> Result<Box<dyn Source>, DataError> {
    let length = config.steps.unwrap_or(LENGTH);
    if length < 4 || !length.is_multiple_of(2) {
        let problem = format!("{length} brackets cannot be both balanced and not");
        return Err(DataError::Config {
            issues: vec![ConfigIssue::new("data.steps", problem, "use an even number from 4")],
        });
    }
    check_size(set.name, [config.samples, length, 1])?;
    let mut generator = stream(config.split_seed, set.name, 0);
    let cells: Vec<u32> = (0..config.samples).map(|row| (row % 2) as u32).collect();
    let texts = (0..config.samples).map(|row| {
        let brackets = match row % 2 {
            0 => balanced(length, &mut generator),
            _ => unbalanced(length, row / 2 % 3, &mut generator),
        };
        brackets.iter().map(|&opens| if opens { '(' } else { ')' }).collect()
    });
    Ok(Box::new(Texts {
        file: set.name.to_owned(),
        column: "brackets".to_owned(),
        texts: texts.collect(),
        labels: vec![Column {
            name: set.target.to_owned(),
            values: Values::Texts {
                cells,
                texts: ["balanced", "unbalanced"].map(str::to_owned).to_vec(),
            },
            first_text: None,
        }],
        vocabulary: Some(Vocabulary::Words {
            words: ["(", ")"].map(str::to_owned).to_vec(),
        }),
        steps: Some(length),
        notes: vec![drawn("texts", config)],
    }))
}

/// One of all balanced texts, each as likely as any other. Of the rotations of a shuffled row of one bracket more that opens, exactly
/// one never falls to its start's level (the cycle lemma, Dvoretzky and Motzkin 1947); without its first bracket it is balanced.
fn balanced(length: usize, generator: &mut ChaCha8Rng) -> Vec<bool> {
    let mut row: Vec<bool> = (0..=length).map(|place| place <= length / 2).collect();
    row.shuffle(generator);
    // The rotation begins behind the last place where the level is lowest.
    let (mut level, mut lowest, mut start) = (0_i64, 0_i64, 0);
    for (place, &opens) in row.iter().enumerate() {
        level += if opens { 1 } else { -1 };
        if level <= lowest {
            (lowest, start) = (level, place + 1);
        }
    }
    row.rotate_left(start % (length + 1));
    row.remove(0);
    row
}

fn unbalanced(length: usize, how: usize, generator: &mut ChaCha8Rng) -> Vec<bool> {
    let mut row = balanced(length, generator);
    loop {
        match how {
            0 => {
                let places = [(); 2].map(|()| generator.random_range(0..length));
                row.swap(places[0], places[1]);
            }
            1 => row.shuffle(generator),
            _ => {
                let place = generator.random_range(0..length);
                row[place] = !row[place];
            }
        }
        if !is_balanced(&row) {
            return row;
        }
    }
}

fn is_balanced(row: &[bool]) -> bool {
    let mut level = 0_i64;
    let never_below = row.iter().all(|&opens| {
        level += if opens { 1 } else { -1 };
        level >= 0
    });
    never_below && level == 0
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn all_balanced_texts_are_equally_likely() {
        let mut generator = stream(0, "test", 0);
        let mut counts: HashMap<Vec<bool>, usize> = HashMap::new();
        for _ in 0..14_000 {
            let row = balanced(8, &mut generator);
            assert!(is_balanced(&row), "{row:?}");
            *counts.entry(row).or_default() += 1;
        }
        // The fourth Catalan number; each is drawn 1000 times on average, with a deviation of 31.
        assert_eq!(counts.len(), 14);
        assert!(counts.values().all(|count| count.abs_diff(1000) < 160), "{counts:?}");
    }

    #[test]
    fn unbalanced_texts_are_hard() {
        let mut generator = stream(0, "test", 0);
        for how in 0..3 {
            for _ in 0..200 {
                let row = unbalanced(24, how, &mut generator);
                assert!(!is_balanced(&row));
                let opening = row.iter().filter(|&&opens| opens).count();
                assert!(if how < 2 { opening == 12 } else { opening != 12 }, "{how} {opening}");
            }
        }
    }
}
