//! Settlement: windows that close by order or by the calendar, their nets, and how these are settled.
//!
//! A window's nets follow from balances: what stands on the accounts of its cycle, less what stands there for windows that are closed and not settled. So
//! a payment costs nothing for its window, and closing one costs an addition for each participant. `docs/scheme-rules.md`, Settlement, has the table.

mod calendar;

use ledger::{AccountIndex, Amount, Movement, TransferId};
use rkyv::{Archive, Deserialize, Serialize};

pub use self::calendar::Calendar;
use super::events::{Event, EventKind};
use super::money::amount_up_to;
use super::rejects::CommandReject;
use super::{SchemeMove, Step, scheme_transfer_id};
use crate::engine::accounts::{AccountKind, SCHEME, account_id, signed};
use crate::engine::{Engine, Moment};
use crate::entry::{ArchivedCalendarSet, ArchivedCutOff, ArchivedSettlementStep, ParticipantId};
use crate::limits::WINDOWS_UNSETTLED_MAX;

/// What is settled together. The numbers are in the journal: never renumber, never reuse.
#[repr(u8)]
#[derive(
    Archive,
    Serialize,
    Deserialize,
    serde::Serialize,
    serde::Deserialize,
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
)]
#[serde(rename_all = "kebab-case")]
pub enum Cycle {
    /// Payments and returns of a net currency.
    Payments = 1,
    /// Disputes of any currency.
    Disputes = 2,
}

impl Cycle {
    /// Both.
    pub const ALL: [Cycle; 2] = [Cycle::Payments, Cycle::Disputes];

    /// The cycle with a number.
    pub fn from_number(number: u8) -> Option<Cycle> {
        Some(match number {
            1 => Cycle::Payments,
            2 => Cycle::Disputes,
            _ => return None,
        })
    }

    /// Its name in documents, reports and on screens.
    pub fn name(self) -> &'static str {
        match self {
            Cycle::Payments => "payments",
            Cycle::Disputes => "disputes",
        }
    }

    /// The account of a participant whose balance is its nets.
    pub fn account(self) -> AccountKind {
        match self {
            Cycle::Payments => AccountKind::Position,
            Cycle::Disputes => AccountKind::Dispute,
        }
    }

    /// The scheme's account that is the other side of what was relieved.
    pub fn clearing(self) -> AccountKind {
        match self {
            Cycle::Payments => AccountKind::Clearing,
            Cycle::Disputes => AccountKind::DisputeClearing,
        }
    }
}

/// A participant's net in a window.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    /// Whose.
    pub participant: u32,
    /// What it received less what it gave, in minor units; never 0.
    pub net: i128,
    /// Has it been settled?
    pub is_confirmed: bool,
}

/// A window that is closed and neither settled nor aborted.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its number in its cycle, from 1.
    pub number: u32,
    /// Has its settlement been started? Then what debtors have to give is held.
    pub is_settling: bool,
    /// Journal position and time of its cut-off.
    pub closed_position: u64,
    /// Journal time of its cut-off.
    pub closed_at_ns: u64,
    /// In the order of the participants.
    pub nets: Vec<Net>,
    /// The scheme's own row: with it, nets sum to zero.
    pub scheme_net: i128,
    /// What confirmations have moved over the clearing account.
    relieved: i128,
}

impl Window {
    /// What its creditors get, in minor units.
    pub fn gross(&self) -> i128 {
        self.nets.iter().map(|net| net.net.max(0)).sum()
    }

    /// What debtors have brought that no creditor has taken, in minor units.
    fn in_transit(&self) -> i128 {
        -(self.scheme_net + self.relieved)
    }

    fn find(&self, participant: ParticipantId) -> Option<usize> {
        self.nets.binary_search_by_key(&participant.0, |net| net.participant).ok()
    }
}

/// A cycle of a currency: its open window, and those that are not settled.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct CycleBook {
    /// By its number in the scheme.
    pub currency: u32,
    /// Which.
    pub cycle: Cycle,
    /// The number of the open window.
    pub open_number: u32,
    /// Journal position after which the open window began.
    pub opened_position: u64,
    /// Journal time at which it did.
    pub opened_at_ns: u64,
    /// When windows close by themselves.
    pub calendar: Option<Calendar>,
    /// When the next one does.
    pub next_cut_off_ns: Option<u64>,
    /// The oldest first.
    pub windows: Vec<Window>,
    /// What of each participant's balance belongs to these, by its place in the order of admission; zeros at the end are left out.
    carried: Vec<i128>,
    /// What of the clearing account's balance does not belong to the open window.
    scheme_carried: i128,
}

