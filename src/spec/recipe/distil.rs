//! The word that makes a smaller network learn from a trained one.

use super::RecipeStep;
use super::knob::{Knob, KnobKind, Values};
use super::words::StepWord;
use crate::spec::PresetSize;

/// How a student is taught.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lesson {
    /// Size of the student.
    pub size: PresetSize,
    pub epochs: usize,
    /// By which the logits of both are divided.
    pub temperature: f64,
    /// The teacher's share of the loss.
    pub weight: f64,
}

pub const DISTIL: StepWord = StepWord {
    word: "distil",
    title: "Distil",
    about: "Trains a smaller network of the same kind that learns the answers of this one beside the truth; later steps learn from it \
            too",
    example: "distil:preset=tiny",
    places: &[],
    options: &[
        Knob {
            name: "preset",
            kind: KnobKind::Choice(&["tiny", "small", "medium"]),
            default: None,
            label: "Student",
            unit: "",
            doc: "Size of the student: a preset of the same architecture",
        },
        Knob {
            name: "epochs",
            kind: KnobKind::Count { least: 1 },
            default: Some("10"),
            label: "Training",
            unit: " epochs",
            doc: "Epochs that the student trains, from fresh weights",
        },
        Knob {
            name: "temperature",
            kind: KnobKind::Number {
                least: 0.1,
                most: 100.0,
            },
            default: Some("4"),
            label: "Temperature",
            unit: "",
            doc: "Softens the answers of both before they are compared, so that the small probabilities count too",
        },
        Knob {
            name: "weight",
            kind: KnobKind::Number { least: 0.0, most: 1.0 },
            default: Some("0.7"),
            label: "Teacher's share",
            unit: "",
            doc: "Share of the loss that is the teacher's; the rest is the truth's",
        },
    ],
    stores: false,
    read: |values| {
        let size = values
            .text("preset")
            .and_then(|text| PresetSize::ALL.into_iter().find(|size| size.name() == text));
        Ok(RecipeStep::Distil(Lesson {
            size: size.ok_or("distil needs the student's size, as in distil:preset=tiny")?,
            epochs: values.count("epochs").unwrap_or(10),
            temperature: values.number("temperature").unwrap_or(4.0),
            weight: values.number("weight").unwrap_or(0.7),
        }))
    },
    write: |step| match step {
        RecipeStep::Distil(lesson) => Some(
            Values::default()
                .with("preset", Some(lesson.size.name()))
                .with("epochs", Some(lesson.epochs))
                .with("temperature", Some(lesson.temperature))
                .with("weight", Some(lesson.weight)),
        ),
        _ => None,
    },
};
