//! The segment to come: made ahead of need, so that the writing thread does not wait for 64 MiB of zeros. And the segments that are full: what the
//! system has cached of them makes room for it, or a log that grows would fill all memory with what is hardly ever read again. Where
//! a host backs the memory of a guest at its first touch, that costs a fourth of the guest's processors
//! (`benches/results/2026-11-22-ledger.md`).

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::fault::JournalFault;
use super::segment::PREPARING_NAME;
use super::storage::Storage;
use super::writer::Preparation;

/// How much the thread stands back for the others: with both cores busy it gets a tenth of what one of those gets. Without, zeroing holds a core for 4 ms at a time.
const PREPARER_NICE: i32 = 10;

/// Makes [`PREPARING_NAME`], one at a time: the next is asked for when the last has been renamed.
pub(crate) enum Preparer<S: Storage> {
    /// Made when taken. The order of operations is then the same in every run, as the simulator needs it.
    WhenNeeded { storage: S, bytes: u64, full: Full<S> },
    /// Made by a thread of its own.
    Ahead {
        /// The segment that has become full goes with the request.
        requests: Option<Sender<Option<S::File>>>,
        ready: Receiver<Result<S::File, JournalFault>>,
        thread: Option<JoinHandle<()>>,
    },
}

impl<S: Storage> Preparer<S> {
    /// With [`Preparation::Ahead`] the first one is begun at once.
    pub(crate) fn start(storage: &S, bytes: u64, preparation: Preparation) -> Result<Preparer<S>, JournalFault> {
        let storage = storage.clone();
        if preparation == Preparation::WhenNeeded {
            return Ok(Preparer::WhenNeeded { storage, bytes, full: Full::none() });
        }
        let (requests, asked) = channel();
        let (finished, ready) = channel();
        let for_thread = storage.clone();
        let thread = std::thread::Builder::new()
            .name("journal-prepare".to_owned())
            .spawn(move || {
                // It has time until a segment is full; who waits for a payment has none. Where the machine refuses, it zeroes as before.
                let _ = rustix::process::nice(PREPARER_NICE);
                let mut full = Full::none();
                for segment in asked {
                    full.follow(&for_thread, segment);
                    if finished.send(prepare(&for_thread, bytes)).is_err() {
                        return;
                    }
                }
            })
            .map_err(JournalFault::on(&storage, "start a thread for", "."))?;
        let mut preparer = Preparer::Ahead { requests: Some(requests), ready, thread: Some(thread) };
        preparer.begin_next(None);
        Ok(preparer)
    }

    /// The prepared file, still under its temporary name. Waits where it is not ready.
    pub(crate) fn take(&mut self) -> Result<S::File, JournalFault> {
        match self {
            Preparer::WhenNeeded { storage, bytes, .. } => prepare(storage, *bytes),
            Preparer::Ahead { ready, .. } => ready.recv().expect("the thread lives as long as `requests`"),
        }
    }

    /// The taken file has its name; the temporary one is free for the next. `segment` is the one before it, which is full.
    pub(crate) fn begin_next(&mut self, segment: Option<S::File>) {
        match self {
            Preparer::WhenNeeded { storage, full, .. } => full.follow(storage, segment),
            Preparer::Ahead { requests, .. } => {
                let requests = requests.as_ref().expect("they are taken only when the work ends");
                requests.send(segment).expect("the thread lives as long as `requests`");
            }
        }
    }
}

/// The newest full segment, which stays cached: messages that were too many for memory are read back from it.
pub(crate) struct Full<S: Storage> {
    newest: Option<S::File>,
}

impl<S: Storage> Full<S> {
    const fn none() -> Full<S> {
        Full { newest: None }
    }

    /// The one before makes room. It is advice: where the system does not take it, memory stays in use and nothing else happens.
    fn follow(&mut self, storage: &S, segment: Option<S::File>) {
        if let Some(before) = std::mem::replace(&mut self.newest, segment) {
            let _ = storage.drop_cache(&before);
        }
    }
}

fn prepare<S: Storage>(storage: &S, bytes: u64) -> Result<S::File, JournalFault> {
    storage.create(PREPARING_NAME, bytes).map_err(JournalFault::on(storage, "create", PREPARING_NAME))
}

impl<S: Storage> Drop for Preparer<S> {
    /// Waits for the thread, so that a directory that is opened next is not written by the one before.
    fn drop(&mut self) {
        if let Preparer::Ahead { requests, thread, .. } = self {
            drop(requests.take());
            if let Some(thread) = thread.take() {
                // A panic there has been reported there; here it changes nothing more.
                let _ = thread.join();
            }
        }
    }
}
