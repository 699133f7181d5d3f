//! What the curves of a run say, and the configuration that would mend it.

use serde::Serialize;

use crate::spec::units::significant;
use crate::spec::{Architecture, EarlyStopping, Metrics, RunConfig, RunPlan, ScheduleKind};
use crate::timeline::{self, EpochPoint, RunView};

/// A run as its curves tell it.
#[derive(Debug, Clone, Copy)]
struct Curves<'a> {
    /// Of each epoch, in order.
    train: &'a [Metrics],
    /// Of each epoch, in order.
    validation: &'a [Metrics],
    training_rows: usize,
    /// Median over the readings; 0 where it is not known.
    samples_per_second: f64,
    /// A loss or a gradient that is no finite number ended it.
    has_diverged: bool,
    /// An alarm of over-fitting stands.
    is_alarmed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CurveFindingKind {
    RateTooHigh,
    RateTooLow,
    OverFitting,
    UnderFitting,
    BatchTooSmall,
    StoppedTooEarly,
}

/// One thing that the curves say. The texts are sentences without their full stop.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CurveFinding {
    pub kind: CurveFindingKind,
    /// With the figures.
    pub seen: String,
    pub why: String,
    /// What the changed configuration changes.
    pub remedy: String,
    pub config: RunConfig,
}

impl CurveFindingKind {
    pub fn title(self) -> &'static str {
        match self {
            Self::RateTooHigh => "Learning rate too high",
            Self::RateTooLow => "Learning rate too low",
            Self::OverFitting => "Over-fitting",
            Self::UnderFitting => "Under-fitting",
            Self::BatchTooSmall => "Batch too small for this machine",
            Self::StoppedTooEarly => "Stopped too early",
        }
    }
}

/// Epochs without which a curve has no shape.
pub const FEWEST_EPOCHS: usize = 6;
/// Seconds of a step below which its fixed costs are most of it.
const SHORT_STEP: f64 = 1e-3;

/// What the curves of a run of `plan` say, as they are folded from its events.
pub fn run_findings(plan: &RunPlan, view: &RunView) -> Vec<CurveFinding> {
    let part = |of: fn(&EpochPoint) -> Metrics| -> Vec<Metrics> { view.epochs.iter().map(of).collect() };
    let (train, validation) = (part(|point| point.train), part(|point| point.validation));
    let curves = Curves {
        train: &train,
        validation: &validation,
        training_rows: plan.dataset.split.train,
        samples_per_second: view.usual_speed(),
        has_diverged: view.has_diverged(),
        is_alarmed: timeline::over_fits(view),
    };
    curve_findings(&plan.config, &curves)
}

/// What is to be said of a run of `config`; nothing of a classical baseline, or of a curve that is as it should be.
fn curve_findings(config: &RunConfig, curves: &Curves<'_>) -> Vec<CurveFinding> {
    if config.model.architecture.is_classical() {
        return Vec::new();
    }
    let rate = rate_too_high(config, curves);
    if rate.is_some() {
        return rate.into_iter().collect();
    }
    let mut findings = Vec::new();
    findings.extend(over_fitting(config, curves));
    findings.extend(stopped_too_early(config, curves));
    if findings.is_empty() {
        findings.extend(rate_too_low(config, curves).or_else(|| under_fitting(config, curves)));
    }
    findings.extend(batch_too_small(config, curves));
    findings
}

