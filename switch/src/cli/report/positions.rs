//! `switch report positions`: where every participant with accounts of its own stands in each currency.

use std::io::Write;

use ledger::Currency;

use super::super::ledger::Ended;
use super::super::ledger::rows::{Cell, Column, Values, column};
use super::reading::{AskedAt, NoReader, Whose, read_at, time_cell};
use super::sheet::Sheet;
use crate::books::Books;
use crate::cli::Failure;
use crate::engine::Engine;
use crate::engine::accounts::AccountKind;
use crate::engine::rules::CurrencyRules;
use crate::engine::scheme::Model;
use crate::engine::scheme::settlement::Cycle;
use crate::entry::ParticipantId;

/// Shows where participants stand.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    asked: AskedAt,
    #[command(flatten)]
    whose: Whose,
}

const COLUMNS: [Column; 16] = [
    column("participant", Values::Text).seen_as("participant"),
    column("currency", Values::Text).seen_as(""),
    column("minor_digits", Values::Count),
    column("model", Values::Text),
    column("settlement", Values::Money).seen_as("settlement"),
    column("held", Values::Money).seen_as("held"),
    column("free", Values::Money).seen_as("free"),
    column("reserve", Values::Money).seen_as("reserve"),
    column("position", Values::Money).seen_as("position"),
    column("cap", Values::Money).seen_as("cap"),
    column("used", Values::Money).seen_as("used"),
    column("open_net", Values::Money).seen_as("open net"),
    column("closed_windows", Values::Count).seen_as("closed"),
    column("closed_nets", Values::Money).seen_as("closed nets"),
    column("dispute", Values::Money).seen_as("dispute"),
    column("fees", Values::Money).seen_as("fees"),
];

/// The open window's net of a participant, and those of windows that are closed and not settled.
struct Nets {
    open: i128,
    windows: u64,
    closed: i128,
}

impl Nets {
    fn of(engine: &Engine, currency: usize, participant: ParticipantId, position: i128) -> Nets {
        let Some(book) = engine.scheme().settlement.cycle(currency, Cycle::Payments) else {
            return Nets { open: position, windows: 0, closed: 0 };
        };
        let (open, _) = engine.open_nets(book);
        let own = |net: &&crate::engine::scheme::settlement::Net| net.participant == participant.0 && !net.is_confirmed;
        let closed = book.windows.iter().filter_map(|window| window.nets.iter().find(own));
        let (windows, closed) = closed.fold((0, 0), |(windows, sum), net| (windows + 1, sum + net.net));
        Nets { open: open.iter().find(own).map_or(0, |net| net.net), windows, closed }
    }
}

/// Runs the report.
pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Ended> {
    let Arguments { asked, whose } = arguments;
    let books = read_at(asked, &mut NoReader, out)?;
    whose.check(&books)?;
    let facts = [&[("at", time_cell(asked.at))][..], &whose.facts()].concat();
    let mut sheet = Sheet::begin(out, asked.form.form(), ("positions", &facts), &COLUMNS)?;
    let mut wrong: Option<(ParticipantId, Currency)> = None;
    let engine = books.engine();
    for (number, rules) in engine.currencies().iter().enumerate() {
        for (participant, code) in engine.participants().filter(|(_, code)| whose.wants(Some(*code), rules.currency)) {
            let is_direct = engine.participant(participant).is_some_and(|participant| participant.is_direct());
            if !is_direct {
                continue;
            }
            let (cells, is_right) = cells(&books, (number, rules), participant);
            let cells = [&[Cell::text(code)], &cells[..]].concat();
            sheet.push(out, &cells)?;
            if !is_right {
                wrong = Some((participant, rules.currency));
            }
        }
    }
    sheet.end(out, &[], books.through(), wrong.is_none())?;
    match wrong {
        Some((participant, currency)) => {
            let code = engine.code_of(participant).map(ToString::to_string).unwrap_or_default();
            Err(Failure::fault(format!("the position of {code} in {currency} is not the sum of its nets")).into())
        }
        None => Ok(()),
    }
}

/// What stands behind the participant's code, and whether its position is the sum of its nets.
fn cells(books: &Books, (number, rules): (usize, &CurrencyRules), participant: ParticipantId) -> (Vec<Cell>, bool) {
    let (engine, digits) = (books.engine(), rules.minor_digits);
    let find =
        |kind| engine.find_account(participant, rules.currency.bytes(), kind).map(|account| engine.account(account));
    let balance = |kind| find(kind).map_or(0, |account| account.balances().booked());
    let money = |minor_units| Cell::Money(minor_units, digits);
    let (settlement, position) = (find(AccountKind::Settlement), find(AccountKind::Position));
    let mut cells = vec![
        Cell::text(rules.currency),
        Cell::Count(digits.into()),
        Cell::text(rules.model.name()),
        money(balance(AccountKind::Settlement)),
        Cell::money(settlement.map_or(0, |account| account.debits_pending()), digits),
        Cell::money(engine.free_money(number, participant), digits),
        money(balance(AccountKind::Reserve)),
    ];
    let mut is_right = true;
    if let Some(account) = position.filter(|_| rules.model == Model::Net) {
        let position = account.balances().booked();
        let nets = Nets::of(engine, number, participant, position);
        is_right = nets.open + nets.closed == position;
        let used = account.overdrawn();
        cells.extend([
            money(position),
            Cell::money(account.cap(), digits),
            Cell::money(used, digits),
            money(nets.open),
            Cell::Count(nets.windows),
            money(nets.closed),
        ]);
    } else {
        cells.extend([const { Cell::Nothing }; 6]);
    }
    cells.extend([money(balance(AccountKind::Dispute)), money(balance(AccountKind::Fees))]);
    (cells, is_right)
}
