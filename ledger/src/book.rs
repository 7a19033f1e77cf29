//! The book: accounts, transfers, and the verbs that change them.
//!
//! A deterministic state machine in memory: same calls in the same order, same state, same [`Book::digest`]. It has no clock
//! (it is told the time, [`Book::advance_to`]), does no I/O and knows nothing of the journal. Every verb checks everything in
//! the documented order, then applies without failing, then asserts.
//!
//! What is held in memory: accounts, reservations, and a window of the newest final transfers ([`Book::trim`]).
//!
//! Two ways in, one set of rules. Who holds handles and needs neither terms nor chains calls [`Book::move_now`],
//! [`Book::reserve`], [`Book::post`] and [`Book::void`]; who has ids and batches calls [`Book::apply`].

mod body;
mod capture;
mod chain;
mod notes;

mod restore;
mod slots;
mod window;

pub use self::notes::{Change, Touched};
pub use self::restore::{BookPart, RestoreFault};

use std::collections::BTreeMap;

use core::hash::BuildHasher;
use core::hint::black_box;

use foldhash::fast::RandomState;

use self::capture::Capture;
use self::chain::Before;
use self::notes::Notes;
use self::slots::{DetailsTable, Slots};
use self::window::Window;
use crate::account::{
    Account, AccountDetails, AccountFlags, AccountId, AccountIndex, AccountSpec, AccountStatus, Sides,
};
use crate::amount::{Amount, Currency};
use crate::history::{Balances, History, HistoryEntry, HistoryPage, HistoryQuery};
use crate::id_table::IdTable;
use crate::limits::{ACCOUNTS_MAX, CAP_MAX, HISTORY_PER_ACCOUNT_DEFAULT, TRANSFERS_MAX};
use crate::pages::Pages;
use crate::result::{Applied, Reject};
use crate::transfer::{
    Movement, Terms, Transfer, TransferDetails, TransferFlags, TransferId, TransferIndex, TransferState,
};

/// How much a book may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookOptions {
    /// At most [`ACCOUNTS_MAX`].
    pub accounts_max: u32,
    /// Held at once; at most [`TRANSFERS_MAX`].
    pub transfers_max: u32,
    /// Room to make at once, so that tables do not grow in the middle of the day.
    pub transfers_expected: u32,
    /// So many of the newest history entries stay in memory of each account that keeps a history. 0: none does, and
    /// whoever keeps histories does so elsewhere, from [`Book::changes`]. It must be 0 where transfers leave.
    pub history_per_account_max: u32,
    /// So many final transfers stay after [`Book::trim`]; the oldest leave. `u32::MAX`: none leaves.
    pub final_transfers_max: u32,
    /// Are [`Book::changes`] kept? Then somebody has to trim the book between batches.
    pub keeps_changes: bool,
}

