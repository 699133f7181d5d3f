//! What a person does on the page, by accessible name.

use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use super::{CompressView, compress_ui};
use crate::app::action::{Action, Dialog, Page};
use crate::app::state::{JobKind, Model};
use crate::app::tests::models::{Scene, begin, child, enqueue, measured, open, row, scene, with_runs};
use crate::jobs::RunRow;
use crate::spec::{
    Activations, Ladder, LayerChange, LayerSensitivity, Mix, Range, RunId, RunStatus, Sensitivity, Verdict,
};

type Stage = Harness<'static, Scene<CompressView>>;

fn stage(model: Model) -> Stage {
    let builder = Harness::builder().with_size([1376.0, 800.0]).with_max_steps(64);
    let mut stage = scene(builder, model, CompressView::default(), compress_ui);
    stage.run();
    stage
}

fn parent() -> RunRow {
    measured(row(3, "digits-cnn"), 0.972, 148.0, 1.92, Verdict::CannotTell)
}

/// A run, and what five recipes made of it.
fn ladder() -> Model {
    let parent = parent();
    let mut failed = child(7, &parent, "units:0.95");
    failed.run.status = RunStatus::Failed;
    failed.run.failure = Some("the network: its loss is not a number; use a smaller learning rate".to_owned());
    let rows = vec![
        measured(
            child(4, &parent, "units:0.5:finetune=3"),
            0.966,
            41.2,
            0.71,
            Verdict::Faster,
        ),
        measured(child(5, &parent, "fp16"), 0.972, 74.9, 1.93, Verdict::CannotTell),
        measured(
            child(6, &parent, "weights:0.8:finetune=3"),
            0.969,
            148.0,
            1.71,
            Verdict::Faster,
        ),
        failed,
        child(8, &parent, "int8-static"),
        parent,
    ];
    let mut model = with_runs(rows);
    open(&mut model, RunId(3));
    model
}

fn press(stage: &mut Stage, name: &str) {
    stage.get_by_role_and_label(Role::Button, name).click();
    stage.run();
}

fn says(stage: &Stage, text: &str) -> bool {
    stage.query_all_by_label_contains(text).next().is_some()
}

fn recipe(stage: &Stage) -> String {
    stage.state().view.chain.text()
}

/// Gives the recipe's field this text.
fn write(stage: &mut Stage, text: &str) {
    let field = stage.get_by_role_and_label(Role::TextInput, "As text");
    field.set_text_value_accesskit(text);
    stage.run();
}

#[test]
fn steps_are_added_changed_moved_and_removed() {
    let mut stage = stage(ladder());
    assert_eq!(recipe(&stage), "units:0.5:finetune=3+int8-static");
    press(&mut stage, "Add step");
    press(&mut stage, "Store in fp16");
    assert_eq!(
        recipe(&stage),
        "units:0.5:finetune=3+int8-static",
        "weights are stored in one way"
    );
    press(&mut stage, "Add step");
    press(&mut stage, "Zero weights");
    assert_eq!(
        recipe(&stage),
        "units:0.5:finetune=3+weights:0.8:finetune=3+int8-static"
    );
    press(&mut stage, "weights 80 %");
    press(&mut stage, "Move earlier");
    assert_eq!(
        recipe(&stage),
        "weights:0.8:finetune=3+units:0.5:finetune=3+int8-static"
    );
    press(&mut stage, "weights 80 %");
    press(&mut stage, "Remove");
    press(&mut stage, "units 50 %");
    stage
        .get_by_role_and_label(Role::Slider, "Units and filters to remove")
        .set_value_accesskit(70.0);
    stage.run();
    assert_eq!(recipe(&stage), "units:0.7:finetune=3+int8-static");
    stage.key_press(egui::Key::Escape);
    stage.run();
    press(&mut stage, "fine-tune 3 epochs");
    press(&mut stage, "Remove fine-tuning");
    assert_eq!(recipe(&stage), "units:0.7+int8-static");
    assert!(says(&stage, "Without fine-tuning, expect to lose accuracy"));
}

#[test]
fn a_typed_recipe_is_taken_and_a_wrong_one_says_why() {
    let mut stage = stage(ladder());
    write(&mut stage, "weights:0.9+fp16");
    assert_eq!(recipe(&stage), "weights:0.9+fp16");
    assert!(says(&stage, "weights 90 %"));
    write(&mut stage, "int3");
    assert!(says(&stage, "`int3` is not a step"));
    assert_eq!(recipe(&stage), "weights:0.9+fp16", "the chain stays as it was");
    press(&mut stage, "Compress");
    assert!(stage.state().asked.is_empty(), "what can't be read is not run");
    write(&mut stage, "");
    assert!(says(&stage, "No step yet") && !says(&stage, "is not a step"));
}

