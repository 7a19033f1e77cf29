//! The scheme's money, computed anew as `docs/scheme-rules.md` reads: who may what, every account, positions and what backs them, windows, limits and fees.
//!
//! A window's nets are counted posting by posting, and not taken from balances; what backs a position is asked anew at each payment, and not kept.

mod commands;
mod door;
mod fees;
mod money;
mod settlement;

use std::collections::{BTreeMap, BTreeSet};

use super::super::plan::{CURRENCIES, Plan};
use super::super::wire::Id;
use super::No;
use super::field;
pub(in super::super) use commands::{DirectoryChange, command_name, refused_name};
pub(in super::super) use door::Shown;
use fees::Tariff;
use money::{Levels, Order};
use settlement::Cycle;
pub(in super::super) use settlement::Window;

/// Kinds of accounts, by their codes.
pub(in super::super) mod account {
    pub(in super::super::super) const SETTLEMENT: u16 = 1;
    pub(in super::super::super) const FUNDING: u16 = 2;
    pub(in super::super::super) const POSITION: u16 = 3;
    pub(in super::super::super) const RESERVE: u16 = 4;
    pub(in super::super::super) const DISPUTE: u16 = 5;
    pub(in super::super::super) const FEES: u16 = 6;
    pub(in super::super::super) const INCOME: u16 = 7;
    pub(in super::super::super) const TRANSIT: u16 = 8;
    pub(in super::super::super) const CLEARING: u16 = 9;
    pub(in super::super::super) const DISPUTE_CLEARING: u16 = 10;
}

/// An account: the place of its currency, the number of its participant (0: the scheme's own), its kind.
pub(in super::super) type AccountKey = (usize, u32, u16);

/// What stands on an account, and what of it is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Balance {
    pub(in super::super) posted: i128,
    pub(in super::super) held: i128,
}

/// What a participant is.
pub(in super::super) struct Member {
    pub(in super::super) standing: u8,
    pub(in super::super) class: u8,
    /// The number of whose accounts it uses.
    pub(in super::super) sponsor: Option<u32>,
    /// In flight, a second, at once; as set.
    pub(in super::super) limits: [u32; 3],
    /// It connects for others.
    pub(in super::super) is_technical: bool,
}

/// What a participant has open.
pub(super) struct Open {
    /// Payments in flight that it pays.
    pub(super) paying: usize,
    /// Is any payment in flight, or case, of it open?
    pub(super) is_busy: bool,
}

/// A certificate as it is registered.
#[derive(Clone, Copy)]
struct Certificate {
    fingerprint: [u8; 32],
    /// Seconds since 1970, both within.
    from_through_s: (u64, u64),
}

/// What a participant may do in a currency, and what it has done since the last cut-off.
#[derive(Clone, Copy, Default)]
pub(in super::super) struct Seat {
    pub(in super::super) is_offered: bool,
    amount_max: i128,
    intraday_max: i128,
    pub(in super::super) net_debit_cap: i128,
    sub_limit: i128,
    held: i128,
    sent: i128,
    received: i128,
}

impl Seat {
    /// What counts towards the limits of the day.
    pub(in super::super) fn used(&self) -> i128 {
        self.held + self.sent
    }
}

/// What the operator is told, as it must read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Happened {
    pub(in super::super) number: u64,
    pub(in super::super) position: u64,
    pub(in super::super) time_ns: u64,
    pub(in super::super) kind: u16,
    pub(in super::super) participant: u32,
    pub(in super::super) other: u32,
    pub(in super::super) currency: [u8; 3],
    pub(in super::super) cycle: u8,
    pub(in super::super) window: u32,
    pub(in super::super) amount: i128,
    pub(in super::super) code: u16,
    pub(in super::super) detail: u32,
}

/// Something that the operator gave: kind, signature and content of its entry.
pub(in super::super) type Given = (u8, Vec<u8>, Vec<u8>);

