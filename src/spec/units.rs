//! The one formatter of figures: three significant digits and a unit.

/// Bytes in decimal units: `1.23 kB`.
pub fn bytes(bytes: u64) -> String {
    scaled(bytes as f64, &["B", "kB", "MB", "GB", "TB"])
}

/// What a person writes for a number of bytes: `512MB`, `2 GB`, `64 MiB`, `1000`.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_lowercase();
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let factor = match text[end..].trim() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => f64::from(1 << 20),
        "gib" => f64::from(1 << 30),
        _ => return None,
    };
    let bytes = number * factor;
    (1.0..1e18).contains(&bytes).then_some(bytes as u64)
}

/// A time given in microseconds: `36.2 µs`, `1.92 ms`, `3.10 s`.
pub fn microseconds(time: f64) -> String {
    scaled(time, &["µs", "ms", "s"])
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

/// A moment given in seconds since 1970: `2026-11-21 04:50 UTC`.
pub fn utc(unix_secs: i64) -> String {
    let (day, second) = (unix_secs.div_euclid(86_400), unix_secs.rem_euclid(86_400));
    // Days since the first of March of year 0, so that a leap day ends its year (Hinnant 2013, `civil_from_days`).
    let day = day + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year + era * 400 + i64::from(month <= 2);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year}-{month:02}-{of_month:02} {hour:02}:{minute:02} UTC")
}

/// A count: `987`, `36.1 k`, `4.60 M`.
pub fn count(count: f64) -> String {
    scaled(count, &["", "k", "M", "G", "T"])
}

/// A fraction as percent with one decimal: `97.4 %`.
pub fn percent(fraction: f64) -> String {
    format!("{:.1} %", fraction * 100.0)
}

/// Three significant digits; with an exponent from 1e15 on and below a millionth.
pub fn significant(value: f64) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    // Rounded first, so that 0.9999 becomes 1.00 and not 1.000.
    let scientific = format!("{value:.2e}");
    let rounded: f64 = scientific.parse().unwrap_or(value);
    if !(1e-6..1e15).contains(&rounded.abs()) {
        return scientific;
    }
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
        assert_eq!(microseconds(36.24), "36.2 µs");
        assert_eq!(microseconds(1917.0), "1.92 ms");
        assert_eq!(count(36_100.0), "36.1 k");
        assert_eq!(count(987.0), "987");
        assert_eq!(significant(0.001_234), "0.00123");
        assert_eq!(significant(f64::NAN), "NaN");
        assert_eq!(significant(9.67e30), "9.67e30");
        assert_eq!(significant(1.234e-6), "0.00000123");
        assert_eq!(significant(9.999e-7), "0.00000100");
        assert_eq!(significant(-1.234e-7), "-1.23e-7");
        assert_eq!(significant(4e-9), "4.00e-9");
        assert_eq!(significant(9.999e14), "1.00e15");
        assert_eq!(clock(3723.2), "1:02:03");
        assert_eq!(clock(7.0), "0:07");
        assert_eq!(percent(0.974_07), "97.4 %");
    }

    #[test]
    fn bytes_are_read_with_and_without_a_unit() {
        for (text, bytes) in [
            ("512MB", Some(512_000_000)),
            (" 1.5 gb ", Some(1_500_000_000)),
            ("64MiB", Some(64 << 20)),
            ("1000", Some(1000)),
            ("0", None),
            ("-1MB", None),
            ("much", None),
            ("1e40", None),
            ("99999999999TB", None),
            ("", None),
        ] {
            assert_eq!(parse_bytes(text), bytes, "{text}");
        }
    }

    #[test]
    fn moments_are_dates_of_the_calendar() {
        for (unix_secs, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59 UTC"),
            (1_735_689_600, "2025-01-01 00:00 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
            (-1, "1969-12-31 23:59 UTC"),
        ] {
            assert_eq!(utc(unix_secs), text);
        }
    }
}
