//! Scores by class, curves, residuals, and what is inside the network.

use super::*;
use crate::app::tests::models::open_as;
use crate::spec::{
    Architecture, Attention, AttentionLayer, FilterPicture, Filters, Forecast, ForecastWindow, GradientSeen, Gradients,
    LayerSpec, RocCurve, Shape,
};

fn histogram(name: &str) -> Histogram {
    Histogram {
        name: name.to_owned(),
        ..snapshot().histograms.remove(0)
    }
}

/// A run of a network with attention.
fn attentive(snapshot: Snapshot) -> Model {
    let mut model = with_runs(vec![row(RUN.0, "digits-transformer")]);
    open_as(&mut model, RUN, |plan| {
        plan.model.layers.push(LayerSpec::SelfAttention {
            heads: 2,
            head_width: None,
        });
    });
    model.runs.set_seen(RUN, Seen::Ready(Arc::new(snapshot)));
    model
}

/// The same, being trained now.
fn live(model: &mut Model) {
    model.runs.change(RUN, |row| row.run.status = RunStatus::Running);
    enqueue(model, 1, "digits-cnn", JobKind::Train);
    begin(model, RUN);
}

#[test]
fn classes_are_sorted_and_show_what_was_missed() {
    let mut stage = stage(seen(snapshot()));
    press(&mut stage, "Classes");
    assert!(says(&stage, "F1, mean of the classes") && says(&stage, "Accuracy 61.9 %"));
    let top = |stage: &Stage, name: &str| stage.get_by_label(name).rect().top();
    // Neither was ever found; of classes that are equally bad the order of the data stays.
    assert!(top(&stage, "3: 60 missed") < top(&stage, "9: 1 missed"));
    let first = top(&stage, "3: 60 missed");
    press(&mut stage, "Sort by recall");
    assert_eq!(top(&stage, "3: 60 missed"), first);
    press(&mut stage, "Sort by recall");
    assert!(
        top(&stage, "3: 60 missed") > first,
        "class 0, which was always found, comes first"
    );
    press(&mut stage, "3: 60 missed");
    let Some(Action::Samples { title, rows, part, .. }) = stage.state().asked.last() else {
        panic!("{:?}", stage.state().asked);
    };
    assert_eq!(
        (title.as_str(), *part),
        ("3, missed: 48 of 60 samples", Part::Validation)
    );
    assert_eq!(*rows, (100..148).collect::<Vec<_>>());
}

#[test]
fn curves_are_listed_by_their_area_and_one_is_kept_in_front() {
    let mut with_curves = snapshot();
    let AnswersSeen::Classes { curves, .. } = &mut with_curves.answers else {
        panic!()
    };
    *curves = vec![
        RocCurve {
            class: 0,
            rows: [10, 20],
            area: Some(0.9),
            points: vec![[0.0, 0.0], [0.1, 0.9], [1.0, 1.0]],
        },
        RocCurve {
            class: 3,
            rows: [5, 25],
            area: Some(0.7),
            points: vec![[0.0, 0.0], [0.5, 0.8], [1.0, 1.0]],
        },
    ];
    let mut stage = stage(seen(with_curves));
    press(&mut stage, "ROC");
    assert!(says(&stage, "0.8000") && stage.query_by_role_and_label(Role::Figure, "ROC curves").is_some());
    let [worst, best] = ["3 against the rest: area 0.7000", "0 against the rest: area 0.9000"];
    assert!(stage.get_by_label(worst).rect().top() < stage.get_by_label(best).rect().top());
    press(&mut stage, worst);
    press(&mut stage, worst);
}

#[test]
fn calibration_says_how_sure_and_how_right() {
    let mut stage = stage(seen(snapshot()));
    press(&mut stage, "Calibration");
    // All are half sure, and 99 of 160 are right.
    assert!(says(&stage, "11.9 %") && says(&stage, "Under-confident"));
    assert!(says(
        &stage,
        "40 to 50 % sure: 160 rows, 61.9 % right, 50.0 % sure on average"
    ));
    assert!(says(&stage, "90 to 100 % sure: no rows"));
}

