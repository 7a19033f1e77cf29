//! `switch admin money`: orders of money, prepared, confirmed, aborted, listed.

use std::io::{self, Write};

use adapters::message::ParticipantCode;
use ledger::Currency;

use super::show::{json, money_in, signed_money, table};
use super::{By, Place};
use crate::cli::ledger::arguments::{currency, participant};
use crate::engine::scheme::money::Operation;
use crate::lookup::Trouble;
use crate::operator::Action;
use crate::operator::reference::Reference;
use crate::operator::view::{OrderRow, Question, View};

/// `switch admin money`.
#[derive(clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// Prepare money that a participant pays in: it is there once it is confirmed
    #[command(
        after_help = "Example:\n  switch admin money in PSP0001 250000 --currency XTS --reference RTGS-2026/0001 --data /var/lib/clearspan \\\n    --operator j.doe --approver m.roe --reason 'account statement 17' --yes"
    )]
    In(One),
    /// Prepare money that a participant takes out: it is held until it is confirmed or aborted
    Out(One),
    /// Hold money of a participant until it is set free with `abort`
    Block(One),
    /// Move money from a settlement account to the reserve
    ToReserve(One),
    /// Move money from the reserve to the settlement account
    FromReserve(One),
    /// Move money of one participant to another that was allowed with `allow`
    Transfer(Two),
    /// Book what a dispute has one participant owe another, for the next window of disputes
    Dispute(Two),
    /// Confirm what was prepared: it moves
    Confirm(Decided),
    /// Abort what was prepared: what was held is free
    Abort(Decided),
    /// List what is prepared
    List(List),
    /// Let a participant send another liquidity with `transfer`
    Allow(Allow),
}

/// An order about one participant.
#[derive(clap::Args)]
pub(in crate::cli) struct One {
    /// The participant
    #[arg(value_name = "CODE", value_parser = participant)]
    participant: ParticipantCode,
    #[command(flatten)]
    sum: Sum,
}

/// An order from one participant to another.
#[derive(clap::Args)]
pub(in crate::cli) struct Two {
    /// Who gives
    #[arg(value_name = "FROM", value_parser = participant)]
    participant: ParticipantCode,
    /// Who receives
    #[arg(value_name = "TO", value_parser = participant)]
    other: ParticipantCode,
    #[command(flatten)]
    sum: Sum,
}

/// How much, and under which reference.
#[derive(clap::Args)]
struct Sum {
    /// In minor units (cents)
    #[arg(value_name = "AMOUNT", value_parser = clap::value_parser!(u64).range(1..))]
    amount: u64,
    /// ISO 4217
    #[arg(long, value_name = "CODE", value_parser = currency)]
    currency: Currency,
    /// Used once and for ever: at most 16 letters, digits and signs, or a UUID; made where none is given
    #[arg(long, value_name = "TEXT", value_parser = Reference::parse)]
    reference: Option<Reference>,
    #[command(flatten)]
    by: By,
}

/// What becomes of an order.
#[derive(clap::Args)]
pub(in crate::cli) struct Decided {
    /// Under which it was prepared
    #[arg(value_name = "REFERENCE", value_parser = Reference::parse)]
    reference: Reference,
    #[command(flatten)]
    by: By,
}

/// What is prepared.
#[derive(clap::Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    place: Place,
    /// Print an object of JSON a line, amounts as strings in minor units
    #[arg(long)]
    json: bool,
}

/// Who may send liquidity to whom.
#[derive(clap::Args)]
pub(in crate::cli) struct Allow {
    /// Who sends
    #[arg(value_name = "FROM", value_parser = participant)]
    from: ParticipantCode,
    /// Who receives
    #[arg(value_name = "TO", value_parser = participant)]
    to: ParticipantCode,
    /// No longer
    #[arg(long)]
    revoke: bool,
    #[command(flatten)]
    by: By,
}

