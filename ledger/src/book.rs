//! The book: accounts, transfers, and the verbs that change them.
//!
//! A deterministic state machine in memory: same calls in the same order, same state, same [`Book::digest`]. It has no clock,
//! does no I/O and knows nothing of the journal. Every verb checks everything in the documented order, then applies without
//! failing, then asserts.

use core::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::account::{Account, AccountFlags, AccountId, AccountIndex, AccountSpec, Sides};
use crate::amount::{Amount, Currency};
use crate::limits::{ACCOUNTS_MAX, CAP_MAX, TRANSFERS_MAX};
use crate::result::{Applied, Reject};
use crate::transfer::{Movement, Transfer, TransferId, TransferIndex, TransferState};

/// How much a book may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookOptions {
    /// At most [`ACCOUNTS_MAX`].
    pub accounts_max: u32,
    /// At most [`TRANSFERS_MAX`].
    pub transfers_max: u32,
    /// Room to make at once, so that tables do not grow in the middle of the day.
    pub transfers_expected: u32,
}

impl Default for BookOptions {
    fn default() -> BookOptions {
        BookOptions { accounts_max: ACCOUNTS_MAX, transfers_max: TRANSFERS_MAX, transfers_expected: 0 }
    }
}

/// Posted debits and credits of all accounts in one currency, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrencyTotals {
    /// The currency.
    pub currency: Currency,
    /// Sum of `debits_posted`.
    pub debits: u128,
    /// Sum of `credits_posted`.
    pub credits: u128,
    /// Sum of `debits_pending`.
    pub debits_pending: u128,
    /// Sum of `credits_pending`.
    pub credits_pending: u128,
}

/// Accounts and transfers with all their rules.
pub struct Book {
    accounts: Vec<Account>,
    transfers: Vec<Transfer>,
    /// From id to place in the Vec. Never iterated: its order, which differs from process to process (so that nobody can
    /// choose ids that collide), cannot reach the state.
    account_table: HashTable<u32>,
    transfer_table: HashTable<u32>,
    hasher: RandomState,
    /// In order of the first account opened in each.
    currencies: Vec<(Currency, Sides)>,
    options: BookOptions,
}

impl Default for Book {
    fn default() -> Book {
        Book::new(BookOptions::default())
    }
}

impl Book {
    /// An empty book.
    pub fn new(options: BookOptions) -> Book {
        let expected = options.transfers_expected.min(options.transfers_max) as usize;
        Book {
            accounts: Vec::new(),
            transfers: Vec::with_capacity(expected),
            account_table: HashTable::new(),
            transfer_table: HashTable::with_capacity(expected),
            hasher: RandomState::default(),
            currencies: Vec::new(),
            options,
        }
    }

    /// Opens an account. One that exists with the same currency, code and flags is found again (its cap stays).
    pub fn open(&mut self, spec: AccountSpec) -> Result<AccountIndex, Reject> {
        if spec.id.0 == 0 {
            return Err(Reject::AccountIdZero);
        }
        if let Some(index) = self.find(spec.id) {
            return if self.account(index).was_opened_as(&spec) {
                Ok(index)
            } else {
                Err(Reject::AccountExistsDifferent)
            };
        }
        check_cap(spec.flags, spec.cap)?;
        if self.accounts.len() >= self.options.accounts_max as usize {
            return Err(Reject::TooManyAccounts);
        }

        // From here the opening must succeed.
        let index = AccountIndex(dense(self.accounts.len()));
        let currency_number = self.currency_number(spec.currency);
        self.accounts.push(Account::open(spec, currency_number));
        let (accounts, hasher) = (&self.accounts, &self.hasher);
        self.account_table
            .insert_unique(hasher.hash_one(spec.id), index.0, |at| hasher.hash_one(accounts[*at as usize].id()));

        assert_eq!(self.account_table.len(), self.accounts.len());
        Ok(index)
    }

