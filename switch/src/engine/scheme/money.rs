//! Money that moves by the operator's orders: funds in and out, reserves, transfers, disputes, blocks; floors and ceilings.

use adapters::message::PaymentId;
use ledger::{Amount, Movement, TransferId};
use rkyv::{Archive, Deserialize, Serialize};

use super::events::{Event, EventKind};
use super::members::{flag, put};
use super::rejects::CommandReject;
use super::{Model, SchemeMove, Step, is_scheme_transfer, scheme_transfer_id};
use crate::engine::accounts::{AccountKind, SCHEME, account_id};
use crate::engine::funds::FundsBooked;
use crate::engine::{Engine, Moment};
use crate::entry::{
    ArchivedLiquidityRulesSet, ArchivedMoneyDecided, ArchivedMoneyOrdered, ArchivedTransferAllowed, ParticipantId,
};
use crate::limits::ORDERS_OPEN_MAX;

/// What an order of money does. The numbers are in the journal: never renumber, never reuse.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Funding to settlement, in two steps; at once at the beginning of a journal.
    FundsIn = 1,
    /// Settlement to funding, in two steps.
    FundsOut = 2,
    /// Settlement to reserve.
    ToReserve = 3,
    /// Reserve to settlement.
    FromReserve = 4,
    /// Settlement of one to settlement of another.
    Transfer = 5,
    /// Dispute account of one to dispute account of another.
    Dispute = 6,
    /// Settlement to funding, held until it is set free.
    Block = 7,
}

impl Operation {
    /// The operation with a number.
    pub fn from_number(number: u8) -> Option<Operation> {
        Some(match number {
            1 => Operation::FundsIn,
            2 => Operation::FundsOut,
            3 => Operation::ToReserve,
            4 => Operation::FromReserve,
            5 => Operation::Transfer,
            6 => Operation::Dispute,
            7 => Operation::Block,
            _ => return None,
        })
    }

    /// Its name in documents, reports and on screens.
    pub fn name(self) -> &'static str {
        match self {
            Operation::FundsIn => "funds in",
            Operation::FundsOut => "funds out",
            Operation::ToReserve => "to reserve",
            Operation::FromReserve => "from reserve",
            Operation::Transfer => "transfer",
            Operation::Dispute => "dispute",
            Operation::Block => "block",
        }
    }

    /// Is it prepared first, and decided later?
    pub fn has_two_steps(self) -> bool {
        matches!(self, Operation::FundsIn | Operation::FundsOut | Operation::Block)
    }

    /// Does it name who receives?
    fn has_other(self) -> bool {
        matches!(self, Operation::Transfer | Operation::Dispute)
    }

    /// What it moves from, and to.
    fn kinds(self) -> (AccountKind, AccountKind) {
        match self {
            Operation::FundsIn => (AccountKind::Funding, AccountKind::Settlement),
            Operation::FundsOut | Operation::Block => (AccountKind::Settlement, AccountKind::Funding),
            Operation::ToReserve => (AccountKind::Settlement, AccountKind::Reserve),
            Operation::FromReserve => (AccountKind::Reserve, AccountKind::Settlement),
            Operation::Transfer => (AccountKind::Settlement, AccountKind::Settlement),
            Operation::Dispute => (AccountKind::Dispute, AccountKind::Dispute),
        }
    }
}

/// Where what is available stands to a floor and a ceiling.
#[repr(u8)]
#[derive(Archive, Serialize, Deserialize, serde::Serialize, serde::Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Between them.
    Within = 0,
    /// Below the floor.
    Below = 1,
    /// Above the ceiling.
    Above = 2,
}

impl Level {
    /// Its name in documents, reports and on screens.
    pub fn name(self) -> &'static str {
        match self {
            Level::Within => "within",
            Level::Below => "below",
            Level::Above => "above",
        }
    }
}

/// Floor and ceiling of what is available on a settlement account, in minor units.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiquidityRule {
    /// Of which currency, by its number in the scheme.
    pub currency: u32,
    /// Whose.
    pub participant: u32,
    /// Below this, the operator is told.
    pub floor: u64,
    /// What a top-up, or a sweep, leaves.
    pub target: u64,
    /// Above this, the operator is told; 0 for none.
    pub ceiling: u64,
    /// Is the reserve used?
    pub is_automatic: bool,
    /// What was told last.
    pub level: Level,
}

impl LiquidityRule {
    fn level_of(&self, available: u128) -> Level {
        if available < u128::from(self.floor) {
            Level::Below
        } else if self.ceiling != 0 && available > u128::from(self.ceiling) {
            Level::Above
        } else {
            Level::Within
        }
    }
}