#[test]
fn gradients_are_asked_for_when_somebody_looks_and_sick_ones_are_named() {
    let mut stage = stage(seen(snapshot()));
    assert!(stage.state().asked.is_empty());
    press(&mut stage, "Gradients");
    let wanted = Wanted {
        gradients: true,
        attention: None,
    };
    assert!(matches!(stage.state().asked[0], Action::Inspect(RUN, of) if of == wanted));
    let size = |name: &str, size: f64| GradientSeen {
        histogram: histogram(name),
        size,
    };
    let with_gradients = Snapshot {
        wanted,
        gradients: Some(Gradients {
            step: None,
            tensors: vec![
                size("layers.0.weight", 0.0),
                size("layers.1.weight", 1e-9),
                size("layers.1.bias", 1e-9),
                size("layers.2.weight", 0.5),
                size("layers.2.bias", f64::NAN),
            ],
        }),
        ..snapshot()
    };
    let news = Seen::Ready(Arc::new(with_gradients));
    stage.state_mut().model.runs.set_seen(RUN, news);
    stage.state_mut().asked.clear();
    stage.run();
    assert!(stage.state().asked.is_empty(), "{:?}", stage.state().asked);
    for words in [
        "2 of 5",
        "1 zero",
        "1 vanishing",
        "1 exploding",
        "one training batch with the kept weights",
    ] {
        assert!(says(&stage, words), "{words}");
    }
}

#[test]
fn of_the_run_in_training_they_come_with_the_next_pictures() {
    let mut model = attentive(snapshot());
    live(&mut model);
    let mut stage = stage(model);
    press(&mut stage, "Gradients");
    let wants = |stage: &Stage| match stage.state().asked.last() {
        Some(Action::Look(wanted)) => *wanted,
        other => panic!("{other:?}"),
    };
    assert!(wants(&stage).gradients && says(&stage, "one of the next training steps"));
    press(&mut stage, "Attention");
    assert_eq!(
        wants(&stage),
        Wanted {
            gradients: false,
            attention: Some(0)
        }
    );
    stage.state_mut().asked.clear();
    press(&mut stage, "Weights");
    stage.state_mut().asked.clear();
    stage.run();
    assert!(stage.state().asked.is_empty(), "nobody looks at what costs");
}

#[test]
fn before_the_first_epoch_has_ended_answers_are_awaited() {
    let mut early = snapshot();
    let AnswersSeen::Classes { rows, worst, .. } = &mut early.answers else {
        panic!()
    };
    rows.clear();
    worst.clear();
    let mut model = seen(early);
    live(&mut model);
    let mut stage = stage(model);
    for tab in ["Classes", "ROC", "Calibration", "Worst samples", "First layer"] {
        press(&mut stage, tab);
        assert!(says(&stage, "It comes when an epoch of this run ends"), "{tab}");
    }
}

