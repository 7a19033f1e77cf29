//! The canonical bytes of a book as it is at one moment, taken in portions while the book goes on.
//!
//! An item (an account, a slot, a window entry) that is about to change and has not been taken yet is encoded first, as it was
//! when the capture began, and waits; the rest is taken from the front, portion by portion, and what waits is handed out in its
//! turn. So every byte is handed out exactly once, each with its place in the whole, and in order unless too much waits: small
//! pieces all over a file would cost its disk a block each. A capture begins between batches, so it never sees the middle of a
//! chain; a chain that is undone changes back what had been encoded before.
//!
//! Memory: one bit an item, and a bounded number of items that wait.

use std::collections::BTreeMap;

use super::Book;
use super::body::{ACCOUNT_BYTES, HEAD_BYTES, SLOT_BYTES, WINDOW_ENTRY_BYTES, account_bytes};
use crate::account::AccountIndex;
use crate::limits::{CAPTURE_EARLY_BYTES_MAX, CAPTURE_PIECE_BYTES};

/// A capture that goes on.
pub(super) struct Capture {
    /// Until it has been handed out.
    head: Option<[u8; HEAD_BYTES]>,
    accounts: Section<ACCOUNT_BYTES>,
    slots: Section<SLOT_BYTES>,
    window: Section<WINDOW_ENTRY_BYTES>,
    /// The number of the first window entry.
    window_first: u64,
}

/// Items of one kind and width.
struct Section<const WIDTH: usize> {
    /// Where the first of them stands in the whole.
    offset: u64,
    /// Items when the capture began. What was added since is no part of it.
    len: u32,
    /// Everything before this has been taken.
    next: u32,
    /// A bit for each item: taken out of turn?
    early_bits: Vec<u64>,
    /// Taken out of turn, and not yet handed out.
    early: BTreeMap<u32, [u8; WIDTH]>,
    /// So many of these may wait.
    early_max: usize,
}

impl<const WIDTH: usize> Section<WIDTH> {
    fn new(offset: u64, len: u32) -> Section<WIDTH> {
        let early_bits = vec![0; (len as usize).div_ceil(64)];
        Section { offset, len, next: 0, early_bits, early: BTreeMap::new(), early_max: CAPTURE_EARLY_BYTES_MAX / WIDTH }
    }

    fn end(&self) -> u64 {
        self.offset + u64::from(self.len) * WIDTH as u64
    }

    /// Must the item be encoded before it changes?
    #[inline]
    fn awaits(&self, item: u32) -> bool {
        (self.next..self.len).contains(&item) && !self.is_early(item)
    }

    fn is_early(&self, item: u32) -> bool {
        self.early_bits[item as usize / 64] & (1 << (item % 64)) != 0
    }

    fn take_early(&mut self, item: u32, bytes: [u8; WIDTH]) {
        self.early_bits[item as usize / 64] |= 1 << (item % 64);
        self.early.insert(item, bytes);
    }

    /// Hands out what was taken out of turn, if it has become too much to wait for its turn: neighbours in one piece.
    fn hand_out_early(&mut self, sink: &mut impl FnMut(u64, &[u8])) {
        if self.early.len() <= self.early_max {
            return;
        }
        let mut piece = Piece::default();
        for (item, bytes) in std::mem::take(&mut self.early) {
            piece.add(self.offset + u64::from(item) * WIDTH as u64, &bytes, sink);
        }
        piece.hand_out(sink);
    }

    /// Hands out the next items in turn, of about so many bytes. Returns how many were.
    fn hand_out_next(
        &mut self,
        bytes_max: usize,
        sink: &mut impl FnMut(u64, &[u8]),
        encode: impl Fn(u32) -> [u8; WIDTH],
    ) -> usize {
        let mut piece = Piece::default();
        let mut handed_out = 0;
        while self.next < self.len && handed_out < bytes_max {
            let bytes = if self.is_early(self.next) { self.early.remove(&self.next) } else { Some(encode(self.next)) };
            if let Some(bytes) = bytes {
                piece.add(self.offset + u64::from(self.next) * WIDTH as u64, &bytes, sink);
                handed_out += WIDTH;
            }
            self.next += 1;
        }
        piece.hand_out(sink);
        handed_out
    }

    fn is_complete(&self) -> bool {
        self.next == self.len
    }
}

/// Bytes that follow each other.
#[derive(Default)]
struct Piece {
    offset: u64,
    bytes: Vec<u8>,
}

impl Piece {
    fn add(&mut self, offset: u64, bytes: &[u8], sink: &mut impl FnMut(u64, &[u8])) {
        if self.offset + self.bytes.len() as u64 != offset || self.bytes.len() >= CAPTURE_PIECE_BYTES {
            self.hand_out(sink);
            self.offset = offset;
        }
        self.bytes.extend_from_slice(bytes);
    }

    fn hand_out(&mut self, sink: &mut impl FnMut(u64, &[u8])) {
        if !self.bytes.is_empty() {
            sink(self.offset, &self.bytes);
            self.bytes.clear();
        }
    }
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
        let accounts = Section::new(HEAD_BYTES as u64, super::dense(self.accounts.len()));
        let slots = Section::new(accounts.end(), self.transfers.len());
        let window_len = u32::try_from(self.window.len()).expect("each entry is a transfer that is held");
        let window = Section::new(slots.end(), window_len);
        let bytes = window.end();
        let (head, window_first) = (Some(self.head_bytes()), self.window.first());
        self.capture = Some(Box::new(Capture { head, accounts, slots, window, window_first }));
        self.watch();
        bytes
    }

    /// Hands out the next portion of the bytes, each with the place of its first one: about `bytes_max`, and what had to be taken
    /// before it changed where that has become too much. Returns whether there is more. To be called between batches, soon after
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
        capture.accounts.hand_out_early(sink);
        capture.slots.hand_out_early(sink);
        capture.window.hand_out_early(sink);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether nothing may wait, or a few, or all: each item comes once, as it was when the capture began.
    #[test]
    fn every_item_is_handed_out_once_and_as_it_was() {
        for early_max in [0, 3, 1_000] {
            let mut now: Vec<u32> = (0..200).collect();
            let mut section = Section::<4> { early_max, ..Section::new(8, 200) };
            let mut taken: BTreeMap<u64, u8> = BTreeMap::new();
            let mut random = 5u64;
            while !section.is_complete() {
                for _ in 0..7 {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let item = u32::try_from((random >> 33) % 200).expect("below 200");
                    if section.awaits(item) {
                        section.take_early(item, now[item as usize].to_le_bytes());
                    }
                    now[item as usize] += 1_000;
                }
                let mut sink = |offset: u64, bytes: &[u8]| {
                    for (place, byte) in (offset..).zip(bytes) {
                        assert_eq!(taken.insert(place, *byte), None, "byte {place} comes once");
                    }
                };
                section.hand_out_early(&mut sink);
                assert!(section.early.len() <= early_max);
                section.hand_out_next(20, &mut sink, |item| now[item as usize].to_le_bytes());
            }
            let bytes: Vec<u8> = taken.into_values().collect();
            assert_eq!(bytes, (0..200u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>());
        }
    }
}