#[test]
fn what_arithmetic_knows_is_computed_from_the_network() {
    let mut stage = stage(ladder());
    write(&mut stage, "fp16");
    assert!(says(&stage, "50 %"));
    write(&mut stage, "units:0.5:finetune=3");
    let expected = crate::cost::expected(
        &stage.state().model.runs.open(RunId(3)).unwrap().record.plan.model,
        &"units:0.5".parse().unwrap(),
    );
    assert!(says(&stage, &crate::spec::units::bytes(expected.weight_bytes)));
}

#[test]
fn compress_asks_for_the_recipe_and_the_usual_four_for_four() {
    let mut stage = stage(ladder());
    press(&mut stage, "Compress");
    press(&mut stage, "Try the usual four");
    let asked: Vec<(RunId, Vec<String>)> = stage
        .state()
        .asked
        .iter()
        .filter_map(|action| match action {
            Action::Compress { run, recipes } => Some((*run, recipes.iter().map(ToString::to_string).collect())),
            _ => None,
        })
        .collect();
    assert_eq!(
        asked[0],
        (RunId(3), vec!["units:0.5:finetune=3+int8-static".to_owned()])
    );
    assert_eq!(asked[1].1.len(), 4);
}

#[test]
fn a_list_of_recipes_is_one_job() {
    let mut stage = stage(ladder());
    press(&mut stage, "Add to list");
    press(&mut stage, "Add to list");
    write(&mut stage, "fp16");
    press(&mut stage, "Add to list");
    write(&mut stage, "weights:0.5");
    press(&mut stage, "Add to list");
    press(&mut stage, "Take weights:0.5 off the list");
    press(&mut stage, "Compress by the 2 of the list");
    let Some(Action::Compress { recipes, .. }) = stage.state().asked.last() else {
        panic!("{:?}", stage.state().asked);
    };
    assert_eq!(recipes.len(), 2);
    assert!(stage.state().view.list.is_empty());
}

#[test]
fn results_carry_their_badge_and_simulated_speed_is_no_gain() {
    let stage = stage(ladder());
    assert_eq!(stage.query_all_by_label("simulated").count(), 1);
    assert!(says(&stage, "no gain in time"));
    assert_eq!(
        stage.query_all_by_label("faster").count(),
        1,
        "the pruned network alone is faster"
    );
    assert_eq!(stage.query_all_by_label("cannot tell").count(), 1);
    assert!(says(&stage, "-0.6 pt"));
    assert!(
        says(&stage, "its loss is not a number"),
        "a failed recipe stays with its reason"
    );
}

#[test]
fn times_from_different_rounds_give_no_verdict() {
    let parent = parent();
    let mut apart = measured(child(4, &parent, "units:0.5"), 0.96, 41.2, 0.71, Verdict::Faster);
    apart.run.deployed.as_mut().unwrap().against = Some(RunId(1));
    let stage = stage(with_runs(vec![parent, apart]));
    assert!(says(&stage, "timed apart") && stage.query_by_label("faster").is_none());
}

#[test]
fn a_result_offers_what_can_be_done_with_it() {
    let mut stage = stage(ladder());
    press(&mut stage, "Measure: digits-cnn-int8-static");
    assert!(matches!(stage.state().asked.last(), Some(Action::Measure(runs)) if *runs == [RunId(3), RunId(8)]));
    press(&mut stage, "Try again: digits-cnn-units:0.95");
    assert!(matches!(stage.state().asked.last(), Some(Action::Resume(RunId(7)))));
    stage
        .state_mut()
        .model
        .runs
        .change(RunId(7), |row| row.run.status = RunStatus::Stopped);
    stage.run();
    press(&mut stage, "Resume: digits-cnn-units:0.95");
    assert!(matches!(stage.state().asked.last(), Some(Action::Resume(RunId(7)))));
    press(&mut stage, "Actions of digits-cnn-fp16");
    press(&mut stage, "Export…");
    assert!(matches!(
        stage.state().asked.last(),
        Some(Action::Open(Dialog::Export(RunId(5))))
    ));
    press(&mut stage, "Actions of digits-cnn-fp16");
    press(&mut stage, "Try it");
    assert!(matches!(stage.state().asked.last(), Some(Action::Go(Page::TryIt))));
    press(&mut stage, "Actions of digits-cnn-fp16");
    press(&mut stage, "Delete");
    assert!(matches!(stage.state().asked.last(), Some(Action::Delete(runs)) if *runs == [RunId(5)]));
    press(&mut stage, "Measure side by side");
    let Some(Action::Measure(runs)) = stage.state().asked.last() else {
        panic!("{:?}", stage.state().asked);
    };
    assert_eq!(runs.len(), 5, "the failed one has nothing to measure");
}

