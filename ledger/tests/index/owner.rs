//! An owner of an index, as a ledger is one: batches of records, states of groups, replay. It keeps everything, so it can
//! also answer every question by looking at all records.

use std::collections::BTreeMap;

use ledger::index::{
    GroupQuery, Index, IndexFault, IndexOptions, IndexReport, IndexSchema, IndexWork, Page, TimePage, TimeQuery,
};
use ledger::journal::Lineage;
use ledger::journal::faulty::FaultyStorage;

pub(crate) const LINEAGE: Lineage = Lineage(*b"lineage of tests");

/// Small runs and few parts, so that little data makes many files.
pub(crate) const OPTIONS: IndexOptions = IndexOptions {
    run_records: 8,
    keys_in_memory: 8,
    merge_fan_in: 2,
    filter_bits_per_key: 12,
    seed: 42,
    work: IndexWork::Inline,
};

/// Records of 48 bytes: sequence, time, key (zeros are none), two groups (0 is none), amount.
pub(crate) struct TestSchema;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TestState {
    pub(crate) count: u64,
    pub(crate) sum: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TestRecord {
    pub(crate) sequence: u64,
    pub(crate) time_ns: u64,
    pub(crate) key: u64,
    pub(crate) groups: [u32; 2],
    pub(crate) amount: u64,
}

impl TestRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [self.sequence, self.time_ns, self.key, 0] {
            bytes.extend(number.to_le_bytes());
        }
        self.groups.iter().for_each(|group| bytes.extend(group.to_le_bytes()));
        bytes.extend(self.amount.to_le_bytes());
        bytes
    }

    pub(crate) fn is_in(&self, group: u64) -> bool {
        self.groups.iter().any(|of| *of > 0 && u64::from(*of) == group)
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

pub(crate) fn key(number: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&number.to_le_bytes());
    key
}

impl IndexSchema for TestSchema {
    const FORMAT: u32 = 7;
    const RECORD_BYTES: usize = 48;
    type State = TestState;

    fn position(record: &[u8]) -> (u64, u64) {
        (u64_at(record, 0), u64_at(record, 8))
    }

    fn key(record: &[u8]) -> Option<[u8; 16]> {
        Some(key(u64_at(record, 16))).filter(|key| *key != [0; 16])
    }

    fn groups(record: &[u8]) -> [Option<u64>; 2] {
        let both = u64_at(record, 32);
        [both & 0xffff_ffff, both >> 32].map(|group| (group > 0).then_some(group))
    }

    fn advance(state: &mut TestState, _: u64, record: &[u8]) {
        state.count += 1;
        state.sum += u64_at(record, 40);
    }

    fn encode_state(state: &TestState, out: &mut Vec<u8>) {
        out.extend(state.count.to_le_bytes());
        out.extend(state.sum.to_le_bytes());
    }

    fn decode_state(bytes: &[u8]) -> Option<TestState> {
        (bytes.len() == 16).then(|| TestState { count: u64_at(bytes, 0), sum: u64_at(bytes, 8) })
    }
}

/// Each group of a record once.
fn groups_of(record: &[u8]) -> impl Iterator<Item = u64> {
    let [first, second] = TestSchema::groups(record);
    first.into_iter().chain(second.filter(|second| Some(*second) != first))
}

pub(crate) type TestIndex = Index<FaultyStorage, TestSchema>;

/// All records of a batch, and the sequence number and time at its end.
#[derive(Clone, Debug)]
pub(crate) struct TestBatch {
    pub(crate) records: Vec<TestRecord>,
    pub(crate) through: u64,
    pub(crate) time_ns: u64,
}

/// What the owner's journal holds.
#[derive(Clone, Default)]
pub(crate) struct Owner {
    pub(crate) batches: Vec<TestBatch>,
}

/// What the owner's book would hold: states, and in which run each group was last given.
#[derive(Clone, Default)]
pub(crate) struct Book {
    states: BTreeMap<u64, TestState>,
    given: BTreeMap<u64, u32>,
}

