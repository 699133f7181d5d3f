//! What a network may cost, which ones fit, and which of these to take, with the reason in a sentence.

use serde::{Deserialize, Serialize};

use super::{Axis, verdicts};
use crate::spec::{Deployed, Run, RunId, Verdict, units};

/// Limits on an exported network; each is optional.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Budget {
    /// Accuracy or R2 that may be lost against the baseline: 0.01 is one point.
    pub loss: Option<f64>,
    /// Bytes of the exported file.
    pub size: Option<f64>,
    /// Microseconds of a call with one sample.
    pub latency_batch1: Option<f64>,
    /// Microseconds of a call with 64 samples.
    pub latency_batch64: Option<f64>,
    /// Bytes of the loaded network with its buffers at batch 64.
    pub memory: Option<f64>,
}

/// A limit that a network breaks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Excess {
    /// What is lost of which score, and what may be.
    Loss {
        metric: &'static str,
        lost: f64,
        limit: f64,
    },
    /// What it takes on an axis, and what it may.
    Cost { axis: Axis, value: f64, limit: f64 },
}

/// The network to take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recommendation {
    pub run: RunId,
    /// A sentence without its full stop.
    pub reason: String,
}

impl Budget {
    /// The limits on costs that are set.
    pub fn limits(&self) -> impl Iterator<Item = (Axis, f64)> {
        [
            (Axis::Size, self.size),
            (Axis::Batch1, self.latency_batch1),
            (Axis::Batch64, self.latency_batch64),
            (Axis::Memory, self.memory),
        ]
        .into_iter()
        .filter_map(|(axis, limit)| Some((axis, limit?)))
    }

    pub fn is_empty(&self) -> bool {
        self.loss.is_none() && self.limits().next().is_none()
    }

    /// The limits that a measured run breaks; a figure that is not known breaks none.
    pub fn excess(&self, run: &Run, baseline: &Run) -> Vec<Excess> {
        let lost = lost(run, baseline).zip(self.loss);
        // Accuracies are multiples of one row's share: what rounding leaves is no loss.
        let lost = lost.filter(|(lost, limit)| *lost > limit + 1e-9);
        let costs = self.limits().filter_map(|(axis, limit)| {
            let value = axis.of(run)?;
            (value > limit).then_some(Excess::Cost { axis, value, limit })
        });
        let metric = baseline.metric();
        lost.map(|(lost, limit)| Excess::Loss { metric, lost, limit })
            .into_iter()
            .chain(costs)
            .collect()
    }
}

impl Excess {
    /// What is broken and by how much: `loses 2.1 points, 1.0 points allowed`, or `loses just over 1.0 points` where the figures look
    /// the same.
    pub fn text(&self) -> String {
        let (what, value, limit) = match *self {
            Self::Loss { metric, lost, limit } => ("loses", amount(metric, lost), amount(metric, limit)),
            Self::Cost { axis, value, limit } => (noun(axis), axis.text(value), axis.text(limit)),
        };
        if value == limit {
            format!("{what} just over {limit}")
        } else {
            format!("{what} {value}, {limit} allowed")
        }
    }
}

/// Among the measured `runs` beside their baseline, the one within the budget that costs least on `axis`; of equal ones the more
/// accurate. None where nothing fits. The baseline is one of the choices, whether it is among `runs` or not. Of times only what was
/// timed in turn with the baseline and found faster is cheaper than it: a smaller median within the noise is not.
pub fn recommend<'a>(
    baseline: &'a Run,
    runs: impl IntoIterator<Item = &'a Run>,
    budget: &Budget,
    axis: Axis,
) -> Option<Recommendation> {
    let mut choices: Vec<(&Run, f64)> = std::iter::once(baseline)
        .chain(runs.into_iter().filter(|run| run.run != baseline.run))
        .filter(|run| run.run == baseline.run || may_be_cheaper(run, baseline, axis))
        .filter(|run| run.deployed.is_some())
        .filter_map(|run| Some((run, axis.of(run)?)))
        .collect();
    choices.sort_by(|a, b| a.1.total_cmp(&b.1).then(accuracy(b.0).total_cmp(&accuracy(a.0))));
    let place = choices
        .iter()
        .position(|(run, _)| budget.excess(run, baseline).is_empty())?;
    let (run, cost) = choices[place];
    // The nearest of those that would be cheaper, and the one reason why not.
    let next = choices[..place].last().and_then(|(next, _)| {
        let excess = budget.excess(next, baseline);
        Some(format!(
            "the next {} ({}) {}",
            cheaper(axis),
            name(next),
            excess.first()?.text()
        ))
    });
    let gain = if run.run == baseline.run {
        format!("Keep the baseline: nothing {} fits the budget", cheaper(axis))
    } else {
        let ratio = axis.of(baseline).map_or(1.0, |before| cost / before);
        format!(
            "{} of the baseline's {}, {}",
            units::percent(ratio),
            noun(axis),
            price(run, baseline)
        )
    };
    Some(Recommendation {
        run: run.run,
        reason: match next {
            Some(next) => format!("{gain}; {next}"),
            None if run.run == baseline.run => gain,
            None => format!("{gain}; nothing measured is {}", cheaper(axis)),
        },
    })
}

