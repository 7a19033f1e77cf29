//! What an index costs: CPU of building and merging, look-ups of unknown ids, bytes on disk and in memory.
//!
//! ```text
//! cargo run --release -p ledger --example index_cost -- DIRECTORY MILLIONS [ACCOUNTS] [FAN_IN] [FILTER_BITS] [RUN_RECORDS]
//! ```
//!
//! Records of 120 bytes with random ids and two random accounts each, states of four balances: what a ledger's book gives.
//! The directory is made, and emptied at the end. What the generation of the records costs is measured by itself and taken
//! off.

#![allow(clippy::disallowed_methods, reason = "it measures: the clock is its subject")]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use ledger::index::{GroupQuery, Index, IndexOptions, IndexSchema, IndexWork};
use ledger::journal::{DiskStorage, Lineage, Storage};

struct Transfers;

type Balances = [u128; 4];

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// A record: sequence, time, id, debit, credit, amount, and what else a ledger knows.
impl IndexSchema for Transfers {
    const FORMAT: u32 = 1;
    const RECORD_BYTES: usize = 120;
    type State = Balances;

    fn position(record: &[u8]) -> (u64, u64) {
        (u64_at(record, 0), u64_at(record, 8))
    }

    fn key(record: &[u8]) -> Option<[u8; 16]> {
        record[16..32].try_into().ok()
    }

    fn groups(record: &[u8]) -> [Option<u64>; 2] {
        [Some(u64::from(u32_at(record, 32))), Some(u64::from(u32_at(record, 36)))]
    }

    fn advance(state: &mut Balances, group: u64, record: &[u8]) {
        let amount = u128::from(u64_at(record, 40));
        let side = if u64::from(u32_at(record, 32)) == group { 1 } else { 3 };
        state[side] += amount;
    }

    fn encode_state(state: &Balances, out: &mut Vec<u8>) {
        for balance in state {
            let mut rest = *balance;
            while rest >= 0x80 {
                out.push(rest.to_le_bytes()[0] | 0x80);
                rest >>= 7;
            }
            out.push(rest.to_le_bytes()[0]);
        }
    }

    fn decode_state(mut bytes: &[u8]) -> Option<Balances> {
        let mut state = [0; 4];
        for balance in &mut state {
            for shift in (0..128).step_by(7) {
                let (byte, rest) = bytes.split_first()?;
                bytes = rest;
                *balance |= u128::from(byte & 0x7f) << shift;
                if *byte < 0x80 {
                    break;
                }
            }
        }
        bytes.is_empty().then_some(state)
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        u64::try_from((u128::from(self.next()) * u128::from(limit)) >> 64).expect("less than the limit")
    }

    fn key(&mut self) -> [u8; 16] {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&self.next().to_le_bytes());
        key[8..].copy_from_slice(&self.next().to_le_bytes());
        key
    }
}

/// A book of balances and of the run in which each account was last given.
struct Book {
    random: Random,
    accounts: Vec<(Balances, u32)>,
    sequence: u64,
}

const BATCH: u64 = 8_190;

impl Book {
    fn new(accounts: usize) -> Book {
        Book { random: Random(1), accounts: vec![([0; 4], 0); accounts], sequence: 0 }
    }

    /// One transfer: its record, and for each account whether its state is to be pushed first.
    fn next(&mut self, run: u32, mut touched: impl FnMut(u64, &Balances)) -> [u8; 120] {
        self.sequence += 1;
        let mut record = [0; 120];
        record[0..8].copy_from_slice(&self.sequence.to_le_bytes());
        record[8..16].copy_from_slice(&(self.sequence * 1_000).to_le_bytes());
        record[16..32].copy_from_slice(&self.random.key());
        record[40..48].copy_from_slice(&(self.random.below(100_000) + 1).to_le_bytes());
        let limit = self.accounts.len() as u64;
        for at in [32, 36] {
            let group = self.random.below(limit);
            record[at..at + 4].copy_from_slice(&u32::try_from(group).expect("few accounts").to_le_bytes());
        }
        for group in Transfers::groups(&record).into_iter().flatten() {
            let account = &mut self.accounts[usize::try_from(group).expect("a usize has 64 bits")];
            if account.1 != run {
                account.1 = run;
                touched(group, &account.0);
            }
            Transfers::advance(&mut account.0, group, &record);
        }
        record
    }
}

/// User and system time of all threads, in milliseconds.
fn cpu_ms() -> Result<(u64, u64), Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    // A tick is ten milliseconds on every Linux met in practice.
    Ok((fields[11].parse::<u64>()? * 10, fields[12].parse::<u64>()? * 10))
}

