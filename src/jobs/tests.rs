//! What needs a job of the test's own: a planted panic, a full queue, a reader that has gone, pictures that nobody asked for.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::worker::{Worker, sit};
use super::*;
use crate::data;
use crate::spec::{Command, Ended, Event, EventSink, Failure, MemoryLedger, Metrics, RunControl, RunStatus, Wanted};
use crate::store::{NewRun, Store};

/// A planted job.
pub struct Plant(Box<dyn Work>);

trait Work: FnOnce(&Worker<'_>) -> Result<Vec<RunId>, JobError> + Send {}

impl<F: FnOnce(&Worker<'_>) -> Result<Vec<RunId>, JobError> + Send> Work for F {}

impl std::fmt::Debug for Plant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Plant")
    }
}

impl Worker<'_> {
    pub fn planted(&self, Plant(work): Plant) -> Result<Vec<RunId>, JobError> {
        work(self)
    }

    fn planted_run(
        &self,
        work: impl FnOnce(&dyn EventSink, &RunControl) -> Result<Ended, Failure>,
    ) -> Result<Vec<RunId>, JobError> {
        let config = RunConfig::default();
        let dataset = data::load(&config.data)?;
        let plan = config.check(&dataset.summary).map_err(JobError::Config)?;
        let sink = self.create(&NewRun {
            name: "planted",
            plan: &plan,
            origin: None,
            folds: None,
        })?;
        sit(&sink, || work(&sink, self.control))?;
        Ok(vec![sink.run()])
    }
}

