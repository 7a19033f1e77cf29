//! Random lives of an index, against an owner that looks at all records.

use ledger::index::{GroupQuery, IndexOptions, IndexWork, TimeQuery};
use ledger::journal::faulty::FaultyStorage;
use proptest::prelude::*;

use crate::owner::{Book, OPTIONS, Owner, TestBatch, TestIndex, TestRecord, key};

#[derive(Clone, Debug)]
enum Step {
    /// A batch: for each record key, groups, amount, and by how much time goes on.
    Batch(Vec<(u64, [u32; 2], u64, u64)>),
    Cut,
    /// Drops the index, opens it, and replays everything.
    Reopen,
    /// The same, but replays only what is behind some batch that is covered.
    ReopenBehindSnapshot(usize),
    PowerCut,
    Find(u64),
    GroupPage(GroupQuery),
    TimePage(TimeQuery),
    StateAt(u64, u64),
    Seek(u64, u64),
}

const KEYS: u64 = 400;
const GROUPS: u32 = 6;
const TIMES: u64 = 250;

fn step() -> impl Strategy<Value = Step> {
    // Group 1 is hot: with it a run has several chunks.
    let group = || prop_oneof![Just(1), 0..GROUPS];
    let record = (0..KEYS, [group(), group()], 1..10_u64, prop_oneof![3 => Just(0), 1 => 1..4_u64]);
    let query = || (0..GROUPS + 1, 0..500_u64, 0..TIMES, 0..TIMES * 2, 0..12_usize);
    let group_query = query().prop_map(|(group, from_record, from_ns, until_ns, records_max)| GroupQuery {
        group: u64::from(group),
        from_record,
        from_ns,
        until_ns,
        records_max,
    });
    let time_query = query().prop_map(|(_, from_record, from_ns, until_ns, records_max)| TimeQuery {
        from_record,
        from_ns,
        until_ns,
        records_max,
    });
    prop_oneof![
        8 => prop::collection::vec(record, 0..9).prop_map(Step::Batch),
        1 => Just(Step::Cut),
        1 => Just(Step::Reopen),
        1 => (0..1_000_usize).prop_map(Step::ReopenBehindSnapshot),
        1 => Just(Step::PowerCut),
        3 => (0..KEYS).prop_map(Step::Find),
        3 => group_query.prop_map(Step::GroupPage),
        3 => time_query.prop_map(Step::TimePage),
        3 => (0..u64::from(GROUPS) + 1, 0..TIMES).prop_map(|(group, time)| Step::StateAt(group, time)),
        3 => (0..u64::from(GROUPS) + 1, 1..1_500_u64).prop_map(|(group, sum)| Step::Seek(group, sum)),
    ]
}

struct Life {
    storage: FaultyStorage,
    options: IndexOptions,
    owner: Owner,
    /// The index, and the book that feeds it; away while it is opened anew.
    open: Option<(TestIndex, Book)>,
}

impl Life {
    fn begin(options: IndexOptions) -> Life {
        let (storage, owner) = (FaultyStorage::new(1), Owner::default());
        let (index, book, _) = owner.open(&storage, options).expect("nothing fails");
        Life { storage, options, owner, open: Some((index, book)) }
    }