impl CycleBook {
    fn new(currency: usize, cycle: Cycle) -> CycleBook {
        CycleBook {
            currency: u32::try_from(currency).unwrap_or(u32::MAX),
            cycle,
            open_number: 1,
            opened_position: 0,
            opened_at_ns: 0,
            calendar: None,
            next_cut_off_ns: None,
            windows: Vec::new(),
            carried: Vec::new(),
            scheme_carried: 0,
        }
    }

    fn carried(&self, participant: ParticipantId) -> i128 {
        self.carried.get(participant.0 as usize - 1).copied().unwrap_or(0)
    }

    fn carry(&mut self, participant: ParticipantId, net: i128) {
        let place = participant.0 as usize - 1;
        if self.carried.len() <= place {
            self.carried.resize(place + 1, 0);
        }
        self.carried[place] += net;
    }

    fn window(&self, number: u32) -> Result<usize, CommandReject> {
        let place = self.windows.binary_search_by_key(&number, |window| window.number);
        let is_known = (1..self.open_number).contains(&number);
        place.map_err(|_| if is_known { CommandReject::WindowFinal } else { CommandReject::WindowUnknown })
    }
}

/// All cycles, in the order in which each was needed first.
#[derive(Archive, Serialize, Deserialize, Debug, Default)]
pub struct Settlement {
    cycles: Vec<CycleBook>,
}

impl Settlement {
    /// All cycles that were ever needed.
    pub fn cycles(&self) -> &[CycleBook] {
        &self.cycles
    }

    /// A cycle of a currency, by its number in the scheme.
    pub fn cycle(&self, currency: usize, cycle: Cycle) -> Option<&CycleBook> {
        self.cycles.iter().find(|book| book.currency as usize == currency && book.cycle == cycle)
    }

    /// When a window closes by itself next.
    pub fn next_cut_off_ns(&self) -> Option<u64> {
        self.cycles.iter().filter_map(|book| book.next_cut_off_ns).min()
    }

    /// Has a participant part in a window that is not settled?
    pub(super) fn concerns(&self, participant: ParticipantId) -> bool {
        let mut nets = self.cycles.iter().flat_map(|book| &book.windows).flat_map(|window| &window.nets);
        nets.any(|net| net.participant == participant.0 && !net.is_confirmed)
    }

    /// What is held of a participant's settlement money for positions that are being settled, in minor units.
    pub(super) fn held_for(&self, currency: usize, participant: ParticipantId) -> u128 {
        let Some(book) = self.cycle(currency, Cycle::Payments) else { return 0 };
        let settling = book.windows.iter().filter(|window| window.is_settling);
        let nets = settling.filter_map(|window| window.find(participant).map(|place| window.nets[place]));
        nets.filter(|net| net.net < 0 && !net.is_confirmed).map(|net| net.net.unsigned_abs()).sum()
    }

    fn place(&mut self, currency: usize, cycle: Cycle) -> usize {
        let known = self.cycles.iter().position(|book| book.currency as usize == currency && book.cycle == cycle);
        known.unwrap_or_else(|| {
            self.cycles.push(CycleBook::new(currency, cycle));
            self.cycles.len() - 1
        })
    }
}

/// Cut-offs.
impl Engine {
    /// Closes what the calendar says: several cut-offs that were missed close one window.
    pub(super) fn close_due_windows(&mut self, moment: Moment) {
        for place in 0..self.scheme.settlement.cycles.len() {
            let book = &self.scheme.settlement.cycles[place];
            let Some(due) = book.next_cut_off_ns.filter(|at_ns| *at_ns <= moment.time_ns) else { continue };
            if let Err(reject) = self.close_window(moment, place) {
                self.announce_window(
                    moment,
                    place,
                    Event { code: reject.number(), ..Event::of(EventKind::CutOffMissed) },
                );
            }
            let after = due.max(moment.time_ns);
            let book = &mut self.scheme.settlement.cycles[place];
            book.next_cut_off_ns = book.calendar.as_ref().and_then(|calendar| calendar.next_after(after));
        }
    }

    pub(super) fn cut_off(&mut self, moment: Moment, command: &ArchivedCutOff) -> Result<(), CommandReject> {
        let currency = self.currency_place(command.currency).ok_or(CommandReject::CurrencyUnknown)?;
        let cycle = Cycle::from_number(command.cycle).ok_or(CommandReject::ValueMeaningless)?;
        let place = self.scheme.settlement.place(currency, cycle);
        self.close_window(moment, place)
    }

