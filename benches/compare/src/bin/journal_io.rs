//! Ways of putting a batch on disk, side by side: what the journal does, and what it might do.
//!
//! ```text
//!   one batch  -->  pwrite + fdatasync                        (what the journal does)
//!              -->  pwrite, O_DIRECT | O_DSYNC
//!              -->  io_uring: write linked to fdatasync, one system call
//!              -->  io_uring: write, O_DIRECT | O_DSYNC
//! ```
//!
//! Each way has a file of its own, allocated and written with zeros beforehand, as segments are; batches are written one behind
//! the other, each on disk before the next, and from the beginning again when the file is full. In the figure: from the call to
//! the return that says that it is on disk. Not in it: making the batch. The ways take turns within each round, in another
//! order each time, since the disk has good and bad minutes; of the rounds' percentiles the median is shown.
//!
//! `journal_io DIRECTORY [ROUNDS]`; the directory must be on the disk in question, not on a tmpfs.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use io_uring::squeue::{Entry, Flags};
use io_uring::{IoUring, opcode, types};
use rustix::fs::{Advice, OFlags};

/// The journal's usual segment.
const FILE_BYTES: usize = 64 << 20;

/// What direct writes must be aligned to, and what the journal's records are.
const BLOCK_BYTES: usize = 4 << 10;

const ROUNDS_DEFAULT: usize = 15;

/// Batch size, and batches a round: some hundredths of a second each, and together too little to exhaust what a rented disk
/// grants in bursts.
const SIZES: [(usize, usize); 3] = [(4 << 10, 500), (64 << 10, 200), (1 << 20, 25)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Buffered,
    Direct,
    RingBuffered,
    RingDirect,
}

const WAYS: [Way; 4] = [Way::Buffered, Way::Direct, Way::RingBuffered, Way::RingDirect];

impl Way {
    fn name(self) -> &'static str {
        match self {
            Way::Buffered => "pwrite + fdatasync (the journal)",
            Way::Direct => "pwrite, O_DIRECT and O_DSYNC",
            Way::RingBuffered => "io_uring, write linked to fdatasync",
            Way::RingDirect => "io_uring, O_DIRECT and O_DSYNC",
        }
    }

    fn flags(self) -> OFlags {
        match self {
            Way::Buffered | Way::RingBuffered => OFlags::empty(),
            Way::Direct | Way::RingDirect => OFlags::DIRECT | OFlags::DSYNC,
        }
    }
}

/// One way, with its file.
struct Log {
    way: Way,
    path: PathBuf,
    file: File,
    ring: IoUring,
    offset: usize,
}

impl Log {
    fn create(directory: &Path, way: Way) -> io::Result<Log> {
        let path = directory.join(format!("journal_io.{}", way as u8));
        let zeros = vec![0; 1 << 20];
        let prepared = File::create(&path)?;
        for offset in (0..FILE_BYTES).step_by(zeros.len()) {
            prepared.write_all_at(&zeros, offset as u64)?;
        }
        prepared.sync_all()?;
        if way.flags().contains(OFlags::DIRECT) {
            // Else the first direct writes would have to throw the zeros out of the page cache.
            rustix::fs::fadvise(&prepared, 0, None, Advice::DontNeed)?;
        }
        let flags = i32::try_from(way.flags().bits()).map_err(io::Error::other)?;
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(&path)?;
        Ok(Log { way, path, file, ring: IoUring::new(8)?, offset: 0 })
    }

    /// Returns when the batch is on disk.
    fn append(&mut self, batch: &[u8]) -> io::Result<()> {
        if self.offset + batch.len() > FILE_BYTES {
            self.offset = 0;
        }
        let offset = self.offset as u64;
        self.offset += batch.len();
        match self.way {
            Way::Buffered => {
                self.file.write_all_at(batch, offset)?;
                self.file.sync_data()
            }
            Way::Direct => self.file.write_all_at(batch, offset),
            Way::RingBuffered => {
                let fd = types::Fd(self.file.as_raw_fd());
                let write = self.write_entry(batch, offset)?.flags(Flags::IO_LINK);
                let sync = opcode::Fsync::new(fd).flags(types::FsyncFlags::DATASYNC).build();
                self.submit(&[write, sync], batch.len())
            }
            Way::RingDirect => {
                let write = self.write_entry(batch, offset)?;
                self.submit(&[write], batch.len())
            }
        }
    }

    fn write_entry(&self, batch: &[u8], offset: u64) -> io::Result<Entry> {
        let length = u32::try_from(batch.len()).map_err(io::Error::other)?;
        let fd = types::Fd(self.file.as_raw_fd());
        Ok(opcode::Write::new(fd, batch.as_ptr(), length).offset(offset).build())
    }

