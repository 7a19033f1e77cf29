//! `switch report positions`: where every participant stands in each currency: on its own accounts, or on its sponsor's under a sub-limit.

use std::collections::BTreeMap;
use std::io::Write;

use ledger::Currency;

use super::super::ledger::Ended;
use super::super::ledger::rows::{Cell, Column, Values, column};
use super::reading::{AskedAt, NoReader, Whose, code_cell, read_at, time_cell};
use super::sheet::Sheet;
use crate::cli::Failure;
use crate::engine::Engine;
use crate::engine::accounts::AccountKind;
use crate::engine::rules::CurrencyRules;
use crate::engine::scheme::Model;
use crate::engine::scheme::settlement::{Cycle, CycleBook};
use crate::entry::ParticipantId;

/// Shows where participants stand.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    asked: AskedAt,
    #[command(flatten)]
    whose: Whose,
}

const COLUMNS: [Column; 19] = [
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
    column("sponsor", Values::Text).seen_as("sponsor"),
    column("sub_limit", Values::Money).seen_as("sub-limit"),
    column("sub_limit_used", Values::Money).seen_as("used of it"),
];

/// The open window's net of a participant, and those of windows that are closed and not settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Nets {
    open: i128,
    windows: u64,
    closed: i128,
}

/// The nets of everybody who has one in a cycle that was needed before.
fn nets_of(engine: &Engine, book: &CycleBook) -> BTreeMap<u32, Nets> {
    let mut nets: BTreeMap<u32, Nets> = BTreeMap::new();
    for net in engine.open_nets(book).0 {
        nets.entry(net.participant).or_default().open = net.net;
    }
    for net in book.windows.iter().flat_map(|window| &window.nets).filter(|net| !net.is_confirmed) {
        let own = nets.entry(net.participant).or_default();
        own.windows += 1;
        own.closed += net.net;
    }
    nets
}

/// A currency of the report.
struct OfCurrency<'a> {
    number: usize,
    rules: &'a CurrencyRules,
    /// None where all that stands on position accounts belongs to the first window.
    nets: Option<BTreeMap<u32, Nets>>,
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
        let nets = engine.scheme().settlement.cycle(number, Cycle::Payments).map(|book| nets_of(engine, book));
        let of_currency = OfCurrency { number, rules, nets };
        for (id, code) in engine.participants().filter(|(_, code)| whose.wants(Some(*code), rules.currency)) {
            let Some(participant) = engine.participant(id).filter(|participant| !participant.is_technical) else {
                continue;
            };
            let head = [Cell::text(code), Cell::text(rules.currency), Cell::Count(rules.minor_digits.into())];
            let (cells, is_right) = match participant.sponsor {
                None => own_cells(engine, &of_currency, id),
                Some(sponsor) => (sponsored_cells(engine, &of_currency, (id, sponsor)), true),
            };
            sheet.push(out, &[&head[..], &[Cell::text(rules.model.name())], &cells].concat())?;
            if !is_right {
                wrong = Some((id, rules.currency));
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

/// What stands on a participant's own accounts, and whether its position is the sum of its nets.
fn own_cells(engine: &Engine, of_currency: &OfCurrency<'_>, participant: ParticipantId) -> (Vec<Cell>, bool) {
    let &OfCurrency { number, rules, ref nets } = of_currency;
    let digits = rules.minor_digits;
    let find =
        |kind| engine.find_account(participant, rules.currency.bytes(), kind).map(|account| engine.account(account));
    let balance = |kind| find(kind).map_or(0, |account| account.balances().booked());
    let money = |minor_units| Cell::Money(minor_units, digits);
    let (settlement, position) = (find(AccountKind::Settlement), find(AccountKind::Position));
    let mut cells = vec![
        money(balance(AccountKind::Settlement)),
        Cell::money(settlement.map_or(0, |account| account.debits_pending()), digits),
        Cell::money(engine.free_money(number, participant), digits),
        money(balance(AccountKind::Reserve)),
    ];
    let mut is_right = true;
    if let Some(account) = position.filter(|_| rules.model == Model::Net) {
        let position = account.balances().booked();
        let all_open = Nets { open: position, ..Nets::default() };
        let nets = nets.as_ref().map_or(all_open, |nets| nets.get(&participant.0).copied().unwrap_or_default());
        is_right = nets.open + nets.closed == position;
        cells.extend([
            money(position),
            Cell::money(account.cap(), digits),
            Cell::money(account.overdrawn(), digits),
            money(nets.open),
            Cell::Count(nets.windows),
            money(nets.closed),
        ]);
    } else {
        cells.extend([const { Cell::Nothing }; 6]);
    }
    cells.extend([money(balance(AccountKind::Dispute)), money(balance(AccountKind::Fees))]);
    cells.extend([const { Cell::Nothing }; 3]);
    (cells, is_right)
}

/// What a participant has used of what its sponsor lends it; its accounts are the sponsor's, but for its fees.
fn sponsored_cells(
    engine: &Engine,
    of_currency: &OfCurrency<'_>,
    (participant, sponsor): (ParticipantId, ParticipantId),
) -> Vec<Cell> {
    let digits = of_currency.rules.minor_digits;
    let fees = engine.find_account(participant, of_currency.rules.currency.bytes(), AccountKind::Fees);
    let seat = engine.seat(participant, of_currency.number);
    let mut cells = vec![Cell::Nothing; 11];
    cells.extend([
        Cell::Money(fees.map_or(0, |account| engine.account(account).balances().booked()), digits),
        code_cell(engine, Some(sponsor)),
        Cell::money(seat.terms.sub_limit.into(), digits),
        Cell::money(seat.sub_limit_used(), digits),
    ]);
    cells
}