    /// Closes the open window of a cycle, and opens the next one.
    fn close_window(&mut self, moment: Moment, place: usize) -> Result<(), CommandReject> {
        let book = &self.scheme.settlement.cycles[place];
        if book.windows.len() == WINDOWS_UNSETTLED_MAX {
            return Err(CommandReject::WindowsFull);
        }
        let (nets, scheme_net) = self.open_nets(book);
        let sum: i128 = nets.iter().map(|net| net.net).sum();
        assert_eq!(sum + scheme_net, 0, "nets sum to zero");

        // From here the closing must succeed.
        let currency = book.currency as usize;
        if book.cycle == Cycle::Payments {
            self.seats.cut_off(currency);
        }
        let book = &mut self.scheme.settlement.cycles[place];
        let number = book.open_number;
        book.open_number += 1;
        (book.opened_position, book.opened_at_ns) = (moment.position, moment.time_ns);
        nets.iter().for_each(|net| book.carry(ParticipantId(net.participant), net.net));
        book.scheme_carried += scheme_net;
        let has_nets = !nets.is_empty();
        let gross = nets.iter().map(|net| net.net.max(0)).sum();
        let told = nets.clone();
        if has_nets {
            let (closed_position, closed_at_ns) = (moment.position, moment.time_ns);
            let window =
                Window { number, is_settling: false, closed_position, closed_at_ns, nets, scheme_net, relieved: 0 };
            book.windows.push(window);
        }
        self.announce_window(
            moment,
            place,
            Event { window: number, amount: gross, ..Event::of(EventKind::WindowClosed) },
        );
        for Net { participant, net, .. } in told {
            let event = Event { window: number, participant, amount: net, ..Event::of(EventKind::NetDetermined) };
            self.announce_window(moment, place, event);
        }
        if !has_nets {
            self.announce_window(moment, place, Event { window: number, ..Event::of(EventKind::WindowSettled) });
        }
        Ok(())
    }

    /// The nets of a cycle's open window as they stand now, in the order of the participants, and the scheme's own.
    pub fn open_nets(&self, book: &CycleBook) -> (Vec<Net>, i128) {
        let balance = |index: AccountIndex| self.book.account(index).balances().booked();
        let find = |participant, kind| self.book.find(account_id(book.currency as usize, participant, kind));
        let nets = self.participants.iter().filter_map(|(id, _)| {
            let net = balance(find(id, book.cycle.account())?) - book.carried(id);
            (net != 0).then_some(Net { participant: id.0, net, is_confirmed: false })
        });
        let scheme = find(SCHEME, book.cycle.clearing()).map_or(0, balance) - book.scheme_carried;
        (nets.collect(), scheme)
    }

    pub(super) fn set_calendar(&mut self, moment: Moment, command: &ArchivedCalendarSet) -> Result<(), CommandReject> {
        let currency = self.currency_place(command.currency).ok_or(CommandReject::CurrencyUnknown)?;
        let cycle = Cycle::from_number(command.cycle).ok_or(CommandReject::ValueMeaningless)?;
        let calendar = Calendar::of(command).ok_or(CommandReject::ValueMeaningless)?;
        let place = self.scheme.settlement.place(currency, cycle);
        let book = &mut self.scheme.settlement.cycles[place];
        book.next_cut_off_ns = calendar.next_after(moment.time_ns);
        book.calendar = Some(calendar).filter(|calendar| !calendar.is_empty());
        self.announce_window(moment, place, Event::of(EventKind::CalendarChanged));
        Ok(())
    }

    /// Tells of a cycle.
    fn announce_window(&mut self, moment: Moment, place: usize, event: Event) {
        let book = &self.scheme.settlement.cycles[place];
        let (currency, cycle) = (self.currencies[book.currency as usize].currency.bytes(), book.cycle as u8);
        self.announce(moment, Event { currency, cycle, ..event });
    }
}

