//! The directory's threads: one applies what the journal holds for it, one answers those who ask, one takes commands in. None of them ever holds up the hot loop.

use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender};

use super::{HotLoopQueue, Message, ServerError};
use crate::clerk::{Clerk, ClerkFault, Question, Registrar, Renewal, Renewed, Reply};
use crate::directory::store::DiskStore;
use crate::directory::vault::VaultReader;
use crate::directory::{CommandResult, Directory, DirectoryBatch};
use crate::seal::SealFault;

/// Between two syncs of the store, where there is anything to sync: what was not synced is applied again at the next start.
const PERSIST_EVERY: Duration = Duration::from_millis(200);

/// Slots of the vault that are destroyed at once.
const SLOTS_AT_ONCE_MAX: usize = 256;

/// Messages that are dealt with before the hot loop is woken: of a clerk less than a millisecond's.
const AT_ONCE_MAX: usize = 64;

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
                // Where the hot loop waits for this core, here it gets it: the system would only look when its clock ticks.
                std::thread::yield_now();
            }
            if !results.is_empty() {
                for result in results.drain(..) {
                    // Where the hot loop has ended, nobody waits for it.
                    let _ = self.results.send(result);
                }
                self.queue.wake.notify_one();
                self.destroy_slots()?;
            }
            if is_unpersisted && (is_over || persisted_at.elapsed() >= PERSIST_EVERY) {
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

/// What a clerk is given to do.
pub(super) enum ClerkWork {
    Question(Question),
    Renewal(Renewal),
}

/// What came of it.
pub(super) enum ClerkDone {
    Reply(u64, Reply),
    Renewed(Renewed),
}

/// Answers questions and makes hashes anew, in the order in which it is asked: a question about hashes under the key before must not come behind the new ones.
pub(super) struct ClerkThread {
    pub(super) clerk: Clerk<DiskStore>,
    pub(super) work: Receiver<ClerkWork>,
    pub(super) done: Sender<ClerkDone>,
    pub(super) queue: HotLoopQueue,
}

impl ClerkThread {
    /// Runs until the hot loop has ended.
    pub(super) fn run(mut self) {
        while let Ok(first) = self.work.recv() {
            let waiting: Vec<ClerkWork> = self.work.try_iter().take(AT_ONCE_MAX).collect();
            for work in std::iter::once(first).chain(waiting) {
                let not_before = match &work {
                    ClerkWork::Question(question) => question.not_before,
                    ClerkWork::Renewal(renewal) => renewal.not_before,
                };
                if !self.wait_for_directory(not_before) {
                    return;
                }
                match self.work_on(work) {
                    Ok(done) => {
                        if self.done.send(done).is_err() {
                            return;
                        }
                    }
                    Err(fault) => return self.queue.send(Message::Failed(ServerError::Directory(fault))),
                }
            }
            self.queue.wake.notify_one();
        }
    }

    fn work_on(&mut self, work: ClerkWork) -> Result<ClerkDone, ClerkFault> {
        Ok(match work {
            ClerkWork::Question(question) => ClerkDone::Reply(question.ticket, self.clerk.answer(&question)?),
            ClerkWork::Renewal(renewal) => {
                let renewed = self.clerk.renew(&renewal)?;
                match &renewed {
                    Renewed::Rows { unreadable: 1.., .. } => {
                        tracing::warn!(
                            "an alias whose secret is not in the vault is left under the key before: nobody is paid by it; its provider may register it anew"
                        );
                    }
                    Renewed::Done => tracing::info!("the directory's hashes are made anew"),
                    Renewed::KeyDestroyed => tracing::info!("the hash key before is destroyed"),
                    Renewed::Rows { .. } => {}
                }
                ClerkDone::Renewed(renewed)
            }
        })
    }

    /// Waits until the directory has come so far; false where it ends before. Whoever waits for this must not wait for the wake-up of those before it.
    fn wait_for_directory(&self, not_before: u64) -> bool {
        while !self.clerk.has_come(not_before) {
            if self.clerk.has_ended() {
                return false;
            }
            self.queue.wake.notify_one();
            std::thread::sleep(BEHIND_PAUSE);
        }
        true
    }
}

/// Takes commands in, in their order.
pub(super) struct RegistrarThread {
    pub(super) registrar: Registrar,
    pub(super) questions: Receiver<Question>,
    pub(super) done: Sender<ClerkDone>,
    pub(super) queue: HotLoopQueue,
}

impl RegistrarThread {
    /// Runs until the hot loop has ended.
    pub(super) fn run(mut self) {
        if let Err(fault) = self.take_in() {
            self.queue.send(Message::Failed(ServerError::Directory(ClerkFault::Vault(fault))));
        }
    }

    /// New slots are on disk before anything sealed under them can be journaled.
    fn take_in(&mut self) -> Result<(), SealFault> {
        let mut taken = Vec::new();
        while let Ok(first) = self.questions.recv() {
            for question in std::iter::once(first).chain(self.questions.try_iter().take(AT_ONCE_MAX)) {
                taken.push((question.ticket, self.registrar.take(&question)?));
            }
            self.registrar.sync()?;
            for (ticket, reply) in taken.drain(..) {
                if self.done.send(ClerkDone::Reply(ticket, reply)).is_err() {
                    return Ok(());
                }
            }
            self.queue.wake.notify_one();
        }
        Ok(())
    }
}
