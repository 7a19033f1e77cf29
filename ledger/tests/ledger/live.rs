//! A ledger on a real disk, with its threads.

use ledger::journal::RetentionPolicy;
use ledger::{
    AccountId, Amount, BatchEntry, Directories, Ledger, LedgerFault, LedgerOptions, Reject, Request, Terms, TransferId,
    TransferSpec, TransferState, verify,
};

use crate::requests::openings;

/// Small enough that a few thousand transfers fill runs, merge them, and make snapshots.
const OPTIONS: LedgerOptions = LedgerOptions {
    segment_bytes: 1 << 20,
    final_transfers_max: 1_000,
    run_records: 300,
    snapshot_every_bytes: 100_000,
    threads: true,
};

fn movement(id: u128) -> BatchEntry {
    let (debit, credit) = (AccountId(2), AccountId(1 + 3 * (id % 2)));
    let spec =
        TransferSpec { id: TransferId(id), debit, credit, amount: Amount::MIN, two_phase: false, terms: Terms::NONE };
    Request::Transfer(spec).into()
}

fn fill(ledger: &mut Ledger, ids: std::ops::Range<u128>) {
    let ids: Vec<u128> = ids.collect();
    for (n, chunk) in ids.chunks(100).enumerate() {
        let batch: Vec<BatchEntry> = chunk.iter().map(|id| movement(*id)).collect();
        let now_ns = ledger.book().now_ns() + n as u64;
        let answers = ledger.submit(now_ns, &batch).expect("submits");
        assert!(answers.iter().all(|answer| answer.is_ok_and(|accepted| !accepted.repeated())));
    }
}

#[test]
fn thousands_of_transfers_are_found_again_after_a_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut ledger = Ledger::open(directory.path(), OPTIONS).expect("a new one");
    ledger.submit(1, &openings()).expect("opens accounts");
    fill(&mut ledger, 1..6_001);
    let digest = ledger.state_digest();
    drop(ledger);

    let mut ledger = Ledger::open(directory.path(), OPTIONS).expect("opens again");
    assert_eq!(ledger.state_digest(), digest);
    assert!(ledger.report().snapshot_sequence.is_some(), "snapshots were taken on the way");
    assert!(ledger.book().transfers().count() <= 1_200, "the rest has left the memory");
    for id in [1, 2, 3_000, 5_999, 6_000] {
        let found = ledger.transfer(TransferId(id)).expect("reads").expect("known");
        assert_eq!((found.state, found.id), (TransferState::Moved, TransferId(id)));
        let answer = ledger.submit(0, &[movement(id)]).expect("submits")[0];
        assert!(answer.is_ok_and(ledger::Accepted::repeated), "{id}: {answer:?}");
    }
    assert_eq!(ledger.transfer(TransferId(6_001)).expect("reads"), None);
    let other = BatchEntry::from(Request::Post { transfer: TransferId(7), amount: None });
    assert_eq!(ledger.submit(0, &[other]).expect("submits")[0], Err(Reject::NotTwoPhase));
    ledger.close().expect("closes");

    let report = verify(directory.path(), OPTIONS).expect("verifies");
    assert_eq!(report.accepted, 6_006);
    assert!(report.snapshots >= 1 && report.index_records >= 5_000, "{report:?}");
}

#[test]
fn a_closed_ledger_replays_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut ledger = Ledger::open(directory.path(), OPTIONS).expect("a new one");
    ledger.submit(1, &openings()).expect("opens accounts");
    fill(&mut ledger, 1..301);
    let sequence = ledger.durable_sequence();
    ledger.close().expect("closes");
    let ledger = Ledger::open(directory.path(), OPTIONS).expect("opens again");
    assert_eq!(ledger.report().snapshot_sequence, Some(sequence));
    assert_eq!(ledger.report().journal.as_ref().map(|journal| journal.batches), Some(0));
}

/// Closed segments are compressed, moved away, and read again from there when index and snapshots are gone.
#[test]
fn old_segments_leave_and_the_ledger_is_whole() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(directory.path().join("archive")).expect("an archive");
    let mut ledger = Ledger::open(directory.path(), LedgerOptions { segment_bytes: 64 << 10, ..OPTIONS }).expect("new");
    ledger.submit(1, &openings()).expect("opens accounts");
    fill(&mut ledger, 1..3_001);
    ledger.snapshot().expect("takes a snapshot");
    fill(&mut ledger, 3_001..3_101);
    ledger.snapshot().expect("takes another");
    let policy = RetentionPolicy { plain_min: 1, archives: true, closed_here_min: 1, archived_max: None };
    let plan = ledger.retention_plan(&policy).expect("plans");
    assert!(plan.compress.len() >= 2 && !plan.archive.is_empty() && plan.delete.is_empty(), "{plan:?}");
    let there = Directories::open(directory.path()).expect("opens");
    plan.carry_out(&there.journal, there.archive.as_ref()).expect("carries out");
    fill(&mut ledger, 3_101..3_201);
    let digest = ledger.state_digest();
    drop(ledger);

    let options = LedgerOptions { segment_bytes: 64 << 10, ..OPTIONS };
    let ledger = Ledger::open(directory.path(), options).expect("opens from a snapshot");
    assert!(ledger.report().snapshot_sequence.is_some());
    assert_eq!(ledger.state_digest(), digest);
    drop(ledger);
    for name in ["index", "snapshots"] {
        std::fs::remove_dir_all(directory.path().join(name)).expect("removed");
    }
    let ledger = Ledger::open(directory.path(), options).expect("opens from the archive");
    assert_eq!((ledger.report().snapshot_sequence, ledger.state_digest()), (None, digest));
    drop(ledger);
    assert_eq!(verify(directory.path(), options).expect("verifies").state_digest, digest);
}

#[test]
fn bad_input_is_named_and_changes_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut ledger = Ledger::open(directory.path(), OPTIONS).expect("a new one");
    let long = vec![movement(1); 8_191];
    let fault = ledger.submit(1, &long).expect_err("too long");
    assert_eq!(fault, LedgerFault::BatchTooLong { entries: 8_191 });
    assert!(fault.to_string().contains("split it"), "{fault}");
    assert!(ledger.submit(1, &openings()).is_ok(), "it goes on");
    drop(ledger);

    let other = LedgerOptions { segment_bytes: 2 << 20, ..OPTIONS };
    let fault = Ledger::open(directory.path(), other).err().expect("other segments");
    assert!(fault.to_string().contains("set the configuration back"), "{fault}");
    let held = Ledger::open(directory.path(), OPTIONS).expect("opens");
    let fault = Ledger::open(directory.path(), OPTIONS).err().expect("locked");
    assert!(fault.to_string().contains("another process"), "{fault}");
    drop(held);
    let none = LedgerOptions { final_transfers_max: 0, ..OPTIONS };
    assert!(matches!(Ledger::open(directory.path(), none).err(), Some(LedgerFault::Options { .. })));
    let fault = verify(&directory.path().join("nowhere"), OPTIONS).expect_err("nothing there");
    assert!(matches!(fault, LedgerFault::Directory { .. }), "{fault}");
}
