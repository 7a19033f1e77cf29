//! The keys of the newest runs: in memory, found and denied as others are, made again at open, written when they are enough.

use ledger::index::{DropReason, Index, IndexOptions, IndexReader, IndexWork};
use ledger::journal::Storage;
use ledger::journal::faulty::FaultyStorage;
use ledger::limits::INDEX_KEYS_IN_MEMORY_RUNS_MAX;

use crate::owner::{Book, Expect, LINEAGE, OPTIONS, Owner, TestIndex, TestRecord, TestSchema, key, some_batches};

/// The keys of four runs, about.
const FOUR_RUNS: IndexOptions = IndexOptions { keys_in_memory: 32, ..OPTIONS };

fn files_of_keys(storage: &FaultyStorage) -> Vec<String> {
    let files = storage.list().expect("listed").into_iter().map(|file| file.name);
    files.filter(|name| name.ends_with(".keys")).collect()
}

/// Gives batches, and cuts at the end of them.
fn give(index: &mut TestIndex, book: &mut Book, owner: &Owner, batches: core::ops::Range<usize>) {
    for batch in &owner.batches[batches.clone()] {
        book.apply(index, batch).expect("nothing fails");
    }
    let last = &owner.batches[batches.end - 1];
    index.cut(last.through, last.time_ns).expect("nothing fails");
}

/// The owner and a reader find every key, and deny nearly all that were never given.
fn check_found(index: &mut TestIndex, owner: &Owner) {
    let (reader, last) = (index.reader(), owner.records().len() as u64);
    let mut answers = Vec::new();
    for number in 1..=last {
        let expected = owner.find(number);
        assert_eq!(index.find(&key(number)), Ok(expected.clone()), "{number}");
        assert_eq!(reader.find(&key(number)), Ok(expected.clone()), "{number}");
        assert!(expected.is_none() || reader.may_hold(&key(number)));
        index.may_hold_each(&[key(number), key(number)], &mut answers);
        assert_eq!(answers, [reader.may_hold(&key(number)); 2]);
    }
    let unknown: Vec<[u8; 16]> = (last + 1_000..last + 3_000).map(key).collect();
    index.may_hold_each(&unknown, &mut answers);
    assert!(answers.iter().filter(|held| **held).count() < 20);
    assert!(unknown.iter().zip(&answers).all(|(key, held)| index.may_hold(key) == *held));
}

#[test]
fn they_are_found_before_and_after_they_are_written() {
    let all = Owner { batches: some_batches(40) };
    let storage = FaultyStorage::new(1);
    let (mut index, mut book, _) = Owner::default().open(&storage, FOUR_RUNS).expect("nothing fails");
    let mut given = Owner::default();
    for (batches, has_files) in [(8, false), (15, false), (24, true), (40, true)] {
        give(&mut index, &mut book, &all, given.batches.len()..batches);
        given.batches = all.batches[..batches].to_vec();
        assert_eq!(has_files, index.keys_files() > 0, "{:?}", files_of_keys(&storage));
        check_found(&mut index, &given);
        given.check(&index, Expect::Right);
        let verified = TestIndex::verify(storage.copy(0), LINEAGE).expect("in order");
        assert!(verified.report.records_in_memory > 0);
        assert_eq!(verified.report.without_keys, 0);
        let reader = IndexReader::<_, TestSchema>::open(storage.copy(0), LINEAGE).expect("opened");
        assert_eq!(reader.covered_through(), given.last().0);
        // After a crash they are there again, from the records.
        for with_power_cut in [true, false] {
            let storage = storage.copy(7);
            if with_power_cut {
                storage.cut_power();
            } else {
                storage.kill();
            }
            let (mut index, report) = TestIndex::open(storage, LINEAGE, FOUR_RUNS).expect("opened");
            assert_eq!(report.dropped.iter().find(|file| file.reason != DropReason::Replaced), None);
            assert_eq!((report.covered_through, report.without_keys), (given.last().0, 0));
            check_found(&mut index, &given);
        }
    }
}

