//! What a frame of the real window costs in processor time, without a graphics adapter: logic, drawing and tessellation
//! while a run is being trained, with 20 visible runs and 1,000,000 recorded steps; and the start over 10,000 runs.
//! Frames and repaints count the processor time of the window's thread: the threads that train are not to be charged to it.
//! The time on the clock stands beside it.
//!
//! `cargo bench --bench window` prints percentiles; `-- --frames N` takes N frames (default 600).

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use eframe::App as _;
use egui::{Event, Key, Modifiers, RawInput, pos2};
use trimtab::app::App;
use trimtab::compare::{self, Axis, Field, Line, Sort};
use trimtab::jobs::{self, RunRow};
use trimtab::spec::{
    Deployed, Ended, Envelope, Event as RunEvent, Latency, LatencySummary, MemoryReading, Metrics, RunConfig, RunPlan,
    RunStatus, Speed, StepRecord, StepTimes, Verdict,
};
use trimtab::store::{NewRun, Store};

const RUNS: usize = 20;
const STEPS: usize = 1_000_000 / RUNS;
const MANY_RUNS: usize = 10_000;

fn main() {
    let frames = std::env::args()
        .skip_while(|argument| argument != "--frames")
        .nth(1)
        .and_then(|count| count.parse().ok())
        .unwrap_or(600);
    let folder = tempfile::tempdir().unwrap();
    live_frames(&folder.path().join("live"), frames);
    many_runs(&folder.path().join("many"));
}

/// Frames while a run is being trained beside [`RUNS`] finished ones.
fn live_frames(directory: &Path, frames: usize) {
    let plan = plan(100_000);
    {
        let store = Store::open(directory).unwrap();
        for run in 0..RUNS {
            record(&store, &plan, run, STEPS);
        }
    }
    let mut window = Window::open(directory);
    window.until("all runs are listed", |app| app.listed() == RUNS);
    window.app.show_latest(RUNS);
    window.until("all curves are at hand", |app| app.opened() == RUNS);
    let mut config = plan.config.clone();
    config.run.name = Some("live".to_owned());
    window.app.configure(config);
    window.until("the form is checked", App::can_run);
    window.press(Key::Enter, Modifiers::COMMAND);
    window.until("a run is live", App::is_live);
    let mut costs = Vec::with_capacity(frames);
    let mut clock = Vec::with_capacity(frames);
    let mut drains = Vec::with_capacity(frames);
    for _ in 0..frames {
        // Messages come at 20 a second.
        std::thread::sleep(Duration::from_millis(20));
        let began = Instant::now();
        costs.push(window.frame());
        clock.push(began.elapsed());
        drains.push(window.app.drained());
        assert!(window.primitives > 0 && window.app.is_live());
    }
    println!(
        "live run, {RUNS} visible runs, {} recorded steps, {frames} frames at 1440 x 900",
        RUNS * STEPS
    );
    report("frame (logic, ui, tessellation)", &mut costs);
    report("the same on the clock, beside the training", &mut clock);
    report("draining, on the clock", &mut drains);
    let (repaints, busy) = window.as_asked(Duration::from_secs(4));
    println!(
        "  repaints asked for: {repaints:.1} a second, {:.1} % of a core",
        busy * 100.0
    );
}

/// Start, and filtering and sorting, over [`MANY_RUNS`] runs.
fn many_runs(directory: &Path) {
    let plan = plan(10);
    {
        let store = Store::open(directory).unwrap();
        for run in 0..MANY_RUNS {
            record(&store, &plan, run, 0);
        }
    }
    let mut starts = Vec::new();
    for _ in 0..5 {
        let began = Instant::now();
        let mut window = Window::open(directory);
        window.until("all runs are listed", |app| app.listed() == MANY_RUNS);
        starts.push(began.elapsed());
    }
    println!("{MANY_RUNS} runs");
    report("start until all are listed and drawn", &mut starts);
    let mut window = Window::open(directory);
    window.until("all runs are listed", |app| app.listed() == MANY_RUNS);
    let rows = Store::open(directory).unwrap().rows().unwrap();
    let fields = [Field::Number, Field::Name, Field::Score, Field::Figure(Axis::Size)];
    let mut sorts: Vec<Duration> = (0..20)
        .map(|round| {
            let sort = Sort {
                field: fields[round % fields.len()],
                descending: round % 3 == 0,
            };
            let began = Instant::now();
            let found = arrange(&rows, if round % 2 == 0 { "digits 7" } else { "" }, sort);
            assert!(!found.is_empty());
            began.elapsed()
        })
        .collect();
    report("filter and sort", &mut sorts);
    let mut costs: Vec<Duration> = (0..200).map(|_| window.frame()).collect();
    report("frame", &mut costs);
}

