//! `switch report instructions`: what the settlement bank is to pay for a window, with the content of ISO 20022 pacs.009: debtors pay the scheme's account there, from
//! which creditors are paid. Each has a reference that follows from window and participant, so that making the list again makes the same list.

use std::io::Write;

use super::super::ledger::Ended;
use super::super::ledger::arguments::check_known;
use super::super::ledger::rows::{Cell, Column, Values, column};
use super::reading::{AskedAt, Tally, code_cell, digits_of, read_at, time_cell};
use super::sheet::Sheet;
use super::windows::{WindowArguments, WindowKey, WindowSeen, WindowState, WindowsSeen};
use crate::books::{Books, TransferName};
use crate::engine::scheme::settlement::instruction_reference;
use crate::entry::ParticipantId;

/// Shows instructions.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    asked: AskedAt,
    #[command(flatten)]
    window: WindowArguments,
}

const COLUMNS: [Column; 7] = [
    column("reference", Values::Text).seen_as("reference"),
    column("debtor", Values::Text).seen_as("debtor"),
    column("creditor", Values::Text).seen_as("creditor"),
    column("amount", Values::Money).seen_as("amount"),
    column("currency", Values::Text).seen_as(""),
    column("minor_digits", Values::Count),
    column("state", Values::Text).seen_as("state"),
];

/// The scheme's name in instructions, where a participant's code would stand: no code has a bracket.
const SCHEME: &str = "(scheme)";

/// What the settlement bank is to pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) reference: TransferName,
    pub(super) participant: ParticipantId,
    /// In minor units.
    pub(super) amount: u128,
    /// Does the participant pay? Else it is paid.
    pub(super) is_debtor: bool,
    pub(super) is_confirmed: bool,
}

/// A window's instructions: debtors first, for creditors are paid from what they bring.
pub(super) fn instructions(books: &Books, key: WindowKey, window: &WindowSeen) -> Vec<Instruction> {
    let number = books.engine().currencies().iter().position(|rules| rules.currency == key.currency).unwrap_or(0);
    let all = window.nets.iter().map(|(participant, seen)| Instruction {
        reference: TransferName(instruction_reference((number, key.cycle), key.window, *participant)),
        participant: *participant,
        amount: seen.net.unsigned_abs(),
        is_debtor: seen.net < 0,
        is_confirmed: seen.confirmed_at_ns.is_some(),
    });
    let mut all: Vec<Instruction> = all.collect();
    all.sort_by_key(|instruction| !instruction.is_debtor);
    all
}

/// Reads a window that was closed.
pub(super) fn read_window(
    asked: &AskedAt,
    window: &WindowArguments,
    out: &mut dyn Write,
) -> Result<(Books, WindowSeen), Ended> {
    let key = window.key();
    let mut seen = WindowsSeen { only: Some(key), ..WindowsSeen::default() };
    let books = read_at(asked, &mut seen, out)?;
    check_known(&books, None, Some(key.currency))?;
    let window = seen.windows.remove(&key).ok_or_else(|| key.missing("closed"))?;
    Ok((books, window))
}

/// Runs the report.
pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Ended> {
    let Arguments { asked, window: wanted } = arguments;
    let (books, window) = read_window(asked, wanted, out)?;
    let key = wanted.key();
    let digits = digits_of(books.engine(), Some(key.currency));
    let state = ("state", Cell::text(window.state.name()));
    let facts = [&[("at", time_cell(asked.at))][..], &key.facts(digits), &[state]].concat();
    let mut sheet = Sheet::begin(out, asked.form.form(), ("instructions", &facts), &COLUMNS)?;
    let (mut to_receive, mut to_pay) = (Tally::default(), Tally::default());
    for instruction in instructions(&books, key, &window) {
        let tally = if instruction.is_debtor { &mut to_receive } else { &mut to_pay };
        tally.add(instruction.amount);
        let code = code_cell(books.engine(), Some(instruction.participant));
        let scheme = Cell::text(SCHEME);
        let [debtor, creditor] = if instruction.is_debtor { [code, scheme] } else { [scheme, code] };
        let cells = [
            Cell::text(instruction.reference),
            debtor,
            creditor,
            Cell::money(instruction.amount, digits),
            Cell::text(key.currency),
            Cell::Count(digits.into()),
            Cell::text(state_of(&window, &instruction)),
        ];
        sheet.push(out, &cells)?;
    }
    let facts = [
        ("from_debtors", Cell::money(to_receive.minor_units, digits)),
        ("to_creditors", Cell::money(to_pay.minor_units, digits)),
    ];
    sheet.end(out, &facts, books.through(), true)
}

/// What is still to be paid is open, unless the window was given up.
fn state_of(window: &WindowSeen, instruction: &Instruction) -> &'static str {
    match (instruction.is_confirmed, window.state) {
        (true, _) => "confirmed",
        (false, WindowState::Aborted) => "withdrawn",
        (false, _) => "open",
    }
}