/// A job of one run, which does what the test says.
pub fn planted(work: impl FnOnce(&dyn EventSink, &RunControl) -> Result<Ended, Failure> + Send + 'static) -> Job {
    Job::Planted(Plant(Box::new(move |worker: &Worker<'_>| worker.planted_run(work))))
}

/// A job that says nothing until it is stopped, as one that reads its data.
pub fn silent() -> Job {
    Job::Planted(Plant(Box::new(|worker: &Worker<'_>| {
        while worker.control.requested() != Command::Stop {
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(JobError::Stopped)
    })))
}

fn engine() -> (tempfile::TempDir, Arc<Store>, Engine) {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(directory.path()).unwrap());
    let engine = Engine::start(Arc::clone(&store), || ()).unwrap();
    (directory, store, engine)
}

fn closed(engine: &Engine, ticket: &Ticket) -> Result<Vec<RunId>, JobError> {
    loop {
        match engine.next_within(Duration::from_mins(1)).unwrap() {
            Message::Closed { job, outcome } if job == ticket.job => return outcome,
            _ => {}
        }
    }
}

fn started() -> Event {
    Event::Started {
        first_step: 0,
        total_steps: 1,
        steps_per_epoch: 1,
        predicted: MemoryLedger::default(),
    }
}

fn finished() -> Ended {
    Ended::Finished {
        best_epoch: 1,
        epochs: 1,
        train: Metrics::default(),
        validation: Metrics::default(),
        test: Metrics::default(),
    }
}

#[test]
fn a_panic_is_a_crashed_run_and_the_next_job_works() {
    let (_directory, store, engine) = engine();
    let crash = engine
        .submit(planted(|sink, _| {
            sink.emit(started())?;
            panic!("planted in the middle of a step")
        }))
        .unwrap();
    let next = engine.submit(planted(|_, _| Ok(finished()))).unwrap();
    let crashed = closed(&engine, &crash).unwrap()[0];
    let fine = closed(&engine, &next).unwrap()[0];
    let run = store.run(crashed).unwrap().run;
    assert_eq!(run.status, RunStatus::Crashed);
    assert_eq!(run.failure.as_deref(), Some("planted in the middle of a step"));
    let ends = |run| {
        let events = store.events(run).unwrap();
        let ended = |event: &Event| matches!(event, Event::Ended { .. });
        events.iter().filter(|envelope| ended(&envelope.event)).count()
    };
    assert_eq!((ends(crashed), ends(fine)), (1, 1));
    assert_eq!(store.run(fine).unwrap().run.status, RunStatus::Finished);
}

#[test]
fn a_full_queue_is_an_error_and_a_stopped_job_is_not_begun() {
    let (_directory, store, engine) = engine();
    let wait = || {
        planted(|_, control| {
            while control.requested() != Command::Stop {
                std::thread::sleep(Duration::from_millis(5));
            }
            Ok(Ended::Stopped { step: 0 })
        })
    };
    let mut tickets = vec![engine.submit(wait()).unwrap()];
    while store.runs().unwrap().is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let refused = loop {
        match engine.submit(wait()) {
            Ok(ticket) => tickets.push(ticket),
            Err(error) => break error,
        }
    };
    assert_eq!(refused, SubmitError::QueueFull);
    assert_eq!(tickets.len(), 65);
    for ticket in tickets.iter().rev() {
        ticket.control.request(Command::Stop);
    }
    assert!(closed(&engine, &tickets[0]).is_ok());
    assert!(matches!(closed(&engine, &tickets[9]), Err(JobError::Stopped)));
    assert_eq!(store.runs().unwrap().len(), 1);
}

#[test]
fn a_panic_leaves_the_desk_usable_and_the_next_job_works() {
    let directory = tempfile::tempdir().unwrap();
    let wakes = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&wakes);
    let desk = Desk::open(Some(directory.path()), move || *counter.lock().unwrap() += 1).unwrap();
    let wait = |ticket: &Ticket| loop {
        match desk.message() {
            Some(Message::Closed { job, outcome }) if job == ticket.job => return outcome,
            Some(_) => {}
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    let crash = desk.submit(planted(|_, _| panic!("planted"))).unwrap();
    let crashed = wait(&crash).unwrap()[0];
    assert!(desk.ask(Question::Runs));
    let listed = loop {
        match desk.answer() {
            Some(Answer::Runs(rows)) => break rows.unwrap(),
            Some(other) => panic!("{other:?}"),
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    assert_eq!((listed[0].run.run, listed[0].run.status), (crashed, RunStatus::Crashed));
    assert_eq!(listed[0].run.failure.as_deref(), Some("planted"));
    let next = desk.submit(planted(|_, _| Ok(finished()))).unwrap();
    assert_eq!(wait(&next).unwrap().len(), 1);
    let config = RunConfig::default();
    let next = desk.submit(Job::Train { config }).unwrap();
    assert_eq!(wait(&next).unwrap().len(), 1);
    assert!(*wakes.lock().unwrap() > 0);
}

#[test]
fn pictures_are_made_only_where_somebody_looks() {
    let wants = || {
        let (sender, receiver) = std::sync::mpsc::channel();
        let job = planted(move |sink, _| {
            sender.send(sink.wants_snapshot()).unwrap();
            Ok(finished())
        });
        (job, receiver)
    };
    let (_directory, _store, engine) = engine();
    let (job, receiver) = wants();
    engine.submit(job).unwrap();
    assert_eq!(receiver.recv().unwrap(), None);
    let directory = tempfile::tempdir().unwrap();
    let desk = Desk::open(Some(directory.path()), || ()).unwrap();
    let (job, receiver) = wants();
    desk.submit(job).unwrap();
    assert_eq!(receiver.recv().unwrap(), Some(Wanted::default()));
    let wanted = Wanted {
        gradients: true,
        attention: Some(7),
    };
    desk.look(wanted);
    let (job, receiver) = wants();
    desk.submit(job).unwrap();
    assert_eq!(receiver.recv().unwrap(), Some(wanted));
}

#[test]
fn a_dropped_engine_stops_its_job_though_nobody_reads() {
    let (_directory, store, engine) = engine();
    engine
        .submit(planted(|sink, control| {
            sink.emit(started())?;
            // More than the channel holds, so that the worker comes to wait for its reader.
            while control.requested() != Command::Stop {
                sink.emit(Event::Note { text: String::new() })?;
            }
            Ok(Ended::Stopped { step: 0 })
        }))
        .unwrap();
    while store.runs().unwrap().is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(engine);
    assert_eq!(store.runs().unwrap()[0].status, RunStatus::Stopped);
}

#[test]
fn an_event_is_in_the_store_before_it_is_seen_and_the_waker_is_called() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(directory.path()).unwrap());
    let wakes = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&wakes);
    let engine = Engine::start(Arc::clone(&store), move || *counter.lock().unwrap() += 1).unwrap();
    engine
        .submit(planted(|sink, _| {
            sink.emit(started())?;
            for _ in 0..50 {
                sink.emit(Event::Note { text: "x".to_owned() })?;
            }
            Ok(finished())
        }))
        .unwrap();
    let mut next = 0;
    loop {
        match engine.next_within(Duration::from_mins(1)).unwrap() {
            Message::Event(envelope) => {
                assert_eq!(envelope.seq, next);
                assert!(store.position(envelope.run).unwrap().0 > next);
                next += 1;
            }
            Message::Closed { .. } => break,
            _ => {}
        }
    }
    assert_eq!(next, 52);
    drop(engine);
    // Begun, Opened and Closed besides.
    assert_eq!(*wakes.lock().unwrap(), 55);
}

#[test]
fn a_pause_does_not_count_as_work() {
    let (_directory, store, engine) = engine();
    let began = Instant::now();
    let ticket = engine
        .submit(planted(|sink, _| {
            sink.emit(started())?;
            sink.emit(Event::Paused { step: 0 })?;
            std::thread::sleep(Duration::from_millis(300));
            sink.emit(Event::Resumed { step: 0 })?;
            Ok(finished())
        }))
        .unwrap();
    let run = closed(&engine, &ticket).unwrap()[0];
    let elapsed = store.run(run).unwrap().run.elapsed_secs;
    // Whatever else the machine does meanwhile, the pause is not in it.
    assert!(elapsed < began.elapsed().as_secs_f64() - 0.25, "{elapsed}");
}

#[test]
fn a_desk_that_closes_stops_what_runs_before_it_waits_for_an_answer() {
    let directory = tempfile::tempdir().unwrap();
    let (stopped, told) = crossbeam_channel::bounded(1);
    let (came, outcome) = crossbeam_channel::bounded(1);
    // Who answers is kept until the job was stopped, as by a large set that is being read.
    let waker = move || {
        if std::thread::current().name() == Some("trimtab-answers") {
            let _ = came.try_send(told.recv_timeout(Duration::from_secs(20)));
        }
    };
    let desk = Desk::open(Some(directory.path()), waker).unwrap();
    let job = planted(move |_, control| {
        while control.requested() != Command::Stop {
            std::thread::sleep(Duration::from_millis(1));
        }
        stopped.send(()).unwrap();
        Ok(Ended::Stopped { step: 0 })
    });
    desk.submit(job).unwrap();
    while desk.message().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(desk.ask(Question::Runs));
    while desk.answer().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(desk);
    outcome.recv().unwrap().unwrap();
}

#[test]
fn a_job_that_is_taken_up_says_so_before_it_says_anything_else() {
    let (_directory, _, engine) = engine();
    let ticket = engine.submit(silent()).unwrap();
    let first = engine.next_within(Duration::from_mins(1)).unwrap();
    assert!(
        matches!(first, Message::Begun { job } if job == ticket.job),
        "{first:?}"
    );
    ticket.control.request(Command::Stop);
    assert!(matches!(closed(&engine, &ticket), Err(JobError::Stopped)));
}
