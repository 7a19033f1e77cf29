//! `switch ledger transfer`: one transfer, from its reservation to its end.

use std::io::Write;
use std::ops::ControlFlow;

use adapters::message::{Outcome, ParticipantCode, Reason};
use ledger::{Currency, journal::DiskStorage};
use serde::Serialize;
use serde_json::json;

use super::accounts::tell_damage;
use super::arguments::{time_text, transfer_name};
use super::rows::FormArguments;
use super::walk::{apply, walk};
use super::{Ended, Place, Source};
use crate::books::{Books, Event, Happening, Moment, Refusal, TransferName};
use crate::cli::Failure;
use crate::cli::print::{grouped, money};
use crate::engine::accounts::AccountOwner;
use crate::limits::NS_PER_MS;

/// Shows one transfer.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The payment's UETR, or the reference of an order of money in the same form
    #[arg(value_name = "ID", value_parser = transfer_name)]
    pub(super) id: TransferName,
    #[command(flatten)]
    pub(super) source: Source,
    /// Print one JSON object: stable keys, amounts as strings in minor units
    #[arg(long)]
    pub(super) json: bool,
}

/// What became of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fate {
    /// What it is in the ledger.
    pub(super) state: &'static str,
    /// What it is to the providers; none for what is no payment.
    pub(super) outcome: Option<Outcome>,
    /// Why, where that is said.
    pub(super) reason: Reason,
    /// When it was reserved; none where it moved at once.
    pub(super) reserved: Option<Moment>,
    /// When it ended; none while it is in flight.
    pub(super) ended: Option<Moment>,
}

impl Fate {
    /// After this event.
    pub(super) fn of(event: &Event) -> Fate {
        let fate = |state, outcome, reason, reserved, ended| Fate { state, outcome, reason, reserved, ended };
        let at = Some(event.at);
        match event.happening {
            Happening::Reserved => Fate::in_flight(event.at),
            Happening::Posted { reserved } => {
                fate("posted", Some(Outcome::Committed), Reason::NONE, Some(reserved), at)
            }
            Happening::Voided { reserved, outcome, reason } => {
                fate("voided", Some(outcome), reason, Some(reserved), at)
            }
            Happening::Moved => fate("moved", None, Reason::NONE, None, at),
        }
    }

    /// Not decided yet.
    pub(super) fn in_flight(reserved: Moment) -> Fate {
        let outcome = Some(Outcome::InFlight);
        Fate { state: "reserved", outcome, reason: Reason::NONE, reserved: Some(reserved), ended: None }
    }
}

