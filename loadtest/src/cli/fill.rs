//! `loadtest fill`: a large history, quickly.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use switch::limits::LOOKUP_CAPACITY_MAX;

use super::print;
use super::run::interrupts;
use crate::SetUpError;
use crate::fill::{Filled, Filler, ImportedAliases, check_room};
use crate::interrupts::Interrupts;
use crate::limits::{ALIASES_MAX, NS_PER_S, PARTICIPANTS_MAX};
use crate::protocol::Protocol;
use crate::report::numbers::grouped;
use crate::report::per_second;
use crate::spawn;

/// More than a journal of this format was ever tried with.
const PAYMENTS_MAX: u64 = 2_000_000_000;

/// Makes a history: payments that are sealed, journaled, synced and decided as the switch does it, without providers around; and aliases, imported as a provider's file is.
///
/// The data directory is made where there is none, and filled further where there is one; no switch may run on it. Ctrl-C ends it early and cleanly.
#[derive(Args)]
#[command(after_help = "Examples:
  loadtest fill --data /tmp/history/data --payments 50000000
  loadtest run --spawn --data /tmp/history/data --rate max --duration 30
  loadtest fill --data /tmp/aliases/data --aliases 10000000
  loadtest run --spawn --data /tmp/aliases/data --scenario alias_heavy --aliases 10000000")]
pub(super) struct Arguments {
    /// The data directory
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// How many payments are added
    #[arg(long, value_name = "N", required_unless_present = "aliases")]
    payments: Option<u64>,
    /// So many aliases are imported, shared among all participants, before the payments: those that `loadtest run --aliases` looks up. A directory that is there already must trust
    /// the ID system of `loadtest aliases`
    #[arg(long, value_name = "N")]
    aliases: Option<u64>,
    /// Participants of a directory that is not there yet
    #[arg(long, value_name = "N", default_value_t = 16)]
    participants: u32,
    /// The switch's binary, which makes the directory [default: the one beside this one]
    #[arg(long, value_name = "PATH")]
    switch_bin: Option<PathBuf>,
}

/// Runs the command.
pub(super) async fn run(arguments: &Arguments) -> Result<bool, SetUpError> {
    let Arguments { data, participants, .. } = arguments;
    if let Some(payments) = arguments.payments.filter(|payments| !(1..=PAYMENTS_MAX).contains(payments)) {
        return Err(SetUpError::new(format!("--payments {payments}: give 1 to {PAYMENTS_MAX}")));
    }
    if let Some(aliases) = arguments.aliases.filter(|aliases| !(1..=ALIASES_MAX).contains(aliases)) {
        return Err(SetUpError::new(format!("--aliases {aliases}: give 1 to {ALIASES_MAX}")));
    }
    if !(2..=PARTICIPANTS_MAX).contains(participants) {
        return Err(SetUpError::new(format!("--participants {participants}: give 2 to {PARTICIPANTS_MAX}")));
    }
    let binary = || spawn::find_binary(arguments.switch_bin.as_deref());
    if !data.join("switch.toml").is_file() {
        spawn::init(&binary()?, data, *participants, 0, Protocol::Native).await?;
        if arguments.aliases.is_some() {
            spawn::open_directory(&data.join("genesis.toml"), LOOKUP_CAPACITY_MAX).map_err(SetUpError::new)?;
        }
    }
    let payments = arguments.payments.unwrap_or(0);
    check_room(data, payments)?;
    let mut interrupts = interrupts()?;
    let mut imported = None;
    if let Some(aliases) = arguments.aliases {
        let binary = binary()?;
        let took = tokio::select! {
            took = spawn::import(&binary, data, aliases) => took?,
            () = interrupts.wait() => return Err(SetUpError::new("interrupted in the import of aliases; what was imported is in")),
        };
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        eprintln!("{} aliases in {:.1} s, {:.0}/s", grouped(aliases), took.as_secs_f64(), per_second(aliases, ns));
        imported = Some(ImportedAliases { aliases, seconds: took.as_secs_f64(), per_second: per_second(aliases, ns) });
    }
    let mut filled = if payments > 0 { fill(data, payments, &mut interrupts).await? } else { Filled::default() };
    (filled.journal_bytes, filled.imported) = (journal_bytes(data), imported);
    print(&serde_json::to_string_pretty(&filled).map_err(SetUpError::new)?);
    Ok(true)
}

/// Adds the payments.
async fn fill(data: &std::path::Path, payments: u64, interrupts: &mut Interrupts) -> Result<Filled, SetUpError> {
    let mut filler = Filler::open(data)?;
    let began = Instant::now();
    let mut said = began;
    let (mut left, mut is_interrupted) = (payments, false);
    while left > 0 && !is_interrupted {
        let before = left;
        left -= filler.fill(before)?;
        if said.elapsed() >= Duration::from_secs(1) {
            said = Instant::now();
            eprintln!("{} of {} payments", grouped(filler.committed()), grouped(payments));
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
        interrupted: is_interrupted,
        ..Filled::default()
    };
    eprintln!("{} payments in {:.1} s, {:.0}/s", grouped(filled.payments), filled.seconds, filled.per_second);
    Ok(filled)
}

/// Of all files of the journal.
fn journal_bytes(data: &std::path::Path) -> u64 {
    let files = std::fs::read_dir(switch::data::journal_directory(data));
    files.map_or(0, |files| files.flatten().filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum())
}
