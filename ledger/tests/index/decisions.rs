//! What is decided at open, row by row of the table in `docs/formats/index.md`, section 6.

use ledger::index::{DropReason, DroppedFile, IndexDamage};
use ledger::journal::faulty::FaultyStorage;

use crate::hand::{BLOCK, seal};
use crate::owner::{Book, Expect, LINEAGE, OPTIONS, Owner, TestIndex, some_batches};

/// Six runs; the keys of 1 to 4 are merged, those of 6 are in no file.
fn whole() -> (FaultyStorage, Owner) {
    let owner = Owner { batches: some_batches(23) };
    let storage = FaultyStorage::new(1);
    let (mut index, _, _) = owner.open(&storage, OPTIONS).expect("nothing fails");
    let (through, time_ns) = owner.last();
    index.cut(through, time_ns).expect("nothing fails");
    drop(index);
    // What was merged stays until nobody reads it: here until it is opened again.
    TestIndex::open(storage.clone(), LINEAGE, OPTIONS).expect("opened");
    (storage, owner)
}

const WHOLE: [&str; 8] = [
    "0000000001-0000000001.records",
    "0000000001-0000000004.keys",
    "0000000002-0000000002.records",
    "0000000003-0000000003.records",
    "0000000004-0000000004.records",
    "0000000005-0000000005.keys",
    "0000000005-0000000005.records",
    "0000000006-0000000006.records",
];

fn names(storage: &FaultyStorage) -> Vec<String> {
    use ledger::journal::Storage;
    storage.list().expect("listed").into_iter().map(|file| file.name).collect()
}

/// Changes a field of a file's footer and makes the check values right again.
fn change(storage: &FaultyStorage, name: &str, at: usize, value: u8) {
    let mut file = storage.take(name).expect(name);
    let footer = file.len() - BLOCK;
    file[footer + at] = value;
    seal(name, &mut file);
    storage.put(name, &file);
}

type Drops = &'static [(&'static str, DropReason)];

/// Opens after a change: what is dropped, how many runs are kept, how many get new keys. Then all answers are right, and a
/// second opening has nothing to do.
fn check(change: impl Fn(&FaultyStorage), dropped: Drops, runs: u32, without_keys: usize) {
    let (storage, owner) = whole();
    change(&storage);
    let (index, _, report) = owner.open(&storage, OPTIONS).expect("nothing fails");
    let found: Vec<_> = report.dropped.iter().map(|file| (file.name.as_str(), file.reason)).collect();
    assert_eq!(found, dropped);
    assert_eq!((report.runs, report.without_keys), (runs, without_keys));
    owner.check(&index, Expect::Right);
    drop(index);
    let (_, report) = TestIndex::open(storage.clone(), LINEAGE, OPTIONS).expect("opened");
    assert!(report.dropped.iter().all(|file| file.reason == DropReason::Replaced), "{report:?}");
    assert_eq!(report.without_keys, 0);
    TestIndex::verify(storage, LINEAGE).expect("in order");
}

#[test]
fn what_is_whole_is_kept() {
    let (storage, _) = whole();
    assert_eq!(names(&storage), WHOLE);
    check(|_| {}, &[], 6, 0);
}

#[test]
fn leftovers_and_bad_names_are_removed_and_other_files_are_left_alone() {
    let put = |name: &'static str| move |storage: &FaultyStorage| storage.put(name, b"something");
    check(
        put("0000000007-0000000007.records.preparing"),
        &[("0000000007-0000000007.records.preparing", DropReason::Unfinished)],
        6,
        0,
    );
    check(put("7-7.records"), &[("7-7.records", DropReason::Name)], 6, 0);
    check(put("0000000002-0000000001.keys"), &[("0000000002-0000000001.keys", DropReason::Name)], 6, 0);
    check(put("notes.txt"), &[], 6, 0);
}

const BEHIND_RUN_2: [(&str, DropReason); 5] = [
    ("0000000004-0000000004.records", DropReason::BehindGap),
    ("0000000005-0000000005.records", DropReason::BehindGap),
    ("0000000006-0000000006.records", DropReason::BehindGap),
    ("0000000001-0000000004.keys", DropReason::BehindGap),
    ("0000000005-0000000005.keys", DropReason::BehindGap),
];

