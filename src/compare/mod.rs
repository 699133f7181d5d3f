//! Runs against a baseline: what compression cost in accuracy and bought in size, time and memory. Pure functions over
//! measured rows, shared by every door of the program.

mod axis;
mod budget;
mod differences;
mod listing;
mod pareto;

pub use axis::Axis;
pub use budget::{Budget, Excess, Recommendation, recommend};
pub use differences::{Difference, differences};
pub use listing::{Field, Line, Sort, order};
pub use pareto::{Point, front, staircase};

use crate::spec::{self, Deployed, Group, Metrics, Run, RunId, RunPlan, Verdict, Yardstick, push_csv_line, units};

/// Measured rows beside the one they are compared with.
#[derive(Debug, Clone)]
pub struct Comparison<'a> {
    pub baseline: &'a Run,
    pub rows: Vec<Row<'a>>,
}

/// A run with what was measured on its exported bytes.
#[derive(Debug, Clone)]
pub struct Row<'a> {
    pub run: &'a Run,
    pub deployed: &'a Deployed,
    /// None for the baseline itself.
    pub delta: Option<Delta>,
}

/// A row's figures against the baseline's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delta {
    /// Difference of the accuracies (or R2), in their own unit: -0.01 is one point lost.
    pub accuracy: f64,
    /// Row divided by baseline: 0.25 is a quarter of the size.
    pub size: f64,
    pub zstd: f64,
    pub memory: f64,
    /// Baseline's median time divided by the row's: 2 is twice as fast.
    pub speedup_batch1: f64,
    pub speedup_batch64: f64,
}

impl Delta {
    pub fn between(baseline: &Deployed, row: &Deployed) -> Self {
        let ratio = |row: u64, baseline: u64| row as f64 / baseline as f64;
        Self {
            accuracy: row.accuracy - baseline.accuracy,
            size: ratio(row.size_bytes, baseline.size_bytes),
            zstd: ratio(row.zstd_bytes, baseline.zstd_bytes),
            memory: ratio(row.memory_bytes, baseline.memory_bytes),
            speedup_batch1: baseline.latency_us.batch1.median / row.latency_us.batch1.median,
            speedup_batch64: baseline.latency_us.batch64.median / row.latency_us.batch64.median,
        }
    }
}

impl<'a> Comparison<'a> {
    /// The measured ones among `runs` beside `baseline`, which comes first; none if that is not measured.
    pub fn against(baseline: &'a Run, runs: impl IntoIterator<Item = &'a Run>) -> Option<Self> {
        baseline.deployed.as_ref()?;
        let others = runs.into_iter().filter(|run| run.run != baseline.run);
        Some(Self {
            baseline,
            rows: rows(baseline, std::iter::once(baseline).chain(others)),
        })
    }
}

/// The runs whose scores can be held against each other, apart from the others.
pub fn groups(runs: impl IntoIterator<Item = (Run, RunPlan)>) -> Vec<Group<Run>> {
    let described = runs.into_iter().map(|(run, plan)| {
        let yardstick = Yardstick::of(&plan);
        (run, plan.dataset.name, yardstick)
    });
    let groups = spec::groups(described, |(_, name, yardstick)| (name, yardstick));
    groups
        .into_iter()
        .map(|Group { title, members }| Group {
            title,
            members: members.into_iter().map(|(run, ..)| run).collect(),
        })
        .collect()
}

/// Compares the measured ones among `runs`, in their order. The baseline is the first uncompressed one, else the first
/// measured one; none are measured: no comparison.
pub fn compare<'a>(runs: impl IntoIterator<Item = &'a Run>) -> Option<Comparison<'a>> {
    let measured: Vec<&Run> = runs.into_iter().filter(|run| run.deployed.is_some()).collect();
    let is_uncompressed = |run: &&&Run| run.deployed.as_ref().is_some_and(|deployed| deployed.recipe.is_none());
    let baseline = *measured.iter().find(is_uncompressed).or_else(|| measured.first())?;
    Some(Comparison {
        baseline,
        rows: rows(baseline, measured),
    })
}

fn rows<'a>(baseline: &'a Run, runs: impl IntoIterator<Item = &'a Run>) -> Vec<Row<'a>> {
    let row = |run: &'a Run| {
        let deployed = run.deployed.as_ref()?;
        let reference = baseline.deployed.as_ref().filter(|_| run.run != baseline.run);
        Some(Row {
            run,
            deployed,
            delta: reference.map(|reference| Delta::between(reference, deployed)),
        })
    };
    runs.into_iter().filter_map(row).collect()
}

