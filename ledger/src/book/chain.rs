//! Batches of requests by id, and chains in them: all of a chain happens, or nothing.
//!
//! A chain is applied entry by entry, and undone when one of its entries is refused. The other way would be to check the whole
//! chain first and apply it then; but each entry's checks depend on what those before it have done (a chain may open an
//! account, fund it, and close it with what balances), so the check would be a second book laid over the first. The undo log
//! is one [`Before`] an entry: what the entry may change, as it was, copied before its request is looked at. It knows nothing
//! of the verbs' rules, only which accounts and which transfer they touch. It is bounded by the batch
//! ([`BATCH_ENTRIES_MAX`]), costs nothing outside chains, and is empty between them.

use core::hash::BuildHasher;
use core::hint::black_box;

use super::Book;
use crate::account::{Account, AccountDetails, AccountId, AccountIndex, AccountSpec, AccountStatus, Sides};
use crate::limits::{BATCH_ENTRIES_MAX, LOOK_AHEAD_IDS};
use crate::request::{Accepted, Answer, BatchEntry, Request, TransferSpec};
use crate::result::{Applied, Reject};
use crate::transfer::{Movement, Transfer, TransferId, TransferIndex, TransferState};

/// What one entry of a chain may change, as it was before.
pub(super) struct Before {
    accounts: [Option<AccountBefore>; 2],
    sides: Option<(usize, Sides)>,
    transfer: Option<(TransferIndex, Transfer)>,
    accounts_len: usize,
    /// The slot that a transfer made by this entry would get.
    transfer_place: u32,
    transfers_held: u32,
    slots_len: u32,
    deadlines_made: u64,
    window_next: u64,
    changes_len: usize,
    touched_len: usize,
    currencies_len: usize,
    histories_len: usize,
}

struct AccountBefore {
    index: AccountIndex,
    account: Account,
    details: AccountDetails,
    history_len: usize,
}

const _: () = assert!(size_of::<Before>() * BATCH_ENTRIES_MAX <= 6 << 20, "the undo log stays small");

impl Book {
    /// Applies a batch in its order, at a time, and gives every entry its answer, in the same order, into `answers`, which is
    /// cleared first. Asserts that the book balances.
    ///
    /// Of a chain that failed, the culprit (the first that was refused) has its own code and all others
    /// [`Reject::LinkedEventFailed`]. An entry of it that repeats what was done before the chain had nothing to undo, and
    /// what was done before stays. A whole chain sent again finds each of its entries repeated. A chain that the end of the
    /// batch leaves open fails: its last entry has [`Reject::LinkedEventChainOpen`].
    ///
    /// # Panics
    /// When the batch has more than [`BATCH_ENTRIES_MAX`] entries, or the time goes back.
    pub fn apply(&mut self, now_ns: u64, batch: &[BatchEntry], answers: &mut Vec<Answer>) {
        assert!(batch.len() <= BATCH_ENTRIES_MAX, "limits.rs bounds a batch");
        self.advance_to(now_ns);
        answers.clear();
        let mut rest = batch;
        let mut looked_through = 0;
        while let Some(first) = rest.first() {
            let done = batch.len() - rest.len();
            if done >= looked_through {
                looked_through = done + LOOK_AHEAD_IDS;
                self.look_ahead_in(rest);
            }
            if first.linked {
                let chain_len = rest.iter().position(|entry| !entry.linked).map_or(rest.len(), |last| last + 1);
                let (chain, after) = rest.split_at(chain_len);
                self.apply_chain(chain, answers);
                rest = after;
            } else {
                answers.push(self.apply_one(&first.request));
                rest = &rest[1..];
            }
        }

        assert_eq!(answers.len(), batch.len());
        self.assert_balanced();
    }

    /// Reads what the next requests will ask for. One after the other, each would wait for memory. Ids of accounts and of what is posted are nearly
    /// always held, so that the branches of their look-ups are foreseen; ids of transfers are nearly always new.
    fn look_ahead_in(&self, requests: &[BatchEntry]) {
        let touched = requests.iter().take(LOOK_AHEAD_IDS).map(|entry| match entry.request {
            Request::Transfer(spec) => {
                self.touch_account(spec.debit) ^ self.touch_account(spec.credit) ^ self.touch_new(spec.id)
            }
            Request::Post { transfer, .. } | Request::Void { transfer } => self.touch_held(transfer),
            Request::Open(AccountSpec { id: account, .. })
            | Request::SetCap { account, .. }
            | Request::SetCreditCap { account, .. }
            | Request::Freeze(account)
            | Request::Thaw(account)
            | Request::Close(account) => self.touch_account(account),
        });
        // It is of no use but for having been read, which no compiler may leave out.
        black_box(touched.fold(0, |all, one| all ^ one));
    }

