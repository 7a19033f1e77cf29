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
/// The codes of one verb stand in [`PRECEDENCE`] in their order: the first that applies is the one reported. What a retry
/// cannot cure comes before what it can. The numbers are on the wire and in records: never renumber, never reuse.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reject {
    /// The account id is 0, which names nothing.
    AccountIdZero = 1,
    /// The account id is taken by an account with another currency, code, flags or references.
    AccountExistsDifferent = 2,
    /// A cap on a side that is not limited would be an unkept promise.
    CapWithoutLimit = 3,
    /// The cap is above [`CAP_MAX`](crate::limits::CAP_MAX).
    CapTooHigh = 4,
    /// The book holds as many accounts as it may.
    TooManyAccounts = 5,
    /// No account has the id.
    AccountUnknown = 6,
    /// The account is closed, for good.
    AccountClosed = 7,
    /// The account cannot be closed while something is pending on it.
    AccountHasPending = 8,

    /// The transfer id is 0, which names nothing.
    TransferIdZero = 20,
    /// The transfer id is taken by a transfer with other accounts, another amount, other terms, or the other number of phases.
    TransferExistsDifferent = 21,
    /// Debit and credit are the same account.
    SameAccount = 22,
    /// The two accounts differ in currency.
    CurrencyMismatch = 23,
    /// The book holds as many transfers as it may.
    TooManyTransfers = 24,
    /// The debit account's limit leaves no room for the amount.
    DebitLimitExceeded = 25,
    /// No account has the id of the debit account.
    DebitAccountUnknown = 26,
    /// No account has the id of the credit account.
    CreditAccountUnknown = 27,
    /// The debit account is closed, for good.
    DebitAccountClosed = 28,
    /// The credit account is closed, for good.
    CreditAccountClosed = 29,
    /// The debit account is frozen.
    DebitAccountFrozen = 30,
    /// The credit account is frozen.
    CreditAccountFrozen = 31,
    /// The credit account's limit leaves no room for the amount.
    CreditLimitExceeded = 32,
    /// A balancing transfer finds nothing that it could move.
    NothingAvailable = 33,
    /// What moves in one step has no time in which to expire.
    DeadlineWithoutReservation = 34,
    /// The deadline is not after the time of the request.
    DeadlineNotInFuture = 35,
    /// A reservation cannot close an account: it would be pending on it.
    ClosingWithReservation = 36,
    /// The account that the transfer would close has something pending.
    ClosingHasPending = 37,

    /// The transfer was moved in one step: there is nothing to post or void.
    NotTwoPhase = 40,
    /// The reservation has been posted, with this or another amount.
    AlreadyPosted = 41,
    /// The reservation has been voided.
    AlreadyVoided = 42,
    /// More was to be posted than was reserved.
    PostExceedsReserved = 43,
    /// No transfer has the id.
    TransferUnknown = 44,
    /// The reservation's deadline has passed, whether or not it has been swept.
    AlreadyExpired = 45,

    /// Another entry of the chain was refused, so this one has had no effect. What that one was answered says whether the chain may
    /// succeed later.
    LinkedEventFailed = 60,
    /// The last entry of a batch is linked to one that does not exist.
    LinkedEventChainOpen = 61,
}

/// The order in which each verb checks, as data.
///
/// | verb | codes, in order | a repetition is answered before |
/// |---|---|---|
/// | `open` | 1, 2, 3, 4, 5 | 3 |
/// | `set_cap`, `set_credit_cap` | 6, 7, 3, 4 | never |
/// | `freeze`, `thaw` | 6, 7 | 7 cannot meet one |
/// | `close` | 6, 8 | 8 |
/// | `move`, `reserve` | 20, 21, 26, 27, 22, 23, 34, 35, 36, 24, 28, 29, 30, 31, 37, 33, 25, 32 | 26 |
/// | `post` | 44, 40, 41, 42, 45, 43 | 41 |
/// | `void` | 44, 40, 41, 45 | 41 |
/// | `apply`, before any of these | 61, 60 | |
///
/// The verbs that take handles cannot meet 6, 26, 27 and 44.
pub const PRECEDENCE: [(&str, &[Reject]); 8] = {
    use Reject::*;
    [
        ("open", &[AccountIdZero, AccountExistsDifferent, CapWithoutLimit, CapTooHigh, TooManyAccounts]),
        ("set_cap, set_credit_cap", &[AccountUnknown, AccountClosed, CapWithoutLimit, CapTooHigh]),
        ("freeze, thaw", &[AccountUnknown, AccountClosed]),
        ("close", &[AccountUnknown, AccountHasPending]),
        (
            "move, reserve",
            &[
                TransferIdZero,
                TransferExistsDifferent,
                DebitAccountUnknown,
                CreditAccountUnknown,
                SameAccount,
                CurrencyMismatch,
                DeadlineWithoutReservation,
                DeadlineNotInFuture,
                ClosingWithReservation,
                TooManyTransfers,
                DebitAccountClosed,
                CreditAccountClosed,
                DebitAccountFrozen,
                CreditAccountFrozen,
                ClosingHasPending,
                NothingAvailable,
                DebitLimitExceeded,
                CreditLimitExceeded,
            ],
        ),
        ("post", &[TransferUnknown, NotTwoPhase, AlreadyPosted, AlreadyVoided, AlreadyExpired, PostExceedsReserved]),
        ("void", &[TransferUnknown, NotTwoPhase, AlreadyPosted, AlreadyExpired]),
        ("apply", &[LinkedEventChainOpen, LinkedEventFailed]),
    ]
};

