//! Instructions of the hot functions, counted by valgrind: the same on a busy machine as on a quiet one.
//!
//! ```text
//!   this process --starts twice for each row--> valgrind --tool=callgrind --> the same program, one row
//!                                                 counts within `counted_region` and what it calls, nothing else
//! ```
//!
//! In a figure: the work that the row names, all of its calls included, divided by how often it was done. Not in it: what was
//! made beforehand (movements, requests, records), the system's own work, and time lost in caches: an instruction that waits
//! for memory counts as much as one that does not. The program is built for any x86-64; where blake3, crc32c and the C library
//! choose at run time, they choose AVX2, since valgrind does not know AVX-512. `spread` is the difference of two runs: hash
//! tables are seeded anew in each.
//!
//! A transfer is one single-phase movement, or one half of a two-phase one. Books have 64 limited accounts in random pairs,
//! random ids, batches of 8,190 unless the row says otherwise, and hold 100,000 transfers at first; `windowed` is a book as a
//! `Ledger` keeps it: its newest 100,000 final transfers stay, the others leave, and changes are noted. A `Ledger` has its three
//! directories in memory, and no threads: building and merging of the index are part of what it does.
//!
//! `make instructions`, or `instructions [PART OF A ROW'S NAME]`.

use std::hint::black_box;
use std::process::{Command, ExitCode};

use benches::filled::{BATCH, Filled, Way};
use benches::nowhere::Nowhere;
use benches::records::{self, Maker, RECORD_BYTES, Transfers};
use benches::{Random, scheme};
use clap::Parser;
use ledger::index::{Index, IndexOptions, IndexWork};
use ledger::journal::{
    BatchHead, HEADER_BYTES, Journal, JournalOptions, Lineage, Preparation, RecordBuffer, Storage, scan,
};
use ledger::snapshot::{SnapshotOptions, SnapshotWork, Snapshots};
use ledger::{
    AccountFlags, AccountId, AccountSpec, Amount, BatchEntry, Book, BookOptions, Directories, Ledger, LedgerFault,
    LedgerOptions, Request, TransferId,
};

const _: () = assert!(!cfg!(target_feature = "avx512f"), "valgrind knows no AVX-512: build for x86-64-v3 at most");

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Transfers that a book holds before it is counted.
const HELD: u32 = 100_000;

/// Batches that are counted.
const BATCHES: usize = 12;

/// A segment, so that little of the last one is empty.
const SEGMENT_BYTES: u64 = 4 << 20;

/// A run of the index, small enough for merges to happen in a count.
const RUN_RECORDS: u32 = 16_384;

const LINEAGE: Lineage = Lineage([7; 16]);

/// A row of the table.
struct Row {
    name: &'static str,
    /// What the instructions are divided by.
    each: &'static str,
    /// Does the work, the counted part of it within [`counted_region`]. Returns how many there were.
    run: fn() -> u64,
}

const ROWS: &[Row] = &[
    Row { name: "book move_now", each: "transfer", run: || book(Way::MoveNow, false) },
    Row { name: "book reserve+post", each: "transfer", run: || book(Way::ReserveAndPost, false) },
    Row { name: "book apply", each: "transfer", run: || book(Way::Apply, false) },
    Row { name: "book apply_linked", each: "transfer", run: || book(Way::ApplyLinked, false) },
    Row { name: "windowed book move_now", each: "transfer", run: || book(Way::MoveNow, true) },
    Row { name: "windowed book reserve+post", each: "transfer", run: || book(Way::ReserveAndPost, true) },
    Row { name: "windowed book apply", each: "transfer", run: || book(Way::Apply, true) },
    Row { name: "book capture of accounts", each: "account", run: || capture(0) },
    Row { name: "book capture of held transfers", each: "transfer", run: || capture(50_000) },
    Row { name: "snapshot page of 256 bytes", each: "page", run: || snapshot(256) },
    Row { name: "snapshot page of 64 KiB", each: "page", run: || snapshot(64 << 10) },
    Row { name: "journal append of 4 KiB", each: "KiB", run: || append(4 << 10) },
    Row { name: "journal append of 64 KiB", each: "KiB", run: || append(64 << 10) },
    Row { name: "journal append of 1 MiB", each: "KiB", run: || append(1 << 20) },
    Row { name: "index push, build and merge", each: "record", run: index_build },
    Row { name: "index push", each: "record", run: index_push },
    Row { name: "index may_hold, unknown id", each: "id", run: || may_hold(false) },
    Row { name: "index may_hold_each, unknown ids", each: "id", run: || may_hold(true) },
    Row { name: "ledger submit, single-phase", each: "transfer", run: || submit(false, BATCH) },
    Row { name: "ledger submit, two-phase", each: "transfer", run: || submit(true, BATCH) },
    Row { name: "ledger submit, single-phase, batches of 100", each: "transfer", run: || submit(false, 100) },
    Row { name: "ledger submit, batches of one", each: "batch", run: || submit(false, 1) },
    Row { name: "journal scan of the next row's journal", each: "transfer", run: scan_journal },
    Row { name: "ledger start: scan, decode, apply, index", each: "transfer", run: start },
];