#[test]
fn records_that_are_missing_end_what_is_kept() {
    // No file of keys is left: those of the two runs belong into memory.
    check(|storage| drop(storage.take("0000000003-0000000003.records")), &BEHIND_RUN_2, 2, 0);
    check(|storage| drop(storage.take("0000000006-0000000006.records")), &[], 5, 0);
    check(
        |storage| drop(storage.take("0000000005-0000000005.records")),
        &[
            ("0000000006-0000000006.records", DropReason::BehindGap),
            ("0000000005-0000000005.keys", DropReason::BehindGap),
        ],
        4,
        0,
    );
    check(|storage| WHOLE.iter().for_each(|name| drop(storage.take(name))), &[], 0, 0);
}

#[test]
fn records_that_are_not_in_order_end_what_is_kept() {
    const NAME: &str = "0000000003-0000000003.records";
    let cases: [(usize, u8, DropReason); 9] = [
        (0, b'X', DropReason::Damaged(IndexDamage::Magic)),
        (8, 9, DropReason::Damaged(IndexDamage::Version { version: 9 })),
        (10, 2, DropReason::Damaged(IndexDamage::Footer)),
        (12, 8, DropReason::Damaged(IndexDamage::Format { format: 8 })),
        (16, b'L', DropReason::Damaged(IndexDamage::Lineage)),
        (32, 9, DropReason::Damaged(IndexDamage::Footer)),
        (80, 49, DropReason::Damaged(IndexDamage::Footer)),
        (200, 1, DropReason::Damaged(IndexDamage::Footer)),
        (104, 77, DropReason::Damaged(IndexDamage::Size)),
    ];
    for (at, value, reason) in cases {
        let mut dropped = vec![(NAME, reason)];
        dropped.extend(BEHIND_RUN_2);
        check(|storage| change(storage, NAME, at, value), dropped.leak(), 2, 0);
    }
    // Where it begins: a record, a sequence number.
    for at in [40, 56] {
        let mut dropped = vec![(NAME, DropReason::NotContinued)];
        dropped.extend(BEHIND_RUN_2);
        check(|storage| change(storage, NAME, at, 1), dropped.leak(), 2, 0);
    }
}

/// Story: the reader still had the removed file open, and answered from it when a new one had come under its name.
///
/// The file of one run under the name of another: every block is in order, in the wrong place.
#[test]
fn a_file_under_another_name_is_not_believed() {
    const NAME: &str = "0000000003-0000000003.records";
    let mut dropped = vec![(NAME, DropReason::Damaged(IndexDamage::Checksum))];
    dropped.extend(BEHIND_RUN_2);
    let change = |storage: &FaultyStorage| {
        storage.take(NAME);
        storage.put(NAME, &storage.file("0000000002-0000000002.records").expect("it is there"));
    };
    check(change, dropped.leak(), 2, 0);
}

#[test]
fn keys_that_are_missing_or_not_in_order_are_made_from_records() {
    const NAME: &str = "0000000001-0000000004.keys";
    check(|storage| drop(storage.take(NAME)), &[], 6, 4);
    let cases: [(usize, u8, DropReason); 5] = [
        (0, b'X', DropReason::Damaged(IndexDamage::Magic)),
        (8, 9, DropReason::Damaged(IndexDamage::Version { version: 9 })),
        (16, b'L', DropReason::Damaged(IndexDamage::Lineage)),
        (84, 99, DropReason::Damaged(IndexDamage::Footer)),
        (64, 1, DropReason::NotContinued),
    ];
    for (at, value, reason) in cases {
        check(|storage| change(storage, NAME, at, value), vec![(NAME, reason)].leak(), 6, 4);
    }
    // The seed of the first file counts; the keys of the newest runs are made in memory.
    const SECOND: &str = "0000000005-0000000005.keys";
    check(|storage| change(storage, SECOND, 88, 1), &[(SECOND, DropReason::Seed)], 6, 0);
}

#[test]
fn parts_of_a_kept_file_of_keys_are_removed() {
    let change = |storage: &FaultyStorage| {
        // What a crash between the naming of a merged file and the removal of its parts leaves.
        let again = FaultyStorage::new(2);
        let owner = Owner { batches: some_batches(23) };
        let unmerged = ledger::index::IndexOptions { merge_fan_in: 16, ..OPTIONS };
        owner.open(&again, unmerged).expect("nothing fails");
        storage.put("0000000002-0000000002.keys", &again.file("0000000002-0000000002.keys").expect("a part"));
    };
    check(change, &[("0000000002-0000000002.keys", DropReason::Replaced)], 6, 0);
}