#[test]
fn filters_are_pictures_or_a_matrix_or_neighbours() {
    let with = |picture: FilterPicture| {
        let filters = Filters {
            tensor: "layers.0.weight".to_owned(),
            layer: "convolution",
            largest: 2.0,
            picture,
        };
        let mut stage = stage(seen(Snapshot {
            filters: Some(filters),
            ..snapshot()
        }));
        press(&mut stage, "First layer");
        stage
    };
    let stage = with(FilterPicture::Images {
        shape: [2, 1, 2],
        images: vec![vec![-2.0, 0.0, 1.0, f32::NAN], vec![0.5; 4]],
        total: 9,
    });
    for words in [
        "First layer: convolution",
        "the first 2 of 9 filters",
        "filter 0: from -2.00 to 1.00",
        "colours from -2.00 over 0 to 2.00",
    ] {
        assert!(says(&stage, words), "{words}");
    }
    let stage = with(FilterPicture::Matrix {
        gates: vec!["query", "key", "value"],
        columns: Vec::new(),
        size: [4, 3],
        values: vec![1.0; 12],
        total: [4, 1],
    });
    assert!(says(&stage, "4 units") && says(&stage, "1 input, weighed anew for query, key, value"));
    let stage = with(FilterPicture::Matrix {
        gates: Vec::new(),
        columns: vec!["width".to_owned(), "height".to_owned()],
        size: [3, 2],
        values: vec![1.0; 6],
        total: [3, 2],
    });
    assert!(says(&stage, "Weights of 3 units for 2 inputs"));
    let stage = with(FilterPicture::Neighbours {
        tokens: vec![("up".to_owned(), vec![("upper".to_owned(), 0.98)])],
        total: 300,
    });
    assert!(says(&stage, "upper") && says(&stage, "0.98") && says(&stage, "the first 1 of 300 tokens"));
}

#[test]
fn attention_is_drawn_for_the_chosen_sample() {
    assert!(
        stage(seen(snapshot())).query_by_label("Attention").is_none(),
        "this network has none"
    );
    let mut stage = stage(attentive(snapshot()));
    press(&mut stage, "Attention");
    let of = |row| Wanted {
        gradients: false,
        attention: Some(row),
    };
    assert!(matches!(stage.state().asked[0], Action::Inspect(RUN, wanted) if wanted == of(0)));
    let mut shown = sample(0, "3", "5 (97.0 %)");
    let shape = Shape::Image {
        channels: 1,
        height: 2,
        width: 2,
    };
    shown.pixels = Some((shape, vec![0.0, 1.0, 0.5, 0.0]));
    let with_attention = |grid, labels: &[&str]| Snapshot {
        wanted: of(0),
        attention: Some(Attention {
            sample: shown.clone(),
            rows: 160,
            labels: labels.iter().map(|&label| label.to_owned()).collect(),
            grid,
            layers: vec![AttentionLayer {
                layer: 2,
                heads: 2,
                steps: labels.len(),
                shares: vec![1.0 / labels.len() as f32; 2 * labels.len().pow(2)],
            }],
        }),
        ..snapshot()
    };
    let news = with_attention(Some([1, 2]), &["class", "row 1", "row 2"]);
    stage.state_mut().model.runs.set_seen(RUN, Seen::Ready(Arc::new(news)));
    stage.run();
    assert!(says(&stage, "truth 3, answered 5 (97.0 %)"));
    assert!(says(&stage, "What all steps attend to, on average: layer 1, head 1"));
    press(&mut stage, "Attention of layer 1, head 2");
    assert!(says(&stage, "What row 1 attends to: layer 1, head 2"));
    stage.hover_at(egui::pos2(1.0, 1.0));
    stage.run();
    assert!(says(&stage, "on average: layer 1, head 2"), "the pressed one stays");
    stage.state_mut().asked.clear();
    press(&mut stage, "Next sample");
    assert!(matches!(stage.state().asked[0], Action::Inspect(RUN, wanted) if wanted == of(1)));
    press(&mut stage, "Worst sample");
    assert!(matches!(stage.state().asked.last(), Some(Action::Inspect(RUN, wanted)) if wanted == &of(120)));
    let mut text = with_attention(None, &["padding", "the", "end"]);
    text.attention.as_mut().unwrap().sample.pixels = None;
    stage.state_mut().model.runs.set_seen(RUN, Seen::Ready(Arc::new(text)));
    stage.run();
    assert!(stage.query_by_label("the").is_some() && stage.query_by_label("padding").is_none());
    let words: Vec<&str> = std::iter::repeat_n("space", 40).collect();
    let mut text = with_attention(None, &words);
    text.attention.as_mut().unwrap().sample.pixels = None;
    stage.state_mut().model.runs.set_seen(RUN, Seen::Ready(Arc::new(text)));
    stage.run();
    let heights = stage.query_all_by_label("space").map(|word| word.rect().height());
    assert!(heights.fold(0.0, f32::max) < 22.0, "a word is not broken");
}