/// What is counted: valgrind is told this name.
#[inline(never)]
fn counted_region<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

fn book(way: Way, is_windowed: bool) -> u64 {
    let usual = BookOptions::default();
    let options = if is_windowed {
        BookOptions { history_per_account_max: 0, final_transfers_max: HELD, keeps_changes: true, ..usual }
    } else {
        usual
    };
    let mut filled = Filled::with(HELD as usize, options);
    for _ in 0..BATCHES {
        let movements = filled.movements();
        filled.prepare(way, &movements);
        counted_region(|| filled.run(way, &movements));
    }
    (BATCHES * BATCH * way.transfers()) as u64
}

/// All bytes of a book, taken as they are between batches.
fn capture(held: u64) -> u64 {
    let accounts = 50_000;
    let mut book = Book::new(BookOptions { history_per_account_max: 0, ..BookOptions::default() });
    let opened: Vec<_> = (1..=accounts).map(|id| book.open(account(id)).expect("opens")).collect();
    let mut random = Random::new(1);
    for _ in 0..held {
        let debit = random.below(opened.len());
        let credit = (debit + 1) % opened.len();
        let id = TransferId(u128::from_be_bytes(random.bytes()) | 1);
        let movement = ledger::Movement { id, debit: opened[debit], credit: opened[credit], amount: Amount::MIN };
        book.reserve(movement).expect("funds are ample");
    }
    counted_region(|| {
        book.begin_capture();
        while book.capture(ledger::limits::CAPTURE_BYTES_PER_BATCH, |_, bytes| _ = black_box(bytes)) {}
    });
    if held > 0 { held } else { accounts.try_into().expect("few") }
}

/// Pieces of a body in order, of the size of an account that is changed during a capture, or of what a capture gives else.
fn snapshot(page_bytes: usize) -> u64 {
    let options = SnapshotOptions { format: 1, work: SnapshotWork::Inline };
    let snapshots = Snapshots::open(Nowhere::keeping_all(), LINEAGE, options);
    let (pages, page) = ((16 << 20) / page_bytes, vec![0xa5; page_bytes]);
    let mut writer = snapshots.begin(1, &[], (pages * page_bytes) as u64).expect("nothing fails here");
    counted_region(|| {
        for at in 0..pages {
            writer.page((at * page_bytes) as u64, &page).expect("nothing fails here");
        }
    });
    pages as u64
}

fn account(id: u128) -> AccountSpec {
    AccountSpec {
        flags: AccountFlags::DEBITS_LIMITED,
        cap: u128::from(u64::MAX),
        ..AccountSpec::new(AccountId(id), scheme::currency())
    }
}

fn append(record_bytes: usize) -> u64 {
    let options = JournalOptions { preparation: Preparation::WhenNeeded, ..JournalOptions::default() };
    let mut journal = Journal::create(Nowhere::default(), options, LINEAGE).expect("nothing fails here");
    let mut batch = RecordBuffer::default();
    batch.extend_from_slice(&vec![0xa5; record_bytes - HEADER_BYTES]);
    let records = (16 << 20) / record_bytes;
    counted_region(|| {
        for time_ns in 1..=records as u64 {
            journal.append(&mut batch, BatchHead { count: 8, time_ns, epoch: 0 }).expect("nothing fails here");
            journal.sync().expect("nothing fails here");
        }
    });
    ((records * record_bytes) >> 10) as u64
}

/// So that an account is met as often in a run as one of 10,000 in a run of the usual size.
const INDEX_ACCOUNTS: usize = 640;