fn accuracy(run: &Run) -> f64 {
    run.deployed
        .as_ref()
        .map_or(f64::NEG_INFINITY, |deployed| deployed.accuracy)
}

/// Below 0 where something was won.
fn lost(run: &Run, baseline: &Run) -> Option<f64> {
    Some(baseline.deployed.as_ref()?.accuracy - run.deployed.as_ref()?.accuracy)
}

fn name(run: &Run) -> String {
    let deployed = run.deployed.as_ref();
    deployed.map_or_else(|| run.name.clone(), Deployed::recipe_name)
}

fn may_be_cheaper(run: &Run, baseline: &Run, axis: Axis) -> bool {
    let verdict = |place: usize| {
        let deployed = run.deployed.as_ref()?;
        Some(verdicts(deployed, baseline.run)?[place])
    };
    match axis {
        Axis::Batch1 => verdict(0) == Some(Verdict::Faster),
        Axis::Batch64 => verdict(1) == Some(Verdict::Faster),
        _ => true,
    }
}

/// Of a score: points of a share, or of an R2 its own size.
fn amount(metric: &str, share: f64) -> String {
    if metric == "R2" {
        format!("{share:.3} R2")
    } else {
        format!("{:.1} points", share * 100.0)
    }
}

fn noun(axis: Axis) -> &'static str {
    match axis {
        Axis::Batch1 => "latency at batch 1",
        Axis::Batch64 => "latency at batch 64",
        _ => axis.name(),
    }
}

fn price(run: &Run, baseline: &Run) -> String {
    match lost(run, baseline) {
        Some(lost) if lost > 5e-4 => format!("for {}", amount(baseline.metric(), lost)),
        Some(lost) if lost < -5e-4 => format!("and {} better", amount(baseline.metric(), -lost)),
        _ => "for nothing lost".to_owned(),
    }
}

