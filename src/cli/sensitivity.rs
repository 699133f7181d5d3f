//! The command that shows which layers suffer from compression.

use super::work::Desk;
use super::{CommandError, report, to_json};
use crate::jobs::{Finding, Job};
use crate::spec::{LayerChange, Sensitivity, units};
use crate::store::Store;

pub fn run(store: Store, run: &str, change: LayerChange, json: bool) -> Result<String, CommandError> {
    let run = store.find(run)?;
    let Finding::Sensitivity { sensitivity, .. } = Desk::open(store)?.find(Job::Sensitivity { run, change })? else {
        return Err("the answer was to another question".into());
    };
    if json {
        return to_json(&sensitivity);
    }
    Ok(table(&sensitivity))
}

fn table(sensitivity: &Sensitivity) -> String {
    let ranked = sensitivity.ranked();
    let rows: Vec<Vec<String>> = sensitivity
        .layers
        .iter()
        .map(|row| {
            let place = ranked.iter().position(|ranked| ranked.layer == row.layer);
            vec![
                row.layer.to_string(),
                row.name.clone(),
                units::count(row.parameters as f64),
                format!("{:.4}", row.score),
                format!("{:+.2}", -row.points_lost),
                row.signal_to_noise_db
                    .map_or_else(|| "unchanged".to_owned(), |signal| format!("{signal:.1} dB")),
                place.map_or_else(String::new, |place| (place + 1).to_string()),
            ]
        })
        .collect();
    let titles = [
        "layer",
        "kind",
        "parameters",
        "score",
        "points",
        "signal to noise",
        "rank",
    ];
    format!(
        "{} one layer at a time, on the validation split; {:.4} as trained, {:.4} with all layers changed\n",
        sensitivity.change, sensitivity.baseline, sensitivity.all
    ) + &report::table(&titles, &rows)
        + "\nprotect=LAYER,... keeps layers as they were trained; rank 1 suffers most\n"
}