    /// Submits in one system call and waits for all of it. A short write would break the link, and be an error.
    #[expect(
        unsafe_code,
        reason = "the ring takes addresses; the caller holds file and batch until all is completed here"
    )]
    fn submit(&mut self, entries: &[Entry], written: usize) -> io::Result<()> {
        let mut queue = self.ring.submission();
        // SAFETY: the entries hold the address of the caller's batch and the number of `self.file`, both of which outlive this
        // call; and it returns before all is completed only if the waiting itself fails, when the kernel at most goes on
        // reading, for the process ends.
        unsafe { queue.push_multiple(entries) }.map_err(io::Error::other)?;
        drop(queue);
        self.ring.submit_and_wait(entries.len())?;
        let mut results: Vec<i32> = self.ring.completion().map(|completed| completed.result()).collect();
        results.sort_unstable();
        match results.first() {
            Some(error) if *error < 0 => Err(io::Error::from_raw_os_error(-error)),
            _ if results.len() == entries.len()
                && results.last().is_some_and(|n| usize::try_from(*n) == Ok(written)) =>
            {
                Ok(())
            }
            _ => Err(io::Error::other("a short write")),
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // What cannot be removed is found by its name.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// One round of one way: nanoseconds.
#[derive(Clone, Copy)]
struct Round {
    p50: u64,
    p99: u64,
    mean: u64,
    /// Of this thread alone: what the ring's own threads do is not in it.
    cpu: u64,
}

fn run(log: &mut Log, batch: &[u8], batches: usize) -> io::Result<Round> {
    let mut took = Vec::with_capacity(batches);
    let cpu_before = thread_cpu()?;
    for _ in 0..batches {
        let begun = Instant::now();
        log.append(batch)?;
        took.push(u64::try_from(begun.elapsed().as_nanos()).map_err(io::Error::other)?);
    }
    let cpu = (thread_cpu()? - cpu_before) / batches as u64;
    let mean = took.iter().sum::<u64>() / batches as u64;
    took.sort_unstable();
    Ok(Round { p50: took[batches / 2], p99: took[batches * 99 / 100], mean, cpu })
}

/// Nanoseconds that this thread has run.
fn thread_cpu() -> io::Result<u64> {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let first = schedstat.split(' ').next().and_then(|nanos| nanos.parse().ok());
    first.ok_or_else(|| io::Error::other("no schedstat of this thread"))
}

fn median(rounds: &[Round], of: impl Fn(&Round) -> u64) -> u64 {
    let mut values: Vec<u64> = rounds.iter().map(of).collect();
    values.sort_unstable();
    values[values.len() / 2]
}

/// Microseconds with one decimal.
fn micros(nanos: u64) -> String {
    format!("{}.{}", nanos / 1_000, nanos % 1_000 / 100)
}

fn compare(directory: &Path, rounds: usize) -> io::Result<()> {
    let mut logs = WAYS.iter().map(|way| Log::create(directory, *way)).collect::<io::Result<Vec<Log>>>()?;
    // Room to begin at a block boundary, as direct writes must.
    let memory = vec![0xa5; SIZES[SIZES.len() - 1].0 + BLOCK_BYTES];
    let aligned = &memory[memory.as_ptr().align_offset(BLOCK_BYTES)..];
    println!("| batch | way | p50 us | p99 us | MB/s | CPU us |\n|---|---|---|---|---|---|");
    for (bytes, batches) in SIZES {
        let mut measured = vec![Vec::new(); logs.len()];
        for round in 0..rounds {
            for turn in 0..logs.len() {
                let at = (round + turn) % logs.len();
                measured[at].push(run(&mut logs[at], &aligned[..bytes], batches)?);
            }
        }
        for (log, rounds) in logs.iter().zip(&measured) {
            let megabytes_a_second = bytes as u64 * 1_000 / median(rounds, |round| round.mean);
            let (p50, p99) = (median(rounds, |round| round.p50), median(rounds, |round| round.p99));
            let (p50, p99, cpu) = (micros(p50), micros(p99), micros(median(rounds, |round| round.cpu)));
            let (name, kibibytes) = (log.way.name(), bytes >> 10);
            println!("| {kibibytes} KiB | {name} | {p50} | {p99} | {megabytes_a_second} | {cpu} |");
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().map(PathBuf::from);
    let rounds = arguments.next().map_or(Ok(ROUNDS_DEFAULT), |rounds| rounds.parse());
    let (Some(directory), Ok(rounds @ 1..)) = (directory, rounds) else {
        eprintln!("journal_io DIRECTORY [ROUNDS]");
        return ExitCode::FAILURE;
    };
    match compare(&directory, rounds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", directory.display());
            ExitCode::FAILURE
        }
    }
}
