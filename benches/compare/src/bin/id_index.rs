//! The index beside a general store of sorted runs, on the same records.
//!
//! ```text
//!   records in the order of a journal  -->  ledger::index::Index   (a thread of its own writes and merges)
//!   random ids, two accounts each      -->  fjall                  (id -> the record's other bytes, batches of 8,190)
//! ```
//!
//! One store and one number of records a process, so that CPU and memory are its own. In the figure: all threads of the process
//! from the first batch until merging has come to rest, less the making of the records, which is timed by itself. What fjall
//! does is less: it finds a record by its id. The index also has the statement of each account, with balances. `--groups` gives
//! fjall a second keyspace, (account, sequence) to nothing, for the same pages without balances.
//!
//! Stalls are of one batch: for the index all its pushes and the end of the batch, for fjall filling and committing one write
//! batch. Look-ups come after merging, one at a time, by one thread, first with no file in the page cache, then again. An
//! unknown id is answered in full: where the index's filters cannot deny it, its files are asked.
//!
//! Not in the figure: a journal of the index's owner. Its files are made anew from it after a crash and carry no log, so
//! `buffered` (fjall's log is given to the system and not synced) is the mode to compare with; `synced` syncs each batch.
//!
//! `id_index --store ours|fjall --millions N DIRECTORY`; the directory must be on a disk, and is emptied at the end.

use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use fjall::config::{BloomConstructionPolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry, PinningPolicy};
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use ledger::index::{Index, IndexOptions, IndexSchema, IndexWork};
use ledger::journal::{DiskStorage, Lineage};
use rustix::fs::Advice;
use rustix::time::{ClockId, clock_gettime};

use random::Random;
use records::{Batch, ID_BYTES, Maker, RECORD_BYTES, SEQUENCE_AT, Transfers, u64_at};

#[path = "../../../src/random.rs"]
mod random;

#[path = "../../../src/records.rs"]
mod records;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// What a ledger submits at once.
const BATCH: usize = 8_190;

const UNKNOWN_IDS: u64 = 200_000;
const KNOWN_IDS: u64 = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    Ours,
    Fjall,
}

/// How fjall is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Tuning {
    /// As it comes: memtables of 64 MiB, a cache of 32 MiB, LZ4 from the third level on.
    Default,
    /// Memtables of 256 MiB, a cache of 512 MiB, filters of 14 bits held in memory, no compression.
    Tuned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Durability {
    Buffered,
    Synced,
}

/// Puts records into one store and says what it costs.
#[derive(Parser)]
struct Arguments {
    /// A directory that is not there yet, on the disk in question
    directory: PathBuf,
    #[arg(long)]
    store: Which,
    #[arg(long, default_value_t = 1)]
    millions: u64,
    /// Accounts, of which pairs are drawn at random
    #[arg(long, default_value_t = 10_000)]
    accounts: usize,
    #[arg(long, default_value = "default")]
    tuning: Tuning,
    #[arg(long, default_value = "buffered")]
    durability: Durability,
    /// fjall also keeps (account, sequence)
    #[arg(long)]
    groups: bool,
    /// Stops taking records after so many minutes, and reports on what it has
    #[arg(long, default_value_t = 600)]
    minutes_max: u64,
}

/// What both can do.
trait Store {
    /// The run whose groups have to be given anew; a store without runs has one.
    fn run(&self) -> u32;
    fn put(&mut self, batch: &Batch) -> Outcome;
    /// Everything is in files from here on.
    fn finish(&mut self, through: u64) -> Outcome;
    fn is_busy(&mut self) -> Outcome<bool>;
    fn holds(&self, id: &[u8; ID_BYTES]) -> Outcome<bool>;
    fn finds(&self, id: &[u8; ID_BYTES]) -> Outcome<bool>;
    fn about(&self) -> String;
}

struct Ours {
    index: Index<DiskStorage, Transfers>,
    keys_files: usize,
}

impl Ours {
    fn open(arguments: &Arguments) -> Outcome<Ours> {
        let options = IndexOptions { work: IndexWork::Beside, ..IndexOptions::default() };
        let storage = DiskStorage::create(&arguments.directory)?;
        let (index, _) = Index::open(storage, Lineage([1; 16]), options)?;
        Ok(Ours { index, keys_files: 0 })
    }
}

impl Store for Ours {
    fn run(&self) -> u32 {
        self.index.run()
    }

