//! `switch ledger accounts`: every account, and what stands on it.

use std::io::Write;

use adapters::message::ParticipantCode;
use ledger::{Account, AccountFlags, AccountStatus, Currency};

use super::arguments::{check_known, currency, participant, time, time_text};
use super::rows::{Cell, Column, Form, FormArguments, JsonObject, Rows, Values, column};
use super::walk::read_books;
use super::{Ended, Place, Source};
use crate::books::Books;
use crate::cli::print::grouped;
use crate::engine::accounts::AccountOwner;

/// Lists accounts.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    pub(super) source: Source,
    /// Only those of this participant
    #[arg(long, value_name = "CODE", value_parser = participant)]
    pub(super) participant: Option<ParticipantCode>,
    /// Only those in this currency
    #[arg(long, value_name = "XXX", value_parser = currency)]
    pub(super) currency: Option<Currency>,
    /// As of this journal time, what happened at it included; RFC 3339. Without it: at the end of the journal
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) at: Option<u64>,
    #[command(flatten)]
    pub(super) form: FormArguments,
}

/// What is written of an account.
pub(super) const COLUMNS: [Column; 12] = [
    column("account", Values::Text).seen_as("account"),
    column("kind", Values::Text),
    column("participant", Values::Text),
    column("currency", Values::Text),
    column("minor_digits", Values::Count),
    column("status", Values::Text).seen_as("status"),
    column("debits_pending", Values::Money).seen_as("debits pending"),
    column("debits_posted", Values::Money).seen_as("debits posted"),
    column("credits_pending", Values::Money).seen_as("credits pending"),
    column("credits_posted", Values::Money).seen_as("credits posted"),
    column("cap", Values::Money).seen_as("cap"),
    column("available", Values::Money).seen_as("available"),
];

/// An account as a row.
pub(super) fn cells(owner: &AccountOwner, account: &Account) -> [Cell; COLUMNS.len()] {
    let digits = owner.minor_digits;
    let is_limited = account.flags().contains(AccountFlags::DEBITS_LIMITED);
    [
        Cell::text(owner),
        Cell::text(owner.kind.name()),
        owner.participant.map_or(Cell::Nothing, Cell::text),
        Cell::text(owner.currency),
        Cell::Count(digits.into()),
        Cell::text(status(account.status())),
        Cell::money(account.debits_pending(), digits),
        Cell::money(account.debits_posted(), digits),
        Cell::money(account.credits_pending(), digits),
        Cell::money(account.credits_posted(), digits),
        if is_limited { Cell::money(account.cap(), digits) } else { Cell::Nothing },
        account.headroom().map_or(Cell::Nothing, |headroom| Cell::money(headroom, digits)),
    ]
}

fn status(status: AccountStatus) -> &'static str {
    match status {
        AccountStatus::Open => "open",
        AccountStatus::Frozen => "frozen",
        AccountStatus::Closed => "closed",
    }
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Ended> {
    let storage = arguments.source.open()?;
    let is_too_late = |time_ns| arguments.at.is_some_and(|at_ns| time_ns > at_ns);
    let books = match read_books(&storage, is_too_late) {
        Ok(books) => books,
        Err(ended) => return Err(tell_damage(ended, arguments.form, out)?),
    };
    check_known(&books, arguments.participant, arguments.currency)?;
    write(arguments, &books, out)
}

/// Who asked for JSON gets the damage as JSON, too.
pub(in crate::cli) fn tell_damage(ended: Ended, form: FormArguments, out: &mut dyn Write) -> Result<Ended, Ended> {
    if let (Some(damage), true) = (ended.damage(), form.json) {
        let mut object = JsonObject::begin(out)?;
        object.field(out, "ok", &false)?;
        object.field(out, "damage", damage)?;
        object.end(out)?;
    }
    Ok(ended)
}

fn write(arguments: &Arguments, books: &Books, out: &mut dyn Write) -> Result<(), Ended> {
    let form = arguments.form.form();
    let through = books.through();
    let mut object = None;
    if form == Form::JsonList {
        let opened = object.insert(JsonObject::begin(out)?);
        opened.field(out, "ok", &true)?;
        opened.field(out, "at", &arguments.at.map(time_text))?;
        opened.field(out, "through", &Place::of(through))?;
        opened.begin_list(out, "accounts")?;
    }
    let mut rows = Rows::begin(out, form, &COLUMNS)?;
    for (owner, account) in books.accounts().filter(|(owner, _)| is_wanted(arguments, owner)) {
        rows.push(out, &cells(&owner, account))?;
    }
    let count = rows.end(out)?;
    if let Some(mut object) = object {
        object.end_list(out)?;
        object.end(out)?;
    }
    if form == Form::People {
        let (time, position) = (time_text(through.time_ns), grouped(through.position.into()));
        writeln!(out, "\naccounts: {}, as of {time}, journal position {position}", grouped(count.into()))?;
    }
    Ok(())
}

fn is_wanted(arguments: &Arguments, owner: &AccountOwner) -> bool {
    arguments.participant.is_none_or(|code| owner.participant == Some(code))
        && arguments.currency.is_none_or(|currency| owner.currency == currency)
}
