//! Damage: a flipped bit anywhere, records that no crash leaves, files that are gone.

use ledger::journal::faulty::FaultyStorage;
use ledger::journal::{Damage, Journal, JournalFault, JournalOptions, JournalReader, Preparation, scan, segment_name};

use proptest::prelude::*;

use crate::hand::{BLOCK, HandRecord, birth, segment};

const OPTIONS: JournalOptions =
    JournalOptions { segment_bytes: 6 * 4_096, payload_format: 9, preparation: Preparation::WhenNeeded };

/// Two segments. The first is closed: birth, a batch of two blocks, a small one, a mark, one block of zeros. The second: two
/// batches, a mark, zeros.
struct Small {
    storage: FaultyStorage,
    second_name: String,
}

fn small() -> Small {
    let birth = birth();
    let first = birth.next_batch((1, 4_096), 2, &[0x5a; 5_000]);
    let second = first.next_batch((1, 3 * 4_096), 0, b"small");
    let mark = second.next_mark((1, 4 * 4_096));
    let third_number = mark.first_sequence;
    let mut third = mark.next_batch((third_number, 0), 1, b"third");
    third.chain_to(second.digest);
    let fourth = third.next_batch((third_number, 0), 1, b"fourth");
    let last_mark = fourth.next_mark((third_number, 2 * 4_096));
    let storage = FaultyStorage::new(1);
    storage.put(&segment_name(1), &segment(&[&birth, &first, &second, &mark], 6 * BLOCK));
    let second_name = segment_name(third_number);
    storage.put(&second_name, &segment(&[&third, &fourth, &last_mark], 6 * BLOCK));
    Small { storage, second_name }
}

fn damaged(name: &str, offset: u64) -> impl Fn(&JournalFault) -> bool {
    let expected = format!("memory/{name}");
    move |fault| matches!(fault, JournalFault::Damaged { path, offset: at, .. } if *path == expected && *at == offset)
}

/// Which bits to try in a byte: all where there is something, one in zeros.
fn bits(byte: u8) -> Vec<u8> {
    if byte == 0 { vec![3] } else { (0..8).collect() }
}

#[test]
fn a_flipped_bit_in_a_closed_segment_is_damage_at_its_record() {
    let small = small();
    let name = segment_name(1);
    let bytes = small.storage.file(&name).expect("the segment");
    for (at, byte) in bytes.iter().enumerate() {
        let record = match at / BLOCK {
            1 | 2 => 4_096,
            5.. => 5 * 4_096,
            block => block as u64 * 4_096,
        };
        for bit in bits(*byte) {
            small.storage.flip(&name, at, bit);
            let fault = scan(&small.storage, |_| Ok(())).expect_err("damage");
            assert!(damaged(&name, record)(&fault), "byte {at} bit {bit}: {fault}");
            small.storage.flip(&name, at, bit);
        }
    }
}

#[test]
fn a_flipped_bit_before_the_last_mark_is_damage_and_behind_it_costs_nothing() {
    let small = small();
    let name = &small.second_name;
    let bytes = small.storage.file(name).expect("the segment");
    for (at, byte) in bytes.iter().enumerate() {
        for bit in bits(*byte) {
            small.storage.flip(name, at, bit);
            let mut batches = 0;
            let outcome = scan(&small.storage, |_| {
                batches += 1;
                Ok(())
            });
            match at / BLOCK {
                record @ 0..2 => {
                    let fault = outcome.expect_err("damage");
                    assert!(damaged(name, record as u64 * 4_096)(&fault), "byte {at} bit {bit}: {fault}");
                }
                // The mark itself, and the zeros behind: nothing vouches for them, no batch is lost. A version from tomorrow is
                // never cut.
                2 if at % BLOCK == 8 || at % BLOCK == 9 => {
                    assert!(damaged(name, 2 * 4_096)(&outcome.expect_err("a version from tomorrow")));
                }
                block => {
                    let torn = outcome.expect("torn").torn.expect("it is said");
                    let expected = if block == 2 { 2 } else { 3 } * 4_096;
                    assert_eq!((torn.position.offset, batches), (expected, 4), "byte {at} bit {bit}");
                }
            }
            small.storage.flip(name, at, bit);
        }
    }
}

