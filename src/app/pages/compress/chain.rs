//! A recipe under construction: it may be empty, and every change keeps what the parser asks for, so that a chain of
//! steps is always a recipe that can be run.

use serde::{Deserialize, Serialize};

use crate::spec::{KnobKind, Recipe, RecipeStep};

/// Steps in order; one that stores weights, if there is one, is the last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Chain(Vec<RecipeStep>);

/// What a person does to a chain.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    Add(RecipeStep),
    Change(usize, RecipeStep),
    Remove(usize),
    /// Exchanges a step with the one after it.
    Swap(usize),
}

impl Default for Chain {
    fn default() -> Self {
        Self::from("units:0.5:finetune=3+int8-static".to_owned())
    }
}

impl Chain {
    pub fn steps(&self) -> &[RecipeStep] {
        &self.0
    }

    /// None while there is no step.
    pub fn recipe(&self) -> Option<Recipe> {
        let steps = self.0.clone();
        (!steps.is_empty()).then_some(Recipe { steps })
    }

    /// As `trimtab compress` takes it; empty without a step.
    pub fn text(&self) -> String {
        self.recipe().map_or_else(String::new, |recipe| recipe.to_string())
    }

    pub fn set(&mut self, recipe: Recipe) {
        self.0 = recipe.steps;
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The layers that every step which can leave layers out leaves out; none where no step can.
    pub fn protected(&self) -> Option<Vec<usize>> {
        let locks = self.0.iter().filter_map(|step| {
            let knob = layers_knob(step)?;
            Some(step.values().layers(knob))
        });
        locks.reduce(|all, own| all.into_iter().filter(|layer| own.contains(layer)).collect())
    }

    /// Leaves these layers, and no others, out of every step that can leave layers out.
    pub fn protect(&mut self, layers: &[usize]) {
        let text: Vec<String> = layers.iter().map(ToString::to_string).collect();
        for step in &mut self.0 {
            let Some(knob) = layers_knob(step) else { continue };
            // Layers that are chosen by hand are not chosen by what is tolerated too.
            let plain = step.without("tolerate").unwrap_or_else(|| step.clone());
            let changed = if text.is_empty() {
                plain.without(knob)
            } else {
                plain.with(knob, text.join(","))
            };
            *step = changed.unwrap_or(plain);
        }
    }

    /// Why this step cannot be added.
    pub fn why_not_add(&self, step: &RecipeStep) -> Option<String> {
        let last = self.0.last().filter(|last| last.is_storage() && step.is_storage())?;
        Some(format!(
            "The weights are stored as {} already; remove that step first",
            super::outlook::chip(last)
        ))
    }

    /// Why this step and the next cannot change places.
    pub fn why_not_swap(&self, place: usize) -> Option<&'static str> {
        let next = self.0.get(place + 1)?;
        next.is_storage()
            .then_some("How weights are stored is settled last, so this step stays before it")
    }

    /// Does what was asked, where it can be done.
    pub fn apply(&mut self, edit: Edit) {
        match edit {
            Edit::Add(step) if self.why_not_add(&step).is_some() => {}
            Edit::Add(step) => {
                let stored = self.0.last().is_some_and(RecipeStep::is_storage);
                self.0.insert(self.0.len() - usize::from(stored), step);
            }
            Edit::Change(place, step) => {
                if let Some(old) = self.0.get_mut(place) {
                    *old = step;
                }
            }
            Edit::Remove(place) => {
                if place < self.0.len() {
                    self.0.remove(place);
                }
            }
            Edit::Swap(place) => {
                if place + 1 < self.0.len() && self.why_not_swap(place).is_none() {
                    self.0.swap(place, place + 1);
                }
            }
        }
    }
}

/// The name of the value that lists the layers which a step leaves out.
fn layers_knob(step: &RecipeStep) -> Option<&'static str> {
    let knob = step.word().knobs().find(|knob| knob.kind == KnobKind::Layers)?;
    Some(knob.name)
}

impl From<String> for Chain {
    /// An empty chain where the text is no recipe.
    fn from(text: String) -> Self {
        Self(
            text.parse::<Recipe>()
                .map_or_else(|_| Vec::new(), |recipe| recipe.steps),
        )
    }
}

impl From<Chain> for String {
    fn from(chain: Chain) -> Self {
        chain.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chain_of_edits_is_a_recipe() {
        let mut chain = Chain::default();
        let step = |text: &str| text.parse::<RecipeStep>().unwrap();
        assert_eq!(chain.text(), "units:0.5:finetune=3+int8-static");
        chain.apply(Edit::Add(step("fp16")));
        assert_eq!(chain.steps().len(), 2, "a second way of storing weights is refused");
        chain.apply(Edit::Add(step("weights:0.8:finetune=3")));
        assert_eq!(chain.text(), "units:0.5:finetune=3+weights:0.8:finetune=3+int8-static");
        chain.apply(Edit::Swap(1));
        chain.apply(Edit::Swap(0));
        assert_eq!(chain.text(), "weights:0.8:finetune=3+units:0.5:finetune=3+int8-static");
        chain.apply(Edit::Change(2, step("int8-static:calibration=64")));
        chain.apply(Edit::Remove(0));
        chain.apply(Edit::Remove(7));
        assert_eq!(chain.text(), "units:0.5:finetune=3+int8-static:calibration=64");
        assert_eq!(chain.text().parse::<Recipe>().ok(), chain.recipe());
    }

    #[test]
    fn a_lock_holds_in_every_step_that_can_have_one() {
        let mut chain = Chain::from("units:0.5:finetune=3+finetune:2+int8-static:tolerate=0.5".to_owned());
        assert_eq!(chain.protected(), Some(vec![]));
        chain.protect(&[1, 4]);
        let text = "units:0.5:protect=1,4:finetune=3+finetune:2+int8-static:protect=1,4";
        assert_eq!(chain.text(), text.parse::<Recipe>().unwrap().to_string());
        assert_eq!(chain.protected(), Some(vec![1, 4]));
        chain.protect(&[]);
        assert_eq!(chain.text(), "units:0.5:finetune=3+finetune:2+int8-static");
        assert_eq!(Chain::from("fp16".to_owned()).protected(), None);
        let uneven = Chain::from("units:0.5:protect=1,4+int8-static:protect=4".to_owned());
        assert_eq!(uneven.protected(), Some(vec![4]));
    }

    #[test]
    fn an_empty_chain_is_remembered_as_one() {
        let mut chain = Chain::default();
        chain.clear();
        assert_eq!(chain.recipe(), None);
        assert_eq!(Chain::from(String::from(chain.clone())), chain);
        let chain = Chain::default();
        assert_eq!(Chain::from(String::from(chain.clone())), chain);
    }
}