    #[inline]
    fn touch_account(&self, id: AccountId) -> u64 {
        let likely = self.account_table.likely(self.hasher.hash_one(id));
        likely.map_or(0, |at| self.accounts.get(at as usize).currency_number() as u64)
    }

    #[inline]
    fn touch_held(&self, id: TransferId) -> u64 {
        let likely = self.transfer_table.likely(self.hash(id));
        likely.map_or(0, |at| self.transfers.get(at).final_position())
    }

    fn apply_chain(&mut self, chain: &[BatchEntry], answers: &mut Vec<Answer>) {
        assert!(self.undo.is_empty(), "one chain at a time");
        let first = answers.len();
        let mut culprit = None;
        for (at, entry) in chain.iter().enumerate() {
            // Its first entries were looked ahead with the batch.
            if at > 0 && at.is_multiple_of(LOOK_AHEAD_IDS) {
                self.look_ahead_in(&chain[at..]);
            }
            self.undo.push(self.before(&entry.request));
            let answer = if entry.linked && at + 1 == chain.len() {
                Err(Reject::LinkedEventChainOpen)
            } else {
                self.apply_one(&entry.request)
            };
            answers.push(answer);
            if answer.is_err() {
                culprit = Some(at);
                break;
            }
        }
        match culprit {
            Some(at) => {
                self.undo_chain();
                answers[first..first + at].fill(Err(Reject::LinkedEventFailed));
                answers.resize(first + chain.len(), Err(Reject::LinkedEventFailed));
                if chain.last().is_some_and(|last| last.linked) {
                    answers[first + chain.len() - 1] = Err(Reject::LinkedEventChainOpen);
                }
            }
            None => self.keep_chain(),
        }
        assert!(self.undo.is_empty(), "a chain leaves nothing behind");
    }

    fn apply_one(&mut self, request: &Request) -> Answer {
        match *request {
            Request::Open(spec) => {
                let known = self.accounts.len();
                let index = self.open(spec)?;
                Ok(Accepted::Account { index, repeated: self.accounts.len() == known })
            }
            Request::SetCap { account, cap } => {
                let index = self.known(account)?;
                let repeated = self.account(index).cap() == cap;
                self.set_cap(index, cap).map(|()| Accepted::Account { index, repeated })
            }
            Request::SetCreditCap { account, cap } => {
                let index = self.known(account)?;
                let repeated = self.account_details(index).credit_cap() == cap;
                self.set_credit_cap(index, cap).map(|()| Accepted::Account { index, repeated })
            }
            Request::Freeze(account) => {
                let (index, repeated) = self.known_with(account, AccountStatus::Frozen)?;
                self.freeze(index).map(|()| Accepted::Account { index, repeated })
            }
            Request::Thaw(account) => {
                let (index, repeated) = self.known_with(account, AccountStatus::Open)?;
                self.thaw(index).map(|()| Accepted::Account { index, repeated })
            }
            Request::Close(account) => {
                let (index, repeated) = self.known_with(account, AccountStatus::Closed)?;
                self.close(index).map(|()| Accepted::Account { index, repeated })
            }
            Request::Transfer(spec) => self.apply_transfer(&spec).map(Accepted::Transfer),
            Request::Post { transfer, amount } => {
                let index = self.known_transfer(transfer)?;
                let amount = amount.unwrap_or(self.transfer(index).amount());
                self.post(index, amount).map(Accepted::Transfer)
            }
            Request::Void { transfer } => {
                let index = self.known_transfer(transfer)?;
                self.void(index).map(Accepted::Transfer)
            }
        }
    }

    fn apply_transfer(&mut self, spec: &TransferSpec) -> Result<Applied, Reject> {
        if spec.id.0 == 0 {
            return Err(Reject::TransferIdZero);
        }
        let (debit, credit) = match (self.find(spec.debit), self.find(spec.credit)) {
            (Some(debit), Some(credit)) => (debit, credit),
            // A known transfer has known accounts, so this one is another.
            _ if self.find_transfer(spec.id).is_some() => return Err(Reject::TransferExistsDifferent),
            (None, _) => return Err(Reject::DebitAccountUnknown),
            (_, None) => return Err(Reject::CreditAccountUnknown),
        };
        let movement = Movement { id: spec.id, debit, credit, amount: spec.amount };
        match (spec.terms == crate::transfer::Terms::NONE, spec.two_phase) {
            (true, false) => self.move_now(movement),
            (true, true) => self.reserve(movement),
            (false, two_phase) => self.transfer_with(movement, &spec.terms, two_phase),
        }
    }

    fn known(&self, account: AccountId) -> Result<AccountIndex, Reject> {
        self.find(account).ok_or(Reject::AccountUnknown)
    }

    fn known_with(&self, account: AccountId, status: AccountStatus) -> Result<(AccountIndex, bool), Reject> {
        let index = self.known(account)?;
        Ok((index, self.account(index).status() == status))
    }

