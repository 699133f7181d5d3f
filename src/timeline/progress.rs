//! A run in one line.

use std::fmt::Write as _;

use super::RunView;
use crate::spec::units;

impl RunView {
    /// Where the run stands, its latest scores, how long it will still take, and its speed: what matters most first, since a
    /// terminal may have room for no more.
    pub fn progress_line(&self) -> String {
        if let Some(progress) = &self.progress {
            return format!("{} · {} of {}", progress.what, progress.done, progress.total);
        }
        let mut line = String::new();
        if self.total_steps > 0 {
            let epoch = self.step.div_ceil(self.steps_per_epoch.max(1)).max(1);
            let _ = write!(line, "epoch {epoch}/{}", self.total_epochs());
        } else {
            line.push_str(self.status.name());
        }
        if let Some(step) = self.steps.last() {
            let _ = write!(line, " · loss {:.4}", step.loss);
        }
        if let Some(point) = self.epochs.last() {
            match (point.validation.accuracy, point.validation.r2) {
                (Some(accuracy), _) => {
                    let _ = write!(line, " · validation accuracy {accuracy:.3}");
                }
                (None, Some(r2)) => {
                    let _ = write!(line, " · validation R2 {r2:.3}");
                }
                (None, None) => {}
            }
        }
        if let Some(secs) = self.remaining_secs() {
            let _ = write!(line, " · {} left", duration(secs));
        }
        if let Some(reading) = self.readings.last() {
            let _ = write!(line, " · {} samples/s", units::count(reading.samples_per_second));
        }
        if self.total_steps > 0 {
            let _ = write!(line, " · step {}/{}", self.step, self.total_steps);
        }
        line
    }
}

/// `8 s`, `3 min 20 s` or `2 h 5 min`.
fn duration(secs: f64) -> String {
    let secs = secs.ceil() as u64;
    match (secs / 3600, secs / 60 % 60, secs % 60) {
        (0, 0, secs) => format!("{secs} s"),
        (0, minutes, secs) => format!("{minutes} min {secs} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn durations_have_two_units_at_most() {
        for (secs, text) in [(0.0, "0 s"), (7.2, "8 s"), (200.0, "3 min 20 s"), (7500.0, "2 h 5 min")] {
            assert_eq!(super::duration(secs), text);
        }
    }
}