/// Without its wide file the narrow ones are used, if they are still there.
#[test]
fn the_widest_file_of_keys_that_is_in_order_is_kept() {
    let change = |storage: &FaultyStorage| {
        let again = FaultyStorage::new(2);
        let owner = Owner { batches: some_batches(23) };
        let unmerged = ledger::index::IndexOptions { merge_fan_in: 16, ..OPTIONS };
        owner.open(&again, unmerged).expect("nothing fails");
        for name in ["0000000002-0000000002.keys", "0000000003-0000000003.keys"] {
            storage.put(name, &again.file(name).expect("a part"));
        }
        storage.flip("0000000001-0000000004.keys", 4_096 * 3, 0);
    };
    let dropped: Drops = &[("0000000001-0000000004.keys", DropReason::Damaged(IndexDamage::Checksum))];
    check(change, dropped, 6, 2);
}

/// What a crash leaves between the naming of a file of joined runs and the removal of its parts.
#[test]
fn the_widest_file_of_records_that_is_in_order_is_kept() {
    let owner = Owner { batches: some_batches(3) };
    let (storage, _) = joined_runs(&owner);
    let all = ["0000000001-0000000001.records", "0000000001-0000000002.records"];
    assert_eq!(names(&storage), all);
    let (index, _, report) = owner.open(&storage, OPTIONS).expect("opened");
    assert_eq!(report.dropped, [DroppedFile { name: all[0].to_owned(), reason: DropReason::Replaced }]);
    assert_eq!((report.runs, report.records_files, report.without_keys), (2, 1, 0));
    owner.check(&index, Expect::Right);

    // Without the wide one the part is used.
    let (storage, first_through) = joined_runs(&owner);
    let footer = storage.file(all[1]).expect("it is there").len() - BLOCK;
    storage.flip(all[1], footer, 0);
    let (index, _, report) = owner.open(&storage, OPTIONS).expect("opened");
    let damaged = DropReason::Damaged(IndexDamage::Checksum);
    let dropped: Vec<_> = report.dropped.iter().map(|file| (file.name.as_str(), file.reason)).collect();
    assert_eq!(dropped, [(all[1], damaged)]);
    assert_eq!((report.runs, report.covered_through), (1, first_through));
    owner.check(&index, Expect::Right);
}

/// Two small runs, the second joined with the first, whose files are still there; and what the first covered.
fn joined_runs(owner: &Owner) -> (FaultyStorage, u64) {
    let storage = FaultyStorage::new(1);
    let (mut index, _) = TestIndex::open(storage.clone(), LINEAGE, OPTIONS).expect("opened");
    let mut book = Book::default();
    for (place, batch) in owner.batches.iter().enumerate() {
        book.apply(&mut index, batch).expect("nothing fails");
        if place != 1 {
            index.cut(batch.through, batch.time_ns).expect("nothing fails");
        }
    }
    (storage, owner.batches[0].through)
}

#[test]
fn an_index_with_files_goes_on_with_its_seed() {
    let (storage, owner) = whole();
    let options = ledger::index::IndexOptions { seed: 1_000, ..OPTIONS };
    let (index, _, report) = owner.open(&storage, options).expect("opened");
    assert_eq!(report.dropped, []);
    owner.check(&index, Expect::Right);
}

/// An owner who makes snapshots while little happens cuts many small runs; they must not become as many files.
#[test]
fn small_runs_are_joined_into_few_files() {
    let options = ledger::index::IndexOptions { run_records: 30, ..OPTIONS };
    let owner = Owner { batches: some_batches(120) };
    let storage = FaultyStorage::new(1);
    let (mut index, _) = TestIndex::open(storage.clone(), LINEAGE, options).expect("opened");
    let mut book = Book::default();
    for batch in &owner.batches {
        book.apply(&mut index, batch).expect("nothing fails");
        index.cut(batch.through, batch.time_ns).expect("nothing fails");
    }
    assert_eq!(index.run(), 121);
    owner.check(&index, Expect::Right);
    drop(index);
    let (_, report) = TestIndex::open(storage.clone(), LINEAGE, options).expect("opened");
    assert_eq!((report.runs, report.records), (120, 270));
    assert!((9..=18).contains(&report.records_files), "{report:?}");
    TestIndex::verify(storage, LINEAGE).expect("in order");
}
