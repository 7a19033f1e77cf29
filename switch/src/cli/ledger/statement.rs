//! `switch ledger statement`: what was booked on an account of a participant, line by line, between an opening and a closing balance. The words are those
//! of ISO 20022 camt.053 where it has any; `docs/ledger-commands.md` has the table.

use std::io::Write;
use std::ops::ControlFlow;

use adapters::message::ParticipantCode;
use ledger::journal::DiskStorage;
use ledger::{AccountIndex, Balances, Currency};
use serde::{Serialize, Serializer};

use super::arguments::{check_known, check_period, currency, participant, time, time_text};
use super::rows::{Cell, Column, Form, FormArguments, JsonObject, Rows, Values, column, signed_money};
use super::walk::{apply, walk};
use super::{Ended, Place, Source};
use crate::books::{Books, Event, Happening, Moment};
use crate::cli::Failure;
use crate::cli::print::grouped;
use crate::engine::accounts::{AccountKind, AccountOwner};

/// Shows what was booked on an account.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    pub(super) source: Source,
    /// Whose account
    #[arg(long, value_name = "CODE", value_parser = participant)]
    pub(super) participant: ParticipantCode,
    /// In which currency
    #[arg(long, value_name = "XXX", value_parser = currency)]
    pub(super) currency: Currency,
    /// Which of its accounts
    #[arg(long, value_enum, default_value_t = AccountChoice::Settlement)]
    pub(super) account: AccountChoice,
    /// From this journal time on; RFC 3339. Without it: from the beginning
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) from: Option<u64>,
    /// Before this journal time; RFC 3339. Without it: to the end of the journal
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) to: Option<u64>,
    /// Show reservations and releases, too
    #[arg(long)]
    pub(super) pending: bool,
    #[command(flatten)]
    pub(super) form: FormArguments,
}

/// An account that participants have.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum AccountChoice {
    /// Prefunded money
    Settlement,
    /// What is owed in windows of payments that are not settled
    Position,
    /// Money that payments do not move
    Reserve,
    /// What is owed in windows of disputes that are not settled
    Dispute,
    /// What is owed for payments
    Fees,
}

impl AccountChoice {
    /// Which it is to the engine.
    pub(in crate::cli) fn kind(self) -> AccountKind {
        match self {
            AccountChoice::Settlement => AccountKind::Settlement,
            AccountChoice::Position => AccountKind::Position,
            AccountChoice::Reserve => AccountKind::Reserve,
            AccountChoice::Dispute => AccountKind::Dispute,
            AccountChoice::Fees => AccountKind::Fees,
        }
    }
}

/// What people see.
const FOR_PEOPLE: [Column; 7] = [
    column("time", Values::Time).seen_as("time"),
    column("position", Values::Count).seen_as("position"),
    column("payment_or_reference", Values::Text).seen_as("payment or reference"),
    column("counterpart", Values::Text).seen_as("counterpart"),
    column("debit", Values::Money).seen_as("debit"),
    column("credit", Values::Money).seen_as("credit"),
    column("balance", Values::Money).seen_as("balance"),
];

/// What people see who have asked for what is pending.
const FOR_PEOPLE_WITH_PENDING: [Column; 9] = [
    column("time", Values::Time).seen_as("time"),
    column("position", Values::Count).seen_as("position"),
    column("event", Values::Text).seen_as("event"),
    column("payment_or_reference", Values::Text).seen_as("payment or reference"),
    column("counterpart", Values::Text).seen_as("counterpart"),
    column("debit", Values::Money).seen_as("debit"),
    column("credit", Values::Money).seen_as("credit"),
    column("balance", Values::Money).seen_as("balance"),
    column("debits_pending", Values::Money).seen_as("debits pending"),
];

