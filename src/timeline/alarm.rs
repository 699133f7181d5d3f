//! What a person should look at in a run: rules that an outlier alone does not set off.

use super::jumps::{BLOCK, Jumps, LEVEL_BLOCKS, Level, Usual};
use super::{NOTHING_TO_LEARN, RunView};
use crate::spec::units;

/// Something that went wrong, or is about to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Steps done when it was seen.
    pub step: usize,
    pub about: Concern,
    /// What happened and what to do about it.
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Concern {
    /// The training loss jumped.
    LossSpike,
    /// The training loss has been rising for long, or a loss is no number any more.
    Divergence,
    /// The validation loss rises while the training loss falls, and has not been lower since.
    OverFitting,
    GradientExplosion,
    /// More memory is in use than was predicted.
    Memory,
}

/// A spike lies this many standard deviations above the level, and this many times as high.
const SPIKE_DEVIATIONS: f64 = 6.0;
const SPIKE_RATIO: f64 = 1.5;
/// And this share of the loss at the beginning: near zero a single hard sample is many times what was usual. Where it began
/// higher than a network that knows nothing would (about 1), of that.
const SPIKE_SHARE: f64 = 0.05;
const KNOWS_NOTHING: f64 = 1.0;
/// An exploding gradient is this many times as long as those before it.
const EXPLOSION_RATIO: f64 = 10.0;
/// Epochs in a row in which the validation loss rises and the training loss falls, and how far it must have risen.
const RISING_EPOCHS: usize = 3;
const RISE_RATIO: f64 = 1.02;
/// Epochs since the lowest validation loss after which it need not rise in every one, and how far it must have risen, and the
/// training loss fallen, since then.
const PATIENT_EPOCHS: usize = 8;
const PATIENT_RISE: f64 = 1.05;
const PATIENT_FALL: f64 = 0.95;
/// Memory in use above the prediction that is too much: as a fraction, and in bytes, since bookkeeping weighs on tiny networks.
const MEMORY_MARGIN: f64 = 0.15;
const LEAST_EXCESS_BYTES: u64 = 1_000_000;

/// Every alarm of a run, in order of their steps.
pub fn alarms(view: &RunView) -> Vec<Alarm> {
    let mut watch = Watch::default();
    watch.take(view);
    watch.alarms
}

/// Whether an alarm of over-fitting stands.
pub fn over_fits(view: &RunView) -> bool {
    alarms(view).iter().any(|alarm| alarm.about == Concern::OverFitting)
}

/// Watches over a run: what it takes in of a growing view costs what is new.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    alarms: Vec<Alarm>,
    rewrites: u64,
    /// Steps, epochs and readings taken in.
    steps: usize,
    epochs: usize,
    readings: usize,
    /// The first loss.
    begun: Option<f64>,
    loss: Jumps,
    gradient: Jumps,
    level: Level,
    /// Step of the latest jump of the loss.
    spiked: usize,
    /// Epochs in a row that over-fitted, the validation loss before them, and whether that was said.
    rising: usize,
    rising_from: f64,
    said_rising: bool,
    /// The epoch with the lowest validation loss: its place, that loss, and its training loss.
    lowest: Option<(usize, f64, f64)>,
    said_no_number: bool,
    /// The prediction of whose excess was told, in bytes.
    exceeded: Option<u64>,
}

impl Watch {
    /// In order of their steps.
    pub fn alarms(&self) -> &[Alarm] {
        &self.alarms
    }

    /// Takes in what the view has more than it had; all of it, if it was rewritten.
    pub fn take(&mut self, view: &RunView) {
        if self.rewrites != view.rewrites {
            *self = Self {
                rewrites: view.rewrites,
                ..Self::default()
            };
        }
        self.take_steps(view);
        self.take_epochs(view);
        self.take_readings(view);
        self.alarms.sort_by_key(|alarm| alarm.step);
    }

