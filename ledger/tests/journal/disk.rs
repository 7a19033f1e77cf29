//! The journal on real files: many segments, the background thread, the lock, a reader on the side.

use std::path::Path;

use ledger::journal::{
    BatchHead, DiskStorage, Journal, JournalFault, JournalOptions, JournalReader, Lineage, Preparation, RecordBuffer,
    RetentionPolicy, list_segments, scan, scan_with_archive, segment_name,
};

const LINEAGE: Lineage = Lineage(*b"a lineage for it");

fn options() -> JournalOptions {
    JournalOptions { segment_bytes: 64 << 10, payload_format: 3, preparation: Preparation::Ahead }
}

fn storage(directory: &Path) -> DiskStorage {
    DiskStorage::open(directory).expect("the directory exists")
}

/// A payload that depends on its number in length and content.
fn payload(number: u64) -> Vec<u8> {
    let length = usize::try_from(number * 37 % 9_000).expect("small");
    number.to_le_bytes().iter().copied().cycle().take(length).collect()
}

fn append(journal: &mut Journal<DiskStorage>, number: u64) -> u64 {
    let mut buffer = RecordBuffer::default();
    buffer.extend_from_slice(&payload(number));
    let count = u32::try_from(number % 5).expect("small");
    let head = BatchHead { count, time_ns: number, epoch: 0 };
    journal.append(&mut buffer, head).expect("appended").first_sequence
}

#[test]
fn many_segments_are_prepared_ahead_and_all_is_found_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut journal = Journal::create(storage(directory.path()), options(), LINEAGE).expect("created");
    let mut sequences = Vec::new();
    for number in 0..300 {
        sequences.push(append(&mut journal, number));
        if number % 7 == 0 {
            let durable = journal.sync().expect("synced");
            assert!(durable.covers(sequences[sequences.len() - 1]));
        }
    }
    journal.append_mark().expect("marked");
    let (next_sequence, chain_digest) = (journal.next_sequence(), journal.chain_digest());
    drop(journal);

    let mut number = 0;
    let (journal, report) = Journal::open(storage(directory.path()), options(), |batch| {
        assert_eq!(batch.first_sequence, sequences[usize::try_from(number).expect("small")]);
        assert_eq!(batch.payload, payload(number));
        assert_eq!(batch.payload_format, 3);
        number += 1;
        Ok(())
    })
    .expect("opened");
    assert_eq!((report.batches, report.torn), (300, None));
    assert!(report.segments > 10, "{report:?}");
    assert_eq!((journal.next_sequence(), journal.chain_digest()), (next_sequence, chain_digest));
}

#[test]
fn a_reader_finds_every_number_in_any_order_while_the_writer_goes_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut journal = Journal::create(storage(directory.path()), options(), LINEAGE).expect("created");
    let mut reader = JournalReader::open(storage(directory.path())).expect("a reader");
    let mut starts = Vec::new();
    for number in 0..200 {
        starts.push((append(&mut journal, number), number));
        journal.sync().expect("synced");
        let (first_sequence, number) = starts[starts.len() - 1];
        assert_eq!(reader.read(first_sequence).expect("just written").payload, payload(number));
        // Somewhere far back, and on from there.
        let back = usize::try_from(number * 7_919 % (number + 1)).expect("small");
        for (first_sequence, number) in &starts[back..starts.len().min(back + 3)] {
            let batch = reader.read(first_sequence + number % 5).expect("an entry of it");
            assert_eq!((batch.first_sequence, batch.payload), (*first_sequence, payload(*number).as_slice()));
        }
    }
    let next = journal.next_sequence();
    assert_eq!(reader.read(next), Err(JournalFault::NotFound { sequence: next }));
    assert_eq!(reader.read(0), Err(JournalFault::NotFound { sequence: 0 }));
}

