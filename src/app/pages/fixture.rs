//! Runs made by hand, for the tests of pages that list them.

use crate::app::state::Model;
use crate::compare::tests::run;
use crate::jobs::RunRow;
use crate::spec::{RunId, RunStatus};

fn row(run: crate::spec::Run, dataset: &str, architecture: &str) -> RunRow {
    let deployed = run.deployed.as_ref();
    let origin = deployed.and_then(|deployed| deployed.parent.zip(deployed.recipe.clone()));
    RunRow {
        dataset: dataset.to_owned(),
        yardstick: crate::spec::Yardstick::default(),
        architecture: architecture.to_owned(),
        created_unix_secs: 1_700_000_000,
        origin,
        folds: None,
        run,
    }
}

/// `plain` (r1, digits), `other` (r2, wine), `half` (r3: `plain` compressed), `broken` (r4: failed), all shown.
pub fn model() -> Model {
    let mut rows = vec![
        row(run(1, None, 0.98, 4000, 40.0), "digits", "cnn"),
        row(run(2, None, 0.91, 9000, 90.0), "wine", "mlp"),
        row(run(3, Some("fp16"), 0.97, 2000, 39.0), "digits", "cnn"),
        row(run(4, None, 0.5, 1, 1.0), "digits", "mlp"),
    ];
    for (row, name) in rows.iter_mut().zip(["plain", "other", "half", "broken"]) {
        name.clone_into(&mut row.run.name);
    }
    let broken = &mut rows[3].run;
    broken.status = RunStatus::Failed;
    broken.failure = Some("the disk is full".to_owned());
    (broken.deployed, broken.test) = (None, None);
    let mut model = Model::default();
    model.runs.set_rows(rows);
    model.runs.shown = (1..=4).map(RunId).collect();
    model
}

/// `count` measured runs on one data set.
pub fn many(count: i64) -> Vec<RunRow> {
    let each = |number: i64| {
        let size = (number * 7919 % 10_007) as u64 + 1;
        let mut run = run(
            number,
            None,
            (number % 997) as f64 / 997.0,
            size,
            5.0 + (number % 83) as f64,
        );
        run.name = format!("sweep {number}");
        row(run, "digits", "mlp")
    };
    (1..=count).map(each).collect()
}
