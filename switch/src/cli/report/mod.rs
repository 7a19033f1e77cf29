//! `switch report`: what participants, the operator and the settlement bank are told of the journal's history. Everything here reads the journal and nothing
//! else, batch by batch; what a report keeps grows with what it shows, never with the journal (`docs/reports.md`).

mod accounts;
mod activity;
mod availability;
mod bilateral;
mod concentration;
mod confirmations;
mod fees;
mod in_flight;
mod instructions;
mod liquidity;
mod lookups;
mod notifications;
mod outcomes;
mod positions;
mod reading;
mod sheet;
mod tariff_trial;
mod tariffs;
mod timeouts;
mod windows;

#[cfg(test)]
mod tests;

use std::io::Write;
use std::process::ExitCode;

use super::Failure;
use super::ledger::{Ended, print};

/// The reports.
#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Accounts over a period: opening balance, sums of credits and debits, closing balance
    ///
    /// `switch ledger statement` has the entries.
    #[command(after_help = "Example:\n  switch report accounts --data /var/lib/clearspan --participant PSP0001")]
    Accounts(accounts::Arguments),
    /// One line for each booking on a participant's accounts, to be taken up again where it ended
    ///
    /// The report ends with the position to follow from next time.
    #[command(
        after_help = "Example:\n  switch report notifications --data /var/lib/clearspan --participant PSP0001 --only credit \\\n    --amount-from 100000 --follow-from 48213 --json"
    )]
    Notifications(notifications::Arguments),
    /// Payments that are not decided, orders that are prepared, nets that are being settled
    #[command(after_help = "Example:\n  switch report in-flight --data /var/lib/clearspan --participant PSP0001")]
    InFlight(in_flight::Arguments),
    /// What a participant sent and received: by counterpart, flow and outcome, per hour or day
    #[command(
        after_help = "Example:\n  switch report activity --data /var/lib/clearspan --participant PSP0001 --every 1h"
    )]
    Activity(activity::Arguments),
    /// A participant's invoice: its fees by row of the tariff, and what of them was collected
    ///
    /// What it adds up is compared with the movements of its account of fees; status 1 where they differ.
    #[command(
        after_help = "Example:\n  switch report fees --data /var/lib/clearspan --participant PSP0001 --currency XTS \\\n    --from 2026-11-01T00:00:00Z --to 2026-12-01T00:00:00Z"
    )]
    Fees(fees::Arguments),
    /// Where every participant stands: settlement money, position, cap, open and closed windows
    #[command(after_help = "Example:\n  switch report positions --data /var/lib/clearspan --currency XTS")]
    Positions(positions::Arguments),
    /// The least and the most that every participant had over a day, and when
    #[command(
        after_help = "Example:\n  switch report liquidity --data /var/lib/clearspan --currency XTS --every 1h \\\n    --from 2026-11-22T00:00:00Z --to 2026-11-23T00:00:00Z"
    )]
    Liquidity(liquidity::Arguments),
    /// What became of payments and returns, by reason and field
    #[command(after_help = "Example:\n  switch report outcomes --data /var/lib/clearspan --every 1d")]
    Outcomes(outcomes::Arguments),
    /// Which payee providers let payments expire, and how long all of them took
    #[command(after_help = "Example:\n  switch report timeouts --data /var/lib/clearspan")]
    Timeouts(timeouts::Arguments),
    /// How much of the time each participant could be paid, and how much of what it was asked it answered in time
    #[command(
        after_help = "Example:\n  switch report availability --data /var/lib/clearspan --from 2026-11-01T00:00:00Z --to 2026-12-01T00:00:00Z"
    )]
    Availability(availability::Arguments),
    /// What participants asked the directory, and which look-ups no payment followed
    ///
    /// Aliases and end users are told by hashes alone.
    #[command(
        after_help = "Example:\n  switch report lookups --data /var/lib/clearspan --participant PSP0001 --within 1h --each"
    )]
    Lookups(lookups::Arguments),
    /// How much of all payments the largest participants have
    #[command(after_help = "Example:\n  switch report concentration --data /var/lib/clearspan --largest 5")]
    Concentration(concentration::Arguments),
    /// What a period would have cost under another tariff
    #[command(
        after_help = "Example:\n  switch report tariff-trial tariff.toml --data /var/lib/clearspan \\\n    --from 2026-11-01T00:00:00Z --to 2026-12-01T00:00:00Z"
    )]
    TariffTrial(tariff_trial::Arguments),
    /// Settlement windows with their nets
    #[command(after_help = "Example:\n  switch report windows --data /var/lib/clearspan --currency XTS")]
    Windows(windows::Arguments),
    /// Who gave whom how much in a window
    ///
    /// Compared with the nets of the window; status 1 where they differ.
    #[command(after_help = "Example:\n  switch report bilateral --data /var/lib/clearspan --currency XTS --window 7")]
    Bilateral(bilateral::Arguments),
    /// The instructions of a window to the settlement bank
    #[command(
        after_help = "Example:\n  switch report instructions --data /var/lib/clearspan --currency XTS --window 7 --csv"
    )]
    Instructions(instructions::Arguments),
    /// Compare the settlement bank's confirmations with a window's instructions, and say what to confirm
    ///
    /// FILE is CSV: reference, amount in minor units, CRDT (the bank has received it) or DBIT (the bank has paid it). Status 1 where a line does not fit.
    #[command(
        after_help = "Example:\n  switch report confirmations bank.csv --data /var/lib/clearspan --currency XTS --window 7"
    )]
    Confirmations(confirmations::Arguments),
}

/// Runs a report.
pub(super) fn run(command: &Command) -> Result<ExitCode, Failure> {
    print(|out| tell(command, out))
}

fn tell(command: &Command, out: &mut dyn Write) -> Result<(), Ended> {
    match command {
        Command::Accounts(arguments) => accounts::run(arguments, out),
        Command::Notifications(arguments) => notifications::run(arguments, out),
        Command::InFlight(arguments) => in_flight::run(arguments, out),
        Command::Activity(arguments) => activity::run(arguments, out),
        Command::Fees(arguments) => fees::run(arguments, out),
        Command::Positions(arguments) => positions::run(arguments, out),
        Command::Liquidity(arguments) => liquidity::run(arguments, out),
        Command::Outcomes(arguments) => outcomes::run(arguments, out),
        Command::Timeouts(arguments) => timeouts::run(arguments, out),
        Command::Availability(arguments) => availability::run(arguments, out),
        Command::Lookups(arguments) => lookups::run(arguments, out),
        Command::Concentration(arguments) => concentration::run(arguments, out),
        Command::TariffTrial(arguments) => tariff_trial::run(arguments, out),
        Command::Windows(arguments) => windows::run(arguments, out),
        Command::Bilateral(arguments) => bilateral::run(arguments, out),
        Command::Instructions(arguments) => instructions::run(arguments, out),
        Command::Confirmations(arguments) => confirmations::run(arguments, out),
    }
}
