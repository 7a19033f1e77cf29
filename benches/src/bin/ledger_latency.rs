//! What merges and snapshots do to the latency of a ledger that works on: batches at a steady rate, open loop, on a real disk.
//!
//! ```text
//!   every 2 ms a batch of 100 --> Ledger::submit --> Observed --> the three directories, on disk
//!                                                       '--> is a run built, are keys merged, is a snapshot written or read back? how long did the journal take?
//! ```
//!
//! Batches are told apart by what went on beside them: nothing, a merge, the building of a run, a
//! snapshot that is written, one that is read back (until it has its name). In `latency`: from
//! the time at which the batch was meant to be sent until it is answered, so that a stall counts for all that it delays. In
//! `own`: the call of `submit` less the journal's writes and syncs, and less the time for which its thread was ready and the
//! machine ran somebody else; it is what the ledger itself has made the batch wait. Not in either: making the requests.
//!
//! `cargo run --release -p benches --bin ledger_latency -- DIRECTORY --run-records 16384 --warm-seconds 10` for merges,
//! `... DIRECTORY --accounts 1000000 --held 1000000 --snapshot-every-mib 16 --warm-seconds 15` for snapshots.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use benches::{Random, scheme};
use clap::Parser;
use ledger::journal::{Access, DiskStorage, FileEntry, Lineage, Storage};
use ledger::{
    AccountFlags, AccountId, AccountSpec, BatchEntry, Directories, Ledger, LedgerFault, LedgerOptions, Request,
};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Entries of a batch before the measurement.
const FILLED_PER_BATCH: u64 = 8_190;

/// The slowest batches are shown one by one.
const SLOWEST: usize = 8;

/// Submits batches at a steady rate and says what merges and snapshots do to them.
#[derive(Parser)]
struct Arguments {
    /// A directory that is not there yet; removed at the end
    directory: PathBuf,
    /// Accounts, of which pairs are drawn at random
    #[arg(long, default_value_t = 10_000)]
    accounts: u64,
    /// Reservations that are held all the while
    #[arg(long, default_value_t = 0)]
    held: u64,
    /// Records of an index run
    #[arg(long, default_value_t = LedgerOptions::default().run_records)]
    run_records: u32,
    /// A snapshot after so many MiB of journal; 0 for none
    #[arg(long, default_value_t = 0)]
    snapshot_every_mib: u64,
    /// Entries of a batch
    #[arg(long, default_value_t = 100)]
    batch: usize,
    /// Microseconds from batch to batch
    #[arg(long, default_value_t = 2_000)]
    every_us: u64,
    /// How long it runs before it is measured: the first touch of a page may cost milliseconds where the machine is a virtual one
    #[arg(long, default_value_t = 0)]
    warm_seconds: u64,
    /// How long it is measured
    #[arg(long, default_value_t = 30)]
    seconds: u64,
}

/// What goes on beside the batches.
#[derive(Default)]
struct Watch {
    is_building: AtomicBool,
    is_merging: AtomicBool,
    is_snapshotting: AtomicBool,
    is_reading_back: AtomicBool,
    merges: AtomicU64,
    snapshots: AtomicU64,
    /// Writes and syncs of the journal's open segment.
    journal_ns: AtomicU64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Journal,
    Index,
    Snapshots,
}

/// A directory on disk that says what is done in it.
#[derive(Clone)]
struct Observed {
    disk: DiskStorage,
    which: Which,
    watch: Arc<Watch>,
}

impl Observed {
    fn timed<T>(&self, work: impl FnOnce() -> T) -> T {
        if self.which != Which::Journal {
            return work();
        }
        let begun = Instant::now();
        let done = work();
        self.watch.journal_ns.fetch_add(nanos(begun.elapsed()), Relaxed);
        done
    }

    /// The index's thread writes each run's records by themselves; the keys of many runs are merged in memory, then written, and files of keys merged later.
    fn begins(&self, name: &str) {
        let watch = &self.watch;
        match self.which {
            Which::Journal => {}
            Which::Snapshots => watch.is_snapshotting.store(true, Relaxed),
            Which::Index if name.contains(".records") => watch.is_building.store(true, Relaxed),
            Which::Index => watch.is_merging.store(true, Relaxed),
        }
    }

    fn ends(&self, name: &str) {
        let watch = &self.watch;
        match self.which {
            Which::Journal => {}
            Which::Snapshots => {
                watch.is_reading_back.store(false, Relaxed);
                watch.is_snapshotting.store(false, Relaxed);
                watch.snapshots.fetch_add(1, Relaxed);
            }
            Which::Index if name.contains(".records") => watch.is_building.store(false, Relaxed),
            Which::Index => {
                watch.is_merging.store(false, Relaxed);
                watch.merges.fetch_add(1, Relaxed);
            }
        }
    }
}

