//! Digests of what was read, by which data that have changed since a run began are known. Samples in a file are not read
//! again for it: their bytes are digested as they are written.

use sha2::{Digest as _, Sha256};

use super::samples::{Samples, Targets};
use crate::spec::{Content, Preprocessing, hexadecimal};

/// A digest under way.
#[derive(Default)]
pub(super) struct Digest(Sha256);

impl Digest {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// A number of things, before them: what is digested one after another stays apart.
    fn count(&mut self, count: usize) {
        self.bytes(&(count as u64).to_le_bytes());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.count(text.len());
        self.bytes(text.as_bytes());
    }

    pub(super) fn values(&mut self, values: &[f32]) {
        self.words(values.iter().map(|value| value.to_le_bytes()));
    }

    pub(super) fn numbers(&mut self, numbers: &[u32]) {
        self.words(numbers.iter().map(|number| number.to_le_bytes()));
    }

    fn words(&mut self, words: impl ExactSizeIterator<Item = [u8; 4]>) {
        const PIECE: usize = 1 << 14;
        self.count(words.len());
        let mut piece = Vec::with_capacity(PIECE);
        for word in words {
            piece.extend(word);
            if piece.len() >= PIECE {
                self.bytes(&piece);
                piece.clear();
            }
        }
        self.bytes(&piece);
    }

    fn targets(&mut self, targets: &Targets) {
        match targets {
            Targets::Classes(classes) => self.numbers(classes),
            Targets::Values { values, width } => {
                self.count(*width);
                self.values(values);
            }
        }
    }

    /// In hexadecimal digits.
    pub(super) fn finish(self) -> String {
        hexadecimal(&self.0.finalize())
    }
}

/// Of the three parts; of a generated set, the samples belong to what is scored.
pub(super) fn content(preprocessing: &Preprocessing, parts: &[Samples; 3], is_generated: bool) -> Content {
    let mut scored = Digest::default();
    for part in parts {
        scored.targets(&part.targets);
    }
    let scored = scored.finish();
    let mut samples = Digest::default();
    samples.text(&scored);
    samples.text(&serde_json::to_string(preprocessing).unwrap_or_default());
    for part in parts {
        part.inputs.digest(&mut samples);
    }
    let samples = samples.finish();
    Content {
        scored: if is_generated { samples.clone() } else { scored },
        samples,
    }
}