#[test]
fn recipes_at_work_show_their_progress_and_can_be_cancelled() {
    let mut model = ladder();
    let mut running = child(9, &parent(), "fp16");
    running.run.status = RunStatus::Running;
    let rows = model.runs.rows().iter().cloned().chain([running]).collect();
    model.runs.set_rows(rows);
    let kind = JobKind::Compress {
        parent: RunId(3),
        recipes: ["units:0.3", "fp16", "int8-static"].map(str::to_owned).to_vec(),
    };
    let id = enqueue(&mut model, 1, "compress digits-cnn by three", kind.clone());
    begin(&mut model, RunId(9));
    enqueue(&mut model, 2, "compress digits-cnn again", kind);
    let mut stage = stage(model);
    assert!(says(&stage, "units 30 %") && says(&stage, "digits-cnn · waiting"));
    press(&mut stage, "Cancel compress digits-cnn by three");
    assert!(matches!(stage.state().asked.last(), Some(Action::CancelJob(job)) if *job == id));
    stage.state_mut().model.queue[0].progress = Some(("measuring 4 files in turn".to_owned(), 0, 1));
    stage.run();
    assert!(says(&stage, "measuring 4 files in turn"));
}

#[test]
fn the_run_in_focus_or_its_origin_is_compressed_and_another_can_be_chosen() {
    let mut model = ladder();
    let rows = model.runs.rows().iter().cloned().chain([row(20, "newer")]).collect();
    model.runs.set_rows(rows);
    assert_eq!(model.parent().unwrap().run.run, RunId(20), "the latest");
    model.runs.select(Some(RunId(5)));
    assert_eq!(
        model.parent().unwrap().run.run,
        RunId(3),
        "the origin of the selected one"
    );
    let mut stage = stage(model);
    stage.get_by_role_and_label(Role::ComboBox, "Run").click();
    stage.run();
    stage.get_by_label_contains("newer · r20").click();
    stage.run();
    assert!(matches!(stage.state().asked.last(), Some(Action::Select(RunId(20)))));
}

#[test]
fn without_a_finished_run_the_page_points_to_training() {
    let mut stage = stage(with_runs(Vec::new()));
    assert!(says(&stage, "Make a trained network smaller"));
    press(&mut stage, "Train a network");
    assert!(matches!(stage.state().asked.last(), Some(Action::Go(Page::Train))));
}

#[test]
fn ten_thousand_results_are_drawn_in_a_small_window() {
    let parent = parent();
    let children =
        (10..10_010).map(|number| measured(child(number, &parent, "fp16"), 0.9, 74.9, 1.9, Verdict::CannotTell));
    let model = with_runs(std::iter::once(parent.clone()).chain(children).collect());
    let builder = Harness::builder().with_size([960.0, 600.0]).with_max_steps(64);
    let mut stage = scene(builder, model, CompressView::default(), compress_ui);
    stage.run();
    let drawn = stage.query_all_by_label_contains("Actions of").count();
    assert!((2..40).contains(&drawn), "{drawn} rungs");
}

#[test]
fn a_result_within_the_limits_is_recommended_and_the_limits_can_be_changed() {
    let mut stage = stage(ladder());
    // The halved network loses 0.6 points of the 1.0 that may be lost.
    assert!(says(&stage, "of the baseline's latency at batch 64, for 0.6 points"));
    let take = stage.get_by_label("The recommended result");
    take.click();
    stage.run();
    assert!(
        stage
            .state()
            .asked
            .iter()
            .any(|action| matches!(action, Action::Select(RunId(4))))
    );
    let state = stage.state_mut();
    state.view.wishes.budget.loss = Some(0.004);
    stage.run();
    assert!(says(&stage, "loses 0.6 points, 0.4 points allowed"));
    stage.state_mut().view.wishes.budget.size = Some(10.0);
    stage.run();
    assert!(says(&stage, "Nothing fits these limits"));
}