/// Orders that are prepared, floors and ceilings, permissions.
#[derive(Archive, Serialize, Deserialize, Debug, Default)]
pub struct Money {
    /// References of orders that are neither confirmed nor aborted, in order.
    prepared: Vec<[u8; 16]>,
    /// In the order of currency and participant.
    rules: Vec<LiquidityRule>,
    /// Who may send liquidity to whom, in order.
    permissions: Vec<(u32, u32)>,
}

impl Money {
    /// Floor and ceiling of a participant in a currency, by its number in the scheme; none where the operator has set none.
    pub fn rule(&self, currency: usize, participant: ParticipantId) -> Option<&LiquidityRule> {
        let key = |rule: &LiquidityRule| (rule.currency as usize, rule.participant);
        let place = self.rules.binary_search_by_key(&(currency, participant.0), key);
        place.ok().map(|place| &self.rules[place])
    }

    /// Who may send liquidity to whom.
    pub fn permissions(&self) -> impl Iterator<Item = (ParticipantId, ParticipantId)> {
        self.permissions.iter().map(|&(from, to)| (ParticipantId(from), ParticipantId(to)))
    }
}

impl Engine {
    /// Orders of money that are neither confirmed nor aborted, with their references.
    pub fn prepared_orders(&self) -> impl Iterator<Item = ([u8; 16], FundsBooked)> {
        let prepared = self.scheme.money.prepared.iter();
        prepared.filter_map(|&reference| Some((reference, self.funds.find(reference)?)))
    }

    /// What a participant can give away of its settlement account, in minor units: what is available and backs no position.
    pub fn free_money(&self, currency: usize, participant: ParticipantId) -> u128 {
        let available = self.headroom_of(currency, participant, AccountKind::Settlement);
        let held = self.scheme.settlement.held_for(currency, participant);
        available.saturating_sub(self.overdrawn(currency, participant).saturating_sub(held))
    }

    /// How far a participant's position is below zero, in minor units, with what its payments in flight hold.
    pub(super) fn overdrawn(&self, currency: usize, participant: ParticipantId) -> u128 {
        let position = self.book.find(account_id(currency, participant, AccountKind::Position));
        position.map_or(0, |index| self.book.account(index).overdrawn())
    }

    /// Sets how far a position may go: the smaller of the net debit cap and the money behind it. To be called whenever either has changed.
    pub(super) fn refresh_cap(&mut self, currency: usize, participant: ParticipantId) {
        let Some(position) = self.book.find(account_id(currency, participant, AccountKind::Position)) else { return };
        let available = self.headroom_of(currency, participant, AccountKind::Settlement);
        let held = self.scheme.settlement.held_for(currency, participant);
        let cap = u128::from(self.seats.at(currency, participant).terms.net_debit_cap).min(available + held);
        let set = self.book.set_cap(position, cap);
        assert!(set.is_ok(), "positions are limited, and the cap is an amount");
    }

    pub(super) fn order_money(&mut self, moment: Moment, command: &ArchivedMoneyOrdered) -> Result<(), CommandReject> {
        let operation = Operation::from_number(command.operation).ok_or(CommandReject::ValueMeaningless)?;
        let participant = self.direct_member(command.participant.to_native())?;
        let currency = self.currency_place(command.currency).ok_or(CommandReject::CurrencyUnknown)?;
        let amount = Amount::new(command.amount.to_native()).ok_or(CommandReject::ValueMeaningless)?;
        let other = ParticipantId(command.other.to_native());
        if operation.has_other() {
            self.direct_member(other.0)?;
        }
        let has_sense = (other.0 != 0) == operation.has_other() && other != participant;
        if !has_sense || is_taken(command.reference) {
            return Err(CommandReject::ValueMeaningless);
        }
        let booked = FundsBooked { operation, participant, other, currency, amount };
        match self.funds.find(command.reference) {
            Some(before) if before == booked => return Ok(()),
            Some(_) => return Err(CommandReject::ReferenceUsed),
            None => self.check_order(&booked)?,
        }

        // From here the order must succeed.
        self.funds.add(command.reference, booked);
        let kind = if operation.has_two_steps() {
            put(&mut self.scheme.money.prepared, command.reference, true);
            self.move_order(moment, command.reference, booked, Step::Reserved);
            EventKind::MoneyPrepared
        } else {
            self.move_order(moment, command.reference, booked, Step::Moved);
            EventKind::MoneyConfirmed
        };
        self.announce_order(moment, kind, &booked);
        Ok(())
    }

