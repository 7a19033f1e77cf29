//! `switch report fees`: a participant's invoice. Each movement of its account of fees is put under the row of the tariff that it comes from; what that adds up
//! to must be what the account has.

use std::collections::BTreeMap;
use std::io::Write;

use adapters::message::ParticipantCode;
use ledger::{AccountIndex, Currency};

use super::super::ledger::Ended;
use super::super::ledger::arguments::{check_known, currency, participant};
use super::super::ledger::rows::{Cell, Column, Values, column};
use super::reading::{Asked, Reader, Tally, digits_of, read};
use super::sheet::Sheet;
use super::tariffs::{Change, Priced, Tariffs};
use crate::books::{Books, Event};
use crate::cli::Failure;
use crate::engine::Batch;
use crate::engine::accounts::AccountKind;
use crate::engine::scheme::fees::prices::Flow;
use crate::entry::ParticipantId;

/// Shows a participant's fees.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    asked: Asked,
    /// Whose invoice
    #[arg(long, value_name = "CODE", value_parser = participant)]
    participant: ParticipantCode,
    /// In which currency
    #[arg(long, value_name = "XXX", value_parser = currency)]
    currency: Currency,
}

const COLUMNS: [Column; 11] = [
    column("tariff", Values::Count).seen_as("tariff"),
    column("row", Values::Count).seen_as("row"),
    column("flow", Values::Text).seen_as("flow"),
    column("side", Values::Text).seen_as("side"),
    column("counterpart_class", Values::Count).seen_as("counterpart class"),
    column("to", Values::Text).seen_as("to"),
    column("number", Values::Count).seen_as("number"),
    column("sum", Values::Money).seen_as("sum of amounts"),
    column("credit_debit", Values::Text).seen_as(""),
    column("fee", Values::Money).seen_as("fee"),
    column("currency", Values::Text).seen_as(""),
];

/// What lines of the invoice are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    tariff: u32,
    row: u64,
    flow: Flow,
    /// Did the participant pay in it?
    is_payer: bool,
    counterpart_class: u8,
    /// To the scheme, or to the other provider?
    is_to_scheme: bool,
    /// Is it owed the fee?
    is_credit: bool,
}

/// A line of the invoice.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    postings: Tally,
    fee: Tally,
}

struct Invoice<'a> {
    arguments: &'a Arguments,
    tariffs: Tariffs,
    opening: i128,
    lines: BTreeMap<Key, Line>,
    /// What was paid of it, and paid out to it.
    collected: Tally,
    paid_out: Tally,
}

impl Invoice<'_> {
    fn account(&self, books: &Books) -> Option<(ParticipantId, AccountIndex)> {
        let own = books.engine().find_participant(&self.arguments.participant)?;
        let account = books.engine().find_account(own, self.arguments.currency.bytes(), AccountKind::Fees)?;
        Some((own, account))
    }

    /// Enters what an event did to the account.
    fn enter(
        &mut self,
        books: &Books,
        (own, account): (ParticipantId, AccountIndex),
        event: &Event,
    ) -> Result<(), Ended> {
        let transfer = &event.transfer;
        let is_credit = transfer.credit == account;
        if !is_credit && transfer.debit != account {
            return Ok(());
        }
        let amount = transfer.amount.minor_units();
        if transfer.leg == 0 {
            let paid = if is_credit { &mut self.collected } else { &mut self.paid_out };
            paid.add(amount);
            return Ok(());
        }
        let decided = books.ended_at(event.at.position).filter(|decided| decided.name == transfer.name);
        let unexplained = || Failure::fault(format!("the fee of {} follows from no tariff", transfer.name));
        let decided = decided.ok_or_else(unexplained)?;
        let priced = self.tariffs.price(books, decided);
        let Priced { charge, tariff, row } = *priced.get(usize::from(transfer.leg) - 1).ok_or_else(unexplained)?;
        if charge.amount != transfer.amount {
            return Err(unexplained().into());
        }
        let is_payer = decided.payer == own;
        let other = if is_payer { decided.payee } else { Some(decided.payer) };
        let other = other.and_then(|other| books.engine().participant(other));
        let key = Key {
            tariff,
            row,
            flow: decided.flow,
            is_payer,
            counterpart_class: other.map_or(0, |other| other.class),
            is_to_scheme: charge.to.is_none(),
            is_credit,
        };
        let line = self.lines.entry(key).or_default();
        line.postings.add(decided.amount);
        line.fee.add(amount);
        Ok(())
    }

    /// Charged, and earned.
    fn sums(&self) -> [Tally; 2] {
        [false, true].map(|is_credit| {
            let lines = self.lines.iter().filter(|(key, _)| key.is_credit == is_credit);
            lines.fold(Tally::default(), |sum, (_, line)| Tally {
                count: sum.count + line.fee.count,
                minor_units: sum.minor_units + line.fee.minor_units,
            })
        })
    }
}

