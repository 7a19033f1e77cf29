//! Starting from a place: each place of a log gives the rest of it, and a place of another log is refused.

use ledger::journal::faulty::FaultyStorage;
use ledger::journal::{
    BatchHead, Damage, Journal, JournalFault, JournalOptions, JournalPlace, Lineage, PlaceDoubt, Position, Preparation,
    RecordBuffer, scan, scan_after, segment_name,
};

use crate::hand::{BLOCK, HandRecord, LINEAGE, birth, segment};

const OPTIONS: JournalOptions =
    JournalOptions { segment_bytes: 6 * 4_096, payload_format: 9, preparation: Preparation::WhenNeeded };

/// A journal of some segments, and its durable places in order, with the batches that follow each.
struct Written {
    storage: FaultyStorage,
    places: Vec<JournalPlace>,
    sequences: Vec<u64>,
}

fn written(batches: u64) -> Written {
    let storage = FaultyStorage::new(1);
    let mut journal = Journal::create(storage.clone(), OPTIONS, Lineage(LINEAGE)).expect("created");
    let (mut places, mut sequences) = (vec![journal.place()], Vec::new());
    let mut buffer = RecordBuffer::default();
    for number in 0..batches {
        buffer.clear();
        buffer.extend_from_slice(&number.to_le_bytes().repeat([1, 700, 3][(number % 3) as usize]));
        let head = BatchHead { count: 1, time_ns: number, epoch: number / 4 };
        sequences.push(journal.append(&mut buffer, head).expect("appended").first_sequence);
        assert_eq!(Some(&journal.place()), places.last(), "what is not synced is no place yet");
        journal.sync().expect("synced");
        places.push(journal.place());
        if number % 5 == 2 {
            journal.append_mark().expect("marked");
            places.push(journal.place());
        }
    }
    Written { storage, places, sequences }
}

/// The batches behind a place.
fn behind(storage: &FaultyStorage, place: JournalPlace) -> Result<Vec<u64>, JournalFault> {
    let mut found = Vec::new();
    let report = scan_after(storage, Some(place), |batch| {
        found.push(batch.first_sequence);
        Ok(())
    })?;
    assert_eq!(report.batches, found.len() as u64);
    Ok(found)
}

#[test]
fn every_place_gives_the_rest_of_the_log() {
    let Written { storage, places, sequences } = written(20);
    let whole = scan(&storage, |_| Ok(())).expect("scanned");
    assert!(whole.segments > 4);
    for place in places {
        let rest: Vec<u64> = sequences.iter().copied().filter(|sequence| *sequence >= place.next_sequence).collect();
        assert_eq!(behind(&storage, place), Ok(rest.clone()), "{place:?}");

        // Neither are the segments before it needed.
        let moved_away = storage.copy(1);
        for sequence in sequences.iter().filter(|sequence| **sequence < place.position.segment) {
            moved_away.take(&segment_name(*sequence));
        }
        let mut found = Vec::new();
        let opened = Journal::open_after(moved_away.clone(), OPTIONS, Some(place), |batch| {
            found.push(batch.first_sequence);
            Ok(())
        });
        let (journal, report) = opened.expect("opened");
        assert_eq!(found, rest);
        assert_eq!((report.chain_digest, report.end), (whole.chain_digest, whole.end));
        assert_eq!(Some(journal.next_sequence()), sequences.last().map(|last| last + 2));
        if place.position.segment > 1 {
            let fault = scan(&moved_away, |_| Ok(())).expect_err("no beginning");
            assert!(matches!(fault, JournalFault::Damaged { reason: Damage::FirstSegmentMissing, .. }), "{fault}");
        }
    }
}

