//! When a run is over before its last epoch, and which epoch is the best.

use super::checkpoint::{Plateau, State};
use crate::spec::{Metrics, TrainConfig, units};

/// Why the run is over after `epoch` epochs, where it is, in a sentence.
pub fn reason(train: &TrainConfig, state: &State, epoch: usize, validation: &Metrics) -> Option<String> {
    if let Some(target) = train.target
        && let Some(value) = validation.monitored(target.metric)
    {
        let is_reached = if target.metric.falls() {
            value <= target.value
        } else {
            value >= target.value
        };
        if is_reached {
            return Some(format!(
                "Ended after epoch {epoch}: validation {} of {} reached the target of {}",
                target.metric.title(),
                units::significant(value),
                units::significant(target.value)
            ));
        }
    }
    if let Some(early) = train.early_stopping
        && state.stale >= early.patience
    {
        return Some(format!(
            "Ended after epoch {epoch}: validation {} has not improved for {} epochs",
            early.metric.title(),
            state.stale
        ));
    }
    let limit = train.time_limit?;
    (state.busy_secs >= limit && epoch < train.epochs).then(|| {
        format!(
            "Ended after epoch {epoch} of {}: the time limit of {} is reached",
            train.epochs,
            units::clock(limit)
        )
    })
}

impl Plateau {
    /// Takes in an epoch; `patience` epochs without improvement are a drop, and are counted anew after it.
    pub fn take(&mut self, is_best: bool, patience: usize) {
        self.stale = if is_best { 0 } else { self.stale + 1 };
        if self.stale >= patience {
            self.drops += 1;
            self.stale = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{EarlyStopping, MonitoredMetric, StopTarget};

    #[test]
    fn a_plateau_drops_after_its_patience_and_counts_anew() {
        let mut plateau = Plateau::default();
        let drops = [true, false, false, false, false, true, false, false].map(|is_best| {
            plateau.take(is_best, 2);
            plateau.drops
        });
        assert_eq!(drops, [0, 0, 1, 1, 2, 2, 2, 3]);
    }

    #[test]
    fn every_end_has_its_reason() {
        let metrics = Metrics {
            loss: 0.5,
            f1: Some(0.9),
            ..Metrics::default()
        };
        let target = |metric, value| TrainConfig {
            target: Some(StopTarget { metric, value }),
            ..TrainConfig::default()
        };
        let said = |train: &TrainConfig, state: &State| reason(train, state, 3, &metrics);
        let fresh = State::default();
        assert!(
            said(&target(MonitoredMetric::F1, 0.9), &fresh)
                .unwrap()
                .contains("F1 of 0.9")
        );
        assert_eq!(said(&target(MonitoredMetric::F1, 0.91), &fresh), None);
        assert!(said(&target(MonitoredMetric::Loss, 0.5), &fresh).is_some());
        assert_eq!(said(&target(MonitoredMetric::Loss, 0.4), &fresh), None);
        assert_eq!(said(&target(MonitoredMetric::Rmse, 9.0), &fresh), None);
        let late = State {
            busy_secs: 61.0,
            stale: 5,
            ..State::default()
        };
        let limited = TrainConfig {
            time_limit: Some(60.0),
            ..TrainConfig::default()
        };
        assert!(said(&limited, &late).unwrap().contains("1:00"));
        assert_eq!(said(&limited, &fresh), None);
        let early = TrainConfig {
            early_stopping: Some(EarlyStopping::default()),
            ..TrainConfig::default()
        };
        assert!(said(&early, &late).unwrap().contains("for 5 epochs"));
    }
}
