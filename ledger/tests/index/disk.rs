//! Real files, the thread that writes them, and other threads that ask meanwhile.

use std::collections::BTreeSet;

use ledger::index::{GroupQuery, Index, IndexFault, IndexOptions, IndexReader, IndexWork, TimeQuery};
use ledger::journal::DiskStorage;
use ledger::limits::INDEX_OPEN_FILES_MAX;

use crate::owner::{LINEAGE, OPTIONS, TestRecord, TestSchema, TestState, key};
use ledger::index::IndexSchema;

const BATCHES: u64 = 400;
const BATCH_RECORDS: u64 = 50;
const DISK_OPTIONS: IndexOptions =
    IndexOptions { run_records: 200, keys_in_memory: 800, merge_fan_in: 3, work: IndexWork::Beside, ..OPTIONS };

fn record(number: u64) -> TestRecord {
    let group = u32::try_from(number % 50).expect("small") + 1;
    TestRecord { sequence: number + 1, time_ns: number, key: number + 1, groups: [group, 99], amount: 1 }
}

/// Gives batches as an owner does that knows all states by arithmetic.
fn give(index: &mut Index<DiskStorage, TestSchema>, batches: u64) -> Result<(), IndexFault> {
    let mut given = BTreeSet::new();
    for batch in 0..batches {
        let run = index.run();
        for number in batch * BATCH_RECORDS..(batch + 1) * BATCH_RECORDS {
            let bytes = record(number).encode();
            for group in TestSchema::groups(&bytes).into_iter().flatten() {
                if run > 0 && given.insert((run, group)) {
                    let count = if group == 99 { number } else { number / 50 };
                    index.push_state(group, &TestState { count, sum: count });
                }
            }
            index.push(&bytes);
        }
        let end = (batch + 1) * BATCH_RECORDS;
        index.end_batch(end, end - 1)?;
    }
    Ok(())
}

/// Asks for what is covered; all of it must be there, whatever is written, merged and removed meanwhile.
fn ask(reader: &IndexReader<DiskStorage, TestSchema>) -> u64 {
    let covered = reader.covered_through();
    for number in (0..covered).step_by(97) {
        assert!(reader.may_hold(&key(number + 1)));
        assert_eq!(reader.find(&key(number + 1)), Ok(Some(record(number).encode())), "{number}");
    }
    if covered > 0 {
        let mut answers = Vec::new();
        reader.may_hold_each(&[key(1), key(covered)], &mut answers);
        assert_eq!(answers, [true, true]);
        let page = reader.group_page(&GroupQuery { records_max: 3, ..GroupQuery::all(7) }).expect("read");
        assert_eq!((page.numbers, page.next), (vec![6, 56, 106], Some(156)));
        let state = reader.group_state_at(99, covered - 1).expect("read");
        assert_eq!(state, TestState { count: covered, sum: covered });
        assert_eq!(reader.group_seek(99, |state| state.count >= covered), Ok(Some(covered - 1)));
        let page = reader.time_page(&TimeQuery { from_ns: covered - 2, ..TimeQuery::ALL }).expect("read");
        assert!(page.records.starts_with(&record(covered - 2).encode()));
    }
    covered
}

fn open_files_of(directory: &std::path::Path) -> usize {
    let links = std::fs::read_dir("/proc/self/fd").expect("the system tells");
    links.flatten().filter(|link| std::fs::read_link(link.path()).is_ok_and(|to| to.starts_with(directory))).count()
}

#[test]
fn other_threads_ask_while_it_is_written_and_merged() {
    let directory = tempfile::tempdir().expect("a directory");
    let storage = DiskStorage::open(directory.path()).expect("opened");
    let (mut index, _) = Index::open(storage.clone(), LINEAGE, DISK_OPTIONS).expect("opened");
    let all = BATCHES * BATCH_RECORDS;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let reader = index.reader();
            scope.spawn(move || while ask(&reader) < all {});
        }
        give(&mut index, BATCHES).expect("nothing fails");
        index.cut(all, all - 1).expect("nothing fails");
        index.wait_covered(all).expect("nothing fails");
    });
    assert_eq!(index.covered_through(), all);
    assert_eq!(index.records(), all);
    // A hundred runs one after the other, and merging was not left behind.
    assert!(index.keys_files() <= 12, "{}", index.keys_files());
    // The directory itself, one file of records and of each tier being written, and what reading may hold.
    assert!(open_files_of(directory.path()) <= INDEX_OPEN_FILES_MAX + 6);

    let second = DiskStorage::open(directory.path()).expect("opened");
    let locked = Index::<_, TestSchema>::open(second, LINEAGE, DISK_OPTIONS).err().expect("it is in use");
    assert!(matches!(locked, IndexFault::Locked { .. }), "{locked}");
    drop(index);

    let verified = Index::<_, TestSchema>::verify(storage.clone(), LINEAGE).expect("in order");
    assert_eq!((verified.keys, verified.members), (all - verified.report.records_in_memory, 2 * all));
    assert!((200..1_400).contains(&verified.report.records_in_memory), "{:?}", verified.report);
    let reader = IndexReader::open(storage.clone(), LINEAGE).expect("opened");
    assert_eq!(ask(&reader), all);
    drop(reader);
    let (mut index, report) = Index::open(storage, LINEAGE, DISK_OPTIONS).expect("opened");
    assert_eq!((report.covered_through, report.without_keys), (all, 0));
    assert_eq!(index.run(), 0);
    give(&mut index, BATCHES).expect("nothing fails");
    assert_eq!(index.records(), all, "what is covered is passed over");
    assert_eq!(index.run(), report.runs + 1);
}