/// See the module.
pub(in super::super) struct Scheme {
    is_net: [bool; 2],
    amount_max: i128,
    pub(in super::super) members: Vec<Member>,
    pub(in super::super) seats: Vec<[Seat; 2]>,
    accounts: BTreeMap<AccountKey, Balance>,
    /// Paid in and not paid out, of each currency.
    funds: [i128; 2],
    orders: BTreeMap<Id, Order>,
    permissions: BTreeSet<(u32, u32)>,
    /// Of whom ever had one.
    certificates: BTreeMap<u32, Vec<Certificate>>,
    /// Technical providers, and for whom they connect.
    agencies: BTreeSet<(u32, u32)>,
    levels: BTreeMap<(usize, u32), Levels>,
    /// In the order in which each was needed first.
    cycles: Vec<Cycle>,
    /// What was posted in the open window of each cycle, by participant; 0 is the scheme.
    open: BTreeMap<(usize, u8), BTreeMap<u32, i128>>,
    in_force: Option<Tariff>,
    waiting: Vec<Tariff>,
    newest_tariff: u32,
    /// Where and when the entry stands that is looked at.
    position: u64,
    time_ns: u64,
    events: Vec<Happened>,
    /// What was given, and where it is in the journal.
    given: BTreeMap<Given, Option<u64>>,
    /// What became of commands, by their positions: 0, or the number of the reject.
    answers: BTreeMap<u64, u16>,
    /// Position of the last batch that changed more than payments do.
    last_change: u64,
    rare: Vec<String>,
}

impl Scheme {
    pub(super) fn new(plan: &Plan) -> Scheme {
        let number = |place: usize| u32::try_from(place + 1).unwrap_or(u32::MAX);
        let members = plan.providers.iter().map(|provider| Member {
            standing: ACTIVE,
            class: provider.class,
            sponsor: provider.sponsor.map(number),
            limits: [0; 3],
            is_technical: false,
        });
        let technical = plan.technical.iter().map(|_| Member {
            standing: ACTIVE,
            class: 0,
            sponsor: None,
            limits: [0; 3],
            is_technical: true,
        });
        let seats = plan.providers.iter().map(|provider| {
            std::array::from_fn(|currency| Seat {
                is_offered: true,
                net_debit_cap: i128::from(provider.net_debit_caps[currency]),
                sub_limit: i128::from(provider.sub_limits[currency]),
                ..Seat::default()
            })
        });
        let mut scheme = Scheme {
            is_net: plan.is_net,
            amount_max: i128::from(plan.rules.amount_max),
            members: members.chain(technical).collect(),
            seats: seats
                .chain(plan.technical.iter().map(|_| [Seat { is_offered: true, ..Seat::default() }; 2]))
                .collect(),
            accounts: BTreeMap::new(),
            funds: [0; 2],
            orders: BTreeMap::new(),
            permissions: BTreeSet::new(),
            certificates: BTreeMap::new(),
            agencies: BTreeSet::new(),
            levels: BTreeMap::new(),
            cycles: Vec::new(),
            open: BTreeMap::new(),
            in_force: None,
            waiting: Vec::new(),
            newest_tariff: 0,
            position: 0,
            time_ns: 0,
            events: Vec::new(),
            given: BTreeMap::new(),
            answers: BTreeMap::new(),
            last_change: 0,
            rare: Vec::new(),
        };
        for (place, provider) in plan.providers.iter().enumerate() {
            for (currency, funds) in provider.funds.into_iter().enumerate().filter(|(_, funds)| *funds > 0) {
                let to = (currency, number(place), account::SETTLEMENT);
                scheme.shift((currency, 0, account::FUNDING), to, i128::from(funds));
                scheme.funds[currency] += i128::from(funds);
            }
        }
        scheme
    }

    /// What follows stands there.
    pub(super) fn at(&mut self, position: u64, time_ns: u64) {
        (self.position, self.time_ns) = (position, time_ns);
    }

