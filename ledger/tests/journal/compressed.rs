//! Compressed segments: the same log in fewer bytes, in whichever form each segment stands, after a crash at any moment too.

use ledger::journal::faulty::{FaultPlan, FaultyStorage};
use ledger::journal::{
    BatchHead, Damage, Journal, JournalFault, JournalOptions, JournalPlace, JournalReader, Lineage, Preparation,
    RecordBuffer, ScanReport, SegmentForm, compress, compressed_segment_name, list_segments, scan, scan_after,
    segment_name,
};

use crate::hand::{BLOCK, LINEAGE, birth, segment};

const FRAME: usize = 256 << 10;

const SMALL: JournalOptions =
    JournalOptions { segment_bytes: 4 * 4_096, payload_format: 9, preparation: Preparation::WhenNeeded };

/// Three frames, the last of them of one block.
const LARGE: JournalOptions = JournalOptions {
    segment_bytes: (2 * FRAME + BLOCK) as u64,
    payload_format: 9,
    preparation: Preparation::WhenNeeded,
};

pub(crate) struct Written {
    pub(crate) storage: FaultyStorage,
    pub(crate) places: Vec<JournalPlace>,
    pub(crate) end: u64,
}

/// Batches of many sizes, some of them larger than a frame; half of each payload looks random, as what is sealed does.
pub(crate) fn written(options: JournalOptions, batches: u64) -> Written {
    let storage = FaultyStorage::new(1);
    let mut journal = Journal::create(storage.clone(), options, Lineage(LINEAGE)).expect("created");
    let bytes_max = usize::try_from(journal.batch_bytes_max()).expect("small");
    let (mut places, mut buffer) = (Vec::new(), RecordBuffer::default());
    for number in 0..batches {
        buffer.clear();
        let bytes = [10, 3_000, bytes_max / 3, 0, bytes_max, 5_000][usize::try_from(number % 6).expect("small")];
        let mut hash = blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof();
        let mut payload = vec![0; bytes];
        hash.fill(&mut payload[..bytes / 2]);
        buffer.extend_from_slice(&payload);
        journal.append(&mut buffer, BatchHead { count: 1, time_ns: number, epoch: 0 }).expect("appended");
        journal.sync().expect("synced");
        places.push(journal.place());
    }
    journal.append_mark().expect("marked");
    let end = journal.next_sequence();
    Written { storage, places, end }
}

/// All numbers of closed segments.
pub(crate) fn closed(storage: &FaultyStorage) -> Vec<u64> {
    let mut all: Vec<u64> =
        list_segments(storage).expect("listed").iter().map(|segment| segment.first_sequence).collect();
    all.pop();
    all
}

fn compress_all(storage: &FaultyStorage) {
    for first_sequence in closed(storage) {
        compress(storage, first_sequence).expect("compressed");
    }
}

/// A scan's report and a digest of everything it showed.
pub(crate) fn all_of(storage: &FaultyStorage) -> (ScanReport, blake3::Hash) {
    let mut digest = blake3::Hasher::new();
    let report = scan(storage, |batch| {
        digest.update(&batch.first_sequence.to_le_bytes()).update(batch.payload);
        Ok(())
    });
    (report.expect("a log that is not damaged"), digest.finalize())
}

#[test]
fn everything_that_reads_a_log_reads_a_compressed_one() {
    for (options, batches) in [(SMALL, 40), (LARGE, 20)] {
        let Written { storage, places, end } = written(options, batches);
        let plain = storage.copy(1);
        let before = all_of(&storage);
        assert!(before.0.segments > 5, "{:?}", before.0);
        compress_all(&storage);
        let segments = list_segments(&storage).expect("listed");
        let (last, compressed) = segments.split_last().expect("some");
        assert_eq!(last.form, SegmentForm::Plain);
        assert!(compressed.iter().all(|segment| segment.form == SegmentForm::Compressed));
        assert!(compressed.iter().all(|segment| segment.file_bytes < options.segment_bytes * 2 / 3), "{segments:?}");
        assert_eq!(storage.file(&segment_name(1)), None);

        assert_eq!(all_of(&storage), before);
        for place in &places {
            let from_place = |storage| scan_after(storage, Some(*place), |_| Ok(())).expect("a place of this log");
            assert_eq!(from_place(&storage), from_place(&plain));
        }
        let (mut compressed, mut plain) = (reader(&storage), reader(&plain));
        for step in 0..3 * end {
            let sequence = step * 7 % end;
            assert_eq!(compressed.read(sequence), plain.read(sequence));
        }
        let (journal, report) = Journal::open(storage.clone(), options, |_| Ok(())).expect("opened");
        assert_eq!((report, journal.next_sequence()), (before.0, end));
    }
}

fn reader(storage: &FaultyStorage) -> JournalReader<FaultyStorage> {
    JournalReader::open(storage.clone()).expect("a reader")
}

