//! A ledger over three directories in memory, beside a book that forgets nothing.

use ledger::journal::Lineage;
use ledger::journal::faulty::FaultyStorage;
use ledger::{Answer, BatchEntry, Book, BookOptions, Directories, Ledger, LedgerFault, LedgerOptions};

/// Everything as small as it can be, so that a hundred transfers leave the memory, fill runs, merge, and make snapshots.
pub(crate) const TINY: LedgerOptions = LedgerOptions {
    segment_bytes: 64 << 10,
    final_transfers_max: 5,
    run_records: 8,
    snapshot_every_bytes: 2_000,
    threads: false,
};

pub(crate) fn directories(seed: u64) -> Directories<FaultyStorage> {
    Directories {
        journal: FaultyStorage::new(seed),
        index: FaultyStorage::new(seed + 1),
        snapshots: FaultyStorage::new(seed + 2),
        archive: None,
    }
}

pub(crate) fn open(directories: &Directories<FaultyStorage>) -> Result<Ledger<FaultyStorage>, LedgerFault> {
    Ledger::open_in(directories.clone(), TINY, || Ok(Lineage([7; 16])))
}

/// Answers without handles: those of the two books differ.
pub(crate) fn plain(answer: &Answer) -> Result<bool, ledger::Reject> {
    answer.map(ledger::Accepted::repeated)
}

/// The book that forgets nothing, and does at each batch what a ledger does.
pub(crate) struct Reference {
    pub(crate) book: Book,
    answers: Vec<Answer>,
}

impl Reference {
    pub(crate) fn new() -> Reference {
        Reference { book: Book::new(BookOptions::default()), answers: Vec::new() }
    }

    pub(crate) fn submit(&mut self, now_ns: u64, batch: &[BatchEntry]) -> &[Answer] {
        self.book.expire(now_ns, usize::MAX);
        self.book.apply(now_ns, batch, &mut self.answers);
        &self.answers
    }
}
