//! The accounts of the scheme: what they are, whose each is, and what stands on it.
//!
//! An account's id is made of what it is: code, number of the currency, participant. So ids need no table and collide with nothing.

use adapters::message::ParticipantCode;
use ledger::{Account, AccountFlags, AccountId, AccountIndex, AccountSpec, Book, Currency};

use super::Engine;
use super::seats::Seat;
use crate::entry::ParticipantId;

/// What an account is to the scheme. The numbers are codes in the book: never renumber, never reuse.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountKind {
    /// Prefunded money of a participant.
    Settlement = 1,
    /// The scheme's own in a currency: what all participants' money came from.
    Funding = 2,
    /// What a participant owes, or is owed, in windows of payments that are not settled.
    Position = 3,
    /// Money of a participant that payments do not move.
    Reserve = 4,
    /// What a participant owes, or is owed, in windows of disputes that are not settled.
    Dispute = 5,
    /// What a participant owes, or is owed, for payments.
    Fees = 6,
    /// What the scheme has earned.
    Income = 7,
    /// Money between debtors and creditors of windows that are being settled.
    Transit = 8,
    /// The other side of positions that were relieved.
    Clearing = 9,
    /// The other side of disputes that were relieved.
    DisputeClearing = 10,
}

impl AccountKind {
    /// All of them, in the order of their codes.
    pub const ALL: [AccountKind; 10] = [
        AccountKind::Settlement,
        AccountKind::Funding,
        AccountKind::Position,
        AccountKind::Reserve,
        AccountKind::Dispute,
        AccountKind::Fees,
        AccountKind::Income,
        AccountKind::Transit,
        AccountKind::Clearing,
        AccountKind::DisputeClearing,
    ];

    /// The kind with a code.
    pub fn from_code(code: u16) -> Option<AccountKind> {
        AccountKind::ALL.into_iter().find(|kind| *kind as u16 == code)
    }

    /// Its name in documents, reports and on screens.
    pub fn name(self) -> &'static str {
        match self {
            AccountKind::Settlement => "settlement",
            AccountKind::Funding => "funding",
            AccountKind::Position => "position",
            AccountKind::Reserve => "reserve",
            AccountKind::Dispute => "dispute",
            AccountKind::Fees => "fees",
            AccountKind::Income => "income",
            AccountKind::Transit => "transit",
            AccountKind::Clearing => "clearing",
            AccountKind::DisputeClearing => "dispute-clearing",
        }
    }

    /// What may not go below zero, or below its cap.
    pub(super) fn flags(self) -> AccountFlags {
        match self {
            AccountKind::Settlement | AccountKind::Position | AccountKind::Reserve | AccountKind::Transit => {
                AccountFlags::DEBITS_LIMITED
            }
            _ => AccountFlags::NONE,
        }
    }
}

/// The scheme itself, where it has an account.
pub(super) const SCHEME: ParticipantId = ParticipantId(0);

/// The id of an account.
pub(super) fn account_id(currency_number: usize, participant: ParticipantId, kind: AccountKind) -> AccountId {
    AccountId(u128::from(kind as u16) << 64 | (currency_number as u128) << 32 | u128::from(participant.0))
}

/// Whose an account is. Printed as `settlement:CODE:CURRENCY` or `funding:CURRENCY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountOwner {
    /// What it is.
    pub kind: AccountKind,
    /// The participant; none where it is the scheme's own.
    pub participant: Option<ParticipantCode>,
    /// Its currency.
    pub currency: Currency,
    /// The currency's digits after the decimal point, for those who print it.
    pub minor_digits: u8,
}

impl std::fmt::Display for AccountOwner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.participant {
            Some(code) => write!(f, "{}:{code}:{}", self.kind.name(), self.currency),
            None => write!(f, "{}:{}", self.kind.name(), self.currency),
        }
    }
}

/// Opens an account that is not there yet.
pub(super) fn open_account(
    book: &mut Book,
    (number, currency): (usize, Currency),
    participant: ParticipantId,
    kind: AccountKind,
) -> Result<AccountIndex, String> {
    let id = account_id(number, participant, kind);
    book.open(AccountSpec { code: kind as u16, flags: kind.flags(), ..AccountSpec::new(id, currency) })
        .map_err(|reject| format!("the book refuses an account: {reject:?}"))
}