    fn take_steps(&mut self, view: &RunView) {
        for record in view.steps.iter().skip(self.steps) {
            let step = record.step + 1;
            let begun = *self.begun.get_or_insert(record.loss.into());
            let least = SPIKE_SHARE * begun.min(KNOWS_NOTHING);
            let is_spike = |value: f64, usual: Usual| {
                let is_far = value > usual.median + SPIKE_DEVIATIONS * usual.deviation;
                is_far && value > SPIKE_RATIO * usual.median && value > least
            };
            if let Some((value, usual)) = self.loss.take(f64::from(record.loss), is_spike) {
                let text = format!(
                    "The training loss rose from {} to {}: lower the learning rate, or clip the gradients",
                    units::significant(usual),
                    units::significant(value)
                );
                self.spiked = step;
                self.say(step, Concern::LossSpike, text);
            }
            let rise = self.level.take(f64::from(record.loss));
            // A jump that was just told is not told again as a rise.
            if let Some((value, lowest)) = rise.filter(|_| step > self.spiked + 2 * BLOCK * LEVEL_BLOCKS) {
                let text = format!(
                    "The training loss has risen from {} to {}: the run diverges. Lower the learning rate, clip the gradients, or \
                     begin with a warm-up",
                    units::significant(lowest),
                    units::significant(value)
                );
                self.say(step, Concern::Divergence, text);
            }
            let explodes = |value: f64, usual: Usual| value > EXPLOSION_RATIO * usual.median;
            if let Some((value, usual)) = self.gradient.take(f64::from(record.gradient_norm), explodes) {
                let text = format!(
                    "The gradients grew from a norm of {} to {}: lower the learning rate, or clip them",
                    units::significant(usual),
                    units::significant(value)
                );
                self.say(step, Concern::GradientExplosion, text);
            }
        }
        self.steps = view.steps.len();
    }

    fn take_epochs(&mut self, view: &RunView) {
        for place in self.epochs..view.epochs.len() {
            let point = &view.epochs[place];
            let before = place.checked_sub(1).map(|before| &view.epochs[before]);
            match before {
                Some(before)
                    if point.validation.loss > before.validation.loss && point.train.loss < before.train.loss =>
                {
                    if self.rising == 0 {
                        self.rising_from = before.validation.loss;
                    }
                    self.rising += 1;
                }
                _ => self.rising = 0,
            }
            let (train, validation) = (point.train.loss, point.validation.loss);
            if !validation.is_finite() && !self.said_no_number {
                self.said_no_number = true;
                let text = "The validation loss is no number any more: lower the learning rate, or clip the gradients";
                self.say(point.step, Concern::Divergence, text.to_owned());
            }
            if self.lowest.is_none_or(|(_, lowest, _)| validation < lowest) {
                self.lowest = Some((place, validation, train));
                // What was said is overtaken: the network has learned more than its samples since.
                self.alarms.retain(|alarm| alarm.about != Concern::OverFitting);
                self.said_rising = false;
            }
            let has_risen =
                self.rising >= RISING_EPOCHS && validation > (RISE_RATIO * self.rising_from).max(NOTHING_TO_LEARN);
            if has_risen && !self.said_rising {
                self.said_rising = true;
                let text = format!(
                    "The validation loss has risen for {} epochs while the training loss fell: the network learns its \
                     samples by heart. Early stopping, weight decay or dropout help",
                    self.rising
                );
                self.say(point.step, Concern::OverFitting, text);
            }
            if let Some((lowest_place, lowest, train_then)) = self.lowest
                && place >= lowest_place + PATIENT_EPOCHS
                && validation > (PATIENT_RISE * lowest).max(NOTHING_TO_LEARN)
                && train < PATIENT_FALL * train_then
                && !self.said_rising
            {
                self.said_rising = true;
                let text = format!(
                    "The validation loss has been above its lowest for {} epochs while the training loss fell: the network learns \
                     its samples by heart. Early stopping, weight decay or dropout help",
                    place - lowest_place
                );
                self.say(point.step, Concern::OverFitting, text);
            }
        }
        self.epochs = view.epochs.len();
    }

    fn take_readings(&mut self, view: &RunView) {
        let predicted = view.predicted.total();
        for reading in view.readings.iter().skip(self.readings) {
            let measured = reading.memory.peak_bytes;
            let excess = measured as f64 / predicted as f64 - 1.0;
            let is_too_much = excess > MEMORY_MARGIN && measured > predicted + LEAST_EXCESS_BYTES;
            if predicted > 0 && is_too_much && self.exceeded != Some(predicted) {
                self.exceeded = Some(predicted);
                let text = format!(
                    "{} of heap are in use, {:.0} % more than the {} that were predicted",
                    units::bytes(measured),
                    excess * 100.0,
                    units::bytes(predicted)
                );
                self.say(reading.step, Concern::Memory, text);
            }
        }
        self.readings = view.readings.len();
    }

    fn say(&mut self, step: usize, about: Concern, text: String) {
        self.alarms.push(Alarm { step, about, text });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Envelope, Event, MemoryLedger, MemoryReading, Metrics, RunId, StepRecord, StepTimes};

