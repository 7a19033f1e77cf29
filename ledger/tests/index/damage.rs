//! Damage: at every byte of a small index. A wrong answer is never given; what opening does not drop, verify finds.

use ledger::index::{DropReason, IndexFault};
use ledger::journal::Storage;
use ledger::journal::faulty::FaultyStorage;

use crate::owner::{Expect, LINEAGE, OPTIONS, Owner, TestIndex, some_batches};

/// Three runs; the keys of two of them merged, those of the third in no file.
fn whole() -> (FaultyStorage, Owner, Vec<(String, usize)>) {
    let owner = Owner { batches: some_batches(11) };
    let storage = FaultyStorage::new(1);
    let (mut index, _, _) = owner.open(&storage, OPTIONS).expect("nothing fails");
    let (through, time_ns) = owner.last();
    index.cut(through, time_ns).expect("nothing fails");
    drop(index);
    let (_, report) = TestIndex::open(storage.clone(), LINEAGE, OPTIONS).expect("opened");
    assert_eq!((report.runs, report.covered_through), (3, through));
    let files = storage.list().expect("listed").into_iter();
    let files = files.map(|file| (file.name, usize::try_from(file.bytes).expect("small"))).collect();
    (storage, owner, files)
}

/// After any damage: either opening drops what is damaged and all answers are right, or every answer is right or an error,
/// and verify finds it.
fn check_damaged(storage: &FaultyStorage, owner: &Owner, what: &str) {
    let verified = TestIndex::verify(storage.clone(), LINEAGE);
    let (index, _, report) = owner.open(storage, OPTIONS).expect("damage never makes it refuse");
    let is_dropped = !report.dropped.is_empty()
        || report.keys_files == 0
        || report.without_keys > 0
        || report.covered_through < owner.last().0;
    if is_dropped {
        owner.check(&index, Expect::Right);
    } else {
        assert!(matches!(verified, Err(IndexFault::Damaged { .. })), "{what}: {verified:?}");
        owner.check(&index, Expect::RightOrDamaged);
    }
}

#[test]
fn a_flipped_bit_anywhere_is_dropped_or_an_error() {
    let (storage, owner, files) = whole();
    for (name, bytes) in &files {
        for byte in 0..*bytes {
            // Zeros that fill blocks up are all alike.
            let is_filling = storage.file(name).expect("it is there")[byte] == 0 && byte % 13 != 0;
            if is_filling {
                continue;
            }
            let storage = storage.copy(0);
            storage.flip(name, byte, u8::try_from(byte % 8).expect("small"));
            check_damaged(&storage, &owner, &format!("{name} at {byte}"));
        }
    }
}

#[test]
fn a_file_of_any_other_length_is_dropped() {
    let (storage, owner, files) = whole();
    for (name, bytes) in &files {
        for length in (0..bytes + 9_000).step_by(1_024).chain([bytes - 1, bytes + 1]).filter(|length| length != bytes) {
            let storage = storage.copy(0);
            let mut file = storage.take(name).expect("it is there");
            file.resize(length, 0);
            storage.put(name, &file);
            let report = TestIndex::open(storage.copy(0), LINEAGE, OPTIONS).expect("opened").1;
            assert!(report.dropped.iter().any(|file| matches!(file.reason, DropReason::Damaged(_))), "{name} {length}");
            check_damaged(&storage, &owner, &format!("{name} of {length}"));
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_made_again() {
    let (storage, owner, files) = whole();
    for (name, _) in &files {
        let storage = storage.copy(0);
        storage.take(name);
        check_damaged(&storage, &owner, name);
        TestIndex::verify(storage, LINEAGE).expect("in order");
    }
}

#[test]
fn what_people_are_told() {
    let (storage, owner, _) = whole();
    storage.flip("0000000001-0000000001.records", 7, 0);
    let fault = TestIndex::verify(storage.clone(), LINEAGE).expect_err("damaged");
    assert_eq!(
        fault.to_string(),
        "the index is damaged in memory/0000000001-0000000001.records at offset 0: the checksum does not match; nothing is lost: \
         remove this file and start again, and it is made anew from the journal"
    );
    // It does as it says.
    storage.take("0000000001-0000000001.records");
    let (index, _, report) = owner.open(&storage, OPTIONS).expect("opened");
    assert_eq!(report.covered_through, 0);
    owner.check(&index, Expect::Right);
}
