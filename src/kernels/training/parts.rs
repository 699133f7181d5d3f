//! Work in parts, on several threads where that pays.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Looks for work before another program is let onto the core.
const PATIENCE: u32 = 256;

thread_local! {
    /// The pool that this thread is a member of; its other threads end with this one.
    static OWN: RefCell<Option<ThreadPool>> = const { RefCell::new(None) };
}

/// Makes this thread the first member of a pool as large as the present one, unless it is in one already: a step handed over to a
/// pool from outside waits twice for another thread to wake up, which takes as long as a small network needs for the whole step.
pub fn enlist() {
    if rayon::current_thread_index().is_none() {
        let threads = rayon::current_num_threads();
        let name = |thread| format!("trimtab-step-{thread}");
        // Without one the steps are handed over.
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(name)
            .use_current_thread()
            .build();
        OWN.set(pool.ok());
    }
}

/// Does `work`, a whole training step, while the other threads of the pool look for its parts without going to sleep in between: they are
/// many and short, and waking a thread takes as long as some of them. From outside the pool, the work goes into it.
pub fn awake<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    if rayon::current_num_threads() < 2 {
        return work();
    }
    let Some(own) = rayon::current_thread_index() else {
        return rayon::scope(|_| awake(work));
    };
    let is_over = AtomicBool::new(false);
    rayon::in_place_scope(|scope| {
        scope.spawn_broadcast(|_, thread| {
            let mut idle = 0_u32;
            while thread.index() != own && !is_over.load(Ordering::Acquire) {
                if rayon::yield_now() == Some(rayon::Yield::Executed) {
                    idle = 0;
                    continue;
                }
                idle += 1;
                if idle.is_multiple_of(PATIENCE) {
                    // Somebody else may need this core.
                    std::thread::yield_now();
                } else {
                    std::hint::spin_loop();
                }
            }
        });
        let _over = Over(&is_over);
        work()
    })
}

/// Says that the work is over, even where it ended in a panic.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Does `work` on every part. Where it `pays`, the threads of rayon's current pool take neighbouring parts, this one the first of them,
/// so that a thread meets again what it has in its cache.
pub(super) fn each<T: Send>(parts: impl Iterator<Item = T>, pays: bool, work: impl Fn(T) + Sync) {
    let threads = if pays { rayon::current_num_threads() } else { 1 };
    if threads == 1 {
        parts.for_each(work);
        return;
    }
    let parts: Vec<T> = parts.collect();
    let share = parts.len().div_ceil(threads).max(1);
    let mut rest = parts.into_iter();
    let own: Vec<T> = rest.by_ref().take(share).collect();
    let work = &work;
    rayon::scope(|scope| {
        while rest.len() > 0 {
            let group: Vec<T> = rest.by_ref().take(share).collect();
            scope.spawn(move |_| group.into_iter().for_each(work));
        }
        own.into_iter().for_each(work);
    });
}
