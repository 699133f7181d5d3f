//! The worker thread and the lanes to and from it.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::latest::Latest;
use super::queue::Queue;
use super::worker::{Worker, panic_message};
use super::{Finding, Job, JobError};
use crate::meter::alloc;
use crate::spec::{Command, Envelope, Failure, RunControl, RunId, Snapshot, Wanted};
use crate::store::Store;

/// Jobs that may wait.
const QUEUE: usize = 64;
/// Messages that may wait to be read before the worker waits for the reader.
const MESSAGES: usize = 1024;

/// Number of a job within its engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(u64);

#[cfg(test)]
impl JobId {
    /// For models built by hand.
    pub(crate) fn of(number: u64) -> Self {
        Self(number)
    }
}

/// What the side that submitted a job keeps of it.
#[derive(Debug, Clone)]
pub struct Ticket {
    pub job: JobId,
    /// Pauses, resumes or stops the job; stopped before its turn, it is not begun.
    pub control: Arc<RunControl>,
}

/// What the worker says.
#[derive(Debug)]
pub enum Message {
    /// The worker has taken this job up: it waits no longer.
    Begun { job: JobId },
    /// A run came into being for this job, or was taken up again; its events follow.
    Opened { job: JobId, run: RunId, name: String },
    /// Recorded in the store already.
    Event(Envelope),
    /// How far a job is that is no run's: `done` of `total` parts.
    Progress {
        job: JobId,
        what: String,
        done: usize,
        total: usize,
    },
    /// What a probe found out; it closes without runs after this.
    Found { job: JobId, finding: Box<Finding> },
    /// The job is over. These are its runs, however each of them ended.
    Closed {
        job: JobId,
        outcome: Result<Vec<RunId>, JobError>,
    },
}

/// Why a job was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    #[error("{QUEUE} jobs are waiting already; try again when one of them is done")]
    QueueFull,
    #[error("the worker is gone; start the program again")]
    Gone,
}

/// Owns the worker thread. Dropped, it stops what runs, which is kept and can be resumed, and waits for the thread's end.
pub struct Engine {
    jobs: Arc<Queue<Submitted>>,
    messages: Option<Receiver<Message>>,
    controls: Mutex<Vec<Weak<RunControl>>>,
    next: AtomicU64,
    thread: Option<JoinHandle<()>>,
}

/// The worker's way out.
pub(super) struct Outbox {
    sender: Sender<Message>,
    waker: Box<dyn Fn() + Send + Sync>,
    /// Where pictures of the network in training go; none where nobody would look at them.
    latest: Option<Arc<Latest>>,
}

struct Submitted {
    id: JobId,
    job: Job,
    control: Arc<RunControl>,
}

impl Engine {
    /// Starts the worker over `store`; `waker` is called on its thread after every message.
    pub fn start(store: Arc<Store>, waker: impl Fn() + Send + Sync + 'static) -> Result<Self, Failure> {
        Self::launch(store, waker, None)
    }

    /// As [`start`](Self::start), with pictures of the network in training.
    pub(super) fn start_watched(
        store: Arc<Store>,
        waker: impl Fn() + Send + Sync + 'static,
        latest: Arc<Latest>,
    ) -> Result<Self, Failure> {
        Self::launch(store, waker, Some(latest))
    }

    fn launch(
        store: Arc<Store>,
        waker: impl Fn() + Send + Sync + 'static,
        latest: Option<Arc<Latest>>,
    ) -> Result<Self, Failure> {
        let jobs = Arc::new(Queue::new());
        let queue = Arc::clone(&jobs);
        let (sender, messages) = bounded(MESSAGES);
        let outbox = Outbox {
            sender,
            waker: Box::new(waker),
            latest,
        };
        let thread = thread::Builder::new()
            .name("trimtab-worker".to_owned())
            .spawn(move || {
                alloc::count_this_thread();
                work(&store, &queue, &outbox);
            })
            .map_err(|error| Failure::new("worker thread", error.to_string(), "close other programs and try again"))?;
        Ok(Self {
            jobs,
            messages: Some(messages),
            controls: Mutex::default(),
            next: AtomicU64::new(0),
            thread: Some(thread),
        })
    }

