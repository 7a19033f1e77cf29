//! Ending the log earlier: exactly there when it returns, somewhere between after a crash, and never a refusal.

use ledger::journal::faulty::{FaultPlan, FaultyStorage};
use ledger::journal::{
    BatchHead, Journal, JournalFault, JournalOptions, Lineage, Preparation, RecordBuffer, ScanReport, compress,
    list_segments, scan, scan_after, segment_name,
};

use crate::hand::LINEAGE;

/// Small segments, so that there are many; and one of sixteen blocks, so that many records stand behind each other.
const SEGMENT_BLOCKS: [u64; 2] = [4, 16];

fn options(segment_blocks: u64) -> JournalOptions {
    JournalOptions { segment_bytes: segment_blocks * 4_096, payload_format: 9, preparation: Preparation::WhenNeeded }
}

/// A batch, and whether a sync or a mark follows it.
#[derive(Clone, Copy)]
enum Then {
    Nothing,
    Sync,
    Mark,
}

fn append(journal: &mut Journal<FaultyStorage>, salt: u8, bytes: usize, then: Then) -> Result<u64, JournalFault> {
    let mut buffer = RecordBuffer::default();
    buffer.extend_from_slice(&vec![salt; bytes]);
    let head = BatchHead { count: 1, time_ns: journal.last_time_ns() + 1, epoch: u64::from(salt) };
    let appended = journal.append(&mut buffer, head)?;
    match then {
        Then::Nothing => {}
        Then::Sync => drop(journal.sync()?),
        Then::Mark => journal.append_mark()?,
    }
    Ok(appended.last_sequence)
}

/// A journal of fourteen batches, and the number with which each of them ends.
fn written(segment_blocks: u64) -> (FaultyStorage, Vec<u64>) {
    let storage = FaultyStorage::new(1);
    let mut journal = Journal::create(storage.clone(), options(segment_blocks), Lineage(LINEAGE)).expect("created");
    let ends = (0..14).map(|number| {
        let then = match number % 7 {
            2 | 4 => Then::Sync,
            5 => Then::Mark,
            _ => Then::Nothing,
        };
        append(&mut journal, 1, [10, 5_000][number % 2], then).expect("appended")
    });
    let ends = ends.collect();
    journal.sync().expect("synced");
    (storage, ends)
}

/// What is in a log: numbers and first bytes of its batches.
fn batches(storage: &FaultyStorage) -> (Vec<(u64, Option<u8>)>, ScanReport) {
    let mut found = Vec::new();
    let report = scan(storage, |batch| {
        found.push((batch.last_sequence(), batch.payload.first().copied()));
        Ok(())
    });
    (found, report.expect("a log that is not damaged"))
}

#[test]
fn the_log_ends_at_each_batch_that_is_asked_for_and_goes_on_from_there() {
    for segment_blocks in SEGMENT_BLOCKS {
        let (original, ends) = written(segment_blocks);
        let (all, whole) = batches(&original);
        assert!(whole.segments > if segment_blocks == 4 { 8 } else { 1 });
        for kept in 0..=ends.len() {
            let storage = original.copy(1);
            let opened = Journal::open(storage.clone(), options(segment_blocks), |_| Ok(()));
            let (mut journal, _) = opened.expect("opened");
            let sequence = kept.checked_sub(1).map_or(0, |last| ends[last]);
            journal.truncate_after(sequence).expect("truncated");
            assert_eq!(journal.durable().through_sequence(), sequence);
            let (found, report) = batches(&storage);
            assert_eq!((found.as_slice(), report.torn), (&all[..kept], None));
            assert_eq!((report.next_sequence, report.end), (journal.next_sequence(), journal.synced_position()));
            assert_eq!((report.chain_digest, report.last_time_ns), (journal.chain_digest(), journal.last_time_ns()));
            let place = journal.place();
            assert_eq!(scan_after(&storage, Some(place), |_| Ok(())).expect("a place of this log").batches, 0);

            // Another log goes on from there; the power fails, and nothing of the old one comes back.
            let mut expected = found;
            for number in 0..6 {
                let last = append(&mut journal, 2, [7_000, 20][number % 2], Then::Sync).expect("appended");
                expected.push((last, Some(2)));
            }
            journal.append_mark().expect("marked");
            drop(journal);
            storage.cut_power();
            assert_eq!(batches(&storage).0, expected);
        }
    }
}

#[test]
fn only_the_end_of_a_batch_here_can_be_asked_for() {
    let (storage, ends) = written(4);
    let (mut journal, _) = Journal::open(storage.clone(), options(4), |_| Ok(())).expect("opened");
    let before = (batches(&storage), journal.place());
    // A batch's own number, with an entry behind it, is no end.
    let own_numbers = ends.iter().map(|end| end - 1);
    for sequence in own_numbers.chain([ends[13] + 1, u64::MAX]) {
        assert_eq!(journal.truncate_after(sequence), Err(JournalFault::NotFound { sequence }));
    }
    assert_eq!((batches(&storage), journal.place()), before);
    journal.truncate_after(ends[13]).expect("the end as it is");
    assert_eq!((batches(&storage), journal.place()), before);

    // What was moved away cannot be ended.
    let place = journal.place();
    drop(journal);
    storage.take(&segment_name(1));
    let (mut journal, _) = Journal::open_after(storage, options(4), Some(place), |_| Ok(())).expect("opened");
    for sequence in [0, ends[0]] {
        assert_eq!(journal.truncate_after(sequence), Err(JournalFault::NotFound { sequence }));
    }
    journal.truncate_after(ends[9]).expect("that one is here");
}