/// Answers of two targets, the second one's twice as wrong.
fn values(forecast: Option<Forecast>) -> Snapshot {
    let target = |name: &str, error: f64| TargetAnswers {
        name: name.to_owned(),
        rows: (0..40)
            .map(|row| [f64::from(row), f64::from(row) - error * f64::from(row % 2)])
            .collect(),
    };
    Snapshot {
        answers: AnswersSeen::Values {
            targets: vec![target("load + 1", 0.5), target("load + 2", 1.0)],
            worst: vec![sample(0, "1.00", "2.00")],
            forecast,
        },
        ..snapshot()
    }
}

#[test]
fn residuals_have_mean_and_deviation_for_each_target() {
    let mut stage = stage(seen(values(None)));
    assert!(stage.query_by_label("ROC").is_none() && stage.query_by_label("Forecast").is_none());
    press(&mut stage, "Residuals");
    for words in ["standard deviation of the residuals", "0.250", "mean 0.250"] {
        assert!(says(&stage, words), "{words}");
    }
    for figure in ["Residuals", "Spread of the residuals"] {
        assert!(
            stage.query_by_role_and_label(Role::Figure, figure).is_some(),
            "{figure}"
        );
    }
    press(&mut stage, "Target");
    press(&mut stage, "load + 2");
    assert!(says(&stage, "mean 0.500"));
    press(&mut stage, "True and predicted");
    assert!(says(&stage, "0.707"), "the choice is the same there");
}

#[test]
fn a_series_shows_windows_and_the_next_step_first() {
    let forecast = Forecast {
        columns: vec!["load".to_owned()],
        horizon: 2,
        windows: [3, 20]
            .map(|row| ForecastWindow {
                row,
                past: vec![vec![1.0, 2.0, 3.0]],
            })
            .to_vec(),
    };
    let mut stage = stage(seen(values(Some(forecast))));
    assert_eq!(stage.state().view.tab, None);
    for words in [
        "root mean squared error, next step",
        "0.354",
        "0.707 after 2 steps",
        "better than repeating: 1.00",
        "window 1 of 2",
    ] {
        assert!(says(&stage, words), "{words}");
    }
    for figure in ["Forecast window", "Next step over all rows"] {
        assert!(
            stage.query_by_role_and_label(Role::Figure, figure).is_some(),
            "{figure}"
        );
    }
    press(&mut stage, "Later window");
    assert!(says(&stage, "window 2 of 2"));
}

#[test]
fn a_classical_baseline_has_answers_only() {
    let mut model = with_runs(vec![row(RUN.0, "digits-forest")]);
    open_as(&mut model, RUN, |plan| {
        plan.config.model.architecture = Architecture::Forest;
    });
    model.runs.set_seen(RUN, Seen::Ready(Arc::new(snapshot())));
    let stage = stage(model);
    for tab in ["Findings", "Weights", "Gradients", "First layer", "Attention"] {
        assert!(stage.query_by_label(tab).is_none(), "{tab}");
    }
    for tab in [
        "Confusion matrix",
        "Classes",
        "ROC",
        "Calibration",
        "Worst samples",
        "Log",
    ] {
        assert!(stage.query_by_role_and_label(Role::Tab, tab).is_some(), "{tab}");
    }
}

#[test]
fn tabs_without_room_are_in_a_menu() {
    let mut stage = of_size(seen(snapshot()), [600.0, 900.0]);
    assert!(stage.query_by_label("First layer").is_none());
    press(&mut stage, "More tabs");
    press(&mut stage, "Log");
    assert!(says(&stage, "weights of epoch 27"));
    assert!(
        stage.query_by_role_and_label(Role::Tab, "Log").is_some(),
        "the shown one is in the row"
    );
}
