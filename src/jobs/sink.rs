//! From the engine's events to the store and then to whoever listens.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::engine::{Message, Outbox};
use crate::meter::alloc;
use crate::spec::{ArtifactKind, Envelope, Event, EventSink, Failure, Run, RunId, Snapshot, Wanted};
use crate::store::{RunLock, Store, StoreError};
use crate::timeline::RunView;

/// One sitting of one run, which belongs to this process as long as the sink lives. It numbers and times the events, and
/// keeps the run's row as they tell it.
pub struct StoreSink<'a> {
    store: &'a Store,
    lock: RunLock,
    outbox: &'a Outbox,
    state: Mutex<State>,
}

struct State {
    run: Run,
    view: RunView,
    next_seq: u64,
    clock: Clock,
}

/// Seconds of work: over all sittings, pauses left out.
struct Clock {
    before_secs: f64,
    since: Option<Instant>,
}

impl<'a> StoreSink<'a> {
    /// Goes on where the run's record ends.
    pub(super) fn open(store: &'a Store, lock: RunLock, outbox: &'a Outbox) -> Result<Self, StoreError> {
        let run = store.run(lock.run())?.run;
        let events = store.events(lock.run())?;
        let (next_seq, before_secs) = store.position(lock.run())?;
        Ok(Self {
            store,
            lock,
            outbox,
            state: Mutex::new(State {
                run,
                view: RunView::of(&events),
                next_seq,
                clock: Clock {
                    before_secs,
                    since: Some(Instant::now()),
                },
            }),
        })
    }

    pub fn run(&self) -> RunId {
        self.lock.run()
    }

    pub(super) fn lock(&self) -> &RunLock {
        &self.lock
    }

    /// Changes what of the run's row no event tells.
    pub(super) fn describe(&self, change: impl FnOnce(&mut Run)) -> Result<(), StoreError> {
        let mut state = self.state();
        change(&mut state.run);
        self.store.update_run(&self.lock, &state.run)
    }

    /// Numbers, times and stores an event, and tells it.
    fn record(&self, event: Event) -> Result<(), Failure> {
        let mut state = self.state();
        match event {
            Event::Paused { .. } => state.clock.stop(),
            Event::Started { .. } | Event::Resumed { .. } => state.clock.go(),
            _ => {}
        }
        let envelope = Envelope {
            run: self.run(),
            seq: state.next_seq,
            elapsed_secs: state.clock.secs(),
            event,
        };
        state.view.apply(&envelope);
        let tells_the_row = !matches!(
            envelope.event,
            Event::Steps { .. } | Event::Progress { .. } | Event::Note { .. }
        );
        if tells_the_row {
            let State { run, view, .. } = &mut *state;
            view.summarise(run);
        }
        self.store
            .record(&self.lock, &envelope, tells_the_row.then_some(&state.run))?;
        state.next_seq += 1;
        self.outbox.send(Message::Event(envelope));
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventSink for StoreSink<'_> {
    fn emit(&self, event: Event) -> Result<(), Failure> {
        // The record of a run is no memory of its training, and readers free it on threads that are not counted.
        alloc::uncounted(|| self.record(event.clone()))
    }

    fn save(&self, kind: ArtifactKind, bytes: &[u8]) -> Result<(), Failure> {
        self.store.save_artifact(&self.lock, kind, bytes)?;
        Ok(())
    }

    fn wants_snapshot(&self) -> Option<Wanted> {
        self.outbox.wants_snapshot()
    }

    fn show(&self, snapshot: Snapshot) {
        self.outbox.show(self.run(), snapshot);
    }
}

impl Clock {
    fn secs(&self) -> f64 {
        self.before_secs + self.since.map_or(0.0, |since| since.elapsed().as_secs_f64())
    }

    fn stop(&mut self) {
        self.before_secs = self.secs();
        self.since = None;
    }

    fn go(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }
}
