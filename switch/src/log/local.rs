//! The log on this machine's disk: the ledger crate's journal. `submit` writes, `sync` makes everything written durable.

use adapters::stages;
use ledger::journal::{Appended, BatchHead, Durable, Journal, JournalFault, RecordBuffer, Storage};

/// A log on one disk.
pub struct LocalLog<S: Storage> {
    journal: Journal<S>,
    /// Has a batch been written since the last sync mark?
    is_unmarked: bool,
}

impl<S: Storage> LocalLog<S> {
    /// A log over an open journal.
    pub fn new(journal: Journal<S>) -> LocalLog<S> {
        // What was recovered may end without a mark: the first idle moment writes one, if it is missing.
        LocalLog { journal, is_unmarked: true }
    }

    /// Writes one batch. It is not durable before `sync` says so.
    pub fn submit(&mut self, batch: &mut RecordBuffer, count: u32, time_ns: u64) -> Result<Appended, JournalFault> {
        self.is_unmarked = true;
        stages::journal(|| self.journal.append(batch, BatchHead { count, time_ns, epoch: 0 }))
    }

    /// Makes everything submitted durable.
    pub fn sync(&mut self) -> Result<Durable, JournalFault> {
        stages::sync(|| self.journal.sync())
    }

    /// Would a sync mark say anything new?
    pub fn is_unmarked(&self) -> bool {
        self.is_unmarked
    }

    /// Records that everything submitted is known to be on disk, so that damage to it can be told from a torn tail.
    pub fn mark(&mut self) -> Result<(), JournalFault> {
        self.journal.append_mark()?;
        self.journal.sync()?;
        self.is_unmarked = false;
        Ok(())
    }

    /// Identifies this history of the journal.
    pub fn lineage(&self) -> [u8; 16] {
        self.journal.lineage().0
    }

    /// The last position handed out.
    pub fn last_sequence(&self) -> u64 {
        self.journal.next_sequence() - 1
    }
}
