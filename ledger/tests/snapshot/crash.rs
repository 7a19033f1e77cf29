//! Crashes at every operation, disks that are full, syncs that fail. What must hold:
//!
//! 1. a snapshot that was reported durable is used;
//! 2. whatever is used is what was written; a crash alone leaves nothing that is refused;
//! 3. there is always one that can be used, from the first that was reported on;
//! 4. afterwards the next one can be written.

use ledger::journal::Storage;
use ledger::journal::faulty::{FaultPlan, FaultyStorage};
use ledger::snapshot::{SnapshotFault, snapshot_name};

use crate::{body_of, snapshots, used, write};

const BYTES: usize = 300_000;

/// A directory with two snapshots.
fn with_two(seed: u64) -> FaultyStorage {
    let storage = FaultyStorage::new(seed);
    for position in [10, 20] {
        write(&snapshots(&storage), position, &body_of(position, BYTES)).expect("written");
    }
    storage
}

fn names(storage: &FaultyStorage) -> Vec<String> {
    storage.list().expect("listed").into_iter().map(|file| file.name).collect()
}

#[test]
fn two_are_kept_and_the_newest_is_used() {
    let storage = FaultyStorage::new(0);
    assert_eq!(used(&mut snapshots(&storage), BYTES), (None, 0));
    for position in [10, 20, 30, 40] {
        write(&snapshots(&storage), position, &body_of(position, BYTES)).expect("written");
        assert_eq!(used(&mut snapshots(&storage), BYTES), (Some(position), 0));
    }
    assert_eq!(names(&storage), [snapshot_name(30), snapshot_name(40)]);

    // The same position again, with nothing lost meanwhile.
    write(&snapshots(&storage), 40, &body_of(40, BYTES)).expect("written");
    assert_eq!(names(&storage), [snapshot_name(30), snapshot_name(40)]);

    // The journal is cut at 35: what is beyond goes, also when the next snapshot is taken below it.
    snapshots(&storage).remove_after(35).expect("removed");
    assert_eq!(used(&mut snapshots(&storage), BYTES), (Some(30), 0));
    write(&snapshots(&storage), 25, &body_of(25, BYTES)).expect("written");
    assert_eq!(names(&storage), [snapshot_name(25)]);
}

#[test]
fn after_a_crash_at_any_operation_there_is_a_snapshot_that_is_whole() {
    for seed in 0..6 {
        let mut crash_at = 1;
        loop {
            let storage = with_two(seed);
            let begin = storage.operations();
            storage.set_plan(FaultPlan { crash_at_operation: Some(begin + crash_at), ..FaultPlan::default() });
            let written = write(&snapshots(&storage), 30, &body_of(30, BYTES));
            let went_through = storage.operations() < begin + crash_at;
            if seed % 2 == 0 {
                storage.cut_power();
            } else {
                storage.kill();
            }

            let (position, refused) = used(&mut snapshots(&storage), BYTES);
            assert_eq!(refused, 0, "seed {seed}, operation {crash_at}");
            assert!(matches!(position, Some(20 | 30)), "{position:?}: seed {seed}, operation {crash_at}");
            if written.is_ok() {
                assert_eq!(position, Some(30), "it was reported: seed {seed}, operation {crash_at}");
            }
            write(&snapshots(&storage), 40, &body_of(40, BYTES)).expect("the next one can be written");
            assert_eq!(used(&mut snapshots(&storage), BYTES), (Some(40), 0));
            assert_eq!(names(&storage).len(), 2);
            if went_through {
                break;
            }
            crash_at += 1;
        }
        assert!(crash_at > 10, "some operations");
    }
}

#[test]
fn a_full_disk_costs_the_new_snapshot_and_its_space_only() {
    for space_bytes in (0..BYTES as u64 + 5_000).step_by(20_011) {
        let storage = with_two(1);
        storage.set_plan(FaultPlan { space_bytes: Some(space_bytes), ..FaultPlan::default() });
        let fault = write(&snapshots(&storage), 30, &body_of(30, BYTES));
        if space_bytes < BYTES as u64 {
            assert!(matches!(fault, Err(SnapshotFault::DiskFull { .. })), "{fault:?}");
            assert_eq!(names(&storage), [snapshot_name(10), snapshot_name(20)]);
        }
        storage.set_plan(FaultPlan::default());
        write(&snapshots(&storage), 40, &body_of(40, BYTES)).expect("there is space again");
    }
}

#[test]
fn a_sync_that_fails_is_never_tried_again() {
    let storage = with_two(3);
    let before = storage.syncs();
    write(&snapshots(&storage.copy(3)), 30, &body_of(30, BYTES)).expect("written");
    for sync in 1.. {
        let storage = storage.copy(sync);
        storage.set_plan(FaultPlan { sync_fails_at: Some(before + sync), ..FaultPlan::default() });
        match write(&snapshots(&storage), 30, &body_of(30, BYTES)) {
            Ok(_) => {
                assert!(sync > 2, "there were some syncs");
                return;
            }
            Err(fault) => assert!(matches!(fault, SnapshotFault::Io { operation: "sync", .. }), "{fault}"),
        }
        assert_eq!(used(&mut snapshots(&storage), BYTES), (Some(20), 0));
        assert_eq!(names(&storage), [snapshot_name(10), snapshot_name(20)]);
    }
}