/// Settlement of windows that are closed.
impl Engine {
    pub(super) fn step_settlement(
        &mut self,
        moment: Moment,
        command: &ArchivedSettlementStep,
    ) -> Result<(), CommandReject> {
        let currency = self.currency_place(command.currency).ok_or(CommandReject::CurrencyUnknown)?;
        let cycle = Cycle::from_number(command.cycle).ok_or(CommandReject::ValueMeaningless)?;
        let cycles = &self.scheme.settlement.cycles;
        let known = cycles.iter().position(|book| book.currency as usize == currency && book.cycle == cycle);
        let place = known.ok_or(CommandReject::CycleUnknown)?;
        let window = cycles[place].window(command.window.to_native())?;
        let participant = ParticipantId(command.participant.to_native());
        match (command.step, participant.0) {
            (1, 0) => self.start_settlement(moment, place, window),
            (2, 1..) => self.confirm_net(moment, place, window, participant),
            (3, 0) => self.abort_window(moment, place, window),
            _ => Err(CommandReject::ValueMeaningless),
        }
    }

    /// Holds what the debtors of a closed window have to give.
    fn start_settlement(&mut self, moment: Moment, place: usize, at: usize) -> Result<(), CommandReject> {
        let book = &self.scheme.settlement.cycles[place];
        let (currency, window) = (book.currency as usize, book.windows[at].clone());
        if window.is_settling {
            return Err(CommandReject::WindowSettling);
        }
        let is_movable = |net: &Net| net.net.unsigned_abs() <= u128::from(Amount::MAX.minor_units());
        if !window.nets.iter().all(is_movable) {
            return Err(CommandReject::NetTooLarge);
        }
        let debtors: Vec<Net> = window.nets.iter().copied().filter(|net| net.net < 0).collect();
        let mut is_funded = true;
        for debtor in &debtors {
            let missing = self.missing(book_key(&self.scheme.settlement.cycles[place]), debtor);
            if missing != 0 {
                is_funded = false;
                let Net { participant, .. } = *debtor;
                let event = Event { window: window.number, participant, ..Event::of(EventKind::DebtorShort) };
                self.announce_window(moment, place, Event { amount: signed(missing), ..event });
            }
        }
        if !is_funded {
            return Err(CommandReject::DebtorUnfunded);
        }

        // From here the start must succeed.
        self.scheme.settlement.cycles[place].windows[at].is_settling = true;
        let transit = self.account_of(currency, SCHEME, AccountKind::Transit);
        for debtor in debtors {
            let debit = self.account_of(currency, ParticipantId(debtor.participant), AccountKind::Settlement);
            self.settle(moment, place, (window.number, debtor, Leg::Money), (debit, transit), Step::Reserved);
            self.refresh_cap(currency, ParticipantId(debtor.participant));
        }
        let event = Event { window: window.number, ..Event::of(EventKind::SettlementStarted) };
        self.announce_window(moment, place, event);
        Ok(())
    }

    /// What a debtor lacks of its net, in minor units.
    fn missing(&self, (currency, cycle): (usize, Cycle), debtor: &Net) -> u128 {
        let participant = ParticipantId(debtor.participant);
        let available = match cycle {
            // Its money stands behind its position, which is what is settled.
            Cycle::Payments => self.headroom_of(currency, participant, AccountKind::Settlement),
            Cycle::Disputes => self.free_money(currency, participant),
        };
        debtor.net.unsigned_abs().saturating_sub(available)
    }

    /// Moves a participant's net, and relieves its account of the cycle by as much.
    fn confirm_net(
        &mut self,
        moment: Moment,
        place: usize,
        at: usize,
        participant: ParticipantId,
    ) -> Result<(), CommandReject> {
        let book = &self.scheme.settlement.cycles[place];
        let (window, currency, cycle) = (&book.windows[at], book.currency as usize, book.cycle);
        if !window.is_settling {
            return Err(CommandReject::WindowNotSettling);
        }
        let row = window.find(participant).ok_or(CommandReject::NetUnknown)?;
        let net = window.nets[row];
        if net.is_confirmed {
            return Err(CommandReject::NetConfirmed);
        }
        if net.net > window.in_transit() {
            return Err(CommandReject::DebtorsFirst);
        }

        // From here the confirmation must succeed.
        let number = window.number;
        let settlement = self.account_of(currency, participant, AccountKind::Settlement);
        let transit = self.account_of(currency, SCHEME, AccountKind::Transit);
        let nets = self.account_of(currency, participant, cycle.account());
        let clearing = self.account_of(currency, SCHEME, cycle.clearing());
        if net.net < 0 {
            self.settle(moment, place, (number, net, Leg::Money), (settlement, transit), Step::Posted);
            self.settle(moment, place, (number, net, Leg::Relief), (clearing, nets), Step::Moved);
        } else {
            self.settle(moment, place, (number, net, Leg::Money), (transit, settlement), Step::Moved);
            self.relieve_creditor(moment, place, (number, net), (nets, clearing));
        }
        let book = &mut self.scheme.settlement.cycles[place];
        book.carry(participant, -net.net);
        book.scheme_carried += net.net;
        let window = &mut book.windows[at];
        window.relieved += net.net;
        window.nets[row].is_confirmed = true;
        let is_last = window.nets.iter().all(|net| net.is_confirmed);
        self.refresh_cap(currency, participant);
        let event =
            Event { window: number, participant: participant.0, amount: net.net, ..Event::of(EventKind::NetConfirmed) };
        self.announce_window(moment, place, event);
        if is_last {
            let window = self.scheme.settlement.cycles[place].windows.remove(at);
            assert_eq!(window.in_transit(), 0, "a window that is settled has left nothing in transit");
            self.announce_window(moment, place, Event { window: number, ..Event::of(EventKind::WindowSettled) });
        }
        Ok(())
    }