/// A journal of birth, a batch, and then the record in question.
fn with(second: &HandRecord) -> FaultyStorage {
    let birth = birth();
    let first = birth.next_batch((1, 4_096), 1, b"first");
    let storage = FaultyStorage::new(1);
    storage.put(&segment_name(1), &segment(&[&birth, &first, second], 6 * BLOCK));
    storage
}

#[test]
fn a_whole_record_that_does_not_follow_is_damage_and_is_not_cut() {
    let first = birth().next_batch((1, 4_096), 1, b"first");
    let good = first.next_batch((1, 8_192), 1, b"second");
    assert_eq!(scan(&with(&good), |_| Ok(())).expect("in order").batches, 2);

    let chained = |change: &dyn Fn(&mut HandRecord)| {
        let mut record = good.clone();
        change(&mut record);
        record.chain_to(first.digest);
        record
    };
    let mut not_chained = good.clone();
    not_chained.digest[31] ^= 1;
    let mark = first.next_mark((1, 8_192));
    let (expected, epoch_before) = (good.first_sequence, 3);
    let strangers = [
        (chained(&|r| r.version = 1), Damage::Version { version: 1 }),
        (chained(&|r| r.kind = 3), Damage::Kind { kind: 3 }),
        (chained(&|r| r.kind = 0), Damage::Kind { kind: 0 }),
        (chained(&|r| r.reserved[11] = 1), Damage::Reserved),
        (chained(&|r| r.lineage[0] ^= 1), Damage::Lineage),
        (chained(&|r| r.first_sequence += 1), Damage::Sequence { expected, found: expected + 1 }),
        (chained(&|r| r.first_sequence -= 1), Damage::Sequence { expected, found: expected - 1 }),
        (chained(&|r| r.time_ns = 9), Damage::Time),
        (chained(&|r| r.synced_through = (1, 8_193)), Damage::SyncedThrough),
        (chained(&|r| r.synced_through = (2, 0)), Damage::SyncedThrough),
        (not_chained, Damage::Chain),
        (HandRecord { count: 1, ..mark.clone() }, Damage::Mark),
        (HandRecord { payload: b"x".to_vec(), ..mark.clone() }, Damage::Mark),
        (HandRecord { time_ns: 11, ..mark.clone() }, Damage::Mark),
        (HandRecord { digest: [0; 32], ..mark.clone() }, Damage::Mark),
    ];
    for (record, reason) in strangers {
        let storage = with(&record);
        let before = storage.file(&segment_name(1));
        let fault = Journal::open(storage.clone(), OPTIONS, |_| Ok(())).err().expect("refused");
        let path = format!("memory/{}", segment_name(1));
        assert_eq!(fault, JournalFault::Damaged { path, offset: 8_192, reason });
        assert_eq!(storage.file(&segment_name(1)), before, "nothing is changed");
    }

    // The epoch goes back, behind a batch of a later one.
    let mut earlier = birth().next_batch((1, 4_096), 1, b"first");
    earlier.epoch = epoch_before;
    earlier.chain_to(birth().digest);
    let mut later = earlier.next_batch((1, 8_192), 1, b"second");
    later.epoch = epoch_before - 1;
    later.chain_to(earlier.digest);
    let storage = FaultyStorage::new(1);
    storage.put(&segment_name(1), &segment(&[&birth(), &earlier, &later], 6 * BLOCK));
    let fault = scan(&storage, |_| Ok(())).expect_err("refused");
    assert!(matches!(fault, JournalFault::Damaged { reason: Damage::Epoch, .. }), "{fault}");
}

