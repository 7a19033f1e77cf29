//! The operator's events on disk: a bounded, numbered stream that follows from the journal (`docs/formats/events.md`).
//!
//! The hot loop hands over what the engine has told of a batch that is durable and applied; a thread writes and syncs. A replay hands over what is there already as well:
//! an event's number is its place, so nothing is lost and nothing is there twice.
//!
//! Owns the files of `events/`; decides nothing, and never says that an event is there before it is synced.

mod files;
mod record;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crossbeam::channel::{Receiver, Sender, bounded};

pub use self::files::{EventFiles, EventPage, read_page, survey};
use crate::engine::scheme::events::Event;
use crate::limits::EVENT_BATCHES_WAITING_MAX;

/// The stream cannot be written or read. The process stops.
#[derive(Clone, Debug)]
pub struct EventFault(pub String);

impl std::fmt::Display for EventFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "events: {}", self.0)
    }
}

impl std::error::Error for EventFault {}

/// Where events lie. Whoever removes them loses nothing: the next start makes them again.
pub fn events_directory(data: &Path) -> PathBuf {
    data.join("events")
}

/// How far the stream has come, for every thread.
#[derive(Debug)]
pub struct EventProgress {
    directory: PathBuf,
    /// The newest that is synced.
    through: AtomicU64,
    has_failed: AtomicBool,
    fault: Mutex<Option<EventFault>>,
    moved: Condvar,
}

impl EventProgress {
    /// The number of the newest event that is synced; 0 before the first.
    pub fn through(&self) -> u64 {
        self.through.load(Ordering::Acquire)
    }

    /// Why nothing more is written.
    pub fn check(&self) -> Result<(), EventFault> {
        if !self.has_failed.load(Ordering::Acquire) {
            return Ok(());
        }
        self.lock().clone().map_or(Ok(()), Err)
    }

    /// Waits until an event is synced.
    pub fn wait(&self, number: u64) -> Result<(), EventFault> {
        let mut fault = self.lock();
        loop {
            if let Some(fault) = &*fault {
                return Err(fault.clone());
            }
            if self.through() >= number {
                return Ok(());
            }
            fault = self.moved.wait(fault).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The events after a number, at most so many, of those that are synced.
    pub fn page(&self, after: u64, most: usize) -> Result<EventPage, EventFault> {
        read_page(&self.directory, after, most, self.through())
    }

    fn lock(&self) -> MutexGuard<'_, Option<EventFault>> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, written: Result<u64, EventFault>) -> bool {
        let mut fault = self.lock();
        let is_well = written.is_ok();
        match written {
            Ok(through) => self.through.store(through, Ordering::Release),
            Err(failed) => {
                *fault = Some(failed);
                self.has_failed.store(true, Ordering::Release);
            }
        }
        self.moved.notify_all();
        is_well
    }
}

/// The stream, for whoever applies batches. Dropped, it has written all that was handed over.
pub struct EventLog {
    /// None once it is dropped.
    sender: Option<Sender<Vec<Event>>>,
    progress: Arc<EventProgress>,
    thread: Option<JoinHandle<()>>,
}

impl EventLog {
    /// Goes on behind what the files have, which is synced.
    pub fn start(files: EventFiles) -> Result<EventLog, EventFault> {
        let progress = Arc::new(EventProgress {
            directory: files.directory().to_owned(),
            through: AtomicU64::new(files.through()),
            has_failed: AtomicBool::new(false),
            fault: Mutex::new(None),
            moved: Condvar::new(),
        });
        let (sender, batches) = bounded(EVENT_BATCHES_WAITING_MAX);
        let theirs = Arc::clone(&progress);
        let spawned = std::thread::Builder::new().name("events".to_owned());
        let spawned = spawned.spawn(move || write_batches(files, &batches, &theirs));
        let thread = spawned.map_err(|error| EventFault(error.to_string()))?;
        Ok(EventLog { sender: Some(sender), progress, thread: Some(thread) })
    }

    /// Hands over what was told of a batch. With too many batches waiting, it waits for the disk.
    pub fn follow(&self, told: &[Event]) -> Result<(), EventFault> {
        self.progress.check()?;
        if told.is_empty() {
            return Ok(());
        }
        let sender = self.sender.as_ref().unwrap_or_else(|| unreachable!("it is there until it is dropped"));
        match sender.send(told.to_vec()) {
            Ok(()) => Ok(()),
            // The thread has ended, and has said why.
            Err(_) => self.progress.check(),
        }
    }

    /// How far it has come, for other threads.
    pub fn progress(&self) -> &Arc<EventProgress> {
        &self.progress
    }
}

impl Drop for EventLog {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was said on standard error.
            let _ = thread.join();
        }
    }
}

/// Writes what waits together, and syncs it once.
fn write_batches(mut files: EventFiles, batches: &Receiver<Vec<Event>>, progress: &EventProgress) {
    while let Ok(first) = batches.recv() {
        let mut written = files.append(&first);
        for more in batches.try_iter() {
            written = written.and_then(|()| files.append(&more));
        }
        let synced = written.and_then(|()| files.sync());
        if !progress.note(synced) {
            return;
        }
    }
}
