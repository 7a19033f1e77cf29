//! A table of items that are found by a key, whose oldest can be looked at in turn, and that a snapshot takes in portions (`docs/formats/engine-snapshot.md`).

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash};
use std::io::Read;

use ledger::id_table::IdTable;
use ledger::pages::Pages;

use crate::engine::snapshot::slots::{Claims, SLOT_NUMBER_BYTES, SlotsCapture};
use crate::engine::snapshot::{Checked, Part, RestoreFault, Table, ensure, length, read_items};

/// What such a table holds.
pub(in crate::engine) trait Item<const WIDTH: usize>: Copy {
    /// By what it is found.
    type Key: Copy + Eq + Hash;

    /// Its key.
    fn key(&self) -> Self::Key;

    /// Its bytes in a snapshot.
    fn bytes(&self) -> [u8; WIDTH];

    /// From these.
    fn read(bytes: &[u8; WIDTH]) -> Checked<Self>;
}

/// The table. It grows in pages and in parts: with a million end users, one that doubles as a whole would stop everything for 50 ms.
pub(in crate::engine) struct Kept<T: Item<WIDTH>, const WIDTH: usize> {
    slots: Pages<T>,
    /// Slots to be used again, the last one first.
    free: Vec<u32>,
    by_key: IdTable,
    hasher: foldhash::fast::RandomState,
    /// Slots in the order in which they are looked at; those of items that were taken out stay until their turn.
    turns: VecDeque<u32>,
    capture: Option<Box<SlotsCapture<WIDTH, SLOT_NUMBER_BYTES>>>,
}

impl<T: Item<WIDTH>, const WIDTH: usize> Default for Kept<T, WIDTH> {
    fn default() -> Self {
        Kept {
            slots: Pages::default(),
            free: Vec::new(),
            by_key: IdTable::with_capacity(0),
            hasher: foldhash::fast::RandomState::default(),
            turns: VecDeque::new(),
            capture: None,
        }
    }
}

impl<T: Item<WIDTH>, const WIDTH: usize> Kept<T, WIDTH> {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// The item with this key.
    pub(super) fn find(&self, key: &T::Key) -> Option<&T> {
        self.slot_of(key).map(|slot| self.slots.get(slot as usize))
    }

    fn slot_of(&self, key: &T::Key) -> Option<u32> {
        self.by_key.find(self.hasher.hash_one(key), |slot| self.slots.get(slot as usize).key() == *key)
    }

    /// Notes where an item stands. Was its key none that there is?
    fn note(&mut self, key: &T::Key, slot: u32) -> bool {
        let slots = &self.slots;
        self.by_key.insert_new(self.hasher.hash_one(key), slot, |slot| slots.get(slot as usize).key() == *key)
    }

    /// An item leaves its slot.
    fn vacate(&mut self, slot: u32) {
        let key = self.slots.get(slot as usize).key();
        self.by_key.remove(self.hasher.hash_one(key), slot);
        self.free.push(slot);
    }

    /// Puts an item in, or in the place of the one with its key. It is looked at in its turn.
    pub(super) fn put(&mut self, item: T) {
        match self.slot_of(&item.key()) {
            Some(slot) => {
                self.before_slot(slot);
                *self.slots.get_mut(slot as usize) = item;
            }
            None => {
                let slot = self.occupy(item);
                self.turns.push_back(slot);
            }
        }
    }

    /// Puts an item in that is new, and that is never looked at in turn.
    pub(super) fn add(&mut self, item: T) {
        self.occupy(item);
    }