/// What the drawer does when a word is typed or a column pressed.
fn arrange(rows: &[RunRow], search: &str, sort: Sort) -> Vec<usize> {
    let lines: Vec<Line<'_>> = rows
        .iter()
        .map(|row| Line {
            run: &row.run,
            dataset: &row.dataset,
            architecture: &row.architecture,
            recipe: None,
            score: row.run.deployed.as_ref().map(|deployed| deployed.accuracy),
        })
        .collect();
    compare::order(&lines, search, sort)
}

/// The application without a window around it.
struct Window {
    ctx: egui::Context,
    app: App,
    frame: eframe::Frame,
    events: Vec<Event>,
    began: Instant,
    /// What the last frame came to.
    primitives: usize,
}

impl Window {
    fn open(directory: &Path) -> Self {
        let ctx = egui::Context::default();
        let app = App::new(&ctx, None, Some(directory)).unwrap();
        Self {
            ctx,
            app,
            frame: eframe::Frame::_new_kittest(),
            events: Vec::new(),
            began: Instant::now(),
            primitives: 0,
        }
    }

    /// One frame with all that a window does on the processor; the processor time that it took.
    fn frame(&mut self) -> Duration {
        let input = RawInput {
            screen_rect: Some(egui::Rect::from_min_max(pos2(0.0, 0.0), pos2(1440.0, 900.0))),
            time: Some(self.began.elapsed().as_secs_f64()),
            events: std::mem::take(&mut self.events),
            ..RawInput::default()
        };
        let Self { ctx, app, frame, .. } = self;
        let began = ThreadTime::now();
        let mut output = ctx.run_ui(input, |ui| {
            app.logic(&ui.ctx().clone(), frame);
            app.ui(ui, frame);
        });
        let primitives = ctx.tessellate(std::mem::take(&mut output.shapes), output.pixels_per_point);
        let took = began.elapsed();
        // No graphics adapter takes the textures.
        output.textures_delta.clear();
        self.primitives = primitives.len();
        took
    }

