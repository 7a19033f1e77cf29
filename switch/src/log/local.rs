//! The log on this machine's disk: the ledger crate's journal. `submit` writes, `sync` makes everything written durable.

use std::time::Instant;

use adapters::stages;
use ledger::journal::{Appended, BatchHead, Durable, Journal, JournalFault, RecordBuffer, Storage};

/// How long the log has waited for its disk. For whoever watches: nothing is decided by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct SyncTimes {
    /// Syncs since the start.
    pub syncs: u64,
    /// Microseconds that all of them took.
    pub sync_us_total: u64,
    /// The longest since this was asked last, in microseconds.
    pub sync_us_longest: u64,
}

/// A log on one disk.
pub struct LocalLog<S: Storage> {
    journal: Journal<S>,
    /// Has a batch been written since the last sync mark?
    is_unmarked: bool,
    sync_times: SyncTimes,
}

impl<S: Storage> LocalLog<S> {
    /// A log over an open journal.
    pub fn new(journal: Journal<S>) -> LocalLog<S> {
        // What was recovered may end without a mark: the first idle moment writes one, if it is missing.
        LocalLog { journal, is_unmarked: true, sync_times: SyncTimes::default() }
    }

    /// Writes one batch. It is not durable before `sync` says so.
    pub fn submit(&mut self, batch: &mut RecordBuffer, count: u32, time_ns: u64) -> Result<Appended, JournalFault> {
        self.is_unmarked = true;
        stages::journal(|| self.journal.append(batch, BatchHead { count, time_ns, epoch: 0 }))
    }

    /// Makes everything submitted durable.
    pub fn sync(&mut self) -> Result<Durable, JournalFault> {
        stages::sync(|| self.timed_sync())
    }

    #[allow(clippy::disallowed_methods, reason = "a figure for whoever watches; nothing is decided by it")]
    fn timed_sync(&mut self) -> Result<Durable, JournalFault> {
        let began = Instant::now();
        let durable = self.journal.sync();
        let us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let SyncTimes { syncs, sync_us_total, sync_us_longest } = &mut self.sync_times;
        *syncs += 1;
        *sync_us_total = sync_us_total.saturating_add(us);
        *sync_us_longest = us.max(*sync_us_longest);
        durable
    }

    /// How long was waited for the disk. The longest begins anew.
    pub fn take_sync_times(&mut self) -> SyncTimes {
        let times = self.sync_times;
        self.sync_times.sync_us_longest = 0;
        times
    }

    /// Would a sync mark say anything new?
    pub fn is_unmarked(&self) -> bool {
        self.is_unmarked
    }

    /// Records that everything submitted is known to be on disk, so that damage to it can be told from a torn tail.
    pub fn mark(&mut self) -> Result<(), JournalFault> {
        self.journal.append_mark()?;
        self.timed_sync()?;
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
