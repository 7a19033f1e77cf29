//! What the balances of an account were: one entry for each change, kept for accounts that ask for it.
//!
//! Memory is bounded: of each account the newest [`BookOptions::history_per_account_max`](crate::BookOptions) entries are kept.
//! Entries are numbered from 0 in the account's life, so that a page's cursor stays true while old entries leave.

use std::collections::VecDeque;

use crate::transfer::{TransferIndex, TransferState};

/// The four numbers of an account at one moment, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Balances {
    /// Reserved to be debited.
    pub debits_pending: u128,
    /// Debited for good.
    pub debits_posted: u128,
    /// Reserved to be credited.
    pub credits_pending: u128,
    /// Credited for good.
    pub credits_posted: u128,
}

impl Balances {
    /// What the account is worth: what was credited less what was debited, for good.
    pub fn booked(&self) -> i128 {
        signed(self.credits_posted) - signed(self.debits_posted)
    }
}

/// Each side is a sum of u64 amounts, far below 2^127.
fn signed(side: u128) -> i128 {
    i128::try_from(side).unwrap_or_else(|_| panic!("a side of {side} minor units"))
}

/// One change of an account's balances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// When: the book's time as it was told.
    pub time_ns: u64,
    /// The transfer that made the change.
    pub transfer: TransferIndex,
    /// What became of it.
    pub state: TransferState,
    /// The balances after it.
    pub balances: Balances,
}

/// Which entries are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// The first entry number of interest: 0, or [`HistoryPage::next_number`] of the page before.
    pub from_number: u64,
    /// Entries of this time or later.
    pub from_ns: u64,
    /// Entries of before this time.
    pub until_ns: u64,
    /// At most so many; never more than [`HISTORY_PAGE_MAX`](crate::limits::HISTORY_PAGE_MAX).
    pub entries_max: usize,
}

impl HistoryQuery {
    /// Everything, from the oldest entry that is kept.
    pub const ALL: HistoryQuery =
        HistoryQuery { from_number: 0, from_ns: 0, until_ns: u64::MAX, entries_max: crate::limits::HISTORY_PAGE_MAX };
}

/// A part of an account's history, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPage {
    /// The number of the first entry here.
    pub first_number: u64,
    /// The entries.
    pub entries: Vec<HistoryEntry>,
    /// Where the next page begins; `None` when nothing follows.
    pub next_number: Option<u64>,
    /// How many entries of the account have left the memory: entries below this number are in the journal alone.
    pub left_count: u64,
}

/// The entries of one account that are kept. Times never fall from one to the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    left_count: u64,
    entries: VecDeque<HistoryEntry>,
}

impl History {
    pub(crate) fn push(&mut self, entry: HistoryEntry) {
        assert!(self.entries.back().is_none_or(|last| last.time_ns <= entry.time_ns), "time never goes back");
        self.entries.push_back(entry);
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes back what was pushed since the length was `len`.
    pub(crate) fn truncate(&mut self, len: usize) {
        assert!(len <= self.entries.len(), "nothing left since");
        self.entries.truncate(len);
    }

    /// Lets the oldest go. Not in the middle of a chain: what has left cannot be brought back.
    pub(crate) fn keep_newest(&mut self, entries_max: usize) {
        let surplus = self.entries.len().saturating_sub(entries_max);
        self.entries.drain(..surplus);
        self.left_count += surplus as u64;
    }

    pub(crate) fn page(&self, query: &HistoryQuery) -> HistoryPage {
        let from_time = self.entries.partition_point(|entry| entry.time_ns < query.from_ns);
        let until = self.entries.partition_point(|entry| entry.time_ns < query.until_ns);
        let from_number = usize::try_from(query.from_number.saturating_sub(self.left_count)).unwrap_or(usize::MAX);
        let from = from_time.max(from_number).min(until);
        let count = query.entries_max.min(crate::limits::HISTORY_PAGE_MAX).min(until - from);
        let number = |at: usize| self.left_count + at as u64;
        HistoryPage {
            first_number: number(from),
            entries: self.entries.range(from..from + count).copied().collect(),
            next_number: (from + count < until).then(|| number(from + count)),
            left_count: self.left_count,
        }
    }

    /// The last change at or before a time.
    pub(crate) fn at(&self, time_ns: u64) -> Option<&HistoryEntry> {
        let after = self.entries.partition_point(|entry| entry.time_ns <= time_ns);
        self.entries.get(after.checked_sub(1)?)
    }

    pub(crate) fn left_count(&self) -> u64 {
        self.left_count
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &HistoryEntry> {
        self.entries.iter()
    }
}
