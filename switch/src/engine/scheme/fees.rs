//! Fees: tariffs, what a posting costs, and what of it is collected.

pub mod prices;

use ledger::{AccountIndex, Amount, Movement, TransferId};
use rkyv::{Archive, Deserialize, Serialize};

use self::prices::{Charge, Flow, PriceList, Purchase, Side};
use super::events::{Event, EventKind};
use super::money::amount_up_to;
use super::rejects::CommandReject;
use super::{SchemeMove, Step, scheme_transfer_id};
use crate::engine::accounts::{AccountKind, SCHEME, account_id, signed};
use crate::engine::{Engine, Moment};
use crate::entry::{ArchivedFeesCollected, ArchivedTariffSet, ParticipantId, TariffRow, tariff_rows};
use crate::limits::TARIFFS_WAITING_MAX;

/// A tariff.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Tariff {
    /// Its number, from 1.
    pub number: u32,
    /// Journal time from which it is in force.
    pub effective_at_ns: u64,
    /// What it says.
    pub rows: Vec<TariffRow>,
}

/// The tariff in force, and those to come.
#[derive(Archive, Serialize, Deserialize, Debug, Default)]
pub struct Fees {
    in_force: Option<Tariff>,
    /// In the order of their times.
    waiting: Vec<Tariff>,
    /// The number of the newest.
    newest: u32,
}

impl Fees {
    /// The tariff that is in force.
    pub fn in_force(&self) -> Option<&Tariff> {
        self.in_force.as_ref()
    }

    /// Those to come, in the order of their times.
    pub fn waiting(&self) -> &[Tariff] {
        &self.waiting
    }

    /// The number of the newest; 0 before the first.
    pub fn newest(&self) -> u32 {
        self.newest
    }

    /// When another tariff comes into force.
    pub fn next_tariff_ns(&self) -> Option<u64> {
        self.waiting.first().map(|tariff| tariff.effective_at_ns)
    }

    /// The prices of the tariff in force.
    pub(in crate::engine) fn prices(&self) -> PriceList {
        PriceList::of(self.in_force.iter().flat_map(|tariff| tariff.rows.iter().copied()))
    }
}

/// A posting that has a price.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Priced {
    /// The id of the payment or the return.
    pub(in crate::engine) id: [u8; 16],
    /// Which of the two.
    pub(in crate::engine) flow: Flow,
    /// Who gave.
    pub(in crate::engine) payer: ParticipantId,
    /// Who received.
    pub(in crate::engine) payee: ParticipantId,
    /// By its number in the scheme.
    pub(in crate::engine) currency: usize,
    /// In minor units.
    pub(in crate::engine) amount: u64,
}

impl Engine {
    /// Lets tariffs come into force whose time has come.
    pub(super) fn advance_tariffs(&mut self, moment: Moment) {
        while self.scheme.fees.next_tariff_ns().is_some_and(|at_ns| at_ns <= moment.time_ns) {
            let tariff = self.scheme.fees.waiting.remove(0);
            let event = Event { detail: tariff.number, ..Event::of(EventKind::TariffInForce) };
            self.scheme.fees.in_force = Some(tariff);
            self.prices = self.scheme.fees.prices();
            self.announce(moment, event);
        }
    }

    pub(super) fn set_tariff(
        &mut self,
        moment: Moment,
        command: &ArchivedTariffSet,
        rows: &[u8],
    ) -> Result<(), CommandReject> {
        let fees = &self.scheme.fees;
        let tariff = Tariff {
            number: command.tariff.to_native(),
            effective_at_ns: command.effective_at_ns.to_native(),
            rows: tariff_rows(rows).ok_or(CommandReject::ValueMeaningless)?,
        };
        let last = fees.waiting.last().or(fees.in_force.as_ref());
        let is_later = last.is_none_or(|last| last.effective_at_ns <= tariff.effective_at_ns);
        if tariff.number != fees.newest + 1 || !is_later {
            return Err(CommandReject::TariffOutOfOrder);
        }
        let amount_max = |currency: [u8; 3]| Some(self.currencies[self.currency_place(currency)?].amount_max);
        prices::check(&tariff.rows, amount_max).map_err(|(_, fault)| fault.reject())?;
        if fees.waiting.len() == TARIFFS_WAITING_MAX {
            return Err(CommandReject::TariffsFull);
        }

        // From here the tariff must be taken.
        self.announce(moment, Event { detail: tariff.number, ..Event::of(EventKind::TariffSet) });
        self.scheme.fees.newest = tariff.number;
        self.scheme.fees.waiting.push(tariff);
        self.advance_tariffs(moment);
        Ok(())
    }

