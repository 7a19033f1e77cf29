//! An allocator that counts what each thread asks for, and remembers where from if it is told to.
//!
//! It is jemalloc, the allocator of the switch, with a counter before it. jemalloc's own statistics are bytes; a count says more about a loop that is to ask for nothing.
#![allow(unsafe_code)] // `GlobalAlloc` is an unsafe trait. Every call goes to jemalloc as it came; nothing else here is unsafe.

use std::alloc::{GlobalAlloc, Layout};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tikv_jemallocator::Jemalloc;

/// The allocator of a test that counts.
pub struct Counting;

/// Threads that can be told apart; those beyond share the last place.
const THREADS_MAX: usize = 64;

/// Stacks of one thread that are kept. More say nothing new.
const STACKS_MAX: usize = 20_000;

/// The system's ids of the threads.
static IDS: [AtomicU32; THREADS_MAX] = [const { AtomicU32::new(0) }; THREADS_MAX];
static COUNTS: [AtomicU64; THREADS_MAX] = [const { AtomicU64::new(0) }; THREADS_MAX];
static THREADS: AtomicUsize = AtomicUsize::new(0);
static TRACED: [AtomicBool; THREADS_MAX] = [const { AtomicBool::new(false) }; THREADS_MAX];
/// Of each thread apart: several may be traced at once.
static STACKS: [Mutex<Vec<Backtrace>>; THREADS_MAX] = [const { Mutex::new(Vec::new()) }; THREADS_MAX];

thread_local! {
    static PLACE: Cell<usize> = const { Cell::new(usize::MAX) };
    /// A stack is being taken: what that allocates is not counted.
    static IS_TRACING: Cell<bool> = const { Cell::new(false) };
}

/// The place of the calling thread.
pub fn place() -> usize {
    PLACE.with(|place| {
        if place.get() == usize::MAX {
            place.set(THREADS.fetch_add(1, Ordering::Relaxed).min(THREADS_MAX - 1));
            IDS[place.get()].store(rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs(), Ordering::Relaxed);
        }
        place.get()
    })
}

/// The place of the thread of this process that has this name.
pub fn place_of(name: &str) -> Option<usize> {
    let tasks = std::fs::read_dir("/proc/self/task").ok()?;
    let is_named = |id: &u32| {
        let named = std::fs::read_to_string(format!("/proc/self/task/{id}/comm"));
        named.is_ok_and(|text| text.trim() == name)
    };
    let mut ids = tasks.flatten().filter_map(|task| task.file_name().to_str()?.parse::<u32>().ok());
    let id = ids.find(is_named)?;
    IDS.iter().position(|known| known.load(Ordering::Relaxed) == id)
}

/// How often a thread has asked for memory, or for more of it.
pub fn count_of(place: usize) -> u64 {
    COUNTS[place].load(Ordering::Relaxed)
}

/// As `count_of`, of the calling thread.
pub fn count() -> u64 {
    count_of(place())
}

/// From now on stacks of a thread's allocations are kept, or no longer.
pub fn trace(place: usize, is_on: bool) {
    TRACED[place].store(is_on, Ordering::Relaxed);
}

/// The stacks of a thread that were kept, as text.
pub fn take_stacks(place: usize) -> Vec<String> {
    let stacks = std::mem::take(&mut *STACKS[place].lock().unwrap_or_else(PoisonError::into_inner));
    stacks.iter().map(Backtrace::to_string).collect()
}

fn note() {
    if IS_TRACING.get() {
        return;
    }
    let place = place();
    COUNTS[place].fetch_add(1, Ordering::Relaxed);
    if TRACED[place].load(Ordering::Relaxed) {
        IS_TRACING.set(true);
        let mut stacks = STACKS[place].lock().unwrap_or_else(PoisonError::into_inner);
        if stacks.len() < STACKS_MAX {
            stacks.push(Backtrace::force_capture());
        }
        drop(stacks);
        IS_TRACING.set(false);
    }
}

// SAFETY: jemalloc keeps the promises of the trait, and each call is passed on as it came. `note` may allocate, through this allocator and not counted, while
// nothing of jemalloc's is held.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: as the caller promised.
        unsafe { Jemalloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: as the caller promised.
        unsafe { Jemalloc.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { Jemalloc.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        note();
        // SAFETY: as the caller promised.
        unsafe { Jemalloc.realloc(at, layout, bytes) }
    }
}
