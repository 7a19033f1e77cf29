//! The log on this machine's disk: the ledger crate's journal. `submit` writes, `sync` makes everything written durable.

use std::time::Instant;

use adapters::stages;
use ledger::journal::{Appended, BatchHead, Durable, Journal, JournalFault, JournalPlace, RecordBuffer, Storage};

/// How long the log has stood in its disk's writes and syncs. For whoever watches: nothing is decided by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct DiskTimes {
    /// Syncs of batches and marks since the start.
    pub syncs: u64,
    /// Microseconds that all writes and syncs took.
    pub disk_us_total: u64,
    /// The longest single write or sync since this was asked last, in microseconds. A write that begins a segment waits until that is prepared.
    pub disk_us_longest: u64,
}

/// A log on one disk.
pub struct LocalLog<S: Storage> {
    journal: Journal<S>,
    /// Has a batch been written since the last sync mark?
    is_unmarked: bool,
    disk: DiskTimes,
}

impl<S: Storage> LocalLog<S> {
    /// A log over an open journal.
    pub fn new(journal: Journal<S>) -> LocalLog<S> {
        // What was recovered may end without a mark: the first idle moment writes one, if it is missing.
        LocalLog { journal, is_unmarked: true, disk: DiskTimes::default() }
    }

    /// Writes one batch. It is not durable before `sync` says so.
    pub fn submit(&mut self, batch: &mut RecordBuffer, count: u32, time_ns: u64) -> Result<Appended, JournalFault> {
        self.is_unmarked = true;
        stages::journal(|| self.timed(|journal| journal.append(batch, BatchHead { count, time_ns, epoch: 0 })))
    }

    /// Makes everything submitted durable.
    pub fn sync(&mut self) -> Result<Durable, JournalFault> {
        self.disk.syncs += 1;
        stages::sync(|| self.timed(Journal::sync))
    }

    #[allow(clippy::disallowed_methods, reason = "a figure for whoever watches; nothing is decided by it")]
    fn timed<T>(&mut self, work: impl FnOnce(&mut Journal<S>) -> T) -> T {
        let began = Instant::now();
        let done = work(&mut self.journal);
        let us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.disk.disk_us_total = self.disk.disk_us_total.saturating_add(us);
        self.keep_longest(us);
        done
    }

    /// How long was waited for the disk. The longest begins anew.
    pub fn take_disk_times(&mut self) -> DiskTimes {
        let times = self.disk;
        self.disk.disk_us_longest = 0;
        times
    }

    /// A longest wait that was taken and that nobody heard of.
    pub fn keep_longest(&mut self, us: u64) {
        self.disk.disk_us_longest = us.max(self.disk.disk_us_longest);
    }

    /// Would a sync mark say anything new?
    pub fn is_unmarked(&self) -> bool {
        self.is_unmarked
    }

    /// Records that everything submitted is known to be on disk, so that damage to it can be told from a torn tail.
    pub fn mark(&mut self) -> Result<(), JournalFault> {
        self.disk.syncs += 1;
        self.timed(Journal::append_mark)?;
        self.is_unmarked = false;
        Ok(())
    }

    /// Identifies this history of the journal.
    pub fn lineage(&self) -> [u8; 16] {
        self.journal.lineage().0
    }

    /// Where everything submitted ends, to go on from later.
    pub fn place(&self) -> JournalPlace {
        self.journal.place()
    }

    /// The last position handed out.
    pub fn last_sequence(&self) -> u64 {
        self.journal.next_sequence() - 1
    }
}

#[cfg(test)]
mod tests {
    use ledger::journal::faulty::FaultyStorage;
    use ledger::journal::{JournalOptions, Lineage};

    use super::*;

    #[test]
    fn the_longest_wait_is_told_once_or_kept_for_the_next_who_asks() {
        let options = JournalOptions { segment_bytes: 1 << 20, ..JournalOptions::default() };
        let journal = Journal::create(FaultyStorage::new(1), options, Lineage([7; 16])).expect("nothing fails");
        let mut log = LocalLog::new(journal);
        log.submit(&mut RecordBuffer::default(), 0, 1).expect("nothing fails");
        log.sync().expect("nothing fails");
        log.mark().expect("nothing fails");
        log.keep_longest(u64::MAX);
        let told = log.take_disk_times();
        assert_eq!((told.syncs, told.disk_us_longest), (2, u64::MAX));
        let after = log.take_disk_times();
        assert_eq!((after.syncs, after.disk_us_total, after.disk_us_longest), (2, told.disk_us_total, 0));
        log.keep_longest(told.disk_us_longest);
        assert_eq!(log.take_disk_times(), told);
    }
}
