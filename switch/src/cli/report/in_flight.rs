//! `switch report in-flight`: what is held and not decided.

use std::io::Write;

use super::super::ledger::Ended;
use super::super::ledger::rows::{Cell, Column, Values, column};
use super::reading::{AskedAt, NoReader, Tally, Whose, code_cell, digits_of, read_at, time_cell};
use super::sheet::Sheet;
use crate::books::{Books, Flight, Moment, Transfer};

/// Shows what is in flight.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    asked: AskedAt,
    #[command(flatten)]
    whose: Whose,
}

const COLUMNS: [Column; 10] = [
    column("time", Values::Time).seen_as("time"),
    column("position", Values::Count).seen_as("position"),
    column("kind", Values::Text).seen_as("kind"),
    column("id", Values::Text).seen_as("payment or reference"),
    column("payer", Values::Text).seen_as("payer"),
    column("payee", Values::Text).seen_as("payee"),
    column("amount", Values::Money).seen_as("amount"),
    column("currency", Values::Text).seen_as(""),
    column("minor_digits", Values::Count),
    column("deadline", Values::Time).seen_as("deadline"),
];

/// Runs the report.
pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Ended> {
    let Arguments { asked, whose } = arguments;
    let books = read_at(asked, &mut NoReader, out)?;
    whose.check(&books)?;
    let facts = [&[("at", time_cell(asked.at))][..], &whose.facts()].concat();
    let mut sheet = Sheet::begin(out, asked.form.form(), ("in-flight", &facts), &COLUMNS)?;
    let (mut payments, mut others) = (Tally::default(), Tally::default());
    for flight in books.flights().iter().filter(|flight| is_of(whose, &books, flight)) {
        payments.add(flight.amount);
        sheet.push(out, &flight_cells(&books, flight))?;
    }
    for (reserved, transfer) in books.in_flight() {
        let [debit, credit] = [transfer.debit, transfer.credit].map(|account| books.owner(account));
        let is_wanted = [debit, credit].iter().any(|owner| whose.wants(owner.participant, owner.currency));
        if transfer.name.kind() != "payment" && is_wanted {
            others.add(transfer.amount.minor_units());
            sheet.push(out, &held_cells(&books, reserved, &transfer))?;
        }
    }
    let facts = [("payments", Cell::Count(payments.count)), ("orders_and_nets", Cell::Count(others.count))];
    sheet.end(out, &facts, books.through(), true)
}

fn is_of(whose: &Whose, books: &Books, flight: &Flight) -> bool {
    let codes = [flight.payer, flight.payee].map(|participant| books.engine().code_of(participant).copied());
    codes.iter().any(|code| whose.wants(*code, flight.currency))
}

fn flight_cells(books: &Books, flight: &Flight) -> [Cell; COLUMNS.len()] {
    let digits = digits_of(books.engine(), Some(flight.currency));
    [
        Cell::Time(flight.ordered.time_ns),
        Cell::Count(flight.ordered.position),
        Cell::text("payment"),
        Cell::text(flight.name),
        code_cell(books.engine(), Some(flight.payer)),
        code_cell(books.engine(), Some(flight.payee)),
        Cell::money(flight.amount.into(), digits),
        Cell::text(flight.currency),
        Cell::Count(digits.into()),
        Cell::Time(flight.deadline_ns),
    ]
}

/// An order, or a net: it waits for people, without a deadline.
fn held_cells(books: &Books, reserved: Moment, transfer: &Transfer) -> [Cell; COLUMNS.len()] {
    let [debit, credit] = [transfer.debit, transfer.credit].map(|account| books.owner(account));
    [
        Cell::Time(reserved.time_ns),
        Cell::Count(reserved.position),
        Cell::text(transfer.kind()),
        Cell::text(transfer.name),
        debit.participant.map_or(Cell::Nothing, Cell::text),
        credit.participant.map_or(Cell::Nothing, Cell::text),
        Cell::money(transfer.amount.minor_units().into(), debit.minor_digits),
        Cell::text(debit.currency),
        Cell::Count(debit.minor_digits.into()),
        Cell::Nothing,
    ]
}