#[test]
fn a_journal_has_one_writer_and_any_number_of_scans() {
    let directory = tempfile::tempdir().expect("a directory");
    let named = directory.path().display().to_string();
    assert_eq!(
        Journal::open(storage(directory.path()), options(), |_| Ok(())).err(),
        Some(JournalFault::Absent { directory: named.clone() })
    );
    let mut journal = Journal::create(storage(directory.path()), options(), LINEAGE).expect("created");
    append(&mut journal, 1);
    journal.sync().expect("synced");
    assert_eq!(
        Journal::open(storage(directory.path()), options(), |_| Ok(())).err(),
        Some(JournalFault::Locked { directory: named.clone() })
    );
    assert_eq!(scan(&storage(directory.path()), |_| Ok(())).expect("scanned").batches, 1);
    drop(journal);
    assert_eq!(
        Journal::create(storage(directory.path()), options(), LINEAGE).err(),
        Some(JournalFault::Present { directory: named })
    );
}

#[test]
fn a_torn_tail_on_a_real_disk_is_cut_and_zeroed() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut journal = Journal::create(storage(directory.path()), options(), LINEAGE).expect("created");
    append(&mut journal, 1);
    append(&mut journal, 200);
    let end = journal.sync().expect("synced").through_sequence();
    drop(journal);

    let path = directory.path().join(segment_name(1));
    let mut bytes = std::fs::read(&path).expect("the segment");
    bytes[8_192 + 3_000] ^= 1;
    std::fs::write(&path, &bytes).expect("written");
    let (journal, report) = Journal::open(storage(directory.path()), options(), |_| Ok(())).expect("opened");
    let torn = report.torn.expect("a torn tail");
    assert_eq!((torn.position.segment, torn.position.offset), (1, 8_192));
    assert!(!journal.durable().covers(end), "the second batch is gone, and it is said");
    drop(journal);
    assert!(std::fs::read(&path).expect("the segment")[8_192..].iter().all(|byte| *byte == 0));
}

#[test]
fn a_directory_is_made_with_its_parents() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("data").join("journal");
    let journal = Journal::create(DiskStorage::create(&path).expect("made"), options(), LINEAGE).expect("created");
    assert_eq!(journal.next_sequence(), 1);
    assert!(path.join(segment_name(1)).is_file());
}

/// Beside a writer and a reader that go on; then the log is ended in a compressed segment.
#[test]
fn segments_are_compressed_and_archived_beside_the_writer() {
    let directory = tempfile::tempdir().expect("a directory");
    let there = tempfile::tempdir().expect("a directory");
    let (here, archive) = (storage(directory.path()), storage(there.path()));
    let mut journal = Journal::create(here.clone(), options(), LINEAGE).expect("created");
    let mut reader = JournalReader::open_with_archive(here.clone(), archive.clone()).expect("a reader");
    let policy = RetentionPolicy { plain_min: 1, archives: true, closed_here_min: 4, archived_max: None };
    let (mut starts, mut places) = (Vec::new(), Vec::new());
    for number in 0..200 {
        starts.push(append(&mut journal, number));
        journal.sync().expect("synced");
        places.push(journal.place());
        if number % 20 == 19 {
            let listed = |storage| list_segments(storage).expect("listed");
            let followed_through = [journal.durable().through_sequence()];
            let plan = policy.plan(&listed(&here), &listed(&archive), &followed_through);
            plan.carry_out(&here, Some(&archive)).expect("carried out");
            for (start, number) in starts.iter().zip(0..).step_by(3) {
                assert_eq!(reader.read(*start).expect("somewhere").payload, payload(number));
            }
        }
    }
    let report = scan_with_archive(&here, &archive, None, |_| Ok(())).expect("one log");
    assert_eq!((report.batches, report.chain_digest), (200, journal.chain_digest()));

    let listed = list_segments(&here).expect("listed");
    assert!(listed.len() > 4 && listed[0].form == ledger::journal::SegmentForm::Compressed, "{listed:?}");
    let kept =
        places.iter().rposition(|place| place.position.segment == listed[1].first_sequence).expect("a batch there");
    journal.truncate_after(places[kept].next_sequence - 1).expect("truncated");
    assert_eq!(journal.place(), places[kept]);
    let last = append(&mut journal, 277);
    journal.append_mark().expect("marked");
    drop(journal);
    let opened = Journal::open_after(here, options(), Some(places[kept]), |batch| {
        assert_eq!((batch.first_sequence, batch.payload), (last, payload(277).as_slice()));
        Ok(())
    });
    assert_eq!(opened.expect("opened").1.batches, 1);
}
