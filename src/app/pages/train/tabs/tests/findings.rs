//! What the curves say, and what is done about it.

use egui_kittest::kittest::Queryable as _;

use super::{RUN, Stage, press, says, stage};
use crate::app::action::Action;
use crate::app::state::{Form, Model};
use crate::app::tests::models::{open_as, row, with_runs};
use crate::spec::{Ended, Envelope, Event, Failure, Metrics, RunConfig, RunStatus};
use crate::timeline;

/// An ended run of the digits network whose losses were these, epoch by epoch: in training, and in validation.
fn ran(losses: &[(f64, f64)], ended: Ended) -> Model {
    let mut line = row(RUN.0, "digits-cnn");
    line.run.status = ended.status();
    let mut model = with_runs(vec![line]);
    open_as(&mut model, RUN, |plan| plan.config.train.early_stopping = None);
    let of = |loss| Metrics {
        loss,
        accuracy: Some(0.9),
        ..Metrics::default()
    };
    let epochs = losses
        .iter()
        .zip(1..)
        .map(|(&(train, validation), epoch)| Event::Epoch {
            epoch,
            step: epoch * 40,
            train: of(train),
            validation: of(validation),
            is_best: false,
        });
    for (event, seq) in epochs.chain([Event::Ended { ended }]).zip(0..) {
        model.runs.apply(Envelope {
            run: RUN,
            seq,
            elapsed_secs: seq as f64,
            event,
        });
    }
    model
}

fn finished() -> Ended {
    Ended::Finished {
        best_epoch: 4,
        epochs: 12,
        train: Metrics::default(),
        validation: Metrics::default(),
        test: Metrics::default(),
    }
}

/// Training gets better and better, validation only at first.
fn learned_by_heart() -> Vec<(f64, f64)> {
    let validation = |epoch: i32| 0.4 + 0.02 * f64::from((epoch - 4).pow(2));
    (0..12).map(|epoch| (0.8_f64.powi(epoch), validation(epoch))).collect()
}

fn findings(model: Model) -> Stage {
    let mut stage = stage(model);
    press(&mut stage, "Findings");
    stage.state_mut().asked.clear();
    stage
}

#[test]
fn over_fitting_is_told_with_figures_and_its_remedy_is_one_change_of_the_set_up() {
    let mut stage = findings(ran(&learned_by_heart(), finished()));
    assert!(says(&stage, "lowest after epoch 5 (0.400)"));
    assert!(says(&stage, "learns its rows by heart") && says(&stage, "What to do: Stop early"));
    press(&mut stage, "Change the set-up: Over-fitting");
    let [Action::Edit(config)] = &stage.state().asked[..] else {
        panic!("{:?}", stage.state().asked);
    };
    let config = (**config).clone();
    let of_run = stage.state().model.runs.open(RUN).unwrap().record.plan.config.clone();
    assert!(config.train.early_stopping.is_some() && of_run.train.early_stopping.is_none());
    assert_eq!((&config.data, &config.run), (&of_run.data, &of_run.run));

    let mut form = Form::new(RunConfig::default());
    form.edit(config.clone(), false);
    assert_eq!(form.config, config);
    form.undo();
    assert_eq!(form.config, RunConfig::default());
    form.redo();
    stage.state_mut().model.form = form;
    stage.run();
    assert!(says(&stage, "in the set-up"));
    assert!(stage.query_by_label("Change the set-up: Over-fitting").is_none());
}

#[test]
fn a_run_that_diverged_is_told_to_learn_more_slowly() {
    let failure = Failure::new("step 90", format!("the loss is inf: {}", Failure::DIVERGED), "lower it");
    let mut stage = findings(ran(&[(2.0, 2.0), (3.0, 3.0)], Ended::Failed { failure }));
    assert!(says(&stage, "in epoch 3"));
    press(&mut stage, "Change the set-up: Learning rate too high");
    let [Action::Edit(config)] = &stage.state().asked[..] else {
        panic!("{:?}", stage.state().asked);
    };
    assert!(config.train.learning_rate < RunConfig::digits_cnn().train.learning_rate);
}

#[test]
fn what_is_told_later_is_read_too() {
    let mut stage = findings(ran(&[(1.0, 1.0), (0.5, 0.6)], finished()));
    assert!(says(&stage, "Too short to be judged"));
    stage.state_mut().model = ran(&learned_by_heart(), finished());
    stage.run();
    assert!(says(&stage, "lowest after epoch 5"));
    let good: Vec<(f64, f64)> = (0..20)
        .map(|epoch| 0.6_f64.powi(epoch))
        .map(|loss| (loss, loss))
        .collect();
    stage.state_mut().model = ran(&good, finished());
    stage.run();
    assert!(says(&stage, "Nothing to mend in the curves of these 20 epochs"));
    let running = |line: &mut crate::jobs::RunRow| line.run.status = RunStatus::Running;
    stage.state_mut().model.runs.change(RUN, running);
    stage.run();
    assert!(says(&stage, "It comes when this run has ended"));
}

#[test]
fn folds_are_several_curves_and_have_no_findings() {
    let mut model = ran(&learned_by_heart(), finished());
    model.runs.change(RUN, |line| line.folds = Some(3));
    assert!(stage(model).query_by_label("Findings").is_none());
}

#[test]
fn findings_and_alarms_agree_on_over_fitting() {
    let falling = |epoch: usize| 0.9_f64.powi(i32::try_from(epoch).unwrap());
    let told = |validation: &[f64]| {
        let losses: Vec<(f64, f64)> = validation
            .iter()
            .enumerate()
            .map(|(epoch, &loss)| (falling(epoch), loss))
            .collect();
        let model = ran(&losses, finished());
        let is_alarmed = timeline::over_fits(&model.runs.open(RUN).unwrap().view);
        (is_alarmed, findings(model))
    };
    // A rise of 8 %: told while it trained, and not denied at the end.
    let (is_alarmed, stage) = told(&[1.0, 0.8, 0.82, 0.84, 0.86, 0.86, 0.86, 0.86]);
    assert!(is_alarmed && says(&stage, "lowest after epoch 2 (0.800)"));
    // It came back to what it was.
    let (is_alarmed, stage) = told(&[1.0, 0.8, 0.82, 0.84, 0.86, 0.83, 0.81, 0.801, 0.801]);
    assert!(is_alarmed && says(&stage, "Nothing to mend") && says(&stage, "rose for a while"));
    // A new best takes the alarm back.
    let (is_alarmed, stage) = told(&[1.0, 0.8, 0.82, 0.84, 0.86, 0.83, 0.79, 0.78, 0.77]);
    assert!(!is_alarmed && says(&stage, "No sign of a wrong learning rate, over-fitting or"));
}
