//! What a cell of a CSV says: nothing, a number, or a text. One rule for training and for prediction.

/// What is taken for a missing value, besides the empty cell; letters of either case.
const MISSING: [&str; 6] = ["na", "n/a", "nan", "null", "+nan", "-nan"];
const INFINITE: [&str; 6] = ["inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"];

/// The reading of one cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell {
    Missing,
    Number {
        value: f64,
        decimals: Decimals,
    },
    /// Infinity by name, or a number beyond the range of f32.
    Infinite,
    /// A number with separators of thousands, such as `1.234.567` or `1,234.5`: not read, because one group alone is ambiguous.
    Grouped,
    Text,
}

/// How the fraction of a number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decimals {
    None,
    Point,
    Comma {
        /// One to three digits, a comma, three digits: also how `1,234` is written for 1234.
        like_thousands: bool,
    },
}

/// Reads a cell. Blanks around it do not count.
pub(super) fn read_cell(text: &str) -> Cell {
    let text = text.trim();
    if text.is_empty() || text == "?" || is_one_of(text, &MISSING) {
        return Cell::Missing;
    }
    if is_one_of(text, &INFINITE) {
        return Cell::Infinite;
    }
    // The standard parser also takes words; a number here consists of these characters.
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"+-.,eE".contains(&byte))
    {
        return Cell::Text;
    }
    let commas = text.bytes().filter(|&byte| byte == b',').count();
    let points = text.bytes().filter(|&byte| byte == b'.').count();
    if commas + points > 1 {
        return if is_grouped(text) { Cell::Grouped } else { Cell::Text };
    }
    let (parsed, decimals) = if commas == 1 {
        let like_thousands = is_grouped(text);
        (text.replace(',', ".").parse(), Decimals::Comma { like_thousands })
    } else if points == 1 {
        (text.parse(), Decimals::Point)
    } else {
        (text.parse(), Decimals::None)
    };
    match parsed {
        Ok(value) if f64::abs(value) <= f64::from(f32::MAX) => Cell::Number { value, decimals },
        Ok(_) => Cell::Infinite,
        Err(_) => Cell::Text,
    }
}

fn is_one_of(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Digits in groups: one to three, then groups of exactly three behind separators, the last of which may instead be a
/// decimal mark of the other kind. The first group does not begin with 0.
fn is_grouped(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    let Some(separator) = digits.chars().find(|c| matches!(c, ',' | '.')) else {
        return false;
    };
    let decimal = if separator == ',' { '.' } else { ',' };
    let (whole, fraction) = digits.split_once(decimal).unwrap_or((digits, "0"));
    let mut groups = whole.split(separator);
    let first = groups.next().unwrap_or_default();
    (1..=3).contains(&first.len())
        && !first.starts_with('0')
        && first.bytes().all(|byte| byte.is_ascii_digit())
        && groups.all(|group| group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_digit()))
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Option<f64> {
        match read_cell(text) {
            Cell::Number { value, .. } => Some(value),
            _ => None,
        }
    }

    #[test]
    fn numbers_with_point_comma_and_exponent() {
        for (text, value) in [
            ("1", 1.0),
            (" -2.5 ", -2.5),
            ("+3", 3.0),
            ("1,5", 1.5),
            (",5", 0.5),
            ("1e3", 1000.0),
            ("-1,5E-2", -0.015),
            ("1,234", 1.234),
        ] {
            assert_eq!(number(text), Some(value), "{text}");
        }
    }

    #[test]
    fn everything_else() {
        for text in ["", "  ", "NA", "n/a", "NaN", "?", "null", "NULL"] {
            assert_eq!(read_cell(text), Cell::Missing, "{text}");
        }
        for text in ["inf", "-Infinity", "1e999", "1e39"] {
            assert_eq!(read_cell(text), Cell::Infinite, "{text}");
        }
        for text in ["1.234.567", "1,234.5", "1.234,5", "-12,345,678"] {
            assert_eq!(read_cell(text), Cell::Grouped, "{text}");
        }
        for text in ["a", "1a", "1.2.3", "1,2,3", "-", ".", "e", "0x10", "12 mm", "--1"] {
            assert_eq!(read_cell(text), Cell::Text, "{text}");
        }
        assert_eq!(
            read_cell("1,234"),
            Cell::Number {
                value: 1.234,
                decimals: Decimals::Comma { like_thousands: true }
            }
        );
    }
}
