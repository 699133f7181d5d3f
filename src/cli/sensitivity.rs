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
    let metric = store.run(run)?.run.metric();
    let job = Job::Sensitivity { run, change, tolerated };
    let Finding::Sensitivity { sensitivity, .. } = Desk::open(store)?.find(job)? else {
        return Err("the answer was to another question".into());
    };
    if json {
        return to_json(&sensitivity);
    }
    Ok(table(&sensitivity, metric))
}

fn table(sensitivity: &Sensitivity, metric: &str) -> String {
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
                points(row.points_lost),
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
        metric,
        "points",
        "signal to noise",
        "rank",
    ];
    format!(
        "{} one layer at a time, on the validation split; {metric} {:.4} as trained, {:.4} with all layers changed\n",
        sensitivity.change, sensitivity.baseline, sensitivity.all
    ) + &report::table(&titles, &rows)
        + "\nprotect=LAYER,... keeps layers as they were trained; rank 1 suffers most\n"
        + &sensitivity
            .mix
            .as_ref()
            .map_or_else(String::new, |mix| advice(mix, sensitivity))
}

/// Points that were lost, as a change; nothing is `+0.00`.
fn points(lost: f64) -> String {
    let text = format!("{:+.2}", -lost);
    if text == "-0.00" { "+0.00".to_owned() } else { text }
}

/// What to protect, as a recipe takes it.
fn advice(mix: &Mix, sensitivity: &Sensitivity) -> String {
    let layers: Vec<String> = mix.protect.iter().map(ToString::to_string).collect();
    let score = format!("({:.4})", mix.score);
    let words = if layers.is_empty() {
        format!("no layer needs to be protected {score}")
    } else if sensitivity.changes_none(mix) {
        "no layer can be changed so; change less, or tolerate more".to_owned()
    } else {
        format!("protect={} {score}", layers.join(","))
    };
    format!("to lose at most {} points: {words}\n", mix.tolerated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::LayerSensitivity;

    #[test]
    fn a_mix_that_protects_every_layer_is_no_recipe() {
        let layer = |layer| LayerSensitivity {
            layer,
            name: "dense".to_owned(),
            parameters: 10,
            score: 0.5,
            points_lost: 0.0,
            inputs: None,
            signal_to_noise_db: None,
        };
        let mut sensitivity = Sensitivity {
            change: LayerChange::Weights(0.95),
            baseline: 0.9,
            all: 0.5,
            layers: vec![layer(1), layer(3)],
            mix: None,
        };
        for (protect, words) in [
            (vec![], "no layer needs to be protected (0.9000)"),
            (vec![3], "protect=3 (0.9000)"),
            (vec![1, 3], "no layer can be changed so"),
        ] {
            sensitivity.mix = Some(Mix {
                tolerated: 0.1,
                protect,
                score: 0.9,
            });
            let text = table(&sensitivity, "accuracy");
            assert!(text.contains("accuracy 0.") && text.contains("as trained"), "{text}");
            assert!(
                text.contains(words) && text.contains("+0.00") && !text.contains("-0.00"),
                "{text}"
            );
        }
    }
}