/// Difference of two runs' scores in their own unit, where both were scored on the same part of the data: on the test
/// rows, else on the validation rows of the best epoch.
pub fn score_difference(run: &Run, baseline: &Run) -> Option<f64> {
    if run.folds.is_some() || baseline.folds.is_some() {
        return None;
    }
    let of = |metrics: Option<Metrics>| metrics.and_then(|metrics| metrics.accuracy.or(metrics.r2));
    let test = |run: &Run| run.deployed.as_ref().map(|deployed| deployed.accuracy).or(of(run.test));
    let pair = test(run)
        .zip(test(baseline))
        .or_else(|| of(run.validation).zip(of(baseline.validation)))?;
    Some(pair.0 - pair.1)
}

/// The verdicts at batch 1 and at batch 64 where they are against `baseline`, timed in turn with it.
pub fn verdicts(deployed: &Deployed, baseline: RunId) -> Option<[Verdict; 2]> {
    let timed_beside = deployed.against.or(deployed.parent)?;
    (timed_beside == baseline).then_some([deployed.verdict_batch1, deployed.verdict])
}

/// Column titles and cells of the comparison as text, ready for a table.
pub fn table(comparison: &Comparison<'_>) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let score = comparison.baseline.metric();
    let regression = score == "R2";
    let titles = vec![
        "run", "name", "recipe", score, "size", "zstd", "batch 1", "batch 64", "memory", "speed", "verdict",
    ];
    let rows = comparison
        .rows
        .iter()
        .map(|row| {
            let deployed = row.deployed;
            let against = |text: String, note: Option<String>| match note {
                Some(note) => format!("{text} ({note})"),
                None => text,
            };
            let accuracy = if regression {
                format!("{:.4}", deployed.accuracy)
            } else {
                units::percent(deployed.accuracy)
            };
            let delta = row.delta;
            vec![
                row.run.run.to_string(),
                row.run.name.clone(),
                match (&deployed.recipe, delta) {
                    (Some(recipe), _) => recipe.to_string(),
                    (None, None) => "baseline".to_owned(),
                    (None, Some(_)) => "-".to_owned(),
                },
                against(
                    accuracy,
                    delta.map(|delta| {
                        if regression {
                            format!("{:+.4}", delta.accuracy)
                        } else {
                            format!("{:+.1}", delta.accuracy * 100.0)
                        }
                    }),
                ),
                against(units::bytes(deployed.size_bytes), delta.map(|delta| change(delta.size))),
                against(units::bytes(deployed.zstd_bytes), delta.map(|delta| change(delta.zstd))),
                against(
                    units::microseconds(deployed.latency_us.batch1.median),
                    delta.map(|delta| times(delta.speedup_batch1)),
                ),
                against(
                    units::microseconds(deployed.latency_us.batch64.median),
                    delta.map(|delta| times(delta.speedup_batch64)),
                ),
                against(
                    units::bytes(deployed.memory_bytes),
                    delta.map(|delta| change(delta.memory)),
                ),
                deployed.speed.to_string(),
                delta.map_or_else(String::new, |_| deployed.verdict.to_string()),
            ]
        })
        .collect();
    (titles, rows)
}

/// The measured rows as CSV with exact values.
pub fn csv(comparison: &Comparison<'_>) -> String {
    let mut text = String::from(
        "run,name,recipe,parent,score,metric,size_bytes,zstd_bytes,batch1_median_us,batch64_median_us,memory_bytes,speed,int8_layers,sha256,verdict\n",
    );
    for row in &comparison.rows {
        let deployed = row.deployed;
        let cells = [
            row.run.run.to_string(),
            row.run.name.clone(),
            deployed.recipe_name(),
            deployed.parent.map_or_else(String::new, |parent| parent.to_string()),
            deployed.accuracy.to_string(),
            row.run.metric().to_owned(),
            deployed.size_bytes.to_string(),
            deployed.zstd_bytes.to_string(),
            deployed.latency_us.batch1.median.to_string(),
            deployed.latency_us.batch64.median.to_string(),
            deployed.memory_bytes.to_string(),
            deployed.speed.to_string(),
            deployed.int8_layers.to_string(),
            deployed.sha256.clone(),
            // The baseline is not against anything.
            row.delta.map_or_else(String::new, |_| deployed.verdict.to_string()),
        ];
        push_csv_line(&mut text, cells);
    }
    text
}

/// A ratio as a change in percent: 0.25 is `-75 %`; one that is far from 1 as a factor.
fn change(ratio: f64) -> String {
    if (0.01..10.0).contains(&ratio) {
        format!("{:+.0} %", (ratio - 1.0) * 100.0)
    } else {
        times(ratio)
    }
}

