//! Damage: every bit of a file, its length, its name, its owner. The older one takes its place, and the reason is said.

use ledger::journal::Lineage;
use ledger::journal::faulty::{FaultPlan, FaultyStorage};
use ledger::snapshot::{Flaw, SnapshotFault, SnapshotOptions, Snapshots, snapshot_name};

use crate::{INLINE, LINEAGE, body_of, snapshots, used, write};

const BYTES: usize = 700;

fn with_two() -> FaultyStorage {
    let storage = FaultyStorage::new(0);
    for position in [10, 20] {
        write(&snapshots(&storage), position, &body_of(position, BYTES)).expect("written");
    }
    storage
}

/// Why the newest is not used, and which one is.
fn flaw_and_use(snapshots: &mut Snapshots<FaultyStorage>) -> (Option<Flaw>, Option<u64>) {
    let loaded = snapshots.load(u64::MAX, |snapshot, _| Ok(snapshot.position)).expect("listed");
    (loaded.refused.first().map(|refused| refused.flaw.clone()), loaded.found.map(|(_, position)| position))
}

#[test]
fn any_bit_flipped_anywhere_makes_the_older_one_be_used() {
    let storage = with_two();
    let length = storage.file(&snapshot_name(20)).expect("there").len();
    for byte in 0..length {
        // Every bit of the few bytes that differ, one of the others: they are zeros of the head.
        let bits = if (200..4_096).contains(&byte) { 1 } else { 8 };
        for bit in 0..bits {
            storage.flip(&snapshot_name(20), byte, bit);
            assert_eq!(used(&mut snapshots(&storage), BYTES), (Some(10), 1), "bit {bit} of byte {byte}");
            storage.flip(&snapshot_name(20), byte, bit);
        }
    }
    assert_eq!(used(&mut snapshots(&storage), BYTES), (Some(20), 0));

    storage.flip(&snapshot_name(20), 4_100, 1);
    storage.flip(&snapshot_name(10), 4_100, 1);
    assert_eq!(used(&mut snapshots(&storage), BYTES), (None, 2));
    let found = snapshots(&storage).verify().expect("listed");
    assert!(found.iter().all(|one| matches!(one, Err(refused) if refused.flaw == Flaw::Page { page: 0 })), "{found:?}");
}

#[test]
fn a_file_of_any_other_length_is_refused() {
    let storage = with_two();
    let whole = storage.take(&snapshot_name(20)).expect("there");
    for length in (0..whole.len()).chain([whole.len() + 1, whole.len() + 4, 2 * whole.len()]) {
        let mut bytes = whole.clone();
        bytes.resize(length, 0);
        storage.put(&snapshot_name(20), &bytes);
        let (flaw, used) = flaw_and_use(&mut snapshots(&storage));
        assert_eq!((flaw, used), (Some(Flaw::Size { bytes: length as u64 }), Some(10)));
    }
}

/// The table in `docs/formats/snapshot.md`, row by row.
#[test]
fn each_flaw_has_its_name() {
    let with = |change: &dyn Fn(&FaultyStorage)| {
        let storage = with_two();
        change(&storage);
        flaw_and_use(&mut snapshots(&storage))
    };
    let newest = snapshot_name(20);
    assert_eq!(with(&|storage| storage.flip(&newest, 0, 0)), (Some(Flaw::Head), Some(10)));
    assert_eq!(with(&|storage| storage.flip(&newest, 8, 0)), (Some(Flaw::Version { version: 1 }), Some(10)));
    assert_eq!(with(&|storage| storage.flip(&newest, 12, 0)), (Some(Flaw::Head), Some(10)));
    assert_eq!(with(&|storage| storage.flip(&newest, 4_096, 0)), (Some(Flaw::Page { page: 0 }), Some(10)));
    assert_eq!(with(&|storage| storage.flip(&newest, 4_096 + BYTES, 0)), (Some(Flaw::Foot), Some(10)));
    assert_eq!(with(&|storage| storage.flip(&newest, 4_096 + BYTES + 4 + 9, 0)), (Some(Flaw::Foot), Some(10)));
    let renamed = |storage: &FaultyStorage| {
        let bytes = storage.take(&newest).expect("there");
        storage.put(&snapshot_name(21), &bytes);
    };
    assert_eq!(with(&renamed), (Some(Flaw::Name), Some(10)));
    // Files with other names are nobody's.
    assert_eq!(with(&|storage| storage.put("20.snapshot", b"")), (None, Some(20)));

    let storage = with_two();
    let mut other = Snapshots::open(storage.clone(), Lineage([8; 16]), INLINE);
    assert_eq!(flaw_and_use(&mut other), (Some(Flaw::Lineage), None));
    let mut other = Snapshots::open(storage.clone(), LINEAGE, SnapshotOptions { format: 6, ..INLINE });
    assert_eq!(flaw_and_use(&mut other), (Some(Flaw::Format { format: 5 }), None));
}

