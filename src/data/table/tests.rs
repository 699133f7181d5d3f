//! Good input in all its dialects.

use std::fmt::Write;

use super::*;
use crate::data::target::{Target, TargetValues};
use crate::spec::{Task, TaskKind};

fn table(csv: &str) -> Table {
    read_table("t.csv", csv.as_bytes(), None, false).unwrap_or_else(|error| panic!("{error}\n{csv}"))
}

fn target(csv: &str, forced: Option<TaskKind>) -> Result<Target, DataError> {
    let table = table(csv);
    Target::of(&table.file, &table.targets, forced, None)
}

fn names(table: &Table) -> Vec<&str> {
    table.columns.iter().map(|column| column.name.as_str()).collect()
}

fn numbers(table: &Table, column: usize) -> &[f64] {
    match &table.columns[column].values {
        Values::Numbers(numbers) => numbers,
        Values::Texts { .. } => panic!("texts"),
    }
}

#[test]
fn every_dialect_gives_the_same_table() {
    let expected = table("height,width,kind\n1.5,2,a\n2.5,5,b\n0.25,4,a\n");
    for csv in [
        "height;width;kind\n1,5;2;a\n2,5;5;b\n0,25;4;a\n",
        "height\twidth\tkind\r\n1,5\t2\ta\r\n2,5\t5\tb\r\n0,25\t4\ta\r\n",
        "\u{feff}height,width,kind\r1.5,2,a\r2.5,5,b\r0.25,4,a",
        "\"height\",\"width\",\"kind\"\n\"1.5\",\"2\",\"a\"\n\n\"2.5\",5,b\n \n.25,4,a\n\n",
        "height,width,kind\n\"1,5\",2,a\n\"2,5\",5,b\n\"0,25\",4,a\n",
        " height , width , kind \n 1.5 , 2 , a \n2.5, 5, b\n0.25,4, a\n",
    ] {
        let read = table(csv);
        assert_eq!(names(&read), ["height", "width"], "{csv}");
        assert_eq!(numbers(&read, 0), numbers(&expected, 0), "{csv}");
        assert_eq!(numbers(&read, 1), numbers(&expected, 1), "{csv}");
        assert!(matches!(&read.targets[0].values, Values::Texts { texts, .. } if texts == &["a", "b"]));
    }
}

#[test]
fn a_headerless_file_with_decimal_commas_is_separated_by_semicolons() {
    let read = table("1,5;2,5;0,5\n2,5;3,5;1,5\n9,5;8,5;2,5\n");
    assert_eq!(names(&read), ["column_1", "column_2"]);
    assert_eq!(numbers(&read, 0), [1.5, 2.5, 9.5]);
    assert!(read.notes.iter().any(|note| note.contains("No header")));
}

#[test]
fn quoted_names_and_cells_may_hold_separators_quotes_and_line_breaks() {
    let read = table("\"a, \"\"b\"\"\",\"c\nd\",kind\n1,\"x, y\",p\n3,\"z\nz\",q\n2,\"x, y\",p\n");
    assert_eq!(names(&read), ["a, \"b\"", "c\nd"]);
    assert!(matches!(&read.columns[1].values, Values::Texts { texts, .. } if texts == &["x, y", "z\nz"]));
}

#[test]
fn headers() {
    assert_eq!(names(&table("a,b,t\nu,x,1\nv,x,0\nu,y,1\n")), ["a", "b"]);
    assert_eq!(names(&table("u,x,p\nv,z,q\nu,y,p\nu,z,q\n")), ["u", "x"]);
    assert_eq!(names(&table("x,x,p\nv,x,q\nx,y,p\nx,x,q\n")), ["column_1", "column_2"]);
    assert_eq!(
        names(&table("id,2019,2020,t\n7,1,2,a\n9,2,5,b\n7,5,1,a\n")),
        ["id", "2019", "2020"]
    );
    assert_eq!(names(&table(",b,t\n5,1,a\n9,2,b\n5,5,a\n")), ["column_1", "b"]);
}

#[test]
fn the_target_is_the_last_column_or_the_named_one() {
    let csv = b"kind,a,b\nx,1,9\ny,5,3\nx,2,9\n";
    assert_eq!(
        read_table("t", csv, None, false)
            .map(|table| table.targets[0].name.clone())
            .ok(),
        Some("b".into())
    );
    let named = read_table("t", csv, Some("kind"), false).unwrap();
    assert_eq!(named.targets[0].name, "kind");
    assert_eq!(names(&named), ["a", "b"]);
}