/// What the journal has of an id.
enum Found {
    Transfer { fate: Fate, amount: u64, debit: AccountOwner, credit: AccountOwner },
    Refused(Refusal),
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Ended> {
    let storage = arguments.source.open()?;
    let form = FormArguments { json: arguments.json, csv: false };
    let mut books = Books::default();
    let found = match find(&storage, &mut books, arguments.id) {
        Ok(found) => found,
        Err(ended) => return Err(tell_damage(ended, form, out)?),
    };
    let Some(found) = found else {
        if arguments.json {
            writeln!(out, "{}", json!({ "id": arguments.id.to_string(), "found": false }))?;
        }
        let position = grouped(books.through().position.into());
        let text = format!("the journal has no transfer {} through position {position}", arguments.id);
        return Err(Failure::fault(text).into());
    };
    match (&found, arguments.json) {
        (Found::Transfer { fate, amount, debit, credit }, true) => {
            Report::of_transfer(arguments.id, fate, *amount, [debit, credit]).write(out)?;
        }
        (Found::Transfer { fate, amount, debit, credit }, false) => {
            write_transfer(arguments.id, fate, *amount, [debit, credit], out)?;
        }
        (Found::Refused(refusal), true) => Report::of_refusal(refusal).write(out)?,
        (Found::Refused(refusal), false) => write_refusal(refusal, &books, out)?,
    }
    Ok(())
}

/// Reads on until the transfer has ended, for what is final never changes.
fn find(storage: &DiskStorage, books: &mut Books, name: TransferName) -> Result<Option<Found>, Ended> {
    let mut found = None;
    walk(storage, |batch| {
        apply(books, batch)?;
        let is_over = look(books, name, &mut found);
        Ok(if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(found)
}

/// Takes what the last batch did to the transfer. Has it ended?
fn look(books: &Books, name: TransferName, found: &mut Option<Found>) -> bool {
    for event in books.events().iter().filter(|event| event.transfer.name == name && event.transfer.leg == 0) {
        let fate = Fate::of(event);
        let [debit, credit] = [event.transfer.debit, event.transfer.credit].map(|account| *books.owner(account));
        let amount = event.transfer.amount.minor_units();
        *found = Some(Found::Transfer { fate, amount, debit, credit });
        if fate.ended.is_some() {
            return true;
        }
    }
    if let Some(refusal) = books.refusals().iter().find(|refusal| refusal.name == name) {
        *found = Some(Found::Refused(*refusal));
        return true;
    }
    false
}

/// A transfer, for programs. The names of the keys are relied upon by scripts.
#[derive(Serialize)]
struct Report {
    id: String,
    found: bool,
    kind: &'static str,
    /// What it is in the ledger; null where it never was there.
    state: Option<&'static str>,
    outcome: Option<&'static str>,
    reason: Option<String>,
    field: Option<&'static str>,
    amount: String,
    currency: Option<String>,
    minor_digits: Option<u8>,
    debit: Party,
    credit: Party,
    reserved: Option<Place>,
    ended: Option<Place>,
}

/// One of its two accounts.
#[derive(Serialize)]
struct Party {
    account: Option<String>,
    participant: Option<String>,
}

impl Party {
    fn of(owner: &AccountOwner) -> Party {
        Party { account: Some(owner.to_string()), participant: owner.participant.map(|code| code.to_string()) }
    }
}

impl Report {
    fn of_transfer(name: TransferName, fate: &Fate, amount: u64, [debit, credit]: [&AccountOwner; 2]) -> Report {
        Report {
            id: name.to_string(),
            found: true,
            kind: name.kind(),
            state: Some(fate.state),
            outcome: fate.outcome.map(Outcome::name),
            reason: reason_text(fate.reason),
            field: None,
            amount: amount.to_string(),
            currency: Some(debit.currency.to_string()),
            minor_digits: Some(debit.minor_digits),
            debit: Party::of(debit),
            credit: Party::of(credit),
            reserved: fate.reserved.map(Place::of),
            ended: fate.ended.map(Place::of),
        }
    }

    fn of_refusal(refusal: &Refusal) -> Report {
        let party = |code| Party { account: None, participant: code_text(code) };
        Report {
            id: refusal.name.to_string(),
            found: true,
            kind: refusal.name.kind(),
            state: None,
            outcome: Some(Outcome::Rejected.name()),
            reason: reason_text(refusal.reason),
            field: Some(refusal.field.name()),
            amount: refusal.amount.to_string(),
            currency: Currency::parse(&refusal.currency).map(|currency| currency.to_string()),
            minor_digits: None,
            debit: party(refusal.payer),
            credit: party(refusal.payee),
            reserved: None,
            ended: Some(Place::of(refusal.at)),
        }
    }

    fn write(&self, out: &mut dyn Write) -> Result<(), Ended> {
        serde_json::to_writer(&mut *out, self).map_err(std::io::Error::from)?;
        writeln!(out)?;
        Ok(())
    }
}

/// None where there is no reason.
fn reason_text(reason: Reason) -> Option<String> {
    Some(reason.as_str().to_owned()).filter(|reason| !reason.is_empty())
}

fn write_transfer(
    name: TransferName,
    fate: &Fate,
    amount: u64,
    [debit, credit]: [&AccountOwner; 2],
    out: &mut dyn Write,
) -> Result<(), Ended> {
    let outcome = fate.outcome.map(|outcome| format!("payment {}", outcome.name().replace('_', " ")));
    let words: Vec<String> = outcome.into_iter().chain(reason_text(fate.reason)).collect();
    let words = if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) };
    writeln!(out, "{}   {name}", name.kind())?;
    writeln!(out, "state     {}{words}", fate.state)?;
    writeln!(out, "amount    {} {}", money(amount.into(), debit.minor_digits), debit.currency)?;
    writeln!(out, "debit     {debit}")?;
    writeln!(out, "credit    {credit}")?;
    if let Some(reserved) = fate.reserved {
        writeln!(out, "reserved  {}", moment_text(reserved))?;
    }
    if let Some(ended) = fate.ended {
        writeln!(out, "{:<8}  {}", fate.state, moment_text(ended))?;
    }
    if let (Some(reserved), Some(ended)) = (fate.reserved, fate.ended) {
        let us = (ended.time_ns - reserved.time_ns) * 1_000 / NS_PER_MS;
        writeln!(out, "took      {}.{:03} ms", grouped((us / 1_000).into()), us % 1_000)?;
    }
    Ok(())
}

fn moment_text(at: Moment) -> String {
    format!("{}, position {}", time_text(at.time_ns), grouped(at.position.into()))
}

/// A code as sent, which need not be anybody's.
fn code_text(code: [u8; 35]) -> Option<String> {
    ParticipantCode::from_bytes(code).map(|code| code.to_string())
}

fn write_refusal(refusal: &Refusal, books: &Books, out: &mut dyn Write) -> Result<(), Ended> {
    let currency = Currency::parse(&refusal.currency);
    let rules = books.engine().currencies().iter().find(|rules| Some(rules.currency) == currency);
    let amount = match (rules, currency) {
        (Some(rules), _) => format!("{} {}", money(refusal.amount.into(), rules.minor_digits), rules.currency),
        (None, Some(currency)) => format!("{} minor units of {currency}", grouped(refusal.amount.into())),
        (None, None) => format!("{} minor units", grouped(refusal.amount.into())),
    };
    writeln!(out, "payment   {}", refusal.name)?;
    let (reason, field) = (refusal.reason.as_str(), refusal.field.name());
    writeln!(out, "state     never reserved (payment rejected, {reason}, {field})")?;
    writeln!(out, "amount    {amount}")?;
    writeln!(out, "payer     {}", code_text(refusal.payer).unwrap_or_default())?;
    writeln!(out, "payee     {}", code_text(refusal.payee).unwrap_or_default())?;
    writeln!(out, "rejected  {}", moment_text(refusal.at))?;
    Ok(())
}
