//! Crashes: at every operation, while it is opened too, with every kind of ending, from many seeds. What must hold:
//!
//! 1. what was said to be covered is covered;
//! 2. opened and given everything again, it answers as if nothing had happened;
//! 3. a crash alone never makes it refuse;
//! 4. it verifies.

use ledger::index::{DropReason, Index, IndexFault, IndexOptions};
use ledger::journal::faulty::{FaultPlan, FaultyStorage};

use crate::owner::{Expect, LINEAGE, OPTIONS, Owner, TestIndex, some_batches};

/// How far an owner came, and what it was told is covered.
struct Told {
    covered: u64,
    done: Result<(), IndexFault>,
}

/// Opens and gives everything, with a cut in between and at the end, until all is done or the storage stops.
fn work(owner: &Owner, storage: &FaultyStorage) -> Told {
    work_with(owner, storage, OPTIONS)
}

fn work_with(owner: &Owner, storage: &FaultyStorage, options: IndexOptions) -> Told {
    let mut told = Told { covered: 0, done: Ok(()) };
    told.done = (|| {
        let (mut index, report) = Index::open(storage.clone(), LINEAGE, options)?;
        told.covered = report.covered_through;
        let mut book = crate::owner::Book::default();
        for (place, batch) in owner.batches.iter().enumerate() {
            book.apply(&mut index, batch)?;
            if place % 9 == 7 {
                index.cut(batch.through, batch.time_ns)?;
            }
            told.covered = index.covered_through();
        }
        let (through, time_ns) = owner.last();
        index.cut(through, time_ns)?;
        index.wait_covered(through)?;
        told.covered = index.covered_through();
        assert_eq!(told.covered, through);
        Ok(())
    })();
    told
}

fn stop_at(operation: u64) -> FaultPlan {
    FaultPlan { crash_at_operation: Some(operation), ..FaultPlan::default() }
}

/// How the machine comes back.
fn end(storage: &FaultyStorage, with_power_cut: bool) {
    if with_power_cut {
        storage.cut_power();
    } else {
        storage.kill();
    }
}

/// Opens, gives everything, and checks all that must hold.
fn check_reopened(owner: &Owner, storage: &FaultyStorage, covered: u64) {
    check_reopened_with(owner, storage, OPTIONS, covered);
}

fn check_reopened_with(owner: &Owner, storage: &FaultyStorage, options: IndexOptions, covered: u64) {
    let (index, _, report) = owner.open(storage, options).expect("a crash alone never makes it refuse");
    assert!(report.covered_through >= covered, "what was covered is lost: {report:?}");
    let is_of_crashes = |reason| matches!(reason, DropReason::Unfinished | DropReason::Replaced);
    assert!(report.dropped.iter().all(|file| is_of_crashes(file.reason)), "{report:?}");
    owner.check(&index, Expect::Right);
    drop(index);
    TestIndex::verify(storage.clone(), LINEAGE).expect("in order");
}

fn an_owner() -> Owner {
    Owner { batches: some_batches(28) }
}

fn operations_of_the_whole_work() -> u64 {
    operations_with(OPTIONS)
}

fn operations_with(options: IndexOptions) -> u64 {
    let storage = FaultyStorage::new(0);
    work_with(&an_owner(), &storage, options).done.expect("nothing fails");
    storage.operations()
}

fn check_every_operation(options: IndexOptions, seeds: u64) {
    let (owner, operations) = (an_owner(), operations_with(options));
    assert!(operations > 40, "{operations}");
    for operation in 1..=operations {
        for seed in 0..seeds {
            let storage = FaultyStorage::new(seed);
            storage.set_plan(stop_at(operation));
            let told = work_with(&owner, &storage, options);
            assert!(told.done.is_err());
            for with_power_cut in [true, false] {
                let storage = storage.copy(seed);
                end(&storage, with_power_cut);
                let found = TestIndex::verify(storage.clone(), LINEAGE).expect("in order").report;
                assert_eq!(found.without_keys, 0, "keys are in files, or belong into memory");
                check_reopened_with(&owner, &storage, options, told.covered);
            }
        }
    }
}

#[test]
fn a_crash_at_every_operation_changes_no_answer() {
    check_every_operation(OPTIONS, 6);
}

/// Before, while and after the keys of several runs become one file, and when none ever does.
#[test]
fn nor_does_it_with_the_keys_of_several_runs_in_memory() {
    for keys_in_memory in [20, 33, 1_000] {
        check_every_operation(IndexOptions { keys_in_memory, ..OPTIONS }, 3);
    }
}

