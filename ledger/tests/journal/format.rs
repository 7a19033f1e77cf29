//! The bytes on disk, against the document.

use ledger::journal::faulty::FaultyStorage;
use ledger::journal::{
    BatchHead, Journal, JournalFault, JournalOptions, Lineage, Position, Preparation, RecordBuffer, chain_digest, scan,
    segment_name,
};
use ledger::limits::SEGMENT_BYTES_MAX;

use crate::hand::{BLOCK, LINEAGE, birth, segment};

const OPTIONS: JournalOptions =
    JournalOptions { segment_bytes: 6 * 4_096, payload_format: 9, preparation: Preparation::WhenNeeded };

fn head(count: u32, time_ns: u64) -> BatchHead {
    BatchHead { count, time_ns, epoch: 0 }
}

fn buffer(payload: &[u8]) -> RecordBuffer {
    let mut buffer = RecordBuffer::default();
    buffer.extend_from_slice(payload);
    buffer
}

#[test]
fn a_journal_is_byte_for_byte_what_the_document_says() {
    let storage = FaultyStorage::new(1);
    let mut journal = Journal::create(storage.clone(), OPTIONS, Lineage(LINEAGE)).expect("created");
    journal.append(&mut buffer(b"three entries"), head(3, 10)).expect("appended");
    journal.append(&mut buffer(b""), head(0, 20)).expect("appended");
    journal.sync().expect("synced");
    journal.append(&mut buffer(&[7; 5_000]), head(1, 30)).expect("appended");
    journal.append_mark().expect("marked");

    let birth = birth();
    let first = birth.next_batch((1, 4_096), 3, b"three entries");
    let second = first.next_batch((1, 4_096), 0, b"");
    let third = second.next_batch((1, 3 * 4_096), 1, &[7; 5_000]);
    // Six blocks: birth, first, second, two of the third would leave none for a mark of the fourth batch, so it stands last.
    let mark = third.next_mark((1, 5 * 4_096));
    assert_eq!((first.first_sequence, second.first_sequence, third.first_sequence), (1, 5, 6));
    let expected = segment(&[&birth, &first, &second, &third, &mark], 6 * BLOCK);
    let written = storage.file(&segment_name(1)).expect("the segment");
    assert!(written == expected, "differs at byte {:?}", written.iter().zip(&expected).position(|(a, b)| a != b));

    // The next one opens a segment, named by its number; its chain goes on over the mark.
    assert_eq!(journal.next_sequence(), 8);
    journal.append(&mut buffer(b"x"), head(0, 40)).expect("appended");
    journal.sync().expect("synced");
    let mut fourth = mark.next_batch((8, 0), 0, b"x");
    fourth.chain_to(third.digest);
    assert!(storage.file(&segment_name(8)).expect("the second segment") == segment(&[&fourth], 6 * BLOCK));
    assert_eq!(journal.chain_digest(), fourth.digest);
    assert_eq!(journal.synced_position(), Position { segment: 8, offset: 4_096 });
}

/// The same small record in hexadecimal, so that a change of the format cannot hide in a change of both encoders.
#[test]
fn a_small_record_in_hexadecimal() {
    let record = birth().next_batch((1, 4_096), 3, b"three entries").bytes();
    let hexadecimal: Vec<String> =
        record[..144].chunks(16).map(|row| row.iter().map(|byte| format!("{byte:02x}")).collect()).collect();
    assert_eq!(
        hexadecimal,
        [
            "434c53504e4a524e0000010003000000",
            "6c696e656167652062792068616e642e",
            "01000000000000000a00000000000000",
            "00000000000000000d000000552fce0c",
            "e0dd3ea6e888a706887d2f1388c342f9",
            "10d4f11e704b8490aaf9c2dbde8aef20",
            "01000000000000000010000000000000",
            "09000000000000000000000000000000",
            "746872656520656e7472696573000000",
        ]
    );
}

#[test]
fn the_chain_by_hand() {
    let lineage = Lineage([0x42; 16]);
    let start = *blake3::hash(&[0x42; 16]).as_bytes();
    assert_eq!(lineage.first_digest(), start);
    let mut bytes = start.to_vec();
    bytes.extend([1, 0]); // kind
    bytes.extend([5, 0, 0, 0, 0, 0, 0, 0]); // first_sequence
    bytes.extend([2, 0, 0, 0]); // count
    bytes.extend([0, 1, 0, 0, 0, 0, 0, 0]); // time_ns
    bytes.extend([7, 0, 0, 0, 0, 0, 0, 0]); // epoch
    bytes.extend([3, 0, 0, 0]); // length
    bytes.extend(b"abc");
    let head = BatchHead { count: 2, time_ns: 256, epoch: 7 };
    assert_eq!(chain_digest(&start, 1, 5, head, b"abc"), *blake3::hash(&bytes).as_bytes());
}

#[test]
fn a_journal_written_by_hand_is_read() {
    let storage = FaultyStorage::new(1);
    let birth = birth();
    let first = birth.next_batch((1, 0), 3, b"three entries");
    let mark = first.next_mark((1, 8_192));
    let mut second = mark.next_batch((1, 8_192), 0, b"");
    second.chain_to(first.digest);
    storage.put(&segment_name(1), &segment(&[&birth, &first, &mark, &second], 6 * BLOCK));
    let mut payloads = Vec::new();
    let report = scan(&storage, |batch| {
        payloads.push((batch.first_sequence, batch.last_sequence(), batch.payload.to_vec()));
        Ok(())
    })
    .expect("scanned");
    assert_eq!(payloads, [(1, 4, b"three entries".to_vec()), (5, 5, Vec::new())]);
    assert_eq!((report.batches, report.entries, report.next_sequence, report.torn), (2, 3, 6, None));
    assert_eq!((report.lineage, report.last_time_ns), (Lineage(LINEAGE), 20));
}

