//! Texts, each with its class: a sequence of bytes or words, cut or padded in front to one length.

mod folder;
mod new;
mod read;
mod tokens;

pub(super) use folder::open as open_folder;
pub(super) use new::read_new;
pub(super) use read::{of_csv, text_column};
pub(super) use tokens::{Tokenizer, restore_text};

use super::DataError;
use super::raw::{Part, cell};
use super::samples::{Dataset, Samples};
use super::sequences::check_size;
use super::source::{About, Division, Source, assemble};
use super::table::Column;
use super::target::Target;
use crate::spec::{DataConfig, DataKind, InputForm, Preprocessing, Shape, Vocabulary, push_csv_line};

/// Tokens to which long texts are cut when no number of steps is set: attention grows with its square.
const DEFAULT_STEPS: usize = 256;

/// Texts as read.
#[expect(clippy::struct_field_names, reason = "the texts themselves are the texts")]
pub(super) struct Texts {
    /// Path or name.
    pub(super) file: String,
    /// Name of the column of texts.
    pub(super) column: String,
    pub(super) texts: Vec<String>,
    /// Target columns, one cell a text.
    pub(super) labels: Vec<Column>,
    /// Where the set brings its own; else the configured one.
    pub(super) vocabulary: Option<Vocabulary>,
    /// Steps when none are configured; else those of the longest text.
    pub(super) steps: Option<usize>,
    pub(super) notes: Vec<String>,
}

impl Texts {
    fn target(&self, config: &DataConfig, division: Division) -> Result<Target, DataError> {
        Target::of(&self.file, &self.labels, config.task, division.folds())
    }

    /// The set's own vocabulary, or the configured one: bytes, or the most frequent words of the training texts.
    fn vocabulary(&self, config: &DataConfig, train: &[usize]) -> Vocabulary {
        match (&self.vocabulary, config.vocabulary) {
            (Some(own), _) => own.clone(),
            (None, None) => Vocabulary::Bytes,
            (None, Some(most)) => Vocabulary::Words {
                words: tokens::frequent_words(train.iter().map(|&row| self.texts[row].as_str()), most),
            },
        }
    }
}

impl Source for Texts {
    fn dataset(&self, config: &DataConfig, division: Division) -> Result<Dataset, DataError> {
        let target = self.target(config, division)?;
        let parts = division.parts(&target, config);
        let vocabulary = self.vocabulary(config, &parts.train);
        let tokenizer = Tokenizer::new(&vocabulary);
        let lengths: Vec<usize> = self.texts.iter().map(|text| tokenizer.count(text)).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0).max(1);
        let steps = config.steps.or(self.steps).unwrap_or(longest.min(DEFAULT_STEPS));
        check_size(&self.file, [self.texts.len(), steps, 1])?;
        let mut notes = self.notes.clone();
        let cut = lengths.iter().filter(|&&length| length > steps).count();
        if cut > 0 {
            notes.push(format!(
                "{cut} texts are longer than {steps} tokens (the longest has {longest}) and are cut; data.steps changes that"
            ));
        }
        let preprocessing = Preprocessing {
            shape: Shape::Tokens {
                steps,
                vocabulary: vocabulary.len(),
            },
            form: InputForm::Text {
                column: self.column.clone(),
                vocabulary: vocabulary.clone(),
            },
            columns: Vec::new(),
            target_column: target.names.join(","),
            target: target.transform(&parts.train),
        };
        let samples = [&parts.train, &parts.validation, &parts.test].map(|rows| {
            let mut inputs = Vec::with_capacity(rows.len() * steps);
            for &row in rows {
                tokenizer.encode(&self.texts[row], steps, &mut inputs);
            }
            Samples {
                shape: preprocessing.shape,
                inputs: inputs.into(),
                targets: target.of_rows(&preprocessing.target, rows),
            }
        });
        let about = About {
            file: self.file.clone(),
            kind: DataKind::Text,
            columns: vec![self.column.clone()],
            notes,
        };
        Ok(assemble(about, &target, preprocessing, samples))
    }

    fn csv(&self, config: &DataConfig, part: Part) -> Result<String, DataError> {
        let parts = Division::Split.parts(&self.target(config, Division::Split)?, config);
        let mut text = String::new();
        let names = self.labels.iter().map(|label| label.name.clone());
        push_csv_line(&mut text, std::iter::once(self.column.clone()).chain(names));
        for &row in parts.rows(part) {
            let labels = self.labels.iter().map(|label| cell(label, row));
            push_csv_line(&mut text, std::iter::once(self.texts[row].clone()).chain(labels));
        }
        Ok(text)
    }
}