impl Default for BookOptions {
    fn default() -> BookOptions {
        BookOptions {
            accounts_max: ACCOUNTS_MAX,
            transfers_max: TRANSFERS_MAX,
            transfers_expected: 0,
            history_per_account_max: HISTORY_PER_ACCOUNT_DEFAULT,
            final_transfers_max: u32::MAX,
            keeps_changes: false,
        }
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

/// What [`Book::expire`] has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    /// What was released, in the order of deadlines, then of making.
    pub transfers: Vec<TransferIndex>,
    /// Is more to be released at this time? Then call again.
    pub more: bool,
}

/// Accounts and transfers with all their rules.
pub struct Book {
    accounts: Pages<Account>,
    /// Beside `accounts`, place by place.
    account_details: Pages<AccountDetails>,
    transfers: Slots,
    /// Of those transfers that have any.
    transfer_details: DetailsTable,
    account_table: IdTable,
    transfer_table: IdTable,
    hasher: RandomState,
    /// In order of the first account opened in each.
    currencies: Vec<(Currency, Sides)>,
    /// In order of opening of the accounts that keep one.
    histories: Vec<History>,
    /// By deadline, then by order of making, the place of every reservation that has a deadline: exactly those, so that a
    /// portion of them costs a portion.
    deadlines: BTreeMap<(u64, u64), u32>,
    /// Reservations with a deadline that were ever made.
    deadlines_made: u64,
    /// Exactly the transfers that are not reserved.
    window: Window,
    now_ns: u64,
    position: u64,
    floor: u64,
    notes: Notes,
    /// The bytes that are being taken.
    capture: Option<Box<Capture>>,
    run_max: u32,
    /// Must accounts or slots be looked at before they change?
    watches: bool,
    /// What a failed chain is undone by; empty between chains.
    undo: Vec<Before>,
    options: BookOptions,
}

impl Default for Book {
    fn default() -> Book {
        Book::new(BookOptions::default())
    }
}

impl Book {
    /// An empty book, at time 0.
    pub fn new(options: BookOptions) -> Book {
        assert!(
            options.history_per_account_max == 0 || options.final_transfers_max == u32::MAX,
            "a history would name transfers that have left"
        );
        let expected = options.transfers_expected.min(options.transfers_max) as usize;
        Book {
            accounts: Pages::default(),
            account_details: Pages::default(),
            transfers: Slots::default(),
            transfer_details: DetailsTable::default(),
            account_table: IdTable::with_capacity(0),
            transfer_table: IdTable::with_capacity(expected),
            hasher: RandomState::default(),
            currencies: Vec::new(),
            histories: Vec::new(),
            deadlines: BTreeMap::new(),
            deadlines_made: 0,
            window: Window::default(),
            now_ns: 0,
            position: 0,
            floor: 0,
            notes: Notes::default(),
            capture: None,
            run_max: 0,
            watches: false,
            undo: Vec::new(),
            options,
        }
    }

    /// Tells the book the time: it is what accounts are opened and closed at, what histories say, and what deadlines are
    /// compared with. Whoever uses none of these need not call it.
    ///
    /// # Panics
    /// When the time goes back.
    pub fn advance_to(&mut self, now_ns: u64) {
        assert!(self.now_ns <= now_ns, "time never goes back");
        self.now_ns = now_ns;
    }

    /// The time that the book was told last.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Opens an account. One that exists with the same currency, code, flags and references is found again (its caps stay).
    pub fn open(&mut self, spec: AccountSpec) -> Result<AccountIndex, Reject> {
        if spec.id.0 == 0 {
            return Err(Reject::AccountIdZero);
        }
        if let Some(index) = self.find(spec.id) {
            let same =
                self.account(index).was_opened_as(&spec) && self.account_details(index).references() == spec.references;
            return if same { Ok(index) } else { Err(Reject::AccountExistsDifferent) };
        }
        check_cap(spec.flags, AccountFlags::DEBITS_LIMITED, spec.cap)?;
        check_cap(spec.flags, AccountFlags::CREDITS_LIMITED, spec.credit_cap)?;
        if self.accounts.len() >= self.options.accounts_max as usize {
            return Err(Reject::TooManyAccounts);
        }

        // From here the opening must succeed.
        let index = AccountIndex(dense(self.accounts.len()));
        let currency_number = self.currency_number(spec.currency);
        let details = AccountDetails::open(&spec, self.now_ns, dense(self.histories.len()));
        self.add_account(Account::open(spec, currency_number), details);
        if spec.flags.contains(AccountFlags::HISTORY) && self.options.history_per_account_max > 0 {
            self.histories.push(History::default());
        }
        Ok(index)
    }

    /// Sets how far the debits of a limited account may exceed its posted credits. A cap below what is in use undoes nothing;
    /// it refuses new debits until there is room again.
    pub fn set_cap(&mut self, account: AccountIndex, cap: u128) -> Result<(), Reject> {
        self.check_not_closed(account)?;
        check_cap(self.account(account).flags(), AccountFlags::DEBITS_LIMITED, cap)?;
        self.before_account(account);
        self.accounts.get_mut(account.at()).set_cap(cap);
        Ok(())
    }