/// A reader that nobody writes for sees only runs that have keys, or whose keys belong into memory: it cannot miss one and say
/// "no".
#[test]
fn a_reader_that_only_reads_does_not_cover_without_keys() {
    let directory = tempfile::tempdir().expect("a directory");
    let storage = DiskStorage::open(directory.path()).expect("opened");
    let options = IndexOptions { keys_in_memory: 1, merge_fan_in: 16, work: IndexWork::Inline, ..DISK_OPTIONS };
    let (mut index, _) = Index::open(storage.clone(), LINEAGE, options).expect("opened");
    give(&mut index, 16).expect("nothing fails");
    drop(index);
    let reader = IndexReader::<_, TestSchema>::open(storage.clone(), LINEAGE).expect("opened");
    assert_eq!(ask(&reader), 800, "the keys of the newest run are made in memory");
    std::fs::remove_file(directory.path().join("0000000002-0000000002.keys")).expect("removed");
    let reader = IndexReader::<_, TestSchema>::open(storage, LINEAGE).expect("opened");
    assert_eq!(ask(&reader), 200);
}

#[test]
fn options_outside_the_limits_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    for (options, name) in [
        (IndexOptions { run_records: 0, ..OPTIONS }, "run_records of 0"),
        (IndexOptions { keys_in_memory: 0, ..OPTIONS }, "keys_in_memory of 0"),
        (IndexOptions { merge_fan_in: 1, ..OPTIONS }, "merge_fan_in of 1"),
        (IndexOptions { filter_bits_per_key: 0, ..OPTIONS }, "filter_bits_per_key of 0"),
    ] {
        let storage = DiskStorage::open(directory.path()).expect("opened");
        let fault = Index::<_, TestSchema>::open(storage, LINEAGE, options).err().expect("refused");
        let expected = format!("the index's options do not fit: {name} is not within the limits");
        assert_eq!(fault.to_string(), expected);
    }
}

/// A bug of the owner is named, not answered from.
#[test]
fn a_state_that_was_not_given_is_a_fault() {
    let storage = ledger::journal::faulty::FaultyStorage::new(1);
    let (mut index, _) = Index::<_, TestSchema>::open(storage, LINEAGE, OPTIONS).expect("opened");
    index.push(&record(0).encode());
    let missing = IndexFault::StateMissing { group: 1, run: 1 };
    assert_eq!(index.group_state_at(1, 0), Err(missing.clone()));
    assert_eq!(index.cut(1, 0), Err(missing));
}

/// The work fails while the owner goes on; the owner is told at the end of some batch, and whoever waits does not wait for ever.
#[test]
fn a_fault_of_the_work_comes_to_the_owner() {
    use ledger::journal::faulty::{FaultPlan, FaultyStorage};
    for (work, failing) in
        [IndexWork::Beside, IndexWork::Portions].into_iter().flat_map(|work| (1..12).map(move |n| (work, n)))
    {
        let options = IndexOptions { work, ..OPTIONS };
        let storage = FaultyStorage::new(failing);
        storage.set_plan(FaultPlan { sync_fails_at: Some(failing), ..FaultPlan::default() });
        let owner = crate::owner::Owner { batches: crate::owner::some_batches(40) };
        let (through, time_ns) = owner.last();
        let told = owner.open(&storage, options).and_then(|(mut index, ..)| {
            index.cut(through, time_ns)?;
            index.wait_covered(through)
        });
        assert!(matches!(told, Err(IndexFault::Io { operation: "sync", .. })), "{failing}: {told:?}");
    }
}
