//! A ladder: recipes that are tried on one run, one after another, so that what each costs and buys stands on one picture.

use serde::{Deserialize, Serialize};

use super::{Recipe, RecipeError};

/// Recipes in the order in which they are applied to the same run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ladder {
    pub rungs: Vec<Recipe>,
}

/// From what hardly changes a network to what changes it most.
const STANDARD: [&str; 12] = [
    "fp16",
    "int8-dynamic",
    "int8-static",
    "int8-qat",
    "int4:epochs=3",
    "weights:0.5:finetune=3",
    "weights:0.8:finetune=3",
    "weights:0.9:finetune=5",
    "units:0.3:finetune=3",
    "units:0.5:finetune=3",
    "units:0.7:finetune=5",
    "units:0.5:finetune=3+int8-qat",
];

impl Ladder {
    /// The ladder for a run of which nothing is known.
    pub fn standard() -> Result<Self, RecipeError> {
        let rungs = STANDARD.iter().map(|rung| rung.parse()).collect::<Result<_, _>>()?;
        Ok(Self { rungs })
    }

    /// Reads `rungs = ["fp16", ...]`; a rung that stands there twice is one. The message names the line and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut ladder: Self = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        if ladder.rungs.is_empty() {
            return Err("a ladder needs at least one rung, as in rungs = [\"fp16\", \"int8-static\"]".to_owned());
        }
        let mut known = Vec::with_capacity(ladder.rungs.len());
        ladder.rungs.retain(|rung| {
            let is_new = !known.contains(rung);
            known.extend(is_new.then(|| rung.clone()));
            is_new
        });
        Ok(ladder)
    }

    /// As a file that can be edited.
    pub fn to_toml(&self) -> String {
        let rungs: Vec<String> = self.rungs.iter().map(|rung| format!("    \"{rung}\",\n")).collect();
        let rungs = rungs.concat();
        format!(
            "# Recipes that are tried on one run, one after another; `trimtab compress --help` lists the steps.\nrungs = [\n{rungs}]\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ladder_reads_back_as_written() {
        let ladder = Ladder::standard().unwrap();
        assert_eq!(ladder.rungs.len(), STANDARD.len());
        assert_eq!(Ladder::parse(&ladder.to_toml()), Ok(ladder));
    }

    #[test]
    fn a_rung_that_stands_twice_is_one() {
        let ladder = Ladder::parse("rungs = [\"fp16\", \"int8-static\", \"fp16\"]").unwrap();
        let rungs: Vec<String> = ladder.rungs.iter().map(ToString::to_string).collect();
        assert_eq!(rungs, ["fp16", "int8-static"]);
    }

    #[test]
    fn a_wrong_ladder_says_where() {
        for (text, words) in [
            ("rungs = []", "at least one rung"),
            ("rungs = [\"fp16\",\n\"fp17\"]", "`fp17` is not a step"),
            ("steps = []", "unknown field `steps`"),
            ("rungs = 3", "line 1"),
        ] {
            let message = Ladder::parse(text).unwrap_err();
            assert!(message.contains(words), "{text}: {message}");
        }
    }
}