    fn known_transfer(&self, transfer: TransferId) -> Result<TransferIndex, Reject> {
        self.find_transfer(transfer).ok_or(Reject::TransferUnknown)
    }

    /// What a request may change.
    fn before(&self, request: &Request) -> Before {
        let (accounts, transfer) = match *request {
            Request::Open(_) => ([None, None], None),
            Request::SetCap { account, .. }
            | Request::SetCreditCap { account, .. }
            | Request::Freeze(account)
            | Request::Thaw(account)
            | Request::Close(account) => ([self.find(account), None], None),
            Request::Transfer(spec) => ([self.find(spec.debit), self.find(spec.credit)], None),
            Request::Post { transfer, .. } | Request::Void { transfer } => match self.find_transfer(transfer) {
                Some(index) => {
                    let transfer = self.transfer(index);
                    ([Some(transfer.debit()), Some(transfer.credit())], Some((index, transfer.clone())))
                }
                None => ([None, None], None),
            },
        };
        let sides = accounts[0].map(|index| {
            let number = self.account(index).currency_number();
            (number, self.currencies[number].1)
        });
        Before {
            accounts: accounts.map(|index| index.map(|index| self.account_before(index))),
            sides,
            transfer,
            accounts_len: self.accounts.len(),
            transfer_place: self.transfers.next_place(),
            transfers_held: self.transfers.held(),
            slots_len: self.transfers.len(),
            deadlines_made: self.deadlines_made,
            window_next: self.window.next(),
            changes_len: self.notes.changes.len(),
            touched_len: self.notes.touched.len(),
            currencies_len: self.currencies.len(),
            histories_len: self.histories.len(),
        }
    }

    fn account_before(&self, index: AccountIndex) -> AccountBefore {
        AccountBefore {
            index,
            account: self.account(index).clone(),
            details: *self.account_details(index),
            history_len: self.history_of(index).map_or(0, crate::history::History::len),
        }
    }

    /// Takes the entries back, the last one first.
    fn undo_chain(&mut self) {
        while let Some(before) = self.undo.pop() {
            for was in before.accounts.into_iter().flatten() {
                if self.history_of(was.index).is_some() {
                    self.histories[was.details.history()].truncate(was.history_len);
                }
                *self.accounts.get_mut(was.index.at()) = was.account;
                *self.account_details.get_mut(was.index.at()) = was.details;
            }
            if let Some((number, sides)) = before.sides {
                self.currencies[number].1 = sides;
            }
            if let Some((index, was)) = before.transfer {
                self.undo_end(index, was);
            }
            if self.transfers.held() != before.transfers_held {
                self.undo_making(before.transfer_place, before.slots_len);
            }
            self.undo_opening(before.accounts_len);
            self.deadlines_made = before.deadlines_made;
            self.window.truncate(before.window_next);
            self.notes.changes.truncate(before.changes_len);
            self.notes.touched.truncate(before.touched_len);
            self.currencies.truncate(before.currencies_len);
            self.histories.truncate(before.histories_len);
        }
    }

    /// A reservation that was posted or voided is one again, and its deadline counts again.
    fn undo_end(&mut self, index: TransferIndex, was: Transfer) {
        if was.state() == TransferState::Reserved
            && let Some(deadline) = self.deadline_of(index)
        {
            self.deadlines.insert(deadline, index.get());
        }
        *self.transfers.get_mut(index.get()) = was;
    }

    /// The transfer that the entry has made is gone, and the next one made stands in the same slot.
    fn undo_making(&mut self, place: u32, slots_len: u32) {
        let made = self.transfers.get(place);
        let (id, details, is_reserved) = (made.id(), made.details_at(), made.state() == TransferState::Reserved);
        if is_reserved {
            self.forget_deadline(TransferIndex(place));
        }
        self.transfer_table.remove(self.hash(id), place);
        if let Some(at) = details {
            self.transfer_details.free(at);
        }
        self.transfers.take_back(place, slots_len);
        assert_eq!(self.transfers.next_place(), place);
    }

    fn undo_opening(&mut self, accounts_len: usize) {
        assert!(self.accounts.len() <= accounts_len + 1, "one entry opens one account");
        if self.accounts.len() > accounts_len {
            let id = self.accounts.get(accounts_len).id();
            self.account_table.remove(self.hasher.hash_one(id), super::dense(accounts_len));
            self.accounts.pop();
            self.account_details.pop();
        }
    }

    /// The chain stands: what it would be undone by goes, and so do history entries in surplus.
    fn keep_chain(&mut self) {
        let entries_max = self.options.history_per_account_max as usize;
        if entries_max == 0 {
            self.undo.clear();
            return;
        }
        let mut undo = core::mem::take(&mut self.undo);
        for before in undo.drain(..) {
            for was in before.accounts.into_iter().flatten().filter(|was| was.account.keeps_history()) {
                self.histories[was.details.history()].keep_newest(entries_max);
            }
        }
        self.undo = undo;
    }
}
