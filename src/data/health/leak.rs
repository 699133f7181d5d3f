//! Columns of a table that alone tell the target: mostly they are made from it, and will not be known when it is asked for.

use super::{LISTED, Part};
use crate::data::samples::{Dataset, Targets};
use crate::spec::{Finding, FindingKind, InputForm, Shape, TargetTransform, units};

/// Share of the errors of always answering the most frequent class that a column must save.
const TELLING: f64 = 0.97;
/// The same on the rows of validation and test alone, of which there may be few.
const TELLING_ELSEWHERE: f64 = 0.9;
/// Rank correlation with a number to predict.
const CORRELATED: f64 = 0.98;
/// Columns and training rows that are looked at.
const MOST_COLUMNS: usize = 1_000;
const MOST_ROWS: usize = 20_000;

/// By a decision tree over one column for classes, by rank correlation (Spearman 1904) for numbers.
pub fn leaks(dataset: &Dataset, train: &Part<'_>, others: &[Part<'_>]) -> Vec<Finding> {
    let preprocessing = &dataset.preprocessing;
    if preprocessing.form != InputForm::Row || !matches!(preprocessing.shape, Shape::Features { .. }) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let mut first = 0;
    // Every column is the only one of some table: there it is no leak.
    let columns = preprocessing.columns.len();
    for column in preprocessing.columns.iter().take(MOST_COLUMNS).filter(|_| columns > 1) {
        let own = first..first + column.kind.width();
        first = own.end;
        let value = |part: &Part<'_>, row: usize| {
            let inputs = &part.row(row)[own.clone()];
            match inputs {
                [value] => *value,
                _ => inputs
                    .iter()
                    .position(|&input| input > 0.5)
                    .map_or(-1.0, |place| place as f32),
            }
        };
        let what = match (&train.targets, &preprocessing.target) {
            (Targets::Classes(_), TargetTransform::Classes { classes }) => {
                telling(train, others, classes.len(), &value).map(|share| {
                    format!(
                        "\"{}\" alone tells the class of {} of the rows",
                        column.name,
                        units::percent(share)
                    )
                })
            }
            (Targets::Values { values, width }, TargetTransform::Values { targets }) => {
                let rows = train.rows.min(MOST_ROWS);
                let inputs: Vec<f32> = (0..rows).map(|row| value(train, row)).collect();
                targets.iter().enumerate().find_map(|(place, target)| {
                    let truth: Vec<f32> = (0..rows).map(|row| values[row * width + place]).collect();
                    let correlation = rank_correlation(&inputs, &truth);
                    (correlation.abs() >= CORRELATED).then(|| {
                        let name = &target.name;
                        format!(
                            "\"{}\" and \"{name}\" rank the rows alike (correlation {correlation:.3})",
                            column.name
                        )
                    })
                })
            }
            _ => None,
        };
        findings.extend(what.map(|what| Finding {
            kind: FindingKind::Leak,
            place: column.name.clone(),
            count: 1,
            what,
            remedy: "If it is made from the target, or not known before it, remove the column".to_owned(),
        }));
    }
    findings.truncate(LISTED);
    findings
}

