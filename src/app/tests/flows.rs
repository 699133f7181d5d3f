//! What a person does from the first start to the export, and what goes wrong on the way.

use std::fmt::Write as _;

use egui_kittest::kittest::Queryable as _;

use super::{Action, RunStatus, Stage, open};
use crate::app::action::Page;
use crate::app::state::{PreviewState, RowExt, Tone};
use crate::app::tests::models::row;
use crate::cost;
use crate::jobs::tests::{planted, silent};
use crate::spec::{Architecture, RunId, parse_config};

fn quick(stage: &mut Stage) {
    stage.configure(|config| {
        "iris".clone_into(&mut config.data.source);
        config.model.architecture = Architecture::Mlp;
        config.train.epochs = 4;
    });
}

#[test]
fn the_first_start_offers_digits_and_run_trains_them() {
    let mut stage = Stage::new();
    assert_eq!(stage.model().form.config.data.source, "digits");
    assert!(stage.says("Press Run"));
    stage.configure(|config| config.train.epochs = 2);
    stage.press("Run");
    stage.until("the run has ended", |model| {
        model.runs.rows().iter().any(RowExt::is_usable) && model.queue.is_empty()
    });
    let row = &stage.model().runs.rows()[0];
    assert!(row.score().unwrap() > 0.8, "{row:?}");
    let open = stage.model().runs.open(row.run.run).unwrap();
    assert_eq!(open.view.epochs.len(), 2);
}

#[test]
fn a_run_is_paused_continued_and_stopped_from_the_top_bar_and_resumed_in_another_sitting() {
    let mut stage = Stage::new();
    stage.configure(|config| config.train.epochs = 2000);
    stage.press("Run");
    stage.until("it trains", |model| {
        model
            .live_run()
            .and_then(|run| model.runs.open(run))
            .is_some_and(|open| open.view.step > 20)
    });
    let run = stage.model().live_run().unwrap();
    stage.press("Pause");
    stage.until("it is paused", |model| {
        model
            .runs
            .row(run)
            .is_some_and(|row| row.run.status == RunStatus::Paused)
    });
    stage.press("Go on");
    stage.until("it goes on", |model| {
        model
            .runs
            .row(run)
            .is_some_and(|row| row.run.status == RunStatus::Running)
    });
    stage.press("Stop");
    stage.until("it has stopped", |model| model.queue.is_empty());
    stage.until("the row says so", |model| {
        model
            .runs
            .row(run)
            .is_some_and(|row| row.run.status == RunStatus::Stopped)
    });
    let steps = stage.model().runs.open(run).unwrap().view.steps.len();

    let store = stage.folder.path().join("store");
    drop(stage.harness);
    stage.harness = open(&store, 1440.0, 900.0);
    stage.until("the run is listed", |model| model.runs.row(run).is_some());
    stage.act(Action::Select(run));
    stage.act(Action::Resume(run));
    stage.until("it goes on where it stood", |model| {
        model.runs.open(run).is_some_and(|open| open.view.steps.len() > steps)
    });
    let view = &stage.model().runs.open(run).unwrap().view;
    assert!(view.steps.iter().enumerate().all(|(place, step)| step.step == place));
    stage.act(Action::Stop);
    stage.until("it has stopped again", |model| model.queue.is_empty());
}

#[test]
fn a_run_at_work_does_not_keep_the_window_drawing() {
    let mut stage = Stage::new();
    stage.configure(|config| config.train.epochs = 100_000);
    stage.act(Action::Train);
    stage.until("it trains", |model| {
        model
            .live_run()
            .and_then(|run| model.runs.open(run))
            .is_some_and(|open| open.view.step > 20)
    });
    let (mut readings, mut at_once) = (0, Vec::new());
    let step = |stage: &Stage| {
        let run = stage.model().live_run().unwrap();
        stage.model().runs.open(run).unwrap().view.step
    };
    // Only what the run says moves anything now; the harness by itself would let nothing glide.
    stage.harness.ctx.all_styles_mut(|style| style.animation_time = 0.1);
    for _ in 0..100 {
        let before = step(&stage);
        std::thread::sleep(std::time::Duration::from_millis(20));
        stage.harness.step();
        readings += usize::from(step(&stage) > before);
        if stage.harness.output().viewport_output[&egui::ViewportId::ROOT]
            .repaint_delay
            .is_zero()
        {
            at_once.push(format!("{:?}", stage.harness.ctx.repaint_causes()));
        }
    }
    assert!(readings >= 5, "{readings}");
    // A new row or notice may take a frame of its own; the readings may not.
    assert!(at_once.len() <= 5, "{} of 100 frames: {at_once:#?}", at_once.len());
    stage.act(Action::Stop);
    stage.until("it has stopped", |model| model.queue.is_empty());
}

