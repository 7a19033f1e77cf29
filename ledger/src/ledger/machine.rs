//! How a batch changes a book: the same at submit, at replay and in `verify`.

use crate::account::AccountIndex;
use crate::book::{Book, BookOptions};
use crate::history::Balances;
use crate::index::{Index, IndexFault};
use crate::journal::{Batch, Storage};
use crate::ledger::record::{LedgerSchema, TransferEvent, group_of};
use crate::limits::EXPIRED_PER_BATCH_MAX;
use crate::payload::{Preface, decode};
use crate::request::{Accepted, Answer, BatchEntry};
use crate::result::Applied;
use crate::transfer::{FinalTransfer, TransferState};

/// A journal batch, decoded.
#[derive(Clone, Copy)]
pub(crate) struct Decoded<'a> {
    pub(crate) first_sequence: u64,
    pub(crate) time_ns: u64,
    pub(crate) preface: &'a Preface,
    pub(crate) entries: &'a [BatchEntry],
}

/// Where journal batches are decoded to, one after the other.
#[derive(Default)]
pub(crate) struct Reading {
    preface: Preface,
    entries: Vec<BatchEntry>,
}

impl Reading {
    pub(crate) fn decode(&mut self, batch: &Batch<'_>) -> Result<Decoded<'_>, String> {
        let decoded = decode(batch.payload, batch.count, &mut self.preface, &mut self.entries);
        decoded.map_err(|unreadable| unreadable.to_string())?;
        let Batch { first_sequence, time_ns, .. } = *batch;
        Ok(Decoded { first_sequence, time_ns, preface: &self.preface, entries: &self.entries })
    }
}

/// A book, and what is reused from batch to batch.
pub(crate) struct Machine {
    pub(crate) book: Book,
    /// Of the last batch, entry by entry.
    pub(crate) answers: Vec<Answer>,
    /// Transfers that expired before the last batch's entries were looked at.
    pub(crate) expired: usize,
    run: u32,
}

impl Machine {
    pub(crate) fn new(options: BookOptions) -> Machine {
        Machine::of(Book::new(options))
    }

    pub(crate) fn of(book: Book) -> Machine {
        Machine { book, answers: Vec::new(), expired: 0, run: 0 }
    }

    /// Applies a batch: what is due expires, what is recalled comes back, then the entries in their order. The caller has
    /// trimmed the book. An error says that the batch was not written for this book.
    pub(crate) fn apply(&mut self, batch: &Decoded<'_>) -> Result<(), String> {
        if batch.time_ns < self.book.now_ns() {
            return Err("its time goes back".to_owned());
        }
        if !batch.preface.recalled.iter().all(|transfer| self.can_recall(transfer)) {
            return Err("it recalls a transfer that this book cannot have made".to_owned());
        }
        self.book.set_position(batch.first_sequence + batch.entries.len() as u64);
        self.expired = self.book.expire(batch.time_ns, EXPIRED_PER_BATCH_MAX).transfers.len();
        for transfer in &batch.preface.recalled {
            self.book.recall(transfer);
        }
        self.book.apply(batch.time_ns, batch.entries, &mut self.answers);
        Ok(())
    }

    fn can_recall(&self, transfer: &FinalTransfer) -> bool {
        let currency = |account: AccountIndex| {
            (account.at() < self.book.accounts().len()).then(|| self.book.account(account).currency())
        };
        transfer.is_consistent() && currency(transfer.debit).is_some_and(|of| Some(of) == currency(transfer.credit))
    }

    /// The index has begun another run: accounts count as untouched again.
    pub(crate) fn follow_run(&mut self, run: u32) {
        if run != self.run {
            self.book.set_run(run);
            self.run = run;
        }
    }

    /// Gives the index what the last batch has made of transfers.
    pub(crate) fn record<S: Storage>(
        &self,
        index: &mut Index<S, LedgerSchema>,
        batch: &Decoded<'_>,
    ) -> Result<(), IndexFault> {
        for touched in self.book.touched() {
            let keeps_history = self.book.account(touched.account).keeps_history();
            let mut balances = touched.balances;
            if !keeps_history {
                // Reservations on it leave no record, so the index cannot follow what is pending.
                (balances.debits_pending, balances.credits_pending) = (0, 0);
            }
            index.push_state(group_of(touched.account, keeps_history), &balances);
        }
        self.events(batch, |event| index.push(&event.encode()));
        index.end_batch(batch.first_sequence + batch.entries.len() as u64, batch.time_ns)
    }

    /// Everything the last batch has made final, and reservations on accounts that keep a history, in order.
    pub(crate) fn events(&self, batch: &Decoded<'_>, mut take: impl FnMut(TransferEvent)) {
        let accepted =
            self.answers.iter().zip(batch.first_sequence + 1..).filter_map(|(answer, sequence)| match answer {
                Ok(Accepted::Transfer(Applied { repeated: false, .. })) => Some(sequence),
                _ => None,
            });
        let mut sequences = core::iter::repeat_n(batch.first_sequence, self.expired).chain(accepted);
        for change in self.book.changes() {
            let sequence = sequences.next().expect("each change has an answer that made it, or has expired");
            let (transfer, state) = (self.book.transfer(change.transfer), change.state);
            let debit_keeps_history = self.book.account(transfer.debit()).keeps_history();
            let credit_keeps_history = self.book.account(transfer.credit()).keeps_history();
            if state == TransferState::Reserved && !debit_keeps_history && !credit_keeps_history {
                continue;
            }
            let mut transfer = self.book.description(change.transfer);
            if state == TransferState::Reserved {
                // It may have been posted since, in the same batch.
                (transfer.state, transfer.moved_amount) = (state, None);
            }
            let (sequence, time_ns) = (sequence, batch.time_ns);
            take(TransferEvent { transfer, sequence, time_ns, debit_keeps_history, credit_keeps_history });
        }
        assert!(sequences.next().is_none(), "each accepted request about a transfer makes one change");
    }
}

/// What was posted on both sides of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Posted {
    /// Debited for good, in minor units.
    pub debits: u128,
    /// Credited for good, in minor units.
    pub credits: u128,
}

impl From<Balances> for Posted {
    fn from(balances: Balances) -> Posted {
        Posted { debits: balances.debits_posted, credits: balances.credits_posted }
    }
}