impl Book {
    /// Applies a batch and pushes what it makes.
    pub(crate) fn apply(&mut self, index: &mut TestIndex, batch: &TestBatch) -> Result<(), IndexFault> {
        let run = index.run();
        for record in &batch.records {
            let bytes = record.encode();
            for group in groups_of(&bytes) {
                let state = self.states.entry(group).or_default();
                if run > 0 && self.given.insert(group, run) != Some(run) {
                    index.push_state(group, state);
                }
                TestSchema::advance(state, group, &bytes);
            }
            index.push(&bytes);
        }
        index.end_batch(batch.through, batch.time_ns)
    }
}

impl Owner {
    /// Opens, then replays everything.
    pub(crate) fn open(
        &self,
        storage: &FaultyStorage,
        options: IndexOptions,
    ) -> Result<(TestIndex, Book, IndexReport), IndexFault> {
        let (mut index, report) = Index::open(storage.clone(), LINEAGE, options)?;
        let mut book = Book::default();
        for batch in &self.batches {
            book.apply(&mut index, batch)?;
        }
        Ok((index, book, report))
    }

    /// Opens, then replays what is behind a snapshot after so many batches, which the files must cover.
    pub(crate) fn open_behind_snapshot(
        &self,
        storage: &FaultyStorage,
        options: IndexOptions,
        batches: usize,
    ) -> Result<(TestIndex, Book), IndexFault> {
        let (mut index, _) = Index::open(storage.clone(), LINEAGE, options)?;
        let (before, behind) = self.batches.split_at(batches);
        let mut book = Book::default();
        for bytes in before.iter().flat_map(|batch| &batch.records).map(TestRecord::encode) {
            for group in groups_of(&bytes) {
                TestSchema::advance(book.states.entry(group).or_default(), group, &bytes);
            }
        }
        if let Some(last) = before.last() {
            assert!(last.through <= index.covered_through(), "a snapshot is used only where the index covers it");
            index.end_batch(last.through, last.time_ns)?;
        }
        for batch in behind {
            book.apply(&mut index, batch)?;
        }
        Ok((index, book))
    }

    pub(crate) fn records(&self) -> Vec<TestRecord> {
        self.batches.iter().flat_map(|batch| batch.records.iter().copied()).collect()
    }

    pub(crate) fn last(&self) -> (u64, u64) {
        self.batches.last().map_or((0, 0), |batch| (batch.through, batch.time_ns))
    }

    pub(crate) fn find(&self, number: u64) -> Option<Vec<u8>> {
        self.records().iter().rfind(|record| number > 0 && record.key == number).map(TestRecord::encode)
    }

    pub(crate) fn group_state_at(&self, group: u64, time_ns: u64) -> TestState {
        self.state_of(group, |_, record| record.time_ns <= time_ns)
    }

    pub(crate) fn group_seek(&self, group: u64, sum: u64) -> Option<u64> {
        let mut reached = 0;
        (0..).zip(self.records()).filter(|(_, record)| record.is_in(group)).find_map(|(number, record)| {
            reached += record.amount;
            (reached >= sum).then_some(number)
        })
    }

    pub(crate) fn group_page(&self, query: &GroupQuery) -> Page<TestState> {
        let is_wanted = |number: u64, record: &TestRecord| {
            number >= query.from_record && (query.from_ns..query.until_ns).contains(&record.time_ns)
        };
        let mut wanted = (0..)
            .zip(self.records())
            .filter(|(number, record)| record.is_in(query.group) && is_wanted(*number, record));
        let page: Vec<(u64, TestRecord)> = wanted.by_ref().take(query.records_max).collect();
        let is_before = |number: u64, record: &TestRecord| number < query.from_record || record.time_ns < query.from_ns;
        Page {
            records: page.iter().flat_map(|(_, record)| record.encode()).collect(),
            numbers: page.iter().map(|(number, _)| *number).collect(),
            state_before: self.state_of(query.group, is_before),
            next: wanted.next().map(|(number, _)| number),
        }
    }

    pub(crate) fn time_page(&self, query: &TimeQuery) -> TimePage {
        let records = self.records();
        let first = records.iter().position(|record| record.time_ns >= query.from_ns).unwrap_or(records.len());
        let from = usize::try_from(query.from_record).unwrap_or(usize::MAX).clamp(first, records.len());
        let is_wanted = |record: &&TestRecord| record.time_ns < query.until_ns;
        let all: Vec<&TestRecord> = records[from..].iter().take_while(is_wanted).collect();
        let page = &all[..all.len().min(query.records_max)];
        TimePage {
            records: page.iter().flat_map(|record| record.encode()).collect(),
            first_number: from as u64,
            next: (page.len() < all.len()).then_some((from + page.len()) as u64),
        }
    }