    /// Sets how far the credits of a limited account may exceed its posted debits, as [`Book::set_cap`] does for debits.
    pub fn set_credit_cap(&mut self, account: AccountIndex, cap: u128) -> Result<(), Reject> {
        self.check_not_closed(account)?;
        check_cap(self.account(account).flags(), AccountFlags::CREDITS_LIMITED, cap)?;
        self.before_account(account);
        self.account_details.get_mut(account.at()).set_credit_cap(cap);
        Ok(())
    }

    /// Lets no new movement touch the account. What is pending may still be posted, voided, or expire: it was promised before.
    pub fn freeze(&mut self, account: AccountIndex) -> Result<(), Reject> {
        self.check_not_closed(account)?;
        self.before_account(account);
        self.accounts.get_mut(account.at()).set_status(AccountStatus::Frozen);
        Ok(())
    }

    /// Ends a freeze.
    pub fn thaw(&mut self, account: AccountIndex) -> Result<(), Reject> {
        self.check_not_closed(account)?;
        self.before_account(account);
        self.accounts.get_mut(account.at()).set_status(AccountStatus::Open);
        Ok(())
    }

    /// Closes an account for good, whatever it holds. Nothing may be pending on it. Closed again, it stays closed.
    pub fn close(&mut self, account: AccountIndex) -> Result<(), Reject> {
        if self.account(account).status() == AccountStatus::Closed {
            return Ok(());
        }
        if self.account(account).has_pending() {
            return Err(Reject::AccountHasPending);
        }

        // From here the closing must succeed.
        self.set_closed(account);
        Ok(())
    }

    /// Moves money in one step.
    pub fn move_now(&mut self, movement: Movement) -> Result<Applied, Reject> {
        match self.claim_plain(&movement) {
            // From here the movement must succeed.
            Some(place) => Ok(self.make_moved(movement, &Terms::NONE, place)),
            None => self.transfer_with(movement, &Terms::NONE, false),
        }
    }

    /// Moves money that is part of another transfer and has no name of its own: a fee that goes along with a payment. It is never repeated, and no
    /// account of it is limited, so it cannot be refused; whoever makes it keeps what it was.
    ///
    /// # Panics
    /// When the accounts are one, differ in currency, are not open, keep a history, or have a limit on the side that it moves.
    pub fn move_leg(&mut self, debit: AccountIndex, credit: AccountIndex, amount: Amount) {
        let (giving, taking) = (self.account(debit), self.account(credit));
        assert!(giving.is_open() && giving.headroom().is_none(), "a leg debits an account without a limit");
        assert!(taking.is_plain_credit(), "a leg credits an account without a limit");
        let has_history = self.change_sides(
            (debit, credit),
            |account, total| account.debit(amount, total),
            |account, total| account.credit(amount, total),
        );
        assert!(!has_history, "a leg has no place in a history");
    }

    /// Holds money: pending on both accounts until it is posted or voided.
    pub fn reserve(&mut self, movement: Movement) -> Result<Applied, Reject> {
        match self.claim_plain(&movement) {
            // From here the reservation must succeed.
            Some(place) => Ok(self.make_reserved(movement, &Terms::NONE, place)),
            None => self.transfer_with(movement, &Terms::NONE, true),
        }
    }

    /// Moves or reserves, with terms.
    pub fn transfer_with(&mut self, movement: Movement, terms: &Terms, two_phase: bool) -> Result<Applied, Reject> {
        let amount = match self.check_transfer(&movement, terms, two_phase)? {
            Checked::Repeated(index) => return Ok(Applied { index, repeated: true }),
            Checked::New(amount) => amount,
        };

        // From here the transfer must succeed.
        let actual = Movement { amount, ..movement };
        let place = self.claim(movement.id).expect("its id was looked for among the checks");
        let applied =
            if two_phase { self.make_reserved(actual, terms, place) } else { self.make_moved(actual, terms, place) };
        let has_deadline = terms.deadline_ns != 0;
        self.deadlines_made += u64::from(has_deadline);
        let deadline_number = if has_deadline { self.deadlines_made } else { 0 };
        if let Some(details) = TransferDetails::needed(movement.amount, terms, deadline_number) {
            self.put_details(applied.index, details);
        }
        if has_deadline {
            self.deadlines.insert((terms.deadline_ns, deadline_number), applied.index.get());
        }
        if terms.flags.contains(TransferFlags::CLOSING_DEBIT) {
            self.set_closed(movement.debit);
        }
        if terms.flags.contains(TransferFlags::CLOSING_CREDIT) {
            self.set_closed(movement.credit);
        }
        Ok(applied)
    }