/// A factor with two digits at least: `2.00x`, `0.012x`, `366x`.
fn times(ratio: f64) -> String {
    if (0.1..100.0).contains(&ratio) {
        format!("{ratio:.2}x")
    } else {
        format!("{}x", units::significant(ratio))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::spec::{Latency, LatencySummary, Metrics, RunId, RunStatus, Speed, Verdict};

    pub fn run(id: i64, recipe: Option<&str>, accuracy: f64, size: u64, median: f64) -> Run {
        let summary = |median| LatencySummary {
            p10: median,
            median,
            p90: median,
            n: 30,
        };
        Run {
            run: RunId(id),
            name: "a, \"b\"".to_owned(),
            status: RunStatus::Finished,
            epochs: 1,
            best_epoch: Some(1),
            train: None,
            validation: None,
            test: Some(Metrics {
                accuracy: Some(accuracy),
                ..Metrics::default()
            }),
            parameters: 1,
            multiply_adds: 1,
            elapsed_secs: 1.0,
            samples_per_second: 1.0,
            predicted_memory_bytes: 1,
            peak_memory_bytes: 1,
            failure: None,
            folds: None,
            deployed: Some(Deployed {
                recipe: recipe.map(|recipe| recipe.parse().unwrap()),
                parent: recipe.map(|_| RunId(1)),
                accuracy,
                size_bytes: size,
                zstd_bytes: size / 2,
                latency_us: Latency {
                    batch1: summary(median),
                    batch64: summary(median * 50.0),
                },
                memory_bytes: size * 2,
                speed: Speed::Measured,
                int8_layers: 0,
                sha256: "00".to_owned(),
                against: recipe.map(|_| RunId(1)),
                verdict: Verdict::Faster,
                verdict_batch1: Verdict::CannotTell,
                engine: "scalar".to_owned(),
            }),
        }
    }

    #[test]
    fn deltas_are_against_the_uncompressed_run_wherever_it_stands() {
        let runs = [run(2, Some("fp16"), 0.96, 500, 10.0), run(1, None, 0.98, 1000, 20.0)];
        let comparison = compare(&runs).unwrap();
        assert_eq!(comparison.baseline.run, RunId(1));
        let delta = comparison.rows[0].delta.unwrap();
        assert!((delta.accuracy + 0.02).abs() < 1e-12);
        assert_eq!(
            (delta.size, delta.speedup_batch1, delta.speedup_batch64),
            (0.5, 2.0, 2.0)
        );
        assert!(comparison.rows[1].delta.is_none());
        let (titles, rows) = table(&comparison);
        assert_eq!(titles.len(), rows[0].len());
        assert!(
            rows[0][3].contains("-2.0") && rows[0][4].contains("-50 %"),
            "{:?}",
            rows[0]
        );
    }

    #[test]
    fn rows_bear_their_names_and_only_the_reference_is_called_baseline() {
        let mut runs = [run(1, None, 0.1, 60, 0.1), run(2, None, 0.98, 12_200, 20.0)];
        runs[0].name = "majority".to_owned();
        let (titles, rows) = table(&compare(&runs).unwrap());
        assert_eq!(titles[..4], ["run", "name", "recipe", "accuracy"]);
        assert_eq!(rows[0][..3], ["r1", "majority", "baseline"]);
        assert_eq!(rows[1][..3], ["r2", "a, \"b\"", "-"]);
        assert!(
            rows[1][4].contains("203x") && rows[1][6].contains("0.00500x"),
            "{:?}",
            rows[1]
        );
    }

    #[test]
    fn csv_says_what_the_score_is_and_has_no_verdict_on_the_baseline() {
        let mut runs = [run(1, None, 0.98, 1000, 20.0), run(2, Some("fp16"), 0.96, 500, 10.0)];
        for run in &mut runs {
            run.test = Some(Metrics {
                r2: Some(0.5),
                ..Metrics::default()
            });
        }
        let text = csv(&compare(&runs).unwrap());
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let titles = reader.headers().unwrap().clone();
        let place = |title| titles.iter().position(|known| known == title).unwrap();
        let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
        assert_eq!((&rows[0][place("score")], &rows[0][place("metric")]), ("0.98", "R2"));
        assert_eq!((&rows[0][place("verdict")], &rows[1][place("verdict")]), ("", "faster"));
        assert!(!text.contains("accuracy"));
    }

    #[test]
    fn a_row_survives_json_with_its_measured_fields_beside_the_others() {
        let run = run(2, Some("units:0.5:finetune=3"), 0.96, 500, 10.0);
        let json = serde_json::to_value(&run).unwrap();
        assert_eq!(json["recipe"], "units:0.5:finetune=3");
        assert_eq!(json["latency_us"]["batch64"]["median"], 500.0);
        assert_eq!(json["verdict"], "faster");
        assert_eq!(serde_json::from_value::<Run>(json).unwrap(), run);
    }

    #[test]
    fn csv_quotes_whatever_has_commas() {
        let recipe = "int8-static:protect=0,4";
        let runs = [run(1, None, 0.98, 1000, 20.0), run(2, Some(recipe), 0.98, 300, 20.0)];
        let text = csv(&compare(&runs).unwrap());
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let titles = reader.headers().unwrap().len();
        let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
        assert_eq!((&rows[0][1], &rows[1][2]), ("a, \"b\"", recipe));
        assert!(rows.iter().all(|row| row.len() == titles));
    }

    #[test]
    fn nothing_measured_is_no_comparison() {
        let mut unmeasured = run(1, None, 0.9, 1, 1.0);
        unmeasured.deployed = None;
        assert!(compare(&[unmeasured.clone()]).is_none());
        assert!(Comparison::against(&unmeasured, &[run(2, None, 0.9, 1, 1.0)]).is_none());
    }

    #[test]
    fn a_chosen_baseline_comes_first_and_once() {
        let runs = [
            run(1, None, 0.98, 1000, 20.0),
            run(2, Some("fp16"), 0.96, 500, 10.0),
            run(3, Some("int8-static"), 0.95, 250, 5.0),
        ];
        let comparison = Comparison::against(&runs[1], &runs).unwrap();
        let numbers: Vec<i64> = comparison.rows.iter().map(|row| row.run.run.0).collect();
        assert_eq!(numbers, [2, 1, 3]);
        let deltas: Vec<Option<f64>> = comparison
            .rows
            .iter()
            .map(|row| row.delta.map(|delta| delta.size))
            .collect();
        assert_eq!(deltas, [None, Some(2.0), Some(0.5)]);
    }

    #[test]
    fn scores_are_compared_on_the_same_rows_only() {
        let (baseline, measured) = (run(1, None, 0.98, 1000, 20.0), run(2, Some("fp16"), 0.96, 500, 10.0));
        let close = |difference: Option<f64>, expected: f64| (difference.unwrap() - expected).abs() < 1e-12;
        assert!(close(score_difference(&measured, &baseline), -0.02));
        let mut training = measured.clone();
        (training.deployed, training.test) = (None, None);
        assert_eq!(score_difference(&training, &baseline), None, "no score yet");
        let validation = |accuracy| {
            Some(Metrics {
                accuracy: Some(accuracy),
                ..Metrics::default()
            })
        };
        training.validation = validation(0.9);
        assert_eq!(score_difference(&training, &baseline), None, "validation against test");
        let mut both = baseline.clone();
        both.validation = validation(0.95);
        assert!(close(score_difference(&training, &both), -0.05));
    }

    #[test]
    fn verdicts_count_only_against_the_run_that_was_timed_in_turn() {
        let run = run(2, Some("fp16"), 0.96, 500, 10.0);
        let mut deployed = run.deployed.unwrap();
        assert_eq!(
            verdicts(&deployed, RunId(1)),
            Some([Verdict::CannotTell, Verdict::Faster])
        );
        assert_eq!(verdicts(&deployed, RunId(3)), None);
        deployed.against = Some(RunId(3));
        assert!(verdicts(&deployed, RunId(3)).is_some() && verdicts(&deployed, RunId(1)).is_none());
        (deployed.against, deployed.parent) = (None, None);
        assert_eq!(verdicts(&deployed, RunId(1)), None);
    }

    #[test]
    fn the_first_of_a_measurement_keeps_what_it_was_found_to_be() {
        let former = run(2, Some("fp16"), 0.96, 500, 10.0).deployed;
        let measured_anew = |former: Option<&Deployed>| {
            let mut run = run(2, Some("fp16"), 0.96, 500, 10.0);
            let deployed = run.deployed.as_mut().unwrap();
            (deployed.against, deployed.verdict) = (None, Verdict::CannotTell);
            deployed.keep_verdicts(RunId(2), former);
            run
        };
        let kept = measured_anew(former.as_ref());
        assert_eq!((kept.timed_beside(), &kept.deployed), (Some(RunId(1)), &former));
        let alone = measured_anew(None);
        assert_eq!(alone.timed_beside(), None);
        assert_eq!(verdicts(alone.deployed.as_ref().unwrap(), RunId(1)), None);
        let still_alone = measured_anew(alone.deployed.as_ref());
        assert_eq!(still_alone.timed_beside(), None);
    }
}
