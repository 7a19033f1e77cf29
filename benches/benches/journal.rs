//! The journal on a real disk.
//!
//! ```text
//!   payload, made beforehand  -->  Journal  -->  file system under the target directory  (fdatasync each batch)
//! ```
//!
//! In the figure: header, checksum, hash chain, one write and one sync of each batch, and the move to the next segment where one is
//! full; the next segment is prepared by its own thread meanwhile, as in the switch. Not in it: making the payload. An element is one
//! payload byte. It is the disk of this machine that is measured: the target directory must not be on a tmpfs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use benches::timed;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ledger::journal::{BatchHead, DiskStorage, Journal, JournalOptions, Lineage, RecordBuffer};

/// After so many bytes a new journal is begun (not timed), so that the bench does not fill the disk.
const JOURNAL_BYTES_MAX: u64 = 256 << 20;

struct Log {
    journal: Journal<DiskStorage>,
    bytes: u64,
    time_ns: u64,
    /// Removes the files when the log goes.
    _directory: tempfile::TempDir,
}

impl Log {
    fn new() -> Log {
        let directory = tempfile::tempdir_in(target_directory()).expect("a directory on the disk");
        let storage = DiskStorage::create(directory.path()).expect("a directory on the disk");
        let journal = Journal::create(storage, JournalOptions::default(), Lineage([3; 16])).expect("a new journal");
        Log { journal, bytes: 0, time_ns: 0, _directory: directory }
    }

    fn append(&mut self, batch: &mut RecordBuffer) {
        self.time_ns += 1;
        let head = BatchHead { count: 8, time_ns: self.time_ns, epoch: 0 };
        self.journal.append(batch, head).expect("the disk takes it");
        self.journal.sync().expect("the disk takes it");
        self.bytes += batch.payload().len() as u64;
    }
}

/// Where cargo builds: it is on the disk where the work is.
fn target_directory() -> PathBuf {
    let program = std::env::current_exe().expect("this program has a path");
    program.parent().map(Path::to_owned).expect("this program lies in a directory")
}

fn journal(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("journal/append+sync");
    group.sample_size(20).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    for (payload_bytes, name) in [(4 << 10, "4KiB"), (64 << 10, "64KiB"), (1 << 20, "1MiB")] {
        // The header is part of the first block.
        let payload = vec![0xa5; payload_bytes - ledger::journal::HEADER_BYTES];
        let mut batch = RecordBuffer::with_capacity(payload.len());
        batch.extend_from_slice(&payload);
        group.throughput(Throughput::Elements(payload.len() as u64));
        let mut log = Log::new();
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter_custom(|batches| {
                let mut total = Duration::ZERO;
                for _ in 0..batches {
                    if log.bytes >= JOURNAL_BYTES_MAX {
                        log = Log::new();
                    }
                    timed(&mut total, || log.append(&mut batch));
                }
                total
            });
        });
    }
    group.finish();
}

criterion_group!(benches, journal);
criterion_main!(benches);
