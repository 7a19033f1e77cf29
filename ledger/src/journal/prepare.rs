//! The segment to come: made ahead of need, so that the writing thread does not wait for 64 MiB of zeros.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::fault::JournalFault;
use super::segment::PREPARING_NAME;
use super::storage::Storage;
use super::writer::Preparation;

/// Makes [`PREPARING_NAME`], one at a time: the next is asked for when the last has been renamed.
pub(crate) enum Preparer<S: Storage> {
    /// Made when taken. The order of operations is then the same in every run, as the simulator needs it.
    WhenNeeded { storage: S, bytes: u64 },
    /// Made by a thread of its own.
    Ahead {
        requests: Option<Sender<()>>,
        ready: Receiver<Result<S::File, JournalFault>>,
        thread: Option<JoinHandle<()>>,
    },
}

impl<S: Storage> Preparer<S> {
    /// With [`Preparation::Ahead`] the first one is begun at once.
    pub(crate) fn start(storage: &S, bytes: u64, preparation: Preparation) -> Result<Preparer<S>, JournalFault> {
        let storage = storage.clone();
        if preparation == Preparation::WhenNeeded {
            return Ok(Preparer::WhenNeeded { storage, bytes });
        }
        let (requests, asked) = channel();
        let (finished, ready) = channel();
        let for_thread = storage.clone();
        let thread = std::thread::Builder::new()
            .name("journal-prepare".to_owned())
            .spawn(move || {
                for () in asked {
                    if finished.send(prepare(&for_thread, bytes)).is_err() {
                        return;
                    }
                }
            })
            .map_err(JournalFault::on(&storage, "start a thread for", "."))?;
        let preparer = Preparer::Ahead { requests: Some(requests), ready, thread: Some(thread) };
        preparer.begin_next();
        Ok(preparer)
    }

    /// The prepared file, still under its temporary name. Waits where it is not ready.
    pub(crate) fn take(&mut self) -> Result<S::File, JournalFault> {
        match self {
            Preparer::WhenNeeded { storage, bytes } => prepare(storage, *bytes),
            Preparer::Ahead { ready, .. } => ready.recv().expect("the thread lives as long as `requests`"),
        }
    }

    /// The taken file has its name; the temporary one is free for the next.
    pub(crate) fn begin_next(&self) {
        if let Preparer::Ahead { requests: Some(requests), .. } = self {
            requests.send(()).expect("the thread lives as long as `requests`");
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
