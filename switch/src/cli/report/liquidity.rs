//! `switch report liquidity`: the least and the most that every participant could spend, and when. What is looked at after every movement is what stands on the account
//! less what is held of it; caps are left out.

use std::io::Write;

use ledger::Balances;

use super::super::ledger::Ended;
use super::super::ledger::accounts::tell_damage;
use super::super::ledger::arguments::check_period;
use super::super::ledger::rows::{Cell, Column, Values, column};
use super::super::ledger::statement::AccountChoice;
use super::reading::{Asked, Reader, Watch, Whose, every, interval_of, read_span, time_cell};
use super::sheet::Sheet;
use crate::books::Books;
use crate::engine::Batch;
use crate::engine::accounts::AccountOwner;

/// Shows liquidity over a period.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    whose: Whose,
    /// Which account
    #[arg(long, value_enum, default_value_t = AccountChoice::Settlement)]
    account: AccountChoice,
    /// Rows of their own for each interval that has batches: 15m, 1h, 1d
    #[arg(long, value_name = "INTERVAL", value_parser = every)]
    every: Option<u64>,
}

const COLUMNS: [Column; 10] = [
    column("interval", Values::Time).seen_as("interval"),
    column("participant", Values::Text).seen_as("participant"),
    column("currency", Values::Text).seen_as(""),
    column("minor_digits", Values::Count),
    column("opening", Values::Money).seen_as("opening"),
    column("minimum", Values::Money).seen_as("minimum"),
    column("minimum_at", Values::Time).seen_as("at"),
    column("maximum", Values::Money).seen_as("maximum"),
    column("maximum_at", Values::Time).seen_as("at"),
    column("closing", Values::Money).seen_as("closing"),
];

/// An account over an interval.
#[derive(Clone, Copy, Debug)]
struct Range {
    opening: i128,
    minimum: (i128, Option<u64>),
    maximum: (i128, Option<u64>),
    closing: i128,
}

impl Range {
    /// Nothing has moved: least and most are what was there.
    fn of(spendable: i128) -> Range {
        Range { opening: spendable, minimum: (spendable, None), maximum: (spendable, None), closing: spendable }
    }

    fn note(&mut self, spendable: i128, time_ns: u64) {
        if spendable < self.minimum.0 {
            self.minimum = (spendable, Some(time_ns));
        }
        if spendable > self.maximum.0 {
            self.maximum = (spendable, Some(time_ns));
        }
        self.closing = spendable;
    }
}

fn spendable(balances: &Balances) -> i128 {
    balances.booked() - i128::try_from(balances.debits_pending).unwrap_or(i128::MAX)
}

struct Liquidity<'a> {
    arguments: &'a Arguments,
    accounts: Watch,
    /// By place of the account.
    ranges: Vec<Range>,
    interval: Option<u64>,
    has_begun: bool,
    sheet: Option<Sheet>,
}

impl Liquidity<'_> {
    fn is_wanted(&self, owner: &AccountOwner) -> bool {
        let Arguments { account, whose, .. } = self.arguments;
        owner.kind == account.kind() && whose.wants(owner.participant, owner.currency)
    }

    fn watch(&mut self, books: &Books) {
        let mut accounts = std::mem::take(&mut self.accounts);
        if self.has_begun {
            accounts.follow(books, |owner| self.is_wanted(owner));
        } else {
            accounts.open(books, |owner| self.is_wanted(owner));
        }
        self.has_begun = true;
        self.accounts = accounts;
        self.ranges.resize(books.engine().accounts_count(), Range::of(0));
    }

    /// Every interval begins with what the one before has left.
    fn begin_interval(&mut self) {
        for (account, balances) in self.accounts.iter() {
            self.ranges[account.get() as usize] = Range::of(spendable(&balances));
        }
    }

    fn write(&mut self, books: &Books, out: &mut dyn Write) -> Result<(), Ended> {
        let Arguments { asked, whose, account, .. } = self.arguments;
        if self.sheet.is_none() {
            let mut facts = asked.facts().to_vec();
            facts.push(("account_kind", Cell::text(account.kind().name())));
            facts.extend(whose.facts());
            self.sheet = Some(Sheet::begin(out, asked.form.form(), ("liquidity", &facts), &COLUMNS)?);
        }
        let Some(sheet) = &mut self.sheet else { return Ok(()) };
        for (account, _) in self.accounts.iter() {
            let (owner, range) = (books.owner(account), self.ranges[account.get() as usize]);
            let money = |minor_units| Cell::Money(minor_units, owner.minor_digits);
            let cells = [
                time_cell(self.interval),
                owner.participant.map_or(Cell::Nothing, Cell::text),
                Cell::text(owner.currency),
                Cell::Count(owner.minor_digits.into()),
                money(range.opening),
                money(range.minimum.0),
                time_cell(range.minimum.1),
                money(range.maximum.0),
                time_cell(range.maximum.1),
                money(range.closing),
            ];
            sheet.push(out, &cells)?;
        }
        Ok(())
    }
}

impl Reader for Liquidity<'_> {
    fn open(&mut self, books: &Books) {
        self.watch(books);
        self.begin_interval();
    }

    fn take(&mut self, books: &Books, batch: &Batch<'_>, out: &mut dyn Write) -> Result<(), Ended> {
        let interval = interval_of(self.arguments.every, batch.time_ns);
        if interval != self.interval {
            // The first one has nothing before it.
            if self.interval.is_some() {
                self.write(books, out)?;
            }
            self.begin_interval();
            self.interval = interval;
        }
        self.watch(books);
        for event in books.events() {
            for account in [event.transfer.debit, event.transfer.credit] {
                if let Some(balances) = self.accounts.balances(account) {
                    event.enter(account, balances);
                    self.ranges[account.get() as usize].note(spendable(balances), event.at.time_ns);
                }
            }
        }
        Ok(())
    }
}

/// Runs the report.
pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Ended> {
    let asked = &arguments.asked;
    check_period(asked.from, asked.to)?;
    let mut liquidity = Liquidity {
        arguments,
        accounts: Watch::default(),
        ranges: Vec::new(),
        interval: None,
        has_begun: false,
        sheet: None,
    };
    let books = match read_span(&asked.source, (asked.from, asked.to), &mut liquidity, out) {
        Ok(books) => books,
        Err(ended) => {
            return Err(match liquidity.sheet.take() {
                Some(sheet) => {
                    sheet.break_off(out, &ended)?;
                    ended
                }
                None => tell_damage(ended, asked.form, out)?,
            });
        }
    };
    arguments.whose.check(&books)?;
    liquidity.write(&books, out)?;
    match liquidity.sheet {
        Some(sheet) => sheet.end(out, &[], books.through(), true),
        None => Ok(()),
    }
}
