//! The words of the recipe language: the one table that says what each is called, which values it takes, how it becomes a step
//! and how a step is written. A new step is a variant of [`RecipeStep`] and a row here.

use super::knob::{Knob, KnobKind, Values};
use super::{RecipeStep, distil, lowrank, prune_words, quantize};

/// A word with all that is known of it.
#[derive(Debug, Clone, Copy)]
pub struct StepWord {
    pub word: &'static str,
    /// In a menu.
    pub title: &'static str,
    /// What the step does, and what not.
    pub about: &'static str,
    /// The step as a menu offers it.
    pub example: &'static str,
    /// Values that are written without their names, in this order.
    pub places: &'static [Knob],
    /// Values that are written with their names, in this order.
    pub options: &'static [Knob],
    /// Whether it changes only how numbers are stored, so that nothing may follow it.
    pub stores: bool,
    /// Makes the step of checked values, defaults filled in.
    pub read: fn(&Values) -> Result<RecipeStep, String>,
    /// The step's values, where it is one of this word.
    pub write: fn(&RecipeStep) -> Option<Values>,
}

impl StepWord {
    /// All values, those with places first.
    pub fn knobs(&self) -> impl Iterator<Item = &'static Knob> + use<> {
        self.places.iter().chain(self.options)
    }

    /// The step with these values, which have been checked; those that are missing take their defaults.
    pub fn step(&self, mut values: Values) -> Result<RecipeStep, String> {
        for knob in self.knobs() {
            if let Some(default) = knob.default.filter(|_| !values.is_set(knob.name)) {
                values.set(knob.name, default.to_owned());
            }
        }
        (self.read)(&values)
    }
}

pub const FINETUNE: Knob = Knob {
    name: "finetune",
    kind: KnobKind::Count { least: 0 },
    default: Some("0"),
    label: "Fine-tuning",
    unit: " epochs",
    doc: "Epochs of training after the step; 0 leaves it as it is",
};

pub const CALIBRATION: Knob = Knob {
    name: "calibration",
    kind: KnobKind::Count { least: 1 },
    default: Some("512"),
    label: "Calibration",
    unit: " samples",
    doc: "Training samples that show how large the activations become; a few hundred are enough",
};

/// All words, in the order of the menu.
pub static WORDS: [StepWord; 12] = [
    prune_words::UNITS,
    prune_words::BLOCKS,
    prune_words::WEIGHTS,
    prune_words::SPARSE_GROUPS,
    lowrank::LOWRANK,
    quantize::INT8_STATIC,
    quantize::INT8_QAT,
    quantize::INT8_DYNAMIC,
    quantize::INT4,
    distil::DISTIL,
    StepWord {
        word: "finetune",
        title: "Train on",
        about: "Trains the network for some more epochs; zeros that were made stay zero",
        example: "finetune:3",
        places: &[Knob {
            name: "epochs",
            kind: KnobKind::Count { least: 1 },
            default: None,
            label: "Training",
            unit: " epochs",
            doc: "Epochs of training with the run's own settings",
        }],
        options: &[],
        stores: false,
        read: |values| {
            let epochs = values.count("epochs");
            Ok(RecipeStep::Finetune {
                epochs: epochs.ok_or("finetune needs a number of epochs, as in finetune:3")?,
            })
        },
        write: |step| match step {
            RecipeStep::Finetune { epochs } => Some(Values::default().with("epochs", Some(epochs))),
            _ => None,
        },
    },
    StepWord {
        word: "fp16",
        title: "Store in fp16",
        about: "Weights in 16 bits: half the size, about the same speed and accuracy",
        example: "fp16",
        places: &[],
        options: &[],
        stores: true,
        read: |_| Ok(RecipeStep::Fp16),
        write: |step| matches!(step, RecipeStep::Fp16).then(Values::default),
    },
];
