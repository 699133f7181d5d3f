//! Training and prediction must see the same bits.

use std::fmt::Write;

use super::*;
use crate::data::split::divide;
use crate::data::table::read_table;
use crate::data::target::Target;
use crate::data::{preprocess, shipped::SHIPPED};
use crate::spec::DataConfig;

const SPLIT: [f64; 3] = [0.7, 0.15, 0.15];

/// Preprocessing fitted on a split of `csv`, and all its rows as training would see them.
fn trained(csv: &[u8]) -> (Preprocessing, Vec<f32>, Targets) {
    let table = read_table("train.csv", csv, None, false).unwrap();
    let target = Target::of(&table.file, &table.targets, None, None).unwrap();
    let parts = divide(&target.strata, target.strata_count, SPLIT, 0);
    let (preprocessing, _) = preprocess::fit(&table, &target, &parts.train, None).unwrap();
    let rows: Vec<usize> = (0..table.rows).collect();
    let samples = preprocess::apply(&table, &target, &preprocessing, &rows);
    (
        preprocessing,
        samples.inputs.all().unwrap().into_owned(),
        samples.targets,
    )
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn mixed() -> String {
    let mut csv = "number;city;\"amount; net\";id;kind\n".to_owned();
    for row in 0..60 {
        let city = ["Wien", "Graz", "", "Linz"][row % 4];
        let amount = if row % 7 == 3 {
            "NA".to_owned()
        } else {
            format!("{},{}", row * 13 % 31, row % 10)
        };
        writeln!(
            csv,
            "{row};{city};{amount};{};{}",
            row * 7919 % 1009,
            ["a", "b"][row * 5 % 3 % 2]
        )
        .unwrap();
    }
    csv
}

#[test]
fn a_mixed_table_gives_the_same_bits() {
    let csv = mixed();
    let (preprocessing, inputs, targets) = trained(csv.as_bytes());
    let names: Vec<&str> = preprocessing
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(names, ["city", "amount; net"]);
    let new = rows_of("new.csv", csv.as_bytes(), &preprocessing).unwrap();
    assert_eq!(bits(&new.inputs), bits(&inputs));
    assert_eq!(new.targets, Some(targets));
    assert_eq!(new.notes.len(), 2, "{:?}", new.notes);
}

#[test]
fn every_shipped_set_gives_the_same_bits() {
    for set in SHIPPED.iter().filter(|set| set.text_steps.is_none()) {
        let csv = set.csv().unwrap();
        let (preprocessing, inputs, targets) = trained(&csv);
        let new = rows_of(set.name, &csv, &preprocessing).unwrap();
        assert_eq!(bits(&new.inputs), bits(&inputs), "{}", set.name);
        assert_eq!(new.targets, Some(targets), "{}", set.name);
        let json = serde_json::to_string(&preprocessing).unwrap();
        assert_eq!(serde_json::from_str::<Preprocessing>(&json).unwrap(), preprocessing);
    }
}

#[test]
fn images_give_the_same_bits_as_training() {
    let set = crate::data::load(&DataConfig::default()).unwrap();
    let new = rows_of("digits", &SHIPPED[0].csv().unwrap(), &set.preprocessing).unwrap();
    let mut seen: Vec<Vec<u32>> = new.inputs.chunks(64).map(bits).collect();
    let parts = [&set.train, &set.validation, &set.test]
        .map(|part| part.inputs.all().unwrap())
        .concat();
    let mut trained: Vec<Vec<u32>> = parts.chunks(64).map(bits).collect();
    seen.sort();
    trained.sort();
    assert_eq!(seen, trained);
}

#[test]
fn columns_go_by_name_in_any_order() {
    let (preprocessing, ..) = trained(mixed().as_bytes());
    let new = rows_of(
        "new.csv",
        b"extra,amount; net,city\nx,1.5,Graz\ny,?,Wels\n",
        &preprocessing,
    )
    .unwrap();
    let direct = rows_of("new.csv", b"city;amount; net\nGraz;1,5\nWels;\n", &preprocessing);
    assert_eq!(new.rows, 2);
    assert_eq!(new.targets, None);
    assert!(matches!(direct, Err(DataError::Ragged { .. })), "{direct:?}");
    let quoted = rows_of("new.csv", b"city;\"amount; net\"\nGraz;1,5\nWels;\n", &preprocessing).unwrap();
    assert_eq!(bits(&quoted.inputs), bits(&new.inputs));
}

#[test]
fn without_a_header_columns_go_by_position() {
    let (preprocessing, ..) = trained(b"a,b,t\n1,2.5,x\n2,3.5,y\n3,1,x\n4,2,y\n9,0,x\n7,9,y\n");
    let named = rows_of("new.csv", b"b,a\n2.5,1\n", &preprocessing).unwrap();
    let bare = rows_of("new.csv", b"1,2.5\n", &preprocessing).unwrap();
    assert_eq!(named.inputs, bare.inputs);
    let scored = rows_of("new.csv", b"1,2.5,y\n2,3,x\n", &preprocessing).unwrap();
    assert_eq!(scored.targets, Some(Targets::Classes(vec![1, 0])));
    assert!(matches!(
        rows_of("new.csv", b"1,2,3,4\n", &preprocessing),
        Err(DataError::ColumnCount {
            found: 4,
            expected: 2,
            ..
        })
    ));
}

#[test]
fn a_model_trained_without_a_header_reads_the_same_places() {
    let csv = b"1,5,2.5,x\n2,5,3.5,y\n3,5,1,x\n1,5,2,y\n9,5,0,x\n7,5,9,y\n";
    let (preprocessing, inputs, targets) = trained(csv);
    let names: Vec<&str> = preprocessing
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(names, ["column_1", "column_3"]);
    let new = rows_of("new.csv", csv, &preprocessing).unwrap();
    assert_eq!((new.inputs, new.targets), (inputs, Some(targets)));
}

#[test]
fn numeric_classes_and_unknown_targets() {
    let (preprocessing, ..) = trained(b"a,t\n1,1\n2,2\n5,1\n4,2\n9,1\n7,2\n");
    let read = |csv: &[u8]| rows_of("new.csv", csv, &preprocessing).unwrap();
    assert_eq!(read(b"a,t\n1,2.0\n").targets, Some(Targets::Classes(vec![1])));
    let unknown = read(b"a,t\n1,2\n1,3\n");
    assert_eq!((unknown.rows, unknown.targets), (2, None));
    assert!(unknown.notes[0].contains("row 3"), "{:?}", unknown.notes);
}

#[test]
fn an_empty_first_cell_is_not_a_header() {
    let rows = (0..14).map(|row| format!("{},0,0,{}\n", ["", "a"][row.min(1)], ["a", "b", "c"][row % 3]));
    let csv: String = rows.collect();
    let (preprocessing, inputs, targets) = trained(csv.as_bytes());
    let new = rows_of("new.csv", csv.as_bytes(), &preprocessing).unwrap();
    assert_eq!(bits(&new.inputs), bits(&inputs));
    assert_eq!(new.targets, Some(targets));
}
