//! An account: two sides, each with what is posted and what is pending.
//!
//! The book alone changes balances, through the four verbs at the end of this file. Each verb moves one side of one account
//! and the running total of that side in the currency; that the two sides agree is asserted, not assumed.
//!
//! What every movement reads stands in [`Account`]; what few read stands in [`AccountDetails`], in a table of its own, so that
//! the former stays dense.

use crate::amount::{Amount, Currency};
use crate::history::Balances;
use crate::reference::References;

/// The name of an account, chosen by who opens it. Never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub u128);

/// Handle of an account in the book that opened it: its place in the order of opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountIndex(pub(crate) u32);

impl AccountIndex {
    /// The handle with a number that [`AccountIndex::get`] gave.
    pub const fn from_place(place: u32) -> AccountIndex {
        AccountIndex(place)
    }

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
    /// No movement may lift `credits_posted + credits_pending` above `debits_posted + credit_cap`.
    pub const CREDITS_LIMITED: AccountFlags = AccountFlags(2);
    /// What its balances were is kept, see [`Book::history`](crate::Book::history).
    pub const HISTORY: AccountFlags = AccountFlags(4);

    const ALL_BITS: u16 = Self::DEBITS_LIMITED.0 | Self::CREDITS_LIMITED.0 | Self::HISTORY.0;

    /// `None` when a bit without meaning is set.
    pub const fn from_bits(bits: u16) -> Option<AccountFlags> {
        if bits & !Self::ALL_BITS == 0 { Some(AccountFlags(bits)) } else { None }
    }

    /// All flags of both.
    #[must_use]
    pub const fn with(self, other: AccountFlags) -> AccountFlags {
        AccountFlags(self.0 | other.0)
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

/// Whether an account takes part in new movements. The numbers are in digests and records: never renumber, never reuse.
///
/// ```text
///   open --> Open --freeze--> Frozen --thaw--> Open
///            Open, Frozen --close--> Closed
///            Open --closing transfer--> Closed
/// ```
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountStatus {
    /// It does.
    Open = 0,
    /// It does not for now. What is pending may still be posted, voided, or expire: it was promised before.
    Frozen = 1,
    /// It never does again. Nothing was pending when it was closed.
    Closed = 2,
}

impl AccountStatus {
    /// The number of the status.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The status with a number; `None` when there is none.
    pub const fn from_number(number: u8) -> Option<AccountStatus> {
        Some(match number {
            0 => AccountStatus::Open,
            1 => AccountStatus::Frozen,
            2 => AccountStatus::Closed,
            _ => return None,
        })
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
    /// How far credits may exceed posted debits, in minor units; 0 unless `CREDITS_LIMITED`.
    pub credit_cap: u128,
    /// The owner's own numbers.
    pub references: References,
}

impl AccountSpec {
    /// An account without restrictions, of code 0.
    pub const fn new(id: AccountId, currency: Currency) -> AccountSpec {
        AccountSpec {
            id,
            currency,
            code: 0,
            flags: AccountFlags::NONE,
            cap: 0,
            credit_cap: 0,
            references: References::NONE,
        }
    }
}

/// What few movements need to know of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountDetails {
    credit_cap: u128,
    /// The three references stand apart, because together they would be padded.
    reference_128: u128,
    reference_64: u64,
    reference_32: u32,
    opened_ns: u64,
    /// 0 while not closed.
    closed_ns: u64,
    /// The place of its history, where it keeps one.
    history: u32,
}

// Ten million accounts, their table included, stay below 2 GiB.
const _: () = assert!(size_of::<Account>() == 112);
const _: () = assert!(size_of::<AccountDetails>() == 64);

impl AccountDetails {
    pub(crate) fn open(spec: &AccountSpec, now_ns: u64, history: u32) -> AccountDetails {
        AccountDetails {
            credit_cap: spec.credit_cap,
            reference_128: spec.references.bits_128,
            reference_64: spec.references.bits_64,
            reference_32: spec.references.bits_32,
            opened_ns: now_ns,
            closed_ns: 0,
            history,
        }
    }

    /// How far credits may exceed posted debits.
    pub fn credit_cap(&self) -> u128 {
        self.credit_cap
    }

    /// The owner's own numbers.
    pub fn references(&self) -> References {
        References { bits_128: self.reference_128, bits_64: self.reference_64, bits_32: self.reference_32 }
    }

    /// The book's time when it was opened.
    pub fn opened_ns(&self) -> u64 {
        self.opened_ns
    }

    /// The book's time when it was closed; 0 while it is not.
    pub fn closed_ns(&self) -> u64 {
        self.closed_ns
    }

    pub(crate) fn set_credit_cap(&mut self, cap: u128) {
        self.credit_cap = cap;
    }

    pub(crate) fn set_closed(&mut self, now_ns: u64) {
        self.closed_ns = now_ns;
    }

    pub(crate) fn history(&self) -> usize {
        self.history as usize
    }
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
    /// The run in which its balances changed last, see [`Book::set_run`](crate::Book::set_run). No part of the state.
    run: u32,
    currency: Currency,
    currency_number: u16,
    code: u16,
    flags: AccountFlags,
    status: AccountStatus,
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
            run: 0,
            currency: spec.currency,
            currency_number,
            code: spec.code,
            flags: spec.flags,
            status: AccountStatus::Open,
        }
    }

