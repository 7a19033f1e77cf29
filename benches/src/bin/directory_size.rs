//! What a directory of many entries takes: disk, memory, the time to open it, and to find one of its entries. Prints a line for each.
//!
//! Rows are imported straight into the store, without journal and vault; what a running switch has beside it is not in these figures. Finding is by one thread, of entries by lot: first with
//! nothing of the store in memory (the page cache is emptied, which takes the rights of root: otherwise that line is left out), then as many once more, of those that were read.
//!
//! `cargo run --release -p benches --bin directory_size -- --entries 10000000 --data DIR`

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use adapters::directory::Operation;
use benches::Random;
use benches::filling::{Filling, alias_of};
use clap::Parser;
use switch::directory::store::{DiskStore, Store};
use switch::directory::{Directory, DirectoryReader};
use switch::limits::IMPORT_ROWS_PER_BATCH;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Entries that are looked for, cold and warm.
const FOUND: u64 = 50_000;

#[derive(Parser)]
struct Arguments {
    /// How many entries.
    #[arg(long)]
    entries: u64,
    /// An empty directory, or one that this program has filled with as many.
    #[arg(long)]
    data: PathBuf,
}

fn main() {
    let Arguments { entries, data } = Arguments::parse();
    if !data.exists() {
        fill(&data, entries);
    }
    println!("on disk           {:>12} MiB", bytes_of(&data) >> 20);
    let is_cold = std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok();
    let begun = Instant::now();
    let directory = Directory::open(DiskStore::open(&data).expect("a store")).expect("a directory");
    println!("open              {:>12} us{}", begun.elapsed().as_micros(), if is_cold { ", cold" } else { "" });
    assert_eq!(directory.entries(), entries, "the directory that is there has as many entries as are asked for");
    println!("resident, opened  {:>12} MiB", resident_mib());
    let reader = directory.reader();
    let wanted: Vec<u64> = (0..FOUND).scan(Random::new(entries), |random, _| Some(random.draw() % entries)).collect();
    for what in ["cold", "once more"].into_iter().skip(usize::from(!is_cold)) {
        let took = find(&reader, &wanted);
        println!("find, {what:<11} {:>12} ns each", took.as_nanos() / u128::from(FOUND));
    }
    println!("resident          {:>12} MiB", resident_mib());
}

fn fill(data: &Path, entries: u64) {
    let mut filling = Filling::new(DiskStore::open(data).expect("an empty directory"));
    let begun = Instant::now();
    while filling.rows < entries {
        let batch = filling.next(Operation::Import, (entries - filling.rows).min(IMPORT_ROWS_PER_BATCH as u64));
        filling.apply(&batch);
        filling.check();
    }
    filling.directory.persist().expect("a disk that takes it");
    println!("filled            {:>12} rows/s", u128::from(entries) * 1_000 / begun.elapsed().as_millis().max(1));
    println!("resident, filled  {:>12} MiB", resident_mib());
}

fn find(reader: &DirectoryReader<impl Store>, wanted: &[u64]) -> Duration {
    let begun = Instant::now();
    for &row in wanted {
        assert!(reader.find(alias_of(row)).expect("a store that can be read").is_some(), "row {row} is there");
    }
    begun.elapsed()
}

fn bytes_of(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry"));
    entries
        .map(|entry| {
            if entry.path().is_dir() { bytes_of(&entry.path()) } else { entry.metadata().map_or(0, |file| file.len()) }
        })
        .sum()
}

fn resident_mib() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("a Linux");
    let pages: u64 = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("the second is resident");
    (pages * rustix::param::page_size() as u64) >> 20
}