fn rss_mb() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or("0 0");
    Ok(line.split_whitespace().nth(1).unwrap_or("0").parse::<u64>()? / 1_024)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: u64| arguments.get(at).map_or(Ok(default), |text| text.parse());
    let directory = Path::new(arguments.first().ok_or("which directory?")?);
    let records = number(1, 1)? * 1_000_000;
    let accounts = usize::try_from(number(2, 10_000)?)?;
    let usual = IndexOptions::default();
    let options = IndexOptions {
        merge_fan_in: usize::try_from(number(3, usual.merge_fan_in as u64)?)?,
        filter_bits_per_key: u32::try_from(number(4, u64::from(usual.filter_bits_per_key))?)?,
        run_records: u32::try_from(number(5, u64::from(usual.run_records))?)?,
        work: IndexWork::Beside,
        ..usual
    };
    println!("{records} records, {accounts} accounts, {options:?}");

    let before = cpu_ms()?;
    let mut book = Book::new(accounts);
    let mut sum = 0_u64;
    for number in 0..records {
        let run = u32::try_from(number / u64::from(options.run_records))? + 1;
        sum ^= u64::from(book.next(run, |group, _| sum ^= group)[20]);
    }
    let after = cpu_ms()?;
    let generating = after.0 + after.1 - before.0 - before.1;
    println!("generating: {generating} ms of CPU ({sum})");

    let storage = DiskStorage::create(directory)?;
    if !storage.list()?.is_empty() {
        return Err("the directory is not empty".into());
    }
    let (mut index, _) = Index::<DiskStorage, Transfers>::open(storage.clone(), Lineage([1; 16]), options)?;
    let (before, begun) = (cpu_ms()?, Instant::now());
    build(&mut index, &mut Book::new(accounts), records)?;
    let after = cpu_ms()?;
    let (user, system) = (after.0 - before.0, after.1 - before.1);
    println!(
        "building and merging: {} ms of CPU per million records (user {user} ms, system {system} ms, less generating), {} ms elapsed",
        (user + system - generating) * 1_000_000 / records,
        begun.elapsed().as_millis(),
    );
    let bytes = |suffix: &str| -> std::io::Result<u64> {
        Ok(storage.list()?.iter().filter(|file| file.name.ends_with(suffix)).map(|file| file.bytes).sum())
    };
    println!(
        "on disk per record: {} bytes of records and groups, {} of keys; in memory {} bytes of filters and tables per thousand, RSS {} MB",
        bytes(".records")? / records,
        bytes(".keys")? / records,
        index.memory_bytes() as u64 * 1_000 / records,
        rss_mb()?,
    );
    ask(&mut index)?;

    drop(index);
    let begun = Instant::now();
    let (index, report) = Index::<DiskStorage, Transfers>::open(storage.clone(), Lineage([1; 16]), options)?;
    println!("opening: {} ms, {} runs, {} files of keys", begun.elapsed().as_millis(), report.runs, report.keys_files);
    drop(index);
    for file in storage.list()? {
        storage.remove(&file.name)?;
    }
    Ok(())
}

fn build(index: &mut Index<DiskStorage, Transfers>, book: &mut Book, records: u64) -> Result<(), Box<dyn Error>> {
    let mut longest_ns = 0;
    for number in 1..=records {
        let run = index.run();
        let record = book.next(run, |group, state| index.push_state(group, state));
        index.push(&record);
        if number.is_multiple_of(BATCH) || number == records {
            let begun = Instant::now();
            index.end_batch(book.sequence, book.sequence * 1_000)?;
            longest_ns = longest_ns.max(begun.elapsed().as_nanos());
        }
    }
    index.cut(book.sequence, book.sequence * 1_000)?;
    index.wait_covered(book.sequence)?;
    println!("longest end of a batch: {} us", longest_ns / 1_000);
    // Merging goes on: until two looks, some time apart, see the same files.
    loop {
        let files = index.keys_files();
        std::thread::sleep(std::time::Duration::from_millis(1_500));
        index.wait_covered(book.sequence)?;
        if index.keys_files() == files {
            return Ok(());
        }
    }
}

fn ask(index: &mut Index<DiskStorage, Transfers>) -> Result<(), Box<dyn Error>> {
    const QUESTIONS: usize = 1_000_000;
    let mut random = Random(99);
    let unknown: Vec<[u8; 16]> = (0..QUESTIONS).map(|_| random.key()).collect();
    let begun = Instant::now();
    let held = unknown.iter().filter(|key| index.may_hold(key)).count();
    let one_by_one = begun.elapsed().as_nanos();
    let mut answers = Vec::new();
    let begun = Instant::now();
    let mut held_each = 0;
    for keys in unknown.chunks(usize::try_from(BATCH)?) {
        index.may_hold_each(keys, &mut answers);
        held_each += answers.iter().filter(|answer| **answer).count();
    }
    let batched = begun.elapsed().as_nanos();
    assert_eq!(held, held_each);
    println!(
        "unknown ids, {} files of keys: {} ns one by one, {} ns in batches; {held} in a million need the disk",
        index.keys_files(),
        one_by_one / QUESTIONS as u128,
        batched / QUESTIONS as u128,
    );

    // The ids that were made: the random numbers begin again, and each record takes five.
    let mut random = Random(1);
    let known: Vec<[u8; 16]> = (0..10_000)
        .map(|_| {
            let key = random.key();
            (0..3).for_each(|_| _ = random.next());
            key
        })
        .collect();
    let begun = Instant::now();
    let found = known.iter().map(|key| index.find(key)).filter(|found| matches!(found, Ok(Some(_)))).count();
    println!(
        "known ids: {found} of {} found, {} ns each",
        known.len(),
        begun.elapsed().as_nanos() / known.len() as u128
    );
    let begun = Instant::now();
    let page = index.group_page(&GroupQuery { records_max: 100, ..GroupQuery::all(7) })?;
    println!("first page of a group: {} records, {} us", page.numbers.len(), begun.elapsed().as_micros());
    let begun = Instant::now();
    let state = index.group_state_at(7, u64::MAX)?;
    println!("state of a group: {state:?}, {} us", begun.elapsed().as_micros());
    Ok(())
}
