//! Faults that are no crash: a full disk, and what people are told.

use ledger::journal::faulty::{FaultPlan, FaultyStorage};
use ledger::journal::{
    BatchHead, Damage, Journal, JournalFault, JournalOptions, Lineage, PlaceDoubt, Position, Preparation, RecordBuffer,
};

use crate::hand::LINEAGE;

const OPTIONS: JournalOptions =
    JournalOptions { segment_bytes: 4 * 4_096, payload_format: 9, preparation: Preparation::WhenNeeded };

/// Appends and syncs small batches until something fails; what was durable then.
fn fill(storage: &FaultyStorage) -> (u64, JournalFault) {
    let mut journal = match Journal::create(storage.clone(), OPTIONS, Lineage(LINEAGE)) {
        Ok(journal) => journal,
        Err(fault) => return (0, fault),
    };
    let mut buffer = RecordBuffer::default();
    for time_ns in 0.. {
        buffer.clear();
        buffer.extend_from_slice(b"something");
        let appended = journal.append(&mut buffer, BatchHead { count: 1, time_ns, epoch: 0 });
        if let Err(fault) = appended.and_then(|_| journal.sync()) {
            assert_eq!(journal.sync(), Err(fault.clone()), "poisoned");
            return (journal.durable().through_sequence(), fault);
        }
    }
    unreachable!("space ends before numbers do")
}

#[test]
fn a_full_disk_is_named_and_costs_nothing_that_was_durable() {
    for space_bytes in (0..100_000).step_by(1_021) {
        let storage = FaultyStorage::new(space_bytes);
        storage.set_plan(FaultPlan { space_bytes: Some(space_bytes), ..FaultPlan::default() });
        let (durable, fault) = fill(&storage);
        assert_eq!(fault, JournalFault::DiskFull { directory: "memory/.".to_owned() });
        assert_eq!(fault.to_string(), "no space left for the journal in memory/.; make space and start again");

        // Space is made, and it is started again.
        storage.set_plan(FaultPlan::default());
        storage.kill();
        match Journal::open(storage.clone(), OPTIONS, |_| Ok(())) {
            Ok((mut journal, report)) => {
                assert!(journal.durable().covers(durable));
                let head = BatchHead { count: 0, time_ns: report.last_time_ns, epoch: 0 };
                journal.append(&mut RecordBuffer::default(), head).expect("there is space again");
                journal.sync().expect("synced");
            }
            Err(JournalFault::Absent { .. }) => {
                assert_eq!(durable, 0);
                Journal::create(storage, OPTIONS, Lineage(LINEAGE)).expect("there is space again");
            }
            Err(fault) => panic!("{fault}"),
        }
    }
}

#[test]
fn every_fault_says_what_where_and_what_to_do() {
    let directory = || "/data/journal".to_owned();
    let path = "/data/journal/00000000000000000001.segment".to_owned();
    let faults = [
        JournalFault::Absent { directory: directory() },
        JournalFault::Present { directory: directory() },
        JournalFault::Locked { directory: directory() },
        JournalFault::Damaged { path: path.clone(), offset: 8_192, reason: Damage::Checksum },
        JournalFault::DiskFull { directory: directory() },
        JournalFault::Io {
            operation: "sync",
            path,
            kind: std::io::ErrorKind::Other,
            detail: "input/output error".to_owned(),
        },
        JournalFault::NotClosed { directory: directory(), first_sequence: 49_153 },
        JournalFault::NoSuchPlace {
            directory: directory(),
            position: Position { segment: 49_153, offset: 8_192 },
            reason: PlaceDoubt::BeyondEnd,
        },
    ];
    let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "there is no journal in /data/journal; create one, or point to the directory that holds it",
            "there is a journal in /data/journal already; open it, or create the new one in an empty directory",
            "the journal in /data/journal is open in another process; stop that one first",
            "the journal is damaged in /data/journal/00000000000000000001.segment at offset 8192: the checksum does not \
             match; nothing was changed; restore this file from a copy, then start again",
            "no space left for the journal in /data/journal; make space and start again",
            "could not sync /data/journal/00000000000000000001.segment: input/output error; check the disk and the \
             permissions, then start again",
            "00000000000000049153.segment is no closed segment in /data/journal; only those followed by another can be \
             compressed or archived",
            "the journal in /data/journal cannot be read from 00000000000000049153.segment offset 8192 on: the log ends \
             before; nothing was changed; start from an older place, or from the beginning",
        ]
    );
}
