//! What a network saw before it said the next values of a series.

use super::Viewer;
use crate::data::Samples;
use crate::spec::{Forecast, ForecastWindow, InputForm};

/// Rows that are shown with their past.
const WINDOWS: usize = 48;

impl Viewer<'_> {
    /// Some of the first `rows` rows with their past; none where the data are no series.
    pub(super) fn forecast(&self, samples: &Samples, rows: usize) -> Option<Forecast> {
        let InputForm::Window {
            features,
            targets,
            horizon,
        } = &self.dataset.preprocessing.form
        else {
            return None;
        };
        let places: Vec<usize> = targets
            .iter()
            .filter_map(|target| features.iter().position(|feature| feature.name == *target))
            .collect();
        let past = |row: usize| {
            let inputs = samples.row(row);
            let steps = inputs.chunks_exact(features.len().max(1));
            let column = |&place: &usize| {
                let scale = &features[place];
                let raw = |step: &[f32]| scale.mean + scale.deviation * f64::from(step[place]);
                steps.clone().map(raw).collect()
            };
            places.iter().map(column).collect()
        };
        let shown = rows.min(WINDOWS);
        let chosen = (0..shown).map(|place| place * rows / shown);
        Some(Forecast {
            columns: targets.clone(),
            horizon: *horizon,
            windows: chosen.map(|row| ForecastWindow { row, past: past(row) }).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{self, Targets};
    use crate::spec::{AnswersSeen, DataConfig, FeatureScale, Shape, TargetScale, TargetTransform};

    #[test]
    fn the_past_is_in_the_column_s_own_unit_and_the_rows_are_spread() {
        let mut dataset = data::load(&DataConfig::default()).unwrap();
        let scale = |name: &str, mean, deviation| FeatureScale {
            name: name.to_owned(),
            mean,
            deviation,
        };
        let target = |name: &str| TargetScale {
            name: name.to_owned(),
            mean: 10.0,
            deviation: 2.0,
        };
        dataset.preprocessing.columns.clear();
        dataset.preprocessing.shape = Shape::Sequence { steps: 3, features: 2 };
        dataset.preprocessing.target = TargetTransform::Values {
            targets: vec![target("load + 1"), target("load + 2")],
        };
        dataset.preprocessing.form = InputForm::Window {
            features: vec![scale("sun", 0.0, 1.0), scale("load", 10.0, 2.0)],
            targets: vec!["load".to_owned()],
            horizon: 2,
        };
        let rows = 100;
        let samples = Samples {
            shape: dataset.preprocessing.shape,
            // The load of step s of row r is r + s.
            inputs: (0..rows * 3)
                .flat_map(|at| [9.0, ((at / 3 + at % 3) as f32 - 10.0) / 2.0])
                .collect::<Vec<f32>>()
                .into(),
            targets: Targets::Values {
                values: (0..rows * 2)
                    .map(|at| ((at / 2 + 3 + at % 2) as f32 - 10.0) / 2.0)
                    .collect(),
                width: 2,
            },
        };
        let outputs = vec![0.0; rows * 2];
        let AnswersSeen::Values { targets, forecast, .. } = Viewer::new(&dataset).answers(&samples, &outputs) else {
            panic!("a forecast is of values");
        };
        assert_eq!((targets[0].rows[5], targets[1].rows[5]), ([8.0, 10.0], [9.0, 10.0]));
        let forecast = forecast.unwrap();
        assert_eq!((forecast.horizon, forecast.windows.len()), (2, WINDOWS));
        assert_eq!(forecast.windows[24].row, 50);
        assert_eq!(forecast.windows[24].past, [[50.0, 51.0, 52.0]]);
    }
}