/// What programs see.
const FOR_PROGRAMS: [Column; 12] = [
    column("time", Values::Time),
    column("position", Values::Count),
    column("event", Values::Text),
    column("kind", Values::Text),
    column("id", Values::Text),
    column("counterpart", Values::Text),
    column("credit_debit", Values::Text),
    column("amount", Values::Money),
    column("currency", Values::Text),
    column("balance", Values::Money),
    column("debits_pending", Values::Money),
    column("credits_pending", Values::Money),
];

/// What happened to the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Booking {
    /// Money moved: an entry of status BOOK.
    Booked,
    /// Money was held: PDNG.
    Reserved,
    /// Money that was held is held no more, and did not move.
    Released,
}

impl Booking {
    fn name(self) -> &'static str {
        match self {
            Booking::Booked => "booked",
            Booking::Reserved => "reserved",
            Booking::Released => "released",
        }
    }
}

/// One line: an event as one of its two accounts sees it.
#[derive(Clone, Copy, Debug)]
struct Line {
    at: Moment,
    booking: Booking,
    is_credit: bool,
    amount: u128,
}

impl Line {
    /// None where the event does not touch the account.
    fn of(event: &Event, account: AccountIndex) -> Option<Line> {
        let is_credit = event.transfer.credit == account;
        if !is_credit && event.transfer.debit != account {
            return None;
        }
        let booking = match event.happening {
            Happening::Posted { .. } | Happening::Moved => Booking::Booked,
            Happening::Reserved => Booking::Reserved,
            Happening::Voided { .. } => Booking::Released,
        };
        Some(Line { at: event.at, booking, is_credit, amount: event.transfer.amount.minor_units().into() })
    }
}

/// How many lines of a kind, and their sum.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Sum {
    count: u64,
    #[serde(rename = "sum", serialize_with = "as_text")]
    minor_units: u128,
}

/// A balance under its ISO 20022 code.
#[derive(Serialize)]
struct Balance {
    code: &'static str,
    amount: String,
}

/// Sums may be larger than what JSON numbers hold.
fn as_text<S: Serializer>(minor_units: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(minor_units)
}

impl Sum {
    fn add(&mut self, minor_units: u128) {
        self.count += 1;
        self.minor_units += minor_units;
    }

    fn for_people(self, owner: &AccountOwner) -> String {
        let (sum, count) = (money(self.minor_units, owner.minor_digits), grouped(self.count.into()));
        format!("{sum} {} (entries: {count})", owner.currency)
    }
}

fn money(minor_units: u128, minor_digits: u8) -> String {
    crate::cli::print::money(minor_units, minor_digits)
}

/// Opening balance and lines must make what the book says, of what is booked and of what is pending; and so must opening balance and sums.
fn check(opening: &Balances, [credits, debits]: [Sum; 2], lines: &Balances, book: &Balances) -> Result<(), Failure> {
    if lines != book {
        let text = format!("the statement does not add up: {lines:?} by its lines, {book:?} by the book");
        return Err(Failure::fault(text));
    }
    let sum = |sum: Sum| i128::try_from(sum.minor_units).unwrap_or(i128::MAX);
    let (added, closing) = (opening.booked() + sum(credits) - sum(debits), book.booked());
    if added != closing {
        let text = format!("the statement does not add up: opening and sums are {added}, the book has {closing}");
        return Err(Failure::fault(text));
    }
    Ok(())
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Ended> {
    check_period(arguments.from, arguments.to)?;
    let storage = arguments.source.open()?;
    let mut books = Books::default();
    let mut statement = Statement::new(arguments);
    let walked = statement.walk(&storage, &mut books, out);
    match walked {
        Ok(()) => statement.close(&books, out),
        Err(ended) => {
            statement.break_off(&ended, out)?;
            Err(ended)
        }
    }
}

/// A statement on its way out.
struct Statement<'a> {
    arguments: &'a Arguments,
    form: Form,
    /// What stood on the account when the period began; none before it.
    opening: Option<Balances>,
    /// The account, once it is known and its head is written.
    begun: Option<Begun>,
    /// What stands on the account by the opening and the lines alone.
    balances: Balances,
    credits: Sum,
    debits: Sum,
    reserved: Sum,
    released: Sum,
}

