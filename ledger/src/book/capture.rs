//! The canonical bytes of a book as it is at one moment, taken in portions while the book goes on.
//!
//! Accounts, slots and window entries are [sections](crate::capture): what is about to change is taken first, as it was when the
//! capture began. A capture begins between batches, so it never sees the middle of a chain; a chain that is undone changes back
//! what had been encoded before.

use super::Book;
use super::body::{ACCOUNT_BYTES, HEAD_BYTES, SLOT_BYTES, WINDOW_ENTRY_BYTES, account_bytes};
use crate::account::AccountIndex;
use crate::capture::CaptureSection;

/// A capture that goes on.
pub(super) struct Capture {
    /// Until it has been handed out.
    head: Option<[u8; HEAD_BYTES]>,
    accounts: CaptureSection<ACCOUNT_BYTES>,
    slots: CaptureSection<SLOT_BYTES>,
    window: CaptureSection<WINDOW_ENTRY_BYTES>,
    /// The number of the first window entry.
    window_first: u64,
}

impl Book {
    /// Begins to take the bytes of the book as it is now. Returns how many there will be.
    ///
    /// # Panics
    /// When a capture goes on already, or histories are kept in memory.
    pub fn begin_capture(&mut self) -> u64 {
        assert!(self.capture.is_none(), "one capture at a time");
        assert!(self.undo.is_empty(), "never within a chain");
        assert_eq!(self.options.history_per_account_max, 0, "histories are no part of a snapshot");
        let accounts = CaptureSection::new(HEAD_BYTES as u64, super::dense(self.accounts.len()));
        let slots = CaptureSection::new(accounts.end(), self.transfers.len());
        let window_len = u32::try_from(self.window.len()).expect("each entry is a transfer that is held");
        let window = CaptureSection::new(slots.end(), window_len);
        let bytes = window.end();
        let (head, window_first) = (Some(self.head_bytes()), self.window.first());
        self.capture = Some(Box::new(Capture { head, accounts, slots, window, window_first }));
        self.watch();
        bytes
    }

    /// Hands out the next portion of the bytes, each with the place of its first one: about `bytes_max`, and half as much of what had
    /// to be taken before it changed where that has become too much. Returns whether there is more. To be called between batches, soon after
    /// each of them, since what the batch changed waits in memory.
    ///
    /// # Panics
    /// When no capture goes on.
    pub fn capture(&mut self, bytes_max: usize, mut sink: impl FnMut(u64, &[u8])) -> bool {
        let mut capture = self.capture.take().expect("a capture goes on");
        let sink = &mut sink;
        if let Some(head) = capture.head.take() {
            sink(0, &head);
        }
        let mut left = bytes_max / 2;
        left = left.saturating_sub(capture.accounts.hand_out_early(left, sink));
        left = left.saturating_sub(capture.slots.hand_out_early(left, sink));
        capture.window.hand_out_early(left, sink);
        let mut left = bytes_max;
        left = left.saturating_sub(capture.accounts.hand_out_next(left, sink, |item| self.account_item(item)));
        left = left.saturating_sub(capture.slots.hand_out_next(left, sink, |item| self.slot_item(item)));
        let first = capture.window_first;
        capture.window.hand_out_next(left, sink, |item| self.window.get(first + u64::from(item)).to_le_bytes());

        let is_complete = capture.accounts.is_complete() && capture.slots.is_complete() && capture.window.is_complete();
        self.capture = (!is_complete).then_some(capture);
        self.watch();
        !is_complete
    }

    /// Does a capture go on?
    pub fn is_capturing(&self) -> bool {
        self.capture.is_some()
    }

    /// Ends a capture that nobody wants to have any more.
    pub fn abandon_capture(&mut self) {
        self.capture = None;
        self.watch();
    }

    fn account_item(&self, item: u32) -> [u8; ACCOUNT_BYTES] {
        account_bytes(self.accounts.get(item as usize), self.account_details.get(item as usize))
    }

    fn slot_item(&self, item: u32) -> [u8; SLOT_BYTES] {
        self.slot_bytes(self.transfers.slot(item))
    }

    /// An account is about to change.
    pub(super) fn before_account(&mut self, index: AccountIndex) {
        if self.capture.as_ref().is_some_and(|capture| capture.accounts.awaits(index.get())) {
            let bytes = self.account_item(index.get());
            self.capture.as_mut().expect("as in the line above").accounts.take_early(index.get(), bytes);
        }
    }

    /// A slot is about to change.
    pub(super) fn before_slot(&mut self, place: u32) {
        if self.capture.as_ref().is_some_and(|capture| capture.slots.awaits(place)) {
            let bytes = self.slot_item(place);
            self.capture.as_mut().expect("as in the line above").slots.take_early(place, bytes);
        }
    }

    /// The oldest entry is about to leave the window.
    pub(super) fn before_window_pop(&mut self) {
        let number = self.window.first();
        let slot = self.window.get(number);
        if let Some(capture) = &mut self.capture {
            let item = u32::try_from(number - capture.window_first).unwrap_or(u32::MAX);
            if capture.window.awaits(item) {
                capture.window.take_early(item, slot.to_le_bytes());
            }
        }
    }
}
