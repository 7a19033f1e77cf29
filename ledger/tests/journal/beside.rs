//! A scan beside a writer that goes on: what was written since is no damage.

use ledger::journal::faulty::FaultyStorage;
use ledger::journal::{BatchHead, Journal, JournalOptions, Lineage, Preparation, RecordBuffer, scan};
use ledger::limits::SCAN_READ_BYTES;

use crate::hand::LINEAGE;

const OPTIONS: JournalOptions =
    JournalOptions { segment_bytes: 8 << 20, payload_format: 9, preparation: Preparation::WhenNeeded };

const _: () = assert!(SCAN_READ_BYTES <= 1 << 20, "forty batches are more than a scan reads ahead");

/// A batch that fills a tenth of what a scan reads ahead.
fn append(journal: &mut Journal<FaultyStorage>, time_ns: u64) {
    let mut buffer = RecordBuffer::default();
    buffer.extend_from_slice(&[7; 100 << 10]);
    journal.append(&mut buffer, BatchHead { count: 1, time_ns, epoch: 0 }).expect("there is room");
    journal.sync().expect("synced");
}

/// The scan has read zeros ahead. Before it comes to them the writer fills them and goes on beyond, where each record says that all before it was
/// on disk: a witness. That is no reason to call the zeros damage.
#[test]
fn what_was_read_ahead_before_it_was_written_is_read_again() {
    let storage = FaultyStorage::new(1);
    let mut journal = Journal::create(storage.clone(), OPTIONS, Lineage(LINEAGE)).expect("created");
    append(&mut journal, 1);
    let mut seen = 0;
    let report = scan(&storage, |batch| {
        seen += 1;
        assert_eq!(batch.time_ns, seen);
        if seen == 1 {
            (2..=40).for_each(|time_ns| append(&mut journal, time_ns));
        }
        Ok(())
    });
    let report = report.expect("nothing is damaged");
    assert_eq!((report.batches, report.torn), (40, None));
}
