//! `switch report windows`: settlement windows with their nets, and what has become of each.

use std::collections::BTreeMap;
use std::io::Write;

use ledger::Currency;

use super::super::ledger::Ended;
use super::super::ledger::arguments::{currency, cycle};
use super::super::ledger::rows::{Cell, Column, Form, Values, column};
use super::reading::{Asked, Reader, Whose, code_cell, digits_of, read, time_cell};
use super::sheet::Sheet;
use crate::books::Books;
use crate::cli::Failure;
use crate::engine::scheme::events::{Event, EventKind};
use crate::engine::scheme::settlement::{Cycle, CycleBook};
use crate::engine::{Batch, Engine};
use crate::entry::ParticipantId;

/// Shows windows.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    whose: Whose,
    /// Only this cycle: payments or disputes
    #[arg(long, value_name = "CYCLE", value_parser = cycle)]
    cycle: Option<Cycle>,
}

/// One window.
#[derive(clap::Args)]
pub(super) struct WindowArguments {
    /// Of this currency
    #[arg(long, value_name = "XXX", value_parser = currency)]
    pub(super) currency: Currency,
    /// Of this cycle: payments or disputes
    #[arg(long, value_name = "CYCLE", default_value = "payments", value_parser = cycle)]
    pub(super) cycle: Cycle,
    /// Its number
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) window: u32,
}

impl WindowArguments {
    pub(super) fn key(&self) -> WindowKey {
        WindowKey { currency: self.currency, cycle: self.cycle, window: self.window }
    }
}

/// Which window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WindowKey {
    pub(super) currency: Currency,
    pub(super) cycle: Cycle,
    pub(super) window: u32,
}

impl WindowKey {
    /// The window that an event is about; none where it is about none.
    pub(super) fn of(event: &Event) -> Option<WindowKey> {
        let (currency, cycle) = (Currency::parse(&event.currency)?, Cycle::from_number(event.cycle)?);
        (event.window != 0).then_some(WindowKey { currency, cycle, window: event.window })
    }

    /// It is not there: it was not opened, or not closed.
    pub(super) fn missing(self, what: &str) -> Failure {
        let WindowKey { currency, cycle, window } = self;
        Failure::fault(format!("window {window} of {} in {currency} was not {what} in what was read", cycle.name()))
    }

    /// For the head of a report.
    pub(super) fn facts(self, digits: u8) -> [(&'static str, Cell); 4] {
        [
            ("currency", Cell::text(self.currency)),
            ("minor_digits", Cell::Count(digits.into())),
            ("cycle", Cell::text(self.cycle.name())),
            ("window", Cell::Count(self.window.into())),
        ]
    }
}

/// What has become of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum WindowState {
    /// Nothing yet.
    #[default]
    Closed,
    /// Nets are being confirmed.
    Settling,
    /// All are.
    Settled,
    /// What was not confirmed is back in the open window.
    Aborted,
}

impl WindowState {
    pub(super) fn name(self) -> &'static str {
        match self {
            WindowState::Closed => "closed",
            WindowState::Settling => "settling",
            WindowState::Settled => "settled",
            WindowState::Aborted => "aborted",
        }
    }
}

/// A participant's net.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct NetSeen {
    pub(super) net: i128,
    pub(super) confirmed_at_ns: Option<u64>,
}

/// A window, as the operator's events tell it.
#[derive(Clone, Debug, Default)]
pub(super) struct WindowSeen {
    pub(super) closed_at_ns: u64,
    pub(super) state: WindowState,
    /// Of the window's end.
    pub(super) ended_at_ns: Option<u64>,
    /// What its creditors get.
    pub(super) gross: i128,
    pub(super) nets: BTreeMap<ParticipantId, NetSeen>,
}

impl WindowSeen {
    /// The scheme's own row: with it, nets sum to zero.
    pub(super) fn scheme_net(&self) -> i128 {
        -self.nets.values().map(|net| net.net).sum::<i128>()
    }

    /// Do its nets make what was said of it when it was closed?
    pub(super) fn is_right(&self) -> bool {
        self.nets.values().map(|net| net.net.max(0)).sum::<i128>() == self.gross
    }

    fn end(&mut self, state: WindowState, time_ns: u64) {
        (self.state, self.ended_at_ns) = (state, Some(time_ns));
    }
}

/// All windows that were closed in what was read.
#[derive(Default)]
pub(super) struct WindowsSeen {
    /// Only this one is kept, where there is one.
    pub(super) only: Option<WindowKey>,
    pub(super) windows: BTreeMap<WindowKey, WindowSeen>,
}

impl WindowsSeen {
    /// Takes an event of the operator's stream.
    pub(super) fn note(&mut self, event: &Event) {
        let Some(key) = WindowKey::of(event).filter(|key| self.only.is_none_or(|only| only == *key)) else { return };
        if event.kind == EventKind::WindowClosed {
            let seen = WindowSeen { closed_at_ns: event.time_ns, gross: event.amount, ..WindowSeen::default() };
            self.windows.insert(key, seen);
        }
        // One that was closed before the period is not in it.
        let Some(seen) = self.windows.get_mut(&key) else { return };
        let participant = ParticipantId(event.participant);
        match event.kind {
            EventKind::NetDetermined => {
                seen.nets.insert(participant, NetSeen { net: event.amount, confirmed_at_ns: None });
            }
            EventKind::SettlementStarted => seen.state = WindowState::Settling,
            EventKind::NetConfirmed => {
                seen.nets.entry(participant).or_default().confirmed_at_ns = Some(event.time_ns);
            }
            EventKind::WindowSettled => seen.end(WindowState::Settled, event.time_ns),
            EventKind::WindowAborted => seen.end(WindowState::Aborted, event.time_ns),
            _ => {}
        }
    }
}

