//! `switch report notifications`: one line for each booking on a participant's accounts, as they come. The words are those of ISO 20022 camt.054.

use std::io::Write;

use adapters::message::ParticipantCode;
use ledger::{AccountIndex, Currency};

use super::super::ledger::Ended;
use super::super::ledger::accounts::tell_damage;
use super::super::ledger::arguments::{check_known, check_period, currency, participant};
use super::super::ledger::rows::{Cell, Column, Form, Values, column};
use super::super::ledger::statement::AccountChoice;
use super::reading::{Asked, Reader, Tally, Watch, read_span};
use super::sheet::{Fact, Sheet};
use crate::books::{Books, Event, Happening, Moment};
use crate::cli::Failure;
use crate::engine::Batch;
use crate::engine::accounts::AccountOwner;

/// Shows bookings as they came.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    asked: Asked,
    /// Whose accounts
    #[arg(long, value_name = "CODE", value_parser = participant)]
    participant: ParticipantCode,
    /// Only this currency
    #[arg(long, value_name = "XXX", value_parser = currency)]
    currency: Option<Currency>,
    /// Only this account
    #[arg(long, value_enum)]
    account: Option<AccountChoice>,
    /// From this journal position on: the one that the report before has ended with
    #[arg(long, value_name = "POSITION")]
    follow_from: Option<u64>,
    /// Only credits, or only debits
    #[arg(long, value_enum)]
    only: Option<Side>,
    /// Only amounts of at least so many minor units
    #[arg(long, value_name = "MINOR_UNITS")]
    amount_from: Option<u64>,
}

/// Which way money went, as the account sees it.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Money came
    Credit,
    /// Money went
    Debit,
}

impl Side {
    pub(super) fn code(self) -> &'static str {
        match self {
            Side::Credit => "CRDT",
            Side::Debit => "DBIT",
        }
    }
}

const COLUMNS: [Column; 11] = [
    column("time", Values::Time).seen_as("time"),
    column("position", Values::Count).seen_as("position"),
    column("account", Values::Text).seen_as("account"),
    column("kind", Values::Text).seen_as("kind"),
    column("id", Values::Text).seen_as("payment or reference"),
    column("counterpart", Values::Text).seen_as("counterpart"),
    column("credit_debit", Values::Text).seen_as(""),
    column("amount", Values::Money).seen_as("amount"),
    column("currency", Values::Text).seen_as(""),
    column("minor_digits", Values::Count),
    column("balance", Values::Money).seen_as("balance"),
];

struct Notifications<'a> {
    arguments: &'a Arguments,
    accounts: Watch,
    sheet: Option<Sheet>,
    /// Credits and debits that were told.
    told: [Tally; 2],
}

impl Notifications<'_> {
    fn is_wanted(arguments: &Arguments, owner: &AccountOwner) -> bool {
        owner.participant == Some(arguments.participant)
            && arguments.currency.is_none_or(|currency| owner.currency == currency)
            && arguments.account.is_none_or(|account| owner.kind == account.kind())
    }

    /// Nothing is written before it is known that the participant is there.
    fn begin(&mut self, out: &mut dyn Write) -> Result<&mut Sheet, Ended> {
        if self.sheet.is_none() {
            let Arguments { asked, participant, currency, account, follow_from, only, amount_from } = self.arguments;
            let or_nothing = |cell: Option<Cell>| cell.unwrap_or(Cell::Nothing);
            let mut facts: Vec<Fact> = asked.facts().to_vec();
            facts.extend([
                ("participant", Cell::text(participant)),
                ("currency", or_nothing(currency.map(Cell::text))),
                ("account_kind", or_nothing(account.map(|account| Cell::text(account.kind().name())))),
                ("followed_from", or_nothing(follow_from.map(Cell::Count))),
                ("only", or_nothing(only.map(|only| Cell::text(only.code())))),
                ("amount_from", or_nothing(amount_from.map(Cell::Count))),
            ]);
            self.sheet = Some(Sheet::begin(out, asked.form.form(), ("notifications", &facts), &COLUMNS)?);
        }
        self.sheet.as_mut().ok_or_else(|| unreachable!("it was begun"))
    }

    fn tell(&mut self, books: &Books, event: &Event, side: Side, out: &mut dyn Write) -> Result<(), Ended> {
        let (account, other) = sides(event, side);
        let Some(balances) = self.accounts.balances(account) else { return Ok(()) };
        event.enter(account, balances);
        let balance = balances.booked();
        let amount = event.transfer.amount.minor_units();
        let Arguments { only, amount_from, follow_from, .. } = self.arguments;
        let is_asked = only.is_none_or(|only| only == side)
            && amount_from.is_none_or(|least| amount >= least)
            && follow_from.is_none_or(|position| event.at.position >= position);
        if !is_asked || !matches!(event.happening, Happening::Posted { .. } | Happening::Moved) {
            return Ok(());
        }
        self.told[usize::from(side == Side::Debit)].add(amount);
        let owner = *books.owner(account);
        let cells = [
            Cell::Time(event.at.time_ns),
            Cell::Count(event.at.position),
            Cell::text(owner),
            Cell::text(event.transfer.kind()),
            Cell::text(event.transfer.name),
            counterpart(books, other, self.arguments.asked.form.form()),
            Cell::text(side.code()),
            Cell::money(amount.into(), owner.minor_digits),
            Cell::text(owner.currency),
            Cell::Count(owner.minor_digits.into()),
            Cell::Money(balance, owner.minor_digits),
        ];
        self.begin(out)?.push(out, &cells)
    }
}

