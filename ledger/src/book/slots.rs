//! The transfers that a book holds, each in a slot whose place is its handle.
//!
//! A slot that has become free is used again, the one freed last first: which one that is depends on nothing but the calls,
//! so that handles are the same in every book that saw the same.

use super::pages::Pages;
use crate::limits::TRANSFERS_MAX;
use crate::transfer::{Transfer, TransferDetails};

/// No slot: the last place that a `u32` could name is never used.
pub(super) const NO_SLOT: u32 = TRANSFERS_MAX;

/// A place for one transfer.
#[derive(Clone)]
pub(super) enum Slot {
    /// Nothing is here; the slot that became free before it, or [`NO_SLOT`].
    Vacant { next: u32 },
    /// A transfer.
    Held(Transfer),
}

const _: () = assert!(size_of::<Slot>() == 64 && align_of::<Slot>() == 64, "a look-up waits for one cache line");

/// All slots.
pub(super) struct Slots {
    slots: Pages<Slot>,
    /// The head of the list of vacant slots.
    free: u32,
    held: u32,
}

impl Default for Slots {
    fn default() -> Slots {
        Slots { slots: Pages::default(), free: NO_SLOT, held: 0 }
    }
}

impl Slots {
    /// Slots, vacant ones included.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Transfers.
    #[inline]
    pub(super) fn held(&self) -> u32 {
        self.held
    }

    #[inline]
    pub(super) fn get(&self, place: u32) -> &Transfer {
        match self.slots.get(place as usize) {
            Slot::Held(transfer) => transfer,
            Slot::Vacant { .. } => panic!("no transfer stands in slot {place}: its handle is no longer valid"),
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, place: u32) -> &mut Transfer {
        match self.slots.get_mut(place as usize) {
            Slot::Held(transfer) => transfer,
            Slot::Vacant { .. } => panic!("no transfer stands in slot {place}: its handle is no longer valid"),
        }
    }

    /// Where the next transfer will stand.
    #[inline]
    pub(super) fn next_place(&self) -> u32 {
        if self.free == NO_SLOT { super::dense(self.slots.len()) } else { self.free }
    }

    /// Puts a transfer into the next place, and says which that was.
    #[inline(always)]
    pub(super) fn put(&mut self, transfer: Transfer) -> u32 {
        let place = self.next_place();
        if self.free == NO_SLOT {
            assert!(place != NO_SLOT, "limits.rs keeps transfers below the last place");
            self.slots.push(Slot::Held(transfer));
        } else {
            let slot = self.slots.get_mut(place as usize);
            let Slot::Vacant { next } = *slot else { panic!("slot {place} is free and yet held") };
            *slot = Slot::Held(transfer);
            self.free = next;
        }
        self.held += 1;
        place
    }

    /// Frees a slot that holds a transfer.
    pub(super) fn free(&mut self, place: u32) {
        let slot = self.slots.get_mut(place as usize);
        assert!(matches!(slot, Slot::Held(_)), "what is freed was held");
        *slot = Slot::Vacant { next: self.free };
        self.free = place;
        self.held -= 1;
    }

    /// Takes back the last [`Slots::put`], before which there were `len_before` slots.
    pub(super) fn take_back(&mut self, place: u32, len_before: usize) {
        if self.slots.len() == len_before {
            self.free(place);
        } else {
            assert_eq!((place as usize, self.slots.len()), (len_before, len_before + 1), "the last one made");
            self.slots.pop();
            self.held -= 1;
        }
    }

    /// The slot that became free last, or [`NO_SLOT`].
    pub(super) fn freed_last(&self) -> u32 {
        self.free
    }

    pub(super) fn slot(&self, place: u32) -> &Slot {
        self.slots.get(place as usize)
    }

    /// Adds a slot as it was. The list of vacant ones is to be restored when all are there.
    pub(super) fn restore(&mut self, slot: Slot) {
        self.held += u32::from(matches!(slot, Slot::Held(_)));
        self.slots.push(slot);
    }

    /// The list of vacant slots begins here, and leads through all of them, so many. An error is the place where it does not.
    pub(super) fn restore_free(&mut self, first: u32, vacant: u32) -> Result<(), u32> {
        let mut place = first;
        for _ in 0..vacant {
            match (place as usize) < self.slots.len() {
                true => match self.slot(place) {
                    Slot::Vacant { next } => place = *next,
                    Slot::Held(_) => return Err(place),
                },
                false => return Err(place),
            }
        }
        // A list that met a slot twice would go round for ever, and not end after so many.
        self.free = first;
        if place == NO_SLOT { Ok(()) } else { Err(place) }
    }

    /// All slots by place.
    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }

    /// All transfers with their places, by place.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (u32, &Transfer)> {
        self.slots.iter().enumerate().filter_map(|(place, slot)| match slot {
            Slot::Held(transfer) => Some((super::dense(place), transfer)),
            Slot::Vacant { .. } => None,
        })
    }
}

/// What few transfers have, in a table of its own. Where in it, is nobody's business: no place here leaves the book.
#[derive(Default)]
pub(super) struct DetailsTable {
    details: Pages<TransferDetails>,
    free: Vec<u32>,
}

impl DetailsTable {
    pub(super) fn get(&self, at: usize) -> &TransferDetails {
        self.details.get(at)
    }

    pub(super) fn put(&mut self, details: TransferDetails) -> usize {
        match self.free.pop() {
            Some(at) => {
                *self.details.get_mut(at as usize) = details;
                at as usize
            }
            None => {
                self.details.push(details);
                self.details.len() - 1
            }
        }
    }

    pub(super) fn free(&mut self, at: usize) {
        self.free.push(super::dense(at));
    }
}