#[test]
fn jobs_wait_are_reordered_and_cancelled() {
    let mut stage = Stage::new();
    stage.configure(|config| config.train.epochs = 2000);
    for name in ["first", "second", "third", "fourth"] {
        stage.configure(|config| config.run.name = Some(name.to_owned()));
        stage.act(Action::Train);
    }
    stage.until("the first is at work", |model| model.live_run().is_some());
    let what = |stage: &Stage| -> Vec<String> { stage.model().queue.iter().map(|job| job.what.clone()).collect() };
    let id = |stage: &Stage, name: &str| stage.model().queue.iter().find(|job| job.what == name).unwrap().id;
    let fourth = id(&stage, "fourth");
    stage.act(Action::MoveJob(fourth, 0));
    assert_eq!(what(&stage), ["first (r1)", "fourth", "second", "third"]);
    let second = id(&stage, "second");
    stage.act(Action::CancelJob(second));
    assert_eq!(what(&stage), ["first (r1)", "fourth", "third"]);
    stage.act(Action::Stop);
    stage.until("the fourth is at work", |model| {
        model
            .live_run()
            .and_then(|run| model.runs.row(run))
            .is_some_and(|row| row.run.name == "fourth")
    });
    let third = id(&stage, "third");
    stage.act(Action::CancelJob(third));
    stage.act(Action::Stop);
    stage.until("nothing waits", |model| model.queue.is_empty());
    stage.until("two runs are listed", |model| model.runs.rows().len() == 2);
}

#[test]
fn a_panic_of_the_worker_is_a_crashed_run_and_the_next_run_works() {
    let mut stage = Stage::new();
    quick(&mut stage);
    let job = planted(|_, _| panic!("planted: the tensor is on fire"));
    stage.harness.state_mut().plant(job);
    stage.until("the run has crashed", |model| {
        model.queue.is_empty() && model.runs.rows().iter().any(|row| row.run.status == RunStatus::Crashed)
    });
    let row = &stage.model().runs.rows()[0];
    assert!(
        row.run.failure.as_deref().unwrap().contains("the tensor is on fire"),
        "{row:?}"
    );
    assert!(stage.says("the tensor is on fire"));
    let said = |stage: &Stage| -> Vec<(Tone, String)> {
        let notices = &stage.model().notices.all;
        notices
            .iter()
            .map(|notice| (notice.tone, notice.text.clone()))
            .collect()
    };
    // It ended before the list of runs knew of it.
    let words = "planted (r1) crashed: planted: the tensor is on fire".to_owned();
    assert_eq!(said(&stage), [(Tone::Bad, words)]);
    let run = stage.train();
    assert_eq!(stage.status(run), Some(RunStatus::Finished));
    assert_eq!(said(&stage)[1], (Tone::Good, "Done: iris-mlp (r2)".to_owned()));

    // Depth is taken from networks of equal blocks.
    let recipes = vec!["blocks:0.5".parse().unwrap(), "fp16".parse().unwrap()];
    stage.act(Action::Compress { run, recipes });
    stage.until("both recipes are over", |model| model.queue.is_empty());
    let (tone, words) = said(&stage).pop().unwrap();
    assert_eq!(tone, Tone::Bad);
    assert!(words.starts_with("iris-mlp-blocks:0.5 (r3) failed: "), "{words}");
}

#[test]
fn a_job_that_reads_its_data_is_the_one_at_work() {
    let mut stage = Stage::new();
    for _ in 0..3 {
        stage.harness.state_mut().plant(silent());
    }
    let ids: Vec<_> = stage.model().queue.iter().map(|job| job.id).collect();
    let order = |stage: &Stage| -> Vec<_> { stage.model().queue.iter().map(|job| job.id).collect() };
    stage.until("the first is taken up", |model| model.current_job().is_some());
    assert_eq!(stage.model().current_job().map(|job| job.id), Some(ids[0]));
    stage.act(Action::MoveJob(ids[2], 0));
    assert_eq!(order(&stage), [ids[0], ids[2], ids[1]]);
    stage.act(Action::Stop);
    stage.until("the third is at work", |model| {
        model.current_job().is_some_and(|job| job.id == ids[2])
    });
    assert_eq!(order(&stage), [ids[2], ids[1]]);
    stage.act(Action::Stop);
    stage.until("the second is at work", |model| {
        model.current_job().is_some_and(|job| job.id == ids[1])
    });
    stage.act(Action::Stop);
    stage.until("nothing waits", |model| model.queue.is_empty());
}

