//! A learner's note on every key of the configuration, from `assets/notes.toml`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

/// The notes, as they stand in the program.
const NOTES: &str = include_str!("../../assets/notes.toml");

/// What a knob is about, a sentence or two each, without the last full stop.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    pub does: String,
    pub costs: String,
    #[serde(rename = "try")]
    pub attempt: String,
}

/// The note on a dotted key, such as `train.learning_rate`.
pub fn note(key: &str) -> Option<&'static Note> {
    static PARSED: OnceLock<BTreeMap<String, Note>> = OnceLock::new();
    // A test reads them too, so that they can be read.
    PARSED
        .get_or_init(|| toml::from_str(NOTES).unwrap_or_default())
        .get(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::KEYS;

    #[test]
    fn every_key_has_a_note_and_every_note_a_key() {
        let notes: BTreeMap<String, Note> = toml::from_str(NOTES).unwrap();
        for key in KEYS {
            let note = note(key.path).unwrap_or_else(|| panic!("{} has no note", key.path));
            assert!(note.does.len() > 12 && note.costs.len() > 3, "{}: {note:?}", key.path);
            for text in [&note.does, &note.costs, &note.attempt] {
                assert!(!text.is_empty() && !text.ends_with('.'), "{}: {text}", key.path);
            }
        }
        for key in notes.keys() {
            assert!(KEYS.iter().any(|known| known.path == key), "{key} is no key");
        }
        assert_eq!(note("train.speed"), None);
    }
}
