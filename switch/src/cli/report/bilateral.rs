//! `switch report bilateral`: who gave whom how much in a window. What a participant received less what it gave must be its net.

use std::collections::BTreeMap;
use std::io::Write;

use super::super::ledger::Ended;
use super::super::ledger::arguments::check_known;
use super::super::ledger::rows::{Cell, Column, Form, Values, column};
use super::reading::{AskedAt, Reader, Tally, code_cell, digits_of, read_at, time_cell};
use super::sheet::Sheet;
use super::windows::{WindowArguments, WindowKey, WindowsSeen, open_windows};
use crate::books::{Books, Happening};
use crate::cli::Failure;
use crate::engine::scheme::events::{Event, EventKind};
use crate::engine::{Batch, Engine};
use crate::entry::ParticipantId;

/// Shows a window between participants.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    asked: AskedAt,
    #[command(flatten)]
    window: WindowArguments,
}

const COLUMNS: [Column; 7] = [
    column("participant", Values::Text).seen_as("participant"),
    column("counterpart", Values::Text).seen_as("counterpart"),
    column("gave_number", Values::Count).seen_as("gave"),
    column("gave", Values::Money).seen_as("sum"),
    column("received_number", Values::Count).seen_as("received"),
    column("received", Values::Money).seen_as("sum"),
    column("net", Values::Money).seen_as("net"),
];

/// The other side of what a participant gave or received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Counterpart {
    Participant(ParticipantId),
    /// What came back from a window that was aborted.
    Aborted(u32),
}

/// Given, and received.
type Pair = [Tally; 2];

#[derive(Default)]
struct Between {
    pairs: BTreeMap<(ParticipantId, Counterpart), Pair>,
}

impl Between {
    fn add(&mut self, debit: ParticipantId, credit: ParticipantId, amount: u64) {
        self.pairs.entry((debit, Counterpart::Participant(credit))).or_default()[0].add(amount);
        self.pairs.entry((credit, Counterpart::Participant(debit))).or_default()[1].add(amount);
    }

    /// A net that was not confirmed is back.
    fn put_back(&mut self, participant: ParticipantId, window: u32, net: i128) {
        let pair = self.pairs.entry((participant, Counterpart::Aborted(window))).or_default();
        pair[usize::from(net > 0)].add(net.unsigned_abs());
    }

    /// What each participant received less what it gave.
    fn nets(&self) -> BTreeMap<ParticipantId, i128> {
        let mut nets = BTreeMap::new();
        for ((participant, _), [gave, received]) in &self.pairs {
            *nets.entry(*participant).or_insert(0) += received.signed() - gave.signed();
        }
        nets.retain(|_, net| *net != 0);
        nets
    }
}

struct Bilateral {
    wanted: WindowKey,
    /// Of the window that is open, until the wanted one is closed.
    between: Between,
    /// Windows of the cycle that are not settled: an aborted one puts its nets back.
    windows: WindowsSeen,
    is_closed: bool,
}

impl Bilateral {
    /// Takes what a batch moved before a position.
    fn take_moves<'a>(&mut self, books: &Books, events: impl Iterator<Item = &'a crate::books::Event>) {
        let kind = self.wanted.cycle.account();
        for event in events {
            let [debit, credit] = [event.transfer.debit, event.transfer.credit].map(|account| books.owner(account));
            let is_of_cycle = debit.kind == kind && credit.kind == kind && debit.currency == self.wanted.currency;
            let has_moved = matches!(event.happening, Happening::Posted { .. } | Happening::Moved);
            if !(is_of_cycle && has_moved) {
                continue;
            }
            let find = |code: Option<_>| code.and_then(|code| books.engine().find_participant(&code));
            if let (Some(debit), Some(credit)) = (find(debit.participant), find(credit.participant)) {
                self.between.add(debit, credit, event.transfer.amount.minor_units());
            }
        }
    }

    fn take_event(&mut self, event: &Event) {
        let Some(key) = WindowKey::of(event) else { return };
        if (key.currency, key.cycle) != (self.wanted.currency, self.wanted.cycle) {
            return;
        }
        self.windows.note(event);
        match event.kind {
            EventKind::WindowClosed if key == self.wanted => self.is_closed = true,
            EventKind::WindowClosed if !self.is_closed => self.between = Between::default(),
            EventKind::WindowAborted if !self.is_closed => {
                let aborted = self.windows.windows.remove(&key).unwrap_or_default();
                for (participant, net) in aborted.nets.iter().filter(|(_, net)| net.confirmed_at_ns.is_none()) {
                    self.between.put_back(*participant, key.window, net.net);
                }
            }
            EventKind::WindowSettled if key != self.wanted => drop(self.windows.windows.remove(&key)),
            _ => {}
        }
    }
}

