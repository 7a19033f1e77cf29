//! `switch admin fees`: tariffs, what is owed, and its collection.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ledger::Currency;

use super::show::{json, signed_money, table};
use super::{By, Place};
use crate::cli::ledger::arguments::{currency, time, time_text};
use crate::lookup::Trouble;
use crate::operator::Action;
use crate::operator::tariff::TariffFile;
use crate::operator::view::{BalanceRow, Page, Question, TariffView, View};

/// `switch admin fees`.
#[derive(clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// Show the tariff in force, and those to come, as `set` takes them
    Show(Show),
    /// Show what participants owe for fees, or are owed
    Balances(Balances),
    /// Set the next tariff, from a file
    #[command(
        after_help = "A file has a table for each row, keys as in docs/admin-commands.md, amounts in minor units:\n  [[row]]\n  flow = \"payment\"\n  currency = \"XTS\"\n  fixed = 5\n  bearer = \"payer\"\n\nWhat a file would have cost: switch report tariff-trial"
    )]
    Set(Set),
    /// Collect what is owed from settlement accounts, and pay what others are owed
    Collect(Collect),
}

/// Tariffs.
#[derive(clap::Args)]
pub(in crate::cli) struct Show {
    #[command(flatten)]
    place: Place,
    /// Print an object of JSON a line
    #[arg(long)]
    json: bool,
}

/// What is owed.
#[derive(clap::Args)]
pub(in crate::cli) struct Balances {
    /// ISO 4217
    #[arg(long, value_name = "CODE", value_parser = currency)]
    currency: Currency,
    #[command(flatten)]
    place: Place,
    /// Print an object of JSON a line, amounts as strings in minor units
    #[arg(long)]
    json: bool,
}

/// Another tariff.
#[derive(clap::Args)]
pub(in crate::cli) struct Set {
    /// Its rows
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// When it comes into force; without, at once
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<u64>,
    #[command(flatten)]
    by: By,
}

/// What is owed is paid.
#[derive(clap::Args)]
pub(in crate::cli) struct Collect {
    /// ISO 4217
    #[arg(long, value_name = "CODE", value_parser = currency)]
    currency: Currency,
    #[command(flatten)]
    by: By,
}

/// Runs the command.
pub(super) fn run(command: &Command) -> Result<(), Trouble> {
    let mut out = io::stdout().lock();
    let out = &mut out;
    match command {
        Command::Show(arguments) => show(arguments, out),
        Command::Balances(Balances { currency, place, json: false }) => {
            write_balances(&balances(place, currency)?, out)
        }
        Command::Balances(Balances { currency, place, json: true }) => json(&balances(place, currency)?, out),
        Command::Set(arguments) => set(arguments, out),
        Command::Collect(arguments) => collect(arguments, out),
    }
}

fn tariffs(place: &Place) -> Result<Vec<TariffView>, Trouble> {
    place.rows(|_| Question::Tariffs {}, |view| if let View::Tariffs(page) = view { Some(page) } else { None })
}

fn show(arguments: &Show, out: &mut dyn Write) -> Result<(), Trouble> {
    let tariffs = tariffs(&arguments.place)?;
    if arguments.json {
        return json(&tariffs, out);
    }
    if tariffs.is_empty() {
        return writeln!(out, "# no tariff: nothing costs a fee").map_err(Trouble::Output);
    }
    for tariff in tariffs {
        let state = if tariff.is_in_force { "in force since" } else { "comes into force at" };
        let (number, at) = (tariff.tariff, time_text(tariff.effective_at_ns));
        let rows = toml::to_string(&TariffFile { row: tariff.rows });
        let rows = rows.map_err(|error| Trouble::Fault(error.to_string()))?;
        write!(out, "# tariff {number}, {state} {at}\n{rows}").map_err(Trouble::Output)?;
    }
    Ok(())
}

fn only_balances(view: View) -> Option<Page<BalanceRow>> {
    if let View::FeeBalances(page) = view { Some(page) } else { None }
}

fn balances(place: &Place, currency: &Currency) -> Result<Vec<BalanceRow>, Trouble> {
    place.rows(|after| Question::FeeBalances { currency: currency.to_string(), after }, only_balances)
}

fn write_balances(balances: &[BalanceRow], out: &mut dyn Write) -> Result<(), Trouble> {
    let rows: Vec<Vec<String>> = balances
        .iter()
        .map(|row| vec![row.participant.clone(), row.currency.clone(), signed_money(row.balance, row.minor_digits)])
        .collect();
    table(&["participant", "currency", ">fees"], &rows, out)
}

fn read(file: &Path) -> Result<TariffFile, Trouble> {
    let name = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| Trouble::Asked(format!("{name}: {error}")))?;
    TariffFile::read(&text)
        .map_err(|what| Trouble::Asked(format!("{name}: {what}; correct it, the keys are those of `fees show`")))
}

fn set(Set { file, from, by }: &Set, out: &mut dyn Write) -> Result<(), Trouble> {
    let TariffFile { row: rows } = read(file)?;
    let newest = tariffs(&by.place)?.iter().map(|tariff| tariff.tariff).max().unwrap_or(0);
    let effective_at_ns = from.unwrap_or_else(crate::clock::wall_ns);
    let said = [
        ("tariff", (newest + 1).to_string()),
        ("rows", rows.len().to_string()),
        ("in force", time_text(effective_at_ns)),
    ];
    by.carry_out(&said, Action::SetTariff { tariff: newest + 1, effective_at_ns, rows }, "set", out)
}

fn collect(Collect { currency, by }: &Collect, out: &mut dyn Write) -> Result<(), Trouble> {
    write_balances(&balances(&by.place, currency)?, out)?;
    let said = [("collect", format!("fees in {currency}"))];
    by.carry_out(&said, Action::CollectFees { currency: currency.to_string() }, "collected", out)
}