    /// Moves a reservation, whole or in part; the rest of it is released.
    ///
    /// # Panics
    /// When the handle is not of this book.
    pub fn post(&mut self, index: TransferIndex, amount: Amount) -> Result<Applied, Reject> {
        let transfer = self.transfer(index);
        let (debit, credit, reserved) = (transfer.debit(), transfer.credit(), transfer.amount());
        let has_details = transfer.details_at().is_some();
        match transfer.state() {
            TransferState::Moved => return Err(Reject::NotTwoPhase),
            TransferState::Posted if transfer.moved_amount() == Some(amount) => {
                return Ok(Applied { index, repeated: true });
            }
            TransferState::Posted => return Err(Reject::AlreadyPosted),
            TransferState::Voided => return Err(Reject::AlreadyVoided),
            TransferState::Expired => return Err(Reject::AlreadyExpired),
            TransferState::Reserved if has_details && self.is_overdue(transfer) => return Err(Reject::AlreadyExpired),
            TransferState::Reserved if amount > reserved => return Err(Reject::PostExceedsReserved),
            TransferState::Reserved => {}
        }

        // From here the posting must succeed. It needs no headroom: what it debits was held.
        if has_details {
            self.forget_deadline(index);
        }
        let position = self.position;
        self.transfer_mut(index).post(amount, position);
        let history = self.change_sides(
            (debit, credit),
            |account, total| {
                account.release_debit(reserved, total);
                account.debit(amount, total);
            },
            |account, total| {
                account.release_credit(reserved, total);
                account.credit(amount, total);
            },
        );
        self.window.push(index.get());
        self.note(index, TransferState::Posted, history);
        Ok(Applied { index, repeated: false })
    }

    /// Releases a reservation.
    ///
    /// # Panics
    /// When the handle is not of this book.
    pub fn void(&mut self, index: TransferIndex) -> Result<Applied, Reject> {
        let transfer = self.transfer(index);
        match transfer.state() {
            TransferState::Moved => return Err(Reject::NotTwoPhase),
            TransferState::Voided => return Ok(Applied { index, repeated: true }),
            TransferState::Posted => return Err(Reject::AlreadyPosted),
            TransferState::Expired => return Err(Reject::AlreadyExpired),
            TransferState::Reserved if self.is_overdue(transfer) => return Err(Reject::AlreadyExpired),
            TransferState::Reserved => {}
        }

        // From here the release must succeed.
        let position = self.position;
        self.transfer_mut(index).void(position);
        self.release(index, TransferState::Voided);
        Ok(Applied { index, repeated: false })
    }

    /// Releases reservations whose deadline is not after `now_ns`, at most `transfers_max` of them, the earliest deadline
    /// first, among equals the one made first. What was not yet released is no longer posted nor voided either, so that the
    /// size of the portions decides no outcome.
    ///
    /// # Panics
    /// When the time goes back.
    pub fn expire(&mut self, now_ns: u64, transfers_max: usize) -> Expired {
        self.advance_to(now_ns);
        let mut transfers = Vec::new();
        while transfers.len() < transfers_max
            && let Some(index) = self.first_overdue()
        {
            let position = self.position;
            self.transfer_mut(index).expire(position);
            self.release(index, TransferState::Expired);
            transfers.push(index);
        }
        self.assert_balanced();
        Expired { transfers, more: self.first_overdue().is_some() }
    }

    /// The earliest deadline of a reservation, to know when to call [`Book::expire`] next.
    pub fn next_deadline_ns(&self) -> Option<u64> {
        self.deadlines.first_key_value().map(|((deadline, _), _)| *deadline)
    }