struct Indexed {
    index: Index<Nowhere, Transfers>,
    maker: Maker,
    batch: records::Batch,
}

impl Indexed {
    fn new(run_records: u32) -> Indexed {
        let keys_in_memory = (KEYS_IN_MEMORY_RUNS * run_records).min(IndexOptions::default().keys_in_memory);
        let options = IndexOptions { run_records, keys_in_memory, work: IndexWork::Inline, ..IndexOptions::default() };
        let (index, _) = Index::open(Nowhere::keeping_all(), LINEAGE, options).expect("nothing fails here");
        Indexed { index, maker: Maker::new(INDEX_ACCOUNTS, 1_000), batch: records::Batch::default() }
    }

    fn make(&mut self) {
        self.maker.fill(&mut self.batch, self.index.run(), BATCH);
    }

    fn push(&mut self) {
        let mut states = self.batch.states.iter().peekable();
        for (place, record) in self.batch.records.chunks_exact(RECORD_BYTES).enumerate() {
            while let Some((_, account, balances)) = states.next_if(|(before, ..)| *before == place) {
                self.index.push_state(*account, balances);
            }
            self.index.push(record);
        }
        self.index.end_batch(self.batch.through, self.batch.through * 1_000).expect("nothing fails here");
    }
}

/// The keys of so many runs are in memory: fewer than usual, so that they come into files, and those are merged.
const KEYS_IN_MEMORY_RUNS: u32 = 4;

/// Batches of so many runs that every key is written from memory and merged once, or nearly.
const INDEX_BATCHES: usize = 17 * (RUN_RECORDS as usize).div_ceil(BATCH);

fn index_build() -> u64 {
    let mut indexed = Indexed::new(RUN_RECORDS);
    for _ in 0..INDEX_BATCHES {
        indexed.make();
        counted_region(|| indexed.push());
    }
    (INDEX_BATCHES * BATCH) as u64
}

/// What the owner's thread does of it, where the rest has a thread of its own.
fn index_push() -> u64 {
    let mut indexed = Indexed::new(1 << 20);
    for _ in 0..BATCHES {
        indexed.make();
        counted_region(|| indexed.push());
    }
    (BATCHES * BATCH) as u64
}

fn may_hold(each: bool) -> u64 {
    let mut indexed = Indexed::new(RUN_RECORDS);
    for _ in 0..INDEX_BATCHES {
        indexed.make();
        indexed.push();
    }
    eprintln!("{} files of keys", indexed.index.keys_files());
    let mut random = Random::new(99);
    let unknown: Vec<[u8; 16]> = (0..10 * BATCH).map(|_| random.bytes()).collect();
    let mut answers = Vec::with_capacity(BATCH);
    for ids in unknown.chunks(BATCH) {
        if each {
            counted_region(|| indexed.index.may_hold_each(ids, &mut answers));
        } else {
            counted_region(|| ids.iter().filter(|id| indexed.index.may_hold(id)).count());
        }
    }
    unknown.len() as u64
}

fn directories() -> Directories<Nowhere> {
    Directories {
        journal: Nowhere::keeping_all(),
        index: Nowhere::keeping_all(),
        snapshots: Nowhere::keeping_all(),
        archive: None,
    }
}

fn open(directories: Directories<Nowhere>) -> Ledger<Nowhere> {
    let usual = LedgerOptions::default();
    let options = LedgerOptions {
        final_transfers_max: HELD,
        run_records: RUN_RECORDS,
        segment_bytes: SEGMENT_BYTES,
        threads: false,
        ..usual
    };
    let lineage = || -> Result<Lineage, LedgerFault> { Ok(LINEAGE) };
    Ledger::open_in(directories, options, lineage).expect("nothing fails here")
}

/// Who gives a ledger batches.
struct Owner {
    ledger: Ledger<Nowhere>,
    random: Random,
    now_ns: u64,
}

const ACCOUNTS: usize = 64;

impl Owner {
    /// A ledger whose window is full.
    fn new(directories: Directories<Nowhere>) -> Owner {
        let mut owner = Owner { ledger: open(directories), random: Random::new(1), now_ns: 0 };
        let accounts: Vec<BatchEntry> = (1..=ACCOUNTS as u128).map(|id| Request::Open(account(id)).into()).collect();
        owner.submit(&accounts);
        for _ in 0..(HELD as usize).div_ceil(BATCH) + 1 {
            let batch = owner.transfers(BATCH, false);
            owner.submit(&batch);
        }
        owner
    }

