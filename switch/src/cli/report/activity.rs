//! `switch report activity`: what a participant sent and received.

use std::collections::BTreeMap;
use std::io::Write;

use adapters::message::ParticipantCode;
use ledger::Currency;

use super::super::ledger::Ended;
use super::super::ledger::arguments::{check_known, currency, participant};
use super::super::ledger::rows::{Cell, Column, Values, column};
use super::reading::{Asked, Reader, Tally, code_cell, digits_of, every, interval_of, read, time_cell};
use super::sheet::Sheet;
use crate::books::{Books, Decided};
use crate::engine::Batch;
use crate::engine::scheme::fees::prices::Flow;
use crate::entry::ParticipantId;

/// Shows what a participant did.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    asked: Asked,
    /// Whose payments and returns
    #[arg(long, value_name = "CODE", value_parser = participant)]
    participant: ParticipantCode,
    /// Only this currency
    #[arg(long, value_name = "XXX", value_parser = currency)]
    currency: Option<Currency>,
    /// Rows of their own for each interval: 15m, 1h, 1d
    #[arg(long, value_name = "INTERVAL", value_parser = every)]
    every: Option<u64>,
}

const COLUMNS: [Column; 9] = [
    column("interval", Values::Time).seen_as("interval"),
    column("counterpart", Values::Text).seen_as("counterpart"),
    column("direction", Values::Text).seen_as("direction"),
    column("flow", Values::Text).seen_as("flow"),
    column("outcome", Values::Text).seen_as("outcome"),
    column("number", Values::Count).seen_as("number"),
    column("sum", Values::Money).seen_as("sum"),
    column("currency", Values::Text).seen_as(""),
    column("minor_digits", Values::Count),
];

/// What rows are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    interval: Option<u64>,
    counterpart: Option<ParticipantId>,
    direction: &'static str,
    flow: Flow,
    outcome: &'static str,
    currency: Option<Currency>,
}

struct Activity<'a> {
    arguments: &'a Arguments,
    rows: BTreeMap<Key, Tally>,
}

impl Activity<'_> {
    fn add(&mut self, decided: &Decided, direction: &'static str, counterpart: Option<ParticipantId>) {
        let Decided { flow, currency, .. } = *decided;
        let interval = interval_of(self.arguments.every, decided.at.time_ns);
        let key = Key { interval, counterpart, direction, flow, outcome: decided.outcome.name(), currency };
        self.rows.entry(key).or_default().add(decided.amount);
    }
}

impl Reader for Activity<'_> {
    fn take(&mut self, books: &Books, _: &Batch<'_>, _: &mut dyn Write) -> Result<(), Ended> {
        let Some(own) = books.engine().find_participant(&self.arguments.participant) else { return Ok(()) };
        let wanted = self.arguments.currency;
        for decided in
            books.ended().iter().filter(|decided| wanted.is_none_or(|wanted| decided.currency == Some(wanted)))
        {
            if decided.payer == own {
                self.add(decided, "sent", decided.payee);
            }
            // Who was not asked has received nothing, and has heard of nothing.
            let is_heard = decided.was_asked || decided.flow == Flow::Return;
            if decided.payee == Some(own) && is_heard {
                self.add(decided, "received", Some(decided.payer));
            }
        }
        Ok(())
    }
}

/// Runs the report.
pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Ended> {
    let asked = &arguments.asked;
    let mut activity = Activity { arguments, rows: BTreeMap::new() };
    let books = read(asked, &mut activity, out)?;
    check_known(&books, Some(arguments.participant), arguments.currency)?;
    let currency = arguments.currency.map_or(Cell::Nothing, Cell::text);
    let facts = [("participant", Cell::text(arguments.participant)), ("currency", currency)];
    let facts = [&asked.facts()[..], &facts].concat();
    let mut sheet = Sheet::begin(out, asked.form.form(), ("activity", &facts), &COLUMNS)?;
    let mut total = 0;
    for (key, tally) in &activity.rows {
        let digits = digits_of(books.engine(), key.currency);
        total += tally.count;
        let cells = [
            time_cell(key.interval),
            code_cell(books.engine(), key.counterpart),
            Cell::text(key.direction),
            Cell::text(key.flow.name()),
            Cell::text(key.outcome),
            Cell::Count(tally.count),
            Cell::money(tally.minor_units, digits),
            key.currency.map_or(Cell::Nothing, Cell::text),
            Cell::Count(digits.into()),
        ];
        sheet.push(out, &cells)?;
    }
    sheet.end(out, &[("number", Cell::Count(total))], books.through(), true)
}
