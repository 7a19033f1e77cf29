//! Orders of money, permissions, floors and ceilings.

use super::super::super::wire::{self, Id};
use super::commands::{currency_at, flag};
use super::{AccountKey, Happened, Scheme, account, letters};

/// Operations, by their numbers.
mod operation {
    pub(super) const IN: u8 = 1;
    pub(super) const OUT: u8 = 2;
    pub(super) const TO_RESERVE: u8 = 3;
    pub(super) const FROM_RESERVE: u8 = 4;
    pub(super) const TRANSFER: u8 = 5;
    pub(super) const DISPUTE: u8 = 6;
    pub(super) const BLOCK: u8 = 7;
}

mod event {
    pub(super) const PREPARED: u16 = 10;
    pub(super) const CONFIRMED: u16 = 11;
    pub(super) const ABORTED: u16 = 12;
    pub(super) const LEVELS: u16 = 13;
    pub(super) const PERMISSION: u16 = 14;
    pub(super) const BELOW: u16 = 15;
    pub(super) const ABOVE: u16 = 16;
    pub(super) const WITHIN: u16 = 17;
    pub(super) const TOPPED_UP: u16 = 18;
    pub(super) const SWEPT: u16 = 19;
}

mod no {
    pub(super) const MEANINGLESS: u16 = 3;
    pub(super) const REFERENCE_USED: u16 = 30;
    pub(super) const REFERENCE_UNKNOWN: u16 = 31;
    pub(super) const DECIDED: u16 = 32;
    pub(super) const BLOCKED: u16 = 33;
    pub(super) const NOT_ALLOWED: u16 = 34;
    pub(super) const INSUFFICIENT: u16 = 35;
}

const AMOUNT_MAX: u64 = 999_999_999_999_999_999;

/// An order of money.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    operation: u8,
    participant: u32,
    other: u32,
    currency: usize,
    amount: i128,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Prepared,
    Final,
}

impl Order {
    fn has_two_steps(&self) -> bool {
        matches!(self.operation, operation::IN | operation::OUT | operation::BLOCK)
    }

    /// From where to where.
    fn accounts(&self) -> (AccountKey, AccountKey) {
        let of = |number: u32, kind: u16| (self.currency, number, kind);
        let (settlement, funding) = (of(self.participant, account::SETTLEMENT), of(0, account::FUNDING));
        let reserve = of(self.participant, account::RESERVE);
        match self.operation {
            operation::IN => (funding, settlement),
            operation::TO_RESERVE => (settlement, reserve),
            operation::FROM_RESERVE => (reserve, settlement),
            operation::TRANSFER => (settlement, of(self.other, account::SETTLEMENT)),
            operation::DISPUTE => (of(self.participant, account::DISPUTE), of(self.other, account::DISPUTE)),
            _ => (settlement, funding),
        }
    }
}

/// Floor and ceiling.
pub(super) struct Levels {
    floor: i128,
    target: i128,
    /// None for none.
    ceiling: Option<i128>,
    is_automatic: bool,
    /// What was told last: 0 between, 15 below, 16 above.
    told: u16,
}

impl Levels {
    fn level(&self, available: i128) -> u16 {
        match self.ceiling {
            _ if available < self.floor => event::BELOW,
            Some(ceiling) if available > ceiling => event::ABOVE,
            _ => 0,
        }
    }
}

impl Scheme {
    pub(super) fn order_money(&mut self, body: &[u8]) -> Result<(), u16> {
        let (reference, operation): (Id, u8) = (wire::array(body, 0), body[16]);
        if !(operation::IN..=operation::BLOCK).contains(&operation) {
            return Err(no::MEANINGLESS);
        }
        let participant = self.direct(wire::u32_at(body, 17))?;
        let currency = currency_at(body, 25)?;
        let (other, amount) = (wire::u32_at(body, 21), wire::u64_at(body, 28));
        if amount == 0 || amount > AMOUNT_MAX {
            return Err(no::MEANINGLESS);
        }
        let is_between_two = matches!(operation, operation::TRANSFER | operation::DISPUTE);
        if is_between_two {
            self.direct(other)?;
        }
        // Ids of payments are UUIDs of version 4, those of the scheme of version 8.
        let is_uuid = matches!(reference[6] >> 4, 4 | 8) && reference[8] >> 6 == 2;
        if is_between_two != (other > 0) || other == participant || is_uuid {
            return Err(no::MEANINGLESS);
        }
        let state = if matches!(operation, operation::IN | operation::OUT | operation::BLOCK) {
            State::Prepared
        } else {
            State::Final
        };
        let order = Order { operation, participant, other, currency, amount: i128::from(amount), state };
        match self.orders.get(&reference) {
            Some(before) if Order { state, ..*before } == order => {
                self.rare.push("order of money repeated".to_owned());
                return Ok(());
            }
            Some(_) => return Err(no::REFERENCE_USED),
            None => {}
        }
        if operation == operation::TRANSFER && !self.permissions.contains(&(participant, other)) {
            return Err(no::NOT_ALLOWED);
        }
        let (from, to) = order.accounts();
        let is_there = match from.2 {
            account::SETTLEMENT => order.amount <= self.free_money(currency, participant),
            account::RESERVE => order.amount <= self.available(from),
            _ => true,
        };
        if !is_there {
            return Err(no::INSUFFICIENT);
        }
        self.orders.insert(reference, order);
        if order.has_two_steps() {
            self.hold_on(from, order.amount);
            self.tell_of_order(event::PREPARED, &order);
            return Ok(());
        }
        self.shift(from, to, order.amount);
        if operation == operation::DISPUTE {
            self.count((currency, super::settlement::DISPUTES), participant, other, order.amount);
        }
        self.tell_of_order(event::CONFIRMED, &order);
        Ok(())
    }

