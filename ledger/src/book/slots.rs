//! The transfers that a book holds, each in a slot whose place is its handle.
//!
//! A slot that has become free is used again, the one freed last first, and new ones are added some at a time: which slot is
//! next depends on nothing but the calls, so that handles are the same in every book that saw the same.

use crate::limits::TRANSFERS_MAX;
use crate::pages::Pages;
use crate::transfer::{Transfer, TransferDetails};

/// No slot: the last place that a `u32` could name is never used.
pub(super) const NO_SLOT: u32 = TRANSFERS_MAX;

/// So many slots are added when none is vacant. Handles follow from it, and with them digests: never change it.
pub(super) const SLOTS_ADDED: u32 = 64;

/// A place for one transfer.
#[derive(Clone)]
pub(super) enum Slot {
    /// Nothing is here; the next one in the list of vacant slots, or [`NO_SLOT`].
    Vacant { next: u32 },
    /// A transfer.
    Held(Transfer),
}

const _: () = assert!(size_of::<Slot>() == 64 && align_of::<Slot>() == 64, "a look-up waits for one cache line");

/// Slots on one page: 64 KiB. Pages never move, so that to grow costs a page, and never a copy of everything.
const PAGE_SLOTS: u32 = 1_024;
const PAGE_LEN: usize = PAGE_SLOTS as usize;

const _: () = assert!(PAGE_SLOTS.is_multiple_of(SLOTS_ADDED));

/// All slots.
pub(super) struct Slots {
    pages: Vec<Box<[Slot; PAGE_LEN]>>,
    /// Slots, vacant ones included. Behind them, up to the end of the last page, are vacant ones that are to be added.
    len: u32,
    /// The head of the list of vacant slots.
    vacant: u32,
    held: u32,
}

impl Default for Slots {
    fn default() -> Slots {
        Slots { pages: Vec::new(), len: 0, vacant: NO_SLOT, held: 0 }
    }
}

impl Slots {
    /// Slots, vacant ones included.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// Transfers.
    #[inline]
    pub(super) fn held(&self) -> u32 {
        self.held
    }

    #[inline]
    pub(super) fn get(&self, place: u32) -> &Transfer {
        match self.slot(place) {
            Slot::Held(transfer) => transfer,
            Slot::Vacant { .. } => not_held(place),
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, place: u32) -> &mut Transfer {
        match self.slot_mut(place) {
            Slot::Held(transfer) => transfer,
            Slot::Vacant { .. } => not_held(place),
        }
    }

    /// Where the next transfer will stand.
    #[inline]
    pub(super) fn next_place(&self) -> u32 {
        if self.vacant == NO_SLOT { self.len } else { self.vacant }
    }

    /// Puts a transfer into the next place.
    #[inline(always)]
    pub(super) fn put(&mut self, place: u32, transfer: Transfer) {
        if self.vacant == NO_SLOT {
            self.add();
        }
        assert_eq!(place, self.vacant, "the next place");
        let slot = self.slot_mut(place);
        let Slot::Vacant { next } = *slot else { panic!("slot {place} is vacant and yet held") };
        *slot = Slot::Held(transfer);
        self.vacant = next;
        self.held += 1;
    }

    /// Frees a slot that holds a transfer.
    pub(super) fn free(&mut self, place: u32) {
        let next = self.vacant;
        let slot = self.slot_mut(place);
        assert!(matches!(slot, Slot::Held(_)), "what is freed was held");
        *slot = Slot::Vacant { next };
        self.vacant = place;
        self.held -= 1;
    }

    /// Takes back the last [`Slots::put`], before which there were `len_before` slots.
    pub(super) fn take_back(&mut self, place: u32, len_before: u32) {
        self.free(place);
        if self.len != len_before {
            // They lead to each other as they did before.
            assert_eq!((place, self.len), (len_before, len_before + SLOTS_ADDED), "slots were added for it");
            self.len = len_before;
            self.vacant = NO_SLOT;
        }
    }

    /// The head of the list of vacant slots, or [`NO_SLOT`].
    pub(super) fn first_vacant(&self) -> u32 {
        self.vacant
    }

    #[inline]
    pub(super) fn slot(&self, place: u32) -> &Slot {
        &self.pages[(place / PAGE_SLOTS) as usize][(place % PAGE_SLOTS) as usize]
    }

    /// All slots by place.
    pub(super) fn slots(&self) -> impl DoubleEndedIterator<Item = &Slot> {
        (0..self.len).map(|place| self.slot(place))
    }

    /// All transfers with their places, by place.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (u32, &Transfer)> {
        (0..self.len).filter_map(|place| match self.slot(place) {
            Slot::Held(transfer) => Some((place, transfer)),
            Slot::Vacant { .. } => None,
        })
    }

    /// Adds a slot as it was. The list of vacant ones is to be restored when all are there.
    pub(super) fn restore(&mut self, slot: Slot) {
        self.held += u32::from(matches!(slot, Slot::Held(_)));
        self.need_page();
        self.len += 1;
        *self.slot_mut(self.len - 1) = slot;
    }

    /// The list of vacant slots begins here, and leads through all of them, so many. An error is the place where it does not.
    pub(super) fn restore_vacant(&mut self, first: u32, vacant: u32) -> Result<(), u32> {
        let mut place = first;
        for _ in 0..vacant {
            match if place < self.len { self.slot(place) } else { return Err(place) } {
                Slot::Vacant { next } => place = *next,
                Slot::Held(_) => return Err(place),
            }
        }
        // A list that met a slot twice would go round for ever, and not end after so many.
        self.vacant = first;
        if place == NO_SLOT { Ok(()) } else { Err(place) }
    }

    #[inline]
    fn slot_mut(&mut self, place: u32) -> &mut Slot {
        &mut self.pages[(place / PAGE_SLOTS) as usize][(place % PAGE_SLOTS) as usize]
    }

    /// Adds slots, all vacant, in their order.
    #[cold]
    fn add(&mut self) {
        assert!(self.len < NO_SLOT - SLOTS_ADDED, "limits.rs keeps transfers below the last places");
        self.need_page();
        self.vacant = self.len;
        self.len += SLOTS_ADDED;
    }

    /// A page for the next slots, unless it is there.
    fn need_page(&mut self) {
        if (self.len / PAGE_SLOTS) as usize == self.pages.len() {
            // Slots that are added together lead to each other from the beginning.
            let next = |place: u32| if place % SLOTS_ADDED == SLOTS_ADDED - 1 { NO_SLOT } else { place + 1 };
            let places = self.len..self.len + PAGE_SLOTS;
            let page: Vec<Slot> = places.map(|place| Slot::Vacant { next: next(place) }).collect();
            self.pages.push(page.into_boxed_slice().try_into().ok().expect("it has the length of a page"));
        }
    }
}

#[cold]
fn not_held(place: u32) -> ! {
    panic!("no transfer stands in slot {place}: its handle is no longer valid")
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
