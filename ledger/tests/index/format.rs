//! The bytes on disk are those of `docs/formats/index.md`: read by the reader made by hand.

use ledger::index::IndexOptions;
use ledger::journal::faulty::FaultyStorage;

use crate::hand::{chunks, filter_holds, hash, sections, u16_at, u32_at, u64_at};
use crate::owner::{LINEAGE, OPTIONS, Owner, TestBatch, TestRecord, key};

const RECORDS: u64 = 3_000;
/// With it the first runs' keys get a file each, and are merged.
const FEW: u32 = 1;
/// With it they are written into one file.
const MANY: u32 = 3_007;

/// Four runs: a large one with a hot group of several chunks; a small one, joined with one without records; another small one.
/// The keys of the first three are in one file; those of the last one are in none.
fn written(keys_in_memory: u32) -> (FaultyStorage, Vec<TestRecord>) {
    let record = |number: u64| TestRecord {
        sequence: number + 11,
        time_ns: number * 2,
        key: if number.is_multiple_of(3) { 0 } else { number },
        groups: [5, u32::try_from(number % 100).expect("small") * 1_000],
        amount: 1,
    };
    let batch = |numbers: core::ops::Range<u64>| {
        let (through, time_ns) = (numbers.end + 10, numbers.end * 2);
        TestBatch { records: numbers.map(record).collect(), through, time_ns }
    };
    let mut owner = Owner { batches: vec![batch(0..RECORDS), batch(RECORDS..RECORDS + 7)] };
    let storage = FaultyStorage::new(1);
    let (mut index, mut book, _) =
        owner.open(&storage, IndexOptions { keys_in_memory, ..OPTIONS }).expect("nothing fails");
    index.cut(3_017, 6_014).expect("nothing fails");
    index.cut(3_018, 6_014).expect("nothing fails");
    let last = TestBatch { through: 3_025, ..batch(RECORDS + 8..RECORDS + 10) };
    book.apply(&mut index, &last).expect("nothing fails");
    owner.batches.push(last);
    index.cut(3_025, 6_020).expect("nothing fails");
    (storage, owner.records())
}

#[test]
fn the_footer_is_as_documented() {
    for (keys_in_memory, tier) in [(FEW, 1), (MANY, 0)] {
        check_footers(&written(keys_in_memory).0, tier);
    }
}

fn check_footers(storage: &FaultyStorage, keys_tier: u32) {
    for (name, kind, runs, span, items, tier, seed) in [
        ("0000000001-0000000001.records", 1, (1, 1), (0, 3_000, 0, 3_010), 3_000, 0, 0),
        ("0000000002-0000000003.records", 1, (2, 3), (3_000, 7, 3_010, 3_018), 7, 0, 0),
        ("0000000004-0000000004.records", 1, (4, 4), (3_007, 2, 3_018, 3_025), 2, 0, 0),
        ("0000000001-0000000003.keys", 2, (1, 3), (0, 3_007, 0, 3_018), 2_004, keys_tier, OPTIONS.seed),
    ] {
        let file = storage.file(name).expect(name);
        let footer = sections(name, &file).footer;
        assert_eq!(&footer[..8], b"CLSPNIDX");
        assert_eq!((u16_at(footer, 8), u16_at(footer, 10), u32_at(footer, 12)), (0, kind, 7), "{name}");
        assert_eq!(footer[16..32], LINEAGE.0);
        assert_eq!((u32_at(footer, 32), u32_at(footer, 36)), runs, "{name}");
        let numbers = (u64_at(footer, 40), u64_at(footer, 48), u64_at(footer, 56), u64_at(footer, 64));
        assert_eq!(numbers, span, "{name}");
        assert_eq!((u32_at(footer, 80), u32_at(footer, 84), u64_at(footer, 88)), (48, tier, seed), "{name}");
        assert_eq!(u64_at(footer, 96), items, "{name}");
        assert!(footer[120..].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn records_chunks_and_tables_are_as_documented() {
    let (storage, records) = written(FEW);
    let name = "0000000001-0000000001.records";
    let file = storage.file(name).expect(name);
    let found = sections(name, &file);

    let per_block = 4_092 / 48;
    let in_files: Vec<u8> = found.items.iter().flat_map(|block| block[..per_block * 48].to_vec()).collect();
    let expected: Vec<u8> = records[..3_000].iter().flat_map(TestRecord::encode).collect();
    assert_eq!(in_files[..expected.len()], expected);
    assert!(in_files[expected.len()..].iter().all(|byte| *byte == 0));

    // Each group's chunks: all of its numbers, at most 512 a chunk, the state before the first.
    let all: Vec<_> = found.chunks.iter().flat_map(|block| chunks(block)).collect();
    assert!(all.is_sorted_by_key(|(group, _, numbers)| (*group, numbers[0])));
    for group in [5, 1_000, 99_000] {
        let of_group: Vec<_> = all.iter().filter(|chunk| chunk.0 == group).collect();
        let numbers: Vec<u64> = of_group.iter().flat_map(|chunk| chunk.2.clone()).collect();
        let expected: Vec<u64> =
            (0..).zip(&records[..3_000]).filter(|(_, record)| record.is_in(group)).map(|(number, _)| number).collect();
        assert_eq!(numbers, expected, "{group}");
        let mut count = 0_u64;
        for (_, state, numbers) in of_group {
            assert!(numbers.len() <= 512);
            assert_eq!((u64_at(state, 0), u64_at(state, 8)), (count, count), "the amounts are all 1");
            count += numbers.len() as u64;
        }
    }

    let marks = found.items.len().div_ceil(16);
    for mark in 0..marks {
        assert_eq!(u64_at(&found.table, mark * 8), records[mark * 16 * per_block].time_ns);
    }
    for (at, block) in found.chunks.iter().enumerate() {
        let first = &chunks(block)[0];
        let entry = &found.table[marks * 8 + at * 12..];
        assert_eq!((u64_at(entry, 0), u64::from(u32_at(entry, 8))), (first.0, first.2[0]));
    }
}

#[test]
fn keys_table_and_filter_are_as_documented() {
    for keys_in_memory in [FEW, MANY] {
        let (storage, records) = written(keys_in_memory);
        check_keys(&storage, &records);
    }
}

fn check_keys(storage: &FaultyStorage, records: &[TestRecord]) {
    let name = "0000000001-0000000003.keys";
    let file = storage.file(name).expect(name);
    let found = sections(name, &file);
    let mut expected: Vec<(u64, u64)> = (0..)
        .zip(&records[..3_007])
        .filter(|(_, record)| record.key > 0)
        .map(|(number, record)| (hash(OPTIONS.seed, &key(record.key)), number))
        .collect();
    expected.sort_unstable();
    let entries: Vec<(u64, u64)> = found
        .items
        .iter()
        .flat_map(|block| block[..255 * 16].chunks_exact(16))
        .map(|entry| (u64_at(entry, 0), u64_at(entry, 8)))
        .collect();
    assert_eq!(entries[..expected.len()], expected);
    assert!(entries[expected.len()..].iter().all(|entry| *entry == (0, 0)));
    for (block, first) in expected.iter().step_by(255).enumerate() {
        assert_eq!(u64_at(&found.table, block * 8), first.0);
    }
    assert!(expected.iter().all(|(hash, _)| filter_holds(&found.filter, *hash)));
    let wrongly =
        (10_000..20_000).filter(|number| filter_holds(&found.filter, hash(OPTIONS.seed, &key(*number)))).count();
    assert!(wrongly < 30, "{wrongly} of 10,000");
}
