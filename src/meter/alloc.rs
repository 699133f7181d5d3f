//! The global allocator: mimalloc, with a count of the bytes that are allocated now and of the most there ever were.
//!
//! The counters exist because CPU tensors report no memory of their own. They are relaxed atomics: each is exact, and a
//! reader on another thread may see an allocation a moment later than it happened.
//!
//! Only the threads that train are counted, each from when it says so. What a window, the toolkit's own threads, the recording of a
//! run and the answering of questions allocate is no memory of the training; nor are such stretches of work on a thread that trains.
#![expect(
    unsafe_code,
    reason = "GlobalAlloc is an unsafe trait, and its calls are passed on to mimalloc"
)]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};

use mimalloc::MiMalloc;

/// Counts what passes through it. The program declares it as `#[global_allocator]`.
pub struct CountingAllocator;

/// Bytes that are allocated at this moment, as asked for (without the allocator's own rounding). Only differences mean
/// something: what was allocated counted and freed uncounted, or the other way round, shifts the count.
pub fn live_bytes() -> isize {
    LIVE.load(Relaxed)
}

/// The most bytes that were allocated at once since the program started or [`reset_peak`] was called.
pub fn peak_bytes() -> isize {
    PEAK.load(Relaxed)
}

/// Starts a new measurement: the peak becomes what is allocated now.
pub fn reset_peak() {
    PEAK.store(live_bytes(), Relaxed);
}

/// What was allocated since a moment, at which the peak began anew.
#[derive(Debug)]
pub struct Growth {
    before: isize,
}

impl Growth {
    /// From now on.
    pub fn begin() -> Self {
        reset_peak();
        Self { before: live_bytes() }
    }

    /// Bytes that are allocated now, and the most at once since the beginning; never below what is allocated now, even where
    /// another measurement has begun since.
    pub fn live_and_peak(&self) -> (u64, u64) {
        let live = live_bytes();
        [live, peak_bytes().max(live)]
            .map(|bytes| (bytes - self.before).max(0) as u64)
            .into()
    }
}

/// Counts what the calling thread allocates and frees from now on.
pub fn count_this_thread() {
    IS_COUNTED.set(true);
}

/// Does `work` without counting what it allocates and frees. What it hands to others must be freed uncounted too.
pub fn uncounted<T>(work: impl FnOnce() -> T) -> T {
    /// As it was before, even if the work panics.
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            IS_COUNTED.set(self.0);
        }
    }
    let _restore = Restore(IS_COUNTED.replace(false));
    work()
}

/// Has mimalloc commit its memory piece by piece: committed at once, its first gigabyte keeps up to three times as many pages
/// resident while a network trains, at the same speed. The option counts only before the first allocation, which comes before
/// `main`.
#[cfg(target_os = "linux")]
mod piece_by_piece {
    use std::ffi::{c_int, c_long};

    /// `mi_option_arena_eager_commit` of mimalloc 2 and 3.
    const ARENA_EAGER_COMMIT: c_int = 4;

    unsafe extern "C" {
        fn mi_option_set_default(option: c_int, value: c_long);
    }

    extern "C" fn set() {
        // SAFETY: mimalloc's options are plain numbers that can be set at any time; what the environment says goes first.
        unsafe { mi_option_set_default(ARENA_EAGER_COMMIT, 0) }
    }

    // SAFETY: the loader calls the functions of this section before `main`; this one allocates nothing.
    #[used]
    #[unsafe(link_section = ".init_array")]
    static SET: extern "C" fn() = set;
}

static LIVE: AtomicIsize = AtomicIsize::new(0);
static PEAK: AtomicIsize = AtomicIsize::new(0);

thread_local! {
    static IS_COUNTED: Cell<bool> = const { Cell::new(false) };
}

fn grow(bytes: usize) {
    if !IS_COUNTED.get() {
        return;
    }
    let bytes = bytes as isize;
    let live = LIVE.fetch_add(bytes, Relaxed) + bytes;
    // Most allocations are below the peak; the plain load keeps them from writing to a shared cache line.
    if live > PEAK.load(Relaxed) {
        PEAK.fetch_max(live, Relaxed);
    }
}

fn shrink(bytes: usize) {
    if IS_COUNTED.get() {
        LIVE.fetch_sub(bytes as isize, Relaxed);
    }
}

// SAFETY: every call is passed to mimalloc with the caller's own arguments, and the counters touch no memory of the heap.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract for `alloc` is mimalloc's.
        let pointer = unsafe { MiMalloc.alloc(layout) };
        if !pointer.is_null() {
            grow(layout.size());
        }
        pointer
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract for `alloc_zeroed` is mimalloc's.
        let pointer = unsafe { MiMalloc.alloc_zeroed(layout) };
        if !pointer.is_null() {
            grow(layout.size());
        }
        pointer
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from this allocator, that is from mimalloc, with this layout.
        unsafe { MiMalloc.dealloc(pointer, layout) };
        shrink(layout.size());
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: `pointer` came from this allocator, that is from mimalloc, with this layout.
        let moved = unsafe { MiMalloc.realloc(pointer, layout, new_size) };
        if !moved.is_null() {
            if new_size > layout.size() {
                grow(new_size - layout.size());
            } else {
                shrink(layout.size() - new_size);
            }
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: isize = 1 << 20;

    #[test]
    fn a_block_is_counted_while_it_lives_and_stays_in_the_peak() {
        // The counters belong to the whole process, and the other tests are in this one: count in a process of its own.
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["meter::alloc::tests::count", "--exact", "--ignored"])
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && told.contains("1 passed"), "{told}");
    }

    #[test]
    #[ignore = "alone in its process, started by the test above"]
    fn count() {
        let before = live_bytes();
        let foreign: Vec<u8> = Vec::with_capacity(BLOCK as usize);
        assert!(live_bytes() - before < BLOCK / 2);
        drop(foreign);
        assert!(before - live_bytes() < BLOCK / 2);
        count_this_thread();
        let hidden: Vec<u8> = uncounted(|| Vec::with_capacity(BLOCK as usize));
        assert!(live_bytes() - before < BLOCK / 2);
        uncounted(|| drop(hidden));
        assert!(before - live_bytes() < BLOCK / 2);
        reset_peak();
        let mut block: Vec<u8> = Vec::with_capacity(BLOCK as usize);
        assert!(live_bytes() - before >= BLOCK / 2);
        block.reserve_exact(2 * BLOCK as usize);
        assert!(live_bytes() - before >= 2 * BLOCK - BLOCK / 2);
        block.shrink_to(0);
        assert!(live_bytes() - before < BLOCK / 2);
        assert!(peak_bytes() - before >= 2 * BLOCK - BLOCK / 2);
        reset_peak();
        assert!(peak_bytes() - before < BLOCK / 2);
    }
}