#[test]
fn a_compressed_segment_is_what_the_document_says() {
    let Written { storage, .. } = written(LARGE, 8);
    let plain = storage.file(&segment_name(1)).expect("the segment");
    compress(&storage, 1).expect("compressed");
    let file = storage.file(&compressed_segment_name(1)).expect("the compressed segment");
    assert_eq!(zstd::stream::decode_all(file.as_slice()).expect("a Zstandard file"), plain);

    let frames = 3;
    let header_bytes = 48 + frames * 8 + 4;
    let mut expected = 0x184d_2a50_u32.to_le_bytes().to_vec();
    expected.extend(u32::try_from(header_bytes - 8).expect("small").to_le_bytes());
    expected.extend(b"CLSPJZST\0\0\0\0");
    expected.extend(262_144_u32.to_le_bytes());
    expected.extend(1_u64.to_le_bytes());
    expected.extend((plain.len() as u64).to_le_bytes());
    expected.extend((file.len() as u64).to_le_bytes());
    assert_eq!(file[..48], expected);
    let mut at = header_bytes;
    for frame in 0..frames {
        let entry = &file[48 + frame * 8..][..8];
        let bytes = u32::from_le_bytes(entry[..4].try_into().expect("four")) as usize;
        let compressed = &file[at..at + bytes];
        assert_eq!(entry[4..], crc32c::crc32c(compressed).to_le_bytes());
        let decompressed = zstd::stream::decode_all(compressed).expect("a frame by itself");
        assert_eq!(decompressed, plain[frame * FRAME..plain.len().min((frame + 1) * FRAME)]);
        at += bytes;
    }
    assert_eq!(at, file.len());
    assert_eq!(file[header_bytes - 4..header_bytes], crc32c::crc32c(&file[..header_bytes - 4]).to_le_bytes());
}

#[test]
fn only_closed_segments_are_compressed_and_only_once() {
    let Written { storage, .. } = written(SMALL, 10);
    let last = list_segments(&storage).expect("listed").pop().expect("the last").first_sequence;
    for first_sequence in [0, 2, last, last + 2] {
        let fault = JournalFault::NotClosed { directory: "memory/.".to_owned(), first_sequence };
        assert_eq!(compress(&storage, first_sequence), Err(fault));
    }
    let once = compress(&storage, 1).expect("compressed");
    let operations = storage.operations();
    assert_eq!((compress(&storage, 1), storage.operations()), (Ok(once), operations));
}

#[test]
fn a_damaged_segment_is_refused_and_stays_as_it_is() {
    let Written { storage, .. } = written(SMALL, 10);
    storage.flip(&segment_name(1), BLOCK + 200, 3);
    let before = storage.file(&segment_name(1));
    let path = format!("memory/{}", segment_name(1));
    let fault = JournalFault::Damaged { path, offset: 4_096, reason: Damage::Padding };
    assert_eq!(compress(&storage, 1), Err(fault));
    assert_eq!(storage.file(&segment_name(1)), before);
    assert_eq!(storage.file(&compressed_segment_name(1)), None);
}

#[test]
fn a_crash_at_every_operation_leaves_a_whole_form() {
    for (options, batches, seeds) in [(SMALL, 10, 30), (LARGE, 6, 4)] {
        let original = written(options, batches).storage;
        let before = all_of(&original);
        for operation in 1.. {
            let mut is_over = false;
            for seed in 0..seeds {
                let storage = original.copy(seed);
                let crash_at_operation = Some(storage.operations() + operation);
                storage.set_plan(FaultPlan { crash_at_operation, ..FaultPlan::default() });
                is_over = compress(&storage, 1).is_ok();
                match seed % 3 {
                    0 => storage.kill(),
                    _ => storage.cut_power(),
                }
                assert_eq!(all_of(&storage), before, "operation {operation}, seed {seed}");
                let again = storage.copy(seed);
                compress(&again, 1).expect("compressed");
                assert_eq!((again.file(&segment_name(1)), again.file("segment.preparing")), (None, None));
                assert_eq!(all_of(&again), before);
                drop(Journal::open(storage.clone(), options, |_| Ok(())).expect("opened"));
                assert_eq!(storage.file("segment.preparing"), None);
            }
            if is_over {
                assert!(operation > 8, "{operation}");
                break;
            }
        }
    }
}

#[test]
fn a_full_disk_and_a_failed_sync_leave_the_plain_form() {
    let original = written(SMALL, 10).storage;
    let before = all_of(&original);
    for space_bytes in [0, 1, 60, 61, 300] {
        let storage = original.copy(1);
        storage.set_plan(FaultPlan { space_bytes: Some(space_bytes), ..FaultPlan::default() });
        let fault = compress(&storage, 1).expect_err("full");
        assert_eq!(fault, JournalFault::DiskFull { directory: "memory/.".to_owned() });
        assert_eq!(all_of(&storage), before);
    }
    for seed in 0..20 {
        let storage = original.copy(seed);
        storage.set_plan(FaultPlan { sync_fails_at: Some(storage.syncs() + 1), ..FaultPlan::default() });
        let fault = compress(&storage, 1).expect_err("a sync fails");
        assert!(matches!(fault, JournalFault::Io { operation: "sync", .. }), "{fault}");
        storage.cut_power();
        assert_eq!(all_of(&storage), before);
    }
}