    /// Sets how far the debits of a limited account may exceed its posted credits. A cap below what is in use undoes nothing;
    /// it refuses new debits until there is room again.
    pub fn set_cap(&mut self, account: AccountIndex, cap: u128) -> Result<(), Reject> {
        check_cap(self.account(account).flags(), cap)?;
        self.accounts[account.at()].set_cap(cap);
        Ok(())
    }

    /// Moves money in one step.
    pub fn move_now(&mut self, movement: Movement) -> Result<Applied, Reject> {
        if let Some(applied) = self.check_movement(&movement, false)? {
            return Ok(applied);
        }

        // From here the movement must succeed.
        let (debit, credit, total) = self.sides_of(movement.debit, movement.credit);
        debit.debit(movement.amount, total);
        credit.credit(movement.amount, total);
        Ok(self.remember(Transfer::moved(movement)))
    }

    /// Holds money: pending on both accounts until it is posted or voided.
    pub fn reserve(&mut self, movement: Movement) -> Result<Applied, Reject> {
        if let Some(applied) = self.check_movement(&movement, true)? {
            return Ok(applied);
        }

        // From here the reservation must succeed.
        let (debit, credit, total) = self.sides_of(movement.debit, movement.credit);
        debit.reserve_debit(movement.amount, total);
        credit.reserve_credit(movement.amount, total);
        Ok(self.remember(Transfer::reserved(movement)))
    }

    /// Moves a reservation, whole or in part; the rest of it is released.
    ///
    /// # Panics
    /// When the handle is not of this book.
    pub fn post(&mut self, index: TransferIndex, amount: Amount) -> Result<Applied, Reject> {
        let transfer = self.transfer(index);
        let (debit, credit, reserved) = (transfer.debit(), transfer.credit(), transfer.amount());
        match transfer.state() {
            TransferState::Moved => return Err(Reject::NotTwoPhase),
            TransferState::Posted if transfer.moved_amount() == Some(amount) => {
                return Ok(Applied { index, repeated: true });
            }
            TransferState::Posted => return Err(Reject::AlreadyPosted),
            TransferState::Voided => return Err(Reject::AlreadyVoided),
            TransferState::Reserved if amount > reserved => return Err(Reject::PostExceedsReserved),
            TransferState::Reserved => {}
        }

        // From here the posting must succeed. It needs no headroom: what it debits was held.
        self.transfers[index.at()].post(amount);
        let (debit, credit, total) = self.sides_of(debit, credit);
        debit.release_debit(reserved, total);
        credit.release_credit(reserved, total);
        debit.debit(amount, total);
        credit.credit(amount, total);
        Ok(Applied { index, repeated: false })
    }

    /// Releases a reservation.
    ///
    /// # Panics
    /// When the handle is not of this book.
    pub fn void(&mut self, index: TransferIndex) -> Result<Applied, Reject> {
        let transfer = self.transfer(index);
        let (debit, credit, reserved) = (transfer.debit(), transfer.credit(), transfer.amount());
        match transfer.state() {
            TransferState::Moved => return Err(Reject::NotTwoPhase),
            TransferState::Voided => return Ok(Applied { index, repeated: true }),
            TransferState::Posted => return Err(Reject::AlreadyPosted),
            TransferState::Reserved => {}
        }

        // From here the release must succeed.
        self.transfers[index.at()].void();
        let (debit, credit, total) = self.sides_of(debit, credit);
        debit.release_debit(reserved, total);
        credit.release_credit(reserved, total);
        Ok(Applied { index, repeated: false })
    }

    /// The handle of an account.
    pub fn find(&self, id: AccountId) -> Option<AccountIndex> {
        self.account_table
            .find(self.hasher.hash_one(id), |at| self.accounts[*at as usize].id() == id)
            .map(|at| AccountIndex(*at))
    }

    /// An account.
    ///
    /// # Panics
    /// When the handle is not of this book.
    pub fn account(&self, index: AccountIndex) -> &Account {
        &self.accounts[index.at()]
    }

