//! Requests as they stand in a journal: accounts and transfers by id, one entry of a batch each.
//!
//! [`Book::apply`](crate::Book::apply) takes them; the [`Auditor`](crate::audit::Auditor) recomputes from them.

use crate::account::{AccountId, AccountIndex, AccountSpec};
use crate::amount::Amount;
use crate::result::{Applied, Reject};
use crate::transfer::{Terms, TransferId};

/// One thing asked of the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Opens an account.
    Open(AccountSpec),
    /// Sets how far the debits of a limited account may exceed its posted credits.
    SetCap {
        /// The account.
        account: AccountId,
        /// In minor units.
        cap: u128,
    },
    /// Sets how far the credits of a limited account may exceed its posted debits.
    SetCreditCap {
        /// The account.
        account: AccountId,
        /// In minor units.
        cap: u128,
    },
    /// Lets no new movement touch the account. What is pending may be posted, voided, or expire.
    Freeze(AccountId),
    /// Ends a freeze.
    Thaw(AccountId),
    /// Closes the account for good; nothing may be pending.
    Close(AccountId),
    /// Moves or reserves.
    Transfer(TransferSpec),
    /// Moves a reservation.
    Post {
        /// The reservation.
        transfer: TransferId,
        /// How much of it; `None` for all.
        amount: Option<Amount>,
    },
    /// Releases a reservation.
    Void {
        /// The reservation.
        transfer: TransferId,
    },
}

/// A transfer to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferSpec {
    /// Its name; not 0. The same name with the same content is the same transfer.
    pub id: TransferId,
    /// The account that gives.
    pub debit: AccountId,
    /// The account that receives.
    pub credit: AccountId,
    /// How much; at most how much, where [`Terms::flags`] say that it balances.
    pub amount: Amount,
    /// True to reserve, false to move at once.
    pub two_phase: bool,
    /// Everything else.
    pub terms: Terms,
}

/// A request in its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchEntry {
    /// What is asked.
    pub request: Request,
    /// Tied to the entry after it: a chain ends with its first entry that is not. All of a chain happens, or nothing.
    pub linked: bool,
}

impl From<Request> for BatchEntry {
    fn from(request: Request) -> BatchEntry {
        BatchEntry { request, linked: false }
    }
}

/// What became of an accepted request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// A request about an account.
    Account {
        /// The account.
        index: AccountIndex,
        /// True when the account was already as asked: nothing has changed.
        repeated: bool,
    },
    /// A request about a transfer.
    Transfer(Applied),
}

impl Accepted {
    /// True when nothing has changed, because it had been done before.
    pub const fn repeated(self) -> bool {
        match self {
            Accepted::Account { repeated, .. } | Accepted::Transfer(Applied { repeated, .. }) => repeated,
        }
    }
}

/// What one entry of a batch is answered.
pub type Answer = Result<Accepted, Reject>;