#[test]
fn the_ladder_is_built_where_it_is_not_there_yet() {
    let mut stage = stage(ladder());
    press(&mut stage, "Build the ladder");
    let Some(Action::Compress { run: RunId(3), recipes }) = stage.state().asked.last() else {
        panic!("{:?}", stage.state().asked);
    };
    let texts: Vec<String> = recipes.iter().map(ToString::to_string).collect();
    for rung in ["int8-qat", "weights:0.9:finetune=5", "units:0.7:finetune=5"] {
        assert!(texts.iter().any(|text| text == rung), "{texts:?}");
    }
    // What is there is not done again.
    for rung in ["fp16", "units:0.5:finetune=3", "int8-static"] {
        assert!(!texts.iter().any(|text| text == rung), "{texts:?}");
    }
}

#[test]
fn a_result_can_be_compressed_further_and_says_where_it_comes_from() {
    let mut stage = stage(ladder());
    press(&mut stage, "Actions of digits-cnn-units:0.5:finetune=3");
    press(&mut stage, "Compress further");
    assert!(matches!(
        stage.state().asked.last(),
        Some(Action::CompressFurther(RunId(4)))
    ));
    let model = &mut stage.state_mut().model;
    model.further = Some(RunId(4));
    model.runs.select(Some(RunId(4)));
    stage.run();
    assert!(says(&stage, "digits-cnn › units 50 % · fine-tune 3"));
    write(&mut stage, "int8-static");
    press(&mut stage, "Compress");
    assert!(matches!(
        stage.state().asked.last(),
        Some(Action::Compress { run: RunId(4), .. })
    ));
    // Another run in focus: that one is compressed.
    stage.state_mut().model.runs.select(Some(RunId(5)));
    stage.run();
    press(&mut stage, "Compress");
    assert!(matches!(
        stage.state().asked.last(),
        Some(Action::Compress { run: RunId(3), .. })
    ));
}

/// What a measurement of the layers said.
fn sensitivity(mix: Option<Mix>) -> Sensitivity {
    let layer = |layer: usize, name: &str, lost: f64, signal: Option<f64>| LayerSensitivity {
        layer,
        name: name.to_owned(),
        parameters: 100 * layer as u64 + 160,
        inputs: Some(Activations {
            samples: 512,
            seen: Range { min: 0.0, max: 6.0 },
            counts: vec![900, 40, 10, 3, 0, 1],
            percentile: Range { min: 0.0, max: 5.0 },
            least_error: Range { min: 0.0, max: 4.0 },
        }),
        score: 0.97 - lost / 100.0,
        points_lost: lost,
        signal_to_noise_db: signal,
    };
    Sensitivity {
        change: LayerChange::Int8,
        baseline: 0.97,
        all: 0.95,
        layers: vec![
            layer(0, "conv2d", 1.5, Some(21.5)),
            layer(3, "conv2d", -0.2, Some(38.2)),
            layer(8, "dense", 0.0, None),
        ],
        mix,
    }
}

fn lock(stage: &mut Stage, name: &str) {
    stage.get_by_role_and_label(Role::CheckBox, name).click();
    stage.run();
}

#[test]
fn a_ladder_of_ones_own_is_edited_saved_and_opened() {
    let mut stage = stage(ladder());
    press(&mut stage, "Edit the ladder");
    press(&mut stage, "Put the standard ladder on the list");
    assert_eq!(stage.state().view.list, Ladder::standard().unwrap().rungs);
    press(&mut stage, "Take int4:epochs=3 off the list");
    press(&mut stage, "Edit the ladder");
    press(&mut stage, "Save the list as a ladder…");
    let Some(Action::SaveText { name, text }) = stage.state().asked.last() else {
        panic!("{:?}", stage.state().asked);
    };
    let saved = Ladder::parse(text).unwrap();
    assert_eq!((name.as_str(), saved.rungs.len()), ("ladder.toml", 11));
    press(&mut stage, "Edit the ladder");
    press(&mut stage, "Open a ladder…");
    assert!(matches!(stage.state().asked.last(), Some(Action::OpenLadder)));
    let opened = Ladder::parse("rungs = [\"fp16\", \"int8-static\"]").unwrap();
    stage.state_mut().model.opened_ladder = (1, Some(opened.clone()));
    stage.run();
    assert_eq!(stage.state().view.list, opened.rungs);
    // It is taken once.
    press(&mut stage, "Take fp16 off the list");
    assert_eq!(stage.state().view.list, opened.rungs[1..]);
}

