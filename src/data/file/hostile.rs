//! Broken, hostile and mutated files: an error or a report, no panic, in little time and memory.

use std::fmt::Write;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::tests::{forecast, load, long, plain, predict, sentences, series, ts, wide};
use crate::spec::{DataConfig, Preprocessing};

#[test]
fn hostile_files_are_refused_or_read_in_little_time() {
    let many = |count: usize| " a".repeat(count);
    let header = "@problemName x\n@classLabel true a b\n@data\n";
    let ids = "id,time,x,kind\n".to_owned() + &"7,1,2,a\n".repeat(200);
    let uneven = format!("{header}{}:a\n{}", vec!["1"; 300_000].join(","), "1:a\n2:b\n".repeat(4));
    let unlabelled = "@classLabel false\n@data\n1,2\n3,4\n".to_owned();
    let refused: Vec<(Vec<u8>, &str)> = vec![
        (b"@dimensions 1000000000\n@data\n1:a\n".to_vec(), "1 to 10000"),
        (
            format!("@classLabel true{}\n@data\n1:a\n", many(5000)).into_bytes(),
            "1000 classes",
        ),
        (b"@seriesLength 99999999999999999999\n@data\n".to_vec(), "no rows"),
        (b"@problemName x\n1,2,3:a\n".to_vec(), "@data"),
        (b"@problemName".to_vec(), "@data"),
        (format!("{header}1,2,inf:a\n").into_bytes(), "\"inf\" is not a number"),
        (format!("{header}1,2,x:a\n").into_bytes(), "row 4"),
        (format!("{header}1,2:c\n").into_bytes(), "\"c\""),
        (format!("{header}1,2:3,4:a\n5:b\n").into_bytes(), "row 5"),
        (format!("{header}1,2\n").into_bytes(), "class"),
        (
            format!("{header}{}", ":".repeat(20_000)).into_bytes(),
            "10000 dimensions",
        ),
        (format!("{header}1,2\0:a\n").into_bytes(), "binary"),
        (ids.into_bytes(), "1 rows"),
        (uneven.into_bytes(), "data.steps"),
        (unlabelled.into_bytes(), "@targetLabel"),
        (
            format!("t0,t1,t2,t3,t4,t5,t6,t7,kind\n{}", ",,,,,,,,a\n".repeat(9)).into_bytes(),
            "no rows",
        ),
    ];
    for (bytes, part) in refused {
        let begun = Instant::now();
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        let message = match load(&bytes, &plain()) {
            Err(error) => error.to_string(),
            Ok(set) => panic!("{start}: {:?}", set.summary),
        };
        assert!(
            message.contains("data.csv") && message.contains(part),
            "{start}: {message}"
        );
        assert!(begun.elapsed() < Duration::from_secs(10), "{start}");
    }
    // Samples times the longest is what would be held.
    let mut long = "id,time,x,kind\n".to_owned();
    for step in 0..20_000 {
        writeln!(long, "0,{step},{step},a").unwrap();
    }
    for row in 1..30_000 {
        let class = ["a", "b"][row % 2];
        writeln!(long, "{row},0,1,{class}\n{row},1,2,{class}").unwrap();
    }
    let message = load(long.as_bytes(), &plain()).unwrap_err().to_string();
    assert!(message.contains("data.steps"), "{message}");
}

/// Files that can be read, and what they are mutated into.
fn mutated() -> impl Strategy<Value = (Vec<u8>, bool)> {
    let texts = prop::sample::select(vec![long(), wide(), ts(), series(), sentences()]);
    let pieces = prop::sample::select(vec![
        "",
        ",",
        "\n",
        ":",
        "@data",
        "@",
        "?",
        "inf",
        "NaN",
        "\"",
        "1e400",
        "é",
        "\0",
        "-",
        "9999999999999999999",
        "id",
        "time",
    ]);
    let changes = prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize, pieces), 1..5);
    (texts, changes, any::<bool>()).prop_map(|(text, changes, forecasts)| {
        let mut bytes = text.into_bytes();
        for (place, removed, piece) in changes {
            let start = place.index(bytes.len() + 1);
            let end = (start + removed).min(bytes.len());
            bytes.splice(start..end, piece.bytes());
        }
        (bytes, forecasts)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn mutated_files_never_panic((bytes, forecasts) in mutated(), steps in prop::option::of(1..12_usize)) {
        let base = if forecasts { forecast() } else { plain() };
        never_panics(&bytes, &DataConfig { steps, ..base })?;
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), begins in any::<bool>()) {
        let bytes = if begins { [b"@classLabel true\n@data\n", &bytes[..]].concat() } else { bytes };
        for config in [plain(), forecast(), DataConfig { vocabulary: Some(5), ..plain() }] {
            never_panics(&bytes, &config)?;
        }
    }

    #[test]
    fn arbitrary_letters_never_panic(text in "(@?[a-c,:;?0-9 .()\n-]{0,60}\n){0,6}") {
        for config in [plain(), forecast(), DataConfig { steps: Some(4), ..plain() }] {
            never_panics(text.as_bytes(), &config)?;
            never_panics(format!("@classLabel true\n@data\n{text}").as_bytes(), &config)?;
        }
    }
}

/// What can be read has finite inputs of the promised sizes, and can be read back for prediction, as can anything for other models.
fn never_panics(bytes: &[u8], config: &DataConfig) -> Result<(), TestCaseError> {
    for text in [wide(), sentences(), series()] {
        let config = if text.starts_with("date") { forecast() } else { plain() };
        let model = load(text.as_bytes(), &config).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let _ = predict(bytes, &model.preprocessing);
    }
    let Ok(set) = load(bytes, config) else { return Ok(()) };
    for part in [&set.train, &set.validation, &set.test] {
        let inputs = part
            .inputs
            .all()
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(inputs.len(), part.len() * set.summary.input.len());
        prop_assert!(inputs.iter().all(|value| value.is_finite()));
    }
    prop_assert_eq!(set.preprocessing.problem(), None);
    let json = serde_json::to_string(&set.preprocessing).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let read: Preprocessing = serde_json::from_str(&json).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(&read, &set.preprocessing);
    prop_assert!(crate::data::health(&set).is_ok());
    let again = predict(bytes, &set.preprocessing);
    prop_assert!(again.is_ok(), "{:?}", again);
    Ok(())
}