    fn occupy(&mut self, item: T) -> u32 {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.before_slot(slot);
                if let Some(capture) = &mut self.capture {
                    capture.before_reuse(slot, self.free.len());
                }
                *self.slots.get_mut(slot as usize) = item;
                slot
            }
            None => {
                self.slots.push(item);
                length(self.slots.len() - 1)
            }
        };
        assert!(self.note(&item.key(), slot), "a new item has a key of its own");
        slot
    }

    /// Takes an item out that is never looked at in turn.
    pub(super) fn take(&mut self, key: &T::Key) -> Option<T> {
        let slot = self.slot_of(key)?;
        self.vacate(slot);
        Some(*self.slots.get(slot as usize))
    }

    /// Looks at the item whose turn it is: it leaves, or its next turn comes after all others.
    pub(super) fn look_at_oldest(&mut self, leaves: impl FnOnce(&T) -> bool) {
        let Some(slot) = self.turns.pop_front() else { return };
        if let Some(capture) = &mut self.capture {
            capture.before_leaving(|| slot.to_le_bytes());
        }
        if leaves(self.slots.get(slot as usize)) {
            self.vacate(slot);
        } else {
            self.turns.push_back(slot);
        }
    }

    /// All, in the order of their slots.
    pub(in crate::engine) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().enumerate().filter_map(|(slot, item)| {
            let is_held = self.slot_of(&item.key()).is_some_and(|at| at as usize == slot);
            is_held.then_some(item)
        })
    }

    fn before_slot(&mut self, slot: u32) {
        if let Some(capture) = &mut self.capture {
            capture.before_slot(slot, || self.slots.get(slot as usize).bytes());
        }
    }

    /// How many slots, free ones and turns a snapshot will have.
    pub(in crate::engine) fn lengths(&self) -> [u32; 3] {
        [length(self.slots.len()), length(self.free.len()), length(self.turns.len())]
    }

    /// The table that a snapshot has. `has_turns` says whether each item is looked at in turn, or none.
    pub(in crate::engine) fn restore(
        [slots, free, turns]: [u32; 3],
        has_turns: bool,
        body: &mut impl Read,
    ) -> Result<Kept<T, WIDTH>, RestoreFault> {
        let mut kept = Kept::default();
        read_items(body, Part::Lookup, slots, |_, bytes| {
            let item = T::read(bytes)?;
            ensure(item.bytes() == *bytes, "the bytes are not canonical")?;
            kept.slots.push(item);
            Ok(())
        })?;
        let mut claims = Claims::new(kept.slots.len());
        read_items(body, Part::FreeSlot, free, |_, bytes: &[u8; SLOT_NUMBER_BYTES]| {
            kept.free.push(claims.claim(*bytes)?);
            Ok(())
        })?;
        for slot in 0..kept.slots.len() {
            if !claims.has(slot) {
                let key = kept.slots.get(slot).key();
                let is_new = kept.note(&key, length(slot));
                ensure(is_new, "its key is taken")
                    .map_err(|what| RestoreFault::new(Part::Lookup, length(slot), what))?;
            }
        }
        read_items(body, Part::Turn, turns, |_, bytes: &[u8; SLOT_NUMBER_BYTES]| {
            kept.turns.push_back(claims.claim(*bytes)?);
            Ok(())
        })?;
        let expected = if has_turns { kept.len() } else { 0 };
        ensure(kept.turns.len() == expected, "an item has no turn, or one that has none")
            .map_err(|what| RestoreFault::new(Part::Turn, 0, what))?;
        Ok(kept)
    }
}

impl<T: Item<WIDTH>, const WIDTH: usize> Table for Kept<T, WIDTH> {
    fn begin_capture(&mut self, offset: u64) -> u64 {
        let capture = SlotsCapture::new(offset, self.lengths());
        let end = capture.end();
        self.capture = Some(Box::new(capture));
        end
    }

    fn capture(&mut self, bytes_max: usize, sink: &mut dyn FnMut(u64, &[u8])) -> usize {
        let (Some(capture), slots, free, turns) = (&mut self.capture, &self.slots, &self.free, &self.turns) else {
            return 0;
        };
        capture.hand_out(
            bytes_max,
            sink,
            |slot| slots.get(slot).bytes(),
            |place| free[place],
            |place| turns[place].to_le_bytes(),
        )
    }

    fn end_capture(&mut self) {
        self.capture = None;
    }
}