    fn put(&mut self, batch: &Batch) -> Outcome {
        let mut states = batch.states.iter().peekable();
        for (place, record) in batch.records.chunks_exact(RECORD_BYTES).enumerate() {
            while let Some((_, account, balances)) = states.next_if(|(before, ..)| *before == place) {
                self.index.push_state(*account, balances);
            }
            self.index.push(record);
        }
        Ok(self.index.end_batch(batch.through, batch.through * 1_000)?)
    }

    fn finish(&mut self, through: u64) -> Outcome {
        self.index.cut(through, through * 1_000)?;
        Ok(self.index.wait_covered(through)?)
    }

    fn is_busy(&mut self) -> Outcome<bool> {
        self.index.wait_covered(0)?;
        let before = std::mem::replace(&mut self.keys_files, self.index.keys_files());
        Ok(before != self.keys_files)
    }

    fn holds(&self, id: &[u8; ID_BYTES]) -> Outcome<bool> {
        Ok(self.index.may_hold(id) && self.index.find(id)?.is_some())
    }

    fn finds(&self, id: &[u8; ID_BYTES]) -> Outcome<bool> {
        Ok(self.index.find(id)?.is_some())
    }

    fn about(&self) -> String {
        let mebibytes = self.index.memory_bytes() >> 20;
        format!("{} files of keys, {mebibytes} MiB of filters and tables", self.index.keys_files())
    }
}

struct Fjall {
    database: Database,
    by_id: Keyspace,
    by_account: Option<Keyspace>,
    persist: PersistMode,
}

impl Fjall {
    fn open(arguments: &Arguments) -> Outcome<Fjall> {
        let builder = Database::builder(&arguments.directory);
        let (builder, options): (_, fn() -> KeyspaceCreateOptions) = match arguments.tuning {
            Tuning::Default => (builder, KeyspaceCreateOptions::default),
            Tuning::Tuned => (builder.cache_size(512 << 20).max_journaling_size(2 << 30), tuned),
        };
        let database = builder.open()?;
        let by_id = database.keyspace("by_id", options)?;
        let by_account = arguments.groups.then(|| database.keyspace("by_account", options)).transpose()?;
        let persist = match arguments.durability {
            Durability::Buffered => PersistMode::Buffer,
            Durability::Synced => PersistMode::SyncData,
        };
        Ok(Fjall { database, by_id, by_account, persist })
    }
}

fn tuned() -> KeyspaceCreateOptions {
    let filter = FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(14.0));
    KeyspaceCreateOptions::default()
        .max_memtable_size(256 << 20)
        .filter_policy(FilterPolicy::all(filter))
        .filter_block_pinning_policy(PinningPolicy::all(true))
        .data_block_compression_policy(CompressionPolicy::all(CompressionType::None))
}

impl Store for Fjall {
    fn run(&self) -> u32 {
        1
    }

    fn put(&mut self, batch: &Batch) -> Outcome {
        let mut writes = self.database.batch().durability(Some(self.persist));
        for record in batch.records.chunks_exact(RECORD_BYTES) {
            let (id, rest) = record.split_at(ID_BYTES);
            writes.insert(&self.by_id, id, rest);
            let Some(by_account) = &self.by_account else { continue };
            for account in Transfers::groups(record).into_iter().flatten() {
                let mut key = [0; 16];
                key[..8].copy_from_slice(&account.to_be_bytes());
                key[8..].copy_from_slice(&u64_at(record, SEQUENCE_AT).to_be_bytes());
                writes.insert(by_account, key, []);
            }
        }
        Ok(writes.commit()?)
    }

    fn finish(&mut self, _: u64) -> Outcome {
        self.by_id.rotate_memtable_and_wait()?;
        Ok(self.by_account.as_ref().map_or(Ok(()), Keyspace::rotate_memtable_and_wait)?)
    }

    fn is_busy(&mut self) -> Outcome<bool> {
        Ok(self.database.outstanding_flushes() > 0 || self.database.active_compactions() > 0)
    }

    fn holds(&self, id: &[u8; ID_BYTES]) -> Outcome<bool> {
        Ok(self.by_id.contains_key(id)?)
    }

    fn finds(&self, id: &[u8; ID_BYTES]) -> Outcome<bool> {
        Ok(self.by_id.get(id)?.is_some())
    }