impl Reader for Invoice<'_> {
    fn open(&mut self, books: &Books) {
        self.tariffs.open(books);
        self.opening = self.account(books).map_or(0, |(_, account)| books.balances(account).booked());
    }

    fn take(&mut self, books: &Books, batch: &Batch<'_>, _: &mut dyn Write) -> Result<(), Ended> {
        let mut changes: Vec<Change> = self.tariffs.changes(books, batch);
        changes.reverse();
        let account = self.account(books);
        for event in books.events() {
            while let Some((_, tariff)) = changes.pop_if(|(position, _)| *position <= event.at.position) {
                self.tariffs.enter(tariff);
            }
            if let Some(account) = account {
                self.enter(books, account, event)?;
            }
        }
        while let Some((_, tariff)) = changes.pop() {
            self.tariffs.enter(tariff);
        }
        Ok(())
    }
}

/// Runs the report.
pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Ended> {
    let Arguments { asked, participant, currency } = arguments;
    let mut invoice = Invoice {
        arguments,
        tariffs: Tariffs::default(),
        opening: 0,
        lines: BTreeMap::new(),
        collected: Tally::default(),
        paid_out: Tally::default(),
    };
    let books = read(asked, &mut invoice, out)?;
    check_known(&books, Some(*participant), Some(*currency))?;
    let digits = digits_of(books.engine(), Some(*currency));
    let closing = invoice.account(&books).map_or(0, |(_, account)| books.engine().account(account).balances().booked());
    let mut facts = asked.facts().to_vec();
    facts.extend([
        ("participant", Cell::text(participant)),
        ("currency", Cell::text(currency)),
        ("minor_digits", Cell::Count(digits.into())),
        ("opening_balance", Cell::Money(invoice.opening, digits)),
    ]);
    let mut sheet = Sheet::begin(out, asked.form.form(), ("fees", &facts), &COLUMNS)?;
    for (key, line) in &invoice.lines {
        sheet.push(out, &cells(key, line, *currency, digits))?;
    }
    let [charged, earned] = invoice.sums();
    let added =
        invoice.opening - charged.signed() + earned.signed() + invoice.collected.signed() - invoice.paid_out.signed();
    let money = |tally: Tally| Cell::money(tally.minor_units, digits);
    let facts = [
        ("charged", money(charged)),
        ("earned", money(earned)),
        ("collected", money(invoice.collected)),
        ("paid_out", money(invoice.paid_out)),
        ("closing_balance", Cell::Money(closing, digits)),
    ];
    sheet.end(out, &facts, books.through(), added == closing)?;
    if added != closing {
        return Err(Failure::fault(format!(
            "the invoice does not add up: {added} by its lines, {closing} by the book"
        ))
        .into());
    }
    Ok(())
}

fn cells(key: &Key, line: &Line, currency: Currency, digits: u8) -> [Cell; COLUMNS.len()] {
    [
        Cell::Count(key.tariff.into()),
        Cell::Count(key.row),
        Cell::text(key.flow.name()),
        Cell::text(if key.is_payer { "payer" } else { "payee" }),
        Cell::Count(key.counterpart_class.into()),
        Cell::text(if key.is_to_scheme { "scheme" } else { "other" }),
        Cell::Count(line.postings.count),
        Cell::money(line.postings.minor_units, digits),
        Cell::text(if key.is_credit { "CRDT" } else { "DBIT" }),
        Cell::money(line.fee.minor_units, digits),
        Cell::text(currency),
    ]
}