fn cheaper(axis: Axis) -> &'static str {
    match axis {
        Axis::Batch1 | Axis::Batch64 => "faster",
        _ => "smaller",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::compare::tests::run;
    use crate::spec::Metrics;

    fn faster_at_batch_1(run: Run) -> Run {
        let deployed = run.deployed.map(|deployed| Deployed {
            verdict_batch1: Verdict::Faster,
            ..deployed
        });
        Run { deployed, ..run }
    }

    #[test]
    fn the_recommendation_says_what_it_saves_what_it_loses_and_why_not_more() {
        let baseline = run(1, None, 0.980, 1000, 20.0);
        let runs = [
            run(2, Some("fp16"), 0.980, 520, 20.0),
            run(3, Some("int8-static"), 0.976, 300, 9.0),
            run(4, Some("units:0.5"), 0.959, 250, 6.0),
        ];
        let budget = |loss| Budget {
            loss: Some(loss),
            ..Budget::default()
        };
        let found = recommend(&baseline, &runs, &budget(0.01), Axis::Size).unwrap();
        assert_eq!(found.run, RunId(3));
        assert_eq!(
            found.reason,
            "30.0 % of the baseline's size, for 0.4 points; the next smaller (units:0.5) loses 2.1 points, 1.0 points allowed"
        );
        // Shorter medians within the noise are not faster.
        let found = recommend(&baseline, &runs, &budget(0.05), Axis::Batch1).unwrap();
        assert_eq!(
            (found.run, found.reason.as_str()),
            (RunId(1), "Keep the baseline: nothing faster fits the budget")
        );
        let runs = runs.map(faster_at_batch_1);
        let found = recommend(&baseline, &runs, &budget(0.05), Axis::Batch1).unwrap();
        assert_eq!(found.run, RunId(4));
        assert!(found.reason.ends_with("nothing measured is faster"), "{}", found.reason);
        let found = recommend(&baseline, &runs[2..], &budget(0.01), Axis::Size).unwrap();
        assert_eq!(found.run, RunId(1));
        assert!(
            found
                .reason
                .starts_with("Keep the baseline: nothing smaller fits the budget; the next smaller"),
            "{}",
            found.reason
        );
        let mut regression = baseline.clone();
        regression.test = Some(Metrics {
            r2: Some(0.980),
            ..Metrics::default()
        });
        let excess = budget(0.01).excess(&runs[2], &regression);
        assert_eq!(excess[0].text(), "loses 0.021 R2, 0.010 R2 allowed");
        let small = Budget {
            size: Some(100.0),
            ..Budget::default()
        };
        assert_eq!(recommend(&baseline, &runs, &small, Axis::Size), None);
        let excess = small.excess(&runs[0], &baseline);
        assert_eq!(excess[0].text(), "size 520 B, 100 B allowed");
        // What looks the same is not said to be more than itself.
        let nearly = Budget {
            loss: Some(0.01),
            size: Some(1230.0),
            ..Budget::default()
        };
        let excess = nearly.excess(&run(5, None, 0.9696, 1234, 20.0), &baseline);
        let texts: Vec<String> = excess.iter().map(Excess::text).collect();
        assert_eq!(texts, ["loses just over 1.0 points", "size just over 1.23 kB"]);
        assert!(Budget::default().is_empty() && !small.is_empty());
    }

    proptest! {
        #[test]
        fn it_is_the_one_that_trying_all_finds(
            rows in prop::collection::vec((0_u8..20, 1_u16..40, 1_u16..40, any::<bool>()), 1..25),
            loss in prop::option::of(0_u8..10),
            size in prop::option::of(1_u16..40),
            latency in prop::option::of(1_u16..40),
            by_size in any::<bool>(),
        ) {
            let runs: Vec<Run> = rows.iter().enumerate().map(|(place, &(lost, size, time, is_faster))| {
                let recipe = (place > 0).then_some("fp16");
                let run = run(place as i64 + 1, recipe, 0.9 - f64::from(lost) / 100.0, u64::from(size), f64::from(time));
                if is_faster { faster_at_batch_1(run) } else { run }
            }).collect();
            let budget = Budget {
                loss: loss.map(|loss| f64::from(loss) / 100.0),
                size: size.map(f64::from),
                latency_batch1: latency.map(f64::from),
                ..Budget::default()
            };
            let axis = if by_size { Axis::Size } else { Axis::Batch1 };
            let found = recommend(&runs[0], &runs, &budget, axis);
            let lost = |place: usize| f64::from(rows[place].0) - f64::from(rows[0].0);
            let cost = |place: usize| if by_size { rows[place].1 } else { rows[place].2 };
            let fits: Vec<usize> = (0..rows.len()).filter(|&place| {
                loss.is_none_or(|loss| lost(place) <= f64::from(loss) + 1e-6)
                    && size.is_none_or(|size| rows[place].1 <= size)
                    && latency.is_none_or(|latency| rows[place].2 <= latency)
                    && (place == 0 || by_size || rows[place].3)
            }).collect();
            let least = fits.iter().map(|&place| cost(place)).min();
            match (found, least) {
                (None, None) => {}
                (Some(found), Some(least)) => {
                    let place = found.run.0 as usize - 1;
                    prop_assert!(fits.contains(&place));
                    prop_assert_eq!(cost(place), least);
                    let best = fits.iter().filter(|&&other| cost(other) == least).map(|&other| rows[other].0).min();
                    prop_assert_eq!(Some(rows[place].0), best);
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
