//! A ledger under load for long: real files, a real SIGKILL, a start from what is left, and a verification of everything.
//!
//! ```text
//!   this process --starts--> writer: batches into a Ledger, on disk
//!                <--lines---  how many, how fast, how much memory
//!                --SIGKILL->
//!   opens the directory (timed), compares with what was acknowledged, then `verify`
//! ```
//!
//! In the figures: making the requests, encoding, journal write and sync, book, index, merging, snapshots. A transfer is one
//! single-phase movement, or one half of a two-phase one.
//!
//! `cargo run --release -p benches --bin ledger_soak -- --directory DIR --transfers 100000000`

#![allow(clippy::float_arithmetic, reason = "rates and milliseconds for people; no money is among them")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use benches::{Random, scheme};
use clap::{Parser, ValueEnum};
use ledger::{
    AccountFlags, AccountId, AccountSpec, Amount, BatchEntry, Ledger, LedgerOptions, Request, Terms, TransferId,
    TransferSpec, verify,
};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Accounts that are opened in one batch.
const OPENED_PER_BATCH: u128 = 8_190;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Each transfer is a movement.
    Single,
    /// Each movement is two transfers: reserved in one batch, posted in the next.
    TwoPhase,
}

/// Writes transfers into a ledger, kills it, opens it, verifies it.
#[derive(Parser)]
struct Arguments {
    /// An empty directory, or one of a run before
    #[arg(long)]
    directory: PathBuf,
    /// How many transfers to write
    #[arg(long, default_value_t = 10_000_000)]
    transfers: u64,
    /// Entries of a batch
    #[arg(long, default_value_t = 8_190)]
    batch: usize,
    /// Accounts, of which pairs are drawn at random
    #[arg(long, default_value_t = 10_000)]
    accounts: u64,
    #[arg(long, value_enum, default_value = "two-phase")]
    kind: Kind,
    /// Final transfers in memory
    #[arg(long, default_value_t = LedgerOptions::default().final_transfers_max)]
    window: u32,
    /// Records of an index run
    #[arg(long, default_value_t = LedgerOptions::default().run_records)]
    run_records: u32,
    /// A line after so many transfers
    #[arg(long, default_value_t = 10_000_000)]
    report_every: u64,
    /// Does not verify at the end
    #[arg(long)]
    no_verify: bool,
    /// Only writes, until it is killed or done
    #[arg(long, hide = true)]
    writer: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = if arguments.writer { write(&arguments) } else { soak(&arguments) };
    done.map_or_else(
        |error| {
            eprintln!("ledger_soak: {error}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// The writer in a process of its own, killed when it has written everything; then what a start finds.
fn soak(arguments: &Arguments) -> Outcome {
    let mut writer = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .arg("--writer")
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(writer.stdout.take().ok_or("the writer has no output")?);
    let mut acknowledged = 0;
    for line in lines.lines() {
        let line = line?;
        println!("{line}");
        if let Some(sequence) = line.strip_prefix("acknowledged through ") {
            acknowledged = sequence.parse()?;
            break;
        }
    }
    writer.kill()?;
    writer.wait()?;
    let start = Instant::now();
    let ledger = Ledger::open(&arguments.directory, options(arguments))?;
    let opened = start.elapsed();
    let report = ledger.report();
    let replayed = report.journal.as_ref().map_or(0, |journal| journal.entries);
    println!(
        "start after SIGKILL: {:.2} s, snapshot at {:?}, {replayed} entries replayed",
        opened.as_secs_f64(),
        report.snapshot_sequence
    );
    if ledger.durable_sequence() < acknowledged {
        return Err(format!("{acknowledged} was acknowledged, {} is there", ledger.durable_sequence()).into());
    }
    drop(ledger);
    if !arguments.no_verify {
        let start = Instant::now();
        let report = verify(&arguments.directory, options(arguments))?;
        println!("verified in {:.1} s: {report:?}", start.elapsed().as_secs_f64());
    }
    disk(&arguments.directory, arguments.transfers)
}

fn options(arguments: &Arguments) -> LedgerOptions {
    let (final_transfers_max, run_records) = (arguments.window, arguments.run_records);
    LedgerOptions { final_transfers_max, run_records, ..LedgerOptions::default() }
}

/// Writes, and says how it goes.
fn write(arguments: &Arguments) -> Outcome {
    let mut ledger = Ledger::open(&arguments.directory, options(arguments))?;
    let mut now_ns = ledger.book().now_ns();
    open_accounts(&mut ledger, arguments.accounts, &mut now_ns)?;
    // Another start of the same directory goes on with other ids.
    let mut random = Random::new(ledger.durable_sequence());
    let (mut written, mut reported, mut slowest) = (0, 0, Duration::ZERO);
    let mut reserved: Vec<TransferId> = Vec::new();
    let mut batch: Vec<BatchEntry> = Vec::with_capacity(arguments.batch);
    let (begin, mut since) = (Instant::now(), Instant::now());
    let mut times = Vec::new();
    while written < arguments.transfers {
        batch.clear();
        if reserved.is_empty() {
            fill(arguments, &mut random, &mut batch, &mut reserved);
        } else {
            let post = |transfer| BatchEntry::from(Request::Post { transfer, amount: None });
            batch.extend(reserved.drain(..).map(post));
        }
        now_ns += 1_000_000;
        let submitted = Instant::now();
        let answers = ledger.submit(now_ns, &batch)?;
        times.push(submitted.elapsed());
        slowest = slowest.max(submitted.elapsed());
        if let Some(Err(reject)) = answers.iter().find(|answer| answer.is_err()) {
            return Err(format!("an entry was refused: {reject:?}").into());
        }
        written += batch.len() as u64;
        if written - reported >= arguments.report_every || written >= arguments.transfers {
            times.sort_unstable();
            let at = |permille: usize| times[(times.len() - 1) * permille / 1000].as_secs_f64() * 1e3;
            println!(
                "{written} transfers, {:.0}/s, batches p50 {:.2} p99 {:.2} p99.9 {:.2} max {:.2} ms, {} MiB resident",
                (written - reported) as f64 / since.elapsed().as_secs_f64(),
                at(500),
                at(990),
                at(999),
                slowest.as_secs_f64() * 1e3,
                resident_mib()?
            );
            (reported, since, slowest) = (written, Instant::now(), Duration::ZERO);
            times.clear();
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    println!("{written} transfers in {seconds:.1} s, {:.0}/s", written as f64 / seconds);
    println!("acknowledged through {}", ledger.durable_sequence());
    std::io::stdout().flush()?;
    // To be killed with everything open.
    std::thread::sleep(Duration::from_secs(600));
    Ok(())
}

fn open_accounts(ledger: &mut Ledger, accounts: u64, now_ns: &mut u64) -> Outcome {
    let mut next = 1;
    while next <= u128::from(accounts) {
        let end = u128::from(accounts).min(next + OPENED_PER_BATCH - 1);
        let spec = |id| AccountSpec {
            flags: AccountFlags::DEBITS_LIMITED,
            cap: u128::from(u64::MAX),
            ..AccountSpec::new(AccountId(id), scheme::currency())
        };
        let batch: Vec<BatchEntry> = (next..=end).map(|id| Request::Open(spec(id)).into()).collect();
        *now_ns += 1;
        ledger.submit(*now_ns, &batch)?;
        next = end + 1;
    }
    println!("{accounts} accounts, {} MiB resident", resident_mib()?);
    Ok(())
}

fn fill(arguments: &Arguments, random: &mut Random, batch: &mut Vec<BatchEntry>, reserved: &mut Vec<TransferId>) {
    let accounts = usize::try_from(arguments.accounts).unwrap_or(2).max(2);
    while batch.len() < arguments.batch {
        let id = random.transfer_id();
        let (debit, credit) = random.two_below(accounts);
        let transfer = TransferSpec {
            id,
            debit: AccountId(debit as u128 + 1),
            credit: AccountId(credit as u128 + 1),
            amount: Amount::MIN,
            two_phase: arguments.kind == Kind::TwoPhase,
            terms: Terms::NONE,
        };
        if transfer.two_phase {
            reserved.push(id);
        }
        batch.push(Request::Transfer(transfer).into());
    }
}

fn resident_mib() -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    let kib: u64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kib / 1024)
}

fn disk(directory: &Path, transfers: u64) -> Outcome {
    for name in ["journal", "index", "snapshots"] {
        let mut bytes = 0;
        for entry in std::fs::read_dir(directory.join(name))? {
            bytes += entry?.metadata()?.len();
        }
        println!("{name}: {} MiB, {:.1} bytes a transfer", bytes >> 20, bytes as f64 / transfers as f64);
    }
    Ok(())
}
