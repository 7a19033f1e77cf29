//! `switch report accounts`: accounts over a period. The words are those of ISO 20022 camt.052 where it has any.

use std::io::Write;

use ledger::{AccountIndex, Balances};

use super::super::ledger::Ended;
use super::super::ledger::rows::{Cell, Column, Values, column};
use super::reading::{Asked, Reader, Tally, Watch, Whose, read};
use super::sheet::Sheet;
use crate::books::{Books, Happening};
use crate::cli::Failure;
use crate::engine::Batch;

/// Shows accounts over a period.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    whose: Whose,
}

const COLUMNS: [Column; 14] = [
    column("account", Values::Text).seen_as("account"),
    column("kind", Values::Text),
    column("participant", Values::Text),
    column("currency", Values::Text),
    column("minor_digits", Values::Count),
    column("opening", Values::Money).seen_as("opening"),
    column("credits_count", Values::Count).seen_as("credits"),
    column("credits", Values::Money).seen_as("credited"),
    column("debits_count", Values::Count).seen_as("debits"),
    column("debits", Values::Money).seen_as("debited"),
    column("closing", Values::Money).seen_as("closing"),
    column("debits_pending", Values::Money).seen_as("debits pending"),
    column("credits_pending", Values::Money).seen_as("credits pending"),
    column("available", Values::Money).seen_as("available"),
];

/// What was booked on each account.
#[derive(Default)]
struct Bookings {
    opening: Watch,
    /// By place: credits and debits.
    sums: Vec<[Tally; 2]>,
}

impl Bookings {
    fn sums_of(&self, account: AccountIndex) -> [Tally; 2] {
        self.sums.get(account.get() as usize).copied().unwrap_or_default()
    }
}

impl Reader for Bookings {
    fn open(&mut self, books: &Books) {
        self.opening.open(books, |_| true);
    }

    fn take(&mut self, books: &Books, _: &Batch<'_>, _: &mut dyn Write) -> Result<(), Ended> {
        self.opening.follow(books, |_| true);
        self.sums.resize(books.engine().accounts_count(), Default::default());
        for event in books.events() {
            if matches!(event.happening, Happening::Posted { .. } | Happening::Moved) {
                let amount = event.transfer.amount.minor_units();
                self.sums[event.transfer.credit.get() as usize][0].add(amount);
                self.sums[event.transfer.debit.get() as usize][1].add(amount);
            }
        }
        Ok(())
    }
}

/// Runs the report.
pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Ended> {
    let Arguments { asked, whose } = arguments;
    let mut bookings = Bookings::default();
    let books = read(asked, &mut bookings, out)?;
    whose.check(&books)?;
    let facts = [&asked.facts()[..], &whose.facts()].concat();
    let mut sheet = Sheet::begin(out, asked.form.form(), ("accounts", &facts), &COLUMNS)?;
    let mut wrong = None;
    for (account, owner) in
        books.engine().accounts().filter(|(_, owner)| whose.wants(owner.participant, owner.currency))
    {
        let opening = bookings.opening.balances(account).copied().unwrap_or_default();
        let sums = bookings.sums_of(account);
        let row = Row { opening, sums, book: books.engine().account(account).balances() };
        if !row.is_right() {
            wrong = Some(owner);
        }
        let digits = owner.minor_digits;
        let available = books.engine().account(account).headroom();
        let mut cells = vec![
            Cell::text(owner),
            Cell::text(owner.kind.name()),
            owner.participant.map_or(Cell::Nothing, Cell::text),
            Cell::text(owner.currency),
            Cell::Count(digits.into()),
        ];
        cells.extend(row.cells(digits));
        cells.push(available.map_or(Cell::Nothing, |available| Cell::money(available, digits)));
        sheet.push(out, &cells)?;
    }
    sheet.end(out, &[], books.through(), wrong.is_none())?;
    match wrong {
        Some(owner) => Err(Failure::fault(format!("the report does not add up: {owner}")).into()),
        None => Ok(()),
    }
}

/// An account over a period.
struct Row {
    opening: Balances,
    sums: [Tally; 2],
    book: Balances,
}

impl Row {
    /// Opening balance and sums must make what the book has.
    fn is_right(&self) -> bool {
        let [credits, debits] = self.sums;
        self.opening.booked() + credits.signed() - debits.signed() == self.book.booked()
    }

    fn cells(&self, digits: u8) -> [Cell; 8] {
        let [credits, debits] = self.sums;
        [
            Cell::Money(self.opening.booked(), digits),
            Cell::Count(credits.count),
            Cell::money(credits.minor_units, digits),
            Cell::Count(debits.count),
            Cell::money(debits.minor_units, digits),
            Cell::Money(self.book.booked(), digits),
            Cell::money(self.book.debits_pending, digits),
            Cell::money(self.book.credits_pending, digits),
        ]
    }
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn what_does_not_add_up_is_seen() {
        let opening = Balances { credits_posted: 100, ..Balances::default() };
        let book = Balances { credits_posted: 130, debits_posted: 7, ..Balances::default() };
        let tally = |minor_units| Tally { count: 1, minor_units };
        assert!(Row { opening, sums: [tally(30), tally(7)], book }.is_right());
        assert!(!Row { opening, sums: [tally(31), tally(7)], book }.is_right());
        assert!(!Row { opening, sums: [tally(30), tally(0)], book }.is_right());
    }
}