    /// The handle of an account.
    pub fn find(&self, id: AccountId) -> Option<AccountIndex> {
        let is_it = |at| self.accounts.get(at as usize).id() == id;
        self.account_table.find(self.hasher.hash_one(id), is_it).map(AccountIndex)
    }

    /// Reads what the next movements by handle will ask for. One after the other, each would wait for memory; [`Book::apply`] does it by itself.
    /// Of use for [`LOOK_AHEAD_IDS`](crate::limits::LOOK_AHEAD_IDS) at a time.
    pub fn look_ahead(&self, ids: impl IntoIterator<Item = TransferId>) {
        // It is of no use but for having been read, which no compiler may leave out.
        black_box(ids.into_iter().fold(0, |all, id| all ^ self.touch_new(id)));
    }

    /// Of an id that is probably new: where its place would be known.
    #[inline]
    fn touch_new(&self, id: TransferId) -> u64 {
        self.transfer_table.touch(self.hash(id))
    }

    /// An account.
    ///
    /// # Panics
    /// When the handle is not of this book.
    pub fn account(&self, index: AccountIndex) -> &Account {
        self.accounts.get(index.at())
    }

    /// What few movements need to know of an account.
    ///
    /// # Panics
    /// When the handle is not of this book.
    pub fn account_details(&self, index: AccountIndex) -> &AccountDetails {
        self.account_details.get(index.at())
    }

    /// All accounts in order of opening.
    pub fn accounts(&self) -> impl ExactSizeIterator<Item = &Account> + DoubleEndedIterator {
        self.accounts.iter()
    }

    /// The handle of a transfer.
    pub fn find_transfer(&self, id: TransferId) -> Option<TransferIndex> {
        self.find_hashed(id, self.hash(id))
    }

    /// A transfer.
    ///
    /// # Panics
    /// When the handle is not of this book, or the transfer has left.
    #[inline]
    pub fn transfer(&self, index: TransferIndex) -> &Transfer {
        self.transfers.get(index.get())
    }

    /// The references, deadline and asked amount of a transfer that has any of them.
    ///
    /// # Panics
    /// When the handle is not of this book.
    pub fn transfer_details(&self, index: TransferIndex) -> Option<&TransferDetails> {
        self.transfer(index).details_at().map(|at| self.transfer_details.get(at))
    }

    /// All transfers that are held, with their handles, in the order of these: where none ever leaves, in order of making.
    pub fn transfers(&self) -> impl DoubleEndedIterator<Item = (TransferIndex, &Transfer)> {
        self.transfers.iter().map(|(place, transfer)| (TransferIndex(place), transfer))
    }

    /// How many transfers are held.
    pub fn transfers_len(&self) -> usize {
        self.transfers.held() as usize
    }

    /// A part of what the balances of an account were; `None` when it keeps no history. Costs two binary searches and the
    /// entries of the page.
    ///
    /// # Panics
    /// When the handle is not of this book.
    pub fn history(&self, account: AccountIndex, query: &HistoryQuery) -> Option<HistoryPage> {
        self.history_of(account).map(|history| history.page(query))
    }