fn losses(metrics: &[Metrics]) -> Vec<f64> {
    metrics.iter().map(|metrics| metrics.loss).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Epoch (from 0) and value of the smallest.
fn lowest(values: &[f64]) -> (usize, f64) {
    let mut best = (0, f64::INFINITY);
    for (place, &value) in values.iter().enumerate() {
        if value < best.1 {
            best = (place, value);
        }
    }
    best
}

fn rate_too_high(config: &RunConfig, curves: &Curves<'_>) -> Option<CurveFinding> {
    let train = losses(curves.train);
    let broken = train.iter().position(|loss| !loss.is_finite());
    let broken = broken.or(curves.has_diverged.then_some(train.len()));
    let (seen, factor) = if let Some(place) = broken {
        let seen = format!(
            "The loss or its gradient stopped being a finite number in epoch {}",
            place + 1
        );
        (seen, 0.1)
    } else {
        if train.len() < FEWEST_EPOCHS {
            return None;
        }
        let (place, least) = lowest(&train);
        let tail = mean(&train[train.len() - train.len() / 4..]);
        if tail < 1.5 * least || tail - least < 0.1 * train[0].max(least) {
            return None;
        }
        let seen = format!(
            "The training loss was {least:.3} after epoch {} and is {tail:.3} at the end",
            place + 1
        );
        (seen, 0.2)
    };
    let mut changed = config.clone();
    changed.train.learning_rate = as_said(config.train.learning_rate * factor);
    Some(CurveFinding {
        kind: CurveFindingKind::RateTooHigh,
        seen,
        why: "A step that is too long lands beyond the valley, and the loss goes up instead of down".to_owned(),
        remedy: format!("Train with a learning rate of {:.2e}", changed.train.learning_rate),
        config: changed,
    })
}

/// Nearly a straight line: the first half won hardly more than the second, though the rate was falling or the same.
fn rate_too_low(config: &RunConfig, curves: &Curves<'_>) -> Option<CurveFinding> {
    let train = losses(curves.train);
    if train.len() < FEWEST_EPOCHS || config.train.schedule == ScheduleKind::OneCycle {
        return None;
    }
    let (first, middle, last) = (train[0], train[train.len() / 2], train[train.len() - 1]);
    let fall = first - last;
    let is_slow = fall > 0.0 && fall < 0.5 * first && fall > 0.01 * first && first - middle < 0.7 * fall;
    is_slow.then(|| {
        let mut changed = config.clone();
        changed.train.learning_rate = as_said(config.train.learning_rate * 3.0);
        CurveFinding {
            kind: CurveFindingKind::RateTooLow,
            seen: format!(
                "The training loss fell from {} to {} in {} epochs, nearly in a straight line, and was still falling",
                significant(first),
                significant(last),
                train.len()
            ),
            why: "Steps that are too short never arrive: the same epochs could have gone farther".to_owned(),
            remedy: format!("Train with a learning rate of {:.2e}", changed.train.learning_rate),
            config: changed,
        }
    })
}

fn over_fitting(config: &RunConfig, curves: &Curves<'_>) -> Option<CurveFinding> {
    let (train, validation) = (losses(curves.train), losses(curves.validation));
    if validation.len() < FEWEST_EPOCHS || train.len() != validation.len() {
        return None;
    }
    let (place, least) = lowest(&validation);
    let end = mean(&validation[validation.len() - (validation.len() / 5).max(1)..]);
    let last = train[train.len() - 1];
    let is_clear = end > 1.15 * least && last < 0.9 * train[place];
    // What was told while it trained is not denied at the end, unless the loss came back.
    let is_told = curves.is_alarmed && end > 1.02 * least && last < train[place];
    let is_rising = end > timeline::NOTHING_TO_LEARN && place + 2 < validation.len() && (is_clear || is_told);
    is_rising.then(|| {
        let mut changed = config.clone();
        let mut remedies = Vec::new();
        if config.train.early_stopping.is_none() {
            changed.train.early_stopping = Some(EarlyStopping::default());
            remedies.push("stop early and keep the best weights");
        }
        if config.model.uses("dropout") && config.model.dropout < 0.5 {
            changed.model.dropout = as_said(config.model.dropout + 0.2);
            remedies.push("drop more units while training");
        }
        if remedies.is_empty() {
            changed.train.weight_decay = as_said((config.train.weight_decay * 3.0).max(1e-3));
            remedies.push("let the weights decay more");
        }
        CurveFinding {
            kind: CurveFindingKind::OverFitting,
            seen: format!(
                "The validation loss was lowest after epoch {} ({}) and is {} at the end, while the training loss went on to {}",
                place + 1,
                significant(least),
                significant(end),
                significant(last)
            ),
            why: "From there on the model learns its rows by heart, and new ones suffer for it".to_owned(),
            remedy: sentence(&remedies),
            config: changed,
        }
    })
}

fn stopped_too_early(config: &RunConfig, curves: &Curves<'_>) -> Option<CurveFinding> {
    let early = config.train.early_stopping?;
    let (train, validation) = (losses(curves.train), losses(curves.validation));
    let epochs = train.len();
    if epochs >= config.train.epochs || epochs < 3 || validation.len() != epochs || early.patience > 3 {
        return None;
    }
    // The person, the target or the time limit may have ended it.
    if stale(&early, curves.validation) < early.patience {
        return None;
    }
    let least = lowest(&validation).1;
    let is_falling = train[epochs - 1] < 0.98 * train[epochs - 2] && train[epochs - 2] < 0.98 * train[epochs - 3];
    let is_near = validation[epochs - 1] < 1.1 * least;
    (is_falling && is_near).then(|| {
        let mut changed = config.clone();
        changed.train.early_stopping = Some(EarlyStopping {
            patience: (early.patience * 3).max(5),
            ..early
        });
        CurveFinding {
            kind: CurveFindingKind::StoppedTooEarly,
            seen: format!(
                "It ended after epoch {epochs} of {}, with a patience of {}, while the training loss was still falling ({}) and validation was near its best ({} against {})",
                config.train.epochs,
                early.patience,
                significant(train[epochs - 1]),
                significant(validation[epochs - 1]),
                significant(least)
            ),
            why: "Validation curves have bumps: a few epochs without gain are not yet the end".to_owned(),
            remedy: format!("Wait for {} epochs without improvement", (early.patience * 3).max(5)),
            config: changed,
        }
    })
}

/// Epochs since the watched metric improved last.
fn stale(early: &EarlyStopping, validation: &[Metrics]) -> usize {
    let (mut best, mut stale) = (None, 0);
    for metrics in validation {
        stale += 1;
        if let Some(value) = metrics
            .monitored(early.metric)
            .filter(|&value| early.improves(best, value))
        {
            (best, stale) = (Some(value), 0);
        }
    }
    stale
}

/// Flat, no better on the rows it has seen, and not good.
fn under_fitting(config: &RunConfig, curves: &Curves<'_>) -> Option<CurveFinding> {
    let (train, validation) = (losses(curves.train), losses(curves.validation));
    if train.len() < FEWEST_EPOCHS || validation.len() != train.len() {
        return None;
    }
    let end = train.len() - 1;
    let before = train[end - train.len() / 3];
    let is_flat = (before - train[end]).abs() < 0.05 * before;
    let has_gap = validation[end] > 1.15 * train[end];
    let last = curves.train[end];
    let score = last.accuracy.map(|accuracy| (accuracy, 0.85, "accuracy"));
    let (score, enough, name) = score.or(last.r2.map(|r2| (r2, 0.5, "R2")))?;
    // Layers that were placed by hand are not for a rule to change.
    if !is_flat || has_gap || score >= enough || config.model.layers.is_some() {
        return None;
    }
    let mut changed = config.clone();
    let model = &mut changed.model;
    let lists = [
        ("hidden", &mut model.hidden),
        ("filters", &mut model.filters),
        ("units", &mut model.units),
    ];
    let mut is_larger = false;
    for (field, widths) in lists {
        if config.model.uses(field) && !widths.is_empty() {
            for width in widths.iter_mut() {
                *width *= 2;
            }
            is_larger = true;
        }
    }
    if config.model.uses("feed_forward") {
        model.feed_forward *= 2;
        model.dimensions *= 2;
        is_larger = true;
    }
    if !is_larger {
        model.architecture = Architecture::Mlp;
    }
    Some(CurveFinding {
        kind: CurveFindingKind::UnderFitting,
        seen: format!(
            "The training loss has stood at {:.3} for the last third, with {name} {score:.3} on the very rows it learns from, and validation is no worse",
            train[end]
        ),
        why: "The model can't express more, or the columns do not say more".to_owned(),
        remedy: if is_larger {
            "Train a model twice as wide"
        } else {
            "Train an MLP, which bends"
        }
        .to_owned(),
        config: changed,
    })
}

fn batch_too_small(config: &RunConfig, curves: &Curves<'_>) -> Option<CurveFinding> {
    let batch = config.train.batch_size;
    let larger = batch * 4;
    let step = batch as f64 / curves.samples_per_second.max(1e-9);
    let is_short = curves.samples_per_second > 0.0 && step < SHORT_STEP;
    // Fewer than 20 steps an epoch learn too little from it.
    let has_rows = curves.training_rows >= 20 * larger;
    (batch <= 16 && is_short && has_rows).then(|| {
        let mut changed = config.clone();
        changed.train.batch_size = larger;
        changed.train.learning_rate *= 2.0;
        CurveFinding {
            kind: CurveFindingKind::BatchTooSmall,
            seen: format!("A step of {batch} samples takes {:.2} ms", step * 1e3),
            why: "Every step has a fixed cost, and with so few samples it is most of the time".to_owned(),
            remedy: format!(
                "Train with batches of {larger} and a learning rate twice as high, as the root of the batch"
            ),
            config: changed,
        }
    })
}

/// With the three digits that a remedy says: what a person would type.
fn as_said(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}

/// The remedies as one sentence.
fn sentence(remedies: &[&str]) -> String {
    let text = remedies.join(", and ");
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use CurveFindingKind as K;

    fn metrics(losses: &[f64], accuracy: f64) -> Vec<Metrics> {
        let of = |&loss| Metrics {
            loss,
            accuracy: Some(accuracy),
            ..Metrics::default()
        };
        losses.iter().map(of).collect()
    }

    fn found(config: &RunConfig, train: &[f64], validation: &[f64], accuracy: f64, speed: f64) -> Vec<CurveFinding> {
        let (train, validation) = (metrics(train, accuracy), metrics(validation, accuracy));
        let curves = Curves {
            train: &train,
            validation: &validation,
            training_rows: 10_000,
            samples_per_second: speed,
            has_diverged: false,
            is_alarmed: false,
        };
        curve_findings(config, &curves)
    }

    fn kinds(findings: &[CurveFinding]) -> Vec<K> {
        findings.iter().map(|finding| finding.kind).collect()
    }

    /// `low + high x base^epoch`.
    fn decay(low: f64, high: f64, base: f64, epochs: i32) -> Vec<f64> {
        (0..epochs).map(|epoch| low + high * base.powi(epoch)).collect()
    }

    #[test]
    fn good_curves_say_nothing() {
        let config = RunConfig::default();
        for (train, validation, accuracy) in [
            (decay(0.02, 2.0, 0.8, 30), decay(0.05, 2.0, 0.8, 30), 0.99),
            (decay(0.3, 0.7, 0.7, 30), decay(0.35, 0.6, 0.7, 30), 0.9),
            (decay(0.01, 1.0, 0.5, 8), decay(0.06, 1.0, 0.5, 8), 1.0),
            (vec![1.0, 0.5], vec![1.0, 0.6], 0.5),
            (Vec::new(), Vec::new(), 0.0),
        ] {
            let findings = found(&config, &train, &validation, accuracy, 20_000.0);
            assert!(findings.is_empty(), "{findings:?}");
        }
    }

    #[test]
    fn each_fault_is_found_and_mended() {
        let config = RunConfig::default();
        let rising: Vec<f64> = (0..20)
            .map(|epoch| 0.5 + f64::from((epoch - 5_i32).pow(2)) * 0.02)
            .collect();
        let high = found(&config, &rising, &rising, 0.5, 0.0);
        assert_eq!(kinds(&high), [K::RateTooHigh]);
        assert!(high[0].config.train.learning_rate < config.train.learning_rate);
        let broken = found(&config, &[1.0, f64::NAN], &[1.0, 1.0], 0.5, 0.0);
        assert_eq!(kinds(&broken), [K::RateTooHigh]);
        assert!(broken[0].seen.ends_with("in epoch 2"), "{}", broken[0].seen);

        let slow: Vec<f64> = (0..20).map(|epoch| 2.3 - 0.03 * f64::from(epoch)).collect();
        let low = found(&config, &slow, &slow, 0.4, 0.0);
        assert_eq!(kinds(&low), [K::RateTooLow]);
        assert!(low[0].config.train.learning_rate > config.train.learning_rate);

        // What is proposed is a number that a person would type.
        let mut typed = config.clone();
        typed.train.learning_rate = 0.1;
        typed.model.dropout = 0.1;
        let low = found(&typed, &slow, &slow, 0.4, 0.0);
        assert_eq!(low[0].config.train.learning_rate, 0.3);
        let over = found(&typed, &decay(0.01, 1.0, 0.8, 20), &rising, 1.0, 0.0);
        assert_eq!(over[0].config.model.dropout, 0.3);

        // Losses that say nothing rise and fall by nothing.
        let tiny: Vec<f64> = rising.iter().map(|loss| loss / 2000.0).collect();
        assert!(found(&config, &decay(1e-5, 1.0, 0.5, 20), &tiny, 1.0, 0.0).is_empty());

        let over = found(&config, &decay(0.01, 1.0, 0.8, 20), &rising, 1.0, 0.0);
        assert_eq!(kinds(&over), [K::OverFitting]);
        assert!(over[0].config.train.early_stopping.is_some() && over[0].config.model.dropout > 0.0);

        let under = found(&config, &decay(0.6, 0.4, 0.5, 20), &decay(0.62, 0.4, 0.5, 20), 0.6, 0.0);
        assert_eq!(kinds(&under), [K::UnderFitting]);
        assert_eq!(under[0].config.model.hidden, [64]);
        let mut placed = config.clone();
        placed.model.layers = Some(Vec::new());
        let curves = [decay(0.6, 0.4, 0.5, 20), decay(0.62, 0.4, 0.5, 20)];
        assert!(found(&placed, &curves[0], &curves[1], 0.6, 0.0).is_empty());

        let mut small = config.clone();
        small.train.batch_size = 4;
        let batch = found(
            &small,
            &decay(0.02, 2.0, 0.8, 30),
            &decay(0.05, 2.0, 0.8, 30),
            0.99,
            20_000.0,
        );
        assert_eq!(kinds(&batch), [K::BatchTooSmall]);
        assert_eq!(batch[0].config.train.batch_size, 16);

        let mut eager = config;
        eager.train.early_stopping = Some(EarlyStopping {
            patience: 1,
            ..EarlyStopping::default()
        });
        let early = found(
            &eager,
            &decay(0.02, 2.0, 0.8, 6),
            &[2.0, 1.7, 1.4, 1.2, 1.0, 1.01],
            0.6,
            0.0,
        );
        assert_eq!(kinds(&early), [K::StoppedTooEarly]);
        assert!(
            early[0]
                .config
                .train
                .early_stopping
                .is_some_and(|early| early.patience >= 5)
        );
        let stopped = [2.0, 1.7, 1.4, 1.2, 1.0, 0.99];
        let by_hand = found(&eager, &decay(0.02, 2.0, 0.8, 6), &stopped, 0.6, 0.0);
        assert!(by_hand.is_empty(), "{by_hand:?}");
        for finding in [high, low, over, under, batch, early].concat() {
            assert!(finding.seen.chars().any(|c| c.is_ascii_digit()), "{}", finding.seen);
        }
    }
}
