//! The window of final transfers: the newest so many stay, the oldest leave, and one that has left may be put back.
//!
//! What leaves, and when, depends on nothing but the calls: a book that is rebuilt from the journal holds the same. Before a
//! transfer leaves, whoever wants to find it again has it from [`Book::changes`]; [`Book::leaving_through`] says how far
//! that must have come.

use std::collections::VecDeque;

use super::Book;
use crate::amount::Amount;
use crate::limits::{LOOK_AHEAD_IDS, to_usize};
use crate::transfer::{FinalTransfer, Terms, Transfer, TransferDetails, TransferIndex, TransferState};

/// Numbers on one page of the queue: 16 KiB.
const PAGE_ITEMS: u64 = PAGE_LEN as u64;
const PAGE_LEN: usize = 4_096;

/// Slots of final transfers in the order in which they became final. Entries are numbered for the life of the queue.
pub(super) struct Window {
    /// Full pages, the first of which has the entry `first`.
    pages: VecDeque<Page>,
    /// The page that the next entry goes to.
    last: Page,
    first: u64,
    next: u64,
}

type Page = Box<[u32; PAGE_LEN]>;

impl Default for Window {
    fn default() -> Window {
        Window { pages: VecDeque::new(), last: Box::new([0; PAGE_LEN]), first: 0, next: 0 }
    }
}

impl Window {
    pub(super) fn len(&self) -> u64 {
        self.next - self.first
    }

    /// The number of the oldest entry.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The number that the next entry will have.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn get(&self, number: u64) -> u32 {
        assert!((self.first..self.next).contains(&number), "entry {number} is in the window");
        let page = to_usize(number / PAGE_ITEMS - self.first / PAGE_ITEMS);
        self.pages.get(page).unwrap_or(&self.last)[offset_of(number)]
    }

    #[inline]
    pub(super) fn push(&mut self, slot: u32) {
        self.last[offset_of(self.next)] = slot;
        self.next += 1;
        if self.next.is_multiple_of(PAGE_ITEMS) {
            self.turn_page();
        }
    }

    pub(super) fn pop(&mut self) -> Option<u32> {
        let slot = (self.first < self.next).then(|| self.get(self.first))?;
        self.first += 1;
        if self.first.is_multiple_of(PAGE_ITEMS) {
            self.pages.pop_front();
        }
        Some(slot)
    }

    /// Takes back the newest entries, down to where the next number was `next`.
    pub(super) fn truncate(&mut self, next: u64) {
        assert!(self.first <= next && next <= self.next, "only the newest are taken back");
        while self.next / PAGE_ITEMS > next / PAGE_ITEMS {
            self.last = self.pages.pop_back().expect("all but the last page are here");
            self.next = self.next / PAGE_ITEMS * PAGE_ITEMS - 1;
        }
        self.next = next;
    }

    /// The slot of the newest entry.
    pub(super) fn last(&self) -> Option<u32> {
        (self.first < self.next).then(|| self.get(self.next - 1))
    }

    /// The slots, the oldest entry first.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        (self.first..self.next).map(|number| self.get(number))
    }

    #[cold]
    fn turn_page(&mut self) {
        self.pages.push_back(core::mem::replace(&mut self.last, Box::new([0; PAGE_LEN])));
    }
}

#[inline]
fn offset_of(number: u64) -> usize {
    to_usize(number % PAGE_ITEMS)
}

impl Book {
    /// Tells the book the journal position of what is applied from now on; it is noted with each transfer that becomes final.
    /// Who lets nothing leave need not call it.
    ///
    /// # Panics
    /// When the position goes back.
    pub fn set_position(&mut self, position: u64) {
        assert!(self.position <= position, "positions never go back");
        self.position = position;
    }

    /// The position that the book was told last.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The highest position of the transfers that leave with the next [`Book::trim`]; 0 when none does. Up to there, whoever
    /// answers for what has left must have taken it over by then.
    pub fn leaving_through(&self) -> u64 {
        match self.surplus() {
            0 => 0,
            surplus => self.transfers.get(self.window.get(self.window.first() + surplus - 1)).final_position(),
        }
    }

    /// From the next trim on so many final transfers may be held. Which number counts for which batch is part of what makes
    /// the state: whoever replays must set it as it was.
    ///
    /// # Panics
    /// When this book keeps histories in memory, which would name transfers that have left.
    pub fn set_final_transfers_max(&mut self, final_transfers_max: u32) {
        let keeps_histories = self.options.history_per_account_max > 0;
        assert!(!keeps_histories || final_transfers_max == u32::MAX, "histories name transfers");
        self.options.final_transfers_max = final_transfers_max;
    }

    /// Begins a batch: lets the oldest final transfers leave until no more than
    /// [`BookOptions::final_transfers_max`](super::BookOptions) are held, and empties [`Book::changes`] and
    /// [`Book::touched`]. Handles are valid from one trim to the next, those of reservations until they have been final
    /// and left.
    pub fn trim(&mut self) {
        assert!(self.undo.is_empty(), "never within a chain");
        self.notes.clear();
        while let leaving @ 1.. = self.surplus().min(LOOK_AHEAD_IDS as u64) {
            self.look_ahead_of_leaving(leaving);
            (0..leaving).for_each(|_| self.let_oldest_leave());
        }
        assert!(self.window.len() <= u64::from(self.options.final_transfers_max));
        assert_eq!(self.transfer_table.len(), self.transfers.held() as usize);
    }