impl Reader for Bilateral {
    fn take(&mut self, books: &Books, _: &Batch<'_>, _: &mut dyn Write) -> Result<(), Ended> {
        let mut moves = books.events();
        for event in &books.engine().told().events {
            if event.kind == EventKind::WindowClosed && !self.is_closed {
                let before = moves.partition_point(|moved| moved.at.position < event.position);
                let (now, rest) = moves.split_at(before);
                self.take_moves(books, now.iter());
                moves = rest;
            }
            self.take_event(event);
        }
        if !self.is_closed {
            self.take_moves(books, moves.iter());
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        // The nets are told behind the closing, in the same batch.
        self.is_closed
    }
}

/// The nets that the engine has: of the window when it was closed, or of the open one now.
fn engine_nets(engine: &Engine, reader: &Bilateral) -> Option<BTreeMap<ParticipantId, i128>> {
    let closed = reader.windows.windows.get(&reader.wanted).filter(|_| reader.is_closed).cloned();
    let open = || open_windows(engine).into_iter().find(|(key, _)| *key == reader.wanted).map(|(_, window)| window);
    let nets = closed.or_else(open)?.nets;
    Some(nets.into_iter().map(|(participant, seen)| (participant, seen.net)).collect())
}

/// Runs the report.
pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Ended> {
    let (asked, wanted) = (&arguments.asked, arguments.window.key());
    let mut reader =
        Bilateral { wanted, between: Between::default(), windows: WindowsSeen::default(), is_closed: false };
    let books = read_at(asked, &mut reader, out)?;
    check_known(&books, None, Some(wanted.currency))?;
    let nets = engine_nets(books.engine(), &reader).ok_or_else(|| wanted.missing("opened"))?;
    let digits = digits_of(books.engine(), Some(wanted.currency));
    let state = if reader.is_closed { "closed" } else { "open" };
    let facts = [&[("at", time_cell(asked.at))][..], &wanted.facts(digits), &[("state", Cell::text(state))]].concat();
    let form = asked.form.form();
    let mut sheet = Sheet::begin(out, form, ("bilateral", &facts), &COLUMNS)?;
    for ((participant, counterpart), [gave, received]) in &reader.between.pairs {
        let cells = [
            code_cell(books.engine(), Some(*participant)),
            counterpart_cell(books.engine(), *counterpart),
            Cell::Count(gave.count),
            Cell::money(gave.minor_units, digits),
            Cell::Count(received.count),
            Cell::money(received.minor_units, digits),
            Cell::Money(received.signed() - gave.signed(), digits),
        ];
        sheet.push(out, &cells)?;
    }
    let own = reader.between.nets();
    for (participant, net) in own.iter().filter(|_| form == Form::People) {
        let code = code_cell(books.engine(), Some(*participant));
        let nothing = [const { Cell::Nothing }; 4];
        sheet.push(out, &[&[code, Cell::text("(net)")][..], &nothing, &[Cell::Money(*net, digits)]].concat())?;
    }
    sheet.end(out, &[], books.through(), own == nets)?;
    if own != nets {
        let text =
            format!("window {} does not add up: {own:?} between participants, {nets:?} by the engine", wanted.window);
        return Err(Failure::fault(text).into());
    }
    Ok(())
}

fn counterpart_cell(engine: &Engine, counterpart: Counterpart) -> Cell {
    match counterpart {
        Counterpart::Participant(participant) => code_cell(engine, Some(participant)),
        Counterpart::Aborted(window) => Cell::Text(format!("(aborted window {window})")),
    }
}
