//! Balances recomputed from accepted requests alone, and compared with a book.
//!
//! The [`Auditor`] shares no code with the [`Book`]: ordered maps by id, signed sums, each request written out as what it does
//! to four numbers. It checks no business rule twice; what it finds impossible (money from an account it has never seen, a
//! posting of what is not held) it says. It reads requests as a journal holds them, so it needs no book to do its sums.
//!
//! Memory: accounts, and the reservations that are open; what is final is forgotten.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use crate::account::{AccountId, AccountStatus};
use crate::amount::Currency;
use crate::book::Book;
use crate::request::{Request, TransferSpec};
use crate::transfer::{TransferFlags, TransferId};

/// Where the sums and the book, or the requests among themselves, do not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// An accepted request speaks of an account that no accepted request has opened.
    AccountUnknown(AccountId),
    /// An accepted request ends a reservation that no accepted request has made, or that is over.
    ReservationUnknown(TransferId),
    /// A number of an account is not what the requests sum up to.
    Differs {
        /// The account.
        account: AccountId,
        /// Which of its numbers.
        what: &'static str,
        /// What the requests sum up to.
        audited: i128,
        /// What the book says.
        book: i128,
    },
    /// Accounts are missing in the book, or there are too many.
    AccountCount {
        /// How many were opened.
        audited: usize,
        /// How many the book has.
        book: usize,
    },
    /// Debits and credits of a currency differ.
    Unbalanced(Currency),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::AccountUnknown(id) => write!(f, "account {:032x} was never opened", id.0),
            Finding::ReservationUnknown(id) => write!(f, "transfer {:032x} is not held", id.0),
            Finding::Differs { account, what, audited, book } => {
                write!(f, "account {:032x}: {what} is {book} in the book and {audited} by the requests", account.0)
            }
            Finding::AccountCount { audited, book } => {
                write!(f, "the book has {book} accounts, the requests opened {audited}")
            }
            Finding::Unbalanced(currency) => write!(f, "debits and credits of {currency} differ"),
        }
    }
}

impl std::error::Error for Finding {}

struct AuditedAccount {
    currency: Currency,
    cap: i128,
    credit_cap: i128,
    debits_pending: i128,
    debits_posted: i128,
    credits_pending: i128,
    credits_posted: i128,
    /// As [`AccountStatus::number`].
    status: u8,
}

struct Held {
    debit: AccountId,
    credit: AccountId,
    amount: i128,
    deadline: Option<(u64, u64)>,
}

/// Sums up accepted requests.
#[derive(Default)]
pub struct Auditor {
    accounts: BTreeMap<AccountId, AuditedAccount>,
    held: BTreeMap<TransferId, Held>,
    /// Deadline, order of making.
    deadlines: BTreeMap<(u64, u64), TransferId>,
    made: u64,
}

impl Auditor {
    /// Adds a request that was accepted, and not as a repetition. Requests come in the order of their application.
    pub fn accept(&mut self, request: &Request) -> Result<(), Finding> {
        match *request {
            Request::Open(spec) => {
                let account = AuditedAccount {
                    currency: spec.currency,
                    cap: signed(spec.cap),
                    credit_cap: signed(spec.credit_cap),
                    debits_pending: 0,
                    debits_posted: 0,
                    credits_pending: 0,
                    credits_posted: 0,
                    status: 0,
                };
                self.accounts.insert(spec.id, account);
                Ok(())
            }
            Request::SetCap { account, cap } => self.change(account, |account| account.cap = signed(cap)),
            Request::SetCreditCap { account, cap } => self.change(account, |account| account.credit_cap = signed(cap)),
            Request::Freeze(account) => self.change(account, |account| account.status = 1),
            Request::Thaw(account) => self.change(account, |account| account.status = 0),
            Request::Close(account) => self.change(account, |account| account.status = 2),
            Request::Transfer(spec) => self.make(&spec),
            Request::Post { transfer, amount } => self.end(transfer, |held| match amount {
                Some(amount) => i128::from(amount.minor_units()),
                None => held,
            }),
            Request::Void { transfer } => self.end(transfer, |_| 0),
        }
    }

    /// Lets expire what [`Book::expire`] was told to, and says what that is.
    pub fn expire(&mut self, now_ns: u64, transfers_max: usize) -> Result<Vec<TransferId>, Finding> {
        let due: Vec<TransferId> =
            self.deadlines.range(..=(now_ns, u64::MAX)).take(transfers_max).map(|(_, id)| *id).collect();
        for id in &due {
            self.end(*id, |_| 0)?;
        }
        Ok(due)
    }