    fn check_order(
        &self,
        &FundsBooked { operation, participant, other, currency, amount }: &FundsBooked,
    ) -> Result<(), CommandReject> {
        let unless = |holds: bool, reject: CommandReject| if holds { Ok(()) } else { Err(reject) };
        let is_full =
            self.funds.is_full() || operation.has_two_steps() && self.scheme.money.prepared.len() == ORDERS_OPEN_MAX;
        unless(!is_full, CommandReject::OrdersFull)?;
        let pair = (participant.0, other.0);
        let is_allowed = operation != Operation::Transfer || self.scheme.money.permissions.binary_search(&pair).is_ok();
        unless(is_allowed, CommandReject::TransferNotAllowed)?;
        let available = match operation.kinds().0 {
            AccountKind::Settlement => self.free_money(currency, participant),
            AccountKind::Reserve => self.headroom_of(currency, participant, AccountKind::Reserve),
            _ => u128::MAX,
        };
        unless(u128::from(amount.minor_units()) <= available, CommandReject::MoneyInsufficient)
    }

    pub(super) fn decide_money(&mut self, moment: Moment, command: &ArchivedMoneyDecided) -> Result<(), CommandReject> {
        let booked = self.funds.find(command.reference).ok_or(CommandReject::ReferenceUnknown)?;
        let (step, kind) = match command.decision {
            1 => (Step::Posted, EventKind::MoneyConfirmed),
            2 => (Step::Voided, EventKind::MoneyAborted),
            _ => return Err(CommandReject::ValueMeaningless),
        };
        if self.scheme.money.prepared.binary_search(&command.reference).is_err() {
            return Err(CommandReject::OrderDecided);
        }
        if booked.operation == Operation::Block && step == Step::Posted {
            return Err(CommandReject::BlockedNotConfirmed);
        }

        // From here the decision must succeed.
        put(&mut self.scheme.money.prepared, command.reference, false);
        self.move_order(moment, command.reference, booked, step);
        self.announce_order(moment, kind, &booked);
        Ok(())
    }

    /// Moves what an order says, or holds it, or decides about what is held.
    pub(in crate::engine) fn move_order(
        &mut self,
        moment: Moment,
        reference: [u8; 16],
        booked: FundsBooked,
        step: Step,
    ) {
        let FundsBooked { operation, participant, other, currency, amount } = booked;
        let (from, to) = operation.kinds();
        let owner = |kind, owner| if kind == AccountKind::Funding { SCHEME } else { owner };
        let receiver = if operation.has_other() { other } else { participant };
        let debit = self.account_of(currency, owner(from, participant), from);
        let credit = self.account_of(currency, owner(to, receiver), to);
        let id = TransferId(u128::from_be_bytes(reference));
        self.carry_out(moment, SchemeMove { movement: Movement { id, debit, credit, amount }, leg: 0, step });
        self.refresh_cap(currency, participant);
        if operation.has_other() {
            self.refresh_cap(currency, other);
        }
    }

    fn announce_order(&mut self, moment: Moment, kind: EventKind, booked: &FundsBooked) {
        let &FundsBooked { operation, participant, other, currency, amount } = booked;
        let event = Event {
            participant: participant.0,
            other: other.0,
            currency: self.currencies[currency].currency.bytes(),
            amount: i128::from(amount.minor_units()),
            code: u16::from(operation as u8),
            ..Event::of(kind)
        };
        self.announce(moment, event);
    }

    pub(super) fn set_liquidity_rules(
        &mut self,
        moment: Moment,
        command: &ArchivedLiquidityRulesSet,
    ) -> Result<(), CommandReject> {
        let participant = self.direct_member(command.participant.to_native())?;
        let currency = self.currency_place(command.currency).ok_or(CommandReject::CurrencyUnknown)?;
        let rule = LiquidityRule {
            currency: currency.try_into().unwrap_or(u32::MAX),
            participant: participant.0,
            floor: command.floor.to_native(),
            target: command.target.to_native(),
            ceiling: command.ceiling.to_native(),
            is_automatic: flag(command.is_automatic)?,
            level: Level::Within,
        };
        let is_ordered = rule.floor <= rule.target && (rule.ceiling == 0 || rule.target <= rule.ceiling);
        let is_possible = !rule.is_automatic || self.currencies[currency].model == Model::Gross;
        if !is_ordered || !is_possible {
            return Err(CommandReject::ValueMeaningless);
        }
        let rules = &mut self.scheme.money.rules;
        let place =
            rules.binary_search_by_key(&(rule.currency, rule.participant), |known| (known.currency, known.participant));
        let is_none = rule.floor == 0 && rule.ceiling == 0;
        match (place, is_none) {
            (Ok(place), true) => drop(rules.remove(place)),
            (Ok(place), false) => rules[place] = rule,
            (Err(place), false) => rules.insert(place, rule),
            (Err(_), true) => {}
        }
        let event = Event {
            participant: participant.0,
            currency: command.currency,
            ..Event::of(EventKind::LiquidityRulesChanged)
        };
        self.announce(moment, event);
        Ok(())
    }

