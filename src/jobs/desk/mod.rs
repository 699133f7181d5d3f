//! The window's handle on everything: jobs go in, messages, answers and latest values come out, and nothing here waits.
//! Questions are answered on a thread of their own, so that a list or a preview does not wait for a training.

mod clerk;
mod files;
mod inspecting;
mod question;
mod recent;
mod trying;

use std::fmt;
use std::mem::discriminant;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, bounded};

pub use files::ladder as read_ladder;
pub use question::{Answer, Augmented, OpenedRun, Preview, Question, Trial, Tried, TryInput, WrittenFile};

use super::latest::Latest;
use super::queue::Queue;
use super::{Engine, Job, JobError, JobId, Message, SubmitError, Ticket};
use crate::spec::{Failure, RunId, Snapshot, Wanted};
use crate::store::Store;
use clerk::Clerk;

/// Questions that may wait.
const QUESTIONS: usize = 256;

/// See the module. Dropped, it stops what runs, which is kept and can be resumed, and waits for the threads' ends.
pub struct Desk {
    engine: Engine,
    latest: Arc<Latest>,
    questions: Arc<Queue<Question>>,
    answers: Option<Receiver<Answer>>,
    thread: Option<JoinHandle<()>>,
}

impl Desk {
    /// Opens the store in `directory` (none: the default place) and starts the threads; `waker` is called whenever
    /// something is there to be read.
    pub fn open(directory: Option<&Path>, waker: impl Fn() + Send + Sync + 'static) -> Result<Self, JobError> {
        let store = match directory {
            Some(directory) => Store::open(directory)?,
            None => Store::open(&Store::default_dir()?)?,
        };
        let mut clerk = Clerk::new(store.again()?);
        let waker = Arc::new(waker);
        let latest = Arc::new(Latest::default());
        let worker_waker = Arc::clone(&waker);
        let engine = Engine::start_watched(Arc::new(store), move || worker_waker(), Arc::clone(&latest))?;
        let questions: Arc<Queue<Question>> = Arc::new(Queue::new());
        let asked = Arc::clone(&questions);
        // As many as can be asked for, and the lists that follow by themselves.
        let (sender, answers) = bounded(2 * QUESTIONS);
        let answer = move || {
            while let Some(question) = asked.take() {
                for answer in clerk.answers(question) {
                    if sender.send(answer).is_err() {
                        return;
                    }
                    waker();
                }
            }
        };
        let thread = thread::Builder::new()
            .name("trimtab-answers".to_owned())
            .spawn(answer)
            .map_err(|error| {
                Failure::new(
                    "answers thread",
                    error.to_string(),
                    "close other programs and try again",
                )
            })?;
        Ok(Self {
            engine,
            latest,
            questions,
            answers: Some(answers),
            thread: Some(thread),
        })
    }

    /// Puts a job at the end of the queue.
    pub fn submit(&self, job: Job) -> Result<Ticket, SubmitError> {
        self.engine.submit(job)
    }

    /// The jobs that wait, the next one first.
    pub fn waiting(&self) -> Vec<JobId> {
        self.engine.waiting()
    }

    /// Takes a waiting job out of the queue; false if it is not waiting (any more). No message follows.
    pub fn cancel(&self, job: JobId) -> bool {
        self.engine.cancel(job)
    }

    /// Moves a waiting job to `place` among the waiting ones (0 is next); false if it is not waiting (any more).
    pub fn reorder(&self, job: JobId, place: usize) -> bool {
        self.engine.reorder(job, place)
    }

    /// The next message of the worker, if there is one.
    pub fn message(&self) -> Option<Message> {
        self.engine.next_now()
    }

    /// Asks; false if far too many questions are waiting.
    pub fn ask(&self, question: Question) -> bool {
        self.questions.with(|waiting| {
            if question.outdates() {
                waiting.retain(|older| discriminant(older) != discriminant(&question));
            }
            let has_room = waiting.len() < QUESTIONS;
            if has_room {
                waiting.push_back(question);
            }
            has_room
        })
    }

    /// The next answer, if there is one.
    pub fn answer(&self) -> Option<Answer> {
        self.answers.as_ref()?.try_recv().ok()
    }

    /// What the next pictures of the run in training are to show beyond what all show.
    pub fn look(&self, wanted: Wanted) {
        self.latest.want(wanted);
    }

    /// The latest picture of the run in training, if it is newer than the last one that was taken here.
    pub fn latest(&self) -> Option<(RunId, Arc<Snapshot>)> {
        self.latest.take()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // What is trained need not go on until an answer under way is there.
        self.engine.shut();
        // Without a reader the thread does not wait for one.
        self.answers = None;
        self.questions.close();
        if let Some(thread) = self.thread.take() {
            // Panics are caught on the thread itself.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk")
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}