#[test]
fn marks_stand_only_between_batches() {
    let birth = birth();
    let storage = FaultyStorage::new(1);
    storage.put(&segment_name(1), &segment(&[&birth, &birth], 6 * BLOCK));
    let fault = scan(&storage, |_| Ok(())).expect_err("two marks");
    assert!(matches!(fault, JournalFault::Damaged { reason: Damage::Mark, offset: 4_096, .. }), "{fault}");

    let first = birth.next_batch((1, 4_096), 1, b"first");
    let mark = first.next_mark((1, 8_192));
    storage.put(&segment_name(1), &segment(&[&birth, &first], 6 * BLOCK));
    storage.put(&segment_name(mark.first_sequence), &segment(&[&mark], 6 * BLOCK));
    let fault = scan(&storage, |_| Ok(())).expect_err("a mark opens a segment");
    assert!(matches!(fault, JournalFault::Damaged { reason: Damage::Mark, offset: 0, .. }), "{fault}");
}

#[test]
fn a_damaged_birth_is_refused() {
    let birth = birth();
    let batch = HandRecord { kind: 1, ..birth.clone() };
    let other = HandRecord { lineage: [1; 16], ..birth.clone() };
    for (record, reason) in [(batch, Damage::Birth), (other, Damage::Mark)] {
        let storage = FaultyStorage::new(1);
        storage.put(&segment_name(1), &segment(&[&record], 6 * BLOCK));
        let path = format!("memory/{}", segment_name(1));
        let fault = scan(&storage, |_| Ok(())).expect_err("refused");
        assert_eq!(fault, JournalFault::Damaged { path, offset: 0, reason });
    }
    let storage = FaultyStorage::new(1);
    storage.put(&segment_name(1), &vec![0; 6 * BLOCK]);
    let fault = scan(&storage, |_| Ok(())).expect_err("refused");
    assert!(matches!(fault, JournalFault::Damaged { reason: Damage::Birth, .. }), "{fault}");
}

#[test]
fn missing_and_misshapen_segments_are_damage() {
    let small = small();
    let storage = small.storage.copy(1);
    storage.take(&segment_name(1));
    let fault = scan(&storage, |_| Ok(())).expect_err("no first segment");
    let path = format!("memory/{}", small.second_name);
    assert_eq!(fault, JournalFault::Damaged { path, offset: 0, reason: Damage::FirstSegmentMissing });

    // The second segment is gone, and a third stands there.
    let storage = small.storage.copy(1);
    let second = storage.take(&small.second_name).expect("the second");
    storage.put(&segment_name(77), &second);
    let fault = scan(&storage, |_| Ok(())).expect_err("a gap");
    let path = format!("memory/{}", segment_name(1));
    let reason = Damage::SegmentMissing { expected: 5, found: 77 };
    assert_eq!(fault, JournalFault::Damaged { path, offset: 5 * 4_096, reason });

    let storage = small.storage.copy(1);
    storage.put(&small.second_name, &second[..BLOCK * 5 + 1]);
    let fault = scan(&storage, |_| Ok(())).expect_err("not whole blocks");
    let path = format!("memory/{}", small.second_name);
    let reason = Damage::SegmentSize { bytes: 5 * 4_096 + 1 };
    assert_eq!(fault, JournalFault::Damaged { path, offset: 0, reason });

    // Whole blocks, but not the configured size: for the last segment that cannot be.
    storage.put(&small.second_name, &second[..BLOCK * 5]);
    let fault = Journal::open(storage, OPTIONS, |_| Ok(())).err().expect("refused");
    assert!(matches!(fault, JournalFault::Options { .. }), "{fault}");

    let storage = small.storage.copy(1);
    storage.put("copy of 5.segment", &second);
    let fault = scan(&storage, |_| Ok(())).expect_err("a name");
    assert!(matches!(fault, JournalFault::Damaged { reason: Damage::SegmentName, .. }), "{fault}");
}

