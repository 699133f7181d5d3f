//! What of a run is drawn over what: the values of a [`RunView`] as curves that grow with it.

use super::{RunView, Series};

/// One curve of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trace {
    /// Mean loss of each step's batch.
    TrainLoss,
    ValidationLoss,
    /// Accuracy, or R2, over each epoch's own batches.
    TrainScore,
    ValidationScore,
    LearningRate,
    GradientNorm,
    /// Heap in use above what was in use before the first step, in bytes.
    HeapInUse,
    ResidentSize,
    SamplesPerSecond,
    CpuCores,
}

/// What a curve is drawn over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub enum XAxis {
    /// Steps done.
    #[default]
    Step,
    /// Epochs done.
    Epoch,
    /// Seconds of work.
    Time,
}

/// A value of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TracePoint {
    /// Steps done.
    pub step: usize,
    pub value: f64,
}

impl Trace {
    pub fn name(self) -> &'static str {
        match self {
            Self::TrainLoss => "training loss",
            Self::ValidationLoss => "validation loss",
            Self::TrainScore => "training score",
            Self::ValidationScore => "validation score",
            Self::LearningRate => "learning rate",
            Self::GradientNorm => "gradient norm",
            Self::HeapInUse => "heap in use",
            Self::ResidentSize => "resident size",
            Self::SamplesPerSecond => "samples per second",
            Self::CpuCores => "CPU cores",
        }
    }

    /// Number of records that the trace is made of.
    fn records(self, view: &RunView) -> usize {
        match self {
            Self::TrainLoss | Self::LearningRate | Self::GradientNorm => view.steps.len(),
            Self::ValidationLoss | Self::TrainScore | Self::ValidationScore => view.epochs.len(),
            Self::HeapInUse | Self::ResidentSize | Self::SamplesPerSecond | Self::CpuCores => view.readings.len(),
        }
    }

    /// The value that a record says; none where it does not say it.
    fn point(self, view: &RunView, record: usize) -> Option<TracePoint> {
        let of_step = |value: fn(&crate::spec::StepRecord) -> f64| {
            let record = view.steps.get(record)?;
            Some((record.step + 1, value(record)))
        };
        let of_epoch = |value: fn(&super::EpochPoint) -> Option<f64>| {
            let point = view.epochs.get(record)?;
            Some((point.step, value(point)?))
        };
        let of_reading = |value: fn(&super::Reading) -> f64| {
            let reading = view.readings.get(record)?;
            Some((reading.step, value(reading)))
        };
        let (step, value) = match self {
            Self::TrainLoss => of_step(|step| f64::from(step.loss)),
            Self::LearningRate => of_step(|step| step.learning_rate),
            Self::GradientNorm => of_step(|step| f64::from(step.gradient_norm)),
            Self::ValidationLoss => of_epoch(|point| Some(point.validation.loss)),
            Self::TrainScore => of_epoch(|point| point.train.accuracy.or(point.train.r2)),
            Self::ValidationScore => of_epoch(|point| point.validation.accuracy.or(point.validation.r2)),
            Self::HeapInUse => of_reading(|reading| reading.memory.live_bytes as f64),
            Self::ResidentSize => of_reading(|reading| reading.memory.resident_bytes as f64),
            Self::SamplesPerSecond => of_reading(|reading| reading.samples_per_second),
            Self::CpuCores => of_reading(|reading| reading.cpu_cores),
        }?;
        Some(TracePoint { step, value })
    }

    /// Every value, in order.
    pub fn points(self, view: &RunView) -> impl Iterator<Item = TracePoint> {
        (0..self.records(view)).filter_map(move |record| self.point(view, record))
    }
}

/// A trace over an axis, raw and smoothed; what it takes in of a growing view costs what is new.
#[derive(Debug, Clone)]
pub struct Curve {
    trace: Trace,
    axis: XAxis,
    /// Records of the view that are in the curve.
    taken: usize,
    /// [`RunView::rewrites`] when they were taken.
    rewrites: u64,
    average: Average,
    raw: Series,
    /// Empty without smoothing.
    smooth: Series,
}

impl Curve {
    pub fn new(trace: Trace, axis: XAxis, smoothing: f64) -> Self {
        Self {
            trace,
            axis,
            taken: 0,
            rewrites: 0,
            average: Average::new(smoothing),
            raw: Series::default(),
            smooth: Series::default(),
        }
    }

    /// Takes in what the view has more than it had; all of it, if it was rewritten.
    pub fn take(&mut self, view: &RunView) {
        let records = self.trace.records(view);
        if self.rewrites != view.rewrites || records < self.taken {
            *self = Self::new(self.trace, self.axis, self.average.smoothing);
            self.rewrites = view.rewrites;
        }
        for record in self.taken..records {
            if let Some(TracePoint { step, value }) = self.trace.point(view, record) {
                let x = view.place(self.axis, step);
                self.raw.push(x, value);
                if self.average.smoothing > 0.0 && value.is_finite() {
                    self.smooth.push(x, self.average.next(value));
                }
            }
        }
        self.taken = records;
    }

    /// Smooths by another factor.
    pub fn smooth_by(&mut self, smoothing: f64) {
        if smoothing == self.average.smoothing {
            return;
        }
        self.average = Average::new(smoothing);
        self.smooth.clear();
        if smoothing > 0.0 {
            for &[x, y] in self.raw.points() {
                self.smooth.push(x, self.average.next(y));
            }
        }
    }

    pub fn raw(&self) -> &Series {
        &self.raw
    }

    /// Smoothed, or raw without smoothing.
    pub fn shown(&self) -> &Series {
        if self.average.smoothing > 0.0 {
            &self.smooth
        } else {
            &self.raw
        }
    }

    pub fn is_smoothed(&self) -> bool {
        self.average.smoothing > 0.0
    }

    /// Changes whenever the points do.
    pub fn version(&self) -> (u64, usize, u64) {
        (self.rewrites, self.raw.points().len(), self.average.smoothing.to_bits())
    }
}

/// An exponential moving average without the pull towards its start: the weights of the values so far sum to one
/// (Kingma and Ba 2015, section 3).
#[derive(Debug, Clone, Copy)]
struct Average {
    /// From 0 to below 1: the weight of what was before.
    smoothing: f64,
    sum: f64,
    weight: f64,
}

impl Average {
    fn new(smoothing: f64) -> Self {
        Self {
            smoothing,
            sum: 0.0,
            weight: 0.0,
        }
    }

    fn next(&mut self, value: f64) -> f64 {
        self.sum = self.smoothing * self.sum + (1.0 - self.smoothing) * value;
        self.weight = self.smoothing * self.weight + (1.0 - self.smoothing);
        self.sum / self.weight
    }
}