#[test]
fn identifiers_are_left_out_with_a_word() {
    let mut csv = "row,customer_id,name,colour,size,t\n".to_owned();
    for row in 0..12 {
        let colour = ["red", "blue"][row % 2];
        writeln!(
            csv,
            "{},{},person {row},{colour},{},{}",
            row + 5,
            row * 7919 % 101,
            row % 5,
            row % 3
        )
        .unwrap();
    }
    let read = table(&csv);
    assert_eq!(names(&read), ["colour", "size"]);
    assert_eq!(
        read.notes,
        [
            "Left out \"row\": a running number",
            "Left out \"customer_id\": an identifier",
            "Left out \"name\": every text is different, an identifier",
        ]
    );
}

#[test]
fn a_running_number_stays_when_it_is_all_there_is() {
    let read = table("time,t\n1,2.5\n2,3\n3,7\n4,5\n");
    assert_eq!(names(&read), ["time"]);
}

#[test]
fn a_running_number_of_a_regression_may_be_its_trend() {
    let rows = |head: &str| {
        (1..=40).fold(format!("{head}\n"), |mut csv, row| {
            let half = f64::from(row % 2) / 2.0;
            writeln!(csv, "{row},{row},{},{}", row % 7, 3.0 * f64::from(row) + half).unwrap();
            csv
        })
    };
    let trend = table(&rows("id,month,promo,sales"));
    assert_eq!(names(&trend), ["month", "promo"]);
    assert_eq!(trend.notes, ["Left out \"id\": a running number"]);
    // An index is one where it stands first; a second one of that name is a quantity.
    assert_eq!(names(&table(&rows("month,no,promo,sales"))), ["month", "no", "promo"]);
    // Whole numbers that are classes have no trend.
    let classes = (1..=40).fold("month,promo,kind\n".to_owned(), |mut csv, row| {
        writeln!(csv, "{row},{},{}", row % 7, row % 3).unwrap();
        csv
    });
    assert_eq!(names(&table(&classes)), ["promo"]);
}

#[test]
fn free_text_is_left_out() {
    let csv = (0..3000).fold("a,words,t\n".to_owned(), |mut csv, row| {
        writeln!(csv, "{},text {},{}", row % 7, row % 1500, row % 2).unwrap();
        csv
    });
    let read = table(&csv);
    assert_eq!(names(&read), ["a"]);
    assert!(read.notes[0].contains("more than 1000"), "{:?}", read.notes);
}

#[test]
fn the_target_decides_the_task() {
    let task = |csv: &str, forced| target(csv, forced).map(|target| target.task);
    let rows = |cell: &dyn Fn(usize) -> String| {
        (0..30).fold("a,t\n".to_owned(), |mut csv, row| {
            writeln!(csv, "{},{}", row % 7, cell(row)).unwrap();
            csv
        })
    };
    let classes = |names: &[&str]| Task::Classification {
        classes: names.iter().map(|&name| name.to_owned()).collect(),
    };
    let texts = rows(&|row| ["no", "yes"][row % 2].to_owned());
    let few = rows(&|row| [10, 2, 3][row % 3].to_string());
    let many = rows(&|row| row.to_string());
    let fractions = rows(&|row| ["0.5", "1.5"][row % 2].to_owned());
    assert_eq!(task(&texts, None).unwrap(), classes(&["no", "yes"]));
    assert_eq!(task(&few, None).unwrap(), classes(&["2", "3", "10"]));
    assert!(task(&many, None).unwrap().is_regression());
    assert!(task(&fractions, None).unwrap().is_regression());
    assert!(task(&few, Some(TaskKind::Regression)).unwrap().is_regression());
    assert_eq!(
        task(&fractions, Some(TaskKind::Classification)).unwrap(),
        classes(&["0.5", "1.5"])
    );
}

#[test]
fn classes_are_numbered_in_their_order() {
    let read = table("a,t\n1,z\n2,m\n5,z\n1,m\n2,z\n4,m\n");
    let target = Target::of(&read.file, &read.targets, None, None).unwrap();
    assert_eq!(target.class_rows, [3, 3]);
    assert!(matches!(target.values, TargetValues::Classes(rows) if rows == [1, 0, 1, 0, 1, 0]));
}
