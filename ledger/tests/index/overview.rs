//! One filter over all files of keys: made in steps beside everything else, it never denies a key that is there, grows with the files, and is made
//! anew when the index is opened.

use ledger::index::{Index, IndexOptions, IndexWork};
use ledger::journal::faulty::FaultyStorage;

use crate::owner::{LINEAGE, OPTIONS, TestIndex, TestRecord, TestSchema, key};

/// Sixteen keys a file at least, and merges that go on beside the overview.
const IN_PORTIONS: IndexOptions =
    IndexOptions { run_records: 16, keys_in_memory: 16, merge_fan_in: 4, work: IndexWork::Portions, ..OPTIONS };

fn push(index: &mut TestIndex, number: u64) {
    let record = TestRecord { sequence: number, time_ns: number, key: number, groups: [0, 0], amount: 1 };
    index.push(&record.encode());
    index.end_batch(number, number).expect("nothing fails");
}

fn check_held(index: &mut TestIndex) {
    let covered: Vec<[u8; 16]> = (1..=index.covered_through()).map(key).collect();
    let mut answers = Vec::new();
    index.may_hold_each(&covered, &mut answers);
    assert!(answers.iter().all(|held| *held), "{answers:?}");
    assert!(covered.iter().all(|key| index.may_hold(key)));
}

#[test]
fn no_key_is_denied_at_any_step_of_its_making_and_of_its_growth() {
    let storage = FaultyStorage::new(1);
    let (mut index, _) = TestIndex::open(storage.clone(), LINEAGE, IN_PORTIONS).expect("opened");
    let mut pace = 7_u64;
    for number in 1..=4_000 {
        push(&mut index, number);
        // At every pace from none to more than enough, so that files come at each moment of an overview's making.
        pace = pace.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        for _ in 0..if number % 4 == 0 { pace >> 62 } else { 0 } {
            index.work().expect("nothing fails");
            index.look().expect("nothing fails");
            check_held(&mut index);
        }
    }
    while index.work().expect("nothing fails") {}
    index.look().expect("nothing fails");
    assert!(index.has_overview() && index.keys_files() > 1, "{} files", index.keys_files());
    check_held(&mut index);
    drop(index);

    let (mut index, report) = TestIndex::open(storage, LINEAGE, IN_PORTIONS).expect("opened");
    assert!(report.keys_files > 1 && !index.has_overview(), "{report:?}");
    check_held(&mut index);
    for _ in 0..10_000 {
        let has_worked = index.work().expect("nothing fails");
        index.look().expect("nothing fails");
        check_held(&mut index);
        if !has_worked {
            break;
        }
    }
    assert!(index.has_overview());
}

/// As large as its keys ask for, and no larger: a new one comes with twice the keys. It takes several portions to fill, and files are published between them.
#[test]
fn it_grows_with_the_keys_and_denies_nearly_all_others() {
    const RECORDS: u64 = 300_000;
    let options = IndexOptions {
        run_records: 4_096,
        keys_in_memory: 4_096,
        work: IndexWork::Portions,
        ..IndexOptions::default()
    };
    let (mut index, _) = Index::<_, TestSchema>::open(FaultyStorage::new(1), LINEAGE, options).expect("opened");
    let (mut asked, mut let_through) = (0, 0);
    let mut pace = 7_u64;
    for number in 1..=RECORDS {
        push(&mut index, number);
        pace = pace.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        for _ in 0..if number % 1_024 == 0 { pace >> 62 } else { 0 } {
            index.work().expect("nothing fails");
        }
        if number % 10_000 == 0 && index.has_overview() {
            check_held(&mut index);
            let unknown: Vec<[u8; 16]> = (RECORDS + 1..RECORDS + 2_000).map(key).collect();
            asked += unknown.len();
            let_through += unknown.iter().filter(|key| index.may_hold(key)).count();
            // Filters of 20 bits a key, an overview of at most 16, tables, and the newest keys, which wait until they are written.
            let bound = usize::try_from(number * (20 + 16) / 8).expect("small") + 8 * 4_096 * 20;
            assert!(index.memory_bytes() < bound, "{} with {number} keys", index.memory_bytes());
        }
    }
    assert!(asked > 50_000 && let_through * 500 < asked, "{let_through} of {asked}");
}
