//! What compression changed: rows that were answered right before it and are not now, and the other way round.

use super::Viewer;
use crate::data::{Samples, Targets};
use crate::spec::{Changes, ClassChange, class_of, signal_to_noise};

/// Most rows of a kind that are shown.
const SHOWN: usize = 24;

impl Viewer<'_> {
    /// Compares the outputs (`rows x classes`) of a network `after` compression with those `before` it, row by row; none for data
    /// without classes, or where the outputs are not of the same rows. `parent` is the name of the network before.
    pub fn changes(&self, parent: &str, samples: &Samples, before: &[f32], after: &[f32]) -> Option<Changes> {
        let Targets::Classes(truths) = &samples.targets else {
            return None;
        };
        let classes = self.classes();
        let width = classes.len();
        if width == 0 || before.len() != after.len() || before.len() != truths.len() * width {
            return None;
        }
        let mut counts = vec![ClassChange::default(); width];
        let (mut broken, mut mended) = (Vec::new(), Vec::new());
        let outputs = before.chunks_exact(width).zip(after.chunks_exact(width));
        for (row, (&truth, (before, after))) in truths.iter().zip(outputs).enumerate() {
            let truth = truth as usize;
            let was_right = class_of(before) == truth;
            let is_right = class_of(after) == truth;
            if let Some(count) = counts.get_mut(truth) {
                count.rows += 1;
                count.right_before += usize::from(was_right);
                count.right_after += usize::from(is_right);
                count.broken += usize::from(was_right && !is_right);
                count.mended += usize::from(!was_right && is_right);
            }
            match (was_right, is_right) {
                (true, false) => broken.push(row),
                (false, true) => mended.push(row),
                _ => {}
            }
        }
        let view = |rows: &[usize]| {
            let rows = rows.iter().take(SHOWN);
            rows.map(|&row| self.answered(samples, row, &after[row * width..][..width]))
                .collect()
        };
        Some(Changes {
            parent: parent.to_owned(),
            classes: classes.to_vec(),
            counts,
            broken: view(&broken),
            mended: view(&mended),
            signal_to_noise: signal_to_noise(before, after),
        })
    }
}