    /// Draws only when a repaint is due, as an event loop does: repaints a second, and the share of the time they take.
    fn as_asked(&mut self, span: Duration) -> (f64, f64) {
        let due: Arc<Mutex<Option<Instant>>> = Arc::default();
        let asked = Arc::clone(&due);
        self.ctx.set_request_repaint_callback(move |request| {
            let at = Instant::now() + request.delay.min(Duration::from_hours(1));
            let mut due = asked.lock().unwrap();
            *due = Some(due.map_or(at, |due| due.min(at)));
        });
        // What was asked for before went to nobody, and egui does not ask twice.
        self.frame();
        let began = Instant::now();
        let (mut repaints, mut busy) = (0, Duration::ZERO);
        while began.elapsed() < span {
            let is_due = due.lock().unwrap().take_if(|due| *due <= Instant::now()).is_some();
            if is_due {
                busy += self.frame();
                repaints += 1;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let secs = began.elapsed().as_secs_f64();
        assert!(repaints > 0, "a live run asks for repaints");
        (f64::from(repaints) / secs, busy.as_secs_f64() / secs)
    }

    fn press(&mut self, key: Key, modifiers: Modifiers) {
        self.events.push(Event::Key {
            key,
            physical_key: None,
            pressed: true,
            repeat: false,
            modifiers,
        });
        self.frame();
    }

    fn until(&mut self, what: &str, reached: impl Fn(&App) -> bool) {
        let began = Instant::now();
        while !reached(&self.app) {
            self.frame();
            assert!(began.elapsed() < Duration::from_mins(2), "not reached: {what}");
            std::thread::sleep(Duration::from_millis(2));
        }
        self.frame();
    }
}

fn report(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "  {what}: median {:.2} ms, 95th percentile {:.2} ms, largest {:.2} ms (n = {})",
        at(0.5),
        at(0.95),
        at(1.0),
        times.len()
    );
}

/// Digits by an MLP: a plan whose training takes long enough to watch.
fn plan(epochs: usize) -> RunPlan {
    let mut config = RunConfig::default();
    config.train.epochs = epochs;
    jobs::plan(&config).unwrap().0
}

/// A finished run with `steps` recorded steps; its figures differ from run to run.
#[expect(clippy::too_many_lines, reason = "a list of fields")]
fn record(store: &Store, plan: &RunPlan, number: usize, steps: usize) {
    const PER_EVENT: usize = 250;
    let name = format!("digits-mlp-{number}");
    let lock = store
        .create_run(&NewRun {
            name: &name,
            plan,
            origin: None,
            folds: None,
        })
        .unwrap();
    let mut run = store.run(lock.run()).unwrap().run;
    let mut seq = 0;
    let mut tell = |event: RunEvent| {
        let envelope = Envelope {
            run: lock.run(),
            seq,
            elapsed_secs: seq as f64 * 0.05,
            event,
        };
        seq += 1;
        store.record(&lock, &envelope, None).unwrap();
    };
    let spread = |step: usize| (step.wrapping_mul(2_654_435_761).wrapping_add(number * 97) % 1000) as f32 / 1000.0;
    let accuracy = 0.9 + 0.09 * f64::from(spread(number));
    let scores = Metrics {
        loss: 0.1,
        accuracy: Some(accuracy),
        ..Metrics::default()
    };
    if steps > 0 {
        tell(RunEvent::Started {
            first_step: 0,
            total_steps: steps,
            steps_per_epoch: plan.steps_per_epoch,
            predicted: trimtab::cost::memory(plan),
        });
        for first in (0..steps).step_by(PER_EVENT) {
            let steps = (first..(first + PER_EVENT).min(steps)).map(|step| StepRecord {
                step,
                loss: 2.3 / (1.0 + step as f32 / 800.0) * (0.7 + 0.6 * spread(step)),
                learning_rate: 0.01,
                gradient_norm: 1.0 + spread(step),
            });
            tell(RunEvent::Steps {
                steps: steps.collect(),
                samples_per_second: 20_000.0,
                memory: MemoryReading {
                    live_bytes: 300_000,
                    peak_bytes: 400_000,
                    resident_bytes: 80_000_000,
                },
                cpu_cores: 1.0,
                times: StepTimes {
                    data_secs: 1e-4,
                    forward_secs: 5e-4,
                    backward_secs: 9e-4,
                    optimizer_secs: 1e-4,
                    other_secs: 5e-5,
                },
            });
        }
        for epoch in 1..=steps / plan.steps_per_epoch {
            tell(RunEvent::Epoch {
                epoch,
                step: epoch * plan.steps_per_epoch,
                train: scores,
                validation: scores,
                is_best: epoch == 1,
            });
        }
    }
    tell(RunEvent::Ended {
        ended: Ended::Finished {
            best_epoch: 1,
            epochs: steps / plan.steps_per_epoch,
            train: scores,
            validation: scores,
            test: scores,
        },
    });
    let summary = |median: f64| LatencySummary {
        p10: median * 0.95,
        median,
        p90: median * 1.1,
        n: 30,
    };
    run.status = RunStatus::Finished;
    run.test = Some(scores);
    run.parameters = 10_000 + number as u64;
    run.deployed = Some(Deployed {
        recipe: None,
        parent: None,
        accuracy,
        size_bytes: 10_000 + number as u64 * 13 % 7000,
        zstd_bytes: 9_000,
        latency_us: Latency {
            batch1: summary(10.0 + f64::from(spread(number))),
            batch64: summary(100.0 + f64::from(spread(number + 1))),
        },
        memory_bytes: 50_000,
        speed: Speed::Measured,
        int8_layers: 0,
        sha256: String::new(),
        against: None,
        verdict: Verdict::CannotTell,
        verdict_batch1: Verdict::CannotTell,
        engine: "avx2".to_owned(),
    });
    store.update_run(&lock, &run).unwrap();
}