impl Storage for Observed {
    type File = File;

    fn lock(&self) -> io::Result<()> {
        self.disk.lock()
    }

    fn list(&self) -> io::Result<Vec<FileEntry>> {
        self.disk.list()
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<File> {
        self.begins(name);
        self.disk.create(name, bytes)
    }

    fn open(&self, name: &str, access: Access) -> io::Result<File> {
        self.disk.open(name, access)
    }

    fn read_at(&self, file: &File, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.disk.read_at(file, offset, into)
    }

    fn write_at(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.timed(|| self.disk.write_at(file, offset, bytes))
    }

    fn sync_data(&self, file: &File) -> io::Result<()> {
        self.timed(|| self.disk.sync_data(file))
    }

    /// A snapshot that is written is read back, from the disk.
    fn drop_cache(&self, file: &File) -> io::Result<()> {
        if self.which == Which::Snapshots {
            self.watch.is_reading_back.store(true, Relaxed);
        }
        self.disk.drop_cache(file)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let renamed = self.disk.rename(from, to);
        self.ends(from);
        renamed
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.disk.sync_dir()
    }

    fn path_of(&self, name: &str) -> String {
        self.disk.path_of(name)
    }
}

/// Beside what a batch was submitted; the later name counts where several apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beside {
    Nothing,
    Merge,
    Build,
    Snapshot,
    ReadBack,
}

impl Beside {
    fn now(watch: &Watch) -> Beside {
        if watch.is_reading_back.load(Relaxed) {
            Beside::ReadBack
        } else if watch.is_snapshotting.load(Relaxed) {
            Beside::Snapshot
        } else if watch.is_building.load(Relaxed) {
            Beside::Build
        } else if watch.is_merging.load(Relaxed) {
            Beside::Merge
        } else {
            Beside::Nothing
        }
    }
}

/// One batch, in nanoseconds.
#[derive(Clone, Copy)]
struct Submitted {
    beside: Beside,
    latency: u64,
    took: u64,
    journal: u64,
    /// Ready to run, and not running.
    queued: u64,
}

impl Submitted {
    fn own(&self) -> u64 {
        self.took.saturating_sub(self.journal + self.queued)
    }
}

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

struct Owner {
    ledger: Ledger<Observed>,
    watch: Arc<Watch>,
    random: Random,
    now_ns: u64,
    accounts: usize,
}

impl Owner {
    fn open(arguments: &Arguments) -> Outcome<Owner> {
        let watch = Arc::new(Watch::default());
        let at = |name: &str, which| -> io::Result<Observed> {
            let disk = DiskStorage::create(&arguments.directory.join(name))?;
            Ok(Observed { disk, which, watch: watch.clone() })
        };
        let directories = Directories {
            journal: at("journal", Which::Journal)?,
            index: at("index", Which::Index)?,
            snapshots: at("snapshots", Which::Snapshots)?,
            archive: None,
        };
        let snapshot_every_bytes = match arguments.snapshot_every_mib {
            0 => u64::MAX,
            mebibytes => mebibytes << 20,
        };
        let usual = LedgerOptions::default();
        let options = LedgerOptions { run_records: arguments.run_records, snapshot_every_bytes, ..usual };
        let lineage = || -> Result<Lineage, LedgerFault> { Ok(Lineage([5; 16])) };
        let ledger = Ledger::open_in(directories, options, lineage)?;
        let accounts = usize::try_from(arguments.accounts)?.max(2);
        Ok(Owner { ledger, watch, random: Random::new(1), now_ns: 0, accounts })
    }

    fn fill(&mut self, arguments: &Arguments) -> Outcome {
        let account = |id| AccountSpec {
            flags: AccountFlags::DEBITS_LIMITED,
            cap: u128::from(u64::MAX),
            ..AccountSpec::new(AccountId(id), scheme::currency())
        };
        let ids: Vec<u128> = (1..=self.accounts as u128).collect();
        for ids in ids.chunks(usize::try_from(FILLED_PER_BATCH)?) {
            let batch: Vec<BatchEntry> = ids.iter().map(|id| Request::Open(account(*id)).into()).collect();
            self.submit(&batch)?;
        }
        let mut held = 0;
        while held < arguments.held {
            let count = FILLED_PER_BATCH.min(arguments.held - held);
            let batch = self.transfers(usize::try_from(count)?, true);
            self.submit(&batch)?;
            held += count;
        }
        // So that what was filled in is behind, also as a snapshot.
        self.ledger.snapshot()?;
        Ok(())
    }

    fn transfers(&mut self, count: usize, two_phase: bool) -> Vec<BatchEntry> {
        (0..count).map(|_| self.random.transfer(self.accounts, two_phase).into()).collect()
    }