#[test]
fn one_sync_covers_every_batch_before_it() {
    let storage = FaultyStorage::new(1);
    let options = JournalOptions { segment_bytes: 64 << 10, ..OPTIONS };
    let mut journal = Journal::create(storage.clone(), options, Lineage(LINEAGE)).expect("created");
    let before = storage.syncs();
    let mut buffer = RecordBuffer::default();
    for time_ns in 0..10_u64 {
        buffer.clear();
        buffer.extend_from_slice(&time_ns.to_le_bytes());
        let appended = journal.append(&mut buffer, head(1, time_ns)).expect("appended");
        assert_eq!((appended.first_sequence, appended.last_sequence), (1 + 2 * time_ns, 2 + 2 * time_ns));
        assert_eq!(buffer.payload(), time_ns.to_le_bytes(), "the payload stays readable");
        assert!(!journal.durable().covers(1));
    }
    let durable = journal.sync().expect("synced");
    assert_eq!((durable.through_sequence(), storage.syncs()), (20, before + 1));
    assert!(durable.covers(20) && !durable.covers(21));
    journal.sync().expect("nothing to sync");
    assert_eq!(storage.syncs(), before + 1);
}

#[test]
fn a_mark_is_written_once_and_only_after_something() {
    let storage = FaultyStorage::new(1);
    let mut journal = Journal::create(storage.clone(), OPTIONS, Lineage(LINEAGE)).expect("created");
    let born = storage.operations();
    journal.append_mark().expect("nothing to mark");
    assert_eq!(storage.operations(), born, "the birth mark says it already");
    journal.append(&mut buffer(b"x"), head(0, 1)).expect("appended");
    journal.append_mark().expect("marked");
    let marked = (storage.operations(), journal.synced_position());
    journal.append_mark().expect("marked already");
    assert_eq!((storage.operations(), journal.synced_position()), marked);
    assert_eq!(marked.1, Position { segment: 1, offset: 3 * 4_096 });

    drop(journal);
    let (mut journal, _) = Journal::open(storage.clone(), OPTIONS, |_| Ok(())).expect("opened");
    journal.append_mark().expect("marked already");
    assert_eq!(journal.synced_position(), marked.1);
}

#[test]
fn a_batch_too_big_is_refused_before_anything_is_written() {
    let storage = FaultyStorage::new(1);
    let mut journal = Journal::create(storage.clone(), OPTIONS, Lineage(LINEAGE)).expect("created");
    let largest = journal.batch_bytes_max();
    assert_eq!(largest, 4 * 4_096 - 128);
    let operations = storage.operations();
    let mut payload = buffer(&vec![1; usize::try_from(largest + 1).expect("small")]);
    let fault = journal.append(&mut payload, head(0, 1)).expect_err("too big");
    assert_eq!(fault, JournalFault::BatchTooBig { payload_bytes: largest + 1, batch_bytes_max: largest });
    assert_eq!(storage.operations(), operations);
    // The journal is well: the largest that fits fits, beside the birth mark and everywhere else.
    for time_ns in 1..4 {
        payload.truncate(usize::try_from(largest).expect("small"));
        journal.append(&mut payload, head(0, time_ns)).expect("it fits");
        journal.append_mark().expect("and so does a mark");
    }
    assert_eq!(scan(&storage, |_| Ok(())).expect("scanned").segments, 3);
}

#[test]
fn options_that_contradict_the_limits_or_the_disk_are_refused() {
    for segment_bytes in [0, 8_192, 12_289, SEGMENT_BYTES_MAX + 4_096] {
        let options = JournalOptions { segment_bytes, ..OPTIONS };
        let fault = Journal::create(FaultyStorage::new(1), options, Lineage(LINEAGE)).err();
        assert!(matches!(fault, Some(JournalFault::Options { .. })), "{fault:?}");
    }
    let storage = FaultyStorage::new(1);
    Journal::create(storage.clone(), OPTIONS, Lineage(LINEAGE)).expect("created");
    let other = JournalOptions { segment_bytes: 64 << 10, ..OPTIONS };
    let fault = Journal::open(storage, other, |_| Ok(())).err().expect("refused");
    assert_eq!(
        fault.to_string(),
        "the journal's options do not fit: segments on disk have 24576 bytes, 65536 are configured; set the configuration back"
    );
}

#[test]
#[should_panic(expected = "journal time never goes back")]
fn time_that_goes_back_is_a_bug_of_the_caller() {
    let mut journal = Journal::create(FaultyStorage::new(1), OPTIONS, Lineage(LINEAGE)).expect("created");
    journal.append(&mut buffer(b"x"), head(0, 2)).expect("appended");
    let _ = journal.append(&mut buffer(b"x"), head(0, 1));
}

#[test]
fn a_visitor_that_cannot_take_a_batch_stops_the_start() {
    let storage = FaultyStorage::new(1);
    let mut journal = Journal::create(storage.clone(), OPTIONS, Lineage(LINEAGE)).expect("created");
    journal.append(&mut buffer(b"x"), head(0, 1)).expect("appended");
    journal.sync().expect("synced");
    drop(journal);
    let refuse = |_: ledger::journal::Batch<'_>| Err("format 9 is from tomorrow".to_owned());
    let fault = Journal::open(storage, OPTIONS, refuse).err().expect("refused");
    let reason = "format 9 is from tomorrow".to_owned();
    assert_eq!(fault, JournalFault::NotTaken { first_sequence: 1, reason });
}
