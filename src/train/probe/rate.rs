//! The learning-rate range test (Smith 2017): a short training whose rate rises exponentially, and the loss against it.

use serde::Serialize;

use super::{Course, Watch, device, stumble};
use crate::data::Dataset;
use crate::spec::{Failure, RunPlan};
use crate::train::stepper::Stumble;

/// From where to where the rate rises.
const LOWEST: f64 = 1e-6;
const HIGHEST: f64 = 10.0;
/// Share of the past in the smoothed loss, with the correction for its beginning at zero.
const SMOOTHING: f64 = 0.9;
/// The test is over when the smoothed loss is this many times its lowest.
const BLOWN_UP: f64 = 4.0;
/// Steps that the blow-up is not looked for, nor the steepest descent.
const SETTLING: usize = 10;
/// Points at either side over which a slope is taken.
const HALF_WINDOW: usize = 4;
/// Part of its first value that the loss must lose for the test to say anything.
const LEAST_FALL: f64 = 0.02;

/// Steps of a test that nobody set.
pub const RATE_STEPS: usize = 150;

/// One step of the test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RatePoint {
    pub learning_rate: f64,
    pub loss: f64,
    /// Exponentially averaged.
    pub smoothed: f64,
}

/// What the test found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RateRange {
    /// By rising rate; the test ends where the loss blows up.
    pub points: Vec<RatePoint>,
    /// Rate at which the smoothed loss falls fastest, before its lowest.
    pub steepest: Option<f64>,
    /// Rate at which the smoothed loss is lowest.
    pub lowest: Option<f64>,
    /// The steepest, or a tenth of the lowest where none is clear; none where the loss never fell.
    pub suggested: Option<f64>,
    /// Whether the last point is where the loss blew up.
    pub blew_up: bool,
}

/// Runs the test for up to `steps` steps; none when it was stopped. The schedule, the early ends and the moving average of the
/// plan play no part.
pub fn find_rate(
    plan: &RunPlan,
    dataset: &Dataset,
    steps: usize,
    watch: Watch<'_>,
) -> Result<Option<RateRange>, Failure> {
    let steps = steps.max(2 * SETTLING);
    let mut plan = plan.clone();
    plan.config.train.average = None;
    let mut course = Course::new(&plan, dataset, &device(&plan)?)?;
    let mut points: Vec<RatePoint> = Vec::with_capacity(steps);
    let mut average = 0.0;
    let mut blew_up = false;
    for step in 0..steps {
        if watch.stops(step, steps) {
            return Ok(None);
        }
        let learning_rate = LOWEST * (HIGHEST / LOWEST).powf(step as f64 / (steps - 1) as f64);
        let loss = match course.step(learning_rate) {
            Ok(strided) => f64::from(strided.loss),
            Err(Stumble::Diverged { .. }) => {
                blew_up = true;
                break;
            }
            Err(other) => return Err(stumble(&plan, step, other)),
        };
        average = SMOOTHING * average + (1.0 - SMOOTHING) * loss;
        let smoothed = average / (1.0 - SMOOTHING.powf(step as f64 + 1.0));
        points.push(RatePoint {
            learning_rate,
            loss,
            smoothed,
        });
        let least = points.iter().map(|point| point.smoothed).fold(f64::INFINITY, f64::min);
        if step >= SETTLING && smoothed > BLOWN_UP * least {
            blew_up = true;
            break;
        }
    }
    watch.stops(steps, steps);
    Ok(Some(judge(points, blew_up)))
}

/// Reads the curve.
fn judge(points: Vec<RatePoint>, blew_up: bool) -> RateRange {
    let place = (0..points.len()).min_by(|&a, &b| points[a].smoothed.total_cmp(&points[b].smoothed));
    let first = points.first().map_or(f64::NAN, |point| point.smoothed);
    let fell = place.filter(|&place| first - points[place].smoothed > LEAST_FALL * first.abs());
    let lowest = fell.map(|place| points[place].learning_rate);
    let steepest = fell.and_then(|lowest| {
        let inner = SETTLING..=lowest.min(points.len().saturating_sub(HALF_WINDOW + 1));
        inner
            .map(|place| (slope(&points, place), place))
            .filter(|(slope, _)| *slope < 0.0)
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, place)| points[place].learning_rate)
    });
    RateRange {
        suggested: steepest.or(lowest.map(|rate| rate / 10.0)),
        points,
        steepest,
        lowest,
        blew_up,
    }
}

/// Slope of the smoothed loss over the logarithm of the rate, by least squares around `place`.
fn slope(points: &[RatePoint], place: usize) -> f64 {
    let window = &points[place.saturating_sub(HALF_WINDOW)..(place + HALF_WINDOW + 1).min(points.len())];
    let count = window.len() as f64;
    let x = |point: &RatePoint| point.learning_rate.ln();
    let (mean_x, mean_y) = (
        window.iter().map(x).sum::<f64>() / count,
        window.iter().map(|point| point.smoothed).sum::<f64>() / count,
    );
    let (mut above, mut below) = (0.0, 0.0);
    for point in window {
        above += (x(point) - mean_x) * (point.smoothed - mean_y);
        below += (x(point) - mean_x).powi(2);
    }
    if below > 0.0 { above / below } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A curve whose smoothed loss is `loss` of the rate.
    fn curve(loss: impl Fn(f64) -> f64) -> Vec<RatePoint> {
        let rate = |step: i32| LOWEST * (HIGHEST / LOWEST).powf(f64::from(step) / 139.0);
        let point = |step| RatePoint {
            learning_rate: rate(step),
            loss: loss(rate(step)),
            smoothed: loss(rate(step)),
        };
        (0..140).map(point).collect()
    }

    #[test]
    fn the_steepest_descent_of_a_sigmoid_is_its_middle() {
        // Falls from 3 to 1 around 1e-3, and rises from 0.1 on.
        let loss = |rate: f64| 1.0 + 2.0 / (1.0 + (rate / 1e-3).powi(2)) + (rate / 0.5).powi(2);
        let range = judge(curve(loss), true);
        let steepest = range.steepest.unwrap();
        assert!((steepest / 1e-3).ln().abs() < 0.2, "{steepest}");
        assert_eq!(range.suggested, range.steepest);
        let lowest = range.lowest.unwrap();
        assert!(lowest > 5e-3 && lowest < 5e-2, "{lowest}");
    }

    #[test]
    fn a_loss_that_never_falls_suggests_nothing() {
        let range = judge(curve(|rate| 1.0 + rate), true);
        assert_eq!((range.suggested, range.lowest), (None, None));
    }

    #[test]
    fn a_fall_in_the_first_steps_suggests_a_tenth_of_the_lowest() {
        let points = curve(|rate| if rate < 1.2e-6 { 2.0 } else { 1.0 + rate });
        let range = judge(points, false);
        assert_eq!(range.steepest, None);
        assert_eq!(range.suggested, range.lowest.map(|rate| rate / 10.0));
    }
}
