//! How raw data become the network's input and its output an answer, in words for who does it without this program.

use crate::spec::{ColumnKind, InputForm, Preprocessing, TargetTransform, Vocabulary};

/// The whole of it, for `preprocessing.json` and for the card.
pub(super) fn encoding(preprocessing: &Preprocessing) -> String {
    let steps = preprocessing.shape.positions();
    let input = match &preprocessing.form {
        InputForm::Row => row(preprocessing),
        InputForm::Pixels { channels, grey } => format!(
            "A picture is brought to the height and width of the shape by linear interpolation (a triangle filter, widened where it \
             gets smaller), {}, as values from 0 to 255 or those of an array; of every value (value - mean) / deviation of its \
             channel is taken. The input is one channel after another, each row by row from the top",
            if *grey {
                "in grey".to_owned()
            } else {
                let names: Vec<&str> = channels.iter().map(|channel| channel.name.as_str()).collect();
                format!("in the channels {}", names.join(", "))
            }
        ),
        InputForm::Steps { .. } => format!(
            "A sequence is its steps one after another, each with its features in their order. A missing value takes the one \
             before of its feature, or the feature's mean where there is none; of every value (value - mean) / deviation is \
             taken. Only then a sequence of fewer than {steps} steps has steps of zeros put in front; of a longer one the \
             last {steps} are read"
        ),
        InputForm::Window { .. } => format!(
            "The input is the last {steps} steps that are known, the oldest first, each with its features in their order. A \
             missing value takes the one before of its feature; of every value (value - mean) / deviation is taken. The answer \
             is about the steps that follow, for one target after another"
        ),
        InputForm::Text { vocabulary, .. } => text(vocabulary, steps),
    };
    let output = match &preprocessing.target {
        TargetTransform::Classes { .. } => {
            "The class is that of the largest output; a softmax over them gives the probabilities".to_owned()
        }
        TargetTransform::Values { .. } => {
            "An answer in the target's own unit is output * deviation + mean of that target".to_owned()
        }
    };
    format!("{input}. {output}")
}

fn row(preprocessing: &Preprocessing) -> String {
    let is_category = |kind: &ColumnKind| matches!(kind, ColumnKind::Category { .. });
    let kinds = || preprocessing.columns.iter().map(|column| &column.kind);
    let mut words = "The columns stand in their order".to_owned();
    if !kinds().all(is_category) {
        words += "; a missing number is first replaced by `fill`, then (value - mean) / deviation is taken";
    }
    if kinds().any(is_category) {
        words += "; a category is one input for each of its `categories` in their order, 1 for its own and 0 for all others. An \
                  empty cell is the category \"\" where there is one; a category that is not in the list is zeros alone";
    }
    words
}

fn text(vocabulary: &Vocabulary, steps: usize) -> String {
    let tokens = match vocabulary {
        Vocabulary::Bytes => "a byte of its UTF-8 is the token byte + 1",
        Vocabulary::Words { .. } => {
            "in lower case, every run of letters and digits is a word, as is every other character that is no blank; \
             the word at place p of the list, from 0, is the token p + 2, any other word the token 1"
        }
    };
    format!(
        "A text is taken without blanks at its ends; {tokens}. The first {steps} tokens are kept, and a shorter text has \
         zeros in front, to {steps} tokens in all"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{FeatureScale, InputColumn, Shape, TargetScale};

    fn preprocessing(form: InputForm, shape: Shape) -> Preprocessing {
        Preprocessing {
            form,
            columns: Vec::new(),
            shape,
            target_column: "y".to_owned(),
            target: TargetTransform::Classes { classes: Vec::new() },
        }
    }

    fn feature(name: &str) -> FeatureScale {
        FeatureScale {
            name: name.to_owned(),
            mean: 1.0,
            deviation: 2.0,
        }
    }

    #[track_caller]
    fn stand_in_order(text: &str, words: &[&str]) {
        let places: Vec<usize> = words
            .iter()
            .map(|word| text.find(word).unwrap_or_else(|| panic!("{word} is not in: {text}")))
            .collect();
        assert!(places.is_sorted(), "{words:?}: {text}");
    }

    #[test]
    fn a_table_says_what_is_filled_scaled_and_one_hot() {
        let column = |name: &str, kind| InputColumn {
            name: name.to_owned(),
            kind,
        };
        let mut table = preprocessing(InputForm::Row, Shape::Features { features: 3 });
        table.columns = vec![column(
            "size",
            ColumnKind::Numeric {
                mean: 1.0,
                deviation: 2.0,
                fill: 3.0,
            },
        )];
        stand_in_order(&encoding(&table), &["`fill`", "(value - mean)", "softmax"]);
        assert!(!encoding(&table).contains("category"));
        let categories = vec!["red".to_owned(), "blue".to_owned()];
        table
            .columns
            .push(column("colour", ColumnKind::Category { categories }));
        table.target = TargetTransform::Values {
            targets: vec![TargetScale {
                name: "y".to_owned(),
                mean: 1.0,
                deviation: 2.0,
            }],
        };
        let text = encoding(&table);
        stand_in_order(
            &text,
            &["`fill`", "`categories` in their order", "not in the list is zeros"],
        );
        assert!(text.ends_with("output * deviation + mean of that target"), "{text}");
    }

    #[test]
    fn pictures_sequences_and_series_say_in_which_order_what_is_done() {
        let channels = ["red", "green", "blue"].map(feature).into();
        let image = Shape::Image {
            channels: 3,
            height: 8,
            width: 8,
        };
        let picture = encoding(&preprocessing(InputForm::Pixels { channels, grey: false }, image));
        stand_in_order(
            &picture,
            &["triangle", "red, green, blue", "0 to 255", "(value - mean)"],
        );
        let shape = Shape::Sequence { steps: 7, features: 1 };
        let features = vec![feature("x")];
        let sequence = encoding(&preprocessing(
            InputForm::Steps {
                features: features.clone(),
            },
            shape,
        ));
        stand_in_order(
            &sequence,
            &[
                "one before",
                "(value - mean)",
                "Only then",
                "fewer than 7 steps",
                "last 7",
            ],
        );
        let window = InputForm::Window {
            features,
            targets: vec!["x".to_owned()],
            horizon: 2,
        };
        let series = encoding(&preprocessing(window, shape));
        stand_in_order(
            &series,
            &["last 7 steps", "oldest first", "one before", "(value - mean)"],
        );
    }
}
