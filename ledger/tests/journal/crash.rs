//! Crashes: at every operation, during recovery too, with every kind of ending, from many seeds. What must hold:
//!
//! 1. what a returned `Durable` covered is there;
//! 2. what is there is a beginning of what was appended, unchanged;
//! 3. a crash alone never makes the start refuse;
//! 4. opening again gives the same, from the beginning and from the last place.

use ledger::journal::faulty::{FaultPlan, FaultyStorage};
use ledger::journal::{
    BatchHead, Journal, JournalFault, JournalOptions, JournalPlace, Lineage, Preparation, RecordBuffer, scan_after,
    segment_name,
};

use crate::hand::{BLOCK, LINEAGE, birth, segment};

const OPTIONS: JournalOptions =
    JournalOptions { segment_bytes: 5 * 4_096, payload_format: 9, preparation: Preparation::WhenNeeded };

/// What a caller knows of a journal: everything it tried to append, in order, and what it was told is durable.
#[derive(Clone, Default)]
struct Caller {
    tried: Vec<(u64, Vec<u8>)>,
    durable: u64,
    place: Option<JournalPlace>,
}

impl Caller {
    /// Appends, syncs and marks until all is done or the storage stops.
    fn work(&mut self, journal: &mut Journal<FaultyStorage>, batches: usize) -> Result<(), JournalFault> {
        let mut buffer = RecordBuffer::default();
        for number in 0..batches {
            buffer.clear();
            let length = [10, 3_968, 5_000, 0, 700, 9_000][number % 6];
            let salt = journal.next_sequence().wrapping_mul(0x9e37) ^ self.tried.len() as u64;
            let payload: Vec<u8> = salt.to_le_bytes().iter().copied().cycle().take(length).collect();
            buffer.extend_from_slice(&payload);
            self.tried.push((journal.next_sequence(), payload));
            let time_ns = journal.last_time_ns() + 1;
            journal.append(&mut buffer, BatchHead { count: 2, time_ns, epoch: 1 })?;
            if number % 3 == 1 {
                self.durable = journal.sync()?.through_sequence();
                self.place = Some(journal.place());
            }
            if number % 5 == 3 {
                journal.append_mark()?;
                self.durable = journal.durable().through_sequence();
            }
        }
        Ok(())
    }

    /// Opens after a crash, and checks all that must hold. `None`: there was no journal yet.
    fn reopen(&mut self, storage: &FaultyStorage) -> Result<Option<Journal<FaultyStorage>>, JournalFault> {
        let mut found = Vec::new();
        let opened = Journal::open(storage.clone(), OPTIONS, |batch| {
            found.push((batch.first_sequence, batch.payload.to_vec()));
            Ok(())
        });
        let (journal, report) = match opened {
            Ok(opened) => opened,
            Err(JournalFault::Absent { .. }) => {
                assert_eq!(self.durable, 0, "a journal with durable batches is gone");
                return Ok(None);
            }
            Err(fault) => return Err(fault),
        };
        assert!(self.tried.starts_with(&found), "what is there is a beginning of what was appended");
        assert_eq!(report.batches, found.len() as u64);
        assert!(journal.durable().covers(self.durable), "durable batches are lost: {report:?}");
        self.tried = found;
        self.durable = journal.durable().through_sequence();
        Ok(Some(journal))
    }

    /// Opens twice: the second time there is nothing torn, and everything is the same.
    fn reopen_twice(&mut self, storage: &FaultyStorage) {
        let Some(journal) = self.reopen(storage).expect("a crash alone never makes the start refuse") else {
            return;
        };
        let first = (journal.next_sequence(), journal.chain_digest(), journal.synced_position());
        drop(journal);
        let (journal, report) = Journal::open(storage.clone(), OPTIONS, |_| Ok(())).expect("opened again");
        assert_eq!(report.torn, None);
        assert_eq!((journal.next_sequence(), journal.chain_digest(), journal.synced_position()), first);

        // The place that was taken before the crash leads to the same end.
        if let Some(place) = self.place {
            let from_place = scan_after(storage, Some(place), |_| Ok(())).expect("the place is there");
            assert_eq!((from_place.next_sequence, from_place.chain_digest, from_place.end), first);
        }
    }
}