#[test]
fn what_was_appended_and_not_synced_is_cleared_too() {
    let (storage, ends) = written(16);
    let (mut journal, _) = Journal::open(storage.clone(), options(16), |_| Ok(())).expect("opened");
    append(&mut journal, 3, 100, Then::Nothing).expect("appended");
    journal.truncate_after(ends[13]).expect("truncated");
    storage.cut_power();
    assert_eq!(batches(&storage).0.len(), 14);
}

/// A place that was taken behind a mark stays one when the log is ended at that very batch.
#[test]
fn a_mark_behind_the_new_end_stays() {
    let storage = FaultyStorage::new(1);
    let mut journal = Journal::create(storage.clone(), options(16), Lineage(LINEAGE)).expect("created");
    let last = append(&mut journal, 1, 10, Then::Mark).expect("appended");
    let place = journal.place();
    append(&mut journal, 1, 10, Then::Mark).expect("appended");
    journal.truncate_after(last).expect("truncated");
    assert_eq!(journal.place(), place);
    assert!(scan_after(&storage, Some(place), |_| Ok(())).is_ok());
    journal.truncate_after(0).expect("truncated");
    journal.append_mark().expect("the birth mark is one already");
    assert_eq!(batches(&storage).1.next_sequence, 1);
}

/// As many syncs as it took to write, not one for each record.
#[test]
fn what_was_synced_together_is_cleared_together() {
    let storage = FaultyStorage::new(1);
    let mut journal = Journal::create(storage.clone(), options(200), Lineage(LINEAGE)).expect("created");
    for number in 0..150 {
        append(&mut journal, 1, 10, if number % 50 == 49 { Then::Sync } else { Then::Nothing }).expect("appended");
    }
    let before = storage.syncs();
    journal.truncate_after(0).expect("truncated");
    assert_eq!(storage.syncs() - before, 3);
}

fn stop_at(operation: u64) -> FaultPlan {
    FaultPlan { crash_at_operation: Some(operation), ..FaultPlan::default() }
}

#[test]
fn a_crash_at_every_operation_leaves_the_old_end_or_one_between() {
    for segment_blocks in SEGMENT_BLOCKS {
        let (original, ends) = written(segment_blocks);
        crash_at_every_operation(&original, &ends, segment_blocks, 16);
    }
}

/// The new end lies in a compressed segment, and so do some of those that are taken away.
#[test]
fn a_crash_among_compressed_segments_leaves_the_old_end_or_one_between() {
    let (original, ends) = written(4);
    let segments = list_segments(&original).expect("listed");
    for segment in &segments[..segments.len() - 1] {
        compress(&original, segment.first_sequence).expect("compressed");
    }
    // And one of which both forms are there.
    let twin = segments[2].first_sequence;
    original.put(&segment_name(twin), &written(4).0.file(&segment_name(twin)).expect("the plain form"));
    crash_at_every_operation(&original, &ends, 4, 6);
}

fn crash_at_every_operation(original: &FaultyStorage, ends: &[u64], segment_blocks: u64, seeds: u64) {
    let all = batches(original).0;
    for kept in 0..ends.len() {
        let sequence = kept.checked_sub(1).map_or(0, |last| ends[last]);
        for after in 1.. {
            let mut is_over = false;
            for seed in 0..seeds {
                let storage = original.copy(seed);
                let opened = Journal::open(storage.clone(), options(segment_blocks), |_| Ok(()));
                let (mut journal, _) = opened.expect("opened");
                storage.set_plan(stop_at(storage.operations() + after));
                is_over = journal.truncate_after(sequence).is_ok();
                drop(journal);
                match seed % 4 {
                    0 => storage.kill(),
                    _ => storage.cut_power(),
                }
                check_what_is_left(&storage, options(segment_blocks), &all, kept, is_over);
            }
            if is_over {
                break;
            }
        }
    }
}

/// Opens, compares, ends the log again, and goes on.
fn check_what_is_left(
    storage: &FaultyStorage,
    options: JournalOptions,
    all: &[(u64, Option<u8>)],
    kept: usize,
    is_over: bool,
) {
    let mut found = Vec::new();
    let opened = Journal::open(storage.clone(), options, |batch| {
        found.push((batch.last_sequence(), batch.payload.first().copied()));
        Ok(())
    });
    let (mut journal, _) = opened.expect("a crash alone never makes the start refuse");
    assert!(all.starts_with(&found), "what is left is a beginning of what was there");
    assert!(found.len() >= kept, "what was to be kept is lost");
    assert!(!is_over || found.len() == kept, "it had returned, and more is there");

    journal.truncate_after(kept.checked_sub(1).map_or(0, |last| all[last].0)).expect("once more");
    let last = append(&mut journal, 2, 6_000, Then::Mark).expect("appended");
    drop(journal);
    storage.cut_power();
    let (found, _) = batches(storage);
    assert_eq!((&found[..kept], &found[kept..]), (&all[..kept], &[(last, Some(2))][..]));
}

#[test]
fn a_failed_sync_on_the_way_poisons() {
    let (original, _) = written(16);
    let storage = original.copy(1);
    let (mut journal, _) = Journal::open(storage.clone(), options(16), |_| Ok(())).expect("opened");
    storage.set_plan(FaultPlan { sync_fails_at: Some(storage.syncs() + 2), ..FaultPlan::default() });
    let fault = journal.truncate_after(0).expect_err("a sync fails");
    assert!(matches!(fault, JournalFault::Io { operation: "sync", .. }), "{fault}");
    assert_eq!(journal.sync(), Err(fault));
    drop(journal);
    storage.kill();
    storage.cut_power();
    check_what_is_left(&storage, options(16), &batches(&original).0, 0, false);
}