#[test]
fn the_writer_goes_on_from_a_place_as_from_the_beginning() {
    let Written { storage, places, .. } = written(20);
    for place in places {
        let (from_start, from_place) = (storage.copy(1), storage.copy(1));
        let mut ends = Vec::new();
        for (storage, start) in [(from_start, None), (from_place, Some(place))] {
            let opened = Journal::open_after(storage.clone(), OPTIONS, start, |_| Ok(()));
            let (mut journal, report) = opened.expect("opened");
            // The log may end with a mark, behind which no second one may stand.
            journal.append_mark().expect("marked");
            let head = BatchHead { count: 0, time_ns: report.last_time_ns, epoch: report.last_epoch };
            journal.append(&mut RecordBuffer::default(), head).expect("appended");
            journal.append_mark().expect("marked");
            ends.push((journal.place(), scan(&storage, |_| Ok(())).expect("in order")));
        }
        assert_eq!(ends[0], ends[1]);
    }
}

#[test]
fn a_place_of_another_log_is_refused_and_nothing_is_changed() {
    let Written { storage, places, .. } = written(5);
    let place = places[2];
    assert_eq!(place.position, Position { segment: 1, offset: 4 * 4_096 });
    let at = |offset| Position { offset, ..place.position };
    let mut other_digest = place.digest;
    other_digest[0] ^= 1;
    let cases = [
        (PlaceDoubt::Lineage, JournalPlace { lineage: Lineage([0; 16]), ..place }),
        (PlaceDoubt::SegmentMissing, JournalPlace { position: Position { segment: 2, offset: 4_096 }, ..place }),
        (PlaceDoubt::BeyondEnd, JournalPlace { position: at(u64::MAX), ..place }),
        (PlaceDoubt::NoBoundary, JournalPlace { position: at(0), ..place }),
        (PlaceDoubt::NoBoundary, JournalPlace { position: at(3 * 4_096), ..place }),
        (PlaceDoubt::NoBoundary, JournalPlace { position: at(4 * 4_096 - 1), ..place }),
        (PlaceDoubt::Differs, JournalPlace { digest: other_digest, ..place }),
        (PlaceDoubt::Differs, JournalPlace { next_sequence: place.next_sequence + 1, ..place }),
        (PlaceDoubt::Differs, JournalPlace { time_ns: place.time_ns + 1, ..place }),
        (PlaceDoubt::Differs, JournalPlace { epoch: place.epoch + 1, ..place }),
    ];
    let before = storage.file(&segment_name(1));
    for (reason, place) in cases {
        let expected = JournalFault::NoSuchPlace { directory: "memory/.".to_owned(), position: place.position, reason };
        assert_eq!(behind(&storage, place), Err(expected.clone()));
        let opened = Journal::open_after(storage.clone(), OPTIONS, Some(place), |_| Ok(()));
        assert_eq!(opened.err(), Some(expected));
    }
    assert_eq!(storage.file(&segment_name(1)), before);
    assert!(behind(&storage, place).is_ok());

    // An older copy of the same log.
    let fault = behind(&written(1).storage, place).expect_err("it ends before");
    assert!(matches!(fault, JournalFault::NoSuchPlace { reason: PlaceDoubt::BeyondEnd, .. }), "{fault}");
    let nowhere = behind(&FaultyStorage::new(1), place).expect_err("no journal");
    assert!(matches!(nowhere, JournalFault::Absent { .. }), "{nowhere}");
}

/// Story: a torn tail is what was never reported durable. A place was, so a log that is broken before it is damaged, where the
/// same log without the place would be cut.
#[test]
fn what_is_broken_before_the_place_is_damage_and_no_torn_tail() {
    let first = birth().next_batch((1, 4_096), 1, b"first");
    let second = first.next_batch((1, 4_096), 1, b"second");
    let storage = FaultyStorage::new(1);
    storage.put(&segment_name(1), &segment(&[&birth(), &first, &second], 6 * BLOCK));
    let (journal, _) = Journal::open(storage.clone(), OPTIONS, |_| Ok(())).expect("opened");
    let place = journal.place();
    drop(journal);

    storage.flip(&segment_name(1), BLOCK + 200, 1);
    assert!(scan(&storage, |_| Ok(())).expect("torn").torn.is_some());
    let path = format!("memory/{}", segment_name(1));
    let damaged = |reason| JournalFault::Damaged { path: path.clone(), offset: 4_096, reason };
    assert_eq!(behind(&storage, place), Err(damaged(Damage::Padding)));

    // The first one is gone without a trace, the second is there.
    let mut bytes = segment(&[&birth(), &first, &second], 6 * BLOCK);
    bytes[BLOCK..2 * BLOCK].fill(0);
    storage.put(&segment_name(1), &bytes);
    assert_eq!(behind(&storage, place), Err(damaged(Damage::RecordMissing)));
}