    pub(super) fn allow_transfer(
        &mut self,
        moment: Moment,
        command: &ArchivedTransferAllowed,
    ) -> Result<(), CommandReject> {
        let from = self.direct_member(command.from.to_native())?;
        let to = self.direct_member(command.to.to_native())?;
        let is_granted = flag(command.is_granted)?;
        if from == to {
            return Err(CommandReject::ValueMeaningless);
        }
        put(&mut self.scheme.money.permissions, (from.0, to.0), is_granted);
        let event = Event { participant: from.0, other: to.0, ..Event::of(EventKind::TransferPermissionChanged) };
        self.announce(moment, Event { code: u16::from(is_granted), ..event });
        Ok(())
    }

    /// Tops up and sweeps, and tells of floors and ceilings.
    pub(super) fn level_liquidity(&mut self, moment: Moment) {
        for place in 0..self.scheme.money.rules.len() {
            let rule = self.scheme.money.rules[place];
            let (currency, participant) = (rule.currency as usize, ParticipantId(rule.participant));
            let before = self.headroom_of(currency, participant, AccountKind::Settlement);
            if rule.is_automatic && rule.level_of(before) != Level::Within {
                self.use_reserve(moment, &rule, before);
            }
            let available = self.headroom_of(currency, participant, AccountKind::Settlement);
            let level = rule.level_of(available);
            if level != rule.level {
                self.scheme.money.rules[place].level = level;
                let kind = match level {
                    Level::Within => EventKind::BackWithin,
                    Level::Below => EventKind::BelowFloor,
                    Level::Above => EventKind::AboveCeiling,
                };
                self.announce_level(moment, kind, &rule, available);
            }
        }
    }

    /// Moves what is missing from the reserve, as far as that goes, or what is too much into it.
    fn use_reserve(&mut self, moment: Moment, rule: &LiquidityRule, available: u128) {
        let (currency, participant) = (rule.currency as usize, ParticipantId(rule.participant));
        let reserve = self.account_of(currency, participant, AccountKind::Reserve);
        let settlement = self.account_of(currency, participant, AccountKind::Settlement);
        let target = u128::from(rule.target);
        let (debit, credit, wanted, kind) = if available < target {
            let in_reserve = self.book.account(reserve).headroom().unwrap_or(0);
            (reserve, settlement, (target - available).min(in_reserve), EventKind::ToppedUp)
        } else {
            (settlement, reserve, available - target, EventKind::Swept)
        };
        let Some(amount) = amount_up_to(wanted) else { return };
        let words = [u64::from(rule.currency), u64::from(rule.participant), moment.position];
        let id = scheme_transfer_id(b"level", &words);
        self.carry_out(
            moment,
            SchemeMove { movement: Movement { id, debit, credit, amount }, leg: 0, step: Step::Moved },
        );
        self.announce_level(moment, kind, rule, u128::from(amount.minor_units()));
    }

    fn announce_level(&mut self, moment: Moment, kind: EventKind, rule: &LiquidityRule, amount: u128) {
        let event = Event {
            participant: rule.participant,
            currency: self.currencies[rule.currency as usize].currency.bytes(),
            amount: i128::try_from(amount).unwrap_or(i128::MAX),
            ..Event::of(kind)
        };
        self.announce(moment, event);
    }
}

/// So much, or the largest amount; none for nothing.
pub(super) fn amount_up_to(minor_units: u128) -> Option<Amount> {
    let largest = Amount::MAX.minor_units();
    Amount::new(u64::try_from(minor_units).unwrap_or(largest).min(largest))
}

/// Could the reference be a payment's id, or one that the engine makes? These are UUIDs of the versions 4 and 8.
pub fn is_taken(reference: [u8; 16]) -> bool {
    PaymentId::from_bytes(reference).is_some() || is_scheme_transfer(reference)
}