    /// The highest position of any transfer that has left; 0 while none has. An id that the book does not hold is new when
    /// no transfer up to there had it.
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// Puts a transfer that has left back, as the newest of the window, so that an id of any age is answered as if it had
    /// never left. It is no change. Nothing is done when it is held. Returns its handle.
    ///
    /// # Panics
    /// When it cannot have been of this book: it is not final, or its accounts are not here.
    pub fn recall(&mut self, transfer: &FinalTransfer) -> TransferIndex {
        if let Some(index) = self.find_transfer(transfer.id) {
            return index;
        }
        assert!(transfer.is_consistent(), "only a final transfer can have left");
        let (debit, credit) = (self.account(transfer.debit), self.account(transfer.credit));
        assert!(transfer.debit != transfer.credit && debit.currency() == credit.currency());

        let details = TransferDetails::needed(transfer.asked, &transfer.terms, 0);
        let index = TransferIndex(self.claim(transfer.id).expect("it is not held"));
        self.put(index.get(), Transfer::recalled(transfer, self.position));
        if let Some(details) = details {
            self.put_details(index, details);
        }
        self.window.push(index.get());
        index
    }

    /// A transfer as it will be for ever; `None` while it is reserved.
    ///
    /// # Panics
    /// When the handle is not of this book, or no longer valid.
    pub fn final_transfer(&self, index: TransferIndex) -> Option<FinalTransfer> {
        (self.transfer(index).state() != TransferState::Reserved).then(|| self.description(index))
    }

    /// A transfer in one piece; while it is reserved, as it stands now.
    pub(crate) fn description(&self, index: TransferIndex) -> FinalTransfer {
        let (transfer, details) = (self.transfer(index), self.transfer_details(index));
        FinalTransfer {
            id: transfer.id(),
            debit: transfer.debit(),
            credit: transfer.credit(),
            amount: transfer.amount(),
            moved_amount: transfer.moved_amount(),
            asked: details.map_or(transfer.amount(), TransferDetails::asked),
            state: transfer.state(),
            terms: Terms {
                code: transfer.code(),
                flags: transfer.flags(),
                references: details.map(TransferDetails::references).unwrap_or_default(),
                deadline_ns: details.map_or(0, TransferDetails::deadline_ns),
            },
            made_ns: transfer.made_ns(),
        }
    }

    /// How many more are in the window than may stay.
    fn surplus(&self) -> u64 {
        self.window.len().saturating_sub(u64::from(self.options.final_transfers_max))
    }

    /// Reads what is asked of the next that leave. One after the other, each would wait for memory.
    fn look_ahead_of_leaving(&self, leaving: u64) {
        let first = self.window.first();
        self.look_ahead((first..first + leaving).map(|number| self.transfers.get(self.window.get(number)).id()));
    }

    fn let_oldest_leave(&mut self) {
        self.before_window_pop();
        let place = self.window.pop().expect("there is a surplus");
        self.before_slot(place);
        let transfer = self.transfers.get(place);
        let (id, position, details) = (transfer.id(), transfer.final_position(), transfer.details_at());
        assert_ne!(transfer.state(), TransferState::Reserved, "what is held never leaves");
        assert!(self.floor <= position, "they leave in the order of their positions");
        self.floor = position;
        self.transfer_table.remove(self.hash(id), place);
        if let Some(at) = details {
            self.transfer_details.free(at);
        }
        self.transfers.free(place);
    }
}

impl FinalTransfer {
    /// Do its parts fit each other?
    pub(crate) fn is_consistent(&self) -> bool {
        let moved = self.moved_amount.map_or(0, Amount::minor_units);
        let amount = self.amount.minor_units();
        let moved_fits = match self.state {
            TransferState::Reserved => false,
            TransferState::Posted => 0 < moved && moved <= amount,
            TransferState::Moved => moved == amount,
            TransferState::Voided | TransferState::Expired => moved == 0,
        };
        let flags = self.terms.flags;
        let asked_fits = if flags.is_balancing() { self.amount <= self.asked } else { self.amount == self.asked };
        let is_two_phase = self.state != TransferState::Moved;
        let terms_fit = if is_two_phase { !flags.is_closing() } else { self.terms.deadline_ns == 0 };
        moved_fits && asked_fits && terms_fit && self.id.0 != 0 && self.debit != self.credit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_a_queue_whatever_its_pages() {
        let mut window = Window::default();
        let mut pushed = 0;
        let mut popped = 0;
        for (push, pop) in [(5_000, 100), (1, 4_901), (10_000, 9_000), (4_096, 5_096), (3, 1)] {
            for _ in 0..push {
                window.push(pushed);
                pushed += 1;
            }
            // What was pushed beyond that is taken back.
            let next = window.next();
            (0..5_000).for_each(|_| window.push(7));
            window.truncate(next);
            for _ in 0..pop {
                assert_eq!(window.get(u64::from(popped)), popped);
                assert_eq!(window.pop(), Some(popped));
                popped += 1;
            }
            assert_eq!((window.first(), window.len()), (u64::from(popped), u64::from(pushed - popped)));
            assert!(window.pages.len() as u64 <= window.len() / PAGE_ITEMS + 4, "pages go with what was on them");
        }
        assert_eq!((window.pop(), window.pop(), window.pop()), (Some(pushed - 2), Some(pushed - 1), None));
    }
}
