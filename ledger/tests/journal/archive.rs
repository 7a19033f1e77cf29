//! The archive: two directories, one log, whatever happens between them.

use ledger::journal::faulty::{FaultPlan, FaultyStorage};
use ledger::journal::{
    Damage, Journal, JournalFault, JournalOptions, JournalReader, Preparation, ScanReport, archive, compress,
    compressed_segment_name, list_segments, restore, scan, scan_after, scan_with_archive, segment_name,
};

use crate::compressed::{Written, all_of, closed, written};

const OPTIONS: JournalOptions =
    JournalOptions { segment_bytes: 4 * 4_096, payload_format: 9, preparation: Preparation::WhenNeeded };

/// A journal of which every second closed segment is compressed, and an empty archive.
fn journal_and_archive(batches: u64) -> (Written, FaultyStorage) {
    let journal = written(OPTIONS, batches);
    for first_sequence in closed(&journal.storage).into_iter().step_by(2) {
        compress(&journal.storage, first_sequence).expect("compressed");
    }
    (journal, FaultyStorage::new(2))
}

/// A scan over both directories, with a digest of everything it showed.
fn both(storage: &FaultyStorage, archive: &FaultyStorage) -> (ScanReport, blake3::Hash) {
    let mut digest = blake3::Hasher::new();
    let report = scan_with_archive(storage, archive, None, |batch| {
        digest.update(&batch.first_sequence.to_le_bytes()).update(batch.payload);
        Ok(())
    });
    (report.expect("one whole log"), digest.finalize())
}

fn numbers(storage: &FaultyStorage) -> Vec<u64> {
    list_segments(storage).expect("listed").iter().map(|segment| segment.first_sequence).collect()
}

#[test]
fn what_is_archived_and_what_is_here_are_one_log() {
    let (Written { storage, places, end }, there) = journal_and_archive(30);
    let before = all_of(&storage);
    let all = numbers(&storage);
    assert!(all.len() > 8, "{all:?}");
    let mut archived = 0;
    for below in 0..=end {
        let moved = archive(&storage, &there, below).expect("archived");
        // All whose successor begins at or before the number, but never the last.
        archived += moved.len();
        let expected = all.iter().skip(1).filter(|first_sequence| **first_sequence <= below).count();
        assert_eq!(archived, expected, "below {below}");
        if moved.is_empty() {
            continue;
        }
        assert_eq!((numbers(&there), numbers(&storage)), (all[..archived].to_vec(), all[archived..].to_vec()));
        assert_eq!(both(&storage, &there), before);

        // Here it opens from a place that is here, and with the archive from the beginning.
        let place = places.iter().find(|place| place.position.segment == all[archived]).expect("a place here");
        let scanned = scan_after(&storage, Some(*place), |_| Ok(())).expect("from a place");
        assert_eq!(scanned.chain_digest, before.0.chain_digest);
        assert!(scan(&storage, |_| Ok(())).is_err());
        let opened = Journal::open_with_archive(storage.copy(1), there.clone(), OPTIONS, None, |_| Ok(()));
        assert_eq!(opened.expect("opened").1, before.0);
    }
    assert_eq!(numbers(&storage), all[all.len() - 1..]);
    let mut reader = JournalReader::open_with_archive(storage.clone(), there).expect("a reader");
    let mut only_here = JournalReader::open(storage).expect("a reader");
    for sequence in (1..end).rev() {
        assert!(reader.read(sequence).is_ok());
        let is_here = sequence >= all[all.len() - 1];
        assert_eq!(only_here.read(sequence).err(), (!is_here).then_some(JournalFault::NotFound { sequence }));
    }
}

/// A reader that listed a segment before it left finds it where it went; one without the archive says that it has it no more.
#[test]
fn readers_that_were_open_before_go_on() {
    let (Written { storage, end, .. }, there) = journal_and_archive(20);
    let mut reader = JournalReader::open_with_archive(storage.clone(), there.clone()).expect("a reader");
    let mut only_here = JournalReader::open(storage.clone()).expect("a reader");
    let first = reader.read(1).expect("there").payload.to_vec();
    archive(&storage, &there, end).expect("archived");
    assert_eq!(reader.read(5).expect("moved").first_sequence, 5);
    assert_eq!(reader.read(1).expect("moved").payload, first);
    assert_eq!(only_here.read(5), Err(JournalFault::NotFound { sequence: 5 }));
}