    /// A run whose steps have these losses and gradient norms.
    fn run(steps: impl IntoIterator<Item = (f64, f64)>) -> Vec<Event> {
        let steps = steps.into_iter().enumerate();
        let record = |(step, (loss, norm)): (usize, (f64, f64))| StepRecord {
            step,
            loss: loss as f32,
            learning_rate: 0.1,
            gradient_norm: norm as f32,
        };
        vec![
            Event::Started {
                first_step: 0,
                total_steps: 1000,
                steps_per_epoch: 10,
                predicted: MemoryLedger::default(),
            },
            Event::Steps {
                steps: steps.map(record).collect(),
                samples_per_second: 1.0,
                memory: MemoryReading::default(),
                cpu_cores: 0.0,
                times: StepTimes::default(),
            },
        ]
    }

    fn view(events: Vec<Event>) -> RunView {
        let mut view = RunView::new();
        for (seq, event) in events.into_iter().enumerate() {
            view.apply(&Envelope {
                run: RunId(1),
                seq: seq as u64,
                elapsed_secs: seq as f64,
                event,
            });
        }
        view
    }

    fn concerns(view: &RunView) -> Vec<(usize, Concern)> {
        alarms(view).iter().map(|alarm| (alarm.step, alarm.about)).collect()
    }

    /// Between -1 and 1, without a pattern that matters.
    fn noise(step: usize) -> f64 {
        ((step * 7919 + 13) % 1009) as f64 / 504.5 - 1.0
    }

    fn falling(step: usize) -> f64 {
        (1.0 + 0.3 * noise(step)) * (0.1 + 2.0 * (-0.01 * step as f64).exp())
    }

    #[test]
    fn a_noisy_run_that_learns_sets_off_nothing() {
        let steps = (0..1000).map(|step| (falling(step), 2.0 + noise(step)));
        assert_eq!(concerns(&view(run(steps))), []);
    }

    #[test]
    fn outliers_alone_set_off_nothing() {
        let steps = (0..1000).map(|step| {
            let far = if step % 50 < 2 { 40.0 } else { 1.0 };
            (falling(step) * far, far)
        });
        assert_eq!(concerns(&view(run(steps))), []);
    }

    #[test]
    fn a_jump_is_told_once() {
        let steps = (0..1000).map(|step| {
            let far = if (600..650).contains(&step) { 20.0 } else { 1.0 };
            (falling(step) * far, far)
        });
        assert_eq!(
            concerns(&view(run(steps))),
            [(605, Concern::LossSpike), (605, Concern::GradientExplosion)]
        );
    }

    #[test]
    fn a_jump_near_zero_is_no_spike() {
        // Three times what was usual, and yet nothing against what has been learned.
        let told = |high: f64| {
            let loss = move |step: usize| match step {
                495..520 => high,
                step => (0.7 * (-0.015 * step as f64).exp()).max(0.006) * (1.0 + 0.1 * noise(step)),
            };
            concerns(&view(run((0..1000).map(|step| (loss(step), 1.0)))))
        };
        assert_eq!(told(0.0208), []);
        assert_eq!(told(0.2), [(500, Concern::LossSpike)]);
    }

    #[test]
    fn gradients_that_are_no_numbers_any_more_are_told() {
        let steps = (0..100).map(|step| (1.0, if step < 80 { 1.0 } else { f64::NAN }));
        assert_eq!(concerns(&view(run(steps))), [(85, Concern::GradientExplosion)]);
    }

    #[test]
    fn a_slow_rise_above_the_beginning_is_told_once() {
        // Falls over 300 steps from 2 to 0.1, and then rises slowly to 20.
        let loss = |step: usize| {
            let step = step as f64;
            let level = if step < 300.0 {
                2.0 * (-0.01 * step).exp()
            } else {
                0.1 * (0.0076 * (step - 300.0)).exp()
            };
            level * (1.0 + 0.1 * noise(step as usize))
        };
        let told = concerns(&view(run((0..1000).map(|step| (loss(step), 1.0)))));
        let divergences: Vec<usize> = told
            .iter()
            .filter(|(_, about)| *about == Concern::Divergence)
            .map(|(step, _)| *step)
            .collect();
        assert!(
            divergences.len() == 1 && (680..760).contains(&divergences[0]),
            "{told:?}"
        );
        // A rise that stays below the beginning is a matter of the schedule.
        let told = concerns(&view(run((0..700).map(|step| (loss(step).min(1.5), 1.0)))));
        assert!(told.iter().all(|(_, about)| *about != Concern::Divergence), "{told:?}");
    }

    #[test]
    fn a_validation_loss_that_is_no_number_is_told_once() {
        let mut events = run([]);
        events.extend([
            epoch(1, 1.0, 1.0, true),
            epoch(2, 1.0, f64::NAN, false),
            epoch(3, 1.0, f64::NAN, false),
        ]);
        assert_eq!(concerns(&view(events)), [(20, Concern::Divergence)]);
    }

