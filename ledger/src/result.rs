//! What the book answers: an [`Applied`], or a numbered [`Reject`].

use core::fmt;

use crate::transfer::TransferIndex;

/// The book did it, now or before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The transfer.
    pub index: TransferIndex,
    /// True when the same request had been applied already: nothing has changed, this is the first result again.
    pub repeated: bool,
}

/// A business no. The book is unchanged.
///
/// The codes of one verb stand in order of precedence: the first that applies is the one reported. What a retry cannot cure
/// comes before what it can. The numbers are on the wire and in records: never renumber, never reuse.
///
/// | verb | codes, in order | |
/// |---|---|---|
/// | `open` | 1, 2, 3, 4, 5 | an account that exists as asked is answered before 3 |
/// | `set_cap` | 3, 4 | |
/// | `move_now`, `reserve` | 20, 21, 22, 23, 24, 25 | a repetition is answered before 22 |
/// | `post` | 40, 41, 42, 43 | a repetition is answered before 41 |
/// | `void` | 40, 41 | a repetition is answered before 41 |
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reject {
    /// The account id is 0, which names nothing.
    AccountIdZero = 1,
    /// The account id is taken by an account with another currency, code or flags.
    AccountExistsDifferent = 2,
    /// A cap on an account that is not limited would be an unkept promise.
    CapWithoutLimit = 3,
    /// The cap is above [`CAP_MAX`](crate::limits::CAP_MAX).
    CapTooHigh = 4,
    /// The book holds as many accounts as it may.
    TooManyAccounts = 5,

    /// The transfer id is 0, which names nothing.
    TransferIdZero = 20,
    /// The transfer id is taken by a transfer with other accounts, another amount, or the other number of phases.
    TransferExistsDifferent = 21,
    /// Debit and credit are the same account.
    SameAccount = 22,
    /// The two accounts differ in currency.
    CurrencyMismatch = 23,
    /// The book holds as many transfers as it may.
    TooManyTransfers = 24,
    /// The debit account's limit leaves no room for the amount.
    DebitLimitExceeded = 25,

    /// The transfer was moved in one step: there is nothing to post or void.
    NotTwoPhase = 40,
    /// The reservation has been posted, with this or another amount.
    AlreadyPosted = 41,
    /// The reservation has been voided.
    AlreadyVoided = 42,
    /// More was to be posted than was reserved.
    PostExceedsReserved = 43,
}

impl Reject {
    /// All codes, in the order of their numbers.
    pub const ALL: [Reject; 15] = [
        Self::AccountIdZero,
        Self::AccountExistsDifferent,
        Self::CapWithoutLimit,
        Self::CapTooHigh,
        Self::TooManyAccounts,
        Self::TransferIdZero,
        Self::TransferExistsDifferent,
        Self::SameAccount,
        Self::CurrencyMismatch,
        Self::TooManyTransfers,
        Self::DebitLimitExceeded,
        Self::NotTwoPhase,
        Self::AlreadyPosted,
        Self::AlreadyVoided,
        Self::PostExceedsReserved,
    ];

    /// The number of the code.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The code as one word, for logs and tests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccountIdZero => "account_id_zero",
            Self::AccountExistsDifferent => "account_exists_different",
            Self::CapWithoutLimit => "cap_without_limit",
            Self::CapTooHigh => "cap_too_high",
            Self::TooManyAccounts => "too_many_accounts",
            Self::TransferIdZero => "transfer_id_zero",
            Self::TransferExistsDifferent => "transfer_exists_different",
            Self::SameAccount => "same_account",
            Self::CurrencyMismatch => "currency_mismatch",
            Self::TooManyTransfers => "too_many_transfers",
            Self::DebitLimitExceeded => "debit_limit_exceeded",
            Self::NotTwoPhase => "not_two_phase",
            Self::AlreadyPosted => "already_posted",
            Self::AlreadyVoided => "already_voided",
            Self::PostExceedsReserved => "post_exceeds_reserved",
        }
    }

    /// May the same request succeed later, unchanged?
    pub const fn is_transient(self) -> bool {
        match self {
            Self::DebitLimitExceeded => true,
            Self::AccountIdZero
            | Self::AccountExistsDifferent
            | Self::CapWithoutLimit
            | Self::CapTooHigh
            | Self::TooManyAccounts
            | Self::TransferIdZero
            | Self::TransferExistsDifferent
            | Self::SameAccount
            | Self::CurrencyMismatch
            | Self::TooManyTransfers
            | Self::NotTwoPhase
            | Self::AlreadyPosted
            | Self::AlreadyVoided
            | Self::PostExceedsReserved => false,
        }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl std::error::Error for Reject {}
