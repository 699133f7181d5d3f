//! Broken data files: each gives an error that names the place and what to do, or is read with a note; nothing panics.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tempfile::TempDir;
use trimtab::data::{DataError, Dataset, load, load_fold, read_rows};
use trimtab::spec::{DataConfig, Shape, TaskKind};

/// A CSV in a folder that goes away with it.
struct Csv {
    folder: TempDir,
}

impl Csv {
    fn new(bytes: impl AsRef<[u8]>) -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("bad.csv"), bytes).unwrap();
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("bad.csv")
    }

    fn config(&self) -> DataConfig {
        config(&self.path())
    }
}

fn config(path: &Path) -> DataConfig {
    DataConfig {
        source: path.display().to_string(),
        ..DataConfig::default()
    }
}

fn read(bytes: impl AsRef<[u8]>) -> Result<Dataset, DataError> {
    load(&Csv::new(bytes).config())
}

/// The message of a refusal; it names the file and every one of the parts.
fn refused(bytes: impl AsRef<[u8]>, parts: &[&str]) -> String {
    let message = read(bytes).unwrap_err().to_string();
    assert!(message.contains("bad.csv"), "{message}");
    for part in parts {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
    message
}

fn noted(bytes: impl AsRef<[u8]>, part: &str) -> Dataset {
    let set = read(bytes).unwrap();
    assert!(
        set.summary.notes.iter().any(|note| note.contains(part)),
        "{:?} does not say {part:?}",
        set.summary.notes
    );
    set
}

/// Thirty rows of two classes: a header, then what `row` makes of each row's number.
fn table(header: &str, row: impl Fn(usize) -> String) -> String {
    (0..30).fold(format!("{header}\n"), |mut csv, number| {
        writeln!(csv, "{}", row(number)).unwrap();
        csv
    })
}

/// A good row of the table `a,b,kind`.
fn good(row: usize) -> String {
    format!("{},{}.5,{}", row * 17 % 13, row * 5 % 7, ["x", "y"][row % 2])
}

#[test]
fn empty_file() {
    refused("", &["empty", "header"]);
    refused("\n  \r\n\n", &["empty"]);
    refused("\u{feff}", &["empty"]);
}

#[test]
fn header_without_rows() {
    refused("a,b,kind\n", &["no rows"]);
}

#[test]
fn binary_file() {
    refused(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", &["binary", "row 2", "CSV"]);
    refused(b"a,b,kind\n1,2,x\n1,\x002,y\n", &["byte 17", "row 3"]);
}

#[test]
fn utf_16_text() {
    let text: Vec<u8> = "\u{feff}a,b\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    refused(text, &["UTF-16", "UTF-8"]);
}

#[test]
fn ragged_rows() {
    let csv = table("a,b,kind", |row| if row == 4 { "1,2".to_owned() } else { good(row) });
    refused(csv, &["row 6 has 2 cells", "row 1 has 3"]);
    let csv = table("a,b,kind", |row| good(row) + if row == 9 { ",9" } else { "" });
    refused(csv, &["row 11 has 4 cells"]);
}

#[test]
fn one_class_only() {
    let csv = table("a,b,kind", |row| format!("{},{},x", row * 7 % 11, row % 3));
    refused(csv, &["\"kind\"", "\"x\"", "another class"]);
}

#[test]
fn one_value_only() {
    let csv = table("a,b,amount", |row| format!("{},{},2.5", row * 7 % 11, row % 3));
    refused(csv, &["\"amount\"", "2.5", "data.target"]);
}

#[test]
fn more_classes_than_rows() {
    let csv = table("a,b,kind", |row| format!("{},{},name{row}", row * 7 % 11, row % 3));
    let message = refused(csv, &["\"kind\"", "30 classes in 30 rows", "bring more rows of each"]);
    assert!(!message.contains("regression"), "{message}");
    let csv = Csv::new(table("a,amount", |row| format!("{},{row}.5", row * 7 % 11)));
    let forced = DataConfig {
        task: Some(TaskKind::Classification),
        ..csv.config()
    };
    assert!(matches!(
        load(&forced),
        Err(DataError::TooManyClasses { classes: 30, .. })
    ));
}

#[test]
fn a_ts_file_without_its_header() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("waves.ts");
    let samples: Vec<String> = (0..30).map(|row| format!("0.{row},1.5,2.{row}:a")).collect();
    std::fs::write(&path, samples.join("\n")).unwrap();
    let message = load(&config(&path)).map(|_| ()).unwrap_err().to_string();
    assert!(
        message.contains("waves.ts: row 1") && message.contains("@classLabel true"),
        "{message}"
    );
}

#[test]
fn a_class_too_rare_to_stratify() {
    let csv = Csv::new(table("a,b,kind", |row| {
        if row < 2 { "1,2,rare".to_owned() } else { good(row) }
    }));
    let message = load(&csv.config()).unwrap_err().to_string();
    assert!(
        message.contains("\"rare\"") && message.contains("has 2 rows"),
        "{message}"
    );
    let csv = Csv::new(table("a,b,kind", |row| {
        if row < 4 { "1,2,rare".to_owned() } else { good(row) }
    }));
    assert!(load(&csv.config()).is_ok());
    assert!(matches!(
        load_fold(&csv.config(), 0, 5),
        Err(DataError::RareClass { rows: 4, needed: 5, .. })
    ));
}

#[test]
fn too_few_rows_to_split() {
    refused("a,b,kind\n1,2,x\n3,4,y\n", &["2 rows", "at least 3"]);
}

#[test]
fn nan_in_numbers_is_a_missing_value() {
    let csv = table(
        "a,b,kind",
        |row| if row == 3 { "1,NaN,x".to_owned() } else { good(row) },
    );
    let set = noted(csv, "\"b\": 1 missing values filled with the training median");
    assert!(set.train.inputs.all().unwrap().iter().all(|value| value.is_finite()));
}

#[test]
fn infinity_in_numbers() {
    for text in ["inf", "-Infinity", "1e999", "1e39"] {
        let csv = table(
            "a,b,kind",
            |row| if row == 3 { format!("1,{text},x") } else { good(row) },
        );
        refused(csv, &["row 5", "column \"b\"", text, "clear the cell"]);
    }
}

#[test]
fn a_text_among_numbers() {
    let csv = table("a,b,kind", |row| {
        if row == 7 {
            "1,7 mm,x".to_owned()
        } else {
            format!("{},{row}.25,{}", row % 4, row % 2)
        }
    });
    refused(csv, &["row 9", "column \"b\"", "\"7 mm\"", "not a number"]);
}

#[test]
fn a_text_target_cannot_be_regressed() {
    let csv = Csv::new(table("a,b,kind", good));
    let forced = DataConfig {
        task: Some(TaskKind::Regression),
        ..csv.config()
    };
    let message = load(&forced).unwrap_err().to_string();
    assert!(message.contains("row 2") && message.contains("\"kind\""), "{message}");
}

#[test]
fn separators_of_thousands() {
    let csv = table("a,b,kind", |row| format!("{row}.5,\"1,{:03}\",{}", row * 31, row % 2));
    refused(csv, &["row 2", "column \"b\"", "thousands"]);
    let csv = table("a;b;kind", |row| format!("{row}.5;1.000.{:03},5;{}", row * 31, row % 2));
    refused(csv, &["row 2", "column \"b\"", "thousands"]);
}

#[test]
fn decimal_commas_mixed_with_points() {
    let csv = table("a;kind", |row| {
        format!("{row}{}5;{}", if row == 8 { '.' } else { ',' }, row % 2)
    });
    refused(csv, &["column \"a\"", "row 2", "row 10", "comma", "point"]);
}

#[test]
fn hundreds_of_thousands_of_columns() {
    let row = vec!["1"; 300_000].join(",") + "\n";
    let begun = Instant::now();
    refused(row.repeat(5), &["row 1", "more than 10000 columns"]);
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_row_without_an_end() {
    refused("a,b\n".to_owned() + &"1".repeat(5 << 20), &["row 2", "4194304 bytes"]);
}

#[test]
fn constant_columns_are_left_out() {
    let csv = table("a,same,word,none,kind", |row| {
        format!("{},5,w,,{}", row * 17 % 13, row % 2)
    });
    let set = noted(csv, "Left out \"same\", \"word\": constant");
    assert_eq!(set.summary.columns, ["a"]);
    assert!(
        set.summary
            .notes
            .iter()
            .any(|note| note == "Left out \"none\": no values")
    );
}

#[test]
fn nothing_but_constant_columns() {
    refused(
        table("a,kind", |row| format!("1,{}", row % 2)),
        &["no column", "\"a\": constant"],
    );
    refused(table("kind", |row| (row % 2).to_string()), &["no column", "\"kind\""]);
}

#[test]
fn a_quote_that_never_closes() {
    let csv = table(
        "a,b,kind",
        |row| if row == 5 { "1,\"2,x".to_owned() } else { good(row) },
    );
    refused(csv, &["row 7", "quote"]);
}

#[test]
fn a_quote_that_never_closes_in_a_large_file() {
    let csv = "a,b,kind\n1,\"2,x\n".to_owned() + &"3,4,y\n".repeat(1_000_000);
    let begun = Instant::now();
    refused(csv, &["row 2", "quote"]);
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn latin_1_text_is_read_with_a_note() {
    let csv = table("a,city,kind", |row| {
        format!(
            "{},{},{}",
            row * 17 % 13,
            ["Köln", "Bonn"][row % 2],
            ["x", "y"][row / 2 % 2]
        )
    });
    let latin: Vec<u8> = csv
        .chars()
        .map(|letter| u8::try_from(u32::from(letter)).unwrap())
        .collect();
    let set = noted(latin, "not UTF-8 (row 2); read as Windows-1252");
    assert_eq!(set.preprocessing.columns[1].name, "city");
    assert!(format!("{:?}", set.preprocessing.columns[1].kind).contains("Köln"));
}

#[test]
fn missing_target_column() {
    let csv = Csv::new(table("a,b,kind", good));
    let wrong = DataConfig {
        target: Some("Kinds".to_owned()),
        ..csv.config()
    };
    let message = load(&wrong).unwrap_err().to_string();
    assert!(
        message.contains("\"Kinds\"") && message.contains("did you mean \"kind\"?"),
        "{message}"
    );
}

#[test]
fn empty_target_column() {
    refused(table("a,kind", |row| format!("{row}.5,")), &["\"kind\"", "empty"]);
}

#[test]
fn rows_without_a_target_are_left_out() {
    let csv = table(
        "a,b,kind",
        |row| if row % 10 == 3 { "1,2,?".to_owned() } else { good(row) },
    );
    assert_eq!(noted(csv, "3 rows without a target are left out").summary.rows, 27);
}

#[test]
fn duplicate_column_names() {
    refused(table("a,a,kind", good), &["columns 1 and 2", "\"a\"", "rename"]);
}

#[test]
fn missing_file() {
    let folder = TempDir::new().unwrap();
    let message = load(&config(&folder.path().join("gone.csv"))).unwrap_err().to_string();
    assert!(
        message.contains("gone.csv") && message.contains("check the path"),
        "{message}"
    );
}

#[test]
fn unknown_name_of_a_set() {
    let message = load(&config(Path::new("digit"))).unwrap_err().to_string();
    assert!(message.contains("did you mean \"digits\"?"), "{message}");
}

#[test]
fn directory_instead_of_a_file() {
    let folder = TempDir::new().unwrap();
    let message = load(&config(folder.path())).unwrap_err().to_string();
    assert!(
        message.contains("directory") && message.contains("CSV file"),
        "{message}"
    );
}

#[test]
fn device_instead_of_a_file() {
    assert!(matches!(
        load(&config(Path::new("/dev/zero"))),
        Err(DataError::NotAFile { .. } | DataError::Io { .. })
    ));
}

#[test]
fn impossible_split() {
    let csv = Csv::new(table("a,b,kind", good));
    for split in [[0.7, 0.7, 0.7], [1.0, 0.0, 0.0], [f64::NAN, 0.5, 0.5]] {
        let message = load(&DataConfig { split, ..csv.config() }).unwrap_err().to_string();
        assert!(message.contains("data.split"), "{message}");
    }
}

#[test]
fn prediction_rows_name_what_is_wrong() {
    let training = read(table("a,b,kind", good)).unwrap();
    let refused = |bytes: &str, parts: &[&str]| {
        let csv = Csv::new(bytes);
        let message = read_rows(&csv.path(), &training.preprocessing).unwrap_err().to_string();
        for part in parts {
            assert!(message.contains(part), "{message:?} does not say {part:?}");
        }
    };
    refused("", &["empty"]);
    refused("a,kind\n1,x\n", &["bad.csv", "\"b\"", "which the model reads"]);
    refused("a,b\n1,2\n3,many\n", &["row 3", "column \"b\"", "\"many\""]);
    refused("a,b\n1,inf\n", &["row 2", "column \"b\"", "infinite"]);
    refused("a,b\n1,2\n1\n", &["row 3 has 1 cells"]);
    refused("a,b\n", &["no rows"]);
    refused("1,2,3,4\n", &["4 columns without a header", "reads 2"]);
    let mut damaged = training.preprocessing.clone();
    damaged.columns.pop();
    let csv = Csv::new("a,b\n1,2\n");
    let message = read_rows(&csv.path(), &damaged).unwrap_err().to_string();
    assert!(message.contains("preprocessing.json"), "{message}");
}

/// Tables whose columns are mostly of one kind, with something odd here and there.
fn tables() -> impl Strategy<Value = Vec<u8>> {
    let odd = prop::sample::select(vec![
        "", "NA", "\"", "\"a;b\"", "inf", "1e400", "é", "\u{feff}", "1.000,5", "x,y",
    ]);
    let kinds = prop::sample::select(vec![
        "-?[0-9]{1,3}",
        "[0-9]{1,2}\\.[0-9]{1,3}",
        "[0-9]{1,2},[0-9]{1,3}",
        "[a-c]",
        "[01]",
    ]);
    let column = (kinds, prop::collection::vec((0..60_usize, odd), 0..2)).prop_flat_map(|(kind, odd)| {
        prop::collection::vec(kind, 60).prop_map(move |mut cells| {
            for (row, cell) in &odd {
                (*cell).clone_into(&mut cells[*row]);
            }
            cells
        })
    });
    let separator = prop::sample::select(vec![",", ";", "\t"]);
    let ending = prop::sample::select(vec!["\n", "\r\n", "\r"]);
    (prop::collection::vec(column, 1..5), 0..60_usize, separator, ending).prop_map(
        |(columns, rows, separator, ending)| {
            let row = |row: usize| {
                columns
                    .iter()
                    .map(|column| column[row].as_str())
                    .collect::<Vec<_>>()
                    .join(separator)
            };
            (0..rows).map(row).collect::<Vec<_>>().join(ending).into_bytes()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        never_panics(&bytes)?;
    }

    #[test]
    fn arbitrary_printable_bytes_never_panic(
        bytes in prop::collection::vec(prop_oneof![3 => b' '..=0xff_u8, 2 => prop::sample::select(b"\r\n,;\t\"".to_vec())], 0..300)
    ) {
        never_panics(&bytes)?;
    }

    #[test]
    fn arbitrary_tables_never_panic(bytes in tables()) {
        never_panics(&bytes)?;
    }
}

/// A text between a column that is left out and the target.
#[test]
fn texts_without_a_header_are_read_back_by_their_places() {
    let rows = [
        "0;1,0;11,495",
        "0;2,0;26,374",
        "0;00,0;8,61",
        "0;3,0;08,785",
        "0;01,0;5,71",
        "0;02,0;77,90",
        "0;10,0;6,3",
        "0;6,0;9,474",
        "0;7,0;4,8",
        "0;0,1;9,43",
        "0;4,1;8,0",
        "0;11,0;47,5",
        "0;03,0;98,8",
        "0;x,y;2,292",
        "1;2,0;25,102",
        "1;3,2;9,586",
        "0;8,1;5,3",
        "1;4,0;44,873",
        "0;5,0;57,160",
        "1;5,0;94,12",
        "0;04,0;68,5",
        "0;05,1;6,263",
        "1;00,0;36,037",
        "0;9,0;80,07",
        "2;0,0;7,321",
        "1;0,0;3,684",
        "0;12,0;12,339",
        "0;06,0;67,7",
        "2;1,0;0,010",
    ];
    let text = rows.join("\r");
    never_panics(text.as_bytes()).unwrap();
    let csv = Csv::new(text.as_bytes());
    let set = load(&csv.config()).unwrap();
    assert!(
        matches!(set.summary.input, Shape::Tokens { .. }),
        "{:?}",
        set.summary.input
    );
    let again = read_rows(&csv.path(), &set.preprocessing).unwrap();
    assert_eq!(again.rows, set.summary.rows);
}

/// What can be read has finite inputs of the promised sizes, and can be read back for prediction.
fn never_panics(bytes: &[u8]) -> Result<(), TestCaseError> {
    let csv = Csv::new(bytes);
    let loaded = load(&csv.config());
    let _ = load_fold(&csv.config(), 1, 3);
    let iris = load(&config(Path::new("iris"))).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let _ = read_rows(&csv.path(), &iris.preprocessing);
    let Ok(set) = loaded else { return Ok(()) };
    for part in [&set.train, &set.validation, &set.test] {
        prop_assert_eq!(part.inputs.len(), part.len() * set.summary.input.len());
        prop_assert!(part.inputs.all().unwrap().iter().all(|value| value.is_finite()));
    }
    prop_assert!(!set.train.is_empty());
    prop_assert_eq!(
        set.train.len() + set.validation.len() + set.test.len(),
        set.summary.rows
    );
    let again = read_rows(&csv.path(), &set.preprocessing);
    prop_assert!(again.is_ok(), "{:?}", again);
    Ok(())
}
