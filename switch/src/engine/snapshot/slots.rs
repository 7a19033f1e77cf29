//! What of a table of slots has not been taken yet: the slots, the list of free ones, and a queue over slots that are about to leave.

use ledger::capture::CaptureSection;

use super::length;

/// The number of a slot in a snapshot.
pub(in crate::engine) const SLOT_NUMBER_BYTES: usize = 4;

/// The three sections of such a table, in this order.
pub(in crate::engine) struct SlotsCapture<const SLOT: usize, const QUEUED: usize> {
    slots: CaptureSection<SLOT>,
    free: CaptureSection<SLOT_NUMBER_BYTES>,
    queue: CaptureSection<QUEUED>,
    /// Entries of the queue that have left since it began.
    queue_left: u32,
}

impl<const SLOT: usize, const QUEUED: usize> SlotsCapture<SLOT, QUEUED> {
    /// Begins at `offset` of the whole, with so many slots, free ones and entries of the queue.
    pub(in crate::engine) fn new(offset: u64, [slots, free, queue]: [u32; 3]) -> SlotsCapture<SLOT, QUEUED> {
        let slots = CaptureSection::new(offset, slots);
        let free = CaptureSection::new(slots.end(), free);
        let queue = CaptureSection::new(free.end(), queue);
        SlotsCapture { slots, free, queue, queue_left: 0 }
    }

    /// Where its last byte stands, and one.
    pub(in crate::engine) fn end(&self) -> u64 {
        self.queue.end()
    }

    /// A slot is about to change.
    #[inline]
    pub(in crate::engine) fn before_slot(&mut self, slot: u32, encode: impl FnOnce() -> [u8; SLOT]) {
        if self.slots.awaits(slot) {
            self.slots.take_early(slot, encode());
        }
    }

    /// A slot was the last free one, is no more, and is about to be used again: so many are free now.
    #[inline]
    pub(in crate::engine) fn before_reuse(&mut self, slot: u32, free_now: usize) {
        let place = length(free_now);
        if self.free.awaits(place) {
            self.free.take_early(place, slot.to_le_bytes());
        }
    }

    /// An entry was the first of the queue, and has left.
    #[inline]
    pub(in crate::engine) fn before_leaving(&mut self, encode: impl FnOnce() -> [u8; QUEUED]) {
        let place = self.queue_left;
        if self.queue.awaits(place) {
            self.queue.take_early(place, encode());
        }
        self.queue_left = place.saturating_add(1);
    }

    /// Hands out the next portion, as `Table::capture` says. The queue is asked by places of now.
    pub(in crate::engine) fn hand_out(
        &mut self,
        bytes_max: usize,
        mut sink: &mut dyn FnMut(u64, &[u8]),
        slot: impl Fn(usize) -> [u8; SLOT],
        free: impl Fn(usize) -> u32,
        queued: impl Fn(usize) -> [u8; QUEUED],
    ) -> usize {
        let sink = &mut sink;
        let early = self.slots.hand_out_early(bytes_max / 2, sink);
        let mut counted = self.slots.hand_out_next(bytes_max, sink, |place| slot(place as usize));
        let number = |place: u32| free(place as usize).to_le_bytes();
        counted += self.free.hand_out_next(bytes_max.saturating_sub(counted), sink, number);
        let left = self.queue_left;
        let entry = |place: u32| queued((place - left) as usize);
        counted += self.queue.hand_out_next(bytes_max.saturating_sub(counted), sink, entry);
        early + counted
    }
}

/// Gives each slot that is free, or in the queue, its only place in the two.
pub(in crate::engine) struct Claims {
    seen: Vec<bool>,
}

impl Claims {
    pub(in crate::engine) fn new(slots: usize) -> Claims {
        Claims { seen: vec![false; slots] }
    }

    /// The slot with this number, named for the first time.
    pub(in crate::engine) fn claim(&mut self, bytes: [u8; SLOT_NUMBER_BYTES]) -> Result<u32, &'static str> {
        let slot = u32::from_le_bytes(bytes);
        let seen = self.seen.get_mut(slot as usize).ok_or("the slot does not exist")?;
        if std::mem::replace(seen, true) { Err("the slot was named before") } else { Ok(slot) }
    }

    /// Was this slot named?
    pub(in crate::engine) fn has(&self, slot: usize) -> bool {
        self.seen[slot]
    }
}
