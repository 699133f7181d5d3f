//! The learning curve: the score against the number of training rows, over folds, which tells whether more rows would help.

use rand::seq::SliceRandom;
use serde::Serialize;

use super::Watch;
use crate::data::{DataError, Dataset, Targets};
use crate::spec::{Failure, Metrics, stream};

/// Fewest training rows of a point.
const FEWEST_ROWS: usize = 10;
/// Part of the rows that the first point has.
const SMALLEST_PART: f64 = 0.05;

/// Mean and sample deviation over the folds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    pub mean: f64,
    pub sd: f64,
}

/// Scores of one number of training rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CurvePoint {
    /// Training rows, of the first fold.
    pub rows: usize,
    /// On the rows that were trained on.
    pub train: Spread,
    /// On the fold that was left out.
    pub test: Spread,
}

/// The whole curve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LearningCurve {
    /// What the scores are: "accuracy" or "R2".
    pub score: &'static str,
    pub folds: usize,
    /// By rising number of rows.
    pub points: Vec<CurvePoint>,
    /// What the curve says about more rows, or another model.
    pub advice: String,
}

/// What a fit scored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fitted {
    pub train: Metrics,
    pub test: Metrics,
}

/// Fits each of `points` numbers of training rows on each of `folds` folds; none when it was stopped, or `fit` gave none.
///
/// The rows of a point are those of the smaller ones and more, drawn evenly from the classes. What the inputs are standardised by
/// is that of all training rows of the fold.
pub fn learning_curve(
    (points, folds, seed): (usize, usize, u64),
    load: impl Fn(usize) -> Result<Dataset, Failure>,
    mut fit: impl FnMut(&Dataset) -> Result<Option<Fitted>, Failure>,
    watch: Watch<'_>,
) -> Result<Option<LearningCurve>, Failure> {
    let total = points * folds;
    let mut fits: Vec<Vec<Fitted>> = vec![Vec::new(); points];
    let mut rows = Vec::new();
    let mut is_regression = false;
    for fold in 0..folds {
        let dataset = load(fold)?;
        is_regression = dataset.summary.task.is_regression();
        let order = nested(&dataset.train.targets, seed, fold);
        let sizes = sizes(order.len(), points);
        for (place, &size) in sizes.iter().enumerate() {
            if watch.stops(fold * points + place, total) {
                return Ok(None);
            }
            let part = (size < order.len())
                .then(|| reduced(&dataset, &order[..size]))
                .transpose();
            let part = part.map_err(DataError::into_failure)?;
            let Some(fitted) = fit(part.as_ref().unwrap_or(&dataset))? else {
                return Ok(None);
            };
            fits[place].push(fitted);
        }
        if fold == 0 {
            rows = sizes;
        }
    }
    watch.stops(total, total);
    let score = |metrics: &Metrics| if is_regression { metrics.r2 } else { metrics.accuracy }.unwrap_or(f64::NAN);
    let spread = |fits: &[Fitted], part: fn(&Fitted) -> &Metrics| {
        let scores: Vec<f64> = fits.iter().map(|fit| score(part(fit))).collect();
        spread(&scores)
    };
    let mut points: Vec<CurvePoint> = rows
        .iter()
        .zip(&fits)
        .map(|(&rows, fits)| CurvePoint {
            rows,
            train: spread(fits, |fit| &fit.train),
            test: spread(fits, |fit| &fit.test),
        })
        .collect();
    points.dedup_by_key(|point| point.rows);
    Ok(Some(LearningCurve {
        score: if is_regression { "R2" } else { "accuracy" },
        folds,
        advice: advice(&points),
        points,
    }))
}

/// Numbers of rows, each the same multiple of the one before, up to all.
fn sizes(rows: usize, points: usize) -> Vec<usize> {
    let first = (SMALLEST_PART * rows as f64).max(FEWEST_ROWS as f64).min(rows as f64);
    let step = |point: usize| {
        let progress = if points > 1 {
            point as f64 / (points - 1) as f64
        } else {
            1.0
        };
        (first * (rows as f64 / first).powf(progress)).round() as usize
    };
    (0..points).map(|point| step(point).clamp(1, rows.max(1))).collect()
}

