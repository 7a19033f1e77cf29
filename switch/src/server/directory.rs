//! The directory's threads: one applies what the journal holds for it, one answers those who ask, one takes commands in. None of them ever holds up the hot loop.

use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender};

use super::{HotLoopQueue, Message, ServerError};
use crate::clerk::{Clerk, ClerkFault, Question, Registrar, Reply};
use crate::directory::store::DiskStore;
use crate::directory::vault::VaultReader;
use crate::directory::{CommandResult, Directory, DirectoryBatch};

/// Between two syncs of the store, where there is anything to sync: what was not synced is applied again at the next start.
const PERSIST_EVERY: Duration = Duration::from_secs(1);

/// Slots of the vault that are destroyed at once.
const SLOTS_AT_ONCE_MAX: usize = 256;

/// Messages that are dealt with before the hot loop is woken.
const AT_ONCE_MAX: usize = 256;

/// While the directory has not come as far as a question asks for, it is looked at again after so long.
const BEHIND_PAUSE: Duration = Duration::from_micros(100);

/// Applies batches, in their order.
pub(super) struct DirectoryThread {
    pub(super) directory: Directory<DiskStore>,
    pub(super) vault: VaultReader,
    pub(super) batches: Receiver<DirectoryBatch>,
    pub(super) results: Sender<CommandResult>,
    pub(super) queue: HotLoopQueue,
}

impl DirectoryThread {
    /// Runs until the hot loop has ended.
    pub(super) fn run(mut self) {
        if let Err(fault) = self.follow() {
            self.queue.send(Message::Failed(ServerError::Directory(fault)));
        }
    }

    fn follow(&mut self) -> Result<(), ClerkFault> {
        let (mut results, mut persisted_at, mut is_unpersisted) = (Vec::new(), Instant::now(), false);
        // Those that a stop has left, or that were freed in the replay: an erasure must not wait for the next command.
        self.destroy_slots()?;
        loop {
            let first = self.batches.recv_timeout(PERSIST_EVERY);
            let is_over = matches!(first, Err(RecvTimeoutError::Disconnected));
            for batch in first.into_iter().chain(self.batches.try_iter().take(AT_ONCE_MAX)) {
                self.directory.apply(&batch, &mut results)?;
                is_unpersisted = true;
            }
            if !results.is_empty() {
                for result in results.drain(..) {
                    // Where the hot loop has ended, nobody waits for it.
                    let _ = self.results.send(result);
                }
                self.queue.wake.notify_one();
                self.destroy_slots()?;
            }
            if is_unpersisted && (is_over || self.batches.is_empty() || persisted_at.elapsed() >= PERSIST_EVERY) {
                self.directory.persist()?;
                (persisted_at, is_unpersisted) = (Instant::now(), false);
            }
            if is_over {
                return Ok(());
            }
        }
    }

    /// What opened records that are gone is destroyed.
    fn destroy_slots(&mut self) -> Result<(), ClerkFault> {
        loop {
            let slots = self.directory.free_slots(SLOTS_AT_ONCE_MAX)?;
            if slots.is_empty() {
                return Ok(());
            }
            self.vault.destroy(&slots)?;
            self.directory.slots_destroyed(&slots)?;
        }
    }
}

/// Answers questions, in their order.
pub(super) struct ClerkThread {
    pub(super) clerk: Clerk<DiskStore>,
    pub(super) questions: Receiver<Question>,
    pub(super) replies: Sender<(u64, Reply)>,
    pub(super) queue: HotLoopQueue,
}

impl ClerkThread {
    /// Runs until the hot loop has ended.
    pub(super) fn run(mut self) {
        while let Ok(first) = self.questions.recv() {
            let waiting: Vec<Question> = self.questions.try_iter().take(AT_ONCE_MAX).collect();
            for question in std::iter::once(first).chain(waiting) {
                while !self.clerk.can_answer(&question) {
                    // Whoever waits for this must not wait for the wake-up of those before it.
                    self.queue.wake.notify_one();
                    std::thread::sleep(BEHIND_PAUSE);
                }
                match self.clerk.answer(&question) {
                    Ok(reply) => {
                        if self.replies.send((question.ticket, reply)).is_err() {
                            return;
                        }
                    }
                    Err(fault) => return self.queue.send(Message::Failed(ServerError::Directory(fault))),
                }
            }
            self.queue.wake.notify_one();
        }
    }
}

/// Takes commands in, in their order.
pub(super) struct RegistrarThread {
    pub(super) registrar: Registrar,
    pub(super) questions: Receiver<Question>,
    pub(super) replies: Sender<(u64, Reply)>,
    pub(super) queue: HotLoopQueue,
}

impl RegistrarThread {
    /// Runs until the hot loop has ended. New slots are on disk before anything sealed under them can be journaled.
    pub(super) fn run(mut self) {
        while let Ok(first) = self.questions.recv() {
            let waiting = self.questions.try_iter().take(AT_ONCE_MAX);
            let taken: Vec<(u64, Reply)> = std::iter::once(first)
                .chain(waiting)
                .map(|question| (question.ticket, self.registrar.take(&question)))
                .collect();
            if let Err(fault) = self.registrar.sync() {
                return self.queue.send(Message::Failed(ServerError::Directory(ClerkFault::Vault(fault))));
            }
            for reply in taken {
                if self.replies.send(reply).is_err() {
                    return;
                }
            }
            self.queue.wake.notify_one();
        }
    }
}