#[test]
fn more_runs_than_can_be_asked_for_at_once_are_all_read() {
    let mut stage = Stage::new();
    let runs = &mut stage.harness.state_mut().model.runs;
    // None of them is in the store: each is answered by why.
    runs.set_rows((1..=600).map(|number| row(number, "many")).collect());
    runs.shown.extend((1..=600).map(RunId));
    stage.until("each is answered", |model| {
        (1..=600).all(|number| model.runs.failure(RunId(number)).is_some())
    });
    assert!(stage.model().notices.all.is_empty(), "{:?}", stage.model().notices.all);
}

#[test]
fn runs_that_do_not_fit_the_queue_are_not_said_to_be_on_it() {
    let mut stage = Stage::new();
    stage.harness.state_mut().plant(silent());
    stage.until("it is taken up", |model| model.current_job().is_some());
    let configs = vec![stage.model().form.config.clone(); 70];
    stage.act(Action::TrainAll(configs));
    let notices = &stage.model().notices.all;
    let words: Vec<&str> = notices.iter().map(|notice| notice.text.as_str()).collect();
    assert_eq!(
        (words.len(), words[1]),
        (2, "64 of 70 runs are on the queue"),
        "{words:?}"
    );
    assert!(words[0].contains("64 jobs are waiting"), "{words:?}");
}

#[test]
fn a_broken_table_says_what_is_wrong_and_run_is_not_offered() {
    let mut stage = Stage::new();
    let path = stage.folder.path().join("broken.csv");
    std::fs::write(&path, "a,b\n1,2\n3\n4,5,6\n").unwrap();
    stage.act(Action::UseDataFile(path));
    stage.until("the table is refused", |model| {
        matches!(model.form.preview, PreviewState::Failed(_))
    });
    let PreviewState::Failed(reason) = &stage.model().form.preview else {
        unreachable!()
    };
    assert!(reason.contains("broken.csv"), "{reason}");
    stage.act(Action::Train);
    assert!(stage.model().queue.is_empty());
    let last = stage.model().notices.all.last().unwrap();
    assert_eq!((last.tone, last.text.contains("broken.csv")), (Tone::Warn, true));

    let good = stage.folder.path().join("good.csv");
    let mut text = "a,b,answer\n".to_owned();
    for row in 0..60 {
        let answer = if row % 7 > 3 { "yes" } else { "no" };
        writeln!(text, "{},{},{answer}", row % 7, row % 5).unwrap();
    }
    std::fs::write(&good, text).unwrap();
    stage.act(Action::UseDataFile(good));
    stage.until("the good table is read", |model| model.form.preview().is_some());
    stage.configure(|config| config.model.architecture = Architecture::Mlp);
    assert!(stage.harness.query_by_label("Run").is_some());
}

#[test]
fn a_finished_run_is_compressed_tried_and_exported() {
    let mut stage = Stage::new();
    quick(&mut stage);
    let run = stage.train();
    let recipes = vec!["units:0.5:finetune=1".parse().unwrap(), "int8-static".parse().unwrap()];
    stage.act(Action::Compress { run, recipes });
    stage.until("both are measured", |model| {
        model.queue.is_empty()
            && model
                .runs
                .rows()
                .iter()
                .filter(|row| row.run.deployed.is_some())
                .count()
                == 3
    });
    // The page knows the network that is left, and not that which was entered.
    let half = stage.model().runs.rows()[1].run.run;
    stage.act(Action::Select(half));
    stage.until("the halved network is at hand", |model| {
        let open = model.runs.open(half);
        open.is_some_and(|open| cost::parameters(&open.record.plan.model) == open.record.run.parameters)
    });
    let runs = stage.model().runs.rows().iter().map(|row| row.run.run).collect();
    stage.act(Action::Try {
        runs,
        input: crate::jobs::TryInput::TestRow(0),
    });
    stage.until("all three answer", |model| {
        matches!(&model.trial.result, Some(Ok(tried)) if tried.trials.len() == 3 && tried.trials.iter().all(|(_, trial)| trial.is_ok()))
    });
    let to = stage.folder.path().join("out");
    stage.act(Action::Export { run, to: to.clone() });
    stage.until(
        "the folder is written",
        |model| matches!(&model.export.files, Some(Ok(files)) if files.len() == 6),
    );
    assert!(to.join("model.onnx").exists());
    stage.act(Action::Export { run, to });
    stage.until("a full folder is refused", |model| {
        matches!(&model.export.files, Some(Err(_)))
    });
}