impl Reject {
    /// All codes, in the order of their numbers.
    pub const ALL: [Reject; 34] = [
        Self::AccountIdZero,
        Self::AccountExistsDifferent,
        Self::CapWithoutLimit,
        Self::CapTooHigh,
        Self::TooManyAccounts,
        Self::AccountUnknown,
        Self::AccountClosed,
        Self::AccountHasPending,
        Self::TransferIdZero,
        Self::TransferExistsDifferent,
        Self::SameAccount,
        Self::CurrencyMismatch,
        Self::TooManyTransfers,
        Self::DebitLimitExceeded,
        Self::DebitAccountUnknown,
        Self::CreditAccountUnknown,
        Self::DebitAccountClosed,
        Self::CreditAccountClosed,
        Self::DebitAccountFrozen,
        Self::CreditAccountFrozen,
        Self::CreditLimitExceeded,
        Self::NothingAvailable,
        Self::DeadlineWithoutReservation,
        Self::DeadlineNotInFuture,
        Self::ClosingWithReservation,
        Self::ClosingHasPending,
        Self::NotTwoPhase,
        Self::AlreadyPosted,
        Self::AlreadyVoided,
        Self::PostExceedsReserved,
        Self::TransferUnknown,
        Self::AlreadyExpired,
        Self::LinkedEventFailed,
        Self::LinkedEventChainOpen,
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
            Self::AccountUnknown => "account_unknown",
            Self::AccountClosed => "account_closed",
            Self::AccountHasPending => "account_has_pending",
            Self::TransferIdZero => "transfer_id_zero",
            Self::TransferExistsDifferent => "transfer_exists_different",
            Self::SameAccount => "same_account",
            Self::CurrencyMismatch => "currency_mismatch",
            Self::TooManyTransfers => "too_many_transfers",
            Self::DebitLimitExceeded => "debit_limit_exceeded",
            Self::DebitAccountUnknown => "debit_account_unknown",
            Self::CreditAccountUnknown => "credit_account_unknown",
            Self::DebitAccountClosed => "debit_account_closed",
            Self::CreditAccountClosed => "credit_account_closed",
            Self::DebitAccountFrozen => "debit_account_frozen",
            Self::CreditAccountFrozen => "credit_account_frozen",
            Self::CreditLimitExceeded => "credit_limit_exceeded",
            Self::NothingAvailable => "nothing_available",
            Self::DeadlineWithoutReservation => "deadline_without_reservation",
            Self::DeadlineNotInFuture => "deadline_not_in_future",
            Self::ClosingWithReservation => "closing_with_reservation",
            Self::ClosingHasPending => "closing_has_pending",
            Self::NotTwoPhase => "not_two_phase",
            Self::AlreadyPosted => "already_posted",
            Self::AlreadyVoided => "already_voided",
            Self::PostExceedsReserved => "post_exceeds_reserved",
            Self::TransferUnknown => "transfer_unknown",
            Self::AlreadyExpired => "already_expired",
            Self::LinkedEventFailed => "linked_event_failed",
            Self::LinkedEventChainOpen => "linked_event_chain_open",
        }
    }

    /// May the same request succeed later, unchanged?
    pub const fn is_transient(self) -> bool {
        match self {
            Self::AccountHasPending
            | Self::DebitLimitExceeded
            | Self::DebitAccountFrozen
            | Self::CreditAccountFrozen
            | Self::CreditLimitExceeded
            | Self::NothingAvailable
            | Self::ClosingHasPending => true,
            Self::AccountIdZero
            | Self::AccountExistsDifferent
            | Self::CapWithoutLimit
            | Self::CapTooHigh
            | Self::TooManyAccounts
            | Self::AccountUnknown
            | Self::AccountClosed
            | Self::TransferIdZero
            | Self::TransferExistsDifferent
            | Self::SameAccount
            | Self::CurrencyMismatch
            | Self::TooManyTransfers
            | Self::DebitAccountUnknown
            | Self::CreditAccountUnknown
            | Self::DebitAccountClosed
            | Self::CreditAccountClosed
            | Self::DeadlineWithoutReservation
            | Self::DeadlineNotInFuture
            | Self::ClosingWithReservation
            | Self::NotTwoPhase
            | Self::AlreadyPosted
            | Self::AlreadyVoided
            | Self::PostExceedsReserved
            | Self::TransferUnknown
            | Self::AlreadyExpired
            | Self::LinkedEventFailed
            | Self::LinkedEventChainOpen => false,
        }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl std::error::Error for Reject {}