    /// Books what a posting costs. Accounts of fees have no limit, so nothing fails for its fee.
    #[inline]
    pub(in crate::engine) fn charge(&mut self, moment: Moment, priced: Priced) {
        if self.prices.is_free() {
            return;
        }
        let Priced { id, flow, payer, payee, currency, amount } = priced;
        let purchase = Purchase {
            flow,
            currency: self.currencies[currency].currency.bytes(),
            payer_class: self.participants[payer].class,
            payee_class: self.participants[payee].class,
            amount,
        };
        let charges = self.prices.charges(&purchase);
        for (leg, Charge { from, to, amount }) in (1..).zip(charges.into_iter().flatten()) {
            let of = |side| if side == Side::Payer { payer } else { payee };
            let debit = self.fee_account(currency, of(from));
            let credit = self.fee_account(currency, to.map_or(SCHEME, of));
            let movement = Movement { id: TransferId(u128::from_be_bytes(id)), debit, credit, amount };
            self.carry_out(moment, SchemeMove { movement, leg, step: Step::Moved });
        }
    }

    /// The account of a participant's fees, or of the scheme's income.
    fn fee_account(&mut self, currency: usize, participant: ParticipantId) -> AccountIndex {
        let kind = if participant == SCHEME { AccountKind::Income } else { AccountKind::Fees };
        self.account_of(currency, participant, kind)
    }

    /// Debtors of fees pay from their settlement accounts, or their sponsors', as far as that goes; creditors are paid what of theirs no debtor still owes.
    pub(super) fn collect_fees(
        &mut self,
        moment: Moment,
        command: &ArchivedFeesCollected,
    ) -> Result<(), CommandReject> {
        let currency = self.currency_place(command.currency).ok_or(CommandReject::CurrencyUnknown)?;
        let balances: Vec<(ParticipantId, i128)> = self.fee_balances(currency).collect();
        let mut unpaid = 0;
        for &(participant, balance) in balances.iter().filter(|(_, balance)| *balance < 0) {
            let owed = balance.unsigned_abs();
            let paid = owed.min(self.free_money(currency, self.purse_of(participant)));
            self.move_fees(moment, currency, participant, paid, Side::Payer);
            unpaid += owed - paid;
            if paid < owed {
                let event = Event {
                    participant: participant.0,
                    currency: command.currency,
                    ..Event::of(EventKind::FeesUnpaid)
                };
                self.announce(moment, Event { amount: signed(owed - paid), ..event });
            }
        }
        let owed: u128 = balances.iter().map(|(_, balance)| balance.max(&0).unsigned_abs()).sum();
        let mut left = owed.saturating_sub(unpaid);
        for &(participant, balance) in balances.iter().filter(|(_, balance)| *balance > 0) {
            let paid = balance.unsigned_abs().min(left);
            left -= paid;
            self.move_fees(moment, currency, participant, paid, Side::Payee);
        }
        Ok(())
    }

    /// What participants are owed for fees, or owe, in minor units; those of nothing left out.
    pub fn fee_balances(&self, currency: usize) -> impl Iterator<Item = (ParticipantId, i128)> {
        self.participants.iter().filter_map(move |(id, _)| {
            let index = self.book.find(account_id(currency, id, AccountKind::Fees))?;
            let balance = self.book.account(index).balances().booked();
            (balance != 0).then_some((id, balance))
        })
    }

    /// Whose settlement account pays for a participant.
    fn purse_of(&self, participant: ParticipantId) -> ParticipantId {
        self.participants[participant].sponsor.unwrap_or(participant)
    }

    /// Moves between an account of fees and the settlement account behind it.
    fn move_fees(
        &mut self,
        moment: Moment,
        currency: usize,
        participant: ParticipantId,
        minor_units: u128,
        side: Side,
    ) {
        let Some(amount) = amount_up_to(minor_units) else { return };
        let purse = self.purse_of(participant);
        let settlement = self.account_of(currency, purse, AccountKind::Settlement);
        let fees = self.account_of(currency, participant, AccountKind::Fees);
        let (debit, credit) = if side == Side::Payer { (settlement, fees) } else { (fees, settlement) };
        let id = scheme_transfer_id(b"collect", &[currency as u64, u64::from(participant.0), moment.position]);
        self.carry_out(
            moment,
            SchemeMove { movement: Movement { id, debit, credit, amount }, leg: 0, step: Step::Moved },
        );
        self.refresh_cap(currency, purse);
        let paid = i128::from(amount.minor_units());
        let event = Event {
            participant: participant.0,
            currency: self.currencies[currency].currency.bytes(),
            amount: if side == Side::Payer { -paid } else { paid },
            ..Event::of(EventKind::FeesCollected)
        };
        self.announce(moment, event);
    }
}

/// An amount of at least one minor unit.
pub(super) fn charged(minor_units: u128) -> Option<Amount> {
    u64::try_from(minor_units).ok().and_then(Amount::new)
}