    fn submit(&mut self, batch: &[BatchEntry]) -> Outcome {
        self.now_ns += 1_000_000;
        let answers = self.ledger.submit(self.now_ns, batch)?;
        match answers.iter().find(|answer| answer.is_err()) {
            Some(refused) => Err(format!("an entry was refused: {refused:?}").into()),
            None => Ok(()),
        }
    }

    fn measure(&mut self, arguments: &Arguments, seconds: u64) -> Outcome<Vec<Submitted>> {
        let schedstat = File::open("/proc/thread-self/schedstat")?;
        let every = Duration::from_micros(arguments.every_us);
        let batches = seconds * 1_000_000 / arguments.every_us;
        let mut measured = Vec::new();
        let mut meant = Instant::now() + every;
        for _ in 0..batches {
            let batch = self.transfers(arguments.batch, false);
            std::thread::sleep(meant.saturating_duration_since(Instant::now()));
            let (before, queued) = (Beside::now(&self.watch), queued_ns(&schedstat)?);
            self.watch.journal_ns.store(0, Relaxed);
            let begun = Instant::now();
            self.submit(&batch)?;
            let (took, latency) = (nanos(begun.elapsed()), nanos(meant.elapsed()));
            let journal = self.watch.journal_ns.load(Relaxed);
            let queued = queued_ns(&schedstat)? - queued;
            let after = Beside::now(&self.watch);
            let beside = if before as u8 > after as u8 { before } else { after };
            measured.push(Submitted { beside, latency, took, journal, queued });
            meant += every;
        }
        Ok(measured)
    }
}

/// For how long this thread was ready to run and did not.
fn queued_ns(schedstat: &File) -> Outcome<u64> {
    let mut text = [0; 64];
    let length = schedstat.read_at(&mut text, 0)?;
    let text = std::str::from_utf8(&text[..length])?;
    Ok(text.split_whitespace().nth(1).ok_or("no schedstat")?.parse()?)
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Milliseconds with two decimals.
fn millis(nanos: u64) -> String {
    format!("{}.{:02}", nanos / 1_000_000, nanos % 1_000_000 / 10_000)
}

/// What of a batch is shown.
type Column = fn(&Submitted) -> u64;

fn show(measured: &[Submitted]) {
    println!("| beside | batches | | p50 | p99 | p99.9 | longest, ms |\n|---|---|---|---|---|---|---|");
    for beside in [Beside::Nothing, Beside::Merge, Beside::Build, Beside::Snapshot, Beside::ReadBack] {
        let batches: Vec<&Submitted> = measured.iter().filter(|one| one.beside == beside).collect();
        let columns: [(&str, Column); 3] = [
            ("latency", |one| one.latency),
            ("submit, less the wait for a core", |one| one.took.saturating_sub(one.queued)),
            ("own", Submitted::own),
        ];
        for (name, of) in columns {
            let mut values: Vec<u64> = batches.iter().map(|one| of(one)).collect();
            values.sort_unstable();
            let Some(last) = values.len().checked_sub(1) else { continue };
            let at = |permille: usize| millis(values[last * permille / 1_000]);
            let count = values.len();
            let [p50, p99, p999, longest] = [500, 990, 999, 1_000].map(at);
            println!("| {beside:?} | {count} | {name} | {p50} | {p99} | {p999} | {longest} |");
        }
    }
    let mut slowest = measured.to_vec();
    slowest.sort_by_key(|one| std::cmp::Reverse(one.own()));
    println!("the most of its own:");
    for one in slowest.iter().take(SLOWEST) {
        let [own, journal, queued] = [one.own(), one.journal, one.queued].map(millis);
        println!("{:?}: own {own}, journal {journal}, waited for a core {queued} ms", one.beside);
    }
}

fn run(arguments: &Arguments) -> Outcome {
    if arguments.directory.exists() {
        return Err("the directory is there already".into());
    }
    let mut owner = Owner::open(arguments)?;
    owner.fill(arguments)?;
    owner.measure(arguments, arguments.warm_seconds)?;
    owner.watch.merges.store(0, Relaxed);
    owner.watch.snapshots.store(0, Relaxed);
    let measured = owner.measure(arguments, arguments.seconds)?;
    let (merges, snapshots) = (owner.watch.merges.load(Relaxed), owner.watch.snapshots.load(Relaxed));
    println!("{} batches of {}, {merges} merges, {snapshots} snapshots", measured.len(), arguments.batch);
    show(&measured);
    drop(owner);
    Ok(std::fs::remove_dir_all(&arguments.directory)?)
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ledger_latency: {error}");
            ExitCode::FAILURE
        }
    }
}