/// Share of the rows whose class the column tells, if that is nearly all that there is to tell.
fn telling(
    train: &Part<'_>,
    others: &[Part<'_>],
    classes: usize,
    value: &impl Fn(&Part<'_>, usize) -> f32,
) -> Option<f64> {
    let pairs = |part: &Part<'_>| -> Vec<(f32, u32)> {
        let Targets::Classes(truth) = part.targets else {
            return Vec::new();
        };
        let rows = 0..part.rows.min(MOST_ROWS);
        rows.map(|row| (value(part, row), truth[row])).collect()
    };
    let mut known = pairs(train);
    known.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let tree = Tree::of(&known, classes);
    let elsewhere: Vec<(f32, u32)> = others.iter().flat_map(pairs).collect();
    let skill = |rows: &[(f32, u32)]| {
        let right = rows
            .iter()
            .filter(|(value, class)| tree.answer(*value) == *class)
            .count();
        let base = rows.iter().filter(|(_, class)| *class == tree.most_frequent).count();
        let share = right as f64 / rows.len().max(1) as f64;
        (share, (right as f64 - base as f64) / (rows.len() - base).max(1) as f64)
    };
    let (share, all) = skill(&[&known[..], &elsewhere].concat());
    (all >= TELLING && skill(&elsewhere).1 >= TELLING_ELSEWHERE).then_some(share)
}

/// Intervals of one column, each with its most frequent class.
struct Tree {
    most_frequent: u32,
    /// Upper end (exclusive) and class of each interval but the last, which has no end.
    intervals: Vec<(f32, u32)>,
    last: u32,
}

impl Tree {
    /// `rows` in the order of their values. Intervals hold 2 % of the rows, and 3 rows, at least; they are divided where that separates
    /// the classes best, at most into twice as many as there are classes.
    fn of(rows: &[(f32, u32)], classes: usize) -> Self {
        let least = (rows.len() / 50).max(3);
        let mut pieces = vec![rows];
        while pieces.len() < 2 * classes {
            let best = pieces
                .iter()
                .enumerate()
                .filter_map(|(place, piece)| cut(piece, classes, least).map(|(at, gain)| (place, at, gain)))
                .max_by(|a, b| a.2.total_cmp(&b.2));
            let Some((place, at, _)) = best.filter(|(_, _, gain)| *gain > 0.0) else {
                break;
            };
            let (low, high) = pieces[place].split_at(at);
            pieces[place] = low;
            pieces.insert(place + 1, high);
        }
        let ends = pieces.iter().skip(1).filter_map(|piece| piece.first());
        let answers = pieces.iter().map(|piece| most_frequent(piece, classes));
        Self {
            most_frequent: most_frequent(rows, classes),
            intervals: ends.map(|(value, _)| *value).zip(answers).collect(),
            last: pieces.last().map_or(0, |piece| most_frequent(piece, classes)),
        }
    }

    fn answer(&self, value: f32) -> u32 {
        let interval = self.intervals.iter().find(|(end, _)| value < *end);
        interval.map_or(self.last, |(_, class)| *class)
    }
}

fn counts(rows: &[(f32, u32)], classes: usize) -> Vec<f64> {
    let mut counts = vec![0.0; classes];
    for &(_, class) in rows {
        counts[class as usize] += 1.0;
    }
    counts
}

fn most_frequent(rows: &[(f32, u32)], classes: usize) -> u32 {
    let counts = counts(rows, classes);
    let best = (0..classes).max_by(|&a, &b| counts[a].total_cmp(&counts[b]));
    best.unwrap_or(0) as u32
}

/// Where to cut, and how much that lowers the Gini impurity times the rows.
fn cut(rows: &[(f32, u32)], classes: usize, least: usize) -> Option<(usize, f64)> {
    // Rows times impurity are n - sum of squares / n; the sums are kept while the cut moves.
    let mut high = counts(rows, classes);
    let mut low = vec![0.0; classes];
    let squares = |counts: &[f64]| counts.iter().map(|count| count * count).sum::<f64>();
    let (mut low_squares, mut high_squares) = (0.0, squares(&high));
    let whole = high_squares / rows.len().max(1) as f64;
    let mut best: Option<(usize, f64)> = None;
    for (place, &(value, class)) in rows.iter().enumerate() {
        let class = class as usize;
        low_squares += 2.0 * low[class] + 1.0;
        high_squares -= 2.0 * high[class] - 1.0;
        low[class] += 1.0;
        high[class] -= 1.0;
        let at = place + 1;
        let Some(&(next, _)) = rows.get(at) else { break };
        if at < least || rows.len() - at < least || next == value {
            continue;
        }
        let gain = low_squares / at as f64 + high_squares / (rows.len() - at) as f64 - whole;
        if best.is_none_or(|(_, known)| gain > known) {
            best = Some((at, gain));
        }
    }
    best
}

/// Pearson's correlation of the ranks; equal values share the mean of their ranks.
pub(super) fn rank_correlation(a: &[f32], b: &[f32]) -> f64 {
    let (a, b) = (ranks(a), ranks(b));
    let middle = (a.len() as f64 - 1.0) / 2.0;
    let (mut product, mut a_squares, mut b_squares) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(&b) {
        product += (a - middle) * (b - middle);
        a_squares += (a - middle).powi(2);
        b_squares += (b - middle).powi(2);
    }
    let scale = f64::sqrt(a_squares * b_squares);
    if scale > 0.0 { product / scale } else { 0.0 }
}

fn ranks(values: &[f32]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = start as f64 + (equal.len() as f64 - 1.0) / 2.0;
        for &row in equal {
            ranks[row] = rank;
        }
        start += equal.len();
    }
    ranks
}