    /// Takes a creditor's net off its account of the cycle, which may have been spent since: no cap applies to it.
    fn relieve_creditor(
        &mut self,
        moment: Moment,
        place: usize,
        (number, net): (u32, Net),
        accounts: (AccountIndex, AccountIndex),
    ) {
        let is_limited = self.book.account(accounts.0).headroom().is_some();
        if is_limited {
            let lifted = self.book.set_cap(accounts.0, ledger::limits::CAP_MAX);
            assert!(lifted.is_ok(), "a position has a cap, and is not closed");
        }
        self.settle(moment, place, (number, net, Leg::Relief), accounts, Step::Moved);
    }

    /// Gives up a window: what was not confirmed is back in the open one, what was held is free.
    fn abort_window(&mut self, moment: Moment, place: usize, at: usize) -> Result<(), CommandReject> {
        let book = &mut self.scheme.settlement.cycles[place];
        let (currency, window) = (book.currency as usize, book.windows.remove(at));
        let open: Vec<Net> = window.nets.iter().copied().filter(|net| !net.is_confirmed).collect();
        open.iter().for_each(|net| book.carry(ParticipantId(net.participant), -net.net));
        book.scheme_carried -= window.scheme_net + window.relieved;
        for net in open.into_iter().filter(|net| window.is_settling && net.net < 0) {
            let participant = ParticipantId(net.participant);
            let settlement = self.account_of(currency, participant, AccountKind::Settlement);
            let transit = self.account_of(currency, SCHEME, AccountKind::Transit);
            self.settle(moment, place, (window.number, net, Leg::Money), (settlement, transit), Step::Voided);
            self.refresh_cap(currency, participant);
        }
        self.announce_window(moment, place, Event { window: window.number, ..Event::of(EventKind::WindowAborted) });
        Ok(())
    }

    /// One of the two movements that settle a net.
    fn settle(
        &mut self,
        moment: Moment,
        place: usize,
        (number, net, leg): (u32, Net, Leg),
        (debit, credit): (AccountIndex, AccountIndex),
        step: Step,
    ) {
        let (currency, cycle) = book_key(&self.scheme.settlement.cycles[place]);
        let amount = amount_up_to(net.net.unsigned_abs());
        let amount = amount.filter(|amount| u128::from(amount.minor_units()) == net.net.unsigned_abs());
        let amount = amount.unwrap_or_else(|| panic!("a net of {} is more than money can be", net.net));
        let id = leg_id((currency, cycle), number, net.participant, leg);
        self.carry_out(moment, SchemeMove { movement: Movement { id, debit, credit, amount }, leg: 0, step });
    }
}

/// What a confirmation moves.
#[derive(Clone, Copy)]
enum Leg {
    /// Between settlement account and transit.
    Money = 1,
    /// Between the account of the cycle and clearing.
    Relief = 2,
}

/// The reference under which a participant's net of a window is paid at the settlement bank: the id of the movement that settles it here.
pub fn instruction_reference((currency, cycle): (usize, Cycle), window: u32, participant: ParticipantId) -> [u8; 16] {
    leg_id((currency, cycle), window, participant.0, Leg::Money).0.to_be_bytes()
}

fn leg_id((currency, cycle): (usize, Cycle), window: u32, participant: u32, leg: Leg) -> TransferId {
    let words = [currency as u64, cycle as u64, u64::from(window), u64::from(participant), leg as u64];
    scheme_transfer_id(b"settle", &words)
}

fn book_key(book: &CycleBook) -> (usize, Cycle) {
    (book.currency as usize, book.cycle)
}
