//! What can be seen in a live or finished network: its answers row by row, the samples it gets most wrong, its answer over
//! the plane of two inputs, its weights, gradients and attention. Pure functions from numbers to pictures' data: who computed the outputs, the
//! network in training or the exported file, is the caller's affair.

mod answers;
mod attention;
mod changes;
mod filters;
mod forecast;
mod histogram;
mod plane;
mod roc;
mod samples;
#[cfg(test)]
mod tests;

pub use histogram::{gradients, histograms};

use crate::data::{Dataset, Samples, cell_names};
use crate::spec::{InputForm, ModelSpec, Snapshot, Vocabulary, Wanted, Weights};
use plane::Plane;
use samples::Ink;

/// A data set, ready to be looked at: what needs a pass over its training rows is found once.
#[derive(Debug)]
pub struct Viewer<'a> {
    dataset: &'a Dataset,
    /// Names of the cells of a sample; none for images.
    columns: Vec<String>,
    /// Only for images.
    ink: Option<Ink>,
    /// Only for data of exactly two numeric inputs.
    plane: Option<Plane>,
    /// Names of a text's tokens, padding's among them.
    tokens: Option<Vec<String>>,
}

/// A network at a moment, and its outputs for the rows of a part of the data.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Epochs trained.
    pub epoch: usize,
    /// The part's name.
    pub part: &'static str,
    pub samples: &'a Samples,
    /// Logits, or standardised predictions: `rows x outputs`, row-major.
    pub outputs: &'a [f32],
    pub model: &'a ModelSpec,
    pub weights: &'a Weights,
}

impl<'a> Viewer<'a> {
    pub fn new(dataset: &'a Dataset) -> Self {
        let ink = Ink::of(dataset);
        let names = cell_names(&dataset.preprocessing);
        Self {
            dataset,
            columns: if ink.is_some() { Vec::new() } else { names },
            ink,
            plane: Plane::of(dataset),
            tokens: token_names(dataset),
        }
    }

    /// Everything but what must be wanted; `network` gives the outputs for other inputs, row by row.
    pub fn snapshot<E>(
        &self,
        subject: Subject<'_>,
        network: impl FnOnce(&[f32]) -> Result<Vec<f32>, E>,
    ) -> Result<Snapshot, E> {
        Ok(Snapshot {
            epoch: subject.epoch,
            part: subject.part,
            wanted: Wanted::default(),
            answers: self.answers(subject.samples, subject.outputs),
            surface: self.surface(network)?,
            histograms: histograms(subject.weights),
            filters: self.filters(subject.model, subject.weights),
            gradients: None,
            attention: None,
            changes: None,
        })
    }
}

/// Of a text one name a token: nothing for padding, the word or the letter, and bytes by number where they are none.
fn token_names(dataset: &Dataset) -> Option<Vec<String>> {
    let InputForm::Text { vocabulary, .. } = &dataset.preprocessing.form else {
        return None;
    };
    Some(match vocabulary {
        Vocabulary::Words { words } => {
            let special = [String::new(), "unknown word".to_owned()];
            special.into_iter().chain(words.iter().cloned()).collect()
        }
        Vocabulary::Bytes => {
            let name = |byte: u8| match byte {
                b' ' => "space".to_owned(),
                _ if byte.is_ascii_graphic() => char::from(byte).to_string(),
                _ => format!("byte {byte}"),
            };
            std::iter::once(String::new()).chain((0..=255).map(name)).collect()
        }
    })
}
