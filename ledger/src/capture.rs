//! The bytes of a table as it is at one moment, taken in portions while the table goes on.
//!
//! A table is items of one width. An item that is about to change and has not been taken yet is encoded first, as it was when
//! the capture began, and waits; the rest is taken from the front, portion by portion, and what waits is handed out in its
//! turn. So every byte is handed out exactly once, each with its place in the whole, and in order unless too much waits: small
//! pieces all over a file would cost its disk a block each.
//!
//! Memory: one bit an item, and the items that wait. No step takes longer than its portion: an item that is shorter than the work
//! of finding it counts as that, whether there is anything left of it to hand out or not.

use std::collections::BTreeMap;

use crate::limits::{CAPTURE_EARLY_BYTES_MAX, CAPTURE_ITEM_BYTES_MIN, CAPTURE_PIECE_BYTES};

/// Items of one kind and width, of which a capture takes those that there are when it begins.
///
/// The owner asks [`awaits`](Self::awaits) before each change of an item, and gives the item as it still is where that says so. What is
/// added behind the last item needs no such care; what is taken off the end does.
pub struct CaptureSection<const WIDTH: usize> {
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

impl<const WIDTH: usize> CaptureSection<WIDTH> {
    /// What an item counts in a portion.
    const PORTION_BYTES: usize = if WIDTH < CAPTURE_ITEM_BYTES_MIN { CAPTURE_ITEM_BYTES_MIN } else { WIDTH };

    /// So many items, the first of which stands at `offset` in the whole.
    pub fn new(offset: u64, len: u32) -> CaptureSection<WIDTH> {
        let early_bits = vec![0; (len as usize).div_ceil(64)];
        CaptureSection {
            offset,
            len,
            next: 0,
            early_bits,
            early: BTreeMap::new(),
            early_max: CAPTURE_EARLY_BYTES_MAX / WIDTH,
        }
    }

    /// Where the last item ends in the whole.
    pub fn end(&self) -> u64 {
        self.offset + u64::from(self.len) * WIDTH as u64
    }

    /// Must the item be encoded before it changes?
    #[inline]
    pub fn awaits(&self, item: u32) -> bool {
        (self.next..self.len).contains(&item) && !self.is_early(item)
    }

    fn is_early(&self, item: u32) -> bool {
        self.early_bits[item as usize / 64] & (1 << (item % 64)) != 0
    }

    /// An item as it was when the capture began, before it changes. To be called only where [`Self::awaits`] says so.
    pub fn take_early(&mut self, item: u32, bytes: [u8; WIDTH]) {
        self.early_bits[item as usize / 64] |= 1 << (item % 64);
        self.early.insert(item, bytes);
    }

    /// Hands out some of what was taken out of turn, if it has become too much to wait for its turn: neighbours in one piece, about
    /// so many bytes. Returns how many that counts.
    pub fn hand_out_early(&mut self, bytes_max: usize, sink: &mut impl FnMut(u64, &[u8])) -> usize {
        let mut piece = Piece::default();
        let mut counted = 0;
        while self.early.len() > self.early_max && counted < bytes_max {
            let Some((item, bytes)) = self.early.pop_first() else { break };
            piece.add(self.offset + u64::from(item) * WIDTH as u64, &bytes, sink);
            counted += Self::PORTION_BYTES;
        }
        piece.hand_out(sink);
        counted
    }

    /// Hands out the next items in turn, of about so many bytes. Returns how many that counts.
    pub fn hand_out_next(
        &mut self,
        bytes_max: usize,
        sink: &mut impl FnMut(u64, &[u8]),
        encode: impl Fn(u32) -> [u8; WIDTH],
    ) -> usize {
        let mut piece = Piece::default();
        let mut counted = 0;
        while self.next < self.len && counted < bytes_max {
            let bytes = if self.is_early(self.next) { self.early.remove(&self.next) } else { Some(encode(self.next)) };
            if let Some(bytes) = bytes {
                piece.add(self.offset + u64::from(self.next) * WIDTH as u64, &bytes, sink);
            }
            counted += Self::PORTION_BYTES;
            self.next += 1;
        }
        piece.hand_out(sink);
        counted
    }

    /// Has every item been handed out?
    pub fn is_complete(&self) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether nothing may wait, or a few, or all: each item comes once, as it was when the capture began.
    #[test]
    fn every_item_is_handed_out_once_and_as_it_was() {
        for early_max in [0, 3, 1_000] {
            let mut now: Vec<u32> = (0..200).collect();
            let mut section = CaptureSection::<4> { early_max, ..CaptureSection::new(8, 200) };
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
                while section.hand_out_early(8, &mut sink) > 0 {}
                assert!(section.early.len() <= early_max);
                section.hand_out_next(20, &mut sink, |item| now[item as usize].to_le_bytes());
            }
            let bytes: Vec<u8> = taken.into_values().collect();
            assert_eq!(bytes, (0..200u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>());
        }
    }

    /// Short items, each of them taken out of turn: looking for them is what takes time, whether they still wait or have been handed out.
    #[test]
    fn a_portion_of_short_items_is_bounded_by_their_number() {
        for early_max in [0, 1_000] {
            let mut section = CaptureSection::<4> { early_max, ..CaptureSection::new(0, 1_000) };
            (0..1_000).for_each(|item| section.take_early(item, [0; 4]));
            while section.hand_out_early(10 * CAPTURE_ITEM_BYTES_MIN, &mut |_, _| {}) > 0 {}
            for portion in 1..=100 {
                let counted = section.hand_out_next(10 * CAPTURE_ITEM_BYTES_MIN, &mut |_, _| {}, |_| [0; 4]);
                assert_eq!((counted, section.next), (10 * CAPTURE_ITEM_BYTES_MIN, 10 * portion));
            }
            assert!(section.is_complete());
        }
    }
}