    #[test]
    fn over_fitting_with_a_noisy_validation_loss_is_told_too() {
        let mut events = run([]);
        for place in 0..20_u16 {
            let validation = 0.5 + 0.01 * f64::from(place) + if place % 2 == 0 { 0.0 } else { 0.02 };
            events.push(epoch(
                usize::from(place) + 1,
                1.0 / f64::from(place + 1),
                validation,
                place == 0,
            ));
        }
        assert_eq!(concerns(&view(events)), [(90, Concern::OverFitting)]);
    }

    fn epoch(epoch: usize, train: f64, validation: f64, is_best: bool) -> Event {
        let loss = |loss| Metrics {
            loss,
            ..Metrics::default()
        };
        Event::Epoch {
            epoch,
            step: epoch * 10,
            train: loss(train),
            validation: loss(validation),
            is_best,
        }
    }

    #[test]
    fn over_fitting_is_told_at_the_third_epoch_and_taken_back_by_a_new_best() {
        let told = |losses: &[(f64, f64)]| {
            let mut events = run([]);
            let mut best = f64::INFINITY;
            for (place, &(train, validation)) in losses.iter().enumerate() {
                events.push(epoch(place + 1, train, validation, validation < best));
                best = best.min(validation);
            }
            concerns(&view(events))
        };
        let mut losses = vec![(1.0, 1.0), (0.9, 0.8), (0.8, 0.9), (0.7, 1.0)];
        assert_eq!(told(&losses), []);
        losses.extend([(0.6, 1.1), (0.5, 1.2)]);
        assert_eq!(told(&losses), [(50, Concern::OverFitting)]);
        losses.push((0.4, 0.5));
        assert_eq!(told(&losses), []);
        losses.extend([(0.3, 0.6), (0.2, 0.7), (0.1, 0.8)]);
        assert_eq!(told(&losses), [(100, Concern::OverFitting)]);
        assert_eq!(told(&[(0.4, 0.5), (0.5, 0.6), (0.6, 0.7), (0.7, 0.8)]), []);
    }

    #[test]
    fn memory_is_told_once_when_it_is_15_percent_above_the_prediction() {
        let mut events = run([]);
        events[0] = Event::Started {
            first_step: 0,
            total_steps: 10,
            steps_per_epoch: 10,
            predicted: MemoryLedger {
                weights: 100_000_000,
                ..MemoryLedger::default()
            },
        };
        for (step, peak_bytes) in [110, 115, 130, 140]
            .map(|megabytes| megabytes * 1_000_000)
            .into_iter()
            .enumerate()
        {
            let steps = vec![StepRecord {
                step,
                loss: 1.0,
                learning_rate: 0.1,
                gradient_norm: 1.0,
            }];
            let memory = MemoryReading {
                peak_bytes,
                ..MemoryReading::default()
            };
            events.push(Event::Steps {
                steps,
                samples_per_second: 1.0,
                memory,
                cpu_cores: 0.0,
                times: StepTimes::default(),
            });
        }
        let found = alarms(&view(events));
        assert_eq!((found.len(), found[0].step, found[0].about), (1, 3, Concern::Memory));
        assert_eq!(
            found[0].text,
            "130 MB of heap are in use, 30 % more than the 100 MB that were predicted"
        );
    }

    #[test]
    fn watching_a_growing_run_tells_what_watching_the_whole_does() {
        let losses = |step: usize| if (600..650).contains(&step) { 20.0 } else { 1.0 };
        let mut growing = RunView::new();
        let mut watch = Watch::default();
        let events = run((0..1000).map(|step| (losses(step), 1.0)));
        let [started, Event::Steps { steps, .. }] = events.as_slice() else {
            panic!("{events:?}");
        };
        let mut events = vec![started.clone()];
        events.extend(steps.chunks(7).map(|steps| Event::Steps {
            steps: steps.to_vec(),
            samples_per_second: 1.0,
            memory: MemoryReading::default(),
            cpu_cores: 0.0,
            times: StepTimes::default(),
        }));
        events.push(Event::Started {
            first_step: 610,
            total_steps: 1000,
            steps_per_epoch: 10,
            predicted: MemoryLedger::default(),
        });
        for (seq, event) in events.into_iter().enumerate() {
            growing.apply(&Envelope {
                run: RunId(1),
                seq: seq as u64,
                elapsed_secs: seq as f64,
                event,
            });
            watch.take(&growing);
            assert_eq!(watch.alarms(), alarms(&growing));
        }
        assert_eq!(watch.alarms().len(), 1);
    }
}
