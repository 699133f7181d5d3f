//! Each finding on data made to have it, and none on the shipped sets that they do not deserve.

use std::fmt::Write;

use super::leak::rank_correlation;
use super::*;
use crate::data::{load, names};
use crate::spec::DataConfig;

fn of_csv(csv: &str) -> Vec<Finding> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.csv");
    std::fs::write(&path, csv).unwrap();
    let config = DataConfig {
        source: path.display().to_string(),
        ..DataConfig::default()
    };
    health(&load(&config).unwrap()).unwrap()
}

/// 400 rows of two columns that tell nothing of the target, and what `row` adds to each.
fn table(header: &str, row: impl Fn(usize) -> String) -> String {
    (0..400).fold(format!("a,b,{header}\n"), |mut csv, number| {
        writeln!(
            csv,
            "{}.5,{},{}",
            number * 7919 % 401,
            number * 104_729 % 397,
            row(number)
        )
        .unwrap();
        csv
    })
}

fn find(findings: &[Finding], kind: FindingKind) -> Vec<&Finding> {
    findings.iter().filter(|finding| finding.kind == kind).collect()
}

fn coin(row: usize) -> usize {
    ((row * 2_654_435_761) >> 7) % 2
}

#[test]
fn clean_data_have_no_findings() {
    let findings = of_csv(&table("kind", |row| format!("k{}", coin(row))));
    assert_eq!(findings, []);
}

#[test]
fn uneven_classes_and_rare_ones() {
    let findings = of_csv(&table("kind", |row| if row < 8 { "rare" } else { "usual" }.to_owned()));
    let found = find(&findings, FindingKind::ClassBalance);
    assert_eq!(found.len(), 2, "{findings:?}");
    assert_eq!((found[0].place.as_str(), found[0].count), ("rare", 8));
    assert!(found[0].remedy.contains("class_weights"));
    assert!(found[1].what.contains("Training rows"));
}

#[test]
fn copies_within_and_across_parts_and_contradictions() {
    // Every row twice, half of them with another class.
    let mut csv = "a,b,kind\n".to_owned();
    for row in 0..200 {
        for copy in 0..2 {
            let class = (coin(row) + copy * (row % 2)) % 2;
            writeln!(csv, "{row}.25,{},k{class}", row * 31 % 97).unwrap();
        }
    }
    let findings = of_csv(&csv);
    let test = find(&findings, FindingKind::SharedRows);
    assert_eq!(
        test.iter().map(|found| found.place.as_str()).collect::<Vec<_>>(),
        ["validation", "test"]
    );
    // Of a test row's copy 279 of 399 places are in training.
    assert!((30..=54).contains(&test[1].count), "{}", test[1].count);
    let copies = find(&findings, FindingKind::Duplicates)[0].count;
    let contradictions = find(&findings, FindingKind::Contradictions)[0].count;
    assert!((70..=125).contains(&copies), "{copies}");
    assert!(
        contradictions > copies / 4 && contradictions < 3 * copies / 4,
        "{contradictions} of {copies}"
    );
}

#[test]
fn constant_columns() {
    let findings = of_csv(&table("same,kind", |row| format!("5,k{}", coin(row))));
    let found = find(&findings, FindingKind::Constant);
    assert_eq!(
        found.iter().map(|found| found.place.as_str()).collect::<Vec<_>>(),
        ["same"]
    );
    assert!(found[0].what.contains("left out"));
}

#[test]
fn columns_that_tell_the_class() {
    for (name, cell) in [
        (
            "number",
            &(|row: usize| format!("{}", 10 * coin(row) + row % 9)) as &dyn Fn(usize) -> String,
        ),
        ("code", &|row| ["x", "y", "z", "w"][2 * coin(row) + row % 2].to_owned()),
    ] {
        let findings = of_csv(&table(&format!("{name},kind"), |row| {
            format!("{},k{}", cell(row), coin(row))
        }));
        let found = find(&findings, FindingKind::Leak);
        assert_eq!(
            found.iter().map(|found| found.place.as_str()).collect::<Vec<_>>(),
            [name],
            "{findings:?}"
        );
        assert!(found[0].what.contains("100"), "{found:?}");
    }
}

#[test]
fn columns_that_tell_the_number() {
    let target = |row: usize| (row * 7919 % 1009) as f64;
    let findings = of_csv(&table("made,amount", |row| {
        format!("{},{}.25", -target(row).powi(3), target(row))
    }));
    let found = find(&findings, FindingKind::Leak);
    assert_eq!(
        found.iter().map(|found| found.place.as_str()).collect::<Vec<_>>(),
        ["made"],
        "{findings:?}"
    );
    assert!(found[0].what.contains("-1.000"), "{found:?}");
}

#[test]
fn ranks_of_equal_values_are_shared() {
    assert!((rank_correlation(&[1.0, 2.0, 3.0, 4.0], &[1.0, 4.0, 9.0, 16.0]) - 1.0).abs() < 1e-12);
    // Ranks 0.5, 0.5, 2, 3 against 0, 1, 2, 3: 4.5 / sqrt(4.5 * 5).
    let shared = rank_correlation(&[1.0, 1.0, 2.0, 3.0], &[1.0, 2.0, 3.0, 4.0]);
    assert!((shared - 4.5 / f64::sqrt(22.5)).abs() < 1e-12, "{shared}");
    assert_eq!(rank_correlation(&[1.0, 1.0], &[1.0, 2.0]), 0.0);
}

#[test]
fn outliers_of_inputs_and_targets() {
    let findings = of_csv(&table("size,amount", |row| {
        let size = if row == 17 || row == 90 || row == 210 {
            90_000
        } else {
            row * 31 % 101
        };
        let amount = if row == 33 || row == 34 || row == 35 {
            -5000
        } else {
            (row * 37 % 103) as i64
        };
        format!("{size},{amount}.5")
    }));
    let found = find(&findings, FindingKind::Outliers);
    let places: Vec<&str> = found.iter().map(|found| found.place.as_str()).collect();
    assert!(places.contains(&"size") && places.contains(&"amount"), "{findings:?}");
    for found in found {
        assert!(
            found
                .what
                .contains(if found.place == "size" { "90000" } else { "-5000" }),
            "{found:?}"
        );
        assert!(found.remedy.contains("huber") == (found.place == "amount"));
    }
}

#[test]
fn shipped_and_generated_sets_have_no_leaks() {
    for (name, _) in names() {
        let config = DataConfig {
            source: name.to_owned(),
            samples: 2000,
            ..DataConfig::default()
        };
        let findings = health(&load(&config).unwrap()).unwrap();
        assert_eq!(find(&findings, FindingKind::Leak), Vec::<&Finding>::new(), "{name}");
        let uneven = find(&findings, FindingKind::ClassBalance);
        assert_eq!(uneven, Vec::<&Finding>::new(), "{name}");
    }
}
