//! `switch report fees`: a participant's invoice, or everybody's. Each movement of an account of fees is put under the row of the tariff that it comes from; what that adds
//! up to must be what the account has.

use std::collections::BTreeMap;
use std::io::Write;

use adapters::message::ParticipantCode;
use ledger::Currency;

use super::super::ledger::Ended;
use super::super::ledger::arguments::{check_known, currency, participant};
use super::super::ledger::rows::{Cell, Column, Values, column};
use super::reading::{Asked, Reader, Tally, code_cell, digits_of, read};
use super::sheet::{Fact, Sheet, Sheets};
use super::tariffs::{Change, Priced, Tariffs};
use crate::books::{Books, Decided, Event};
use crate::cli::Failure;
use crate::engine::Batch;
use crate::engine::accounts::{AccountKind, AccountOwner};
use crate::engine::scheme::fees::prices::Flow;
use crate::entry::ParticipantId;

/// Shows fees.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    asked: Asked,
    /// Whose invoice. Without it: those of all that were charged, have earned or paid, or had a balance, one after the other
    #[arg(long, value_name = "CODE", value_parser = participant)]
    participant: Option<ParticipantCode>,
    /// In which currency
    #[arg(long, value_name = "XXX", value_parser = currency)]
    currency: Currency,
}

const COLUMNS: [Column; 12] = [
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
    column("participant", Values::Text),
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

/// What stands on an account of fees, and how it came there.
#[derive(Default)]
struct Invoice {
    opening: i128,
    lines: BTreeMap<Key, Line>,
    /// What was paid of it, and paid out to it.
    collected: Tally,
    paid_out: Tally,
}

impl Invoice {
    /// Has anything happened, or was anything there?
    fn says_something(&self) -> bool {
        self.opening != 0 || !self.lines.is_empty() || self.collected.count + self.paid_out.count != 0
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

/// The invoices that were asked for.
struct Invoices<'a> {
    arguments: &'a Arguments,
    tariffs: Tariffs,
    invoices: BTreeMap<ParticipantId, Invoice>,
}

impl Invoices<'_> {
    /// Whose account of fees it is, where that was asked for.
    fn find(&self, books: &Books, owner: &AccountOwner) -> Option<ParticipantId> {
        let Arguments { participant, currency, .. } = self.arguments;
        let code = owner.participant.filter(|_| owner.kind == AccountKind::Fees && owner.currency == *currency)?;
        let is_wanted = participant.is_none_or(|wanted| wanted == code);
        books.engine().find_participant(&code).filter(|_| is_wanted)
    }

    /// Enters what an event did to accounts of fees: to one, or to two where one provider pays the other.
    fn enter(&mut self, books: &Books, event: &Event) -> Result<(), Ended> {
        let (transfer, amount) = (&event.transfer, event.transfer.amount.minor_units());
        let sides = [(transfer.debit, false), (transfer.credit, true)];
        let [debtor, creditor] = sides.map(|(account, _)| self.find(books, books.owner(account)));
        let whose = [(debtor, false), (creditor, true)];
        let whose = whose.into_iter().filter_map(|(own, is_credit)| Some((own?, is_credit)));
        if transfer.leg == 0 {
            for (own, is_credit) in whose {
                let invoice = self.invoices.entry(own).or_default();
                let paid = if is_credit { &mut invoice.collected } else { &mut invoice.paid_out };
                paid.add(amount);
            }
            return Ok(());
        }
        if debtor.is_none() && creditor.is_none() {
            return Ok(());
        }
        let (decided, priced) = self.price(books, event)?;
        for (own, is_credit) in whose {
            let key = key_of(books, (decided, &priced), own, is_credit);
            let line = self.invoices.entry(own).or_default().lines.entry(key).or_default();
            line.postings.add(decided.amount);
            line.fee.add(amount);
        }
        Ok(())
    }

    /// What an event is a fee of, and the charge that it must be.
    fn price<'b>(&mut self, books: &'b Books, event: &Event) -> Result<(&'b Decided, Priced), Ended> {
        let transfer = &event.transfer;
        let decided = books.ended_at(event.at.position).filter(|decided| decided.name == transfer.name);
        let unexplained = || Failure::fault(format!("the fee of {} follows from no tariff", transfer.name));
        let decided = decided.ok_or_else(unexplained)?;
        let priced = self.tariffs.price(books, decided);
        let priced = *priced.get(usize::from(transfer.leg) - 1).ok_or_else(unexplained)?;
        if priced.charge.amount != transfer.amount {
            return Err(unexplained().into());
        }
        Ok((decided, priced))
    }
}

/// Under which line of a participant's invoice a fee stands.
fn key_of(books: &Books, (decided, priced): (&Decided, &Priced), own: ParticipantId, is_credit: bool) -> Key {
    let is_payer = decided.payer == own;
    let other = if is_payer { decided.payee } else { Some(decided.payer) };
    let other = other.and_then(|other| books.engine().participant(other));
    Key {
        tariff: priced.tariff,
        row: priced.row,
        flow: decided.flow,
        is_payer,
        counterpart_class: other.map_or(0, |other| other.class),
        is_to_scheme: priced.charge.to.is_none(),
        is_credit,
    }
}

