//! Pictures' data by hand.

use std::convert::Infallible;

use super::*;
use crate::data;
use crate::spec::{AnswersSeen, DataConfig, NamedTensor, Shape, TargetAnswers, Task, TaskKind};

fn dataset(source: &str) -> Dataset {
    data::load(&DataConfig {
        source: source.to_owned(),
        ..DataConfig::default()
    })
    .unwrap()
}

#[test]
fn answers_say_class_and_probability_and_the_worst_come_first() {
    let iris = dataset("iris");
    let rows = iris.test.len();
    // Sure of class 0 everywhere, and the surer the later the row.
    let outputs: Vec<f32> = (0..rows).flat_map(|row| [row as f32, 0.0, 0.0]).collect();
    let AnswersSeen::Classes {
        classes,
        rows: seen,
        worst,
        ..
    } = Viewer::new(&iris).answers(&iris.test, &outputs)
    else {
        panic!("iris is a classification");
    };
    assert_eq!((classes.len(), seen.len()), (3, rows));
    assert!(seen.iter().all(|row| row.answer == 0));
    assert!((seen[0].probability - 1.0 / 3.0).abs() < 1e-6);
    let last_wrong = seen.iter().rposition(|row| row.truth != 0).unwrap();
    assert_eq!(worst[0].row, last_wrong);
    assert_eq!(worst.len(), rows.min(24));
    assert_eq!(worst[0].truth, classes[seen[last_wrong].truth as usize]);
    assert!(
        worst[0].answer.starts_with(&format!("{} (", classes[0])),
        "{}",
        worst[0].answer
    );
    assert_eq!((worst[0].columns.len(), worst[0].cells.len()), (4, 4));
    assert!(worst[0].pixels.is_none());
}

#[test]
fn values_are_in_the_target_s_own_unit() {
    let diabetes = dataset("diabetes");
    let zeros = vec![0.0; diabetes.test.len()];
    let AnswersSeen::Values { targets, worst, .. } = Viewer::new(&diabetes).answers(&diabetes.test, &zeros) else {
        panic!("diabetes is a regression");
    };
    let [TargetAnswers { rows, .. }] = &targets[..] else {
        panic!("{targets:?}")
    };
    let error = |row: &[f64; 2]| (row[0] - row[1]).abs();
    let largest = rows.iter().map(error).fold(0.0, f64::max);
    assert_eq!(error(&rows[worst[0].row]), largest);
    assert!(
        rows.iter()
            .all(|row| row[1] == rows[0][1] && (100.0..200.0).contains(&row[1]))
    );
    assert_eq!(
        worst[0].truth.parse::<f64>().unwrap().round(),
        rows[worst[0].row][0].round()
    );
}

#[test]
fn pixels_are_ink_between_0_and_1_and_back() {
    let digits = dataset("digits");
    let viewer = Viewer::new(&digits);
    for row in 0..20 {
        let view = viewer.sample(&digits.test, row, String::new());
        let (shape, pixels) = view.pixels.unwrap();
        assert_eq!((shape.len(), pixels.len()), (64, 64));
        assert!(pixels.iter().all(|&ink| (0.0..=1.0).contains(&ink)));
        // Sixteenths of ink, as in the file.
        assert!(
            pixels
                .iter()
                .all(|&ink| ((ink * 16.0).round() - ink * 16.0).abs() < 1e-4)
        );
        assert!(view.cells.is_empty());
        for (back, input) in viewer
            .inputs_of_pixels(&pixels)
            .unwrap()
            .iter()
            .zip(&*digits.test.row(row))
        {
            assert!((back - input).abs() < 1e-5, "{back} {input}");
        }
    }
    assert!(viewer.inputs_of_pixels(&[0.0; 63]).is_none());
    let examples = viewer.examples();
    let Task::Classification { classes } = &digits.summary.task else {
        panic!()
    };
    for class in classes {
        assert_eq!(examples.iter().filter(|view| view.truth == *class).count(), 6);
    }
}

#[test]
fn an_image_with_values_shows_its_first_rows() {
    let config = DataConfig {
        task: Some(TaskKind::Regression),
        ..DataConfig::default()
    };
    let digits = data::load(&config).unwrap();
    let examples = Viewer::new(&digits).examples();
    assert!(
        examples.len() >= 20
            && examples
                .iter()
                .all(|view| view.pixels.is_some() && !view.truth.is_empty())
    );
}

#[test]
fn a_surface_covers_the_training_rows_and_a_little_more() {
    let moons = dataset("moons");
    let viewer = Viewer::new(&moons);
    // Class 1 to the right of the mean of x.
    let network = |inputs: &[f32]| {
        assert_eq!(inputs.len(), 64 * 64 * 2);
        Ok::<_, Infallible>(inputs.chunks(2).flat_map(|row| [0.0, 1e3 * row[0]]).collect())
    };
    let surface = viewer.surface(network).unwrap().unwrap();
    assert_eq!(surface.columns, ["x", "y"]);
    assert_eq!((surface.size, surface.cells.len()), (64, 64 * 64));
    assert_eq!(surface.points, viewer.points());
    assert_eq!(surface.points.len(), moons.train.len());
    for ([x, y], _) in &surface.points {
        assert!(surface.x[0] < *x && *x < surface.x[1] && surface.y[0] < *y && *y < surface.y[1]);
    }
    let mean = surface.points.iter().map(|([x, _], _)| x).sum::<f64>() / surface.points.len() as f64;
    for (place, (class, probability)) in surface.cells.iter().enumerate() {
        let x = surface.x[0] + (place as f64 % 64.0 + 0.5) / 64.0 * (surface.x[1] - surface.x[0]);
        assert_eq!(*class == 1, x > mean, "{place}");
        assert!(*probability >= 0.5);
    }
    assert!(Viewer::new(&dataset("iris")).surface(network).unwrap().is_none());
}

