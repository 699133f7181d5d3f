//! What an epoch brings: every row once, the same on every machine, from memory or from a file, from its middle as well.

use super::*;
use crate::data::inputs::Encoding;
use crate::data::stored::RowWriter;
use crate::data::{Inputs, epoch_order, load};
use crate::spec::{DataConfig, FeatureScale, Shape};

fn digits() -> Dataset {
    load(&DataConfig::default()).unwrap()
}

fn collect(loader: &Loader, epoch: usize, skipped: usize) -> Vec<Batch> {
    loader.epoch(epoch, skipped).map(Result::unwrap).collect()
}

#[test]
fn without_augmentation_an_epoch_is_the_rows_in_their_order() {
    let dataset = digits();
    let loader = Loader::new(&dataset, 3, 100, &[]);
    assert_eq!(loader.epoch(1, 0).len(), 13);
    let batches = collect(&loader, 1, 0);
    assert_eq!(batches.len(), 13);
    for (batch, rows) in batches.iter().zip(epoch_order(dataset.train.len(), 3, 1).chunks(100)) {
        let expected = dataset.train.gather(rows).unwrap();
        assert_eq!(batch.inputs, *expected.inputs.all().unwrap());
        assert_eq!(batch.targets, expected.targets);
        assert_eq!(batch.mixed, None);
    }
    assert_eq!(collect(&loader, 1, 300), batches[3..]);
    assert_eq!(collect(&loader, 1, 1257).len(), 0);
    assert_eq!(collect(&loader, 1, 99_999).len(), 0);
}

#[test]
fn augmented_epochs_are_reproducible_and_differ() {
    let dataset = digits();
    let augment = [
        Augmentation::Rotate { degrees: 10.0 },
        Augmentation::Noise { deviation: 0.1 },
        Augmentation::Mixup { alpha: 0.4 },
    ];
    let loader = Loader::new(&dataset, 3, 64, &augment);
    let first = collect(&loader, 0, 0);
    assert_eq!(first, collect(&loader, 0, 0));
    assert_eq!(first[5..], collect(&loader, 0, 320));
    assert_ne!(first, collect(&loader, 1, 0));
    // What one thread makes is what all of them make.
    for (place, rows) in dataset.train.epoch_order(3, 0).chunks(64).enumerate() {
        assert_eq!(loader.batch(0, rows).unwrap(), first[place]);
    }
    let rows: usize = first.iter().map(Batch::len).sum();
    assert_eq!(rows, 1257);
    // Rows of other batches do not matter before the mixing.
    let unmixed = Loader::new(&dataset, 3, 64, &augment[..2]);
    let alone = unmixed.batch(4, &[7]).unwrap();
    let together = unmixed.batch(4, &[1, 7]).unwrap();
    assert_eq!(alone.inputs, together.inputs[64..]);
}

#[test]
fn mixup_mixes_inputs_and_names_the_shares() {
    let dataset = digits();
    let loader = Loader::new(&dataset, 0, 32, &[Augmentation::Mixup { alpha: 1.0 }]);
    let order = epoch_order(dataset.train.len(), 0, 0);
    let batch = &collect(&loader, 0, 0)[0];
    let mixed = batch.mixed.as_ref().unwrap();
    assert_eq!((mixed.shares.len(), mixed.targets.len()), (32, 32));
    let (Targets::Classes(own), Targets::Classes(seconds)) = (&batch.targets, &mixed.targets) else {
        panic!("digits have classes");
    };
    assert!(mixed.shares.iter().all(|share| (0.0..=1.0).contains(share)));
    for (place, &row) in order[..32].iter().enumerate() {
        let share = mixed.shares[place];
        let first = dataset.train.row(row);
        // Some row of the batch with the named class is the second.
        let matches = order[..32].iter().enumerate().any(|(other, &second)| {
            let second = dataset.train.row(second);
            own[other] == seconds[place]
                && (0..64).all(|pixel| {
                    let expected = share * first[pixel] + (1.0 - share) * second[pixel];
                    (batch.inputs[place * 64 + pixel] - expected).abs() < 1e-6
                })
        });
        assert!(matches, "row {place}");
    }
}

/// Rows of two values in memory, and the same in a file.
fn twins(rows: usize, budget: usize) -> [Dataset; 2] {
    let bytes: Vec<u8> = (0..rows * 2).map(|value| (value * 7 % 256) as u8).collect();
    let scale = |mean| FeatureScale {
        name: String::new(),
        mean,
        deviation: 1.0,
    };
    [usize::MAX, 0].map(|held| {
        let mut writer = RowWriter::new(2, held);
        writer.push(&bytes).unwrap();
        let bytes = Arc::new(writer.finish().unwrap());
        let encoding = Encoding::of_channels(&[scale(0.0), scale(-1000.0)], 1, true);
        let kept: Vec<usize> = (0..rows).collect();
        let mut dataset = digits();
        dataset.train = Samples {
            shape: Shape::Features { features: 2 },
            inputs: Inputs::encoded(Encoded::new(&bytes, &kept, encoding, budget)),
            targets: Targets::Classes((0..rows as u32).collect()),
        };
        dataset
    })
}

#[test]
fn rows_in_a_file_are_those_in_memory_in_another_order() {
    let [memory, stored] = twins(500, 64);
    assert_eq!(stored.train.inputs.file().unwrap().1, Blocks { rows: 2, group: 16 });
    assert_eq!(memory.train.inputs, stored.train.inputs);
    assert_eq!(memory.train.row(3), stored.train.row(3));
    assert_eq!(*memory.train.row(1), [14.0, 1021.0]);
    assert_eq!(*stored.train.inputs.slice(1..4).unwrap(), [1007.0, 14.0, 1021.0]);
    let loader = Loader::new(&stored, 1, 7, &[]);
    let batches = collect(&loader, 2, 0);
    assert_eq!(batches, collect(&loader, 2, 0));
    assert_eq!(batches[3..], collect(&loader, 2, 21));
    let mut seen = Vec::new();
    for batch in &batches {
        let Targets::Classes(rows) = &batch.targets else {
            panic!("classes");
        };
        for (&row, inputs) in rows.iter().zip(batch.inputs.chunks(2)) {
            assert_eq!(*inputs, *memory.train.row(row as usize));
            seen.push(row);
        }
    }
    assert!(!seen.is_sorted());
    seen.sort_unstable();
    assert_eq!(seen, (0..500).collect::<Vec<_>>());
}

#[test]
fn groups_keep_to_their_budget() {
    for (budget, row_bytes) in [(1 << 20, 784), (1 << 30, 12_288), (10, 100), (1 << 16, 1), (0, 0)] {
        let blocks = Blocks::within(budget, row_bytes);
        assert!(blocks.rows >= 1 && blocks.group >= 1);
        let bytes = blocks.rows * blocks.group * row_bytes;
        assert!(bytes <= budget.max(row_bytes), "{budget} {row_bytes}");
    }
}