/// Any bit of the file: found, and named with the file and the place in it.
#[test]
fn a_flipped_bit_in_a_compressed_segment_is_damage_at_its_frame() {
    let storage = FaultyStorage::new(1);
    let first = birth().next_batch((1, 4_096), 1, b"first");
    let second = first.next_batch((3, 0), 1, b"second");
    storage.put(&segment_name(1), &segment(&[&birth(), &first], 4 * BLOCK));
    storage.put(&segment_name(3), &segment(&[&second], 4 * BLOCK));
    compress(&storage, 1).expect("compressed");
    let name = compressed_segment_name(1);
    let bytes = storage.file(&name).expect("the compressed segment").len();
    let header_bytes = 48 + 8 + 4;
    for byte in 0..bytes {
        for bit in 0..8 {
            storage.flip(&name, byte, bit);
            let expected = match byte {
                16 | 17 => (0, Damage::Version { version: 1 << (usize::from(bit) + (byte - 16) * 8) }),
                _ if byte < header_bytes => (0, Damage::CompressedHeader),
                _ => (header_bytes as u64, Damage::CompressedFrame),
            };
            let fault = scan(&storage, |_| Ok(())).expect_err("damage");
            let (offset, reason) = expected;
            assert_eq!(fault, JournalFault::Damaged { path: format!("memory/{name}"), offset, reason });
            assert_eq!(reader(&storage).read(1), Err(fault));
            storage.flip(&name, byte, bit);
        }
    }
    // Cut short, or with something behind it.
    let whole = storage.file(&name).expect("the compressed segment");
    for bytes in [&whole[..0], &whole[..47], &whole[..59], &whole[..whole.len() - 1], &[&whole[..], &[0]].concat()] {
        storage.put(&name, bytes);
        let fault = scan(&storage, |_| Ok(())).expect_err("damage");
        assert!(matches!(fault, JournalFault::Damaged { reason: Damage::CompressedHeader, .. }), "{fault}");
    }
}

#[test]
fn of_two_forms_the_plain_one_is_read_and_the_last_segment_has_one_only() {
    let Written { storage, .. } = written(SMALL, 10);
    let before = all_of(&storage);
    storage.put(&compressed_segment_name(1), b"of no use");
    let last = list_segments(&storage).expect("listed").pop().expect("the last").first_sequence;
    storage.put(&compressed_segment_name(last), b"of no use");
    assert_eq!(all_of(&storage), before);
    drop(Journal::open(storage.clone(), SMALL, |_| Ok(())).expect("opened"));
    assert_eq!(storage.file(&compressed_segment_name(last)), None);
    assert!(storage.file(&compressed_segment_name(1)).is_some(), "closed segments are left to who compresses");

    // The last one compressed, as a crash while the log was ended earlier can leave it.
    compress(&storage, 1).expect("compressed");
    for first_sequence in list_segments(&storage).expect("listed").iter().skip(1).map(|s| s.first_sequence) {
        storage.take(&segment_name(first_sequence));
    }
    let left = all_of(&storage);
    assert_eq!(left.0.segments, 1);
    let (mut journal, report) = Journal::open(storage.clone(), SMALL, |_| Ok(())).expect("opened");
    assert_eq!(report, left.0);
    assert_eq!(storage.file(&compressed_segment_name(1)), None);
    let head = BatchHead { count: 0, time_ns: report.last_time_ns, epoch: 0 };
    journal.append(&mut RecordBuffer::default(), head).expect("appended");
    journal.append_mark().expect("marked");
    assert_eq!(all_of(&storage).0.batches, report.batches + 1);
}

/// A reader that has a segment open, or listed, goes on when the segment is compressed under it.
#[test]
fn a_reader_does_not_notice() {
    let Written { storage, end, .. } = written(SMALL, 20);
    let mut reader = reader(&storage);
    let plain: Vec<Vec<u8>> = (1..end).map(|sequence| reader.read(sequence).expect("there").payload.to_vec()).collect();
    for first_sequence in closed(&storage) {
        reader.read(first_sequence).expect("open");
        compress(&storage, first_sequence).expect("compressed");
        let index = usize::try_from(first_sequence).expect("small");
        assert_eq!(reader.read(first_sequence + 1).expect("there").payload, plain[index]);
    }
    for (sequence, payload) in (1..end).zip(&plain) {
        assert_eq!(reader.read(sequence).expect("there").payload, payload);
    }
}