#[test]
fn histograms_count_every_weight_and_name_the_zeros() {
    let tensor = |name: &str, shape: &[usize], data: Vec<f32>| NamedTensor {
        name: name.to_owned(),
        shape: shape.to_vec(),
        data,
    };
    let weights = Weights {
        tensors: vec![
            tensor("layers.0.weight", &[2, 3], vec![-1.0, 0.0, 0.0, 0.5, 1.0, 1.0]),
            tensor("layers.0.bias", &[2], vec![9.0, 9.0]),
            tensor("layers.1.weight", &[1, 2], vec![0.0, 0.0]),
            tensor("layers.2.weight", &[1, 2], vec![f32::NAN, f32::INFINITY]),
        ],
    };
    let seen = histograms(&weights);
    assert_eq!(seen.len(), 3);
    assert_eq!((seen[0].low, seen[0].high, seen[0].values), (-1.0, 1.0, 6));
    assert_eq!(seen[0].counts.iter().sum::<u32>(), 6);
    assert_eq!((seen[0].counts[0], seen[0].counts[47]), (1, 2));
    assert_eq!(seen[0].zeros, 1.0 / 3.0);
    assert!(seen[1].low < 0.0 && seen[1].high > 0.0 && seen[1].zeros == 1.0);
    assert_eq!(seen[2].counts.iter().sum::<u32>(), 0);
}

#[test]
fn a_shape_without_an_image_has_no_pixels() {
    let wine = dataset("wine");
    assert!(matches!(wine.preprocessing.shape, Shape::Features { .. }));
    let viewer = Viewer::new(&wine);
    assert!(viewer.inputs_of_pixels(&[0.0; 13]).is_none());
    assert!(viewer.points().is_empty());
    let examples = viewer.examples();
    assert_eq!(examples.len(), 100);
    assert_eq!(examples[0].cells.len(), 13);
}

#[test]
fn what_compression_broke_and_mended_is_counted_by_class() {
    let iris = dataset("iris");
    let crate::data::Targets::Classes(truths) = &iris.test.targets else {
        panic!("iris is a classification");
    };
    let outputs = |answer: &dyn Fn(usize) -> u32| -> Vec<f32> {
        let one = |class: u32| (0..3).map(move |place| f32::from(u8::from(place == class)));
        (0..truths.len()).flat_map(|row| one(answer(row))).collect()
    };
    // Before, the first row is wrong; after, the second and the third are.
    let wrong = |row: usize| (truths[row] + 1) % 3;
    let before = outputs(&|row| if row == 0 { wrong(row) } else { truths[row] });
    let after = outputs(&|row| if row == 1 || row == 2 { wrong(row) } else { truths[row] });
    let viewer = Viewer::new(&iris);
    let changes = viewer.changes("iris-mlp", &iris.test, &before, &after).unwrap();
    let rows = |views: &[crate::spec::SampleView]| views.iter().map(|view| view.row).collect::<Vec<_>>();
    assert_eq!((rows(&changes.broken), rows(&changes.mended)), (vec![1, 2], vec![0]));
    let answered = &changes.classes[wrong(1) as usize];
    assert!(
        changes.broken[0].answer.starts_with(answered),
        "{:?}",
        changes.broken[0]
    );
    let mut counted = vec![[0; 5]; 3];
    for (row, &truth) in truths.iter().enumerate() {
        let count = &mut counted[truth as usize];
        count[0] += 1;
        count[1] += usize::from(row != 0);
        count[2] += usize::from(row != 1 && row != 2);
        count[3] += usize::from(row == 1 || row == 2);
        count[4] += usize::from(row == 0);
    }
    let found = changes.counts.iter().map(|count| {
        [
            count.rows,
            count.right_before,
            count.right_after,
            count.broken,
            count.mended,
        ]
    });
    assert_eq!(found.collect::<Vec<_>>(), counted);
    // Each of the three changed rows differs by 1 in two of its outputs.
    let decibels = 10.0 * (truths.len() as f64 / 6.0).log10();
    assert!((changes.signal_to_noise.unwrap() - decibels).abs() < 1e-9);
    assert_eq!(
        viewer
            .changes("x", &iris.test, &before, &before)
            .unwrap()
            .signal_to_noise,
        None
    );
    assert_eq!(viewer.changes("x", &iris.test, &before[3..], &after), None);
    let diabetes = dataset("diabetes");
    let zeros = vec![0.0; diabetes.test.len()];
    assert_eq!(
        Viewer::new(&diabetes).changes("x", &diabetes.test, &zeros, &zeros),
        None
    );
}
