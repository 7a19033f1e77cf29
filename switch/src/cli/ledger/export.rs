//! `switch ledger export`: everything as rows, for whoever counts it elsewhere.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

use adapters::message::Outcome;
use ledger::journal::DiskStorage;

use super::arguments::{check_period, time};
use super::new_file::NewFile;
use super::rows::{Cell, Column, Form, Rows, Values, column};
use super::transfer::Fate;
use super::walk::{apply, read_books, walk};
use super::{Ended, Source, accounts};
use crate::books::{Books, Moment, Transfer};
use crate::cli::Failure;
use crate::cli::print::grouped;

/// Writes everything as rows.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    pub(super) source: Source,
    /// What the rows are
    #[arg(long, value_enum, default_value_t = What::Transfers)]
    pub(super) what: What,
    /// How they are written
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    pub(super) format: Format,
    /// Transfers that ended from this journal time on; RFC 3339. Without it: from the beginning
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) from: Option<u64>,
    /// What happened before this journal time; RFC 3339. Without it: to the end of the journal
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) to: Option<u64>,
    /// Write to this file, which must not be there yet, and not to standard output
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

/// What the rows are.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum What {
    /// One row a transfer
    Transfers,
    /// One row an account
    Accounts,
}

/// How rows are written.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Format {
    /// RFC 4180, with a header
    Csv,
    /// One JSON object a line
    Jsonl,
    /// Apache Parquet, not compressed
    #[cfg(feature = "parquet")]
    Parquet,
}

/// What is written of a transfer.
const TRANSFERS: [Column; 16] = [
    column("id", Values::Text),
    column("kind", Values::Text),
    column("state", Values::Text),
    column("outcome", Values::Text),
    column("reason", Values::Text),
    column("debit_account", Values::Text),
    column("credit_account", Values::Text),
    column("debit_participant", Values::Text),
    column("credit_participant", Values::Text),
    column("currency", Values::Text),
    column("minor_digits", Values::Count),
    column("amount", Values::Money),
    column("reserved_at", Values::Time),
    column("reserved_position", Values::Count),
    column("ended_at", Values::Time),
    column("ended_position", Values::Count),
];

/// Runs the command.
pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Ended> {
    check_period(arguments.from, arguments.to)?;
    if arguments.what == What::Accounts && arguments.from.is_some() {
        let text = "--from says nothing about accounts; --to says as of when, without what happened then";
        return Err(Failure::start(text).into());
    }
    let storage = arguments.source.open()?;
    let Some(path) = &arguments.output else { return export(arguments, &storage, out).map(|_| ()) };
    let mut file = NewFile::create(path)?;
    let count = export(arguments, &storage, &mut file)?;
    file.finish()?;
    writeln!(out, "{}: {} rows", path.display(), grouped(count.into()))?;
    Ok(())
}

/// Writes all rows. Returns how many.
fn export(arguments: &Arguments, storage: &DiskStorage, out: &mut dyn Write) -> Result<u64, Ended> {
    let columns: &'static [Column] = match arguments.what {
        What::Transfers => &TRANSFERS,
        What::Accounts => &accounts::COLUMNS,
    };
    let mut sink = Sink::begin(arguments.format, columns, out)?;
    match arguments.what {
        What::Transfers => export_transfers(arguments, storage, &mut sink)?,
        What::Accounts => {
            let books = read_books(storage, |time_ns| arguments.to.is_some_and(|to_ns| time_ns >= to_ns))?;
            for (owner, account) in books.accounts() {
                sink.push(&accounts::cells(&owner, account))?;
            }
        }
    }
    Ok(sink.end()?)
}

fn export_transfers(arguments: &Arguments, storage: &DiskStorage, sink: &mut Sink<'_>) -> Result<(), Ended> {
    let mut books = Books::default();
    walk(storage, |batch| {
        if arguments.to.is_some_and(|to_ns| batch.time_ns >= to_ns) {
            return Ok(ControlFlow::Break(()));
        }
        let is_within = arguments.from.is_none_or(|from_ns| batch.time_ns >= from_ns);
        apply(&mut books, batch)?;
        if is_within {
            for event in books.events() {
                let fate = Fate::of(event);
                if fate.ended.is_some() {
                    sink.push(&cells(&books, &event.transfer, &fate))?;
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    for (reserved, transfer) in books.in_flight() {
        sink.push(&cells(&books, &transfer, &Fate::in_flight(reserved)))?;
    }
    Ok(())
}

fn cells(books: &Books, transfer: &Transfer, fate: &Fate) -> [Cell; TRANSFERS.len()] {
    let [debit, credit] = [transfer.debit, transfer.credit].map(|account| books.owner(account));
    let time = |moment: Option<Moment>| moment.map_or(Cell::Nothing, |at| Cell::Time(at.time_ns));
    let position = |moment: Option<Moment>| moment.map_or(Cell::Nothing, |at| Cell::Count(at.position));
    [
        Cell::text(transfer.name),
        Cell::text(transfer.kind()),
        Cell::text(fate.state),
        fate.outcome.map_or(Cell::Nothing, |outcome: Outcome| Cell::text(outcome.name())),
        Cell::text(fate.reason.as_str()),
        Cell::text(debit),
        Cell::text(credit),
        debit.participant.map_or(Cell::Nothing, Cell::text),
        credit.participant.map_or(Cell::Nothing, Cell::text),
        Cell::text(debit.currency),
        Cell::Count(debit.minor_digits.into()),
        Cell::money(transfer.amount.minor_units().into(), debit.minor_digits),
        time(fate.reserved),
        position(fate.reserved),
        time(fate.ended),
        position(fate.ended),
    ]
}

/// Where rows go.
enum Sink<'a> {
    Text(Rows, &'a mut dyn Write),
    #[cfg(feature = "parquet")]
    Parquet(super::parquet_rows::ParquetRows<'a>),
}

impl<'a> Sink<'a> {
    fn begin(format: Format, columns: &'static [Column], out: &'a mut dyn Write) -> std::io::Result<Sink<'a>> {
        let form = match format {
            Format::Csv => Form::Csv,
            Format::Jsonl => Form::JsonLines,
            #[cfg(feature = "parquet")]
            Format::Parquet => return super::parquet_rows::ParquetRows::begin(columns, out).map(Sink::Parquet),
        };
        Ok(Sink::Text(Rows::begin(out, form, columns)?, out))
    }

    fn push(&mut self, cells: &[Cell]) -> std::io::Result<()> {
        match self {
            Sink::Text(rows, out) => rows.push(*out, cells),
            #[cfg(feature = "parquet")]
            Sink::Parquet(rows) => rows.push(cells),
        }
    }

    fn end(self) -> std::io::Result<u64> {
        match self {
            Sink::Text(rows, out) => rows.end(out),
            #[cfg(feature = "parquet")]
            Sink::Parquet(rows) => rows.end(),
        }
    }
}