    /// An account as it was.
    pub(crate) fn restored(
        spec: AccountSpec,
        currency_number: u16,
        balances: Balances,
        status: AccountStatus,
    ) -> Account {
        let Balances { debits_pending, debits_posted, credits_pending, credits_posted } = balances;
        let account = Account::open(spec, currency_number);
        Account { debits_pending, debits_posted, credits_pending, credits_posted, status, ..account }
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

    /// Whether it takes part in new movements.
    pub fn status(&self) -> AccountStatus {
        self.status
    }

    /// Its four numbers.
    pub fn balances(&self) -> Balances {
        Balances {
            debits_pending: self.debits_pending,
            debits_posted: self.debits_posted,
            credits_pending: self.credits_pending,
            credits_posted: self.credits_posted,
        }
    }

    /// Is anything reserved, on either side?
    pub fn has_pending(&self) -> bool {
        self.debits_pending != 0 || self.credits_pending != 0
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
    #[inline(always)]
    pub fn headroom(&self) -> Option<u128> {
        self.flags.contains(AccountFlags::DEBITS_LIMITED).then(|| self.debit_available())
    }

    /// What may be debited before debits exceed posted credits and cap, limited or not: what a balancing debit moves up to.
    #[inline(always)]
    pub fn debit_available(&self) -> u128 {
        (self.credits_posted + self.cap).saturating_sub(self.debits_posted + self.debits_pending)
    }

    /// By how much debits, those that are reserved included, exceed posted credits.
    pub fn overdrawn(&self) -> u128 {
        (self.debits_posted + self.debits_pending).saturating_sub(self.credits_posted)
    }

    /// What may be credited before credits exceed posted debits and the credit cap, limited or not: what a balancing credit
    /// moves up to.
    pub fn credit_available(&self, details: &AccountDetails) -> u128 {
        (self.debits_posted + details.credit_cap).saturating_sub(self.credits_posted + self.credits_pending)
    }

    pub(crate) fn currency_number(&self) -> usize {
        usize::from(self.currency_number)
    }

    #[inline(always)]
    pub(crate) fn has_headroom(&self, amount: Amount) -> bool {
        self.headroom().is_none_or(|headroom| u128::from(amount.minor_units()) <= headroom)
    }

    /// Open and without a limit on credits: nothing more to check where it is credited.
    pub(crate) fn is_plain_credit(&self) -> bool {
        self.status == AccountStatus::Open && !self.flags.contains(AccountFlags::CREDITS_LIMITED)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.status == AccountStatus::Open
    }

    pub(crate) fn keeps_history(&self) -> bool {
        self.flags.contains(AccountFlags::HISTORY)
    }

    /// The caps are not compared: they may have been set anew since.
    pub(crate) fn was_opened_as(&self, spec: &AccountSpec) -> bool {
        self.id == spec.id && self.currency == spec.currency && self.code == spec.code && self.flags == spec.flags
    }

    /// Its balances change in this run. Is it the first time?
    pub(crate) fn touch(&mut self, run: u32) -> bool {
        core::mem::replace(&mut self.run, run) != run
    }

    pub(crate) fn set_status(&mut self, status: AccountStatus) {
        self.status = status;
    }

    pub(crate) fn set_cap(&mut self, cap: u128) {
        self.cap = cap;
    }

    /// Takes away what a reservation holds here; false when less is pending.
    pub(crate) fn take_pending_debit(&mut self, amount: Amount) -> bool {
        let rest = self.debits_pending.checked_sub(amount.minor_units().into());
        rest.map(|rest| self.debits_pending = rest).is_some()
    }

    /// As [`Account::take_pending_debit`], on the other side.
    pub(crate) fn take_pending_credit(&mut self, amount: Amount) -> bool {
        let rest = self.credits_pending.checked_sub(amount.minor_units().into());
        rest.map(|rest| self.credits_pending = rest).is_some()
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