impl Reader for Invoices<'_> {
    fn open(&mut self, books: &Books) {
        self.tariffs.open(books);
        for (account, owner) in books.engine().accounts() {
            if let Some(own) = self.find(books, &owner) {
                self.invoices.entry(own).or_default().opening = books.balances(account).booked();
            }
        }
    }

    fn take(&mut self, books: &Books, batch: &Batch<'_>, _: &mut dyn Write) -> Result<(), Ended> {
        let mut changes: Vec<Change> = self.tariffs.changes(books, batch);
        changes.reverse();
        for event in books.events() {
            while let Some((_, tariff)) = changes.pop_if(|(position, _)| *position <= event.at.position) {
                self.tariffs.enter(tariff);
            }
            self.enter(books, event)?;
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
    let mut reader = Invoices { arguments, tariffs: Tariffs::default(), invoices: BTreeMap::new() };
    let books = read(asked, &mut reader, out)?;
    check_known(&books, *participant, Some(*currency))?;
    let mut invoices = reader.invoices;
    if let Some(own) = participant.and_then(|code| books.engine().find_participant(&code)) {
        let facts = facts_of(arguments, &books, own, invoices.entry(own).or_default());
        let sheet = Sheet::begin(out, asked.form.form(), ("fees", &facts), &COLUMNS)?;
        return write(sheet, out, arguments, (&books, own), &invoices[&own]).and_then(told);
    }
    let digits = digits_of(books.engine(), Some(*currency));
    let facts = [("currency", Cell::text(currency)), ("minor_digits", Cell::Count(digits.into()))];
    let facts = [&asked.facts()[..], &facts].concat();
    let mut sheets = Sheets::begin(out, asked.form.form(), ("fees", &facts), "invoices")?;
    let mut first_wrong = None;
    for (&own, invoice) in invoices.iter().filter(|(_, invoice)| invoice.says_something()) {
        let sheet = sheets.next(out, &facts_of(arguments, &books, own, invoice), &COLUMNS)?;
        first_wrong = first_wrong.or(write(sheet, out, arguments, (&books, own), invoice)?);
    }
    sheets.end(out, &COLUMNS, books.through(), first_wrong.is_none())?;
    told(first_wrong)
}

/// An invoice that does not add up is status 1.
fn told(wrong: Option<Wrong>) -> Result<(), Ended> {
    match wrong {
        None => Ok(()),
        Some(Wrong { participant, added, closing }) => Err(Failure::fault(format!(
            "the invoice of {participant} does not add up: {added} by its lines, {closing} by the book"
        ))
        .into()),
    }
}

/// An invoice that does not add up.
struct Wrong {
    participant: ParticipantCode,
    added: i128,
    closing: i128,
}

/// What stands above an invoice.
fn facts_of(
    Arguments { asked, currency, .. }: &Arguments,
    books: &Books,
    own: ParticipantId,
    invoice: &Invoice,
) -> Vec<Fact> {
    let digits = digits_of(books.engine(), Some(*currency));
    let mut facts = asked.facts().to_vec();
    facts.extend([
        ("participant", code_cell(books.engine(), Some(own))),
        ("currency", Cell::text(currency)),
        ("minor_digits", Cell::Count(digits.into())),
        ("opening_balance", Cell::Money(invoice.opening, digits)),
    ]);
    facts
}

/// Writes the lines of an invoice and what they come to. Gives it back where that is not what the account has.
fn write(
    mut sheet: Sheet,
    out: &mut dyn Write,
    &Arguments { currency, .. }: &Arguments,
    (books, own): (&Books, ParticipantId),
    invoice: &Invoice,
) -> Result<Option<Wrong>, Ended> {
    let engine = books.engine();
    let digits = digits_of(engine, Some(currency));
    for (key, line) in &invoice.lines {
        let participant = code_cell(engine, Some(own));
        sheet.push(out, &[&cells(key, line, currency, digits)[..], &[participant]].concat())?;
    }
    let account = engine.find_account(own, currency.bytes(), AccountKind::Fees);
    let closing = account.map_or(0, |account| engine.account(account).balances().booked());
    let ([charged, earned], Invoice { opening, collected, paid_out, .. }) = (invoice.sums(), invoice);
    let added = opening - charged.signed() + earned.signed() + collected.signed() - paid_out.signed();
    let money = |tally: Tally| Cell::money(tally.minor_units, digits);
    let facts = [
        ("charged", money(charged)),
        ("earned", money(earned)),
        ("collected", money(*collected)),
        ("paid_out", money(*paid_out)),
        ("closing_balance", Cell::Money(closing, digits)),
    ];
    sheet.end(out, &facts, books.through(), added == closing)?;
    let participant = engine.code_of(own).copied().filter(|_| added != closing);
    Ok(participant.map(|participant| Wrong { participant, added, closing }))
}

fn cells(key: &Key, line: &Line, currency: Currency, digits: u8) -> [Cell; COLUMNS.len() - 1] {
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
