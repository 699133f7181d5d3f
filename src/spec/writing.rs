//! How bytes and cells are written as text, the same by every room.

use std::fmt::Write as _;

/// Bytes as lower-case hexadecimal digits, two a byte: the form of a checksum.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Appends a line of CSV (RFC 4180) to `text`. Cells are quoted where commas, quotes, line breaks or blanks at an end would
/// change them, or semicolons and tabs in programs that part by these.
pub fn push_csv_line<C: AsRef<str>>(text: &mut String, cells: impl IntoIterator<Item = C>) {
    for (place, cell) in cells.into_iter().enumerate() {
        let cell = cell.as_ref();
        if place > 0 {
            text.push(',');
        }
        if cell.contains([',', '"', '\n', '\r', ';', '\t']) || cell.trim() != cell {
            text.push('"');
            text.push_str(&cell.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(cell);
        }
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_two_digits_each() {
        assert_eq!(hexadecimal(&[0, 10, 255]), "000aff");
        assert_eq!(hexadecimal(&[]), "");
    }

    #[test]
    fn what_a_reader_reads_is_what_was_written() {
        let cells = ["plain", "a,b", "say \"no\"", " ends ", "two\nlines", "", "1;2"];
        let mut text = String::new();
        push_csv_line(&mut text, cells);
        assert!(text.starts_with("plain,\"a,b\","), "{text}");
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(text.as_bytes());
        assert_eq!(reader.records().next().unwrap().unwrap(), cells.to_vec());
    }
}