fn sides(event: &Event, side: Side) -> (AccountIndex, AccountIndex) {
    let (debit, credit) = (event.transfer.debit, event.transfer.credit);
    if side == Side::Credit { (credit, debit) } else { (debit, credit) }
}

/// The other participant; people are told which of the scheme's accounts it is otherwise.
fn counterpart(books: &Books, other: AccountIndex, form: Form) -> Cell {
    let owner = books.owner(other);
    match (owner.participant, form) {
        (Some(code), _) => Cell::text(code),
        (None, Form::People) => Cell::Text(format!("({})", owner.kind.name())),
        (None, _) => Cell::Nothing,
    }
}

impl Reader for Notifications<'_> {
    fn open(&mut self, books: &Books) {
        self.accounts.open(books, |owner| Self::is_wanted(self.arguments, owner));
    }

    fn take(&mut self, books: &Books, _: &Batch<'_>, out: &mut dyn Write) -> Result<(), Ended> {
        self.accounts.follow(books, |owner| Self::is_wanted(self.arguments, owner));
        for event in books.events() {
            self.tell(books, event, Side::Debit, out)?;
            self.tell(books, event, Side::Credit, out)?;
        }
        Ok(())
    }
}

/// Runs the report.
pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Ended> {
    let asked = &arguments.asked;
    check_period(asked.from, asked.to)?;
    let mut reader = Notifications { arguments, accounts: Watch::default(), sheet: None, told: [Tally::default(); 2] };
    let books = match read_span(&asked.source, (asked.from, asked.to), &mut reader, out) {
        Ok(books) => books,
        Err(ended) => {
            return Err(match reader.sheet.take() {
                Some(sheet) => {
                    sheet.break_off(out, &ended)?;
                    ended
                }
                None => tell_damage(ended, asked.form, out)?,
            });
        }
    };
    check_known(&books, Some(arguments.participant), arguments.currency)?;
    check_follow(arguments.follow_from, books.through())?;
    reader.begin(out)?;
    let [credits, debits] = reader.told;
    let next = books.through().position + 1;
    let facts = [
        ("credits", Cell::Count(credits.count)),
        ("debits", Cell::Count(debits.count)),
        ("follow_from", Cell::Count(next)),
    ];
    match reader.sheet {
        Some(sheet) => sheet.end(out, &facts, books.through(), true),
        None => Ok(()),
    }
}

/// Where nothing can have been told yet, another journal was meant.
fn check_follow(follow_from: Option<u64>, through: Moment) -> Result<(), Failure> {
    match follow_from {
        Some(position) if position > through.position + 1 => Err(Failure::start(format!(
            "--follow-from {position} is beyond what was read, which ends at position {}",
            through.position
        ))),
        _ => Ok(()),
    }
}