    /// All accounts in order of opening.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// The handle of a transfer.
    pub fn find_transfer(&self, id: TransferId) -> Option<TransferIndex> {
        self.transfer_table
            .find(self.hasher.hash_one(id), |at| self.transfers[*at as usize].id() == id)
            .map(|at| TransferIndex(*at))
    }

    /// A transfer.
    ///
    /// # Panics
    /// When the handle is not of this book.
    pub fn transfer(&self, index: TransferIndex) -> &Transfer {
        &self.transfers[index.at()]
    }

    /// All transfers in order of making.
    pub fn transfers(&self) -> &[Transfer] {
        &self.transfers
    }

    /// Asserts that in every currency debits equal credits, posted and pending both. The running totals of the two sides are
    /// kept apart, so this costs four additions a transfer and a few comparisons here: cheap enough for every batch end.
    ///
    /// # Panics
    /// When money was made or lost: a bug, and the process must stop.
    pub fn assert_balanced(&self) {
        for (currency, sides) in &self.currencies {
            assert_eq!(sides.debits_posted, sides.credits_posted, "posted {currency} must balance");
            assert_eq!(sides.debits_pending, sides.credits_pending, "pending {currency} must balance");
        }
    }

    /// Both sides per currency, in the order of the currencies' letters, counted anew over all accounts.
    ///
    /// # Panics
    /// When the count disagrees with the running totals.
    pub fn totals(&self) -> Vec<CurrencyTotals> {
        let mut recount = vec![Sides::default(); self.currencies.len()];
        for account in &self.accounts {
            let sides = &mut recount[account.currency_number()];
            sides.debits_pending += account.debits_pending();
            sides.debits_posted += account.debits_posted();
            sides.credits_pending += account.credits_pending();
            sides.credits_posted += account.credits_posted();
        }
        let mut totals = Vec::with_capacity(recount.len());
        for ((currency, kept), counted) in self.currencies.iter().zip(&recount) {
            assert_eq!(kept, counted, "running totals of {currency} must be the accounts' sum");
            totals.push(CurrencyTotals {
                currency: *currency,
                debits: counted.debits_posted,
                credits: counted.credits_posted,
                debits_pending: counted.debits_pending,
                credits_pending: counted.credits_pending,
            });
        }
        totals.sort_by_key(|total| total.currency);
        totals
    }