    fn about(&self) -> String {
        let journal = self.database.journal_disk_space().unwrap_or(0) >> 20;
        let tables = self.by_id.table_count() + self.by_account.as_ref().map_or(0, Keyspace::table_count);
        format!("{tables} tables, {journal} MiB of log, {} MiB of cache in use", self.database.cache_size() >> 20)
    }
}

/// A processor clock: user and system time.
fn cpu(of: ClockId) -> Duration {
    let time = clock_gettime(of);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).expect("less than a second"))
}

/// What the process has read: system calls that read, and bytes that came from the disk.
#[derive(Clone, Copy)]
struct Reads {
    calls: u64,
    disk_bytes: u64,
}

impl Reads {
    fn now() -> Outcome<Reads> {
        let text = std::fs::read_to_string("/proc/self/io")?;
        Ok(Reads { calls: field(&text, "syscr:")?, disk_bytes: field(&text, "read_bytes:")? })
    }

    /// Since then, less what looking costs.
    fn since(before: Reads) -> Outcome<Reads> {
        let (now, then) = (Reads::now()?, Reads::now()?);
        let calls = now.calls.saturating_sub(before.calls + (then.calls - now.calls));
        Ok(Reads { calls, disk_bytes: now.disk_bytes - before.disk_bytes })
    }
}

fn field(text: &str, name: &str) -> Outcome<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).ok_or("not in /proc")?;
    Ok(line.split_whitespace().next().ok_or("no number")?.parse()?)
}

fn peak_mebibytes() -> Outcome<u64> {
    Ok(field(&std::fs::read_to_string("/proc/self/status")?, "VmHWM:")? >> 10)
}

/// All files below a directory.
fn files_below(directory: &Path) -> Outcome<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            files.extend(files_below(&entry.path())?);
        } else {
            files.push(entry.path());
        }
    }
    Ok(files)
}

fn disk_bytes(directory: &Path) -> Outcome<u64> {
    use std::os::unix::fs::MetadataExt;
    files_below(directory)?.iter().map(|path| Ok(path.metadata()?.blocks() * 512)).sum()
}