    /// Puts a job at the end of the queue; never waits.
    pub fn submit(&self, job: Job) -> Result<Ticket, SubmitError> {
        let ticket = Ticket {
            job: JobId(self.next.fetch_add(1, Ordering::Relaxed)),
            control: Arc::new(RunControl::default()),
        };
        let submitted = Submitted {
            id: ticket.job,
            job,
            control: Arc::clone(&ticket.control),
        };
        if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
            return Err(SubmitError::Gone);
        }
        let is_taken = self.jobs.with(|waiting| {
            let has_room = waiting.len() < QUEUE;
            if has_room {
                waiting.push_back(submitted);
            }
            has_room
        });
        if !is_taken {
            return Err(SubmitError::QueueFull);
        }
        let mut controls = self.controls.lock().unwrap_or_else(PoisonError::into_inner);
        controls.retain(|control| control.strong_count() > 0);
        controls.push(Arc::downgrade(&ticket.control));
        drop(controls);
        Ok(ticket)
    }

    /// The jobs that wait, the next one first.
    pub fn waiting(&self) -> Vec<JobId> {
        self.jobs
            .with(|waiting| waiting.iter().map(|submitted| submitted.id).collect())
    }

    /// Takes a waiting job out of the queue; false if it is not waiting (any more). No message follows.
    pub fn cancel(&self, job: JobId) -> bool {
        self.jobs.with(|waiting| remove(waiting, job).is_some())
    }

    /// Moves a waiting job to `place` among the waiting ones (0 is next); false if it is not waiting (any more).
    pub fn reorder(&self, job: JobId, place: usize) -> bool {
        self.jobs.with(|waiting| {
            let Some(submitted) = remove(waiting, job) else {
                return false;
            };
            waiting.insert(place.min(waiting.len()), submitted);
            true
        })
    }

    /// The next message, if there is one.
    pub fn next_now(&self) -> Option<Message> {
        self.messages.as_ref()?.try_recv().ok()
    }

    /// The next message, waiting for at most `patience`.
    pub fn next_within(&self, patience: Duration) -> Option<Message> {
        self.messages.as_ref()?.recv_timeout(patience).ok()
    }
}

impl Engine {
    /// Asks what runs to stop and takes no more, without waiting for its end.
    pub(super) fn shut(&mut self) {
        let controls = std::mem::take(&mut *self.controls.lock().unwrap_or_else(PoisonError::into_inner));
        for control in controls.iter().filter_map(Weak::upgrade) {
            control.request(Command::Stop);
        }
        // Without a reader the worker does not wait for one; with its queue closed it ends after its job.
        self.messages = None;
        self.jobs.close();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shut();
        if let Some(thread) = self.thread.take() {
            // Panics are caught on the thread itself.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl Outbox {
    /// Waits while the channel is full. Nobody need listen.
    pub(super) fn send(&self, message: Message) {
        if self.sender.send(message).is_ok() {
            (self.waker)();
        }
    }

    /// What somebody who would look at a picture of the network in training wants of it.
    pub(super) fn wants_snapshot(&self) -> Option<Wanted> {
        self.latest.as_ref().map(|latest| latest.wanted())
    }

    /// Shows the latest picture in place of the one before.
    pub(super) fn show(&self, run: RunId, snapshot: Snapshot) {
        if let Some(latest) = &self.latest {
            latest.put(run, snapshot);
            (self.waker)();
        }
    }
}

fn remove(waiting: &mut VecDeque<Submitted>, job: JobId) -> Option<Submitted> {
    let place = waiting.iter().position(|submitted| submitted.id == job)?;
    waiting.remove(place)
}

/// The thread's life: one job after another, until the queue is closed.
fn work(store: &Store, queue: &Queue<Submitted>, outbox: &Outbox) {
    while let Some(Submitted { id, job, control }) = queue.take() {
        outbox.send(Message::Begun { job: id });
        let worker = Worker {
            store,
            outbox,
            job: id,
            control: &control,
        };
        let outcome = if control.requested() == Command::Stop {
            Err(JobError::Stopped)
        } else {
            catch_unwind(AssertUnwindSafe(|| worker.perform(job))).unwrap_or_else(|panic| {
                Err(JobError::Crashed {
                    message: panic_message(panic.as_ref()),
                })
            })
        };
        outbox.send(Message::Closed { job: id, outcome });
    }
}