#[test]
fn what_is_restored_is_as_before() {
    let (Written { storage, end, .. }, there) = journal_and_archive(30);
    let before = all_of(&storage);
    let all = numbers(&storage);
    archive(&storage, &there, end).expect("archived");
    let from = all[3] + 1;
    let restored = restore(&there, &storage, from).expect("restored");
    assert_eq!(numbers(&storage), all[3..]);
    assert_eq!(restored.len(), all.len() - 4);
    assert_eq!(both(&storage, &there), before);
    assert_eq!(restore(&there, &storage, from), Ok(Vec::new()));
    restore(&there, &storage, 0).expect("restored");
    assert_eq!(all_of(&storage), before);
    assert_eq!(numbers(&there), all[..all.len() - 1], "the archive keeps its own");

    // Archived again: equal, in whatever form, so that it only has to be removed here.
    compress(&storage, all[1]).expect("compressed");
    let operations = there.operations();
    archive(&storage, &there, end).expect("archived");
    assert_eq!(there.operations(), operations);
    assert_eq!(both(&storage, &there), before);

    // All that was here is lost: the archive is a log that ends earlier.
    let fresh = FaultyStorage::new(3);
    restore(&there, &fresh, 0).expect("restored");
    let (_, report) = Journal::open(fresh, OPTIONS, |_| Ok(())).expect("opened");
    assert_eq!(report.next_sequence, all[all.len() - 1]);
}

/// Crashes on one side stop the other side too: it is one process.
fn crash_both(storage: &FaultyStorage, there: &FaultyStorage, with_power_cut: bool) {
    for storage in [storage, there] {
        if with_power_cut {
            storage.cut_power();
        } else {
            storage.kill();
        }
    }
}

fn stop_after(storage: &FaultyStorage, operations: u64) {
    let crash_at_operation = Some(storage.operations() + operations);
    storage.set_plan(FaultPlan { crash_at_operation, ..FaultPlan::default() });
}

#[test]
fn a_crash_at_every_operation_of_archiving_leaves_one_whole_log() {
    let (Written { storage, end, .. }, empty) = journal_and_archive(8);
    let before = all_of(&storage);
    for in_archive in [false, true] {
        for operation in 1.. {
            let mut is_over = false;
            for seed in 0..24 {
                let (storage, there) = (storage.copy(seed), empty.copy(seed + 1));
                stop_after(if in_archive { &there } else { &storage }, operation);
                is_over = archive(&storage, &there, end).is_ok();
                crash_both(&storage, &there, seed % 3 != 0);
                assert_eq!(both(&storage, &there), before, "operation {operation}, seed {seed}");
                archive(&storage, &there, end).expect("once more");
                assert_eq!((numbers(&storage).len(), both(&storage, &there)), (1, before.clone()));
                assert_eq!(there.file("segment.preparing"), None);
            }
            if is_over {
                assert!(operation > 5, "{operation}");
                break;
            }
        }
    }
}

#[test]
fn a_crash_at_every_operation_of_restoring_leaves_one_whole_log() {
    let (Written { storage, end, places }, there) = journal_and_archive(8);
    let before = all_of(&storage);
    archive(&storage, &there, end).expect("archived");
    let last_place = places[places.len() - 1];
    for operation in 1.. {
        let mut is_over = false;
        for seed in 0..24 {
            let storage = storage.copy(seed);
            stop_after(&storage, operation);
            is_over = restore(&there, &storage, 0).is_ok();
            crash_both(&storage, &there, seed % 3 != 0);
            assert_eq!(both(&storage, &there), before, "operation {operation}, seed {seed}");
            let opened = Journal::open_after(storage.clone(), OPTIONS, Some(last_place), |_| Ok(()));
            assert_eq!(opened.expect("opened").1.chain_digest, before.0.chain_digest);
            restore(&there, &storage, 0).expect("once more");
            assert_eq!(all_of(&storage), before);
        }
        if is_over {
            assert!(operation > 5, "{operation}");
            break;
        }
    }
}

#[test]
fn a_full_archive_is_named_and_costs_nothing() {
    let (Written { storage, end, .. }, empty) = journal_and_archive(8);
    let before = all_of(&storage);
    for space_bytes in (0..38_000).step_by(1_901) {
        let (storage, there) = (storage.copy(1), empty.copy(1));
        there.set_plan(FaultPlan { space_bytes: Some(space_bytes), ..FaultPlan::default() });
        let fault = archive(&storage, &there, end).expect_err("full");
        assert_eq!(fault, JournalFault::DiskFull { directory: "memory/.".to_owned() });
        assert_eq!(both(&storage, &there), before);
        there.set_plan(FaultPlan::default());
        archive(&storage, &there, end).expect("there is space again");
        assert_eq!(both(&storage, &there), before);
    }
}