#[test]
fn layers_are_measured_and_a_click_protects_one_in_every_step_that_can() {
    let mut stage = stage(ladder());
    press(&mut stage, "Layer by layer");
    press(&mut stage, "Measure the layers");
    assert!(matches!(
        stage.state().asked.last(),
        Some(Action::MeasureLayers {
            run: RunId(3),
            change: LayerChange::Int8,
            tolerated: None
        })
    ));
    let model = &mut stage.state_mut().model;
    model.sensitivities.push((RunId(3), sensitivity(None)));
    stage.run();
    assert!(says(&stage, "97.0 % as trained, 95.0 % with all layers changed"));
    assert!(says(&stage, "21.5 dB") && says(&stage, "unchanged"));
    // What enters a layer is shown of the one that was pointed at last.
    stage
        .get_by_role_and_label(Role::CheckBox, "Protect layer 3 conv2d")
        .hover();
    stage.run();
    assert!(says(&stage, "What enters layer 3 conv2d on 512 training samples"));
    assert!(says(&stage, "minmax 0 to 6") && says(&stage, "percentile 0 to 5") && says(&stage, "mse 0 to 4"));
    lock(&mut stage, "Protect layer 3 conv2d");
    lock(&mut stage, "Protect layer 0 conv2d");
    assert_eq!(
        recipe(&stage),
        "units:0.5:protect=0,3:finetune=3+int8-static:protect=0,3"
    );
    lock(&mut stage, "Protect layer 3 conv2d");
    assert_eq!(recipe(&stage), "units:0.5:protect=0:finetune=3+int8-static:protect=0");
    // Half precision leaves no layer out.
    write(&mut stage, "fp16");
    lock(&mut stage, "Protect layer 0 conv2d");
    assert_eq!(recipe(&stage), "fp16");
    assert!(says(&stage, "No step of the recipe can leave a layer out"));
}

#[test]
fn the_mix_is_one_press_from_the_recipe() {
    let mut stage = stage(ladder());
    press(&mut stage, "Layer by layer");
    press(&mut stage, "Find the mix");
    let Some(Action::MeasureLayers {
        tolerated: Some(tolerated),
        ..
    }) = stage.state().asked.last()
    else {
        panic!("{:?}", stage.state().asked);
    };
    let mix = Mix {
        tolerated: *tolerated,
        protect: vec![0, 8],
        score: 0.968,
    };
    let model = &mut stage.state_mut().model;
    model.sensitivities.push((RunId(3), sensitivity(Some(mix))));
    stage.run();
    assert!(says(&stage, "Within 0.5 points: protect layers 0, 8 (96.8 %)"));
    write(&mut stage, "int8-static");
    press(&mut stage, "Protect these");
    assert_eq!(recipe(&stage), "int8-static:protect=0,8");
    assert!(says(&stage, "in the recipe"));
}

#[test]
fn while_layers_are_measured_that_can_be_stopped() {
    let mut model = ladder();
    let job = enqueue(&mut model, 9, "layers", JobKind::Sensitivity(RunId(3)));
    model.queue[0].is_begun = true;
    model.queue[0].progress = Some(("changing one layer at a time".to_owned(), 2, 5));
    let mut stage = stage(model);
    press(&mut stage, "Layer by layer");
    assert!(says(&stage, "changing one layer at a time"));
    assert!(stage.query_by_label("Measure the layers").is_none());
    press(&mut stage, "Stop measuring the layers");
    assert!(matches!(stage.state().asked.last(), Some(Action::CancelJob(known)) if *known == job));
}

#[test]
fn a_classical_baseline_says_before_anything_is_pressed_that_it_cannot_be_compressed() {
    let mut forest = row(9, "iris-forest");
    forest.architecture = "forest".to_owned();
    let mut model = with_runs(vec![parent(), forest.clone()]);
    // The latest run, but nobody asked for it.
    assert_eq!(model.parent().map(|row| row.run.run), Some(RunId(3)));
    model.runs.select(Some(RunId(9)));
    let mut stage = stage(model);
    assert!(
        stage
            .query_by_label_contains("iris-forest has no layers to compress")
            .is_some()
    );
    assert!(stage.query_by_label_contains("a forest of fewer trees").is_some());
    for name in ["Compress", "Try the usual four", "Build the ladder", "Layer by layer"] {
        assert!(stage.query_by_role_and_label(Role::Button, name).is_none(), "{name}");
    }
    press(&mut stage, "Train a network");
    assert!(matches!(stage.state().asked[..], [Action::Go(Page::Train)]));
    // Only it: there is nothing to begin with.
    let model = with_runs(vec![forest]);
    assert!(model.parent().is_none() && model.tried().is_some());
}