struct Begun {
    account: AccountIndex,
    owner: AccountOwner,
    rows: Rows,
    object: Option<JsonObject>,
}

impl<'a> Statement<'a> {
    fn new(arguments: &'a Arguments) -> Statement<'a> {
        Statement {
            arguments,
            form: arguments.form.form(),
            opening: None,
            begun: None,
            balances: Balances::default(),
            credits: Sum::default(),
            debits: Sum::default(),
            reserved: Sum::default(),
            released: Sum::default(),
        }
    }

    fn walk(&mut self, storage: &DiskStorage, books: &mut Books, out: &mut dyn Write) -> Result<(), Ended> {
        let (from_ns, to_ns) = (self.arguments.from, self.arguments.to);
        walk(storage, |batch| {
            if to_ns.is_some_and(|to_ns| batch.time_ns >= to_ns) {
                return Ok(ControlFlow::Break(()));
            }
            let is_within = from_ns.is_none_or(|from_ns| batch.time_ns >= from_ns);
            if is_within {
                self.open(books);
            }
            apply(books, batch)?;
            if is_within {
                self.begin(books, out)?;
                self.take(books, out)?;
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    fn account(&self, books: &Books) -> Option<AccountIndex> {
        let participant = books.engine().find_participant(&self.arguments.participant)?;
        books.engine().find_account(participant, self.arguments.currency.bytes(), self.arguments.account.kind())
    }

    /// The period begins. An account that is opened later had nothing then.
    fn open(&mut self, books: &Books) {
        if self.opening.is_none() {
            let opening = self.account(books).map(|account| books.balances(account)).unwrap_or_default();
            self.opening = Some(opening);
            self.balances = opening;
        }
    }

    /// Writes what stands above the lines, as soon as there is an account.
    fn begin(&mut self, books: &Books, out: &mut dyn Write) -> Result<(), Ended> {
        let (None, Some(account)) = (&self.begun, self.account(books)) else { return Ok(()) };
        let owner = *books.owner(account);
        let object = match self.form {
            Form::JsonList => Some(self.begin_json(&owner, out)?),
            Form::People => {
                self.begin_for_people(&owner, out)?;
                None
            }
            Form::Csv | Form::JsonLines => None,
        };
        let columns: &[Column] = match (self.form, self.arguments.pending) {
            (Form::People, true) => &FOR_PEOPLE_WITH_PENDING,
            (Form::People, false) => &FOR_PEOPLE,
            (Form::Csv | Form::JsonLines | Form::JsonList, _) => &FOR_PROGRAMS,
        };
        let rows = Rows::begin(out, self.form, columns)?;
        self.begun = Some(Begun { account, owner, rows, object });
        Ok(())
    }

    fn begin_json(&self, owner: &AccountOwner, out: &mut dyn Write) -> Result<JsonObject, Ended> {
        let mut object = JsonObject::begin(out)?;
        object.field(out, "account", &owner.to_string())?;
        object.field(out, "participant", &self.arguments.participant.as_str())?;
        object.field(out, "currency", &owner.currency.as_str())?;
        object.field(out, "minor_digits", &owner.minor_digits)?;
        object.field(out, "from", &self.arguments.from.map(time_text))?;
        object.field(out, "to", &self.arguments.to.map(time_text))?;
        object.field(out, "opening_balance", &Balance { code: "OPBD", amount: self.balances.booked().to_string() })?;
        object.begin_list(out, "entries")?;
        Ok(object)
    }

    fn begin_for_people(&self, owner: &AccountOwner, out: &mut dyn Write) -> Result<(), Ended> {
        let time = |time_ns: Option<u64>, without: &str| time_ns.map_or(without.to_owned(), time_text);
        writeln!(out, "account          {owner}")?;
        writeln!(out, "from             {}", time(self.arguments.from, "the beginning of the journal"))?;
        writeln!(out, "to               {}", time(self.arguments.to, "the end of the journal"))?;
        let opening = signed_money(self.balances.booked(), owner.minor_digits);
        writeln!(out, "opening balance  {opening} {}\n", owner.currency)?;
        Ok(())
    }

    /// The lines of a batch.
    fn take(&mut self, books: &Books, out: &mut dyn Write) -> Result<(), Ended> {
        let Some(account) = self.begun.as_ref().map(|begun| begun.account) else { return Ok(()) };
        for event in books.events() {
            let Some(line) = Line::of(event, account) else { continue };
            event.enter(account, &mut self.balances);
            self.count(&line);
            if line.booking == Booking::Booked || self.arguments.pending {
                self.write(books, event, &line, out)?;
            }
        }
        Ok(())
    }

    fn count(&mut self, line: &Line) {
        match (line.booking, line.is_credit) {
            (Booking::Booked, true) => &mut self.credits,
            (Booking::Booked, false) => &mut self.debits,
            (Booking::Reserved, _) => &mut self.reserved,
            (Booking::Released, _) => &mut self.released,
        }
        .add(line.amount);
    }

    fn write(&mut self, books: &Books, event: &Event, line: &Line, out: &mut dyn Write) -> Result<(), Ended> {
        let Some(begun) = &mut self.begun else { return Ok(()) };
        let digits = begun.owner.minor_digits;
        let other = if line.is_credit { event.transfer.debit } else { event.transfer.credit };
        let counterpart = books.owner(other).participant;
        let amount = Cell::money(line.amount, digits);
        let balance = Cell::Money(self.balances.booked(), digits);
        let (time, position) = (Cell::Time(line.at.time_ns), Cell::Count(line.at.position));
        let id = Cell::text(event.transfer.name);
        if self.form == Form::People {
            let of_scheme = || format!("({})", books.owner(other).kind.name());
            let counterpart = Cell::text(counterpart.map_or_else(of_scheme, |code| code.to_string()));
            let sides = if line.is_credit { [Cell::Nothing, amount] } else { [amount, Cell::Nothing] };
            let [debit, credit] = sides;
            if self.arguments.pending {
                let event = Cell::text(line.booking.name());
                let pending = Cell::money(self.balances.debits_pending, digits);
                let cells = [time, position, event, id, counterpart, debit, credit, balance, pending];
                begun.rows.push(out, &cells)?;
            } else {
                begun.rows.push(out, &[time, position, id, counterpart, debit, credit, balance])?;
            }
            return Ok(());
        }
        let cells = [
            time,
            position,
            Cell::text(line.booking.name()),
            Cell::text(event.transfer.kind()),
            id,
            counterpart.map_or(Cell::Nothing, Cell::text),
            Cell::text(if line.is_credit { "CRDT" } else { "DBIT" }),
            amount,
            Cell::text(begun.owner.currency),
            balance,
            Cell::money(self.balances.debits_pending, digits),
            Cell::money(self.balances.credits_pending, digits),
        ];
        begun.rows.push(out, &cells)?;
        Ok(())
    }

    /// Writes what stands below the lines, and says whether it adds up.
    fn close(mut self, books: &Books, out: &mut dyn Write) -> Result<(), Ended> {
        self.open(books);
        self.begin(books, out)?;
        let Some(Begun { account, owner, rows, object }) = self.begun.take() else {
            check_known(books, Some(self.arguments.participant), Some(self.arguments.currency))?;
            let Arguments { participant, currency, account, .. } = self.arguments;
            let kind = account.kind().name();
            let text = format!("{participant} has no {kind} account in {currency}, up to where the statement ends");
            return Err(Failure::fault(text).into());
        };
        rows.end(out)?;
        let book = books.engine().account(account).balances();
        let result = check(&self.opening.unwrap_or_default(), [self.credits, self.debits], &self.balances, &book);
        let closing = Closing { books, account, owner: &owner, is_right: result.is_ok() };
        if let Some(object) = object {
            self.close_json(object, &closing, out)?;
        } else if self.form == Form::People {
            self.close_for_people(&closing, out)?;
        }
        result.map_err(Ended::from)
    }

    fn close_json(&self, mut object: JsonObject, closing: &Closing<'_>, out: &mut dyn Write) -> Result<(), Ended> {
        let account = closing.books.engine().account(closing.account);
        object.end_list(out)?;
        object.field(out, "closing_balance", &Balance { code: "CLBD", amount: self.balances.booked().to_string() })?;
        let available = account.headroom().map(|headroom| Balance { code: "CLAV", amount: headroom.to_string() });
        object.field(out, "available_balance", &available)?;
        object.field(out, "debits_pending", &account.debits_pending().to_string())?;
        object.field(out, "credits_pending", &account.credits_pending().to_string())?;
        for (key, sum) in [
            ("credits", self.credits),
            ("debits", self.debits),
            ("reserved", self.reserved),
            ("released", self.released),
        ] {
            object.field(out, key, &sum)?;
        }
        object.field(out, "through", &Place::of(closing.books.through()))?;
        object.field(out, "ok", &closing.is_right)?;
        object.end(out)?;
        Ok(())
    }

    fn close_for_people(&self, closing: &Closing<'_>, out: &mut dyn Write) -> Result<(), Ended> {
        let (digits, currency) = (closing.owner.minor_digits, closing.owner.currency);
        let account = closing.books.engine().account(closing.account);
        writeln!(out, "\nclosing balance  {} {currency}", signed_money(self.balances.booked(), digits))?;
        if let Some(headroom) = account.headroom() {
            writeln!(out, "available        {} {currency}", money(headroom, digits))?;
        }
        let mut sums = vec![("credits", self.credits), ("debits", self.debits)];
        if self.arguments.pending {
            sums.extend([("reserved", self.reserved), ("released", self.released)]);
        }
        for (what, sum) in sums {
            writeln!(out, "{what:<15}  {}", sum.for_people(closing.owner))?;
        }
        let position = grouped(closing.books.through().position.into());
        if closing.is_right {
            writeln!(out, "checked          opening + credits - debits = closing = the book at position {position}")?;
        }
        Ok(())
    }

    /// The journal ends in damage: what was begun is ended, so that it can be read.
    fn break_off(&mut self, ended: &Ended, out: &mut dyn Write) -> Result<(), Ended> {
        let Some(damage) = ended.damage() else { return Ok(()) };
        let mut object = match self.begun.take() {
            Some(Begun { rows, object, .. }) => {
                rows.end(out)?;
                let Some(mut object) = object else { return Ok(()) };
                object.end_list(out)?;
                object
            }
            None if self.form == Form::JsonList => JsonObject::begin(out)?,
            None => return Ok(()),
        };
        object.field(out, "ok", &false)?;
        object.field(out, "damage", damage)?;
        object.end(out)?;
        Ok(())
    }
}

struct Closing<'a> {
    books: &'a Books,
    account: AccountIndex,
    owner: &'a AccountOwner,
    is_right: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_add_up_is_said_with_status_1() {
        let opening = Balances { credits_posted: 100, ..Balances::default() };
        let closing = Balances { credits_posted: 130, debits_posted: 7, debits_pending: 5, ..Balances::default() };
        let sum = |minor_units| Sum { count: 1, minor_units };
        let (credits, debits) = (sum(30), sum(7));
        assert!(check(&opening, [credits, debits], &closing, &closing).is_ok());
        let wrong = [
            check(&opening, [sum(31), debits], &closing, &closing),
            check(&opening, [credits, sum(0)], &closing, &closing),
            check(&closing, [credits, debits], &closing, &closing),
            check(&opening, [credits, debits], &Balances { debits_posted: 6, ..closing }, &closing),
            check(&opening, [credits, debits], &Balances { debits_pending: 0, ..closing }, &closing),
        ];
        for result in wrong {
            assert!(result.is_err_and(|failure| failure.status == 1 && failure.message.contains("does not add up")));
        }
    }
}
