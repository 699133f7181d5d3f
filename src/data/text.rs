//! Bytes to text: size limit, byte-order mark, encoding, and the refusal of what is not text.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::DataError;

/// Largest file that is read; it is held in memory while it is parsed.
pub const MAX_FILE_BYTES: u64 = 1 << 30;

/// The byte-order mark of UTF-8.
pub(super) const MARK: &[u8; 3] = b"\xef\xbb\xbf";

/// What Windows-1252 has in place of Latin-1's control characters 0x80 to 0x9F; five bytes are not assigned and stay as they are.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// Reads a regular file of limited size.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, DataError> {
    let file = path.display().to_string();
    let io = |source| DataError::Io {
        file: path.display().to_string(),
        source,
    };
    // Looked at before opening: opening a named pipe would wait for its writer.
    if !std::fs::metadata(path).map_err(io)?.is_file() {
        return Err(DataError::NotAFile { file });
    }
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(io)?
        .take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(DataError::TooLarge {
            file,
            limit_bytes: MAX_FILE_BYTES,
        });
    }
    Ok(bytes)
}

/// Text of a CSV file without its byte-order mark, with a note where an encoding was assumed.
pub(super) fn decode<'a>(file: &str, bytes: &'a [u8]) -> Result<(Cow<'a, str>, Option<String>), DataError> {
    let file = || file.to_owned();
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(DataError::Utf16 { file: file() });
    }
    let bytes = bytes.strip_prefix(MARK).unwrap_or(bytes);
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(DataError::Empty { file: file() });
    }
    let control = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r');
    if let Some(byte) = bytes.iter().position(control) {
        return Err(DataError::Binary {
            file: file(),
            row: row_of(bytes, byte),
            byte,
        });
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok((Cow::Borrowed(text), None)),
        Err(error) => {
            let note = format!(
                "The text is not UTF-8 (row {}); read as Windows-1252 (Latin-1)",
                row_of(bytes, error.valid_up_to())
            );
            Ok((Cow::Owned(of_windows_1252(bytes)), Some(note)))
        }
    }
}

/// Text in Windows-1252.
pub(super) fn of_windows_1252(bytes: &[u8]) -> String {
    let characters = bytes.iter().map(|&byte| match byte {
        0x80..=0x9f => WINDOWS_1252[usize::from(byte) - 0x80],
        _ => char::from(byte),
    });
    characters.collect()
}

/// Line breaks in `text`: `\n`, `\r\n` and a lone `\r` count as one each.
pub(super) fn line_breaks(text: &[u8]) -> usize {
    let after = text.iter().copied().skip(1).chain([0]);
    text.iter()
        .zip(after)
        .filter(|&(&byte, next)| byte == b'\n' || (byte == b'\r' && next != b'\n'))
        .count()
}

fn row_of(bytes: &[u8], position: usize) -> usize {
    line_breaks(&bytes[..position]) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_encodings() {
        let (text, note) = decode("f", b"\xef\xbb\xbfa,b\n").unwrap();
        assert_eq!((text.as_ref(), note), ("a,b\n", None));
        let (text, note) = decode("f", b"a\nM\xfcller \x80\n").unwrap();
        assert_eq!(text, "a\nMüller €\n");
        assert!(note.unwrap().contains("row 2"));
        assert!(matches!(decode("f", b"\xff\xfea\0"), Err(DataError::Utf16 { .. })));
        assert!(matches!(decode("f", b" \n"), Err(DataError::Empty { .. })));
        assert!(matches!(
            decode("f", b"a\nb\0"),
            Err(DataError::Binary { row: 2, byte: 3, .. })
        ));
    }

    #[test]
    fn all_kinds_of_line_breaks_count() {
        assert_eq!(line_breaks(b"a\nb\r\nc\rd"), 3);
        assert_eq!(line_breaks(b""), 0);
    }
}