/// An owner who cuts after each batch, as one who makes snapshots while little happens, or whose window is small.
#[test]
fn whoever_cuts_often_has_no_more_of_them_in_memory() {
    let owner = Owner { batches: some_batches(400) };
    for (run_records, keys_in_memory) in [(30, 120), (1, 120), (1, 1 << 20), (30, 1)] {
        let options = IndexOptions { run_records, keys_in_memory, merge_fan_in: 4, ..OPTIONS };
        let storage = FaultyStorage::new(1);
        let (mut index, _) = TestIndex::open(storage.clone(), LINEAGE, options).expect("opened");
        let mut book = Book::default();
        let mut most = 0;
        for batch in &owner.batches {
            book.apply(&mut index, batch).expect("nothing fails");
            index.cut(batch.through, batch.time_ns).expect("nothing fails");
            most = most.max(index.keys_files());
        }
        let (records, files) = (owner.records().len(), files_of_keys(&storage).len());
        assert!(most <= 12, "{most} with {options:?}");
        drop(index);
        let (index, report) = TestIndex::open(storage, LINEAGE, options).expect("opened");
        assert!((1..=12).contains(&files) && report.without_keys == 0, "{files} of {records}: {report:?}");
        let bound = (u64::from(keys_in_memory) + 60).min(9 * INDEX_KEYS_IN_MEMORY_RUNS_MAX as u64);
        assert!(report.records_in_memory <= bound, "{report:?}");
        owner.check(&index, Expect::Right);
    }
}

/// What is damaged in the newest records is found when their keys are read from them: they are dropped, and made anew.
#[test]
fn damaged_records_whose_keys_are_in_memory_are_dropped() {
    let owner = Owner { batches: some_batches(23) };
    let options = IndexOptions { keys_in_memory: 1_000, ..OPTIONS };
    let storage = FaultyStorage::new(1);
    let (mut index, mut book, _) = Owner::default().open(&storage, options).expect("nothing fails");
    give(&mut index, &mut book, &owner, 0..23);
    drop(index);
    storage.flip("0000000003-0000000003.records", 50, 3);
    TestIndex::verify(storage.clone(), LINEAGE).expect_err("damaged");
    let reader = IndexReader::<_, TestSchema>::open(storage.clone(), LINEAGE).expect("opened");
    let (index, _, report) = owner.open(&storage, options).expect("opened");
    let dropped: Vec<_> = report.dropped.iter().map(|file| (&file.name[..10], file.reason.to_string())).collect();
    let behind = |run| (run, DropReason::BehindGap.to_string());
    let damaged = ("0000000003", "the checksum does not match".to_owned());
    assert_eq!(dropped, [damaged, behind("0000000004"), behind("0000000005"), behind("0000000006")]);
    assert_eq!((report.runs, report.keys_files, report.without_keys), (2, 0, 0));
    assert_eq!(reader.covered_through(), report.covered_through);
    owner.check(&index, Expect::Right);
    drop(index);
    TestIndex::verify(storage, LINEAGE).expect("in order");
}

/// All files of keys are gone: far more than belongs into memory is made anew from the records, some of it in files, the newest
/// part in memory.
#[test]
fn more_than_belongs_into_memory_is_written_at_open() {
    let owner = Owner { batches: some_batches(60) };
    let storage = FaultyStorage::new(1);
    let (mut index, mut book, _) = Owner::default().open(&storage, FOUR_RUNS).expect("nothing fails");
    give(&mut index, &mut book, &owner, 0..60);
    drop(index);
    files_of_keys(&storage).iter().for_each(|name| drop(storage.take(name)));
    let (index, _, report) = owner.open(&storage, FOUR_RUNS).expect("opened");
    assert_eq!((report.dropped.len(), report.records), (0, 135));
    assert!(
        report.without_keys > 0 && report.keys_files > 0 && (32..80).contains(&report.records_in_memory),
        "{report:?}"
    );
    owner.check(&index, Expect::Right);
    drop(index);
    TestIndex::verify(storage, LINEAGE).expect("in order");
}

/// Runs that come as fast as they can, while larger files are merged: small files do not pile up behind large ones.
#[test]
fn filters_stay_few_while_large_files_are_merged() {
    const RECORDS: u64 = 1_200_000;
    let options =
        IndexOptions { run_records: 4_096, keys_in_memory: 16_384, work: IndexWork::Beside, ..IndexOptions::default() };
    let (mut index, _) = Index::<_, TestSchema>::open(FaultyStorage::new(1), LINEAGE, options).expect("opened");
    let mut most = 0;
    for number in 0..RECORDS {
        let record = TestRecord { sequence: number + 1, time_ns: number, key: number + 1, groups: [0, 0], amount: 1 };
        index.push(&record.encode());
        if number % 1_000 == 999 {
            index.end_batch(number + 1, number).expect("nothing fails");
            most = most.max(index.keys_files());
        }
    }
    // Of each of four tiers at most three that wait, four that are merged, and one that comes meanwhile.
    assert!(most <= 4 * 4 + 4, "{most}");
    index.cut(RECORDS, RECORDS).expect("nothing fails");
    index.wait_covered(RECORDS).expect("nothing fails");
    for number in (0..RECORDS).step_by(997) {
        assert!(index.may_hold(&key(number + 1)));
    }
}
