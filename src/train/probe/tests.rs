//! Probes can be stopped, follow the plan, and say the same every time.

use std::cell::RefCell;
use std::time::Duration;

use super::*;
use crate::data;
use crate::spec::{RunConfig, Task};

fn prepared() -> (RunPlan, Dataset) {
    let mut config = RunConfig::default();
    config.model.hidden = vec![16];
    let dataset = data::load(&config.data).unwrap();
    (config.check(&dataset.summary).unwrap(), dataset)
}

#[test]
fn every_probe_stops_when_it_is_asked_to() {
    let (plan, dataset) = prepared();
    let control = RunControl::default();
    let calls = RefCell::new(0);
    let progress = |done: usize, total: usize| {
        assert!(done <= total);
        *calls.borrow_mut() += 1;
        if *calls.borrow() == 2 {
            control.request(Command::Stop);
        }
    };
    let watch = || {
        *calls.borrow_mut() = 0;
        control.request(Command::Run);
        Watch {
            control: &control,
            progress: &progress,
        }
    };
    assert_eq!(find_rate(&plan, &dataset, 50, watch()).unwrap(), None);
    assert_eq!(find_batch(&plan, &dataset, 1 << 40, watch()).unwrap(), None);
    assert_eq!(throughput(&plan, &dataset, watch()).unwrap(), None);
    assert_eq!(
        workers(&plan, &dataset, &[1, 2], Duration::from_mins(1), watch()).unwrap(),
        None
    );
    assert_eq!(profile(&plan, &dataset, 50, watch()).unwrap(), None);
    let load = |_| Ok(dataset.clone());
    let curve = learning_curve((3, 2, 0), load, |_| Ok(Some(fitted(0.5))), watch());
    assert_eq!(curve.unwrap(), None);
}

fn fitted(accuracy: f64) -> Fitted {
    let metrics = crate::spec::Metrics {
        accuracy: Some(accuracy),
        ..crate::spec::Metrics::default()
    };
    Fitted {
        train: metrics,
        test: metrics,
    }
}

fn unwatched(control: &RunControl) -> Watch<'_> {
    Watch {
        control,
        progress: &|_, _| {},
    }
}

#[test]
fn a_curve_gives_every_fit_its_rows() {
    let (_, dataset) = prepared();
    let rows = RefCell::new(Vec::new());
    let fit = |part: &Dataset| {
        let rows = &mut *rows.borrow_mut();
        rows.push(part.train.len());
        assert_eq!(part.summary.split.train, part.train.len());
        let Task::Classification { classes } = &part.summary.task else {
            panic!("digits are classes");
        };
        assert_eq!(classes.len(), 10);
        Ok(Some(fitted(part.train.len() as f64 / 2000.0)))
    };
    let control = RunControl::default();
    let curve = learning_curve((3, 2, 0), |_| Ok(dataset.clone()), fit, unwatched(&control));
    let curve = curve.unwrap().unwrap();
    assert_eq!(*rows.borrow(), [63, 281, 1257, 63, 281, 1257]);
    let scored: Vec<(usize, f64)> = curve.points.iter().map(|point| (point.rows, point.test.mean)).collect();
    assert_eq!(scored, [(63, 0.0315), (281, 0.1405), (1257, 0.6285)]);
    assert!(curve.points.iter().all(|point| point.test.sd == 0.0));
    assert!(curve.advice.contains("more data"));
}

#[test]
fn a_rate_test_is_reproducible_and_ends_where_the_loss_blows_up() {
    let (mut plan, dataset) = prepared();
    plan.config.train.optimizer = crate::spec::OptimizerKind::Sgd;
    let control = RunControl::default();
    let range = find_rate(&plan, &dataset, 120, unwatched(&control)).unwrap().unwrap();
    assert_eq!(
        Some(range.clone()),
        find_rate(&plan, &dataset, 120, unwatched(&control)).unwrap()
    );
    assert!(range.points.len() > 40 && range.points.iter().all(|point| point.loss.is_finite()));
    let suggested = range.suggested.unwrap();
    assert!(suggested > 1e-4 && suggested <= range.lowest.unwrap(), "{range:?}");
}

#[test]
fn the_parts_of_a_step_are_the_whole_and_every_layer_takes_time() {
    let (mut plan, dataset) = prepared();
    let control = RunControl::default();
    for workers in [1, 2] {
        plan.config.train.workers = workers;
        let began = std::time::Instant::now();
        let found = profile(&plan, &dataset, 20, unwatched(&control)).unwrap().unwrap();
        let all = began.elapsed().as_secs_f64();
        assert_eq!((found.steps, found.workers), (20, workers));
        let parts = found.times.parts();
        assert!(parts.iter().all(|&secs| secs >= 0.0), "{found:?}");
        // Gathering, both ways through the network and the update all take time that the clock sees.
        assert!(parts[..4].iter().all(|&secs| secs > 0.0), "{found:?}");
        assert!((parts.iter().sum::<f64>() - found.step_secs).abs() < 1e-9);
        assert!(20.0 * found.step_secs <= all && found.median_step_secs > 0.0);
        let layers: Vec<&str> = found.layers.iter().map(|layer| layer.name).collect();
        assert_eq!(layers, ["flatten", "dense", "ReLU", "dense"]);
        assert!(found.layers.iter().all(|layer| layer.forward_secs >= 0.0));
    }
}
