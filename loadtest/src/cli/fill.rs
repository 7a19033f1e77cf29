//! `loadtest fill`: a large history, quickly.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use super::print;
use super::run::interrupts;
use crate::SetUpError;
use crate::fill::{Filled, Filler, check_room};
use crate::limits::{NS_PER_S, PARTICIPANTS_MAX};
use crate::report::numbers::grouped;
use crate::report::per_second;
use crate::spawn;

/// More than a journal of this format was ever tried with.
const PAYMENTS_MAX: u64 = 2_000_000_000;

/// Makes a history: payments that are sealed, journaled, synced and decided as the switch does it, without providers around.
///
/// The data directory is made where there is none, and filled further where there is one; no switch may run on it. Ctrl-C ends it early and cleanly.
#[derive(Args)]
#[command(after_help = "Examples:
  loadtest fill --data /tmp/history/data --payments 50000000
  loadtest run --spawn --data /tmp/history/data --rate max --duration 30")]
pub(super) struct Arguments {
    /// The data directory
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// How many payments are added
    #[arg(long, value_name = "N")]
    payments: u64,
    /// Participants of a directory that is not there yet
    #[arg(long, value_name = "N", default_value_t = 16)]
    participants: u32,
    /// The switch's binary, which makes the directory [default: the one beside this one]
    #[arg(long, value_name = "PATH")]
    switch_bin: Option<PathBuf>,
}

/// Runs the command.
pub(super) async fn run(arguments: &Arguments) -> Result<bool, SetUpError> {
    let Arguments { data, payments, participants, .. } = arguments;
    if !(1..=PAYMENTS_MAX).contains(payments) {
        return Err(SetUpError::new(format!("--payments {payments}: give 1 to {PAYMENTS_MAX}")));
    }
    if !(2..=PARTICIPANTS_MAX).contains(participants) {
        return Err(SetUpError::new(format!("--participants {participants}: give 2 to {PARTICIPANTS_MAX}")));
    }
    if !data.join("switch.toml").is_file() {
        spawn::init(&spawn::find_binary(arguments.switch_bin.as_deref())?, data, *participants, 0).await?;
    }
    check_room(data, *payments)?;
    let mut filler = Filler::open(data)?;
    let mut interrupts = interrupts()?;
    let began = Instant::now();
    let mut said = began;
    let (mut left, mut is_interrupted) = (*payments, false);
    while left > 0 && !is_interrupted {
        let before = left;
        left -= filler.fill(before)?;
        if said.elapsed() >= Duration::from_secs(1) {
            said = Instant::now();
            eprintln!("{} of {} payments", grouped(filler.committed()), grouped(*payments));
        }
        is_interrupted = std::future::poll_fn(|cx| std::task::Poll::Ready(interrupts.poll(cx))).await;
        // Signals arrive while the runtime looks for them.
        tokio::task::yield_now().await;
    }
    filler.finish()?;
    let elapsed_ns = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let filled = Filled {
        payments: filler.committed(),
        seconds: per_second(elapsed_ns, NS_PER_S * NS_PER_S),
        per_second: per_second(filler.committed(), elapsed_ns),
        journal_bytes: journal_bytes(data),
        interrupted: is_interrupted,
    };
    eprintln!("{} payments in {:.1} s, {:.0}/s", grouped(filled.payments), filled.seconds, filled.per_second);
    print(&serde_json::to_string_pretty(&filled).map_err(SetUpError::new)?);
    Ok(true)
}

/// Of all files of the journal.
fn journal_bytes(data: &std::path::Path) -> u64 {
    let files = std::fs::read_dir(switch::data::journal_directory(data));
    files.map_or(0, |files| files.flatten().filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum())
}