/// Runs the command.
pub(super) fn run(command: &Command) -> Result<(), Trouble> {
    let mut out = io::stdout().lock();
    let out = &mut out;
    match command {
        Command::In(one) => order(Operation::FundsIn, one.participant, None, &one.sum, out),
        Command::Out(one) => order(Operation::FundsOut, one.participant, None, &one.sum, out),
        Command::Block(one) => order(Operation::Block, one.participant, None, &one.sum, out),
        Command::ToReserve(one) => order(Operation::ToReserve, one.participant, None, &one.sum, out),
        Command::FromReserve(one) => order(Operation::FromReserve, one.participant, None, &one.sum, out),
        Command::Transfer(two) => order(Operation::Transfer, two.participant, Some(two.other), &two.sum, out),
        Command::Dispute(two) => order(Operation::Dispute, two.participant, Some(two.other), &two.sum, out),
        Command::Confirm(decided) => decide(decided, true, out),
        Command::Abort(decided) => decide(decided, false, out),
        Command::List(arguments) => list(arguments, out),
        Command::Allow(arguments) => allow(arguments, out),
    }
}

fn order(
    operation: Operation,
    participant: ParticipantCode,
    other: Option<ParticipantCode>,
    sum: &Sum,
    out: &mut dyn Write,
) -> Result<(), Trouble> {
    let Sum { amount, currency, reference, by } = sum;
    let reference = reference.unwrap_or_else(|| Reference::make(crate::clock::wall_ns()));
    let currency = currency.to_string();
    let digits = by.place.digits_of(&currency)?;
    let mut said = vec![("order", operation.name().to_owned()), ("participant", participant.to_string())];
    said.extend(other.map(|other| ("to", other.to_string())));
    said.push(("amount", money_in((*amount).into(), &currency, digits)));
    said.push(("reference", reference.to_string()));
    let (participant, other) = (participant.to_string(), other.map(|other| other.to_string()));
    let action = Action::OrderMoney { reference, operation, participant, other, currency, amount: *amount };
    let then = match operation {
        Operation::FundsIn | Operation::FundsOut => "prepared; confirm or abort it by its reference",
        Operation::Block => "held; abort it by its reference to set it free",
        _ => "moved",
    };
    by.carry_out(&said, action, then, out)
}

fn decide(Decided { reference, by }: &Decided, is_confirmed: bool, out: &mut dyn Write) -> Result<(), Trouble> {
    let orders = by.place.rows(|after| Question::Orders { after }, only_orders)?;
    let mut said = vec![("decision", if is_confirmed { "confirm" } else { "abort" }.to_owned())];
    said.push(("reference", reference.to_string()));
    if let Some(order) = orders.iter().find(|order| order.reference == *reference) {
        said.push(("order", order.operation.name().to_owned()));
        said.push(("participant", order.participant.clone()));
        said.push(("amount", money_in(order.amount, &order.currency, order.minor_digits)));
    } else {
        said.push(("order", "none is prepared under this reference".to_owned()));
    }
    let then = if is_confirmed { "confirmed" } else { "aborted" };
    by.carry_out(&said, Action::DecideMoney { reference: *reference, is_confirmed }, then, out)
}

fn only_orders(view: View) -> Option<crate::operator::view::Page<OrderRow>> {
    if let View::Orders(page) = view { Some(page) } else { None }
}

fn list(arguments: &List, out: &mut dyn Write) -> Result<(), Trouble> {
    let orders = arguments.place.rows(|after| Question::Orders { after }, only_orders)?;
    if arguments.json {
        return json(&orders, out);
    }
    let rows: Vec<Vec<String>> = orders
        .iter()
        .map(|order| {
            let amount = signed_money(order.amount, order.minor_digits);
            let reference = order.reference.to_string();
            vec![
                reference,
                order.operation.name().to_owned(),
                order.participant.clone(),
                order.currency.clone(),
                amount,
            ]
        })
        .collect();
    table(&["reference", "order", "participant", "currency", ">amount"], &rows, out)
}

fn allow(Allow { from, to, revoke, by }: &Allow, out: &mut dyn Write) -> Result<(), Trouble> {
    let word = if *revoke { "no longer" } else { "yes" };
    let said = [("from", from.to_string()), ("to", to.to_string()), ("transfers", word.to_owned())];
    let action = Action::AllowTransfer { from: from.to_string(), to: to.to_string(), is_granted: !revoke };
    by.carry_out(&said, action, "in force", out)
}