impl Engine {
    /// All accounts: in each currency, in order of admission, the scheme's own, then those of the participants in theirs.
    pub fn accounts(&self) -> impl Iterator<Item = (AccountIndex, AccountOwner)> {
        let places = (0..).map(AccountIndex::from_place);
        let mut accounts: Vec<_> = places.zip(self.book.accounts().map(Account::id)).collect();
        accounts.sort_by_key(|(_, id)| {
            let (participant, currency, code) = parts(*id);
            (currency, participant, code)
        });
        accounts.into_iter().map(|(index, id)| (index, self.owner_of(id)))
    }

    /// How many accounts there are.
    pub fn accounts_count(&self) -> usize {
        self.book.accounts().len()
    }

    /// Whose an account is.
    ///
    /// # Panics
    /// When the handle is not of this engine.
    pub fn account_owner(&self, index: AccountIndex) -> AccountOwner {
        self.owner_of(self.book.account(index).id())
    }

    fn owner_of(&self, id: AccountId) -> AccountOwner {
        let (participant, currency, code) = parts(id);
        let (kind, rules) = (AccountKind::from_code(code), &self.currencies[currency]);
        AccountOwner {
            kind: kind.unwrap_or_else(|| unreachable!("the engine opens its accounts by their kinds")),
            participant: self.participants.get(participant).map(|participant| participant.code),
            currency: rules.currency,
            minor_digits: rules.minor_digits,
        }
    }

    /// An account of the scheme.
    ///
    /// # Panics
    /// When the handle is not of this engine.
    pub fn account(&self, index: AccountIndex) -> &Account {
        self.book.account(index)
    }

    /// What can be debited of a limited account, in minor units; 0 where it was never needed.
    pub(super) fn headroom_of(&self, currency: usize, participant: ParticipantId, kind: AccountKind) -> u128 {
        let index = self.book.find(account_id(currency, participant, kind));
        index.and_then(|index| self.book.account(index).headroom()).unwrap_or(0)
    }

    /// An account that a participant has, or the scheme where it is `ParticipantId(0)`; most kinds are opened when they are needed first.
    pub fn find_account(
        &self,
        participant: ParticipantId,
        currency: [u8; 3],
        kind: AccountKind,
    ) -> Option<AccountIndex> {
        self.book.find(account_id(self.currency_place(currency)?, participant, kind))
    }

    /// The account that a participant's payments in a currency move.
    pub fn payment_account(&self, participant: ParticipantId, currency: [u8; 3]) -> Option<AccountIndex> {
        let number = self.currency_place(currency)?;
        self.participants.get(participant)?;
        self.seats.at(number, participant).account
    }

    /// What a participant may do, and has done since the last cut-off, in a currency by its number in the scheme.
    ///
    /// # Panics
    /// When the scheme has no such participant or currency.
    pub fn seat(&self, participant: ParticipantId, currency: usize) -> &Seat {
        self.seats.at(currency, participant)
    }

    pub(super) fn currency_place(&self, currency: [u8; 3]) -> Option<usize> {
        self.currencies.iter().position(|rules| rules.currency.bytes() == currency)
    }

    /// An account that is opened when it is needed first.
    pub(super) fn account_of(
        &mut self,
        currency: usize,
        participant: ParticipantId,
        kind: AccountKind,
    ) -> AccountIndex {
        let known = self.book.find(account_id(currency, participant, kind));
        known.unwrap_or_else(|| {
            let opened = (currency, self.currencies[currency].currency);
            open_account(&mut self.book, opened, participant, kind)
                .unwrap_or_else(|reason| panic!("an account that was not there: {reason}"))
        })
    }
}

/// What an account's id is made of: participant, number of the currency, code.
fn parts(id: AccountId) -> (ParticipantId, usize, u16) {
    let [p0, p1, p2, p3, c0, c1, c2, c3, k0, k1, ..] = id.0.to_le_bytes();
    let currency = u32::from_le_bytes([c0, c1, c2, c3]) as usize;
    (ParticipantId(u32::from_le_bytes([p0, p1, p2, p3])), currency, u16::from_le_bytes([k0, k1]))
}

/// Minor units that may be told with a sign. Balances are far below the largest signed number.
pub fn signed(minor_units: u128) -> i128 {
    i128::try_from(minor_units).unwrap_or_else(|_| panic!("a balance of {minor_units}"))
}
