//! `switch report outcomes`: what became of payments and returns, by reason and field.

use std::collections::BTreeMap;
use std::io::Write;

use ledger::Currency;

use super::super::ledger::Ended;
use super::super::ledger::rows::{Cell, Column, Values, column};
use super::reading::{Asked, Reader, Tally, Whose, digits_of, every, interval_of, per_10_000, read, time_cell};
use super::sheet::Sheet;
use crate::books::{Books, Decided};
use crate::engine::Batch;
use crate::engine::scheme::fees::prices::Flow;

/// Shows what became of payments.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    whose: Whose,
    /// Rows of their own for each interval: 15m, 1h, 1d
    #[arg(long, value_name = "INTERVAL", value_parser = every)]
    every: Option<u64>,
}

const COLUMNS: [Column; 11] = [
    column("interval", Values::Time).seen_as("interval"),
    column("flow", Values::Text).seen_as("flow"),
    column("outcome", Values::Text).seen_as("outcome"),
    column("by", Values::Text).seen_as("by"),
    column("reason", Values::Text).seen_as("reason"),
    column("field", Values::Text).seen_as("field"),
    column("number", Values::Count).seen_as("number"),
    column("per_10000", Values::Count).seen_as("per 10,000"),
    column("sum", Values::Money).seen_as("sum"),
    column("currency", Values::Text).seen_as(""),
    column("minor_digits", Values::Count),
];

/// What rows are told apart by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    interval: Option<u64>,
    flow: Flow,
    outcome: &'static str,
    by: &'static str,
    reason: String,
    field: &'static str,
    currency: Option<Currency>,
}

/// Who decided: the rules, the payee provider, or time.
fn decider(decided: &Decided) -> &'static str {
    use adapters::message::Outcome;
    match (decided.outcome, decided.was_asked) {
        (Outcome::Expired, _) => "time",
        (_, true) => "payee",
        (_, false) => "rules",
    }
}

struct Outcomes<'a> {
    arguments: &'a Arguments,
    rows: BTreeMap<Key, Tally>,
    all: Tally,
}

impl Outcomes<'_> {
    fn is_wanted(&self, books: &Books, decided: &Decided) -> bool {
        let whose = &self.arguments.whose;
        let code = |participant| books.engine().code_of(participant).copied();
        let is_of = whose.participant.is_none()
            || code(decided.payer) == whose.participant
            || decided.payee.and_then(code) == whose.participant;
        is_of && whose.wants_currency(decided.currency)
    }
}

impl Reader for Outcomes<'_> {
    fn take(&mut self, books: &Books, _: &Batch<'_>, _: &mut dyn Write) -> Result<(), Ended> {
        for decided in books.ended() {
            if !self.is_wanted(books, decided) {
                continue;
            }
            let key = Key {
                interval: interval_of(self.arguments.every, decided.at.time_ns),
                flow: decided.flow,
                outcome: decided.outcome.name(),
                by: decider(decided),
                reason: decided.reason.as_str().to_owned(),
                field: decided.field.name(),
                currency: decided.currency,
            };
            self.rows.entry(key).or_default().add(decided.amount);
            self.all.add(decided.amount);
        }
        Ok(())
    }
}

/// Runs the report.
pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Ended> {
    let Arguments { asked, whose, .. } = arguments;
    let mut outcomes = Outcomes { arguments, rows: BTreeMap::new(), all: Tally::default() };
    let books = read(asked, &mut outcomes, out)?;
    whose.check(&books)?;
    let facts = [&asked.facts()[..], &whose.facts()].concat();
    let mut sheet = Sheet::begin(out, asked.form.form(), ("outcomes", &facts), &COLUMNS)?;
    for (key, tally) in &outcomes.rows {
        let digits = digits_of(books.engine(), key.currency);
        let cells = [
            time_cell(key.interval),
            Cell::text(key.flow.name()),
            Cell::text(key.outcome),
            Cell::text(key.by),
            Cell::text(&key.reason),
            Cell::text(if key.field == "none" { "" } else { key.field }),
            Cell::Count(tally.count),
            per_10_000(tally.count.into(), outcomes.all.count.into()),
            Cell::money(tally.minor_units, digits),
            key.currency.map_or(Cell::Nothing, Cell::text),
            Cell::Count(digits.into()),
        ];
        sheet.push(out, &cells)?;
    }
    sheet.end(out, &[("number", Cell::Count(outcomes.all.count))], books.through(), true)
}