    /// A batch begins: what time alone does.
    pub(super) fn begin_batch(&mut self, position: u64, time_ns: u64) {
        self.at(position, time_ns);
        self.close_due_windows();
        self.advance_tariffs();
    }

    /// Tells the operator.
    fn tell(&mut self, kind: u16, event: Happened) {
        let number = self.events.len() as u64 + 1;
        self.events.push(Happened { number, position: self.position, time_ns: self.time_ns, kind, ..event });
        self.last_change = self.position;
    }

    fn balance(&self, key: AccountKey) -> Balance {
        self.accounts.get(&key).copied().unwrap_or_default()
    }

    /// Moves money.
    fn shift(&mut self, from: AccountKey, to: AccountKey, amount: i128) {
        self.accounts.entry(from).or_default().posted -= amount;
        self.accounts.entry(to).or_default().posted += amount;
    }

    fn hold_on(&mut self, key: AccountKey, amount: i128) {
        self.accounts.entry(key).or_default().held += amount;
    }

    /// What moves counts in the open window of the cycle.
    fn count(&mut self, (currency, cycle): (usize, u8), from: u32, to: u32, amount: i128) {
        let nets = self.open.entry((currency, cycle)).or_default();
        *nets.entry(from).or_default() -= amount;
        *nets.entry(to).or_default() += amount;
    }

    /// Available on a settlement account, or on a reserve.
    fn available(&self, key: AccountKey) -> i128 {
        let Balance { posted, held } = self.balance(key);
        (posted - held).max(0)
    }

    /// How far a position may go below zero: the smaller of the cap and of what backs it, which is what is available or held for it.
    pub(in super::super) fn cap(&self, currency: usize, owner: u32) -> i128 {
        let backing = self.available((currency, owner, account::SETTLEMENT)) + self.held_for(currency, owner);
        self.seats[owner as usize - 1][currency].net_debit_cap.min(backing)
    }

    /// What a participant can give away: what is available and backs no position.
    fn free_money(&self, currency: usize, owner: u32) -> i128 {
        let position = self.balance((currency, owner, account::POSITION));
        let used = (position.held - position.posted).max(0);
        let backing = (used - self.held_for(currency, owner)).max(0);
        (self.available((currency, owner, account::SETTLEMENT)) - backing).max(0)
    }
}

const ACTIVE: u8 = 2;

/// What payments ask, and do.
impl Scheme {
    fn owner(&self, place: usize) -> u32 {
        self.members[place].sponsor.unwrap_or(u32::try_from(place + 1).unwrap_or(u32::MAX))
    }

    /// The account that a participant's payments move.
    fn payment_account(&self, place: usize, currency: usize) -> AccountKey {
        let kind = if self.is_net[currency] { account::POSITION } else { account::SETTLEMENT };
        (currency, self.owner(place), kind)
    }

    /// Credits less debits of the account that a participant's payments move, and what it can spend; none where the account is its sponsor's.
    pub(in super::super) fn standing(&self, place: usize, currency: usize) -> Option<(i128, Balance)> {
        let key = self.payment_account(place, currency);
        self.members[place].sponsor.is_none().then(|| (self.balance(key).posted, self.spendable(place, currency)))
    }

    /// What a participant can spend, and what of it is reserved.
    pub(in super::super) fn spendable(&self, place: usize, currency: usize) -> Balance {
        let key = self.payment_account(place, currency);
        let Balance { posted, held } = self.balance(key);
        let cap = if key.2 == account::POSITION { self.cap(currency, key.1) } else { 0 };
        Balance { posted: (posted - held + cap).max(0), held }
    }

    /// May it pay and return?
    pub(super) fn may_pay(&self, place: usize) -> bool {
        self.may(place, |member| matches!(member.standing, 2 | 4))
    }

    pub(super) fn may_be_paid(&self, place: usize) -> bool {
        self.may(place, |member| matches!(member.standing, 2 | 3))
    }