    /// BLAKE3 of the whole state. Equal digests mean equal books, on every machine.
    ///
    /// The bytes, integers little-endian, in this order:
    ///
    /// | bytes | what |
    /// |---|---|
    /// | 8 | `CLSPBOOK` |
    /// | 2 | version, 0 |
    /// | 4, 4 | number of accounts, number of transfers |
    /// | 103 each | accounts in order of opening: id 16, currency 3, code 2, flags 2, cap 16, debits pending 16, debits posted 16, credits pending 16, credits posted 16 |
    /// | 41 each | transfers in order of making: id 16, debit 4, credit 4, amount 8, moved amount 8 (0: none), state 1 |
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"CLSPBOOK");
        hasher.update(&0u16.to_le_bytes());
        hasher.update(&dense(self.accounts.len()).to_le_bytes());
        hasher.update(&dense(self.transfers.len()).to_le_bytes());
        for account in &self.accounts {
            hasher.update(&account_bytes(account));
        }
        for transfer in &self.transfers {
            hasher.update(&transfer_bytes(transfer));
        }
        *hasher.finalize().as_bytes()
    }

    /// Every check of a movement, in order of precedence. `Some` is the first result of a repetition.
    fn check_movement(&self, movement: &Movement, two_phase: bool) -> Result<Option<Applied>, Reject> {
        if movement.id.0 == 0 {
            return Err(Reject::TransferIdZero);
        }
        if let Some(index) = self.find_transfer(movement.id) {
            return if self.transfer(index).was_made_as(movement, two_phase) {
                Ok(Some(Applied { index, repeated: true }))
            } else {
                Err(Reject::TransferExistsDifferent)
            };
        }
        if movement.debit == movement.credit {
            return Err(Reject::SameAccount);
        }
        let (debit, credit) = (self.account(movement.debit), self.account(movement.credit));
        if debit.currency() != credit.currency() {
            return Err(Reject::CurrencyMismatch);
        }
        if self.transfers.len() >= self.options.transfers_max as usize {
            return Err(Reject::TooManyTransfers);
        }
        if !debit.has_headroom(movement.amount) {
            return Err(Reject::DebitLimitExceeded);
        }
        Ok(None)
    }

    /// The two accounts of a checked movement and the totals of their currency.
    fn sides_of(&mut self, debit: AccountIndex, credit: AccountIndex) -> (&mut Account, &mut Account, &mut Sides) {
        let [debit, credit] =
            self.accounts.get_disjoint_mut([debit.at(), credit.at()]).expect("two different accounts of this book");
        assert_eq!(debit.currency_number(), credit.currency_number());
        let total = &mut self.currencies[debit.currency_number()].1;
        (debit, credit, total)
    }

    fn remember(&mut self, transfer: Transfer) -> Applied {
        let (id, index) = (transfer.id(), dense(self.transfers.len()));
        self.transfers.push(transfer);
        let (transfers, hasher) = (&self.transfers, &self.hasher);
        self.transfer_table
            .insert_unique(hasher.hash_one(id), index, |at| hasher.hash_one(transfers[*at as usize].id()));

        assert_eq!(self.transfer_table.len(), self.transfers.len());
        Applied { index: TransferIndex(index), repeated: false }
    }

    fn currency_number(&mut self, currency: Currency) -> u16 {
        let known = self.currencies.iter().position(|(other, _)| *other == currency);
        let number = known.unwrap_or_else(|| {
            self.currencies.push((currency, Sides::default()));
            self.currencies.len() - 1
        });
        u16::try_from(number).expect("there are fewer currencies than numbers, limits.rs")
    }
}

fn check_cap(flags: AccountFlags, cap: u128) -> Result<(), Reject> {
    if cap != 0 && !flags.contains(AccountFlags::DEBITS_LIMITED) {
        return Err(Reject::CapWithoutLimit);
    }
    if cap > CAP_MAX {
        return Err(Reject::CapTooHigh);
    }
    Ok(())
}

/// A length that the limits keep within a handle.
fn dense(length: usize) -> u32 {
    u32::try_from(length).expect("accounts and transfers are limited to u32, limits.rs")
}

fn account_bytes(account: &Account) -> [u8; 103] {
    let mut bytes = [0; 103];
    bytes[0..16].copy_from_slice(&account.id().0.to_le_bytes());
    bytes[16..19].copy_from_slice(&account.currency().bytes());
    bytes[19..21].copy_from_slice(&account.code().to_le_bytes());
    bytes[21..23].copy_from_slice(&account.flags().bits().to_le_bytes());
    bytes[23..39].copy_from_slice(&account.cap().to_le_bytes());
    bytes[39..55].copy_from_slice(&account.debits_pending().to_le_bytes());
    bytes[55..71].copy_from_slice(&account.debits_posted().to_le_bytes());
    bytes[71..87].copy_from_slice(&account.credits_pending().to_le_bytes());
    bytes[87..103].copy_from_slice(&account.credits_posted().to_le_bytes());
    bytes
}

fn transfer_bytes(transfer: &Transfer) -> [u8; 41] {
    let mut bytes = [0; 41];
    let moved = transfer.moved_amount().map_or(0, Amount::minor_units);
    bytes[0..16].copy_from_slice(&transfer.id().0.to_le_bytes());
    bytes[16..20].copy_from_slice(&transfer.debit().get().to_le_bytes());
    bytes[20..24].copy_from_slice(&transfer.credit().get().to_le_bytes());
    bytes[24..32].copy_from_slice(&transfer.amount().minor_units().to_le_bytes());
    bytes[32..40].copy_from_slice(&moved.to_le_bytes());
    bytes[40] = transfer.state().number();
    bytes
}