#[test]
fn crashes_while_it_is_opened_and_after_change_no_answer_either() {
    let (owner, operations) = (an_owner(), operations_of_the_whole_work());
    for seed in 0..120 {
        let storage = FaultyStorage::new(seed);
        storage.set_plan(stop_at(1 + seed * 7 % operations));
        let mut covered = work(&owner, &storage).covered;
        for round in 0..6 {
            end(&storage, (seed + round) % 3 != 0);
            // Small numbers stop it while it is opened, larger ones the work after that.
            storage.set_plan(stop_at(storage.operations() + 1 + (seed / 3 + round * 7) % 23));
            let told = work(&owner, &storage);
            assert!(matches!(told.done, Ok(()) | Err(IndexFault::Io { .. })), "stopped, not refused");
            covered = covered.max(told.covered);
        }
        storage.cut_power();
        check_reopened(&owner, &storage, covered);
    }
}

/// A process renames and is killed before it syncs; the next one says that it is covered; then the power goes.
#[test]
fn what_the_process_before_only_renamed_is_there_after_the_next_crash() {
    let (owner, operations) = (an_owner(), operations_of_the_whole_work());
    for operation in 1..=operations {
        for seed in 0..4 {
            let storage = FaultyStorage::new(seed);
            storage.set_plan(stop_at(operation));
            work(&owner, &storage);
            storage.kill();
            let (_, report) = TestIndex::open(storage.clone(), LINEAGE, OPTIONS).expect("opened");
            storage.cut_power();
            check_reopened(&owner, &storage, report.covered_through);
        }
    }
}

#[test]
fn a_failed_sync_stops_it_and_is_not_tried_again() {
    let owner = an_owner();
    let whole = {
        let storage = FaultyStorage::new(0);
        work(&owner, &storage).done.expect("nothing fails");
        storage.syncs()
    };
    for failing in 1..=whole {
        for seed in 0..4 {
            let storage = FaultyStorage::new(seed);
            storage.set_plan(FaultPlan { sync_fails_at: Some(failing), ..FaultPlan::default() });
            let told = work(&owner, &storage);
            assert!(matches!(told.done, Err(IndexFault::Io { operation: "sync", .. })), "{:?}", told.done);
            storage.kill();
            check_reopened(&owner, &storage, told.covered);
            storage.cut_power();
            check_reopened(&owner, &storage, told.covered);
        }
    }
}

#[test]
fn a_full_disk_is_named_and_costs_nothing_that_was_covered() {
    let owner = an_owner();
    for space_bytes in (0..500_000).step_by(4_099) {
        let storage = FaultyStorage::new(space_bytes);
        storage.set_plan(FaultPlan { space_bytes: Some(space_bytes), ..FaultPlan::default() });
        let told = work(&owner, &storage);
        if let Err(fault) = told.done {
            assert_eq!(fault, IndexFault::DiskFull { directory: "memory/.".to_owned() });
        }
        storage.set_plan(FaultPlan::default());
        storage.kill();
        check_reopened(&owner, &storage, told.covered);
    }
}

#[test]
fn after_a_fault_every_call_gives_it_again_and_nothing_is_tried() {
    let (owner, storage) = (an_owner(), FaultyStorage::new(3));
    let (mut index, _, _) = Owner::default().open(&storage, OPTIONS).expect("nothing fails");
    let mut book = crate::owner::Book::default();
    storage.set_plan(FaultPlan { sync_fails_at: Some(2), ..FaultPlan::default() });
    let fault = owner.batches.iter().find_map(|batch| book.apply(&mut index, batch).err()).expect("a sync fails");
    let operations = storage.operations();
    let (through, time_ns) = owner.last();
    assert_eq!(index.end_batch(through, time_ns), Err(fault.clone()));
    assert_eq!(index.cut(through, time_ns), Err(fault.clone()));
    assert_eq!(index.wait_covered(through), Err(fault));
    assert_eq!(storage.operations(), operations);
}

#[test]
fn short_reads_change_nothing() {
    let (owner, storage) = (an_owner(), FaultyStorage::new(5));
    storage.set_plan(FaultPlan { short_reads: true, ..FaultPlan::default() });
    work(&owner, &storage).done.expect("nothing fails");
    check_reopened(&owner, &storage, owner.last().0);
}
