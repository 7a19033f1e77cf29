//! What the book tells its owner about what it has done: the changes of transfers, and the accounts these touched.
//!
//! No part of the state: a book that keeps notes and one that does not are equal. Bounded by the batch, since every
//! [`Book::trim`] empties them.

use super::Book;
use crate::account::AccountIndex;
use crate::history::Balances;
use crate::transfer::{TransferIndex, TransferState};

/// One thing that became of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The transfer.
    pub transfer: TransferIndex,
    /// Where it stands since then.
    pub state: TransferState,
}

/// An account whose balances changed for the first time in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touched {
    /// The account.
    pub account: AccountIndex,
    /// Its balances before that.
    pub balances: Balances,
}

/// The notes since the last trim.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) changes: Vec<Change>,
    pub(super) touched: Vec<Touched>,
    /// The number of the run; 0: none.
    pub(super) run: u32,
}

impl Notes {
    pub(super) fn clear(&mut self) {
        self.changes.clear();
        self.touched.clear();
    }
}

impl Book {
    /// What became of transfers since the last [`Book::trim`], in order: one change for each making, posting, voiding and
    /// expiry that happened, none for a repetition or for what a failed chain took back. Empty unless
    /// [`BookOptions::keeps_changes`](super::BookOptions).
    pub fn changes(&self) -> &[Change] {
        &self.notes.changes
    }

    /// The accounts whose balances changed for the first time in this run, and did so since the last [`Book::trim`], in the
    /// order in which they did.
    pub fn touched(&self) -> &[Touched] {
        &self.notes.touched
    }

    /// Begins a run: every account counts as untouched again. In run 0, which is where a book begins, no account is noted as
    /// touched. What was touched until now and not yet looked at is forgotten.
    ///
    /// # Panics
    /// When a run other than 0 has not a higher number than all before it.
    pub fn set_run(&mut self, run: u32) {
        assert!(run == 0 || run > self.run_max, "an account could seem to have been touched in this run before");
        self.run_max = self.run_max.max(run);
        self.notes.run = run;
        self.notes.touched.clear();
        self.watch();
    }

    /// Notes the accounts that are about to change, unless they have been touched in this run before.
    pub(super) fn note_touched(&mut self, accounts: [AccountIndex; 2]) {
        let run = self.notes.run;
        if run == 0 {
            return;
        }
        for index in accounts {
            let account = self.accounts.get_mut(index.at());
            if account.touch(run) {
                self.notes.touched.push(Touched { account: index, balances: account.balances() });
            }
        }
    }
}