    pub(super) fn decide_money(&mut self, body: &[u8]) -> Result<(), u16> {
        let reference: Id = wire::array(body, 0);
        // What the genesis has booked is not asked about here: nobody knows those references.
        let order = *self.orders.get(&reference).ok_or(no::REFERENCE_UNKNOWN)?;
        let is_confirmed = match body[16] {
            1 => true,
            2 => false,
            _ => return Err(no::MEANINGLESS),
        };
        if order.state == State::Final {
            return Err(no::DECIDED);
        }
        if order.operation == operation::BLOCK && is_confirmed {
            return Err(no::BLOCKED);
        }
        self.orders.insert(reference, Order { state: State::Final, ..order });
        let (from, to) = order.accounts();
        self.hold_on(from, -order.amount);
        if is_confirmed {
            self.shift(from, to, order.amount);
            let paid_in = if order.operation == operation::IN { order.amount } else { -order.amount };
            self.funds[order.currency] += paid_in;
        }
        self.tell_of_order(if is_confirmed { event::CONFIRMED } else { event::ABORTED }, &order);
        Ok(())
    }

    fn tell_of_order(&mut self, kind: u16, order: &Order) {
        let &Order { operation, participant, other, currency, amount, .. } = order;
        let (currency, code) = (letters(currency), u16::from(operation));
        self.tell(kind, Happened { participant, other, currency, amount, code, ..Happened::default() });
    }

    /// References of orders that are prepared, and whether it is a block.
    pub(in super::super::super) fn prepared(&self) -> Vec<(Id, bool)> {
        let prepared = self.orders.iter().filter(|(_, order)| order.state == State::Prepared);
        prepared.map(|(reference, order)| (*reference, order.operation == operation::BLOCK)).collect()
    }

    pub(super) fn has_orders(&self, participant: u32) -> bool {
        self.orders.values().any(|order| order.state == State::Prepared && order.participant == participant)
    }

    pub(super) fn set_levels(&mut self, body: &[u8]) -> Result<(), u16> {
        let participant = self.direct(wire::u32_at(body, 0))?;
        let currency = currency_at(body, 4)?;
        let [floor, target, ceiling] = [7, 15, 23].map(|at| i128::from(wire::u64_at(body, at)));
        let is_automatic = flag(body[31])?;
        let ceiling = (ceiling > 0).then_some(ceiling);
        let is_between = floor <= target && ceiling.is_none_or(|ceiling| target <= ceiling);
        if !is_between || is_automatic && self.is_net[currency] {
            return Err(no::MEANINGLESS);
        }
        self.levels.remove(&(currency, participant));
        if floor > 0 || ceiling.is_some() {
            let levels = Levels { floor, target, ceiling, is_automatic, told: 0 };
            self.levels.insert((currency, participant), levels);
        }
        self.tell(event::LEVELS, Happened { participant, currency: letters(currency), ..Happened::default() });
        Ok(())
    }

    pub(super) fn allow_transfer(&mut self, body: &[u8]) -> Result<(), u16> {
        let [from, to] = [self.direct(wire::u32_at(body, 0))?, self.direct(wire::u32_at(body, 4))?];
        let is_granted = flag(body[8])?;
        if from == to {
            return Err(no::MEANINGLESS);
        }
        if is_granted {
            self.permissions.insert((from, to));
        } else {
            self.permissions.remove(&(from, to));
        }
        let event = Happened { participant: from, other: to, code: u16::from(is_granted), ..Happened::default() };
        self.tell(event::PERMISSION, event);
        Ok(())
    }

    /// A batch ends: reserves are used, and floors and ceilings are told of, once.
    pub(in super::super) fn end_batch(&mut self) {
        let keys: Vec<(usize, u32)> = self.levels.keys().copied().collect();
        for key in keys {
            let (settlement, reserve) = ((key.0, key.1, account::SETTLEMENT), (key.0, key.1, account::RESERVE));
            let before = self.available(settlement);
            let Levels { target, is_automatic, told, .. } = self.levels[&key];
            let level = self.levels[&key].level(before);
            let (moved, kind) = match level {
                event::BELOW => ((target - before).min(self.available(reserve)), event::TOPPED_UP),
                event::ABOVE => (target - before, event::SWEPT),
                _ => (0, 0),
            };
            if is_automatic && moved != 0 {
                self.shift(reserve, settlement, moved);
                self.tell_of_level(kind, key, moved.abs());
                self.rare.push(if moved > 0 { "topped up" } else { "swept" }.to_owned());
            }
            let available = self.available(settlement);
            let level = self.levels[&key].level(available);
            if level != told {
                self.tell_of_level(if level == 0 { event::WITHIN } else { level }, key, available);
                self.rare.push("level told".to_owned());
                if let Some(levels) = self.levels.get_mut(&key) {
                    levels.told = level;
                }
            }
        }
    }

    fn tell_of_level(&mut self, kind: u16, (currency, participant): (usize, u32), amount: i128) {
        self.tell(kind, Happened { participant, currency: letters(currency), amount, ..Happened::default() });
    }
}