#[test]
fn one_beyond_the_journal_or_that_its_owner_does_not_take_is_passed_over() {
    let storage = with_two();
    let mut snapshots = snapshots(&storage);
    let loaded = snapshots.load(19, |snapshot, _| Ok(snapshot.position)).expect("listed");
    assert_eq!(loaded.found.map(|(_, position)| position), Some(10));
    assert_eq!(loaded.refused[0].flaw, Flaw::BeyondJournal { position_max: 19 });

    let picky = |position: u64| if position == 10 { Ok(()) } else { Err("too new".to_owned()) };
    let loaded = snapshots.load(20, |snapshot, _| picky(snapshot.position)).expect("listed");
    assert_eq!(loaded.found.map(|(snapshot, ())| snapshot.position), Some(10));
    assert_eq!(loaded.refused[0].flaw, Flaw::NotTaken { reason: "too new".to_owned() });
    assert!(loaded.refused[0].path.contains(&snapshot_name(20)));
}

/// The newest is damaged in its body, where only reading all of it shows it: it is not kept in place of the older one.
#[test]
fn one_that_was_refused_is_never_one_of_the_two_that_are_kept() {
    let storage = with_two();
    storage.flip(&snapshot_name(20), 4_100, 1);
    let mut snapshots = snapshots(&storage);
    assert_eq!(used(&mut snapshots, BYTES), (Some(10), 1));
    write(&snapshots, 30, &body_of(30, BYTES)).expect("written");
    assert_eq!(storage.take(&snapshot_name(20)), None);
    storage.flip(&snapshot_name(30), 4_100, 1);
    assert_eq!(used(&mut snapshots, BYTES), (Some(10), 1));
}

#[test]
fn short_reads_are_read_on() {
    let storage = with_two();
    storage.set_plan(FaultPlan { short_reads: true, ..FaultPlan::default() });
    assert_eq!(used(&mut snapshots(&storage), BYTES), (Some(20), 0));
    write(&snapshots(&storage), 30, &body_of(30, BYTES)).expect("written");
    assert_eq!(used(&mut snapshots(&storage), BYTES), (Some(30), 0));
}

/// A disk that changes what it is given is found out before the name is.
#[test]
fn what_is_read_back_must_be_what_was_given() {
    let storage = with_two();
    let body = body_of(30, 3 << 20);
    for byte in [4_096, 4_096 + 70_000, 4_096 + (1 << 20) - 1] {
        let mut writer = snapshots(&storage).begin(30, &[], body.len() as u64).expect("begun");
        writer.page(0, &body[..2 << 20]).expect("taken");
        storage.flip("next.preparing", byte, 3);
        writer.page(2 << 20, &body[2 << 20..]).expect("taken");
        let fault = writer.finish().wait();
        assert!(matches!(fault, Err(SnapshotFault::NotAsWritten { .. })), "{fault:?}");
    }
    assert_eq!(used(&mut snapshots(&storage), BYTES), (Some(20), 0));
}

#[test]
fn a_body_with_a_gap_is_no_snapshot() {
    let storage = with_two();
    let mut writer = snapshots(&storage).begin(30, &[], 10).expect("begun");
    writer.page(0, &[1; 9]).expect("taken");
    assert_eq!(writer.finish().wait(), Err(SnapshotFault::Incomplete { given: 9, announced: 10 }));

    // A byte twice and another one not at all adds up, and is found out.
    let mut writer = snapshots(&storage).begin(30, &[], 10).expect("begun");
    writer.page(0, &[1; 9]).expect("taken");
    writer.page(8, &[1; 1]).expect("taken");
    let fault = writer.finish().wait();
    assert!(matches!(fault, Err(SnapshotFault::Io { .. } | SnapshotFault::NotAsWritten { .. })), "{fault:?}");
    assert_eq!(used(&mut snapshots(&storage), BYTES), (Some(20), 0));
}
