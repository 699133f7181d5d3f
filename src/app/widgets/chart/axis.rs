//! Axes: plain or logarithmic, where their ticks stand, and how the numbers on them are written.

use egui_plot::GridMark;

use crate::spec::units;

/// Nice steps of a clock, in seconds.
const CLOCK_STEPS: [f64; 14] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 18_000.0,
];
/// Most ticks that an axis has.
const MOST_TICKS: usize = 100;
const DENSEST: f64 = 0.0457;
/// Leading digits of the ticks of a logarithmic axis, and the least distance of neighbours, the densest first.
const DIGITS: [(f64, &[f64]); 4] = [
    (DENSEST, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]),
    (0.146, &[1.0, 2.0, 3.0, 5.0, 7.0]),
    (0.301, &[1.0, 2.0, 5.0]),
    (0.477, &[1.0, 3.0]),
];

/// What the numbers of an axis mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Plain,
    /// Of whole things: `12`, `1.20 k`.
    Count,
    /// Fractions, written as percent.
    Percent,
    Bytes,
    Seconds,
}

impl Unit {
    /// A value in full: three significant digits and the unit.
    pub fn value(self, value: f64) -> String {
        match self {
            Self::Plain => units::significant(value),
            Self::Count => units::count(value),
            Self::Percent => units::percent(value),
            Self::Bytes => units::bytes(value.max(0.0) as u64),
            Self::Seconds if value < 10.0 => format!("{} s", units::significant(value)),
            Self::Seconds => units::clock(value),
        }
    }

    /// A tick's number, with as many digits as tell it from one that lies `step` away; `largest` is the largest on the axis.
    fn tick(self, value: f64, step: f64, largest: f64) -> String {
        let with_prefix = |names: [&str; 5]| {
            let power = (largest.abs().log10() / 3.0).floor().clamp(0.0, 4.0);
            let size = 1000_f64.powf(power);
            let number = decimal(value / size, step / size);
            format!("{number} {}", names[power as usize]).trim_end().to_owned()
        };
        match self {
            _ if value == 0.0 && self != Self::Seconds && self != Self::Percent => "0".to_owned(),
            // Past the last name only the exponent tells.
            Self::Plain | Self::Count if largest >= 1e15 => format!("{value:.1e}"),
            Self::Plain | Self::Count if largest >= 1e4 => with_prefix(["", "k", "M", "G", "T"]),
            Self::Plain | Self::Count => decimal(value, step),
            Self::Percent => format!("{} %", decimal(100.0 * value, 100.0 * step)),
            Self::Bytes => with_prefix(["B", "kB", "MB", "GB", "TB"]),
            Self::Seconds if step < 1.0 => format!("{} s", decimal(value, step)),
            Self::Seconds => units::clock(value),
        }
    }

    /// The least nice step that is no less than this one.
    fn step(self, at_least: f64) -> f64 {
        match self {
            Self::Seconds if at_least > 0.5 => CLOCK_STEPS
                .into_iter()
                .find(|&step| step >= at_least)
                .unwrap_or_else(|| 3600.0 * nice(at_least / 3600.0)),
            Self::Count => nice(at_least).max(1.0),
            Self::Percent => nice(100.0 * at_least) / 100.0,
            Self::Plain | Self::Bytes | Self::Seconds => nice(at_least),
        }
    }
}

/// The least of …, 0.1, 0.2, 0.5, 1, 2, 5, … that is no less than `at_least`.
fn nice(at_least: f64) -> f64 {
    let power = 10_f64.powf(at_least.log10().floor());
    let digit = [1.0, 2.0, 5.0].into_iter().find(|digit| digit * power >= at_least);
    digit.unwrap_or(10.0) * power
}

/// As many decimals as a step of this size needs.
fn decimal(value: f64, step: f64) -> String {
    let decimals = -(step.abs().log10() + 1e-9).floor();
    if decimals > 5.0 {
        // Rounded: a tick's value is a multiple of its step but for the last bits.
        let digits = (value.abs().log10() - step.abs().log10()).max(0.0).round() as usize;
        return format!("{value:.digits$e}");
    }
    let decimals = decimals.max(0.0) as usize;
    format!("{value:.decimals$}")
}

/// An axis as it is drawn: values, or their logarithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    pub unit: Unit,
    pub is_log: bool,
}

impl Scale {
    /// Where a value is drawn; none where a logarithm has no place for it.
    pub fn place(self, value: f64) -> Option<f64> {
        if self.is_log {
            (value > 0.0).then(|| value.log10())
        } else {
            Some(value)
        }
    }

    /// The value that is drawn here.
    pub fn value(self, place: f64) -> f64 {
        if self.is_log { 10_f64.powf(place) } else { place }
    }

    /// Ticks between two places, at least `apart` from each other.
    pub fn ticks(self, from: f64, to: f64, apart: f64) -> Vec<GridMark> {
        let is_drawable = from.is_finite() && to.is_finite() && from < to && apart > 0.0;
        if !is_drawable {
            return Vec::new();
        }
        if !self.is_log {
            return multiples(self.unit.step(apart), from, to)
                .map(|(value, step_size)| GridMark { value, step_size })
                .collect();
        }
        let mut marks = marks_of_powers(from, to, apart);
        marks.retain(|mark| (from..=to).contains(&mark.value));
        if marks.len() > 1 && apart > DENSEST {
            return marks;
        }
        // Within a decade: nice values, as far apart as the closest of them, at the upper end, must be.
        let step = self.unit.step(self.value(to) * (1.0 - 10_f64.powf(-apart)));
        multiples(step, self.value(from), self.value(to))
            .filter(|&(value, _)| value > 0.0)
            .map(|(value, step)| GridMark {
                value: value.log10(),
                step_size: ((value + step) / value).log10(),
            })
            .collect()
    }