    /// Who settles through a sponsor may as long as that may.
    fn may(&self, place: usize, may: impl Fn(&Member) -> bool) -> bool {
        let sponsor = self.members[place].sponsor.map(|number| &self.members[number as usize - 1]);
        may(&self.members[place]) && sponsor.is_none_or(may)
    }

    /// Is the currency offered to both?
    pub(super) fn is_offered(&self, currency: usize, payer: usize, payee: usize) -> bool {
        self.seats[payer][currency].is_offered && self.seats[payee][currency].is_offered
    }

    /// The limits of the sender: of one payment, of the day, of its sponsor.
    pub(super) fn check_terms(&self, currency: usize, sender: usize, amount: i128) -> Result<(), No> {
        let seat = &self.seats[sender][currency];
        if seat.amount_max != 0 && amount > seat.amount_max {
            return Err((*b"AM14", field::AMOUNT));
        }
        let is_within_day = seat.intraday_max == 0 || seat.used() + amount <= seat.intraday_max;
        let is_lent = self.members[sender].sponsor.is_none() || seat.used() - seat.received + amount <= seat.sub_limit;
        if is_within_day && is_lent { Ok(()) } else { Err((*b"AM21", field::AMOUNT)) }
    }

    /// Do payments between these move anything?
    pub(super) fn moves(&self, payer: usize, payee: usize) -> bool {
        self.owner(payer) != self.owner(payee)
    }

    /// A payment is accepted.
    pub(super) fn hold(&mut self, currency: usize, payer: usize, payee: usize, amount: i128) {
        self.seats[payer][currency].held += amount;
        if self.moves(payer, payee) {
            self.hold_on(self.payment_account(payer, currency), amount);
        }
    }

    /// It holds nothing any longer.
    pub(super) fn release(&mut self, currency: usize, payer: usize, payee: usize, amount: i128) {
        self.seats[payer][currency].held -= amount;
        if self.moves(payer, payee) {
            self.hold_on(self.payment_account(payer, currency), -amount);
        }
    }

    /// A payment (flow 1) or a return (flow 2) is posted: money moves, in a window where it is a position, and what it costs.
    pub(super) fn post(&mut self, flow: u8, currency: usize, payer: usize, payee: usize, amount: i128) {
        let [from, to] = [payer, payee].map(|place| self.payment_account(place, currency));
        if from != to {
            self.shift(from, to, amount);
            if self.is_net[currency] {
                self.count((currency, settlement::PAYMENTS), from.1, to.1, amount);
            }
        }
        if payer != payee {
            self.seats[payer][currency].sent += amount;
            self.seats[payee][currency].received += amount;
            self.charge(flow, currency, payer, payee, amount);
        }
    }
}

/// What it knows.
impl Scheme {
    pub(in super::super) fn accounts(&self) -> &BTreeMap<AccountKey, Balance> {
        &self.accounts
    }

    pub(in super::super) fn funds(&self) -> [i128; 2] {
        self.funds
    }

    pub(in super::super) fn is_net(&self, currency: usize) -> bool {
        self.is_net[currency]
    }

    /// All that the operator was told.
    pub(in super::super) fn events(&self) -> &[Happened] {
        &self.events
    }

    /// Where a command that was given is in the journal.
    pub(in super::super) fn position_of(&self, command: &Given) -> Option<u64> {
        self.given.get(command).copied().flatten()
    }

    /// What became of the command at this position: 0, or the number of the reject.
    pub(in super::super) fn answer(&self, position: u64) -> Option<u16> {
        self.answers.get(&position).copied()
    }

    /// Position of the last thing that changed more than payments do.
    pub(in super::super) fn last_change(&self) -> u64 {
        self.last_change
    }

    pub(super) fn take_rare(&mut self) -> Vec<String> {
        std::mem::take(&mut self.rare)
    }
}

fn letters(currency: usize) -> [u8; 3] {
    CURRENCIES[currency]
}