    fn state_of(&self, group: u64, counts: impl Fn(u64, &TestRecord) -> bool) -> TestState {
        let mut state = TestState::default();
        for (number, record) in (0..).zip(self.records()).filter(|(_, record)| record.is_in(group)) {
            if counts(number, &record) {
                TestSchema::advance(&mut state, group, &record.encode());
            }
        }
        state
    }
}

/// A life that is the same each time: batches of several sizes, empty ones among them, groups hot and rare, keys used twice.
pub(crate) fn some_batches(count: u64) -> Vec<TestBatch> {
    let (mut sequence, mut time_ns, mut number) = (0, 0, 0);
    let batch = |place: u64| {
        sequence += 1;
        let records = (0..[3, 0, 5, 1][usize::try_from(place % 4).expect("small")]).map(|_| {
            number += 1;
            sequence += 1;
            time_ns += number % 2;
            let key = if number % 10 == 0 { 3 } else { number };
            let groups = [1, if number % 5 == 0 { 0 } else { 2 + u32::try_from(number % 3).expect("small") }];
            TestRecord { sequence, time_ns, key, groups, amount: number * 7 }
        });
        let records = records.collect();
        TestBatch { records, through: sequence, time_ns }
    };
    (0..count).map(batch).collect()
}

/// What a question gives besides its right answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Nothing else.
    Right,
    /// An error that names a damaged file.
    RightOrDamaged,
}

impl Owner {
    /// Asks everything of an index that was given everything.
    pub(crate) fn check(&self, index: &TestIndex, expect: Expect) {
        let records = self.records();
        let last_key = records.iter().map(|record| record.key).max().unwrap_or(0);
        for number in 1..last_key + 3 {
            check_one(index.find(&key(number)), || self.find(number), expect);
        }
        let end = records.len() as u64;
        for group in 1..6 {
            for from_record in (0..end + 2).step_by(5) {
                let query = GroupQuery { from_record, records_max: 6, ..GroupQuery::all(group) };
                check_one(index.group_page(&query), || self.group_page(&query), expect);
            }
            for time_ns in (0..self.last().1 + 2).step_by(4) {
                check_one(index.group_state_at(group, time_ns), || self.group_state_at(group, time_ns), expect);
            }
            for sum in [1, 50, 400, 1_000, 100_000] {
                let found = index.group_seek(group, |state| state.sum >= sum);
                check_one(found, || self.group_seek(group, sum), expect);
            }
        }
        for from_ns in (0..self.last().1 + 2).step_by(3) {
            let query = TimeQuery { from_ns, until_ns: from_ns + 9, from_record: 4, records_max: 7 };
            check_one(index.time_page(&query), || self.time_page(&query), expect);
        }
        check_one(index.time_page(&TimeQuery::ALL), || self.time_page(&TimeQuery::ALL), expect);
        self.check_memory(index);
    }

    /// A record is in a page of memory, and the right one; or a reader has it.
    fn check_memory(&self, index: &TestIndex) {
        let none = TimeQuery { from_record: u64::MAX, records_max: 0, ..TimeQuery::ALL };
        let in_files = index.reader().time_page(&none).map(|page| page.first_number);
        for from_record in 0..self.records().len() as u64 + 2 {
            let query = TimeQuery { from_record, records_max: 6, ..TimeQuery::ALL };
            match index.page_in_memory(from_record, 6) {
                Some(page) => assert_eq!(page, self.time_page(&query)),
                None => assert!(in_files.as_ref().is_ok_and(|end| from_record < *end), "{from_record}: {in_files:?}"),
            }
        }
    }
}

fn check_one<T: PartialEq + core::fmt::Debug>(found: Result<T, IndexFault>, right: impl FnOnce() -> T, expect: Expect) {
    match found {
        Ok(found) => assert_eq!(found, right()),
        Err(IndexFault::Damaged { .. }) if expect == Expect::RightOrDamaged => {}
        Err(fault) => panic!("{fault}"),
    }
}