    /// Compares every account, both ways; the first difference is the answer.
    pub fn compare(&self, book: &Book) -> Result<(), Finding> {
        if book.accounts().len() != self.accounts.len() {
            return Err(Finding::AccountCount { audited: self.accounts.len(), book: book.accounts().len() });
        }
        for (id, audited) in &self.accounts {
            let index = book.find(*id).ok_or(Finding::AccountUnknown(*id))?;
            let (account, details) = (book.account(index), book.account_details(index));
            let numbers = [
                ("debits_pending", audited.debits_pending, account.debits_pending()),
                ("debits_posted", audited.debits_posted, account.debits_posted()),
                ("credits_pending", audited.credits_pending, account.credits_pending()),
                ("credits_posted", audited.credits_posted, account.credits_posted()),
                ("cap", audited.cap, account.cap()),
                ("credit_cap", audited.credit_cap, details.credit_cap()),
                ("status", i128::from(audited.status), u128::from(account.status().number())),
            ];
            for (what, audited, book) in numbers {
                if audited != signed(book) {
                    return Err(Finding::Differs { account: *id, what, audited, book: signed(book) });
                }
            }
        }
        self.balance()
    }

    /// Debits against credits, of each currency, by the requests alone.
    pub fn balance(&self) -> Result<(), Finding> {
        let mut pending: BTreeMap<Currency, i128> = BTreeMap::new();
        let mut posted: BTreeMap<Currency, i128> = BTreeMap::new();
        for account in self.accounts.values() {
            *pending.entry(account.currency).or_default() += account.debits_pending - account.credits_pending;
            *posted.entry(account.currency).or_default() += account.debits_posted - account.credits_posted;
        }
        let unbalanced: BTreeSet<Currency> =
            pending.iter().chain(&posted).filter(|(_, sum)| **sum != 0).map(|(currency, _)| *currency).collect();
        unbalanced.first().map_or(Ok(()), |currency| Err(Finding::Unbalanced(*currency)))
    }

    fn make(&mut self, spec: &TransferSpec) -> Result<(), Finding> {
        let debit = self.accounts.get(&spec.debit).ok_or(Finding::AccountUnknown(spec.debit))?;
        let credit = self.accounts.get(&spec.credit).ok_or(Finding::AccountUnknown(spec.credit))?;
        let mut amount = i128::from(spec.amount.minor_units());
        if spec.terms.flags.contains(TransferFlags::BALANCING_DEBIT) {
            amount = amount.min(debit.credits_posted - debit.debits_posted - debit.debits_pending + debit.cap);
        }
        if spec.terms.flags.contains(TransferFlags::BALANCING_CREDIT) {
            amount =
                amount.min(credit.debits_posted - credit.credits_posted - credit.credits_pending + credit.credit_cap);
        }
        self.made += 1;
        if spec.two_phase {
            self.change(spec.debit, |account| account.debits_pending += amount)?;
            self.change(spec.credit, |account| account.credits_pending += amount)?;
            let deadline = (spec.terms.deadline_ns != 0).then_some((spec.terms.deadline_ns, self.made));
            if let Some(deadline) = deadline {
                self.deadlines.insert(deadline, spec.id);
            }
            self.held.insert(spec.id, Held { debit: spec.debit, credit: spec.credit, amount, deadline });
        } else {
            self.change(spec.debit, |account| account.debits_posted += amount)?;
            self.change(spec.credit, |account| account.credits_posted += amount)?;
        }
        if spec.terms.flags.contains(TransferFlags::CLOSING_DEBIT) {
            self.change(spec.debit, |account| account.status = AccountStatus::Closed.number())?;
        }
        if spec.terms.flags.contains(TransferFlags::CLOSING_CREDIT) {
            self.change(spec.credit, |account| account.status = AccountStatus::Closed.number())?;
        }
        Ok(())
    }

    fn end(&mut self, id: TransferId, moves: impl FnOnce(i128) -> i128) -> Result<(), Finding> {
        let held = self.held.remove(&id).ok_or(Finding::ReservationUnknown(id))?;
        if let Some(deadline) = held.deadline {
            self.deadlines.remove(&deadline);
        }
        let moved = moves(held.amount);
        self.change(held.debit, |account| {
            account.debits_pending -= held.amount;
            account.debits_posted += moved;
        })?;
        self.change(held.credit, |account| {
            account.credits_pending -= held.amount;
            account.credits_posted += moved;
        })
    }

    fn change(&mut self, id: AccountId, change: impl FnOnce(&mut AuditedAccount)) -> Result<(), Finding> {
        self.accounts.get_mut(&id).map(change).ok_or(Finding::AccountUnknown(id))
    }
}

fn signed(number: u128) -> i128 {
    i128::try_from(number).expect("sums stay far below half of u128, limits.rs")
}