impl Reader for WindowsSeen {
    fn take(&mut self, books: &Books, _: &Batch<'_>, _: &mut dyn Write) -> Result<(), Ended> {
        books.engine().told().events.iter().for_each(|event| self.note(event));
        Ok(())
    }
}

const COLUMNS: [Column; 10] = [
    column("currency", Values::Text).seen_as("currency"),
    column("minor_digits", Values::Count),
    column("cycle", Values::Text).seen_as("cycle"),
    column("window", Values::Count).seen_as("window"),
    column("state", Values::Text).seen_as("state"),
    column("closed_at", Values::Time).seen_as("closed"),
    column("participant", Values::Text).seen_as("participant"),
    column("net", Values::Money).seen_as("net"),
    column("confirmed_at", Values::Time).seen_as("confirmed"),
    column("ended_at", Values::Time),
];

/// Runs the report.
pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Ended> {
    let Arguments { asked, whose, cycle } = arguments;
    let mut seen = WindowsSeen::default();
    let books = read(asked, &mut seen, out)?;
    whose.check(&books)?;
    let of_cycle = ("cycle", cycle.map_or(Cell::Nothing, |cycle| Cell::text(cycle.name())));
    let facts = [&asked.facts()[..], &whose.facts(), &[of_cycle]].concat();
    let mut sheet = Sheet::begin(out, asked.form.form(), ("windows", &facts), &COLUMNS)?;
    let is_wanted =
        |key: &WindowKey| whose.wants_currency(Some(key.currency)) && cycle.is_none_or(|cycle| cycle == key.cycle);
    let (mut count, mut wrong) = (0, None);
    for (key, window) in seen.windows.iter().filter(|(key, _)| is_wanted(key)) {
        count += 1;
        if !window.is_right() {
            wrong = Some(*key);
        }
        write(&mut sheet, out, (arguments, books.engine()), (key, window.state.name()), window)?;
    }
    for (key, window) in open_windows(books.engine()).iter().filter(|(key, _)| is_wanted(key)) {
        write(&mut sheet, out, (arguments, books.engine()), (key, "open"), window)?;
    }
    sheet.end(out, &[("closed_windows", Cell::Count(count))], books.through(), wrong.is_none())?;
    match wrong {
        Some(key) => Err(Failure::fault(format!("the nets of window {} do not add up", key.window)).into()),
        None => Ok(()),
    }
}

/// The windows that are open where the reading ended. A cycle that was never cut off has its first one open, once anything is in it.
pub(super) fn open_windows(engine: &Engine) -> Vec<(WindowKey, WindowSeen)> {
    let mut open = Vec::new();
    for (number, rules) in engine.currencies().iter().enumerate() {
        for cycle in Cycle::ALL {
            let (window, nets) = match engine.scheme().settlement.cycle(number, cycle) {
                Some(book) => (book.open_number, open_nets(engine, book)),
                None => (1, balances(engine, rules.currency, cycle)),
            };
            if window > 1 || !nets.is_empty() {
                let key = WindowKey { currency: rules.currency, cycle, window };
                open.push((key, WindowSeen { nets, ..WindowSeen::default() }));
            }
        }
    }
    open
}

type Nets = BTreeMap<ParticipantId, NetSeen>;

fn open_nets(engine: &Engine, book: &CycleBook) -> Nets {
    let (nets, _) = engine.open_nets(book);
    nets.into_iter()
        .map(|net| (ParticipantId(net.participant), NetSeen { net: net.net, confirmed_at_ns: None }))
        .collect()
}

/// Before the first cut-off all that stands on a cycle's accounts belongs to the open window.
fn balances(engine: &Engine, currency: Currency, cycle: Cycle) -> Nets {
    let nets = engine.participants().filter_map(|(participant, _)| {
        let account = engine.find_account(participant, currency.bytes(), cycle.account())?;
        let net = engine.account(account).balances().booked();
        (net != 0).then_some((participant, NetSeen { net, confirmed_at_ns: None }))
    });
    nets.collect()
}

/// A row for each net; one for the window where it has none.
fn write(
    sheet: &mut Sheet,
    out: &mut dyn Write,
    (arguments, engine): (&Arguments, &Engine),
    (key, state): (&WindowKey, &str),
    window: &WindowSeen,
) -> Result<(), Ended> {
    let digits = digits_of(engine, Some(key.currency));
    let closed_at = if state == "open" { Cell::Nothing } else { Cell::Time(window.closed_at_ns) };
    let head = [
        Cell::text(key.currency),
        Cell::Count(digits.into()),
        Cell::text(key.cycle.name()),
        Cell::Count(key.window.into()),
        Cell::text(state),
        closed_at,
    ];
    let ended_at = time_cell(window.ended_at_ns);
    let mut push = |participant: Cell, net: Cell, confirmed_at: Cell| {
        sheet.push(out, &[&head[..], &[participant, net, confirmed_at, ended_at.clone()]].concat())
    };
    let wanted = arguments.whose.participant;
    for (participant, seen) in &window.nets {
        let code = engine.code_of(*participant).copied();
        if wanted.is_none_or(|wanted| code == Some(wanted)) {
            push(
                code_cell(engine, Some(*participant)),
                Cell::Money(seen.net, digits),
                time_cell(seen.confirmed_at_ns),
            )?;
        }
    }
    let scheme = window.scheme_net();
    if scheme != 0 && wanted.is_none() {
        let name = if arguments.asked.form.form() == Form::People { Cell::text("(scheme)") } else { Cell::Nothing };
        push(name, Cell::Money(scheme, digits), Cell::Nothing)?;
    }
    if window.nets.is_empty() && wanted.is_none() {
        push(Cell::Nothing, Cell::Nothing, Cell::Nothing)?;
    }
    Ok(())
}
