//! `switch ledger`: looks at the books of a data directory. Everything here reads the journal and nothing else, and changes nothing, so it may be
//! done beside a running switch and after one that was killed.

pub(super) mod accounts;
pub(super) mod arguments;
mod export;
mod new_file;
#[cfg(feature = "parquet")]
mod parquet_rows;
pub(super) mod rows;
pub(super) mod statement;
mod transfer;
mod verify;
pub(super) mod walk;

#[cfg(test)]
pub(super) mod tests;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use ledger::journal::{DiskStorage, JournalFault};
use serde::Serialize;

use super::Failure;
use crate::books::Moment;
use crate::data::{OpenError, journal_directory};

/// Output is written in portions of so many bytes.
pub(super) const OUTPUT_BYTES: usize = 64 * 1024;

/// The commands.
#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Walk the journal's chain, replay it, and check that the books balance; changes nothing
    ///
    /// Believes nothing but the journal. Status 1 at damage or imbalance.
    #[command(after_help = "Example:\n  switch ledger verify --data /var/lib/clearspan")]
    Verify(verify::Arguments),
    /// List the accounts and what stands on them, now or at a time
    #[command(
        after_help = "Example:\n  switch ledger accounts --data /var/lib/clearspan --currency XTS --at 2026-11-22T18:00:00Z"
    )]
    Accounts(accounts::Arguments),
    /// Show every booked movement of an account, with opening and closing balance
    ///
    /// From the first time on and before the second. That opening balance and movements make the closing balance is checked; status 1
    /// where they do not.
    #[command(
        after_help = "Example:\n  switch ledger statement --data /var/lib/clearspan --participant PSP0001 --currency XTS \\\n    --from 2026-11-22T00:00:00Z --to 2026-11-23T00:00:00Z"
    )]
    Statement(statement::Arguments),
    /// Show one transfer: a payment by its UETR, or an order of money by its reference
    ///
    /// Status 1 where the journal has none of this id.
    #[command(
        after_help = "Example:\n  switch ledger transfer 5f3c1f0e-8f0b-4d5e-9f57-0a1b2c3d4e5f --data /var/lib/clearspan"
    )]
    Transfer(transfer::Arguments),
    /// Write all transfers, or all accounts, as rows
    ///
    /// Transfers that ended from the first time on and before the second stand in the order in which they ended; behind them stand those
    /// that were in flight when the period ended.
    #[command(
        after_help = "Example:\n  switch ledger export --data /var/lib/clearspan --format csv --output transfers.csv"
    )]
    Export(export::Arguments),
}

/// Runs a command.
pub(super) fn run(command: &Command) -> Result<ExitCode, Failure> {
    if let Command::Verify(arguments) = command {
        return verify::run(arguments);
    }
    print(|out| tell(command, out))
}

/// Runs a command that writes as it reads, to standard output.
pub(super) fn print(tell: impl FnOnce(&mut dyn Write) -> Result<(), Ended>) -> Result<ExitCode, Failure> {
    report_assertions();
    let mut out = BufWriter::with_capacity(OUTPUT_BYTES, io::stdout().lock());
    let done = tell(&mut out);
    // What was said before the end belongs out, whatever the end.
    let flushed = out.flush().map_err(Ended::Output);
    let ended = done.and(flushed);
    // Nothing more is said to a pipe that was closed, at the end of the process least of all.
    drop(out.into_parts());
    match ended {
        Ok(()) => Ok(ExitCode::SUCCESS),
        // Whoever closed the pipe has seen enough.
        Err(Ended::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(ended) => Err(ended.into_failure()),
    }
}

/// Runs a command that writes as it reads.
fn tell(command: &Command, out: &mut dyn Write) -> Result<(), Ended> {
    match command {
        Command::Verify(_) => unreachable!("it has its own way out"),
        Command::Accounts(arguments) => accounts::run(arguments, out),
        Command::Statement(arguments) => statement::run(arguments, out),
        Command::Transfer(arguments) => transfer::run(arguments, out),
        Command::Export(arguments) => export::run(arguments, out),
    }
}

/// Where the journal lies.
#[derive(clap::Args)]
pub(super) struct Source {
    /// The data directory; nothing in it is changed
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

impl Source {
    /// The journal's files, to be read.
    pub(super) fn open(&self) -> Result<DiskStorage, Failure> {
        let path = journal_directory(&self.data);
        DiskStorage::open(&path).map_err(|error| Failure::start(OpenError::Directory(path, error)))
    }
}

/// A place in the journal, for programs.
#[derive(Serialize)]
pub(super) struct Place {
    time: String,
    position: u64,
}

impl Place {
    pub(super) fn of(moment: Moment) -> Place {
        Place { time: arguments::time_text(moment.time_ns), position: moment.position }
    }
}

/// Why a command came to an end before its end.
pub(super) enum Ended {
    /// What was asked for cannot be done, or is not there.
    Failure(Failure),
    /// The journal is not what was written.
    Damage(Damage, String),
    /// The output takes no more.
    Output(io::Error),
}

impl Ended {
    pub(super) fn into_failure(self) -> Failure {
        match self {
            Ended::Failure(failure) => failure,
            Ended::Damage(_, text) => Failure::fault(text),
            Ended::Output(error) => Failure::fault(format!("writing the output: {error}")),
        }
    }

    /// Where the journal is damaged, if that is what it was.
    pub(super) fn damage(&self) -> Option<&Damage> {
        match self {
            Ended::Damage(damage, _) => Some(damage),
            Ended::Failure(_) | Ended::Output(_) => None,
        }
    }
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Ended {
        Ended::Failure(failure)
    }
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Ended {
        Ended::Output(error)
    }
}

impl From<JournalFault> for Ended {
    fn from(fault: JournalFault) -> Ended {
        match Damage::of(&fault) {
            Some(damage) => Ended::Damage(damage, fault.to_string()),
            None => Ended::Failure(Failure::start(fault)),
        }
    }
}

/// Where a journal is damaged. The names of the keys are relied upon by scripts.
#[derive(Clone, Serialize)]
pub(super) struct Damage {
    segment: String,
    offset: u64,
    reason: String,
}

impl Damage {
    /// None where the fault is not in the journal.
    fn of(fault: &JournalFault) -> Option<Damage> {
        match fault {
            JournalFault::Damaged { path, offset, reason } => {
                Some(Damage { segment: path.clone(), offset: *offset, reason: reason.to_string() })
            }
            JournalFault::NotTaken { first_sequence, .. } => {
                Some(Damage { segment: format!("sequence {first_sequence}"), offset: 0, reason: fault.to_string() })
            }
            _ => None,
        }
    }
}

/// The engine asserts at the end of every batch that the books balance. Here a failed assertion is a finding, and said as one.
fn report_assertions() {
    std::panic::set_hook(Box::new(|panic| {
        let reason = panic.payload_as_str().unwrap_or("an assertion failed");
        let _ = writeln!(io::stderr(), "switch: the books are not right: {reason}");
        std::process::exit(1);
    }));
}