/// The rows in an order of which every beginning has the classes in their proportions.
fn nested(targets: &Targets, seed: u64, fold: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..targets.len()).collect();
    order.shuffle(&mut stream(seed, "learning curve", fold as u64));
    if let Targets::Classes(classes) = targets {
        let mut totals = std::collections::BTreeMap::<u32, f64>::new();
        for &class in classes {
            *totals.entry(class).or_default() += 1.0;
        }
        let mut seen = std::collections::BTreeMap::<u32, f64>::new();
        let mut keyed: Vec<(f64, usize)> = order
            .into_iter()
            .map(|row| {
                let class = classes[row];
                let seen = seen.entry(class).or_default();
                *seen += 1.0;
                ((*seen - 0.5) / totals[&class], row)
            })
            .collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        order = keyed.into_iter().map(|(_, row)| row).collect();
    }
    order
}

/// The data set with these training rows alone.
fn reduced(dataset: &Dataset, rows: &[usize]) -> Result<Dataset, DataError> {
    let train = dataset.train.gather(rows)?;
    let mut summary = dataset.summary.clone();
    summary.split.train = rows.len();
    Ok(Dataset {
        summary,
        preprocessing: dataset.preprocessing.clone(),
        train,
        validation: dataset.validation.clone(),
        test: dataset.test.clone(),
    })
}

fn spread(scores: &[f64]) -> Spread {
    let count = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / count;
    let squares: f64 = scores.iter().map(|score| (score - mean).powi(2)).sum();
    Spread {
        mean,
        sd: (squares / (count - 1.0).max(1.0)).sqrt(),
    }
}

/// Least gain of the last step, and gap between training and test, that are worth a word.
const GAIN: f64 = 0.01;
const GAP: f64 = 0.05;

fn advice(points: &[CurvePoint]) -> String {
    let [.., before, last] = points else {
        return "One point is no curve: bring more rows, or ask for more points".to_owned();
    };
    let gain = last.test.mean - before.test.mean;
    let gap = last.train.mean - last.test.mean;
    // Of the difference of two means it is a coarse measure; folds share rows.
    let noise = last.test.sd.max(before.test.sd) / 2.0;
    if !(gain.is_finite() && gap.is_finite()) {
        "A score is no number: lower the learning rate".to_owned()
    } else if gain > GAIN.max(noise) {
        "The score still rises with the rows: more data would help".to_owned()
    } else if gap > GAP {
        "More rows no longer help, and the training rows score far better: a simpler model, dropout, weight decay or augmentation would"
            .to_owned()
    } else {
        "More rows no longer help, and training and test score alike: a larger model or better inputs might".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_rise_by_one_factor_up_to_all_rows() {
        assert_eq!(sizes(1000, 5), [50, 106, 224, 473, 1000]);
        assert_eq!(sizes(30, 3), [10, 17, 30]);
        assert_eq!(sizes(5, 2), [5, 5]);
        assert_eq!(sizes(100, 1), [100]);
    }

    #[test]
    fn every_beginning_has_the_classes_in_proportion() {
        let classes = Targets::Classes((0..90).map(|row| u32::from(row % 3 == 0)).collect());
        let order = nested(&classes, 0, 1);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..90).collect::<Vec<_>>());
        for size in [9, 30, 60] {
            let rare = order[..size].iter().filter(|&&row| row % 3 == 0).count();
            assert!(rare.abs_diff(size / 3) <= 1, "{rare} of {size}");
        }
        assert_ne!(order, nested(&classes, 0, 2));
    }

    #[test]
    fn the_curve_tells_what_would_help() {
        let point = |rows, train, test| CurvePoint {
            rows,
            train: Spread { mean: train, sd: 0.01 },
            test: Spread { mean: test, sd: 0.01 },
        };
        for (points, word) in [
            (vec![point(10, 1.0, 0.6), point(20, 1.0, 0.7)], "more data"),
            (vec![point(10, 1.0, 0.7), point(20, 1.0, 0.701)], "simpler"),
            (vec![point(10, 0.72, 0.7), point(20, 0.71, 0.7)], "larger model"),
            (vec![point(10, 0.72, 0.7)], "no curve"),
            (vec![point(10, 1.0, 0.7), point(20, f64::NAN, 0.7)], "no number"),
        ] {
            assert!(advice(&points).contains(word), "{}", advice(&points));
        }
    }
}
