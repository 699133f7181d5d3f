//! What a run says of itself: steps gathered into few events, with throughput and memory.

use std::time::{Duration, Instant};

use crate::meter::alloc::{self, Growth};
use crate::meter::process::{self, BusyCores};
use crate::spec::{Event, EventSink, Failure, MemoryReading, StepRecord, StepTimes};

/// Between two `Steps` events: at most 14 a second from the clock, which with those that go before a checkpoint stays
/// below 20. A step is never older than this when it is emitted, or than the step after it takes.
const INTERVAL: Duration = Duration::from_millis(70);

/// Gathers steps and epochs, and emits them in order.
pub struct Reporter<'a> {
    sink: &'a dyn EventSink,
    steps: Vec<StepRecord>,
    /// To follow the steps.
    epochs: Vec<Event>,
    samples: usize,
    /// Where the time of the gathered steps went.
    times: StepTimes,
    emitted: Instant,
    /// Since before the network was built.
    heap: Growth,
    busy_cores: BusyCores,
}

impl<'a> Reporter<'a> {
    /// Takes the memory in use now as what was there before the run.
    pub fn new(sink: &'a dyn EventSink) -> Self {
        Self {
            sink,
            steps: Vec::new(),
            epochs: Vec::new(),
            samples: 0,
            times: StepTimes::default(),
            emitted: Instant::now(),
            heap: Growth::begin(),
            busy_cores: BusyCores::new(),
        }
    }

    /// A step of `samples` samples.
    pub fn step(&mut self, record: StepRecord, samples: usize, times: StepTimes) -> Result<(), Failure> {
        // What was not told yet is no memory of the training.
        alloc::uncounted(|| self.steps.push(record));
        self.samples += samples;
        self.times = self.times.plus(times);
        if self.emitted.elapsed() >= INTERVAL {
            self.flush()
        } else {
            Ok(())
        }
    }

    pub fn epoch(&mut self, epoch: Event) {
        alloc::uncounted(|| self.epochs.push(epoch));
    }

    /// Emits what was gathered, then `event`.
    pub fn emit(&mut self, event: Event) -> Result<(), Failure> {
        self.flush()?;
        self.sink.emit(event)
    }

    /// Emits what the heap is like now, and the most that it ever was.
    pub fn memory_reading(&mut self) -> Result<(), Failure> {
        let memory = self.memory();
        self.emit(Event::Memory { memory })
    }

    /// Emits what was gathered.
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.emitted = Instant::now();
        let memory = self.memory();
        alloc::uncounted(|| self.tell(memory))
    }

    fn tell(&mut self, memory: MemoryReading) -> Result<(), Failure> {
        if !self.steps.is_empty() {
            let times = std::mem::take(&mut self.times);
            let samples_per_second = std::mem::take(&mut self.samples) as f64 / times.total_secs().max(1e-9);
            self.sink.emit(Event::Steps {
                steps: std::mem::take(&mut self.steps),
                samples_per_second,
                memory,
                cpu_cores: self.busy_cores.read(),
                times,
            })?;
        }
        self.epochs.drain(..).try_for_each(|epoch| self.sink.emit(epoch))
    }

    fn memory(&self) -> MemoryReading {
        let (live_bytes, peak_bytes) = self.heap.live_and_peak();
        MemoryReading {
            live_bytes,
            peak_bytes,
            resident_bytes: process::resident_bytes().unwrap_or(0),
        }
    }
}
