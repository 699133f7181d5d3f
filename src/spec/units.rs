//! The one formatter of figures: three significant digits and a unit.

/// Bytes in decimal units: `1.23 kB`.
pub fn bytes(bytes: u64) -> String {
    scaled(bytes as f64, &["B", "kB", "MB", "GB", "TB"])
}

/// A time given in microseconds: `36.2 us`, `1.92 ms`, `3.10 s`.
pub fn microseconds(time: f64) -> String {
    scaled(time, &["us", "ms", "s"])
}

/// A duration as a clock shows it: `0:07`, `12:30`, `1:02:03`.
pub fn clock(secs: f64) -> String {
    let secs = secs.max(0.0).round() as u64;
    let (hours, minutes, secs) = (secs / 3600, secs / 60 % 60, secs % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{secs:02}")
    } else {
        format!("{minutes}:{secs:02}")
    }
}

/// A count: `987`, `36.1 k`, `4.60 M`.
pub fn count(count: f64) -> String {
    scaled(count, &["", "k", "M", "G", "T"])
}

/// A fraction as percent with one decimal: `97.4 %`.
pub fn percent(fraction: f64) -> String {
    format!("{:.1} %", fraction * 100.0)
}

/// Three significant digits, without an exponent.
pub fn significant(value: f64) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    // Rounded first, so that 0.9999 becomes 1.00 and not 1.000.
    let rounded: f64 = format!("{value:.2e}").parse().unwrap_or(value);
    let decimals = (2.0 - rounded.abs().log10().floor()).clamp(0.0, 8.0) as usize;
    format!("{rounded:.decimals$}")
}

fn scaled(value: f64, units: &[&str]) -> String {
    let mut value = value;
    let mut unit = 0;
    while value.abs() >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let whole = unit == 0 && value.fract() == 0.0;
    let number = if whole {
        format!("{value:.0}")
    } else {
        significant(value)
    };
    format!("{number} {}", units[unit]).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_significant_digits_and_a_unit() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(999_999), "1.00 MB");
        assert_eq!(bytes(1234), "1.23 kB");
        assert_eq!(microseconds(36.24), "36.2 us");
        assert_eq!(microseconds(1917.0), "1.92 ms");
        assert_eq!(count(36_100.0), "36.1 k");
        assert_eq!(count(987.0), "987");
        assert_eq!(significant(0.001_234), "0.00123");
        assert_eq!(significant(f64::NAN), "NaN");
        assert_eq!(clock(3723.2), "1:02:03");
        assert_eq!(clock(7.0), "0:07");
        assert_eq!(percent(0.974_07), "97.4 %");
    }
}
