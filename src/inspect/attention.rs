//! What each step of a sample attends to, with words for the steps.

use super::Viewer;
use crate::data::Samples;
use crate::spec::{Attention, AttentionLayer, LayerSpec, ModelSpec, Shape};

impl Viewer<'_> {
    /// Row `row` of `samples` with the network's `outputs` and attention for it; none where there is no such row or layer.
    pub fn attention(
        &self,
        model: &ModelSpec,
        samples: &Samples,
        row: usize,
        outputs: &[f32],
        layers: Vec<AttentionLayer>,
    ) -> Option<Attention> {
        if row >= samples.len() || layers.is_empty() {
            return None;
        }
        let (labels, grid) = self.steps(model, &samples.row(row));
        Some(Attention {
            sample: self.answered(samples, row, outputs),
            rows: samples.len(),
            labels,
            grid,
            layers,
        })
    }

    /// Words for the steps that the first attention sees, and where they lie in a picture.
    fn steps(&self, model: &ModelSpec, inputs: &[f32]) -> (Vec<String>, Option<[usize; 2]>) {
        let mut labels = match model.input {
            Shape::Tokens { .. } => inputs.iter().map(|&token| self.token(token)).collect(),
            other => numbered("step", other.positions()),
        };
        let mut grid = None;
        for place in model.walk().unwrap_or_default() {
            match (place.layer, place.input) {
                (LayerSpec::SelfAttention { .. }, _) => break,
                (LayerSpec::Rows, Shape::Image { height, .. }) => {
                    (labels, grid) = (numbered("row", height), Some([1, height]));
                }
                (LayerSpec::Patches { size }, Shape::Image { height, width, .. }) => {
                    let [columns, rows] = [width, height].map(|edge| edge / size.max(1));
                    let patch =
                        |place: usize| format!("{}, {}", place / columns.max(1) + 1, place % columns.max(1) + 1);
                    (labels, grid) = ((0..columns * rows).map(patch).collect(), Some([columns, rows]));
                }
                (LayerSpec::ClassToken, _) => labels.insert(0, "class".to_owned()),
                _ if place.output.positions() != place.input.positions() => {
                    (labels, grid) = (numbered("step", place.output.positions()), None);
                }
                _ => {}
            }
        }
        (labels, grid)
    }

    fn token(&self, token: f32) -> String {
        let place = token.max(0.0) as usize;
        if place == 0 {
            return "padding".to_owned();
        }
        let name = self.tokens.as_ref().and_then(|names| names.get(place));
        name.filter(|name| !name.is_empty())
            .cloned()
            .unwrap_or_else(|| format!("token {place}"))
    }
}

fn numbered(word: &str, count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("{word} {number}")).collect()
}
