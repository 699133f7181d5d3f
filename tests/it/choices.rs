//! Whether the first pick of the advice is as good as the best of all families. What was measured stands in
//! `src/advice/measured.md`; the order of today is held against it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use trimtab::advice;
use trimtab::data;
use trimtab::jobs::{Engine, Job, Message, datasets};
use trimtab::spec::{Architecture, DataConfig, RunConfig};
use trimtab::store::Store;

const FOLDS: usize = 5;
/// How far below the best the first pick may be, in accuracy or R2.
const TOLERANCE: f64 = 0.02;
const HEAD: &str =
    "| data set | first pick | its score | best | its score | all, mean of five folds |\n|---|---|---|---|---|---|\n";

/// Mean accuracy, or R2, of each family on a data set.
type Scores = BTreeMap<Architecture, f64>;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/advice/measured.md")
}

fn data_of(source: &str) -> DataConfig {
    DataConfig {
        source: source.to_owned(),
        ..DataConfig::default()
    }
}

/// The last cell of each row of the table.
fn recorded() -> BTreeMap<String, Scores> {
    let text = fs::read_to_string(path()).unwrap_or_default();
    let rows = text.lines().filter(|line| line.starts_with("| ")).skip(1);
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let scores = cells[5].split(", ").map(|score| {
            let (name, score) = score.split_once(' ').unwrap();
            let architecture = Architecture::ALL
                .into_iter()
                .find(|architecture| architecture.name() == name);
            (architecture.unwrap(), score.parse().unwrap())
        });
        (cells[0].trim_matches('`').to_owned(), scores.collect())
    };
    rows.map(row).collect()
}

fn best(scores: &Scores) -> (Architecture, f64) {
    let best = scores.iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
    (*best.0, *best.1)
}

#[test]
fn the_first_pick_is_within_0_02_of_the_best_on_every_set() {
    let recorded = recorded();
    let mut wrong = String::new();
    for (source, _) in datasets() {
        let Some(scores) = recorded.get(source) else {
            panic!("{source} has not been measured: run measure_choices");
        };
        let data = data_of(source);
        let choices = advice::choose(&data, &data::load(&data).unwrap().summary);
        // Every family that fits was measured, no other.
        let mut offered: Vec<Architecture> = choices.iter().map(|choice| choice.architecture).collect();
        offered.sort_unstable();
        assert_eq!(offered, scores.keys().copied().collect::<Vec<_>>(), "{source}");
        let first = choices[0].architecture;
        let (best, score) = best(scores);
        if scores[&first] < score - TOLERANCE {
            writeln!(wrong, "{source}: {first} {:.3}, {best} {score:.3}", scores[&first]).unwrap();
        }
    }
    assert!(wrong.is_empty(), "first picks that are too far from the best:\n{wrong}");
}

/// Trains every family's preset on every set, or those that `TRIMTAB_FAMILIES` names on those that `TRIMTAB_SETS` names, and
/// writes the table.
#[test]
#[ignore = "trains for the better part of an hour"]
fn measure_choices() {
    let is_wanted = |list: &str, name: &str| match std::env::var(list) {
        Ok(list) => list.split(',').any(|one| one == name),
        Err(_) => true,
    };
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(folder.path()).unwrap());
    let engine = Engine::start(Arc::clone(&store), || ()).unwrap();
    let mut all = recorded();
    for (source, _) in datasets() {
        if !is_wanted("TRIMTAB_SETS", source) {
            continue;
        }
        let data = data_of(source);
        let choices = advice::choose(&data, &data::load(&data).unwrap().summary);
        let mut scores = all.remove(source).unwrap_or_default();
        scores.retain(|&known, _| choices.iter().any(|choice| choice.architecture == known));
        for choice in choices {
            if !is_wanted("TRIMTAB_FAMILIES", choice.architecture.name()) {
                continue;
            }
            let began = Instant::now();
            let score = mean_score(&engine, &store, choice.config);
            println!("{source} {} {score:.4} in {:.1?}", choice.architecture, began.elapsed());
            scores.insert(choice.architecture, score);
        }
        all.insert(source.to_owned(), scores);
        write(&all);
    }
}

fn mean_score(engine: &Engine, store: &Store, config: RunConfig) -> f64 {
    let ticket = engine.submit(Job::Folds { config, folds: FOLDS }).unwrap();
    loop {
        match engine.next_within(Duration::from_mins(10)).expect("the job is stuck") {
            Message::Closed { job, outcome } if job == ticket.job => {
                let metrics = store.run(outcome.unwrap()[0]).unwrap().run.test.unwrap();
                return metrics.accuracy.or(metrics.r2).unwrap();
            }
            _ => {}
        }
    }
}

fn write(all: &BTreeMap<String, Scores>) {
    let mut text = String::from(
        "Mean test score of five folds (accuracy; R2 of regressions and forecasts) of the small preset of every family that fits,\n\
         as `trimtab choose` proposes it, seed 0. The test `measure_choices` writes this table.\n\n",
    );
    text += HEAD;
    for (source, _) in datasets() {
        let Some(scores) = all.get(source) else { continue };
        let data = data_of(source);
        let first = advice::choose(&data, &data::load(&data).unwrap().summary)[0].architecture;
        let (best, score) = best(scores);
        let mut ranked: Vec<_> = scores.iter().collect();
        ranked.sort_by(|a, b| b.1.total_cmp(a.1));
        let list: Vec<String> = ranked
            .iter()
            .map(|(name, score)| format!("{name} {score:.3}"))
            .collect();
        let its = scores[&first];
        writeln!(
            text,
            "| `{source}` | {first} | {its:.3} | {best} | {score:.3} | {} |",
            list.join(", ")
        )
        .unwrap();
    }
    fs::write(path(), text).unwrap();
}
