//! The folder that a person takes away: the network, its weights, what turns a table into its input, and a card that says
//! what it is and what was measured. It is read back and scored before it is called done, and it is all that `predict`
//! needs.

mod card;
mod encoding;
mod open;
mod write;

pub use card::{Beside, Compression, Lineage};
pub use open::{Answers, Bundle, Loader, Prediction, no_baseline, open, predict};
pub use write::{Contents, Model, write};

/// The exported network.
pub const MODEL_FILE: &str = "model.onnx";
/// A classical baseline in its own form, in place of the network and its weights.
pub const CLASSIC_FILE: &str = "baseline.safetensors";
/// The weights in floating point, in PyTorch's layout and names.
pub const WEIGHTS_FILE: &str = "model.safetensors";
/// The configuration that runs the same experiment again; of a compressed run, that of the training it stems from.
pub const CONFIG_FILE: &str = "config.toml";
/// How raw columns become the network's input.
pub const PREPROCESSING_FILE: &str = "preprocessing.json";
/// The classes, one a line, in the order of the logits; only for a classification.
pub const LABELS_FILE: &str = "labels.txt";
/// What, how trained, measured figures, sha256.
pub const CARD_FILE: &str = "card.md";

/// A class as it stands on its line of [`LABELS_FILE`].
fn label_line(class: &str) -> String {
    class.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests;