#[test]
fn the_configuration_of_a_compressed_run_is_that_of_the_training_behind_it() {
    let mut stage = Stage::new();
    quick(&mut stage);
    stage.configure(|config| config.model.hidden = vec![24]);
    let first = stage.train();
    let distilled = vec!["distil:preset=tiny:epochs=2".parse().unwrap()];
    stage.act(Action::Compress {
        run: first,
        recipes: distilled,
    });
    stage.until("it is there", |model| {
        model.queue.is_empty() && model.runs.rows().len() == 2
    });
    let child = stage.model().runs.rows()[1].run.run;
    let copied = |stage: &mut Stage, run| {
        // Not drawn, it is not at hand.
        stage.act(Action::Show(run, false));
        stage.act(Action::Select(first));
        let before = stage.model().notices.all.len();
        stage.harness.state_mut().actions.push(Action::CopyConfig(run));
        loop {
            stage.harness.step();
            let commands = &stage.harness.output().platform_output.commands;
            let text = commands.iter().find_map(|command| match command {
                egui::OutputCommand::CopyText(text) => Some(text.clone()),
                _ => None,
            });
            if let Some(text) = text {
                let said = stage.model().notices.all.last().unwrap().text.clone();
                return (parse_config(&text, &[]).unwrap(), said);
            }
            assert_eq!(stage.model().notices.all.len(), before);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    };
    let own = stage.model().runs.open(first).unwrap().record.plan.config.clone();
    let (config, said) = copied(&mut stage, child);
    assert_eq!(config, own);
    assert!(
        said.starts_with("The configuration of iris-mlp (r1), of which iris-mlp-distil"),
        "{said}"
    );
    let (config, said) = copied(&mut stage, first);
    assert_eq!(
        (&config, said.as_str()),
        (&own, "The configuration is on the clipboard")
    );

    stage.act(Action::Show(child, false));
    stage.act(Action::Select(first));
    stage.act(Action::CloneToForm(child));
    stage.until("the form has the student", |model| {
        model.form.config.model.hidden == [16]
    });
}

#[test]
fn a_deleted_run_comes_back_by_the_notice() {
    let mut stage = Stage::new();
    quick(&mut stage);
    let run = stage.train();
    stage.act(Action::Rename(run, "my best".to_owned()));
    stage.until("the name is changed", |model| {
        model.runs.row(run).is_some_and(|row| row.run.name == "my best")
    });
    stage.act(Action::Delete(vec![run]));
    stage.until("it is gone", |model| model.runs.row(run).is_none());
    // The notice of the run goes, and the stack of notices comes to rest.
    stage.harness.run_steps(12);
    stage.press("Undo");
    stage.until("it is back", |model| model.runs.row(run).is_some());
}

#[test]
fn another_seed_is_one_that_no_run_and_no_waiting_job_has() {
    let mut stage = Stage::new();
    quick(&mut stage);
    let first = stage.train();
    stage.act(Action::Show(first, false));
    for _ in 0..3 {
        stage.act(Action::TrainOtherSeed);
    }
    stage.until("four have ended", |model| {
        model.runs.rows().len() == 4 && model.queue.is_empty()
    });
    let said = |stage: &Stage, text: &str| stage.model().notices.all.iter().any(|notice| notice.text == text);
    assert!(
        said(&stage, "Done: iris-mlp-seed3 (r4)"),
        "{:?}",
        stage.model().notices.all
    );

    let store = stage.folder.path().join("store");
    drop(stage.harness);
    stage.harness = open(&store, 1440.0, 900.0);
    stage.until("the data is read", |model| model.form.preview().is_some());
    quick(&mut stage);
    stage.act(Action::TrainOtherSeed);
    stage.until("the fifth has ended", |model| {
        model.runs.rows().len() == 5 && model.queue.is_empty()
    });
    let names: Vec<&str> = stage
        .model()
        .runs
        .rows()
        .iter()
        .map(|row| row.run.name.as_str())
        .collect();
    let expected = [
        "iris-mlp",
        "iris-mlp-seed1",
        "iris-mlp-seed2",
        "iris-mlp-seed3",
        "iris-mlp-seed4",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_run_that_begins_takes_neither_the_selection_nor_the_network_to_be_compressed() {
    let mut stage = Stage::new();
    quick(&mut stage);
    let first = stage.train();
    stage.act(Action::Go(Page::Compress));
    let parent = |stage: &Stage| stage.model().parent().map(|row| row.run.run);
    assert_eq!(parent(&stage), Some(first));
    stage.act(Action::Select(first));
    stage.configure(|config| config.train.epochs = 1000);
    stage.act(Action::Train);
    stage.until("the second is at work", |model| model.live_run().is_some());
    let second = stage.model().live_run();
    // Begun by hand, it is what is looked at; what is compressed stays.
    assert_eq!((stage.model().focus(), parent(&stage)), (second, Some(first)));
    stage.act(Action::Train);
    stage.act(Action::Select(first));
    stage.act(Action::Stop);
    stage.until("the third is at work", |model| {
        model.live_run().is_some_and(|run| Some(run) != second)
    });
    assert_eq!((stage.model().focus(), parent(&stage)), (Some(first), Some(first)));
    stage.act(Action::Stop);
    stage.until("all have ended", |model| model.queue.is_empty());
}
