//! What samples, and changing them, cost a training on a set of the size of MNIST.

use std::sync::Mutex;
use std::time::Instant;

use trimtab::data::{self, Loader};
use trimtab::meter::alloc;
use trimtab::spec::{ArtifactKind, Augmentation, DataConfig, Event, EventSink, Failure, RunConfig, RunControl};
use trimtab::train::{Start, TrainJob, train};

fn glyphs(samples: usize, memory_mb: usize) -> DataConfig {
    DataConfig {
        source: "glyphs".to_owned(),
        samples,
        memory_mb,
        ..DataConfig::default()
    }
}

#[test]
fn glyphs_in_blocks_are_the_glyphs_in_memory() {
    let memory = data::load(&glyphs(5_000, 100)).unwrap();
    let blocks = data::load(&glyphs(5_000, 1)).unwrap();
    assert_eq!(memory.summary.input.dimensions(), [1, 28, 28]);
    assert_eq!(memory.summary.task.outputs(), 36);
    assert_eq!(memory.train, blocks.train);
    assert_eq!(memory.test, blocks.test);
    // As bytes: a pixel takes one, not four.
    assert!(memory.train.inputs.held_bytes() < 2 * memory.train.inputs.len());
    assert!(blocks.train.inputs.held_bytes() < blocks.train.inputs.len() / 100);
    assert!(blocks.summary.notes.iter().any(|note| note.contains("read in blocks")));
    assert_ne!(
        data::load(&DataConfig {
            split_seed: 1,
            ..glyphs(5_000, 100)
        })
        .unwrap()
        .train,
        memory.train
    );
    let digits = DataConfig {
        source: "glyph_digits".to_owned(),
        ..glyphs(200, 100)
    };
    assert_eq!(data::load(&digits).unwrap().summary.task.outputs(), 10);
}

/// Remembers the largest heap that a run reported.
#[derive(Default)]
struct Peak(Mutex<u64>);

impl EventSink for Peak {
    fn emit(&self, event: Event) -> Result<(), Failure> {
        if let Event::Steps { memory, .. } = event {
            let mut peak = self.0.lock().unwrap();
            *peak = memory.peak_bytes.max(*peak);
        }
        Ok(())
    }

    fn save(&self, _: ArtifactKind, _: &[u8]) -> Result<(), Failure> {
        Ok(())
    }
}

/// Seconds of one epoch of the preset CNN, and its largest heap above what was there before.
fn epoch(data: &DataConfig, augment: &[Augmentation]) -> (f64, u64) {
    let mut config = RunConfig::digits_cnn();
    config.data = data.clone();
    config.data.augment = augment.to_vec();
    config.train.epochs = 1;
    config.train.batch_size = 64;
    let dataset = data::load(&config.data).unwrap();
    let plan = config.check(&dataset.summary).unwrap();
    let peak = Peak::default();
    let job = TrainJob::new(&plan, &dataset, Start::Fresh);
    let began = Instant::now();
    train(job, &RunControl::default(), &peak).unwrap();
    let peak = *peak.0.lock().unwrap();
    (began.elapsed().as_secs_f64(), peak)
}

/// Run by hand, optimised and alone on the machine.
#[test]
#[ignore = "measures for a minute or more"]
fn measure_augmentation() {
    let augment = [
        Augmentation::Rotate { degrees: 10.0 },
        Augmentation::Shift { pixels: 2.0 },
        Augmentation::Noise { deviation: 0.1 },
    ];
    let data = glyphs(3_000, 100);
    let mut ratios = Vec::new();
    for round in 0..5 {
        let (plain, _) = epoch(&data, &[]);
        let (changed, _) = epoch(&data, &augment);
        println!("round {round}: {plain:.2} s plain, {changed:.2} s augmented");
        ratios.push(changed / plain);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median: {:.1} % more time", 100.0 * (ratios[2] - 1.0));
    // The work itself, on one thread.
    let dataset = data::load(&data).unwrap();
    for steps in [&[][..], &augment] {
        let began = Instant::now();
        let loader = Loader::new(&dataset, 0, 64, steps);
        let rows: usize = loader.epoch(0, 0).map(|batch| batch.unwrap().len()).sum();
        let micros = began.elapsed().as_secs_f64() * 1e6 / rows as f64;
        println!("{} steps: {micros:.1} us a sample", steps.len());
    }
}

#[test]
#[ignore = "measures for a minute or more"]
fn measure_60000_glyphs() {
    alloc::count_this_thread();
    let before = alloc::live_bytes();
    let began = Instant::now();
    let dataset = data::load(&glyphs(60_000, 10)).unwrap();
    println!(
        "60000 glyphs drawn in {:.1} s; {:.1} MB on the heap with data.memory_mb = 10",
        began.elapsed().as_secs_f64(),
        (alloc::live_bytes() - before) as f64 / 1e6
    );
    drop(dataset);
    let (seconds, peak) = epoch(&glyphs(60_000, 10), &[]);
    println!(
        "an epoch in blocks and the scores: {seconds:.1} s, largest heap {:.1} MB",
        peak as f64 / 1e6
    );
    let (seconds, peak) = epoch(&glyphs(60_000, 1024), &[]);
    println!(
        "the same from memory: {seconds:.1} s, largest heap {:.1} MB",
        peak as f64 / 1e6
    );
}