    fn index(&self) -> &TestIndex {
        &self.open.as_ref().expect("it is open").0
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Batch(records) => self.apply(records),
            Step::Cut => {
                let (index, _) = self.open.as_mut().expect("it is open");
                let (through, time_ns) = self.owner.last();
                index.cut(through, time_ns).expect("nothing fails");
                index.wait_covered(through).expect("nothing fails");
                assert_eq!(index.covered_through(), through);
            }
            Step::Reopen => self.reopen(),
            Step::PowerCut => {
                self.open = None;
                self.storage.cut_power();
                self.reopen();
            }
            Step::ReopenBehindSnapshot(pick) => {
                let covered = self.index().covered_through();
                let usable = self.owner.batches.partition_point(|batch| batch.through <= covered);
                self.open = None;
                let opened = self.owner.open_behind_snapshot(&self.storage, self.options, pick % (usable + 1));
                self.open = Some(opened.expect("nothing fails"));
            }
            question => self.ask(question),
        }
    }

    fn apply(&mut self, records: &[(u64, [u32; 2], u64, u64)]) {
        let (mut sequence, mut time_ns) = self.owner.last();
        sequence += 1;
        let records = records.iter().map(|(key, groups, amount, later)| {
            sequence += 1;
            time_ns += later;
            TestRecord { sequence, time_ns, key: *key, groups: *groups, amount: *amount }
        });
        let records = records.collect();
        let batch = TestBatch { records, through: sequence, time_ns };
        let (index, book) = self.open.as_mut().expect("it is open");
        book.apply(index, &batch).expect("nothing fails");
        self.owner.batches.push(batch);
    }

    fn reopen(&mut self) {
        let covered = self.open.take().map_or(0, |(index, _)| index.covered_through());
        let (index, book, report) = self.owner.open(&self.storage, self.options).expect("nothing fails");
        assert!(report.covered_through >= covered, "what was covered stays so");
        self.open = Some((index, book));
    }

    fn ask(&self, question: &Step) {
        let (index, owner) = (self.index(), &self.owner);
        let reader = index.reader();
        let is_all_in_files = reader.covered_through() == owner.last().0;
        match question {
            Step::Find(number) => {
                let expected = owner.find(*number);
                assert_eq!(index.find(&key(*number)), Ok(expected.clone()));
                if is_all_in_files {
                    assert_eq!(reader.find(&key(*number)), Ok(expected.clone()));
                    assert!(expected.is_none() || reader.may_hold(&key(*number)));
                }
            }
            Step::GroupPage(query) => {
                assert_eq!(index.group_page(query), Ok(owner.group_page(query)));
                if is_all_in_files {
                    assert_eq!(reader.group_page(query), Ok(owner.group_page(query)));
                }
            }
            Step::TimePage(query) => assert_eq!(index.time_page(query), Ok(owner.time_page(query))),
            Step::StateAt(group, time_ns) => {
                assert_eq!(index.group_state_at(*group, *time_ns), Ok(owner.group_state_at(*group, *time_ns)));
            }
            Step::Seek(group, sum) => {
                assert_eq!(index.group_seek(*group, |state| state.sum >= *sum), Ok(owner.group_seek(*group, *sum)));
            }
            _ => unreachable!("no question"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn it_answers_as_the_naive_one_does(
        steps in prop::collection::vec(step(), 1..120),
        run_records in 1..40_u32,
        keys_in_memory in 1..150_u32,
        merge_fan_in in 2..5_usize,
        work in prop::sample::select(vec![IndexWork::Beside, IndexWork::Inline, IndexWork::Portions]),
    ) {
        let mut life = Life::begin(IndexOptions { run_records, keys_in_memory, merge_fan_in, work, ..OPTIONS });
        steps.iter().for_each(|step| life.take(step));
    }
}

/// A group that has all records of a run: several chunks, each with its own state.
#[test]
fn a_hot_group_is_answered_from_any_place() {
    let mut life = Life::begin(IndexOptions { run_records: 3_000, ..OPTIONS });
    for round in 0..40_u64 {
        let records: Vec<_> =
            (0..100).map(|place| (round * 100 + place + 1, [1, 2 + (place % 3) as u32], place, place % 2)).collect();
        life.apply(&records);
    }
    for time_ns in (0..2_100).step_by(97) {
        life.ask(&Step::StateAt(1, time_ns));
    }
    for from_record in (0..4_000).step_by(331) {
        life.ask(&Step::GroupPage(GroupQuery { from_record, records_max: 700, ..GroupQuery::all(1) }));
        life.ask(&Step::TimePage(TimeQuery { from_record, records_max: 700, ..TimeQuery::ALL }));
    }
    for sum in (1..220_000).step_by(9_973) {
        life.ask(&Step::Seek(1, sum));
    }
}