#[test]
fn a_failed_sync_in_the_archive_removes_nothing_here() {
    let (Written { storage, end, .. }, empty) = journal_and_archive(8);
    let before = all_of(&storage);
    for seed in 0..20 {
        let (storage, there) = (storage.copy(seed), empty.copy(seed));
        there.set_plan(FaultPlan { sync_fails_at: Some(1 + seed % 3), ..FaultPlan::default() });
        let fault = archive(&storage, &there, end).expect_err("a sync fails");
        assert!(matches!(fault, JournalFault::Io { operation: "sync", .. }), "{fault}");
        crash_both(&storage, &there, true);
        assert_eq!(both(&storage, &there), before);
    }
}

#[test]
fn damage_in_the_archive_is_found_by_name_and_offset() {
    let (Written { storage, end, .. }, there) = journal_and_archive(8);
    archive(&storage, &there, end).expect("archived");
    let all = numbers(&there);
    let flipped = |name: &str, byte| {
        let damaged = there.copy(1);
        damaged.flip(name, byte, 2);
        let fault = scan_with_archive(&storage, &damaged, None, |_| Ok(())).expect_err("damage");
        // Neither is it restored.
        let restored = restore(&damaged, &FaultyStorage::new(1), 0).expect_err("damage");
        assert_eq!(restored, fault);
        fault
    };
    // The first one is compressed: a header of one frame, then the frame.
    let name = compressed_segment_name(all[0]);
    let path = format!("memory/{name}");
    let reason = Damage::CompressedFrame;
    assert_eq!(flipped(&name, 100), JournalFault::Damaged { path, offset: 60, reason });
    let name = segment_name(all[1]);
    let path = format!("memory/{name}");
    let reason = Damage::Checksum;
    assert_eq!(flipped(&name, 130), JournalFault::Damaged { path, offset: 0, reason });
}

#[test]
fn what_is_archived_already_must_be_the_same() {
    let (Written { storage, end, .. }, there) = journal_and_archive(8);
    let all = numbers(&storage);
    // A whole segment, but another journal's.
    let other = written(OPTIONS, 7);
    let name = segment_name(all[1]);
    let mut bytes = other.storage.file(&name).expect("the segment");
    let before = storage.file(&name).expect("the segment");
    assert!(bytes == before);
    there.put(&name, &bytes);
    bytes[200] ^= 1;
    let damaged = there.copy(1);
    damaged.put(&name, &bytes);
    let fault = archive(&storage.copy(1), &damaged, end).expect_err("damaged");
    assert!(matches!(&fault, JournalFault::Damaged { path, .. } if path.ends_with(&name)), "{fault}");

    // Here it goes on after the same segment, whole in itself.
    let (mut journal, _) = Journal::open(other.storage.clone(), OPTIONS, |_| Ok(())).expect("opened");
    journal.truncate_after(all[1] - 1).expect("truncated");
    let mut buffer = ledger::journal::RecordBuffer::default();
    for _ in 0..4 {
        let head = ledger::journal::BatchHead { count: 0, time_ns: 99, epoch: 0 };
        journal.append(&mut buffer, head).expect("appended");
        journal.sync().expect("synced");
    }
    let different = there.copy(1);
    different.put(&name, &other.storage.file(&name).expect("the segment"));
    let here = storage.copy(1);
    let fault = archive(&here, &different, end).expect_err("different");
    let path = format!("memory/{name}");
    assert_eq!(fault, JournalFault::Damaged { path, offset: 0, reason: Damage::Copy });
    assert_eq!(numbers(&here), all[1..], "the first one was moved, this one stays");

    archive(&storage, &there, end).expect("equal");
    assert_eq!(numbers(&storage).len(), 1);
}

#[test]
fn a_damaged_segment_is_not_archived() {
    let (Written { storage, end, .. }, there) = journal_and_archive(8);
    let name = segment_name(numbers(&storage)[1]);
    storage.flip(&name, 140, 0);
    let fault = archive(&storage, &there, end).expect_err("damaged");
    let path = format!("memory/{name}");
    assert_eq!(fault, JournalFault::Damaged { path, offset: 0, reason: Damage::Checksum });
    assert_eq!((numbers(&there), numbers(&storage)[0]), (vec![1], numbers(&storage)[0]));
    assert_eq!(there.file(&name), None);
    assert!(storage.file(&name).is_some());
}