/// Out of the page cache, as after a start of the machine.
fn drop_from_cache(directory: &Path) -> Outcome {
    for path in files_below(directory)? {
        let file = File::open(&path)?;
        file.sync_all()?;
        rustix::fs::fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}

/// What building has cost.
struct Built {
    records: u64,
    cpu: Duration,
    wall: Duration,
    peak_mebibytes: u64,
    disk_bytes: u64,
    /// Of each batch.
    took: Vec<Duration>,
}

fn build(arguments: &Arguments, store: &mut dyn Store, maker: &mut Maker) -> Outcome<Built> {
    let wanted = arguments.millions * 1_000_000;
    let (begun, cpu_before) = (Instant::now(), cpu(ClockId::ProcessCPUTime));
    let (mut making, mut making_wall) = (Duration::ZERO, Duration::ZERO);
    let mut took = Vec::new();
    let mut batch = Batch::default();
    let mut said = 0;
    while maker.sequence < wanted && begun.elapsed().as_secs() < arguments.minutes_max * 60 {
        let before = (cpu(ClockId::ThreadCPUTime), Instant::now());
        let records = usize::try_from(wanted - maker.sequence)?.min(BATCH);
        maker.fill(&mut batch, store.run(), records);
        making += cpu(ClockId::ThreadCPUTime) - before.0;
        making_wall += before.1.elapsed();
        let putting = Instant::now();
        store.put(&batch)?;
        took.push(putting.elapsed());
        if maker.sequence / 10_000_000 > said {
            said = maker.sequence / 10_000_000;
            let spent = (cpu(ClockId::ProcessCPUTime) - cpu_before - making).as_secs_f64();
            let wall = begun.elapsed().as_secs();
            eprintln!("{said}0 million: {spent:.1} s of CPU, {wall} s, {}", store.about());
        }
    }
    // As somebody asks who does not wait for merging to come to rest.
    let asking = cpu(ClockId::ThreadCPUTime);
    ask("unknown ids, under way", &unknown_ids(), false, |id| store.holds(id))?;
    making += cpu(ClockId::ThreadCPUTime) - asking;
    store.finish(maker.sequence)?;
    let wall = settle(store, begun)?;
    Ok(Built {
        records: maker.sequence,
        cpu: cpu(ClockId::ProcessCPUTime) - cpu_before - making,
        wall: wall - making_wall,
        peak_mebibytes: peak_mebibytes()?,
        disk_bytes: disk_bytes(&arguments.directory)?,
        took,
    })
}

/// Until the store says that it is idle and nothing has run for three seconds. Returns when it came to rest.
fn settle(store: &mut dyn Store, begun: Instant) -> Outcome<Duration> {
    let (mut idle, mut rest) = (0, begun.elapsed());
    while idle < 6 {
        let before = cpu(ClockId::ProcessCPUTime);
        std::thread::sleep(Duration::from_millis(500));
        let has_run = cpu(ClockId::ProcessCPUTime) - before > Duration::from_millis(2);
        if store.is_busy()? || has_run {
            (idle, rest) = (0, begun.elapsed());
        } else {
            idle += 1;
        }
    }
    Ok(rest)
}

fn unknown_ids() -> Vec<[u8; ID_BYTES]> {
    let mut random = Random::new(99);
    (0..UNKNOWN_IDS).map(|_| random.bytes()).collect()
}

/// One question after the other: CPU and elapsed time of each, and what was read for all.
fn ask(
    name: &str,
    ids: &[[u8; ID_BYTES]],
    expected: bool,
    question: impl Fn(&[u8; ID_BYTES]) -> Outcome<bool>,
) -> Outcome {
    let (reads, before, begun) = (Reads::now()?, cpu(ClockId::ThreadCPUTime), Instant::now());
    for id in ids {
        if question(id)? != expected {
            return Err(format!("{name}: a wrong answer").into());
        }
    }
    let (wall, spent) = (begun.elapsed(), cpu(ClockId::ThreadCPUTime) - before);
    let reads = Reads::since(reads)?;
    let count = ids.len() as f64;
    println!(
        "{name}: {:.0} ns of CPU, {:.2} us elapsed each; {:.4} reads each, {:.0} bytes each from the disk",
        spent.as_nanos() as f64 / count,
        wall.as_nanos() as f64 / count / 1e3,
        reads.calls as f64 / count,
        reads.disk_bytes as f64 / count,
    );
    Ok(())
}

fn run(arguments: &Arguments) -> Outcome {
    if arguments.directory.exists() {
        return Err("the directory is there already".into());
    }
    let mut store: Box<dyn Store> = match arguments.store {
        Which::Ours => Box::new(Ours::open(arguments)?),
        Which::Fjall => Box::new(Fjall::open(arguments)?),
    };
    let mut maker = Maker::new(arguments.accounts, (arguments.millions * 1_000_000 / KNOWN_IDS).max(1));
    let mut built = build(arguments, store.as_mut(), &mut maker)?;
    let millions = built.records as f64 / 1e6;
    built.took.sort_unstable();
    let batch_ms = |permille: usize| built.took[(built.took.len() - 1) * permille / 1_000].as_secs_f64() * 1e3;
    println!(
        "{:?} {:?} {:?} groups {}: {millions:.1} million records, {}",
        arguments.store,
        arguments.tuning,
        arguments.durability,
        arguments.groups,
        store.about()
    );
    println!(
        "| {millions:.1} M | {:.2} | {:.1} | {} | {:.0} | {:.1} / {:.1} / {:.0} |",
        built.cpu.as_secs_f64() / millions,
        built.wall.as_secs_f64(),
        built.peak_mebibytes,
        built.disk_bytes as f64 / built.records as f64,
        batch_ms(500),
        batch_ms(990),
        batch_ms(1_000)
    );
    println!(
        "(records | CPU s a million | elapsed s | peak MiB | bytes on disk a record | batch p50, p99, longest ms)"
    );

    let unknown = unknown_ids();
    let known = &maker.remembered;
    drop_from_cache(&arguments.directory)?;
    ask("unknown ids, cold", &unknown, false, |id| store.holds(id))?;
    ask("unknown ids, again", &unknown, false, |id| store.holds(id))?;
    drop_from_cache(&arguments.directory)?;
    ask("known ids, cold", known, true, |id| store.finds(id))?;
    ask("known ids, again", known, true, |id| store.finds(id))?;
    println!("peak {} MiB with the look-ups", peak_mebibytes()?);
    drop(store);
    Ok(std::fs::remove_dir_all(&arguments.directory)?)
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("id_index: {}: {error}", arguments.directory.display());
            ExitCode::FAILURE
        }
    }
}
