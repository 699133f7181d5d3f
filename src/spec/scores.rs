//! Scores class by class, and how far a network's probabilities can be believed.

use super::ClassAnswer;

/// How one class fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClassScore {
    /// Rows that are of the class.
    pub support: usize,
    /// Rows that are answered to be of it.
    pub answered: usize,
    /// Those that are both.
    pub right: usize,
}

impl ClassScore {
    /// One a class, from pairs of true and answered class; a class out of the list does not count.
    pub fn all(pairs: impl IntoIterator<Item = (usize, usize)>, classes: usize) -> Vec<Self> {
        let mut scores = vec![Self::default(); classes];
        for (truth, answer) in pairs {
            if let Some(score) = scores.get_mut(truth) {
                score.support += 1;
                score.right += usize::from(truth == answer);
            }
            if let Some(score) = scores.get_mut(answer) {
                score.answered += 1;
            }
        }
        scores
    }

    /// Share of the answers that are right; none where the class was never answered.
    pub fn precision(&self) -> Option<f64> {
        share(self.right, self.answered)
    }

    /// Share of the class's rows that were found; none where it has none.
    pub fn recall(&self) -> Option<f64> {
        share(self.right, self.support)
    }

    /// Harmonic mean of precision and recall, 0 where nothing is right; none where the class neither occurs nor is answered.
    pub fn f1(&self) -> Option<f64> {
        share(2 * self.right, self.support + self.answered)
    }

    /// Mean of the classes' F1; those that have none do not count.
    pub fn macro_f1(scores: &[Self]) -> Option<f64> {
        let all: Vec<f64> = scores.iter().filter_map(Self::f1).collect();
        (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Whether answers given with 80 % probability are right four times of five (Guo et al. 2017).
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// Ten of equal width, by the answer's probability; a bound belongs to the lower one.
    pub bins: [CalibrationBin; 10],
    /// Expected calibration error: the mean over the rows of the distance between their bin's accuracy and confidence.
    pub error: f64,
    /// The largest of these distances.
    pub largest: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CalibrationBin {
    pub rows: usize,
    /// Share of right answers, and mean of the probabilities they were given with; 0 where there are no rows.
    pub accuracy: f64,
    pub confidence: f64,
}

impl CalibrationBin {
    pub fn gap(&self) -> f64 {
        (self.accuracy - self.confidence).abs()
    }
}

impl Calibration {
    /// Rows whose probability is no number do not count.
    pub fn of(rows: &[ClassAnswer]) -> Self {
        let mut bins = [CalibrationBin::default(); 10];
        let mut count = 0;
        for row in rows.iter().filter(|row| row.confidence.is_finite()) {
            let place = ((10.0 * row.confidence).ceil() as usize).clamp(1, 10) - 1;
            let bin = &mut bins[place];
            bin.rows += 1;
            bin.accuracy += f64::from(u8::from(row.truth == row.answer));
            bin.confidence += f64::from(row.confidence);
            count += 1;
        }
        for bin in bins.iter_mut().filter(|bin| bin.rows > 0) {
            bin.accuracy /= bin.rows as f64;
            bin.confidence /= bin.rows as f64;
        }
        let total: f64 = bins.iter().map(|bin| bin.rows as f64 * bin.gap()).sum();
        Self {
            bins,
            error: total / f64::from(count.max(1)),
            largest: bins.iter().map(CalibrationBin::gap).fold(0.0, f64::max),
        }
    }
}

/// In decibels; none where both are equal.
pub fn signal_to_noise(reference: &[f32], changed: &[f32]) -> Option<f64> {
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let signal = square(&mut reference.iter().map(|&value| f64::from(value)));
    let noise = square(&mut reference.iter().zip(changed).map(|(a, b)| f64::from(a - b)));
    (noise > 0.0 && signal > 0.0).then(|| 10.0 * (signal / noise).log10())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_recall_and_f1_by_hand() {
        // Truth and answer of six rows of three classes; the fourth class does not occur.
        let pairs = [(0, 0), (0, 0), (0, 1), (1, 1), (1, 0), (2, 0)];
        let scores = ClassScore::all(pairs, 4);
        let of = |class: usize| (scores[class].precision(), scores[class].recall(), scores[class].f1());
        assert_eq!(of(0), (Some(0.5), Some(2.0 / 3.0), Some(4.0 / 7.0)));
        assert_eq!(of(1), (Some(0.5), Some(0.5), Some(0.5)));
        assert_eq!(of(2), (None, Some(0.0), Some(0.0)));
        assert_eq!(of(3), (None, None, None));
        let mean = ClassScore::macro_f1(&scores).unwrap();
        assert!((mean - (4.0 / 7.0 + 0.5) / 3.0).abs() < 1e-12);
        assert_eq!(ClassScore::macro_f1(&[]), None);
        assert_eq!(ClassScore::all([(9, 9)], 2), [ClassScore::default(); 2]);
    }

    #[test]
    fn calibration_by_hand() {
        let row = |confidence: f32, is_right: bool| ClassAnswer {
            truth: 0,
            answer: u32::from(!is_right),
            probability: confidence,
            confidence,
        };
        // 0.5 to 0.6: three rows, one right, mean 0.56. 0.9 to 1: two rows, both right, mean 0.975.
        let rows = [
            row(0.52, true),
            row(0.56, false),
            row(0.6, false),
            row(0.95, true),
            row(1.0, true),
            row(f32::NAN, true),
        ];
        let calibration = Calibration::of(&rows);
        let counts: Vec<usize> = calibration.bins.iter().map(|bin| bin.rows).collect();
        assert_eq!(counts, [0, 0, 0, 0, 0, 3, 0, 0, 0, 2]);
        let [low, high] = [0.56 - 1.0 / 3.0, 0.025];
        assert!((calibration.error - (3.0 * low + 2.0 * high) / 5.0).abs() < 1e-6);
        assert!((calibration.largest - low).abs() < 1e-6);
        assert_eq!(Calibration::of(&[]).error, 0.0);
    }
}