#[test]
fn the_first_record_behind_the_place_must_chain_onto_its_digest() {
    let first = birth().next_batch((1, 4_096), 1, b"first");
    let second = first.next_batch((1, 2 * 4_096), 1, b"second");
    let number = second.first_sequence + 2;
    // The second segment begins with a batch whose predecessor was another.
    let mut third = second.next_batch((number, 0), 1, b"third");
    third.chain_to([7; 32]);
    let storage = FaultyStorage::new(1);
    storage.put(&segment_name(1), &segment(&[&birth(), &first, &second], 6 * BLOCK));
    storage.put(&segment_name(number), &segment(&[&third], 6 * BLOCK));
    let place = JournalPlace {
        lineage: Lineage(LINEAGE),
        position: Position { segment: 1, offset: 3 * 4_096 },
        next_sequence: number,
        time_ns: second.time_ns,
        epoch: 0,
        digest: second.digest,
    };
    let path = format!("memory/{}", segment_name(number));
    let fault = JournalFault::Damaged { path, offset: 0, reason: Damage::Chain };
    assert_eq!(behind(&storage, place), Err(fault));
}

#[test]
fn the_opening_of_a_segment_is_checked_in_what_can_be_checked() {
    let first = birth().next_batch((1, 4_096), 1, b"first");
    let mut second = first.next_batch((3, 0), 1, b"second");
    second.chain_to(first.digest);
    let place = JournalPlace {
        lineage: Lineage(LINEAGE),
        position: Position { segment: 3, offset: 4_096 },
        next_sequence: 5,
        time_ns: second.time_ns,
        epoch: 0,
        digest: second.digest,
    };
    let opening = |record: &HandRecord| {
        let storage = FaultyStorage::new(1);
        storage.put(&segment_name(3), &segment(&[record], 6 * BLOCK));
        behind(&storage, place)
    };
    assert_eq!(opening(&second), Ok(Vec::new()));
    let mark = first.next_mark((3, 0));
    let cases = [
        (Damage::Mark, mark),
        (Damage::Sequence { expected: 3, found: 4 }, HandRecord { first_sequence: 4, ..second.clone() }),
        (Damage::SyncedThrough, HandRecord { synced_through: (3, 1), ..second.clone() }),
        (Damage::Version { version: 1 }, HandRecord { version: 1, ..second.clone() }),
    ];
    for (reason, record) in cases {
        let path = format!("memory/{}", segment_name(3));
        assert_eq!(opening(&record), Err(JournalFault::Damaged { path, offset: 0, reason }));
    }
    let storage = FaultyStorage::new(1);
    storage.put(&segment_name(3), &[0; 6 * BLOCK]);
    let fault = behind(&storage, place).expect_err("an empty segment");
    assert!(matches!(fault, JournalFault::NoSuchPlace { reason: PlaceDoubt::BeyondEnd, .. }), "{fault}");
}

#[test]
fn a_place_is_byte_for_byte_what_the_document_says() {
    let place = JournalPlace {
        lineage: Lineage(LINEAGE),
        position: Position { segment: 0x0102, offset: 0x0304 },
        next_sequence: 0x0506,
        time_ns: 0x0708,
        epoch: 0x090a,
        digest: [0xdd; 32],
    };
    let mut expected = LINEAGE.to_vec();
    for number in [0x0102u64, 0x0304, 0x0506, 0x0708, 0x090a] {
        expected.extend(number.to_le_bytes());
    }
    expected.extend([0xdd; 32]);
    assert_eq!(place.to_bytes().to_vec(), expected);
    assert_eq!(JournalPlace::from_bytes(&place.to_bytes()), place);
}
