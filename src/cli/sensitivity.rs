//! The command that shows which layers suffer from compression.

use super::work::Desk;
use super::{CommandError, report, to_json};
use crate::jobs::{Finding, Job};
use crate::spec::{LayerChange, Mix, Sensitivity, units};
use crate::store::Store;

pub fn run(
    store: Store,
    run: &str,
    (change, tolerated): (LayerChange, Option<f64>),
    json: bool,
) -> Result<String, CommandError> {
    let run = store.find(run)?;
    let job = Job::Sensitivity { run, change, tolerated };
    let Finding::Sensitivity { sensitivity, .. } = Desk::open(store)?.find(job)? else {
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
        + &sensitivity.mix.as_ref().map_or_else(String::new, mix)
}

/// What to protect, as a recipe takes it.
fn mix(mix: &Mix) -> String {
    let layers: Vec<String> = mix.protect.iter().map(ToString::to_string).collect();
    let words = if layers.is_empty() {
        "no layer needs to be protected".to_owned()
    } else {
        format!("protect={}", layers.join(","))
    };
    format!("to lose at most {} points: {words} ({:.4})\n", mix.tolerated, mix.score)
}