    /// What stands at a tick; `to` is the last place of the axis.
    pub fn tick(self, mark: GridMark, to: f64) -> String {
        let value = self.value(mark.value);
        if !self.is_log {
            return self.unit.tick(value, mark.step_size, to.abs());
        }
        let step = if mark.step_size < DENSEST {
            value * (10_f64.powf(mark.step_size) - 1.0) * (1.0 + 1e-6)
        } else {
            // The first digit tells them apart.
            10_f64.powf((value.log10() + 1e-9).floor())
        };
        self.unit.tick(value, step, value)
    }
}

/// Logarithms of powers of ten, and of those of their multiples by one digit for which there is room.
fn marks_of_powers(from: f64, to: f64, apart: f64) -> Vec<GridMark> {
    let decades = (from.floor() as i32..=to.ceil() as i32).take(MOST_TICKS);
    let Some(&(step_size, digits)) = DIGITS.iter().find(|(gap, _)| apart <= *gap) else {
        let stride = apart.ceil() as i32;
        let mark = |decade| GridMark {
            value: f64::from(decade),
            step_size: f64::from(stride),
        };
        return decades
            .filter(|decade| decade.rem_euclid(stride) == 0)
            .map(mark)
            .collect();
    };
    let of_decade = |decade: i32| {
        digits.iter().map(move |digit| GridMark {
            value: f64::from(decade) + digit.log10(),
            step_size,
        })
    };
    decades.flat_map(of_decade).collect()
}

/// Multiples of `step` between two values, each with the step.
fn multiples(step: f64, from: f64, to: f64) -> impl Iterator<Item = (f64, f64)> {
    let first = (from / step).ceil();
    let count = (((to / step).floor() - first).max(-1.0) as i64 + 1).clamp(0, MOST_TICKS as i64);
    (0..count).map(move |index| ((first + index as f64) * step, step))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(unit: Unit, is_log: bool, from: f64, to: f64, apart: f64) -> Vec<String> {
        let scale = Scale { unit, is_log };
        let ticks = scale.ticks(from, to, apart);
        ticks.into_iter().map(|mark| scale.tick(mark, to)).collect()
    }

    #[test]
    fn ticks_are_nice_and_have_the_digits_that_tell_them_apart() {
        assert_eq!(
            labels(Unit::Plain, false, 0.0, 1.1, 0.2),
            ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        assert_eq!(labels(Unit::Plain, false, 0.93, 0.971, 0.015), ["0.94", "0.96"]);
        assert_eq!(labels(Unit::Percent, false, 0.0, 1.0, 0.3), ["0 %", "50 %", "100 %"]);
        assert_eq!(
            labels(Unit::Percent, false, 0.97, 0.98, 0.004),
            ["97.0 %", "97.5 %", "98.0 %"]
        );
        assert_eq!(labels(Unit::Bytes, false, 0.0, 52e6, 15e6), ["0", "20 MB", "40 MB"]);
        assert_eq!(labels(Unit::Count, false, 0.0, 3.0, 0.1), ["0", "1", "2", "3"]);
        assert_eq!(labels(Unit::Count, false, 0.0, 45e3, 15e3), ["0", "20 k", "40 k"]);
        assert_eq!(
            labels(Unit::Seconds, false, 0.0, 100.0, 20.0),
            ["0:00", "0:30", "1:00", "1:30"]
        );
        assert_eq!(labels(Unit::Seconds, false, 0.0, 1.0, 0.4), ["0.0 s", "0.5 s", "1.0 s"]);
        assert_eq!(
            labels(Unit::Plain, false, 0.0, 3e-6, 1e-6),
            ["0", "1e-6", "2e-6", "3e-6"]
        );
    }

    #[test]
    fn logarithmic_ticks_are_values() {
        assert_eq!(labels(Unit::Plain, true, -2.0, 1.0, 0.6), ["0.01", "0.1", "1", "10"]);
        assert_eq!(
            labels(Unit::Plain, true, -1.0, 0.5, 0.2),
            ["0.1", "0.2", "0.5", "1", "2"]
        );
        assert_eq!(labels(Unit::Plain, true, -0.1, 0.6, 0.2), ["1", "2"]);
        assert_eq!(
            labels(Unit::Plain, true, 0.205_f64.log10(), 0.245_f64.log10(), 0.01),
            ["0.21", "0.22", "0.23", "0.24"]
        );
        assert_eq!(labels(Unit::Count, true, 0.0, 4.0, 1.5), ["1", "100", "10 k"]);
        assert_eq!(labels(Unit::Plain, true, 1.0, 1.0, 0.1), Vec::<String>::new());
    }

    #[test]
    fn values_have_three_digits_and_a_unit() {
        assert_eq!(Unit::Percent.value(0.9741), "97.4 %");
        assert_eq!(Unit::Bytes.value(12.34e6), "12.3 MB");
        assert_eq!(Unit::Seconds.value(1.234), "1.23 s");
        assert_eq!(Unit::Seconds.value(75.0), "1:15");
        let log = Scale {
            unit: Unit::Plain,
            is_log: true,
        };
        assert_eq!((log.place(0.0), log.place(100.0)), (None, Some(2.0)));
    }
}