fn create_and_work(storage: &FaultyStorage) -> (Caller, Result<(), JournalFault>) {
    let mut caller = Caller::default();
    let created = Journal::create(storage.clone(), OPTIONS, Lineage(LINEAGE));
    let done = created.and_then(|mut journal| caller.work(&mut journal, 20));
    (caller, done)
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

fn operations_of_the_whole_work() -> u64 {
    let storage = FaultyStorage::new(0);
    let (_, done) = create_and_work(&storage);
    done.expect("nothing fails");
    storage.operations()
}

#[test]
fn a_crash_at_every_operation_loses_nothing_that_was_durable() {
    let operations = operations_of_the_whole_work();
    assert!(operations > 50, "{operations}");
    for operation in 1..=operations {
        for seed in 0..40 {
            let storage = FaultyStorage::new(seed);
            storage.set_plan(stop_at(operation));
            let (caller, done) = create_and_work(&storage);
            assert!(done.is_err());
            for with_power_cut in [true, false] {
                let storage = storage.copy(seed);
                end(&storage, with_power_cut);
                caller.clone().reopen_twice(&storage);
            }
        }
    }
}

/// Story: the first batch of a new segment was torn, and recovery cut it off. The caller marked the log at once, as it should
/// after a start; the mark stood at the beginning of a segment, where none may stand, and the next start was refused.
#[test]
fn a_mark_right_after_any_recovery_leaves_a_log_that_opens() {
    for operation in 1..=operations_of_the_whole_work() {
        for seed in 0..20 {
            let storage = FaultyStorage::new(seed);
            storage.set_plan(stop_at(operation));
            let (mut caller, _) = create_and_work(&storage);
            storage.cut_power();
            let Some(mut journal) = caller.reopen(&storage).expect("a crash alone never makes the start refuse") else {
                continue;
            };
            journal.append_mark().expect("nothing fails now");
            drop(journal);
            caller.reopen_twice(&storage);
        }
    }
}

#[test]
fn a_crash_during_recovery_and_one_after_it_lose_nothing_either() {
    let operations = operations_of_the_whole_work();
    for seed in 0..600 {
        let storage = FaultyStorage::new(seed);
        storage.set_plan(stop_at(1 + seed % operations));
        let (mut caller, _) = create_and_work(&storage);
        for round in 0..6 {
            end(&storage, (seed + round) % 3 != 0);
            // Small numbers stop recovery itself, larger ones the work after it.
            storage.set_plan(stop_at(storage.operations() + 1 + (seed / 3 + round * 7) % 23));
            match caller.reopen(&storage) {
                Ok(Some(mut journal)) => {
                    let _ = caller.work(&mut journal, 8);
                }
                Ok(None) => {}
                Err(fault) => assert!(matches!(fault, JournalFault::Io { .. }), "stopped, not refused: {fault}"),
            }
        }
        storage.cut_power();
        caller.reopen_twice(&storage);
    }
}

/// The writes of one batch reach the disk up to each byte in turn, and no further.
#[test]
fn a_batch_cut_off_at_every_byte_is_there_or_torn() {
    let birth = birth();
    let first = birth.next_batch((1, 4_096), 1, b"durable");
    let second = first.next_batch((1, 2 * 4_096), 1, &[0xa5; 5_000]);
    let whole = segment(&[&birth, &first, &second], 5 * BLOCK);
    let (from, to) = (2 * BLOCK, 2 * BLOCK + 128 + 5_000);
    for written in from..=to {
        let mut bytes = whole.clone();
        bytes[written..].fill(0);
        let storage = FaultyStorage::new(1);
        storage.put(&segment_name(1), &bytes);
        let (journal, report) = Journal::open(storage.clone(), OPTIONS, |_| Ok(())).expect("opened");
        let expected = if written == to { (2, None) } else { (1, (written > from).then_some(from as u64)) };
        assert_eq!((report.batches, report.torn.map(|torn| torn.position.offset)), expected, "{written}");
        drop(journal);
        if written < to {
            let zeroed = storage.file(&segment_name(1)).expect("the segment");
            assert!(zeroed[from..].iter().all(|byte| *byte == 0), "{written}");
        }
    }
}

/// Of two batches in one sync the second lands and the first does not: the second may not stay behind, or it would be found
/// when the first is written anew.
#[test]
fn what_landed_behind_a_hole_is_zeroed() {
    let birth = birth();
    let first = birth.next_batch((1, 4_096), 1, b"never landed");
    let second = first.next_batch((1, 4_096), 1, b"landed");
    let mut bytes = segment(&[&birth, &first, &second], 5 * BLOCK);
    bytes[BLOCK..2 * BLOCK].fill(0);
    let storage = FaultyStorage::new(1);
    storage.put(&segment_name(1), &bytes);
    let (_, report) = Journal::open(storage.clone(), OPTIONS, |_| Ok(())).expect("opened");
    let torn = report.torn.expect("a torn tail");
    assert_eq!((torn.position.offset, torn.high_water), (4_096, 2 * 4_096 + 128 + 6));
    assert!(storage.file(&segment_name(1)).expect("the segment")[BLOCK..].iter().all(|byte| *byte == 0));
}

#[test]
fn short_reads_change_nothing() {
    let storage = FaultyStorage::new(5);
    let (mut caller, done) = create_and_work(&storage);
    done.expect("nothing fails");
    storage.set_plan(FaultPlan { short_reads: true, ..FaultPlan::default() });
    caller.reopen_twice(&storage);
    assert_eq!(caller.tried.len(), 20);
}

#[test]
fn a_failed_sync_poisons_and_what_the_cache_claims_afterwards_is_not_believed() {
    let whole = {
        let storage = FaultyStorage::new(0);
        create_and_work(&storage).1.expect("nothing fails");
        storage.syncs()
    };
    for failing in 2..=whole {
        for seed in 0..40 {
            let storage = FaultyStorage::new(seed);
            storage.set_plan(FaultPlan { sync_fails_at: Some(failing), ..FaultPlan::default() });
            let mut caller = Caller::default();
            let mut journal = Journal::create(storage.clone(), OPTIONS, Lineage(LINEAGE)).expect("created");
            let fault = caller.work(&mut journal, 20).expect_err("a sync fails");
            assert!(matches!(fault, JournalFault::Io { operation: "sync", .. }), "{fault}");

            // Every later call returns the same, and nothing is tried again.
            let operations = storage.operations();
            let mut buffer = RecordBuffer::default();
            let head = BatchHead { count: 0, time_ns: u64::MAX, epoch: 1 };
            assert_eq!(journal.append(&mut buffer, head), Err(fault.clone()));
            assert_eq!(journal.sync(), Err(fault.clone()));
            assert_eq!(journal.append_mark(), Err(fault));
            assert_eq!(storage.operations(), operations);
            drop(journal);

            // The process is started again; the cache still shows what never reached the disk. Then the power goes, and what was
            // said to be there must be there.
            storage.kill();
            caller.reopen_twice(&storage);
            storage.cut_power();
            caller.reopen_twice(&storage);
        }
    }
}
