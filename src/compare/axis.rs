//! What a network costs where it is used, one figure at a time: the axes against which accuracy is weighed. Less is
//! better on each.

use serde::{Deserialize, Serialize};

use crate::spec::{LatencySummary, Run, units};

/// A cost. Those of the exported file are known for measured runs only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum Axis {
    #[default]
    Size,
    /// Size after zstd.
    Zstd,
    /// Median time of a call with one sample.
    Batch1,
    /// Median time of a call with 64 samples.
    Batch64,
    Memory,
    MultiplyAdds,
    Parameters,
}

impl Axis {
    pub const ALL: [Self; 7] = [
        Self::Size,
        Self::Zstd,
        Self::Batch1,
        Self::Batch64,
        Self::Memory,
        Self::MultiplyAdds,
        Self::Parameters,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Zstd => "size after zstd",
            Self::Batch1 => "latency, batch 1",
            Self::Batch64 => "latency, batch 64",
            Self::Memory => "memory",
            Self::MultiplyAdds => "multiply-adds",
            Self::Parameters => "parameters",
        }
    }

    /// As it is typed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Zstd => "zstd",
            Self::Batch1 => "batch1",
            Self::Batch64 => "batch64",
            Self::Memory => "memory",
            Self::MultiplyAdds => "multiply-adds",
            Self::Parameters => "parameters",
        }
    }

    /// A sentence on what it is.
    pub fn doc(self) -> &'static str {
        match self {
            Self::Size => "Bytes of the exported ONNX file",
            Self::Zstd => "Bytes of the exported file after zstd at level 19, as it would be sent",
            Self::Batch1 => "Median time of one call with one sample, on one thread",
            Self::Batch64 => "Median time of one call with 64 samples, on one thread",
            Self::Memory => "Packed weights and arena of the runtime at batch 64, exactly",
            Self::MultiplyAdds => "Multiplications with an addition for one sample",
            Self::Parameters => "Numbers that training adjusts",
        }
    }

    /// In bytes, microseconds or a count; none where it was not measured.
    pub fn of(self, run: &Run) -> Option<f64> {
        let deployed = run.deployed.as_ref();
        match self {
            Self::Size => deployed.map(|deployed| deployed.size_bytes as f64),
            Self::Zstd => deployed.map(|deployed| deployed.zstd_bytes as f64),
            Self::Batch1 | Self::Batch64 => self.latency(run).map(|latency| latency.median),
            Self::Memory => deployed.map(|deployed| deployed.memory_bytes as f64),
            Self::MultiplyAdds => Some(run.multiply_adds as f64),
            Self::Parameters => Some(run.parameters as f64),
        }
        .filter(|value| value.is_finite() && *value > 0.0)
    }

    /// The 10th and the 90th percentile, for times.
    pub fn spread(self, run: &Run) -> Option<[f64; 2]> {
        self.latency(run).map(|latency| [latency.p10, latency.p90])
    }

    /// The run's figure divided by the baseline's.
    pub fn ratio(self, run: &Run, baseline: &Run) -> Option<f64> {
        Some(self.of(run)? / self.of(baseline)?)
    }

    pub fn text(self, value: f64) -> String {
        match self {
            Self::Size | Self::Zstd | Self::Memory => units::bytes(value.round() as u64),
            Self::Batch1 | Self::Batch64 => units::microseconds(value),
            Self::MultiplyAdds | Self::Parameters => units::count(value),
        }
    }

    fn latency(self, run: &Run) -> Option<LatencySummary> {
        let latency = run.deployed.as_ref()?.latency_us;
        match self {
            Self::Batch1 => Some(latency.batch1),
            Self::Batch64 => Some(latency.batch64),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::tests::run;

    #[test]
    fn a_measured_run_has_every_figure_and_an_unmeasured_one_only_those_of_its_plan() {
        let mut run = run(2, Some("fp16"), 0.9, 500, 10.0);
        let texts = Axis::ALL.map(|axis| axis.text(axis.of(&run).unwrap()));
        assert_eq!(texts, ["500 B", "250 B", "10 µs", "500 µs", "1.00 kB", "1", "1"]);
        assert_eq!(Axis::Batch64.spread(&run), Some([500.0, 500.0]));
        assert_eq!(Axis::Size.spread(&run), None);
        run.deployed = None;
        assert_eq!(Axis::Size.of(&run), None);
        assert_eq!(Axis::Batch1.spread(&run), None);
        assert_eq!(Axis::Parameters.of(&run), Some(1.0));
        run.parameters = 0;
        assert_eq!(Axis::Parameters.of(&run), None, "nothing is planned yet");
    }

    #[test]
    fn ratios_are_to_the_baseline() {
        let (baseline, half) = (run(1, None, 0.9, 1000, 20.0), run(2, Some("fp16"), 0.9, 500, 30.0));
        assert_eq!(Axis::Size.ratio(&half, &baseline), Some(0.5));
        assert_eq!(Axis::Batch1.ratio(&half, &baseline), Some(1.5));
    }
}
