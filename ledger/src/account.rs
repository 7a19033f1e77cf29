//! An account: two sides, each with what is posted and what is pending.
//!
//! The book alone changes balances, through the four verbs at the end of this file. Each verb moves one side of one account
//! and the running total of that side in the currency; that the two sides agree is asserted, not assumed.

use crate::amount::{Amount, Currency};

/// The name of an account, chosen by who opens it. Never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub u128);

/// Handle of an account in the book that opened it: its place in the order of opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountIndex(pub(crate) u32);

impl AccountIndex {
    /// The place in the order of opening, from 0.
    pub const fn get(self) -> u32 {
        self.0
    }

    pub(crate) const fn at(self) -> usize {
        self.0 as usize
    }
}

/// What an account may and may not do, as bits of fixed meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct AccountFlags(u16);

impl AccountFlags {
    /// No restriction.
    pub const NONE: AccountFlags = AccountFlags(0);
    /// No movement may lift `debits_posted + debits_pending` above `credits_posted + cap`.
    pub const DEBITS_LIMITED: AccountFlags = AccountFlags(1);

    /// `None` when a bit without meaning is set.
    pub const fn from_bits(bits: u16) -> Option<AccountFlags> {
        if bits & !Self::DEBITS_LIMITED.0 == 0 { Some(AccountFlags(bits)) } else { None }
    }

    /// The bits, as they stand in digests and records.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Are all flags of `other` set?
    pub const fn contains(self, other: AccountFlags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What an account is opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountSpec {
    /// Its name; not 0.
    pub id: AccountId,
    /// The one currency of all its movements.
    pub currency: Currency,
    /// What kind of account it is to its owner; the book carries it and does not look.
    pub code: u16,
    /// Restrictions.
    pub flags: AccountFlags,
    /// How far debits may exceed posted credits, in minor units; 0 unless `DEBITS_LIMITED`.
    pub cap: u128,
}

/// An account and its balances, in minor units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    id: AccountId,
    debits_pending: u128,
    debits_posted: u128,
    credits_pending: u128,
    credits_posted: u128,
    cap: u128,
    currency: Currency,
    currency_number: u16,
    code: u16,
    flags: AccountFlags,
}

impl Account {
    pub(crate) fn open(spec: AccountSpec, currency_number: u16) -> Account {
        Account {
            id: spec.id,
            debits_pending: 0,
            debits_posted: 0,
            credits_pending: 0,
            credits_posted: 0,
            cap: spec.cap,
            currency: spec.currency,
            currency_number,
            code: spec.code,
            flags: spec.flags,
        }
    }

    /// Its name.
    pub fn id(&self) -> AccountId {
        self.id
    }

    /// The currency of all its movements.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// What kind of account it is to its owner.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Its restrictions.
    pub fn flags(&self) -> AccountFlags {
        self.flags
    }

    /// How far debits may exceed posted credits.
    pub fn cap(&self) -> u128 {
        self.cap
    }

    /// Reserved to be debited.
    pub fn debits_pending(&self) -> u128 {
        self.debits_pending
    }

    /// Debited for good.
    pub fn debits_posted(&self) -> u128 {
        self.debits_posted
    }

    /// Reserved to be credited.
    pub fn credits_pending(&self) -> u128 {
        self.credits_pending
    }

    /// Credited for good.
    pub fn credits_posted(&self) -> u128 {
        self.credits_posted
    }

    /// What may still be debited; `None` when the account is not limited. 0 also when a lowered cap is already exceeded.
    pub fn headroom(&self) -> Option<u128> {
        self.flags
            .contains(AccountFlags::DEBITS_LIMITED)
            .then(|| (self.credits_posted + self.cap).saturating_sub(self.debits_posted + self.debits_pending))
    }

    pub(crate) fn currency_number(&self) -> usize {
        usize::from(self.currency_number)
    }

    pub(crate) fn has_headroom(&self, amount: Amount) -> bool {
        self.headroom().is_none_or(|headroom| u128::from(amount.minor_units()) <= headroom)
    }

    /// The cap is not compared: it may have been set anew since.
    pub(crate) fn was_opened_as(&self, spec: &AccountSpec) -> bool {
        self.id == spec.id && self.currency == spec.currency && self.code == spec.code && self.flags == spec.flags
    }

    pub(crate) fn set_cap(&mut self, cap: u128) {
        self.cap = cap;
    }

    pub(crate) fn debit(&mut self, amount: Amount, total: &mut Sides) {
        let amount = u128::from(amount.minor_units());
        self.debits_posted += amount;
        total.debits_posted += amount;
    }

    pub(crate) fn credit(&mut self, amount: Amount, total: &mut Sides) {
        let amount = u128::from(amount.minor_units());
        self.credits_posted += amount;
        total.credits_posted += amount;
    }

    pub(crate) fn reserve_debit(&mut self, amount: Amount, total: &mut Sides) {
        let amount = u128::from(amount.minor_units());
        self.debits_pending += amount;
        total.debits_pending += amount;
    }

    pub(crate) fn reserve_credit(&mut self, amount: Amount, total: &mut Sides) {
        let amount = u128::from(amount.minor_units());
        self.credits_pending += amount;
        total.credits_pending += amount;
    }

    pub(crate) fn release_debit(&mut self, amount: Amount, total: &mut Sides) {
        let amount = u128::from(amount.minor_units());
        self.debits_pending -= amount;
        total.debits_pending -= amount;
    }

    pub(crate) fn release_credit(&mut self, amount: Amount, total: &mut Sides) {
        let amount = u128::from(amount.minor_units());
        self.credits_pending -= amount;
        total.credits_pending -= amount;
    }
}

/// Both sides of all accounts in one currency, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Sides {
    pub(crate) debits_pending: u128,
    pub(crate) debits_posted: u128,
    pub(crate) credits_pending: u128,
    pub(crate) credits_posted: u128,
}