    fn transfers(&mut self, count: usize, two_phase: bool) -> Vec<BatchEntry> {
        (0..count).map(|_| self.random.transfer(ACCOUNTS, two_phase).into()).collect()
    }

    fn submit(&mut self, batch: &[BatchEntry]) {
        self.now_ns += 1_000_000;
        let answers = self.ledger.submit(self.now_ns, batch).expect("nothing fails here");
        assert!(answers.iter().all(Result::is_ok), "funds are ample");
    }
}

fn posts(reserved: &[BatchEntry]) -> Vec<BatchEntry> {
    let post = |entry: &BatchEntry| match entry.request {
        Request::Transfer(spec) => Request::Post { transfer: spec.id, amount: None }.into(),
        _ => unreachable!("they are transfers"),
    };
    reserved.iter().map(post).collect()
}

fn submit(two_phase: bool, batch_entries: usize) -> u64 {
    let mut owner = Owner::new(directories());
    // So many that runs are cut, built and merged as often as in a long life.
    let batches = (20 * BATCH / batch_entries).min(20_000);
    for _ in 0..batches / if two_phase { 2 } else { 1 } {
        let batch = owner.transfers(batch_entries, two_phase);
        counted_region(|| owner.submit(&batch));
        if two_phase {
            let batch = posts(&batch);
            counted_region(|| owner.submit(&batch));
        }
    }
    (batches * batch_entries) as u64
}

/// A journal of single-phase transfers, and how many.
fn journal() -> (Directories<Nowhere>, u64) {
    let directories = directories();
    let mut owner = Owner::new(directories.clone());
    for _ in 0..BATCHES {
        let batch = owner.transfers(BATCH, false);
        owner.submit(&batch);
    }
    let transfers = owner.ledger.durable_sequence() - ACCOUNTS as u64;
    drop(owner);
    for derived in [&directories.index, &directories.snapshots] {
        for file in derived.list().expect("nothing fails here") {
            derived.remove(&file.name).expect("nothing fails here");
        }
    }
    (directories, transfers)
}

fn scan_journal() -> u64 {
    let (directories, transfers) = journal();
    counted_region(|| scan(&directories.journal, |batch| Ok(_ = black_box(batch))).expect("the journal is whole"));
    transfers
}

fn start() -> u64 {
    let (directories, transfers) = journal();
    counted_region(|| open(directories));
    transfers
}

/// Counts instructions under valgrind.
#[derive(Parser)]
struct Arguments {
    /// Only rows with this in their name
    #[arg(default_value = "")]
    part: String,
    /// Does one row and says how many there were: what valgrind runs
    #[arg(long, hide = true)]
    row: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(row) = arguments.row.and_then(|row| ROWS.get(row)) {
        println!("{}", (row.run)());
        return ExitCode::SUCCESS;
    }
    println!("| what | instructions | each | spread |\n|---|---|---|---|");
    let rows = ROWS.iter().enumerate().filter(|(_, row)| row.name.contains(&arguments.part));
    for (at, row) in rows {
        match count(at).and_then(|first| Ok((first, count(at)?))) {
            Ok((first, second)) => {
                let spread = 1_000_000 * first.abs_diff(second) / first.max(1);
                let (whole, hundredths) = (first / 100, first % 100);
                println!("| {} | {whole}.{hundredths:02} | {} | {spread} ppm |", row.name, row.each);
            }
            Err(error) => {
                eprintln!("instructions: {}: {error}", row.name);
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Hundredths of instructions each.
fn count(row: usize) -> Result<u64, Box<dyn std::error::Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*counted_region*"])
        .arg(std::env::current_exe()?)
        .args(["--row", &row.to_string()])
        .output()
        .map_err(|error| format!("valgrind (as root: apt-get install valgrind): {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected : "));
    let (true, Some((_, instructions))) = (output.status.success(), collected) else {
        return Err(said.into_owned().into());
    };
    let instructions: u64 = instructions.trim().parse()?;
    let times: u64 = String::from_utf8(output.stdout)?.trim().parse()?;
    Ok(instructions * 100 / times)
}