#[test]
fn leftovers_of_preparation_and_other_files_do_not_disturb() {
    let small = small();
    small.storage.put("next.preparing", &[0; 100]);
    small.storage.put("notes.txt", b"of the operator");
    assert_eq!(scan(&small.storage, |_| Ok(())).expect("scanned").batches, 4);
    assert!(small.storage.file("next.preparing").is_some(), "a scan changes nothing");
    let (journal, report) = Journal::open(small.storage.clone(), OPTIONS, |_| Ok(())).expect("opened");
    assert_eq!((report.batches, report.segments, report.torn), (4, 2, None));
    drop(journal);
    assert!(small.storage.file("next.preparing").is_none());
    assert!(small.storage.file("notes.txt").is_some());

    let storage = FaultyStorage::new(1);
    storage.put("next.preparing", &[0; 100]);
    let fault = scan(&storage, |_| Ok(())).expect_err("no journal");
    assert!(matches!(fault, JournalFault::Absent { .. }), "{fault}");
}

#[test]
fn a_reader_names_damage_and_never_returns_it() {
    let small = small();
    let name = segment_name(1);
    small.storage.flip(&name, 4_096 + 3_000, 1);
    let mut reader = JournalReader::open(small.storage.clone()).expect("a reader");
    let fault = reader.read(2).expect_err("damage");
    assert!(damaged(&name, 4_096)(&fault), "{fault}");
    assert_eq!(reader.read(5).expect("in the other segment").payload, b"third");
    small.storage.flip(&name, 4_096 + 3_000, 1);
    assert_eq!(reader.read(2).expect("mended").payload, [0x5a; 5_000]);
    assert_eq!(reader.read(4).expect("the small one").payload, b"small");
    assert_eq!(reader.read(9).err(), Some(JournalFault::NotFound { sequence: 9 }));
}

/// One overwriting of a segment: at a block boundary or anywhere, by chosen bytes or by a piece of the segment itself.
#[derive(Clone, Debug)]
enum Overwriting {
    Bytes { at: usize, bytes: Vec<u8> },
    Block { from: usize, to: usize },
}

fn overwriting() -> impl Strategy<Value = Overwriting> {
    let bytes = proptest::collection::vec(any::<u8>(), 1..64);
    let header = (0..6usize, 0..128usize).prop_map(|(block, byte)| block * BLOCK + byte);
    prop_oneof![
        (0..6 * BLOCK - 64, bytes.clone()).prop_map(|(at, bytes)| Overwriting::Bytes { at, bytes }),
        (header, bytes).prop_map(|(at, bytes)| Overwriting::Bytes { at, bytes }),
        (0..6usize, 0..6usize).prop_map(|(from, to)| Overwriting::Block { from, to }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever the bytes are: no panic, and what is read is a beginning of what was written.
    #[test]
    fn arbitrary_bytes_are_refused_or_cut_and_never_invented(
        in_first in any::<bool>(),
        overwritings in proptest::collection::vec(overwriting(), 1..5),
    ) {
        let small = small();
        let name = if in_first { segment_name(1) } else { small.second_name.clone() };
        let mut bytes = small.storage.file(&name).expect("the segment");
        for overwriting in overwritings {
            match overwriting {
                Overwriting::Bytes { at, bytes: new } => bytes[at..at + new.len()].copy_from_slice(&new),
                Overwriting::Block { from, to } => bytes.copy_within(from * BLOCK..(from + 1) * BLOCK, to * BLOCK),
            }
        }
        small.storage.put(&name, &bytes);
        let mut found: Vec<Vec<u8>> = Vec::new();
        let scanned = scan(&small.storage, |batch| {
            found.push(batch.payload.to_vec());
            Ok(())
        });
        let written = [&[0x5a; 5_000][..], b"small", b"third", b"fourth"];
        prop_assert!(written.iter().zip(&found).all(|(written, found)| written == found));
        prop_assert!(found.len() <= written.len());
        let opened = Journal::open(small.storage.clone(), OPTIONS, |_| Ok(()));
        prop_assert_eq!(opened.as_ref().map(|(_, report)| report).map_err(Clone::clone), scanned.as_ref().map_err(Clone::clone));
        if opened.is_ok() {
            drop(opened);
            let again = scan(&small.storage, |_| Ok(())).expect("it was cut");
            prop_assert_eq!((again.batches, again.torn), (found.len() as u64, None));
        }
        let mut reader = JournalReader::open(small.storage).expect("names are in order");
        for sequence in 0..12 {
            let _ = reader.read(sequence);
        }
    }
}