    /// The balances of an account as they were at the end of a time. `None` when it keeps no history, or what was then has
    /// left the memory.
    ///
    /// # Panics
    /// When the handle is not of this book.
    pub fn balances_at(&self, account: AccountIndex, time_ns: u64) -> Option<Balances> {
        let history = self.history_of(account)?;
        match history.at(time_ns) {
            Some(entry) => Some(entry.balances),
            None => (history.left_count() == 0).then(Balances::default),
        }
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
        for account in self.accounts.iter() {
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

    #[inline]
    fn find_hashed(&self, id: TransferId, hash: u64) -> Option<TransferIndex> {
        self.transfer_table.find(hash, |at| self.transfers.get(at).id() == id).map(TransferIndex)
    }

    #[inline]
    fn hash(&self, id: TransferId) -> u64 {
        self.hasher.hash_one(id)
    }

    /// What most movements need: every check of one without terms between accounts without a rarer rule, and a place for it,
    /// known by its id. `None`: something is refused, repeated or rare, and nothing has been done; then
    /// [`Book::transfer_with`] decides, and there is one order of precedence for all.
    #[inline(always)]
    fn claim_plain(&mut self, movement: &Movement) -> Option<u32> {
        let (debit, credit) = (self.account(movement.debit), self.account(movement.credit));
        let plain = movement.id.0 != 0
            && movement.debit != movement.credit
            && debit.currency_number() == credit.currency_number()
            && debit.is_open()
            && credit.is_plain_credit()
            && debit.has_headroom(movement.amount)
            && self.transfers.held() < self.options.transfers_max;
        if plain { self.claim(movement.id) } else { None }
    }

    /// The place for a new transfer, known by its id from here on; `None` when the id is taken.
    #[inline(always)]
    fn claim(&mut self, id: TransferId) -> Option<u32> {
        let (transfers, hasher) = (&self.transfers, &self.hasher);
        let place = transfers.next_place();
        let is_new = self.transfer_table.insert_new(hasher.hash_one(id), place, |at| transfers.get(at).id() == id);
        is_new.then_some(place)
    }

    /// Every check of a transfer, in order of precedence.
    fn check_transfer(&self, movement: &Movement, terms: &Terms, two_phase: bool) -> Result<Checked, Reject> {
        if movement.id.0 == 0 {
            return Err(Reject::TransferIdZero);
        }
        if let Some(index) = self.find_transfer(movement.id) {
            let same = self.transfer(index).was_made_as(self.transfer_details(index), movement, terms, two_phase);
            return if same { Ok(Checked::Repeated(index)) } else { Err(Reject::TransferExistsDifferent) };
        }
        if movement.debit == movement.credit {
            return Err(Reject::SameAccount);
        }
        if self.account(movement.debit).currency() != self.account(movement.credit).currency() {
            return Err(Reject::CurrencyMismatch);
        }
        self.check_terms(terms, two_phase)?;
        if self.transfers.held() >= self.options.transfers_max {
            return Err(Reject::TooManyTransfers);
        }
        self.check_accounts(movement, terms)?;
        self.check_amount(movement, terms).map(Checked::New)
    }

    fn check_terms(&self, terms: &Terms, two_phase: bool) -> Result<(), Reject> {
        if terms.deadline_ns != 0 && !two_phase {
            return Err(Reject::DeadlineWithoutReservation);
        }
        if terms.deadline_ns != 0 && terms.deadline_ns <= self.now_ns {
            return Err(Reject::DeadlineNotInFuture);
        }
        if terms.flags.is_closing() && two_phase {
            return Err(Reject::ClosingWithReservation);
        }
        Ok(())
    }

    fn check_accounts(&self, movement: &Movement, terms: &Terms) -> Result<(), Reject> {
        let (debit, credit) = (self.account(movement.debit), self.account(movement.credit));
        if debit.status() == AccountStatus::Closed {
            return Err(Reject::DebitAccountClosed);
        }
        if credit.status() == AccountStatus::Closed {
            return Err(Reject::CreditAccountClosed);
        }
        if debit.status() == AccountStatus::Frozen {
            return Err(Reject::DebitAccountFrozen);
        }
        if credit.status() == AccountStatus::Frozen {
            return Err(Reject::CreditAccountFrozen);
        }
        let closes_debit = terms.flags.contains(TransferFlags::CLOSING_DEBIT);
        let closes_credit = terms.flags.contains(TransferFlags::CLOSING_CREDIT);
        if (closes_debit && debit.has_pending()) || (closes_credit && credit.has_pending()) {
            return Err(Reject::ClosingHasPending);
        }
        Ok(())
    }

    /// How much moves: what was asked for, or less where the transfer balances.
    fn check_amount(&self, movement: &Movement, terms: &Terms) -> Result<Amount, Reject> {
        let (debit, credit) = (self.account(movement.debit), self.account(movement.credit));
        let debit_available = debit.debit_available();
        let credit_available = credit.credit_available(self.account_details(movement.credit));
        let mut minor_units = u128::from(movement.amount.minor_units());
        if terms.flags.contains(TransferFlags::BALANCING_DEBIT) {
            minor_units = minor_units.min(debit_available);
        }
        if terms.flags.contains(TransferFlags::BALANCING_CREDIT) {
            minor_units = minor_units.min(credit_available);
        }
        let amount = u64::try_from(minor_units).ok().and_then(Amount::new).ok_or(Reject::NothingAvailable)?;
        if !debit.has_headroom(amount) {
            return Err(Reject::DebitLimitExceeded);
        }
        if credit.flags().contains(AccountFlags::CREDITS_LIMITED) && credit_available < minor_units {
            return Err(Reject::CreditLimitExceeded);
        }
        Ok(amount)
    }

    fn check_not_closed(&self, account: AccountIndex) -> Result<(), Reject> {
        if self.account(account).status() == AccountStatus::Closed { Err(Reject::AccountClosed) } else { Ok(()) }
    }

    #[inline(always)]
    fn make_moved(&mut self, movement: Movement, terms: &Terms, place: u32) -> Applied {
        let history = self.change_sides(
            (movement.debit, movement.credit),
            |account, total| account.debit(movement.amount, total),
            |account, total| account.credit(movement.amount, total),
        );
        self.put(place, Transfer::moved(movement, terms, self.now_ns, self.position));
        self.window.push(place);
        self.note(TransferIndex(place), TransferState::Moved, history);
        Applied { index: TransferIndex(place), repeated: false }
    }

    #[inline(always)]
    fn make_reserved(&mut self, movement: Movement, terms: &Terms, place: u32) -> Applied {
        let history = self.change_sides(
            (movement.debit, movement.credit),
            |account, total| account.reserve_debit(movement.amount, total),
            |account, total| account.reserve_credit(movement.amount, total),
        );
        self.put(place, Transfer::reserved(movement, terms, self.now_ns));
        self.note(TransferIndex(place), TransferState::Reserved, history);
        Applied { index: TransferIndex(place), repeated: false }
    }

    /// Gives back what a reservation held, whose state says already that it is over.
    fn release(&mut self, index: TransferIndex, state: TransferState) {
        self.forget_deadline(index);
        let transfer = self.transfer(index);
        let (debit, credit, reserved) = (transfer.debit(), transfer.credit(), transfer.amount());
        let history = self.change_sides(
            (debit, credit),
            |account, total| account.release_debit(reserved, total),
            |account, total| account.release_credit(reserved, total),
        );
        self.window.push(index.get());
        self.note(index, state, history);
    }

    /// The reservation whose deadline passed first, if any has.
    fn first_overdue(&self) -> Option<TransferIndex> {
        let ((deadline_ns, _), place) = self.deadlines.first_key_value()?;
        (*deadline_ns <= self.now_ns).then_some(TransferIndex(*place))
    }

    /// A reservation at or after its deadline: over, though it may not have been swept.
    #[cold]
    fn is_overdue(&self, transfer: &Transfer) -> bool {
        transfer.details_at().is_some_and(|at| {
            let deadline_ns = self.transfer_details.get(at).deadline_ns();
            deadline_ns != 0 && deadline_ns <= self.now_ns
        })
    }

    #[cold]
    fn forget_deadline(&mut self, index: TransferIndex) {
        if let Some(deadline) = self.deadline_of(index) {
            let removed = self.deadlines.remove(&deadline);
            assert_eq!(removed, Some(index.get()), "the deadline of every reservation is known");
        }
    }

    /// The deadline and the number of a reservation that has one.
    fn deadline_of(&self, index: TransferIndex) -> Option<(u64, u64)> {
        let details = self.transfer_details(index)?;
        (details.deadline_ns() != 0).then(|| (details.deadline_ns(), details.deadline_number()))
    }

    fn set_closed(&mut self, account: AccountIndex) {
        assert!(!self.account(account).has_pending(), "nothing is pending on what is closed");
        self.before_account(account);
        self.accounts.get_mut(account.at()).set_status(AccountStatus::Closed);
        self.account_details.get_mut(account.at()).set_closed(self.now_ns);
    }

    fn history_of(&self, account: AccountIndex) -> Option<&History> {
        let kept = self.account(account).keeps_history() && self.options.history_per_account_max > 0;
        kept.then(|| &self.histories[self.account_details(account).history()])
    }

    /// Writes what a transfer has made of its accounts into their histories.
    #[cold]
    fn record(&mut self, index: TransferIndex) {
        if self.options.history_per_account_max == 0 {
            return;
        }
        let transfer = self.transfer(index);
        let (state, accounts) = (transfer.state(), [transfer.debit(), transfer.credit()]);
        for account in accounts {
            if !self.account(account).keeps_history() {
                continue;
            }
            let balances = self.account(account).balances();
            let history = &mut self.histories[self.account_details.get(account.at()).history()];
            history.push(HistoryEntry { time_ns: self.now_ns, transfer: index, state, balances });
            // Within a chain nothing leaves before the chain is known to stand.
            if self.undo.is_empty() {
                history.keep_newest(self.options.history_per_account_max as usize);
            }
        }
    }

    /// Changes the two accounts of a checked movement, each with the totals of their currency. Does one of them keep a
    /// history?
    #[inline(always)]
    fn change_sides(
        &mut self,
        (debit, credit): (AccountIndex, AccountIndex),
        on_debit: impl FnOnce(&mut Account, &mut Sides),
        on_credit: impl FnOnce(&mut Account, &mut Sides),
    ) -> bool {
        assert_ne!(debit, credit, "money moves between two accounts");
        if self.watches {
            self.before_balances([debit, credit]);
        }
        let account = self.accounts.get_mut(debit.at());
        let number = account.currency_number();
        let total = &mut self.currencies[number].1;
        on_debit(account, total);
        let history = account.keeps_history();
        let account = self.accounts.get_mut(credit.at());
        assert_eq!(account.currency_number(), number, "money moves within a currency");
        on_credit(account, total);
        history || account.keeps_history()
    }

    /// Two accounts are about to change their balances.
    fn before_balances(&mut self, accounts: [AccountIndex; 2]) {
        self.note_touched(accounts);
        accounts.into_iter().for_each(|account| self.before_account(account));
    }

    /// A transfer that is about to change.
    #[inline]
    fn transfer_mut(&mut self, index: TransferIndex) -> &mut Transfer {
        if self.watches {
            self.before_slot(index.get());
        }
        self.transfers.get_mut(index.get())
    }

    /// Says whether changes are to be announced before they happen.
    fn watch(&mut self) {
        self.watches = self.notes.run != 0 || self.capture.is_some();
    }

    /// Puts a new transfer into the place that was claimed for it.
    #[inline(always)]
    fn put(&mut self, place: u32, transfer: Transfer) {
        if self.watches {
            self.before_slot(place);
        }
        self.transfers.put(place, transfer);
    }

    fn put_details(&mut self, index: TransferIndex, details: TransferDetails) {
        let at = self.transfer_details.put(details);
        self.transfers.get_mut(index.get()).set_details_count(dense(at + 1));
    }

    /// Tells what became of a transfer to those who keep it.
    #[inline]
    fn note(&mut self, transfer: TransferIndex, state: TransferState, history: bool) {
        if self.options.keeps_changes {
            self.notes.changes.push(Change { transfer, state });
        }
        if history {
            self.record(transfer);
        }
    }

    fn add_account(&mut self, account: Account, details: AccountDetails) {
        let (id, place) = (account.id(), dense(self.accounts.len()));
        self.accounts.push(account);
        self.account_details.push(details);
        let accounts = &self.accounts;
        let is_it = |at| accounts.get(at as usize).id() == id;
        let is_new = self.account_table.insert_new(self.hasher.hash_one(id), place, is_it);

        assert!(is_new, "an id is looked for before it is added");
        assert_eq!(self.account_details.len(), self.accounts.len());
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

/// A transfer whose every check passed.
enum Checked {
    /// It was made before.
    Repeated(TransferIndex),
    /// It is to be made, of this amount.
    New(Amount),
}

fn check_cap(flags: AccountFlags, limited: AccountFlags, cap: u128) -> Result<(), Reject> {
    if cap != 0 && !flags.contains(limited) {
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
