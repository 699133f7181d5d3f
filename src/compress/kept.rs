//! What the trainings of a recipe have come to, so that an interrupted one goes on where it stood.

use serde::{Deserialize, Serialize};

use crate::spec::{Failure, ModelSpec};

/// The latest checkpoint of each training of a recipe, in order; none where it did not train yet.
///
/// As bytes: the length of the head (8 bytes, little-endian), the head (JSON), and the checkpoints one after the other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kept {
    heads: Vec<Head>,
    checkpoints: Vec<Vec<u8>>,
}

/// What is known of a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Head {
    /// Epochs of the recipe before this training.
    epochs_before: usize,
    /// Steps of the recipe that are done.
    step: usize,
    /// The network with which this training began.
    model: ModelSpec,
    bytes: usize,
}

impl Kept {
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Failure> {
        Self::read(bytes).ok_or_else(|| {
            Failure::new(
                "the checkpoint of the compression",
                "is damaged",
                "delete the run and compress its parent again",
            )
        })
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<8>()?;
        let (head, mut rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        let heads: Vec<Head> = serde_json::from_slice(head).ok()?;
        let mut checkpoints = Vec::with_capacity(heads.len());
        for head in &heads {
            let (checkpoint, after) = rest.split_at_checked(head.bytes)?;
            checkpoints.push(checkpoint.to_vec());
            rest = after;
        }
        rest.is_empty().then_some(Self { heads, checkpoints })
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        // Plain numbers and names are always JSON.
        let head = serde_json::to_vec(&self.heads).unwrap_or_default();
        let mut bytes = (head.len() as u64).to_le_bytes().to_vec();
        bytes.extend(head);
        bytes.extend(self.checkpoints.iter().flatten());
        bytes
    }

    /// Steps of the recipe that need not be done again.
    pub fn step(&self) -> usize {
        self.heads.last().map_or(0, |head| head.step)
    }

    /// The checkpoint of the training after `epochs_before` epochs, if that was one of this very network. If it was of another (what a step
    /// measures may come out otherwise), nothing from there on is of use.
    pub(super) fn of(&mut self, epochs_before: usize, model: &ModelSpec) -> Option<Vec<u8>> {
        let place = self.heads.iter().position(|head| head.epochs_before == epochs_before)?;
        if self.heads[place].model != *model {
            self.heads.truncate(place);
            self.checkpoints.truncate(place);
            return None;
        }
        Some(self.checkpoints[place].clone())
    }

    /// Whether there is a later training than that after `epochs_before` epochs, so that this one is over.
    pub(super) fn goes_beyond(&self, epochs_before: usize) -> bool {
        self.heads.last().is_some_and(|head| head.epochs_before > epochs_before)
    }

    /// Takes the checkpoint of the training after `epochs_before` epochs, which is the last so far.
    pub(super) fn take(&mut self, epochs_before: usize, step: usize, model: &ModelSpec, checkpoint: &[u8]) {
        let place = self.heads.partition_point(|head| head.epochs_before < epochs_before);
        self.heads.truncate(place);
        self.checkpoints.truncate(place);
        self.heads.push(Head {
            epochs_before,
            step,
            model: model.clone(),
            bytes: checkpoint.len(),
        });
        self.checkpoints.push(checkpoint.to_vec());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{LayerSpec, Shape};

    fn model(units: usize) -> ModelSpec {
        ModelSpec {
            input: Shape::Features { features: 4 },
            layers: vec![LayerSpec::Dense { units }],
        }
    }

    #[test]
    fn checkpoints_come_back_and_a_new_one_ends_what_came_after() {
        let mut kept = Kept::default();
        kept.take(0, 40, &model(3), b"first");
        kept.take(2, 90, &model(2), b"second");
        let mut read = Kept::from_bytes(&kept.to_bytes()).unwrap();
        assert_eq!(read, kept);
        assert_eq!(
            (read.step(), read.goes_beyond(0), read.goes_beyond(2)),
            (90, true, false)
        );
        assert_eq!(read.of(2, &model(2)).as_deref(), Some(&b"second"[..]));
        assert_eq!(read.of(1, &model(2)), None);
        let mut other = read.clone();
        assert_eq!(other.of(0, &model(7)), None);
        assert_eq!(other, Kept::default());
        read.take(0, 10, &model(3), b"anew");
        assert_eq!((read.step(), read.of(2, &model(2))), (10, None));
    }

    #[test]
    fn cut_bytes_are_damaged() {
        let mut kept = Kept::default();
        kept.take(0, 40, &model(3), b"first");
        let bytes = kept.to_bytes();
        for length in 0..bytes.len() {
            assert!(Kept::from_bytes(&bytes[..length]).is_err(), "{length}");
        }
        let longer = [&bytes[..], b"x"].concat();
        assert!(Kept::from_bytes(&longer).is_err());
        let mut far = bytes;
        far[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(Kept::from_bytes(&far).is_err());
    }
}
