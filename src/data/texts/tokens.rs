//! Texts to tokens and back.

use std::collections::HashMap;
use std::iter::Peekable;
use std::str::Chars;

use crate::spec::Vocabulary;

/// Token of a word that is not in the list.
const UNKNOWN: u32 = 1;
/// Token of the first word of the list.
const FIRST: u32 = 2;

/// A vocabulary made ready to encode many texts.
pub struct Tokenizer<'a> {
    /// Token of each word; none for bytes.
    words: Option<HashMap<&'a str, u32>>,
}

impl<'a> Tokenizer<'a> {
    pub fn new(vocabulary: &'a Vocabulary) -> Self {
        let places = |words: &'a [String]| {
            let places = words.iter().enumerate();
            places
                .map(|(place, word)| (word.as_str(), place as u32 + FIRST))
                .collect()
        };
        Self {
            words: match vocabulary {
                Vocabulary::Bytes => None,
                Vocabulary::Words { words } => Some(places(words)),
            },
        }
    }

    /// Appends `steps` tokens: the first ones of the text, or zeros in front of all.
    pub fn encode(&self, text: &str, steps: usize, inputs: &mut Vec<f32>) {
        let start = inputs.len();
        match &self.words {
            None => inputs.extend(text.bytes().take(steps).map(|byte| f32::from(byte) + 1.0)),
            Some(places) => inputs.extend(words(text).take(steps).map(|word| {
                let token = places.get(word.as_str()).copied().unwrap_or(UNKNOWN);
                token as f32
            })),
        }
        let missing = steps - (inputs.len() - start);
        inputs.resize(start + steps, 0.0);
        inputs[start..].rotate_right(missing);
    }

    /// Number of tokens of the whole text.
    pub fn count(&self, text: &str) -> usize {
        match &self.words {
            None => text.len(),
            Some(_) => words(text).count(),
        }
    }
}

/// The text that these tokens are of: cut where it was cut, with `…` for words that are not in the list.
pub fn restore_text(vocabulary: &Vocabulary, tokens: &[f32]) -> String {
    let tokens = tokens.iter().map(|&token| token as u32).filter(|&token| token != 0);
    match vocabulary {
        Vocabulary::Bytes => {
            let bytes: Vec<u8> = tokens.map(|token| (token - 1).min(255) as u8).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        Vocabulary::Words { words } => {
            let known = |token: u32| words.get(token.checked_sub(FIRST)? as usize);
            let mut text = String::new();
            for token in tokens {
                let word = known(token).map_or("…", String::as_str);
                // Marks stand at the word before.
                let is_mark = word.chars().all(|letter| !letter.is_alphanumeric()) && word != "…";
                if !text.is_empty() && !is_mark {
                    text.push(' ');
                }
                text.push_str(word);
            }
            text
        }
    }
}

/// The words of a text: runs of letters and digits in lower case, and every other character that is no blank.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    Words {
        letters: text.chars().peekable(),
    }
}

struct Words<'a> {
    letters: Peekable<Chars<'a>>,
}

impl Iterator for Words<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        while self.letters.next_if(|letter| letter.is_whitespace()).is_some() {}
        let first = self.letters.next()?;
        let mut word: String = first.to_lowercase().collect();
        if first.is_alphanumeric() {
            while let Some(letter) = self.letters.next_if(|letter| letter.is_alphanumeric()) {
                word.extend(letter.to_lowercase());
            }
        }
        Some(word)
    }
}

/// The `most` most frequent words, the most frequent first.
pub fn frequent_words<'a>(texts: impl Iterator<Item = &'a str>, most: usize) -> Vec<String> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for word in texts.flat_map(words) {
        *counts.entry(word).or_default() += 1;
    }
    let mut ranked: Vec<(String, usize)> = counts.into_iter().collect();
    ranked.sort_unstable_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then_with(|| a.cmp(b)));
    ranked.truncate(most);
    ranked.into_iter().map(|(word, _)| word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters_in_lower_case_and_single_marks() {
        let read: Vec<String> = words("Où est l'Été?  (2x)").collect();
        assert_eq!(read, ["où", "est", "l", "'", "été", "?", "(", "2x", ")"]);
        assert_eq!(words(" \n").count(), 0);
    }

    #[test]
    fn padding_is_in_front_and_the_end_is_cut() {
        let mut inputs = Vec::new();
        let bytes = Tokenizer::new(&Vocabulary::Bytes);
        bytes.encode("ab", 4, &mut inputs);
        bytes.encode("abcde", 4, &mut inputs);
        assert_eq!(inputs, [0.0, 0.0, 98.0, 99.0, 98.0, 99.0, 100.0, 101.0]);
        assert_eq!(restore_text(&Vocabulary::Bytes, &inputs[..4]), "ab");
    }

    #[test]
    fn a_word_list_knows_its_words_alone() {
        let texts = ["the cat", "The dog, the cat", "a bird"];
        let vocabulary = Vocabulary::Words {
            words: frequent_words(texts.into_iter(), 3),
        };
        // Of the words that occur once, the first of the alphabet (a comma is before letters).
        assert_eq!(
            vocabulary,
            Vocabulary::Words {
                words: ["the", "cat", ","].map(str::to_owned).to_vec()
            }
        );
        let mut inputs = Vec::new();
        Tokenizer::new(&vocabulary).encode("The cat, the dog", 6, &mut inputs);
        assert_eq!(inputs, [0.0, 2.0, 3.0, 4.0, 2.0, 1.0]);
        assert_eq!(restore_text(&vocabulary, &inputs), "the cat, the …");
    }
}
